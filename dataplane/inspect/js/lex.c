// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/js/lex.h"

#include <string.h>

enum { O, W, N, D }; // other, white space, part of a name, digit

static const uint8_t kinds[128] = {
	['\t'] = W, ['\v'] = W, ['\f'] = W, [' '] = W, ['\n'] = W, ['\r'] = W, ['$'] = N, ['_'] = N,
	['0'] = D,  ['1'] = D,  ['2'] = D,  ['3'] = D, ['4'] = D,  ['5'] = D,  ['6'] = D, ['7'] = D,
	['8'] = D,  ['9'] = D,  ['a'] = N,  ['b'] = N, ['c'] = N,  ['d'] = N,  ['e'] = N, ['f'] = N,
	['g'] = N,  ['h'] = N,  ['i'] = N,  ['j'] = N, ['k'] = N,  ['l'] = N,  ['m'] = N, ['n'] = N,
	['o'] = N,  ['p'] = N,  ['q'] = N,  ['r'] = N, ['s'] = N,  ['t'] = N,  ['u'] = N, ['v'] = N,
	['w'] = N,  ['x'] = N,  ['y'] = N,  ['z'] = N, ['A'] = N,  ['B'] = N,  ['C'] = N, ['D'] = N,
	['E'] = N,  ['F'] = N,  ['G'] = N,  ['H'] = N, ['I'] = N,  ['J'] = N,  ['K'] = N, ['L'] = N,
	['M'] = N,  ['N'] = N,  ['O'] = N,  ['P'] = N, ['Q'] = N,  ['R'] = N,  ['S'] = N, ['T'] = N,
	['U'] = N,  ['V'] = N,  ['W'] = N,  ['X'] = N, ['Y'] = N,  ['Z'] = N,
};

static bool is_name_part(uint8_t c)
{
	return c >= 0x80 || kinds[c] == N || kinds[c] == D;
}

// ---- white space and comments --------------------------------------------------------------------

// Bytes of a white space beyond ASCII at p, 0: none (section 12.2).
static size_t wide_blank(const uint8_t *p, const uint8_t *end)
{
	if (end - p >= 2 && p[0] == 0xc2 && (p[1] == 0xa0 || p[1] == 0x85))
		return 2;
	if (end - p < 3)
		return 0;
	if ((p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf) ||
	    (p[0] == 0xe3 && p[1] == 0x80 && p[2] == 0x80) ||
	    (p[0] == 0xe1 && p[1] == 0x9a && p[2] == 0x80) ||
	    (p[0] == 0xe2 && p[1] == 0x81 && p[2] == 0x9f) ||
	    (p[0] == 0xe2 && p[1] == 0x80 && (p[2] <= 0x8a || p[2] == 0xaf)))
		return 3;
	return 0;
}

static bool is_separator(const uint8_t *p, const uint8_t *end)
{
	return end - p >= 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9);
}

static void skip_line(struct js_lexer *l)
{
	while (l->at < l->end && *l->at != '\n' && *l->at != '\r' && !is_separator(l->at, l->end))
		l->at++;
	l->comment = l->at == l->end;
}

static void skip_block(struct js_lexer *l)
{
	for (l->at += 2; l->at < l->end; l->at++) {
		if (*l->at == '\n' || *l->at == '\r')
			l->newline = true;
		if (*l->at == '*' && l->at + 1 < l->end && l->at[1] == '/') {
			l->at += 2;
			return;
		}
	}
	l->comment = true;
}

static bool begins(const struct js_lexer *l, const char *text, size_t len)
{
	return (size_t)(l->end - l->at) >= len && memcmp(l->at, text, len) == 0;
}

// One piece of what separates tokens. Returns: false there is none
static bool skip_piece(struct js_lexer *l)
{
	uint8_t c = *l->at;

	if (c < 0x80 && kinds[c] == W) {
		l->newline |= c == '\n' || c == '\r';
		l->at++;
	} else if (c == '/' && begins(l, "//", 2)) {
		skip_line(l);
	} else if (c == '/' && begins(l, "/*", 2)) {
		skip_block(l);
	} else if (c == '<' && begins(l, "<!--", 4)) { // annex B.1.1
		skip_line(l);
	} else if (c == '-' && begins(l, "-->", 3) && (l->newline || l->at == l->p)) {
		skip_line(l);
	} else if (c >= 0x80 && is_separator(l->at, l->end)) {
		l->newline = true;
		l->at += 3;
	} else if (c >= 0x80 && wide_blank(l->at, l->end) > 0) {
		l->at += wide_blank(l->at, l->end);
	} else {
		return false;
	}
	return true;
}

// ---- escapes -------------------------------------------------------------------------------------

static int hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void put(struct js_lexer *l, uint32_t c)
{
	if (l->text_len < JS_TEXT_MAX)
		l->text[l->text_len++] = c < 0x80 ? (uint8_t)c : 0x80;
}

