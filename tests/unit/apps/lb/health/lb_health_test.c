// SPDX-License-Identifier: BSD-3-Clause
//
// Verdicts of checkers, agents and clients' own connections: what of them workers see, when, and what a restart
// keeps.

#include "tests/unit/apps/lb/conf/conf_fake.h"

#include "apps/lb/health/lb_watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void a_verdict_is_published_without_a_transaction(void **state)
{
	uint64_t serial, version;

	configure();
	serial = seen()->serial;
	version = seen()->version;
	assert_int_equal(picks(), 3); // unknown counts as up
	verdict(S1, CTL_HEALTH_UP, "");
	assert_int_equal(seen()->serial, serial); // nothing changed for workers
	verdict(S1, CTL_HEALTH_DOWN, "connection refused");
	assert_int_equal(picks(), 2);
	assert_int_equal(server_of(S1)->alive, 0);
	assert_true(seen()->serial > serial);
	assert_int_equal(seen()->version, version);
	verdict(S2, CTL_HEALTH_DOWN, "timeout");
	assert_int_equal(picks(), 0);
	assert_int_equal(find_service("10.1.0.1", 80)->pool->available, 0);
	verdict(S1, CTL_HEALTH_UP, "");
	verdict(S2, CTL_HEALTH_UNKNOWN, "");
	assert_int_equal(picks(), 3);
	verdict(99, CTL_HEALTH_DOWN, "");
	assert_int_equal(lb.unknown_verdicts, 1);
}

static void a_verdict_counts_only_where_a_check_is_configured(void **state)
{
	configure();
	verdict(S1, CTL_HEALTH_DOWN, "x");
	assert_int_equal(picks(), 2);
	begin(lb.version);
	put_pool(WEB, CTL_ON_DOWN_RESET, CTL_CHECK_NONE);
	commit();
	assert_int_equal(picks(), 3);
	verdict(S2, CTL_HEALTH_DOWN, "x");
	assert_int_equal(picks(), 3);
}

static void a_verdict_between_prepare_and_commit_is_seen_before_and_after(void **state)
{
	uint64_t serial;

	configure();
	begin(lb.version);
	put_server(S3, "10.2.0.3", 1, CTL_ADMIN_ENABLED);
	assert_int_equal(prepare(), 0);
	verdict(S1, CTL_HEALTH_DOWN, "gone");
	assert_int_equal(picks(), 2); // at once
	serial = seen()->serial;
	lb_conf_calls.commit(&lb, lb.version + 1);
	assert_int_equal(picks(), 6); // and the commit did not bring it back
	assert_true(seen()->serial > serial);
}

static void a_verdict_of_a_server_being_deleted_does_no_harm(void **state)
{
	struct ctl_verdict v = {.server = S1, .health = CTL_HEALTH_DOWN};

	configure();
	begin(lb.version);
	assert_int_equal(lb_conf_calls.del(&lb, CTL_REC_SERVER, S1, &conf_ack), 0);
	assert_int_equal(prepare(), 0);
	lb_conf_calls.verdict(&lb, &v);
	lb_conf_calls.commit(&lb, lb.version + 1);
	fake_loop_advance(conf_loop, 10);
	assert_int_equal(picks(), 2);
}

static void verdicts_survive_a_restart(void **state)
{
	configure();
	verdict(S1, CTL_HEALTH_DOWN, "connection refused");
	verdict(S2, CTL_HEALTH_UP, "");
	fake_loop_advance(conf_loop, 1000); // saved
	fini_conf();
	init_conf(1);
	configure();
	assert_int_equal(picks(), 2);
	assert_string_equal(lb_store_find(&lb.store, CTL_REC_SERVER, S1)->verdict.reason,
			    "connection refused");
	assert_int_equal(lb_store_find(&lb.store, CTL_REC_SERVER, S2)->verdict.health,
			 CTL_HEALTH_UP);
}

