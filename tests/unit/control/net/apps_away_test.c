// SPDX-License-Identifier: BSD-3-Clause
//
// Apps that are away, hang or die in any step of a transaction, and instances that are deleted or made.

#include "tests/unit/control/net/apps_steps.h"

static void an_app_that_is_away_is_a_warning_and_gets_it_later(void **state)
{
	struct net_alarm a[4];

	start(ONE("80"), 7);
	fake_run(t.base, 20);
	assert_int_equal(net_alarms(a, 4), 1);
	assert_string_equal(a[0].kind, "away");
	assert_int_equal(change(ONE("81"), true), 0);
	assert_int_equal(t.r.warning_count, 1);
	assert_non_null(strstr(t.r.warning[0], "lb is not connected (it is not running)"));
	app(&t.lb, "lb", 7);
	fake_wait(t.base, in_step, &t.lb);
	assert_int_equal(t.lb.applied, 8);
	assert_int_equal(net_alarms(a, 4), 0);
}

static void require_all_fails_when_an_app_is_away(void **state)
{
	start(ONE("80"), 7);
	t.require_all = true;
	assert_int_equal(change(ONE("81"), true), -ENOTCONN);
	assert_string_equal(t.r.error[0].path, P_LB);
	assert_string_equal(t.r.error[0].tag, "operation-failed");
}

static void an_app_that_was_just_started_takes_part_at_once(void **state)
{
	start(ONE("80"), 7);
	fake_run(t.base, 300); // pauses have grown
	app(&t.lb, "lb", 7);
	assert_int_equal(change(ONE("81"), true), 0);
	assert_int_equal(t.r.warning_count, 0);
	assert_int_equal(t.lb.applied, 8);
}

static void an_app_that_hangs_is_away_after_the_deadline(void **state)
{
	app(&t.lb, "lb", 7);
	start(ONE("80"), 7);
	fake_wait(t.base, in_step, &t.lb);
	t.lb.hang = true;
	assert_int_equal(change(ONE("81"), true), 0);
	assert_int_equal(t.r.warning_count, 1);
	assert_non_null(strstr(t.r.warning[0], "does not answer"));
	t.lb.hang = false;
	fake_wait(t.base, in_step, &t.lb);
	assert_int_equal(t.lb.applied, 8);
}

static void an_app_that_dies_prepared_is_a_warning_and_is_resynced(void **state)
{
	struct lyd_node *after = fixture_tree(ONE("81"));
	struct fixture_change f;

	app(&t.lb, "lb", 7);
	start(ONE("80"), 7);
	fake_wait(t.base, in_step, &t.lb);
	fixture_change(&f, t.running, after);
	f.c.base = 7;
	f.c.target = 8;
	txn_prepare(t.base, &f.c, on_done, NULL);
	fake_wait(t.base, is_done, NULL);
	assert_int_equal(t.r.result, 0);
	fake_app_stop(&t.lb);
	fake_run(t.base, 10);
	t.done = 0;
	txn_commit(&f.c, on_done, NULL);
	fake_wait(t.base, is_done, NULL);
	assert_int_equal(t.r.result, 0);
	assert_int_equal(t.r.warning_count, 1);
	assert_non_null(strstr(t.r.warning[0], "lost after it had prepared"));
	app(&t.lb, "lb", 7);
	fake_wait(t.base, in_step, &t.lb);
	assert_int_equal(t.lb.applied, 8);
	fixture_change_fini(&f);
	lyd_free_all(t.running);
	t.running = after;
}

static void an_app_that_hangs_in_commit_is_a_warning(void **state)
{
	app(&t.lb, "lb", 7);
	start(ONE("80"), 7);
	fake_wait(t.base, in_step, &t.lb);
	t.lb.hang_commit = true;
	assert_int_equal(change(ONE("81"), true), 0);
	assert_int_equal(t.r.warning_count, 1);
	t.lb.hang_commit = false;
	fake_wait(t.base, in_step, &t.lb);
}

static void an_app_that_lies_about_its_commit_is_resynced(void **state)
{
	app(&t.lb, "lb", 7);
	start(ONE("80"), 7);
	fake_wait(t.base, in_step, &t.lb);
	t.lb.wrong_commit = true;
	assert_int_equal(change(ONE("81"), true), 0);
	assert_int_equal(t.r.warning_count, 1);
	t.lb.wrong_commit = false;
	fake_wait(t.base, in_step, &t.lb);
	assert_int_equal(t.lb.applied, 8);
}

static bool no_apps(void *arg)
{
	struct net_app_state s[4];

	return net_apps(s, 4) == 0;
}

