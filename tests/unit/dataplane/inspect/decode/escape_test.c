// SPDX-License-Identifier: BSD-3-Clause
//
// Encodings of single characters: percent, %u, HTML references, escapes of JavaScript and JSON.

#include "tests/unit/dataplane/inspect/decode/tree.h"

#include "dataplane/inspect/decode/decode.h"

// ---- percent -------------------------------------------------------------------------------------

static void undoes_percent_one_layer_after_the_other(void **state)
{
	(void)state;
	reads("%3Cb%3E", DECODE_PERCENT, "<b>");
	reads("%253Cb", DECODE_PERCENT, "%3Cb");
	comes_to("%253Cb", "<b");
	comes_to("%25253Cb", "<b");
}

static void keeps_percent_that_is_no_escape(void **state)
{
	(void)state;
	stays("100%");
	stays("5% of 20 %zz %4");
	reads("%zz%41%4", DECODE_PERCENT, "%zzA%4");
}

static void reads_a_plus_both_ways(void **state)
{
	(void)state;
	comes_to("1%20+1", "1 +1");
	comes_to("a%3Cb+c", "a<b+c");
	comes_to("a%3Cb+c", "a<b c");
	stays("a+b");
}

static void a_form_makes_blanks_of_plus(void **state)
{
	uint8_t out[8];

	(void)state;
	assert_int_equal(decode_percent((const uint8_t *)"a+b%2b", 6, true, out), 4);
	assert_memory_equal(out, "a b+", 4);
	assert_int_equal(decode_percent((const uint8_t *)"a+b", 3, false, out), 3);
	assert_memory_equal(out, "a+b", 3);
}

static void undoes_percent_u(void **state)
{
	(void)state;
	reads("%u003Cscript%u003e", DECODE_PERCENT_U, "<script>");
	reads("%u0027%20or", DECODE_PERCENT_U, "' or");
	reads("%uff1cb", DECODE_PERCENT_U, "<b");
	reads("%u4f60", DECODE_PERCENT_U, "\xe4\xbd\xa0");
	reads("%ud83d%ude00", DECODE_PERCENT_U, "\xf0\x9f\x98\x80");
	stays("%u00zz %u12");
}

// ---- HTML ----------------------------------------------------------------------------------------

static void undoes_named_references(void **state)
{
	(void)state;
	reads("&lt;a&gt;", DECODE_HTML, "<a>");
	reads("&lt script&GT", DECODE_HTML, "< script>");
	reads("java&NewLine;script&colon;alert&lpar;1&rpar;", DECODE_HTML, "java\nscript:alert(1)");
	reads("java&Tab;script", DECODE_HTML, "java\tscript");
	reads("&sol;&bsol;&quot;&apos;&grave;", DECODE_HTML, "/\\\"'`");
	reads("&lsqb;&rbrack;&lcub;&rbrace;&vert;&lowbar;&Hat;", DECODE_HTML, "[]{}|_^");
	comes_to("&amp;lt;b", "<b");
}

static void undoes_numeric_references(void **state)
{
	(void)state;
	reads("&#60;b&#x3e;", DECODE_HTML, "<b>");
	reads("&#X3C b", DECODE_HTML, "< b");
	reads("&#x3c;&#0000060 &#x00000000003C;", DECODE_HTML, "<< <");
	reads("&#20320;", DECODE_HTML, "\xe4\xbd\xa0");
	reads("&#xFFFFFFFFFF;", DECODE_HTML, "\xef\xbf\xbd");
}

static void keeps_ampersands_that_are_no_references(void **state)
{
	(void)state;
	stays("R&D; Q&A &; &# &#; &#x; &#xg");
	stays("&Lt; &nosuch; &colon &lpar");
	stays("x=1 &lt=2 &gt=3");
	stays("a &");
}

// ---- JavaScript, JSON ----------------------------------------------------------------------------

static void undoes_javascript_escapes(void **state)
{
	(void)state;
	reads("\\x3cscript\\x3E", DECODE_JS, "<script>");
	reads("\\u003cb\\u{3e}", DECODE_JS, "<b>");
	reads("\\u{000000000003c}b", DECODE_JS, "<b");
	reads("\\74b\\076\\8", DECODE_JS, "<b>8");
}

static void undoes_json_escapes(void **state)
{
	(void)state;
	reads("\\u0061\\/\\\"\\n", DECODE_JS, "a/\"\n");
	reads("{\\\"a\\\":\\\"<\\/b>\\\"}", DECODE_JSON_ESCAPE, "{\"a\":\"</b>\"}");
	keeps_off("C:\\Users\\bob", DECODE_JSON_ESCAPE);
	keeps_off("a\\", DECODE_JSON_ESCAPE);
}

static void keeps_backslashes_that_hide_nothing(void **state)
{
	(void)state;
	keeps_off("C:\\Users\\bob", DECODE_JS);
	keeps_off("\\xZZ \\uQQ \\u{} \\", DECODE_JS);
	keeps_off("PID|1||A\\T\\B", DECODE_JS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(undoes_percent_one_layer_after_the_other),
		cmocka_unit_test(keeps_percent_that_is_no_escape),
		cmocka_unit_test(reads_a_plus_both_ways),
		cmocka_unit_test(a_form_makes_blanks_of_plus),
		cmocka_unit_test(undoes_percent_u),
		cmocka_unit_test(undoes_named_references),
		cmocka_unit_test(undoes_numeric_references),
		cmocka_unit_test(keeps_ampersands_that_are_no_references),
		cmocka_unit_test(undoes_javascript_escapes),
		cmocka_unit_test(undoes_json_escapes),
		cmocka_unit_test(keeps_backslashes_that_hide_nothing),
	};

	return cmocka_run_group_tests(tests, tree_create, tree_destroy);
}
