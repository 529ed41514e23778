// SPDX-License-Identifier: BSD-3-Clause
//
// link - the kernel's interfaces as the mirror sees them, and which port (and VLAN) of ours each one
// stands for. Inside of out/, control thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/out/view.h"

struct port;

struct out_link {
	int ifindex;
	bool ours; // an AF_XDP port, or the kernel's view (TAP) of a port or VLAN
	bool up;
	uint16_t port; // index: packets leave here
	uint16_t vlan; // with this tag, 0: none
	uint16_t context;
	uint32_t mtu;
	uint8_t mac[6];
	uint32_t epoch;
	struct out_link *next;
};

enum out_link_change {
	OUT_LINK_SAME = 0,
	OUT_LINK_DETAIL = 1, // address or MTU of one of ours
	OUT_LINK_UPDOWN = 2, // came, went up or down
};

// NULL if the interface is no way out of ours.
const struct out_link *out_link_find(int ifindex);

// What the kernel says; mac may be NULL.
enum out_link_change out_link_says(int ifindex, bool up, uint32_t mtu, const uint8_t mac[6],
				   uint32_t epoch);
void out_link_gone(int ifindex);
bool out_link_sweep(uint32_t epoch); // forget those of an older epoch; true if there were any
void out_link_ports_changed(void);
void out_link_reset(void);

// Put into a next hop what its link decides: our MAC, the MTU, the context.
void out_link_fill(int ifindex, struct nexthop *nh);
void out_link_fill_peer(const struct port *p, struct nexthop *nh);
