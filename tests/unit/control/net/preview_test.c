// SPDX-License-Identifier: BSD-3-Clause
//
// What a preview tells of a change, and what it asks applications: each effect with kind, sentence and count.

#include "control/net/net_priv.h"
#include "tests/unit/control/link/fake_app.h"
#include "tests/unit/control/net/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define EFFECTS 16

static struct {
	struct event_base *base;
	char dir[64];
	struct fake_app lb;
	struct lyd_node *running;
	struct net_effect effect[EFFECTS];
	size_t count, more;
	bool done;
} t;

static int setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	t.base = event_base_new();
	snprintf(t.dir, sizeof(t.dir), "/dev/shm/sluice-preview-test-XXXXXX");
	assert_non_null(mkdtemp(t.dir));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	net_fini();
	fake_app_stop(&t.lb);
	lyd_free_all(t.running);
	event_base_free(t.base);
	rmdir(t.dir);
	return 0;
}

static bool linked(void *arg)
{
	struct net_app_state s[2];

	(void)arg;
	return net_apps(s, 2) == 1 && s[0].connected && s[0].applied == s[0].intended;
}

// answer: what the app says to every query; NULL: there is no app.
static void start(const char *json, const char *answer)
{
	struct net_conf conf = {.base = t.base, .ctx = fixture_ctx(), .run_dir = t.dir};

	memcpy(conf.datastore, fixture_datastore, 16);
	if (answer) {
		memcpy(t.lb.datastore, fixture_datastore, 16);
		t.lb.applied = 7;
		t.lb.answer = answer;
		fake_app_start(&t.lb, t.base, t.dir, "lb");
	}
	t.running = fixture_tree(json);
	assert_int_equal(net_init(&conf, t.running, 7), 0);
	if (answer)
		fake_wait(t.base, linked, NULL);
}

static void on_preview(void *arg, const struct net_effect *effect, size_t count, size_t more)
{
	(void)arg;
	assert_false(t.done);
	assert_true(count <= EFFECTS);
	if (count > 0)
		memcpy(t.effect, effect, count * sizeof(*effect));
	t.count = count;
	t.more = more;
	t.done = true;
}

static bool is_done(void *arg)
{
	(void)arg;
	return t.done;
}

static void preview(const char *json)
{
	struct lyd_node *after = fixture_tree(json);
	size_t size = net_store_size();
	struct fixture_change f;

	fixture_change(&f, t.running, after);
	t.done = false;
	fake_app_forget(&t.lb);
	assert_int_equal(net_preview(t.running, after, f.diff, on_preview, NULL), 0);
	fake_wait(t.base, is_done, NULL);
	assert_int_equal(net_store_size(), size); // nothing is changed
	fixture_change_fini(&f);
	lyd_free_all(after);
}

// The effect of this kind about this name; fails where there is none.
static const struct net_effect *told(const char *kind, const char *name)
{
	for (size_t i = 0; i < t.count; i++)
		if (strcmp(t.effect[i].kind, kind) == 0 && strcmp(t.effect[i].name, name) == 0)
			return &t.effect[i];
	fail_msg("no effect '%s' of '%s'", kind, name);
	return NULL;
}

static unsigned count_of(const char *kind)
{
	unsigned n = 0;

	for (size_t i = 0; i < t.count; i++)
		n += strcmp(t.effect[i].kind, kind) == 0;
	return n;
}

static void told_so(const char *kind, const char *name, const char *words)
{
	const struct net_effect *x = told(kind, name);

	if (!strstr(x->text, words))
		fail_msg("'%s' does not say '%s'", x->text, words);
}

static void counted(const char *kind, const char *name, uint64_t flows)
{
	const struct net_effect *x = told(kind, name);

	assert_true(x->counted);
	assert_int_equal(x->flows, flows);
}

#define SERVER(n, last, more) "{'name':'" n "','address':'10.0.0." last "','port':80" more "}"
#define SERVERS               SERVER("s1", "1", "") "," SERVER("s2", "2", "")
#define POOL(more, servers)   "{'name':'p'" more ",'servers':{'server':[" servers "]}}"
#define SERVICE(n, more)                                                                           \
	"{'name':'" n "','address':'192.0.2.1','protocol':'tcp','pool':'p'" more "}"
