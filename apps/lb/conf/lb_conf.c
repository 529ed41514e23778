// SPDX-License-Identifier: BSD-3-Clause
//
// lb_conf - the order of a change: records -> checks -> slots -> tables -> ports -> snapshot (prepare), then
// publish, then what hangs on it (commit), or all of it undone (abort).

#include "apps/lb/conf/lb_conf.h"
#include "apps/lb/show/lb_query.h"
#include "apps/lb/show/lb_rates.h"

#include "dataplane/core/clock.h"
#include "dataplane/core/loop.h"
#include "dataplane/port/port.h"

#include <rte_log.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SERVERS_MAX   (1u << LB_SLOT_BITS)
#define SERVICES_MAX  (1u << 20)
#define INDEX_MAX     (1u << 20)
#define RECLAIM_MS    100
#define PORT_RETRY_MS 1000

RTE_LOG_REGISTER(lb_conf_log, sluice.conf, NOTICE)
#define LOG(level, ...) rte_log(RTE_LOG_##level, lb_conf_log, "conf: " __VA_ARGS__)

void lb_conf_event(struct lb_conf *c, uint32_t kind, uint32_t severity,
		   const struct lb_entry *about, const char *fmt, ...)
{
	struct ctl_event e = {.kind = kind, .severity = severity};
	va_list ap;

	if (about != NULL) {
		e.rec_type = about->type;
		e.rec_id = about->id;
	}
	va_start(ap, fmt);
	vsnprintf(e.message, sizeof(e.message), fmt, ap);
	va_end(ap);
	ctl_link_event(c->link, &e);
}

// ---- transaction: begin, records --------------------------------------------------------------

static int conf_begin(void *arg, uint64_t base, uint64_t target)
{
	struct lb_conf *c = arg;

	(void)target;
	lb_store_begin(&c->store, base == 0);
	return 0;
}

static int conf_upsert(void *arg, const struct ctl_rec *rec, struct ctl_ack *ack)
{
	struct lb_conf *c = arg;

	(void)ack;
	return lb_store_upsert(&c->store, rec);
}

static int conf_del(void *arg, uint16_t type, uint64_t id, struct ctl_ack *ack)
{
	struct lb_conf *c = arg;
	int rc = lb_store_delete(&c->store, type, id);

	if (rc == -ENOENT) {
		ack->tag = CTL_TAG_DATA_MISSING;
		snprintf(ack->message, sizeof(ack->message),
			 "the record to be deleted is not in the state in force");
	}
	return rc;
}

// ---- prepare: slots ---------------------------------------------------------------------------

// The same server to a flow: one that stays reachable under its address and port.
static bool same_server(const struct ctl_rec *a, const struct ctl_rec *b)
{
	const struct ctl_server *x = (const void *)a, *y = (const void *)b;

	return memcmp(&x->addr, &y->addr, sizeof(x->addr)) == 0 && x->port == y->port;
}

// Likewise. A flow goes on in the mode it was made in, which only holds while its service steers that
// mode's packets to their worker and here: with another mode its flows end.
static bool same_service(const struct ctl_rec *a, const struct ctl_rec *b)
{
	const struct ctl_service *x = (const void *)a, *y = (const void *)b;

	return memcmp(&x->addr, &y->addr, sizeof(x->addr)) == 0 && x->port == y->port &&
	       x->proto == y->proto && x->context == y->context && x->forwarding == y->forwarding;
}

static int assign_slot(struct lb_conf *c, struct lb_slots *slots, struct lb_entry *e,
		       bool (*same)(const struct ctl_rec *, const struct ctl_rec *))
{
	int rc = 0;

	if (e->rec != NULL && e->next != NULL && same(e->rec, e->next)) {
		e->next_ref = e->ref;
		return 0;
	}
	e->next_ref = 0;
	if (e->ref != 0)
		rc = lb_slots_drop(slots, e->ref);
	if (rc != 0 || e->next == NULL)
		return rc;
	if (c->restoring)
		e->next_ref = lb_slots_claim(slots, e->id);
	if (e->next_ref == 0)
		rc = lb_slots_take(slots, e->id, &e->next_ref);
	return rc;
}

