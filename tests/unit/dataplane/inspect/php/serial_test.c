// SPDX-License-Identifier: BSD-3-Clause
//
// What unserialize() makes objects of, and what it does not.

#define JUDGED INSPECT_PHP_DESERIALIZATION
#include "tests/unit/dataplane/inspect/judge_value.h"

static void objects_are_refused(void **state)
{
	static const char *const values[] = {
		"O:8:\"stdClass\":0:{}",
		"O:1:\"A\":1:{s:1:\"b\";i:5;}",
		"O:+1:\"A\":1:{s:1:\"b\";i:5;}",
		"C:1:\"A\":3:{abc}",
		"a:1:{i:0;O:1:\"A\":0:{}}",
		"a:2:{i:0;s:1:\"x\";s:1:\"y\";a:1:{i:1;O:3:\"A\\B\":1:{s:1:\"c\";N;}}}",
		"user|O:1:\"A\":0:{}",
		"O:1:\"A\":1:{S:1:\"\\62\";i:5;}",
		"O:1:\"A\":2:{s:1:\"b\";r:1;s:1:\"c\";d:0.5;}",
		"O:1:\"A\":3:{s:1:\"b\";b:1;s:1:\"c\"", // cut
		"Tzo4OiJzdGRDbGFzcyI6MDp7fQ==",
		"O%3A8%3A%22stdClass%22%3A0%3A%7B%7D",
		"O:15:\"Monolog\\Handler\\\":1:{s:1:\"a\";i:1;}", // a length that is not right
	};

	(void)state;
	REFUSES(values);
	assert_true(judge_bytes(PLACE_QUERY, "p", "O:1:\"A\":1:{s:4:\"\0A\0b\";i:1;}", 27) >=
		    BLOCKED);
}

static void other_texts_pass(void **state)
{
	static const char *const values[] = {
		"a:0:{}",
		"a:1:{i:0;s:3:\"abc\";}",
		"a:2:{s:4:\"name\";s:5:\"Maria\";s:3:\"age\";i:44;}",
		"s:9:\"O:8:\"std\"\";",
		"i:5;",
		"N;",
		"b:1;",
		"d:0.25;",
		"a:1",
		"a:1 b:2 c:3",
		"12:30:00",
		"08:15 O: 2 l/min \"nasal\"",
		"O: 2 l/min",
		"O:98%",
		"O:2:\"quoted\"",
		"O:8:stdClass:0:{}",
		"Q: \"Where?\" A: \"Here\"",
		"A:B:C",
		"C:\\temp\\file.txt",
		"C: 12 \"a\"",
		"s:abc",
		"Blood group O: 12 units, \"urgent\"",
		"{\"O\":8,\"C\":\"stdClass\"}",
		"{\"a\":1,\"b\":\"x\"}",
		"urn:oid:1.2.840.113619.2.62.\"x\"",
		"10:20:30:\"x\":{}",
		"name|value|a:1",
		"key|a:1:{i:0;i:1;}",
		"aa:bb:cc:dd:ee:ff",
		"fe80::1 \"link\" 5",
		"R:1;",
		"E:1:\"x\"",
		"S:3:\"abc\";",
		"E. coli: 3 \"positive\"",
	};

	(void)state;
	LETS_PASS(values);
}

static void only_lengths_that_are_right_are_sure(void **state)
{
	(void)state;
	judge("O:1:\"A\":0:{}");
	assert_true(shows(RULE_PHP_SERIAL_OBJECT));
	judge("O:3:\"A\":0:{}");
	assert_true(shows(RULE_PHP_SERIAL_LOOSE));
	judge("O:900:\"A\":0:{}");
	assert_int_equal(verdict.rules, 0);
	judge("O:+1:\"A\":0:{}");
	assert_true(shows(RULE_PHP_SERIAL_SIGN));
	judge("O:7:\"Swift_A\":0:{}");
	assert_true(shows(RULE_PHP_SERIAL_GADGET));
}

static void metadata_of_a_phar_is_read(void **state)
{
	static const uint8_t phar[] =
		"GIF89a<?php __HALT_COMPILER(); ?>\r\n"
		"\x20\0\0\0\1\0\0\0\x11\0\0\0\1\0\0\0\0\0\x0c\0\0\0O:1:\"A\":0:{}....";

	(void)state;
	assert_true(judge_bytes(PLACE_FILE, "a.gif", phar, sizeof(phar) - 1) >= BLOCKED);
	assert_int_equal(judge_bytes(PLACE_FILE, "a.gif", phar, 40), 0);
}

static void deep_nesting_ends(void **state)
{
	static char text[65536];
	size_t n = 0;

	(void)state;
	while (n + 16 < sizeof(text))
		n += (size_t)sprintf(text + n, "a:1:{i:0;");
	judge(text);
	assert_int_equal(verdict.rules, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_VALUES(objects_are_refused),
		TEST_VALUES(other_texts_pass),
		TEST_VALUES(only_lengths_that_are_right_are_sure),
		TEST_VALUES(metadata_of_a_phar_is_read),
		TEST_VALUES(deep_nesting_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
