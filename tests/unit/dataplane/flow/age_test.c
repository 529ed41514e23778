// SPDX-License-Identifier: BSD-3-Clause
//
// The timing wheel with a fake clock.

#include "tests/unit/dataplane/flow/table_check.h"

#define SLOT (1U << FLOW_WHEEL_SHIFT)

struct ended {
	uint32_t count;
	uint32_t last;
};

static void note_end(void *ctx, uint32_t index)
{
	struct ended *e = ctx;

	e->count++;
	e->last = index;
}

static struct flow_table *open_table(uint32_t now)
{
	struct flow_conf conf = {.max = 1000, .max6 = 100, .timeout = {1, 100, 5000, 20, 100000}};
	struct flow_table *t = NULL;
	uint32_t taken;

	assert_int_equal(flow_table_open(&conf, now, &t, &taken), 0);
	return t;
}

// Run the wheel until it has nothing to do. Returns how many ended.
static uint32_t age(struct flow_table *t, uint32_t now)
{
	struct ended e = {0};

	for (unsigned i = 0; i < 100; i++)
		flow_age(t, now, 1000, note_end, &e);
	return e.count;
}

static void ends_a_flow_after_its_timeout_and_not_before(void **state)
{
	for (uint32_t start = 0; start < 2 * SLOT; start++) {
		struct flow_table *t = open_table(start);

		(void)state;
		check_insert(t, 1, false, start); // SYN: 100
		assert_int_equal(age(t, start + 99), 0);
		assert_int_equal(flow_count(t), 1);
		assert_int_equal(age(t, start + 100 + SLOT), 1);
		assert_int_equal(flow_count(t), 0);
		check_whole(t);
		flow_table_close(t);
	}
}

static void keeps_a_flow_that_is_used(void **state)
{
	struct flow_table *t = open_table(1000);
	uint32_t index = check_insert(t, 1, false, 1000), now;

	(void)state;
	for (now = 1000; now < 6000; now += 50) {
		flow_at(t, index)->last_seen = now;
		assert_int_equal(age(t, now), 0);
	}
	assert_int_equal(age(t, now - 50 + 99), 0);
	assert_int_equal(age(t, now - 50 + 100 + SLOT), 1);
	flow_table_close(t);
}

static void follows_the_timeout_of_the_state(void **state)
{
	struct flow_table *t = open_table(1000);
	uint32_t index = check_insert(t, 1, false, 1000);

	(void)state;
	flow_at(t, index)->state = FLOW_TCP_ESTABLISHED; // longer: found out at the next visit
	assert_int_equal(age(t, 1000 + 4999), 0);
	flow_at(t, index)->last_seen = 5999;
	flow_at(t, index)->state = FLOW_TCP_CLOSING; // shorter: filed anew
	flow_refile(t, index, 5999);
	check_whole(t);
	assert_int_equal(age(t, 5999 + 19), 0);
	assert_int_equal(age(t, 5999 + 20 + SLOT), 1);
	flow_table_close(t);
}

// Longer than the wheel goes round: filed anew on the way.
static void waits_longer_than_the_wheel(void **state)
{
	struct flow_table *t = open_table(1000);
	uint32_t now;

	(void)state;
	check_insert(t, 5, false, 1000); // UDP: 100,000, the wheel has 65,536
	for (now = 1000; now < 1000 + 100000; now += 997)
		assert_int_equal(age(t, now), 0);
	assert_int_equal(age(t, 1000 + 100000 + SLOT), 1);
	flow_table_close(t);
}

// A timeout of exactly one round would file a flow in the slot that is being emptied, again and again.
static void files_no_flow_in_the_slot_that_is_being_emptied(void **state)
{
	static const uint32_t round[FLOW_STATE_COUNT] = {1, 100, 5000, 20, FLOW_WHEEL_SLOTS * SLOT};
	struct flow_table *t = open_table(1000);
	struct ended e = {0};

	(void)state;
	flow_set_timeouts(t, round);
	check_insert(t, 5, false, 1000);
	assert_int_equal(flow_age(t, 1000 + SLOT, 1000, note_end, &e), 0);
	assert_int_equal(t->wheel_at, (1000 + SLOT) / SLOT);
	assert_int_equal(age(t, 1000 + round[FLOW_UDP] - 1), 0);
	assert_int_equal(age(t, 1000 + round[FLOW_UDP] + SLOT), 1);
	flow_table_close(t);
}

