// SPDX-License-Identifier: BSD-3-Clause
//
// Source hash and Maglev: shares, and which clients move when servers come, go and change their weight.

#include "tests/unit/apps/lb/sched/sched_pool.h"

#include <math.h>

#define CLIENTS 100000

static uint32_t before[CLIENTS], after[CLIENTS];
static uint32_t hits[100000];

static uint64_t client(uint32_t i)
{
	uint8_t addr[16] = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};

	return sched_hash(addr, 0);
}

static void look(struct sched_pool *p, uint32_t *out)
{
	memset(hits, 0, sizeof(hits));
	for (uint32_t i = 0; i < CLIENTS; i++) {
		out[i] = sched_pool_pick(p, client(i));
		assert_int_not_equal(out[i], LB_NONE);
		assert_true(p->server[out[i]].takes_new);
		hits[out[i]]++;
	}
}

// Largest share of a server over what its weight says. `noise`: the deviations of chance that CLIENTS leave.
static double worst(const struct sched_pool *p, bool noise)
{
	double total = 0, most = 0;

	for (uint32_t i = 0; i < p->members; i++)
		total += p->server[i].takes_new ? p->server[i].effective : 0;
	for (uint32_t i = 0; i < p->members; i++) {
		double want = CLIENTS * p->server[i].effective / total, d;

		if (!p->server[i].takes_new)
			continue;
		d = fabs(hits[i] - want);
		if (noise)
			d = d > 4 * sqrt(want) ? d - 4 * sqrt(want) : 0;
		most = d / want > most ? d / want : most;
	}
	return most;
}

static uint32_t moved_from_others(uint32_t slot)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < CLIENTS; i++)
		n += before[i] != after[i] && before[i] != slot;
	return n;
}

static uint32_t moved_elsewhere(uint32_t slot)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < CLIENTS; i++)
		n += before[i] != after[i] && after[i] != slot;
	return n;
}

// A server that goes, for good or for a while, moves its own clients alone; back again, all is as before.
static void a_server_that_leaves_moves_only_its_own_share(void **state)
{
	static const uint32_t sizes[] = {2, 3, 10, 50, 500};

	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		uint32_t n = sizes[k], gone = sched_rand(n), share;
		struct sched_pool p;

		sched_pool_start(&p, n, 3);
		sched_pool_build(&p, &sched_source);
		look(&p, before);
		share = hits[gone];
		p.server[gone].takes_new = 0; // down
		sched_pool_build(&p, &sched_source);
		look(&p, after);
		assert_int_equal(moved_from_others(gone), 0);
		assert_int_equal(moved_elsewhere(LB_NONE), share);
		if (n > 2)
			assert_true(worst(&p, true) < 0.09);
		p.server[gone].takes_new = 1;
		sched_pool_build(&p, &sched_source);
		look(&p, after);
		assert_memory_equal(before, after, sizeof(before));
		sched_pool_stop(&p);
	}
}

// Deleted: the same, while the pool does not fall below a power of two of points.
static void a_server_deleted_moves_only_its_own_share(void **state)
{
	struct sched_pool p;

	sched_pool_start(&p, 11, 1);
	sched_pool_build(&p, &sched_source);
	look(&p, before);
	p.members = 10;
	sched_pool_build(&p, &sched_source);
	look(&p, after);
	assert_int_equal(moved_from_others(10), 0);
	p.members = 11;
	sched_pool_stop(&p);
}

static void more_weight_takes_and_gives_to_nobody_else(void **state)
{
	struct sched_pool p;

	sched_pool_start(&p, 12, 10);
	sched_pool_build(&p, &sched_source);
	look(&p, before);
	for (unsigned step = 4; step <= LB_WEIGHT_UNIT; step *= 2) { // slow start
		p.server[5].effective = (uint16_t)(10 * step);
		sched_pool_build(&p, &sched_source);
		look(&p, after);
		if (step == 4)
			assert_int_equal(moved_from_others(5), 0);
		else
			assert_int_equal(moved_elsewhere(5), 0);
		assert_true(worst(&p, true) < 0.08);
		memcpy(before, after, sizeof(before));
	}
	sched_pool_stop(&p);
}

