// SPDX-License-Identifier: BSD-3-Clause
//
// diff - what changed between two trees, in the form of libyang's diffs.
//
// lyd_diff_siblings is quadratic in the number of siblings and reads the whole tree. Here each
// sibling is found by hash, and a set of touched nodes limits the walk to what an edit changed.
//
// Form: a tree of the touched nodes; yang:operation none, create, delete or replace on each changed
// node and all above it; orig-value (canonical) where a leaf is replaced. A create or delete holds its
// whole subtree, below which there are no annotations. Entries of user-ordered lists name the entry
// before them (yang:key, orig-key as "[k='v']"; leaf-lists yang:value, orig-value; "": first), each
// as of the moment it is applied: deletes come first, then creates and moves from first to last.
#pragma once

#include <stdbool.h>

struct ly_ctx;
struct lyd_node;
struct tree_log;
struct tree;

// Which nodes were touched: a tree of their paths. All-zero: none.
struct touched {
	struct lyd_node *root;
};

// Note a node (it and all below it may have changed).
// Returns: 0 or -ENOMEM
int touched_add(struct touched *set, const struct lyd_node *node);
// Note everything a log did. Call before the log is undone or freed.
int touched_add_log(struct touched *set, const struct tree_log *log);
int touched_add_all(struct touched *set, const struct touched *other);
void touched_clear(struct touched *set);

// The change from a to b at the touched nodes (set NULL: everywhere).
// Returns: 0 and *out, NULL where nothing changed, the caller's (lyd_free_all); or -ENOMEM
int diff_make(const struct tree *a, const struct tree *b, const struct touched *set,
	      struct lyd_node **out);

// How many nodes a diff creates, deletes or replaces (a subtree counts once).
unsigned diff_count(const struct lyd_node *diff);

// yang:operation of a node of a diff, NULL where it has none of its own.
const char *diff_operation(const struct lyd_node *node);
