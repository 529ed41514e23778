// SPDX-License-Identifier: BSD-3-Clause
//
// route - an immutable longest-match table of one context, built whole from sorted prefixes.
//
// The prefixes are flattened to ranges that do not overlap; a look-up finds the range by a first
// index of the leading bits and a binary search inside. 6 bytes an IPv4 range, 18 an IPv6 one, at most
// two ranges a prefix: a full BGP table (1 M + 200 k prefixes) takes about 20 MB and a look-up a few
// lines. Building is one linear pass, so a change costs milliseconds even then.
#pragma once

#include <stdint.h>

typedef unsigned __int128 route_addr6; // host order

struct route_table;

struct route_prefix4 {
	uint32_t addr; // host order, bits after len are 0
	uint16_t leaf; // what a look-up gives
	uint8_t len;
};

struct route_prefix6 {
	route_addr6 addr;
	uint16_t leaf;
	uint8_t len;
};

// Build a table from prefixes sorted by (addr, len), without duplicates.
// Returns: 0 and *out.
// Errors:  -EINVAL not sorted, a duplicate, bits set after the prefix; -ENOMEM
// Thread:  control
// Owner:   the arrays stay the caller's
int route_table_create(const struct route_prefix4 *p4, uint32_t n4, const struct route_prefix6 *p6,
		       uint32_t n6, struct route_table **out);
void route_table_destroy(struct route_table *t);

// The leaf of the longest prefix that holds addr, 0 if none does. Thread: any worker
uint16_t route_table_find4(const struct route_table *t, uint32_t addr);
uint16_t route_table_find6(const struct route_table *t, route_addr6 addr);

// Bytes the table takes. Thread: any
uint64_t route_table_bytes(const struct route_table *t);
