// SPDX-License-Identifier: BSD-3-Clause
//
// Methods that read: configuration, state, history.

#include "control/rpc/rpc_priv.h"

#include "control/datastore/diff.h"
#include "control/net/net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APP_MAX   64
#define ALARM_MAX 256

static void run_get_config(struct call *call)
{
	static const char *const known[] = {"source", "paths", "with-defaults", NULL};
	struct ds *ds = call->server->conf.ds;
	struct selection sel;
	enum target source;
	char *text, *answer;
	size_t size;

	if (!param_known(call, known) || !param_target(call, "source", TARGET_COUNT, &source) ||
	    !param_selection(call, &sel))
		return;
	text = selection_print(call, source == TARGET_RUNNING ? ds_running(ds) : ds_candidate(ds),
			       &sel);
	if (text == NULL)
		return;
	size = strlen(text) + 64;
	answer = malloc(size);
	if (answer == NULL) {
		reply_tag(call, "resource-denied", NULL, NULL, "out of memory");
	} else {
		snprintf(answer, size, "{\"config\":%s,\"version\":%llu}", text,
			 (unsigned long long)ds_version(ds));
		reply_text(call, answer);
	}
	free(answer);
	free(text);
}

// ---- get: running and state

struct get {
	struct call *call;
	struct selection sel;
	struct tree tree;
};

static void free_get(void *data)
{
	struct get *g = data;

	lyd_free_all(g->tree.root);
	free(g);
}

static void got_state(void *arg, const struct txn_result *r)
{
	struct call *call = arg;
	struct get *g = call->data;
	char *text, *answer;
	size_t size;

	(void)r;
	if (call->session == NULL) { // nobody to read for
		reply_ok(call);
		return;
	}
	text = selection_print(call, &g->tree, &g->sel);
	if (text == NULL)
		return;
	size = strlen(text) + 16;
	answer = malloc(size);
	if (answer == NULL) {
		reply_tag(call, "resource-denied", NULL, NULL, "out of memory");
	} else {
		snprintf(answer, size, "{\"data\":%s}", text);
		reply_text(call, answer);
	}
	free(answer);
	free(text);
}

static void run_get(struct call *call)
{
	static const char *const known[] = {"paths", "with-defaults", NULL};
	const struct tree *running = ds_running(call->server->conf.ds);
	struct selection sel;
	struct get *g;

	if (!param_known(call, known) || !param_selection(call, &sel))
		return;
	g = calloc(1, sizeof(*g));
	if (g == NULL) {
		reply_tag(call, "resource-denied", NULL, NULL, "out of memory");
		return;
	}
	g->sel = sel;
	call->data = g;
	call->free_data = free_get;
	// what no path can reach need not be asked for either
	if (selection_copy(running, &sel, &g->tree) != 0) {
		reply_tag(call, "resource-denied", NULL, NULL, "out of memory");
		return;
	}
	if (call->server->conf.state != NULL)
		call->server->conf.state(&g->tree.root, got_state, call);
	else
		got_state(call, NULL);
}

// ---- compare

static json_t *node_value(const struct lyd_node *node)
{
	char *text = NULL;
	json_t *value = NULL, *whole, *inner;
	const char *key;

	if (node->schema->nodetype & (LYS_LEAF | LYS_LEAFLIST))
		return json_string(lyd_get_value(node));
	if (lyd_print_mem(&text, node, LYD_JSON, LYD_PRINT_SHRINK) != LY_SUCCESS || text == NULL)
		return json_null();
	whole = json_loads(text, 0, NULL);
	free(text);
	// {"module:name": [ {...} ]}: what counts is inside
	json_object_foreach(whole, key, inner)
	{
		if (key[0] == '@')
			continue;
		value = json_is_array(inner) && json_array_size(inner) == 1
				? json_array_get(inner, 0)
				: inner;
		json_incref(value);
		break;
	}
	json_decref(whole);
	if (json_is_object(value))
		json_object_del(value, "@");
	return value != NULL ? value : json_null();
}

