// SPDX-License-Identifier: BSD-3-Clause
//
// Words as a shell has them after its expansions and quote removal (POSIX XCU, sections 2.2, 2.6, 2.6.7;
// bash's $'..' and braces; cmd's caret, PowerShell's backtick): c''at, c\at, "c"at, cat${IFS}/etc/passwd,
// {cat,/etc/passwd}, ca$@t, who^ami. Only what stands within a word or makes one counts: text in quotes,
// apostrophes and paths of Windows stay.

#include "dataplane/inspect/decode/decode.h"

#include <string.h>

#define WORD_MAX 64

static bool is_letter(uint8_t c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

#define WORD (BYTES_WORD | BYTES(SLASH) | BYTES(DOT) | BYTES(UNDERSCORE) | BYTES(MINUS))

static bool is_word(uint8_t c)
{
	return (WORD >> bytes_group[c] & 1) != 0;
}

struct scan {
	const uint8_t *start, *p, *end;
	uint8_t *out;
};

static bool after_word(const struct scan *s)
{
	return s->p > s->start && is_word(s->p[-1]);
}

static bool is_start_of_command(const struct scan *s)
{
	return s->p == s->start || memchr(" \t\n;|&(`=", s->p[-1], 9) != NULL;
}

// 'c' "c" '' in a word: the quotes go.
static bool quotes(struct scan *s)
{
	const uint8_t *q = s->p + 1;

	if (q < s->end && !is_word(*q) && *q != *s->p)
		return false;
	while (q < s->end && q - s->p < WORD_MAX && is_word(*q))
		q++;
	if (q == s->end || *q != *s->p)
		return false;
	if (!after_word(s) && (q + 1 == s->end || !is_word(q[1])))
		return false;
	memcpy(s->out, s->p + 1, (size_t)(q - s->p - 1));
	s->out += q - s->p - 1;
	s->p = q + 1;
	return true;
}

// A sign that only keeps the next letter from being special: \ ^ `
static bool escape(struct scan *s)
{
	bool backslash = *s->p == '\\';

	if (s->end - s->p < 2)
		return false;
	if (backslash && s->p[1] == '\n') { // the line goes on
		s->p += 2;
		return true;
	}
	if (!is_letter(s->p[1]) && !(backslash && is_word(s->p[1])))
		return false;
	if (backslash && (s->p[1] == 'x' || s->p[1] == 'u') && s->end - s->p > 3 &&
	    decode_digit[s->p[2]] >= 0 && decode_digit[s->p[3]] >= 0)
		return false; // a character by its number, no letter
	if (!after_word(s) && !(backslash && is_start_of_command(s)))
		return false;
	*s->out++ = s->p[1];
	s->p += 2;
	return true;
}

static uint8_t value(const uint8_t *name, size_t len, const uint8_t *rest, size_t rest_len)
{
	static const char *const paths[] = {"HOME", "PATH", "PWD", "OLDPWD", "SHELL"};

	if (len == 3 && memcmp(name, "IFS", 3) == 0)
		return ' ';
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (strlen(paths[i]) == len && memcmp(paths[i], name, len) == 0 && rest_len == 4 &&
		    memcmp(rest, ":0:1", 4) == 0)
			return '/'; // the first sign of any path
	return 0;
}

// $IFS ${IFS} $IFS$9 are a blank, ${HOME:0:1} a slash; a variable in a word is taken for unset.
static bool variable(struct scan *s)
{
	const uint8_t *p = s->p + 1, *name, *rest;
	bool braces = p < s->end && *p == '{';
	size_t len;
	uint8_t c;

	p += braces;
	name = p;
	if (p == s->end)
		return false;
	if (memchr("@*!#?-$", *p, 7) != NULL || (*p >= '0' && *p <= '9')) {
		p++;
	} else {
		while (p < s->end && p - name < WORD_MAX &&
		       (is_letter(*p) || *p == '_' || (p > name && *p >= '0' && *p <= '9')))
			p++;
	}
	len = (size_t)(p - name);
	rest = p;
	if (braces) {
		while (p < s->end && p - rest < WORD_MAX && *p != '}' && *p > ' ')
			p++;
		if (p == s->end || *p != '}')
			return false;
	}
	c = len > 0 ? value(name, len, rest, (size_t)(p - rest)) : 0;
	if (len == 0 || (c == 0 && !after_word(s)))
		return false;
	p += braces;
	if (c != 0)
		*s->out++ = c;
	s->p = p;
	return true;
}

// $'\x63at': escapes of C, and the quotes go.
static bool ansi_quotes(struct scan *s)
{
	const uint8_t *q = s->p + 2;

	while (q < s->end && *q != '\'')
		q += *q == '\\' && q + 1 < s->end ? 2 : 1;
	if (q >= s->end || memchr(s->p + 2, '\\', (size_t)(q - s->p - 2)) == NULL)
		return false;
	s->out += decode_js(s->p + 2, (size_t)(q - s->p - 2), s->out);
	s->p = q + 1;
	return true;
}

static bool dollar(struct scan *s)
{
	if (s->end - s->p >= 2 && s->p[1] == '\'')
		return ansi_quotes(s);
	return variable(s);
}

// {cat,/etc/passwd} where a command may begin: words with blanks between them.
static bool braces(struct scan *s)
{
	const uint8_t *q = s->p + 1;
	bool comma = false;

	if (!is_start_of_command(s))
		return false;
	for (; q < s->end && (is_word(*q) || memchr(",*?+@~<>&|$\\\"'", *q, 14) != NULL); q++)
		comma |= *q == ',';
	if (!comma || q == s->end || *q != '}')
		return false;
	for (const uint8_t *p = s->p + 1; p < q; p++)
		*s->out++ = *p == ',' ? ' ' : *p;
	s->p = q + 1;
	return true;
}

static bool step(struct scan *s)
{
	switch (*s->p) {
	case '\'':
	case '"':
		return quotes(s);
	case '\\':
	case '^':
	case '`':
		return escape(s);
	case '$':
		return dollar(s);
	case '{':
		return braces(s);
	default:
		return false;
	}
}

#define SIGNS                                                                                      \
	(BYTES(QUOTE) | BYTES(DQUOTE) | BYTES(BACKSLASH) | BYTES(CARET) | BYTES(BACKTICK) |        \
	 BYTES(DOLLAR) | BYTES(LBRACE))

static const struct bytes_class signs = BYTES_CLASS(SIGNS);

// Most text has nothing to undo, so nothing is copied before the first sign that has.
static void run(struct inspect *in, const struct inspect_node *n)
{
	uint8_t *room = inspect_node_room(in, n->len);
	struct scan s = {.start = n->p, .p = n->p, .end = n->p + n->len, .out = room};
	bool changed = false;

	if (room == NULL)
		return;
	for (;;) {
		const uint8_t *q = bytes_find(s.p, s.end, &signs);

		if (changed)
			s.out = mempcpy(s.out, s.p, (size_t)(q - s.p));
		else
			s.out = room + (q - s.start);
		s.p = q;
		if (q == s.end)
			break;
		if (step(&s)) {
			if (!changed)
				memcpy(room, s.start, (size_t)(q - s.start));
			changed = true;
		} else {
			*s.out++ = *s.p++;
		}
	}
	if (changed)
		inspect_node_add(in, n, DECODE_SHELL, n->place, room, (size_t)(s.out - room));
}

const struct decoder decode_shell_ops = {.name = "shell", .any = SIGNS, .least = 3, .run = run};
