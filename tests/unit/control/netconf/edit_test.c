// SPDX-License-Identifier: BSD-3-Clause
//
// <config> to JSON, and each refusal with its tag, path and info (RFC 7950 section 8.3.1).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "control/netconf/edit.h"
#include "control/netconf/error.h"
#include "tests/unit/control/netconf/models.h"

#define LB    "xmlns=\"urn:sluice:yang:lb\""
#define IF    "xmlns=\"urn:ietf:params:xml:ns:yang:ietf-interfaces\""
#define NC    "xmlns:nc=\"urn:ietf:params:xml:ns:netconf:base:1.0\""
#define WD    "xmlns:wd=\"urn:ietf:params:xml:ns:netconf:default:1.0\""
#define OPEN  "<load-balancers " LB " " NC " " WD "><load-balancer><name>lb</name>"
#define CLOSE "</load-balancer></load-balancers>"

static int convert(const char *config, bool operations, struct ncd_edit *e, json_t *errs,
		   xmlDocPtr *doc)
{
	struct ncd_buf xml = {0};

	ncd_buf_fmt(&xml, "<config>%s</config>", config);
	*doc = parse(xml.data);
	ncd_buf_fini(&xml);
	assert_non_null(*doc);
	return ncd_edit_from_xml(models.ctx, xmlDocGetRootElement(*doc), operations, e, errs);
}

static void gives(const char *config, const char *want)
{
	json_t *errs = json_array();
	struct ncd_edit e;
	xmlDocPtr doc;
	char *got;

	assert_int_equal(convert(config, true, &e, errs, &doc), 0);
	got = json_dumps(e.config, JSON_COMPACT);
	assert_string_equal(got, want);
	assert_int_equal(json_array_size(errs), 0);
	free(got);
	ncd_edit_fini(&e);
	json_decref(errs);
	xmlFreeDoc(doc);
}

// The error, as XML without its message.
static void refuses_as(const char *config, bool operations, const char *tag, const char *path,
		       const char *info)
{
	json_t *errs = json_array(), *err;
	struct ncd_edit e;
	xmlDocPtr doc;
	char *got;

	assert_int_not_equal(convert(config, operations, &e, errs, &doc), 0);
	assert_int_equal(json_array_size(errs), 1);
	err = json_array_get(errs, 0);
	assert_string_equal(json_string_value(json_object_get(err, "error-tag")), tag);
	if (path == NULL)
		assert_null(json_object_get(err, "error-path"));
	else
		assert_string_equal(json_string_value(json_object_get(err, "error-path")), path);
	assert_true(json_string_length(json_object_get(err, "error-message")) > 0);
	got = json_object_get(err, "error-info") == NULL
		      ? strdup("")
		      : json_dumps(json_object_get(err, "error-info"), JSON_COMPACT);
	assert_string_equal(got, info);
	free(got);
	json_decref(errs);
	xmlFreeDoc(doc);
}

static void refuses(const char *config, const char *tag, const char *path, const char *info)
{
	refuses_as(config, true, tag, path, info);
}

static void writes_each_type_as_rfc_7951_does(void **state)
{
	gives(OPEN "<flow-table><size> 4096 </size></flow-table><services><service><name>s</name>"
		   "<address>FD00::1</address><port>80</port><protocol>tcp</protocol>"
		   "<enabled>false</enabled></service></services>" CLOSE,
	      "{\"sluice-lb:load-balancers\":{\"load-balancer\":[{\"name\":\"lb\","
	      "\"flow-table\":{\"size\":4096},\"services\":{\"service\":[{\"name\":\"s\","
	      "\"address\":\"fd00::1\",\"port\":80,\"protocol\":\"tcp\",\"enabled\":false}]}}]}}");
}

static void resolves_identities_by_prefix(void **state)
{
	gives("<interfaces " IF "><interface><name>up</name>"
	      "<type xmlns:x=\"urn:sluice:yang:port\">x:af-xdp</type>"
	      "<port xmlns=\"urn:sluice:yang:port\"><owner>lb</owner><prefix>10.0.0.0/8</prefix>"
	      "<prefix>fd00::/16</prefix></port></interface></interfaces>",
	      "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"up\","
	      "\"type\":\"sluice-port:af-xdp\",\"sluice-port:port\":{\"owner\":\"lb\","
	      "\"prefix\":[\"10.0.0.0/8\",\"fd00::/16\"]}}]}}");
	refuses("<interfaces " IF "><interface><name>up</name><type>af-xdp</type></interface>"
		"</interfaces>",
		"invalid-value",
		"/ietf-interfaces:interfaces/ietf-interfaces:interface[ietf-interfaces:name='up']"
		"/ietf-interfaces:type",
		"");
}

static void passes_operations_on(void **state)
{
	gives("<load-balancers " LB " " NC "><load-balancer nc:operation=\"replace\">"
	      "<name>lb</name><flow-table nc:operation=\"remove\"/><timeouts>"
	      "<udp nc:operation=\"create\">5000</udp></timeouts></load-balancer></load-balancers>",
	      "{\"sluice-lb:load-balancers\":{\"load-balancer\":[{\"@\":{\"ietf-netconf:operation\":"
	      "\"replace\"},\"name\":\"lb\",\"flow-table\":{\"@\":{\"ietf-netconf:operation\":"
	      "\"remove\"}},\"timeouts\":{\"udp\":5000,\"@udp\":{\"ietf-netconf:operation\":"
	      "\"create\"}}}]}}");
}

