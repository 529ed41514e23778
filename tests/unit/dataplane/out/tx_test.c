// SPDX-License-Identifier: BSD-3-Clause
//
// What leaves, in which bytes, and how it is counted. Ports are faked: 0 and 1 are wires, 1 with VLAN
// 100 whose view is TAP 2; 3 has a TAP as its whole shadow: 4. The view is made by hand.

#include "dataplane/out/out.h"

#include "dataplane/out/neigh.h"
#include "dataplane/out/out_priv.h"
#include "tests/unit/dataplane/out/eal.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define HZ 1000000u

enum { PLAIN = 1, TAGGED = 2, PENDING = 3, GLEAN = 4, SMALL = 5, LATER = 6, NEXTHOPS = 8 };

struct port *__wrap_port_get(uint16_t index);
struct port *__wrap_port_by_ifindex(int ifindex);
uint16_t __wrap_port_tx(const struct port *p, unsigned worker, struct rte_mbuf **pkts, uint16_t n);

static struct port ports[5];
static struct rte_mbuf *sent[5][256];
static unsigned sent_count[5], room[5]; // room: what the port still takes
static unsigned calls;
static struct worker w;
static struct out_worker *ow;
static struct out_rare *rare;
static struct out_view *view;
static uint16_t host_hash[16];

struct port *__wrap_port_get(uint16_t index)
{
	return index < 5 ? &ports[index] : NULL;
}

struct port *__wrap_port_by_ifindex(int ifindex)
{
	return NULL;
}

uint16_t __wrap_port_tx(const struct port *p, unsigned worker, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t i;

	calls++;
	for (i = 0; i < n && room[p->index] != 0; i++, room[p->index]--)
		sent[p->index][sent_count[p->index]++] = pkts[i];
	return i;
}

static void set_hop(struct out_view *v, uint16_t i, uint8_t kind, uint8_t state, uint16_t port,
		    uint16_t vlan, uint16_t mtu)
{
	struct nexthop *nh = &v->nexthop[i];

	memset(nh, 0, sizeof(*nh));
	memset(&nh->dmac, 0xd0 + i, 6);
	memset(&nh->smac, 0x50 + i, 6);
	nh->kind = kind;
	nh->state = state;
	nh->port = port;
	nh->vlan = vlan;
	nh->mtu = mtu;
	nh->family = kind == NEXTHOP_HOST ? 4 : 0;
	nh->addr[0] = kind == NEXTHOP_HOST ? 10 : 0;
	nh->addr[3] = kind == NEXTHOP_HOST ? (uint8_t)i : 0;
}

static struct out_view *view_make(uint16_t serial)
{
	struct out_view *v = aligned_alloc(64, sizeof(*v) + NEXTHOPS * sizeof(struct nexthop));

	memset(v, 0, sizeof(*v) + NEXTHOPS * sizeof(struct nexthop));
	v->serial = serial;
	v->generation = 1;
	v->count = NEXTHOPS;
	v->host = host_hash;
	v->host_mask = 15;
	set_hop(v, PLAIN, NEXTHOP_HOST, NEXTHOP_RESOLVED, 0, 0, 1500);
	set_hop(v, TAGGED, NEXTHOP_HOST, NEXTHOP_RESOLVED, 1, 100, 1500);
	set_hop(v, PENDING, NEXTHOP_HOST, NEXTHOP_PENDING, 0, 0, 1500);
	set_hop(v, GLEAN, NEXTHOP_GLEAN, NEXTHOP_PENDING, 0, 0, 1500);
	set_hop(v, SMALL, NEXTHOP_HOST, NEXTHOP_RESOLVED, 0, 0, 60);
	return v;
}

static void use_view(struct out_view *v)
{
	free(view);
	view = v;
	atomic_store(&out_view_published.current, v);
}

