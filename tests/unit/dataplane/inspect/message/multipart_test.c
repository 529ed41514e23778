// SPDX-License-Identifier: BSD-3-Clause

#include "tests/unit/dataplane/inspect/message/record.h"

static const char *boundary = "b";

static size_t parse(struct split *s, struct split_state *state, const uint8_t *p, size_t len,
		    enum split_end end)
{
	struct http_bytes b = {(const uint8_t *)boundary, (uint32_t)strlen(boundary)};

	return split_multipart(s, state, b, p, len, end);
}

static const char *parts(const char *text)
{
	return record_whole(parse, text, strlen(text));
}

#define FIELD "--b\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n"
#define UPLOAD(file)                                                                               \
	"--b\r\nContent-Disposition: form-data; name=\"f\"; filename=" file                        \
	"\r\nContent-Type: image/png\r\n\r\n"

static void gives_fields_and_files(void **state)
{
	(void)state;
	assert_string_equal(
		record_same(parse,
			    FIELD "one\r\ntwo\r\n" UPLOAD("\"a.png\"") "\x89PNG\r\n--b--\r\n", 90),
		"form-name:f=f\nform:f=one\r\ntwo\nform-name:f=f\nfile-name:f=a.png\n"
		"content-type:Content-Type=image/png\nfile:a.png=\x89PNG\n");
	assert_false(state_of.odd);
}

