// SPDX-License-Identifier: BSD-3-Clause

#include "control/datastore/tree.h"

#include "control/datastore/errors.h"

#include <libyang/libyang.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SMALL_LEVEL 128 // children; the fault needs a table of 8 to 32 slots

struct lyd_node *tree_find(const struct lyd_node *siblings, const struct lyd_node *target)
{
	struct lyd_node *match = NULL;

	if (siblings == NULL)
		return NULL;
	if (target->schema->nodetype & (LYS_LIST | LYS_LEAFLIST)) {
		if (lyd_find_sibling_first(siblings, target, &match) != LY_SUCCESS)
			return NULL;
	} else if (lyd_find_sibling_val(siblings, target->schema, NULL, 0, &match) != LY_SUCCESS) {
		return NULL;
	}
	return match;
}

struct lyd_node *tree_children(const struct tree *t, const struct lyd_node *parent)
{
	return parent == NULL ? t->root : lyd_child(parent);
}

// Throw the hash table of a small level away. It is hung on an empty node of the same kind, which
// libyang frees together with the table: its inside is not ours to know.
static void fresh_table(struct lyd_node *parent)
{
	struct lyd_node_inner *inner = (struct lyd_node_inner *)parent;
	struct lyd_node *dummy = NULL, *child;
	unsigned count = 0;

	if (parent == NULL || inner->children_ht == NULL)
		return;
	LY_LIST_FOR (inner->child, child)
		if (++count >= SMALL_LEVEL)
			return;
	if (lyd_dup_single(parent, NULL, LYD_DUP_NO_META, &dummy) != LY_SUCCESS)
		return;
	if (((struct lyd_node_inner *)dummy)->children_ht != NULL) { // a list of many keys
		lyd_free_tree(dummy);
		return;
	}
	((struct lyd_node_inner *)dummy)->children_ht = inner->children_ht;
	inner->children_ht = NULL;
	lyd_free_tree(dummy);
}

static struct tree_record *log_next(struct tree_log *log)
{
	if (log->count == log->size) {
		size_t size = log->size == 0 ? 16 : 2 * log->size;
		struct tree_record *rec = realloc(log->rec, size * sizeof(*rec));

		if (rec == NULL)
			return NULL;
		log->rec = rec;
		log->size = size;
	}
	log->rec[log->count] = (struct tree_record){0};
	return &log->rec[log->count];
}

static bool user_ordered(const struct lyd_node *node)
{
	return lysc_is_userordered(node->schema);
}

static int link_node(struct tree *t, struct lyd_node *parent, struct lyd_node *node)
{
	LY_ERR rc;

	if (parent != NULL)
		rc = lyd_insert_child(parent, node);
	else
		rc = lyd_insert_sibling(t->root, node, &t->root);
	return rc == LY_SUCCESS ? 0 : -EINVAL;
}

static void unlink_node(struct tree *t, struct lyd_node *node)
{
	struct lyd_node *parent = lyd_parent(node);

	if (t->root == node)
		t->root = node->next;
	lyd_unlink_tree(node);
	fresh_table(parent);
}

struct lyd_node *tree_prev(const struct lyd_node *node)
{
	// the first sibling's prev is the last one, whose next is NULL
	if (node->prev->next == NULL || node->prev->schema != node->schema)
		return NULL;
	return node->prev;
}

// Put a node that is linked already behind `after` of its own list.
static int place(struct tree *t, struct lyd_node *node, struct lyd_node *after)
{
	struct lyd_node *parent = lyd_parent(node), *first;
	LY_ERR rc;

	if (tree_prev(node) == after)
		return 0;
	if (after != NULL) {
		rc = lyd_insert_after(after, node);
	} else {
		first = node;
		while (tree_prev(first) != NULL)
			first = tree_prev(first);
		rc = lyd_insert_before(first, node);
	}
	if (parent == NULL)
		t->root = lyd_first_sibling(node);
	else
		fresh_table(parent); // it was unlinked and linked anew
	return rc == LY_SUCCESS ? 0 : -EINVAL;
}