static void agent(uint64_t id, uint8_t flags, uint16_t percent)
{
	struct ctl_verdict v = {.server = id,
				.health = CTL_HEALTH_UP,
				.good = 1,
				.agent = flags | CTL_AGENT_KNOWN,
				.agent_percent = percent};

	lb_conf_calls.verdict(&lb, &v);
	fake_loop_advance(conf_loop, 10);
}

static void an_agent_has_a_say_in_weight_and_flows(void **state)
{
	fake.check.agent_port = 9;
	configure();
	begin(lb.version);
	put_server(S1, "10.2.0.1", 100, CTL_ADMIN_ENABLED);
	commit();
	agent(S1, 0, 75);
	assert_int_equal(server_of(S1)->weight, 75);
	assert_int_equal(picks(), 3);
	agent(S1, CTL_AGENT_DRAIN, 75);
	assert_int_equal(picks(), 2);
	assert_int_equal(server_of(S1)->alive, 1);
	agent(S1, CTL_AGENT_MAINT, 75);
	assert_int_equal(picks(), 2);
	assert_int_equal(server_of(S1)->alive, 0);
	agent(S1, 0, 0);
	assert_int_equal(picks(), 2);
	assert_int_equal(server_of(S1)->alive, 1);
	agent(S1, CTL_AGENT_DOWN, 75);
	assert_int_equal(server_of(S1)->alive, 0);
	fake_loop_advance(conf_loop, 1000); // saved
	fini_conf();
	init_conf(1);
	configure();
	assert_int_equal(picks(), 2); // what the agent said is kept
	agent(S1, 0, 1000);
	assert_int_equal(server_of(S1)->weight, 10);
	assert_int_equal(picks(), 3);
	fake.check.agent_port = 0;
	begin(lb.version);
	put_pool(WEB, CTL_ON_DOWN_RESET, CTL_CHECK_TCP);
	commit();
	assert_int_equal(server_of(S1)->weight, 1);
}

static struct lb_tcp_counters *tcp_of(uint64_t id)
{
	return &fake.tcp[ref_of(id) & LB_SLOT_MASK];
}

static void look(void)
{
	fake_loop_advance(conf_loop, LB_WATCH_MS);
	fake_loop_advance(conf_loop, 10);
}

// As clients see it: so many failed connections in a row take a server out, a good check brings it back.
static void clients_connections_that_fail_mark_a_server(void **state)
{
	struct ctl_verdict good = {.server = S1, .health = CTL_HEALTH_UP, .good = 1};
	const struct lb_entry *e;

	fake.check.passive_failures = 5;
	fake.check.passive_hold_ms = 60000;
	configure();
	look();
	tcp_of(S1)->refused += 3;
	tcp_of(S1)->silent += 1;
	look();
	assert_int_equal(picks(), 3);
	tcp_of(S1)->silent += 1;
	look();
	assert_int_equal(picks(), 2);
	assert_int_equal(server_of(S1)->alive, 0);
	e = lb_store_find(&lb.store, CTL_REC_SERVER, S1);
	assert_in_range(lb_health_held_until(&lb, e), time(NULL) + 58, time(NULL) + 62);
	good.good = 0; // it is up as yet, but its last check failed
	lb_conf_calls.verdict(&lb, &good);
	look();
	assert_int_equal(picks(), 2);
	good.good = 1;
	lb_conf_calls.verdict(&lb, &good);
	look();
	assert_int_equal(picks(), 3);
	assert_int_equal(lb_health_held_until(&lb, e), 0);
}

// What one client sees may be its own fault: a pool is not emptied by it.
static void the_last_server_is_never_marked_by_clients(void **state)
{
	fake.check.passive_failures = 5;
	fake.check.passive_hold_ms = 60000;
	configure();
	look();
	tcp_of(S1)->refused += 9;
	tcp_of(S2)->refused += 9;
	look();
	assert_int_equal(__builtin_popcount(picks()), 1);
	look();
	assert_int_equal(__builtin_popcount(picks()), 1);
}

