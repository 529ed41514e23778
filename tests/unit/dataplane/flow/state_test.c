// SPDX-License-Identifier: BSD-3-Clause
//
// TCP as seen from the middle: what is believed and what is not, and random connections with losses against
// two endpoints that know the truth.

#include "dataplane/flow/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define C 1000u // the client's SYN
#define S 7000u // the server's

#define SEG(...) (&(struct flow_tcp_segment){__VA_ARGS__})

static unsigned client(struct flow *f, uint32_t seq, uint32_t ack, uint32_t data, unsigned flags)
{
	return flow_tcp_step(f, FLOW_TO_SERVER,
			     SEG(.seq = seq, .ack = ack, .data = data, .flags = (uint8_t)flags));
}

static unsigned server(struct flow *f, uint32_t seq, uint32_t ack, uint32_t data, unsigned flags)
{
	return flow_tcp_step(f, FLOW_TO_CLIENT,
			     SEG(.seq = seq, .ack = ack, .data = data, .flags = (uint8_t)flags));
}

static struct flow fresh(void)
{
	struct flow f = {.state = FLOW_TCP_SYN};

	flow_tcp_start(&f, SEG(.seq = C, .flags = TCP_SYN), 77);
	assert_int_equal(f.end[FLOW_TO_CLIENT], 77);
	return f;
}

static struct flow established(void)
{
	struct flow f = fresh();

	assert_int_equal(server(&f, S, C + 1, 0, TCP_SYN | TCP_ACK), FLOW_TCP_ANSWERED);
	assert_int_equal(f.state, FLOW_TCP_SYN); // a flood of SYNs gets this far
	assert_int_equal(client(&f, C + 1, S + 1, 0, TCP_ACK), 0);
	assert_int_equal(f.state, FLOW_TCP_ESTABLISHED);
	return f;
}

// A connection that both have closed, the client's last segment with timestamp `stamp` if that is not 0.
static struct flow closed(uint32_t stamp)
{
	struct flow f = established();
	uint8_t head[32] = {[12] = 0x80, [20] = 1, 1, 8, 10};
	rte_be32_t value = rte_cpu_to_be_32(stamp);

	memcpy(head + 24, &value, 4);
	assert_int_equal(server(&f, S + 1, C + 1, 0, TCP_FIN | TCP_ACK), 0);
	assert_int_equal(f.state, FLOW_TCP_ESTABLISHED); // half closed: may live for long
	assert_false(flow_tcp_over(&f));
	assert_int_equal(flow_tcp_step(&f, FLOW_TO_SERVER,
				       SEG(.seq = C + 1, .ack = S + 2, .flags = TCP_FIN | TCP_ACK,
					   .head = stamp != 0 ? head : NULL)),
			 FLOW_TCP_REFILE);
	assert_int_equal(f.state, FLOW_TCP_CLOSING);
	assert_true(flow_tcp_over(&f));
	return f;
}

// ---- opening -----------------------------------------------------------------------------------

// Who forges a SYN can forge the ACK after it; only the server's answer shows that somebody is there, and
// only who has got it knows its number.
static void an_acknowledgement_of_nothing_establishes_nothing(void **state)
{
	struct flow f = fresh();

	(void)state;
	assert_int_equal(client(&f, C + 1, S + 1, 0, TCP_ACK), 0);
	assert_int_equal(f.state, FLOW_TCP_SYN);
	assert_int_equal(server(&f, S, C + 1, 0, TCP_SYN | TCP_ACK), FLOW_TCP_ANSWERED);
	for (uint32_t guess = 1; guess < 1000; guess++) {
		assert_int_equal(client(&f, C + 1, S + 1 + guess, 0, TCP_ACK), 0);
		assert_int_equal(client(&f, C + 1, S - (guess << 18), 0, TCP_ACK), 0);
		assert_int_equal(client(&f, C + 1, S + 1, 0, 0), 0); // no ACK at all
		assert_int_equal(f.state, FLOW_TCP_SYN);
	}
	assert_int_equal(client(&f, C + 1, S + 1, 0, TCP_ACK), 0);
	assert_int_equal(f.state, FLOW_TCP_ESTABLISHED);
}

