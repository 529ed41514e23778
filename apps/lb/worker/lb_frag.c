// SPDX-License-Identifier: BSD-3-Clause
//
// lb_frag - fragments to addresses of ours, and of NAT servers' answers: dataplane/frag keeps the pieces of a datagram until its first
// one is there; here is decided where they go. The first one goes the way of any packet (a flow, or the start
// of one); the later ones follow it with the flow's addresses.
//
// Several workers, two stages: who owns (source, destination, id) collects; with the first fragment it
// learns who owns the flow and gives him the pieces, the first one in front. That worker's table then
// treats them as if they had come so. A piece that came by hand-over to a worker that does not collect
// it is in its second stage.
//
// Every datagram leaves with an identification of our own (dataplane/frag/id.h).

#include "apps/lb/worker/lb_priv.h"

#include <netinet/in.h>

#include "dataplane/frag/id.h"
#include "dataplane/out/rewrite.h"

enum fate {          // of the later fragments
	FATE_FLOW,   // follow the flow of these ports
	FATE_WORKER, // another one decides
	FATE_ECHO,   // an echo request: turned round
	FATE_KERNEL, // or the next router
	FATE_DROP,
};

struct piece {
	struct rte_mbuf *m;
	const struct parse_info *pi;
	struct parse_fragment f;
};

void lb_fragment_dropped(void *ctx, struct rte_mbuf *m, enum drop_reason reason)
{
	struct worker *w = ctx;

	w->count.held--;
	out_drop(w, m, reason);
}

static struct frag_key key_of(const struct port *port, const struct piece *p)
{
	const uint8_t *ip = rte_pktmbuf_mtod(p->m, uint8_t *) + p->pi->l3_off;
	struct frag_key k = {.id = p->f.id, .context = port->context};

	if (p->pi->flags & PARSE_IPV4) {
		k.family = 4;
		k.proto = p->pi->proto;
		memcpy(k.addr, ip + 12, 4);
		memcpy(k.addr + 16, ip + 16, 4);
	} else {
		k.family = 6;
		memcpy(k.addr, ip + 8, 32);
	}
	return k;
}

// The flow of the datagram's first fragment; FLOW_NONE.
static uint32_t flow_of(struct lb_worker *lw, const struct frag_datagram *d)
{
	uint32_t ports = d->ports[0] | (uint32_t)d->ports[1] << 16;
	struct flow_key k;

	if (d->key.family == 4)
		flow_key4(lw->table, &k,
			  flow_load32(d->key.addr) | (uint64_t)flow_load32(d->key.addr + 16) << 32,
			  ports, d->key.context, d->proto);
	else
		flow_key6(lw->table, &k, d->key.addr, ports, d->key.context, d->proto);
	return flow_lookup(lw->table, &k);
}

// Where packets of this flow and direction go to: 16 bytes, IPv4 in the first four.
static void destination(const struct lb_worker *lw, uint32_t ref, uint8_t addr[16])
{
	const struct flow *f = flow_at(lw->table, ref);
	const struct flow_key6 *k = &lw->table->key6[ref & ~FLOW_DIR_BIT];
	bool to_client = (ref & FLOW_DIR_BIT) != 0;

	memset(addr, 0, 16);
	if ((f->flags & FLOW_F_IPV6) != 0)
		memcpy(addr, to_client ? k->client : k->server_addr, 16);
	else
		memcpy(addr, to_client ? &f->client : &f->server_addr, 4);
}

static void write_id(const struct piece *p, const struct frag_ids *ids, uint32_t next)
{
	uint8_t *at = rte_pktmbuf_mtod(p->m, uint8_t *) + p->f.head;
	uint16_t before, after, sum;

	if (p->pi->flags & PARSE_IPV6) {
		rte_be32_t id = rte_cpu_to_be_32(frag_id6(ids, next));

		memcpy(at + 4, &id, 4);
		return;
	}
	after = rte_cpu_to_be_16(frag_id4(ids, next));
	memcpy(&before, at + 4, 2);
	memcpy(at + 4, &after, 2);
	memcpy(&sum, at + 10, 2);
	sum = rewrite_sum(sum, rewrite_add(after, (uint16_t)~before));
	memcpy(at + 10, &sum, 2);
}

