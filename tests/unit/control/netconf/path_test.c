// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "control/netconf/path.h"
#include "tests/unit/control/netconf/models.h"

#define LB   "xmlns:slb=\"urn:sluice:yang:lb\""
#define IF   "xmlns:if=\"urn:ietf:params:xml:ns:yang:ietf-interfaces\""
#define PORT "xmlns:sp=\"urn:sluice:yang:port\""

static void to_xml(const char *path, const char *want)
{
	struct ncd_buf b = {0};

	ncd_path_to_xml(models.ctx, path, "p", &b);
	assert_string_equal(b.data, want);
	ncd_buf_fini(&b);
}

static void gives_every_step_its_prefix(void **state)
{
	to_xml("/sluice-lb:load-balancers/load-balancer[name='lb']/pools",
	       "<p " LB ">/slb:load-balancers/slb:load-balancer[slb:name='lb']/slb:pools</p>");
	to_xml("/sluice-lb:load-balancers/sluice-lb:load-balancer[sluice-lb:name=\"lb\"]",
	       "<p " LB ">/slb:load-balancers/slb:load-balancer[slb:name=&quot;lb&quot;]</p>");
	to_xml("/ietf-interfaces:interfaces/interface[name='a']/sluice-port:port/owner",
	       "<p " IF " " PORT ">/if:interfaces/if:interface[if:name='a']/sp:port/sp:owner</p>");
}

static void leaves_quoted_text_alone(void **state)
{
	to_xml("/sluice-lb:load-balancers/load-balancer[name='a/b[c]:sluice-port:d']/pools",
	       "<p " LB ">/slb:load-balancers/slb:load-balancer"
	       "[slb:name='a/b[c]:sluice-port:d']/slb:pools</p>");
	to_xml("/sluice-lb:load-balancers/load-balancer[name='<&']",
	       "<p " LB ">/slb:load-balancers/slb:load-balancer[slb:name='&lt;&amp;']</p>");
	to_xml("/sluice-lb:load-balancers/load-balancer[name='open",
	       "<p " LB ">/slb:load-balancers/slb:load-balancer[slb:name='open</p>");
}

static void writes_leaf_list_values_and_positions(void **state)
{
	to_xml("/sluice-lb:a[.='10.0.0.1']/b[3]", "<p " LB ">/slb:a[.='10.0.0.1']/slb:b[3]</p>");
}

static void keeps_what_no_module_explains(void **state)
{
	to_xml("/no-such-module:a/b", "<p>/no-such-module:a/b</p>");
	to_xml("/a/b", "<p>/a/b</p>");
	to_xml("", "<p></p>");
	to_xml("/:[]'", "<p>/:[]'</p>");
}

static void from_xml(const char *select, int rc, const char *want)
{
	xmlDocPtr doc = parse("<f " LB " xmlns:q=\"urn:sluice:yang:port\" xmlns:none=\"urn:x\"/>");
	char *out = NULL, *bad = NULL;

	assert_non_null(doc);
	assert_int_equal(
		ncd_path_from_xml(models.ctx, select, xmlDocGetRootElement(doc), &out, &bad), rc);
	assert_string_equal(rc == 0 ? out : bad, want);
	free(out);
	free(bad);
	xmlFreeDoc(doc);
}

static void reads_prefixes_as_they_are_declared(void **state)
{
	from_xml("/slb:a/slb:b[slb:name='slb:x']/q:c", 0,
		 "/sluice-lb:a/sluice-lb:b[sluice-lb:name='slb:x']/sluice-port:c");
	from_xml("//slb:*|/child::slb:a", 0, "//sluice-lb:*|/child::sluice-lb:a");
	from_xml("/a[count(slb:b)>1]", 0, "/a[count(sluice-lb:b)>1]");
	from_xml("", 0, "");
}

static void names_a_prefix_that_leads_nowhere(void **state)
{
	from_xml("/slb:a/nix:b", -ENOKEY, "nix");
	from_xml("/none:a", -ENOKEY, "none");
}

static void quotes_what_can_be_quoted(void **state)
{
	struct ncd_buf b = {0};

	assert_true(ncd_path_quote(&b, "a"));
	assert_true(ncd_path_quote(&b, "a'b"));
	assert_false(ncd_path_quote(&b, "a'b\"c"));
	assert_string_equal(b.data, "'a'\"a'b\"");
	ncd_buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_every_step_its_prefix),
		cmocka_unit_test(leaves_quoted_text_alone),
		cmocka_unit_test(writes_leaf_list_values_and_positions),
		cmocka_unit_test(keeps_what_no_module_explains),
		cmocka_unit_test(reads_prefixes_as_they_are_declared),
		cmocka_unit_test(names_a_prefix_that_leads_nowhere),
		cmocka_unit_test(quotes_what_can_be_quoted),
	};

	return cmocka_run_group_tests(tests, load_models, free_models);
}
