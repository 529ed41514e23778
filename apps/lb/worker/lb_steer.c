// SPDX-License-Identifier: BSD-3-Clause
//
// lb_steer - with several workers: whose packet is this (dataplane/flow/steer.h decides), and its way to
// that worker.

#include "apps/lb/worker/lb_priv.h"

// How a tuple to none of our local addresses is steered. own: what is known of its destination.
static enum flow_steer_side client_side(const struct lb_worker *lw, const struct lb_tuple *t,
					const struct lb_own_address *own, bool *answer)
{
	const struct lb_service *service = NULL;

	// Where it makes no difference which service it is, it is not looked for.
	if (own == NULL || lw->steer.rss != NULL)
		service = lb_match_address(lw->snap, t->context, t->family, t->proto, t->dst,
					   t->dport);
	*answer = own == NULL && service == NULL; // to a client, from a NAT server
	// NAT: both directions have only the client in common.
	if (*answer || (service != NULL && service->forwarding == CTL_FORWARD_NAT))
		return FLOW_STEER_CLIENT;
	return FLOW_STEER_TUPLE;
}

unsigned lb_owner(const struct lb_worker *lw, const struct lb_tuple *t)
{
	const struct lb_own_address *own = lb_own_find(lw->snap, t->context, t->family, t->dst);
	struct flow_steer_packet p = {
		.family = t->family, .src = t->src, .dst = t->dst, .side = FLOW_STEER_SERVER};
	bool answer;

	if (own != NULL && (own->kind & LB_OWN_LOCAL) != 0) {
		if (unlikely(lw->strangers != NULL)) {
			int owner = lb_stranger_owner(lw->strangers, t);

			if (owner >= 0)
				return (unsigned)owner;
		}
		p.port = t->dport;
		p.peer_port = t->sport;
		return flow_steer_owner(&lw->steer, &p);
	}
	p.side = client_side(lw, t, own, &answer);
	p.addr = flow_steer_fold(t->family, answer ? t->dst : t->src);
	p.port = answer ? t->dport : t->sport;
	p.peer_port = answer ? t->sport : t->dport;
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
