// SPDX-License-Identifier: BSD-3-Clause
//
// The transaction with a module of the test's own, history, and starts after ends of all kinds.

#include "tests/unit/control/datastore/models.h"

#include "control/datastore/datastore.h"
#include "control/datastore/errors.h"

#include <libyang/libyang.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

// ---- a module that does as told

static struct {
	int prepare_rc;
	unsigned prepared, committed, aborted, checked;
	bool hold; // answer prepare later
	txn_done_fn done;
	void *arg;
} fake;

static int fake_check(const struct txn_change *c, struct txn_result *r)
{
	(void)c;
	(void)r;
	fake.checked++;
	return 0;
}

static void fake_answer(void)
{
	static struct txn_result r;

	memset(&r, 0, sizeof(r));
	r.result = fake.prepare_rc;
	if (r.result != 0)
		errors_add(&r, "resource-denied", NULL, "/a:b", "no memory for it");
	fake.done(fake.arg, &r);
}

static void fake_prepare(struct event_base *base, const struct txn_change *c, txn_done_fn done,
			 void *arg)
{
	(void)base;
	assert_non_null(c->diff);
	assert_int_equal(c->target, c->base + 1);
	fake.prepared++;
	fake.done = done;
	fake.arg = arg;
	if (!fake.hold)
		fake_answer();
}

static void fake_commit(const struct txn_change *c, txn_done_fn done, void *arg)
{
	static struct txn_result r;

	(void)c;
	memset(&r, 0, sizeof(r));
	r.warning_count = 1;
	strcpy(r.warning[0], "an app is away");
	fake.committed++;
	done(arg, &r);
}

static void fake_abort(const struct txn_change *c, txn_done_fn done, void *arg)
{
	static const struct txn_result r;

	(void)c;
	fake.aborted++;
	done(arg, &r);
}

static const struct ds_txn fake_txn = {fake_check, fake_prepare, fake_commit, fake_abort};

// ---- helpers

static char dir[64], noticed[2048];

static void on_notice(const char *text)
{
	snprintf(noticed, sizeof(noticed), "%s", text);
}