static int setup(void **state)
{
	memset(ports, 0, sizeof(ports));
	memset(sent_count, 0, sizeof(sent_count));
	memset(host_hash, 0, sizeof(host_hash));
	memset(&w, 0, sizeof(w));
	for (uint16_t i = 0; i < 5; i++) {
		ports[i].index = i;
		ports[i].parent = PORT_NONE;
		ports[i].shadow = PORT_NONE;
		room[i] = 256;
	}
	ports[0].view = ports[1].view = PORT_VIEW_XDP;
	ports[1].vlan_count = 1;
	ports[1].vlan[0] = (struct port_vlan){.vid = 100, .shadow = 2};
	ports[2].parent = 1;
	ports[2].parent_vlan = 100;
	ports[3].view = PORT_VIEW_SHADOW;
	ports[3].shadow = 4;
	ports[4].parent = 3;
	ow = aligned_alloc(64, (sizeof(*ow) + 63) & ~(size_t)63);
	memset(ow, 0, sizeof(*ow));
	rare = calloc(1, sizeof(*rare));
	ow->rare = rare;
	hold_init(&rare->hold);
	rare->hold_ticks = HZ;
	for (unsigned i = 0; i < PUNT_COUNT; i++)
		out_bucket_init(&rare->punt[i], 100, 20, HZ, 0);
	out_bucket_init(&rare->answer, 100, 5, HZ, 0);
	frag_ids_init(&rare->ids, 0, 1, 1);
	out_workers[0] = ow;
	use_view(view_make(1));
	return 0;
}

static int teardown(void **state)
{
	for (unsigned p = 0; p < 5; p++)
		for (unsigned i = 0; i < sent_count[p]; i++)
			rte_pktmbuf_free(sent[p][i]);
	out_workers[0] = NULL;
	free(rare);
	free(ow);
	use_view(NULL);
	return 0;
}

// An IPv4 packet of 40 bytes to 10.0.0.to, with or without a tag.
static struct rte_mbuf *packet(uint8_t to, bool tag, struct parse_info *pi)
{
	uint8_t b[64] = {1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2};
	unsigned l3 = tag ? 18 : 14;

	if (tag)
		memcpy(b + 12, (uint8_t[]){0x81, 0, 0, 100, 8, 0}, 6);
	else
		b[12] = 8;
	b[l3] = 0x45;
	b[l3 + 3] = 40;
	b[l3 + 8] = 64;
	b[l3 + 9] = IPPROTO_UDP;
	b[l3 + 16] = 10;
	b[l3 + 19] = to;
	for (unsigned i = 20; i < 40; i++)
		b[l3 + i] = (uint8_t)(i * 7);
	*pi = (struct parse_info){.flags = PARSE_IPV4 | PARSE_L4 | (tag ? PARSE_VLAN : 0),
				  .l3_off = (uint8_t)l3,
				  .l4_off = (uint16_t)(l3 + 20),
				  .l3_len = 40,
				  .vlan = tag ? 100 : 0,
				  .proto = IPPROTO_UDP};
	w.count.received++;
	return eal_packet(b, l3 + 40, tag ? 1 : 0);
}

static uint64_t dropped(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < DROP_COUNT; i++)
		n += w.count.dropped[i];
	return n;
}

static void sum_holds(void)
{
	assert_int_equal(w.count.received, w.count.forwarded + w.count.answered +
						   w.count.to_kernel + w.count.held + dropped());
}

static void leaves_as(unsigned port, unsigned n, uint16_t hop, uint16_t vlan)
{
	struct rte_mbuf *m = sent[port][n];
	const uint8_t *b = rte_pktmbuf_mtod(m, const uint8_t *);
	unsigned l3 = vlan ? 18 : 14;

	assert_true(n < sent_count[port]);
	assert_int_equal(rte_pktmbuf_pkt_len(m), l3 + 40);
	assert_int_equal(rte_pktmbuf_data_len(m), l3 + 40);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(b[i], 0xd0 + hop);
		assert_int_equal(b[6 + i], 0x50 + hop);
	}
	if (vlan) {
		assert_int_equal(b[12], 0x81);
		assert_int_equal(b[13], 0);
		assert_int_equal(b[14] << 8 | b[15], vlan);
	}
	assert_int_equal(b[l3 - 2], 8);
	assert_int_equal(b[l3 - 1], 0);
	assert_int_equal(b[l3], 0x45);
	for (unsigned i = 20; i < 40; i++)
		assert_int_equal(b[l3 + i], (uint8_t)(i * 7));
}

