// SPDX-License-Identifier: BSD-3-Clause
//
// Least connections, plain and weighted, and the power of two choices, against a model over random histories.

#include "tests/unit/apps/lb/sched/sched_pool.h"

#include <math.h>
#include <pthread.h>

// Nobody that takes new flows has fewer flows per weight than `slot`.
static void check_least(const struct sched_pool *p, uint32_t slot, bool weighted)
{
	const struct lb_server *s = &p->server[slot];
	uint64_t w = weighted ? s->effective : s->effective / s->weight;

	assert_true(s->takes_new);
	for (uint32_t i = 0; i < p->members; i++) {
		const struct lb_server *o = &p->server[i];
		uint64_t ow = !o->takes_new ? 0
			      : weighted    ? o->effective
					    : o->effective / o->weight;

		if (o->takes_new && p->flows[i] * w < p->flows[slot] * ow)
			fail_msg("slot %u has %u flows, weight %u; slot %u has %u, weight %u", slot,
				 p->flows[slot], s->weight, i, p->flows[i], o->weight);
	}
}

static void end_one(struct sched_pool *p)
{
	uint32_t i = sched_rand(p->members);

	for (uint32_t n = 0; n < p->members && p->flows[i] == 0; n++)
		i = (i + 1) % p->members;
	if (p->flows[i] > 0)
		sched_pool_end(p, i);
}

// Servers come and go, weights change, slow start ramps, flows begin and end.
static void history(const struct lb_scheduler *scheduler, bool weighted, uint32_t members,
		    unsigned steps)
{
	struct sched_pool p;

	sched_pool_start(&p, members, 1);
	sched_pool_build(&p, scheduler);
	for (unsigned n = 0; n < steps; n++) {
		unsigned what = sched_rand(100);

		if (what < 4) {
			uint32_t i = sched_rand(members);

			sched_pool_weight(&p, i, sched_rand(3) == 0 ? 0 : 1 + sched_rand(256));
			if (p.server[i].weight > 0 && sched_rand(3) == 0)
				p.server[i].effective =
					(uint16_t)(p.server[i].weight *
						   (1 + sched_rand(LB_WEIGHT_UNIT)));
			sched_pool_build(&p, scheduler);
		} else if (what < 60) {
			uint32_t slot = sched_pool_pick(&p, 0);

			if (slot == LB_NONE) {
				assert_int_equal(p.count, 0);
				continue;
			}
			check_least(&p, slot, weighted);
			p.flows[slot]++;
			lb_load_add(&p.loads, p.server[slot].ref);
			sched_pool_moved(&p, slot);
		} else {
			end_one(&p);
		}
	}
	for (uint32_t i = 0; i < members; i++)
		assert_int_equal(lb_load_flows(&p.loads, p.server[i].ref), p.flows[i]);
	sched_pool_stop(&p);
}

static void the_pick_always_has_the_fewest_flows(void **state)
{
	static const uint32_t members[] = {1, 2, 3, 5, 7, 8, 16, 33, 100, 257};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		history(&sched_lc, false, members[i], 4000);
		history(&sched_wlc, true, members[i], 4000);
	}
}

// Flows that end before the next begins: turns by weight, not the first server again and again.
static void without_load_servers_take_turns_by_weight(void **state)
{
	uint32_t hits[3] = {0};
	struct sched_pool p;

	sched_pool_start(&p, 3, 1);
	sched_pool_weight(&p, 0, 5);
	sched_pool_weight(&p, 1, 3);
	sched_pool_weight(&p, 2, 2);
	sched_pool_build(&p, &sched_wlc);
	for (unsigned i = 0; i < 10000; i++) {
		uint32_t slot = sched_pool_begin(&p, 0);

		hits[slot]++;
		sched_pool_end(&p, slot);
	}
	assert_in_range(hits[0], 4990, 5010);
	assert_in_range(hits[1], 2990, 3010);
	assert_in_range(hits[2], 1990, 2010);
	// One that had no part for long does not make up for it.
	sched_pool_weight(&p, 2, 0);
	sched_pool_build(&p, &sched_wlc);
	for (unsigned i = 0; i < 10000; i++)
		sched_pool_end(&p, sched_pool_begin(&p, 0));
	sched_pool_weight(&p, 2, 2);
	sched_pool_build(&p, &sched_wlc);
	memset(hits, 0, sizeof(hits));
	for (unsigned i = 0; i < 100; i++) {
		uint32_t slot = sched_pool_begin(&p, 0);

		hits[slot]++;
		sched_pool_end(&p, slot);
	}
	assert_in_range(hits[2], 18, 22);
	sched_pool_stop(&p);
}

