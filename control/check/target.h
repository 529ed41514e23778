// SPDX-License-Identifier: BSD-3-Clause
//
// target - what is checked, when, and what is known of it. Knows neither sockets nor clocks: time is an
// argument, checks are started through struct check_ops, so a test drives it with a fake of both.
//
// Apps subscribe. Subscriptions to the same address, port and check share one target, which is
// checked once. A target lives as long as it has subscribers.
//
// Time of a target: the first check at a random point of the first interval (of the first second at
// most, unless there are very many), then every interval from there, so that the load stays spread.
// While nothing is known yet a check follows the one before after CHECK_FIRST_MS already.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/check/health.h"
#include "dataplane/ctl/msg.h"

#define CHECK_REASON     112 // as in struct ctl_verdict
#define CHECK_FIRST_MS   250 // pause between checks while the verdict is open, if below the interval
#define CHECK_RETRY_MS   100 // after a check that could not be started for want of our own resources
#define CHECK_STARTS_MS  4   // most first checks started per millisecond
#define CHECK_TARGET_MAX 200000

struct check_engine;
struct check_target;

// One result.
struct check_result {
	bool ok;
	bool local; // could not be tried for a reason of our own (no descriptors): counts for nothing
	uint32_t latency_us;
	char reason[CHECK_REASON]; // "" if ok
};

// A subscription: the first field of the subscriber's own object.
struct check_sub {
	struct check_target *target; // NULL: none
	struct check_sub *next, **prev;
};

struct check_target {
	struct ctl_addr addr;   // key
	uint16_t port;          // key, network order
	struct ctl_check check; // key
	struct check_health health;
	uint32_t latency_us;       // of the last check
	char reason[CHECK_REASON]; // of the last failed check in a row, "" after a good one
	uint64_t count;            // results so far
	void *probe;               // of whoever runs the check, NULL when idle

	// engine only
	struct check_sub *subs;
	struct check_target *hash_next;
	uint32_t hash;
	bool running;
	uint32_t heap_at;
	uint64_t due_us;  // next start, or deadline while running
	uint64_t slot_us; // start of the present interval
	uint64_t started_us;
};

struct check_ops {
	// Start a check of t. Returns true when it has ended at once, with *r filled; false: the caller
	// of check_engine_result() follows.
	bool (*start)(void *arg, struct check_target *t, struct check_result *r);
	// Forget the check that runs; its result is not wanted any more.
	void (*cancel)(void *arg, struct check_target *t);
	// Something is to be told: news is true when the verdict has changed, false for a mere result.
	void (*tell)(void *arg, struct check_sub *sub, bool news);
	// The next moment of check_engine_run() may have come nearer.
	void (*wake)(void *arg);
	void *arg;
};

// Errors: -ENOMEM. seed spreads the first checks. Thread: init
int check_engine_create(const struct check_ops *ops, uint64_t seed, struct check_engine **out);
// All subscriptions must be gone.
void check_engine_destroy(struct check_engine *e);

// Subscribe sub to what t describes, leaving what it was subscribed to before. Where only the times
// or counts of the check have changed, what is known of the server is kept.
// Returns: 0. Errors: -ENOMEM, -ENOSPC too many targets: sub is subscribed to nothing
// Thread: control
int check_subscribe(struct check_engine *e, struct check_sub *sub, const struct ctl_target *t,
		    uint64_t now_us);
void check_unsubscribe(struct check_engine *e, struct check_sub *sub);

// Start what is due, end what took too long.
// Returns: the moment of the next call, UINT64_MAX when there is none.
uint64_t check_engine_run(struct check_engine *e, uint64_t now_us);

// The check of t that runs has ended.
void check_engine_result(struct check_engine *e, struct check_target *t,
			 const struct check_result *r, uint64_t now_us);

size_t check_engine_targets(const struct check_engine *e);
size_t check_engine_running(const struct check_engine *e);
// Checks started since the beginning.
uint64_t check_engine_started(const struct check_engine *e);
