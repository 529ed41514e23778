// SPDX-License-Identifier: BSD-3-Clause

#include "control/daemon/links.h"

#include "control/daemon/helper.h"
#include "control/datastore/diff.h"
#include "control/txn/txn.h"

#include <libyang/libyang.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct helper *helper;

// Answers of the helper for one commit.
struct batch {
	unsigned waiting;
	txn_done_fn done;
	void *arg;
	struct txn_result result;
};

struct one {
	struct batch *batch; // NULL: at start
	char name[64];
};

static const struct lyd_node *child(const struct lyd_node *parent, const char *name)
{
	const struct lyd_node *node;

	LY_LIST_FOR (lyd_child(parent), node)
		if (strcmp(node->schema->name, name) == 0)
			return node;
	return NULL;
}

static const char *text(const struct lyd_node *parent, const char *name, const char *fallback)
{
	const struct lyd_node *node = parent != NULL ? child(parent, name) : NULL;

	return node != NULL ? lyd_get_value(node) : fallback;
}

static void unwind(struct batch *b)
{
	if (b == NULL || --b->waiting > 0)
		return;
	b->done(b->arg, &b->result);
	free(b);
}

static void link_done(void *arg, int rc)
{
	struct one *o = arg;

	if (rc != 0 && o->batch != NULL)
		txn_warn(&o->batch->result, "interface %s: %s", o->name, strerror(-rc));
	else if (rc != 0)
		fprintf(stderr, "sluiced: interface %s: %s\n", o->name, strerror(-rc));
	unwind(o->batch);
	free(o);
}

// The kernel interface of an entry; NULL where it has none, or none of its own accord: what an app makes
// (TAP, memif) the app brings up.
static const char *device(const struct lyd_node *entry)
{
	const char *type = text(entry, "type", "");

	if (strncmp(type, "sluice-port:", strlen("sluice-port:")) == 0 &&
	    strcmp(type, "sluice-port:af-xdp") != 0)
		return NULL;
	return text(child(entry, "port"), "device", text(entry, "name", NULL));
}

static void set(const struct lyd_node *entry, struct batch *b)
{
	const char *name = device(entry);
	struct one *o;

	if (name == NULL)
		return;
	o = calloc(1, sizeof(*o));
	if (o == NULL)
		return;
	o->batch = b;
	snprintf(o->name, sizeof(o->name), "%s", name);
	if (b != NULL)
		b->waiting++;
	helper_link_set(helper, name, strcmp(text(entry, "enabled", "true"), "true") == 0,
			link_done, o);
}

static const struct lyd_node *interfaces(const struct lyd_node *tree)
{
	for (; tree != NULL; tree = tree->next)
		if (strcmp(tree->schema->name, "interfaces") == 0 &&
		    strcmp(tree->schema->module->name, "ietf-interfaces") == 0)
			return tree;
	return NULL;
}

static int check(const struct txn_change *c, struct txn_result *r)
{
	(void)c;
	(void)r;
	return 0;
}

static void at_once(const struct txn_change *c, txn_done_fn done, void *arg)
{
	static const struct txn_result ok;

	(void)c;
	done(arg, &ok);
}

// Is the link of this entry touched?
static bool touches(const struct lyd_node *d)
{
	const char *op = diff_operation(d);

	if (op == NULL || strcmp(op, "delete") == 0)
		return false; // a link we no longer know is left as it is
	return strcmp(op, "create") == 0 || child(d, "enabled") != NULL ||
	       child(d, "type") != NULL || child(d, "port") != NULL;
}

static void commit(const struct txn_change *c, txn_done_fn done, void *arg)
{
	const struct lyd_node *d, *entry, *list = interfaces(c->diff),
					  *after = interfaces(c->after);
	struct batch *b;

	if (list == NULL || after == NULL) {
		at_once(c, done, arg);
		return;
	}
	b = calloc(1, sizeof(*b));
	if (b == NULL) {
		at_once(c, done, arg);
		return;
	}
	*b = (struct batch){.waiting = 1, .done = done, .arg = arg};
	LY_LIST_FOR (lyd_child(list), d) {
		const char *op = diff_operation(list);
		struct lyd_node *match;

		if (!(op != NULL && strcmp(op, "create") == 0) && !touches(d))
			continue;
		if (lyd_find_sibling_first(lyd_child(after), d, &match) == LY_SUCCESS) {
			entry = match;
			set(entry, b);
		}
	}
	unwind(b);
}

static void state(struct lyd_node **tree, txn_done_fn done, void *arg)
{
	static const struct txn_result ok;

	(void)tree;
	done(arg, &ok);
}

const struct txn_module *links_module(struct helper *h)
{
	static const struct txn_module module = {
		.name = "links",
		.check = check,
		.prepare = at_once,
		.commit = commit,
		.abort = at_once,
		.state = state,
	};

	helper = h;
	return &module;
}

void links_start(const struct lyd_node *running)
{
	const struct lyd_node *list = interfaces(running), *entry;

	LY_LIST_FOR (lyd_child(list), entry)
		set(entry, NULL);
}
