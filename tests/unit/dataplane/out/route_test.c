// SPDX-License-Identifier: BSD-3-Clause
//
// The range tables against a list that is searched from end to end.

#include "dataplane/out/route.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PREFIXES 3000
#define PROBES   20000

static uint64_t state = 88172645463325252u;

static uint64_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static route_addr6 rnd6(void)
{
	uint64_t hi = rnd();

	return (route_addr6)hi << 64 | rnd();
}

static uint32_t mask4(uint8_t len)
{
	return len == 0 ? 0 : ~UINT32_C(0) << (32 - len);
}

static route_addr6 mask6(uint8_t len)
{
	return len == 0 ? 0 : ~(route_addr6)0 << (128 - len);
}

static int order4(const void *a, const void *b)
{
	const struct route_prefix4 *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return (int)x->len - y->len;
}

static int order6(const void *a, const void *b)
{
	const struct route_prefix6 *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return (int)x->len - y->len;
}

static uint16_t linear4(const struct route_prefix4 *p, unsigned n, uint32_t addr)
{
	uint16_t leaf = 0;
	int best = -1;

	for (unsigned i = 0; i < n; i++)
		if ((addr & mask4(p[i].len)) == p[i].addr && p[i].len > best) {
			best = p[i].len;
			leaf = p[i].leaf;
		}
	return leaf;
}

static uint16_t linear6(const struct route_prefix6 *p, unsigned n, route_addr6 addr)
{
	uint16_t leaf = 0;
	int best = -1;

	for (unsigned i = 0; i < n; i++)
		if ((addr & mask6(p[i].len)) == p[i].addr && p[i].len > best) {
			best = p[i].len;
			leaf = p[i].leaf;
		}
	return leaf;
}

static void finds_what_a_linear_search_finds_in_ipv4(void **ctx)
{
	struct route_prefix4 *p = calloc(PREFIXES, sizeof(*p));
	struct route_table *t;
	unsigned n = 0;

	for (unsigned i = 0; i < PREFIXES; i++) {
		p[i].len = (uint8_t)(rnd() % 33);
		// half of them close together, so that they nest
		p[i].addr =
			(uint32_t)(i % 2 ? rnd() : 0x0a000000 | (rnd() & 0xffff)) & mask4(p[i].len);
		p[i].leaf = (uint16_t)(rnd() % 5); // 0 too: a hole that a route cuts
	}
	p[0] = (struct route_prefix4){UINT32_MAX, 7, 32};
	p[1] = (struct route_prefix4){0, 8, 32};
	p[2] = (struct route_prefix4){0x80000000, 9, 1};
	qsort(p, PREFIXES, sizeof(*p), order4);
	for (unsigned i = 0; i < PREFIXES; i++)
		if (n == 0 || order4(&p[n - 1], &p[i]) != 0)
			p[n++] = p[i];
	assert_int_equal(route_table_create(p, n, NULL, 0, &t), 0);
	for (unsigned i = 0; i < PROBES; i++) {
		uint32_t a = (uint32_t)(i % 2 ? rnd() : 0x0a000000 | (rnd() & 0x1ffff));

		assert_int_equal(route_table_find4(t, a), linear4(p, n, a));
	}
	for (unsigned i = 0; i < n; i++) { // both sides of every edge
		uint32_t first = p[i].addr, last = p[i].addr | ~mask4(p[i].len);

		assert_int_equal(route_table_find4(t, first), linear4(p, n, first));
		assert_int_equal(route_table_find4(t, first - 1), linear4(p, n, first - 1));
		assert_int_equal(route_table_find4(t, last), linear4(p, n, last));
		assert_int_equal(route_table_find4(t, last + 1), linear4(p, n, last + 1));
	}
	route_table_destroy(t);
	free(p);
}

