// SPDX-License-Identifier: BSD-3-Clause
//
// Base64 (RFC 4648, sections 4 and 5). Every seventh harmless request has a value that could be Base64: a
// session, a hash, a word. So the first bytes are decoded and looked at before the rest; what does not
// begin as text or as a format that somebody could run is given up after some 20 ns. What has no upper-case
// letter is not even tried: text with a sign or a blank in it has one, so that words, lower-case hashes
// and UUIDs cost nothing.

#include "dataplane/inspect/decode/decode.h"

#include <string.h>

#define PAD    0x40
#define BLANK  0x41 // the + that a form made a blank of
#define SKIP   0x42
#define BAD    0xff
#define SNIFF  32 // characters that are decoded first
#define RUNS   4  // of Base64 within a text that are tried
#define BESIDE 12 // least length of Base64 that stands beside something else

#define B4  BAD, BAD, BAD, BAD
#define B16 B4, B4, B4, B4

static const uint8_t sextet[256] = {
	// clang-format off
	B4, B4, BAD, SKIP, SKIP, BAD, BAD, SKIP, BAD, BAD, B16,
	BLANK, BAD, BAD, BAD, B4, BAD, BAD, BAD, 62, BAD, 62, BAD, 63,
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, BAD, BAD, BAD, PAD, BAD, BAD,
	BAD, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, B4, 63,
	BAD, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, B4, BAD,
	B16, B16, B16, B16, B16, B16, B16, B16,
	// clang-format on
};

#define ALPHABET                                                                                   \
	(BYTES_WORD | BYTES(PLUS) | BYTES(SLASH) | BYTES(EQ) | BYTES(MINUS) | BYTES(UNDERSCORE))

static const struct bytes_class alphabet = BYTES_CLASS(ALPHABET);

static bool is_alphabet(uint8_t c)
{
	return sextet[c] <= PAD;
}

// Groups of four without anything between them, as far as they go. Returns how many characters.
static size_t whole_groups(const uint8_t *p, size_t len, uint8_t *out)
{
	size_t i = 0;

	for (; i + 4 <= len; i += 4, out += 3) {
		uint32_t a = sextet[p[i]], b = sextet[p[i + 1]], c = sextet[p[i + 2]],
			 d = sextet[p[i + 3]];

		if (((a | b | c | d) & 0xc0) != 0)
			break;
		a = a << 18 | b << 12 | c << 6 | d;
		out[0] = (uint8_t)(a >> 16);
		out[1] = (uint8_t)(a >> 8);
		out[2] = (uint8_t)a;
	}
	return i;
}

size_t decode_base64(const uint8_t *p, size_t len, uint8_t *out)
{
	bool lines = memchr(p, '\n', len) != NULL; // before out, which may be p, is written
	size_t i = whole_groups(p, len, out), n = i / 4 * 3, pads = 0, digits = i;
	uint32_t group = 0;

	for (; i < len; i++) {
		uint8_t v = sextet[p[i]];

		if (v == SKIP || (v == BLANK && lines))
			continue;
		if (v == BLANK)
			v = 62;
		if (v == PAD) {
			pads++;
			continue;
		}
		if (v == BAD || pads > 0)
			return 0;
		group = group << 6 | v;
		if ((++digits & 3) == 0) {
			out[n++] = (uint8_t)(group >> 16);
			out[n++] = (uint8_t)(group >> 8);
			out[n++] = (uint8_t)group;
		}
	}
	if ((digits & 3) == 1 || pads > 2 || (pads > 0 && ((digits + pads) & 3) != 0))
		return 0;
	if ((digits & 3) == 2)
		out[n++] = (uint8_t)(group >> 4);
	if ((digits & 3) == 3) {
		out[n++] = (uint8_t)(group >> 10);
		out[n++] = (uint8_t)(group >> 2);
	}
	return n;
}

// ---- where it may stand --------------------------------------------------------------------------

static bool is_plausible(const uint8_t *p, size_t len)
{
	bool big_endian;

	return len >= 3 && (decode_is_text(p, len) || decode_is_known(p, len) ||
			    decode_is_utf16(p, len, &big_endian));
}

// Is it worth decoding? The first characters say: of random bytes more than half are neither ASCII nor
// UTF-8, and most are given up after eight characters.
static bool begins_well(const uint8_t *p, size_t len)
{
	uint8_t head[SNIFF / 4 * 3];
	unsigned bad = 0, zero = 0;
	size_t n;

	if (len < 8 || whole_groups(p, 8, head) < 8)
		return true; // line ends or blanks at its start
	for (unsigned i = 0; i < 6; i++) {
		zero += head[i] == 0;
		bad += head[i] < ' ' && head[i] != '\n' && head[i] != '\r' && head[i] != '\t';
		bad += head[i] >= 0x7f && head[i] < 0xc2 && (i == 0 || head[i - 1] < 0x80);
		bad += head[i] >= 0xf5;
	}
	if (bad > 1 && zero < 2 && !decode_is_known(head, 6))
		return false;
	n = whole_groups(p, len < SNIFF ? len & ~(size_t)3 : SNIFF, head);
	return n < 4 || is_plausible(head, n / 4 * 3);
}

