// SPDX-License-Identifier: BSD-3-Clause
//
// lb_listen - what sockets of the node's kernel wait for, followed for services of any port: those leave it to the
// kernel (lb_match.c). The steering program of an AF_XDP port asks the kernel for each packet; what comes by
// VLANs, TAPs and devices of our own, and fragments that it had to take, is told apart by this set. It is read
// LB_LISTEN_MS apart, and when a transaction is prepared.
//
// In it are sockets that wait, on all addresses or on one of such services, and TCP connections on one of
// them: their port stays the kernel's as long as they last. Thread: control
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "apps/lb/lb.h"

#define LB_LISTEN_MS 500

struct lb_conf;

struct lb_listen {                // what the control thread remembers
	struct lb_listener *want; // family, protocol and address of services of any port; sorted
	uint32_t count;
	bool stale; // made for a transaction that may have ended since
	int failed; // last error of reading, 0: none
};

static inline size_t lb_listeners_size(const struct lb_listeners *l)
{
	return sizeof(*l) + l->count * sizeof(l->single[0]);
}

// Either may be NULL.
bool lb_listeners_same(const struct lb_listeners *a, const struct lb_listeners *b);

// Read c->listeners anew. Where the kernel does not answer, it stays as it is. prepare: for the services of the
// transaction under way too
void lb_listen_read(struct lb_conf *c, bool prepare);
// Begin to follow. Returns: a timer's id, or -ENOMEM
int lb_listen_start(struct lb_conf *c);
void lb_listen_fini(struct lb_conf *c);
