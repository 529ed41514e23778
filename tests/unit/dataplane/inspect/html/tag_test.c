// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/html/css.h"
#include "dataplane/inspect/html/tag.h"
#include "dataplane/inspect/html/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// "name attr=value attr !" of the tag whose text follows a <; ! : it is whole
static const char *read_tag(const char *text)
{
	static char out[512];
	size_t len = strlen(text), n;
	uint8_t *copy = malloc(len > 0 ? len : 1); // exact size: a sanitizer sees a read past it
	struct html_reader r;
	struct html_attr a;
	struct html_tag t;

	memcpy(copy, text, len);
	if (!html_tag_begin(copy, copy + len, &t, &r)) {
		free(copy);
		return "none";
	}
	n = (size_t)snprintf(out, sizeof(out), "%s%.*s",
			     t.end           ? "/"
			     : t.declaration ? "!"
					     : "",
			     (int)t.name.len, t.name.p);
	while (html_attr_next(&r, &a))
		n += (size_t)snprintf(out + n, sizeof(out) - n, " %.*s%s%.*s%s", (int)a.name.len,
				      a.name.p, a.has_value ? "=" : "", (int)a.value.len,
				      a.value.len > 0 ? (const char *)a.value.p : "",
				      a.open ? "~" : "");
	snprintf(out + n, sizeof(out) - n, "%s", r.closed ? " !" : "");
	free(copy);
	return out;
}

static void begins_tags_as_browsers_do(void **state)
{
	(void)state;
	assert_string_equal(read_tag("b>"), "b !");
	assert_string_equal(read_tag("/b>"), "/b !");
	assert_string_equal(read_tag("!doctype html>"), "!doctype html !");
	assert_string_equal(read_tag("?xml version='1.0'?>"), "!xml version=1.0 ? !");
	assert_string_equal(read_tag("b"), "b");
	assert_string_equal(read_tag(""), "none");
	assert_string_equal(read_tag("/"), "none");
	assert_string_equal(read_tag(" b>"), "none");
	assert_string_equal(read_tag("3"), "none");
	assert_string_equal(read_tag("-"), "none");
	assert_string_equal(read_tag("="), "none");
}

static void separates_attributes_by_blanks_slashes_and_quotes(void **state)
{
	(void)state;
	assert_string_equal(read_tag("svg/onload=a>"), "svg onload=a !");
	assert_string_equal(read_tag("a b c>"), "a b c !");
	assert_string_equal(read_tag("a\tb\n=\rc\f>"), "a b=c !");
	assert_string_equal(read_tag("a b='c'd=\"e\"f>"), "a b=c d=e f !");
	assert_string_equal(read_tag("a / b / >"), "a b !");
	assert_string_equal(read_tag("a\vb>"), "a b !");
}

static void reads_values_as_browsers_do(void **state)
{
	(void)state;
	assert_string_equal(read_tag("a b='>'>"), "a b=> !");
	assert_string_equal(read_tag("a b=c/d>"), "a b=c/d !");
	assert_string_equal(read_tag("a b=`c`>"), "a b=`c` !");
	assert_string_equal(read_tag("a b=>"), "a b= !");
	assert_string_equal(read_tag("a b=''>"), "a b= !");
	assert_string_equal(read_tag("a b='c"), "a b=c~");
	assert_string_equal(read_tag("a b="), "a b=");
	assert_string_equal(read_tag("a =b=c>"), "a =b=c !");
	assert_string_equal(read_tag("a \"\"\">"), "a \"\"\" !");
	assert_string_equal(read_tag("a b==c>"), "a b==c !");
}

static struct html_text of(const char *text)
{
	return (struct html_text){(const uint8_t *)text, strlen(text)};
}

static void knows_handlers_and_directives_by_name(void **state)
{
	(void)state;
	assert_true(html_is_event(of("onclick")));
	assert_true(html_is_event(of("ONclick")));
	assert_false(html_is_event(of("on")));
	assert_false(html_is_event(of("on-click")));
	assert_false(html_is_event(of("click")));
	assert_true(html_is_known_event(of("onClick")));
	assert_true(html_is_known_event(of("onpointerrawupdate")));
	assert_false(html_is_known_event(of("onset")));
	assert_false(html_is_known_event(of("only")));
	assert_true(html_is_directive(of("ng-focus")));
	assert_true(html_is_directive(of("@click")));
	assert_true(html_is_directive(of("v-on:click")));
	assert_false(html_is_directive(of("ng")));
	assert_false(html_is_directive(of("vendor")));
}

