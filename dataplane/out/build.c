// SPDX-License-Identifier: BSD-3-Clause
//
// Routes name interfaces and gateways; here they become indices of next hops, one table a context. A
// view shares its tables with the one before it when only next hops have changed.

#include "dataplane/out/build.h"

#include "dataplane/out/link.h"
#include "dataplane/port/port.h"

#include <stdlib.h>
#include <string.h>

struct build {
	struct neigh_table *neigh;
	struct build_note *note;
	uint16_t context; // whose table is being built
};

static uint16_t intern(struct build *b, uint8_t kind, uint16_t port, uint16_t vlan, uint8_t family,
		       const uint8_t addr[16])
{
	uint16_t i = neigh_intern(b->neigh, kind, port, vlan, family, addr, NULL);

	b->note->refused += i == 0;
	return i;
}

// The next hop of a path, 0: none. *foreign: it leads out of an interface that is no port of ours.
static uint16_t path_nexthop(struct build *b, const struct fib_path *p, bool *foreign, bool *other)
{
	static const uint8_t none[16];
	const struct out_link *l;
	const struct port *port;
	struct neigh_entry *e;
	uint16_t i;

	if (p->ifindex < 0) {
		port = port_get((uint16_t)(-1 - p->ifindex));
		if (port == NULL)
			return 0;
		if (port->context != b->context) {
			*other = true;
			return 0;
		}
		i = intern(b, NEXTHOP_PEER, port->index, 0, 0, none);
		if (i == 0)
			return 0;
		e = neigh_get(b->neigh, i);
		out_link_fill_peer(port, &e->nh);
		e->routed = true;
		return i;
	}
	l = out_link_find(p->ifindex);
	if (l == NULL) {
		*foreign = true;
		return 0;
	}
	if (l->context != b->context) {
		*other = true;
		return 0;
	}
	if (!l->up || p->dead)
		return 0;
	if (p->family != 0)
		i = intern(b, NEXTHOP_HOST, l->port, l->vlan, p->family, p->gateway);
	else
		i = intern(b, NEXTHOP_GLEAN, l->port, l->vlan, 0, none);
	if (i == 0)
		return 0;
	e = neigh_get(b->neigh, i);
	e->ifindex = p->ifindex;
	e->routed = true;
	return i;
}

static uint16_t group_of(struct build *b, const struct fib_route *r, const uint16_t *member,
			 const uint8_t *weight, unsigned n)
{
	uint16_t slot[NEXTHOP_GROUP_MAX] = {0};
	unsigned filled = 0, total = 0;
	bool equal = true;
	struct neigh_entry *e;
	uint8_t key[16];
	uint16_t i;

	if (n > NEXTHOP_GROUP_MAX)
		n = NEXTHOP_GROUP_MAX;
	for (unsigned k = 0; k < n; k++)
		total += weight[k];
	for (unsigned k = 1; k < n; k++)
		equal &= weight[k] == weight[0];
	// Equal weights get a slot each; others share the slots by weight, at least one each.
	for (unsigned k = 0; k < n; k++) {
		unsigned want = equal ? 1 : weight[k] * NEXTHOP_GROUP_MAX / total;

		if (want == 0)
			want = 1;
		if (want > NEXTHOP_GROUP_MAX - filled - (n - k - 1))
			want = NEXTHOP_GROUP_MAX - filled - (n - k - 1);
		while (want-- != 0)
			slot[filled++] = member[k];
	}
	memcpy(key, slot, sizeof(key));
	i = intern(b, NEXTHOP_GROUP, b->context, (uint16_t)filled, r->key.family, key);
	if (i == 0)
		return member[0];
	e = neigh_get(b->neigh, i);
	e->routed = true;
	e->nh.state = NEXTHOP_RESOLVED;
	e->nh.members = (uint8_t)filled;
	e->nh.context = b->context;
	return i;
}

