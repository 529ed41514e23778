// SPDX-License-Identifier: BSD-3-Clause
//
// The compound statements of cmd.exe, which are unlike any prose: their grammar is told by "help for" and
// "help if".
//
//	for [/d | /r [path] | /l | /f ["options"]] %x in (set) do command
//	if [/i] [not] (exist f | defined v | errorlevel n | cmdextversion n | a==b | a op b) command

#include "dataplane/inspect/shell/shell_priv.h"

#include <string.h>

#define TOKENS_MAX 10
#define SET_MAX    1024

struct batch {
	const uint8_t *p;
	size_t len, at;
	bool plus;
};

static bool is_blank(const struct batch *b, uint8_t c)
{
	return c == ' ' || c == '\t' || (c == '+' && b->plus);
}

static void blanks(struct batch *b)
{
	while (b->at < b->len && is_blank(b, b->p[b->at]))
		b->at++;
}

// The next piece without blanks, text in quotes whole. len 0: the end
static struct http_bytes piece(struct batch *b)
{
	size_t from;
	bool quoted = false;

	blanks(b);
	from = b->at;
	if (b->at < b->len && b->p[b->at] == '(') {
		b->at++;
		return (struct http_bytes){b->p + from, 1};
	}
	while (b->at < b->len && b->at - from < 128) {
		uint8_t c = b->p[b->at];

		if (!quoted && (is_blank(b, c) || (c == '(' && b->at > from && b->p[from] != '%')))
			break;
		if (c == '"')
			quoted = !quoted;
		b->at++;
	}
	return (struct http_bytes){b->p + from, (uint32_t)(b->at - from)};
}

static bool is(struct http_bytes t, const char *text)
{
	return http_bytes_are(t, text);
}

// ---- for -----------------------------------------------------------------------------------------

// ( set ) do command
static bool set_and_command(struct batch *b)
{
	size_t left;
	const uint8_t *q;

	if (!is(piece(b), "("))
		return false;
	left = b->len - b->at;
	q = memchr(b->p + b->at, ')', left < SET_MAX ? left : SET_MAX);
	for (unsigned i = 0; q != NULL && i < 4; i++) {
		b->at = (size_t)(q + 1 - b->p);
		if (is(piece(b), "do"))
			return piece(b).len > 0;
		left = b->len - (size_t)(q + 1 - b->p);
		q = memchr(q + 1, ')', left < SET_MAX ? left : SET_MAX);
	}
	return false;
}

static bool is_for(struct batch *b)
{
	for (unsigned i = 0; i < TOKENS_MAX; i++) {
		struct http_bytes t = piece(b);

		if (t.len == 0 || is(t, "("))
			return false;
		if (t.p[0] != '%')
			continue;
		return t.len > 1 && is(piece(b), "in") && set_and_command(b);
	}
	return false;
}

// ---- if ------------------------------------------------------------------------------------------

static bool is_operator(struct http_bytes t)
{
	return is(t, "equ") || is(t, "neq") || is(t, "lss") || is(t, "leq") || is(t, "gtr") ||
	       is(t, "geq") || is(t, "==");
}

static bool is_command(struct http_bytes t)
{
	static const char *const words[] = {
		"echo",  "goto", "set", "cd",    "call", "exit",  "start", "cmd",
		"copy",  "del",  "md",  "mkdir", "rd",   "ren",   "type",  "do",
		"pause", "if",   "for", "shift", "move", "xcopy", "dir",   "ping",
	};

	if (t.len > 0 && (t.p[0] == '(' || t.p[0] == '@'))
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (is(t, words[i]))
			return true;
	return false;
}

static bool has_equals(struct http_bytes t)
{
	return t.len > 3 && memmem(t.p + 1, t.len - 2, "==", 2) != NULL;
}

// Past the bracket that closes the one at b->at.
static bool bracket(struct batch *b)
{
	size_t left = b->len - b->at;
	const uint8_t *q = memchr(b->p + b->at, ')', left < 128 ? left : 128);

	if (q == NULL)
		return false;
	b->at = (size_t)(q + 1 - b->p);
	return true;
}

static void operand(struct batch *b)
{
	blanks(b);
	if (b->at < b->len && b->p[b->at] == '(')
		bracket(b);
	else
		piece(b);
}

// (a geq b) or (a)==(b), b->at behind the first bracket.
static bool in_brackets(struct batch *b)
{
	size_t from = b->at;

	piece(b);
	if (is_operator(piece(b)) && bracket(b))
		return true;
	b->at = from;
	if (!bracket(b))
		return false;
	blanks(b);
	if (b->len - b->at < 2 || b->p[b->at] != '=' || b->p[b->at + 1] != '=')
		return false;
	b->at += 2;
	operand(b);
	return true;
}

// A condition, its first piece t. true: it is one, and what follows is the command.
static bool condition(struct batch *b, struct http_bytes t)
{
	if (is(t, "exist") || is(t, "defined") || is(t, "errorlevel") || is(t, "cmdextversion"))
		return piece(b).len > 0;
	if (is(t, "("))
		return in_brackets(b);
	if (has_equals(t))
		return true;
	return is_operator(piece(b)) && piece(b).len > 0;
}

static bool is_if(struct batch *b)
{
	struct http_bytes t = piece(b);

	while (is(t, "/i") || is(t, "not"))
		t = piece(b);
	return t.len > 0 && condition(b, t) && is_command(piece(b));
}

// --------------------------------------------------------------------------------------------------

void shell_judge_batch(struct inspect *in, const struct inspect_node *n, size_t i)
{
	struct batch b = {.p = n->p, .len = n->len, .at = i};
	struct http_bytes t;

	b.plus = (n->set & BYTES(PLUS)) != 0 && (n->set & BYTES(SPACE)) == 0;
	while (b.at < b.len && (n->p[b.at] <= ' ' || memchr(";&|'\"(", n->p[b.at], 6) != NULL))
		b.at++;
	if (n->len - b.at < 8 || ((n->p[b.at] | 0x20) != 'f' && (n->p[b.at] | 0x20) != 'i'))
		return;
	t = piece(&b);
	if (is(t, "for") && is_for(&b))
		inspect_evidence(in, n, RULE_SHELL_FOR, i, b.at - i);
	else if (is(t, "if") && is_if(&b))
		inspect_evidence(in, n, RULE_SHELL_IF, i, b.at - i);
}
