// SPDX-License-Identifier: BSD-3-Clause
//
// js/parse - shared by the parser's files: stmt.c (statements, the entry), expr.c (expressions), value.c
// (what an operation touches).
#pragma once

#include "dataplane/inspect/js/js.h"
#include "dataplane/inspect/js/lex.h"

#define JS_DEPTH_MAX   48
#define JS_ALIASES_MAX 8
#define JS_CONST_MAX   41

// What is known of a value. What may be called or assigned carries its danger in the kind.
enum js_kind {
	JS_V_OTHER,
	JS_V_NUMBER,
	JS_V_STRING, // constant, the text is known
	JS_V_TEXT,   // a string that is worked out
	JS_V_REGEX,
	JS_V_INDEXED, // a member by a name that is worked out
	JS_V_GLOBAL,
	JS_V_DOCUMENT,
	JS_V_PART,   // of the document, or what a method of it gave
	JS_V_CHANGE, // a method that changes the document
	JS_V_LOCATION,
	JS_V_HREF, // location.href and its like
	JS_V_COOKIE,
	JS_V_DIALOG,
	JS_V_EVAL,
	JS_V_TIMER,
	JS_V_CONSTRUCTOR,
	JS_V_FUNCTION,  // Function itself
	JS_V_PROTOTYPE, // of a built-in
	JS_V_INHERITED, // a member of one
	JS_V_BUILT,     // a function made of a string
	JS_V_COMPUTED,  // a member of the global object or document by a worked out name
	JS_V_WRITE,
	JS_V_NAVIGATE,
	JS_V_FETCH,
	JS_V_OPENER, // what loads the URL that it is given: fetch, import, Worker
	JS_V_LOADER, // a constructor that loads: XMLHttpRequest
	JS_V_MARKUP, // innerHTML
	JS_V_SRC,
	JS_V_EVENT, // onerror and other slots for handlers
	JS_V_PRINT,
	JS_V_REFLECT,
	JS_V_BUILDER, // atob, String.fromCharCode
	JS_V_NODE,
};

struct js_value {
	uint8_t kind;  // enum js_kind
	bool list;     // an array or object that holds such a value
	bool object;   // with list: it has keys
	bool plain;    // a name and nothing else: at, size say which
	bool member;   // of something
	bool variable; // JS_V_COMPUTED: self[name], as other languages have it, too
	uint8_t key;   // list: of a key that names such a value: {alert: a}
	uint8_t len;   // JS_V_STRING, JS_V_REGEX: of text
	uint8_t text[JS_CONST_MAX];
	uint16_t size;
	const uint8_t *at;
};

struct js_alias {
	const uint8_t *at;
	uint16_t size;
	uint8_t kind;
};

struct js {
	struct js_lexer l;
	struct js_verdict *out;
	uint8_t goal; // enum js_goal
	uint8_t depth;
	uint8_t quote; // JS_REST: of the string that was closed
	bool nested;   // a constant string of another text is judged
	bool failed;
	bool index_of_sign; // a member whose name has neither names nor strings in it was taken
	uint8_t aliases;
	struct js_alias alias[JS_ALIASES_MAX];
};

static inline bool js_at(const struct js *j, uint32_t punct)
{
	return j->l.kind == JS_T_PUNCT && j->l.punct == punct;
}

static inline bool js_at_name(const struct js *j, enum js_name name)
{
	return j->l.kind == JS_T_NAME && j->l.name == name;
}

// The string that the text ends in is one that the page goes on with.
static inline bool js_page_closes(const struct js *j)
{
	return j->goal == JS_PROGRAM || j->goal == JS_TEMPLATE ||
	       (j->goal == JS_REST && j->l.quote == j->quote);
}

static inline bool js_take(struct js *j, uint32_t punct)
{
	if (!js_at(j, punct))
		return false;
	js_lex_next(&j->l);
	return true;
}

// The token cannot stand here: nothing more is read.
void js_fail(struct js *j, enum js_end why);
void js_expect(struct js *j, uint32_t punct);
bool js_enter(struct js *j); // false: too deep, js_fail() was called
void js_leave(struct js *j);

// expr.c
struct js_value js_expression(struct js *j); // with commas
struct js_value js_assignment(struct js *j);
struct js_value js_operand(struct js *j); // with members and calls behind it
// Operators that follow an operand that was read already.
void js_operators(struct js *j, struct js_value left);
void js_binding(struct js *j); // behind var, let, const, and of parameters

// stmt.c
void js_block(struct js *j);                // behind its {
void js_function(struct js *j, bool arrow); // parameters and body, or body alone
void js_class(struct js *j);

// value.c
void js_note(struct js *j, uint32_t ops);
struct js_value js_value_name(struct js *j);   // the token
struct js_value js_value_string(struct js *j); // the token, or the piece of a template
struct js_value js_value_add(struct js_value a, struct js_value b);
struct js_value js_value_member(struct js *j, struct js_value of, const uint8_t *text, size_t len);
struct js_value js_value_index(struct js *j, struct js_value of, struct js_value index);
// first: argument, JS_V_OTHER: none; args: how many
struct js_value js_value_call(struct js *j, struct js_value f, struct js_value first,
			      unsigned args);
void js_value_pass(struct js *j, struct js_value f, struct js_value arg);
void js_value_assign(struct js *j, struct js_value to, struct js_value v);
void js_value_import(struct js *j, struct js_value from);

// stmt.c: a constant string as a program of its own.
void js_judge_string(const uint8_t *p, size_t len, struct js_verdict *out);
