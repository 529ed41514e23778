// SPDX-License-Identifier: BSD-3-Clause
//
// The owner of a packet: that all packets of a flow come to one worker, against a plain model of each rule.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <string.h>

#include <rte_thash.h>

#include "dataplane/flow/steer.h"

static void gives_everything_to_one_worker(void **state)
{
	struct flow_steer s;

	(void)state;
	flow_steer_init(&s, 1);
	for (unsigned i = 0; i < 70000; i += 7) {
		struct flow_steer_packet p = {.side = i % 3, .addr = i * 977, .port = (uint16_t)i};

		assert_int_equal(flow_steer_owner(&s, &p), 0);
		assert_true(flow_steer_port_mine(&s, (uint16_t)i, 0));
	}
}

static void spreads_clients_evenly(void **state)
{
	(void)state;
	for (uint16_t workers = 2; workers <= 16; workers++) {
		unsigned count[16] = {0}, n = 64000;
		struct flow_steer s;

		flow_steer_init(&s, workers);
		for (unsigned i = 0; i < n; i++) {
			struct flow_steer_packet p = {.side = FLOW_STEER_CLIENT,
						      .addr = 0x0a000000 + i / 64,
						      .port = (uint16_t)(i % 64)};
			unsigned owner = flow_steer_owner(&s, &p);

			assert_true(owner < workers);
			count[owner]++;
		}
		for (uint16_t w = 0; w < workers; w++)
			assert_in_range(count[w], n / workers * 9 / 10, n / workers * 11 / 10);
	}
}

// What makes FULLNAT work without any knowledge of RSS: a worker's own ports name it.
static void finds_the_worker_of_a_local_port(void **state)
{
	(void)state;
	for (uint16_t workers = 1; workers <= 16; workers++) {
		struct flow_steer s;

		flow_steer_init(&s, workers);
		for (uint32_t port = 0; port < 65536; port++) {
			struct flow_steer_packet p = {.side = FLOW_STEER_SERVER,
						      .port = rte_cpu_to_be_16((uint16_t)port)};
			unsigned owner = flow_steer_owner(&s, &p);

			assert_true(owner < workers);
			for (uint16_t w = 0; w < workers; w++)
				assert_int_equal(flow_steer_port_mine(&s, (uint16_t)port, w),
						 w == owner);
			p.addr = port; // the address decides nothing
			assert_int_equal(flow_steer_owner(&s, &p), owner);
		}
	}
}

static void folds_all_of_an_ipv6_address(void **state)
{
	uint8_t addr[16] = {0x20, 1};
	uint64_t first = flow_steer_fold6(addr);

	(void)state;
	for (unsigned i = 0; i < 16; i++) {
		addr[i] ^= 0x40;
		assert_true(flow_steer_fold6(addr) != first);
		addr[i] ^= 0x40;
	}
}

// ---- random flows against a model ---------------------------------------------------------------

static uint64_t seed = 1;

static uint32_t dice(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((seed >> 33) % n);
}

struct node { // what a box is like
	struct flow_steer s;
	uint8_t key[FLOW_RSS_KEY], queue[FLOW_RSS_SLOTS];
	unsigned slots;
	struct flow_rss *rss;
};

struct tuple { // as in a packet
	uint8_t family, src[16], dst[16];
	rte_be16_t sport, dport;
};

static void random_node(struct node *n, bool known)
{
	uint16_t workers = (uint16_t)(1 + dice(16));

	memset(n, 0, sizeof(*n));
	flow_steer_init(&n->s, workers);
	if (!known)
		return;
	n->slots = 64u << dice(4);
	for (unsigned i = 0; i < FLOW_RSS_KEY; i++)
		n->key[i] = (uint8_t)dice(256);
	for (unsigned i = 0; i < n->slots; i++) // any order, but each has one
		n->queue[i] = (uint8_t)(i < workers ? i : dice(workers));
	assert_int_equal(flow_rss_create(n->key, n->queue, n->slots, workers, &n->rss), 0);
	n->s.rss = n->rss;
}

static void random_end(uint8_t family, uint8_t *addr, rte_be16_t *port)
{
	memset(addr, 0, 16);
	for (unsigned i = 0; i < (family == 4 ? 4 : 16); i++)
		addr[i] = (uint8_t)dice(256);
	*port = rte_cpu_to_be_16((uint16_t)(1 + dice(65535)));
}

static struct tuple turned(const struct tuple *t)
{
	struct tuple r = {.family = t->family, .sport = t->dport, .dport = t->sport};

