// SPDX-License-Identifier: BSD-3-Clause
//
// js/lex - tokens of ECMAScript (ECMA-262, section 12). The parser says when a slash begins a regular
// expression; templates are read piece by piece at its demand.
#pragma once

#include "dataplane/inspect/js/names.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum js_token {
	JS_T_END,
	JS_T_BAD,
	JS_T_NAME,
	JS_T_NUMBER,
	JS_T_STRING,
	JS_T_TEMPLATE, // the backtick that begins one
	JS_T_REGEX,
	JS_T_PUNCT,
};

// Up to four bytes of a punctuator, the first lowest.
#define JS_P1(a)          ((uint32_t)(a))
#define JS_P2(a, b)       (JS_P1(a) | (uint32_t)(b) << 8)
#define JS_P3(a, b, c)    (JS_P2(a, b) | (uint32_t)(c) << 16)
#define JS_P4(a, b, c, d) (JS_P3(a, b, c) | (uint32_t)(d) << 24)

#define JS_TEXT_MAX 64

struct js_lexer {
	const uint8_t *p, *end;
	const uint8_t *at; // the next byte
	// The token:
	const uint8_t *from;
	uint8_t kind; // enum js_token
	bool newline; // before it
	bool open;    // a string that ends with the text
	bool comment; // the text ends in a comment
	uint8_t quote;
	uint8_t text_len;
	uint8_t name; // enum js_name
	uint32_t punct;
	uint8_t text[JS_TEXT_MAX]; // a name or a string without its escapes, cut where it is longer
	uint32_t tokens, names;
};

void js_lex_init(struct js_lexer *l, const uint8_t *p, size_t len);
void js_lex_next(struct js_lexer *l);
// The token is a slash where an operand belongs: it becomes JS_T_REGEX or JS_T_BAD.
void js_lex_regex(struct js_lexer *l);
// Behind the backtick or the } of a substitution. Returns '`' at the end, '$' at a substitution, 0: open
uint8_t js_lex_template(struct js_lexer *l);