static int assign_index(struct lb_slots *slots, struct lb_entry *e)
{
	uint32_t ref;
	int rc;

	if (e->next == NULL)
		return e->index == LB_NONE ? 0 : lb_slots_drop(slots, e->index);
	if (e->index != LB_NONE)
		return 0;
	rc = lb_slots_take(slots, e->id, &ref);
	if (rc == 0)
		e->index = ref & LB_SLOT_MASK;
	return rc;
}

static int assign(struct lb_conf *c, struct lb_entry *e)
{
	switch (e->type) {
	case CTL_REC_SERVER:
		if (e->rec == NULL && e->next != NULL)
			lb_health_adopt(c, e);
		return assign_slot(c, &c->server_slots, e, same_server);
	case CTL_REC_SERVICE:
		return assign_slot(c, &c->service_slots, e, same_service);
	case CTL_REC_POOL:
		return assign_index(&c->pool_index, e);
	case CTL_REC_LOCAL_POOL:
		return assign_index(&c->local_index, e);
	default:
		return 0;
	}
}

static int assign_all(struct lb_conf *c, struct ctl_ack *ack)
{
	struct lb_entry *e;

	LB_STORE_TOUCHED(e, &c->store)
	{
		int rc = assign(c, e);

		if (rc != 0)
			return lb_refuse(ack, rc, CTL_TAG_RESOURCE_DENIED, e, "name", "%s",
					 rc == -ENOSPC ? "more entries than this program can hold"
						       : "out of memory");
	}
	return 0;
}

static int reserve(struct lb_conf *c)
{
	int rc = lb_loads_reserve(&c->loads, c->server_slots.size);
	const struct lb_entry *e;

	if (rc != 0)
		return rc;
	// Before a worker counts what it took over.
	LB_STORE_TOUCHED(e, &c->store)
	if (e->type == CTL_REC_SERVER && e->next_ref != 0)
		lb_load_own(&c->loads, e->next_ref);
	for (unsigned w = 0; rc == 0 && w < c->workers; w++)
		rc = lb_worker_reserve(c->worker[w], c->server_slots.size, c->service_slots.size,
				       c->pool_index.size);
	return rc;
}

// ---- prepare, commit, abort -------------------------------------------------------------------

static int build(struct lb_conf *c, bool next, const struct lb_snap *base, uint64_t version,
		 struct lb_snap **out, struct ctl_ack *ack)
{
	// Only what the kernel listens on: flows need not be looked at again.
	bool listeners_only = !next && base != NULL && c->dirty_count == 0;
	struct lb_build_in in = {
		.store = &c->store,
		.next = next,
		.base = base,
		.version = version,
		.serial = listeners_only ? base->pub.serial : ++c->serial,
		.start_ticks = c->start_ticks,
		.server_slots = c->server_slots.size,
		.service_slots = c->service_slots.size,
		.pools = c->pool_index.size,
		.locals = c->local_index.size,
		.loads = &c->loads,
		.timed = &c->timed,
		.listeners = c->listeners,
		.persist = next || !c->persist_made_now ? c->persist : NULL,
		.health = next ? NULL : c->dirty,
		.health_count = next ? 0 : c->dirty_count,
	};

	return lb_build(&in, out, ack);
}

static int out_of_memory(struct ctl_ack *ack)
{
	return lb_refuse(ack, -ENOMEM, CTL_TAG_RESOURCE_DENIED, NULL, "",
			 "not enough memory for the new configuration");
}

