// SPDX-License-Identifier: BSD-3-Clause
//
// The engine under a fake clock and a fake prober: the test decides what each check gives and when.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "control/check/target.h"

#define MS 1000

enum mode { HANG, GOOD, BAD, LOCAL };

struct subscriber {
	struct check_sub sub;
	unsigned told, news;
	uint8_t health;
	char reason[CHECK_REASON];
};

static struct fixture {
	struct check_engine *e;
	enum mode mode;
	uint64_t now;
	unsigned started, cancelled, woken;
	uint64_t start_at[4096];
	struct check_target *last;
} f;

static bool fake_start(void *arg, struct check_target *t, struct check_result *r)
{
	(void)arg;
	if (f.started < 4096)
		f.start_at[f.started] = f.now;
	f.started++;
	f.last = t;
	if (f.mode == HANG)
		return false;
	r->ok = f.mode == GOOD;
	r->local = f.mode == LOCAL;
	r->latency_us = 5;
	snprintf(r->reason, sizeof(r->reason), "%s", f.mode == BAD ? "HTTP 503" : "");
	return true;
}

static void fake_cancel(void *arg, struct check_target *t)
{
	(void)arg;
	(void)t;
	f.cancelled++;
}

static void fake_tell(void *arg, struct check_sub *sub, bool news)
{
	struct subscriber *s = (struct subscriber *)sub;

	(void)arg;
	s->told++;
	s->news += news;
	s->health = sub->target->health.health;
	memcpy(s->reason, sub->target->reason, sizeof(s->reason));
}

static void fake_wake(void *arg)
{
	(void)arg;
	f.woken++;
}

static int setup(void **state)
{
	static const struct check_ops ops = {
		.start = fake_start, .cancel = fake_cancel, .tell = fake_tell, .wake = fake_wake};

	(void)state;
	memset(&f, 0, sizeof(f));
	f.mode = GOOD;
	f.now = 1000000;
	return check_engine_create(&ops, 12345, &f.e);
}

static int teardown(void **state)
{
	(void)state;
	check_engine_destroy(f.e);
	return 0;
}

static struct ctl_target target(uint8_t host, uint32_t interval_ms, uint32_t timeout_ms,
				uint16_t rise, uint16_t fall)
{
	struct ctl_target t = {
		.addr = {.family = 4, .len = 32, .bytes = {192, 0, 2, host}},
		.port = htons(80),
		.check = {.kind = CTL_CHECK_TCP,
			  .interval_ms = interval_ms,
			  .timeout_ms = timeout_ms,
			  .rise = rise,
			  .fall = fall},
	};

	return t;
}

static void subscribe(struct subscriber *s, struct ctl_target t)
{
	assert_int_equal(check_subscribe(f.e, &s->sub, &t, f.now), 0);
}

// Let time pass, calling the engine whenever it asked to be called.
static void pass(uint64_t ms)
{
	uint64_t end = f.now + ms * MS, next;

	while ((next = check_engine_run(f.e, f.now)) <= end)
		f.now = next > f.now ? next : f.now;
	f.now = end;
	check_engine_run(f.e, f.now);
}

static void first_check_comes_within_the_first_second(void **state)
{
	struct subscriber s = {0};

	(void)state;
	subscribe(&s, target(1, 60000, 1000, 1, 1));
	assert_true(f.woken > 0);
	pass(1000);
	assert_int_equal(f.started, 1);
	assert_int_equal(s.health, CTL_HEALTH_UP);
	assert_int_equal(s.news, 1);
	check_unsubscribe(f.e, &s.sub);
}

static void interval_is_kept_however_long_a_check_takes(void **state)
{
	struct subscriber s = {0};
	struct check_result good = {.ok = true};

	(void)state;
	subscribe(&s, target(1, 500, 400, 1, 1));
	f.mode = HANG;
	for (unsigned i = 0; i < 20; i++) {
		while (f.started == i)
			pass(1);
		pass(i * 17); // below the timeout
		check_engine_result(f.e, f.last, &good, f.now);
	}
	for (unsigned i = 2; i < 20; i++)
		assert_in_range(f.start_at[i] - f.start_at[1], (i - 1) * 500 * MS,
				(i - 1) * 500 * MS + 2 * MS);
	check_unsubscribe(f.e, &s.sub);
}

static void a_late_call_skips_checks_and_does_not_make_them_up(void **state)
{
	struct subscriber s = {0};

	(void)state;
	subscribe(&s, target(1, 100, 50, 1, 1));
	pass(1000);
	f.started = 0;
	f.now += 10000 * MS; // the machine slept
	check_engine_run(f.e, f.now);
	assert_int_equal(f.started, 1);
	pass(100);
	assert_int_equal(f.started, 2);
	check_unsubscribe(f.e, &s.sub);
}

