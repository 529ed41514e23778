// SPDX-License-Identifier: BSD-3-Clause
//
// state - operational state: every connected app is asked for its own (query "state", RFC 7951 JSON),
// and its answer is put into the tree. Who does not answer in time is left out, with a warning.
//
// An answer may hold nothing but state nodes, below entries that exist and belong to that app: its own
// load-balancer entry and the interfaces whose owner it is; configuration in it must be what it is here.
// Anything else refuses the whole answer.

#include "control/net/net_priv.h"

#include "control/link/link.h"

#include <libyang/libyang.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATE_MS 1000

struct collect {
	const struct ly_ctx *ctx;
	struct lyd_node **tree;
	txn_done_fn done;
	void *arg;
	unsigned waiting;
	struct txn_result result;
};

struct asked {
	struct collect *c;
	char inst[CTL_NAME];
};

// ---- an answer into the tree -----------------------------------------------------------------

struct merge {
	const char *inst;
	char *why;
	size_t why_size;
};

static int wrong(struct merge *m, const struct lyd_node *n, const char *what)
{
	char path[256];

	lyd_path(n, LYD_PATH_STD, path, sizeof(path));
	snprintf(m->why, m->why_size, "%s: %s", path, what);
	return -EPROTO;
}

static bool belongs(const struct lyd_node *entry, const char *inst)
{
	const char *owner;

	if (entry->schema == net_schema(NS_LB))
		return strcmp(net_text(entry, NS_LB_NAME), inst) == 0;
	if (entry->schema == net_schema(NS_INTERFACE)) {
		owner = net_text(entry, NS_PORT_OWNER);
		return owner && strcmp(owner, inst) == 0;
	}
	return true; // inside one of the two
}

static const struct lyd_node *same(const struct lyd_node *siblings, const struct lyd_node *like)
{
	struct lyd_node *match = NULL;

	if (!siblings || lyd_find_sibling_first(siblings, like, &match) != LY_SUCCESS)
		return NULL;
	return match;
}

