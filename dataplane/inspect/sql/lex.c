// SPDX-License-Identifier: BSD-3-Clause
//
// Tokens of SQL. Comments and white space of all dialects count as a blank; what is unusual about them is
// noted. Reads each byte once.

#include "dataplane/inspect/sql/sql_priv.h"

#include <stddef.h>
#include <string.h>

enum {
	C_DIGIT = 1 << 0,
	C_HEX = 1 << 1,
	C_ALPHA = 1 << 2,
	C_WORD = 1 << 3, // in a word, behind its first byte
	C_WHITE = 1 << 4,
};

static const uint8_t classes[256] = {
	['\t'] = C_WHITE,
	['\n'] = C_WHITE,
	['\r'] = C_WHITE,
	[' '] = C_WHITE,
	['$'] = C_WORD,
	['0' ... '9'] = C_DIGIT | C_HEX | C_WORD,
	['A' ... 'F'] = C_ALPHA | C_HEX | C_WORD,
	['G' ... 'Z'] = C_ALPHA | C_WORD,
	['_'] = C_WORD,
	['a' ... 'f'] = C_ALPHA | C_HEX | C_WORD,
	['g' ... 'z'] = C_ALPHA | C_WORD,
	[0x80 ... 0xff] = C_WORD,
};

static bool is_digit(uint8_t c)
{
	return (classes[c] & C_DIGIT) != 0;
}

static bool is_hex(uint8_t c)
{
	return (classes[c] & C_HEX) != 0;
}

static bool is_alpha(uint8_t c)
{
	return (classes[c] & C_ALPHA) != 0;
}

static bool is_word(uint8_t c)
{
	return (classes[c] & C_WORD) != 0;
}

static bool is_white(uint8_t c)
{
	return (classes[c] & C_WHITE) != 0;
}

static uint8_t peek(const struct sql *s, uint32_t ahead)
{
	return ahead < s->len - s->at ? s->p[s->at + ahead] : 0;
}

// ---- blanks --------------------------------------------------------------------------------------

// A comment from there to s->at in place of a blank: none beside it.
static void replaces_blank(struct sql *s, uint32_t from)
{
	if (from > 0 && s->at < s->len && !is_white(s->p[from - 1]) && !is_white(s->p[s->at]))
		s->comments++;
}

// A comment up to the end of the line. true: it goes to the end of the text
static bool line_comment(struct sql *s)
{
	const uint8_t *lf = memchr(s->p + s->at, '\n', s->len - s->at);
	uint32_t from = s->at;

	if (lf == NULL) {
		s->at = s->len;
		return true;
	}
	s->at = (uint32_t)(lf - s->p) + 1;
	replaces_blank(s, from);
	return false;
}

// At /*. true: it goes to the end of the text
static bool block_comment(struct sql *s)
{
	uint32_t i = s->at + 2, from = s->at;

	// MySQL runs what stands in /*! */, MariaDB in /*M! */, from a version on: its digits.
	if (i < s->len && (s->p[i] == 'M' || s->p[i] == 'm') && i + 1 < s->len &&
	    s->p[i + 1] == '!')
		i++;
	if (i < s->len && s->p[i] == '!') {
		i++;
		for (unsigned digits = 0; digits < 6 && i < s->len && is_digit(s->p[i]); digits++)
			i++;
		s->version = true;
		s->in_version = true;
		s->at = i;
		return false;
	}
	for (; i + 1 < s->len; i++)
		if (s->p[i] == '*' && s->p[i + 1] == '/') {
			s->at = i + 2;
			replaces_blank(s, from);
			return false;
		}
	s->at = s->len;
	return true;
}

// A no-break space as one byte, as MySQL takes it in Latin-1, or in UTF-8; an ideographic space.
static uint32_t wide_blank(const struct sql *s)
{
	uint8_t c = s->p[s->at];

	if (c == 0xa0)
		return 1;
	if (c == 0xc2 && peek(s, 1) == 0xa0)
		return 2;
	if (c == 0xe3 && peek(s, 1) == 0x80 && peek(s, 2) == 0x80)
		return 3;
	return 0;
}

// 1.e before a sign or name: a number that MySQL drops. How long it is; 0: none
static uint32_t empty_exponent(const struct sql *s)
{
	uint32_t i = 1;

	while (is_digit(peek(s, i)))
		i++;
	if (peek(s, i) != '.' || (peek(s, i + 1) | 0x20) != 'e')
		return 0;
	i += 2;
	return s->at + i < s->len && !is_word(s->p[s->at + i]) && s->p[s->at + i] != '+' &&
			       s->p[s->at + i] != '-'
		       ? i
		       : 0;
}