static void clear_dir(void)
{
	struct dirent *e;
	DIR *d = opendir(dir);

	while (d != NULL && (e = readdir(d)) != NULL)
		(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		closedir(d);
}

static int setup(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	strcpy(dir, "/tmp/datastore-test-XXXXXX");
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	clear_dir();
	return rmdir(dir);
}

static struct ds *open_ds(void)
{
	struct ds_conf conf = {.ctx = models(), .dir = dir, .txn = &fake_txn, .notice = on_notice};
	struct ds *ds = NULL;
	char err[1024];

	noticed[0] = '\0';
	if (ds_open(&conf, &ds, err, sizeof(err)) != 0)
		fail_msg("%s", err);
	return ds;
}

static struct txn_result last;
static int last_rc;
static unsigned calls;

static void on_done(void *arg, int rc, const struct txn_result *r)
{
	(void)arg;
	last = *r;
	last_rc = rc;
	calls++;
}

static const struct ds_who who = {
	.user = "ann", .transport = "test", .comment = "why", .session = 7};

static int commit(struct ds *ds)
{
	last_rc = 1;
	ds_commit(ds, &who, NULL, on_done, NULL);
	return last_rc;
}

static int edit(struct ds *ds, const char *json)
{
	struct lyd_node *tree = parse(json);
	int rc;

	memset(&last, 0, sizeof(last));
	rc = ds_edit(ds, tree, EDIT_MERGE, DS_TEST_THEN_SET, NULL, &last);
	lyd_free_all(tree);
	return rc;
}

static const char *size_is(unsigned n)
{
	static char text[4][64];
	static unsigned next;
	char *out = text[next++ % 4];

	snprintf(out, 64, "\"flow-table\":{\"size\":%u}", n);
	return in_lb(out);
}

// ---- tests

static void starts_empty_and_keeps_what_was_committed(void **state)
{
	struct ds *ds = open_ds();

	(void)state;
	assert_int_equal(ds_version(ds), 0);
	assert_null(ds_running(ds)->root);
	assert_int_equal(edit(ds, size_is(2000)), 0);
	assert_true(ds_candidate_changed(ds));
	assert_null(ds_running(ds)->root);
	assert_int_equal(commit(ds), 0);
	assert_int_equal(last.warning_count, 1);
	assert_int_equal(ds_version(ds), 1);
	assert_false(ds_candidate_changed(ds));
	assert_tree_is(ds_running(ds), size_is(2000));
	ds_close(ds);
	ds = open_ds();
	assert_int_equal(ds_version(ds), 1);
	assert_tree_is(ds_running(ds), size_is(2000));
	assert_tree_is(ds_candidate(ds), size_is(2000));
	ds_close(ds);
}

static void a_commit_of_nothing_makes_no_version(void **state)
{
	struct ds *ds = open_ds();

	(void)state;
	assert_int_equal(commit(ds), 0);
	assert_int_equal(edit(ds, size_is(2000)), 0);
	assert_int_equal(commit(ds), 0);
	assert_int_equal(edit(ds, size_is(3000)), 0);
	assert_int_equal(edit(ds, size_is(2000)), 0);
	assert_int_equal(commit(ds), 0);
	assert_int_equal(ds_version(ds), 1);
	assert_int_equal(fake.prepared, 1);
	assert_false(ds_candidate_changed(ds));
	ds_close(ds);
}

static void a_refusal_changes_nothing(void **state)
{
	struct ds *ds = open_ds();

	(void)state;
	assert_int_equal(edit(ds, size_is(2000)), 0);
	fake.prepare_rc = -ENOMEM;
	assert_int_equal(commit(ds), -ENOMEM);
	assert_string_equal(last.error[0].tag, "resource-denied");
	assert_string_equal(last.error[0].path, "/a:b");
	assert_int_equal(ds_version(ds), 0);
	assert_int_equal(fake.committed, 0);
	assert_int_equal(fake.aborted, 0); // a prepare that failed has undone itself
	assert_null(ds_running(ds)->root);
	assert_tree_is(ds_candidate(ds), size_is(2000)); // to be mended or discarded
	assert_false(ds_busy(ds));
	fake.prepare_rc = 0;
	assert_int_equal(commit(ds), 0);
	assert_int_equal(ds_version(ds), 1);
	ds_close(ds);
}

static void an_edit_of_running_that_is_refused_leaves_the_candidate_clean(void **state)
{
	struct ds *ds = open_ds();
	struct lyd_node *tree = parse(size_is(2000));

	(void)state;
	fake.prepare_rc = -EINVAL;
	ds_edit_running(ds, &who, tree, EDIT_MERGE, DS_TEST_THEN_SET, NULL, on_done, NULL);
	assert_int_equal(last_rc, -EINVAL);
	assert_false(ds_candidate_changed(ds));
	assert_null(ds_candidate(ds)->root);
	fake.prepare_rc = 0;
	ds_edit_running(ds, &who, tree, EDIT_MERGE, DS_TEST_ONLY, NULL, on_done, NULL);
	assert_int_equal(last_rc, 0);
	assert_null(ds_running(ds)->root);
	ds_edit_running(ds, &who, tree, EDIT_MERGE, DS_TEST_THEN_SET, NULL, on_done, NULL);
	assert_int_equal(last_rc, 0);
	assert_tree_is(ds_running(ds), size_is(2000));
	assert_tree_is(ds_candidate(ds), size_is(2000));
	lyd_free_all(tree);
	ds_close(ds);
}

// The candidate is a whole configuration: what is committed to running behind its back, its commit takes back.
static void an_edit_of_running_spares_a_changed_candidate(void **state)
{
	struct ds *ds = open_ds();
	struct lyd_node *tree = parse("{\"ietf-system:system\":{\"hostname\":\"a\"}}");

	(void)state;
	assert_int_equal(edit(ds, size_is(2000)), 0);
	ds_edit_running(ds, &who, tree, EDIT_MERGE, DS_TEST_THEN_SET, NULL, on_done, NULL);
	assert_int_equal(last_rc, 0);
	assert_tree_is(ds_running(ds), "{\"ietf-system:system\":{\"hostname\":\"a\"}}");
	assert_tree_is(ds_candidate(ds), size_is(2000));
	assert_int_equal(commit(ds), 0);
	assert_tree_is(ds_running(ds), size_is(2000));
	lyd_free_all(tree);
	ds_close(ds);
}

static void answers_once_while_a_module_thinks(void **state)
{
	struct ds *ds = open_ds();
	unsigned before = calls;

	(void)state;
	fake.hold = true;
	assert_int_equal(edit(ds, size_is(2000)), 0);
	ds_commit(ds, &who, NULL, on_done, NULL);
	assert_true(ds_busy(ds));
	assert_int_equal(calls, before);
	assert_null(ds_running(ds)->root); // running is what it was, and may be read
	fake_answer();
	assert_int_equal(calls, before + 1);
	assert_false(ds_busy(ds));
	assert_tree_is(ds_running(ds), size_is(2000));
	ds_close(ds);
}

static void an_end_within_a_transaction_is_the_old_configuration(void **state)
{
	struct ds *ds = open_ds();

	(void)state;
	assert_int_equal(edit(ds, size_is(2000)), 0);
	assert_int_equal(commit(ds), 0);
	fake.hold = true;
	assert_int_equal(edit(ds, size_is(3000)), 0);
	ds_commit(ds, &who, NULL, on_done, NULL);
	ds_close(ds); // before the commit point
	ds = open_ds();
	assert_int_equal(ds_version(ds), 1);
	assert_tree_is(ds_running(ds), size_is(2000));
	ds_close(ds);
}

static void goes_back_to_every_version(void **state)
{
	struct ds *ds = open_ds();
	char *meta, *diff;

	(void)state;
	for (unsigned v = 1; v <= 20; v++) {
		assert_int_equal(edit(ds, size_is(2000 + v)), 0);
		assert_int_equal(commit(ds), 0);
	}
	for (unsigned v = 1; v <= 20; v++) {
		struct tree t = {0};

		assert_int_equal(ds_tree_at(ds, v, &t), 0);
		assert_tree_is(&t, size_is(2000 + v));
		lyd_free_all(t.root);
	}
	memset(&last, 0, sizeof(last));
	assert_int_equal(ds_rollback(ds, 3, NULL, &last), 0);
	assert_tree_is(ds_candidate(ds), size_is(2003));
	assert_tree_is(ds_running(ds), size_is(2020));
	assert_int_equal(commit(ds), 0);
	assert_int_equal(ds_version(ds), 21);
	assert_tree_is(ds_running(ds), size_is(2003));
	assert_int_equal(ds_rollback(ds, 0, NULL, &last), 0);
	assert_null(ds_candidate(ds)->root);
	assert_int_equal(ds_rollback(ds, 22, NULL, &last), -ENOENT);
	assert_int_equal(ds_discard(ds, &last), 0);
	assert_tree_is(ds_candidate(ds), size_is(2003));
	assert_int_equal(ds_change_read(ds, 21, &meta, &diff), 0);
	assert_non_null(strstr(meta, "\"user\":\"ann\""));
	assert_non_null(strstr(meta, "\"comment\":\"why\""));
	assert_non_null(strstr(diff, "2003"));
	free(meta);
	free(diff);
	assert_int_equal(ds_change_read(ds, 22, &meta, &diff), -ENOENT);
	ds_close(ds);
}

static void discard_takes_back_all_kinds_of_edits(void **state)
{
	static const char rules[] =
		"{\"ietf-netconf-acm:nacm\":{\"rule-list\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}";
	struct ds *ds = open_ds();
	char *before, *after;

	(void)state;
	assert_int_equal(edit(ds, rules), 0);
	assert_int_equal(edit(ds, size_is(2000)), 0);
	assert_int_equal(commit(ds), 0);
	before = print(ds_candidate(ds)->root);
	assert_int_equal(
		edit(ds,
		     "{\"ietf-netconf-acm:nacm\":{\"rule-list\":[{\"name\":\"b\",\"@\":{\"yang:insert\":\"first\"}}]}}"),
		0);
	assert_int_equal(
		edit(ds,
		     "{\"sluice-lb:load-balancers\":{\"@\":{\"ietf-netconf:operation\":\"delete\"}}}"),
		0);
	assert_int_equal(edit(ds, "{\"ietf-system:system\":{\"hostname\":\"x\"}}"), 0);
	memset(&last, 0, sizeof(last));
	assert_int_equal(ds_discard(ds, &last), 0);
	after = print(ds_candidate(ds)->root);
	assert_tree_is(ds_candidate(ds), before);
	assert_non_null(strstr(after, "\"a\"},{\"name\":\"b\""));
	assert_false(ds_candidate_changed(ds));
	free(before);
	free(after);
	ds_close(ds);
}

static void an_untested_edit_is_tested_at_the_commit(void **state)
{
	struct ds *ds = open_ds();
	struct lyd_node *tree =
		parse(in_lb("\"services\":{\"service\":[{\"name\":\"w\",\"pool\":\"nowhere\"}]}"));

	(void)state;
	memset(&last, 0, sizeof(last));
	assert_int_equal(ds_edit(ds, tree, EDIT_MERGE, DS_SET, NULL, &last), 0);
	assert_int_equal(ds_validate_candidate(ds, &last), -EINVAL);
	assert_int_equal(commit(ds), -EINVAL);
	assert_int_equal(fake.prepared, 0);
	memset(&last, 0, sizeof(last));
	assert_int_equal(ds_discard(ds, &last), 0);
	assert_int_equal(ds_validate_candidate(ds, &last), 0);
	lyd_free_all(tree);
	ds_close(ds);
}

static void nothing_is_committed_that_the_disk_does_not_take(void **state)
{
	struct ds *ds = open_ds();
	struct ds *second = NULL;
	struct ds_conf conf = {
		.ctx = models(), .dir = "/nonexistent/datastore", .notice = on_notice};
	char err[1024];

	(void)state;
	assert_true(ds_open(&conf, &second, err, sizeof(err)) < 0);
	assert_non_null(strstr(err, "/nonexistent/datastore"));
	ds_close(ds);
}

// Checkpoints are an aid, never the truth: damaged, foreign or too new, they are passed over.
static void a_bad_checkpoint_is_passed_over(void **state)
{
	char path[128];
	uint8_t byte = 0;
	struct ds *ds;

	(void)state;
	ds = open_ds();
	for (unsigned v = 1; v <= 3; v++) {
		assert_int_equal(edit(ds, size_is(2000 + v)), 0);
		assert_int_equal(commit(ds), 0);
	}
	ds_close(ds);
	snprintf(path, sizeof(path), "%s/checkpoint.3", dir);
	assert_int_equal(access(path, R_OK), 0);
	for (off_t at = 0; at < 140; at += 7) {
		int fd = open(path, O_RDWR);
		bool passed;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x08;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		ds = open_ds();
		passed = strstr(noticed, "checkpoint.3") != NULL;
		assert_int_equal(ds_version(ds), 3);
		assert_tree_is(ds_running(ds), size_is(2003));
		ds_close(ds); // writes it anew
		assert_true(passed);
		close(fd);
	}
	// of a version that the journal does not have
	{
		char other[128];

		snprintf(other, sizeof(other), "%s/checkpoint.9", dir);
		assert_int_equal(rename(path, other), 0);
		ds = open_ds();
		assert_int_equal(ds_version(ds), 3);
		assert_tree_is(ds_running(ds), size_is(2003));
		ds_close(ds);
	}
}

static void a_new_node_takes_the_factory_configuration(void **state)
{
	char path[128], err[1024];
	struct ds_conf conf = {.ctx = models(), .dir = dir, .factory = path, .notice = on_notice};
	struct ds *ds = NULL;
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/factory.json", dir);
	f = fopen(path, "w");
	fputs(size_is(3), f); // out of range
	fclose(f);
	assert_int_equal(ds_open(&conf, &ds, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "flow-table/size"));
	f = fopen(path, "w");
	fputs(size_is(4096), f);
	fclose(f);
	assert_int_equal(ds_open(&conf, &ds, err, sizeof(err)), 0);
	assert_int_equal(ds_version(ds), 1);
	assert_tree_is(ds_running(ds), size_is(4096));
	assert_tree_is(ds_candidate(ds), size_is(4096));
	ds_close(ds);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(starts_empty_and_keeps_what_was_committed),
		T(a_commit_of_nothing_makes_no_version),
		T(a_refusal_changes_nothing),
		T(an_edit_of_running_that_is_refused_leaves_the_candidate_clean),
		T(an_edit_of_running_spares_a_changed_candidate),
		T(answers_once_while_a_module_thinks),
		T(an_end_within_a_transaction_is_the_old_configuration),
		T(goes_back_to_every_version),
		T(discard_takes_back_all_kinds_of_edits),
		T(an_untested_edit_is_tested_at_the_commit),
		T(nothing_is_committed_that_the_disk_does_not_take),
		T(a_bad_checkpoint_is_passed_over),
		T(a_new_node_takes_the_factory_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