// ---- the first fragment -----------------------------------------------------------------------------

// May a TCP segment come in pieces? Nobody sends a SYN so, and a PROXY header would move all that follows.
static bool in_pieces(const struct lb_worker *lw, uint32_t ref)
{
	return ref != FLOW_NONE && (flow_at(lw->table, ref)->flags & FLOW_F_PROXY_PENDING) == 0;
}

// TCP or UDP: through the table of flows like any packet.
static enum fate first_of_flow(struct lb_worker *lw, struct worker *w, const struct port *port,
			       const struct piece *p, struct frag_datagram *d)
{
	const uint8_t *ip = rte_pktmbuf_mtod(p->m, uint8_t *) + p->pi->l3_off;
	struct frag_ids *ids = out_ids(w);
	struct rte_mbuf *m = p->m;
	struct flow_key *k = &lw->key[0];
	struct lb_tuple t = {.context = port->context,
			     .family = d->key.family,
			     .proto = p->pi->proto,
			     .sport = p->pi->sport,
			     .dport = p->pi->dport,
			     .src = lb_source(ip, p->pi),
			     .dst = lb_destination(ip, p->pi)};
	bool kernel, lost = false;
	uint32_t ref;

	d->proto = p->pi->proto;
	d->ports[0] = p->pi->sport;
	d->ports[1] = p->pi->dport;
	if (lw->steer.workers > 1) {
		unsigned to = lb_owner(lw, &t);

		if (to != lw->index) {
			d->to = (uint16_t)to;
			lb_give(lw, w, m, to);
			return FATE_WORKER;
		}
	}
	ref = flow_of(lw, d);
	// What is the kernel's keeps its identification.
	kernel = ref == FLOW_NONE && lb_service_of(lw, port, ip, p->pi) == NULL;
	if (!kernel && d->proto == IPPROTO_TCP && !in_pieces(lw, ref)) {
		out_drop(w, m, DROP_FRAGMENT);
		return FATE_DROP;
	}
	if (ref != FLOW_NONE) {
		uint8_t addr[16];

		destination(lw, ref, addr);
		d->id = frag_next_to(ids, addr);
	} else {
		d->id = frag_next_any(ids);
	}
	if (!kernel)
		write_id(p, ids, d->id);
	lw->pi[0] = *p->pi;
	if (p->pi->flags & PARSE_IPV4)
		flow_key4(lw->table, k, flow_load64(ip + 12),
			  flow_load32(rte_pktmbuf_mtod(m, uint8_t *) + p->pi->l4_off),
			  port->context, d->proto);
	else
		flow_key6(lw->table, k, ip + 8,
			  flow_load32(rte_pktmbuf_mtod(m, uint8_t *) + p->pi->l4_off),
			  port->context, d->proto);
	flow_probe(lw->table, k);
	if (ref == FLOW_NONE || !lb_known(lw, w, m, p->pi, ref)) {
		lost = kernel && lb_nat_lost(lw, w, port, ip, p->pi, k->hash);
		lw->miss[0] = 0;
		lb_new_burst(lw, w, port, &m, 1);
	}
	// What has become of it? It is gone, but its flow is there or not.
	if (flow_of(lw, d) != FLOW_NONE)
		return FATE_FLOW;
	if (kernel && !lost) {
		const struct lb_own_address *own =
			lb_own_find(lw->snap, port->context, d->key.family, d->key.addr + 16);

		if (own == NULL || (own->kind & LB_OWN_LOCAL) == 0)
			return FATE_KERNEL;
	}
	return FATE_DROP;
}