static void source_shares_follow_weights(void **state)
{
	static const uint32_t sizes[] = {2, 5, 20, 100};

	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		double sum = 0, total = 0;
		struct sched_pool p;

		sched_pool_start(&p, sizes[k], 1);
		for (uint32_t i = 0; i < p.members; i++) {
			sched_pool_weight(&p, i, 20 + sched_rand(80));
			total += p.server[i].weight;
		}
		sched_pool_build(&p, &sched_source);
		look(&p, before);
		for (uint32_t i = 0; i < p.members; i++)
			sum += fabs(hits[i] / (double)CLIENTS - p.server[i].weight / total);
		print_message("source hash, %u servers: %.2f %% of clients beside their weight\n",
			      p.members, 50 * sum);
		assert_true(sum / 2 < (p.members <= 20 ? 0.01 : 0.016)); // chance has its part
		sched_pool_stop(&p);
	}
}

static void histories_of_the_ring_have_no_memory(void **state)
{
	struct sched_pool p;

	sched_pool_start(&p, 16, 4);
	sched_pool_build(&p, &sched_source);
	look(&p, before);
	for (unsigned n = 0; n < 100; n++) {
		uint32_t i = sched_rand(16);

		p.server[i].takes_new = i == 0 || sched_rand(2);
		sched_pool_build(&p, &sched_source);
	}
	for (uint32_t i = 0; i < 16; i++)
		p.server[i].takes_new = 1;
	sched_pool_build(&p, &sched_source);
	look(&p, after);
	assert_memory_equal(before, after, sizeof(before));
	sched_pool_stop(&p);
}

// ---- Maglev -----------------------------------------------------------------------------------

// Places of the table itself, by the hashes that lead there.
static void spread(struct sched_pool *p, uint32_t *out, uint32_t places)
{
	memset(hits, 0, sizeof(hits));
	for (uint32_t i = 0; i < places; i++) {
		uint64_t hash = ((((uint64_t)i << 32) + places - 1) / places) << 32;

		out[i] = sched_pool_pick(p, hash);
		hits[out[i]]++;
	}
}

// Section 5.3 of the paper: with 100 places a server the fullest has 1 % more than the average.
static void the_fullest_server_is_within_a_percent(void **state)
{
	static const uint32_t sizes[] = {10, 100, 900};

	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		uint32_t n = sizes[k], most = 0, least = UINT32_MAX, places = n * 100;
		struct sched_pool p;

		sched_pool_start(&p, n, 1);
		sched_pool_build(&p, &sched_maglev);
		spread(&p, before, places < CLIENTS ? places : CLIENTS);
		look(&p, before);
		for (uint32_t i = 0; i < n; i++) {
			most = hits[i] > most ? hits[i] : most;
			least = hits[i] < least ? hits[i] : least;
		}
		// What clients add by chance is none of the table's.
		if (worst(&p, true) > 0.02)
			fail_msg("%u servers: %u to %u clients", n, least, most);
		sched_pool_stop(&p);
	}
}

static void maglev_shares_follow_weights(void **state)
{
	struct sched_pool p;

	for (unsigned round = 0; round < 20; round++) {
		sched_pool_start(&p, 2 + sched_rand(200), 1);
		for (uint32_t i = 0; i < p.members; i++)
			sched_pool_weight(&p, i, 50 + sched_rand(207));
		sched_pool_build(&p, &sched_maglev);
		look(&p, before);
		if (worst(&p, true) > 0.03)
			fail_msg("%u servers: %.3f", p.members, worst(&p, true));
		sched_pool_stop(&p);
	}
	sched_pool_start(&p, 3, 1);
	sched_pool_weight(&p, 0, 256);
	sched_pool_build(&p, &sched_maglev);
	look(&p, before);
	for (uint32_t i = 1; i < 3; i++) // 1 of 258: 3 or 4 places of 1009
		assert_in_range(hits[i], CLIENTS * 3 / 1009 - 100, CLIENTS * 4 / 1009 + 100);
	sched_pool_stop(&p);
}