static int conf_prepare(void *arg, uint64_t target, struct ctl_ack *ack)
{
	struct lb_conf *c = arg;
	int rc;

	lb_store_seal(&c->store);
	// A verdict not yet published would be lost on the snapshot built here.
	if (lb_conf_publish_health(c) != 0)
		return out_of_memory(ack);
	if ((rc = lb_check_references(&c->store, ack)) != 0)
		return rc;
	if ((rc = lb_check_members(&c->store)) != 0)
		return out_of_memory(ack);
	// A last good state is served whatever the node has become.
	if (!c->restoring &&
	    ((rc = lb_check_node(&c->store, ack)) != 0 || (rc = lb_check_locals(c, ack)) != 0))
		return rc;
	if ((rc = lb_check_backups(&c->store, ack)) != 0 ||
	    (rc = lb_check_targets(&c->store, ack)) != 0 ||
	    (rc = lb_check_families(&c->store, ack)) != 0 || (rc = assign_all(c, ack)) != 0 ||
	    (rc = lb_tables_prepare(c, ack)) != 0)
		return rc;
	if ((rc = reserve(c)) != 0)
		return out_of_memory(ack);
	lb_listen_read(c, true);
	rc = build(c, true, c->snap, target, &c->prepared, ack);
	if (rc == -ENOMEM)
		return out_of_memory(ack);
	if (rc != 0)
		return rc;
	return lb_ports_prepare(c, ack); // last: the costliest to undo
}

static void forget(void *arg, struct lb_entry *e)
{
	struct lb_conf *c = arg;
	uint32_t n = 0;

	if (e->type != CTL_REC_SERVER)
		return;
	lb_timed_forget(&c->timed, e);
	for (uint32_t i = 0; i < c->dirty_count; i++)
		if (c->dirty[i] != e)
			c->dirty[n++] = c->dirty[i];
	c->dirty_count = n;
}

static void conf_abort(void *arg)
{
	struct lb_conf *c = arg;
	struct lb_entry *e;

	lb_ports_abort(c);
	lb_build_discard(c->prepared);
	c->prepared = NULL;
	lb_tables_abort(c);
	LB_STORE_TOUCHED(e, &c->store)
	if ((e->type == CTL_REC_POOL || e->type == CTL_REC_LOCAL_POOL) && e->rec == NULL)
		e->index = LB_NONE;
	lb_slots_abort(&c->server_slots);
	lb_slots_abort(&c->service_slots);
	if (c->restoring) {
		lb_slots_unclaim(&c->server_slots);
		lb_slots_unclaim(&c->service_slots);
	}
	lb_slots_abort(&c->pool_index);
	lb_slots_abort(&c->local_index);
	lb_check_members_drop(&c->store, false);
	lb_store_abort(&c->store, forget, c);
}

static void publish_snap(struct lb_conf *c, struct lb_snap *s)
{
	lb_build_adopt(s, c->snap);
	c->snap = s;
	c->version = s->pub.version;
	publish_swap(&c->published, &s->pub, lb_snap_retire);
}

// What the commit does beside the swap, gathered while both states can be seen.
struct after {
	struct port *gone[PORT_MAX];
	unsigned gone_count;
	unsigned hangs;         // LB_PORTS_*: what of the ports hangs on the change
	struct lb_entry **told; // servers whose target changed
	uint32_t told_count;
	uint64_t *untold; // servers deleted
	uint32_t untold_count;
};

static uint32_t count_told(const struct lb_conf *c)
{
	struct lb_entry *e;
	uint32_t n = 0;

	LB_STORE_TOUCHED(e, &c->store)
	n += e->type == CTL_REC_SERVER ? 1 : e->type == CTL_REC_POOL ? e->members : 0;
	return n;
}

static bool check_changed(const struct lb_entry *pool)
{
	const struct ctl_pool *a = (const void *)pool->rec, *b = (const void *)pool->next;

	return a != NULL && b != NULL && (memcmp(&a->check, &b->check, sizeof(a->check)) != 0);
}

