// SPDX-License-Identifier: BSD-3-Clause
//
// html/xss_priv - shared by the analyser's files: xss.c (where a value lands), attr.c (what one attribute
// does), code.c (values that are code).
#pragma once

#include "dataplane/inspect/html/tag.h"
#include "dataplane/inspect/js/js.h"
#include "dataplane/inspect/node.h"

struct xss {
	struct inspect *in;
	const struct inspect_node *n;
	uint32_t steps; // that may still be taken over bytes seen before
	bool quoted;    // the attributes read now follow a quote that closes another
};

void xss_say(struct xss *x, enum inspect_rule rule, const uint8_t *at, size_t len);

// attr.c: an attribute of a tag that the value holds, or (tag == NULL) that it adds to the page's own.
void xss_attribute(struct xss *x, const struct html_tag *tag, const struct html_attr *a);

// code.c: the value as script, or as the rest of one.
void xss_code(struct xss *x);
