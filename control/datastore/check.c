// SPDX-License-Identifier: BSD-3-Clause

#include "control/datastore/check.h"

#include "control/datastore/errors.h"
#include "control/datastore/schema.h"
#include "control/datastore/tree.h"

#include <jansson.h>
#include <libyang/libyang.h>

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct todo {
	const struct schema_cond *cond;
	struct lyd_node *node; // instance of cond->node
};

// Values of one leafref target that are gone.
struct gone {
	const struct lysc_node *target;
	json_t *values; // object: value -> true
};

struct check {
	struct tree *t;
	struct tree_log *log; // NULL: check_all
	struct txn_result *r;
	struct todo *todo;
	size_t todo_count, todo_size;
	struct gone *gone;
	size_t gone_count;
	const struct lyd_node *last_parent; // checked last: a bulk load adds many to one parent
	bool nomem;
};

// In the tree as it is now, and not in something a later step deleted.
static bool live(const struct check *c, const struct lyd_node *node)
{
	while (lyd_parent(node) != NULL)
		node = lyd_parent(node);
	if (schema_parent(node->schema) != NULL)
		return false;
	for (const struct lyd_node *top = c->t->root; top != NULL; top = top->next)
		if (top == node)
			return true;
	return false;
}

static void want(struct check *c, const struct schema_cond *cond, struct lyd_node *node)
{
	if (c->todo_count == c->todo_size) {
		size_t size = c->todo_size == 0 ? 64 : 2 * c->todo_size;
		struct todo *todo = realloc(c->todo, size * sizeof(*todo));

		if (todo == NULL) {
			c->nomem = true;
			return;
		}
		c->todo = todo;
		c->todo_size = size;
	}
	c->todo[c->todo_count++] = (struct todo){.cond = cond, .node = node};
}

typedef void (*instance_fn)(struct check *c, struct lyd_node *node, const void *arg);

// Call fn for each instance of schema below from (NULL: in the whole tree).
static void each_instance(struct check *c, struct lyd_node *from, const struct lysc_node *schema,
			  instance_fn fn, const void *arg)
{
	const struct lysc_node *stop = from != NULL ? from->schema : NULL, *step = schema;
	struct lyd_node *node = NULL;

	if (stop == schema) {
		fn(c, from, arg);
		return;
	}
	while (schema_parent(step) != stop)
		step = schema_parent(step);
	if (lyd_find_sibling_val(from != NULL ? lyd_child(from) : c->t->root, step, NULL, 0,
				 &node) != LY_SUCCESS)
		return;
	for (; node != NULL && node->schema == step; node = node->next)
		each_instance(c, node, schema, fn, arg);
}

static void want_instance(struct check *c, struct lyd_node *node, const void *arg)
{
	want(c, arg, node);
}

// Conditions that read a node of this schema, which is (or was) below parent.
static void want_readers(struct check *c, struct lyd_node *node, const struct lysc_node *schema,
			 struct lyd_node *parent)
{
	const struct schema_node *s = schema_node(schema);

	for (size_t i = 0; i < s->reader_count; i++) {
		const struct schema_cond *cond = s->reader[i];
		const struct lysc_node *common = schema_common(cond->node, schema);
		struct lyd_node *at = node != NULL ? node : parent;

		while (at != NULL && at->schema != common)
			at = lyd_parent(at);
		if (at == NULL && common != NULL)
			continue; // that level is gone as well
		each_instance(c, at, cond->node, want_instance, cond);
	}
}

static void note_gone(struct check *c, const struct lysc_node *schema, const char *value)
{
	struct gone *g = NULL;

	if (schema_node(schema)->source_count == 0)
		return;
	for (size_t i = 0; i < c->gone_count; i++)
		if (c->gone[i].target == schema)
			g = &c->gone[i];
	if (g == NULL) {
		g = realloc(c->gone, (c->gone_count + 1) * sizeof(*g));
		if (g == NULL) {
			c->nomem = true;
			return;
		}
		c->gone = g;
		g = &c->gone[c->gone_count++];
		*g = (struct gone){.target = schema, .values = json_object()};
	}
	if (json_object_set_new_nocheck(g->values, value, json_true()) != 0)
		c->nomem = true;
}

