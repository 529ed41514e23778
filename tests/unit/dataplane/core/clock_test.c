// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/core/clock.h"
#include "dataplane/core/drop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void ticks_are_the_monotonic_clock_of_the_machine(void **state)
{
	struct timespec ts;
	uint64_t ns;
	uint32_t t;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	t = clock_ticks();
	assert_true(t - (uint32_t)(ns >> 24) <= 60); // a second of scheduling at most
	assert_true(clock_monotonic_ns() >= ns);
}

static void milliseconds_never_become_nothing(void **state)
{
	assert_int_equal(clock_ms_to_ticks(0), 1);
	assert_int_equal(clock_ms_to_ticks(1), 1);
	assert_int_equal(clock_ms_to_ticks(17), 1);
	assert_int_equal(clock_ms_to_ticks(34), 2);
	assert_int_equal(clock_ms_to_ticks(1000), 59);
	assert_int_equal(clock_ms_to_ticks(86400000), 5149841);
}

static void elapsed_ticks_survive_the_wrap_and_the_future(void **state)
{
	assert_int_equal(clock_ticks_since(10, 3), 7);
	assert_int_equal(clock_ticks_since(3, 0xfffffffe), 5);
	assert_int_equal(clock_ticks_since(3, 4), 0);
	assert_int_equal(clock_ticks_since(0x7fffffff, 0), 0x7fffffff);
	assert_int_equal(clock_ticks_since(5, 5), 0);
}

static void every_drop_reason_has_its_own_name_and_a_sentence(void **state)
{
	assert_string_equal(drop_name(DROP_NONE), "none");
	assert_string_equal(drop_name(DROP_RUNT), "runt");
	assert_string_equal(drop_name(DROP_COUNT), "unknown");
	for (int i = 0; i < DROP_COUNT; i++) {
		assert_non_null(drop_name((enum drop_reason)i));
		assert_true(strlen(drop_text((enum drop_reason)i)) > 5);
		assert_true(strspn(drop_name((enum drop_reason)i),
				   "abcdefghijklmnopqrstuvwxyz0123456789-") ==
			    strlen(drop_name((enum drop_reason)i)));
		for (int k = 0; k < i; k++)
			assert_string_not_equal(drop_name((enum drop_reason)i),
						drop_name((enum drop_reason)k));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ticks_are_the_monotonic_clock_of_the_machine),
		cmocka_unit_test(milliseconds_never_become_nothing),
		cmocka_unit_test(elapsed_ticks_survive_the_wrap_and_the_future),
		cmocka_unit_test(every_drop_reason_has_its_own_name_and_a_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
