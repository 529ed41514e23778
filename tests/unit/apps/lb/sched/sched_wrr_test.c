// SPDX-License-Identifier: BSD-3-Clause
//
// Weighted round robin: shares within 1 %, turns spread evenly.

#include "tests/unit/apps/lb/sched/sched_pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define MOST 10000

static struct lb_server server[MOST];
static const struct lb_server *list[MOST];
static uint32_t hits[MOST];
static const struct lb_scheduler *scheduler = &sched_wrr;

static struct lb_pool build(const uint16_t *weight, uint32_t count)
{
	struct lb_pool p = {.scheduler = scheduler};

	struct lb_sched_in in = {.member = list, .members = count, .server = list, .count = count};

	for (uint32_t i = 0; i < count; i++) {
		server[i] = (struct lb_server){.ref = 1u << LB_SLOT_BITS | i,
					       .weight = weight[i],
					       .effective = (uint16_t)(weight[i] * LB_WEIGHT_UNIT)};
		list[i] = &server[i];
	}
	assert_int_equal(scheduler->build(&p, &in), 0);
	return p;
}

static uint32_t pick(const struct lb_pool *p, uint32_t *cursor)
{
	uint32_t ref = p->scheduler->pick(p, &(struct lb_pick){.cursor = cursor});

	assert_int_not_equal(ref, LB_NONE);
	return ref & LB_SLOT_MASK;
}

// Shares of `flows` new flows, each within 1 % of all flows of what the weights say.
static void check_shares(const uint16_t *weight, uint32_t count, uint32_t flows)
{
	struct lb_pool p = build(weight, count);
	uint32_t cursor = 0;
	uint64_t total = 0;

	memset(hits, 0, sizeof(hits));
	for (uint32_t i = 0; i < count; i++)
		total += weight[i];
	for (uint32_t i = 0; i < flows; i++)
		hits[pick(&p, &cursor)]++;
	for (uint32_t i = 0; i < count; i++) {
		double want = (double)weight[i] / (double)total, got = (double)hits[i] / flows;

		assert_true(got - want < 0.01 && want - got < 0.01);
	}
	sched_wrr.fini(&p);
}

static void shares_follow_the_weights(void **state)
{
	check_shares((uint16_t[]){1}, 1, 100);
	check_shares((uint16_t[]){2, 1, 1}, 3, 1000);
	check_shares((uint16_t[]){256, 1}, 2, 2570);
	check_shares((uint16_t[]){5, 3, 2}, 3, 1000);
	check_shares((uint16_t[]){7, 11, 13, 17, 19}, 5, 6700);
	check_shares((uint16_t[]){100, 200, 50}, 3, 700);
}

static void shares_are_exact_over_one_sequence(void **state)
{
	struct lb_pool p = build((uint16_t[]){6, 4, 2}, 3); // 3, 2, 1 of 6
	uint32_t cursor = 0;

	for (unsigned round = 0; round < 5; round++) {
		memset(hits, 0, sizeof(hits));
		for (unsigned i = 0; i < 6; i++)
			hits[pick(&p, &cursor)]++;
		assert_int_equal(hits[0], 3);
		assert_int_equal(hits[1], 2);
		assert_int_equal(hits[2], 1);
	}
	sched_wrr.fini(&p);
}

static void equal_weights_take_turns_in_order(void **state)
{
	struct lb_pool p = build((uint16_t[]){8, 8, 8, 8}, 4);
	uint32_t cursor = 0;

	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(pick(&p, &cursor), i % 4);
	sched_wrr.fini(&p);
}

static void the_heavy_one_is_not_asked_in_a_row(void **state)
{
	struct lb_pool p = build((uint16_t[]){4, 1, 1, 1, 1}, 5);
	uint32_t cursor = 0, row = 0;

	for (unsigned i = 0; i < 80; i++) {
		row = pick(&p, &cursor) == 0 ? row + 1 : 0;
		assert_true(row <= 2);
	}
	sched_wrr.fini(&p);
}

