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
	void (*value)(struct split *s, enum inspect_place place, struct http_bytes name,
		      const uint8_t *p, size_t len, enum inspect_decoder how);
	struct inspect *in;
	const struct inspect_node *node; // the value that is split; NULL: the message itself
};

// a=b&c=d, with %41 and + undone in names and values. places: of a value and of a name.
void split_form(struct split *s, const uint8_t *p, size_t len, enum inspect_place value,
		enum inspect_place name);
// a=b; c=d, nothing undone.
void split_cookie(struct split *s, const uint8_t *p, size_t len);
// scheme://authority/path?query#fragment, or a part of it from the path on. places: of a parameter, of the rest.
void split_url(struct split *s, const uint8_t *p, size_t len, enum inspect_place query,
	       enum inspect_place rest);

// Formats that may be longer than a window. They use what is whole, say how much that was, and see the rest
// again with more behind it. force: use up everything (the end, or a full window): what is not whole is
// given as it is, its node marked cut. *state: zeroed at the start of the text.
struct split_state {
	uint8_t at; // the parser's own
	uint8_t depth;
	uint32_t path[16];
	uint8_t name[64]; // of the value that goes on in the next window
	uint8_t name_len;
};
size_t split_json(struct split *s, struct split_state *state, const uint8_t *p, size_t len,
		  bool force);
size_t split_xml(struct split *s, struct split_state *state, const uint8_t *p, size_t len,
		 bool force);
// boundary: without the leading dashes
size_t split_multipart(struct split *s, struct split_state *state, struct http_bytes boundary,
		       const uint8_t *p, size_t len, bool force);
size_t split_graphql(struct split *s, struct split_state *state, const uint8_t *p, size_t len,
		     bool force);
