// SPDX-License-Identifier: BSD-3-Clause
//
// Texts made to keep the analyser busy or to run it out of its depth: time grows as the text does, and what
// is nested beyond the bound still counts for what was read before.

#include "tests/unit/dataplane/inspect/sql/judge.h"

#include "dataplane/inspect/sql/sql.h"

#include <stdlib.h>
#include <time.h>

#define LONG (1 << 16)

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

// unit over and over, len bytes of it, read by this analyser only.
static uint64_t time_of(const char *unit, size_t len)
{
	char *text = malloc(len + 1);
	uint64_t best = UINT64_MAX;

	for (size_t i = 0; i < len; i++)
		text[i] = unit[i % strlen(unit)];
	text[len] = '\0';
	for (unsigned i = 0; i < 3; i++) {
		uint64_t from;

		judge("x");
		inspect_root(in, DECODE_NONE, PLACE_QUERY, (struct http_bytes){NULL, 0},
			     (const uint8_t *)text, len);
		from = now_ns();
		inspect_sql.run(in, &in->node[0]);
		if (now_ns() - from < best)
			best = now_ns() - from;
	}
	free(text);
	return best;
}

static void takes_time_as_the_text_is_long(void **state)
{
	static const char *const units[] = {
		"(",
		")",
		"'",
		"\"",
		"`",
		"[",
		"]",
		";",
		",",
		"-",
		"--",
		"#",
		"/*",
		"*/",
		"/*!",
		"\\'",
		"''",
		"a",
		"1",
		"1.",
		"1e",
		"a ",
		"1 ",
		"or ",
		"and 1 ",
		"or 1=1 ",
		"a.",
		"@",
		"@@",
		":",
		"::",
		"$",
		"$a$ ",
		"$$",
		"0x",
		"0x4",
		"n'",
		"x''",
		"u&\"",
		"select ",
		"union select ",
		"(select ",
		"case when ",
		"if(",
		"f(",
		"1,(",
		"a=(",
		"not ",
		"- ",
		"~",
		"!",
		"exists(",
		"in (",
		"like ",
		"between 1 and ",
		"is not ",
		"; select 1",
		";drop table a",
		"a as b,",
		"join a on 1 ",
		"from (",
		"with a as (",
		"values (",
		"{d ",
		"a[",
		"array[",
		"interval 1 ",
		"\xa0",
		"\x01",
		"1.e",
		"1.e(",
		"_utf8'",
		"/**/",
		"--\n",
		"'or'",
		"' or 1=1 ",
		"\\N",
		"a'b\"c`d[",
		"a/*",
		"a/* */",
		"a/**/",
		"a+",
		"\xe2\x80\x99",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		uint64_t small = time_of(units[i], LONG / 16), large = time_of(units[i], LONG);

		// 16 times as long: 16 times as much, and as much again for what a busy machine adds.
		if (large > 40 * small + 2000000)
			print_message("%s: %lu then %lu ns\n", units[i], small, large);
		assert_true(large <= 40 * small + 2000000);
	}
}

static void counts_what_was_read_before_it_got_too_deep(void **state)
{
	char text[4096];
	size_t n;

	(void)state;
	// Parentheses alone cost no depth.
	n = (size_t)snprintf(text, sizeof(text), "x' or ");
	memset(text + n, '(', 1000);
	n += 1000;
	n += (size_t)snprintf(text + n, sizeof(text) - n, "1=1");
	memset(text + n, ')', 1000);
	text[n + 1000] = '\0';
	refuses(text);
	// Calls in calls do.
	n = (size_t)snprintf(text, sizeof(text), "x' or 1=1 or sleep(5)=");
	for (unsigned i = 0; i < 200; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "abs(");
	refuses(text);
	n = (size_t)snprintf(text, sizeof(text), "1 union select 1,2,");
	for (unsigned i = 0; i < 200; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "(select 1 from ");
	refuses(text);
}

static void finds_it_behind_much_text(void **state)
{
	static char text[LONG + 64];

	(void)state;
	memset(text, 'A', LONG);
	memcpy(text + LONG, "' union select a,b from c -- ", 30);
	refuses(text);
	for (size_t i = 0; i < LONG; i++)
		text[i] = "A b "[i % 4];
	refuses(text);
}

static void takes_any_bytes(void **state)
{
	uint8_t text[64];
	uint32_t x = 1;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		static const char signs[] = "'\"`()[]{};,.-#/*!=<>|&+%@$:\\ \n\t10ae";
		size_t len = i % sizeof(text);

		for (size_t c = 0; c < len; c++) {
			x = x * 1664525 + 1013904223;
			text[c] = i % 2 ? (uint8_t)(x >> 24)
					: (uint8_t)signs[(x >> 24) % (sizeof(signs) - 1)];
		}
		judge_at(PLACE_QUERY, text, len);
		judge_at(PLACE_PATH, text, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_time_as_the_text_is_long),
		cmocka_unit_test(counts_what_was_read_before_it_got_too_deep),
		cmocka_unit_test(finds_it_behind_much_text),
		cmocka_unit_test(takes_any_bytes),
	};

	return cmocka_run_group_tests(tests, judge_create, judge_destroy);
}
