// SPDX-License-Identifier: BSD-3-Clause
//
// The bounds of the hold queue, its order, and the ring of requests; the token bucket beside it.

#include "dataplane/out/bucket.h"
#include "dataplane/out/hold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct parse_info info = {.l3_off = 14};
static const uint8_t nobody[16];

static struct rte_mbuf *packet(unsigned n)
{
	return (struct rte_mbuf *)(uintptr_t)(0x1000 + n * 64); // never looked into
}

static enum drop_reason add(struct out_hold *h, unsigned n, uint16_t nexthop, bool *ask)
{
	return hold_add(h, packet(n), &info, nexthop, 0, 0, nobody, n, ask);
}

static int setup(void **state)
{
	struct out_hold *h = malloc(sizeof(*h));

	hold_init(h);
	*state = h;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void holds_16_for_a_next_hop_and_asks_once(void **state)
{
	struct out_hold *h = *state;
	bool ask = false;

	assert_int_equal(add(h, 0, 5, &ask), DROP_NONE);
	assert_true(ask);
	for (unsigned i = 1; i < HOLD_PER_NEXTHOP; i++) {
		assert_int_equal(add(h, i, 5, &ask), DROP_NONE);
		assert_false(ask);
	}
	assert_int_equal(add(h, 16, 5, &ask), DROP_HOLD_FULL);
	assert_int_equal(add(h, 17, 6, &ask), DROP_NONE); // another one has room
	assert_true(ask);
	hold_remove(h, h->oldest);
	assert_int_equal(add(h, 18, 5, &ask), DROP_NONE);
}

static void neighbours_behind_one_glean_are_told_apart(void **state)
{
	struct out_hold *h = *state;
	uint8_t addr[16] = {10, 0, 0, 1};
	bool ask;

	for (unsigned i = 0; i < HOLD_PER_NEXTHOP; i++)
		assert_int_equal(hold_add(h, packet(i), &info, 5, 0, 4, addr, 0, &ask), DROP_NONE);
	assert_int_equal(hold_add(h, packet(50), &info, 5, 0, 4, addr, 0, &ask), DROP_HOLD_FULL);
	addr[3] = 2;
	assert_int_equal(hold_add(h, packet(51), &info, 5, 0, 4, addr, 0, &ask), DROP_NONE);
	assert_true(ask);
}

static void holds_512_in_all_and_all_come_back(void **state)
{
	bool seen[HOLD_MAX] = {false}, ask;
	struct out_hold *h = *state;

	for (unsigned i = 0; i < HOLD_MAX; i++)
		assert_int_equal(add(h, i, (uint16_t)(1 + i / 4), &ask), DROP_NONE);
	assert_int_equal(add(h, HOLD_MAX, 999, &ask), DROP_HOLD_FULL);
	assert_int_equal(h->count, HOLD_MAX);
	// out of the middle first, then in order of arrival
	for (uint16_t i = h->oldest, newer; i != 0; i = newer) {
		newer = h->entry[i].newer;
		if (h->entry[i].nexthop % 2 == 0) {
			seen[h->entry[i].deadline] = true;
			hold_remove(h, i);
		}
	}
	for (uint64_t last = 0; h->oldest != 0; hold_remove(h, h->oldest)) {
		assert_true(h->entry[h->oldest].deadline >= last);
		last = h->entry[h->oldest].deadline;
		assert_false(seen[last]);
		seen[last] = true;
	}
	for (unsigned i = 0; i < HOLD_MAX; i++)
		assert_true(seen[i]);
	assert_int_equal(h->count, 0);
	assert_int_equal(h->newest, 0);
	for (unsigned i = 0; i < HOLD_MAX; i++) // and all can be used again
		assert_int_equal(add(h, i, (uint16_t)(1 + i), &ask), DROP_NONE);
}

static void requests_keep_their_order_and_a_full_ring_is_counted(void **state)
{
	struct hold_request r = {0}, got;
	struct out_hold *h = *state;

	for (uint16_t i = 0; i < HOLD_REQUESTS; i++) {
		r.nexthop = i;
		assert_true(hold_ask(h, &r));
	}
	assert_false(hold_ask(h, &r));
	assert_int_equal(h->lost, 1);
	for (uint16_t i = 0; i < HOLD_REQUESTS; i++) {
		assert_true(hold_take_request(h, &got));
		assert_int_equal(got.nexthop, i);
	}
	assert_false(hold_take_request(h, &got));
	assert_true(hold_ask(h, &r));
}

static void a_bucket_lets_its_burst_and_then_its_rate_pass(void **state)
{
	struct out_bucket b;
	unsigned passed = 0;

	out_bucket_init(&b, 100, 10, 1000000, 5); // a packet every 10,000 ticks
	for (unsigned i = 0; i < 50; i++)
		passed += out_bucket_take(&b, 5);
	assert_int_equal(passed, 10);
	assert_false(out_bucket_take(&b, 5 + 9999));
	assert_true(out_bucket_take(&b, 5 + 10000));
	assert_false(out_bucket_take(&b, 5 + 10001));
	passed = 0;
	for (uint64_t t = 0; t < 1000000; t += 100) // ten times as many as allowed
		passed += out_bucket_take(&b, 20000 + t);
	assert_in_range(passed, 99, 101);
	passed = 0; // a long silence fills it to the burst, no further
	for (unsigned i = 0; i < 50; i++)
		passed += out_bucket_take(&b, UINT64_C(1) << 60);
	assert_int_equal(passed, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(holds_16_for_a_next_hop_and_asks_once, setup,
						teardown),
		cmocka_unit_test_setup_teardown(neighbours_behind_one_glean_are_told_apart, setup,
						teardown),
		cmocka_unit_test_setup_teardown(holds_512_in_all_and_all_come_back, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			requests_keep_their_order_and_a_full_ring_is_counted, setup, teardown),
		cmocka_unit_test(a_bucket_lets_its_burst_and_then_its_rate_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