static void a_slot_given_to_another_starts_without_flows(void **state)
{
	struct sched_pool p;
	uint32_t old, now = 0 | 2u << LB_SLOT_BITS;

	sched_pool_start(&p, 1, 1);
	old = p.server[0].ref;
	for (unsigned i = 0; i < 5; i++)
		lb_load_add(&p.loads, old);
	lb_load_own(&p.loads, old);
	assert_int_equal(lb_load_flows(&p.loads, old), 5);
	lb_load_own(&p.loads, now);
	assert_int_equal(lb_load_flows(&p.loads, now), 0);
	assert_int_equal(lb_load_flows(&p.loads, old), 0);
	lb_load_add(&p.loads, now);
	for (unsigned i = 0; i < 5; i++)
		lb_load_sub(&p.loads, old); // the old holder's flows end late
	assert_int_equal(lb_load_flows(&p.loads, now), 1);
	lb_load_add(&p.loads, old);
	assert_int_equal(lb_load_flows(&p.loads, now), 1);
	lb_load_sub(&p.loads, now);
	lb_load_sub(&p.loads, now); // one too many changes nothing
	assert_int_equal(lb_load_flows(&p.loads, now), 0);
	assert_int_equal(lb_load_flows(&p.loads, 0xffffffff), 0); // nobody's slot
	sched_pool_stop(&p);
}

// ---- several workers --------------------------------------------------------------------------

#define THREADS 4
#define ROUNDS  400
#define BURST   200
#define HELD    50

static pthread_barrier_t barrier;

struct runner {
	pthread_t thread;
	struct sched_pool *p;
	uint32_t seed;
};

static void change(struct sched_pool *p, uint32_t ref, bool begins)
{
	if (begins)
		lb_load_add(&p->loads, ref);
	else
		lb_load_sub(&p->loads, ref);
	p->pool.scheduler->moved(&p->pool, &p->loads, ref);
}

static void *run(void *arg)
{
	struct runner *r = arg;
	uint32_t held[HELD], cursor = 0, random = r->seed;
	struct lb_pick in = {.loads = &r->p->loads, .cursor = &cursor, .seed = r->seed};

	for (unsigned i = 0; i < HELD; i++) {
		held[i] = r->p->pool.scheduler->pick(&r->p->pool, &in);
		change(r->p, held[i], true);
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&barrier); // the test looks
		pthread_barrier_wait(&barrier);
		for (unsigned i = 0; i < BURST; i++) {
			uint32_t *h = &held[((random = random * 1664525 + 1013904223) >> 8) % HELD];

			change(r->p, *h, false);
			*h = r->p->pool.scheduler->pick(&r->p->pool, &in);
			change(r->p, *h, true);
		}
	}
	pthread_barrier_wait(&barrier);
	for (unsigned i = 0; i < HELD; i++)
		change(r->p, held[i], false);
	return NULL;
}

// No count is lost between threads. Whenever they rest, what would be picked is worse than the best by as
// many flows as there are threads at most.
static void several_workers_count_exactly_and_pick_closely(void **state)
{
	struct runner r[THREADS] = {0};
	uint32_t worst = 0;
	struct sched_pool p;

	sched_pool_start(&p, 37, 1);
	p.loads.alone = false;
	sched_pool_build(&p, &sched_lc);
	assert_int_equal(pthread_barrier_init(&barrier, NULL, THREADS + 1), 0);
	for (uint32_t i = 0; i < THREADS; i++) {
		r[i].p = &p;
		r[i].seed = i + 1;
		assert_int_equal(pthread_create(&r[i].thread, NULL, run, &r[i]), 0);
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint32_t sum = 0, least = UINT32_MAX, n, slot;

		pthread_barrier_wait(&barrier);
		for (uint32_t i = 0; i < p.members; i++) {
			n = lb_load_flows(&p.loads, p.server[i].ref);
			sum += n;
			least = n < least ? n : least;
		}
		assert_int_equal(sum, THREADS * HELD);
		slot = sched_pool_pick(&p, 0);
		n = lb_load_flows(&p.loads, p.server[slot].ref) - least;
		worst = n > worst ? n : worst;
		pthread_barrier_wait(&barrier);
	}
	print_message("%u threads: a pick at most %u flows worse than the best\n", THREADS, worst);
	assert_true(worst <= THREADS);
	pthread_barrier_wait(&barrier);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(r[i].thread, NULL);
	pthread_barrier_destroy(&barrier);
	for (uint32_t i = 0; i < p.members; i++)
		assert_int_equal(lb_load_flows(&p.loads, p.server[i].ref), 0);
	sched_pool_stop(&p);
}

// ---- power of two -----------------------------------------------------------------------------

// n flows on n servers: the fullest has about ln ln n / ln 2 above the average, one choice would ln n / ln ln n.
static void two_choices_keep_the_fullest_near_the_average(void **state)
{
	static const uint32_t sizes[] = {10, 100, 1000, 10000};

	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		uint32_t n = sizes[k], most = 0, rounds = 8;
		struct sched_pool p;

		sched_pool_start(&p, n, 1);
		sched_pool_build(&p, &sched_p2c);
		for (uint32_t i = 0; i < n * rounds; i++)
			sched_pool_begin(&p, 0);
		for (uint32_t i = 0; i < n; i++)
			most = p.flows[i] > most ? p.flows[i] : most;
		if (most > rounds + log(log(n)) / log(2) + 2)
			fail_msg("%u servers: the fullest has %u of %u on average", n, most,
				 rounds);
		sched_pool_stop(&p);
	}
}

