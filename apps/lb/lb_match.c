// SPDX-License-Identifier: BSD-3-Clause
//
// lb_match - which service a packet to us is for.

#include "apps/lb/lb_priv.h"

const struct lb_service *lb_match(const struct lb_snapshot *s, const struct port *port,
				  const uint8_t *ip, const struct parse_info *pi)
{
	uint8_t addr[16] = {0}, family = pi->flags & PARSE_IPV4 ? 4 : 6;
	uint32_t i;

	if (family == 4)
		memcpy(addr, ip + 16, 4);
	else
		memcpy(addr, ip + 24, 16);
	for (i = lb_service_hash(port->context, pi->proto, addr, pi->dport) & s->service_mask;
	     s->service_hash[i] != NULL; i = (i + 1) & s->service_mask) {
		const struct lb_service *v = s->service_hash[i];

		if (v->port == pi->dport && v->proto == pi->proto && v->family == family &&
		    v->context == port->context && memcmp(v->addr, addr, 16) == 0)
			return v;
	}
	return NULL;
}