// State nodes below parent move from child's place to target; a state node that is there already goes.
static int merge_children(struct merge *m, struct lyd_node *from, struct lyd_node *target)
{
	struct lyd_node *c, *next, *old;
	int rc;

	LY_LIST_FOR_SAFE(lyd_child(from), next, c)
	{
		if (!c->schema)
			return wrong(m, from, "unknown nodes");
		if (lysc_is_key(c->schema))
			continue;
		if (c->schema->flags & LYS_CONFIG_R) {
			old = (struct lyd_node *)(uintptr_t)same(lyd_child(target), c);
			if (old && !(c->schema->nodetype & (LYS_LIST | LYS_LEAFLIST)))
				lyd_free_tree(old);
			lyd_unlink_tree(c);
			if (lyd_insert_child(target, c) != LY_SUCCESS) {
				lyd_free_tree(c);
				return wrong(m, target, "state that does not fit here");
			}
			continue;
		}
		old = (struct lyd_node *)(uintptr_t)same(lyd_child(target), c);
		if (!(c->schema->nodetype & (LYS_CONTAINER | LYS_LIST))) {
			// a leaf said again is harmless (an interface's type, that its state hangs on)
			if (old && lyd_compare_single(old, c, 0) == LY_SUCCESS)
				continue;
			return wrong(m, c, "configuration in a state answer");
		}
		if (!old && c->schema->nodetype == LYS_CONTAINER) {
			// a container of the configuration that has no content of its own yet
			if (lyd_new_inner(target, c->schema->module, c->schema->name, 0, &old))
				return -ENOMEM;
		}
		if (!old)
			continue; // an entry that has been deleted meanwhile
		if (!belongs(old, m->inst))
			return wrong(m, c, "state of what belongs to another application");
		rc = merge_children(m, c, old);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static bool only_space(const char *p, size_t size)
{
	return strspn(p, " \t\r\n") == size;
}

int net_state_merge(const struct ly_ctx *ctx, struct lyd_node *tree, const char *inst,
		    const char *json, size_t size, char *why, size_t why_size)
{
	struct merge m = {.inst = inst, .why = why, .why_size = why_size};
	struct lyd_node *answer = NULL, *top, *target;
	struct ly_in *in = NULL;
	size_t parsed = 0;
	int rc = 0;

	snprintf(why, why_size, "not JSON of our models");
	if (only_space(json, size))
		return -EPROTO; // libyang takes nothing for an empty tree
	if (ly_in_new_memory(json, &in) != LY_SUCCESS)
		return -ENOMEM;
	if (lyd_parse_data(ctx, NULL, in, LYD_JSON, LYD_PARSE_ONLY | LYD_PARSE_STRICT, 0,
			   &answer) == LY_SUCCESS)
		parsed = ly_in_parsed(in);
	else
		rc = -EPROTO;
	ly_in_free(in, 0);
	if (rc == 0 && (parsed > size || !only_space(json + parsed, size - parsed)))
		rc = -EPROTO; // libyang ignores what follows the text
	LY_LIST_FOR (rc == 0 ? answer : NULL, top) {
		if (top->schema != net_schema(NS_LB)->parent &&
		    top->schema != net_schema(NS_INTERFACE)->parent) {
			rc = wrong(&m, top, "not a part an application may fill");
			break;
		}
		target = (struct lyd_node *)(uintptr_t)same(tree, top);
		if (!target)
			continue;
		rc = merge_children(&m, top, target);
		if (rc != 0)
			break;
	}
	lyd_free_all(answer);
	return rc;
}

// ---- what the daemon itself knows ------------------------------------------------------------

static void put_leaf(struct lyd_node *entry, const char *path, const char *value)
{
	lyd_new_path(entry, NULL, path, value, LYD_NEW_PATH_UPDATE, NULL);
}

static void put_known(struct lyd_node *tree)
{
	struct lyd_node *top, *entry;
	const struct net_inst *inst;
	const char *owner;
	bool up;

	LY_LIST_FOR (tree ? lyd_first_sibling(tree) : NULL, top) {
		LY_LIST_FOR (lyd_child(top), entry) {
			if (entry->schema == net_schema(NS_LB)) {
				char version[24];

				inst = net_store_inst(net_text(entry, NS_LB_NAME));
				up = inst && net_app_link(inst);
				snprintf(version, sizeof(version), "%llu",
					 (unsigned long long)(inst ? net_app_applied(inst) : 0));
				put_leaf(entry, "state/connected", up ? "true" : "false");
				put_leaf(entry, "state/applied-version", version);
			} else if (entry->schema == net_schema(NS_INTERFACE)) {
				owner = net_text(entry, NS_PORT_OWNER);
				inst = owner ? net_store_inst(owner) : NULL;
				if (owner)
					put_leaf(entry, "sluice-port:port-state/owner-connected",
						 inst && net_app_link(inst) ? "true" : "false");
			}
		}
	}
}

static void collect_step(struct collect *c)
{
	if (--c->waiting > 0)
		return;
	put_known(*c->tree);
	c->done(c->arg, &c->result);
	free(c);
}

static void on_answer(void *arg, int rc, const char *json, size_t size)
{
	struct asked *a = arg;
	struct collect *c = a->c;
	char why[400];

	if (rc == 0)
		rc = net_state_merge(c->ctx, *c->tree, a->inst, json, size, why, sizeof(why));
	else
		snprintf(why, sizeof(why), "%s", strerror(-rc));
	if (rc != 0) {
		net_log("no state of %s: %s", a->inst, why);
		txn_warn(&c->result, "no state of %s: %.200s", a->inst, why);
	}
	free(a);
	collect_step(c);
}

void net_state_collect(const struct ly_ctx *ctx, struct lyd_node **tree, txn_done_fn done,
		       void *arg)
{
	struct collect *c = calloc(1, sizeof(*c));
	struct txn_result none = {.result = -ENOMEM};
	struct net_inst *inst;
	struct link *link;
	struct asked *a;

	if (!c) {
		done(arg, &none);
		return;
	}
	*c = (struct collect){.ctx = ctx, .tree = tree, .done = done, .arg = arg, .waiting = 1};
	TAILQ_FOREACH(inst, net_store_insts(), next)
	{
		link = net_app_link(inst);
		if (!link || !*tree)
			continue;
		a = calloc(1, sizeof(*a));
		if (!a)
			continue;
		a->c = c;
		snprintf(a->inst, sizeof(a->inst), "%s", inst->name);
		c->waiting++;
		if (link_query(link, "state", NULL, STATE_MS, on_answer, a) != 0) {
			c->waiting--;
			free(a);
			txn_warn(&c->result, "no state of %s: it has too many questions open",
				 inst->name);
		}
	}
	collect_step(c);
}
