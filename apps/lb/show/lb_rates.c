// SPDX-License-Identifier: BSD-3-Clause

#include "apps/lb/show/lb_rates.h"

#include "dataplane/core/clock.h"
#include "dataplane/core/loop.h"

#include <rte_cycles.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROUND_MS 1000
#define PAUSE_MS 20 // between slices of a round

struct seen {         // of a slot
	uint32_t ref; // 0: not seen yet
	uint64_t at;  // ns
	struct lb_rates sum, rate;
	struct lb_tcp_sum tcp_base, tcp; // when the slot was given to this one; at the last look
	uint32_t syn_us, again;          // of the last interval
};

enum { SLOTS_SERVER, SLOTS_SERVICE, SLOTS_COUNT };

struct lb_rate_table {
	struct seen **chunk[SLOTS_COUNT]; // [slot / LB_CHUNK][slot % LB_CHUNK]
	uint32_t chunks[SLOTS_COUNT];
	int timer;
	uint64_t round_at; // ns
	unsigned kind;     // where the round is
	uint32_t slot;
	struct {
		const struct port *port;
		uint64_t at, id;
		struct port_counters sum;
		struct lb_port_rates rate;
	} port[PORT_MAX];
	uint64_t worker_at;
	struct {
		struct lb_worker_rates sum; // without busy
		uint64_t busy_tsc, tsc;
		struct lb_worker_rates rate;
	} worker[WORKER_MAX];
	uint64_t dropped[DROP_COUNT], drop_rate[DROP_COUNT];
};

static uint64_t per_second(uint64_t now, uint64_t before, uint64_t ns)
{
	return ns == 0 || now < before
		       ? 0
		       : (uint64_t)((unsigned __int128)(now - before) * 1000000000 / ns);
}

// ---- slots ------------------------------------------------------------------------------------

static uint32_t slot_chunks(const struct lb_conf *c, unsigned kind)
{
	return kind == SLOTS_SERVER ? c->snap->pub.server_chunks : c->snap->pub.service_chunks;
}

static uint32_t ref_in(const struct lb_conf *c, unsigned kind, uint32_t slot)
{
	const struct lb_snapshot *p = &c->snap->pub;
	const struct lb_service *v;

	if (kind == SLOTS_SERVER)
		return p->server[slot / LB_CHUNK][slot % LB_CHUNK].ref;
	v = p->service[slot / LB_CHUNK][slot % LB_CHUNK];
	return v == NULL ? 0 : v->ref;
}

static struct seen *seen_of(struct lb_rate_table *t, unsigned kind, uint32_t slot)
{
	uint32_t i = slot / LB_CHUNK;

	if (i >= t->chunks[kind]) {
		uint32_t n = i + 16;
		struct seen **more = realloc(t->chunk[kind], n * sizeof(*more));

		if (more == NULL)
			return NULL;
		memset(more + t->chunks[kind], 0, (n - t->chunks[kind]) * sizeof(*more));
		t->chunk[kind] = more;
		t->chunks[kind] = n;
	}
	if (t->chunk[kind][i] == NULL)
		t->chunk[kind][i] = calloc(LB_CHUNK, sizeof(struct seen));
	return t->chunk[kind][i] == NULL ? NULL : &t->chunk[kind][i][slot % LB_CHUNK];
}

static struct lb_rates sum_of(const struct lb_conf *c, unsigned kind, uint32_t slot)
{
	struct lb_rates sum = {0};

	for (unsigned w = 0; w < c->workers; w++) {
		const struct lb_counters *n =
			c->worker[w] == NULL   ? NULL
			: kind == SLOTS_SERVER ? lb_worker_server_counters(c->worker[w], slot)
					       : lb_worker_service_counters(c->worker[w], slot);

		if (n == NULL)
			continue;
		sum.new_flows += (uint32_t)n->new_flows;
		sum.refused += (uint32_t)n->refused;
		for (unsigned d = 0; d < 2; d++) {
			sum.packets[d] += n->packets[d];
			sum.bytes[d] += n->bytes[d];
		}
	}
	return sum;
}

