// SPDX-License-Identifier: BSD-3-Clause
//
// Each reason of parse_frame to drop a frame, each limit at both sides, and what it says of good ones.
// Frames are kept in blocks of their exact size, so that ASan sees a read past the end.

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
static void check_plain(uint32_t plain, enum drop_reason reason)
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

static enum drop_reason parse(const uint8_t *frame, uint32_t len, uint16_t vlan)
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

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void fix_checksum(uint8_t *ip)
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

static uint8_t *ipv4_tcp(void)
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

static uint8_t *ipv4_udp(unsigned payload)
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
static uint8_t *ipv6_tcp(unsigned gap)
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

static void reads_tcp_over_ipv4(void **state)
{
	(void)state;
	ipv4_tcp();
	ASSERT_GOOD(f, 60); // with padding
	assert_int_equal(info.flags, PARSE_IPV4 | PARSE_L4);
	assert_int_equal(info.l3_off, 14);
	assert_int_equal(info.l4_off, 34);
	assert_int_equal(info.l3_len, 40);
	assert_int_equal(info.vlan, 0);
	assert_int_equal(info.proto, 6);
	assert_int_equal(info.ttl, 64);
	assert_int_equal(info.tcp_flags, 2);
	assert_int_equal(info.sport, RTE_BE16(1000));
	assert_int_equal(info.dport, RTE_BE16(80));
	ASSERT_GOOD(f, 54); // without
	assert_true(took_fast);
}

static void reads_tcp_over_ipv6(void **state)
{
	(void)state;
	ipv6_tcp(0);
	ASSERT_GOOD(f, 74);
	assert_int_equal(info.flags, PARSE_IPV6 | PARSE_L4);
	assert_int_equal(info.l4_off, 54);
	assert_int_equal(info.l3_len, 60);
	assert_int_equal(info.proto, 6);
	assert_int_equal(info.ttl, 63);
	assert_int_equal(info.tcp_flags, 0x10);
	assert_int_equal(info.dport, RTE_BE16(80));
}

static void drops_what_is_shorter_than_its_headers(void **state)
{
	(void)state;
	ipv4_tcp();
	for (uint32_t len = 0; len < 34; len++)
		ASSERT_DROP(RUNT, f, len);
	for (uint32_t len = 34; len < 54; len++) // less than the total length says
		ASSERT_DROP(IP_HEADER, f, len);
	ipv6_tcp(0);
	for (uint32_t len = 0; len < 54; len++)
		ASSERT_DROP(RUNT, f, len);
	for (uint32_t len = 54; len < 74; len++)
		ASSERT_DROP(IP_HEADER, f, len);
}

static void leaves_arp_and_others_to_the_kernel(void **state)
{
	(void)state;
	ipv4_tcp();
	put16(f + 12, 0x0806);
	ASSERT_GOOD(f, 60);
	assert_int_equal(info.flags, PARSE_ARP);
	put16(f + 12, 0x88cc); // LLDP
	ASSERT_GOOD(f, 60);
	assert_int_equal(info.flags, PARSE_OTHER);
	put16(f + 12, 0x0026); // 802.3 length
	ASSERT_GOOD(f, 60);
	assert_int_equal(info.flags, PARSE_OTHER);
	ipv4_tcp()[9] = 47;
	fix_checksum(f + ETH);
	ASSERT_GOOD(f, 60);
	assert_int_equal(info.flags, PARSE_IPV4 | PARSE_OTHER);
	ipv4_tcp()[9] = 58; // ICMPv6 has no place in IPv4
	fix_checksum(f + ETH);
	ASSERT_GOOD(f, 60);
	assert_int_equal(info.flags, PARSE_IPV4 | PARSE_OTHER);
	ipv6_tcp(0)[6] = 50;
	ASSERT_GOOD(f, 74);
	assert_int_equal(info.flags, PARSE_IPV6 | PARSE_OTHER);
	ipv6_tcp(0)[6] = 59; // no next header
	ASSERT_GOOD(f, 74);
	assert_int_equal(info.flags, PARSE_IPV6 | PARSE_OTHER);
}

