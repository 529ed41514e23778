// SPDX-License-Identifier: BSD-3-Clause
//
// Each reason of parse_frame to drop a frame by its Ethernet, IP, TCP, UDP and ICMP headers, each limit at both
// sides, and what it says of good ones.

#include "tests/unit/dataplane/parse/parse_frames.h"

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
		cmocka_unit_test(drops_malformed_tcp),
		cmocka_unit_test(drops_impossible_tcp_flags),
		cmocka_unit_test(reads_udp_and_drops_wrong_lengths),
		cmocka_unit_test(wants_a_checksum_of_udp_over_ipv6),
		cmocka_unit_test(reads_icmp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
