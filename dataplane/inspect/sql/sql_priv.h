// SPDX-License-Identifier: BSD-3-Clause
//
// sql/sql_priv - lexer and grammar of SQL, shared by the files of this folder. The grammar is the union
// of what MySQL, PostgreSQL, SQL Server, Oracle, SQLite, Dameng and Kingbase take; it reads from left to
// right with one token of foresight and notes what the text would do (facts). Nothing is allocated.
//
//	sql.c readings -> query.c, change.c statements -> expr.c, operand.c expressions -> lex.c tokens -> words.c
//	judge.c points
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// ---- words ---------------------------------------------------------------------------------------

enum sql_word {
#define SQL_KEYWORD(sym) W_##sym,
#include "dataplane/inspect/sql/keywords.def"
#undef SQL_KEYWORD
	W_COUNT
};

// What else a word is.
enum {
	F_RESERVED = 1 << 0, // never a name in any of the dialects
	F_CALL = 1 << 1,     // a function of SQL
	F_TYPE = 1 << 2,     // a type
	F_TIME = 1 << 3,     // called, it waits
	F_FILE = 1 << 4,     // called, it reads or writes files
	F_NET = 1 << 5,      // called, it opens connections
	F_COMMAND = 1 << 6,  // called, it runs programs
	F_ERROR = 1 << 7,    // called with a query inside, its error message tells the result
	F_INFO = 1 << 8,     // tells about the server: name of user, version
	F_CHARS = 1 << 9,    // makes text of codes
	F_PART = 1 << 10,    // takes a value apart: substring, code, length
	F_META = 1 << 11,    // a table or schema of the server's own
	F_PACKAGE = 1 << 12, // what is said of the call holds for any name behind a dot
	F_BRANCH = 1 << 13,  // the first argument is a condition
	F_BARE = 1 << 14,    // F_INFO without parentheses
	F_TWO = 1 << 15,     // its meaning wants two arguments or more
	F_VAR = 1 << 16,     // @@x tells about the server
	F_HEAVY = 1 << 17,   // called with a large number, it takes long
	F_ASK = 1 << 18,     // F_INFO with arguments too
};

// Length of the longest word, with its zero.
#define SQL_WORD_MAX 28

struct sql_word_entry {
	char text[SQL_WORD_MAX];
	uint8_t word; // enum sql_word
	uint32_t flags;
};
// NULL: not a word of the language. Case does not matter.
const struct sql_word_entry *sql_word_find(const uint8_t *p, size_t len);
// For tests: the table must be sorted.
const struct sql_word_entry *sql_word_table(size_t *count);

// ---- tokens --------------------------------------------------------------------------------------

enum sql_kind {
	T_END,
	T_CUT,    // a comment up to the end of the text
	T_BAD,    // no token of SQL
	T_WORD,   // keyword or name
	T_NAME,   // `name`, [name]
	T_NUMBER, //
	T_STRING, // 'text', "text or name", $$text$$
	T_OPEN,   // a string without an end
	T_VAR,    // @x, :x, ?, $1
	T_SYSVAR, // @@x
	T_NULL,   // \N
	T_LPAREN,
	T_RPAREN,
	T_LBRACKET,
	T_RBRACKET,
	T_LBRACE,
	T_RBRACE,
	T_COMMA,
	T_SEMI,
	T_DOT,
	T_STAR,
	T_SIGN,   // + or -
	T_ARITH,  // other operators that make a value
	T_CMP,    // = < > ... and operators of JSON that make a truth
	T_AND,    // &&
	T_BARS,   // ||: OR, or one text behind another
	T_NOT,    // ! ~
	T_CAST,   // ::
	T_ASSIGN, // :=
};

struct sql_token {
	uint8_t kind;  // enum sql_kind
	uint8_t word;  // T_WORD: enum sql_word; W_NONE: a name
	uint8_t quote; // T_STRING, T_OPEN, T_NAME: what opened it
	bool blank;    // white space or a comment before it
	bool glued;    // a word that follows a number without a blank
	uint32_t flags;
	uint32_t at, len; // in the text
};

