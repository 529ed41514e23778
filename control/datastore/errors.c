// SPDX-License-Identifier: BSD-3-Clause

#include "control/datastore/errors.h"

#include <libyang/libyang.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void vadd(struct txn_result *r, const char *tag, const char *app_tag, const char *path,
		 const char *fmt, va_list ap)
{
	struct txn_error *e;

	if (r->error_count >= TXN_ERROR_MAX)
		return;
	e = &r->error[r->error_count++];
	e->tag = tag;
	e->app_tag = app_tag;
	snprintf(e->path, sizeof(e->path), "%s", path != NULL ? path : "");
	vsnprintf(e->message, sizeof(e->message), fmt, ap);
}

void errors_add(struct txn_result *r, const char *tag, const char *app_tag, const char *path,
		const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vadd(r, tag, app_tag, path, fmt, ap);
	va_end(ap);
}

void errors_add_node(struct txn_result *r, const char *tag, const char *app_tag,
		     const struct lyd_node *node, const char *fmt, ...)
{
	char *path = node != NULL ? lyd_path(node, LYD_PATH_STD, NULL, 0) : NULL;
	va_list ap;

	va_start(ap, fmt);
	vadd(r, tag, app_tag, path, fmt, ap);
	va_end(ap);
	free(path);
}

const char *errors_static(const char *text)
{
	static struct kept {
		struct kept *next;
		char text[];
	} * list;
	struct kept *k;
	size_t size;

	if (text == NULL)
		return NULL;
	for (k = list; k != NULL; k = k->next)
		if (strcmp(k->text, text) == 0)
			return k->text;
	size = strlen(text) + 1;
	k = malloc(sizeof(*k) + size);
	if (k == NULL)
		return NULL;
	memcpy(k->text, text, size);
	k->next = list;
	list = k;
	return k->text;
}

static const char *tag_of(LY_VECODE code, const char *msg)
{
	// libyang has no code for these, only words
	if (strstr(msg, "not found as a child") != NULL ||
	    strstr(msg, "not found in the") != NULL || strstr(msg, "Unknown element") != NULL ||
	    strstr(msg, "state node") != NULL || strstr(msg, "state data") != NULL ||
	    strstr(msg, "is not allowed") != NULL)
		return "unknown-element";
	if (strstr(msg, "missing its key") != NULL)
		return "missing-element";
	if (strstr(msg, "nnotation definition") != NULL)
		return "unknown-attribute";
	if (strstr(msg, "No module named") != NULL || strstr(msg, "missing module") != NULL ||
	    strstr(msg, "must be namespace-qualified") != NULL)
		return "unknown-namespace";
	switch (code) {
	case LYVE_SYNTAX_JSON:
	case LYVE_SYNTAX_XML:
		return "malformed-message";
	case LYVE_REFERENCE:
		return "unknown-element";
	default:
		return "invalid-value";
	}
}

void errors_add_libyang(struct txn_result *r, const struct ly_ctx *ctx, const char *fallback)
{
	const char *msg = ly_errmsg(ctx), *where = ly_errpath(ctx), *a, *b;
	char path[512] = "";

	if (msg == NULL) {
		errors_add(r, "operation-failed", NULL, NULL, "%s", fallback);
		return;
	}
	// Data location "/a:b/c[k='v']", line number 1. or Schema location ...
	if (where != NULL && (a = strstr(where, "location \"")) != NULL) {
		a += strlen("location \"");
		b = strstr(a, "\", line");
		if (b == NULL)
			b = strstr(a, "\".");
		if (b != NULL)
			snprintf(path, sizeof(path), "%.*s", (int)(b - a), a);
	}
	// libyang names the parent; what is wrong is a child it does not have, or must have
	if ((a = strstr(msg, "missing its key \"")) != NULL)
		a += strlen("missing its key \"");
	else if (strncmp(msg, "Node \"", 6) == 0 && strstr(msg, "not found as a child") != NULL)
		a = msg + 6;
	if (a != NULL && path[0] != '\0' && (b = strchr(a, '"')) != NULL) {
		size_t used = strlen(path);

		snprintf(path + used, sizeof(path) - used, "/%.*s", (int)(b - a), a);
	}
	errors_add(r, tag_of(ly_vecode(ctx), msg), errors_static(ly_errapptag(ctx)), path, "%s",
		   msg);
}
