// SPDX-License-Identifier: BSD-3-Clause
//
// edit-config as a table: a configuration, an edit, and either what comes out or which error with which path.
// Each refusal must leave the tree as it was.

#include "tests/unit/control/datastore/models.h"

#include "control/datastore/check.h"
#include "control/datastore/edit.h"
#include "control/datastore/tree.h"
#include "control/txn/txn.h"

#include <libyang/libyang.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OP(op) "\"@\":{\"ietf-netconf:operation\":\"" op "\"}"
#define LB     "/sluice-lb:load-balancers/load-balancer[name='lb']"

static const char base[] =
	"\"local-address-pools\":{\"local-address-pool\":[{\"name\":\"l\",\"address\":[\"10.0.0.1\"]}]},"
	"\"pools\":{\"pool\":[{\"name\":\"p\",\"servers\":{\"server\":[{\"name\":\"s1\",\"address\":\"10.1.0.1\","
	"\"port\":80,\"weight\":5}]}},{\"name\":\"q\"}]},"
	"\"services\":{\"service\":[{\"name\":\"web\",\"address\":\"192.0.2.1\",\"port\":80,\"protocol\":\"tcp\","
	"\"pool\":\"p\",\"local-address-pool\":\"l\"}]}";

struct edit_case {
	const char *name;
	enum edit_op dflt;
	const char *before; // inside the load balancer, or a whole configuration
	const char *edit;
	const char *after; // NULL: refused with
	const char *tag, *app_tag, *path;
};

#define SERVER(inner)                                                                              \
	"\"pools\":{\"pool\":[{\"name\":\"p\",\"servers\":{\"server\":[{\"name\":\"s1\"" inner     \
	"}]}}]}"
#define ONE                                                                                        \
	"\"pools\":{\"pool\":[{\"name\":\"p\",\"servers\":{\"server\":[{\"name\":\"s1\",\"address\":\"10.1.0.1\",\"port\":80}]}}]}"
#define LIST(inner) "\"pools\":{\"pool\":[{\"name\":\"p\",\"servers\":{\"server\":[" inner "]}}]}"
#define LEAVES(inner)                                                                              \
	"\"local-address-pools\":{\"local-address-pool\":[{\"name\":\"l\"," inner "}]}"

