// SPDX-License-Identifier: BSD-3-Clause
//
// lb_match - which service a packet to us is for.

#include "apps/lb/lb_priv.h"

const struct lb_service *lb_match_address(const struct lb_snapshot *s, uint16_t context,
					  uint8_t family, uint8_t proto, const uint8_t *addr,
					  rte_be16_t port)
{
	uint8_t full[16] = {0};
	uint32_t i;

	if (family == 4)
		memcpy(full, addr, 4);
	else
		memcpy(full, addr, 16);
	for (i = lb_service_hash(context, proto, full, port) & s->service_mask;
	     s->service_hash[i] != NULL; i = (i + 1) & s->service_mask) {
		const struct lb_service *v = s->service_hash[i];

		if (v->port == port && v->proto == proto && v->family == family &&
		    v->context == context && memcmp(v->addr, full, 16) == 0)
			return v;
	}
	return NULL;
}

const struct lb_service *lb_match(const struct lb_snapshot *s, const struct port *port,
				  const uint8_t *ip, const struct parse_info *pi)
{
	return lb_match_address(s, port->context, pi->flags & PARSE_IPV4 ? 4 : 6, pi->proto,
				lb_destination(ip, pi), pi->dport);
}
