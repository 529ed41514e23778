// SPDX-License-Identifier: BSD-3-Clause
//
// Base64 and hexadecimal: undone where text comes out, left alone where it is a session, a hash, a word.

#include "tests/unit/dataplane/inspect/decode/tree.h"

#include "dataplane/inspect/decode/decode.h"

static void undoes_base64_in_each_spelling(void **state)
{
	(void)state;
	reads("PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==", DECODE_BASE64, "<script>alert(1)</script>");
	reads("PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg", DECODE_BASE64, "<script>alert(1)</script>");
	reads("PHNjcmlw\r\ndD5hbGVy\r\ndCgxKTwv\r\nc2NyaXB0\r\nPg==\r\n", DECODE_BASE64,
	      "<script>alert(1)</script>");
	reads("Pz4_Pj8-YQ", DECODE_BASE64URL, "?>?>?>a");
	reads("Pz4/Pj8 YQ==", DECODE_BASE64, "?>?>?>a"); // a form took the plus for a blank
	reads("JChpZCk=", DECODE_BASE64, "$(id)");
	comes_to("UEhOamNtbHdkRDQ9", "<script>"); // twice
}

static void finds_base64_beside_other_text(void **state)
{
	(void)state;
	reads("data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==", DECODE_BASE64,
	      "<script>alert(1)</script>");
	reads("Basic YWRtaW46JyBvciAxPTEtLQ==", DECODE_BASE64, "admin:' or 1=1--");
	reads("eval(base64_decode('c3lzdGVtKCdpZCcpOw=='));", DECODE_BASE64, "system('id');");
	reads("echo L2Jpbi9jYXQgL2V0Yy9wYXNzd2Q= | base64 -d | sh", DECODE_BASE64,
	      "/bin/cat /etc/passwd");
	reads("eyJhbGciOiJub25lIn0.eyJzdWIiOiInIG9yIDE9MSJ9.", DECODE_BASE64,
	      "{\"sub\":\"' or 1=1\"}");
	grow_at(PLACE_PATH, "/files/PCEtLSNleGVjIGNtZD0iaWQiLS0-", 35);
	assert_non_null(find("<!--#exec cmd=\"id\"-->"));
	grow_at(PLACE_PATH, "/PD9waHAgZXZhbCgxKT8/Pj4+", 25); // its own slash
	assert_non_null(find("<?php eval(1)?\?>>>"));
}

static void undoes_base64_of_known_formats(void **state)
{
	(void)state;
	grow("rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcA==");
	assert_int_equal(in->node[1].decoder, DECODE_BASE64);
	assert_memory_equal(in->node[1].p, "\xac\xed\x00\x05sr", 6);
}

static void leaves_words_and_identifiers_alone(void **state)
{
	static const char *const values[] = {
		"undefined",
		"patient",
		"Observation",
		"encounter",
		"appointment-list",
		"zh-CN",
		"true",
		"550e8400-e29b-41d4-a716-446655440000",
		"d41d8cd98f00b204e9800998ecf8427e",
		"8843d7f92416211de9ebb963ff4ce28125932878",
		"13800138000",
		"20261125091500",
		"1700000000000",
		"xA3kP9qL2vN8wB5tY7zR",
		"GA1.2.1234567890.1700000000",
		"Z9mK2pQ7sT4vX1yB",
		"AQICAHh9ZzE4OGY2",
		"/static/js/vendor/bundle.min.js",
		"/api/v1/patients/12345/observations",
		"The patient was seen on Monday",
		"image/webp",
		"gzip",
		"keep-alive",
		"XMLHttpRequest",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		stays(values[i]);
}

static void refuses_base64_that_is_not_clean(void **state)
{
	(void)state;
	keeps_off("PHNjcmlwdD5h=GVydCgxKQ==", DECODE_BASE64);
	keeps_off("PHNjcmlwdD5hb", DECODE_BASE64); // one character too many
	keeps_off("PHNjcmlwdD5hbGV===", DECODE_BASE64);
	keeps_off("Pz4_Pj8+YQ==", DECODE_BASE64);
	keeps_off("Pz4_Pj8+YQ==", DECODE_BASE64URL); // both alphabets
}

static void undoes_hexadecimal_text(void **state)
{
	(void)state;
	reads("3c7363726970743e", DECODE_HEX, "<script>");
	reads("0x3C7363726970743E", DECODE_HEX, "<script>");
	keeps_off("d41d8cd98f00b204e9800998ecf8427e", DECODE_HEX);
	keeps_off("3c7363726970743e0", DECODE_HEX);
	keeps_off("3c7363726970743z", DECODE_HEX);
	keeps_off("0x", DECODE_HEX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(undoes_base64_in_each_spelling),
		cmocka_unit_test(finds_base64_beside_other_text),
		cmocka_unit_test(undoes_base64_of_known_formats),
		cmocka_unit_test(leaves_words_and_identifiers_alone),
		cmocka_unit_test(refuses_base64_that_is_not_clean),
		cmocka_unit_test(undoes_hexadecimal_text),
	};

	return cmocka_run_group_tests(tests, tree_create, tree_destroy);
}
