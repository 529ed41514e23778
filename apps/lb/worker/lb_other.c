// SPDX-License-Identifier: BSD-3-Clause
//
// lb_other - packets that are of no flow by themselves: ARP and neighbour discovery, ICMP, fragments,
// other protocols.

#include "apps/lb/worker/lb_priv.h"

#include <netinet/in.h>

#define ICMP_ECHO  8
#define ICMP6_ECHO 128

bool lb_is_echo(const struct parse_info *pi)
{
	if ((pi->flags & PARSE_L4) == 0)
		return false;
	return pi->flags & PARSE_IPV4 ? pi->proto == IPPROTO_ICMP && pi->icmp_type == ICMP_ECHO
				      : pi->proto == IPPROTO_ICMPV6 && pi->icmp_type == ICMP6_ECHO;
}

// Is it to the port's own address (point-to-point ports have no kernel to answer for them)?
static bool to_port(const struct port *port, const struct rte_mbuf *m, const struct parse_info *pi)
{
	bool ipv4 = (pi->flags & PARSE_IPV4) != 0;
	const struct ctl_addr *own = ipv4 ? &port->own4 : &port->own6;

	return port->point_to_point && own->family != 0 &&
	       memcmp(own->bytes,
		      lb_destination(rte_pktmbuf_mtod(m, const uint8_t *) + pi->l3_off, pi),
		      ipv4 ? 4 : 16) == 0;
}

// ARP and neighbour discovery on a port without kernel view: for addresses of ours, never for others.
static bool neighbour_answered(const struct lb_worker *lw, const struct port *port,
			       struct rte_mbuf *m, const struct parse_info *pi)
{
	uint8_t family, addr[16];

	return port->view == PORT_VIEW_NONE && answer_neighbour_target(m, pi, &family, addr) &&
	       lb_own_find(lw->snap, port->context, family, addr) != NULL &&
	       answer_neighbour(m, pi, port);
}

void lb_other(struct lb_worker *lw, struct worker *w, const struct port *port, struct rte_mbuf *m,
	      const struct parse_info *pi)
{
	const struct lb_own_address *own = NULL;

	if ((pi->flags & (PARSE_IPV4 | PARSE_IPV6)) != 0)
		own = lb_own_find(lw->snap, port->context, pi->flags & PARSE_IPV4 ? 4 : 6,
				  lb_destination(rte_pktmbuf_mtod(m, uint8_t *) + pi->l3_off, pi));
	if (own != NULL && lb_is_land(rte_pktmbuf_mtod(m, uint8_t *) + pi->l3_off, pi)) {
		out_drop(w, m, DROP_IP_LAND);
		return;
	}
	// In NAT the answers of servers are to clients, and so are the errors about what was theirs.
	if ((own != NULL || lw->snap->nat) && (pi->flags & PARSE_FRAGMENT) != 0) {
		lw->late[lw->lates++] = (struct lb_late){.m = m, .pi = *pi};
		return;
	}
	if ((own != NULL || lw->snap->nat) && lb_is_icmp_error(pi)) {
		lb_icmp_error(lw, w, port, m, pi, own);
		return;
	}
	if ((lb_is_echo(pi) &&
	     ((own != NULL && (own->kind & LB_OWN_SERVICE) != 0) || to_port(port, m, pi)) &&
	     answer_echo(m, pi)) ||
	    neighbour_answered(lw, port, m, pi)) {
		out_answer(w, m);
		return;
	}
	lb_not_ours(lw, w, port, m, pi);
}