static void until_a_verdict_checks_follow_quickly(void **state)
{
	struct subscriber s = {0};

	(void)state;
	subscribe(&s, target(1, 60000, 1000, 3, 3));
	pass(1000 + 2 * CHECK_FIRST_MS);
	assert_int_equal(f.started, 3);
	assert_int_equal(s.health, CTL_HEALTH_UP);
	pass(59000);
	assert_int_equal(f.started, 3);
	check_unsubscribe(f.e, &s.sub);
}

static void rise_and_fall_take_their_number_of_checks(void **state)
{
	struct subscriber s = {0};

	(void)state;
	subscribe(&s, target(1, 100, 50, 2, 3));
	pass(1000);
	assert_int_equal(s.health, CTL_HEALTH_UP);
	assert_int_equal(s.news, 1);
	f.mode = BAD;
	f.started = 0;
	while (s.health == CTL_HEALTH_UP)
		pass(1);
	assert_int_equal(f.started, 3);
	assert_string_equal(s.reason, "HTTP 503");
	f.mode = GOOD;
	f.started = 0;
	while (s.health == CTL_HEALTH_DOWN)
		pass(1);
	assert_int_equal(f.started, 2);
	assert_string_equal(s.reason, "");
	assert_int_equal(s.news, 3);
	check_unsubscribe(f.e, &s.sub);
}

static void a_check_that_hangs_ends_at_its_timeout(void **state)
{
	struct subscriber s = {0};

	(void)state;
	f.mode = HANG;
	subscribe(&s, target(1, 1000, 300, 1, 1));
	while (f.started == 0)
		pass(1);
	pass(298);
	assert_int_equal(f.cancelled, 0);
	pass(2);
	assert_int_equal(f.cancelled, 1);
	assert_int_equal(s.health, CTL_HEALTH_DOWN);
	assert_string_equal(s.reason, "timeout after 300 ms");
	assert_int_equal(check_engine_running(f.e), 0);
	check_unsubscribe(f.e, &s.sub);
}

static void want_of_our_own_resources_says_nothing_of_the_server(void **state)
{
	struct subscriber s = {0};

	(void)state;
	f.mode = LOCAL;
	subscribe(&s, target(1, 60000, 1000, 1, 1));
	pass(5000);
	assert_true(f.started >= 40); // tried again each CHECK_RETRY_MS
	assert_int_equal(s.told, 0);
	f.mode = GOOD;
	pass(CHECK_RETRY_MS);
	assert_int_equal(s.health, CTL_HEALTH_UP);
	check_unsubscribe(f.e, &s.sub);
}

static void equal_targets_are_one(void **state)
{
	struct subscriber s[3] = {0};

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		subscribe(&s[i], target(1, 500, 400, 1, 1));
	assert_int_equal(check_engine_targets(f.e), 1);
	pass(500);
	assert_int_equal(f.started, 1);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(s[i].news, 1);
	check_unsubscribe(f.e, &s[1].sub);
	pass(500);
	assert_int_equal(s[0].told, 2);
	assert_int_equal(s[1].told, 1);
	check_unsubscribe(f.e, &s[0].sub);
	check_unsubscribe(f.e, &s[2].sub);
	assert_int_equal(check_engine_targets(f.e), 0);
}

static void targets_that_differ_anywhere_are_two(void **state)
{
	struct subscriber s[6] = {0};
	struct ctl_target t = target(1, 500, 400, 1, 1);

	(void)state;
	subscribe(&s[0], t);
	t.port = htons(81);
	subscribe(&s[1], t);
	t = target(2, 500, 400, 1, 1);
	subscribe(&s[2], t);
	t = target(1, 500, 400, 2, 1);
	subscribe(&s[3], t);
	t = target(1, 500, 400, 1, 1);
	t.check.path[0] = '/';
	subscribe(&s[4], t);
	t.check.body[0] = 'x';
	subscribe(&s[5], t);
	assert_int_equal(check_engine_targets(f.e), 6);
	for (unsigned i = 0; i < 6; i++)
		check_unsubscribe(f.e, &s[i].sub);
}

static void a_change_of_times_keeps_what_is_known(void **state)
{
	struct subscriber s = {0};

	(void)state;
	f.mode = BAD;
	subscribe(&s, target(1, 100, 50, 1, 1));
	pass(200);
	assert_int_equal(s.health, CTL_HEALTH_DOWN);
	subscribe(&s, target(1, 5000, 50, 3, 3));
	assert_int_equal(s.sub.target->health.health, CTL_HEALTH_DOWN);
	assert_string_equal(s.sub.target->reason, "HTTP 503");
	assert_int_equal(check_engine_targets(f.e), 1);
	check_unsubscribe(f.e, &s.sub);
}

static void a_change_of_the_question_forgets(void **state)
{
	struct subscriber s = {0};
	struct ctl_target t = target(1, 100, 50, 1, 1);

	(void)state;
	subscribe(&s, t);
	pass(200);
	assert_int_equal(s.health, CTL_HEALTH_UP);
	t.port = htons(81);
	subscribe(&s, t);
	assert_int_equal(s.sub.target->health.health, CTL_HEALTH_UNKNOWN);
	check_unsubscribe(f.e, &s.sub);
}

