// SPDX-License-Identifier: BSD-3-Clause
//
// The table of fragments: what waits, what goes, what is dropped under which name; all bounds; and random
// histories, in which no packet may be lost and no byte of a datagram may pass twice.

#include "dataplane/frag/frag.h"
#include "dataplane/frag/id.h"

#include <rte_mbuf.h>

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PACKETS 8192

static struct frag_table *t;
static struct rte_mbuf packet[PACKETS];
static uint8_t fate[PACKETS]; // 0: the caller's, 1: in the table, 2: dropped by it
static unsigned packets, dropped[DROP_COUNT];
static enum drop_reason why;
static struct frag_datagram *d;
static uint32_t now;

static void drop(void *ctx, struct rte_mbuf *m, enum drop_reason reason)
{
	unsigned i = (unsigned)(m - packet);

	assert_ptr_equal(ctx, &now);
	assert_int_equal(fate[i], 1);
	fate[i] = 2;
	dropped[reason]++;
}

static int setup(void **state)
{
	(void)state;
	packets = 0;
	now = 1000;
	memset(fate, 0, sizeof(fate));
	memset(dropped, 0, sizeof(dropped));
	return frag_create(drop, &t);
}

static int teardown(void **state)
{
	(void)state;
	frag_expire(t, now + (1U << 30), &now); // nothing is left to free
	assert_int_equal(frag_count(t)->open, 0);
	assert_int_equal(frag_count(t)->held, 0);
	assert_int_equal(frag_count(t)->held_bytes, 0);
	frag_destroy(t);
	return 0;
}

static struct frag_key key_of(uint32_t id)
{
	return (struct frag_key){.addr = {10, 0, 0, 1, [16] = 10, [19] = 2},
				 .id = id,
				 .family = 4,
				 .proto = IPPROTO_UDP};
}

static enum frag_verdict add_as(uint32_t id, uint8_t proto, bool l4, unsigned offset, unsigned len,
				bool more)
{
	struct parse_fragment f = {
		.id = id, .offset = (uint16_t)offset, .len = (uint16_t)len, .more = more};
	struct parse_info info = {
		.flags = PARSE_IPV4 | PARSE_FRAGMENT, .proto = proto, .l3_len = (uint16_t)offset};
	struct frag_key k = key_of(id);
	struct rte_mbuf *m = &packet[packets];
	enum frag_verdict v;

	if (l4)
		info.flags |= PARSE_L4;
	m->pkt_len = len + 34;
	fate[packets++] = 0;
	why = DROP_NONE;
	v = frag_add(t, &k, &f, m, &info, now, &now, &d, &why);
	if (v == FRAG_KEPT)
		fate[packets - 1] = 1;
	return v;
}

static enum frag_verdict add(uint32_t id, unsigned offset, unsigned len, bool more)
{
	return add_as(id, IPPROTO_UDP, offset == 0, offset, len, more);
}

static unsigned take_all(void)
{
	struct parse_info info;
	struct rte_mbuf *m;
	unsigned n = 0;

	while ((m = frag_take(t, d, &info)) != NULL) {
		assert_int_equal(fate[m - packet], 1);
		fate[m - packet] = 0;
		n++;
	}
	return n;
}

static void lets_go_in_order(void **state)
{
	(void)state;
	assert_int_equal(add(1, 0, 800, true), FRAG_DECIDES);
	frag_settle(d, 7);
	frag_passed(t, d);
	assert_int_equal(add(1, 800, 800, true), FRAG_PASSES);
	assert_int_equal(d->fate, 7);
	frag_passed(t, d);
	assert_int_equal(frag_count(t)->open, 1);
	assert_int_equal(add(1, 1600, 3, false), FRAG_PASSES);
	frag_passed(t, d);
	assert_int_equal(frag_count(t)->open, 0);
	assert_int_equal(frag_count(t)->completed, 1);
}

static void keeps_until_the_first_is_there(void **state)
{
	struct parse_info info;

	(void)state;
	assert_int_equal(add(1, 1600, 3, false), FRAG_KEPT);
	assert_int_equal(add(1, 800, 800, true), FRAG_KEPT);
	assert_int_equal(add(2, 800, 800, true), FRAG_KEPT); // another datagram's
	assert_int_equal(frag_count(t)->held, 3);
	assert_int_equal(add(1, 0, 800, true), FRAG_DECIDES);
	frag_settle(d, 1);
	assert_ptr_equal(frag_take(t, d, &info), &packet[0]); // in order of arrival
	fate[0] = 0;
	assert_int_equal(info.l3_len, 1600);
	assert_int_equal(take_all(), 1);
	frag_passed(t, d);
	assert_int_equal(frag_count(t)->open, 1);
	assert_int_equal(frag_count(t)->completed, 1);
}

