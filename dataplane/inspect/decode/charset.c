// SPDX-License-Identifier: BSD-3-Clause
//
// Bytes of 0x80 and more that one reader takes for something else than another: overlong UTF-8 (RFC 3629,
// section 3, forbids it; old decoders take it), full-width and other look-alikes that a code page brings
// back to ASCII, broken UTF-8 whose bytes are dropped, GBK and GB18030 whose second byte may be a
// backslash, a bar, a letter.

#include "dataplane/inspect/decode/decode.h"

#include <string.h>

struct survey {
	uint32_t overlong, wide, broken;
};

// The code point at p, as lenient decoders read it. Returns its length, 0: no sequence at all.
static size_t lenient(const uint8_t *p, size_t left, uint32_t *point)
{
	size_t need = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;

	if (*p < 0xc0 || *p > 0xf7 || need > left)
		return 0;
	*point = *p & (0xffU >> (need + 1));
	for (size_t i = 1; i < need; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*point = *point << 6 | (p[i] & 0x3f);
	}
	return need;
}

static bool is_overlong(size_t len, uint32_t point)
{
	return point < (len == 2 ? 0x80U : len == 3 ? 0x800U : 0x10000U);
}

// Servers that looked at no bit of the second byte took C0 2F for a slash and C1 1C for a backslash.
static uint8_t careless(const uint8_t *p, size_t left)
{
	uint8_t c;

	if (left < 2 || (*p & 0xfe) != 0xc0 || p[1] >= 0x80)
		return 0;
	c = (uint8_t)((*p & 1) << 6 | (p[1] & 0x3f));
	return c == '/' || c == '\\' || c == '.' ? c : 0;
}

// The ASCII sign that code pages have for it; 0: none. Letters, and the signs that languages are made of:
// Chinese text is full of wide commas, colons and parentheses, which are signs of its own.
static uint8_t narrow(uint32_t point)
{
	if (point >= 0xff01 && point <= 0xff5e)
		return (uint8_t)(point - 0xfee0);
	switch (point) {
	case 0x02b9:
	case 0x02bc:
	case 0x02c8:
	case 0x2032:
		return '\'';
	case 0x02ba:
	case 0x2033:
		return '"';
	case 0x2035:
		return '`';
	case 0x2044:
	case 0x2215:
		return '/';
	case 0x2216:
	case 0xfe68:
		return '\\';
	case 0x2329:
	case 0x3008:
	case 0xfe64:
		return '<';
	case 0x232a:
	case 0x3009:
	case 0xfe65:
		return '>';
	default:
		return 0;
	}
}

static bool is_telling(uint8_t sign)
{
	return sign != 0 && memchr(",:;!?()~.-0123456789", sign, 20) == NULL;
}

// Most of what is not ASCII is well-formed and has three bytes with a first one that no sign above has.
static bool is_plain(const uint8_t *p, size_t left)
{
	return left >= 3 && *p >= 0xe4 && *p <= 0xee && (p[1] & 0xc0) == 0x80 &&
	       (p[2] & 0xc0) == 0x80;
}

static struct survey look(const uint8_t *p, size_t len)
{
	static const struct bytes_class ascii = BYTES_CLASS(~BYTES(HIGH));
	const uint8_t *end = p + len;
	struct survey s = {0};
	uint32_t point;
	size_t used;

	while ((p = bytes_skip(p, end, &ascii)) < end) {
		size_t left = (size_t)(end - p);

		if (is_plain(p, left)) {
			do
				p += 3;
			while (is_plain(p, (size_t)(end - p)));
			continue;
		}
		used = lenient(p, left, &point);
		if (used == 0) {
			used = 1;
			s.broken++;
			s.overlong += careless(p, left) != 0;
		} else if (is_overlong(used, point)) {
			s.overlong++;
		} else {
			s.wide += point >= 0x2b9 && is_telling(narrow(point));
		}
		p += used;
	}
	return s;
}

