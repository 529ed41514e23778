// SPDX-License-Identifier: BSD-3-Clause
//
// TCP as seen from the middle: what is believed of each side and what is not.

#include "tests/unit/dataplane/flow/state_steps.h"

#include <stdlib.h>

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

// The whole handshake of a connection whose client begins with `seq` on what is left of the old one, and its end.
static void completes_anew(struct flow *f, uint32_t seq, uint32_t server_seq, uint32_t tfo)
{
	assert_int_equal(client(f, seq, 0, tfo, TCP_SYN), 0);
	assert_int_equal(f->state, FLOW_TCP_CLOSING);
	assert_int_equal(client(f, seq, 0, tfo, TCP_SYN), FLOW_TCP_AGAIN);
	// Not to this SYN: nothing.
	assert_int_equal(server(f, server_seq, seq, 0, TCP_SYN | TCP_ACK), 0);
	assert_int_equal(server(f, server_seq, seq + 2 + (1u << 14), 0, TCP_SYN | TCP_ACK), 0);
	assert_int_equal(server(f, server_seq, seq + 1, 0, TCP_SYN), 0);
	assert_int_equal(f->state, FLOW_TCP_CLOSING);
	assert_int_equal(server(f, server_seq, seq + 1 + tfo, 0, TCP_SYN | TCP_ACK), FLOW_TCP_ANEW);
	assert_int_equal(f->state, FLOW_TCP_SYN);
	assert_int_equal(f->flags, FLOW_F_SERVER_SPOKE);
	assert_int_equal(server(f, server_seq, seq + 1 + tfo, 0, TCP_SYN | TCP_ACK),
			 FLOW_TCP_AGAIN);
	assert_int_equal(client(f, seq + 1 + tfo, server_seq + 2, 0, TCP_ACK), 0);
	assert_int_equal(f->state, FLOW_TCP_SYN);
	assert_int_equal(client(f, seq + 1 + tfo, server_seq + 1, 0, TCP_ACK), 0);
	assert_int_equal(f->state, FLOW_TCP_ESTABLISHED);
	assert_int_equal(server(f, server_seq + 1, seq + 1 + tfo, 300, TCP_ACK), 0);
	assert_int_equal(f->end[FLOW_TO_CLIENT], server_seq + 301);
	assert_int_equal(client(f, seq + 1 + tfo, server_seq + 301, 0, TCP_FIN | TCP_ACK), 0);
	assert_int_equal(server(f, server_seq + 301, seq + 2 + tfo, 0, TCP_FIN | TCP_ACK),
			 FLOW_TCP_REFILE);
	assert_true(flow_tcp_over(f));
}

static void goes_on_after_a_reset_that_its_sender_knows_nothing_of(void **state)
{
	struct flow f = established();

	(void)state;
	assert_int_equal(client(&f, C + 1, 0, 0, TCP_RST), FLOW_TCP_REFILE | FLOW_TCP_RESET);
	assert_int_equal(server(&f, S + 1, C + 1, 0, TCP_ACK),
			 0); // under way when the client reset
	assert_int_equal(f.state, FLOW_TCP_CLOSING);
	assert_int_equal(client(&f, C + 1, S + 1, 0, TCP_ACK), 0);
	assert_int_equal(f.state, FLOW_TCP_ESTABLISHED);
	assert_int_equal(server(&f, S + 1, C + 1, 0, TCP_RST | TCP_ACK),
			 FLOW_TCP_REFILE | FLOW_TCP_RESET);
	assert_int_equal(server(&f, S + 1, C + 1, 20, TCP_ACK), 0);
	assert_int_equal(f.state, FLOW_TCP_ESTABLISHED);
	assert_int_equal(f.flags, FLOW_F_SERVER_SPOKE);
}

