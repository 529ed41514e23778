// SPDX-License-Identifier: BSD-3-Clause
//
// overlap - which of two services gets a packet that both could have. The same rule as the worker's
// (apps/lb/worker/lb_match.c): the longest prefix, then the narrowest range of ports.
#pragma once

#include <stdbool.h>

#include "dataplane/ctl/msg.h"

enum net_overlap {
	NET_OVERLAP_NONE = 0, // no packet fits both
	NET_OVERLAP_TAKES,    // the first gets what fits both
	NET_OVERLAP_GIVES,    // the second does
	NET_OVERLAP_SAME,     // prefix and ports are the same: refused
	NET_OVERLAP_CROSSES,  // same prefix, and neither range holds the other: refused
};

// Pure. The records are good ones: addresses masked, ports in order. Thread: any
enum net_overlap net_overlap(const struct ctl_service *a, const struct ctl_service *b);

// Does a prefix (or an address) hold all of another?
bool net_prefix_holds(const struct ctl_addr *prefix, const struct ctl_addr *a);

// First and last port of a service, host order; 0 and 65535 for any.
void net_service_ports(const struct ctl_service *s, uint16_t *min, uint16_t *max);
