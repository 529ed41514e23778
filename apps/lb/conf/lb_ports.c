// SPDX-License-Identifier: BSD-3-Clause
//
// lb_ports - the ports of this process: opened in prepare, polled and steered from commit on, closed when
// no worker can touch them any more. A port cannot be opened a second time while it is in use, so a
// change of its parameters is refused: the operator deletes it in one commit and adds it in the next.

#include "apps/lb/conf/lb_conf.h"
#include "apps/lb/conf/lb_sources.h"
#include "dataplane/core/loop.h"
#include "dataplane/flow/rss.h"
#include "dataplane/out/out.h"
#include "dataplane/port/port.h"

#include <rte_log.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

RTE_LOG_REGISTER(lb_ports_log, sluice.ports, NOTICE)
#define LOG(level, ...) rte_log(RTE_LOG_##level, lb_ports_log, "ports: " __VA_ARGS__)

#define VLAN_MAX (sizeof(((struct port *)0)->vlan) / sizeof(((struct port *)0)->vlan[0]))

// ---- opening ----------------------------------------------------------------------------------

// VLANs of a port in the state after (next) or before the transaction.
static int vlans_of(const struct lb_conf *c, const struct lb_entry *port, bool next,
		    struct ctl_vlan *out, unsigned *count, struct ctl_ack *ack)
{
	struct lb_entry *e;

	*count = 0;
	LB_STORE_FOREACH(e, &c->store, CTL_REC_VLAN)
	{
		const struct ctl_vlan *v = (const void *)lb_entry_rec(e, next);

		if (v == NULL || v->port != port->id)
			continue;
		if (*count == VLAN_MAX)
			return lb_refuse(ack, -EINVAL, CTL_TAG_RESOURCE_DENIED, e, "vid",
					 "a port has at most %zu VLANs", VLAN_MAX);
		out[(*count)++] = *v;
	}
	return 0;
}

static int open_port(struct lb_conf *c, struct lb_entry *e, bool next, struct ctl_ack *ack)
{
	struct ctl_vlan vlan[VLAN_MAX];
	struct port_error err = {0};
	struct port *p;
	unsigned vlans;
	int rc = vlans_of(c, e, next, vlan, &vlans, ack);

	if (rc != 0)
		return rc;
	rc = port_open((const void *)lb_entry_rec(e, next), vlan, vlans, &p, &err);
	if (rc != 0) {
		lb_refuse(ack, rc, err.tag != 0 ? err.tag : CTL_TAG_OPERATION_FAILED, e, err.field,
			  "%s", err.message[0] != '\0' ? err.message : strerror(-rc));
		return rc;
	}
	e->port = p;
	return 0;
}

static int check_change(const struct lb_entry *e, struct ctl_ack *ack)
{
	const struct ctl_port *old = (const void *)e->rec;

	return lb_refuse(ack, -EBUSY, CTL_TAG_IN_USE, e, "port",
			 "port '%s' is in use and its parameters cannot change under it: delete it "
			 "in one commit and add it in the next",
			 old->name);
}

// VLANs belong to an open port: they come and go with it.
static int check_vlans(const struct lb_conf *c, struct ctl_ack *ack)
{
	struct lb_entry *e;

	LB_STORE_TOUCHED(e, &c->store)
	{
		const struct ctl_vlan *v;
		const struct lb_entry *port;

		if (e->type != CTL_REC_VLAN)
			continue;
		v = (const void *)(e->next != NULL ? e->next : e->rec);
		port = v == NULL ? NULL : lb_store_live(&c->store, CTL_REC_PORT, v->port, true);
		if (port != NULL && port->port != NULL && !port->opened_now)
			return lb_refuse(ack, -EBUSY, CTL_TAG_IN_USE, e, "vid",
					 "the VLANs of port '%s' cannot change while it is in use: "
					 "delete the port in one commit and add it in the next",
					 ((const struct ctl_port *)(const void *)port->rec)->name);
	}
	return 0;
}

