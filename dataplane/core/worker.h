// SPDX-License-Identifier: BSD-3-Clause
//
// worker - the loop of one lcore: it polls its sources (RX queues, hand-over rings, timers) to
// completion, reports RCU quiescence, counts its busy time and backs off when idle.
//
// The loop knows nothing of ports or packets: whoever makes work registers a source. The set of
// sources is immutable and published by RCU, so ports come and go while the loop runs.
//
// Idle: after WORKER_SPIN_POLLS turns without work the worker goes offline for RCU and sleeps in
// ppoll() on the fds of its sources and its own eventfd. With an fd for every source it sleeps up to
// WORKER_SLEEP_MAX_US; a source with WORKER_FD_NONE makes it look again in growing steps
// (WORKER_SLEEP_MIN_US .. WORKER_SLEEP_NO_FD_US). Any fd, or worker_wake(), ends the sleep at once.
#pragma once

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>

#include "dataplane/core/drop.h"

#define WORKER_MAX        16
#define WORKER_SOURCE_MAX 128

#define WORKER_SPIN_POLLS     64
#define WORKER_SLEEP_MIN_US   50
#define WORKER_SLEEP_NO_FD_US 1000
#define WORKER_SLEEP_MAX_US   20000

// What struct worker_source.fd may be besides an fd.
#define WORKER_FD_NONE  (-1) // has to be looked at: bounds the sleep to WORKER_SLEEP_NO_FD_US
#define WORKER_FD_WAKES (-2) // whoever gives it work calls worker_wake() afterwards
#define WORKER_FD_TIMER (-3) // content with a turn every WORKER_SLEEP_MAX_US (ageing)

struct worker;
struct rte_rcu_qsbr;

// One thing to poll.
struct worker_source {
	// Returns: number of packets or events handled, 0 = was empty.
	// Thread: owner worker
	unsigned (*poll)(struct worker *w, void *arg);
	void *arg;
	int fd; // readable when there is work, or one of WORKER_FD_*; not owned
};

struct worker_sources {
	unsigned count;
	struct worker_source source[WORKER_SOURCE_MAX];
};

// Packets of this worker. Invariant, at any moment between bursts:
// received = forwarded + answered + to_kernel + dropped[...] + held (+ what lies in hand-over rings)
// Packets the worker makes itself (resets, echo replies reuse the request) are counted in `made`,
// outside the sum.
struct worker_counters {
	uint64_t received;
	uint64_t received_bytes;
	uint64_t forwarded;
	uint64_t answered; // consumed by us and answered (echo, reset, unreachable, ARP/ND)
	uint64_t to_kernel;
	uint64_t held;        // gauge: packets that wait for a neighbour now
	uint64_t handed_over; // gave to another worker (counted as received there)
	uint64_t made;
	uint64_t made_lost;           // made, but could not be sent
	uint64_t dropped[DROP_COUNT]; // index 0 unused
};

struct worker {
	alignas(RTE_CACHE_LINE_SIZE) unsigned index; // 0 .. worker_count - 1
	unsigned lcore;
	uint64_t now_tsc;   // taken once a turn
	uint32_t now_ticks; // flow clock, see clock.h; taken once a turn
	void *app;          // the app's per-worker state
	alignas(RTE_CACHE_LINE_SIZE) struct worker_counters count; // owner: rw, others: ro
	alignas(RTE_CACHE_LINE_SIZE) uint64_t busy_tsc;            // spent in turns that found work
	uint64_t turns;
	uint64_t sleeps;
	uint64_t longest_turn_tsc; // see worker_longest_turn_take()
};

// Make `count` workers on the first `count` EAL worker lcores, loops not started.
// Returns: 0. Errors: -EINVAL count is 0, over WORKER_MAX or more than there are worker lcores;
//          -EALREADY; -ENOMEM; -EMFILE
// Thread: init
int worker_init(unsigned count);

unsigned worker_count(void);
struct worker *worker_get(unsigned index); // Thread: any; fields as marked above

// Publish the sources of a worker; the old set is freed after quiescence. A copy is taken. Once
// publish_drain() has returned (or publish_reclaim() has freed what was retired after this call) no
// worker polls a source that is not in the set, nor sleeps on its fd.
// Returns: 0, -EINVAL (index, count) or -ENOMEM. Thread: control
int worker_set_sources(unsigned index, const struct worker_sources *sources);

// Start all loops / ask them to end and wait. Stopped loops may be started again.
// Errors: -EINVAL no worker_init, -EBUSY an lcore runs already. Thread: init | control
int worker_start(void);
void worker_stop(void);

// Wake a worker that sleeps; costs a fence and a load when it does not. Thread: any, no lock
void worker_wake(unsigned index);

// Run fn(w, arg) on the worker between two bursts and wait for it. For rare control actions only
// (taking a table over, clearing flows). While the loops are not running fn runs on the caller's thread.
// Returns: what fn returned; -ETIMEDOUT: the worker did not come round in 5 s, fn has not run and will
//          not; -EINVAL index. Thread: control
int worker_call(unsigned index, int (*fn)(struct worker *w, void *arg), void *arg);

// Sum over workers of a counter block. Thread: any (values may be a burst old)
void worker_counters_sum(struct worker_counters *out);

// The longest turn since the last call. Thread: control
uint64_t worker_longest_turn_take(unsigned index);
