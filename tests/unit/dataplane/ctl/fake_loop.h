// SPDX-License-Identifier: BSD-3-Clause
//
// fake_loop - dataplane/core/loop.h driven by the test, turn by turn, with a clock of its own. Link with
// -Wl,--wrap=clock_monotonic_ns.
#pragma once

#include "dataplane/core/loop.h"

// Handle what is ready until nothing is. Returns how many events there were.
unsigned fake_loop_settle(struct loop *l);
// Let time pass; timers that come due are called.
void fake_loop_advance(struct loop *l, uint64_t ms);
// How many fds are watched.
unsigned fake_loop_fds(const struct loop *l);
