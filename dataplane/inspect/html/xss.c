// SPDX-License-Identifier: BSD-3-Clause
//
// The analyser of cross-site scripting: which tags would a browser make of this value, wherever it lands,
// and what would they run?
//
// A tag is looked for behind every <, also within what looks like another tag's quotes, a comment, a
// title: somewhere a page has the text that ends that first. What was read before is read again for
// this only within a bound; past it, a tag is looked for where the last one ended, as a page without
// tricks would have it.

#include "dataplane/inspect/html/xss_priv.h"

#include "dataplane/inspect/html/css.h"
#include "dataplane/inspect/html/url.h"
#include "dataplane/inspect/html/xss.h"

#include <string.h>

#define ATTRIBUTES_MAX 64
#define QUOTES_TRIED   2

void xss_say(struct xss *x, enum inspect_rule rule, const uint8_t *at, size_t len)
{
	inspect_evidence(x->in, x->n, rule, (size_t)(at - x->n->p), len);
}

// ---- elements ------------------------------------------------------------------------------------

struct seen {
	bool src, refresh, url, sheet, elsewhere;
};

static void gather(struct seen *s, const struct html_attr *a)
{
	struct html_text rest;

	if (a->value.len == 0)
		return;
	if (html_text_is(a->name, "src") || html_text_is(a->name, "href") ||
	    html_text_is(a->name, "xlink:href") || html_text_is(a->name, "data") ||
	    html_text_is(a->name, "code")) {
		s->src = true;
		s->elsewhere |= html_url_scheme(a->value, &rest) == HTML_URL_ELSEWHERE;
	} else if (html_text_is(a->name, "http-equiv")) {
		s->refresh |=
			html_text_is(a->value, "refresh") || html_text_is(a->value, "set-cookie");
	} else if (html_text_is(a->name, "content")) {
		s->url |= memchr(a->value.p, '=', a->value.len) != NULL;
	} else if (html_text_is(a->name, "rel")) {
		s->sheet |=
			html_text_is(a->value, "stylesheet") || html_text_is(a->value, "import");
	}
}

// The text of a script or style element, up to its end tag.
static struct html_text content(const struct html_reader *r, const char *name, bool *ends)
{
	const uint8_t *p = r->at, *end = r->end, *lt = p;
	size_t len = strlen(name);

	*ends = false;
	while ((lt = memchr(lt, '<', (size_t)(end - lt))) != NULL) {
		lt++;
		if ((size_t)(end - lt) > len && *lt == '/' &&
		    html_text_is((struct html_text){lt + 1, len}, name)) {
			*ends = true;
			return (struct html_text){p, (size_t)(lt - 1 - p)};
		}
	}
	return (struct html_text){p, (size_t)(end - p)};
}

static void script(struct xss *x, const struct html_tag *tag, const struct html_reader *r,
		   const struct seen *s)
{
	struct js_verdict v;
	struct html_text t;
	bool ends;

	xss_say(x, RULE_XSS_SCRIPT, tag->name.p, tag->name.len);
	if (s->src)
		xss_say(x, RULE_XSS_SCRIPT_RUNS, tag->name.p, tag->name.len);
	if (!r->closed)
		return;
	t = content(r, "script", &ends);
	if (t.len > x->steps)
		return;
	x->steps -= (uint32_t)t.len;
	js_judge(t.p, t.len, JS_PROGRAM, 0, &v);
	if ((v.ops & JS_OPS_GRAVE) != 0 || (js_is_whole(&v) && (v.ops & JS_OPS_ACT) != 0))
		xss_say(x, RULE_XSS_SCRIPT_RUNS, t.p, t.len);
	else if (ends && js_is_whole(&v))
		xss_say(x, RULE_XSS_SCRIPT_WHOLE, t.p, t.len);
}

static void style(struct xss *x, const struct html_reader *r)
{
	struct html_text t;
	unsigned bits;
	bool ends;

	if (!r->closed)
		return;
	t = content(r, "style", &ends);
	if (t.len > x->steps)
		return;
	x->steps -= (uint32_t)t.len;
	bits = css_judge(t);
	if ((bits & CSS_RUNS) != 0)
		xss_say(x, RULE_XSS_STYLE, t.p, t.len);
	else if ((bits & CSS_LOADS) != 0)
		xss_say(x, RULE_XSS_STYLE_LOADS, t.p, t.len);
}

