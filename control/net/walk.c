// SPDX-License-Identifier: BSD-3-Clause
//
// walk - from the diff to a delta: which entries are touched, and the old and new records of each.
//
// Only what the diff holds is visited. The walk goes down the diff and, beside it, down the trees
// before and after by hash look-ups of list keys. Units that are small are mapped whole (an interface
// with its VLANs and prefixes, a local pool with its addresses, a pool without its servers); a server
// or service is a unit of its own, so a change in a pool of 100,000 servers costs one server.

#include "control/net/net_priv.h"

#include <libyang/libyang.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct walk {
	struct net_out old, new;
	bool all; // no diff: everything is new, and the diff is the tree after
};

struct place { // the same spot in the three trees
	const struct lyd_node *diff, *before, *after;
};

// ---- delta -----------------------------------------------------------------------------------

static struct net_item *item_add(struct net_delta *d)
{
	struct net_item *more;
	size_t room = d->room ? d->room * 2 : 16;

	if (d->count == d->room) {
		more = realloc(d->item, room * sizeof(*more));
		if (!more) {
			d->error = -ENOMEM;
			return NULL;
		}
		d->item = more;
		d->room = room;
	}
	d->item[d->count] = (struct net_item){0};
	return &d->item[d->count++];
}

void net_out_put(struct net_out *o, const char *inst_name, bool sent, const struct ctl_rec *rec)
{
	struct net_inst *inst = net_store_inst_get(inst_name);
	struct net_entry *e = net_store_find(inst, rec->type, rec->id);
	struct net_delta *d = o->delta;
	struct net_item *item;

	if (o->before) {
		if (!e || e->mark == d->mark)
			return; // the store does not have it: then there is nothing to take out
		item = item_add(d);
		if (!item)
			return;
		item->old = e;
		e->mark = d->mark;
		e->item = (uint32_t)(d->count - 1);
		return;
	}
	if (e && e->mark == d->mark && !d->item[e->item].new) {
		item = &d->item[e->item];
		if (e->sent == sent && e->rec->size == rec->size &&
		    memcmp(e->rec, rec, rec->size) == 0) {
			item->old = NULL; // as it was
			e->mark = 0;
			return;
		}
	} else {
		item = item_add(d);
	}
	if (item)
		item->new = net_entry_new(inst, sent, rec);
}

void net_delta_apply(struct net_delta *d)
{
	for (size_t i = 0; i < d->count; i++) {
		if (d->item[i].old)
			net_store_remove(d->item[i].old);
	}
	for (size_t i = 0; i < d->count; i++) {
		if (d->item[i].new)
			net_store_add(d->item[i].new);
	}
}

void net_delta_undo(struct net_delta *d)
{
	for (size_t i = 0; i < d->count; i++) {
		if (d->item[i].new)
			net_store_remove(d->item[i].new);
	}
	for (size_t i = 0; i < d->count; i++) {
		if (d->item[i].old)
			net_store_add(d->item[i].old);
	}
}

void net_delta_keep(struct net_delta *d)
{
	for (size_t i = 0; i < d->count; i++) {
		free(d->item[i].old);
		d->item[i].new = NULL;
	}
	d->count = 0;
	net_delta_free(d);
}

void net_delta_free(struct net_delta *d)
{
	for (size_t i = 0; i < d->count; i++) {
		if (d->item[i].old)
			d->item[i].old->mark = 0;
		free(d->item[i].new);
	}
	free(d->item);
	*d = (struct net_delta){0};
	net_store_inst_tidy();
}

// ---- walk ------------------------------------------------------------------------------------

static const struct lyd_node *match(const struct lyd_node *parent, const struct lyd_node *like)
{
	struct lyd_node *m = NULL;

	if (!parent || lyd_find_sibling_first(lyd_child(parent), like, &m) != LY_SUCCESS)
		return NULL;
	return m;
}

static struct place down(const struct walk *w, const struct place *p, const struct lyd_node *child)
{
	if (w->all)
		return (struct place){.diff = child, .after = child};
	return (struct place){
		.diff = child,
		.before = match(p->before, child),
		.after = match(p->after, child),
	};
}

// Does the diff of this entry say more than that something inside one of its lists changed?
static bool touched(const struct walk *w, const struct place *p, const struct lysc_node *list)
{
	const struct lyd_node *c;

	if (w->all || !p->before || !p->after)
		return true;
	LY_LIST_FOR (lyd_child(p->diff), c) {
		if (c->schema != list && !lysc_is_key(c->schema))
			return true;
	}
	return false;
}

static void walk_pool(struct walk *w, const char *inst, const struct place *p)
{
	const char *pool = lyd_get_value(lyd_child(p->diff)); // the key comes first
	const struct lyd_node *c, *s;
	struct place servers, one;

	if (touched(w, p, net_schema(NS_SERVERS))) {
		if (p->before)
			net_map_pool(&w->old, inst, p->before);
		if (p->after)
			net_map_pool(&w->new, inst, p->after);
	}
	LY_LIST_FOR (lyd_child(p->diff), c) {
		if (c->schema != net_schema(NS_SERVERS))
			continue;
		servers = down(w, p, c);
		LY_LIST_FOR (lyd_child(c), s) {
			one = down(w, &servers, s);
			if (one.before)
				net_map_server(&w->old, inst, pool, one.before);
			if (one.after)
				net_map_server(&w->new, inst, pool, one.after);
		}
	}
}

