// SPDX-License-Identifier: BSD-3-Clause
//
// filter - subtree filters (RFC 6241 section 6).
//
// A filter is used twice. First it becomes XPath for sluiced, as narrow as keys allow and never too
// narrow, so that a question about one pool does not fetch ten thousand. Then it is applied, to the
// letter, to what came back: XPath cannot say "all of these content matches, and then only those
// siblings" with the right answer for every node.
#pragma once

#include <jansson.h>
#include <libxml/tree.h>
#include <libyang/libyang.h>

#define NCD_FILTER_PATHS_MAX 64 // for one child of <filter>; above that it is asked for whole

// Marks that ncd_filter_apply leaves in lyd_node.priv, for ncd_print.
#define NCD_MARK_PART  ((void *)1) // the node, its keys and its marked children
#define NCD_MARK_WHOLE ((void *)2) // the node and all below

// Append to paths (a JSON array of strings) what contains everything the filter may select.
//
// Top-level nodes of modules that are skipped (a NULL-terminated list of names) are left out; *skipped
// tells whether there was one.
//
// Returns: 0
// Errors:  -EINVAL  the filter is not one: text beside elements; an error was appended to errs
int ncd_filter_paths(const struct ly_ctx *ctx, xmlNodePtr filter, const char *const *skip,
		     bool *skipped, json_t *paths, json_t *errs);

// Mark what the filter selects in a tree (its first top-level node; NULL is no tree). Marks are only
// ever raised: further filters add to them.
void ncd_filter_apply(const struct ly_ctx *ctx, xmlNodePtr filter, struct lyd_node *tree);
