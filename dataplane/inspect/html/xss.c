// SPDX-License-Identifier: BSD-3-Clause
//
// The analyser of cross-site scripting: which tags would a browser make of this value, wherever it lands,
// and what would they run?
//
// A tag is looked for behind every <, also within what looks like another tag's quotes, a comment, a
// title: somewhere a page has the text that ends that first. What was read before is read again for
// this only within a bound; past it, a tag is looked for where the last one ended, as a page without
// tricks would have it.

#include "dataplane/inspect/html/xss.h"

#include "dataplane/inspect/html/xss_priv.h"

#include <string.h>

// Before the first tag stands what ends a tag of the page: "> or '/> or `>
static bool closes_tag(const uint8_t *p, const uint8_t *lt)
{
	bool gt = false;

	while (lt > p) {
		uint8_t c = *--lt;

		if (c == '>')
			gt = true;
		else if (c == '"' || c == '\'' || c == '`')
			return gt;
		else if (c != '/' && c != ' ')
			return false;
	}
	return false;
}

void xss_tags(struct xss *x)
{
	const uint8_t *p = x->p, *behind;

	p = memchr(p, '<', (size_t)(x->end - p));
	if (p != NULL && closes_tag(x->p, p))
		xss_say(x, RULE_XSS_BREAK, p, 1);
	while (p != NULL) {
		p++;
		behind = xss_tag(x, p);
		if (!xss_afford(x, (size_t)(behind - p)))
			p = behind;
		p = memchr(p, '<', (size_t)(x->end - p));
	}
}

static bool is_dropped(uint8_t c)
{
	return c >= 0x80 || (c < ' ' && c != '\n' && c != '\r');
}

// A tag has bytes in it that are no tag's: behind its <, or within its name.
static bool has_odd_tag(const struct xss *x)
{
	const uint8_t *p = x->p;

	while ((p = memchr(p, '<', (size_t)(x->end - p))) != NULL) {
		const uint8_t *from = ++p;

		while (p < x->end && (is_dropped(*p) || *p == '/' || (*p | 0x20) >= 'a'))
			p++;
		for (; from < p; from++)
			if (is_dropped(*from) && *from != '\t')
				return true;
			else if (*from == '\t' && from[-1] == '<')
				return true;
	}
	return false;
}

// What is left when a server takes out what its character set does not know or does not show, such as the
// signs that turn the direction of text: <scr\u202eipt>.
static void without_odd_bytes(struct xss *x)
{
	struct xss left = *x;
	uint8_t *room, *to;

	if (!has_odd_tag(x))
		return;
	room = to = inspect_scratch(x->in, (size_t)(x->end - x->p));
	if (room == NULL)
		return;
	for (const uint8_t *p = x->p; p < x->end; p++)
		if (!is_dropped(*p))
			*to++ = *p;
	left.p = room;
	left.end = to;
	left.cdata_sought = false;
	xss_tags(&left);
}

// What is left when a server takes all tags out, as strip_tags() does: au<x>tofocus on<x>focus=..
static void without_tags(struct xss *x)
{
	struct xss left = *x;
	const uint8_t *p = x->p, *lt, *gt;
	uint8_t *room = NULL, *to = NULL;

	while ((lt = memchr(p, '<', (size_t)(x->end - p))) != NULL &&
	       (gt = memchr(lt, '>', (size_t)(x->end - lt))) != NULL) {
		if (room == NULL)
			to = room = inspect_scratch(x->in, (size_t)(x->end - x->p));
		if (room == NULL)
			return;
		memcpy(to, p, (size_t)(lt - p));
		to += lt - p;
		p = gt + 1;
	}
	if (room == NULL)
		return;
	memcpy(to, p, (size_t)(x->end - p));
	left.p = room;
	left.cdata_sought = false;
	left.end = to + (x->end - p);
	xss_loose_attributes(&left);
}

// ---- what a value has from its name --------------------------------------------------------------

// <svg onload=alert(1)> in a query is a parameter "<svg onload" with the value "alert(1)>", which may be
// in a reading of its own by now: both together.
static void with_name(struct xss *x)
{
	const struct http_bytes name = x->n->name;
	struct xss joined = *x;
	uint8_t *room;

	if ((bytes_set(name.p, name.len) & (BYTES(LT) | BYTES(QUOTE) | BYTES(DQUOTE))) == 0)
		return;
	room = inspect_scratch(x->in, (size_t)name.len + x->n->len + 1);
	if (room == NULL)
		return;
	memcpy(room, name.p, name.len);
	room[name.len] = '=';
	memcpy(room + name.len + 1, x->n->p, x->n->len);
	joined.p = room;
	joined.cdata_sought = false;
	joined.end = room + name.len + 1 + x->n->len;
	xss_tags(&joined);
	xss_loose_attributes(&joined);
}

// onfocus=alert(1) as a parameter: for pages that write parameters out as attributes.
static void as_attribute(struct xss *x)
{
	struct html_attr a = {.name = {x->n->name.p, x->n->name.len},
			      .value = {x->n->p, x->n->len},
			      .has_value = true};

	if (html_is_event(a.name))
		xss_attribute(x, NULL, &a, false);
}

#define INTEREST                                                                                   \
	(BYTES(LT) | BYTES(EQ) | BYTES(LPAREN) | BYTES(BACKTICK) | BYTES(LBRACKET) | BYTES(DOT) |  \
	 BYTES(COLON))
#define SHORTEST 6 // <a b=c

static void run(struct inspect *in, const struct inspect_node *n)
{
	struct xss x = {
		.in = in, .n = n, .p = n->p, .end = n->p + n->len, .steps = 3 * n->len + 256};

	if ((n->set & INTEREST) == 0 || n->len < SHORTEST)
		return;
	if (n->place == PLACE_FILE)
		return; // what an uploaded file may hold is for others to say
	if ((n->set & BYTES(LT)) != 0)
		xss_tags(&x);
	if ((n->set & BYTES(LT)) != 0 &&
	    (n->set & (BYTES(HIGH) | BYTES(CONTROL) | BYTES(TAB) | BYTES(NUL))) != 0)
		without_odd_bytes(&x);
	if ((n->set & BYTES(EQ)) != 0)
		xss_loose_attributes(&x);
	if ((n->set & (BYTES(LT) | BYTES(GT) | BYTES(EQ))) == (BYTES(LT) | BYTES(GT) | BYTES(EQ)))
		without_tags(&x);
	if (n->place == PLACE_QUERY || n->place == PLACE_FORM || n->place == PLACE_COOKIE) {
		with_name(&x);
		as_attribute(&x);
	}
	xss_code(&x);
}

const struct inspect_analyser inspect_xss = {
	.name = "xss",
	.any = INTEREST,
	.least = SHORTEST,
	.run = run,
};
