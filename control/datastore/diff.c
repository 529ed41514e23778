// SPDX-License-Identifier: BSD-3-Clause

#include "control/datastore/diff.h"

#include "control/datastore/schema.h"
#include "control/datastore/tree.h"

#include <libyang/libyang.h>

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// In the touched tree, lyd_node.priv of a node that is touched as a whole is this.
static char whole;

static struct lyd_node *touch(struct touched *set, const struct lyd_node *node)
{
	struct lyd_node *parent = NULL, *mine;
	struct tree t = {.root = set->root};

	if (lyd_parent(node) != NULL) {
		parent = touch(set, lyd_parent(node));
		t.root = set->root;
		if (parent == NULL || parent->priv == &whole)
			return parent;
	}
	mine = tree_find(tree_children(&t, parent), node);
	if (mine != NULL)
		return mine;
	if (lyd_dup_single(node, NULL, LYD_DUP_NO_META, &mine) != LY_SUCCESS)
		return NULL;
	mine->priv = NULL;
	if ((parent != NULL ? lyd_insert_child(parent, mine)
			    : lyd_insert_sibling(set->root, mine, &set->root)) != LY_SUCCESS) {
		lyd_free_tree(mine);
		return NULL;
	}
	return mine;
}

int touched_add(struct touched *set, const struct lyd_node *node)
{
	struct lyd_node *mine = touch(set, node);

	if (mine == NULL)
		return -ENOMEM;
	mine->priv = &whole; // what lies below stays, and is no longer looked at
	return 0;
}

// Does the node still hang in a tree, not in something that was deleted later?
static bool attached(const struct lyd_node *node)
{
	while (lyd_parent(node) != NULL)
		node = lyd_parent(node);
	return schema_parent(node->schema) == NULL;
}

int touched_add_log(struct touched *set, const struct tree_log *log)
{
	// what was changed within something deleted later is covered by that
	for (size_t i = log->count; i-- > 0;) {
		const struct tree_record *rec = &log->rec[i];
		struct lyd_node *mine, *parent = NULL;

		if (rec->act != TREE_DELETED) {
			if (attached(rec->node) && touched_add(set, rec->node) != 0)
				return -ENOMEM;
			continue;
		}
		if (rec->parent != NULL) {
			if (!attached(rec->parent))
				continue;
			parent = touch(set, rec->parent);
			if (parent == NULL)
				return -ENOMEM;
			if (parent->priv == &whole)
				continue;
		}
		mine = tree_find(parent != NULL ? lyd_child(parent) : set->root, rec->node);
		if (mine == NULL) {
			if (lyd_dup_single(rec->node, NULL, LYD_DUP_NO_META, &mine) != LY_SUCCESS)
				return -ENOMEM;
			if ((parent != NULL ? lyd_insert_child(parent, mine)
					    : lyd_insert_sibling(set->root, mine, &set->root)) !=
			    LY_SUCCESS) {
				lyd_free_tree(mine);
				return -ENOMEM;
			}
		}
		mine->priv = &whole;
	}
	return 0;
}

static int touch_marked(struct touched *set, const struct lyd_node *first)
{
	const struct lyd_node *node;
	int rc = 0;

	for (node = first; node != NULL && rc == 0; node = node->next) {
		if (node->priv == &whole)
			rc = touched_add(set, node);
		else
			rc = touch_marked(set, lyd_child(node));
	}
	return rc;
}

int touched_add_all(struct touched *set, const struct touched *other)
{
	return touch_marked(set, other->root);
}

void touched_clear(struct touched *set)
{
	lyd_free_all(set->root);
	set->root = NULL;
}

// ---- making a diff

struct out {
	struct lyd_node *root;
	int rc;
};

static struct lyd_node *emit(struct out *o, struct lyd_node *parent, const struct lyd_node *node,
			     bool recursive, const char *op)
{
	uint32_t flags = LYD_DUP_NO_META | (recursive ? LYD_DUP_RECURSIVE : 0);
	struct lyd_node *dup = NULL;

	if (o->rc != 0)
		return NULL;
	if (lyd_dup_single(node, NULL, flags, &dup) != LY_SUCCESS)
		goto err;
	if ((parent != NULL ? lyd_insert_child(parent, dup)
			    : lyd_insert_sibling(o->root, dup, &o->root)) != LY_SUCCESS)
		goto err_dup;
	if (lyd_new_meta(NULL, dup, NULL, "yang:operation", op, 0, NULL) != LY_SUCCESS)
		goto err;
	return dup;

err_dup:
	lyd_free_tree(dup);
err:
	o->rc = -ENOMEM;
	return NULL;
}

