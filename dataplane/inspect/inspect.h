// SPDX-License-Identifier: BSD-3-Clause
//
// inspect - is this request an attack? Semantic inspection of HTTP requests: every value of a request is
// decoded as the servers behind would decode it, read by the grammars of the languages that could run
// it, and judged by what it would do there. No signatures, no I/O, no allocation while it works.
//
//	value -> tree of its decodings (decode/) -> analysers, one per language (sql/ html/ shell/ ...)
//	      -> evidence (score/rules.def) -> score per class -> verdict
//
//	inspect_begin(in, policy, &head);
//	while there is body: if (inspect_body(in, bytes, len)) break;   // enough is known to refuse it
//	inspect_end(in, &verdict);
#pragma once

#include "dataplane/http/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum inspect_class {
#define INSPECT_CLASS(sym, name, text) INSPECT_##sym,
#include "dataplane/inspect/score/classes.def"
#undef INSPECT_CLASS
	INSPECT_CLASSES
};

const char *inspect_class_name(enum inspect_class c); // "sql-injection"

// ---- policy: what is refused. Immutable once made, shared by all workers --------------------------

enum inspect_level {
	INSPECT_BALANCED, // refuses what is an attack
	INSPECT_STRICT,   // and what has few harmless readings
};

// Evidence of a class is left out where all that is given matches.
struct inspect_exception {
	const char *site;         // Host without port; NULL: any
	const char *path;         // prefix of the path as sent; NULL: any
	const char *parameter;    // name of the value; NULL: any
	enum inspect_class class; // INSPECT_CLASSES: every class
};

struct inspect_conf {
	enum inspect_level level;
	uint8_t threshold[INSPECT_CLASSES]; // 1 .. 100; 0: the level's
	bool off[INSPECT_CLASSES];
	bool no_router; // run every analyser on every value: for tests, verdicts are the same
	const struct inspect_exception *exception;
	uint32_t exceptions;
};

struct inspect_policy;

// Everything is copied. Errors: -EINVAL a threshold over 100 or an unknown class; -ENOMEM
int inspect_policy_create(const struct inspect_conf *conf, struct inspect_policy **out);
void inspect_policy_destroy(struct inspect_policy *p);

// ---- one request ---------------------------------------------------------------------------------

#define INSPECT_DECODERS_MAX 8  // on the way to a value
#define INSPECT_RULES_MAX    12 // told with a verdict

struct inspect_limits {
	uint32_t arena;  // bytes for one value and its decodings; 0: 1 MiB
	uint32_t nodes;  // decodings of one value; 0: 64
	uint32_t depth;  // decoders on top of each other; 0: 6
	uint32_t window; // bytes of a body looked at together; 0: 64 KiB
};

struct inspect;

// The context of one worker: all memory that inspection ever takes. Errors: -EINVAL, -ENOMEM
// Thread: what is made is used by one thread at a time
int inspect_create(const struct inspect_limits *limits, struct inspect **out);
void inspect_destroy(struct inspect *in);

struct inspect_verdict {
	bool block;
	enum inspect_class class; // of the highest score; INSPECT_CLASSES: no evidence at all
	uint8_t score;            // 0 .. 100
	char place[96];   // "query:id", "header:referer", "json:/patient/0/name", "file:report.doc"
	uint8_t decoders; // used on the way, in order
	uint8_t decoder[INSPECT_DECODERS_MAX]; // enum inspect_decoder, see inspect_decoder_name()
	uint8_t rules;
	uint16_t rule[INSPECT_RULES_MAX]; // evidence that was summed, see inspect_rule_text()
	uint32_t fragment_len;
	uint8_t fragment[160]; // decoded bytes around what was found
};

const char *inspect_decoder_name(unsigned decoder); // "base64"
const char *inspect_rule_name(unsigned rule);       // "sql-tautology"
const char *inspect_rule_text(unsigned rule);       // why it counts
unsigned inspect_rule_points(unsigned rule);

// head: borrowed until inspect_end(). policy: likewise.
// Returns: true: what was seen is enough to refuse the request
bool inspect_begin(struct inspect *in, const struct inspect_policy *policy,
		   const struct http_head *head);
// Bytes of the body, chunks and transfer codings taken off, in order. Returns as inspect_begin()
bool inspect_body(struct inspect *in, const uint8_t *bytes, size_t len);
// The rest, and the verdict. May be called early, after any of the calls above.
void inspect_end(struct inspect *in, struct inspect_verdict *out);