// The other side has heard it and is silent: a SYN is a new flow, whatever its number.
static void makes_room_after_a_reset(void **state)
{
	(void)state;
	for (int d = 0; d < 2; d++) {
		struct flow f = established();

		assert_int_equal(
			flow_tcp_step(&f, &cold, d, SEG(.seq = f.end[d], .flags = TCP_RST)),
			FLOW_TCP_REFILE | FLOW_TCP_RESET);
		assert_true(flow_tcp_over(&f));
		assert_true(flow_tcp_reopens(&f, SEG(.seq = C - 9, .flags = TCP_SYN)));
		assert_true(flow_tcp_reopens(&f, SEG(.seq = 2 * C, .flags = TCP_SYN)));
		// Something of the other's: it may not have believed it.
		flow_tcp_step(&f, &cold, !d,
			      SEG(.seq = f.end[!d], .ack = f.end[d], .data = 9, .flags = TCP_ACK));
		assert_int_equal(f.state, FLOW_TCP_CLOSING);
		assert_false(flow_tcp_over(&f));
		assert_false(flow_tcp_reopens(&f, SEG(.seq = 2 * C, .flags = TCP_SYN)));
		// Which is answered by a RST again: now it has.
		flow_tcp_step(&f, &cold, d, SEG(.seq = f.end[d] + 1, .flags = TCP_RST));
		assert_false(flow_tcp_over(&f));
		flow_tcp_step(&f, &cold, d, SEG(.seq = f.end[d], .flags = TCP_RST));
		assert_true(flow_tcp_over(&f));
	}
}

// A reset whose other side spoke on, which means nothing: the SYN goes to the old server, which takes it.
static void follows_a_new_connection_after_a_reset(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		struct flow f = established();
		uint32_t seq = i & 1 ? C - 5000 : 50 * C;

		if (i & 2) {
			assert_int_equal(client(&f, C + 1, 0, 0, TCP_RST),
					 FLOW_TCP_REFILE | FLOW_TCP_RESET);
			assert_int_equal(server(&f, S + 1, C + 1, 100, TCP_ACK), 0);
		} else {
			assert_int_equal(server(&f, S + 1, 0, 0, TCP_RST),
					 FLOW_TCP_REFILE | FLOW_TCP_RESET);
			assert_int_equal(client(&f, C + 1, S + 1, 100, TCP_ACK), 0);
		}
		assert_false(flow_tcp_reopens(&f, SEG(.seq = seq, .flags = TCP_SYN)));
		completes_anew(&f, seq, 90 * S, i & 4 ? 1000 : 0);
	}
}

// The client closed first, so that the server holds no TIME-WAIT and takes any number.
static void follows_a_new_connection_below_the_old_numbers(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct flow f = i & 1 ? closed(500) : established();

		if ((i & 1) == 0) {
			client(&f, C + 1, S + 1, 0, TCP_FIN | TCP_ACK);
			server(&f, S + 1, C + 2, 0, TCP_FIN | TCP_ACK);
			client(&f, C + 2, S + 2, 0, TCP_ACK);
		}
		assert_false(flow_tcp_reopens(&f, SEG(.seq = C - 5000, .flags = TCP_SYN)));
		completes_anew(&f, C - 5000, S - 9000, i & 2 ? 1000 : 0);
	}
}

// The server in TIME-WAIT acknowledges the old numbers, the client resets by them and asks again.
static void leaves_an_old_syn_to_the_server(void **state)
{
	struct flow f = closed(0), before;

	(void)state;
	assert_int_equal(client(&f, C - 5000, 0, 0, TCP_SYN), 0);
	before = f;
	server(&f, S + 2, C + 2, 0, TCP_ACK);
	client(&f, C + 2, 0, 0, TCP_RST);
	assert_memory_equal(&f, &before, sizeof(f));
	assert_true(flow_tcp_reopens(&f, SEG(.seq = C + 3, .flags = TCP_SYN)));
	// Or has nothing for it.
	assert_int_equal(server(&f, 0, C - 4999, 0, TCP_RST | TCP_ACK), FLOW_TCP_REFUSED);
	assert_int_equal(f.state, FLOW_TCP_CLOSING);
	assert_true(flow_tcp_reopens(&f, SEG(.seq = C - 5000, .flags = TCP_SYN)));
}

