// SPDX-License-Identifier: BSD-3-Clause
//
// What a shell runs that is no simple command.
//
//	() { :; }; command    a function in a variable, and what an old bash runs on the way (CVE-2014-6271)
//	f(){ f|f& };f         a function that calls itself twice
//	<!--#exec cmd=".."--> server-side includes of Apache and nginx (mod_include)

#include "dataplane/inspect/shell/shell_priv.h"

#include <string.h>

struct text {
	const uint8_t *p;
	size_t len, at;
};

static void blanks(struct text *t)
{
	while (t->at < t->len && (t->p[t->at] == ' ' || t->p[t->at] == '+' || t->p[t->at] == '\t'))
		t->at++;
}

static bool take(struct text *t, char c)
{
	blanks(t);
	if (t->at >= t->len || t->p[t->at] != (uint8_t)c)
		return false;
	t->at++;
	return true;
}

// ---- functions -----------------------------------------------------------------------------------

static bool is_body_shock(struct text *t)
{
	const uint8_t *q = memchr(t->p + t->at, '}', t->len - t->at < 128 ? t->len - t->at : 128);

	if (q == NULL)
		return false;
	t->at = (size_t)(q + 1 - t->p);
	return take(t, ';') || (blanks(t), t->at < t->len);
}

// p: the name before the parentheses, which is called twice in the body.
static bool is_bomb(const struct text *t, const uint8_t *name, size_t len)
{
	const uint8_t *p = t->p + t->at, *end = t->p + t->len, *q;

	if (len == 0 || len > 32)
		return false;
	q = memmem(p, (size_t)(end - p) < 64 ? (size_t)(end - p) : 64, name, len);
	if (q == NULL || q - p > 4)
		return false;
	for (q += len; q < end && (*q == ' ' || *q == '+'); q++)
		;
	if (q == end || *q != '|')
		return false;
	for (q++; q < end && (*q == ' ' || *q == '+'); q++)
		;
	if ((size_t)(end - q) < len || memcmp(q, name, len) != 0)
		return false;
	for (q += len; q < end && (*q == ' ' || *q == '+'); q++)
		;
	return q < end && *q == '&';
}

static bool is_name(uint8_t c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static void judge_function(struct inspect *in, const struct inspect_node *n, size_t open)
{
	struct text t = {n->p, n->len, open + 1};
	size_t name = open;

	if (!take(&t, ')') || !take(&t, '{'))
		return;
	while (name > 0 && n->p[name - 1] > ' ' && n->p[name - 1] != '+' && n->p[name - 1] != ';' &&
	       open - name < 32)
		name--;
	if (name == open) {
		struct text body = t;

		// "function () {" is JavaScript
		while (name > 0 && (n->p[name - 1] == ' ' || n->p[name - 1] == '+'))
			name--;
		if (name > 0 && (is_name(n->p[name - 1]) || n->p[name - 1] == ')'))
			return;
		if (name == 0)
			inspect_evidence(in, n, RULE_SHELL_FUNCTION, open, t.at - open);
		if (is_body_shock(&body))
			inspect_evidence(in, n, RULE_SHELL_SHOCK, open, body.at - open);
		return;
	}
	if (is_bomb(&t, n->p + name, open - name))
		inspect_evidence(in, n, RULE_SHELL_BOMB, name, t.at - name);
}

// ---- includes ------------------------------------------------------------------------------------

static void judge_include(struct inspect *in, const struct inspect_node *n, size_t at)
{
	static const struct {
		const char *name;
		enum inspect_rule rule;
	} known[] = {
		{"exec", RULE_SHELL_SSI_EXEC}, {"include", RULE_SHELL_SSI},
		{"echo", RULE_SHELL_SSI},      {"printenv", RULE_SHELL_SSI},
		{"config", RULE_SHELL_SSI},    {"fsize", RULE_SHELL_SSI},
		{"flastmod", RULE_SHELL_SSI},  {"set", RULE_SHELL_SSI},
		{"if", RULE_SHELL_SSI},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		uint32_t len = (uint32_t)strlen(known[i].name);

		if (at + len < n->len &&
		    http_bytes_are((struct http_bytes){n->p + at, len}, known[i].name) &&
		    !is_name(n->p[at + len]))
			inspect_evidence(in, n, known[i].rule, at, len);
	}
}

void shell_judge_forms(struct inspect *in, const struct inspect_node *n)
{
	const uint64_t function = BYTES(LPAREN) | BYTES(RPAREN) | BYTES(LBRACE);
	const uint64_t include = BYTES(LT) | BYTES(BANG) | BYTES(HASH) | BYTES(MINUS);
	size_t i = 0;

	if ((n->set & function) == function)
		while (i + 3 < n->len) {
			const uint8_t *q = memchr(n->p + i, '(', n->len - i);

			if (q == NULL)
				break;
			judge_function(in, n, (size_t)(q - n->p));
			i = (size_t)(q - n->p) + 1;
		}
	if ((n->set & include) != include)
		return;
	i = 0;
	while (i + 8 < n->len) {
		const uint8_t *q = memmem(n->p + i, n->len - i, "<!--#", 5);

		if (q == NULL)
			return;
		i = (size_t)(q - n->p) + 5;
		while (i < n->len && (n->p[i] == ' ' || n->p[i] == '+'))
			i++;
		judge_include(in, n, i);
	}
}
