// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/script/code.h"

#include "dataplane/inspect/java/grade.h"
#include "dataplane/inspect/script/expr.h"

#include <string.h>

#define TELLING                                                                                    \
	(EXPR_GRAVE | EXPR_IMPORT | EXPR_RUN_WORD | EXPR_NODE_FACT | EXPR_LOOP | EXPR_PYTHON |     \
	 EXPR_RUBY)

struct code {
	struct inspect *in;
	const struct inspect_node *n;
	const struct expr_verdict *v;
	size_t at, len;
	bool whole;
};

static void say(const struct code *c, enum inspect_rule rule)
{
	inspect_evidence(c->in, c->n, rule, c->at, c->len);
}

static bool has(const struct code *c, uint32_t all)
{
	return (c->v->ops & all) == all;
}

// ---- languages -----------------------------------------------------------------------------------

static void grade_node(const struct code *c)
{
	bool any = true;

	if (has(c, EXPR_NODE)) {
		say(c, RULE_NODE_MODULE);
		if (has(c, EXPR_CALL) &&
		    (c->v->ops & (EXPR_RUN | EXPR_RUN_WORD | EXPR_FILE | EXPR_EVAL)) != 0)
			say(c, RULE_NODE_RUN);
	} else if (has(c, EXPR_NODE_FACT) && c->v->names <= 3 && !has(c, EXPR_STRING)) {
		say(c, RULE_NODE_FACT);
	} else if (has(c, EXPR_LOOP) && c->whole) {
		say(c, RULE_NODE_LOOP);
	} else {
		any = false;
	}
	if (any && c->whole)
		say(c, RULE_NODE_WHOLE);
}

static void grade_python(const struct code *c)
{
	bool any = false;

	if (has(c, EXPR_PYTHON | EXPR_CALL) && (c->v->ops & EXPR_RUN) != 0) {
		say(c, RULE_PYTHON_RUN);
		any = true;
	}
	if (has(c, EXPR_IMPORT | EXPR_PYTHON | EXPR_CALL | EXPR_STRING)) {
		say(c, RULE_PYTHON_IMPORT);
		any = true;
	}
	if (has(c, EXPR_DUNDER | EXPR_MEMBER)) {
		say(c, RULE_PYTHON_INSIDE);
		any = true;
	}
	if (has(c, EXPR_EVAL | EXPR_CALL | EXPR_STRING) && c->v->names <= 2) {
		say(c, RULE_PYTHON_EVAL);
		any = true;
	}
	if (any && c->whole)
		say(c, RULE_PYTHON_WHOLE);
}

static void grade_ruby(const struct code *c)
{
	bool any = false;

	if (has(c, EXPR_RUN | EXPR_CALL | EXPR_STRING) && !has(c, EXPR_JAVA)) {
		say(c, RULE_RUBY_RUN);
		any = true;
	}
	if (has(c, EXPR_RUBY | EXPR_EVAL | EXPR_CALL | EXPR_STRING)) {
		say(c, RULE_RUBY_EVAL);
		any = true;
	}
	if (!any)
		return;
	if (has(c, EXPR_RUBY))
		say(c, RULE_RUBY_KERNEL);
	if (c->whole)
		say(c, RULE_RUBY_WHOLE);
}

// ---- where it stands -----------------------------------------------------------------------------

static bool is_whole(const struct inspect_node *n, const struct expr_verdict *v)
{
	size_t i = v->used;

	while (i < n->len && n->len - i < 8 && memchr(" \n\r\t;)}]'\"", n->p[i], 9) != NULL)
		i++;
	return i >= n->len || v->open || v->deep || v->used >= EXPR_BYTES_MAX;
}

static void grade(struct code *c)
{
	if ((c->v->ops & EXPR_CALL) != 0 || (c->v->ops & EXPR_OGNL) != 0)
		java_grade(c->in, c->n, c->v, c->at, c->len,
			   c->whole ? RULE_JAVA_WHOLE : RULE_JAVA_BREAK);
	if ((c->v->ops & EXPR_JAVA_OPS) != 0)
		return;
	grade_node(c);
	grade_python(c);
	grade_ruby(c);
}

