// SPDX-License-Identifier: BSD-3-Clause
//
// Statements other than queries: each by the shape of its first words, so that a sentence that begins with
// the same verb is none. What follows the shape is read loosely, as far as the statement goes.

#include "dataplane/inspect/sql/sql_priv.h"

bool sql_is_statement(const struct sql *s)
{
	if (s->t.kind != T_WORD)
		return false;
	switch (s->t.word) {
	case W_SELECT:
	case W_WITH:
	case W_VALUES:
	case W_INSERT:
	case W_REPLACE:
	case W_UPDATE:
	case W_DELETE:
	case W_MERGE:
	case W_DROP:
	case W_ALTER:
	case W_CREATE:
	case W_TRUNCATE:
	case W_EXEC:
	case W_EXECUTE:
	case W_DECLARE:
	case W_SET:
	case W_WAITFOR:
	case W_SHUTDOWN:
	case W_GRANT:
	case W_REVOKE:
	case W_CALL:
	case W_DO:
	case W_HANDLER:
	case W_COPY:
	case W_LOAD:
	case W_ATTACH:
	case W_BACKUP:
	case W_BULK:
	case W_PREPARE:
	case W_DEALLOCATE:
	case W_SHOW:
	case W_PRAGMA:
	case W_IF:
	case W_BEGIN:
	case W_COMMIT:
	case W_ROLLBACK:
	case W_END:
	case W_PRINT:
	case W_USE:
	case W_RECONFIGURE:
	case W_DBCC:
	case W_EXPLAIN:
	case W_DESCRIBE:
		return true;
	default:
		return false;
	}
}

// What is left of the statement: any tokens, parentheses in pairs; expressions within are looked at.
static bool loose(struct sql *s)
{
	while (s->t.kind != T_SEMI && !sql_at_end(s)) {
		struct sql_term t;

		if (s->t.kind == T_BAD)
			return false;
		if (s->t.kind == T_LPAREN || (s->t.kind == T_WORD && (s->t.flags & F_CALL) != 0)) {
			if (!sql_operand(s, &t))
				return false;
		} else if (s->t.kind == T_RPAREN) {
			return true;
		} else if (sql_is_query(s)) {
			return sql_query(s);
		} else {
			sql_next(s);
		}
	}
	return true;
}

static bool is_object(const struct sql *s)
{
	if (s->t.kind != T_WORD)
		return false;
	switch (s->t.word) {
	case W_TABLE:
	case W_DATABASE:
	case W_SCHEMA:
	case W_VIEW:
	case W_INDEX:
	case W_FUNCTION:
	case W_PROCEDURE:
	case W_TRIGGER:
	case W_USER:
	case W_LOGIN:
	case W_ROLE:
	case W_SEQUENCE:
	case W_TABLESPACE:
	case W_COLUMN:
		return true;
	default:
		return false;
	}
}

// The text is over, or has what the shape asks for.
#define WANT(condition)                                                                            \
	do {                                                                                       \
		if (sql_over(s))                                                                   \
			return true;                                                               \
		if (!(condition))                                                                  \
			return false;                                                              \
	} while (0)

static bool assignments(struct sql *s)
{
	struct sql_term t;
	uint32_t flags;

	do {
		WANT(sql_is_name(s) || s->t.kind == T_VAR);
		if (!sql_name(s, &flags))
			return false;
		WANT(s->t.kind == T_CMP || s->t.kind == T_ASSIGN);
		sql_next(s);
		if (sql_over(s))
			return true;
		if (!sql_expr(s, &t))
			return false;
	} while (sql_take_kind(s, T_COMMA));
	return true;
}

