// SPDX-License-Identifier: BSD-3-Clause
//
// lb_svc - a worker's burst: parse, steer, look the flow up, move packets of known flows on. First packets
// of flows go to lb_new.c, packets that cannot be of a flow to lb_other.c.
//
// Each step runs over the whole burst before the next: hash and prefetch buckets, match tags and
// prefetch entries, then process. A flow remembers in which epoch its server, service and next hops
// were verified; the epoch changes with every snapshot and every change of routes, so that between
// changes a packet touches nothing of the snapshot.

#include "apps/lb/worker/lb_priv.h"
#include "apps/lb/worker/lb_proxy.h"

#include <netinet/in.h>

#include "dataplane/flow/state.h"
#include "dataplane/out/rewrite.h"
#include "dataplane/parse/fast.h"
#include "dataplane/trace/trace.h"

static const struct lb_service *no_service[1];
static const struct lb_own_address *no_own[1];
// Before the first snapshot: nothing is ours.
static const struct lb_snapshot empty_snapshot = {
	.serial = 0, .service_hash = no_service, .own_hash = no_own};

// Take the snapshot and view of this burst.
static void begin_burst(struct lb_worker *lw)
{
	const struct lb_snapshot *s = publish_get(lw->publish);
	const struct out_view *v = out_view_get();

	if (unlikely(s == NULL))
		s = &empty_snapshot;
	lw->view = v;
	lw->trace = trace_enabled();
	if (likely(s == lw->snap && s->serial == lw->serial &&
		   out_view_generation(v) == lw->view_generation))
		return;
	if (s->serial == lw->serial && out_view_generation(v) == lw->view_generation &&
	    lw->epoch != 0) {
		lw->snap = s; // what differs is for new flows alone
		return;
	}
	if (s != &empty_snapshot && (s != lw->snap || s->serial != lw->serial))
		flow_set_timeouts(lw->table, s->timeout);
	lw->snap = s;
	lw->serial = s->serial;
	lw->quiet_until = s->quiet_until;
	lw->view_generation = out_view_generation(v);
	if (++lw->epoch == 0) {
		// Once in 65,535 changes: a flow not seen since may hold any of the epochs to come.
		lw->epoch = 1;
		for (uint32_t i = 0; i < flow_capacity(lw->table); i++)
			flow_at(lw->table, i)->view_generation = 0;
	}
}

// A handshake with a PROXY header, or a segment before the server has acknowledged that.
static __rte_noinline void forward_proxy(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m,
					 const struct parse_info *pi, uint32_t ref)
{
	uint32_t index = ref & ~FLOW_DIR_BIT;
	struct flow *f = flow_at(lw->table, index);
	const struct nexthop *nh = out_nexthop(lw->view, f->nexthop[ref >> 31]);
	const struct flow_key6 *key6 =
		(f->flags & FLOW_F_IPV6) != 0 ? &lw->table->key6[index] : NULL;
	struct parse_info now = *pi;
	bool headed;
	enum drop_reason reason =
		lb_proxy_pass(f, &lw->table->cold[index], key6, ref >> 31,
			      nh != NULL ? nh->mtu : UINT16_MAX, m, &now, &headed);

	if (unlikely(reason != DROP_NONE)) {
		out_drop(w, m, reason);
		return;
	}
	if (headed) {
		if ((f->flags & FLOW_F_PROXY_SENT) != 0)
			lw->others.proxy_repeated++;
		else
			lw->others.proxy_written++;
		f->flags |= FLOW_F_PROXY_SENT;
	}
	out_forward(w, m, &now, f->nexthop[ref >> 31]);
}

void lb_look(struct lb_worker *lw)
{
	begin_burst(lw);
}

