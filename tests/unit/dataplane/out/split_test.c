// SPDX-License-Identifier: BSD-3-Clause
//
// What split_packet() cuts is put together again by the offsets alone, as a receiver does, and has to be the
// packet that there was.

#include "dataplane/out/out.h"

#include "dataplane/out/out_priv.h"
#include "tests/unit/dataplane/out/eal.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_ip.h>

#include <cmocka.h>

#define DF 0x4000
#define MF 0x2000
#define ID 0x1234

static struct parse_info pi;
static uint8_t origin[2048]; // the packet as it was, from its IP header on

// An IPv4 packet of `data` bytes behind a header of hlen; field: flags and offset. l3: 14, or 18 with a tag.
static struct rte_mbuf *packet(unsigned l3, unsigned hlen, unsigned data, uint16_t field,
			       const uint8_t *options)
{
	uint8_t b[2048] = {1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2};
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(b + l3);
	struct rte_mbuf *m;

	if (l3 == 18)
		memcpy(b + 12, (uint8_t[]){0x81, 0, 0, 100}, 4);
	b[l3 - 2] = 8;
	ip->version_ihl = (uint8_t)(0x40 | hlen / 4);
	ip->type_of_service = 0xb8;
	ip->total_length = rte_cpu_to_be_16((uint16_t)(hlen + data));
	ip->packet_id = RTE_BE16(0x7777);
	ip->fragment_offset = rte_cpu_to_be_16(field);
	ip->time_to_live = 61;
	ip->next_proto_id = IPPROTO_UDP;
	ip->src_addr = RTE_BE32(0x0a000001);
	ip->dst_addr = RTE_BE32(0x0a000002);
	if (options != NULL)
		memcpy(b + l3 + 20, options, hlen - 20);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	for (unsigned i = 0; i < data; i++)
		b[l3 + hlen + i] = (uint8_t)(i * 7 + i / 251);
	memcpy(origin, b + l3, hlen + data);
	pi = (struct parse_info){.flags = PARSE_IPV4,
				 .l3_off = (uint8_t)l3,
				 .l3_len = (uint16_t)(hlen + data),
				 .proto = IPPROTO_UDP};
	m = eal_packet(b, l3 + hlen + data, 1);
	m->vlan_tci = 100;
	return m;
}

static struct rte_ipv4_hdr *head_of(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, pi.l3_off);
}

// Cut, check every piece, put them together. Returns: pieces.
static unsigned cut(struct rte_mbuf *m, uint16_t mtu, uint16_t id)
{
	const struct rte_ipv4_hdr *was = (const void *)origin;
	uint16_t field = rte_be_to_cpu_16(was->fragment_offset), begin = field & 0x1fff;
	unsigned whole = rte_be_to_cpu_16(was->total_length), hlen = (was->version_ihl & 15) * 4u;
	struct rte_mbuf *piece[SPLIT_MAX + 1] = {m};
	uint8_t got[2048] = {0};
	unsigned n, at = 0;

	assert_int_equal(split_packet(m, &pi, mtu, ID, piece + 1, &n), DROP_NONE);
	for (unsigned i = 0; i <= n; i++) {
		struct rte_ipv4_hdr *ip = head_of(piece[i]);
		unsigned len = rte_be_to_cpu_16(ip->total_length);
		uint16_t f = rte_be_to_cpu_16(ip->fragment_offset);

		assert_true(len <= mtu);
		assert_int_equal(rte_pktmbuf_pkt_len(piece[i]), pi.l3_off + len);
		assert_int_equal(rte_pktmbuf_data_len(piece[i]), pi.l3_off + len);
		assert_memory_equal(rte_pktmbuf_mtod(piece[i], uint8_t *),
				    rte_pktmbuf_mtod(m, uint8_t *), pi.l3_off);
		assert_int_equal(rte_ipv4_cksum(ip), 0);
		assert_int_equal(rte_be_to_cpu_16(ip->packet_id), id);
		assert_int_equal(ip->type_of_service, was->type_of_service);
		assert_int_equal(ip->time_to_live, was->time_to_live);
		assert_int_equal(ip->next_proto_id, was->next_proto_id);
		assert_int_equal(ip->src_addr, was->src_addr);
		assert_int_equal(ip->dst_addr, was->dst_addr);
		assert_int_equal(piece[i]->port, 1);
		assert_int_equal(piece[i]->vlan_tci, 100);
		assert_int_equal(f & DF, 0);
		assert_int_equal((f & MF) != 0, i < n || (field & MF) != 0);
		assert_int_equal(((f & 0x1fff) - begin) * 8, at); // in order, without a hole
		assert_true(i == n || (len - hlen) % 8 == 0);
		memcpy(got + at, (uint8_t *)ip + hlen, len - hlen);
		at += len - hlen;
	}
	assert_int_equal(at, whole - hlen);
	assert_memory_equal(got, origin + hlen, at);
	for (unsigned i = 1; i <= n; i++)
		rte_pktmbuf_free(piece[i]);
	return n + 1;
}