static bool insert(struct sql *s)
{
	uint32_t flags;
	struct sql_arguments a;

	sql_next(s);
	if (sql_is(s, W_OR)) { // OR REPLACE of SQLite
		sql_next(s);
		sql_next(s);
	}
	if (sql_is(s, W_IGNORE))
		sql_next(s);
	sql_take(s, W_INTO);
	WANT(sql_is_name(s));
	if (!sql_name(s, &flags))
		return false;
	if (sql_take_kind(s, T_LPAREN) && !sql_arguments(s, &a))
		return false;
	WANT(sql_is_query(s) || sql_is(s, W_SET) || sql_is(s, W_DEFAULT) || sql_is(s, W_EXEC) ||
	     s->t.kind == T_LPAREN);
	sql_fact(s, SF_CHANGE);
	if (sql_take(s, W_SET))
		return assignments(s);
	if (sql_is_query(s) && !sql_query(s))
		return false;
	return loose(s);
}

static bool update(struct sql *s)
{
	uint32_t flags;

	sql_next(s);
	WANT(sql_is_name(s));
	if (!sql_name(s, &flags))
		return false;
	if (sql_is_name(s) && !sql_is(s, W_SET))
		sql_next(s);
	WANT(sql_is(s, W_SET));
	sql_next(s);
	if (!assignments(s))
		return false;
	sql_fact(s, SF_CHANGE);
	return sql_clauses(s, false);
}

static bool delete (struct sql *s)
{
	uint32_t flags;

	sql_next(s);
	WANT(sql_is(s, W_FROM));
	sql_next(s);
	WANT(sql_is_name(s));
	if (!sql_name(s, &flags))
		return false;
	sql_fact(s, SF_CHANGE);
	if (s->t.kind != T_SEMI && s->t.kind != T_RPAREN && !sql_is_clause(s) && !sql_at_end(s))
		return false;
	return sql_clauses(s, false);
}

// IF [NOT] EXISTS
static void if_exists(struct sql *s)
{
	if (!sql_is(s, W_IF))
		return;
	sql_next(s);
	sql_take(s, W_NOT);
	sql_take(s, W_EXISTS);
}

static bool drop(struct sql *s)
{
	uint32_t flags;

	sql_next(s);
	WANT(is_object(s));
	sql_next(s);
	if_exists(s);
	WANT(sql_is_name(s));
	sql_fact(s, SF_CHANGE);
	do {
		if (!sql_name(s, &flags))
			return false;
	} while (sql_take_kind(s, T_COMMA));
	if (s->t.kind == T_LPAREN)
		return loose(s);
	if (sql_is_name(s)) // CASCADE
		sql_next(s);
	return true;
}

static bool alter(struct sql *s)
{
	uint32_t flags;

	sql_next(s);
	WANT(is_object(s));
	sql_next(s);
	if_exists(s);
	WANT(sql_is_name(s));
	if (!sql_name(s, &flags))
		return false;
	WANT(s->t.kind == T_WORD);
	switch (s->t.word) {
	case W_ADD:
	case W_DROP:
	case W_MODIFY:
	case W_CHANGE:
	case W_ALTER:
	case W_RENAME:
	case W_SET:
	case W_WITH:
	case W_ENABLE:
	case W_DISABLE:
	case W_OWNER:
		sql_fact(s, SF_CHANGE);
		return loose(s);
	default:
		return false;
	}
}

static bool create(struct sql *s)
{
	uint32_t flags;

	sql_next(s);
	if (sql_take(s, W_OR) && !sql_take(s, W_REPLACE))
		return sql_over(s);
	if (sql_is(s, W_TEMPORARY) || sql_is(s, W_TEMP) || sql_is(s, W_UNIQUE) ||
	    sql_is(s, W_MATERIALIZED))
		sql_next(s);
	WANT(is_object(s));
	sql_next(s);
	if_exists(s);
	WANT(sql_is_name(s));
	if (!sql_name(s, &flags))
		return false;
	WANT(s->t.kind == T_LPAREN || s->t.kind == T_SEMI || sql_is(s, W_AS) || sql_is(s, W_ON) ||
	     sql_is(s, W_WITH) || sql_is(s, W_FOR));
	sql_fact(s, SF_CHANGE);
	while (s->t.kind == T_LPAREN) {
		unsigned depth = 0;

		do {
			if (s->t.kind == T_LPAREN)
				depth++;
			else if (s->t.kind == T_RPAREN)
				depth--;
			WANT(s->t.kind != T_BAD);
			sql_next(s);
		} while (depth > 0);
	}
	return loose(s);
}

