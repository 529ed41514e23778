// SPDX-License-Identifier: BSD-3-Clause
//
// Each rule of cross-site scripting: what shows it and what comes near but does not; bounds.

#include "tests/unit/dataplane/inspect/html/value.h"

#include <time.h>

static void shows(enum inspect_rule rule, const char *text)
{
	score(text);
	if (!said(rule))
		fail_msg("%s is not shown by %s", inspect_rule_name(rule), text);
}

static void hides(enum inspect_rule rule, const char *text)
{
	score(text);
	if (said(rule))
		fail_msg("%s is shown by %s", inspect_rule_name(rule), text);
}

static void tells_script_elements_apart(void **state)
{
	(void)state;
	shows(RULE_XSS_SCRIPT, "see <script type=x>");
	hides(RULE_XSS_SCRIPT, "see <scripts>");
	hides(RULE_XSS_SCRIPT, "see < script>");
	shows(RULE_XSS_SCRIPT_RUNS, "<script>f(1)</script>");
	shows(RULE_XSS_SCRIPT_RUNS, "<script src=a.js>");
	shows(RULE_XSS_SCRIPT_RUNS, "<svg><script>/*<![CDATA[</script>*]]>/alert(1)</script>");
	hides(RULE_XSS_SCRIPT_RUNS, "<script> is what you write");
	hides(RULE_XSS_SCRIPT_RUNS, "<script>var a = document.getElementById('b')</script>");
	shows(RULE_XSS_SCRIPT_WHOLE, "<script>var a = 1</script>");
	hides(RULE_XSS_SCRIPT_WHOLE, "<script> is ended by </script>");
}

static void tells_handlers_apart(void **state)
{
	(void)state;
	shows(RULE_XSS_HANDLER, "<p onclick=f()>");
	shows(RULE_XSS_HANDLER, "<p onclick='a=1'>");
	shows(RULE_XSS_HANDLER, "<p ng-click='$event.view.alert(1)'>");
	hides(RULE_XSS_HANDLER, "<p onclick=5>");
	hides(RULE_XSS_HANDLER, "<p onclick='call the ward'>");
	hides(RULE_XSS_HANDLER, "<p ng-click='save(patient)'>");
	shows(RULE_XSS_HANDLER_IDLE, "<p onclick='call the ward'>");
	hides(RULE_XSS_HANDLER_IDLE, "<p only=1 one=2>");
	hides(RULE_XSS_HANDLER_IDLE, "<p onset-1=2>");
	hides(RULE_XSS_HANDLER_IDLE, "<obs onset='3 days'>");
	hides(RULE_XSS_HANDLER, "<obs onset='acute(3)'>");
	shows(RULE_XSS_HANDLER, "<obs onset='alert(3)'>");
}

static void tells_urls_apart(void **state)
{
	(void)state;
	shows(RULE_XSS_URL, "<a href=javascript:f()>");
	shows(RULE_XSS_URL, "javascript:alert(1)");
	shows(RULE_XSS_URL, "<a href=vbscript:x>");
	hides(RULE_XSS_URL, "<a href=https://example.org/javascript:alert(1)>");
	hides(RULE_XSS_URL, "javascript: alert is a word");
	shows(RULE_XSS_URL, "<svg><animate values='a;javascript:f();b'>");
	hides(RULE_XSS_URL, "<svg><animate values='a;b:f();c'>");
	shows(RULE_XSS_URL_BARE, "javascript:history.back()");
	hides(RULE_XSS_URL_BARE, "javascript:void(0)");
	shows(RULE_XSS_URL_IDLE, "<a href='javascript:void(0)'>");
	hides(RULE_XSS_URL_IDLE, "<a href='/javascript'>");
	shows(RULE_XSS_DATA_PAGE, "<object data=data:text/html,x>");
	hides(RULE_XSS_DATA_PAGE, "<img src=data:image/png;base64,iVBO>");
	shows(RULE_XSS_DATA_BARE, "data:text/html,x");
	hides(RULE_XSS_DATA_BARE, "data: text and html");
}

