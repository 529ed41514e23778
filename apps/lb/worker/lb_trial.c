// SPDX-License-Identifier: BSD-3-Clause
//
// lb_trial - see lb_trial.h. The steps are those of lb_new.c, by the same functions; what they move
// (cursors of the scheduler and of the local addresses) are copies here.

#include "apps/lb/worker/lb_trial.h"

#include "apps/lb/worker/lb_priv.h"

#include <netinet/in.h>

#define LOCAL_TRIES 64 // as lb_new.c

// A SYN or datagram of this tuple, from the IP header on.
static void make_packet(const struct lb_trial *t, uint8_t ip[60], struct parse_info *pi)
{
	*pi = (struct parse_info){.proto = t->proto,
				  .sport = t->sport,
				  .dport = t->dport,
				  .flags = PARSE_L4 | (t->family == 4 ? PARSE_IPV4 : PARSE_IPV6),
				  .tcp_flags = t->proto == IPPROTO_TCP ? 0x02 : 0,
				  .ttl = 64};
	memset(ip, 0, 60);
	if (t->family == 4) {
		memcpy(ip + 12, t->src, 4);
		memcpy(ip + 16, t->dst, 4);
	} else {
		memcpy(ip + 8, t->src, 16);
		memcpy(ip + 24, t->dst, 16);
	}
}

static void make_key(const struct lb_worker *lw, const struct lb_trial *t, const uint8_t *ip,
		     struct flow_key *k)
{
	uint32_t ports = t->sport | (uint32_t)t->dport << 16;

	if (t->family == 4)
		flow_key4(lw->table, k, flow_load64(ip + 12), ports, t->context, t->proto);
	else
		flow_key6(lw->table, k, ip + 8, ports, t->context, t->proto);
}

static bool pair_is_free(const struct lb_worker *lw, const struct lb_trial *t,
			 const struct lb_server *s, const uint8_t *local, uint16_t port)
{
	uint32_t ports = t->server_port | (uint32_t)rte_cpu_to_be_16(port) << 16;
	uint8_t addrs[32] = {0};
	struct flow_key k;

	memcpy(addrs, s->addr, 16);
	if (t->family == 4)
		memcpy(addrs + 4, local, 4);
	else
		memcpy(addrs + 16, local, 16);
	if (t->family == 4)
		flow_key4(lw->table, &k, flow_load64(addrs), ports, t->context, t->proto);
	else
		flow_key6(lw->table, &k, addrs, ports, t->context, t->proto);
	return flow_lookup(lw->table, &k) == FLOW_NONE;
}

static void find_local(struct lb_worker *lw, struct lb_trial *t, const struct lb_service *v,
		       const struct lb_server *s)
{
	struct lb_server_chunk *c = lb_server_chunk(lw, s->ref);
	struct lb_local_cursor cursor;
	const struct lb_local_address *a;

	if (v->forwarding == CTL_FORWARD_NAT) {
		memcpy(t->local, t->src, 16);
		t->local_port = rte_be_to_cpu_16(t->sport);
		t->local_found = pair_is_free(lw, t, s, t->local, t->local_port);
		return;
	}
	if (c == NULL || v->local == NULL)
		return;
	cursor = c->local[s->ref % LB_CHUNK]; // a copy: it may be moved
	for (unsigned i = 0; i < LOCAL_TRIES && !t->local_found; i++) {
		a = lb_local_next(lw, v->local, s, t->server_port, &cursor, &t->local_port);
		if (a == NULL)
			return;
		memcpy(t->local, a->addr, 16);
		t->local_found = pair_is_free(lw, t, s, a->addr, t->local_port);
	}
}

static void find_hop(struct lb_worker *lw, struct lb_trial *t, enum flow_dir dir,
		     const uint8_t *addr)
{
	const struct nexthop *nh =
		out_nexthop(lw->view, out_route(lw->view, t->context, t->family, addr));

	t->hop_found[dir] = nh != NULL;
	if (nh != NULL)
		t->hop[dir] = *nh;
}

int lb_trial_run(struct worker *w, void *arg)
{
	struct lb_trial *t = arg;
	struct lb_worker *lw = t->lw;
	struct lb_tuple tuple = {.context = t->context,
				 .family = t->family,
				 .proto = t->proto,
				 .sport = t->sport,
				 .dport = t->dport,
				 .src = t->src,
				 .dst = t->dst};
	const struct lb_own_address *own;
	const struct lb_service *v;
	const struct lb_server *s;
	struct lb_pick_look look;
	struct parse_info pi;
	struct flow_key key;
	uint8_t ip[60];
	uint32_t ref;

	(void)w;
	lb_look(lw);
	t->owner = lb_owner(lw, &tuple);
	if (t->owner != lw->index)
		return 0;
	make_packet(t, ip, &pi);
	make_key(lw, t, ip, &key);
	ref = flow_lookup(lw->table, &key);
	t->known = ref != FLOW_NONE && lb_flow_info(lw, ref & ~FLOW_DIR_BIT, &t->flow);
	own = lb_own_find(lw->snap, t->context, t->family, t->dst);
	t->own = own != NULL;
	t->own_kind = own == NULL ? 0 : own->kind;
	t->quiet = !lw->quiet_over && (int32_t)(lw->snap->quiet_until - clock_ticks()) > 0;
	find_hop(lw, t, FLOW_TO_CLIENT, t->src);
	v = lb_match_address(lw->snap, t->context, t->family, t->proto, t->dst, t->dport);
	if (v == NULL)
		return 0;
	t->service_ref = v->ref;
	s = lb_pick_look(lw, v, ip, &pi, clock_ticks(), &look);
	t->pool_id = look.pool->id;
	t->persistent = look.persistent;
	t->remembered = look.remembered;
	if (s == NULL)
		return 0;
	t->server_ref = s->ref;
	t->server_port = lb_server_port(s, t->dport);
	find_local(lw, t, v, s);
	find_hop(lw, t, FLOW_TO_SERVER, s->addr);
	return 0;
}
