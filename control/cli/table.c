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

// Is column `at` the last one that is printed?
static bool is_last(const size_t *width, size_t columns, size_t at)
{
	for (size_t i = at + 1; i < columns; i++)
		if (width[i] > 0)
			return false;
	return true;
}

static void put(FILE *out, const char *text, size_t width, enum table_align align, bool last,
		const char *on, const char *off)
{
	size_t pad = width > table_width(text) ? width - table_width(text) : 0;

	if (align == TABLE_RIGHT)
		fprintf(out, "%*s", (int)pad, "");
	fprintf(out, "%s%s%s", on, text, off);
	if (last)
		return;
	fprintf(out, "%*s", (int)(align == TABLE_LEFT ? pad : 0) + 2, "");
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
	for (size_t i = 0; i < t->columns; i++)
		if (width[i] > 0)
			put(out, t->column[i].title, width[i], t->column[i].align,
			    is_last(width, t->columns, i), table_escape(color, TABLE_BOLD),
			    table_escape(color, TABLE_PLAIN));
	fputc('\n', out);
	for (size_t i = 0; i < t->count; i++) {
		const struct cell *c = &t->cell[i];
		size_t col = i % t->columns;
		bool plain = c->color == TABLE_PLAIN;

		if (width[col] > 0)
			put(out, text_of(c), width[col], t->column[col].align,
			    is_last(width, t->columns, col),
			    table_escape(color && !plain, c->color),
			    table_escape(color && !plain, TABLE_PLAIN));
		if (col == t->columns - 1)
			fputc('\n', out);
	}
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
