// SPDX-License-Identifier: BSD-3-Clause
//
// How flows end: TCP's own way, ageing by state, and an operator's clear; what is shown of them until then.

#include "apps/lb/show/lb_flows.h"
#include "tests/unit/apps/lb/worker/lb_fake.h"

#include "dataplane/flow/state.h"

static void starts_anew_on_a_syn_after_the_end(void **state)
{
	struct fake_packet *flow = fake_establish(0), *p;

	(void)state;
	p = fake_client(FAKE_TCP, 0, TCP_SYN); // on a live one: the server's to answer
	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
	assert_int_equal(lb_worker_flow_count(world.lw), 1);
	assert_int_equal(fake_service_count(FAKE_TCP)->new_flows, 1);
	fake_client(FAKE_TCP, 0, TCP_FIN | TCP_ACK);
	fake_reply(flow, TCP_FIN | TCP_ACK);
	fake_burst();
	p = fake_client(FAKE_TCP, 0, TCP_SYN); // the first one once more, late: to the same server
	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
	assert_memory_equal(fake_bytes(p) + 26, fake_bytes(flow) + 26, 12);
	assert_int_equal(fake_service_count(FAKE_TCP)->new_flows, 1);
	p = fake_numbers(fake_client(FAKE_TCP, 0, TCP_SYN), 5000, 0);
	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
	assert_int_equal(lb_worker_flow_count(world.lw), 1);
	assert_int_equal(fake_service_count(FAKE_TCP)->new_flows, 2);
	assert_int_equal(fake_service_count(FAKE_TCP)->ended_flows, 1);
	assert_memory_not_equal(fake_bytes(p) + 26, fake_bytes(flow) + 26, 12); // another pair
}

static bool note_flow(void *ctx, const struct lb_flow_info *f)
{
	memcpy(ctx, f, sizeof(*f));
	return false;
}

static struct lb_flow_info only_flow(void)
{
	struct lb_flow_info f = {0};

	lb_worker_flows(world.lw, note_flow, &f);
	return f;
}

// Both sides of a connection know their numbers; a stranger does not (each packet here has 6 bytes of data).
static void ends_no_connection_by_a_reset_out_of_its_place(void **state)
{
	struct fake_packet *flow = fake_establish(0), *p;

	(void)state;
	for (uint32_t guess = 8; guess < 4000; guess += 7) {
		p = fake_numbers(fake_client(FAKE_TCP, 0, TCP_RST | TCP_ACK), guess, 7);
		fake_numbers(fake_reply(flow, TCP_RST | TCP_ACK), guess, 7);
		fake_burst();
		assert_int_equal(p->fate, FATE_FORWARD); // the server decides
		assert_int_equal(only_flow().state, FLOW_TCP_ESTABLISHED);
	}
	fake_numbers(fake_reply(flow, TCP_RST | TCP_ACK), 7, 7);
	fake_burst();
	assert_int_equal(only_flow().state, FLOW_TCP_CLOSING);
	assert_int_equal(lb_worker_server_tcp(world.lw, 0)->resets[FLOW_TO_CLIENT], 1);
	assert_int_equal(lb_worker_service_tcp(world.lw, FAKE_TCP)->resets[FLOW_TO_CLIENT], 1);
	assert_int_equal(lb_worker_service_tcp(world.lw, FAKE_TCP)->resets[FLOW_TO_SERVER], 0);
}

