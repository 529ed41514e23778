// SPDX-License-Identifier: BSD-3-Clause
//
// lb_gen - a generator and sink in one: clients and servers of TCP connections through the balancer, as
// 60-byte frames with right checksums and sequence numbers. It stands where the wire would be: gen_next()
// makes the next packet that arrives, gen_seen() looks at one that leaves. Where the balancer sends a
// connection (server, local address and port) is learnt from the SYN that it forwards, so the servers'
// answers go where they must.
//
// Two histories:
//
//	GEN_WHOLE  connections of GEN_PACKETS packets, SYN to last ACK, `apart` of them begun between two
//	           packets of one, endlessly, each of another client
//	GEN_FLOWS  all connections are opened, phase by phase; then one data packet of each, over and over,
//	           in an order that follows nothing; the direction changes with each round
//
// One thread; allocates at the start only.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_byteorder.h>

#define GEN_FRAME   60
#define GEN_PACKETS 10 // of a whole connection

enum gen_mode { GEN_WHOLE = 1, GEN_FLOWS = 2 };

struct gen_conf {
	enum gen_mode mode;
	uint32_t connections; // at a time; a power of two. GEN_WHOLE: GEN_PACKETS * apart or more
	uint32_t apart;       // GEN_WHOLE
};

struct gen_count {
	uint64_t made;    // packets
	uint64_t seen;    // that left, ours
	uint64_t checked; // of those, checksums and addresses looked at
	uint64_t wrong;   // of those, not as they must be
	uint64_t begun;   // connections
	uint64_t ended;   // last packet made
	uint64_t lost;    // given up: their SYN was not seen when the server's turn came
};

struct gen;

// Errors: -EINVAL conf, -ENOMEM. Thread: init
int gen_create(const struct gen_conf *conf, struct gen **out);
void gen_destroy(struct gen *g);

// Write the next packet over frame (GEN_FRAME bytes). Thread: the one
void gen_next(struct gen *g, uint8_t *frame);

// GEN_FLOWS: are all connections open, and has each had a packet made since? Thread: the one
bool gen_opened(const struct gen *g);
// A packet that leaves the balancer. check: look at checksums and addresses too.
// Returns: false if it is none of ours. Thread: the one
bool gen_seen(struct gen *g, const uint8_t *frame, size_t len, bool check);

// Thread: any (values may be a packet old)
const struct gen_count *gen_count(const struct gen *g);