static const struct edit_case cases[] = {
	// merge
	{"merge creates", EDIT_MERGE, "", ONE, ONE, NULL, NULL, NULL},
	{"merge changes a leaf", EDIT_MERGE, ONE, SERVER(",\"port\":81"),
	 LIST("{\"name\":\"s1\",\"address\":\"10.1.0.1\",\"port\":81}"), NULL, NULL, NULL},
	{"merge adds an entry", EDIT_MERGE, ONE,
	 LIST("{\"name\":\"s2\",\"address\":\"10.1.0.2\",\"port\":80}"),
	 LIST("{\"name\":\"s1\",\"address\":\"10.1.0.1\",\"port\":80},{\"name\":\"s2\",\"address\":\"10.1.0.2\",\"port\":80}"),
	 NULL, NULL, NULL},
	{"merge adds to a leaf-list", EDIT_MERGE, LEAVES("\"address\":[\"10.0.0.1\"]"),
	 LEAVES("\"address\":[\"10.0.0.2\",\"10.0.0.1\"]"),
	 LEAVES("\"address\":[\"10.0.0.1\",\"10.0.0.2\"]"), NULL, NULL, NULL},
	{"the same entry twice in a merge is one", EDIT_MERGE, "",
	 LIST("{\"name\":\"s1\",\"address\":\"10.1.0.1\"},{\"name\":\"s1\",\"port\":80}"), ONE,
	 NULL, NULL, NULL},
	{"an empty container leaves nothing", EDIT_MERGE, ONE, "\"flow-table\":{}", ONE, NULL, NULL,
	 NULL},
	// create
	{"create makes", EDIT_MERGE, ONE,
	 SERVER(",\"weight\":3,\"@weight\":{\"ietf-netconf:operation\":\"create\"}"),
	 LIST("{\"name\":\"s1\",\"address\":\"10.1.0.1\",\"port\":80,\"weight\":3}"), NULL, NULL,
	 NULL},
	{"create over a leaf", EDIT_MERGE, ONE,
	 SERVER(",\"port\":80,\"@port\":{\"ietf-netconf:operation\":\"create\"}"), NULL,
	 "data-exists", NULL, LB "/pools/pool[name='p']/servers/server[name='s1']/port"},
	{"create over an entry", EDIT_MERGE, ONE,
	 LIST("{\"name\":\"s1\",\"address\":\"10.1.0.9\",\"port\":80," OP("create") "}"), NULL,
	 "data-exists", NULL, LB "/pools/pool[name='p']/servers/server[name='s1']"},
	{"create of a new entry twice", EDIT_MERGE, ONE,
	 LIST("{\"name\":\"s2\",\"address\":\"10.1.0.9\",\"port\":80," OP(
		 "create") "},"
			   "{\"name\":\"s2\",\"address\":\"10.1.0.9\",\"port\":80," OP(
				   "create") "}"),
	 NULL, "data-exists", NULL, LB "/pools/pool[name='p']/servers/server[name='s2']"},
	{"create over a leaf-list entry", EDIT_MERGE, LEAVES("\"address\":[\"10.0.0.1\"]"),
	 LEAVES("\"address\":[\"10.0.0.1\"],\"@address\":[{\"ietf-netconf:operation\":\"create\"}]"),
	 NULL, "data-exists", NULL,
	 LB "/local-address-pools/local-address-pool[name='l']/address[.='10.0.0.1']"},
	// delete and remove
	{"delete of a leaf, the value is not compared", EDIT_MERGE, base,
	 SERVER(",\"weight\":1,\"@weight\":{\"ietf-netconf:operation\":\"delete\"}"),
	 "\"local-address-pools\":{\"local-address-pool\":[{\"name\":\"l\",\"address\":[\"10.0.0.1\"]}]},"
	 "\"pools\":{\"pool\":[{\"name\":\"p\",\"servers\":{\"server\":[{\"name\":\"s1\",\"address\":\"10.1.0.1\","
	 "\"port\":80}]}},{\"name\":\"q\"}]},"
	 "\"services\":{\"service\":[{\"name\":\"web\",\"address\":\"192.0.2.1\",\"port\":80,\"protocol\":\"tcp\","
	 "\"pool\":\"p\",\"local-address-pool\":\"l\"}]}",
	 NULL, NULL, NULL},
	{"delete of what is not there", EDIT_MERGE, ONE, LIST("{\"name\":\"s9\"," OP("delete") "}"),
	 NULL, "data-missing", NULL, LB "/pools/pool[name='p']/servers/server[name='s9']"},
	{"delete of a leaf that is not there", EDIT_MERGE, ONE,
	 SERVER(",\"weight\":1,\"@weight\":{\"ietf-netconf:operation\":\"delete\"}"), NULL,
	 "data-missing", NULL, LB "/pools/pool[name='p']/servers/server[name='s1']/weight"},
	{"remove of what is not there", EDIT_MERGE, ONE, LIST("{\"name\":\"s9\"," OP("remove") "}"),
	 ONE, NULL, NULL, NULL},
	{"delete of the last entry takes the empty container along", EDIT_MERGE, ONE,
	 LIST("{\"name\":\"s1\"," OP("delete") "}"), "\"pools\":{\"pool\":[{\"name\":\"p\"}]}",
	 NULL, NULL, NULL},
	{"delete the last and create another in one", EDIT_MERGE, ONE,
	 LIST("{\"name\":\"s1\"," OP(
		 "delete") "},{\"name\":\"s2\",\"address\":\"10.1.0.2\",\"port\":80}"),
	 LIST("{\"name\":\"s2\",\"address\":\"10.1.0.2\",\"port\":80}"), NULL, NULL, NULL},
	{"delete of a whole container", EDIT_MERGE, ONE, "\"pools\":{" OP("delete") "}", "", NULL,
	 NULL, NULL},
	{"delete of a leaf-list entry", EDIT_MERGE,
	 LEAVES("\"address\":[\"10.0.0.1\",\"10.0.0.2\"]"),
	 LEAVES("\"address\":[\"10.0.0.1\"],\"@address\":[{\"ietf-netconf:operation\":\"delete\"}]"),
	 LEAVES("\"address\":[\"10.0.0.2\"]"), NULL, NULL, NULL},
	{"delete of a leaf-list value that is not there", EDIT_MERGE,
	 LEAVES("\"address\":[\"10.0.0.1\"]"),
	 LEAVES("\"address\":[\"10.0.0.7\"],\"@address\":[{\"ietf-netconf:operation\":\"delete\"}]"),
	 NULL, "data-missing", NULL,
	 LB "/local-address-pools/local-address-pool[name='l']/address[.='10.0.0.7']"},
	{"the last leaf-list entry of one at least stays", EDIT_MERGE,
	 LEAVES("\"address\":[\"10.0.0.1\"]"),
	 LEAVES("\"address\":[\"10.0.0.1\"],\"@address\":[{\"ietf-netconf:operation\":\"delete\"}]"),
	 NULL, "operation-failed", "too-few-elements",
	 LB "/local-address-pools/local-address-pool[name='l']/address"},
	// replace
	{"replace of an entry drops what is not named", EDIT_MERGE,
	 LIST("{\"name\":\"s1\",\"address\":\"10.1.0.1\",\"port\":80,\"weight\":5}"),
	 LIST("{\"name\":\"s1\",\"address\":\"10.1.0.1\",\"port\":81," OP("replace") "}"),
	 LIST("{\"name\":\"s1\",\"address\":\"10.1.0.1\",\"port\":81}"), NULL, NULL, NULL},
	{"replace of a container drops its other entries", EDIT_MERGE,
	 LIST("{\"name\":\"s1\",\"address\":\"10.1.0.1\",\"port\":80},{\"name\":\"s2\",\"address\":\"10.1.0.2\",\"port\":80}"),
	 "\"pools\":{\"pool\":[{\"name\":\"p\",\"servers\":{" OP(
		 "replace") ",\"server\":[{\"name\":\"s3\",\"address\":\"10.1.0.3\","
			    "\"port\":80}]}}]}",
	 LIST("{\"name\":\"s3\",\"address\":\"10.1.0.3\",\"port\":80}"), NULL, NULL, NULL},
	{"replace by nothing empties", EDIT_MERGE, ONE,
	 "\"pools\":{\"pool\":[{\"name\":\"p\",\"servers\":{" OP("replace") "}}]}",
	 "\"pools\":{\"pool\":[{\"name\":\"p\"}]}", NULL, NULL, NULL},
	{"default-operation replace is the whole datastore", EDIT_REPLACE, base, ONE, ONE, NULL,
	 NULL, NULL},
	{"replace creates", EDIT_MERGE, "",
	 "\"pools\":{" OP("replace") ",\"pool\":[{\"name\":\"p\"}]}",
	 "\"pools\":{\"pool\":[{\"name\":\"p\"}]}", NULL, NULL, NULL},
	// none
	{"none with an operation below", EDIT_NONE, ONE,
	 SERVER(",\"port\":81,\"@port\":{\"ietf-netconf:operation\":\"merge\"}"),
	 LIST("{\"name\":\"s1\",\"address\":\"10.1.0.1\",\"port\":81}"), NULL, NULL, NULL},
	{"none changes nothing of its own", EDIT_NONE, ONE, SERVER(",\"port\":81"), ONE, NULL, NULL,
	 NULL},
	{"none below what is not there", EDIT_NONE, ONE,
	 LIST("{\"name\":\"s9\",\"port\":81,\"@port\":{\"ietf-netconf:operation\":\"merge\"}}"),
	 NULL, "data-missing", NULL, LB "/pools/pool[name='p']/servers/server[name='s9']"},
	{"none through a container that is not there", EDIT_NONE, "",
	 "\"flow-table\":{\"size\":2048,\"@size\":{\"ietf-netconf:operation\":\"create\"}}",
	 "\"flow-table\":{\"size\":2048}", NULL, NULL, NULL},
	// constraints
	{"mandatory leaf of a new entry", EDIT_MERGE, ONE,
	 LIST("{\"name\":\"s2\",\"address\":\"10.1.0.2\"}"), NULL, "data-missing", NULL,
	 LB "/pools/pool[name='p']/servers/server[name='s2']/port"},
	{"mandatory leaf deleted", EDIT_MERGE, ONE,
	 SERVER(",\"port\":80,\"@port\":{\"ietf-netconf:operation\":\"delete\"}"), NULL,
	 "data-missing", NULL, LB "/pools/pool[name='p']/servers/server[name='s1']/port"},
	{"reference to what is not there", EDIT_MERGE, base,
	 "\"services\":{\"service\":[{\"name\":\"web\",\"pool\":\"z\"}]}", NULL, "data-missing",
	 "instance-required", LB "/services/service[name='web']/pool"},
	{"delete of what is referred to", EDIT_MERGE, base,
	 "\"pools\":{\"pool\":[{\"name\":\"p\"," OP("delete") "}]}", NULL, "data-missing",
	 "instance-required", LB "/services/service[name='web']/pool"},
	{"delete of what is referred to by none", EDIT_MERGE,
	 "\"pools\":{\"pool\":[{\"name\":\"p\"},{\"name\":\"q\"}]}",
	 "\"pools\":{\"pool\":[{\"name\":\"q\"," OP("delete") "}]}",
	 "\"pools\":{\"pool\":[{\"name\":\"p\"}]}", NULL, NULL, NULL},
	{"delete of what is referred to, and of who refers", EDIT_MERGE, base,
	 "\"pools\":{\"pool\":[{\"name\":\"p\"," OP("delete") "}]},\"services\":{" OP("delete") "}",
	 "\"local-address-pools\":{\"local-address-pool\":[{\"name\":\"l\",\"address\":[\"10.0.0.1\"]}]},\"pools\":{\"pool\":[{\"name\":\"q\"}]}",
	 NULL, NULL, NULL},
	{"whole container of what is referred to", EDIT_MERGE, base,
	 "\"local-address-pools\":{" OP("delete") "}", NULL, "data-missing", "instance-required",
	 LB "/services/service[name='web']/local-address-pool"},
	{"must against a default", EDIT_MERGE, ONE,
	 "\"pools\":{\"pool\":[{\"name\":\"p\",\"health-check\":{\"timeout\":2001}}]}", NULL,
	 "operation-failed", "must-violation", LB "/pools/pool[name='p']/health-check"},
	{"must that holds against a default", EDIT_MERGE, "\"pools\":{\"pool\":[{\"name\":\"p\"}]}",
	 "\"pools\":{\"pool\":[{\"name\":\"p\",\"health-check\":{\"timeout\":2000}}]}",
	 "\"pools\":{\"pool\":[{\"name\":\"p\",\"health-check\":{\"timeout\":2000}}]}", NULL, NULL,
	 NULL},
	{"must broken by deleting what it reads", EDIT_MERGE,
	 "\"pools\":{\"pool\":[{\"name\":\"p\",\"health-check\":{\"timeout\":5000,\"interval\":6000}}]}",
	 "\"pools\":{\"pool\":[{\"name\":\"p\",\"health-check\":{\"interval\":1000,\"@interval\":{\"ietf-netconf:operation\":\"delete\"}}}]}",
	 NULL, "operation-failed", "must-violation", LB "/pools/pool[name='p']/health-check"},
	{"when that does not hold", EDIT_MERGE, ONE,
	 "\"pools\":{\"pool\":[{\"name\":\"p\",\"health-check\":{\"type\":\"tcp\",\"http\":{\"path\":\"/\"}}}]}",
	 NULL, "unknown-element", NULL, LB "/pools/pool[name='p']/health-check/http"},
	{"when that does not hold by default", EDIT_MERGE, ONE,
	 "\"pools\":{\"pool\":[{\"name\":\"p\",\"health-check\":{\"http\":{\"path\":\"/\"}}}]}",
	 NULL, "unknown-element", NULL, LB "/pools/pool[name='p']/health-check/http"},
	{"when that no longer holds takes its node along", EDIT_MERGE,
	 "\"pools\":{\"pool\":[{\"name\":\"p\",\"health-check\":{\"type\":\"http\",\"http\":{\"path\":\"/\"}}}]}",
	 "\"pools\":{\"pool\":[{\"name\":\"p\",\"health-check\":{\"type\":\"tcp\"}}]}",
	 "\"pools\":{\"pool\":[{\"name\":\"p\",\"health-check\":{\"type\":\"tcp\"}}]}", NULL, NULL,
	 NULL},
	{"mandatory below an augment whose when holds", EDIT_MERGE, "{}",
	 "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"up\",\"type\":\"sluice-port:af-xdp\"}]}}",
	 NULL, "data-missing", NULL,
	 "/ietf-interfaces:interfaces/interface[name='up']/sluice-port:port/owner"},
	{"mandatory below an augment whose when does not", EDIT_MERGE, "{}",
	 "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"up\",\"type\":\"iana-if-type:ethernetCsmacd\"}]}}",
	 "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"up\",\"type\":\"iana-if-type:ethernetCsmacd\"}]}}",
	 NULL, NULL, NULL},
	{"augment whose when holds", EDIT_MERGE, "{}",
	 "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"up\",\"type\":\"sluice-port:af-xdp\",\"sluice-port:port\":{\"owner\":\"lb\"}}]}}",
	 "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"up\",\"type\":\"sluice-port:af-xdp\",\"sluice-port:port\":{\"owner\":\"lb\"}}]}}",
	 NULL, NULL, NULL},
	{"augment whose when no longer holds goes", EDIT_MERGE,
	 "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"up\",\"type\":\"sluice-port:af-xdp\",\"sluice-port:port\":{\"owner\":\"lb\"}}]}}",
	 "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"up\",\"type\":\"iana-if-type:ethernetCsmacd\"}]}}",
	 "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"up\",\"type\":\"iana-if-type:ethernetCsmacd\"}]}}",
	 NULL, NULL, NULL},
	// choice
	{"a case takes the other case along", EDIT_MERGE,
	 "{\"ietf-netconf-acm:nacm\":{\"rule-list\":[{\"name\":\"l\",\"rule\":[{\"name\":\"r\",\"rpc-name\":\"commit\",\"action\":\"deny\"}]}]}}",
	 "{\"ietf-netconf-acm:nacm\":{\"rule-list\":[{\"name\":\"l\",\"rule\":[{\"name\":\"r\",\"path\":\"/ietf-interfaces:interfaces\"}]}]}}",
	 "{\"ietf-netconf-acm:nacm\":{\"rule-list\":[{\"name\":\"l\",\"rule\":[{\"name\":\"r\",\"path\":\"/ietf-interfaces:interfaces\",\"action\":\"deny\"}]}]}}",
	 NULL, NULL, NULL},
	// user order
	{"insert first", EDIT_MERGE,
	 "{\"ietf-netconf-acm:nacm\":{\"rule-list\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}",
	 "{\"ietf-netconf-acm:nacm\":{\"rule-list\":[{\"name\":\"c\",\"@\":{\"yang:insert\":\"first\"}}]}}",
	 "{\"ietf-netconf-acm:nacm\":{\"rule-list\":[{\"name\":\"c\"},{\"name\":\"a\"},{\"name\":\"b\"}]}}",
	 NULL, NULL, NULL},
	{"insert after, of an entry that is there", EDIT_MERGE,
	 "{\"ietf-netconf-acm:nacm\":{\"rule-list\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"}]}}",
	 "{\"ietf-netconf-acm:nacm\":{\"rule-list\":[{\"name\":\"a\",\"@\":{\"yang:insert\":\"after\",\"yang:key\":\"[name='b']\"}}]}}",
	 "{\"ietf-netconf-acm:nacm\":{\"rule-list\":[{\"name\":\"b\"},{\"name\":\"a\"},{\"name\":\"c\"}]}}",
	 NULL, NULL, NULL},
	{"insert before", EDIT_MERGE,
	 "{\"ietf-netconf-acm:nacm\":{\"rule-list\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}",
	 "{\"ietf-netconf-acm:nacm\":{\"rule-list\":[{\"name\":\"c\",\"@\":{\"yang:insert\":\"before\",\"yang:key\":\"[name='b']\"}}]}}",
	 "{\"ietf-netconf-acm:nacm\":{\"rule-list\":[{\"name\":\"a\"},{\"name\":\"c\"},{\"name\":\"b\"}]}}",
	 NULL, NULL, NULL},
	{"insert beside what is not there", EDIT_MERGE,
	 "{\"ietf-netconf-acm:nacm\":{\"rule-list\":[{\"name\":\"a\"}]}}",
	 "{\"ietf-netconf-acm:nacm\":{\"rule-list\":[{\"name\":\"c\",\"@\":{\"yang:insert\":\"before\",\"yang:key\":\"[name='x']\"}}]}}",
	 NULL, "bad-attribute", "missing-instance", "/ietf-netconf-acm:nacm/rule-list[name='c']"},
	{"replace takes the edit's order", EDIT_REPLACE,
	 "{\"ietf-netconf-acm:nacm\":{\"rule-list\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"}]}}",
	 "{\"ietf-netconf-acm:nacm\":{\"rule-list\":[{\"name\":\"c\"},{\"name\":\"a\"},{\"name\":\"d\"}]}}",
	 "{\"ietf-netconf-acm:nacm\":{\"rule-list\":[{\"name\":\"c\"},{\"name\":\"a\"},{\"name\":\"d\"}]}}",
	 NULL, NULL, NULL},
};