// l4: the packet's layer-4 header, or bytes to scribble on where it has none (a later fragment).
static __rte_always_inline void forward(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m,
					const struct parse_info *pi, uint32_t ref, uint8_t *l4)
{
	uint32_t index = ref & ~FLOW_DIR_BIT;
	struct flow *f = flow_at(lw->table, index);
	enum flow_dir dir = ref >> 31;
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, pi->l3_off);
	struct lb_counters *c;

	f->last_seen = w->now_ticks;
	flow_count_packet(lw->table, index, f, dir, pi->l3_len);
	c = &lb_server_chunk(lw, f->server)->count[f->server % LB_CHUNK];
	c->packets[dir]++;
	c->bytes[dir] += pi->l3_len;
	c = &lb_service_chunk(lw, f->service)->count[f->service % LB_CHUNK];
	c->packets[dir]++;
	c->bytes[dir] += pi->l3_len;
	if (likely(pi->flags & PARSE_IPV4))
		rewrite_ipv4(ip, l4, f, dir, f->proto);
	else
		rewrite_ipv6(ip, l4, f, &lw->table->key6[index], dir);
	if (unlikely((f->flags & FLOW_F_PROXY) != 0) && lb_proxy_wants(f, pi->tcp_flags)) {
		forward_proxy(lw, w, m, pi, ref);
		return;
	}
	out_forward(w, m, pi, f->nexthop[dir]);
}

void lb_forward(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m,
		const struct parse_info *pi, uint32_t ref)
{
	forward(lw, w, m, pi, ref, rte_pktmbuf_mtod_offset(m, uint8_t *, pi->l4_off));
}

static bool same_address(const struct lb_worker *lw, uint32_t index, const struct lb_service *v,
			 const struct lb_server *s)
{
	const struct flow *f = &lw->table->flow[index];
	const struct flow_key6 *k = &lw->table->key6[index];
	bool ipv6 = (f->flags & FLOW_F_IPV6) != 0;

	if (v->family != (ipv6 ? 6 : 4) || s->family != v->family || v->proto != f->proto ||
	    v->context != f->context || lb_server_port(s, f->service_port) != f->server_port)
		return false;
	if (ipv6)
		return lb_service_covers(v, k->service_addr, f->service_port) &&
		       memcmp(k->server_addr, s->addr, 16) == 0;
	return lb_service_covers(v, (const uint8_t *)&f->service_addr, f->service_port) &&
	       memcmp(&f->server_addr, s->addr, 4) == 0;
}

// The server is down and its flows are reset: tell the client. Its own segment is turned into the reset;
// one of the server's cannot be, the client's next one will.
static void reset_flow(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m,
		       const struct parse_info *pi, uint32_t ref)
{
	if ((ref & FLOW_DIR_BIT) != 0) { // the flow stays for the client's next segment
		out_drop(w, m, DROP_STALE_FLOW);
		return;
	}
	lb_flow_end(lw, ref);
	if ((pi->tcp_flags & TCP_RST) != 0 || !answer_reset(m, pi)) {
		out_drop(w, m, DROP_STALE_FLOW);
		return;
	}
	out_answer(w, m);
}

// A client's segment whose flow is here and has nothing to go on to: the quiet after a start is for flows that may be
// elsewhere, so it is told at once, as it is later.
static bool stale_is_reset(const struct lb_worker *lw, struct rte_mbuf *m,
			   const struct parse_info *pi, uint32_t ref)
{
	const struct port *port = port_get(m->port);

	return pi->proto == IPPROTO_TCP && (ref & FLOW_DIR_BIT) == 0 &&
	       !flow_tcp_is_syn(pi->tcp_flags) && port != NULL &&
	       lb_service_of(lw, port, rte_pktmbuf_mtod(m, const uint8_t *) + pi->l3_off, pi) !=
		       NULL;
}

enum verdict { VERDICT_GOOD, VERDICT_MISSED, VERDICT_TAKEN };

