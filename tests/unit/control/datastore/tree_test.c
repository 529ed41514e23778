// SPDX-License-Identifier: BSD-3-Clause
//
// Changes at random, held against a tree parsed afresh from its own text; among them the pattern that crashes
// libyang 2.1.30 when its tables are left alone.

#include "tests/unit/control/datastore/models.h"

#include "control/datastore/diff.h"
#include "control/datastore/tree.h"
#include "control/txn/txn.h"

#include <libyang/libyang.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t seed;

static unsigned rnd(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)((seed >> 11) % n);
}

static struct lyd_node *servers_of(const struct tree *t)
{
	struct lyd_node *match = NULL;

	assert_int_equal(
		lyd_find_path(
			t->root,
			"/sluice-lb:load-balancers/load-balancer[name='lb']/pools/pool[name='p']/servers",
			0, &match),
		LY_SUCCESS);
	return match;
}

static struct lyd_node *new_server(unsigned n)
{
	struct lyd_node *list, *dup;
	char json[512], name[64];

	snprintf(name, sizeof(name), "s%u", n);
	snprintf(
		json, sizeof(json),
		"\"pools\":{\"pool\":[{\"name\":\"p\",\"servers\":{\"server\":[{\"name\":\"%s\",\"address\":"
		"\"10.0.%u.%u\",\"port\":80}]}}]}",
		name, n / 250 % 250, n % 250 + 1);
	list = parse(in_lb(json));
	struct tree t = {.root = list};

	assert_int_equal(lyd_dup_single(lyd_child(servers_of(&t)), NULL, LYD_DUP_RECURSIVE, &dup),
			 LY_SUCCESS);
	lyd_free_all(list);
	return dup;
}

static void start(struct tree *t, unsigned servers)
{
	struct tree_log log = {0};

	t->root = parse(in_lb(
		"\"pools\":{\"pool\":[{\"name\":\"p\",\"servers\":{\"server\":[{\"name\":\"s0\","
		"\"address\":\"10.0.0.1\",\"port\":80}]}}]}"));
	for (unsigned i = 1; i < servers; i++)
		assert_int_equal(tree_add(t, servers_of(t), new_server(i), &log), 0);
	tree_log_fini(&log);
}

static void same_as_parsed(const struct tree *t)
{
	char *text = print(t->root);

	assert_tree_is(t, text);
	free(text);
}

// "Add one, delete the oldest", many times in one small pool: libyang alone dies of it within some
// thousand steps.
static void a_pool_that_turns_over_does_not_crash(void **state)
{
	struct tree t = {0};

	(void)state;
	for (unsigned size = 1; size <= 24; size++) {
		start(&t, size);
		for (unsigned i = size; i < size + 1500; i++) {
			struct tree_log log = {0};
			struct lyd_node *found;

			assert_int_equal(tree_add(&t, servers_of(&t), new_server(i), &log), 0);
			assert_int_equal(tree_del(&t, lyd_child(servers_of(&t)), &log), 0);
			found = lyd_child(servers_of(&t));
			assert_ptr_equal(tree_find(found, found), found);
			tree_log_fini(&log);
		}
		same_as_parsed(&t);
		lyd_free_all(t.root);
	}
}

// Random adds, deletes and changes; half of the batches undone. After each the tree equals what it should.
static void random_changes_and_their_undoing_are_exact(void **state)
{
	struct tree t = {0};

	(void)state;
	for (unsigned run = 0; run < 20; run++) {
		unsigned next = 40;

		seed = 88172645463325252ull + run * 7919;
		start(&t, 1 + rnd(40));
		for (unsigned batch = 0; batch < 60; batch++) {
			struct tree_log log = {0};
			char *before = print(t.root);
			unsigned steps = 1 + rnd(12);

			for (unsigned i = 0; i < steps; i++) {
				struct lyd_node *servers = servers_of(&t), *s = lyd_child(servers),
						*port;

				if (s == NULL || rnd(5) < 2) {
					assert_int_equal(
						tree_add(&t, servers, new_server(next++), &log), 0);
					continue;
				}
				for (unsigned skip = rnd(20); skip > 0 && s->next != NULL; skip--)
					s = s->next;
				if (rnd(2)) {
					assert_int_equal(tree_del(&t, s, &log), 0);
					continue;
				}
				for (port = lyd_child(s); strcmp(port->schema->name, "port") != 0;
				     port = port->next)
					;
				assert_int_equal(tree_set(&t, port, rnd(2) ? "81" : "8080", &log),
						 0);
			}
			same_as_parsed(&t);
			if (rnd(2)) {
				tree_undo(&t, &log, 0);
				assert_tree_is(&t, before);
			}
			tree_log_fini(&log);
			free(before);
		}
		lyd_free_all(t.root);
	}
}

static void apply(struct tree *t, const struct lyd_node *diff, bool reverse)
{
	struct txn_result *r = calloc(1, sizeof(*r));
	struct tree_log log = {0};

	assert_non_null(r);
	if (tree_apply(t, diff, reverse, &log, r) != 0)
		fail_msg("%s %s", r->error[0].path, r->error[0].message);
	tree_log_fini(&log);
	free(r);
}

