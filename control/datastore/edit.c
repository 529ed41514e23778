// SPDX-License-Identifier: BSD-3-Clause
//
// A node that the target does not have is built aside (same recursion, `fresh` set) and linked in one
// step, so one record of the log undoes it. A node it has is changed in place.

#include "control/datastore/edit.h"

#include "control/datastore/errors.h"
#include "control/datastore/schema.h"
#include "control/datastore/tree.h"

#include <libyang/libyang.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct edit {
	struct tree *t;
	struct tree_log *log;
	struct txn_result *r;
	const struct edit_guard *guard;
};

static int edit_siblings(struct edit *e, struct lyd_node *parent, bool fresh,
			 const struct lyd_node *first, enum edit_op op);

int edit_parse(const struct ly_ctx *ctx, const char *json, struct lyd_node **out,
	       struct txn_result *r)
{
	struct lyd_node *tree = NULL;

	ly_err_clean((struct ly_ctx *)(uintptr_t)ctx, NULL);
	if (lyd_parse_data_mem(ctx, json, LYD_JSON,
			       LYD_PARSE_ONLY | LYD_PARSE_STRICT | LYD_PARSE_NO_STATE, 0,
			       &tree) != LY_SUCCESS) {
		errors_add_libyang(r, ctx, "the configuration cannot be parsed");
		lyd_free_all(tree);
		return -EINVAL;
	}
	*out = tree;
	return 0;
}

static const char *annotation(const struct lyd_node *node, const char *module, const char *name)
{
	const struct lyd_meta *m;

	for (m = node->meta; m != NULL; m = m->next)
		if (strcmp(m->name, name) == 0 && strcmp(m->annotation->module->name, module) == 0)
			return lyd_get_meta_value(m);
	return NULL;
}

static enum edit_op operation(const struct lyd_node *node, enum edit_op inherited)
{
	static const char *const names[] = {"none",   "merge",  "replace",
					    "create", "delete", "remove"};
	const char *op = annotation(node, "ietf-netconf", "operation");

	if (op == NULL)
		return inherited;
	for (size_t i = EDIT_MERGE; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(op, names[i]) == 0)
			return (enum edit_op)i;
	return inherited;
}

static bool np_container(const struct lyd_node *node)
{
	return node->schema->nodetype == LYS_CONTAINER && !(node->schema->flags & LYS_PRESENCE);
}

static bool inner(const struct lyd_node *node)
{
	return (node->schema->nodetype & (LYS_CONTAINER | LYS_LIST)) != 0;
}

static int fail(struct edit *e, int rc, const char *tag, const char *app_tag,
		const struct lyd_node *node, const char *what)
{
	errors_add_node(e->r, tag, app_tag, node, "%s", what);
	return rc;
}

static int allow(struct edit *e, const struct lyd_node *node, enum edit_access access)
{
	int rc;

	if (e->guard == NULL || lysc_is_key(node->schema))
		return 0;
	rc = e->guard->allow(e->guard->arg, node, access);
	if (rc == -EACCES)
		errors_add_node(e->r, "access-denied", NULL, node, "access denied");
	return rc;
}

static int allow_delete(struct edit *e, const struct lyd_node *node)
{
	const struct lyd_node *child;
	int rc;

	if (e->guard == NULL)
		return 0;
	rc = allow(e, node, EDIT_ACCESS_DELETE);
	LY_LIST_FOR (lyd_child_no_keys(node), child) {
		if (rc != 0)
			return rc;
		rc = allow_delete(e, child);
	}
	return rc;
}

static int delete_node(struct edit *e, struct lyd_node *node, bool fresh)
{
	int rc;

	rc = allow_delete(e, node);
	if (rc != 0)
		return rc;
	if (fresh) {
		struct tree_log log = {0};

		rc = tree_del(e->t, node, &log);
		tree_log_fini(&log);
		return rc;
	}
	return tree_del(e->t, node, e->log);
}

// RFC 7950 section 7.9: a node of one case takes the nodes of all other cases with it.
static int leave_other_cases(struct edit *e, struct lyd_node *parent, bool fresh,
			     const struct lyd_node *node)
{
	const struct lysc_node *c = node->schema->parent;
	struct lyd_node *sib, *next;
	int rc = 0;

	for (; c != NULL && (c->nodetype & (LYS_CASE | LYS_CHOICE)); c = c->parent) {
		if (c->nodetype != LYS_CASE)
			continue;
		for (sib = fresh ? lyd_child(parent) : tree_children(e->t, parent);
		     sib != NULL && rc == 0; sib = next) {
			const struct lysc_node *s = sib->schema->parent;

			next = sib->next;
			while (s != NULL && (s->nodetype & (LYS_CASE | LYS_CHOICE)) &&
			       s->parent != c->parent)
				s = s->parent;
			if (s != NULL && s->nodetype == LYS_CASE && s != c &&
			    s->parent == c->parent)
				rc = delete_node(e, sib, fresh);
		}
	}
	return rc;
}

