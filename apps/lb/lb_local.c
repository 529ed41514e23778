// SPDX-License-Identifier: BSD-3-Clause
//
// lb_local - which local address and port a new flow uses towards its server.
//
// Each server has a cursor that goes round all addresses of the pool, then to the next port: a pair is
// used again only after all others, long past the server's TIME-WAIT where the pool is large enough.
// Whether a pair is free is asked of the flow table itself (the server-side tuple), by lb_new.c.

#include "apps/lb/lb_priv.h"

// Where a server's cursor starts: anywhere, so that after a restart the ports that servers still hold
// in TIME-WAIT are not the first ones tried.
static uint32_t first_port(const struct lb_worker *lw, uint32_t server_ref, uint32_t ports)
{
	return (uint32_t)(((uint64_t)flow_steer_mix(server_ref ^ lw->table->seed[0]) * ports) >>
			  32);
}

const struct lb_local_address *lb_local_next(const struct lb_worker *lw,
					     const struct lb_local_pool *pool, uint8_t family,
					     uint32_t server_ref, struct lb_local_cursor *cursor,
					     uint16_t *port)
{
	const struct lb_local_address *addrs = family == 4 ? pool->addr4 : pool->addr6;
	uint32_t count = family == 4 ? pool->count4 : pool->count6;

	if (count == 0)
		return NULL;
	if (cursor->port == 0)
		cursor->port = pool->port_min +
			       first_port(lw, server_ref, pool->port_max - pool->port_min + 1U);
	else if (++cursor->address >= count) {
		cursor->address = 0;
		cursor->port++;
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
	if (cursor->address >= count) // the pool got smaller
		cursor->address = 0;
	*port = (uint16_t)cursor->port;
	return &addrs[cursor->address];
}
