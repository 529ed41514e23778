// SPDX-License-Identifier: BSD-3-Clause

#include "control/net/overlap.h"

#include <arpa/inet.h>
#include <string.h>

bool net_prefix_holds(const struct ctl_addr *prefix, const struct ctl_addr *a)
{
	unsigned bytes = prefix->len / 8, bits = prefix->len % 8;

	if (prefix->family != a->family || prefix->len > a->len ||
	    memcmp(prefix->bytes, a->bytes, bytes) != 0)
		return false;
	return bits == 0 || (prefix->bytes[bytes] ^ a->bytes[bytes]) >> (8 - bits) == 0;
}

void net_service_ports(const struct ctl_service *s, uint16_t *min, uint16_t *max)
{
	*min = ntohs(s->port);
	*max = s->port == 0 ? UINT16_MAX : ntohs(s->port_max);
}

enum net_overlap net_overlap(const struct ctl_service *a, const struct ctl_service *b)
{
	uint16_t a_min, a_max, b_min, b_max;

	net_service_ports(a, &a_min, &a_max);
	net_service_ports(b, &b_min, &b_max);
	if (a->context != b->context || a->proto != b->proto || a_min > b_max || b_min > a_max)
		return NET_OVERLAP_NONE;
	if (a->addr.len != b->addr.len) {
		if (net_prefix_holds(&b->addr, &a->addr))
			return NET_OVERLAP_TAKES;
		return net_prefix_holds(&a->addr, &b->addr) ? NET_OVERLAP_GIVES : NET_OVERLAP_NONE;
	}
	if (!net_prefix_holds(&a->addr, &b->addr))
		return NET_OVERLAP_NONE;
	if (a_min == b_min && a_max == b_max)
		return NET_OVERLAP_SAME;
	if (a_min >= b_min && a_max <= b_max)
		return NET_OVERLAP_TAKES;
	return a_min <= b_min && a_max >= b_max ? NET_OVERLAP_GIVES : NET_OVERLAP_CROSSES;
}
