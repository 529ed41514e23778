// SPDX-License-Identifier: BSD-3-Clause
//
// sched_pool - a pool for tests of schedulers: servers that come, go and change their weight, and the flows
// that a model says they have.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "apps/lb/sched/scheduler.h"

struct sched_pool {
	struct lb_pool pool;
	struct lb_loads loads;
	struct lb_server *server;              // members; slot = index
	const struct lb_server **member, **up; // as build() gets them
	uint32_t members, count;
	uint32_t *flows; // of the model, by slot
	uint32_t cursor;
	bool built;
};

static uint64_t sched_seed = 1;

static inline uint32_t sched_rand(uint32_t n)
{
	sched_seed = sched_seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((sched_seed >> 33) % n);
}

static inline double sched_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static inline void sched_pool_weight(struct sched_pool *p, uint32_t i, unsigned weight)
{
	struct lb_server *s = &p->server[i];

	s->weight = (uint16_t)weight;
	s->effective = (uint16_t)(weight * LB_WEIGHT_UNIT);
	s->takes_new = weight > 0;
}

static inline void sched_pool_start(struct sched_pool *p, uint32_t members, unsigned weight)
{
	memset(p, 0, sizeof(*p));
	p->members = members;
	p->server = aligned_alloc(64, members * sizeof(*p->server));
	p->member = calloc(members, sizeof(struct lb_server *));
	p->up = calloc(members, sizeof(struct lb_server *));
	p->flows = calloc(members, sizeof(*p->flows));
	assert_int_equal(lb_loads_init(&p->loads, 1), 0);
	assert_int_equal(lb_loads_reserve(&p->loads, members), 0);
	memset(p->server, 0, members * sizeof(*p->server));
	for (uint32_t i = 0; i < members; i++) {
		struct lb_server *s = &p->server[i];

		*s = (struct lb_server){
			.ref = i | 1u << LB_SLOT_BITS, .family = 4, .port = RTE_BE16(80)};
		memcpy(s->addr, (uint8_t[]){10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i},
		       4);
		sched_pool_weight(p, i, weight);
		lb_load_own(&p->loads, s->ref);
	}
}

// Build anew from the servers as they are; the schedule before is given to share from.
static inline void sched_pool_build(struct sched_pool *p, const struct lb_scheduler *scheduler)
{
	struct lb_pool before = p->pool;
	struct lb_sched_in in = {.member = p->member,
				 .server = p->up,
				 .before = p->built ? &before : NULL,
				 .loads = &p->loads};

	for (uint32_t i = 0; i < p->members; i++) {
		p->member[in.members++] = &p->server[i];
		if (p->server[i].takes_new)
			p->up[in.count++] = &p->server[i];
	}
	p->count = in.count;
	p->pool = (struct lb_pool){.scheduler = scheduler, .available = in.count};
	assert_int_equal(scheduler->build(&p->pool, &in), 0);
	if (p->built)
		before.scheduler->fini(&before);
	p->built = true;
}

static inline void sched_pool_stop(struct sched_pool *p)
{
	if (p->built)
		p->pool.scheduler->fini(&p->pool);
	lb_loads_fini(&p->loads);
	free(p->server);
	free(p->member);
	free(p->up);
	free(p->flows);
}

// Returns: a slot, LB_NONE
static inline uint32_t sched_pool_pick(struct sched_pool *p, uint64_t hash)
{
	struct lb_pick in = {
		.loads = &p->loads, .cursor = &p->cursor, .hash = hash, .seed = 0x1234567};
	uint32_t ref = p->pool.scheduler->pick(&p->pool, &in);

	return ref == LB_NONE ? LB_NONE : ref & LB_SLOT_MASK;
}

static inline void sched_pool_moved(struct sched_pool *p, uint32_t slot)
{
	if (p->pool.scheduler->moved != NULL)
		p->pool.scheduler->moved(&p->pool, &p->loads, p->server[slot].ref);
}

static inline uint32_t sched_pool_begin(struct sched_pool *p, uint64_t hash)
{
	uint32_t slot = sched_pool_pick(p, hash);

	if (slot == LB_NONE)
		return slot;
	p->flows[slot]++;
	lb_load_add(&p->loads, p->server[slot].ref);
	sched_pool_moved(p, slot);
	return slot;
}

static inline void sched_pool_end(struct sched_pool *p, uint32_t slot)
{
	p->flows[slot]--;
	lb_load_sub(&p->loads, p->server[slot].ref);
	sched_pool_moved(p, slot);
}
