// SPDX-License-Identifier: BSD-3-Clause
//
// lb_icmp - ICMP and ICMPv6 errors about packets of flows (RFC 5508 section 4 for the translation, RFC 5927
// for what to believe), and the errors that we send ourselves: packet too big, hop limit reached.
//
// An error quotes a packet as it left us. Turned round, its tuple is one that the table of flows knows:
//
//	error from          quotes             turned round       goes to    as an error from   about
//	the clients' side   service -> client  client -> service  the server local (or as is)   server -> local
//	the servers' side   local -> server    server -> local    the client service            client -> service
//
// Believed is an error only if its checksum holds, the quoted packet is of a flow and that flow may
// have sent it; passed on are no more than a bucket of them. The MTU that it names needs no change: both
// sides of a flow are of one family and our headers are as long as theirs.
//
// The identification in a quoted fragment is ours, not the sender's: no host looks at it.

#include "apps/lb/worker/lb_priv.h"
#include "apps/lb/worker/lb_proxy.h"

#include <netinet/in.h>
#include <stddef.h>

#include <rte_ip.h>

#include "dataplane/out/rewrite.h"

#define ICMP_LEN      8
#define IN_FLIGHT_MAX (UINT32_C(1) << 26) // bytes: a blind guess is right one time in 64

enum {
	UNREACHABLE4 = 3,
	QUENCH4 = 4,
	REDIRECT4 = 5,
	EXCEEDED4 = 11,
	PARAMETER4 = 12,
	FRAGMENTATION_NEEDED4 = 4, // code
	TOO_BIG6 = 2,
	PARAMETER6 = 4,
	INFORMATION6 = 128, // types below are errors
};

static struct lb_worker *workers[WORKER_MAX]; // by index; each is used by its own worker alone

void lb_icmp_begin(struct lb_worker *lw)
{
	workers[lw->index] = lw;
}

void lb_icmp_end(const struct lb_worker *lw)
{
	if (workers[lw->index] == lw)
		workers[lw->index] = NULL;
}

bool lb_is_icmp_error(const struct parse_info *pi)
{
	if ((pi->flags & PARSE_L4) == 0)
		return false;
	if (pi->flags & PARSE_IPV6)
		return pi->proto == IPPROTO_ICMPV6 && pi->icmp_type < INFORMATION6;
	return pi->proto == IPPROTO_ICMP &&
	       (pi->icmp_type == UNREACHABLE4 || pi->icmp_type == QUENCH4 ||
		pi->icmp_type == REDIRECT4 || pi->icmp_type == EXCEEDED4 ||
		pi->icmp_type == PARAMETER4);
}

static bool is_passed_type(const struct parse_info *pi)
{
	if (pi->flags & PARSE_IPV6)
		return pi->icmp_type >= 1 && pi->icmp_type <= PARAMETER6;
	return pi->icmp_type != QUENCH4 && pi->icmp_type != REDIRECT4; // RFC 6633; 1812 5.2.7.2
}

// Sum over the message and, for ICMPv6, its pseudo header (RFC 4443 section 2.3).
static uint16_t message_sum(const uint8_t *ip, const struct parse_info *pi, const uint8_t *icmp,
			    uint32_t len)
{
	uint64_t sum = rte_raw_cksum(icmp, len);

	if (pi->flags & PARSE_IPV6)
		sum += rte_raw_cksum(ip + 8, 32) + rte_cpu_to_be_16((uint16_t)len) +
		       RTE_BE16(IPPROTO_ICMPV6);
	return rewrite_fold(sum);
}

// The flow of the quoted packet, in the direction of the answers to it; FLOW_NONE.
static uint32_t flow_of(struct lb_worker *lw, const struct lb_tuple *t)
{
	uint32_t ports = t->sport | (uint32_t)t->dport << 16;
	uint8_t addrs[32];
	struct flow_key k;

	if (t->family == 4) {
		flow_key4(lw->table, &k, flow_load32(t->src) | (uint64_t)flow_load32(t->dst) << 32,
			  ports, t->context, t->proto);
	} else {
		memcpy(addrs, t->src, 16);
		memcpy(addrs + 16, t->dst, 16);
		flow_key6(lw->table, &k, addrs, ports, t->context, t->proto);
	}
	return flow_lookup(lw->table, &k);
}

