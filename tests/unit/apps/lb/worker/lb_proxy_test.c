// SPDX-License-Identifier: BSD-3-Clause
//
// The PROXY header in front of a client's bytes: segment by segment, and between two simple ends of TCP
// over a network that loses, doubles and reorders.

#include "apps/lb/worker/lb_proxy.h"

#include "dataplane/parse/parse.h"

#include <netinet/in.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { PSH = 0x08, URG = 0x20 };

#define ROOM    128
#define MTU     1500
#define PAYLOAD 3000

struct frame {
	uint8_t bytes[ROOM + 4096];
	struct rte_mbuf m;
	struct parse_info pi;
};

struct seg {
	enum flow_dir dir;
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t window, urgent;
	const uint8_t *opts; // padded by NOP
	uint32_t opts_len;
	const uint8_t *data;
	uint32_t len;
};

static struct flow flow;
static struct flow_cold cold;
static struct flow_key6 key6;

static void flow_new(bool ipv6)
{
	static const uint8_t client6[16] = {0xfd, 0x10, [15] = 2},
			     service6[16] = {0xfd, 0x10, [14] = 1};

	memset(&flow, 0, sizeof(flow));
	memset(&cold, 0, sizeof(cold));
	flow.client = RTE_BE32(0x0a0a0002);
	flow.service_addr = RTE_BE32(0x0a0a0064);
	flow.client_port = RTE_BE16(40000);
	flow.service_port = RTE_BE16(443);
	flow.proto = IPPROTO_TCP;
	flow.state = FLOW_TCP_SYN;
	flow.flags = FLOW_F_VALID | FLOW_F_PROXY | (ipv6 ? FLOW_F_IPV6 : 0);
	memcpy(key6.client, client6, 16);
	memcpy(key6.service_addr, service6, 16);
}

static bool ipv6(void)
{
	return (flow.flags & FLOW_F_IPV6) != 0;
}

static void put32(uint8_t *p, uint32_t v)
{
	v = rte_cpu_to_be_32(v);
	memcpy(p, &v, 4);
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return rte_be_to_cpu_32(v);
}

static uint8_t *l3(struct frame *f)
{
	return rte_pktmbuf_mtod(&f->m, uint8_t *) + f->pi.l3_off;
}

static uint8_t *l4(struct frame *f)
{
	return rte_pktmbuf_mtod(&f->m, uint8_t *) + f->pi.l4_off;
}

static bool sums_good(struct frame *f)
{
	if (ipv6())
		return rte_ipv6_udptcp_cksum_verify((void *)l3(f), l4(f)) == 0;
	return rte_raw_cksum(l3(f), 20) == 0xffff &&
	       rte_ipv4_udptcp_cksum_verify((void *)l3(f), l4(f)) == 0;
}

