// SPDX-License-Identifier: BSD-3-Clause
//
// What prepare refuses, and the neighbouring cases that it takes: the record, the field and the reason are named,
// and what was in force stays.

#include "tests/unit/apps/lb/conf/conf_fake.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

// With two workers and RSS unknown, one has the even ports and one the odd ones.
static void local_pools_that_leave_a_worker_without_a_port_are_refused(void **state)
{
	struct ctl_local_pool narrow = {.rec = R(CTL_REC_LOCAL_POOL, struct ctl_local_pool, SNAT),
					.name = "snat",
					.port_min = 5000,
					.port_max = 5000};

	configure(); // one worker: any pool will do
	begin(lb.version);
	put(&narrow);
	commit();
	fini_conf();
	init_conf(2);
	configure();
	begin(lb.version);
	put(&narrow);
	refuse(-ERANGE, CTL_REC_LOCAL_POOL, SNAT, "port-max");
	narrow.port_max = 5001;
	begin(lb.version);
	put(&narrow);
	commit();
	// The last good state of a node that had fewer workers is served all the same.
	fini_conf();
	init_conf(3);
	lb.restoring = true;
	begin(0);
	put_base();
	put(&narrow);
	commit();
	lb.restoring = false;
}

static void references_to_nothing_are_refused(void **state)
{
	configure();
	begin(lb.version);
	assert_int_equal(lb_conf_calls.del(&lb, CTL_REC_POOL, WEB, &conf_ack), 0);
	assert_int_equal(prepare(), -ENOENT);
	assert_true(conf_ack.rec_type == CTL_REC_SERVICE || conf_ack.rec_type == CTL_REC_SERVER);
	assert_int_equal(conf_ack.tag, CTL_TAG_DATA_MISSING);
	lb_conf_calls.abort(&lb);
	begin(lb.version);
	assert_int_equal(lb_conf_calls.del(&lb, CTL_REC_LOCAL_POOL, SNAT, &conf_ack), 0);
	assert_int_equal(lb_conf_calls.del(&lb, CTL_REC_LOCAL_ADDRESS, LOCAL4, &conf_ack), 0);
	assert_int_equal(lb_conf_calls.del(&lb, CTL_REC_LOCAL_ADDRESS, LOCAL6, &conf_ack), 0);
	refuse(-ENOENT, CTL_REC_SERVICE, SVC, "local-address-pool");
	begin(lb.version);
	assert_int_equal(lb_conf_calls.del(&lb, CTL_REC_SERVER, 999, &conf_ack), -ENOENT);
	lb_conf_calls.abort(&lb);
	assert_int_equal(picks(), 3);
}

// The span of ports that holds `port` of a prefix.
static uint64_t in_span(const char *a, uint8_t len, uint16_t port)
{
	const struct lb_spans *t = seen()->spans;
	struct ctl_addr x = address(a);
	uint32_t i = lb_span_hash(0, IPPROTO_TCP, x.bytes, len) & t->mask, k = 0;

	while (t->hash[i]->len != len || memcmp(t->hash[i]->addr, x.bytes, 16) != 0)
		i = (i + 1) & t->mask;
	while (k + 1 < t->hash[i]->count && t->hash[i]->first[k + 1] <= port)
		k++;
	return t->hash[i]->service[k] == NULL ? 0 : t->hash[i]->service[k]->id;
}

static void services_of_ranges_and_prefixes_lie_in_spans(void **state)
{
	configure();
	assert_null(seen()->spans);
	assert_null(seen()->own_prefixes);
	begin(lb.version);
	put_services(51, "range", "10.1.0.1", 32, 100, 200);
	put_services(52, "net", "10.1.0.0", 24, 80, 80);
	put_services(53, "any", "10.1.0.0", 24, 0, 0);
	commit();
	assert_non_null(find_service("10.1.0.1", 80)); // the one of one port stays where it was
	assert_int_equal(in_span("10.1.0.1", 32, 99), 0);
	assert_int_equal(in_span("10.1.0.1", 32, 100), 51);
	assert_int_equal(in_span("10.1.0.1", 32, 200), 51);
	assert_int_equal(in_span("10.1.0.1", 32, 201), 0);
	assert_int_equal(in_span("10.1.0.0", 24, 80), 52);
	assert_int_equal(in_span("10.1.0.0", 24, 81), 53);
	assert_int_equal(seen()->own_prefixes->count[0], 1);
	assert_int_equal(seen()->own_prefixes->len[0][0], 24);
	begin(lb.version);
	assert_int_equal(lb_conf_calls.del(&lb, CTL_REC_SERVICE, 51, &conf_ack), 0);
	assert_int_equal(lb_conf_calls.del(&lb, CTL_REC_SERVICE, 52, &conf_ack), 0);
	assert_int_equal(lb_conf_calls.del(&lb, CTL_REC_SERVICE, 53, &conf_ack), 0);
	commit();
	assert_null(seen()->spans);
	assert_null(seen()->own_prefixes);
}