static const char *whole(const char *text)
{
	return text[0] == '{' ? text : in_lb(text);
}

// Names of all entries in order, to see the order of user-ordered lists too.
static void names(const struct lyd_node *node, char *out, size_t size)
{
	for (; node != NULL; node = node->next) {
		if (lysc_is_userordered(node->schema))
			snprintf(out + strlen(out), size - strlen(out), "%s ",
				 lyd_get_value(lyd_child(node)));
		names(lyd_child(node), out, size);
	}
}

static int run(const struct edit_case *c, struct tree *t, struct tree_log *log,
	       struct txn_result *r)
{
	struct lyd_node *edit = NULL;
	int rc;

	t->root = parse(whole(c->before));
	rc = edit_parse(models(), whole(c->edit), &edit, r);
	assert_int_equal(rc, 0);
	rc = edit_apply(t, edit, c->dflt, NULL, log, r);
	if (rc == 0)
		rc = check_edit(t, log, r);
	lyd_free_all(edit);
	return rc;
}

static void the_table_holds(void **state)
{
	struct txn_result *r = calloc(1, sizeof(*r));

	(void)state;
	assert_non_null(r);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct edit_case *c = &cases[i];
		struct tree_log log = {0};
		struct tree t = {0};
		char got[256] = "", want[256] = "";
		int rc;

		memset(r, 0, sizeof(*r));
		rc = run(c, &t, &log, r);
		if (c->after == NULL) {
			if (rc == 0 || r->error_count == 0)
				fail_msg("%s: taken, gives %s", c->name, print(t.root));
			if (strcmp(r->error[0].tag, c->tag) != 0 ||
			    strcmp(r->error[0].path, c->path) != 0 ||
			    (c->app_tag != NULL && (r->error[0].app_tag == NULL ||
						    strcmp(r->error[0].app_tag, c->app_tag) != 0)))
				fail_msg("%s: %s %s %s: %s", c->name, r->error[0].tag,
					 r->error[0].app_tag != NULL ? r->error[0].app_tag : "-",
					 r->error[0].path, r->error[0].message);
			tree_undo(&t, &log, 0);
			assert_tree_is(&t, whole(c->before));
		} else {
			struct lyd_node *after = parse(whole(c->after));

			if (rc != 0)
				fail_msg("%s: refused: %s %s %s", c->name, r->error[0].tag,
					 r->error[0].path, r->error[0].message);
			names(t.root, got, sizeof(got));
			names(after, want, sizeof(want));
			if (strcmp(got, want) != 0)
				fail_msg("%s: order %s, not %s", c->name, got, want);
			assert_tree_is(&t, whole(c->after));
			tree_undo(&t, &log, 0);
			assert_tree_is(&t, whole(c->before));
			lyd_free_all(after);
		}
		tree_log_fini(&log);
		lyd_free_all(t.root);
	}
	free(r);
}

