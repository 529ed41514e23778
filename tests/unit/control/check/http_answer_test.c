// SPDX-License-Identifier: BSD-3-Clause
//
// Answers of servers, whole and in pieces of every size; what is no HTTP; bounds.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/check/http_answer.h"

#define OK "HTTP/1.1 200 OK\r\n"

static struct check_answer a;

// Feed text in pieces of n bytes, then the end of the connection.
static enum check_answer_is feed(const char *text, size_t size, size_t n, const char *needle)
{
	enum check_answer_is is = CHECK_ANSWER_MORE;

	check_answer_init(&a, needle);
	for (size_t at = 0; at < size && is == CHECK_ANSWER_MORE; at += n)
		is = check_answer_feed(&a, text + at, size - at < n ? size - at : n);
	return is == CHECK_ANSWER_MORE ? check_answer_end(&a) : is;
}

// Likewise in pieces of every size: all come to the same.
static void expect(const char *text, const char *needle, enum check_answer_is want, unsigned status,
		   bool found)
{
	for (size_t n = 1; n <= strlen(text) + 1; n++) {
		assert_int_equal(feed(text, strlen(text), n, needle), want);
		if (want == CHECK_ANSWER_DONE) {
			assert_int_equal(a.status, status);
			assert_int_equal(a.match.found, found);
		}
	}
}

static void reads_a_body_of_known_length(void **state)
{
	(void)state;
	expect(OK "Content-Length: 5\r\n\r\nhello", "ello", CHECK_ANSWER_DONE, 200, true);
	expect(OK "content-LENGTH:5\r\n\r\nhello", "hellp", CHECK_ANSWER_DONE, 200, false);
	expect(OK "Content-Length: 5\r\n\r\nhello more", "more", CHECK_ANSWER_DONE, 200, false);
	expect(OK "Content-Length: 0\r\n\r\n", "", CHECK_ANSWER_DONE, 200, true);
	expect(OK "Content-Length: 6\r\n\r\nhello", "none", CHECK_ANSWER_PART, 0, false);
	// Found before it is whole: no more is waited for.
	expect(OK "Content-Length: 600\r\n\r\nhello", "hell", CHECK_ANSWER_DONE, 200, true);
}

