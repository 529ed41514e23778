// SPDX-License-Identifier: BSD-3-Clause
//
// The transaction: one at a time, each step started by the answer to the one before.
//
//	begin -> prepare .. prepared -> journal -> commit .. committed -> running is new -> finish(0)
//	                          '-> abort .. aborted -> finish(error)

#include "control/datastore/check.h"
#include "control/datastore/datastore_priv.h"
#include "control/datastore/errors.h"

#include <libyang/libyang.h>

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void finish(struct ds *ds, int rc)
{
	struct txn_result *r = ds->result;
	ds_done_fn done = ds->done;
	void *arg = ds->done_arg;

	if (rc != 0 && r->error_count == 0)
		errors_add(r, rc == -ENOMEM ? "resource-denied" : "operation-failed", NULL, NULL,
			   "%s", strerror(-rc));
	r->result = rc;
	lyd_free_all(ds->diff);
	ds->diff = NULL;
	lyd_free_all(ds->scratch.root);
	ds->scratch.root = NULL;
	touched_clear(&ds->scratch_touched);
	ds->busy = false;
	if (rc != 0 && ds->undo) {
		struct txn_result *ignored = calloc(1, sizeof(*ignored));

		// the candidate was free of edits before; leaving this one there would commit it later
		if (ignored == NULL || ds_discard(ds, ignored) != 0)
			abort();
		free(ignored);
	}
	ds->undo = false;
	ds->result = NULL;
	if (rc == 0 && ds_version(ds) - ds->checkpoint_version >= ds->conf.checkpoint_every)
		ds_checkpoint(ds, false);
	done(arg, rc, r);
	free(r);
}

static void take_warnings(struct ds *ds, const struct txn_result *r)
{
	struct txn_result *mine = ds->result;

	for (unsigned i = 0; i < r->warning_count && mine->warning_count < TXN_WARNING_MAX; i++)
		memcpy(mine->warning[mine->warning_count++], r->warning[i], sizeof(r->warning[i]));
}

static void committed(void *arg, const struct txn_result *r)
{
	struct ds *ds = arg;
	struct tree_log log = {0};

	take_warnings(ds, r);
	if (tree_apply(&ds->running, ds->diff, false, &log, ds->result) != 0) {
		// It is on disk and in force, and our memory does not follow: only a start from the
		// journal is right now.
		fprintf(stderr, "sluiced: running does not follow the journal: %s %s\n",
			ds->result->error[0].path, ds->result->error[0].message);
		abort();
	}
	tree_log_fini(&log);
	if (ds->in_candidate) {
		touched_clear(&ds->touched);
		ds->unchecked = false;
	} else if (touched_add_all(&ds->touched, &ds->scratch_touched) != 0) {
		abort(); // out of memory where no answer would be true
	}
	finish(ds, 0);
}

static void aborted(void *arg, const struct txn_result *r)
{
	struct ds *ds = arg;

	(void)r;
	finish(ds, ds->result->result);
}

static void give_up(struct ds *ds, int rc)
{
	ds->result->result = rc;
	if (ds->conf.txn != NULL)
		ds->conf.txn->abort(&ds->change, aborted, ds);
	else
		aborted(ds, ds->result);
}

static void prepared(void *arg, const struct txn_result *r)
{
	struct ds *ds = arg;
	struct txn_result *mine = ds->result;
	int rc;

	take_warnings(ds, r);
	if (r->result != 0) {
		for (unsigned i = 0; i < r->error_count && mine->error_count < TXN_ERROR_MAX; i++)
			mine->error[mine->error_count++] = r->error[i];
		finish(ds, r->result); // those that were prepared are aborted already
		return;
	}
	rc = ds_journal(ds, &ds->who, ds->diff);
	if (rc != 0) {
		errors_add(mine, rc == -ENOSPC ? "resource-denied" : "operation-failed", NULL, NULL,
			   "the change cannot be written to the journal: %s", strerror(-rc));
		give_up(ds, rc);
		return;
	}
	if (ds->conf.txn != NULL)
		ds->conf.txn->commit(&ds->change, committed, ds);
	else
		committed(ds, r);
}

static void copy_who(struct ds *ds, const struct ds_who *who)
{
	snprintf(ds->user, sizeof(ds->user), "%s", who->user);
	snprintf(ds->transport, sizeof(ds->transport), "%s", who->transport);
	snprintf(ds->comment, sizeof(ds->comment), "%s", who->comment != NULL ? who->comment : "");
	ds->who = *who;
	ds->who.user = ds->user;
	ds->who.transport = ds->transport;
	ds->who.comment = ds->comment;
}

