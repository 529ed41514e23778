// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/js/js.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct js_verdict judge(const char *text, enum js_goal goal, char quote)
{
	size_t len = strlen(text);
	uint8_t *copy = malloc(len > 0 ? len : 1); // exact size: a sanitizer sees a read past it
	struct js_verdict v;

	memcpy(copy, text, len);
	js_judge(copy, len, goal, (uint8_t)quote, &v);
	free(copy);
	assert_true(v.used <= len);
	return v;
}

// A program that is whole and does that.
static void does(uint32_t ops, const char *text)
{
	struct js_verdict v = judge(text, JS_PROGRAM, 0);

	if (!js_is_whole(&v) || (v.ops & ops) != ops)
		fail_msg("%s: end %u, ops %x", text, v.end, v.ops);
}

static void does_nothing_grave(const char *text)
{
	struct js_verdict v = judge(text, JS_PROGRAM, 0);

	if ((v.ops & JS_OPS_GRAVE) != 0)
		fail_msg("%s: end %u, ops %x", text, v.end, v.ops);
}

static void ends(enum js_end end, const char *text)
{
	struct js_verdict v = judge(text, JS_PROGRAM, 0);

	if (v.end != end)
		fail_msg("%s: end %u, used %u", text, v.end, v.used);
}

static void goes_on(const char *text, char quote)
{
	struct js_verdict v = judge(text, JS_REST, quote);

	if (!js_is_whole(&v) || (v.ops & JS_OP_DIALOG) == 0)
		fail_msg("%s: end %u, ops %x", text, v.end, v.ops);
}

static void follows_a_name_to_a_dialog(void **state)
{
	(void)state;
	does(JS_OP_DIALOG, "alert(1)");
	does(JS_OP_DIALOG, "(alert)(1)");
	does(JS_OP_DIALOG, "(0, alert)(1)");
	does(JS_OP_DIALOG, "alert /* a */ (1) // b");
	does(JS_OP_DIALOG, "al\\u0065rt(1)");
	does(JS_OP_DIALOG, "\\u{61}lert(1)");
	does(JS_OP_DIALOG, "alert?.(1)");
	does(JS_OP_DIALOG, "alert`1`");
	does(JS_OP_DIALOG, "self['al' + \"ert\"](1)");
	does(JS_OP_DIALOG, "window['\\x61lert'](1)");
	does(JS_OP_DIALOG, "top[`alert`](1)");
	does(JS_OP_DIALOG, "top[/al/.source + /ert/.source](1)");
	does(JS_OP_DIALOG, "frames[0].parent.confirm(1)");
	does(JS_OP_DIALOG, "alert.call(0, 1)");
	does(JS_OP_DIALOG, "a = alert; a(1)");
	does(JS_OP_DIALOG, "let b = window; b.alert(1)");
	does(JS_OP_DIALOG, "[alert][0](1)");
	does(JS_OP_DIALOG, "x || alert(1)");
	does(JS_OP_DIALOG, "if (a) b(); else while (c) alert(1)");
	does(JS_OP_DIALOG, "try { a } catch (e) { alert(1) } finally { }");
	does(JS_OP_DIALOG, "a: for (let b of c) alert(b)");
	does(JS_OP_DIALOG, "switch (a) { case 1: alert(1); default: b }");
	does(JS_OP_DIALOG, "(function () { alert(1) })()");
	does(JS_OP_DIALOG, "((a, b) => { alert(a) })(1)");
	does(JS_OP_DIALOG, "({ get a() { return alert(1) } }).a");
	does(JS_OP_DIALOG, "class A { static { alert(1) } }");
	does(JS_OP_DIALOG, "class A extends B(alert(1)) { c() { } }");
	does(JS_OP_DIALOG, "`a${`b${alert(1)}`}`");
	does(JS_OP_DIALOG, "a\n<!-- b\nalert(1)");
	does(JS_OP_DIALOG, "do alert(1); while (a)");
	does(JS_OP_DIALOG, "with (a) alert(1)");
	does(JS_OP_DIALOG, "new alert(1)");
	does(JS_OP_DIALOG, "async () => { await alert(1) }");
}

static void tells_what_is_handed_on(void **state)
{
	(void)state;
	does(JS_OP_PASS, "[1].map(alert)");
	does(JS_OP_PASS, "onerror = alert; throw 1");
	does(JS_OP_PASS, "[onerror] = [eval]; throw 1");
	does(JS_OP_PASS, "({ toString: alert }) + ''");
	does(JS_OP_PASS, "[].sort.call`${alert}1`");
	does(JS_OP_PASS, "Reflect.apply(alert, 0, [1])");
	does(JS_OP_PASS, "let { alert: a } = window");
	does_nothing_grave("status = alert");
	does_nothing_grave("a({ confirm: 1 })");
	does_nothing_grave("typeof alert");
}

