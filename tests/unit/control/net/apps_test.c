// SPDX-License-Identifier: BSD-3-Clause
//
// Apps that are there: resync, transaction, refusal, and what they say of themselves.

#include "tests/unit/control/net/apps_steps.h"

// ---- resync ----------------------------------------------------------------------------------

static void gives_everything_to_an_app_that_has_nothing(void **state)
{
	app(&t.lb, "lb", 0);
	start(ONE("80"), 7);
	fake_wait(t.base, in_step, &t.lb);
	// settings, local pool and address, pool, server, service
	assert_int_equal(t.lb.upserts, 6);
	assert_int_equal(t.lb.begin_base, 0);
	assert_int_equal(t.lb.applied, 7);
}

static void leaves_an_app_alone_that_is_in_step(void **state)
{
	app(&t.lb, "lb", 7);
	start(ONE("80"), 7);
	fake_wait(t.base, in_step, &t.lb);
	fake_run(t.base, 20);
	assert_string_equal(t.lb.log, "");
}

static void does_not_trust_the_version_of_another_datastore(void **state)
{
	app(&t.lb, "lb", 7);
	memset(t.lb.datastore, 9, 16);
	start(ONE("80"), 7);
	fake_wait(t.base, in_step, &t.lb);
	fake_run(t.base, 20);
	assert_int_equal(t.lb.upserts, 6);
	assert_memory_equal(t.lb.datastore, fixture_datastore, 16);
}

static void brings_an_app_from_the_future_back(void **state)
{
	app(&t.lb, "lb", 9);
	start(ONE("80"), 7);
	fake_wait(t.base, in_step, &t.lb);
	assert_int_equal(t.lb.begin_base, 0);
}

static void resyncs_an_app_that_comes_back_empty(void **state)
{
	app(&t.lb, "lb", 7);
	start(ONE("80"), 7);
	fake_wait(t.base, in_step, &t.lb);
	fake_app_stop(&t.lb);
	fake_run(t.base, 30);
	assert_false(state_of("lb").connected);
	app(&t.lb, "lb", 0);
	fake_wait(t.base, in_step, &t.lb);
	assert_int_equal(t.lb.upserts, 6);
}

static bool has_error(void *arg)
{
	return state_of("lb").error_message[0];
}

static void keeps_what_an_app_refuses_at_resync_as_its_error(void **state)
{
	struct net_alarm a[4];

	app(&t.lb, "lb", 3);
	t.lb.refuse = (struct ctl_ack){.result = -EBUSY,
				       .tag = CTL_TAG_IN_USE,
				       .rec_type = CTL_REC_SERVICE,
				       .rec_id = net_id(CTL_REC_SERVICE, "lb", "web", NULL),
				       .field = "address",
				       .message = "taken by another\x1b[2J"};
	start(ONE("80"), 7);
	fake_wait(t.base, has_error, NULL);
	assert_int_equal(state_of("lb").applied, 3); // its last good state
	assert_int_equal(state_of("lb").intended, 7);
	assert_true(state_of("lb").connected);
	assert_string_equal(state_of("lb").error_path,
			    P_LB "/services/service[name='web']/address");
	assert_string_equal(state_of("lb").error_message, "taken by another?[2J");
	assert_int_equal(net_alarms(a, 4), 1);
	assert_string_equal(a[0].kind, "refused");
	assert_string_equal(a[0].instance, "lb");
	// A change that it can take repairs it, from nothing.
	t.lb.refuse.result = 0;
	t.lb.refuse = (struct ctl_ack){0};
	fake_app_forget(&t.lb);
	assert_int_equal(change(ONE("81"), true), 0);
	assert_int_equal(t.lb.begin_base, 0);
	assert_int_equal(t.lb.upserts, 6);
	assert_string_equal(state_of("lb").error_message, "");
	assert_int_equal(net_alarms(a, 4), 0);
}

