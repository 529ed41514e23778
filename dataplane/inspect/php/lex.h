// SPDX-License-Identifier: BSD-3-Clause
//
// php/lex - tokens of PHP 5 to 8 (manual, "Basic syntax", "Strings"), between the opening and the closing
// tag. Comments and blanks go before a token; that there was a comment is told, for names are taken apart
// from their parentheses with them.
//
// Any bytes may come. Each call moves on; an end within a string or comment is told as `open`.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum php_token_kind {
	PHP_T_END,   // of the text
	PHP_T_CLOSE, // ?> or %> is not told: the statement ends there as well
	PHP_T_VAR,   // $name; text: the name
	PHP_T_NAME,  // a word, with the backslashes of a namespace
	PHP_T_NUMBER,
	PHP_T_SINGLE, // '..'; text: what is between the quotes, as written
	PHP_T_DOUBLE, // ".." and heredocs
	PHP_T_BACKTICK,
	PHP_T_OP,  // sign: the first byte; len: of all of it
	PHP_T_BAD, // none of PHP's
};

struct php_token {
	uint8_t kind; // enum php_token_kind
	uint8_t sign; // of an operator
	bool comment; // one stands before it
	bool blank;   // blanks or a comment stand before it
	bool open;    // the text ends within it
	size_t from, to;
	const uint8_t *p; // text
	size_t len;
};

struct php_lex {
	const uint8_t *p;
	size_t len, at;
	size_t tokens; // read so far, long ones counted for more
};

void php_lex_next(struct php_lex *l, struct php_token *t);

static inline bool php_is_name(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' ||
	       c >= 0x80;
}
static inline bool php_is_name_start(uint8_t c)
{
	return php_is_name(c) && !(c >= '0' && c <= '9');
}
static inline bool php_is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}
