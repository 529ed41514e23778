// SPDX-License-Identifier: BSD-3-Clause
//
// buf - a byte string that grows, used to write XML.
//
// A failed allocation is remembered: writers need no check at each step, the one who uses the
// result asks `failed` once.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct ncd_buf {
	char *data; // NUL-terminated once anything was added, else NULL
	size_t len;
	size_t cap;
	bool failed; // memory ran out: the content is not complete
};

// Append bytes, a string, or formatted text.
// Thread:  any, one at a time for a buffer
void ncd_buf_add(struct ncd_buf *b, const char *data, size_t len);
void ncd_buf_str(struct ncd_buf *b, const char *s);
void ncd_buf_fmt(struct ncd_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// Append text with & < > " escaped; right in character data and in a double-quoted attribute.
// Control characters that XML 1.0 cannot carry (section 2.2) become U+FFFD.
void ncd_buf_xml(struct ncd_buf *b, const char *text);

// Forget the content, keep the memory.
void ncd_buf_reset(struct ncd_buf *b);

// Free the memory; the buffer is empty and may be used again.
void ncd_buf_fini(struct ncd_buf *b);