int tree_add(struct tree *t, struct lyd_node *parent, struct lyd_node *node, struct tree_log *log)
{
	struct tree_record *rec = log != NULL ? log_next(log) : NULL;
	int rc;

	if (log != NULL && rec == NULL)
		return -ENOMEM;
	rc = link_node(t, parent, node);
	if (rc != 0 || log == NULL)
		return rc;
	rec->act = TREE_ADDED;
	rec->node = node;
	log->count++;
	return 0;
}

int tree_add_after(struct tree *t, struct lyd_node *parent, struct lyd_node *node,
		   struct lyd_node *after, struct tree_log *log)
{
	int rc = tree_add(t, parent, node, log);

	return rc != 0 ? rc : place(t, node, after);
}

int tree_del(struct tree *t, struct lyd_node *node, struct tree_log *log)
{
	struct tree_record *rec = log_next(log);

	if (rec == NULL)
		return -ENOMEM;
	rec->act = TREE_DELETED;
	rec->node = node;
	rec->parent = lyd_parent(node);
	rec->prev = user_ordered(node) ? tree_prev(node) : NULL;
	log->count++;
	unlink_node(t, node);
	return 0;
}

int tree_set(struct tree *t, struct lyd_node *leaf, const char *value, struct tree_log *log)
{
	struct tree_record *rec = log_next(log);
	char *old;

	(void)t;
	if (strcmp(lyd_get_value(leaf), value) == 0)
		return 0;
	old = strdup(lyd_get_value(leaf));
	if (rec == NULL || old == NULL) {
		free(old);
		return -ENOMEM;
	}
	switch (lyd_change_term(leaf, value)) {
	case LY_SUCCESS:
	case LY_EEXIST: // only the default flag changed
	case LY_ENOT:
		break;
	default:
		free(old);
		return -EINVAL;
	}
	rec->act = TREE_CHANGED;
	rec->node = leaf;
	rec->old = old;
	log->count++;
	return 0;
}

int tree_move(struct tree *t, struct lyd_node *node, struct lyd_node *after, struct tree_log *log)
{
	struct tree_record *rec = log_next(log);
	struct lyd_node *prev = tree_prev(node);
	int rc;

	if (rec == NULL)
		return -ENOMEM;
	if (prev == after)
		return 0;
	rc = place(t, node, after);
	if (rc != 0)
		return rc;
	rec->act = TREE_MOVED;
	rec->node = node;
	rec->prev = prev;
	log->count++;
	return 0;
}

void tree_undo(struct tree *t, struct tree_log *log, size_t keep)
{
	while (log->count > keep) {
		struct tree_record *rec = &log->rec[--log->count];
		int rc = 0;

		switch (rec->act) {
		case TREE_ADDED:
			unlink_node(t, rec->node);
			lyd_free_tree(rec->node);
			break;
		case TREE_DELETED:
			rc = link_node(t, rec->parent, rec->node);
			if (rc == 0 && user_ordered(rec->node))
				rc = place(t, rec->node, rec->prev);
			break;
		case TREE_CHANGED:
			rc = lyd_change_term(rec->node, rec->old) == LY_SUCCESS ? 0 : -EINVAL;
			free(rec->old);
			break;
		case TREE_MOVED:
			rc = place(t, rec->node, rec->prev);
			break;
		}
		// what was there a moment ago fits again: a failure is out of memory or a fault of
		// ours, and a tree half undone must never be used
		if (rc != 0)
			abort();
	}
}

void tree_log_fini(struct tree_log *log)
{
	for (size_t i = 0; i < log->count; i++) {
		if (log->rec[i].act == TREE_DELETED)
			lyd_free_tree(log->rec[i].node);
		free(log->rec[i].old);
	}
	free(log->rec);
	*log = (struct tree_log){0};
}

static const char *meta_value(const struct lyd_node *node, const char *name)
{
	struct lyd_meta *m;

	for (m = node->meta; m != NULL; m = m->next)
		if (strcmp(m->name, name) == 0 && strcmp(m->annotation->module->name, "yang") == 0)
			return lyd_get_meta_value(m);
	return NULL;
}

static int misfit(struct txn_result *r, const struct lyd_node *node, const char *what)
{
	errors_add_node(r, "operation-failed", NULL, node, "the change does not fit the tree: %s",
			what);
	return -EINVAL;
}

