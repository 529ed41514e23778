// SPDX-License-Identifier: BSD-3-Clause
//
// Rewritten headers against checksums computed anew, over random packets and both directions.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/out/rewrite.h"

#define ROUNDS 20000

static uint64_t seed = 1;

static uint32_t random_next(void)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 32);
}

static void random_fill(void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = (uint8_t)random_next();
}

static uint32_t sum_bytes(const uint8_t *p, unsigned len, uint32_t sum)
{
	for (unsigned i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

// The checksum as a sender computes it (RFC 9293 section 3.1, RFC 768, RFC 8200 section 8.1).
static void set_l4_checksum(const uint8_t *addrs, unsigned addrs_len, uint8_t *l4, unsigned len,
			    uint8_t proto)
{
	uint8_t *at = l4 + (proto == 6 ? 16 : 6);
	uint16_t sum;

	put16(at, 0);
	sum = fold(sum_bytes(l4, len, sum_bytes(addrs, addrs_len, proto + len)));
	put16(at, sum == 0 && proto == 17 ? 0xffff : sum);
}

static void set_ip_checksum(uint8_t *ip)
{
	put16(ip + 10, 0);
	put16(ip + 10, fold(sum_bytes(ip, 20, 0)));
}

static struct flow random_flow(uint8_t proto)
{
	struct flow f;

	random_fill(&f, sizeof(f));
	f.proto = proto;
	f.flags = 0;
	if (random_next() % 8 == 0) { // the same on both sides: no difference at all
		f.local = f.client;
		f.server_addr = f.service_addr;
		f.local_port = f.client_port;
		f.server_port = f.service_port;
	}
	rewrite_prepare(&f, NULL);
	return f;
}

static void rewrites_ipv4_as_if_computed_anew(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint8_t proto = round % 2 ? 6 : 17;
		unsigned len = 20 + random_next() % 40;
		struct flow f = random_flow(proto);
		enum flow_dir dir = random_next() % 2 ? FLOW_TO_SERVER : FLOW_TO_CLIENT;
		uint8_t p[80], want[80], *ip = p, *l4 = p + 20;
		rte_be32_t from[2] = {f.client, f.service_addr};
		rte_be32_t to[2] = {f.local, f.server_addr};
		rte_be16_t from_port[2] = {f.client_port, f.service_port};
		rte_be16_t to_port[2] = {f.local_port, f.server_port};

		if (dir == FLOW_TO_CLIENT) {
			memcpy(from, (rte_be32_t[]){f.server_addr, f.local}, 8);
			memcpy(to, (rte_be32_t[]){f.service_addr, f.client}, 8);
			memcpy(from_port, (rte_be16_t[]){f.server_port, f.local_port}, 4);
			memcpy(to_port, (rte_be16_t[]){f.service_port, f.client_port}, 4);
		}
		random_fill(p, sizeof(p));
		ip[0] = 0x45;
		ip[8] = (uint8_t)(2 + random_next() % 254);
		ip[9] = proto;
		memcpy(ip + 12, from, 8);
		memcpy(l4, from_port, 4);
		set_ip_checksum(ip);
		set_l4_checksum(ip + 12, 8, l4, len, proto);

		memcpy(want, p, sizeof(want));
		want[8]--;
		memcpy(want + 12, to, 8);
		memcpy(want + 20, to_port, 4);
		set_ip_checksum(want);
		set_l4_checksum(want + 12, 8, want + 20, len, proto);

		rewrite_ipv4(ip, l4, &f, dir, proto);
		assert_memory_equal(p, want, sizeof(p));
	}
}

static void rewrites_ipv6_as_if_computed_anew(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint8_t proto = round % 2 ? 6 : 17;
		unsigned len = 20 + random_next() % 40;
		enum flow_dir dir = random_next() % 2 ? FLOW_TO_SERVER : FLOW_TO_CLIENT;
		struct flow f = random_flow(proto);
		struct flow_key6 k;
		uint8_t p[100], want[100], *ip = p, *l4 = p + 40;

		random_fill(&k, sizeof(k));
		rewrite_prepare(&f, &k);
		random_fill(p, sizeof(p));
		ip[0] = 0x60;
		ip[7] = (uint8_t)(2 + random_next() % 254);
		memcpy(want, p, sizeof(want));
		want[7]--;
		if (dir == FLOW_TO_SERVER) {
			memcpy(ip + 8, k.client, 16);
			memcpy(ip + 24, k.service_addr, 16);
			memcpy(l4, (rte_be16_t[]){f.client_port, f.service_port}, 4);
			memcpy(want + 8, k.local, 16);
			memcpy(want + 24, k.server_addr, 16);
			memcpy(want + 40, (rte_be16_t[]){f.local_port, f.server_port}, 4);
		} else {
			memcpy(ip + 8, k.server_addr, 16);
			memcpy(ip + 24, k.local, 16);
			memcpy(l4, (rte_be16_t[]){f.server_port, f.local_port}, 4);
			memcpy(want + 8, k.service_addr, 16);
			memcpy(want + 24, k.client, 16);
			memcpy(want + 40, (rte_be16_t[]){f.service_port, f.client_port}, 4);
		}
		set_l4_checksum(ip + 8, 32, l4, len, proto);
		set_l4_checksum(want + 8, 32, want + 40, len, proto);
		rewrite_ipv6(ip, l4, &f, &k, dir);
		assert_memory_equal(p, want, sizeof(p));
	}
}