// EXEC master..xp_cmdshell 'x', EXEC(@x), EXECUTE IMMEDIATE 'x', EXEC @r = sp_x
static bool exec(struct sql *s)
{
	uint32_t flags;
	uint16_t hard = s->hard;

	sql_next(s);
	if (sql_is(s, W_IMMEDIATE)) {
		sql_next(s);
		WANT(s->t.kind == T_STRING || s->t.kind == T_OPEN || sql_is_name(s));
		sql_fact(s, SF_EXEC);
		return loose(s);
	}
	if (s->t.kind == T_LPAREN) { // of a text
		s->hard++;
		sql_next(s);
		WANT(s->t.kind == T_STRING || s->t.kind == T_OPEN || s->t.kind == T_VAR ||
		     (s->t.kind == T_WORD && (s->t.flags & F_CHARS) != 0));
		sql_fact(s, SF_EXEC);
		return loose(s) && (!sql_take_kind(s, T_RPAREN) || loose(s));
	}
	WANT(s->t.kind == T_VAR || sql_is_name(s));
	if (!sql_name(s, &flags))
		return false;
	if ((flags & F_COMMAND) != 0)
		sql_fact(s, SF_COMMAND);
	if ((flags & (F_FILE | F_NET)) != 0)
		sql_fact(s, SF_FILE);
	if (s->t.kind == T_CMP)
		sql_next(s);
	if (s->t.kind == T_WORD && (s->t.flags & F_RESERVED) == 0 && flags == 0 && s->hard == hard)
		return false;
	if (s->hard != hard || flags != 0)
		sql_fact(s, SF_EXEC);
	return loose(s);
}

// DECLARE @x type [= expr]; DECLARE x type; of PL/SQL too
static bool declare(struct sql *s)
{
	uint32_t flags;

	sql_next(s);
	WANT(s->t.kind == T_VAR || sql_is_name(s));
	if (s->t.kind == T_VAR)
		sql_fact(s, SF_DECLARE);
	if (!sql_name(s, &flags))
		return false;
	WANT(s->t.kind == T_WORD || sql_has(s, SF_DECLARE));
	if (!sql_has(s, SF_DECLARE) && (s->t.flags & F_TYPE) == 0)
		return false;
	sql_fact(s, SF_DECLARE);
	return loose(s);
}

static bool set(struct sql *s)
{
	sql_next(s);
	if (s->t.kind == T_VAR || s->t.kind == T_SYSVAR)
		sql_fact(s, SF_EXEC);
	return assignments(s);
}

static bool waitfor(struct sql *s)
{
	sql_next(s);
	WANT(sql_is(s, W_DELAY) || sql_is(s, W_TIME));
	sql_next(s);
	WANT(s->t.kind == T_STRING || s->t.kind == T_OPEN || s->t.kind == T_VAR);
	sql_fact(s, SF_TIME);
	sql_next(s);
	return true;
}

static bool called(struct sql *s)
{
	uint32_t flags;
	struct sql_term t;

	sql_next(s);
	WANT(sql_is_name(s));
	if (s->last.word == W_DO) {
		if (!sql_operand(s, &t) || s->last.kind != T_RPAREN || s->hard == 0)
			return false;
		sql_fact(s, SF_EXEC);
		return sql_expr_rest(s, &t, false);
	}
	if (!sql_name(s, &flags))
		return false;
	WANT(s->t.kind == T_LPAREN && !s->t.blank);
	sql_fact(s, SF_EXEC);
	return loose(s);
}

static bool handler(struct sql *s)
{
	uint32_t flags;

	sql_next(s);
	WANT(sql_is_name(s));
	if (!sql_name(s, &flags))
		return false;
	WANT(sql_is(s, W_OPEN) || sql_is(s, W_READ) || sql_is(s, W_CLOSE));
	sql_fact(s, SF_EXEC);
	return loose(s);
}