static void check_leafref(struct check *c, struct lyd_node *leaf)
{
	const char *value = lyd_get_value(leaf);
	const struct ly_ctx *ctx = LYD_CTX(leaf);
	LY_ERR rc;

	if (!schema_node(leaf->schema)->leafref)
		return;
	rc = lyd_value_validate(ctx, leaf->schema, value, strlen(value), leaf, NULL, NULL);
	if (rc == LY_SUCCESS || rc == LY_EINCOMPLETE)
		return;
	errors_add_node(c->r, "data-missing", "instance-required", leaf, "\"%s\" does not exist",
			value);
}

// ---- conditions

static struct lyd_node *scope_of(struct lyd_node *node, const struct lysc_node *scope)
{
	while (node != NULL && node->schema != scope)
		node = lyd_parent(node);
	return node;
}

// The node of copy that stands for node, where copy is the copy of top.
static struct lyd_node *counterpart(const struct lyd_node *node, const struct lyd_node *top,
				    struct lyd_node *copy)
{
	struct lyd_node *parent;

	if (node == top)
		return copy;
	parent = counterpart(lyd_parent(node), top, copy);
	return parent != NULL ? tree_find(lyd_child(parent), node) : NULL;
}

static int eval_at(const struct lyd_node *node, const struct schema_cond *cond, bool *result)
{
	const struct lyxp_expr *expr = cond->when != NULL ? cond->when->cond : cond->must->cond;
	const struct lysc_prefix *prefixes =
		cond->when != NULL ? cond->when->prefixes : cond->must->prefixes;
	const struct lyd_node *at = node;
	ly_bool yes = 0;

	if (cond->when != NULL && cond->when->context != NULL)
		while (at != NULL && at->schema != cond->when->context)
			at = lyd_parent(at);
	if (at == NULL)
		at = node;
	if (lyd_eval_xpath3(at, cond->node->module, lyxp_get_expr(expr), LY_VALUE_SCHEMA_RESOLVED,
			    (void *)(uintptr_t)prefixes, NULL, &yes) != LY_SUCCESS)
		return -EINVAL;
	*result = yes != 0;
	return 0;
}

static int eval(struct lyd_node *node, const struct schema_cond *cond, bool *result)
{
	struct lyd_node *top, *copy = NULL, *root, *at;
	int rc = -ENOMEM;

	top = cond->reads_defaults && cond->scope != NULL ? scope_of(node, cond->scope) : NULL;
	while (top != NULL && !(top->schema->nodetype & (LYS_CONTAINER | LYS_LIST)))
		top = lyd_parent(top);
	if (top == NULL)
		return eval_at(node, cond, result);
	if (lyd_dup_single(top, NULL, LYD_DUP_RECURSIVE | LYD_DUP_WITH_PARENTS | LYD_DUP_NO_META,
			   &copy) != LY_SUCCESS)
		return -ENOMEM;
	for (root = copy; lyd_parent(root) != NULL; root = lyd_parent(root))
		;
	at = counterpart(node, top, copy);
	if (at != NULL && lyd_new_implicit_tree(copy, LYD_IMPLICIT_NO_STATE, NULL) == LY_SUCCESS)
		rc = eval_at(at, cond, result);
	lyd_free_all(root);
	return rc;
}