// RFC 5927 sections 4.1 and 7.2: may the flow have sent what the error quotes? ref: with the direction of the
// answers. A segment is believed that begins before what its sender has sent last, and not long before.
static bool is_plausible(const struct lb_worker *lw, uint32_t ref, const struct parse_info *pi,
			 const uint8_t *icmp, const struct parse_quote *q)
{
	const struct flow *f = flow_at(lw->table, ref);
	enum flow_dir sender = (ref & FLOW_DIR_BIT) != 0 ? FLOW_TO_SERVER : FLOW_TO_CLIENT;
	uint32_t mtu = 0;

	if (q->proto == IPPROTO_TCP && f->state == FLOW_TCP_ESTABLISHED) {
		uint32_t seq = rte_be_to_cpu_32(flow_load32(icmp + ICMP_LEN + q->l4_off + 4));

		if (f->end[sender] - seq - 1 >= IN_FLIGHT_MAX)
			return false;
	}

	if (pi->flags & PARSE_IPV6) {
		if (pi->icmp_type == TOO_BIG6)
			mtu = rte_be_to_cpu_32(flow_load32(icmp + 4));
	} else if (pi->icmp_type == UNREACHABLE4 && icmp[1] == FRAGMENTATION_NEEDED4) {
		mtu = (uint32_t)icmp[6] << 8 | icmp[7]; // 0: a router older than RFC 1191
	}
	return mtu < q->l3_len;
}

// Both sides' addresses and ports of a flow, as a packet from `src` to `dst` carries them.
struct ends {
	const uint8_t *src, *dst;
	rte_be16_t sport, dport;
};

static struct ends server_to_local(const struct flow *f, const struct flow_key6 *k, bool ipv6)
{
	return (struct ends){ipv6 ? k->server_addr : (const uint8_t *)&f->server_addr,
			     ipv6 ? k->local : (const uint8_t *)&f->local, f->server_port,
			     f->local_port};
}

static struct ends client_to_service(const struct flow *f, const struct flow_key6 *k, bool ipv6)
{
	return (struct ends){ipv6 ? k->client : (const uint8_t *)&f->client,
			     ipv6 ? k->service_addr : (const uint8_t *)&f->service_addr,
			     f->client_port, f->service_port};
}

// Give the packet at ip these ends; its checksums follow as far as they are there. l4_len: bytes of layer 4.
static void set_ends(uint8_t *ip, uint8_t family, uint8_t proto, uint8_t *l4, uint32_t l4_len,
		     const struct ends *e)
{
	uint32_t size = family == 4 ? 4 : 16;
	uint8_t *addrs = ip + (family == 4 ? 12 : 8);
	uint16_t before = rte_raw_cksum(addrs, 2 * size), after;

	memcpy(addrs, e->src, size);
	memcpy(addrs + size, e->dst, size);
	after = rte_raw_cksum(addrs, 2 * size);
	if (family == 4)
		rewrite_patch(ip + 10, rewrite_difference(after, before));
	before = rewrite_add(before, rte_raw_cksum(l4, 4));
	memcpy(l4, &e->sport, 2);
	memcpy(l4 + 2, &e->dport, 2);
	after = rewrite_add(after, rte_raw_cksum(l4, 4));
	if (l4_len >= (proto == IPPROTO_TCP ? 18 : 8))
		rewrite_l4_sum(l4, proto, rewrite_difference(after, before));
}