static void tag(uint16_t type, unsigned tci)
{
	memmove(f + 16, f + 12, sizeof(f) - 16);
	put16(f + 12, type);
	put16(f + 14, tci);
}

static void reads_one_vlan_tag(void **state)
{
	(void)state;
	ipv4_tcp();
	tag(0x8100, 0x2000 | 4094);
	ASSERT_GOOD(f, 64);
	assert_int_equal(info.flags, PARSE_IPV4 | PARSE_L4 | PARSE_VLAN);
	assert_int_equal(info.vlan, 4094);
	assert_int_equal(info.l3_off, 18);
	assert_int_equal(info.l4_off, 38);
	ASSERT_DROP(RUNT, f, 17);
	ipv6_tcp(0);
	tag(0x8100, 5);
	ASSERT_GOOD(f, 78);
	assert_int_equal(info.vlan, 5);
	ipv4_tcp();
	tag(0x8100, 0xe000); // priority only
	ASSERT_GOOD(f, 64);
	assert_int_equal(info.flags, PARSE_IPV4 | PARSE_L4);
	assert_int_equal(info.vlan, 0);
	assert_int_equal(info.l3_off, 18);
}

static void takes_the_vlan_that_the_nic_stripped(void **state)
{
	(void)state;
	ipv4_tcp();
	assert_int_equal(parse(f, 60, 7), DROP_NONE);
	assert_int_equal(info.vlan, 7);
	assert_int_equal(info.flags, PARSE_IPV4 | PARSE_L4); // it is not in the frame
	tag(0x8100, 5);
	assert_int_equal(parse(f, 64, 7), DROP_VLAN_NESTED);
}

static void drops_a_tag_in_a_tag(void **state)
{
	static const uint16_t types[] = {0x8100, 0x88a8, 0x9100};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		ipv4_tcp();
		tag(types[i], 5);
		tag(0x8100, 6);
		ASSERT_DROP(VLAN_NESTED, f, 68);
	}
	ipv4_tcp();
	tag(0x88a8, 5);
	ASSERT_DROP(VLAN_NESTED, f, 64);
}

static void drops_the_wrong_version(void **state)
{
	uint8_t *ip = ipv4_tcp();

	(void)state;
	ip[0] = 0x65;
	ASSERT_DROP(IP_VERSION, f, 60);
	ip = ipv6_tcp(0);
	ip[0] = 0x45;
	ASSERT_DROP(IP_VERSION, f, 74);
}

static void drops_wrong_ipv4_lengths(void **state)
{
	uint8_t *ip = ipv4_tcp();

	(void)state;
	ip[0] = 0x44;
	ASSERT_DROP(IP_HEADER, f, 60);
	ipv4_tcp();
	put16(ip + 2, 19);
	fix_checksum(ip);
	ASSERT_DROP(IP_HEADER, f, 60);
	put16(ip + 2, 47); // one more than there is
	fix_checksum(ip);
	ASSERT_DROP(IP_HEADER, f, 60);
	put16(ip + 2, 46);
	fix_checksum(ip);
	ASSERT_GOOD(f, 60);
	ipv4_tcp();
	ip[0] = 0x4f; // 60 bytes of header in a total of 40
	ASSERT_DROP(IP_HEADER, f, 60);
}

static void drops_every_wrong_bit_of_an_ipv4_header(void **state)
{
	uint8_t *ip = ipv4_tcp();

	(void)state;
	for (unsigned bit = 0; bit < 160; bit++) {
		ip[bit / 8] ^= (uint8_t)(1U << (bit % 8));
		assert_int_not_equal(parse(f, 60, 0), DROP_NONE);
		if (bit >= 32 && bit < 160) // version and lengths have reasons of their own
			assert_int_equal(parse(f, 60, 0), DROP_IP_CHECKSUM);
		ip[bit / 8] ^= (uint8_t)(1U << (bit % 8));
	}
	ASSERT_GOOD(f, 60);
}

