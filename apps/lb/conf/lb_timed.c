// SPDX-License-Identifier: BSD-3-Clause
//
// lb_timed - see lb_timed.h.

#include "apps/lb/conf/lb_timed.h"

#include "apps/lb/conf/lb_conf.h"
#include "apps/lb/show/lb_flows.h"
#include "dataplane/core/clock.h"
#include "dataplane/core/loop.h"

#include <rte_log.h>

#include <errno.h>
#include <stdlib.h>

#define FIRST_STEP  (LB_WEIGHT_UNIT / 10) // a tenth
#define SLICE_NS    1000000               // of a sweep through the flow tables
#define PAUSE_MS    3
#define ENTRIES     1024
#define REST_FACTOR 10 // between two steps of slow start: so many times what one took

RTE_LOG_REGISTER(lb_timed_log, sluice.timed, NOTICE)
#define LOG(level, ...) rte_log(RTE_LOG_##level, lb_timed_log, "timed: " __VA_ARGS__)

static int list_add(struct lb_timed *t, struct lb_entry *e)
{
	if (e->timed)
		return 0;
	if (t->count == t->capacity) {
		uint32_t capacity = t->capacity == 0 ? 64 : t->capacity * 2;
		struct lb_entry **v = realloc(t->entry, capacity * sizeof(struct lb_entry *));

		if (v == NULL)
			return -ENOMEM;
		t->entry = v;
		t->capacity = capacity;
	}
	e->timed = true;
	t->entry[t->count++] = e;
	return 0;
}

void lb_timed_forget(struct lb_timed *t, const struct lb_entry *server)
{
	for (uint32_t i = 0; server->timed && i < t->count; i++)
		if (t->entry[i] == server) {
			t->entry[i] = t->entry[--t->count];
			return;
		}
}

// ---- slow start -------------------------------------------------------------------------------

int lb_timed_ramp(struct lb_timed *t, struct lb_entry *server)
{
	server->ramp_ns = clock_monotonic_ns();
	return list_add(t, server);
}

// Steps of LB_WEIGHT_UNIT that a server is at.
static unsigned step_of(const struct lb_entry *e, const struct ctl_pool *pool)
{
	uint64_t all = (uint64_t)pool->slow_start_ms * 1000000, past;

	if (e->ramp_ns == 0 || all == 0)
		return LB_WEIGHT_UNIT;
	past = clock_monotonic_ns() - e->ramp_ns;
	if (past >= all)
		return LB_WEIGHT_UNIT;
	return FIRST_STEP + (unsigned)(past * (LB_WEIGHT_UNIT - FIRST_STEP) / all);
}

uint16_t lb_timed_weight(struct lb_entry *server, uint16_t weight, const struct ctl_pool *pool)
{
	server->ramp_step = (uint8_t)step_of(server, pool);
	return (uint16_t)(weight * server->ramp_step);
}

// ---- drain ------------------------------------------------------------------------------------

void lb_timed_commit(struct lb_conf *c, struct lb_entry *server)
{
	const struct ctl_server *old = (const void *)server->rec, *now = (const void *)server->next;

	if (now == NULL || now->admin != CTL_ADMIN_DRAIN) {
		server->drain_ns = 0;
		return;
	}
	if (old != NULL && old->admin == CTL_ADMIN_DRAIN && server->ref == server->next_ref)
		return; // since then
	server->drain_ns = clock_monotonic_ns();
	server->drained = false;
	if (list_add(&c->timed, server) != 0)
		LOG(ERR, "server '%s': no memory to watch its drain; its flows will not be ended\n",
		    now->name);
}

struct lb_sweep {
	struct lb_flow_filter filter;
	struct lb_clear batch;
	unsigned worker;
	uint32_t index;
	uint64_t ended;
	int timer;
};

static bool on_flow(void *ctx, uint32_t index, const struct lb_flow_info *f)
{
	struct lb_clear *b = ctx;

	(void)f;
	b->index[b->count++] = index;
	return b->count < sizeof(b->index) / sizeof(b->index[0]);
}

static void end_batch(struct lb_conf *c, struct lb_sweep *s)
{
	struct lb_clear *b = &s->batch;

	if (b->count == 0)
		return;
	b->lw = c->worker[s->worker];
	b->pool = c->made_pool;
	b->filter = &s->filter;
	b->ended = 0;
	if (worker_call(s->worker, lb_clear_flows, b) == 0)
		s->ended += b->ended;
	b->count = 0;
}

