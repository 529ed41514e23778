// SPDX-License-Identifier: BSD-3-Clause
//
// The generator against a balancer of twenty lines: what it sends is what TCP would, and it notices what is wrong
// with what comes back, else the figures that stand on it mean nothing.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "perf/load/lb_gen.h"
#include "perf/load/lb_packets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define N     64 // connections at a time
#define APART 4

enum { FIN = 0x01, SYN = 0x02, ACK = 0x10 };

struct way {
	rte_be32_t client, service;
	rte_be16_t client_port;
	uint32_t next[2]; // sequence number expected: client, server
	unsigned packets;
};

struct world {
	struct gen *gen;
	struct way way[N]; // by ISN; local port 1024 + ISN
	unsigned lose_syn; // 1 in so many; 0: none
	unsigned lost;
	uint64_t sent;
};

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

// RFC 1071, byte by byte.
static unsigned sum(const uint8_t *p, unsigned len, unsigned start)
{
	for (unsigned i = 0; i < len; i++)
		start += i % 2 ? p[i] : (unsigned)p[i] << 8;
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return start;
}

static unsigned tcp_length(const uint8_t *ip)
{
	return get16(ip + 2) - 20;
}

static unsigned tcp_sum(const uint8_t *ip)
{
	return sum(ip + 20, tcp_length(ip), sum(ip + 12, 8, 6 + tcp_length(ip)));
}

static struct way *way_of(struct world *w, const uint8_t *ip, bool *client)
{
	const uint8_t *tcp = ip + 20;

	*client = ip[12] == 10;
	if (!*client)
		return &w->way[get16(tcp + 2) - 1024];
	if ((tcp[13] & SYN) != 0)
		return &w->way[get32(tcp + 4)];
	for (unsigned i = 0; i < N; i++)
		if (memcmp(&w->way[i].client, ip + 12, 4) == 0 &&
		    memcmp(&w->way[i].client_port, tcp, 2) == 0)
			return &w->way[i];
	fail_msg("a packet of no connection");
	return NULL;
}

// What TCP would say of this segment.
static void follow(struct way *y, const uint8_t *ip, bool client)
{
	const uint8_t *tcp = ip + 20;
	unsigned own = client ? 0 : 1, data = tcp_length(ip) - 20;

	if (tcp[13] == SYN) {
		memset(y, 0, sizeof(*y));
		memcpy(&y->client, ip + 12, 4);
		memcpy(&y->service, ip + 16, 4);
		memcpy(&y->client_port, tcp, 2);
		y->next[0] = get32(tcp + 4);
	} else {
		if (tcp[13] == (SYN | ACK))
			y->next[1] = get32(tcp + 4);
		assert_int_equal(get32(tcp + 8), y->next[!own]);
	}
	assert_int_equal(get32(tcp + 4), y->next[own]);
	y->next[own] += data + ((tcp[13] & (SYN | FIN)) != 0);
	y->packets++;
}

static void set_sums(uint8_t *ip)
{
	put16(ip + 10, 0);
	put16(ip + 10, ~sum(ip, 20, 0) & 0xffff);
	put16(ip + 36, 0);
	put16(ip + 36, ~tcp_sum(ip) & 0xffff);
}

// FULLNAT, everything summed anew.
static void balance(struct world *w, uint8_t *ip, const struct way *y, bool client)
{
	uint8_t *tcp = ip + 20;
	rte_be32_t local = packets_local(0), server = packets_server(0);

	memcpy(ip + 12, client ? &local : &y->service, 4);
	memcpy(ip + 16, client ? &server : &y->client, 4);
	if (client) {
		put16(tcp, 1024 + (unsigned)(y - w->way));
		put16(tcp + 2, 8080);
	} else {
		put16(tcp, 80);
		memcpy(tcp + 2, &y->client_port, 2);
	}
	ip[8]--;
	set_sums(ip);
}

static uint8_t *step(struct world *w, uint8_t frame[GEN_FRAME], bool *gone)
{
	uint8_t *ip = frame + 14;
	struct way *y;
	bool client;

	gen_next(w->gen, frame);
	w->sent++;
	assert_int_equal(sum(ip, 20, 0), 0xffff);
	assert_int_equal(tcp_sum(ip), 0xffff);
	y = way_of(w, ip, &client);
	follow(y, ip, client);
	*gone = ip[33] == SYN && w->lose_syn != 0 && ++w->lost % w->lose_syn == 0;
	balance(w, ip, y, client);
	return frame;
}

static void run(struct world *w, unsigned packets)
{
	uint8_t frame[GEN_FRAME];
	bool gone;

	for (unsigned i = 0; i < packets; i++) {
		step(w, frame, &gone);
		if (!gone)
			assert_true(gen_seen(w->gen, frame, sizeof(frame), true));
	}
}

static struct world *make(enum gen_mode mode)
{
	struct gen_conf c = {.mode = mode, .connections = N, .apart = APART};
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	assert_int_equal(gen_create(&c, &w->gen), 0);
	return w;
}

static void drop(struct world *w)
{
	gen_destroy(w->gen);
	free(w);
}

