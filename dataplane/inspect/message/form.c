// SPDX-License-Identifier: BSD-3-Clause
//
// Lists of pairs: application/x-www-form-urlencoded (WHATWG URL, section 5.1), cookies (RFC 6265bis,
// section 5.6, leniently).

#include "dataplane/inspect/message/split.h"

#include "dataplane/inspect/decode/decode.h"

#include <string.h>

enum at {
	AT_PAIR,
	AT_VALUE, // within a value that began in an earlier window; its name is the path
};

// A name or value without its escapes; *how tells whether there were any.
static struct http_bytes plain(struct split *s, const uint8_t *p, size_t len,
			       enum inspect_decoder *how)
{
	struct http_bytes b = {p, (uint32_t)len};
	uint8_t *room;

	*how = DECODE_NONE;
	if (memchr(p, '%', len) == NULL && memchr(p, '+', len) == NULL)
		return b;
	room = split_room(s, len);
	if (room == NULL)
		return b;
	b = (struct http_bytes){room, (uint32_t)decode_percent(p, len, true, room)};
	*how = DECODE_PERCENT;
	return b;
}

// Names as programs have them; what else is one may be a value that holds an & or = of its own.
#define NAME                                                                                       \
	(BYTES_WORD | BYTES(UNDERSCORE) | BYTES(MINUS) | BYTES(DOT) | BYTES(LBRACKET) |            \
	 BYTES(RBRACKET) | BYTES(COLON) | BYTES(DOLLAR) | BYTES(AT) | BYTES(HIGH) | BYTES(SLASH))

static bool is_odd_name(struct http_bytes n)
{
	return (bytes_set(n.p, n.len) & ~NAME) != 0;
}

// The name is kept in the state where there is one: its value may go on in the next window.
// Returns: the name is no name.
static bool pair(struct split *s, struct split_state *st, const uint8_t *p, const uint8_t *end,
		 enum inspect_place value, enum inspect_place name)
{
	const uint8_t *eq = memchr(p, '=', (size_t)(end - p));
	uint32_t mark = split_enter(s);
	enum inspect_decoder how, how_name;
	struct http_bytes n, v;
	bool cut = s->cut, odd;

	n = plain(s, p, (size_t)((eq != NULL ? eq : end) - p), &how_name);
	odd = is_odd_name(n);
	s->cut = cut && eq == NULL;
	if (n.len > 0)
		s->value(s, eq != NULL ? name : value, n, n.p, n.len, how_name);
	s->cut = cut;
	if (st != NULL) {
		st->path_len = (uint16_t)(n.len < SPLIT_PATH ? n.len : SPLIT_PATH);
		memcpy(st->path, n.p, st->path_len);
	}
	if (eq != NULL && eq + 1 < end) {
		v = plain(s, eq + 1, (size_t)(end - eq - 1), &how);
		s->value(s, value, n, v.p, v.len, how);
	}
	split_leave(s, mark);
	return odd;
}

bool split_form(struct split *s, const uint8_t *p, size_t len, enum inspect_place value,
		enum inspect_place name)
{
	const uint8_t *end = p + len, *amp;
	bool odd = false;

	for (; p < end; p = amp + 1) {
		amp = memchr(p, '&', (size_t)(end - p));
		if (amp == NULL)
			amp = end;
		if (amp > p)
			odd |= pair(s, NULL, p, amp, value, name);
	}
	return odd;
}

// A value that is longer than a window, or the rest of one.
static void piece(struct split *s, struct split_state *st, const uint8_t *p, const uint8_t *end)
{
	uint32_t mark = split_enter(s);
	enum inspect_decoder how;
	struct http_bytes v = plain(s, p, (size_t)(end - p), &how);

	s->cut = true;
	if (v.len > 0)
		s->value(s, PLACE_FORM, split_path(st), v.p, v.len, how);
	s->cut = false;
	split_leave(s, mark);
}

// Where the next window begins so that it shares bytes with this one and no escape is cut.
static size_t next_window(const uint8_t *p, size_t len)
{
	size_t at = len - split_overlap(len);

	if (at > 0 && p[at - 1] == '%')
		return at - 1;
	return at > 1 && p[at - 2] == '%' ? at - 2 : at;
}

size_t split_form_part(struct split *s, struct split_state *st, const uint8_t *p, size_t len,
		       enum split_end how)
{
	const uint8_t *start = p, *end = p + len, *amp;

	for (; p < end; p = amp + 1) {
		amp = memchr(p, '&', (size_t)(end - p));
		if (amp == NULL && how == SPLIT_PART)
			break;
		if (amp == NULL && how == SPLIT_FULL) {
			if (st->at == AT_VALUE) {
				piece(s, st, p, end);
			} else {
				s->cut = true;
				st->odd |= pair(s, st, p, end, PLACE_FORM, PLACE_FORM_NAME);
				s->cut = false;
			}
			st->at = AT_VALUE;
			amp = start + next_window(start, len);
			return (size_t)((amp > p ? amp : p) - start);
		}
		if (amp == NULL)
			amp = end;
		if (st->at == AT_VALUE)
			piece(s, st, p, amp);
		else if (amp > p)
			st->odd |= pair(s, NULL, p, amp, PLACE_FORM, PLACE_FORM_NAME);
		st->at = AT_PAIR;
	}
	return (size_t)(p < end ? p - start : end - start);
}

// A quoted value that has semicolons: RFC 2109 let it, and some servers still do (Java's, Python's).
static void quoted_cookie(struct split *s, struct http_bytes name, const uint8_t *p,
			  const uint8_t *semi, const uint8_t *end)
{
	const uint8_t *q;

	if (p == semi || *p != '"' || semi == end ||
	    memchr(p + 1, '"', (size_t)(semi - p - 1)) != NULL)
		return;
	q = memchr(semi, '"', (size_t)(end - semi));
	if (q != NULL)
		s->value(s, PLACE_COOKIE, name, p + 1, (size_t)(q - p - 1), DECODE_NONE);
}

bool split_cookie(struct split *s, const uint8_t *p, size_t len)
{
	const uint8_t *end = p + len, *semi, *eq;
	bool odd = false;

	for (; p < end; p = semi + 1) {
		struct http_bytes n;

		semi = memchr(p, ';', (size_t)(end - p));
		if (semi == NULL)
			semi = end;
		while (p < semi && *p == ' ')
			p++;
		eq = memchr(p, '=', (size_t)(semi - p));
		n = (struct http_bytes){p, (uint32_t)((eq != NULL ? eq : semi) - p)};
		odd |= is_odd_name(n);
		if (n.len > 0)
			s->value(s, eq != NULL ? PLACE_COOKIE_NAME : PLACE_COOKIE, n, n.p, n.len,
				 DECODE_NONE);
		if (eq == NULL || eq + 1 == semi)
			continue;
		s->value(s, PLACE_COOKIE, n, eq + 1, (size_t)(semi - eq - 1), DECODE_NONE);
		quoted_cookie(s, n, eq + 1, semi, end);
	}
	return odd;
}
