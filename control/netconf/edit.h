// SPDX-License-Identifier: BSD-3-Clause
//
// edit - the <config> of edit-config, copy-config and validate, from XML to the JSON of sluiced.
//
// What can be said at all is checked here, element by element, so that each refusal has the
// error-tag, bad-element and path of RFC 7950 section 8.3.1. What depends on other data (mandatory,
// references, must, overlaps) is sluiced's.
#pragma once

#include <jansson.h>
#include <libxml/tree.h>

struct ly_ctx;
struct lysc_node;

// A leaf to be deleted that came without a value. RFC 6241 allows that, sluiced needs some valid value
// there: it is asked for the present one.
struct ncd_edit_gap {
	json_t *object;               // borrowed from the configuration: where the leaf belongs
	char *name;                   // its member name
	char *path;                   // with module names and keys
	const struct lysc_node *leaf; // its schema
	bool must_exist;              // delete, not remove
};

struct ncd_edit {
	json_t *config;
	struct ncd_edit_gap *gaps;
	size_t gap_count;
};

// Convert the children of <config>.
//
// with_operations: `operation` attributes are allowed (edit-config); else they are unknown.
// One error is reported, the first; e is empty then.
//
// Returns: 0; e is to be freed with ncd_edit_fini
// Errors:  -EINVAL  refused, an error was appended to errs
//          -ENOMEM  an error was appended as well
int ncd_edit_from_xml(const struct ly_ctx *ctx, xmlNodePtr config, bool with_operations,
		      struct ncd_edit *e, json_t *errs);
void ncd_edit_fini(struct ncd_edit *e);

// Fill the gaps from what sluiced has: present is the answer's "config", asked for the gaps' paths.
//
// Returns: 0
// Errors:  -EINVAL  a leaf to be deleted does not exist (data-missing), or present is no data of our
//                   models; errs says so
int ncd_edit_fill(const struct ly_ctx *ctx, struct ncd_edit *e, const json_t *present,
		  json_t *errs);
