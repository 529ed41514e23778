// SPDX-License-Identifier: BSD-3-Clause
//
// fast - parse_frame() for the frames that nearly all are: untagged, IPv4 without options, no fragment, TCP or
// UDP. Inline, a few nanoseconds; whatever is in any way unusual is left to parse_frame(). The fuzz
// target proves that both say the same.
#pragma once

#include <stdbool.h>
#include <string.h>

#include <rte_ether.h>

#include "dataplane/parse/parse.h"

enum {
	PARSE_FAST_L4 = RTE_ETHER_HDR_LEN + 20,
	PARSE_FAST_TCP = 6,
	PARSE_FAST_UDP = 17,
};

static inline uint32_t parse_load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint16_t parse_load16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

// Is the ones'-complement sum of the 20 bytes 0xffff (RFC 1071)? 32-bit words in any byte order.
static inline bool parse_fast_sum(const uint8_t *ip)
{
	uint64_t a, b, sum;

	memcpy(&a, ip, 8);
	memcpy(&b, ip + 8, 8);
	sum = (a & UINT32_MAX) + (a >> 32) + (b & UINT32_MAX) + (b >> 32) + parse_load32(ip + 16);
	sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return ((sum + (sum >> 16)) & 0xffff) == 0xffff;
}

// As parse_frame() with vlan = 0. Returns: true and *info complete if the frame is good and of the common
// kind; false: ask parse_frame(), *info means nothing.
static inline bool parse_fast(const uint8_t *frame, uint32_t len, struct parse_info *info)
{
	const uint8_t *ip = frame + RTE_ETHER_HDR_LEN, *l4 = frame + PARSE_FAST_L4;
	uint32_t total, l4_len;
	uint8_t flags = 0, src, dst;

	if (len < PARSE_FAST_L4 + 20) // a shorter UDP datagram stands in a padded frame anyway
		return false;
	total = rte_be_to_cpu_16(parse_load16(ip + 2));
	src = ip[12];
	dst = ip[16];
	if (parse_load16(frame + 12) != RTE_BE16(RTE_ETHER_TYPE_IPV4) || ip[0] != 0x45 ||
	    (parse_load16(ip + 6) & RTE_BE16(0x3fff)) != 0 || total > len - RTE_ETHER_HDR_LEN)
		return false;
	// parse_frame() knows the special addresses. 0x7f = loopback, above 0xdf = multicast and others.
	if (src > 0xdf || src == 0x7f || (uint8_t)(dst - 1) > 0xde || dst == 0x7f ||
	    !parse_fast_sum(ip))
		return false;
	l4_len = total - 20; // wraps below 20: refused here for TCP, and for UDP by the next line
	if (total < 20 + 8)
		return false;
	if (ip[9] == PARSE_FAST_TCP) {
		uint32_t hlen = (uint32_t)(l4[12] >> 4) * 4;

		flags = l4[13];
		// An ordinary segment carries ACK and neither SYN nor RST; a first one SYN alone.
		if (hlen < 20 || hlen > l4_len ||
		    ((flags & 0x16) != 0x10 && (flags & 0x17) != 0x02))
			return false;
	} else if (ip[9] == PARSE_FAST_UDP) {
		uint32_t said = rte_be_to_cpu_16(parse_load16(l4 + 4));

		if (said < 8 || said > l4_len)
			return false;
	} else {
		return false;
	}
	*info = (struct parse_info){.flags = PARSE_IPV4 | PARSE_L4,
				    .l3_off = RTE_ETHER_HDR_LEN,
				    .l4_off = PARSE_FAST_L4,
				    .l3_len = (uint16_t)total,
				    .proto = ip[9],
				    .ttl = ip[8],
				    .tcp_flags = flags,
				    .sport = parse_load16(l4),
				    .dport = parse_load16(l4 + 2)};
	return true;
}

#define PARSE_PLAIN_INVERSE                                                                        \
	UINT64_C(0xfffefffefffeffff) // of 65535 modulo 2^64: only multiples of it come out small

// Is the frame one that parse_fast() takes, its addresses apart, with a hop limit to spare; if TCP, a segment with
// ACK and none of SYN, FIN, RST? For packets of known flows, whose first packet's addresses have been
// judged: fewer instructions, and nothing is written.
// Returns: IPv4 total length, and the bytes of TCP data << 16; 0: ask parse_fast().
static inline uint32_t parse_plain(const uint8_t *frame, uint32_t len)
{
	const uint8_t *ip = frame + RTE_ETHER_HDR_LEN, *l4 = frame + PARSE_FAST_L4;
	uint32_t total, head, word;
	uint64_t type, sum, more;

	if (len < PARSE_FAST_L4 + 20)
		return 0;
	memcpy(&type, frame + 12, 8); // ethertype, version and length, TOS, total length
	word = parse_load32(ip + 6);  // fragment, hop limit, protocol
	total = rte_be_to_cpu_16((uint16_t)(type >> 32));
	if ((type & 0xffffff) != (RTE_BE16(RTE_ETHER_TYPE_IPV4) | 0x450000) ||
	    (word & RTE_BE16(0x3fff)) != 0 || (word & 0xfe0000) == 0 ||
	    total > len - RTE_ETHER_HDR_LEN)
		return 0;
	// The sum of RFC 1071 in 64-bit words; it is right if 65535 divides it.
	memcpy(&sum, ip, 8);
	memcpy(&more, ip + 8, 8);
	sum += more;
	sum += sum < more;
	more = parse_load32(ip + 16);
	sum += more;
	sum += sum < more;
	if (sum * PARSE_PLAIN_INVERSE > UINT64_MAX / 65535)
		return 0;
	if ((word >> 24) == PARSE_FAST_TCP) {
		uint32_t bits = parse_load16(l4 + 12); // header length, flags

		head = (bits & 0xf0) >> 2;
		if ((bits & 0x1700) != 0x1000 || head < 20 || total < 20 + head)
			return 0;
		return total | (total - 20 - head) << 16;
	}
	head = rte_be_to_cpu_16(parse_load16(l4 + 4));
	if ((word >> 24) != PARSE_FAST_UDP || head < 8 || total < 20 + head)
		return 0;
	return total;
}