static void a_pool_without_servers_picks_none(void **state)
{
	struct lb_pool p = build(NULL, 0);
	uint32_t cursor = 0;

	assert_int_equal(sched_wrr.pick(&p, &(struct lb_pick){.cursor = &cursor}), LB_NONE);
	sched_wrr.fini(&p);
}

static void a_cursor_beyond_the_sequence_starts_over(void **state)
{
	struct lb_pool p = build((uint16_t[]){1, 1}, 2);
	uint32_t cursor = 1000; // of a longer sequence that went by

	assert_int_equal(pick(&p, &cursor), 0);
	assert_int_equal(pick(&p, &cursor), 1);
	cursor = UINT32_MAX;
	assert_int_equal(pick(&p, &cursor), 0);
	sched_wrr.fini(&p);
}

// 10,000 servers of odd weights would need a sequence of more than a million places.
static void long_sequences_are_bounded_and_still_fair(void **state)
{
	static uint16_t weight[MOST];
	uint64_t total = 0, flows = 0;
	uint32_t cursor = 0;
	struct lb_pool p;

	for (uint32_t i = 0; i < MOST; i++) {
		weight[i] = (uint16_t)(1 + (i * 7919u) % 256);
		total += weight[i];
	}
	assert_true(total > SCHED_WRR_MAX);
	p = build(weight, MOST);
	memset(hits, 0, sizeof(hits));
	do {
		hits[pick(&p, &cursor)]++;
		flows++;
	} while (flows <= 2 * SCHED_WRR_MAX && (flows == 1 || cursor != 1));
	flows--; // the last pick began the second round
	assert_true(flows > SCHED_WRR_MAX / 2 && flows <= SCHED_WRR_MAX + MOST);
	for (uint32_t i = 0; i < MOST; i++) {
		double want = (double)weight[i] / (double)total,
		       got = (double)hits[i] / (double)flows;

		assert_true(hits[i] > 0);
		assert_true(got - want < 1e-5 && want - got < 1e-5);
	}
	sched_wrr.fini(&p);
}

// Plain: weights above 0 make no difference, a slow start does.
static void without_weights_all_take_turns(void **state)
{
	struct lb_pool p;
	uint32_t cursor = 0;

	scheduler = &sched_rr;
	p = build((uint16_t[]){256, 1, 7}, 3);
	for (unsigned i = 0; i < 30; i++)
		assert_int_equal(pick(&p, &cursor), i % 3);
	sched_rr.fini(&p);
	memset(hits, 0, sizeof(hits));
	p = (struct lb_pool){.scheduler = &sched_rr};
	server[0].effective /= 4;
	assert_int_equal(sched_rr.build(&p, &(struct lb_sched_in){.member = list,
								  .members = 3,
								  .server = list,
								  .count = 3}),
			 0);
	cursor = 0;
	for (unsigned i = 0; i < 9; i++)
		hits[pick(&p, &cursor)]++;
	assert_int_equal(hits[0], 1);
	assert_int_equal(hits[1], 4);
	assert_int_equal(hits[2], 4);
	sched_rr.fini(&p);
	scheduler = &sched_wrr;
}

// ---- random histories against a model ------------------------------------------------------------

static uint32_t turns_of(const struct lb_server *s, bool weighted)
{
	if (!s->takes_new)
		return 0;
	return weighted ? s->effective : s->effective / s->weight;
}

// Turns that server i has in one round of all, and how many a round is.
static uint32_t round_of(const struct sched_pool *p, bool weighted, uint32_t *turns)
{
	uint32_t divisor = 0, total = 0;

	for (uint32_t i = 0; i < p->members; i++) {
		uint32_t a = turns[i] = turns_of(&p->server[i], weighted);

		while (a != 0) { // greatest common divisor
			uint32_t r = divisor % a;

			divisor = a;
			a = r;
		}
	}
	for (uint32_t i = 0; i < p->members; i++)
		total += turns[i] /= divisor == 0 ? 1 : divisor;
	return total;
}

