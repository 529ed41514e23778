// SPDX-License-Identifier: BSD-3-Clause
//
// Character references as HTML has them (WHATWG HTML, sections 13.2.5.72 to 13.2.5.80). Of the 2,231 names
// only those of ASCII signs and blanks are undone: an attack is made of nothing else.

#include "dataplane/inspect/decode/decode.h"

#include <string.h>

static const struct {
	const char *name;
	char sign;
	bool bare; // the semicolon may be left out
} names[] = {
	{"Tab", '\t', false},
	{"NewLine", '\n', false},
	{"excl", '!', false},
	{"quot", '"', true},
	{"QUOT", '"', true},
	{"num", '#', false},
	{"dollar", '$', false},
	{"percnt", '%', false},
	{"amp", '&', true},
	{"AMP", '&', true},
	{"apos", '\'', false},
	{"lpar", '(', false},
	{"rpar", ')', false},
	{"ast", '*', false},
	{"midast", '*', false},
	{"plus", '+', false},
	{"comma", ',', false},
	{"period", '.', false},
	{"sol", '/', false},
	{"colon", ':', false},
	{"semi", ';', false},
	{"lt", '<', true},
	{"LT", '<', true},
	{"equals", '=', false},
	{"gt", '>', true},
	{"GT", '>', true},
	{"quest", '?', false},
	{"commat", '@', false},
	{"lsqb", '[', false},
	{"lbrack", '[', false},
	{"bsol", '\\', false},
	{"rsqb", ']', false},
	{"rbrack", ']', false},
	{"Hat", '^', false},
	{"lowbar", '_', false},
	{"UnderBar", '_', false},
	{"grave", '`', false},
	{"DiacriticalGrave", '`', false},
	{"lcub", '{', false},
	{"lbrace", '{', false},
	{"verbar", '|', false},
	{"vert", '|', false},
	{"VerticalLine", '|', false},
	{"rcub", '}', false},
	{"rbrace", '}', false},
	{"nbsp", ' ', true},
	{"NonBreakingSpace", ' ', false},
};

// A named reference at p, after the ampersand. Returns its length, 0: none.
static size_t named(const uint8_t *p, size_t left, uint8_t *sign)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t len;

		if (*p != (uint8_t)names[i].name[0])
			continue;
		len = strlen(names[i].name);
		if (left < len || memcmp(p, names[i].name, len) != 0)
			continue;
		*sign = (uint8_t)names[i].sign;
		if (left > len && p[len] == ';')
			return len + 1;
		// "&lt=" is a parameter of a URL to all browsers
		if (names[i].bare && (left == len || p[len] != '='))
			return len;
	}
	return 0;
}

// A numeric reference at p, after the ampersand. Returns its length, 0: none.
static size_t numeric(const uint8_t *p, size_t left, uint32_t *point)
{
	size_t i = 1, from;
	bool hex;

	if (left < 2)
		return 0;
	hex = (p[1] | 0x20) == 'x';
	i += hex;
	from = i;
	for (*point = 0; i < left; i++) {
		int d = decode_digit[p[i]];

		if (d < 0 || (!hex && d > 9))
			break;
		*point = *point > 0x10ffff ? *point : *point * (hex ? 16 : 10) + (uint32_t)d;
	}
	if (i == from)
		return 0;
	return i + (i < left && p[i] == ';');
}

// The reference at p, which is an ampersand. Returns the length used, 0: it is none.
static size_t reference(const uint8_t *p, size_t left, uint8_t *out, size_t *n)
{
	uint32_t point;
	size_t used;
	uint8_t sign;

	if (left < 3)
		return 0;
	if (p[1] == '#') {
		used = numeric(p + 1, left - 1, &point);
		if (used > 0)
			*n += decode_utf8(point, out + *n);
	} else {
		used = named(p + 1, left - 1, &sign);
		if (used > 0)
			out[(*n)++] = sign;
	}
	return used > 0 ? used + 1 : 0;
}

size_t decode_html(const uint8_t *p, size_t len, uint8_t *out)
{
	const uint8_t *end = p + len, *q;
	size_t n = 0, used;

	for (; (q = memchr(p, '&', (size_t)(end - p))) != NULL; p = q + used) {
		memmove(out + n, p, (size_t)(q - p));
		n += (size_t)(q - p);
		used = reference(q, (size_t)(end - q), out, &n);
		if (used == 0) {
			out[n++] = '&';
			used = 1;
		}
	}
	memmove(out + n, p, (size_t)(end - p));
	return n + (size_t)(end - p);
}

static void run(struct inspect *in, const struct inspect_node *n)
{
	uint8_t *room = inspect_node_room(in, n->len);
	size_t len;

	if (room == NULL)
		return;
	len = decode_html(n->p, n->len, room);
	if (len != n->len)
		inspect_node_add(in, n, DECODE_HTML, n->place, room, len);
}

const struct decoder decode_html_ops = {.name = "html",
					.all = BYTES(AMP),
					.any = BYTES(HASH) | BYTES(LOWER) | BYTES(UPPER),
					.least = 3,
					.run = run};