// Write the error's own header for its new receiver, then its checksum over all of it.
static void send_on(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m,
		    const struct parse_info *pi, const struct flow *f, const uint8_t *src,
		    const uint8_t *dst)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *), *ip = frame + pi->l3_off;
	uint8_t *icmp = frame + pi->l4_off, family = pi->flags & PARSE_IPV4 ? 4 : 6, to[16] = {0};
	uint32_t size = family == 4 ? 4 : 16;
	uint16_t sum = 0;

	memcpy(to, dst, size);
	memcpy(ip + (family == 4 ? 12 : 8), src, size);
	memcpy(ip + (family == 4 ? 16 : 24), to, size);
	memcpy(icmp + 2, &sum, 2);
	sum = (uint16_t)~message_sum(ip, pi, icmp,
				     pi->l3_len - (uint32_t)(pi->l4_off - pi->l3_off));
	memcpy(icmp + 2, &sum, 2);
	if (family == 4) {
		ip[8]--;
		memset(ip + 10, 0, 2);
		sum = (uint16_t)~rte_raw_cksum(ip, (ip[0] & 0xfu) * 4);
		memcpy(ip + 10, &sum, 2);
	} else {
		ip[7]--;
	}
	lw->others.icmp_passed++;
	out_forward(w, m, pi, out_route(lw->view, f->context, family, to));
}

static void translate(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m,
		      const struct parse_info *pi, const struct parse_quote *q, uint32_t ref)
{
	const struct flow *f = flow_at(lw->table, ref);
	const struct flow_key6 *k = &lw->table->key6[ref & ~FLOW_DIR_BIT];
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *), *inner = frame + pi->l4_off + ICMP_LEN;
	bool ipv6 = q->family == 6;
	struct ends server = server_to_local(f, k, ipv6), client = client_to_service(f, k, ipv6);
	bool to_server = (ref & FLOW_DIR_BIT) == 0; // the answer would go there
	const struct ends *e = to_server ? &server : &client;
	uint8_t router[16];
	bool full = memcmp(server.dst, client.src, ipv6 ? 16 : 4) != 0;

	memcpy(router, lb_source(frame + pi->l3_off, pi), ipv6 ? 16 : 4);
	set_ends(inner, q->family, q->proto, inner + q->l4_off, q->l4_len, e);
	if (unlikely((f->flags & FLOW_F_PROXY) != 0) && !to_server && q->l4_len >= 8)
		lb_proxy_quoted(f, &lw->table->cold[ref & ~FLOW_DIR_BIT], inner + q->l4_off,
				q->l4_len);
	// The receiver knows the flow's other end alone. In NAT the server sees the clients' side as it is.
	send_on(lw, w, m, pi, f, to_server && !full ? router : e->dst, e->src);
}

// Not ours after all, or not to be believed.
static void refuse(struct lb_worker *lw, struct worker *w, const struct port *port,
		   struct rte_mbuf *m, const struct parse_info *pi,
		   const struct lb_own_address *own, enum drop_reason reason)
{
	if (own == NULL) // of what is routed
		lb_not_ours(lw, w, port, m, pi);
	else
		out_drop(w, m, reason);
}

