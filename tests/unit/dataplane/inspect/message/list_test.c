// SPDX-License-Identifier: BSD-3-Clause
//
// Forms, cookies, URLs and GraphQL.

#include "tests/unit/dataplane/inspect/message/record.h"

static const char *form(const char *text, bool odd)
{
	struct split s = {.value = record_value, .in = in};

	record_begin();
	assert_int_equal(
		split_form(&s, (const uint8_t *)text, strlen(text), PLACE_QUERY, PLACE_QUERY_NAME),
		odd);
	return record;
}

static const char *cookie(const char *text, bool odd)
{
	struct split s = {.value = record_value, .in = in};

	record_begin();
	assert_int_equal(split_cookie(&s, (const uint8_t *)text, strlen(text)), odd);
	return record;
}

static const char *url(const char *text)
{
	struct split s = {.value = record_value, .in = in};

	record_begin();
	split_url(&s, (const uint8_t *)text, strlen(text), PLACE_REFERER_QUERY, PLACE_REFERER);
	return record;
}

static void undoes_the_escapes_of_a_form(void **state)
{
	(void)state;
	assert_string_equal(form("a=b&c%5B%5d=d+e%3D%26%zz&f&=g&&h=", false),
			    "query-name:a=a\nquery:a=b\nquery-name:c[]=c[]\nquery:c[]=d e=&%zz\n"
			    "query:f=f\nquery:=g\nquery-name:h=h\n");
	assert_string_equal(form("", false), "");
	assert_string_equal(form("a=b=c", false), "query-name:a=a\nquery:a=b=c\n");
}

static void tells_names_that_no_program_has(void **state)
{
	(void)state;
	form("<a href=x>&b=c", true);
	form("a%27=b", true);
	form("{\"a\":1}", true);
	form("user[name]=a&x.y:z=b&$top=1", false);
}

static void reads_forms_in_windows(void **state)
{
	(void)state;
	assert_string_equal(record_same(split_form_part, "a=b+c&dd=%41%42&e&&ff=gggg", 10),
			    "form-name:a=a\nform:a=b c\nform-name:dd=dd\nform:dd=AB\nform:e=e\n"
			    "form-name:ff=ff\nform:ff=gggg\n");
	record_long(split_form_part, "a=", "&b=last");
	assert_non_null(strstr(record, "~form:a="));
	assert_non_null(strstr(record, "\nform:b=last\n"));
	record_long(split_form_part, "", "=x&b=last");
	assert_non_null(strstr(record, "\nform:b=last\n"));
}

static void cuts_no_escape_of_a_form(void **state)
{
	char *text = malloc(200002);

	(void)state;
	for (size_t lead = 0; lead < 3; lead++) {
		size_t n = (size_t)snprintf(text, 8, "a=%.*s", (int)lead, "xx");

		for (; n < 200000; n += 3)
			memcpy(text + n, "%41", 3);
		record_windows(split_form_part, text, n, WINDOW_MAX);
		assert_null(strstr(record, "=41"));
		assert_null(strstr(record, "=1A"));
	}
	free(text);
}

static void splits_cookies(void **state)
{
	(void)state;
	assert_string_equal(
		cookie("a=b; c=d=e;f; =g;;h=", false),
		"cookie-name:a=a\ncookie:a=b\ncookie-name:c=c\ncookie:c=d=e\ncookie:f=f\n"
		"cookie:=g\ncookie-name:h=h\n");
	cookie("a=1; drop table x", true);
	assert_string_equal(cookie("a=\"b;c=d\";e=\"f\"", false),
			    "cookie-name:a=a\ncookie:a=\"b\ncookie:a=b;c=d\ncookie-name:c=c\n"
			    "cookie:c=d\"\ncookie-name:e=e\ncookie:e=\"f\"\n");
}

static void takes_urls_apart(void **state)
{
	(void)state;
	assert_string_equal(url("http://h:1/p/q?a=b&c#d"),
			    "referer:=/p/q\nreferer-query:a=a\nreferer-query:a=b\n"
			    "referer-query:c=c\nreferer:=d\n");
	assert_string_equal(url("/p?q"), "referer:=/p\nreferer:=q\n");
	assert_string_equal(url("http://h"), "");
	assert_string_equal(url("x"), "referer:=x\n");
	assert_string_equal(url("?"), "");
	assert_string_equal(url(""), "");
}

static void gives_the_strings_of_graphql(void **state)
{
	(void)state;
	assert_string_equal(
		record_same(
			split_graphql,
			"query Q($v: Int = 1) { # \"no\"\n user(id: \"a\\u0027\", n: 5) { name }"
			" text(body: \"\"\"b \"c\" d\"\"\") }",
			24),
		"graphql:id=a'\ngraphql:body=b \"c\" d\n");
	assert_false(state_of.odd);
	record_whole(split_graphql, "{a(b:\"c", 7);
	assert_string_equal(record, "graphql:b=c\n");
	assert_true(state_of.odd);
	record_long(split_graphql, "{a(b:\"", "\", c: \"last\")}");
	assert_non_null(strstr(record, "~graphql:b="));
	assert_non_null(strstr(record, "\ngraphql:c=last\n"));
	record_long(split_graphql, "{a(b:\"\"\"", "\"\"\", c: \"last\")}");
	assert_non_null(strstr(record, "\ngraphql:c=last\n"));
	record_whole(split_graphql, "<", 1);
	assert_true(state_of.odd);
}

static void takes_linear_time(void **state)
{
	static const char *const turns[] = {"&",  "=",      "%",    "+",  "a",    "a=b&",
					    "%4", "%41",    "\xff", "a=", "\"",   "#",
					    "\\", "\"\"\"", "{",    "\n", "\"a\""};

	(void)state;
	for (size_t t = 0; t < sizeof(turns) / sizeof(turns[0]); t++) {
		record_run(split_form_part, "", turns[t]);
		record_run(split_form_part, "a=", turns[t]);
		record_run(split_graphql, "", turns[t]);
		record_run(split_graphql, "\"", turns[t]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(undoes_the_escapes_of_a_form),
		cmocka_unit_test(tells_names_that_no_program_has),
		cmocka_unit_test(reads_forms_in_windows),
		cmocka_unit_test(cuts_no_escape_of_a_form),
		cmocka_unit_test(splits_cookies),
		cmocka_unit_test(takes_urls_apart),
		cmocka_unit_test(gives_the_strings_of_graphql),
		cmocka_unit_test(takes_linear_time),
	};

	return cmocka_run_group_tests(tests, record_create, record_destroy);
}
