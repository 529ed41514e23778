// SPDX-License-Identifier: BSD-3-Clause
//
// Which departures of a message from RFC 9112 are refused, which are refused at the strict level only, and
// which are not.

#include "dataplane/http/http1.h"
#include "dataplane/inspect/inspect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

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

static unsigned score(const char *text)
{
	static uint8_t buf[4096];
	const uint8_t *at = (const uint8_t *)text, *end = at + strlen(text);
	struct http_bytes body;
	struct http1 h;

	http1_init(&h, buf, sizeof(buf));
	for (;;) {
		enum http1_event e = http1_next(&h, &at, end, &body);

		if (e == HTTP1_HEAD)
			inspect_begin(in, policy, &h.head);
		else if (e == HTTP1_BODY)
			inspect_body(in, body.p, body.len);
		else
			break;
	}
	inspect_end(in, &verdict);
	assert_true(verdict.class == INSPECT_PROTOCOL || verdict.score == 0);
	return verdict.score;
}

#define GET "GET / HTTP/1.1\r\nHost: h\r\n"
#define TE  GET "Transfer-Encoding: chunked\r\n"
#define END "0\r\n\r\n"

static void refuses_what_servers_cut_differently(void **state)
{
	static const char *const texts[] = {
		TE "Content-Length: 4\r\n\r\n" END,
		GET "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		GET "Content-Length: +1\r\n\r\n",
		GET "Content-Length: 1,\r\n\r\na",
		GET "Transfer-Encoding: xchunked\r\n\r\n",
		GET "Transfer-Encoding: chunked, identity\r\n\r\n" END,
		"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" END,
		TE "\r\n0x1\r\na\r\n" END,
		TE "\r\n1\r\nab\r\n" END,
		TE "\r\n0\r\nContent-Length: 1\r\n\r\n",
		GET "X: a\rContent-Length: 1\r\n\r\n",
		GET "Content-Length : 1\r\nContent-Length: 1\r\n\r\na",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (score(texts[i]) < 50)
			print_error("%s\n", texts[i]);
		assert_true(verdict.block);
	}
}

static void refuses_some_at_the_strict_level_only(void **state)
{
	static const char *const texts[] = {
		TE "\r\n1;a=b\r\na\r\n" END,
		GET "X : a\r\n\r\n",
		"G@T / HTTP/3\r\n Host: h\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		score(texts[i]);
		assert_in_range(verdict.score, 30, 99);
	}
}

static void lets_pass_what_simple_clients_do(void **state)
{
	static const char *const texts[] = {
		GET "\r\n",
		"GET / HTTP/1.0\n\n",
		"GET / HTTP/1.1\n\n",
		GET "X: a\r\n b\r\n\r\n",
		GET "Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
		"\r\n" GET "\r\n",
		"GET /\xc3\xa4 HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
		TE "\r\n1\r\na\r\n0\r\nX-Sum: 5\r\n\r\n",
		TE "\r\n" END,
		GET "Transfer-Encoding: gzip, chunked\r\n\r\n" END,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (score(texts[i]) > 30)
			print_error("%u %s\n", verdict.score, texts[i]);
		assert_false(verdict.block);
		assert_in_range(verdict.score, 0, 30);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_what_servers_cut_differently),
		cmocka_unit_test(refuses_some_at_the_strict_level_only),
		cmocka_unit_test(lets_pass_what_simple_clients_do),
	};

	return cmocka_run_group_tests(tests, engine_create, engine_destroy);
}
