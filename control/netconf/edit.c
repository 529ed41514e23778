// SPDX-License-Identifier: BSD-3-Clause
//
// edit - one walk down the XML tree beside the schema tree. Depth is bounded by the XML parser.

#include "control/netconf/edit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libyang/libyang.h>

#include "control/netconf/buf.h"
#include "control/netconf/error.h"
#include "control/netconf/path.h"
#include "control/netconf/value.h"
#include "control/netconf/xml.h"

#define DATA_NODES (LYS_CONTAINER | LYS_LIST | LYS_LEAF | LYS_LEAFLIST)

enum operation { OP_NONE, OP_MERGE, OP_REPLACE, OP_CREATE, OP_DELETE, OP_REMOVE };

static const char *const operation_names[] = {"", "merge", "replace", "create", "delete", "remove"};

struct walk {
	const struct ly_ctx *ctx;
	xmlNodePtr config;
	bool with_operations;
	struct ncd_edit *e;
	json_t *errs;
};

// What the attributes of an element say.
struct marks {
	enum operation op;
	bool is_default; // wd:default="true" (RFC 6243 section 6)
	json_t *others;  // insert, key, value of ordered-by user lists, for sluiced; or NULL
};

// ---- paths -----------------------------------------------------------------------------------

static const struct lys_module *module_of(const struct ly_ctx *ctx, const xmlNode *n)
{
	return ly_ctx_get_module_implemented_ns(ctx, ncd_xml_ns(n));
}

static const struct lysc_node *schema_child(const struct lysc_node *parent,
					    const struct lys_module *mod, const char *name)
{
	return mod == NULL ? NULL : lys_find_child(parent, mod, name, 0, DATA_NODES, 0);
}

static xmlNodePtr find_child(xmlNodePtr n, const struct lysc_node *schema)
{
	for (xmlNodePtr c = ncd_xml_child(n); c != NULL; c = ncd_xml_next(c)) {
		if (ncd_xml_is(c, schema->module->ns, schema->name))
			return c;
	}
	return NULL;
}

static void add_value(struct ncd_buf *out, const struct ly_ctx *ctx, xmlNodePtr n,
		      const struct lysc_node *schema)
{
	const struct lysc_type *type;
	char *text = ncd_xml_text(n, true), *canon = NULL;

	if (text != NULL && ncd_value_from_xml(ctx, schema, text, n, &canon, &type) == 0)
		ncd_path_quote(out, canon);
	else if (text == NULL || !ncd_path_quote(out, text))
		ncd_buf_str(out, "''");
	free(canon);
	free(text);
}

// Path of an element below <config>; returns its schema node, NULL where the schema knows it not.
static const struct lysc_node *add_path(struct ncd_buf *out, const struct walk *w, xmlNodePtr n)
{
	const struct lysc_node *parent = NULL, *schema;
	const struct lys_module *mod = module_of(w->ctx, n);

	if (n->parent != w->config) {
		parent = add_path(out, w, n->parent);
		if (parent == NULL)
			return NULL;
	}
	schema = schema_child(parent, mod, ncd_xml_name(n));
	if (schema == NULL) {
		// Named after its parent's module: a prefix of its own could not be written.
		ncd_buf_fmt(out, "/%s%s%s", mod == NULL ? "" : mod->name, mod == NULL ? "" : ":",
			    ncd_xml_name(n));
		return NULL;
	}
	ncd_buf_fmt(out, "/%s:%s", mod->name, schema->name);
	if (schema->nodetype == LYS_LEAFLIST) {
		ncd_buf_str(out, "[.=");
		add_value(out, w->ctx, n, schema);
		ncd_buf_str(out, "]");
	}
	if (schema->nodetype != LYS_LIST)
		return schema;
	for (const struct lysc_node *k = lysc_node_child(schema); k != NULL && lysc_is_key(k);
	     k = k->next) {
		xmlNodePtr key = find_child(n, k);

		if (key == NULL)
			break;
		ncd_buf_fmt(out, "[%s:%s=", k->module->name, k->name);
		add_value(out, w->ctx, key, k);
		ncd_buf_str(out, "]");
	}
	return schema;
}

