// SPDX-License-Identifier: BSD-3-Clause
//
// The command table and the command line's grammar; no command here reaches a daemon.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "control/cli/commands.h"

static struct cli cli;

static int run(const char *line)
{
	char *copy = strdup(line), *word[32], *save = NULL;
	size_t n = 0;
	int rc;

	for (char *w = strtok_r(copy, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
		word[n++] = w;
	rc = cli_run(&cli, word, n);
	free(copy);
	return rc;
}

static int setup(void **state)
{
	(void)state;
	cli = (struct cli){.instance = "lb", .timeout_s = 1};
	cli.out = fopen("/dev/null", "w");
	snprintf(cli.run_dir, sizeof(cli.run_dir), "/nonexistent/run");
	snprintf(cli.lib_dir, sizeof(cli.lib_dir), "/nonexistent/lib");
	return cli.out == NULL;
}

static int teardown(void **state)
{
	(void)state;
	return fclose(cli.out);
}

static void every_command_is_found_by_its_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < cli_command_count; i++) {
		char name[64], *word[2], *blank;
		size_t used, n = 1;

		snprintf(name, sizeof(name), "%s", cli_commands[i].name);
		word[0] = name;
		blank = strchr(name, ' ');
		if (blank != NULL) {
			*blank = '\0';
			word[n++] = blank + 1;
		}
		assert_ptr_equal(cli_find(word, n, &used), &cli_commands[i]);
		assert_int_equal(used, n);
		assert_true(cli_commands[i].summary[0] != '\0');
		assert_non_null(cli_commands[i].run);
	}
}

static void wrong_lines_are_usage_errors(void **state)
{
	(void)state;
	assert_int_equal(run("nonsense"), CLI_USAGE);
	assert_int_equal(run("show"), CLI_USAGE);
	assert_int_equal(run("show nonsense"), CLI_USAGE);
	assert_int_equal(run("get"), CLI_USAGE);
	assert_int_equal(run("commit now"), CLI_USAGE);
	assert_int_equal(run("commit --nonsense"), CLI_USAGE);
	assert_int_equal(run("commit --comment"), CLI_USAGE);
	assert_int_equal(run("commit --require-all=yes"), CLI_USAGE);
	assert_int_equal(run("compare 1"), CLI_USAGE);
	assert_int_equal(run("compare 1 x"), CLI_USAGE);
	assert_int_equal(run("rollback"), CLI_USAGE);
	assert_int_equal(run("rollback x"), CLI_USAGE);
	assert_int_equal(run("rollback 1 --file x"), CLI_USAGE);
	assert_int_equal(run("lock startup"), CLI_USAGE);
	assert_int_equal(run("capture"), CLI_USAGE);
	assert_int_equal(run("capture f --stop"), CLI_USAGE);
	assert_int_equal(run("watch 0 show state"), CLI_USAGE);
	assert_int_equal(run("watch nan show state"), CLI_USAGE);
	assert_int_equal(run("watch 1 watch 1 help"), CLI_USAGE);
	assert_int_equal(run("watch 1 show drops --nonsense"), CLI_USAGE);
	assert_int_equal(run("show history --limit 0"), CLI_USAGE);
	assert_int_equal(run("help nonsense"), CLI_USAGE);
}

static void without_a_daemon_commands_say_so(void **state)
{
	(void)state;
	assert_int_equal(run("show state"), CLI_UNREACHABLE);
	assert_int_equal(run("get service web"), CLI_UNREACHABLE);
	assert_int_equal(run("set service web port 80"), CLI_UNREACHABLE);
	assert_int_equal(run("commit --comment=x --require-all"), CLI_UNREACHABLE);
	assert_int_equal(run("watch 1 commit"), CLI_UNREACHABLE);
	assert_int_equal(run("watch 1 show drops --all"), CLI_UNREACHABLE);
}

static void a_file_that_is_none_is_named(void **state)
{
	(void)state;
	assert_int_equal(run("edit /nonexistent/file.json"), CLI_FAILED);
	assert_int_equal(run("rollback --file /nonexistent/file.json"), CLI_FAILED);
}

static void doctor_works_alone(void **state)
{
	(void)state;
	assert_int_equal(run("doctor"), CLI_DOCTOR_BAD); // no daemon runs
	cli.json = true;
	assert_int_equal(run("doctor --device lo"), CLI_DOCTOR_BAD);
}

static void help_and_manual_name_every_command(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	cli_manual(f);
	cli_usage(f);
	fclose(f);
	for (size_t i = 0; i < cli_command_count; i++) {
		char item[96];

		snprintf(item, sizeof(item), ".It Ic %s", cli_commands[i].name);
		assert_non_null(strstr(text, item));
		snprintf(item, sizeof(item), "\n  %s", cli_commands[i].name);
		assert_non_null(strstr(text, item));
	}
	free(text);
}

static void numbers_are_whole_and_bounded(void **state)
{
	long long n = 7;

	(void)state;
	assert_int_equal(cli_number("1", 1, 10, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(cli_number("0", 1, 10, &n), -EINVAL);
	assert_int_equal(cli_number("11", 1, 10, &n), -EINVAL);
	assert_int_equal(cli_number("1x", 1, 10, &n), -EINVAL);
	assert_int_equal(cli_number("", 0, 10, &n), -EINVAL);
	assert_int_equal(cli_number("99999999999999999999", 0, INT64_MAX, &n), -EINVAL);
	assert_int_equal(n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(every_command_is_found_by_its_name),
		TEST(wrong_lines_are_usage_errors),
		TEST(without_a_daemon_commands_say_so),
		TEST(a_file_that_is_none_is_named),
		TEST(doctor_works_alone),
		TEST(help_and_manual_name_every_command),
		TEST(numbers_are_whole_and_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