static const struct lb_tcp_counters *tcp_counters(const struct lb_conf *c, unsigned w,
						  unsigned kind, uint32_t slot)
{
	if (c->worker[w] == NULL)
		return NULL;
	return kind == SLOTS_SERVER ? lb_worker_server_tcp(c->worker[w], slot)
				    : lb_worker_service_tcp(c->worker[w], slot);
}

static struct lb_tcp_sum tcp_sum(const struct lb_conf *c, unsigned kind, uint32_t slot)
{
	struct lb_tcp_sum sum = {0};

	for (unsigned w = 0; w < c->workers; w++) {
		const struct lb_tcp_counters *n = tcp_counters(c, w, kind, slot);

		if (n == NULL)
			continue;
		sum.answered += n->answered;
		sum.refused += n->refused;
		sum.silent += n->silent;
		sum.syn_us += n->syn_us;
		for (unsigned d = 0; d < 2; d++) {
			sum.again[d] += n->again[d];
			sum.resets[d] += n->resets[d];
		}
	}
	return sum;
}

// Slots of the first generation have counted for nobody else.
static void look_at_tcp(const struct lb_conf *c, struct seen *s, unsigned kind, uint32_t slot,
			uint32_t ref, uint64_t ns)
{
	struct lb_tcp_sum n = tcp_sum(c, kind, slot), *b = &s->tcp;

	if (s->ref != ref) {
		s->tcp_base = ref >> LB_SLOT_BITS == 1 ? (struct lb_tcp_sum){0} : n;
		*b = s->tcp_base;
	}
	s->syn_us = n.answered > b->answered
			    ? (uint32_t)((n.syn_us - b->syn_us) / (n.answered - b->answered))
			    : 0;
	s->again = (uint32_t)per_second(n.again[0] + n.again[1], b->again[0] + b->again[1], ns);
	*b = n;
}

static void look_at_slot(const struct lb_conf *c, struct lb_rate_table *t, unsigned kind,
			 uint32_t slot, uint32_t ref)
{
	struct seen *s = seen_of(t, kind, slot);
	struct lb_rates n = sum_of(c, kind, slot);
	uint64_t now = clock_monotonic_ns(), ns;

	if (s == NULL)
		return; // no memory: no rates
	ns = s->ref == ref ? now - s->at : 0;
	// The counts of flows have 32 bits here: what matters is how far they went.
	s->rate.new_flows = (uint32_t)per_second(n.new_flows - s->sum.new_flows, 0, ns);
	s->rate.refused = (uint32_t)per_second(n.refused - s->sum.refused, 0, ns);
	for (unsigned d = 0; d < 2; d++) {
		s->rate.packets[d] = per_second(n.packets[d], s->sum.packets[d], ns);
		s->rate.bytes[d] = per_second(n.bytes[d], s->sum.bytes[d], ns);
	}
	look_at_tcp(c, s, kind, slot, ref, ns);
	s->sum = n;
	s->at = now;
	s->ref = ref;
}

// Returns: false when the round is over.
static bool look_at_slots(const struct lb_conf *c, struct lb_rate_table *t)
{
	for (unsigned n = 0; n < LB_RATES_SLICE; n++) {
		uint32_t ref;

		while (t->kind < SLOTS_COUNT && t->slot / LB_CHUNK >= slot_chunks(c, t->kind)) {
			t->kind++;
			t->slot = 0;
		}
		if (t->kind == SLOTS_COUNT)
			return false;
		ref = ref_in(c, t->kind, t->slot);
		if (ref != 0)
			look_at_slot(c, t, t->kind, t->slot, ref);
		t->slot++;
	}
	return true;
}

// ---- ports, workers, drops --------------------------------------------------------------------