static void gather_server(struct after *a, struct lb_entry *e)
{
	if (e->next != NULL && a->told != NULL)
		a->told[a->told_count++] = e;
	else if (e->next == NULL && e->rec != NULL && a->untold != NULL)
		a->untold[a->untold_count++] = e->id;
}

static unsigned hangs_on(uint16_t type)
{
	switch (type) {
	case CTL_REC_PORT:
	case CTL_REC_VLAN:
		return LB_PORTS_SOURCES | LB_PORTS_PREFIXES | LB_PORTS_STEER;
	case CTL_REC_PREFIX:
		return LB_PORTS_PREFIXES;
	case CTL_REC_SERVICE:
	case CTL_REC_LOCAL_POOL:
	case CTL_REC_LOCAL_ADDRESS:
		return LB_PORTS_STEER;
	case CTL_REC_POOL:
	case CTL_REC_SERVER:
		return LB_PORTS_SERVERS;
	default:
		return 0;
	}
}

static void gather(struct lb_conf *c, struct after *a)
{
	uint32_t most = ctl_link_has_checkers(c->link) ? count_told(c) : 0;
	struct lb_entry *e;

	a->told = most == 0 ? NULL : malloc(most * sizeof(struct lb_entry *));
	a->untold = most == 0 ? NULL : malloc(most * sizeof(*a->untold));
	LB_STORE_TOUCHED(e, &c->store)
	{
		a->hangs |= hangs_on(e->type);
		if (e->type == CTL_REC_PORT && e->next == NULL && e->port != NULL)
			a->gone[a->gone_count++] = e->port;
		if (e->type == CTL_REC_SERVER)
			gather_server(a, e);
		for (uint32_t i = 0; e->type == CTL_REC_POOL && a->told != NULL &&
				     check_changed(e) && i < e->members;
		     i++)
			if (!e->member[i]->touched)
				a->told[a->told_count++] = e->member[i];
	}
}

static void settle_touched(struct lb_conf *c)
{
	struct lb_entry *e;

	LB_STORE_TOUCHED(e, &c->store)
	{
		if (e->type == CTL_REC_SERVER)
			lb_timed_commit(c, e);
		if ((e->type == CTL_REC_SERVER || e->type == CTL_REC_SERVICE) &&
		    e->ref != e->next_ref) {
			e->ref = e->next_ref;
			// Slots of the last good state count for those who had them before.
			if (e->ref != 0 && !c->restoring)
				lb_entry_counters_start(c, e);
		}
		if (e->type == CTL_REC_PORT)
			e->opened_now = false;
	}
}

static void conf_commit(void *arg, uint64_t target)
{
	struct lb_conf *c = arg;
	struct after a = {0};

	(void)target;
	gather(c, &a);
	publish_snap(c, c->prepared);
	c->prepared = NULL;
	settle_touched(c);
	lb_check_members_drop(&c->store, true);
	lb_store_commit(&c->store, forget, c);
	lb_slots_commit(&c->server_slots);
	lb_slots_commit(&c->service_slots);
	lb_slots_commit(&c->pool_index);
	lb_slots_commit(&c->local_index);
	if (c->tables_made_now)
		a.hangs |= LB_PORTS_SOURCES;
	lb_ports_commit(c, a.hangs, a.gone, a.gone_count);
	for (uint32_t i = 0; i < a.told_count; i++)
		lb_health_tell(c, a.told[i]);
	for (uint32_t i = 0; i < a.untold_count; i++)
		ctl_link_target_del(c->link, a.untold[i]);
	free(a.told);
	free(a.untold);
	if (!c->restoring)
		lb_health_forget_file(c);
	lb_tables_commit(c);
	publish_reclaim();
}

// ---- health -----------------------------------------------------------------------------------

