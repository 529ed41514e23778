// SPDX-License-Identifier: BSD-3-Clause
//
// path - XPath with module names, as sluiced and libyang write it, to XPath with XML prefixes, as
// NETCONF writes it, and back.
#pragma once

#include <jansson.h>
#include <libxml/tree.h>

#include "control/netconf/buf.h"

struct ly_ctx;

// Write <element xmlns:p="...">/p:a/p:b[p:k='v']</element> from /mod:a/b[k='v'].
//
// A step or predicate without a module name inherits that of the step before (RFC 7951 section 6.11).
// A name of a module that the context does not know stays as it is.
void ncd_path_to_xml(const struct ly_ctx *ctx, const char *path, const char *element,
		     struct ncd_buf *out);

// Turn the XML prefixes of an expression into module names, by the namespaces in scope at a node.
// Quoted strings are left alone.
//
// Returns: 0, and *out (to free()) is the expression
// Errors:  -ENOKEY  a prefix is not declared there, or its namespace is of no module we implement;
//                   *bad (to free()) is the prefix
//          -ENOMEM
int ncd_path_from_xml(const struct ly_ctx *ctx, const char *expr, xmlNodePtr scope, char **out,
		      char **bad);

// Append one quoted string for a predicate.
// Returns: false, with nothing written, when the value holds both kinds of quotes (XPath 1.0 has no
//          way to write it)
bool ncd_path_quote(struct ncd_buf *out, const char *value);
