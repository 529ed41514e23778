// SPDX-License-Identifier: BSD-3-Clause
//
// Every marker of a value: what stands in it is read as an expression, and told by what it reaches. What
// reaches Java is told as java-code, which has the same markers.

#include "dataplane/inspect/template/template.h"

#include "dataplane/inspect/java/grade.h"
#include "dataplane/inspect/script/expr.h"
#include "dataplane/inspect/template/marker.h"

#include <string.h>

#define AFFIX 16 // bytes beside an expression that is alone

struct value {
	struct inspect *in;
	const struct inspect_node *n;
	size_t work, most; // bytes read, and that may be
};

static void say(struct value *v, enum inspect_rule rule, size_t at, size_t to)
{
	inspect_evidence(v->in, v->n, rule, at, to - at);
}

// Nothing else is in the value, or a word beside the marker.
static bool is_alone(const struct inspect_node *n, size_t from, size_t to)
{
	if (from > AFFIX || n->len - to > AFFIX)
		return false;
	return memchr(n->p, ' ', from) == NULL && memchr(n->p + to, ' ', n->len - to) == NULL;
}

// Behind the marker's end, which stands at or after `at`; 0: it is not there
static size_t closed(const struct inspect_node *n, size_t at, const char *close)
{
	size_t len = strlen(close);

	while (at < n->len && (n->p[at] == ' ' || n->p[at] == '-' || n->p[at] == ';' ||
			       n->p[at] == '\n' || n->p[at] == '/'))
		at++;
	if (n->len - at < len || memcmp(n->p + at, close, len) != 0)
		return 0;
	return at + len;
}

// A name that engines have in scope by themselves, and nothing behind it.
static bool is_bare(const struct inspect_node *n, size_t from, size_t to)
{
	static const char *const names[] = {
		"config", "self",     "_self",   "lipsum",      "cycler",
		"joiner", "_context", "request", "pageContext", "applicationScope"};
	const char *p = (const char *)n->p + from;
	size_t len;

	while (from < to && *p == ' ')
		p++, from++;
	for (len = 0; from + len < to && (p[len] | 0x20) >= '_' && (p[len] | 0x20) <= 'z'; len++)
		;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (len == strlen(names[i]) && memcmp(p, names[i], len) == 0)
			return true;
	return false;
}

static void grade_scope(struct value *v, const struct marker *m, const struct expr_verdict *x,
			size_t end)
{
	if ((x->ops & EXPR_SCOPE) == 0 || m->kind == MARKER_BRACE || m->kind == MARKER_DOLLAR)
		return;
	if ((x->ops & EXPR_CALL) != 0)
		say(v, RULE_TEMPLATE_SCOPE_CALL, m->from, end);
	else if (x->tokens <= 3 && (x->ops & EXPR_MEMBER) == 0 && is_bare(v->n, m->text, end))
		say(v, RULE_TEMPLATE_SCOPE, m->from, end);
	else
		return;
	if (is_alone(v->n, m->from, end))
		say(v, RULE_TEMPLATE_ALONE, m->from, end);
}

static void grade_probe(struct value *v, const struct marker *m, const struct expr_verdict *x,
			size_t end)
{
	bool weak = m->kind == MARKER_BRACE || m->kind == MARKER_AT;

	if ((x->ops & (EXPR_ARITH | EXPR_CONSTANT)) == 0 || (x->ops & EXPR_CALL) != 0 ||
	    x->names > 1 || m->kind == MARKER_DOLLAR)
		return;
	if ((m->kind == MARKER_TAG || m->kind == MARKER_PERCENT) && (x->ops & EXPR_CONSTANT) != 0) {
		say(v, RULE_TEMPLATE_CONDITION, m->from, end);
		return;
	}
	say(v, weak ? RULE_TEMPLATE_PROBE_WEAK : RULE_TEMPLATE_PROBE, m->from, end);
	if (is_alone(v->n, m->from, end))
		say(v, RULE_TEMPLATE_ALONE, m->from, end);
}