static void what_crosses_or_holds_local_addresses_is_refused(void **state)
{
	configure();
	begin(lb.version);
	put_services(51, "range", "10.1.0.1", 32, 100, 200);
	commit();
	begin(lb.version);
	put_services(52, "cross", "10.1.0.1", 32, 150, 250);
	refuse(-EEXIST, CTL_REC_SERVICE, 52, "port-max");
	assert_non_null(strstr(conf_ack.message, "'range'"));
	begin(lb.version);
	put_services(40, "cross", "10.1.0.1", 32, 50, 150); // sorted before the one that is there
	refuse(-EEXIST, CTL_REC_SERVICE, 40, "port-max");
	begin(lb.version);
	put_services(52, "same", "10.1.0.1", 32, 100, 200);
	refuse(-EEXIST, CTL_REC_SERVICE, 52, "address");
	begin(lb.version);
	put_services(52, "net", "10.2.0.0", 24, 80, 80);
	refuse(-EEXIST, CTL_REC_LOCAL_ADDRESS, LOCAL4, "address");
	begin(lb.version);
	put_services(52, "inner", "10.1.0.1", 32, 150, 200);
	commit();
	assert_int_equal(in_span("10.1.0.1", 32, 149), 51);
	assert_int_equal(in_span("10.1.0.1", 32, 150), 52);
}

static void two_services_on_one_address_are_refused(void **state)
{
	configure();
	begin(lb.version);
	put_service(51, "again", "10.1.0.1", 80);
	assert_int_equal(prepare(), -EEXIST);
	assert_string_equal(conf_ack.field, "address");
	assert_non_null(strstr(conf_ack.message, "again"));
	assert_non_null(strstr(conf_ack.message, "web"));
	lb_conf_calls.abort(&lb);
	begin(lb.version);
	put_service(51, "again", "10.1.0.1", 81);
	commit();
	assert_non_null(find_service("10.1.0.1", 81));
}

static void families_must_agree(void **state)
{
	configure();
	begin(lb.version);
	put_server(S3, "fd20::3", 1, CTL_ADMIN_ENABLED);
	refuse(-EINVAL, CTL_REC_SERVICE, SVC, "pool");
	begin(lb.version);
	assert_int_equal(lb_conf_calls.del(&lb, CTL_REC_LOCAL_ADDRESS, LOCAL4, &conf_ack), 0);
	refuse(-EINVAL, CTL_REC_SERVICE, SVC, "local-address-pool");
	begin(lb.version);
	put_service(51, "web6", "fd10::1", 80);
	refuse(-EINVAL, CTL_REC_SERVICE, 51, "pool");
	assert_int_equal(picks(), 3);
}

static void a_local_address_belongs_to_one_pool(void **state)
{
	configure();
	begin(lb.version);
	put_local(23, SNAT, "10.2.0.200");
	assert_int_equal(prepare(), -EEXIST);
	assert_int_equal(conf_ack.rec_type, CTL_REC_LOCAL_ADDRESS);
	lb_conf_calls.abort(&lb);
}

static void a_port_that_does_not_open_is_refused(void **state)
{
	configure();
	fake.open_error = -ENODEV;
	begin(lb.version);
	put_port(11, "ghost0", 0);
	refuse(-ENODEV, CTL_REC_PORT, 11, "port/device");
	assert_non_null(strstr(conf_ack.message, "ghost0"));
	assert_int_equal(fake.closed, 0);
}

static void a_port_in_use_does_not_change(void **state)
{
	struct ctl_vlan v = {
		.rec = R(CTL_REC_VLAN, struct ctl_vlan, 60), .port = UP, .vid = 7, .tap = "v7"};

	configure();
	begin(lb.version);
	put_port(UP, "up", 9000);
	refuse(-EBUSY, CTL_REC_PORT, UP, "port");
	begin(lb.version);
	put(&v);
	refuse(-EBUSY, CTL_REC_VLAN, 60, "vid");
	begin(lb.version);
	put_port(11, "up", 0);
	refuse(-EBUSY, CTL_REC_PORT, 11, "port/device");
	begin(lb.version);
	assert_int_equal(lb_conf_calls.del(&lb, CTL_REC_PORT, UP, &conf_ack), 0);
	commit();
	assert_int_equal(fake.closed, 1);
	begin(lb.version);
	put_port(UP, "up", 9000);
	put(&v);
	commit();
	assert_int_equal(fake.opened, 2);
	assert_int_equal(fake.vlans, 1);
}

static void a_table_that_does_not_fit_is_refused(void **state)
{
	begin(0);
	put_base();
	fake.table_error = -ENOMEM;
	refuse(-ENOMEM, CTL_REC_SETTINGS, 1, "flow-table/size");
	assert_int_equal(conf_ack.tag, CTL_TAG_RESOURCE_DENIED);
	fake.table_error = 0;
	configure();
	begin(lb.version);
	put_settings(1 << 28); // 47 GB: more than this machine's memory
	refuse(-ENOMEM, CTL_REC_SETTINGS, 1, "flow-table/size");
	begin(lb.version);
	put_settings(8192); // waits for the next start
	commit();
	assert_int_equal(lb.flow_size.all, 4096);
	assert_int_equal(lb.flow_size.ipv6, 4096);
	assert_int_equal(lb.flow_size_warned.all, 8192);
}

static void out_of_memory_for_counters_is_refused(void **state)
{
	configure();
	fake.reserve_error = -ENOMEM;
	begin(lb.version);
	put_server(S3, "10.2.0.3", 1, CTL_ADMIN_ENABLED);
	assert_int_equal(prepare(), -ENOMEM);
	lb_conf_calls.abort(&lb);
	assert_int_equal(picks(), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(local_pools_that_leave_a_worker_without_a_port_are_refused),
		T(references_to_nothing_are_refused),
		T(services_of_ranges_and_prefixes_lie_in_spans),
		T(what_crosses_or_holds_local_addresses_is_refused),
		T(two_services_on_one_address_are_refused),
		T(families_must_agree),
		T(a_local_address_belongs_to_one_pool),
		T(a_port_that_does_not_open_is_refused),
		T(a_port_in_use_does_not_change),
		T(a_table_that_does_not_fit_is_refused),
		T(out_of_memory_for_counters_is_refused),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
