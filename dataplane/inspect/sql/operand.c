// SPDX-License-Identifier: BSD-3-Clause
//
// Operands of expressions: constants, names, calls, queries in parentheses. Those of expr.c stand between
// operators.

#include "dataplane/inspect/sql/sql_priv.h"

#include <string.h>

bool sql_enter(struct sql *s)
{
	if (s->depth < SQL_DEPTH_MAX) {
		s->depth++;
		return true;
	}
	s->at = s->len;
	s->t = (struct sql_token){.kind = T_END, .at = s->len};
	s->unfinished = true;
	return false;
}

// ---- names and calls -----------------------------------------------------------------------------

bool sql_name(struct sql *s, uint32_t *flags)
{
	*flags = 0;
	for (;;) {
		if (s->t.kind == T_WORD) {
			*flags |= s->t.flags & (F_META | F_PACKAGE | F_TIME | F_NET | F_FILE |
						F_COMMAND | F_ERROR | F_INFO);
			if (memchr(s->p + s->t.at, '_', s->t.len) != NULL)
				s->hard++;
		} else if (s->t.kind == T_NAME || s->t.kind == T_STRING || s->t.kind == T_VAR) {
			*flags |= s->t.flags & F_META;
			s->hard++;
		} else if (s->t.kind != T_STAR) {
			return sql_over(s);
		}
		sql_next(s);
		if (s->t.kind != T_DOT)
			return true;
		s->hard++;
		while (s->t.kind == T_DOT) // master..xp_cmdshell
			sql_next(s);
	}
}

bool sql_is_server_schema(const struct sql *s)
{
	return s->t.kind == T_WORD &&
	       ((s->t.flags & F_META) != 0 || s->t.word == W_MYSQL || s->t.word == W_SYS ||
		s->t.word == W_MASTER || s->t.word == W_MSDB || s->t.word == W_DBO ||
		s->t.word == W_PUBLIC);
}

static bool tells(uint32_t flags, const struct sql_arguments *a)
{
	return (flags & F_INFO) != 0 && (a->count == 0 || (flags & F_ASK) != 0);
}

void sql_call_facts(struct sql *s, uint32_t flags, const struct sql_arguments *a)
{
	s->hard++;
	if ((flags & F_CALL) != 0)
		sql_fact(s, SF_CALL);
	if ((flags & F_CALL) != 0 && s->unfinished && s->open == 0 && s->t.kind == T_END)
		sql_fact(s, SF_OPEN_CALL);
	if ((flags & F_TWO) != 0 && a->count < 2 && !s->unfinished)
		return;
	if ((flags & F_TIME) != 0 && ((a->count > 0 && a->data) || s->unfinished))
		sql_fact(s, SF_TIME);
	if ((flags & F_HEAVY) != 0 && s->large)
		sql_fact(s, SF_TIME);
	if ((flags & F_FILE) != 0)
		sql_fact(s, SF_FILE);
	if ((flags & F_NET) != 0)
		sql_fact(s, SF_NET);
	if ((flags & F_COMMAND) != 0)
		sql_fact(s, SF_COMMAND);
	if ((flags & F_ERROR) != 0 && (a->query || (flags & (F_TWO | F_PACKAGE)) != 0))
		sql_fact(s, SF_ERROR);
	if (tells(flags, a))
		sql_fact(s, SF_INFO);
	if ((flags & F_CHARS) != 0 && a->count > 0 && a->numbers)
		sql_fact(s, SF_CHARS);
	if ((flags & F_PART) != 0 && a->count > 0)
		sql_fact(s, SF_PART);
}

// Words that stand between the arguments of some functions: CAST(a AS int), TRIM(BOTH a FROM b) ...
static bool between_arguments(struct sql *s)
{
	if (s->t.kind != T_WORD)
		return false;
	switch (s->t.word) {
	case W_AS:
	case W_FROM:
	case W_FOR:
	case W_USING:
	case W_PLACING:
	case W_SEPARATOR:
	case W_RETURNING:
	case W_LIMIT:
	case W_IN:
		sql_next(s);
		return true;
	case W_ORDER:
		sql_next(s);
		return sql_take(s, W_BY);
	default:
		return false;
	}
}

