// SPDX-License-Identifier: BSD-3-Clause
//
// handover - packets that arrived at a worker which does not own them: one single-producer
// single-consumer ring per pair of workers. owner() (dataplane/flow/steer.h) says who owns a packet.
//
// A full ring never blocks: what did not fit stays with the sender, who drops it (DROP_HANDOVER_FULL).
#pragma once

#include "dataplane/core/worker.h"

#define HANDOVER_RING 1024 // packets per pair, a power of two

struct rte_mbuf;

// Make the rings between all workers. After worker_init.
// Errors: -ENOMEM; -EALREADY. Thread: init
int handover_init(void);
void handover_fini(void); // packets left in rings are freed

// Give packets to worker `to` and wake it. Counts those taken as handed_over of `from`.
// Returns: how many were taken, from the front; the rest still belongs to the caller. 0 if to is the
//          sender itself or no worker.
// Thread: owner worker of `from`
unsigned handover_send(struct worker *from, unsigned to, struct rte_mbuf **pkts, unsigned n);

// Take up to n packets from all others' rings, fairly. Counts them as received (packets and bytes), so
// that each worker's sum holds by itself: received = ... + handed_over.
// In a worker_source of the app: fd = WORKER_FD_WAKES.
// Returns: the number of packets now owned by the caller. Thread: owner worker of `w`
unsigned handover_take(struct worker *w, struct rte_mbuf **pkts, unsigned n);

// What went from one worker to another since the start. Thread: any (values may be a burst old)
struct handover_count {
	uint64_t sent;
	uint64_t full; // did not fit: dropped by the sender
};
struct handover_count handover_count(unsigned from, unsigned to);

// Packets waiting for worker `index` now. Thread: any
unsigned handover_waiting(unsigned index);
