// SPDX-License-Identifier: BSD-3-Clause
//
// Java's object serialisation stream (Java Object Serialization Specification, chapter 6), read far enough
// to name the classes in it:
//
//	AC ED 00 05   73 72 00 11 java.util.HashMap ...    TC_OBJECT TC_CLASSDESC length name
//
// and pieces of one in Base64 that were cut at any byte: what a filter sees of a stream in a longer text.

#include "dataplane/inspect/java/object.h"

#include <string.h>
#include <strings.h>

#define CLASSES_MAX 64

enum {
	TC_NULL = 0x70,
	TC_CLASSDESC = 0x72,
	TC_PROXYCLASSDESC = 0x7d,
	TC_ENUM = 0x7e,
};

static bool is_class_name(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t c = p[i];

		if (!((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && !(c >= '0' && c <= '9') &&
		    c != '.' && c != '$' && c != '_' && c != '[' && c != ';' && c != '/')
			return false;
	}
	return len > 0;
}

// Classes that are described from p on. They stand where they stand: nothing before is skipped over.
static void name_classes(struct inspect *in, const struct inspect_node *n, const uint8_t *p)
{
	const uint8_t *end = n->p + n->len;
	unsigned classes = 0;

	while (classes < CLASSES_MAX && end - p > 3 &&
	       (p = memchr(p, TC_CLASSDESC, (size_t)(end - p))) != NULL && end - p > 3) {
		size_t len = (size_t)p[1] << 8 | p[2];

		p += 3;
		if (len > (size_t)(end - p) || len > 256 || !is_class_name(p, len))
			continue;
		classes++;
		inspect_evidence(in, n, RULE_STREAM_CLASS, (size_t)(p - n->p), len);
		if (java_class_kind((const char *)p, len) == CLASS_GADGET)
			inspect_evidence(in, n, RULE_STREAM_GADGET, (size_t)(p - n->p), len);
		p += len;
	}
}

static void judge_stream(struct inspect *in, const struct inspect_node *n)
{
	const uint8_t *p = n->p, *end = p + n->len;

	while ((p = bytes_find2(p, (size_t)(end - p), 0xac, 0xed)) != NULL) {
		p += 2;
		if (end - p < 2 || p[0] != 0 || p[1] != 5)
			continue;
		p += 2;
		if (p == end || (*p >= TC_NULL && *p <= TC_ENUM)) {
			inspect_evidence(in, n, RULE_STREAM_HEAD, (size_t)(p - 4 - n->p), 4);
			name_classes(in, n, p);
		}
	}
}

// ---- pieces in Base64 ----------------------------------------------------------------------------

#define PIECE_MIN 6
#define PIECE_MAX 44 // signs that are read
#define SHIFTS    3
#define FIRST     "\xac\x63\x66\x77\x69\x70\x72\x43\x46\x57\x49\x50\x52" // of what is looked for

static int digit(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

// What stands behind `shift` bytes that were cut off. Returns the length, at most that of PIECE_MAX signs
static size_t decode_piece(const uint8_t *p, size_t len, unsigned shift, uint8_t *out)
{
	uint32_t bits = 0;
	unsigned have = shift * 6;
	size_t n = 0, skip = shift;

	for (size_t i = 0; i < len && i < PIECE_MAX && digit(p[i]) >= 0; i++) {
		bits = bits << 6 | (uint32_t)digit(p[i]);
		for (have += 6; have >= 8; have -= 8) {
			if (skip > 0)
				skip--;
			else
				out[n++] = (uint8_t)(bits >> (have - 8));
		}
	}
	return n;
}

static bool is_telling_piece(const uint8_t *p, size_t len)
{
	static const struct {
		uint8_t len;
		const char *text;
	} names[] = {
		{16, "clonetransformer"},       {10, "forclosure"},
		{12, "whileclosure"},           {18, "instantiatefactory"},
		{22, "instantiatetransformer"}, {18, "invokertransformer"},
		{21, "prototypeclonefactory"},  {29, "prototypeserializationfactory"},
		{14, "processbuilder"},         {7, "runtime"},
	};

	if (len < 4)
		return false;
	if (p[0] == 0xac && p[1] == 0xed && p[2] == 0 && p[3] == 5)
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (len >= names[i].len &&
		    strncasecmp((const char *)p, names[i].text, names[i].len) == 0)
			return true;
	return false;
}

// The value is such a piece from its first byte to its last.
static void judge_piece(struct inspect *in, const struct inspect_node *n)
{
	uint8_t out[PIECE_MAX];
	int a = digit(n->p[0]), b = digit(n->p[1]);

	if (a < 0 || b < 0)
		return;
	for (unsigned shift = 0; shift < SHIFTS; shift++) {
		uint8_t first = (uint8_t)((a << 6 | b) >> (4 - 2 * shift));
		size_t len;

		if (first == 0 || strchr(FIRST, first) == NULL)
			continue;
		len = decode_piece(n->p, n->len, shift, out);

		if (is_telling_piece(out, len)) {
			inspect_evidence(in, n, RULE_STREAM_PIECE, 0, n->len);
			return;
		}
	}
}

static void run(struct inspect *in, const struct inspect_node *n)
{
	const uint64_t base64 = BYTES_WORD | BYTES(PLUS) | BYTES(SLASH) | BYTES(EQ) | BYTES(MINUS) |
				BYTES(UNDERSCORE);

	if ((n->set & (BYTES(HIGH) | BYTES(NUL))) == (BYTES(HIGH) | BYTES(NUL)))
		judge_stream(in, n);
	else if ((n->set & ~base64) == 0 && (n->set & BYTES(UPPER)) != 0 && n->len >= PIECE_MIN &&
		 n->len <= PIECE_MAX)
		judge_piece(in, n);
}

const struct inspect_analyser inspect_java_stream = {
	.name = "java-stream",
	.any = BYTES(NUL) | BYTES(UPPER),
	.least = 4,
	.run = run,
};
