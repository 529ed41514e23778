// SPDX-License-Identifier: BSD-3-Clause
//
// Escapes behind a backslash: those of JavaScript (ECMA-262, section 12.9.4 and annex B), which are those
// of C, Java and Python as well, and those of JSON (RFC 8259, section 7).

#include "dataplane/inspect/decode/decode.h"

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
		n = number(p + 1, left - 1, 6, 16, point);
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

// hidden: how many characters stood as numbers
static size_t undo(const uint8_t *p, size_t len, uint8_t *out, size_t *hidden)
{
	size_t n = 0, used;
	uint32_t point;

	*hidden = 0;
	for (size_t i = 0; i < len; i++) {
		size_t left = len - i - 1;

		if (p[i] != '\\' || left == 0) {
			out[n++] = p[i];
			continue;
		}
		i++;
		used = 0;
		if (p[i] == 'x' && number(p + i + 1, left - 1, 2, 16, &point) == 2)
			used = 2;
		else if (p[i] == 'u' || p[i] == 'U')
			used = unicode(p + i + 1, left - 1, &point);
		if (used > 0 || p[i] == 'x') {
			i += used;
		} else if (p[i] >= '0' && p[i] <= '7') {
			used = number(p + i, left, p[i] <= '3' ? 3 : 2, 8, &point);
			i += used - 1;
		}
		if (used > 0) {
			(*hidden)++;
			n += decode_utf8(point, out + n);
		} else if (p[i] != '\n') { // a line that goes on
			out[n++] = letter(p[i]);
		}
	}
	return n;
}

size_t decode_js(const uint8_t *p, size_t len, uint8_t *out)
{
	size_t hidden;

	return undo(p, len, out, &hidden);
}

static void run(struct inspect *in, const struct inspect_node *n)
{
	uint8_t *room = inspect_node_room(in, n->len);
	size_t len, hidden;

	if (room == NULL)
		return;
	len = undo(n->p, n->len, room, &hidden);
	if (hidden > 0)
		inspect_node_add(in, n, DECODE_JS, n->place, room, len);
}

const struct decoder decode_js_ops = {
	.name = "js", .all = BYTES(BACKSLASH), .any = BYTES_WORD, .least = 2, .run = run};

// ---- JSON ----------------------------------------------------------------------------------------

size_t decode_json(const uint8_t *p, size_t len, uint8_t *out)
{
	size_t n = 0, used;
	uint32_t point;

	for (size_t i = 0; i < len; i++) {
		if (p[i] != '\\') {
			out[n++] = p[i];
			continue;
		}
		if (++i == len)
			return 0;
		switch (p[i]) {
		case 'u':
			used = i + 1 < len && p[i + 1] != '{'
				       ? unicode(p + i + 1, len - i - 1, &point)
				       : 0;
			if (used == 0)
				return 0;
			n += decode_utf8(point, out + n);
			i += used;
			break;
		case '"':
		case '\\':
		case '/':
		case 'b':
		case 'f':
		case 'n':
		case 'r':
		case 't':
			out[n++] = letter(p[i]);
			break;
		default:
			return 0;
		}
	}
	return n;
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
