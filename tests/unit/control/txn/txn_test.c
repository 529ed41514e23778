// SPDX-License-Identifier: BSD-3-Clause
//
// The order of a transaction, refusals, deadlines, with modules that only write down what they are told.

#include "control/txn/txn.h"

#include <event2/event.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct {
	struct event_base *base;
	char log[512];
	// what a module does in a call: 0 answers at once, 1 refuses, 2 keeps silent
	int check_b, prepare_b, commit_a, abort_a;
	txn_done_fn silent_done;
	void *silent_arg;
	struct txn_result last;
	unsigned done;
} t;

static void note(const char *what)
{
	size_t len = strlen(t.log);

	snprintf(t.log + len, sizeof(t.log) - len, "%s ", what);
}

static void answer(int how, txn_done_fn done, void *arg, const char *text)
{
	struct txn_result *r = calloc(1, sizeof(*r));

	if (how == 2) {
		t.silent_done = done;
		t.silent_arg = arg;
	} else {
		if (how == 1)
			txn_refuse(r, -EINVAL, "in-use", NULL, "/path", "%s", text);
		else
			txn_warn(r, "%s", text);
		done(arg, r);
	}
	free(r);
}

static int check_ok(const struct txn_change *c, struct txn_result *r)
{
	return 0;
}

static int check_b(const struct txn_change *c, struct txn_result *r)
{
	return t.check_b ? txn_refuse(r, -EINVAL, "data-missing", NULL, "/b", "b wants more") : 0;
}

