// SPDX-License-Identifier: BSD-3-Clause
//
// Slots and generations: no reference is ever handed out twice, across transactions and restarts.

#include "apps/lb/conf/lb_slots.h"

#include "apps/lb/lb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#define TYPE 0x8001

static uint32_t slot_of(uint32_t ref)
{
	return ref & LB_SLOT_MASK;
}

static uint32_t take(struct lb_slots *s, uint64_t owner)
{
	uint32_t ref = 0;

	assert_int_equal(lb_slots_take(s, owner, &ref), 0);
	assert_int_not_equal(ref, 0);
	assert_int_not_equal(ref >> LB_SLOT_BITS, 0);
	return ref;
}

static void a_slot_taken_again_has_another_generation(void **state)
{
	struct lb_slots s;
	uint32_t a, b;

	lb_slots_init(&s, 1);
	a = take(&s, 5);
	lb_slots_commit(&s);
	assert_int_equal(lb_slots_drop(&s, a), 0);
	assert_int_equal(lb_slots_take(&s, 6, &b), -ENOSPC); // not in the same transaction
	lb_slots_commit(&s);
	b = take(&s, 6);
	lb_slots_commit(&s);
	assert_int_equal(slot_of(a), slot_of(b));
	assert_int_not_equal(a, b);
	lb_slots_fini(&s);
}

static void generations_wrap_without_zero(void **state)
{
	struct lb_slots s;
	uint32_t seen[256] = {0};

	lb_slots_init(&s, 1);
	for (unsigned i = 0; i < 510; i++) {
		uint32_t ref = take(&s, i + 1);

		seen[ref >> LB_SLOT_BITS]++;
		lb_slots_drop(&s, ref);
		lb_slots_commit(&s);
	}
	assert_int_equal(seen[0], 0);
	for (unsigned g = 1; g < 256; g++)
		assert_int_equal(seen[g], 2);
	lb_slots_fini(&s);
}

static void the_slot_free_for_longest_is_taken_first(void **state)
{
	struct lb_slots s;
	uint32_t ref[4];

	lb_slots_init(&s, 4);
	for (unsigned i = 0; i < 4; i++)
		ref[i] = take(&s, i + 1);
	lb_slots_commit(&s);
	lb_slots_drop(&s, ref[2]);
	lb_slots_drop(&s, ref[0]);
	lb_slots_commit(&s);
	assert_int_equal(slot_of(take(&s, 9)), slot_of(ref[2]));
	assert_int_equal(slot_of(take(&s, 10)), slot_of(ref[0]));
	lb_slots_commit(&s);
	lb_slots_fini(&s);
}

static void abort_gives_back_and_keeps(void **state)
{
	struct lb_slot_record r;
	struct lb_slots s;
	uint32_t a, b, c;

	lb_slots_init(&s, 2);
	a = take(&s, 1);
	lb_slots_commit(&s);
	lb_slots_drop(&s, a);
	b = take(&s, 2);
	lb_slots_abort(&s);
	assert_false(lb_slots_change(&s, TYPE, 0, &r));
	assert_true(lb_slots_record(&s, TYPE, slot_of(a), &r));
	assert_int_equal(r.owner, 1); // still its owner's
	c = take(&s, 3);
	assert_int_equal(slot_of(c), slot_of(b));
	assert_int_not_equal(c, b); // not even an aborted reference comes twice
	lb_slots_commit(&s);
	lb_slots_fini(&s);
}

static void full_is_said(void **state)
{
	struct lb_slots s;
	uint32_t ref;

	lb_slots_init(&s, 3);
	for (unsigned i = 0; i < 3; i++)
		take(&s, i + 1);
	assert_int_equal(lb_slots_take(&s, 9, &ref), -ENOSPC);
	lb_slots_commit(&s);
	assert_int_equal(lb_slots_take(&s, 9, &ref), -ENOSPC);
	lb_slots_fini(&s);
}

// What disk would hold: the records of each transaction, later ones over earlier ones.
static struct lb_slot_record disk[8];

static void write_changes(const struct lb_slots *s)
{
	struct lb_slot_record r;

	for (uint32_t n = 0; lb_slots_change(s, TYPE, n, &r); n++)
		disk[r.rec.id - 1] = r;
}

static void owners_find_their_slots_after_a_restart(void **state)
{
	struct lb_slots s, t;
	uint32_t a, b, c, d;

	memset(disk, 0, sizeof(disk));
	lb_slots_init(&s, 8);
	a = take(&s, 100);
	b = take(&s, 50);
	c = take(&s, 75);
	write_changes(&s);
	lb_slots_commit(&s);
	lb_slots_drop(&s, b);
	write_changes(&s);
	lb_slots_commit(&s);
	lb_slots_fini(&s);

	lb_slots_init(&t, 8);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(lb_slots_restore(&t, &disk[i]), 0);
	assert_int_equal(lb_slots_claim(&t, 100), a);
	assert_int_equal(lb_slots_claim(&t, 100), 0); // once
	assert_int_equal(lb_slots_claim(&t, 75), c);
	assert_int_equal(lb_slots_claim(&t, 50), 0); // given up before
	lb_slots_settle(&t);
	d = take(&t, 50);
	assert_int_equal(slot_of(d), slot_of(b));
	assert_int_not_equal(d, b); // its generation came back too
	lb_slots_commit(&t);
	lb_slots_fini(&t);
}

static void unclaimed_slots_are_free(void **state)
{
	struct lb_slots s;

	lb_slots_init(&s, 1);
	assert_int_equal(
		lb_slots_restore(&s,
				 &(struct lb_slot_record){
					 .rec = {.type = TYPE, .size = sizeof(disk[0]), .id = 1},
					 .owner = 7,
					 .generation = 255}),
		0);
	lb_slots_settle(&s);
	assert_int_equal(take(&s, 8), 1u << LB_SLOT_BITS); // wrapped past 0
	lb_slots_fini(&s);
}

static void records_that_lie_are_refused(void **state)
{
	struct lb_slot_record good = {
		.rec = {.type = TYPE, .size = sizeof(good), .id = 1}, .owner = 7, .generation = 1};
	struct lb_slot_record r;
	struct lb_slots s;

	lb_slots_init(&s, 4);
	r = good;
	r.generation = 0;
	assert_int_equal(lb_slots_restore(&s, &r), -EINVAL);
	r.generation = 256;
	assert_int_equal(lb_slots_restore(&s, &r), -EINVAL);
	r = good;
	r.rec.id = 0;
	assert_int_equal(lb_slots_restore(&s, &r), -EINVAL);
	r.rec.id = 5;
	assert_int_equal(lb_slots_restore(&s, &r), -EINVAL);
	r = good;
	r.rec.size--;
	assert_int_equal(lb_slots_restore(&s, &r), -EINVAL);
	assert_int_equal(lb_slots_restore(&s, &good), 0);
	lb_slots_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slot_taken_again_has_another_generation),
		cmocka_unit_test(generations_wrap_without_zero),
		cmocka_unit_test(the_slot_free_for_longest_is_taken_first),
		cmocka_unit_test(abort_gives_back_and_keeps),
		cmocka_unit_test(full_is_said),
		cmocka_unit_test(owners_find_their_slots_after_a_restart),
		cmocka_unit_test(unclaimed_slots_are_free),
		cmocka_unit_test(records_that_lie_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
