// SPDX-License-Identifier: BSD-3-Clause
//
// build - makes a struct out_view from what the mirror knows. Inside of out/, control thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/out/fib.h"
#include "dataplane/out/neigh.h"

// An address of the kernel's.
struct build_address {
	int ifindex;
	uint32_t epoch;
	bool ours;       // put there by us for a service: not the kernel's own
	uint8_t key[17]; // family, address
};

struct build_note {
	uint32_t refused; // next hops that found no index
	uint64_t table_bytes;
};

// Look-up tables of every context. Next hops that routes need are made in neigh and marked `routed`. What the
// kernel has as a local address only because Sluice (this instance or another) put it there does not hide
// the prefix of a point-to-point port that it lies in.
// Returns: the tables with one reference, NULL: out of memory (neigh stays usable).
struct out_routes *build_routes(struct neigh_table *neigh, const struct fib *fib,
				const struct build_address *address, unsigned addresses,
				struct build_note *note);
void build_routes_put(struct out_routes *r); // NULL does nothing

// A view of all that, with a reference of its own to routes; generation and serial are left at 0.
// Returns NULL: out of memory.
struct out_view *build_view(struct neigh_table *neigh, const struct build_address *address,
			    unsigned addresses, struct out_routes *routes);
void build_view_destroy(void *view); // for publish_swap()
