// SPDX-License-Identifier: BSD-3-Clause
//
// lb_new - the first packet of a flow: service, server, local address and port, entry; and what becomes
// of packets without a flow that start none.
//
// FULLNAT: the local pair comes from the service's pool. NAT: it is the client's own address and port, so
// that the server sees the client; the rest is the same, and the server's packets to the client are
// found under the same tuple. The server must send them by way of this node.
//
// In three steps over the burst's misses, as look-ups are: choose and prefetch the bucket of the
// server-side tuple; claim an entry and prefetch it; check, fill in and link.

#include "apps/lb/worker/lb_priv.h"

#include <errno.h>
#include <netinet/in.h>

#include "dataplane/flow/state.h"
#include "dataplane/out/rewrite.h"
#include "dataplane/trace/trace.h"

#define LOCAL_TRIES 64 // pairs looked at for one new flow

struct fresh {
	uint8_t packet; // index in the burst
	const struct lb_service *service;
	const struct lb_server *server;
	const uint8_t *local; // 4 or 16 bytes, of a pool or in the packet
	rte_be16_t local_port, server_port;
	bool nat;
	uint32_t index;      // claimed entry
	uint8_t addrs6[32];  // server, local: what key.addr6 points to
	struct flow_key key; // server-side tuple
};

// TCP to a service, no flow, no SYN: a reset (RFC 9293 section 3.10.7.1), but not shortly after a start:
// the client's connection may live on another node, or its flow may be lost for a moment only.
static void stray_segment(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m,
			  const struct parse_info *pi)
{
	if (lb_is_quiet(lw, w))
		out_drop(w, m, DROP_QUIET);
	else if ((pi->tcp_flags & TCP_RST) != 0)
		out_drop(w, m, DROP_NO_FLOW);
	else if (!answer_allowed(w))
		out_drop(w, m, DROP_ANSWER_LIMIT);
	else if (answer_reset(m, pi))
		out_answer(w, m);
	else
		out_drop(w, m, DROP_NO_FLOW);
}

// No service has this address and port. hash: of the packet's tuple.
static void no_service(struct lb_worker *lw, struct worker *w, const struct port *port,
		       struct rte_mbuf *m, const struct parse_info *pi, uint64_t hash)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *) + pi->l3_off;
	bool ipv4 = (pi->flags & PARSE_IPV4) != 0;
	const struct lb_own_address *own =
		lb_own_find(lw->snap, port->context, ipv4 ? 4 : 6, ip + (ipv4 ? 16 : 24));

	if (own != NULL && (own->kind & LB_OWN_LOCAL) != 0) {
		// A server speaks of a flow we do not have: never the kernel's business.
		out_drop(w, m,
			 pi->proto == IPPROTO_TCP && lb_is_quiet(lw, w) ? DROP_QUIET
									: DROP_NO_FLOW);
		return;
	}
	if (lb_nat_lost(lw, w, port, ip, pi, hash))
		lb_nat_refuse(lw, w, m, pi);
	else
		lb_not_ours(lw, w, port, m, pi);
}

// No server for a first packet: say so (RFC 9293 section 3.10.7.1; RFC 1122 section 3.2.2.1).
static void refuse(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m,
		   const struct parse_info *pi, const struct lb_service *service)
{
	lb_service_count(lw, service->ref)->refused++;
	if (!answer_allowed(w))
		out_drop(w, m, DROP_ANSWER_LIMIT);
	else if (pi->proto == IPPROTO_TCP ? answer_reset(m, pi) : answer_unreachable(m, pi))
		out_answer(w, m);
	else
		out_drop(w, m, DROP_NO_SERVER);
}

