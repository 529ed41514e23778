// SPDX-License-Identifier: BSD-3-Clause
//
// What one attribute does: handlers, URLs that run, styles.

#include "dataplane/inspect/html/xss_priv.h"

#include "dataplane/inspect/html/css.h"
#include "dataplane/inspect/html/url.h"

#include <string.h>

static void handler(struct xss *x, const struct html_tag *tag, const struct html_attr *a,
		    bool quoted)
{
	enum inspect_rule rule;
	struct js_verdict v;
	bool grave, acts;

	js_judge(a->value.p, a->value.len, JS_HANDLER, 0, &v);
	grave = (v.ops & (JS_OPS_GRAVE | JS_OP_MOVE)) != 0;
	acts = grave || (js_is_whole(&v) && (v.ops & JS_OPS_ACT) != 0);
	if (!acts && js_is_whole(&v) && v.tokens == 1)
		return; // only=1: a word or number is no code
	if (!grave && !html_is_known_event(a->name))
		return;
	if (tag != NULL)
		rule = acts ? RULE_XSS_HANDLER : RULE_XSS_HANDLER_IDLE;
	else if (quoted && acts)
		rule = RULE_XSS_ATTRIBUTE;
	else if (acts)
		rule = grave ? RULE_XSS_ATTRIBUTE_BARE : RULE_XSS_ATTRIBUTE_WEAK;
	else
		return;
	xss_say(x, rule, a->name.p, a->name.len);
}

static void directive(struct xss *x, const struct html_attr *a)
{
	struct js_verdict v;

	js_judge(a->value.p, a->value.len, JS_TEMPLATE, 0, &v);
	if ((v.ops & (JS_OPS_GRAVE | JS_OP_MOVE | JS_OP_PRINT)) != 0)
		xss_say(x, RULE_XSS_HANDLER, a->name.p, a->name.len);
}

// The code of a javascript: URL: browsers take tabs and line ends out of it (WHATWG URL, section 4.4).
static struct html_text code_of(struct xss *x, struct html_text t)
{
	uint8_t *room;
	size_t n = 0;

	if ((x->n->set & (BYTES(TAB) | BYTES(LF) | BYTES(CR))) == 0)
		return t;
	room = inspect_scratch(x->in, t.len);
	if (room == NULL)
		return t;
	for (size_t i = 0; i < t.len; i++)
		if (t.p[i] != '\t' && t.p[i] != '\n' && t.p[i] != '\r')
			room[n++] = t.p[i];
	return (struct html_text){room, n};
}

static void script_url(struct xss *x, const struct html_tag *tag, const struct html_attr *a,
		       struct html_text text, bool quoted)
{
	struct html_text code = code_of(x, text);
	struct js_verdict v, stripped;

	js_judge(text.p, text.len, JS_PROGRAM, 0, &v);
	if (code.p != text.p) {
		js_judge(code.p, code.len, JS_PROGRAM, 0, &stripped);
		if ((stripped.ops & JS_OPS_GRAVE) != 0)
			v = stripped;
	}
	if ((v.ops & JS_OPS_GRAVE) != 0)
		xss_say(x, tag != NULL || quoted ? RULE_XSS_URL : RULE_XSS_ATTRIBUTE_BARE,
			a->name.p, a->name.len);
	else if (js_is_whole(&v) && (v.ops & JS_OPS_ACT) != 0)
		xss_say(x, tag != NULL ? RULE_XSS_URL : RULE_XSS_URL_BARE, a->name.p, a->name.len);
	else if (tag != NULL)
		xss_say(x, RULE_XSS_URL_IDLE, a->name.p, a->name.len);
}

