// SPDX-License-Identifier: BSD-3-Clause
//
// lb_build - a new immutable struct lb_snapshot from the records and the snapshot before it.
//
// Parts that did not change (chunks of servers and services, pools with their schedules, local pools, the
// hashes) are shared with the base: a change costs what it touches plus, where services change, one
// pass over the service table. Parts made for the new snapshot belong to it until it is published; parts
// of the base that it replaces are freed with the base, once no worker can see them.
//
// All calls on the control thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "apps/lb/lb.h"
#include "apps/lb/conf/lb_store.h"

struct lb_timed;

struct lb_snap {                // what the control thread knows beside the published part
	struct lb_snapshot pub; // first: workers get &snap->pub
	struct lb_pool **pool;  // by lb_entry.index, NULL = none
	struct lb_local_pool **local;
	uint32_t pools, locals; // sizes of these arrays
	uint32_t server_slots, service_slots;
	struct lb_parts *fresh;    // made for it, until adopted
	struct lb_parts *replaced; // of its base, until adopted
	struct lb_parts *garbage;  // freed with it: replaced by its successor
};

struct lb_build_in {
	const struct lb_store *store;
	bool next;                  // of the transaction under way; else of the records in force
	const struct lb_snap *base; // NULL: nothing before it
	uint64_t version;
	uint64_t serial;
	uint32_t start_ticks;                                // of the process, for quiet_until
	uint32_t server_slots, service_slots, pools, locals; // how many there are (at least)
	const struct lb_loads *loads;                        // flows of servers, for the schedulers
	struct lb_persist *persist;                          // NULL: none yet
	struct lb_timed *timed;                              // slow starts that begin
	const struct lb_listeners *listeners;                // NULL: none; copied
	// Servers whose verdict changed, beside what the transaction touches.
	struct lb_entry *const *health;
	uint32_t health_count;
};

// Every entry that is there has its ref or index and every reference leads somewhere (lb_check.c).
// Returns: 0 and *out, unpublished.
// Errors:  -ENOMEM; -EEXIST two services on one address, port, protocol and context, or an address in two
//          local pools: *ack says which
int lb_build(const struct lb_build_in *in, struct lb_snap **out, struct ctl_ack *ack);

// Throw away a snapshot that was never published; base and what it shares with it stay.
void lb_build_discard(struct lb_snap *s);

// `s` is about to be published in place of its base: from now on its parts are its own, and those
// replaced go with the base.
void lb_build_adopt(struct lb_snap *s, struct lb_snap *base);

// Free a snapshot that was replaced, with the parts that went with it (destroy of publish_swap).
void lb_snap_retire(void *pub);

// Free the last one, with everything in it.
void lb_snap_destroy(struct lb_snap *s);

// Ageing by enum flow_state, in clock ticks.
void lb_build_timeouts(const struct lb_store *s, bool next, uint32_t timeout[FLOW_STATE_COUNT]);

// A server's flags and weight under a pool's rules and what is known of its health.
struct lb_server_flags {
	bool takes_new, alive;
	uint16_t weight;
};
struct lb_server_flags lb_server_flags(const struct ctl_server *s, const struct ctl_pool *p,
				       const struct lb_verdict *v);
