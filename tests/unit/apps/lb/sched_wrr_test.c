// SPDX-License-Identifier: BSD-3-Clause
//
// Weighted round robin: shares within 1 %, turns spread evenly.

#include "apps/lb/scheduler.h"

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
		cmocka_unit_test(the_table_knows_its_schedulers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