// Refuse: the path is that of n.
static int refuse(const struct walk *w, xmlNodePtr n, const char *tag, json_t *info,
		  const char *text)
{
	struct ncd_buf path = {0};

	// The reason may be libyang's, whose memory is used again below.
	char *copy = strdup(text == NULL ? "" : text);

	add_path(&path, w, n);
	ncd_error(w->errs, "application", tag, path.data, info, "%s", copy == NULL ? "" : copy);
	ncd_buf_fini(&path);
	free(copy);
	return -EINVAL;
}

static int no_memory(const struct walk *w)
{
	ncd_error(w->errs, "application", "resource-denied", NULL, NULL, "out of memory");
	return -ENOMEM;
}

// ---- attributes ------------------------------------------------------------------------------

static json_t *attribute_info(xmlNodePtr n, const char *attr)
{
	return json_pack("{s:s, s:s}", "bad-attribute", attr, "bad-element", ncd_xml_name(n));
}

static int read_operation(const struct walk *w, xmlNodePtr n, const char *value, struct marks *m)
{
	for (int i = OP_MERGE; i <= OP_REMOVE; i++) {
		if (strcmp(value, operation_names[i]) == 0) {
			m->op = (enum operation)i;
			return 0;
		}
	}
	return refuse(w, n, "bad-attribute", attribute_info(n, "operation"),
		      "operation is one of merge, replace, create, delete, remove");
}

// insert, key and value of RFC 7950 sections 7.7.9 and 7.8.6 go on as they are; their meaning is
// sluiced's.
static int read_order(const struct walk *w, xmlNodePtr n, const char *name, const char *value,
		      struct marks *m)
{
	char member[32];
	char *path = NULL, *bad = NULL;

	if (strcmp(name, "key") == 0) {
		if (ncd_path_from_xml(w->ctx, value, n, &path, &bad) != 0) {
			free(bad);
			return refuse(w, n, "bad-attribute", attribute_info(n, name),
				      "a prefix in the key is not known");
		}
		value = path;
	}
	if (m->others == NULL)
		m->others = json_object();
	snprintf(member, sizeof(member), "yang:%s", name);
	json_object_set_new(m->others, member, json_string(value));
	free(path);
	return 0;
}

static int read_attribute(const struct walk *w, xmlNodePtr n, const xmlAttr *a, struct marks *m)
{
	const char *name = (const char *)a->name;
	const char *ns = a->ns == NULL ? "" : (const char *)a->ns->href;
	char *value = ncd_xml_text((const xmlNode *)a, true);
	int rc;

	if (value == NULL)
		return no_memory(w);
	if (w->with_operations && strcmp(ns, NCD_NS_BASE) == 0 && strcmp(name, "operation") == 0) {
		rc = read_operation(w, n, value, m);
	} else if (strcmp(ns, NCD_NS_TAGGED) == 0 && strcmp(name, "default") == 0) {
		m->is_default = strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
		rc = 0;
		if (!m->is_default && strcmp(value, "false") != 0 && strcmp(value, "0") != 0)
			rc = refuse(w, n, "bad-attribute", attribute_info(n, name),
				    "default is true or false");
	} else if (w->with_operations && strcmp(ns, NCD_NS_YANG) == 0 &&
		   (strcmp(name, "insert") == 0 || strcmp(name, "key") == 0 ||
		    strcmp(name, "value") == 0)) {
		rc = read_order(w, n, name, value, m);
	} else {
		rc = refuse(w, n, "unknown-attribute", attribute_info(n, name),
			    ns[0] == '\0' && strcmp(name, "operation") == 0
				    ? "operation must be in the namespace of NETCONF"
				    : "unknown attribute");
	}
	free(value);
	return rc;
}

static int read_marks(const struct walk *w, xmlNodePtr n, struct marks *m)
{
	*m = (struct marks){.op = OP_NONE};
	for (const xmlAttr *a = n->properties; a != NULL; a = a->next) {
		int rc = read_attribute(w, n, a, m);

		if (rc != 0) {
			json_decref(m->others);
			return rc;
		}
	}
	return 0;
}

