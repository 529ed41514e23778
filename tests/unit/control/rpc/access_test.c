// SPDX-License-Identifier: BSD-3-Clause
//
// RFC 8341: defaults, groups, rules in order, operations, paths, the marks of the models.

#include "tests/unit/control/datastore/models.h"

#include "control/datastore/tree.h"
#include "control/rpc/access.h"

#include <libyang/libyang.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct access *rules_of(const char *nacm)
{
	char json[4096];
	struct lyd_node *tree;
	struct access *a;

	snprintf(json, sizeof(json), "{\"ietf-netconf-acm:nacm\":{%s}}", nacm);
	tree = parse(json);
	assert_int_equal(access_create(tree, &a), 0);
	lyd_free_all(tree);
	return a;
}

static struct lyd_node *tree(void)
{
	static struct lyd_node *t;

	if (t == NULL)
		t = parse(
			"{\"sluice-lb:load-balancers\":{\"load-balancer\":[{\"name\":\"lb\",\"flow-table\":{\"size\":2048},"
			"\"pools\":{\"pool\":[{\"name\":\"p\",\"servers\":{\"server\":[{\"name\":\"s\",\"address\":\"10.0.0.1\",\"port\":80}]}},"
			"{\"name\":\"q\"}]}}]},"
			"\"ietf-netconf-acm:nacm\":{\"enable-nacm\":true},"
			"\"ietf-system:system\":{\"hostname\":\"h\",\"authentication\":{\"user\":[{\"name\":\"ann\"}]}}}");
	return t;
}

static struct lyd_node *at(const char *path)
{
	struct lyd_node *match = NULL;

	assert_int_equal(lyd_find_path(tree(), path, 0, &match), LY_SUCCESS);
	return match;
}

#define POOL(n) "/sluice-lb:load-balancers/load-balancer[name='lb']/pools/pool[name='" n "']"

static const char team[] =
	"\"groups\":{\"group\":[{\"name\":\"ops\",\"user-name\":[\"ann\",\"bob\"]}]}";

static char *with(const char *rules)
{
	static char buf[8][4096];
	static unsigned next;
	char *out = buf[next++ % 8];

	snprintf(out, 4096, "%s,\"rule-list\":[{\"name\":\"l\",\"group\":[\"ops\"],\"rule\":[%s]}]",
		 team, rules);
	return out;
}

struct asks {
	struct access *a;
	struct access_user u;
};

static struct asks ask(const char *nacm, const char *user)
{
	struct asks k = {.a = rules_of(nacm)};

	assert_int_equal(access_user_init(&k.u, k.a, user, NULL, 0), 0);
	return k;
}

static void end(struct asks *k)
{
	access_user_fini(&k->u);
	access_destroy(k->a);
}

static void defaults_are_read_and_call_but_not_write(void **state)
{
	struct asks k = ask("", "ann");

	(void)state;
	assert_true(access_node(&k.u, at(POOL("p")), ACCESS_READ));
	assert_false(access_node(&k.u, at(POOL("p")), ACCESS_CREATE));
	assert_false(access_node(&k.u, at(POOL("p")), ACCESS_UPDATE));
	assert_false(access_node(&k.u, at(POOL("p")), ACCESS_DELETE));
	assert_true(access_exec(&k.u, "ietf-netconf", "commit", false));
	assert_false(access_exec(&k.u, "ietf-netconf", "kill-session", true));
	// what the model marks default-deny-all, with all below it
	assert_false(access_node(&k.u, at("/ietf-netconf-acm:nacm"), ACCESS_READ));
	assert_false(access_node(&k.u, at("/ietf-netconf-acm:nacm/enable-nacm"), ACCESS_READ));
	end(&k);
}

