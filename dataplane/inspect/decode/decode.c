// SPDX-License-Identifier: BSD-3-Clause
//
// The decoders on one node, in the order in which servers undo things: what every web server does first.

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
	{PUNCTUATION, {&decode_nested_ops}},
	{LANGUAGE, {&decode_comment_ops, &decode_shell_ops, &decode_sql_ops}},
};

static bool wants(const struct decoder *d, const struct inspect_node *n)
{
	return n->len >= d->least && (d->any == 0 || (n->set & d->any) != 0) &&
	       (n->set & d->all) == d->all && (d->only == 0 || (n->set & ~d->only) == 0);
}

void decode_node(struct inspect *in, const struct inspect_node *n)
{
	if (n->depth >= in->limits.depth)
		return;
	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		if ((n->set & families[f].any) == 0)
			continue;
		for (size_t i = 0; i < MEMBERS && families[f].decoder[i] != NULL; i++)
			if (wants(families[f].decoder[i], n))
				families[f].decoder[i]->run(in, n);
	}
}