// Down: its own flows alone move, spread by weight; up: they come back.
static void a_server_that_is_down_moves_only_its_own(void **state)
{
	struct sched_pool p;
	uint32_t share;

	sched_pool_start(&p, 20, 5);
	sched_pool_weight(&p, 7, 50);
	sched_pool_build(&p, &sched_maglev);
	look(&p, before);
	share = hits[7];
	p.server[7].takes_new = 0;
	sched_pool_build(&p, &sched_maglev);
	look(&p, after);
	assert_int_equal(moved_from_others(7), 0);
	assert_int_equal(moved_elsewhere(LB_NONE), share);
	assert_true(worst(&p, true) < 0.12); // the 19 that stay take its third by chance
	for (uint32_t i = 0; i < 19; i++)
		p.server[i].takes_new = i == 3;
	p.server[19].takes_new = 0;
	sched_pool_build(&p, &sched_maglev); // one of twenty left
	look(&p, after);
	for (uint32_t i = 0; i < 20; i++)
		p.server[i].takes_new = 1;
	sched_pool_build(&p, &sched_maglev);
	look(&p, after);
	assert_memory_equal(before, after, sizeof(before));
	sched_pool_stop(&p);
}

// Deleted: its share, 1 / n, and a few of the others' (section 5.3: "a few percent" at 100 places a server).
static void a_server_deleted_moves_little_more_than_its_share(void **state)
{
	static const uint32_t sizes[] = {11, 101, 1001};

	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		uint32_t n = sizes[k], others, share;
		struct sched_pool p;

		sched_pool_start(&p, n, 1);
		sched_pool_weight(&p, n - 1, 0); // the same size of table
		sched_pool_build(&p, &sched_maglev);
		look(&p, before);
		share = hits[0];
		sched_pool_weight(&p, 0, 0);
		sched_pool_build(&p, &sched_maglev);
		look(&p, after);
		others = moved_from_others(0);
		print_message(
			"maglev, %u servers, one deleted: %.2f %% of the others' clients move\n",
			n - 1, 100.0 * others / (CLIENTS - share));
		assert_true(others < (CLIENTS - share) * 0.04);
		sched_pool_stop(&p);
	}
}

static void slow_start_takes_a_few_places_at_a_time(void **state)
{
	struct sched_pool p;
	uint32_t full, last = 0;

	sched_pool_start(&p, 8, 4);
	sched_pool_build(&p, &sched_maglev);
	look(&p, before);
	full = hits[2];
	for (unsigned step = 1; step <= LB_WEIGHT_UNIT; step++) {
		p.server[2].effective = (uint16_t)(4 * step);
		sched_pool_build(&p, &sched_maglev);
		look(&p, after);
		assert_int_equal(moved_from_others(2), 0);
		assert_true(hits[2] >= last);
		last = hits[2];
		if (fabs(last / (double)full - step / (double)LB_WEIGHT_UNIT) > 0.12)
			fail_msg("step %u: %u of %u", step, last, full);
	}
	assert_memory_equal(before, after, sizeof(before));
	sched_pool_stop(&p);
}

// Two nodes, whose operators listed the servers in another order, agree.
static void the_order_of_the_pool_is_no_part_of_the_table(void **state)
{
	struct sched_pool p;

	sched_pool_start(&p, 30, 2);
	sched_pool_build(&p, &sched_maglev);
	look(&p, before);
	for (uint32_t i = 0; i < 15; i++) {
		struct lb_server t = p.server[i];

		p.server[i] = p.server[29 - i];
		p.server[29 - i] = t;
	}
	sched_pool_build(&p, &sched_maglev);
	for (uint32_t i = 0; i < CLIENTS; i++)
		assert_int_equal(sched_pool_pick(&p, client(i)), before[i]); // the slot, as before
	sched_pool_stop(&p);
}