static int check_duplicates(const struct lb_conf *c, const struct lb_entry *e, struct ctl_ack *ack)
{
	const struct ctl_port *r = (const void *)e->next;
	struct lb_entry *o;

	LB_STORE_FOREACH(o, &c->store, CTL_REC_PORT)
	{
		const struct ctl_port *other = (const void *)lb_entry_rec(o, true);

		if (o == e)
			continue;
		// One deleted by this transaction is still open: it goes only with the commit.
		if (other == NULL)
			other = o->port != NULL ? (const void *)o->rec : NULL;
		if (other != NULL && r->device[0] != '\0' && strcmp(other->device, r->device) == 0)
			return lb_refuse(ack, -EBUSY, CTL_TAG_IN_USE, e, "port/device",
					 "device '%s' is in use by port '%s'", r->device,
					 other->name);
	}
	return 0;
}

static bool same_port(const struct ctl_rec *a, const struct ctl_rec *b)
{
	return a != NULL && b != NULL && a->size == b->size && memcmp(a, b, a->size) == 0;
}

static int prepare_port(struct lb_conf *c, struct lb_entry *e, struct ctl_ack *ack)
{
	int rc;

	if (e->next == NULL || same_port(e->rec, e->next))
		return 0;
	if (e->port != NULL)
		return check_change(e, ack);
	rc = check_duplicates(c, e, ack);
	if (rc != 0)
		return rc;
	rc = open_port(c, e, true, ack);
	if (rc == 0) {
		e->opened_now = true;
		return 0;
	}
	if (!c->restoring)
		return rc;
	LOG(ERR, "port '%s' of the last good state cannot be opened now: %s (tried again)\n",
	    ((const struct ctl_port *)(const void *)e->next)->name, ack->message);
	memset(ack, 0, sizeof(*ack));
	return 0;
}

int lb_ports_prepare(struct lb_conf *c, struct ctl_ack *ack)
{
	struct lb_entry *e;

	LB_STORE_TOUCHED(e, &c->store)
	{
		int rc = e->type == CTL_REC_PORT ? prepare_port(c, e, ack) : 0;

		if (rc != 0)
			return rc;
	}
	return check_vlans(c, ack);
}

void lb_ports_abort(struct lb_conf *c)
{
	struct lb_entry *e;

	LB_STORE_TOUCHED(e, &c->store)
	{
		if (e->type != CTL_REC_PORT || !e->opened_now)
			continue;
		port_close(e->port); // nothing polled it yet
		e->port = NULL;
		e->opened_now = false;
	}
}

// ---- sources of the workers -------------------------------------------------------------------

static unsigned queues_of_all(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PORT_MAX; i++) {
		const struct port *p = port_get((uint16_t)i);

		n += p == NULL ? 0 : p->queues;
	}
	return n;
}

static void add_source(struct worker_sources *s, unsigned (*poll)(struct worker *, void *),
		       void *arg, int fd)
{
	if (s->count == WORKER_SOURCE_MAX) {
		LOG(ERR, "more than %d sources for one worker: use more workers\n",
		    WORKER_SOURCE_MAX);
		return;
	}
	s->source[s->count++] = (struct worker_source){.poll = poll, .arg = arg, .fd = fd};
}

// In the list, or the shadow of one in the list.
static bool is_gone(const struct port *p, struct port *const *gone, unsigned gone_count)
{
	for (unsigned i = 0; i < gone_count; i++)
		if (gone[i] == p || (p->parent != PORT_NONE && gone[i]->index == p->parent))
			return true;
	return false;
}

static unsigned worker_of(const struct lb_conf *c, const struct port *p, unsigned q)
{
	if (c->rss_mode == LB_RSS_WRONG)
		return (p->index + q + 1) % c->workers;
	return (p->parent == PORT_NONE ? q : p->index + q) % c->workers;
}

// Queue q of each port goes to worker q modulo their number, so that with as many queues as workers
// each worker has one of each port. Queues of shadow TAPs are spread by index.
static void add_queues(struct lb_conf *c, struct worker_sources *set, struct lb_rx *rx,
		       struct port *const *gone, unsigned gone_count)
{
	for (unsigned i = 0; i < PORT_MAX; i++) {
		const struct port *p = port_get((uint16_t)i);

		if (p != NULL && (!atomic_load(&p->live) || is_gone(p, gone, gone_count)))
			continue;
		for (uint16_t q = 0; p != NULL && q < p->queues; q++, rx++) {
			unsigned w = worker_of(c, p, q);

			*rx = (struct lb_rx){.lw = c->worker[w], .port = p, .queue = q};
			add_source(&set[w], lb_rx_poll, rx, port_queue_fd(p, q));
		}
	}
}