// What the parser alone refuses, with tag and path.
static void hostile_configurations_are_refused(void **state)
{
	static const struct {
		const char *text, *tag, *path;
	} bad[] = {
		{"{\"nothing:here\":1}", "unknown-namespace", ""},
		{"{\"sluice-lb:load-balancers\":{\"x\":1}}", "unknown-element",
		 "/sluice-lb:load-balancers/x"},
		{"{\"sluice-lb:load-balancers\":{\"load-balancer\":[{}]}}", "missing-element",
		 "/sluice-lb:load-balancers/load-balancer/name"},
		{"{\"sluice-lb:load-balancers\":{\"load-balancer\":[{\"name\":\"lb\",\"flow-table\":{\"size\":3}}]}}",
		 "invalid-value", LB "/flow-table/size"},
		{"{\"sluice-lb:load-balancers\":{\"load-balancer\":[{\"name\":\"lb\",\"flow-table\":{\"size\":\"3\"}}]}}",
		 "invalid-value", LB "/flow-table/size"},
		{"{\"sluice-lb:load-balancers\":{\"load-balancer\":[{\"name\":\"lb\",\"state\":{\"connected\":true}}]}}",
		 "unknown-element", NULL},
		{"{\"sluice-lb:load-balancers\":{\"@\":{\"ietf-netconf:operation\":\"explode\"}}}",
		 "invalid-value", NULL},
		{"{\"sluice-lb:load-balancers\":{", NULL, NULL},
		{"[]", NULL, NULL},
		{"7", NULL, NULL},
	};
	struct txn_result *r = calloc(1, sizeof(*r));

	(void)state;
	assert_non_null(r);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct lyd_node *edit = NULL;

		memset(r, 0, sizeof(*r));
		if (edit_parse(models(), bad[i].text, &edit, r) != -EINVAL)
			fail_msg("%s: taken", bad[i].text);
		assert_null(edit);
		assert_int_equal(r->error_count, 1);
		if (bad[i].tag != NULL && strcmp(r->error[0].tag, bad[i].tag) != 0)
			fail_msg("%s: %s: %s", bad[i].text, r->error[0].tag, r->error[0].message);
		if (bad[i].path != NULL && strcmp(r->error[0].path, bad[i].path) != 0)
			fail_msg("%s: %s: %s", bad[i].text, r->error[0].path, r->error[0].message);
	}
	free(r);
}

