// SPDX-License-Identifier: BSD-3-Clause
//
// sched_wrr - round robin, weighted and plain, over a sequence worked out beforehand.
//
// Plain: all weights are one, but for a server in its slow start. After division by their greatest common divisor the weights w add up to W, and the sequence has W
// places. The w turns of a server lie W / w apart; the n servers of one weight begin a 1/n-th of that
// one after the other. A counting sort by place interleaves all of them in O(W). Servers of equal weight
// thus take turns in the order of the pool, and shares are exact over each W flows.
//
// A pool whose W passes SCHED_WRR_MAX gets scaled weights (at least 1): each server's share then differs
// by less than 1 / SCHED_WRR_MAX of the flows per server from its exact one.

#include "apps/lb/sched/scheduler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct wrr {
	uint32_t length;
	uint32_t ref[];
};

static uint32_t gcd(uint32_t a, uint32_t b)
{
	while (b != 0) {
		uint32_t r = a % b;

		a = b;
		b = r;
	}
	return a;
}

typedef uint32_t (*weigh)(const struct lb_server *s);

static uint32_t own_weight(const struct lb_server *s)
{
	return s->effective;
}

static uint32_t one_weight(const struct lb_server *s)
{
	uint32_t w = s->weight == 0 ? 0 : s->effective / s->weight;

	return w == 0 ? 1 : w;
}

struct scale {
	uint32_t divisor;
	uint64_t total; // of the weights divided
};

static uint32_t turns(const struct scale *sc, uint32_t weight)
{
	uint64_t w = weight / sc->divisor;

	if (sc->total > SCHED_WRR_MAX) {
		w = (w * SCHED_WRR_MAX + sc->total / 2) / sc->total;
		w = w == 0 ? 1 : w;
	}
	return (uint32_t)w;
}

static struct scale scale_of(const struct lb_sched_in *in, weigh weight)
{
	struct scale sc = {0};

	for (uint32_t i = 0; i < in->count; i++)
		sc.divisor = gcd(sc.divisor, weight(in->server[i]));
	for (uint32_t i = 0; i < in->count; i++)
		sc.total += weight(in->server[i]) / sc.divisor;
	return sc;
}

// Servers of one weight: how many, and how many were seen in the pass under way.
struct classes {
	uint32_t count[UINT16_MAX + 1];
	uint32_t seen[UINT16_MAX + 1];
};

static struct classes classes; // of the build under way; control

// Find for each turn of each server its place; first to count, then (out) to fill.
static void places(const struct scale *sc, const struct lb_sched_in *in, weigh weight,
		   uint32_t length, struct classes *c, uint32_t *start, struct wrr *out)
{
	for (uint32_t i = 0; i < in->count; i++)
		c->seen[weight(in->server[i])] = 0;
	for (uint32_t i = 0; i < in->count; i++) {
		uint32_t class = weight(in->server[i]), w = turns(sc, class);
		uint64_t n = c->count[class], rank = c->seen[class]++;

		for (uint64_t k = 0; k < w; k++) {
			uint32_t place =
				(uint32_t)((2 * (n * k + rank) + 1) * length / (2 * n * w));

			if (out == NULL)
				start[place + 1]++;
			else
				out->ref[start[place]++] = in->server[i]->ref;
		}
	}
}

static int build(struct lb_pool *pool, const struct lb_sched_in *in, weigh weight)
{
	struct classes *c = &classes;
	struct scale sc;
	uint64_t length = 0;
	uint32_t *start;
	struct wrr *s;

	pool->data = NULL;
	if (in->count == 0)
		return 0;
	sc = scale_of(in, weight);
	for (uint32_t i = 0; i < in->count; i++)
		c->count[weight(in->server[i])] = 0;
	for (uint32_t i = 0; i < in->count; i++) {
		length += turns(&sc, weight(in->server[i]));
		c->count[weight(in->server[i])]++;
	}
	s = malloc(sizeof(*s) + length * sizeof(s->ref[0]));
	start = calloc(length + 1, sizeof(*start));
	if (s == NULL || start == NULL) {
		free(s);
		free(start);
		return -ENOMEM;
	}
	s->length = (uint32_t)length;
	places(&sc, in, weight, s->length, c, start, NULL);
	for (uint32_t i = 1; i <= s->length; i++)
		start[i] += start[i - 1];
	places(&sc, in, weight, s->length, c, start, s);
	free(start);
	pool->data = s;
	return 0;
}

static int wrr_build(struct lb_pool *pool, const struct lb_sched_in *in)
{
	return build(pool, in, own_weight);
}

static int rr_build(struct lb_pool *pool, const struct lb_sched_in *in)
{
	return build(pool, in, one_weight);
}

static uint32_t wrr_pick(const struct lb_pool *pool, const struct lb_pick *in)
{
	const struct wrr *s = pool->data;
	uint32_t at = *in->cursor;

	if (s == NULL)
		return LB_NONE;
	if (at >= s->length)
		at = 0; // the sequence went by, or is a shorter one now
	*in->cursor = at + 1;
	return s->ref[at];
}

static void wrr_fini(struct lb_pool *pool)
{
	free(pool->data);
	pool->data = NULL;
}

const struct lb_scheduler sched_wrr = {
	.name = "weighted-round-robin",
	.pick = wrr_pick,
	.build = wrr_build,
	.fini = wrr_fini,
};

const struct lb_scheduler sched_rr = {
	.name = "round-robin",
	.pick = wrr_pick,
	.build = rr_build,
	.fini = wrr_fini,
};
