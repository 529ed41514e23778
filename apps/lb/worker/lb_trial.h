// SPDX-License-Identifier: BSD-3-Clause
//
// lb_trial - what a worker would do with a first packet, without doing it: the worker's part of the query
// "explain" (lb_explain.c).
#pragma once

#include "apps/lb/show/lb_flows.h"
#include "dataplane/out/view.h"

struct worker;

struct lb_trial {
	// in
	struct lb_worker *lw;
	uint16_t context;
	uint8_t family, proto;
	rte_be16_t sport, dport;
	uint8_t src[16], dst[16];
	// out
	unsigned owner;   // of such packets; the rest holds only if that is lw
	bool own;         // the destination is an address of ours ...
	uint8_t own_kind; // ... bits of enum lb_own_kind
	bool quiet;       // strays fall silent still
	bool known;       // there is a flow: `flow`, and the rest is what a new one would get
	struct lb_flow_info flow;
	uint32_t service_ref, server_ref; // 0: none
	bool persistent, remembered;      // struct lb_pick_look
	uint64_t pool_id;                 // that picked: the service's, or a backup pool
	bool local_found;
	uint8_t local[16];
	uint16_t local_port; // host order
	rte_be16_t server_port;
	bool hop_found[2]; // by enum flow_dir
	struct nexthop hop[2];
};

// Pure: cursors and tables are as before. arg: struct lb_trial *. Returns: 0. Thread: owner worker
int lb_trial_run(struct worker *w, void *arg);
