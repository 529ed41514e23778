// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/path/files.h"
#include "dataplane/inspect/path/walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct path_walk w;

static void walk(const char *path)
{
	path_walk((const uint8_t *)path, strlen(path), &w);
}

static void leads_to(const char *path, const char *text, unsigned out)
{
	walk(path);
	if (w.text_len != strlen(text) || memcmp(w.text, text, w.text_len) != 0 || w.out != out)
		print_message("%s: %.*s, %u out\n", path, (int)w.text_len, w.text, w.out);
	assert_int_equal(w.text_len, strlen(text));
	assert_memory_equal(w.text, text, w.text_len);
	assert_int_equal(w.out, out);
}

static void counts_steps_over_the_root_only(void **state)
{
	(void)state;
	leads_to("a/b/c", "a/b/c", 0);
	leads_to("a/../b", "b", 0);
	leads_to("a/../../b", "b", 1);
	leads_to("../../A/b", "a/b", 2);
	leads_to("/a/b/../../../c", "c", 1);
	leads_to("a/./b/.", "a/b", 0);
	leads_to("..\\..\\x", "x", 2);
	leads_to("..", "", 1);
	leads_to("a//b///c", "a/b/c", 0);
}

static void tells_roots(void **state)
{
	(void)state;
	walk("/x");
	assert_true(w.absolute && !w.drive && !w.unc);
	walk("c:\\x");
	assert_true(w.drive && !w.absolute);
	walk("\\\\host\\x");
	assert_true(w.unc && !w.absolute);
	walk("//host/x"); // a link without its scheme
	assert_true(!w.unc && w.absolute);
	walk("x:y");
	assert_true(!w.drive);
}

static void reads_what_servers_read_differently(void **state)
{
	(void)state;
	leads_to("..;/..;a=b/x", "x", 2);
	assert_true(w.parameter);
	leads_to("....//....//x", "x", 2);
	assert_true(w.stripped);
	leads_to(".../.../x", "x", 0);
	assert_false(w.stripped);
	leads_to(".. /.. /x", "x", 2);
	assert_true(w.trailing);
	leads_to("a.asp::$DATA", "a.asp", 0);
	assert_true(w.trailing);
	leads_to("a;b/c", "a;b/c", 0);
}

static void ends_at_a_nul(void **state)
{
	static const uint8_t p[] = "a/b\0.png";

	(void)state;
	path_walk(p, sizeof(p) - 1, &w);
	assert_true(w.nul);
	assert_int_equal(w.end, 3);
	path_walk(p, 4, &w); // nothing behind it
	assert_false(w.nul);
}

static void keeps_the_end_of_what_is_too_long(void **state)
{
	static char p[4096];

	(void)state;
	memset(p, 'a', sizeof(p));
	for (size_t i = 100; i < sizeof(p); i += 100)
		p[i] = '/';
	memcpy(p + sizeof(p) - 11, "/etc/passwd", 11);
	path_walk((const uint8_t *)p, sizeof(p), &w);
	assert_true(w.text_len <= PATH_TEXT_MAX);
	assert_int_equal(path_file_of(w.text, w.text_len, true), PATH_FILE_SYSTEM);
	memset(p, 'a', sizeof(p)); // one name longer than the room
	path_walk((const uint8_t *)p, sizeof(p), &w);
	assert_true(w.text_len <= PATH_TEXT_MAX);
	path_walk((const uint8_t *)p, 0, &w);
	assert_int_equal(w.text_len, 0);
}

static enum path_file file(const char *path, bool rooted)
{
	return path_file_of(path, strlen(path), rooted);
}

static void knows_files_by_whole_names(void **state)
{
	(void)state;
	assert_int_equal(file("etc/passwd", true), PATH_FILE_SYSTEM);
	assert_int_equal(file("a/etc/passwd", true), PATH_FILE_SYSTEM);
	assert_int_equal(file("my-etc/passwd", true), PATH_FILE_NONE);
	assert_int_equal(file("etc/passwd", false), PATH_FILE_NONE);
	assert_int_equal(file("etc/passwd.md", true), PATH_FILE_SYSTEM); // whatever lies in /etc
	assert_int_equal(file("proc/self/maps", true), PATH_FILE_SYSTEM);
	assert_int_equal(file("proc/12/maps", true), PATH_FILE_SYSTEM);
	assert_int_equal(file("x/wp-config.php", true), PATH_FILE_APP);
	assert_int_equal(file("index.html", true), PATH_FILE_NONE);
	assert_int_equal(file("", true), PATH_FILE_NONE);
	assert_int_equal(file("x", true), PATH_FILE_NONE);
}

// The short cut must never say no to a file of the lists.
static void the_quick_answer_is_right(void **state)
{
	static const char *const paths[] = {
		"/etc/passwd",
		"/boot.ini",
		"/x/win.ini",
		"/root/.ssh/id_rsa",
		"/web-inf/web.xml",
		"/.git/config",
		"/.env",
		"/.htaccess",
		"/ntds.dit",
		"/a/.ds_store",
		"/wp-config.php~",
		"/wp-config.php.bak",
		"/.ssh/id_ed25519",
		"/ETC/PASSWD",
		"/meta-inf/MANIFEST.MF",
		"/.svn/wc.db",
		"/windows/repair/sam",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_true(path_file_may_end((const uint8_t *)paths[i], strlen(paths[i])));
	assert_false(path_file_may_end((const uint8_t *)"/a.js", 5));
	assert_false(path_file_may_end((const uint8_t *)"/a.png", 6));
}

static bool glob(const char *pattern, const char *text)
{
	return path_glob(pattern, strlen(pattern), text);
}

static void globs_match_as_in_a_shell(void **state)
{
	(void)state;
	assert_true(glob("c?t", "cat"));
	assert_false(glob("c?t", "ct"));
	assert_true(glob("*", ""));
	assert_true(glob("/e*c/p*d", "/etc/passwd"));
	assert_false(glob("/e*c/p*x", "/etc/passwd"));
	assert_true(glob("[a-c]at", "cat"));
	assert_false(glob("[!a-c]at", "cat"));
	assert_true(glob("[", "["));
	assert_true(glob("**t", "cat"));
	assert_false(glob("", "a"));
	assert_true(path_file_globs("/e?c/pass*", 10));
	assert_false(path_file_globs("/*/*", 4)); // anything at all
	assert_false(path_file_globs("*.txt", 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_steps_over_the_root_only),
		cmocka_unit_test(tells_roots),
		cmocka_unit_test(reads_what_servers_read_differently),
		cmocka_unit_test(ends_at_a_nul),
		cmocka_unit_test(keeps_the_end_of_what_is_too_long),
		cmocka_unit_test(knows_files_by_whole_names),
		cmocka_unit_test(the_quick_answer_is_right),
		cmocka_unit_test(globs_match_as_in_a_shell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
