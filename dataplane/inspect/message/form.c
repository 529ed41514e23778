// SPDX-License-Identifier: BSD-3-Clause
//
// Lists of pairs: application/x-www-form-urlencoded (WHATWG URL, section 5.1), cookies (RFC 6265bis,
// section 5.6, leniently).

#include "dataplane/inspect/message/split.h"

#include "dataplane/inspect/decode/decode.h"

#include <string.h>

// A name or value without its escapes; *how tells whether there were any.
static struct http_bytes plain(struct split *s, const uint8_t *p, size_t len,
			       enum inspect_decoder *how)
{
	struct http_bytes b = {p, (uint32_t)len};
	uint8_t *room;

	*how = DECODE_NONE;
	if (memchr(p, '%', len) == NULL && memchr(p, '+', len) == NULL)
		return b;
	room = inspect_scratch(s->in, len + 1);
	if (room == NULL)
		return b;
	b = (struct http_bytes){room, (uint32_t)decode_percent(p, len, true, room)};
	*how = DECODE_PERCENT;
	return b;
}

static void pair(struct split *s, const uint8_t *p, const uint8_t *end, enum inspect_place value,
		 enum inspect_place name)
{
	const uint8_t *eq = memchr(p, '=', (size_t)(end - p));
	uint32_t mark = inspect_scratch_mark(s->in);
	enum inspect_decoder how, how_name;
	struct http_bytes n, v;

	n = plain(s, p, (size_t)((eq != NULL ? eq : end) - p), &how_name);
	if (n.len > 0)
		s->value(s, eq != NULL ? name : value, n, n.p, n.len, how_name);
	if (eq != NULL && eq + 1 < end) {
		v = plain(s, eq + 1, (size_t)(end - eq - 1), &how);
		s->value(s, value, n, v.p, v.len, how);
	}
	if (s->node == NULL) // else what was given are nodes now
		inspect_scratch_free(s->in, mark);
}

void split_form(struct split *s, const uint8_t *p, size_t len, enum inspect_place value,
		enum inspect_place name)
{
	const uint8_t *end = p + len, *amp;

	for (; p < end; p = amp + 1) {
		amp = memchr(p, '&', (size_t)(end - p));
		if (amp == NULL)
			amp = end;
		if (amp > p)
			pair(s, p, amp, value, name);
	}
}

void split_cookie(struct split *s, const uint8_t *p, size_t len)
{
	const uint8_t *end = p + len, *semi, *eq;

	for (; p < end; p = semi + 1) {
		struct http_bytes n;

		semi = memchr(p, ';', (size_t)(end - p));
		if (semi == NULL)
			semi = end;
		while (p < semi && *p == ' ')
			p++;
		eq = memchr(p, '=', (size_t)(semi - p));
		n = (struct http_bytes){p, (uint32_t)((eq != NULL ? eq : semi) - p)};
		if (n.len > 0)
			s->value(s, eq != NULL ? PLACE_COOKIE_NAME : PLACE_COOKIE, n, n.p, n.len,
				 DECODE_NONE);
		if (eq != NULL && eq + 1 < semi)
			s->value(s, PLACE_COOKIE, n, eq + 1, (size_t)(semi - eq - 1), DECODE_NONE);
	}
}