// The "@" object for the marks, NULL when there is nothing to say. Takes m->others over.
static json_t *marks_json(struct marks *m)
{
	json_t *o = m->others;

	m->others = NULL;
	if (m->op != OP_NONE) {
		if (o == NULL)
			o = json_object();
		json_object_set_new(o, "ietf-netconf:operation",
				    json_string(operation_names[m->op]));
	}
	return o;
}

// ---- elements --------------------------------------------------------------------------------

static int walk_children(const struct walk *w, xmlNodePtr n, const struct lysc_node *schema,
			 json_t *object);

// Member name: with the module where it differs from the parent's (RFC 7951 section 4).
static void member_name(struct ncd_buf *b, const struct lysc_node *schema,
			const struct lysc_node *parent)
{
	if (parent == NULL || parent->module != schema->module)
		ncd_buf_fmt(b, "%s:", schema->module->name);
	ncd_buf_str(b, schema->name);
}

static void set_marks(json_t *object, const char *name, json_t *marks)
{
	struct ncd_buf b = {0};

	if (marks == NULL)
		return;
	ncd_buf_fmt(&b, "@%s", name);
	json_object_set_new(object, b.data, marks);
	ncd_buf_fini(&b);
}

static int add_gap(const struct walk *w, xmlNodePtr n, const struct lysc_node *schema,
		   json_t *object, const char *name, bool must_exist)
{
	struct ncd_edit *e = w->e;
	struct ncd_buf path = {0};
	struct ncd_edit_gap *p;

	if ((e->gap_count & (e->gap_count - 1)) == 0) { // a power of two: full
		p = realloc(e->gaps, sizeof(*p) * (e->gap_count == 0 ? 1 : e->gap_count * 2));
		if (p == NULL)
			return no_memory(w);
		e->gaps = p;
	}
	add_path(&path, w, n);
	p = &e->gaps[e->gap_count++];
	*p = (struct ncd_edit_gap){.object = object,
				   .name = strdup(name),
				   .path = path.data,
				   .leaf = schema,
				   .must_exist = must_exist};
	return p->name == NULL || path.failed ? no_memory(w) : 0;
}

// wd:default="true" says "leave it to its default": the value must be just that, and in explicit mode
// the leaf then does not exist (RFC 6243 section 4.5.2).
static int check_default(const struct walk *w, xmlNodePtr n, const struct lysc_node *schema,
			 const char *canonical)
{
	const char *dflt = NULL;

	if (schema->nodetype == LYS_LEAF && ((const struct lysc_node_leaf *)schema)->dflt != NULL)
		dflt = lyd_value_get_canonical(w->ctx,
					       ((const struct lysc_node_leaf *)schema)->dflt);
	if (dflt == NULL || strcmp(dflt, canonical) != 0)
		return refuse(w, n, "invalid-value", NULL,
			      "marked as the default, but it is not the default value");
	return 0;
}

static int put_term(const struct walk *w, xmlNodePtr n, const struct lysc_node *schema,
		    json_t *object, const char *name, json_t *value, struct marks *m)
{
	json_t *array, *marks;
	char at[256];

	if (schema->nodetype == LYS_LEAF) {
		if (json_object_set_new(object, name, value) != 0)
			return no_memory(w);
		set_marks(object, name, marks_json(m));
		return 0;
	}
	array = json_object_get(object, name);
	if (array == NULL) {
		array = json_array();
		json_object_set_new(object, name, array);
	}
	if (json_array_append_new(array, value) != 0)
		return no_memory(w);
	marks = marks_json(m);
	if (marks == NULL)
		return 0;
	// Marks of a leaf-list stand in an array of their own, null where an entry has none.
	snprintf(at, sizeof(at), "@%s", name);
	value = json_object_get(object, at);
	if (value == NULL) {
		value = json_array();
		json_object_set_new(object, at, value);
	}
	while (json_array_size(value) + 1 < json_array_size(array))
		json_array_append_new(value, json_null());
	json_array_append_new(value, marks);
	return 0;
}

