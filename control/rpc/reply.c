// SPDX-License-Identifier: BSD-3-Clause
//
// Answers and errors (RFC 6241 section 4.3 and appendix A in the data of a JSON-RPC error).

#include "control/rpc/rpc_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void reply_json(struct call *call, json_t *result)
{
	char *text = result != NULL ? json_dumps(result, JSON_COMPACT) : NULL;

	json_decref(result);
	if (text == NULL) {
		reply_tag(call, "resource-denied", NULL, NULL, "out of memory");
		return;
	}
	reply_text(call, text);
	free(text);
}

void reply_ok(struct call *call)
{
	reply_text(call, "{\"ok\":true}");
}

// json_string() refuses text that is not UTF-8; an error must come through all the same.
static json_t *any_string(const char *text)
{
	json_t *s = json_string(text);
	char clean[1024];
	size_t n = 0;

	if (s != NULL)
		return s;
	for (; *text != '\0' && n + 1 < sizeof(clean); text++)
		clean[n++] = (unsigned char)*text < 0x80 ? *text : '?';
	clean[n] = '\0';
	return json_string(clean);
}

static void simple_error(struct call *call, int code, json_t *message, json_t *data)
{
	json_t *error = json_object();

	json_object_set_new(error, "code", json_integer(code));
	json_object_set_new(error, "message", message);
	if (data != NULL)
		json_object_set_new(error, "data", data);
	reply_send_error(call, error);
}

void reply_error(struct call *call, int code, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	simple_error(call, code, any_string(text), NULL);
}

// Name of the last node of a path: RFC 6241 appendix A wants it as bad-element.
static void last_name(const char *path, char *out, size_t size)
{
	const char *at = path, *name = path;
	char quote = '\0';

	for (; *at != '\0'; at++) {
		if (quote != '\0')
			quote = *at == quote ? '\0' : quote;
		else if (*at == '\'' || *at == '"')
			quote = *at;
		else if (*at == '/' || *at == ':')
			name = at + 1;
		else if (*at == '[')
			quote = '\0';
	}
	snprintf(out, size, "%.*s", (int)strcspn(name, "["), name);
}

static const char *type_of(const char *tag)
{
	static const char *const rpc[] = {"malformed-message", "missing-attribute", "bad-attribute",
					  "unknown-attribute"};

	for (size_t i = 0; i < sizeof(rpc) / sizeof(*rpc); i++)
		if (strcmp(tag, rpc[i]) == 0)
			return "rpc";
	return strcmp(tag, "lock-denied") == 0 || strcmp(tag, "in-use") == 0 ? "protocol"
									     : "application";
}

static json_t *error_data(const char *tag, const char *app_tag, const char *path,
			  const char *message, json_t *info)
{
	json_t *d = json_object();

	json_object_set_new(d, "error-type", json_string(type_of(tag)));
	json_object_set_new(d, "error-tag", json_string(tag));
	json_object_set_new(d, "error-severity", json_string("error"));
	if (app_tag != NULL)
		json_object_set_new(d, "error-app-tag", any_string(app_tag));
	if (path != NULL && path[0] != '\0')
		json_object_set_new(d, "error-path", any_string(path));
	json_object_set_new(d, "error-message", any_string(message));
	if (info == NULL && path != NULL && path[0] != '\0' &&
	    (strcmp(tag, "unknown-element") == 0 || strcmp(tag, "missing-element") == 0 ||
	     strcmp(tag, "bad-element") == 0)) {
		char name[256];

		last_name(path, name, sizeof(name));
		info = json_object();
		json_object_set_new(info, "bad-element", any_string(name));
	}
	if (info != NULL)
		json_object_set_new(d, "error-info", info);
	return d;
}

void reply_tag(struct call *call, const char *tag, const char *path, json_t *info, const char *fmt,
	       ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	simple_error(call, RPC_OPERATION, any_string(text),
		     error_data(tag, NULL, path, text, info));
}