static void type_size(struct sql *s)
{
	while (s->t.kind == T_WORD && (s->t.flags & F_TYPE) != 0)
		sql_next(s);
}

static bool argument(struct sql *s, struct sql_term *t)
{
	if (sql_is(s, W_DISTINCT) || sql_is(s, W_ALL) || sql_is(s, W_BOTH) ||
	    sql_is(s, W_LEADING) || sql_is(s, W_TRAILING))
		sql_next(s);
	if (sql_is(s, W_FROM)) // trim(from x)
		return true;
	if (s->t.kind == T_STAR) {
		sql_next(s);
		*t = (struct sql_term){.constant = false};
		return sql_inner_rest(s, t);
	}
	if (sql_is_query(s) && s->t.kind != T_LPAREN) {
		*t = (struct sql_term){.query = true};
		return sql_query(s);
	}
	if (!sql_operand(s, t) || !sql_inner_rest(s, t))
		return false;
	if (sql_is(s, W_ASC) || sql_is(s, W_DESC))
		sql_next(s);
	type_size(s);
	return true;
}

bool sql_arguments(struct sql *s, struct sql_arguments *a)
{
	struct sql_term t;
	uint16_t data = s->data;

	*a = (struct sql_arguments){.numbers = true, .constant = true};
	if (sql_take_kind(s, T_RPAREN))
		return true;
	for (;;) {
		if (sql_over(s))
			return true;
		t = (struct sql_term){0};
		if (!argument(s, &t))
			return false;
		a->count++;
		a->query |= t.query;
		a->numbers &= t.number;
		a->constant &= t.constant;
		a->data |= s->data != data || t.query;
		if (sql_take_kind(s, T_COMMA) || between_arguments(s))
			continue;
		if (sql_take_kind(s, T_RPAREN))
			return true;
		return sql_over(s);
	}
}

// OVER (...), FILTER (...), WITHIN GROUP (...): read as arguments, loosely.
static bool after_call(struct sql *s)
{
	while (sql_is(s, W_OVER) || sql_is(s, W_FILTER) || sql_is(s, W_WITHIN)) {
		unsigned depth = 0;

		while (s->t.kind == T_WORD)
			sql_next(s);
		if (s->t.kind != T_LPAREN)
			return sql_over(s);
		do {
			if (s->t.kind == T_LPAREN)
				depth++;
			else if (s->t.kind == T_RPAREN)
				depth--;
			else if (s->t.kind == T_BAD)
				return false;
			else if (sql_over(s))
				return true;
			sql_next(s);
		} while (depth > 0);
	}
	return true;
}

static bool call(struct sql *s, uint32_t flags, struct sql_term *t)
{
	bool branch = (flags & F_BRANCH) != 0, query;
	uint64_t before = s->facts;
	struct sql_arguments a;

	sql_next(s);
	s->facts &= ~(SQL_BIT(SF_SAME) | SQL_BIT(SF_COMPARE));
	s->calls++;
	s->large = false;
	if (!sql_arguments(s, &a))
		return false;
	s->calls--;
	if (branch && a.count >= 2)
		sql_fact(s, sql_has(s, SF_SAME) ? SF_BRANCH : SF_CASE);
	s->facts &= ~(SQL_BIT(SF_SAME) | SQL_BIT(SF_COMPARE));
	s->facts |= before;
	query = a.query || tells(flags, &a);
	sql_call_facts(s, flags, &a);
	*t = (struct sql_term){.query = query};
	// What SQL makes of constants is a constant.
	if ((flags & F_CALL) != 0 && a.count > 0 && a.constant && !query)
		t->constant = t->number = t->truth = true;
	return after_call(s);
}