static void each_way_in_and_out_gets_its_own_header(void **state)
{
	struct parse_info pi;
	struct rte_mbuf *m = packet(9, false, &pi);

	out_forward(&w, m, &pi, PLAIN);
	m = packet(9, true, &pi);
	out_forward(&w, m, &pi, PLAIN);
	m = packet(9, false, &pi);
	out_forward(&w, m, &pi, TAGGED);
	m = packet(9, true, &pi);
	out_forward(&w, m, &pi, TAGGED);
	assert_int_equal(w.count.forwarded, 0); // not before it is gone
	out_flush(&w);
	assert_int_equal(sent_count[0], 2);
	assert_int_equal(sent_count[1], 2);
	leaves_as(0, 0, PLAIN, 0);
	leaves_as(0, 1, PLAIN, 0);
	leaves_as(1, 0, TAGGED, 100);
	leaves_as(1, 1, TAGGED, 100);
	assert_int_equal(w.count.forwarded, 4);
	assert_true(ow->used[PLAIN] && ow->used[TAGGED] && !ow->used[SMALL]);
	sum_holds();
}

static void a_full_buffer_goes_out_by_itself(void **state)
{
	struct parse_info pi;

	for (unsigned i = 0; i < OUT_TX_BURST; i++) {
		struct rte_mbuf *m = packet(9, false, &pi);

		out_forward(&w, m, &pi, PLAIN);
	}
	assert_int_equal(calls != 0 && sent_count[0] == OUT_TX_BURST, 1);
	assert_int_equal(w.count.forwarded, OUT_TX_BURST);
	assert_int_equal(ow->dirty, 0);
}

static void what_the_port_refuses_is_dropped_not_forwarded(void **state)
{
	struct parse_info pi;

	room[0] = 3;
	for (unsigned i = 0; i < 10; i++) {
		struct rte_mbuf *m = packet(9, false, &pi);

		if (i == 9)
			out_answer(&w, m);
		else
			out_forward(&w, m, &pi, PLAIN);
	}
	out_flush(&w);
	assert_int_equal(w.count.forwarded, 3);
	assert_int_equal(w.count.answered, 0);
	assert_int_equal(w.count.dropped[DROP_TX_FULL], 7);
	sum_holds();
}

// Where an answer stood in a buffer that has gone, a packet of the next one is forwarded all the same.
static void a_place_in_the_buffer_forgets_its_class(void **state)
{
	struct parse_info pi;

	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 2; i++) {
			struct rte_mbuf *m = packet(9, false, &pi);

			if (i == round)
				out_answer(&w, m);
			else
				out_forward(&w, m, &pi, PLAIN);
		}
		out_flush(&w);
	}
	assert_int_equal(w.count.forwarded, 2);
	assert_int_equal(w.count.answered, 2);
	sum_holds();
}

static void no_next_hop_is_no_route_and_too_large_is_mtu(void **state)
{
	struct parse_info pi;
	struct rte_mbuf *m = packet(9, false, &pi);

	out_forward(&w, m, &pi, 0);
	m = packet(9, false, &pi);
	out_forward(&w, m, &pi, NEXTHOPS - 1); // in range, not in use
	m = packet(9, false, &pi);
	out_forward(&w, m, &pi, 60000);
	assert_int_equal(w.count.dropped[DROP_NO_ROUTE], 3);
	m = packet(9, false, &pi);
	pi.l3_len = 61;
	out_forward(&w, m, &pi, SMALL);
	assert_int_equal(w.count.dropped[DROP_MTU], 1);
	m = packet(9, false, &pi);
	out_forward(&w, m, &pi, SMALL);
	out_flush(&w);
	assert_int_equal(w.count.forwarded, 1);
	sum_holds();
}

static void waits_for_the_neighbour_and_goes_when_it_is_there(void **state)
{
	struct hold_request r;
	struct out_view *v;
	struct parse_info pi;
	struct rte_mbuf *m;

	for (unsigned i = 0; i < 3; i++) {
		m = packet(9, false, &pi);
		out_forward(&w, m, &pi, PENDING);
	}
	assert_int_equal(w.count.held, 3);
	sum_holds();
	assert_true(hold_take_request(&rare->hold, &r)); // asked once
	assert_int_equal(r.nexthop, PENDING);
	assert_false(hold_take_request(&rare->hold, &r));
	assert_int_equal(out_poll(&w, NULL), 0);
	v = view_make(2);
	v->nexthop[PENDING].state = NEXTHOP_RESOLVED;
	use_view(v);
	assert_int_equal(out_poll(&w, NULL), 3);
	assert_int_equal(w.count.held, 0);
	assert_int_equal(w.count.forwarded, 3);
	for (unsigned i = 0; i < 3; i++)
		leaves_as(0, i, PENDING, 0);
	sum_holds();
}