static void tells_elements_that_load_apart(void **state)
{
	(void)state;
	shows(RULE_XSS_SRCDOC, "<iframe srcdoc='<b>x</b>'>");
	hides(RULE_XSS_SRCDOC, "<iframe srcdoc>");
	shows(RULE_XSS_FRAME, "<iframe src=/a>");
	hides(RULE_XSS_FRAME, "<iframe width=1>");
	shows(RULE_XSS_PLUGIN, "<embed src=a.swf>");
	hides(RULE_XSS_PLUGIN, "<embedded src=a.swf>");
	shows(RULE_XSS_PLUGIN, "<object type=text/html>");
	hides(RULE_XSS_PLUGIN, "<object type=image/png>");
	shows(RULE_XSS_PARAM, "<param name=url value=//a.example>");
	hides(RULE_XSS_PARAM, "<param name=width value=5>");
	shows(RULE_XSS_FORM, "<form action=//a.example>");
	shows(RULE_XSS_FORM, "<button formaction=https://a.example>");
	hides(RULE_XSS_FORM, "<form action=/search>");
	shows(RULE_XSS_DANGLING, "<img src='//a.example/?");
	shows(RULE_XSS_DANGLING, "<img src='//a.example <b>");
	hides(RULE_XSS_DANGLING, "<img src='//a.example/b.png'>");
	hides(RULE_XSS_DANGLING, "<img src='//a.example/b.pn");
	shows(RULE_XSS_BASE, "<base href=//a.example>");
	hides(RULE_XSS_BASE, "<base href=a>");
	hides(RULE_XSS_BASE, "<base unit='mg'>");
	shows(RULE_XSS_META, "<meta http-equiv=refresh content='0;url=//a.example'>");
	shows(RULE_XSS_META, "<meta http-equiv=refresh content='0;//a.example'>");
	hides(RULE_XSS_META, "<meta name=viewport content='width=1'>");
	shows(RULE_XSS_META_IDLE, "<meta http-equiv=refresh content=5>");
	hides(RULE_XSS_META_IDLE, "<meta http-equiv=content-type content=a>");
}

static void tells_styles_apart(void **state)
{
	(void)state;
	shows(RULE_XSS_STYLE, "<p style='width:expression(f())'>");
	shows(RULE_XSS_STYLE, "<style>p{background:url(javascript:f())}</style>");
	shows(RULE_XSS_STYLE, "<p style='behavior:url(a.htc)'>");
	hides(RULE_XSS_STYLE, "<p style='width:calc(1px)'>facial expression (sad)</p>");
	hides(RULE_XSS_STYLE, "<p style='background:url(a.png)'>");
	shows(RULE_XSS_STYLE_LOADS, "<style>@import '//a.example/a.css'</style>");
	shows(RULE_XSS_STYLE_LOADS, "<link rel=stylesheet href=a.css>");
	hides(RULE_XSS_STYLE_LOADS, "<link rel=prev href=a>");
	hides(RULE_XSS_STYLE_LOADS, "<style>@media print{}</style>");
}

static void tells_ways_out_of_a_tag_apart(void **state)
{
	(void)state;
	shows(RULE_XSS_BREAK, "a\"><b>");
	shows(RULE_XSS_BREAK, "x' /><b>");
	shows(RULE_XSS_BREAK, "</title><b>");
	hides(RULE_XSS_BREAK, "<title>a</title>");
	hides(RULE_XSS_BREAK, "\"a\" <b>");
	hides(RULE_XSS_BREAK, "a > b, c <b>");
	shows(RULE_XSS_UTF7, "+ADw-b+AD4-bold");
	hides(RULE_XSS_UTF7, "<b>1+1</b>");
	shows(RULE_XSS_ATTRIBUTE, "\" onclick=f() ");
	hides(RULE_XSS_ATTRIBUTE, "\" onclick=5 ");
	hides(RULE_XSS_ATTRIBUTE, "\"monclick=f() ");
	hides(RULE_XSS_ATTRIBUTE, "a = \"5\"; onsale = f()");
	shows(RULE_XSS_ATTRIBUTE_BARE, "x onclick=alert(1)");
	hides(RULE_XSS_ATTRIBUTE_BARE, "x onclick=f()");
	shows(RULE_XSS_ATTRIBUTE_WEAK, "x onclick=f()");
	hides(RULE_XSS_ATTRIBUTE_WEAK, "x onclick=5");
}

static void tells_code_apart(void **state)
{
	(void)state;
	shows(RULE_XSS_CODE, "a=1;alert(a)");
	hides(RULE_XSS_CODE, "an alert (see note)");
	shows(RULE_XSS_CODE, "eval(location.hash) #a b");
	hides(RULE_XSS_CODE, "eval(location.hash) %a b");
	shows(RULE_XSS_CODE_BROKEN, "eval(a) is evil");
	hides(RULE_XSS_CODE_BROKEN, "alert(a) is a word");
	shows(RULE_XSS_CODE_WEAK, "print(a)");
	hides(RULE_XSS_CODE_WEAK, "print (a) or (b) now");
	shows(RULE_XSS_CODE_DOCUMENT, "document.body.appendChild(a)");
	hides(RULE_XSS_CODE_DOCUMENT, "document.getElementById('a')");
	shows(RULE_XSS_CODE_BREAK, "a';alert(1)//");
	hides(RULE_XSS_CODE_BREAK, "a'; alert the nurse (1)");
	hides(RULE_XSS_CODE_BREAK, "don't use alert(1)");
	shows(RULE_XSS_CODE_BREAK, ")};alert(1)//");
	hides(RULE_XSS_CODE_BREAK, "if a = '(eval)'");
	shows(RULE_XSS_CODE_TEMPLATE, "a ${alert(1)} b");
	shows(RULE_XSS_CODE_TEMPLATE, "{{constructor.constructor('f()')()}}");
	shows(RULE_XSS_CODE_TEMPLATE, "{a: ''.constructor.prototype}.a.b = 1; [1] | f: 'g(1)'");
	hides(RULE_XSS_CODE_TEMPLATE, "{{ name | date: 'short' }} ${a.b}");
}

