// SPDX-License-Identifier: BSD-3-Clause
//
// What operators ask: state, flows (filtered, sorted, paged, cleared), explain, rates; and hostile arguments.

#include "tests/unit/apps/lb/conf/conf_fake.h"

#include "apps/lb/show/lb_rates.h"
#include "apps/lb/worker/lb_priv.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *ask(const char *name, const char *args)
{
	char *text = NULL;
	json_error_t e;
	json_t *j;

	assert_int_equal(lb_conf_calls.query(&lb, name, args, &text), 0);
	j = json_loads(text, JSON_REJECT_DUPLICATES, &e);
	if (j == NULL)
		print_error("%s\n%s\n", e.text, text);
	assert_non_null(j);
	free(text);
	return j;
}

static void state_is_json_in_the_shape_of_the_model(void **state)
{
	const char *health, *active, *reason, *oper;
	int available;
	json_t *j;

	configure();
	verdict(S1, CTL_HEALTH_DOWN, "said \"no\"\\");
	j = ask("state", "{}");
	assert_int_equal(json_unpack(j, "{s:{s:[{s:{s:[{s:{s:[{s:{s:s,s:b,s:s,s:s}}]}}]}}]}}",
				     "sluice-lb:load-balancers", "load-balancer", "pools", "pool",
				     "servers", "server", "state", "health", &health, "available",
				     &available, "active-flows", &active, "reason", &reason),
			 0);
	assert_string_equal(health, "down");
	assert_false(available);
	assert_string_equal(active, "4");
	assert_string_equal(reason, "said \"no\"\\");
	assert_int_equal(json_unpack(j, "{s:{s:[{s:s}]}}", "ietf-interfaces:interfaces",
				     "interface", "oper-status", &oper),
			 0);
	assert_string_equal(oper, "down");
	json_decref(j);
}

static void a_slot_taken_again_counts_from_zero(void **state)
{
	struct lb_counters n;
	uint32_t slot;

	configure();
	slot = ref_of(S1) & LB_SLOT_MASK;
	n = lb_entry_counters(&lb, lb_store_find(&lb.store, CTL_REC_SERVER, S1));
	assert_int_equal(n.new_flows, 5);
	begin(lb.version);
	assert_int_equal(lb_conf_calls.del(&lb, CTL_REC_SERVER, S1, &conf_ack), 0);
	commit();
	begin(lb.version);
	put_server(S3, "10.2.0.3", 1, CTL_ADMIN_ENABLED);
	commit();
	assert_int_equal(ref_of(S3) & LB_SLOT_MASK, slot);
	n = lb_entry_counters(&lb, lb_store_find(&lb.store, CTL_REC_SERVER, S3));
	assert_int_equal(n.new_flows, 0);
	assert_int_equal(n.ended_flows, 0);
}

static json_int_t total_of(const char *query, const char *args, const char *member)
{
	json_t *j = ask(query, args);
	json_int_t n = json_integer_value(json_object_get(j, member));

	json_decref(j);
	return n;
}

