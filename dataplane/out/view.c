// SPDX-License-Identifier: BSD-3-Clause
//
// Look-ups in a published view: the route gives a next hop, a link or a group; the last two are
// turned into a next hop here, so callers see nothing else but the glean of a neighbour nobody knows.

#include "dataplane/out/view.h"

#include "dataplane/out/neigh.h"
#include "dataplane/out/route.h"

#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>

struct publish out_view_published;

static const struct route_table *table_of(const struct out_view *v, uint16_t context)
{
	const struct out_routes *r = v->routes;

	for (unsigned i = 0; i < r->count; i++) // one or two in practice
		if (r->of[i].context == context)
			return r->of[i].table;
	return NULL;
}

static uint32_t spread(const uint8_t addr[16])
{
	return neigh_hash(0, 0, addr) * UINT32_C(0x9e3779b1);
}

// A member by hash; the next one that works where that one has failed.
static uint16_t member_of(const struct out_view *v, const struct nexthop *group,
			  const uint8_t addr[16])
{
	unsigned at = (unsigned)(((uint64_t)spread(addr) * group->members) >> 32);

	for (unsigned i = 0; i < group->members; i++) {
		unsigned k = at + i < group->members ? at + i : at + i - group->members;

		if (v->nexthop[group->member[k]].state != NEXTHOP_FAILED)
			return group->member[k];
	}
	return group->member[at];
}

uint16_t out_route(const struct out_view *v, uint16_t context, uint8_t family, const void *addr)
{
	const struct route_table *t = table_of(v, context);
	const struct nexthop *nh;
	uint8_t key[16] = {0};
	uint16_t leaf, host;

	if (unlikely(t == NULL))
		return 0;
	if (family == 4) {
		uint32_t a;

		memcpy(&a, addr, 4);
		memcpy(key, addr, 4);
		leaf = route_table_find4(t, rte_be_to_cpu_32(a));
	} else {
		uint64_t hi, lo;

		memcpy(&hi, addr, 8);
		memcpy(&lo, (const uint8_t *)addr + 8, 8);
		memcpy(key, addr, 16);
		leaf = route_table_find6(t, (route_addr6)rte_be_to_cpu_64(hi) << 64 |
						    rte_be_to_cpu_64(lo));
	}
	if (leaf == 0)
		return 0;
	nh = &v->nexthop[leaf];
	if (nh->kind == NEXTHOP_GROUP) {
		leaf = member_of(v, nh, key);
		nh = &v->nexthop[leaf];
	}
	if (nh->kind == NEXTHOP_GLEAN && nh->members == 0) {
		host = neigh_host_find(v, nh->port, nh->vlan, family, key);
		if (host != 0)
			leaf = host;
	}
	return leaf;
}

bool out_kernel_address(const struct out_view *v, uint8_t family, const void *addr)
{
	const struct out_addresses *a = v->local;
	unsigned lo = 0, hi = a->count;
	uint8_t key[17] = {family};

	memcpy(key + 1, addr, family == 4 ? 4 : 16);
	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;
		int c = memcmp(a->at[mid].key, key, sizeof(key));

		if (c == 0)
			return true;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

static bool is_link_local(uint8_t family, const uint8_t *addr)
{
	return family == 4 ? addr[0] == 169 && addr[1] == 254
			   : addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80;
}

const uint8_t *out_port_address(const struct out_view *v, uint16_t port, uint16_t vlan,
				uint8_t family)
{
	for (unsigned i = 0; i < v->local->count; i++) {
		const struct out_address *a = &v->local->at[i];

		if (a->port == port && a->vlan == vlan && a->key[0] == family &&
		    !is_link_local(family, a->key + 1))
			return a->key + 1;
	}
	return NULL;
}