static enum drop_reason with_addresses(unsigned src, unsigned dst, unsigned last)
{
	uint8_t *ip = ipv4_tcp();

	ip[12] = (uint8_t)src;
	ip[16] = (uint8_t)dst;
	memset(ip + 17, (int)last, 3);
	fix_checksum(ip);
	return parse(f, 60, 0);
}

static void drops_ipv4_addresses_that_may_not_be_on_the_wire(void **state)
{
	(void)state;
	assert_int_equal(with_addresses(126, 126, 1), DROP_NONE);
	assert_int_equal(with_addresses(127, 10, 1), DROP_IP_ADDRESS);
	assert_int_equal(with_addresses(128, 128, 1), DROP_NONE);
	assert_int_equal(with_addresses(10, 127, 1), DROP_IP_ADDRESS);
	assert_int_equal(with_addresses(223, 10, 1), DROP_NONE);
	assert_int_equal(with_addresses(224, 10, 1), DROP_IP_ADDRESS);
	assert_int_equal(with_addresses(255, 10, 1), DROP_IP_ADDRESS);
	assert_int_equal(with_addresses(0, 255, 255), DROP_NONE); // DHCP
	assert_int_equal(with_addresses(10, 239, 1), DROP_NONE);  // multicast
	assert_int_equal(with_addresses(10, 240, 1), DROP_IP_ADDRESS);
	assert_int_equal(with_addresses(10, 255, 254), DROP_IP_ADDRESS);
	assert_int_equal(with_addresses(10, 0, 0), DROP_IP_ADDRESS);
}

static enum drop_reason with_ipv6(const uint8_t src[16], const uint8_t dst[16])
{
	uint8_t *ip = ipv6_tcp(0);

	if (src != NULL)
		memcpy(ip + 8, src, 16);
	if (dst != NULL)
		memcpy(ip + 24, dst, 16);
	return parse(f, 74, 0);
}

static void drops_ipv6_addresses_that_may_not_be_on_the_wire(void **state)
{
	static const uint8_t loopback[16] = {[15] = 1}, two[16] = {[15] = 2}, zero[16];
	static const uint8_t mapped[16] = {[10] = 0xff, 0xff, 10, 0, 0, 1};
	static const uint8_t nat64[16] = {0, 0x64, 0xff, 0x9b, [15] = 1};
	static const uint8_t multicast[16] = {0xff, 2, [15] = 1};

	(void)state;
	assert_int_equal(with_ipv6(loopback, NULL), DROP_IP_ADDRESS);
	assert_int_equal(with_ipv6(NULL, loopback), DROP_IP_ADDRESS);
	assert_int_equal(with_ipv6(two, two), DROP_NONE);
	assert_int_equal(with_ipv6(mapped, NULL), DROP_IP_ADDRESS);
	assert_int_equal(with_ipv6(NULL, mapped), DROP_IP_ADDRESS);
	assert_int_equal(with_ipv6(nat64, nat64), DROP_NONE);
	assert_int_equal(with_ipv6(multicast, NULL), DROP_IP_ADDRESS);
	assert_int_equal(with_ipv6(NULL, multicast), DROP_NONE);
	assert_int_equal(with_ipv6(zero, multicast), DROP_NONE); // duplicate address detection
	assert_int_equal(with_ipv6(NULL, zero), DROP_IP_ADDRESS);
}

static enum drop_reason with_options(const uint8_t *opt, unsigned len)
{
	uint8_t *ip = ipv4_tcp();

	memmove(ip + IP4 + len, ip + IP4, 20);
	memcpy(ip + IP4, opt, len);
	ip[0] = (uint8_t)(0x45 + len / 4);
	put16(ip + 2, 40 + len);
	fix_checksum(ip);
	return parse(f, 54 + len, 0);
}

