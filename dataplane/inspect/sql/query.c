// SPDX-License-Identifier: BSD-3-Clause
//
// Queries: SELECT, VALUES, WITH, what joins them, and their clauses.

#include "dataplane/inspect/sql/sql_priv.h"

bool sql_is_query(const struct sql *s)
{
	return s->t.kind == T_WORD &&
	       (s->t.word == W_SELECT || s->t.word == W_WITH || s->t.word == W_VALUES);
}

bool sql_is_union(const struct sql *s)
{
	return s->t.kind == T_WORD && (s->t.word == W_UNION || s->t.word == W_INTERSECT ||
				       s->t.word == W_EXCEPT || s->t.word == W_MINUS);
}

// A name behind an expression or a table, with or without AS.
static bool alias(struct sql *s)
{
	if (sql_take(s, W_AS)) {
		s->hard++;
		if (sql_is_name(s) || s->t.kind == T_STRING || s->t.kind == T_OPEN)
			sql_next(s);
		else
			return sql_over(s);
	} else if (sql_is_name(s) || s->t.kind == T_OPEN ||
		   (s->t.kind == T_STRING && s->last.kind != T_STRING)) {
		if (sql_is_clause(s) || sql_is_union(s))
			return true;
		sql_next(s);
	}
	return true;
}

bool sql_list(struct sql *s, bool aliases)
{
	struct sql_term t;

	for (;;) {
		if (sql_over(s))
			return true;
		if (s->t.kind == T_STAR) {
			s->hard++;
			s->data++;
			sql_next(s);
		} else if (!sql_expr(s, &t)) {
			return false;
		}
		if (aliases && !alias(s))
			return false;
		if (!aliases) {
			if (sql_is(s, W_ASC) || sql_is(s, W_DESC))
				sql_next(s);
			if (sql_take(s, W_NULLS))
				sql_next(s);
		}
		if (s->t.kind != T_COMMA)
			return true;
		s->hard++;
		sql_next(s);
	}
}

// ---- FROM ----------------------------------------------------------------------------------------

static bool tables(struct sql *s);

static bool column_names(struct sql *s)
{
	struct sql_arguments a;

	if (!sql_take_kind(s, T_LPAREN))
		return true;
	return sql_arguments(s, &a);
}

static bool table_in_parentheses(struct sql *s)
{
	sql_next(s);
	s->hard++;
	if (!sql_enter(s))
		return true;
	if (sql_is_query(s) ? !sql_query(s) : !tables(s))
		return false;
	sql_leave(s);
	if (sql_over(s))
		return true;
	return sql_take_kind(s, T_RPAREN);
}

// WITH (NOLOCK), USE INDEX (a), PARTITION (p), TABLESAMPLE ... behind a table.
static bool hints(struct sql *s)
{
	while (sql_is(s, W_WITH) || sql_is(s, W_USE) || sql_is(s, W_IGNORE)) {
		sql_next(s);
		while (s->t.kind == T_WORD)
			sql_next(s);
		if (!column_names(s))
			return false;
	}
	return true;
}

static bool table(struct sql *s)
{
	uint32_t flags;

	if (sql_is(s, W_LATERAL) || sql_is(s, W_ONLY))
		sql_next(s);
	if (sql_over(s))
		return true;
	if (s->t.kind == T_LPAREN) {
		if (!table_in_parentheses(s))
			return false;
	} else if (sql_is_name(s) || s->t.kind == T_VAR || s->t.kind == T_STRING) {
		bool server = sql_is(s, W_MYSQL) || sql_is(s, W_SYS) || sql_is(s, W_MASTER) ||
			      sql_is(s, W_MSDB);

		if (sql_is(s, W_DUAL))
			sql_fact(s, SF_DUAL);
		if (!sql_name(s, &flags))
			return false;
		if ((flags & F_META) != 0 ||
		    (server && s->last.word != W_SYS && s->last.word != W_MYSQL))
			sql_fact(s, SF_META);
		else if (s->last.word != W_DUAL)
			sql_fact(s, SF_FROM);
		if (s->t.kind == T_LPAREN) {
			struct sql_arguments a;

			sql_next(s);
			if (!sql_arguments(s, &a))
				return false;
			sql_call_facts(s, s->last.flags | flags, &a);
		}
	} else if (s->t.kind == T_OPEN) {
		sql_next(s);
		return true;
	} else {
		return false;
	}
	return alias(s) && column_names(s) && hints(s);
}

// INNER JOIN, LEFT OUTER JOIN, NATURAL JOIN, CROSS APPLY ... *joins: this was one
static bool join(struct sql *s, bool *joins)
{
	bool words = false;

	*joins = true;
	if (s->t.kind == T_COMMA) {
		s->hard++;
		sql_next(s);
		return true;
	}
	while (s->t.kind == T_WORD &&
	       (s->t.word == W_INNER || s->t.word == W_LEFT || s->t.word == W_RIGHT ||
		s->t.word == W_FULL || s->t.word == W_CROSS || s->t.word == W_OUTER ||
		s->t.word == W_NATURAL)) {
		words = true;
		sql_next(s);
	}
	if (sql_is(s, W_JOIN) || sql_is(s, W_STRAIGHT_JOIN) || words) {
		if (sql_over(s))
			return true;
		if (s->t.kind != T_WORD)
			return false;
		sql_next(s);
		s->hard++;
		return true;
	}
	*joins = false;
	return true;
}

