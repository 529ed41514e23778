// SPDX-License-Identifier: BSD-3-Clause
//
// The PROXY header in front of a client's bytes, segment by segment.

#include "tests/unit/apps/lb/worker/proxy_frames.h"

static void header_goes_with_the_end_of_the_handshake_in(uint32_t first)
{
	struct frame *f;

	handshake(first);
	f = C(.seq = first, .ack = 78, .flags = TCP_ACK);
	assert_int_equal(get32(l4(f) + 4), first - header_len());
	assert_int_equal(data_len(f), header_len());
	assert_header(data_of(f));
	assert_int_equal(flow.state, FLOW_TCP_ESTABLISHED);
	// Acknowledged: from now on nothing is touched.
	f = S(.seq = 78, .ack = first, .flags = TCP_ACK);
	assert_int_equal(get32(l4(f) + 8), first);
	assert_false(lb_proxy_wants(&flow, TCP_ACK));
	f = C(.seq = first, .ack = 78, .flags = TCP_ACK, .data = (const uint8_t *)"x", .len = 1);
	assert_int_equal(get32(l4(f) + 4), first);
	assert_int_equal(data_len(f), 1);
}

static void header_goes_with_the_end_of_the_handshake(void **state)
{
	(void)state;
	both(header_goes_with_the_end_of_the_handshake_in);
}

static void header_stands_before_the_first_data_in(uint32_t first)
{
	struct frame *f;

	handshake(first);
	for (unsigned again = 0; again < 3; again++) { // until it is acknowledged
		f = C(.seq = first, .ack = 78, .flags = TCP_ACK | PSH,
		      .data = (const uint8_t *)"GET /", .len = 5);
		assert_int_equal(get32(l4(f) + 4), first - header_len());
		assert_int_equal(data_len(f), header_len() + 5);
		assert_header(data_of(f));
		assert_memory_equal(data_of(f) + header_len(), "GET /", 5);
	}
	f = C(.seq = first + 5, .ack = 78, .flags = TCP_ACK, .data = (const uint8_t *)"more",
	      .len = 4);
	assert_int_equal(get32(l4(f) + 4), first + 5);
	assert_int_equal(data_len(f), 4);
	// The server has none, or a part of the header: the client sees nothing below its first byte.
	for (uint32_t part = 0; part < header_len(); part += 9) {
		f = S(.seq = 78, .ack = first - header_len() + part, .flags = TCP_ACK);
		assert_int_equal(get32(l4(f) + 8), first);
		assert_true(lb_proxy_wants(&flow, TCP_ACK));
	}
	f = S(.seq = 78, .ack = first + 9, .flags = TCP_ACK);
	assert_int_equal(get32(l4(f) + 8), first + 9);
	assert_false(lb_proxy_wants(&flow, TCP_ACK));
}

static void header_stands_before_the_first_data(void **state)
{
	(void)state;
	both(header_stands_before_the_first_data_in);
}

static void data_that_does_not_fit_waits_in(uint32_t first)
{
	static const uint8_t much[1460];
	uint32_t fits = MTU - (ipv6() ? 60 : 40) - header_len();
	struct frame *f;

	handshake(first);
	f = C(.seq = first, .ack = 78, .flags = TCP_ACK, .data = much, .len = fits);
	assert_int_equal(data_len(f), header_len() + fits);
	assert_int_equal(f->pi.l3_len, MTU);
	f = C(.seq = first, .ack = 78, .flags = TCP_ACK | TCP_FIN | URG, .urgent = 5, .data = much,
	      .len = fits + 1);
	assert_int_equal(data_len(f), header_len());
	assert_header(data_of(f));
	assert_int_equal(l4(f)[13],
			 TCP_ACK | PSH); // neither FIN nor URG of bytes that are not there
}

static void data_that_does_not_fit_waits(void **state)
{
	(void)state;
	both(data_that_does_not_fit_waits_in);
}