static void marks_of_a_leaf_list_stand_beside_it(void **state)
{
	gives("<interfaces " IF " " NC "><interface><name>m</name>"
	      "<port xmlns=\"urn:sluice:yang:port\"><prefix>10.0.0.0/8</prefix>"
	      "<prefix nc:operation=\"delete\">11.0.0.0/8</prefix><prefix>12.0.0.0/8</prefix></port>"
	      "</interface></interfaces>",
	      "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"m\",\"sluice-port:port\":"
	      "{\"prefix\":[\"10.0.0.0/8\",\"11.0.0.0/8\",\"12.0.0.0/8\"],"
	      "\"@prefix\":[null,{\"ietf-netconf:operation\":\"delete\"}]}}]}}");
}

static void a_leaf_to_delete_may_come_without_value(void **state)
{
	const char *present = "{\"sluice-lb:load-balancers\":{\"load-balancer\":[{\"name\":\"lb\","
			      "\"timeouts\":{\"udp\":7000}}]}}";
	json_t *errs = json_array(), *have = json_loads(present, 0, NULL);
	struct ncd_edit e;
	xmlDocPtr doc;
	char *got;

	assert_int_equal(convert(OPEN
				 "<timeouts><udp nc:operation=\"delete\"/>"
				 "<tcp-syn nc:operation=\"remove\"></tcp-syn></timeouts>" CLOSE,
				 true, &e, errs, &doc),
			 0);
	assert_int_equal(e.gap_count, 2);
	assert_string_equal(e.gaps[0].path,
			    "/sluice-lb:load-balancers/sluice-lb:load-balancer[sluice-lb:name='lb']"
			    "/sluice-lb:timeouts/sluice-lb:udp");
	assert_int_equal(ncd_edit_fill(models.ctx, &e, have, errs), 0);
	got = json_dumps(e.config, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(got,
			    "{\"sluice-lb:load-balancers\":{\"load-balancer\":[{\"name\":\"lb\","
			    "\"timeouts\":{\"@udp\":{\"ietf-netconf:operation\":\"delete\"},"
			    "\"udp\":7000}}]}}");
	free(got);
	ncd_edit_fini(&e);
	xmlFreeDoc(doc);
	json_decref(have);

	have = json_object();
	assert_int_equal(convert(OPEN "<timeouts><udp nc:operation=\"delete\"/></timeouts>" CLOSE,
				 true, &e, errs, &doc),
			 0);
	assert_int_not_equal(ncd_edit_fill(models.ctx, &e, have, errs), 0);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(errs, 0), "error-tag")),
		"data-missing");
	ncd_edit_fini(&e);
	xmlFreeDoc(doc);
	json_decref(have);
	json_decref(errs);
}

#define AT_LB "/sluice-lb:load-balancers/sluice-lb:load-balancer[sluice-lb:name='lb']"

static void names_what_the_schema_does_not_have(void **state)
{
	refuses(OPEN "<nix/>" CLOSE, "unknown-element", AT_LB "/sluice-lb:nix",
		"{\"bad-element\":\"nix\"}");
	refuses(OPEN "<pools><pool><name>p</name><pools/></pool></pools>" CLOSE, "unknown-element",
		AT_LB "/sluice-lb:pools/sluice-lb:pool[sluice-lb:name='p']/sluice-lb:pools",
		"{\"bad-element\":\"pools\"}");
	refuses("<load-balancers xmlns=\"urn:nix\"/>", "unknown-namespace", "/load-balancers",
		"{\"bad-element\":\"load-balancers\",\"bad-namespace\":\"urn:nix\"}");
	refuses("<load-balancers/>", "unknown-namespace", "/load-balancers",
		"{\"bad-element\":\"load-balancers\",\"bad-namespace\":\"\"}");
	refuses("<interfaces xmlns=\"urn:sluice:yang:lb\"/>", "unknown-element",
		"/sluice-lb:interfaces", "{\"bad-element\":\"interfaces\"}");
}

static void state_is_not_configured(void **state)
{
	refuses(OPEN "<state><connected>true</connected></state>" CLOSE, "unknown-element",
		AT_LB "/sluice-lb:state", "{\"bad-element\":\"state\"}");
}

static void names_a_missing_key(void **state)
{
	refuses("<load-balancers " LB
		"><load-balancer><flow-table/></load-balancer></load-balancers>",
		"missing-element", "/sluice-lb:load-balancers/sluice-lb:load-balancer",
		"{\"bad-element\":\"name\"}");
}

