// SPDX-License-Identifier: BSD-3-Clause
//
// hold - packets of one worker that wait for a neighbour: HOLD_MAX in all, HOLD_PER_NEXTHOP for one
// neighbour, HOLD_MS each. Inside of out/. The owner worker does everything but take requests.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/core/drop.h"
#include "dataplane/parse/parse.h"

#define HOLD_MAX         512
#define HOLD_PER_NEXTHOP 16
#define HOLD_MS          1000
#define HOLD_CHAINS      256
#define HOLD_CHAIN_MAX   64 // entries looked at in a chain: bounds the work of one packet
#define HOLD_REQUESTS    256

struct rte_mbuf;

// What is asked of the control thread.
struct hold_request {
	uint16_t nexthop;
	uint8_t family; // of addr, 0 if the next hop says it all
	uint8_t addr[16];
};

struct hold_entry {
	struct rte_mbuf *m;
	struct parse_info pi;
	uint64_t deadline; // tsc
	uint16_t nexthop;
	uint8_t family;
	uint8_t class;         // enum out_class
	uint8_t addr[16];      // destination where nexthop is a glean, else zero
	uint16_t chain;        // next of the same hash
	uint16_t older, newer; // in order of arrival
};

// Entries are named 1 .. HOLD_MAX, 0 is none.
struct out_hold {
	_Atomic uint32_t count; // worker: rw, control: ro
	uint16_t free;          // chained by .chain
	uint16_t oldest, newest;
	uint16_t head[HOLD_CHAINS];
	struct hold_entry entry[HOLD_MAX + 1];
	// requests: one producer (worker), one consumer (control)
	_Atomic uint32_t put, taken;
	uint64_t lost; // requests that found the ring full
	struct hold_request request[HOLD_REQUESTS];
};

void hold_init(struct out_hold *h);

// Keep m. *ask is set if the control thread has to be told (first packet for this neighbour).
// Returns: DROP_NONE, or DROP_HOLD_FULL and m stays the caller's
enum drop_reason hold_add(struct out_hold *h, struct rte_mbuf *m, const struct parse_info *pi,
			  uint16_t nexthop, uint8_t class, uint8_t family, const uint8_t addr[16],
			  uint64_t deadline, bool *ask);

// Take an entry out; its contents stay readable until the next hold_add.
void hold_remove(struct out_hold *h, uint16_t entry);

// Queue a request; false if the ring is full.
bool hold_ask(struct out_hold *h, const struct hold_request *r);
// Thread: control
bool hold_take_request(struct out_hold *h, struct hold_request *out);