static void walks_ipv4_options(void **state)
{
	(void)state;
	// Router alert, then no-operation and end.
	assert_int_equal(with_options((uint8_t[]){148, 4, 0, 0, 1, 1, 0, 9}, 8), DROP_NONE);
	assert_int_equal(info.flags, PARSE_IPV4 | PARSE_L4 | PARSE_OPTIONS);
	assert_int_equal(info.l4_off, 42);
	assert_int_equal(info.dport, RTE_BE16(80));
	assert_int_equal(with_options((uint8_t[40]){7, 39, 4}, 40), DROP_NONE); // record route
	assert_int_equal(with_options((uint8_t[]){1, 131, 3, 4}, 4), DROP_IP_OPTIONS);
	assert_int_equal(with_options((uint8_t[]){137, 4, 4, 0}, 4), DROP_IP_OPTIONS);
	assert_int_equal(with_options((uint8_t[]){0, 137, 4, 4}, 4), DROP_NONE); // after the end
	assert_int_equal(with_options((uint8_t[]){148, 5, 0, 0}, 4), DROP_IP_HEADER);
	assert_int_equal(with_options((uint8_t[]){148, 1, 0, 0}, 4), DROP_IP_HEADER);
	assert_int_equal(with_options((uint8_t[]){148, 0, 0, 0}, 4), DROP_IP_HEADER);
	assert_int_equal(with_options((uint8_t[]){1, 1, 1, 148}, 4), DROP_IP_HEADER);
}

static enum drop_reason with_fragment(unsigned field)
{
	uint8_t *ip = ipv4_tcp();

	put16(ip + 6, field);
	fix_checksum(ip);
	return parse(f, 60, 0);
}

static void marks_ipv4_fragments(void **state)
{
	(void)state;
	assert_int_equal(with_fragment(0x4000), DROP_NONE); // do not fragment
	assert_int_equal(info.flags, PARSE_IPV4 | PARSE_L4);
	assert_int_equal(with_fragment(0x2000), DROP_NONE); // first
	assert_int_equal(info.flags, PARSE_IPV4 | PARSE_L4 | PARSE_FRAGMENT);
	assert_int_equal(info.dport, RTE_BE16(80));
	assert_int_equal(with_fragment(0x2001), DROP_NONE);
	assert_int_equal(info.flags, PARSE_IPV4 | PARSE_FRAGMENT);
	assert_int_equal(with_fragment(0x1fff), DROP_NONE); // last
	assert_int_equal(info.flags, PARSE_IPV4 | PARSE_FRAGMENT);
	assert_int_equal(info.dport, 0);
	// First one too short for its header: no ports.
	put16(ipv4_tcp() + 6, 0x2000);
	put16(f + ETH + 2, 36);
	fix_checksum(f + ETH);
	ASSERT_GOOD(f, 60);
	assert_int_equal(info.flags, PARSE_IPV4 | PARSE_FRAGMENT);
	// A first UDP fragment is shorter than the datagram it begins.
	put16(ipv4_udp(0) + 6, 0x2000);
	put16(f + ETH + IP4 + 4, 4000);
	fix_checksum(f + ETH);
	ASSERT_GOOD(f, 60);
	assert_int_equal(info.flags, PARSE_IPV4 | PARSE_L4 | PARSE_FRAGMENT);
}

static void drops_malformed_tcp(void **state)
{
	uint8_t *ip = ipv4_tcp();

	(void)state;
	ip[IP4 + 12] = 0x40;
	ASSERT_DROP(L4_HEADER, f, 60);
	ip[IP4 + 12] = 0x60; // 24 bytes in 20
	ASSERT_DROP(L4_HEADER, f, 60);
	put16(ip + 2, 44);
	fix_checksum(ip);
	ASSERT_GOOD(f, 60);
	ipv4_tcp();
	put16(ip + 2, 39);
	fix_checksum(ip);
	ASSERT_DROP(L4_HEADER, f, 60);
	ipv6_tcp(0);
	put16(ip + 4, 19);
	ASSERT_DROP(L4_HEADER, f, 74);
}

static void drops_impossible_tcp_flags(void **state)
{
	(void)state;
	for (unsigned flags = 0; flags < 256; flags++) {
		bool syn = flags & 2, fin = flags & 1, rst = flags & 4, ack = flags & 16;
		bool good = syn ? !fin && !rst : ack || rst;

		ipv4_tcp()[IP4 + 13] = (uint8_t)flags;
		assert_int_equal(parse(f, 60, 0), good ? DROP_NONE : DROP_TCP_FLAGS);
	}
}

