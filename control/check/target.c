// SPDX-License-Identifier: BSD-3-Clause
//
// Two structures over the same objects: a hash by key to share targets, a binary heap by time.

#include "control/check/target.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check_engine {
	struct check_ops ops;
	uint64_t random;
	struct check_target **bucket;
	size_t bucket_count; // power of two
	struct check_target **heap;
	size_t heap_size;
	size_t count; // targets, all of them in the heap
	size_t running;
	uint64_t started;
	uint64_t late_us, forgiven;
	bool in_run; // the caller of run() learns the next moment from its answer
};

// ---- heap ------------------------------------------------------------------------------------

static void heap_set(struct check_engine *e, size_t at, struct check_target *t)
{
	e->heap[at] = t;
	t->heap_at = (uint32_t)at;
}

static void heap_up(struct check_engine *e, size_t at)
{
	struct check_target *t = e->heap[at];

	while (at > 0 && e->heap[(at - 1) / 2]->due_us > t->due_us) {
		heap_set(e, at, e->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	heap_set(e, at, t);
}

static void heap_down(struct check_engine *e, size_t at)
{
	struct check_target *t = e->heap[at];

	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < e->count && e->heap[child + 1]->due_us < e->heap[child]->due_us)
			child++;
		if (child >= e->count || e->heap[child]->due_us >= t->due_us)
			break;
		heap_set(e, at, e->heap[child]);
		at = child;
	}
	heap_set(e, at, t);
}

static void heap_move(struct check_engine *e, struct check_target *t, uint64_t due_us)
{
	t->due_us = due_us;
	heap_up(e, t->heap_at);
	heap_down(e, t->heap_at);
	if (e->heap[0] == t && !e->in_run)
		e->ops.wake(e->ops.arg);
}

// ---- sharing ---------------------------------------------------------------------------------

static uint32_t key_hash(const struct ctl_target *t)
{
	const struct ctl_check *c = &t->check;
	uint64_t h = UINT64_C(14695981039346656037);

#define MIX(p, n)                                                                                  \
	for (size_t i_ = 0; i_ < (n); i_++)                                                        \
	h = (h ^ ((const uint8_t *)(p))[i_]) * UINT64_C(1099511628211)
	MIX(&t->addr, sizeof(t->addr));
	MIX(&t->port, sizeof(t->port));
	MIX(c, offsetof(struct ctl_check, path));
	MIX(c->path, strlen(c->path));
	MIX(c->host, strlen(c->host));
	MIX(c->body, strlen(c->body));
	MIX(c->server_name, strlen(c->server_name));
	MIX(c->ca_file, strlen(c->ca_file));
	MIX(c->send, c->send_size);
	MIX(c->expect, c->expect_size);
#undef MIX
	return (uint32_t)(h ^ (h >> 32));
}

static bool key_same(const struct check_target *a, const struct ctl_target *b)
{
	return memcmp(&a->addr, &b->addr, sizeof(a->addr)) == 0 && a->port == b->port &&
	       memcmp(&a->check, &b->check, sizeof(a->check)) == 0;
}

// Do a and b ask the server the same question, whatever their times?
static bool same_question(const struct check_target *a, const struct check_target *b)
{
	struct ctl_check ca = a->check, cb = b->check;

	ca.interval_ms = cb.interval_ms = 0;
	ca.timeout_ms = cb.timeout_ms = 0;
	ca.rise = cb.rise = ca.fall = cb.fall = 0;
	return memcmp(&a->addr, &b->addr, sizeof(a->addr)) == 0 && a->port == b->port &&
	       memcmp(&ca, &cb, sizeof(ca)) == 0;
}

static struct check_target *find(const struct check_engine *e, const struct ctl_target *key,
				 uint32_t hash)
{
	struct check_target *t = e->bucket[hash & (e->bucket_count - 1)];

	while (t != NULL && (t->hash != hash || !key_same(t, key)))
		t = t->hash_next;
	return t;
}

static int grow(struct check_engine *e)
{
	size_t size = e->bucket_count * 2;
	struct check_target **bucket = calloc(size, sizeof(struct check_target *));
	struct check_target **heap;

	if (bucket == NULL)
		return -ENOMEM;
	heap = realloc(e->heap, size * sizeof(struct check_target *));
	if (heap == NULL) {
		free(bucket);
		return -ENOMEM;
	}
	e->heap = heap;
	e->heap_size = size;
	for (size_t i = 0; i < e->count; i++) {
		struct check_target *t = e->heap[i];

		t->hash_next = bucket[t->hash & (size - 1)];
		bucket[t->hash & (size - 1)] = t;
	}
	free(e->bucket);
	e->bucket = bucket;
	e->bucket_count = size;
	return 0;
}

