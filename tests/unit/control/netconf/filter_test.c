// SPDX-License-Identifier: BSD-3-Clause
//
// Each kind of filter element of RFC 6241 section 6.2, by what XPath it becomes for sluiced and by what
// it leaves of a configuration.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "control/netconf/filter.h"
#include "control/netconf/monitor.h"
#include "control/netconf/print.h"
#include "tests/unit/control/netconf/models.h"

#define LB "xmlns=\"urn:sluice:yang:lb\""
#define IF "xmlns=\"urn:ietf:params:xml:ns:yang:ietf-interfaces\""

static const char *const config =
	"{\"sluice-lb:load-balancers\":{\"load-balancer\":["
	"{\"name\":\"lb\",\"flow-table\":{\"size\":4096},\"pools\":{\"pool\":["
	"{\"name\":\"p1\",\"on-server-down\":\"keep\",\"servers\":{\"server\":["
	"{\"name\":\"s1\",\"address\":\"10.0.0.1\",\"port\":80},"
	"{\"name\":\"s2\",\"address\":\"fd00::2\",\"port\":81,\"weight\":3}]}},"
	"{\"name\":\"p2\"}]}},"
	"{\"name\":\"lb2\",\"timeouts\":{\"udp\":5000}}]},"
	"\"ietf-interfaces:interfaces\":{\"interface\":["
	"{\"name\":\"up\",\"type\":\"sluice-port:af-xdp\",\"sluice-port:port\":{\"owner\":\"lb\"}},"
	"{\"name\":\"m0\",\"type\":\"sluice-port:memif\",\"sluice-port:port\":{\"owner\":\"lb2\","
	"\"prefix\":[\"10.1.0.0/16\",\"fd01::/64\"]}}]}}";

static void expect(const char *filter, const char *want)
{
	struct lyd_node *tree = NULL;
	struct ncd_buf xml = {0}, out = {0};
	xmlDocPtr doc;

	ncd_buf_fmt(&xml, "<filter>%s</filter>", filter);
	doc = parse(xml.data);
	assert_non_null(doc);
	assert_int_equal(lyd_parse_data_mem(models.ctx, config, LYD_JSON,
					    LYD_PARSE_ONLY | LYD_PARSE_STRICT, 0, &tree),
			 LY_SUCCESS);
	ncd_filter_apply(models.ctx, xmlDocGetRootElement(doc), tree);
	ncd_buf_str(&out, "");
	ncd_print(tree, true, false, &out);
	assert_string_equal(out.data, want);
	lyd_free_all(tree);
	xmlFreeDoc(doc);
	ncd_buf_fini(&xml);
	ncd_buf_fini(&out);
}

static void expect_paths(const char *filter, const char *want)
{
	json_t *paths = json_array(), *errs = json_array(), *p;
	struct ncd_buf xml = {0}, out = {0};
	bool skipped;
	xmlDocPtr doc;
	size_t i;

	ncd_buf_fmt(&xml, "<filter>%s</filter>", filter);
	doc = parse(xml.data);
	assert_non_null(doc);
	assert_int_equal(ncd_filter_paths(models.ctx, xmlDocGetRootElement(doc),
					  ncd_monitor_modules, &skipped, paths, errs),
			 0);
	ncd_buf_str(&out, "");
	json_array_foreach(paths, i, p) ncd_buf_fmt(&out, "%s\n", json_string_value(p));
	assert_string_equal(out.data, want);
	xmlFreeDoc(doc);
	json_decref(paths);
	json_decref(errs);
	ncd_buf_fini(&xml);
	ncd_buf_fini(&out);
}

#define P1_SERVERS                                                                                 \
	"<servers><server><name>s1</name><address>10.0.0.1</address><port>80</port></server>"      \
	"<server><name>s2</name><address>fd00::2</address><port>81</port><weight>3</weight>"       \
	"</server></servers>"
#define UP                                                                                         \
	"<interface><name>up</name><type xmlns:sp=\"urn:sluice:yang:port\">sp:af-xdp</type>"       \
	"<port xmlns=\"urn:sluice:yang:port\"><owner>lb</owner></port></interface>"

static void an_empty_filter_selects_nothing(void **state)
{
	expect("", "");
	expect_paths("", "");
}

static void selection_takes_all_below(void **state)
{
	expect("<interfaces " IF "><interface><name/></interface></interfaces>",
	       "<interfaces " IF "><interface><name>up</name></interface>"
	       "<interface><name>m0</name></interface></interfaces>");
	expect("<load-balancers " LB
	       "><load-balancer><flow-table/></load-balancer></load-balancers>",
	       "<load-balancers " LB "><load-balancer><name>lb</name><flow-table><size>4096</size>"
	       "</flow-table></load-balancer></load-balancers>");
	// White space inside is still an empty element.
	expect("<interfaces " IF "><interface><name>  </name></interface></interfaces>",
	       "<interfaces " IF "><interface><name>up</name></interface>"
	       "<interface><name>m0</name></interface></interfaces>");
}

