// SPDX-License-Identifier: BSD-3-Clause
//
// lb_timed - what time alone changes about servers: slow start and the deadline of a drain.
//
// Slow start: a server that takes new flows and did not before, in a pool that others serve already, begins
// with a tenth of its weight; the rest comes in steps of 1 / LB_WEIGHT_UNIT over the pool's slow-start. A
// server of a pool that nobody serves has nobody to spare it, and a restart is no coming up.
//
// Drain: when a server has been in admin-state drain for the pool's drain-timeout, its flows are ended like
// those that an operator clears (lb_flows.h): both sides of a TCP connection are told. A restart of the
// process begins the time anew.
//
// All calls on the control thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "apps/lb/conf/lb_store.h"

struct lb_conf;

struct lb_timed { // servers in their slow start or in drain
	struct lb_entry **entry;
	uint32_t count, capacity;
	uint64_t next_ns;       // no step before: those of large pools cost something
	struct lb_sweep *sweep; // that ends flows now, NULL: none
};

// The server came up: its slow start begins. Errors: -ENOMEM
int lb_timed_ramp(struct lb_timed *t, struct lb_entry *server);
// What schedulers go by (lb_server.effective): weight in units of 1 / LB_WEIGHT_UNIT, less in slow start.
uint16_t lb_timed_weight(struct lb_entry *server, uint16_t weight, const struct ctl_pool *pool);
// A commit put the server's record in force; before it is in place.
void lb_timed_commit(struct lb_conf *c, struct lb_entry *server);
// It is about to be freed.
void lb_timed_forget(struct lb_timed *t, const struct lb_entry *server);
// Called about ten times a second.
void lb_timed_tick(struct lb_conf *c);
void lb_timed_fini(struct lb_conf *c);
