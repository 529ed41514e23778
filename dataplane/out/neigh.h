// SPDX-License-Identifier: BSD-3-Clause
//
// neigh - the control thread's table of next hops: gives each a stable index, keeps what the kernel
// says of it. mirror.c feeds it and copies it into each view.
//
// An entry lives while the kernel has the neighbour, a route refers to it or a worker used it lately;
// a freed index is given out again as late as possible.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/out/view.h"

#define NEIGH_MAX 65535 // entries; index 0 is none

struct neigh_entry {
	struct nexthop nh;
	int ifindex;       // kernel's interface, 0 for NEXTHOP_PEER and NEXTHOP_GROUP
	uint16_t nud;      // NUD_* of the kernel
	bool kernel;       // the kernel has an entry
	bool routed;       // a route or a link refers to it; set again at each rebuild
	uint32_t epoch;    // of the last dump or event that named it
	uint64_t used_ns;  // a worker used or wanted it last, CLOCK_MONOTONIC; 0 never
	uint64_t asked_ns; // the kernel was asked to resolve it last
};

struct neigh_table;

// Errors: -ENOMEM. Thread: init
int neigh_create(struct neigh_table **out);
void neigh_destroy(struct neigh_table *t);

// Find the entry of (kind, port, vlan, family, addr), or make one in state PENDING.
// Returns: its index, 0 when the table is full. Sets *made if it is new (may be NULL).
// Thread: control
uint16_t neigh_intern(struct neigh_table *t, uint8_t kind, uint16_t port, uint16_t vlan,
		      uint8_t family, const uint8_t addr[16], bool *made);

// As neigh_intern, but never makes one: 0 if there is none.
uint16_t neigh_find(const struct neigh_table *t, uint8_t kind, uint16_t port, uint16_t vlan,
		    uint8_t family, const uint8_t addr[16]);

// Borrowed until the next neigh_intern. index < neigh_count(); state NEXTHOP_NONE is a free one.
struct neigh_entry *neigh_get(struct neigh_table *t, uint16_t index);
// Likewise, but the one that a NEXTHOP_LIMITED is a copy of: its index stands in nh.port, the MTU in nh.vlan.
static inline struct neigh_entry *neigh_base(struct neigh_table *t, uint16_t index)
{
	struct neigh_entry *e = neigh_get(t, index);

	return e->nh.kind == NEXTHOP_LIMITED ? neigh_get(t, e->nh.port) : e;
}
uint32_t neigh_count(const struct neigh_table *t); // highest index in use + 1, at least 1

// What the kernel says of a neighbour: nud is NUD_*, lladdr may be NULL.
// Returns: true if anything a worker sees has changed.
bool neigh_kernel_says(struct neigh_entry *e, uint16_t nud, const uint8_t lladdr[6]);

// The kernel has forgotten it. Returns true if a worker sees a difference.
bool neigh_kernel_forgot(struct neigh_entry *e);

// Free the entries nobody needs (not routed, not the kernel's, not used since `since_ns`).
// Returns how many.
uint32_t neigh_sweep(struct neigh_table *t, uint64_t since_ns);

// Slots of a hash of the NEXTHOP_HOST entries for a view: a power of two, at most half full.
uint32_t neigh_host_slots(const struct neigh_table *t);
void neigh_host_fill(const struct neigh_table *t, uint16_t *slot, uint32_t mask);

static inline uint32_t neigh_hash(uint16_t port, uint16_t vlan, const uint8_t addr[16])
{
	uint64_t a, b;

	memcpy(&a, addr, 8);
	memcpy(&b, addr + 8, 8);
	a = (a ^ ((uint64_t)port << 48 | (uint64_t)vlan << 32)) * UINT64_C(0x9e3779b97f4a7c15);
	a ^= b * UINT64_C(0xff51afd7ed558ccd);
	a ^= a >> 32;
	a *= UINT64_C(0xc4ceb9fe1a85ec53);
	return (uint32_t)(a >> 32);
}

// The neighbour `addr` (16 bytes, IPv4 in the first four) on (port, vlan): its index, or 0.
// Thread: any worker
static inline uint16_t neigh_host_find(const struct out_view *v, uint16_t port, uint16_t vlan,
				       uint8_t family, const uint8_t addr[16])
{
	uint32_t at = neigh_hash(port, vlan, addr) & v->host_mask;

	while (v->host[at] != 0) { // at most half full: an empty slot ends it
		const struct nexthop *nh = &v->nexthop[v->host[at]];

		if (nh->port == port && nh->vlan == vlan && nh->family == family &&
		    memcmp(nh->addr, addr, 16) == 0)
			return v->host[at];
		at = (at + 1) & v->host_mask;
	}
	return 0;
}
