// SPDX-License-Identifier: BSD-3-Clause
//
// sql - would this value change the SQL statement it is put into? The text is read by the grammar in each
// place where an application could have put it: as a number or name, inside '', "", ``, [], as a clause, as a
// statement. Where it closes what it was put into and goes on as SQL up to its end, what that SQL would do
// makes the points. The reading with most points counts, the others are forgotten.

#include "dataplane/inspect/sql/sql_priv.h"

#include "dataplane/inspect/node.h"
#include "dataplane/inspect/sql/sql.h"

#include <string.h>

enum context {
	CONTEXT_VALUE,     // a number, a name: what follows goes on
	CONTEXT_CLAUSE,    // what came before it is an operand
	CONTEXT_STRING,    // inside quotes
	CONTEXT_WORD,      // a word that is no SQL, and SQL behind it
	CONTEXT_STATEMENT, // a statement of its own
};

#define RULES_MAX 32
#define BIT(fact) (UINT64_C(1) << (fact))
// Points of a reading from which it is an attack, and from which it is worth telling the strict level.
#define SURE  50
#define DOUBT 30

struct reading {
	struct sql s;
	enum context context;
	uint8_t quote;
	uint32_t from; // where SQL begins
	bool number;   // CONTEXT_VALUE: the operand is a number
	unsigned rules, points;
	uint16_t rule[RULES_MAX];
};

struct look {
	const struct inspect_node *n;
	const uint8_t *p; // the value, or a part of a path
	uint32_t len;
	uint32_t steps; // left for all readings together
	// Of the reading with most points.
	unsigned rules, points;
	uint16_t rule[RULES_MAX];
	uint32_t at;
};

// ---- grammar of what follows an operand ----------------------------------------------------------