// How packets are spread is settled with the first ports, for the life of the process: a flow lies in the
// table of the worker that its packets were thought to reach.
static void decide_rss(struct lb_conf *c)
{
	struct port_rss r = {.slots = 128};
	bool known = false;

	if (c->rss_decided || queues_of_all() == 0)
		return;
	c->rss_decided = true;
	if (c->workers == 1 || c->rss_mode == LB_RSS_UNKNOWN)
		return;
	if (c->rss_mode == LB_RSS_AUTO) {
		known = port_rss_get(&r);
	} else {
		memcpy(r.key, port_rss_key, sizeof(r.key));
		for (unsigned i = 0; i < r.slots; i++)
			r.queue[i] = (uint8_t)(i % c->workers);
		known = true;
	}
	for (unsigned i = 0; known && i < r.slots; i++)
		r.queue[i] = (uint8_t)(r.queue[i] % c->workers);
	if (known && flow_rss_create(r.key, r.queue, r.slots, (uint16_t)c->workers, &c->rss) != 0)
		LOG(WARNING, "devices have fewer queues than there are workers: packets are handed "
			     "from worker to worker\n");
	for (unsigned w = 0; c->rss != NULL && w < c->workers; w++)
		lb_worker_set_rss(c->worker[w], c->rss);
	if (c->rss != NULL)
		lb_check_locals_report(c);
}

// A number for how packets are spread over workers, never 0.
static uint64_t spread_of(const struct lb_conf *c)
{
	uint64_t h = UINT64_C(14695981039346656037); // FNV-1a
	const uint8_t *b;

	h = (h ^ c->workers) * UINT64_C(1099511628211);
	if (c->rss == NULL)
		return h | 1;
	b = (const uint8_t *)c->rss;
	for (size_t i = 0; i < sizeof(*c->rss); i++)
		h = (h ^ b[i]) * UINT64_C(1099511628211);
	return h | 1;
}

// Flows of the process before us to their owners, before the first packet.
static void settle_flows(struct lb_conf *c)
{
	struct lb_moved r;
	char *old[LB_OLD_FILES];
	unsigned n = 0;

	if (c->flows_settled || !c->rss_decided)
		return;
	c->flows_settled = true;
	for (unsigned i = 0; i < LB_OLD_FILES; i++) {
		old[n] = lb_tables_old_file(c, i);
		if (old[n] != NULL && access(old[n], F_OK) == 0)
			n++;
		else
			free(old[n]);
	}
	lb_worker_settle(c->worker, c->workers, spread_of(c), old, n, &r);
	for (unsigned i = 0; i < n; i++) {
		unlink(old[i]);
		free(old[i]);
	}
	if (n > 0)
		c->flows_taken += r.moved;
	if (r.moved + r.lost + r.strangers + r.unreadable == 0)
		return;
	LOG(NOTICE,
	    "flows: %u moved to other workers, %u with replies by another, %u lost, %u files unreadable\n",
	    r.moved, r.strangers, r.lost, r.unreadable);
	if (r.lost + r.unreadable != 0)
		lb_conf_event(
			c, CTL_EVENT_STATE, 3, NULL,
			"%u flows and %u tables of the process before could not be taken over: they "
			"are lost",
			r.lost, r.unreadable);
}

// The last source of a turn: what the others put into TX buffers leaves. Thread: owner worker
static unsigned flush_poll(struct worker *w, void *arg)
{
	(void)arg;
	out_flush(w);
	return 0; // no work of its own
}