// Everything is checked: make the difference and let the modules prepare it.
static void begin(struct ds *ds, const struct ds_who *who, const struct edit_guard *guard)
{
	struct tree *after = ds->in_candidate ? &ds->candidate : &ds->scratch;
	int rc;

	copy_who(ds, who);
	rc = diff_make(&ds->running, after, ds->in_candidate ? &ds->touched : &ds->scratch_touched,
		       &ds->diff);
	if (rc == 0 && ds->diff != NULL)
		rc = ds_ask(guard, ds->diff, ds->result);
	if (rc != 0) {
		finish(ds, rc);
		return;
	}
	if (ds->diff == NULL) { // nothing to do is well done
		if (ds->in_candidate) {
			touched_clear(&ds->touched);
			ds->unchecked = false;
		}
		finish(ds, 0);
		return;
	}
	ds->change = (struct txn_change){
		.before = ds->running.root,
		.after = after->root,
		.diff = ds->diff,
		.base = ds_version(ds),
		.target = ds_version(ds) + 1,
		.require_all = who->require_all,
	};
	memcpy(ds->change.datastore, ds_id(ds), sizeof(ds->change.datastore));
	if (ds->conf.txn != NULL) {
		ds->conf.txn->prepare(ds->conf.base, &ds->change, prepared, ds);
	} else {
		struct txn_result *r = calloc(1, sizeof(*r));

		if (r == NULL) {
			finish(ds, -ENOMEM);
			return;
		}
		prepared(ds, r);
		free(r);
	}
}

static int start(struct ds *ds, ds_done_fn done, void *arg)
{
	assert(!ds->busy);
	ds->done = done;
	ds->done_arg = arg;
	ds->result = calloc(1, sizeof(*ds->result));
	if (ds->result == NULL) {
		static struct txn_result nomem; // too large for a stack that is short of memory

		nomem.result = -ENOMEM;
		nomem.error_count = 0;
		errors_add(&nomem, "resource-denied", NULL, NULL, "out of memory");
		done(arg, -ENOMEM, &nomem);
		return -ENOMEM;
	}
	ds->busy = true;
	ds->undo = false;
	return 0;
}

void ds_commit(struct ds *ds, const struct ds_who *who, const struct edit_guard *guard,
	       ds_done_fn done, void *arg)
{
	int rc = 0;

	if (start(ds, done, arg) != 0)
		return;
	ds->in_candidate = true;
	if (ds->unchecked)
		rc = check_all(&ds->candidate, ds->result);
	if (rc != 0)
		finish(ds, rc);
	else
		begin(ds, who, guard);
}

void ds_edit_running(struct ds *ds, const struct ds_who *who, const struct lyd_node *edit,
		     enum edit_op dflt, enum ds_test test, const struct edit_guard *guard,
		     ds_done_fn done, void *arg)
{
	struct tree_log log = {0};
	struct tree *t;
	int rc;

	if (start(ds, done, arg) != 0)
		return;
	// Constraints of running hold at the end of every edit (RFC 7950 section 8.3.3): `set` is tested too.
	ds->in_candidate = !ds_candidate_changed(ds);
	t = ds->in_candidate ? &ds->candidate : &ds->scratch;
	if (!ds->in_candidate && ds->running.root != NULL &&
	    lyd_dup_siblings(ds->running.root, NULL, LYD_DUP_RECURSIVE, &t->root) != LY_SUCCESS) {
		finish(ds, -ENOMEM);
		return;
	}
	rc = edit_apply(t, edit, dflt, guard, &log, ds->result);
	if (rc == 0)
		rc = check_edit(t, &log, ds->result);
	if (rc == 0)
		rc = touched_add_log(ds->in_candidate ? &ds->touched : &ds->scratch_touched, &log);
	if (rc != 0 || test == DS_TEST_ONLY) {
		tree_undo(t, &log, 0);
		if (ds->in_candidate)
			touched_clear(&ds->touched);
		tree_log_fini(&log);
		finish(ds, rc);
		return;
	}
	tree_log_fini(&log);
	ds->undo = ds->in_candidate;
	begin(ds, who, NULL);
}

// ---- validate

static int module_checks(struct ds *ds, const struct tree *after, const struct touched *set,
			 struct txn_result *r)
{
	struct txn_change c = {.before = ds->running.root,
			       .after = after->root,
			       .base = ds_version(ds),
			       .target = ds_version(ds) + 1};
	struct lyd_node *diff = NULL;
	int rc;

	if (ds->conf.txn == NULL)
		return 0;
	rc = diff_make(&ds->running, after, set, &diff);
	if (rc != 0 || diff == NULL)
		return rc;
	c.diff = diff;
	memcpy(c.datastore, ds_id(ds), sizeof(c.datastore));
	rc = ds->conf.txn->check(&c, r);
	lyd_free_all(diff);
	return rc;
}

int ds_validate_candidate(struct ds *ds, struct txn_result *r)
{
	int rc = ds->unchecked ? check_all(&ds->candidate, r) : 0;

	return rc != 0 ? rc : module_checks(ds, &ds->candidate, &ds->touched, r);
}

int ds_validate_running(struct ds *ds, struct txn_result *r)
{
	return check_all(&ds->running, r);
}

int ds_validate_config(struct ds *ds, const struct lyd_node *config, struct txn_result *r)
{
	struct tree_log log = {0};
	struct tree t = {0};
	int rc;

	rc = edit_apply(&t, config, EDIT_MERGE, NULL, &log, r);
	if (rc == 0)
		rc = check_edit(&t, &log, r);
	if (rc == 0)
		rc = module_checks(ds, &t, NULL, r);
	tree_log_fini(&log);
	lyd_free_all(t.root);
	return rc;
}
