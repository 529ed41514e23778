// SPDX-License-Identifier: BSD-3-Clause
//
// preview - what a change would do to the traffic that runs now. The same delta that a commit sends is
// read for what applications do with it (apps/lb/README.md, rules): an entry that goes or moves ends its
// flows, one that is disabled resets or refuses them, a port that goes closes. What a server's pool does
// with its flows is what it does after the change. How many flows that touches is asked of the applications.

#include "control/net/net_priv.h"
#include "control/net/overlap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EFFECTS_MAX 1000 // told one by one; the rest is a number
#define OTHERS_MAX  16   // services that one overlaps, told one by one
#define LOCALS_MAX                                                                                 \
	64         // local addresses whose flows are counted: each is a walk through all flows ...
#define LOCALS_S 5 // ... and none is begun later than this

struct preview {
	struct net_effect *effect;
	size_t count, room, more;
	size_t local;     // the effect whose flows are counted by its local address now
	unsigned locals;  // so many have been
	time_t began;     // with that
	unsigned pending; // answers of apps
	net_preview_fn done;
	void *arg;
};

struct question { // to one app
	struct preview *p;
	char instance[CTL_NAME];
};

// ---- effects ---------------------------------------------------------------------------------

// asks: whose flows they are; pool: of a server, else NULL.
__attribute__((format(printf, 6, 7))) static void add(struct preview *p, const struct net_entry *e,
						      const char *kind, const char *pool,
						      enum net_asks asks, const char *format, ...)
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
	x->asks = asks;
	va_start(ap, format);
	vsnprintf(x->text, sizeof(x->text), format, ap);
	va_end(ap);
}

static bool same_place(const struct ctl_service *a, const struct ctl_service *b)
{
	return memcmp(&a->addr, &b->addr, sizeof(a->addr)) == 0 && a->port == b->port &&
	       a->proto == b->proto && a->context == b->context;
}

// A record of the same application as it will be; NULL: it goes.
static const struct ctl_rec *after(const struct net_delta *d, const struct net_entry *e,
				   uint16_t type, uint64_t id)
{
	const struct net_entry *o = net_store_find(e->inst, type, id);

	if (o && o->mark == d->mark)
		o = d->item[o->item].new;
	return o ? o->rec : NULL;
}

static void old_service(struct preview *p, const struct net_entry *e, const struct net_entry *new)
{
	const struct ctl_service *s = (const struct ctl_service *)e->rec;
	const struct ctl_service *n = new ? (const struct ctl_service *)new->rec : NULL;

	const char *why = !n ? "goes"
			  : !same_place(s, n)
				  ? "moves to another context, address, port or protocol"
			  : n->forwarding != s->forwarding ? "forwards in another mode"
			  : s->enabled && !n->enabled      ? "is disabled, new flows are refused"
							   : NULL;

	if (why) {
		add(p, e, "flows-end", NULL, NET_ASKS_SERVICE, "service '%s' %s: its flows end",
		    s->name, why);
		return; // nothing is left for the rest to touch
	}
	if (ntohs(n->port_max) < ntohs(s->port_max))
		add(p, e, "range", NULL, NET_ASKS_SERVICE,
		    "service '%s' has fewer ports: flows of those that go end", s->name);
}

static void old_server(struct preview *p, const struct net_delta *d, const struct net_entry *e,
		       const struct net_entry *new)
{
	const struct ctl_server *s = (const struct ctl_server *)e->rec;
	const struct ctl_server *n = new ? (const struct ctl_server *)new->rec : NULL;
	const struct net_entry *was = net_store_find(e->inst, CTL_REC_POOL, s->pool);
	const struct ctl_pool *pr = (const struct ctl_pool *)after(d, e, CTL_REC_POOL, s->pool);
	const char *pool = was ? net_entry_name(was) : "";

	if (!n) {
		add(p, e, "flows-end", pool, NET_ASKS_SERVER,
		    "server '%s' of pool '%s' goes: its flows end", s->name, pool);
		return;
	}
	if (memcmp(&s->addr, &n->addr, sizeof(s->addr)) != 0 || s->port != n->port) {
		add(p, e, "flows-end", pool, NET_ASKS_SERVER,
		    "server '%s' of pool '%s' moves to another address or port: its flows end",
		    s->name, pool);
		return;
	}
	if (n->admin == CTL_ADMIN_DISABLED && s->admin != CTL_ADMIN_DISABLED) {
		bool reset = pr && pr->on_down == CTL_ON_DOWN_RESET;

		add(p, e, reset ? "flows-reset" : "no-new-flows", pool, NET_ASKS_SERVER,
		    reset ? "server '%s' of pool '%s' is disabled: its flows are reset"
			  : "server '%s' of pool '%s' is disabled: no new flows, old ones go on",
		    s->name, pool);
	} else if (n->admin == CTL_ADMIN_DRAIN && s->admin == CTL_ADMIN_ENABLED) {
		add(p, e, "no-new-flows", pool, NET_ASKS_SERVER,
		    pr && pr->drain_timeout_ms
			    ? "server '%s' of pool '%s' is drained: no new flows, those left after "
			      "the drain-timeout end"
			    : "server '%s' of pool '%s' is drained: no new flows, old ones go on",
		    s->name, pool);
	} else if (n->weight == 0 && s->weight != 0) {
		add(p, e, "no-new-flows", pool, NET_ASKS_SERVER,
		    "server '%s' of pool '%s' has weight 0 now: no new flows, old ones go on",
		    s->name, pool);
	}
}