// Different weights: each lays out its own turns evenly, so a place is up to half a turn of each off.
static uint32_t weights_in(const uint32_t *turns, uint32_t count)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t k = 0;

		while (turns[k] != turns[i])
			k++;
		n += k == i && turns[i] != 0;
	}
	return n;
}

// Over any round, from wherever it begins, each server has its turns exactly. Within it they lie apart: after k
// picks nobody is more than a turn off its share, beside what the places of other weights move.
static void check_round(struct sched_pool *p, bool weighted)
{
	static uint32_t turns[64], got[64];
	uint32_t total = round_of(p, weighted, turns), weights = weights_in(turns, p->members);

	memset(got, 0, sizeof(got));
	if (total == 0) {
		assert_int_equal(sched_pool_pick(p, 0), LB_NONE);
		return;
	}
	p->cursor = 0;
	for (uint32_t k = 1; k <= total; k++) {
		got[sched_pool_pick(p, sched_rand(1000))]++;
		for (uint32_t i = 0; i < p->members; i++) {
			double part = (double)turns[i] / total, off = got[i] - k * part;
			double most = 1 + (weights / 2.0 + 1) * part;

			assert_true(off <= most && off >= -most);
		}
	}
	for (uint32_t i = 0; i < p->members; i++)
		assert_int_equal(got[i], turns[i]);
	memset(got, 0, sizeof(got));
	p->cursor = sched_rand(3 * total); // anywhere, past its end too
	for (uint32_t k = 0; k < total; k++)
		got[sched_pool_pick(p, 0)]++;
	for (uint32_t i = 0; i < p->members; i++)
		assert_int_equal(got[i], turns[i]);
}

// Servers come and go, weights change, slow start ramps; what was before makes no difference.
static void history(const struct lb_scheduler *s, bool weighted, uint32_t members, unsigned steps)
{
	struct sched_pool p;

	sched_pool_start(&p, members, 1);
	sched_pool_build(&p, s);
	for (unsigned n = 0; n < steps; n++) {
		uint32_t i = sched_rand(members);

		sched_pool_weight(&p, i,
				  sched_rand(3) == 0 ? 0 : 1 + sched_rand(weighted ? 12 : 256));
		if (p.server[i].weight > 0 && sched_rand(4) == 0)
			p.server[i].effective =
				(uint16_t)(p.server[i].weight * (1 + sched_rand(LB_WEIGHT_UNIT)));
		sched_pool_build(&p, s);
		for (uint32_t k = sched_rand(20); k > 0 && p.count > 0; k--)
			assert_true(p.server[sched_pool_begin(&p, k)].takes_new);
		check_round(&p, weighted);
	}
	sched_pool_stop(&p);
}

static void every_server_has_its_turns_over_random_histories(void **state)
{
	static const uint32_t members[] = {1, 2, 3, 5, 8, 16, 33, 64};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		sched_seed = i + 1;
		history(&sched_rr, false, members[i], 150);
		history(&sched_wrr, true, members[i], 150);
	}
}

static void the_table_knows_its_schedulers(void **state)
{
	assert_ptr_equal(sched_get(CTL_SCHED_WRR), &sched_wrr);
	for (unsigned i = CTL_SCHED_WRR; i <= CTL_SCHED_MAGLEV; i++)
		assert_non_null(sched_get((uint8_t)i));
	assert_null(sched_get(0));
	assert_null(sched_get(255));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_follow_the_weights),
		cmocka_unit_test(shares_are_exact_over_one_sequence),
		cmocka_unit_test(equal_weights_take_turns_in_order),
		cmocka_unit_test(the_heavy_one_is_not_asked_in_a_row),
		cmocka_unit_test(a_pool_without_servers_picks_none),
		cmocka_unit_test(a_cursor_beyond_the_sequence_starts_over),
		cmocka_unit_test(long_sequences_are_bounded_and_still_fair),
		cmocka_unit_test(without_weights_all_take_turns),
		cmocka_unit_test(every_server_has_its_turns_over_random_histories),
		cmocka_unit_test(the_table_knows_its_schedulers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
