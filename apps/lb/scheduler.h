// SPDX-License-Identifier: BSD-3-Clause
//
// scheduler - the table of schedulers: who gets a new flow. One file each (sched_wrr.c, ...).
#pragma once

#include "apps/lb/lb.h"

// Longest sequence a pool's WRR may precompute; longer ones are approximated within 1 %.
#define SCHED_WRR_MAX (1u << 20)

extern const struct lb_scheduler sched_wrr;

// By enum ctl_scheduler; NULL: no such. Thread: any
const struct lb_scheduler *sched_get(uint8_t scheduler);
