// SPDX-License-Identifier: BSD-3-Clause
//
// edit - <edit-config> of RFC 6241 section 7.2 on a tree: merge, replace, create, delete, remove, none.
//
// The edit is a parsed data tree whose nodes may carry ietf-netconf:operation, and yang:insert,
// yang:key, yang:value for user-ordered lists (RFC 7950 sections 7.7.9 and 7.8.6). Nothing is checked
// here that needs more than the node itself: see check.h.
#pragma once

#include <stddef.h>

struct ly_ctx;
struct lyd_node;
struct tree;
struct tree_log;
struct txn_result;

enum edit_op { EDIT_NONE, EDIT_MERGE, EDIT_REPLACE, EDIT_CREATE, EDIT_DELETE, EDIT_REMOVE };

enum edit_access { EDIT_ACCESS_CREATE, EDIT_ACCESS_UPDATE, EDIT_ACCESS_DELETE };

// May the user do this to the node? node hangs in a whole tree (the edit or the datastore).
struct edit_guard {
	int (*allow)(void *arg, const struct lyd_node *node,
		     enum edit_access access); // 0 or -EACCES
	void *arg;
};

// Parse the JSON (RFC 7951) of a configuration or an edit. state nodes, unknown nodes and wrong
// values are refused with their path.
//
// Returns: 0, *out (NULL: empty) is the caller's
// Errors:  -EINVAL and r says what and where
int edit_parse(const struct ly_ctx *ctx, const char *json, struct lyd_node **out,
	       struct txn_result *r);

// Apply the edit. guard NULL: all is allowed.
//
// Returns: 0, and the log holds what was done
// Errors:  -EEXIST, -ENOENT, -EACCES, -EINVAL with r filled, -ENOMEM. The log then holds the part
//          that was done: the caller undoes it.
int edit_apply(struct tree *t, const struct lyd_node *edit, enum edit_op dflt,
	       const struct edit_guard *guard, struct tree_log *log, struct txn_result *r);
