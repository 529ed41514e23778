// SPDX-License-Identifier: BSD-3-Clause
//
// error - what sluiced says is believed but checked: a field of a wrong type or an unknown word is
// replaced by the nearest that the schema of rpc-error allows, so that the reply is valid whatever
// came.

#include "control/netconf/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "control/netconf/path.h"

int ncd_error(json_t *errs, const char *type, const char *tag, const char *path, json_t *info,
	      const char *fmt, ...)
{
	char text[1024];
	json_t *e;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	e = json_pack("{s:s, s:s, s:s}", "error-type", type, "error-tag", tag, "error-severity",
		      "error");
	if (path != NULL)
		json_object_set_new(e, "error-path", json_string(path));
	json_object_set_new(e, "error-message", json_string(text));
	if (info != NULL)
		json_object_set_new(e, "error-info", info);
	json_array_append_new(errs, e);
	return -EINVAL;
}

// A refusal of the JSON-RPC layer itself is our fault or a mismatch of versions, not the client's.
static void append_plain(json_t *errs, const json_t *error)
{
	const char *text = json_string_value(json_object_get(error, "message"));

	ncd_error(errs, "application", "operation-failed", NULL, NULL, "%s",
		  text == NULL ? "sluiced refused the operation" : text);
}

void ncd_error_from_rpc(json_t *errs, const json_t *error)
{
	json_t *data = json_object_get(error, "data"), *e;
	size_t i;

	if (json_is_object(data) && json_is_string(json_object_get(data, "error-tag"))) {
		json_array_append(errs, data);
		return;
	}
	if (json_is_array(data) && json_array_size(data) > 0) {
		json_array_foreach(data, i, e)
		{
			if (json_is_object(e))
				json_array_append(errs, e);
		}
		if (json_array_size(errs) > 0)
			return;
	}
	append_plain(errs, error);
}

static const char *one_of(const json_t *e, const char *key, const char *const *words,
			  const char *fallback)
{
	const char *s = json_string_value(json_object_get(e, key));

	for (; s != NULL && *words != NULL; words++) {
		if (strcmp(s, *words) == 0)
			return *words;
	}
	return fallback;
}

static const char *const types[] = {"transport", "rpc", "protocol", "application", NULL};
static const char *const severities[] = {"error", "warning", NULL};
static const char *const tags[] = {
	"in-use",
	"invalid-value",
	"too-big",
	"missing-attribute",
	"bad-attribute",
	"unknown-attribute",
	"missing-element",
	"bad-element",
	"unknown-element",
	"unknown-namespace",
	"access-denied",
	"lock-denied",
	"resource-denied",
	"rollback-failed",
	"data-exists",
	"data-missing",
	"operation-not-supported",
	"operation-failed",
	"partial-operation",
	"malformed-message",
	NULL,
};
static const char *const infos[] = {
	"bad-attribute", "bad-element", "bad-namespace", "session-id",
	"ok-element",    "err-element", "noop-element",  NULL,
};

static void info_to_xml(const json_t *info, struct ncd_buf *out)
{
	bool open = false;

	for (const char *const *k = infos; *k != NULL; k++) {
		const json_t *v = json_object_get(info, *k);

		if (!json_is_string(v) && !json_is_integer(v))
			continue;
		if (!open)
			ncd_buf_str(out, "<error-info>");
		open = true;
		ncd_buf_fmt(out, "<%s>", *k);
		if (json_is_string(v))
			ncd_buf_xml(out, json_string_value(v));
		else
			ncd_buf_fmt(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		ncd_buf_fmt(out, "</%s>", *k);
	}
	if (open)
		ncd_buf_str(out, "</error-info>");
}

static void one_to_xml(const struct ly_ctx *ctx, const json_t *e, struct ncd_buf *out)
{
	const char *app = json_string_value(json_object_get(e, "error-app-tag"));
	const char *path = json_string_value(json_object_get(e, "error-path"));
	const char *text = json_string_value(json_object_get(e, "error-message"));

	ncd_buf_fmt(out, "<rpc-error><error-type>%s</error-type><error-tag>%s</error-tag>",
		    one_of(e, "error-type", types, "application"),
		    one_of(e, "error-tag", tags, "operation-failed"));
	ncd_buf_fmt(out, "<error-severity>%s</error-severity>",
		    one_of(e, "error-severity", severities, "error"));
	if (app != NULL) {
		ncd_buf_str(out, "<error-app-tag>");
		ncd_buf_xml(out, app);
		ncd_buf_str(out, "</error-app-tag>");
	}
	if (path != NULL && path[0] != '\0')
		ncd_path_to_xml(ctx, path, "error-path", out);
	if (text != NULL) {
		ncd_buf_str(out, "<error-message xml:lang=\"en\">");
		ncd_buf_xml(out, text);
		ncd_buf_str(out, "</error-message>");
	}
	info_to_xml(json_object_get(e, "error-info"), out);
	ncd_buf_str(out, "</rpc-error>");
}

void ncd_error_to_xml(const struct ly_ctx *ctx, const json_t *errs, struct ncd_buf *out)
{
	json_t *e;
	size_t i;

	json_array_foreach(errs, i, e) one_to_xml(ctx, e, out);
}
