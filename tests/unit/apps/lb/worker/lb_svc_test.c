// SPDX-License-Identifier: BSD-3-Clause
//
// The worker of sluice-lb, packet by packet: what becomes of each kind, and that all are counted.

#include "apps/lb/show/lb_flows.h"
#include "tests/unit/apps/lb/worker/lb_fake.h"

#include "dataplane/flow/state.h"
#include "dataplane/trace/trace.h"

enum { PSH = 0x08 };

static int start(void **state)
{
	(void)state;
	fake_start(1024);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	fake_stop();
	return 0;
}

static unsigned port_at(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static const struct lb_counters *server_count(unsigned slot)
{
	return lb_worker_server_counters(world.lw, slot);
}

static const struct lb_counters *service_count(unsigned slot)
{
	return lb_worker_service_counters(world.lw, slot);
}

#define ASSERT_DROPPED(p, why)                                                                     \
	do {                                                                                       \
		assert_int_equal((p)->fate, FATE_DROP);                                            \
		assert_int_equal((p)->reason, DROP_##why);                                         \
	} while (0)

// A SYN; the packet that went to the server.
static struct fake_packet *open_flow(unsigned service, unsigned c)
{
	struct fake_packet *p = fake_client(service, c, TCP_SYN);

	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
	return p;
}

// A whole handshake.
static struct fake_packet *establish(unsigned c)
{
	struct fake_packet *syn = open_flow(FAKE_TCP, c);

	fake_reply(syn, TCP_SYN | TCP_ACK);
	fake_burst();
	fake_client(FAKE_TCP, c, TCP_ACK);
	fake_burst();
	return syn;
}

static void balances_a_syn_and_its_answer(void **state)
{
	struct fake_packet *syn = open_flow(FAKE_TCP, 1), *reply;
	uint8_t *ip = fake_bytes(syn) + 14;

	(void)state;
	assert_int_equal(syn->nexthop, FAKE_HOP_SERVER);
	fake_check_checksums(syn);
	assert_int_equal(ip[8], 63);
	assert_memory_equal(ip + 12, ((uint8_t[]){198, 51, 100}), 3);
	assert_memory_equal(ip + 16, world.server[0].addr, 4);
	assert_in_range(port_at(ip + 20), 1000, 1999);
	assert_int_equal(port_at(ip + 22), 8080);

	reply = fake_reply(syn, TCP_SYN | TCP_ACK);
	fake_burst();
	assert_int_equal(reply->fate, FATE_FORWARD);
	assert_int_equal(reply->nexthop, FAKE_HOP_CLIENT);
	fake_check_checksums(reply);
	ip = fake_bytes(reply) + 14;
	assert_memory_equal(ip + 12, ((uint8_t[]){192, 0, 2, 1, 10, 2, 0, 0}), 8);
	assert_int_equal(port_at(ip + 20), 80);
	assert_int_equal(port_at(ip + 22), 1025);
	assert_int_equal(lb_worker_flow_count(world.lw), 1);
	assert_int_equal(world.picks, 1);
}

static void balances_ipv6_and_udp(void **state)
{
	struct fake_packet *syn = open_flow(FAKE_TCP6, 1), *udp = open_flow(FAKE_UDP, 1), *r6, *ru;

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

// The server sees the client, and the client the service.
static void balances_by_nat_without_touching_the_client(void **state)
{
	static const unsigned services[] = {FAKE_NAT, FAKE_NAT_UDP, FAKE_NAT6};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(services); i++) {
		const struct lb_service *v = &world.service[services[i]];
		unsigned at = v->family == 4 ? 12 : 8, len = v->family == 4 ? 4 : 16;
		unsigned l4 = v->family == 4 ? 20 : 40;
		struct fake_packet *p = fake_client(services[i], 1, TCP_SYN), *reply;
		uint8_t *ip = fake_bytes(p) + 14, client[16];

		memcpy(client, ip + at, len);
		fake_burst();
		assert_int_equal(p->fate, FATE_FORWARD);
		assert_int_equal(p->nexthop, FAKE_HOP_SERVER);
		fake_check_checksums(p);
		assert_memory_equal(ip + at, client, len);
		assert_int_equal(port_at(ip + l4), 1025);
		assert_int_equal(port_at(ip + l4 + 2), 8080);
		reply = fake_reply(p, TCP_SYN | TCP_ACK);
		assert_memory_equal(fake_bytes(reply) + 14 + at + len, client, len);
		fake_burst();
		assert_int_equal(reply->fate, FATE_FORWARD);
		assert_int_equal(reply->nexthop, FAKE_HOP_CLIENT);
		fake_check_checksums(reply);
		ip = fake_bytes(reply) + 14;
		assert_memory_equal(ip + at, v->addr, len);
		assert_memory_equal(ip + at + len, client, len);
		assert_int_equal(port_at(ip + l4), 81);
		assert_int_equal(service_count(services[i])->packets[FLOW_TO_CLIENT], 1);
	}
	assert_int_equal(lb_worker_flow_count(world.lw), 3);
}

// A server's own traffic to the world is the kernel's to forward.
static void leaves_packets_of_a_nat_server_without_a_flow_to_the_kernel(void **state)
{
	struct fake_packet *syn = open_flow(FAKE_NAT, 1), *p;

	(void)state;
	fake_bytes(syn)[14 + 20] ^= 1; // another port of the client
	p = fake_reply(syn, TCP_ACK);
	fake_burst();
	assert_int_equal(p->fate, FATE_PUNT);
	assert_int_equal(lb_worker_flow_count(world.lw), 1);
}

// Where the steering program has taken it, there is no way back to the kernel: it is routed here.
static void routes_packets_of_a_nat_server_that_the_kernel_cannot_have(void **state)
{
	static const unsigned services[] = {FAKE_NAT, FAKE_NAT_UDP, FAKE_NAT6};
	uint8_t before[128];

	(void)state;
	world.port.view = PORT_VIEW_XDP;
	world.snap.nat = true;
	for (unsigned i = 0; i < RTE_DIM(services); i++) {
		struct fake_packet *syn = open_flow(services[i], 1), *p;
		bool ipv4 = world.service[services[i]].family == 4;
		unsigned ttl = 14 + (ipv4 ? 8 : 7), len;

		fake_bytes(syn)[14 + (ipv4 ? 20 : 40)] ^= 1; // another port of the client
		p = fake_reply(syn, TCP_ACK);
		len = p->m.data_len;
		memcpy(before, fake_bytes(p), len);
		fake_burst();
		assert_int_equal(p->fate, FATE_FORWARD);
		assert_int_equal(p->nexthop, FAKE_HOP_CLIENT);
		fake_check_checksums(p);
		assert_int_equal(fake_bytes(p)[ttl], before[ttl] - 1);
		before[ttl]--;
		memcpy(before, fake_bytes(p), 14);
		if (ipv4)
			memcpy(before + 24, fake_bytes(p) + 24, 2); // checked above
		assert_memory_equal(fake_bytes(p), before, len);
		p = fake_reply(syn, TCP_ACK);
		fake_bytes(p)[ttl] = 1;
		fake_checksums(p);
		fake_burst();
		ASSERT_DROPPED(p, IP_TTL);
	}
	assert_int_equal(lb_worker_flow_count(world.lw), 3);
	assert_int_equal(world.lw->others.routed, 3);
}

static void routes_nothing_of_what_the_kernel_is_to_answer(void **state)
{
	struct fake_packet *syn = open_flow(FAKE_NAT, 1), *p;

	(void)state;
	fake_bytes(syn)[14 + 20] ^= 1;
	world.port.view = PORT_VIEW_XDP;
	p = fake_reply(syn, TCP_ACK); // no service is NAT: the program takes none
	fake_burst();
	assert_int_equal(p->fate, FATE_PUNT);
	world.snap.nat = true;
	fake_changed();
	world.node_has_it = true;
	p = fake_reply(syn, TCP_ACK);
	fake_burst();
	assert_int_equal(p->fate, FATE_PUNT);
	world.node_has_it = false;
	p = fake_client(FAKE_TCP, 2, TCP_SYN);
	fake_bytes(p)[14 + 22] = 9; // to the service's address
	fake_checksums(p);
	fake_burst();
	assert_int_equal(p->fate, FATE_PUNT);
}

// One client port by two services to one server: the server could not tell both apart.
static void refuses_by_nat_what_the_server_could_not_tell_apart(void **state)
{
	struct fake_packet *p;

	(void)state;
	world.server[1].takes_new = world.server[2].takes_new = 0;
	open_flow(FAKE_NAT, 1);
	p = fake_client(FAKE_NAT_B, 1, TCP_SYN);
	fake_burst();
	ASSERT_DROPPED(p, NAT_CONFLICT);
	assert_int_equal(service_count(FAKE_NAT_B)->refused, 1);
	assert_int_equal(server_count(0)->refused, 1);
	assert_int_equal(lb_worker_flow_count(world.lw), 1);
	open_flow(FAKE_NAT_UDP, 1);
	open_flow(FAKE_NAT_B, 2);
	open_flow(FAKE_TCP, 1); // FULLNAT has other pairs
	world.server[0].takes_new = 0;
	world.server[1].takes_new = 1;
	open_flow(FAKE_NAT_B, 1); // and another server has never seen that client
	assert_int_equal(lb_worker_flow_count(world.lw), 5);
}

static void makes_room_by_nat_where_a_connection_is_over(void **state)
{
	struct fake_packet *syn, *p;

	(void)state;
	world.server[1].takes_new = world.server[2].takes_new = 0;
	syn = open_flow(FAKE_NAT, 1);
	fake_reply(syn, TCP_SYN | TCP_ACK);
	fake_burst();
	fake_client(FAKE_NAT, 1, TCP_FIN | TCP_ACK);
	fake_burst();
	fake_reply(syn, TCP_FIN | TCP_ACK);
	fake_burst();
	p = open_flow(FAKE_NAT_B, 1);
	assert_int_equal(service_count(FAKE_NAT)->ended_flows, 1);
	assert_int_equal(lb_worker_flow_count(world.lw), 1);
	p = fake_reply(p, TCP_SYN | TCP_ACK);
	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
	assert_int_equal(port_at(fake_bytes(p) + 14 + 20), 82); // the new one's
}

// The server connects to its own service, from the port that it listens on: one tuple, two directions.
static void refuses_by_nat_a_server_that_is_its_own_client(void **state)
{
	struct fake_packet *p = fake_client(FAKE_NAT, 1, TCP_SYN);

	(void)state;
	memcpy(world.server[0].addr, world.service[FAKE_NAT].addr, 4);
	world.server[0].port = world.service[FAKE_NAT].port;
	memcpy(fake_bytes(p) + 14 + 12, world.service[FAKE_NAT].addr, 4);
	memcpy(fake_bytes(p) + 14 + 20, &world.service[FAKE_NAT].port, 2);
	fake_checksums(p);
	fake_burst();
	ASSERT_DROPPED(p, IP_LAND);
	assert_int_equal(lb_worker_flow_count(world.lw), 0);
}

static void keeps_flows_when_a_service_changes_its_forwarding(void **state)
{
	struct fake_packet *full = establish(1), *nat = open_flow(FAKE_NAT, 2), *p;

	(void)state;
	world.service[FAKE_TCP].forwarding = CTL_FORWARD_NAT;
	world.service[FAKE_NAT].forwarding = CTL_FORWARD_FULLNAT;
	world.service[FAKE_NAT].local = &world.local;
	fake_changed();
	p = fake_reply(full, TCP_ACK);
	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
	p = fake_reply(nat, TCP_ACK);
	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
	p = open_flow(FAKE_NAT, 3);
	assert_memory_equal(fake_bytes(p) + 14 + 12, ((uint8_t[]){198, 51, 100}), 3);
	p = open_flow(FAKE_TCP, 4);
	assert_memory_equal(fake_bytes(p) + 14 + 12, ((uint8_t[]){10, 2, 0, 0}), 4);
}

// The server has the port that the client asked for, of a range or of any.
static void goes_to_the_port_asked_for_and_keeps_it_within_the_range(void **state)
{
	struct fake_packet *p;

	(void)state;
	for (unsigned i = 0; i < FAKE_SERVERS; i++)
		world.server[i].port = 0;
	world.service[FAKE_NAT].port_max = RTE_BE16(90);
	p = open_flow(FAKE_NAT, 1);
	assert_int_equal(port_at(fake_bytes(p) + 14 + 22), 81);
	fake_changed(); // verified again
	p = open_flow(FAKE_NAT, 1);
	assert_int_equal(lb_worker_flow_count(world.lw), 1);
	assert_int_equal(service_count(FAKE_NAT)->new_flows, 1);
	assert_int_equal(port_at(fake_bytes(p) + 14 + 22), 81);
	world.service[FAKE_NAT].port = 0; // any
	world.service[FAKE_NAT].prefix_len = 30;
	fake_changed();
	open_flow(FAKE_NAT_B, 9); // keeps the burst from being empty
	fake_reply(p, TCP_ACK);
	fake_burst();
	assert_int_equal(service_count(FAKE_NAT)->ended_flows, 0);
	world.service[FAKE_NAT].port = RTE_BE16(82);
	fake_changed();
	fake_reply(p, TCP_ACK);
	fake_burst();
	assert_int_equal(service_count(FAKE_NAT)->ended_flows, 1);
}

static void leaves_addresses_of_the_node_out_of_a_prefix(void **state)
{
	struct fake_packet *p;

	(void)state;
	world.node_has_it = true;
	open_flow(FAKE_TCP, 1); // an address of a service alone is the service's
	world.service[FAKE_TCP].prefix_len = 31;
	fake_changed();
	p = fake_client(FAKE_TCP, 2, TCP_SYN);
	fake_burst();
	assert_int_equal(p->fate, FATE_PUNT);
	world.node_has_it = false;
	open_flow(FAKE_TCP, 3);
}

static void serves_one_address_in_two_contexts_by_two_services(void **state)
{
	struct fake_packet *p;

	(void)state;
	open_flow(FAKE_TCP, 1);
	assert_int_equal(service_count(FAKE_TCP)->new_flows, 1);
	assert_int_equal(service_count(FAKE_TWIN)->new_flows, 0);
	world.port.context = world.service[FAKE_TWIN].context;
	open_flow(FAKE_TWIN, 1); // the same client, address and port
	assert_int_equal(service_count(FAKE_TCP)->new_flows, 1);
	assert_int_equal(service_count(FAKE_TWIN)->new_flows, 1);
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
	open_flow(FAKE_TCP, 2);
	assert_int_equal(service_count(FAKE_TCP)->new_flows, 2);
}

// Plain packets of known flows take a short cut; a trace keeps them off it. The same comes out of both.
static void moves_plain_packets_as_the_long_way_does(void **state)
{
	static const unsigned services[] = {FAKE_TCP, FAKE_UDP, FAKE_NAT, FAKE_NAT_UDP};
	struct fake_packet *first[RTE_DIM(services)], *p[2];

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(services); i++) {
		first[i] = open_flow(services[i], 1);
		fake_reply(first[i], TCP_SYN | TCP_ACK);
		fake_burst();
		fake_numbers(fake_client(services[i], 1, TCP_ACK), 7, 7);
		fake_burst();
	}
	for (unsigned round = 0; round < 2000; round++) {
		unsigned i = round % RTE_DIM(services);
		bool udp = world.service[services[i]].proto == IPPROTO_UDP;
		struct lb_counters before = *service_count(services[i]), after[2];
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
			after[way] = *service_count(services[i]);
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
		const struct lb_counters *n = service_count(services[i]);
		uint64_t sum[2] = {0};

		for (unsigned s = 0; s < FAKE_SERVERS; s++)
			sum[0] += server_count(s)->bytes[0], sum[1] += server_count(s)->bytes[1];
		for (int dir = 0; dir < 2; dir++) {
			uint64_t all = 0;

			for (unsigned v = 0; v < RTE_DIM(services); v++)
				all += service_count(services[v])->bytes[dir];
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
	assert_int_equal(service_count(FAKE_UDP)->new_flows, 4);
	assert_int_equal(service_count(FAKE_UDP)->packets[0], LB_BURST);
}

static void counts_by_service_and_server(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 6; c++)
		fake_reply(establish(c), TCP_ACK);
	fake_burst();
	for (unsigned s = 0; s < FAKE_SERVERS; s++) {
		assert_int_equal(server_count(s)->new_flows, 2);
		assert_int_equal(server_count(s)->packets[FLOW_TO_SERVER], 4);
		assert_int_equal(server_count(s)->packets[FLOW_TO_CLIENT], 4);
		assert_int_equal(server_count(s)->bytes[FLOW_TO_CLIENT], 4 * 46);
	}
	assert_int_equal(service_count(FAKE_TCP)->new_flows, 6);
	assert_int_equal(service_count(FAKE_TCP)->bytes[FLOW_TO_SERVER], 12 * 46);
	assert_null(lb_worker_server_counters(world.lw, LB_CHUNK));
	assert_null(lb_worker_server_counters(world.lw, UINT32_MAX));
}

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

		p = open_flow(FAKE_UDP, c);
		ip = fake_bytes(p) + 14;
		assert_false(used[ip[15] - 1][port_at(ip + 20) - 1000]);
		used[ip[15] - 1][port_at(ip + 20) - 1000] = true;
	}
	p = fake_client(FAKE_UDP, 2000, 0);
	fake_burst();
	ASSERT_DROPPED(p, NO_LOCAL_PORT);
	assert_int_equal(service_count(FAKE_UDP)->refused, 1);
	assert_int_equal(server_count(0)->refused, 1);
	assert_int_equal(lb_worker_flow_count(world.lw), 2000);
	// The pairs are free towards another server.
	world.server[0].takes_new = 0;
	world.server[1].takes_new = 1;
	open_flow(FAKE_UDP, 2001);
	// TCP and UDP do not share ports.
	world.server[0].takes_new = 1;
	world.server[1].takes_new = 0;
	open_flow(FAKE_TCP, 2002);
}

