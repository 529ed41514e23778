// SPDX-License-Identifier: BSD-3-Clause
//
// The worker's side of out/: everything but the inlined fast path of tx.h. A packet that comes in here
// leaves in exactly one way: into a TX buffer, into the hold queue, or freed under a drop reason.

#include "dataplane/out/out.h"

#include "dataplane/frag/id.h"
#include "dataplane/out/neigh.h"
#include "dataplane/out/out_priv.h"
#include "dataplane/trace/trace.h"

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>

#include <netinet/in.h>
#include <string.h>

#define VLAN_LEN  4
#define TX_TRIES  4 // a driver that takes a part is asked again this often
#define TYPE_IPV4 RTE_BE16(RTE_ETHER_TYPE_IPV4)
#define TYPE_IPV6 RTE_BE16(RTE_ETHER_TYPE_IPV6)
#define TYPE_VLAN RTE_BE16(RTE_ETHER_TYPE_VLAN)

struct out_worker *out_workers[WORKER_MAX];
void (*out_too_big)(struct worker *w, struct rte_mbuf *m, const struct parse_info *pi,
		    uint16_t mtu);

// A packet of this class is not sent. Made ones stand outside the sum.
static void give_up(struct worker *w, struct rte_mbuf *m, enum out_class class,
		    enum drop_reason reason)
{
	if (class == OUT_MADE)
		w->count.made_lost++;
	else
		w->count.dropped[reason]++;
	if (trace_enabled())
		trace_end(w, m, TRACE_DROP, reason);
	rte_pktmbuf_free(m);
}

void out_drop(struct worker *w, struct rte_mbuf *m, enum drop_reason reason)
{
	give_up(w, m, OUT_FORWARDED, reason);
}

// ---- TX buffers -----------------------------------------------------------------------------------

static void count_sent(struct worker *w, const struct out_tx *t, unsigned sent)
{
	if (t->other == 0) {
		w->count.forwarded += sent;
		return;
	}
	for (unsigned i = 0; i < sent; i++) {
		w->count.forwarded += t->class[i] == OUT_FORWARDED;
		w->count.answered += t->class[i] == OUT_ANSWERED;
		w->count.to_kernel += t->class[i] == OUT_TO_KERNEL;
		w->count.made += t->class[i] == OUT_MADE;
	}
}

static const enum trace_stage stage_of[] = {
	[OUT_FORWARDED] = TRACE_FORWARD,
	[OUT_ANSWERED] = TRACE_ANSWER,
	[OUT_TO_KERNEL] = TRACE_PUNT,
	[OUT_MADE] = TRACE_FORWARD,
};

static unsigned burst(struct worker *w, const struct port *p, struct rte_mbuf **pkts, unsigned n)
{
	unsigned sent = 0;

	for (int tries = 0; tries < TX_TRIES && sent < n; tries++) {
		uint16_t now = port_tx(p, w->index, pkts + sent, (uint16_t)(n - sent));

		sent += now;
		if (now == 0 && tries != 0)
			break;
	}
	return sent;
}

void out_flush_port(struct worker *w, struct out_worker *ow, unsigned port)
{
	struct out_tx *t = &ow->tx[port];
	const struct port *p = port_get((uint16_t)port);
	unsigned n = t->n, sent = 0;
	bool traced = trace_enabled();

	ow->dirty &= ~(UINT64_C(1) << port);
	if (unlikely(traced))
		for (unsigned i = 0; i < n; i++)
			trace_out(w, t->pkts[i], (uint16_t)port);
	if (likely(p != NULL))
		sent = burst(w, p, t->pkts, n);
	count_sent(w, t, sent);
	if (unlikely(traced)) // the driver has them now: trace_end does not look inside
		for (unsigned i = 0; i < sent; i++)
			trace_end(w, t->pkts[i], stage_of[t->class[i]], 0);
	for (unsigned i = sent; unlikely(i < n); i++)
		give_up(w, t->pkts[i], t->class[i],
			t -> class[i] == OUT_TO_KERNEL ? DROP_PUNT_FAILED : DROP_TX_FULL);
	t->n = 0;
	if (unlikely(t->other != 0)) {
		memset(t->class, OUT_FORWARDED, sizeof(t->class));
		t->other = 0;
	}
}

void out_flush(struct worker *w)
{
	struct out_worker *ow = out_workers[w->index];

	while (ow->dirty != 0)
		out_flush_port(w, ow, (unsigned)__builtin_ctzll(ow->dirty));
}

// ---- forwarding, the slow half --------------------------------------------------------------------

static uint8_t family_of(const struct parse_info *pi)
{
	return pi->flags & PARSE_IPV6 ? 6 : 4;
}

