// SPDX-License-Identifier: BSD-3-Clause
//
// Strings that SQL puts together: 0x3c61, CHAR(60,97), CHR(60)||CHR(97), 'a' 'b', 'a'||'b', 'a'+'b'; scripts
// have the same with their own operators: 'a'.'b', "a"+"b", Chr(60)&Chr(97). The analyser of SQL has a lexer
// of its own; this reading shows the others what the strings hold: a path, a command, a script.

#include "dataplane/inspect/decode/decode.h"

#include <string.h>
#include <strings.h>

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

static bool is_name(const uint8_t *p, const char *name, size_t len)
{
	return strncasecmp((const char *)p, name, len) == 0;
}

// CHAR(60,97) or CHR(60), the quotes left to the caller. Returns the length used, 0: none.
static size_t call(const uint8_t *p, size_t left, struct out *o)
{
	size_t i = left > 5 && is_name(p, "char", 4) ? 4 : left > 4 && is_name(p, "chr", 3) ? 3 : 0;
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

// What stands between two strings that are one: blanks, an operator (|| and + of SQL and scripts, . of
// PHP, & of VBScript), a comma of CONCAT(). Returns its length. *bare: there is no operator
static size_t glue(const uint8_t *p, size_t left, bool comma, bool *bare)
{
	size_t i = blanks(p, left), from = i;

	if (i + 1 < left && p[i] == '|' && p[i + 1] == '|')
		i += 2;
	else if (i < left && (p[i] == '+' || p[i] == '.' || p[i] == '&' || (comma && p[i] == ',')))
		i++;
	*bare = i == from;
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
	bool bare;

	o->p[o->len++] = '\'';
	while ((used = call(p + total, left - total, o)) > 0) {
		total += used;
		more = glue(p + total, left - total, true, &bare);
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

// A closing quote, glue and an opening one: both strings are one. Returns the length to leave out. Blanks
// alone do for SQL; between double quotes they are what attributes of HTML have.
static size_t seam(const uint8_t *p, size_t left, bool comma)
{
	bool bare;
	size_t i = 1 + glue(p + 1, left - 1, comma, &bare);

	return i > 1 && i < left && p[i] == *p && !(bare && *p == '"') ? i + 1 : 0;
}

static const struct bytes_class signs = BYTES_CLASS(BYTES(QUOTE) | BYTES(DQUOTE) | BYTES(LPAREN));

struct scan {
	const uint8_t *start, *p, *end; // p: up to here all has been read
	const uint8_t *hex;             // the next 0x
	uint8_t quote;                  // within a string, 0: in none
	bool comma;                     // within the parentheses of CONCAT
};

// The next 0x at or behind p.
static const uint8_t *next_hex(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *a = bytes_find2(p, (size_t)(end - p), '0', 'x');
	const uint8_t *b = bytes_find2(p, (size_t)((a != NULL ? a + 1 : end) - p), '0', 'X');

	return b != NULL ? b : a != NULL ? a : end;
}

// Where the name before the parenthesis begins, if it is CHAR or CHR; NULL: it is another.
static const uint8_t *name_before(const struct scan *s, const uint8_t *paren)
{
	const uint8_t *q = paren;

	while (q > s->p && (q[-1] == ' ' || q[-1] == '\t') && paren - q < 8)
		q--;
	if (q - s->p >= 4 && is_name(q - 4, "char", 4))
		q -= 4;
	else if (q - s->p >= 3 && is_name(q - 3, "chr", 3))
		q -= 3;
	else
		return NULL;
	if (q > s->start && is_letter(q[-1])) // varchar(10)
		return NULL;
	return q;
}

// The next place where something may be undone; end: none.
static const uint8_t *next(struct scan *s, const uint8_t *from)
{
	const uint8_t *q;

	if (s->hex < from)
		s->hex = next_hex(from, s->end);
	for (; (q = bytes_find(from, s->end, &signs)) < s->hex; from = q + 1) {
		const uint8_t *name = *q == '(' ? name_before(s, q) : q;

		if (name != NULL)
			return name;
		s->comma |= in_concat(s->start, (size_t)(q - s->start) + 1);
	}
	return s->hex;
}

// What stands at q, undone. Returns the length used, 0: it stays.
static size_t step(struct scan *s, const uint8_t *q, struct out *o)
{
	size_t left = (size_t)(s->end - q), used;

	switch (*q) {
	case '0':
		return literal(q, left, o);
	case '\'':
	case '"':
		if (s->quote != *q) {
			s->quote = s->quote == 0 ? *q : s->quote;
			return 0;
		}
		used = seam(q, left, s->comma);
		s->quote = used > 0 ? *q : 0;
		return used;
	default:
		return calls(q, left, o);
	}
}

static void run(struct inspect *in, const struct inspect_node *n)
{
	struct scan s = {.start = n->p, .p = n->p, .end = n->p + n->len};
	struct out o = {.p = inspect_node_room(in, n->len)};
	const uint8_t *from = n->p, *q;
	bool changed = false;
	size_t used;

	if (o.p == NULL)
		return;
	s.hex = (n->set & BYTES(DIGIT)) != 0 ? next_hex(s.p, s.end) : s.end;
	while ((q = next(&s, from)) < s.end) {
		if (!changed)
			o.len = (size_t)(q - s.start);
		else
			o.len = (size_t)((uint8_t *)mempcpy(o.p + o.len, s.p, (size_t)(q - s.p)) -
					 o.p);
		used = step(&s, q, &o);
		if (used > 0 && !changed)
			memcpy(o.p, s.start, (size_t)(q - s.start));
		changed |= used > 0;
		s.p = from = q + used;
		if (used == 0)
			from = *q == 'c' || *q == 'C' ? memchr(q, '(', (size_t)(s.end - q)) : q;
		from += used == 0;
	}
	if (!changed)
		return;
	memcpy(o.p + o.len, s.p, (size_t)(s.end - s.p));
	inspect_node_add(in, n, DECODE_SQL_STRING, n->place, o.p, o.len + (size_t)(s.end - s.p));
}

const struct decoder decode_sql_ops = {.name = "sql",
				       .any = BYTES(QUOTE) | BYTES(DQUOTE) | BYTES(LPAREN) |
					      BYTES(COMMA),
				       .least = 8,
				       .run = run};