void lb_icmp_error(struct lb_worker *lw, struct worker *w, const struct port *port,
		   struct rte_mbuf *m, const struct parse_info *pi,
		   const struct lb_own_address *own)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *), *ip = frame + pi->l3_off;
	const uint8_t *icmp = frame + pi->l4_off, *inner = icmp + ICMP_LEN;
	uint32_t len = pi->l3_len - (uint32_t)(pi->l4_off - pi->l3_off), ref;
	struct parse_info quoted = {.flags = pi->flags};
	enum drop_reason reason;
	struct parse_quote q;
	struct lb_tuple t;

	if (!is_passed_type(pi))
		reason = DROP_ICMP_TYPE;
	else if (message_sum(ip, pi, icmp, len) != 0xffff)
		reason = DROP_ICMP_CHECKSUM;
	else
		reason = parse_quoted(inner, len - ICMP_LEN, pi->flags & PARSE_IPV4 ? 4 : 6, &q);
	if (reason != DROP_NONE) {
		refuse(lw, w, port, m, pi, own, reason);
		return;
	}
	// It has to be about a packet from the very address that it was sent to.
	if ((q.proto != IPPROTO_TCP && q.proto != IPPROTO_UDP) ||
	    memcmp(lb_source(inner, &quoted), lb_destination(ip, pi), q.family == 4 ? 4 : 16) !=
		    0) {
		refuse(lw, w, port, m, pi, own, DROP_ICMP_INNER);
		return;
	}
	t = (struct lb_tuple){.context = port->context,
			      .family = q.family,
			      .proto = q.proto,
			      .sport = q.dport,
			      .dport = q.sport,
			      .src = lb_destination(inner, &quoted),
			      .dst = lb_source(inner, &quoted)};
	if (lw->steer.workers > 1 && !lw->handed) {
		unsigned to = lb_owner(lw, &t);

		if (to != lw->index) {
			lb_give(lw, w, m, to);
			return;
		}
	}
	ref = flow_of(lw, &t);
	if (ref == FLOW_NONE) {
		// An address that the kernel speaks from too, and it has a way there: its own affair.
		if (own != NULL && (own->kind & LB_OWN_LOCAL) == 0 &&
		    port->view == PORT_VIEW_SHADOW &&
		    lb_match_address(lw->snap, t.context, t.family, t.proto, t.dst, t.dport) ==
			    NULL)
			out_punt(w, m, pi);
		else if (own == NULL && !out_kernel_address(lw->view, t.family, t.dst) &&
			 lb_nat_serves(lw->snap, t.context, t.family, t.proto, t.src, t.sport))
			out_drop(w, m, DROP_ICMP_NO_FLOW); // a NAT server about a flow that is lost
		else
			refuse(lw, w, port, m, pi, own, DROP_ICMP_NO_FLOW);
	} else if (!is_plausible(lw, ref, pi, icmp, &q)) {
		out_drop(w, m, DROP_ICMP_IMPLAUSIBLE);
	} else if (pi->ttl <= 1) {
		out_drop(w, m, DROP_IP_TTL);
	} else if (!out_bucket_take(&lw->icmp, w->now_tsc)) {
		out_drop(w, m, DROP_ICMP_LIMIT);
	} else {
		translate(lw, w, m, pi, &q, ref);
	}
}

// ---- our own --------------------------------------------------------------------------------------

// Our error speaks from where the packet was going. That is a service or local address of ours; where it is another's
// (the client of a server behind NAT), it is our address on the sender's side: a link end's own, or the
// kernel's on its view of the port.
static void speak_as_end(struct lb_worker *lw, struct rte_mbuf *m, const struct parse_info *pi)
{
	const struct port *port = port_get(m->port);
	bool ipv4 = (pi->flags & PARSE_IPV4) != 0;
	uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *) + pi->l3_off, *src = ip + (ipv4 ? 12 : 8);
	uint32_t size = ipv4 ? 4 : 16;
	const struct ctl_addr *end;
	const uint8_t *own;
	uint16_t before;

	if (unlikely(port == NULL) ||
	    lb_own_find(lw->snap, port->context, ipv4 ? 4 : 6, src) != NULL)
		return;
	end = ipv4 ? &port->own4 : &port->own6;
	if (port->point_to_point)
		own = end->family == 0 ? NULL : end->bytes;
	else
		own = out_port_address(lw->view, port->index, pi->vlan, ipv4 ? 4 : 6);
	if (own == NULL)
		return;
	before = rte_raw_cksum(src, size);
	memcpy(src, own, size);
	rewrite_patch(ipv4 ? ip + 10 : ip + 40 + 2,
		      rewrite_difference(rte_raw_cksum(src, size), before));
}

void lb_expired(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m,
		const struct parse_info *pi)
{
	if (!answer_allowed(w) || !answer_time_exceeded(m, pi)) {
		out_drop(w, m, DROP_IP_TTL);
		return;
	}
	speak_as_end(lw, m, pi);
	lw->others.expired++;
	out_answer(w, m);
}

