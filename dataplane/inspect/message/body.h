// SPDX-License-Identifier: BSD-3-Clause
//
// message/body - a body as it comes: its content coding undone, gathered in a window, split by its kind.
#pragma once

#include "dataplane/inspect/message/split.h"

#include <isa-l/igzip_lib.h>

enum body_kind {
	BODY_UNKNOWN, // not looked at yet
	BODY_RAW,     // none of those below: windows of it are values
	BODY_FORM,
	BODY_JSON,
	BODY_XML,
	BODY_MULTIPART,
	BODY_GRAPHQL,
};

struct body_form {
	enum body_kind kind;
	bool raw; // it may be something else as well: read it as it stands too
	uint8_t boundary_len;
	uint8_t boundary[200];
};

// What a body is by its Content-Type and by what it begins with: a server may go by either. p: its first
// bytes, all that there are or a window.
void body_kind(const struct http_head *h, const uint8_t *p, size_t len, struct body_form *out);

enum body_coding {
	CODING_NONE,
	CODING_GZIP,
	CODING_DEFLATE, // RFC 1950, or RFC 1951 as some clients have it
};

enum body_coding body_coding(const struct http_head *h, const uint8_t *p, size_t len);
// Does Content-Encoding name one that is not undone here?
bool body_coding_unknown(const struct http_head *h);
