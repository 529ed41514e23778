// SPDX-License-Identifier: BSD-3-Clause
//
// lb_pick - which server of a service's pool gets a new flow.

#include "apps/lb/lb_priv.h"

const struct lb_server *lb_pick(struct lb_worker *lw, const struct lb_service *service,
				const uint8_t *ip, const struct parse_info *pi, uint32_t hash)
{
	const struct lb_pool *pool = service->pool;
	const struct lb_server *server;
	uint32_t *cursors, ref;

	(void)ip;
	(void)pi;
	if (!service->enabled || pool->available == 0)
		return NULL;
	cursors = lw->cursor[pool->cursor / LB_CHUNK];
	ref = pool->scheduler->pick(pool, &cursors[pool->cursor % LB_CHUNK], hash);
	if (ref == LB_NONE)
		return NULL;
	server = lb_server_get(lw->snap, ref);
	return server != NULL && server->family == service->family ? server : NULL;
}