static void needs_room_for_the_header_alone(void **state)
{
	struct frame f;

	(void)state;
	flow_new(false);
	handshake(1000);
	build(&f, &(struct seg){.seq = 1000, .ack = 78, .flags = TCP_ACK});
	assert_int_equal(pass_mtu(&f, FLOW_TO_SERVER, 67), DROP_MTU);
	build(&f, &(struct seg){.seq = 1000, .ack = 78, .flags = TCP_ACK});
	assert_int_equal(pass_mtu(&f, FLOW_TO_SERVER, 68), DROP_NONE);
	// No room before the frame: behind it.
	build(&f, &(struct seg){.seq = 1000,
				.ack = 78,
				.flags = TCP_ACK,
				.data = (const uint8_t *)"abc",
				.len = 3});
	f.m.buf_addr = f.bytes + ROOM;
	f.m.data_off = 0;
	f.m.buf_len = (uint16_t)(f.m.data_len + 60);
	assert_int_equal(pass_mtu(&f, FLOW_TO_SERVER, MTU), DROP_NONE);
	assert_header(data_of(&f));
	assert_memory_equal(data_of(&f) + 28, "abc", 3);
	build(&f, &(struct seg){.seq = 1000,
				.ack = 78,
				.flags = TCP_ACK,
				.data = (const uint8_t *)"abc",
				.len = 3});
	f.m.data_off = 27;
	memmove(f.bytes + 27, f.bytes + ROOM, f.m.data_len);
	f.m.buf_len = (uint16_t)(27 + 14 + 43 + 27);
	assert_int_equal(pass_mtu(&f, FLOW_TO_SERVER, MTU), DROP_NO_MBUF);
}

static void fast_open_is_taken_off_a_syn(void **state)
{
	static const uint8_t opts[] = {2, 4, 5, 0xb4, 1, 3,   3, 7,    34,   10,  1, 2,    3,
				       4, 5, 6, 7,    8, 254, 4, 0xf9, 0x89, 254, 4, 0xe2, 0xd4};
	struct frame *f;

	(void)state;
	for (int six = 0; six < 2; six++) {
		flow_new(six);
		f = C(.seq = 5, .flags = TCP_SYN, .opts = opts, .opts_len = sizeof(opts),
		      .data = (const uint8_t *)"early", .len = 5);
		assert_int_equal(data_len(f), 0);
		assert_int_equal(get32(l4(f) + 4), 5 - header_len());
		assert_memory_equal(l4(f) + 20, opts, 8);
		for (unsigned i = 28; i < 42; i++)
			assert_int_equal(l4(f)[i], 1);
		assert_memory_equal(l4(f) + 42, opts + 22, 4); // another experiment's
	}
}

static uint16_t offered_mss(uint16_t mss, bool odd)
{
	uint8_t opts[8] = {1, 1, 2, 4, (uint8_t)(mss >> 8), (uint8_t)mss, 4, 2};
	struct frame *f;

	if (odd) // the option's value straddles two words
		memmove(opts + 1, opts + 2, 6);
	C(.seq = 999, .flags = TCP_SYN);
	f = S(.seq = 7, .ack = 1000 - header_len(), .flags = TCP_SYN | TCP_ACK, .opts = opts,
	      .opts_len = sizeof(opts));
	return (uint16_t)(l4(f)[odd ? 23 : 24] << 8 | l4(f)[odd ? 24 : 25]);
}

static void client_is_offered_a_smaller_mss(void **state)
{
	(void)state;
	for (int odd = 0; odd < 2; odd++) {
		flow_new(false);
		assert_int_equal(offered_mss(1460, odd), 1432);
		flow_new(true);
		assert_int_equal(offered_mss(1440, odd), 1388);
		flow_new(false);
		assert_int_equal(offered_mss(284, odd), 256);
		flow_new(false);
		assert_int_equal(offered_mss(283, odd), 283);
	}
}

// The lengths of options lie: nothing is read behind the header, nothing changes.
static void malformed_options_are_left_alone(void **state)
{
	static const uint8_t bad[][4] = {{2, 0, 5, 5},  {2, 1, 5, 5},  {1, 1, 1, 2},
					 {34, 5, 1, 1}, {0, 34, 2, 1}, {2, 255, 1, 1}};
	struct frame *f;

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(bad); i++) {
		flow_new(false);
		f = C(.seq = 999, .flags = TCP_SYN, .opts = bad[i], .opts_len = 4);
		assert_memory_equal(l4(f) + 20, bad[i], 4);
		f = S(.seq = 7, .ack = 972, .flags = TCP_SYN | TCP_ACK, .opts = bad[i],
		      .opts_len = 4);
		assert_memory_equal(l4(f) + 20, bad[i], 4);
	}
}

