// SPDX-License-Identifier: BSD-3-Clause
//
// probe - one check of one server. Time limits are the engine's (target.h): it cancels what takes too long.
//
//	probe_tcp.c     a connection                        probe_udp.c    a datagram and its answer
//	probe_stream.c  a TLS handshake; a GET, plain or    probe_icmp.c   an echo, IPv4 or IPv6
//	                over TLS (http_answer.h)            probe_agent.c  a line from an agent (agent.h)
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "control/check/target.h"

struct event_base;
struct check_prober;

// Sockets for echoes, one of each family; -1: none, checks of that family then end as `local`.
struct check_icmp_fds {
	int fd[2]; // IPv4, IPv6
	bool raw[2];
};

// Open them: sockets that can do nothing but echo where the system lets this user have them
// (net.ipv4.ping_group_range), else raw ones, which takes root or CAP_NET_RAW: call it before those are
// given up. What could not be had is -1, errno of it in err[].
// Thread: init
void check_icmp_open(struct check_icmp_fds *s, int err[2]);

struct check_prober_conf {
	struct event_base *base;
	// A check has ended by itself.
	void (*done)(void *arg, struct check_target *t, struct check_result *r);
	void *arg;
	size_t max; // checks at once; one more ends at once as `local`
	struct check_icmp_fds icmp;
};

// Errors: -ENOMEM. Thread: init
int check_prober_create(const struct check_prober_conf *conf, struct check_prober **out);
// No check may run. The sockets for echoes are closed.
void check_prober_destroy(struct check_prober *p);

// As check_ops of target.h. Thread: control
bool check_probe_start(struct check_prober *p, struct check_target *t, struct check_result *r);
void check_probe_cancel(struct check_prober *p, struct check_target *t);
void check_probe_expire(struct check_prober *p, struct check_target *t, struct check_result *r);

// Microseconds of the monotonic clock.
uint64_t check_now_us(void);