static void histories_of_maglev_have_no_memory(void **state)
{
	struct sched_pool p, q;

	sched_pool_start(&p, 24, 1);
	sched_pool_start(&q, 24, 1);
	for (unsigned n = 0; n < 60; n++) {
		uint32_t i = sched_rand(24);

		if (sched_rand(2))
			sched_pool_weight(&p, i, sched_rand(6));
		else
			p.server[i].takes_new = p.server[i].weight > 0 && sched_rand(2);
		sched_pool_build(&p, &sched_maglev);
	}
	memcpy(q.server, p.server, 24 * sizeof(*p.server));
	sched_pool_build(&q, &sched_maglev);
	for (uint32_t i = 0; i < CLIENTS && p.count > 0; i++)
		assert_int_equal(sched_pool_pick(&p, client(i)), sched_pool_pick(&q, client(i)));
	sched_pool_stop(&p);
	sched_pool_stop(&q);
}

static void nobody_is_picked_where_nobody_takes_flows(void **state)
{
	static const struct lb_scheduler *const all[] = {&sched_rr,    &sched_wrr, &sched_lc,
							 &sched_wlc,   &sched_p2c, &sched_source,
							 &sched_maglev};
	struct sched_pool p;

	for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
		sched_pool_start(&p, 4, 0);
		sched_pool_build(&p, all[k]);
		assert_int_equal(sched_pool_pick(&p, 7), LB_NONE);
		sched_pool_weight(&p, 1, 1);
		sched_pool_build(&p, all[k]);
		for (uint32_t i = 0; i < 100; i++)
			assert_int_equal(sched_pool_pick(&p, client(i)), 1);
		p.server[1].takes_new = 0;
		sched_pool_build(&p, all[k]);
		assert_int_equal(sched_pool_pick(&p, 7), LB_NONE);
		sched_pool_stop(&p);
	}
}

// ---- size -------------------------------------------------------------------------------------

static void a_hundred_thousand_servers_are_built_in_time(void **state)
{
	static const struct lb_scheduler *const all[] = {&sched_rr, &sched_wrr, &sched_source,
							 &sched_maglev};
	struct sched_pool p;

	sched_pool_start(&p, 100000, 1);
	for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
		double t[4];
		uint32_t sum = 0;

		t[0] = sched_now_ms();
		sched_pool_build(&p, all[k]);
		t[1] = sched_now_ms();
		p.server[777].takes_new = 0; // a verdict
		sched_pool_build(&p, all[k]);
		t[2] = sched_now_ms();
		for (uint32_t i = 0; i < CLIENTS; i++)
			sum += sched_pool_pick(&p, client(i));
		t[3] = sched_now_ms();
		p.server[777].takes_new = 1;
		print_message("%s: built in %.1f ms, after a verdict in %.1f ms, %.0f ns a pick\n",
			      all[k]->name, t[1] - t[0], t[2] - t[1], (t[3] - t[2]) * 10);
		assert_true(sum != 0);
		assert_true(t[1] - t[0] < 1000 && t[2] - t[1] < 500);
	}
	sched_pool_stop(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_that_leaves_moves_only_its_own_share),
		cmocka_unit_test(a_server_deleted_moves_only_its_own_share),
		cmocka_unit_test(more_weight_takes_and_gives_to_nobody_else),
		cmocka_unit_test(source_shares_follow_weights),
		cmocka_unit_test(histories_of_the_ring_have_no_memory),
		cmocka_unit_test(the_fullest_server_is_within_a_percent),
		cmocka_unit_test(maglev_shares_follow_weights),
		cmocka_unit_test(a_server_that_is_down_moves_only_its_own),
		cmocka_unit_test(a_server_deleted_moves_little_more_than_its_share),
		cmocka_unit_test(slow_start_takes_a_few_places_at_a_time),
		cmocka_unit_test(the_order_of_the_pool_is_no_part_of_the_table),
		cmocka_unit_test(histories_of_maglev_have_no_memory),
		cmocka_unit_test(nobody_is_picked_where_nobody_takes_flows),
		cmocka_unit_test(a_hundred_thousand_servers_are_built_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
