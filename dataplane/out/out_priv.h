// SPDX-License-Identifier: BSD-3-Clause
//
// What tx.c, answer.c and out.c share of a worker's state beside the hot part in tx.h.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/frag/id.h"
#include "dataplane/out/bucket.h"
#include "dataplane/out/hold.h"

// Classes of packets for the kernel, each with its own share; the first are what keeps the node
// reachable, so nothing else can push them out.
enum out_punt_class {
	PUNT_NEIGHBOUR = 0, // ARP, ND, VRRP
	PUNT_ROUTING = 1,   // BGP, OSPF, BFD
	PUNT_ICMP = 2,
	PUNT_REST = 3,
	PUNT_COUNT,
};

struct out_rare {
	uint64_t hz;          // tsc ticks a second
	uint64_t hold_ticks;  // HOLD_MS
	uint16_t seen_serial; // of the view the hold queue was last tried with
	struct out_bucket punt[PUNT_COUNT];
	struct out_bucket answer;
	struct frag_ids ids;
	struct out_hold hold;
};

// out.c: tell the control thread that there are requests. Thread: owner worker, rare
void out_tell_control(void);

enum out_punt_class out_punt_class(const struct parse_info *pi);

// split.c: cut an IPv4 packet into pieces of at most `mtu` bytes, identification `id` if it is no fragment yet. pi: of m.
// The first piece is m itself; later[0 .. *n - 1] are the others, in order. Each has its Ethernet header's
// room before it and pi->l3_off as m has.
// Returns: DROP_NONE; else m is unchanged: DROP_MTU (may not be fragmented, or into too many pieces) or
//          DROP_NO_MBUF
#define SPLIT_MAX 64
enum drop_reason split_packet(struct rte_mbuf *m, const struct parse_info *pi, uint16_t mtu,
			      uint16_t id, struct rte_mbuf *later[SPLIT_MAX], unsigned *n);
