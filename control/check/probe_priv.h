// SPDX-License-Identifier: BSD-3-Clause
//
// What probe.c and the kinds of checks share.
#pragma once

#include "control/check/probe.h"

struct check_icmp_pool;
struct check_trust;
struct event;

struct check_prober {
	struct check_prober_conf conf;
	size_t running;
	struct check_icmp_pool *icmp;
	struct check_trust *trust;
};

// How a kind of check is made. start and cancel are those of check_ops.
struct check_kind {
	bool (*start)(struct check_prober *p, struct check_target *t, struct check_result *r);
	void (*cancel)(struct check_prober *p, struct check_target *t);
	// Its time is over: *r says so already, change what it means for this kind. cancel() follows.
	void (*expire)(const struct check_target *t, struct check_result *r);
};

extern const struct check_kind check_kind_tcp, check_kind_stream, check_kind_udp, check_kind_icmp,
	check_kind_agent;

// Report the end of the check of t, which must have freed its probe already.
void check_probe_done(struct check_prober *p, struct check_target *t, struct check_result *r);

// The server's address as the kernel wants it. Returns: its length.
socklen_t check_sockaddr(const struct check_target *t, struct sockaddr_storage *out);

// Is this errno our own want (descriptors, memory, local ports) rather than the server's fault?
bool check_errno_local(int err);

// r->reason = "<what>: <text of err, first letter small>"; r->local if it is our own want
void check_errno_reason(struct check_result *r, const char *what, int err);

uint32_t check_since_us(const struct check_target *t);

// A connection to the server, begun. Returns: its descriptor; or a negative errno.
int check_connect(const struct check_target *t);
// How did it end? Returns: 0 connected, or an errno. A connection to itself is refused: two ends that call
// each other at the same port meet in one socket (RFC 9293, simultaneous open), so that on the loopback
// a port without a server can seem to have one.
int check_connected(int fd, const struct check_target *t);
// Close it by a reset: no state stays behind on either side, whatever the rate of checks.
void check_close_reset(int fd);

// Takes the sockets, which it closes in the end.
int check_icmp_pool_create(struct check_prober *p, struct check_icmp_pool **out);
void check_icmp_pool_destroy(struct check_icmp_pool *h);
