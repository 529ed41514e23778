// SPDX-License-Identifier: BSD-3-Clause
//
// sql - would this value change the SQL statement it is put into? The text is read by the grammar in each
// place where an application could have put it: as a number or name, inside '', "", ``, [], as a clause, as a
// statement. Where it closes what it was put into and goes on as SQL up to its end, what that SQL would do
// makes the points. The reading with most points counts, the others are forgotten.

#include "dataplane/inspect/sql/sql.h"

#include "dataplane/inspect/sql/reading.h"

#include <stddef.h>
#include <string.h>

struct look {
	const uint8_t *base; // the value, or how else it may be spelled
	const uint8_t *p;    // the same, or a part of a path
	uint32_t len;
	uint32_t steps;   // left for all readings together
	bool statements;  // are looked at
	struct sql first; // one token read
	// Of the reading with most points.
	unsigned rules, points;
	uint16_t rule[SQL_RULES_MAX];
	uint32_t at;
};

// ---- grammar of what follows an operand ----------------------------------------------------------

// , name = value of UPDATE, , (row) of INSERT, , expression of a list
static bool more_list(struct sql *s)
{
	struct sql_term t;
	bool row = s->last.kind == T_RPAREN && s->closed > 0;

	sql_next(s);
	if (sql_at_end(s)) // lists of any kind go on in the next line
		return true;
	if (row && s->t.kind == T_LPAREN)
		sql_fact(s, SF_ROW);
	if (s->t.kind == T_STAR) {
		sql_next(s);
		return true;
	}
	if (sql_is_name(s)) {
		if (!sql_operand(s, &t))
			return false;
		if (s->t.kind == T_CMP && s->p[s->t.at] == '=')
			sql_fact(s, SF_ASSIGN);
		return sql_expr_rest(s, &t, false);
	}
	return sql_expr(s, &t);
}

// AS name FROM: behind a column
static bool list_end(struct sql *s)
{
	sql_next(s);
	if (sql_over(s))
		return true;
	if (!sql_is_name(s) && s->t.kind != T_STRING)
		return false;
	sql_next(s);
	if (sql_is(s, W_FROM))
		sql_fact(s, SF_LIST);
	return true;
}

// A statement behind another. One of words only is a sentence.
static bool second(struct sql *s)
{
	static const uint64_t acts = SQL_BIT(SF_CHANGE) | SQL_BIT(SF_EXEC) | SQL_BIT(SF_DECLARE) |
				     SQL_BIT(SF_TIME) | SQL_BIT(SF_FILE) | SQL_BIT(SF_NET) |
				     SQL_BIT(SF_COMMAND) | SQL_BIT(SF_META) | SQL_BIT(SF_INFO) |
				     SQL_BIT(SF_CALL);
	uint64_t before = s->facts;
	uint16_t data = s->data, hard = s->hard;

	s->facts = 0;
	if (!sql_statement(s))
		return false;
	if ((s->facts & acts) != 0 ||
	    (sql_has(s, SF_READ) && (s->data != data || (sql_has(s, SF_FROM) && s->hard != hard))))
		sql_fact(s, SF_STACKED);
	s->facts |= before;
	return true;
}

static bool stacked(struct sql *s)
{
	sql_next(s);
	while (s->t.kind == T_SEMI)
		sql_next(s);
	if (sql_at_end(s)) {
		sql_fact(s, SF_SEMI);
		return true;
	}
	if (s->t.kind == T_LPAREN) { // a query in parentheses
		struct sql_term t;

		if (!sql_operand(s, &t) || !t.query)
			return false;
		sql_fact(s, SF_STACKED);
		return true;
	}
	return sql_is_statement(s) && second(s);
}

// Behind an operand; s->last has no length where there is none.
static bool tail(struct sql *s, struct sql_term *left)
{
	if (!sql_expr_rest(s, left, false))
		return false;
	while (!sql_at_end(s)) {
		uint32_t at = s->t.at;

		if (s->t.kind == T_RPAREN) {
			s->closed++;
			sql_next(s);
		} else if (s->t.kind == T_COMMA) {
			if (!more_list(s))
				return false;
		} else if (s->t.kind == T_SEMI) {
			if (!stacked(s))
				return false;
		} else if (sql_is_union(s)) {
			if (!sql_union(s))
				return false;
		} else if (sql_is_clause(s)) {
			if (!sql_clauses(s, true))
				return false;
		} else if (sql_is(s, W_AS)) {
			if (!list_end(s))
				return false;
		} else if (sql_is(s, W_WHEN) || sql_is(s, W_THEN) || sql_is(s, W_ELSE)) {
			sql_next(s);
			sql_fact(s, SF_CASE);
			if (!sql_over(s) && !sql_expr(s, left))
				return false;
		} else if (sql_is(s, W_ASC) || sql_is(s, W_DESC)) {
			sql_next(s);
		} else if (sql_is_statement(s) && s->last.len > 0) {
			// SQL Server wants no ; between statements
			if (!second(s))
				return false;
		} else {
			*left = (struct sql_term){0};
			if (!sql_expr_rest(s, left, false) || (s->t.at == at && !sql_at_end(s)))
				return false;
		}
	}
	return true;
}

