// SPDX-License-Identifier: BSD-3-Clause
//
// What one attribute does: handlers, URLs that run, styles.

#include "dataplane/inspect/html/xss_priv.h"

#include "dataplane/inspect/html/css.h"
#include "dataplane/inspect/html/url.h"

static void handler(struct xss *x, const struct html_tag *tag, const struct html_attr *a)
{
	struct js_verdict v;
	bool grave, acts;

	js_judge(a->value.p, a->value.len, JS_HANDLER, 0, &v);
	grave = (v.ops & JS_OPS_GRAVE) != 0;
	acts = grave || (js_is_whole(&v) && (v.ops & JS_OPS_ACT) != 0);
	if (tag != NULL)
		xss_say(x, acts ? RULE_XSS_HANDLER : RULE_XSS_HANDLER_IDLE, a->name.p, a->name.len);
	else if (acts && x->quoted)
		xss_say(x, RULE_XSS_ATTRIBUTE, a->name.p, a->name.len);
	else if (grave || acts)
		xss_say(x, grave ? RULE_XSS_ATTRIBUTE_BARE : RULE_XSS_ATTRIBUTE_WEAK, a->name.p,
			a->name.len);
}

static void script_url(struct xss *x, const struct html_tag *tag, const struct html_attr *a,
		       struct html_text code)
{
	struct js_verdict v;

	js_judge(code.p, code.len, JS_PROGRAM, 0, &v);
	if ((v.ops & JS_OPS_GRAVE) != 0 || (js_is_whole(&v) && (v.ops & JS_OPS_ACT) != 0))
		xss_say(x, tag != NULL || x->quoted ? RULE_XSS_URL : RULE_XSS_URL_BARE, a->name.p,
			a->name.len);
	else if (tag != NULL)
		xss_say(x, RULE_XSS_URL_IDLE, a->name.p, a->name.len);
}

static void url(struct xss *x, const struct html_tag *tag, const struct html_attr *a)
{
	struct html_text rest;

	switch (html_url_scheme(a->value, &rest)) {
	case HTML_URL_SCRIPT:
		script_url(x, tag, a, rest);
		break;
	case HTML_URL_VBSCRIPT:
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

void xss_attribute(struct xss *x, const struct html_tag *tag, const struct html_attr *a)
{
	if (html_is_event(a->name) && a->has_value) {
		handler(x, tag, a);
		return;
	}
	if (a->value.len == 0)
		return;
	if (html_text_is(a->name, "style")) {
		if ((css_judge(a->value) & CSS_RUNS) != 0)
			xss_say(x, RULE_XSS_STYLE, a->value.p, a->value.len);
		return;
	}
	if (html_text_is(a->name, "srcdoc") && tag != NULL) {
		xss_say(x, RULE_XSS_SRCDOC, a->name.p, a->name.len);
		return;
	}
	url(x, tag, a);
}
