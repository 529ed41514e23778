// SPDX-License-Identifier: BSD-3-Clause
//
// table - aligned columns for people, and numbers as people read them.
//
// Cells are added from left to right, row by row; widths are those of the widest cell, counted in
// characters (UTF-8). A column in which every cell is empty is not printed.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum table_align { TABLE_LEFT, TABLE_RIGHT };
enum table_color { TABLE_PLAIN, TABLE_GREEN, TABLE_YELLOW, TABLE_RED, TABLE_DIM, TABLE_BOLD };

struct table_column {
	const char *title;
	enum table_align align;
};

struct table;

// columns is borrowed for the life of the table. Returns: NULL without memory.
struct table *table_create(const struct table_column *columns, size_t count);
void table_destroy(struct table *t);

// Add the next cell. Control bytes in the text are printed as '?'.
void table_cell(struct table *t, enum table_color color, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void table_print(const struct table *t, FILE *out, bool color);
size_t table_rows(const struct table *t);

// Escape sequence that starts a colour, "" without colours; TABLE_PLAIN ends one.
const char *table_escape(bool on, enum table_color color);

// Characters of s as a terminal counts them (no wide ones expected).
size_t table_width(const char *s);

#define TABLE_TEXT 40 // room for each of the following; all return out

char *table_count(uint64_t n, char *out);              // 1,234,567
char *table_bytes(uint64_t n, char *out);              // 1.2 GiB
char *table_ms(uint64_t ms, char *out);                // 250 ms, 2 s, 15 min
char *table_us(uint64_t us, char *out);                // 850 us, 1.2 ms
char *table_age(uint64_t seconds, char *out);          // 3 h 12 min
char *table_share(uint64_t n, uint64_t of, char *out); // 33.3 %

// A bar of 10 characters for n of all; in '#' unless utf8. out has 31 bytes or more.
char *table_bar(uint64_t n, uint64_t of, bool utf8, char *out, size_t size);
