// SPDX-License-Identifier: BSD-3-Clause
//
// lb_slots - see lb_slots.h.

#include "apps/lb/conf/lb_slots.h"

#include "apps/lb/lb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t make_ref(uint32_t slot, uint8_t generation)
{
	return slot | (uint32_t)generation << LB_SLOT_BITS;
}

void lb_slots_init(struct lb_slots *s, uint32_t limit)
{
	*s = (struct lb_slots){.limit = limit, .free_first = LB_NONE, .free_last = LB_NONE};
}

void lb_slots_fini(struct lb_slots *s)
{
	free(s->slot);
	free(s->taken.slot);
	free(s->dropped.slot);
	free(s->by_owner);
	lb_slots_init(s, 0);
}

// Room for slots 0 .. size - 1. Errors: -ENOSPC, -ENOMEM
static int grow(struct lb_slots *s, uint32_t size)
{
	uint32_t capacity = s->capacity == 0 ? 64 : s->capacity;
	struct lb_slot *slot;

	if (size > s->limit)
		return -ENOSPC;
	if (size > s->capacity) {
		while (capacity < size)
			capacity *= 2;
		slot = realloc(s->slot, capacity * sizeof(*slot));
		if (slot == NULL)
			return -ENOMEM;
		s->slot = slot;
		s->capacity = capacity;
	}
	if (size > s->size) {
		memset(s->slot + s->size, 0, (size - s->size) * sizeof(*s->slot));
		s->size = size;
	}
	return 0;
}