// Does the flow's server, service and way still hold under this epoch?
static __rte_noinline enum verdict verify(struct lb_worker *lw, struct worker *w,
					  struct rte_mbuf *m, const struct parse_info *pi,
					  uint32_t ref)
{
	uint32_t index = ref & ~FLOW_DIR_BIT;
	struct flow *f = flow_at(lw->table, index);
	const struct flow_key6 *k = &lw->table->key6[index];
	const struct lb_service *service = lb_service_get(lw->snap, f->service);
	const struct lb_server *server = lb_server_get(lw->snap, f->server);
	bool ipv6 = (f->flags & FLOW_F_IPV6) != 0;

	if ((f->flags & FLOW_F_CLEARED) != 0)
		return lb_cleared(lw, w, m, pi, ref) ? VERDICT_TAKEN : VERDICT_MISSED;
	if (service == NULL || server == NULL || !service->enabled ||
	    !same_address(lw, index, service, server)) {
		if (unlikely(lb_is_quiet(lw, w)) && stale_is_reset(lw, m, pi, ref)) {
			reset_flow(lw, w, m, pi, ref);
			return VERDICT_TAKEN;
		}
		lb_flow_end(lw, index);
		return VERDICT_MISSED;
	}
	if (!server->alive) {
		// A first packet (UDP: every packet) gets another server. The SYN may be a client's new
		// connection from the port of an old one: to that client this flow means nothing.
		if (f->proto == IPPROTO_UDP ||
		    ((ref & FLOW_DIR_BIT) == 0 && flow_tcp_is_syn(pi->tcp_flags))) {
			lb_flow_end(lw, index);
			return VERDICT_MISSED;
		}
		reset_flow(lw, w, m, pi, ref);
		return VERDICT_TAKEN;
	}
	f->nexthop[FLOW_TO_SERVER] = out_route(lw->view, f->context, server->family, server->addr);
	f->nexthop[FLOW_TO_CLIENT] = out_route(lw->view, f->context, server->family,
					       ipv6 ? (const void *)k->client : &f->client);
	f->view_generation = lw->epoch;
	return VERDICT_GOOD;
}

// SYN or SYN-ACK: the service may limit its MSS.
static __rte_noinline void clamp(struct lb_worker *lw, struct rte_mbuf *m,
				 const struct parse_info *pi, const struct flow *f)
{
	const struct lb_service *service = lb_service_get(lw->snap, f->service);
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);

	if (service != NULL && service->mss_max != 0 &&
	    lb_mss_clamp(frame + pi->l4_off, pi, service->mss_max))
		lw->others.mss_clamped++;
}

static void count_tcp(struct lb_tcp_counters *c, enum flow_dir dir, unsigned event, uint32_t us)
{
	c->again[dir] += (event & FLOW_TCP_AGAIN) != 0;
	c->refused += (event & FLOW_TCP_REFUSED) != 0;
	c->resets[dir] += (event & FLOW_TCP_RESET) != 0;
	if ((event & FLOW_TCP_ANSWERED) == 0)
		return;
	c->answered++;
	c->syn_us += us;
	c->syn_times[lb_syn_time(us)]++;
}

// The client's SYN was sent again: the server has said nothing for a second. Once for a flow; what it becomes
// in the end does not take it back, since passive watch wants to know soon.
static void count_silence(struct lb_worker *lw, struct flow *f)
{
	if (f->state != FLOW_TCP_SYN || (f->flags & (FLOW_F_SERVER_SPOKE | FLOW_F_SILENT)) != 0)
		return;
	f->flags |= FLOW_F_SILENT;
	lb_server_tcp(lw, f->server)->silent++;
	lb_service_tcp(lw, f->service)->silent++;
}

// The server has taken the client's SYN on a flow that was over: the flow goes on as another.
static void count_anew(struct lb_worker *lw, const struct worker *w, const struct flow *f,
		       struct flow_cold *c)
{
	lb_server_count(lw, f->server)->ended_flows++;
	lb_service_count(lw, f->service)->ended_flows++;
	lb_server_count(lw, f->server)->new_flows++;
	lb_service_count(lw, f->service)->new_flows++;
	c->created = w->now_ticks;
}