static void the_server_alone_establishes_nothing(void **state)
{
	struct flow f = fresh();

	(void)state;
	assert_int_equal(server(&f, S, C + 1, 0, TCP_SYN | TCP_ACK), FLOW_TCP_ANSWERED);
	assert_int_equal(server(&f, S, C + 1, 0, TCP_SYN | TCP_ACK), FLOW_TCP_AGAIN);
	assert_int_equal(server(&f, S + 1, C + 1, 0, TCP_ACK), 0);
	assert_int_equal(client(&f, C, 0, 0, TCP_SYN), FLOW_TCP_AGAIN);
	assert_int_equal(f.state, FLOW_TCP_SYN);
}

static void takes_what_answers_another_syn_for_no_answer(void **state)
{
	struct flow f = fresh();

	(void)state;
	assert_int_equal(server(&f, S, C + 2, 0, TCP_SYN | TCP_ACK), 0);
	assert_int_equal(server(&f, 1, C - 100000, 0, TCP_RST | TCP_ACK), 0);
	assert_int_equal(server(&f, 1, C + 1, 0, TCP_RST), 0); // RFC 9293 section 3.10.7.3: no ACK
	assert_int_equal(f.state, FLOW_TCP_SYN);
	assert_int_equal(server(&f, 0, C + 1, 0, TCP_RST | TCP_ACK),
			 FLOW_TCP_REFILE | FLOW_TCP_REFUSED);
	assert_int_equal(f.state, FLOW_TCP_CLOSING);
	assert_true(
		flow_tcp_reopens(&f, SEG(.seq = 1, .flags = TCP_SYN))); // nothing was left behind
	// Nobody gets past the handshake that way.
	assert_int_equal(client(&f, C + 1, S + 1, 0, TCP_ACK), 0);
	assert_int_equal(f.state, FLOW_TCP_CLOSING);
}

static void believes_the_clients_reset_of_its_own_syn(void **state)
{
	struct flow f = fresh();

	(void)state;
	assert_int_equal(server(&f, S, C + 1, 0, TCP_SYN | TCP_ACK), FLOW_TCP_ANSWERED);
	assert_int_equal(client(&f, C + 2, 0, 0, TCP_RST), 0);
	assert_int_equal(client(&f, C + 1, 0, 0, TCP_RST), FLOW_TCP_REFILE);
	assert_int_equal(f.state, FLOW_TCP_CLOSING);
}

// A SYN with another number before the answer: the client has begun anew.
static void follows_the_last_syn_and_the_last_answer(void **state)
{
	struct flow f = fresh();

	(void)state;
	assert_int_equal(client(&f, 50 * C, 0, 10, TCP_SYN), 0);
	assert_int_equal(server(&f, S, C + 1, 0, TCP_SYN | TCP_ACK), 0); // of the first
	assert_int_equal(server(&f, S, 50 * C + 1, 0, TCP_SYN | TCP_ACK), FLOW_TCP_ANSWERED);
	assert_int_equal(server(&f, 9 * S, 50 * C + 11, 0, TCP_SYN | TCP_ACK), FLOW_TCP_AGAIN);
	assert_int_equal(client(&f, 50 * C + 11, 9 * S + 1, 0, TCP_ACK), 0);
	assert_int_equal(f.state, FLOW_TCP_ESTABLISHED);
	assert_int_equal(f.end[FLOW_TO_SERVER], 50 * C + 11);
	assert_int_equal(f.end[FLOW_TO_CLIENT], 9 * S + 1);
}

// The server may send before the client has acknowledged (RFC 7413), and end as well.
static void lets_the_server_send_with_fast_open(void **state)
{
	struct flow f = fresh();

	(void)state;
	server(&f, S, C + 1, 0, TCP_SYN | TCP_ACK);
	assert_int_equal(server(&f, S + 1, C + 1, 1000, TCP_ACK), 0);
	assert_int_equal(server(&f, S + 1001, C + 1, 0, TCP_FIN | TCP_ACK), 0);
	assert_int_equal(client(&f, C + 1, S + 1, 0, TCP_ACK), 0);
	assert_int_equal(f.state, FLOW_TCP_ESTABLISHED);
	assert_int_equal(client(&f, C + 1, S + 1002, 0, TCP_FIN | TCP_ACK), FLOW_TCP_REFILE);
}