// Destination address of the IP packet, 16 bytes; false if the bytes are not there.
static bool destination(const struct rte_mbuf *m, const struct parse_info *pi, uint8_t addr[16])
{
	const uint8_t *l3 = rte_pktmbuf_mtod_offset(m, const uint8_t *, pi->l3_off);

	memset(addr, 0, 16);
	if (rte_pktmbuf_data_len(m) < pi->l3_off + (family_of(pi) == 6 ? 40u : 20u))
		return false;
	if (family_of(pi) == 6)
		memcpy(addr, l3 + 24, 16);
	else
		memcpy(addr, l3 + 16, 4);
	return true;
}

static void hold(struct worker *w, struct rte_mbuf *m, const struct parse_info *pi,
		 uint16_t nexthop, enum out_class class, uint8_t family, const uint8_t addr[16])
{
	struct out_rare *r = out_workers[w->index]->rare;
	struct hold_request request = {.nexthop = nexthop, .family = family};
	bool ask = false;

	if (hold_add(&r->hold, m, pi, nexthop, (uint8_t) class, family, addr,
		     w->now_tsc + r->hold_ticks, &ask) != DROP_NONE) {
		give_up(w, m, class, DROP_HOLD_FULL);
		return;
	}
	w->count.held += class != OUT_MADE;
	if (trace_enabled())
		trace_note(w, m, TRACE_HOLD, nexthop);
	if (!ask)
		return;
	memcpy(request.addr, addr, 16);
	if (hold_ask(&r->hold, &request))
		out_tell_control();
}

// Ethernet header and tag before the IP packet. false: no room for it.
static bool write_l2(struct rte_mbuf *m, const struct parse_info *pi, const struct nexthop *nh)
{
	unsigned len = RTE_ETHER_HDR_LEN + (nh->vlan != 0 ? VLAN_LEN : 0);
	rte_be16_t type = pi->flags & PARSE_IPV6 ? TYPE_IPV6 : TYPE_IPV4;
	uint8_t *l2;

	if (pi->l3_off > len)
		l2 = (uint8_t *)rte_pktmbuf_adj(m, (uint16_t)(pi->l3_off - len));
	else if (pi->l3_off < len)
		l2 = (uint8_t *)rte_pktmbuf_prepend(m, (uint16_t)(len - pi->l3_off));
	else
		l2 = rte_pktmbuf_mtod(m, uint8_t *);
	if (l2 == NULL)
		return false;
	memcpy(l2, (const uint8_t *)nh, 12);
	if (nh->vlan != 0) {
		rte_be16_t tag[2] = {TYPE_VLAN, rte_cpu_to_be_16(nh->vlan)};

		memcpy(l2 + 12, tag, 4);
		l2 += VLAN_LEN;
	}
	memcpy(l2 + 12, &type, 2);
	return true;
}

struct frag_ids *out_ids(struct worker *w)
{
	return &out_workers[w->index]->rare->ids;
}

// Larger than the next hop carries.
static void too_big(struct worker *w, struct rte_mbuf *m, const struct parse_info *pi,
		    uint16_t nexthop, uint16_t mtu, enum out_class class)
{
	struct rte_mbuf *later[SPLIT_MAX];
	struct parse_info piece = *pi;
	enum drop_reason reason = DROP_MTU;
	unsigned n;

	if (pi->flags & PARSE_IPV4) {
		struct frag_ids *ids = out_ids(w);
		uint8_t addr[16];
		uint32_t next =
			destination(m, pi, addr) ? frag_next_to(ids, addr) : frag_next_any(ids);

		reason = split_packet(m, pi, mtu, frag_id4(ids, next), later, &n);
	}
	if (reason == DROP_NONE) {
		for (unsigned i = 0; i <= n; i++) {
			struct rte_mbuf *p = i == 0 ? m : later[i - 1];

			piece.l3_len = (uint16_t)(rte_pktmbuf_pkt_len(p) - pi->l3_off);
			out_forward_slow(w, p, &piece, nexthop, i == 0 ? class : OUT_MADE);
		}
	} else if (reason == DROP_MTU && class == OUT_FORWARDED && out_too_big != NULL) {
		out_too_big(w, m, pi, mtu);
	} else {
		give_up(w, m, class, reason);
	}
}

