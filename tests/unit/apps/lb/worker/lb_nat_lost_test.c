// SPDX-License-Identifier: BSD-3-Clause
//
// What servers of NAT services send without a flow: no segment leaves with the address and port of a server,
// but for connections that begin here, and datagrams. And the quiet after a start, of which a service without servers
// takes no notice.

#include "tests/unit/apps/lb/worker/lb_fake.h"

#include <rte_ip.h>

#include "dataplane/out/rewrite.h"

enum { PSH = 0x08, SYN_ACK = TCP_SYN | TCP_ACK };

static alignas(8) uint8_t room[sizeof(struct lb_sources) + 16 * sizeof(struct lb_source)];
static struct lb_sources *const sources = (void *)room;

// Servers of the fake world answer from TCP port 8080.
static void put_source(unsigned server)
{
	const struct lb_server *v = &world.server[server];
	struct lb_source *at = sources->at;
	uint32_t i;

	for (i = lb_service_hash(0, IPPROTO_TCP, v->addr, RTE_BE16(8080)) & 15; at[i].family != 0;
	     i = (i + 1) & 15)
		;
	at[i] = (struct lb_source){.family = v->family, .port = RTE_BE16(8080)};
	memcpy(at[i].addr, v->addr, 16);
}

static int start(void **state)
{
	(void)state;
	fake_start(1024);
	memset(room, 0, sizeof(room));
	sources->mask = 15;
	for (unsigned i = 0; i <= FAKE_SERVER6; i++)
		put_source(i);
	world.snap.nat = true;
	world.snap.sources = sources;
	world.port.view = PORT_VIEW_XDP;
	return 0;
}

static void lose_flows(void)
{
	const struct flow_table *t = world.lw->table;

	for (uint32_t i = 0; i < flow_capacity(t); i++)
		if ((t->flow[i].flags & FLOW_F_VALID) != 0)
			lb_flow_end(world.lw, i);
	assert_int_equal(lb_worker_flow_count(world.lw), 0);
}

// The packet to the server of a flow that is not there any more.
static struct fake_packet *lost_flow(unsigned service, unsigned c)
{
	struct fake_packet *p = fake_open(service, c);

	lose_flows();
	return p;
}

static unsigned l4_of(const struct fake_packet *p)
{
	return fake_bytes(p)[14] >> 4 == 4 ? 14 + 20 : 14 + 40;
}

// A packet from the server to the client's side, as fake_reply(), from another port.
static struct fake_packet *reply_from(const struct fake_packet *to_server, uint16_t port,
				      uint8_t flags)
{
	struct fake_packet *p = fake_reply(to_server, flags);
	uint8_t *l4 = fake_bytes(p) + l4_of(p);

	l4[0] = (uint8_t)(port >> 8);
	l4[1] = (uint8_t)port;
	fake_checksums(p);
	return p;
}

static void resets_a_server_whose_flow_is_lost(void **state)
{
	static const unsigned services[] = {FAKE_NAT, FAKE_NAT6};
	static const uint8_t flags[] = {TCP_ACK, TCP_ACK | PSH, TCP_ACK | TCP_FIN,
					TCP_ACK | PSH | TCP_FIN};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(services); i++) {
		struct fake_packet *to_server = lost_flow(services[i], 1), *p;
		bool ipv4 = world.service[services[i]].family == 4;
		const uint8_t *had, *ip;

		for (unsigned f = 0; f < RTE_DIM(flags); f++) {
			p = fake_reply(to_server, flags[f]);
			fake_burst();
			assert_int_equal(p->fate, FATE_ANSWER);
			had = fake_bytes(to_server) + 14;
			ip = fake_bytes(p) + 14;
			// From the client, for the server.
			assert_memory_equal(ip + (ipv4 ? 12 : 8), had + (ipv4 ? 12 : 8),
					    ipv4 ? 8 : 32);
			assert_memory_equal(fake_bytes(p) + l4_of(p),
					    fake_bytes(to_server) + l4_of(to_server), 4);
			assert_int_equal(fake_bytes(p)[l4_of(p) + 13], TCP_RST);
			fake_check_checksums(p);
		}
		p = fake_reply(to_server, TCP_RST | TCP_ACK);
		fake_burst();
		ASSERT_DROPPED(p, NAT_NO_FLOW);
	}
	assert_int_equal(world.lw->others.routed, 0);
	assert_int_equal(world.lw->others.nat_lost, 2 * 5);
	world.answers_allowed = false;
	fake_reply(lost_flow(FAKE_NAT, 2), TCP_ACK);
	fake_burst();
	assert_int_equal(world.w.count.dropped[DROP_ANSWER_LIMIT], 1);
}

