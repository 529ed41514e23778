// SPDX-License-Identifier: BSD-3-Clause
//
// net - the five calls of the module, and the daemon's way to apps' queries.
//
// check builds the delta of the change, puts it into the store, looks, and takes it out again: a few
// microseconds per touched entry. prepare does the same and keeps the delta until commit or abort.

#include "control/net/net_priv.h"

#include "control/link/link.h"

#include <libyang/libyang.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct {
	const struct ly_ctx *ctx;
	bool prepared;
	struct net_delta delta;
	txn_done_fn done;
	void *arg;
} mod;

static int build_and_check(const struct txn_change *c, struct net_delta *d, struct txn_result *r)
{
	int rc = net_delta_build(d, c->before, c->after, c->diff, r);

	if (rc != 0)
		return rc;
	net_delta_apply(d);
	rc = net_index_check(d, c->after, r);
	net_delta_undo(d);
	return rc;
}

static int mod_check(const struct txn_change *c, struct txn_result *r)
{
	struct net_delta d;
	int rc = build_and_check(c, &d, r);

	net_delta_free(&d);
	return rc;
}

static void on_prepared(void *arg, const struct txn_result *r)
{
	txn_done_fn done = mod.done;

	(void)arg;
	if (r->result != 0) {
		net_delta_free(&mod.delta);
		mod.prepared = false;
	}
	done(mod.arg, r);
}

static void mod_prepare(const struct txn_change *c, txn_done_fn done, void *arg)
{
	struct txn_result *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	if (mod.prepared) {
		txn_refuse(r, -EBUSY, "in-use", NULL, "", "another change is being prepared");
		done(arg, r);
	} else if (build_and_check(c, &mod.delta, r) != 0) {
		net_delta_free(&mod.delta);
		done(arg, r);
	} else {
		if (c->base != net_apps_version())
			net_log("a change of version %llu comes while %llu is in force",
				(unsigned long long)c->base,
				(unsigned long long)net_apps_version());
		mod.prepared = true;
		mod.done = done;
		mod.arg = arg;
		net_apps_prepare(c, &mod.delta, on_prepared, NULL);
	}
	free(r);
}

static void mod_commit(const struct txn_change *c, txn_done_fn done, void *arg)
{
	mod.prepared = false;
	net_apps_commit(c, &mod.delta, done, arg);
}

static void mod_abort(const struct txn_change *c, txn_done_fn done, void *arg)
{
	struct txn_result *r = calloc(1, sizeof(*r));

	(void)c;
	if (!r)
		abort();
	net_apps_abort();
	if (mod.prepared)
		net_delta_free(&mod.delta);
	mod.prepared = false;
	done(arg, r);
	free(r);
}

static void mod_state(struct lyd_node **tree, txn_done_fn done, void *arg)
{
	net_state_collect(mod.ctx, tree, done, arg);
}

const struct txn_module *net_module(void)
{
	static const struct txn_module module = {
		.name = "net",
		.check = mod_check,
		.prepare = mod_prepare,
		.commit = mod_commit,
		.abort = mod_abort,
		.state = mod_state,
	};

	return &module;
}

// ---- start and end ---------------------------------------------------------------------------

static void load(const struct lyd_node *running)
{
	struct txn_result *r = calloc(1, sizeof(*r));
	struct net_delta d;

	if (!r)
		abort();
	running = lyd_first_sibling(running);
	net_delta_build(&d, NULL, running, running, r);
	net_delta_apply(&d);
	net_index_check(&d, running, r);
	net_delta_keep(&d);
	// It was checked when it was committed. Should a new release find fault with it, what can be
	// mapped still serves, and the operator is told.
	for (unsigned i = 0; i < r->error_count; i++) {
		net_log("the running configuration is not sound: %s: %s", r->error[i].path,
			r->error[i].message);
		net_alarm_raise("", "refused", 3, r->error[i].path, r->error[i].message);
	}
	free(r);
}

int net_init(const struct net_conf *conf, const struct lyd_node *running, uint64_t version)
{
	int rc = net_schema_init(conf->ctx);

	if (rc != 0)
		return rc;
	rc = net_link_init(conf->run_dir);
	if (rc != 0)
		return rc;
	mod.ctx = conf->ctx;
	rc = net_apps_init(conf, version);
	if (rc != 0)
		return rc;
	if (running)
		load(running);
	net_apps_follow();
	return net_strays_init(conf->base, conf->run_dir, conf->stray_ms ? conf->stray_ms : 10000);
}

void net_fini(void)
{
	net_strays_fini();
	if (mod.prepared)
		net_delta_free(&mod.delta);
	net_apps_fini();
	net_store_clear();
	net_alarm_fini();
	memset(&mod, 0, sizeof(mod));
}

void net_query(const char *instance, const char *name, const char *args,
	       void (*done)(void *arg, int rc, const char *json, size_t size), void *arg)
{
	const struct net_inst *inst = net_store_inst(instance);
	struct link *link = inst ? net_app_link(inst) : NULL;
	int rc = !inst  ? -ENOENT
		 : link ? link_query(link, name, args, 10000, done, arg)
			: -ENOTCONN;

	if (rc != 0)
		done(arg, rc, NULL, 0);
}
