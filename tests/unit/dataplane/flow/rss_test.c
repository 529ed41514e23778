// SPDX-License-Identifier: BSD-3-Clause
//
// The Toeplitz hash by tables against DPDK's own, and the choice of local ports.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include <rte_byteorder.h>
#include <rte_thash.h>

#include "dataplane/flow/rss.h"

static const uint8_t usual_key[FLOW_RSS_KEY] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

static struct flow_rss *make(const uint8_t *key, unsigned slots, uint16_t workers)
{
	uint8_t worker[FLOW_RSS_SLOTS];
	struct flow_rss *r = NULL;

	for (unsigned i = 0; i < slots; i++)
		worker[i] = (uint8_t)(i % workers);
	assert_int_equal(flow_rss_create(key, worker, slots, workers, &r), 0);
	return r;
}

// As DPDK's software RSS, which takes its words in host order.
static uint32_t reference(const uint8_t *key, unsigned family, const uint8_t *src,
			  const uint8_t *dst, rte_be16_t sport, rte_be16_t dport)
{
	unsigned n = family == 4 ? 1 : 4;
	uint32_t word[9], be;

	for (unsigned i = 0; i < n; i++) {
		memcpy(&be, src + 4 * i, 4);
		word[i] = rte_be_to_cpu_32(be);
		memcpy(&be, dst + 4 * i, 4);
		word[n + i] = rte_be_to_cpu_32(be);
	}
	word[2 * n] = (uint32_t)rte_be_to_cpu_16(sport) << 16 | rte_be_to_cpu_16(dport);
	return rte_softrss(word, 2 * n + 1, key);
}

static void random_bytes(uint8_t *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		p[i] = (uint8_t)(rand() >> 7);
}

// The example of the verification suite: 66.9.149.187:2794 to 161.142.100.80:1766 is 51ccc178.
static void hashes_the_published_example(void **state)
{
	static const uint8_t src[4] = {66, 9, 149, 187}, dst[4] = {161, 142, 100, 80};
	struct flow_rss *r = make(usual_key, 128, 2);

	(void)state;
	assert_int_equal(
		flow_rss_hash(r, 4, src, dst, rte_cpu_to_be_16(2794), rte_cpu_to_be_16(1766)),
		0x51ccc178);
	flow_rss_destroy(r);
}

static void hashes_as_a_nic_does(void **state)
{
	uint8_t key[FLOW_RSS_KEY], src[16], dst[16], ports[4];
	struct flow_rss *r;

	(void)state;
	for (unsigned k = 0; k < 8; k++) {
		random_bytes(key, sizeof(key));
		r = make(key, 512, 4);
		for (unsigned i = 0; i < 2000; i++) {
			unsigned family = i % 2 ? 4 : 6;
			rte_be16_t sport, dport;

			random_bytes(src, 16);
			random_bytes(dst, 16);
			random_bytes(ports, 4);
			memcpy(&sport, ports, 2);
			memcpy(&dport, ports + 2, 2);
			assert_int_equal(flow_rss_hash(r, (uint8_t)family, src, dst, sport, dport),
					 reference(key, family, src, dst, sport, dport));
		}
		flow_rss_destroy(r);
	}
}

// The whole point: whatever server and local address, the answer to a chosen port lands on the worker.
static void chooses_ports_whose_answers_come_back(void **state)
{
	uint8_t key[FLOW_RSS_KEY], server[16], local[16];

	(void)state;
	for (unsigned round = 0; round < 40; round++) {
		static const unsigned sizes[] = {64, 128, 256, 512};
		uint16_t workers = (uint16_t)(1 + round % 16);
		uint8_t family = round % 2 ? 4 : 6;
		rte_be16_t sport = rte_cpu_to_be_16((uint16_t)rand());
		uint16_t min = round % 3 ? 1024 : 1, max = round % 5 ? 65535 : 9999;
		struct flow_rss *r;
		uint32_t rest;

		random_bytes(key, sizeof(key));
		r = make(round % 4 ? key : usual_key, sizes[round % 4], workers);
		for (unsigned i = 0; i < 64; i++) {
			unsigned w = i % workers;
			uint16_t port;

			random_bytes(server, 16);
			random_bytes(local, 16);
			rest = flow_rss_hash(r, family, server, local, sport, 0);
			port = flow_rss_port(r, family, rest, w, min, max, (uint32_t)rand());
			if (port == 0)
				continue; // a key without a port there: checked below for the usual one
			assert_in_range(port, min, max);
			assert_int_equal(flow_rss_worker(r, reference(round % 4 ? key : usual_key,
								      family, server, local, sport,
								      rte_cpu_to_be_16(port))),
					 w);
		}
		flow_rss_destroy(r);
	}
}

// Every port of the range belongs to one worker, and each comes up before any comes twice, but for the
// last round of buckets that hold one fewer.
static void goes_through_all_ports(void **state)
{
	static const uint8_t server[16] = {10, 20, 0, 11}, local[16] = {10, 20, 0, 200};
	static unsigned seen[65536];
	const unsigned workers = 4, ports = 65536 - 1024;
	struct flow_rss *r = make(usual_key, 128, workers);
	unsigned all = 0, early = 0;

	(void)state;
	memset(seen, 0, sizeof(seen));
	for (unsigned w = 0; w < workers; w++) {
		uint32_t rest = flow_rss_hash(r, 4, server, local, rte_cpu_to_be_16(80), 0);

		for (uint32_t turn = 0; turn < ports / workers + 64; turn++) {
			uint16_t port = flow_rss_port(r, 4, rest, w, 1024, 65535, turn);

			assert_in_range(port, 1024, 65535);
			early += seen[port]++ != 0 && turn < ports / workers - 64;
		}
	}
	for (unsigned port = 1024; port < 65536; port++)
		all += seen[port] != 0;
	assert_int_equal(all, ports);
	assert_int_equal(early, 0);
	flow_rss_destroy(r);
}

static void finds_none_where_there_is_none(void **state)
{
	struct flow_rss *r = make(usual_key, 512, 2);
	unsigned none = 0;

	(void)state;
	// One port alone belongs to one of the two workers.
	for (unsigned w = 0; w < 2; w++)
		none += flow_rss_port(r, 4, 0, w, 80, 80, 7) == 0;
	assert_int_equal(none, 1);
	flow_rss_destroy(r);
}

static void refuses_tables_that_leave_a_worker_out(void **state)
{
	uint8_t worker[FLOW_RSS_SLOTS] = {0};
	struct flow_rss *r = NULL;

	(void)state;
	assert_int_equal(flow_rss_create(usual_key, worker, 128, 2, &r), -EINVAL);
	assert_int_equal(flow_rss_create(usual_key, worker, 100, 1, &r), -EINVAL);
	assert_int_equal(flow_rss_create(usual_key, worker, 1024, 1, &r), -EINVAL);
	worker[3] = 2;
	assert_int_equal(flow_rss_create(usual_key, worker, 128, 2, &r), -EINVAL);
	assert_null(r);
	flow_rss_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_the_published_example),
		cmocka_unit_test(hashes_as_a_nic_does),
		cmocka_unit_test(chooses_ports_whose_answers_come_back),
		cmocka_unit_test(goes_through_all_ports),
		cmocka_unit_test(finds_none_where_there_is_none),
		cmocka_unit_test(refuses_tables_that_leave_a_worker_out),
	};

	srand(4);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
