// SPDX-License-Identifier: BSD-3-Clause
//
// Methods about the models, and those that ask an app.

#include "control/rpc/rpc_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void run_get_schema(struct call *call)
{
	static const char *const known[] = {"identifier", "version", "format", NULL};
	const char *name = NULL, *version = NULL, *format = "yang";
	const struct lys_module *mod;
	const struct lysp_submodule *sub;
	char *text = NULL;
	struct ly_out *out = NULL;
	LY_ERR rc = LY_EINVAL;

	if (!param_known(call, known) || !param_string(call, "identifier", true, &name) ||
	    !param_string(call, "version", false, &version) ||
	    !param_string(call, "format", false, &format))
		return;
	if (strcmp(format, "yang") != 0) {
		reply_tag(call, "invalid-value", NULL, NULL,
			  "models are held in format yang alone");
		return;
	}
	if (version != NULL && version[0] == '\0')
		version = NULL;
	mod = version != NULL ? ly_ctx_get_module(call->server->conf.ctx, name, version)
			      : ly_ctx_get_module_implemented(call->server->conf.ctx, name);
	if (mod == NULL && version == NULL)
		mod = ly_ctx_get_module_latest(call->server->conf.ctx, name);
	sub = mod == NULL ? ly_ctx_get_submodule(call->server->conf.ctx, name, version) : NULL;
	if (mod == NULL && sub == NULL) {
		// RFC 6022 section 3.1
		reply_tag(call, "invalid-value", NULL, NULL, "there is no model %.64s%s%.16s", name,
			  version != NULL ? " of revision " : "", version != NULL ? version : "");
		return;
	}
	if (ly_out_new_memory(&text, 0, &out) == LY_SUCCESS)
		rc = mod != NULL ? lys_print_module(out, mod, LYS_OUT_YANG, 0, 0)
				 : lys_print_submodule(out, sub, LYS_OUT_YANG, 0, 0);
	ly_out_free(out, NULL, 0);
	if (rc != LY_SUCCESS || text == NULL)
		reply_tag(call, "operation-failed", NULL, NULL, "the model cannot be printed");
	else
		reply_json(call, json_pack("{s:s}", "schema", text));
	free(text);
}

static void run_schemas(struct call *call)
{
	static const char *const known[] = {NULL};
	const struct lys_module *mod;
	json_t *list;
	uint32_t i = 0;

	if (!param_known(call, known))
		return;
	list = json_array();
	while ((mod = ly_ctx_get_module_iter(call->server->conf.ctx, &i)) != NULL) {
		json_t *features = json_array(), *entry;
		struct lysp_feature *f = NULL;
		uint32_t k = 0;

		while (mod->parsed != NULL && (f = lysp_feature_next(f, mod->parsed, &k)) != NULL)
			if (f->flags & LYS_FENABLED)
				json_array_append_new(features, json_string(f->name));
		entry = json_pack("{s:s, s:s, s:s, s:b, s:o}", "name", mod->name, "revision",
				  mod->revision != NULL ? mod->revision : "", "namespace", mod->ns,
				  "implemented", mod->implemented, "features", features);
		json_array_append_new(list, entry);
	}
	reply_json(call, json_pack("{s:o}", "modules", list));
}

static void queried(void *arg, int rc, const char *json, size_t size)
{
	struct call *call = arg;
	json_t *answer;

	if (rc == 0) {
		// from another process: it goes out as one line of JSON or not at all
		answer = json_loadb(json, size, JSON_DECODE_ANY, NULL);
		if (answer != NULL) {
			char *text = json_dumps(answer, JSON_COMPACT | JSON_ENCODE_ANY);

			json_decref(answer);
			if (text != NULL) {
				reply_text(call, text);
				free(text);
				return;
			}
		}
		rc = -EPROTO;
		json = NULL;
	}
	if (json != NULL && size > 0) { // the app's own sentence says what is wrong
		reply_tag(call,
			  rc == -EINVAL || rc == -ENOENT ? "invalid-value" : "operation-failed",
			  NULL, NULL, "%.*s", (int)size, json);
		return;
	}
	reply_tag(call, rc == -EINVAL || rc == -ENOENT ? "invalid-value" : "operation-failed", NULL,
		  NULL, "%s",
		  rc == -ENOTCONN    ? "the application is not connected"
		  : rc == -EBUSY     ? "the application is busy with others' questions"
		  : rc == -ETIMEDOUT ? "the application did not answer in time"
		  : rc == -ENOENT    ? "no such application, or it does not know this query"
		  : rc == -EINVAL    ? "the application refuses the arguments"
		  : rc == -EPROTO    ? "the application's answer is not JSON"
				     : strerror(-rc));
}

