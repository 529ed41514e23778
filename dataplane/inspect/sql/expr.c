// SPDX-License-Identifier: BSD-3-Clause
//
// Expressions. Order of operators does not matter to what is asked here, so an expression is operands with
// operators between them, in terms that AND, OR, XOR and || join.

#include "dataplane/inspect/sql/sql_priv.h"

#include <string.h>

static bool rest(struct sql *s, struct sql_term *t, bool joined, bool inner);

static void use(struct sql_term *t, struct sql_term r)
{
	t->constant &= r.constant;
	t->number &= r.number;
	t->truth = false;
	t->compared |= r.compared;
	t->query |= r.query;
}

void sql_last_quote(struct sql *s)
{
	if (s->t.kind == T_OPEN && s->t.len == 1 && s->at == s->len) {
		s->open = 0;
		sql_next(s);
	}
}

// ---- operators -----------------------------------------------------------------------------------

static void judge(struct sql *s, const struct sql_term *t, bool joined)
{
	if (t->compared) {
		if (joined)
			sql_fact(s, t->constant ? SF_TAUTOLOGY : SF_CONDITION);
		else
			sql_fact(s, t->constant ? SF_SAME : SF_COMPARE);
	} else if (joined && t->constant && t->number) {
		sql_fact(s, t->truth ? SF_TRUE : SF_CONSTANT);
	} else if (joined && t->constant) {
		if (s->texts++ > 0)
			sql_fact(s, SF_TEXTS);
	} else if (joined && t->query) {
		sql_fact(s, SF_CONDITION);
	}
}

static bool right_side(struct sql *s, struct sql_term *t)
{
	struct sql_term r;

	if (!sql_operand(s, &r))
		return false;
	use(t, r);
	return true;
}

// operand {+ operand}, for the ends of BETWEEN
static bool sum(struct sql *s, struct sql_term *t)
{
	if (!right_side(s, t))
		return false;
	while (s->t.kind == T_SIGN || s->t.kind == T_STAR || s->t.kind == T_ARITH) {
		sql_next(s);
		if (!right_side(s, t))
			return false;
	}
	return true;
}

static bool type_name(struct sql *s)
{
	struct sql_arguments a;
	uint32_t flags = s->t.flags;

	if (s->t.kind != T_WORD && s->t.kind != T_NAME &&
	    !(s->t.kind == T_STRING && s->t.quote == '"'))
		return sql_over(s);
	if ((flags & F_TYPE) != 0)
		sql_fact(s, SF_CAST);
	sql_next(s);
	while (s->t.kind == T_WORD && (s->t.flags & F_TYPE) != 0)
		sql_next(s);
	if (s->t.kind == T_LPAREN) {
		sql_next(s);
		if (!sql_arguments(s, &a))
			return false;
	}
	while (s->t.kind == T_LBRACKET) {
		sql_next(s);
		if (s->t.kind == T_NUMBER)
			sql_next(s);
		if (!sql_take_kind(s, T_RBRACKET))
			return sql_over(s);
	}
	return true;
}

static bool is_test(struct sql *s, struct sql_term *t)
{
	sql_next(s);
	sql_take(s, W_NOT);
	t->compared = true;
	if (sql_take(s, W_DISTINCT) && !sql_take(s, W_FROM))
		return sql_over(s);
	return right_side(s, t);
}

static bool in_list(struct sql *s, struct sql_term *t)
{
	struct sql_term r = {.constant = true};

	sql_next(s);
	t->compared = true;
	if (s->t.kind != T_LPAREN)
		return sql_over(s) || right_side(s, t);
	if (!sql_operand(s, &r))
		return false;
	use(t, r);
	return true;
}

static bool between(struct sql *s, struct sql_term *t)
{
	sql_next(s);
	if (sql_is(s, W_SYMMETRIC) || sql_is(s, W_ASYMMETRIC))
		sql_next(s);
	t->compared = true;
	if (!sum(s, t))
		return false;
	if (sql_over(s))
		return true;
	return sql_take(s, W_AND) && sum(s, t);
}

static bool collate(struct sql *s)
{
	uint32_t flags;

	sql_next(s);
	sql_fact(s, SF_COLLATE);
	if (s->t.kind == T_STRING || s->t.kind == T_OPEN) {
		sql_next(s);
		return true;
	}
	return sql_name(s, &flags);
}

// Operators that are words. *known: this was one
static bool word_operator(struct sql *s, struct sql_term *t, bool *known)
{
	*known = true;
	switch (s->t.word) {
	case W_IS:
		return is_test(s, t);
	case W_IN:
		return in_list(s, t);
	case W_BETWEEN:
		return between(s, t);
	case W_SIMILAR:
	case W_SOUNDS:
		sql_next(s);
		if (!sql_take(s, W_TO) && !sql_take(s, W_LIKE))
			return sql_over(s);
		t->compared = true;
		return right_side(s, t);
	case W_MEMBER:
		sql_next(s);
		if (!sql_take(s, W_OF))
			return sql_over(s);
		t->compared = true;
		return right_side(s, t);
	case W_LIKE:
	case W_RLIKE:
	case W_REGEXP:
	case W_GLOB:
	case W_ILIKE:
	case W_MATCH:
	case W_OVERLAPS:
		sql_next(s);
		t->compared = true;
		return right_side(s, t);
	case W_NOTNULL:
	case W_ISNULL:
		sql_next(s);
		t->compared = true;
		t->constant = false;
		return true;
	case W_DIV:
	case W_MOD:
		sql_fact(s, SF_ARITH);
		// fall through
	case W_ESCAPE:
		sql_next(s);
		return right_side(s, t);
	case W_COLLATE:
		return collate(s);
	case W_AT: // AT TIME ZONE
		sql_next(s);
		if (!sql_take(s, W_TIME))
			return sql_over(s);
		sql_next(s);
		return right_side(s, t);
	default:
		*known = false;
		return true;
	}
}