static bool statements(struct sql *s)
{
	if (!sql_statement(s))
		return false;
	while (!sql_at_end(s)) {
		if (s->t.kind == T_SEMI) {
			if (!stacked(s))
				return false;
		} else if (!sql_is_statement(s) || !sql_statement(s)) {
			return false;
		}
	}
	return true;
}

// ---- readings ------------------------------------------------------------------------------------

// What a clause may begin with. Not with / or *, as paths and lists do.
static bool begins_clause(const struct sql *s)
{
	switch (s->t.kind) {
	case T_RPAREN:
	case T_COMMA:
	case T_SEMI:
	case T_BARS:
	case T_AND:
		return true;
	case T_WORD:
		return s->t.word == W_AND || s->t.word == W_OR || s->t.word == W_XOR ||
		       s->t.word == W_IN || s->t.word == W_IS || s->t.word == W_NOT ||
		       s->t.word == W_LIKE || s->t.word == W_BETWEEN || s->t.word == W_RLIKE ||
		       s->t.word == W_REGEXP || sql_is_union(s) || sql_is_clause(s);
	default:
		return false;
	}
}

#define WORD_MAX 96

// Over a first word that is no operand of SQL: of a URL, of a condition that was split elsewhere.
static bool skip_word(struct sql *s)
{
	uint32_t i = 0;

	while (i < s->len && i < WORD_MAX && s->p[i] > ' ' && s->p[i] != '\'' && s->p[i] != '"' &&
	       s->p[i] != ')' && s->p[i] != ';' &&
	       !(s->p[i] == '/' && i + 1 < s->len && s->p[i + 1] == '*'))
		s->opened += s->p[i++] == '(';
	if (i == 0 || i == s->len)
		return false;
	s->t = (struct sql_token){.kind = T_WORD, .len = i};
	s->at = i;
	sql_next(s);
	return begins_clause(s) || (sql_is_statement(s) && s->t.word != W_SELECT);
}

// Parentheses that a text opens and does not close.
static uint16_t opened(const uint8_t *p, uint32_t len)
{
	uint16_t open = 0;

	for (uint32_t i = 0; i < len; i++) {
		if (p[i] == '(' && open < UINT16_MAX)
			open++;
		else if (p[i] == ')' && open > 0)
			open--;
	}
	return open;
}

// One reading of the whole text, its first token read but for CONTEXT_STRING and CONTEXT_WORD. true: it is SQL up to its end
static bool read_as(struct sql_reading *r)
{
	struct sql *s = &r->s;
	struct sql_term t = {0};

	switch (r->context) {
	case CONTEXT_STRING:
		if (!sql_skip_string(s, r->quote))
			return false;
		// a[1] is an index, a] ends a name
		if (r->quote == ']' && memchr(s->p, '[', s->last.len) != NULL)
			return false;
		r->from = s->last.len;
		if (!tail(s, &t))
			return false;
		s->opened = opened(s->p, r->from);
		return true;
	case CONTEXT_STATEMENT:
		return sql_is_statement(s) && statements(s);
	case CONTEXT_CLAUSE:
		return begins_clause(s) && tail(s, &t);
	case CONTEXT_WORD:
		return skip_word(s) && tail(s, &t);
	default:
		r->number = s->t.kind == T_NUMBER || s->t.kind == T_SIGN;
		return sql_operand(s, &t) && tail(s, &t);
	}
}

static void keep(struct look *l, const struct sql_reading *r)
{
	if (r->points <= l->points)
		return;
	l->points = r->points;
	l->rules = r->rules;
	memcpy(l->rule, r->rule, r->rules * sizeof(r->rule[0]));
	l->at = (uint32_t)(l->p - l->base) + r->from;
}

