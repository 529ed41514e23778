// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/bytes.h"

#define U        BYTE_UPPER
#define L        BYTE_LOWER
#define D        BYTE_DIGIT
#define C        BYTE_CONTROL
#define H        BYTE_HIGH
#define EIGHT(g) g, g, g, g, g, g, g, g
#define HIGH32   EIGHT(H), EIGHT(H), EIGHT(H), EIGHT(H)

const uint8_t bytes_group[256] = {
	// clang-format off
	BYTE_NUL, C, C, C, C, C, C, C, C, BYTE_TAB, BYTE_LF, C, C, BYTE_CR, C, C,
	EIGHT(C), EIGHT(C),
	BYTE_SPACE, BYTE_BANG, BYTE_DQUOTE, BYTE_HASH, BYTE_DOLLAR, BYTE_PERCENT, BYTE_AMP, BYTE_QUOTE,
	BYTE_LPAREN, BYTE_RPAREN, BYTE_STAR, BYTE_PLUS, BYTE_COMMA, BYTE_MINUS, BYTE_DOT, BYTE_SLASH,
	EIGHT(D), D, D, BYTE_COLON, BYTE_SEMICOLON, BYTE_LT, BYTE_EQ, BYTE_GT, BYTE_QUESTION,
	BYTE_AT, U, U, U, U, U, U, U, EIGHT(U), EIGHT(U), U, U, U,
	BYTE_LBRACKET, BYTE_BACKSLASH, BYTE_RBRACKET, BYTE_CARET, BYTE_UNDERSCORE,
	BYTE_BACKTICK, L, L, L, L, L, L, L, EIGHT(L), EIGHT(L), L, L, L,
	BYTE_LBRACE, BYTE_BAR, BYTE_RBRACE, BYTE_TILDE, C,
	HIGH32, HIGH32, HIGH32, HIGH32,
	// clang-format on
};

uint64_t bytes_set(const uint8_t *p, size_t len)
{
	uint64_t a = 0, b = 0;
	size_t i = 0;

	for (; i + 4 <= len; i += 4) {
		a |= UINT64_C(1) << bytes_group[p[i]] | UINT64_C(1) << bytes_group[p[i + 1]];
		b |= UINT64_C(1) << bytes_group[p[i + 2]] | UINT64_C(1) << bytes_group[p[i + 3]];
	}
	for (; i < len; i++)
		a |= UINT64_C(1) << bytes_group[p[i]];
	return a | b;
}