#define ASSERT_DROPPED(call, reason)                                                               \
	do {                                                                                       \
		assert_int_equal(call, FRAG_DROPPED);                                              \
		assert_int_equal(why, DROP_FRAGMENT_##reason);                                     \
	} while (0)

static void ends_a_datagram_of_which_two_overlap(void **state)
{
	// {first: from, to, more}, {second}
	static const unsigned cases[][6] = {
		{800, 1600, 1, 792, 1600, 1},  {800, 1600, 1, 800, 1608, 1},
		{800, 1600, 1, 808, 816, 1},   {800, 1600, 1, 0x10, 2400, 1},
		{800, 1600, 1, 1592, 1600, 0}, {800, 1600, 0, 1600, 2400, 1},
		{800, 1600, 0, 2400, 2408, 1}, {800, 1600, 1, 400, 408, 0},
		{800, 1600, 0, 1600, 1601, 0}, {800, 1599, 0, 800, 1600, 1},
		{800, 1600, 0, 800, 1600, 1},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const unsigned *c = cases[i];
		unsigned before = dropped[DROP_FRAGMENT_OVERLAP];

		assert_int_equal(add(i, c[0], c[1] - c[0], c[2]), FRAG_KEPT);
		ASSERT_DROPPED(add(i, c[3], c[4] - c[3], c[5]), OVERLAP);
		assert_int_equal(dropped[DROP_FRAGMENT_OVERLAP], before + 1); // the one that waited
		ASSERT_DROPPED(add(i, 0, 8, true), OVERLAP);                  // and all to come
	}
}

static void drops_alone_what_was_there_before(void **state)
{
	(void)state;
	assert_int_equal(add(1, 800, 800, true), FRAG_KEPT);
	ASSERT_DROPPED(add(1, 800, 800, true), DUPLICATE);
	assert_int_equal(add(1, 1600, 5, false), FRAG_KEPT);
	ASSERT_DROPPED(add(1, 1600, 5, false), DUPLICATE);
	assert_int_equal(add(1, 0, 800, true), FRAG_DECIDES);
	frag_settle(d, 0);
	assert_int_equal(take_all(), 2);
	ASSERT_DROPPED(add(1, 0, 800, true), DUPLICATE);
	frag_passed(t, d);
	assert_int_equal(frag_count(t)->completed, 1);
}

static void ends_a_datagram_without_its_header_in_front(void **state)
{
	(void)state;
	assert_int_equal(add(1, 800, 800, true), FRAG_KEPT);
	ASSERT_DROPPED(add_as(1, IPPROTO_TCP, false, 0, 16, true), TINY);
	assert_int_equal(dropped[DROP_FRAGMENT_TINY], 1);
	ASSERT_DROPPED(add(1, 1600, 800, true), TINY);
	// RFC 3128: what the second one would write over the flags
	ASSERT_DROPPED(add_as(2, IPPROTO_TCP, false, 8, 16, true), TINY);
	ASSERT_DROPPED(add_as(3, IPPROTO_TCP, false, 16, 16, true), TINY);
	assert_int_equal(add_as(4, IPPROTO_TCP, false, 24, 16, true), FRAG_KEPT);
	ASSERT_DROPPED(add_as(5, IPPROTO_DSTOPTS, false, 0, 16, true), TINY);
	assert_int_equal(add_as(6, 47, false, 0, 16, true), FRAG_DECIDES); // no header that we know
	frag_settle(d, 0);
}

static void gives_up_after_the_time(void **state)
{
	uint32_t ticks = 2000U * 1000 * 1000 >> 24;

	(void)state;
	assert_int_equal(add(1, 800, 800, true), FRAG_KEPT);
	now += ticks - 1;
	frag_expire(t, now, &now);
	assert_int_equal(frag_count(t)->held, 1);
	assert_int_equal(add(2, 800, 800, true), FRAG_KEPT);
	now++;
	assert_int_equal(add(1, 1600, 800, true), FRAG_KEPT); // before the timer: a new datagram
	assert_int_equal(dropped[DROP_FRAGMENT_TIMEOUT], 1);
	frag_expire(t, now, &now);
	assert_int_equal(frag_count(t)->held, 2);
	now += ticks;
	frag_expire(t, now, &now);
	assert_int_equal(dropped[DROP_FRAGMENT_TIMEOUT], 3);
	assert_int_equal(frag_count(t)->open, 0);
}

static void is_bounded(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FRAG_PIECES; i++)
		assert_int_equal(add(1, 16 * (i + 1), 8, true), FRAG_KEPT);
	ASSERT_DROPPED(add(1, 8, 8, true), MANY);
	assert_int_equal(dropped[DROP_FRAGMENT_MANY], FRAG_PIECES);
	for (unsigned i = 0; i < FRAG_DATAGRAMS + 10; i++)
		assert_int_equal(add(100 + i, 800, 8, true), FRAG_KEPT);
	assert_int_equal(frag_count(t)->open, FRAG_DATAGRAMS);
	assert_int_equal(dropped[DROP_FRAGMENT_LIMIT], 10); // the oldest made room
	assert_int_equal(frag_count(t)->held, FRAG_HELD);
	// As many packets wait as can: those of the oldest go.
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(add(100 + 20 + i, 1600, 8, true), FRAG_KEPT);
	assert_int_equal(frag_count(t)->held, FRAG_HELD);
	// Bytes.
	for (unsigned i = 0; i < FRAG_DATAGRAMS; i++)
		assert_int_equal(add(5000 + i, 800, 8000, true), FRAG_KEPT);
	assert_in_range(frag_count(t)->held_bytes, FRAG_HELD_BYTES - 10000, FRAG_HELD_BYTES);
}

