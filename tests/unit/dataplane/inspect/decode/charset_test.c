// SPDX-License-Identifier: BSD-3-Clause
//
// Characters in other forms, and bytes that two readers take for two things.

#include "tests/unit/dataplane/inspect/decode/tree.h"

#include "dataplane/inspect/decode/decode.h"

static void undoes_overlong_utf8(void **state)
{
	(void)state;
	reads("..\xc0\xaf..\xe0\x80\xafx", DECODE_OVERLONG, "../../x");
	reads("\xf0\x80\x80\xbc"
	      "b\xc0\xbe",
	      DECODE_OVERLONG, "<b>");
	reads("..\xc0/..\xc1\x1cx", DECODE_OVERLONG,
	      "../..\\x"); // bits of the second byte not looked at
	comes_to("%c0%ae%c0%ae%c0%af", "../");
}

static void leaves_well_formed_text_alone(void **state)
{
	(void)state;
	stays("\xe6\x82\xa3\xe8\x80\x85\xef\xbc\x9a\xe5\xbc\xa0\xe4\xb8\x89\xef\xbc\x8c\xef\xbc\x88\xe7\x94\xb7\xef\xbc\x89"); // wide colon, comma, parentheses
	stays("na\xc3\xafve \xe2\x80\x9cquoted\xe2\x80\x9d O\xe2\x80\x99"
	      "Brien \xf0\x9f\x98\x80");
	stays("20\xc2\xb5g/l \xe2\x89\xa4 5 \xc3\x97 10\xe2\x81\xb9");
}

static void brings_wide_signs_back_to_ascii(void **state)
{
	(void)state;
	reads("\xef\xbc\x9cscript\xef\xbc\x9e", DECODE_UTF8_BROKEN, "<script>");
	reads("\xef\xbc\x87 or 1\xef\xbc\x9d"
	      "1",
	      DECODE_UTF8_BROKEN, "' or 1=1");
	reads("\xca\xbc or 1", DECODE_UTF8_BROKEN, "' or 1");
	reads("\xef\xbd\x93\xef\xbd\x85lect", DECODE_UTF8_BROKEN, "select");
}

static void drops_bytes_that_are_no_utf8(void **state)
{
	(void)state;
	reads("<scr\xff"
	      "ipt>",
	      DECODE_UTF8_BROKEN, "<script>");
	reads("\xbf' or 1=1", DECODE_UTF8_BROKEN, "' or 1=1");
	reads("\xe6\x82' x", DECODE_UTF8_BROKEN, "' x");
}

static void reads_gbk_as_gbk(void **state)
{
	(void)state;
	reads("\xbf\\' or 1=1", DECODE_GBK,
	      "\xbf\xdc' or 1=1"); // the backslash is half of a character
	reads("\xa3\xbcscript\xa3\xbe", DECODE_GBK, "<script>");
	reads("\x81\x30\x81\x30'", DECODE_GBK, "\x81\xb0\x81\xb0'"); // four bytes
	keeps_off("\xbf' or", DECODE_GBK);                           // no second byte
	stays("\xbb\xbc\xd5\xdf\xa3\xba\xd5\xc5\xc8\xfd\xa3\xac\xa3\xa8\xc4\xd0\xa3\xa9"); // a patient's name
}

static void undoes_utf16(void **state)
{
	(void)state;
	grow_at(PLACE_BODY, "<\0b\0>\0", 6);
	assert_non_null(find("<b>"));
	assert_int_equal(find("<b>")->decoder, DECODE_UTF16);
	grow_at(PLACE_BODY, "\xfe\xff\0<\0b\0>", 8);
	assert_non_null(find("<b>"));
	grow_at(PLACE_BODY, "\xff\xfe<\0b\0>\0=\xd8\0\xde", 12);
	assert_non_null(find("<b>\xf0\x9f\x98\x80"));
	comes_to("PABzAGMAcgBpAHAAdAA+AA==", "<script>"); // as PowerShell wants its Base64
}

static void undoes_utf7(void **state)
{
	(void)state;
	reads("+ADw-script+AD4-alert(1)", DECODE_UTF7, "<script>alert(1)");
	reads("+ACIAPgA8-b", DECODE_UTF7, "\"><b");
	stays("+49 30 123456");
	stays("+ABC and C++A");
	stays("1+A1+AAA");
}

static void cuts_at_zero_bytes_and_drops_them(void **state)
{
	(void)state;
	grow_at(PLACE_QUERY, "file.php\0.jpg", 13);
	assert_non_null(find("file.php"));
	assert_non_null(find("file.php.jpg"));
	comes_to("<scr%00ipt>", "<script>");
	grow_at(PLACE_FILE, "GIF89a\0\1\1\0\xf0<b%25", 15); // a picture, no text
	assert_int_equal(in->nodes, 1);
	grow_at(PLACE_FORM, "GIF89a\0\1\1\0\xf0<b%25", 15); // a value is one whatever is in it
	assert_non_null(find("GIF89a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(undoes_overlong_utf8),
		cmocka_unit_test(leaves_well_formed_text_alone),
		cmocka_unit_test(brings_wide_signs_back_to_ascii),
		cmocka_unit_test(drops_bytes_that_are_no_utf8),
		cmocka_unit_test(reads_gbk_as_gbk),
		cmocka_unit_test(undoes_utf16),
		cmocka_unit_test(undoes_utf7),
		cmocka_unit_test(cuts_at_zero_bytes_and_drops_them),
	};

	return cmocka_run_group_tests(tests, tree_create, tree_destroy);
}
