// SPDX-License-Identifier: BSD-3-Clause
//
// ICMP errors about flows: both ways, both families, quotes of every length; what is not believed. And the path of
// fragments through a worker, and the MSS option at every place.

#include "tests/unit/apps/lb/worker/lb_fake.h"

#include <rte_ip.h>

#include "dataplane/flow/state.h"

static struct fake_packet *out; // what reached a server, as it left

static int start(void **state)
{
	(void)state;
	fake_start(256);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	fake_stop();
	return 0;
}

static struct fake_packet *open_flow(unsigned service)
{
	out = fake_client(service, 1, TCP_SYN);
	fake_burst();
	assert_int_equal(out->fate, FATE_FORWARD);
	return out;
}

static void icmp_sum(uint8_t *ip, unsigned len)
{
	uint8_t *icmp = ip + (ip[0] >> 4 == 4 ? 20 : 40);
	uint16_t sum;

	memset(icmp + 2, 0, 2);
	if (ip[0] >> 4 == 4) {
		sum = (uint16_t)~rte_raw_cksum(icmp, len);
		memcpy(icmp + 2, &sum, 2);
		memset(ip + 10, 0, 2);
		sum = rte_ipv4_cksum((struct rte_ipv4_hdr *)ip);
		memcpy(ip + 10, &sum, 2);
	} else {
		sum = rte_ipv6_udptcp_cksum((struct rte_ipv6_hdr *)ip, icmp);
		memcpy(icmp + 2, &sum, 2);
	}
}

// An error of a router to the sender of `about` (an IP packet), which quotes `quote` bytes of it.
static struct fake_packet *error(const uint8_t *about, unsigned quote, uint8_t type, uint8_t code,
				 uint32_t rest)
{
	bool v4 = about[0] >> 4 == 4;
	unsigned head = v4 ? 20 : 40, len = head + 8 + quote;
	uint8_t f[600] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, v4 ? 0x08 : 0x86, v4 ? 0 : 0xdd};
	uint8_t *ip = f + 14;

	if (v4) {
		ip[0] = 0x45;
		ip[2] = (uint8_t)(len >> 8);
		ip[3] = (uint8_t)len;
		ip[8] = 60;
		ip[9] = IPPROTO_ICMP;
		memcpy(ip + 12, (uint8_t[]){203, 0, 113, 9}, 4);
		memcpy(ip + 16, about + 12, 4);
	} else {
		ip[0] = 0x60;
		ip[4] = (uint8_t)((len - 40) >> 8);
		ip[5] = (uint8_t)(len - 40);
		ip[6] = IPPROTO_ICMPV6;
		ip[7] = 60;
		memcpy(ip + 8, (uint8_t[16]){0x20, 1, 0xd, 0xb8, 9, [15] = 9}, 16);
		memcpy(ip + 24, about + 8, 16);
	}
	ip[head] = type;
	ip[head + 1] = code;
	rest = rte_cpu_to_be_32(rest);
	memcpy(ip + head + 4, &rest, 4);
	memcpy(ip + head + 8, about, quote);
	icmp_sum(ip, 8 + quote);
	return fake_frame(f, 14 + len);
}

static void check_sums(const struct fake_packet *p)
{
	uint8_t copy[600], *ip = copy + 14;
	unsigned head;

	memcpy(copy, fake_bytes(p), p->m.data_len);
	head = ip[0] >> 4 == 4 ? 20 : 40;
	icmp_sum(ip, p->m.data_len - 14 - head);
	assert_memory_equal(copy, fake_bytes(p), p->m.data_len);
}

// The quoted packet is, byte for byte, what the receiver once sent (its hop limit apart).
static void check_inner(const struct fake_packet *e, const uint8_t *sent, unsigned quote)
{
	const uint8_t *ip = fake_bytes(e) + 14, *inner = ip + (ip[0] >> 4 == 4 ? 28 : 48);
	uint8_t want[600];

	memcpy(want, sent, quote);
	if (want[0] >> 4 == 4) { // one hop less, and its checksum
		want[8]--;
		memset(want + 10, 0, 2);
		uint16_t sum = rte_ipv4_cksum((struct rte_ipv4_hdr *)want);
		memcpy(want + 10, &sum, 2);
	} else {
		want[7]--;
	}
	assert_memory_equal(inner, want, quote);
}

