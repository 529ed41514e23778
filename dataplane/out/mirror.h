// SPDX-License-Identifier: BSD-3-Clause
//
// mirror - follows the kernel's links, addresses, routes and neighbours of this namespace and
// publishes them as struct out_view. Inside of out/; callers use out.h. All on the control thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/out/fib.h"
#include "dataplane/out/neigh.h"

struct loop;
struct nlmsghdr;
struct ctl_prefix;

struct mirror_stats {
	uint64_t events;   // netlink messages
	uint64_t resyncs;  // everything was asked again
	uint64_t overruns; // of those, because the socket had lost events
	uint64_t views;    // published
	uint64_t asked;    // neighbours the kernel was asked to resolve
	uint64_t refused;  // next hops that found no index
	uint32_t routes, nexthops, addresses;
	uint64_t table_bytes;
};

// Make the tables and publish an empty view. Errors: -ENOMEM
int mirror_create(void);
void mirror_destroy(void);

// Open the sockets, dump, follow. Errors: -EPERM, -EIO, -ENOMEM
int mirror_start(struct loop *l);

// One message of the kernel, as mirror_start's sockets deliver it (and tests).
// `dump`: an answer to a dump, not an event.
void mirror_message(const struct nlmsghdr *nlh, bool dump);

// Ask for everything again now, then publish. Errors: -EIO
int mirror_resync(void);

// Publish if anything has changed.
void mirror_publish(void);

int mirror_prefix_set(const struct ctl_prefix *prefixes, unsigned count);
void mirror_ports_changed(void);

// A worker waits for this next hop (a glean with `addr`, or a host): ask the kernel to resolve it.
void mirror_want(uint16_t nexthop, uint8_t family, const uint8_t addr[16]);

// Keep next hops in use confirmed; called every second with the workers' marks collected in `used`
// (count bytes, by index).
void mirror_confirm(const uint8_t *used, uint32_t count);

void mirror_stats(struct mirror_stats *out);
void mirror_walk(bool (*fn)(void *arg, const struct fib_route *r), void *arg);
// tx.c: called after a view was published, to wake workers that hold packets.
extern void (*mirror_published)(void);
