// SPDX-License-Identifier: BSD-3-Clause
//
// sched_source - source hash: a client's address alone says which server it gets.
//
// A consistent hash: each server has points on a ring of 2^32, where its address, its port and the number of
// the point put them, whatever other servers there are. A client throws PROBES places on the ring and
// takes the server of the point that follows most closely behind one of them (multi-probe consistent
// hashing, Appleton and O'Reilly 2015: few points share as evenly as many with one probe). A server that
// leaves thus moves only its own clients, one that comes takes only what it then has; weight, and slow
// start, is the number of points.
//
// Points per weight are a power of two, chosen by the configured servers of the pool, those included that
// take no flows now: about POINTS for an average server, within SCHED_RING_MAX in all. Where a commit takes
// the pool past a power of two, half of all clients may move.

#include "apps/lb/sched/scheduler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define POINTS 256
#define PROBES 16

struct ring {
	uint32_t count;
	uint32_t shift;  // position >> shift: bucket
	uint32_t *start; // of each bucket, and one more: its first point
	uint32_t *position, *ref;
};

// Distance from `at` to the point that follows, and which that is.
static inline uint32_t follow(const struct ring *r, uint32_t at, uint32_t *which)
{
	uint32_t i = r->start[at >> r->shift];

	while (i < r->count && r->position[i] < at)
		i++;
	if (i == r->count)
		i = 0;
	*which = i;
	return r->position[i] - at;
}

static uint32_t source_pick(const struct lb_pool *pool, const struct lb_pick *in)
{
	const struct ring *r = pool->data;
	uint64_t random = in->hash;
	uint32_t best = UINT32_MAX, at = 0;

	if (r == NULL)
		return LB_NONE;
	for (unsigned i = 0; i < PROBES; i += 2) {
		random = sched_mix(random + UINT64_C(0x9e3779b97f4a7c15));
		for (unsigned half = 0; half < 2; half++) {
			uint32_t which, d = follow(r, (uint32_t)(random >> 32 * half), &which);

			if (d < best) {
				best = d;
				at = which;
			}
		}
	}
	return r->ref[at];
}

// Points of a server are its effective weight times 2^density. One server at least takes new flows.
static int density_of(const struct lb_sched_in *in)
{
	uint64_t total = 0, want = (uint64_t)in->members * POINTS;
	int density = 0;

	for (uint32_t i = 0; i < in->members; i++)
		total += (uint64_t)in->member[i]->weight * LB_WEIGHT_UNIT;
	if (want > SCHED_RING_MAX)
		want = SCHED_RING_MAX;
	while (total << (density + 1) <= want)
		density++;
	while (density > -12 && (density >= 0 ? total << density : total >> -density) > want)
		density--;
	return density;
}

static uint32_t points_of(const struct lb_server *s, int density)
{
	uint32_t n = density >= 0 ? (uint32_t)s->effective << density
				  : (uint32_t)s->effective >> -density;

	return n == 0 ? 1 : n;
}

// Sort by position, then by server: two passes of 16 bits over the upper half.
static void sort(uint64_t *v, uint64_t *other, uint32_t count)
{
	static uint32_t start[65537];

	for (unsigned shift = 32; shift < 64; shift += 16) {
		memset(start, 0, sizeof(start));
		for (uint32_t i = 0; i < count; i++)
			start[(v[i] >> shift & 0xffff) + 1]++;
		for (uint32_t i = 1; i < 65536; i++)
			start[i] += start[i - 1];
		for (uint32_t i = 0; i < count; i++)
			other[start[v[i] >> shift & 0xffff]++] = v[i];
		uint64_t *t = v;

		v = other;
		other = t;
	}
}

static void scatter(const struct lb_sched_in *in, int density, uint64_t *v)
{
	for (uint32_t i = 0; i < in->count; i++) {
		uint32_t n = points_of(in->server[i], density);
		uint64_t name = sched_name(in->server[i]);

		for (uint32_t k = 0; k < n; k++)
			*v++ = (sched_mix(name + k * UINT64_C(0x9e3779b97f4a7c15)) &
				~(uint64_t)UINT32_MAX) |
			       i;
	}
}

static void fill(struct ring *r, const struct lb_sched_in *in, const uint64_t *v)
{
	uint32_t bucket = 0;

	for (uint32_t i = 0; i < r->count; i++) {
		r->position[i] = (uint32_t)(v[i] >> 32);
		r->ref[i] = in->server[(uint32_t)v[i]]->ref;
		while (bucket <= r->position[i] >> r->shift)
			r->start[bucket++] = i;
	}
	while (bucket <= UINT32_MAX >> r->shift)
		r->start[bucket++] = r->count;
}

static void ring_free(struct ring *r)
{
	if (r == NULL)
		return;
	free(r->start);
	free(r->position);
	free(r->ref);
	free(r);
}

static int source_build(struct lb_pool *pool, const struct lb_sched_in *in)
{
	int density, rc = -ENOMEM;
	struct ring *r;
	uint64_t *v;

	pool->data = NULL;
	if (in->count == 0)
		return 0;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	density = density_of(in);
	for (uint32_t i = 0; i < in->count; i++)
		r->count += points_of(in->server[i], density);
	for (r->shift = 31; r->shift > 0 && UINT32_MAX >> r->shift < r->count; r->shift--)
		;
	r->start = malloc(((UINT32_MAX >> r->shift) + UINT64_C(1)) * sizeof(*r->start));
	r->position = malloc(r->count * sizeof(*r->position));
	r->ref = malloc(r->count * sizeof(*r->ref));
	v = malloc(2 * (size_t)r->count * sizeof(*v));
	if (r->start != NULL && r->position != NULL && r->ref != NULL && v != NULL) {
		scatter(in, density, v);
		sort(v, v + r->count, r->count);
		fill(r, in, v);
		pool->data = r;
		r = NULL;
		rc = 0;
	}
	free(v);
	ring_free(r);
	return rc;
}

static void source_fini(struct lb_pool *pool)
{
	ring_free(pool->data);
	pool->data = NULL;
}

const struct lb_scheduler sched_source = {
	.name = "source-hash",
	.hashes = true,
	.pick = source_pick,
	.build = source_build,
	.fini = source_fini,
};