static void refuses_values_of_the_wrong_type(void **state)
{
	const char *path = AT_LB "/sluice-lb:flow-table/sluice-lb:size";

	refuses(OPEN "<flow-table><size>1</size></flow-table>" CLOSE, "invalid-value", path, "");
	refuses(OPEN "<flow-table><size>many</size></flow-table>" CLOSE, "invalid-value", path, "");
	refuses(OPEN "<flow-table><size/></flow-table>" CLOSE, "invalid-value", path, "");
	refuses(OPEN "<flow-table><size><x/></size></flow-table>" CLOSE, "bad-element", path,
		"{\"bad-element\":\"size\"}");
	refuses(OPEN "<flow-table>4096</flow-table>" CLOSE, "bad-element",
		AT_LB "/sluice-lb:flow-table", "{\"bad-element\":\"flow-table\"}");
}

static void refuses_what_is_given_twice(void **state)
{
	refuses(OPEN "<flow-table><size>4096</size><size>8192</size></flow-table>" CLOSE,
		"bad-element", AT_LB "/sluice-lb:flow-table/sluice-lb:size",
		"{\"bad-element\":\"size\"}");
	refuses(OPEN "<flow-table/><flow-table/>" CLOSE, "bad-element",
		AT_LB "/sluice-lb:flow-table", "{\"bad-element\":\"flow-table\"}");
}

static void refuses_attributes_that_nobody_defined(void **state)
{
	refuses(OPEN "<flow-table nc:operation=\"merg\"/>" CLOSE, "bad-attribute",
		AT_LB "/sluice-lb:flow-table",
		"{\"bad-attribute\":\"operation\",\"bad-element\":\"flow-table\"}");
	refuses(OPEN "<flow-table operation=\"merge\"/>" CLOSE, "unknown-attribute",
		AT_LB "/sluice-lb:flow-table",
		"{\"bad-attribute\":\"operation\",\"bad-element\":\"flow-table\"}");
	refuses(OPEN "<flow-table color=\"red\"/>" CLOSE, "unknown-attribute",
		AT_LB "/sluice-lb:flow-table",
		"{\"bad-attribute\":\"color\",\"bad-element\":\"flow-table\"}");
	// A whole configuration has no operations.
	refuses_as(OPEN "<flow-table nc:operation=\"merge\"/>" CLOSE, false, "unknown-attribute",
		   AT_LB "/sluice-lb:flow-table",
		   "{\"bad-attribute\":\"operation\",\"bad-element\":\"flow-table\"}");
}

static void a_value_marked_default_must_be_the_default(void **state)
{
	gives(OPEN "<timeouts><udp wd:default=\"true\">60000</udp></timeouts>" CLOSE,
	      "{\"sluice-lb:load-balancers\":{\"load-balancer\":[{\"name\":\"lb\",\"timeouts\":"
	      "{\"udp\":60000,\"@udp\":{\"ietf-netconf:operation\":\"remove\"}}}]}}");
	refuses(OPEN "<timeouts><udp wd:default=\"true\">5000</udp></timeouts>" CLOSE,
		"invalid-value", AT_LB "/sluice-lb:timeouts/sluice-lb:udp", "");
}

static void text_in_config_is_refused(void **state)
{
	refuses("x", "bad-element", NULL, "{\"bad-element\":\"config\"}");
}

static void errors_come_out_as_valid_xml_whatever_came_in(void **state)
{
	json_t *errs = json_pack("[{s:s, s:s, s:i, s:s, s:{s:s, s:i, s:s}}]", "error-type", "<x>",
				 "error-tag", "no-such-tag", "error-path", 3, "error-message",
				 "a < b & \"c\"", "error-info", "bad-element", "<e>", "session-id",
				 7, "</x>", "y");
	struct ncd_buf out = {0};

	ncd_error_to_xml(models.ctx, errs, &out);
	assert_string_equal(out.data,
			    "<rpc-error><error-type>application</error-type>"
			    "<error-tag>operation-failed</error-tag>"
			    "<error-severity>error</error-severity>"
			    "<error-message xml:lang=\"en\">a &lt; b &amp; &quot;c&quot;"
			    "</error-message><error-info><bad-element>&lt;e&gt;</bad-element>"
			    "<session-id>7</session-id></error-info></rpc-error>");
	ncd_buf_fini(&out);
	json_decref(errs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_each_type_as_rfc_7951_does),
		cmocka_unit_test(resolves_identities_by_prefix),
		cmocka_unit_test(passes_operations_on),
		cmocka_unit_test(marks_of_a_leaf_list_stand_beside_it),
		cmocka_unit_test(a_leaf_to_delete_may_come_without_value),
		cmocka_unit_test(names_what_the_schema_does_not_have),
		cmocka_unit_test(state_is_not_configured),
		cmocka_unit_test(names_a_missing_key),
		cmocka_unit_test(refuses_values_of_the_wrong_type),
		cmocka_unit_test(refuses_what_is_given_twice),
		cmocka_unit_test(refuses_attributes_that_nobody_defined),
		cmocka_unit_test(a_value_marked_default_must_be_the_default),
		cmocka_unit_test(text_in_config_is_refused),
		cmocka_unit_test(errors_come_out_as_valid_xml_whatever_came_in),
	};

	return cmocka_run_group_tests(tests, load_models, free_models);
}
