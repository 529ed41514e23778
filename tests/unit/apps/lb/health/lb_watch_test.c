// SPDX-License-Identifier: BSD-3-Clause
//
// What check, agent, passive observation and damping make of a server together, under a fake clock.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/lb/conf/lb_store.h"
#include "apps/lb/health/lb_watch.h"

#define S 1000

static struct ctl_check k;
static struct lb_watch w;
static struct lb_verdict v;

static int setup(void **state)
{
	(void)state;
	lb_watch_fini(&w);
	memset(&w, 0, sizeof(w));
	v = (struct lb_verdict){.watch = &w, .agent_percent = 100};
	k = (struct ctl_check){
		.kind = CTL_CHECK_TCP,
		.agent_port = 1,
		.passive_failures = 3,
		.passive_hold_ms = 10 * S,
		.damping_changes = 4,
		.damping_window_ms = 60 * S,
		.damping_hold_ms = 30 * S,
	};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lb_watch_fini(&w);
	return 0;
}

static const char *reason(void)
{
	static char text[256];

	return lb_watch_reason(&v, &k, text, sizeof(text));
}

static void down_is_down_whoever_says_so(void **state)
{
	(void)state;
	assert_int_equal(lb_watch_health(&v, &k), CTL_HEALTH_UNKNOWN);
	v.health = CTL_HEALTH_UP;
	assert_int_equal(lb_watch_health(&v, &k), CTL_HEALTH_UP);
	assert_string_equal(reason(), "");
	v.agent = CTL_AGENT_KNOWN | CTL_AGENT_DOWN;
	assert_int_equal(lb_watch_health(&v, &k), CTL_HEALTH_DOWN);
	v.agent = CTL_AGENT_KNOWN | CTL_AGENT_MAINT;
	assert_int_equal(lb_watch_health(&v, &k), CTL_HEALTH_DOWN);
	assert_false(lb_watch_raw_down(&v, &k)); // what is wanted of it is no flapping
	v.agent = CTL_AGENT_KNOWN | CTL_AGENT_DRAIN;
	assert_int_equal(lb_watch_health(&v, &k), CTL_HEALTH_UP);
	assert_true(lb_watch_drains(&v, &k));
	v.agent = 0;
	w.passive_until = 1;
	w.run = 7;
	assert_int_equal(lb_watch_health(&v, &k), CTL_HEALTH_DOWN);
	assert_string_equal(reason(), "passive: 7 connections of clients failed in a row");
	w.damped_until = 1;
	w.passive_until = 0;
	assert_int_equal(lb_watch_health(&v, &k), CTL_HEALTH_DOWN);
	assert_string_equal(reason(), "held down: it changed 4 times within 60 s");
	assert_false(lb_watch_raw_down(&v, &k));
	w.damped_until = 0;
	v.health = CTL_HEALTH_DOWN;
	assert_int_equal(lb_watch_health(&v, &k), CTL_HEALTH_DOWN);
}

// Configuration acts at once, whatever was seen before.
static void what_is_not_asked_for_has_no_say(void **state)
{
	(void)state;
	v.health = CTL_HEALTH_DOWN;
	v.agent = CTL_AGENT_KNOWN | CTL_AGENT_DOWN | CTL_AGENT_DRAIN;
	v.agent_percent = 10;
	w.passive_until = w.damped_until = UINT64_MAX;
	k.agent_port = k.passive_failures = k.damping_changes = 0;
	k.kind = CTL_CHECK_NONE;
	assert_int_equal(lb_watch_health(&v, &k), CTL_HEALTH_UNKNOWN);
	assert_false(lb_watch_drains(&v, &k));
	assert_false(lb_watch_any(&k));
	assert_int_equal(lb_watch_weight(&v, &k, 200), 200);
	assert_string_equal(reason(), "");
	k.agent_port = 1;
	assert_true(lb_watch_any(&k));
	assert_int_equal(lb_watch_health(&v, &k), CTL_HEALTH_DOWN);
	v.watch = NULL;
	k.passive_failures = k.damping_changes = 2;
	v.agent = 0;
	assert_int_equal(lb_watch_health(&v, &k), CTL_HEALTH_UNKNOWN);
}

static void the_agent_says_a_share_of_the_weight(void **state)
{
	(void)state;
	v.agent_percent = 50;
	assert_int_equal(lb_watch_weight(&v, &k, 10), 10); // it has not spoken
	v.agent = CTL_AGENT_KNOWN;
	assert_int_equal(lb_watch_weight(&v, &k, 10), 5);
	assert_int_equal(lb_watch_weight(&v, &k, 1), 1); // not nothing
	assert_int_equal(lb_watch_weight(&v, &k, 0), 0);
	v.agent_percent = 0;
	assert_int_equal(lb_watch_weight(&v, &k, 256), 0);
	v.agent_percent = 1000;
	assert_int_equal(lb_watch_weight(&v, &k, 20), 200);
	assert_int_equal(lb_watch_weight(&v, &k, 256), 256);
	assert_int_equal(lb_watch_weight(&v, &k, 0), 0);
}

static void the_agent_is_told_in_words(void **state)
{
	char text[64];

	(void)state;
	assert_string_equal(lb_watch_agent(&v, &k, text, sizeof(text)), "");
	v.agent = CTL_AGENT_KNOWN | CTL_AGENT_DOWN | CTL_AGENT_DRAIN;
	v.agent_percent = 75;
	assert_string_equal(lb_watch_agent(&v, &k, text, sizeof(text)), "down drain 75%");
}

