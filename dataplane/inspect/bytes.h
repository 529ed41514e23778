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

// ---- looking for bytes, 16 at a time -------------------------------------------------------------

// The first place where b follows a; NULL: none.
const uint8_t *bytes_find2(const uint8_t *p, size_t len, uint8_t a, uint8_t b);

// The bytes of some groups, HIGH left out: for each low half of a byte the high halves, as bits.
//
//	static const struct bytes_class quotes = BYTES_CLASS(BYTES(QUOTE) | BYTES(DQUOTE));
struct bytes_class {
	uint8_t low[16];
};

// The first byte that is of the class, or is not; end: none.
const uint8_t *bytes_find(const uint8_t *p, const uint8_t *end, const struct bytes_class *c);
const uint8_t *bytes_skip(const uint8_t *p, const uint8_t *end, const struct bytes_class *c);

#define BYTES_BIT_(set, group, row) (((set) >> BYTE_##group & 1) << (row))
#define BYTES_LOW_(set, a, b, c, d, e, f, g, h)                                                    \
	(uint8_t)(BYTES_BIT_(set, a, 0) | BYTES_BIT_(set, b, 1) | BYTES_BIT_(set, c, 2) |          \
		  BYTES_BIT_(set, d, 3) | BYTES_BIT_(set, e, 4) | BYTES_BIT_(set, f, 5) |          \
		  BYTES_BIT_(set, g, 6) | BYTES_BIT_(set, h, 7))
#define BYTES_PLAIN_(set, sign)                                                                    \
	BYTES_LOW_(set, CONTROL, CONTROL, sign, DIGIT, UPPER, UPPER, LOWER, LOWER)
#define BYTES_CLASS(set)                                                                           \
	{                                                                                          \
		{                                                                                  \
			BYTES_LOW_(set, NUL, CONTROL, SPACE, DIGIT, AT, UPPER, BACKTICK, LOWER),   \
				BYTES_PLAIN_(set, BANG), BYTES_PLAIN_(set, DQUOTE),                \
				BYTES_PLAIN_(set, HASH), BYTES_PLAIN_(set, DOLLAR),                \
				BYTES_PLAIN_(set, PERCENT), BYTES_PLAIN_(set, AMP),                \
				BYTES_PLAIN_(set, QUOTE), BYTES_PLAIN_(set, LPAREN),               \
				BYTES_LOW_(set, TAB, CONTROL, RPAREN, DIGIT, UPPER, UPPER, LOWER,  \
					   LOWER),                                                 \
				BYTES_LOW_(set, LF, CONTROL, STAR, COLON, UPPER, UPPER, LOWER,     \
					   LOWER),                                                 \
				BYTES_LOW_(set, CONTROL, CONTROL, PLUS, SEMICOLON, UPPER,          \
					   LBRACKET, LOWER, LBRACE),                               \
				BYTES_LOW_(set, CONTROL, CONTROL, COMMA, LT, UPPER, BACKSLASH,     \
					   LOWER, BAR),                                            \
				BYTES_LOW_(set, CR, CONTROL, MINUS, EQ, UPPER, RBRACKET, LOWER,    \
					   RBRACE),                                                \
				BYTES_LOW_(set, CONTROL, CONTROL, DOT, GT, UPPER, CARET, LOWER,    \
					   TILDE),                                                 \
				BYTES_LOW_(set, CONTROL, CONTROL, SLASH, QUESTION, UPPER,          \
					   UNDERSCORE, LOWER, CONTROL),                            \
		}                                                                                  \
	}