#define LOCAL     ",'local-address-pool':'l'"
#define WEB       SERVICE("web", ",'port':80" LOCAL)
#define LOCALS(a) "{'name':'l','address':[" a "]}"
#define TREE(locals, pool, services)                                                               \
	"{'sluice-lb:load-balancers':{'load-balancer':[{'name':'lb',"                              \
	"'local-address-pools':{'local-address-pool':[" locals "]},'pools':{'pool':[" pool "]},"   \
	"'services':{'service':[" services "]}}]}}"
#define ONE(pool)       TREE(LOCALS("'10.0.0.200','10.0.0.201'"), pool, WEB)
#define KEEP            ",'on-server-down':'keep'"
#define RESET           ",'on-server-down':'reset'"
#define DISABLED        ",'admin-state':'disabled'"
#define DRAIN           ",'admin-state':'drain'"
#define WITH_S1(m)      SERVER("s1", "1", m) "," SERVER("s2", "2", "")
#define NONE            "{\"services\":[],\"servers\":[],\"pools\":[]}"
#define PATH_POOL       "/sluice-lb:load-balancers/load-balancer[name='lb']/pools/pool[name='p']"
#define RANGE(to, more) SERVICE("web", ",'port':1000,'port-max':" to more)

// ---- servers and pools -----------------------------------------------------------------------

static void goes_by_the_pool_as_it_will_be(void **state)
{
	(void)state;
	start(ONE(POOL(RESET, SERVERS)), "{\"services\":[],\"servers\":[4],\"pools\":[]}");
	preview(ONE(POOL(RESET, WITH_S1(DISABLED))));
	assert_int_equal(t.count, 1);
	counted("flows-reset", "s1", 4);
	preview(ONE(POOL(KEEP, WITH_S1(DISABLED)))); // both in one commit
	assert_int_equal(t.count, 1);
	counted("no-new-flows", "s1", 4);
	told_so("no-new-flows", "s1", "old ones go on");
	preview(ONE(POOL(RESET ",'drain-timeout':5000", WITH_S1(DRAIN))));
	assert_int_equal(t.count, 1);
	told_so("no-new-flows", "s1", "after the drain-timeout end");
}

#define PORT(n, context)                                                                           \
	"{'name':'" n                                                                              \
	"','type':'sluice-port:af-xdp','sluice-port:port':{'owner':'lb','context':" context "}}"
#define WITH_PORTS(ports, services)                                                                \
	"{'ietf-interfaces:interfaces':{'interface':[" ports "]},"                                 \
	"'sluice-lb:load-balancers':{'load-balancer':[{'name':'lb',"                               \
	"'local-address-pools':{'local-address-pool':[" LOCALS(                                    \
		"'10.0.0.200'") "]},"                                                              \
				"'pools':{'pool':[" POOL(                                          \
					"", SERVERS) "]},'services':{'service':[" services         \
						     "]}}]}}"
#define IN(n, port, context) SERVICE(n, ",'port':" port ",'context':" context LOCAL)

// A service that no packet reaches, by whichever end it comes about.
static void says_of_which_services_no_port_is_in_the_context(void **state)
{
	(void)state;
	start(WITH_PORTS(PORT("a", "0") "," PORT("b", "7"),
			 IN("web", "80", "0") "," IN("x", "81", "7")),
	      NONE);
	preview(WITH_PORTS(PORT("a", "0") "," PORT("b", "7"),
			   IN("web", "80", "0") "," IN("x", "81", "8") "," IN("y", "82", "7")));
	told_so("no-port", "x", "in context 8, which no port of lb is in");
	assert_non_null(strstr(told("no-port", "x")->path, "services/service[name='x']"));
	assert_int_equal(count_of("no-port"), 1);
	preview(WITH_PORTS(PORT("a", "0"),
			   IN("web", "80", "0") "," IN("x", "81", "7"))); // the port goes
	told_so("no-port", "x", "context 7");
	assert_int_equal(count_of("no-port"), 1);
	preview(WITH_PORTS(PORT("a", "0") "," PORT("b", "0"), // or moves
			   IN("web", "80", "0") "," IN("x", "81", "7")));
	told_so("no-port", "x", "context 7");
	preview(WITH_PORTS(PORT("a", "7") "," PORT("b", "7"), // both ends at once: told once
			   IN("web", "80", "0") "," IN("x", "81", "0")));
	told_so("no-port", "web", "context 0");
	told_so("no-port", "x", "context 0");
	assert_int_equal(count_of("no-port"), 2);
	preview(WITH_PORTS("", IN("web", "80", "0") "," IN("x", "81", "7"))); // no port at all
	assert_int_equal(count_of("no-port"), 1);
}

