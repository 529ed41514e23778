// SPDX-License-Identifier: BSD-3-Clause
//
// The clock is CLOCK_MONOTONIC, read through the vDSO, because a flow's last-seen stamp must mean the
// same to the process that is started after this one was killed; the TSC promises that to nobody.

#include "dataplane/core/clock.h"

#include <rte_cycles.h>

#include <time.h>

uint64_t clock_monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

uint32_t clock_ticks(void)
{
	return (uint32_t)(clock_monotonic_ns() >> CLOCK_TICK_SHIFT);
}

uint64_t clock_tsc_to_ns(uint64_t tsc)
{
	uint64_t hz = rte_get_tsc_hz();

	if (hz == 0) // before rte_eal_init
		return 0;
	return (uint64_t)((unsigned __int128)tsc * 1000000000u / hz);
}