static enum fate first_of_other(struct lb_worker *lw, struct worker *w, const struct port *port,
				const struct piece *p, struct frag_datagram *d)
{
	const struct lb_own_address *own =
		lb_own_find(lw->snap, port->context, d->key.family, d->key.addr + 16);
	struct frag_ids *ids = out_ids(w);

	if (own != NULL && (own->kind & LB_OWN_SERVICE) != 0 && lb_is_echo(p->pi)) {
		uint8_t addr[16] = {0};

		memcpy(addr, d->key.addr, d->key.family == 4 ? 4 : 16);
		d->id = frag_next_to(ids, addr);
		write_id(p, ids, d->id);
		if (answer_echo(p->m, p->pi)) {
			out_answer(w, p->m);
			return FATE_ECHO;
		}
		out_drop(w, p->m, DROP_FRAGMENT);
		return FATE_DROP;
	}
	lb_not_ours(lw, w, port, p->m, p->pi);
	return FATE_KERNEL;
}

// ---- the later ones ---------------------------------------------------------------------------------

static void follow(struct lb_worker *lw, struct worker *w, const struct port *port,
		   const struct piece *p, const struct frag_datagram *d)
{
	uint32_t ref;

	switch (d->fate) {
	case FATE_FLOW:
		ref = flow_of(lw, d);
		if (ref == FLOW_NONE)
			break;
		write_id(p, out_ids(w), d->id);
		if (!lb_known_later(lw, w, p->m, p->pi, ref))
			break;
		lw->others.fragments++;
		return;
	case FATE_WORKER:
		lb_give(lw, w, p->m, d->to);
		return;
	case FATE_ECHO:
		write_id(p, out_ids(w), d->id);
		if (!answer_echo_later(p->m, p->pi))
			break;
		out_answer(w, p->m);
		return;
	case FATE_KERNEL:
		lb_not_ours(lw, w, port, p->m, p->pi);
		return;
	}
	out_drop(w, p->m, DROP_FRAGMENT);
}

// The first one is here: decide, then let go those that have waited for it.
static void decide(struct lb_worker *lw, struct worker *w, const struct port *port,
		   const struct piece *p, struct frag_datagram *d)
{
	bool flow = (p->pi->flags & PARSE_L4) != 0 &&
		    (p->pi->proto == IPPROTO_TCP || p->pi->proto == IPPROTO_UDP);
	struct parse_info waited;
	struct piece next = {.pi = &waited};

	frag_settle(d, (uint8_t)(flow ? first_of_flow(lw, w, port, p, d)
				      : first_of_other(lw, w, port, p, d)));
	while ((next.m = frag_take(lw->frag, d, &waited)) != NULL) {
		w->count.held--;
		parse_fragment(rte_pktmbuf_mtod(next.m, uint8_t *), &waited, &next.f);
		follow(lw, w, port, &next, d);
	}
}

static void one(struct lb_worker *lw, struct worker *w, const struct port *port, struct piece *p)
{
	enum drop_reason why = parse_fragment(rte_pktmbuf_mtod(p->m, uint8_t *), p->pi, &p->f);
	struct frag_datagram *d;
	struct frag_key key;

	if (why != DROP_NONE) {
		out_drop(w, p->m, why);
		return;
	}
	key = key_of(port, p);
	if (lw->steer.workers > 1 && !lw->handed) {
		unsigned to = flow_steer_fragment(&lw->steer, key.family, key.addr, key.addr + 16,
						  rte_cpu_to_be_32(key.id));

		if (to != lw->index) {
			lb_give(lw, w, p->m, to);
			return;
		}
	}
	switch (frag_add(lw->frag, &key, &p->f, p->m, p->pi, w->now_ticks, w, &d, &why)) {
	case FRAG_DROPPED:
		out_drop(w, p->m, why);
		return;
	case FRAG_KEPT:
		w->count.held++;
		lb_note(lw, w, p->m, TRACE_HOLD, 0);
		return;
	case FRAG_DECIDES:
		decide(lw, w, port, p, d);
		break;
	case FRAG_PASSES:
		follow(lw, w, port, p, d);
		break;
	}
	frag_passed(lw->frag, d);
}

void lb_fragments(struct lb_worker *lw, struct worker *w, const struct port *port)
{
	unsigned n = lw->lates;

	lw->lates = 0;
	for (unsigned i = 0; i < n; i++) {
		struct piece p = {.m = lw->late[i].m, .pi = &lw->late[i].pi};

		one(lw, w, port, &p);
	}
}
