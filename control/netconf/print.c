// SPDX-License-Identifier: BSD-3-Clause
//
// print - elements are in the default namespace, declared where it changes; values that hold names
// (identities, paths) declare their prefixes themselves.

#include "control/netconf/print.h"

#include <string.h>

#include "control/netconf/filter.h"
#include "control/netconf/path.h"
#include "control/netconf/value.h"
#include "control/netconf/xml.h"

struct printer {
	struct ncd_buf *out;
	bool tagged;
};

static const struct lysc_type *real_type(const struct lyd_node *n)
{
	const struct lyd_value *v = &((const struct lyd_node_term *)n)->value;

	while (v->realtype->basetype == LY_TYPE_UNION)
		v = &v->subvalue->value;
	return v->realtype;
}

static void print_term(const struct printer *p, const struct lyd_node *n)
{
	const char *value = lyd_get_value(n);

	ncd_buf_str(p->out, ">");
	ncd_buf_xml(p->out, value);
	ncd_buf_fmt(p->out, "</%s>", n->schema->name);
}

// Canonical values have module names where XML has prefixes; a value is read like a path, for an
// identity is a path of one step.
static void print_names(const struct printer *p, const struct lyd_node *n)
{
	struct ncd_buf b = {0};
	const char *rest;

	ncd_path_to_xml(LYD_CTX(n), lyd_get_value(n), n->schema->name, &b);
	p->out->failed = p->out->failed || b.failed;
	if (b.data == NULL)
		return;
	rest = b.data + 1 + strlen(n->schema->name); // the start tag is already open
	ncd_buf_str(p->out, rest);
	ncd_buf_fini(&b);
}

static void print_node(const struct printer *p, const struct lyd_node *n, const char *ns,
		       bool marked_only);

static void print_children(const struct printer *p, const struct lyd_node *parent, const char *ns,
			   bool marked_only)
{
	const struct lyd_node *c;

	LY_LIST_FOR (lyd_child(parent), c) {
		if (!marked_only || c->priv != NULL || lysc_is_key(c->schema))
			print_node(p, c, ns, marked_only && c->priv != NCD_MARK_WHOLE);
	}
}

static void print_node(const struct printer *p, const struct lyd_node *n, const char *ns,
		       bool marked_only)
{
	const struct lysc_node *s = n->schema;

	if (s == NULL)
		return; // opaque: the parser is strict, there is none
	ncd_buf_fmt(p->out, "<%s", s->name);
	if (strcmp(ns, s->module->ns) != 0)
		ncd_buf_fmt(p->out, " xmlns=\"%s\"", s->module->ns);
	if ((s->nodetype & (LYS_LEAF | LYS_LEAFLIST)) != 0) {
		if (p->tagged && (n->flags & LYD_DEFAULT) != 0)
			ncd_buf_str(p->out, " xmlns:wd=\"" NCD_NS_TAGGED "\" wd:default=\"true\"");
		if (ncd_value_holds_names(real_type(n)))
			print_names(p, n);
		else
			print_term(p, n);
		return;
	}
	if ((s->nodetype & (LYS_CONTAINER | LYS_LIST)) == 0 || lyd_child(n) == NULL) {
		ncd_buf_str(p->out, "/>");
		return;
	}
	ncd_buf_str(p->out, ">");
	print_children(p, n, s->module->ns, marked_only);
	ncd_buf_fmt(p->out, "</%s>", s->name);
}

void ncd_print(const struct lyd_node *tree, bool marked_only, bool tagged, struct ncd_buf *out)
{
	const struct printer p = {.out = out, .tagged = tagged};
	const struct lyd_node *n;

	LY_LIST_FOR (tree, n) {
		if (!marked_only || n->priv != NULL)
			print_node(&p, n, "", marked_only && n->priv != NCD_MARK_WHOLE);
	}
}