static void reads_udp_and_drops_wrong_lengths(void **state)
{
	uint8_t *udp = ipv4_udp(4) + IP4;

	(void)state;
	ASSERT_GOOD(f, 60);
	assert_int_equal(info.flags, PARSE_IPV4 | PARSE_L4);
	assert_int_equal(info.proto, 17);
	assert_int_equal(info.sport, RTE_BE16(5353));
	assert_true(took_fast);
	put16(udp + 4, 8); // less than the packet: the rest is not its business
	ASSERT_GOOD(f, 60);
	put16(udp + 4, 7);
	ASSERT_DROP(L4_HEADER, f, 60);
	put16(udp + 4, 13);
	ASSERT_DROP(L4_HEADER, f, 60);
	put16(ipv4_udp(0) + 2, 27);
	fix_checksum(f + ETH);
	ASSERT_DROP(L4_HEADER, f, 60);
}

static void wants_a_checksum_of_udp_over_ipv6(void **state)
{
	uint8_t *ip = ipv6_tcp(0), *udp = ip + IP6;

	(void)state;
	ip[6] = 17;
	put16(udp + 4, 20);
	put16(udp + 6, 1);
	ASSERT_GOOD(f, 74);
	put16(udp + 6, 0); // RFC 8200 section 8.1
	ASSERT_DROP(L4_HEADER, f, 74);
	ipv4_udp(0);
	ASSERT_GOOD(f, 60); // 0 is none over IPv4
}

static void reads_icmp(void **state)
{
	uint8_t *ip = ipv4_tcp(), *icmp = ip + IP4;

	(void)state;
	ip[9] = 1;
	fix_checksum(ip);
	memset(icmp, 0, 20);
	icmp[0] = 8;
	put16(icmp + 4, 4711);
	ASSERT_GOOD(f, 60);
	assert_int_equal(info.flags, PARSE_IPV4 | PARSE_L4);
	assert_int_equal(info.icmp_type, 8);
	assert_int_equal(info.sport, RTE_BE16(4711));
	icmp[0] = 3;
	ASSERT_GOOD(f, 60);
	assert_int_equal(info.sport, 0);
	put16(ip + 2, 27);
	fix_checksum(ip);
	ASSERT_DROP(L4_HEADER, f, 60);
	ip = ipv6_tcp(0);
	ip[6] = 58;
	ip[IP6] = 128;
	put16(ip + IP6 + 4, 17);
	ASSERT_GOOD(f, 74);
	assert_int_equal(info.icmp_type, 128);
	assert_int_equal(info.sport, RTE_BE16(17));
	ip[IP6] = 135;
	ASSERT_GOOD(f, 74);
	assert_int_equal(info.sport, 0);
	put16(ip + 4, 7);
	ASSERT_DROP(L4_HEADER, f, 74);
}

static void walks_ipv6_extension_headers(void **state)
{
	uint8_t *ip = ipv6_tcp(8 + 16 + 8 + 12), *x = ip + IP6;

	(void)state;
	ip[6] = 0; // hop-by-hop
	x[0] = 60; // destination options, 16 bytes
	x[8] = 43;
	x[9] = 1;
	x[24] = 51; // routing, type 2; then AH of 12 bytes
	x[26] = 2;
	x[32] = 6;
	x[33] = 1;
	ASSERT_GOOD(f, 74 + 44);
	assert_int_equal(info.flags, PARSE_IPV6 | PARSE_L4 | PARSE_OPTIONS);
	assert_int_equal(info.l4_off, 54 + 44);
	assert_int_equal(info.proto, 6);
	assert_int_equal(info.dport, RTE_BE16(80));
	x[26] = 0; // RFC 5095
	ASSERT_DROP(IP_ROUTING_HEADER, f, 74 + 44);
	x[26] = 2;
	x[8] = 0; // hop-by-hop again
	ASSERT_DROP(IP_EXTENSION_TWICE, f, 74 + 44);
	ip[6] = 60;
	x[0] = 0; // hop-by-hop, but not first
	ASSERT_DROP(IP_EXTENSION, f, 74 + 44);
}

