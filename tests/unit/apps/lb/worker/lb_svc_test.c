// SPDX-License-Identifier: BSD-3-Clause
//
// The worker of sluice-lb, packet by packet: what becomes of each kind, and that all are counted.

#include "tests/unit/apps/lb/worker/lb_fake.h"

#include "dataplane/trace/trace.h"

enum { PSH = 0x08 };

static void balances_a_syn_and_its_answer(void **state)
{
	struct fake_packet *syn = fake_open(FAKE_TCP, 1), *reply;
	uint8_t *ip = fake_bytes(syn) + 14;

	(void)state;
	assert_int_equal(syn->nexthop, FAKE_HOP_SERVER);
	fake_check_checksums(syn);
	assert_int_equal(ip[8], 63);
	assert_memory_equal(ip + 12, ((uint8_t[]){198, 51, 100}), 3);
	assert_memory_equal(ip + 16, world.server[0].addr, 4);
	assert_in_range(fake_port_at(ip + 20), 1000, 1999);
	assert_int_equal(fake_port_at(ip + 22), 8080);

	reply = fake_reply(syn, TCP_SYN | TCP_ACK);
	fake_burst();
	assert_int_equal(reply->fate, FATE_FORWARD);
	assert_int_equal(reply->nexthop, FAKE_HOP_CLIENT);
	fake_check_checksums(reply);
	ip = fake_bytes(reply) + 14;
	assert_memory_equal(ip + 12, ((uint8_t[]){192, 0, 2, 1, 10, 2, 0, 0}), 8);
	assert_int_equal(fake_port_at(ip + 20), 80);
	assert_int_equal(fake_port_at(ip + 22), 1025);
	assert_int_equal(lb_worker_flow_count(world.lw), 1);
	assert_int_equal(world.picks, 1);
}

static void balances_ipv6_and_udp(void **state)
{
	struct fake_packet *syn = fake_open(FAKE_TCP6, 1), *udp = fake_open(FAKE_UDP, 1), *r6, *ru;

	(void)state;
	fake_check_checksums(syn);
	fake_check_checksums(udp);
	assert_memory_equal(fake_bytes(syn) + 14 + 24, world.server[FAKE_SERVER6].addr, 16);
	assert_int_equal(fake_bytes(syn)[14 + 7], 63);
	r6 = fake_reply(syn, TCP_SYN | TCP_ACK);
	ru = fake_reply(udp, 0);
	fake_burst();
	assert_int_equal(r6->nexthop, FAKE_HOP_CLIENT);
	assert_int_equal(ru->nexthop, FAKE_HOP_CLIENT);
	fake_check_checksums(r6);
	fake_check_checksums(ru);
	assert_memory_equal(fake_bytes(r6) + 14 + 8, world.service[FAKE_TCP6].addr, 16);
	assert_int_equal(lb_worker_flow_count(world.lw), 2);
}

// The server has the port that the client asked for, of a range or of any.
static void goes_to_the_port_asked_for_and_keeps_it_within_the_range(void **state)
{
	struct fake_packet *p;

	(void)state;
	for (unsigned i = 0; i < FAKE_SERVERS; i++)
		world.server[i].port = 0;
	world.service[FAKE_NAT].port_max = RTE_BE16(90);
	p = fake_open(FAKE_NAT, 1);
	assert_int_equal(fake_port_at(fake_bytes(p) + 14 + 22), 81);
	fake_changed(); // verified again
	p = fake_open(FAKE_NAT, 1);
	assert_int_equal(lb_worker_flow_count(world.lw), 1);
	assert_int_equal(fake_service_count(FAKE_NAT)->new_flows, 1);
	assert_int_equal(fake_port_at(fake_bytes(p) + 14 + 22), 81);
	world.service[FAKE_NAT].port = 0; // any
	world.service[FAKE_NAT].prefix_len = 30;
	fake_changed();
	fake_open(FAKE_NAT_B, 9); // keeps the burst from being empty
	fake_reply(p, TCP_ACK);
	fake_burst();
	assert_int_equal(fake_service_count(FAKE_NAT)->ended_flows, 0);
	world.service[FAKE_NAT].port = RTE_BE16(82);
	fake_changed();
	fake_reply(p, TCP_ACK);
	fake_burst();
	assert_int_equal(fake_service_count(FAKE_NAT)->ended_flows, 1);
}