// ---- resets and ends ---------------------------------------------------------------------------

static void believes_a_reset_at_the_end_alone(void **state)
{
	struct flow f = established();

	(void)state;
	assert_int_equal(server(&f, S + 1, C + 1, 500, TCP_ACK), 0);
	for (uint32_t d = 1; d < 70000; d += 13) {
		assert_int_equal(server(&f, S + 501 + d, C + 1, 0, TCP_RST | TCP_ACK), 0);
		assert_int_equal(server(&f, S + 501 - d, C + 1, 0, TCP_RST | TCP_ACK), 0);
		assert_int_equal(client(&f, C + 1 + d, S + 501, 0, TCP_RST), 0);
		assert_int_equal(f.state, FLOW_TCP_ESTABLISHED);
	}
	assert_int_equal(server(&f, S + 501, C + 1, 0, TCP_RST | TCP_ACK),
			 FLOW_TCP_REFILE | FLOW_TCP_RESET);
	assert_int_equal(f.state, FLOW_TCP_CLOSING);
}

static void believes_a_fin_at_the_end_alone(void **state)
{
	struct flow f = established();

	(void)state;
	for (uint32_t d = 2; d < 3000000; d += 777) {
		uint32_t ack =
			d % 2 ? C + 1
			      : C - 70000; // the first ones are near but acknowledge nothing true

		server(&f, S + 1 + (1u << 20) + d, ack, 0, TCP_FIN | TCP_ACK);
		server(&f, S + 1 - d, ack, 0, TCP_FIN | TCP_ACK);
		server(&f, S + 1 + d, C - 70000, 0, TCP_FIN | TCP_ACK);
		server(&f, S + 1 + d, C + 1, 0, TCP_FIN); // no ACK
		// The far ones that acknowledge exactly are believed, as a loss of that size may have been.
		if (f.end[FLOW_TO_CLIENT] != S + 1)
			f = established();
		assert_int_equal(f.flags & FLOW_F_FIN_SERVER, 0);
	}
	f = established();
	assert_int_equal(server(&f, S + 1, C + 1, 0, TCP_FIN | TCP_ACK), 0);
	assert_int_equal(f.flags & FLOW_F_FIN_SERVER, FLOW_F_FIN_SERVER);
	assert_int_equal(server(&f, S + 1, C + 1, 0, TCP_FIN | TCP_ACK), FLOW_TCP_AGAIN);
	assert_int_equal(f.state, FLOW_TCP_ESTABLISHED);
	assert_int_equal(client(&f, C + 1, S + 2, 10, TCP_FIN | TCP_ACK), FLOW_TCP_REFILE);
	assert_int_equal(f.state, FLOW_TCP_CLOSING);
	assert_int_equal(client(&f, C + 1, S + 2, 10, TCP_FIN | TCP_ACK), FLOW_TCP_AGAIN);
	assert_int_equal(client(&f, C + 12, S + 2, 0, TCP_RST), 0); // filed once only
}

// Strangers' data does not move the end to where their reset would be believed: n guesses are not enough.
static void strangers_do_not_move_the_end(void **state)
{
	struct flow f = established();
	uint64_t x = 1;

	(void)state;
	for (unsigned i = 0; i < 3000000; i++) {
		uint32_t seq, ack;

		x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
		seq = (uint32_t)(x >> 32);
		ack = (uint32_t)(x >> 20);
		client(&f, seq, ack, 1400, TCP_ACK);
		server(&f, ack, seq, 1400, TCP_ACK);
		assert_int_equal(f.end[FLOW_TO_SERVER], C + 1);
		assert_int_equal(f.end[FLOW_TO_CLIENT], S + 1);
	}
}

