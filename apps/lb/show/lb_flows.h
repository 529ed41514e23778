// SPDX-License-Identifier: BSD-3-Clause
//
// lb_flows - which flows an operator means, and the walk over a worker's table that finds them. lb_walk.c
// is the walk and runs on the control thread over the tables of workers that go on; lb_flows.c makes
// queries of it (slices, answers); a flow is ended by its owner worker alone (lb_clear.c).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "apps/lb/lb.h"

#define LB_FLOW_WORDS 8
#define LB_FLOW_REFS  64 // servers or services of one name

enum lb_flow_side {
	LB_SIDE_CLIENT = 1,
	LB_SIDE_SERVICE = 2,
	LB_SIDE_LOCAL = 4,
	LB_SIDE_SERVER = 8,
	LB_SIDE_ANY = 15,
};

// One condition on addresses and ports: holds if it does for one of the sides.
struct lb_flow_word {
	uint8_t sides;  // enum lb_flow_side
	uint8_t family; // 4 or 6; 0: no address, the port alone
	uint8_t len;    // of the prefix
	uint8_t addr[16];
	uint16_t port_min, port_max; // host order; 0, 65535: any
};

// All conditions hold together; all zero but the maxima: every flow. lb_flow_filter_init.
struct lb_flow_filter {
	uint8_t proto;  // 0: any
	uint8_t family; // 0: any
	uint8_t states; // bits 1 << enum flow_state; 0: any
	bool has_context;
	uint16_t context;
	uint32_t idle_min, idle_max, age_min, age_max; // clock ticks, inclusive
	unsigned words, servers, services;
	struct lb_flow_word word[LB_FLOW_WORDS];
	uint32_t server[LB_FLOW_REFS], service[LB_FLOW_REFS]; // refs; one of them
	bool has_server, has_service;                         // (of none, if there are none)
};

static inline void lb_flow_filter_init(struct lb_flow_filter *f)
{
	*f = (struct lb_flow_filter){.idle_max = UINT32_MAX, .age_max = UINT32_MAX};
}

// Look at `count` entries from `from` on. emit is given each live flow that the filter means and returns
// false to end the walk behind it.
//
// Costs a line per entry; only those that match are copied. The worker goes on meanwhile: a flow that
// changes under our eyes is left out.
// Returns: the entry after the last one looked at; lb_worker_flow_size() at the end. Thread: control
uint32_t lb_worker_flow_walk(const struct lb_worker *lw, const struct lb_flow_filter *f,
			     uint32_t from, uint32_t count,
			     bool (*emit)(void *ctx, uint32_t index, const struct lb_flow_info *i),
			     void *ctx);
// Does the filter mean entry `index` now? Thread: owner worker
bool lb_flow_holds(const struct lb_worker *lw, const struct lb_flow_filter *f, uint32_t index,
		   uint32_t now);
// A copy of entry `index`. False: there is none. Thread: any
bool lb_flow_info(const struct lb_worker *lw, uint32_t index, struct lb_flow_info *out);
uint32_t lb_worker_flow_size(const struct lb_worker *lw); // entries; Thread: any

// ---- lb_clear.c, run by the owner worker (worker_call) ----------------------------------------

// End those of these flows that the filter still means. UDP ends at once. Of TCP both sides are asked
// where they are, by a segment that RFC 9293 section 3.10.7.4 has them answer, and their answer, like
// anything else they send, is turned into a reset that fits; the flow ends with the second reset or with
// the timeout of closing ones.
struct rte_mempool;
struct lb_clear {
	struct lb_worker *lw;
	struct rte_mempool *pool; // of the segments that ask; NULL: nobody is asked
	const struct lb_flow_filter *filter;
	uint32_t index[128];
	unsigned count;
	unsigned ended; // out
};
int lb_clear_flows(struct worker *w, void *clear);
