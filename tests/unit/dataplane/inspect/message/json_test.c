// SPDX-License-Identifier: BSD-3-Clause

#include "tests/unit/dataplane/inspect/message/record.h"

static const char *json(const char *text)
{
	return record_whole(split_json, text, strlen(text));
}

static void names_values_by_their_path(void **state)
{
	(void)state;
	assert_string_equal(
		record_same(split_json,
			    "{\"patient\": [{\"name\": \"Li\"}, {\"name\": \"Wu\", \"n\": 1}],"
			    " \"x\": {\"y\": [\"a\", [\"b\"], 2, \"c\"]}}",
			    24),
		"json-key:/patient=patient\njson-key:/patient/0/name=name\njson:/patient/0/name=Li\n"
		"json-key:/patient/1/name=name\njson:/patient/1/name=Wu\njson-key:/patient/1/n=n\n"
		"json-key:/x=x\njson-key:/x/y=y\njson:/x/y/0=a\njson:/x/y/1/0=b\njson:/x/y/3=c\n");
	assert_false(state_of.odd);
}

static void undoes_escapes(void **state)
{
	(void)state;
	assert_string_equal(json("{\"\\u0061\\n\":\"\\u003c\\\"\\/\\\\\\u00e9\\ud83d\\ude00\"}"),
			    "json-key:/a\n=a\n\njson:/a\n=<\"/\\\xc3\xa9\xf0\x9f\x98\x80\n");
	assert_string_equal(json("\"\\q\\u12\\\""), "json:=\\q\\u12\"\n");
	assert_true(state_of.odd);
}

static void numbers_and_literals_are_no_values(void **state)
{
	(void)state;
	assert_string_equal(json("[1, -2.5e+3, true, false, null, {}, []]"), "");
	assert_false(state_of.odd);
	assert_string_equal(json(""), "");
	assert_string_equal(json(" "), "");
	assert_string_equal(json("\xef\xbb\xbf\"a\""), "json:=a\n");
	assert_false(state_of.odd);
}

static void reads_what_no_json_is(void **state)
{
	static const struct {
		const char *text, *gives;
	} cases[] = {
		{"{\"id\": 1 or 1=1}", "json-key:/id=id\njson:/id=1 or 1=1\n"},
		{"{'a': 'b'}", "json-key:/a=a\njson:/a=b\n"},
		{"{a: 'b', // c\n d: /* e */ \"f\"}",
		 "json-key:/a=a\njson:/a=b\njson-key:/d=d\njson:/d=f\n"},
		{"{\"a\": \"b\",}", "json-key:/a=a\njson:/a=b\n"},
		{"[\"a\" \"b\"]", "json:/0=a\njson:/0=b\n"},
		{"{\"a\": \"b\"", "json-key:/a=a\njson:/a=b\n"},
		{"{\"a\": \"b", "json-key:/a=a\njson:/a=b\n"},
		{"]]\"a\"}", "json:=a\n"},
		{"{\"a\":: \"b\"}", "json-key:/a=a\njson:/a=b\n"},
		{"[Infinity, xyz]", "json:/0=Infinity\njson:/1=xyz\n"},
		{"<script>", "json:=<script>\n"},
		{"{\"a\"}", "json:=a\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]) - 1; i++) {
		assert_string_equal(json(cases[i].text), cases[i].gives);
		assert_true(state_of.odd);
	}
}

static void gives_both_of_two_equal_keys(void **state)
{
	(void)state;
	assert_string_equal(json("{\"a\":\"b\",\"a\":\"c\"}"),
			    "json-key:/a=a\njson:/a=b\njson-key:/a=a\njson:/a=c\n");
}

static void reads_texts_in_a_row(void **state)
{
	(void)state;
	assert_string_equal(record_same(split_json, "{\"a\":\"b\"}\n{\"a\":\"c\"}\n", 12),
			    "json-key:/a=a\njson:/a=b\njson-key:/a=a\njson:/a=c\n");
	assert_false(state_of.odd);
}

static void reads_at_any_depth(void **state)
{
	char *text = malloc(400001);

	(void)state;
	memset(text, '[', 200000);
	memcpy(text + 200000, "\"deep\"", 6);
	memset(text + 200006, ']', 199994);
	record_windows(split_json, text, 400000, WINDOW_MAX);
	assert_non_null(strstr(record, "=deep\n"));
	memset(text, '{', 400000);
	record_windows(split_json, text, 400000, WINDOW_MAX);
	free(text);
}

static void cuts_names_that_are_too_long(void **state)
{
	char text[2048];
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 40; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "{\"level%02d\":", i);
	snprintf(text + n, sizeof(text) - n, "{\"leaf\":\"value\"}");
	json(text);
	assert_non_null(strstr(record, "/leaf=value\n"));
}

static void reads_a_string_longer_than_the_window(void **state)
{
	(void)state;
	record_long(split_json, "{\"a\": \"", "\", \"b\": \"last\"}");
	assert_non_null(strstr(record, "~json:/a="));
	assert_non_null(strstr(record, "\njson:/b=last\n"));
	record_long(split_json, "[", ", \"last\"]");
	assert_non_null(strstr(record, "json:/1=last\n"));
}

// The window ends at each byte of a run of escapes.
static void cuts_no_escape(void **state)
{
	char *text = malloc(140001);

	(void)state;
	for (size_t lead = 0; lead < 4; lead++) {
		size_t n = (size_t)snprintf(text, 16, "[\"%.*s", (int)lead, "xxxx");

		for (; n < 139000; n += 2)
			memcpy(text + n, n & 2 ? "\\\"" : "\\\\", 2);
		memcpy(text + n, "\",\"last\"]", 10);
		record_windows(split_json, text, n + 9, WINDOW_MAX);
		assert_non_null(strstr(record, "\njson:/1=last\n"));
		assert_false(state_of.odd);
	}
	free(text);
}

static void takes_linear_time(void **state)
{
	static const char *const begins[] = {"", "\"", "{\"a\":", "[", "/*", "//", "'"};
	static const char *const turns[] = {"\"",  "'",    "\\",  "{",      "[",       "]",   "}",
					    ",",   ":",    "/",   "*",      " ",       "\n",  "a",
					    "0",   "\\\"", "/*",  "//",     "\",",     "\\u", "{\"",
					    "[\"", "\":",  "a:{", "[1,\"]", "\\ud800", "\xff"};

	(void)state;
	for (size_t b = 0; b < sizeof(begins) / sizeof(begins[0]); b++)
		for (size_t t = 0; t < sizeof(turns) / sizeof(turns[0]); t++)
			record_run(split_json, begins[b], turns[t]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_values_by_their_path),
		cmocka_unit_test(undoes_escapes),
		cmocka_unit_test(numbers_and_literals_are_no_values),
		cmocka_unit_test(reads_what_no_json_is),
		cmocka_unit_test(gives_both_of_two_equal_keys),
		cmocka_unit_test(reads_texts_in_a_row),
		cmocka_unit_test(reads_at_any_depth),
		cmocka_unit_test(cuts_names_that_are_too_long),
		cmocka_unit_test(reads_a_string_longer_than_the_window),
		cmocka_unit_test(cuts_no_escape),
		cmocka_unit_test(takes_linear_time),
	};

	return cmocka_run_group_tests(tests, record_create, record_destroy);
}
