// SPDX-License-Identifier: BSD-3-Clause
//
// Short paths against the models of the tree, as sluiced implements them.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <libyang/libyang.h>

#include "control/cli/path.h"
#include "control/cli/schema.h"

static struct ly_ctx *ctx;
static struct cli_schema *schema;

static int load(void **state)
{
	static const char *const module[] = {"sluice-lb", "sluice-port", "ietf-interfaces",
					     "ietf-system"};
	const char *system[] = {"authentication", "local-users", NULL};

	(void)state;
	if (ly_ctx_new(YANG_DIR, LY_CTX_NO_YANGLIBRARY, &ctx) != LY_SUCCESS ||
	    ly_ctx_set_searchdir(ctx, YANG_DIR "/ietf") != LY_SUCCESS)
		return -1;
	for (size_t i = 0; i < sizeof(module) / sizeof(module[0]); i++)
		if (ly_ctx_load_module(ctx, module[i], NULL,
				       strcmp(module[i], "ietf-system") == 0 ? system : NULL) ==
		    NULL)
			return -1;
	ly_log_options(LY_LOSTORE_LAST);
	return cli_schema_wrap(ctx, &schema);
}

static int unload(void **state)
{
	(void)state;
	free(schema);
	ly_ctx_destroy(ctx);
	return 0;
}

#define LB "/sluice-lb:load-balancers/load-balancer[name='lb']"

// Words parted by blanks. Returns: words used, -1 for a refusal (error holds it)
static char error[PATH_ERROR];