// A frame with right checksums, padded as Ethernet does, and parsed.
static void build(struct frame *f, const struct seg *s)
{
	uint32_t opts = (s->opts_len + 3) & ~3u, head = ipv6() ? 40 : 20;
	uint32_t total = head + 20 + opts + s->len;
	uint8_t *b = f->bytes + ROOM, *ip = b + 14, *t = ip + head;
	uint16_t sum;

	memset(f, 0, sizeof(*f));
	b[12] = ipv6() ? 0x86 : 0x08;
	b[13] = ipv6() ? 0xdd : 0x00;
	if (ipv6()) {
		ip[0] = 0x60;
		ip[4] = (uint8_t)((total - 40) >> 8);
		ip[5] = (uint8_t)(total - 40);
		ip[6] = IPPROTO_TCP;
		ip[7] = 64;
		memcpy(ip + 8, key6.client, 16);
		memcpy(ip + 24, key6.service_addr, 16);
	} else {
		ip[0] = 0x45;
		ip[2] = (uint8_t)(total >> 8);
		ip[3] = (uint8_t)total;
		ip[8] = 64;
		ip[9] = IPPROTO_TCP;
		memcpy(ip + 12, &flow.client, 4);
		memcpy(ip + 16, &flow.service_addr, 4);
		sum = rte_ipv4_cksum((void *)ip);
		memcpy(ip + 10, &sum, 2);
	}
	put32(t + 4, s->seq);
	put32(t + 8, s->ack);
	t[0] = t[2] = 9;
	t[12] = (uint8_t)((20 + opts) / 4 << 4);
	t[13] = s->flags;
	t[14] = (uint8_t)(s->window >> 8);
	t[15] = (uint8_t)s->window;
	t[18] = (uint8_t)(s->urgent >> 8);
	t[19] = (uint8_t)s->urgent;
	memset(t + 20, 1, opts);
	if (s->opts_len != 0)
		memcpy(t + 20, s->opts, s->opts_len);
	if (s->len != 0)
		memcpy(t + 20 + opts, s->data, s->len);
	sum = ipv6() ? rte_ipv6_udptcp_cksum((void *)ip, t) : rte_ipv4_udptcp_cksum((void *)ip, t);
	memcpy(t + 16, &sum, 2);
	f->m.buf_addr = f->bytes;
	f->m.buf_len = sizeof(f->bytes);
	f->m.data_off = ROOM;
	f->m.nb_segs = 1;
	f->m.data_len = (uint16_t)(total + 14 < 60 ? 60 : total + 14);
	f->m.pkt_len = f->m.data_len;
	assert_int_equal(parse_frame(b, f->m.data_len, 0, &f->pi), DROP_NONE);
	assert_true(sums_good(f));
}

static enum drop_reason pass_mtu(struct frame *f, enum flow_dir dir, uint16_t mtu)
{
	struct parse_info again;
	enum drop_reason r;
	uint32_t skip;
	bool headed;

	if (!lb_proxy_wants(&flow, f->pi.tcp_flags))
		return DROP_NONE;
	r = lb_proxy_pass(&flow, &cold, ipv6() ? &key6 : NULL, dir, mtu, &f->m, &f->pi, &headed);
	if (r != DROP_NONE)
		return r;
	assert_true(sums_good(f));
	assert_int_equal(f->m.data_len, f->m.pkt_len);
	assert_int_equal(parse_frame(rte_pktmbuf_mtod(&f->m, uint8_t *), f->m.data_len, 0, &again),
			 DROP_NONE);
	assert_int_equal(again.l3_len, f->pi.l3_len);
	assert_int_equal(again.l4_off, f->pi.l4_off);
	skip = (uint32_t)(l4(f)[12] >> 4) * 4; // headed: as the signature says
	assert_int_equal(headed,
			 again.l3_len >= (uint32_t)(again.l4_off - again.l3_off) + skip + 28 &&
				 memcmp(l4(f) + skip, "\r\n\r\n\0\r\nQUIT\n", 12) == 0);
	return r;
}

static void follow(const struct seg *s)
{
	struct flow_tcp_segment t = {
		.seq = s->seq, .ack = s->ack, .data = s->len, .flags = s->flags};

	if (s->dir == FLOW_TO_CLIENT &&
	    (flow.flags & (FLOW_F_PROXY_PENDING | FLOW_F_SYN_AGAIN)) != 0)
		t.ack = lb_proxy_ack(&flow, &cold, t.ack); // as the worker does
	flow_tcp_step(&flow, &cold, s->dir, &t);
}

static struct frame *sent(const struct seg *s)
{
	static struct frame f;

	build(&f, s);
	follow(s);
	assert_int_equal(pass_mtu(&f, s->dir, MTU), DROP_NONE);
	return &f;
}

#define C(...) sent(&(struct seg){.dir = FLOW_TO_SERVER, __VA_ARGS__})
#define S(...) sent(&(struct seg){.dir = FLOW_TO_CLIENT, __VA_ARGS__})

static const uint8_t *data_of(struct frame *f)
{
	return l4(f) + (l4(f)[12] >> 4) * 4;
}

