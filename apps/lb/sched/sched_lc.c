// SPDX-License-Identifier: BSD-3-Clause
//
// sched_lc - least connections, plain and weighted: the server with the fewest flows per weight.
//
// A tournament: the servers are the leaves of a binary tree, each inner node names the better of its two
// children, the root the best of all. When the flows of a server change, the nodes from its leaf up are
// played again, as far as they can differ. So a pick is O(1) and a change O(log n) for any number of
// servers, and the counts compared are those of the moment (lb_load.h), never copies.
//
// Servers of equal flows per weight take turns: each has a `pass`, a virtual time that grows by 1 / weight
// with each pick; the lowest pass wins. It is lifted to the pool's when it lags, so nobody saves turns up.
// Without load, then, this is weighted round robin, not the first server again and again.
//
// One worker: the pick always has the fewest flows per weight. Several: nodes are written without a lock. Two
// changes at one time may leave a node naming the worse child, by as many flows as changed at that
// time; it is played again with the next flow that starts or ends below it. So a pick may be worse than the
// best by about one flow a worker, and errors do not add up.

#include "apps/lb/sched/scheduler.h"

#include <errno.h>
#include <stdlib.h>

#define EMPTY UINT32_MAX

struct leaf {
	uint32_t ref;
	uint32_t weight;
};

struct place {        // where a server's leaf is: open addressing, at most half full
	uint32_t ref; // 0: empty
	uint32_t leaf;
};

struct lc {
	uint32_t count, mask;
	struct leaf *leaf;
	struct place *place;
	alignas(64) _Atomic uint64_t pass; // of the last pick
	_Atomic uint32_t node[]; // 1 is the root, the leaves would be count .. 2 * count - 1
};

static uint32_t home(const struct lc *t, uint32_t ref)
{
	return (ref * UINT32_C(0x9e3779b1)) >> 7 & t->mask;
}

static uint32_t leaf_of(const struct lc *t, uint32_t ref)
{
	for (uint32_t i = home(t, ref); t->place[i].ref != 0; i = (i + 1) & t->mask)
		if (t->place[i].ref == ref)
			return t->place[i].leaf;
	return EMPTY;
}

static uint32_t winner(const struct lc *t, uint32_t node)
{
	return node >= t->count ? node - t->count
				: atomic_load_explicit(&t->node[node], memory_order_relaxed);
}

static uint64_t pass_of(const struct lb_loads *loads, uint32_t ref)
{
	const struct lb_load *e = lb_load_of(loads, ref);

	return e == NULL ? 0 : atomic_load_explicit(&e->pass, memory_order_relaxed);
}

// Flows are below 2^32 and weights below 2^16: the products cannot wrap.
static uint32_t better(const struct lc *t, const struct lb_loads *loads, uint32_t a, uint32_t b)
{
	const struct leaf *x = &t->leaf[a], *y = &t->leaf[b];
	uint64_t fx = (uint64_t)lb_load_flows(loads, x->ref) * y->weight;
	uint64_t fy = (uint64_t)lb_load_flows(loads, y->ref) * x->weight;

	if (fx != fy)
		return fx < fy ? a : b;
	return pass_of(loads, x->ref) <= pass_of(loads, y->ref) ? a : b;
}

static void play(struct lc *t, const struct lb_loads *loads, uint32_t leaf)
{
	for (uint32_t i = (t->count + leaf) / 2; i >= 1; i /= 2) {
		uint32_t w = better(t, loads, winner(t, 2 * i), winner(t, 2 * i + 1));

		if (w != leaf && w == atomic_load_explicit(&t->node[i], memory_order_relaxed))
			return; // above nothing of this leaf was known, nor is now
		atomic_store_explicit(&t->node[i], w, memory_order_relaxed);
	}
}

static void lc_moved(const struct lb_pool *pool, const struct lb_loads *loads, uint32_t ref)
{
	struct lc *t = pool->data;
	uint32_t leaf = t == NULL ? EMPTY : leaf_of(t, ref);

	if (leaf != EMPTY)
		play(t, loads, leaf);
}

static uint32_t lc_pick(const struct lb_pool *pool, const struct lb_pick *in)
{
	struct lc *t = pool->data;
	const struct leaf *l;
	struct lb_load *e;
	uint64_t pass, now;

	if (t == NULL)
		return LB_NONE;
	l = &t->leaf[winner(t, 1)];
	e = lb_load_of(in->loads, l->ref);
	if (e == NULL)
		return l->ref;
	// Whoever finds the load unchanged plays the tree again by lc_moved(), with this pass.
	now = atomic_load_explicit(&t->pass, memory_order_relaxed);
	pass = atomic_load_explicit(&e->pass, memory_order_relaxed);
	if (pass < now)
		pass = now;
	atomic_store_explicit(&t->pass, pass, memory_order_relaxed);
	atomic_store_explicit(&e->pass, pass + (UINT64_C(1) << 20) / l->weight,
			      memory_order_relaxed);
	return l->ref;
}

static void fill(struct lc *t, const struct lb_sched_in *in, bool weighted)
{
	for (uint32_t i = 0; i < t->count; i++) {
		const struct lb_server *s = in->server[i];
		uint32_t w = weighted || s->weight == 0 ? s->effective : s->effective / s->weight;
		uint64_t pass = pass_of(in->loads, s->ref);
		uint32_t at;

		t->leaf[i] = (struct leaf){.ref = s->ref, .weight = w == 0 ? 1 : w};
		for (at = home(t, s->ref); t->place[at].ref != 0; at = (at + 1) & t->mask)
			;
		t->place[at] = (struct place){.ref = s->ref, .leaf = i};
		if (pass > t->pass)
			t->pass = pass; // of the pool as it was, or a little more
	}
	for (uint32_t i = t->count - 1; i >= 1; i--)
		t->node[i] = better(t, in->loads, winner(t, 2 * i), winner(t, 2 * i + 1));
}

static void lc_fini(struct lb_pool *pool)
{
	struct lc *t = pool->data;

	if (t != NULL) {
		free(t->leaf);
		free(t->place);
	}
	free(t);
	pool->data = NULL;
}

static int build(struct lb_pool *pool, const struct lb_sched_in *in, bool weighted)
{
	size_t bytes = sizeof(struct lc) + (size_t)in->count * sizeof(uint32_t);
	struct lc *t;

	pool->data = NULL;
	if (in->count == 0)
		return 0;
	t = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
	if (t == NULL)
		return -ENOMEM;
	*t = (struct lc){.count = in->count, .mask = 1};
	while (t->mask < 2 * in->count)
		t->mask = t->mask * 2 + 1;
	t->leaf = calloc(in->count, sizeof(*t->leaf));
	t->place = calloc((size_t)t->mask + 1, sizeof(*t->place));
	pool->data = t;
	if (t->leaf == NULL || t->place == NULL) {
		lc_fini(pool);
		return -ENOMEM;
	}
	fill(t, in, weighted);
	return 0;
}

static int lc_build(struct lb_pool *pool, const struct lb_sched_in *in)
{
	return build(pool, in, false);
}

static int wlc_build(struct lb_pool *pool, const struct lb_sched_in *in)
{
	return build(pool, in, true);
}

const struct lb_scheduler sched_lc = {
	.name = "least-connections",
	.pick = lc_pick,
	.moved = lc_moved,
	.build = lc_build,
	.fini = lc_fini,
};

const struct lb_scheduler sched_wlc = {
	.name = "weighted-least-connections",
	.pick = lc_pick,
	.moved = lc_moved,
	.build = wlc_build,
	.fini = lc_fini,
};