static void an_instance_that_is_deleted_is_emptied_and_let_go(void **state)
{
	app(&t.lb, "lb", 7);
	start(ONE("80"), 7);
	fake_wait(t.base, in_step, &t.lb);
	assert_int_equal(change("{}", true), 0);
	fake_wait(t.base, no_apps, NULL);
	fake_run(t.base, 20);
	assert_string_equal(t.lb.log, "BEGIN(0,8) U1 PREPARE(8) COMMIT(8) CLOSED ");
	assert_null(t.lb.conn);
}

static void an_instance_that_is_deleted_while_away_is_emptied_when_it_comes_back(void **state)
{
	app(&t.lb, "lb", 7);
	start(ONE("80"), 7);
	fake_wait(t.base, in_step, &t.lb);
	fake_app_stop(&t.lb);
	fake_run(t.base, 20);
	assert_int_equal(change("{}", true), 0);
	fake_app_forget(&t.lb);
	app(&t.lb, "lb", 7);
	fake_wait(t.base, no_apps, NULL);
	fake_run(t.base, 20);
	assert_string_equal(t.lb.log, "BEGIN(0,8) U1 PREPARE(8) COMMIT(8) CLOSED ");
}

static bool is_emptied(void *arg)
{
	return strstr(t.lb.log, "COMMIT(8) CLOSED");
}

static void an_instance_deleted_before_the_daemon_restarted_is_emptied(void **state)
{
	start("{}", 8); // version 7 had it
	app(&t.lb, "lb", 7);
	fake_wait(t.base, is_emptied, NULL);
	assert_string_equal(t.lb.log, "BEGIN(0,8) U1 PREPARE(8) COMMIT(8) CLOSED ");
	assert_true(no_apps(NULL));
	fake_run(t.base, 100); // once is enough
	assert_int_equal(t.lb.connects, 1);
}

static void what_another_datastore_has_set_up_is_left_alone(void **state)
{
	start("{}", 8);
	app(&t.lb, "lb", 7);
	t.lb.datastore[0]++;
	fake_run(t.base, 200);
	assert_string_equal(t.lb.log, "CLOSED ");
	assert_int_equal(t.lb.connects, 1);
	assert_int_equal(t.lb.applied, 7);
	// configured here, it is ours
	assert_int_equal(change(ONE("80"), true), 0);
	assert_int_equal(t.lb.applied, 9);
}

static void a_socket_without_an_app_is_no_stray(void **state)
{
	struct net_alarm a[4];
	char moved[128];

	start("{}", 8);
	app(&t.lb, "lb", 7);
	snprintf(moved, sizeof(moved), "%s.moved", t.lb.path);
	assert_int_equal(rename(t.lb.path, moved), 0);
	fake_app_stop(&t.lb);
	assert_int_equal(rename(moved, t.lb.path), 0); // as left by a kill
	fake_run(t.base, 100);
	unlink(t.lb.path);
	assert_true(no_apps(NULL));
	assert_int_equal(net_alarms(a, 4), 0);
}

static void a_new_instance_takes_part_in_the_change_that_makes_it(void **state)
{
	app(&t.lb, "lb", 0);
	start("{}", 7);
	fake_run(t.base, 10);
	assert_true(no_apps(NULL));
	assert_int_equal(change(ONE("80"), true), 0);
	assert_int_equal(t.r.warning_count, 0);
	assert_int_equal(t.lb.applied, 8);
	assert_int_equal(t.lb.upserts, 6);
}

static void a_refused_new_instance_leaves_no_link_behind(void **state)
{
	app(&t.lb, "lb", 0);
	t.lb.refuse = (struct ctl_ack){.result = -EINVAL, .message = "no"};
	start("{}", 7);
	assert_int_not_equal(change(ONE("80"), true), 0);
	fake_wait(t.base, no_apps, NULL);
	assert_int_equal(t.lb.applied, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(an_app_that_is_away_is_a_warning_and_gets_it_later),
		T(require_all_fails_when_an_app_is_away),
		T(an_app_that_was_just_started_takes_part_at_once),
		T(an_app_that_hangs_is_away_after_the_deadline),
		T(an_app_that_dies_prepared_is_a_warning_and_is_resynced),
		T(an_app_that_hangs_in_commit_is_a_warning),
		T(an_app_that_lies_about_its_commit_is_resynced),
		T(an_instance_that_is_deleted_is_emptied_and_let_go),
		T(an_instance_that_is_deleted_while_away_is_emptied_when_it_comes_back),
		T(an_instance_deleted_before_the_daemon_restarted_is_emptied),
		T(what_another_datastore_has_set_up_is_left_alone),
		T(a_socket_without_an_app_is_no_stray),
		T(a_new_instance_takes_part_in_the_change_that_makes_it),
		T(a_refused_new_instance_leaves_no_link_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
