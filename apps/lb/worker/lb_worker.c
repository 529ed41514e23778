// SPDX-License-Identifier: BSD-3-Clause
//
// lb_worker - a worker's state: made and read by the control thread, used by lb_svc.c and lb_new.c.
//
// Counters, cursors: chunks of LB_CHUNK slots that only ever get more, so nothing moves while the
// worker counts.

#include "apps/lb/worker/lb_priv.h"

#include <rte_cycles.h>

#include <errno.h>
#include <stdlib.h>

#define ICMP_RATE 5000 // errors passed on, a second and worker

static void *zalloc_lines(size_t bytes)
{
	void *p = aligned_alloc(64, (bytes + 63) & ~(size_t)63);

	if (p != NULL)
		memset(p, 0, bytes);
	return p;
}

static const struct lb_loads nobody_counts;

int lb_worker_create(const struct lb_worker_conf *conf, const struct publish *snapshot,
		     struct lb_worker **out, uint32_t *taken)
{
	struct lb_worker *lw = zalloc_lines(sizeof(*lw));
	int rc = -ENOMEM;

	if (lw == NULL)
		return -ENOMEM;
	lw->index = conf->index;
	// Zero pages until a chunk is entered.
	lw->server = calloc(LB_CHUNKS, sizeof(*lw->server));
	lw->service = calloc(LB_CHUNKS, sizeof(*lw->service));
	lw->cursor = calloc(LB_CHUNKS, sizeof(*lw->cursor));
	lw->nat_own = calloc(LB_NAT_OWN, sizeof(*lw->nat_own));
	if (lw->server == NULL || lw->service == NULL || lw->cursor == NULL || lw->nat_own == NULL)
		goto err_free;
	rc = frag_create(lb_fragment_dropped, &lw->frag);
	if (rc != 0)
		goto err_free;
	rc = flow_table_open(&conf->flow, clock_ticks(), &lw->table, taken);
	if (rc != 0)
		goto err_free;
	lw->publish = snapshot;
	lw->loads = conf->loads != NULL ? conf->loads : &nobody_counts;
	out_bucket_init(&lw->icmp, ICMP_RATE, ICMP_RATE / 5, rte_get_tsc_hz(), rte_rdtsc());
	flow_steer_init(&lw->steer, worker_count() > 0 ? (uint16_t)worker_count() : 1);
	lb_icmp_begin(lw);
	*out = lw;
	return 0;

err_free:
	lb_worker_destroy(lw);
	return rc;
}

void lb_worker_set_rss(struct lb_worker *lw, const struct flow_rss *rss)
{
	lw->steer.rss = rss;
}

void lb_worker_destroy(struct lb_worker *lw)
{
	if (lw == NULL)
		return;
	lb_icmp_end(lw);
	frag_destroy(lw->frag);
	for (uint32_t i = 0; i < LB_CHUNKS; i++) {
		if (lw->server != NULL)
			free(lw->server[i]);
		if (lw->service != NULL)
			free(lw->service[i]);
		if (lw->cursor != NULL)
			free(lw->cursor[i]);
	}
	free(lw->server);
	free(lw->service);
	free(lw->cursor);
	free(lw->nat_own);
	flow_table_close(lw->table);
	if (lw->index == 0)
		free(lw->strangers);
	free(lw);
}

// Flows that were taken over count for their server and service once slots are known; before any
// worker runs with a snapshot.
static void count_taken(struct lb_worker *lw)
{
	const struct flow_table *t = lw->table;

	for (uint32_t i = 0; i < t->max; i++) {
		const struct flow *f = &t->flow[i];

		if ((f->flags & FLOW_F_VALID) == 0)
			continue;
		lb_server_count(lw, f->server)->taken++;
		lb_load_add(lw->loads, f->server);
		lb_service_count(lw, f->service)->taken++;
	}
	lw->taken_counted = true;
}

int lb_worker_reserve(struct lb_worker *lw, uint32_t servers, uint32_t services, uint32_t cursors)
{
	if (servers > LB_SLOT_MASK + 1 || services > LB_SLOT_MASK + 1 || cursors > LB_SLOT_MASK + 1)
		return -ENOMEM;
	for (uint32_t i = 0; i * LB_CHUNK < servers; i++) {
		if (lw->server[i] == NULL)
			lw->server[i] = zalloc_lines(sizeof(struct lb_server_chunk));
		if (lw->server[i] == NULL)
			return -ENOMEM;
	}
	for (uint32_t i = 0; i * LB_CHUNK < services; i++) {
		if (lw->service[i] == NULL)
			lw->service[i] = zalloc_lines(sizeof(struct lb_service_chunk));
		if (lw->service[i] == NULL)
			return -ENOMEM;
	}
	for (uint32_t i = 0; i * LB_CHUNK < cursors; i++) {
		if (lw->cursor[i] == NULL)
			lw->cursor[i] = zalloc_lines(LB_CHUNK * sizeof(uint32_t));
		if (lw->cursor[i] == NULL)
			return -ENOMEM;
	}
	if (!lw->taken_counted && servers > 0)
		count_taken(lw);
	return 0;
}

