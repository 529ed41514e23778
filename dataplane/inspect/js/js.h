// SPDX-License-Identifier: BSD-3-Clause
//
// inspect/js - what would this text do if a JavaScript engine ran it? A lexer and a parser of ECMAScript
// (ECMA-262, statements and expressions, cover grammars taken loosely) that look at what each operation
// touches: `top['al' + 'ert'](1)`, `alert.call(0, 1)`, alert`1` and `[1].map(alert)` all call alert.
//
// No tree is built: an expression gives a small value (a known object, a constant string, anything else),
// operations on it are noted as bits. Any bytes may come; time is linear (constant strings are judged once
// more where they are run as code), memory is a fixed struct, depth is bounded.
//
// Thread: any, no state is kept
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Where the text lands.
enum js_goal {
	JS_PROGRAM,  // it is the program
	JS_TEMPLATE, // an expression of a client-side template: no statements, filters: a | b:c
	JS_HANDLER, // it is the body of an event handler: the document's members are names in scope
	JS_REST, // it follows a string that was closed, at unknown depth: "-alert(1)-", ")});alert(1)//
};

// What an operation touches, bits of js_verdict.ops.
enum {
	// Run or steal something, have hardly any harmless use in a value:
	JS_OP_DIALOG = 1 << 0, // alert, confirm, prompt called
	JS_OP_EVAL = 1 << 1,   // eval, Function, timers with a string, constructor.constructor
	JS_OP_COMPUTED =
		1 << 2, // a member of the global object is called by a name that is worked out
	JS_OP_COOKIE = 1 << 3,   // document.cookie is read or written
	JS_OP_WRITE = 1 << 4,    // markup is written into the document
	JS_OP_LOCATION = 1 << 5, // the page is sent elsewhere
	JS_OP_FETCH = 1 << 6, // another resource is loaded or told: fetch, XMLHttpRequest, import()
	JS_OP_SYMBOLS = 1 << 7, // code of nothing but signs calls a member: [][(![]+[])[+[]]]()
	JS_OP_PROTOTYPE =
		1 << 25,     // what every string, array or object has from its prototype is changed
	JS_OP_PASS = 1 << 8, // a dialog or eval is handed on: onerror=alert, [1].map(eval)
	// Weaker:
	JS_OP_DOMAIN = 1 << 9, // document.domain and other facts about the page are read
	JS_OP_MOVE = 1 << 10,  // location = name
	JS_OP_PRINT =
		1 << 11, // print(), open(), stop(): windows, but words of other languages as well
	JS_OP_BUILD = 1 << 12,    // strings are made of codes: fromCharCode, atob, unescape
	JS_OP_NODE = 1 << 13,     // require(), process, module: a server's JavaScript
	JS_OP_SOURCE = 1 << 14,   // what the attacker gives is read: location.hash, name
	JS_OP_STORAGE = 1 << 15,  // localStorage, sessionStorage
	JS_OP_DOCUMENT = 1 << 24, // a method of the document is called, a part of it changed
	JS_OP_CODE = 1 << 26,     // a constant string that is grave code is given to a function
	// Shape:
	JS_OP_CALL = 1 << 16,
	JS_OP_ASSIGN = 1 << 17,
	JS_OP_THROW = 1 << 18,
	JS_OP_MEMBER = 1 << 19,
	JS_OP_INDEX = 1 << 20,
	JS_OP_FUNCTION = 1 << 21, // a function, arrow or class
	JS_OP_LOOP = 1 << 22,
	JS_OP_STRING = 1 << 23, // a string or template
};
#define JS_OPS_GRAVE                                                                               \
	(JS_OP_DIALOG | JS_OP_EVAL | JS_OP_COMPUTED | JS_OP_COOKIE | JS_OP_WRITE |                 \
	 JS_OP_LOCATION | JS_OP_FETCH | JS_OP_SYMBOLS | JS_OP_PASS | JS_OP_PROTOTYPE)
#define JS_OPS_ACT                                                                                 \
	(JS_OPS_GRAVE | JS_OP_MOVE | JS_OP_PRINT | JS_OP_CALL | JS_OP_ASSIGN | JS_OP_THROW |       \
	 JS_OP_DOCUMENT)

// How the text ended.
enum js_end {
	JS_END_WHOLE,   // as a program does
	JS_END_COMMENT, // in a comment that takes what the page has behind it
	JS_END_STRING,  // in a string that the page closes
	JS_END_MISSING, // more was needed: a bracket, an operand
	JS_END_ERROR,   // at something that cannot be
	JS_END_DEEP,    // too deep to tell
};

struct js_verdict {
	uint32_t ops;
	uint32_t used;   // bytes before the end or the error
	uint32_t tokens; // read without an error
	uint32_t names;  // of these, identifiers
	uint32_t at;     // where the gravest operation stands
	uint8_t end;     // enum js_end
};

// quote: JS_REST: of the string that was closed, 0: none was, the text follows an operand
void js_judge(const uint8_t *p, size_t len, enum js_goal goal, uint8_t quote,
	      struct js_verdict *out);

// It parses, or nothing but the page's own rest is missing.
static inline bool js_is_whole(const struct js_verdict *v)
{
	return v->end <= JS_END_STRING;
}