// COPY t FROM PROGRAM 'x', COPY (query) TO 'file'
static bool copy(struct sql *s)
{
	uint32_t flags;
	struct sql_term t;

	sql_next(s);
	if (s->t.kind == T_LPAREN) {
		if (!sql_operand(s, &t))
			return false;
	} else {
		WANT(sql_is_name(s));
		if (!sql_name(s, &flags))
			return false;
		if (s->t.kind == T_LPAREN && !sql_operand(s, &t))
			return false;
	}
	WANT(sql_is(s, W_FROM) || sql_is(s, W_TO));
	sql_next(s);
	if (sql_is(s, W_PROGRAM)) {
		sql_next(s);
		WANT(s->t.kind == T_STRING || s->t.kind == T_OPEN);
		sql_fact(s, SF_COMMAND);
		return loose(s);
	}
	WANT(s->t.kind == T_STRING || s->t.kind == T_OPEN);
	sql_fact(s, SF_FILE);
	return loose(s);
}

static bool load(struct sql *s)
{
	sql_next(s);
	WANT(sql_is(s, W_DATA) || sql_is(s, W_XML));
	sql_next(s);
	while (s->t.kind == T_WORD && !sql_is(s, W_INFILE))
		sql_next(s);
	WANT(sql_is(s, W_INFILE));
	sql_fact(s, SF_FILE);
	return loose(s);
}

// ATTACH DATABASE 'x' AS y; BACKUP DATABASE x TO DISK = 'y'; BULK INSERT x FROM 'y'
static bool files(struct sql *s)
{
	uint8_t verb = s->t.word;
	uint32_t flags;

	sql_next(s);
	if (verb == W_ATTACH) {
		if (sql_is(s, W_DATABASE))
			sql_next(s);
		WANT(s->t.kind == T_STRING || s->t.kind == T_OPEN);
	} else {
		WANT(verb == W_BULK ? sql_is(s, W_INSERT) : sql_is(s, W_DATABASE));
		sql_next(s);
		WANT(sql_is_name(s));
		if (!sql_name(s, &flags))
			return false;
		WANT(verb == W_BULK ? sql_is(s, W_FROM) : sql_is(s, W_TO));
	}
	sql_fact(s, SF_FILE);
	return loose(s);
}

static bool prepare(struct sql *s)
{
	sql_next(s);
	if (sql_is(s, W_PREPARE))
		sql_next(s);
	WANT(sql_is_name(s));
	sql_next(s);
	if (sql_over(s))
		return true;
	if (sql_take(s, W_FROM)) {
		WANT(s->t.kind == T_STRING || s->t.kind == T_OPEN || s->t.kind == T_VAR);
		sql_fact(s, SF_EXEC);
		return loose(s);
	}
	return s->t.kind == T_SEMI;
}

static bool show(struct sql *s)
{
	sql_next(s);
	WANT(s->t.kind == T_WORD);
	switch (s->t.word) {
	case W_TABLES:
	case W_DATABASES:
	case W_COLUMNS:
	case W_PROCESSLIST:
	case W_GRANTS:
	case W_VARIABLES:
	case W_STATUS:
	case W_PLUGINS:
		sql_fact(s, SF_READ);
		sql_next(s);
		return loose(s);
	default:
		return false;
	}
}

static bool grant(struct sql *s)
{
	sql_next(s);
	while (s->t.kind == T_WORD && !sql_is(s, W_ON) && !sql_is(s, W_TO) && !sql_is(s, W_FROM)) {
		sql_next(s);
		sql_take_kind(s, T_COMMA);
	}
	WANT(sql_is(s, W_ON));
	sql_next(s);
	WANT(sql_is_name(s) || s->t.kind == T_STAR);
	sql_fact(s, SF_CHANGE);
	return loose(s);
}