static const char *orig_value(const struct lyd_node *node)
{
	const struct lyd_meta *m;

	for (m = node->meta; m != NULL; m = m->next)
		if (strcmp(m->name, "orig-value") == 0)
			return lyd_get_meta_value(m);
	return NULL;
}

static void list_diff(json_t *out, const struct lyd_node *diff)
{
	for (; diff != NULL; diff = diff->next) {
		const char *op = diff_operation(diff);
		json_t *entry;
		char *path;

		if (op == NULL)
			continue;
		if (strcmp(op, "none") != 0) {
			path = lyd_path(diff, LYD_PATH_STD, NULL, 0);
			entry = json_pack("{s:s, s:s}", "path", path != NULL ? path : "",
					  "operation", op);
			free(path);
			if (op[0] == 'c' || (op[0] == 'r' && diff->schema->nodetype == LYS_LEAF))
				json_object_set_new(entry, "new", node_value(diff));
			if (op[0] == 'd')
				json_object_set_new(entry, "old", node_value(diff));
			else if (op[0] == 'r' && diff->schema->nodetype == LYS_LEAF)
				json_object_set_new(entry, "old", json_string(orig_value(diff)));
			json_array_append_new(out, entry);
		}
		if (op[0] == 'n' || op[0] == 'r')
			list_diff(out, lyd_child_no_keys(diff));
	}
}

struct side {
	enum target target; // TARGET_COUNT: a version
	uint64_t version;
};

static bool param_side(struct call *call, const char *name, enum target fallback, struct side *out)
{
	json_t *v = json_object_get(call->params, name);

	if (json_is_integer(v)) {
		if (json_integer_value(v) < 0 ||
		    (uint64_t)json_integer_value(v) > ds_version(call->server->conf.ds)) {
			reply_tag(call, "invalid-value", NULL, NULL,
				  "there is no version %" JSON_INTEGER_FORMAT,
				  json_integer_value(v));
			return false;
		}
		*out = (struct side){.target = TARGET_COUNT,
				     .version = (uint64_t)json_integer_value(v)};
		return true;
	}
	out->version = 0;
	return param_target(call, name, fallback, &out->target);
}

static int side_tree(struct ds *ds, const struct side *side, struct tree *own,
		     const struct tree **out)
{
	if (side->target != TARGET_COUNT) {
		*out = side->target == TARGET_RUNNING ? ds_running(ds) : ds_candidate(ds);
		return 0;
	}
	*out = own;
	return ds_tree_at(ds, side->version, own);
}

static void run_compare(struct call *call)
{
	static const char *const known[] = {"from", "to", NULL};
	struct ds *ds = call->server->conf.ds;
	struct tree own_from = {0}, own_to = {0};
	const struct tree *from = NULL, *to = NULL;
	struct lyd_node *diff = NULL;
	struct access_user user;
	struct edit_guard guard;
	struct side a, b;
	json_t *list;
	int rc;

	if (!param_known(call, known) || !param_side(call, "from", TARGET_RUNNING, &a) ||
	    !param_side(call, "to", TARGET_CANDIDATE, &b))
		return;
	if (a.target == TARGET_RUNNING && b.target == TARGET_CANDIDATE) {
		rc = ds_pending(ds, &diff);
	} else {
		rc = side_tree(ds, &a, &own_from, &from);
		if (rc == 0)
			rc = side_tree(ds, &b, &own_to, &to);
		if (rc == 0)
			rc = ds_difference(from, to, &diff);
	}
	if (rc != 0) {
		reply_tag(call, "operation-failed", NULL, NULL,
			  "the configurations cannot be compared: %s", strerror(-rc));
	} else {
		call_guard(call, &guard, &user);
		access_prune(&user, &diff);
		access_user_fini(&user);
		list = json_array();
		list_diff(list, diff);
		reply_json(call, json_pack("{s:o}", "diff", list));
	}
	lyd_free_all(diff);
	lyd_free_all(own_from.root);
	lyd_free_all(own_to.root);
}

