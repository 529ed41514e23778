// SPDX-License-Identifier: BSD-3-Clause
//
// Transactions of the balancer's configuration: what workers see after a commit, what an abort leaves, slots,
// tables, listeners of the kernel, and what comes back after a restart.

#include "tests/unit/apps/lb/conf/conf_fake.h"

#include "apps/lb/worker/lb_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void an_empty_configuration_is_published_at_once(void **state)
{
	assert_non_null(seen());
	assert_int_equal(seen()->version, 0);
	assert_int_not_equal(seen()->serial, 0);
	assert_null(find_service("10.1.0.1", 80));
	assert_null(lb_server_get(seen(), 1u << LB_SLOT_BITS));
	assert_int_equal(fake.tables, 0); // no size known yet
}

static void a_commit_is_seen_whole(void **state)
{
	const struct lb_service *s;

	begin(0);
	put_base();
	assert_int_equal(prepare(), 0);
	assert_null(find_service("10.1.0.1", 80)); // nothing before the commit
	assert_int_equal(fake.opened, 1);
	lb_conf_calls.commit(&lb, 1);
	s = find_service("10.1.0.1", 80);
	assert_non_null(s);
	assert_int_equal(s->enabled, 1);
	assert_int_equal(s->local->count4, 1);
	assert_int_equal(s->local->count6, 1);
	assert_int_equal(s->pool->available, 2);
	assert_int_equal(picks(), 3);
	assert_int_equal(server_of(S1)->takes_new, 1);
	assert_int_equal(server_of(S1)->alive, 1);
	assert_int_equal(own_kind("10.1.0.1"), LB_OWN_SERVICE);
	assert_int_equal(own_kind("10.2.0.200"), LB_OWN_LOCAL);
	assert_int_equal(own_kind("10.9.9.9"), 0);
	assert_int_equal(fake.steers, 3);
	assert_int_equal(fake.table_size, 4096);
	assert_non_null(strstr(fake.path, "/lb.w0.flows"));
	assert_int_equal(lb.flows_taken, 3);
}

static void an_abort_leaves_no_trace(void **state)
{
	const struct lb_snapshot *before;
	uint32_t ref;

	configure();
	before = seen();
	ref = ref_of(S1);
	begin(lb.version);
	put_server(S3, "10.2.0.3", 1, CTL_ADMIN_ENABLED);
	put_server(S1, "10.2.0.99", 5, CTL_ADMIN_ENABLED);
	put_port(11, "down", 0);
	assert_int_equal(lb_conf_calls.del(&lb, CTL_REC_SERVER, S2, &conf_ack), 0);
	assert_int_equal(prepare(), 0);
	assert_int_equal(fake.opened, 2);
	lb_conf_calls.abort(&lb);
	assert_int_equal(fake.closed, 1);
	assert_ptr_equal(seen(), before);
	assert_int_equal(ref_of(S1), ref);
	assert_int_equal(ref_of(S3), 0);
	assert_int_equal(picks(), 3);
	begin(lb.version);
	put_server(S3, "10.2.0.3", 1, CTL_ADMIN_ENABLED);
	commit();
	assert_int_equal(picks(), 7);
}

static void a_first_transaction_aborted_leaves_no_tables(void **state)
{
	begin(0);
	put_base();
	assert_int_equal(prepare(), 0);
	lb_conf_calls.abort(&lb);
	assert_int_equal(fake.tables, 1);
	assert_int_equal(fake.tables_closed, 1);
	begin(0);
	put_base();
	put_settings(8192); // another size is no matter: nothing was in use
	commit();
	assert_int_equal(fake.table_size, 8192);
}

static void a_resync_of_the_same_changes_nothing(void **state)
{
	const struct lb_service *s;
	uint32_t ref;

	configure();
	s = find_service("10.1.0.1", 80);
	ref = ref_of(S1);
	begin(0);
	put_base();
	commit();
	assert_ptr_equal(find_service("10.1.0.1", 80), s); // shared with the snapshot before
	assert_int_equal(ref_of(S1), ref);
	assert_int_equal(fake.opened, 1);
	assert_int_equal(fake.closed, 0);
}