static void on_sweep(struct loop *l, void *arg)
{
	struct lb_conf *c = arg;
	struct lb_sweep *s = c->timed.sweep;
	uint64_t until = clock_monotonic_ns() + SLICE_NS;

	(void)l;
	s->timer = 0;
	while (s->worker < c->workers && clock_monotonic_ns() < until) {
		const struct lb_worker *lw = c->worker[s->worker];

		if (lw == NULL || s->index >= lb_worker_flow_size(lw)) {
			s->worker++;
			s->index = 0;
			continue;
		}
		s->index =
			lb_worker_flow_walk(lw, &s->filter, s->index, ENTRIES, on_flow, &s->batch);
		end_batch(c, s);
	}
	if (s->worker < c->workers) {
		s->timer = loop_add_timer(c->loop, PAUSE_MS, 0, on_sweep, c);
		if (s->timer > 0)
			return;
	}
	LOG(NOTICE, "%llu flows of %u drained server%s ended\n", (unsigned long long)s->ended,
	    s->filter.servers, s->filter.servers == 1 ? "" : "s");
	free(s);
	c->timed.sweep = NULL;
}

static const struct ctl_pool *pool_of(const struct lb_conf *c, const struct lb_entry *e)
{
	const struct lb_entry *p =
		lb_store_find(&c->store, CTL_REC_POOL, ((const struct ctl_server *)e->rec)->pool);

	return (const void *)lb_entry_rec(p, false);
}

static bool drain_over(const struct lb_conf *c, const struct lb_entry *e, uint64_t now)
{
	uint64_t timeout = pool_of(c, e)->drain_timeout_ms;

	return e->drain_ns != 0 && !e->drained && timeout != 0 &&
	       now - e->drain_ns >= timeout * 1000000;
}

static void sweep(struct lb_conf *c, uint64_t now)
{
	struct lb_timed *t = &c->timed;
	struct lb_sweep *s = NULL;

	if (t->sweep != NULL)
		return; // those that are due meanwhile come next
	for (uint32_t i = 0; i < t->count; i++) {
		struct lb_entry *e = t->entry[i];

		if (e->rec == NULL || !drain_over(c, e, now))
			continue;
		if (s == NULL) {
			s = calloc(1, sizeof(*s));
			if (s == NULL)
				return; // tried again
			lb_flow_filter_init(&s->filter);
			s->filter.has_server = true;
		}
		if (s->filter.servers == LB_FLOW_REFS)
			break;
		s->filter.server[s->filter.servers++] = e->ref;
		e->drained = true;
		lb_conf_event(c, CTL_EVENT_STATE, 5, e,
			      "server %s/%s: its drain-timeout is over, its flows are ended",
			      pool_of(c, e)->name, ((const struct ctl_server *)e->rec)->name);
	}
	if (s == NULL)
		return;
	t->sweep = s;
	on_sweep(c->loop, c);
}

// ---- the tick ---------------------------------------------------------------------------------

// Mark those of slow start that are at another step; drop who has nothing to wait for.
static void look(struct lb_conf *c)
{
	struct lb_timed *t = &c->timed;

	for (uint32_t i = 0; i < t->count;) {
		struct lb_entry *e = t->entry[i];
		bool ramps = e->ramp_ns != 0 && e->rec != NULL;

		if (ramps && step_of(e, pool_of(c, e)) != e->ramp_step &&
		    lb_health_dirty(c, e) != 0)
			return;
		if (ramps && step_of(e, pool_of(c, e)) == LB_WEIGHT_UNIT)
			e->ramp_ns = 0; // the build still sees all of its weight
		// A record still to come may be in its transaction: it keeps its place.
		if (e->ramp_ns == 0 && (e->drain_ns == 0 || e->drained) && e->rec != NULL) {
			e->timed = false;
			t->entry[i] = t->entry[--t->count];
		} else {
			i++;
		}
	}
}

void lb_timed_tick(struct lb_conf *c)
{
	struct lb_timed *t = &c->timed;
	uint64_t now = clock_monotonic_ns();

	if (t->count == 0)
		return;
	sweep(c, now);
	if (now < t->next_ns)
		return;
	look(c);
	if (c->dirty_count != 0 && lb_conf_publish_health(c) != 0)
		LOG(WARNING, "no memory for a step of slow start; tried again\n");
	t->next_ns = clock_monotonic_ns();
	t->next_ns += (t->next_ns - now) * REST_FACTOR;
}

void lb_timed_fini(struct lb_conf *c)
{
	free(c->timed.entry);
	free(c->timed.sweep);
	c->timed = (struct lb_timed){0};
}