static void leaves_addresses_of_the_node_out_of_a_prefix(void **state)
{
	struct fake_packet *p;

	(void)state;
	world.node_has_it = true;
	fake_open(FAKE_TCP, 1); // an address of a service alone is the service's
	world.service[FAKE_TCP].prefix_len = 31;
	fake_changed();
	p = fake_client(FAKE_TCP, 2, TCP_SYN);
	fake_burst();
	assert_int_equal(p->fate, FATE_PUNT);
	world.node_has_it = false;
	fake_open(FAKE_TCP, 3);
}

static void serves_one_address_in_two_contexts_by_two_services(void **state)
{
	struct fake_packet *p;

	(void)state;
	fake_open(FAKE_TCP, 1);
	assert_int_equal(fake_service_count(FAKE_TCP)->new_flows, 1);
	assert_int_equal(fake_service_count(FAKE_TWIN)->new_flows, 0);
	world.port.context = world.service[FAKE_TWIN].context;
	fake_open(FAKE_TWIN, 1); // the same client, address and port
	assert_int_equal(fake_service_count(FAKE_TCP)->new_flows, 1);
	assert_int_equal(fake_service_count(FAKE_TWIN)->new_flows, 1);
	// A context without this service, whichever chain it looks in.
	for (uint16_t other = 1; other < 200; other++) {
		if (other == world.service[FAKE_TWIN].context)
			continue;
		world.port.context = other;
		p = fake_client(FAKE_TCP, 2, TCP_SYN);
		fake_burst();
		assert_int_not_equal(p->fate, FATE_FORWARD);
	}
	world.port.context = 0;
	fake_open(FAKE_TCP, 2);
	assert_int_equal(fake_service_count(FAKE_TCP)->new_flows, 2);
}

// Plain packets of known flows take a short cut; a trace keeps them off it. The same comes out of both.
static void moves_plain_packets_as_the_long_way_does(void **state)
{
	static const unsigned services[] = {FAKE_TCP, FAKE_UDP, FAKE_NAT, FAKE_NAT_UDP};
	struct fake_packet *first[RTE_DIM(services)], *p[2];

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(services); i++) {
		first[i] = fake_open(services[i], 1);
		fake_reply(first[i], TCP_SYN | TCP_ACK);
		fake_burst();
		fake_numbers(fake_client(services[i], 1, TCP_ACK), 7, 7);
		fake_burst();
	}
	for (unsigned round = 0; round < 2000; round++) {
		unsigned i = round % RTE_DIM(services);
		bool udp = world.service[services[i]].proto == IPPROTO_UDP;
		struct lb_counters before = *fake_service_count(services[i]), after[2];
		const struct flow *f = &world.lw->table->flow[world.lw->table->max6 + i];
		bool reply = (round / 4) % 2;

		for (unsigned way = 0; way < 2; way++) {
			uint32_t seq = f->end[reply];

			atomic_store(&trace_on, way);
			p[way] = reply ? fake_reply(first[i], TCP_ACK)
				       : fake_client(services[i], 1, TCP_ACK);
			fake_bytes(p[way])[14 + 8] = (uint8_t)(2 + round % 60);
			fake_bytes(p[way])[14 + 5] = (uint8_t)round;
			if (udp)
				fake_checksums(p[way]);
			else
				fake_numbers(p[way], seq, 7 * round);
			fake_burst();
			after[way] = *fake_service_count(services[i]);
			assert_int_equal(p[way]->fate, FATE_FORWARD);
			if (!udp)
				assert_int_equal(f->end[reply], seq + 6);
			fake_check_checksums(p[way]);
		}
		atomic_store(&trace_on, 0);
		assert_int_equal(p[0]->nexthop, p[1]->nexthop);
		if (!udp) // the numbers moved on by 6
			fake_numbers(p[0], f->end[reply] - 6, 7 * round);
		assert_memory_equal(fake_bytes(p[0]), fake_bytes(p[1]), p[1]->m.data_len);
		assert_int_equal(after[0].packets[reply] - before.packets[reply], 1);
		assert_int_equal(after[1].packets[reply] - after[0].packets[reply], 1);
		assert_int_equal(after[0].bytes[reply] - before.bytes[reply],
				 after[1].bytes[reply] - after[0].bytes[reply]);
		assert_int_equal(after[1].packets[!reply], before.packets[!reply]);
	}
	for (unsigned i = 0; i < RTE_DIM(services); i++) {
		const struct flow *f = &world.lw->table->flow[world.lw->table->max6 + i];
		const struct flow_cold *c = &world.lw->table->cold[world.lw->table->max6 + i];
		const struct lb_counters *n = fake_service_count(services[i]);
		uint64_t sum[2] = {0};

		for (unsigned s = 0; s < FAKE_SERVERS; s++)
			sum[0] += fake_server_count(s)->bytes[0],
				sum[1] += fake_server_count(s)->bytes[1];
		for (int dir = 0; dir < 2; dir++) {
			uint64_t all = 0;

			for (unsigned v = 0; v < RTE_DIM(services); v++)
				all += fake_service_count(services[v])->bytes[dir];
			assert_int_equal(flow_packets(f, c, dir), n->packets[dir]);
			assert_int_equal(flow_bytes(f, c, dir), n->bytes[dir]);
			assert_int_equal(sum[dir], all);
		}
	}
}

