// SPDX-License-Identifier: BSD-3-Clause
//
// Strings that SQL puts together: 0x3c61, CHAR(60,97), CHR(60)||CHR(97), 'a' 'b', 'a'||'b', 'a'+'b'. The
// analyser of SQL has a lexer of its own; this reading shows the others what the strings hold: a path, a
// command, a script.

#include "dataplane/inspect/decode/decode.h"

#include <string.h>

#define HEX_LEAST 6 // digits: shorter ones are numbers

struct out {
	uint8_t *p;
	size_t len;
};

static bool is_letter(uint8_t c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static size_t blanks(const uint8_t *p, size_t left)
{
	size_t i = 0;

	while (i < left && (p[i] == ' ' || p[i] == '\t' || p[i] == '\n' || p[i] == '\r'))
		i++;
	return i;
}

// 0x and digits, an even number of them, that are printable text. Returns the length used, 0: none.
static size_t literal(const uint8_t *p, size_t left, struct out *o)
{
	size_t i = 2, len = o->len;

	if (left < 2 + HEX_LEAST || p[0] != '0' || (p[1] | 0x20) != 'x')
		return 0;
	o->p[len++] = '\'';
	for (; i + 1 < left && decode_digit[p[i]] >= 0 && decode_digit[p[i + 1]] >= 0; i += 2) {
		uint8_t c = (uint8_t)(decode_digit[p[i]] << 4 | decode_digit[p[i + 1]]);

		if ((c < ' ' && c != '\t' && c != '\n' && c != '\r') || c > 0x7e)
			return 0;
		o->p[len++] = c;
	}
	if (i < 2 + HEX_LEAST || (i < left && decode_digit[p[i]] >= 0))
		return 0;
	o->p[len++] = '\'';
	o->len = len;
	return i;
}

// CHAR(60,97) or CHR(60), the quotes left to the caller. Returns the length used, 0: none.
static size_t call(const uint8_t *p, size_t left, struct out *o)
{
	size_t i =
		left > 5 && memcmp("char",
				   (uint8_t[]){p[0] | 0x20, p[1] | 0x20, p[2] | 0x20, p[3] | 0x20},
				   4) == 0
			? 4
		: left > 4 && (p[0] | 0x20) == 'c' && (p[1] | 0x20) == 'h' && (p[2] | 0x20) == 'r'
			? 3
			: 0;
	size_t len = o->len;

	if (i == 0)
		return 0;
	i += blanks(p + i, left - i);
	if (i >= left || p[i] != '(')
		return 0;
	do {
		unsigned value = 0, digits = 0;

		i++;
		i += blanks(p + i, left - i);
		for (; i < left && digits < 3 && p[i] >= '0' && p[i] <= '9'; i++, digits++)
			value = value * 10 + p[i] - '0';
		i += blanks(p + i, left - i);
		if (digits == 0 || value < '\t' || value > 0x7e || i >= left)
			return 0;
		o->p[len++] = (uint8_t)value;
	} while (p[i] == ',');
	if (p[i] != ')')
		return 0;
	o->len = len;
	return i + 1;
}

// What stands between two strings that are one: blanks, ||, +, a comma of CONCAT(). Returns its length.
static size_t glue(const uint8_t *p, size_t left, bool comma)
{
	size_t i = blanks(p, left);

	if (i + 1 < left && p[i] == '|' && p[i + 1] == '|')
		i += 2;
	else if (i < left && (p[i] == '+' || (comma && p[i] == ',')))
		i++;
	return i + blanks(p + i, left - i);
}

static bool in_concat(const uint8_t *p, size_t at)
{
	return at >= 7 && (p[at - 1] == '(') && (p[at - 7] | 0x20) == 'c' &&
	       (p[at - 2] | 0x20) == 't';
}

// CHR(60)||CHR(97)||..: one string. Returns the length used, 0: none.
static size_t calls(const uint8_t *p, size_t left, struct out *o)
{
	size_t start = o->len, used, more, total = 0;

	o->p[o->len++] = '\'';
	while ((used = call(p + total, left - total, o)) > 0) {
		total += used;
		more = glue(p + total, left - total, true);
		if (more == 0 || total + more >= left)
			break;
		if (call(p + total + more, left - total - more,
			 &(struct out){.p = o->p, .len = o->len}) == 0)
			break;
		total += more;
	}
	if (total == 0) {
		o->len = start;
		return 0;
	}
	o->p[o->len++] = '\'';
	return total;
}

// A closing quote, glue and an opening one: both strings are one. Returns the length to leave out.
static size_t seam(const uint8_t *p, size_t left, bool comma)
{
	size_t i = 1 + glue(p + 1, left - 1, comma);

	return i > 1 && i < left && p[i] == *p ? i + 1 : 0;
}

// Is any of it there? A call's name ends with r.
static bool is_worth_it(const struct inspect_node *n)
{
	const uint8_t *p = n->p, *end = p + n->len, *q;

	if ((n->set & BYTES(QUOTE)) != 0)
		return true;
	if ((n->set & BYTES(DIGIT)) == 0)
		return false;
	if (bytes_find2(p, n->len, '0', 'x') != NULL || bytes_find2(p, n->len, '0', 'X') != NULL)
		return true;
	for (; (q = memchr(p, '(', (size_t)(end - p))) != NULL; p = q + 1) {
		while (q > n->p && (q[-1] == ' ' || q[-1] == '\t'))
			q--;
		if (q > n->p && (q[-1] | 0x20) == 'r')
			return true;
		q = memchr(q, '(', (size_t)(end - q));
	}
	return false;
}

static const uint8_t *next_sign(const uint8_t *p, const uint8_t *end)
{
	static const bool is_sign[256] = {
		['\''] = true, ['('] = true, ['0'] = true, ['c'] = true, ['C'] = true};

	while (p < end && !is_sign[*p])
		p++;
	return p;
}

struct state {
	bool quoted, comma; // within a string; within the parentheses of CONCAT
};

// What stands at p, undone. Returns the length used, 0: it stays.
static size_t step(const uint8_t *start, const uint8_t *p, size_t left, struct state *st,
		   struct out *o)
{
	size_t used;

	switch (*p) {
	case '0':
		return literal(p, left, o);
	case '(':
		st->comma |= in_concat(start, (size_t)(p - start) + 1);
		return 0;
	case '\'':
		used = st->quoted ? seam(p, left, st->comma) : 0;
		st->quoted = used > 0 || !st->quoted;
		return used;
	default:
		return p > start && is_letter(p[-1]) ? 0 : calls(p, left, o); // no varchar(10)
	}
}

static void run(struct inspect *in, const struct inspect_node *n)
{
	struct out o = {.p = is_worth_it(n) ? inspect_node_room(in, n->len) : NULL};
	const uint8_t *p = n->p, *end = p + n->len;
	struct state st = {0};
	bool changed = false;

	if (o.p == NULL)
		return;
	for (;;) {
		const uint8_t *q = next_sign(p, end);
		size_t used;

		if (changed) {
			memcpy(o.p + o.len, p, (size_t)(q - p));
			o.len += (size_t)(q - p);
		} else {
			o.len = (size_t)(q - n->p);
		}
		p = q;
		if (p == end)
			break;
		used = step(n->p, p, (size_t)(end - p), &st, &o);
		if (used > 0) {
			if (!changed)
				memcpy(o.p, n->p, (size_t)(p - n->p));
			changed = true;
			p += used;
		} else {
			o.p[o.len++] = *p++;
		}
	}
	if (changed)
		inspect_node_add(in, n, DECODE_SQL_STRING, n->place, o.p, o.len);
}

const struct decoder decode_sql_ops = {
	.name = "sql", .any = BYTES(QUOTE) | BYTES(LPAREN) | BYTES(COMMA), .least = 8, .run = run};
