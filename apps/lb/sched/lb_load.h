// SPDX-License-Identifier: BSD-3-Clause
//
// lb_load - how many flows each server has, all workers together: what the schedulers of least connections
// compare.
//
// One entry a server slot, shared by all workers, changed by compare-and-swap when a flow starts or ends and
// by nothing else, so the count is exact at any time. The slot's generation and its count are one word: a
// flow of an earlier holder of the slot neither counts for the new one nor is taken from it. Each flow that
// was added must be taken away once.
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LB_LOAD_CHUNK  256
#define LB_LOAD_CHUNKS (1u << 16)

struct lb_load {
	_Atomic uint64_t flows; // generation in the upper half, flows in the lower
	_Atomic uint64_t pass;  // which of equally loaded servers is next, see sched_lc.c
};

struct lb_loads {
	struct lb_load *_Atomic *chunk; // NULL: nobody counts
	bool alone;                     // one worker: no other thread counts, so plain stores do
};

// workers: how many will count. Errors: -ENOMEM. Thread: control
int lb_loads_init(struct lb_loads *l, unsigned workers);
void lb_loads_fini(struct lb_loads *l);
// Entries of slots 0 .. slots - 1 exist from now on. Errors: -ENOMEM. Thread: control
int lb_loads_reserve(struct lb_loads *l, uint32_t slots);

// The slot is this server's now: it has no flows yet, those of the holder before it count no more. Nothing
// happens if it has been so before. Thread: control, before a snapshot names the server
void lb_load_own(const struct lb_loads *l, uint32_t ref);

// The entry of a server, NULL: nobody reserved it.
static inline struct lb_load *lb_load_of(const struct lb_loads *l, uint32_t ref)
{
	uint32_t slot = ref & ((1u << 24) - 1);
	struct lb_load *c;

	if (l->chunk == NULL)
		return NULL;
	c = atomic_load_explicit(&l->chunk[slot / LB_LOAD_CHUNK], memory_order_relaxed);
	return c == NULL ? NULL : &c[slot % LB_LOAD_CHUNK];
}

// Flows of a server now. Thread: any
static inline uint32_t lb_load_flows(const struct lb_loads *l, uint32_t ref)
{
	const struct lb_load *e = lb_load_of(l, ref);
	uint64_t v = e == NULL ? 0 : atomic_load_explicit(&e->flows, memory_order_relaxed);

	return v >> 32 == ref >> 24 ? (uint32_t)v : 0;
}

static inline void lb_load_move(const struct lb_loads *l, uint32_t ref, int by)
{
	struct lb_load *e = lb_load_of(l, ref);
	uint64_t v, n;

	if (e == NULL)
		return;
	v = atomic_load_explicit(&e->flows, memory_order_relaxed);
	do {
		if (v >> 32 != ref >> 24 || (by < 0 && (uint32_t)v == 0))
			return;
		n = v + (uint64_t)(int64_t)by;
		if (l->alone) {
			atomic_store_explicit(&e->flows, n, memory_order_relaxed);
			return;
		}
	} while (!atomic_compare_exchange_weak_explicit(&e->flows, &v, n, memory_order_relaxed,
							memory_order_relaxed));
}

// A flow of this server started. Thread: any worker
static inline void lb_load_add(const struct lb_loads *l, uint32_t ref)
{
	lb_load_move(l, ref, 1);
}

// A flow that was added ended. Thread: any worker
static inline void lb_load_sub(const struct lb_loads *l, uint32_t ref)
{
	lb_load_move(l, ref, -1);
}
