// SPDX-License-Identifier: BSD-3-Clause
//
// Bodies through the engine: an attack is found in whatever form, size and coding it comes, in one piece or
// many. That of these tests is a plain injection of SQL, which is found wherever it is read as a value.

#include "dataplane/http/http1.h"
#include "dataplane/inspect/message/body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define ATTACK "1' union select password from users where 'a'='a"

static struct inspect_policy *policy;
static struct inspect *in;
static struct inspect_verdict verdict;

static int engine_create(void **state)
{
	struct inspect_conf conf = {.level = INSPECT_BALANCED};

	(void)state;
	assert_int_equal(inspect_policy_create(&conf, &policy), 0);
	assert_int_equal(inspect_create(NULL, &in), 0);
	return 0;
}

static int engine_destroy(void **state)
{
	(void)state;
	inspect_destroy(in);
	inspect_policy_destroy(policy);
	return 0;
}

// fields: of the head, each with its line end.
static bool judge(const char *fields, const void *body, size_t len, size_t piece)
{
	static uint8_t buf[16384];
	char head[1024];
	int n = snprintf(head, sizeof(head), "POST /x HTTP/1.1\r\nHost: h\r\n%s\r\n", fields);
	const uint8_t *at = (const uint8_t *)head, *p = body;
	struct http_bytes none;
	struct http1 h;

	http1_init(&h, buf, sizeof(buf));
	assert_int_equal(http1_next(&h, &at, at + n, &none), HTTP1_HEAD);
	assert_false(inspect_begin(in, policy, &h.head));
	for (size_t i = 0; i < len; i += piece)
		if (inspect_body(in, p + i, piece < len - i ? piece : len - i))
			break;
	inspect_end(in, &verdict);
	return verdict.block;
}

static bool judge_text(const char *type, const char *text)
{
	char fields[256];
	bool block;

	snprintf(fields, sizeof(fields), "%s%s%s", type != NULL ? "Content-Type: " : "",
		 type != NULL ? type : "", type != NULL ? "\r\n" : "");
	block = judge(fields, text, strlen(text), SIZE_MAX);
	for (size_t piece = 1; piece < 4; piece++)
		assert_int_equal(judge(fields, text, strlen(text), piece), block);
	return block;
}

#define FORM      "application/x-www-form-urlencoded"
#define MULTIPART "multipart/form-data; boundary=b"
#define PART      "--b\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n"

static void finds_it_in_each_kind(void **state)
{
	(void)state;
	assert_true(judge_text(FORM, "a=b&c=" ATTACK));
	assert_string_equal(verdict.place, "form:c");
	assert_true(judge_text("application/json", "{\"a\":[{\"b\":\"" ATTACK "\"}]}"));
	assert_string_equal(verdict.place, "json:/a/0/b");
	assert_true(judge_text("text/xml", "<a><b>" ATTACK "</b></a>"));
	assert_string_equal(verdict.place, "xml:/a/b");
	assert_true(judge_text("text/xml", "<a b=\"" ATTACK "\"/>"));
	assert_string_equal(verdict.place, "xml-attribute:/a/@b");
	assert_true(judge_text(MULTIPART, PART "x\r\n" PART ATTACK "\r\n--b--\r\n"));
	assert_string_equal(verdict.place, "form:f");
	assert_true(judge_text("application/graphql", "{a(b:\"" ATTACK "\")}"));
	assert_string_equal(verdict.place, "graphql:b");
	assert_true(judge_text("application/json", "{\"query\":\"{a(b:\\\"" ATTACK "\\\")}\"}"));
	assert_true(judge_text("text/plain", ATTACK));
	assert_string_equal(verdict.place, "body");
	assert_true(judge_text(NULL, ATTACK));
}

static void finds_nothing_in_what_is_harmless(void **state)
{
	(void)state;
	assert_false(judge_text(FORM, "a=b&c=d"));
	assert_false(judge_text("application/json", "{\"a\":[{\"b\":\"c\"}]}"));
	assert_false(judge_text("text/xml", "<?xml version='1.0'?><a><b>c</b></a>"));
	assert_false(judge_text(MULTIPART, PART "x\r\n--b--\r\n"));
	assert_false(judge_text("text/plain", "hello"));
	assert_false(judge_text(NULL, ""));
}