// The server-side tuple of the local address and port chosen.
static void key_local(struct lb_worker *lw, struct fresh *n)
{
	const struct lb_server *s = n->server;
	uint32_t ports = n->server_port | (uint32_t)n->local_port << 16;

	if (s->family == 4) {
		flow_key4(lw->table, &n->key,
			  flow_load32(s->addr) | (uint64_t)flow_load32(n->local) << 32, ports,
			  n->service->context, n->service->proto);
	} else {
		memcpy(n->addrs6, s->addr, 16);
		memcpy(n->addrs6 + 16, n->local, 16);
		flow_key6(lw->table, &n->key, n->addrs6, ports, n->service->context,
			  n->service->proto);
	}
}

// Take the next local address and port of the pool.
static bool next_local(struct lb_worker *lw, struct fresh *n)
{
	struct lb_server_chunk *c = lb_server_chunk(lw, n->server->ref);
	const struct lb_server *s = n->server;
	const struct lb_local_address *local;
	uint16_t port;

	local = lb_local_next(lw, n->service->local, s, n->server_port,
			      &c->local[s->ref % LB_CHUNK], &port);
	if (local == NULL)
		return false;
	n->local = local->addr;
	n->local_port = rte_cpu_to_be_16(port);
	key_local(lw, n);
	return true;
}

// A prefix has no address of the node itself (where a steering program stands before us it knows that too).
static bool is_nodes(const struct lb_worker *lw, const struct lb_service *v, const uint8_t *dst)
{
	return v->prefix_len < (v->family == 4 ? 32 : 128) &&
	       out_kernel_address(lw->view, v->family, dst);
}

const struct lb_service *lb_service_of(const struct lb_worker *lw, const struct port *port,
				       const uint8_t *ip, const struct parse_info *pi)
{
	const struct lb_service *v = lb_match(lw->snap, port, ip, pi);

	return v != NULL && unlikely(is_nodes(lw, v, lb_destination(ip, pi))) ? NULL : v;
}

// Step 1. Returns: true if the packet starts a flow and *n is chosen; else it has been dealt with.
static bool choose(struct lb_worker *lw, struct worker *w, const struct port *port,
		   struct rte_mbuf *m, const struct parse_info *pi, struct fresh *n)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *) + pi->l3_off;

	n->service = lb_service_of(lw, port, ip, pi);
	if (n->service == NULL) {
		no_service(lw, w, port, m, pi, lw->key[n->packet].hash);
		return false;
	}
	if (unlikely(lw->trace))
		trace_note(w, m, TRACE_SERVICE, n->service->ref & LB_SLOT_MASK);
	if (pi->proto == IPPROTO_TCP && !flow_tcp_is_syn(pi->tcp_flags)) {
		stray_segment(lw, w, m, pi);
		return false;
	}
	if (unlikely(pi->ttl <= 1)) {
		lb_expired(lw, w, m, pi);
		return false;
	}
	if (unlikely(lb_is_land(ip, pi))) {
		out_drop(w, m, DROP_IP_LAND);
		return false;
	}
	n->server = lb_pick(lw, n->service, ip, pi, w->now_ticks);
	if (n->server == NULL) {
		refuse(lw, w, m, pi, n->service);
		return false;
	}
	n->server_port = lb_server_port(n->server, pi->dport);
	n->nat = n->service->forwarding == CTL_FORWARD_NAT;
	if (n->nat) {
		n->local = lb_source(ip, pi);
		n->local_port = pi->sport;
		key_local(lw, n);
	} else if (!next_local(lw, n)) {
		lb_pick_undo(lw, n->server->ref);
		lb_service_count(lw, n->service->ref)->refused++;
		out_drop(w, m, DROP_NO_LOCAL_PORT);
		return false;
	}
	return true;
}

// Does the pair belong to a flow of another worker (lb_move.c)?
static bool is_strange(const struct lb_worker *lw, const struct fresh *n)
{
	const struct lb_server *s = n->server;

	return unlikely(lw->strangers != NULL) &&
	       lb_stranger_owner(lw->strangers, &(struct lb_tuple){.context = n->service->context,
								   .family = s->family,
								   .proto = n->service->proto,
								   .sport = n->server_port,
								   .dport = n->local_port,
								   .src = s->addr,
								   .dst = n->local}) >= 0;
}