static void goes_on_after_a_reset_that_its_sender_knows_nothing_of(void **state)
{
	struct flow f = established();

	(void)state;
	assert_int_equal(client(&f, C + 1, 0, 0, TCP_RST), FLOW_TCP_REFILE | FLOW_TCP_RESET);
	assert_false(flow_tcp_over(&f)); // a SYN after it: the server's to answer
	assert_false(flow_tcp_reopens(&f, SEG(.seq = 2 * C, .flags = TCP_SYN)));
	assert_int_equal(client(&f, C, 0, 0, TCP_SYN), 0);
	assert_int_equal(server(&f, S + 1, C + 1, 0, TCP_ACK),
			 0); // under way when the client reset
	assert_int_equal(client(&f, C + 1, S + 1, 0, TCP_RST | TCP_ACK), 0);
	assert_int_equal(f.state, FLOW_TCP_CLOSING);
	assert_int_equal(client(&f, C + 1, S + 1, 0, TCP_ACK), 0);
	assert_int_equal(f.state, FLOW_TCP_ESTABLISHED);
	assert_int_equal(server(&f, S + 1, C + 1, 0, TCP_RST | TCP_ACK),
			 FLOW_TCP_REFILE | FLOW_TCP_RESET);
	assert_int_equal(server(&f, S + 1, C + 1, 20, TCP_ACK), 0);
	assert_int_equal(f.state, FLOW_TCP_ESTABLISHED);
}

static void leaves_a_syn_on_a_live_connection_to_the_endpoint(void **state)
{
	struct flow f = established();

	(void)state;
	for (uint32_t seq = C - 5; seq < C + 100; seq++) {
		assert_false(flow_tcp_reopens(&f, SEG(.seq = seq, .flags = TCP_SYN)));
		client(&f, seq, 0, 0, TCP_SYN);
		server(&f, S + seq, seq, 0, TCP_SYN | TCP_ACK);
		assert_int_equal(f.end[FLOW_TO_SERVER], C + 1);
		assert_int_equal(f.end[FLOW_TO_CLIENT], S + 1);
		assert_int_equal(f.state, FLOW_TCP_ESTABLISHED);
	}
	assert_int_equal(server(&f, S, C + 1, 0, TCP_SYN | TCP_ACK), FLOW_TCP_AGAIN);
}

// ---- a SYN on a connection that is over ----------------------------------------------------------

static bool reopens(const struct flow *f, uint32_t seq, uint32_t stamp)
{
	uint8_t head[40] = {[12] = 0xa0, [20] = 2, 4, 5, 0xb4, 4, 2, 8, 10};
	rte_be32_t value = rte_cpu_to_be_32(stamp);

	memcpy(head + 28, &value, 4);
	return flow_tcp_reopens(
		f, SEG(.seq = seq, .flags = TCP_SYN, .head = stamp != 0 ? head : NULL));
}

static void begins_anew_beyond_the_old_numbers(void **state)
{
	struct flow f = closed(0);

	(void)state;
	assert_true(reopens(&f, C + 3, 0)); // C + 2 is the end
	assert_true(reopens(&f, C + 2 + INT32_MAX, 0));
	assert_false(reopens(&f, C + 2, 0));
	assert_false(reopens(&f, C, 0));      // the first SYN once more, late
	assert_true(reopens(&f, C + 3, 500)); // the old one had no timestamps
}

static void begins_anew_later_by_the_timestamp(void **state)
{
	struct flow f = closed(500);

	(void)state;
	assert_int_equal(f.flags & FLOW_F_STAMPED, FLOW_F_STAMPED);
	assert_true(reopens(&f, C - 9, 501)); // RFC 6191 section 2
	assert_false(reopens(&f, C + 3, 499));
	assert_true(reopens(&f, C + 3, 500)); // equal: the numbers decide
	assert_false(reopens(&f, C - 9, 500));
	assert_true(reopens(&f, C + 3, 0)); // no timestamp any more: likewise
	assert_false(reopens(&f, C - 9, 0));
}

