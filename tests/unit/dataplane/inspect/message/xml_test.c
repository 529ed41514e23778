// SPDX-License-Identifier: BSD-3-Clause

#include "tests/unit/dataplane/inspect/message/record.h"

static const char *xml(const char *text)
{
	return record_whole(split_xml, text, strlen(text));
}

static void names_text_and_attributes_by_their_path(void **state)
{
	(void)state;
	assert_string_equal(record_same(split_xml,
					"<a b=\"c\"><d>e</d>f<g h='i' /><d> <k>l</k></d>m</a>\n",
					12),
			    "xml-attribute:/a/@b=c\nxml:/a/d=e\nxml:/a=f\n"
			    "xml-attribute:/a/g/@h=i\nxml:/a/d/k=l\nxml:/a=m\n");
	assert_false(state_of.odd);
}

static void undoes_entities(void **state)
{
	(void)state;
	assert_string_equal(xml("<a b='&#39;&quot;'>&lt;x&gt; &#60;&#x3C; &amp;amp; &none; &</a>"),
			    "xml-attribute:/a/@b='\"\nxml:/a=<x> << &amp; &none; &\n");
}

static void joins_text_with_its_cdata(void **state)
{
	(void)state;
	assert_string_equal(
		record_same(split_xml, "<a>al<![CDATA[er<t&lt;]]><!-- no -->t<?p q?>(1)</a>", 52),
		"xml:/a=aler<t&lt;t(1)\nxml-markup:=<!-- no -->\nxml-markup:=<?p q?>\n");
	assert_false(state_of.odd);
	assert_string_equal(xml("<a><![CDATA[]]></a>"), "");
	assert_string_equal(xml("<a><![CDATA[x"), "xml:/a=x\n");
	assert_true(state_of.odd);
}

static void gives_the_prolog_as_a_whole(void **state)
{
	(void)state;
	assert_string_equal(
		record_same(split_xml,
			    "<?xml version='1.0'?>\n<!DOCTYPE a [<!-- ' --><!ENTITY b \"]>\">]>"
			    "<a>&b;</a>",
			    66),
		"xml-markup:=<?xml version='1.0'?>\n<!DOCTYPE a [<!-- ' --><!ENTITY b \"]>\">]>\n"
		"xml:/a=&b;\n");
	assert_false(state_of.odd);
	assert_string_equal(xml("<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///x'"),
			    "xml-markup:=<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///x'\n");
	assert_true(state_of.odd);
	assert_string_equal(xml("<a/><!DOCTYPE b>"), "xml-markup:=<!DOCTYPE b>\n");
}

static void reads_what_is_not_well_formed(void **state)
{
	static const struct {
		const char *text, *gives;
	} cases[] = {
		{"<p>a < b</p>", "xml:/p=a < b\n"},
		{"<p a=b c>d", "xml-attribute:/p/@a=b\nxml:/p=d\n"},
		{"<p>a</p></p>b", "xml:/p=a\nxml:=b\n"},
		{"<p a='b", "xml-attribute:/p/@a=b\n"},
		{"<p a=b>c</q></r>", "xml-attribute:/p/@a=b\nxml:/p=c\n"},
		{"text <p>a</p>", "xml-markup:=text \nxml:/p=a\n"},
		{"<p <q>a</q>", "xml:/p/q=a\n"},
		{"no xml", "xml-markup:=no xml\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_string_equal(xml(cases[i].text), cases[i].gives);
		assert_true(state_of.odd);
	}
}

static void reads_values_longer_than_the_window(void **state)
{
	(void)state;
	record_long(split_xml, "<a><b>", "</b><c>last</c></a>");
	assert_non_null(strstr(record, "~xml:/a/b="));
	assert_non_null(strstr(record, "\nxml:/a/c=last\n"));
	assert_false(state_of.odd);
	record_long(split_xml, "<a b=\"", "\"><c>last</c></a>");
	assert_non_null(strstr(record, "~xml-attribute:/a/@b="));
	assert_non_null(strstr(record, "\nxml:/a/c=last\n"));
	assert_false(state_of.odd);
	record_long(split_xml, "<a><![CDATA[<x y='z'>", "]]><c>last</c></a>");
	assert_non_null(strstr(record, "\nxml:/a/c=last\n"));
	record_long(split_xml, "<!DOCTYPE a [<!ENTITY b '", "'>]><a>last</a>");
	record_long(split_xml, "<a><!--", "--><c>last</c></a>");
}

static void reads_at_any_depth(void **state)
{
	char *text = malloc(400001);

	(void)state;
	for (size_t i = 0; i < 400000; i += 4)
		memcpy(text + i, "<ab>", 4);
	memcpy(text + 399980, "deep</ab></ab></ab>.", 20);
	record_windows(split_xml, text, 400000, WINDOW_MAX);
	assert_non_null(strstr(record, "=deep\n"));
	free(text);
}

static void takes_linear_time(void **state)
{
	static const char *const begins[] = {
		"", "<a>", "<a b='", "<a ", "<!DOCTYPE a [", "<a><![CDATA[", "<a><!--", "<?"};
	static const char *const turns[] = {"<",     ">",         "/",         "&",
					    "'",     "\"",        "=",         "!",
					    "?",     "-",         "]",         "[",
					    " ",     "a",         "<a",        "</",
					    "<a>",   "<!",        "<?",        "<!--",
					    "-->",   "<![CDATA[", "]]>",       "&#x",
					    "&#60;", "a=",        "a='b' ",    "<a b='c'>",
					    "<!\"",  "\xff",      "x<!--y-->", "<![CDATA[x]]>"};

	(void)state;
	for (size_t b = 0; b < sizeof(begins) / sizeof(begins[0]); b++)
		for (size_t t = 0; t < sizeof(turns) / sizeof(turns[0]); t++)
			record_run(split_xml, begins[b], turns[t]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_text_and_attributes_by_their_path),
		cmocka_unit_test(undoes_entities),
		cmocka_unit_test(joins_text_with_its_cdata),
		cmocka_unit_test(gives_the_prolog_as_a_whole),
		cmocka_unit_test(reads_what_is_not_well_formed),
		cmocka_unit_test(reads_values_longer_than_the_window),
		cmocka_unit_test(reads_at_any_depth),
		cmocka_unit_test(takes_linear_time),
	};

	return cmocka_run_group_tests(tests, record_create, record_destroy);
}
