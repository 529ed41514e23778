// SPDX-License-Identifier: BSD-3-Clause
//
// params - the parameters of an operation, by a table: each is there once at most, and nothing else.
//
// Refusals here are of error-type protocol and carry the path of the parameter
// (/nc:rpc/nc:edit-config/nc:target).
#pragma once

#include <jansson.h>
#include <libxml/tree.h>

struct ncd_param {
	const char *ns;
	const char *name;
	bool required;
	xmlNodePtr node; // out: where it stands, NULL when absent
};

enum ncd_store { NCD_RUNNING, NCD_CANDIDATE, NCD_INLINE };

// Name of a datastore as sluiced knows it; NULL for NCD_INLINE.
const char *ncd_store_name(enum ncd_store store);

// Find each parameter of op; p ends with an entry without name.
//
// Returns: 0
// Errors:  -EINVAL  unknown, doubled or missing parameter, or an attribute on op; said in errs
int ncd_params_read(xmlNodePtr op, struct ncd_param *p, json_t *errs);

// Read a datastore parameter (source, target). With inline_node not NULL <config> may stand there too;
// it is given back then. Datastores whose capability is not announced are unknown elements (RFC 7950
// section 8.3.1).
int ncd_params_store(xmlNodePtr param, enum ncd_store *store, xmlNodePtr *inline_node,
		     json_t *errs);

// Read one of some words; the first is the default, taken when param is NULL.
int ncd_params_word(xmlNodePtr param, const char *const *words, const char **word, json_t *errs);

// Text of a parameter, white space at the ends cut off; free() it.
int ncd_params_text(xmlNodePtr param, char **text, json_t *errs);

// Append an error of type protocol about an element inside <rpc>.
// Returns: -EINVAL
int ncd_params_refuse(xmlNodePtr n, const char *tag, json_t *info, json_t *errs, const char *text);