// How long a word is, of which len bytes are known: up to a sign or a blank.
static uint32_t word_len(const struct sql *s, uint32_t len)
{
	const uint8_t *p = s->p + s->at, *end = s->p + s->len, *c = p + len;

	for (; c < end && is_word(*c); c++) {
		ptrdiff_t left = end - c;

		if (*c < 0x80)
			continue;
		if ((c[0] == 0xa0 && c[-1] < 0x80) || (c[0] == 0xc2 && left > 1 && c[1] == 0xa0) ||
		    (c[0] == 0xe3 && left > 2 && c[1] == 0x80 && c[2] == 0x80))
			break;
	}
	return (uint32_t)(c - p);
}

// Over white space and comments. true: a comment goes to the end of the text
static bool blanks(struct sql *s)
{
	while (s->at < s->len) {
		uint8_t c = s->p[s->at];
		uint32_t wide;

		if (is_white(c)) {
			s->at++;
		} else if (c < ' ') {
			s->at++;
			s->odd_blanks++;
		} else if (c >= 0x80 && (wide = wide_blank(s)) != 0) {
			s->at += wide;
			s->odd_blanks++;
		} else if (c == '-' && peek(s, 1) == '-') {
			uint8_t next = peek(s, 2);

			if (next > ' ' && next != '+' && next != '-') {
				s->odd_dash = true;
				if (s->dash_blank)
					return false;
			}
			if (line_comment(s))
				return true;
		} else if (c == '/' && peek(s, 1) == '*') {
			if (block_comment(s))
				return true;
		} else if (c == '*' && peek(s, 1) == '/' && s->in_version) {
			s->in_version = false;
			s->at += 2;
		} else if (is_digit(c) && (wide = empty_exponent(s)) != 0) {
			s->at += wide;
			s->glued = true;
		} else if (c == '#' && peek(s, 1) != '>' &&
			   (peek(s, 1) != '-' || peek(s, 2) == '-')) {
			if (line_comment(s))
				return true;
		} else {
			return false;
		}
	}
	return false;
}

// ---- tokens --------------------------------------------------------------------------------------

static void take(struct sql *s, enum sql_kind kind, uint32_t len)
{
	s->t.kind = kind;
	s->t.len = len;
	s->at += len;
}

// Over the rest of a string whose first byte is at s->at. false: it does not end
static bool string_rest(struct sql *s, uint8_t quote)
{
	const uint8_t *p = s->p + s->at, *end = s->p + s->len, *q;
	// Behind an escaped byte: it escapes nothing itself.
	const uint8_t *free = p;

	while ((q = memchr(p, quote, (size_t)(end - p))) != NULL) {
		const uint8_t *slash = q;

		while (quote != ']' && slash > free && slash[-1] == '\\')
			slash--;
		p = q + 1;
		if (slash != q) {
			s->odd_escape = true;
			if (s->backslash && (q - slash) % 2 != 0) {
				free = p;
				continue;
			}
		}
		if (p < end && *p == quote) {
			free = ++p;
			continue;
		}
		s->at = (uint32_t)(p - s->p);
		return true;
	}
	s->at = s->len;
	return false;
}

static void string(struct sql *s, uint8_t quote)
{
	uint32_t from = s->at++;

	s->t.quote = quote;
	if (string_rest(s, quote == '[' ? ']' : quote)) {
		s->t.kind = quote == '`' || quote == '[' ? T_NAME : T_STRING;
	} else {
		s->t.kind = T_OPEN;
		s->open = quote;
		s->open_at = from;
	}
	s->t.len = s->at - from;
	if (s->plain_names && quote == '`' && memchr(s->p + from, ' ', s->t.len) != NULL)
		s->t.kind = T_BAD;
	// `information_schema`: a name is one with quotes too.
	if (s->t.kind != T_OPEN && quote != '\'' && s->t.len > 4) {
		const struct sql_word_entry *e = sql_word_find(s->p + from + 1, s->t.len - 2);

		s->t.flags = e != NULL ? e->flags & F_META : 0;
	}
}

// $$text$$ or $tag$text$tag$ of PostgreSQL. false: none
static bool dollar_string(struct sql *s)
{
	uint32_t tag = 1;
	const uint8_t *from = s->p + s->at, *end;

	while (tag < 32 &&
	       (is_alpha(peek(s, tag)) || is_digit(peek(s, tag)) || peek(s, tag) == '_'))
		tag++;
	if (peek(s, tag) != '$')
		return false;
	tag++;
	end = memmem(from + tag, s->len - s->at - tag, from, tag);
	s->t.quote = '$';
	if (end == NULL)
		s->open = '$';
	take(s, end != NULL ? T_STRING : T_OPEN,
	     end != NULL ? (uint32_t)(end - from) + tag : s->len - s->at);
	return true;
}

