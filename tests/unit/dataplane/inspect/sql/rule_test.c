// SPDX-License-Identifier: BSD-3-Clause
//
// Each rule both ways: a value that shows it, and one of the same kind that does not.

#include "tests/unit/dataplane/inspect/sql/judge.h"

static void shows_each_rule_where_it_holds_and_only_there(void **state)
{
	static const struct {
		unsigned rule;
		const char *with, *without;
	} cases[] = {
		// How the text leaves its place.
		{RULE_SQL_STRING_END, "x' or 1=1", "1 or 1=1"},
		{RULE_SQL_STRING_OPEN, "x' or 'a'='a", "x' or 'a'='a' --"},
		{RULE_SQL_PAREN_END, "x') or 1=1 --", "x' or (1=1) --"},
		{RULE_SQL_PAREN_END, "(1) or 1=1) --", "(1) or (1=1) --"},
		{RULE_SQL_CUT, "1 or 1=1 #", "1 or 1=1"},
		{RULE_SQL_CUT_CLEAN, "x'-- ", "some words' or 1=1 -- "},
		{RULE_SQL_SEMI, "x' or 1=1;", "x' or 1=1"},
		{RULE_SQL_UNFINISHED, "x' or 1=1 and 2=", "x' or 1=1 and 2=3"},
		{RULE_SQL_NUMBER, "1 or 1=1", "x' or 1=1"},
		{RULE_SQL_NAME, "a or 1=1", "1 or 1=1"},
		{RULE_SQL_OPERATOR_FIRST, "or 1=1", "1 or 1=1"},
		// What it does.
		{RULE_SQL_UNION, "1 union select 1,2", "1 union select a from b"},
		{RULE_SQL_UNION_FROM, "1 union select a from b", "1 union select a.b from c"},
		{RULE_SQL_UNION_SHORT, "x' union select a", "x' union select 1"},
		{RULE_SQL_SUBQUERY, "1 or 1=(select 1)", "1 or 1=(1)"},
		{RULE_SQL_SUBQUERY, "1 or 1=1 or (select a.b from c)",
		 "1 or 1=1 or (select a from c)"},
		{RULE_SQL_TAUTOLOGY, "1 or 1=1", "1 union select 1 or a=1"},
		{RULE_SQL_CONSTANT, "x' or 1 --", "x' or 1=1 --"},
		{RULE_SQL_CONDITION, "x' or a=1 --", "x' or 1=1 --"},
		{RULE_SQL_SAME, "x' having 1=1 --", "x' having a=1 --"},
		{RULE_SQL_IDENTITY, "1=1", "2=1 or 1=1"},
		{RULE_SQL_COMPARE, "x' having a=1 --", "x' having 1=1 --"},
		{RULE_SQL_OPERATOR, "x'-sleep(5) --", "x' or sleep(5) --"},
		{RULE_SQL_TEXTS, "'or'='or'", "x' or 'a' union select 1 --"},
		{RULE_SQL_CONCAT, "x'||sleep(5) --", "x' or sleep(5) --"},
		{RULE_SQL_TIME, "1 or sleep(5)", "1 or 1=1 or sleep()"},
		{RULE_SQL_TIME, "x';waitfor delay '0:0:5' --", "x';declare @delay int --"},
		{RULE_SQL_TIME, "1 and 1=1 and randomblob(100000000)",
		 "1 and 1=1 and randomblob(10)"},
		{RULE_SQL_TIME, "1 or benchmark(1000000,md5(1))", "1 or 1=1 or benchmark(1)"},
		{RULE_SQL_FILE, "1 union select load_file('/a')", "1 union select file('/a')"},
		{RULE_SQL_FILE, "1 into outfile '/a'", "1 or 1=1 into a"},
		{RULE_SQL_NET, "1 or 1=utl_http.request('x')", "1 or 1=1 or http.request('x')"},
		{RULE_SQL_COMMAND, "1;exec xp_cmdshell 'x'", "1;exec sp_who 'x'"},
		{RULE_SQL_COMMAND, "1;copy a from program 'x'", "1;copy a from 'x'"},
		{RULE_SQL_ERROR, "1 and updatexml(1,2,3)", "1 and 1=1 and updatexml(1)"},
		{RULE_SQL_ERROR, "1 and 1=1 and exp(~(select 1))", "1 and 1=1 and exp(2)"},
		{RULE_SQL_ERROR, "1=convert(int,@@version)", "1 and 1=1 and convert(int,2)"},
		{RULE_SQL_INFO, "1 and 1=1 and user()", "1 and 1=1 and user(a)"},
		{RULE_SQL_INFO, "select @@version", "1 and 1=1 and @@x"},
		{RULE_SQL_META, "1 union select 1 from information_schema.tables",
		 "1 union select 1 from a"},
		{RULE_SQL_META, "1 union select 1 from `sysobjects`", "1 union select 1 from `a`"},
		{RULE_SQL_META, "1 union select 1 from mysql.user", "1 union select 1 from a.user"},
		{RULE_SQL_CHARS, "1 union select char(65)", "1 union select char(a)"},
		{RULE_SQL_CHARS, "1 union select concat(0x41)", "1 union select 0x41"},
		{RULE_SQL_PART, "1 and 1=1 and ascii(a)", "1 and 1=1 and trim(a)"},
		{RULE_SQL_BRANCH, "1 and 1=1 and if(1=1,2,3)", "1 and 1=1 and if(a=1,2,3)"},
		{RULE_SQL_CASE, "1 and 1=1 and case when a=1 then 2 end", "1 and 1=1"},
		{RULE_SQL_ZERO, "1 and 1=1 and abs(1/0)", "1 and 1=1 and abs(1/2)"},
		{RULE_SQL_CAST, "1 and 1=1 and a::int", "1 and 1=1 and a::b"},
		{RULE_SQL_CAST_CALL, "f(a)::int", "1 and 1=1 and a::int"},
		{RULE_SQL_CAST_CALL, "'a'::text", "1 and 1=1 and 'a'::b"},
		{RULE_SQL_TRUE, "1 or true", "1 or 1=1"},
		{RULE_SQL_OPEN_CALL, "substring(", "1 or 1=1 or substring(a,1,1)"},
		{RULE_SQL_LIST, ") as a from", "x' or 1=1) as a --"},
		{RULE_SQL_ORDER, "1 order by 5", "1 or 1=1 order by a"},
		{RULE_SQL_CLAUSE, "1 or 1=1 order by a", "1 or 1=1"},
		{RULE_SQL_HAVING, "x' having 1=1 --", "x' or 1=1 --"},
		{RULE_SQL_ROW, "x'),('a','b') --", "x','a','b' or 1=1 --"},
		{RULE_SQL_ASSIGN, "x', a=1 where 1=1 --", "x', a where 1=1 --"},
		{RULE_SQL_COLLATE, "x' collate nocase --", "x' or 1=1 --"},
		{RULE_SQL_STACKED, "1;drop table a", "1 or 1=1;"},
		{RULE_SQL_STACKED, "x';select 1 --", "x' or 1=1;select a from b --"},
		{RULE_SQL_READ, "select * from mysql.user", "1 union select * from mysql.user"},
		{RULE_SQL_CHANGE, "1;delete from a", "1;select 1,2 from a where 1=1 or sleep(1)"},
		{RULE_SQL_EXEC, "1;exec sp_who 'x'", "1;drop table a"},
		{RULE_SQL_DECLARE, "1;declare @a int", "1;drop table a"},
		{RULE_SQL_CALL, "1 or 1=1 or abs(1)", "1 or 1=1"},
		{RULE_SQL_CALL_SQL, "1 or 1=1 or json_length(a)", "1 or 1=1 or abs(a)"},
		{RULE_SQL_DUAL, "1 union select 1 from dual", "1 union select 1 from a"},
		// How it is written.
		{RULE_SQL_VERSION, "1 /*!union*/ select 1", "1 union select 1"},
		{RULE_SQL_BLANKS, "1/**/union/**/select/**/1", "1 /**/ union select 1"},
		{RULE_SQL_BLANKS, "1\vunion\vselect\v1", "1\tunion\nselect 1"},
		{RULE_SQL_GLUED, "1e0union select 1", "1 union select 1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		judge(cases[i].with);
		if (!shows(cases[i].rule)) {
			print_message("no %s\n", inspect_rule_name(cases[i].rule));
			tell(cases[i].with);
		}
		assert_true(shows(cases[i].rule));
		judge(cases[i].without);
		if (shows(cases[i].rule)) {
			print_message("%s\n", inspect_rule_name(cases[i].rule));
			tell(cases[i].without);
		}
		assert_false(shows(cases[i].rule));
	}
}

static void tells_one_doubt_for_less_than_an_attack(void **state)
{
	(void)state;
	assert_int_equal(judge("1 or id=2"), DOUBTED);
	assert_int_equal(verdict.rules, 1);
	assert_int_equal(verdict.rule[0], RULE_SQL_DOUBT);
	assert_int_equal(judge("a or id=2"), 0);
}

static void takes_the_reading_with_most_points(void **state)
{
	(void)state;
	// As a number it is a condition, inside quotes a join.
	judge("1 or a='x' union select 1,2 -- ");
	assert_true(shows(RULE_SQL_UNION));
	judge("(1' union select 1,2 -- ");
	assert_true(shows(RULE_SQL_UNION));
	assert_true(shows(RULE_SQL_STRING_END));
}

static void tells_where_it_begins(void **state)
{
	(void)state;
	judge("some text in front of it, quite long, so that the beginning is not shown' or 1=1 -- ");
	assert_true(verdict.fragment_len < 60);
	assert_non_null(memmem(verdict.fragment, verdict.fragment_len, "' or 1=1", 8));
}

static void blames_broken_sql_only_for_queries_that_act(void **state)
{
	(void)state;
	refuses("(select*from(select(sleep(5)))a)2");
	refuses("1 union select 1,table_name from information_schema.tables where ?? x");
	lets_pass("1 and sleep(5) would wait");
	lets_pass("(select 1) is a query, and so is this");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shows_each_rule_where_it_holds_and_only_there),
		cmocka_unit_test(tells_one_doubt_for_less_than_an_attack),
		cmocka_unit_test(takes_the_reading_with_most_points),
		cmocka_unit_test(tells_where_it_begins),
		cmocka_unit_test(blames_broken_sql_only_for_queries_that_act),
	};

	return cmocka_run_group_tests(tests, judge_create, judge_destroy);
}