static void an_app_that_refuses_already_does_not_stop_others(void **state)
{
	app(&t.lb, "lb", 3);
	t.lb.refuse = (struct ctl_ack){.result = -EINVAL, .message = "no such device"};
	start(ONE("80"), 7);
	fake_wait(t.base, has_error, NULL);
	assert_int_equal(change(ONE("81"), true), 0);
	assert_int_equal(t.r.warning_count, 1);
	assert_non_null(strstr(t.r.warning[0], "no such device"));
	t.require_all = true;
	assert_int_not_equal(change(ONE("82"), true), 0);
}

static void falls_back_to_everything_when_a_delta_is_stale(void **state)
{
	app(&t.lb, "lb", 7);
	start(ONE("80"), 7);
	fake_wait(t.base, in_step, &t.lb);
	t.lb.stale = true;
	assert_int_equal(change(ONE("81"), true), 0);
	assert_string_equal(t.lb.log,
			    "BEGIN(7,8) U8 PREPARE(8) ABORT(8) BEGIN(0,8) U1 U5 U6 U7 U9 U8 "
			    "PREPARE(8) COMMIT(8) ");
	assert_int_equal(t.r.warning_count, 0);
}

// ---- transaction -----------------------------------------------------------------------------

static void sends_only_what_changed(void **state)
{
	app(&t.lb, "lb", 7);
	start(ONE("80"), 7);
	fake_wait(t.base, in_step, &t.lb);
	assert_int_equal(change(ONE("81"), true), 0);
	assert_string_equal(t.lb.log, "BEGIN(7,8) U8 PREPARE(8) COMMIT(8) ");
	assert_int_equal(t.lb.applied, 8);
	assert_int_equal(change(TREE("{'name':'lb'}"), true), 0);
	assert_int_equal(t.lb.deletes, 5);
}

static void a_refusal_carries_the_path_and_changes_nothing(void **state)
{
	app(&t.lb, "lb", 7);
	start(ONE("80"), 7);
	fake_wait(t.base, in_step, &t.lb);
	t.lb.refuse = (struct ctl_ack){.result = -ENOMEM,
				       .tag = CTL_TAG_RESOURCE_DENIED,
				       .rec_type = CTL_REC_SERVER,
				       .rec_id = net_id(CTL_REC_SERVER, "lb", "p", "new"),
				       .field = "address",
				       .message = "no room"};
	assert_int_equal(
		change(TREE(INST("lb", "10.0.0.200",
				 SERVER("a", "10.0.0.1", "80") "," SERVER("new", "10.0.0.2", "80"),
				 "192.0.2.1")),
		       true),
		-ENOMEM);
	assert_int_equal(t.r.error_count, 1);
	assert_string_equal(t.r.error[0].tag, "resource-denied");
	assert_string_equal(t.r.error[0].path,
			    P_LB "/pools/pool[name='p']/servers/server[name='new']/address");
	assert_string_equal(t.r.error[0].message, "no room");
	assert_int_equal(t.lb.applied, 7);
	assert_int_equal(state_of("lb").intended, 7);
	// the next one finds everything as it was
	t.lb.refuse = (struct ctl_ack){0};
	fake_run(t.base, 10);
	fake_app_forget(&t.lb);
	assert_int_equal(change(ONE("81"), true), 0);
	assert_string_equal(t.lb.log, "BEGIN(7,8) U8 PREPARE(8) COMMIT(8) ");
}

static void an_error_about_a_record_nobody_knows_is_put_on_the_instance(void **state)
{
	app(&t.lb, "lb", 7);
	start(ONE("80"), 7);
	fake_wait(t.base, in_step, &t.lb);
	t.lb.refuse = (struct ctl_ack){.result = -EIO, .rec_type = CTL_REC_POOL, .rec_id = 99};
	assert_int_not_equal(change(ONE("81"), true), 0);
	assert_string_equal(t.r.error[0].path, P_LB);
	assert_string_equal(t.r.error[0].tag, "operation-failed");
}