int lb_conf_publish_health(struct lb_conf *c)
{
	struct lb_snap *now = NULL, *then = NULL;
	struct ctl_ack ack = {0};
	int rc;

	if (c->dirty_count == 0 && lb_listeners_same(c->listeners, c->snap->pub.listeners))
		return 0;
	rc = build(c, false, c->snap, c->version, &now, &ack);
	if (rc != 0)
		return rc;
	if (c->prepared != NULL) {
		// What stands prepared was built on the old state; commit must not bring that back.
		rc = build(c, true, now, c->prepared->pub.version, &then, &ack);
		if (rc != 0) {
			lb_build_discard(now);
			return rc;
		}
		lb_build_discard(c->prepared);
		c->prepared = then;
		then->pub.serial = ++c->serial; // newer than `now`
	}
	publish_snap(c, now);
	c->dirty_count = 0;
	publish_reclaim();
	return 0;
}

static int conf_verdict(void *arg, const struct ctl_verdict *v)
{
	return lb_health_verdict(arg, v);
}

static void conf_targets(void *arg, void (*emit)(void *ctx, const struct ctl_target *t), void *ctx)
{
	lb_health_targets(arg, emit, ctx);
}

static void conf_greeted(void *arg)
{
	struct lb_conf *c = arg;
	const struct port *p;

	for (unsigned i = 0; i < PORT_MAX; i++) {
		p = port_get((uint16_t)i);
		if (p != NULL && p->id != 0 && !atomic_load(&p->live))
			lb_conf_event(c, CTL_EVENT_PORT, 3,
				      lb_store_find(&c->store, CTL_REC_PORT, p->id),
				      "port '%s': its device is gone", p->name);
	}
	lb_health_report(c);
	lb_check_locals_report(c);
}

// ---- records on disk --------------------------------------------------------------------------

static void emit_slots(const struct lb_slots *s, uint16_t type,
		       void (*emit)(void *ctx, const struct ctl_rec *rec), void *ctx)
{
	struct lb_slot_record r;

	for (uint32_t n = 0; lb_slots_record(s, type, n, &r); n++)
		if (r.generation != 0)
			emit(ctx, &r.rec);
}

static void emit_slot_changes(const struct lb_slots *s, uint16_t type,
			      void (*emit)(void *ctx, const struct ctl_rec *rec), void *ctx)
{
	struct lb_slot_record r;

	for (uint32_t n = 0; lb_slots_change(s, type, n, &r); n++)
		emit(ctx, &r.rec);
}

static void conf_records(void *arg, void (*emit)(void *ctx, const struct ctl_rec *rec), void *ctx)
{
	struct lb_conf *c = arg;
	struct lb_entry *e;

	for (unsigned t = 0; t < LB_TYPE_MAX; t++)
		LB_STORE_FOREACH(e, &c->store, t)
	if (e->rec != NULL)
		emit(ctx, e->rec);
	emit_slots(&c->server_slots, LB_PRIVATE_SERVER_SLOT, emit, ctx);
	emit_slots(&c->service_slots, LB_PRIVATE_SERVICE_SLOT, emit, ctx);
}

static void conf_privates(void *arg, void (*emit)(void *ctx, const struct ctl_rec *rec), void *ctx)
{
	struct lb_conf *c = arg;

	if (c->store.from_nothing) {
		// The transaction voids what is on disk: the whole map again, then its changes.
		emit_slots(&c->server_slots, LB_PRIVATE_SERVER_SLOT, emit, ctx);
		emit_slots(&c->service_slots, LB_PRIVATE_SERVICE_SLOT, emit, ctx);
	}
	emit_slot_changes(&c->server_slots, LB_PRIVATE_SERVER_SLOT, emit, ctx);
	emit_slot_changes(&c->service_slots, LB_PRIVATE_SERVICE_SLOT, emit, ctx);
}

