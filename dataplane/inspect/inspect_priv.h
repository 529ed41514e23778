// SPDX-License-Identifier: BSD-3-Clause
//
// inspect_priv - the context of a worker, shared by the files of this folder and its message/ and score/.
#pragma once

#include "dataplane/inspect/node.h"

#define NODES_MAX    256
#define EVIDENCE_MAX 64
#define RULE_WORDS   16 // 1,024 rules

struct inspect_policy {
	uint8_t threshold[INSPECT_CLASSES];
	uint64_t off; // bits of enum inspect_class
	bool no_router;
	uint32_t exceptions;
	struct exception {
		char *site, *path, *parameter; // NULL: any
		uint64_t classes;              // bits
	} exception[];
};

// Values of heads that were found harmless: a worker sees the same few browsers again and again.
#define HARMLESS_SLOTS 256
#define HARMLESS_BYTES 248

// Names of parameters and keys, likewise: there are few, and each stands many times in a long body.
#define NAME_SLOTS 512
#define NAME_BYTES 29

struct harmless_name {
	uint8_t place, how, len;
	uint8_t bytes[NAME_BYTES];
};

struct harmless {
	uint8_t place, name_len;
	uint16_t len; // 0: empty
	uint8_t how;
	uint8_t bytes[HARMLESS_BYTES]; // the name, the value
};

struct evidence {
	uint16_t rule;
	uint16_t node;
	uint32_t at, len;
};

struct inspect {
	struct inspect_limits limits;
	const struct inspect_policy *policy;
	const struct http_head *head;
	uint32_t fields; // of the head that were looked at: those of a trailer come later
	// Exceptions whose site and path are this request's.
	uint32_t matching[16];
	uint32_t matchings;
	// The value that is looked at.
	uint64_t off; // classes that do not count for it
	uint16_t nodes;
	struct inspect_node node[NODES_MAX];
	uint32_t evidences;
	struct evidence evidence[EVIDENCE_MAX];
	uint64_t seen[RULE_WORDS];
	// Arena: decodings of the value, scratch of an analyser.
	uint8_t *arena;
	uint32_t used;
	uint32_t budget; // bytes that decodings of this value may still take
	uint32_t pool;   // and those of all values beside what each may by its own length
	bool bounded;    // this value met a bound, so another time it may show more
	bool cut;        // the value goes on before or after the bytes of the next root
	// What was found in the whole request.
	bool enough;
	uint8_t class_score[INSPECT_CLASSES];
	struct inspect_verdict verdict;
	void *router; // scratch
	struct harmless harmless[HARMLESS_SLOTS];
	struct harmless_name harmless_name[NAME_SLOTS];
	// message/: the parser of the body.
	struct body *body;
};

// value.c
void value_begin(struct inspect *in); // of a request
void inspect_root(struct inspect *in, enum inspect_decoder how, enum inspect_place place,
		  struct http_bytes name, const uint8_t *p, size_t len);

// score.c: what the value that was looked at showed goes into the verdict.
void score_value(struct inspect *in);
void score_begin(struct inspect *in);
void score_end(struct inspect *in, struct inspect_verdict *out);

// policy.c: exceptions of this request and, of those, of a value.
void policy_match_request(struct inspect *in);
uint64_t policy_off(const struct inspect *in, struct http_bytes parameter);

// Evidence of the head itself: how it is framed. Called when all of the message has been read.
void message_oddities(struct inspect *in);

// decode/decode.c: all decoders on one node, children are added.
void decode_node(struct inspect *in, const struct inspect_node *n);

// router.c: which analysers may be interested in a node. Bits: index in inspect_analysers[]
// Errors: -ENOMEM; -E2BIG too many analysers or literals; -ENOTSUP an empty literal, or this processor
int router_create(void);               // once in a process; calls again are cheap
int router_scratch_create(void **out); // of a context
void router_scratch_destroy(void *scratch);
uint64_t router_all(const struct inspect_node *n); // every analyser of its place
uint64_t router_select(struct inspect *in, const struct inspect_node *n);

// message/: values of the head; the body as it comes.
void message_begin(struct inspect *in); // of a request
void message_head(struct inspect *in);
void message_fields(struct inspect *in); // those that were not looked at yet: a trailer
void message_body(struct inspect *in, const uint8_t *p, size_t len);
void message_end(struct inspect *in);
int message_create(const struct inspect_limits *limits, struct body **out);
void message_destroy(struct body *b);
