// SPDX-License-Identifier: BSD-3-Clause
//
// publish - one immutable object at a time, readable by workers, replaced whole by the control thread.
//
// A worker that loaded a pointer may use it until its next quiescent state (end of the loop turn).
// publish_swap() never blocks: the old object is retired and freed later by publish_reclaim(), which
// the control thread calls from its event loop.
#pragma once

#include <stdatomic.h>
#include <stddef.h>

#define PUBLISH_READERS 16 // threads that may report quiescence, ids 0 .. PUBLISH_READERS - 1

struct rte_rcu_qsbr;

struct publish {
	_Atomic(void *) current; // control: rw, worker: ro
};

// Thread: any worker, any
static inline void *publish_get(const struct publish *p)
{
	return atomic_load_explicit(&p->current, memory_order_acquire);
}

// The QSBR variable that all readers report to; worker.c does it for the workers. Needs no EAL.
// Thread: any
struct rte_rcu_qsbr *publish_qsbr(void);

// Make `object` (may be NULL) current; call destroy(old) once no worker can hold it.
// destroy may be NULL, and may itself swap and retire.
// Thread: control
void publish_swap(struct publish *p, void *object, void (*destroy)(void *));

// Retire something that was never behind a struct publish. Thread: control
void publish_retire(void *object, void (*destroy)(void *));

// Free what is quiescent. Returns how many retired objects still wait. Thread: control
size_t publish_reclaim(void);

// Wait until everything retired so far is freed (stopping, tests). Thread: control
void publish_drain(void);