// A when on a node that is not there, seen from its parent. True where it cannot be told.
static bool when_holds_absent(const struct lyd_node *parent, const struct lysc_node *schema)
{
	const struct schema_node *s = schema_node(schema);
	struct lyd_node *copy = NULL, *dummy = NULL, *root;
	bool yes = true;

	for (size_t i = 0; i < s->own_count && yes; i++) {
		if (s->own[i].when == NULL || parent == NULL)
			continue;
		if (lyd_dup_single(parent, NULL,
				   LYD_DUP_RECURSIVE | LYD_DUP_WITH_PARENTS | LYD_DUP_NO_META,
				   &copy) != LY_SUCCESS)
			return true;
		for (root = copy; lyd_parent(root) != NULL; root = lyd_parent(root))
			;
		// its own place is the context where the when stands on the node itself
		if (s->own[i].when->context == schema && schema->nodetype == LYS_CONTAINER)
			(void)lyd_new_inner(copy, schema->module, schema->name, 0, &dummy);
		(void)lyd_new_implicit_tree(copy, LYD_IMPLICIT_NO_STATE | LYD_IMPLICIT_NO_DEFAULTS,
					    NULL);
		if (dummy != NULL || s->own[i].when->context != schema)
			(void)eval_at(dummy != NULL ? dummy : copy, &s->own[i], &yes);
		lyd_free_all(root);
		dummy = NULL;
	}
	return yes;
}

// ---- children of one node

static bool has_case_data(const struct tree *t, const struct lyd_node *parent,
			  const struct lysc_node *choice)
{
	const struct lysc_node *cs, *node;
	struct lyd_node *match;

	for (cs = lysc_node_child(choice); cs != NULL; cs = cs->next)
		for (node = lysc_node_child(cs); node != NULL; node = node->next) {
			if (node->nodetype == LYS_CHOICE) {
				if (has_case_data(t, parent, node))
					return true;
			} else if (lyd_find_sibling_val(tree_children(t, parent), node, NULL, 0,
							&match) == LY_SUCCESS) {
				return true;
			}
		}
	return false;
}

static void missing(struct check *c, const struct lyd_node *parent, const struct lysc_node *schema,
		    const char *tag, const char *app_tag, const char *text)
{
	char *up = parent != NULL ? lyd_path(parent, LYD_PATH_STD, NULL, 0) : NULL;
	bool prefix = parent == NULL || parent->schema->module != schema->module;
	const struct lysc_node *step[32];
	size_t depth = 0, used;
	char path[512];

	// the node, below absent containers down from the parent
	for (const struct lysc_node *s = schema; s != NULL && depth < 32; s = schema_parent(s)) {
		if (parent != NULL && s == parent->schema)
			break;
		step[depth++] = s;
	}
	used = (size_t)snprintf(path, sizeof(path), "%s", up != NULL ? up : "");
	while (depth-- > 0 && used < sizeof(path)) {
		used += (size_t)snprintf(path + used, sizeof(path) - used, "/%s%s%s",
					 prefix ? step[depth]->module->name : "", prefix ? ":" : "",
					 step[depth]->name);
		prefix = false;
	}
	free(up);
	errors_add(c->r, tag, app_tag, path, "%s", text);
}

static size_t count_instances(const struct tree *t, const struct lyd_node *parent,
			      const struct lysc_node *schema)
{
	struct lyd_node *node = NULL;
	size_t n = 0;

	if (lyd_find_sibling_val(tree_children(t, parent), schema, NULL, 0, &node) != LY_SUCCESS)
		return 0;
	for (; node != NULL && node->schema == schema; node = node->next)
		n++;
	return n;
}

static void check_bounds(struct check *c, struct lyd_node *parent, const struct lysc_node *schema,
			 bool absent)
{
	uint32_t min, max;
	size_t n;

	if (schema->nodetype == LYS_LIST) {
		min = ((const struct lysc_node_list *)schema)->min;
		max = ((const struct lysc_node_list *)schema)->max;
	} else {
		min = ((const struct lysc_node_leaflist *)schema)->min;
		max = ((const struct lysc_node_leaflist *)schema)->max;
	}
	if (min == 0 && (max == 0 || max == UINT32_MAX))
		return;
	n = absent ? 0 : count_instances(c->t, parent, schema);
	if (n < min && when_holds_absent(parent, schema))
		missing(c, parent, schema, "operation-failed", "too-few-elements",
			"too few entries");
	if (max != 0 && n > max)
		missing(c, parent, schema, "operation-failed", "too-many-elements",
			"too many entries");
}

