// SPDX-License-Identifier: BSD-3-Clause
//
// Pools over time: backup pools, slow start, drains with a deadline.

#include "tests/unit/apps/lb/conf/conf_fake.h"

#include "apps/lb/worker/lb_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct lb_pool *serving(void)
{
	return lb_pool_serving(seen(), find_service("10.1.0.1", 80)->pool);
}

static void a_backup_pool_serves_while_servers_lack(void **state)
{
	struct ctl_server s = {.rec = R(CTL_REC_SERVER, struct ctl_server, S3),
			       .pool = POOL2,
			       .name = "spare",
			       .addr = address("10.2.0.3"),
			       .port = htons(8080),
			       .weight = 1,
			       .admin = CTL_ADMIN_ENABLED};

	configure();
	begin(lb.version);
	put_pool_as(WEB, "web", POOL2, 0, 0);
	put_pool_as(POOL2, "spare", 0, 0, 0);
	put(&s);
	commit();
	assert_int_equal(serving()->id, WEB);
	verdict(S1, CTL_HEALTH_DOWN, "gone");
	assert_int_equal(serving()->id, POOL2); // fewer than two
	verdict(S3, CTL_HEALTH_DOWN, "gone");
	assert_int_equal(serving()->id, WEB); // nobody there: better one than none
	verdict(S2, CTL_HEALTH_DOWN, "gone");
	assert_int_equal(serving()->available, 0);
	verdict(S3, CTL_HEALTH_UP, "");
	assert_int_equal(serving()->id, POOL2); // one is enough where nothing stands behind
	verdict(S1, CTL_HEALTH_UP, "");
	verdict(S2, CTL_HEALTH_UP, "");
	assert_int_equal(serving()->id, WEB);
}

static void backup_pools_lead_in_no_circle_and_not_far(void **state)
{
	char name[8];

	configure();
	begin(lb.version);
	put_pool_as(WEB, "web", POOL2, 0, 0);
	put_pool_as(POOL2, "two", POOL3, 0, 0);
	put_pool_as(POOL3, "three", WEB, 0, 0);
	refuse(-ELOOP, CTL_REC_POOL, WEB, "backup-pool");
	for (unsigned pools = LB_BACKUP_CHAIN; pools <= LB_BACKUP_CHAIN + 1; pools++) {
		begin(lb.version);
		put_pool_as(WEB, "web", 100, 0, 0);
		for (unsigned i = 1; i < pools; i++) {
			snprintf(name, sizeof(name), "p%u", i);
			put_pool_as(99 + i, name, i + 1 < pools ? 100 + i : 0, 0, 0);
		}
		if (pools <= LB_BACKUP_CHAIN) {
			assert_int_equal(prepare(), 0);
			lb_conf_calls.abort(&lb);
		} else {
			refuse(-ELOOP, CTL_REC_POOL, WEB, "backup-pool");
		}
	}
	begin(lb.version);
	put_pool_as(WEB, "web", POOL3, 0, 0);
	refuse(-ENOENT, CTL_REC_POOL, WEB, "backup-pool");
}

static unsigned weight_of(uint64_t id)
{
	return server_of(id)->effective;
}

static void wait_ms(unsigned ms)
{
	for (unsigned i = 0; i < ms; i += 20) {
		usleep(20000); // slow start goes by the clock
		fake_loop_advance(conf_loop, 20);
	}
}

static void a_server_that_comes_up_starts_slowly(void **state)
{
	unsigned last;

	configure();
	assert_int_equal(weight_of(S1),
			 LB_WEIGHT_UNIT); // a new pool: nobody could spare it
	begin(lb.version);
	put_pool_as(WEB, "web", 0, 1000, 0);
	commit();
	assert_int_equal(weight_of(S1), LB_WEIGHT_UNIT); // was up
	begin(lb.version);
	put_server(S3, "10.2.0.3", 4, CTL_ADMIN_ENABLED);
	assert_int_equal(prepare(), 0);
	lb_conf_calls.abort(&lb); // never came
	wait_ms(200);
	begin(lb.version);
	put_server(S3, "10.2.0.3", 4, CTL_ADMIN_ENABLED);
	commit();
	assert_int_equal(weight_of(S3), 4 * LB_WEIGHT_UNIT / 10);
	assert_int_equal(weight_of(S1), LB_WEIGHT_UNIT);
	verdict(S1, CTL_HEALTH_DOWN, "gone");
	last = weight_of(S3);
	for (unsigned i = 0; i < 6; i++) {
		wait_ms(100);
		assert_true(weight_of(S3) >= last);
		last = weight_of(S3);
	}
	assert_true(last > 4 * LB_WEIGHT_UNIT / 4 && last < 4 * LB_WEIGHT_UNIT);
	verdict(S1, CTL_HEALTH_UP, "");
	assert_int_equal(weight_of(S1), LB_WEIGHT_UNIT / 10);
	wait_ms(1300);
	assert_int_equal(weight_of(S3), 4 * LB_WEIGHT_UNIT);
	assert_int_equal(weight_of(S1), LB_WEIGHT_UNIT);
	assert_int_equal(lb.timed.count, 0);
	// All down, then one up: it has to bear it all at once.
	verdict(S1, CTL_HEALTH_DOWN, "gone");
	verdict(S2, CTL_HEALTH_DOWN, "gone");
	verdict(S3, CTL_HEALTH_DOWN, "gone");
	verdict(S2, CTL_HEALTH_UP, "");
	assert_int_equal(weight_of(S2), LB_WEIGHT_UNIT);
	// Deleted in its slow start.
	verdict(S3, CTL_HEALTH_UP, "");
	begin(lb.version);
	assert_int_equal(lb_conf_calls.del(&lb, CTL_REC_SERVER, S3, &conf_ack), 0);
	commit();
	wait_ms(300);
	assert_int_equal(lb.timed.count, 0);
}

static void a_drain_ends_flows_at_its_deadline(void **state)
{
	struct flow_table *t;

	configure();
	begin(lb.version);
	put_pool_as(WEB, "web", 0, 0, 300);
	put_server(S1, "10.2.0.1", 1, CTL_ADMIN_DRAIN);
	commit();
	t = lb.worker[0]->table;
	for (uint8_t i = 60; i < 70; i++)
		add_flow(t, i, FLOW_UDP, 1);
	for (uint32_t i = 0; i < t->max; i++)
		t->flow[i].server = ref_of(i % 2 ? S1 : S2);
	assert_int_equal(picks(), 2);
	fake.cleared = 0;
	wait_ms(100);
	assert_int_equal(fake.cleared, 0);
	wait_ms(400);
	assert_int_equal(fake.cleared, 6); // its own: every second one
	fake.cleared = 0;
	wait_ms(300);
	assert_int_equal(fake.cleared, 0); // once
	begin(lb.version);                 // out of the drain in time: nothing ends
	put_server(S1, "10.2.0.1", 1, CTL_ADMIN_ENABLED);
	put_server(S2, "10.2.0.2", 1, CTL_ADMIN_DRAIN);
	commit();
	begin(lb.version);
	put_server(S2, "10.2.0.2", 1, CTL_ADMIN_ENABLED);
	commit();
	wait_ms(500);
	assert_int_equal(fake.cleared, 0);
	assert_int_equal(lb.timed.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(a_backup_pool_serves_while_servers_lack),
		T(backup_pools_lead_in_no_circle_and_not_far),
		T(a_server_that_comes_up_starts_slowly),
		T(a_drain_ends_flows_at_its_deadline),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