static void fin_follows_the_header_in(uint32_t first)
{
	struct frame *f;

	handshake(first);
	f = C(.seq = first, .ack = 78, .flags = TCP_ACK | TCP_FIN);
	assert_int_equal(get32(l4(f) + 4), first - header_len());
	assert_int_equal(l4(f)[13], TCP_ACK | TCP_FIN | PSH);
	assert_header(data_of(f));
	f = S(.seq = 78, .ack = first + 1, .flags = TCP_ACK);
	assert_int_equal(get32(l4(f) + 8), first + 1);
}

static void fin_follows_the_header(void **state)
{
	(void)state;
	both(fin_follows_the_header_in);
}

static void resets_hit_what_the_other_side_waits_for_in(uint32_t first)
{
	bool six = ipv6();
	struct frame *f;

	// A refused SYN: the client takes a reset for its own only with this acknowledgement.
	C(.seq = first - 1, .flags = TCP_SYN);
	f = S(.seq = 0, .ack = first - header_len(), .flags = TCP_RST | TCP_ACK);
	assert_int_equal(get32(l4(f) + 8), first);

	// Given up before the handshake's end: the server waits for the header.
	flow_new(six);
	handshake(first);
	f = C(.seq = first, .flags = TCP_RST);
	assert_int_equal(get32(l4(f) + 4), first - header_len());

	// Behind it the header has most likely arrived; if not, the server says what it waits for, and the
	// client's answer to that passes.
	flow_new(six);
	handshake(first);
	C(.seq = first, .ack = 78, .flags = TCP_ACK);
	f = C(.seq = first, .ack = 78, .flags = TCP_RST | TCP_ACK);
	assert_int_equal(get32(l4(f) + 4), first);
	assert_int_equal(data_len(f), 0);
	f = S(.seq = 78, .ack = first - header_len(), .flags = TCP_ACK);
	if ((flow.flags & FLOW_F_RST_CLIENT) != 0)
		assert_int_equal(get32(l4(f) + 8), first - header_len());
	f = C(.seq = first - header_len(), .flags = TCP_RST);
	assert_int_equal(get32(l4(f) + 4), first - header_len());
}

static void resets_hit_what_the_other_side_waits_for(void **state)
{
	(void)state;
	both(resets_hit_what_the_other_side_waits_for_in);
}

// Its one byte before the first is not the client's: it must not lie where the header belongs.
static void keep_alive_probe_becomes_the_header_in(uint32_t first)
{
	struct frame *f;

	handshake(first);
	f = C(.seq = first - 1, .ack = 78, .flags = TCP_ACK, .data = (const uint8_t *)"\0",
	      .len = 1);
	assert_int_equal(get32(l4(f) + 4), first - header_len());
	assert_int_equal(data_len(f), header_len());
	assert_header(data_of(f));
	f = C(.seq = first - header_len() - 1, .ack = 78, .flags = TCP_ACK);
	assert_int_equal(get32(l4(f) + 4), first - header_len() - 1); // a stranger's
	assert_int_equal(data_len(f), 0);
}

static void keep_alive_probe_becomes_the_header(void **state)
{
	(void)state;
	both(keep_alive_probe_becomes_the_header_in);
}

// The client began anew and the server took its SYN for a new connection: that one gets a header too; a
// stranger's SYN that the server does not take changes nothing.
static void new_connection_on_a_live_flow_gets_its_header(void **state)
{
	struct frame *f;

	(void)state;
	flow_new(false);
	handshake(1000);
	C(.seq = 1000, .ack = 78, .flags = TCP_ACK);
	S(.seq = 78, .ack = 1000, .flags = TCP_ACK);
	f = C(.seq = 50000, .flags = TCP_SYN);
	assert_int_equal(get32(l4(f) + 4), 50000 - 28);
	assert_false(lb_proxy_wants(&flow, TCP_ACK));
	S(.seq = 78, .ack = 1000, .flags = TCP_ACK); // challenge
	assert_int_equal(cold.start, 1000);
	C(.seq = 50000, .flags = TCP_SYN);
	f = S(.seq = 900, .ack = 50001 - 28, .flags = TCP_SYN | TCP_ACK);
	assert_int_equal(get32(l4(f) + 8), 50001);
	f = C(.seq = 50001, .ack = 901, .flags = TCP_ACK);
	assert_int_equal(get32(l4(f) + 4), 50001 - 28);
	assert_header(data_of(f));
}