// RFC 7950 section 7.8.3. The values of one unique statement, put together, are a key.
static void check_unique(struct check *c, const struct lyd_node *parent,
			 const struct lysc_node_list *list)
{
	LY_ARRAY_COUNT_TYPE u, v;

	LY_ARRAY_FOR(list->uniques, u)
	{
		json_t *seen = json_object();
		struct lyd_node *entry = NULL;

		(void)lyd_find_sibling_val(tree_children(c->t, parent),
					   (const struct lysc_node *)list, NULL, 0, &entry);
		for (; entry != NULL && entry->schema == (const struct lysc_node *)list;
		     entry = entry->next) {
			json_t *key = json_array();
			char *text;

			LY_ARRAY_FOR(list->uniques[u], v)
			{
				const struct lysc_node *leaf =
					(const struct lysc_node *)list->uniques[u][v];
				struct lyd_node *at = entry;

				while (at != NULL && at->schema != leaf) {
					const struct lysc_node *step = leaf;

					while (schema_parent(step) != at->schema)
						step = schema_parent(step);
					if (lyd_find_sibling_val(lyd_child(at), step, NULL, 0,
								 &at) != LY_SUCCESS)
						at = NULL;
				}
				if (at != NULL)
					json_array_append_new(key, json_string(lyd_get_value(at)));
				else if (list->uniques[u][v]->dflt != NULL)
					json_array_append_new(key,
							      json_string(lyd_value_get_canonical(
								      leaf->module->ctx,
								      list->uniques[u][v]->dflt)));
			}
			text = json_array_size(key) == LY_ARRAY_COUNT(list->uniques[u])
				       ? json_dumps(key, JSON_COMPACT)
				       : NULL;
			if (text != NULL && json_object_get(seen, text) != NULL)
				errors_add_node(c->r, "operation-failed", "data-not-unique", entry,
						"another entry has the same values");
			else if (text != NULL)
				json_object_set_new_nocheck(seen, text, json_true());
			free(text);
			json_decref(key);
		}
		json_decref(seen);
	}
}

// What must be there below parent (NULL and absent: the schema level alone).
static void check_level(struct check *c, struct lyd_node *parent, const struct lysc_node *first,
			bool absent)
{
	const struct lysc_node *s, *cs;
	struct lyd_node *match;

	for (s = first; s != NULL; s = s->next) {
		if (!(s->flags & LYS_CONFIG_W))
			continue;
		switch (s->nodetype) {
		case LYS_CHOICE:
			if (!absent && has_case_data(c->t, parent, s)) {
				for (cs = lysc_node_child(s); cs != NULL; cs = cs->next) {
					const struct lysc_node *in = lysc_node_child(cs);
					bool used = false;

					for (; in != NULL && !used; in = in->next)
						used = in->nodetype == LYS_CHOICE
							       ? has_case_data(c->t, parent, in)
							       : lyd_find_sibling_val(
									 tree_children(c->t,
										       parent),
									 in, NULL, 0,
									 &match) == LY_SUCCESS;
					if (used)
						check_level(c, parent, lysc_node_child(cs), false);
				}
			} else if (s->flags & LYS_MAND_TRUE) {
				missing(c, parent, s, "data-missing", "missing-choice",
					"one of the choice must be there");
			}
			break;
		case LYS_LIST:
			check_bounds(c, parent, s, absent);
			if (!absent && ((const struct lysc_node_list *)s)->uniques != NULL)
				check_unique(c, parent, (const struct lysc_node_list *)s);
			break;
		case LYS_LEAFLIST:
			check_bounds(c, parent, s, absent);
			break;
		default:
			if (!(s->flags & LYS_MAND_TRUE) || lysc_is_key(s))
				break;
			if (!absent && lyd_find_sibling_val(tree_children(c->t, parent), s, NULL, 0,
							    &match) == LY_SUCCESS)
				break; // an inner one is checked where it is touched
			if (!when_holds_absent(parent, s))
				break;
			if (s->nodetype == LYS_CONTAINER)
				check_level(c, parent, lysc_node_child(s), true);
			else
				missing(c, parent, s, "data-missing", NULL, "it is mandatory");
			break;
		}
	}
}

