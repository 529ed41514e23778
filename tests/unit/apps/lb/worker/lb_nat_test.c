// SPDX-License-Identifier: BSD-3-Clause
//
// NAT services packet by packet: the client is not touched, and what a NAT server sends beside its services.

#include "tests/unit/apps/lb/worker/lb_fake.h"

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
		assert_int_equal(fake_port_at(ip + l4), 1025);
		assert_int_equal(fake_port_at(ip + l4 + 2), 8080);
		reply = fake_reply(p, TCP_SYN | TCP_ACK);
		assert_memory_equal(fake_bytes(reply) + 14 + at + len, client, len);
		fake_burst();
		assert_int_equal(reply->fate, FATE_FORWARD);
		assert_int_equal(reply->nexthop, FAKE_HOP_CLIENT);
		fake_check_checksums(reply);
		ip = fake_bytes(reply) + 14;
		assert_memory_equal(ip + at, v->addr, len);
		assert_memory_equal(ip + at + len, client, len);
		assert_int_equal(fake_port_at(ip + l4), 81);
		assert_int_equal(fake_service_count(services[i])->packets[FLOW_TO_CLIENT], 1);
	}
	assert_int_equal(lb_worker_flow_count(world.lw), 3);
}

// A server's own traffic to the world is the kernel's to forward.
static void leaves_packets_of_a_nat_server_without_a_flow_to_the_kernel(void **state)
{
	struct fake_packet *syn = fake_open(FAKE_NAT, 1), *p;

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
		struct fake_packet *syn = fake_open(services[i], 1), *p;
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
		assert_int_equal(p->fate, FATE_ANSWER); // time exceeded
	}
	assert_int_equal(lb_worker_flow_count(world.lw), 3);
	assert_int_equal(world.lw->others.routed, 3);
}

static void routes_nothing_of_what_the_kernel_is_to_answer(void **state)
{
	struct fake_packet *syn = fake_open(FAKE_NAT, 1), *p;

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
	fake_open(FAKE_NAT, 1);
	p = fake_client(FAKE_NAT_B, 1, TCP_SYN);
	fake_burst();
	ASSERT_DROPPED(p, NAT_CONFLICT);
	assert_int_equal(fake_service_count(FAKE_NAT_B)->refused, 1);
	assert_int_equal(fake_server_count(0)->refused, 1);
	assert_int_equal(lb_worker_flow_count(world.lw), 1);
	fake_open(FAKE_NAT_UDP, 1);
	fake_open(FAKE_NAT_B, 2);
	fake_open(FAKE_TCP, 1); // FULLNAT has other pairs
	world.server[0].takes_new = 0;
	world.server[1].takes_new = 1;
	fake_open(FAKE_NAT_B, 1); // and another server has never seen that client
	assert_int_equal(lb_worker_flow_count(world.lw), 5);
}

static void makes_room_by_nat_where_a_connection_is_over(void **state)
{
	struct fake_packet *syn, *p;

	(void)state;
	world.server[1].takes_new = world.server[2].takes_new = 0;
	syn = fake_open(FAKE_NAT, 1);
	fake_reply(syn, TCP_SYN | TCP_ACK);
	fake_burst();
	fake_client(FAKE_NAT, 1, TCP_FIN | TCP_ACK);
	fake_burst();
	fake_reply(syn, TCP_FIN | TCP_ACK);
	fake_burst();
	p = fake_open(FAKE_NAT_B, 1);
	assert_int_equal(fake_service_count(FAKE_NAT)->ended_flows, 1);
	assert_int_equal(lb_worker_flow_count(world.lw), 1);
	p = fake_reply(p, TCP_SYN | TCP_ACK);
	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
	assert_int_equal(fake_port_at(fake_bytes(p) + 14 + 20), 82); // the new one's
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

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fake_setup, fake_teardown)
	const struct CMUnitTest tests[] = {
		T(balances_by_nat_without_touching_the_client),
		T(leaves_packets_of_a_nat_server_without_a_flow_to_the_kernel),
		T(routes_packets_of_a_nat_server_that_the_kernel_cannot_have),
		T(routes_nothing_of_what_the_kernel_is_to_answer),
		T(refuses_by_nat_what_the_server_could_not_tell_apart),
		T(makes_room_by_nat_where_a_connection_is_over),
		T(refuses_by_nat_a_server_that_is_its_own_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