static void reads_chunks(void **state)
{
	(void)state;
	expect(OK "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\nX: y\r\n\r\n",
	       "hello", CHECK_ANSWER_DONE, 200, true);
	expect(OK
	       "Transfer-Encoding: gzip, Chunked\r\nContent-Length: 1\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
	       "x", CHECK_ANSWER_DONE, 200, false);
	expect(OK "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", "x", CHECK_ANSWER_PART, 0,
	       false);
	expect(OK "Transfer-Encoding: chunked\r\n\r\n3\r\nhelX\r\n0\r\n\r\n", "x", CHECK_ANSWER_BAD,
	       0, false);
	expect(OK "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "x", CHECK_ANSWER_BAD, 0, false);
	expect(OK "Transfer-Encoding: chunked\r\n\r\n\r\n", "x", CHECK_ANSWER_BAD, 0, false);
	expect(OK "Transfer-Encoding: chunked\r\n\r\n-3\r\n", "x", CHECK_ANSWER_BAD, 0, false);
	expect(OK "Transfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc", "x",
	       CHECK_ANSWER_BAD, 0, false);
}

static void reads_until_the_connection_ends(void **state)
{
	(void)state;
	expect("HTTP/1.0 200\r\n\r\nhello", "hello", CHECK_ANSWER_DONE, 200, true);
	expect("HTTP/1.0 200\n\nhello", "x", CHECK_ANSWER_DONE, 200, false); // bare LF
	expect(OK "\r\n", "", CHECK_ANSWER_DONE, 200, true);
	expect(OK "Transfer-Encoding: gzip\r\nContent-Length: 3\r\n\r\nhello", "lo",
	       CHECK_ANSWER_DONE, 200, true);
}

static void takes_the_final_answer(void **state)
{
	(void)state;
	expect("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\n\r\n"
	       "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno",
	       "no", CHECK_ANSWER_DONE, 503, true);
	expect("HTTP/1.1 204 None\r\nContent-Length: 9\r\n\r\n", "", CHECK_ANSWER_DONE, 204, true);
	expect("HTTP/1.1 304 Same\r\n\r\n", "", CHECK_ANSWER_DONE, 304, true);
	expect("HTTP/1.1 101 Switch\r\n\r\n", "", CHECK_ANSWER_DONE, 101, true);
	expect("HTTP/1.1 100 Continue\r\n\r\n", "", CHECK_ANSWER_PART, 0, false);
}

static void ends_early_are_told_apart(void **state)
{
	(void)state;
	expect("", "", CHECK_ANSWER_NONE, 0, false);
	expect("H", "", CHECK_ANSWER_PART, 0, false);
	expect(OK, "", CHECK_ANSWER_PART, 0, false);
	expect(OK "A: b\r\n", "", CHECK_ANSWER_PART, 0, false);
}

static void what_is_not_http_is_said_at_once(void **state)
{
	static const char *const bad[] = {
		"SSH-2.0-OpenSSH\r\n",
		"HTTP/2 200 OK\r\n\r\n",
		"HTTP/1.1  200 OK\r\n\r\n",
		"HTTP/1.x 200 OK\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 099 OK\r\n\r\n",
		"HTTP/1.1 20x OK\r\n\r\n",
		"http/1.1 200 OK\r\n\r\n",
		" HTTP/1.1 200 OK\r\n\r\n",
		"<html>hello</html>",
		"\r\n",
		OK "no colon\r\n\r\n",
		OK ": no name\r\n\r\n",
		OK "Content-Length: x\r\n\r\n",
		OK "Content-Length: \r\n\r\n",
		OK "Content-Length: -1\r\n\r\n",
		OK "Content-Length: 1,1\r\n\r\n",
		OK "Content-Length: 9999999999999999999\r\n\r\n",
		OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect(bad[i], "", CHECK_ANSWER_BAD, 0, false);
	assert_int_equal(feed("HTTP\0", 5, 1, ""), CHECK_ANSWER_BAD);
	assert_int_equal(feed(OK "A\0: b", 22, 1, ""), CHECK_ANSWER_BAD);
	expect(OK "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", "", CHECK_ANSWER_DONE, 200,
	       true);
}

// A name or a length behind the part of a line that is kept is none.
static void long_lines_are_passed_over(void **state)
{
	char text[1000] = OK "X-Long: ";

	(void)state;
	memset(text + strlen(text), 'y', 500);
	strcat(text, "\r\n folded\r\nContent-Length: 2\r\n\r\nok");
	expect(text, "ok", CHECK_ANSWER_DONE, 200, true);
	strcpy(text, OK "Content-Length: 2");
	memset(text + strlen(text), ' ', 200);
	strcat(text, "\r\n\r\nok");
	assert_int_equal(feed(text, strlen(text), 1, "none"), CHECK_ANSWER_DONE); // until the end
}

static void header_and_body_have_an_end(void **state)
{
	static char text[200000];
	size_t head = strlen(OK);

	(void)state;
	memcpy(text, OK, head);
	memset(text + head, 'A', sizeof(text) - head);
	assert_int_equal(feed(text, sizeof(text), 1000, ""), CHECK_ANSWER_LONG);
	assert_int_equal(a.header, CHECK_HEADER_MAX + 1);
	memcpy(text, OK "\r\n", head + 2);
	assert_int_equal(feed(text, sizeof(text), 1000, "ok"), CHECK_ANSWER_DONE);
	assert_int_equal(a.body, CHECK_BODY_MAX);
	assert_true(a.cut && !a.match.found);
	assert_int_equal(feed(text, head + 2 + CHECK_BODY_MAX - 1, 1000, ""), CHECK_ANSWER_DONE);
	assert_false(a.cut);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_body_of_known_length),
		cmocka_unit_test(reads_chunks),
		cmocka_unit_test(reads_until_the_connection_ends),
		cmocka_unit_test(takes_the_final_answer),
		cmocka_unit_test(ends_early_are_told_apart),
		cmocka_unit_test(what_is_not_http_is_said_at_once),
		cmocka_unit_test(long_lines_are_passed_over),
		cmocka_unit_test(header_and_body_have_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
