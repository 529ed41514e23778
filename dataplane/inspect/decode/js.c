// SPDX-License-Identifier: BSD-3-Clause
//
// Escapes behind a backslash: those of JavaScript (ECMA-262, section 12.9.4 and annex B), which are those
// of C, Java and Python as well, and those of JSON (RFC 8259, section 7).

#include "dataplane/inspect/decode/decode.h"

#include <string.h>

#define ZEROS_MAX 32 // before a code point

// Digits of one number, at most max of them, to base 8 or 16. Returns how many.
static size_t number(const uint8_t *p, size_t left, size_t max, int base, uint32_t *value)
{
	size_t i = 0;

	for (*value = 0; i < max && i < left; i++) {
		int d = decode_digit[p[i]];

		if (d < 0 || d >= base)
			break;
		*value = *value * (uint32_t)base + (uint32_t)d;
	}
	return i;
}

// XXXX, or {X...}; two surrogates are one character. Returns the length behind the u, 0: none.
static size_t unicode(const uint8_t *p, size_t left, uint32_t *point)
{
	uint32_t low;
	size_t n;

	if (left > 2 && p[0] == '{') {
		size_t zeros = 0;

		while (zeros + 2 < left && zeros < ZEROS_MAX && p[1 + zeros] == '0')
			zeros++;
		n = number(p + 1 + zeros, left - 1 - zeros, 6, 16, point) + zeros;
		return n > 0 && n + 1 < left && p[n + 1] == '}' ? n + 2 : 0;
	}
	if (number(p, left, 4, 16, point) != 4)
		return 0;
	if (*point >> 10 == 0x36 && left >= 10 && p[4] == '\\' && p[5] == 'u' &&
	    number(p + 6, 4, 4, 16, &low) == 4 && low >> 10 == 0x37) {
		*point = 0x10000 + ((*point & 0x3ff) << 10 | (low & 0x3ff));
		return 10;
	}
	return 4;
}

static uint8_t letter(uint8_t c)
{
	switch (c) {
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case 'v':
		return '\v';
	default:
		return c;
	}
}

// The escape at p, behind its backslash. Returns the length used, 0: it is the end.
static size_t escape(const uint8_t *p, size_t left, uint8_t *out, size_t *n)
{
	size_t used = 0;
	uint32_t point;

	if (*p == 'x' && number(p + 1, left - 1, 2, 16, &point) == 2) {
		used = 3;
	} else if (*p == 'u' || *p == 'U') {
		used = unicode(p + 1, left - 1, &point);
		used += used > 0;
	} else if (*p >= '0' && *p <= '7') {
		used = number(p, left, *p <= '3' ? 3 : 2, 8, &point);
	}
	if (used > 0)
		*n += decode_utf8(point, out + *n);
	else if (*p != '\n') // else the line goes on
		out[(*n)++] = letter(*p);
	return used > 0 ? used : 1;
}

size_t decode_js(const uint8_t *p, size_t len, uint8_t *out)
{
	const uint8_t *end = p + len, *q;
	size_t n = 0;

	for (; (q = memchr(p, '\\', (size_t)(end - p))) != NULL && q + 1 < end; p = q) {
		memmove(out + n, p, (size_t)(q - p));
		n += (size_t)(q - p);
		q++;
		q += escape(q, (size_t)(end - q), out, &n);
	}
	memmove(out + n, p, (size_t)(end - p));
	return n + (size_t)(end - p);
}

// A character that stands as a number; others are what an analyser's own lexer knows.
static bool hides(const uint8_t *p, const uint8_t *end)
{
	uint8_t out[4];

	while ((p = memchr(p, '\\', (size_t)(end - p))) != NULL && end - p >= 2) {
		size_t n = 0;

		p++;
		if (escape(p, (size_t)(end - p), out, &n) > 1 || (*p >= '0' && *p <= '7'))
			return true;
		p++;
	}
	return false;
}

static void run(struct inspect *in, const struct inspect_node *n)
{
	uint8_t *room = hides(n->p, n->p + n->len) ? inspect_node_room(in, n->len) : NULL;

	if (room != NULL)
		inspect_node_add(in, n, DECODE_JS, n->place, room, decode_js(n->p, n->len, room));
}

const struct decoder decode_js_ops = {
	.name = "js", .all = BYTES(BACKSLASH), .any = BYTES_WORD, .least = 2, .run = run};

// ---- JSON ----------------------------------------------------------------------------------------

size_t decode_json(const uint8_t *p, size_t len, uint8_t *out)
{
	const uint8_t *end = p + len, *q;
	size_t n = 0, used;
	uint32_t point;

	for (; (q = memchr(p, '\\', (size_t)(end - p))) != NULL; p = q) {
		memmove(out + n, p, (size_t)(q - p));
		n += (size_t)(q - p);
		if (++q == end)
			return 0;
		if (*q == 'u') {
			used = end - q > 4 && q[1] != '{'
				       ? unicode(q + 1, (size_t)(end - q) - 1, &point)
				       : 0;
			if (used == 0)
				return 0;
			n += decode_utf8(point, out + n);
			q += 1 + used;
		} else if (memchr("\"\\/bfnrt", *q, 8) != NULL) {
			out[n++] = letter(*q++);
		} else {
			return 0;
		}
	}
	memmove(out + n, p, (size_t)(end - p));
	return n + (size_t)(end - p);
}

static void run_json(struct inspect *in, const struct inspect_node *n)
{
	uint8_t *room = inspect_node_room(in, n->len);
	size_t len;

	if (room == NULL)
		return;
	len = decode_json(n->p, n->len, room);
	if (len > 0 && len < n->len)
		inspect_node_add(in, n, DECODE_JSON_ESCAPE, n->place, room, len);
}

const struct decoder decode_json_ops = {
	.name = "json", .all = BYTES(BACKSLASH), .least = 2, .run = run_json};
