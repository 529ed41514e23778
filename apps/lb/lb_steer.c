// SPDX-License-Identifier: BSD-3-Clause
//
// lb_steer - with several workers: whose packet is this (dataplane/flow/steer.h decides), and its way to
// that worker.

#include "apps/lb/lb_priv.h"

// Does a service wait at the tuple's destination? own: what is known of the address.
static bool to_service(const struct lb_worker *lw, const struct lb_tuple *t,
		       const struct lb_own_address *own)
{
	return own != NULL || lb_match_address(lw->snap, t->context, t->family, t->proto, t->dst,
					       t->dport) != NULL;
}

unsigned lb_owner(const struct lb_worker *lw, const struct lb_tuple *t)
{
	const struct lb_own_address *own = lb_own_find(lw->snap, t->context, t->family, t->dst);
	struct flow_steer_packet p = {.family = t->family, .src = t->src, .dst = t->dst};

	if (own != NULL && (own->kind & LB_OWN_LOCAL) != 0) {
		p.side = FLOW_STEER_SERVER;
		p.port = t->dport;
		p.peer_port = t->sport;
	} else if (to_service(lw, t, own)) {
		p.side = FLOW_STEER_TUPLE;
		p.addr = flow_steer_fold(t->family, t->src);
		p.port = t->sport;
		p.peer_port = t->dport;
	} else { // to a client, from a NAT server
		p.side = FLOW_STEER_CLIENT;
		p.addr = flow_steer_fold(t->family, t->dst);
		p.port = t->dport;
	}
	return flow_steer_owner(&lw->steer, &p);
}

void lb_give(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m, unsigned to)
{
	lb_note(lw, w, m, TRACE_HAND_OVER, to);
	if (handover_send(w, to, &m, 1) == 0)
		out_drop(w, m, DROP_HANDOVER_FULL);
}

bool lb_hand_over(struct lb_worker *lw, struct worker *w, const struct port *port,
		  struct rte_mbuf *m, const struct parse_info *pi)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *) + pi->l3_off;
	struct lb_tuple t = {.context = port->context,
			     .family = pi->flags & PARSE_IPV4 ? 4 : 6,
			     .proto = pi->proto,
			     .sport = pi->sport,
			     .dport = pi->dport,
			     .src = lb_source(ip, pi),
			     .dst = lb_destination(ip, pi)};
	unsigned to = lb_owner(lw, &t);

	if (to == lw->index)
		return false;
	lb_give(lw, w, m, to);
	return true;
}