static void note(struct out *o, struct lyd_node *node, const char *name, const char *value)
{
	if (o->rc == 0 && lyd_new_meta(NULL, node, NULL, name, value, 0, NULL) != LY_SUCCESS)
		o->rc = -ENOMEM;
}

// "[k='v']" of an entry; the last predicate of its path is exactly that.
static void note_anchor(struct out *o, struct lyd_node *d, const struct lyd_node *anchor, bool orig)
{
	bool list = d->schema->nodetype == LYS_LIST;
	const char *name = list ? (orig ? "yang:orig-key" : "yang:key")
				: (orig ? "yang:orig-value" : "yang:value");
	char *path;

	if (o->rc != 0)
		return;
	if (anchor == NULL) {
		note(o, d, name, "");
	} else if (!list) {
		note(o, d, name, lyd_get_value(anchor));
	} else {
		path = lyd_path(anchor, LYD_PATH_STD_NO_LAST_PRED, NULL, 0);
		size_t skip = path != NULL ? strlen(path) : 0;

		free(path);
		path = lyd_path(anchor, LYD_PATH_STD, NULL, 0);
		if (path == NULL)
			o->rc = -ENOMEM;
		else
			note(o, d, name, path + skip);
		free(path);
	}
}

// The diff's copy of an inner node is made when the first change below it is met.
struct lazy {
	struct lazy *up;
	const struct lyd_node *node;
	struct lyd_node *made;
};

static struct lyd_node *make_lazy(struct out *o, struct lazy *l)
{
	if (l == NULL)
		return NULL;
	if (l->made == NULL) {
		struct lyd_node *parent = make_lazy(o, l->up);

		if (l->up != NULL && parent == NULL)
			return NULL;
		l->made = emit(o, parent, l->node, false, "none");
	}
	return l->made;
}

static struct lyd_node *change(struct out *o, struct lazy *up, const struct lyd_node *node,
			       bool recursive, const char *op)
{
	struct lyd_node *parent = make_lazy(o, up);

	if (o->rc != 0)
		return NULL;
	return emit(o, parent, node, recursive, op);
}

static void siblings_full(struct out *o, struct lazy *up, const struct lyd_node *a,
			  const struct lyd_node *b);

static void both_full(struct out *o, struct lazy *up, const struct lyd_node *a,
		      const struct lyd_node *b)
{
	struct lyd_node *d;

	if (a->schema->nodetype & (LYS_CONTAINER | LYS_LIST)) {
		struct lazy here = {.up = up, .node = b};

		siblings_full(o, &here, lyd_child_no_keys(a), lyd_child_no_keys(b));
	} else if (a->schema->nodetype == LYS_LEAF && !lysc_is_key(a->schema) &&
		   strcmp(lyd_get_value(a), lyd_get_value(b)) != 0) {
		d = change(o, up, b, false, "replace");
		if (d != NULL) {
			note(o, d, "yang:orig-default", "false");
			note(o, d, "yang:orig-value", lyd_get_value(a));
		}
	}
}

// Entries of one user-ordered list, from a's order to b's. O(n * moved), lists of rules are short.
static void user_list(struct out *o, struct lazy *up, const struct lyd_node *a,
		      const struct lyd_node *b, const struct lysc_node *schema)
{
	const struct lyd_node **now = NULL, *prev = NULL, *node, *match;
	size_t count = 0, i, at = 0;
	const struct lyd_node *first_b = b != NULL ? lyd_first_sibling(b) : NULL;
	struct lyd_node *d;

	for (node = a; node != NULL; node = node->next)
		count += node->schema == schema;
	for (node = b; node != NULL; node = node->next)
		count += node->schema == schema;
	now = calloc(count + 1, sizeof(*now));
	if (now == NULL) {
		o->rc = -ENOMEM;
		return;
	}
	count = 0;
	for (node = a; node != NULL && o->rc == 0; node = node->next) {
		if (node->schema != schema)
			continue;
		if (tree_find(first_b, node) != NULL) {
			now[count++] = node;
			continue;
		}
		d = change(o, up, node, true, "delete");
		if (d != NULL)
			note_anchor(o, d, count > 0 ? now[count - 1] : NULL, true);
	}
	for (node = b; node != NULL && o->rc == 0; node = node->next) {
		if (node->schema != schema)
			continue;
		match = NULL;
		for (i = at; i < count; i++)
			if (lyd_compare_single(now[i], node, 0) == LY_SUCCESS) {
				match = now[i];
				break;
			}
		if (match == NULL) {
			d = change(o, up, node, true, "create");
			if (d != NULL)
				note_anchor(o, d, prev, false);
			memmove(&now[at + 1], &now[at], (count - at) * sizeof(*now));
			now[at] = node;
			count++;
		} else if (i != at) {
			struct lazy here = {.up = up, .node = node};

			here.made = change(o, up, node, false, "replace");
			if (here.made != NULL) {
				note_anchor(o, here.made, prev, false);
				note_anchor(o, here.made, i > 0 ? now[i - 1] : NULL, true);
			}
			memmove(&now[at + 1], &now[at], (i - at) * sizeof(*now));
			now[at] = match;
			if (schema->nodetype == LYS_LIST)
				siblings_full(o, &here, lyd_child_no_keys(match),
					      lyd_child_no_keys(node));
		} else {
			both_full(o, up, match, node);
		}
		prev = node;
		at++;
	}
	free(now);
}