// Up to most hex digits at *at. Returns: the number, -1: fewer than least
static int32_t hex_digits(const uint8_t **at, const uint8_t *end, unsigned least, unsigned most)
{
	unsigned n = 0;
	int32_t v = 0;

	for (; n < most && *at < end && hex(**at) >= 0; n++, (*at)++)
		v = (v << 4 | hex(**at)) & 0xffffff;
	return n >= least ? v : -1;
}

// \uXXXX and \u{X..}; *at is behind the u. Returns: the code, -1: none
static int32_t unicode_escape(const uint8_t **at, const uint8_t *end)
{
	int32_t v;

	if (*at == end || **at != '{')
		return hex_digits(at, end, 4, 4);
	(*at)++;
	v = hex_digits(at, end, 1, UINT8_MAX);
	if (v < 0 || *at == end || **at != '}')
		return -1;
	(*at)++;
	return v;
}

static int32_t octal(const uint8_t **at, const uint8_t *end)
{
	int32_t v = 0;

	for (unsigned n = 0; n < 3 && *at < end && **at >= '0' && **at <= '7'; n++, (*at)++)
		v = v << 3 | (**at - '0');
	return v;
}

// Behind a backslash in a string or template (section 12.9.4).
static void string_escape(struct js_lexer *l)
{
	static const char from[] = "nrtbvf", to[] = "\n\r\t\b\v\f";
	const uint8_t *back;
	const char *known;
	int32_t v;
	uint8_t c;

	if (l->at == l->end)
		return;
	c = *l->at++;
	back = l->at;
	known = c != '\0' ? strchr(from, c) : NULL;
	if (known != NULL) {
		put(l, (uint8_t)to[known - from]);
	} else if (c == 'x' || c == 'u') {
		v = c == 'x' ? hex_digits(&l->at, l->end, 2, 2) : unicode_escape(&l->at, l->end);
		if (v >= 0) {
			put(l, (uint32_t)v);
			return;
		}
		l->at = back;
		put(l, c);
	} else if (c >= '0' && c <= '7') {
		l->at--;
		put(l, (uint32_t)octal(&l->at, l->end));
	} else if (c == '\r' || c == '\n') {
		if (c == '\r' && l->at < l->end && *l->at == '\n')
			l->at++;
	} else {
		put(l, c);
	}
}

// ---- tokens --------------------------------------------------------------------------------------

static void bad(struct js_lexer *l)
{
	l->kind = JS_T_BAD;
	l->at = l->from;
}

static void name(struct js_lexer *l)
{
	const uint8_t *p = l->at;

	l->kind = JS_T_NAME;
	while (p < l->end && *p < 0x80 && kinds[*p] >= N)
		p++;
	l->text_len = (uint8_t)(p - l->at < JS_TEXT_MAX ? p - l->at : JS_TEXT_MAX);
	memcpy(l->text, l->at, l->text_len);
	l->at = p;
	while (l->at < l->end) { // what is left: escapes and letters beyond ASCII
		uint8_t c = *l->at;

		if (c == '\\' && l->at + 1 < l->end && l->at[1] == 'u') {
			const uint8_t *at = l->at + 2;
			int32_t v = unicode_escape(&at, l->end);

			if (v < 0 || (v < 0x80 && !is_name_part((uint8_t)v))) {
				bad(l);
				return;
			}
			put(l, (uint32_t)v);
			l->at = at;
		} else if (is_name_part(c) && (c < 0x80 || (wide_blank(l->at, l->end) == 0 &&
							    !is_separator(l->at, l->end)))) {
			put(l, c);
			l->at++;
		} else {
			break;
		}
	}
	l->name = (uint8_t)js_name_find(l->text, l->text_len);
	l->names++;
}

static void digits(struct js_lexer *l)
{
	while (l->at < l->end && (kinds[*l->at & 0x7f] == D || *l->at == '_') && *l->at < 0x80)
		l->at++;
}

static void number(struct js_lexer *l)
{
	l->kind = JS_T_NUMBER;
	if (*l->at == '0' && l->at + 1 < l->end && strchr("xXbBoO", l->at[1]) != NULL &&
	    l->at[1] != '\0') {
		l->at += 2;
		while (l->at < l->end && (hex(*l->at) >= 0 || *l->at == '_'))
			l->at++;
	} else {
		digits(l);
		if (l->at < l->end && *l->at == '.') {
			l->at++;
			digits(l);
		}
		if (l->at < l->end && (*l->at | 0x20) == 'e') {
			const uint8_t *e = l->at + 1;

			if (e < l->end && (*e == '+' || *e == '-'))
				e++;
			if (e < l->end && *e < 0x80 && kinds[*e] == D) {
				l->at = e;
				digits(l);
			}
		}
	}
	if (l->at < l->end && *l->at == 'n')
		l->at++;
	if (l->at < l->end && is_name_part(*l->at) && wide_blank(l->at, l->end) == 0)
		bad(l); // section 12.9.3: 5kg is no number
}

