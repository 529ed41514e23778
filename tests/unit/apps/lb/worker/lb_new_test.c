// SPDX-License-Identifier: BSD-3-Clause
//
// First packets that get no server, and flows whose server goes: refused, reset, quiet, given to another.

#include "tests/unit/apps/lb/worker/lb_fake.h"

enum { PSH = 0x08 };

static void uses_each_local_pair_once_and_then_refuses(void **state)
{
	static bool used[2][1000];
	struct fake_packet *p;

	(void)state;
	fake_stop();
	fake_start(10000);
	memset(used, 0, sizeof(used));
	world.pool.available = 1;
	world.server[1].takes_new = world.server[2].takes_new = 0;
	for (unsigned c = 0; c < 2000; c++) {
		const uint8_t *ip;

		p = fake_open(FAKE_UDP, c);
		ip = fake_bytes(p) + 14;
		assert_false(used[ip[15] - 1][fake_port_at(ip + 20) - 1000]);
		used[ip[15] - 1][fake_port_at(ip + 20) - 1000] = true;
	}
	p = fake_client(FAKE_UDP, 2000, 0);
	fake_burst();
	ASSERT_DROPPED(p, NO_LOCAL_PORT);
	assert_int_equal(fake_service_count(FAKE_UDP)->refused, 1);
	assert_int_equal(fake_server_count(0)->refused, 1);
	assert_int_equal(lb_worker_flow_count(world.lw), 2000);
	// The pairs are free towards another server.
	world.server[0].takes_new = 0;
	world.server[1].takes_new = 1;
	fake_open(FAKE_UDP, 2001);
	// TCP and UDP do not share ports.
	world.server[0].takes_new = 1;
	world.server[1].takes_new = 0;
	fake_open(FAKE_TCP, 2002);
}

static void refuses_new_flows_and_keeps_old_when_full(void **state)
{
	struct fake_packet *p, *old = fake_open(FAKE_TCP, 0);

	(void)state;
	for (unsigned c = 1; c < 1024; c++)
		fake_open(c % 2 ? FAKE_UDP : FAKE_TCP, c);
	p = fake_client(FAKE_TCP, 5000, TCP_SYN);
	fake_client(FAKE_UDP, 5000, 0);
	fake_burst();
	ASSERT_DROPPED(p, TABLE_FULL);
	assert_int_equal(world.w.count.dropped[DROP_TABLE_FULL], 2);
	assert_int_equal(fake_service_count(FAKE_TCP)->refused, 1);
	p = fake_reply(old, TCP_SYN | TCP_ACK);
	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
	assert_int_equal(lb_worker_flow_count(world.lw), 1024);
}

static void answers_resets_when_no_server_is_there(void **state)
{
	struct fake_packet *syn, *udp;
	uint8_t *ip;

	(void)state;
	world.pool.available = 0;
	syn = fake_client(FAKE_TCP, 1, TCP_SYN);
	udp = fake_client(FAKE_UDP, 1, 0);
	fake_burst();
	assert_int_equal(syn->fate, FATE_ANSWER);
	ip = fake_bytes(syn) + 14;
	assert_memory_equal(ip + 12, ((uint8_t[]){192, 0, 2, 1, 10, 2, 0, 0}), 8);
	assert_int_equal(ip[20 + 13] & TCP_RST, TCP_RST);
	assert_int_equal(udp->fate, FATE_ANSWER);
	assert_int_equal(fake_bytes(udp)[14 + 9], IPPROTO_ICMP);
	assert_int_equal(fake_service_count(FAKE_TCP)->refused, 1);
	world.answers_allowed = false;
	syn = fake_client(FAKE_TCP, 1, TCP_SYN);
	fake_burst();
	ASSERT_DROPPED(syn, ANSWER_LIMIT);
	assert_int_equal(lb_worker_flow_count(world.lw), 0);
}

static void refuses_a_disabled_service(void **state)
{
	struct fake_packet *old = fake_establish(1), *p;

	(void)state;
	world.service[FAKE_TCP].enabled = 0;
	fake_changed();
	p = fake_client(FAKE_TCP, 2, TCP_SYN);
	fake_burst();
	assert_int_equal(p->fate, FATE_ANSWER);
	p = fake_reply(old, TCP_ACK);
	fake_burst();
	ASSERT_DROPPED(p, NO_FLOW);
	assert_int_equal(lb_worker_flow_count(world.lw), 0);
}

static void is_quiet_after_a_start_and_then_resets(void **state)
{
	struct fake_packet *p;

	(void)state;
	world.snap.quiet_until = world.w.now_ticks + 10;
	p = fake_client(FAKE_TCP, 1, TCP_ACK);
	fake_burst();
	ASSERT_DROPPED(p, QUIET);
	world.w.now_ticks += 9;
	p = fake_client(FAKE_TCP, 1, TCP_ACK | TCP_FIN);
	fake_burst();
	ASSERT_DROPPED(p, QUIET);
	fake_open(FAKE_TCP, 2); // SYNs are served all the time
	world.w.now_ticks += 1;
	p = fake_client(FAKE_TCP, 1, TCP_ACK);
	fake_burst();
	assert_int_equal(p->fate, FATE_ANSWER);
	assert_int_equal(fake_bytes(p)[14 + 20 + 13] & TCP_RST, TCP_RST);
	p = fake_client(FAKE_TCP, 1, TCP_RST); // never a reset for a reset
	fake_burst();
	ASSERT_DROPPED(p, NO_FLOW);
	world.answers_allowed = false;
	p = fake_client(FAKE_TCP, 1, TCP_SYN | TCP_ACK);
	fake_burst();
	ASSERT_DROPPED(p, ANSWER_LIMIT);
}

