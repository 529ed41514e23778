// SPDX-License-Identifier: BSD-3-Clause
//
// Where servers of NAT services answer from, as the snapshot and the steering know it (lb_sources.c).

#include "apps/lb/worker/lb_priv.h"
#include "tests/unit/apps/lb/conf/conf_fake.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool answers_from(const char *a, uint8_t proto, uint16_t port)
{
	struct ctl_addr at = address(a);

	return lb_nat_serves(seen(), 0, at.family, proto, at.bytes, htons(port));
}

static unsigned nat_steers(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < fake.steers; i++)
		n += fake.steer[i].kind == PORT_STEER_NAT;
	return n;
}

static void put_nat(uint64_t id, const char *a, uint16_t port, uint64_t pool)
{
	struct ctl_service s = {.rec = R(CTL_REC_SERVICE, struct ctl_service, id),
				.pool = pool,
				.name = "nat",
				.addr = address(a),
				.port = htons(port),
				.port_max = htons(port),
				.forwarding = CTL_FORWARD_NAT,
				.proto = IPPROTO_TCP,
				.enabled = 1};

	put(&s);
}

// Where servers of NAT services answer from: of their pool and of all pools behind it, as it changes.
static void knows_where_servers_of_nat_services_answer_from(void **state)
{
	struct ctl_server s = {.rec = R(CTL_REC_SERVER, struct ctl_server, S3),
			       .pool = POOL3,
			       .name = "spare",
			       .addr = address("10.2.0.3"),
			       .weight = 1,
			       .admin = CTL_ADMIN_ENABLED};
	struct ctl_pool three = {.rec = R(CTL_REC_POOL, struct ctl_pool, POOL3),
				 .name = "three",
				 .scheduler = CTL_SCHED_WRR,
				 .hash_key = CTL_HASH_SOURCE_PORT,
				 .min_available = 1,
				 .on_down = CTL_ON_DOWN_RESET};

	configure();
	assert_null(seen()->sources); // no service is NAT
	begin(lb.version);
	put_pool_as(WEB, "web", POOL2, 0, 0);
	put_pool_as(POOL2, "two", POOL3, 0, 0);
	put(&three);
	put(&s); // on the port that clients ask for
	put_nat(99, "10.1.0.2", 443, WEB);
	commit();
	assert_true(answers_from("10.2.0.1", IPPROTO_TCP, 8080));
	assert_true(answers_from("10.2.0.2", IPPROTO_TCP, 8080));
	assert_true(answers_from("10.2.0.3", IPPROTO_TCP, 443)); // two pools behind
	assert_int_equal(nat_steers(), 3);
	assert_false(answers_from("10.2.0.3", IPPROTO_TCP, 8080));
	assert_false(answers_from("10.2.0.1", IPPROTO_UDP, 8080));
	assert_false(answers_from("10.2.0.1", IPPROTO_TCP, 8081));
	verdict(S1, CTL_HEALTH_DOWN, "gone");
	assert_true(answers_from("10.2.0.1", IPPROTO_TCP, 8080)); // it may speak still
	begin(lb.version);
	put_server(S1, "10.2.0.11", 1, CTL_ADMIN_DISABLED);
	assert_int_equal(lb_conf_calls.del(&lb, CTL_REC_SERVER, S2, &conf_ack), 0);
	commit();
	assert_false(answers_from("10.2.0.1", IPPROTO_TCP, 8080));
	assert_true(answers_from("10.2.0.11", IPPROTO_TCP, 8080));
	assert_false(answers_from("10.2.0.2", IPPROTO_TCP, 8080));
	begin(lb.version);
	for (uint64_t id = 200; id < 300; id++) { // more than it had room for
		char a[32];

		snprintf(a, sizeof(a), "10.3.0.%u", (unsigned)id - 200);
		put_server(id, a, 1, CTL_ADMIN_ENABLED);
	}
	put_nat(98, "10.1.0.3", 443, WEB); // the same servers once more
	put_nat(97, "10.1.0.4", 0, WEB);   // of any port: S3 answers from each, which says nothing
	commit();
	assert_false(answers_from("10.2.0.3", IPPROTO_TCP, 444));
	for (unsigned i = 0; i < 100; i++) {
		char a[32];

		snprintf(a, sizeof(a), "10.3.0.%u", i);
		assert_true(answers_from(a, IPPROTO_TCP, 8080));
	}
	assert_int_equal(seen()->sources->count, 102);
	begin(lb.version);
	assert_int_equal(lb_conf_calls.del(&lb, CTL_REC_SERVICE, 97, &conf_ack), 0);
	assert_int_equal(lb_conf_calls.del(&lb, CTL_REC_SERVICE, 98, &conf_ack), 0);
	assert_int_equal(lb_conf_calls.del(&lb, CTL_REC_SERVICE, 99, &conf_ack), 0);
	commit();
	assert_null(seen()->sources);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(knows_where_servers_of_nat_services_answer_from,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