static void every_size_and_mtu_comes_together_again(void **state)
{
	for (unsigned data = 9; data < 1500; data += data < 200 ? 1 : 37) {
		for (uint16_t mtu = 68; mtu < 20 + data; mtu += mtu < 100 ? 1 : 97) {
			struct rte_mbuf *m = packet(14, 20, data, 0, NULL);
			unsigned step = (mtu - 20u) & ~7u;

			assert_int_equal(cut(m, mtu, ID), (data + step - 1) / step);
			rte_pktmbuf_free(m);
		}
	}
}

static void a_tag_stays_before_every_piece(void **state)
{
	struct rte_mbuf *m = packet(18, 20, 1400, 0, NULL);

	assert_int_equal(cut(m, 576, ID), 3);
	rte_pktmbuf_free(m);
}

// The identification is the datagram's, its own place in it the base of the pieces' ones.
static void a_fragment_is_cut_again(void **state)
{
	struct rte_mbuf *m = packet(14, 20, 1200, MF | 100, NULL);

	assert_int_equal(cut(m, 576, 0x7777), 3);
	rte_pktmbuf_free(m);
	m = packet(14, 20, 1201, 100, NULL); // the last one
	assert_int_equal(cut(m, 576, 0x7777), 3);
	rte_pktmbuf_free(m);
	m = packet(14, 20, 1200, MF, NULL); // the first one
	assert_int_equal(cut(m, 576, 0x7777), 3);
	rte_pktmbuf_free(m);
}

// Record route (7) is in the first piece alone, router alert (0x94) is copied into all.
static void options_without_the_copied_bit_are_in_the_first_piece_alone(void **state)
{
	static const uint8_t options[12] = {7, 7, 4, 9, 9, 9, 9, 0x94, 4, 0, 0, 0};
	static const uint8_t later_ones[12] = {1, 1, 1, 1, 1, 1, 1, 0x94, 4, 0, 0, 0};
	struct rte_mbuf *m = packet(14, 32, 600, 0, options), *later[SPLIT_MAX];
	unsigned n;

	assert_int_equal(split_packet(m, &pi, 300, ID, later, &n), DROP_NONE);
	assert_int_equal(n, 2);
	assert_memory_equal(head_of(m) + 1, options, 12);
	for (unsigned i = 0; i < n; i++) {
		assert_memory_equal(head_of(later[i]) + 1, later_ones, 12);
		rte_pktmbuf_free(later[i]);
	}
	rte_pktmbuf_free(m);
	m = packet(14, 32, 600, 0, options);
	assert_int_equal(cut(m, 300, ID), 3);
	rte_pktmbuf_free(m);
}

static void refused(struct rte_mbuf *m, uint16_t mtu, enum drop_reason why)
{
	struct rte_mbuf *later[SPLIT_MAX];
	unsigned n = 99, len = rte_pktmbuf_pkt_len(m);

	assert_int_equal(split_packet(m, &pi, mtu, ID, later, &n), why);
	assert_int_equal(rte_pktmbuf_pkt_len(m), len);
	assert_int_equal(rte_pktmbuf_data_len(m), len);
	assert_memory_equal(head_of(m), origin, (head_of(m)->version_ihl & 15) * 4u);
	rte_pktmbuf_free(m);
}

static void what_cannot_be_cut_stays_as_it_is(void **state)
{
	struct rte_mbuf *m;

	refused(packet(14, 20, 1000, DF, NULL), 576, DROP_MTU);
	refused(packet(14, 20, 500, 0, NULL), 576, DROP_MTU); // it fits
	refused(packet(14, 20, 1000, 0, NULL), 27, DROP_MTU); // less than 8 bytes a piece
	refused(packet(14, 20, 1200, 0, NULL), 28, DROP_MTU); // 150 pieces
	refused(packet(14, 20, (SPLIT_MAX + 1) * 8 + 1, 0, NULL), 28, DROP_MTU); // one too many
	m = packet(14, 20, (SPLIT_MAX + 1) * 8, 0, NULL);
	assert_int_equal(cut(m, 28, ID), SPLIT_MAX + 1);
	rte_pktmbuf_free(m);
	m = packet(14, 20, 1000, 0, NULL);
	pi.l3_len += 8; // says more than there is
	refused(m, 576, DROP_MTU);
}

static void without_buffers_nothing_is_cut_or_lost(void **state)
{
	struct rte_mbuf *m = packet(14, 20, 1400, 0, NULL), *all[2048];
	unsigned before = rte_mempool_in_use_count(eal_pool), n = 0;

	while ((all[n] = rte_pktmbuf_alloc(eal_pool)) != NULL)
		n++;
	rte_pktmbuf_free(all[--n]); // one is left, two are needed
	refused(m, 576, DROP_NO_MBUF);
	rte_pktmbuf_free_bulk(all, n);
	assert_int_equal(rte_mempool_in_use_count(eal_pool), before - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size_and_mtu_comes_together_again),
		cmocka_unit_test(a_tag_stays_before_every_piece),
		cmocka_unit_test(a_fragment_is_cut_again),
		cmocka_unit_test(options_without_the_copied_bit_are_in_the_first_piece_alone),
		cmocka_unit_test(what_cannot_be_cut_stays_as_it_is),
		cmocka_unit_test(without_buffers_nothing_is_cut_or_lost),
	};

	return cmocka_run_group_tests(tests, eal_setup, eal_teardown);
}
