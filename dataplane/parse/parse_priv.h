// SPDX-License-Identifier: BSD-3-Clause
//
// What the files of this folder call of one another: parse.c (Ethernet, VLAN) -> ipv4.c, ipv6.c ->
// tcp.c, udp.c, icmp.c. Each takes the bytes that are left and fills in its part of *info.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/parse/parse.h"

// Unaligned loads of wire-order fields: headers lie at any offset.
static inline rte_be16_t parse_be16(const uint8_t *p)
{
	rte_be16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline rte_be32_t parse_be32(const uint8_t *p)
{
	rte_be32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint16_t parse_u16(const uint8_t *p)
{
	return rte_be_to_cpu_16(parse_be16(p));
}

// info->l3_off is set; len: bytes from the IP header to the end of the frame.
enum drop_reason parse_ipv4(const uint8_t *ip, uint32_t len, struct parse_info *info);
enum drop_reason parse_ipv6(const uint8_t *ip, uint32_t len, struct parse_info *info);

// len: bytes from the layer-4 header to the end of the IP packet. `whole` is false for the first
// fragment of a packet, whose payload goes on in another. They set PARSE_L4.
enum drop_reason parse_tcp(const uint8_t *l4, uint32_t len, struct parse_info *info);
enum drop_reason parse_udp(const uint8_t *l4, uint32_t len, bool whole, struct parse_info *info);
enum drop_reason parse_icmp(const uint8_t *l4, uint32_t len, struct parse_info *info);

// A first fragment: is the whole TCP header in it? One of a wrong length is (parse_tcp refuses it).
static inline bool parse_tcp_whole(const uint8_t *l4, uint32_t len)
{
	return len >= 20 && (uint32_t)(l4[12] >> 4) * 4 <= len;
}

// IPv6 extension headers that are walked.
static inline bool parse_is_extension(uint8_t next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS ||
	       next == IPPROTO_FRAGMENT || next == IPPROTO_AH;
}

// Length in bytes of the extension header at h, of which at least 8 bytes are there.
static inline uint32_t parse_extension_len(uint8_t kind, const uint8_t *h)
{
	if (kind == IPPROTO_FRAGMENT)
		return 8;
	if (kind == IPPROTO_AH) // RFC 4302 section 2.2: 4-byte units, minus 2
		return ((uint32_t)h[1] + 2) * 4;
	return ((uint32_t)h[1] + 1) * 8;
}