typedef void (*map_fn)(struct net_out *o, const char *inst, const struct lyd_node *entry);

static void walk_lists(struct walk *w, const char *inst, const struct place *p)
{
	const struct lyd_node *c;
	struct place one;
	map_fn map;

	LY_LIST_FOR (lyd_child(p->diff), c) {
		one = down(w, p, c);
		if (c->schema == net_schema(NS_POOL)) {
			walk_pool(w, inst, &one);
			continue;
		}
		if (c->schema == net_schema(NS_LPOOL))
			map = net_map_local_pool;
		else if (c->schema == net_schema(NS_SERVICE))
			map = net_map_service;
		else
			continue;
		if (one.before)
			map(&w->old, inst, one.before);
		if (one.after)
			map(&w->new, inst, one.after);
	}
}

static bool is_settings(const struct lyd_node *child)
{
	return child->schema == net_schema(NS_FLOW_SIZE)->parent ||
	       child->schema == net_schema(NS_PERSIST_SIZE)->parent ||
	       child->schema == net_schema(NS_T_SYN)->parent;
}

static void walk_lb(struct walk *w, const struct place *p)
{
	const char *inst = lyd_get_value(lyd_child(p->diff));
	bool settings = w->all || !p->before || !p->after;
	const struct lyd_node *c;
	struct place one;

	LY_LIST_FOR (lyd_child(p->diff), c) {
		if (is_settings(c))
			settings = true;
	}
	if (settings && p->before)
		net_map_settings(&w->old, inst, p->before);
	if (settings && p->after)
		net_map_settings(&w->new, inst, p->after);
	LY_LIST_FOR (lyd_child(p->diff), c) {
		if (is_settings(c) || lysc_is_key(c->schema))
			continue;
		one = down(w, p, c);
		walk_lists(w, inst, &one);
	}
}

static const struct lyd_node *match_top(const struct lyd_node *tree, const struct lyd_node *like)
{
	for (tree = tree ? lyd_first_sibling(tree) : NULL; tree; tree = tree->next) {
		if (tree->schema == like->schema)
			return tree;
	}
	return NULL;
}

int net_delta_build(struct net_delta *d, const struct lyd_node *before,
		    const struct lyd_node *after, const struct lyd_node *diff, struct txn_result *r)
{
	static uint32_t mark;
	struct walk w = {
		.old = {.delta = d, .before = true, .r = r},
		.new = {.delta = d, .before = false, .r = r},
		.all = !before &&diff == after,
	};
	const struct lyd_node *top, *c;
	struct place p, one;

	*d = (struct net_delta){.mark = ++mark ? mark : ++mark};
	LY_LIST_FOR (diff ? lyd_first_sibling(diff) : NULL, top) {
		p = (struct place){top, match_top(before, top), match_top(after, top)};
		if (w.all)
			p.after = top;
		LY_LIST_FOR (lyd_child(top), c) {
			void (*map)(struct net_out *, const struct lyd_node *) =
				c->schema == net_schema(NS_INTERFACE) ? net_map_interface
				: c->schema == net_schema(NS_LINK)    ? net_map_link
								      : NULL;

			if (!map && c->schema != net_schema(NS_LB))
				continue;
			one = down(&w, &p, c);
			if (!map) {
				walk_lb(&w, &one);
				continue;
			}
			if (one.before)
				map(&w.old, one.before);
			if (one.after)
				map(&w.new, one.after);
		}
	}
	if (d->error)
		txn_refuse(r, d->error, "resource-denied", NULL, "", "out of memory");
	return r->result;
}

void net_refuse(struct net_out *o, const struct lyd_node *entry, enum net_schema s, const char *tag,
		const char *app_tag, const char *format, ...)
{
	const struct lyd_node *n = net_node(entry, s);
	char path[sizeof(((struct txn_error *)0)->path)],
		text[sizeof(((struct txn_error *)0)->message)];
	const struct lysc_node *chain[8], *at;
	unsigned depth = 0;
	size_t len;
	va_list ap;

	if (o->before)
		return; // what is going need not be right
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	lyd_path(n ? n : entry, LYD_PATH_STD, path, sizeof(path));
	if (!n) {
		// The path of a leaf that is not there: what is missing or came from a default.
		for (at = net_schema(s); at && at != entry->schema && depth < 8; at = at->parent)
			chain[depth++] = at;
		for (at = entry->schema; depth > 0; at = chain[depth]) {
			depth--;
			len = strlen(path);
			if (chain[depth]->module != at->module)
				snprintf(path + len, sizeof(path) - len, "/%s:%s",
					 chain[depth]->module->name, chain[depth]->name);
			else
				snprintf(path + len, sizeof(path) - len, "/%s", chain[depth]->name);
		}
	}
	txn_refuse(o->r, -EINVAL, tag, app_tag, path, "%s", text);
}