// CAST(x AS type), CONVERT(type, x), CONVERT(x USING set): an error tells x if it is no number.
static bool cast(struct sql *s, struct sql_term *t)
{
	struct sql_arguments a;

	sql_next(s);
	if (!sql_arguments(s, &a))
		return false;
	sql_call_facts(s, F_CALL, &a);
	if (a.query && a.count >= 2)
		sql_fact(s, SF_ERROR);
	*t = (struct sql_term){.query = a.query};
	return true;
}

// A word that begins an operand: a name, a call.
static bool word_operand(struct sql *s, struct sql_term *t)
{
	uint32_t first = s->t.flags, flags, at = s->t.at;
	uint8_t word = s->t.word;
	bool alone, schema = sql_is_server_schema(s);

	if ((first & F_RESERVED) != 0)
		return false;
	*t = (struct sql_term){0};
	if (!sql_name(s, &flags))
		return false;
	alone = s->last.kind == T_WORD && s->last.at == at;
	if (s->t.kind == T_LPAREN) {
		if ((s->last.flags & F_CALL) != 0 &&
		    memchr(s->p + s->last.at, '_', s->last.len) != NULL)
			sql_fact(s, SF_CALL_SQL);
		if (word == W_CAST || word == W_CONVERT)
			return cast(s, t);
		// a.b(): what a package does; of b itself only in a schema of the server
		if ((flags & F_PACKAGE) == 0)
			flags = alone || schema ? s->last.flags : 0;
		return call(s, flags, t);
	}
	// select pg_sleep: a call that is not there yet
	if (alone && s->t.kind == T_END && sql_has(s, SF_READ) && !sql_has(s, SF_FROM) &&
	    (first & (F_TIME | F_FILE | F_NET | F_COMMAND)) != 0 &&
	    memchr(s->p + at, '_', s->last.len) != NULL)
		sql_fact(s, SF_OPEN_CALL);
	if ((first & F_BARE) != 0 && alone) {
		sql_fact(s, SF_INFO);
		t->query = true;
	}
	if ((flags & F_META) != 0)
		sql_fact(s, SF_META);
	return true;
}

// ---- operands ------------------------------------------------------------------------------------

static bool inner_expr(struct sql *s, struct sql_term *t)
{
	return sql_operand(s, t) && sql_inner_rest(s, t);
}

static bool more_inner(struct sql *s)
{
	struct sql_term t;

	while (sql_take_kind(s, T_COMMA)) {
		s->hard++;
		if (sql_over(s))
			return true;
		if (!inner_expr(s, &t))
			return false;
	}
	return true;
}

// A query in parentheses: SQL beyond doubt if it has more than words.
static bool subquery(struct sql *s, struct sql_term *t)
{
	uint16_t hard = s->hard;
	uint64_t before = s->facts;

	if (!sql_query(s))
		return false;
	if (s->hard != hard || (s->facts & ~before & ~SQL_BIT(SF_FROM)) != 0)
		sql_fact(s, SF_SUBQUERY);
	*t = (struct sql_term){.query = true};
	return true;
}

// A run of ( is one loop, not a call each: depth costs nothing.
static bool parentheses(struct sql *s, struct sql_term *t)
{
	unsigned open = 0;

	while (sql_take_kind(s, T_LPAREN))
		open++;
	if (sql_is_query(s)) {
		if (!subquery(s, t))
			return false;
	} else if (s->t.kind != T_RPAREN && !sql_over(s)) {
		if (!inner_expr(s, t) || !more_inner(s))
			return false;
	}
	for (;;) {
		if (sql_over(s))
			return true;
		if (!sql_take_kind(s, T_RPAREN))
			return false;
		if (--open == 0)
			return true;
		if (t->query && sql_is_union(s) && !sql_union(s))
			return false;
		if (t->query && sql_is_clause(s) && !sql_clauses(s, false))
			return false;
		if (!sql_inner_rest(s, t) || !more_inner(s))
			return false;
	}
}