static void undo_overlong(struct inspect *in, const struct inspect_node *n)
{
	uint8_t *room = inspect_node_room(in, n->len);
	size_t len = 0, used;
	uint32_t point;

	if (room == NULL)
		return;
	for (size_t i = 0; i < n->len; i += used) {
		const uint8_t *p = n->p + i;

		used = *p >= 0xc0 ? lenient(p, n->len - i, &point) : 0;
		if (used > 0 && is_overlong(used, point)) {
			len += decode_utf8(point, room + len);
		} else if (used == 0 && careless(p, n->len - i) != 0) {
			room[len++] = careless(p, n->len - i);
			used = 2;
		} else {
			used = used > 0 ? used : 1;
			memcpy(room + len, p, used);
			len += used;
		}
	}
	inspect_node_add(in, n, DECODE_OVERLONG, n->place, room, len);
}

// Wide forms to ASCII; broken bytes are dropped.
static void mend(struct inspect *in, const struct inspect_node *n)
{
	uint8_t *room = inspect_node_room(in, n->len);
	size_t len = 0, used;
	uint32_t point;

	if (room == NULL)
		return;
	for (size_t i = 0; i < n->len; i += used) {
		const uint8_t *p = n->p + i;

		used = 1;
		if (*p < 0x80) {
			room[len++] = *p;
			continue;
		}
		used = lenient(p, n->len - i, &point);
		if (used == 0) {
			used = 1;
		} else if (narrow(point) != 0) {
			room[len++] = narrow(point);
		} else {
			memcpy(room + len, p, used);
			len += used;
		}
	}
	inspect_node_add(in, n, DECODE_UTF8_BROKEN, n->place, room, len);
}

// ---- GBK, GB18030 --------------------------------------------------------------------------------

// Length of the character at p (GB 18030-2005: two or four bytes), 0: none.
static size_t gb_character(const uint8_t *p, size_t left)
{
	if (left < 2 || *p < 0x81 || *p > 0xfe)
		return 0;
	if (p[1] >= 0x40 && p[1] <= 0xfe && p[1] != 0x7f)
		return 2;
	if (left >= 4 && p[1] >= '0' && p[1] <= '9' && p[2] >= 0x81 && p[2] <= 0xfe &&
	    p[3] >= '0' && p[3] <= '9')
		return 4;
	return 0;
}

// The text with each character's ASCII bytes made other ones: what is left of ASCII is what a reader of
// GBK sees. Row 3 is ASCII in full width. Returns false where the text is no GBK. *wide: characters, *alike:
// how many of them are all but the same to a reader that knows no GBK.
static bool undo_gb(struct inspect *in, const struct inspect_node *n, uint32_t *wide)
{
	uint8_t *room = inspect_node_room(in, n->len);
	bool changed = false;
	size_t len = 0, used;

	if (room == NULL)
		return false;
	*wide = 0;
	for (size_t i = 0; i < n->len; i += used) {
		const uint8_t *p = n->p + i;

		used = 1;
		if (*p < 0x80) {
			room[len++] = *p;
			continue;
		}
		used = gb_character(p, n->len - i);
		if (used == 0)
			return false;
		(*wide)++;
		if (p[0] == 0xa3 && p[1] >= 0xa1 && p[1] <= 0xfe) {
			room[len++] = p[1] & 0x7f;
			changed |= is_telling(p[1] & 0x7f);
			continue;
		}
		for (size_t k = 0; k < used; k++) {
			changed |= p[k] < 0x80;
			room[len++] = p[k] | 0x80;
		}
	}
	if (changed)
		inspect_node_add(in, n, DECODE_GBK, n->place, room, len);
	return true;
}

// Whole sentences of GBK are no UTF-8 that somebody broke.
#define STRAY 2

static void run(struct inspect *in, const struct inspect_node *n)
{
	struct survey s = look(n->p, n->len);
	uint32_t wide = 0;

	if (s.overlong > 0)
		undo_overlong(in, n);
	if (s.wide == 0 && s.broken == 0)
		return;
	if (s.broken == 0 || !undo_gb(in, n, &wide) || wide <= STRAY)
		mend(in, n);
}

const struct decoder decode_charset_ops = {
	.name = "charset", .all = BYTES(HIGH), .least = 2, .run = run};
