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

struct publish {
	_Atomic(void *) current; // control: rw, worker: ro
};

// Thread: any worker, any
static inline void *publish_get(const struct publish *p)
{
	return atomic_load_explicit(&((struct publish *)p)->current, memory_order_acquire);
}

// Make `object` (may be NULL) current; call destroy(old) once no worker can hold it.
// Thread: control
void publish_swap(struct publish *p, void *object, void (*destroy)(void *));

// Retire something that was never behind a struct publish. Thread: control
void publish_retire(void *object, void (*destroy)(void *));

// Free what is quiescent. Returns how many retired objects still wait. Thread: control
size_t publish_reclaim(void);

// Wait until everything retired so far is freed (stopping, tests). Thread: control
void publish_drain(void);