static bool case_when(struct sql *s, struct sql_term *t)
{
	uint64_t before = s->facts;
	struct sql_term e;

	sql_next(s);
	s->hard++;
	s->facts &= ~(SQL_BIT(SF_SAME) | SQL_BIT(SF_COMPARE));
	*t = (struct sql_term){0};
	if (sql_over(s))
		sql_fact(s, SF_CASE);
	else if (!sql_is(s, W_WHEN) && !sql_expr(s, &e))
		return false;
	while (sql_take(s, W_WHEN)) {
		sql_fact(s, SF_CASE);
		if (sql_over(s))
			break;
		if (!sql_expr(s, &e))
			return false;
		if (!sql_take(s, W_THEN))
			break;
		if (!sql_over(s) && !sql_expr(s, &e))
			return false;
	}
	if (sql_has(s, SF_SAME))
		sql_fact(s, SF_BRANCH);
	s->facts &= ~(SQL_BIT(SF_SAME) | SQL_BIT(SF_COMPARE));
	s->facts |= before;
	if (sql_take(s, W_ELSE) && !sql_over(s) && !sql_expr(s, &e))
		return false;
	return sql_take(s, W_END) || sql_over(s);
}

static bool number_operand(struct sql *s, struct sql_term *t)
{
	if (s->calls > 0 && s->t.len > 2 && (s->p[s->t.at + 1] | 0x20) == 'x')
		sql_fact(s, SF_CHARS);
	*t = (struct sql_term){.constant = true, .number = true};
	s->hard++;
	s->large |= s->t.len >= 6;
	sql_next(s);
	return true;
}

static bool all_digits(const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if ((uint8_t)(p[i] - '0') > 9)
			return false;
	return len > 0;
}

static bool string_operand(struct sql *s, struct sql_term *t)
{
	s->hard++;
	*t = (struct sql_term){.constant = true};
	while (s->t.kind == T_STRING || s->t.kind == T_OPEN) {
		uint32_t cut = s->t.kind == T_STRING ? 2 : 1;

		t->number = s->t.len >= cut && all_digits(s->p + s->t.at + 1, s->t.len - cut);
		sql_next(s);
	}
	// "a"."b" are names
	if (s->t.kind == T_DOT) {
		uint32_t flags;

		*t = (struct sql_term){0};
		while (s->t.kind == T_DOT)
			sql_next(s);
		return sql_name(s, &flags);
	}
	return true;
}

// [NOT] EXISTS (query); ROW(...), ARRAY[...]
static bool exists(struct sql *s, struct sql_term *t)
{
	sql_next(s);
	if (s->t.kind != T_LPAREN)
		return sql_over(s);
	return parentheses(s, t);
}

static bool keyword_operand(struct sql *s, struct sql_term *t)
{
	switch (s->t.word) {
	case W_DEFAULT:
		sql_next(s);
		return s->t.kind != T_LPAREN || call(s, F_CALL, t);
	case W_NULL:
		s->hard++;
		// fall through
	case W_TRUE:
	case W_FALSE:
		sql_next(s);
		*t = (struct sql_term){.constant = true, .number = true, .truth = true};
		return true;
	case W_CASE:
		return case_when(s, t);
	case W_EXISTS:
		return exists(s, t);
	case W_VALUES: // VALUES(column) of MySQL
		sql_next(s);
		return s->t.kind == T_LPAREN ? call(s, F_CALL, t) : sql_over(s);
	case W_LIKE: // like(a, b) of SQLite
		sql_next(s);
		return s->t.kind == T_LPAREN && call(s, F_CALL, t);
	default:
		return word_operand(s, t);
	}
}