static void urgent_data_moves_with_the_rest(void **state)
{
	struct frame *f;

	(void)state;
	flow_new(false);
	handshake(1000);
	f = C(.seq = 1000, .ack = 78, .flags = TCP_ACK | URG, .urgent = 3,
	      .data = (const uint8_t *)"abc", .len = 3);
	assert_int_equal(l4(f)[18] << 8 | l4(f)[19], 31);
	f = C(.seq = 1000, .ack = 78, .flags = TCP_ACK | URG, .urgent = 65530,
	      .data = (const uint8_t *)"abc", .len = 3);
	assert_int_equal(l4(f)[18] << 8 | l4(f)[19], 65535);
}

static void damaged_segment_stays_damaged(void **state)
{
	struct frame f;
	bool headed;

	(void)state;
	flow_new(false);
	handshake(1000);
	build(&f, &(struct seg){.seq = 1000,
				.ack = 78,
				.flags = TCP_ACK,
				.data = (const uint8_t *)"abcdef",
				.len = 6});
	l4(&f)[21] ^= 0x10;
	assert_int_equal(
		lb_proxy_pass(&flow, &cold, NULL, FLOW_TO_SERVER, MTU, &f.m, &f.pi, &headed),
		DROP_NONE);
	assert_false(sums_good(&f));
}

// Something on the way to the server carries less than our port: the header gets through alone.
static void large_segment_is_cut_every_second_time_in(uint32_t first)
{
	static const uint8_t much[1300];
	uint32_t small = (ipv6() ? 1280 - 60 : 576 - 40) - header_len();
	struct frame *f;

	handshake(first);
	for (unsigned turn = 0; turn < 4; turn++) {
		f = C(.seq = first, .ack = 78, .flags = TCP_ACK, .data = much, .len = small + 1);
		assert_int_equal(data_len(f), header_len() + (turn % 2 ? 0 : small + 1));
		assert_header(data_of(f));
	}
	for (unsigned turn = 0; turn < 2; turn++) {
		f = C(.seq = first, .ack = 78, .flags = TCP_ACK, .data = much, .len = small);
		assert_int_equal(data_len(f), header_len() + small);
	}
}

static void large_segment_is_cut_every_second_time(void **state)
{
	(void)state;
	both(large_segment_is_cut_every_second_time_in);
}

static void quoted_number_is_the_clients_in(uint32_t first)
{
	static const struct {
		int32_t sent, shown; // from the client's first byte
	} cases[] = {{-1, -1}, {0, 0}, {1, 1}, {1000, 1000}};

	handshake(first);
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		uint32_t by = cases[i].sent <= 0 ? header_len() : 0;
		struct frame f;

		build(&f,
		      &(struct seg){.seq = first + (uint32_t)cases[i].sent - by, .flags = TCP_ACK});
		lb_proxy_quoted(&flow, &cold, l4(&f), 20);
		assert_int_equal(get32(l4(&f) + 4), first + (uint32_t)cases[i].shown);
		assert_true(sums_good(&f));
		build(&f,
		      &(struct seg){.seq = first + (uint32_t)cases[i].sent - by, .flags = TCP_ACK});
		lb_proxy_quoted(&flow, &cold, l4(&f), 8); // no more was quoted
		assert_int_equal(get32(l4(&f) + 4), first + (uint32_t)cases[i].shown);
		assert_int_equal(sums_good(&f), by == 0);
	}
}

static void quoted_number_is_the_clients(void **state)
{
	(void)state;
	both(quoted_number_is_the_clients_in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_goes_with_the_end_of_the_handshake),
		cmocka_unit_test(header_stands_before_the_first_data),
		cmocka_unit_test(data_that_does_not_fit_waits),
		cmocka_unit_test(needs_room_for_the_header_alone),
		cmocka_unit_test(fast_open_is_taken_off_a_syn),
		cmocka_unit_test(client_is_offered_a_smaller_mss),
		cmocka_unit_test(malformed_options_are_left_alone),
		cmocka_unit_test(fin_follows_the_header),
		cmocka_unit_test(resets_hit_what_the_other_side_waits_for),
		cmocka_unit_test(keep_alive_probe_becomes_the_header),
		cmocka_unit_test(new_connection_on_a_live_flow_gets_its_header),
		cmocka_unit_test(urgent_data_moves_with_the_rest),
		cmocka_unit_test(damaged_segment_stays_damaged),
		cmocka_unit_test(large_segment_is_cut_every_second_time),
		cmocka_unit_test(quoted_number_is_the_clients),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