	memcpy(r.src, t->dst, 16);
	memcpy(r.dst, t->src, 16);
	return r;
}

// The rules once more, as steer.h's head has them, by means of their own.
static unsigned by_client(const struct node *n, uint8_t family, const uint8_t *addr,
			  rte_be16_t port)
{
	uint64_t a = 0, b = 0, v;

	memcpy(&a, addr, family == 4 ? 4 : 8);
	memcpy(&b, addr + 8, 8);
	v = family == 4 ? a : a * UINT64_C(0x9e3779b97f4a7c15) + b;
	v = (v ^ ((uint64_t)port << 48)) * UINT64_C(0xff51afd7ed558ccd);
	v = (v ^ (v >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
	return (unsigned)((v >> 32) * n->s.workers >> 32);
}

static unsigned by_queue(const struct node *n, const struct tuple *t)
{
	unsigned words = t->family == 4 ? 1 : 4;
	uint32_t word[9], be;

	for (unsigned i = 0; i < words; i++) {
		memcpy(&be, t->src + 4 * i, 4);
		word[i] = rte_be_to_cpu_32(be);
		memcpy(&be, t->dst + 4 * i, 4);
		word[words + i] = rte_be_to_cpu_32(be);
	}
	word[2 * words] = (uint32_t)rte_be_to_cpu_16(t->sport) << 16 | rte_be_to_cpu_16(t->dport);
	return n->queue[rte_softrss(word, 2 * words + 1, n->key) % n->slots];
}

static unsigned model(const struct node *n, enum flow_steer_side side, const struct tuple *t,
		      bool answer)
{
	if (n->s.workers == 1)
		return 0;
	if (side == FLOW_STEER_SERVER)
		return n->rss != NULL ? by_queue(n, t)
				      : rte_be_to_cpu_16(t->dport) % 256u % n->s.workers;
	if (side == FLOW_STEER_TUPLE && n->rss != NULL)
		return by_queue(n, t);
	return by_client(n, t->family, answer ? t->dst : t->src, answer ? t->dport : t->sport);
}

// As the stages fill it in. answer: of a NAT server, to the client.
static unsigned owner(const struct node *n, enum flow_steer_side side, const struct tuple *t,
		      bool answer)
{
	struct flow_steer_packet p = {
		.side = side, .family = t->family, .src = t->src, .dst = t->dst};
	unsigned got;

	if (side == FLOW_STEER_SERVER) {
		p.port = t->dport;
		p.peer_port = t->sport;
	} else {
		p.addr = flow_steer_fold(t->family, answer ? t->dst : t->src);
		p.port = answer ? t->dport : t->sport;
		p.peer_port = answer ? t->sport : t->dport;
	}
	got = flow_steer_owner(&n->s, &p);
	assert_int_equal(got, model(n, side, t, answer));
	assert_true(got < n->s.workers);
	return got;
}

// The local port that worker w chooses (lb_local.c), so that the answer comes to it. 0: it has none
static uint16_t choose(const struct node *n, const struct tuple *reply, unsigned w, uint16_t min,
		       uint16_t max)
{
	uint32_t rest;

	if (n->rss != NULL) {
		rest = flow_rss_hash(n->rss, reply->family, reply->src, reply->dst, reply->sport,
				     0);
		return flow_rss_port(n->rss, reply->family, rest, w, min, max, dice(1000));
	}
	for (uint32_t port = min; port <= max; port++)
		if (flow_steer_port_mine(&n->s, (uint16_t)port, w))
			return (uint16_t)port;
	return 0;
}

// FULLNAT: request, answer, and errors about either (their inner tuple turned round).
static void fullnat(const struct node *n, const struct tuple *request)
{
	struct tuple reply = {.family = request->family}, inner, again;
	unsigned w = owner(n, FLOW_STEER_TUPLE, request, false);
	uint16_t port;

	random_end(reply.family, reply.src, &reply.sport); // server
	random_end(reply.family, reply.dst, &reply.dport); // local address
	port = choose(n, &reply, w, 1024, 65535);
	assert_int_not_equal(port, 0);
	reply.dport = rte_cpu_to_be_16(port);
	assert_int_equal(owner(n, FLOW_STEER_SERVER, &reply, false), w);
	// Inside an error from the servers' side is what we sent there; from the clients' side our answer.
	inner = turned(&reply);
	again = turned(&inner);
	assert_int_equal(owner(n, FLOW_STEER_SERVER, &again, false), w);
	inner = turned(request);
	again = turned(&inner);
	assert_int_equal(owner(n, FLOW_STEER_TUPLE, &again, false), w);
}

// NAT: the server's packets are to the client's own address and port, whatever server and port answer.
static void nat(const struct node *n, const struct tuple *request)
{
	struct tuple reply = turned(request), inner, again;
	unsigned w = owner(n, FLOW_STEER_CLIENT, request, false);

	random_end(reply.family, reply.src, &reply.sport);
	assert_int_equal(owner(n, FLOW_STEER_CLIENT, &reply, true), w);
	inner = turned(&reply);
	again = turned(&inner);
	assert_int_equal(owner(n, FLOW_STEER_CLIENT, &again, true), w);
}

static void fragments(const struct node *n, const struct tuple *t)
{
	uint32_t id = dice(1u << 31);
	unsigned w = flow_steer_fragment(&n->s, t->family, t->src, t->dst, id);
	uint8_t copy[2][16]; // pieces are other buffers

	memcpy(copy[0], t->src, 16);
	memcpy(copy[1], t->dst, 16);
	assert_true(w < n->s.workers);
	assert_int_equal(flow_steer_fragment(&n->s, t->family, copy[0], copy[1], id), w);
	if (t->family == 4) { // the bytes behind an IPv4 address are another field's
		memset(copy[0] + 4, 0xff, 12);
		memset(copy[1] + 4, 0xff, 12);
		assert_int_equal(flow_steer_fragment(&n->s, 4, copy[0], copy[1], id), w);
	}
}

static void brings_all_packets_of_a_flow_to_one_worker(void **state)
{
	struct node n;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		seed = round + 1;
		random_node(&n, round % 2 != 0);
		for (unsigned i = 0; i < 200; i++) {
			struct tuple t = {.family = dice(2) ? 4 : 6};

			random_end(t.family, t.src, &t.sport);
			random_end(t.family, t.dst, &t.dport);
			fullnat(&n, &t);
			nat(&n, &t);
			fragments(&n, &t);
		}
		flow_rss_destroy(n.rss);
	}
}

static void spreads_datagrams_in_pieces(void **state)
{
	unsigned count[8] = {0};
	struct flow_steer s;
	struct tuple t = {.family = 4};

	(void)state;
	seed = 1;
	flow_steer_init(&s, 8);
	random_end(4, t.src, &t.sport);
	random_end(4, t.dst, &t.dport);
	for (uint32_t id = 0; id < 65536; id++) // between two hosts, by identification
		count[flow_steer_fragment(&s, 4, t.src, t.dst, rte_cpu_to_be_16((uint16_t)id))]++;
	for (unsigned w = 0; w < 8; w++)
		assert_in_range(count[w], 8192 * 9 / 10, 8192 * 11 / 10);
}

// Is a range of local ports wide enough? Against trying each port, server and local address.
static void says_whether_every_worker_has_a_port(void **state)
{
	unsigned yes = 0, asked = 0;
	struct node n;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		bool known = round % 2 != 0, want = true;
		uint16_t min, max;

		seed = round + 1;
		random_node(&n, known);
		min = (uint16_t)(1 + dice(2000));
		max = (uint16_t)(min + dice(known ? 120 : 12));
		if (!known) {
			for (unsigned w = 0; w < n.s.workers; w++) {
				bool has = false;

				for (uint32_t port = min; port <= max; port++)
					has |= port % 256 % n.s.workers == w;
				want &= has;
			}
			assert_int_equal(flow_steer_serves(&n.s, min, max), want);
		} else {
			want = flow_rss_serves(n.rss, 4, min, max);
			// Random tuples find what is wanting, or nothing.
			for (unsigned i = 0; i < 400; i++) {
				struct tuple t = {.family = 4};
				bool has = true;

				random_end(4, t.src, &t.sport);
				random_end(4, t.dst, &t.dport);
				for (unsigned w = 0; w < n.s.workers; w++)
					has &= choose(&n, &t, w, min, max) != 0;
				if (want)
					assert_true(has);
				else if (!has)
					break;
			}
		}
		yes += want;
		asked++;
		flow_rss_destroy(n.rss);
	}
	assert_in_range(yes, asked / 5, asked * 4 / 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_everything_to_one_worker),
		cmocka_unit_test(spreads_clients_evenly),
		cmocka_unit_test(finds_the_worker_of_a_local_port),
		cmocka_unit_test(folds_all_of_an_ipv6_address),
		cmocka_unit_test(brings_all_packets_of_a_flow_to_one_worker),
		cmocka_unit_test(spreads_datagrams_in_pieces),
		cmocka_unit_test(says_whether_every_worker_has_a_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
