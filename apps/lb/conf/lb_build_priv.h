// SPDX-License-Identifier: BSD-3-Clause
//
// lb_build_priv - the build that is running, shared by lb_build.c (parts) and lb_hash.c (hashes).
// Thread: control.
#pragma once

#include "apps/lb/conf/lb_build.h"

enum lb_part_kind { LB_PART_PLAIN, LB_PART_POOL, LB_PART_LOCAL };

struct lb_builder {
	const struct lb_build_in *in;
	struct lb_snap *s;
	struct ctl_ack *ack;
	uint64_t mark;
	struct lb_entry *marked[LB_TYPE_MAX]; // by type, linked by mark_next
	bool services_dirty;                  // the service hash must be made anew
	bool own_dirty;
	bool sources_dirty;                 // NAT servers, services or the pools between them
	bool *server_fresh, *service_fresh; // chunk was copied in this build
	const struct lb_server **scratch;
	uint32_t scratch_size;
};

// The build keeps its pointers const, as workers see them; they are its own to free.
static inline void *lb_unconst(const void *p)
{
	return (void *)(uintptr_t)p;
}

// `part` (may be NULL) was made for this snapshot in place of `old` (may be NULL). On error part is freed.
// Returns: 0 or -ENOMEM
int lb_build_part_swap(struct lb_builder *b, void *part, void *old, enum lb_part_kind kind);

// The 16 bytes of an address as snapshots hold it: IPv4 first, zeros behind.
void lb_build_fill_addr(uint8_t out[16], const struct ctl_addr *a);

// Make the hash anew in b->s from the parts that are there.
// Returns: 0, -ENOMEM, or -EEXIST with b->ack filled in when an address stands twice
int lb_build_service_hash(struct lb_builder *b);
int lb_build_own_hash(struct lb_builder *b);

// lb_sources.c: likewise, where NAT servers answer from.
// Returns: 0 or -ENOMEM
int lb_build_sources(struct lb_builder *b);
