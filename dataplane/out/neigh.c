// SPDX-License-Identifier: BSD-3-Clause
//
// Entries lie in chunks, so that growing moves nothing; a chained hash finds them. Free indices wait
// in a queue, so that an index that a worker may still have cached is the last to be given out.

#include "dataplane/out/neigh.h"

#include <errno.h>
#include <stdlib.h>

#include <linux/neighbour.h>

#define CHUNK_BITS 10
#define CHUNK      (1u << CHUNK_BITS)
#define CHUNKS     ((NEIGH_MAX >> CHUNK_BITS) + 1)
#define HASH       16384 // chains

struct node {
	struct neigh_entry e;
	uint16_t next; // in its chain, or in the queue of free ones
};

struct neigh_table {
	struct node *chunk[CHUNKS];
	uint32_t count; // highest index ever used + 1
	uint16_t free_head, free_tail;
	uint32_t hosts;
	uint16_t chain[HASH];
};

static struct node *node_at(const struct neigh_table *t, uint16_t index)
{
	return &t->chunk[index >> CHUNK_BITS][index & (CHUNK - 1)];
}

static uint16_t *chain_of(struct neigh_table *t, uint16_t port, uint16_t vlan,
			  const uint8_t addr[16])
{
	return &t->chain[neigh_hash(port, vlan, addr) % HASH];
}

int neigh_create(struct neigh_table **out)
{
	struct neigh_table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	t->count = 1;
	*out = t;
	return 0;
}

void neigh_destroy(struct neigh_table *t)
{
	if (t == NULL)
		return;
	for (unsigned i = 0; i < CHUNKS; i++)
		free(t->chunk[i]);
	free(t);
}

struct neigh_entry *neigh_get(struct neigh_table *t, uint16_t index)
{
	return &node_at(t, index)->e;
}

uint32_t neigh_count(const struct neigh_table *t)
{
	return t->count;
}

uint16_t neigh_find(const struct neigh_table *t, uint8_t kind, uint16_t port, uint16_t vlan,
		    uint8_t family, const uint8_t addr[16])
{
	uint16_t i = t->chain[neigh_hash(port, vlan, addr) % HASH];

	for (; i != 0; i = node_at(t, i)->next) {
		const struct nexthop *nh = &node_at(t, i)->e.nh;

		if (nh->kind == kind && nh->port == port && nh->vlan == vlan &&
		    nh->family == family && memcmp(nh->addr, addr, 16) == 0)
			return i;
	}
	return 0;
}

// A free index with room behind it; 0 when there is none.
static uint16_t index_take(struct neigh_table *t)
{
	struct node **chunk;
	uint16_t i = t->free_head;

	// A short queue is left alone: its indices were in use a moment ago.
	if (i != 0 && (t->count > NEIGH_MAX || t->count > 4096)) {
		t->free_head = node_at(t, i)->next;
		if (t->free_head == 0)
			t->free_tail = 0;
		return i;
	}
	if (t->count > NEIGH_MAX)
		return 0;
	i = (uint16_t)t->count;
	chunk = &t->chunk[i >> CHUNK_BITS];
	if (*chunk == NULL) {
		*chunk = aligned_alloc(alignof(struct node), CHUNK * sizeof(struct node));
		if (*chunk == NULL)
			return 0;
		memset(*chunk, 0, CHUNK * sizeof(struct node));
	}
	t->count++;
	return i;
}

uint16_t neigh_intern(struct neigh_table *t, uint8_t kind, uint16_t port, uint16_t vlan,
		      uint8_t family, const uint8_t addr[16], bool *made)
{
	uint16_t i = neigh_find(t, kind, port, vlan, family, addr), *chain;
	struct node *n;

	if (made != NULL)
		*made = false;
	if (i != 0)
		return i;
	i = index_take(t);
	if (i == 0)
		return 0;
	n = node_at(t, i);
	memset(n, 0, sizeof(*n));
	n->e.nh.kind = kind;
	n->e.nh.port = port;
	n->e.nh.vlan = vlan;
	n->e.nh.family = family;
	n->e.nh.state = NEXTHOP_PENDING;
	memcpy(n->e.nh.addr, addr, 16);
	chain = chain_of(t, port, vlan, addr);
	n->next = *chain;
	*chain = i;
	t->hosts += kind == NEXTHOP_HOST;
	if (made != NULL)
		*made = true;
	return i;
}

static uint8_t state_of(uint16_t nud, const uint8_t *lladdr)
{
	if (nud & (NUD_FAILED))
		return NEXTHOP_FAILED;
	if (lladdr != NULL &&
	    (nud & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)))
		return NEXTHOP_RESOLVED;
	return NEXTHOP_PENDING;
}

bool neigh_kernel_says(struct neigh_entry *e, uint16_t nud, const uint8_t lladdr[6])
{
	uint8_t state = state_of(nud, lladdr);
	bool changed = e->nh.state != state;

	e->kernel = true;
	e->nud = nud;
	e->nh.state = state;
	if (state == NEXTHOP_RESOLVED && memcmp(e->nh.dmac.addr_bytes, lladdr, 6) != 0) {
		memcpy(e->nh.dmac.addr_bytes, lladdr, 6);
		changed = true;
	}
	return changed;
}

bool neigh_kernel_forgot(struct neigh_entry *e)
{
	bool changed = e->nh.state != NEXTHOP_PENDING;

	e->kernel = false;
	e->nud = NUD_NONE;
	e->nh.state = NEXTHOP_PENDING;
	return changed;
}

static void unlink_node(struct neigh_table *t, uint16_t index)
{
	struct node *n = node_at(t, index);
	uint16_t *at = chain_of(t, n->e.nh.port, n->e.nh.vlan, n->e.nh.addr);

	while (*at != index)
		at = &node_at(t, *at)->next;
	*at = n->next;
}

uint32_t neigh_sweep(struct neigh_table *t, uint64_t since_ns)
{
	uint32_t freed = 0;

	for (uint32_t i = 1; i < t->count; i++) {
		struct node *n = node_at(t, (uint16_t)i);

		if (n->e.nh.state == NEXTHOP_NONE || n->e.kernel || n->e.routed ||
		    n->e.used_ns >= since_ns)
			continue;
		unlink_node(t, (uint16_t)i);
		t->hosts -= n->e.nh.kind == NEXTHOP_HOST;
		memset(n, 0, sizeof(*n));
		if (t->free_tail != 0)
			node_at(t, t->free_tail)->next = (uint16_t)i;
		else
			t->free_head = (uint16_t)i;
		t->free_tail = (uint16_t)i;
		freed++;
	}
	return freed;
}

uint32_t neigh_host_slots(const struct neigh_table *t)
{
	uint32_t n = 16;

	while (n < 2 * t->hosts)
		n *= 2;
	return n;
}

void neigh_host_fill(const struct neigh_table *t, uint16_t *slot, uint32_t mask)
{
	memset(slot, 0, ((size_t)mask + 1) * sizeof(*slot));
	for (uint32_t i = 1; i < t->count; i++) {
		const struct nexthop *nh = &node_at(t, (uint16_t)i)->e.nh;
		uint32_t at;

		if (nh->state == NEXTHOP_NONE || nh->kind != NEXTHOP_HOST)
			continue;
		at = neigh_hash(nh->port, nh->vlan, nh->addr) & mask;
		while (slot[at] != 0)
			at = (at + 1) & mask;
		slot[at] = (uint16_t)i;
	}
}