static void counts_what_tcp_shows_of_a_server(void **state)
{
	const struct lb_tcp_counters *t[2] = {lb_worker_server_tcp(world.lw, 0),
					      lb_worker_service_tcp(world.lw, FAKE_TCP)};
	struct fake_packet *syn[3];

	(void)state;
	world.server[1].takes_new = world.server[2].takes_new = 0;
	for (unsigned c = 0; c < 3; c++)
		syn[c] = fake_open(FAKE_TCP, c);
	fake_open(FAKE_TCP, 0); // the client's SYN once more, and again: silence counts once
	fake_reply(syn[0], TCP_SYN | TCP_ACK);
	fake_reply(syn[1], TCP_RST | TCP_ACK);
	fake_burst();
	fake_reply(syn[0], TCP_SYN | TCP_ACK);
	fake_burst();
	fake_numbers(fake_client(FAKE_TCP, 0, TCP_ACK), 7, 7);
	fake_numbers(fake_client(FAKE_TCP, 0, TCP_ACK), 13, 7);
	fake_burst();
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(t[i]->again[FLOW_TO_SERVER], 1);
	fake_numbers(fake_client(FAKE_TCP, 0, TCP_ACK), 13, 7);
	fake_burst();
	world.w.now_ticks += 2000;
	while (lb_age_poll(&world.w, world.lw) != 0)
		;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(t[i]->again[FLOW_TO_SERVER], 2);
		assert_int_equal(t[i]->again[FLOW_TO_CLIENT], 1);
		assert_int_equal(t[i]->answered, 1);
		assert_int_equal(t[i]->refused, 1);
		assert_int_equal(t[i]->silent, 2);       // one whose SYN came again, one that ended
		assert_int_equal(t[i]->syn_times[0], 1); // no clock without the EAL
	}
	assert_int_equal(lb_syn_time(1), 0);
	assert_int_equal(lb_syn_time(2), 1);
	assert_int_equal(lb_syn_time(3), 1);
	assert_int_equal(lb_syn_time(4096), 12);
	assert_int_equal(lb_syn_time(1100000), 20); // a lost SYN
	assert_int_equal(lb_syn_time(UINT32_MAX), LB_SYN_TIMES - 1);
	assert_null(lb_worker_server_tcp(world.lw, UINT32_MAX));
	assert_null(lb_worker_service_tcp(world.lw, LB_CHUNK));
}

static void ends_idle_flows_by_their_state(void **state)
{
	struct fake_packet *flow;
	uint32_t start_ticks = world.w.now_ticks;

	(void)state;
	fake_establish(0);             // 1000
	fake_open(FAKE_TCP, 1);        // 100
	fake_open(FAKE_UDP, 2);        // 200
	flow = fake_open(FAKE_TCP, 3); // 50, once reset
	fake_reply(flow, TCP_RST | TCP_ACK);
	fake_burst();
	for (unsigned i = 0; i < 4; i++) {
		static const uint32_t at[] = {49, 99, 199, 999};

		world.w.now_ticks = start_ticks + at[i];
		while (lb_age_poll(&world.w, world.lw) != 0)
			;
		assert_int_equal(lb_worker_flow_count(world.lw), 4 - i);
		world.w.now_ticks = start_ticks + at[i] + 6;
		while (lb_age_poll(&world.w, world.lw) != 0)
			;
		assert_int_equal(lb_worker_flow_count(world.lw), 3 - i);
	}
	assert_int_equal(fake_service_count(FAKE_TCP)->ended_flows, 3);
	assert_int_equal(fake_service_count(FAKE_UDP)->ended_flows, 1);
}

// A flood of forged SYNs: servers repeat their SYN-ACKs, which must not keep the flows.
static void ends_half_open_flows_whatever_the_server_repeats(void **state)
{
	struct fake_packet *syn = fake_open(FAKE_TCP, 1);
	uint32_t timeout = world.snap.timeout[FLOW_TCP_SYN];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct fake_packet *p = fake_reply(syn, TCP_SYN | TCP_ACK);

		world.w.now_ticks += timeout / 4;
		fake_burst();
		assert_int_equal(p->fate, FATE_FORWARD);
	}
	world.w.now_ticks += 6;
	while (lb_age_poll(&world.w, world.lw) != 0)
		;
	assert_int_equal(lb_worker_flow_count(world.lw), 0);
}

// A worker without packets: the snapshot of its last burst has been freed when it ages.
static void ages_without_the_snapshot_of_the_last_burst(void **state)
{
	(void)state;
	fake_open(FAKE_TCP, 1);
	world.lw->snap = NULL;
	world.w.now_ticks += 2000;
	while (lb_age_poll(&world.w, world.lw) != 0)
		;
	assert_int_equal(lb_worker_flow_count(world.lw), 0);
}

static void takes_timeouts_of_the_snapshot(void **state)
{
	(void)state;
	world.snap.timeout[FLOW_TCP_SYN] = 8;
	fake_changed();
	fake_open(FAKE_TCP, 1);
	world.w.now_ticks += 14;
	lb_age_poll(&world.w, world.lw);
	assert_int_equal(lb_worker_flow_count(world.lw), 0);
}

