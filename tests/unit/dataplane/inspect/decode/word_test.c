// SPDX-License-Identifier: BSD-3-Clause
//
// Words that a language puts together: of the shell, of SQL; comments.

#include "tests/unit/dataplane/inspect/decode/tree.h"

#include "dataplane/inspect/decode/decode.h"

static void puts_words_of_the_shell_together(void **state)
{
	(void)state;
	reads(";c''at /etc/passwd", DECODE_SHELL, ";cat /etc/passwd");
	reads(";c\"a\"t /e't'c/passwd", DECODE_SHELL, ";cat /etc/passwd");
	reads("'c'at /etc/passwd", DECODE_SHELL, "cat /etc/passwd");
	reads(";c\\at /etc/pas\\swd", DECODE_SHELL, ";cat /etc/passwd");
	reads(";\\cat x", DECODE_SHELL, ";cat x");
	reads("cat\\\n /x", DECODE_SHELL, "cat /x");
	reads("cat${IFS}/etc/passwd", DECODE_SHELL, "cat /etc/passwd");
	reads("cat$IFS$9/etc/passwd", DECODE_SHELL, "cat /etc/passwd");
	reads("cat ${HOME:0:1}etc${PATH:0:1}passwd", DECODE_SHELL, "cat /etc/passwd");
	reads("ca$@t /et$u/passwd", DECODE_SHELL, "cat /et/passwd");
	reads("ca${x}t /et${none}c", DECODE_SHELL, "cat /etc");
	reads(";$'\\x63\\141t' x", DECODE_SHELL, ";cat x");
	reads(";{cat,/etc/passwd}", DECODE_SHELL, ";cat /etc/passwd");
	reads("w^ho^ami", DECODE_SHELL, "whoami");
	reads("i`ex", DECODE_SHELL, "iex");
}

static void leaves_quotes_of_people_alone(void **state)
{
	(void)state;
	keeps_off("the 'old' and the \"new\" ward", DECODE_SHELL);
	keeps_off("it's the patient's", DECODE_SHELL);
	keeps_off("{\"id\":\"a1\",\"n\":[\"x\"]}", DECODE_SHELL);
	keeps_off("costs $5 or ${amount}", DECODE_SHELL);
	keeps_off("{a, b} {a} {}", DECODE_SHELL);
	keeps_off("a $ b \\ c ^ `x` 2 ^ 3", DECODE_SHELL);
	keeps_off("\\u003cb\\u003e", DECODE_SHELL);
}

static void puts_strings_of_sql_together(void **state)
{
	(void)state;
	reads("load_file(0x2f6574632f706173737764)", DECODE_SQL_STRING, "load_file('/etc/passwd')");
	reads("select char(60, 98 ,62)", DECODE_SQL_STRING, "select '<b>'");
	reads("CHR(60)||CHR(98)||chr(62)x", DECODE_SQL_STRING, "'<b>'x");
	reads("char(60)+char(98)", DECODE_SQL_STRING, "'<b'");
	reads("x='ab' 'cd'||'ef' + 'g'", DECODE_SQL_STRING, "x='abcdefg'");
	reads("('sys'.'tem')('id')", DECODE_SQL_STRING, "('system')('id')");
	reads("window[\"al\" + \"ert\"](1)", DECODE_SQL_STRING, "window[\"alert\"](1)");
	reads("chr(115).chr(121)", DECODE_SQL_STRING, "'sy'");
	reads("Execute Chr(100) & Chr(105)", DECODE_SQL_STRING, "Execute 'di'");
	reads("concat('xp_','cmd','shell')", DECODE_SQL_STRING, "concat('xp_cmdshell')");
}

static void leaves_numbers_and_lists_alone(void **state)
{
	(void)state;
	keeps_off("f(0x1234, 0xdeadbeef)", DECODE_SQL_STRING);
	keeps_off("f(0x61626)", DECODE_SQL_STRING);
	keeps_off("in ('a','b')", DECODE_SQL_STRING);
	keeps_off("char(300), varchar(100), nchar(20), chr()", DECODE_SQL_STRING);
	keeps_off("it's 5 o'clock", DECODE_SQL_STRING);
	keeps_off("char(7)", DECODE_SQL_STRING);
	keeps_off("<a b=\"c\" d=\"e\">", DECODE_SQL_STRING);
	keeps_off("<a b=\"\" d=\"it's 'x'\">", DECODE_SQL_STRING);
	keeps_off("c(ar(04,07)", DECODE_SQL_STRING);
}

static void takes_comments_out(void **state)
{
	(void)state;
	reads("union/**/select/*x*/1", DECODE_COMMENT, "union select 1");
	reads("/*!50000union*/ /*!select*/1", DECODE_COMMENT, " union   select 1");
	reads("alert/*", DECODE_COMMENT, "alert");
	keeps_off("*/ x / *", DECODE_COMMENT);
	keeps_off("a */* b", DECODE_HEX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(puts_words_of_the_shell_together),
		cmocka_unit_test(leaves_quotes_of_people_alone),
		cmocka_unit_test(puts_strings_of_sql_together),
		cmocka_unit_test(leaves_numbers_and_lists_alone),
		cmocka_unit_test(takes_comments_out),
	};

	return cmocka_run_group_tests(tests, tree_create, tree_destroy);
}