// ---- preview

static void previewed(void *arg, const struct net_effect *effect, size_t count, size_t more)
{
	struct call *call = arg;
	json_t *diff = call->data, *list = json_array();
	uint64_t flows = 0, uncounted = more;

	for (size_t i = 0; i < count; i++) {
		const struct net_effect *x = &effect[i];
		json_t *e = json_pack("{s:s, s:s, s:s, s:s}", "instance", x->instance, "kind",
				      x->kind, "path", x->path, "text", x->text);

		if (x->counted)
			json_object_set_new(e, "flows", json_integer((json_int_t)x->flows));
		// Those that end or may: a range that shrinks ends some of its service's.
		if (strncmp(x->kind, "flows-", 6) == 0 || strcmp(x->kind, "range") == 0) {
			flows += x->counted ? x->flows : 0;
			uncounted += !x->counted;
		}
		json_array_append_new(list, e);
	}
	reply_json(call, json_pack("{s:O, s:o, s:I, s:I, s:I}", "diff", diff, "effects", list,
				   "more", (json_int_t)more, "flows-at-most", (json_int_t)flows,
				   "uncounted", (json_int_t)uncounted));
}

static void free_preview(void *data)
{
	json_decref(data);
}

// What a commit of the candidate would change, and what that would do to the traffic.
static void run_preview(struct call *call)
{
	static const char *const known[] = {NULL};
	struct rpc_server *s = call->server;
	struct ds *ds = s->conf.ds;
	struct lyd_node *diff = NULL;
	struct access_user user;
	struct edit_guard guard;
	struct txn_result *r;
	json_t *list;
	int rc;

	if (!param_known(call, known))
		return;
	r = result_create(call);
	if (r == NULL)
		return;
	rc = ds_validate_candidate(ds, r);
	if (rc != 0)
		reply_result(call, r);
	free(r);
	if (rc != 0)
		return;
	rc = ds_pending(ds, &diff);
	if (rc == 0) {
		call_guard(call, &guard, &user);
		access_prune(&user, &diff);
		access_user_fini(&user);
		list = json_array();
		list_diff(list, diff);
		call->data = list;
		call->free_data = free_preview;
		if (s->conf.preview == NULL || diff == NULL)
			previewed(call, NULL, 0, 0);
		else
			rc = s->conf.preview(ds_running(ds)->root, ds_candidate(ds)->root, diff,
					     previewed, call);
	}
	if (rc != 0)
		reply_tag(call, "operation-failed", NULL, NULL,
			  "the candidate cannot be previewed: %s", strerror(-rc));
	lyd_free_all(diff);
}

// ---- history

static void run_history(struct call *call)
{
	static const char *const known[] = {"limit", NULL};
	struct ds *ds = call->server->conf.ds;
	json_int_t limit = 50;
	json_t *list;

	if (!param_known(call, known) || !param_integer(call, "limit", false, 1, 100000, &limit))
		return;
	list = json_array();
	for (uint64_t v = ds_version(ds); v > 0 && limit-- > 0; v--) {
		char *meta = NULL, hex[65];
		const uint8_t *hash = ds_hash(ds, v);
		json_t *entry = NULL;

		if (ds_change_meta(ds, v, &meta) == 0)
			entry = json_loads(meta, 0, NULL);
		free(meta);
		if (entry == NULL)
			entry = json_object();
		for (size_t i = 0; i < 32; i++)
			snprintf(hex + 2 * i, 3, "%02x", hash[i]);
		json_object_set_new(entry, "version", json_integer((json_int_t)v));
		json_object_set_new(entry, "hash", json_string(hex));
		json_array_append_new(list, entry);
	}
	reply_json(call, json_pack("{s:o}", "versions", list));
}

// ---- state