static bool tables(struct sql *s)
{
	for (;;) {
		struct sql_term t;
		bool more;

		if (!table(s))
			return false;
		if (sql_take(s, W_ON) && !sql_over(s) && !sql_expr(s, &t))
			return false;
		if (sql_take(s, W_USING) && !column_names(s))
			return false;
		if (!join(s, &more))
			return false;
		if (!more)
			return true;
	}
}

// ---- clauses -------------------------------------------------------------------------------------

bool sql_is_clause(const struct sql *s)
{
	if (s->t.kind != T_WORD)
		return false;
	switch (s->t.word) {
	case W_FROM:
	case W_WHERE:
	case W_GROUP:
	case W_HAVING:
	case W_ORDER:
	case W_LIMIT:
	case W_OFFSET:
	case W_FETCH:
	case W_FOR:
	case W_INTO:
	case W_PROCEDURE:
	case W_WINDOW:
	case W_JOIN:
	case W_INNER:
	case W_LEFT:
	case W_RIGHT:
	case W_CROSS:
	case W_NATURAL:
		return true;
	default:
		return false;
	}
}

// INTO OUTFILE 'x' FIELDS TERMINATED BY 'y' ..., INTO @a, INTO t
static bool into(struct sql *s)
{
	uint32_t flags;

	sql_next(s);
	if (sql_is(s, W_OUTFILE) || sql_is(s, W_DUMPFILE)) {
		sql_next(s);
		if (s->t.kind == T_STRING || s->t.kind == T_OPEN || s->t.kind == T_NUMBER) {
			sql_fact(s, SF_FILE);
			sql_next(s);
		} else {
			return sql_over(s);
		}
		while ((s->t.kind == T_WORD && !sql_is_clause(s)) || s->t.kind == T_STRING ||
		       s->t.kind == T_OPEN || s->t.kind == T_NUMBER)
			sql_next(s);
		return true;
	}
	if (sql_over(s))
		return true;
	for (;;) {
		if (!sql_is_name(s) && s->t.kind != T_VAR)
			return false;
		if (!sql_name(s, &flags))
			return false;
		if (!sql_take_kind(s, T_COMMA))
			return true;
	}
}

static bool limit(struct sql *s)
{
	struct sql_term t;

	sql_next(s);
	if (sql_is(s, W_ALL)) {
		sql_next(s);
		return true;
	}
	for (;;) {
		if (sql_over(s))
			return true;
		if (s->t.kind != T_NUMBER && s->t.kind != T_VAR && s->t.kind != T_LPAREN &&
		    s->t.kind != T_OPEN && s->t.kind != T_STRING && !sql_is_name(s))
			return false;
		if (!sql_expr(s, &t))
			return false;
		if (sql_is(s, W_ROW) || sql_is(s, W_ROWS))
			sql_next(s);
		if (!sql_take_kind(s, T_COMMA))
			return true;
	}
}

// FETCH FIRST 1 ROWS ONLY, FOR UPDATE, FOR XML PATH(''), WINDOW w AS (...): words and what is in ( ).
static bool loose(struct sql *s)
{
	sql_next(s);
	if (!(s->t.kind == T_WORD) && !sql_over(s))
		return false;
	while (s->t.kind == T_WORD || s->t.kind == T_NUMBER) {
		sql_next(s);
		if (!column_names(s))
			return false;
	}
	return true;
}

static bool procedure(struct sql *s)
{
	uint32_t flags;
	struct sql_arguments a;

	sql_next(s);
	if (sql_is(s, W_ANALYSE) || sql_is(s, W_ANALYZE))
		sql_fact(s, SF_ERROR);
	if (!sql_name(s, &flags))
		return false;
	if (s->t.kind != T_LPAREN)
		return sql_over(s);
	sql_next(s);
	return sql_arguments(s, &a);
}

// ORDER BY, GROUP BY. outer: of the statement that the text stands in
static bool by(struct sql *s, bool outer)
{
	bool count;

	sql_next(s);
	if (!sql_take(s, W_BY))
		return sql_over(s);
	count = s->t.kind == T_NUMBER || s->t.kind == T_LPAREN;
	if (outer)
		sql_fact(s, count ? SF_ORDER : SF_CLAUSE);
	return sql_list(s, false);
}

