// SPDX-License-Identifier: BSD-3-Clause
//
// Characters in other forms: UTF-16 (RFC 2781), UTF-7 (RFC 2152), zero bytes that end a text for C or are
// dropped by a browser.

#include "dataplane/inspect/decode/decode.h"

#include <string.h>

static uint32_t unit(const uint8_t *p, bool big_endian)
{
	return big_endian ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

size_t decode_utf16(const uint8_t *p, size_t len, bool big_endian, uint8_t *out)
{
	size_t n = 0, i = 0;

	if (len >= 2 && unit(p, big_endian) == 0xfeff)
		i = 2;
	for (; i + 2 <= len; i += 2) {
		uint32_t point = unit(p + i, big_endian);

		if (point >> 10 == 0x36 && i + 4 <= len &&
		    unit(p + i + 2, big_endian) >> 10 == 0x37) {
			point = 0x10000 +
				((point & 0x3ff) << 10 | (unit(p + i + 2, big_endian) & 0x3ff));
			i += 2;
		}
		n += decode_utf8(point, out + n);
	}
	return n;
}

static void run_utf16(struct inspect *in, const struct inspect_node *n)
{
	bool big_endian;
	uint8_t *room;
	size_t len;

	if ((n->set & BYTES(NUL)) == 0 && (n->p[0] < 0xfe || n->p[1] < 0xfe))
		return; // no ASCII sign in it, or no UTF-16
	if (!decode_is_utf16(n->p, n->len, &big_endian))
		return;
	room = inspect_node_room(in, n->len / 2 * 3);
	if (room == NULL)
		return;
	len = decode_utf16(n->p, n->len, big_endian, room);
	if (decode_is_text(room, len))
		inspect_node_add(in, n, DECODE_UTF16, n->place, room, len);
}

const struct decoder decode_utf16_ops = {
	.name = "utf16", .any = BYTES(NUL) | BYTES(HIGH), .least = 4, .run = run_utf16};

// ---- UTF-7 ---------------------------------------------------------------------------------------

static int sextet(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// +ADw- : the UTF-16 of "<" in Base64 without padding, at p behind the plus. What is left over must be
// zero bits, and fewer than a sextet, and what comes out ASCII: nobody hides anything else, and "+49 30"
// and "C++" are no UTF-7. Returns the length used, 0: it is none.
static size_t shifted(const uint8_t *p, size_t left, uint8_t *out, size_t *out_len)
{
	uint32_t bits = 0, held = 0;
	size_t i = 0, n = 0;

	for (; i < left && sextet(p[i]) >= 0; i++) {
		bits = bits << 6 | (uint32_t)sextet(p[i]);
		held += 6;
		if (held >= 16) {
			uint32_t point = bits >> (held - 16) & 0xffff;

			if (point == 0 || point > 0x7e)
				return 0;
			out[n++] = (uint8_t)point;
			held -= 16;
			bits &= (1U << held) - 1;
		}
	}
	if (n == 0 || held >= 6 || bits != 0)
		return 0;
	*out_len = n;
	return i + (i < left && p[i] == '-');
}

static void run_utf7(struct inspect *in, const struct inspect_node *n)
{
	uint8_t *room;
	size_t len = 0, found = 0;

	if (bytes_find2(n->p, n->len, '+', 'A') == NULL) // ASCII begins with six zero bits
		return;
	room = inspect_node_room(in, n->len);
	if (room == NULL)
		return;
	for (size_t i = 0; i < n->len; i++) {
		size_t got, used = n->p[i] == '+'
					   ? shifted(n->p + i + 1, n->len - i - 1, room + len, &got)
					   : 0;

		if (used == 0) {
			room[len++] = n->p[i];
			continue;
		}
		found++;
		len += got;
		i += used;
	}
	if (found > 0)
		inspect_node_add(in, n, DECODE_UTF7, n->place, room, len);
}

const struct decoder decode_utf7_ops = {
	.name = "utf7", .all = BYTES(PLUS) | BYTES(UPPER), .least = 4, .run = run_utf7};

// ---- zero bytes ----------------------------------------------------------------------------------

static void run_nul(struct inspect *in, const struct inspect_node *n)
{
	const uint8_t *zero = memchr(n->p, 0, n->len);
	uint8_t *room;
	size_t len = 0;

	room = inspect_node_room(in, n->len);
	if (room == NULL)
		return;
	for (uint32_t i = 0; i < n->len; i++)
		if (n->p[i] != 0)
			room[len++] = n->p[i];
	inspect_node_add(in, n, DECODE_NUL, n->place, room, len);
	inspect_node_add(in, n, DECODE_NUL, n->place, n->p, (size_t)(zero - n->p));
}

const struct decoder decode_nul_ops = {
	.name = "nul", .all = BYTES(NUL), .least = 2, .run = run_nul};