// The word at p begins a program although another word or a blank stands behind it.
static bool begins_statement(const char *p, size_t len)
{
	static const char *const words[] = {
		"import",   "from",   "new",    "def",   "var",    "let",   "const",
		"function", "return", "if",     "for",   "while",  "try",   "println",
		"print",    "puts",   "String", "int",   "lambda", "with",  "public",
		"final",    "class",  "async",  "await", "Object", "Class", "Process"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (len == strlen(words[i]) && memcmp(p, words[i], len) == 0)
			return true;
	return expr_name_find(p, len) != NULL;
}

// What a program of one of these languages may begin with: most values do not.
static bool may_be_code(const struct inspect_node *n)
{
	static const struct bytes_class word = BYTES_CLASS(BYTES_WORD | BYTES(UNDERSCORE));
	const uint8_t *p = n->p, *end = p + n->len, *from;

	while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	if (p == end)
		return false;
	from = p;
	p = bytes_skip(p, end, &word);
	if (p == from)
		return memchr("\"'([#@%$!-+`);", *p, 14) != NULL &&
		       (n->set & (BYTES(LPAREN) | BYTES(AT) | BYTES(HASH))) != 0;
	if (p == end)
		return false;
	if (*p == '(')
		return true;
	// process.env, {}.__class__ and module.exports= do without a bracket
	if ((n->set & BYTES(LPAREN)) == 0)
		return (*p == '.' || *p == '[') &&
		       ((*from | 0x20) == 'p' || (*from | 0x20) == 'm' || (*from | 0x20) == 'g' ||
			bytes_find2(p, (size_t)(end - p), '_', '_') != NULL);
	if (memchr(".[=;\"'", *p, 6) != NULL)
		return true;
	if (*p == ':') // script:code, script::code
		return end - p > 1 &&
		       (p[1] == ':' || ((p[1] | 0x20) >= 'a' && (p[1] | 0x20) <= 'z'));
	if (*from >= '0' && *from <= '9')
		return memchr("+*-)", *p, 4) != NULL;
	return (*p == ' ' || *p == '\n' || *p == '\t' || *p == '{') &&
	       begins_statement((const char *)from, (size_t)(p - from));
}

static void whole(struct inspect *in, const struct inspect_node *n)
{
	struct expr_verdict v;
	struct code c = {.in = in, .n = n, .v = &v, .whole = true};

	if (!may_be_code(n))
		return;

	expr_judge(n->p, n->len, EXPR_PROGRAM, &v);
	if (v.loose || (v.ops & TELLING) == 0 || !is_whole(n, &v))
		return;
	c.at = v.at;
	c.len = n->len - v.at;
	grade(&c);
}

static void behind_quote(struct inspect *in, const struct inspect_node *n, uint8_t quote)
{
	const uint8_t *end = n->p + n->len, *p = memchr(n->p, quote, n->len);
	struct expr_verdict v;
	struct code c = {.in = in, .n = n, .v = &v};

	if (p == NULL)
		return;
	for (p++; p < end && *p == quote; p++)
		;
	for (; p < end && memchr(" +)],;.&|", *p, 9) != NULL; p++)
		;
	if (p == end)
		return;
	expr_judge(p, (size_t)(end - p), EXPR_PROGRAM, &v);
	if (v.loose || (v.ops & TELLING) == 0 || (v.ops & EXPR_CALL) == 0)
		return;
	c.at = (size_t)(p - n->p) + v.at;
	c.len = n->len - c.at;
	grade(&c);
}

static void run(struct inspect *in, const struct inspect_node *n)
{
	whole(in, n);
	if ((n->set & BYTES(LPAREN)) == 0)
		return;
	if ((n->set & BYTES(QUOTE)) != 0)
		behind_quote(in, n, '\'');
	if ((n->set & BYTES(DQUOTE)) != 0)
		behind_quote(in, n, '"');
}

const struct inspect_analyser inspect_code = {
	.name = "code",
	.any = BYTES(DOT) | BYTES(AT) | BYTES(LPAREN) | BYTES(LBRACKET) | BYTES(PERCENT) |
	       BYTES(UNDERSCORE),
	.least = 6,
	.run = run,
};