void out_forward_slow(struct worker *w, struct rte_mbuf *m, const struct parse_info *pi,
		      uint16_t nexthop, enum out_class class)
{
	struct out_worker *ow = out_workers[w->index];
	const struct out_view *v = out_view_get();
	const struct nexthop *nh = out_nexthop(v, nexthop);
	uint8_t addr[16] = {0}, family = 0;
	uint16_t host = nexthop, mtu = UINT16_MAX;

	if (nh == NULL || nh->kind == NEXTHOP_GROUP) {
		give_up(w, m, class, DROP_NO_ROUTE);
		return;
	}
	if (nh->kind == NEXTHOP_GLEAN) {
		family = family_of(pi);
		if (!destination(m, pi, addr)) {
			give_up(w, m, class, DROP_RUNT);
			return;
		}
		if (nh->members != 0) // its route's own
			mtu = nh->mtu;
		host = neigh_host_find(v, nh->port, nh->vlan, family, addr);
		if (host != 0)
			nh = &v->nexthop[host];
	}
	if (nh->mtu < mtu)
		mtu = nh->mtu;
	if (nh->state != NEXTHOP_RESOLVED) {
		hold(w, m, pi, nexthop, class, family, addr);
		return;
	}
	if (pi->l3_len > mtu) {
		too_big(w, m, pi, nexthop, mtu, class);
		return;
	}
	if (!write_l2(m, pi, nh)) {
		give_up(w, m, class, DROP_NO_MBUF);
		return;
	}
	ow->used[host] = 1;
	out_enqueue(w, ow, m, nh->port, class);
}

void out_made(struct worker *w, struct rte_mbuf *m, uint16_t nexthop)
{
	struct parse_info pi = {.l3_off = RTE_ETHER_HDR_LEN};
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	rte_be16_t type = 0;

	if (rte_pktmbuf_data_len(m) >= RTE_ETHER_HDR_LEN)
		memcpy(&type, frame + 12, 2);
	if (type != TYPE_IPV4 && type != TYPE_IPV6) {
		give_up(w, m, OUT_MADE, DROP_ETHER_TYPE);
		return;
	}
	pi.flags = type == TYPE_IPV6 ? PARSE_IPV6 : PARSE_IPV4;
	pi.l3_len = (uint16_t)(rte_pktmbuf_pkt_len(m) - RTE_ETHER_HDR_LEN);
	out_forward_slow(w, m, &pi, nexthop, OUT_MADE);
}

// ---- hold queue -----------------------------------------------------------------------------------

static unsigned release(struct worker *w, struct out_rare *r, const struct out_view *v)
{
	unsigned done = 0;
	uint16_t i, newer;

	for (i = r->hold.oldest; i != 0; i = newer) {
		struct hold_entry *e = &r->hold.entry[i];
		const struct nexthop *nh = out_nexthop(v, e->nexthop);
		struct hold_entry copy;

		newer = e->newer;
		if (nh != NULL && nh->kind == NEXTHOP_GLEAN) {
			uint16_t host = neigh_host_find(v, nh->port, nh->vlan, e->family, e->addr);

			if (host != 0)
				nh = &v->nexthop[host];
			else
				continue;
		}
		if (nh != NULL && nh->state != NEXTHOP_RESOLVED)
			continue; // also FAILED: the kernel is asked again, until the deadline
		copy = *e;
		hold_remove(&r->hold, i);
		w->count.held -= copy.class != OUT_MADE;
		out_forward_slow(w, copy.m, &copy.pi, copy.nexthop, copy.class);
		done++;
	}
	return done;
}

unsigned out_poll(struct worker *w, void *arg)
{
	struct out_rare *r = out_workers[w->index]->rare;
	const struct out_view *v;
	unsigned done = 0;

	if (likely(r->hold.oldest == 0))
		return 0;
	v = out_view_get();
	if (v->serial != r->seen_serial) {
		r->seen_serial = v->serial;
		done = release(w, r, v);
	}
	while (r->hold.oldest != 0 &&
	       (int64_t)(w->now_tsc - r->hold.entry[r->hold.oldest].deadline) >= 0) {
		struct hold_entry e = r->hold.entry[r->hold.oldest];

		hold_remove(&r->hold, r->hold.oldest);
		w->count.held -= e.class != OUT_MADE;
		give_up(w, e.m, e.class, DROP_NO_NEIGHBOUR);
		done++;
	}
	if (done != 0)
		out_flush(w);
	return done;
}

// ---- answers, the kernel --------------------------------------------------------------------------

// Put a tag in after the addresses. false: no headroom.
static bool tag_insert(struct rte_mbuf *m, uint16_t vlan)
{
	rte_be16_t tag[2] = {TYPE_VLAN, rte_cpu_to_be_16(vlan)};
	uint8_t *frame;

	if (rte_pktmbuf_data_len(m) < RTE_ETHER_HDR_LEN)
		return false;
	frame = (uint8_t *)rte_pktmbuf_prepend(m, VLAN_LEN);
	if (frame == NULL)
		return false;
	memmove(frame, frame + VLAN_LEN, 12);
	memcpy(frame + 12, tag, 4);
	return true;
}

