// SPDX-License-Identifier: BSD-3-Clause
//
// lb_local - which local address and port a new flow uses towards its server.
//
// Each server has a cursor that goes round all addresses of the pool, then to the next port: a pair is
// used again only after all others, long past the server's TIME-WAIT where the pool is large enough.
// Whether a pair is free is asked of the flow table itself (the server-side tuple), by lb_new.c.

#include "apps/lb/worker/lb_priv.h"

// Where a server's cursor starts: anywhere, so that after a restart the ports that servers still hold
// in TIME-WAIT are not the first ones tried.
static uint32_t first_port(const struct lb_worker *lw, uint32_t server_ref, uint32_t ports)
{
	return (uint32_t)(((uint64_t)flow_steer_mix(server_ref ^ lw->table->seed[0]) * ports) >>
			  32);
}

// To the next address, and after the last one to the next port (or turn).
static void advance(struct lb_local_cursor *cursor, uint32_t count)
{
	if (++cursor->address < count)
		return;
	cursor->address = 0;
	cursor->port++;
}

// RSS known: cursor->port counts turns, of which each is a port whose replies land here.
static uint16_t known_port(const struct lb_worker *lw, const struct lb_local_pool *pool,
			   const struct lb_server *server, rte_be16_t server_port,
			   const uint8_t *local, uint32_t turn)
{
	const struct flow_rss *rss = lw->steer.rss;
	uint32_t rest = flow_rss_hash(rss, server->family, server->addr, local, server_port, 0);

	return flow_rss_port(rss, server->family, rest, lw->index, pool->port_min, pool->port_max,
			     turn);
}

const struct lb_local_address *lb_local_next(const struct lb_worker *lw,
					     const struct lb_local_pool *pool,
					     const struct lb_server *server, rte_be16_t server_port,
					     struct lb_local_cursor *cursor, uint16_t *port)
{
	const struct lb_local_address *addrs = server->family == 4 ? pool->addr4 : pool->addr6;
	uint32_t count = server->family == 4 ? pool->count4 : pool->count6;

	if (count == 0)
		return NULL;
	if (cursor->port == 0)
		cursor->port = pool->port_min +
			       first_port(lw, server->ref, pool->port_max - pool->port_min + 1U);
	else
		advance(cursor, count);
	if (cursor->address >= count) // the pool got smaller
		cursor->address = 0;
	if (lw->steer.workers > 1 && lw->steer.rss != NULL) {
		*port = known_port(lw, pool, server, server_port, addrs[cursor->address].addr,
				   cursor->port);
		return *port == 0 ? NULL : &addrs[cursor->address];
	}
	for (unsigned skipped = 0;; skipped++) {
		if (cursor->port < pool->port_min || cursor->port > pool->port_max)
			cursor->port = pool->port_min;
		if (lw->steer.workers == 1 ||
		    flow_steer_port_mine(&lw->steer, (uint16_t)cursor->port, lw->index))
			break;
		if (skipped == FLOW_STEER_SLOTS)
			return NULL;
		cursor->port++;
	}
	*port = (uint16_t)cursor->port;
	return &addrs[cursor->address];
}