static void a_mark_of_clients_ends_by_itself(void **state)
{
	fake.check.passive_failures = 5;
	fake.check.passive_hold_ms = 60000;
	configure();
	look();
	tcp_of(S1)->refused += 9;
	look();
	assert_int_equal(picks(), 2);
	lb_store_find(&lb.store, CTL_REC_SERVER, S1)->verdict.watch->passive_until = 1;
	look();
	assert_int_equal(picks(), 3);
}

static void a_server_that_flaps_is_held_down(void **state)
{
	const struct lb_entry *e;
	char why[256];

	fake.check.damping_changes = 4;
	fake.check.damping_hold_ms = 60000;
	configure();
	verdict(S1, CTL_HEALTH_DOWN, "refused");
	verdict(S1, CTL_HEALTH_UP, "");
	verdict(S1, CTL_HEALTH_DOWN, "refused");
	verdict(S1, CTL_HEALTH_UP, "");
	assert_int_equal(picks(), 2);
	e = lb_store_find(&lb.store, CTL_REC_SERVER, S1);
	lb_watch_reason(&e->verdict, &fake.check, why, sizeof(why));
	assert_non_null(strstr(why, "held down: it changed 4 times"));
	fake_loop_advance(conf_loop, 1000); // saved
	fini_conf();
	init_conf(1);
	configure();
	assert_int_equal(picks(), 2); // a restart is no way out
	verdict(S1, CTL_HEALTH_UP, "");
	assert_int_equal(picks(), 2);
	fake.check.damping_changes = 0;
	begin(lb.version);
	put_pool(WEB, CTL_ON_DOWN_RESET, CTL_CHECK_TCP);
	commit();
	assert_int_equal(picks(), 3);
}

static void a_check_without_a_port_is_refused(void **state)
{
	struct ctl_server s = {.rec = R(CTL_REC_SERVER, struct ctl_server, S1),
			       .pool = WEB,
			       .name = "s1",
			       .addr = address("10.2.0.1"),
			       .weight = 1,
			       .admin = CTL_ADMIN_ENABLED};

	configure();
	begin(lb.version);
	put(&s);
	refuse(-EINVAL, CTL_REC_SERVER, S1, "port");
	begin(lb.version);
	put(&s);
	put_pool(WEB, CTL_ON_DOWN_RESET, CTL_CHECK_ICMP);
	commit();
	begin(lb.version);
	put_pool(WEB, CTL_ON_DOWN_RESET, CTL_CHECK_UDP);
	refuse(-EINVAL, CTL_REC_SERVER, S1, "port");
}

static void a_spoilt_verdict_file_is_ignored(void **state)
{
	char path[128];
	FILE *f;

	configure();
	verdict(S1, CTL_HEALTH_DOWN, "x");
	fake_loop_advance(conf_loop, 1000);
	fini_conf();
	snprintf(path, sizeof(path), "%s/lb.health", conf_dir);
	f = fopen(path, "r+");
	assert_non_null(f);
	fseek(f, 30, SEEK_SET);
	fputc('!', f);
	fclose(f);
	init_conf(1);
	configure();
	assert_int_equal(picks(), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(a_verdict_is_published_without_a_transaction),
		T(a_verdict_counts_only_where_a_check_is_configured),
		T(a_verdict_between_prepare_and_commit_is_seen_before_and_after),
		T(a_verdict_of_a_server_being_deleted_does_no_harm),
		T(verdicts_survive_a_restart),
		T(an_agent_has_a_say_in_weight_and_flows),
		T(clients_connections_that_fail_mark_a_server),
		T(the_last_server_is_never_marked_by_clients),
		T(a_mark_of_clients_ends_by_itself),
		T(a_server_that_flaps_is_held_down),
		T(a_check_without_a_port_is_refused),
		T(a_spoilt_verdict_file_is_ignored),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