// Two constants with the same text, whatever their quotes.
static bool same_text(const struct sql *s, const struct sql_token *a, const struct sql_token *b)
{
	uint32_t cut_a = a->kind != T_NUMBER, cut_b = b->kind != T_NUMBER;
	uint32_t end_a = a->kind == T_STRING, end_b = b->kind == T_STRING;

	if (a->len < cut_a + end_a || b->len < cut_b + end_b ||
	    a->len - cut_a - end_a != b->len - cut_b - end_b)
		return false;
	return memcmp(s->p + a->at + cut_a, s->p + b->at + cut_b, a->len - cut_a - end_a) == 0;
}

static bool sign_operator(struct sql *s, struct sql_term *t, bool *known)
{
	bool slash, minus, call_before;
	struct sql_token left, right;

	*known = true;
	switch (s->t.kind) {
	case T_SIGN:
	case T_STAR:
	case T_ARITH:
		slash = s->p[s->t.at] == '/';
		minus = s->p[s->t.at] == '-' && s->t.len == 1;
		sql_next(s);
		s->hard++;
		sql_fact(s, minus ? SF_MINUS : SF_ARITH);
		if (slash && s->depth + s->calls > 0 && s->t.kind == T_NUMBER && s->t.len == 1 &&
		    s->p[s->t.at] == '0')
			sql_fact(s, SF_ZERO);
		return right_side(s, t);
	case T_CMP:
		left = s->last;
		sql_next(s);
		s->hard++;
		t->compared = true;
		right = s->t;
		if (!right_side(s, t))
			return false;
		// "a" may be a name: compared with a number, it is one.
		if ((left.quote == '"') != (right.quote == '"') &&
		    (left.kind == T_NUMBER || right.kind == T_NUMBER))
			t->constant = false;
		if (t->constant && same_text(s, &left, &right))
			sql_fact(s, SF_IDENTITY);
		return true;
	case T_ASSIGN:
		sql_next(s);
		s->hard++;
		t->constant = false;
		return right_side(s, t);
	case T_CAST:
		call_before = s->last.kind == T_RPAREN ||
			      (s->last.kind == T_STRING && s->last.quote == '\'');
		sql_next(s);
		s->hard++;
		if (call_before && s->t.kind == T_WORD && (s->t.flags & F_TYPE) != 0)
			sql_fact(s, SF_CAST_CALL);
		return type_name(s);
	case T_LBRACKET: // a[1], a[1:2]
		sql_next(s);
		s->hard++;
		if (!right_side(s, t) || !rest(s, t, false, true))
			return false;
		return sql_take_kind(s, T_RBRACKET) || sql_over(s);
	default:
		*known = false;
		return true;
	}
}

static bool joins(const struct sql *s)
{
	return s->t.kind == T_AND || s->t.kind == T_BARS ||
	       (s->t.kind == T_WORD &&
		(s->t.word == W_AND || s->t.word == W_OR || s->t.word == W_XOR));
}

// inner: the caller judges the last term, as a part of its own.
static bool rest(struct sql *s, struct sql_term *t, bool joined, bool inner)
{
	for (;;) {
		bool known;

		if (joins(s)) {
			bool bars = s->t.kind == T_BARS;

			judge(s, t, joined);
			sql_next(s);
			joined = true;
			if (bars) {
				s->hard++;
				sql_fact(s, SF_CONCAT);
			}
			*t = (struct sql_term){0};
			if (sql_is_union(s)) // an attempt that no server takes
				return true;
			if (!sql_operand(s, t))
				return false;
			continue;
		}
		if (sql_is(s, W_NOT)) {
			sql_next(s);
			if (!word_operator(s, t, &known))
				return false;
			if (!known)
				return sql_over(s);
			continue;
		}
		if (s->t.kind == T_WORD) {
			if (!word_operator(s, t, &known))
				return false;
		} else if (!sign_operator(s, t, &known)) {
			return false;
		}
		if (!known)
			break;
	}
	sql_last_quote(s);
	if (!inner || joined)
		judge(s, t, joined);
	else if (t->compared)
		judge(s, t, false);
	return true;
}

bool sql_expr_rest(struct sql *s, struct sql_term *t, bool joined)
{
	return rest(s, t, joined, false);
}

bool sql_expr(struct sql *s, struct sql_term *t)
{
	return sql_operand(s, t) && rest(s, t, false, false);
}

bool sql_inner_rest(struct sql *s, struct sql_term *t)
{
	return rest(s, t, false, true);
}
