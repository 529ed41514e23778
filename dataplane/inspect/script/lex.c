// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/script/lex.h"

#include "dataplane/inspect/decode/decode.h"

#include <string.h>

void expr_lex_init(struct expr_lexer *l, const uint8_t *p, size_t len)
{
	memset(l, 0, offsetof(struct expr_lexer, text));
	l->p = l->at = l->from = p;
	l->end = p + len;
	expr_lex_next(l);
}

static bool begins_name(uint8_t c)
{
	return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' || c >= 0x80;
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static void blanks(struct expr_lexer *l)
{
	const uint8_t *to;

	for (;; l->at++) {
		if (l->at == l->end)
			return;
		if (*l->at == '\n')
			l->newline = true;
		else if (*l->at == '/' && l->end - l->at > 1 && l->at[1] == '*') {
			to = memmem(l->at + 2, (size_t)(l->end - l->at - 2), "*/", 2);
			l->at = to != NULL ? to + 1 : l->end - 1;
		} else if (*l->at != ' ' && *l->at != '\t' && *l->at != '\r' && *l->at != '\f') {
			return;
		}
		l->blank = true;
	}
}

static void keep(struct expr_lexer *l, uint8_t c)
{
	if (l->text_len < EXPR_TEXT_MAX)
		l->text[l->text_len++] = (char)c;
}

static void name(struct expr_lexer *l)
{
	l->kind = EXPR_T_NAME;
	while (l->at < l->end && (begins_name(*l->at) || is_digit(*l->at) || *l->at == '$'))
		keep(l, *l->at++);
}

static void number(struct expr_lexer *l)
{
	l->kind = EXPR_T_NUMBER;
	while (l->at < l->end && (begins_name(*l->at) || is_digit(*l->at) ||
				  (*l->at == '.' && l->end - l->at > 1 && is_digit(l->at[1]))))
		l->at++;
}

// Behind \: x41 u0041 101, or a sign that stands for itself.
static void escape(struct expr_lexer *l)
{
	uint8_t c = *l->at++;
	unsigned digits = c == 'x' ? 2 : c == 'u' ? 4 : 0, v = 0, n = 0;

	if (digits > 0) {
		while (n < digits && l->at < l->end && decode_digit[*l->at] >= 0) {
			v = v << 4 | (unsigned)decode_digit[*l->at++];
			n++;
		}
		keep(l, v < 0x80 ? (uint8_t)v : '?');
	} else if (c >= '0' && c <= '7') {
		for (v = c - '0'; n < 2 && l->at < l->end && *l->at >= '0' && *l->at <= '7'; n++)
			v = v << 3 | (unsigned)(*l->at++ - '0');
		keep(l, (uint8_t)v);
	} else {
		keep(l, c == 'n' || c == 't' || c == 'r' ? ' ' : c);
	}
}

static void string(struct expr_lexer *l)
{
	uint8_t q = *l->at;
	bool triple = l->end - l->at > 2 && l->at[1] == q && l->at[2] == q;

	l->kind = EXPR_T_STRING;
	l->quote = q;
	l->at += triple ? 3 : 1;
	while (l->at < l->end) {
		if (*l->at == q &&
		    (!triple || (l->end - l->at > 2 && l->at[1] == q && l->at[2] == q))) {
			l->at += triple ? 3 : 1;
			return;
		}
		if (*l->at == '\\' && l->end - l->at > 1) {
			l->at++;
			escape(l);
			continue;
		}
		if ((*l->at == '#' || *l->at == '$') && l->end - l->at > 1 && l->at[1] == '{')
			l->substituted = true;
		keep(l, *l->at++);
	}
	l->open = true;
}

static void sign(struct expr_lexer *l)
{
	static const char pairs[] = "==!=<=>=&&||**++--+=-=*=/=?.?:?"
				    "?->=>::&.<<>>:=..//^=|=~=";
	uint8_t c = *l->at++;

	l->kind = c < ' ' || c == 0x7f ? EXPR_T_BAD : EXPR_T_SIGN;
	l->sign = c;
	if (l->at == l->end)
		return;
	for (size_t i = 0; i + 1 < sizeof(pairs) - 1; i += 2)
		if ((uint8_t)pairs[i] == c && (uint8_t)pairs[i + 1] == *l->at) {
			l->second = *l->at++;
			if ((c == '=' || c == '!') && l->at < l->end && *l->at == '=')
				l->at++; // === !==
			return;
		}
}

void expr_lex_next(struct expr_lexer *l)
{
	uint8_t c;

	l->blank = l->newline = l->substituted = false;
	l->sign = l->second = l->sigil = l->quote = 0;
	l->text_len = 0;
	blanks(l);
	l->from = l->at;
	if (l->at == l->end) {
		l->kind = EXPR_T_END;
		return;
	}
	l->tokens++;
	c = *l->at;
	if ((c == '$' || c == '#') && l->end - l->at > 1 && begins_name(l->at[1])) {
		l->sigil = c;
		l->at++;
		name(l);
	} else if (begins_name(c)) {
		name(l);
	} else if (is_digit(c)) {
		number(l);
	} else if (c == '"' || c == '\'' || c == '`') {
		string(l);
	} else {
		sign(l);
	}
}
