// SPDX-License-Identifier: BSD-3-Clause

#include "apps/waf/waf_files.h"
#include "apps/waf/waf_show.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ATTACK "1' union select password from users where 'a'='a"
#define POST   "POST /x HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n"

static struct inspect_policy *policy;
static struct waf_judge judge;
static struct waf_judgement got;

static int create(void **state)
{
	struct inspect_conf conf = {.level = INSPECT_BALANCED};

	(void)state;
	assert_int_equal(inspect_policy_create(&conf, &policy), 0);
	assert_int_equal(waf_judge_init(&judge, policy), 0);
	return 0;
}

static int destroy(void **state)
{
	(void)state;
	waf_judge_fini(&judge);
	inspect_policy_destroy(policy);
	return 0;
}

static bool judge_bytes(const char *text, size_t len)
{
	bool whole;

	waf_judge_begin(&judge);
	waf_judge_feed(&judge, (const uint8_t *)text, len);
	waf_judge_end(&judge, &got);
	whole = got.verdict.block;
	// Byte by byte it is the same.
	waf_judge_begin(&judge);
	for (size_t i = 0; i < len; i++)
		waf_judge_feed(&judge, (const uint8_t *)text + i, 1);
	waf_judge_end(&judge, &got);
	assert_int_equal(got.verdict.block, whole);
	return whole;
}

#define BLOCKS(text) judge_bytes(text, sizeof(text) - 1)
#define ODD(o)       ((got.odd >> HTTP_ODD_##o & 1) != 0)

static void judges_a_request(void **state)
{
	(void)state;
	assert_false(BLOCKS("GET /?a=b HTTP/1.1\r\nHost: h\r\n\r\n"));
	assert_int_equal(got.verdict.class, INSPECT_CLASSES);
	assert_int_equal(got.odd, 0);
	assert_int_equal(got.bytes, 31);
	assert_true(BLOCKS("GET /?a=" ATTACK " HTTP/1.1\r\nHost: h\r\n\r\n"));
	assert_true(BLOCKS(POST "Content-Length: 50\r\n\r\na=" ATTACK));
	assert_int_equal(got.verdict.class, INSPECT_SQL);
}