static void look_at_ports(struct lb_rate_table *t)
{
	for (unsigned i = 0; i < PORT_MAX; i++) {
		const struct port *p = port_get((uint16_t)i);
		struct port_counters n = {0}, *b = &t->port[i].sum;
		uint64_t now = clock_monotonic_ns(), ns;

		if (p == NULL) {
			t->port[i].port = NULL;
			continue;
		}
		port_counters(p, &n);
		ns = t->port[i].port == p && t->port[i].id == p->id ? now - t->port[i].at : 0;
		t->port[i].rate = (struct lb_port_rates){
			.rx_packets = per_second(n.rx_packets, b->rx_packets, ns),
			.rx_bytes = per_second(n.rx_bytes, b->rx_bytes, ns),
			.rx_missed = per_second(n.rx_missed, b->rx_missed, ns),
			.tx_packets = per_second(n.tx_packets, b->tx_packets, ns),
			.tx_bytes = per_second(n.tx_bytes, b->tx_bytes, ns),
		};
		t->port[i].port = p;
		t->port[i].id = p->id;
		t->port[i].at = now;
		*b = n;
	}
}

static void look_at_workers(struct lb_rate_table *t)
{
	uint64_t now = clock_monotonic_ns(), ns = t->worker_at == 0 ? 0 : now - t->worker_at;
	struct worker_counters all;

	for (unsigned w = 0; w < worker_count(); w++) {
		const struct worker *k = worker_get(w);
		struct lb_worker_rates n = {.received = k->count.received,
					    .forwarded = k->count.forwarded},
				       *b = &t->worker[w].sum;
		uint64_t tsc = rte_rdtsc(), busy = k->busy_tsc, span = tsc - t->worker[w].tsc;

		for (unsigned r = 1; r < DROP_COUNT; r++)
			n.dropped += k->count.dropped[r];
		t->worker[w].rate = (struct lb_worker_rates){
			.received = per_second(n.received, b->received, ns),
			.forwarded = per_second(n.forwarded, b->forwarded, ns),
			.dropped = per_second(n.dropped, b->dropped, ns),
		};
		if (ns != 0 && span > 0) {
			uint64_t permille = (busy - t->worker[w].busy_tsc) * 1000 / span;

			t->worker[w].rate.busy_permille =
				permille > 1000 ? 1000 : (uint16_t)permille;
		}
		*b = n;
		t->worker[w].busy_tsc = busy;
		t->worker[w].tsc = tsc;
	}
	worker_counters_sum(&all);
	for (unsigned r = 1; r < DROP_COUNT; r++) {
		t->drop_rate[r] = per_second(all.dropped[r], t->dropped[r], ns);
		t->dropped[r] = all.dropped[r];
	}
	t->worker_at = now;
}

// ---- rounds -----------------------------------------------------------------------------------

static void on_timer(struct loop *l, void *arg)
{
	struct lb_conf *c = arg;
	struct lb_rate_table *t = c->rates;
	uint64_t now = clock_monotonic_ns(), wait = PAUSE_MS, spent;

	if (t->kind == SLOTS_COUNT) { // a new round
		t->kind = 0;
		t->slot = 0;
		t->round_at = now;
		look_at_workers(t);
		look_at_ports(t);
	}
	if (!look_at_slots(c, t)) {
		spent = (clock_monotonic_ns() - t->round_at) / 1000000;
		wait = spent < ROUND_MS - PAUSE_MS ? ROUND_MS - spent : PAUSE_MS;
	}
	t->timer = loop_add_timer(l, wait, 0, on_timer, c);
}

int lb_rates_start(struct lb_conf *c)
{
	struct lb_rate_table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	t->kind = SLOTS_COUNT;
	t->timer = loop_add_timer(c->loop, 0, 0, on_timer, c);
	if (t->timer < 0) {
		free(t);
		return -ENOMEM;
	}
	c->rates = t;
	return 0;
}