static void finds_it_where_the_type_lies(void **state)
{
	static const char *const types[] = {
		FORM,         "application/json",         "text/xml",  MULTIPART,
		"text/plain", "application/octet-stream", "image/png", NULL};
	static const char *const texts[] = {
		"a=b&c=" ATTACK,
		"{\"b\":\"" ATTACK "\"}",
		"<?xml version='1.0'?><b>" ATTACK "</b>",
		PART ATTACK "\r\n--b--",
		"{\"b\":" ATTACK "}",
		"{\"b\":\"c\"} " ATTACK,
	};

	(void)state;
	for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++)
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
			assert_true(judge_text(types[t], texts[i]));
}

// What is in front is longer than a window, or than several.
static void finds_it_behind_megabytes(void **state)
{
	static const struct {
		const char *type, *begin, *fill, *end;
	} cases[] = {
		{FORM, "", "a=b&", "c=" ATTACK},
		{FORM, "a=", "xyz ", "&c=" ATTACK},
		{"application/json", "[", "\"b\",", "\"" ATTACK "\"]"},
		{"application/json", "[\"", "xyz ", "\",\"" ATTACK "\"]"},
		{"text/xml", "<a>", "<b>c</b>", "<b>" ATTACK "</b></a>"},
		{MULTIPART, PART, "xyz ", "\r\n" PART ATTACK "\r\n--b--"},
		{"text/plain", "", "xyz ", ATTACK},
		// Within a long value: a window ends anywhere in it.
		{"application/json", "[\"", "xyz ", "x " ATTACK "\"]"},
	};
	size_t len = 1 << 20;
	char *text = malloc(len + 4096), fields[128];

	(void)state;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		size_t n = strlen(cases[c].begin), m = strlen(cases[c].fill);

		memcpy(text, cases[c].begin, n);
		for (; n < len; n += m)
			memcpy(text + n, cases[c].fill, m);
		strcpy(text + n, cases[c].end);
		snprintf(fields, sizeof(fields), "Content-Type: %s\r\n", cases[c].type);
		assert_true(judge(fields, text, strlen(text), SIZE_MAX));
		assert_true(judge(fields, text, strlen(text), 1000));
	}
	free(text);
}

// ---- content coding ------------------------------------------------------------------------------

static uint8_t coded[1 << 20];

static size_t code(const void *text, size_t len, int flag)
{
	static uint8_t level[ISAL_DEF_LVL1_DEFAULT];
	struct isal_zstream z;

	isal_deflate_init(&z);
	z.end_of_stream = 1;
	z.flush = NO_FLUSH;
	z.gzip_flag = (uint16_t)flag;
	z.level = 1;
	z.level_buf = level;
	z.level_buf_size = sizeof(level);
	z.next_in = (uint8_t *)(uintptr_t)text;
	z.avail_in = (uint32_t)len;
	z.next_out = coded;
	z.avail_out = sizeof(coded);
	assert_int_equal(isal_deflate(&z), COMP_OK);
	assert_int_equal(z.avail_in, 0);
	return sizeof(coded) - z.avail_out;
}

static void finds_it_in_coded_bodies(void **state)
{
	static const char text[] = "{\"some\":\"words\",\"b\":\"" ATTACK "\"}";
	static const struct {
		const char *name;
		int flag;
	} codings[] = {{"gzip", IGZIP_GZIP}, {"deflate", IGZIP_ZLIB}, {"deflate", IGZIP_DEFLATE}};
	char fields[128];
	size_t n;

	(void)state;
	for (size_t c = 0; c < sizeof(codings) / sizeof(codings[0]); c++) {
		n = code(text, sizeof(text) - 1, codings[c].flag);
		snprintf(fields, sizeof(fields),
			 "Content-Type: application/json\r\nContent-Encoding: %s\r\n",
			 codings[c].name);
		assert_true(judge(fields, coded, n, SIZE_MAX));
		assert_string_equal(verdict.place, "json:/b");
		for (size_t piece = 1; piece < 8; piece++)
			assert_true(judge(fields, coded, n, piece));
	}
	// It is not said that it is coded.
	n = code(text, sizeof(text) - 1, IGZIP_GZIP);
	assert_true(judge("Content-Type: application/json\r\n", coded, n, SIZE_MAX));
}