static void reads_bodies_shorter_and_longer_than_they_say(void **state)
{
	(void)state;
	assert_true(BLOCKS(POST "Content-Length: 5000\r\n\r\na=" ATTACK));
	assert_true(ODD(BODY_SHORT));
	assert_true(BLOCKS(POST "Content-Length: 2\r\n\r\na=" ATTACK));
	assert_true(ODD(BODY_LONG));
	assert_true(BLOCKS(POST "\r\na=" ATTACK));
	assert_true(BLOCKS(POST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\na=" ATTACK));
	// Empty lines are nothing.
	assert_false(BLOCKS(POST "Content-Length: 3\r\n\r\na=b\r\n\r\n"));
	assert_int_equal(got.odd, 0);
}

static void reads_trailers(void **state)
{
	(void)state;
	assert_true(BLOCKS(POST "Transfer-Encoding: chunked\r\n\r\n0\r\nX: " ATTACK "\r\n\r\n"));
	assert_string_equal(got.verdict.place, "header:X");
}

static void judges_what_cannot_be_read(void **state)
{
	static char head[WAF_HEAD_MAX + 64];

	(void)state;
	assert_true(BLOCKS(""));
	assert_true(ODD(UNREADABLE));
	assert_int_equal(got.verdict.class, INSPECT_PROTOCOL);
	assert_true(BLOCKS("\r\n\r\n"));
	assert_true(BLOCKS(POST "Transfer-Encoding: chunked\r\n\r\nzz\r\na=b"));
	assert_true(ODD(UNREADABLE) && ODD(BODY_LONG));
	memset(head, 'a', sizeof(head));
	memcpy(head, "GET /", 5);
	waf_judge_begin(&judge);
	waf_judge_feed(&judge, (uint8_t *)head, sizeof(head));
	waf_judge_end(&judge, &got);
	assert_true(got.verdict.block);
	assert_true(ODD(TOO_LONG) && ODD(UNREADABLE));
}

// ---- what is told --------------------------------------------------------------------------------

static char *shown(const char *name, const char *place, const void *fragment, size_t len)
{
	static char *text;
	size_t size;
	FILE *f;

	free(text);
	f = open_memstream(&text, &size);
	memset(&got, 0, sizeof(got));
	got.verdict.class = INSPECT_CLASSES;
	snprintf(got.verdict.place, sizeof(got.verdict.place), "%s", place);
	memcpy(got.verdict.fragment, fragment, len);
	got.verdict.fragment_len = (uint32_t)len;
	got.ns = 5;
	waf_show_json(f, name, &got, false);
	fclose(f);
	return text;
}

static void tells_any_bytes_as_json(void **state)
{
	(void)state;
	assert_string_equal(shown("a/b", "query:id", "x", 1),
			    "{\"name\":\"a/b\",\"verdict\":\"pass\",\"class\":\"none\",\"score\":0,"
			    "\"place\":\"query:id\",\"decoded\":[],\"fragment\":\"x\",\"ns\":5}\n");
	assert_non_null(strstr(shown("\"\\\n", "", "", 0), "\"name\":\"\\\"\\\\\\u000a\""));
	assert_non_null(strstr(shown("", "", "\0\x7f\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80", 11),
			       "\"\\u0000\\u007f\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80\""));
	// Broken, overlong, surrogates, past the end, cut.
	assert_non_null(
		strstr(shown("", "", "\x80\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\xe4\xb8", 12),
		       "\"\\u0080\\u00c0\\u00af\\u00ed\\u00a0\\u0080\\u00f4\\u0090\\u0080"
		       "\\u0080\\u00e4\\u00b8\""));
}

// ---- folders -------------------------------------------------------------------------------------

static char *folder(void)
{
	static char path[] = "/tmp/waf-test-XXXXXX";

	assert_non_null(mkdtemp(path));
	return path;
}

static void write_file(const char *at, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", at, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void tells_a_folder_in_the_order_of_its_names(void **state)
{
	struct waf_run run = {.policy = policy};
	char *at = folder(), path[256], name[32], *text, *line;
	size_t size;

	(void)state;
	snprintf(path, sizeof(path), "%s/sub", at);
	mkdir(path, 0700);
	for (unsigned i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "sub/%04u", i);
		write_file(at, name, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	}
	write_file(at, "a", "GET /?a=" ATTACK " HTTP/1.1\r\nHost: h\r\n\r\n");
	run.out = open_memstream(&text, &size);
	assert_int_equal(waf_folder_judge(&run, at), 0);
	fclose(run.out);
	assert_int_equal(strncmp(text, "{\"name\":\"a\",\"verdict\":\"block\"", 29), 0);
	line = strchr(text, '\n') + 1;
	for (unsigned i = 0; i < 200; i++) {
		snprintf(path, sizeof(path), "{\"name\":\"sub/%04u\",\"verdict\":\"pass\"", i);
		assert_int_equal(strncmp(line, path, strlen(path)), 0);
		line = strchr(line, '\n') + 1;
	}
	assert_string_equal(line, "");
	free(text);
	assert_int_equal(waf_folder_judge(&run, "/nonexistent"), 1);
	assert_int_equal(waf_file_judge(&judge, "/nonexistent", &got), -ENOENT);
	snprintf(path, sizeof(path), "rm -r %s", at);
	assert_int_equal(system(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judges_a_request),
		cmocka_unit_test(reads_bodies_shorter_and_longer_than_they_say),
		cmocka_unit_test(reads_trailers),
		cmocka_unit_test(judges_what_cannot_be_read),
		cmocka_unit_test(tells_any_bytes_as_json),
		cmocka_unit_test(tells_a_folder_in_the_order_of_its_names),
	};

	return cmocka_run_group_tests(tests, create, destroy);
}