static void passes_errors_both_ways(void **state)
{
	static const unsigned services[] = {FAKE_UDP, FAKE_TCP, FAKE_TCP6};

	(void)state;
	for (unsigned s = 0; s < 3; s++) {
		bool v6 = services[s] == FAKE_TCP6;
		unsigned head = v6 ? 40 : 20, l4_whole;
		uint8_t asked[600], answered[600];
		struct fake_packet *reply, *e;

		out = fake_client(services[s], 1, TCP_SYN);
		memcpy(asked, fake_bytes(out) + 14, out->m.data_len - 14);
		l4_whole = out->m.data_len - 14 - head;
		fake_burst();
		reply = fake_reply(out, TCP_SYN | TCP_ACK);
		memcpy(answered, fake_bytes(reply) + 14, reply->m.data_len - 14);
		fake_burst();
		assert_int_equal(reply->fate, FATE_FORWARD);
		for (unsigned l4 = 8; l4 <= l4_whole; l4++) {
			unsigned quote = head + l4;

			if (l4 == 17 && services[s] != FAKE_UDP)
				continue; // cuts the checksum in two: half of it tells nothing
			const struct lb_server *server =
				v6 ? &world.server[FAKE_SERVER6]
				   : &world.server[fake_bytes(out)[14 + 19] - 1];

			// Of the servers' side, about what went to the server: to the client.
			e = error(fake_bytes(out) + 14, quote, v6 ? 1 : 3, 1, 0);
			fake_burst();
			assert_int_equal(e->fate, FATE_FORWARD);
			assert_int_equal(e->nexthop, FAKE_HOP_CLIENT);
			check_inner(e, asked, quote);
			check_sums(e);
			assert_memory_equal(fake_bytes(e) + 14 + (v6 ? 8 : 12),
					    world.service[services[s]].addr, v6 ? 16 : 4);
			assert_memory_equal(fake_bytes(e) + 14 + (v6 ? 24 : 16),
					    asked + (v6 ? 8 : 12), v6 ? 16 : 4);
			assert_int_equal(fake_bytes(e)[14 + (v6 ? 7 : 8)], 59);
			// Of the clients' side, about what went to the client: to the server.
			e = error(fake_bytes(reply) + 14, quote, v6 ? 2 : 3, v6 ? 0 : 4, 30);
			fake_burst();
			assert_int_equal(e->fate, FATE_FORWARD);
			assert_int_equal(e->nexthop, FAKE_HOP_SERVER);
			check_inner(e, answered, quote);
			check_sums(e);
			assert_memory_equal(fake_bytes(e) + 14 + (v6 ? 24 : 16), server->addr,
					    v6 ? 16 : 4);
		}
		for (unsigned quote = 0; quote < head + 8; quote++) {
			e = error(fake_bytes(out) + 14, quote, 3, 1, 0);
			fake_burst();
			ASSERT_DROPPED(e, ICMP_INNER);
		}
	}
	assert_true(world.lw->others.icmp_passed > 50);
}

static void believes_no_error_that_cannot_be(void **state)
{
	struct fake_packet *e;
	uint8_t *about;

	(void)state;
	open_flow(FAKE_UDP);
	about = fake_bytes(out) + 14; // 34 bytes
	e = error(about, 34, 3, 4, 34);
	fake_burst();
	ASSERT_DROPPED(e, ICMP_IMPLAUSIBLE); // it fits: RFC 5927 section 7.2
	e = error(about, 34, 3, 4, 33);
	fake_burst();
	assert_int_equal(e->fate, FATE_FORWARD);
	e = error(about, 34, 5, 1, 0);
	fake_burst();
	ASSERT_DROPPED(e, ICMP_TYPE);
	e = error(about, 34, 4, 0, 0);
	fake_burst();
	ASSERT_DROPPED(e, ICMP_TYPE);
	e = error(about, 34, 3, 1, 0);
	fake_bytes(e)[60] ^= 1;
	fake_burst();
	ASSERT_DROPPED(e, ICMP_CHECKSUM);
	about[23] ^= 1; // destination port
	e = error(about, 34, 3, 1, 0);
	fake_burst();
	ASSERT_DROPPED(e, ICMP_NO_FLOW);
	about[23] ^= 1;
	e = error(about, 34, 3, 1, 0);
	memcpy(fake_bytes(e) + 30, world.local4[1].addr, 4); // not to the sender of what it quotes
	icmp_sum(fake_bytes(e) + 14, 42);
	fake_burst();
	ASSERT_DROPPED(e, ICMP_INNER);
	about[7] = 9;
	e = error(about, 34, 3, 1, 0);
	fake_burst();
	ASSERT_DROPPED(e, ICMP_FRAGMENT);
	about[7] = 0;
	e = error(about, 34, 3, 1, 0);
	fake_bytes(e)[14 + 8] = 1;
	icmp_sum(fake_bytes(e) + 14, 42);
	fake_burst();
	ASSERT_DROPPED(e, IP_TTL);
	out_bucket_init(&world.lw->icmp, 5000, 1000, 1000000, world.w.now_tsc);
	for (unsigned i = 0; i < 1001; i++) {
		e = error(about, 34, 3, 1, 0);
		fake_burst();
	}
	ASSERT_DROPPED(e, ICMP_LIMIT); // time stands still here
}