static void begin(struct look *l, struct sql_reading *r, enum sql_context context, uint8_t quote,
		  bool backslash, bool dash_blank)
{
	r->context = context;
	r->quote = quote;
	r->first = T_END;
	r->from = 0;
	r->number = false;
	r->rules = r->points = 0;
	if (context == CONTEXT_STRING || context == CONTEXT_WORD) {
		r->s = (struct sql){.p = l->p, .len = l->len, .steps = l->steps};
	} else {
		r->s = l->first;
		r->first = l->first.t.kind;
		r->s.steps = l->steps;
	}
	r->s.plain_names = quote == '`';
	r->s.backslash = backslash;
	r->s.dash_blank = dash_blank;
	// The first token reads differently.
	if ((backslash || dash_blank) && context != CONTEXT_STRING && context != CONTEXT_WORD) {
		r->s.at = 0;
		r->s.t = (struct sql_token){0};
		r->s.open = 0;
		sql_next(&r->s);
	}
}

// true: the text is SQL up to its end, read so
static bool try(struct look *l, enum sql_context context, uint8_t quote)
{
	bool backslash = false, dash_blank = false, any = false;

	for (unsigned i = 0; i < 4 && l->points < 100; i++) {
		struct sql_reading r;
		bool sql, again = false;

		begin(l, &r, context, quote, backslash, dash_blank);
		sql = read_as(&r);
		any |= sql;
		l->steps = r.s.steps;
		if (sql || sql_is_broken_attack(&r)) {
			sql_judge(&r);
			keep(l, &r);
		}
		// What could be read in another way is.
		if (r.s.odd_escape && !backslash)
			again = backslash = true;
		else if (r.s.odd_dash && !dash_blank)
			again = dash_blank = true;
		if (!again)
			break;
	}
	return any;
}

static void look(struct look *l, uint64_t set)
{
	static const struct {
		uint8_t quote;
		uint64_t bit;
	} quotes[] = {{'\'', BYTES(QUOTE)},
		      {'"', BYTES(DQUOTE)},
		      {'`', BYTES(BACKTICK)},
		      {']', BYTES(RBRACKET)}};

	l->first = (struct sql){.p = l->p, .len = l->len, .steps = 1};
	sql_next(&l->first);
	if (l->first.at == l->len && l->first.t.kind == T_WORD)
		return; // one word
	if (sql_is_statement(&l->first) && l->statements)
		try(l, CONTEXT_STATEMENT, 0);
	if (begins_clause(&l->first))
		try(l, CONTEXT_CLAUSE, 0);
	if (!try(l, CONTEXT_VALUE, 0))
		try(l, CONTEXT_WORD, 0);
	for (size_t i = 0; i < sizeof(quotes) / sizeof(quotes[0]); i++)
		if ((set & quotes[i].bit) != 0)
			try(l, CONTEXT_STRING, quotes[i].quote);
}

// A segment of a path may be a value too, and with what is behind it.
static void look_at_path(struct look *l, uint64_t set)
{
	const uint8_t *end = l->p + l->len;

	if ((set & (BYTES_BLANK | BYTES(QUOTE) | BYTES(DQUOTE) | BYTES(LPAREN) | BYTES(STAR) |
		    BYTES(CONTROL))) == 0)
		return;
	if (end[-1] == '/')
		end--;
	for (unsigned i = 0; i < 8 && l->points < 100; i++) {
		const uint8_t *slash = memchr(l->p, '/', (size_t)(end - l->p));

		if (slash == NULL || slash + 3 > end)
			return;
		l->p = slash + 1;
		l->len = (uint32_t)(end - l->p);
		look(l, set);
	}
}

// Signs that become others on the way to the server: a quote of print is ' in the code pages that SQL Server
// and MySQL convert to, a plus is a blank where an escape is undone twice, and a comment within a word is gone
// where somebody takes comments out.
enum {
	RESPELL_QUOTES = 1 << 0,
	RESPELL_PLUS = 1 << 1,
	RESPELL_COMMENTS = 1 << 2,
};

static bool is_letter(uint8_t c)
{
	return (uint8_t)((c | 0x20) - 'a') < 26;
}

struct respell {
	const uint8_t *p, *end;
	unsigned what;
	const uint8_t *closed; // no comment before it is worth a look
};

// Over a comment that begins at c within a word. 0: none, else how many bytes it takes
static uint32_t word_comment(struct respell *r, const uint8_t *c)
{
	const uint8_t *close;

	if (c < r->closed || r->end - c < 5 || c[0] != '/' || c[1] != '*' || c == r->p ||
	    !is_letter(c[-1]))
		return 0;
	close = bytes_find2(c + 2, (size_t)(r->end - c - 2), '*', '/');
	r->closed = close != NULL ? close : r->end;
	if (close == NULL || close + 2 == r->end || !is_letter(close[2]))
		return 0;
	return (uint32_t)(close + 2 - c);
}