static void defaults_can_be_set(void **state)
{
	struct asks k = ask(
		"\"read-default\":\"deny\",\"write-default\":\"permit\",\"exec-default\":\"deny\"",
		"ann");

	(void)state;
	assert_false(access_node(&k.u, at(POOL("p")), ACCESS_READ));
	assert_true(access_node(&k.u, at(POOL("p")), ACCESS_UPDATE));
	assert_false(access_exec(&k.u, "ietf-netconf", "commit", false));
	// default-deny-write holds even where the default would permit
	assert_false(access_node(&k.u, at("/ietf-system:system/authentication"), ACCESS_UPDATE));
	assert_true(access_node(&k.u, at("/ietf-system:system/hostname"), ACCESS_UPDATE));
	end(&k);
}

static void off_is_all_and_recovery_is_all(void **state)
{
	struct asks k = ask("\"enable-nacm\":false", "ann");
	struct access_user recovery = {.bypass = true};

	(void)state;
	assert_true(access_node(&k.u, at("/ietf-netconf-acm:nacm"), ACCESS_DELETE));
	assert_true(access_exec(&k.u, "ietf-netconf", "kill-session", true));
	assert_true(access_node(&recovery, at("/ietf-netconf-acm:nacm"), ACCESS_DELETE));
	assert_true(access_exec(&recovery, "ietf-netconf", "kill-session", true));
	end(&k);
}

static void rules_are_for_members_of_their_groups(void **state)
{
	const char *nacm = with("{\"name\":\"r\",\"action\":\"permit\"}");
	struct asks bob = ask(nacm, "bob"), eve = ask(nacm, "eve");
	static const char *const external[] = {"ops"};
	struct access_user u;

	(void)state;
	assert_true(access_node(&bob.u, at(POOL("p")), ACCESS_UPDATE));
	assert_true(access_node(&bob.u, at("/ietf-netconf-acm:nacm"),
				ACCESS_READ)); // a rule comes before the mark
	assert_true(access_exec(&bob.u, "ietf-netconf", "kill-session", true));
	assert_false(access_node(&eve.u, at(POOL("p")), ACCESS_UPDATE));
	assert_int_equal(access_user_init(&u, eve.a, "eve", external, 1), 0);
	assert_true(access_node(&u, at(POOL("p")), ACCESS_UPDATE));
	access_user_fini(&u);
	end(&bob);
	end(&eve);

	eve = ask(
		"\"enable-external-groups\":false,\"rule-list\":[{\"name\":\"l\",\"group\":[\"ops\"],\"rule\":[{\"name\":\"r\","
		"\"action\":\"permit\"}]}]",
		"eve");
	assert_int_equal(access_user_init(&u, eve.a, "eve", external, 1), 0);
	assert_false(access_node(&u, at(POOL("p")), ACCESS_UPDATE));
	access_user_fini(&u);
	end(&eve);
}

static void the_first_match_decides(void **state)
{
	struct asks k = ask(
		with("{\"name\":\"no\",\"path\":\"" POOL(
			"q") "\",\"action\":\"deny\"},"
			     "{\"name\":\"yes\",\"module-name\":\"sluice-lb\",\"action\":\"permit\"},"
			     "{\"name\":\"late\",\"path\":\"" POOL("p") "\",\"action\":\"deny\"}"),
		"ann");

	(void)state;
	assert_false(access_node(&k.u, at(POOL("q")), ACCESS_UPDATE));
	assert_true(access_node(&k.u, at(POOL("p")), ACCESS_UPDATE));
	assert_false(access_node(&k.u, at("/ietf-system:system/hostname"),
				 ACCESS_UPDATE)); // another module
	end(&k);
}

