// SPDX-License-Identifier: BSD-3-Clause
//
// What changes the candidate. Every operation is done whole or undone by its log.

#include "control/datastore/check.h"
#include "control/datastore/datastore_priv.h"
#include "control/datastore/errors.h"

#include <libyang/libyang.h>

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

// Keep what the log did, or undo it.
static int settle(struct ds *ds, struct tree_log *log, int rc, bool keep, struct txn_result *r)
{
	if (rc == 0 && keep && touched_add_log(&ds->touched, log) != 0) {
		errors_add(r, "resource-denied", NULL, NULL, "out of memory");
		rc = -ENOMEM;
	}
	if (rc != 0 || !keep)
		tree_undo(&ds->candidate, log, 0);
	tree_log_fini(log);
	return rc;
}

int ds_edit(struct ds *ds, const struct lyd_node *edit, enum edit_op dflt, enum ds_test test,
	    const struct edit_guard *guard, struct txn_result *r)
{
	struct tree_log log = {0};
	int rc;

	assert(!ds->busy);
	rc = edit_apply(&ds->candidate, edit, dflt, guard, &log, r);
	if (rc == 0 && test != DS_SET)
		rc = check_edit(&ds->candidate, &log, r);
	if (rc == 0 && test == DS_SET && log.count > 0)
		ds->unchecked = true;
	return settle(ds, &log, rc, test != DS_TEST_ONLY, r);
}

int ds_load(struct ds *ds, const struct lyd_node *config, const struct edit_guard *guard,
	    struct txn_result *r)
{
	return ds_edit(ds, config, EDIT_REPLACE, DS_TEST_THEN_SET, guard, r);
}

int ds_discard(struct ds *ds, struct txn_result *r)
{
	struct lyd_node *diff = NULL;
	struct tree_log log = {0};
	int rc;

	assert(!ds->busy);
	rc = diff_make(&ds->candidate, &ds->running, &ds->touched, &diff);
	if (rc == 0)
		rc = tree_apply(&ds->candidate, diff, false, &log, r);
	lyd_free_all(diff);
	if (rc != 0) {
		if (r->error_count == 0)
			errors_add(r, "resource-denied", NULL, NULL, "out of memory");
		tree_undo(&ds->candidate, &log, 0);
	} else {
		touched_clear(&ds->touched);
		ds->unchecked = false;
	}
	tree_log_fini(&log);
	return rc;
}

static int ask(const struct edit_guard *guard, const struct lyd_node *diff, struct txn_result *r);

int ds_rollback(struct ds *ds, uint64_t version, const struct edit_guard *guard,
		struct txn_result *r)
{
	struct lyd_node *back = NULL, *diff = NULL;
	struct tree_log log = {0};
	int rc;

	assert(!ds->busy);
	if (version > ds_version(ds)) {
		errors_add(r, "invalid-value", NULL, NULL, "there is no version %" PRIu64, version);
		return -ENOENT;
	}
	// first back to running, then back through the history: both in one log
	rc = diff_make(&ds->candidate, &ds->running, &ds->touched, &back);
	if (rc == 0)
		rc = tree_apply(&ds->candidate, back, false, &log, r);
	lyd_free_all(back);
	if (rc == 0)
		rc = ds_undo_to(ds, &ds->candidate, version, &log, r);
	// models may have grown stricter since
	if (rc == 0)
		rc = check_edit(&ds->candidate, &log, r);
	if (rc == 0 && guard != NULL) {
		struct touched now = {0};

		rc = touched_add_log(&now, &log);
		if (rc == 0)
			rc = diff_make(&ds->running, &ds->candidate, &now, &diff);
		if (rc == 0)
			rc = ask(guard, diff, r);
		lyd_free_all(diff);
		touched_clear(&now);
	}
	if (rc != 0 && r->error_count == 0)
		errors_add(r, "operation-failed", NULL, NULL, "the history cannot be read");
	return settle(ds, &log, rc, true, r);
}

// The node at path in a tree, NULL if it is not there.
static int node_at(const struct tree *t, const char *path, struct lyd_node **out)
{
	LY_ERR err = t->root == NULL ? LY_ENOTFOUND
				     : lyd_find_path(lyd_first_sibling(t->root), path, false, out);

	if (err == LY_SUCCESS)
		return 0;
	*out = NULL; // LY_EINCOMPLETE gives an ancestor
	return err == LY_ENOTFOUND || err == LY_EINCOMPLETE ? 0 : -EINVAL;
}

