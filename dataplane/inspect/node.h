// SPDX-License-Identifier: BSD-3-Clause
//
// inspect/node - a value of the request in one of its readings: bytes, how they were obtained, where they
// came from. Each root is a value as the message's parsers gave it; its children are decodings. The tree
// of one value is built, analysed and forgotten before the next value: only evidence stays.
#pragma once

#include "dataplane/http/message.h"
#include "dataplane/inspect/bytes.h"
#include "dataplane/inspect/inspect.h"

enum inspect_place {
#define INSPECT_PLACE(sym, name) PLACE_##sym,
#include "dataplane/inspect/places.def"
#undef INSPECT_PLACE
	PLACE_COUNT
};

enum inspect_decoder {
#define INSPECT_DECODER(sym, name) DECODE_##sym,
#include "dataplane/inspect/decode/decoders.def"
#undef INSPECT_DECODER
	DECODE_COUNT
};

#define NODE_NONE UINT16_MAX

struct inspect_node {
	const uint8_t *p; // not zero-terminated
	uint32_t len;
	uint16_t parent; // NODE_NONE: a root
	uint8_t decoder; // enum inspect_decoder, from the parent; a root: what the message's parser undid
	uint8_t depth; // decoders that changed the text, the root's parser not counted
	uint8_t place; // enum inspect_place
	bool split; // well-formed JSON: its values are readings, and no analyser sees the whole, nor that of a body
	bool cut; // the value goes on before or after these bytes (windows of a long body)
	struct http_bytes name; // of the parameter, header, key, file; empty: none
	uint64_t set;           // byte groups that occur, BYTES_*
	uint32_t hash;
};

// The message's parsers give a value: its tree is built and every analyser sees it. p and name may lie in
// scratch memory; what is allotted meanwhile is freed again.
void inspect_value(struct inspect *in, enum inspect_place place, struct http_bytes name,
		   const uint8_t *p, size_t len);
// how: what was undone to get it from the message, as %41 in a form. It is told with a verdict.
void inspect_value_decoded(struct inspect *in, enum inspect_decoder how, enum inspect_place place,
			   struct http_bytes name, const uint8_t *p, size_t len);

// ---- for decoders --------------------------------------------------------------------------------

// Bytes that a decoding may still have.
size_t inspect_node_left(const struct inspect *in);
// Room for a decoding of at most size bytes. NULL: the bounds of this value are reached, do not decode.
// It is taken by inspect_node_add(), else the next call gives the same bytes. inspect_scratch() in between
// gives them as well: ask for scratch first.
uint8_t *inspect_node_room(struct inspect *in, size_t size);
// What was written into the room is a child of n, unless it is what n or another node is already. p may
// also point into n or into scratch memory that is not freed.
void inspect_node_add(struct inspect *in, const struct inspect_node *n, enum inspect_decoder how,
		      enum inspect_place place, const uint8_t *p, size_t len);
// Likewise, a value with a name of its own: a key of JSON in a parameter.
void inspect_node_add_named(struct inspect *in, const struct inspect_node *n,
			    enum inspect_decoder how, enum inspect_place place,
			    struct http_bytes name, const uint8_t *p, size_t len);

// ---- for analysers -------------------------------------------------------------------------------

enum inspect_rule {
#define INSPECT_RULE(sym, class, points, name, text) RULE_##sym,
#include "dataplane/inspect/score/rules.def"
#undef INSPECT_RULE
	RULE_COUNT
};

// at, len: the bytes of n that say so. Each rule counts once for a value, whatever its reading.
void inspect_evidence(struct inspect *in, const struct inspect_node *n, enum inspect_rule rule,
		      size_t at, size_t len);
// Scratch memory of an analyser, until it returns. NULL: none left, look no further.
void *inspect_scratch(struct inspect *in, size_t size);
// Parsers and decoders, which run while others do, free what they took themselves.
uint32_t inspect_scratch_mark(const struct inspect *in);
void inspect_scratch_free(struct inspect *in, uint32_t mark);

// What it finds depends on nothing but the node and the readings it came from, so that a value that was
// seen before need not be seen again, and that the router may skip it.
struct inspect_analyser {
	const char *name;
	uint64_t any;    // a node without a byte of these groups cannot be of interest
	uint64_t all;    // nor one that lacks one of these
	uint32_t least;  // nor one shorter
	uint64_t places; // bits of enum inspect_place where it looks, router or not; 0: all
	const char *const *
		literals; // nor one in which none of these occurs (case does not matter), NULL-ended; NULL: no say
	void (*run)(struct inspect *in, const struct inspect_node *n);
};

// All analysers, in the order in which they run; NULL at the end (analysers.c).
extern const struct inspect_analyser *const inspect_analysers[];