#define MODULE(x, prep, com, ab)                                                                   \
	static void prepare_##x(const struct txn_change *c, txn_done_fn done, void *arg)           \
	{                                                                                          \
		note("prepare-" #x);                                                               \
		answer(prep, done, arg, "warning of " #x);                                         \
	}                                                                                          \
	static void commit_##x(const struct txn_change *c, txn_done_fn done, void *arg)            \
	{                                                                                          \
		note("commit-" #x);                                                                \
		answer(com, done, arg, "commit of " #x);                                           \
	}                                                                                          \
	static void abort_##x(const struct txn_change *c, txn_done_fn done, void *arg)             \
	{                                                                                          \
		note("abort-" #x);                                                                 \
		answer(ab, done, arg, "abort of " #x);                                             \
	}                                                                                          \
	static void state_##x(struct lyd_node **tree, txn_done_fn done, void *arg)                 \
	{                                                                                          \
		note("state-" #x);                                                                 \
		answer(0, done, arg, "state of " #x);                                              \
	}

MODULE(a, 0, t.commit_a, t.abort_a)
MODULE(b, t.prepare_b, 0, 0)
MODULE(c, 0, 0, 0)

static const struct txn_module modules[] = {
	{"a", check_ok, prepare_a, commit_a, abort_a, state_a},
	{"b", check_b, prepare_b, commit_b, abort_b, state_b},
	{"c", check_ok, prepare_c, commit_c, abort_c, state_c},
};

static void on_done(void *arg, const struct txn_result *r)
{
	t.last = *r;
	t.done++;
	event_base_loopbreak(t.base);
}

static int setup(void **state)
{
	memset(&t, 0, sizeof(t));
	t.base = event_base_new();
	for (int i = 0; i < 3; i++)
		assert_int_equal(txn_register(&modules[i]), 0);
	txn_set_deadline(30);
	return 0;
}

static int teardown(void **state)
{
	txn_unregister_all();
	txn_set_deadline(0);
	event_base_free(t.base);
	return 0;
}

static void wait_done(void)
{
	unsigned before = t.done;

	for (int i = 0; i < 100 && t.done == before; i++)
		event_base_loop(t.base, EVLOOP_ONCE);
	assert_int_equal(t.done, before + 1);
}

static void prepares_in_order_then_commits_in_order(void **state)
{
	struct txn_change c = {0};

	txn_prepare(t.base, &c, on_done, NULL);
	assert_int_equal(t.last.result, 0);
	assert_int_equal(t.last.warning_count, 3);
	txn_commit(&c, on_done, NULL);
	assert_int_equal(t.last.result, 0);
	assert_string_equal(t.log, "prepare-a prepare-b prepare-c commit-a commit-b commit-c ");
}

static void aborts_last_first(void **state)
{
	struct txn_change c = {0};

	txn_prepare(t.base, &c, on_done, NULL);
	txn_abort(&c, on_done, NULL);
	assert_string_equal(t.log, "prepare-a prepare-b prepare-c abort-c abort-b abort-a ");
	assert_int_equal(t.done, 2);
}

static void a_refusal_aborts_those_before_and_asks_nobody_after(void **state)
{
	struct txn_change c = {0};

	t.prepare_b = 1;
	txn_prepare(t.base, &c, on_done, NULL);
	assert_string_equal(t.log, "prepare-a prepare-b abort-a ");
	assert_int_equal(t.last.result, -EINVAL);
	assert_int_equal(t.last.error_count, 1);
	assert_string_equal(t.last.error[0].tag, "in-use");
	assert_string_equal(t.last.error[0].path, "/path");
	// and the next change is free to come
	t.prepare_b = 0;
	txn_prepare(t.base, &c, on_done, NULL);
	assert_int_equal(t.last.result, 0);
}

static void a_failed_check_prepares_nothing(void **state)
{
	struct txn_change c = {0};

	t.check_b = 1;
	txn_prepare(t.base, &c, on_done, NULL);
	assert_string_equal(t.log, "");
	assert_string_equal(t.last.error[0].path, "/b");
	assert_int_equal(txn_check(&c, &t.last), -EINVAL);
}

static void a_silent_prepare_fails_at_the_deadline_and_is_aborted_too(void **state)
{
	struct txn_result late = {0};
	struct txn_change c = {0};

	t.prepare_b = 2;
	txn_prepare(t.base, &c, on_done, NULL);
	assert_int_equal(t.done, 0);
	wait_done();
	assert_int_equal(t.last.result, -ETIMEDOUT);
	assert_string_equal(t.log, "prepare-a prepare-b abort-b abort-a ");
	assert_non_null(strstr(t.last.error[0].message, "module b"));
	// An answer that comes too late does not disturb the next transaction.
	t.prepare_b = 0;
	t.log[0] = '\0';
	txn_prepare(t.base, &c, on_done, NULL);
	t.silent_done(t.silent_arg, &late);
	assert_int_equal(t.done, 2);
	txn_commit(&c, on_done, NULL);
	assert_string_equal(t.log, "prepare-a prepare-b prepare-c commit-a commit-b commit-c ");
}

static void a_silent_commit_is_a_warning(void **state)
{
	struct txn_result late = {0};
	struct txn_change c = {0};

	t.commit_a = 2;
	txn_prepare(t.base, &c, on_done, NULL);
	txn_commit(&c, on_done, NULL);
	wait_done();
	assert_int_equal(t.last.result, 0);
	assert_string_equal(t.last.warning[0], "module a has not yet confirmed the change");
	assert_non_null(strstr(t.log, "commit-a commit-b commit-c"));
	t.silent_done(t.silent_arg, &late);
}

static void an_error_of_a_commit_is_a_warning(void **state)
{
	struct txn_change c = {0};

	t.commit_a = 1;
	txn_prepare(t.base, &c, on_done, NULL);
	txn_commit(&c, on_done, NULL);
	assert_int_equal(t.last.result, 0);
	assert_int_equal(t.last.error_count, 0);
	assert_string_equal(t.last.warning[0], "commit of a");
}

static void one_transaction_at_a_time(void **state)
{
	struct txn_change c = {0}, other = {0};

	txn_prepare(t.base, &c, on_done, NULL);
	txn_prepare(t.base, &other, on_done, NULL);
	assert_int_equal(t.last.result, -EBUSY);
	txn_commit(&other, on_done, NULL);
	assert_int_equal(t.last.result, -EINVAL);
	txn_commit(&c, on_done, NULL);
	assert_int_equal(t.last.result, 0);
	txn_commit(&c, on_done, NULL);
	assert_int_equal(t.last.result, -EINVAL);
}

static void collects_state_of_all(void **state)
{
	txn_state(NULL, on_done, NULL);
	assert_string_equal(t.log, "state-a state-b state-c ");
	assert_int_equal(t.last.warning_count, 3);
}

static void a_module_is_registered_once_and_whole(void **state)
{
	struct txn_module m = modules[0];

	assert_int_equal(txn_register(&m), -EEXIST);
	m.name = "d";
	m.commit = NULL;
	assert_int_equal(txn_register(&m), -EINVAL);
}

static void errors_over_the_limit_are_dropped(void **state)
{
	struct txn_result r = {0};

	for (int i = 0; i < TXN_ERROR_MAX + 3; i++)
		txn_refuse(&r, -EINVAL, "in-use", NULL, "/x", "%d", i);
	for (int i = 0; i < TXN_WARNING_MAX + 3; i++)
		txn_warn(&r, "%d", i);
	assert_int_equal(r.error_count, TXN_ERROR_MAX);
	assert_int_equal(r.warning_count, TXN_WARNING_MAX);
	assert_string_equal(r.error[0].message, "0");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(prepares_in_order_then_commits_in_order),
		T(aborts_last_first),
		T(a_refusal_aborts_those_before_and_asks_nobody_after),
		T(a_failed_check_prepares_nothing),
		T(a_silent_prepare_fails_at_the_deadline_and_is_aborted_too),
		T(a_silent_commit_is_a_warning),
		T(an_error_of_a_commit_is_a_warning),
		T(one_transaction_at_a_time),
		T(collects_state_of_all),
		T(a_module_is_registered_once_and_whole),
		T(errors_over_the_limit_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
