// SPDX-License-Identifier: BSD-3-Clause
//
// Requests and their answers, byte for byte. Checksums of the answers are computed here from the RFCs'
// definition, by a routine of its own.

#include "dataplane/out/out.h"

#include "tests/unit/dataplane/out/eal.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ETH4 "\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\0"
#define ETH6 "\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x86\xdd"

static uint8_t frame[2048];
static unsigned frame_len;
static struct parse_info info;
static struct rte_mbuf *m;

// Ones'-complement sum over 16-bit words in network order, odd byte padded with zero.
static uint32_t sum_of(const uint8_t *b, unsigned n, uint32_t sum)
{
	for (unsigned i = 0; i < n; i++)
		sum += i % 2 ? b[i] : (uint32_t)b[i] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

// 0xffff: the checksum that stands in the bytes is right.
static uint16_t check4(const uint8_t *ip)
{
	return fold(sum_of(ip, (ip[0] & 15) * 4u, 0));
}

static uint16_t check_l4(const uint8_t *ip, uint8_t proto, bool pseudo)
{
	bool six = ip[0] >> 4 == 6;
	unsigned head = six ? 40 : (ip[0] & 15) * 4u;
	unsigned n = six ? (unsigned)(ip[4] << 8 | ip[5]) : (unsigned)(ip[2] << 8 | ip[3]) - head;
	uint32_t sum = 0;

	if (pseudo)
		sum = sum_of(ip + (six ? 8 : 12), six ? 32 : 8, n + proto);
	return fold(sum_of(ip + head, n, sum));
}

static void put16(uint8_t *b, unsigned v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

static void begin(const char *eth, bool six, uint8_t proto, const uint8_t *l4, unsigned n)
{
	unsigned head = six ? 40 : 20;
	uint8_t *ip = frame + 14;

	memset(frame, 0, sizeof(frame));
	memcpy(frame, eth, 14);
	if (six) {
		ip[0] = 0x60;
		put16(ip + 4, n);
		ip[6] = proto;
		ip[7] = 9;
		memcpy(ip + 8, "\xfd\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\x02", 16);
		memcpy(ip + 24, "\xfd\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\x64", 16);
	} else {
		ip[0] = 0x45;
		put16(ip + 2, head + n);
		put16(ip + 4, 0x1234);
		ip[8] = 9;
		ip[9] = proto;
		memcpy(ip + 12, "\x0a\x0a\0\x02\x0a\x0a\0\x64", 8);
		put16(ip + 10, (uint16_t)~check4(ip));
	}
	memcpy(ip + head, l4, n);
	frame_len = 14 + head + n;
	info = (struct parse_info){.flags = (six ? PARSE_IPV6 : PARSE_IPV4) | PARSE_L4,
				   .l3_off = 14,
				   .l4_off = (uint16_t)(14 + head),
				   .l3_len = (uint16_t)(head + n),
				   .proto = proto,
				   .ttl = ip[six ? 7 : 8]};
}

static void make(void)
{
	m = eal_packet(frame, frame_len, 0);
}

static const uint8_t *out(void)
{
	return rte_pktmbuf_mtod(m, const uint8_t *);
}

static int drop_it(void **state)
{
	rte_pktmbuf_free(m);
	m = NULL;
	return 0;
}

static void echo_is_answered_over_both_families(void **state)
{
	uint8_t l4[60] = {8, 0, 0, 0, 0x12, 0x34, 0, 7}; // odd payload on purpose below
	unsigned n = sizeof(l4) - 1;

	for (unsigned i = 8; i < n; i++)
		l4[i] = (uint8_t)(i * 11);
	begin(ETH4, false, IPPROTO_ICMP, l4, n);
	put16(frame + 36, (uint16_t)~check_l4(frame + 14, 0, false));
	make();
	assert_true(answer_echo(m, &info));
	assert_int_equal(rte_pktmbuf_pkt_len(m), frame_len);
	assert_memory_equal(out(), "\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0", 14);
	assert_int_equal(out()[22], 64);
	assert_memory_equal(out() + 26, "\x0a\x0a\0\x64\x0a\x0a\0\x02", 8);
	assert_int_equal(check4(out() + 14), 0xffff);
	assert_int_equal(out()[34], 0);
	assert_int_equal(check_l4(out() + 14, 0, false), 0xffff);
	assert_memory_equal(out() + 38, frame + 38, frame_len - 38);
	drop_it(NULL);

	l4[0] = 128;
	begin(ETH6, true, IPPROTO_ICMPV6, l4, n);
	put16(frame + 56, (uint16_t)~check_l4(frame + 14, IPPROTO_ICMPV6, true));
	make();
	assert_true(answer_echo(m, &info));
	assert_int_equal(out()[54], 129);
	assert_int_equal(out()[21], 64);
	assert_int_equal(out()[14 + 8 + 15], 0x64);
	assert_int_equal(out()[14 + 24 + 15], 0x02);
	assert_int_equal(check_l4(out() + 14, IPPROTO_ICMPV6, true), 0xffff);
}

static void a_wrong_echo_checksum_stays_wrong(void **state)
{
	uint8_t l4[16] = {8, 0, 0xde, 0xad};

	begin(ETH4, false, IPPROTO_ICMP, l4, sizeof(l4));
	make();
	assert_true(answer_echo(m, &info));
	assert_int_not_equal(check_l4(out() + 14, 0, false), 0xffff);
}

static void tcp(uint8_t flags, bool six, unsigned data)
{
	uint8_t l4[400] = {0x9c, 0x40, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, 6 << 4, flags, 1, 0};

	begin(six ? ETH6 : ETH4, six, IPPROTO_TCP, l4, 24 + data);
	info.tcp_flags = flags;
	make();
}

static void is_reset(bool six, const char *seq, const char *ack, uint8_t flags)
{
	unsigned head = six ? 40 : 20;
	const uint8_t *t = out() + 14 + head;

	assert_int_equal(rte_pktmbuf_pkt_len(m), 14 + head + 20);
	assert_int_equal(rte_pktmbuf_data_len(m), 14 + head + 20);
	assert_memory_equal(t, "\0\x50\x9c\x40", 4);
	assert_memory_equal(t + 4, seq, 4);
	assert_memory_equal(t + 8, ack, 4);
	assert_int_equal(t[12], 5 << 4);
	assert_int_equal(t[13], flags);
	assert_int_equal(check_l4(out() + 14, IPPROTO_TCP, true), 0xffff);
	if (!six) {
		assert_int_equal(check4(out() + 14), 0xffff);
		assert_int_equal(out()[16] << 8 | out()[17], 40);
	} else {
		assert_int_equal(out()[18] << 8 | out()[19], 20);
	}
	drop_it(NULL);
}

// RFC 9293 section 3.10.7.1, both cases.
static void resets_carry_the_numbers_of_the_rfc(void **state)
{
	for (int six = 0; six < 2; six++) {
		tcp(0x02, six, 0); // SYN: acknowledges it
		assert_true(answer_reset(m, &info));
		is_reset(six, "\0\0\0\0", "\1\2\3\5", 0x14);
		tcp(0x10, six, 37); // ACK with data: takes its acknowledgement as sequence
		assert_true(answer_reset(m, &info));
		is_reset(six, "\5\6\7\x08", "\0\0\0\0", 0x04);
		tcp(0x01, six, 300); // FIN without ACK: data and FIN are counted
		assert_true(answer_reset(m, &info));
		is_reset(six, "\0\0\0\0", "\1\2\4\x31", 0x14);
		tcp(0x04, six, 0); // never a reset for a reset
		assert_false(answer_reset(m, &info));
		drop_it(NULL);
	}
}

static void a_data_offset_beyond_the_packet_is_not_answered(void **state)
{
	tcp(0x10, false, 0);
	rte_pktmbuf_mtod(m, uint8_t *)[14 + 20 + 12] = 15 << 4;
	assert_false(answer_reset(m, &info));
	rte_pktmbuf_mtod(m, uint8_t *)[14 + 20 + 12] = 4 << 4;
	assert_false(answer_reset(m, &info));
}

static void unreachables_quote_what_fits(void **state)
{
	uint8_t l4[1400] = {0x9c, 0x40, 0, 53};

	for (unsigned i = 8; i < sizeof(l4); i++)
		l4[i] = (uint8_t)i;
	for (unsigned n = 8; n <= sizeof(l4); n = n * 13 + 8 > sizeof(l4) ? n + 1280 : n * 13 + 8) {
		unsigned quote = 20 + n > 548 ? 548 : 20 + n;
		const uint8_t *ip;

		begin(ETH4, false, IPPROTO_UDP, l4, n);
		make();
		assert_true(answer_unreachable(m, &info));
		ip = out() + 14;
		assert_int_equal(rte_pktmbuf_pkt_len(m), 14 + 28 + quote);
		assert_memory_equal(out(), "\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0", 14);
		assert_int_equal(ip[2] << 8 | ip[3], 28 + quote);
		assert_memory_equal(ip + 12, "\x0a\x0a\0\x64\x0a\x0a\0\x02", 8);
		assert_int_equal(check4(ip), 0xffff);
		assert_int_equal(ip[9], IPPROTO_ICMP);
		assert_memory_equal(ip + 20, "\3\3", 2);
		assert_int_equal(check_l4(ip, 0, false), 0xffff);
		assert_memory_equal(ip + 28, frame + 14, quote);
		drop_it(NULL);

		quote = 40 + n > 1232 ? 1232 : 40 + n;
		begin(ETH6, true, IPPROTO_UDP, l4, n);
		make();
		assert_true(answer_unreachable(m, &info));
		ip = out() + 14;
		assert_int_equal(rte_pktmbuf_pkt_len(m), 14 + 48 + quote);
		assert_memory_equal(ip + 40, "\1\4", 2);
		assert_int_equal(ip[8 + 15], 0x64);
		assert_int_equal(check_l4(ip, IPPROTO_ICMPV6, true), 0xffff);
		assert_memory_equal(ip + 48, frame + 14, quote);
		drop_it(NULL);
	}
}

// What the sender says of lengths is one thing, what lies in the buffer another.
static void nothing_is_read_beyond_the_buffer(void **state)
{
	uint8_t l4[64] = {8};

	for (unsigned cut = 0; cut < 60; cut++) {
		begin(ETH4, false, IPPROTO_ICMP, l4, sizeof(l4));
		frame_len = cut;
		make();
		answer_echo(m, &info);
		drop_it(NULL);
		tcp(0x02, true, 30);
		rte_pktmbuf_trim(m, rte_pktmbuf_data_len(m) - cut);
		assert_true(cut >= 54 + 20 || !answer_reset(m, &info));
		drop_it(NULL);
		begin(ETH4, false, IPPROTO_UDP, l4, sizeof(l4));
		frame_len = cut;
		make();
		if (answer_unreachable(m, &info))
			assert_true(rte_pktmbuf_pkt_len(m) == cut + 28);
		drop_it(NULL);
	}
	make();
}

static void later_segments_are_let_go(void **state)
{
	uint8_t l4[200] = {0x9c, 0x40, 0, 53};
	struct rte_mbuf *tail;

	begin(ETH4, false, IPPROTO_UDP, l4, sizeof(l4));
	info.l3_len = 20 + 300; // the rest is in a second segment
	make();
	tail = eal_packet(l4, 100, 0);
	assert_int_equal(rte_pktmbuf_chain(m, tail), 0);
	assert_true(answer_unreachable(m, &info));
	assert_int_equal(m->nb_segs, 1);
	assert_int_equal(rte_pktmbuf_pkt_len(m), 14 + 28 + 220);
	assert_int_equal(check_l4(out() + 14, 0, false), 0xffff);
	drop_it(NULL);
	tcp(0x10, false, 100);
	info.l3_len += 100;
	assert_int_equal(rte_pktmbuf_chain(m, eal_packet(l4, 100, 0)), 0);
	assert_true(answer_reset(m, &info));
	is_reset(false, "\5\6\7\x08", "\0\0\0\0", 0x04);
	make();
}

static void frames_to_a_group_are_not_answered(void **state)
{
	uint8_t l4[16] = {8};

	begin(ETH4, false, IPPROTO_ICMP, l4, sizeof(l4));
	frame[0] = 1;
	make();
	assert_false(answer_echo(m, &info));
	drop_it(NULL);
	begin(ETH4, false, IPPROTO_UDP, l4, sizeof(l4));
	frame[0] = 0xff;
	make();
	assert_false(answer_unreachable(m, &info));
	drop_it(NULL);
	begin(ETH4, false, IPPROTO_UDP, l4, sizeof(l4));
	info.flags = (info.flags | PARSE_FRAGMENT) & (uint8_t)~PARSE_L4; // a later fragment
	make();
	assert_false(answer_unreachable(m, &info));
}

// RFC 1122 section 3.2.2, RFC 4443 section 2.4 (e): it may be an error itself.
static void nothing_is_unreachable_about_icmp(void **state)
{
	static const uint8_t types[] = {0, 1, 3, 8, 128};
	uint8_t l4[16] = {0};

	for (unsigned i = 0; i < 2 * sizeof(types); i++) {
		bool six = i % 2;

		l4[0] = types[i / 2];
		begin(six ? ETH6 : ETH4, six, six ? IPPROTO_ICMPV6 : IPPROTO_ICMP, l4, sizeof(l4));
		make();
		assert_false(answer_unreachable(m, &info));
		assert_int_equal(rte_pktmbuf_pkt_len(m), frame_len);
		assert_memory_equal(out(), frame, frame_len);
		drop_it(NULL);
	}
	make();
}

// traceroute by echo requests; never about other ICMP.
static void the_hop_limit_of_an_echo_request_may_end(void **state)
{
	static const uint8_t types[] = {0, 1, 3, 8, 11, 128, 129};

	for (unsigned i = 0; i < 2 * sizeof(types); i++) {
		bool six = i % 2;
		uint8_t l4[16] = {types[i / 2]};

		begin(six ? ETH6 : ETH4, six, six ? IPPROTO_ICMPV6 : IPPROTO_ICMP, l4, sizeof(l4));
		info.icmp_type = l4[0];
		make();
		assert_int_equal(answer_time_exceeded(m, &info), l4[0] == (six ? 128 : 8));
		if (l4[0] == (six ? 128 : 8))
			assert_int_equal(out()[14 + (six ? 40 : 20)], six ? 3 : 11);
		drop_it(NULL);
	}
	make();
}

static struct port wire = {.mac = {{2, 0, 0, 0, 0x77, 0x77}}};

static void arp_is_answered_with_the_mac_of_the_port(void **state)
{
	static const uint8_t request[] = "\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x02\x08\x06"
					 "\0\1\x08\0\6\4\0\1\x02\0\0\0\0\x02\x0a\x0a\0\x02"
					 "\0\0\0\0\0\0\x0a\x0a\0\x64"
					 "and padding";
	uint8_t family, addr[16];

	info = (struct parse_info){.flags = PARSE_ARP, .l3_off = 14};
	m = eal_packet(request, sizeof(request) - 1, 0);
	assert_true(answer_neighbour_target(m, &info, &family, addr));
	assert_int_equal(family, 4);
	assert_memory_equal(addr, "\x0a\x0a\0\x64\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_true(answer_neighbour(m, &info, &wire));
	assert_int_equal(rte_pktmbuf_pkt_len(m), 42);
	assert_memory_equal(out(),
			    "\x02\0\0\0\0\x02\x02\0\0\0\x77\x77\x08\x06"
			    "\0\1\x08\0\6\4\0\2\x02\0\0\0\x77\x77\x0a\x0a\0\x64"
			    "\x02\0\0\0\0\x02\x0a\x0a\0\x02",
			    42);
	assert_false(answer_neighbour(m, &info, &wire)); // that is a reply now
	drop_it(NULL);
	m = eal_packet(request, 41, 0); // a byte short
	assert_false(answer_neighbour(m, &info, &wire));
}

static void solicit(const char *source, bool right)
{
	uint8_t l4[32] = {135};

	memcpy(l4 + 8, "\xfd\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\x64", 16);
	memcpy(l4 + 24, "\1\1\x02\0\0\0\0\x02", 8);
	begin(ETH6, true, IPPROTO_ICMPV6, l4, sizeof(l4));
	frame[14 + 7] = 255;
	memcpy(frame + 14 + 8, source, 16);
	memcpy(frame + 14 + 24, "\xff\x02\0\0\0\0\0\0\0\0\0\1\xff\0\0\x64", 16);
	put16(frame + 56, (uint16_t)~check_l4(frame + 14, IPPROTO_ICMPV6, true));
	if (!right)
		frame[56] ^= 1;
	info.icmp_type = 135;
	make();
}

static void neighbour_solicitations_are_answered(void **state)
{
	uint8_t family, addr[16];
	const uint8_t *ip;

	solicit("\xfd\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\x02", true);
	assert_true(answer_neighbour_target(m, &info, &family, addr));
	assert_int_equal(family, 6);
	assert_int_equal(addr[15], 0x64);
	assert_true(answer_neighbour(m, &info, &wire));
	ip = out() + 14;
	assert_int_equal(rte_pktmbuf_pkt_len(m), 14 + 72);
	assert_memory_equal(out(), "\x02\0\0\0\0\x02\x02\0\0\0\x77\x77\x86\xdd", 14);
	assert_int_equal(ip[7], 255);
	assert_int_equal(ip[8 + 15], 0x64);
	assert_int_equal(ip[24 + 15], 0x02);
	assert_int_equal(ip[40], 136);
	assert_int_equal(ip[44], 0x60);
	assert_memory_equal(ip + 40 + 24, "\2\1\x02\0\0\0\x77\x77", 8);
	assert_int_equal(check_l4(ip, IPPROTO_ICMPV6, true), 0xffff);
	drop_it(NULL);

	solicit("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", true); // duplicate address detection
	assert_true(answer_neighbour(m, &info, &wire));
	ip = out() + 14;
	assert_memory_equal(out(), "\x33\x33\0\0\0\1", 6);
	assert_memory_equal(ip + 24, "\xff\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	assert_int_equal(ip[44], 0x20);
	assert_int_equal(check_l4(ip, IPPROTO_ICMPV6, true), 0xffff);
	drop_it(NULL);

	solicit("\xfd\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\x02", false);
	assert_false(answer_neighbour(m, &info, &wire));
	drop_it(NULL);
	solicit("\xfd\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\x02", true);
	rte_pktmbuf_mtod(m, uint8_t *)[14 + 7] = 254; // came through a router
	assert_false(answer_neighbour(m, &info, &wire));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, drop_it)
	const struct CMUnitTest tests[] = {
		TEST(echo_is_answered_over_both_families),
		TEST(a_wrong_echo_checksum_stays_wrong),
		TEST(resets_carry_the_numbers_of_the_rfc),
		TEST(a_data_offset_beyond_the_packet_is_not_answered),
		TEST(unreachables_quote_what_fits),
		TEST(nothing_is_read_beyond_the_buffer),
		TEST(later_segments_are_let_go),
		TEST(frames_to_a_group_are_not_answered),
		TEST(nothing_is_unreachable_about_icmp),
		TEST(the_hop_limit_of_an_echo_request_may_end),
		TEST(arp_is_answered_with_the_mac_of_the_port),
		TEST(neighbour_solicitations_are_answered),
	};

	return cmocka_run_group_tests(tests, eal_setup, eal_teardown);
}