static void siblings_full(struct out *o, struct lazy *up, const struct lyd_node *a,
			  const struct lyd_node *b)
{
	const struct lyd_node *first_a = a != NULL ? lyd_first_sibling(a) : NULL;
	const struct lyd_node *first_b = b != NULL ? lyd_first_sibling(b) : NULL;
	const struct lysc_node *done[64];
	const struct lyd_node *node, *other;
	size_t done_count = 0, i;

	// user-ordered lists: each once, as a whole
	for (int side = 0; side < 2; side++)
		for (node = side == 0 ? a : b; node != NULL && o->rc == 0; node = node->next) {
			if (!lysc_is_userordered(node->schema))
				continue;
			for (i = 0; i < done_count && done[i] != node->schema; i++)
				;
			if (i < done_count)
				continue;
			if (done_count == sizeof(done) / sizeof(*done)) {
				o->rc = -ENOMEM; // no model has that many at one level
				return;
			}
			done[done_count++] = node->schema;
			user_list(o, up, a, b, node->schema);
		}
	for (node = a; node != NULL && o->rc == 0; node = node->next) {
		if (lysc_is_userordered(node->schema))
			continue;
		other = tree_find(first_b, node);
		if (other == NULL)
			change(o, up, node, true, "delete");
		else
			both_full(o, up, node, other);
	}
	for (node = b; node != NULL && o->rc == 0; node = node->next)
		if (!lysc_is_userordered(node->schema) && tree_find(first_a, node) == NULL)
			change(o, up, node, true, "create");
}

static void siblings_touched(struct out *o, struct lazy *up, const struct lyd_node *set,
			     const struct lyd_node *first_a, const struct lyd_node *first_b)
{
	const struct lyd_node *s, *a, *b;
	const struct lysc_node *ordered = NULL;

	for (s = set; s != NULL && o->rc == 0; s = s->next) {
		if (lysc_is_key(s->schema))
			continue;
		if (lysc_is_userordered(s->schema)) {
			// the place of one entry tells nothing: look at its whole list, once
			if (s->schema != ordered)
				user_list(o, up, first_a, first_b, s->schema);
			ordered = s->schema;
			continue;
		}
		a = tree_find(first_a, s);
		b = tree_find(first_b, s);
		if (a == NULL && b == NULL)
			continue;
		if (a == NULL)
			change(o, up, b, true, "create");
		else if (b == NULL)
			change(o, up, a, true, "delete");
		else if (s->priv == &whole || !(s->schema->nodetype & (LYS_CONTAINER | LYS_LIST)))
			both_full(o, up, a, b);
		else {
			struct lazy here = {.up = up, .node = b};

			siblings_touched(o, &here, lyd_child(s), lyd_child(a), lyd_child(b));
		}
	}
}

int diff_make(const struct tree *a, const struct tree *b, const struct touched *set,
	      struct lyd_node **out)
{
	struct out o = {0};

	if (set == NULL)
		siblings_full(&o, NULL, a->root, b->root);
	else
		siblings_touched(&o, NULL, set->root, a->root, b->root);
	if (o.rc != 0) {
		lyd_free_all(o.root);
		return o.rc;
	}
	*out = o.root;
	return 0;
}

const char *diff_operation(const struct lyd_node *node)
{
	const struct lyd_meta *m;

	for (m = node->meta; m != NULL; m = m->next)
		if (strcmp(m->name, "operation") == 0 &&
		    strcmp(m->annotation->module->name, "yang") == 0)
			return lyd_get_meta_value(m);
	return NULL;
}

unsigned diff_count(const struct lyd_node *diff)
{
	const char *op;
	unsigned n = 0;

	for (; diff != NULL; diff = diff->next) {
		op = diff_operation(diff);
		if (op == NULL) // a key
			continue;
		if (strcmp(op, "none") != 0)
			n++;
		if (strcmp(op, "none") == 0 || strcmp(op, "replace") == 0)
			n += diff_count(lyd_child_no_keys(diff));
	}
	return n;
}