static void element(struct xss *x, const struct html_tag *tag, const struct html_reader *r,
		    const struct seen *s)
{
	switch (tag->element) {
	case HTML_SCRIPT:
		script(x, tag, r, s);
		break;
	case HTML_STYLE:
		style(x, r);
		break;
	case HTML_FRAME:
		if (s->src)
			xss_say(x, RULE_XSS_FRAME, tag->name.p, tag->name.len);
		break;
	case HTML_PLUGIN:
		if (s->src)
			xss_say(x, RULE_XSS_PLUGIN, tag->name.p, tag->name.len);
		break;
	case HTML_BASE:
		if (s->elsewhere)
			xss_say(x, RULE_XSS_BASE, tag->name.p, tag->name.len);
		break;
	case HTML_META:
		if (s->refresh)
			xss_say(x, s->url ? RULE_XSS_META : RULE_XSS_META_IDLE, tag->name.p,
				tag->name.len);
		break;
	case HTML_LINK:
		if (s->sheet && s->src)
			xss_say(x, RULE_XSS_STYLE_LOADS, tag->name.p, tag->name.len);
		break;
	default:
		break;
	}
}

// ---- tags ----------------------------------------------------------------------------------------

// Reads one tag; *at is moved past it. p is behind its <.
static void tag_at(struct xss *x, const uint8_t *p, const uint8_t *end, const uint8_t **at)
{
	struct seen s = {0};
	struct html_reader r;
	struct html_attr a;
	struct html_tag tag;

	if (!html_tag_begin(p, end, &tag, &r))
		return;
	for (unsigned i = 0; i < ATTRIBUTES_MAX && html_attr_next(&r, &a); i++) {
		xss_attribute(x, &tag, &a);
		gather(&s, &a);
	}
	if (!tag.end && !tag.declaration)
		element(x, &tag, &r, &s);
	*at = r.at;
}

static void tags(struct xss *x)
{
	const uint8_t *p = x->n->p, *end = p + x->n->len, *behind;

	while ((p = memchr(p, '<', (size_t)(end - p))) != NULL) {
		behind = ++p;
		tag_at(x, p, end, &behind);
		if ((size_t)(behind - p) <= x->steps)
			x->steps -= (uint32_t)(behind - p);
		else
			p = behind;
	}
}

// ---- within a tag of the page --------------------------------------------------------------------

static void attributes(struct xss *x, const uint8_t *p, bool quoted)
{
	struct html_reader r = {.at = p, .end = x->n->p + x->n->len};
	struct html_attr a;

	x->quoted = quoted;
	for (unsigned i = 0; i < ATTRIBUTES_MAX && html_attr_next(&r, &a); i++)
		xss_attribute(x, NULL, &a);
}

static void closes_attribute(struct xss *x)
{
	const struct inspect_node *n = x->n;
	const uint8_t *end = n->p + n->len, *p;
	static const uint8_t quotes[] = "\"'`";

	attributes(x, n->p, false);
	for (const uint8_t *q = quotes; *q != '\0'; q++) {
		p = n->p;
		for (unsigned i = 0; i < QUOTES_TRIED; i++) {
			p = memchr(p, *q, (size_t)(end - p));
			if (p == NULL || ++p == end)
				break;
			attributes(x, p, true);
		}
	}
	if (n->place == PLACE_QUERY || n->place == PLACE_FORM) {
		struct html_attr a = {.name = {n->name.p, n->name.len},
				      .value = {n->p, n->len},
				      .has_value = true};

		x->quoted = false;
		if (html_is_event(a.name))
			xss_attribute(x, NULL, &a);
	}
}

static void run(struct inspect *in, const struct inspect_node *n)
{
	struct xss x = {.in = in, .n = n, .steps = 8 * n->len + 256};

	if (n->place == PLACE_FILE)
		return; // what an uploaded file may hold is for others to say
	if ((n->set & BYTES(LT)) != 0)
		tags(&x);
	if ((n->set & BYTES(EQ)) != 0)
		closes_attribute(&x);
	xss_code(&x);
}

const struct inspect_analyser inspect_xss = {
	.name = "xss",
	.any = BYTES(LT) | BYTES(EQ) | BYTES(LPAREN) | BYTES(BACKTICK) | BYTES(LBRACKET) |
	       BYTES(DOT) | BYTES(COLON),
	.least = 6,
	.run = run,
};