// A local pair that no flow towards this server uses. The first one has been chosen and probed.
static bool free_local(struct lb_worker *lw, struct fresh *n)
{
	if (flow_find(lw->table, &n->key) == FLOW_NONE && !is_strange(lw, n))
		return true;
	for (unsigned tries = 1; tries < LOCAL_TRIES; tries++) {
		if (!next_local(lw, n))
			return false;
		if (flow_lookup(lw->table, &n->key) == FLOW_NONE && !is_strange(lw, n))
			return true;
	}
	return false;
}

// NAT: does no other flow of this client's address and port lead to this server? One that came by another
// service may; the server could not tell both apart. A TCP connection that is over makes room, as its
// own tuple would (flow_tcp_over). client_hash: of the packet's own tuple, which must not be the same
// (a client that is the server and speaks to itself).
static bool free_client(struct lb_worker *lw, struct fresh *n, uint64_t client_hash)
{
	uint32_t ref = flow_find(lw->table, &n->key);

	if (ref == FLOW_NONE)
		return n->key.hash != client_hash;
	if ((ref & FLOW_DIR_BIT) == 0 || !flow_tcp_over(flow_at(lw->table, ref)))
		return false;
	lb_flow_end(lw, ref);
	return true;
}

static void fill_key(struct lb_worker *lw, const struct fresh *n, const uint8_t *ip,
		     const struct parse_info *pi)
{
	struct flow *f = flow_at(lw->table, n->index);
	struct flow_key6 *k = &lw->table->key6[n->index];
	uint16_t flags = n->service->proxy != CTL_PROXY_OFF ? FLOW_F_PROXY : 0;

	f->client_port = pi->sport;
	f->service_port = pi->dport;
	f->local_port = n->local_port;
	f->server_port = n->server_port;
	f->context = n->service->context;
	f->proto = n->service->proto;
	if (n->service->family == 4) {
		memcpy(&f->client, ip + 12, 4);
		memcpy(&f->service_addr, ip + 16, 4);
		memcpy(&f->local, n->local, 4);
		memcpy(&f->server_addr, n->server->addr, 4);
		f->flags = flags;
		return;
	}
	f->client = n->index;
	f->service_addr = f->local = f->server_addr = 0;
	memcpy(k->client, ip + 8, 32); // and service_addr
	memcpy(k->local, n->local, 16);
	memcpy(k->server_addr, n->server->addr, 16);
	f->flags = flags | FLOW_F_IPV6;
}

static void fill(struct lb_worker *lw, struct worker *w, const struct fresh *n, const uint8_t *ip,
		 const struct parse_info *pi)
{
	struct flow *f = flow_at(lw->table, n->index);
	struct flow_cold *c = &lw->table->cold[n->index];
	bool ipv4 = n->service->family == 4;

	fill_key(lw, n, ip, pi);
	f->state = pi->proto == IPPROTO_TCP ? FLOW_TCP_SYN : FLOW_UDP;
	f->server = n->server->ref;
	f->service = n->service->ref;
	f->last_seen = w->now_ticks;
	f->packets[0] = f->packets[1] = 0;
	f->bytes[0] = f->bytes[1] = 0;
	c->created = w->now_ticks;
	c->packets_hi[0] = c->packets_hi[1] = 0;
	c->bytes_hi[0] = c->bytes_hi[1] = 0;
	c->start = 0;
	f->end[0] = f->end[1] = 0;
	if (pi->proto == IPPROTO_TCP) {
		struct flow_tcp_segment syn = lb_segment(ip, pi);

		flow_tcp_start(f, c, &syn, lb_syn_clock(w));
	}
	f->nexthop[FLOW_TO_SERVER] =
		out_route(lw->view, f->context, n->server->family, n->server->addr);
	f->nexthop[FLOW_TO_CLIENT] =
		out_route(lw->view, f->context, n->server->family, ip + (ipv4 ? 12 : 8));
	f->view_generation = lw->epoch;
	rewrite_prepare(f, ipv4 ? NULL : &lw->table->key6[n->index]);
}

