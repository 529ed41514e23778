// SPDX-License-Identifier: BSD-3-Clause
//
// parse - bytes of a frame to header offsets. Pure functions over contiguous bytes: no mbuf, no state.
//
// A frame: Ethernet II, at most one 802.1Q tag (or the VLAN already stripped, given by the caller),
// IPv4 or IPv6, TCP, UDP, ICMP or ICMPv6. IPv6 extension headers are walked with a bound
// (RFC 8200 section 4; hop-by-hop, routing, destination, fragment, AH).
// Sources: RFC 791, 8200, 9293 section 3.1, 768, 792, 4443, 1122; RFC 5095 (routing header 0).
#pragma once

#include <assert.h>
#include <stdint.h>

#include <rte_byteorder.h>

#include "dataplane/core/drop.h"

enum parse_flag {
	PARSE_IPV4 = 1 << 0,
	PARSE_IPV6 = 1 << 1,
	PARSE_L4 = 1 << 2,       // l4_off and ports are valid (TCP, UDP; ICMP: l4_off only)
	PARSE_FRAGMENT = 1 << 3, // any fragment; without PARSE_L4 unless it is the first
	PARSE_VLAN = 1 << 4,     // vlan holds an id that was in the frame
	PARSE_OPTIONS = 1 << 5,  // IPv4 options or IPv6 extension headers present
	PARSE_ARP = 1 << 6,
	PARSE_OTHER = 1 << 7, // not IP, or IP of another protocol: only for the kernel
};

struct parse_info {
	uint8_t flags;  // enum parse_flag
	uint8_t l3_off; // from the start of the frame
	uint16_t l4_off;
	uint16_t l3_len; // IP packet: IPv4 total length, IPv6 payload length + 40
	uint16_t vlan;   // VLAN id, 0 if none
	uint8_t proto;   // IPPROTO_*, after extension headers
	uint8_t ttl;     // hop limit
	uint8_t tcp_flags;
	uint8_t icmp_type;
	rte_be16_t sport; // ICMP echo: the identifier
	rte_be16_t dport;
};
static_assert(sizeof(struct parse_info) == 16, "a burst's parse results stay in few lines");

// Parse one frame. `vlan` is the id the NIC stripped, or 0.
// Bytes after the IP packet (Ethernet padding) are allowed. Layer-4 checksums are not verified.
//
// Returns: DROP_NONE and *info complete; or why the frame cannot be handled at all, *info zeroed but
//          for the fields known so far. PARSE_OTHER and PARSE_ARP are not drops.
// Thread:  any
enum drop_reason parse_frame(const uint8_t *frame, uint32_t len, uint16_t vlan,
			     struct parse_info *info);
