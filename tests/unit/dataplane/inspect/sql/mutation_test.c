// SPDX-License-Identifier: BSD-3-Clause
//
// An attack keeps its verdict under every change that a server undoes or does not mind: case, comments and
// rare blanks, parentheses, kinds of quotes, other constants, escapes on top of each other.

#include "tests/unit/dataplane/inspect/sql/judge.h"

static const char *const attacks[] = {
	"1 or 1=1",
	"1 and 7=7 -- ",
	"1) or (1=1",
	"1 union select 1,2,3",
	"1 union all select null,version() from dual",
	"-1 union select name,pass from users limit 1",
	"1 and sleep(5)",
	"1 and (select count(*) from users)>0",
	"1 and extractvalue(1,concat(0x7e,(select user())))",
	"1;drop table users -- ",
	"1;waitfor delay '0:0:5' -- ",
	"x' or '1'='1",
	"x' or 1=1 -- ",
	"x' and 1=2 union select 1,2 -- ",
	"x' union select a,b from c where d=1 -- ",
	"x' and (select substring(pass,1,1) from users limit 1)='a",
	"x'||(select user from dual)||'",
	"x';exec master..xp_cmdshell 'dir' -- ",
	"x' order by 7 -- ",
	"x' group by a having 1=1 -- ",
	"x' into outfile '/tmp/a' -- ",
	"x' rlike (select case when (1=1) then 1 else 0x28 end) -- ",
	"(select load_file('/etc/passwd'))",
	"if(1=1,sleep(5),0)",
};

#define ATTACKS (sizeof(attacks) / sizeof(attacks[0]))
#define ROOM    4096

static char out[ROOM];

static void keeps(const char *name, size_t len)
{
	if (judge_at(PLACE_QUERY, out, len) < BLOCKED) {
		print_message("%s: ", name);
		tell(out);
	}
	assert_true(in->class_score[INSPECT_SQL] >= BLOCKED);
}

// ---- case ----------------------------------------------------------------------------------------

static void keeps_its_verdict_in_any_case(void **state)
{
	(void)state;
	for (size_t i = 0; i < ATTACKS; i++)
		for (unsigned way = 0; way < 3; way++) {
			size_t n = strlen(attacks[i]);

			for (size_t c = 0; c <= n; c++) {
				out[c] = attacks[i][c];
				if (out[c] >= 'a' && out[c] <= 'z' &&
				    (way == 0 || (c + way) % 2 == 0))
					out[c] -= 0x20;
			}
			keeps("case", n);
		}
}

// ---- blanks --------------------------------------------------------------------------------------

// Blanks outside quotes become `with`.
static size_t replace_blanks(const char *attack, const char *with)
{
	size_t n = 0;
	char quote = 0;

	for (const char *c = attack; *c != '\0'; c++) {
		if (*c == '\'')
			quote = quote ? 0 : *c;
		// The blank behind -- is part of the comment.
		if (*c == ' ' && !(c - attack >= 2 && c[-1] == '-')) {
			memcpy(out + n, with, strlen(with));
			n += strlen(with);
		} else {
			out[n++] = *c;
		}
	}
	out[n] = '\0';
	return n;
}

static void keeps_its_verdict_with_other_blanks(void **state)
{
	static const char *const blanks[] = {
		"\t",       "\n",  "\r\n",   "\v",      "\f",    "\xa0",
		"\xc2\xa0", "  ",  "/**/",   "/* x */", "/*'*/", "/*;drop*/",
		"--\n",     "#\n", "-- x\n", "\x01",    "\x1f",  " /**/ ",
	};

	(void)state;
	for (size_t i = 0; i < ATTACKS; i++)
		for (size_t b = 0; b < sizeof(blanks) / sizeof(blanks[0]); b++)
			keeps(blanks[b], replace_blanks(attacks[i], blanks[b]));
}

// ---- quotes, parentheses, constants --------------------------------------------------------------

static void keeps_its_verdict_with_other_quotes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ATTACKS; i++) {
		size_t n = strlen(attacks[i]);

		if (strchr(attacks[i], '\'') == NULL)
			continue;
		for (size_t c = 0; c <= n; c++)
			out[c] = attacks[i][c] == '\'' ? '"' : attacks[i][c];
		keeps("quotes", n);
	}
}

