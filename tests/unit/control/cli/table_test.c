// SPDX-License-Identifier: BSD-3-Clause

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/cli/print.h"
#include "control/cli/table.h"

static const struct table_column columns[] = {
	{"NAME", TABLE_LEFT},
	{"NOTE", TABLE_LEFT},
	{"COUNT", TABLE_RIGHT},
};

static char text[4096];

static void print(const struct table *t, bool color)
{
	FILE *f = fmemopen(text, sizeof(text), "w");

	table_print(t, f, color);
	fclose(f);
}

static void columns_are_aligned_and_lines_end_without_blanks(void **state)
{
	struct table *t = table_create(columns, 3);

	(void)state;
	table_cell(t, TABLE_PLAIN, "a");
	table_cell(t, TABLE_PLAIN, "long note");
	table_cell(t, TABLE_PLAIN, "1");
	table_cell(t, TABLE_PLAIN, "longer name");
	table_cell(t, TABLE_PLAIN, "%s", "");
	table_cell(t, TABLE_PLAIN, "123456");
	print(t, false);
	assert_string_equal(text, "NAME         NOTE        COUNT\n"
				  "a            long note       1\n"
				  "longer name             123456\n");
	assert_int_equal(table_rows(t), 2);
	table_destroy(t);
}

static void an_empty_column_is_left_out(void **state)
{
	struct table *t = table_create(columns, 3);

	(void)state;
	table_cell(t, TABLE_PLAIN, "a");
	table_cell(t, TABLE_PLAIN, "%s", "");
	table_cell(t, TABLE_PLAIN, "1");
	print(t, false);
	assert_string_equal(text, "NAME  COUNT\na         1\n");
	table_destroy(t);
}

static void an_empty_cell_at_the_end_leaves_no_blanks(void **state)
{
	struct table *t = table_create(columns, 2);

	(void)state;
	table_cell(t, TABLE_PLAIN, "a");
	table_cell(t, TABLE_RED, "%s", "");
	table_cell(t, TABLE_PLAIN, "b");
	table_cell(t, TABLE_RED, "x");
	print(t, false);
	assert_string_equal(text, "NAME  NOTE\na\nb     x\n");
	table_destroy(t);
}

static void width_counts_characters_not_bytes(void **state)
{
	(void)state;
	assert_int_equal(table_width("\u00fc\u2588x"), 3);
}

static void colours_do_not_move_columns(void **state)
{
	struct table *t = table_create(columns, 2);

	(void)state;
	table_cell(t, TABLE_RED, "a");
	table_cell(t, TABLE_PLAIN, "b");
	print(t, true);
	assert_non_null(strstr(text, "\033[31ma\033[0m     b\n"));
	print(t, false);
	assert_null(strchr(text, '\033'));
	table_destroy(t);
}

static void control_bytes_do_not_reach_the_terminal(void **state)
{
	struct table *t = table_create(columns, 1);

	(void)state;
	table_cell(t, TABLE_PLAIN, "%s", "a\033[31mb\nc");
	print(t, false);
	assert_string_equal(text, "NAME\na?[31mb?c\n");
	table_destroy(t);
}

static void numbers_read_well(void **state)
{
	char o[TABLE_TEXT];

	(void)state;
	assert_string_equal(table_count(0, o), "0");
	assert_string_equal(table_count(999, o), "999");
	assert_string_equal(table_count(1000, o), "1,000");
	assert_string_equal(table_count(UINT64_MAX, o), "18,446,744,073,709,551,615");
	assert_string_equal(table_bytes(0, o), "0 B");
	assert_string_equal(table_bytes(1023, o), "1023 B");
	assert_string_equal(table_bytes(1024, o), "1.0 KiB");
	assert_string_equal(table_bytes(1048575, o), "1.0 MiB"); // never "1024.0 KiB"
	assert_string_equal(table_bytes(UINT64_MAX, o), "16.0 EiB");
	assert_string_equal(table_ms(250, o), "250 ms");
	assert_string_equal(table_ms(2000, o), "2 s");
	assert_string_equal(table_ms(900000, o), "15 min");
	assert_string_equal(table_us(999, o), "999 us");
	assert_string_equal(table_us(1500, o), "1.5 ms");
	assert_string_equal(table_age(59, o), "59 s");
	assert_string_equal(table_age(3661, o), "1 h 1 min");
	assert_string_equal(table_age(90000, o), "1 d 1 h");
	assert_string_equal(table_share(1, 3, o), "33.3 %");
	assert_string_equal(table_share(0, 0, o), "-");
}

