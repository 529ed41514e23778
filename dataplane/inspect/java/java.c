// SPDX-License-Identifier: BSD-3-Clause
//
// Expressions without a marker: the value is one from its first byte, or becomes one behind the quote that
// ends the text it was put into.

#include "dataplane/inspect/java/java.h"

#include "dataplane/inspect/java/grade.h"

#include <string.h>

// Java's languages reach nothing without a call, a constructor or OGNL's sets.
#define TELLING                                                                                    \
	(EXPR_RUN | EXPR_REFLECT | EXPR_STATIC | EXPR_OGNL | EXPR_GADGET | EXPR_TYPE | EXPR_EVAL)

static bool is_whole(const struct inspect_node *n, const struct expr_verdict *v)
{
	size_t i = v->used;

	while (i < n->len && n->len - i < 8 && memchr(" \n\r\t;)}]'\"", n->p[i], 9) != NULL)
		i++;
	return i >= n->len || v->open || v->deep;
}

static void whole(struct inspect *in, const struct inspect_node *n)
{
	struct expr_verdict v;

	expr_judge(n->p, n->len, EXPR_PROGRAM, &v);
	if (v.loose || (v.ops & TELLING) == 0 || (v.ops & (EXPR_CALL | EXPR_OGNL)) == 0 ||
	    !is_whole(n, &v))
		return;
	java_grade(in, n, &v, v.at, n->len - v.at, RULE_JAVA_WHOLE);
}

static void behind_quote(struct inspect *in, const struct inspect_node *n, uint8_t quote)
{
	const uint8_t *end = n->p + n->len, *p = memchr(n->p, quote, n->len);
	struct expr_verdict v;

	if (p == NULL)
		return;
	for (p++; p < end && memchr(" +)],;.&|", *p, 9) != NULL; p++)
		;
	if (p == end || p[-1] == quote)
		return;
	expr_judge(p, (size_t)(end - p), EXPR_PROGRAM, &v);
	if (!v.loose && (v.ops & TELLING) != 0 && (v.ops & EXPR_CALL) != 0)
		java_grade(in, n, &v, (size_t)(p - n->p) + v.at, (size_t)(end - p) - v.at,
			   RULE_JAVA_BREAK);
}

static void run(struct inspect *in, const struct inspect_node *n)
{
	if ((n->set & (BYTES(LPAREN) | BYTES(LBRACKET) | BYTES(EQ))) == 0)
		return;
	whole(in, n);
	if ((n->set & BYTES(LPAREN)) == 0)
		return;
	if ((n->set & BYTES(QUOTE)) != 0)
		behind_quote(in, n, '\'');
	if ((n->set & BYTES(DQUOTE)) != 0)
		behind_quote(in, n, '"');
}

const struct inspect_analyser inspect_java = {
	.name = "java",
	.any = BYTES(DOT) | BYTES(AT) | BYTES(HASH) | BYTES(LPAREN),
	.least = 8,
	.run = run,
};