static void a_check_that_fails_tells_no_app(void **state)
{
	app(&t.lb, "lb", 7);
	start(ONE("80"), 7);
	fake_wait(t.base, in_step, &t.lb);
	assert_int_not_equal(
		change(TREE(INST("lb", "192.0.2.1", SERVER("a", "10.0.0.1", "80"), "192.0.2.1")),
		       true),
		0);
	assert_string_equal(t.lb.log, "");
}

static void the_second_refuses_and_the_first_is_aborted(void **state)
{
	app(&t.lb, "lb", 7);
	app(&t.lb2, "lb2", 7);
	start(TWO("80", "80"), 7);
	fake_wait(t.base, in_step, &t.lb);
	fake_wait(t.base, in_step, &t.lb2);
	t.lb2.refuse = (struct ctl_ack){.result = -EINVAL, .message = "no"};
	assert_int_not_equal(change(TWO("81", "81"), true), 0);
	assert_non_null(strstr(t.r.error[0].path, "lb2"));
	fake_run(t.base, 20);
	assert_string_equal(t.lb.log, "BEGIN(7,8) U8 PREPARE(8) ABORT(8) ");
	assert_string_equal(t.lb2.log, "BEGIN(7,8) U8 PREPARE(8) ABORT(8) ");
	assert_int_equal(t.lb.applied, 7);
}

static void an_abort_by_the_caller_reaches_the_apps(void **state)
{
	app(&t.lb, "lb", 7);
	start(ONE("80"), 7);
	fake_wait(t.base, in_step, &t.lb);
	assert_int_equal(change(ONE("81"), false), 0);
	fake_run(t.base, 20);
	assert_string_equal(t.lb.log, "BEGIN(7,8) U8 PREPARE(8) ABORT(8) ");
	assert_int_equal(state_of("lb").intended, 7);
}

static void who_has_no_part_in_a_change_only_learns_the_version(void **state)
{
	app(&t.lb, "lb", 7);
	app(&t.lb2, "lb2", 7);
	start(TWO("80", "80"), 7);
	fake_wait(t.base, in_step, &t.lb2);
	fake_wait(t.base, in_step, &t.lb);
	assert_int_equal(change(TWO("81", "80"), true), 0);
	fake_wait(t.base, in_step, &t.lb2);
	assert_string_equal(t.lb2.log, "BEGIN(7,8) PREPARE(8) COMMIT(8) ");
}

static struct lyd_node *collect(void)
{
	struct lyd_node *tree = NULL;

	if (t.running)
		assert_int_equal(lyd_dup_siblings(t.running, NULL, LYD_DUP_RECURSIVE, &tree),
				 LY_SUCCESS);
	t.done = 0;
	txn_state(&tree, on_done, NULL);
	fake_wait(t.base, is_done, NULL);
	return tree;
}

static const char *value(const struct lyd_node *tree, const char *path)
{
	struct lyd_node *n = NULL;

	if (!tree || lyd_find_path(tree, path, 0, &n) != LY_SUCCESS)
		return "(none)";
	return lyd_get_value(n);
}

static void puts_the_state_of_apps_into_the_tree(void **state)
{
	struct lyd_node *tree;

	app(&t.lb, "lb", 7);
	t.lb.answer =
		"{\"sluice-lb:load-balancers\":{\"load-balancer\":[{\"name\":\"lb\",\"pools\":{\"pool\":"
		"[{\"name\":\"p\",\"servers\":{\"server\":[{\"name\":\"a\",\"state\":{\"health\":\"down\","
		"\"new-flows\":\"12\"}},{\"name\":\"gone\",\"state\":{\"health\":\"up\"}}]}}]},"
		"\"state\":{\"active-flows\":\"5\",\"worker\":[{\"index\":0,\"busy\":\"12.5\"}]}}]}}";
	start(ONE("80"), 7);
	fake_wait(t.base, in_step, &t.lb);
	tree = collect();
	assert_int_equal(t.r.warning_count, 0);
	assert_string_equal(value(tree, P_LB "/state/connected"), "true");
	assert_string_equal(value(tree, P_LB "/state/applied-version"), "7");
	assert_string_equal(value(tree, P_LB "/state/active-flows"), "5");
	assert_string_equal(value(tree, P_LB "/state/worker[index='0']/busy"), "12.5");
	assert_string_equal(
		value(tree, P_LB "/pools/pool[name='p']/servers/server[name='a']/state/health"),
		"down");
	// what has been deleted meanwhile does not come back
	assert_string_equal(
		value(tree, P_LB "/pools/pool[name='p']/servers/server[name='gone']/name"),
		"(none)");
	lyd_free_all(tree);
}