static uint32_t digits(const struct sql *s, uint32_t i)
{
	while (i < s->len && is_digit(s->p[i]))
		i++;
	return i;
}

// Digits, a fraction, an exponent. *plain: digits only
static uint32_t number_end(const struct sql *s, bool *plain)
{
	uint32_t i = digits(s, s->at), e;

	*plain = true;
	if (i < s->len && s->p[i] == '.' && !(i + 1 < s->len && s->p[i + 1] == '.')) {
		i = digits(s, i + 1);
		*plain = false;
	}
	if (i < s->len && (s->p[i] | 0x20) == 'e') {
		e = i + 1;
		if (e < s->len && (s->p[e] == '+' || s->p[e] == '-'))
			e++;
		if (e < s->len && is_digit(s->p[e])) {
			i = digits(s, e);
			*plain = false;
		}
	}
	return i;
}

// false: it is a name that begins with digits, as MySQL takes them
static bool number(struct sql *s)
{
	uint32_t i = s->at, end;
	bool plain = false;

	if (s->p[i] == '0' && (peek(s, 1) | 0x20) == 'x' && is_hex(peek(s, 2))) {
		for (i += 2; i < s->len && is_hex(s->p[i]);)
			i++;
	} else if (s->p[i] == '0' && (peek(s, 1) | 0x20) == 'b' && (peek(s, 2) & 0xfe) == '0') {
		for (i += 2; i < s->len && (s->p[i] & 0xfe) == '0';)
			i++;
	} else {
		i = number_end(s, &plain);
	}
	// 1st is a name; 1.st, 1e0st, and 1or to others than MySQL, are a number and a word.
	end = s->at + word_len(s, i - s->at);
	if (plain && end > i && sql_word_find(s->p + i, end - i) == NULL)
		return false;
	take(s, T_NUMBER, i - s->at);
	return true;
}

// N'text', X'00', _utf8'text', U&"name", q'[text]'. true: read
static bool prefixed_string(struct sql *s, uint32_t len)
{
	const uint8_t *w = s->p + s->at;
	uint32_t from = s->at;
	uint8_t quote = peek(s, len);

	if (quote == '&' && len == 1 && (w[0] | 0x20) == 'u' &&
	    (peek(s, 2) == '\'' || peek(s, 2) == '"')) {
		len = 2;
		quote = peek(s, 2);
	} else if (quote != '\'' && (quote != '"' || w[0] != '_')) {
		return false;
	} else if (!(len == 1 && memchr("nxbeq", w[0] | 0x20, 5) != NULL) &&
		   (w[0] != '_' || len < 4)) {
		return false;
	}
	s->at += len;
	string(s, quote);
	s->t.at = from;
	s->t.len = s->at - from;
	return true;
}

static void word(struct sql *s)
{
	const struct sql_word_entry *e;
	uint32_t len;
	bool after_number = s->last.kind == T_NUMBER && s->last.at + s->last.len == s->at;

	len = word_len(s, 1);
	if (len <= 16 && s->at + len < s->len && prefixed_string(s, len))
		return;
	e = len <= 32 ? sql_word_find(s->p + s->at, len) : NULL;
	if (e != NULL) {
		s->t.word = e->word;
		s->t.flags = e->flags;
		if (after_number) {
			s->t.glued = true;
			s->glued = true;
		}
	}
	take(s, T_WORD, len);
}

static void variable(struct sql *s)
{
	uint32_t len = 1;
	enum sql_kind kind = T_VAR;

	if (s->p[s->at] == '@' && peek(s, 1) == '@') {
		kind = T_SYSVAR;
		len = 2;
	}
	if (peek(s, len) == '`' || peek(s, len) == '\'') {
		uint8_t quote = peek(s, len);
		uint32_t from = s->at;

		s->at += len + 1;
		s->t.kind = string_rest(s, quote) ? (uint8_t)kind : T_BAD;
		s->t.len = s->at - from;
		return;
	}
	if (kind == T_SYSVAR) {
		const struct sql_word_entry *e;
		uint32_t end = len;

		while (is_word(peek(s, end)))
			end++;
		e = sql_word_find(s->p + s->at + len, end - len);
		s->t.flags = e != NULL ? e->flags & F_VAR : 0;
	}
	while (is_word(peek(s, len)) || (peek(s, len) == '.' && is_word(peek(s, len + 1))))
		len++;
	if (kind == T_SYSVAR && len == 2)
		kind = T_CMP; // PostgreSQL: text search matches
	take(s, kind, len);
}