// xorshift64*: only to spread load
static uint64_t spread(struct check_engine *e, uint64_t below)
{
	e->random ^= e->random >> 12;
	e->random ^= e->random << 25;
	e->random ^= e->random >> 27;
	return ((e->random * UINT64_C(2685821657736338717)) >> 16) % below;
}

static int target_create(struct check_engine *e, const struct ctl_target *key, uint32_t hash,
			 uint64_t now_us, struct check_target **out)
{
	uint64_t window_ms = 1000;
	struct check_target *t;
	int rc;

	if (e->count >= CHECK_TARGET_MAX)
		return -ENOSPC;
	if (e->count >= e->heap_size && (rc = grow(e)) != 0)
		return rc;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	t->addr = key->addr;
	t->port = key->port;
	t->check = key->check;
	check_agent_init(&t->agent);
	t->hash = hash;
	t->hash_next = e->bucket[hash & (e->bucket_count - 1)];
	e->bucket[hash & (e->bucket_count - 1)] = t;

	if (window_ms < e->count / CHECK_STARTS_MS)
		window_ms = e->count / CHECK_STARTS_MS;
	if (window_ms > t->check.interval_ms)
		window_ms = t->check.interval_ms;
	heap_set(e, e->count++, t);
	t->due_us = UINT64_MAX;
	t->slot_us = now_us + spread(e, window_ms * 1000);
	heap_move(e, t, t->slot_us);
	*out = t;
	return 0;
}

static void target_destroy(struct check_engine *e, struct check_target *t)
{
	struct check_target **p = &e->bucket[t->hash & (e->bucket_count - 1)];
	size_t at = t->heap_at;

	if (t->running) {
		e->ops.cancel(e->ops.arg, t);
		e->running--;
	}
	while (*p != t)
		p = &(*p)->hash_next;
	*p = t->hash_next;
	e->count--;
	if (at < e->count) {
		heap_set(e, at, e->heap[e->count]);
		heap_up(e, at);
		heap_down(e, e->heap[at]->heap_at);
	}
	free(t);
}

static void attach(struct check_target *t, struct check_sub *sub)
{
	sub->target = t;
	sub->next = t->subs;
	sub->prev = &t->subs;
	if (t->subs != NULL)
		t->subs->prev = &sub->next;
	t->subs = sub;
}

void check_unsubscribe(struct check_engine *e, struct check_sub *sub)
{
	struct check_target *t = sub->target;

	if (t == NULL)
		return;
	*sub->prev = sub->next;
	if (sub->next != NULL)
		sub->next->prev = sub->prev;
	sub->target = NULL;
	if (t->subs == NULL)
		target_destroy(e, t);
}

int check_subscribe(struct check_engine *e, struct check_sub *sub, const struct ctl_target *key,
		    uint64_t now_us)
{
	uint32_t hash = key_hash(key);
	struct check_target *t = find(e, key, hash);
	int rc;

	if (t != NULL && t == sub->target)
		return 0;
	if (t == NULL) {
		rc = target_create(e, key, hash, now_us, &t);
		if (rc != 0) {
			check_unsubscribe(e, sub);
			return rc;
		}
		if (sub->target != NULL && same_question(sub->target, t)) {
			t->health = sub->target->health;
			t->latency_us = sub->target->latency_us;
			memcpy(t->reason, sub->target->reason, sizeof(t->reason));
			t->agent = sub->target->agent;
		}
	}
	check_unsubscribe(e, sub);
	attach(t, sub);
	return 0;
}

// ---- time ------------------------------------------------------------------------------------

// When the next check starts: a whole number of intervals after the slot, so that neither the time a
// check takes nor a late call shifts the rhythm.
static uint64_t next_start(struct check_target *t, uint64_t now_us)
{
	uint64_t step = (uint64_t)t->check.interval_ms * 1000;

	if (t->health.health == CTL_HEALTH_UNKNOWN && t->check.interval_ms > CHECK_FIRST_MS)
		step = CHECK_FIRST_MS * 1000;
	t->slot_us += step;
	if (t->slot_us <=
	    now_us) // behind: the machine was busy or the check took longer than the step
		t->slot_us += (now_us - t->slot_us) / step * step + step;
	return t->slot_us;
}

// Take what an agent said. Returns: true when it is news.
static bool note_agent(struct check_target *t, struct check_result *r)
{
	struct check_agent before = t->agent;

	if (!r->spoke)
		return false;
	if (!check_agent_take(&t->agent, r->agent_line, strlen(r->agent_line))) {
		r->ok = false;
		snprintf(r->reason, sizeof(r->reason), "agent: a line without a known word");
		return false;
	}
	return memcmp(&before, &t->agent, sizeof(before)) != 0;
}

