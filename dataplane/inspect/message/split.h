// SPDX-License-Identifier: BSD-3-Clause
//
// message/split - a text that holds values: a query, a cookie, a URL, JSON, XML, a multipart body. Each
// parser gives what it finds to a sink, one value after the other, so that the same parser serves the
// message itself and a value that holds another format.
//
// All parsers take any bytes, never fail on them, and read each byte once or a bounded number of times.
#pragma once

#include "dataplane/inspect/node.h"

struct split {
	// A value. p and name are good until the call returns; text that had to be decoded lies in room.
	// how: what was undone beside splitting (DECODE_PERCENT for %41 in a form), DECODE_NONE: nothing
	void (*value)(struct split *s, enum inspect_place place, struct http_bytes name, const uint8_t *p, size_t len,
		      enum inspect_decoder how);
	struct inspect *in;
	const struct inspect_node *node; // the value that is split; NULL: the message itself
};

// a=b&c=d, with %41 and + undone in names and values. places: of a value and of a name.
void split_form(struct split *s, const uint8_t *p, size_t len, enum inspect_place value, enum inspect_place name);
// a=b; c=d, nothing undone.
void split_cookie(struct split *s, const uint8_t *p, size_t len);
// scheme://authority/path?query#fragment, or a part of it from the path on. places: of a parameter, of the rest.
void split_url(struct split *s, const uint8_t *p, size_t len, enum inspect_place query, enum inspect_place rest);