static void resets_what_was_kept(void **state)
{
	(void)state;
	start(ONE(POOL(KEEP, SERVERS)), "{\"services\":[],\"servers\":[],\"pools\":[9]}");
	preview(ONE(POOL(RESET, SERVERS)));
	assert_int_equal(t.count, 1);
	counted("flows-reset", "p", 9);
	told_so("flows-reset", "p", "servers that are down");
	assert_string_equal(t.effect[0].path, PATH_POOL);
	assert_string_equal(t.effect[0].pool, "");
}

static void keeps_in_silence_what_was_reset(void **state)
{
	(void)state;
	start(ONE(POOL(RESET, SERVERS)), NONE);
	preview(ONE(POOL(KEEP, SERVERS)));
	assert_int_equal(t.count, 0);
}

static void gives_a_deadline_to_servers_that_drain(void **state)
{
	(void)state;
	start(ONE(POOL(",'drain-timeout':9000", WITH_S1(DRAIN))),
	      "{\"services\":[],\"servers\":[3],\"pools\":[]}");
	preview(ONE(POOL(",'drain-timeout':5000", WITH_S1(DRAIN))));
	assert_int_equal(t.count, 1);
	counted("flows-end", "s1", 3);
	preview(ONE(POOL(",'drain-timeout':9500", WITH_S1(DRAIN)))); // longer ends nothing
	assert_int_equal(t.count, 0);
	preview(ONE(POOL(",'drain-timeout':5000", SERVERS))); // it drains no more
	assert_int_equal(t.count, 0);
}

// ---- services --------------------------------------------------------------------------------

static void tells_all_that_a_service_changes(void **state)
{
	static const char two[] = "{\"services\":[5,5],\"servers\":[],\"pools\":[]}";

	(void)state;
	start(TREE(LOCALS("'10.0.0.200'"), POOL("", SERVERS), RANGE("1999", LOCAL)), two);
	preview(TREE(LOCALS("'10.0.0.200'"), POOL("", SERVERS), RANGE("1499", LOCAL)));
	assert_int_equal(t.count, 1);
	counted("range", "web", 5);
	preview(TREE(LOCALS("'10.0.0.200'"), POOL("", SERVERS),
		     RANGE("1499", ",'forwarding':'nat'")));
	assert_int_equal(t.count, 1); // its end says all
	counted("flows-end", "web", 5);
	told_so("flows-end", "web", "another mode");
	preview(TREE(LOCALS("'10.0.0.200'"), POOL("", SERVERS),
		     RANGE("1499", ",'forwarding':'nat','enabled':false")));
	assert_int_equal(t.count, 1);
	counted("flows-end", "web", 5);
}

// ---- local addresses -------------------------------------------------------------------------

static void counts_flows_of_a_local_address(void **state)
{
	static const char less[] = TREE(LOCALS("'10.0.0.201'"), POOL("", SERVERS), WEB);

	(void)state;
	start(ONE(POOL("", SERVERS)), "{\"flows\":[],\"total\":12,\"complete\":true}");
	preview(less);
	assert_int_equal(t.count, 1);
	counted("flows-break", "10.0.0.200", 12);
	told_so("flows-break", "10.0.0.200", "local address 10.0.0.200 goes");
	// One that does not come to the end of them is no count.
	t.lb.answer = "{\"flows\":[],\"total\":12,\"complete\":false}";
	preview(less);
	assert_false(told("flows-break", "10.0.0.200")->counted);
}

static void leaves_uncounted_what_no_app_counts(void **state)
{
	(void)state;
	start(ONE(POOL(KEEP, SERVERS)), NULL);
	preview(TREE(LOCALS("'10.0.0.201'"), POOL(RESET, SERVER("s2", "2", "")), WEB));
	assert_int_equal(t.count, 3);
	assert_false(told("flows-break", "10.0.0.200")->counted);
	assert_false(told("flows-reset", "p")->counted);
	assert_false(told("flows-end", "s1")->counted);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(goes_by_the_pool_as_it_will_be),
		TEST(says_of_which_services_no_port_is_in_the_context),
		TEST(resets_what_was_kept),
		TEST(keeps_in_silence_what_was_reset),
		TEST(gives_a_deadline_to_servers_that_drain),
		TEST(tells_all_that_a_service_changes),
		TEST(counts_flows_of_a_local_address),
		TEST(leaves_uncounted_what_no_app_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