static void an_app_that_is_away_is_shown_so(void **state)
{
	struct lyd_node *tree;

	start(ONE("80"), 7);
	tree = collect();
	assert_string_equal(value(tree, P_LB "/state/connected"), "false");
	lyd_free_all(tree);
}

static void an_app_that_hangs_is_left_out_of_the_state(void **state)
{
	struct lyd_node *tree;

	app(&t.lb, "lb", 7);
	t.lb.hang_query = true;
	start(ONE("80"), 7);
	fake_wait(t.base, in_step, &t.lb);
	tree = collect();
	assert_int_equal(t.r.warning_count, 1);
	assert_string_equal(value(tree, P_LB "/state/connected"), "true");
	lyd_free_all(tree);
}

static void refuses_state_that_is_not_the_apps_to_give(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"{} trailing",
		"{\"sluice-lb:unknown\":1}",
		// configuration
		"{\"sluice-lb:load-balancers\":{\"load-balancer\":[{\"name\":\"lb\",\"pools\":{\"pool\":"
		"[{\"name\":\"p\",\"scheduler\":\"weighted-round-robin\"}]}}]}}",
		"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"x\",\"type\":"
		"\"sluice-port:tap\"}]}}",
		// another instance
		"{\"sluice-lb:load-balancers\":{\"load-balancer\":[{\"name\":\"lb2\",\"state\":"
		"{\"active-flows\":\"5\"}}]}}",
		// an interface of another owner
		"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"x2\","
		"\"oper-status\":\"up\"}]}}",
		// a value outside its type
		"{\"sluice-lb:load-balancers\":{\"load-balancer\":[{\"name\":\"lb\",\"state\":"
		"{\"active-flows\":\"-5\"}}]}}",
		// another model
		"{\"ietf-interfaces:interfaces-state\":{}}",
	};
	static const char good[] =
		"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"x\",\"oper-status\":\"up\","
		"\"type\":\"sluice-port:af-xdp\","
		"\"sluice-port:port-state\":{\"wakeup\":true}}]}}  \n";
	struct lyd_node *tree, *copy;
	char why[256];

	(void)state;
	start("{'sluice-lb:load-balancers':{'load-balancer':[{'name':'lb','pools':{'pool':[{'name':"
	      "'p'}]}},{'name':'lb2'}]},'ietf-interfaces:interfaces':{'interface':["
	      "{'name':'x2','type':'sluice-port:af-xdp','sluice-port:port':{'owner':'lb2'}},"
	      "{'name':'x','type':'sluice-port:af-xdp','sluice-port:port':{'owner':'lb'}}]}}",
	      7);
	lyd_dup_siblings(t.running, NULL, LYD_DUP_RECURSIVE, &tree);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		lyd_dup_siblings(t.running, NULL, LYD_DUP_RECURSIVE, &copy);
		if (net_state_merge(fixture_ctx(), copy, "lb", bad[i], strlen(bad[i]), why,
				    sizeof(why)) == 0)
			fail_msg("taken: %s", bad[i]);
		lyd_free_all(copy);
	}
	assert_int_equal(
		net_state_merge(fixture_ctx(), tree, "lb", good, strlen(good), why, sizeof(why)),
		0);
	assert_string_equal(
		value(tree, "/ietf-interfaces:interfaces/interface[name='x']/oper-status"), "up");
	lyd_free_all(tree);
}

