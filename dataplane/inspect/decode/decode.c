// SPDX-License-Identifier: BSD-3-Clause
//
// The decoders on one node: what it holds by its format, then what stands for other text.

#include "dataplane/inspect/decode/decode.h"

#include "dataplane/inspect/inspect_priv.h"

#define ESCAPED (BYTES(PERCENT) | BYTES(PLUS) | BYTES(AMP) | BYTES(BACKSLASH))
#define ODD     (BYTES(HIGH) | BYTES(NUL) | BYTES(CONTROL))
#define LANGUAGE                                                                                   \
	(BYTES(QUOTE) | BYTES(DQUOTE) | BYTES(BACKSLASH) | BYTES(CARET) | BYTES(BACKTICK) |        \
	 BYTES(DOLLAR) | BYTES(LBRACE) | BYTES(LPAREN) | BYTES(COMMA) | BYTES(STAR))
#define PUNCTUATION                                                                                \
	(BYTES(EQ) | BYTES(COLON) | BYTES(LT) | BYTES(LBRACKET) | BYTES(LBRACE) | BYTES(SLASH))

#define MEMBERS 6

// Decoders that have no business with a text without one of these bytes. Every value comes here, and most
// have none of most.
static const struct family {
	uint64_t any;
	const struct decoder *decoder[MEMBERS];
} families[] = {
	{ESCAPED,
	 {&decode_percent_ops, &decode_percent_u_ops, &decode_html_ops, &decode_js_ops,
	  &decode_json_ops, &decode_utf7_ops}},
	{BYTES(UPPER) | BYTES(LOWER) | BYTES(DIGIT), {&decode_base64_ops, &decode_hex_ops}},
	{ODD, {&decode_charset_ops, &decode_utf16_ops, &decode_nul_ops, &decode_gzip_ops}},
	{LANGUAGE, {&decode_comment_ops, &decode_shell_ops, &decode_sql_ops}},
};

// Encodings of whole files.
static const struct decoder *const of_files[] = {&decode_utf16_ops, &decode_gzip_ops};

static bool wants(const struct decoder *d, const struct inspect_node *n)
{
	return n->len >= d->least && (d->any == 0 || (n->set & d->any) != 0) &&
	       (n->set & d->all) == d->all && (d->only == 0 || (n->set & ~d->only) == 0);
}

// Bytes that are no text: a picture, a Java stream. They hold no encodings that a server would undo but those
// of whole files; a script in a picture is read as it stands. Only what is no value of a form is taken for
// such: there a few odd bytes must not hide the rest.
#define SAMPLE 512

static bool is_binary(const struct inspect_node *n)
{
	static const struct bytes_class controls = BYTES_CLASS(BYTES(NUL) | BYTES(CONTROL));
	const uint8_t *p = n->p, *end = p + (n->len < SAMPLE ? n->len : SAMPLE);
	size_t count = 0;

	if ((n->set & (BYTES(NUL) | BYTES(CONTROL))) != (BYTES(NUL) | BYTES(CONTROL)))
		return false;
	if (n->place != PLACE_FILE && n->place != PLACE_BODY && n->decoder != DECODE_BASE64 &&
	    n->decoder != DECODE_BASE64URL && n->decoder != DECODE_HEX)
		return false;
	for (; (p = bytes_find(p, end, &controls)) < end; p++)
		count++;
	return count * 16 >= (size_t)(end - n->p);
}

static void try_all(struct inspect *in, const struct inspect_node *n,
		    const struct decoder *const *list, size_t count)
{
	for (size_t i = 0; i < count && list[i] != NULL; i++)
		if (wants(list[i], n))
			list[i]->run(in, n);
}

void decode_node(struct inspect *in, const struct inspect_node *n)
{
	if (n->depth >= in->limits.depth)
		return;
	if (is_binary(n)) {
		try_all(in, n, of_files, sizeof(of_files) / sizeof(of_files[0]));
		return;
	}
	if ((n->set & PUNCTUATION) != 0 && decode_nested(in, n)) {
		in->node[n - in->node].split = true;
		return;
	}
	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++)
		if ((n->set & families[f].any) != 0)
			try_all(in, n, families[f].decoder, MEMBERS);
}
