// SPDX-License-Identifier: BSD-3-Clause
//
// parse_frames - good frames to spoil, and parse_frame with its short cuts over blocks of their exact size, so that
// ASan sees a read past the end.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/parse/fast.h"

enum { ETH = 14, IP4 = 20, IP6 = 40 };

static struct parse_info info, fast;
static bool took_fast;

// The look at packets of known flows: it takes exactly those of the short cut that are as plain as it says,
// but for addresses.
static inline void check_plain(uint32_t plain, enum drop_reason reason)
{
	bool tcp = fast.proto == PARSE_FAST_TCP;

	if (took_fast && fast.ttl > 1 && (!tcp || (fast.tcp_flags & 0x17) == 0x10)) {
		assert_int_equal(plain & 0xffff, fast.l3_len);
		if (!tcp)
			assert_int_equal(plain >> 16, 0);
	} else if (plain != 0) {
		assert_int_equal(reason, DROP_IP_ADDRESS);
	}
}

static inline enum drop_reason parse(const uint8_t *frame, uint32_t len, uint16_t vlan)
{
	uint8_t *exact = malloc(len == 0 ? 1 : len);
	enum drop_reason reason;

	assert_non_null(exact);
	memcpy(exact, frame, len);
	memset(&info, 0xa5, sizeof(info));
	memset(&fast, 0x5a, sizeof(fast));
	reason = parse_frame(exact, len, vlan, &info);
	// Every frame of these tests goes through the short cut too.
	took_fast = vlan == 0 && parse_fast(exact, len, &fast);
	if (took_fast) {
		assert_int_equal(reason, DROP_NONE);
		assert_memory_equal(&fast, &info, sizeof(info));
	}
	if (vlan == 0)
		check_plain(parse_plain(exact, len), reason);
	free(exact);
	return reason;
}

#define ASSERT_DROP(reason, frame, len) assert_int_equal(parse(frame, len, 0), DROP_##reason)
#define ASSERT_GOOD(frame, len)         assert_int_equal(parse(frame, len, 0), DROP_NONE)

static inline void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void fix_checksum(uint8_t *ip)
{
	unsigned words = (ip[0] & 0xf) * 2U;
	uint32_t sum = 0;

	put16(ip + 10, 0);
	for (unsigned i = 0; i < words; i++)
		sum += (uint32_t)ip[2 * i] << 8 | ip[2 * i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put16(ip + 10, ~sum & 0xffff);
}

// TCP SYN from 10.0.0.1:1000 to 192.0.2.1:80, 60 bytes with Ethernet padding
static uint8_t f[512];

static inline uint8_t *ipv4_tcp(void)
{
	uint8_t *ip = f + ETH, *tcp = ip + IP4;

	memset(f, 0, sizeof(f));
	put16(f + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, 40);
	ip[8] = 64;
	ip[9] = 6;
	memcpy(ip + 12, (uint8_t[]){10, 0, 0, 1, 192, 0, 2, 1}, 8);
	put16(tcp, 1000);
	put16(tcp + 2, 80);
	tcp[12] = 0x50;
	tcp[13] = 0x02;
	fix_checksum(ip);
	return ip;
}

static inline uint8_t *ipv4_udp(unsigned payload)
{
	uint8_t *ip = ipv4_tcp(), *udp = ip + IP4;

	ip[9] = 17;
	put16(ip + 2, 28 + payload);
	memset(udp, 0, 20);
	put16(udp, 5353);
	put16(udp + 2, 53);
	put16(udp + 4, 8 + payload);
	fix_checksum(ip);
	return ip;
}

// TCP SYN over IPv6 from 2001:db8::1 to 2001:db8::2; the layer-4 header starts after `gap` bytes.
static inline uint8_t *ipv6_tcp(unsigned gap)
{
	uint8_t *ip = f + ETH, *tcp = ip + IP6 + gap;

	memset(f, 0, sizeof(f));
	put16(f + 12, 0x86dd);
	ip[0] = 0x60;
	put16(ip + 4, gap + 20);
	ip[6] = 6;
	ip[7] = 63;
	memcpy(ip + 8, (uint8_t[]){0x20, 1, 0xd, 0xb8, [15] = 1}, 16);
	memcpy(ip + 24, (uint8_t[]){0x20, 1, 0xd, 0xb8, [15] = 2}, 16);
	put16(tcp, 1000);
	put16(tcp + 2, 80);
	tcp[12] = 0x50;
	tcp[13] = 0x10;
	return ip;
}
