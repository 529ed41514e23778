// SPDX-License-Identifier: BSD-3-Clause
//
// preview - what a change would do to the traffic that runs now. The same delta that a commit sends is
// read for what applications do with it (apps/lb/README.md, rules): an entry that goes or moves ends its
// flows, one that is disabled resets or refuses them, a port that goes closes. How many flows that
// touches is asked of the applications.

#include "control/net/net_priv.h"
#include "control/net/overlap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EFFECTS_MAX 1000 // told one by one; the rest is a number
#define OTHERS_MAX  16   // services that one overlaps, told one by one

struct preview {
	struct net_effect *effect;
	size_t count, room, more;
	unsigned pending; // answers of apps
	net_preview_fn done;
	void *arg;
};

struct question { // to one app
	struct preview *p;
	char instance[CTL_NAME];
};

// ---- effects ---------------------------------------------------------------------------------

// pool, name: whose flows they are; NULL: nobody's.
__attribute__((format(printf, 6, 7))) static void add(struct preview *p, const struct net_entry *e,
						      const char *kind, const char *pool,
						      bool flows, const char *format, ...)
{
	struct net_effect *x;
	va_list ap;

	if (p->count == EFFECTS_MAX) {
		p->more++;
		return;
	}
	if (p->count == p->room) {
		size_t room = p->room ? p->room * 2 : 16;

		x = realloc(p->effect, room * sizeof(*x));
		if (!x) {
			p->more++;
			return;
		}
		p->effect = x;
		p->room = room;
	}
	x = &p->effect[p->count++];
	memset(x, 0, sizeof(*x));
	snprintf(x->instance, sizeof(x->instance), "%s", e->inst->name);
	snprintf(x->kind, sizeof(x->kind), "%s", kind);
	snprintf(x->pool, sizeof(x->pool), "%s", pool ? pool : "");
	snprintf(x->name, sizeof(x->name), "%s", net_entry_name(e));
	net_entry_path(NULL, e, NULL, x->path, sizeof(x->path));
	x->asks = flows;
	va_start(ap, format);
	vsnprintf(x->text, sizeof(x->text), format, ap);
	va_end(ap);
}

static bool same_place(const struct ctl_service *a, const struct ctl_service *b)
{
	return memcmp(&a->addr, &b->addr, sizeof(a->addr)) == 0 && a->port == b->port &&
	       a->proto == b->proto && a->context == b->context;
}

static void old_service(struct preview *p, const struct net_entry *e, const struct net_entry *new)
{
	const struct ctl_service *s = (const struct ctl_service *)e->rec;
	const struct ctl_service *n = new ? (const struct ctl_service *)new->rec : NULL;

	if (!n)
		add(p, e, "flows-end", NULL, true, "service '%s' goes: its flows end", s->name);
	else if (!same_place(s, n))
		add(p, e, "flows-end", NULL, true,
		    "service '%s' moves to another context, address, port or protocol: its flows end",
		    s->name);
	else if (s->enabled && !n->enabled)
		add(p, e, "flows-end", NULL, true,
		    "service '%s' is disabled: its flows end, new ones are refused", s->name);
	else if (ntohs(n->port_max) < ntohs(s->port_max))
		add(p, e, "range", NULL, true,
		    "service '%s' has fewer ports: flows of those that go end", s->name);
	else if (n->forwarding != s->forwarding)
		add(p, e, "range", NULL, true,
		    "service '%s' forwards in another mode: new flows only, old ones go on as they are",
		    s->name);
}

