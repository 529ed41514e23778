// SPDX-License-Identifier: BSD-3-Clause
//
// Methods that write or check the datastore. They never run while a transaction is under way.

#include "control/rpc/rpc_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void note_editor(struct call *call)
{
	if (ds_candidate_changed(call->server->conf.ds))
		call->server->last_editor = call->session->id;
}

static void end_result(struct call *call, int rc, struct txn_result *r)
{
	if (rc == 0)
		reply_ok(call);
	else
		reply_result(call, r);
	free(r);
}

static json_t *warnings(const struct txn_result *r)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < r->warning_count; i++)
		json_array_append_new(list, json_string(r->warning[i]));
	return list;
}

// Answer of a transaction; the queue goes on afterwards.
static void committed(void *arg, int rc, const struct txn_result *r)
{
	struct call *call = arg;
	struct rpc_server *s = call->server;

	if (rc != 0)
		reply_result(call, r);
	else
		reply_json(call,
			   json_pack("{s:b, s:I, s:o}", "ok", 1, "version",
				     (json_int_t)ds_version(s->conf.ds), "warnings", warnings(r)));
	server_kick_queue(s);
}

static struct ds_who who_of(struct call *call, const char *comment, bool require_all)
{
	return (struct ds_who){.user = call->session->user,
			       .transport = call->session->transport,
			       .comment = comment,
			       .session = call->session->id,
			       .require_all = require_all};
}

static bool comment_fits(struct call *call, const char *comment)
{
	if (comment == NULL || strlen(comment) < 1024)
		return true;
	reply_error(call, RPC_PARAMS, "comment has at most 1023 bytes");
	return false;
}

static bool word(struct call *call, const char *name, const char *const *words, size_t *out)
{
	const char *text = NULL;

	if (!param_string(call, name, false, &text))
		return false;
	if (text == NULL)
		return true;
	for (size_t i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], text) == 0) {
			*out = i;
			return true;
		}
	reply_error(call, RPC_PARAMS, "%s cannot be \"%.64s\"", name, text);
	return false;
}

static void edit_running(struct call *call, const struct lyd_node *edit, enum edit_op dflt,
			 enum ds_test test, const char *comment, bool require_all)
{
	struct ds_who who = who_of(call, comment, require_all);
	struct access_user user;
	struct edit_guard guard;

	call_guard(call, &guard, &user);
	ds_edit_running(call->server->conf.ds, &who, edit, dflt, test, user.bypass ? NULL : &guard,
			committed, call);
	access_user_fini(&user);
}

static void run_edit_config(struct call *call)
{
	static const char *const known[] = {
		"target",       "config",  "default-operation", "test-option",
		"error-option", "comment", "require-all",       NULL};
	static const char *const ops[] = {"merge", "replace", "none", NULL};
	static const char *const tests[] = {"test-then-set", "set", "test-only", NULL};
	static const char *const errors[] = {"stop-on-error", "continue-on-error",
					     "rollback-on-error", NULL};
	static const enum edit_op op_of[] = {EDIT_MERGE, EDIT_REPLACE, EDIT_NONE};
	static const enum ds_test test_of[] = {DS_TEST_THEN_SET, DS_SET, DS_TEST_ONLY};
	size_t op = 0, test = 0, error = 0;
	const char *comment = NULL;
	struct access_user user;
	struct edit_guard guard;
	struct lyd_node *edit;
	struct txn_result *r;
	enum target target;
	bool require_all;
	int rc;

	if (!param_known(call, known) || !param_target(call, "target", TARGET_CANDIDATE, &target) ||
	    !word(call, "default-operation", ops, &op) ||
	    !word(call, "test-option", tests, &test) ||
	    !word(call, "error-option", errors, &error) ||
	    !param_string(call, "comment", false, &comment) ||
	    !param_bool(call, "require-all", false, &require_all) || !comment_fits(call, comment) ||
	    !lock_allows(call, target) || !param_config(call, "config", &edit))
		return;
	if (target == TARGET_RUNNING) {
		edit_running(call, edit, op_of[op], test_of[test], comment, require_all);
		lyd_free_all(edit);
		return;
	}
	r = result_create(call);
	if (r != NULL) {
		call_guard(call, &guard, &user);
		rc = ds_edit(call->server->conf.ds, edit, op_of[op], test_of[test],
			     user.bypass ? NULL : &guard, r);
		access_user_fini(&user);
		note_editor(call);
		end_result(call, rc, r);
	}
	lyd_free_all(edit);
}