static int conf_restore(void *arg, const struct ctl_rec *rec)
{
	struct lb_conf *c = arg;
	const struct lb_slot_record *r = (const void *)rec;

	if (rec->type == LB_PRIVATE_SERVER_SLOT)
		return lb_slots_restore(&c->server_slots, r);
	if (rec->type == LB_PRIVATE_SERVICE_SLOT)
		return lb_slots_restore(&c->service_slots, r);
	return -EINVAL;
}

static int conf_query(void *arg, const char *name, const char *args, char **json)
{
	return lb_query(arg, name, args, json);
}

const struct ctl_app lb_conf_calls = {
	.begin = conf_begin,
	.upsert = conf_upsert,
	.del = conf_del,
	.prepare = conf_prepare,
	.commit = conf_commit,
	.abort = conf_abort,
	.query = conf_query,
	.verdict = conf_verdict,
	.targets = conf_targets,
	.records = conf_records,
	.privates = conf_privates,
	.restore = conf_restore,
	.greeted = conf_greeted,
};

// ---- life -------------------------------------------------------------------------------------

static void on_reclaim(struct loop *l, void *arg)
{
	(void)l;
	lb_timed_tick(arg);
	publish_reclaim();
}

static void on_port_retry(struct loop *l, void *arg)
{
	(void)l;
	lb_ports_retry(arg);
}

int lb_conf_init(struct lb_conf *c, const struct lb_conf_args *args)
{
	struct ctl_ack ack;
	struct lb_snap *s;
	int rc;

	memset(c, 0, sizeof(*c));
	c->loop = args->loop;
	c->instance = args->instance;
	c->run_dir = args->run_dir;
	c->flow_dir = args->flow_dir;
	c->workers = args->workers;
	c->rss_mode = args->rss_mode;
	c->start_ticks = clock_ticks();
	c->start_time = (uint64_t)time(NULL);
	lb_slots_init(&c->server_slots, SERVERS_MAX);
	lb_slots_init(&c->service_slots, SERVICES_MAX);
	lb_slots_init(&c->pool_index, INDEX_MAX);
	lb_slots_init(&c->local_index, INDEX_MAX);
	rc = lb_store_init(&c->store);
	if (rc == 0)
		rc = lb_loads_init(&c->loads, c->workers);
	if (rc != 0)
		return rc;
	rc = build(c, false, NULL, 0, &s, &ack);
	if (rc != 0)
		return rc;
	publish_snap(c, s);
	lb_health_load(c);
	c->restoring = true;
	if (loop_add_timer(c->loop, RECLAIM_MS, RECLAIM_MS, on_reclaim, c) < 0)
		return -ENOMEM;
	return 0;
}

void lb_conf_linked(struct lb_conf *c, struct ctl_link *link)
{
	c->link = link;
	c->restoring = false;
	lb_slots_settle(&c->server_slots);
	lb_slots_settle(&c->service_slots);
	c->port_timer = loop_add_timer(c->loop, PORT_RETRY_MS, PORT_RETRY_MS, on_port_retry, c);
	if (lb_health_start(c) < 0)
		LOG(ERR, "no memory to watch servers by their clients' connections\n");
	lb_check_locals_report(c);
	if (lb_listen_start(c) < 0)
		LOG(ERR, "no memory to follow what the kernel listens on\n");
}

void lb_conf_fini(struct lb_conf *c)
{
	lb_flows_stop(c);
	lb_rates_stop(c);
	if (c->health_unsaved)
		lb_health_save(c);
	if (c->store.open)
		conf_abort(c);
	publish_swap(&c->published, NULL, NULL);
	publish_drain();
	lb_snap_destroy(c->snap);
	lb_tables_close(c);
	lb_health_forget_file(c);
	lb_slots_fini(&c->server_slots);
	lb_slots_fini(&c->service_slots);
	lb_slots_fini(&c->pool_index);
	lb_slots_fini(&c->local_index);
	lb_store_fini(&c->store);
	lb_loads_fini(&c->loads);
	lb_timed_fini(c);
	lb_listen_fini(c);
	free(c->dirty);
	free(c->rx);
}