// A SYN on a flow that is over and may be an old one come late: to another server all the same if its own
// takes no new flows.
static bool moves_on(const struct lb_worker *lw, const struct flow *f)
{
	const struct lb_server *server = lb_server_get(lw->snap, f->server);

	return flow_tcp_over(f) && server != NULL && !server->takes_new;
}

// A TCP segment that may change the flow's state. Returns: false if it starts another connection: the flow
// is gone then.
static __rte_noinline bool follow(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m,
				  const struct parse_info *pi, uint32_t ref)
{
	struct flow *f = flow_at(lw->table, ref);
	struct flow_cold *c = &lw->table->cold[ref & ~FLOW_DIR_BIT];
	enum flow_dir dir = ref >> 31;
	struct flow_tcp_segment s =
		lb_segment(rte_pktmbuf_mtod(m, const uint8_t *) + pi->l3_off, pi);
	uint32_t since = lb_syn_clock(w) - f->end[FLOW_TO_CLIENT], us;
	unsigned event;

	if (unlikely((f->flags & FLOW_F_PROXY) != 0) && dir == FLOW_TO_CLIENT &&
	    (f->flags & (FLOW_F_PROXY_PENDING | FLOW_F_SYN_AGAIN)) != 0)
		s.ack = lb_proxy_ack(f, c, s.ack);
	if (flow_tcp_is_syn(s.flags) && dir == FLOW_TO_SERVER &&
	    (flow_tcp_reopens(f, &s) || moves_on(lw, f))) {
		lb_flow_end(lw, ref);
		return false;
	}
	if ((s.flags & TCP_SYN) != 0)
		clamp(lw, m, pi, f);
	event = flow_tcp_step(f, c, dir, &s);
	if (event == 0)
		return true;
	if ((event & FLOW_TCP_REFILE) != 0) {
		f->last_seen = w->now_ticks;
		flow_refile(lw->table, ref & ~FLOW_DIR_BIT, w->now_ticks);
	}
	if ((event & FLOW_TCP_ANEW) != 0)
		count_anew(lw, w, f, c);
	us = (uint32_t)(clock_tsc_to_ns((uint64_t)since << LB_SYN_CLOCK_SHIFT) / 1000);
	count_tcp(lb_server_tcp(lw, f->server), dir, event, us);
	count_tcp(lb_service_tcp(lw, f->service), dir, event, us);
	if (flow_tcp_is_syn(s.flags) && dir == FLOW_TO_SERVER)
		count_silence(lw, f);
	return true;
}

// The common segment of an established connection, in its place.
static __rte_always_inline bool plain_data(struct flow *f, enum flow_dir dir,
					   const struct rte_mbuf *m, const struct parse_info *pi)
{
	const uint8_t *l4 = rte_pktmbuf_mtod(m, const uint8_t *) + pi->l4_off;
	uint32_t head = (uint32_t)pi->l4_off - pi->l3_off + (uint32_t)(l4[12] >> 4) * 4;

	return likely(f->state == FLOW_TCP_ESTABLISHED &&
		      (pi->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST)) == 0) &&
	       flow_tcp_data(f, dir, rte_be_to_cpu_32(flow_load32(l4 + 4)), pi->l3_len - head);
}

static __rte_always_inline bool known(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m,
				      const struct parse_info *pi, uint32_t ref)
{
	struct flow *f = flow_at(lw->table, ref);
	enum flow_dir dir = ref >> 31;
	uint32_t seen = f->last_seen;

	if (unlikely(f->view_generation != lw->epoch)) {
		enum verdict v = verify(lw, w, m, pi, ref);

		if (v != VERDICT_GOOD)
			return v == VERDICT_TAKEN;
	}
	if (unlikely(pi->ttl <= 1)) {
		lb_expired(lw, w, m, pi);
		return true;
	}
	if (pi->proto == IPPROTO_TCP && !plain_data(f, dir, m, pi) && !follow(lw, w, m, pi, ref))
		return false;
	lb_note(lw, w, m, TRACE_FLOW_HIT, ref & ~FLOW_DIR_BIT);
	forward(lw, w, m, pi, ref, rte_pktmbuf_mtod_offset(m, uint8_t *, pi->l4_off));
	// The server sends its SYN-ACK again for a minute: that is no life of a client that never asked.
	if (unlikely(f->state == FLOW_TCP_SYN && dir == FLOW_TO_CLIENT))
		f->last_seen = seen;
	return true;
}

