// SPDX-License-Identifier: BSD-3-Clause
//
// path - both directions read the same few tokens of XPath: quoted strings, names, all else.

#include "control/netconf/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libyang/libyang.h>

#define PREFIX_MAX 16 // different modules in one path

static bool name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool name_char(char c)
{
	return name_start(c) || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

static size_t name_len(const char *s)
{
	size_t n = 0;

	if (name_start(s[0])) {
		while (name_char(s[n]))
			n++;
	}
	return n;
}

// Length of a quoted string with its quotes; up to the end when it is not closed.
static size_t quoted_len(const char *s)
{
	const char *end = strchr(s + 1, s[0]);

	return end == NULL ? strlen(s) : (size_t)(end - s) + 1;
}

// The module of a prefix "name:" at s, when there is one. "name::" is an axis, not a prefix.
static bool has_prefix(const char *s, size_t n)
{
	return n > 0 && s[n] == ':' && s[n + 1] != ':';
}

struct prefixes {
	const struct lys_module *mod[PREFIX_MAX];
	unsigned count;
};

static void note_module(struct prefixes *set, const struct lys_module *mod)
{
	for (unsigned i = 0; i < set->count; i++) {
		if (set->mod[i] == mod)
			return;
	}
	if (set->count < PREFIX_MAX)
		set->mod[set->count++] = mod;
}

// Two modules may have the same prefix: then the later one goes by its name.
static const char *prefix_of(const struct prefixes *set, const struct lys_module *mod)
{
	for (unsigned i = 0; i < set->count && set->mod[i] != mod; i++) {
		if (strcmp(set->mod[i]->prefix, mod->prefix) == 0)
			return mod->name;
	}
	return mod->prefix;
}

static const struct lys_module *module_at(const struct ly_ctx *ctx, const char *s, size_t n)
{
	char name[128];

	if (n >= sizeof(name))
		return NULL;
	memcpy(name, s, n);
	name[n] = '\0';
	return ly_ctx_get_module_implemented(ctx, name);
}

// One pass over the path: with out NULL only the modules are noted.
static void write_path(const struct ly_ctx *ctx, const char *path, struct prefixes *set,
		       struct ncd_buf *out)
{
	const struct lys_module *step = NULL, *mod;
	unsigned depth = 0;
	const char *p = path;

	while (*p != '\0') {
		size_t n = name_len(p), skip = 0, rest;

		if (*p == '\'' || *p == '"') {
			n = quoted_len(p);
			if (out != NULL)
				ncd_buf_add(out, p, n);
			p += n;
			continue;
		}
		if (n == 0) {
			depth += *p == '[';
			depth -= *p == ']' && depth > 0;
			if (out != NULL)
				ncd_buf_add(out, p, 1);
			p++;
			continue;
		}
		mod = step;
		if (has_prefix(p, n)) {
			mod = module_at(ctx, p, n);
			skip = mod == NULL ? 0 : n + 1; // unknown: the prefix stays as text
			rest = skip == 0 ? n + 1 + name_len(p + n + 1) : name_len(p + skip);
		} else {
			rest = n;
		}
		if (p[skip + rest] == '(')
			mod = NULL; // a function: count(), text()
		else if (depth == 0)
			step = mod;
		if (mod != NULL)
			note_module(set, mod);
		if (out != NULL && mod != NULL)
			ncd_buf_fmt(out, "%s:", prefix_of(set, mod));
		if (out != NULL)
			ncd_buf_add(out, p + skip, rest);
		p += skip + rest;
	}
}

void ncd_path_to_xml(const struct ly_ctx *ctx, const char *path, const char *element,
		     struct ncd_buf *out)
{
	struct prefixes set = {.count = 0};
	struct ncd_buf text = {0};

	write_path(ctx, path, &set, NULL);
	write_path(ctx, path, &set, &text);
	ncd_buf_fmt(out, "<%s", element);
	for (unsigned i = 0; i < set.count; i++)
		ncd_buf_fmt(out, " xmlns:%s=\"%s\"", prefix_of(&set, set.mod[i]), set.mod[i]->ns);
	ncd_buf_str(out, ">");
	if (text.data != NULL)
		ncd_buf_xml(out, text.data);
	ncd_buf_fmt(out, "</%s>", element);
	out->failed = out->failed || text.failed;
	ncd_buf_fini(&text);
}

static const struct lys_module *module_in_scope(const struct ly_ctx *ctx, xmlNodePtr scope,
						const char *prefix)
{
	xmlNsPtr ns = xmlSearchNs(scope->doc, scope, (const xmlChar *)prefix);

	if (ns == NULL || ns->href == NULL)
		return NULL;
	return ly_ctx_get_module_implemented_ns(ctx, (const char *)ns->href);
}

int ncd_path_from_xml(const struct ly_ctx *ctx, const char *expr, xmlNodePtr scope, char **out,
		      char **bad)
{
	struct ncd_buf b = {0};
	const char *p = expr;

	ncd_buf_str(&b, "");
	while (*p != '\0') {
		size_t n = name_len(p);

		if (*p == '\'' || *p == '"') {
			n = quoted_len(p);
		} else if (has_prefix(p, n)) {
			const struct lys_module *mod;
			char *prefix = strndup(p, n);

			if (prefix == NULL) {
				ncd_buf_fini(&b);
				return -ENOMEM;
			}
			mod = module_in_scope(ctx, scope, prefix);
			if (mod == NULL) {
				ncd_buf_fini(&b);
				*bad = prefix;
				return -ENOKEY;
			}
			free(prefix);
			ncd_buf_fmt(&b, "%s:", mod->name);
			p += n + 1;
			n = name_len(p);
			ncd_buf_add(&b, p, n);
			p += n;
			continue;
		} else if (n == 0) {
			n = 1;
		}
		ncd_buf_add(&b, p, n);
		p += n;
	}
	if (b.failed) {
		ncd_buf_fini(&b);
		return -ENOMEM;
	}
	*out = b.data;
	return 0;
}

bool ncd_path_quote(struct ncd_buf *out, const char *value)
{
	char quote = strchr(value, '\'') == NULL ? '\'' : '"';

	if (quote == '"' && strchr(value, '"') != NULL)
		return false;
	ncd_buf_add(out, &quote, 1);
	ncd_buf_str(out, value);
	ncd_buf_add(out, &quote, 1);
	return true;
}
