// SPDX-License-Identifier: BSD-3-Clause
//
// scheduler - the table of schedulers: who gets a new flow. One file each (sched_wrr.c, ...); what they
// share is here. struct lb_scheduler is in lb.h.
//
//	sched_wrr.c     round robin, plain and weighted: a sequence worked out beforehand
//	sched_lc.c      least connections, plain and weighted: a tournament over live counts
//	sched_p2c.c     the less loaded of two drawn by weight
//	sched_source.c  source hash: a ring, several probes
//	sched_maglev.c  Maglev: a table, shared between builds while membership and weights stay
#pragma once

#include "apps/lb/lb.h"
#include "apps/lb/sched/lb_load.h"

// Longest sequence a pool's WRR may precompute; longer ones are approximated within 1 %.
#define SCHED_WRR_MAX (1u << 20)
// Most points on the ring of a pool's source hash, and places in its Maglev table.
#define SCHED_RING_MAX   (1u << 20)
#define SCHED_MAGLEV_MAX (1u << 19)

extern const struct lb_scheduler sched_rr, sched_wrr, sched_lc, sched_wlc, sched_p2c, sched_source,
	sched_maglev;

// By enum ctl_scheduler; NULL: no such. Thread: any
const struct lb_scheduler *sched_get(uint8_t scheduler);

// A hash that is the same on every node and for ever: whoever knows it can aim, as with every table that two
// nodes have to agree on.
static inline uint64_t sched_mix(uint64_t v)
{
	v ^= v >> 32;
	v *= UINT64_C(0xd6e8feb86659fd93);
	v ^= v >> 32;
	v *= UINT64_C(0xd6e8feb86659fd93);
	return v ^ v >> 32;
}

// Of an address (16 bytes, IPv4 in the first four and the rest zero) and a port, 0 for none.
static inline uint64_t sched_hash(const uint8_t addr[16], uint16_t port)
{
	uint64_t w[2];

	__builtin_memcpy(w, addr, 16);
	return sched_mix(sched_mix(sched_mix(w[0] + UINT64_C(0x9e3779b97f4a7c15)) + w[1]) + port);
}

// The name by which the hashing schedulers know a server.
static inline uint64_t sched_name(const struct lb_server *s)
{
	return sched_hash(s->addr, s->port);
}