static void catches_up_after_a_long_sleep(void **state)
{
	struct flow_table *t = open_table(1000);

	(void)state;
	for (uint32_t n = 0; n < 300; n++)
		check_insert(t, n, n % 4 == 1, 1000 + n);
	assert_int_equal(age(t, 1000 + 500000), 300);
	check_whole(t);
	check_insert(t, 1, false, 501000);
	assert_int_equal(age(t, 501099), 0);
	assert_int_equal(age(t, 501100 + SLOT), 1);
	flow_table_close(t);
}

static void goes_on_when_the_clock_wraps(void **state)
{
	uint32_t start = UINT32_MAX - 60;
	struct flow_table *t = open_table(start);

	(void)state;
	check_insert(t, 1, false, start);
	assert_int_equal(age(t, start + 99), 0);
	assert_int_equal(age(t, start + 100 + SLOT), 1);
	flow_table_close(t);
}

static void does_nothing_when_the_clock_is_behind(void **state)
{
	struct flow_table *t = open_table(100000);

	(void)state;
	check_insert(t, 1, false, 100000);
	assert_int_equal(age(t, 90000), 0);
	assert_int_equal(flow_count(t), 1);
	assert_int_equal(age(t, 100100 + SLOT), 1);
	flow_table_close(t);
}

// One slot back is nearly a whole round of slot numbers ahead, if taken for the future.
static void stands_still_when_the_clock_is_one_slot_behind(void **state)
{
	struct flow_table *t = open_table(100000);
	struct ended e = {0};

	(void)state;
	check_insert(t, 1, false, 100000);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(flow_age(t, 100000 - SLOT, 1000, note_end, &e), 0);
	assert_int_equal(t->wheel_at, 100000 / SLOT);
	assert_int_equal(e.count, 0);
	assert_int_equal(age(t, 100099), 0);
	assert_int_equal(age(t, 100100 + SLOT), 1);
	flow_table_close(t);
}

static void looks_at_no_more_flows_than_its_budget(void **state)
{
	struct flow_table *t = open_table(0);
	struct ended e = {0};

	(void)state;
	for (uint32_t n = 0; n < 500; n++)
		check_insert(t, n, false, 0);
	while (flow_age(t, 100 + SLOT, 7, note_end, &e) != 0)
		assert_true(e.count % 7 == 0 || e.count == 400); // TCP ones; 100 are UDP
	assert_int_equal(e.count, 400);
	check_whole(t);
	flow_table_close(t);
}

static void takes_new_timeouts_at_the_next_visit(void **state)
{
	static const uint32_t shorter[FLOW_STATE_COUNT] = {0, 0, 10, 10, 10};
	struct flow_table *t = open_table(0);

	(void)state;
	flow_set_timeouts(t, shorter); // 0 counts as 1
	check_insert(t, 1, false, 0);
	assert_int_equal(age(t, 1 + SLOT), 1);
	flow_table_close(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_a_flow_after_its_timeout_and_not_before),
		cmocka_unit_test(keeps_a_flow_that_is_used),
		cmocka_unit_test(follows_the_timeout_of_the_state),
		cmocka_unit_test(waits_longer_than_the_wheel),
		cmocka_unit_test(files_no_flow_in_the_slot_that_is_being_emptied),
		cmocka_unit_test(catches_up_after_a_long_sleep),
		cmocka_unit_test(goes_on_when_the_clock_wraps),
		cmocka_unit_test(does_nothing_when_the_clock_is_behind),
		cmocka_unit_test(stands_still_when_the_clock_is_one_slot_behind),
		cmocka_unit_test(looks_at_no_more_flows_than_its_budget),
		cmocka_unit_test(takes_new_timeouts_at_the_next_visit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