static void string(struct js_lexer *l)
{
	l->kind = JS_T_STRING;
	l->quote = *l->at++;
	while (l->at < l->end) {
		uint8_t c = *l->at++;

		if (c == l->quote)
			return;
		if (c == '\n' || c == '\r') {
			bad(l);
			return;
		}
		if (c == '\\')
			string_escape(l);
		else
			put(l, c);
	}
	l->open = true;
}

// Longest first within one first byte.
static const char *const puncts[] = {
	">>>=", "...", "===", "!==", "**=", "<<=", ">>=", ">>>", "&&=", "||=", "?\?=",
	"=>",   "==",  "!=",  "<=",  ">=",  "&&",  "||",  "??",  "?.",  "++",  "--",
	"+=",   "-=",  "*=",  "/=",  "%=",  "&=",  "|=",  "^=",  "<<",  ">>",  "**",
};

// What a longer punctuator may go on with.
static bool is_second(uint8_t c)
{
	return c >= '&' && c <= '|' && (c <= '.' || (c >= '<' && c <= '?') || c == '|');
}

static void punct(struct js_lexer *l)
{
	size_t left = (size_t)(l->end - l->at), len = 1;

	l->kind = JS_T_PUNCT;
	l->punct = *l->at;
	if (left > 1 && is_second(l->at[1]) && strchr("{}()[];,~:@#", *l->at) == NULL) {
		for (size_t i = 0; len == 1 && i < sizeof(puncts) / sizeof(puncts[0]); i++) {
			size_t n = strlen(puncts[i]);

			if (*l->at != (uint8_t)puncts[i][0] || n > left ||
			    memcmp(l->at, puncts[i], n) != 0)
				continue;
			if (n == 2 && l->at[0] == '?' && l->at[1] == '.' && left > 2 &&
			    l->at[2] >= '0' && l->at[2] <= '9')
				continue; // a?.5:1
			len = n;
		}
		for (size_t i = 1; i < len; i++)
			l->punct |= (uint32_t)l->at[i] << 8 * i;
	}
	l->at += len;
}

void js_lex_init(struct js_lexer *l, const uint8_t *p, size_t len)
{
	memset(l, 0, offsetof(struct js_lexer, text));
	l->tokens = l->names = 0;
	l->p = l->at = p;
	l->end = p + len;
}

void js_lex_next(struct js_lexer *l)
{
	uint8_t c;

	l->newline = false;
	l->comment = false;
	while (l->at < l->end && skip_piece(l))
		;
	l->from = l->at;
	l->text_len = 0;
	l->name = JS_N_OTHER;
	l->punct = 0;
	if (l->at == l->end) {
		l->kind = JS_T_END;
		return;
	}
	c = *l->at;
	l->tokens++;
	if (c >= 0x80 || kinds[c] == N || c == '\\') {
		name(l);
	} else if (kinds[c] == D ||
		   (c == '.' && l->at + 1 < l->end && l->at[1] >= '0' && l->at[1] <= '9')) {
		number(l);
	} else if (c == '"' || c == '\'') {
		string(l);
	} else if (c == '`') {
		l->kind = JS_T_TEMPLATE;
		l->at++;
	} else if (c > ' ' && c < 0x7f) {
		punct(l);
	} else {
		bad(l);
	}
	if (l->kind == JS_T_NAME && l->at == l->from)
		bad(l); // a lone backslash
}

void js_lex_regex(struct js_lexer *l)
{
	bool in_class = false;

	l->at = l->from + 1;
	l->text_len = 0;
	for (; l->at < l->end && *l->at != '\n' && *l->at != '\r'; l->at++) {
		uint8_t c = *l->at;

		if (c == '/' && !in_class) {
			l->at++;
			while (l->at < l->end && is_name_part(*l->at))
				l->at++;
			l->kind = JS_T_REGEX;
			l->punct = 0;
			return;
		}
		if (c == '\\' && l->at + 1 < l->end)
			l->at++;
		else if (c == '[')
			in_class = true;
		else if (c == ']')
			in_class = false;
		put(l, *l->at);
	}
	bad(l);
}

uint8_t js_lex_template(struct js_lexer *l)
{
	l->text_len = 0;
	while (l->at < l->end) {
		uint8_t c = *l->at++;

		if (c == '`')
			return c;
		if (c == '$' && l->at < l->end && *l->at == '{') {
			l->at++;
			return c;
		}
		if (c == '\\')
			string_escape(l);
		else
			put(l, c);
	}
	return 0;
}