// ---- facts ---------------------------------------------------------------------------------------

enum sql_fact {
	SF_UNION,       // UNION SELECT with a list that is SQL beyond doubt
	SF_UNION_SHORT, // UNION SELECT and words
	SF_UNION_FROM,  // UNION SELECT, words, FROM and words
	SF_SUBQUERY,    // (SELECT ...) as a value
	SF_TAUTOLOGY,   // AND, OR with a comparison of constants
	SF_CONSTANT,    // AND, OR with a constant
	SF_CONDITION,   // AND, OR with a comparison
	SF_SAME,        // a comparison of constants alone
	SF_COMPARE,     // a comparison alone
	SF_ARITH,       // an operator that makes a value
	SF_MINUS,       // of these, only minus signs
	SF_TEXTS,       // AND, OR with quoted texts, more than one
	SF_CONCAT,      // ||
	SF_TIME,
	SF_FILE,
	SF_NET,
	SF_COMMAND,
	SF_ERROR,
	SF_INFO,
	SF_CHARS,
	SF_PART,
	SF_BRANCH, // CASE WHEN, IF() on a constant condition
	SF_CASE,   // CASE WHEN, IF()
	SF_ZERO,   // a division by 0
	SF_META,
	SF_CAST,      // x::type
	SF_CAST_CALL, // f(x)::type
	SF_TRUE,      // AND, OR with TRUE, FALSE or NULL
	SF_OPEN_CALL, // a call of a function of SQL that the text does not end
	SF_LIST,      // AS name FROM
	SF_SEMI,      // ; at the end
	SF_ORDER,     // ORDER BY 7, GROUP BY, HAVING, LIMIT ... behind an operand
	SF_CLAUSE,
	SF_HAVING,
	SF_ROW,     // ), ( : another row
	SF_ASSIGN,  // , name = value
	SF_COLLATE, // COLLATE, ESCAPE
	SF_STACKED, // ; and a statement
	SF_READ,    // a statement that reads
	SF_CHANGE,  // one that changes
	SF_EXEC,    // one that runs a procedure or sets variables
	SF_DECLARE,
	SF_CALL,     // any call of a function of SQL
	SF_CALL_SQL, // whose name no other language has
	SF_DUAL,
	SF_IDENTITY, // a constant is compared with itself
	SF_FROM,     // reads a table of the application
	SF_COUNT
};

// ---- the parser ----------------------------------------------------------------------------------

#define SQL_DEPTH_MAX 32

struct sql {
	const uint8_t *p;
	uint32_t len;
	uint32_t at; // of the next token
	// How the text is read.
	bool backslash;   // \ escapes in strings
	bool plain_names; // none of `a b`: in a text with `code`, these are its sentences
	bool dash_blank;  // -- needs a blank behind it (MySQL)
	// Seen by the lexer.
	bool version;      // an executable comment
	bool in_version;   // and its end is still to come
	bool odd_dash;     // -- without a blank
	bool odd_escape;   // a \ before a quote
	bool glued;        // a keyword glued to a number: 1e0union
	uint16_t comments; // in place of blanks
	uint16_t odd_blanks;
	// The parser.
	struct sql_token t, last; // the token to look at, the one before
	uint32_t steps;           // tokens left to read: bounds the time
	uint8_t depth;
	uint8_t calls;   // whose arguments are read
	bool unfinished; // the text ended where more must come
	uint8_t open;    // quote of a string without an end; 0: none
	uint32_t open_at;
	uint8_t texts;   // quoted texts as conditions
	bool large;      // a number of 6 digits or more
	uint16_t data;   // constants and variables
	uint16_t hard;   // tokens that prose does not have
	uint16_t closed; // parentheses closed that were not opened
	uint16_t opened; // that a skipped word opened
	uint64_t facts;
	uint32_t fact_at;
};

