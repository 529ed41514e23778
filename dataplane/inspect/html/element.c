// SPDX-License-Identifier: BSD-3-Clause
//
// What one tag does: its attributes, and what its element loads or runs.

#include "dataplane/inspect/html/xss_priv.h"

#include "dataplane/inspect/html/css.h"
#include "dataplane/inspect/html/url.h"

#include <string.h>

#define ATTRIBUTES_MAX 64

struct seen {
	bool source, elsewhere, directive, url, sheet;
	bool sends;     // a form to elsewhere
	bool page;      // type=text/html
	bool parameter; // name=url
	bool value;     // value=//elsewhere
	bool dangling;  // a URL that takes along what the page has up to its next quote
};

static bool is_source(struct html_text name)
{
	static const char *const names[] = {"src", "href", "xlink:href", "data", "code"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (html_text_is(name, names[i]))
			return true;
	return false;
}

// The URL was left open to go on: it holds what no URL has, or ends where a parameter begins.
static bool takes_along(struct html_text url)
{
	uint8_t last = url.p[url.len - 1];

	return last == '?' || last == '=' || last == '&' || last == '/' ||
	       memchr(url.p, '<', url.len) != NULL;
}

static void gather(struct seen *s, const struct html_attr *a)
{
	struct html_text rest;

	if (a->value.len == 0)
		return;
	if (a->open && html_url_scheme(a->value, &rest) == HTML_URL_ELSEWHERE)
		s->dangling |= takes_along(a->value);
	if (is_source(a->name)) {
		s->source = true;
		s->elsewhere |= html_url_scheme(a->value, &rest) != HTML_URL_OTHER;
	} else if (html_text_is(a->name, "http-equiv")) {
		s->directive |= html_text_is(a->value, "refresh") ||
				html_text_is(a->value, "set-cookie") ||
				html_text_is(a->value, "link");
	} else if (html_text_is(a->name, "content")) {
		s->url |= memchr(a->value.p, '=', a->value.len) != NULL ||
			  memchr(a->value.p, '/', a->value.len) != NULL;
	} else if (html_text_is(a->name, "rel")) {
		s->sheet |=
			html_text_is(a->value, "stylesheet") || html_text_is(a->value, "import");
	} else if (html_text_is(a->name, "action") || html_text_is(a->name, "formaction")) {
		s->sends |= html_url_scheme(a->value, &rest) == HTML_URL_ELSEWHERE;
	} else if (html_text_is(a->name, "type")) {
		s->page |= html_text_is(a->value, "text/html");
	} else if (html_text_is(a->name, "name")) {
		s->parameter |= html_text_is(a->value, "url") || html_text_is(a->value, "src") ||
				html_text_is(a->value, "data") || html_text_is(a->value, "code");
	} else if (html_text_is(a->name, "value")) {
		s->value |= html_url_scheme(a->value, &rest) != HTML_URL_OTHER;
	}
}

// The text of a script or style element, up to its end tag; *ends: there is one. What may not be read
// again is not.
static struct html_text content(struct xss *x, const uint8_t *p, const char *name, bool *ends)
{
	const uint8_t *end = x->end, *lt = p;
	size_t len = strlen(name);

	*ends = false;
	if ((size_t)(end - p) > x->steps)
		end = p + x->steps;
	while ((lt = memchr(lt, '<', (size_t)(end - lt))) != NULL) {
		lt++;
		if ((size_t)(end - lt) > len && *lt == '/' &&
		    html_text_is((struct html_text){lt + 1, len}, name)) {
			*ends = true;
			end = lt - 1;
			break;
		}
	}
	xss_afford(x, (size_t)(end - p));
	return (struct html_text){p, (size_t)(end - p)};
}

// Within svg and math, <![CDATA[ and ]]> are no part of a script, and it does not end between them (WHATWG
// HTML, section 13.2.5.69). Returns: the script without them, NULL: it has none
static uint8_t *without_cdata(struct xss *x, const uint8_t *p, size_t *len)
{
	static const char open[] = "<![CDATA[", close[] = "]]>", script_end[] = "</script";
	const uint8_t *end = x->end;
	uint8_t *room, *out;

	if (!x->cdata_sought)
		x->cdata = memmem(x->p, (size_t)(end - x->p), open, sizeof(open) - 1);
	x->cdata_sought = true;
	if (x->cdata == NULL || !xss_afford(x, (size_t)(end - p)))
		return NULL;
	room = out = inspect_scratch(x->in, (size_t)(end - p));
	for (bool inside = false; room != NULL && p < end; p++) {
		const char *mark = inside ? close : open;
		size_t n = strlen(mark);

		if ((size_t)(end - p) >= n && memcmp(p, mark, n) == 0) {
			inside = !inside;
			p += n - 1;
		} else if (!inside && (size_t)(end - p) >= sizeof(script_end) - 1 &&
			   html_text_is((struct html_text){p, sizeof(script_end) - 1},
					script_end)) {
			break;
		} else {
			*out++ = *p;
		}
	}
	*len = room != NULL ? (size_t)(out - room) : 0;
	return room;
}

static void script(struct xss *x, const struct html_tag *tag, const struct html_reader *r,
		   const struct seen *s)
{
	struct js_verdict v;
	struct html_text t;
	bool ends;

	xss_say(x, RULE_XSS_SCRIPT, tag->name.p, tag->name.len);
	if (s->source)
		xss_say(x, RULE_XSS_SCRIPT_RUNS, tag->name.p, tag->name.len);
	if (!r->closed)
		return;
	t = content(x, r->at, "script", &ends);
	js_judge(t.p, t.len, JS_PROGRAM, 0, &v);
	if ((v.ops & JS_OPS_GRAVE) == 0) {
		size_t len;
		uint8_t *room = without_cdata(x, r->at, &len);

		if (room != NULL)
			js_judge(room, len, JS_PROGRAM, 0, &v);
	}
	if ((v.ops & JS_OPS_GRAVE) != 0 ||
	    (js_is_whole(&v) && (v.ops & (JS_OP_CALL | JS_OP_DOCUMENT | JS_OP_MOVE)) != 0))
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
	t = content(x, r->at, "style", &ends);
	bits = css_judge(t);
	if ((bits & CSS_RUNS) != 0)
		xss_say(x, RULE_XSS_STYLE, t.p, t.len);
	else if ((bits & CSS_LOADS) != 0)
		xss_say(x, RULE_XSS_STYLE_LOADS, t.p, t.len);
}

static void element(struct xss *x, const struct html_tag *tag, const struct html_reader *r,
		    const struct seen *s)
{
	enum inspect_rule rule;

	x->opened |= 1u << tag->element;
	if (s->dangling && !x->n->cut)
		xss_say(x, RULE_XSS_DANGLING, tag->name.p, tag->name.len);
	if (tag->element == HTML_SCRIPT) {
		script(x, tag, r, s);
		return;
	}
	if (tag->element == HTML_STYLE) {
		style(x, r);
		return;
	}
	if (tag->element == HTML_FRAME && s->source)
		rule = RULE_XSS_FRAME;
	else if (tag->element == HTML_PLUGIN && (s->source || s->page))
		rule = RULE_XSS_PLUGIN;
	else if (tag->element == HTML_BASE && s->elsewhere)
		rule = RULE_XSS_BASE;
	else if (tag->element == HTML_META && s->directive)
		rule = s->url ? RULE_XSS_META : RULE_XSS_META_IDLE;
	else if (tag->element == HTML_LINK && s->sheet && s->source)
		rule = RULE_XSS_STYLE_LOADS;
	else if (tag->element == HTML_PARAM && s->parameter && s->value)
		rule = RULE_XSS_PARAM;
	else if (tag->element == HTML_FORM && s->sends)
		rule = RULE_XSS_FORM;
	else
		return;
	xss_say(x, rule, tag->name.p, tag->name.len);
}

// Elements whose text is no markup: who ends one that he did not begin wants to be out of it.
static void ends(struct xss *x, const struct html_tag *tag)
{
	static const uint32_t raw =
		1u << HTML_SCRIPT | 1u << HTML_STYLE | 1u << HTML_FRAME | 1u << HTML_RAW;

	if ((raw & ~x->opened & 1u << tag->element) != 0)
		xss_say(x, RULE_XSS_BREAK, tag->name.p, tag->name.len);
}

const uint8_t *xss_tag(struct xss *x, const uint8_t *p)
{
	struct seen s = {0};
	struct html_reader r;
	struct html_attr a;
	struct html_tag tag;

	if (!html_tag_begin(p, x->end, &tag, &r))
		return p;
	for (unsigned i = 0; i < ATTRIBUTES_MAX && html_attr_next(&r, &a); i++) {
		xss_attribute(x, &tag, &a, false);
		gather(&s, &a);
	}
	if (x->n->decoder == DECODE_UTF7)
		xss_say(x, RULE_XSS_UTF7, p, tag.name.len);
	if (tag.end)
		ends(x, &tag);
	else if (!tag.declaration)
		element(x, &tag, &r, &s);
	return r.at;
}