static bool clause(struct sql *s, bool outer)
{
	struct sql_term t;
	uint16_t hard;
	bool having;

	switch (s->t.word) {
	case W_FROM:
		sql_next(s);
		if (sql_over(s))
			sql_fact(s, SF_FROM);
		return tables(s);
	case W_WHERE:
	case W_HAVING:
		having = s->t.word == W_HAVING;
		hard = s->hard;
		sql_next(s);
		if (!sql_over(s) && !sql_expr(s, &t))
			return false;
		if (outer && s->hard != hard)
			sql_fact(s, having ? SF_HAVING : SF_CLAUSE);
		return true;
	case W_GROUP:
	case W_ORDER:
		return by(s, outer);
	case W_LIMIT:
	case W_OFFSET:
		if (outer)
			sql_fact(s, SF_CLAUSE);
		return limit(s);
	case W_INTO:
		return into(s);
	case W_PROCEDURE:
		return procedure(s);
	case W_FETCH:
	case W_FOR:
	case W_WINDOW:
		return loose(s);
	default: { // JOIN ...
		bool more;

		return join(s, &more) && (!more || tables(s));
	}
	}
}

bool sql_clauses(struct sql *s, bool outer)
{
	while (sql_is_clause(s))
		if (!clause(s, outer))
			return false;
	return true;
}

// ---- SELECT --------------------------------------------------------------------------------------

// DISTINCT, TOP 10, and MySQL's SQL_NO_CACHE and the like.
static bool select_options(struct sql *s)
{
	while (sql_is(s, W_DISTINCT) || sql_is(s, W_DISTINCTROW) || sql_is(s, W_ALL) ||
	       sql_is(s, W_STRAIGHT_JOIN))
		sql_next(s);
	if (sql_take(s, W_TOP)) {
		struct sql_term t;

		if (s->t.kind == T_NUMBER || s->t.kind == T_LPAREN) {
			if (!sql_operand(s, &t))
				return false;
			if (sql_is(s, W_PERCENT))
				sql_next(s);
		}
	}
	return true;
}

static bool select(struct sql *s)
{
	sql_next(s);
	if (!select_options(s))
		return false;
	if (s->t.kind == T_WORD && (s->t.word == W_FROM || s->t.word == W_UNION)) // select from t
		return sql_clauses(s, false);
	return sql_list(s, true) && sql_clauses(s, false);
}

static bool values(struct sql *s)
{
	struct sql_term t;

	sql_next(s);
	if (sql_over(s))
		return true;
	do {
		if (sql_is(s, W_ROW))
			sql_next(s);
		if (s->t.kind != T_LPAREN)
			return sql_over(s);
		if (!sql_operand(s, &t))
			return false;
	} while (sql_take_kind(s, T_COMMA));
	return true;
}

// WITH [RECURSIVE] a [(b)] AS (query), ... query
static bool with(struct sql *s)
{
	sql_next(s);
	if (sql_is(s, W_RECURSIVE))
		sql_next(s);
	do {
		struct sql_term t;

		if (!sql_is_name(s))
			return sql_over(s);
		sql_next(s);
		if (!column_names(s))
			return false;
		if (!sql_take(s, W_AS) || s->t.kind != T_LPAREN)
			return sql_over(s);
		if (!sql_operand(s, &t))
			return false;
	} while (sql_take_kind(s, T_COMMA));
	return sql_over(s) || (s->t.kind == T_WORD && sql_statement(s));
}

bool sql_query(struct sql *s)
{
	bool ok;

	if (!sql_enter(s))
		return true;
	if (sql_is(s, W_SELECT))
		ok = select(s);
	else if (sql_is(s, W_VALUES))
		ok = values(s);
	else
		ok = sql_is(s, W_WITH) && with(s);
	while (ok && sql_is_union(s))
		ok = sql_union(s);
	sql_leave(s);
	return ok;
}

bool sql_union(struct sql *s)
{
	uint16_t hard;
	struct sql_term t;
	bool ok;
	uint64_t before = s->facts;

	sql_next(s);
	if (sql_is(s, W_ALL) || sql_is(s, W_DISTINCT) || sql_is(s, W_DISTINCTROW))
		sql_next(s);
	if (sql_over(s))
		return true;
	hard = s->hard;
	if (s->t.kind == T_LPAREN) {
		s->hard++;
		ok = sql_operand(s, &t) && t.query && sql_clauses(s, false);
	} else if (sql_is(s, W_TABLE)) {
		sql_next(s);
		ok = sql_over(s) || table(s);
	} else if (!sql_is_query(s)) {
		return false;
	} else {
		if (!sql_enter(s))
			return true;
		ok = sql_is(s, W_SELECT) ? select(s) : sql_is(s, W_VALUES) ? values(s) : with(s);
		sql_leave(s);
	}
	if (!ok)
		return false;
	if (s->hard != hard || (s->facts & ~before & ~SQL_BIT(SF_FROM)) != 0)
		sql_fact(s, SF_UNION);
	else
		sql_fact(s, sql_has(s, SF_FROM) ? SF_UNION_FROM : SF_UNION_SHORT);
	return true;
}
