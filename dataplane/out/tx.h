// SPDX-License-Identifier: BSD-3-Clause
//
// tx - the worker's side of out/: TX buffers, and the one fast path that is worth inlining.
// Everything rare is out_forward_slow() in tx.c.
//
// A packet that goes out is counted when the port has taken it (out_flush), under the class noted beside
// it; one the port refuses is dropped as TX_FULL. So counters never run backwards.
#pragma once

#include <stdint.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>

#include "dataplane/core/worker.h"
#include "dataplane/out/view.h"
#include "dataplane/parse/parse.h"
#include "dataplane/port/port.h"

#define OUT_TX_BURST PORT_BURST

// How a packet is counted once it has left.
enum out_class {
	OUT_FORWARDED = 0,
	OUT_ANSWERED = 1,
	OUT_TO_KERNEL = 2,
	OUT_MADE = 3,
};

struct out_tx {
	alignas(64) uint16_t n;
	uint16_t other;              // of those, not OUT_FORWARDED
	uint8_t class[OUT_TX_BURST]; // OUT_FORWARDED where nobody has written
	struct rte_mbuf *pkts[OUT_TX_BURST];
};

struct out_rare; // out_priv.h

struct out_worker {
	alignas(64) uint64_t dirty; // bit per port: has packets in its buffer
	struct out_rare *rare;
	struct out_tx tx[PORT_MAX];
	uint8_t used[UINT16_MAX + 1]; // next hop was used; worker sets, control clears (mirror.c)
};
static_assert(PORT_MAX == 64, "`dirty` has a bit for each port");

extern struct out_worker *out_workers[WORKER_MAX];

// Send the buffer of one port now. Thread: owner worker
void out_flush_port(struct worker *w, struct out_worker *ow, unsigned port);

void out_forward_slow(struct worker *w, struct rte_mbuf *m, const struct parse_info *pi,
		      uint16_t nexthop, enum out_class class);

static inline void out_enqueue(struct worker *w, struct out_worker *ow, struct rte_mbuf *m,
			       unsigned port, enum out_class class)
{
	struct out_tx *t = &ow->tx[port];
	unsigned n = t->n;

	if (class != OUT_FORWARDED) {
		t->other++;
		t->class[n] = (uint8_t) class;
	}
	if (n == 0)
		ow->dirty |= UINT64_C(1) << port;
	t->pkts[n] = m;
	t->n = (uint16_t)(n + 1);
	if (unlikely(n + 1 == OUT_TX_BURST))
		out_flush_port(w, ow, port);
}

// Send to a next hop: writes the Ethernet header (and tag) before l3_off, adds to the port's TX buffer.
// Pending next hop: held (bounded per next hop and in all) until it resolves or 1 s has passed.
// pi is what parse said of this mbuf: l3_off, l3_len and the family must hold for its present bytes.
// Thread: owner worker
static inline void out_forward(struct worker *w, struct rte_mbuf *m, const struct parse_info *pi,
			       uint16_t nexthop)
{
	struct out_worker *ow = out_workers[w->index];
	const struct out_view *v = out_view_get();
	const struct nexthop *nh = &v->nexthop[nexthop];
	int shift = (int)pi->l3_off - (int)RTE_ETHER_HDR_LEN;
	uint8_t *l2;

	if (unlikely(nexthop >= v->count || nh->state != NEXTHOP_RESOLVED || nh->vlan != 0 ||
		     pi->l3_len > nh->mtu || shift < 0)) {
		out_forward_slow(w, m, pi, nexthop, OUT_FORWARDED);
		return;
	}
	if (unlikely(shift > 0)) { // it came with a tag
		m->data_off += (uint16_t)shift;
		m->data_len -= (uint16_t)shift;
		m->pkt_len -= (uint32_t)shift;
	}
	l2 = rte_pktmbuf_mtod(m, uint8_t *);
	memcpy(l2, (const uint8_t *)nh, 12); // dmac, smac
	if (unlikely(shift > 0)) {
		rte_be16_t type = pi->flags & PARSE_IPV6 ? RTE_BE16(RTE_ETHER_TYPE_IPV6)
							 : RTE_BE16(RTE_ETHER_TYPE_IPV4);

		memcpy(l2 + 12, &type, 2);
	}
	if (unlikely(!ow->used[nexthop]))
		ow->used[nexthop] = 1;
	out_enqueue(w, ow, m, nh->port, OUT_FORWARDED);
}