static void drops_ipv6_extension_headers_past_the_end(void **state)
{
	uint8_t *ip = ipv6_tcp(8), *x = ip + IP6;

	(void)state;
	ip[6] = 60;
	x[0] = 60;
	x[1] = 2; // 24 of the 28 bytes
	ASSERT_DROP(IP_EXTENSION, f, 82);
	x[0] = 59; // nothing follows
	ASSERT_GOOD(f, 82);
	x[1] = 3;
	ASSERT_DROP(IP_EXTENSION, f, 82);
	x[1] = 255;
	ASSERT_DROP(IP_EXTENSION, f, 82);
	ip = ipv6_tcp(0);
	ip[6] = 60;
	put16(ip + 4, 7);
	ASSERT_DROP(IP_EXTENSION, f, 74);
	put16(ip + 4, 0); // nothing at all
	ASSERT_DROP(IP_EXTENSION, f, 74);
	ip[6] = 0; // a jumbogram says so
	ASSERT_DROP(IP_JUMBOGRAM, f, 74);
}

// RFC 8200 section 4.1: each at most once, but destination options before a routing header too.
static void drops_an_extension_header_that_came_before(void **state)
{
	static const uint8_t kinds[] = {0, 60, 43, 44, 51, 60, 6}, size[] = {8, 8, 8, 8, 12, 8};
	uint8_t *ip = ipv6_tcp(52);
	unsigned at = IP6;

	(void)state;
	ip[6] = kinds[0];
	for (unsigned i = 0; i < 6; i++) {
		ip[at] = kinds[i + 1];
		ip[at + 1] = kinds[i] == 51 ? 1 : 0;
		ip[at + 2] = kinds[i] == 43 ? 2 : 0;
		at += size[i];
	}
	ASSERT_GOOD(f, 74 + 52);
	assert_int_equal(info.l4_off, 54 + 52);
	for (unsigned kind = 0; kind < 256; kind++) {
		if (kind != 60 && kind != 43 && kind != 51 && kind != 0 && kind != 44)
			continue;
		ip = ipv6_tcp(24);
		ip[6] = (uint8_t)kind;
		for (unsigned i = 0; i < 3; i++) { // each of 8 bytes, AH too
			ip[IP6 + 8 * i] = (uint8_t)(i < 2 ? kind : 6);
			ip[IP6 + 8 * i + 2] = 2;
		}
		if (kind == 44)
			for (unsigned i = 0; i < 3; i++)
				ip[IP6 + 8 * i + 2] = 0;
		ASSERT_DROP(IP_EXTENSION_TWICE, f, 74 + 24);
	}
	ip = ipv6_tcp(16); // destination options twice
	ip[6] = ip[IP6] = 60;
	ip[IP6 + 8] = 6;
	ASSERT_GOOD(f, 74 + 16);
}

// RFC 7112: the chain has to end in the first fragment. It is for the table to refuse, with what follows.
static void leaves_a_chain_that_a_first_fragment_cuts_without_ports(void **state)
{
	uint8_t *ip = ipv6_tcp(8), *x = ip + IP6;

	(void)state;
	ip[6] = 44;
	x[0] = 60;
	x[3] = 1;
	x[9] = 9; // options of 80 bytes
	ASSERT_GOOD(f, 82);
	assert_int_equal(info.flags, PARSE_IPV6 | PARSE_FRAGMENT | PARSE_OPTIONS);
	assert_int_equal(info.proto, 60);
	put16(ip + 4, 12);
	ASSERT_GOOD(f, 66);
	assert_int_equal(info.proto, 60);
}

static struct parse_fragment piece;

static enum drop_reason place(uint32_t len)
{
	ASSERT_GOOD(f, len);
	assert_true(info.flags & PARSE_FRAGMENT);
	return parse_fragment(f, &info, &piece);
}

