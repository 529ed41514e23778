// SPDX-License-Identifier: BSD-3-Clause
//
// Values that are script, or go on with one: a whole program, a javascript: URL, what follows a closed
// string, a substitution of a template, an expression of a client-side template.

#include "dataplane/inspect/html/xss_priv.h"

#include "dataplane/inspect/html/url.h"

#include <string.h>

#define QUOTES_TRIED 2

static void whole(struct xss *x, const uint8_t *p, size_t len)
{
	struct js_verdict v;

	js_judge(p, len, JS_PROGRAM, 0, &v);
	if ((v.ops & JS_OPS_GRAVE) != 0) {
		// What follows a # is the fragment of the URL that brought the value.
		if (js_is_whole(&v) || (v.end == JS_END_ERROR && p[v.used] == '#'))
			xss_say(x, RULE_XSS_CODE, p + v.at, len - v.at);
		else if (v.end == JS_END_MISSING || (v.ops & ~JS_OP_DIALOG & JS_OPS_GRAVE) != 0)
			xss_say(x, RULE_XSS_CODE_BROKEN, p + v.at, len - v.at);
	} else if (js_is_whole(&v) && (v.ops & JS_OP_DOCUMENT) != 0) {
		xss_say(x, RULE_XSS_CODE_DOCUMENT, p, len);
	} else if (js_is_whole(&v) && (v.ops & (JS_OP_MOVE | JS_OP_PRINT | JS_OP_BUILD)) != 0 &&
		   (v.ops & (JS_OP_CALL | JS_OP_ASSIGN)) != 0) {
		xss_say(x, RULE_XSS_CODE_WEAK, p, len);
	}
}

static void rest(struct xss *x, const uint8_t *p, size_t len, uint8_t quote)
{
	struct js_verdict v;

	js_judge(p, len, JS_REST, quote, &v);
	if ((v.ops & (JS_OPS_GRAVE | JS_OP_DOCUMENT)) != 0)
		xss_say(x,
			js_is_whole(&v) || v.end == JS_END_MISSING ? RULE_XSS_CODE_BREAK
								   : RULE_XSS_CODE_BROKEN,
			p + v.at, len - v.at);
}

static void after_quotes(struct xss *x, uint8_t quote)
{
	const uint8_t *p = x->n->p, *end = p + x->n->len;

	for (unsigned i = 0; i < QUOTES_TRIED; i++) {
		p = memchr(p, quote, (size_t)(end - p));
		if (p == NULL || ++p == end)
			return;
		rest(x, p, (size_t)(end - p), quote);
	}
}

static bool goes_on(uint8_t c)
{
	return strchr(")]},;+-*/?:|&^%<>=", c) != NULL && c != '\0';
}

static void scheme(struct xss *x, struct html_text text)
{
	struct html_text code;
	struct js_verdict v;

	switch (html_url_scheme(text, &code)) {
	case HTML_URL_SCRIPT:
		js_judge(code.p, code.len, JS_PROGRAM, 0, &v);
		if ((v.ops & JS_OPS_GRAVE) != 0)
			xss_say(x, RULE_XSS_URL, text.p, text.len);
		else if (js_is_whole(&v) && (v.ops & JS_OPS_ACT) != 0)
			xss_say(x, RULE_XSS_URL_BARE, text.p, text.len);
		break;
	case HTML_URL_VBSCRIPT:
		js_judge(code.p, code.len, JS_PROGRAM, 0, &v);
		if (js_is_whole(&v) && (v.ops & JS_OP_CALL) != 0)
			xss_say(x, RULE_XSS_URL, text.p, text.len);
		break;
	case HTML_URL_DATA_PAGE:
		xss_say(x, RULE_XSS_DATA_BARE, text.p, text.len);
		break;
	default:
		break;
	}
}

// ${..} of a template string, {{..}} of Angular and its like.
static void substitution(struct xss *x, const char *open, const char *close)
{
	const uint8_t *p = memmem(x->n->p, x->n->len, open, 2), *end = x->n->p + x->n->len, *to;
	struct js_verdict v;

	if (p == NULL)
		return;
	p += 2;
	to = memmem(p, (size_t)(end - p), close, strlen(close));
	if (to == NULL)
		to = end;
	js_judge(p, (size_t)(to - p), JS_TEMPLATE, 0, &v);
	if ((v.ops & JS_OPS_GRAVE) != 0)
		xss_say(x, RULE_XSS_CODE_TEMPLATE, p, (size_t)(to - p));
}