static void refuses_new_flows_and_keeps_old_when_full(void **state)
{
	struct fake_packet *p, *old = open_flow(FAKE_TCP, 0);

	(void)state;
	for (unsigned c = 1; c < 1024; c++)
		open_flow(c % 2 ? FAKE_UDP : FAKE_TCP, c);
	p = fake_client(FAKE_TCP, 5000, TCP_SYN);
	fake_client(FAKE_UDP, 5000, 0);
	fake_burst();
	ASSERT_DROPPED(p, TABLE_FULL);
	assert_int_equal(world.w.count.dropped[DROP_TABLE_FULL], 2);
	assert_int_equal(service_count(FAKE_TCP)->refused, 1);
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
	assert_int_equal(service_count(FAKE_TCP)->refused, 1);
	world.answers_allowed = false;
	syn = fake_client(FAKE_TCP, 1, TCP_SYN);
	fake_burst();
	ASSERT_DROPPED(syn, ANSWER_LIMIT);
	assert_int_equal(lb_worker_flow_count(world.lw), 0);
}

static void refuses_a_disabled_service(void **state)
{
	struct fake_packet *old = establish(1), *p;

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
	open_flow(FAKE_TCP, 2); // SYNs are served all the time
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
	struct fake_packet *syn = open_flow(FAKE_TCP, 1), *p;

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
		flow[c] = establish(c);
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
	assert_int_equal(server_count(1)->ended_flows, 1);
	p = fake_client(FAKE_TCP, 0, TCP_ACK); // the others' go on
	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
	// The client comes back to another server.
	p = open_flow(FAKE_TCP, 1);
	assert_int_not_equal(fake_bytes(p)[14 + 19], 2);
}