// The entry named by a key or value annotation: "" is "before all".
static int find_anchor(const struct lyd_node *siblings, const struct lyd_node *node,
		       const char *name, struct lyd_node **out)
{
	struct lyd_node *match = NULL;

	*out = NULL;
	if (name == NULL)
		return -EINVAL;
	if (name[0] == '\0')
		return 0;
	if (lyd_find_sibling_val(siblings, node->schema, name,
				 node->schema->nodetype == LYS_LIST ? 0 : strlen(name),
				 &match) != LY_SUCCESS)
		return -EINVAL;
	*out = match;
	return 0;
}

static int apply_create(struct tree *t, struct lyd_node *parent, const struct lyd_node *d,
			const char *anchor, struct tree_log *log, struct txn_result *r)
{
	struct lyd_node *dup = NULL, *after = NULL;
	int rc;

	if (tree_find(tree_children(t, parent), d) != NULL)
		return misfit(r, d, "it is there already");
	if (user_ordered(d) && find_anchor(tree_children(t, parent), d, anchor, &after) != 0)
		return misfit(r, d, "the entry before it is missing");
	if (lyd_dup_single(d, NULL, LYD_DUP_RECURSIVE | LYD_DUP_NO_META, &dup) != LY_SUCCESS)
		return -ENOMEM;
	if (user_ordered(d))
		rc = tree_add_after(t, parent, dup, after, log);
	else
		rc = tree_add(t, parent, dup, log);
	if (rc != 0 && (log->count == 0 || log->rec[log->count - 1].node != dup))
		lyd_free_tree(dup);
	return rc;
}

static int apply_siblings(struct tree *t, struct lyd_node *parent, const struct lyd_node *diff,
			  bool reverse, struct tree_log *log, struct txn_result *r);

static int apply_node(struct tree *t, struct lyd_node *parent, const struct lyd_node *d,
		      bool reverse, struct tree_log *log, struct txn_result *r)
{
	const char *op = meta_value(d, "operation");
	bool list = d->schema->nodetype == LYS_LIST;
	const char *name = list ? "key" : "value", *orig = list ? "orig-key" : "orig-value";
	struct lyd_node *node, *after;
	int rc;

	if (op == NULL)
		return misfit(r, d, "no operation");
	if (strcmp(op, reverse ? "delete" : "create") == 0)
		return apply_create(t, parent, d, meta_value(d, reverse ? orig : name), log, r);

	node = tree_find(tree_children(t, parent), d);
	if (node == NULL)
		return misfit(r, d, "it is missing");
	if (strcmp(op, reverse ? "create" : "delete") == 0)
		return tree_del(t, node, log);
	if (strcmp(op, "replace") == 0) {
		if (d->schema->nodetype == LYS_LEAF) {
			const char *value =
				reverse ? meta_value(d, "orig-value") : lyd_get_value(d);

			if (value == NULL)
				return misfit(r, d, "no value");
			return tree_set(t, node, value, log);
		}
		if (!user_ordered(d) ||
		    find_anchor(tree_children(t, parent), d, meta_value(d, reverse ? orig : name),
				&after) != 0)
			return misfit(r, d, "the entry before it is missing");
		rc = tree_move(t, node, after, log);
		if (rc != 0)
			return rc;
	} else if (strcmp(op, "none") != 0) {
		return misfit(r, d, "unknown operation");
	}
	return apply_siblings(t, node, lyd_child_no_keys(d), reverse, log, r);
}

static int apply_siblings(struct tree *t, struct lyd_node *parent, const struct lyd_node *diff,
			  bool reverse, struct tree_log *log, struct txn_result *r)
{
	const struct lyd_node *d;
	int rc = 0;

	if (diff == NULL)
		return 0;
	if (!reverse) {
		for (d = diff; d != NULL && rc == 0; d = d->next)
			rc = apply_node(t, parent, d, false, log, r);
		return rc;
	}
	// moves name the entry before them as it stood then: undone last first
	for (d = lyd_first_sibling(diff)->prev; rc == 0; d = d->prev) {
		if (!lysc_is_key(d->schema))
			rc = apply_node(t, parent, d, true, log, r);
		if (d == diff)
			break;
	}
	return rc;
}

int tree_apply(struct tree *t, const struct lyd_node *diff, bool reverse, struct tree_log *log,
	       struct txn_result *r)
{
	return apply_siblings(t, NULL, diff, reverse, log, r);
}
