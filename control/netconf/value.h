// SPDX-License-Identifier: BSD-3-Clause
//
// value - a leaf's value between XML text, with the prefixes of its element, and RFC 7951 JSON.
#pragma once

#include <stdbool.h>

#include <jansson.h>
#include <libxml/tree.h>

struct lysc_node;
struct lysc_type;
struct ly_ctx;

// Read XML text as the value of a leaf or leaf-list: prefixes of identities and paths are resolved by
// the namespaces in scope, then the type is checked and the value put into its canonical form.
// References to other data (leafref, instance-identifier) are not followed.
//
// Returns: 0, and *canonical (to free()) and *type (borrowed: the member type of a union, the target's
//          type of a leafref) are set
// Errors:  -EINVAL  not a value of this type; ly_errmsg() of the context says why, or nothing
//          -ENOMEM
int ncd_value_from_xml(const struct ly_ctx *ctx, const struct lysc_node *leaf, const char *text,
		       xmlNodePtr scope, char **canonical, const struct lysc_type **type);

// The JSON form of a canonical value (RFC 7951 section 6).
// Returns: a new reference, NULL when memory ran out
json_t *ncd_value_to_json(const struct lysc_type *type, const char *canonical);

// The type of a leaf or leaf-list.
const struct lysc_type *ncd_value_type(const struct lysc_node *leaf);

// True for a type whose values hold names with prefixes: identities and paths (not unions of them).
bool ncd_value_holds_names(const struct lysc_type *type);