// The value as the expression of a client-side template.
static void expression(struct xss *x, const uint8_t *p, size_t len)
{
	struct js_verdict v;

	js_judge(p, len, JS_TEMPLATE, 0, &v);
	if (js_is_whole(&v) && (v.ops & JS_OPS_GRAVE) != 0)
		xss_say(x, RULE_XSS_CODE_TEMPLATE, p, len);
}

// ---- is it worth the while? -----------------------------------------------------------------------

#define CALLS (BYTES(LPAREN) | BYTES(BACKTICK))

static bool ends_with(const uint8_t *from, const uint8_t *to, const char *text)
{
	size_t len = strlen(text);

	return (size_t)(to - from) >= len && memcmp(to - len, text, len) == 0;
}

static bool is_letter(uint8_t c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

// onerror, the end of a text that begins at from
static bool ends_with_event(const uint8_t *from, const uint8_t *to)
{
	const uint8_t *p = to;

	while (p > from && to - p < 24 && is_letter(p[-1]))
		p--;
	return to - p >= 4 && p[0] == 'o' && p[1] == 'n';
}

// Without calls, what a program can do is to read the cookie and to assign to a few places. One look at each
// = tells.
static bool may_assign(const uint8_t *p, const uint8_t *end)
{
	for (const uint8_t *eq = p; (eq = memchr(eq, '=', (size_t)(end - eq))) != NULL; eq++) {
		const uint8_t *to = eq;

		while (to > p && to[-1] <= ' ')
			to--;
		if (to == p)
			continue;
		switch (to[-1]) {
		case '}': // {cookie}=document
		case ']': // window['location']=
		case '+': // location.hash+=
			return true;
		case 'n':
			if (ends_with(p, to, "location"))
				return true;
			break;
		case 'f':
			if (ends_with(p, to, "href"))
				return true;
			break;
		case 'e':
			if (ends_with(p, to, "cookie"))
				return true;
			break;
		case 'L':
			if (ends_with(p, to, "HTML"))
				return true;
			break;
		case 'c':
			if (ends_with(p, to, "src") || ends_with(p, to, "srcdoc"))
				return true;
			break;
		default:
			break;
		}
		if (is_letter(to[-1]) && ends_with_event(p, to))
			return true;
	}
	return false;
}

static bool names_document(struct html_text t)
{
	static const char *const roots[] = {"document", "window", "self",   "top",
					    "parent",   "import", "onerror"};

	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
		if (*t.p == (uint8_t)roots[i][0] && t.len > strlen(roots[i]) &&
		    memcmp(t.p, roots[i], strlen(roots[i])) == 0)
			return true;
	return false;
}

static bool may_be_code(const struct inspect_node *n, struct html_text t)
{
	if ((n->set & CALLS) != 0 || names_document(t))
		return true;
	if ((n->set & BYTES(BACKSLASH)) != 0) // a name in escapes
		return (n->set & BYTES(EQ)) != 0;
	return (n->set & BYTES(EQ)) != 0 && may_assign(t.p, t.p + t.len);
}

void xss_code(struct xss *x)
{
	const struct inspect_node *n = x->n;
	struct html_text t = {n->p, n->len};

	while (t.len > 0 && *t.p <= ' ') {
		t.p++;
		t.len--;
	}
	if (t.len < 6)
		return;
	if ((n->set & BYTES(COLON)) != 0)
		scheme(x, t);
	if (!may_be_code(n, t))
		return;
	whole(x, t.p, t.len);
	if (*t.p == '{' || (n->set & BYTES(BAR)) != 0)
		expression(x, t.p, t.len);
	if (goes_on(*t.p))
		rest(x, t.p, t.len, 0);
	if ((n->set & BYTES(QUOTE)) != 0)
		after_quotes(x, '\'');
	if ((n->set & BYTES(DQUOTE)) != 0)
		after_quotes(x, '"');
	if ((n->set & BYTES(BACKTICK)) != 0)
		after_quotes(x, '`');
	if ((n->set & BYTES(LBRACE)) != 0) {
		if ((n->set & BYTES(DOLLAR)) != 0)
			substitution(x, "${", "}");
		substitution(x, "{{", "}}");
	}
	if ((n->set & (BYTES(STAR) | BYTES(SLASH))) == (BYTES(STAR) | BYTES(SLASH))) {
		const uint8_t *p = memmem(n->p, n->len, "*/", 2);

		if (p != NULL)
			whole(x, p + 2, (size_t)(n->p + n->len - p - 2));
	}
}
