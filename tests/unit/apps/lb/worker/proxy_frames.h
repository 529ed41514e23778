// SPDX-License-Identifier: BSD-3-Clause
//
// proxy_frames - frames of one connection, by sequence numbers, through lb_proxy as the worker calls it.
#pragma once

#include <netinet/in.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "apps/lb/worker/lb_proxy.h"
#include "dataplane/parse/parse.h"

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

static inline void flow_new(bool ipv6)
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

static inline bool ipv6(void)
{
	return (flow.flags & FLOW_F_IPV6) != 0;
}

static inline void put32(uint8_t *p, uint32_t v)
{
	v = rte_cpu_to_be_32(v);
	memcpy(p, &v, 4);
}

static inline uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return rte_be_to_cpu_32(v);
}

static inline uint8_t *l3(struct frame *f)
{
	return rte_pktmbuf_mtod(&f->m, uint8_t *) + f->pi.l3_off;
}

static inline uint8_t *l4(struct frame *f)
{
	return rte_pktmbuf_mtod(&f->m, uint8_t *) + f->pi.l4_off;
}

static inline bool sums_good(struct frame *f)
{
	if (ipv6())
		return rte_ipv6_udptcp_cksum_verify((void *)l3(f), l4(f)) == 0;
	return rte_raw_cksum(l3(f), 20) == 0xffff &&
	       rte_ipv4_udptcp_cksum_verify((void *)l3(f), l4(f)) == 0;
}

// A frame with right checksums, padded as Ethernet does, and parsed.
static inline void build(struct frame *f, const struct seg *s)
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

static inline enum drop_reason pass_mtu(struct frame *f, enum flow_dir dir, uint16_t mtu)
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

static inline void follow(const struct seg *s)
{
	struct flow_tcp_segment t = {
		.seq = s->seq, .ack = s->ack, .data = s->len, .flags = s->flags};

	if (s->dir == FLOW_TO_CLIENT &&
	    (flow.flags & (FLOW_F_PROXY_PENDING | FLOW_F_SYN_AGAIN)) != 0)
		t.ack = lb_proxy_ack(&flow, &cold, t.ack); // as the worker does
	flow_tcp_step(&flow, &cold, s->dir, &t);
}

static inline struct frame *sent(const struct seg *s)
{
	static struct frame f;

	build(&f, s);
	follow(s);
	assert_int_equal(pass_mtu(&f, s->dir, MTU), DROP_NONE);
	return &f;
}

#define C(...) sent(&(struct seg){.dir = FLOW_TO_SERVER, __VA_ARGS__})
#define S(...) sent(&(struct seg){.dir = FLOW_TO_CLIENT, __VA_ARGS__})

static inline const uint8_t *data_of(struct frame *f)
{
	return l4(f) + (l4(f)[12] >> 4) * 4;
}

static inline uint32_t data_len(struct frame *f)
{
	return f->pi.l3_len - (uint32_t)(data_of(f) - l3(f));
}

static inline uint32_t header_len(void)
{
	return ipv6() ? 52 : 28;
}

static inline void assert_header(const uint8_t *p)
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
static inline void handshake(uint32_t first)
{
	struct frame *f = C(.seq = first - 1, .flags = TCP_SYN, .window = 64240);

	assert_int_equal(get32(l4(f) + 4), first - 1 - header_len());
	f = S(.seq = 77, .ack = first - header_len(), .flags = TCP_SYN | TCP_ACK, .window = 64240);
	assert_int_equal(get32(l4(f) + 8), first);
	assert_int_equal(l4(f)[14] << 8 | l4(f)[15], 64240 - header_len());
}

static inline void both(void (*test)(uint32_t first))
{
	static const uint32_t first[] = {1000, 0, 1, 10, 0x80000000, 0xfffffff0};

	for (unsigned i = 0; i < RTE_DIM(first); i++)
		for (int six = 0; six < 2; six++) {
			flow_new(six);
			test(first[i]);
		}
}