// A new connection from the port of an old one, whose server has died meanwhile.
static void gives_a_syn_on_a_flow_of_a_dead_server_to_another(void **state)
{
	struct fake_packet *p;

	(void)state;
	for (unsigned c = 0; c < 3; c++)
		establish(c);
	world.server[1].alive = world.server[1].takes_new = 0;
	fake_changed();
	p = fake_client(FAKE_TCP, 1, TCP_SYN);
	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
	assert_int_not_equal(fake_bytes(p)[14 + 19], 2);
	assert_int_equal(lb_worker_flow_count(world.lw), 3);
	assert_int_equal(server_count(1)->ended_flows, 1);
}

static void gives_udp_of_a_server_that_is_down_to_another(void **state)
{
	struct fake_packet *p = open_flow(FAKE_UDP, 1);
	unsigned first = fake_bytes(p)[14 + 19];

	(void)state;
	world.server[first - 1].alive = world.server[first - 1].takes_new = 0;
	fake_changed();
	p = open_flow(FAKE_UDP, 1);
	assert_int_not_equal(fake_bytes(p)[14 + 19], first);
	assert_int_equal(lb_worker_flow_count(world.lw), 1);
}

static void drains_a_server(void **state)
{
	struct fake_packet *p, *old = establish(0);

	(void)state;
	world.server[0].takes_new = 0; // alive
	fake_changed();
	for (unsigned c = 1; c < 20; c++)
		assert_int_not_equal(fake_bytes(open_flow(FAKE_TCP, c))[14 + 19], 1);
	p = fake_reply(old, TCP_ACK);
	fake_client(FAKE_TCP, 0, TCP_ACK);
	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
	assert_int_equal(server_count(0)->packets[0], 3);
}