// Options that end in the middle of themselves, or say that they are longer than there is.
static void reads_no_timestamp_beyond_the_header(void **state)
{
	struct flow f = closed(500);
	uint8_t *head;

	(void)state;
	for (unsigned words = 5; words <= 15; words++) {
		for (unsigned len = 0; len < 256; len++) {
			head = calloc(1, words * 4); // so that a sanitizer sees a step too far
			assert_non_null(head);
			head[12] = (uint8_t)(words << 4);
			memset(head + 20, 1, words * 4 - 20);
			if (words > 5) {
				head[words * 4 - 2] = len % 2 ? 8 : 3;
				head[words * 4 - 1] = (uint8_t)len;
				head[20] = 254;
				head[21] = (uint8_t)(len / 2);
			}
			assert_false(flow_tcp_reopens(
				&f, SEG(.seq = C, .flags = TCP_SYN, .head = head)));
			free(head);
		}
	}
}

static void knows_a_first_segment(void **state)
{
	(void)state;
	assert_true(flow_tcp_is_syn(TCP_SYN));
	assert_true(flow_tcp_is_syn(TCP_SYN | 0xc0)); // with ECN (RFC 3168 section 6.1.1)
	assert_false(flow_tcp_is_syn(TCP_SYN | TCP_ACK));
	assert_false(flow_tcp_is_syn(TCP_ACK));
	assert_false(flow_tcp_is_syn(TCP_RST));
	assert_false(flow_tcp_is_syn(0));
}

static void reads_a_header(void **state)
{
	uint8_t l4[24] = {0, 80, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x60, TCP_ACK};
	struct flow_tcp_segment s = flow_tcp_read(l4, 100);

	(void)state;
	assert_int_equal(s.seq, 0x01020304);
	assert_int_equal(s.ack, 0x05060708);
	assert_int_equal(s.data, 76);
	assert_int_equal(s.flags, TCP_ACK);
	assert_ptr_equal(s.head, l4);
}

// ---- random connections ------------------------------------------------------------------------

static uint64_t seed;

static uint32_t dice(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)((seed >> 33) % n);
}

// One endpoint: it sends data in pieces, everything not acknowledged again when it likes, then a FIN.
struct end {
	uint32_t first;       // sequence number of the first byte
	uint32_t total;       // bytes it will send
	uint32_t sent, acked; // of those and the FIN (total + 1)
	uint32_t got;         // of the other's, in order
	bool fin_sent;
};

struct model {
	struct end e[2];  // by the direction they send in
	uint32_t high[2]; // highest end that has passed us, which the flow must know
	unsigned fins;    // bit per direction: a FIN has passed us
	uint32_t again[2];
};

// One segment of side `dir`; lost before us, behind us, or not.
static void random_segment(struct flow *f, struct model *m, enum flow_dir dir)
{
	struct end *e = &m->e[dir], *peer = &m->e[!dir];
	uint32_t from = dice(3) == 0 ? e->acked : e->sent, room, data;
	struct flow_tcp_segment s = {.flags = TCP_ACK};
	unsigned event;
	uint32_t end;

	if (from > e->total) // its FIN was sent
		from = dice(2) ? e->total : e->total + 1;
	room = e->total - (from > e->total ? e->total : from);
	data = room == 0 ? 0 : dice(room < 1400 ? room + 1 : 1400);
	s.seq = e->first + from;
	s.ack = peer->first + e->got;
	s.data = data;
	end = from + data;
	if (end == e->total && from <= e->total && dice(2) == 0) {
		s.flags |= TCP_FIN;
		end++;
	}
	if (end > e->sent)
		e->sent = end;
	if (dice(8) == 0)
		return; // lost before us
	event = (dice(2) && (s.flags & TCP_FIN) == 0 && f->state == FLOW_TCP_ESTABLISHED &&
		 flow_tcp_data(f, dir, s.seq, s.data))
			? 0
			: flow_tcp_step(f, dir, &s);
	m->again[dir] += (event & FLOW_TCP_AGAIN) != 0;
	if (end > from && end <= m->high[dir] && m->fins != 3 && f->state == FLOW_TCP_ESTABLISHED)
		assert_int_equal(event & FLOW_TCP_AGAIN, FLOW_TCP_AGAIN);
	if (from == m->high[dir] && end > from)
		assert_int_equal(event & FLOW_TCP_AGAIN, 0);
	if (end > m->high[dir])
		m->high[dir] = end;
	if ((s.flags & TCP_FIN) != 0)
		m->fins |= 1u << dir;
	if (dice(8) == 0)
		return; // lost behind us
	if (from <= peer->got && end > peer->got)
		peer->got = end;
	if (e->got > peer->acked)
		peer->acked = e->got;
}

