// SPDX-License-Identifier: BSD-3-Clause
//
// lb_store - see lb_store.h. A chained hash that doubles; entries have stable addresses, so that they may
// point to one another while they live.

#include "apps/lb/conf/lb_store.h"

#include "apps/lb/lb.h"
#include "apps/lb/health/lb_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define START 1024

static size_t hash(uint16_t type, uint64_t id)
{
	uint64_t x = (id ^ (uint64_t)type << 56) * UINT64_C(0x9e3779b97f4a7c15);

	return (size_t)(x ^ x >> 31);
}

int lb_store_init(struct lb_store *s)
{
	memset(s, 0, sizeof(*s));
	s->bucket = calloc(START, sizeof(struct lb_entry *));
	if (s->bucket == NULL)
		return -ENOMEM;
	s->mask = START - 1;
	return 0;
}

static void entry_free(struct lb_entry *e)
{
	free(e->rec);
	free(e->next);
	if (e->type == CTL_REC_SERVER) {
		free(e->verdict.reason);
		if (e->verdict.watch != NULL)
			lb_watch_fini(e->verdict.watch);
		free(e->verdict.watch);
	}
	if (e->type == CTL_REC_SERVER || e->type == CTL_REC_SERVICE)
		free(e->base);
	if (e->type == CTL_REC_POOL) {
		free(e->member);
		free(e->next_member);
	}
	free(e);
}

void lb_store_fini(struct lb_store *s)
{
	for (size_t i = 0; s->bucket != NULL && i <= s->mask; i++)
		while (s->bucket[i] != NULL) {
			struct lb_entry *e = s->bucket[i];

			s->bucket[i] = e->hash_next;
			entry_free(e);
		}
	free(s->bucket);
	memset(s, 0, sizeof(*s));
}

struct lb_entry *lb_store_find(const struct lb_store *s, uint16_t type, uint64_t id)
{
	struct lb_entry *e = s->bucket[hash(type, id) & s->mask];

	while (e != NULL && (e->type != type || e->id != id))
		e = e->hash_next;
	return e;
}

struct lb_entry *lb_store_live(const struct lb_store *s, uint16_t type, uint64_t id, bool next)
{
	struct lb_entry *e = lb_store_find(s, type, id);

	return e != NULL && lb_entry_rec(e, next) != NULL ? e : NULL;
}

// A table that cannot grow only gets slower.
static void grow(struct lb_store *s)
{
	size_t size = (s->mask + 1) * 2;
	struct lb_entry **bucket = calloc(size, sizeof(struct lb_entry *));

	if (bucket == NULL)
		return;
	for (size_t i = 0; i <= s->mask; i++)
		while (s->bucket[i] != NULL) {
			struct lb_entry *e = s->bucket[i];
			size_t at = hash(e->type, e->id) & (size - 1);

			s->bucket[i] = e->hash_next;
			e->hash_next = bucket[at];
			bucket[at] = e;
		}
	free(s->bucket);
	s->bucket = bucket;
	s->mask = size - 1;
}

static struct lb_entry *insert(struct lb_store *s, uint16_t type, uint64_t id)
{
	struct lb_entry *e = calloc(1, sizeof(*e));
	size_t at;

	if (e == NULL)
		return NULL;
	if (s->count > s->mask)
		grow(s);
	at = hash(type, id) & s->mask;
	e->type = type;
	e->id = id;
	if (type == CTL_REC_POOL || type == CTL_REC_LOCAL_POOL)
		e->index = LB_NONE;
	e->hash_next = s->bucket[at];
	s->bucket[at] = e;
	e->prev = s->last[type];
	*(e->prev == NULL ? &s->first[type] : &e->prev->following) = e;
	s->last[type] = e;
	s->entries[type]++;
	s->count++;
	return e;
}

static void drop(struct lb_store *s, struct lb_entry *e)
{
	struct lb_entry **at = &s->bucket[hash(e->type, e->id) & s->mask];

	while (*at != e)
		at = &(*at)->hash_next;
	*at = e->hash_next;
	*(e->prev == NULL ? &s->first[e->type] : &e->prev->following) = e->following;
	*(e->following == NULL ? &s->last[e->type] : &e->following->prev) = e->prev;
	s->entries[e->type]--;
	s->count--;
	entry_free(e);
}

void lb_store_begin(struct lb_store *s, bool from_nothing)
{
	s->open = true;
	s->from_nothing = from_nothing;
	s->touched = NULL;
}

static void touch(struct lb_store *s, struct lb_entry *e, struct ctl_rec *next)
{
	if (e->touched) {
		free(e->next);
	} else {
		e->touched = true;
		e->touched_next = s->touched;
		s->touched = e;
	}
	e->next = next;
}

int lb_store_upsert(struct lb_store *s, const struct ctl_rec *rec)
{
	struct lb_entry *e = lb_store_find(s, rec->type, rec->id);
	struct ctl_rec *copy;

	if (e != NULL && !e->touched && e->rec != NULL && e->rec->size == rec->size &&
	    memcmp(e->rec, rec, rec->size) == 0) {
		e->kept = s->from_nothing;
		return 0; // nothing new
	}
	copy = malloc(rec->size);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, rec, rec->size);
	if (e == NULL)
		e = insert(s, rec->type, rec->id);
	if (e == NULL) {
		free(copy);
		return -ENOMEM;
	}
	e->kept = s->from_nothing;
	touch(s, e, copy);
	return 0;
}

int lb_store_delete(struct lb_store *s, uint16_t type, uint64_t id)
{
	struct lb_entry *e = lb_store_live(s, type, id, true);

	if (e == NULL)
		return -ENOENT;
	e->kept = false;
	touch(s, e, NULL);
	return 0;
}

void lb_store_seal(struct lb_store *s)
{
	if (!s->from_nothing)
		return;
	for (unsigned t = 0; t < LB_TYPE_MAX; t++) {
		struct lb_entry *e;

		LB_STORE_FOREACH(e, s, t)
		{
			if (!e->kept && !e->touched)
				touch(s, e, NULL);
			e->kept = false;
		}
	}
}

void lb_store_commit(struct lb_store *s, void (*gone)(void *arg, struct lb_entry *e), void *arg)
{
	struct lb_entry *e;

	while ((e = s->touched) != NULL) {
		s->touched = e->touched_next;
		e->touched = false;
		if (e->next == NULL) {
			gone(arg, e);
			drop(s, e);
			continue;
		}
		free(e->rec);
		e->rec = e->next;
		e->next = NULL;
	}
	s->open = false;
}

void lb_store_abort(struct lb_store *s, void (*gone)(void *arg, struct lb_entry *e), void *arg)
{
	struct lb_entry *e;

	for (unsigned t = 0; t < LB_TYPE_MAX; t++)
		LB_STORE_FOREACH(e, s, t)
	e->kept = false;
	while ((e = s->touched) != NULL) {
		s->touched = e->touched_next;
		e->touched = false;
		free(e->next);
		e->next = NULL;
		if (e->rec == NULL) {
			gone(arg, e);
			drop(s, e);
		}
	}
	s->open = false;
}