static void flows_are_filtered(void **state)
{
	static const struct {
		const char *filter;
		int total;
	} cases[] = {
		{"", 2},
		{"tcp", 2},
		{"udp", 0},
		{"established", 1},
		{"established syn", 2}, // one of the states
		{"syn ipv4", 1},
		{"ipv6", 0},
		{"10.0.0.2", 1},
		{"10.0.0.2:4000", 1},
		{"10.0.0.2:80", 0},
		{"10.0.0.0/30", 2},
		{"10.0.0.2/31", 2},
		{"10.0.0.0/31", 0},
		{"client=0.0.0.0/0", 2},
		{"client=::/0", 0},
		{"port=8080", 2},
		{"port=8000-8100", 2},
		{"port=1-79", 0},
		{"server=10.2.0.1", 2},
		{"client=10.2.0.1", 0},
		{"local=10.2.0.0/16", 2},
		{"service=10.1.0.1:80 client=10.0.0.3", 1},
		{"tcp 10.0.0.2:4000 10.1.0.1:80", 1}, // a tuple
		{"[fd00::1]:80", 0},
		{"context=0", 2},
		{"context=7", 0},
		{"idle-min=4s", 1},
		{"idle-max=4000ms", 1},
		{"idle-min=1h", 0},
		{"age-min=40 age-max=2m", 1},
		{"age-max=999999h", 2},
	};
	static const char *const bad[] = {"nonsense",
					  "10.0.0",
					  "port=0",
					  "port=x",
					  "port=9-8",
					  "[fd00::1",
					  "10.0.0.1:99999",
					  "10.0.0.0/33",
					  "fd00::/129",
					  "10.0.0.0/",
					  "context=65536",
					  "context=",
					  "idle-min=x",
					  "age-max=5d",
					  "tcp udp",
					  "ipv4 ipv6",
					  "service=nobody",
					  "server=web/nobody",
					  "server=nobody/s41",
					  "a b c d e f g h i"};
	char args[128], *text;

	configure();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *j;

		snprintf(args, sizeof(args), "{\"filter\":\"%s\"}", cases[i].filter);
		j = ask("flows", args);
		assert_int_equal(json_integer_value(json_object_get(j, "total")), cases[i].total);
		assert_int_equal(json_array_size(json_object_get(j, "flows")), cases[i].total);
		assert_true(json_is_true(json_object_get(j, "complete")));
		assert_null(json_object_get(j, "next"));
		json_decref(j);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(args, sizeof(args), "{\"filter\":\"%s\"}", bad[i]);
		text = NULL;
		assert_int_equal(lb_conf_calls.query(&lb, "flows", args, &text), -EINVAL);
		assert_non_null(text);
		free(text);
	}
}

// Names of servers and services stand for flows of their slot and generation, not for addresses.
static void flows_are_filtered_by_name(void **state)
{
	struct flow *f;
	uint32_t slot = 0;

	configure();
	assert_int_equal(total_of("flows", "{\"filter\":\"server=s41\"}", "total"), 0);
	for (; slot < 64; slot++) {
		f = flow_at(lb.worker[0]->table, slot);
		if ((f->flags & FLOW_F_VALID) != 0)
			break;
	}
	f->server = ref_of(S1);
	f->service = lb_store_find(&lb.store, CTL_REC_SERVICE, SVC)->ref;
	assert_int_equal(total_of("flows", "{\"filter\":\"server=s41\"}", "total"), 1);
	assert_int_equal(total_of("flows", "{\"filter\":\"server=web/s41 tcp\"}", "total"), 1);
	assert_int_equal(total_of("flows", "{\"filter\":\"server=s42\"}", "total"), 0);
	assert_int_equal(total_of("flows", "{\"filter\":\"service=web\"}", "total"), 1);
	f->server += UINT32_C(1) << LB_SLOT_BITS; // of an older one in the same slot
	assert_int_equal(total_of("flows", "{\"filter\":\"server=s41\"}", "total"), 0);
}

static void flows_are_sorted_and_paged(void **state)
{
	static const struct {
		const char *sort;
		int first; // local port, two more than that of 30000
	} cases[] = {{"bytes", 2}, {"packets", 3}, {"age", 3}, {"idle", 3}};
	char args[160], want[32];
	const char *next;
	json_t *j;

	configure();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (unsigned limit = 1; limit <= 3; limit++) {
			snprintf(args, sizeof(args), "{\"sort\":\"%s\",\"limit\":%u}",
				 cases[i].sort, limit);
			snprintf(want, sizeof(want), "10.2.0.200:%d", 30000 + cases[i].first);
			j = ask("flows", args);
			assert_int_equal(json_array_size(json_object_get(j, "flows")),
					 limit > 2 ? 2 : limit);
			assert_string_equal(
				json_string_value(json_object_get(
					json_array_get(json_object_get(j, "flows"), 0), "local")),
				want);
			assert_int_equal(json_integer_value(json_object_get(j, "total")), 2);
			json_decref(j);
		}
	}
	j = ask("flows", "{\"limit\":1,\"filter\":\"tcp\"}");
	assert_int_equal(json_integer_value(json_object_get(j, "total")), 2);
	next = json_string_value(json_object_get(j, "next"));
	assert_non_null(next);
	snprintf(args, sizeof(args), "{\"limit\":5,\"filter\":\"tcp\",\"next\":\"%s\"}", next);
	json_decref(j);
	j = ask("flows", args);
	assert_int_equal(json_array_size(json_object_get(j, "flows")), 1);
	assert_null(json_object_get(j, "next"));
	json_decref(j);
	j = ask("flows", "{\"next\":\"99:0\"}"); // a table that went: nothing is left
	assert_int_equal(json_array_size(json_object_get(j, "flows")), 0);
	json_decref(j);
}

