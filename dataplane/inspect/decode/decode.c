// SPDX-License-Identifier: BSD-3-Clause
//
// The decoders on one node, in the order in which servers undo things: what every web server does first.

#include "dataplane/inspect/decode/decode.h"

#include "dataplane/inspect/inspect_priv.h"

static const struct decoder *const decoders[] = {
	&decode_percent_ops, &decode_percent_u_ops, &decode_html_ops,  &decode_js_ops,
	&decode_json_ops,    &decode_base64_ops,    &decode_hex_ops,   &decode_charset_ops,
	&decode_utf16_ops,   &decode_utf7_ops,      &decode_nul_ops,   &decode_gzip_ops,
	&decode_nested_ops,  &decode_comment_ops,   &decode_shell_ops, &decode_sql_ops,
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
	for (size_t i = 0; i < sizeof(decoders) / sizeof(decoders[0]); i++)
		if (wants(decoders[i], n))
			decoders[i]->run(in, n);
}
