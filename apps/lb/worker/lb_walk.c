// SPDX-License-Identifier: BSD-3-Clause
//
// lb_walk - the walk over a worker's flow table for operators: it reads one line per entry, in order, asks
// the filter, and copies what it means. The worker goes on meanwhile.
//
// Entries are fetched ahead past the caches that the worker lives on (non-temporal): a walk over ten
// million flows would else throw out what the worker needs.

#include "apps/lb/show/lb_flows.h"
#include "apps/lb/worker/lb_priv.h"

#define AHEAD 16 // entries

static bool has_prefix(const uint8_t *addr, const uint8_t *prefix, unsigned len)
{
	unsigned bytes = len / 8, bits = len % 8;

	if (memcmp(addr, prefix, bytes) != 0)
		return false;
	return bits == 0 || ((addr[bytes] ^ prefix[bytes]) >> (8 - bits)) == 0;
}

static bool word_holds(const struct lb_flow_word *w, const struct flow *f,
		       const struct flow_key6 *k)
{
	bool ipv6 = (f->flags & FLOW_F_IPV6) != 0;
	const uint8_t *addr[] = {
		ipv6 ? k->client : (const uint8_t *)&f->client,
		ipv6 ? k->service_addr : (const uint8_t *)&f->service_addr,
		ipv6 ? k->local : (const uint8_t *)&f->local,
		ipv6 ? k->server_addr : (const uint8_t *)&f->server_addr,
	};
	const rte_be16_t port[] = {f->client_port, f->service_port, f->local_port, f->server_port};

	if (w->family != 0 && w->family != (ipv6 ? 6 : 4))
		return false;
	for (unsigned i = 0; i < 4; i++) {
		uint16_t p = rte_be_to_cpu_16(port[i]);

		if ((w->sides & 1U << i) != 0 && p >= w->port_min && p <= w->port_max &&
		    (w->family == 0 || has_prefix(addr[i], w->addr, w->len)))
			return true;
	}
	return false;
}

static bool one_of(const uint32_t *ref, unsigned count, uint32_t v)
{
	for (unsigned i = 0; i < count; i++)
		if (ref[i] == v)
			return true;
	return false;
}

// What the hot entry alone says.
static bool holds(const struct lb_flow_filter *w, const struct flow *f, const struct flow_key6 *k,
		  uint32_t now)
{
	uint32_t idle = clock_ticks_since(now, f->last_seen);

	if ((w->proto != 0 && w->proto != f->proto) ||
	    (w->states != 0 && (w->states & 1U << (f->state & 7)) == 0) ||
	    (w->family != 0 && (w->family == 6) != ((f->flags & FLOW_F_IPV6) != 0)) ||
	    (w->has_context && w->context != f->context) || idle < w->idle_min ||
	    idle > w->idle_max || (w->has_server && !one_of(w->server, w->servers, f->server)) ||
	    (w->has_service && !one_of(w->service, w->services, f->service)))
		return false;
	for (unsigned i = 0; i < w->words; i++)
		if (!word_holds(&w->word[i], f, k))
			return false;
	return true;
}

static bool old_enough(const struct lb_flow_filter *w, const struct flow_cold *c, uint32_t now)
{
	uint32_t age = clock_ticks_since(now, c->created);

	return age >= w->age_min && age <= w->age_max;
}

bool lb_flow_holds(const struct lb_worker *lw, const struct lb_flow_filter *w, uint32_t index,
		   uint32_t now)
{
	const struct flow *f = &lw->table->flow[index];

	return (f->flags & FLOW_F_VALID) != 0 && holds(w, f, &lw->table->key6[index], now) &&
	       old_enough(w, &lw->table->cold[index], now);
}

static void fill_info(const struct flow *f, const struct flow_cold *c, const struct flow_key6 *k,
		      uint32_t now, struct lb_flow_info *out)
{
	*out = (struct lb_flow_info){.family = f->flags & FLOW_F_IPV6 ? 6 : 4,
				     .proto = f->proto,
				     .state = f->state,
				     .client_port = f->client_port,
				     .service_port = f->service_port,
				     .local_port = f->local_port,
				     .server_port = f->server_port,
				     .context = f->context,
				     .server_ref = f->server,
				     .service_ref = f->service,
				     .idle_ticks = clock_ticks_since(now, f->last_seen),
				     .age_ticks = clock_ticks_since(now, c->created),
				     .nexthop = {f->nexthop[0], f->nexthop[1]}};
	for (int dir = FLOW_TO_SERVER; dir <= FLOW_TO_CLIENT; dir++) {
		out->packets[dir] = flow_packets(f, c, dir);
		out->bytes[dir] = flow_bytes(f, c, dir);
	}
	if (out->family == 6) {
		memcpy(out->client, k->client, 16);
		memcpy(out->service, k->service_addr, 16);
		memcpy(out->local, k->local, 16);
		memcpy(out->server, k->server_addr, 16);
	} else {
		memcpy(out->client, &f->client, 4);
		memcpy(out->service, &f->service_addr, 4);
		memcpy(out->local, &f->local, 4);
		memcpy(out->server, &f->server_addr, 4);
	}
}

bool lb_flow_info(const struct lb_worker *lw, uint32_t index, struct lb_flow_info *out)
{
	struct flow_key6 k;
	struct flow_cold c;
	struct flow f;

	if (!flow_copy(lw->table, index, &f, &c, &k))
		return false;
	fill_info(&f, &c, &k, clock_ticks(), out);
	return true;
}

uint32_t lb_worker_flow_walk(const struct lb_worker *lw, const struct lb_flow_filter *filter,
			     uint32_t from, uint32_t count,
			     bool (*emit)(void *ctx, uint32_t index, const struct lb_flow_info *i),
			     void *ctx)
{
	const struct flow_table *t = lw->table;
	uint32_t now = clock_ticks();
	uint32_t end = count < t->max - from ? from + count : t->max;
	struct lb_flow_info info;
	struct flow_key6 k;
	struct flow_cold c;
	struct flow f;

	for (uint32_t i = from; i < end; i++) {
		if (i + AHEAD < t->max)
			rte_prefetch_non_temporal(&t->flow[i + AHEAD]);
		if ((t->flow[i].flags & FLOW_F_VALID) == 0 ||
		    !holds(filter, &t->flow[i], &t->key6[i], now))
			continue;
		// It may have become another one since.
		if (!flow_copy(t, i, &f, &c, &k) || !holds(filter, &f, &k, now) ||
		    !old_enough(filter, &c, now))
			continue;
		fill_info(&f, &c, &k, now, &info);
		if (!emit(ctx, i, &info))
			return i + 1;
	}
	return end;
}

struct every {
	bool (*emit)(void *ctx, const struct lb_flow_info *f);
	void *ctx;
};

static bool emit_every(void *ctx, uint32_t index, const struct lb_flow_info *f)
{
	const struct every *e = ctx;

	(void)index;
	return e->emit(e->ctx, f);
}

void lb_worker_flows(const struct lb_worker *lw,
		     bool (*emit)(void *ctx, const struct lb_flow_info *f), void *ctx)
{
	struct every e = {emit, ctx};
	struct lb_flow_filter all;

	lb_flow_filter_init(&all);
	lb_worker_flow_walk(lw, &all, 0, lb_worker_flow_size(lw), emit_every, &e);
}

uint32_t lb_worker_flow_size(const struct lb_worker *lw)
{
	return flow_capacity(lw->table);
}

uint32_t lb_worker_flow_count(const struct lb_worker *lw)
{
	return flow_count(lw->table);
}
