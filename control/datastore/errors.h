// SPDX-License-Identifier: BSD-3-Clause
//
// errors - fill the rpc-errors of a struct txn_result (RFC 6241 section 4.3 and appendix A).
#pragma once

#include "control/txn/txn.h"

struct ly_ctx;
struct lyd_node;

// Enter one error; past TXN_ERROR_MAX it is dropped, the first ones tell. tag and app_tag are static.
void errors_add(struct txn_result *r, const char *tag, const char *app_tag, const char *path,
		const char *fmt, ...) __attribute__((format(printf, 5, 6)));

// The same with the instance path of a node.
void errors_add_node(struct txn_result *r, const char *tag, const char *app_tag,
		     const struct lyd_node *node, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

// Turn the last error of libyang into one, after a parse or a print that failed.
void errors_add_libyang(struct txn_result *r, const struct ly_ctx *ctx, const char *fallback);

// An error-app-tag that a must statement names, as a static string: RFC 7950 knows few, others are
// kept for the life of the process.
const char *errors_static(const char *text);