static void on_query(void *arg, int rc, const char *json, size_t size)
{
	t.query_rc = rc;
	snprintf(t.query, sizeof(t.query), "%s", json ? json : "");
	t.done = 1;
}

static void hands_a_query_through(void **state)
{
	app(&t.lb, "lb", 7);
	t.lb.answer = "{\"total\":0}";
	start(ONE("80"), 7);
	fake_wait(t.base, in_step, &t.lb);
	net_query("lb", "flows", "{\"limit\":1}", on_query, NULL);
	fake_wait(t.base, is_done, NULL);
	assert_int_equal(t.query_rc, 0);
	assert_string_equal(t.query, "{\"total\":0}");
	net_query("nobody", "flows", NULL, on_query, NULL);
	assert_int_equal(t.query_rc, -ENOENT);
	fake_app_stop(&t.lb);
	fake_run(t.base, 20);
	net_query("lb", "flows", NULL, on_query, NULL);
	assert_int_equal(t.query_rc, -ENOTCONN);
}

static void keeps_what_apps_report_until_it_is_over(void **state)
{
	struct ctl_event e = {.kind = CTL_EVENT_HEALTH,
			      .severity = 4,
			      .rec_type = CTL_REC_SERVER,
			      .rec_id = net_id(CTL_REC_SERVER, "lb", "p", "a"),
			      .message = "connection refused"};
	struct net_alarm a[4];

	app(&t.lb, "lb", 7);
	start(ONE("80"), 7);
	fake_wait(t.base, in_step, &t.lb);
	fake_app_send(&t.lb, CTL_EVENT, 0, 0, &e, sizeof(e));
	fake_app_send(&t.lb, CTL_EVENT, 0, 0, &e, sizeof(e));
	fake_run(t.base, 20);
	assert_int_equal(net_alarms(a, 4), 1);
	assert_string_equal(a[0].path, P_LB "/pools/pool[name='p']/servers/server[name='a']");
	assert_string_equal(a[0].message, "connection refused");
	e.severity = 5;
	fake_app_send(&t.lb, CTL_EVENT, 0, 0, &e, sizeof(e));
	fake_run(t.base, 20);
	assert_int_equal(net_alarms(a, 4), 0);
	// It goes with the server it is about.
	e.severity = 4;
	fake_app_send(&t.lb, CTL_EVENT, 0, 0, &e, sizeof(e));
	fake_run(t.base, 20);
	assert_int_equal(net_alarms(a, 4), 1);
	assert_int_equal(change(TREE(INST("lb", "10.0.0.200", "", "192.0.2.1")), true), 0);
	assert_int_equal(net_alarms(a, 4), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(gives_everything_to_an_app_that_has_nothing),
		T(leaves_an_app_alone_that_is_in_step),
		T(does_not_trust_the_version_of_another_datastore),
		T(brings_an_app_from_the_future_back),
		T(resyncs_an_app_that_comes_back_empty),
		T(keeps_what_an_app_refuses_at_resync_as_its_error),
		T(an_app_that_refuses_already_does_not_stop_others),
		T(falls_back_to_everything_when_a_delta_is_stale),
		T(sends_only_what_changed),
		T(a_refusal_carries_the_path_and_changes_nothing),
		T(an_error_about_a_record_nobody_knows_is_put_on_the_instance),
		T(a_check_that_fails_tells_no_app),
		T(the_second_refuses_and_the_first_is_aborted),
		T(an_abort_by_the_caller_reaches_the_apps),
		T(who_has_no_part_in_a_change_only_learns_the_version),
		T(puts_the_state_of_apps_into_the_tree),
		T(an_app_that_is_away_is_shown_so),
		T(an_app_that_hangs_is_left_out_of_the_state),
		T(refuses_state_that_is_not_the_apps_to_give),
		T(hands_a_query_through),
		T(keeps_what_apps_report_until_it_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