static void leaves_udp_without_checksum_without(void **state)
{
	struct flow f = random_flow(17);
	uint8_t p[40] = {0x45, [8] = 64, [9] = 17};

	(void)state;
	rewrite_ipv4(p, p + 20, &f, FLOW_TO_SERVER, 17);
	assert_int_equal(p[26], 0);
	assert_int_equal(p[27], 0);
}

// Every sum and every difference: never 0, which would say "none" (RFC 768).
static void never_makes_a_udp_checksum_zero(void **state)
{
	unsigned zeroes = 0;

	(void)state;
	for (uint32_t sum = 1; sum <= 0xffff; sum++) {
		uint8_t l4[8] = {0};
		uint16_t delta = (uint16_t)~sum, after, in = (uint16_t)sum;

		memcpy(l4 + 6, &in, 2);
		rewrite_l4_sum(l4, 17, (uint16_t)~delta); // ~sum + sum = 0xffff: the result is 0
		memcpy(&after, l4 + 6, 2);
		assert_int_not_equal(after, 0);
		zeroes += after == 0xffff;
	}
	assert_int_equal(zeroes, 0xffff);
}

// A packet whose checksum was wrong is still wrong afterwards.
static void keeps_damage_detectable(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 1000; round++) {
		struct flow f = random_flow(6);
		uint8_t p[60] = {0x45, [8] = 64, [9] = 6}, good[60];

		memcpy(p + 12, &f.client, 8);
		memcpy(p + 20, &f.client_port, 4);
		random_fill(p + 24, 20);
		set_ip_checksum(p);
		set_l4_checksum(p + 12, 8, p + 20, 40, 6);
		p[45] ^= (uint8_t)(1 + random_next() % 255);
		rewrite_ipv4(p, p + 20, &f, FLOW_TO_SERVER, 17);
		memcpy(good, p, sizeof(p));
		set_l4_checksum(good + 12, 8, good + 20, 40, 6);
		assert_memory_not_equal(p + 36, good + 36, 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rewrites_ipv4_as_if_computed_anew),
		cmocka_unit_test(rewrites_ipv6_as_if_computed_anew),
		cmocka_unit_test(leaves_udp_without_checksum_without),
		cmocka_unit_test(never_makes_a_udp_checksum_zero),
		cmocka_unit_test(keeps_damage_detectable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