static void check_parent(struct check *c, struct lyd_node *parent)
{
	if (parent == NULL || parent == c->last_parent)
		return; // no model demands a top-level node
	c->last_parent = parent;
	check_level(c, parent, lysc_node_child(parent->schema), false);
}

static void check_added(struct check *c, struct lyd_node *node)
{
	const struct schema_node *s = schema_node(node->schema);
	struct lyd_node *child;

	if (lysc_is_key(node->schema))
		goto readers; // judged with its entry, but others may read it
	for (size_t i = 0; i < s->own_count; i++)
		want(c, &s->own[i], node);
	if (node->schema->nodetype & (LYS_LEAF | LYS_LEAFLIST)) {
		check_leafref(c, node);
	} else if (node->schema->nodetype & (LYS_CONTAINER | LYS_LIST)) {
		check_level(c, node, lysc_node_child(node->schema), false);
		LY_LIST_FOR (lyd_child(node), child)
			check_added(c, child);
	}
readers:
	want_readers(c, node, node->schema, NULL);
	if (lysc_is_key(node->schema))
		check_leafref(c, node);
}

static void check_deleted(struct check *c, struct lyd_node *node, struct lyd_node *parent)
{
	struct lyd_node *child;

	if (node->schema->nodetype & (LYS_LEAF | LYS_LEAFLIST))
		note_gone(c, node->schema, lyd_get_value(node));
	// the detached part cannot hold a condition that lives: start above it
	want_readers(c, NULL, node->schema, parent);
	LY_LIST_FOR (lyd_child(node), child)
		check_deleted(c, child, parent);
}

static void check_record(struct check *c, const struct tree_record *rec)
{
	switch (rec->act) {
	case TREE_ADDED:
		if (!live(c, rec->node))
			break;
		check_added(c, rec->node);
		check_parent(c, lyd_parent(rec->node));
		break;
	case TREE_CHANGED:
		note_gone(c, rec->node->schema, rec->old);
		if (!live(c, rec->node))
			break;
		check_leafref(c, rec->node);
		for (size_t i = 0; i < schema_node(rec->node->schema)->own_count; i++)
			want(c, &schema_node(rec->node->schema)->own[i], rec->node);
		want_readers(c, rec->node, rec->node->schema, NULL);
		for (struct lyd_node *up = lyd_parent(rec->node); up != NULL; up = lyd_parent(up))
			if (up->schema->nodetype == LYS_LIST) {
				const struct lysc_node_list *list =
					(const struct lysc_node_list *)up->schema;

				if (list->uniques != NULL)
					check_unique(c, lyd_parent(up), list);
			}
		break;
	case TREE_DELETED:
		if (rec->parent != NULL && !live(c, rec->parent)) {
			check_deleted(c, rec->node, NULL);
			break;
		}
		check_deleted(c, rec->node, rec->parent);
		check_parent(c, rec->parent);
		break;
	case TREE_MOVED:
		break;
	}
}

static int by_pointer(const void *a, const void *b)
{
	const struct todo *x = a, *y = b;

	if (x->node != y->node)
		return (uintptr_t)x->node < (uintptr_t)y->node ? -1 : 1;
	if (x->cond != y->cond)
		return (uintptr_t)x->cond < (uintptr_t)y->cond ? -1 : 1;
	return 0;
}

static bool is_new(const struct check *c, const struct lyd_node *node)
{
	if (c->log == NULL)
		return true;
	for (; node != NULL; node = lyd_parent(node))
		for (size_t i = 0; i < c->log->count; i++)
			if (c->log->rec[i].act != TREE_DELETED && c->log->rec[i].node == node)
				return true;
	return false;
}