static void a_path_covers_what_lies_below_it_and_nothing_beside(void **state)
{
	struct asks k = ask(
		with("{\"name\":\"r\",\"path\":\"" POOL(
			"p") "\",\"access-operations\":\"update create\",\"action\":\"permit\"}"),
		"ann");
	struct asks all = ask(
		with("{\"name\":\"r\",\"path\":\"/sluice-lb:load-balancers/load-balancer/pools/pool\",\"access-operations\":"
		     "\"update\",\"action\":\"permit\"}"),
		"ann");
	struct asks root = ask(
		with("{\"name\":\"r\",\"path\":\"/\",\"access-operations\":\"update\",\"action\":\"permit\"}"),
		"ann");

	(void)state;
	assert_true(access_node(&k.u, at(POOL("p")), ACCESS_UPDATE));
	assert_true(
		access_node(&k.u, at(POOL("p") "/servers/server[name='s']/port"), ACCESS_CREATE));
	assert_false(access_node(&k.u, at(POOL("p")), ACCESS_DELETE));
	assert_false(access_node(&k.u, at(POOL("q")), ACCESS_UPDATE));
	assert_false(access_node(&k.u,
				 at("/sluice-lb:load-balancers/load-balancer[name='lb']/pools"),
				 ACCESS_UPDATE));
	assert_true(access_node(&all.u, at(POOL("q")), ACCESS_UPDATE)); // no key: every entry
	assert_true(access_node(&root.u, at("/ietf-system:system/hostname"), ACCESS_UPDATE));
	end(&k);
	end(&all);
	end(&root);
}

static void rules_of_operations_are_not_rules_of_data(void **state)
{
	struct asks k = ask(
		with("{\"name\":\"r\",\"rpc-name\":\"commit\",\"access-operations\":\"exec\",\"action\":\"deny\"},"
		     "{\"name\":\"k\",\"module-name\":\"ietf-netconf\",\"rpc-name\":\"kill-session\",\"action\":\"permit\"}"),
		"ann");

	(void)state;
	assert_false(access_exec(&k.u, "ietf-netconf", "commit", false));
	assert_true(access_exec(&k.u, "ietf-netconf", "get", false));
	assert_true(access_exec(&k.u, "ietf-netconf", "kill-session", true));
	assert_false(access_exec(&k.u, "other", "kill-session", true));
	assert_true(access_node(&k.u, at(POOL("p")), ACCESS_READ));
	end(&k);
}

static void reading_leaves_out_what_may_not_be_read(void **state)
{
	struct asks k =
		ask(with("{\"name\":\"r\",\"path\":\"" POOL(
			    "p") "/servers\",\"access-operations\":\"read\",\"action\":\"deny\"}"),
		    "ann");
	struct lyd_node *copy;
	char *text;

	(void)state;
	assert_int_equal(lyd_dup_siblings(tree(), NULL, LYD_DUP_RECURSIVE, &copy), LY_SUCCESS);
	access_prune(&k.u, &copy);
	text = print(copy);
	assert_null(strstr(text, "nacm"));
	assert_null(strstr(text, "server"));
	assert_non_null(strstr(text, "\"name\":\"p\""));
	assert_non_null(strstr(text, "hostname"));
	free(text);
	lyd_free_all(copy);
	end(&k);

	// all of it, also the first node
	k = ask("\"read-default\":\"deny\"", "ann");
	assert_int_equal(lyd_dup_siblings(tree(), NULL, LYD_DUP_RECURSIVE, &copy), LY_SUCCESS);
	access_prune(&k.u, &copy);
	assert_null(copy);
	end(&k);
}

static void a_key_may_stand_in_either_quotes(void **state)
{
	struct asks k = ask(
		with("{\"name\":\"r\",\"path\":\"/sluice-lb:load-balancers/load-balancer[name=\\\"lb\\\"]/pools\","
		     "\"access-operations\":\"update\",\"action\":\"permit\"}"),
		"ann");

	(void)state;
	assert_true(access_node(&k.u, at(POOL("p")), ACCESS_UPDATE));
	end(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_read_and_call_but_not_write),
		cmocka_unit_test(defaults_can_be_set),
		cmocka_unit_test(off_is_all_and_recovery_is_all),
		cmocka_unit_test(rules_are_for_members_of_their_groups),
		cmocka_unit_test(the_first_match_decides),
		cmocka_unit_test(a_path_covers_what_lies_below_it_and_nothing_beside),
		cmocka_unit_test(rules_of_operations_are_not_rules_of_data),
		cmocka_unit_test(reading_leaves_out_what_may_not_be_read),
		cmocka_unit_test(a_key_may_stand_in_either_quotes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
