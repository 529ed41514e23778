// SPDX-License-Identifier: BSD-3-Clause
//
// clock - the flow clock: CLOCK_MONOTONIC in ticks of 2^24 ns (16.8 ms), 32 bits, so that it means
// the same to every process since boot and survives a restart. Compare with clock_ticks_since().
#pragma once

#include <stdint.h>

#define CLOCK_TICK_SHIFT 24

// Thread: any
uint32_t clock_ticks(void); // reads CLOCK_MONOTONIC
uint64_t clock_monotonic_ns(void);
uint64_t clock_tsc_to_ns(uint64_t tsc);

static inline uint32_t clock_ms_to_ticks(uint64_t ms)
{
	uint64_t t = (ms * 1000000) >> CLOCK_TICK_SHIFT;

	return t == 0 ? 1 : (uint32_t)t;
}

// Ticks from then to now; a stamp from the future (another worker's clock) is 0.
static inline uint32_t clock_ticks_since(uint32_t now, uint32_t then)
{
	int32_t d = (int32_t)(now - then);

	return d < 0 ? 0 : (uint32_t)d;
}
