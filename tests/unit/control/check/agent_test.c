// SPDX-License-Identifier: BSD-3-Clause
//
// Lines of agents, good ones and others.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/check/agent.h"

static struct check_agent a;

static int setup(void **state)
{
	(void)state;
	check_agent_init(&a);
	return 0;
}

static bool take(const char *line)
{
	return check_agent_take(&a, line, strlen(line));
}

static void expect(uint8_t flags, uint16_t percent, const char *text)
{
	assert_int_equal(a.flags, flags == 0 ? 0 : flags | CTL_AGENT_KNOWN);
	assert_int_equal(a.percent, percent);
	assert_string_equal(a.text, text);
}

static void says_nothing_at_first(void **state)
{
	(void)state;
	expect(0, 100, "");
}

static void takes_every_word(void **state)
{
	(void)state;
	assert_true(take("75%"));
	expect(CTL_AGENT_KNOWN, 75, "");
	assert_true(take("down"));
	expect(CTL_AGENT_DOWN, 75, ""); // the weight stays as it was said
	assert_true(take("UP"));
	expect(CTL_AGENT_KNOWN, 75, "");
	assert_true(take("stopped"));
	expect(CTL_AGENT_DOWN, 75, "");
	assert_true(take("drain"));
	expect(CTL_AGENT_DOWN | CTL_AGENT_DRAIN, 75, "");
	assert_true(take("maint"));
	expect(CTL_AGENT_DOWN | CTL_AGENT_MAINT, 75, "");
	assert_true(take("ready up 100%\r"));
	expect(CTL_AGENT_KNOWN, 100, "");
	assert_true(take("Fail"));
	expect(CTL_AGENT_DOWN, 100, "");
}

static void takes_several_words_and_a_reason(void **state)
{
	(void)state;
	assert_true(take("\tdrain,0% , maxconn:30 down#  backup of 02:00 \r"));
	expect(CTL_AGENT_DOWN | CTL_AGENT_DRAIN, 0, "backup of 02:00");
	assert_true(take("ready#"));
	expect(CTL_AGENT_DOWN, 0, "");
}

static void weight_has_limits(void **state)
{
	(void)state;
	assert_true(take("0%"));
	assert_true(take("1000%"));
	expect(CTL_AGENT_KNOWN, 1000, "");
	assert_false(take("1001%"));
	assert_false(take("%"));
	assert_false(take("-1%"));
	assert_false(take("+1%"));
	assert_false(take("1.5%"));
	assert_false(take("99999%"));
	assert_false(take("4294967396%")); // 100 modulo 2^32
	assert_false(take("50"));
	assert_false(take("50 %"));
	expect(CTL_AGENT_KNOWN, 1000, "");
}

static void other_lines_change_nothing(void **state)
{
	(void)state;
	assert_true(take("drain 50% # why"));
	assert_false(take(""));
	assert_false(take(" ,\t\r"));
	assert_false(take("# down"));
	assert_false(take("HTTP/1.1 200 OK"));
	assert_false(take("upp"));
	assert_false(take("u"));
	assert_false(take("up\x01"));
	assert_false(take("up \x80"));
	assert_false(check_agent_take(&a, "up\0down", 7));
	expect(CTL_AGENT_DRAIN, 50, "why");
}

// It goes to logs and terminals.
static void the_reason_is_cut_and_cleaned(void **state)
{
	char line[200] = "down #";

	(void)state;
	memset(line + 6, 'x', sizeof(line) - 7);
	line[10] = '\x1b';
	assert_true(take(line));
	assert_int_equal(strlen(a.text), CHECK_AGENT_TEXT - 1);
	assert_int_equal(a.text[4], '?');
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		TEST(says_nothing_at_first),
		TEST(takes_every_word),
		TEST(takes_several_words_and_a_reason),
		TEST(weight_has_limits),
		TEST(other_lines_change_nothing),
		TEST(the_reason_is_cut_and_cleaned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