static int walk_term(const struct walk *w, xmlNodePtr n, const struct lysc_node *schema,
		     json_t *object, const char *name, struct marks *m)
{
	const struct lysc_type *type;
	char *canonical = NULL, *text;
	json_t *value = NULL;
	bool removal = m->op == OP_DELETE || m->op == OP_REMOVE;
	int rc;

	if (ncd_xml_child(n) != NULL)
		return refuse(w, n, "bad-element",
			      json_pack("{s:s}", "bad-element", ncd_xml_name(n)),
			      "a leaf has no elements inside");
	if (schema->nodetype == LYS_LEAF && json_object_get(object, name) != NULL)
		return refuse(w, n, "bad-element",
			      json_pack("{s:s}", "bad-element", ncd_xml_name(n)),
			      "the leaf is given twice");
	text = ncd_xml_text(n, false);
	if (text == NULL)
		return no_memory(w);
	rc = ncd_value_from_xml(w->ctx, schema, text, n, &canonical, &type);
	if (rc == -EINVAL) {
		// White space around a number or name is a matter of layout; in a string it counts.
		free(text);
		text = ncd_xml_text(n, true);
		if (text == NULL)
			return no_memory(w);
		rc = ncd_value_from_xml(w->ctx, schema, text, n, &canonical, &type);
	}
	if (rc == -EINVAL && removal && text[0] == '\0' && schema->nodetype == LYS_LEAF &&
	    !lysc_is_key(schema)) {
		free(text);
		rc = add_gap(w, n, schema, object, name, m->op == OP_DELETE);
		if (rc == 0)
			set_marks(object, name, marks_json(m));
		return rc;
	}
	free(text);
	if (rc == -ENOMEM)
		return no_memory(w);
	if (rc < 0) {
		const char *why = ly_errmsg(w->ctx);

		return refuse(w, n, "invalid-value", NULL,
			      why == NULL ? "not a value of this type" : why);
	}
	if (m->is_default && !removal) {
		rc = check_default(w, n, schema, canonical);
		m->op = OP_REMOVE;
		if (rc == 0 && !w->with_operations) {
			free(canonical);
			return 0; // a whole configuration: the default is had by saying nothing
		}
	}
	if (rc == 0) {
		value = ncd_value_to_json(type, canonical);
		rc = value == NULL ? no_memory(w) : put_term(w, n, schema, object, name, value, m);
	}
	free(canonical);
	return rc;
}

static int check_keys(const struct walk *w, xmlNodePtr n, const struct lysc_node *schema,
		      const json_t *entry)
{
	for (const struct lysc_node *k = lysc_node_child(schema); k != NULL && lysc_is_key(k);
	     k = k->next) {
		if (json_object_get(entry, k->name) == NULL)
			return refuse(w, n, "missing-element",
				      json_pack("{s:s}", "bad-element", k->name),
				      "a key of the list is missing");
	}
	return 0;
}

static int walk_inner(const struct walk *w, xmlNodePtr n, const struct lysc_node *schema,
		      json_t *object, const char *name, struct marks *m)
{
	json_t *inner, *list, *marks;
	int rc;

	if (ncd_xml_has_text(n))
		return refuse(w, n, "bad-element",
			      json_pack("{s:s}", "bad-element", ncd_xml_name(n)),
			      "text where only elements may stand");
	if (schema->nodetype == LYS_CONTAINER) {
		if (json_object_get(object, name) != NULL)
			return refuse(w, n, "bad-element",
				      json_pack("{s:s}", "bad-element", ncd_xml_name(n)),
				      "the container is given twice");
		inner = json_object();
		json_object_set_new(object, name, inner);
	} else {
		list = json_object_get(object, name);
		if (list == NULL) {
			list = json_array();
			json_object_set_new(object, name, list);
		}
		inner = json_object();
		json_array_append_new(list, inner);
	}
	if (inner == NULL)
		return no_memory(w);
	marks = marks_json(m);
	if (marks != NULL)
		json_object_set_new(inner, "@", marks);
	rc = walk_children(w, n, schema, inner);
	if (rc == 0 && schema->nodetype == LYS_LIST)
		rc = check_keys(w, n, schema, inner);
	return rc;
}

static int unknown(const struct walk *w, xmlNodePtr n, const struct lys_module *mod)
{
	if (mod == NULL)
		return refuse(w, n, "unknown-namespace",
			      json_pack("{s:s, s:s}", "bad-element", ncd_xml_name(n),
					"bad-namespace", ncd_xml_ns(n)),
			      "no module has this namespace");
	return refuse(w, n, "unknown-element", json_pack("{s:s}", "bad-element", ncd_xml_name(n)),
		      "the schema has no such node here");
}