// ---- where a value stands -------------------------------------------------------------------------

static void joins_a_value_with_the_tag_in_its_name(void **state)
{
	static const char code[] = "alert(1)>", encoded[] = "YWxlcnQoMSk+";

	(void)state;
	assert_true(score_at(PLACE_QUERY, "<svg onload", code, strlen(code)) >= BALANCED);
	assert_true(score_at(PLACE_QUERY, "<svg onload", encoded, strlen(encoded)) >= BALANCED);
	assert_true(score_at(PLACE_QUERY, "load", encoded, strlen(encoded)) < BALANCED);
}

static void takes_a_parameter_for_an_attribute(void **state)
{
	static const char code[] = ";write(cookie)", text[] = "5 kg (max)";

	(void)state;
	assert_true(score_at(PLACE_QUERY, "onfocus", code, strlen(code)) >= BALANCED);
	assert_true(score_at(PLACE_QUERY, "onload", text, strlen(text)) < BALANCED);
}

static void sees_what_is_left_without_other_parts(void **state)
{
	(void)state;
	assert_true(score("\"au<x>tofocus on<x>focus=alert<x>(1)//") >= BALANCED);
	assert_true(score("<scr\342\200\256ipt>alert(1)</script>") >= BALANCED);
	assert_true(score("<\tscript\t>alert(1)") >= BALANCED);
	shows(RULE_XSS_HANDLER, "<\001b onclick=f()>");
	hides(RULE_XSS_HANDLER, "< b onclick=f()>");
	assert_int_equal(
		score("\344\275\223\346\270\251<\346\255\243\345\270\270>, a<b\344\275\223=c(d)>"),
		0);
}

static void leaves_files_to_others(void **state)
{
	static const char page[] = "<script>alert(1)</script>";

	(void)state;
	assert_int_equal(score_at(PLACE_FILE, "f", page, strlen(page)), 0);
}

// ---- bounds ---------------------------------------------------------------------------------------

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// A window full of one pattern.
static double fill(const char *pattern)
{
	static char text[65536];
	size_t n = strlen(pattern);
	double from;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = pattern[i % n];
	from = seconds();
	score_at(PLACE_FORM, "note", text, sizeof(text));
	return seconds() - from;
}

static void takes_linear_time_on_any_pattern(void **state)
{
	static const char *const patterns[] = {
		"<",        "<a ",       "<a b=\"",     "<a b='",
		"<script>", "<style>",   "<a b=",       "onab=onab=",
		"\" onab=", "`",         "'",           "\"",
		"(",        "[",         "{",           "${",
		"{{",       "/*",        "*/",          "<!--",
		"a=",       "(a=>",      "!+-~",        "`${",
		"</a>",     "<![CDATA[", "javascript:", "a.b.c.d(e)[f]",
		"<>",       "on=",       "?.a",         "/a/+",
		"\\",       "if(a)",     "a?b:",        "<script><![CDATA[",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		double s = fill(patterns[i]);

		if (s > 0.5)
			fail_msg("%.3f s for 64 KiB of %s", s, patterns[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_script_elements_apart),
		cmocka_unit_test(tells_handlers_apart),
		cmocka_unit_test(tells_urls_apart),
		cmocka_unit_test(tells_elements_that_load_apart),
		cmocka_unit_test(tells_styles_apart),
		cmocka_unit_test(tells_ways_out_of_a_tag_apart),
		cmocka_unit_test(tells_code_apart),
		cmocka_unit_test(joins_a_value_with_the_tag_in_its_name),
		cmocka_unit_test(takes_a_parameter_for_an_attribute),
		cmocka_unit_test(sees_what_is_left_without_other_parts),
		cmocka_unit_test(leaves_files_to_others),
		cmocka_unit_test(takes_linear_time_on_any_pattern),
	};

	return cmocka_run_group_tests(tests, value_create, value_destroy);
}
