// SPDX-License-Identifier: BSD-3-Clause
//
// sched_p2c - power of two choices: two different servers are drawn at random, each as often as its weight
// says; the one with fewer flows per weight gets the flow. With n servers and n flows the fullest has about
// ln ln n / ln 2 flows more than the average (Mitzenmacher 2001), at the price of two loads read: no server
// is everyone's choice at one moment, whatever the number of workers.
//
// Drawing by weight is O(1) by an alias table (Walker 1977, in Vose's form): place i holds server i and one
// other that makes up what i lacks to an average weight.

#include "apps/lb/sched/scheduler.h"

#include <errno.h>
#include <stdlib.h>

#define DRAWS 4 // for a second server that is not the first

struct place {
	uint32_t own;   // below this share of 2^32 the place's server is drawn
	uint32_t other; // else this one (index)
	uint32_t ref;
	uint32_t weight;
};

struct p2c {
	uint32_t count;
	struct place place[];
};

static uint32_t draw(const struct p2c *t, uint32_t random)
{
	uint64_t v = (uint64_t)random * t->count; // place and, below, a coin: both uniform
	const struct place *p = &t->place[v >> 32];

	return (uint32_t)v < p->own ? (uint32_t)(v >> 32) : p->other;
}

static uint64_t next_random(const struct lb_pick *in)
{
	return sched_mix(((uint64_t)in->seed << 32 | (*in->cursor)++) *
			 UINT64_C(0x9e3779b97f4a7c15));
}

static uint32_t p2c_pick(const struct lb_pool *pool, const struct lb_pick *in)
{
	const struct p2c *t = pool->data;
	const struct place *x, *y;
	uint64_t random;
	uint32_t a, b;

	if (t == NULL)
		return LB_NONE;
	random = next_random(in);
	a = draw(t, (uint32_t)random);
	b = draw(t, (uint32_t)(random >> 32));
	for (unsigned i = 1; a == b && i < DRAWS && t->count > 1; i++)
		b = draw(t, (uint32_t)next_random(in));
	if (a == b) // nearly all the weight is one server's
		b = a + 1 == t->count ? 0 : a + 1;
	x = &t->place[a];
	y = &t->place[b];
	// One more flow on each: an empty heavy server is better than an empty light one.
	return (uint64_t)(lb_load_flows(in->loads, x->ref) + 1) * y->weight <=
			       (uint64_t)(lb_load_flows(in->loads, y->ref) + 1) * x->weight
		       ? x->ref
		       : y->ref;
}

// Share out: what a place lacks to the average is made up by one that has too much.
static void fill(struct p2c *t, const struct lb_sched_in *in, uint64_t *left, uint32_t *list)
{
	uint32_t small = 0, large = t->count; // two stacks in one array
	uint64_t total = 0;

	for (uint32_t i = 0; i < t->count; i++)
		total += in->server[i]->effective;
	for (uint32_t i = 0; i < t->count; i++) {
		t->place[i] = (struct place){.own = UINT32_MAX,
					     .other = i,
					     .ref = in->server[i]->ref,
					     .weight = in->server[i]->effective};
		left[i] = (uint64_t)in->server[i]->effective * t->count; // average: total
		if (left[i] < total)
			list[small++] = i;
		else
			list[--large] = i;
	}
	while (small > 0 && large < t->count) {
		uint32_t s = list[--small], l = list[large];

		t->place[s].own = (uint32_t)(((unsigned __int128)left[s] << 32) / total);
		t->place[s].other = l;
		left[l] -= total - left[s];
		if (left[l] >= total)
			continue;
		large++;
		list[small++] = l;
	}
}

static int p2c_build(struct lb_pool *pool, const struct lb_sched_in *in)
{
	struct p2c *t;
	uint64_t *left;
	uint32_t *list;

	pool->data = NULL;
	if (in->count == 0)
		return 0;
	t = malloc(sizeof(*t) + (size_t)in->count * sizeof(t->place[0]));
	left = malloc((size_t)in->count * sizeof(*left));
	list = malloc((size_t)in->count * sizeof(*list));
	if (t != NULL && left != NULL && list != NULL) {
		t->count = in->count;
		fill(t, in, left, list);
		pool->data = t;
		t = NULL;
	}
	free(t);
	free(left);
	free(list);
	return pool->data == NULL ? -ENOMEM : 0;
}

static void p2c_fini(struct lb_pool *pool)
{
	free(pool->data);
	pool->data = NULL;
}

const struct lb_scheduler sched_p2c = {
	.name = "power-of-two-choices",
	.pick = p2c_pick,
	.build = p2c_build,
	.fini = p2c_fini,
};
