// SPDX-License-Identifier: BSD-3-Clause
//
// Each text is parsed whole, cut in two at every byte, and byte by byte: all ways must tell the same.

#include "dataplane/http/http1.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <setjmp.h>

#include <cmocka.h>

#define BUF 16384

// What a parser said, as text.
struct told {
	char text[1 << 14];
	size_t len;
	uint64_t odd;
	enum http1_event last;
};

static void put(struct told *t, const void *p, size_t len)
{
	assert_true(len < sizeof(t->text) - t->len);
	memcpy(t->text + t->len, p, len);
	t->len += len;
}

static void put_head(struct told *t, const struct http_head *h)
{
	put(t, h->method.p, h->method.len);
	put(t, "|", 1);
	put(t, h->target.p, h->target.len);
	put(t, "|", 1);
	put(t, h->version.p, h->version.len);
	for (uint32_t i = 0; i < h->fields; i++) {
		put(t, "|", 1);
		put(t, h->field[i].name.p, h->field[i].name.len);
		put(t, "=", 1);
		put(t, h->field[i].value.p, h->field[i].value.len);
	}
	put(t, "\n", 1);
}

static void feed(struct http1 *h, struct told *t, const uint8_t *p, const uint8_t *end)
{
	struct http_bytes body;
	enum http1_event e;

	while ((e = http1_next(h, &p, end, &body)) != HTTP1_MORE) {
		if (e == HTTP1_HEAD)
			put_head(t, &h->head);
		else if (e == HTTP1_BODY)
			put(t, body.p, body.len);
		t->last = e;
		if (e == HTTP1_END || e == HTTP1_BAD)
			return;
	}
}

// cut: bytes of the first piece; SIZE_MAX: every byte is one.
static void parse(const char *text, size_t len, size_t cut, struct told *t)
{
	static uint8_t buf[BUF];
	uint8_t *copy = malloc(len + 1);
	struct http1 h;
	enum http1_event e;

	memcpy(copy, text, len);
	t->len = 0;
	t->last = HTTP1_MORE;
	http1_init(&h, buf, sizeof(buf));
	if (cut == SIZE_MAX) {
		for (size_t i = 0; i < len; i++)
			feed(&h, t, copy + i, copy + i + 1);
	} else {
		feed(&h, t, copy, copy + cut);
		if (t->last != HTTP1_END && t->last != HTTP1_BAD)
			feed(&h, t, copy + cut, copy + len);
	}
	while ((e = http1_close(&h)) == HTTP1_HEAD)
		put_head(t, &h.head);
	t->last = e;
	for (uint32_t i = 0; i < h.head.fields; i++)
		put(t, h.head.field[i].name.p, h.head.field[i].name.len);
	t->odd = h.head.odd;
	t->text[t->len] = '\0';
	free(copy);
}

static struct told *all_ways(const char *text, size_t len)
{
	static struct told whole, other;

	parse(text, len, len, &whole);
	for (size_t cut = 0; cut < len; cut++) {
		parse(text, len, cut, &other);
		assert_int_equal(other.odd, whole.odd);
		assert_int_equal(other.last, whole.last);
		assert_int_equal(other.len, whole.len);
		assert_memory_equal(other.text, whole.text, whole.len);
	}
	parse(text, len, SIZE_MAX, &other);
	assert_int_equal(other.odd, whole.odd);
	assert_memory_equal(other.text, whole.text, whole.len);
	return &whole;
}

#define READ(text) all_ways(text, sizeof(text) - 1)
#define BIT(o)     (UINT64_C(1) << HTTP_ODD_##o)

#define GET "GET / HTTP/1.1\r\nHost: h\r\n"

static void reads_a_request_without_a_body(void **state)
{
	struct told *t = READ("GET /a?b=c HTTP/1.1\r\nHost: h\r\nX:  y \r\n\r\n");

	(void)state;
	assert_int_equal(t->odd, 0);
	assert_int_equal(t->last, HTTP1_END);
	assert_string_equal(t->text, "GET|/a?b=c|HTTP/1.1|Host=h|X=y\nHostX");
}

static void reads_a_body_of_a_length(void **state)
{
	struct told *t = READ("POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello");

	(void)state;
	assert_int_equal(t->odd, 0);
	assert_int_equal(t->last, HTTP1_END);
	assert_string_equal(t->text, "POST|/|HTTP/1.0|Content-Length=5\nhelloContent-Length");
}

