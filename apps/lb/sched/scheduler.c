// SPDX-License-Identifier: BSD-3-Clause
//
// scheduler - the table of schedulers, by enum ctl_scheduler.

#include "apps/lb/sched/scheduler.h"

static const struct lb_scheduler *const schedulers[] = {
	[CTL_SCHED_WRR] = &sched_wrr,       [CTL_SCHED_RR] = &sched_rr,
	[CTL_SCHED_LC] = &sched_lc,         [CTL_SCHED_WLC] = &sched_wlc,
	[CTL_SCHED_P2C] = &sched_p2c,       [CTL_SCHED_SOURCE_HASH] = &sched_source,
	[CTL_SCHED_MAGLEV] = &sched_maglev,
};

const struct lb_scheduler *sched_get(uint8_t scheduler)
{
	return scheduler < sizeof(schedulers) / sizeof(schedulers[0]) ? schedulers[scheduler]
								      : NULL;
}
