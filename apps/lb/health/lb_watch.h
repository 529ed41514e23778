// SPDX-License-Identifier: BSD-3-Clause
//
// lb_watch - what stands beside a server's check, and what all of it together makes of the server:
//
//	check      the checker's verdict                              health
//	agent      what the server says of itself                     health, weight, drain
//	passive    connections of clients that fail (workers count)   down, for a while
//	damping    health that changes too often                      down, until it has been quiet
//
// Down is down, whoever says so; up takes all of them. What the pool does not ask for has no say, so that
// a change of configuration acts at once.
//
// Pure functions: time is an argument, in milliseconds of a clock that does not stand at 0.
// Thread: control
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/ctl/msg.h"

#define LB_DAMP_LEVEL_MAX 4 // doublings of the hold: 16 times

struct lb_verdict;

struct lb_watch {                             // of one server; zero: nothing seen yet
	uint64_t passive_until, damped_until; // 0: not
	uint32_t ref;                         // slot and generation that the counters are of
	uint64_t answered, failed; // connection attempts, as the workers' counters stood last
	uint32_t run;              // failed ones without a good one between them
	uint64_t *change;          // times of the last changes of health, a ring; malloc'ed
	uint16_t changes;          // its size, that of the configuration
	uint16_t next;             // where the next one goes, which is where the oldest stands
	uint8_t level;             // of the last hold
	uint64_t released;         // when that ended; 0: never
};

void lb_watch_fini(struct lb_watch *w);

// ---- all together ------------------------------------------------------------------------------

// Is anything asked about the servers of a pool?
bool lb_watch_any(const struct ctl_check *c);
// enum ctl_health of all four.
uint8_t lb_watch_health(const struct lb_verdict *v, const struct ctl_check *c);
// Likewise without damping: what damping looks at.
bool lb_watch_raw_down(const struct lb_verdict *v, const struct ctl_check *c);
// An enum ctl_health as the models name it.
const char *lb_watch_health_name(uint8_t health);
bool lb_watch_is_passive(const struct lb_verdict *v, const struct ctl_check *c);
bool lb_watch_is_damped(const struct lb_verdict *v, const struct ctl_check *c);
// The agent wants no new flows, old ones go on.
bool lb_watch_drains(const struct lb_verdict *v, const struct ctl_check *c);
// The configured weight as the agent has it: N percent, at most 256, and not 0 but for 0.
uint16_t lb_watch_weight(const struct lb_verdict *v, const struct ctl_check *c, uint16_t weight);
// Why it is down, "" if it is not. Returns: out
const char *lb_watch_reason(const struct lb_verdict *v, const struct ctl_check *c, char *out,
			    size_t size);
// What the agent says, in words; "": nothing. Returns: out
const char *lb_watch_agent(const struct lb_verdict *v, const struct ctl_check *c, char *out,
			   size_t size);

// ---- passive -----------------------------------------------------------------------------------

// The workers' counters now: attempts that were answered, that were not. ref: whose they are; those of
// another slot than before begin anew.
// Returns: true if so many failed in a row that the server is to be marked (lb_passive_mark).
bool lb_passive_note(struct lb_watch *w, const struct ctl_check *c, uint32_t ref, uint64_t answered,
		     uint64_t failed);
void lb_passive_mark(struct lb_watch *w, const struct ctl_check *c, uint64_t now_ms);
// A check found it well, or the hold is over.
void lb_passive_clear(struct lb_watch *w);

// ---- damping -----------------------------------------------------------------------------------

// Health (lb_watch_raw_down) has changed. Returns: true if it is held down from now on and was not.
// Without memory for the ring nothing is damped.
bool lb_damp_change(struct lb_watch *w, const struct ctl_check *c, uint64_t now_ms);
// Returns: true if the hold has ended now. One in which it went on flapping is followed by a longer one.
bool lb_damp_tick(struct lb_watch *w, const struct ctl_check *c, uint64_t now_ms);