void lb_rates_stop(struct lb_conf *c)
{
	struct lb_rate_table *t = c->rates;

	if (t == NULL)
		return;
	if (t->timer > 0)
		loop_del_timer(c->loop, t->timer);
	for (unsigned k = 0; k < SLOTS_COUNT; k++) {
		for (uint32_t i = 0; i < t->chunks[k]; i++)
			free(t->chunk[k][i]);
		free(t->chunk[k]);
	}
	free(t);
	c->rates = NULL;
}

static const struct seen *find(const struct lb_conf *c, const struct lb_entry *e)
{
	const struct lb_rate_table *t = c->rates;
	unsigned kind = e->type == CTL_REC_SERVER ? SLOTS_SERVER : SLOTS_SERVICE;
	uint32_t slot = e->ref & LB_SLOT_MASK;
	const struct seen *s;

	if (t == NULL || e->ref == 0 || slot / LB_CHUNK >= t->chunks[kind] ||
	    t->chunk[kind][slot / LB_CHUNK] == NULL)
		return NULL;
	s = &t->chunk[kind][slot / LB_CHUNK][slot % LB_CHUNK];
	return s->ref == e->ref ? s : NULL;
}

struct lb_rates lb_rates_of(const struct lb_conf *c, const struct lb_entry *e)
{
	const struct seen *s = find(c, e);

	return s == NULL ? (struct lb_rates){0} : s->rate;
}

// The time that 19 of 20 did not pass: the end of its class.
static uint32_t high_time(const struct lb_conf *c, const struct lb_entry *e)
{
	unsigned kind = e->type == CTL_REC_SERVER ? SLOTS_SERVER : SLOTS_SERVICE;
	uint64_t times[LB_SYN_TIMES] = {0}, all = 0, below = 0;

	for (unsigned w = 0; w < c->workers; w++) {
		const struct lb_tcp_counters *n = tcp_counters(c, w, kind, e->ref & LB_SLOT_MASK);

		for (unsigned i = 0; n != NULL && i < LB_SYN_TIMES; i++) {
			times[i] += n->syn_times[i];
			all += n->syn_times[i];
		}
	}
	for (unsigned i = 0; all > 0 && i < LB_SYN_TIMES; i++) {
		below += times[i];
		if (below * 20 >= all * 19)
			return i + 1 < LB_SYN_TIMES ? UINT32_C(2) << i : UINT32_MAX;
	}
	return 0;
}

struct lb_tcp_stats lb_rates_tcp(const struct lb_conf *c, const struct lb_entry *e)
{
	const struct seen *s = find(c, e);
	struct lb_tcp_stats t = {0};

	if (s == NULL)
		return t;
	t.sum = tcp_sum(c, e->type == CTL_REC_SERVER ? SLOTS_SERVER : SLOTS_SERVICE,
			e->ref & LB_SLOT_MASK);
	t.sum.answered -= s->tcp_base.answered;
	t.sum.refused -= s->tcp_base.refused;
	t.sum.silent -= s->tcp_base.silent;
	t.sum.syn_us -= s->tcp_base.syn_us;
	for (unsigned d = 0; d < 2; d++) {
		t.sum.again[d] -= s->tcp_base.again[d];
		t.sum.resets[d] -= s->tcp_base.resets[d];
	}
	t.syn_us = s->syn_us;
	t.again = s->again;
	t.syn_us_high = high_time(c, e);
	return t;
}

struct lb_port_rates lb_rates_of_port(const struct lb_conf *c, const struct port *p)
{
	const struct lb_rate_table *t = c->rates;

	return t == NULL || t->port[p->index].port != p ? (struct lb_port_rates){0}
							: t->port[p->index].rate;
}

struct lb_worker_rates lb_rates_of_worker(const struct lb_conf *c, unsigned worker)
{
	return c->rates == NULL || worker >= WORKER_MAX ? (struct lb_worker_rates){0}
							: c->rates->worker[worker].rate;
}

uint64_t lb_rates_of_drop(const struct lb_conf *c, unsigned reason)
{
	return c->rates == NULL || reason >= DROP_COUNT ? 0 : c->rates->drop_rate[reason];
}
