// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/php/lex.h"

#include "dataplane/inspect/bytes.h"

#include <string.h>

#define HEREDOC_NAME 32

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

// Up to the end of the line, or to ?> which ends a comment of one line, too.
static size_t line_end(const struct php_lex *l, size_t i)
{
	while (i < l->len && l->p[i] != '\n' && l->p[i] != '\r' &&
	       !(l->p[i] == '?' && i + 1 < l->len && l->p[i + 1] == '>'))
		i++;
	return i;
}

static void skip(struct php_lex *l, struct php_token *t)
{
	size_t i = l->at;

	for (;;) {
		const uint8_t *close;

		while (i < l->len && php_is_blank(l->p[i]))
			i++;
		if (i >= l->len)
			break;
		if (l->p[i] == '#' && !(i + 1 < l->len && l->p[i + 1] == '[')) {
			i = line_end(l, i);
		} else if (l->p[i] == '/' && i + 1 < l->len && l->p[i + 1] == '/') {
			i = line_end(l, i);
		} else if (l->p[i] == '/' && i + 1 < l->len && l->p[i + 1] == '*') {
			close = bytes_find2(l->p + i + 2, l->len - i - 2, '*', '/');
			t->open |= close == NULL;
			i = close != NULL ? (size_t)(close - l->p) + 2 : l->len;
		} else {
			break;
		}
		t->comment = true;
	}
	t->blank = i > l->at;
	l->at = i;
}

static void quoted(struct php_lex *l, struct php_token *t, uint8_t quote)
{
	size_t i = l->at + 1;

	while (i < l->len && l->p[i] != quote)
		i += l->p[i] == '\\' && i + 1 < l->len ? 2 : 1;
	t->open = i >= l->len;
	t->kind = quote == '\'' ? PHP_T_SINGLE : quote == '"' ? PHP_T_DOUBLE : PHP_T_BACKTICK;
	t->p = l->p + l->at + 1;
	t->len = i - l->at - 1;
	l->at = t->open ? l->len : i + 1;
}

// <<<NAME, <<<"NAME", <<<'NAME' up to a line that begins with NAME.
static bool heredoc(struct php_lex *l, struct php_token *t)
{
	size_t i = l->at + 3, from, n;
	uint8_t quote;
	const uint8_t *lf;

	while (i < l->len && (l->p[i] == ' ' || l->p[i] == '\t'))
		i++;
	quote = i < l->len && (l->p[i] == '"' || l->p[i] == '\'') ? l->p[i++] : 0;
	for (from = i; i < l->len && php_is_name(l->p[i]); i++)
		;
	n = i - from;
	if (n == 0 || n > HEREDOC_NAME || !php_is_name_start(l->p[from]))
		return false;
	lf = memchr(l->p + i, '\n', l->len - i);
	if (lf == NULL)
		return false;
	t->kind = quote == '\'' ? PHP_T_SINGLE : PHP_T_DOUBLE;
	t->p = lf + 1;
	while (lf != NULL) {
		size_t k = (size_t)(lf - l->p) + 1;

		while (k < l->len && (l->p[k] == ' ' || l->p[k] == '\t'))
			k++;
		if (l->len - k >= n && memcmp(l->p + k, l->p + from, n) == 0 &&
		    (k + n == l->len || !php_is_name(l->p[k + n]))) {
			t->len = lf >= t->p ? (size_t)(lf - t->p) : 0;
			l->at = k + n;
			return true;
		}
		lf = memchr(l->p + k, '\n', l->len - k);
	}
	t->open = true;
	t->len = (size_t)(l->p + l->len - t->p);
	l->at = l->len;
	return true;
}

static void name(struct php_lex *l, struct php_token *t)
{
	size_t i = l->at;

	while (i < l->len && (php_is_name(l->p[i]) || (l->p[i] == '\\' && i + 1 < l->len &&
						       php_is_name_start(l->p[i + 1]))))
		i++;
	t->kind = PHP_T_NAME;
	t->p = l->p + l->at;
	t->len = i - l->at;
	if (t->len > 1 && t->p[0] == '\\') { // the global namespace
		t->p++;
		t->len--;
	}
	l->at = i;
}