// For slots that nobody reserved: only flows of a foreign file name such.
static struct lb_counters scrap;

struct lb_counters *lb_server_count(struct lb_worker *lw, uint32_t ref)
{
	struct lb_server_chunk *c = lb_server_chunk(lw, ref);

	return c == NULL ? &scrap : &c->count[ref % LB_CHUNK];
}

struct lb_counters *lb_service_count(struct lb_worker *lw, uint32_t ref)
{
	struct lb_service_chunk *c = lb_service_chunk(lw, ref);

	return c == NULL ? &scrap : &c->count[ref % LB_CHUNK];
}

static struct lb_tcp_counters scrap_tcp;

struct lb_tcp_counters *lb_server_tcp(struct lb_worker *lw, uint32_t ref)
{
	struct lb_server_chunk *c = lb_server_chunk(lw, ref);

	return c == NULL ? &scrap_tcp : &c->tcp[ref % LB_CHUNK];
}

struct lb_tcp_counters *lb_service_tcp(struct lb_worker *lw, uint32_t ref)
{
	struct lb_service_chunk *c = lb_service_chunk(lw, ref);

	return c == NULL ? &scrap_tcp : &c->tcp[ref % LB_CHUNK];
}

// A flow ends. Of a server or service that has left its slot it is not counted: whoever has the slot now
// began to count without it.
static void count_end(struct lb_worker *lw, const struct flow *f)
{
	const struct lb_snapshot *s = publish_get(lw->publish);

	if (s == NULL || lb_server_get(s, f->server) != NULL)
		lb_server_count(lw, f->server)->ended_flows++;
	if (s == NULL || lb_service_get(s, f->service) != NULL)
		lb_service_count(lw, f->service)->ended_flows++;
	lb_pick_moved(lw, f->server, false);
}

void lb_flow_end(struct lb_worker *lw, uint32_t index)
{
	const struct flow *f = flow_at(lw->table, index);

	count_end(lw, f);
	flow_delete(lw->table, index & ~FLOW_DIR_BIT);
}

static void expire(void *ctx, uint32_t index)
{
	struct lb_worker *lw = ctx;
	const struct flow *f = flow_at(lw->table, index);

	count_end(lw, f);
	if (f->state == FLOW_TCP_SYN && (f->flags & (FLOW_F_SERVER_SPOKE | FLOW_F_SILENT)) == 0) {
		lb_server_tcp(lw, f->server)->silent++;
		lb_service_tcp(lw, f->service)->silent++;
	}
}

#define AGE_BUDGET (2 * LB_BURST) // flows a turn: twice what a burst can add

unsigned lb_age_poll(struct worker *w, void *arg)
{
	struct lb_worker *lw = arg;

	if (unlikely(!lw->quiet_over) && lw->serial != 0)
		lw->quiet_over = (int32_t)(lw->quiet_until - w->now_ticks) <= 0;
	frag_expire(lw->frag, w->now_ticks, w);
	return flow_age(lw->table, w->now_ticks, AGE_BUDGET, expire, lw);
}

const struct lb_counters *lb_worker_server_counters(const struct lb_worker *lw, uint32_t slot)
{
	const struct lb_server_chunk *c = slot > LB_SLOT_MASK ? NULL : lb_server_chunk(lw, slot);

	return c == NULL ? NULL : &c->count[slot % LB_CHUNK];
}

const struct lb_persist_counters *lb_worker_persist_counters(const struct lb_worker *lw)
{
	return &lw->persist;
}

const struct lb_other_counters *lb_worker_others(const struct lb_worker *lw)
{
	return &lw->others;
}

const struct frag_counters *lb_worker_fragments(const struct lb_worker *lw)
{
	return frag_count(lw->frag);
}

const struct lb_counters *lb_worker_service_counters(const struct lb_worker *lw, uint32_t slot)
{
	const struct lb_service_chunk *c = slot > LB_SLOT_MASK ? NULL : lb_service_chunk(lw, slot);

	return c == NULL ? NULL : &c->count[slot % LB_CHUNK];
}

const struct lb_tcp_counters *lb_worker_server_tcp(const struct lb_worker *lw, uint32_t slot)
{
	const struct lb_server_chunk *c = slot > LB_SLOT_MASK ? NULL : lb_server_chunk(lw, slot);

	return c == NULL ? NULL : &c->tcp[slot % LB_CHUNK];
}

const struct lb_tcp_counters *lb_worker_service_tcp(const struct lb_worker *lw, uint32_t slot)
{
	const struct lb_service_chunk *c = slot > LB_SLOT_MASK ? NULL : lb_service_chunk(lw, slot);

	return c == NULL ? NULL : &c->tcp[slot % LB_CHUNK];
}