static bool try(struct inspect *in, const struct inspect_node *n, const uint8_t *p, size_t len)
{
	uint8_t *room;
	size_t out;
	bool url;

	if (len < 4 || !begins_well(p, len))
		return false;
	url = memchr(p, '-', len) != NULL || memchr(p, '_', len) != NULL;
	if (url && (memchr(p, '+', len) != NULL || memchr(p, '/', len) != NULL))
		return false; // no alphabet has both
	room = inspect_node_room(in, len);
	out = room != NULL ? decode_base64(p, len, room) : 0;
	if (out == 0 || !is_plausible(room, out))
		return false;
	inspect_node_add(in, n, url ? DECODE_BASE64URL : DECODE_BASE64, n->place, room, out);
	return true;
}

static size_t run_of(const uint8_t *p, const uint8_t *end)
{
	return (size_t)(bytes_skip(p, end, &alphabet) - p);
}

// "Basic dXNlcg==", "data:text/html;base64,PHNjcmlwdD4=": what stands behind the last other byte. The
// alphabet has the slash, so in a path it may be more than the last segment.
static void try_end(struct inspect *in, const struct inspect_node *n)
{
	const uint8_t *end = n->p + n->len, *p = end;

	while (p > n->p && is_alphabet(p[-1]))
		p--;
	if (p == n->p || end - p < BESIDE)
		return;
	try(in, n, p, (size_t)(end - p));
}

static void try_path(struct inspect *in, const struct inspect_node *n)
{
	const uint8_t *last = memrchr(n->p, '/', n->len), *end = n->p + n->len;

	if (n->p[0] == '/' && run_of(n->p + 1, end) == n->len - 1 && last != n->p)
		try(in, n, n->p + 1, n->len - 1);
	last = last != NULL ? last + 1 : n->p;
	if (end - last >= 8 && run_of(last, end) == (size_t)(end - last))
		try(in, n, last, (size_t)(end - last));
}

// A token of RFC 7519 has its header and its claims in plain sight: both are JSON.
static void try_jwt(struct inspect *in, const struct inspect_node *n)
{
	const uint8_t *p = n->p, *end = n->p + n->len;

	for (unsigned i = 0; i < 2 && p < end; i++) {
		size_t run = run_of(p, end);

		if (p + run == end || p[run] != '.')
			return;
		try(in, n, p, run);
		p += run + 1;
	}
}

static bool is_blank_or_quote(uint8_t c)
{
	return c <= ' ' || c == '\'' || c == '"' || c == ',';
}

// "base64" in any case, "b64"
static bool names_base64(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *q = p;

	while ((q = bytes_find2(q, (size_t)(end - q), '6', '4')) != NULL) {
		if (q > p && ((q[-1] | 0x20) == 'e' || (q[-1] | 0x20) == 'b'))
			return true;
		q += 2;
	}
	return false;
}

// PowerShell takes any beginning of -EncodedCommand: -e, -enc
static bool has_option_e(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *q = p;

	while (end - q >= 4 && (q = memchr(q, '-', (size_t)(end - q))) != NULL && end - q >= 4) {
		if ((q[1] | 0x20) == 'e' && q > p && is_blank_or_quote(q[-1]) &&
		    (is_blank_or_quote(q[2]) || (q[2] | 0x20) == 'n' || (q[2] | 0x20) == 'c'))
			return true;
		q++;
	}
	return false;
}

// Code or a command that brings its Base64 along: base64_decode('..'), echo .. | base64 -d, atob(".."),
// powershell -enc ..
static bool talks_of_base64(const struct inspect_node *n)
{
	const uint8_t *p = n->p, *end = p + n->len, *q;

	if ((n->set & BYTES(DIGIT)) != 0 && names_base64(p, end))
		return true;
	if ((n->set & BYTES(MINUS)) != 0 && has_option_e(p, end))
		return true;
	if ((n->set & BYTES(LPAREN)) == 0)
		return false;
	q = bytes_find2(p, n->len, 'b', '('); // atob(
	return q != NULL && q - p >= 3 && memcmp(q - 3, "ato", 3) == 0;
}

static void try_within(struct inspect *in, const struct inspect_node *n)
{
	const uint8_t *p = n->p, *end = p + n->len;
	unsigned left = RUNS;

	while (p < end && left > 0) {
		size_t run = run_of(p, end);

		if (run >= BESIDE && p + run < end && try(in, n, p, run))
			left--;
		p += run + 1;
	}
}

#define PLAIN (ALPHABET | BYTES_BLANK)

static void run(struct inspect *in, const struct inspect_node *n)
{
	if (n->place == PLACE_HEADER_NAME || n->place == PLACE_METHOD)
		return;
	if ((n->set & ~PLAIN) == 0) {
		if (try(in, n, n->p, n->len))
			return;
		if ((n->set & BYTES(SLASH)) != 0)
			try_path(in, n);
	}
	if (n->len < 2 * BESIDE)
		goto end;
	if ((n->set & BYTES(DOT)) != 0 && memcmp(n->p, "eyJ", 3) == 0) {
		try_jwt(in, n);
		return;
	}
	if ((n->set & ~PLAIN) != 0 && talks_of_base64(n))
		try_within(in, n);
end:
	if (n->len > BESIDE)
		try_end(in, n);
}

const struct decoder decode_base64_ops = {
	.name = "base64", .all = BYTES(UPPER), .least = 8, .run = run};
