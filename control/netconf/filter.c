// SPDX-License-Identifier: BSD-3-Clause
//
// filter - section numbers below are those of RFC 6241.
//
// Kinds of filter elements: with elements inside, containment (6.2.3); with text, content match
// (6.2.5); empty, selection (6.2.4). Attributes must be matched by the data's (6.2.2). An element in no
// namespace matches in every namespace (6.2.1). Depth is bounded by the XML parser.

#include "control/netconf/filter.h"

#include <stdlib.h>
#include <string.h>

#include "control/netconf/buf.h"
#include "control/netconf/error.h"
#include "control/netconf/path.h"
#include "control/netconf/value.h"
#include "control/netconf/xml.h"

#define DATA_NODES (LYS_CONTAINER | LYS_LIST | LYS_LEAF | LYS_LEAFLIST | LYS_ANYDATA | LYS_ANYXML)

static bool is_containment(xmlNodePtr f)
{
	return ncd_xml_child(f) != NULL;
}

static bool is_content(xmlNodePtr f)
{
	return !is_containment(f) && ncd_xml_has_text(f);
}

static bool names(xmlNodePtr f, const struct lysc_node *schema)
{
	const char *ns = ncd_xml_ns(f);

	return strcmp(ncd_xml_name(f), schema->name) == 0 &&
	       (ns[0] == '\0' || strcmp(ns, schema->module->ns) == 0);
}

// ---- to XPath --------------------------------------------------------------------------------

struct paths {
	const struct ly_ctx *ctx;
	json_t *out;
	size_t limit; // of out, while one child of <filter> is worked on
	bool over;
};

static void emit(struct paths *p, const struct ncd_buf *path)
{
	if (json_array_size(p->out) >= p->limit)
		p->over = true;
	else
		json_array_append_new(p->out, json_string(path->data));
}

// Add a predicate for each key that the filter gives a value for.
// Returns: false when nothing can match
static bool add_keys(const struct paths *p, struct ncd_buf *path, xmlNodePtr f,
		     const struct lysc_node *list)
{
	for (const struct lysc_node *k = lysc_node_child(list); k != NULL && lysc_is_key(k);
	     k = k->next) {
		for (xmlNodePtr c = ncd_xml_child(f); c != NULL; c = ncd_xml_next(c)) {
			const struct lysc_type *type;
			char *text, *canon = NULL;
			size_t before = path->len;
			int rc;

			if (!is_content(c) || !names(c, k))
				continue;
			text = ncd_xml_text(c, true);
			rc = text == NULL ? -1
					  : ncd_value_from_xml(p->ctx, k, text, c, &canon, &type);
			free(text);
			if (rc < 0)
				return false;
			ncd_buf_fmt(path, "[%s:%s=", k->module->name, k->name);
			if (ncd_path_quote(path, canon)) {
				ncd_buf_str(path, "]");
			} else {
				path->len = before; // not sayable in XPath: ask for more
				path->data[before] = '\0';
			}
			free(canon);
		}
	}
	return true;
}

// True when a content match is on something else than a key of the list: that has to be looked at
// in the data, so the node is needed whole.
static bool has_other_content(xmlNodePtr f, const struct lysc_node *schema)
{
	for (xmlNodePtr c = ncd_xml_child(f); c != NULL; c = ncd_xml_next(c)) {
		const struct lysc_node *k =
			schema->nodetype == LYS_LIST ? lysc_node_child(schema) : NULL;

		if (!is_content(c))
			continue;
		while (k != NULL && lysc_is_key(k) && !names(c, k))
			k = k->next;
		if (k == NULL || !lysc_is_key(k))
			return true;
	}
	return false;
}

static void collect(struct paths *p, xmlNodePtr f, const struct lysc_node *parent,
		    const struct lysc_module *top, const struct ncd_buf *prefix);