static void old_server(struct preview *p, const struct net_entry *e, const struct net_entry *new)
{
	const struct ctl_server *s = (const struct ctl_server *)e->rec;
	const struct ctl_server *n = new ? (const struct ctl_server *)new->rec : NULL;
	const struct net_entry *pe = net_store_find(e->inst, CTL_REC_POOL, s->pool);
	const struct ctl_pool *pr = pe ? (const struct ctl_pool *)pe->rec : NULL;
	const char *pool = pr ? pr->name : "";

	if (!n) {
		add(p, e, "flows-end", pool, true, "server '%s' of pool '%s' goes: its flows end",
		    s->name, pool);
		return;
	}
	if (memcmp(&s->addr, &n->addr, sizeof(s->addr)) != 0 || s->port != n->port) {
		add(p, e, "flows-end", pool, true,
		    "server '%s' of pool '%s' moves to another address or port: its flows end",
		    s->name, pool);
		return;
	}
	if (n->admin == CTL_ADMIN_DISABLED && s->admin != CTL_ADMIN_DISABLED) {
		bool reset = pr && pr->on_down == CTL_ON_DOWN_RESET;

		add(p, e, reset ? "flows-reset" : "no-new-flows", pool, true,
		    reset ? "server '%s' of pool '%s' is disabled: its flows are reset"
			  : "server '%s' of pool '%s' is disabled: no new flows, old ones go on",
		    s->name, pool);
	} else if (n->admin == CTL_ADMIN_DRAIN && s->admin == CTL_ADMIN_ENABLED) {
		add(p, e, "no-new-flows", pool, true,
		    pr && pr->drain_timeout_ms
			    ? "server '%s' of pool '%s' is drained: no new flows, those left after "
			      "the drain-timeout end"
			    : "server '%s' of pool '%s' is drained: no new flows, old ones go on",
		    s->name, pool);
	} else if (n->weight == 0 && s->weight != 0) {
		add(p, e, "no-new-flows", pool, true,
		    "server '%s' of pool '%s' has weight 0 now: no new flows, old ones go on",
		    s->name, pool);
	}
}

static void old_port(struct preview *p, const struct net_entry *e, const struct net_entry *new)
{
	const struct ctl_port *r = (const struct ctl_port *)e->rec;

	if (!new || !new->sent)
		add(p, e, "port-closed", NULL, false,
		    "port '%s' is closed: what it carries stops until routes lead elsewhere",
		    r->name);
	else if (e->sent && memcmp(e->rec, new->rec, e->rec->size) != 0)
		add(p, e, "port-changed", NULL, false,
		    "port '%s' changes: a port in use refuses that, take it out in one commit and add "
		    "it in the next (it is closed and opened)",
		    r->name);
}

static void old_entry(struct preview *p, const struct net_item *i)
{
	const struct net_entry *e = i->old;

	switch (e->rec->type) {
	case CTL_REC_SERVICE:
		old_service(p, e, i->new);
		break;
	case CTL_REC_SERVER:
		old_server(p, e, i->new);
		break;
	case CTL_REC_PORT:
		old_port(p, e, i->new);
		break;
	case CTL_REC_LOCAL_ADDRESS:
		if (!i->new)
			add(p, e, "flows-break", NULL, false,
			    "a local address goes: replies to flows that use it are lost, they end by "
			    "their timeouts");
		break;
	default:
		break;
	}
}

// ---- longest match ---------------------------------------------------------------------------

static void new_service(struct preview *p, const struct net_entry *e)
{
	const struct ctl_service *s = (const struct ctl_service *)e->rec;
	struct net_inst *inst;
	unsigned told = 0;

	TAILQ_FOREACH(inst, net_store_insts(), next)
	{
		const struct net_entry *o;

		TAILQ_FOREACH(o, &inst->entries, next)
		{
			const struct ctl_service *v = (const struct ctl_service *)o->rec;
			enum net_overlap who = o == e || o->rec->type != CTL_REC_SERVICE
						       ? NET_OVERLAP_NONE
						       : net_overlap(s, v);

			if ((who != NET_OVERLAP_TAKES && who != NET_OVERLAP_GIVES) ||
			    told++ >= OTHERS_MAX)
				continue;
			add(p, e, "match", NULL, false,
			    who == NET_OVERLAP_TAKES
				    ? "service '%s' takes what matches it longest from service '%s'"
				    : "service '%s' leaves to service '%s' what matches that longest",
			    s->name, v->name);
		}
	}
}

// ---- counts ----------------------------------------------------------------------------------

static void finish(struct preview *p)
{
	p->done(p->arg, p->effect, p->count, p->more);
	free(p->effect);
	free(p);
}