static void says_nothing_to_a_server_in_the_quiet_after_a_start(void **state)
{
	struct fake_packet *to_server = lost_flow(FAKE_NAT, 1), *p;

	(void)state;
	world.snap.quiet_until = world.w.now_ticks + 1;
	p = fake_reply(to_server, TCP_ACK);
	fake_burst();
	ASSERT_DROPPED(p, QUIET);
	world.w.now_ticks++;
	p = fake_reply(to_server, TCP_ACK);
	fake_burst();
	assert_int_equal(p->fate, FATE_ANSWER);
	assert_int_equal(world.lw->others.nat_lost, 2);
}

static void routes_datagrams_of_a_server_as_they_come(void **state)
{
	struct fake_packet *to_server = lost_flow(FAKE_NAT_UDP, 1), *p;

	(void)state;
	p = fake_reply(to_server,
		       0); // a client of its own, maybe: NTP asks from the port it serves
	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
	assert_int_equal(world.lw->others.routed, 1);
	assert_int_equal(world.lw->others.nat_lost, 0);
}

// Whether the kernel could have it or not.
static void leaks_nothing_through_the_kernel_either(void **state)
{
	struct fake_packet *to_server = lost_flow(FAKE_NAT, 1), *p;

	(void)state;
	world.port.view = PORT_VIEW_SHADOW;
	p = fake_reply(to_server, TCP_ACK);
	fake_burst();
	assert_int_equal(p->fate, FATE_ANSWER);
	p = reply_from(to_server, 8081, TCP_ACK);
	fake_burst();
	assert_int_equal(p->fate, FATE_PUNT);
	world.node_has_it = true; // a health check's answer
	p = fake_reply(to_server, SYN_ACK);
	fake_burst();
	assert_int_equal(p->fate, FATE_PUNT);
}

// Its own, or of somebody who asks the server itself.
static void a_connection_that_begins_here_goes_on_its_way(void **state)
{
	static const uint8_t first[] = {TCP_SYN, SYN_ACK};

	(void)state;
	for (unsigned f = 0; f < RTE_DIM(first); f++) {
		struct fake_packet *to_server = lost_flow(FAKE_NAT, 1 + 2 * f);
		struct fake_packet *other = lost_flow(FAKE_NAT, 2 + 2 * f), *p;

		p = fake_reply(to_server, first[f]);
		fake_burst();
		assert_int_equal(p->fate, FATE_FORWARD);
		for (unsigned i = 0; i < 3; i++) {
			world.w.now_ticks += 999; // idle for less than a flow may be
			p = fake_reply(to_server, TCP_ACK);
			fake_burst();
			assert_int_equal(p->fate, FATE_FORWARD);
			p = fake_reply(other, TCP_ACK); // not this one
			fake_burst();
			assert_int_equal(p->fate, FATE_ANSWER);
		}
		world.w.now_ticks += 1000;
		p = fake_reply(to_server, TCP_ACK);
		fake_burst();
		assert_int_equal(p->fate, FATE_ANSWER);
	}
	assert_int_equal(lb_worker_flow_count(world.lw), 0);
}

// The memory holds as many as it says, the youngest.
static void forgets_old_connections_of_servers_for_new_ones(void **state)
{
	struct fake_packet *last = NULL, *p;
	unsigned kept = 0;

	(void)state;
	for (unsigned c = 0; c < 3 * LB_NAT_OWN; c++) {
		last = lost_flow(FAKE_NAT, c);
		world.w.now_ticks += c % 64 == 0;
		fake_reply(last, TCP_SYN);
		fake_burst();
	}
	p = fake_reply(last, TCP_ACK);
	fake_burst();
	assert_int_equal(p->fate, FATE_FORWARD);
	for (unsigned i = 0; i < LB_NAT_OWN; i++)
		kept += world.lw->nat_own[i].tag != 0;
	assert_in_range(kept, LB_NAT_OWN * 9 / 10, LB_NAT_OWN);
}

