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
//
// A server is not blamed for our own lateness. How late the engine is called is added up; a check whose
// time is over gets what was lost of it while it ran, so it fails only after the whole timeout during
// which its answer could have been seen. A server that is dead is found even on a machine that is short
// of time, only later.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/check/agent.h"
#include "control/check/health.h"
#include "dataplane/ctl/msg.h"

#define CHECK_REASON     112 // as in struct ctl_verdict
#define CHECK_FIRST_MS   250 // pause between checks while the verdict is open, if below the interval
#define CHECK_RETRY_MS   100 // after a check that could not be started for want of our own resources
#define CHECK_STARTS_MS  4   // most first checks started per millisecond
#define CHECK_TARGET_MAX 200000
#define CHECK_LATE_US    5000 // a call so much later than asked for is no lateness

struct check_engine;
struct check_target;

// One result.
struct check_result {
	bool ok;
	bool local; // could not be tried for a reason of our own (no descriptors): counts for nothing
	uint32_t latency_us;
	char reason[CHECK_REASON]; // "" if ok
	bool spoke;                // CHECK_KIND_AGENT: agent_line has been said
	char agent_line[CHECK_AGENT_LINE];
};

// A subscription, part of the subscriber's own object.
struct check_sub {
	struct check_target *target; // NULL: none
	uint8_t role;                // the subscriber's, who may have several
	struct check_sub *next, **prev;
};

struct check_target {
	struct ctl_addr addr;   // key
	uint16_t port;          // key, network order
	struct ctl_check check; // key
	struct check_health health;
	struct check_agent agent;  // CHECK_KIND_AGENT
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
	uint64_t late_us; // of the engine's lateness, what had come together when the check was due
};

struct check_ops {
	// Start a check of t. Returns true when it has ended at once, with *r filled; false: the caller
	// of check_engine_result() follows.
	bool (*start)(void *arg, struct check_target *t, struct check_result *r);
	// Forget the check that runs; its result is not wanted any more.
	void (*cancel)(void *arg, struct check_target *t);
	// Its time is over: forget it likewise, *r filled with what that means (by default a failure).
	void (*expire)(void *arg, struct check_target *t, struct check_result *r);
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

// Somebody wants to know about the target of sub now: its next check starts at once unless one runs or
// has just begun (CHECK_FIRST_MS).
void check_engine_soon(struct check_engine *e, struct check_sub *sub, uint64_t now_us);

// Start what is due, end what took too long.
// Returns: the moment of the next call, UINT64_MAX when there is none.
uint64_t check_engine_run(struct check_engine *e, uint64_t now_us);

// The check of t that runs has ended.
void check_engine_result(struct check_engine *e, struct check_target *t, struct check_result *r,
			 uint64_t now_us);

size_t check_engine_targets(const struct check_engine *e);
size_t check_engine_running(const struct check_engine *e);
// Checks started since the beginning.
uint64_t check_engine_started(const struct check_engine *e);
// Microseconds by which the engine was called too late, all together; and checks that got time for it.
uint64_t check_engine_late_us(const struct check_engine *e);
uint64_t check_engine_forgiven(const struct check_engine *e);