// Where a user-ordered entry goes: yang:insert first, last, before, after. *move is false where the
// edit says nothing, so an entry that is there keeps its place.
static int insert_point(struct edit *e, struct lyd_node *parent, bool fresh,
			const struct lyd_node *node, bool *move, struct lyd_node **after)
{
	const char *how = annotation(node, "yang", "insert"), *anchor;
	struct lyd_node *first = fresh ? lyd_child(parent) : tree_children(e->t, parent), *it;
	bool list = node->schema->nodetype == LYS_LIST;

	*move = how != NULL;
	*after = NULL;
	if (how == NULL || strcmp(how, "last") == 0) {
		LY_LIST_FOR (first, it)
			if (it->schema == node->schema &&
			    lyd_compare_single(it, node, 0) != LY_SUCCESS)
				*after = it;
		return 0;
	}
	if (strcmp(how, "first") == 0)
		return 0;
	anchor = annotation(node, "yang", list ? "key" : "value");
	if (anchor == NULL)
		return fail(e, -EINVAL, "missing-attribute", NULL, node,
			    list ? "insert before or after needs key"
				 : "insert before or after needs value");
	if (lyd_find_sibling_val(first, node->schema, anchor, list ? 0 : strlen(anchor), &it) !=
	    LY_SUCCESS)
		return fail(e, -EINVAL, "bad-attribute", "missing-instance", node,
			    "the entry to insert at does not exist");
	if (lyd_compare_single(it, node, 0) == LY_SUCCESS)
		return fail(e, -EINVAL, "bad-attribute", NULL, node,
			    "an entry cannot be put beside itself");
	if (strcmp(how, "after") == 0) {
		*after = it;
		return 0;
	}
	*after = tree_prev(it);
	if (*after != NULL && lyd_compare_single(*after, node, 0) == LY_SUCCESS)
		*after = tree_prev(*after);
	return 0;
}

// The target has no such node: build it with all below, then link it.
static int create_node(struct edit *e, struct lyd_node *parent, bool fresh,
		       const struct lyd_node *node, enum edit_op op)
{
	struct lyd_node *made = NULL, *after = NULL;
	bool move;
	int rc = 0;

	if (!np_container(node)) // which is there by definition
		rc = allow(e, node, EDIT_ACCESS_CREATE);
	if (rc == 0)
		rc = leave_other_cases(e, parent, fresh, node);
	if (rc != 0)
		return rc;
	if (lyd_dup_single(node, NULL, LYD_DUP_NO_META, &made) != LY_SUCCESS)
		return -ENOMEM;
	if (inner(node)) {
		rc = edit_siblings(e, made, true, lyd_child_no_keys(node), op);
		if (rc != 0)
			goto out;
		if (np_container(node) && lyd_child(made) == NULL)
			goto out; // an empty non-presence container says nothing
	}
	if (lysc_is_userordered(node->schema)) {
		rc = insert_point(e, parent, fresh, node, &move, &after);
		if (rc != 0)
			goto out;
	}
	// below something unlinked: no log, it falls with its parent
	if (lysc_is_userordered(node->schema))
		rc = tree_add_after(e->t, parent, made, after, fresh ? NULL : e->log);
	else
		rc = tree_add(e->t, parent, made, fresh ? NULL : e->log);
	if (rc == 0)
		return 0;
out:
	lyd_free_tree(made);
	return rc;
}

static int set_leaf(struct edit *e, struct lyd_node *have, bool fresh, const struct lyd_node *node)
{
	int rc;

	if (strcmp(lyd_get_value(have), lyd_get_value(node)) == 0)
		return 0;
	rc = allow(e, node, EDIT_ACCESS_UPDATE);
	if (rc != 0)
		return rc;
	if (!fresh)
		return tree_set(e->t, have, lyd_get_value(node), e->log);
	return lyd_change_term(have, lyd_get_value(node)) == LY_SUCCESS ? 0 : -ENOMEM;
}

// replace: what the edit does not name goes, and user-ordered entries take the edit's order.
static int drop_unnamed(struct edit *e, struct lyd_node *first_have, bool fresh,
			const struct lyd_node *first_edit)
{
	struct lyd_node *child, *next;
	int rc = 0;

	for (child = first_have; child != NULL && rc == 0; child = next) {
		next = child->next;
		if (!lysc_is_key(child->schema) && tree_find(first_edit, child) == NULL)
			rc = delete_node(e, child, fresh);
	}
	return rc;
}

