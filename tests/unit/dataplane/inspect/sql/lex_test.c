// SPDX-License-Identifier: BSD-3-Clause
//
// Tokens of SQL, with the spellings that servers take and filters do not expect.

#include "dataplane/inspect/sql/sql_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct sql s;

static void start_bytes(const char *text, size_t len)
{
	s = (struct sql){.p = (const uint8_t *)text, .len = (uint32_t)len, .steps = 1000};
}

static void start(const char *text)
{
	start_bytes(text, strlen(text));
}

// One sign for each kind of token.
static const char *kinds(const char *text, size_t len)
{
	static const char signs[] = "EC!wn0'<@$N()[]{},;.*+%=&|~:a";
	static char out[64];
	size_t n = 0;

	start_bytes(text, len);
	do {
		sql_next(&s);
		out[n++] = s.t.kind == T_WORD && s.t.word != W_NONE ? 'W' : signs[s.t.kind];
	} while (n < sizeof(out) - 1 && s.t.kind != T_END && s.t.kind != T_CUT &&
		 s.t.kind != T_BAD);
	out[n] = '\0';
	return out;
}

#define IS(text, expected) assert_string_equal(kinds(text, sizeof(text) - 1), expected)

static void tells_words_names_numbers_and_texts(void **state)
{
	(void)state;
	IS("select a from b", "WwWwE");
	IS("`a` 'b' \"c\"", "n''E");
	IS("select [a b]", "WnE"); // a name of SQL Server
	IS("a[1]", "w[0]E");       // an index
	IS("1 1.5 .5 1e5 1e-5 0x41 0b01", "0000000E");
	IS("N'a' X'00' _utf8'a' E'a' b'0'", "'''''E");
	IS("U&\"a\"", "'E");
	IS("$$a$$ $x$b$y$x$", "''E");
	IS("$$a", "<E");
	IS("@a @@b @@c.d :e ? $1 @`a b`", "@$$@@w@E");
	IS("\\N", "NE");
	IS("y'", "w<E");
	IS("'a''b'", "'E");
	IS("'a'''", "'E");
}

static void tells_a_name_from_a_number_and_a_word(void **state)
{
	(void)state;
	IS("1st", "wE");
	IS("1a2", "wE");
	IS("1union", "0WE");
	IS("1e0union", "0WE");
	IS("1.union", "0WE");
	IS("1.0union", "0WE");
	IS("1.e(a)", "(w)E"); // MySQL drops it
	start("1e0union");
	sql_next(&s);
	assert_false(s.glued);
	sql_next(&s);
	assert_true(s.glued);
}

static void tells_operators(void **state)
{
	(void)state;
	IS("= == != <> <= >= <=> < >", "=========E");
	IS("+ - * / % ^ & |", "++*%%%%%E");
	IS("|| && ! ~", "|&~~E");
	IS(":: :=", ":aE");
	IS("-> ->> #> #>> @> <@ ?| ?&", "%%%%====E");
	IS("(),;.{}", "(),;.{}E");
}

static void takes_every_blank_for_one(void **state)
{
	(void)state;
	IS("1\tor\n1\r\v\f=1", "0W0=0E");
	IS("1\x01or\x1f"
	   "1",
	   "0W0E");
	IS("1\xa0or\xa0"
	   "1",
	   "0W0E");
	IS("1\xc2\xa0or\xc2\xa0"
	   "1",
	   "0W0E");
	IS("1\xe3\x80\x80or\xe3\x80\x80"
	   "1",
	   "0W0E");
	IS("1\0or\0001", "0W0E");
	assert_true(s.odd_blanks >= 2);
}

static void takes_comments_for_blanks(void **state)
{
	(void)state;
	IS("1/**/or/* x */1", "0W0E");
	assert_int_equal(s.comments, 2);
	IS("1 /* x */ or 1", "0W0E");
	assert_int_equal(s.comments, 0); // beside blanks: no replacement
	IS("1--\nor#\n1", "0W0E");
	IS("1 -- x\n or 1", "0W0E");
	IS("1/*!or*/1", "0W0E");
	assert_true(s.version);
	IS("1/*!50000or*/1", "0W0E");
	IS("1/*M!or*/1", "0W0E");
	IS("1/*!00000or 1", "0W0E");
}

static void sees_where_a_comment_cuts_the_text_off(void **state)
{
	(void)state;
	IS("1--", "0C");
	IS("1-- x", "0C");
	IS("1--x", "0C");
	IS("1#", "0C");
	IS("1/*", "0C");
	IS("1/* x", "0C");
	IS("1 or 2 -- - 'x", "0W0C");
	IS("2-1", "0+0E");
}

static void reads_two_dashes_as_minus_for_mysql(void **state)
{
	(void)state;
	start("1--1");
	s.dash_blank = true;
	for (unsigned i = 0; i < 4; i++)
		sql_next(&s);
	assert_int_equal(s.t.kind, T_NUMBER);
	assert_true(s.odd_dash);
	start("1-- 1");
	s.dash_blank = true;
	sql_next(&s);
	sql_next(&s);
	assert_int_equal(s.t.kind, T_CUT);
}

static void ends_strings_as_servers_do(void **state)
{
	(void)state;
	start("a' or");
	assert_true(sql_skip_string(&s, '\''));
	assert_int_equal(s.t.word, W_OR);
	start("a'' or");
	assert_false(sql_skip_string(&s, '\''));
	start("a\\' or");
	assert_true(sql_skip_string(&s, '\''));
	assert_true(s.odd_escape);
	start("a\\' or");
	s.backslash = true;
	assert_false(sql_skip_string(&s, '\''));
	start("a\\\\' or");
	s.backslash = true;
	assert_true(sql_skip_string(&s, '\''));
	start("a\\\\\\' or");
	s.backslash = true;
	assert_false(sql_skip_string(&s, '\''));
	start("a] or");
	assert_true(sql_skip_string(&s, ']'));
	start("a");
	assert_false(sql_skip_string(&s, '\''));
	start("");
	assert_false(sql_skip_string(&s, '\''));
}

static void stops_when_its_steps_are_used_up(void **state)
{
	(void)state;
	start("1 2 3");
	s.steps = 2;
	sql_next(&s);
	sql_next(&s);
	assert_int_equal(s.t.kind, T_NUMBER);
	sql_next(&s);
	assert_int_equal(s.t.kind, T_BAD);
	sql_next(&s);
	assert_int_equal(s.t.kind, T_BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_words_names_numbers_and_texts),
		cmocka_unit_test(tells_a_name_from_a_number_and_a_word),
		cmocka_unit_test(tells_operators),
		cmocka_unit_test(takes_every_blank_for_one),
		cmocka_unit_test(takes_comments_for_blanks),
		cmocka_unit_test(sees_where_a_comment_cuts_the_text_off),
		cmocka_unit_test(reads_two_dashes_as_minus_for_mysql),
		cmocka_unit_test(ends_strings_as_servers_do),
		cmocka_unit_test(stops_when_its_steps_are_used_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
