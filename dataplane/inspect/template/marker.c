// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/template/marker.h"

#include <string.h>

static bool is_letter(uint8_t c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool starts(const uint8_t *p, size_t len, size_t i, const char *with)
{
	size_t n = strlen(with);

	return len - i >= n && memcmp(p + i, with, n) == 0;
}

static bool found(struct marker *m, enum marker_kind kind, size_t from, size_t text,
		  const char *close)
{
	*m = (struct marker){.kind = (uint8_t)kind, .from = from, .text = text, .close = close};
	return true;
}

// The sign that makes the brace at i a marker, also past a backslash and a letter as in $\A{; 0: none
static uint8_t sign_before(const uint8_t *p, size_t i, size_t *from)
{
	size_t k = i;

	if (k >= 2 && is_letter(p[k - 1]) && p[k - 2] == '\\')
		k--;
	while (k > 0 && i - k < 8 && p[k - 1] == '\\')
		k--;
	if (k == 0 || memchr("$#%*@~!", p[k - 1], 7) == NULL)
		return 0;
	*from = k - 1;
	return p[k - 1];
}

static bool is_word(uint8_t c)
{
	return is_letter(c) || c == '_' || (c >= '0' && c <= '9');
}

// {name(..)} {Class::name(..)} {$x->name(..)} {if ..} {php} {7*7}: other braces hold styles, code, sets.
static bool may_be_smarty(const uint8_t *p, size_t len, size_t i)
{
	static const char *const words[] = {"if",   "elseif",      "include",  "fetch", "eval",
					    "math", "include_php", "function", "insert"};
	size_t from = i;

	if (p[i] == '\'' || p[i] == '"')
		return i + 2 < len && p[i + 1] != '"' && p[i + 1] != '\'' &&
		       memchr(p + i + 1, p[i], len - i - 1 < 64 ? len - i - 1 : 64) != NULL &&
		       memchr(p + i + 1, '|', len - i - 1 < 80 ? len - i - 1 : 80) != NULL;
	if (p[i] == '$')
		i++;
	while (i < len && is_word(p[i]))
		i++;
	if (i >= len || i == from)
		return false;
	if (p[from] >= '0' && p[from] <= '9')
		return memchr("*+-/", p[i], 4) != NULL;
	if (p[i] == '(' || (p[i] == ':' && i + 1 < len && p[i + 1] == ':') ||
	    (p[i] == '-' && i + 1 < len && p[i + 1] == '>') || p[i] == '|')
		return true;
	if (p[i] == '}')
		return i - from == 3 && memcmp(p + from, "php", 3) == 0;
	if (p[i] != ' ')
		return false;
	for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++)
		if (i - from == strlen(words[w]) && memcmp(p + from, words[w], i - from) == 0)
			return true;
	return false;
}

static bool brace(const uint8_t *p, size_t len, size_t i, struct marker *m)
{
	size_t from = i, text = i + 1;
	uint8_t sign;

	if (text >= len)
		return false;
	if (p[text] == '{') {
		for (text++; text < len && text - i < 3 && p[text] == '{'; text++)
			;
		return found(m, MARKER_DOUBLE, i, text, "}}");
	}
	if (p[text] == '%') {
		text++;
		if (text < len && (p[text] == '-' || p[text] == '+'))
			text++;
		return found(m, MARKER_TAG, i, text, "%}");
	}
	sign = sign_before(p, i, &from);
	if (sign == '@') {
		size_t k = text;

		while (k < len && (p[k] == ' ' || p[k] == '\n'))
			k++;
		if (k < len && p[k] == '[')
			return found(m, MARKER_PERL, from, k, "}");
	}
	if (sign != 0) {
		found(m, MARKER_SIGN, from, text, "}");
		m->sign = sign;
		return true;
	}
	return may_be_smarty(p, len, text) && found(m, MARKER_BRACE, i, text, "}");
}

// #set( #if( #foreach( #evaluate( #parse( #include( of Velocity
static bool velocity(const uint8_t *p, size_t len, size_t i, struct marker *m)
{
	static const char *const words[] = {"set",   "if",      "elseif", "foreach", "evaluate",
					    "parse", "include", "define", "macro"};
	size_t k;

	for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++) {
		if (!starts(p, len, i + 1, words[w]))
			continue;
		for (k = i + 1 + strlen(words[w]); k < len && p[k] == ' '; k++)
			;
		if (k < len && p[k] == '(')
			return found(m, MARKER_VELOCITY, i, k, "");
	}
	return false;
}

bool marker_at(const uint8_t *p, size_t len, size_t i, struct marker *m)
{
	size_t k = i + 1;

	if (k >= len)
		return false;
	switch (p[i]) {
	case '{':
		return brace(p, len, i, m);
	case '<':
		if (p[k] == '%') {
			for (k++; k < len && k - i < 4 && strchr("=-_!#", p[k]) != NULL; k++)
				;
			return k < len && p[k] != '@' && found(m, MARKER_PERCENT, i, k, "%>");
		}
		return p[k] == '#' && k + 1 < len && is_letter(p[k + 1]) &&
		       found(m, MARKER_DIRECTIVE, i, k + 1, ">");
	case '[':
		return p[k] == '#' && k + 1 < len && is_letter(p[k + 1]) &&
		       found(m, MARKER_DIRECTIVE, i, k + 1, "]");
	case '#':
		return velocity(p, len, i, m);
	case '$':
		while (k < len && (is_word(p[k]) || p[k] == '!'))
			k++;
		return k > i + 1 && k + 1 < len && (p[k] == '.' || p[k] == '[') &&
		       is_letter(p[i + 1] == '!' ? p[k - 1] : p[i + 1]) &&
		       found(m, MARKER_DOLLAR, i, i, "");
	case '@':
		return p[k] == '(' && found(m, MARKER_AT, i, k, "");
	default:
		return false;
	}
}