static int walk_one(const struct walk *w, xmlNodePtr n, const struct lysc_node *parent,
		    json_t *object)
{
	const struct lys_module *mod = module_of(w->ctx, n);
	const struct lysc_node *schema = schema_child(parent, mod, ncd_xml_name(n));
	struct ncd_buf name = {0};
	struct marks m;
	int rc;

	if (schema == NULL)
		return unknown(w, n, mod);
	if ((schema->flags & LYS_CONFIG_R) != 0)
		return refuse(w, n, "unknown-element",
			      json_pack("{s:s}", "bad-element", ncd_xml_name(n)),
			      "this is state, it cannot be configured");
	rc = read_marks(w, n, &m);
	if (rc != 0)
		return rc;
	member_name(&name, schema, parent);
	if ((schema->nodetype & (LYS_LEAF | LYS_LEAFLIST)) != 0)
		rc = walk_term(w, n, schema, object, name.data, &m);
	else
		rc = walk_inner(w, n, schema, object, name.data, &m);
	json_decref(m.others);
	ncd_buf_fini(&name);
	return rc;
}

static int walk_children(const struct walk *w, xmlNodePtr n, const struct lysc_node *schema,
			 json_t *object)
{
	for (xmlNodePtr c = ncd_xml_child(n); c != NULL; c = ncd_xml_next(c)) {
		int rc = walk_one(w, c, schema, object);

		if (rc != 0)
			return rc;
	}
	return 0;
}

int ncd_edit_from_xml(const struct ly_ctx *ctx, xmlNodePtr config, bool with_operations,
		      struct ncd_edit *e, json_t *errs)
{
	struct walk w = {.ctx = ctx,
			 .config = config,
			 .with_operations = with_operations,
			 .e = e,
			 .errs = errs};
	int rc;

	*e = (struct ncd_edit){.config = json_object()};
	if (ncd_xml_has_text(config)) {
		ncd_edit_fini(e);
		return ncd_error(errs, "protocol", "bad-element", NULL,
				 json_pack("{s:s}", "bad-element", "config"),
				 "text where only elements may stand");
	}
	rc = walk_children(&w, config, NULL, e->config);
	if (rc != 0)
		ncd_edit_fini(e);
	return rc;
}

void ncd_edit_fini(struct ncd_edit *e)
{
	for (size_t i = 0; i < e->gap_count; i++) {
		free(e->gaps[i].name);
		free(e->gaps[i].path);
	}
	free(e->gaps);
	json_decref(e->config);
	*e = (struct ncd_edit){0};
}

static int fill_one(const struct ncd_edit_gap *g, const struct lyd_node *tree, json_t *errs)
{
	struct lyd_node *node = NULL;
	char at[256];

	if (tree != NULL && lyd_find_path(tree, g->path, 0, &node) == LY_SUCCESS && node != NULL)
		return json_object_set_new(
			g->object, g->name,
			ncd_value_to_json(((struct lyd_node_term *)node)->value.realtype,
					  lyd_get_value(node)));
	if (g->must_exist)
		return ncd_error(errs, "application", "data-missing", g->path, NULL,
				 "nothing to delete");
	snprintf(at, sizeof(at), "@%s", g->name);
	json_object_del(g->object, at);
	return 0;
}

int ncd_edit_fill(const struct ly_ctx *ctx, struct ncd_edit *e, const json_t *present, json_t *errs)
{
	char *text = json_dumps(present, JSON_COMPACT);
	struct lyd_node *tree = NULL;
	int rc = 0;

	if (text == NULL ||
	    lyd_parse_data_mem(ctx, text, LYD_JSON, LYD_PARSE_ONLY | LYD_PARSE_STRICT, 0, &tree) !=
		    LY_SUCCESS)
		rc = ncd_error(errs, "application", "operation-failed", NULL, NULL,
			       "the configuration that sluiced sent is not of our models");
	for (size_t i = 0; rc == 0 && i < e->gap_count; i++)
		rc = fill_one(&e->gaps[i], tree, errs);
	lyd_free_all(tree);
	free(text);
	return rc;
}