static void a_resync_deletes_what_it_does_not_send(void **state)
{
	uint32_t ref;

	configure();
	ref = ref_of(S2);
	begin(0);
	put_settings(4096);
	put_port(UP, "up", 0);
	put_local_pool(SNAT);
	put_local(LOCAL4, SNAT, "10.2.0.200");
	put_pool(WEB, CTL_ON_DOWN_RESET, CTL_CHECK_TCP);
	put_server(S1, "10.2.0.1", 1, CTL_ADMIN_ENABLED);
	put_service(SVC, "web", "10.1.0.1", 80);
	commit();
	assert_int_equal(ref_of(S2), 0);
	assert_null(lb_server_get(seen(), ref)); // its flows are stale
	assert_int_equal(picks(), 1);
	assert_int_equal(own_kind("fd20::200"), 0);
	begin(0);
	commit(); // everything goes
	assert_null(find_service("10.1.0.1", 80));
	assert_int_equal(fake.closed, 1);
	assert_int_equal(fake.steers, 0);
}

static void a_server_keeps_its_slot_until_its_address_changes(void **state)
{
	uint32_t ref;

	configure();
	ref = ref_of(S1);
	begin(lb.version);
	put_server(S1, "10.2.0.1", 7, CTL_ADMIN_DRAIN);
	commit();
	assert_int_equal(ref_of(S1), ref);
	assert_int_equal(server_of(S1)->weight, 7);
	begin(lb.version);
	put_server(S1, "10.2.0.77", 7, CTL_ADMIN_ENABLED);
	commit();
	assert_int_not_equal(ref_of(S1), ref);
	assert_null(lb_server_get(seen(), ref));
	assert_int_equal(server_of(S1)->addr[3], 77);
}

// Flows of the other mode have other owners, and their packets are steered otherwise.
static void a_service_has_another_slot_in_another_mode(void **state)
{
	struct ctl_service s = {.rec = R(CTL_REC_SERVICE, struct ctl_service, SVC),
				.pool = WEB,
				.name = "web",
				.addr = address("10.1.0.1"),
				.port = htons(80),
				.port_max = htons(80),
				.forwarding = CTL_FORWARD_NAT,
				.proto = IPPROTO_TCP,
				.enabled = 1};
	uint32_t ref;

	configure();
	ref = find_service("10.1.0.1", 80)->ref;
	begin(lb.version);
	put(&s);
	commit();
	assert_int_not_equal(find_service("10.1.0.1", 80)->ref, ref);
	assert_null(lb_service_get(seen(), ref));
	ref = find_service("10.1.0.1", 80)->ref;
	begin(lb.version);
	strcpy(s.name, "www");
	put(&s);
	commit();
	assert_int_equal(find_service("10.1.0.1", 80)->ref, ref);
}

static void admin_states_and_weight(void **state)
{
	configure();
	begin(lb.version);
	put_server(S1, "10.2.0.1", 1, CTL_ADMIN_DRAIN);
	commit();
	assert_int_equal(picks(), 2);
	assert_int_equal(server_of(S1)->alive, 1); // its flows go on
	begin(lb.version);
	put_server(S1, "10.2.0.1", 1, CTL_ADMIN_DISABLED);
	commit();
	assert_int_equal(server_of(S1)->alive, 0);
	begin(lb.version);
	put_pool(WEB, CTL_ON_DOWN_KEEP, CTL_CHECK_TCP);
	commit();
	assert_int_equal(server_of(S1)->alive, 1); // the pool says keep
	assert_int_equal(server_of(S1)->takes_new, 0);
	begin(lb.version);
	put_server(S1, "10.2.0.1", 0, CTL_ADMIN_ENABLED);
	commit();
	assert_int_equal(picks(), 2);
	assert_int_equal(server_of(S1)->alive, 1);
}

static void the_persistence_table_comes_with_the_first_service_that_wants_it(void **state)
{
	struct ctl_service s = {.rec = R(CTL_REC_SERVICE, struct ctl_service, SVC),
				.pool = WEB,
				.local_pool = SNAT,
				.name = "web",
				.addr = address("10.1.0.1"),
				.port = htons(80),
				.port_max = htons(80),
				.forwarding = CTL_FORWARD_FULLNAT,
				.proto = IPPROTO_TCP,
				.persist_ms = 60000,
				.persist_len = 24,
				.enabled = 1};
	char path[96];

	snprintf(path, sizeof(path), "%s/lb.persist", conf_dir);
	configure();
	assert_null(seen()->persist);
	begin(lb.version);
	put(&s);
	assert_int_equal(prepare(), 0);
	verdict(S1, CTL_HEALTH_DOWN, "gone"); // a snapshot of the state before
	assert_null(seen()->persist);
	lb_conf_calls.abort(&lb);
	assert_null(lb.persist);
	begin(lb.version);
	put(&s);
	commit();
	assert_non_null(seen()->persist);
	assert_int_equal(find_service("10.1.0.1", 80)->persist_len, 24);
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
}