static void finds_it_where_the_coding_lies(void **state)
{
	static const char text[] = "{\"b\":\"" ATTACK "\"}";
	static const char *const names[] = {"gzip", "deflate", "br", "gzip, deflate", "x"};
	char fields[128];
	size_t n;

	(void)state;
	for (size_t c = 0; c < sizeof(names) / sizeof(names[0]); c++) {
		snprintf(fields, sizeof(fields), "Content-Encoding: %s\r\n", names[c]);
		for (size_t piece = 1; piece < 4; piece++)
			assert_true(judge(fields, text, sizeof(text) - 1, piece));
		assert_true(judge(fields, text, sizeof(text) - 1, SIZE_MAX));
	}
	// Behind the end of what is coded, and in one whose sum is wrong.
	n = code("{}", 2, IGZIP_GZIP);
	memcpy(coded + n, ATTACK, sizeof(ATTACK) - 1);
	assert_true(judge("", coded, n + sizeof(ATTACK) - 1, SIZE_MAX));
	n = code(text, sizeof(text) - 1, IGZIP_GZIP);
	coded[n - 5] ^= 1;
	assert_true(judge("", coded, n, SIZE_MAX));
}

static void finds_it_deep_in_a_coded_body(void **state)
{
	size_t len = 3 << 20, n;
	char *text = malloc(len + 256);

	(void)state;
	for (size_t i = 0; i < len; i++)
		text[i] = i % 8 < 7 ? "\"abcdef\""[(i * 5 + i / 7) % 8 | 1] : ',';
	text[0] = '[';
	strcpy(text + len, ",\"\",\"" ATTACK "\"]");
	n = code(text, strlen(text), IGZIP_GZIP);
	assert_true(judge("Content-Encoding: gzip\r\n", coded, n, SIZE_MAX));
	assert_true(judge("Content-Encoding: gzip\r\n", coded, n, 997));
	free(text);
}

static void tells_a_bomb(void **state)
{
	size_t len = 64 << 20, n;
	char *text = calloc(1, len);

	(void)state;
	n = code(text, len, IGZIP_GZIP);
	assert_true(judge("Content-Encoding: gzip\r\n", coded, n, SIZE_MAX));
	assert_int_equal(verdict.class, INSPECT_PROTOCOL);
	assert_string_equal(inspect_rule_name(verdict.rule[0]), "decode-bomb");
	memset(text, ' ', 1 << 18);
	n = code(text, 1 << 18, IGZIP_GZIP);
	assert_false(judge("Content-Encoding: gzip\r\n", coded, n, SIZE_MAX));
	free(text);
}

static void tells_a_coding_that_it_cannot_undo(void **state)
{
	(void)state;
	assert_false(judge("Content-Encoding: br\r\n", "\x8b\x02\x80 x", 5, SIZE_MAX));
	assert_int_equal(verdict.class, INSPECT_PROTOCOL);
	assert_int_equal(verdict.score, 30);
	judge("Content-Encoding: br\r\n", "", 0, SIZE_MAX);
	assert_int_equal(verdict.class, INSPECT_CLASSES);
}

// Names that showed nothing are known again; one that differs in a byte is another.
static void knows_only_harmless_names_again(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_false(judge_text(FORM, "page=b&size=c"));
		assert_true(judge_text(FORM, "1' or 1%3d1-- =b"));
		assert_false(judge_text("application/json", "{\"name\":\"b\",\"nome\":\"c\"}"));
		assert_true(judge_text("application/json", "{\"name\":\"" ATTACK "\"}"));
	}
}

static void forgets_a_request_that_was_not_ended(void **state)
{
	struct http_head h = {.fields = 0};
	uint8_t nothing = 0;

	(void)state;
	h.method = h.target = h.version = (struct http_bytes){&nothing, 0};
	inspect_begin(in, policy, &h);
	inspect_body(in, (const uint8_t *)"{\"a\":\"", 6);
	assert_true(judge_text(FORM, "c=" ATTACK));
	assert_false(judge_text(FORM, "c=d"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_it_in_each_kind),
		cmocka_unit_test(finds_nothing_in_what_is_harmless),
		cmocka_unit_test(finds_it_where_the_type_lies),
		cmocka_unit_test(finds_it_behind_megabytes),
		cmocka_unit_test(finds_it_in_coded_bodies),
		cmocka_unit_test(finds_it_where_the_coding_lies),
		cmocka_unit_test(finds_it_deep_in_a_coded_body),
		cmocka_unit_test(tells_a_bomb),
		cmocka_unit_test(tells_a_coding_that_it_cannot_undo),
		cmocka_unit_test(knows_only_harmless_names_again),
		cmocka_unit_test(forgets_a_request_that_was_not_ended),
	};

	return cmocka_run_group_tests(tests, engine_create, engine_destroy);
}