static void shows_flows_to_operators(void **state)
{
	struct lb_flow_info f = {0};

	(void)state;
	fake_reply(fake_open(FAKE_TCP6, 300), TCP_SYN | TCP_ACK);
	fake_burst();
	lb_worker_flows(world.lw, note_flow, &f);
	assert_int_equal(f.family, 6);
	assert_int_equal(f.proto, IPPROTO_TCP);
	assert_int_equal(f.state, FLOW_TCP_SYN);
	assert_memory_equal(f.service, world.service[FAKE_TCP6].addr, 16);
	assert_memory_equal(f.server, world.server[FAKE_SERVER6].addr, 16);
	assert_memory_equal(f.local, world.local6[0].addr, 16);
	assert_int_equal(f.client[14], 0);
	assert_int_equal(f.client[15], 1);
	assert_int_equal(f.client_port, RTE_BE16(1024 + 300 - 256));
	assert_int_equal(f.server_ref, world.server[FAKE_SERVER6].ref);
	assert_int_equal(f.packets[0], 1);
	assert_int_equal(f.packets[1], 1);
	assert_int_equal(f.bytes[1], 66);
	assert_int_equal(f.nexthop[0], FAKE_HOP_SERVER);
}

// End the one flow there is, as the control thread has it done.
static unsigned clear_flow(uint8_t proto)
{
	struct lb_flow_filter filter;
	struct lb_clear clear = {.lw = world.lw, .filter = &filter, .count = 1};

	lb_flow_filter_init(&filter);
	filter.proto = proto;
	for (uint32_t i = 0; i < flow_capacity(world.lw->table); i++)
		if ((flow_at(world.lw->table, i)->flags & FLOW_F_VALID) != 0)
			clear.index[0] = i;
	assert_int_equal(lb_clear_flows(&world.w, &clear), 0);
	return clear.ended;
}

static void a_cleared_flow_is_reset_on_both_sides(void **state)
{
	struct fake_packet *open = fake_open(FAKE_TCP, 1), *p;

	(void)state;
	assert_int_equal(clear_flow(IPPROTO_UDP), 0); // it is not one of those meant
	assert_int_equal(clear_flow(IPPROTO_TCP), 1);
	assert_int_equal(clear_flow(IPPROTO_TCP), 0); // only once
	p = fake_client(FAKE_TCP, 1, TCP_ACK);
	fake_burst();
	assert_int_equal(p->fate, FATE_ANSWER);
	fake_check_checksums(p);
	assert_int_equal(lb_worker_flow_count(world.lw), 1); // the server does not know yet
	p = fake_reply(open, TCP_ACK);
	fake_burst();
	assert_int_equal(p->fate, FATE_ANSWER);
	assert_int_equal(lb_worker_flow_count(world.lw), 0);
	assert_int_equal(lb_worker_service_counters(world.lw, FAKE_TCP)->ended_flows, 1);
	fake_check_sum();
}

static void a_cleared_flow_gives_way_to_a_new_connection(void **state)
{
	struct fake_packet *p;

	(void)state;
	fake_open(FAKE_TCP, 1);
	assert_int_equal(clear_flow(0), 1);
	p = fake_client(FAKE_TCP, 1, TCP_SYN);
	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
	assert_int_equal(lb_worker_flow_count(world.lw), 1);
	assert_int_equal(lb_worker_service_counters(world.lw, FAKE_TCP)->new_flows, 2);
}

static void a_cleared_flow_swallows_resets(void **state)
{
	struct fake_packet *open = fake_open(FAKE_TCP6, 300), *p;

	(void)state;
	assert_int_equal(clear_flow(0), 1);
	p = fake_reply(open, TCP_RST);
	fake_burst();
	assert_int_equal(p->fate, FATE_DROP);
	assert_int_equal(p->reason, DROP_STALE_FLOW);
	p = fake_client(FAKE_TCP6, 300, TCP_ACK);
	fake_burst();
	assert_int_equal(p->fate, FATE_ANSWER);
	assert_int_equal(lb_worker_flow_count(world.lw), 0);
}

static void a_cleared_udp_flow_is_gone_at_once(void **state)
{
	(void)state;
	fake_open(FAKE_UDP, 1);
	assert_int_equal(clear_flow(0), 1);
	assert_int_equal(lb_worker_flow_count(world.lw), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fake_setup, fake_teardown)
	const struct CMUnitTest tests[] = {
		T(starts_anew_on_a_syn_after_the_end),
		T(ends_no_connection_by_a_reset_out_of_its_place),
		T(counts_what_tcp_shows_of_a_server),
		T(ends_idle_flows_by_their_state),
		T(ends_half_open_flows_whatever_the_server_repeats),
		T(ages_without_the_snapshot_of_the_last_burst),
		T(takes_timeouts_of_the_snapshot),
		T(shows_flows_to_operators),
		T(a_cleared_flow_is_reset_on_both_sides),
		T(a_cleared_flow_gives_way_to_a_new_connection),
		T(a_cleared_flow_swallows_resets),
		T(a_cleared_udp_flow_is_gone_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