// Cut datagrams, mix their pieces, repeat and twist some. Every packet is in one place; of a datagram that
// passed whole every byte passed once.
static void loses_nothing_in_random_histories(void **state)
{
	struct cut {
		uint32_t id;
		unsigned offset, len;
		bool more;
	} cuts[400];

	(void)state;
	srand(11);
	for (unsigned round = 0; round < 60; round++) {
		static uint8_t passed[32][8192 + 1];
		unsigned n = 0, held = frag_count(t)->held, begun = packets;

		memset(passed, 0, sizeof(passed));
		for (uint32_t id = 0; id < 32 && n < 360; id++) {
			unsigned size = 1 + (unsigned)rand() % 12000,
				 step = 8 * (1 + (unsigned)rand() % 200);

			for (unsigned o = 0; o < size && n < 380; o += step)
				cuts[n++] = (struct cut){round * 32 + id, o,
							 size - o < step ? size - o : step,
							 size - o > step};
		}
		for (unsigned i = 0; i < 10; i++) // repeated, or a little off
			cuts[n] = cuts[(unsigned)rand() % n],
			cuts[n++].offset += (unsigned)rand() % 2 * 8;
		for (unsigned i = n - 1; i > 0; i--) {
			unsigned k = (unsigned)rand() % (i + 1);
			struct cut c = cuts[i];

			cuts[i] = cuts[k];
			cuts[k] = c;
		}
		for (unsigned i = 0; i < n; i++) {
			const struct cut *c = &cuts[i];
			enum frag_verdict v = add(c->id, c->offset, c->len, c->more);
			unsigned more = 0;
			uint64_t done;

			if (v == FRAG_DECIDES) {
				frag_settle(d, 1);
				more = take_all();
			}
			if (v == FRAG_DECIDES || v == FRAG_PASSES) {
				for (unsigned u = c->offset / 8; u < (c->offset + c->len + 7) / 8;
				     u++)
					assert_int_equal(passed[c->id % 32][u]++, 0);
				done = frag_count(t)->completed;
				frag_passed(t, d);
				if (frag_count(t)->completed !=
				    done) // what comes now is another datagram
					memset(passed[c->id % 32], 0, sizeof(passed[0]));
			}
			held += v == FRAG_KEPT;
			held -= more;
		}
		for (unsigned i = begun; i < packets; i++)
			held -= fate[i] == 2;
		assert_int_equal(frag_count(t)->held, held);
		packets = 0;
		now += 1000;
		frag_expire(t, now, &now);
		memset(fate, 0, sizeof(fate));
	}
	assert_true(frag_count(t)->completed > 200);
}

static void gives_identifications_that_differ(void **state)
{
	static uint8_t seen[65536];
	uint8_t a[16] = {1}, b[16] = {2};
	struct frag_ids ids;

	(void)state;
	for (unsigned workers = 1; workers <= 3; workers++) {
		memset(seen, 0, sizeof(seen));
		for (unsigned w = 0; w < workers; w++) {
			frag_ids_init(&ids, w, workers, 77 * w);
			for (unsigned i = 0; i < 32767 / workers - 1; i++) {
				uint16_t to = frag_id4(&ids, frag_next_to(&ids, a));
				uint16_t any = frag_id4(&ids, frag_next_any(&ids));

				assert_int_equal(seen[to]++, 0); // neither another worker's
				assert_int_equal(seen[any]++, 0);
				assert_int_not_equal(to, 0);
			}
		}
	}
	frag_ids_init(&ids, 0, 1, 5);
	assert_int_not_equal(frag_next_to(&ids, a), frag_next_to(&ids, b));
	assert_int_not_equal(frag_id6(&ids, frag_next_to(&ids, a)), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(lets_go_in_order),
		T(keeps_until_the_first_is_there),
		T(ends_a_datagram_of_which_two_overlap),
		T(drops_alone_what_was_there_before),
		T(ends_a_datagram_without_its_header_in_front),
		T(gives_up_after_the_time),
		T(is_bounded),
		T(loses_nothing_in_random_histories),
		T(gives_identifications_that_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