static void flows_are_cleared_by_their_worker(void **state)
{
	static const char *const bad[] = {"{}", "{\"all\":true,\"filter\":\"tcp\"}",
					  "{\"filter\":\"\"}", "{\"filter\":\"x\"}",
					  "{\"al\":true}"};
	char *text;

	configure();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		text = NULL;
		assert_int_equal(lb_conf_calls.query(&lb, "clear", bad[i], &text), -EINVAL);
		assert_non_null(text);
		free(text);
	}
	assert_int_equal(fake.cleared, 0);
	assert_int_equal(total_of("clear", "{\"filter\":\"tcp 10.0.0.3:4000\"}", "ended"), 1);
	assert_int_equal(total_of("flows", "{}", "total"), 1);
	assert_int_equal(total_of("clear", "{\"filter\":\"udp\"}", "ended"), 0);
	for (uint8_t i = 10; i < 50; i++)
		add_flow(lb.worker[0]->table, i, FLOW_UDP, 1);
	assert_int_equal(total_of("clear", "{\"all\":true}", "ended"), 41);
	assert_int_equal(total_of("flows", "{\"filter\":\"ipv4\"}", "total"), 0);
}

static const char *text_of(const json_t *j, const char *member)
{
	return json_string_value(json_object_get(j, member));
}

static void a_tuple_is_explained(void **state)
{
	static const char tuple[] = "{\"protocol\":\"tcp\",\"client\":\"10.0.0.9:4000\","
				    "\"service\":\"10.1.0.1:80\"}";
	static const char *const bad[] = {
		"{}",
		"{\"protocol\":\"sctp\",\"client\":\"10.0.0.9:1\",\"service\":\"10.1.0.1:80\"}",
		"{\"protocol\":\"tcp\",\"client\":\"10.0.0.9\",\"service\":\"10.1.0.1:80\"}",
		"{\"protocol\":\"tcp\",\"client\":\"10.0.0.9:1-2\",\"service\":\"10.1.0.1:80\"}",
		"{\"protocol\":\"tcp\",\"client\":\"10.0.0.0/8\",\"service\":\"10.1.0.1:80\"}",
		"{\"protocol\":\"tcp\",\"client\":\"[fd00::1]:9\",\"service\":\"10.1.0.1:80\"}",
		"{\"protocol\":\"tcp\",\"client\":\"10.0.0.9:1\",\"service\":\"10.1.0.1:80\","
		"\"context\":65536}",
		"{\"protocol\":\"tcp\",\"client\":\"10.0.0.9:1\",\"service\":\"10.1.0.1:80\","
		"\"port\":\"nobody\"}",
		"{\"protocol\":\"tcp\",\"client\":\"10.0.0.9:1\",\"service\":\"10.1.0.1:80\","
		"\"port\":\"up\",\"context\":1}",
	};
	json_t *j, *pool, *s;
	char *text;

	configure();
	j = ask("explain", tuple);
	assert_string_equal(text_of(j, "verdict"),
			    "no service has this destination: the packet is the kernel's");
	// those that have the destination are listed, whichever the worker found
	assert_int_equal(json_array_size(json_object_get(j, "services")), 1);
	json_decref(j);
	fake.trial_service = lb_store_find(&lb.store, CTL_REC_SERVICE, SVC)->ref;
	j = ask("explain", tuple);
	assert_string_equal(text_of(j, "verdict"),
			    "refused: no server of pool 'web' takes new flows");
	json_decref(j);
	fake.trial_server = ref_of(S1);
	verdict(S2, CTL_HEALTH_DOWN, "no answer");
	j = ask("explain", tuple);
	assert_string_equal(text_of(j, "verdict"), "a new flow to server 's41'");
	assert_string_equal(text_of(json_object_get(j, "new-flow"), "local"), "10.2.0.200:1234");
	pool = json_object_get(j, "pool");
	assert_string_equal(text_of(pool, "scheduler"), "weighted-round-robin");
	s = json_array_get(json_object_get(pool, "candidates"), 1);
	assert_string_equal(text_of(s, "name"), "s42");
	assert_string_equal(text_of(s, "reason"), "no answer");
	assert_true(json_is_true(
		json_object_get(json_array_get(json_object_get(pool, "candidates"), 0), "chosen")));
	json_decref(j);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		text = NULL;
		assert_int_equal(lb_conf_calls.query(&lb, "explain", bad[i], &text), -EINVAL);
		assert_non_null(text);
		free(text);
	}
}

