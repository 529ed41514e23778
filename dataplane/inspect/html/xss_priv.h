// SPDX-License-Identifier: BSD-3-Clause
//
// html/xss_priv - shared by the analyser's files: xss.c (where a value lands), element.c (what a tag does),
// attr.c (what an attribute does), code.c (values that are code).
#pragma once

#include "dataplane/inspect/html/tag.h"
#include "dataplane/inspect/js/js.h"
#include "dataplane/inspect/node.h"

struct xss {
	struct inspect *in;
	const struct inspect_node *n;
	const uint8_t *p, *end; // the text: the node's, or one that was put together from it
	uint32_t steps;         // that may still be taken over bytes seen before
	uint32_t opened;        // bits of enum html_element: begun by a tag of the text
	const uint8_t *cdata;   // where the first CDATA section begins, NULL: none
	bool cdata_sought;
};

static inline void xss_say(struct xss *x, enum inspect_rule rule, const uint8_t *at, size_t len)
{
	bool within = at >= x->n->p && at + len <= x->n->p + x->n->len;

	inspect_evidence(x->in, x->n, rule, within ? (size_t)(at - x->n->p) : 0,
			 within ? len : x->n->len);
}

// Whether len bytes more may be read again.
static inline bool xss_afford(struct xss *x, size_t len)
{
	if (len > x->steps)
		return false;
	x->steps -= (uint32_t)len;
	return true;
}

// element.c: one tag; p is behind its <. Returns: where it ends, p: it is none
const uint8_t *xss_tag(struct xss *x, const uint8_t *p);

// attr.c: an attribute of a tag that the value holds, or (tag == NULL) that it adds to the page's own:
// quoted tells that it closed one before.
void xss_attribute(struct xss *x, const struct html_tag *tag, const struct html_attr *a,
		   bool quoted);
// Attributes that are added to a tag of the page.
void xss_loose_attributes(struct xss *x);

// code.c: the value as script, or as the rest of one.
void xss_code(struct xss *x);

// xss.c: tags of the text.
void xss_tags(struct xss *x);