static void makes_one_flow_of_a_burst_of_its_packets(void **state)
{
	struct fake_packet *p[LB_BURST];

	(void)state;
	for (unsigned i = 0; i < LB_BURST; i++)
		p[i] = fake_client(FAKE_UDP, i % 4, 0);
	fake_burst();
	assert_int_equal(lb_worker_flow_count(world.lw), 4);
	for (unsigned i = 4; i < LB_BURST; i++) {
		assert_int_equal(p[i]->fate, FATE_FORWARD);
		assert_memory_equal(fake_bytes(p[i]) + 26, fake_bytes(p[i % 4]) + 26, 12);
	}
	assert_int_equal(fake_service_count(FAKE_UDP)->new_flows, 4);
	assert_int_equal(fake_service_count(FAKE_UDP)->packets[0], LB_BURST);
}

static void counts_by_service_and_server(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 6; c++)
		fake_reply(fake_establish(c), TCP_ACK);
	fake_burst();
	for (unsigned s = 0; s < FAKE_SERVERS; s++) {
		assert_int_equal(fake_server_count(s)->new_flows, 2);
		assert_int_equal(fake_server_count(s)->packets[FLOW_TO_SERVER], 4);
		assert_int_equal(fake_server_count(s)->packets[FLOW_TO_CLIENT], 4);
		assert_int_equal(fake_server_count(s)->bytes[FLOW_TO_CLIENT], 4 * 46);
	}
	assert_int_equal(fake_service_count(FAKE_TCP)->new_flows, 6);
	assert_int_equal(fake_service_count(FAKE_TCP)->bytes[FLOW_TO_SERVER], 12 * 46);
	assert_null(lb_worker_server_counters(world.lw, LB_CHUNK));
	assert_null(lb_worker_server_counters(world.lw, UINT32_MAX));
}

// A server or service that changed its address under the same reference.
static void believes_the_snapshot_rather_than_the_flow(void **state)
{
	struct fake_packet *p;

	(void)state;
	fake_establish(0);
	world.server[0].addr[3] = 77;
	fake_changed();
	p = fake_client(FAKE_TCP, 0, TCP_ACK);
	fake_burst();
	assert_int_equal(p->fate, FATE_ANSWER);
	assert_int_equal(lb_worker_flow_count(world.lw), 0);
}

static void looks_next_hops_up_again_when_routes_change(void **state)
{
	struct fake_packet *p;
	struct out_view *v = out_view_published.current;

	(void)state;
	fake_establish(0);
	world.route_server = FAKE_HOP_OTHER;
	p = fake_client(FAKE_TCP, 0, TCP_ACK);
	fake_burst();
	assert_int_equal(p->nexthop, FAKE_HOP_SERVER); // as remembered
	v->generation++;
	p = fake_client(FAKE_TCP, 0, TCP_ACK);
	fake_burst();
	assert_int_equal(p->nexthop, FAKE_HOP_OTHER);
	world.route_server = 0;
	v->generation++;
	p = fake_client(FAKE_TCP, 0, TCP_ACK);
	fake_burst();
	ASSERT_DROPPED(p, NO_ROUTE);
	assert_int_equal(lb_worker_flow_count(world.lw), 1);
	p = fake_client(FAKE_TCP, 1, TCP_SYN);
	fake_burst();
	ASSERT_DROPPED(p, NO_ROUTE);
	assert_int_equal(lb_worker_flow_count(world.lw), 1); // none made in vain
}