// RFC 5927 section 4.1: a stranger has to guess the sequence number too.
static void believes_no_error_about_bytes_never_sent(void **state)
{
	static const uint32_t before[] = {0, 1, 1U << 26, (1U << 26) + 1, UINT32_MAX};

	(void)state;
	open_flow(FAKE_TCP);
	for (uint32_t i = 0; i < world.lw->table->max; i++) {
		if ((world.lw->table->flow[i].flags & FLOW_F_VALID) == 0)
			continue;
		world.lw->table->flow[i].state = FLOW_TCP_ESTABLISHED;
		world.lw->table->flow[i].end[FLOW_TO_SERVER] = 1000;
	}
	for (unsigned i = 0; i < 5; i++) {
		rte_be32_t seq = rte_cpu_to_be_32(1000 - before[i]);
		struct fake_packet *e;

		memcpy(fake_bytes(out) + 38, &seq, 4);
		e = error(fake_bytes(out) + 14, 28, 3, 1, 0);
		fake_burst();
		if (i == 1 || i == 2)
			assert_int_equal(e->fate, FATE_FORWARD);
		else
			ASSERT_DROPPED(e, ICMP_IMPLAUSIBLE);
	}
}

static void answers_about_what_is_too_big_in_the_senders_words(void **state)
{
	static const unsigned services[] = {FAKE_UDP, FAKE_TCP, FAKE_TCP6};

	(void)state;
	for (unsigned s = 0; s < 3; s++) {
		bool v6 = services[s] == FAKE_TCP6;
		unsigned head = v6 ? 40 : 20, l3;
		struct parse_info pi;
		uint8_t sent[600];

		open_flow(services[s]);
		out = fake_client(services[s], 1, TCP_ACK);
		l3 = out->m.data_len - 14;
		memcpy(sent, fake_bytes(out) + 14, l3);
		fake_burst();
		parse_frame(fake_bytes(out), out->m.data_len, 0, &pi);
		out->fate = FATE_NONE; // as if out_forward() had not liked it
		lb_too_big(&world.w, &out->m, &pi, 1400);
		world.w.count.forwarded--;
		fake_check_sum();
		assert_int_equal(out->fate, FATE_ANSWER);
		check_sums(out);
		assert_memory_equal(fake_bytes(out) + 14 + head + 8, sent, l3);
		assert_memory_equal(fake_bytes(out) + 14 + (v6 ? 8 : 12),
				    world.service[services[s]].addr, v6 ? 16 : 4);
		assert_int_equal(fake_bytes(out)[14 + head], v6 ? 2 : 3);
		assert_int_equal(
			fake_bytes(out)[14 + head + 6] << 8 | fake_bytes(out)[14 + head + 7], 1400);
	}
}