bool lb_known_later(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m,
		    const struct parse_info *pi, uint32_t ref)
{
	uint32_t ports = flow_ports(flow_at(lw->table, ref), ref & FLOW_DIR_BIT);
	uint8_t no_l4[64] = {0}; // a checksum of zero is left alone

	memcpy(no_l4, &ports,
	       sizeof(ports)); // the header's checksum follows from what becomes of them
	if (flow_at(lw->table, ref)->view_generation != lw->epoch) {
		enum verdict v = verify(lw, w, m, pi, ref);

		if (v != VERDICT_GOOD)
			return v == VERDICT_TAKEN;
	}
	if (pi->ttl <= 1) { // no error about a later fragment: RFC 1122 section 3.2.2
		out_drop(w, m, DROP_IP_TTL);
		return true;
	}
	lb_note(lw, w, m, TRACE_FLOW_HIT, ref & ~FLOW_DIR_BIT);
	forward(lw, w, m, pi, ref, no_l4);
	return true;
}

bool lb_known(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m,
	      const struct parse_info *pi, uint32_t ref)
{
	return known(lw, w, m, pi, ref);
}

static bool vlan_known(const struct port *port, uint16_t vlan)
{
	for (unsigned i = 0; i < port->vlan_count; i++)
		if (port->vlan[i].vid == vlan)
			return true;
	return false;
}

// Parse one packet that is not of the common kind. Returns: true if it may be of a flow; else it has been dealt with, or is left for
// lb_other() (*other).
static __rte_noinline bool parse_packet(struct lb_worker *lw, struct worker *w,
					const struct port *port, struct rte_mbuf *m,
					struct parse_info *pi, bool *other)
{
	uint16_t vlan = 0;
	enum drop_reason reason;

	if (unlikely(m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED))
		vlan = m->vlan_tci & 0xfff;
	if (unlikely(m->nb_segs != 1) && rte_pktmbuf_linearize(m) != 0)
		reason = DROP_MTU; // headers have to be in one piece
	else
		reason = parse_frame(rte_pktmbuf_mtod(m, uint8_t *), rte_pktmbuf_data_len(m), vlan,
				     pi);
	if (unlikely(reason == DROP_NONE && pi->vlan != 0 && !vlan_known(port, pi->vlan)))
		reason = DROP_VLAN_UNKNOWN;
	if (unlikely(reason != DROP_NONE)) {
		*other = false;
		out_drop(w, m, reason);
		return false;
	}
	*other = true;
	return likely((pi->flags & (PARSE_L4 | PARSE_FRAGMENT)) == PARSE_L4 &&
		      (pi->proto == IPPROTO_TCP || pi->proto == IPPROTO_UDP));
}

static inline void key_packet(struct lb_worker *lw, const struct port *port, const uint8_t *frame,
			      const struct parse_info *pi, struct flow_key *k)
{
	const uint8_t *ip = frame + pi->l3_off;
	uint32_t ports = flow_load32(frame + pi->l4_off);

	if (likely(pi->flags & PARSE_IPV4))
		flow_key4(lw->table, k, flow_load64(ip + 12), ports, port->context, pi->proto);
	else
		flow_key6(lw->table, k, ip + 8, ports, port->context, pi->proto);
}

// What of a burst does not change from packet to packet, out of the way of what the packets write.
struct lb_quick {
	struct flow_table t;
	const struct out_view *view;
	struct out_worker *out;
	uint64_t want[2]; // context, protocol, state and flags of a plain flow: TCP, UDP
	uint32_t now;
	uint16_t epoch;
};

