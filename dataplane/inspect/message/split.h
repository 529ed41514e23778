// SPDX-License-Identifier: BSD-3-Clause
//
// message/split - a text that holds values: a query, a cookie, a URL, JSON, XML, a multipart body. Each
// parser gives what it finds to a sink, one value after the other, so that the same parser serves the
// message itself and a value that holds another format.
//
// All parsers take any bytes, never fail on them, and read each byte a bounded number of times. What their
// format does not allow is read as lenient servers do.
#pragma once

#include "dataplane/inspect/node.h"

struct split {
	// A value. p and name are good until the call returns; text that had to be decoded lies in room.
	// how: what was undone beside splitting (DECODE_PERCENT for %41 in a form), DECODE_NONE: nothing
	void (*value)(struct split *s, enum inspect_place place, struct http_bytes name,
		      const uint8_t *p, size_t len, enum inspect_decoder how);
	struct inspect *in;
	const struct inspect_node *node; // the value that is split; NULL: the message itself
	bool cut; // of the value that is given: it goes on before or after these bytes
};

// ---- texts that are whole ------------------------------------------------------------------------

// a=b&c=d, with %41 and + undone in names and values. places: of a value and of a name.
// Returns: a name is none that a program has, so that the list may be none: read it as a whole too.
bool split_form(struct split *s, const uint8_t *p, size_t len, enum inspect_place value,
		enum inspect_place name);
// a=b; c=d, nothing undone. Returns likewise.
bool split_cookie(struct split *s, const uint8_t *p, size_t len);
// scheme://authority/path?query#fragment, or a part of it from the path on. places: of a parameter, of the rest.
void split_url(struct split *s, const uint8_t *p, size_t len, enum inspect_place query,
	       enum inspect_place rest);

// ---- texts that may be longer than a window ------------------------------------------------------

enum split_end {
	SPLIT_WHOLE, // the text ends with these bytes: all is used
	SPLIT_PART,  // more will come: use what is whole
	SPLIT_FULL,  // more will come but there is no room for it: use at least half
};

#define SPLIT_LEVELS 32  // of nesting that have names; deeper ones are read too
#define SPLIT_PATH   256 // bytes of such a name, which is cut where it is longer
#define SPLIT_LEAF   96  // of those kept for the last part of it

// Where a parser stands between two calls: split_start() at the start of the text.
struct split_state {
	bool odd;   // what was read is not as its format has it: other readings are likely
	bool begun; // the parser's own, as all that follows
	uint8_t at, quote;
	uint32_t depth;
	uint64_t objects;             // bits: which levels have names rather than numbers
	uint32_t index[SPLIT_LEVELS]; // in an array
	uint16_t level[SPLIT_LEVELS]; // bytes of path that belong to it
	uint16_t path_len, file_len;  // of the value that is read
	uint8_t path[SPLIT_PATH];
	uint8_t file[SPLIT_PATH];
};

// Not all of it is cleared: it is started for many short values.
static inline void split_start(struct split_state *st)
{
	st->odd = st->begun = false;
	st->at = st->quote = 0;
	st->depth = 0;
	st->objects = 0;
	st->index[0] = 0;
	st->level[0] = st->path_len = st->file_len = 0;
}

// All return how many bytes were used; the rest is given again with more behind it. A value longer than
// what a call sees is given in pieces that overlap by split_overlap() and are marked cut.
static inline size_t split_overlap(size_t len)
{
	return len / 8 < 4096 ? len / 8 : 4096;
}

size_t split_form_part(struct split *s, struct split_state *state, const uint8_t *p, size_t len,
		       enum split_end end);
// RFC 8259, leniently: comments, single quotes, bare words, several texts in a row. Strings, keys and
// words that no JSON has; name: "/patient/0/name".
size_t split_json(struct split *s, struct split_state *state, const uint8_t *p, size_t len,
		  enum split_end end);
// Text with its CDATA, entities undone; name: "/ClinicalDocument/title", of an attribute "/a/b/@href".
// XML_MARKUP: all before the first element, later DTDs, processing instructions and comments.
size_t split_xml(struct split *s, struct split_state *state, const uint8_t *p, size_t len,
		 enum split_end end);
// boundary: without the two dashes before it. Fields as FORM, uploads as FILE_NAME and FILE
size_t split_multipart(struct split *s, struct split_state *state, struct http_bytes boundary,
		       const uint8_t *p, size_t len, enum split_end end);
// Strings of a query; name: of the argument.
size_t split_graphql(struct split *s, struct split_state *state, const uint8_t *p, size_t len,
		     enum split_end end);

// ---- for the parsers -----------------------------------------------------------------------------

// The sink of the message itself: each value becomes the root of a tree.
void split_root(struct split *s, enum inspect_place place, struct http_bytes name, const uint8_t *p,
		size_t len, enum inspect_decoder how);

// Likewise, and a query of GraphQL in it is read too.
void message_value(struct split *s, enum inspect_place place, struct http_bytes name,
		   const uint8_t *p, size_t len, enum inspect_decoder how);

// Room for decoded text, which stays while values are given, up to split_leave(). NULL: none is left.
uint32_t split_enter(struct split *s);
uint8_t *split_room(struct split *s, size_t size);
void split_leave(struct split *s, uint32_t mark);

// Escapes of JSON undone; those it does not know stay. Returns the length, at most len.
size_t split_json_unescape(const uint8_t *p, size_t len, uint8_t *out);

// The path of a state: one level down, up, and the name of what comes next in the current one.
void split_path_push(struct split_state *st, bool object);
void split_path_pop(struct split_state *st);
void split_path_name(struct split_state *st, const uint8_t *p, size_t len);
void split_path_index(struct split_state *st);
static inline struct http_bytes split_path(const struct split_state *st)
{
	return (struct http_bytes){st->path, st->path_len};
}