static void url(struct xss *x, const struct html_tag *tag, const struct html_attr *a, bool quoted)
{
	struct html_text rest;

	switch (html_url_scheme(a->value, &rest)) {
	case HTML_URL_SCRIPT:
		script_url(x, tag, a, rest, quoted);
		break;
	case HTML_URL_VBSCRIPT:
		if (tag != NULL || quoted)
			xss_say(x, RULE_XSS_URL, a->name.p, a->name.len);
		break;
	case HTML_URL_DATA_PAGE:
		if (tag != NULL)
			xss_say(x, RULE_XSS_DATA_PAGE, a->name.p, a->name.len);
		break;
	case HTML_URL_DATA:
		if (tag != NULL && tag->element == HTML_SCRIPT)
			xss_say(x, RULE_XSS_SCRIPT_RUNS, a->name.p, a->name.len);
		break;
	default:
		break;
	}
}

// values="a;b" of an animation: a list.
static void each_value(struct xss *x, const struct html_tag *tag, const struct html_attr *a)
{
	struct html_attr one = *a;
	const uint8_t *end = a->value.p + a->value.len, *semi;

	for (; one.value.p < end; one.value.p = semi + 1) {
		semi = memchr(one.value.p, ';', (size_t)(end - one.value.p));
		if (semi == NULL)
			semi = end;
		one.value.len = (size_t)(semi - one.value.p);
		if (one.value.len > 0)
			url(x, tag, &one, false);
		if (semi == end)
			break;
	}
}

void xss_attribute(struct xss *x, const struct html_tag *tag, const struct html_attr *a,
		   bool quoted)
{
	if (html_is_event(a->name) && a->has_value) {
		handler(x, tag, a, quoted);
		return;
	}
	if (a->value.len == 0)
		return;
	if (tag != NULL && html_is_directive(a->name)) {
		directive(x, a);
		return;
	}
	if (html_text_is(a->name, "style")) {
		if ((css_judge(a->value) & CSS_RUNS) != 0)
			xss_say(x, RULE_XSS_STYLE, a->value.p, a->value.len);
		return;
	}
	if (html_text_is(a->name, "srcdoc") && tag != NULL) {
		xss_say(x, RULE_XSS_SRCDOC, a->name.p, a->name.len);
		return;
	}
	if (tag != NULL && tag->element == HTML_ANIMATE)
		each_value(x, tag, a);
	else
		url(x, tag, a, quoted);
}

// ---- attributes of a tag of the page -------------------------------------------------------------

static bool is_name(uint8_t c)
{
	return (c | 0x20) >= 'a' ? (c | 0x20) <= 'z' : c == '-' || c == ':';
}

// The name before an = of the text, if it is one that an attribute may begin with there.
static struct html_text name_before(const struct xss *x, const uint8_t *eq)
{
	const uint8_t *to = eq, *from;

	while (to > x->p && to[-1] <= ' ')
		to--;
	for (from = to; from > x->p && is_name(from[-1]); from--)
		if (to - from > 24)
			return (struct html_text){to, 0};
	if (from > x->p && from[-1] > ' ' && strchr("\"'`/<>", from[-1]) == NULL)
		return (struct html_text){to, 0};
	return (struct html_text){from, (size_t)(to - from)};
}

static bool matters(struct html_text name)
{
	static const char *const names[] = {"href",       "src",  "style",      "action",
					    "formaction", "data", "xlink:href", "background",
					    "values",     "to"};

	if (html_is_event(name))
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (html_text_is(name, names[i]))
			return true;
	return false;
}

void xss_loose_attributes(struct xss *x)
{
	const uint8_t *eq = x->p;
	bool quoted = false;

	while ((eq = memchr(eq, '=', (size_t)(x->end - eq))) != NULL) {
		struct html_attr a = {.name = name_before(x, eq++)};
		struct html_reader r = {.at = eq, .end = x->end};

		if (a.name.len < 2 || strchr("oOhHsSaAfFdDxXbBvVtT", *a.name.p) == NULL ||
		    !matters(a.name))
			continue;
		html_attr_value(&r, &a);
		if (!xss_afford(x, a.value.len))
			return;
		quoted = quoted || memchr(x->p, '"', (size_t)(a.name.p - x->p)) != NULL ||
			 memchr(x->p, '\'', (size_t)(a.name.p - x->p)) != NULL ||
			 memchr(x->p, '`', (size_t)(a.name.p - x->p)) != NULL;
		xss_attribute(x, NULL, &a, quoted);
	}
}