static int no_weights(void *arg, const struct lyd_node *node, enum edit_access access)
{
	unsigned *asked = arg;

	asked[access]++;
	return strcmp(node->schema->name, "weight") == 0 ? -EACCES : 0;
}

static void the_guard_is_asked_about_each_node(void **state)
{
	struct txn_result *r = calloc(1, sizeof(*r));
	unsigned asked[3] = {0};
	struct edit_guard guard = {.allow = no_weights, .arg = asked};
	struct tree t = {.root = parse(in_lb(base))};
	struct tree_log log = {0};
	struct lyd_node *edit;

	(void)state;
	assert_non_null(r);
	edit = parse(in_lb(SERVER(",\"port\":81") ",\"services\":{" OP(
		"delete") "},\"flow-table\":{\"size\":2048}"));
	assert_int_equal(edit_apply(&t, edit, EDIT_MERGE, &guard, &log, r), 0);
	assert_int_equal(asked[EDIT_ACCESS_UPDATE], 1); // port
	assert_int_equal(asked[EDIT_ACCESS_CREATE],
			 1); // size; a non-presence container is there by definition
	assert_int_equal(asked[EDIT_ACCESS_DELETE], 7); // services, service, its five leaves
	lyd_free_all(edit);
	tree_undo(&t, &log, 0);

	edit = parse(in_lb(SERVER(",\"weight\":9")));
	assert_int_equal(edit_apply(&t, edit, EDIT_MERGE, &guard, &log, r), -EACCES);
	assert_string_equal(r->error[0].tag, "access-denied");
	assert_string_equal(r->error[0].path,
			    LB "/pools/pool[name='p']/servers/server[name='s1']/weight");
	lyd_free_all(edit);
	tree_undo(&t, &log, 0);

	// what lies below a deleted node is asked about too
	edit = parse(in_lb("\"pools\":{" OP("delete") "}"));
	assert_int_equal(edit_apply(&t, edit, EDIT_MERGE, &guard, &log, r), -EACCES);
	lyd_free_all(edit);
	tree_undo(&t, &log, 0);
	assert_tree_is(&t, in_lb(base));
	tree_log_fini(&log);
	lyd_free_all(t.root);
	free(r);
}

static void a_whole_tree_is_checked_alike(void **state)
{
	struct txn_result *r = calloc(1, sizeof(*r));
	struct tree good = {.root = parse(in_lb(base))};
	struct tree bad = {
		.root = parse(
			in_lb("\"services\":{\"service\":[{\"name\":\"web\",\"pool\":\"p\"}]}"))};

	(void)state;
	assert_non_null(r);
	assert_int_equal(check_all(&good, r), 0);
	assert_int_equal(check_all(&bad, r), -EINVAL);
	assert_int_equal(r->error_count, 5); // four mandatory leaves and the pool
	lyd_free_all(good.root);
	lyd_free_all(bad.root);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_holds),
		cmocka_unit_test(hostile_configurations_are_refused),
		cmocka_unit_test(the_guard_is_asked_about_each_node),
		cmocka_unit_test(a_whole_tree_is_checked_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
