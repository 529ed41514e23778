// SPDX-License-Identifier: BSD-3-Clause
//
// Next hops: indices that stay, states as the kernel's, freed as late as can be.

#include "dataplane/out/neigh.h"

#include <linux/neighbour.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 0xa}, mac_b[6] = {2, 0, 0, 0, 0, 0xb};

static void addr_of(uint32_t n, uint8_t addr[16])
{
	memset(addr, 0, 16);
	memcpy(addr, &n, sizeof(n));
}

static uint16_t host(struct neigh_table *t, uint32_t n, bool *made)
{
	uint8_t addr[16];

	addr_of(n, addr);
	return neigh_intern(t, NEXTHOP_HOST, 3, 7, 4, addr, made);
}

static int setup(void **state)
{
	return neigh_create((struct neigh_table **)state);
}

static int teardown(void **state)
{
	neigh_destroy(*state);
	return 0;
}

static void an_index_stays_with_its_neighbour(void **state)
{
	struct neigh_table *t = *state;
	uint16_t first[5000];
	uint8_t addr[16];
	bool made;

	for (uint32_t i = 0; i < 5000; i++) {
		first[i] = host(t, i, &made);
		assert_true(made);
		assert_int_not_equal(first[i], 0);
	}
	for (uint32_t i = 0; i < 5000; i++) {
		assert_int_equal(host(t, i, &made), first[i]);
		assert_false(made);
	}
	addr_of(5, addr); // other port, other VLAN, other kind: another next hop
	assert_int_equal(neigh_find(t, NEXTHOP_HOST, 4, 7, 4, addr), 0);
	assert_int_equal(neigh_find(t, NEXTHOP_HOST, 3, 8, 4, addr), 0);
	assert_int_equal(neigh_find(t, NEXTHOP_HOST, 3, 7, 6, addr), 0);
	assert_int_equal(neigh_find(t, NEXTHOP_GLEAN, 3, 7, 4, addr), 0);
	assert_int_equal(neigh_find(t, NEXTHOP_HOST, 3, 7, 4, addr), first[5]);
}

static void follows_the_states_of_the_kernel(void **state)
{
	struct neigh_entry *e = neigh_get(*state, host(*state, 1, NULL));

	assert_int_equal(e->nh.state, NEXTHOP_PENDING);
	assert_false(neigh_kernel_says(e, NUD_INCOMPLETE, NULL)); // no news for a worker
	assert_true(neigh_kernel_says(e, NUD_REACHABLE, mac_a));
	assert_int_equal(e->nh.state, NEXTHOP_RESOLVED);
	assert_memory_equal(&e->nh.dmac, mac_a, 6);
	assert_false(neigh_kernel_says(e, NUD_STALE, mac_a)); // still good to send to
	assert_false(neigh_kernel_says(e, NUD_DELAY, mac_a));
	assert_false(neigh_kernel_says(e, NUD_PROBE, mac_a));
	assert_true(neigh_kernel_says(e, NUD_REACHABLE, mac_b)); // moved
	assert_memory_equal(&e->nh.dmac, mac_b, 6);
	assert_true(neigh_kernel_says(e, NUD_FAILED, NULL));
	assert_int_equal(e->nh.state, NEXTHOP_FAILED);
	assert_true(neigh_kernel_says(e, NUD_PERMANENT, mac_a));
	assert_true(neigh_kernel_forgot(e));
	assert_int_equal(e->nh.state, NEXTHOP_PENDING);
	assert_false(neigh_kernel_forgot(e));
	assert_false(neigh_kernel_says(e, NUD_REACHABLE, NULL)); // no address: nothing to send to
}

static void frees_only_what_nobody_needs(void **state)
{
	struct neigh_table *t = *state;
	uint16_t routed = host(t, 1, NULL), kernel = host(t, 2, NULL), used = host(t, 3, NULL),
		 idle = host(t, 4, NULL);
	uint8_t addr[16];

	neigh_get(t, routed)->routed = true;
	neigh_kernel_says(neigh_get(t, kernel), NUD_STALE, mac_a);
	neigh_get(t, used)->used_ns = 1000;
	assert_int_equal(neigh_sweep(t, 1000), 1);
	assert_int_equal(neigh_get(t, idle)->nh.state, NEXTHOP_NONE);
	addr_of(4, addr);
	assert_int_equal(neigh_find(t, NEXTHOP_HOST, 3, 7, 4, addr), 0);
	assert_int_not_equal(host(t, 5, NULL), idle); // not given out again at once
	assert_int_equal(neigh_sweep(t, 1001), 2);    // `used` is idle now, 5 never was used
}

static void is_full_at_65535_and_takes_freed_indices_then(void **state)
{
	struct neigh_table *t = *state;
	uint16_t third;

	for (uint32_t i = 1; i <= NEIGH_MAX; i++) {
		uint16_t at = host(t, i, NULL);

		assert_int_equal(at, i);
		neigh_get(t, at)->routed = true;
	}
	assert_int_equal(host(t, 100000, NULL), 0);
	neigh_get(t, 3)->routed = false;
	assert_int_equal(neigh_sweep(t, UINT64_MAX), 1);
	third = host(t, 100000, NULL);
	assert_int_equal(third, 3);
	assert_int_equal(host(t, 100001, NULL), 0);
}

static void a_view_finds_every_host(void **state)
{
	struct neigh_table *t = *state;
	struct out_view *v;
	uint32_t slots, count;
	uint16_t *hash;
	uint8_t addr[16] = {0};

	for (uint32_t i = 0; i < 2000; i++)
		host(t, i * 2654435761u, NULL);
	neigh_intern(t, NEXTHOP_GLEAN, 3, 7, 0, addr, NULL);
	count = neigh_count(t);
	slots = neigh_host_slots(t);
	assert_true(slots >= 4000 && (slots & (slots - 1)) == 0);
	v = aligned_alloc(64, sizeof(*v) + count * sizeof(struct nexthop));
	memset(v, 0, sizeof(*v));
	hash = calloc(slots, sizeof(*hash));
	neigh_host_fill(t, hash, slots - 1);
	v->host = hash;
	v->host_mask = slots - 1;
	v->count = count;
	for (uint32_t i = 1; i < count; i++)
		v->nexthop[i] = neigh_get(t, (uint16_t)i)->nh;
	for (uint32_t i = 0; i < 2000; i++) {
		addr_of(i * 2654435761u, addr);
		assert_int_equal(neigh_host_find(v, 3, 7, 4, addr), i + 1);
		assert_int_equal(neigh_host_find(v, 3, 6, 4, addr), 0);
		addr[15] = 1;
		assert_int_equal(neigh_host_find(v, 3, 7, 4, addr), 0);
	}
	free(hash);
	free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_index_stays_with_its_neighbour, setup, teardown),
		cmocka_unit_test_setup_teardown(follows_the_states_of_the_kernel, setup, teardown),
		cmocka_unit_test_setup_teardown(frees_only_what_nobody_needs, setup, teardown),
		cmocka_unit_test_setup_teardown(is_full_at_65535_and_takes_freed_indices_then,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_view_finds_every_host, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
