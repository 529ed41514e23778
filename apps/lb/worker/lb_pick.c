// SPDX-License-Identifier: BSD-3-Clause
//
// lb_pick - which server gets a new flow: the pool in force, then its scheduler.

#include "apps/lb/worker/lb_priv.h"

#include "apps/lb/sched/scheduler.h"

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
	pool = v == NULL ? NULL : lb_pool_at(s, v->pool);
	if (pool != NULL && pool->scheduler->moved != NULL)
		pool->scheduler->moved(pool, lw->loads, server);
}

void lb_pick_undo(struct lb_worker *lw, uint32_t server)
{
	lb_pick_moved(lw, server, false);
}

// A server that takes new flows of this service from this pool, NULL: not, or not any more.
static const struct lb_server *usable(const struct lb_snapshot *s, const struct lb_service *service,
				      const struct lb_pool *pool, uint32_t ref)
{
	const struct lb_server *v = lb_server_get(s, ref);

	return v != NULL && v->takes_new && v->family == service->family &&
			       lb_pool_at(s, v->pool) == pool
		       ? v
		       : NULL;
}

// cursor: this worker's of the pool, or a copy.
static inline const struct lb_server *schedule(struct lb_worker *lw,
					       const struct lb_service *service,
					       const struct lb_pool *pool, const uint8_t *ip,
					       const struct parse_info *pi, uint32_t *cursor)
{
	const struct lb_server *v;
	struct lb_pick in = {
		.loads = lw->loads,
		.cursor = cursor,
		.seed = lw->index,
	};
	uint32_t ref;

	if (pool->scheduler->hashes)
		in.hash = client_hash(pool, ip, pi);
	ref = pool->scheduler->pick(pool, &in);
	v = ref == LB_NONE ? NULL : lb_server_get(lw->snap, ref);
	return v != NULL && v->family == service->family ? v : NULL;
}

static uint32_t *cursor_of(const struct lb_worker *lw, const struct lb_pool *pool)
{
	return &lw->cursor[pool->cursor / LB_CHUNK][pool->cursor % LB_CHUNK];
}

static uint64_t persist_key(const struct lb_persist *p, const struct lb_service *service,
			    const struct lb_pool *pool, const uint8_t *ip,
			    const struct parse_info *pi)
{
	uint8_t addr[16] = {0};
	uint64_t scope;

	memcpy(addr, lb_source(ip, pi), pi->flags & PARSE_IPV4 ? 4 : 16);
	// Ids of services and of groups are not of one kind.
	scope = service->persist_group != 0 ? service->persist_group : ~service->id;
	scope ^= (uint64_t)service->context << 48 ^ service->family;
	return lb_persist_key(p, scope, pool->id, addr, service->persist_len);
}

// The server that this client had last, else a new one, which is then remembered.
static __rte_noinline const struct lb_server *
remembered(struct lb_worker *lw, const struct lb_service *service, const struct lb_pool *pool,
	   const uint8_t *ip, const struct parse_info *pi, uint32_t now)
{
	struct lb_persist *p = lw->snap->persist;
	const struct lb_server *v, *theirs;
	uint64_t key = persist_key(p, service, pool, ip, pi);
	uint32_t old, ref;

	old = lb_persist_find(p, key, now, service->persist_ticks);
	v = old == 0 ? NULL : usable(lw->snap, service, pool, old);
	if (v != NULL) {
		lw->persist.found++;
		return v;
	}
	v = schedule(lw, service, pool, ip, pi, cursor_of(lw, pool));
	if (v == NULL)
		return NULL;
	ref = lb_persist_put(p, key, old, v->ref, now, service->persist_ticks, &lw->persist);
	if (ref == v->ref)
		return v;
	theirs = usable(lw->snap, service, pool, ref); // another worker was first
	return theirs != NULL ? theirs : v;
}

const struct lb_server *lb_pick(struct lb_worker *lw, const struct lb_service *service,
				const uint8_t *ip, const struct parse_info *pi, uint32_t now)
{
	const struct lb_pool *pool;
	const struct lb_server *v;

	if (!service->enabled)
		return NULL;
	pool = lb_pool_serving(lw->snap, service->pool);
	if (pool->available == 0)
		return NULL;
	if (service->persist_ticks != 0 && lw->snap->persist != NULL)
		v = remembered(lw, service, pool, ip, pi, now);
	else
		v = schedule(lw, service, pool, ip, pi, cursor_of(lw, pool));
	if (v != NULL)
		lb_pick_moved(lw, v->ref, true);
	return v;
}

const struct lb_server *lb_pick_look(struct lb_worker *lw, const struct lb_service *service,
				     const uint8_t *ip, const struct parse_info *pi, uint32_t now,
				     struct lb_pick_look *look)
{
	const struct lb_pool *pool = lb_pool_serving(lw->snap, service->pool);
	struct lb_persist *p = service->persist_ticks != 0 ? lw->snap->persist : NULL;
	const struct lb_server *v = NULL;
	uint32_t cursor;

	*look = (struct lb_pick_look){.pool = pool};
	if (!service->enabled || pool->available == 0)
		return NULL;
	if (p != NULL) { // 0 ticks: its end is not put off
		look->persistent = true;
		v = usable(lw->snap, service, pool,
			   lb_persist_find(p, persist_key(p, service, pool, ip, pi), now, 0));
	}
	look->remembered = v != NULL;
	cursor = *cursor_of(lw, pool);
	return v != NULL ? v : schedule(lw, service, pool, ip, pi, &cursor);
}