static void makes_whole_connections(void **state)
{
	struct world *w = make(GEN_WHOLE);
	const struct gen_count *c = gen_count(w->gen);

	(void)state;
	run(w, 100000);
	assert_int_equal(c->made, 100000);
	assert_int_equal(c->seen, 100000);
	assert_int_equal(c->wrong, 0);
	assert_int_equal(c->lost, 0);
	// All but those on their way are whole.
	assert_in_range(c->begun - c->ended, 9 * APART, 10 * APART);
	assert_in_range(c->made, GEN_PACKETS * c->ended, GEN_PACKETS * c->begun);
	for (unsigned i = 0; i < N; i++)
		assert_in_range(w->way[i].packets, 1, GEN_PACKETS);
	drop(w);
}

static void gives_up_a_connection_whose_syn_is_lost(void **state)
{
	struct world *w = make(GEN_WHOLE);
	const struct gen_count *c = gen_count(w->gen);

	(void)state;
	w->lose_syn = 5;
	run(w, 50000);
	assert_int_equal(c->wrong, 0);
	assert_in_range(c->lost, c->begun / 5 - APART, c->begun / 5);
	assert_in_range(c->begun - c->ended - c->lost, 8 * APART - 8, 10 * APART);
	drop(w);
}

static void opens_all_flows_then_sends_one_packet_of_each(void **state)
{
	struct world *w = make(GEN_FLOWS);
	uint8_t frame[GEN_FRAME], way[2][N] = {0};
	bool gone;

	(void)state;
	run(w, 3 * N);
	assert_false(gen_opened(w->gen));
	for (unsigned round = 0; round < 2; round++) {
		unsigned seen[N] = {0}, replies = 0;

		for (unsigned i = 0; i < N; i++) {
			// Data is sent again and again: the model must not move on.
			struct way before[N];
			unsigned index;

			memcpy(before, w->way, sizeof(before));
			step(w, frame, &gone);
			memcpy(w->way, before, sizeof(before));
			index = get32(frame + 14 + 40);
			assert_in_range(index, 0, N - 1);
			seen[index]++;
			way[round][index] = frame[14 + 12] == 192; // from the service
			replies += way[round][index];
		}
		for (unsigned i = 0; i < N; i++)
			assert_int_equal(seen[i], 1);
		assert_in_range(replies, N / 4, 3 * N / 4);
	}
	assert_true(gen_opened(w->gen));
	for (unsigned i = 0; i < N; i++) // the direction changes with the round
		assert_int_not_equal(way[0][i], way[1][i]);
	drop(w);
}

static void notices_what_is_wrong(void **state)
{
	static const struct {
		unsigned at;
		uint8_t flip;
		bool sums; // are right for what it says
	} harm[] = {
		{14 + 8, 1, true},        // TTL, not one less
		{14 + 11, 1, false},      // sum of the IP header
		{14 + 20 + 17, 4, false}, // of TCP
		{14 + 20 + 3, 1, true},   // port it goes to
		{14 + 20 + 1, 1, true},   // port it comes from
		{14 + 12, 0x80, false},   // address it comes from
		{14 + 3, 2, false},       // length
	};
	struct world *w = make(GEN_WHOLE);
	uint8_t frame[GEN_FRAME], copy[GEN_FRAME];
	uint64_t wrong;
	bool gone;

	(void)state;
	run(w, 1000 * GEN_PACKETS); // the next ones are of client, server, client, client, server
	for (unsigned i = 0; i < sizeof(harm) / sizeof(harm[0]); i++) {
		memcpy(copy, step(w, frame, &gone), sizeof(copy));
		wrong = gen_count(w->gen)->wrong;
		frame[harm[i].at] ^= harm[i].flip;
		if (harm[i].sums)
			set_sums(frame + 14);
		assert_true(gen_seen(w->gen, frame, sizeof(frame), true));
		assert_int_equal(gen_count(w->gen)->wrong, wrong + 1);
		assert_true(gen_seen(w->gen, copy, sizeof(copy), true));
		assert_int_equal(gen_count(w->gen)->wrong, wrong + 1);
	}
	assert_false(gen_seen(w->gen, frame, 40, true));
	frame[12 + 2] = 0x60;
	assert_false(gen_seen(w->gen, frame, sizeof(frame), true));
	drop(w);
}

static void refuses_what_it_cannot_hold(void **state)
{
	static const struct gen_conf bad[] = {
		{.mode = GEN_FLOWS, .connections = 0},
		{.mode = GEN_FLOWS, .connections = 1000},
		{.mode = GEN_WHOLE, .connections = N, .apart = N / GEN_PACKETS + 1},
		{.mode = GEN_WHOLE, .connections = N, .apart = 0},
	};
	struct gen *g = NULL;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(gen_create(&bad[i], &g), -EINVAL);
	assert_null(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_whole_connections),
		cmocka_unit_test(gives_up_a_connection_whose_syn_is_lost),
		cmocka_unit_test(opens_all_flows_then_sends_one_packet_of_each),
		cmocka_unit_test(notices_what_is_wrong),
		cmocka_unit_test(refuses_what_it_cannot_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
