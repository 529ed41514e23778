// SPDX-License-Identifier: BSD-3-Clause
//
// bucket - token bucket that counts packets; one writer, no division. Levels are kept in packets * hz,
// so a refill is one multiplication and no fraction is lost.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct out_bucket {
	uint64_t level; // packets * hz, depth or less
	uint64_t stamp; // ticks of the last refill
	uint64_t depth; // burst * hz
	uint64_t fill;  // ticks to fill an empty one
	uint64_t hz;
	uint32_t rate; // packets a second
};

// Start full. rate and burst 1 or more; burst * hz stays below 2^63.
static inline void out_bucket_init(struct out_bucket *b, uint32_t rate, uint32_t burst, uint64_t hz,
				   uint64_t now)
{
	*b = (struct out_bucket){
		.level = burst * hz,
		.stamp = now,
		.depth = burst * hz,
		.fill = burst * hz / rate + 1,
		.hz = hz,
		.rate = rate,
	};
}

// Take one. now may not go back. Returns false if there is none: nothing is taken.
static inline bool out_bucket_take(struct out_bucket *b, uint64_t now)
{
	uint64_t idle = now - b->stamp;

	b->stamp = now;
	b->level = idle < b->fill ? b->level + idle * b->rate : b->depth;
	if (b->level > b->depth)
		b->level = b->depth;
	if (b->level < b->hz)
		return false;
	b->level -= b->hz;
	return true;
}