// Flags that make no difference to a plain packet.
#define QUICK_FLAGS                                                                                \
	(FLOW_F_FIN_CLIENT | FLOW_F_FIN_SERVER | FLOW_F_SERVER_SPOKE | FLOW_F_SILENT |             \
	 FLOW_F_PROXY | FLOW_F_PROXY_LARGE | FLOW_F_PROXY_SENT | FLOW_F_SYN_AGAIN)
#define QUICK_MASK ((UINT64_C(1) << 48) - 1 - ((uint64_t)QUICK_FLAGS << 32))

static inline uint64_t quick_word(uint16_t context, uint8_t proto, enum flow_state state)
{
	return context | (uint64_t)proto << 16 | (uint64_t)state << 24 |
	       (uint64_t)FLOW_F_VALID << 32;
}

static inline void quick_init(struct lb_quick *q, const struct lb_worker *lw,
			      const struct worker *w, const struct port *port)
{
	q->t = *lw->table;
	q->view = lw->view;
	q->out = out_workers[w->index];
	q->want[0] = quick_word(port->context, IPPROTO_TCP, FLOW_TCP_ESTABLISHED);
	q->want[1] = quick_word(port->context, IPPROTO_UDP, FLOW_UDP);
	q->now = w->now_ticks;
	q->epoch = lw->epoch;
}

// Move a plain packet (parse_plain()) of a plain flow on: established, verified in this epoch, its next hop
// resolved. k: probed with a candidate. No branch depends on the direction. Returns: false if
// anything is not so; nothing has been done then, and known() sees to it.
static __rte_always_inline bool quick(struct lb_worker *lw, struct worker *w,
				      const struct lb_quick *q, struct rte_mbuf *m, uint32_t plain,
				      const struct flow_key *k, bool udp)
{
	uint32_t ref = k->ref;
	size_t dir = ref >> 31;
	struct flow *f = flow_at(&q->t, ref);
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *), *l4 = frame + PARSE_FAST_L4;
	uint16_t len = (uint16_t)plain, hop = f->nexthop[dir];
	const struct nexthop *nh = &q->view->nexthop[hop];
	struct lb_counters *count;

	if (unlikely(((flow_load64(&f->context) ^ q->want[udp]) & QUICK_MASK) != 0 ||
		     flow_addr4(f, ref) != k->addr4 || flow_ports(f, ref) != k->ports ||
		     f->view_generation != q->epoch || hop >= q->view->count))
		return false;
	if (unlikely(nh->state != NEXTHOP_RESOLVED || nh->vlan != 0 || len > nh->mtu))
		return false;
	if (!udp && unlikely(!flow_tcp_data(f, (enum flow_dir)dir,
					    rte_be_to_cpu_32(flow_load32(l4 + 4)), plain >> 16)))
		return false;
	rewrite_ipv4(frame + RTE_ETHER_HDR_LEN, l4, f, (enum flow_dir)dir,
		     udp ? IPPROTO_UDP : IPPROTO_TCP);
	memcpy(frame, nh, 12); // dmac, smac
	f->last_seen = q->now;
	flow_count_packet(&q->t, ref, f, (enum flow_dir)dir, len);
	count = &lb_server_chunk(lw, f->server)->count[f->server % LB_CHUNK];
	count->packets[dir]++;
	count->bytes[dir] += len;
	count = &lb_service_chunk(lw, f->service)->count[f->service % LB_CHUNK];
	count->packets[dir]++;
	count->bytes[dir] += len;
	if (unlikely(!q->out->used[hop]))
		q->out->used[hop] = 1;
	out_enqueue(w, q->out, m, nh->port, OUT_FORWARDED);
	return true;
}

