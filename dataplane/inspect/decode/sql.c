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
	bool changed;
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
	if (memmem(p, n->len, "0x", 2) != NULL || memmem(p, n->len, "0X", 2) != NULL)
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

static void run(struct inspect *in, const struct inspect_node *n)
{
	struct out o = {.p = is_worth_it(n) ? inspect_node_room(in, n->len) : NULL};
	bool comma = false, quoted = false;
	size_t used;

	if (o.p == NULL)
		return;
	for (size_t i = 0; i < n->len; i += used) {
		const uint8_t *p = n->p + i;
		size_t left = n->len - i;

		used = 0;
		switch (*p) {
		case '0':
			used = literal(p, left, &o);
			break;
		case 'c':
		case 'C':
			used = i > 0 && is_letter(p[-1]) ? 0 : calls(p, left, &o); // varchar(10)
			break;
		case '(':
			comma |= in_concat(n->p, i + 1);
			break;
		case '\'':
			used = quoted ? seam(p, left, comma) : 0;
			quoted = used > 0 || !quoted;
			break;
		default:
			break;
		}
		o.changed |= used > 0;
		if (used == 0) {
			o.p[o.len++] = *p;
			used = 1;
		}
	}
	if (o.changed)
		inspect_node_add(in, n, DECODE_SQL_STRING, n->place, o.p, o.len);
}

const struct decoder decode_sql_ops = {.name = "sql",
				       .any = BYTES(QUOTE) | BYTES(LPAREN) | BYTES(COMMA),
				       .all = 0,
				       .least = 8,
				       .run = run};
