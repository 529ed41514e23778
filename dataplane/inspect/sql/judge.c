// SPDX-License-Identifier: BSD-3-Clause
//
// Points of a reading: how it leaves its place, what it does there, how it is written. score/rules.def says
// what each is worth and why.

#include "dataplane/inspect/sql/reading.h"

#include <string.h>

static void add(struct sql_reading *r, enum inspect_rule rule)
{
	if (r->rules == SQL_RULES_MAX)
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
	{SF_MINUS, true, false, RULE_SQL_OPERATOR},
	{SF_TEXTS, true, false, RULE_SQL_TEXTS},
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
	{SF_CASE, true, true, RULE_SQL_CASE},
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
		if ((uint8_t)((s->p[i] | 0x20) - 'a') < 26 || s->p[i] == '\'' || s->p[i] == '"')
			return false;
	return true;
}

// Rules about what is done made more than what formulas and words with signs make.
static bool only_weak(const struct sql_reading *r)
{
	for (unsigned i = 0; i < r->rules; i++)
		if (inspect_rule_points(r->rule[i]) > 5)
			return false;
	return true;
}

static void judge_statement(struct sql_reading *r)
{
	struct sql *s = &r->s;

	// A query of words only reads as a sentence; a server's own names in one on other tables are usual.
	if (s->hard == 0 && s->comments == 0)
		s->facts &= ~SQL_BIT(SF_READ);
	if (!s->unfinished)
		s->facts &= ~SQL_BIT(SF_CASE);
	if (sql_has(s, SF_FROM))
		s->facts &= ~(SQL_BIT(SF_INFO) | SQL_BIT(SF_CHARS) | SQL_BIT(SF_BRANCH));
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
	(SQL_BIT(SF_TAUTOLOGY) | SQL_BIT(SF_CONDITION) | SQL_BIT(SF_HAVING) |                      \
	 SQL_BIT(SF_SUBQUERY) | SQL_BIT(SF_CASE) | SQL_BIT(SF_LIST) | SQL_BIT(SF_UNION) |          \
	 SQL_BIT(SF_STACKED))

// How it leaves its place.
static void judge_ends(struct sql_reading *r)
{
	struct sql *s = &r->s;
	bool cut = s->t.kind == T_CUT,
	     open = s->open != 0 && (r->quote == 0 || s->open == r->quote);

	// "a 'word' b": what stands between the quotes of a sentence leaves no place.
	if (r->context == CONTEXT_STRING && open && !sql_has(s, SF_IDENTITY) &&
	    has_blank(s->p, r->from) && has_blank(s->p + s->open_at, s->len - s->open_at))
		return;
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
	else if (s->unfinished && !cut &&
		 ((s->facts & BREAKS_OFF) != 0 ||
		  (s->closed > s->opened && sql_has(s, SF_COMPARE))))
		add(r, RULE_SQL_UNFINISHED);
	if (cut && r->context == CONTEXT_STRING && r->quote != ']' && !has_blank(s->p, r->from) &&
	    nothing_behind(s) && (s->facts & ~SQL_BIT(SF_MINUS)) != 0)
		add(r, RULE_SQL_CUT_CLEAN);
	if (sql_has(s, SF_SEMI) && !cut && r->context == CONTEXT_STRING)
		add(r, RULE_SQL_SEMI);
}

// admin'-- or admin'; and no more.
static bool ends_clean(const struct sql_reading *r)
{
	const struct sql *s = &r->s;

	if (r->context != CONTEXT_STRING || r->quote == ']' || s->hard > 0 ||
	    has_blank(s->p, r->from) || (s->facts & ~SQL_BIT(SF_SEMI)) != 0)
		return false;
	return s->t.kind == T_CUT ? nothing_behind(s) : sql_has(s, SF_SEMI) && r->from > 1;
}

static void judge_clause(struct sql_reading *r)
{
	struct sql *s = &r->s;
	bool ends = s->t.kind == T_CUT || s->open != 0;

	if (sql_has(s, SF_TAUTOLOGY))
		s->facts &= ~SQL_BIT(SF_SAME);
	if (sql_has(s, SF_CONDITION) || sql_has(s, SF_SAME) || sql_has(s, SF_TAUTOLOGY))
		s->facts &= ~SQL_BIT(SF_COMPARE);
	if (sql_has(s, SF_COMPARE) || sql_has(s, SF_SAME))
		s->facts &= ~(SQL_BIT(SF_ARITH) | SQL_BIT(SF_MINUS));
	if (sql_has(s, SF_ARITH))
		s->facts &= ~SQL_BIT(SF_MINUS);
	if (has_blank(s->p, r->from))
		s->facts &= ~SQL_BIT(SF_TEXTS);
	// "true or false"
	if (r->context == CONTEXT_VALUE && !r->number && !ends)
		s->facts &= ~SQL_BIT(SF_TRUE);
	// ORDER BY 1 alone is what a table sends that can be sorted.
	if (sql_has(s, SF_ORDER) && r->context == CONTEXT_CLAUSE && !ends)
		s->facts &= ~SQL_BIT(SF_ORDER);
	if (sql_has(s, SF_OPEN_CALL) && s->comments == 0 && r->context == CONTEXT_VALUE &&
	    has_blank(s->p, s->len))
		s->facts &= ~SQL_BIT(SF_OPEN_CALL);
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
		if (deeds[i].clause && sql_has(s, deeds[i].fact))
			add(r, deeds[i].rule);
	if (sql_has(s, SF_CONSTANT) && ends)
		add(r, RULE_SQL_CONSTANT);
	if (sql_has(s, SF_IDENTITY) && sql_has(s, SF_SAME) && r->number)
		add(r, RULE_SQL_IDENTITY);
	if (r->rules == 0) {
		if (!ends_clean(r))
			return;
		add(r, RULE_SQL_CUT_CLEAN);
	}
	if (only_weak(r) && s->closed <= s->opened &&
	    ((s->facts & ~(SQL_BIT(SF_MINUS) | SQL_BIT(SF_SEMI))) == 0 ||
	     r->context != CONTEXT_STRING || has_blank(s->p, r->from))) {
		r->rules = 0;
		r->points = 0;
		return;
	}
	judge_ends(r);
}

// One of its rules is more than a sum or a comparison.
static bool sure(const struct sql_reading *r)
{
	for (unsigned i = 0; i < r->rules; i++)
		for (size_t d = 0; d < sizeof(deeds) / sizeof(deeds[0]); d++)
			if (deeds[d].rule == r->rule[i] && inspect_rule_points(r->rule[i]) >= 15)
				return true;
	return false;
}

void sql_judge(struct sql_reading *r)
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

bool sql_is_broken_attack(struct sql_reading *r)
{
	struct sql *s = &r->s;
	uint64_t deed = s->facts & (SQL_BIT(SF_TIME) | SQL_BIT(SF_FILE) | SQL_BIT(SF_NET) |
				    SQL_BIT(SF_COMMAND) | SQL_BIT(SF_ERROR) | SQL_BIT(SF_META));
	uint64_t query = s->facts & (SQL_BIT(SF_SUBQUERY) | SQL_BIT(SF_UNION));

	if (deed == 0 || query == 0)
		return false;
	s->facts = deed | query;
	s->unfinished = false;
	s->open = 0;
	return true;
}