// {"services":[n,...],"servers":[n,...]}, in the order they were asked for.
static bool take_counts(struct preview *p, const char *instance, const char *json, bool servers)
{
	const char *at = strstr(json, servers ? "\"servers\":[" : "\"services\":[");
	char *end;

	if (!at)
		return false;
	at = strchr(at, '[') + 1;
	for (size_t i = 0; i < p->count; i++) {
		struct net_effect *x = &p->effect[i];

		if (!x->asks || (x->pool[0] != '\0') != servers ||
		    strcmp(x->instance, instance) != 0)
			continue;
		x->flows = strtoull(at, &end, 10);
		if (end == at)
			return false;
		x->counted = true;
		at = *end == ',' ? end + 1 : end;
	}
	return true;
}

static void on_counts(void *arg, int rc, const char *json, size_t size)
{
	struct question *q = arg;
	struct preview *p = q->p;

	(void)size;
	if (rc == 0 && json && take_counts(p, q->instance, json, false))
		take_counts(p, q->instance, json, true);
	free(q);
	if (--p->pending == 0)
		finish(p);
}

// The names of services or servers whose flows are to be counted, as JSON.
static void put_names(FILE *f, const struct preview *p, const char *instance, bool servers)
{
	bool comma = false;

	for (size_t i = 0; i < p->count; i++) {
		const struct net_effect *x = &p->effect[i];

		if (!x->asks || (x->pool[0] != '\0') != servers ||
		    strcmp(x->instance, instance) != 0)
			continue;
		// Names hold letters, digits and ._- alone.
		if (servers)
			fprintf(f, "%s[\"%s\",\"%s\"]", comma ? "," : "", x->pool, x->name);
		else
			fprintf(f, "%s\"%s\"", comma ? "," : "", x->name);
		comma = true;
	}
}

static void ask(struct preview *p, const char *instance)
{
	struct question *q = calloc(1, sizeof(*q));
	char *args = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&args, &size);

	if (!q || !f) {
		free(q);
		if (f)
			fclose(f);
		free(args);
		return; // uncounted
	}
	q->p = p;
	snprintf(q->instance, sizeof(q->instance), "%s", instance);
	fputs("{\"services\":[", f);
	put_names(f, p, instance, false);
	fputs("],\"servers\":[", f);
	put_names(f, p, instance, true);
	fputs("]}", f);
	if (fclose(f) == 0) {
		p->pending++;
		net_query(instance, "active", args, on_counts, q);
	} else {
		free(q);
	}
	free(args);
}

static void ask_all(struct preview *p)
{
	const struct net_inst *inst;

	p->pending = 1; // none of the answers ends it before all are asked
	TAILQ_FOREACH(inst, net_store_insts(), next)
	{
		for (size_t i = 0; i < p->count; i++) {
			if (p->effect[i].asks && strcmp(p->effect[i].instance, inst->name) == 0) {
				ask(p, inst->name);
				break;
			}
		}
	}
	if (--p->pending == 0)
		finish(p);
}

int net_preview(const struct lyd_node *before, const struct lyd_node *after,
		const struct lyd_node *diff, net_preview_fn done, void *arg)
{
	struct txn_result *r = calloc(1, sizeof(*r));
	struct preview *p = calloc(1, sizeof(*p));
	struct net_delta d;
	int rc = -ENOMEM;

	if (r && p) {
		rc = net_delta_build(&d, before, after, diff, r);
		if (rc != 0)
			net_delta_free(&d);
	}
	free(r);
	if (rc != 0) {
		free(p);
		return rc;
	}
	p->done = done;
	p->arg = arg;
	for (size_t i = 0; i < d.count; i++) // paths and pools of what is there now
		if (d.item[i].old)
			old_entry(p, &d.item[i]);
	net_delta_apply(&d);
	for (size_t i = 0; i < d.count; i++) {
		const struct net_entry *e = d.item[i].new;

		if (e && e->rec->type == CTL_REC_SERVICE)
			new_service(p, e);
		else if (e && e->sent && e->rec->type == CTL_REC_PORT && !d.item[i].old)
			add(p, e, "port-opened", NULL, false, "port '%s' is opened",
			    net_entry_name(e));
	}
	net_delta_undo(&d);
	net_delta_free(&d);
	ask_all(p);
	return 0;
}