static void content_match_alone_takes_all_siblings(void **state)
{
	expect("<interfaces " IF "><interface><name>up</name></interface></interfaces>",
	       "<interfaces " IF ">" UP "</interfaces>");
	expect("<interfaces " IF "><interface><name> up\n</name></interface></interfaces>",
	       "<interfaces " IF ">" UP "</interfaces>");
	expect("<interfaces " IF "><interface><name>nix</name></interface></interfaces>", "");
}

static void every_content_match_must_hold(void **state)
{
	expect("<load-balancers " LB "><load-balancer><pools><pool><servers><server>"
	       "<name>s2</name><port>81</port></server></servers></pool></pools></load-balancer>"
	       "</load-balancers>",
	       "<load-balancers " LB "><load-balancer><name>lb</name><pools><pool><name>p1</name>"
	       "<servers><server><name>s2</name><address>fd00::2</address><port>81</port>"
	       "<weight>3</weight></server></servers></pool></pools></load-balancer></load-balancers>");
	expect("<load-balancers " LB "><load-balancer><pools><pool><servers><server>"
	       "<name>s2</name><port>80</port></server></servers></pool></pools></load-balancer>"
	       "</load-balancers>",
	       "");
}

static void content_match_beside_selection_limits_to_it(void **state)
{
	expect("<load-balancers " LB "><load-balancer><name>lb</name><pools><pool>"
	       "<on-server-down>keep</on-server-down><servers/></pool></pools></load-balancer>"
	       "</load-balancers>",
	       "<load-balancers " LB "><load-balancer><name>lb</name><pools><pool><name>p1</name>"
	       "<on-server-down>keep</on-server-down>" P1_SERVERS
	       "</pool></pools></load-balancer></load-balancers>");
	// The content match holds, what is beside it does not exist: the match itself is selected.
	expect("<load-balancers " LB "><load-balancer><name>lb</name><timeouts/></load-balancer>"
	       "</load-balancers>",
	       "<load-balancers " LB "><load-balancer><name>lb</name></load-balancer>"
	       "</load-balancers>");
}

static void containment_without_a_find_is_left_out(void **state)
{
	expect("<load-balancers " LB "><load-balancer><services><service><name/></service>"
	       "</services></load-balancer></load-balancers>",
	       "");
	expect("<load-balancers " LB "><load-balancer><name><x/></name></load-balancer>"
	       "</load-balancers>",
	       "");
}

static void values_are_compared_in_canonical_form(void **state)
{
	const char *want =
		"<load-balancers " LB "><load-balancer><name>lb</name><pools><pool><name>p1</name>"
		"<servers><server><name>s2</name><address>fd00::2</address></server></servers>"
		"</pool></pools></load-balancer></load-balancers>";

	expect("<load-balancers " LB "><load-balancer><pools><pool><servers><server><name/>"
	       "<address>FD00:0:0::2</address></server></servers></pool></pools></load-balancer>"
	       "</load-balancers>",
	       want);
	expect("<interfaces " IF
	       "><interface><type xmlns:x=\"urn:sluice:yang:port\">x:af-xdp</type>"
	       "</interface></interfaces>",
	       "<interfaces " IF ">" UP "</interfaces>");
	expect("<interfaces " IF "><interface><type>af-xdp</type></interface></interfaces>", "");
}

static void a_leaf_list_matches_by_any_value(void **state)
{
	expect("<interfaces " IF "><interface><port xmlns=\"urn:sluice:yang:port\">"
	       "<prefix>fd01:0::/64</prefix><owner/></port></interface></interfaces>",
	       "<interfaces " IF "><interface><name>m0</name><port xmlns=\"urn:sluice:yang:port\">"
	       "<owner>lb2</owner><prefix>fd01::/64</prefix></port></interface></interfaces>");
}

static void namespaces_tell_names_apart(void **state)
{
	expect("<interfaces xmlns=\"urn:sluice:yang:lb\"/>", "");
	expect("<interfaces xmlns=\"urn:x\"/>", "");
	expect("<interfaces " IF "><interface><name>up</name><port/></interface></interfaces>",
	       "<interfaces " IF "><interface><name>up</name></interface></interfaces>");
	expect("<a:interfaces xmlns:a=\"urn:ietf:params:xml:ns:yang:ietf-interfaces\">"
	       "<a:interface><a:name>up</a:name></a:interface></a:interfaces>",
	       "<interfaces " IF ">" UP "</interfaces>");
}

static void no_namespace_means_any(void **state)
{
	expect("<interfaces><interface><name>up</name><port><owner/></port></interface></interfaces>",
	       "<interfaces " IF "><interface><name>up</name><port xmlns=\"urn:sluice:yang:port\">"
	       "<owner>lb</owner></port></interface></interfaces>");
	expect_paths("<interfaces/>", "/ietf-interfaces:interfaces\n");
	expect_paths("<netconf-state/>", "");
}

static void an_attribute_must_be_in_the_data(void **state)
{
	expect("<interfaces " IF
	       "><interface color=\"red\"><name>up</name></interface></interfaces>",
	       "");
	expect("<interfaces " IF " wd:default=\"true\" "
	       "xmlns:wd=\"urn:ietf:params:xml:ns:netconf:default:1.0\"/>",
	       "");
}

