// SPDX-License-Identifier: BSD-3-Clause
//
// Percent-encoding: RFC 3986, section 2.1, one layer at a time (the tree goes on with what comes out), and
// %uXXXX as IIS and JavaScript's unescape() have it.

#include "dataplane/inspect/decode/decode.h"

static inline bool is_escape(const uint8_t *p, size_t left)
{
	return left > 2 && decode_digit[p[1]] >= 0 && decode_digit[p[2]] >= 0;
}

static inline uint8_t escaped(const uint8_t *p)
{
	return (uint8_t)(decode_digit[p[1]] << 4 | decode_digit[p[2]]);
}

size_t decode_percent(const uint8_t *p, size_t len, bool form, uint8_t *out)
{
	static const struct bytes_class escape = BYTES_CLASS(BYTES(PERCENT));
	static const struct bytes_class escape_or_plus = BYTES_CLASS(BYTES(PERCENT) | BYTES(PLUS));
	const uint8_t *end = p + len, *q;
	size_t n = 0;

	for (; p < end; p = q) {
		q = bytes_find(p, end, form ? &escape_or_plus : &escape);
		memmove(out + n, p, (size_t)(q - p));
		n += (size_t)(q - p);
		for (; q < end && *q == '%' && is_escape(q, (size_t)(end - q)); q += 3)
			out[n++] = escaped(q);
		if (q < end && *q == '%' && !is_escape(q, (size_t)(end - q)))
			out[n++] = *q++;
		else if (q < end && *q == '+' && form)
			out[n++] = (uint8_t)(*q++ - '+' + ' ');
	}
	return n;
}

static bool came_of_base64(const struct inspect_node *n)
{
	return n->decoder == DECODE_BASE64 || n->decoder == DECODE_BASE64URL;
}

// + stays or is a blank, and which of both only the server knows. It is worth a reading of its own where
// the text has no other blank; without an escape beside it only where something was put into Base64
// that was meant for a URL.
static void run(struct inspect *in, const struct inspect_node *n)
{
	bool plus = (n->set & BYTES(PLUS)) != 0 && (n->set & BYTES(SPACE)) == 0;
	bool escapes = false;
	uint8_t *room;
	size_t len;

	if ((n->set & BYTES(PERCENT)) != 0) {
		room = inspect_node_room(in, n->len);
		if (room == NULL)
			return;
		len = decode_percent(n->p, n->len, false, room);
		escapes = len != n->len;
		if (escapes)
			inspect_node_add(in, n, DECODE_PERCENT, n->place, room, len);
	}
	if (!plus || (!escapes && !came_of_base64(n)))
		return;
	room = inspect_node_room(in, n->len);
	if (room == NULL)
		return;
	len = decode_percent(n->p, n->len, true, room);
	inspect_node_add(in, n, DECODE_PERCENT, n->place, room, len);
}

const struct decoder decode_percent_ops = {
	.name = "percent", .any = BYTES(PERCENT) | BYTES(PLUS), .least = 3, .run = run};

// ---- %uXXXX --------------------------------------------------------------------------------------

static bool is_u_escape(const uint8_t *p, size_t left)
{
	return left >= 6 && p[0] == '%' && (p[1] | 0x20) == 'u' && is_escape(p + 1, 3) &&
	       is_escape(p + 3, 3);
}

static uint32_t u_escaped(const uint8_t *p)
{
	return (uint32_t)escaped(p + 1) << 8 | escaped(p + 3);
}

// Windows finds the nearest sign of its code page: the full-width forms are ASCII to it.
static uint32_t best_fit(uint32_t point)
{
	return point >= 0xff01 && point <= 0xff5e ? point - 0xfee0 : point;
}

static void run_u(struct inspect *in, const struct inspect_node *n)
{
	const uint8_t *p = n->p;
	size_t len = 0, found = 0;
	uint8_t *room;

	if (bytes_find2(p, n->len, '%', 'u') == NULL && bytes_find2(p, n->len, '%', 'U') == NULL)
		return;
	room = inspect_node_room(in, n->len);
	if (room == NULL)
		return;
	for (size_t i = 0; i < n->len; i++) {
		uint32_t point;

		if (!is_u_escape(p + i, n->len - i)) {
			if (p[i] == '%' && is_escape(p + i, n->len - i)) {
				room[len++] = escaped(p + i);
				i += 2;
			} else {
				room[len++] = p[i];
			}
			continue;
		}
		found++;
		point = u_escaped(p + i);
		i += 5;
		if (point >> 10 == 0x36 && is_u_escape(p + i + 1, n->len - i - 1) &&
		    u_escaped(p + i + 1) >> 10 == 0x37) {
			point = 0x10000 + ((point & 0x3ff) << 10 | (u_escaped(p + i + 1) & 0x3ff));
			i += 6;
		}
		len += decode_utf8(best_fit(point), room + len);
	}
	if (found > 0)
		inspect_node_add(in, n, DECODE_PERCENT_U, n->place, room, len);
}

const struct decoder decode_percent_u_ops = {.name = "percent-u",
					     .all = BYTES(PERCENT),
					     .any = BYTES(LOWER) | BYTES(UPPER),
					     .least = 6,
					     .run = run_u};
