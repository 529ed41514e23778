// SPDX-License-Identifier: BSD-3-Clause
//
// The flow table against a simple model over random histories, and its limits.

#include "tests/unit/dataplane/flow/table_check.h"

#include <errno.h>

#define NOW   1000
#define SMALL 16

static const uint32_t timeouts[FLOW_STATE_COUNT] = {1, 100, 1000, 20, 200};

static struct flow_table *open_table(uint32_t max, uint32_t max6)
{
	struct flow_conf conf = {.max = max, .max6 = max6};
	struct flow_table *t = NULL;
	uint32_t taken = 99;

	memcpy(conf.timeout, timeouts, sizeof(timeouts));
	assert_int_equal(flow_table_open(&conf, NOW, &t, &taken), 0);
	assert_int_equal(taken, 0);
	return t;
}

static uint32_t random_next(uint64_t *s)
{
	*s = *s * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*s >> 33);
}

// model[n] = index of flow n, or FLOW_NONE
static void follows_a_model_over_random_histories(void **state)
{
	enum { MAX = 700, MAX6 = 300, NUMBERS = 1500, STEPS = 60000 };
	uint32_t model[NUMBERS], live = 0;
	struct flow_table *t = open_table(MAX, MAX6);
	uint64_t seed = 42;

	(void)state;
	memset(model, 0xff, sizeof(model));
	for (unsigned step = 0; step < STEPS; step++) {
		uint32_t n = random_next(&seed) % NUMBERS;
		bool ipv6 = n % 4 == 1;
		uint32_t client = check_lookup(t, n, ipv6, 0);
		uint32_t server = check_lookup(t, n, ipv6, FLOW_DIR_BIT);

		assert_int_equal(client, model[n]);
		assert_int_equal(server,
				 model[n] == FLOW_NONE ? FLOW_NONE : model[n] | FLOW_DIR_BIT);
		// The other family's flow of this number is another flow.
		assert_int_equal(check_lookup(t, n, !ipv6, 0), FLOW_NONE);
		if (model[n] != FLOW_NONE) {
			assert_int_equal(flow_at(t, client)->server, n);
			if (random_next(&seed) % 3 == 0) {
				flow_delete(t, model[n]);
				model[n] = FLOW_NONE;
				live--;
			}
		} else {
			model[n] = check_insert(t, n, ipv6, NOW);
			if (model[n] == FLOW_NONE)
				assert_true(live == MAX || (ipv6 && t->free6 == FLOW_NONE));
			else
				live++;
		}
		assert_int_equal(flow_count(t), live);
		if (step % 5000 == 0)
			check_whole(t);
	}
	check_whole(t);
	flow_table_close(t);
}

static void takes_all_entries_and_not_one_more(void **state)
{
	enum { MAX = 20000, MAX6 = 1000 };
	struct flow_table *t = open_table(MAX, MAX6);
	uint32_t n = 0;

	(void)state;
	while (check_insert(t, n, false, NOW) != FLOW_NONE)
		n++;
	assert_int_equal(n, MAX);
	assert_int_equal(flow_count(t), MAX);
	assert_int_equal(flow_capacity(t), MAX);
	assert_int_equal(check_insert(t, n, true, NOW), FLOW_NONE);
	check_whole(t);
	for (uint32_t i = 0; i < n; i++)
		assert_int_not_equal(check_lookup(t, i, false, i % 2 ? FLOW_DIR_BIT : 0),
				     FLOW_NONE);
	// One leaves, one can come.
	flow_delete(t, check_lookup(t, 17, false, 0));
	assert_int_not_equal(check_insert(t, n, false, NOW), FLOW_NONE);
	assert_int_equal(check_insert(t, n + 1, false, NOW), FLOW_NONE);
	check_whole(t);
	flow_table_close(t);
}

static void gives_key_lines_to_no_more_ipv6_flows_than_asked(void **state)
{
	struct flow_table *t = open_table(100, 10);
	uint32_t n = 0;

	(void)state;
	while (check_insert(t, n, true, NOW) != FLOW_NONE)
		n++;
	assert_int_equal(n, 10);
	for (; check_insert(t, n, false, NOW) != FLOW_NONE; n++)
		;
	assert_int_equal(n, 100);
	check_whole(t);
	flow_table_close(t);
}

// So that a miss is cheap: at the load we allow nothing may be left to the stash.
static void leaves_the_stash_empty_at_full_load(void **state)
{
	enum { MAX = 100000 };
	struct flow_table *t = open_table(MAX, 0);
	uint64_t seed = 7;

	(void)state;
	for (uint32_t n = 0; n < MAX; n++)
		assert_int_not_equal(check_insert(t, n, false, NOW), FLOW_NONE);
	for (uint32_t n = MAX; n < 4 * MAX; n++) { // and with flows that come and go
		flow_delete(t, random_next(&seed) % MAX);
		assert_int_not_equal(check_insert(t, n, false, NOW), FLOW_NONE);
	}
	assert_int_equal(t->stash_count, 0);
	check_whole(t);
	flow_table_close(t);
}

// Hashes are the caller's: with all in one place, the stash is what is left.
static void uses_the_stash_and_then_refuses(void **state)
{
	struct flow_table *t = open_table(10000, 0);
	uint32_t index, n = 0;
	int rc;

	(void)state;
	for (;; n++) {
		index = flow_alloc(t, false);
		check_fill(t, index, n, false, NOW);
		// Client tuples in two buckets, server tuples where they belong.
		rc = flow_link(t, index, UINT64_C(0x8000000000000000) + 5,
			       flow_hash_of(t, index, FLOW_DIR_BIT), NOW);
		if (rc != 0)
			break;
	}
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(t->stash_count, FLOW_STASH);
	assert_true(n >= FLOW_STASH + FLOW_BUCKET_WAYS);
	assert_int_equal(flow_count(t), n);
	assert_int_equal(t->flow[index].flags & FLOW_F_VALID, 0);
	// The server tuple of the refused one is not left behind.
	assert_int_equal(check_lookup(t, n, false, FLOW_DIR_BIT), FLOW_NONE);
	flow_table_close(t);
}