static void collect_node(struct paths *p, xmlNodePtr f, const struct lysc_node *schema,
			 const struct ncd_buf *prefix)
{
	struct ncd_buf path = {0};
	bool narrow = false;

	ncd_buf_str(&path, prefix->data == NULL ? "" : prefix->data);
	ncd_buf_fmt(&path, "/%s:%s", schema->module->name, schema->name);
	if (!is_containment(f)) {
		emit(p, &path);
	} else if ((schema->nodetype & (LYS_CONTAINER | LYS_LIST)) != 0) {
		if (schema->nodetype == LYS_LIST && !add_keys(p, &path, f, schema)) {
			ncd_buf_fini(&path);
			return;
		}
		for (xmlNodePtr c = ncd_xml_child(f); c != NULL; c = ncd_xml_next(c))
			narrow = narrow || !is_content(c);
		if (!narrow || has_other_content(f, schema)) {
			emit(p, &path);
		} else {
			for (xmlNodePtr c = ncd_xml_child(f); c != NULL && !p->over;
			     c = ncd_xml_next(c)) {
				if (!is_content(c))
					collect(p, c, schema, NULL, &path);
			}
			// The keys alone are an answer too, where none of the siblings exists.
			if (schema->nodetype == LYS_LIST) {
				const struct lysc_node *k = lysc_node_child(schema);

				if (k != NULL && lysc_is_key(k)) {
					ncd_buf_fmt(&path, "/%s:%s", k->module->name, k->name);
					emit(p, &path);
				}
			}
		}
	}
	ncd_buf_fini(&path);
}

// Every data node below parent (or at the top of a module) that the element names.
static void collect(struct paths *p, xmlNodePtr f, const struct lysc_node *parent,
		    const struct lysc_module *top, const struct ncd_buf *prefix)
{
	const struct lysc_node *c = NULL;

	while (!p->over && (c = lys_getnext(c, parent, top, 0)) != NULL) {
		if ((c->nodetype & DATA_NODES) != 0 && names(f, c))
			collect_node(p, f, c, prefix);
	}
}

static bool listed(const char *name, const char *const *list)
{
	for (; *list != NULL; list++) {
		if (strcmp(name, *list) == 0)
			return true;
	}
	return false;
}

static void collect_top(struct paths *p, xmlNodePtr f, const char *const *skip, bool *skipped)
{
	const struct lys_module *mod;
	size_t before = json_array_size(p->out);
	struct ncd_buf none = {0};
	uint32_t i = 0;

	p->limit = before + NCD_FILTER_PATHS_MAX;
	p->over = false;
	while ((mod = ly_ctx_get_module_iter(p->ctx, &i)) != NULL) {
		const char *ns = ncd_xml_ns(f);

		if (!mod->implemented || mod->compiled == NULL ||
		    (ns[0] != '\0' && strcmp(ns, mod->ns) != 0))
			continue;
		if (listed(mod->name, skip)) {
			*skipped = true;
			continue;
		}
		collect(p, f, NULL, mod->compiled, &none);
	}
	if (!p->over)
		return;
	// Too many: the top-level nodes whole.
	while (json_array_size(p->out) > before)
		json_array_remove(p->out, json_array_size(p->out) - 1);
	i = 0;
	while ((mod = ly_ctx_get_module_iter(p->ctx, &i)) != NULL) {
		const struct lysc_node *c = NULL;

		if (!mod->implemented || mod->compiled == NULL || listed(mod->name, skip))
			continue;
		while ((c = lys_getnext(c, NULL, mod->compiled, 0)) != NULL) {
			struct ncd_buf path = {0};

			if ((c->nodetype & DATA_NODES) == 0 || !names(f, c))
				continue;
			ncd_buf_fmt(&path, "/%s:%s", mod->name, c->name);
			json_array_append_new(p->out, json_string(path.data));
			ncd_buf_fini(&path);
		}
	}
}

// Elements and text side by side are no filter. Whatever else there is: a name that no module has
// selects nothing, it is no error.
static int check(xmlNodePtr f, json_t *errs)
{
	if (is_containment(f) && ncd_xml_has_text(f))
		return ncd_error(errs, "protocol", "bad-element", NULL,
				 json_pack("{s:s}", "bad-element", ncd_xml_name(f)),
				 "text and elements side by side in the filter");
	for (xmlNodePtr c = ncd_xml_child(f); c != NULL; c = ncd_xml_next(c)) {
		int rc = check(c, errs);

		if (rc != 0)
			return rc;
	}
	return 0;
}

int ncd_filter_paths(const struct ly_ctx *ctx, xmlNodePtr filter, const char *const *skip,
		     bool *skipped, json_t *paths, json_t *errs)
{
	struct paths p = {.ctx = ctx, .out = paths};
	int rc = check(filter, errs);

	*skipped = false;
	if (rc == 0 && !is_containment(filter) && ncd_xml_has_text(filter))
		rc = ncd_error(errs, "protocol", "bad-element", NULL,
			       json_pack("{s:s}", "bad-element", "filter"),
			       "a subtree filter holds elements");
	if (rc != 0)
		return rc;
	for (xmlNodePtr f = ncd_xml_child(filter); f != NULL; f = ncd_xml_next(f))
		collect_top(&p, f, skip, skipped);
	return 0;
}

