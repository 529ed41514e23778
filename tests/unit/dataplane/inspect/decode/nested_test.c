// SPDX-License-Identifier: BSD-3-Clause
//
// Texts of another format in a value, compressed ones, and several encodings on top of each other.

#include "tests/unit/dataplane/inspect/decode/tree.h"

#include "dataplane/inspect/decode/decode.h"

static bool is_named(const char *text, const char *name)
{
	const struct inspect_node *n = find(text);

	return n != NULL && n->name.len == strlen(name) &&
	       memcmp(n->name.p, name, n->name.len) == 0;
}

static void splits_a_form(void **state)
{
	(void)state;
	reads("a=1&name=%27+or+1%3D1&b=2", DECODE_FORM, "' or 1=1");
	assert_true(is_named("' or 1=1", "name"));
	comes_to("q[$ne]=abcdefghi", "q[$ne]");
	keeps_off("1 = 1 & 2 = 2", DECODE_FORM);
	keeps_off("a==b", DECODE_FORM);
	keeps_off("x=", DECODE_FORM);
}

static void splits_json(void **state)
{
	(void)state;
	reads("{\"id\":7,\"name\":\"x' or 'a'='a\"}", DECODE_JSON, "x' or 'a'='a");
	assert_true(is_named("x' or 'a'='a", "/name"));
	assert_int_equal(find("x' or 'a'='a")->place, PLACE_JSON);
	comes_to("[\"<script>\"]", "<script>");
	comes_to("{\"@type\":\"com.example.Type\"}", "@type");
	comes_to("{\"a\":\"{\\\"b\\\":\\\"<script>\\\"}\"}", "<script>");
	keeps_off("[1, 2, 3]", DECODE_JSON);
	keeps_off("{name}", DECODE_JSON);
	keeps_off("[see note] \"x\"", DECODE_JSON);
}

static void splits_xml(void **state)
{
	(void)state;
	reads("<?xml version=\"1.0\"?><q><id>1' or '1'='1</id></q>", DECODE_XML, "1' or '1'='1");
	reads("<soap:Body><id>1' or '1'='1</id></soap:Body>", DECODE_XML, "1' or '1'='1");
	keeps_off("<p>Patient is <b>stable</b></p>", DECODE_XML);
	keeps_off("<script>alert(1)</script>", DECODE_XML);
	keeps_off("<5 and >3", DECODE_XML);
}

static void splits_a_url(void **state)
{
	(void)state;
	reads("http://h/p/a?x=1&q=%3Cscript%3E", DECODE_URL, "<script>");
	reads("/p/a?q=<script>", DECODE_URL, "<script>");
	keeps_off("and/or", DECODE_URL);
	keeps_off("/plain/path", DECODE_URL);
}

static void splits_what_php_wrote(void **state)
{
	(void)state;
	reads("a:2:{i:0;s:8:\"<script>\";s:1:\"k\";s:9:\"';\"}drop \";}", DECODE_PHP_SERIAL,
	      "<script>");
	comes_to("a:2:{i:0;s:8:\"<script>\";s:1:\"k\";s:9:\"';\"}drop \";}", "';\"}drop ");
	comes_to("O:3:\"Foo\":1:{s:1:\"x\";s:11:\"/etc/passwd\";}", "/etc/passwd");
	keeps_off("a:2 and b:3", DECODE_PHP_SERIAL);
	keeps_off("s:99:\"short\";", DECODE_PHP_SERIAL);
}

static void inflates_as_far_as_bounds_allow(void **state)
{
	// "<script>alert(1)</script>"
	static const uint8_t gz[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03,
				     0xb3, 0x29, 0x4e, 0x2e, 0xca, 0x2c, 0x28, 0xb1, 0x4b, 0xcc,
				     0x49, 0x2d, 0x2a, 0xd1, 0x30, 0xd4, 0xb4, 0xd1, 0x87, 0x0a,
				     0x00, 0x00, 0x76, 0xee, 0x26, 0xfe, 0x19, 0x00, 0x00, 0x00};
	static const uint8_t zl[] = {0x78, 0x9c, 0xb3, 0x29, 0x4e, 0x2e, 0xca, 0x2c, 0x28, 0xb1,
				     0x4b, 0xcc, 0x49, 0x2d, 0x2a, 0xd1, 0x30, 0xd4, 0xb4, 0xd1,
				     0x87, 0x0a, 0x00, 0x00, 0x75, 0xf3, 0x08, 0xe8};

	(void)state;
	grow_at(PLACE_BODY, gz, sizeof(gz));
	assert_non_null(find("<script>alert(1)</script>"));
	assert_int_equal(find("<script>alert(1)</script>")->decoder, DECODE_GZIP);
	grow_at(PLACE_BODY, zl, sizeof(zl));
	assert_non_null(find("<script>alert(1)</script>"));
	assert_int_equal(find("<script>alert(1)</script>")->decoder, DECODE_DEFLATE);
	grow_at(PLACE_BODY, gz, sizeof(gz) - 12); // cut
	assert_int_not_equal(in->nodes, 1);
	grow_at(PLACE_BODY, "x\x9cno deflate at all", 19);
	for (uint16_t i = 0; i < in->nodes; i++)
		assert_int_not_equal(in->node[i].decoder, DECODE_DEFLATE);
}

static void undoes_three_layers(void **state)
{
	(void)state;
	comes_to("%2526lt%253Bscript%2526gt%253B", "<script>");
	comes_to("JTI1M0NzY3JpcHQlMjUzRQ==", "<script>");
	comes_to("\\u0025\\u0033\\u0043script%3E", "<script>");
	comes_to("{\"d\":\"PHNjcmlwdD4=\"}", "<script>");
	comes_to("data=%7B%22a%22%3A%22%26lt%3Bscript%26gt%3B%22%7D", "<script>");
	comes_to("http://h/?q=%7B%22a%22%3A%22%5Cu003cscript%5Cu003e%22%7D", "<script>");
	comes_to("UEhOamNtbHdkRDQ9", "<script>");
	comes_to("&#x25;3Cscript&#x25;3E", "<script>");
	comes_to("%uff1cscript%uff1e", "<script>");
	comes_to("3c7363726970743e253343", "<script>%3C");
	comes_to("eyJ4IjoiLi4vLi4vZXRjL3Bhc3N3ZCJ9", "../../etc/passwd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(splits_a_form),
		cmocka_unit_test(splits_json),
		cmocka_unit_test(splits_xml),
		cmocka_unit_test(splits_a_url),
		cmocka_unit_test(splits_what_php_wrote),
		cmocka_unit_test(inflates_as_far_as_bounds_allow),
		cmocka_unit_test(undoes_three_layers),
	};

	return cmocka_run_group_tests(tests, tree_create, tree_destroy);
}