// RFC 1812 section 5.3.1, from our address on that side.
static void answers_a_server_whose_hop_limit_ends_here(void **state)
{
	static const uint8_t addr6[16] = {0x20, 1, 0xd, 0xb8, 0, 1, [15] = 0xfe};
	static const unsigned services[] = {FAKE_NAT, FAKE_NAT6};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(services); i++) {
		struct fake_packet *to_server = lost_flow(services[i], 1), *p;
		bool ipv4 = world.service[services[i]].family == 4;
		const uint8_t *ip;

		for (unsigned ttl = 0; ttl < 2; ttl++) {
			p = reply_from(to_server, 33434, TCP_SYN);
			fake_bytes(p)[14 + (ipv4 ? 8 : 7)] = (uint8_t)ttl;
			fake_checksums(p);
			fake_burst();
			assert_int_equal(p->fate, FATE_ANSWER);
			ip = fake_bytes(p) + 14;
			assert_int_equal(ip[ipv4 ? 20 : 40], ipv4 ? 11 : 3);
			if (ipv4)
				assert_memory_equal(ip + 12, ((uint8_t[]){10, 1, 0, 254}), 4);
			else
				assert_memory_equal(ip + 8, addr6, 16);
			assert_memory_equal(ip + (ipv4 ? 16 : 24),
					    fake_bytes(to_server) + 14 + (ipv4 ? 16 : 24),
					    ipv4 ? 4 : 16);
			if (ipv4) {
				assert_int_equal(rte_raw_cksum(ip, 20), 0xffff);
			} else {
				uint32_t len = p->m.data_len - 54u;
				uint64_t sum =
					rte_raw_cksum(ip + 8, 32) + rte_raw_cksum(ip + 40, len) +
					rte_cpu_to_be_16((uint16_t)len) + RTE_BE16(IPPROTO_ICMPV6);

				assert_int_equal(rewrite_fold(sum), 0xffff);
			}
		}
		world.answers_allowed = false;
		p = reply_from(to_server, 33434, TCP_SYN);
		fake_bytes(p)[14 + (ipv4 ? 8 : 7)] = 1;
		fake_checksums(p);
		fake_burst();
		ASSERT_DROPPED(p, IP_TTL);
		world.answers_allowed = true;
	}
	assert_int_equal(world.lw->others.expired, 4);
}

// ---- the quiet after a start ----------------------------------------------------------------------

static void a_service_without_servers_refuses_in_the_quiet_time_too(void **state)
{
	(void)state;
	for (unsigned quiet = 0; quiet < 2; quiet++) {
		struct fake_packet *syn;

		fake_again();
		world.snap.quiet_until = world.w.now_ticks + quiet;
		world.pool.available = 0;
		for (unsigned i = 0; i < FAKE_SERVERS; i++)
			world.server[i].takes_new = 0;
		fake_changed();
		syn = fake_client(FAKE_TCP, 1, TCP_SYN);
		fake_burst();
		assert_int_equal(syn->fate, FATE_ANSWER);
		assert_int_equal(fake_bytes(syn)[34 + 13] & TCP_RST, TCP_RST);
	}
}

// Flows that we have are no mystery: their clients are told at once when the server is deleted.
static void a_client_of_a_deleted_server_is_reset_in_the_quiet_time_too(void **state)
{
	struct fake_packet *p;

	(void)state;
	world.snap.quiet_until = world.w.now_ticks + 10;
	fake_reply(fake_open(FAKE_TCP, 1), SYN_ACK);
	fake_burst();
	for (unsigned i = 0; i < FAKE_SERVERS; i++)
		world.server[i].ref = 0;
	world.pool.available = 0;
	fake_changed();
	p = fake_client(FAKE_TCP, 1, TCP_ACK);
	fake_burst();
	assert_int_equal(p->fate, FATE_ANSWER);
	assert_int_equal(fake_bytes(p)[34 + 13] & TCP_RST, TCP_RST);
	assert_int_equal(lb_worker_flow_count(world.lw), 0);
	p = fake_client(FAKE_TCP, 1, TCP_ACK); // nobody knows it any more
	fake_burst();
	ASSERT_DROPPED(p, QUIET);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, fake_teardown)
	const struct CMUnitTest tests[] = {
		T(resets_a_server_whose_flow_is_lost),
		T(says_nothing_to_a_server_in_the_quiet_after_a_start),
		T(routes_datagrams_of_a_server_as_they_come),
		T(leaks_nothing_through_the_kernel_either),
		T(a_connection_that_begins_here_goes_on_its_way),
		T(forgets_old_connections_of_servers_for_new_ones),
		T(answers_a_server_whose_hop_limit_ends_here),
		T(a_service_without_servers_refuses_in_the_quiet_time_too),
		T(a_client_of_a_deleted_server_is_reset_in_the_quiet_time_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