static uint32_t data_len(struct frame *f)
{
	return f->pi.l3_len - (uint32_t)(data_of(f) - l3(f));
}

static uint32_t header_len(void)
{
	return ipv6() ? 52 : 28;
}

static void assert_header(const uint8_t *p)
{
	static const uint8_t want4[28] =
		"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\x0a\0\x02\x0a\x0a\0\x64"
		"\x9c\x40\x01\xbb";
	static const uint8_t head6[16] = "\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24";
	static const uint8_t ports[4] = {0x9c, 0x40, 0x01, 0xbb};

	if (!ipv6()) {
		assert_memory_equal(p, want4, 28);
		return;
	}
	assert_memory_equal(p, head6, 16);
	assert_memory_equal(p + 16, key6.client, 16);
	assert_memory_equal(p + 32, key6.service_addr, 16);
	assert_memory_equal(p + 48, ports, 4);
}

// SYN and SYN-ACK, the client's first byte at `first`.
static void handshake(uint32_t first)
{
	struct frame *f = C(.seq = first - 1, .flags = TCP_SYN, .window = 64240);

	assert_int_equal(get32(l4(f) + 4), first - 1 - header_len());
	f = S(.seq = 77, .ack = first - header_len(), .flags = TCP_SYN | TCP_ACK, .window = 64240);
	assert_int_equal(get32(l4(f) + 8), first);
	assert_int_equal(l4(f)[14] << 8 | l4(f)[15], 64240 - header_len());
}

static void both(void (*test)(uint32_t first))
{
	static const uint32_t first[] = {1000, 0, 1, 10, 0x80000000, 0xfffffff0};

	for (unsigned i = 0; i < RTE_DIM(first); i++)
		for (int six = 0; six < 2; six++) {
			flow_new(six);
			test(first[i]);
		}
}

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

// ---- two ends and a bad network -----------------------------------------------------------------

#define FLIGHT 64

static struct {
	unsigned seed;
	uint32_t first; // sequence number of the client's first byte
	// client
	bool syn_acked;
	uint32_t una, next; // offsets in its data; next: of what was never sent
	uint32_t total;
	// server
	uint8_t got[PAYLOAD + LB_PROXY_LEN6 + 1]; // by offset in its stream
	uint8_t stream[PAYLOAD + LB_PROXY_LEN6 + 1];
	bool syn, established;
	uint32_t upto; // offset up to which all is there
	// network
	unsigned in_flight;
	struct seg flight[FLIGHT];
	uint8_t data[FLIGHT][1500];
} sim;

static unsigned dice(unsigned n)
{
	return (unsigned)rand_r(&sim.seed) % n;
}

