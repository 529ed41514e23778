// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/message/body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct body_form form;

static enum body_kind kind(const char *type, const char *text)
{
	static struct http_head h;

	h.fields = 0;
	if (type != NULL)
		h.field[h.fields++] =
			(struct http_field){{(const uint8_t *)"Content-Type", 12},
					    {(const uint8_t *)type, (uint32_t)strlen(type)}};
	body_kind(&h, (const uint8_t *)text, strlen(text), &form);
	return form.kind;
}

static void goes_by_the_type(void **state)
{
	(void)state;
	assert_int_equal(kind("application/x-www-form-urlencoded", "a b"), BODY_FORM);
	assert_int_equal(kind("Application/JSON;charset=utf-8", "1"), BODY_JSON);
	assert_int_equal(kind("application/fhir+json", "x"), BODY_JSON);
	assert_int_equal(kind("text/xml", "x"), BODY_XML);
	assert_int_equal(kind("application/soap+xml", "x"), BODY_XML);
	assert_int_equal(kind("application/graphql", "query"), BODY_GRAPHQL);
	assert_false(form.raw);
	assert_int_equal(kind("application/octet-stream", "x"), BODY_RAW);
	assert_true(form.raw);
	assert_int_equal(kind(NULL, "x"), BODY_RAW);
	assert_int_equal(kind(NULL, ""), BODY_RAW);
}

static void goes_by_the_look_where_the_type_lies(void **state)
{
	(void)state;
	assert_int_equal(kind("application/x-www-form-urlencoded", " {\"a\":1}"), BODY_JSON);
	assert_int_equal(kind("text/plain", "[{\"a\":1}]"), BODY_JSON);
	assert_int_equal(kind(NULL, "\xef\xbb\xbf{}"), BODY_JSON);
	assert_int_equal(kind("application/json", "<?xml version='1.0'?><a/>"), BODY_XML);
	assert_int_equal(kind(NULL, "<!DOCTYPE a><a/>"), BODY_XML);
	assert_true(form.raw);
	assert_int_equal(kind("text/html", "<p>a</p>"), BODY_XML);
	assert_true(form.raw);
	assert_int_equal(kind("text/plain", "a=b&c=d"), BODY_FORM);
	assert_int_equal(kind("text/plain", "--x\r\nContent-Disposition: form-data\r\n\r\n"),
			 BODY_MULTIPART);
}

static void text_that_only_begins_so_is_none(void **state)
{
	(void)state;
	assert_int_equal(kind("text/plain", "{x} is a set"), BODY_RAW);
	assert_int_equal(kind("text/plain", "[x]"), BODY_RAW);
	assert_int_equal(kind("text/plain", "< 5"), BODY_RAW);
	assert_int_equal(kind("text/plain", "-- a comment\r\n"), BODY_RAW);
	assert_int_equal(kind("text/plain", "p <= q"), BODY_RAW);
	assert_int_equal(kind("text/plain", "{"), BODY_RAW);
}

static void boundary_is(const char *type, const char *text, const char *want)
{
	assert_int_equal(kind(type, text), BODY_MULTIPART);
	assert_int_equal(form.boundary_len, strlen(want));
	assert_memory_equal(form.boundary, want, strlen(want));
}

static void finds_the_boundary(void **state)
{
	(void)state;
	boundary_is("multipart/form-data; boundary=abc", "--abc\r\n", "abc");
	boundary_is("multipart/form-data; boundary=--FormBoundary1", "----FormBoundary1\r\n",
		    "--FormBoundary1");
	assert_false(form.raw);
	boundary_is("multipart/form-data; BOUNDARY = \"a b;c\" ; x=y", "--a b;c\r\n", "a b;c");
	boundary_is("multipart/form-data;boundary=abc;x", "--abc\r\n", "abc");
	boundary_is("multipart/mixed;boundary=abc,x", "--abc\r\n", "abc");
	// The one that stands there, where the type has another or none.
	boundary_is("multipart/form-data; boundary=abc",
		    "--def\r\nContent-Disposition: form-data\r\n\r\n", "def");
	boundary_is("multipart/form-data", "--def\nContent-Type: a/b\r\n\r\n", "def");
	boundary_is("multipart/form-data; boundary=a; boundary=b", "--a\r\n", "a");
	assert_true(form.raw);
	assert_int_equal(kind("multipart/form-data", "a"), BODY_RAW);
}

static bool unknown(const char *name)
{
	static struct http_head h;

	h.fields = 1;
	h.field[0] = (struct http_field){{(const uint8_t *)"Content-Encoding", 16},
					 {(const uint8_t *)name, (uint32_t)strlen(name)}};
	return body_coding_unknown(&h);
}

static void tells_codings_that_it_cannot_undo(void **state)
{
	(void)state;
	assert_false(unknown(""));
	assert_false(unknown("gzip"));
	assert_false(unknown("identity, X-GZIP,deflate"));
	assert_false(unknown("gzip,"));
	assert_true(unknown("br"));
	assert_true(unknown("gzip, zstd"));
	assert_true(unknown("gzip2"));
}

static enum body_coding coding(const char *name, const char *text, size_t len)
{
	static struct http_head h;

	h.fields = 0;
	if (name != NULL)
		h.field[h.fields++] =
			(struct http_field){{(const uint8_t *)"Content-Encoding", 16},
					    {(const uint8_t *)name, (uint32_t)strlen(name)}};
	return body_coding(&h, (const uint8_t *)text, len);
}

static void tells_how_it_is_coded(void **state)
{
	(void)state;
	assert_int_equal(coding(NULL, "\x1f\x8b\x08", 3), CODING_GZIP);
	assert_int_equal(coding("gzip", "\x1f\x8b\x08", 3), CODING_GZIP);
	assert_int_equal(coding("gzip", "abc", 3), CODING_NONE);
	assert_int_equal(coding("Deflate", "\x78\x9c\x03", 3), CODING_DEFLATE);
	assert_int_equal(coding("br", "abc", 3), CODING_NONE);
	assert_int_equal(coding("deflate", "", 0), CODING_DEFLATE);
	assert_int_equal(coding(NULL, "\x1f\x8b", 2), CODING_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_by_the_type),
		cmocka_unit_test(goes_by_the_look_where_the_type_lies),
		cmocka_unit_test(text_that_only_begins_so_is_none),
		cmocka_unit_test(finds_the_boundary),
		cmocka_unit_test(tells_how_it_is_coded),
		cmocka_unit_test(tells_codings_that_it_cannot_undo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