// The first candidate's entry is on its way or here: fetch the server's counters, which with many servers
// are in no near cache. A tuple away from home is still to be probed.
static inline void probe_more(const struct lb_worker *lw, const struct flow_table *t,
			      struct flow_key *k)
{
	uint32_t server;

	if (unlikely(k->mask == 0)) {
		flow_probe_second(t, k);
		return;
	}
	server = flow_at(t, k->ref)->server; // of any flow, or of none: the chunk may be absent
	rte_prefetch0((const void *)((uintptr_t)lb_server_chunk(lw, server) +
				     server % LB_CHUNK * sizeof(struct lb_counters)));
}

// A plain packet that quick() did not move on: parse it in full, see whose it is. Returns: false if it has
// been dealt with.
static __rte_noinline bool parse_late(struct lb_worker *lw, struct worker *w,
				      const struct port *port, struct rte_mbuf *m,
				      struct parse_info *pi, bool steer)
{
	bool other;

	if (!parse_fast(rte_pktmbuf_mtod(m, uint8_t *), rte_pktmbuf_data_len(m), pi) &&
	    !parse_packet(lw, w, port, m, pi, &other)) {
		if (other)
			lb_other(lw, w, port, m, pi);
		return false;
	}
	return !steer || !lb_hand_over(lw, w, port, m, pi);
}

// The packets of a burst that may be of a flow, close together; their keys in lb_worker.key.
struct lb_batch {
	struct rte_mbuf *m[LB_BURST];
	uint32_t plain[LB_BURST]; // what parse_plain() said; 0: parsed in full, into lb_worker.pi
};

// The steps of a burst are functions of their own, so that each has the registers for itself.

// Parse, hash, fetch buckets. Returns: how many packets are in *b.
static __rte_noinline unsigned gather(struct lb_worker *lw, struct worker *w,
				      const struct port *port, const struct lb_quick *q,
				      struct rte_mbuf **pkts, unsigned n, struct lb_batch *b)
{
	// A traced packet is parsed in full: parse_plain() is shown none of it.
	const uint32_t shown = unlikely(lw->trace) ? 0 : UINT32_MAX;
	unsigned flows = 0;
	bool other;

	for (unsigned i = 0; unlikely(lw->trace) && i < n; i++)
		trace_note(w, pkts[i], TRACE_RX, port->index);
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		const uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
		bool odd = m->nb_segs != 1 || (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0;
		uint32_t plain =
			unlikely(odd) ? 0 : parse_plain(frame, rte_pktmbuf_data_len(m) & shown);
		struct parse_info *pi;

		if (likely(plain != 0)) {
			flow_key4(&q->t, &lw->key[flows], flow_load64(frame + 26),
				  flow_load32(frame + PARSE_FAST_L4), port->context, frame[23]);
			b->plain[flows] = plain;
			b->m[flows++] = m;
			continue;
		}
		pi = &lw->pi[flows];
		if (unlikely(odd || !parse_fast(frame, rte_pktmbuf_data_len(m), pi)) &&
		    !parse_packet(lw, w, port, m, pi, &other)) {
			if (other)
				lb_other(lw, w, port, m, pi);
			continue;
		}
		key_packet(lw, port, rte_pktmbuf_mtod(m, uint8_t *), pi, &lw->key[flows]);
		b->plain[flows] = 0;
		b->m[flows++] = m;
	}
	return flows;
}

// Match tags, fetch entries, then what they name.
static __rte_noinline void probe(struct lb_worker *lw, const struct lb_quick *q, unsigned flows)
{
	for (unsigned i = 0; i < flows; i++)
		flow_probe(&q->t, &lw->key[i]);
	for (unsigned i = 0; i < flows; i++)
		probe_more(lw, &q->t, &lw->key[i]);
}