int lb_ports_sources(struct lb_conf *c, struct port *const *gone, unsigned gone_count)
{
	struct worker_sources *set;
	struct lb_rx *rx, *old = c->rx;
	int rc = 0;

	if (c->worker[0] == NULL)
		return 0; // no configuration yet
	decide_rss(c);
	settle_flows(c);
	if (!c->flows_settled)
		return 0; // no port yet, and so no packet
	set = calloc(c->workers, sizeof(*set));
	rx = calloc(queues_of_all() + 1, sizeof(*rx));
	if (set == NULL || rx == NULL) {
		free(set);
		free(rx);
		return -ENOMEM;
	}
	add_queues(c, set, rx, gone, gone_count);
	for (unsigned w = 0; w < c->workers; w++) {
		if (c->workers > 1)
			add_source(&set[w], lb_handover_poll, c->worker[w], WORKER_FD_WAKES);
		add_source(&set[w], lb_age_poll, c->worker[w], WORKER_FD_TIMER);
		add_source(&set[w], out_poll, NULL, OUT_POLL_FD);
		add_source(&set[w], flush_poll, NULL, WORKER_FD_WAKES);
		if (rc == 0)
			rc = worker_set_sources(w, &set[w]);
	}
	free(set);
	if (rc != 0) {
		// Some workers have the new set, some the old: rx and c->rx both stay.
		LOG(ERR, "sources of the workers cannot be set: %s\n", strerror(-rc));
		return rc;
	}
	c->rx = rx;
	publish_retire(old, free);
	return 0;
}

// ---- steering ---------------------------------------------------------------------------------

// What is to be steered, as it grows.
struct steer_list {
	struct port_steer *e;
	unsigned count, room;
	int rc;
};

static void put_steer(struct steer_list *l, const struct port_steer *e)
{
	struct port_steer *more;

	if (l->count == l->room) {
		more = realloc(l->e, (l->room * 2 + 64) * sizeof(*more));
		if (more == NULL) {
			l->rc = -ENOMEM;
			return;
		}
		l->e = more;
		l->room = l->room * 2 + 64;
	}
	l->e[l->count++] = *e;
}

// Servers whose answers to clients pass here.
struct nat_servers {
	struct steer_list *l;
	const struct ctl_service *service;
};

static int put_nat_server(void *ctx, const struct ctl_addr *addr, uint16_t min, uint16_t max)
{
	const struct nat_servers *n = ctx;

	put_steer(n->l, &(struct port_steer){.addr = *addr,
					     .kind = PORT_STEER_NAT,
					     .proto = n->service->proto,
					     .port_min = min,
					     .port_max = max,
					     .context = n->service->context});
	return 0;
}

// A local pool, as one or more services use it.
struct use {
	uint64_t pool;
	uint16_t context;
};

static int compare_use(const void *a, const void *b)
{
	const struct use *x = a, *y = b;

	if (x->pool != y->pool)
		return x->pool < y->pool ? -1 : 1;
	return x->context - y->context;
}

// A local address is taken where packets to it arrive: on the ports of each context whose services use it.
static void put_locals(const struct lb_conf *c, const struct use *use, unsigned uses,
		       struct steer_list *l)
{
	struct lb_entry *e;

	LB_STORE_FOREACH(e, &c->store, CTL_REC_LOCAL_ADDRESS)
	{
		const struct ctl_local_address *a = (const void *)e->rec;
		const struct ctl_local_pool *p =
			(const void *)lb_store_find(&c->store, CTL_REC_LOCAL_POOL, a->local_pool)
				->rec;

		for (unsigned i = 0; i < uses; i++) {
			if (use[i].pool != a->local_pool)
				continue;
			put_steer(l, &(struct port_steer){.addr = a->addr,
							  .kind = PORT_STEER_LOCAL,
							  .port_min = p->port_min,
							  .port_max = p->port_max,
							  .context = use[i].context});
		}
	}
}

static void fill_steer(const struct lb_conf *c, struct steer_list *l)
{
	struct use *use = calloc((size_t)c->store.entries[CTL_REC_SERVICE] + 1, sizeof(*use));
	unsigned uses = 0, unique = 0;
	struct lb_entry *e;

	if (use == NULL) {
		l->rc = -ENOMEM;
		return;
	}
	LB_STORE_FOREACH(e, &c->store, CTL_REC_SERVICE)
	{
		const struct ctl_service *r = (const void *)e->rec;
		struct port_steer s = {.addr = r->addr,
				       .kind = PORT_STEER_SERVICE,
				       .proto = r->proto,
				       .context = r->context};

		lb_service_ports(r, &s.port_min, &s.port_max);
		put_steer(l, &s);
		if (r->forwarding == CTL_FORWARD_NAT)
			lb_sources_each(&c->store, false, r, put_nat_server,
					&(struct nat_servers){l, r});
		if (r->local_pool != 0)
			use[uses++] = (struct use){.pool = r->local_pool, .context = r->context};
	}
	qsort(use, uses, sizeof(*use), compare_use);
	for (unsigned i = 0; i < uses; i++)
		if (unique == 0 || compare_use(&use[unique - 1], &use[i]) != 0)
			use[unique++] = use[i];
	put_locals(c, use, unique, l);
	free(use);
}