static void two_choices_follow_weights(void **state)
{
	uint64_t total = 0, flows = 200000;
	struct sched_pool p;

	sched_pool_start(&p, 50, 1);
	for (uint32_t i = 0; i < 50; i++) {
		sched_pool_weight(&p, i, 1 + sched_rand(256));
		total += p.server[i].weight;
	}
	sched_pool_build(&p, &sched_p2c);
	for (uint64_t i = 0; i < flows; i++)
		sched_pool_begin(&p, 0);
	for (uint32_t i = 0; i < 50; i++) {
		double want = (double)flows * p.server[i].weight / (double)total;

		if (fabs(p.flows[i] - want) > 0.01 * want + 12)
			fail_msg("weight %u: %u flows, %.0f wanted", p.server[i].weight, p.flows[i],
				 want);
	}
	sched_pool_stop(&p);
}

// Drawing alone, without load: each as often as its weight says. Two draws, and of an equal pair the first.
static void draws_are_by_weight(void **state)
{
	static const unsigned weight[] = {256, 100, 30, 1, 1, 7};
	uint32_t hits[6] = {0}, n = 400000;
	struct sched_pool p;
	double total = 395;

	sched_pool_start(&p, 6, 1);
	for (uint32_t i = 0; i < 6; i++)
		sched_pool_weight(&p, i, weight[i]);
	sched_pool_build(&p, &sched_p2c);
	// All equally loaded per weight: (flows + 1) / weight the same for all is so near flows / weight
	// at this height that the first draw decides.
	for (uint32_t i = 0; i < 6; i++)
		for (uint32_t k = 0; k + 1 < weight[i] * 4; k++)
			lb_load_add(&p.loads, p.server[i].ref);
	for (uint32_t i = 0; i < n; i++)
		hits[sched_pool_pick(&p, 0)]++;
	for (uint32_t i = 0; i < 6; i++)
		if (fabs(hits[i] / (double)n - weight[i] / total) > 0.005)
			fail_msg("weight %u: %u of %u", weight[i], hits[i], n);
	sched_pool_stop(&p);
}

static void two_choices_over_histories(void **state)
{
	struct sched_pool p;

	for (uint32_t members = 1; members < 20; members++) {
		sched_pool_start(&p, members, 1);
		sched_pool_build(&p, &sched_p2c);
		for (unsigned n = 0; n < 2000; n++) {
			if (sched_rand(10) == 0) {
				sched_pool_weight(&p, sched_rand(members),
						  sched_rand(4) * sched_rand(64));
				sched_pool_build(&p, &sched_p2c);
			}
			if (sched_rand(2) == 0) {
				end_one(&p);
				continue;
			}
			uint32_t slot = sched_pool_begin(&p, 0);

			if (slot == LB_NONE)
				assert_int_equal(p.count, 0);
			else
				assert_true(p.server[slot].takes_new);
		}
		sched_pool_stop(&p);
	}
}

// ---- size -------------------------------------------------------------------------------------

static void a_hundred_thousand_servers_are_built_and_picked_in_time(void **state)
{
	static const struct lb_scheduler *const all[] = {&sched_lc, &sched_wlc, &sched_p2c};
	struct sched_pool p;

	sched_pool_start(&p, 100000, 1);
	for (uint32_t i = 0; i < p.members; i++)
		sched_pool_weight(&p, i, 1 + i % 256);
	for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
		double t0 = sched_now_ms(), t1, t2;

		sched_pool_build(&p, all[k]);
		t1 = sched_now_ms();
		for (unsigned i = 0; i < 200000; i++)
			sched_pool_begin(&p, 0);
		t2 = sched_now_ms();
		print_message("%s: built in %.1f ms, %.0f ns a flow\n", all[k]->name, t1 - t0,
			      (t2 - t1) * 5);
		assert_true(t1 - t0 < 500); // an order of magnitude above what it takes
		if (k == 1)
			for (uint32_t n = 0; n < 100; n++) {
				uint32_t slot = sched_pool_pick(&p, 0);

				check_least(&p, slot, true);
			}
		for (uint32_t i = 0; i < p.members; i++)
			while (p.flows[i] > 0)
				sched_pool_end(&p, i);
	}
	sched_pool_stop(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_pick_always_has_the_fewest_flows),
		cmocka_unit_test(without_load_servers_take_turns_by_weight),
		cmocka_unit_test(a_slot_given_to_another_starts_without_flows),
		cmocka_unit_test(several_workers_count_exactly_and_pick_closely),
		cmocka_unit_test(two_choices_keep_the_fullest_near_the_average),
		cmocka_unit_test(two_choices_follow_weights),
		cmocka_unit_test(draws_are_by_weight),
		cmocka_unit_test(two_choices_over_histories),
		cmocka_unit_test(a_hundred_thousand_servers_are_built_and_picked_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