static void a_glean_asks_for_the_destination_and_finds_it(void **state)
{
	uint8_t addr[16] = {10, 0, 0, LATER};
	struct hold_request r;
	struct parse_info pi;
	struct rte_mbuf *m = packet(LATER, true, &pi);
	struct out_view *v;

	out_forward(&w, m, &pi, GLEAN);
	m = packet(77, false, &pi);
	out_forward(&w, m, &pi, GLEAN);
	assert_true(hold_take_request(&rare->hold, &r));
	assert_int_equal(r.nexthop, GLEAN);
	assert_int_equal(r.family, 4);
	assert_memory_equal(r.addr, addr, 16);
	assert_true(hold_take_request(&rare->hold, &r));
	assert_int_equal(r.addr[3], 77);
	v = view_make(2);
	set_hop(v, LATER, NEXTHOP_HOST, NEXTHOP_RESOLVED, 0, 0, 1500);
	host_hash[neigh_hash(0, 0, addr) & 15] = LATER;
	use_view(v);
	assert_int_equal(out_poll(&w, NULL), 1);
	leaves_as(0, 0, LATER, 0);
	assert_int_equal(w.count.held, 1); // 10.0.0.77 still waits
	sum_holds();
	w.now_tsc = HZ;
	assert_int_equal(out_poll(&w, NULL), 1);
}

static void gives_up_after_a_second_and_at_the_bound(void **state)
{
	struct parse_info pi;
	struct rte_mbuf *m;

	for (unsigned i = 0; i < HOLD_PER_NEXTHOP + 4; i++) {
		m = packet(9, false, &pi);
		out_forward(&w, m, &pi, PENDING);
	}
	assert_int_equal(w.count.dropped[DROP_HOLD_FULL], 4);
	assert_int_equal(w.count.held, HOLD_PER_NEXTHOP);
	sum_holds();
	w.now_tsc = HZ - 1;
	assert_int_equal(out_poll(&w, NULL), 0);
	w.now_tsc = HZ;
	assert_int_equal(out_poll(&w, NULL), HOLD_PER_NEXTHOP);
	assert_int_equal(w.count.dropped[DROP_NO_NEIGHBOUR], HOLD_PER_NEXTHOP);
	assert_int_equal(w.count.held, 0);
	sum_holds();
}

static void what_we_made_ourselves_stands_outside_the_sum(void **state)
{
	struct parse_info pi;
	struct rte_mbuf *m = packet(9, false, &pi);

	w.count.received = 0;
	out_made(&w, m, PLAIN);
	m = packet(9, false, &pi);
	out_made(&w, m, 0);
	m = packet(9, false, &pi);
	out_made(&w, m, PENDING);
	w.count.received = 0;
	assert_int_equal(w.count.held, 0);
	w.now_tsc = HZ;
	out_poll(&w, NULL);
	out_flush(&w);
	leaves_as(0, 0, PLAIN, 0);
	assert_int_equal(w.count.made, 1);
	assert_int_equal(w.count.made_lost, 2);
	sum_holds();
}

static void the_kernel_sees_its_vlan_untagged(void **state)
{
	struct parse_info pi;
	struct rte_mbuf *m = packet(9, true, &pi);
	const uint8_t *b;

	out_punt(&w, m, &pi);
	out_flush(&w);
	assert_int_equal(sent_count[2], 1);
	assert_int_equal(w.count.to_kernel, 1);
	b = rte_pktmbuf_mtod(sent[2][0], const uint8_t *);
	assert_int_equal(rte_pktmbuf_pkt_len(sent[2][0]), 54);
	assert_memory_equal(b, "\1\1\1\1\1\1\2\2\2\2\2\2\x08\0\x45", 15);

	m = eal_packet(b, 54, 2); // and what it says gets the tag
	w.count.received++;
	out_from_kernel(&w, m, &ports[2]);
	out_flush(&w);
	b = rte_pktmbuf_mtod(sent[1][0], const uint8_t *);
	assert_int_equal(rte_pktmbuf_pkt_len(sent[1][0]), 58);
	assert_memory_equal(b, "\1\1\1\1\1\1\2\2\2\2\2\2\x81\0\0\x64\x08\0\x45", 19);
	assert_int_equal(w.count.forwarded, 1);
	sum_holds();
}

