// SPDX-License-Identifier: BSD-3-Clause
//
// lb_steer - with several workers: whose packet is this (dataplane/flow/steer.h decides), and its way to
// that worker.

#include "apps/lb/lb_priv.h"

// Several workers: does another one own this packet? Returns its index, or this worker's.
static unsigned owner_of(const struct lb_worker *lw, const struct port *port, const uint8_t *frame,
			 const struct parse_info *pi)
{
	const uint8_t *ip = frame + pi->l3_off, *src = lb_source(ip, pi);
	uint8_t family = pi->flags & PARSE_IPV4 ? 4 : 6;
	const struct lb_own_address *own =
		lb_own_find(lw->snap, port->context, family, lb_destination(ip, pi));
	struct flow_steer_packet p = {.side = FLOW_STEER_CLIENT, .port = pi->sport};

	if (own == NULL)
		return lw->index;
	if ((own->kind & LB_OWN_LOCAL) != 0) {
		p.side = FLOW_STEER_SERVER;
		p.port = pi->dport;
	} else {
		p.addr = family == 4 ? flow_load32(src) : flow_steer_fold6(src);
	}
	return flow_steer_owner(&lw->steer, &p);
}

bool lb_hand_over(struct lb_worker *lw, struct worker *w, const struct port *port,
		  struct rte_mbuf *m, const struct parse_info *pi)
{
	unsigned to = owner_of(lw, port, rte_pktmbuf_mtod(m, uint8_t *), pi);

	if (to == lw->index)
		return false;
	lb_note(lw, w, m, TRACE_HAND_OVER, to);
	if (handover_send(w, to, &m, 1) == 0)
		out_drop(w, m, DROP_HANDOVER_FULL);
	return true;
}