// A diff leads from one tree to the other and back, also through its text.
static void check_diff(const char *a, const char *b)
{
	struct tree ta = {.root = parse(a)}, tb = {.root = parse(b)};
	struct lyd_node *diff = NULL, *again;
	char *text;

	assert_int_equal(diff_make(&ta, &tb, NULL, &diff), 0);
	if (diff != NULL) {
		text = print(diff);
		again = parse(text);
		apply(&ta, again, false);
		assert_tree_is(&ta, b);
		apply(&ta, again, true);
		assert_tree_is(&ta, a);
		lyd_free_all(again);
		free(text);
	}
	lyd_free_all(diff);
	lyd_free_all(ta.root);
	lyd_free_all(tb.root);
}

static void diffs_lead_there_and_back(void **state)
{
	const char *configs[] = {
		"{}",
		in_lb(""),
		in_lb("\"pools\":{\"pool\":[{\"name\":\"p\",\"scheduler\":\"weighted-round-robin\"}]}"),
		in_lb("\"pools\":{\"pool\":[{\"name\":\"q\",\"health-check\":{\"type\":\"tcp\",\"interval\":5000}}]}"),
		in_lb("\"pools\":{\"pool\":[{\"name\":\"q\",\"health-check\":{\"type\":\"http\",\"http\":{\"path\":\"/\"}}}]},"
		      "\"flow-table\":{\"size\":2048}"),
		in_lb("\"local-address-pools\":{\"local-address-pool\":[{\"name\":\"l\",\"address\":[\"10.0.0.1\",\"10.0.0.2\"]}]}"),
		in_lb("\"local-address-pools\":{\"local-address-pool\":[{\"name\":\"l\",\"address\":[\"10.0.0.3\",\"10.0.0.2\"]}]}"),
		"{\"ietf-system:system\":{\"hostname\":\"a\"}}",
	};
	size_t n = sizeof(configs) / sizeof(*configs);

	(void)state;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n; k++)
			check_diff(configs[i], configs[k]);
}

// Order counts in user-ordered lists: every order of up to four rules into every other, and back.
static void order_of_rules(unsigned code, char *out, size_t size)
{
	unsigned left[4] = {0, 1, 2, 3}, count = 4, take = code % 5;
	size_t used = (size_t)snprintf(
		out, size, "{\"ietf-netconf-acm:nacm\":{\"rule-list\":[{\"name\":\"l\"");

	code /= 5;
	if (take > 0)
		used += (size_t)snprintf(out + used, size - used, ",\"rule\":[");
	for (unsigned i = 0; i < take; i++) {
		unsigned at = code % count;

		code /= count;
		used += (size_t)snprintf(out + used, size - used,
					 "%s{\"name\":\"r%u\",\"action\":\"%s\"}", i > 0 ? "," : "",
					 left[at], code % 2 ? "permit" : "deny");
		left[at] = left[--count];
	}
	snprintf(out + used, size - used, "%s}]}}", take > 0 ? "]" : "");
}

static void user_order_survives_diffs(void **state)
{
	char a[1024], b[1024], *text;
	struct tree t = {0};

	(void)state;
	seed = 4101842887655102017ull;
	for (unsigned i = 0; i < 3000; i++) {
		struct tree other;
		struct lyd_node *diff = NULL;

		order_of_rules(rnd(5 * 24 * 16), a, sizeof(a));
		order_of_rules(rnd(5 * 24 * 16), b, sizeof(b));
		check_diff(a, b);
		// assert_tree_is goes by diff_make itself: compare the texts as well
		t.root = parse(a);
		other.root = parse(b);
		assert_int_equal(diff_make(&t, &other, NULL, &diff), 0);
		apply(&t, diff, false);
		text = print(t.root);
		char *want = print(other.root);
		assert_string_equal(text, want);
		free(text);
		free(want);
		lyd_free_all(diff);
		lyd_free_all(t.root);
		lyd_free_all(other.root);
	}
}

static void a_diff_that_does_not_fit_is_refused(void **state)
{
	struct txn_result *r = calloc(1, sizeof(*r));
	struct tree a = {0}, b = {.root = parse(in_lb("\"flow-table\":{\"size\":2048}"))};
	struct lyd_node *diff = NULL;
	struct tree_log log = {0};

	(void)state;
	assert_non_null(r);
	assert_int_equal(diff_make(&a, &b, NULL, &diff), 0);
	assert_true(tree_apply(&b, diff, false, &log, r) < 0); // it is there already
	assert_int_equal(r->error_count, 1);
	assert_string_equal(r->error[0].path, "/sluice-lb:load-balancers");
	assert_true(tree_apply(&a, diff, true, &log, r) < 0); // it is missing
	assert_int_equal(log.count, 0);
	tree_log_fini(&log);
	lyd_free_all(diff);
	lyd_free_all(b.root);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pool_that_turns_over_does_not_crash),
		cmocka_unit_test(random_changes_and_their_undoing_are_exact),
		cmocka_unit_test(diffs_lead_there_and_back),
		cmocka_unit_test(user_order_survives_diffs),
		cmocka_unit_test(a_diff_that_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
