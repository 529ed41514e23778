// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/netconf/buf.h"
#include "control/netconf/xml.h"

static int try(const char *text, size_t len)
{
	xmlDocPtr doc = NULL;
	char why[256] = "";
	int rc = ncd_xml_parse(text, len, &doc, why, sizeof(why));

	if (rc == 0)
		xmlFreeDoc(doc);
	else
		assert_true(why[0] != '\0');
	return rc;
}

static void takes_plain_messages(void **state)
{
	static const char *const good[] = {
		"<a/>",
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a>&lt;&amp;&#65;</a>",
		"\xEF\xBB\xBF<a/>", // a byte order mark
		"<a xmlns:x=\"u\" x:y=\"1\"><!-- c --><?p i?><![CDATA[<>]]></a>",
		"<a>\xE6\xB5\x81\xE9\x87\x8F</a>",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(try(good[i], strlen(good[i])), 0);
}

static void refuses_what_is_not_well_formed(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"<a>",
		"<a></b>",
		"<a/><b/>",
		"x",
		"<a b=\"1\" b=\"2\"/>",
		"<x:a/>", // undeclared prefix
		"<a x:b=\"1\"/>",
		"<a>&nbsp;</a>",   // undeclared entity
		"<a>\xC3\x28</a>", // no UTF-8
		"<a>\xFF</a>",
		"<a>\xED\xA0\x80</a>", // a surrogate
		"<a>\x01</a>",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(try(bad[i], strlen(bad[i])), -EBADMSG);
	assert_int_equal(try("<a>\0</a>", 8), -EBADMSG);
}

static void refuses_any_doctype(void **state)
{
	static const char *const bad[] = {
		"<!DOCTYPE a><a/>",
		"<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
		"<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><a>&e;</a>",
		("<!DOCTYPE a [<!ENTITY l \"lol\"><!ENTITY m \"&l;&l;&l;&l;&l;&l;&l;&l;\">"
		 "<!ENTITY n \"&m;&m;&m;&m;&m;&m;&m;&m;\">]><a>&n;</a>"),
		"<!DOCTYPE a [<!ENTITY % p SYSTEM \"http://127.0.0.1/x\">%p;]><a/>",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(try(bad[i], strlen(bad[i])), -EBADMSG);
}

static void refuses_deep_nesting(void **state)
{
	struct ncd_buf b = {0};

	for (int i = 0; i < 100000; i++)
		ncd_buf_str(&b, "<a>");
	for (int i = 0; i < 100000; i++)
		ncd_buf_str(&b, "</a>");
	assert_int_equal(try(b.data, b.len), -EBADMSG);
	ncd_buf_fini(&b);
}

static void reads_text_across_its_pieces(void **state)
{
	const char *text = "<a> x<!-- c -->y<![CDATA[<z>]]> </a>";
	xmlDocPtr doc = NULL;
	char why[64], *got;

	assert_int_equal(ncd_xml_parse(text, strlen(text), &doc, why, sizeof(why)), 0);
	got = ncd_xml_text(xmlDocGetRootElement(doc), true);
	assert_string_equal(got, "xy<z>");
	free(got);
	got = ncd_xml_text(xmlDocGetRootElement(doc), false);
	assert_string_equal(got, " xy<z> ");
	free(got);
	xmlFreeDoc(doc);
}

static void escapes_so_that_it_reads_back(void **state)
{
	struct ncd_buf b = {0};

	ncd_buf_xml(&b, "a<b>&\"c\"\r\n\x01");
	assert_string_equal(b.data, "a&lt;b&gt;&amp;&quot;c&quot;&#13;\n\xEF\xBF\xBD");
	ncd_buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_plain_messages),
		cmocka_unit_test(refuses_what_is_not_well_formed),
		cmocka_unit_test(refuses_any_doctype),
		cmocka_unit_test(refuses_deep_nesting),
		cmocka_unit_test(reads_text_across_its_pieces),
		cmocka_unit_test(escapes_so_that_it_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