static void number(struct php_lex *l, struct php_token *t)
{
	size_t i = l->at;

	t->kind = PHP_T_NUMBER;
	while (i < l->len &&
	       (is_digit(l->p[i]) || l->p[i] == '_' ||
		((l->p[i] | 0x20) >= 'a' && (l->p[i] | 0x20) <= 'f') ||
		(i == l->at + 1 && ((l->p[i] | 0x20) == 'x' || (l->p[i] | 0x20) == 'o'))))
		i++;
	if (i + 1 < l->len && l->p[i] == '.' && is_digit(l->p[i + 1]))
		for (i++; i < l->len && is_digit(l->p[i]); i++)
			;
	t->p = l->p + l->at;
	t->len = i - l->at;
	if (i < l->len && php_is_name(l->p[i])) // 5th
		t->kind = PHP_T_BAD;
	l->at = i;
}

// Operators of more than one byte, longest first.
static void operator_(struct php_lex *l, struct php_token *t)
{
	static const char *const many[] = {
		"<=>", "**=", "...", "<<=", ">>=", "===", "!==", "?->", "?\?=", "->", "=>", "::",
		"++",  "--",  "&&",  "||",  "?\?", "==",  "!=",  "<>",  "<=",   ">=", "<<", ">>",
		"**",  "+=",  "-=",  "*=",  "/=",  ".=",  "%=",  "&=",  "|=",   "^=",
	};
	size_t left = l->len - l->at;

	t->kind = PHP_T_OP;
	t->sign = l->p[l->at];
	t->p = l->p + l->at;
	t->len = 1;
	for (size_t i = 0; i < sizeof(many) / sizeof(many[0]); i++) {
		size_t n = strlen(many[i]);

		if (many[i][0] == (char)t->sign && left >= n && memcmp(t->p, many[i], n) == 0) {
			t->len = n;
			break;
		}
	}
	l->at += t->len;
}

void php_lex_next(struct php_lex *l, struct php_token *t)
{
	uint8_t c;

	*t = (struct php_token){.kind = PHP_T_END};
	skip(l, t);
	l->tokens++;
	t->from = l->at;
	if (l->at >= l->len) {
		t->to = l->len;
		return;
	}
	c = l->p[l->at];
	if (c == '\'' || c == '"' || c == '`') {
		quoted(l, t, c);
	} else if (c == '$' && l->at + 1 < l->len && php_is_name_start(l->p[l->at + 1])) {
		l->at++;
		name(l, t);
		t->kind = PHP_T_VAR;
		if (memchr(t->p, '\\', t->len) != NULL)
			t->kind = PHP_T_BAD;
	} else if (php_is_name_start(c) ||
		   (c == '\\' && l->at + 1 < l->len && php_is_name_start(l->p[l->at + 1]))) {
		name(l, t);
	} else if (is_digit(c)) {
		number(l, t);
	} else if (c == '?' && l->at + 1 < l->len && l->p[l->at + 1] == '>') {
		t->kind = PHP_T_CLOSE;
		l->at += 2;
	} else if (c == '<' && l->len - l->at > 3 && l->p[l->at + 1] == '<' &&
		   l->p[l->at + 2] == '<' && heredoc(l, t)) {
		;
	} else if (memchr("!#$%&()*+,-./:;<=>?@[]^{|}~", c, 27) != NULL) {
		operator_(l, t);
		if (c == '#') { // #[ begins an attribute
			t->sign = '#';
			t->len = 1;
		}
	} else {
		t->kind = PHP_T_BAD;
		l->at++;
	}
	t->to = l->at;
	l->tokens += (t->to - t->from) / 16; // so that long ones read again and again are counted
}
