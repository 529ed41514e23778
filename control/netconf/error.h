// SPDX-License-Identifier: BSD-3-Clause
//
// error - rpc-errors (RFC 6241 section 4.3 and appendix A).
//
// An error is the JSON object that sluiced puts in the "data" of its answers (control/rpc/README.md),
// a list of errors is a JSON array. So our own refusals and those of sluiced take one way to XML.
// Paths are written with module names (/sluice-lb:load-balancers/...) until then.
#pragma once

#include <jansson.h>

#include "control/netconf/buf.h"

struct ly_ctx;

// Append an error to errs. path and info may be NULL; info (a JSON object) is taken over.
// Returns: -EINVAL, so that a caller can write `return ncd_error(...)`
int ncd_error(json_t *errs, const char *type, const char *tag, const char *path, json_t *info,
	      const char *fmt, ...) __attribute__((format(printf, 6, 7)));

// Append what sluiced answered: the "error" member of a JSON-RPC response (borrowed).
void ncd_error_from_rpc(json_t *errs, const json_t *error);

// Write every error as an <rpc-error> element, ready to stand in an <rpc-reply> whose default
// namespace is the base one.
void ncd_error_to_xml(const struct ly_ctx *ctx, const json_t *errs, struct ncd_buf *out);
