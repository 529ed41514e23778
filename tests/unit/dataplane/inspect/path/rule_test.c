// SPDX-License-Identifier: BSD-3-Clause
//
// Each rule of paths: a value that shows it, and one close to it that does not.

#define JUDGED INSPECT_TRAVERSAL
#include "tests/unit/dataplane/inspect/judge_value.h"

static const struct {
	enum inspect_rule rule;
	enum inspect_place place;
	const char *name, *shows, *does_not;
} rules[] = {
	{RULE_PATH_ESCAPE, PLACE_QUERY, "p", "a/../../b", "a/../b"},
	{RULE_PATH_DEEP, PLACE_QUERY, "p", "../../../b", "../../b"},
	{RULE_PATH_NO_PLACE, PLACE_PATH, "", "/../b", "/a/../b"},
	{RULE_PATH_NO_PLACE, PLACE_FILE_NAME, "f", "../b", "..b"},
	{RULE_PATH_DISGUISED, PLACE_QUERY, "p", "..;/b", "..a/b"},
	{RULE_PATH_DISGUISED, PLACE_QUERY, "p", "....//b", "..../b"},
	{RULE_PATH_SYSTEM, PLACE_QUERY, "p", "/etc/passwd", "etc/passwd"},
	{RULE_PATH_APP, PLACE_QUERY, "p", "../config.php", "config.php"},
	{RULE_PATH_LOOSE, PLACE_QUERY, "p",
	 "..\xc0%9v..\xc0%9v"
	 "etc\xc0%9vpasswd",
	 "my etc\xc0%9vpasswd"},
	{RULE_PATH_HIDDEN, PLACE_PATH, "", "/.git/config", "/git/config"},
	{RULE_PATH_DOT_NAME, PLACE_PATH, "", "/.foo", "/.well-known/foo"},
	{RULE_PATH_DOT_CONFIG, PLACE_PATH, "", "/.foo/a.json", "/.foo/a"},
	{RULE_PATH_UNC, PLACE_QUERY, "p", "\\\\host\\web.config", "//host/web.config"},
	{RULE_PATH_WRAPPER, PLACE_QUERY, "p", "php://input", "php:input"},
	{RULE_PATH_LOCAL, PLACE_QUERY, "p", "file:///x", "profile:///x"},
	{RULE_PATH_LOCAL_FILE, PLACE_QUERY, "p", "file:///etc/passwd", "file:///C:/report.doc"},
	{RULE_PATH_DATA, PLACE_QUERY, "p", "data://text/plain,x", "data:text/plain,x"},
	{RULE_PATH_DATA_CODE, PLACE_QUERY, "p", "data:text/plain,<?php x", "data:text/plain,<p>x"},
	{RULE_PATH_REMOTE_SCRIPT, PLACE_QUERY, "p", "http://a.example/x.php",
	 "http://a.example/x.html"},
	{RULE_PATH_REMOTE_SHELL, PLACE_QUERY, "p", "http://a.example/c99.txt",
	 "http://a.example/c9.txt"},
	{RULE_PATH_REMOTE_IP, PLACE_QUERY, "p", "http://10.1.1.1/x.php", "http://a.example/x.php"},
	{RULE_PATH_REMOTE_CUT, PLACE_QUERY, "p", "http://a.example/x?", "http://a.example/x?y"},
	{RULE_PATH_REMOTE_VARIABLE, PLACE_QUERY, "_CONF[path]", "http://a.example/", "/a/b/c"},
	{RULE_PATH_REMOTE_NAME, PLACE_QUERY, "page", "http://a.example/x", "a.example/x"},
};

static void each_rule_is_shown_by_what_it_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rules); i++) {
		judge_at(rules[i].place, rules[i].name, rules[i].shows);
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
		judge_at(rules[i].place, rules[i].name, rules[i].does_not);
		if (shows(rules[i].rule)) {
			print_message("%s\n", inspect_rule_name(rules[i].rule));
			tell(rules[i].does_not);
		}
		assert_false(shows(rules[i].rule));
	}
}

// Links in a text are what people write; a path as a whole is what a program opens.
static void depth_counts_for_a_whole_value_only(void **state)
{
	(void)state;
	judge("../../../a");
	assert_true(shows(RULE_PATH_DEEP));
	judge("see ../../../a, please");
	assert_false(shows(RULE_PATH_DEEP));
	judge_at(PLACE_REFERER, "", "../../../a");
	assert_false(shows(RULE_PATH_DEEP));
}

static void much_before_it_does_not_hide_a_path(void **state)
{
	static const char attack[] = " ../../../etc/passwd ";
	static char text[32768];

	(void)state;
	for (size_t k = 0; k < sizeof(text) - sizeof(attack); k++)
		text[k] = "../a b"[k % 6];
	memcpy(text + sizeof(text) - sizeof(attack), attack, sizeof(attack));
	assert_true(judge(text) >= BLOCKED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_VALUES(each_rule_is_shown_by_what_it_says),
		TEST_VALUES(no_rule_is_shown_by_what_is_close_to_it),
		TEST_VALUES(depth_counts_for_a_whole_value_only),
		TEST_VALUES(much_before_it_does_not_hide_a_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