// How many bytes are one sign there, and which; 0: as it stands.
static uint32_t respell_one(struct respell *r, const uint8_t *c, uint8_t *sign)
{
	ptrdiff_t left = r->end - c;

	*sign = '\'';
	if (left > 2 && c[0] == 0xe2 && c[1] == 0x80 && (c[2] & 0xfe) == 0x98)
		return 3;
	if (left > 1 && c[0] == 0xc2 && c[1] == 0xb4)
		return 2;
	*sign = ' ';
	return (r->what & RESPELL_PLUS) != 0 && *c == '+';
}

// Returns how long it is now in room, 0: nothing changed.
static uint32_t respell(struct respell *r, uint8_t *room)
{
	const uint8_t *c = r->p;
	uint32_t n = 0;

	while (c < r->end) {
		uint32_t skip;

		if ((r->what & RESPELL_COMMENTS) != 0)
			c += word_comment(r, c);
		skip = respell_one(r, c, &room[n]);
		if (skip == 0)
			room[n] = *c++;
		c += skip;
		n++;
	}
	return n != r->end - r->p || memcmp(r->p, room, n) != 0 ? n : 0;
}

// Without one of these, a long text of letters and plus signs is Base64.
#define SIGNS_OF_PLUS                                                                              \
	(BYTES(QUOTE) | BYTES(DQUOTE) | BYTES(LPAREN) | BYTES(RPAREN) | BYTES(COMMA) |             \
	 BYTES(SEMICOLON) | BYTES(STAR) | BYTES(HASH))
#define SHORT 256

static void look_respelled(struct inspect *in, struct look *l, const struct inspect_node *n)
{
	struct respell r = {.p = n->p, .end = n->p + n->len, .closed = n->p};
	unsigned what = 0;
	uint8_t *room;

	if ((n->set & BYTES(PLUS)) != 0 && (n->set & BYTES(SPACE)) == 0 &&
	    ((n->set & SIGNS_OF_PLUS) != 0 || n->len < SHORT))
		what |= RESPELL_PLUS;
	if ((n->set & BYTES(HIGH)) != 0 && (bytes_find2(n->p, n->len, 0xe2, 0x80) != NULL ||
					    bytes_find2(n->p, n->len, 0xc2, 0xb4) != NULL))
		what |= RESPELL_QUOTES;
	if ((n->set & BYTES(SLASH)) != 0 && (n->set & BYTES(STAR)) != 0 &&
	    bytes_find2(n->p, n->len, '/', '*') != NULL)
		what |= RESPELL_COMMENTS;
	if (what == 0 || (room = inspect_scratch(in, n->len + 1)) == NULL)
		return;
	r.what = what;
	l->p = l->base = room;
	l->len = respell(&r, room);
	if (l->len == 0)
		return;
	if (n->place == PLACE_PATH)
		look_at_path(l, n->set | BYTES(SPACE));
	else
		look(l, n->set | BYTES(QUOTE));
}

// One of these is in any text that the grammar makes points of: a word or number alone says nothing. A
// no-break space is a high byte.
#define SIGNS                                                                                      \
	(BYTES_BLANK | BYTES(CONTROL) | BYTES(NUL) | BYTES(HIGH) | BYTES(QUOTE) | BYTES(DQUOTE) |  \
	 BYTES(BACKTICK) | BYTES(LPAREN) | BYTES(RPAREN) | BYTES(RBRACKET) | BYTES(SEMICOLON) |    \
	 BYTES(BAR) | BYTES(AMP) | BYTES(STAR) | BYTES(PLUS) | BYTES(EQ))

static void run(struct inspect *in, const struct inspect_node *n)
{
	struct look l = {.base = n->p,
			 .p = n->p,
			 .len = n->len,
			 .steps = 4 * n->len + 64,
			 .statements = n->place != PLACE_FILE};

	if ((n->set & SIGNS) == 0 || n->len < 3)
		return;
	if (n->place == PLACE_PATH)
		look_at_path(&l, n->set);
	else
		look(&l, n->set);
	if (l.points < SQL_SURE)
		look_respelled(in, &l, n);
	if (l.at >= n->len)
		l.at = 0;
	if (l.points >= SQL_SURE)
		for (unsigned i = 0; i < l.rules; i++)
			inspect_evidence(in, n, l.rule[i], l.at, n->len - l.at);
	else if (l.points >=
		 SQL_DOUBT) // one rule, so that doubts about several readings do not add up
		inspect_evidence(in, n, RULE_SQL_DOUBT, l.at, n->len - l.at);
}

const struct inspect_analyser inspect_sql = {
	.name = "sql",
	.any = SIGNS,
	.least = 3,
	.run = run,
};