static void tells_code_that_is_made_of_strings(void **state)
{
	(void)state;
	does(JS_OP_EVAL, "eval('a')");
	does(JS_OP_EVAL, "(1, eval)(a)");
	does(JS_OP_EVAL, "setTimeout('a()', 1)");
	does(JS_OP_EVAL, "setInterval(atob('YQ'))");
	does(JS_OP_EVAL, "Function('a')()");
	does(JS_OP_EVAL, "new Function`a`");
	does(JS_OP_EVAL, "[].map.constructor('a')()");
	does(JS_OP_EVAL, "a.constructor.constructor('b')()");
	does(JS_OP_EVAL, "a[b][c](d)()");
	does_nothing_grave("setTimeout(a, 1)");
	does_nothing_grave("a.constructor(b)");
	does_nothing_grave("a[1][2](b)(c)");
	does(JS_OP_COMPUTED, "top[1558153217..toString(36)](1)");
	does(JS_OP_COMPUTED, "this[a + b]`1`");
	does_nothing_grave("a[b + c](1)");
}

static void tells_what_leaves_the_page(void **state)
{
	(void)state;
	does(JS_OP_COOKIE, "a = document.cookie");
	does(JS_OP_COOKIE, "document['coo' + 'kie']");
	does(JS_OP_LOCATION, "location = 'javascript:a'");
	does(JS_OP_LOCATION, "location.href = `//a/${b}`");
	does(JS_OP_LOCATION, "document.location.replace('//a')");
	does(JS_OP_LOCATION, "open('javascript:a')");
	does(JS_OP_MOVE, "location = name");
	does_nothing_grave("location = 'Room 5'");
	does(JS_OP_FETCH, "fetch('//a')");
	does(JS_OP_FETCH, "import('//a')");
	does(JS_OP_FETCH, "import 'https://a'");
	does(JS_OP_FETCH, "new XMLHttpRequest");
	does(JS_OP_FETCH, "a.src = '//b'");
	does_nothing_grave("import './a.css'");
	does_nothing_grave("a.src = 'b.png'");
	does(JS_OP_WRITE, "document.write(a)");
	does(JS_OP_WRITE, "a.innerHTML += b");
	does(JS_OP_DOCUMENT, "document.body.appendChild(a)");
	does(JS_OP_DOCUMENT, "document.title = 1");
	does_nothing_grave("document.getElementById('a').value");
	does(JS_OP_NODE, "require('fs')");
	does(JS_OP_NODE, "process.env");
}

static void tells_changed_prototypes(void **state)
{
	(void)state;
	does(JS_OP_PROTOTYPE, "''.constructor.prototype.charAt = [].join");
	does(JS_OP_PROTOTYPE, "a.__proto__.b = 1");
	does(JS_OP_PROTOTYPE, "({})[['__proto__']]['x'] = 1");
	does_nothing_grave("Foo.prototype.bar = function () { }");
	does_nothing_grave("a = b.__proto__");
}

static void tells_strings_that_are_code(void **state)
{
	(void)state;
	does(JS_OP_CODE, "a('alert(1)')");
	does(JS_OP_EVAL, "a.b(0, 'alert(1)')()");
	does_nothing_grave("a('alert(1)')");
	does_nothing_grave("a('b(1)')()");
	does_nothing_grave("a('an alert (loud)')()");
}

static void reads_expressions_of_templates(void **state)
{
	struct js_verdict v = judge("{a: b}.a | f: 1 : 'x=alert(1)'; c", JS_TEMPLATE, 0);

	(void)state;
	assert_true(js_is_whole(&v));
	assert_true((v.ops & JS_OP_EVAL) != 0);
	v = judge("a | date: 'short'", JS_TEMPLATE, 0);
	assert_true(js_is_whole(&v));
	assert_int_equal(v.ops & JS_OPS_GRAVE, 0);
	v = judge("if (a) b", JS_TEMPLATE, 0);
	assert_false(js_is_whole(&v));
}

static void lets_other_languages_pass(void **state)
{
	(void)state;
	does_nothing_grave("frame.eval(x)");
	does_nothing_grave("rl.prompt()");
	does_nothing_grave("b = await import('./c.js')");
	does_nothing_grave("a.append((b, self[b]))");
	does_nothing_grave("fetch(patient)");
	does_nothing_grave("new Worker('a.js')");
	does_nothing_grave("a.href = 'https://b'");
}

static void knows_code_of_signs_alone(void **state)
{
	(void)state;
	does(JS_OP_SYMBOLS,
	     "[][(![]+[])[+[]]+(![]+[])[!+[]+!+[]]][(!![]+[])[+[]]]((![]+[])[+[]])()");
	does_nothing_grave("[[1,2],[3,4]]");
	does_nothing_grave("(1)+(2)*[3][0]");
}

static void gives_handlers_the_document_in_scope(void **state)
{
	struct js_verdict v = judge("write(cookie)", JS_HANDLER, 0);

	(void)state;
	assert_true((v.ops & (JS_OP_WRITE | JS_OP_COOKIE)) == (JS_OP_WRITE | JS_OP_COOKIE));
	does_nothing_grave("write(cookie)");
}