static int run_conditions(struct check *c)
{
	struct todo *todo = c->todo;
	size_t count = c->todo_count;
	int rc = 0;

	c->todo = NULL;
	c->todo_count = c->todo_size = 0;
	qsort(todo, count, sizeof(*todo), by_pointer);
	for (size_t i = 0; i < count && rc == 0; i++) {
		const struct schema_cond *cond = todo[i].cond;
		struct lyd_node *node = todo[i].node, *up;
		bool yes = false;

		if (i > 0 && by_pointer(&todo[i - 1], &todo[i]) == 0)
			continue;
		if (!live(c, node)) // a when took it away
			continue;
		rc = eval(node, cond, &yes);
		if (rc == -EINVAL) {
			errors_add_node(c->r, "operation-failed", NULL, node,
					"a condition of the model cannot be evaluated: %s",
					lyxp_get_expr(cond->when != NULL ? cond->when->cond
									 : cond->must->cond));
			rc = 0;
			continue;
		}
		if (rc != 0 || yes)
			continue;
		if (cond->must != NULL) {
			errors_add_node(c->r, "operation-failed",
					cond->must->eapptag != NULL
						? errors_static(cond->must->eapptag)
						: "must-violation",
					node, "%s",
					cond->must->emsg != NULL ? cond->must->emsg
								 : lyxp_get_expr(cond->must->cond));
		} else if (is_new(c, node)) {
			errors_add_node(c->r, "unknown-element", NULL, node,
					"it may not be there: when \"%s\" does not hold",
					lyxp_get_expr(cond->when->cond));
		} else {
			size_t from = c->log->count;

			for (up = lyd_parent(node); rc == 0; up = lyd_parent(node)) {
				rc = tree_del(c->t, node, c->log);
				if (up == NULL || lyd_child(up) != NULL ||
				    up->schema->nodetype != LYS_CONTAINER ||
				    (up->schema->flags & LYS_PRESENCE))
					break;
				node = up;
			}
			for (size_t k = from; k < c->log->count && rc == 0; k++) {
				struct tree_record rec = c->log->rec[k];

				check_record(c, &rec);
			}
		}
	}
	free(todo);
	return rc;
}

static void check_source(struct check *c, struct lyd_node *leaf, const void *arg)
{
	const struct gone *g = arg;

	if (json_object_get(g->values, lyd_get_value(leaf)) != NULL)
		check_leafref(c, leaf);
}

static int finish(struct check *c)
{
	int rc = 0;

	// a when that deletes nodes brings new conditions; each round deletes, so this ends
	while (c->todo_count > 0 && rc == 0 && !c->nomem)
		rc = run_conditions(c);
	for (size_t i = 0; i < c->gone_count && rc == 0; i++) {
		const struct schema_node *s = schema_node(c->gone[i].target);

		for (size_t k = 0; k < s->source_count; k++)
			each_instance(c, NULL, s->source[k], check_source, &c->gone[i]);
	}
	for (size_t i = 0; i < c->gone_count; i++)
		json_decref(c->gone[i].values);
	free(c->gone);
	free(c->todo);
	if (rc == 0 && c->nomem)
		rc = -ENOMEM;
	if (rc == -ENOMEM)
		errors_add(c->r, "resource-denied", NULL, NULL, "out of memory");
	return rc != 0 ? rc : c->r->error_count > 0 ? -EINVAL : 0;
}

int check_edit(struct tree *t, struct tree_log *log, struct txn_result *r)
{
	struct check c = {.t = t, .log = log, .r = r};
	size_t count = log->count;

	for (size_t i = 0; i < count; i++) {
		struct tree_record rec = log->rec[i];

		check_record(&c, &rec);
	}
	return finish(&c);
}

int check_all(struct tree *t, struct txn_result *r)
{
	struct check c = {.t = t, .r = r};
	struct lyd_node *node;

	LY_LIST_FOR (t->root, node)
		check_added(&c, node);
	return finish(&c);
}