static bool grade_reach(struct value *v, const struct marker *m, const struct expr_verdict *x,
			size_t end)
{
	uint32_t ops = x->ops;
	bool ruby = m->kind == MARKER_PERCENT || (m->kind == MARKER_SIGN && m->sign == '#');
	bool any = false;

	if ((ops & EXPR_DUNDER) != 0) {
		say(v, RULE_TEMPLATE_CHAIN, m->from, end);
		any = true;
	}
	if ((ops & EXPR_ENGINE) != 0 && m->kind != MARKER_DOLLAR) {
		say(v, RULE_TEMPLATE_ENGINE, m->from, end);
		any = true;
	}
	if ((ops & (EXPR_FUNCTION | EXPR_NODE)) != 0 ||
	    ((ops & (EXPR_EVAL | EXPR_IMPORT)) != 0 && (ops & EXPR_STRING) != 0)) {
		say(v, RULE_TEMPLATE_CODE, m->from, end);
		any = true;
	}
	if ((ops & EXPR_RUN) != 0 || (ruby && (ops & EXPR_RUBY) != 0)) {
		say(v, RULE_TEMPLATE_RUN, m->from, end);
		any = true;
	} else if ((ops & EXPR_RUN_WORD) != 0) {
		say(v, RULE_TEMPLATE_RUN_WORD, m->from, end);
		any = true;
	}
	if ((ops & EXPR_FILE) != 0 && (ops & EXPR_CALL) != 0) {
		say(v, RULE_TEMPLATE_FILE, m->from, end);
		any = true;
	}
	if (any && is_alone(v->n, m->from, end))
		say(v, RULE_TEMPLATE_ALONE, m->from, end);
	return any;
}

// Returns where looking goes on.
static size_t judge(struct value *v, const struct marker *m)
{
	const struct inspect_node *n = v->n;
	size_t len = n->len - m->text, end;
	struct expr_verdict x;
	enum expr_goal goal = EXPR_MARKED;

	if (m->kind == MARKER_TAG || m->kind == MARKER_DIRECTIVE || m->kind == MARKER_BRACE ||
	    m->kind == MARKER_DOUBLE)
		goal = EXPR_STATEMENT;
	if (m->kind == MARKER_PERCENT) {
		const uint8_t *to = memmem(n->p + m->text, len, "%>", 2);

		if (to != NULL)
			len = (size_t)(to - n->p) - m->text;
		goal = EXPR_PROGRAM;
	}
	if (m->kind == MARKER_PERL) {
		if (memmem(n->p + m->text, len, "]", 1) != NULL)
			say(v, RULE_TEMPLATE_PERL, m->from, n->len);
		return m->text;
	}
	if (m->kind == MARKER_BRACE && len >= 4 && memcmp(n->p + m->text, "php}", 4) == 0) {
		say(v, RULE_TEMPLATE_PHP, m->from, n->len);
		return m->text + 4;
	}
	expr_judge(n->p + m->text, len, goal, &x);
	v->work += x.used + 16;
	end = closed(n, m->text + x.used, m->close);
	if (end == 0) {
		if ((x.ops & EXPR_GRAVE) == 0 || m->kind == MARKER_BRACE)
			return m->text;
		end = m->text + x.used;
	}
	if (m->kind == MARKER_BRACE || m->kind == MARKER_DOLLAR || m->kind == MARKER_AT) {
		if ((x.ops & EXPR_GRAVE) == 0 || (x.ops & EXPR_CALL) == 0)
			goto weak;
	}
	java_grade(v->in, n, &x, m->from, end - m->from, RULE_JAVA_MARKER);
	if (!grade_reach(v, m, &x, end))
		grade_scope(v, m, &x, end);
weak:
	grade_probe(v, m, &x, end);
	return end > m->text ? end : m->text;
}

static void run(struct inspect *in, const struct inspect_node *n)
{
	static const struct bytes_class signs =
		BYTES_CLASS(BYTES(LBRACE) | BYTES(LT) | BYTES(HASH) | BYTES(DOLLAR) | BYTES(AT) |
			    BYTES(LBRACKET));
	struct value v = {.in = in, .n = n, .most = (size_t)n->len * 8 + 1024};
	const uint8_t *end = n->p + n->len, *p = n->p;
	struct marker m;

	if ((n->set & (BYTES(LBRACE) | BYTES(LPAREN) | BYTES(EQ) | BYTES(DOT))) == 0 ||
	    ((n->set & BYTES(LBRACE)) == 0 && (n->set & (BYTES(LPAREN) | BYTES(LT))) == 0))
		return;
	while ((p = bytes_find(p, end, &signs)) < end && v.work < v.most) {
		if (marker_at(n->p, n->len, (size_t)(p - n->p), &m)) {
			const uint8_t *next = n->p + judge(&v, &m);

			p = next > p ? next : p + 1;
		} else {
			p++;
		}
	}
}

const struct inspect_analyser inspect_template = {
	.name = "template",
	.any = BYTES(LBRACE) | BYTES(PERCENT) | BYTES(HASH) | BYTES(DOLLAR) | BYTES(AT),
	.least = 4,
	.run = run,
};