static void failures_in_a_row_are_enough(void **state)
{
	(void)state;
	assert_false(lb_passive_note(&w, &k, 1, 100, 50)); // what was before does not count
	assert_false(lb_passive_note(&w, &k, 1, 100, 52));
	assert_false(lb_passive_note(&w, &k, 1, 101, 52)); // a good one between them
	assert_false(lb_passive_note(&w, &k, 1, 101, 54));
	assert_false(lb_passive_note(&w, &k, 1, 102, 60)); // both: the good one counts more
	assert_false(lb_passive_note(&w, &k, 1, 102, 62));
	assert_true(lb_passive_note(&w, &k, 1, 102, 63));
	lb_passive_mark(&w, &k, 5 * S);
	assert_int_equal(w.passive_until, 15 * S);
	assert_false(lb_passive_note(&w, &k, 1, 102, 70)); // it is marked already
	lb_passive_clear(&w);
	assert_false(lb_passive_note(&w, &k, 1, 102, 72));
	assert_true(lb_passive_note(&w, &k, 1, 102, 73));
	k.passive_failures = 0;
	assert_false(lb_passive_note(&w, &k, 1, 102, 90));
}

static void another_slot_begins_anew(void **state)
{
	(void)state;
	lb_passive_note(&w, &k, 1, 0, 0);
	assert_false(lb_passive_note(&w, &k, 1, 0, 2));
	assert_false(lb_passive_note(&w, &k, 2, 7, 1000)); // of whoever had it before
	assert_false(lb_passive_note(&w, &k, 2, 7, 1002));
	assert_true(lb_passive_note(&w, &k, 2, 7, 1003));
}

static void holds_at_the_nth_change_within_the_window(void **state)
{
	uint64_t t = 100 * S;

	(void)state;
	assert_false(lb_damp_change(&w, &k, t));
	assert_false(lb_damp_change(&w, &k, t + 1));
	assert_false(lb_damp_change(&w, &k, t + 2));
	assert_true(lb_damp_change(&w, &k, t + 60 * S - 1));
	assert_int_equal(w.damped_until, t + 90 * S - 1);
	assert_false(lb_damp_tick(&w, &k, t + 90 * S - 2));
	assert_int_not_equal(w.damped_until, 0);
	assert_true(lb_damp_tick(&w, &k, t + 90 * S - 1));
	assert_int_equal(w.damped_until, 0);
}

static void slow_changes_are_none_of_its_business(void **state)
{
	uint64_t t = 100 * S;

	(void)state;
	for (unsigned i = 0; i < 50; i++, t += 20 * S)
		assert_false(lb_damp_change(&w, &k, t));
}

// n changes a second apart. Returns: the time after them.
static uint64_t flap(uint64_t t, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		lb_damp_change(&w, &k, t += S);
	return t;
}

static void the_hold_doubles_sixteen_times_at_most(void **state)
{
	static const unsigned times[] = {1, 2, 4, 8, 16, 16, 16};
	uint64_t t = 100 * S;

	(void)state;
	for (unsigned i = 0; i < 7; i++) {
		t = flap(t, 4);
		assert_int_equal(w.damped_until - t, times[i] * 30 * S);
		t = w.damped_until;
		assert_true(lb_damp_tick(&w, &k, t));
	}
	// Quiet for as long as it was held, and the window: a new story.
	t = flap(t + 60 * S + 16 * 30 * S, 4);
	assert_int_equal(w.damped_until - t, 30 * S);
}

static void flapping_on_while_held_is_held_on(void **state)
{
	uint64_t t = flap(100 * S, 4), end = w.damped_until;

	(void)state;
	flap(end - 5 * S, 4);
	assert_int_equal(w.damped_until, end); // nothing changes before it ends
	assert_false(lb_damp_tick(&w, &k, end));
	assert_int_equal(w.damped_until, end + 60 * S);
	assert_true(lb_damp_tick(&w, &k, end + 60 * S));
	assert_true(t < end);
}

// One change after the hold is no flapping, though the window reaches back behind it.
static void begins_with_nothing_after_a_hold(void **state)
{
	uint64_t t;

	(void)state;
	k.damping_hold_ms = S;
	t = flap(100 * S, 5) + S;
	k.damping_window_ms = 1000; // let it go
	assert_true(lb_damp_tick(&w, &k, t + S));
	k.damping_window_ms = 60 * S;
	assert_false(lb_damp_change(&w, &k, t + 2 * S));
}

static void another_size_begins_anew(void **state)
{
	uint64_t t = flap(100 * S, 3);

	(void)state;
	k.damping_changes = 2;
	assert_false(lb_damp_change(&w, &k, t + 1));
	assert_true(lb_damp_change(&w, &k, t + 2));
	k.damping_changes = 0;
	assert_false(lb_damp_change(&w, &k, t + 3));
	assert_true(lb_damp_tick(&w, &k, t + 100 * S)); // switched off: it ends all the same
}

// As it comes from the file of the process before us: no ring.
static void a_hold_of_the_process_before_us_ends(void **state)
{
	(void)state;
	w.damped_until = 50 * S;
	w.level = 2;
	assert_false(lb_damp_tick(&w, &k, 49 * S));
	assert_true(lb_damp_tick(&w, &k, 50 * S));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(down_is_down_whoever_says_so),
		TEST(what_is_not_asked_for_has_no_say),
		TEST(the_agent_says_a_share_of_the_weight),
		TEST(the_agent_is_told_in_words),
		TEST(failures_in_a_row_are_enough),
		TEST(another_slot_begins_anew),
		TEST(holds_at_the_nth_change_within_the_window),
		TEST(slow_changes_are_none_of_its_business),
		TEST(the_hold_doubles_sixteen_times_at_most),
		TEST(flapping_on_while_held_is_held_on),
		TEST(begins_with_nothing_after_a_hold),
		TEST(another_size_begins_anew),
		TEST(a_hold_of_the_process_before_us_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