static void knows_elements_with_a_prefix(void **state)
{
	static const uint8_t text[] = "x:ScRipt";
	struct html_reader r;
	struct html_tag t;

	(void)state;
	assert_true(html_tag_begin(text, text + 8, &t, &r));
	assert_int_equal(t.element, HTML_SCRIPT);
}

static enum html_scheme scheme(const char *url)
{
	struct html_text rest;

	return html_url_scheme(of(url), &rest);
}

static void tells_what_a_url_runs(void **state)
{
	(void)state;
	assert_int_equal(scheme("javascript:a"), HTML_URL_SCRIPT);
	assert_int_equal(scheme(" \tJava\nScript\r:a"), HTML_URL_SCRIPT);
	assert_int_equal(scheme("`javascript:a`"), HTML_URL_SCRIPT);
	assert_int_equal(scheme("view-source:javascript:a"), HTML_URL_SCRIPT);
	assert_int_equal(scheme("vbscript:a"), HTML_URL_VBSCRIPT);
	assert_int_equal(scheme("data:text/html,a"), HTML_URL_DATA_PAGE);
	assert_int_equal(scheme("data: image/svg+xml;base64,a"), HTML_URL_DATA_PAGE);
	assert_int_equal(scheme("data:image/png;base64,a"), HTML_URL_DATA);
	assert_int_equal(scheme("data:,a"), HTML_URL_DATA);
	assert_int_equal(scheme("//a"), HTML_URL_ELSEWHERE);
	assert_int_equal(scheme("\\\\a"), HTML_URL_ELSEWHERE);
	assert_int_equal(scheme("https://a"), HTML_URL_ELSEWHERE);
	assert_int_equal(scheme("/a"), HTML_URL_OTHER);
	assert_int_equal(scheme("a:b"), HTML_URL_OTHER);
	assert_int_equal(scheme("javascript"), HTML_URL_OTHER);
	assert_int_equal(scheme("/javascript:a"), HTML_URL_OTHER);
	assert_int_equal(scheme(""), HTML_URL_OTHER);
}

static void tells_what_a_style_runs(void **state)
{
	(void)state;
	assert_int_equal(css_judge(of("a:expression(b)")), CSS_RUNS);
	assert_int_equal(css_judge(of("a:ex/*b*/pression(c)")), CSS_RUNS);
	assert_int_equal(css_judge(of("a:\\65 xpression (b)")), CSS_RUNS);
	assert_int_equal(css_judge(of("a:url( 'javascript:b')")), CSS_RUNS);
	assert_int_equal(css_judge(of("a:url(j\\61vascript:b)")), CSS_RUNS);
	assert_int_equal(css_judge(of("-moz-binding:url(//a)")), CSS_RUNS);
	assert_true((css_judge(of("@import url(javascript:a)")) & CSS_RUNS) != 0);
	assert_int_equal(css_judge(of("@im\\port '//a'")), CSS_LOADS);
	assert_int_equal(css_judge(of("a:url(b.png);c:expressions(d)")), 0);
	assert_int_equal(css_judge(of("behavior:smooth;a:url(b.png)")), 0);
	assert_int_equal(css_judge(of("important:a; @media import{}")), 0);
	assert_int_equal(css_judge(of("a:url(")), 0);
	assert_int_equal(css_judge(of("/*")), 0);
	assert_int_equal(css_judge(of("\\")), 0);
	assert_int_equal(css_judge(of("")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begins_tags_as_browsers_do),
		cmocka_unit_test(separates_attributes_by_blanks_slashes_and_quotes),
		cmocka_unit_test(reads_values_as_browsers_do),
		cmocka_unit_test(knows_handlers_and_directives_by_name),
		cmocka_unit_test(knows_elements_with_a_prefix),
		cmocka_unit_test(tells_what_a_url_runs),
		cmocka_unit_test(tells_what_a_style_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