void out_answer(struct worker *w, struct rte_mbuf *m)
{
	if ((m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) && (m->vlan_tci & 0xfff) != 0 &&
	    !tag_insert(m, m->vlan_tci & 0xfff)) {
		give_up(w, m, OUT_ANSWERED, DROP_NO_MBUF);
		return;
	}
	if (m->port >= PORT_MAX) {
		give_up(w, m, OUT_ANSWERED, DROP_TX_FULL);
		return;
	}
	out_enqueue(w, out_workers[w->index], m, m->port, OUT_ANSWERED);
}

enum out_punt_class out_punt_class(const struct parse_info *pi)
{
	if (pi->flags & PARSE_ARP)
		return PUNT_NEIGHBOUR;
	if (pi->proto == IPPROTO_ICMPV6)
		return pi->icmp_type >= 133 && pi->icmp_type <= 137 ? PUNT_NEIGHBOUR : PUNT_ICMP;
	if (pi->proto == 112) // VRRP
		return PUNT_NEIGHBOUR;
	if (pi->proto == IPPROTO_ICMP)
		return PUNT_ICMP;
	if (pi->proto == 89) // OSPF
		return PUNT_ROUTING;
	if (pi->proto == IPPROTO_TCP &&
	    (pi->sport == RTE_BE16(179) || pi->dport == RTE_BE16(179))) // BGP
		return PUNT_ROUTING;
	if (pi->proto == IPPROTO_UDP &&
	    (pi->dport == RTE_BE16(3784) || pi->dport == RTE_BE16(3785) ||
	     pi->dport == RTE_BE16(4784))) // BFD
		return PUNT_ROUTING;
	return PUNT_REST;
}

// Index of the TAP that shows the kernel this packet's port or VLAN, or PORT_NONE with the reason.
static uint16_t view_of(const struct port *p, const struct parse_info *pi, enum drop_reason *why)
{
	*why = pi->flags & (PARSE_OTHER | PARSE_ARP) ? DROP_ETHER_TYPE : DROP_NO_SERVICE;
	if (p == NULL)
		return PORT_NONE;
	if (pi->vlan != 0) {
		for (unsigned i = 0; i < p->vlan_count; i++)
			if (p->vlan[i].vid == pi->vlan)
				return p->vlan[i].shadow;
		*why = DROP_VLAN_UNKNOWN;
		return PORT_NONE;
	}
	return p->view == PORT_VIEW_SHADOW ? p->shadow : PORT_NONE;
}

void out_punt(struct worker *w, struct rte_mbuf *m, const struct parse_info *pi)
{
	struct out_worker *ow = out_workers[w->index];
	enum drop_reason why;
	uint16_t to = view_of(port_get(m->port), pi, &why);
	rte_be16_t type;
	uint8_t *frame;

	if (to >= PORT_MAX || port_get(to) == NULL) {
		give_up(w, m, OUT_TO_KERNEL, why);
		return;
	}
	if (rte_pktmbuf_data_len(m) < RTE_ETHER_HDR_LEN) {
		give_up(w, m, OUT_TO_KERNEL, DROP_RUNT);
		return;
	}
	if (!out_bucket_take(&ow->rare->punt[out_punt_class(pi)], w->now_tsc)) {
		give_up(w, m, OUT_TO_KERNEL, DROP_PUNT_LIMIT);
		return;
	}
	frame = rte_pktmbuf_mtod(m, uint8_t *);
	memcpy(&type, frame + 12, 2);
	if (pi->vlan != 0 && type == TYPE_VLAN) { // the view is untagged
		if (rte_pktmbuf_data_len(m) < RTE_ETHER_HDR_LEN + VLAN_LEN) {
			give_up(w, m, OUT_TO_KERNEL, DROP_RUNT);
			return;
		}
		memmove(frame + VLAN_LEN, frame, 12);
		rte_pktmbuf_adj(m, VLAN_LEN);
	}
	out_enqueue(w, ow, m, to, OUT_TO_KERNEL);
}

void out_from_kernel(struct worker *w, struct rte_mbuf *m, const struct port *tap)
{
	if (tap->parent >= PORT_MAX) {
		give_up(w, m, OUT_FORWARDED, DROP_NO_ROUTE);
		return;
	}
	if (tap->parent_vlan != 0 && !tag_insert(m, tap->parent_vlan)) {
		give_up(w, m, OUT_FORWARDED, DROP_NO_MBUF);
		return;
	}
	out_enqueue(w, out_workers[w->index], m, tap->parent, OUT_FORWARDED);
}

bool answer_allowed(struct worker *w)
{
	return out_bucket_take(&out_workers[w->index]->rare->answer, w->now_tsc);
}
