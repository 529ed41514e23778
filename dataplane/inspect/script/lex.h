// SPDX-License-Identifier: BSD-3-Clause
//
// script/lex - tokens of the C family's expression languages.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum expr_token {
	EXPR_T_END,
	EXPR_T_NAME, // a $ or # right before it is told by sigil
	EXPR_T_NUMBER,
	EXPR_T_STRING,
	EXPR_T_SIGN,
	EXPR_T_BAD,
};

#define EXPR_TEXT_MAX 72

struct expr_lexer {
	const uint8_t *p, *end;
	const uint8_t *at; // the next byte
	const uint8_t *from;
	uint8_t kind; // enum expr_token
	uint8_t sign; // EXPR_T_SIGN: the byte; two-byte operators have `second`
	uint8_t second;
	uint8_t sigil; // '$' '#' or 0
	uint8_t quote;
	bool blank;       // before it
	bool newline;     // before it
	bool open;        // a string that ends with the text
	bool substituted; // a string with #{..} or ${..} in it
	uint8_t text_len;
	char text[EXPR_TEXT_MAX]; // a name, or a string without escapes, cut where it is longer
	uint32_t tokens;
};

void expr_lex_init(struct expr_lexer *l, const uint8_t *p, size_t len);
void expr_lex_next(struct expr_lexer *l);
