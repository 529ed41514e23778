// SPDX-License-Identifier: BSD-3-Clause
//
// The table of words: in order, found in either case, and nothing else is found.

#include "dataplane/inspect/sql/sql_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void is_in_order(void **state)
{
	size_t count;
	const struct sql_word_entry *table = sql_word_table(&count);

	(void)state;
	assert_true(count > 500);
	for (size_t i = 1; i < count; i++)
		assert_true(strcmp(table[i - 1].text, table[i].text) < 0);
}

static void finds_each_word_in_either_case(void **state)
{
	size_t count;
	const struct sql_word_entry *table = sql_word_table(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		uint8_t upper[SQL_WORD_MAX];
		size_t len = strlen(table[i].text);

		assert_ptr_equal(sql_word_find((const uint8_t *)table[i].text, len), &table[i]);
		for (size_t c = 0; c < len; c++) {
			upper[c] = (uint8_t)table[i].text[c];
			if (upper[c] >= 'a' && upper[c] <= 'z')
				upper[c] -= 0x20;
		}
		assert_ptr_equal(sql_word_find(upper, len), &table[i]);
	}
}

static void finds_no_other_word(void **state)
{
	static const char *const words[] = {
		"patient",
		"selec",
		"selects",
		"unions",
		"a",
		"z",
		"@select",
		"select ",
		"zzzzz",
		"aaaaa",
		"\xc3\xa9t\xc3\xa9",
		"x",
		"_utf8",
		"sel\0ct",
		"averyveryveryveryverylongwordindeed",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		assert_null(sql_word_find((const uint8_t *)words[i], strlen(words[i])));
	// A longer text that begins with a word.
	assert_null(sql_word_find((const uint8_t *)"selected", 8));
	assert_non_null(sql_word_find((const uint8_t *)"selected", 6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_in_order),
		cmocka_unit_test(finds_each_word_in_either_case),
		cmocka_unit_test(finds_no_other_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
