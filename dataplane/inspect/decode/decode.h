// SPDX-License-Identifier: BSD-3-Clause
//
// decode/decode - encodings undone, one file per family. Each decoder tells by itself whether it applies:
// the text must decode cleanly and change by it. Encoding alone is never evidence.
//
// Those that other files use by name write to `out`, which has room for what each of them says; they
// return the length. Unless it is said otherwise that is len bytes, and out may be p.
#pragma once

#include "dataplane/inspect/node.h"

// %41; form: + is a blank. What is no escape stays.
size_t decode_percent(const uint8_t *p, size_t len, bool form, uint8_t *out);
// HTML character references: named ones of ASCII signs, numeric ones with or without semicolon.
size_t decode_html(const uint8_t *p, size_t len, uint8_t *out);
// \x41 \u0041 \u{41} \101 \n, and \ before any other byte is dropped.
size_t decode_js(const uint8_t *p, size_t len, uint8_t *out);
// A JSON string without its quotes (RFC 8259, section 7). 0: it has what JSON does not know.
size_t decode_json(const uint8_t *p, size_t len, uint8_t *out);
// UTF-16 to UTF-8, a byte order mark and a last odd byte left out. out: 3 bytes for each 2, not p
size_t decode_utf16(const uint8_t *p, size_t len, bool big_endian, uint8_t *out);
// Base64 (RFC 4648, sections 4 and 5): either alphabet, padded or not; line ends are skipped, or where
// there are none a blank is the + that a form made of it. 0: it is none.
size_t decode_base64(const uint8_t *p, size_t len, uint8_t *out);

// ---- what decoders share -------------------------------------------------------------------------

extern const int8_t decode_digit[256]; // value of a hexadecimal digit; -1: none

// A code point as UTF-8, at most 4 bytes; lone surrogates and what is past the end become U+FFFD.
size_t decode_utf8(uint32_t point, uint8_t *out);
// Most bytes are printable ASCII or well-formed UTF-8; all of them in a short text.
bool decode_is_text(const uint8_t *p, size_t len);
// It begins as a format that decoders or analysers know: a Java stream, gzip, zip, ...
bool decode_is_known(const uint8_t *p, size_t len);
// Every second byte is zero, or there is a byte order mark. *big_endian is set on success.
bool decode_is_utf16(const uint8_t *p, size_t len, bool *big_endian);

// A text of another format: its values become readings. Returns: whether it is JSON, whole and well-formed,
// so that all there is to decode is in its values.
bool decode_nested(struct inspect *in, const struct inspect_node *n);

// One decoder as the tree tries it.
struct decoder {
	const char *name;
	uint64_t any;   // byte groups of which one must occur
	uint64_t all;   // those that all must
	uint64_t only;  // and those beside which none may; 0: no say
	uint32_t least; // length
	// Adds the readings it finds by inspect_node_add().
	void (*run)(struct inspect *in, const struct inspect_node *n);
};
extern const struct decoder decode_percent_ops, decode_percent_u_ops, decode_html_ops,
	decode_base64_ops, decode_hex_ops, decode_js_ops, decode_json_ops, decode_charset_ops,
	decode_utf16_ops, decode_utf7_ops, decode_nul_ops, decode_sql_ops, decode_comment_ops,
	decode_shell_ops, decode_gzip_ops;