static void run_app_query(struct call *call)
{
	static const char *const known[] = {"instance", "name", "args", NULL};
	const char *instance = NULL, *name = NULL;
	char *args = NULL;
	json_t *v;

	if (!param_known(call, known) || !param_string(call, "instance", true, &instance) ||
	    !param_string(call, "name", true, &name))
		return;
	v = json_object_get(call->params, "args");
	if (call->server->conf.query == NULL) {
		queried(call, -ENOENT, NULL, 0);
		return;
	}
	if (strcmp(name, "clear") == 0) {
		reply_tag(call, "operation-not-supported", NULL, NULL,
			  "flows are ended by the method clear-flows");
		return;
	}
	args = json_is_string(v) ? strdup(json_string_value(v))
	       : v != NULL       ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY)
				 : strdup("");
	if (args == NULL)
		queried(call, -ENOMEM, NULL, 0);
	else
		call->server->conf.query(instance, name, args, queried, call);
	free(args);
}

// Whoever may change the instance may end its flows.
static bool may_change(struct call *call, const char *instance)
{
	const struct tree *running = ds_running(call->server->conf.ds);
	struct lyd_node *node = NULL;
	struct access_user user;
	struct edit_guard guard;
	char path[256];
	bool yes;

	snprintf(path, sizeof(path), "/sluice-lb:load-balancers/load-balancer[name='%.63s']",
		 instance);
	if (strpbrk(instance, "'[]") != NULL || running->root == NULL ||
	    lyd_find_path(running->root, path, 0, &node) != LY_SUCCESS) {
		reply_tag(call, "invalid-value", NULL, NULL, "there is no instance %.64s",
			  instance);
		return false;
	}
	call_guard(call, &guard, &user);
	yes = user.bypass || access_node(&user, node, ACCESS_UPDATE);
	access_user_fini(&user);
	if (!yes) {
		call->server->denied_operations++;
		reply_tag(call, "access-denied", path, NULL,
			  "who may not change %.64s may not end its flows", instance);
	}
	return yes;
}

static void run_clear_flows(struct call *call)
{
	static const char *const known[] = {"instance", "filter", "all", "next", NULL};
	const char *instance = NULL, *filter = NULL, *next = NULL;
	json_t *args;
	char *text;
	bool all;

	if (!param_known(call, known) || !param_string(call, "instance", true, &instance) ||
	    !param_string(call, "filter", false, &filter) ||
	    !param_string(call, "next", false, &next) || !param_bool(call, "all", false, &all) ||
	    !may_change(call, instance))
		return;
	if (call->server->conf.query == NULL) {
		queried(call, -ENOENT, NULL, 0);
		return;
	}
	args = json_pack("{s:s*, s:s*, s:b}", "filter", filter, "next", next, "all", all);
	text = json_dumps(args, JSON_COMPACT);
	json_decref(args);
	if (text == NULL)
		queried(call, -ENOMEM, NULL, 0);
	else
		call->server->conf.query(instance, "clear", text, queried, call);
	free(text);
}

const struct method ops_schema[] = {
	{"get-schema", "ietf-netconf-monitoring", "get-schema", 0, run_get_schema},
	{"schemas", "sluice", "schemas", METHOD_FREE, run_schemas},
	{"app-query", "sluice", "app-query", 0, run_app_query},
	{"clear-flows", "sluice", "clear-flows", 0, run_clear_flows},
	{0},
};