// INTERVAL 1 DAY, INTERVAL '1' DAY; DATE '2020-01-01'
static bool typed_constant(struct sql *s, struct sql_term *t)
{
	bool interval = sql_is(s, W_INTERVAL);
	struct sql_token w = s->t;

	sql_next(s);
	if (s->t.kind == T_STRING || s->t.kind == T_OPEN || (interval && s->t.kind == T_NUMBER)) {
		if (!sql_operand(s, t))
			return false;
		if (interval && s->t.kind == T_WORD && (s->t.flags & F_RESERVED) == 0)
			sql_next(s);
		return true;
	}
	*t = (struct sql_term){0};
	if (s->t.kind == T_LPAREN)
		return call(s, w.flags, t);
	if (interval) {
		if (!sql_operand(s, t))
			return false;
		if (s->t.kind == T_WORD && (s->t.flags & F_RESERVED) == 0)
			sql_next(s);
	} else if (s->t.kind == T_DOT) {
		uint32_t flags;

		sql_next(s);
		return sql_name(s, &flags);
	}
	return true;
}

static bool array(struct sql *s, struct sql_term *t)
{
	sql_next(s);
	*t = (struct sql_term){0};
	if (s->t.kind == T_LBRACKET) {
		sql_next(s);
		s->hard++;
		if (s->t.kind != T_RBRACKET && (!inner_expr(s, t) || !more_inner(s)))
			return false;
		return sql_take_kind(s, T_RBRACKET) || sql_over(s);
	}
	return s->t.kind == T_LPAREN ? parentheses(s, t) : true;
}

static bool primary(struct sql *s, struct sql_term *t)
{
	*t = (struct sql_term){0};
	s->data += s->t.kind == T_NUMBER || s->t.kind == T_STRING || s->t.kind == T_VAR ||
		   s->t.kind == T_SYSVAR || s->t.kind == T_NULL;
	switch (s->t.kind) {
	case T_NUMBER:
		return number_operand(s, t);
	case T_STRING:
	case T_OPEN:
		return string_operand(s, t);
	case T_SYSVAR:
		if ((s->t.flags & F_VAR) != 0)
			sql_fact(s, SF_INFO);
		t->query = true;
		// fall through
	case T_VAR:
		s->hard++;
		sql_next(s);
		return true;
	case T_NULL:
		s->hard++;
		*t = (struct sql_term){.constant = true, .number = true};
		sql_next(s);
		return true;
	case T_NAME:
		return word_operand(s, t);
	case T_LPAREN:
		return parentheses(s, t);
	case T_LBRACE: // {fn now()}, {d '2020-01-01'}
		sql_next(s);
		s->hard++;
		if (s->t.kind != T_WORD && s->t.kind != T_NAME)
			return false;
		sql_next(s);
		return inner_expr(s, t) && (sql_take_kind(s, T_RBRACE) || sql_over(s));
	case T_WORD:
		if (s->t.word == W_INTERVAL || s->t.word == W_DATE || s->t.word == W_TIME ||
		    s->t.word == W_TIMESTAMP)
			return typed_constant(s, t);
		if (s->t.word == W_ARRAY)
			return array(s, t);
		return keyword_operand(s, t);
	default:
		return false;
	}
}

// What may stand before an operand.
static bool prefix(struct sql *s)
{
	switch (s->t.kind) {
	case T_SIGN:
	case T_NOT:
		return true;
	case T_WORD:
		switch (s->t.word) {
		case W_NOT:
		case W_ANY:
		case W_SOME:
		case W_ALL:
			return true;
		default:
			return false;
		}
	default:
		return false;
	}
}

// BINARY x, PRIOR x; a column may have these names too.
static bool name_or_prefix(const struct sql *s)
{
	return sql_is(s, W_BINARY) || sql_is(s, W_PRIOR);
}

bool sql_operand(struct sql *s, struct sql_term *t)
{
	bool ok;

	*t = (struct sql_term){0};
	while (prefix(s))
		sql_next(s);
	if (name_or_prefix(s)) {
		sql_next(s);
		if (s->t.kind != T_NUMBER && s->t.kind != T_STRING && s->t.kind != T_OPEN &&
		    s->t.kind != T_LPAREN && !sql_is_name(s))
			return true;
	}
	if (sql_over(s))
		return true;
	if (!sql_enter(s))
		return true;
	ok = primary(s, t);
	sql_leave(s);
	return ok;
}