static bool has_nat(const struct lb_conf *c)
{
	struct lb_entry *e;

	LB_STORE_FOREACH(e, &c->store, CTL_REC_SERVICE)
	if (((const struct ctl_service *)(const void *)e->rec)->forwarding == CTL_FORWARD_NAT)
		return true;
	return false;
}

void lb_ports_steer(struct lb_conf *c)
{
	struct steer_list l = {0};
	struct port_error err = {0};
	int rc;

	fill_steer(c, &l);
	rc = l.rc != 0 ? l.rc : port_steer_set(l.e, l.count, &err);
	free(l.e);
	if (rc == 0)
		return;
	LOG(ERR, "steering of the services: %s\n",
	    err.message[0] != '\0' ? err.message : strerror(-rc));
	lb_conf_event(c, CTL_EVENT_STATE, 3, NULL,
		      "packets of some services are not steered here: %s",
		      err.message[0] != '\0' ? err.message : strerror(-rc));
}

static void set_prefixes(struct lb_conf *c)
{
	uint32_t most = c->store.entries[CTL_REC_PREFIX];
	struct ctl_prefix *v = calloc((size_t)most + 1, sizeof(*v));
	struct lb_entry *e;
	unsigned n = 0;
	int rc = -ENOMEM;

	if (v != NULL) {
		LB_STORE_FOREACH(e, &c->store, CTL_REC_PREFIX)
		v[n++] = *(const struct ctl_prefix *)(const void *)e->rec;
		rc = out_prefix_set(v, n);
	}
	free(v);
	if (rc != 0) {
		LOG(ERR, "prefixes of point-to-point ports: %s\n", strerror(-rc));
		lb_conf_event(c, CTL_EVENT_STATE, 3, NULL,
			      "prefixes of point-to-point ports could not be set: %s",
			      strerror(-rc));
	}
}

static void commit_sources(struct lb_conf *c, struct port *const *gone, unsigned gone_count)
{
	int rc = lb_ports_sources(c, gone, gone_count);

	if (rc != 0) {
		lb_conf_event(c, CTL_EVENT_PORT, 3, NULL,
			      "workers could not be told of a change of ports: %s", strerror(-rc));
		return; // what went stays open: a worker may still poll it
	}
	if (gone_count > 0) {
		publish_drain(); // no worker polls them, none sleeps on their fds
		for (unsigned i = 0; i < gone_count; i++)
			port_close(gone[i]);
	}
	out_ports_changed();
}

void lb_ports_commit(struct lb_conf *c, unsigned what, struct port *const *gone,
		     unsigned gone_count)
{
	if (what & LB_PORTS_SOURCES)
		commit_sources(c, gone, gone_count);
	if (what & LB_PORTS_PREFIXES)
		set_prefixes(c);
	if ((what & LB_PORTS_STEER) || ((what & LB_PORTS_SERVERS) && has_nat(c)))
		lb_ports_steer(c);
}

void lb_ports_retry(struct lb_conf *c)
{
	bool opened = false;
	struct lb_entry *e;

	LB_STORE_FOREACH(e, &c->store, CTL_REC_PORT)
	{
		const struct ctl_port *r = (const void *)e->rec;
		struct ctl_ack ack = {0};

		if (r == NULL || e->port != NULL || e->touched || open_port(c, e, false, &ack) != 0)
			continue;
		opened = true;
		LOG(NOTICE, "port '%s' is there now\n", r->name);
		lb_conf_event(c, CTL_EVENT_PORT, 5, e, "port '%s' is there now", r->name);
	}
	if (opened)
		lb_ports_commit(c, LB_PORTS_SOURCES | LB_PORTS_PREFIXES | LB_PORTS_STEER, NULL, 0);
}

bool lb_ports_missing(const struct lb_conf *c)
{
	struct lb_entry *e;

	LB_STORE_FOREACH(e, &c->store, CTL_REC_PORT)
	if (e->rec != NULL && e->port == NULL)
		return true;
	return false;
}