// The client begins anew in the middle of a handshake; a server without state of it (SYN cookies) answers.
static void follows_another_syn_once_it_is_answered(void **state)
{
	struct flow f = fresh();

	(void)state;
	server(&f, S, C + 1, 0, TCP_SYN | TCP_ACK);
	assert_int_equal(client(&f, 9 * C, 0, 0, TCP_SYN), 0);
	assert_int_equal(server(&f, S, C + 1, 0, TCP_SYN | TCP_ACK), FLOW_TCP_AGAIN);
	assert_int_equal(client(&f, C, 0, 0, TCP_SYN), FLOW_TCP_AGAIN); // a stranger's it was
	assert_int_equal(server(&f, 3 * S, 9 * C + 1, 0, TCP_SYN | TCP_ACK), 0);
	assert_int_equal(client(&f, 9 * C, 0, 0, TCP_SYN), 0);
	assert_int_equal(server(&f, 3 * S, 9 * C + 1, 0, TCP_SYN | TCP_ACK), FLOW_TCP_ANEW);
	assert_int_equal(client(&f, C + 1, S + 1, 0, TCP_ACK), 0);
	assert_int_equal(f.state, FLOW_TCP_SYN);
	assert_int_equal(client(&f, 9 * C + 1, 3 * S + 1, 0, TCP_ACK), 0);
	assert_int_equal(f.state, FLOW_TCP_ESTABLISHED);
}

// A SYN with data is sent again without (RFC 7413 section 4.1.3); the server may have taken it.
static void takes_the_answer_to_a_syn_sent_with_data_and_without(void **state)
{
	struct flow f = fresh();

	(void)state;
	assert_int_equal(client(&f, 9 * C, 0, 500, TCP_SYN), 0);
	assert_int_equal(client(&f, 9 * C, 0, 0, TCP_SYN), FLOW_TCP_AGAIN);
	assert_int_equal(server(&f, S, 9 * C + 502, 0, TCP_SYN | TCP_ACK), 0);
	assert_int_equal(server(&f, S, 9 * C, 0, TCP_SYN | TCP_ACK), 0);
	assert_int_equal(server(&f, S, 9 * C + 501, 0, TCP_SYN | TCP_ACK), FLOW_TCP_ANSWERED);
	assert_int_equal(client(&f, 9 * C + 501, S + 1, 0, TCP_ACK), 0);
	assert_int_equal(f.state, FLOW_TCP_ESTABLISHED);
}

// Who forged the SYN knows its number: nothing but the server's number counts, and it counts exactly.
static void a_flood_stays_in_syn_whatever_is_forged_behind_it(void **state)
{
	struct flow f = fresh();

	(void)state;
	server(&f, S, C + 1, 0, TCP_SYN | TCP_ACK);
	for (uint32_t i = 0; i < 1u << 20; i++) { // every 4096th number, and all near the right one
		client(&f, C + 1, i * 4096 + 1, 0, TCP_ACK);
		if (i - (1u << 19) != 0)
			client(&f, C + 1, S + 1 + i - (1u << 19), 0, TCP_ACK);
		assert_int_equal(f.state, FLOW_TCP_SYN);
	}
	for (uint32_t i = 1; i < 1u << 20; i++) {
		client(&f, C - i, S + 1, 0, TCP_ACK); // but a keep-alive probe
		client(&f, C + 1 + (1u << 16) + i, S + 1, 0, TCP_ACK);
		assert_int_equal(f.state, FLOW_TCP_SYN);
	}
	client(&f, C + 1 + (1u << 16), S + 1, 10,
	       TCP_ACK); // what stood before it was lost before us
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
		cmocka_unit_test(makes_room_after_a_reset),
		cmocka_unit_test(follows_a_new_connection_after_a_reset),
		cmocka_unit_test(follows_a_new_connection_below_the_old_numbers),
		cmocka_unit_test(leaves_an_old_syn_to_the_server),
		cmocka_unit_test(follows_another_syn_once_it_is_answered),
		cmocka_unit_test(takes_the_answer_to_a_syn_sent_with_data_and_without),
		cmocka_unit_test(a_flood_stays_in_syn_whatever_is_forged_behind_it),
		cmocka_unit_test(leaves_a_syn_on_a_live_connection_to_the_endpoint),
		cmocka_unit_test(begins_anew_beyond_the_old_numbers),
		cmocka_unit_test(begins_anew_later_by_the_timestamp),
		cmocka_unit_test(reads_no_timestamp_beyond_the_header),
		cmocka_unit_test(knows_a_first_segment),
		cmocka_unit_test(reads_a_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
