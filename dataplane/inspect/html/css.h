// SPDX-License-Identifier: BSD-3-Clause
//
// html/css - does a style sheet or style attribute run or load something? CSS Syntax level 3: comments
// and escapes are undone, then function tokens and at-rules are looked at.
#pragma once

#include "dataplane/inspect/html/tag.h"

enum {
	CSS_RUNS = 1 << 0,  // expression(), url(javascript:), behavior, -moz-binding
	CSS_LOADS = 1 << 1, // @import of a sheet from elsewhere
};

// Returns: bits
unsigned css_judge(struct html_text css);