static void run_copy_config(struct call *call)
{
	static const char *const known[] = {"source",  "target",      "config",
					    "comment", "require-all", NULL};
	const char *comment = NULL;
	struct ds *ds = call->server->conf.ds;
	struct access_user user;
	struct edit_guard guard;
	struct lyd_node *config = NULL;
	struct txn_result *r;
	enum target source = TARGET_COUNT, target;
	bool require_all;
	int rc;

	if (!param_known(call, known) || !param_target(call, "target", TARGET_COUNT, &target) ||
	    !param_string(call, "comment", false, &comment) || !comment_fits(call, comment) ||
	    !param_bool(call, "require-all", false, &require_all) || !lock_allows(call, target))
		return;
	if (json_object_get(call->params, "config") != NULL) {
		if (json_object_get(call->params, "source") != NULL) {
			reply_error(call, RPC_PARAMS, "source and config cannot both be given");
			return;
		}
		if (!param_config(call, "config", &config))
			return;
	} else if (!param_target(call, "source", TARGET_COUNT, &source)) {
		return;
	}
	if (source == target) {
		reply_tag(call, "invalid-value", NULL, NULL, "source and target are the same");
		return;
	}
	if (config != NULL || source == TARGET_COUNT) {
		if (target == TARGET_RUNNING) {
			edit_running(call, config, EDIT_REPLACE, DS_TEST_THEN_SET, comment,
				     require_all);
			lyd_free_all(config);
			return;
		}
		r = result_create(call);
		if (r != NULL) {
			call_guard(call, &guard, &user);
			rc = ds_load(ds, config, user.bypass ? NULL : &guard, r);
			access_user_fini(&user);
			note_editor(call);
			end_result(call, rc, r);
		}
		lyd_free_all(config);
	} else if (target == TARGET_CANDIDATE) {
		r = result_create(call);
		if (r != NULL)
			end_result(call, ds_discard(ds, r), r);
	} else {
		struct ds_who who = who_of(call, comment, require_all);

		call_guard(call, &guard, &user);
		ds_commit(ds, &who, user.bypass ? NULL : &guard, committed, call);
		access_user_fini(&user);
	}
}

static void run_validate(struct call *call)
{
	static const char *const known[] = {"source", "config", NULL};
	struct ds *ds = call->server->conf.ds;
	struct lyd_node *config = NULL;
	struct txn_result *r;
	enum target source = TARGET_COUNT;
	int rc;

	if (!param_known(call, known))
		return;
	if (json_object_get(call->params, "config") != NULL) {
		if (!param_config(call, "config", &config))
			return;
	} else if (!param_target(call, "source", TARGET_CANDIDATE, &source)) {
		return;
	}
	r = result_create(call);
	if (r != NULL) {
		rc = source == TARGET_COUNT     ? ds_validate_config(ds, config, r)
		     : source == TARGET_RUNNING ? ds_validate_running(ds, r)
						: ds_validate_candidate(ds, r);
		end_result(call, rc, r);
	}
	lyd_free_all(config);
}

static void run_commit(struct call *call)
{
	static const char *const known[] = {"comment", "require-all", NULL};
	const char *comment = NULL;
	struct access_user user;
	struct edit_guard guard;
	struct ds_who who;
	bool require_all;

	if (!param_known(call, known) || !param_string(call, "comment", false, &comment) ||
	    !comment_fits(call, comment) || !param_bool(call, "require-all", false, &require_all) ||
	    !lock_allows(call, TARGET_RUNNING) || !lock_allows(call, TARGET_CANDIDATE))
		return;
	who = who_of(call, comment, require_all);
	call_guard(call, &guard, &user);
	ds_commit(call->server->conf.ds, &who, user.bypass ? NULL : &guard, committed, call);
	access_user_fini(&user);
}

static void run_discard(struct call *call)
{
	static const char *const known[] = {NULL};
	struct txn_result *r;

	if (!param_known(call, known) || !lock_allows(call, TARGET_CANDIDATE))
		return;
	r = result_create(call);
	if (r != NULL)
		end_result(call, ds_discard(call->server->conf.ds, r), r);
}

static void run_rollback(struct call *call)
{
	static const char *const known[] = {"version", "path", "file-config", NULL};
	struct ds *ds = call->server->conf.ds;
	struct lyd_node *config = NULL;
	const char *path = NULL;
	bool file = json_object_get(call->params, "file-config") != NULL;
	json_int_t version = -1;
	struct access_user user;
	struct edit_guard guard;
	struct txn_result *r;
	int rc;

	if (!param_known(call, known) ||
	    !param_integer(call, "version", !file, 0, INT64_MAX, &version) ||
	    !param_string(call, "path", false, &path) || !lock_allows(call, TARGET_CANDIDATE))
		return;
	if (path != NULL && path[0] == '\0')
		path = NULL;
	if (file && (version >= 0 || path != NULL)) {
		reply_error(call, RPC_PARAMS, "file-config goes with neither version nor path");
		return;
	}
	if (file && !param_config(call, "file-config", &config))
		return;
	r = result_create(call);
	if (r != NULL) {
		call_guard(call, &guard, &user);
		const struct edit_guard *ask = user.bypass ? NULL : &guard;

		if (file)
			rc = ds_load(ds, config, ask, r);
		else if (path != NULL)
			rc = ds_rollback_path(ds, (uint64_t)version, path, ask, r);
		else
			rc = ds_rollback(ds, (uint64_t)version, ask, r);
		access_user_fini(&user);
		note_editor(call);
		end_result(call, rc, r);
	}
	lyd_free_all(config);
}

const struct method ops_config[] = {
	{"edit-config", "ietf-netconf", "edit-config", METHOD_WRITES, run_edit_config},
	{"copy-config", "ietf-netconf", "copy-config", METHOD_WRITES, run_copy_config},
	{"validate", "ietf-netconf", "validate", METHOD_WRITES, run_validate},
	{"commit", "ietf-netconf", "commit", METHOD_WRITES, run_commit},
	{"discard", "ietf-netconf", "discard-changes", METHOD_WRITES, run_discard},
	{"rollback", "sluice", "rollback", METHOD_WRITES, run_rollback},
	{0},
};
