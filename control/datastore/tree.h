// SPDX-License-Identifier: BSD-3-Clause
//
// tree - the only code that changes a live data tree, with a log that undoes it.
//
// libyang 2.1.30 keeps dead slots in the hash table of a small level after deletes and writes through
// NULL when none is left free (upstream issues 963, 967). So after each delete from a small level
// the level's table is thrown away here; libyang builds a fresh one at the next insert. Node
// pointers stay good, and an insert never meets a dead slot.
//
// A tree holds configuration only: no default nodes, no empty non-presence containers.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct lyd_node;
struct txn_result;

struct tree {
	struct lyd_node *root; // first of the top-level siblings, NULL: empty
};

enum tree_act { TREE_ADDED, TREE_DELETED, TREE_CHANGED, TREE_MOVED };

struct tree_record {
	enum tree_act act;
	struct lyd_node *node;   // TREE_DELETED: the detached subtree, owned by the log
	struct lyd_node *parent; // TREE_DELETED: where it was, NULL: top
	struct lyd_node *prev; // TREE_DELETED, TREE_MOVED of a user-ordered entry: what it followed
	char *old;             // TREE_CHANGED: canonical value before
};

// What was done to a tree, in order. All-zero is an empty log.
struct tree_log {
	struct tree_record *rec;
	size_t count, size;
};

// The sibling that is the same instance as target: same name, same keys; for a leaf-list the same
// value; for a leaf whatever its value. siblings may be NULL.
struct lyd_node *tree_find(const struct lyd_node *siblings, const struct lyd_node *target);

// The children (first of them) of a parent in t, or the top-level siblings for NULL.
struct lyd_node *tree_children(const struct tree *t, const struct lyd_node *parent);

// Insert node, which becomes the tree's. after: only for user-ordered lists, the entry it shall
// follow, NULL and first set: before all others.
// log NULL: not logged (below a node that is not linked yet).
// Returns: 0, -ENOMEM or -EINVAL; on failure node is still the caller's, unless the log has it
int tree_add(struct tree *t, struct lyd_node *parent, struct lyd_node *node, struct tree_log *log);
int tree_add_after(struct tree *t, struct lyd_node *parent, struct lyd_node *node,
		   struct lyd_node *after, struct tree_log *log);

// Take node out; the log keeps it. The caller takes out a container that is empty then.
int tree_del(struct tree *t, struct lyd_node *node, struct tree_log *log);

// Give a leaf another value, in canonical form. Nothing is logged where the value is the same.
int tree_set(struct tree *t, struct lyd_node *leaf, const char *value, struct tree_log *log);

// Put an entry of a user-ordered list behind another (NULL: first of all).
int tree_move(struct tree *t, struct lyd_node *node, struct lyd_node *after, struct tree_log *log);

// The entry of the same user-ordered list before node, or NULL.
struct lyd_node *tree_prev(const struct lyd_node *node);

// Undo what the log holds beyond its first `keep` records, last first.
void tree_undo(struct tree *t, struct tree_log *log, size_t keep);

// Forget the log: what it deleted is freed.
void tree_log_fini(struct tree_log *log);

// Apply a diff made by diff.h to the very tree it was made from (reverse: to the one it led to).
//
// Returns: 0, or
// Errors:  -EINVAL the diff does not fit the tree; what was applied until then is in the log, and
//          r says which node
int tree_apply(struct tree *t, const struct lyd_node *diff, bool reverse, struct tree_log *log,
	       struct txn_result *r);