// Signs that stand alone.
static enum sql_kind single(uint8_t c)
{
	switch (c) {
	case '(':
		return T_LPAREN;
	case ')':
		return T_RPAREN;
	case '[':
		return T_LBRACKET;
	case ']':
		return T_RBRACKET;
	case '{':
		return T_LBRACE;
	case '}':
		return T_RBRACE;
	case ',':
		return T_COMMA;
	case ';':
		return T_SEMI;
	case '.':
		return T_DOT;
	case '*':
		return T_STAR;
	case '+':
		return T_SIGN;
	case '/':
	case '%':
		return T_ARITH;
	default:
		return T_BAD;
	}
}

// Those that others may follow, the longest first.
static const struct {
	char text[4];
	uint8_t kind;
} operators[] = {
	// clang-format off
	{"<=>", T_CMP}, {"->>", T_ARITH}, {"#>>", T_ARITH}, {"!~*", T_CMP}, {"@@@", T_CMP},
	{"!==", T_CMP}, {"===", T_CMP}, {"~~*", T_CMP}, {"||", T_BARS}, {"&&", T_AND},
	{"<=", T_CMP}, {">=", T_CMP}, {"<>", T_CMP}, {"!=", T_CMP}, {"==", T_CMP}, {"::", T_CAST},
	{":=", T_ASSIGN}, {"<<", T_ARITH}, {">>", T_ARITH}, {"->", T_ARITH}, {"#>", T_ARITH},
	{"#-", T_ARITH}, {"<@", T_CMP}, {"@>", T_CMP}, {"?|", T_CMP}, {"?&", T_CMP}, {"!~", T_CMP},
	{"^=", T_CMP}, {"~*", T_CMP}, {"~~", T_CMP}, {"!<", T_CMP}, {"!>", T_CMP}, {"|/", T_NOT},
	{"=", T_CMP}, {"<", T_CMP}, {">", T_CMP}, {"-", T_SIGN}, {"^", T_ARITH}, {"|", T_ARITH},
	{"&", T_ARITH}, {"~", T_NOT}, {"!", T_NOT},
	// clang-format on
};

static void sign(struct sql *s)
{
	uint8_t c = s->p[s->at];

	if (single(c) != T_BAD) {
		take(s, single(c), 1);
		return;
	}
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
		const char *o = operators[i].text;

		if (c == (uint8_t)o[0] && (o[1] == '\0' || peek(s, 1) == (uint8_t)o[1]) &&
		    (o[1] == '\0' || o[2] == '\0' || peek(s, 2) == (uint8_t)o[2])) {
			take(s, operators[i].kind, o[1] == '\0' ? 1 : o[2] == '\0' ? 2 : 3);
			return;
		}
	}
	take(s, T_BAD, 1);
}

// [name] of SQL Server: only where a name may stand, else it is an index.
static bool bracket_name(const struct sql *s)
{
	uint8_t k = s->last.kind;

	return is_alpha(peek(s, 1)) &&
	       (k == T_DOT || k == T_COMMA || k == T_LPAREN ||
		(k == T_WORD && s->last.word != W_NONE && s->last.word != W_ARRAY));
}

void sql_next(struct sql *s)
{
	uint32_t before = s->at;
	uint8_t c;

	s->last = s->t;
	s->t = (struct sql_token){.kind = T_BAD};
	if (s->steps == 0)
		return;
	s->steps--;
	if (blanks(s)) {
		s->t = (struct sql_token){.kind = T_CUT, .at = s->len};
		return;
	}
	s->t.at = s->at;
	s->t.blank = s->at != before;
	if (s->at >= s->len) {
		s->t.kind = T_END;
		return;
	}
	c = s->p[s->at];
	if (c == '\'' || c == '"' || c == '`' || (c == '[' && bracket_name(s)))
		string(s, c);
	else if ((is_digit(c) || (c == '.' && is_digit(peek(s, 1)))) && number(s))
		return;
	else if (c == '$' && dollar_string(s))
		return;
	else if (is_word(c))
		word(s);
	else if (c == '@' && peek(s, 1) != '>')
		variable(s);
	else if (c == ':' && is_alpha(peek(s, 1)))
		variable(s);
	else if (c == '?' && peek(s, 1) != '|' && peek(s, 1) != '&')
		take(s, s->last.kind == T_STRING ? T_CMP : T_VAR, 1);
	else if (c == '\\' && peek(s, 1) == 'N')
		take(s, T_NULL, 2);
	else
		sign(s);
}

bool sql_skip_string(struct sql *s, uint8_t quote)
{
	if (!string_rest(s, quote))
		return false;
	s->t = (struct sql_token){.kind = T_STRING, .quote = quote, .len = s->at};
	sql_next(s);
	return true;
}