static int list_add(struct lb_slot_list *l, uint32_t slot)
{
	if (l->count == l->capacity) {
		uint32_t capacity = l->capacity == 0 ? 64 : l->capacity * 2;
		uint32_t *grown = realloc(l->slot, capacity * sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		l->slot = grown;
		l->capacity = capacity;
	}
	l->slot[l->count++] = slot;
	return 0;
}

static void free_push(struct lb_slots *s, uint32_t slot)
{
	s->slot[slot].owner = 0;
	s->slot[slot].claimed = false;
	s->slot[slot].free_next = LB_NONE;
	if (s->free_last == LB_NONE)
		s->free_first = slot;
	else
		s->slot[s->free_last].free_next = slot;
	s->free_last = slot;
}

static uint32_t free_pop(struct lb_slots *s)
{
	uint32_t slot = s->free_first;

	if (slot != LB_NONE) {
		s->free_first = s->slot[slot].free_next;
		if (s->free_first == LB_NONE)
			s->free_last = LB_NONE;
	}
	return slot;
}

int lb_slots_restore(struct lb_slots *s, const struct lb_slot_record *r)
{
	struct lb_slot *slot;
	int rc;

	if (r->rec.size != sizeof(*r) || r->rec.id == 0 || r->rec.id > s->limit ||
	    r->generation == 0 || r->generation > UINT8_MAX)
		return -EINVAL;
	rc = grow(s, (uint32_t)r->rec.id);
	if (rc != 0)
		return rc;
	slot = &s->slot[r->rec.id - 1];
	slot->owner = r->owner;
	slot->generation = (uint8_t)r->generation;
	return 0;
}

static int by_owner(const void *a, const void *b, void *arg)
{
	const struct lb_slots *s = arg;
	uint64_t x = s->slot[*(const uint32_t *)a].owner, y = s->slot[*(const uint32_t *)b].owner;

	return (x > y) - (x < y);
}

static void index_owners(struct lb_slots *s)
{
	s->by_owner = malloc(((size_t)s->size + 1) * sizeof(*s->by_owner));
	if (s->by_owner == NULL)
		return; // nobody finds its slot again: flows are lost, nothing worse
	for (uint32_t i = 0; i < s->size; i++)
		if (s->slot[i].owner != 0)
			s->by_owner[s->owners++] = i;
	qsort_r(s->by_owner, s->owners, sizeof(*s->by_owner), by_owner, s);
}

uint32_t lb_slots_claim(struct lb_slots *s, uint64_t owner)
{
	uint32_t low = 0, high;

	if (s->by_owner == NULL)
		index_owners(s);
	if (s->by_owner == NULL)
		return 0;
	for (high = s->owners; low < high;) {
		uint32_t mid = low + (high - low) / 2;

		if (s->slot[s->by_owner[mid]].owner < owner)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == s->owners || s->slot[s->by_owner[low]].owner != owner ||
	    s->slot[s->by_owner[low]].claimed)
		return 0;
	s->slot[s->by_owner[low]].claimed = true;
	return make_ref(s->by_owner[low], s->slot[s->by_owner[low]].generation);
}

void lb_slots_settle(struct lb_slots *s)
{
	s->free_first = s->free_last = LB_NONE;
	for (uint32_t i = 0; i < s->size; i++)
		if (!s->slot[i].claimed)
			free_push(s, i);
	free(s->by_owner);
	s->by_owner = NULL;
	s->owners = 0;
}

void lb_slots_unclaim(struct lb_slots *s)
{
	for (uint32_t i = 0; i < s->size; i++)
		s->slot[i].claimed = false;
}

int lb_slots_take(struct lb_slots *s, uint64_t owner, uint32_t *ref)
{
	uint32_t slot = free_pop(s);
	int rc = list_add(&s->taken, slot);

	if (rc != 0) {
		if (slot != LB_NONE)
			free_push(s, slot);
		return rc;
	}
	if (slot == LB_NONE) {
		rc = grow(s, s->size + 1);
		if (rc != 0) {
			s->taken.count--;
			return rc;
		}
		slot = s->size - 1;
		s->taken.slot[s->taken.count - 1] = slot;
	}
	s->slot[slot].generation =
		s->slot[slot].generation == UINT8_MAX ? 1 : s->slot[slot].generation + 1;
	s->slot[slot].owner = owner;
	s->slot[slot].claimed = true;
	*ref = make_ref(slot, s->slot[slot].generation);
	return 0;
}

int lb_slots_drop(struct lb_slots *s, uint32_t ref)
{
	return list_add(&s->dropped, ref & LB_SLOT_MASK);
}

void lb_slots_commit(struct lb_slots *s)
{
	for (uint32_t i = 0; i < s->dropped.count; i++)
		free_push(s, s->dropped.slot[i]);
	s->taken.count = s->dropped.count = 0;
}

void lb_slots_abort(struct lb_slots *s)
{
	// The generation stays used up: a reference is never handed out twice.
	for (uint32_t i = 0; i < s->taken.count; i++)
		free_push(s, s->taken.slot[i]);
	s->taken.count = s->dropped.count = 0;
}

static void fill(struct lb_slot_record *r, uint16_t type, uint32_t slot, uint64_t owner,
		 uint8_t generation)
{
	*r = (struct lb_slot_record){
		.rec = {.type = type, .size = sizeof(*r), .id = (uint64_t)slot + 1},
		.owner = owner,
		.generation = generation,
	};
}

bool lb_slots_change(const struct lb_slots *s, uint16_t type, uint32_t n, struct lb_slot_record *r)
{
	uint32_t slot;

	if (n < s->dropped.count) {
		slot = s->dropped.slot[n];
		fill(r, type, slot, 0, s->slot[slot].generation);
		return true;
	}
	n -= s->dropped.count;
	if (n >= s->taken.count)
		return false;
	slot = s->taken.slot[n];
	fill(r, type, slot, s->slot[slot].owner, s->slot[slot].generation);
	return true;
}

bool lb_slots_record(const struct lb_slots *s, uint16_t type, uint32_t n, struct lb_slot_record *r)
{
	if (n >= s->size)
		return false;
	fill(r, type, n, s->slot[n].owner, s->slot[n].generation);
	return true;
}