static void a_running_check_is_cancelled_with_its_last_subscriber(void **state)
{
	struct subscriber s = {0};

	(void)state;
	f.mode = HANG;
	subscribe(&s, target(1, 1000, 900, 1, 1));
	pass(1000);
	assert_int_equal(check_engine_running(f.e), 1);
	check_unsubscribe(f.e, &s.sub);
	assert_int_equal(f.cancelled, 1);
	assert_int_equal(check_engine_running(f.e), 0);
	assert_int_equal(check_engine_run(f.e, f.now), UINT64_MAX);
}

// 2,000 targets at 2 s: about 1,000 checks a second, spread; and removal from the middle of the heap.
static void load_is_spread_and_order_survives_removals(void **state)
{
	enum { N = 2000 };
	struct subscriber *s = calloc(N, sizeof(*s));
	unsigned most = 0;

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		struct ctl_target t = target(1, 2000, 1000, 1, 1);

		t.port = htons((uint16_t)(1000 + i));
		subscribe(&s[i], t);
	}
	pass(2000);
	for (unsigned second = 0; second < 20; second++) { // 100 ms each
		f.started = 0;
		pass(100);
		most = f.started > most ? f.started : most;
	}
	assert_true(most < 300); // all first checks lay within one second: 200 on average in those
	for (unsigned i = 0; i < N; i += 2)
		check_unsubscribe(f.e, &s[i].sub);
	assert_int_equal(check_engine_targets(f.e), N / 2);
	f.started = 0;
	pass(2000);
	assert_int_equal(f.started, N / 2);
	for (unsigned i = 1; i < N; i += 2)
		check_unsubscribe(f.e, &s[i].sub);
	assert_int_equal(check_engine_targets(f.e), 0);
	free(s);
}

// The engine is called too late in the middle of a check: the server gets what was lost. A dead one still fails.
static void our_own_lateness_is_no_fault_of_the_server(void **state)
{
	struct subscriber s = {0};
	uint64_t began;

	(void)state;
	f.mode = HANG;
	subscribe(&s, target(1, 10000, 1000, 1, 1));
	while (f.started == 0)
		pass(10);
	began = f.now;
	f.now += 5000 * MS; // nobody called for five seconds, its time was one
	check_engine_run(f.e, f.now);
	assert_int_equal(s.told, 0);
	assert_int_equal(check_engine_forgiven(f.e), 1);
	assert_in_range(check_engine_late_us(f.e), 3900 * MS, 4100 * MS);
	pass(3500);
	assert_int_equal(s.told, 0);
	pass(600);
	assert_int_equal(s.health, CTL_HEALTH_DOWN);
	assert_true(f.now > began);
	check_unsubscribe(f.e, &s.sub);
}

static void a_call_in_time_gives_nothing_away(void **state)
{
	struct subscriber s = {0};

	(void)state;
	f.mode = HANG;
	subscribe(&s, target(1, 10000, 1000, 1, 1));
	pass(2100);
	assert_int_equal(s.health, CTL_HEALTH_DOWN);
	assert_int_equal(check_engine_late_us(f.e), 0);
	assert_int_equal(check_engine_forgiven(f.e), 0);
	check_unsubscribe(f.e, &s.sub);
}

static void who_asks_gets_a_check_at_once(void **state)
{
	struct subscriber s = {0};
	unsigned before;

	(void)state;
	subscribe(&s, target(1, 60000, 1000, 1, 1));
	pass(2000);
	assert_int_equal(f.started, 1);
	check_engine_soon(f.e, &s.sub, f.now);
	pass(1);
	assert_int_equal(f.started, 2);
	check_engine_soon(f.e, &s.sub, f.now); // it has just been: a little later
	pass(CHECK_FIRST_MS - 50);
	assert_int_equal(f.started, 2);
	pass(100);
	assert_int_equal(f.started, 3);
	before = f.started;
	pass(59000);
	assert_int_equal(f.started, before); // the rhythm goes on from there
	pass(2000);
	assert_int_equal(f.started, before + 1);
	check_unsubscribe(f.e, &s.sub);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(first_check_comes_within_the_first_second),
		TEST(interval_is_kept_however_long_a_check_takes),
		TEST(a_late_call_skips_checks_and_does_not_make_them_up),
		TEST(our_own_lateness_is_no_fault_of_the_server),
		TEST(a_call_in_time_gives_nothing_away),
		TEST(who_asks_gets_a_check_at_once),
		TEST(until_a_verdict_checks_follow_quickly),
		TEST(rise_and_fall_take_their_number_of_checks),
		TEST(a_check_that_hangs_ends_at_its_timeout),
		TEST(want_of_our_own_resources_says_nothing_of_the_server),
		TEST(equal_targets_are_one),
		TEST(targets_that_differ_anywhere_are_two),
		TEST(a_change_of_times_keeps_what_is_known),
		TEST(a_change_of_the_question_forgets),
		TEST(a_running_check_is_cancelled_with_its_last_subscriber),
		TEST(load_is_spread_and_order_survives_removals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