// Errors about what comes over a link: from the service where it is ours, else from the link end's own address, which
// answers echo requests too.
static void a_link_end_speaks_for_itself_where_no_service_can(void **state)
{
	static const unsigned services[] = {FAKE_NAT, FAKE_NAT6};
	static const uint8_t own4[4] = {10, 9, 9, 9}, own6[16] = {0xfd, 9, [15] = 9};

	(void)state;
	world.port.point_to_point = true;
	world.port.own4 = (struct ctl_addr){.family = 4, .len = 32, .bytes = {10, 9, 9, 9}};
	world.port.own6 = (struct ctl_addr){.family = 6, .len = 128, .bytes = {0xfd, 9, [15] = 9}};
	for (unsigned s = 0; s < 2; s++) {
		bool v6 = services[s] == FAKE_NAT6;
		const uint8_t *own = v6 ? own6 : own4, *service = world.service[services[s]].addr;
		unsigned size = v6 ? 16 : 4, hop = 14 + (v6 ? 7 : 8), src = 14 + (v6 ? 8 : 12);
		struct fake_packet *p, *forwarded = open_flow(services[s]);

		for (unsigned back = 0; back < 2; back++) {
			p = back ? fake_reply(forwarded, TCP_SYN | TCP_ACK)
				 : fake_client(services[s], 1, TCP_SYN);
			fake_bytes(p)[hop] = 1;
			if (!v6)
				fake_checksums(p);
			fake_burst();
			assert_int_equal(p->fate, FATE_ANSWER);
			check_sums(p);
			assert_memory_equal(fake_bytes(p) + src, back ? own : service, size);
		}
		p = error(fake_bytes(forwarded) + 14, 20, v6 ? 128 : 8, 0, 7);
		memcpy(fake_bytes(p) + src + size, own, size);
		icmp_sum(fake_bytes(p) + 14, 28);
		fake_burst();
		assert_int_equal(p->fate, FATE_ANSWER);
		assert_memory_equal(fake_bytes(p) + src, own, size);
		assert_int_equal(fake_bytes(p)[14 + (v6 ? 40 : 20)], v6 ? 129 : 0);
	}
}

static unsigned id_of(const struct fake_packet *p)
{
	return (unsigned)fake_bytes(p)[18] << 8 | fake_bytes(p)[19];
}

// A datagram of client c in two fragments: UDP header and 24 bytes, then 10 more.
static void two_pieces(unsigned c, unsigned id, struct fake_packet *piece[2], bool backward)
{
	struct fake_packet *whole = fake_client(FAKE_UDP, c, 0);
	uint8_t f[200];

	world.in_count--; // a pattern only
	whole->fate = FATE_DROP;
	memcpy(f, fake_bytes(whole), whole->m.data_len);
	for (unsigned i = 0; i < 2; i++) {
		unsigned k = backward ? 1 - i : i, len = k == 0 ? 32 : 10;

		f[17] = (uint8_t)(20 + len);
		f[18] = (uint8_t)(id >> 8);
		f[19] = (uint8_t)id;
		f[20] = k == 0 ? 0x20 : 0;
		f[21] = k == 0 ? 0 : 4;
		f[39] = 42; // the datagram's length
		piece[k] = fake_frame(f, 14 + 20 + len);
		memset(fake_bytes(piece[k]) + 24, 0, 2);
		uint16_t sum = rte_ipv4_cksum((struct rte_ipv4_hdr *)(fake_bytes(piece[k]) + 14));
		memcpy(fake_bytes(piece[k]) + 24, &sum, 2);
	}
}

static void forwards_fragments_with_their_flow(void **state)
{
	struct fake_packet *a[2], *b[2];

	(void)state;
	for (unsigned backward = 0; backward < 2; backward++) {
		two_pieces(1, 77, a, backward);
		two_pieces(2, 77, b, backward); // another client, the same identification
		fake_burst();
		for (unsigned i = 0; i < 2; i++) {
			assert_int_equal(a[i]->fate, FATE_FORWARD);
			assert_int_equal(b[i]->fate, FATE_FORWARD);
			assert_int_equal(rte_raw_cksum(fake_bytes(a[i]) + 14, 20), 0xffff);
			assert_int_equal(fake_bytes(a[i])[22], 63);
		}
		assert_int_equal(id_of(a[0]), id_of(a[1]));
		assert_int_equal(id_of(b[0]), id_of(b[1]));
		assert_int_not_equal(id_of(a[0]), id_of(b[0]));
		assert_memory_equal(fake_bytes(a[0]) + 26, fake_bytes(a[1]) + 26, 8);
		assert_memory_equal(fake_bytes(a[0]) + 30, world.server[0].addr, 4);
		// What stands where ports would is data in a later one.
		assert_memory_equal(fake_bytes(a[1]) + 34, ((uint8_t[]){4, 1, 0, 53}), 4);
	}
	assert_int_equal(lb_worker_flow_count(world.lw), 2);
	assert_int_equal(frag_count(world.lw->frag)->open, 0);
}