static int resolve(const char *line, struct cli_path *p)
{
	static char copy[512];
	char *word[32], *save = NULL;
	size_t n = 0, used = 0;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *w = strtok_r(copy, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
		word[n++] = w;
	if (path_words(schema, "lb", word, n, p, &used, error) != 0)
		return -1;
	return (int)used;
}

static void is(const char *line, int used, const char *path)
{
	struct cli_path p;
	char *text;

	assert_int_equal(resolve(line, &p), used);
	text = path_text(&p);
	assert_non_null(text);
	assert_string_equal(text, path);
	free(text);
	path_free(&p);
}

static void refused(const char *line, const char *says)
{
	struct cli_path p;

	assert_int_equal(resolve(line, &p), -1);
	if (strstr(error, says) == NULL)
		fail_msg("'%s' does not say '%s'", error, says);
}

static void words_name_entries_of_the_instance(void **state)
{
	(void)state;
	is("service web port", 3, LB "/services/service[name='web']/port");
	is("service web", 2, LB "/services/service[name='web']");
	is("service", 1, LB "/services/service");
	is("services", 1, LB "/services");
	is("services service web", 3, LB "/services/service[name='web']");
	is("pool web", 2, LB "/pools/pool[name='web']");
	is("timeouts udp", 2, LB "/timeouts/udp");
	is("udp", 1, LB "/timeouts/udp");
	is("local-address-pool out address", 3,
	   LB "/local-address-pools/local-address-pool[name='out']/address");
}

static void a_container_may_be_left_out(void **state)
{
	(void)state;
	is("pool web interval", 3, LB "/pools/pool[name='web']/health-check/interval");
	is("pool web health-check interval", 4, LB "/pools/pool[name='web']/health-check/interval");
	is("pool web path", 3, LB "/pools/pool[name='web']/health-check/http/path");
	is("pool web server s1 weight", 5,
	   LB "/pools/pool[name='web']/servers/server[name='s1']/weight");
	is("service web new-flows", 3, LB "/services/service[name='web']/state/new-flows");
}

static void server_stands_for_pool_and_server(void **state)
{
	(void)state;
	is("server web s1 weight", 4,
	   LB "/pools/pool[name='web']/servers/server[name='s1']/weight");
	is("server web s1", 3, LB "/pools/pool[name='web']/servers/server[name='s1']");
	is("server web", 2, LB "/pools/pool[name='web']/servers/server");
}

static void port_stands_for_interface(void **state)
{
	(void)state;
	is("port wan owner", 3,
	   "/ietf-interfaces:interfaces/interface[name='wan']/sluice-port:port/owner");
	is("port wan type", 3, "/ietf-interfaces:interfaces/interface[name='wan']/type");
	is("interface wan", 2, "/ietf-interfaces:interfaces/interface[name='wan']");
	is("port wan vlan 7 tap", 5,
	   "/ietf-interfaces:interfaces/interface[name='wan']/sluice-port:port/vlan[vid='7']/tap");
}

static void other_modules_begin_at_their_top(void **state)
{
	(void)state;
	is("system hostname", 2, "/ietf-system:system/hostname");
	is("interfaces interface wan", 3, "/ietf-interfaces:interfaces/interface[name='wan']");
	is("load-balancers", 1, "/sluice-lb:load-balancers");
}

static void another_instance_is_named_first(void **state)
{
	(void)state;
	is("lb edge service web port", 5,
	   "/sluice-lb:load-balancers/load-balancer[name='edge']/services/service[name='web']/port");
	is("lb edge server web s1", 5,
	   "/sluice-lb:load-balancers/load-balancer[name='edge']/pools/pool[name='web']"
	   "/servers/server[name='s1']");
	is("lb edge", 2, "/sluice-lb:load-balancers/load-balancer[name='edge']");
	is("load-balancer edge timeouts", 3,
	   "/sluice-lb:load-balancers/load-balancer[name='edge']/timeouts");
}

static void slashes_part_one_word(void **state)
{
	(void)state;
	is("service/web/port", 1, LB "/services/service[name='web']/port");
	is("server/web/s1/weight", 1,
	   LB "/pools/pool[name='web']/servers/server[name='s1']/weight");
	is("pool/web server s1", 3, LB "/pools/pool[name='web']/servers/server[name='s1']");
	refused("service/web/port/80", "stands behind port");
}

static void whole_paths_are_taken_and_gone_on_from(void **state)
{
	(void)state;
	is(LB "/services/service[name='web']/port", 1, LB "/services/service[name='web']/port");
	is(LB "/services/service[name=\"web\"]", 1, LB "/services/service[name='web']");
	is(LB "/services/service[name='a/b']", 1, LB "/services/service[name='a/b']");
	is(LB "/services/service[name=\"o'b\"]", 1, LB "/services/service[name=\"o'b\"]");
	is(LB "/services/service[name='web'] port", 2, LB "/services/service[name='web']/port");
	is("/load-balancers/load-balancer[name='lb']/pools", 1, LB "/pools");
	is("/sluice-lb:load-balancers/", 1, "/sluice-lb:load-balancers");
	is(LB "/local-address-pools/local-address-pool[name='o']/address[.='10.0.0.1']", 1,
	   LB "/local-address-pools/local-address-pool[name='o']/address[.='10.0.0.1']");
}

static void a_leaf_ends_the_path(void **state)
{
	(void)state;
	is("service web port 80", 3, LB "/services/service[name='web']/port");
	is("service web port 80 protocol tcp", 3, LB "/services/service[name='web']/port");
}

static void what_is_not_there_is_refused_with_what_is(void **state)
{
	(void)state;
	refused("nonsense", "there is no 'nonsense'");
	refused("service web prot", "protocol");
	refused("pool web health-check nonsense", "interval");
	refused("/sluice-lb:nonsense", "nonsense");
	refused("/sluice-port:load-balancers", "there is no");
	refused("/", "empty name");
	refused("/sluice-lb:load-balancers/load-balancer[name='lb", "not closed");
	refused("/sluice-lb:load-balancers/load-balancer[nam='lb']", "keys");
	refused("/sluice-lb:load-balancers[name='lb']", "no keys");
	refused("/sluice-lb:load-balancers/load-balancer[name]", "key='value'");
}

static void hostile_lines_are_survived(void **state)
{
	static const char *const line[] = {
		"/////",
		"/[",
		"/[[[[",
		"/a[b='",
		"/:",
		"/::::",
		"/sluice-lb:",
		"////service",
		"service//",
		"lb",
		"server",
		"lb lb lb lb",
		"/sluice-lb:load-balancers/load-balancer[name='lb'][name='lb']",
		"/sluice-lb:load-balancers/load-balancer[name='lb']]",
		"port/////x"};
	struct cli_path p;

	(void)state;
	for (size_t i = 0; i < sizeof(line) / sizeof(line[0]); i++)
		if (resolve(line[i], &p) >= 0)
			path_free(&p);
}

// ---- values ----------------------------------------------------------------------------------

static void value_is(const char *path, const char *text, const char *json)
{
	struct cli_path p;
	json_t *v = NULL;
	char *dump;

	assert_true(resolve(path, &p) > 0);
	if (path_value(schema, &p, text, &v, error) != 0)
		fail_msg("%s %s: %s", path, text, error);
	dump = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
	assert_string_equal(dump, json);
	free(dump);
	json_decref(v);
	path_free(&p);
}

static void value_refused(const char *path, const char *text, const char *says)
{
	struct cli_path p;
	json_t *v = NULL;

	assert_true(resolve(path, &p) > 0);
	assert_int_equal(path_value(schema, &p, text, &v, error), -EINVAL);
	if (strstr(error, says) == NULL)
		fail_msg("'%s' does not say '%s'", error, says);
	path_free(&p);
}

static void values_get_the_form_of_their_type(void **state)
{
	(void)state;
	value_is("service web port", "80", "80");
	value_is("service web enabled", "false", "false");
	value_is("service web protocol", "tcp", "\"tcp\"");
	value_is("service web address", "2001:DB8::1", "\"2001:db8::1\"");
	value_is("pool web body-match", "123", "\"123\"");
	value_is("service web pool", "web", "\"web\"");
	value_is("local-address-pool o address", "10.0.0.1", "\"10.0.0.1\"");
}

static void an_identity_needs_no_module(void **state)
{
	(void)state;
	value_is("port wan type", "af-xdp", "\"sluice-port:af-xdp\"");
	value_is("port wan type", "sluice-port:tap", "\"sluice-port:tap\"");
	value_refused("port wan type", "nonsense", "no value of type");
}

static void values_that_do_not_fit_are_refused_with_what_does(void **state)
{
	(void)state;
	value_refused("pool p server a weight", "300",
		      "'300' is no value of weight: allowed is 0..256 (invalid-value)");
	value_refused("service web port-max", "0", "port");
	value_refused("service web port", "65536", "port");
	value_refused("service web port", "http", "port");
	value_refused("service web protocol", "sctp", "(tcp, udp)");
	value_refused("service web enabled", "yes", "enabled");
	value_refused("service web address", "10.0.0.300", "address");
	value_refused("pool web path", "no-slash", "path");
}

// ---- edits -----------------------------------------------------------------------------------

static void config_is(json_t *config, const char *json)
{
	char *dump = json_dumps(config, JSON_COMPACT);

	assert_string_equal(dump, json);
	free(dump);
	json_decref(config);
}

static void an_edit_holds_the_path_alone(void **state)
{
	struct cli_path p;

	(void)state;
	resolve("service web port", &p);
	config_is(path_config(&p, json_integer(80), NULL),
		  "{\"sluice-lb:load-balancers\":{\"load-balancer\":[{\"name\":\"lb\",\"services\":"
		  "{\"service\":[{\"name\":\"web\",\"port\":80}]}}]}}");
	path_free(&p);
	resolve("port wan owner", &p);
	config_is(path_config(&p, json_string("lb"), NULL),
		  "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"wan\","
		  "\"sluice-port:port\":{\"owner\":\"lb\"}}]}}");
	path_free(&p);
}

static void a_deletion_is_marked_at_its_node(void **state)
{
	struct cli_path p;

	(void)state;
	resolve("service web", &p);
	config_is(
		path_config(&p, NULL, "delete"),
		"{\"sluice-lb:load-balancers\":{\"load-balancer\":[{\"name\":\"lb\",\"services\":"
		"{\"service\":[{\"name\":\"web\",\"@\":{\"ietf-netconf:operation\":\"delete\"}}]}}]}}");
	path_free(&p);
	resolve("service web context", &p);
	config_is(path_config(&p, json_integer(0), "delete"),
		  "{\"sluice-lb:load-balancers\":{\"load-balancer\":[{\"name\":\"lb\",\"services\":"
		  "{\"service\":[{\"name\":\"web\",\"context\":0,\"@context\":"
		  "{\"ietf-netconf:operation\":\"delete\"}}]}}]}}");
	path_free(&p);
	resolve("local-address-pool o address", &p);
	config_is(path_config(&p, json_string("10.0.0.1"), "delete"),
		  "{\"sluice-lb:load-balancers\":{\"load-balancer\":[{\"name\":\"lb\","
		  "\"local-address-pools\":{\"local-address-pool\":[{\"name\":\"o\",\"address\":"
		  "[\"10.0.0.1\"],\"@address\":[{\"ietf-netconf:operation\":\"delete\"}]}]}}]}}");
	path_free(&p);
}

static void numeric_keys_are_numbers(void **state)
{
	struct cli_path p;

	(void)state;
	resolve("port wan vlan 7", &p);
	config_is(path_config(&p, NULL, NULL),
		  "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"wan\","
		  "\"sluice-port:port\":{\"vlan\":[{\"vid\":7}]}}]}}");
	path_free(&p);
}

static void leaves_of_one_entry_become_one_edit(void **state)
{
	char *more[] = {(char *)(uintptr_t) "port"};
	struct cli_path p;
	json_t *config;
	size_t used;

	(void)state;
	resolve("server web s1 address", &p);
	config = path_config(&p, json_string("10.0.0.1"), NULL);
	assert_int_equal(path_more(schema, &p, more, 1, &used, error), 0);
	assert_int_equal(used, 1);
	assert_int_equal(path_merge(config, path_config(&p, json_integer(80), NULL)), 0);
	config_is(config,
		  "{\"sluice-lb:load-balancers\":{\"load-balancer\":[{\"name\":\"lb\",\"pools\":"
		  "{\"pool\":[{\"name\":\"web\",\"servers\":{\"server\":[{\"name\":\"s1\","
		  "\"address\":\"10.0.0.1\",\"port\":80}]}}]}}]}}");
	path_free(&p);
}

// Leaves of two containers of one entry: health-check first, then one of http below it.
static void the_next_leaf_is_looked_up_from_the_entry(void **state)
{
	char *more[] = {(char *)(uintptr_t) "scheduler"};
	struct cli_path p;
	size_t used;
	char *text;

	(void)state;
	resolve("pool web health-check http path", &p);
	assert_int_equal(path_more(schema, &p, more, 1, &used, error), 0);
	text = path_text(&p);
	assert_string_equal(text, LB "/pools/pool[name='web']/scheduler");
	free(text);
	path_free(&p);
}

static void an_answer_is_found_by_its_path(void **state)
{
	json_t *data =
		json_loads("{\"sluice-lb:load-balancers\":{\"load-balancer\":[{\"name\":\"x\"},"
			   "{\"name\":\"lb\",\"timeouts\":{\"udp\":7}}]},"
			   "\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"wan\","
			   "\"sluice-port:port\":{\"vlan\":[{\"vid\":7,\"tap\":\"t7\"}]}}]}}",
			   0, NULL);
	struct cli_path p;

	(void)state;
	resolve("timeouts udp", &p);
	assert_int_equal(json_integer_value(path_find(&p, data)), 7);
	path_free(&p);
	resolve("port wan vlan 7 tap", &p);
	assert_string_equal(json_string_value(path_find(&p, data)), "t7");
	path_free(&p);
	resolve("port wan vlan 8 tap", &p);
	assert_null(path_find(&p, data));
	path_free(&p);
	json_decref(data);
}

// ---- completion ------------------------------------------------------------------------------

static char offered[4096];

static void offer(void *arg, const char *name)
{
	size_t at = strlen(offered);

	snprintf(offered + at, sizeof(offered) - at, "%s ", name);
}

static void completion_offers_what_may_come_next(void **state)
{
	char *word[] = {(char *)(uintptr_t) "service", (char *)(uintptr_t) "web"};

	(void)state;
	offered[0] = '\0';
	path_complete(schema, "lb", NULL, 0, "se", offer, NULL);
	assert_non_null(strstr(offered, "service "));
	assert_non_null(strstr(offered, "server "));
	assert_null(strstr(offered, "pool"));
	offered[0] = '\0';
	path_complete(schema, "lb", word, 2, "p", offer, NULL);
	assert_non_null(strstr(offered, "port "));
	assert_non_null(strstr(offered, "pool "));
	assert_non_null(strstr(offered, "protocol "));
	assert_null(strstr(offered, "address"));
	offered[0] = '\0';
	path_complete(schema, "lb", word, 1, "", offer, NULL); // a key comes next
	assert_string_equal(offered, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_name_entries_of_the_instance),
		cmocka_unit_test(a_container_may_be_left_out),
		cmocka_unit_test(server_stands_for_pool_and_server),
		cmocka_unit_test(port_stands_for_interface),
		cmocka_unit_test(other_modules_begin_at_their_top),
		cmocka_unit_test(another_instance_is_named_first),
		cmocka_unit_test(slashes_part_one_word),
		cmocka_unit_test(whole_paths_are_taken_and_gone_on_from),
		cmocka_unit_test(a_leaf_ends_the_path),
		cmocka_unit_test(what_is_not_there_is_refused_with_what_is),
		cmocka_unit_test(hostile_lines_are_survived),
		cmocka_unit_test(values_get_the_form_of_their_type),
		cmocka_unit_test(an_identity_needs_no_module),
		cmocka_unit_test(values_that_do_not_fit_are_refused_with_what_does),
		cmocka_unit_test(an_edit_holds_the_path_alone),
		cmocka_unit_test(a_deletion_is_marked_at_its_node),
		cmocka_unit_test(numeric_keys_are_numbers),
		cmocka_unit_test(leaves_of_one_entry_become_one_edit),
		cmocka_unit_test(the_next_leaf_is_looked_up_from_the_entry),
		cmocka_unit_test(an_answer_is_found_by_its_path),
		cmocka_unit_test(completion_offers_what_may_come_next),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