static void places_ipv4_fragments(void **state)
{
	uint8_t *ip = ipv4_udp(0);

	(void)state;
	put16(ip + 4, 0xbeef);
	put16(ip + 2, 20 + 16);
	put16(ip + 6, 0x2000 | 185);
	fix_checksum(ip);
	assert_int_equal(place(60), DROP_NONE);
	assert_int_equal(piece.id, 0xbeef);
	assert_int_equal(piece.offset, 185 * 8);
	assert_int_equal(piece.len, 16);
	assert_int_equal(piece.head, ETH);
	assert_true(piece.more);
	put16(ip + 2, 20 + 15);
	fix_checksum(ip);
	assert_int_equal(place(60), DROP_FRAGMENT_LENGTH);
	put16(ip + 6, 185); // the last one may be of any length but none
	fix_checksum(ip);
	assert_int_equal(place(60), DROP_NONE);
	assert_false(piece.more);
	put16(ip + 2, 20);
	fix_checksum(ip);
	assert_int_equal(place(60), DROP_FRAGMENT_LENGTH);
	put16(ip + 6, 8189); // 65,512: with 3 bytes and the header 65,535
	put16(ip + 2, 20 + 3);
	fix_checksum(ip);
	assert_int_equal(place(60), DROP_NONE);
	put16(ip + 2, 20 + 4);
	fix_checksum(ip);
	assert_int_equal(place(60), DROP_FRAGMENT_BEYOND);
}

static void places_ipv6_fragments(void **state)
{
	uint8_t *ip = ipv6_tcp(16), *x = ip + IP6;

	(void)state;
	ip[6] = 60;
	x[0] = 44;
	x[8] = 6;
	put16(x + 10, 1480 | 1);
	memcpy(x + 12, (uint8_t[]){0xde, 0xad, 0xbe, 0xef}, 4);
	put16(ip + 4, 16 + 16);
	assert_int_equal(place(90), DROP_NONE);
	assert_int_equal(piece.id, 0xdeadbeef);
	assert_int_equal(piece.offset, 1480);
	assert_int_equal(piece.len, 16);
	assert_int_equal(piece.head, ETH + IP6 + 8);
	assert_true(piece.more);
	put16(ip + 4, 16 + 17);
	assert_int_equal(place(90), DROP_FRAGMENT_LENGTH);
	put16(x + 10, 65512); // with the options before: 65,520 + 15 = 65,535
	put16(ip + 4, 16 + 15);
	assert_int_equal(place(90), DROP_NONE);
	put16(ip + 4, 16 + 16);
	assert_int_equal(place(90), DROP_FRAGMENT_BEYOND);
}

static struct parse_quote quote;

static enum drop_reason quoted(const uint8_t *ip, uint32_t len, uint8_t family)
{
	uint8_t *exact = malloc(len == 0 ? 1 : len);
	enum drop_reason reason;

	memcpy(exact, ip, len);
	reason = parse_quoted(exact, len, family, &quote);
	free(exact);
	return reason;
}

static void reads_what_an_error_quotes(void **state)
{
	uint8_t *ip = ipv4_udp(1400);

	(void)state;
	assert_int_equal(quoted(ip, 28, 4), DROP_NONE);
	assert_int_equal(quote.l3_len, 1428);
	assert_int_equal(quote.l4_len, 8);
	assert_int_equal(quote.sport, RTE_BE16(5353));
	for (uint32_t len = 0; len < 28; len++)
		assert_int_equal(quoted(ip, len, 4), DROP_ICMP_INNER);
	assert_int_equal(quoted(ip, 28, 6), DROP_ICMP_INNER);
	put16(ip + 6, 0x2000);
	assert_int_equal(quoted(ip, 28, 4), DROP_NONE);
	assert_true(quote.fragment);
	put16(ip + 6, 1);
	assert_int_equal(quoted(ip, 28, 4), DROP_ICMP_FRAGMENT);
	ip = ipv6_tcp(8);
	ip[6] = 44;
	ip[IP6] = 6;
	ip[IP6 + 3] = 1;
	assert_int_equal(quoted(ip, 56, 6), DROP_NONE);
	assert_int_equal(quote.l4_off, 48);
	assert_int_equal(quote.l4_len, 8);
	assert_int_equal(quote.dport, RTE_BE16(80));
	assert_true(quote.fragment);
	for (uint32_t len = 0; len < 56; len++)
		assert_int_equal(quoted(ip, len, 6), DROP_ICMP_INNER);
	ip[IP6 + 3] = 9;
	assert_int_equal(quoted(ip, 56, 6), DROP_ICMP_FRAGMENT);
}