// A packet that quick() did not move on. Returns: false if its flow is missed.
static __rte_noinline bool slow(struct lb_worker *lw, struct worker *w, const struct port *port,
				const struct lb_batch *b, unsigned i, bool steer)
{
	uint32_t ref = flow_find(lw->table, &lw->key[i]);

	if (b->plain[i] != 0) {
		if (!parse_late(lw, w, port, b->m[i], &lw->pi[i], steer && ref == FLOW_NONE))
			return true;
	} else if (unlikely(steer) && ref == FLOW_NONE &&
		   lb_hand_over(lw, w, port, b->m[i], &lw->pi[i])) {
		return true;
	}
	return likely(ref != FLOW_NONE) && likely(known(lw, w, b->m[i], &lw->pi[i], ref));
}

// Move the packets on. Returns: how many are left in lb_worker.miss.
static __rte_noinline unsigned move_on(struct lb_worker *lw, struct worker *w,
				       const struct port *port, const struct lb_quick *q,
				       const struct lb_batch *b, unsigned flows, bool steer)
{
	unsigned misses = 0;

	for (unsigned i = 0; i < flows; i++) {
		const struct flow_key *k = &lw->key[i];
		uint32_t plain = b->plain[i];

		if (likely(plain != 0 && k->mask != 0)) {
			bool udp = (k->meta >> 16) == IPPROTO_UDP;

			if (likely(udp ? quick(lw, w, q, b->m[i], plain, k, true)
				       : quick(lw, w, q, b->m[i], plain, k, false)))
				continue;
		}
		if (!slow(lw, w, port, b, i, steer))
			lw->miss[misses++] = (uint8_t)i;
	}
	return misses;
}

// All packets are of this port. `steer`: they may belong to another worker; one whose flow is found here is
// ours without asking. The others are handed over in the last step, plain or not: a FIN would overtake the data
// before it otherwise.
static void burst(struct lb_worker *lw, struct worker *w, const struct port *port,
		  struct rte_mbuf **pkts, unsigned n, bool steer)
{
	unsigned flows, misses;
	struct lb_batch b;
	struct lb_quick q;

	begin_burst(lw);
	quick_init(&q, lw, w, port);
	lw->handed = !steer;
	flows = gather(lw, w, port, &q, pkts, n, &b);
	probe(lw, &q, flows);
	misses = move_on(lw, w, port, &q, &b, flows, steer);
	if (unlikely(misses != 0))
		lb_new_burst(lw, w, port, b.m, misses);
	if (unlikely(lw->lates != 0))
		lb_fragments(lw, w, port);
}

unsigned lb_rx_poll(struct worker *w, void *arg)
{
	struct lb_rx *rx = arg;
	struct rte_mbuf *pkts[LB_BURST];
	unsigned n = port_rx(rx->port, rx->queue, pkts, LB_BURST);
	uint64_t bytes = 0;

	if (n == 0)
		return 0;
	for (unsigned i = 0; i < n; i++) {
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
		bytes += pkts[i]->pkt_len;
	}
	w->count.received += n;
	w->count.received_bytes += bytes;
	if (unlikely(rx->port->parent != PORT_NONE)) { // the kernel speaks through its TAP
		for (unsigned i = 0; i < n; i++)
			out_from_kernel(w, pkts[i], rx->port);
		return n;
	}
	burst(rx->lw, w, rx->port, pkts, n, rx->lw->steer.workers > 1);
	return n;
}

unsigned lb_handover_poll(struct worker *w, void *arg)
{
	struct lb_worker *lw = arg;
	struct rte_mbuf *pkts[LB_BURST];
	unsigned n = handover_take(w, pkts, LB_BURST), done = 0;

	for (unsigned i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
	while (done < n) { // runs of packets of one port
		const struct port *port = port_get(pkts[done]->port);
		unsigned end = done + 1;

		while (end < n && pkts[end]->port == pkts[done]->port)
			end++;
		if (port != NULL)
			burst(lw, w, port, pkts + done, end - done, false);
		else // it was closed meanwhile
			for (unsigned i = done; i < end; i++)
				out_drop(w, pkts[i], DROP_NO_ROUTE);
		done = end;
	}
	return n;
}