// Flows remember the epoch of their last check in 16 bits: after 65,535 changes the numbers come again.
static void checks_an_idle_flow_again_when_the_epochs_come_round(void **state)
{
	struct out_view *v = out_view_published.current;
	struct fake_packet *p;

	(void)state;
	fake_establish(0); // verified in this epoch
	for (unsigned i = 0; i < UINT16_MAX; i++) {
		v->generation++;
		fake_client(FAKE_TCP, 1, TCP_ACK);
		fake_burst();
		fake_forget_packets();
	}
	world.route_server = FAKE_HOP_OTHER;
	p = fake_client(FAKE_TCP, 0, TCP_ACK);
	fake_burst();
	assert_int_equal(p->nexthop, FAKE_HOP_OTHER);
}

// 2^31 ticks are 417 days: the comparison with the start must not turn round then.
static void is_not_quiet_again_after_a_year(void **state)
{
	struct fake_packet *p;

	(void)state;
	p = fake_client(FAKE_TCP, 1, TCP_ACK);
	fake_burst();
	assert_int_equal(p->fate, FATE_ANSWER);
	lb_age_poll(&world.w, world.lw);
	world.w.now_ticks += UINT32_C(1) << 31;
	world.w.now_ticks += 5;
	p = fake_client(FAKE_TCP, 1, TCP_ACK);
	fake_burst();
	assert_int_equal(p->fate, FATE_ANSWER);
}

static void decrements_the_hop_limit_and_answers_at_its_end(void **state)
{
	struct fake_packet *p;

	(void)state;
	for (unsigned ttl = 0; ttl < 2; ttl++) {
		p = fake_client(FAKE_TCP, 1, TCP_SYN);
		fake_bytes(p)[14 + 8] = (uint8_t)ttl;
		fake_checksums(p);
		fake_burst();
		assert_int_equal(p->fate, FATE_ANSWER); // time exceeded, from the service
		assert_int_equal(fake_bytes(p)[14 + 9], IPPROTO_ICMP);
		assert_int_equal(fake_bytes(p)[34], 11);
		assert_memory_equal(fake_bytes(p) + 26, world.service[FAKE_TCP].addr, 4);
		assert_int_equal(fake_bytes(p)[14 + 28 + 8], ttl);
	}
	assert_int_equal(world.lw->others.expired, 2);
	world.answers_allowed = false;
	for (unsigned ttl = 0; ttl <= 2; ttl++) {
		p = fake_client(FAKE_TCP, 1, TCP_SYN);
		fake_bytes(p)[14 + 8] = (uint8_t)ttl;
		fake_checksums(p);
		fake_burst();
		if (ttl < 2)
			ASSERT_DROPPED(p, IP_TTL);
		else
			assert_int_equal(p->fate, FATE_FORWARD);
		assert_int_equal(lb_worker_flow_count(world.lw), ttl == 2);
	}
	fake_check_checksums(p);
	assert_int_equal(fake_bytes(p)[14 + 8], 1);
	p = fake_client(FAKE_TCP, 1, TCP_ACK); // of a known flow
	fake_bytes(p)[14 + 8] = 1;
	fake_checksums(p);
	fake_burst();
	ASSERT_DROPPED(p, IP_TTL);
}