// ---- what the kernel listens on -----------------------------------------------------------------

static void kernel_waits(const char *a, uint16_t port, int ifindex, bool connected)
{
	struct port_listener *l = &fake.listener[fake.listeners++];
	struct ctl_addr x = address(a);

	*l = (struct port_listener){.family = x.family,
				    .proto = IPPROTO_TCP,
				    .any = strcmp(a, "0.0.0.0") == 0 || strcmp(a, "::") == 0,
				    .connected = connected,
				    .port = htons(port),
				    .ifindex = ifindex};
	memcpy(l->addr, x.bytes, 16);
}

// Of port: do workers believe that the kernel has it, on any address and on which single ones?
static bool any_has(uint16_t port, bool ipv6)
{
	const struct lb_listeners *l = seen()->listeners;

	return l != NULL && (l->any[0][ipv6][port / 64] >> port % 64 & 1) != 0;
}

static bool single_has(const char *a, uint16_t port)
{
	const struct lb_listeners *l = seen()->listeners;
	struct ctl_addr x = address(a);

	for (uint32_t i = 0; l != NULL && i < l->count; i++)
		if (l->single[i].port == htons(port) && l->single[i].family == x.family &&
		    memcmp(l->single[i].addr, x.bytes, 16) == 0)
			return (l->some[0][x.family == 6][port / 64] >> port % 64 & 1) != 0;
	return false;
}

static void workers_are_told_what_the_kernel_waits_for(void **state)
{
	uint64_t serial;

	kernel_waits("0.0.0.0", 22, 0, false);
	configure();
	fake_loop_advance(conf_loop, 2 * LB_LISTEN_MS);
	assert_null(seen()->listeners); // no service of any port: not asked for
	assert_int_equal(fake.listener_reads, 0);

	begin(lb.version);
	put_service(SVC + 1, "any", "10.1.0.2", 0);
	commit();
	assert_true(any_has(22, false)); // at once
	assert_false(any_has(22, true));
	assert_false(any_has(23, false));

	serial = seen()->serial;
	kernel_waits("::", 23, 0, false);
	kernel_waits("10.1.0.2", 24, 0, false);
	kernel_waits("10.1.0.9", 25, 0, false); // no service of any port is there
	kernel_waits("0.0.0.0", 26, 99, false); // another device's
	kernel_waits("0.0.0.0", 27, 7, false);
	kernel_waits("10.1.0.2", 28, 0, true);
	fake_loop_advance(conf_loop, LB_LISTEN_MS);
	assert_true(any_has(22, false) && any_has(23, true) && any_has(27, false));
	assert_false(any_has(26, false));
	assert_true(single_has("10.1.0.2", 24) && single_has("10.1.0.2", 28));
	assert_false(single_has("10.1.0.9", 25));
	assert_int_equal(seen()->serial, serial); // flows are not looked at again for it

	fake.listener_error = -EPERM; // what was known stays
	fake_loop_advance(conf_loop, LB_LISTEN_MS);
	assert_true(any_has(22, false));
	fake.listener_error = 0;
	fake.listeners = 1;
	fake_loop_advance(conf_loop, LB_LISTEN_MS);
	assert_true(any_has(22, false));
	assert_false(any_has(23, true) || single_has("10.1.0.2", 24));
	verdict(S1, CTL_HEALTH_DOWN, "x");
	assert_true(any_has(22, false));
	assert_true(seen()->serial > serial);
}