static void treats_flows_of_a_deleted_server_as_missed(void **state)
{
	struct fake_packet *p;

	(void)state;
	establish(0);
	open_flow(FAKE_UDP, 3);                    // server 1
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
	assert_int_equal(server_count(0)->ended_flows + server_count(1)->ended_flows, 0);
}

// A server or service that changed its address under the same reference.
static void believes_the_snapshot_rather_than_the_flow(void **state)
{
	struct fake_packet *p;

	(void)state;
	establish(0);
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
	establish(0);
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
	establish(0); // verified in this epoch
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

static void starts_anew_on_a_syn_after_the_end(void **state)
{
	struct fake_packet *flow = establish(0), *p;

	(void)state;
	p = fake_client(FAKE_TCP, 0, TCP_SYN); // on a live one: the server's to answer
	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
	assert_int_equal(lb_worker_flow_count(world.lw), 1);
	assert_int_equal(service_count(FAKE_TCP)->new_flows, 1);
	fake_client(FAKE_TCP, 0, TCP_FIN | TCP_ACK);
	fake_reply(flow, TCP_FIN | TCP_ACK);
	fake_burst();
	p = fake_client(FAKE_TCP, 0, TCP_SYN); // the first one once more, late: to the same server
	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
	assert_memory_equal(fake_bytes(p) + 26, fake_bytes(flow) + 26, 12);
	assert_int_equal(service_count(FAKE_TCP)->new_flows, 1);
	p = fake_numbers(fake_client(FAKE_TCP, 0, TCP_SYN), 5000, 0);
	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
	assert_int_equal(lb_worker_flow_count(world.lw), 1);
	assert_int_equal(service_count(FAKE_TCP)->new_flows, 2);
	assert_int_equal(service_count(FAKE_TCP)->ended_flows, 1);
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
	struct fake_packet *flow = establish(0), *p;

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
		syn[c] = open_flow(FAKE_TCP, c);
	open_flow(FAKE_TCP, 0); // the client's SYN once more, and again: silence counts once
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
	establish(0);                  // 1000
	open_flow(FAKE_TCP, 1);        // 100
	open_flow(FAKE_UDP, 2);        // 200
	flow = open_flow(FAKE_TCP, 3); // 50, once reset
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
	assert_int_equal(service_count(FAKE_TCP)->ended_flows, 3);
	assert_int_equal(service_count(FAKE_UDP)->ended_flows, 1);
}

// A flood of forged SYNs: servers repeat their SYN-ACKs, which must not keep the flows.
static void ends_half_open_flows_whatever_the_server_repeats(void **state)
{
	struct fake_packet *syn = open_flow(FAKE_TCP, 1);
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
	open_flow(FAKE_TCP, 1);
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
	open_flow(FAKE_TCP, 1);
	world.w.now_ticks += 14;
	lb_age_poll(&world.w, world.lw);
	assert_int_equal(lb_worker_flow_count(world.lw), 0);
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
	open_flow(FAKE_TCP, 1);
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

static void shows_flows_to_operators(void **state)
{
	struct lb_flow_info f = {0};

	(void)state;
	fake_reply(open_flow(FAKE_TCP6, 300), TCP_SYN | TCP_ACK);
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
	struct fake_packet *open = open_flow(FAKE_TCP, 1), *p;

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
	open_flow(FAKE_TCP, 1);
	assert_int_equal(clear_flow(0), 1);
	p = fake_client(FAKE_TCP, 1, TCP_SYN);
	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
	assert_int_equal(lb_worker_flow_count(world.lw), 1);
	assert_int_equal(lb_worker_service_counters(world.lw, FAKE_TCP)->new_flows, 2);
}

static void a_cleared_flow_swallows_resets(void **state)
{
	struct fake_packet *open = open_flow(FAKE_TCP6, 300), *p;

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
	open_flow(FAKE_UDP, 1);
	assert_int_equal(clear_flow(0), 1);
	assert_int_equal(lb_worker_flow_count(world.lw), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		T(balances_a_syn_and_its_answer),
		T(balances_ipv6_and_udp),
		T(balances_by_nat_without_touching_the_client),
		T(leaves_packets_of_a_nat_server_without_a_flow_to_the_kernel),
		T(routes_packets_of_a_nat_server_that_the_kernel_cannot_have),
		T(routes_nothing_of_what_the_kernel_is_to_answer),
		T(refuses_by_nat_what_the_server_could_not_tell_apart),
		T(makes_room_by_nat_where_a_connection_is_over),
		T(refuses_by_nat_a_server_that_is_its_own_client),
		T(keeps_flows_when_a_service_changes_its_forwarding),
		T(goes_to_the_port_asked_for_and_keeps_it_within_the_range),
		T(leaves_addresses_of_the_node_out_of_a_prefix),
		T(serves_one_address_in_two_contexts_by_two_services),
		T(moves_plain_packets_as_the_long_way_does),
		T(makes_one_flow_of_a_burst_of_its_packets),
		T(counts_by_service_and_server),
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
		T(believes_the_snapshot_rather_than_the_flow),
		T(looks_next_hops_up_again_when_routes_change),
		T(checks_an_idle_flow_again_when_the_epochs_come_round),
		T(is_not_quiet_again_after_a_year),
		T(starts_anew_on_a_syn_after_the_end),
		T(ends_no_connection_by_a_reset_out_of_its_place),
		T(counts_what_tcp_shows_of_a_server),
		T(ends_idle_flows_by_their_state),
		T(ends_half_open_flows_whatever_the_server_repeats),
		T(ages_without_the_snapshot_of_the_last_burst),
		T(takes_timeouts_of_the_snapshot),
		T(decrements_the_hop_limit_and_answers_at_its_end),
		T(answers_echo_to_a_service_address_alone),
		T(gives_the_kernel_what_is_not_ours),
		T(drops_what_does_not_parse_and_unknown_vlans),
		T(keeps_contexts_apart),
		T(takes_packets_of_the_kernel_to_their_port),
		T(serves_packets_that_were_handed_over),
		T(hands_over_in_the_order_of_arrival),
		T(gives_all_to_the_kernel_before_the_first_snapshot),
		T(shows_flows_to_operators),
		T(a_cleared_flow_is_reset_on_both_sides),
		T(a_cleared_flow_gives_way_to_a_new_connection),
		T(a_cleared_flow_swallows_resets),
		T(a_cleared_udp_flow_is_gone_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
