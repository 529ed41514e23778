// SPDX-License-Identifier: BSD-3-Clause
//
// schema - the models a datastore speaks, and what is worked out of them once, at start.
//
// Every config node of the schema carries a struct schema_node in lysc_node.priv: which when and
// must conditions look at it, and which leafrefs point to it. An edit then checks exactly the
// conditions that may have changed, never the whole tree.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct ly_ctx;
struct lysc_node;
struct lysc_when;
struct lysc_must;

#define SCHEMA_DENY_ALL   0x1u // nacm:default-deny-all on the node (RFC 8341 section 5)
#define SCHEMA_DENY_WRITE 0x2u // nacm:default-deny-write on the node

// One when or must statement.
struct schema_cond {
	const struct lysc_node *node; // that carries it
	const struct lysc_when *when; // one of the two is set
	const struct lysc_must *must;
	const struct lysc_node
		*scope;      // deepest node above all that the condition reads, NULL: root
	bool reads_defaults; // it reads a leaf with a default value
};

struct schema_node {
	unsigned flags;
	struct schema_cond **reader; // conditions that read this node
	size_t reader_count;
	const struct lysc_node **source; // leafrefs whose path ends here
	size_t source_count;
	struct schema_cond *own; // conditions the node carries itself
	size_t own_count;
	bool leafref; // a leaf whose value must point to an instance
};

// Make a context with the models that the file `implemented` lists, searched in dirs (and in the
// folder ietf below each), with a struct schema_node on each configuration node.
//
// Returns: 0, and *out is a context to be given to schema_destroy
// Errors:  -EINVAL a model is missing or bad; err says which
//          -ENOMEM
// Thread:  init
int schema_create(const char *const *dirs, size_t dir_count, struct ly_ctx **out, char *err,
		  size_t err_size);
void schema_destroy(struct ly_ctx *ctx);

// What schema_create worked out for the node; never NULL for a node of a data tree.
const struct schema_node *schema_node(const struct lysc_node *node);

// The deepest schema node that is a (or its ancestor) and b (or its ancestor); NULL: the root.
const struct lysc_node *schema_common(const struct lysc_node *a, const struct lysc_node *b);

// The parent among data nodes: choice and case are left out.
const struct lysc_node *schema_parent(const struct lysc_node *node);