static void is_lenient_as_servers_are(void **state)
{
	static const struct {
		const char *text, *gives;
	} cases[] = {
		// Bare LF, blanks behind a boundary
		{"--b \nContent-Disposition: form-data; name=f\n\nx\n--b--",
		 "form-name:f=f\nform:f=x\n"},
		{"--b;\nContent-Disposition: form-data; name=f\n\nx\n--b--",
		 "form-name:f=f\nform:f=x\n"},
		// No last boundary
		{FIELD "x", "form-name:f=f\nform:f=x\n"},
		// Text before the first part and after the last one, and a part behind that
		{"pre\r\n" FIELD "x\r\n--b--", "body:=pre\r\n\nform-name:f=f\nform:f=x\n"},
		{FIELD "x\r\n--b--post", "form-name:f=f\nform:f=x\nbody:=post\n"},
		{FIELD "x\r\n--b--\r\n" FIELD "y",
		 "form-name:f=f\nform:f=x\nform-name:f=f\nform:f=y\n"},
		// A part without headers, without an end of them, without a name
		{"--b\r\n\r\nx\r\n--b--", "form:=x\n"},
		{"--b\r\nX: y\r\n--b--", "header:X=y\n"},
		{"--b\r\nX: y", "header:X=y\n"},
		{"--b\r\nno colon\r\n\r\nx\r\n--b--", "header:=no colon\r\n\nform:=x\n"},
		{"no parts", "body:=no parts\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		parts(cases[i].text);
		assert_string_equal(record, cases[i].gives);
		assert_int_equal(state_of.odd, i > 0);
	}
}

static void gives_every_name_that_is_claimed(void **state)
{
	(void)state;
	parts("--b\r\nContent-Disposition: form-data; name=\"x\"; filename=\"1.php\"\r\n"
	      "content-disposition : form-data; NAME='y'; filename*=UTF-8''2%2ephp\r\n\r\nz\r\n--b--");
	assert_non_null(strstr(record, "=x\n"));
	assert_non_null(strstr(record, "=y\n"));
	assert_non_null(strstr(record, "file-name:x=1.php\n"));
	assert_non_null(strstr(record, "file-name:y=2%2ephp\n"));
	assert_non_null(strstr(record, "file:2%2ephp=z\n"));
	assert_true(state_of.odd);
}

static void reads_names_in_any_spelling(void **state)
{
	static const struct {
		const char *name, *gives;
	} cases[] = {
		{"\"a\\\"b.php\"", "file-name:f=a\\\"b.php\n"},
		{"a.php", "file-name:f=a.php\n"},
		{"'a;b.php'", "file-name:f=a;b.php\n"},
		{"\"a.php", "file-name:f=a.php\n"},
		{"\r\n \"a.php\"", "file-name:f=a.php\n"},
		{" \"C:\\x\\a.php\"", "file-name:f=C:\\x\\a.php\n"},
		{"\"\"", "file:=x\n"},
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(
			text, sizeof(text),
			"--b\r\nContent-Disposition: form-data; name=f; filename=%s\r\n\r\nx\r\n--b--",
			cases[i].name);
		parts(text);
		if (strstr(record, cases[i].gives) == NULL)
			print_error("%s", record);
		assert_non_null(strstr(record, cases[i].gives));
	}
}

static void reads_parts_that_are_documents(void **state)
{
	(void)state;
	assert_string_equal(parts("--b\r\nContent-Type: application/dicom\r\n\r\nx\r\n--b--"),
			    "content-type:Content-Type=application/dicom\nfile:=x\n");
	assert_false(state_of.odd);
	parts("--b\r\nContent-ID: y\r\n\r\nx\r\n--b--");
	assert_true(state_of.odd);
}

static void undoes_quoted_printable(void **state)
{
	(void)state;
	parts("--b\r\nContent-Disposition: form-data; name=f\r\nContent-Transfer-Encoding: "
	      "Quoted-Printable\r\n\r\n=3cx=\r\ny=3=\n=\r\n--b--");
	assert_non_null(strstr(record, "\nform:f==3cx=\r\ny=3=\n=\n"));
	assert_non_null(strstr(record, "\nform:f=<xy=3=\n"));
}

static void takes_only_whole_boundaries_at_line_starts(void **state)
{
	(void)state;
	boundary = "--bb";
	assert_string_equal(
		parts("----bb\r\nContent-Disposition: a; name=f\r\n\r\nx----bb\r\n--bb\r\n----b\r\n----bb--"),
		"form-name:f=f\nform:f=x----bb\r\n--bb\r\n----b\n");
	boundary = "b";
}

static void reads_files_longer_than_the_window(void **state)
{
	(void)state;
	record_long(parse, UPLOAD("\"a.png\""), "\r\n" FIELD "last\r\n--b--");
	assert_non_null(strstr(record, "~file:a.png="));
	assert_non_null(strstr(record, "\nform:f=last\n"));
	assert_false(state_of.odd);
	record_long(parse, FIELD, "\r\n" FIELD "last\r\n--b--");
	assert_non_null(strstr(record, "\nform:f=last\n"));
}

// The end of the window falls on each byte of a boundary.
static void finds_boundaries_across_windows(void **state)
{
	static char text[WINDOW_MAX + 200];

	(void)state;
	boundary = "0123456789";
	for (size_t at = WINDOW_MAX - 20; at < WINDOW_MAX + 4; at++) {
		static const char begin[] =
			"--0123456789\r\nContent-Disposition: a; name=f\r\n\r\n";
		size_t n = sizeof(begin) - 1;

		memcpy(text, begin, n);
		memset(text + n, 'x', at - n);
		strcpy(text + at, "\r\n--0123456789\r\nContent-Disposition: a; name=g\r\n\r\nlast"
				  "\r\n--0123456789--\r\n");
		record_windows(parse, text, strlen(text), WINDOW_MAX);
		assert_non_null(strstr(record, "\nform:g=last\n"));
		assert_false(state_of.odd);
	}
	boundary = "b";
}

static void takes_linear_time(void **state)
{
	static const char *const begins[] = {"", "--b\r\n", "--b\r\nContent-Disposition: a; ",
					     FIELD, UPLOAD("\"x\"")};
	static const char *const turns[] = {
		"-",       "\n",  "\r\n", "--b", "\n--",      "\n--b",       "\n--b\n",
		"\n--b--", ";",   "\"",   "\\",  "=",         "name=",       "name=\"a\";",
		"X: y\n",  "\n ", ":",    "a",   "\n--b\n\n", "filename*=''"};

	(void)state;
	for (size_t b = 0; b < sizeof(begins) / sizeof(begins[0]); b++)
		for (size_t t = 0; t < sizeof(turns) / sizeof(turns[0]); t++)
			record_run(parse, begins[b], turns[t]);
	boundary = "--------------------------------------------------------------------";
	record_run(parse, "", "-");
	record_run(parse, "", "\n-");
	boundary = "b";
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_fields_and_files),
		cmocka_unit_test(is_lenient_as_servers_are),
		cmocka_unit_test(gives_every_name_that_is_claimed),
		cmocka_unit_test(reads_names_in_any_spelling),
		cmocka_unit_test(reads_parts_that_are_documents),
		cmocka_unit_test(undoes_quoted_printable),
		cmocka_unit_test(takes_only_whole_boundaries_at_line_starts),
		cmocka_unit_test(reads_files_longer_than_the_window),
		cmocka_unit_test(finds_boundaries_across_windows),
		cmocka_unit_test(takes_linear_time),
	};

	return cmocka_run_group_tests(tests, record_create, record_destroy);
}
