// SPDX-License-Identifier: BSD-3-Clause
//
// sched_maglev - Maglev's table (Eisenbud and others, NSDI 2016, section 3.4), with weights.
//
// The base is made from all servers of the pool, whether they take flows now or not: each in turn, as often
// as its weight says, claims the next free place of its own permutation of the table. It depends on
// addresses, ports and weights alone, so every node makes the same one, and it is made anew only when those
// change; pools that are built again meanwhile share it.
//
// Over it lies what is in force now: a place whose server takes no flows (down, draining) goes to the
// server of another place, drawn anew for each place until one is found that does. A server that is down
// thus moves only its own flows, spread over the others by weight, and gets exactly those back when it is
// up again: less than Maglev's own disruption, which remains for servers added and deleted. A server in
// its slow start (or with less weight by its agent) holds a part of its places.
//
// Size: a prime, about 100 places a server, LEAST at least, SCHED_MAGLEV_MAX at most.

#include "apps/lb/sched/scheduler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PER_SERVER 100
#define LEAST      1009
#define REDRAWS    64 // then any that takes flows
#define STEP_SHIFT 27

static_assert(LB_WEIGHT_UNIT <= 32 && LB_WEIGHT_UNIT % 7 != 0, "a step in five bits, all met");

struct base {
	uint32_t users; // pools that share it; control
	uint32_t size, members;
	uint64_t signature;
	uint32_t place
		[]; // index of the member, and above how many it had taken before, modulo steps
};

struct maglev {
	struct base *base;
	uint32_t size;
	uint32_t ref[];
};

static uint32_t maglev_pick(const struct lb_pool *pool, const struct lb_pick *in)
{
	const struct maglev *t = pool->data;

	// A multiplication for the remainder: the upper half is as uniform.
	return t == NULL ? LB_NONE : t->ref[(uint32_t)(((in->hash >> 32) * t->size) >> 32)];
}

// ---- the base ---------------------------------------------------------------------------------

static uint32_t next_prime(uint32_t n)
{
	for (n |= 1;; n += 2) {
		uint32_t d = 3;

		while (d * d <= n && n % d != 0)
			d += 2;
		if (d * d > n)
			return n;
	}
}

static uint32_t size_for(uint32_t members)
{
	uint64_t n = (uint64_t)members * PER_SERVER;

	if (n > SCHED_MAGLEV_MAX)
		n = SCHED_MAGLEV_MAX - 3; // a prime
	return next_prime(n < LEAST ? LEAST : (uint32_t)n);
}

static uint64_t signature_of(const struct lb_sched_in *in)
{
	uint64_t h = in->members;

	for (uint32_t i = 0; i < in->members; i++)
		h = sched_mix(h + sched_name(in->member[i])) + in->member[i]->weight;
	return h;
}

struct claim { // a member while the table fills
	uint64_t name;
	uint32_t member;
	uint32_t next, step; // place of its permutation that is to be tried next
	uint32_t places;     // it is to get
	uint32_t step_of;    // slow start in which the next place is its own
};

static int by_name(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;

	if (x->name != y->name)
		return x->name < y->name ? -1 : 1;
	return x->member < y->member ? -1 : 1;
}

// Places by weight: rounded down by running remainder, so that they add up to size.
static uint32_t share_out(struct claim *c, const struct lb_sched_in *in, uint32_t size)
{
	uint64_t total = 0, sum = 0, before = 0;

	for (uint32_t i = 0; i < in->members; i++)
		total += in->member[i]->weight;
	if (total == 0)
		return 0;
	for (uint32_t i = 0; i < in->members; i++) {
		sum += in->member[c[i].member]->weight;
		c[i].places = (uint32_t)(sum * size / total - before);
		before = sum * size / total;
	}
	return size;
}

// The order of turns: those of a member spread evenly, by a counting sort of where each would be.
static uint32_t *turns_of(const struct claim *c, uint32_t members, uint32_t size)
{
	uint32_t *start = calloc((size_t)size + 1, sizeof(*start));
	uint32_t *turn = malloc((size_t)size * sizeof(*turn));

	for (unsigned pass = 0; pass < 2 && start != NULL && turn != NULL; pass++) {
		for (uint32_t i = 0; i < members; i++)
			for (uint64_t k = 0; k < c[i].places; k++) {
				uint64_t at = (2 * k + 1) * size / (2 * (uint64_t)c[i].places);

				if (pass == 0)
					start[at + 1]++;
				else
					turn[start[at]++] = i;
			}
		for (uint32_t i = 1; pass == 0 && i <= size; i++)
			start[i] += start[i - 1];
	}
	if (start == NULL) {
		free(turn);
		turn = NULL;
	}
	free(start);
	return turn;
}