static json_t *list_apps(struct rpc_server *s)
{
	struct net_app_state *app = calloc(APP_MAX, sizeof(*app));
	json_t *list = json_array();
	size_t n;

	if (app != NULL && s->conf.apps != NULL) {
		n = s->conf.apps(app, APP_MAX);
		for (size_t i = 0; i < n && i < APP_MAX; i++) {
			json_t *e = json_pack("{s:s, s:b, s:I, s:I}", "instance", app[i].instance,
					      "connected", app[i].connected, "applied",
					      (json_int_t)app[i].applied, "intended",
					      (json_int_t)app[i].intended);

			if (app[i].error_message[0] != '\0')
				json_object_set_new(e, "error",
						    json_pack("{s:s, s:s}", "path",
							      app[i].error_path, "message",
							      app[i].error_message));
			json_array_append_new(list, e);
		}
	}
	free(app);
	return list;
}

static json_t *list_alarms(struct rpc_server *s)
{
	struct net_alarm *alarm = calloc(ALARM_MAX, sizeof(*alarm));
	json_t *list = json_array();
	char time[32];
	size_t n;

	if (alarm != NULL && s->conf.alarms != NULL) {
		n = s->conf.alarms(alarm, ALARM_MAX);
		for (size_t i = 0; i < n && i < ALARM_MAX; i++) {
			session_timestamp(time, sizeof(time), (time_t)alarm[i].time);
			json_array_append_new(
				list,
				json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "type", alarm[i].kind,
					  "resource", alarm[i].instance, "severity",
					  alarm[i].severity <= 3 ? "major" : "warning", "path",
					  alarm[i].path, "text", alarm[i].message, "time", time));
		}
	}
	free(alarm);
	return list;
}

static void run_state(struct call *call)
{
	static const char *const known[] = {NULL};
	static const char *const names[TARGET_COUNT] = {"running", "candidate"};
	struct rpc_server *s = call->server;
	const uint8_t *id = ds_id(s->conf.ds);
	json_t *locks, *sessions, *apps;
	char uuid[37], since[32];

	if (!param_known(call, known))
		return;
	snprintf(uuid, sizeof(uuid),
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", id[0],
		 id[1], id[2], id[3], id[4], id[5], id[6], id[7], id[8], id[9], id[10], id[11],
		 id[12], id[13], id[14], id[15]);
	locks = json_array();
	for (int t = 0; t < TARGET_COUNT; t++)
		if (s->lock[t] != 0)
			json_array_append_new(locks,
					      json_pack("{s:s, s:I, s:s}", "target", names[t],
							"session-id", (json_int_t)s->lock[t],
							"time", s->lock_time[t]));
	sessions = json_array();
	for (struct session *x = s->sessions; x != NULL; x = x->next) {
		session_timestamp(since, sizeof(since), x->since);
		json_array_append_new(sessions,
				      json_pack("{s:I, s:s, s:I, s:s, s:s, s:s}", "session-id",
						(json_int_t)x->id, "user", x->user, "uid",
						(json_int_t)x->uid, "source", x->source,
						"transport", x->transport, "since", since));
	}
	apps = list_apps(s);
	reply_json(call, json_pack("{s:s, s:I, s:b, s:o, s:o, s:o, s:o, s:{s:I, s:I}}", "datastore",
				   uuid, "version", (json_int_t)ds_version(s->conf.ds),
				   "candidate-changed", ds_candidate_changed(s->conf.ds), "locks",
				   locks, "sessions", sessions, "alarms", list_alarms(s), "apps",
				   apps, "denied", "operations", (json_int_t)s->denied_operations,
				   "data-writes", (json_int_t)s->denied_writes));
}

const struct method ops_read[] = {
	{"get-config", "ietf-netconf", "get-config", 0, run_get_config},
	{"get", "ietf-netconf", "get", 0, run_get},
	{"compare", "sluice", "compare", 0, run_compare},
	{"preview", "sluice", "preview", METHOD_WRITES, run_preview},
	{"history", "sluice", "history", 0, run_history},
	{"state", "sluice", "state", 0, run_state},
	{0},
};