// Servers that drain already get a deadline.
static void old_drains(struct preview *p, const struct net_delta *d, const struct net_entry *pool)
{
	const struct net_entry *e;

	TAILQ_FOREACH(e, &pool->inst->entries, next)
	{
		const struct ctl_server *s = (const struct ctl_server *)e->rec, *n;

		if (e->rec->type != CTL_REC_SERVER || s->pool != pool->rec->id ||
		    s->admin != CTL_ADMIN_DRAIN)
			continue;
		n = (const struct ctl_server *)after(d, e, CTL_REC_SERVER, e->rec->id);
		if (n && n->admin == CTL_ADMIN_DRAIN)
			add(p, e, "flows-end", net_entry_name(pool), NET_ASKS_SERVER,
			    "server '%s' of pool '%s' is drained: what is left of its flows after the "
			    "new drain-timeout ends",
			    s->name, net_entry_name(pool));
	}
}

static void old_pool(struct preview *p, const struct net_delta *d, const struct net_entry *e,
		     const struct net_entry *new)
{
	const struct ctl_pool *s = (const struct ctl_pool *)e->rec;
	const struct ctl_pool *n = new ? (const struct ctl_pool *)new->rec : NULL;

	if (!n)
		return; // its servers are told each by itself
	if (n->on_down == CTL_ON_DOWN_RESET && s->on_down != CTL_ON_DOWN_RESET)
		add(p, e, "flows-reset", NULL, NET_ASKS_POOL,
		    "pool '%s' resets flows of servers that are down: so it does at once with those of "
		    "servers that are down now",
		    s->name);
	if (n->drain_timeout_ms != 0 &&
	    (s->drain_timeout_ms == 0 || n->drain_timeout_ms < s->drain_timeout_ms))
		old_drains(p, d, e);
}

static void old_local(struct preview *p, const struct net_entry *e)
{
	const struct ctl_local_address *a = (const struct ctl_local_address *)e->rec;
	char text[64] = "";

	net_addr_text(&a->addr, text, sizeof(text), false);
	add(p, e, "flows-break", NULL, NET_ASKS_LOCAL,
	    "local address %s goes: replies to flows that use it are lost, they end by their timeouts",
	    text);
	if (p->count > 0 && p->effect[p->count - 1].asks == NET_ASKS_LOCAL)
		snprintf(p->effect[p->count - 1].name, sizeof(p->effect[0].name), "%s", text);
}

static void old_port(struct preview *p, const struct net_entry *e, const struct net_entry *new)
{
	const struct ctl_port *r = (const struct ctl_port *)e->rec;

	if (!new || !new->sent)
		add(p, e, "port-closed", NULL, NET_ASKS_NOTHING,
		    "port '%s' is closed: what it carries stops until routes lead elsewhere",
		    r->name);
	else if (e->sent && memcmp(e->rec, new->rec, e->rec->size) != 0)
		add(p, e, "port-changed", NULL, NET_ASKS_NOTHING,
		    "port '%s' changes: a port in use refuses that, take it out in one commit and add "
		    "it in the next (it is closed and opened)",
		    r->name);
}

static void old_entry(struct preview *p, const struct net_delta *d, const struct net_item *i)
{
	const struct net_entry *e = i->old;

	switch (e->rec->type) {
	case CTL_REC_SERVICE:
		old_service(p, e, i->new);
		break;
	case CTL_REC_POOL:
		old_pool(p, d, e, i->new);
		break;
	case CTL_REC_SERVER:
		old_server(p, d, e, i->new);
		break;
	case CTL_REC_PORT:
		old_port(p, e, i->new);
		break;
	case CTL_REC_LOCAL_ADDRESS:
		if (!i->new)
			old_local(p, e);
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
			add(p, e, "match", NULL, NET_ASKS_NOTHING,
			    who == NET_OVERLAP_TAKES
				    ? "service '%s' takes what matches it longest from service '%s'"
				    : "service '%s' leaves to service '%s' what matches that longest",
			    s->name, v->name);
		}
	}
}

// ---- contexts --------------------------------------------------------------------------------

static void unserved(void *arg, const struct net_entry *service, uint16_t context)
{
	add(arg, service, "no-port", NULL, NET_ASKS_NOTHING,
	    "service '%s' is in context %u, which no port of %s is in: no packet reaches it",
	    net_entry_name(service), context, service->inst->name);
}

// ---- counts ----------------------------------------------------------------------------------

static void finish(struct preview *p)
{
	p->done(p->arg, p->effect, p->count, p->more);
	free(p->effect);
	free(p);
}

static void count_locals(struct preview *p);
static void ask_local(struct preview *p, unsigned worker, unsigned index);

