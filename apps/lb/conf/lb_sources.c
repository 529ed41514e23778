// SPDX-License-Identifier: BSD-3-Clause
//
// lb_sources - see lb_sources.h. The hash is made anew whenever a server, pool or service was touched by a
// commit, as the steering is; a verdict on a server's health changes nothing here: what is down is
// a server still.

#include "apps/lb/conf/lb_sources.h"

#include "apps/lb/conf/lb_build_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

void lb_service_ports(const struct ctl_service *r, uint16_t *min, uint16_t *max)
{
	*min = rte_be_to_cpu_16(r->port);
	*max = r->port == 0 ? UINT16_MAX : rte_be_to_cpu_16(r->port_max);
}

int lb_sources_each(const struct lb_store *st, bool next, const struct ctl_service *service,
		    int (*emit)(void *ctx, const struct ctl_addr *addr, uint16_t min, uint16_t max),
		    void *ctx)
{
	const struct lb_entry *pool = lb_store_live(st, CTL_REC_POOL, service->pool, next);

	for (unsigned depth = 0; pool != NULL && depth < LB_BACKUP_CHAIN; depth++) {
		const struct ctl_pool *p = (const void *)lb_entry_rec(pool, next);
		struct lb_entry *const *member =
			next && pool->has_next_members ? pool->next_member : pool->member;
		uint32_t members =
			next && pool->has_next_members ? pool->next_members : pool->members;

		for (uint32_t i = 0; i < members; i++) {
			const struct ctl_server *s = (const void *)lb_entry_rec(member[i], next);
			uint16_t min = rte_be_to_cpu_16(s->port), max = min;
			int rc;

			if (s->port == 0)
				lb_service_ports(service, &min, &max);
			rc = emit(ctx, &s->addr, min, max);
			if (rc != 0)
				return rc;
		}
		pool = p->backup_pool == 0 ? NULL
					   : lb_store_live(st, CTL_REC_POOL, p->backup_pool, next);
	}
	return 0;
}

// A table that grows.
struct grow {
	struct lb_sources *t;
	const struct ctl_service *service; // whose servers come now
};

static struct lb_sources *empty(uint32_t places)
{
	struct lb_sources *t = calloc(1, sizeof(*t) + places * sizeof(t->at[0]));

	if (t != NULL)
		t->mask = places - 1;
	return t;
}

// There is room.
static void put(struct lb_sources *t, const struct lb_source *s)
{
	uint32_t i = lb_service_hash(s->context, IPPROTO_TCP, s->addr, s->port) & t->mask;

	for (; t->at[i].family != 0; i = (i + 1) & t->mask)
		if (memcmp(&t->at[i], s, sizeof(*s)) == 0)
			return; // of another service, or pool
	t->at[i] = *s;
	t->count++;
}

static int add(void *ctx, const struct ctl_addr *addr, uint16_t min, uint16_t max)
{
	struct grow *g = ctx;
	struct lb_source s = {.family = addr->family,
			      .context = g->service->context,
			      .port = rte_cpu_to_be_16(min)};

	if (min != max)
		return 0;
	lb_build_fill_addr(s.addr, addr);
	if (g->t->count >= g->t->mask / 2) {
		struct lb_sources *more = empty((g->t->mask + 1) * 2);

		if (more == NULL)
			return -ENOMEM;
		for (uint32_t i = 0; i <= g->t->mask; i++)
			if (g->t->at[i].family != 0)
				put(more, &g->t->at[i]);
		free(g->t);
		g->t = more;
	}
	put(g->t, &s);
	return 0;
}

int lb_build_sources(struct lb_builder *b)
{
	const struct lb_store *st = b->in->store;
	struct grow g = {.t = empty(64)};
	struct lb_entry *e;
	int rc = g.t == NULL ? -ENOMEM : 0;

	LB_STORE_FOREACH(e, st, CTL_REC_SERVICE)
	{
		g.service = (const void *)lb_entry_rec(e, b->in->next);
		if (rc == 0 && g.service != NULL && g.service->forwarding == CTL_FORWARD_NAT &&
		    g.service->proto == IPPROTO_TCP)
			rc = lb_sources_each(st, b->in->next, g.service, add, &g);
	}
	if (rc != 0) {
		free(g.t);
		return rc;
	}
	if (g.t->count == 0) {
		free(g.t);
		g.t = NULL;
	}
	rc = lb_build_part_swap(b, g.t, lb_unconst(b->s->pub.sources), LB_PART_PLAIN);
	if (rc == 0)
		b->s->pub.sources = g.t;
	return rc;
}