static uint8_t byte_at(uint32_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

static void launch(const struct seg *s)
{
	for (unsigned copies = dice(8) == 0 ? 2 : dice(4) == 0 ? 0 : 1; copies > 0; copies--) {
		unsigned i = sim.in_flight;

		if (i == FLIGHT)
			return;
		sim.flight[i] = *s;
		if (s->len != 0)
			memcpy(sim.data[i], s->data, s->len);
		sim.in_flight++;
	}
}

static void client_sends(uint32_t offset, uint32_t len, uint8_t flags)
{
	uint8_t data[1500];

	for (uint32_t i = 0; i < len; i++)
		data[i] = byte_at(offset + i);
	launch(&(struct seg){.dir = FLOW_TO_SERVER,
			     .seq = sim.first + offset,
			     .ack = 78,
			     .flags = TCP_ACK | flags,
			     .data = data,
			     .len = len});
}

static void server_answers(void)
{
	launch(&(struct seg){.dir = FLOW_TO_CLIENT,
			     .seq = sim.established ? 78 : 77,
			     .ack = sim.first - header_len() + sim.upto,
			     .flags = TCP_ACK | (sim.established ? 0 : TCP_SYN),
			     .window = 60000});
}

static void client_gets(struct frame *f)
{
	uint32_t ack = get32(l4(f) + 8) - sim.first;

	// Never beyond what it sent. Below its first byte only one that comes late, when a newer one has
	// told that the header arrived: an old duplicate to the client.
	if ((int32_t)ack < 0 && ack >= 0 - header_len()) {
		assert_false(flow.flags & FLOW_F_PROXY_PENDING);
		return;
	}
	assert_true(ack <= sim.next);
	if ((l4(f)[13] & TCP_SYN) != 0) {
		sim.syn_acked = true;
		client_sends(sim.next, 0,
			     0); // the handshake's end, or an answer to a repeated SYN-ACK
		return;
	}
	if (ack > sim.una)
		sim.una = ack;
}

static void server_gets(struct frame *f)
{
	uint32_t at = get32(l4(f) + 4) - (sim.first - header_len()), len = data_len(f);

	if ((l4(f)[13] & TCP_SYN) != 0) {
		assert_int_equal(at, (uint32_t)-1);
		assert_int_equal(len, 0);
		sim.syn = true;
		server_answers();
		return;
	}
	if (!sim.syn)
		return;
	assert_true(at + len <= header_len() + sim.total);
	sim.established = true;
	for (uint32_t i = 0; i < len; i++) {
		assert_true(!sim.got[at + i] || sim.stream[at + i] == data_of(f)[i]);
		sim.got[at + i] = 1;
		sim.stream[at + i] = data_of(f)[i];
	}
	while (sim.upto < header_len() + sim.total && sim.got[sim.upto])
		sim.upto++;
	server_answers();
}

static void deliver(void)
{
	unsigned i = dice(sim.in_flight);
	struct seg s = sim.flight[i];
	uint8_t data[1500];
	struct frame f;

	memcpy(data, sim.data[i], sizeof(data));
	sim.in_flight--;
	sim.flight[i] = sim.flight[sim.in_flight];
	memcpy(sim.data[i], sim.data[sim.in_flight], sizeof(data));
	s.data = data;
	build(&f, &s);
	follow(&s);
	assert_int_equal(pass_mtu(&f, s.dir, 600), DROP_NONE);
	if (dice(5) == 0)
		return; // lost behind us
	if (s.dir == FLOW_TO_SERVER)
		server_gets(&f);
	else
		client_gets(&f);
}

static void timers(void)
{
	if (!sim.syn_acked)
		launch(&(struct seg){
			.dir = FLOW_TO_SERVER, .seq = sim.first - 1, .flags = TCP_SYN});
	if (sim.syn && !sim.established)
		server_answers();
	if (sim.syn_acked && sim.una < sim.next)
		client_sends(sim.una, RTE_MIN(sim.next - sim.una, 1 + dice(540)), 0);
}

static void run(unsigned seed)
{
	memset(&sim, 0, sizeof(sim));
	sim.seed = seed;
	flow_new(dice(2));
	sim.first = dice(2) ? 0 - dice(80) : (uint32_t)rand_r(&sim.seed) * 2;
	sim.total = 1 + dice(PAYLOAD);
	for (unsigned step = 0; sim.una < sim.total; step++) {
		assert_true(step < 100000);
		if (sim.in_flight != 0 && dice(4) != 0) {
			deliver();
		} else if (sim.syn_acked && sim.next < sim.total && dice(2)) {
			uint32_t len = RTE_MIN(sim.total - sim.next, 1 + dice(560));

			sim.next += len;
			client_sends(sim.next - len, len, 0);
		} else {
			timers();
		}
	}
	assert_int_equal(sim.upto, header_len() + sim.total);
	assert_header(sim.stream);
	for (uint32_t i = 0; i < sim.total; i++)
		assert_int_equal(sim.stream[header_len() + i], byte_at(i));
}

static void server_gets_header_and_stream_whatever_is_lost(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 3000; seed++)
		run(seed);
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
		cmocka_unit_test(server_gets_header_and_stream_whatever_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