static int order_as(struct edit *e, struct lyd_node *parent, const struct lyd_node *first_edit)
{
	const struct lysc_node *schema = NULL;
	struct lyd_node *prev = NULL, *mine;
	const struct lyd_node *node;
	int rc = 0;

	for (node = first_edit; node != NULL && rc == 0; node = node->next) {
		if (!lysc_is_userordered(node->schema) ||
		    annotation(node, "yang", "insert") != NULL)
			continue;
		if (node->schema != schema)
			prev = NULL;
		schema = node->schema;
		mine = tree_find(tree_children(e->t, parent), node);
		if (mine == NULL)
			continue;
		rc = tree_move(e->t, mine, prev, e->log);
		prev = mine;
	}
	return rc;
}

static int replace_inner(struct edit *e, struct lyd_node *have, bool fresh,
			 const struct lyd_node *node)
{
	int rc;

	rc = edit_siblings(e, have, fresh, lyd_child_no_keys(node), EDIT_REPLACE);
	if (rc == 0 && !fresh)
		rc = order_as(e, have, lyd_child_no_keys(node));
	if (rc == 0)
		rc = drop_unnamed(e, lyd_child(have), fresh, lyd_child(node));
	return rc;
}

// Change what lies below a node that is there; an empty non-presence container goes.
static int edit_inner(struct edit *e, struct lyd_node *have, bool fresh,
		      const struct lyd_node *node, enum edit_op op)
{
	int rc;

	if (op == EDIT_REPLACE)
		rc = replace_inner(e, have, fresh, node);
	else
		rc = edit_siblings(e, have, fresh, lyd_child_no_keys(node), op);
	if (rc == 0 && !fresh && np_container(have) && lyd_child(have) == NULL)
		rc = tree_del(e->t, have, e->log);
	return rc;
}

static int edit_node(struct edit *e, struct lyd_node *parent, bool fresh,
		     const struct lyd_node *node, enum edit_op inherited)
{
	enum edit_op op = operation(node, inherited);
	struct lyd_node *have =
		tree_find(fresh ? lyd_child(parent) : tree_children(e->t, parent), node);
	struct lyd_node *after;
	bool move;
	int rc;

	switch (op) {
	case EDIT_DELETE:
	case EDIT_REMOVE:
		if (have == NULL && op == EDIT_DELETE)
			return fail(e, -ENOENT, "data-missing", NULL, node,
				    "cannot be deleted: it does not exist");
		return have == NULL ? 0 : delete_node(e, have, fresh);
	case EDIT_CREATE:
		if (have != NULL)
			return fail(e, -EEXIST, "data-exists", NULL, node,
				    "cannot be created: it exists already");
		return create_node(e, parent, fresh, node, op);
	case EDIT_NONE:
		if (have != NULL)
			return inner(node) ? edit_inner(e, have, fresh, node, op) : 0;
		if (np_container(node)) // exists by definition (RFC 7950 section 7.5.1)
			return create_node(e, parent, fresh, node, op);
		return fail(e, -ENOENT, "data-missing", NULL, node, "it does not exist");
	case EDIT_MERGE:
	case EDIT_REPLACE:
		break;
	}
	if (have == NULL)
		return create_node(e, parent, fresh, node, op);
	if (lysc_is_userordered(node->schema)) {
		rc = insert_point(e, parent, fresh, node, &move, &after);
		if (rc == 0 && move && !fresh) {
			rc = allow(e, node, EDIT_ACCESS_UPDATE);
			if (rc == 0)
				rc = tree_move(e->t, have, after, e->log);
		}
		if (rc != 0)
			return rc;
	}
	if (inner(node))
		return edit_inner(e, have, fresh, node, op);
	if (node->schema->nodetype == LYS_LEAF)
		return set_leaf(e, have, fresh, node);
	return 0; // a leaf-list entry that is there
}

static int edit_siblings(struct edit *e, struct lyd_node *parent, bool fresh,
			 const struct lyd_node *first, enum edit_op op)
{
	const struct lyd_node *node;
	int rc = 0;

	for (node = first; node != NULL && rc == 0; node = node->next) {
		if (lysc_is_key(node->schema))
			continue;
		rc = edit_node(e, parent, fresh, node, op);
	}
	return rc;
}

int edit_apply(struct tree *t, const struct lyd_node *edit, enum edit_op dflt,
	       const struct edit_guard *guard, struct tree_log *log, struct txn_result *r)
{
	struct edit e = {.t = t, .log = log, .r = r, .guard = guard};
	int rc;

	rc = edit_siblings(&e, NULL, false, edit, dflt);
	if (rc == 0 && dflt == EDIT_REPLACE) {
		rc = order_as(&e, NULL, edit);
		if (rc == 0)
			rc = drop_unnamed(&e, t->root, false, edit);
	}
	if (rc == -ENOMEM)
		errors_add(r, "resource-denied", NULL, NULL, "out of memory");
	return rc;
}
