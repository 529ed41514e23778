// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void signs_are_in_the_order_of_their_codes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 32; i++)
		assert_int_equal(bytes_group[(uint8_t)BYTES_SIGNS[i]], i);
	assert_int_equal(BYTE_DIGIT, 32);
}

static unsigned group_of(unsigned c)
{
	if (c >= '0' && c <= '9')
		return BYTE_DIGIT;
	if (c >= 'A' && c <= 'Z')
		return BYTE_UPPER;
	if (c >= 'a' && c <= 'z')
		return BYTE_LOWER;
	if (c >= 0x80)
		return BYTE_HIGH;
	switch (c) {
	case 0:
		return BYTE_NUL;
	case '\t':
		return BYTE_TAB;
	case '\n':
		return BYTE_LF;
	case '\r':
		return BYTE_CR;
	case ' ':
		return BYTE_SPACE;
	default:
		return c < ' ' || c == 0x7f ? BYTE_CONTROL
					    : (unsigned)(strchr(BYTES_SIGNS, (int)c) - BYTES_SIGNS);
	}
}

static void each_byte_has_its_group_wherever_it_stands(void **state)
{
	uint8_t text[9];

	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		assert_int_equal(bytes_group[c], group_of(c));
		for (unsigned at = 0; at < sizeof(text); at++) {
			memset(text, 'x', sizeof(text));
			text[at] = (uint8_t)c;
			assert_true(bytes_set(text, sizeof(text)) ==
				    (BYTES(LOWER) | UINT64_C(1) << group_of(c)));
			assert_true(bytes_set(text, at) == (at > 0 ? BYTES(LOWER) : 0));
		}
	}
}

static void finds_two_bytes_wherever_they_stand(void **state)
{
	uint8_t text[70];

	(void)state;
	for (unsigned len = 0; len <= sizeof(text); len++) {
		memset(text, 'a', sizeof(text));
		assert_null(bytes_find2(text, len, 'a', 'b'));
		for (unsigned at = 0; at + 2 <= len; at++) {
			memset(text, 'a', sizeof(text));
			text[at + 1] = 'b';
			assert_ptr_equal(bytes_find2(text, len, 'a', 'b'), text + at);
			assert_null(bytes_find2(text, at + 1, 'a', 'b'));
		}
	}
}

static void finds_and_skips_each_class(void **state)
{
	static const struct bytes_class class[] = {
#define CLASS(g) [BYTE_##g] = BYTES_CLASS(BYTES(g))
		CLASS(BANG),      CLASS(DQUOTE), CLASS(HASH),       CLASS(DOLLAR),
		CLASS(PERCENT),   CLASS(AMP),    CLASS(QUOTE),      CLASS(LPAREN),
		CLASS(RPAREN),    CLASS(STAR),   CLASS(PLUS),       CLASS(COMMA),
		CLASS(MINUS),     CLASS(DOT),    CLASS(SLASH),      CLASS(COLON),
		CLASS(SEMICOLON), CLASS(LT),     CLASS(EQ),         CLASS(GT),
		CLASS(QUESTION),  CLASS(AT),     CLASS(LBRACKET),   CLASS(BACKSLASH),
		CLASS(RBRACKET),  CLASS(CARET),  CLASS(UNDERSCORE), CLASS(BACKTICK),
		CLASS(LBRACE),    CLASS(BAR),    CLASS(RBRACE),     CLASS(TILDE),
		CLASS(DIGIT),     CLASS(UPPER),  CLASS(LOWER),      CLASS(SPACE),
		CLASS(TAB),       CLASS(LF),     CLASS(CR),         CLASS(NUL),
		CLASS(CONTROL),
	};
	uint8_t text[40];

	(void)state;
	for (unsigned g = 0; g < BYTE_HIGH; g++)
		for (unsigned c = 0; c < 256; c++)
			for (unsigned at = 0; at < sizeof(text); at += 13) {
				memset(text, 0xff, sizeof(text));
				text[at] = (uint8_t)c;
				assert_ptr_equal(bytes_find(text, text + sizeof(text), &class[g]),
						 bytes_group[c] == g ? text + at
								     : text + sizeof(text));
				assert_ptr_equal(
					bytes_skip(text + at, text + sizeof(text), &class[g]),
					text + at + (bytes_group[c] == g));
			}
	memset(text, ';', sizeof(text));
	assert_ptr_equal(bytes_skip(text, text + 39, &class[BYTE_SEMICOLON]), text + 39);
	assert_ptr_equal(bytes_find(text, text, &class[BYTE_SEMICOLON]), text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signs_are_in_the_order_of_their_codes),
		cmocka_unit_test(each_byte_has_its_group_wherever_it_stands),
		cmocka_unit_test(finds_two_bytes_wherever_they_stand),
		cmocka_unit_test(finds_and_skips_each_class),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