// , name = value of UPDATE, , (row) of INSERT, , expression of a list
static bool more_list(struct sql *s)
{
	struct sql_term t;
	bool row = s->last.kind == T_RPAREN && s->closed > 0;

	sql_next(s);
	if (sql_over(s))
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
		if (s->t.kind == T_CMP)
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
	uint64_t before = s->facts & ~BIT(SF_READ);
	uint16_t hard = s->hard;

	if (!sql_statement(s))
		return false;
	if ((s->facts & ~before & ~BIT(SF_FROM) & ~(s->hard == hard ? BIT(SF_READ) : 0)) != 0)
		sql_fact(s, SF_STACKED);
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
		} else if (sql_is(s, W_ASC) || sql_is(s, W_DESC)) {
			sql_next(s);
		} else if (sql_is_statement(s) && s->last.len > 0) {
			// SQL Server wants no ; between statements
			if (!second(s))
				return false;
		} else {
			*left = (struct sql_term){0};
			if (!sql_expr_rest(s, left, false) || s->t.at == at)
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

// ---- points --------------------------------------------------------------------------------------

static void add(struct reading *r, enum inspect_rule rule)
{
	if (r->rules == RULES_MAX)
		return;
	r->rule[r->rules++] = (uint16_t)rule;
	r->points += inspect_rule_points(rule);
}

static const struct {
	uint8_t fact;
	bool clause, statement; // counts behind an operand, in a statement of its own
	uint16_t rule;
} deeds[] = {
	{SF_UNION, true, false, RULE_SQL_UNION},
	{SF_UNION_SHORT, true, false, RULE_SQL_UNION_SHORT},
	{SF_UNION_FROM, true, false, RULE_SQL_UNION_FROM},
	{SF_SUBQUERY, true, false, RULE_SQL_SUBQUERY},
	{SF_TAUTOLOGY, true, false, RULE_SQL_TAUTOLOGY},
	{SF_CONDITION, true, false, RULE_SQL_CONDITION},
	{SF_SAME, true, false, RULE_SQL_SAME},
	{SF_COMPARE, true, false, RULE_SQL_COMPARE},
	{SF_ARITH, true, false, RULE_SQL_OPERATOR},
	{SF_CONCAT, true, false, RULE_SQL_CONCAT},
	{SF_TIME, true, true, RULE_SQL_TIME},
	{SF_FILE, true, true, RULE_SQL_FILE},
	{SF_NET, true, true, RULE_SQL_NET},
	{SF_COMMAND, true, true, RULE_SQL_COMMAND},
	{SF_ERROR, true, true, RULE_SQL_ERROR},
	{SF_INFO, true, true, RULE_SQL_INFO},
	{SF_CHARS, true, true, RULE_SQL_CHARS},
	{SF_PART, true, false, RULE_SQL_PART},
	{SF_BRANCH, true, true, RULE_SQL_BRANCH},
	{SF_CASE, true, false, RULE_SQL_CASE},
	{SF_ZERO, true, true, RULE_SQL_ZERO},
	{SF_META, true, true, RULE_SQL_META},
	{SF_CAST, true, false, RULE_SQL_CAST},
	{SF_CAST_CALL, true, false, RULE_SQL_CAST_CALL},
	{SF_TRUE, true, false, RULE_SQL_TRUE},
	{SF_OPEN_CALL, true, true, RULE_SQL_OPEN_CALL},
	{SF_LIST, true, false, RULE_SQL_LIST},
	{SF_ORDER, true, false, RULE_SQL_ORDER},
	{SF_CLAUSE, true, false, RULE_SQL_CLAUSE},
	{SF_HAVING, true, false, RULE_SQL_HAVING},
	{SF_ROW, true, false, RULE_SQL_ROW},
	{SF_ASSIGN, true, false, RULE_SQL_ASSIGN},
	{SF_COLLATE, true, false, RULE_SQL_COLLATE},
	{SF_STACKED, true, true, RULE_SQL_STACKED},
	{SF_READ, false, true, RULE_SQL_READ},
	{SF_CHANGE, true, true, RULE_SQL_CHANGE},
	{SF_EXEC, true, true, RULE_SQL_EXEC},
	{SF_DECLARE, true, true, RULE_SQL_DECLARE},
	{SF_CALL, true, false, RULE_SQL_CALL},
	{SF_CALL_SQL, true, false, RULE_SQL_CALL_SQL},
	{SF_DUAL, true, true, RULE_SQL_DUAL},
};

static bool has_blank(const uint8_t *p, uint32_t len)
{
	return memchr(p, ' ', len) != NULL;
}

// Nothing to read behind the comment that cuts the statement off.
static bool nothing_behind(const struct sql *s)
{
	for (uint32_t i = s->last.at + s->last.len; i < s->len; i++)
		if ((uint8_t)((s->p[i] | 0x20) - 'a') < 26)
			return false;
	return true;
}

// Rules about what is done made more than what formulas and words with signs make.
static bool only_weak(const struct reading *r)
{
	for (unsigned i = 0; i < r->rules; i++)
		if (inspect_rule_points(r->rule[i]) > 5)
			return false;
	return true;
}

static void judge_statement(struct reading *r)
{
	struct sql *s = &r->s;

	// A query of words only reads as a sentence; a server's own names in one on other tables are usual.
	if (s->hard == 0 && s->comments == 0)
		s->facts &= ~BIT(SF_READ);
	if (sql_has(s, SF_FROM))
		s->facts &= ~(BIT(SF_INFO) | BIT(SF_CHARS) | BIT(SF_BRANCH));
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
		if (deeds[i].statement && sql_has(s, deeds[i].fact))
			add(r, deeds[i].rule);
	if (r->rules == 0)
		return;
	if (s->t.kind == T_CUT && sql_has(s, SF_CHANGE))
		add(r, RULE_SQL_CUT);
	if (s->open != 0)
		add(r, RULE_SQL_STRING_OPEN);
	else if (s->unfinished && s->hard > 0)
		add(r, RULE_SQL_UNFINISHED);
}

// Of these, a part is told from a sum or a word.
#define BREAKS_OFF                                                                                 \
	(BIT(SF_TAUTOLOGY) | BIT(SF_CONDITION) | BIT(SF_HAVING) | BIT(SF_SUBQUERY) |               \
	 BIT(SF_CASE) | BIT(SF_LIST) | BIT(SF_UNION) | BIT(SF_STACKED))

// How it leaves its place.
static void judge_ends(struct reading *r)
{
	struct sql *s = &r->s;
	bool cut = s->t.kind == T_CUT,
	     open = s->open != 0 && (r->quote == 0 || s->open == r->quote);

	switch (r->context) {
	case CONTEXT_STRING:
		add(r, RULE_SQL_STRING_END);
		break;
	case CONTEXT_CLAUSE:
		add(r, RULE_SQL_OPERATOR_FIRST);
		break;
	default:
		add(r, r->number ? RULE_SQL_NUMBER : RULE_SQL_NAME);
	}
	if (s->closed > s->opened)
		add(r, RULE_SQL_PAREN_END);
	if (cut)
		add(r, RULE_SQL_CUT);
	if (open)
		add(r, RULE_SQL_STRING_OPEN);
	else if (s->unfinished && !cut && (s->facts & BREAKS_OFF) != 0)
		add(r, RULE_SQL_UNFINISHED);
	if (cut && r->context == CONTEXT_STRING && r->quote != ']' && !has_blank(s->p, r->from) &&
	    nothing_behind(s) && (s->facts & ~BIT(SF_ARITH)) != 0)
		add(r, RULE_SQL_CUT_CLEAN);
	if (sql_has(s, SF_SEMI) && !cut)
		add(r, RULE_SQL_SEMI);
}

static void judge_clause(struct reading *r)
{
	struct sql *s = &r->s;
	bool ends = s->t.kind == T_CUT || s->open != 0;

	if (sql_has(s, SF_TAUTOLOGY))
		s->facts &= ~BIT(SF_SAME);
	if (sql_has(s, SF_CONDITION) || sql_has(s, SF_SAME) || sql_has(s, SF_TAUTOLOGY))
		s->facts &= ~BIT(SF_COMPARE);
	if (sql_has(s, SF_COMPARE) || sql_has(s, SF_SAME))
		s->facts &= ~BIT(SF_ARITH);
	// ORDER BY 1 alone is what a table sends that can be sorted.
	if (sql_has(s, SF_ORDER) && r->context == CONTEXT_CLAUSE && !ends)
		s->facts &= ~BIT(SF_ORDER);
	if (sql_has(s, SF_OPEN_CALL) && s->comments == 0 && r->context == CONTEXT_VALUE &&
	    has_blank(s->p, s->len))
		s->facts &= ~BIT(SF_OPEN_CALL);
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
		if (deeds[i].clause && sql_has(s, deeds[i].fact))
			add(r, deeds[i].rule);
	if (sql_has(s, SF_CONSTANT) && ends)
		add(r, RULE_SQL_CONSTANT);
	if (r->rules == 0) {
		// admin'--
		if (r->context != CONTEXT_STRING || r->quote == ']' || s->t.kind != T_CUT ||
		    s->hard > 0 || s->facts != 0 || has_blank(s->p, r->from) || !nothing_behind(s))
			return;
		add(r, RULE_SQL_CUT_CLEAN);
	}
	if (only_weak(r) && s->closed <= s->opened &&
	    (r->context != CONTEXT_STRING || has_blank(s->p, r->from))) {
		r->rules = 0;
		r->points = 0;
		return;
	}
	judge_ends(r);
}

// One of its rules is more than a sum or a comparison.
static bool sure(const struct reading *r)
{
	for (unsigned i = 0; i < r->rules; i++)
		for (size_t d = 0; d < sizeof(deeds) / sizeof(deeds[0]); d++)
			if (deeds[d].rule == r->rule[i] && inspect_rule_points(r->rule[i]) >= 15)
				return true;
	return false;
}

static void judge(struct reading *r)
{
	struct sql *s = &r->s;

	r->rules = 0;
	r->points = 0;
	if (r->context == CONTEXT_STATEMENT)
		judge_statement(r);
	else
		judge_clause(r);
	if (r->rules == 0)
		return;
	// How it is written counts only for what is SQL beyond doubt.
	if (!sure(r))
		return;
	if (s->version)
		add(r, RULE_SQL_VERSION);
	if (s->comments > 0 || s->odd_blanks > 0)
		add(r, RULE_SQL_BLANKS);
	if (s->glued)
		add(r, RULE_SQL_GLUED);
}

// ---- readings ------------------------------------------------------------------------------------

static void begin(struct look *l, struct reading *r, enum context context, uint8_t quote)
{
	*r = (struct reading){
		.s = {.p = l->p, .len = l->len, .steps = l->steps},
		.context = context,
		.quote = quote,
	};
}

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

// Over a first word that is no operand of SQL: of a URL, of a condition that was split elsewhere.
static bool skip_word(struct sql *s)
{
	uint32_t i = 0;

	while (i < s->len && s->p[i] > ' ' && s->p[i] != '\'' && s->p[i] != '"' && s->p[i] != ')' &&
	       s->p[i] != ';' && !(s->p[i] == '/' && i + 1 < s->len && s->p[i + 1] == '*'))
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

// One reading of the whole text. true: it is SQL up to its end
static bool read_as(struct reading *r)
{
	struct sql *s = &r->s;
	struct sql_term t = {0};

	switch (r->context) {
	case CONTEXT_STRING:
		if (!sql_skip_string(s, r->quote))
			return false;
		r->from = s->last.len;
		s->opened = opened(s->p, r->from);
		return tail(s, &t);
	case CONTEXT_STATEMENT:
		sql_next(s);
		return sql_is_statement(s) && statements(s);
	case CONTEXT_CLAUSE:
		sql_next(s);
		return begins_clause(s) && tail(s, &t);
	case CONTEXT_WORD:
		return skip_word(s) && tail(s, &t);
	default:
		sql_next(s);
		r->number = s->t.kind == T_NUMBER || s->t.kind == T_SIGN;
		return sql_operand(s, &t) && tail(s, &t);
	}
}

// SQL up to some place only, but what was read takes no second look: a query within, and a deed.
static bool is_broken_attack(struct reading *r)
{
	struct sql *s = &r->s;
	uint64_t deed = s->facts & (BIT(SF_TIME) | BIT(SF_FILE) | BIT(SF_NET) | BIT(SF_COMMAND) |
				    BIT(SF_ERROR) | BIT(SF_META));
	uint64_t query = s->facts & (BIT(SF_SUBQUERY) | BIT(SF_UNION));

	if (deed == 0 || query == 0)
		return false;
	s->facts = deed | query;
	s->unfinished = false;
	s->open = 0;
	return true;
}

static void keep(struct look *l, const struct reading *r)
{
	if (r->points <= l->points)
		return;
	l->points = r->points;
	l->rules = r->rules;
	memcpy(l->rule, r->rule, r->rules * sizeof(r->rule[0]));
	l->at = (uint32_t)(l->p - l->n->p) + r->from;
}

// true: the text is SQL up to its end, read so
static bool try(struct look *l, enum context context, uint8_t quote)
{
	bool backslash = false, dash_blank = false, any = false;

	for (unsigned i = 0; i < 4 && l->points < 100; i++) {
		struct reading r;
		bool sql, again = false;

		begin(l, &r, context, quote);
		r.s.backslash = backslash;
		r.s.dash_blank = dash_blank;
		sql = read_as(&r);
		any |= sql;
		l->steps = r.s.steps;
		if (sql || is_broken_attack(&r)) {
			judge(&r);
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
	struct sql first = {.p = l->p, .len = l->len, .steps = 1};

	sql_next(&first);
	if (sql_is_statement(&first))
		try(l, CONTEXT_STATEMENT, 0);
	if (begins_clause(&first))
		try(l, CONTEXT_CLAUSE, 0);
	if (!try(l, CONTEXT_VALUE, 0))
		try(l, CONTEXT_WORD, 0);
	for (size_t i = 0; i < sizeof(quotes) / sizeof(quotes[0]); i++)
		if ((set & quotes[i].bit) != 0)
			try(l, CONTEXT_STRING, quotes[i].quote);
}

// A segment of a path may be a value too, and with what is behind it.
static void look_at_path(struct look *l, const struct inspect_node *n)
{
	uint32_t len = n->len;

	if ((n->set & (BYTES_BLANK | BYTES(QUOTE) | BYTES(DQUOTE) | BYTES(LPAREN) | BYTES(STAR) |
		       BYTES(CONTROL))) == 0)
		return;
	if (n->p[len - 1] == '/')
		len--;
	for (unsigned i = 0; i < 8 && l->points < 100; i++) {
		const uint8_t *slash = memchr(l->p, '/', (size_t)(n->p + len - l->p));

		if (slash == NULL || slash + 3 > n->p + len)
			return;
		l->p = slash + 1;
		l->len = (uint32_t)(n->p + len - l->p);
		look(l, n->set);
	}
}

// One of these is in any text that the grammar makes points of: a word or number alone says nothing. A
// no-break space is a high byte.
#define SIGNS                                                                                      \
	(BYTES_BLANK | BYTES(CONTROL) | BYTES(NUL) | BYTES(HIGH) | BYTES(QUOTE) | BYTES(DQUOTE) |  \
	 BYTES(BACKTICK) | BYTES(LPAREN) | BYTES(RPAREN) | BYTES(RBRACKET) | BYTES(SEMICOLON) |    \
	 BYTES(BAR) | BYTES(AMP) | BYTES(STAR))

static void run(struct inspect *in, const struct inspect_node *n)
{
	struct look l = {.n = n, .p = n->p, .len = n->len, .steps = 4 * n->len + 64};

	if ((n->set & SIGNS) == 0)
		return;
	if (n->place == PLACE_PATH)
		look_at_path(&l, n);
	else
		look(&l, n->set);
	if (l.points >= SURE)
		for (unsigned i = 0; i < l.rules; i++)
			inspect_evidence(in, n, l.rule[i], l.at, n->len - l.at);
	else if (l.points >= DOUBT) // one rule, so that doubts about several readings do not add up
		inspect_evidence(in, n, RULE_SQL_DOUBT, l.at, n->len - l.at);
}

const struct inspect_analyser inspect_sql = {
	.name = "sql",
	.any = SIGNS,
	.least = 3,
	.run = run,
};
