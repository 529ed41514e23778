// SPDX-License-Identifier: BSD-3-Clause
//
// lb_pick - which server gets a new flow: the pool in force, then its scheduler.

#include "apps/lb/lb_priv.h"

#include "apps/lb/scheduler.h"

#define CHAIN_MAX 8 // pools one behind the other, see lb_check.c

static const struct lb_pool *pool_at(const struct lb_snapshot *s, uint32_t index)
{
	return index < s->pools ? s->pool[index] : NULL;
}

const struct lb_pool *lb_pick_pool(const struct lb_snapshot *s, const struct lb_pool *pool)
{
	const struct lb_pool *any = pool;

	if (likely(pool->available >= pool->min_available))
		return pool;
	// The first with enough servers; else the first with any.
	for (unsigned i = 0; i < CHAIN_MAX && pool != NULL; i++) {
		if (pool->available >= pool->min_available)
			return pool;
		if (any->available == 0)
			any = pool;
		pool = pool_at(s, pool->backup);
	}
	return any;
}

static uint64_t client_hash(const struct lb_pool *pool, const uint8_t *ip,
			    const struct parse_info *pi)
{
	uint8_t addr[16] = {0};

	memcpy(addr, lb_source(ip, pi), pi->flags & PARSE_IPV4 ? 4 : 16);
	return sched_hash(addr, pool->hash_key == CTL_HASH_SOURCE_PORT ? pi->sport : 0);
}

void lb_pick_moved(struct lb_worker *lw, uint32_t server, bool began)
{
	const struct lb_snapshot *s;
	const struct lb_server *v;
	const struct lb_pool *pool;

	if (began)
		lb_load_add(lw->loads, server);
	else
		lb_load_sub(lw->loads, server);
	s = publish_get(lw->publish);
	if (s == NULL || !s->watched)
		return;
	v = lb_server_get(s, server);
	pool = v == NULL ? NULL : pool_at(s, v->pool);
	if (pool != NULL && pool->scheduler->moved != NULL)
		pool->scheduler->moved(pool, lw->loads, server);
}

void lb_pick_undo(struct lb_worker *lw, uint32_t server)
{
	lb_pick_moved(lw, server, false);
}

const struct lb_server *lb_pick(struct lb_worker *lw, const struct lb_service *service,
				const uint8_t *ip, const struct parse_info *pi)
{
	const struct lb_pool *pool;
	const struct lb_server *server;
	struct lb_pick in;
	uint32_t ref;

	if (!service->enabled)
		return NULL;
	pool = lb_pick_pool(lw->snap, service->pool);
	if (pool->available == 0)
		return NULL;
	in = (struct lb_pick){
		.loads = lw->loads,
		.cursor = &lw->cursor[pool->cursor / LB_CHUNK][pool->cursor % LB_CHUNK],
		.seed = lw->index,
	};
	if (pool->scheduler->hashes)
		in.hash = client_hash(pool, ip, pi);
	ref = pool->scheduler->pick(pool, &in);
	if (ref == LB_NONE)
		return NULL;
	server = lb_server_get(lw->snap, ref);
	if (server == NULL || server->family != service->family)
		return NULL;
	lb_pick_moved(lw, ref, true);
	return server;
}
