// SPDX-License-Identifier: BSD-3-Clause

#include "control/cli/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct cell {
	char *text;
	enum table_color color;
};

struct table {
	const struct table_column *column;
	size_t columns;
	struct cell *cell;
	size_t count, size;
};

struct table *table_create(const struct table_column *columns, size_t count)
{
	struct table *t = calloc(1, sizeof(*t));

	if (t != NULL) {
		t->column = columns;
		t->columns = count;
	}
	return t;
}

void table_destroy(struct table *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->count; i++)
		free(t->cell[i].text);
	free(t->cell);
	free(t);
}

void table_cell(struct table *t, enum table_color color, const char *fmt, ...)
{
	struct cell *c;
	char *text;
	va_list ap;

	if (t == NULL)
		return;
	if (t->count == t->size) {
		size_t size = t->size == 0 ? 64 : t->size * 2;

		c = realloc(t->cell, size * sizeof(*c));
		if (c == NULL)
			return;
		t->cell = c;
		t->size = size;
	}
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	for (char *p = text; p != NULL && *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	t->cell[t->count++] = (struct cell){.text = text, .color = color};
}

size_t table_rows(const struct table *t)
{
	return t->count / t->columns;
}

size_t table_width(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		if (((unsigned char)*s & 0xc0) != 0x80)
			n++;
	return n;
}

const char *table_escape(bool on, enum table_color color)
{
	static const char *const escape[] = {
		[TABLE_PLAIN] = "\033[0m", [TABLE_GREEN] = "\033[32m", [TABLE_YELLOW] = "\033[33m",
		[TABLE_RED] = "\033[31m",  [TABLE_DIM] = "\033[2m",    [TABLE_BOLD] = "\033[1m",
	};

	return on ? escape[color] : "";
}

static const char *text_of(const struct cell *c)
{
	return c->text != NULL ? c->text : "";
}

// Print one line of cells; what would be blank at its end is left out.
static void put_line(FILE *out, const struct table *t, const size_t *width, const struct cell *row,
		     bool color)
{
	size_t owed = 0; // blanks before the next cell that has text

	for (size_t i = 0; i < t->columns; i++) {
		const char *text = row != NULL ? text_of(&row[i]) : t->column[i].title;
		enum table_color c = row != NULL ? row[i].color : TABLE_BOLD;
		size_t pad = width[i] - (width[i] > 0 ? table_width(text) : 0);
		bool on = color && c != TABLE_PLAIN;

		if (width[i] == 0)
			continue;
		if (text[0] == '\0') {
			owed += width[i] + 2;
			continue;
		}
		owed += t->column[i].align == TABLE_RIGHT ? pad : 0;
		fprintf(out, "%*s%s%s%s", (int)owed, "", table_escape(on, c), text,
			table_escape(on, TABLE_PLAIN));
		owed = 2 + (t->column[i].align == TABLE_LEFT ? pad : 0);
	}
	fputc('\n', out);
}

void table_print(const struct table *t, FILE *out, bool color)
{
	size_t *width = calloc(t->columns, sizeof(*width));

	if (width == NULL)
		return;
	for (size_t i = 0; i < t->count; i++) {
		size_t w = table_width(text_of(&t->cell[i]));

		if (w > width[i % t->columns])
			width[i % t->columns] = w;
	}
	for (size_t i = 0; i < t->columns; i++)
		if (width[i] > 0 && width[i] < table_width(t->column[i].title))
			width[i] = table_width(t->column[i].title);
	put_line(out, t, width, NULL, color);
	for (size_t i = 0; i + t->columns <= t->count; i += t->columns)
		put_line(out, t, width, &t->cell[i], color);
	free(width);
}

char *table_count(uint64_t n, char *out)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
	char *o = out;

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			*o++ = ',';
		*o++ = digits[i];
	}
	*o = '\0';
	return out;
}

char *table_bytes(uint64_t n, char *out)
{
	static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double v = (double)n;
	size_t u = 0;

	while (v >= 1023.95 && u < 6) {
		v /= 1024;
		u++;
	}
	snprintf(out, TABLE_TEXT, u == 0 ? "%.0f %s" : "%.1f %s", v, unit[u]);
	return out;
}

char *table_ms(uint64_t ms, char *out)
{
	if (ms >= 60000 && ms % 60000 == 0)
		snprintf(out, TABLE_TEXT, "%llu min", (unsigned long long)(ms / 60000));
	else if (ms >= 1000 && ms % 1000 == 0)
		snprintf(out, TABLE_TEXT, "%llu s", (unsigned long long)(ms / 1000));
	else
		snprintf(out, TABLE_TEXT, "%llu ms", (unsigned long long)ms);
	return out;
}

char *table_us(uint64_t us, char *out)
{
	if (us < 1000)
		snprintf(out, TABLE_TEXT, "%llu us", (unsigned long long)us);
	else if (us < 1000000)
		snprintf(out, TABLE_TEXT, "%.1f ms", (double)us / 1000);
	else
		snprintf(out, TABLE_TEXT, "%.1f s", (double)us / 1000000);
	return out;
}

char *table_age(uint64_t s, char *out)
{
	unsigned long long n = s;

	if (n < 60)
		snprintf(out, TABLE_TEXT, "%llu s", n);
	else if (n < 3600)
		snprintf(out, TABLE_TEXT, "%llu min %llu s", n / 60, n % 60);
	else if (n < 86400)
		snprintf(out, TABLE_TEXT, "%llu h %llu min", n / 3600, n / 60 % 60);
	else
		snprintf(out, TABLE_TEXT, "%llu d %llu h", n / 86400, n / 3600 % 24);
	return out;
}

char *table_share(uint64_t n, uint64_t of, char *out)
{
	if (of == 0)
		snprintf(out, TABLE_TEXT, "-");
	else
		snprintf(out, TABLE_TEXT, "%.1f %%", 100.0 * (double)n / (double)of);
	return out;
}

char *table_bar(uint64_t n, uint64_t of, bool utf8, char *out, size_t size)
{
	unsigned full = of == 0 ? 0 : (unsigned)((double)n * 10 / (double)of + 0.5);
	size_t at = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < full && i < 10; i++)
		at += (size_t)snprintf(out + at, size - at, "%s", utf8 ? "\u2588" : "#");
	return out;
}