static void takes_chunks_off(void **state)
{
	struct told *t = READ(GET "Transfer-Encoding: chunked\r\n\r\n"
				  "3\r\nabc\r\n0A\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n");

	(void)state;
	assert_int_equal(t->odd, 0);
	assert_int_equal(t->last, HTTP1_END);
	assert_string_equal(t->text, "GET|/|HTTP/1.1|Host=h|Transfer-Encoding=chunked\n"
				     "abc0123456789HostTransfer-EncodingX-T");
}

static void leaves_what_is_after_the_message(void **state)
{
	static const char text[] = GET "Content-Length: 2\r\n\r\nabGET";
	static uint8_t buf[BUF];
	const uint8_t *at = (const uint8_t *)text, *end = at + sizeof(text) - 1;
	struct http_bytes body;
	struct http1 h;
	enum http1_event e;

	(void)state;
	http1_init(&h, buf, sizeof(buf));
	while ((e = http1_next(&h, &at, end, &body)) != HTTP1_END)
		assert_int_not_equal(e, HTTP1_MORE);
	assert_int_equal(end - at, 3);
	assert_int_equal(http1_next(&h, &at, end, &body), HTTP1_END);
}

#define CHUNKED GET "Transfer-Encoding: chunked\r\n\r\n"

// Each kind of oddity, and nothing but it.
static const struct {
	const char *text;
	size_t len;
	uint64_t odd;
} odds[] = {
#define ODD(text, bits)                                                                            \
	{                                                                                          \
		text, sizeof(text) - 1, bits                                                       \
	}
	ODD("G@T / HTTP/1.1\r\nHost: h\r\n\r\n", BIT(METHOD)),
	ODD("GET /a\x7f HTTP/1.1\r\nHost: h\r\n\r\n", BIT(TARGET) | BIT(FIELD_VALUE)),
	ODD("GET /\xe9 HTTP/1.1\r\nHost: h\r\n\r\n", BIT(TARGET)),
	ODD("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", BIT(TARGET)),
	ODD("GET /\r\n\r\n", BIT(VERSION)),
	ODD("GET / HTTP/1.2\r\nHost: h\r\n\r\n", BIT(VERSION)),
	ODD("GET / http/1.1\r\nHost: h\r\n\r\n", BIT(VERSION)),
	ODD("GET  / HTTP/1.1\r\nHost: h\r\n\r\n", BIT(SPACE)),
	ODD("GET /  HTTP/1.1\r\nHost: h\r\n\r\n", BIT(SPACE)),
	ODD("GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", BIT(SPACE)),
	ODD("GET / HTTP/1.1 \r\nHost: h\r\n\r\n", BIT(SPACE)),
	ODD("GET / HTTP/1.1\nHost: h\r\n\r\n", BIT(BARE_LF)),
	ODD(GET "\n", BIT(BARE_LF)),
	ODD(GET "X: a\rb\r\n\r\n", BIT(BARE_CR)),
	ODD(GET "X: a\0b\r\n\r\n", BIT(NUL)),
	ODD(GET "X: a\r\n b\r\n\r\n", BIT(OBS_FOLD)),
	ODD(GET "X y: a\r\n\r\n", BIT(FIELD_NAME)),
	ODD(GET "X : a\r\n\r\n", BIT(FIELD_NAME)),
	ODD(GET ": a\r\n\r\n", BIT(FIELD_NAME)),
	ODD(GET "X: a\x01\r\n\r\n", BIT(FIELD_VALUE)),
	ODD(GET "X\r\n\r\n", BIT(NO_COLON)),
	ODD("\r\n" GET "\r\n", BIT(LEADING)),
	ODD("GET / HTTP/1.1\r\n X: y\r\nHost: h\r\n\r\n", BIT(LEADING) | BIT(FIELD_NAME)),
	ODD("GET / HTTP/1.1\r\n\r\n", BIT(NO_HOST)),
	ODD(GET "Host: i\r\n\r\n", BIT(NO_HOST)),
	ODD(GET "Content-Length: +5\r\n\r\n", BIT(CL_INVALID)),
	ODD(GET "Content-Length:\r\n\r\n", BIT(CL_INVALID)),
	ODD(GET "Content-Length: 2,\r\n\r\nab", BIT(CL_INVALID)),
	ODD(GET "Content-Length: 99999999999999999999\r\n\r\n", BIT(CL_INVALID)),
	ODD(GET "Content-Length: 2\r\nContent-Length: 2\r\n\r\nab", BIT(CL_REPEATED)),
	ODD(GET "Content-Length: 2, 2\r\n\r\nab", BIT(CL_REPEATED)),
	ODD(GET "Content-Length: 2\r\nContent-Length: 1\r\n\r\nab", BIT(CL_DIFFER)),
	ODD(GET "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BIT(CL_AND_TE)),
	ODD(GET "Transfer-Encoding: xchunked\r\n\r\n", BIT(TE_UNKNOWN) | BIT(TE_NOT_LAST)),
	ODD(GET "Transfer-Encoding: x, chunked\r\n\r\n0\r\n\r\n", BIT(TE_UNKNOWN)),
	ODD(GET "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", BIT(TE_UNKNOWN) | BIT(TE_NOT_LAST)),
	ODD(GET "Transfer-Encoding: gzip\r\n\r\n", BIT(TE_NOT_LAST)),
	ODD(GET "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", BIT(TE_NOT_LAST)),
	ODD(GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	    BIT(TE_NOT_LAST)),
	ODD("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BIT(TE_HTTP10)),
	ODD(CHUNKED " 1\r\na\r\n0\r\n\r\n", BIT(CHUNK_SIZE)),
	ODD(CHUNKED "1x\r\na\r\n0\r\n\r\n", BIT(CHUNK_SIZE) | BIT(CHUNK_EXT)),
	ODD(CHUNKED "0x1\r\n\r\n", BIT(CHUNK_SIZE) | BIT(CHUNK_EXT)),
	ODD(CHUNKED "1;x=y\r\na\r\n0\r\n\r\n", BIT(CHUNK_EXT)),
	ODD(CHUNKED "1\na\r\n0\r\n\r\n", BIT(BARE_LF)),
	ODD(CHUNKED "1\r\na\n0\r\n\r\n", BIT(BARE_LF)),
	ODD(CHUNKED "1;\rb\r\na\r\n0\r\n\r\n", BIT(CHUNK_EXT) | BIT(BARE_CR)),
	ODD(CHUNKED "1\r\nab\r\n0\r\n\r\n", BIT(CHUNK_END) | BIT(BODY_SHORT)),
	ODD(CHUNKED "1\r\na0\r\n\r\n", BIT(CHUNK_END)),
	ODD(CHUNKED "0\r\nContent-Length: 5\r\n\r\n", BIT(TRAILER)),
	ODD(CHUNKED "0\r\n X: y\r\n\r\n", BIT(LEADING) | BIT(FIELD_NAME)),
	ODD(CHUNKED "5\r\nabc", BIT(BODY_SHORT)),
	ODD(CHUNKED "0\r\nX: y", BIT(BODY_SHORT)),
	ODD(GET "Content-Length: 5\r\n\r\nabc", BIT(BODY_SHORT)),
#undef ODD
};

static void names_each_oddity(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(odds) / sizeof(odds[0]); i++) {
		struct told *t = all_ways(odds[i].text, odds[i].len);

		if (t->odd != odds[i].odd) {
			print_error("%.*s\n", (int)odds[i].len, odds[i].text);
			for (enum http_odd o = 0; o < HTTP_ODD_COUNT; o++)
				if ((t->odd >> o & 1) != 0)
					print_error("  %s\n", http_odd_name(o));
		}
		assert_int_equal(t->odd, odds[i].odd);
	}
}

static void reads_on_as_lenient_servers_do(void **state)
{
	(void)state;
	assert_string_equal(READ("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n")->text,
			    "GET|/a b|HTTP/1.1|Host=h\nHost");
	assert_string_equal(READ("GET / HTTP/1.1\nA : b\n c\nD\n\n")->text,
			    "GET|/|HTTP/1.1|A=b\n c|D=\nAD");
	assert_string_equal(READ("GET /x\n\n")->text, "GET|/x|\n");
	assert_string_equal(READ(GET "Content-Length: 1\r\nContent-Length: 3\r\n\r\nabc")->text,
			    "GET|/|HTTP/1.1|Host=h|Content-Length=1|Content-Length=3\nabc"
			    "HostContent-LengthContent-Length");
}

static void is_bad_where_nothing_can_be_read(void **state)
{
	(void)state;
	assert_int_equal(READ("")->last, HTTP1_BAD);
	assert_int_equal(READ("\r\n")->last, HTTP1_BAD);
	assert_int_equal(READ(CHUNKED "zz\r\n")->last, HTTP1_BAD);
	assert_int_equal(READ("garbage")->last, HTTP1_BAD);
	assert_int_equal(READ("\x16\x03\x01\x02 x\r\n\r\n")->last, HTTP1_BAD);
	assert_int_equal(READ("{\"a\": 1}\r\n\r\n")->last, HTTP1_BAD);
	assert_int_equal(READ("GET /\r\n\r\n")->last, HTTP1_END);
}

static void reads_a_head_without_an_end(void **state)
{
	struct told *t = READ("GET / HTTP/1.1\r\nHost: h");

	(void)state;
	assert_string_equal(t->text, "GET|/|HTTP/1.1|Host=h\nHost");
	assert_true((t->odd & BIT(BODY_SHORT)) != 0);
}

static void stops_at_more_fields_than_it_lists(void **state)
{
	static char text[8192];
	size_t n;
	struct told *t;

	(void)state;
	for (unsigned fields = HTTP_FIELDS_MAX; fields <= HTTP_FIELDS_MAX + 1; fields++) {
		n = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: h\r\n");
		for (unsigned i = 1; i < fields; i++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "a: b\r\n");
		n += (size_t)snprintf(text + n, sizeof(text) - n, "\r\n");
		t = all_ways(text, n);
		assert_int_equal(t->last, fields > HTTP_FIELDS_MAX ? HTTP1_BAD : HTTP1_END);
		assert_int_equal(t->odd, fields > HTTP_FIELDS_MAX ? BIT(TOO_MANY) : 0);
	}
}

static void stops_at_a_head_longer_than_its_buffer(void **state)
{
	uint8_t buf[64];
	struct http_bytes body;
	struct http1 h;

	(void)state;
	for (size_t extra = 0; extra < 2; extra++) {
		char text[128];
		// The empty line ends at the last byte of the buffer, or one after it.
		int n = snprintf(text, sizeof(text), "GET /%0*d HTTP/1.1\r\nHost: h\r\n\r\n",
				 (int)(64 - 5 - 11 - 9 - 2 + extra), 0);
		const uint8_t *at = (const uint8_t *)text, *end = at + n;

		http1_init(&h, buf, sizeof(buf));
		assert_int_equal(http1_next(&h, &at, end, &body), HTTP1_HEAD);
		assert_int_equal(http_is_odd(&h.head, HTTP_ODD_TOO_LONG), extra > 0);
		assert_int_equal(http1_next(&h, &at, end, &body),
				 extra > 0 ? HTTP1_BAD : HTTP1_END);
	}
}

static void folds_no_line_into_the_section_before(void **state)
{
	struct told *t = READ(CHUNKED "0\r\n x\r\n\r\n");

	(void)state;
	assert_int_equal(t->odd & BIT(OBS_FOLD), 0);
	assert_true((t->odd & BIT(LEADING)) != 0);
}

static void names_all(void **state)
{
	(void)state;
	for (enum http_odd o = 0; o < HTTP_ODD_COUNT; o++)
		assert_non_null(http_odd_name(o));
	assert_string_equal(http_odd_name(HTTP_ODD_COUNT), "?");
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// Twice the bytes must not take much more than twice the time.
static double time_of(const char *begin, char c, size_t len)
{
	char *text = malloc(len + 64);
	uint8_t *buf = malloc(len + 64);
	size_t n = strlen(begin);
	const uint8_t *at = (uint8_t *)text, *end;
	struct http_bytes body;
	struct http1 h;
	double start;

	memcpy(text, begin, n);
	memset(text + n, c, len);
	end = at + n + len;
	http1_init(&h, buf, (uint32_t)(len + 64));
	start = seconds();
	for (;;) {
		enum http1_event e = http1_next(&h, &at, end, &body);

		if (e == HTTP1_MORE || e == HTTP1_BAD || e == HTTP1_END)
			break;
	}
	http1_close(&h);
	start = seconds() - start;
	free(text);
	free(buf);
	return start;
}

static void takes_linear_time(void **state)
{
	static const char *const begin[] = {"", "GET ", "GET / HTTP/1.1\r\n",
					    "GET / HTTP/1.1\r\nA: ", CHUNKED};
	static const char runs[] = " \t\r\n:;,0a";

	(void)state;
	for (size_t b = 0; b < sizeof(begin) / sizeof(begin[0]); b++)
		for (const char *c = runs; *c != '\0'; c++)
			assert_true(time_of(begin[b], *c, 1 << 20) < 1.0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_request_without_a_body),
		cmocka_unit_test(reads_a_body_of_a_length),
		cmocka_unit_test(takes_chunks_off),
		cmocka_unit_test(leaves_what_is_after_the_message),
		cmocka_unit_test(names_each_oddity),
		cmocka_unit_test(reads_on_as_lenient_servers_do),
		cmocka_unit_test(is_bad_where_nothing_can_be_read),
		cmocka_unit_test(reads_a_head_without_an_end),
		cmocka_unit_test(stops_at_more_fields_than_it_lists),
		cmocka_unit_test(stops_at_a_head_longer_than_its_buffer),
		cmocka_unit_test(folds_no_line_into_the_section_before),
		cmocka_unit_test(names_all),
		cmocka_unit_test(takes_linear_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