// ---- on data ---------------------------------------------------------------------------------

// 6.2.2: each attribute of the filter element must be there with the same value. Our data has but one
// attribute, the mark of a default value.
static bool attributes_match(xmlNodePtr f, const struct lyd_node *d)
{
	for (const xmlAttr *a = f->properties; a != NULL; a = a->next) {
		const char *ns = a->ns == NULL ? "" : (const char *)a->ns->href;
		char *value;
		bool is_true;

		if (strcmp((const char *)a->name, "default") != 0 ||
		    strcmp(ns, NCD_NS_TAGGED) != 0 || (d->flags & LYD_DEFAULT) == 0)
			return false;
		value = ncd_xml_text((const xmlNode *)a, true);
		is_true = value != NULL && (strcmp(value, "true") == 0 || strcmp(value, "1") == 0);
		free(value);
		if (!is_true)
			return false;
	}
	return true;
}

static bool matches(xmlNodePtr f, const struct lyd_node *d)
{
	return d->schema != NULL && names(f, d->schema) && attributes_match(f, d);
}

// 6.2.5: white space at the ends does not count. Values are compared in canonical form, so that
// fd10:0::1 finds fd10::1.
static bool value_matches(const struct ly_ctx *ctx, xmlNodePtr f, const struct lyd_node *d)
{
	const char *have;
	const struct lysc_type *type;
	char *text, *canon = NULL;
	bool same;

	if ((d->schema->nodetype & (LYS_LEAF | LYS_LEAFLIST)) == 0)
		return false;
	text = ncd_xml_text(f, true);
	if (text == NULL)
		return false;
	have = lyd_get_value(d);
	same = strcmp(text, have) == 0;
	if (!same && ncd_value_from_xml(ctx, d->schema, text, f, &canon, &type) == 0)
		same = strcmp(canon, have) == 0;
	free(canon);
	free(text);
	return same;
}

static void mark(struct lyd_node *d, void *as)
{
	if ((uintptr_t)d->priv < (uintptr_t)as)
		d->priv = as;
}

// True when some child fits the content match c; with mark_them each that does is marked.
static bool content_holds(const struct ly_ctx *ctx, xmlNodePtr c, struct lyd_node *parent,
			  bool mark_them)
{
	struct lyd_node *d;
	bool any = false;

	LY_LIST_FOR (lyd_child(parent), d) {
		if (!matches(c, d) || !value_matches(ctx, c, d))
			continue;
		any = true;
		if (!mark_them)
			break;
		mark(d, NCD_MARK_WHOLE);
	}
	return any;
}

// The element f stands for the node d, and has elements inside: what of d is selected?
// Returns: false, with nothing marked, when nothing is
static bool select_inside(const struct ly_ctx *ctx, xmlNodePtr f, struct lyd_node *d)
{
	bool content = false, others = false, any = false;

	if ((d->schema->nodetype & (LYS_CONTAINER | LYS_LIST)) == 0)
		return false;
	for (xmlNodePtr c = ncd_xml_child(f); c != NULL; c = ncd_xml_next(c)) {
		if (!is_content(c)) {
			others = true;
			continue;
		}
		content = true;
		if (!content_holds(ctx, c, d, false))
			return false;
	}
	if (!others) {
		mark(d, NCD_MARK_WHOLE); // content matches only: all siblings (6.2.5)
		return true;
	}
	for (xmlNodePtr c = ncd_xml_child(f); c != NULL; c = ncd_xml_next(c)) {
		struct lyd_node *child;

		if (is_content(c)) {
			content_holds(ctx, c, d, true);
			continue;
		}
		LY_LIST_FOR (lyd_child(d), child) {
			if (!matches(c, child))
				continue;
			if (!is_containment(c)) {
				mark(child, NCD_MARK_WHOLE);
				any = true;
			} else if (select_inside(ctx, c, child)) {
				any = true;
			}
		}
	}
	if (any || content)
		mark(d, NCD_MARK_PART);
	return any || content;
}

void ncd_filter_apply(const struct ly_ctx *ctx, xmlNodePtr filter, struct lyd_node *tree)
{
	for (xmlNodePtr f = ncd_xml_child(filter); f != NULL; f = ncd_xml_next(f)) {
		struct lyd_node *d;

		LY_LIST_FOR (tree, d) {
			if (!matches(f, d))
				continue;
			if (is_containment(f))
				select_inside(ctx, f, d);
			else if (!is_content(f) || value_matches(ctx, f, d))
				mark(d, NCD_MARK_WHOLE);
		}
	}
}