static void one_connection(uint32_t client_first, uint32_t server_first)
{
	struct flow f = {.state = FLOW_TCP_SYN};
	struct model m = {.e = {{.first = client_first + 1, .total = dice(20000)},
				{.first = server_first + 1, .total = dice(20000)}}};

	flow_tcp_start(&f, SEG(.seq = client_first, .flags = TCP_SYN), 0);
	assert_int_equal(server(&f, server_first, client_first + 1, 0, TCP_SYN | TCP_ACK),
			 FLOW_TCP_ANSWERED);
	client(&f, client_first + 1, server_first + 1, 0, TCP_ACK);
	for (unsigned i = 0; i < 20000; i++) {
		random_segment(&f, &m, dice(2));
		if (m.fins == 3) {
			assert_int_equal(f.state, FLOW_TCP_CLOSING);
			break;
		}
		assert_int_equal(f.state, FLOW_TCP_ESTABLISHED);
		for (int d = 0; d < 2; d++)
			assert_int_equal(f.end[d], m.e[d].first + m.high[d]);
		assert_int_equal((f.flags & FLOW_F_FIN_CLIENT) != 0, m.fins & 1);
		assert_int_equal((f.flags & FLOW_F_FIN_SERVER) != 0, m.fins >> 1);
		// A stranger who knows addresses and ports, in either name.
		for (int d = 0; d < 2; d++) {
			struct flow before = f;
			uint32_t away = 1 + dice(UINT32_MAX - 1);
			unsigned flags = TCP_ACK | (dice(2) ? TCP_RST : TCP_FIN);

			flow_tcp_step(&f, d,
				      SEG(.seq = f.end[d] + away,
					  .ack = f.end[!d] + (1u << 20) + dice(1u << 30),
					  .flags = (uint8_t)flags, .data = dice(1000)));
			assert_memory_equal(&f, &before, sizeof(f));
		}
	}
	assert_int_equal(m.fins, 3); // it came to its end
}

static void follows_random_connections(void **state)
{
	(void)state;
	for (seed = 1; seed < 3000; seed += 2) {
		uint64_t s = seed;

		one_connection(dice(4) ? dice(UINT32_MAX) : UINT32_MAX - dice(9000),
			       dice(4) ? dice(UINT32_MAX) : UINT32_MAX - dice(9000));
		seed = s;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_acknowledgement_of_nothing_establishes_nothing),
		cmocka_unit_test(the_server_alone_establishes_nothing),
		cmocka_unit_test(takes_what_answers_another_syn_for_no_answer),
		cmocka_unit_test(believes_the_clients_reset_of_its_own_syn),
		cmocka_unit_test(follows_the_last_syn_and_the_last_answer),
		cmocka_unit_test(lets_the_server_send_with_fast_open),
		cmocka_unit_test(believes_a_reset_at_the_end_alone),
		cmocka_unit_test(believes_a_fin_at_the_end_alone),
		cmocka_unit_test(strangers_do_not_move_the_end),
		cmocka_unit_test(goes_on_after_a_reset_that_its_sender_knows_nothing_of),
		cmocka_unit_test(leaves_a_syn_on_a_live_connection_to_the_endpoint),
		cmocka_unit_test(begins_anew_beyond_the_old_numbers),
		cmocka_unit_test(begins_anew_later_by_the_timestamp),
		cmocka_unit_test(reads_no_timestamp_beyond_the_header),
		cmocka_unit_test(knows_a_first_segment),
		cmocka_unit_test(reads_a_header),
		cmocka_unit_test(follows_random_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