static void holds_and_gives_up_a_fragment_without_its_first(void **state)
{
	struct fake_packet *p[2];

	(void)state;
	two_pieces(1, 5, p, false);
	world.in[0] = p[1];
	world.in_count = 1;
	p[0]->fate = FATE_DROP; // lost on its way
	fake_burst();
	assert_int_equal(p[1]->fate, FATE_NONE);
	assert_int_equal(world.w.count.held, 1);
	world.w.now_ticks += 200;
	lb_age_poll(&world.w, world.lw);
	ASSERT_DROPPED(p[1], FRAGMENT_TIMEOUT);
	assert_int_equal(world.w.count.held, 0);
}

// A packet (not yet run) in two fragments: `first` bytes behind the IP header, then the rest.
static void cut(struct fake_packet *whole, unsigned id, unsigned first,
		struct fake_packet *piece[2])
{
	unsigned rest = whole->m.data_len - 34u - first;
	uint8_t f[200];

	world.in_count--; // a pattern only
	whole->fate = FATE_DROP;
	for (unsigned i = 0; i < 2; i++) {
		memcpy(f, fake_bytes(whole), whole->m.data_len);
		if (i == 1)
			memmove(f + 34, f + 34 + first, rest);
		f[17] = (uint8_t)(20 + (i == 0 ? first : rest));
		f[18] = (uint8_t)(id >> 8);
		f[19] = (uint8_t)id;
		f[20] = i == 0 ? 0x20 : 0;
		f[21] = i == 0 ? 0 : (uint8_t)(first / 8);
		memset(f + 24, 0, 2);
		uint16_t sum = rte_ipv4_cksum((struct rte_ipv4_hdr *)(f + 14));
		memcpy(f + 24, &sum, 2);
		piece[i] = fake_frame(f, 34 + (i == 0 ? first : rest));
	}
}

// Both go to the kernel as they came: it can put them together.
static void check_untouched(struct fake_packet *const piece[2], unsigned id)
{
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(piece[i]->fate, FATE_PUNT);
		assert_int_equal(id_of(piece[i]), id);
		assert_int_equal(rte_raw_cksum(fake_bytes(piece[i]) + 14, 20), 0xffff);
	}
}

// From a server of a NAT service to a host beyond: in its own affairs, by TCP as by UDP.
static void leaves_fragments_without_a_flow_to_the_kernel(void **state)
{
	struct fake_packet *p[2];

	(void)state;
	world.snap.nat = true;
	for (unsigned udp = 0; udp < 2; udp++) {
		struct fake_packet *whole = fake_client(udp ? FAKE_NAT_UDP : FAKE_NAT, 3, TCP_ACK);

		memcpy(fake_bytes(whole) + 26, world.server[1].addr, 4);
		memcpy(fake_bytes(whole) + 30, (uint8_t[]){10, 2, 0, 9}, 4);
		fake_checksums(whole);
		cut(whole, 301 + udp, udp ? 8 : 24, p);
		fake_burst();
		check_untouched(p, 301 + udp);
	}
	// To a service a connection that is not known is none in pieces.
	cut(fake_client(FAKE_NAT, 4, TCP_SYN), 303, 24, p);
	fake_burst();
	ASSERT_DROPPED(p[0], FRAGMENT);
	ASSERT_DROPPED(p[1], FRAGMENT);
	assert_int_equal(lb_worker_flow_count(world.lw), 0);
}

static struct fake_packet *datagram_to(unsigned c, uint16_t port)
{
	struct fake_packet *p = fake_client(FAKE_UDP, c, 0);

	fake_bytes(p)[36] = (uint8_t)(port >> 8);
	fake_bytes(p)[37] = (uint8_t)port;
	fake_checksums(p);
	return p;
}