static const struct {
	enum net_asks asks;
	const char *key;
} asked[] = {
	{NET_ASKS_SERVICE, "services"}, {NET_ASKS_SERVER, "servers"}, {NET_ASKS_POOL, "pools"}};
#define ASKED (sizeof(asked) / sizeof(asked[0]))

static bool asks(const struct net_effect *x, const char *instance, enum net_asks what)
{
	return x->asks == what && strcmp(x->instance, instance) == 0;
}

// {"services":[n,...],"servers":[n,...],"pools":[n,...]}, in the order they were asked for.
static bool take_counts(struct preview *p, const char *instance, const char *json, size_t what)
{
	char key[32];
	const char *at;
	char *end;

	snprintf(key, sizeof(key), "\"%s\":[", asked[what].key);
	at = strstr(json, key);
	if (!at)
		return false;
	at += strlen(key);
	for (size_t i = 0; i < p->count; i++) {
		struct net_effect *x = &p->effect[i];

		if (!asks(x, instance, asked[what].asks))
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
	for (size_t i = 0; rc == 0 && json && i < ASKED; i++)
		if (!take_counts(p, q->instance, json, i))
			break;
	free(q);
	if (--p->pending == 0)
		count_locals(p);
}

// The names of those whose flows are to be counted, as JSON.
static void put_names(FILE *f, const struct preview *p, const char *instance, enum net_asks what)
{
	bool comma = false;

	for (size_t i = 0; i < p->count; i++) {
		const struct net_effect *x = &p->effect[i];

		if (!asks(x, instance, what))
			continue;
		// Names hold letters, digits and ._- alone.
		if (what == NET_ASKS_SERVER)
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
	for (size_t i = 0; i < ASKED; i++) {
		fprintf(f, "%s\"%s\":[", i == 0 ? "{" : "],", asked[i].key);
		put_names(f, p, instance, asked[i].asks);
	}
	fputs("]}", f);
	if (fclose(f) == 0) {
		p->pending++;
		net_query(instance, "active", args, on_counts, q);
	} else {
		free(q);
	}
	free(args);
}

// ---- flows of a local address: a walk through the flows, one address after the other ----------

static time_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

// {"flows":[],"total":n,"complete":b,"next":s}: next and a walk that took too long goes on from there.
static void on_local(void *arg, int rc, const char *json, size_t size)
{
	struct preview *p = arg;
	struct net_effect *x = &p->effect[p->local];
	const char *total = rc == 0 && json ? strstr(json, "\"total\":") : NULL;
	const char *next = total ? strstr(total, "\"next\":\"") : NULL;
	bool whole = total && strstr(total, "\"complete\":true");
	unsigned worker, index;

	(void)size;
	if (total)
		x->flows += strtoull(total + strlen("\"total\":"), NULL, 10);
	if (!whole && next && seconds() - p->began < LOCALS_S &&
	    sscanf(next, "\"next\":\"%u:%u\"", &worker, &index) == 2) {
		ask_local(p, worker, index);
		return;
	}
	x->counted = whole;
	p->local++;
	count_locals(p);
}

static void ask_local(struct preview *p, unsigned worker, unsigned index)
{
	const struct net_effect *x = &p->effect[p->local];
	char args[192];

	snprintf(args, sizeof(args),
		 "{\"filter\":\"local=%s\",\"limit\":0,\"count\":true,\"next\":\"%u:%u\"}", x->name,
		 worker, index);
	net_query(x->instance, "flows", args, on_local, p);
}

static void count_locals(struct preview *p)
{
	if (p->locals == 0)
		p->began = seconds();
	while (p->local < p->count && p->effect[p->local].asks != NET_ASKS_LOCAL)
		p->local++;
	if (p->local == p->count || p->locals == LOCALS_MAX || seconds() - p->began >= LOCALS_S) {
		finish(p);
		return;
	}
	p->locals++;
	ask_local(p, 0, 0);
}

static void ask_all(struct preview *p)
{
	const struct net_inst *inst;

	p->pending = 1; // none of the answers ends it before all are asked
	TAILQ_FOREACH(inst, net_store_insts(), next)
	{
		for (size_t i = 0; i < p->count; i++) {
			enum net_asks what = p->effect[i].asks;

			if (what != NET_ASKS_NOTHING && what != NET_ASKS_LOCAL &&
			    asks(&p->effect[i], inst->name, what)) {
				ask(p, inst->name);
				break;
			}
		}
	}
	if (--p->pending == 0)
		count_locals(p);
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
			old_entry(p, &d, &d.item[i]);
	net_delta_apply(&d);
	for (size_t i = 0; i < d.count; i++) {
		const struct net_entry *e = d.item[i].new;

		if (e && e->rec->type == CTL_REC_SERVICE)
			new_service(p, e);
		else if (e && e->sent && e->rec->type == CTL_REC_PORT && !d.item[i].old)
			add(p, e, "port-opened", NULL, NET_ASKS_NOTHING, "port '%s' is opened",
			    net_entry_name(e));
	}
	net_contexts_unserved(&d, unserved, p);
	net_delta_undo(&d);
	net_delta_free(&d);
	ask_all(p);
	return 0;
}