static void bars_are_rounded_and_bounded(void **state)
{
	char o[64];

	(void)state;
	assert_string_equal(table_bar(1, 3, false, o, sizeof(o)), "###");
	assert_string_equal(table_bar(0, 3, false, o, sizeof(o)), "");
	assert_string_equal(table_bar(9, 3, false, o, sizeof(o)), "##########");
	assert_string_equal(table_bar(1, 0, false, o, sizeof(o)), "");
	assert_int_equal(table_width(table_bar(1, 1, true, o, sizeof(o))), 10);
}

static void trees_are_indented_by_entry(void **state)
{
	json_t *v = json_loads("{\"m:a\":{\"list\":[{\"name\":\"x\",\"port\":80},{\"name\":\"y\"}],"
			       "\"leaf-list\":[1,2],\"flag\":true,\"empty\":[null],\"@leaf\":{}}}",
			       0, NULL);
	FILE *f = fmemopen(text, sizeof(text), "w");

	(void)state;
	print_tree(v, f, 0);
	fclose(f);
	assert_string_equal(text,
			    "a\n  list x\n    port 80\n  list y\n  leaf-list 1\n  leaf-list 2\n"
			    "  flag true\n  empty \n");
	json_decref(v);
}

static void numbers_of_64_bits_come_as_text(void **state)
{
	json_t *v = json_loads("{\"m:a\":\"18446744073709551615\",\"b\":7,\"c\":\"x\",\"d\":-1}", 0,
			       NULL);

	(void)state;
	assert_true(print_count(v, "a") == UINT64_MAX);
	assert_int_equal(print_count(v, "b"), 7);
	assert_int_equal(print_count(v, "c"), 0);
	assert_int_equal(print_count(v, "d"), 0);
	assert_int_equal(print_count(v, "e"), 0);
	json_decref(v);
}

static void times_with_and_without_offset_are_read(void **state)
{
	(void)state;
	assert_int_equal(
		print_since("2026-01-01T00:00:00Z") - print_since("2026-01-01T01:00:00+01:00"), 0);
	assert_int_equal(print_since("2026-01-01T00:00:00.123Z") -
				 print_since("2025-12-31T22:30:00-01:30"),
			 0);
	assert_int_equal(print_since("nonsense"), -1);
	assert_int_equal(print_since(""), -1);
}

static void endpoints_of_both_families(void **state)
{
	char o[64];

	(void)state;
	assert_string_equal(print_endpoint("192.0.2.1", 80, o, sizeof(o)), "192.0.2.1:80");
	assert_string_equal(print_endpoint("2001:db8::1", 80, o, sizeof(o)), "[2001:db8::1]:80");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_aligned_and_lines_end_without_blanks),
		cmocka_unit_test(an_empty_column_is_left_out),
		cmocka_unit_test(an_empty_cell_at_the_end_leaves_no_blanks),
		cmocka_unit_test(width_counts_characters_not_bytes),
		cmocka_unit_test(colours_do_not_move_columns),
		cmocka_unit_test(control_bytes_do_not_reach_the_terminal),
		cmocka_unit_test(numbers_read_well),
		cmocka_unit_test(bars_are_rounded_and_bounded),
		cmocka_unit_test(trees_are_indented_by_entry),
		cmocka_unit_test(numbers_of_64_bits_come_as_text),
		cmocka_unit_test(times_with_and_without_offset_are_read),
		cmocka_unit_test(endpoints_of_both_families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
