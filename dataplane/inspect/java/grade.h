// SPDX-License-Identifier: BSD-3-Clause
//
// java/grade - what an expression that was read tells of Java.
#pragma once

#include "dataplane/inspect/node.h"
#include "dataplane/inspect/script/expr.h"

// where: RULE_JAVA_MARKER and its like, which is told where anything is. Returns: something was.
bool java_grade(struct inspect *in, const struct inspect_node *n, const struct expr_verdict *v,
		size_t at, size_t len, enum inspect_rule where);
