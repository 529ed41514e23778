// SPDX-License-Identifier: BSD-3-Clause
//
// What decoders share: digits, UTF-8, and whether decoded bytes look like something that was meant.

#include "dataplane/inspect/decode/decode.h"

#include <string.h>

#define NONE8 -1, -1, -1, -1, -1, -1, -1, -1
#define NONE  NONE8, NONE8

const int8_t decode_digit[256] = {
	// clang-format off
	NONE, NONE, NONE,
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, -1, -1, -1, -1, -1, -1,
	-1, 10, 11, 12, 13, 14, 15, -1, NONE8, NONE,
	-1, 10, 11, 12, 13, 14, 15, -1, NONE8, NONE,
	NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE,
	// clang-format on
};

size_t decode_utf8(uint32_t point, uint8_t *out)
{
	if (point < 0x80) {
		out[0] = (uint8_t)point;
		return 1;
	}
	if (point < 0x800) {
		out[0] = (uint8_t)(0xc0 | point >> 6);
		out[1] = (uint8_t)(0x80 | (point & 0x3f));
		return 2;
	}
	if ((point >= 0xd800 && point < 0xe000) || point > 0x10ffff)
		point = 0xfffd;
	if (point < 0x10000) {
		out[0] = (uint8_t)(0xe0 | point >> 12);
		out[1] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (point & 0x3f));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | point >> 18);
	out[1] = (uint8_t)(0x80 | (point >> 12 & 0x3f));
	out[2] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
	out[3] = (uint8_t)(0x80 | (point & 0x3f));
	return 4;
}

// Length of the well-formed UTF-8 sequence of more than one byte at p; 0: none.
static size_t sequence(const uint8_t *p, size_t len)
{
	size_t need = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;

	if (*p < 0xc2 || *p > 0xf4 || need > len)
		return 0;
	for (size_t i = 1; i < need; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xf0 && p[1] < 0x90))
		return 0;
	return need;
}

static bool is_printable(uint8_t c)
{
	return (c >= ' ' && c < 0x7f) || c == '\t' || c == '\n' || c == '\r';
}

#define SHORT 16

bool decode_is_text(const uint8_t *p, size_t len)
{
	size_t bad = 0, n;

	for (size_t i = 0; i < len; i += n) {
		n = 1;
		if (is_printable(p[i]))
			continue;
		n = p[i] >= 0x80 ? sequence(p + i, len - i) : 0;
		if (n == 0) {
			n = 1;
			// a character that the end cuts is no fault
			if (p[i] < 0xc2 || len - i > 3)
				bad++;
		}
	}
	return len < SHORT ? bad == 0 : bad <= len / 4;
}

bool decode_is_known(const uint8_t *p, size_t len)
{
	static const struct {
		uint8_t len;
		const char *head;
	} known[] = {
		{4, "\xac\xed\x00\x05"}, // Java's serialisation, protocol version 5
		{3, "\x1f\x8b\x08"},     // gzip
		{4, "PK\x03\x04"},       // zip: jar, docx
		{2, "\x78\x9c"},         // zlib
		{2, "\x78\xda"},
		{5, "\x00\x01\x00\x00\x00"}, // .NET BinaryFormatter
		{2, "\xff\x01"},             // .NET LosFormatter
		{2, "\x80\x02"},             // Python pickle, protocols 2 to 5
		{2, "\x80\x03"},
		{2, "\x80\x04"},
		{2, "\x80\x05"},
		{3, "\x04\x08\x6f"}, // Ruby Marshal: an object
		{3, "\x04\x08\x5b"}, // an array
		{4, "\x7f"
		    "ELF"},
		{4, "GIF8"},
	};

	if (len < 2 || memchr("\xac\x1fPx\xff\x80\x04\x7fG", *p, 10) == NULL)
		return false;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (len >= known[i].len && memcmp(p, known[i].head, known[i].len) == 0)
			return true;
	return false;
}

bool decode_is_utf16(const uint8_t *p, size_t len, bool *big_endian)
{
	size_t pairs = (len < 128 ? len : 128) / 2, even = 0, odd = 0;

	if (len < 4)
		return false;
	*big_endian = p[0] == 0xfe && p[1] == 0xff;
	if (*big_endian || (p[0] == 0xff && p[1] == 0xfe))
		return true;
	for (size_t i = 0; i < pairs; i++) {
		even += p[2 * i] == 0;
		odd += p[2 * i + 1] == 0;
	}
	*big_endian = even > odd;
	return (even > odd ? even : odd) >= pairs - pairs / 4 &&
	       (even > odd ? odd : even) <= pairs / 8;
}