static void keeps_strays_to_local_addresses_from_the_kernel(void **state)
{
	struct fake_packet *syn = fake_open(FAKE_TCP, 1), *p;

	(void)state;
	fake_bytes(syn)[14 + 20] ^= 1; // another local port
	p = fake_reply(syn, TCP_ACK);
	fake_burst();
	ASSERT_DROPPED(p, NO_FLOW);
	world.snap.quiet_until = world.w.now_ticks + 1;
	p = fake_reply(syn, TCP_ACK);
	fake_burst();
	ASSERT_DROPPED(p, QUIET);
}

static void resets_clients_of_a_server_that_is_down(void **state)
{
	struct fake_packet *flow[3], *p;

	(void)state;
	for (unsigned c = 0; c < 3; c++)
		flow[c] = fake_establish(c);
	world.server[1].alive = world.server[1].takes_new = 0;
	fake_changed();
	p = fake_reply(flow[1], TCP_ACK | PSH);
	fake_burst();
	ASSERT_DROPPED(p, STALE_FLOW);
	p = fake_client(FAKE_TCP, 1, TCP_ACK);
	fake_burst();
	assert_int_equal(p->fate, FATE_ANSWER);
	assert_int_equal(fake_bytes(p)[14 + 20 + 13] & TCP_RST, TCP_RST);
	assert_int_equal(lb_worker_flow_count(world.lw), 2);
	assert_int_equal(fake_server_count(1)->ended_flows, 1);
	p = fake_client(FAKE_TCP, 0, TCP_ACK); // the others' go on
	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
	// The client comes back to another server.
	p = fake_open(FAKE_TCP, 1);
	assert_int_not_equal(fake_bytes(p)[14 + 19], 2);
}

// A new connection from the port of an old one, whose server has died meanwhile.
static void gives_a_syn_on_a_flow_of_a_dead_server_to_another(void **state)
{
	struct fake_packet *p;

	(void)state;
	for (unsigned c = 0; c < 3; c++)
		fake_establish(c);
	world.server[1].alive = world.server[1].takes_new = 0;
	fake_changed();
	p = fake_client(FAKE_TCP, 1, TCP_SYN);
	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
	assert_int_not_equal(fake_bytes(p)[14 + 19], 2);
	assert_int_equal(lb_worker_flow_count(world.lw), 3);
	assert_int_equal(fake_server_count(1)->ended_flows, 1);
}

static void gives_udp_of_a_server_that_is_down_to_another(void **state)
{
	struct fake_packet *p = fake_open(FAKE_UDP, 1);
	unsigned first = fake_bytes(p)[14 + 19];

	(void)state;
	world.server[first - 1].alive = world.server[first - 1].takes_new = 0;
	fake_changed();
	p = fake_open(FAKE_UDP, 1);
	assert_int_not_equal(fake_bytes(p)[14 + 19], first);
	assert_int_equal(lb_worker_flow_count(world.lw), 1);
}

static void drains_a_server(void **state)
{
	struct fake_packet *p, *old = fake_establish(0);

	(void)state;
	world.server[0].takes_new = 0; // alive
	fake_changed();
	for (unsigned c = 1; c < 20; c++)
		assert_int_not_equal(fake_bytes(fake_open(FAKE_TCP, c))[14 + 19], 1);
	p = fake_reply(old, TCP_ACK);
	fake_client(FAKE_TCP, 0, TCP_ACK);
	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
	assert_int_equal(fake_server_count(0)->packets[0], 3);
}

static void treats_flows_of_a_deleted_server_as_missed(void **state)
{
	struct fake_packet *p;

	(void)state;
	fake_establish(0);
	fake_open(FAKE_UDP, 3);                    // server 1
	world.server[0].ref += 1U << LB_SLOT_BITS; // its slot is another's now
	world.server[1].ref = 0;
	fake_changed();
	p = fake_client(FAKE_TCP, 0, TCP_ACK);
	fake_burst();
	assert_int_equal(p->fate, FATE_ANSWER); // as any stray segment
	world.server[1].takes_new = 0;
	p = fake_client(FAKE_UDP, 3, 0);
	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD); // a new flow
	assert_int_equal(lb_worker_flow_count(world.lw), 1);
	// Whoever has the slots now did not begin these.
	assert_int_equal(fake_server_count(0)->ended_flows + fake_server_count(1)->ended_flows, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fake_setup, fake_teardown)
	const struct CMUnitTest tests[] = {
		T(uses_each_local_pair_once_and_then_refuses),
		T(refuses_new_flows_and_keeps_old_when_full),
		T(answers_resets_when_no_server_is_there),
		T(refuses_a_disabled_service),
		T(is_quiet_after_a_start_and_then_resets),
		T(keeps_strays_to_local_addresses_from_the_kernel),
		T(resets_clients_of_a_server_that_is_down),
		T(gives_a_syn_on_a_flow_of_a_dead_server_to_another),
		T(gives_udp_of_a_server_that_is_down_to_another),
		T(drains_a_server),
		T(treats_flows_of_a_deleted_server_as_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