static void answers_echo_to_a_service_address_alone(void **state)
{
	struct fake_packet *ours = fake_client(FAKE_UDP, 1, 0), *others, *reply, *local;
	uint8_t *icmp = fake_bytes(ours) + 34;

	(void)state;
	fake_bytes(ours)[14 + 9] = IPPROTO_ICMP;
	memset(icmp, 0, 14);
	icmp[0] = 8;
	icmp[2] = 0xf7;
	icmp[3] = 0xff;
	fake_checksums(ours);
	others = fake_frame(fake_bytes(ours), ours->m.data_len);
	fake_bytes(others)[14 + 19] = 9;
	fake_checksums(others);
	reply = fake_frame(fake_bytes(ours), ours->m.data_len);
	fake_bytes(reply)[34] = 0; // no request
	local = fake_frame(fake_bytes(ours), ours->m.data_len);
	memcpy(fake_bytes(local) + 30, world.local4[0].addr, 4);
	fake_checksums(local);
	fake_burst();
	assert_int_equal(ours->fate, FATE_ANSWER);
	assert_int_equal(fake_bytes(ours)[34], 0);
	assert_memory_equal(fake_bytes(ours) + 26, ((uint8_t[]){192, 0, 2, 1, 10, 2, 0, 0}), 8);
	assert_int_equal(others->fate, FATE_PUNT);
	assert_int_equal(reply->fate, FATE_PUNT);
	assert_int_equal(local->fate, FATE_PUNT);
}

static void gives_the_kernel_what_is_not_ours(void **state)
{
	uint8_t arp[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 8, 6};
	struct fake_packet *a = fake_frame(arp, 60), *port = fake_client(FAKE_TCP, 1, TCP_SYN),
			   *host;

	(void)state;
	fake_bytes(port)[14 + 22] = 9; // no service there
	fake_checksums(port);
	host = fake_client(FAKE_TCP, 1, TCP_SYN);
	fake_bytes(host)[14 + 16] = 193;
	fake_checksums(host);
	fake_burst();
	assert_int_equal(a->fate, FATE_PUNT);
	assert_int_equal(port->fate, FATE_PUNT);
	assert_int_equal(host->fate, FATE_PUNT);
}

static void drops_what_does_not_parse_and_unknown_vlans(void **state)
{
	struct fake_packet *bad = fake_client(FAKE_TCP, 1, TCP_SYN);
	struct fake_packet *vlan = fake_client(FAKE_TCP, 2, TCP_SYN);
	struct fake_packet *known = fake_client(FAKE_TCP, 3, TCP_SYN);

	(void)state;
	fake_bytes(bad)[14 + 10] ^= 1;
	vlan->m.ol_flags = known->m.ol_flags = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	vlan->m.vlan_tci = 0x2005;
	known->m.vlan_tci = 0x2006;
	world.port.vlan_count = 1;
	world.port.vlan[0].vid = 6;
	fake_burst();
	ASSERT_DROPPED(bad, IP_CHECKSUM);
	ASSERT_DROPPED(vlan, VLAN_UNKNOWN);
	assert_int_equal(known->fate, FATE_FORWARD);
}

static void keeps_contexts_apart(void **state)
{
	struct fake_packet *p;

	(void)state;
	fake_open(FAKE_TCP, 1);
	world.port.context = 7;
	p = fake_client(FAKE_TCP, 1, TCP_ACK); // the same tuple in another context
	fake_burst();
	assert_int_equal(p->fate, FATE_PUNT); // no service there
	world.port.context = 0;
	p = fake_client(FAKE_TCP, 1, TCP_ACK);
	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
}

static void takes_packets_of_the_kernel_to_their_port(void **state)
{
	struct fake_packet *p;

	(void)state;
	world.port.parent = 3;
	p = fake_client(FAKE_TCP, 1, TCP_SYN);
	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
	assert_int_equal(lb_worker_flow_count(world.lw), 0);
}

static void serves_packets_that_were_handed_over(void **state)
{
	struct fake_packet *p = fake_client(FAKE_TCP, 1, TCP_SYN);

	(void)state;
	assert_int_equal(lb_handover_poll(&world.w, world.lw), 1);
	fake_flush();
	assert_int_equal(p->fate, FATE_FORWARD);
}

// What needs a closer look (SYN, FIN) must not overtake the data before it on the way to another worker.
static void hands_over_in_the_order_of_arrival(void **state)
{
	static const uint8_t flags[] = {TCP_SYN,           TCP_ACK,      PSH | TCP_ACK,
					TCP_FIN | TCP_ACK, TCP_ACK,      TCP_RST | TCP_ACK,
					TCP_SYN,           PSH | TCP_ACK};
	struct fake_packet *sent[RTE_DIM(flags)], *p;
	unsigned c = 0;

	(void)state;
	flow_steer_init(&world.lw->steer, 2);
	do { // a client of the other worker
		p = fake_client(FAKE_TCP, ++c, TCP_SYN);
		fake_burst();
	} while (p->fate != FATE_HANDED);
	world.handed_count = 0;
	for (unsigned i = 0; i < RTE_DIM(flags); i++)
		sent[i] = fake_client(FAKE_TCP, c, flags[i]);
	fake_burst();
	assert_int_equal(world.handed_count, RTE_DIM(flags));
	for (unsigned i = 0; i < RTE_DIM(flags); i++)
		assert_ptr_equal(world.handed[i], sent[i]);
}