// A service takes any port but those that sockets of the kernel wait for, in pieces or not.
static void leaves_what_the_kernel_waits_for_beside_any_port(void **state)
{
	static const uint16_t first[1] = {0};
	static struct lb_listeners listeners;
	const struct lb_service *any = &world.service[FAKE_UDP];
	struct lb_span span = {.family = 4,
			       .proto = IPPROTO_UDP,
			       .len = 32,
			       .count = 1,
			       .first = first,
			       .service = &any};
	const struct lb_span *hash[2] = {NULL, NULL};
	struct lb_spans spans = {.lengths = {.count = {1}, .len = {{32}}}, .mask = 1, .hash = hash};
	struct lb_snapshot next;
	struct fake_packet *p[2], *whole;
	uint16_t epoch;

	(void)state;
	world.service[FAKE_UDP].port = world.service[FAKE_UDP].port_max = 0;
	memcpy(span.addr, any->addr, 16);
	hash[lb_span_hash(0, IPPROTO_UDP, any->addr, 32) & 1] = &span;
	world.snap.spans = &spans;

	whole = datagram_to(1, 500); // nobody waits yet
	cut(datagram_to(2, 500), 400, 8, p);
	fake_burst();
	assert_int_equal(whole->fate, FATE_FORWARD);
	assert_int_equal(p[0]->fate, FATE_FORWARD);
	assert_int_equal(p[1]->fate, FATE_FORWARD);
	epoch = world.lw->epoch;

	listeners.any[1][0][500 / 64] = UINT64_C(1) << 500 % 64;
	next = world.snap; // the same serial
	next.listeners = &listeners;
	world.publish.current = &next;
	whole = datagram_to(3, 500);
	cut(datagram_to(4, 500), 401, 8, p);
	fake_burst();
	assert_int_equal(whole->fate, FATE_PUNT);
	check_untouched(p, 401);
	whole = datagram_to(5, 501);
	fake_burst();
	assert_int_equal(whole->fate, FATE_FORWARD);
	whole = datagram_to(1, 500); // a flow that there was goes on, and is not looked at again
	fake_burst();
	assert_int_equal(whole->fate, FATE_FORWARD);
	assert_int_equal(world.lw->epoch, epoch);
	world.publish.current = &world.snap;
}

// Every place and neighbourhood of the option; an odd place moves its bytes across words.
static void lowers_the_segment_size_wherever_it_stands(void **state)
{
	(void)state;
	for (unsigned nops = 0; nops < 6; nops++) {
		struct parse_info pi = {.l3_off = 14, .l4_off = 34, .l3_len = 20 + 32};
		uint8_t tcp[32] = {[12] = 0x80, [13] = TCP_SYN}, want[32];
		uint16_t sum;

		memset(tcp + 20, 1, nops);
		tcp[20 + nops] = 2;
		tcp[21 + nops] = 4;
		tcp[22 + nops] = 0x05;
		tcp[23 + nops] = 0xb4;
		sum = (uint16_t)~rte_raw_cksum(tcp, sizeof(tcp));
		memcpy(tcp + 16, &sum, 2);
		memcpy(want, tcp, sizeof(tcp));
		assert_false(lb_mss_clamp(tcp, &pi, 1460));
		assert_memory_equal(tcp, want, sizeof(tcp));
		assert_true(lb_mss_clamp(tcp, &pi, 1459));
		assert_int_equal(tcp[23 + nops], 0xb3);
		assert_true(lb_mss_clamp(tcp, &pi, 600));
		assert_int_equal(rte_raw_cksum(tcp, sizeof(tcp)), 0xffff);
		tcp[21 + nops] = 5; // wrong length
		assert_false(lb_mss_clamp(tcp, &pi, 500));
		tcp[21 + nops] = 0;
		assert_false(lb_mss_clamp(tcp, &pi, 500));
		pi.l3_len--; // header longer than the packet
		tcp[21 + nops] = 4;
		assert_false(lb_mss_clamp(tcp, &pi, 500));
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(passes_errors_both_ways),
		T(believes_no_error_that_cannot_be),
		T(believes_no_error_about_bytes_never_sent),
		T(answers_about_what_is_too_big_in_the_senders_words),
		T(a_link_end_speaks_for_itself_where_no_service_can),
		T(forwards_fragments_with_their_flow),
		T(holds_and_gives_up_a_fragment_without_its_first),
		T(leaves_fragments_without_a_flow_to_the_kernel),
		T(leaves_what_the_kernel_waits_for_beside_any_port),
		T(lowers_the_segment_size_wherever_it_stands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