static void give_up(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m, struct fresh *n,
		    enum drop_reason reason)
{
	lb_service_count(lw, n->service->ref)->refused++;
	lb_server_count(lw, n->server->ref)->refused++;
	lb_pick_undo(lw, n->server->ref);
	if (n->index != FLOW_NONE)
		flow_unalloc(lw->table, n->index);
	out_drop(w, m, reason);
}

// Step 3.
static void start_flow(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m,
		       const struct parse_info *pi, struct fresh *n)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *) + pi->l3_off;
	struct flow_key *client = &lw->key[n->packet];
	uint32_t known = flow_lookup(lw->table, client); // an earlier packet of this burst?

	if (unlikely(known != FLOW_NONE)) {
		flow_unalloc(lw->table, n->index);
		lb_pick_undo(lw, n->server->ref);
		if (!lb_known(lw, w, m, pi, known))
			out_drop(w, m, DROP_STALE_FLOW);
		return;
	}
	if (unlikely(n->nat ? !free_client(lw, n, client->hash) : !free_local(lw, n))) {
		give_up(lw, w, m, n, n->nat ? DROP_NAT_CONFLICT : DROP_NO_LOCAL_PORT);
		return;
	}
	fill(lw, w, n, ip, pi);
	if (unlikely(flow_at(lw->table, n->index)->nexthop[FLOW_TO_SERVER] == 0)) {
		give_up(lw, w, m, n, DROP_NO_ROUTE);
		return;
	}
	if (unlikely(flow_link(lw->table, n->index, client->hash, n->key.hash, w->now_ticks) !=
		     0)) {
		give_up(lw, w, m, n, DROP_TABLE_FULL);
		return;
	}
	lb_service_count(lw, n->service->ref)->new_flows++;
	lb_server_count(lw, n->server->ref)->new_flows++;
	if (unlikely(lw->trace))
		trace_note(w, m, TRACE_FLOW_NEW, n->index);
	if (unlikely(n->service->mss_max != 0) && pi->proto == IPPROTO_TCP &&
	    lb_mss_clamp(rte_pktmbuf_mtod_offset(m, uint8_t *, pi->l4_off), pi,
			 n->service->mss_max))
		lw->others.mss_clamped++;
	lb_forward(lw, w, m, pi, n->index);
}

void lb_new_burst(struct lb_worker *lw, struct worker *w, const struct port *port,
		  struct rte_mbuf **pkts, unsigned n)
{
	struct fresh fresh[LB_BURST];
	unsigned count = 0;

	for (unsigned i = 0; i < n; i++) {
		struct fresh *f = &fresh[count];

		f->packet = lw->miss[i];
		count += choose(lw, w, port, pkts[f->packet], &lw->pi[f->packet], f);
	}
	for (unsigned i = 0; i < count; i++) {
		struct fresh *f = &fresh[i];

		f->index = flow_alloc(lw->table, f->service->family == 6);
		flow_probe(lw->table, &f->key);
		if (likely(f->index != FLOW_NONE)) {
			rte_prefetch0(flow_at(lw->table, f->index));
			rte_prefetch0(&lw->table->cold[f->index]);
		}
	}
	for (unsigned i = 0; i < count; i++) {
		struct fresh *f = &fresh[i];
		struct rte_mbuf *m = pkts[f->packet];

		if (likely(f->index != FLOW_NONE))
			start_flow(lw, w, m, &lw->pi[f->packet], f);
		else
			give_up(lw, w, m, f, DROP_TABLE_FULL);
	}
}