static void marks_ipv6_fragments(void **state)
{
	uint8_t *ip = ipv6_tcp(8), *x = ip + IP6;

	(void)state;
	ip[6] = 44;
	x[0] = 6;
	ASSERT_GOOD(f, 82); // atomic: whole (RFC 6946)
	assert_int_equal(info.flags, PARSE_IPV6 | PARSE_L4 | PARSE_OPTIONS);
	put16(x + 2, 1); // first
	ASSERT_GOOD(f, 82);
	assert_int_equal(info.flags, PARSE_IPV6 | PARSE_L4 | PARSE_OPTIONS | PARSE_FRAGMENT);
	assert_int_equal(info.dport, RTE_BE16(80));
	put16(x + 2, 8); // last
	ASSERT_GOOD(f, 82);
	assert_int_equal(info.flags, PARSE_IPV6 | PARSE_OPTIONS | PARSE_FRAGMENT);
	assert_int_equal(info.proto, 6);
	put16(x + 2, 9);
	x[0] = 60; // whatever follows is data here
	ASSERT_GOOD(f, 82);
	assert_int_equal(info.flags, PARSE_IPV6 | PARSE_OPTIONS | PARSE_FRAGMENT);
	ip = ipv6_tcp(16);
	x = ip + IP6;
	ip[6] = 44;
	x[0] = 44;
	x[8] = 6;
	put16(x + 2, 1);
	put16(x + 10, 1);
	ASSERT_DROP(IP_EXTENSION_TWICE, f, 90); // a fragment of a fragment
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_tcp_over_ipv4),
		cmocka_unit_test(reads_tcp_over_ipv6),
		cmocka_unit_test(drops_what_is_shorter_than_its_headers),
		cmocka_unit_test(leaves_arp_and_others_to_the_kernel),
		cmocka_unit_test(reads_one_vlan_tag),
		cmocka_unit_test(takes_the_vlan_that_the_nic_stripped),
		cmocka_unit_test(drops_a_tag_in_a_tag),
		cmocka_unit_test(drops_the_wrong_version),
		cmocka_unit_test(drops_wrong_ipv4_lengths),
		cmocka_unit_test(drops_every_wrong_bit_of_an_ipv4_header),
		cmocka_unit_test(drops_ipv4_addresses_that_may_not_be_on_the_wire),
		cmocka_unit_test(drops_ipv6_addresses_that_may_not_be_on_the_wire),
		cmocka_unit_test(walks_ipv4_options),
		cmocka_unit_test(marks_ipv4_fragments),
		cmocka_unit_test(drops_malformed_tcp),
		cmocka_unit_test(drops_impossible_tcp_flags),
		cmocka_unit_test(reads_udp_and_drops_wrong_lengths),
		cmocka_unit_test(wants_a_checksum_of_udp_over_ipv6),
		cmocka_unit_test(reads_icmp),
		cmocka_unit_test(walks_ipv6_extension_headers),
		cmocka_unit_test(drops_ipv6_extension_headers_past_the_end),
		cmocka_unit_test(drops_an_extension_header_that_came_before),
		cmocka_unit_test(leaves_a_chain_that_a_first_fragment_cuts_without_ports),
		cmocka_unit_test(places_ipv4_fragments),
		cmocka_unit_test(places_ipv6_fragments),
		cmocka_unit_test(reads_what_an_error_quotes),
		cmocka_unit_test(marks_ipv6_fragments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
