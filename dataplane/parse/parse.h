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
#include <stdbool.h>
#include <stdint.h>

#include <rte_byteorder.h>

#include "dataplane/core/drop.h"

enum parse_flag {
	PARSE_IPV4 = 1 << 0,
	PARSE_IPV6 = 1 << 1,
	PARSE_L4 = 1 << 2, // l4_off and ports are valid (TCP, UDP; ICMP: l4_off only)
	PARSE_FRAGMENT =
		1 << 3,         // any fragment; PARSE_L4 in a first one that holds the whole header
	PARSE_VLAN = 1 << 4,    // vlan holds an id that was in the frame
	PARSE_OPTIONS = 1 << 5, // IPv4 options or IPv6 extension headers present
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

// Where a fragment stands in its datagram (RFC 791 section 3.2, RFC 8200 section 4.5).
struct parse_fragment {
	uint32_t id;     // host order
	uint16_t offset; // of its first byte in the fragmentable part, a multiple of 8
	uint16_t len;    // bytes of the fragmentable part, 1 or more
	uint16_t head;   // from the start of the frame: IPv4 header, or IPv6 fragment header
	bool more;       // others follow
};

// Read it. info: what parse_frame() said of this frame, with PARSE_FRAGMENT.
//
// Returns: DROP_NONE and *f; DROP_FRAGMENT_LENGTH or DROP_FRAGMENT_BEYOND
// Thread:  any
enum drop_reason parse_fragment(const uint8_t *frame, const struct parse_info *info,
				struct parse_fragment *f);

// The packet that an ICMP error quotes: its header and what follows, `len` bytes from ip, cut anywhere
// (RFC 792: at least 8 bytes of layer 4). family: 4 or 6.
struct parse_quote {
	uint8_t family;
	uint8_t proto;
	uint16_t l4_off;         // from ip
	uint16_t l4_len;         // bytes of layer 4 that are quoted, 8 or more
	uint16_t l3_len;         // of the whole packet, as its header says
	bool fragment;           // a first fragment
	rte_be16_t sport, dport; // of TCP and UDP
};

// Returns: DROP_NONE and *q; DROP_ICMP_INNER, or DROP_ICMP_FRAGMENT for a later fragment
// Thread:  any
enum drop_reason parse_quoted(const uint8_t *ip, uint32_t len, uint8_t family,
			      struct parse_quote *q);