void reply_result(struct call *call, const struct txn_result *r)
{
	json_t *data;

	for (unsigned i = 0; i < r->error_count; i++)
		if (strcmp(r->error[i].tag, "access-denied") == 0)
			call->server->denied_writes++;
	if (r->error_count == 0) {
		reply_tag(call, "operation-failed", NULL, NULL, "%s",
			  r->result != 0 ? strerror(-r->result) : "it failed");
		return;
	}
	if (r->error_count == 1) {
		const struct txn_error *e = &r->error[0];

		data = error_data(e->tag, e->app_tag, e->path, e->message, NULL);
	} else {
		data = json_array();
		for (unsigned i = 0; i < r->error_count; i++) {
			const struct txn_error *e = &r->error[i];

			json_array_append_new(
				data, error_data(e->tag, e->app_tag, e->path, e->message, NULL));
		}
	}
	simple_error(call, RPC_OPERATION, any_string(r->error[0].message), data);
}

struct txn_result *result_create(struct call *call)
{
	struct txn_result *r = calloc(1, sizeof(*r));

	if (r == NULL)
		reply_tag(call, "resource-denied", NULL, NULL, "out of memory");
	return r;
}

// ---- parameters

bool param_known(struct call *call, const char *const *names)
{
	const char *key;
	json_t *v;

	json_object_foreach(call->params, key, v)
	{
		size_t i = 0;

		while (names[i] != NULL && strcmp(names[i], key) != 0)
			i++;
		if (names[i] == NULL) {
			reply_error(call, RPC_PARAMS, "%s has no parameter \"%.64s\"",
				    call->method->name, key);
			return false;
		}
	}
	return true;
}

bool param_string(struct call *call, const char *name, bool required, const char **out)
{
	json_t *v = json_object_get(call->params, name);

	if (v == NULL && !required)
		return true;
	if (!json_is_string(v)) {
		reply_error(call, RPC_PARAMS, v == NULL ? "%s is missing" : "%s must be a string",
			    name);
		return false;
	}
	*out = json_string_value(v);
	return true;
}

bool param_bool(struct call *call, const char *name, bool fallback, bool *out)
{
	json_t *v = json_object_get(call->params, name);

	*out = v == NULL ? fallback : json_is_true(v);
	if (v != NULL && !json_is_boolean(v)) {
		reply_error(call, RPC_PARAMS, "%s must be true or false", name);
		return false;
	}
	return true;
}

bool param_integer(struct call *call, const char *name, bool required, json_int_t min,
		   json_int_t max, json_int_t *out)
{
	json_t *v = json_object_get(call->params, name);

	if (v == NULL && !required)
		return true;
	if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max) {
		if (v == NULL)
			reply_error(call, RPC_PARAMS, "%s is missing", name);
		else
			reply_error(call, RPC_PARAMS,
				    "%s must be a number from %" JSON_INTEGER_FORMAT
				    " to %" JSON_INTEGER_FORMAT,
				    name, min, max);
		return false;
	}
	*out = json_integer_value(v);
	return true;
}

bool param_target(struct call *call, const char *name, enum target fallback, enum target *out)
{
	const char *text = NULL;

	if (!param_string(call, name, fallback == TARGET_COUNT, &text))
		return false;
	if (text == NULL)
		*out = fallback;
	else if (strcmp(text, "running") == 0)
		*out = TARGET_RUNNING;
	else if (strcmp(text, "candidate") == 0)
		*out = TARGET_CANDIDATE;
	else {
		reply_error(call, RPC_PARAMS, "%s must be \"running\" or \"candidate\"", name);
		return false;
	}
	return true;
}

bool param_config(struct call *call, const char *name, struct lyd_node **out)
{
	json_t *v = json_object_get(call->params, name);
	struct txn_result *r;
	char *text;
	int rc;

	*out = NULL;
	if (!json_is_object(v)) {
		reply_error(call, RPC_PARAMS, v == NULL ? "%s is missing" : "%s must be an object",
			    name);
		return false;
	}
	text = json_dumps(v, JSON_COMPACT);
	r = result_create(call);
	if (r == NULL || text == NULL) {
		if (r != NULL)
			reply_tag(call, "resource-denied", NULL, NULL, "out of memory");
		free(text);
		free(r);
		return false;
	}
	rc = edit_parse(call->server->conf.ctx, text, out, r);
	free(text);
	if (rc == 0)
		rc = password_hash_clear(*out, r);
	if (rc != 0) {
		lyd_free_all(*out);
		*out = NULL;
		reply_result(call, r);
	}
	free(r);
	return rc == 0;
}