static void gives_all_to_the_kernel_before_the_first_snapshot(void **state)
{
	struct fake_packet *p = fake_client(FAKE_TCP, 1, TCP_SYN);

	(void)state;
	world.publish.current = NULL;
	fake_burst();
	assert_int_equal(p->fate, FATE_PUNT);
}

// One header by connection, each way of sending it under its own count.
static void counts_proxy_headers_first_and_again_apart(void **state)
{
	const struct lb_other_counters *n = &world.lw->others;
	struct fake_packet *syn, *p;
	unsigned plain;

	(void)state;
	world.service[FAKE_TCP].proxy = CTL_PROXY_V2;
	syn = fake_open(FAKE_TCP, 1);
	fake_reply(syn, TCP_SYN | TCP_ACK);
	fake_burst();
	assert_int_equal(n->proxy_written + n->proxy_repeated, 0);
	p = fake_client(FAKE_TCP, 1, TCP_ACK);
	plain = p->m.data_len;
	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
	assert_int_equal(p->m.data_len, plain + 16 + 12); // version 2, TCP over IPv4
	assert_int_equal(n->proxy_written, 1);
	assert_int_equal(n->proxy_repeated, 0);
	for (unsigned i = 1; i <= 2; i++) { // nothing is acknowledged: sent again
		if (i == 2) {               // the handshake's end was lost, and the server says so
			fake_numbers(fake_reply(syn, TCP_SYN | TCP_ACK), 0, 1 - 28U);
			fake_burst();
		}
		fake_client(FAKE_TCP, 1, TCP_ACK);
		fake_burst();
		assert_int_equal(n->proxy_written, 1);
		assert_int_equal(n->proxy_repeated, i);
	}
	fake_numbers(fake_reply(syn, TCP_ACK), 1, 1 + 28); // the header has arrived
	fake_burst();
	p = fake_client(FAKE_TCP, 1, TCP_ACK);
	fake_burst();
	assert_int_equal(p->m.data_len, plain);
	assert_int_equal(n->proxy_written, 1);
	assert_int_equal(n->proxy_repeated, 2);
	syn = fake_open(FAKE_TCP, 2); // another connection
	fake_reply(syn, TCP_SYN | TCP_ACK);
	fake_burst();
	fake_client(FAKE_TCP, 2, TCP_ACK);
	fake_burst();
	assert_int_equal(n->proxy_written, 2);
	assert_int_equal(n->proxy_repeated, 2);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fake_setup, fake_teardown)
	const struct CMUnitTest tests[] = {
		T(balances_a_syn_and_its_answer),
		T(balances_ipv6_and_udp),
		T(goes_to_the_port_asked_for_and_keeps_it_within_the_range),
		T(leaves_addresses_of_the_node_out_of_a_prefix),
		T(serves_one_address_in_two_contexts_by_two_services),
		T(moves_plain_packets_as_the_long_way_does),
		T(makes_one_flow_of_a_burst_of_its_packets),
		T(counts_by_service_and_server),
		T(believes_the_snapshot_rather_than_the_flow),
		T(looks_next_hops_up_again_when_routes_change),
		T(checks_an_idle_flow_again_when_the_epochs_come_round),
		T(is_not_quiet_again_after_a_year),
		T(decrements_the_hop_limit_and_answers_at_its_end),
		T(answers_echo_to_a_service_address_alone),
		T(gives_the_kernel_what_is_not_ours),
		T(drops_what_does_not_parse_and_unknown_vlans),
		T(keeps_contexts_apart),
		T(takes_packets_of_the_kernel_to_their_port),
		T(serves_packets_that_were_handed_over),
		T(hands_over_in_the_order_of_arrival),
		T(gives_all_to_the_kernel_before_the_first_snapshot),
		T(counts_proxy_headers_first_and_again_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