static void several_filters_add_up(void **state)
{
	expect("<load-balancers " LB "><load-balancer><name>lb2</name></load-balancer>"
	       "<load-balancer><name>lb</name><flow-table/></load-balancer></load-balancers>",
	       "<load-balancers " LB "><load-balancer><name>lb</name><flow-table><size>4096</size>"
	       "</flow-table></load-balancer><load-balancer><name>lb2</name><timeouts><udp>5000</udp>"
	       "</timeouts></load-balancer></load-balancers>");
	// The narrower one takes nothing away from the wider.
	expect("<interfaces " IF "><interface><name>up</name></interface><interface>"
	       "<name>up</name><type/></interface></interfaces>",
	       "<interfaces " IF ">" UP "</interfaces>");
}

#define PRE "/sluice-lb:load-balancers/sluice-lb:load-balancer"

static void keys_become_predicates(void **state)
{
	expect_paths("<load-balancers " LB "><load-balancer><name> lb </name></load-balancer>"
		     "</load-balancers>",
		     PRE "[sluice-lb:name='lb']\n");
	expect_paths(
		"<load-balancers " LB "><load-balancer><name>lb</name><pools><pool>"
		"<name>p1</name></pool></pools></load-balancer></load-balancers>",
		PRE
		"[sluice-lb:name='lb']/sluice-lb:pools/sluice-lb:pool[sluice-lb:name='p1']\n" PRE
		"[sluice-lb:name='lb']/sluice-lb:name\n");
	// A name that no load balancer can have.
	expect_paths("<load-balancers " LB "><load-balancer><name>a b</name></load-balancer>"
		     "</load-balancers>",
		     "");
}

static void other_content_matches_need_the_node_whole(void **state)
{
	expect_paths(
		"<load-balancers " LB "><load-balancer><pools><pool><name>p1</name>"
		"<on-server-down>keep</on-server-down><servers/></pool></pools></load-balancer>"
		"</load-balancers>",
		PRE "/sluice-lb:pools/sluice-lb:pool[sluice-lb:name='p1']\n" PRE
		    "/sluice-lb:name\n");
}

static void quotes_in_keys_cannot_break_out(void **state)
{
	expect_paths("<interfaces " IF
		     "><interface><name>a'] | //*['</name></interface></interfaces>",
		     "/ietf-interfaces:interfaces/ietf-interfaces:interface"
		     "[ietf-interfaces:name=\"a'] | //*['\"]\n");
	expect_paths("<interfaces " IF "><interface><name>a'\"</name></interface></interfaces>",
		     "/ietf-interfaces:interfaces/ietf-interfaces:interface\n");
}

static void too_many_paths_become_one(void **state)
{
	struct ncd_buf b = {0};

	ncd_buf_str(&b, "<interfaces " IF ">");
	for (int i = 0; i <= NCD_FILTER_PATHS_MAX; i++)
		ncd_buf_fmt(&b, "<interface><name>i%d</name></interface>", i);
	ncd_buf_str(&b, "</interfaces><load-balancers " LB "/>");
	expect_paths(b.data, "/ietf-interfaces:interfaces\n/sluice-lb:load-balancers\n");
	ncd_buf_fini(&b);
}

static void text_beside_elements_is_no_filter(void **state)
{
	xmlDocPtr doc = parse("<filter><interfaces " IF ">x<interface/></interfaces></filter>");
	json_t *paths = json_array(), *errs = json_array();
	bool skipped;

	assert_true(ncd_filter_paths(models.ctx, xmlDocGetRootElement(doc), ncd_monitor_modules,
				     &skipped, paths, errs) < 0);
	assert_int_equal(json_array_size(errs), 1);
	xmlFreeDoc(doc);
	json_decref(paths);
	json_decref(errs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_filter_selects_nothing),
		cmocka_unit_test(selection_takes_all_below),
		cmocka_unit_test(content_match_alone_takes_all_siblings),
		cmocka_unit_test(every_content_match_must_hold),
		cmocka_unit_test(content_match_beside_selection_limits_to_it),
		cmocka_unit_test(containment_without_a_find_is_left_out),
		cmocka_unit_test(values_are_compared_in_canonical_form),
		cmocka_unit_test(a_leaf_list_matches_by_any_value),
		cmocka_unit_test(namespaces_tell_names_apart),
		cmocka_unit_test(no_namespace_means_any),
		cmocka_unit_test(an_attribute_must_be_in_the_data),
		cmocka_unit_test(several_filters_add_up),
		cmocka_unit_test(keys_become_predicates),
		cmocka_unit_test(other_content_matches_need_the_node_whole),
		cmocka_unit_test(quotes_in_keys_cannot_break_out),
		cmocka_unit_test(too_many_paths_become_one),
		cmocka_unit_test(text_beside_elements_is_no_filter),
	};

	return cmocka_run_group_tests(tests, load_models, free_models);
}