static void listeners_follow_services_of_a_transaction(void **state)
{
	configure();
	begin(lb.version);
	put_service(SVC + 1, "any", "10.1.0.2", 0);
	commit();
	kernel_waits("10.1.0.3", 22, 0, false);
	kernel_waits("10.1.0.2", 23, 0, false);
	begin(lb.version);
	put_service(SVC + 2, "any2", "10.1.0.3", 0);
	assert_int_equal(prepare(), 0);
	fake_loop_advance(conf_loop, LB_LISTEN_MS); // between prepare and commit
	assert_true(single_has("10.1.0.2", 23));
	verdict(S1, CTL_HEALTH_DOWN, "x");
	lb_conf_calls.abort(&lb);
	fake_loop_advance(conf_loop, LB_LISTEN_MS);
	assert_true(single_has("10.1.0.2", 23));
	assert_false(single_has("10.1.0.3", 22));
	begin(lb.version);
	put_service(SVC + 2, "any2", "10.1.0.3", 0);
	assert_int_equal(prepare(), 0);
	fake_loop_advance(conf_loop, LB_LISTEN_MS);
	lb_conf_calls.commit(&lb, lb.version + 1);
	assert_true(single_has("10.1.0.2", 23) && single_has("10.1.0.3", 22));
	fake_loop_advance(conf_loop, LB_LISTEN_MS);
	assert_true(single_has("10.1.0.2", 23) && single_has("10.1.0.3", 22));
	begin(lb.version);
	assert_int_equal(lb_conf_calls.del(&lb, CTL_REC_SERVICE, SVC + 1, &conf_ack), 0);
	assert_int_equal(lb_conf_calls.del(&lb, CTL_REC_SERVICE, SVC + 2, &conf_ack), 0);
	commit();
	fake_loop_advance(conf_loop, LB_LISTEN_MS);
	assert_null(seen()->listeners);
}

// ---- restart ----------------------------------------------------------------------------------

static struct {
	uint8_t bytes[16384];
	size_t size;
} disk;

static void to_disk(void *ctx, const struct ctl_rec *rec)
{
	memcpy(disk.bytes + disk.size, rec, rec->size);
	disk.size += (rec->size + 7u) & ~7u;
}

static void from_disk(bool privates)
{
	for (size_t at = 0; at < disk.size;) {
		const struct ctl_rec *r = (const void *)(disk.bytes + at);

		if (privates && r->type >= CTL_REC_PRIVATE)
			assert_int_equal(lb_conf_calls.restore(&lb, r), 0);
		if (!privates && r->type < CTL_REC_PRIVATE)
			put(r);
		at += (r->size + 7u) & ~7u;
	}
}

static void slots_come_back_after_a_restart(void **state)
{
	struct lb_conf_args a = {.loop = conf_loop,
				 .instance = "lb",
				 .run_dir = conf_dir,
				 .flow_dir = conf_dir,
				 .workers = 1};
	uint32_t r1, r2, r3, service;

	configure();
	begin(lb.version);
	put_server(S3, "10.2.0.3", 1, CTL_ADMIN_ENABLED);
	commit();
	r3 = ref_of(S3);
	begin(lb.version);
	assert_int_equal(lb_conf_calls.del(&lb, CTL_REC_SERVER, S3, &conf_ack), 0);
	commit();
	r1 = ref_of(S1);
	r2 = ref_of(S2);
	service = find_service("10.1.0.1", 80)->ref;
	disk.size = 0;
	lb_conf_calls.records(&lb, to_disk, NULL);
	fini_conf();

	assert_int_equal(lb_conf_init(&lb, &a), 0);
	from_disk(true);
	fake.open_error = -ENODEV; // the interface is not there yet: no reason not to start
	begin(0);
	from_disk(false);
	commit();
	lb_conf_linked(&lb, NULL);
	assert_int_equal(ref_of(S1), r1);
	assert_int_equal(ref_of(S2), r2);
	assert_int_equal(find_service("10.1.0.1", 80)->ref, service);
	assert_true(lb_ports_missing(&lb));
	fake.open_error = 0;
	fake_loop_advance(conf_loop, 1500);
	assert_false(lb_ports_missing(&lb));
	begin(lb.version);
	put_server(S3, "10.2.0.3", 1, CTL_ADMIN_ENABLED);
	commit();
	assert_int_not_equal(ref_of(S3), r3); // the old one's flows are not its
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(an_empty_configuration_is_published_at_once),
		T(a_commit_is_seen_whole),
		T(an_abort_leaves_no_trace),
		T(a_first_transaction_aborted_leaves_no_tables),
		T(a_resync_of_the_same_changes_nothing),
		T(a_resync_deletes_what_it_does_not_send),
		T(a_server_keeps_its_slot_until_its_address_changes),
		T(a_service_has_another_slot_in_another_mode),
		T(admin_states_and_weight),
		T(workers_are_told_what_the_kernel_waits_for),
		T(listeners_follow_services_of_a_transaction),
		T(slots_come_back_after_a_restart),
		T(the_persistence_table_comes_with_the_first_service_that_wants_it),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