static void goes_on_behind_a_string(void **state)
{
	(void)state;
	goes_on(";alert(1)//", '\'');
	goes_on("-alert(1)-'", '\'');
	goes_on("+alert(1)+\"b", '"');
	goes_on(");alert(1)//", '"');
	goes_on("]});alert(1);//", '"');
	goes_on("}catch(e){}alert(1)//", '"');
	goes_on("}else{alert(1)}//", '"');
	goes_on(", alert(1), '", '\'');
	goes_on(",\"a\":alert(1),\"b\":\"", '"');
	goes_on("?alert(1):'", '\'');
	goes_on("in alert(1)in'", '\'');
	goes_on(";alert(1);'", '\'');
	goes_on("\nalert(1)//", '\'');
	goes_on(";alert(1);a='", '\'');
	goes_on("}alert(1);{`", '`');
	goes_on("-alert(1)/*", '\'');
}

static void does_not_go_on_with_prose(void **state)
{
	static const char *const texts[] = {"t use alert(1)", "s alert (loud)",
					    "; alert the nurse(1)", " and alert(1)",
					    ") alert the nurse"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct js_verdict v = judge(texts[i], JS_REST, '\'');

		assert_false(js_is_whole(&v));
		assert_int_equal(v.ops & JS_OPS_GRAVE, 0);
	}
}

static void ends_where_no_program_goes_on(void **state)
{
	(void)state;
	ends(JS_END_WHOLE, "");
	ends(JS_END_WHOLE, "a\nb");
	ends(JS_END_WHOLE, "<!-- a b\nc\n--> d e\nf");
	ends(JS_END_ERROR, "a b");
	ends(JS_END_ERROR, "5kg");
	ends(JS_END_ERROR, "a)");
	ends(JS_END_ERROR, "'a\nb'");
	ends(JS_END_ERROR, "a = = b");
	ends(JS_END_ERROR, "if a");
	ends(JS_END_ERROR, "var in");
	ends(JS_END_MISSING, "a(");
	ends(JS_END_MISSING, "a +");
	ends(JS_END_MISSING, "{");
	ends(JS_END_MISSING, "`a");
	ends(JS_END_MISSING, "`a${b");
	ends(JS_END_COMMENT, "a // b");
	ends(JS_END_COMMENT, "a /* b");
	ends(JS_END_STRING, "a; 'b");
}

static void shows_intent_where_it_breaks_off(void **state)
{
	(void)state;
	assert_true((judge("alert(a", JS_PROGRAM, 0).ops & JS_OP_DIALOG) != 0);
	assert_true((judge("alert`", JS_PROGRAM, 0).ops & JS_OP_DIALOG) != 0);
}

static void says_where_the_gravest_stands(void **state)
{
	assert_int_equal(judge("a(1); alert(2)", JS_PROGRAM, 0).at, 12);
	(void)state;
}

static void gives_up_where_it_is_too_deep(void **state)
{
	char text[512];

	(void)state;
	memset(text, '(', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ends(JS_END_DEEP, text);
	memset(text, '[', sizeof(text) - 1);
	ends(JS_END_DEEP, text);
	memset(text, '{', sizeof(text) - 1);
	ends(JS_END_DEEP, text);
	ends(JS_END_DEEP, "new new new new new new new new new new new new new new new new new new "
			  "new new new new new new new new new new new new new new new new new new "
			  "new new new new new new new new new new new new new new new new new a");
}

static void takes_linear_time(void **state)
{
	static const char *const patterns[] = {
		"a+",      "!",    "a.b",  "a[0]",   "'a'+", "a,",       "a=>",
		"`${a}`+", "/a/+", "a?b:", "if(a);", "a=",   "({a:1});", "a\n"};
	static char text[1 << 20];
	struct js_verdict v;

	(void)state;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		clock_t from = clock();

		for (size_t k = 0, n = strlen(patterns[i]); k < sizeof(text); k++)
			text[k] = patterns[i][k % n];
		js_judge((const uint8_t *)text, sizeof(text), JS_PROGRAM, 0, &v);
		if (clock() - from > CLOCKS_PER_SEC)
			fail_msg("a mebibyte of %s", patterns[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_a_name_to_a_dialog),
		cmocka_unit_test(tells_what_is_handed_on),
		cmocka_unit_test(tells_code_that_is_made_of_strings),
		cmocka_unit_test(tells_what_leaves_the_page),
		cmocka_unit_test(tells_changed_prototypes),
		cmocka_unit_test(tells_strings_that_are_code),
		cmocka_unit_test(reads_expressions_of_templates),
		cmocka_unit_test(lets_other_languages_pass),
		cmocka_unit_test(knows_code_of_signs_alone),
		cmocka_unit_test(gives_handlers_the_document_in_scope),
		cmocka_unit_test(goes_on_behind_a_string),
		cmocka_unit_test(does_not_go_on_with_prose),
		cmocka_unit_test(ends_where_no_program_goes_on),
		cmocka_unit_test(shows_intent_where_it_breaks_off),
		cmocka_unit_test(says_where_the_gravest_stands),
		cmocka_unit_test(gives_up_where_it_is_too_deep),
		cmocka_unit_test(takes_linear_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