#define SQL_BIT(fact) (UINT64_C(1) << (fact))

static inline void sql_fact(struct sql *s, enum sql_fact f)
{
	s->facts |= SQL_BIT(f);
}

static inline bool sql_has(const struct sql *s, enum sql_fact f)
{
	return (s->facts >> f & 1) != 0;
}

// lex.c. The next token becomes s->t. Past the bounds: T_BAD.
void sql_next(struct sql *s);
// From inside a string of that quote: the token behind its end. false: it does not end.
bool sql_skip_string(struct sql *s, uint8_t quote);

static inline bool sql_is(const struct sql *s, enum sql_word w)
{
	return s->t.kind == T_WORD && s->t.word == w;
}

static inline bool sql_take(struct sql *s, enum sql_word w)
{
	if (!sql_is(s, w))
		return false;
	sql_next(s);
	return true;
}

static inline bool sql_take_kind(struct sql *s, enum sql_kind k)
{
	if (s->t.kind != k)
		return false;
	sql_next(s);
	return true;
}

// The text ends here, cut off by a comment or not: what must come may come.
static inline bool sql_over(struct sql *s)
{
	if (s->t.kind != T_END && s->t.kind != T_CUT)
		return false;
	s->unfinished = true;
	return true;
}

static inline bool sql_at_end(const struct sql *s)
{
	return s->t.kind == T_END || s->t.kind == T_CUT;
}

// A name: quoted or not, no reserved word.
static inline bool sql_is_name(const struct sql *s)
{
	return s->t.kind == T_NAME || (s->t.kind == T_STRING && s->t.quote == '"') ||
	       (s->t.kind == T_WORD && (s->t.flags & F_RESERVED) == 0);
}

// expr.c, operand.c. false: this is no SQL.
// One level deeper. false: the rest is too deep to follow and counts as not read
bool sql_enter(struct sql *s);
static inline void sql_leave(struct sql *s)
{
	s->depth--;
}
struct sql_term {
	bool constant;
	bool compared;
	bool number; // a constant that is a number
	bool truth;  // TRUE, FALSE, NULL
	bool query;  // holds a query or a call
};
bool sql_operand(struct sql *s, struct sql_term *t);
// What follows an operand: operators and operands. joined: a boolean operator was before it
bool sql_expr_rest(struct sql *s, struct sql_term *t, bool joined);
bool sql_expr(struct sql *s, struct sql_term *t);
// What follows an operand within another: its last term is a part of that one.
bool sql_inner_rest(struct sql *s, struct sql_term *t);
// Over a quote at the very end: it pairs with that of the statement.
void sql_last_quote(struct sql *s);
// expr {, expr}, each with its alias or ASC/DESC where these may stand.
bool sql_list(struct sql *s, bool aliases);
// a.b..c, flags of its parts joined in *flags; s->t is what follows
// At the name of a schema that each server has.
bool sql_is_server_schema(const struct sql *s);
bool sql_name(struct sql *s, uint32_t *flags);
struct sql_arguments {
	unsigned count;
	bool query;   // one holds a query or a call of F_INFO
	bool numbers; // all are numbers
	bool constant;
	bool data; // more than names in them
};
// ( was read: up to its ) and over it, as arguments of a call.
bool sql_arguments(struct sql *s, struct sql_arguments *a);
void sql_call_facts(struct sql *s, uint32_t flags, const struct sql_arguments *a);

// query.c
// At SELECT, WITH, VALUES or ( before them.
bool sql_query(struct sql *s);
// UNION ... behind a query, or behind what the text stands in.
bool sql_union(struct sql *s);
bool sql_is_union(const struct sql *s);
// FROM, WHERE, GROUP BY ... as far as they come.
bool sql_clauses(struct sql *s, bool outer);
bool sql_is_clause(const struct sql *s);
bool sql_is_query(const struct sql *s);

// change.c. One statement of any kind. false: none
bool sql_statement(struct sql *s);
bool sql_is_statement(const struct sql *s);
