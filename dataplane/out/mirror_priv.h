// SPDX-License-Identifier: BSD-3-Clause
//
// mirror_priv - the mirror's state, shared by mirror.c (sockets, views, life) and mirror_message.c (what the
// kernel says). All on the control thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_log.h>

#include "dataplane/out/build.h"
#include "dataplane/out/fib.h"
#include "dataplane/out/link.h"
#include "dataplane/out/mirror.h"
#include "dataplane/out/neigh.h"

#define MIRROR_USED_NS UINT64_C(60000000000) // how long a neighbour counts as used
#define MESSAGE_BUFFER 65536

extern int mirror_logtype;
#define LOG(level, ...) rte_log(RTE_LOG_##level, (uint32_t)mirror_logtype, "out: " __VA_ARGS__)

struct mnl_socket;

extern struct mirror {
	struct loop *loop;
	struct mnl_socket *events, *asks;
	struct neigh_table *neigh;
	struct fib *fib;
	struct build_address *address;
	unsigned addresses, address_room;
	struct out_routes *routes; // of the view in force
	uint32_t epoch, prefix_epoch;
	uint16_t generation, serial;
	bool dirty;        // the view differs
	bool routes_dirty; // the tables too
	bool moved;        // out_route() may answer otherwise
	bool urgent;       // a neighbour has resolved
	bool timer, resync_timer;
	uint64_t published_ns, build_ns;
	uint32_t seq;
	struct mirror_stats stats;
	uint8_t buffer[MESSAGE_BUFFER];
} mirror;

void mirror_say_full(void); // no room for another next hop
// Dump everything again a little later.
void mirror_resync_soon(void);
// Let the kernel resolve an address, or confirm it. Errors: -ENODEV and those of send(2)
int mirror_ask(int ifindex, uint8_t family, const uint8_t addr[16]);