static void note(struct check_engine *e, struct check_target *t, struct check_result *r,
		 uint64_t now_us)
{
	struct check_sub *next;
	bool news;

	if (r->local) {
		heap_move(e, t, now_us + CHECK_RETRY_MS * 1000);
		return;
	}
	t->count++;
	news = note_agent(t, r);
	t->latency_us = r->latency_us;
	snprintf(t->reason, sizeof(t->reason), "%s", r->ok ? "" : r->reason);
	if (check_health_note(&t->health, r->ok, t->check.rise, t->check.fall))
		news |= t->check.kind != CHECK_KIND_AGENT; // whether it answers changes nothing
	heap_move(e, t, next_start(t, now_us));
	for (struct check_sub *s = t->subs; s != NULL; s = next) {
		next = s->next;
		e->ops.tell(e->ops.arg, s, news);
	}
}

static void start(struct check_engine *e, struct check_target *t, uint64_t now_us)
{
	struct check_result r = {0};

	t->running = true;
	t->started_us = now_us;
	t->late_us = e->late_us;
	e->running++;
	e->started++;
	heap_move(e, t, now_us + (uint64_t)t->check.timeout_ms * 1000);
	if (e->ops.start(e->ops.arg, t, &r))
		check_engine_result(e, t, &r, now_us);
}

// Its time is over. Was it all the server's?
static void expire(struct check_engine *e, struct check_target *t, uint64_t now_us)
{
	uint64_t took = now_us - t->started_us, lost = e->late_us - t->late_us;
	struct check_result r = {.latency_us = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took};

	if (lost > 0) {
		t->late_us = e->late_us;
		e->forgiven++;
		heap_move(e, t, now_us + lost);
		return;
	}
	snprintf(r.reason, sizeof(r.reason), "timeout after %u ms", t->check.timeout_ms);
	if (e->ops.expire != NULL)
		e->ops.expire(e->ops.arg, t, &r);
	else
		e->ops.cancel(e->ops.arg, t);
	check_engine_result(e, t, &r, now_us);
}

void check_engine_soon(struct check_engine *e, struct check_sub *sub, uint64_t now_us)
{
	struct check_target *t = sub->target;
	uint64_t earliest = now_us;

	if (t == NULL || t->running)
		return;
	if (t->started_us != 0 && t->started_us + CHECK_FIRST_MS * 1000 > now_us)
		earliest = t->started_us + CHECK_FIRST_MS * 1000;
	if (earliest < t->due_us) {
		t->slot_us = earliest; // the rhythm begins anew there
		heap_move(e, t, earliest);
	}
}

uint64_t check_engine_run(struct check_engine *e, uint64_t now_us)
{
	// Calls do not overlap: what was due before the last one has been dealt with in it.
	if (e->count > 0 && e->heap[0]->due_us + CHECK_LATE_US < now_us)
		e->late_us += now_us - e->heap[0]->due_us;
	e->in_run = true;
	while (e->count > 0 && e->heap[0]->due_us <= now_us) {
		if (e->heap[0]->running)
			expire(e, e->heap[0], now_us);
		else
			start(e, e->heap[0], now_us);
	}
	e->in_run = false;
	return e->count > 0 ? e->heap[0]->due_us : UINT64_MAX;
}

void check_engine_result(struct check_engine *e, struct check_target *t, struct check_result *r,
			 uint64_t now_us)
{
	assert(t->running);
	t->running = false;
	e->running--;
	note(e, t, r, now_us);
}

// ---- life ------------------------------------------------------------------------------------

int check_engine_create(const struct check_ops *ops, uint64_t seed, struct check_engine **out)
{
	struct check_engine *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return -ENOMEM;
	e->ops = *ops;
	e->random = seed | 1;
	e->bucket_count = 64;
	if (grow(e) != 0) {
		free(e->bucket);
		free(e);
		return -ENOMEM;
	}
	*out = e;
	return 0;
}

void check_engine_destroy(struct check_engine *e)
{
	if (e == NULL)
		return;
	assert(e->count == 0);
	free(e->heap);
	free(e->bucket);
	free(e);
}

size_t check_engine_targets(const struct check_engine *e)
{
	return e->count;
}

size_t check_engine_running(const struct check_engine *e)
{
	return e->running;
}

uint64_t check_engine_started(const struct check_engine *e)
{
	return e->started;
}

uint64_t check_engine_late_us(const struct check_engine *e)
{
	return e->late_us;
}

uint64_t check_engine_forgiven(const struct check_engine *e)
{
	return e->forgiven;
}
