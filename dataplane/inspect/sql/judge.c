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

// What more than a formula or a line of a program does. Only beside one of these do brackets, comments and
// quotes at the end tell that the text leaves its place: programs are full of them.
#define STRONG                                                                                     \
	(SQL_BIT(SF_UNION) | SQL_BIT(SF_UNION_SHORT) | SQL_BIT(SF_UNION_FROM) |                    \
	 SQL_BIT(SF_SUBQUERY) | SQL_BIT(SF_TAUTOLOGY) | SQL_BIT(SF_CONSTANT) |                     \
	 SQL_BIT(SF_CONDITION) | SQL_BIT(SF_SAME) | SQL_BIT(SF_TRUE) | SQL_BIT(SF_TEXTS) |         \
	 SQL_BIT(SF_TIME) | SQL_BIT(SF_FILE) | SQL_BIT(SF_NET) | SQL_BIT(SF_COMMAND) |             \
	 SQL_BIT(SF_ERROR) | SQL_BIT(SF_INFO) | SQL_BIT(SF_CHARS) | SQL_BIT(SF_BRANCH) |           \
	 SQL_BIT(SF_META) | SQL_BIT(SF_CAST_CALL) | SQL_BIT(SF_ORDER) | SQL_BIT(SF_HAVING) |       \
	 SQL_BIT(SF_ROW) | SQL_BIT(SF_LIST) | SQL_BIT(SF_STACKED) | SQL_BIT(SF_CHANGE) |           \
	 SQL_BIT(SF_EXEC) | SQL_BIT(SF_DECLARE))

// Of these, a part is told from a sum or a word.
#define BREAKS_OFF                                                                                 \
	(SQL_BIT(SF_TAUTOLOGY) | SQL_BIT(SF_CONDITION) | SQL_BIT(SF_HAVING) |                      \
	 SQL_BIT(SF_SUBQUERY) | SQL_BIT(SF_CASE) | SQL_BIT(SF_LIST) | SQL_BIT(SF_UNION) |          \
	 SQL_BIT(SF_STACKED))

// A remark in words behind a condition and no more: a line of a program.
static bool is_remark(const struct sql *s)
{
	uint32_t from = s->last.at + s->last.len, words = 0;

	if ((s->facts & STRONG & ~SQL_BIT(SF_CONDITION)) != 0)
		return false;
	for (uint32_t i = from + 1; i < s->len; i++)
		words += (uint8_t)((s->p[i] | 0x20) - 'a') < 26 && s->p[i - 1] == ' ';
	return words > 1;
}

static void judge_place(struct sql_reading *r)
{
	if (r->context == CONTEXT_STRING)
		add(r, RULE_SQL_STRING_END);
	else if (r->context == CONTEXT_CLAUSE && r->first != T_AND && r->first != T_BARS)
		add(r, RULE_SQL_OPERATOR_FIRST);
	else
		add(r, r->number ? RULE_SQL_NUMBER : RULE_SQL_NAME);
}

// A sentence goes on there: with another word, or a sign that ends it.
static bool goes_on(const uint8_t *p, uint32_t len)
{
	return len > 0 && (has_blank(p, len) || (*p != '\0' && strchr(".,;:!?)]", *p) != NULL));
}

// How it leaves its place.
static void judge_ends(struct sql_reading *r)
{
	struct sql *s = &r->s;
	bool string = r->context == CONTEXT_STRING, strong = (s->facts & STRONG) != 0;
	bool cut = s->t.kind == T_CUT, closed = s->closed > s->opened;
	bool open = s->open != 0 && (r->quote == 0 || s->open == r->quote);

	// "a 'word' b": what stands between the quotes of a sentence leaves no place.
	if (string && open && !sql_has(s, SF_IDENTITY) && has_blank(s->p, r->from) &&
	    goes_on(s->p + s->open_at + 1, s->len - s->open_at - 1))
		return;
	judge_place(r);
	if (closed && (strong || (string && cut) || r->first == T_RPAREN))
		add(r, RULE_SQL_PAREN_END);
	if (cut && (string || (strong && !is_remark(s))))
		add(r, RULE_SQL_CUT);
	if (open && strong)
		add(r, RULE_SQL_STRING_OPEN);
	if (s->unfinished && !open && !cut &&
	    ((s->facts & BREAKS_OFF) != 0 || (r->first == T_RPAREN && sql_has(s, SF_COMPARE))))
		add(r, RULE_SQL_UNFINISHED);
	if (cut && string && r->quote != ']' && !has_blank(s->p, r->from) && nothing_behind(s) &&
	    (s->facts & ~SQL_BIT(SF_MINUS)) != 0)
		add(r, RULE_SQL_CUT_CLEAN);
	if (sql_has(s, SF_SEMI) && !cut && string)
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

// 'word': quoted, and no part of a statement.
static bool is_quoted_word(const struct sql_reading *r)
{
	const struct sql *s = &r->s;
	uint32_t i = r->from;

	if (r->context != CONTEXT_STRING || s->open != r->quote || s->open_at < i ||
	    (s->facts & (SQL_BIT(SF_CONSTANT) | SQL_BIT(SF_TRUE))) != 0)
		return false;
	while (i < s->open_at && (uint8_t)((s->p[i] | 0x20) - 'a') < 26)
		i++;
	return i == s->open_at;
}

// sleep(1); is a line of most languages.
static bool is_line_of_code(const struct sql_reading *r)
{
	const struct sql *s = &r->s;

	return r->context == CONTEXT_VALUE && !r->number && sql_has(s, SF_SEMI) &&
	       s->t.kind == T_END && sql_has(s, SF_TIME) &&
	       (s->facts & STRONG & ~SQL_BIT(SF_TIME)) == 0;
}

static void judge_clause(struct sql_reading *r)
{
	struct sql *s = &r->s;
	bool ends = s->t.kind == T_CUT || s->open != 0;

	if (is_quoted_word(r) || is_line_of_code(r))
		return;

	if (sql_has(s, SF_TAUTOLOGY))
		s->facts &= ~SQL_BIT(SF_SAME);
	if (sql_has(s, SF_CONDITION) || sql_has(s, SF_SAME) || sql_has(s, SF_TAUTOLOGY))
		s->facts &= ~SQL_BIT(SF_COMPARE);
	if (sql_has(s, SF_COMPARE) || sql_has(s, SF_SAME))
		s->facts &= ~(SQL_BIT(SF_ARITH) | SQL_BIT(SF_MINUS));
	if (sql_has(s, SF_CONDITION) || sql_has(s, SF_TAUTOLOGY))
		s->facts &= ~(SQL_BIT(SF_ARITH) | SQL_BIT(SF_MINUS) | SQL_BIT(SF_CONCAT));
	if (!ends)
		s->facts &= ~SQL_BIT(SF_CONSTANT);
	// len(x), ord(c): other languages have them too.
	if (r->context != CONTEXT_STRING && !r->number && !sql_has(s, SF_SUBQUERY) &&
	    !sql_has(s, SF_INFO))
		s->facts &= ~SQL_BIT(SF_PART);
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
	    (has_blank(s->p, s->len) ||
	     (s->facts & (SQL_BIT(SF_COMPARE) | SQL_BIT(SF_CONDITION) | SQL_BIT(SF_CAST))) != 0))
		s->facts &= ~SQL_BIT(SF_OPEN_CALL);
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
		if (deeds[i].clause && sql_has(s, deeds[i].fact))
			add(r, deeds[i].rule);
	if (sql_has(s, SF_CONSTANT))
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
