// SPDX-License-Identifier: BSD-3-Clause
//
// Routes name interfaces and gateways; here they become indices of next hops, one table a context. A
// view shares its tables with the one before it when only next hops have changed.

#include "dataplane/out/build.h"

#include "dataplane/out/link.h"
#include "dataplane/port/port.h"

#include <stdlib.h>
#include <string.h>

#define COVERS 129 // prefixes that lie in each other, one of each length

struct build {
	struct neigh_table *neigh;
	struct build_note *note;
	uint16_t context; // whose table is being built
	// Point-to-point prefixes around the route that is looked at: the walk comes to the wider ones first.
	const struct fib_key *cover[COVERS];
	unsigned covers;
	const struct build_address *address;
	unsigned addresses;
	uint8_t (*ours)[17]; // addresses that Sluice put there, sorted; made when first asked for
	unsigned ours_count;
};

static int key_compare(const void *a, const void *b)
{
	return memcmp(a, b, 17);
}

static bool is_ours(struct build *b, const struct fib_key *k)
{
	uint8_t key[17] = {k->family};

	memcpy(key + 1, k->addr, 16);
	if (b->ours == NULL) {
		b->ours = calloc((size_t)b->addresses + 1, sizeof(b->ours[0]));
		if (b->ours == NULL)
			return false;
		for (unsigned i = 0; i < b->addresses; i++)
			if (b->address[i].ours)
				memcpy(b->ours[b->ours_count++], b->address[i].key, 17);
		qsort(b->ours, b->ours_count, 17, key_compare);
	}
	return bsearch(key, b->ours, b->ours_count, 17, key_compare) != NULL;
}

static bool lies_in(const struct fib_key *outer, const struct fib_key *k)
{
	unsigned whole = outer->len / 8, bits = outer->len % 8;

	return outer->family == k->family && outer->len <= k->len &&
	       memcmp(outer->addr, k->addr, whole) == 0 &&
	       (bits == 0 || (outer->addr[whole] ^ k->addr[whole]) >> (8 - bits) == 0);
}

// Is this the kernel's way to an address that Sluice put there, within a prefix of the other end of a link?
// There it is the other end's: a node has both where the instances share a namespace.
static bool hides_link(struct build *b, const struct fib_route *r)
{
	while (b->covers != 0 && !lies_in(b->cover[b->covers - 1], &r->key))
		b->covers--;
	return b->covers != 0 && r->paths == 0 && r->key.rank == FIB_RANK_LOCAL &&
	       r->key.len == (r->key.family == 4 ? 32 : 128) && is_ours(b, &r->key);
}

static uint16_t intern(struct build *b, uint8_t kind, uint16_t port, uint16_t vlan, uint8_t family,
		       const uint8_t addr[16])
{
	uint16_t i = neigh_intern(b->neigh, kind, port, vlan, family, addr, NULL);

	b->note->refused += i == 0;
	return i;
}

// The next hop as a route with this MTU sees it.
static uint16_t limited(struct build *b, uint16_t base, uint16_t mtu)
{
	static const uint8_t none[16];
	uint16_t i = intern(b, NEXTHOP_LIMITED, base, mtu, 0, none);

	if (i == 0)
		return base;
	neigh_get(b->neigh, i)->routed = true;
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
	return p->mtu == 0 ? i : limited(b, i, p->mtu);
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

	if (hides_link(b, r))
		return -1;
	for (unsigned i = 0; i < r->paths; i++) {
		uint16_t to = path_nexthop(b, &r->path[i], &foreign, &other);

		if (to == 0)
			continue;
		member[n] = to;
		weight[n++] = r->path[i].weight;
	}
	if (n != 0 && r->key.rank == FIB_RANK_PREFIX && b->covers < COVERS)
		b->cover[b->covers++] = &r->key;
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
				const struct build_address *address, unsigned addresses,
				struct build_note *note)
{
	uint16_t context[PORT_MAX + 1] = {0};
	struct build b = {.neigh = neigh, .note = note, .address = address, .addresses = addresses};
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
		b.covers = 0;
		if (fib_build(fib, leaf_of, &b, &r->of[r->count].table) != 0) {
			build_routes_put(r);
			free(b.ours);
			return NULL;
		}
		note->table_bytes += route_table_bytes(r->of[r->count].table);
	}
	free(b.ours);
	return r;
}

void build_view_destroy(void *object)
{
	struct out_view *v = object;

	build_routes_put(v->routes);
	free(v);
}

// Copies of other next hops, once those are there.
static void fill_limited(struct neigh_table *neigh, struct out_view *v)
{
	for (uint32_t i = 1; i < v->count; i++) {
		const struct neigh_entry *e = neigh_get(neigh, (uint16_t)i);
		struct nexthop *nh = &v->nexthop[i];

		if (e->nh.state == NEXTHOP_NONE || e->nh.kind != NEXTHOP_LIMITED)
			continue;
		*nh = v->nexthop[e->nh.port];
		if (e->nh.vlan < nh->mtu)
			nh->mtu = e->nh.vlan;
		nh->members = nh->kind == NEXTHOP_GLEAN;
	}
}

static void fill_address(struct out_address *out, const struct build_address *a)
{
	const struct out_link *l = out_link_find(a->ifindex);

	*out = (struct out_address){.port = l == NULL ? PORT_NONE : l->port,
				    .vlan = l == NULL ? 0 : l->vlan};
	memcpy(out->key, a->key, sizeof(out->key));
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
	v = aligned_alloc(64, (local_at + sizeof(*local) + addresses * sizeof(local->at[0]) + 63) &
				      ~63u);
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
	fill_limited(neigh, v);
	local = (struct out_addresses *)((uint8_t *)v + local_at);
	local->count = 0;
	for (unsigned i = 0; i < addresses; i++)
		if (!address[i].ours)
			fill_address(&local->at[local->count++], &address[i]);
	qsort(local->at, local->count, sizeof(local->at[0]), key_compare);
	v->local = local;
	v->routes = routes;
	routes->refs++;
	return v;
}
