// SPDX-License-Identifier: BSD-3-Clause
//
// apps_steps - the module whole, under control/txn, with fake apps on real sockets: start it over a tree, connect
// apps, change what is running.
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/net/net_priv.h"
#include "tests/unit/control/link/fake_app.h"
#include "tests/unit/control/net/fixture.h"

#define DEADLINE_MS 100
#define P_LB        "/sluice-lb:load-balancers/load-balancer[name='lb']"

static struct {
	struct event_base *base;
	char dir[64];
	struct fake_app lb, lb2;
	struct lyd_node *running;
	uint64_t version;
	struct txn_result r;
	unsigned done;
	bool require_all;
	int query_rc;
	char query[64];
} t;

static inline void on_done(void *arg, const struct txn_result *r)
{
	t.r = *r;
	t.done++;
}

static inline bool is_done(void *arg)
{
	return t.done > 0;
}

static inline int setup(void **state)
{
	memset(&t, 0, sizeof(t));
	t.base = event_base_new();
	snprintf(t.dir, sizeof(t.dir), "/dev/shm/sluice-net-test-XXXXXX");
	assert_non_null(mkdtemp(t.dir));
	assert_int_equal(txn_register(net_module()), 0);
	return 0;
}

static inline int teardown(void **state)
{
	txn_unregister_all();
	net_fini();
	fake_app_stop(&t.lb);
	fake_app_stop(&t.lb2);
	lyd_free_all(t.running);
	event_base_free(t.base);
	rmdir(t.dir);
	return 0;
}

static inline void start(const char *json, uint64_t version)
{
	struct net_conf conf = {
		.base = t.base, .ctx = fixture_ctx(), .run_dir = t.dir, .deadline_ms = DEADLINE_MS};

	memcpy(conf.datastore, fixture_datastore, 16);
	t.running = fixture_tree(json);
	t.version = version;
	assert_int_equal(net_init(&conf, t.running, version), 0);
}

static inline void app(struct fake_app *f, const char *name, uint64_t applied)
{
	memcpy(f->datastore, fixture_datastore, 16);
	f->applied = applied;
	fake_app_start(f, t.base, t.dir, name);
}

static inline bool in_step(void *arg)
{
	const struct fake_app *f = arg;
	struct net_app_state s[4];
	size_t n = net_apps(s, 4);

	for (size_t i = 0; i < n; i++) {
		if (strcmp(s[i].instance, f->instance) == 0)
			return s[i].connected && s[i].applied == s[i].intended &&
			       f->applied == s[i].intended;
	}
	return false;
}

static inline struct net_app_state state_of(const char *name)
{
	struct net_app_state s[4];
	size_t n = net_apps(s, 4);

	for (size_t i = 0; i < n; i++) {
		if (strcmp(s[i].instance, name) == 0)
			return s[i];
	}
	fail_msg("no app %s", name);
	return s[0];
}

// Prepare, and commit unless told not to; what is running follows.
static inline int change(const char *json, bool commit)
{
	struct lyd_node *after = fixture_tree(json);
	struct fixture_change f;

	fixture_change(&f, t.running, after);
	f.c.base = t.version;
	f.c.target = t.version + 1;
	f.c.require_all = t.require_all;
	t.done = 0;
	txn_prepare(t.base, &f.c, on_done, NULL);
	fake_wait(t.base, is_done, NULL);
	if (t.r.result != 0) {
		fixture_change_fini(&f);
		lyd_free_all(after);
		return t.r.result;
	}
	if (commit) {
		struct txn_result prepared = t.r;

		t.done = 0;
		txn_commit(&f.c, on_done, NULL);
		fake_wait(t.base, is_done, NULL);
		assert_int_equal(t.r.result, 0);
		for (unsigned i = 0; i < prepared.warning_count; i++)
			txn_warn(&t.r, "%s", prepared.warning[i]);
		lyd_free_all(t.running);
		t.running = after;
		t.version++;
	} else {
		t.done = 0;
		txn_abort(&f.c, on_done, NULL);
		fake_wait(t.base, is_done, NULL);
		lyd_free_all(after);
	}
	fixture_change_fini(&f);
	return 0;
}

#define SERVER(n, a, p) "{'name':'" n "','address':'" a "','port':" p "}"
#define INST(name, local, servers, vip)                                                            \
	"{'name':'" name "','local-address-pools':{'local-address-pool':[{'name':'l','address':"   \
	"['" local "']}]},'pools':{'pool':[{'name':'p','servers':{'server':[" servers "]}}]},"     \
	"'services':{'service':[{'name':'web','address':'" vip "','port':80,'protocol':'tcp',"     \
	"'pool':'p','local-address-pool':'l'}]}}"
#define TREE(insts) "{'sluice-lb:load-balancers':{'load-balancer':[" insts "]}}"
#define ONE(port)   TREE(INST("lb", "10.0.0.200", SERVER("a", "10.0.0.1", port), "192.0.2.1"))
#define TWO(port, port2)                                                                           \
	TREE(INST("lb", "10.0.0.200", SERVER("a", "10.0.0.1", port), "192.0.2.1") "," INST(        \
		"lb2", "10.0.0.201", SERVER("a", "10.0.0.1", port2), "192.0.2.2"))