// IF condition statement [ELSE statement] of SQL Server
static bool if_statement(struct sql *s)
{
	struct sql_term t;
	bool paren;

	sql_next(s);
	sql_take(s, W_NOT);
	paren = s->t.kind == T_LPAREN;
	WANT(paren || sql_is(s, W_EXISTS) || sql_is_name(s) || s->t.kind == T_NUMBER ||
	     s->t.kind == T_STRING);
	if (!sql_operand(s, &t) || !sql_expr_rest(s, &t, false))
		return false;
	WANT(sql_is_statement(s) || (s->t.kind == T_WORD && (s->t.flags & F_TIME) != 0));
	if (!sql_is_statement(s)) {
		if (!sql_expr(s, &t))
			return false;
	} else if (!sql_statement(s)) {
		return false;
	}
	sql_fact(s, SF_CASE);
	if (sql_has(s, SF_SAME))
		sql_fact(s, SF_BRANCH);
	if (sql_take(s, W_ELSE))
		return sql_over(s) || sql_statement(s);
	return true;
}

static bool small(struct sql *s)
{
	uint8_t verb = s->t.word;
	struct sql_term t;

	sql_next(s);
	switch (verb) {
	case W_SHUTDOWN:
		sql_fact(s, SF_EXEC);
		return s->t.kind == T_SEMI || sql_at_end(s) || (sql_is(s, W_WITH) && loose(s));
	case W_PRAGMA:
		WANT(sql_is_name(s));
		sql_fact(s, SF_READ);
		sql_next(s);
		return s->t.kind == T_LPAREN || s->t.kind == T_CMP ? loose(s) : true;
	case W_PRINT:
		WANT(s->t.kind == T_SYSVAR || s->t.kind == T_VAR || s->t.kind == T_STRING ||
		     s->t.kind == T_OPEN);
		if (s->t.kind == T_SYSVAR || (s->t.kind == T_OPEN && s->t.len == 1))
			sql_fact(s, SF_EXEC);
		return loose(s);
	case W_TRUNCATE:
		WANT(sql_is(s, W_TABLE));
		sql_next(s);
		WANT(sql_is_name(s));
		sql_fact(s, SF_CHANGE);
		return loose(s);
	case W_BEGIN:
		if (sql_is_statement(s))
			return sql_statement(s);
		// a procedure of PL/SQL
		return sql_at_end(s) || s->t.kind == T_SEMI ||
		       (sql_operand(s, &t) && s->last.kind == T_RPAREN);
	case W_EXPLAIN:
	case W_DESCRIBE:
		return sql_is_statement(s) && sql_statement(s);
	case W_USE:
		WANT(sql_is_name(s));
		sql_next(s);
		return true;
	default: // COMMIT, ROLLBACK, END, RECONFIGURE
		return true;
	}
}

static bool one(struct sql *s)
{
	switch (s->t.word) {
	case W_SELECT:
	case W_WITH:
	case W_VALUES:
		sql_fact(s, SF_READ);
		return sql_query(s);
	case W_INSERT:
	case W_REPLACE:
	case W_MERGE:
		return insert(s);
	case W_UPDATE:
		return update(s);
	case W_DELETE:
		return delete (s);
	case W_DROP:
		return drop(s);
	case W_ALTER:
		return alter(s);
	case W_CREATE:
		return create(s);
	case W_EXEC:
	case W_EXECUTE:
		return exec(s);
	case W_DECLARE:
		return declare(s);
	case W_SET:
		return set(s);
	case W_WAITFOR:
		return waitfor(s);
	case W_CALL:
	case W_DO:
		return called(s);
	case W_HANDLER:
		return handler(s);
	case W_COPY:
		return copy(s);
	case W_LOAD:
		return load(s);
	case W_ATTACH:
	case W_BACKUP:
	case W_BULK:
		return files(s);
	case W_PREPARE:
	case W_DEALLOCATE:
		return prepare(s);
	case W_SHOW:
		return show(s);
	case W_GRANT:
	case W_REVOKE:
		return grant(s);
	case W_IF:
		return if_statement(s);
	default:
		return small(s);
	}
}

bool sql_statement(struct sql *s)
{
	bool ok;

	if (!sql_is_statement(s))
		return false;
	if (!sql_enter(s))
		return true;
	ok = one(s);
	sql_leave(s);
	return ok;
}