// Room for one tuple only, the client's. Every other place holds a reference to an entry of no flow.
static void takes_the_client_tuple_back_when_the_server_tuple_finds_no_room(void **state)
{
	struct flow_table *t = open_table(SMALL, 0);
	uint32_t index = flow_alloc(t, false), home;
	uint64_t client, server;

	(void)state;
	check_fill(t, index, 1, false, NOW);
	client = flow_hash_of(t, index, 0);
	server = flow_hash_of(t, index, FLOW_DIR_BIT);
	home = flow_home(t, client);
	for (uint32_t b = 0; b < t->buckets; b++)
		for (uint32_t way = b == home; way < FLOW_BUCKET_WAYS; way++) {
			t->bucket[b].tag[way] = 1;
			t->bucket[b].ref[way] = SMALL - 1;
		}
	t->stash_count = FLOW_STASH;
	assert_int_equal(flow_link(t, index, client, server, NOW), -ENOSPC);
	assert_int_equal(check_lookup(t, 1, false, 0), FLOW_NONE);
	assert_int_equal(check_lookup(t, 1, false, FLOW_DIR_BIT), FLOW_NONE);
	assert_int_equal(t->bucket[home].tag[0], 0);

	memset(t->bucket, 0, t->buckets * sizeof(*t->bucket));
	t->stash_count = 0;
	flow_unalloc(t, index);
	check_whole(t);
	flow_table_close(t);
}

static void finds_a_flow_that_came_after_the_probe(void **state)
{
	struct flow_table *t = open_table(64, 0);
	uint32_t pair[2] = {5, 0x01020304};
	struct flow_key k;
	uint32_t index;

	(void)state;
	flow_key4(t, &k, flow_load64(pair), (uint16_t)35 | 80U << 16, 2, CHECK_PROTO_UDP);
	flow_probe(t, &k);
	assert_int_equal(flow_find(t, &k), FLOW_NONE);
	index = check_insert(t, 5, false, NOW);
	assert_int_equal(flow_find(t, &k), index);
	flow_probe(t, &k);
	flow_delete(t, index);
	assert_int_equal(flow_find(t, &k), FLOW_NONE);
	flow_table_close(t);
}

static void counts_packets_and_bytes_past_the_small_fields(void **state)
{
	struct flow_table *t = open_table(64, 0);
	uint32_t index = check_insert(t, 1, false, NOW);
	struct flow_key6 key6;
	struct flow_cold c;
	struct flow f;

	(void)state;
	for (unsigned i = 0; i < 200000; i++)
		flow_count_packet(t, index, flow_at(t, index), FLOW_TO_CLIENT, 60000);
	for (unsigned i = 0; i < 65536; i++)
		flow_count_packet(t, index, flow_at(t, index), FLOW_TO_SERVER, 1);
	assert_true(flow_copy(t, index, &f, &c, &key6));
	assert_int_equal(flow_packets(&f, &c, FLOW_TO_CLIENT), 200000);
	assert_int_equal(flow_bytes(&f, &c, FLOW_TO_CLIENT), UINT64_C(200000) * 60000);
	assert_int_equal(flow_packets(&f, &c, FLOW_TO_SERVER), 65536);
	assert_int_equal(flow_bytes(&f, &c, FLOW_TO_SERVER), 65536);
	flow_delete(t, index);
	assert_false(flow_copy(t, index, &f, &c, &key6));
	flow_table_close(t);
}

static void costs_111_bytes_per_ipv4_flow(void **state)
{
	(void)state;
	assert_true(flow_table_bytes(10000000, 0) <= UINT64_C(10000000) * 112);
	assert_true(flow_table_bytes(10000000, 0) >= UINT64_C(10000000) * 111);
	assert_true(flow_table_bytes(1 << 20, 1 << 20) - flow_table_bytes(1 << 20, 0) <=
		    (UINT64_C(64) << 20) + (UINT64_C(2) << 20));
}

static void refuses_sizes_outside_its_limits(void **state)
{
	struct flow_conf conf = {.max = 15};
	struct flow_table *t = NULL;
	uint32_t taken;

	(void)state;
	assert_int_equal(flow_table_open(&conf, NOW, &t, &taken), -EINVAL);
	conf.max = FLOW_MAX + 1;
	assert_int_equal(flow_table_open(&conf, NOW, &t, &taken), -EINVAL);
	conf.max = 16;
	conf.max6 = 17;
	assert_int_equal(flow_table_open(&conf, NOW, &t, &taken), -EINVAL);
	assert_null(t);
	conf.max6 = 16;
	assert_int_equal(flow_table_open(&conf, NOW, &t, &taken), 0);
	flow_table_close(t);
	flow_table_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_a_model_over_random_histories),
		cmocka_unit_test(takes_all_entries_and_not_one_more),
		cmocka_unit_test(gives_key_lines_to_no_more_ipv6_flows_than_asked),
		cmocka_unit_test(leaves_the_stash_empty_at_full_load),
		cmocka_unit_test(uses_the_stash_and_then_refuses),
		cmocka_unit_test(takes_the_client_tuple_back_when_the_server_tuple_finds_no_room),
		cmocka_unit_test(finds_a_flow_that_came_after_the_probe),
		cmocka_unit_test(counts_packets_and_bytes_past_the_small_fields),
		cmocka_unit_test(costs_111_bytes_per_ipv4_flow),
		cmocka_unit_test(refuses_sizes_outside_its_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
