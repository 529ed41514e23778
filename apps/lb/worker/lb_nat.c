// SPDX-License-Identifier: BSD-3-Clause
//
// lb_nat - TCP segments that the servers of NAT services send without a flow. Their answers leave with the
// service's address; a segment whose flow was lost or has aged would leave with the server's own, which
// the client does not know and nobody outside should see. So it does not leave: it is answered by a
// reset (RFC 9293 section 3.10.7.1), as the client would.
//
// A connection that begins here goes on its way (lb_route.c), be it the server's own or that of somebody
// who asks the server itself: by its SYN or SYN-ACK it is remembered for as long as it speaks. The memory
// is a small one and a guess: who is pushed out of it is reset. Datagrams tell no beginning, and a server
// of any port or of a range of ports has its own connections among them: those are routed as they come.

#include "apps/lb/worker/lb_priv.h"

#include <netinet/in.h>

#include "dataplane/flow/state.h"

#define OWN_WAYS 4

bool lb_nat_serves(const struct lb_snapshot *s, uint16_t context, uint8_t family, uint8_t proto,
		   const uint8_t *addr, rte_be16_t port)
{
	const struct lb_sources *t = s->sources;
	struct lb_source key = {.family = family, .context = context, .port = port};

	if (likely(t == NULL) || proto != IPPROTO_TCP)
		return false;
	memcpy(key.addr, addr, family == 4 ? 4 : 16);
	for (uint32_t i = lb_service_hash(context, proto, key.addr, port) & t->mask;
	     t->at[i].family != 0; i = (i + 1) & t->mask)
		if (memcmp(&t->at[i], &key, sizeof(key)) == 0)
			return true;
	return false;
}

// The connection's place: where it stands, or, with `make`, the place that has been idle longest.
static struct lb_nat_own *own_place(struct lb_worker *lw, uint64_t hash, uint32_t now, bool make)
{
	uint32_t tag = (uint32_t)hash | 1, life = lw->snap->timeout[FLOW_TCP_ESTABLISHED];
	struct lb_nat_own *set = &lw->nat_own[(hash >> 32) % (LB_NAT_OWN / OWN_WAYS) * OWN_WAYS];
	struct lb_nat_own *oldest = set;

	for (unsigned i = 0; i < OWN_WAYS; i++) {
		if (set[i].tag == tag && (make || now - set[i].seen < life))
			return &set[i];
		if (set[i].tag == 0 || (oldest->tag != 0 && now - set[i].seen > now - oldest->seen))
			oldest = &set[i];
	}
	if (!make)
		return NULL;
	oldest->tag = tag;
	return oldest;
}

static bool is_group(uint8_t family, const uint8_t *addr)
{
	return family == 4 ? addr[0] >= 224 : addr[0] == 0xff;
}

bool lb_nat_lost(struct lb_worker *lw, const struct worker *w, const struct port *port,
		 const uint8_t *ip, const struct parse_info *pi, uint64_t hash)
{
	uint8_t family = pi->flags & PARSE_IPV4 ? 4 : 6;
	const uint8_t *dst = lb_destination(ip, pi);
	struct lb_nat_own *own;

	if (likely(lw->snap->sources == NULL) ||
	    !lb_nat_serves(lw->snap, port->context, family, pi->proto, lb_source(ip, pi),
			   pi->sport))
		return false;
	// To us: health checks are answered from there too.
	if (lb_own_find(lw->snap, port->context, family, dst) != NULL ||
	    out_kernel_address(lw->view, family, dst) || is_group(family, dst))
		return false;
	own = own_place(lw, hash, w->now_ticks, (pi->tcp_flags & TCP_SYN) != 0);
	if (own == NULL)
		return true;
	own->seen = w->now_ticks;
	return false;
}

void lb_nat_refuse(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m,
		   const struct parse_info *pi)
{
	lw->others.nat_lost++;
	if ((pi->tcp_flags & TCP_RST) != 0)
		out_drop(w, m, DROP_NAT_NO_FLOW);
	else if (lb_is_quiet(lw, w))
		out_drop(w, m, DROP_QUIET);
	else if (!answer_allowed(w))
		out_drop(w, m, DROP_ANSWER_LIMIT);
	else if (answer_reset(m, pi))
		out_answer(w, m);
	else
		out_drop(w, m, DROP_NAT_NO_FLOW);
}
