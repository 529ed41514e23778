// SPDX-License-Identifier: BSD-3-Clause
//
// view - what workers see of the network: routes and next hops, immutable, published whole.
//
// mirror.c fills it (from the kernel by netlink, and from the prefixes of point-to-point ports);
// route.c holds the longest-match tables inside, neigh.c gives next hops their indices.
#pragma once

#include "dataplane/core/publish.h"

#include <rte_ether.h>

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nexthop_state {
	NEXTHOP_NONE = 0,
	NEXTHOP_RESOLVED = 1,
	NEXTHOP_PENDING = 2,
	NEXTHOP_FAILED = 3,
};

enum nexthop_kind {
	NEXTHOP_HOST = 1, // a neighbour: `addr` on (port, vlan)
	NEXTHOP_GLEAN =
		2, // "on this link, but nobody has asked yet": the packet names the neighbour
	NEXTHOP_PEER = 3,  // the other end of a point-to-point port
	NEXTHOP_GROUP = 4, // ECMP: out_route() picks a member, never gives a group out
	// Never in a view: another next hop as a route with an MTU of its own sees it. There it stands as a copy
	// of that one, with the smaller MTU.
	NEXTHOP_LIMITED = 5,
};

#define NEXTHOP_GROUP_MAX 8

// Index 0 is never a next hop. Indices are stable while the (port, vlan, address) is in use.
struct nexthop {
	alignas(32) struct rte_ether_addr dmac; // dmac and smac are read as 12 bytes together
	struct rte_ether_addr smac;
	uint16_t port; // index
	uint16_t vlan; // 0: untagged
	uint16_t mtu;  // largest IP packet
	uint8_t state; // enum nexthop_state
	uint8_t kind;  // enum nexthop_kind
	uint8_t family;
	uint8_t members; // NEXTHOP_GROUP; NEXTHOP_GLEAN: 1: has an MTU of its own, so it stands for each neighbour
	uint16_t context;
	union {
		uint8_t addr[16];                   // NEXTHOP_HOST; IPv4 in the first four
		uint16_t member[NEXTHOP_GROUP_MAX]; // NEXTHOP_GROUP: weighted by repetition
	};
};
static_assert(sizeof(struct nexthop) == 64, "one line");
static_assert(offsetof(struct nexthop, smac) == 6, "addresses are copied as they leave");

struct route_table;

struct out_routes;
struct out_addresses;

struct out_view {
	alignas(64) uint16_t generation; // changes whenever out_route() may answer otherwise
	uint16_t serial;                 // changes with every view
	uint32_t count;                  // entries of nexthop[]
	uint32_t host_mask;              // of host[]
	const uint16_t *host;            // neighbours by (port, vlan, address): index, 0 = empty
	struct out_routes *routes;
	const struct out_addresses *local;
	alignas(64) struct nexthop nexthop[]; // [0] is never used
};

// One table a context; shared by the views that differ in next hops alone.
struct out_routes {
	unsigned refs;  // views; control: rw, worker: no
	unsigned count; // 1 or more
	struct {
		uint16_t context;
		struct route_table *table;
	} of[];
};

// An address of the kernel's own, and the port whose view it is on.
struct out_address {
	uint8_t key[17]; // family, address
	uint8_t zero;
	uint16_t port; // index, PORT_NONE: of no port
	uint16_t vlan;
};

// All of them: sorted by key.
struct out_addresses {
	unsigned count;
	struct out_address at[];
};

extern struct publish out_view_published;

// The view in force; good until the worker's next quiescent state. Never NULL after out_init.
// Thread: any worker
static inline const struct out_view *out_view_get(void)
{
	return publish_get(&out_view_published);
}

// Cached indices are looked up again when this has changed. Never 0.
static inline uint16_t out_view_generation(const struct out_view *v)
{
	return v->generation;
}

// NULL if the index is not in use. Thread: any worker
static inline const struct nexthop *out_nexthop(const struct out_view *v, uint16_t index)
{
	const struct nexthop *nh = &v->nexthop[index];

	return index < v->count && nh->state != NEXTHOP_NONE ? nh : NULL;
}

// Longest match. addr: network order, 4 or 16 bytes. Equal-cost paths: one by a hash of the address.
// An address on a link whose neighbour nobody has asked for yet gives the link's NEXTHOP_GLEAN.
// Returns the next hop's index, 0: no route. Thread: any worker
uint16_t out_route(const struct out_view *v, uint16_t context, uint8_t family, const void *addr);

// True if addr is one of the kernel's own addresses (those that we put there for services are not).
// Thread: any worker
bool out_kernel_address(const struct out_view *v, uint8_t family, const void *addr);

// The kernel's own address on a port (and VLAN, 0: untagged), the lowest if it has several; never a link-local
// one. Walks through all addresses. Returns: 4 or 16 bytes, good as long as the view; NULL: none.
// Thread: any worker
const uint8_t *out_port_address(const struct out_view *v, uint16_t port, uint16_t vlan,
				uint8_t family);