static void rates_are_of_the_last_interval(void **state)
{
	const struct lb_entry *e;
	struct lb_tcp_stats tcp;

	configure();
	fake.tcp[ref_of(S1) & LB_SLOT_MASK] = (struct lb_tcp_counters){
		.answered = 4, .syn_us = 4000, .again = {7, 8}, .syn_times = {[9] = 19, [12] = 1}};
	assert_int_equal(lb_rates_start(&lb), 0);
	e = lb_store_find(&lb.store, CTL_REC_SERVER, S1);
	assert_int_equal(lb_rates_tcp(&lb, e).sum.answered, 0); // not looked at yet
	fake_loop_advance(conf_loop, 10);
	tcp = lb_rates_tcp(&lb, e);
	assert_int_equal(tcp.syn_us, 1000); // 4 of 4000 us in all
	assert_int_equal(tcp.syn_us_high, 1024);
	assert_int_equal(tcp.sum.again[0], 7);
	assert_int_equal(tcp.sum.again[1], 8);
	fake_loop_advance(conf_loop, 1100); // nothing came meanwhile
	tcp = lb_rates_tcp(&lb, e);
	assert_int_equal(tcp.syn_us, 0);
	assert_int_equal(tcp.again, 0);
	assert_int_equal(tcp.sum.answered, 4);
	assert_int_equal(lb_rates_of(&lb, e).packets[0], 0);
	// another one in the slot begins at zero
	begin(lb.version);
	assert_int_equal(lb_conf_calls.del(&lb, CTL_REC_SERVER, S1, &conf_ack), 0);
	commit();
	begin(lb.version);
	put_server(S3, "10.2.0.3", 1, CTL_ADMIN_ENABLED);
	commit();
	fake_loop_advance(conf_loop, 1100);
	tcp = lb_rates_tcp(&lb, lb_store_find(&lb.store, CTL_REC_SERVER, S3));
	assert_int_equal(tcp.sum.answered, 0);
	assert_int_equal(tcp.sum.again[0], 0);
}

static void hostile_arguments_are_refused(void **state)
{
	static const char *const bad[] = {"[]",
					  "1",
					  "{",
					  "nul",
					  "{\"limit\":-1}",
					  "{\"limit\":\"x\"}",
					  "{\"limit\":1e30}",
					  "{\"filter\":5}",
					  "{\"limit\":1,\"limit\":2}"};
	char *text;

	configure();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		text = NULL;
		assert_int_equal(lb_conf_calls.query(&lb, "flows", bad[i], &text), -EINVAL);
		assert_non_null(text); // says why
		free(text);
	}
	text = NULL;
	assert_int_equal(lb_conf_calls.query(&lb, "nonsense", "{}", &text), -ENOENT);
	json_decref(ask("counters", ""));
	json_decref(ask("doctor", "{}"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(state_is_json_in_the_shape_of_the_model),
		T(a_slot_taken_again_counts_from_zero),
		T(flows_are_filtered),
		T(flows_are_filtered_by_name),
		T(flows_are_sorted_and_paged),
		T(flows_are_cleared_by_their_worker),
		T(a_tuple_is_explained),
		T(rates_are_of_the_last_interval),
		T(hostile_arguments_are_refused),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
