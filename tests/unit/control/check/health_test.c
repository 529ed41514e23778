// SPDX-License-Identifier: BSD-3-Clause

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/check/health.h"

static void nothing_is_known_before_the_first_run(void **state)
{
	struct check_health h = {0};

	(void)state;
	assert_false(check_health_note(&h, true, 3, 3));
	assert_false(check_health_note(&h, false, 3, 3));
	assert_int_equal(h.health, CTL_HEALTH_UNKNOWN);
}

static void rise_good_ones_in_a_row_mark_up(void **state)
{
	struct check_health h = {0};

	(void)state;
	assert_false(check_health_note(&h, true, 3, 2));
	assert_false(check_health_note(&h, true, 3, 2));
	assert_true(check_health_note(&h, true, 3, 2));
	assert_int_equal(h.health, CTL_HEALTH_UP);
	assert_false(check_health_note(&h, true, 3, 2));
}

static void fall_bad_ones_in_a_row_mark_down(void **state)
{
	struct check_health h = {.health = CTL_HEALTH_UP, .good = true, .run = 9};

	(void)state;
	assert_false(check_health_note(&h, false, 2, 3));
	assert_false(check_health_note(&h, false, 2, 3));
	assert_true(check_health_note(&h, false, 2, 3));
	assert_int_equal(h.health, CTL_HEALTH_DOWN);
}

static void one_of_the_other_kind_breaks_the_run(void **state)
{
	struct check_health h = {.health = CTL_HEALTH_UP, .good = true, .run = 1};

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		assert_false(check_health_note(&h, false, 1, 3));
		assert_false(check_health_note(&h, false, 1, 3));
		assert_false(check_health_note(&h, true, 1, 3));
	}
	assert_int_equal(h.health, CTL_HEALTH_UP);
}

static void a_limit_of_one_decides_at_once(void **state)
{
	struct check_health h = {0};

	(void)state;
	assert_true(check_health_note(&h, false, 1, 1));
	assert_int_equal(h.health, CTL_HEALTH_DOWN);
	assert_true(check_health_note(&h, true, 1, 1));
	assert_int_equal(h.health, CTL_HEALTH_UP);
}

// The run must not wrap around to a small number.
static void a_long_run_stays_long(void **state)
{
	struct check_health h = {0};

	(void)state;
	for (unsigned i = 0; i < 70000; i++)
		check_health_note(&h, true, 2, 100);
	assert_int_equal(h.run, UINT16_MAX);
	assert_int_equal(h.health, CTL_HEALTH_UP);
	for (unsigned i = 0; i < 99; i++)
		assert_false(check_health_note(&h, false, 2, 100));
	assert_true(check_health_note(&h, false, 2, 100));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_known_before_the_first_run),
		cmocka_unit_test(rise_good_ones_in_a_row_mark_up),
		cmocka_unit_test(fall_bad_ones_in_a_row_mark_down),
		cmocka_unit_test(one_of_the_other_kind_breaks_the_run),
		cmocka_unit_test(a_limit_of_one_decides_at_once),
		cmocka_unit_test(a_long_run_stays_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