static void a_port_without_view_drops_with_the_right_reason(void **state)
{
	struct parse_info pi;
	struct rte_mbuf *m = packet(9, false, &pi);

	out_punt(&w, m, &pi);
	assert_int_equal(w.count.dropped[DROP_NO_SERVICE], 1);
	m = packet(9, false, &pi);
	pi.flags = PARSE_OTHER;
	out_punt(&w, m, &pi);
	assert_int_equal(w.count.dropped[DROP_ETHER_TYPE], 1);
	m = packet(9, true, &pi);
	pi.vlan = 101;
	out_punt(&w, m, &pi);
	assert_int_equal(w.count.dropped[DROP_VLAN_UNKNOWN], 1);
	m = packet(9, false, &pi);
	m->port = 3; // has a shadow
	out_punt(&w, m, &pi);
	room[4] = 1;
	out_flush(&w);
	assert_int_equal(w.count.to_kernel, 1);
	m = packet(9, false, &pi);
	m->port = 3;
	out_punt(&w, m, &pi);
	out_flush(&w);
	assert_int_equal(w.count.dropped[DROP_PUNT_FAILED], 1);
	sum_holds();
}

static void each_class_has_its_own_share_of_the_kernel(void **state)
{
	struct parse_info pi;
	struct rte_mbuf *m;

	for (unsigned i = 0; i < 50; i++) {
		m = packet(9, true, &pi);
		out_punt(&w, m, &pi);
	}
	assert_int_equal(w.count.dropped[DROP_PUNT_LIMIT], 30);
	m = packet(9, true, &pi);
	pi.flags = PARSE_ARP;
	out_punt(&w, m, &pi);
	out_flush(&w);
	assert_int_equal(w.count.to_kernel, 21);
	pi = (struct parse_info){.proto = IPPROTO_ICMPV6, .icmp_type = 135};
	assert_int_equal(out_punt_class(&pi), PUNT_NEIGHBOUR);
	pi.icmp_type = 128;
	assert_int_equal(out_punt_class(&pi), PUNT_ICMP);
	pi = (struct parse_info){.proto = 112};
	assert_int_equal(out_punt_class(&pi), PUNT_NEIGHBOUR);
	pi = (struct parse_info){.proto = IPPROTO_TCP, .dport = RTE_BE16(179)};
	assert_int_equal(out_punt_class(&pi), PUNT_ROUTING);
	pi.dport = RTE_BE16(22);
	assert_int_equal(out_punt_class(&pi), PUNT_REST);
	sum_holds();
}

static void an_answer_goes_back_with_the_tag_the_nic_took(void **state)
{
	struct parse_info pi;
	struct rte_mbuf *m = packet(9, false, &pi);

	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->vlan_tci = 0x2064;
	m->port = 1;
	out_answer(&w, m);
	out_flush(&w);
	assert_int_equal(w.count.answered, 1);
	assert_memory_equal(rte_pktmbuf_mtod(sent[1][0], uint8_t *),
			    "\1\1\1\1\1\1\2\2\2\2\2\2\x81\0\0\x64\x08\0", 18);
	for (unsigned i = 0; i < 5; i++)
		assert_true(answer_allowed(&w));
	assert_false(answer_allowed(&w));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(each_way_in_and_out_gets_its_own_header),
		TEST(a_full_buffer_goes_out_by_itself),
		TEST(a_place_in_the_buffer_forgets_its_class),
		TEST(what_the_port_refuses_is_dropped_not_forwarded),
		TEST(no_next_hop_is_no_route_and_too_large_is_mtu),
		TEST(waits_for_the_neighbour_and_goes_when_it_is_there),
		TEST(a_glean_asks_for_the_destination_and_finds_it),
		TEST(gives_up_after_a_second_and_at_the_bound),
		TEST(what_we_made_ourselves_stands_outside_the_sum),
		TEST(the_kernel_sees_its_vlan_untagged),
		TEST(a_port_without_view_drops_with_the_right_reason),
		TEST(each_class_has_its_own_share_of_the_kernel),
		TEST(an_answer_goes_back_with_the_tag_the_nic_took),
	};

	return cmocka_run_group_tests(tests, eal_setup, eal_teardown);
}
