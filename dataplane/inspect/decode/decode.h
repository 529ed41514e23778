// SPDX-License-Identifier: BSD-3-Clause
//
// decode/decode - encodings undone, one file per family. Each decoder tells by itself whether it applies:
// the text must decode cleanly and change by it. Encoding alone is never evidence.
//
// Those that other files use by name write to `out`, which has room for len bytes; they return the length.
#pragma once

#include "dataplane/inspect/node.h"

// %41; form: + is a blank. What is no escape stays.
size_t decode_percent(const uint8_t *p, size_t len, bool form, uint8_t *out);

// One decoder as the tree tries it.
struct decoder {
	const char *name;
	uint64_t any; // byte groups of which one must occur
	uint64_t all; // and those that all must
	uint32_t least;
	// Adds the readings it finds by inspect_node_add().
	void (*run)(struct inspect *in, const struct inspect_node *n);
};
extern const struct decoder decode_percent_ops, decode_html_ops, decode_base64_ops, decode_hex_ops,
	decode_js_ops, decode_charset_ops, decode_sql_ops, decode_shell_ops, decode_gzip_ops,
	decode_nested_ops;