static int leaf_of(void *arg, const struct fib_route *r)
{
	uint16_t member[FIB_PATH_MAX];
	struct build *b = arg;
	bool foreign = false, other = false;
	uint8_t weight[FIB_PATH_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < r->paths; i++) {
		uint16_t to = path_nexthop(b, &r->path[i], &foreign, &other);

		if (to == 0)
			continue;
		member[n] = to;
		weight[n++] = r->path[i].weight;
	}
	if (n == 1)
		return member[0];
	if (n > 1)
		return group_of(b, r, member, weight, n);
	// Nowhere, by order of the kernel or because the way is not ours; a port that is down or of
	// another context lets the next best route speak.
	return r->paths == 0 || foreign ? 0 : -1;
}

void build_routes_put(struct out_routes *r)
{
	if (r == NULL || --r->refs != 0)
		return;
	for (unsigned i = 0; i < r->count; i++)
		route_table_destroy(r->of[i].table);
	free(r);
}

struct out_routes *build_routes(struct neigh_table *neigh, const struct fib *fib,
				struct build_note *note)
{
	uint16_t context[PORT_MAX + 1] = {0};
	struct build b = {.neigh = neigh, .note = note};
	struct out_routes *r;
	unsigned n = 1;

	for (uint16_t i = 0; i < PORT_MAX; i++) {
		const struct port *p = port_get(i);
		unsigned k = 0;

		if (p == NULL)
			continue;
		while (k < n && context[k] != p->context)
			k++;
		if (k == n)
			context[n++] = p->context;
	}
	r = calloc(1, sizeof(*r) + n * sizeof(r->of[0]));
	if (r == NULL)
		return NULL;
	r->refs = 1;
	for (uint32_t i = 1; i < neigh_count(neigh); i++)
		neigh_get(neigh, (uint16_t)i)->routed = false;
	note->table_bytes = 0;
	for (; r->count < n; r->count++) {
		b.context = r->of[r->count].context = context[r->count];
		if (fib_build(fib, leaf_of, &b, &r->of[r->count].table) != 0) {
			build_routes_put(r);
			return NULL;
		}
		note->table_bytes += route_table_bytes(r->of[r->count].table);
	}
	return r;
}

void build_view_destroy(void *object)
{
	struct out_view *v = object;

	build_routes_put(v->routes);
	free(v);
}

static int key_compare(const void *a, const void *b)
{
	return memcmp(a, b, 17);
}

struct out_view *build_view(struct neigh_table *neigh, const struct build_address *address,
			    unsigned addresses, struct out_routes *routes)
{
	uint32_t count, slots, hosts_at, local_at;
	struct out_addresses *local;
	struct out_view *v;

	count = neigh_count(neigh);
	slots = neigh_host_slots(neigh);
	hosts_at = sizeof(*v) + count * sizeof(struct nexthop);
	local_at = (hosts_at + slots * 2 + 15) & ~15u;
	v = aligned_alloc(64, (local_at + sizeof(*local) + addresses * 17 + 63) & ~63u);
	if (v == NULL)
		return NULL;
	memset(v, 0, sizeof(*v));
	v->count = count;
	v->host_mask = slots - 1;
	neigh_host_fill(neigh, (uint16_t *)((uint8_t *)v + hosts_at), slots - 1);
	v->host = (uint16_t *)((uint8_t *)v + hosts_at);
	memset(&v->nexthop[0], 0, sizeof(v->nexthop[0]));
	for (uint32_t i = 1; i < count; i++) {
		struct neigh_entry *e = neigh_get(neigh, (uint16_t)i);

		if (e->nh.kind == NEXTHOP_HOST || e->nh.kind == NEXTHOP_GLEAN)
			out_link_fill(e->ifindex, &e->nh);
		v->nexthop[i] = e->nh;
	}
	local = (struct out_addresses *)((uint8_t *)v + local_at);
	local->count = 0;
	for (unsigned i = 0; i < addresses; i++)
		if (!address[i].ours)
			memcpy(local->key[local->count++], address[i].key, 17);
	qsort(local->key, local->count, 17, key_compare);
	v->local = local;
	v->routes = routes;
	routes->refs++;
	return v;
}