// A copy of node under copies of its parents that asks for `operation`.
static struct lyd_node *edit_of(const struct lyd_node *node, bool whole, const char *operation)
{
	uint32_t options = LYD_DUP_WITH_PARENTS | (whole ? LYD_DUP_RECURSIVE : 0);
	struct lyd_node *edit = NULL, *top;

	if (lyd_dup_single(node, NULL, options, &edit) != LY_SUCCESS)
		return NULL;
	for (top = edit; lyd_parent(top) != NULL;)
		top = lyd_parent(top);
	if (lyd_new_meta(NULL, edit, NULL, "ietf-netconf:operation", operation, 0, NULL) !=
	    LY_SUCCESS) {
		lyd_free_all(top);
		return NULL;
	}
	return top;
}

int ds_rollback_path(struct ds *ds, uint64_t version, const char *path,
		     const struct edit_guard *guard, struct txn_result *r)
{
	struct lyd_node *then = NULL, *now = NULL, *edit;
	struct tree old = {0};
	int rc;

	assert(!ds->busy);
	if (version > ds_version(ds)) {
		errors_add(r, "invalid-value", NULL, NULL, "there is no version %" PRIu64, version);
		return -ENOENT;
	}
	// before anything is read: '//x' and the like are no instance paths
	if (lys_find_path(ds->conf.ctx, NULL, path, false) == NULL) {
		errors_add(r, "invalid-value", NULL, path, "no path of a configuration node");
		return -EINVAL;
	}
	rc = ds_tree_at(ds, version, &old);
	if (rc != 0) {
		errors_add(r, "operation-failed", NULL, NULL, "the history cannot be read");
		return rc;
	}
	rc = node_at(&old, path, &then);
	if (rc == 0)
		rc = node_at(&ds->candidate, path, &now);
	if (rc != 0 || (then == NULL && now == NULL)) {
		errors_add(r, rc != 0 ? "invalid-value" : "data-missing", NULL, path,
			   rc != 0 ? "a path with all its keys is needed"
				   : "it is neither in version %" PRIu64 " nor in the candidate",
			   version);
		rc = rc != 0 ? rc : -ENOENT;
	} else {
		edit = then != NULL ? edit_of(then, true, "replace")
				    : edit_of(now, false, "remove");
		rc = edit == NULL ? -ENOMEM
				  : ds_edit(ds, edit, EDIT_MERGE, DS_TEST_THEN_SET, guard, r);
		if (edit == NULL)
			errors_add(r, "resource-denied", NULL, NULL, "out of memory");
		lyd_free_all(edit);
	}
	lyd_free_all(old.root);
	return rc;
}

static int ask_subtree(const struct edit_guard *guard, const struct lyd_node *node,
		       enum edit_access access, struct txn_result *r)
{
	const struct lyd_node *child;
	bool np = node->schema->nodetype == LYS_CONTAINER && !(node->schema->flags & LYS_PRESENCE);
	int rc = np && access == EDIT_ACCESS_CREATE ? 0 : guard->allow(guard->arg, node, access);

	if (rc != 0) {
		errors_add_node(r, "access-denied", NULL, node, "access denied");
		return rc;
	}
	LY_LIST_FOR (lyd_child_no_keys(node), child) {
		rc = ask_subtree(guard, child, access, r);
		if (rc != 0)
			return rc;
	}
	return 0;
}

// Ask about each node of a diff.
static int ask(const struct edit_guard *guard, const struct lyd_node *diff, struct txn_result *r)
{
	int rc = 0;

	for (; diff != NULL && rc == 0; diff = diff->next) {
		const char *op = diff_operation(diff);

		if (op == NULL)
			continue;
		if (op[0] == 'c') {
			rc = ask_subtree(guard, diff, EDIT_ACCESS_CREATE, r);
			continue;
		}
		if (op[0] == 'd') {
			rc = ask_subtree(guard, diff, EDIT_ACCESS_DELETE, r);
			continue;
		}
		if (op[0] == 'r') {
			rc = guard->allow(guard->arg, diff, EDIT_ACCESS_UPDATE);
			if (rc != 0)
				errors_add_node(r, "access-denied", NULL, diff, "access denied");
		}
		if (rc == 0)
			rc = ask(guard, lyd_child_no_keys(diff), r);
	}
	return rc;
}

int ds_ask(const struct edit_guard *guard, const struct lyd_node *diff, struct txn_result *r)
{
	return guard == NULL ? 0 : ask(guard, diff, r);
}