static void claim_all(struct base *b, struct claim *c, const uint32_t *turn, uint64_t *taken)
{
	for (uint32_t i = 0; i < b->size; i++) {
		struct claim *x = &c[turn[i]];
		uint32_t at = x->next;

		while (taken[at / 64] >> at % 64 & 1) {
			at += x->step;
			if (at >= b->size)
				at -= b->size;
		}
		taken[at / 64] |= UINT64_C(1) << at % 64;
		b->place[at] = x->member | x->step_of << STEP_SHIFT;
		x->step_of = (x->step_of + 7) % LB_WEIGHT_UNIT;
		at += x->step;
		x->next = at >= b->size ? at - b->size : at;
	}
}

static int base_create(const struct lb_sched_in *in, uint64_t signature, struct base **out)
{
	uint32_t size = size_for(in->members), *turn = NULL;
	struct claim *c = calloc(in->members, sizeof(*c));
	uint64_t *taken = calloc(size / 64 + 1, sizeof(*taken));
	struct base *b = malloc(sizeof(*b) + (size_t)size * sizeof(b->place[0]));
	int rc = -ENOMEM;

	if (c == NULL || taken == NULL || b == NULL)
		goto out;
	*b = (struct base){
		.users = 1, .size = size, .members = in->members, .signature = signature};
	for (uint32_t i = 0; i < in->members; i++) {
		uint64_t name = sched_name(in->member[i]);

		c[i] = (struct claim){.name = name,
				      .member = i,
				      .next = (uint32_t)(((name >> 32) * size) >> 32),
				      .step = (uint32_t)(sched_mix(name) % (size - 1)) + 1};
	}
	qsort(c, in->members, sizeof(*c), by_name); // the order of the pool is no part of it
	if (share_out(c, in, size) == 0) {
		memset(b->place, 0, size * sizeof(b->place[0])); // all weights 0: nobody is picked
	} else {
		turn = turns_of(c, in->members, size);
		if (turn == NULL)
			goto out;
		claim_all(b, c, turn, taken);
	}
	*out = b;
	b = NULL;
	rc = 0;
out:
	free(b);
	free(turn);
	free(taken);
	free(c);
	return rc;
}

static void base_drop(struct base *b)
{
	if (b != NULL && --b->users == 0)
		free(b);
}

// ---- what is in force -------------------------------------------------------------------------

// The server of a place in the base, NULL if it takes no flows there now. In its slow start it takes some of its
// places only.
static inline const struct lb_server *holder(const struct base *b, const struct lb_sched_in *in,
					     uint32_t place)
{
	uint32_t v = b->place[place];
	const struct lb_server *s = in->member[v & ((1u << STEP_SHIFT) - 1)];

	if (!s->takes_new || (v >> STEP_SHIFT) * s->weight >= s->effective)
		return NULL;
	return s;
}

static uint32_t substitute(const struct base *b, const struct lb_sched_in *in, uint32_t place)
{
	const struct lb_server *s;
	uint64_t h = place;
	uint32_t at = place;

	for (unsigned i = 0; i < REDRAWS; i++) {
		h = sched_mix(h + UINT64_C(0x9e3779b97f4a7c15));
		at = (uint32_t)(((h >> 32) * b->size) >> 32);
		s = holder(b, in, at);
		if (s != NULL)
			return s->ref;
	}
	// Hardly anybody is left: those who are, in turn.
	return in->server[(uint32_t)(((h >> 32) * in->count) >> 32)]->ref;
}

static void lay_over(struct maglev *t, const struct lb_sched_in *in)
{
	const struct base *b = t->base;

	for (uint32_t i = 0; i < b->size; i++) {
		const struct lb_server *s = holder(b, in, i);

		t->ref[i] = s != NULL ? s->ref : substitute(b, in, i);
	}
}

static void maglev_fini(struct lb_pool *pool)
{
	struct maglev *t = pool->data;

	if (t != NULL)
		base_drop(t->base);
	free(t);
	pool->data = NULL;
}

static int maglev_build(struct lb_pool *pool, const struct lb_sched_in *in)
{
	const struct maglev *before = in->before != NULL && in->before->scheduler == &sched_maglev
					      ? in->before->data
					      : NULL;
	uint64_t signature = signature_of(in);
	struct base *b;
	struct maglev *t;
	int rc = 0;

	pool->data = NULL;
	if (in->count == 0)
		return 0; // the base is lost with it; the next build makes the same one
	if (before != NULL && before->base->signature == signature &&
	    before->base->members == in->members) {
		b = before->base;
		b->users++;
	} else {
		rc = base_create(in, signature, &b);
	}
	if (rc != 0)
		return rc;
	t = malloc(sizeof(*t) + (size_t)b->size * sizeof(t->ref[0]));
	if (t == NULL) {
		base_drop(b);
		return -ENOMEM;
	}
	t->base = b;
	t->size = b->size;
	lay_over(t, in);
	pool->data = t;
	return 0;
}

const struct lb_scheduler sched_maglev = {
	.name = "maglev",
	.hashes = true,
	.pick = maglev_pick,
	.build = maglev_build,
	.fini = maglev_fini,
};