static void keeps_its_verdict_behind_other_values(void **state)
{
	static const char *const before[] = {
		"",         "a",          "4711",  "-1",      "0x41",         "a b c",
		"O''Brien", "2024-01-01", "a@b.c", "(a) [b]", "\xe6\x82\xa3",
	};
	static const char *const closed[] = {"", ")", "))", ") )", ")))"};

	(void)state;
	for (size_t b = 0; b < sizeof(before) / sizeof(before[0]); b++)
		for (size_t c = 0; c < sizeof(closed) / sizeof(closed[0]); c++) {
			int n = snprintf(out, ROOM, "%s'%s union select 1,2 -- ", before[b],
					 closed[c]);

			keeps("string", (size_t)n);
			n = snprintf(out, ROOM, "%s'%s or 1=1 -- ", before[b], closed[c]);
			keeps("string", (size_t)n);
		}
	for (size_t c = 0; c < sizeof(closed) / sizeof(closed[0]); c++) {
		int n = snprintf(out, ROOM, "7%s union select 1,2 -- ", closed[c]);

		keeps("number", (size_t)n);
	}
}

static void keeps_its_verdict_with_other_truths(void **state)
{
	static const char *const truths[] = {
		"1=1",
		"2>1",
		"2 > 1",
		"'a'='a'",
		"'a' like 'a'",
		"1 in (1,2)",
		"2 between 1 and 3",
		"1 is not null",
		"not 1=2",
		"!(1=2)",
		"(1)=(1)",
		"((1=1))",
		"0x1=0x1",
		"1.0=1",
		"1e0=1",
		"1<=>1",
		"'a'<'b'",
		"-1=-1",
		"1+1=2",
		"~1<1",
		"null is null",
		"true",
		"1=1=1",
		"'a'||'b'='ab'",
		"'abc' regexp '^a'",
		"'a' rlike 'a'",
		"'a' glob 'a'",
		"1 not in (2)",
		"char(65)='A'",
		"ascii('A')=65",
		"length('a')=1",
		"exists(select 1)",
		"1=(select 1)",
		"case when 1=1 then 1 else 0 end=1",
	};
	static const char *const joins[] = {"or", "and", "xor", "||", "&&", "or not", "or("};

	(void)state;
	for (size_t t = 0; t < sizeof(truths) / sizeof(truths[0]); t++)
		for (size_t j = 0; j < sizeof(joins) / sizeof(joins[0]); j++) {
			int n = snprintf(out, ROOM, "x' %s %s -- ", joins[j], truths[t]);

			keeps("truth", (size_t)n);
			n = snprintf(out, ROOM, "1 %s %s", joins[j], truths[t]);
			keeps("truth", (size_t)n);
		}
}

// ---- escapes -------------------------------------------------------------------------------------

static size_t percent(const char *text, size_t len, char *to)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += (size_t)snprintf(to + n, 4, "%%%02x", (uint8_t)text[i]);
	return n;
}

static void keeps_its_verdict_behind_escapes_of_escapes(void **state)
{
	static char once[ROOM], twice[ROOM];

	(void)state;
	for (size_t i = 0; i < ATTACKS; i++) {
		size_t n = percent(attacks[i], strlen(attacks[i]), once);

		memcpy(out, once, n + 1);
		keeps("percent", n);
		// Signs only, so that nesting stays short.
		n = 0;
		for (size_t c = 0; once[c] != '\0'; c++)
			n += (size_t)snprintf(twice + n, 4, once[c] == '%' ? "%%25" : "%c",
					      once[c]);
		memcpy(out, twice, n + 1);
		keeps("percent twice", n);
		n = 0;
		for (const char *c = attacks[i]; *c != '\0'; c++)
			n += (size_t)snprintf(out + n, 7, "\\u%04x", (uint8_t)*c);
		keeps("unicode", n);
		n = 0;
		for (const char *c = attacks[i]; *c != '\0'; c++)
			n += (size_t)snprintf(out + n, 8, "&#x%02x;", (uint8_t)*c);
		keeps("entities", n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_its_verdict_in_any_case),
		cmocka_unit_test(keeps_its_verdict_with_other_blanks),
		cmocka_unit_test(keeps_its_verdict_with_other_quotes),
		cmocka_unit_test(keeps_its_verdict_behind_other_values),
		cmocka_unit_test(keeps_its_verdict_with_other_truths),
		cmocka_unit_test(keeps_its_verdict_behind_escapes_of_escapes),
	};

	return cmocka_run_group_tests(tests, judge_create, judge_destroy);
}