// Take back what the hop limit lost here.
static void increment(uint8_t *ip, bool ipv4)
{
	if (ipv4) { // the high byte of its word
		ip[8]++;
		rewrite_patch(ip + 10, RTE_BE16(0x0100));
	} else {
		ip[7]++;
	}
}

// Undo what rewrite.h did to a packet of a flow: its sender has to know it again.
static void restore(struct rte_mbuf *m, const struct parse_info *pi, const struct ends *e)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *), *ip = frame + pi->l3_off;
	bool ipv4 = (pi->flags & PARSE_IPV4) != 0;

	set_ends(ip, ipv4 ? 4 : 6, pi->proto, frame + pi->l4_off,
		 pi->l3_len - (uint32_t)(pi->l4_off - pi->l3_off), e);
	increment(ip, ipv4);
}

static void answer_mtu(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m,
		       const struct parse_info *pi, uint16_t mtu)
{
	if (!answer_allowed(w)) {
		out_drop(w, m, DROP_ANSWER_LIMIT);
	} else if (answer_too_big(m, pi, mtu)) {
		speak_as_end(lw, m, pi);
		lw->others.too_big++;
		out_answer(w, m);
	} else {
		out_drop(w, m, DROP_MTU);
	}
}

// No flow knows the packet. One that was only routed (lb_route.c) is answered; else it has waited for a neighbour,
// and its flow has gone.
static void routed_too_big(struct lb_worker *lw, struct worker *w, const struct port *port,
			   struct rte_mbuf *m, const struct parse_info *pi, uint16_t mtu)
{
	uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *) + pi->l3_off;
	bool ipv4 = (pi->flags & PARSE_IPV4) != 0;

	if (!lw->snap->nat || port->view != PORT_VIEW_XDP ||
	    lb_own_find(lw->snap, port->context, ipv4 ? 4 : 6, lb_source(ip, pi)) != NULL) {
		out_drop(w, m, DROP_MTU);
		return;
	}
	increment(ip, ipv4);
	answer_mtu(lw, w, m, pi, mtu);
}

void lb_too_big(struct worker *w, struct rte_mbuf *m, const struct parse_info *pi, uint16_t mtu)
{
	struct lb_worker *lw = w->index < WORKER_MAX ? workers[w->index] : NULL;
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *), *ip = frame + pi->l3_off;
	const struct port *port = port_get(m->port);
	const struct flow_key6 *k;
	const struct flow *f;
	uint32_t ref, ports;
	struct ends e;

	if (lw == NULL || port == NULL || (pi->flags & PARSE_L4) == 0 ||
	    (pi->proto != IPPROTO_TCP && pi->proto != IPPROTO_UDP)) {
		out_drop(w, m, DROP_MTU);
		return;
	}
	ports = flow_turn32(flow_load32(frame + pi->l4_off));
	ref = flow_of(lw, &(struct lb_tuple){.context = port->context,
					     .family = pi->flags & PARSE_IPV4 ? 4 : 6,
					     .proto = pi->proto,
					     .sport = (rte_be16_t)ports,
					     .dport = (rte_be16_t)(ports >> 16),
					     .src = lb_destination(ip, pi),
					     .dst = lb_source(ip, pi)});
	if (ref == FLOW_NONE) {
		routed_too_big(lw, w, port, m, pi, mtu);
		return;
	}
	f = flow_at(lw->table, ref);
	k = &lw->table->key6[ref & ~FLOW_DIR_BIT];
	// The answer's direction is the one of ref, the packet's the other.
	e = ref & FLOW_DIR_BIT ? client_to_service(f, k, (f->flags & FLOW_F_IPV6) != 0)
			       : server_to_local(f, k, (f->flags & FLOW_F_IPV6) != 0);
	restore(m, pi, &e);
	answer_mtu(lw, w, m, pi, mtu);
}
