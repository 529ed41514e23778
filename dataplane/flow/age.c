// SPDX-License-Identifier: BSD-3-Clause
//
// age - the lazy timing wheel. A packet only writes flow.last_seen. The wheel visits a flow when its
// timeout as of the last visit has passed: it has been idle that long and ends, or it is filed anew for
// what is left. Only a change to a shorter timeout (closing) files it at once.
//
// Slots are lists through flow_cold.next and .prev. Visits come in batches, so that entries and
// buckets are prefetched.

#include "dataplane/flow/flow_priv.h"

#include "dataplane/core/clock.h"

#define AGE_BATCH      32
#define AGE_SLOTS_CALL 1024 // empty slots stepped over in one call at most

static uint32_t slot_of(uint32_t ticks)
{
	return ticks >> FLOW_WHEEL_SHIFT;
}

// The wheel's slot numbers have 30 bits: difference modulo 2^30.
static uint32_t slots_since(uint32_t now, uint32_t then)
{
	return (now - then) & (UINT32_MAX >> FLOW_WHEEL_SHIFT);
}

static uint32_t timeout_of(const struct flow_table *t, const struct flow *f)
{
	return t->timeout[f->state < FLOW_STATE_COUNT ? f->state : FLOW_TCP_CLOSING];
}

static void file_after(struct flow_table *t, uint32_t index, uint32_t now, uint32_t ticks)
{
	uint32_t lag = slots_since(slot_of(now), t->wheel_at);
	// The slot of the tick when it is due; it is emptied once all its ticks have passed.
	uint64_t in_slot = now & ((1U << FLOW_WHEEL_SHIFT) - 1);
	uint64_t ahead = lag + ((in_slot + ticks) >> FLOW_WHEEL_SHIFT);
	struct flow_cold *c = &t->cold[index];
	uint32_t slot;

	if (ahead > FLOW_WHEEL_SLOTS - 1 || lag > FLOW_WHEEL_SLOTS)
		ahead = FLOW_WHEEL_SLOTS - 1; // never the slot that is being emptied
	slot = (t->wheel_at + (uint32_t)ahead) & (FLOW_WHEEL_SLOTS - 1);
	c->prev = FLOW_WHEEL_HEAD | slot;
	c->next = t->wheel[slot];
	if (c->next != FLOW_NONE)
		t->cold[c->next].prev = index;
	t->wheel[slot] = index;
}

void flow_wheel_add(struct flow_table *t, uint32_t index, uint32_t now)
{
	const struct flow *f = &t->flow[index];
	uint32_t idle = clock_ticks_since(now, f->last_seen), timeout = timeout_of(t, f);

	file_after(t, index, now, timeout > idle ? timeout - idle : 0);
}

void flow_wheel_del(struct flow_table *t, uint32_t index)
{
	const struct flow_cold *c = &t->cold[index];

	if (c->next != FLOW_NONE)
		t->cold[c->next].prev = c->prev;
	if ((c->prev & FLOW_WHEEL_HEAD) != 0)
		t->wheel[c->prev & (FLOW_WHEEL_SLOTS - 1)] = c->next;
	else
		t->cold[c->prev].next = c->next;
}

void flow_refile(struct flow_table *t, uint32_t index, uint32_t now)
{
	flow_wheel_del(t, index);
	flow_wheel_add(t, index, now);
}

// Take up to max flows off the slot's list; prefetches their entries.
static unsigned take_batch(struct flow_table *t, uint32_t slot, uint32_t *batch, unsigned max)
{
	uint32_t index = t->wheel[slot];
	unsigned n = 0;

	while (n < max && index != FLOW_NONE) {
		rte_prefetch0(&t->flow[index]);
		batch[n++] = index;
		index = t->cold[index].next;
	}
	t->wheel[slot] = index;
	if (index != FLOW_NONE)
		t->cold[index].prev = FLOW_WHEEL_HEAD | slot;
	return n;
}

static void visit_batch(struct flow_table *t, const uint32_t *batch, unsigned n, uint32_t now,
			void (*expire)(void *ctx, uint32_t index), void *ctx)
{
	uint64_t hash[AGE_BATCH][2];
	uint32_t dead[AGE_BATCH];
	unsigned dead_count = 0;

	for (unsigned i = 0; i < n; i++) {
		struct flow *f = &t->flow[batch[i]];
		uint64_t *h = hash[dead_count];

		if (clock_ticks_since(now, f->last_seen) < timeout_of(t, f)) {
			flow_wheel_add(t, batch[i], now);
			continue;
		}
		h[0] = flow_hash_of(t, batch[i], 0);
		h[1] = flow_hash_of(t, batch[i], FLOW_DIR_BIT);
		rte_prefetch0(&t->bucket[flow_home(t, h[0])]);
		rte_prefetch0(&t->bucket[flow_home(t, h[1])]);
		dead[dead_count++] = batch[i];
	}
	for (unsigned i = 0; i < dead_count; i++) {
		expire(ctx, dead[i]);
		flow_delete_hashed(t, dead[i], hash[i][0], hash[i][1]);
	}
}

unsigned flow_age(struct flow_table *t, uint32_t now, unsigned budget,
		  void (*expire)(void *ctx, uint32_t index), void *ctx)
{
	unsigned visited = 0, steps = 0;
	uint32_t batch[AGE_BATCH];

	while (visited < budget && steps < AGE_SLOTS_CALL) {
		uint32_t lag = slots_since(slot_of(now), t->wheel_at);
		unsigned room = budget - visited, n;

		if (lag == 0 ||
		    lag > UINT32_MAX >> (FLOW_WHEEL_SHIFT + 1)) // or the clock is behind
			break;
		n = take_batch(t, t->wheel_at & (FLOW_WHEEL_SLOTS - 1), batch,
			       room < AGE_BATCH ? room : AGE_BATCH);
		if (n == 0) {
			t->wheel_at++;
			steps++;
			continue;
		}
		visit_batch(t, batch, n, now, expire, ctx);
		visited += n;
	}
	return visited;
}

void flow_set_timeouts(struct flow_table *t, const uint32_t timeout[FLOW_STATE_COUNT])
{
	for (unsigned i = 0; i < FLOW_STATE_COUNT; i++)
		t->timeout[i] = timeout[i] != 0 ? timeout[i] : 1;
}
