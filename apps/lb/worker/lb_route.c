// SPDX-License-Identifier: BSD-3-Clause
//
// lb_route - packets that are nobody's here. The kernel is their next reader, by the view of their port; but
// what a steering program has taken cannot be given back to it, and it takes all that NAT servers send from
// their service ports, and all their fragments. What of that is of no flow and may go - a server's own
// connections, fragments of what it sends from other ports (lb_nat.c keeps back the rest) - is sent on as a router does.

#include "apps/lb/worker/lb_priv.h"

#include "dataplane/out/rewrite.h"

static void decrement(uint8_t *ip, bool ipv4)
{
	uint16_t sum;

	if (!ipv4) {
		ip[7]--;
		return;
	}
	ip[8]--; // the high byte of its word
	memcpy(&sum, ip + 10, 2);
	sum = rewrite_sum(sum, (uint16_t)~RTE_BE16(0x0100));
	memcpy(ip + 10, &sum, 2);
}

void lb_not_ours(struct lb_worker *lw, struct worker *w, const struct port *port,
		 struct rte_mbuf *m, const struct parse_info *pi)
{
	uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *) + pi->l3_off;
	bool ipv4 = (pi->flags & PARSE_IPV4) != 0;
	uint8_t family = ipv4 ? 4 : 6;
	uint16_t hop;

	if (!lw->snap->nat || port->view != PORT_VIEW_XDP || pi->vlan != 0 ||
	    (pi->flags & (PARSE_IPV4 | PARSE_IPV6)) == 0 ||
	    lb_own_find(lw->snap, port->context, family, lb_destination(ip, pi)) != NULL ||
	    out_kernel_address(lw->view, family, lb_destination(ip, pi))) {
		out_punt(w, m, pi);
		return;
	}
	if (pi->ttl <= 1) {
		lb_expired(lw, w, m, pi);
		return;
	}
	hop = out_route(lw->view, port->context, family, lb_destination(ip, pi));
	if (hop == 0) {
		out_drop(w, m, DROP_NO_ROUTE);
		return;
	}
	lw->others.routed++;
	decrement(ip, ipv4);
	out_forward(w, m, pi, hop);
}