static void finds_what_a_linear_search_finds_in_ipv6(void **ctx)
{
	struct route_prefix6 *p = aligned_alloc(16, PREFIXES * sizeof(*p));
	route_addr6 base = (route_addr6)UINT64_C(0x20010db800000000) << 64;
	struct route_table *t;
	unsigned n = 0;

	memset(p, 0, PREFIXES * sizeof(*p));
	for (unsigned i = 0; i < PREFIXES; i++) {
		p[i].len = (uint8_t)(rnd() % 129);
		p[i].addr = (i % 2 ? rnd6() : base | (rnd6() & 0xffffff)) & mask6(p[i].len);
		p[i].leaf = (uint16_t)(rnd() % 5);
	}
	qsort(p, PREFIXES, sizeof(*p), order6);
	for (unsigned i = 0; i < PREFIXES; i++)
		if (n == 0 || order6(&p[n - 1], &p[i]) != 0)
			p[n++] = p[i];
	assert_int_equal(route_table_create(NULL, 0, p, n, &t), 0);
	for (unsigned i = 0; i < PROBES; i++) {
		route_addr6 a = i % 2 ? rnd6() : base | (rnd6() & 0x1ffffff);

		assert_int_equal(route_table_find6(t, a), linear6(p, n, a));
	}
	for (unsigned i = 0; i < n; i++) {
		route_addr6 first = p[i].addr, last = p[i].addr | ~mask6(p[i].len);

		assert_int_equal(route_table_find6(t, first), linear6(p, n, first));
		assert_int_equal(route_table_find6(t, first - 1), linear6(p, n, first - 1));
		assert_int_equal(route_table_find6(t, last), linear6(p, n, last));
		assert_int_equal(route_table_find6(t, last + 1), linear6(p, n, last + 1));
	}
	route_table_destroy(t);
	free(p);
}

static void an_empty_table_has_no_route(void **ctx)
{
	struct route_table *t;

	assert_int_equal(route_table_create(NULL, 0, NULL, 0, &t), 0);
	assert_int_equal(route_table_find4(t, 0), 0);
	assert_int_equal(route_table_find4(t, UINT32_MAX), 0);
	assert_int_equal(route_table_find6(t, ~(route_addr6)0), 0);
	route_table_destroy(t);
}

static void refuses_what_is_not_sorted_or_not_a_prefix(void **ctx)
{
	struct route_prefix4 twice[] = {{0x0a000000, 1, 8}, {0x0a000000, 2, 8}};
	struct route_prefix4 back[] = {{0x0b000000, 1, 8}, {0x0a000000, 2, 8}};
	struct route_prefix4 bits[] = {{0x0a000001, 1, 8}};
	struct route_prefix4 longer[] = {{0x0a000001, 1, 33}};
	struct route_prefix6 bits6[] = {{1, 1, 127}};
	struct route_table *t = (struct route_table *)ctx;

	assert_int_equal(route_table_create(twice, 2, NULL, 0, &t), -EINVAL);
	assert_int_equal(route_table_create(back, 2, NULL, 0, &t), -EINVAL);
	assert_int_equal(route_table_create(bits, 1, NULL, 0, &t), -EINVAL);
	assert_int_equal(route_table_create(longer, 1, NULL, 0, &t), -EINVAL);
	assert_int_equal(route_table_create(NULL, 0, bits6, 1, &t), -EINVAL);
	assert_ptr_equal(t, ctx); // untouched
}

// Half a million /24 with a default route: what a border router holds, give or take.
static void holds_a_large_table_in_few_bytes(void **ctx)
{
	const unsigned n = 500001;
	struct route_prefix4 *p = calloc(n, sizeof(*p));
	struct route_table *t;

	p[0] = (struct route_prefix4){0, 1, 0};
	for (unsigned i = 1; i < n; i++)
		p[i] = (struct route_prefix4){(i + 0x10000u) << 8, (uint16_t)(2 + i % 3), 24};
	assert_int_equal(route_table_create(p, n, NULL, 0, &t), 0);
	assert_true(route_table_bytes(t) < n * UINT64_C(13));
	assert_int_equal(route_table_find4(t, 0x01000100 + 5), 2 + 1 % 3);
	assert_int_equal(route_table_find4(t, 1), 1);
	assert_int_equal(route_table_find4(t, UINT32_MAX), 1);
	route_table_destroy(t);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_a_linear_search_finds_in_ipv4),
		cmocka_unit_test(finds_what_a_linear_search_finds_in_ipv6),
		cmocka_unit_test(an_empty_table_has_no_route),
		cmocka_unit_test(refuses_what_is_not_sorted_or_not_a_prefix),
		cmocka_unit_test(holds_a_large_table_in_few_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
