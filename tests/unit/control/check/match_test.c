// SPDX-License-Identifier: BSD-3-Clause

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/check/match.h"

static bool found_in_pieces(const char *needle, const char *text, size_t piece)
{
	struct check_match m;
	size_t len = strlen(text);

	check_match_init(&m, needle);
	for (size_t at = 0; at < len; at += piece)
		check_match_feed(&m, text + at, len - at < piece ? len - at : piece);
	return m.found;
}

static void finds_it_wherever_the_pieces_part(void **state)
{
	static const char text[] = "aabaabaac and the rest";

	(void)state;
	for (size_t piece = 1; piece < sizeof(text); piece++) {
		assert_true(found_in_pieces("aabaac", text, piece));
		assert_true(found_in_pieces("aab", text, piece));
		assert_true(found_in_pieces("rest", text, piece));
		assert_false(found_in_pieces("aabaad", text, piece));
		assert_false(found_in_pieces("restx", text, piece));
	}
}

// Every needle over {a, b} of up to 6 letters against strstr on every text of 10.
static void agrees_with_strstr(void **state)
{
	char text[11] = "", needle[7] = "";

	(void)state;
	for (unsigned t = 0; t < 1024; t++) {
		for (unsigned i = 0; i < 10; i++)
			text[i] = t & (1u << i) ? 'a' : 'b';
		for (unsigned len = 1; len <= 6; len++) {
			for (unsigned n = 0; n < 1u << len; n++) {
				for (unsigned i = 0; i < len; i++)
					needle[i] = n & (1u << i) ? 'a' : 'b';
				needle[len] = '\0';
				assert_int_equal(found_in_pieces(needle, text, 3),
						 strstr(text, needle) != NULL);
			}
		}
	}
}

static void an_empty_needle_is_found_in_nothing(void **state)
{
	struct check_match m;

	(void)state;
	check_match_init(&m, "");
	assert_true(m.found);
}

static void the_longest_needle_is_found_whole(void **state)
{
	char needle[CHECK_MATCH_MAX], text[2 * CHECK_MATCH_MAX];

	(void)state;
	memset(needle, 'x', sizeof(needle));
	needle[CHECK_MATCH_MAX - 1] = '\0';
	memset(text, 'x', sizeof(text));
	text[CHECK_MATCH_MAX - 2] = '\0';
	assert_false(found_in_pieces(needle, text, 7));
	text[CHECK_MATCH_MAX - 2] = 'x';
	text[CHECK_MATCH_MAX - 1] = '\0';
	assert_true(found_in_pieces(needle, text, 7));
}

static void bytes_behind_the_find_are_not_looked_at(void **state)
{
	struct check_match m;

	(void)state;
	check_match_init(&m, "ok");
	assert_true(check_match_feed(&m, "ok", 2));
	assert_true(check_match_feed(&m, NULL, 0));
	assert_true(check_match_feed(&m, "zzz", 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_it_wherever_the_pieces_part),
		cmocka_unit_test(agrees_with_strstr),
		cmocka_unit_test(an_empty_needle_is_found_in_nothing),
		cmocka_unit_test(the_longest_needle_is_found_whole),
		cmocka_unit_test(bytes_behind_the_find_are_not_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
