// SPDX-License-Identifier: BSD-3-Clause
//
// Headers behind headers: IPv4 options, IPv6 extension headers, fragments, and what an ICMP error quotes.

#include "tests/unit/dataplane/parse/parse_frames.h"

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
		cmocka_unit_test(walks_ipv4_options),
		cmocka_unit_test(marks_ipv4_fragments),
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
