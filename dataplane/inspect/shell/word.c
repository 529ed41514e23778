// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/shell/sh.h"

#include "dataplane/inspect/decode/decode.h"

#include <string.h>
#include <strings.h>

#define QUOTE_MAX 512 // bytes between quotes that are looked for

static bool is_letter(uint8_t c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_name(uint8_t c)
{
	return is_letter(c) || is_digit(c) || c == '_';
}

static bool is_blank(const struct sh *s, uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f' ||
	       (c == '+' && s->plus);
}

static uint8_t at(const struct sh *s, size_t i)
{
	return i < s->len ? s->p[i] : 0;
}

static void put(struct sh_word *w, uint8_t c)
{
	if (w->len < SH_WORD_MAX)
		w->text[w->len++] = (char)c;
	else
		w->flags |= WORD_LONG;
}

// Position of c from i on, at most QUOTE_MAX away; s->len: none.
static size_t find(const struct sh *s, size_t i, uint8_t c)
{
	size_t left = i < s->len ? s->len - i : 0;
	const uint8_t *q =
		left > 0 ? memchr(s->p + i, c, left < QUOTE_MAX ? left : QUOTE_MAX) : NULL;

	return q != NULL ? (size_t)(q - s->p) : s->len;
}

// Past the bracket that closes the one before i.
static size_t matching(const struct sh *s, size_t i, uint8_t open, uint8_t end)
{
	size_t stop = i + QUOTE_MAX < s->len ? i + QUOTE_MAX : s->len;
	unsigned depth = 1;

	for (; i < stop; i++) {
		if (s->p[i] == open)
			depth++;
		else if (s->p[i] == end && --depth == 0)
			return i + 1;
	}
	return stop;
}

// Something that is gone ended before next; the word had len bytes where it began.
static void pieces(struct sh_word *w, const struct sh *s, size_t len, size_t next)
{
	uint8_t c = at(s, next);

	if (len > 0 || is_name(c) || c == '/')
		w->flags |= WORD_PIECES;
}

// ---- what expands --------------------------------------------------------------------------------

// One escape of $'..' at i, past the backslash.
static size_t ansi_escape(const struct sh *s, size_t i, struct sh_word *w)
{
	static const char from[] = "abefnrtv", to[] = "\a\b\033\f\n\r\t\v";
	uint8_t c = at(s, i);
	const char *known;

	if (c == 'x' && decode_digit[at(s, i + 1)] >= 0) {
		uint8_t v = (uint8_t)decode_digit[at(s, i + 1)];

		if (decode_digit[at(s, i + 2)] < 0) {
			put(w, v);
			return i + 2;
		}
		put(w, (uint8_t)(v << 4 | decode_digit[at(s, i + 2)]));
		return i + 3;
	}
	if (c >= '0' && c <= '7') {
		unsigned v = 0, n = 0;

		for (; n < 3 && at(s, i + n) >= '0' && at(s, i + n) <= '7'; n++)
			v = v * 8 + (at(s, i + n) - '0');
		put(w, (uint8_t)v);
		return i + n;
	}
	known = c != 0 ? strchr(from, c) : NULL;
	put(w, known != NULL ? (uint8_t)to[known - from] : c);
	return i + 1;
}

static void ansi(struct sh *s, struct sh_word *w)
{
	size_t end = find(s, s->at + 2, '\''), i = s->at + 2;

	w->flags |= WORD_QUOTED | WORD_ANSI;
	while (i < end)
		if (s->p[i] == '\\')
			i = ansi_escape(s, i + 1, w);
		else
			put(w, s->p[i++]);
	s->at = end < s->len ? end + 1 : s->len;
}

static bool is_ifs(const struct sh *s, size_t i)
{
	return i + 3 <= s->len && memcmp(s->p + i, "IFS", 3) == 0;
}

// $SHELL and $BASH are shells.
static bool is_shell(const struct sh *s, size_t i, size_t end)
{
	return end - i >= 4 &&
	       (memcmp(s->p + i, "SHELL", 5) == 0 || memcmp(s->p + i, "BASH", 4) == 0);
}

static void variable(const struct sh *s, struct sh_word *w, size_t from, size_t to)
{
	w->flags |= WORD_VAR;
	if (w->len == 0 && to - from >= 5 && is_shell(s, from, to)) {
		put(w, 's');
		put(w, 'h');
	}
}

// ${..} at s->at. Returns true if it is a blank.
static bool braced(struct sh *s, struct sh_word *w)
{
	size_t from = s->at + 2, to = matching(s, from, '{', '}');

	s->at = to;
	if (is_ifs(s, from) && !is_name(at(s, from + 3)))
		return true;
	if (memchr(s->p + from, ':', to - from) != NULL ||
	    memchr(s->p + from, '#', to - from) != NULL)
		w->flags |= WORD_SLICE;
	variable(s, w, from, to);
	return false;
}

// $ at s->at. Returns true if it is a blank.
static bool dollar(struct sh *s, struct sh_word *w)
{
	uint8_t c = at(s, s->at + 1);
	size_t i = s->at + 1, had = w->len;

	if (c == '\'') {
		ansi(s, w);
		return false;
	}
	if (c == '"') {
		s->at++; // the quote is read next
		return false;
	}
	if (c == '(') {
		bool arith = at(s, i + 1) == '(';

		w->flags |= arith ? WORD_ARITH : WORD_SUBST;
		s->at = matching(s, i + 1, '(', ')');
		if (s->at == i + 2)
			pieces(w, s, had, s->at);
		return false;
	}
	if (c == '{')
		return braced(s, w);
	if (is_ifs(s, i)) {
		s->at = i + 3;
		if (at(s, s->at) == '$' && (is_digit(at(s, s->at + 1)) || at(s, s->at + 1) == '@'))
			s->at += 2;
		return true;
	}
	if (c != 0 && memchr("@*#?-!_$0123456789", c, 18) != NULL) {
		s->at += 2;
		if (c == '_')
			while (is_name(at(s, s->at)))
				s->at++;
		pieces(w, s, had, s->at);
		w->flags |= w->len == 0 ? WORD_VAR : 0;
		return false;
	}
	if (!is_letter(c)) {
		put(w, '$');
		s->at++;
		return false;
	}
	while (is_name(at(s, i)))
		i++;
	variable(s, w, s->at + 1, i);
	s->at = i;
	return false;
}

// %NAME% and %NAME:~0,1% of cmd.exe at s->at; anything else is text.
static void percent(struct sh *s, struct sh_word *w)
{
	size_t i = s->at + 1;

	while (is_name(at(s, i)))
		i++;
	if (i > s->at + 1 && at(s, i) == ':' && (at(s, i + 1) == '~' || is_name(at(s, i + 1)))) {
		size_t end = find(s, i, '%');

		if (end < s->len && end - i < 32) {
			w->flags |= WORD_VAR | WORD_SLICE;
			s->at = end + 1;
			return;
		}
	}
	if (i > s->at + 1 && at(s, i) == '%') {
		if (i - s->at == 8 && strncasecmp((const char *)s->p + s->at, "%COMSPEC", 8) == 0)
			memcpy(w->text, "cmd", w->len = 3);
		w->flags |= WORD_VAR;
		s->at = i + 1;
		return;
	}
	put(w, '%');
	s->at++;
}

// ---- quotes --------------------------------------------------------------------------------------

static void single(struct sh *s, struct sh_word *w)
{
	size_t end = find(s, s->at + 1, '\''), had = w->len;

	w->flags |= WORD_QUOTED;
	if (end == s->len) { // it goes on behind the value: the quote is somebody else's
		s->at++;
		return;
	}
	for (size_t i = s->at + 1; i < end; i++)
		put(w, s->p[i]);
	s->at = end + 1;
	pieces(w, s, had, s->at);
}

static void twofold(struct sh *s, struct sh_word *w)
{
	size_t end = find(s, s->at + 1, '"'), had = w->len;

	w->flags |= WORD_QUOTED;
	s->at++;
	if (end == s->len)
		return;
	while (s->at < s->len && s->p[s->at] != '"') {
		uint8_t c = s->p[s->at];

		if (c == '\\' && s->at + 1 < s->len) {
			put(w, s->p[s->at + 1]);
			s->at += 2;
		} else if (c == '$' && at(s, s->at + 1) == '(') {
			dollar(s, w);
		} else if (c == '`') {
			w->flags |= WORD_SUBST;
			s->at++;
		} else {
			if (c == '$')
				w->flags |= WORD_VAR;
			put(w, c);
			s->at++;
		}
	}
	if (s->at < s->len)
		s->at++;
	pieces(w, s, had, s->at);
}

static void backtick(struct sh *s, struct sh_word *w)
{
	size_t end = find(s, s->at + 1, '`');

	w->flags |= WORD_SUBST;
	if (end == s->at + 1)
		pieces(w, s, w->len, end + 1);
	s->at = end < s->len ? end + 1 : s->len;
}

static void backslash(struct sh *s, struct sh_word *w)
{
	uint8_t c = at(s, s->at + 1);

	if (c != '\n' && c != 0)
		put(w, c);
	if (is_letter(c) || c == '\n' || c == '/')
		w->flags |= WORD_PIECES;
	w->flags |= WORD_QUOTED;
	s->at += s->at + 1 < s->len ? 2 : 1;
}

// ---- words ---------------------------------------------------------------------------------------

void sh_blanks(struct sh *s)
{
	while (s->at < s->len) {
		uint8_t c = s->p[s->at];

		if (is_blank(s, c)) {
			s->at++;
		} else if (c == '\\' && at(s, s->at + 1) == '\n') {
			s->at += 2;
		} else if (c == '$' && is_ifs(s, s->at + 1)) {
			s->at += 4;
			if (at(s, s->at) == '$' && is_digit(at(s, s->at + 1)))
				s->at += 2;
		} else if (c == '$' && at(s, s->at + 1) == '{' && is_ifs(s, s->at + 2)) {
			s->at = matching(s, s->at + 2, '{', '}');
		} else {
			return;
		}
	}
}

static bool ends_word(const struct sh *s, uint8_t c)
{
	if (s->brace && (c == ',' || c == '}'))
		return true;
	return is_blank(s, c) || c == '\n' || c == ';' || c == '|' || c == '&' || c == '(' ||
	       c == ')' || c == '<' || c == '>' || c == 0;
}

// <() and >() within a word are nothing.
static bool is_empty_process(const struct sh *s)
{
	return (s->p[s->at] == '<' || s->p[s->at] == '>') && at(s, s->at + 1) == '(' &&
	       at(s, s->at + 2) == ')';
}

// One sign of a word. Returns true where a blank ends it.
static bool sign(struct sh *s, struct sh_word *w)
{
	uint8_t c = s->p[s->at];

	switch (c) {
	case '\'':
		single(s, w);
		return false;
	case '"':
		twofold(s, w);
		return false;
	case '`':
		backtick(s, w);
		return false;
	case '\\':
		backslash(s, w);
		return false;
	case '$':
		return dollar(s, w);
	case '%':
		percent(s, w);
		return false;
	case '^':
		if (is_letter(at(s, s->at + 1)))
			w->flags |= w->len > 0 ? WORD_PIECES : 0;
		else
			put(w, c);
		s->at++;
		return false;
	case '?':
	case '*':
	case '[':
		w->flags |= WORD_GLOB;
		break;
	default:
		break;
	}
	put(w, c);
	s->at++;
	return false;
}

bool sh_word(struct sh *s, struct sh_word *w)
{
	size_t stop;

	w->flags = 0;
	w->len = 0;
	sh_blanks(s);
	w->from = s->at;
	stop = s->at + (s->most != 0 ? s->most : SH_COMMAND_MAX);
	stop = stop < s->len ? stop : s->len;
	while (s->at < stop) {
		if (is_empty_process(s) && w->len > 0) {
			w->flags |= WORD_PIECES;
			s->at += 3;
			continue;
		}
		if (ends_word(s, s->p[s->at]))
			break;
		// a backtick that nothing closes ends the command that it stands in
		if (s->p[s->at] == '`' && find(s, s->at + 1, '`') == s->len)
			break;
		if (sign(s, w)) {
			w->flags |= WORD_IFS;
			break;
		}
	}
	w->to = s->at;
	s->work += w->to - w->from;
	return w->to > w->from;
}
