// SPDX-License-Identifier: BSD-3-Clause
//
// inspect/bytes - which kinds of bytes a text has, as bits: the 32 printable ASCII signs one by one,
// letters, digits and the rest in groups. One pass over a value tells most analysers that it is not theirs.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Bits 0 .. 31: the signs in the order of their codes.
#define BYTES_SIGNS "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

enum {
	BYTE_BANG,
	BYTE_DQUOTE,
	BYTE_HASH,
	BYTE_DOLLAR,
	BYTE_PERCENT,
	BYTE_AMP,
	BYTE_QUOTE,
	BYTE_LPAREN,
	BYTE_RPAREN,
	BYTE_STAR,
	BYTE_PLUS,
	BYTE_COMMA,
	BYTE_MINUS,
	BYTE_DOT,
	BYTE_SLASH,
	BYTE_COLON,
	BYTE_SEMICOLON,
	BYTE_LT,
	BYTE_EQ,
	BYTE_GT,
	BYTE_QUESTION,
	BYTE_AT,
	BYTE_LBRACKET,
	BYTE_BACKSLASH,
	BYTE_RBRACKET,
	BYTE_CARET,
	BYTE_UNDERSCORE,
	BYTE_BACKTICK,
	BYTE_LBRACE,
	BYTE_BAR,
	BYTE_RBRACE,
	BYTE_TILDE,
	BYTE_DIGIT,
	BYTE_UPPER,
	BYTE_LOWER,
	BYTE_SPACE,
	BYTE_TAB,
	BYTE_LF,
	BYTE_CR,
	BYTE_NUL,
	BYTE_CONTROL, // other controls and DEL
	BYTE_HIGH,    // 0x80 and more
};

#define BYTES(b)    (UINT64_C(1) << BYTE_##b)
#define BYTES_WORD  (BYTES(DIGIT) | BYTES(UPPER) | BYTES(LOWER))
#define BYTES_BLANK (BYTES(SPACE) | BYTES(TAB) | BYTES(LF) | BYTES(CR))

// Bit number of a byte's group.
extern const uint8_t bytes_group[256];

// The groups that occur in a text.
uint64_t bytes_set(const uint8_t *p, size_t len);

// The first place where b follows a; NULL: none. 16 bytes at a time.
const uint8_t *bytes_find2(const uint8_t *p, size_t len, uint8_t a, uint8_t b);
