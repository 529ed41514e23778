// SPDX-License-Identifier: BSD-3-Clause
//
// ipv6 - RFC 8200 header and a bounded walk over its extension headers (section 4).

#include "dataplane/parse/parse_priv.h"

#include <netinet/in.h>

#define IPV6_LEN        40
#define IPV6_HEADERS    8      // most extension headers that are walked
#define IPV6_FRAG_MASK  0xfff9 // offset, and more fragments
#define IPV6_FRAG_OFF   0xfff8
#define IPV6_ROUTE_TYPE 2 // offset of the routing type in its header

static bool is_loopback_or_mapped(const uint8_t *a)
{
	uint64_t high, low;

	memcpy(&high, a, 8);
	memcpy(&low, a + 8, 8);
	if (high != 0)
		return false;
	low = rte_be_to_cpu_64(low);
	return low == 1 || low >> 32 == 0xffff;
}

// RFC 4291 sections 2.5.2, 2.5.3, 2.7: a source may be unspecified (duplicate address detection).
static bool addresses_right(const uint8_t *ip)
{
	static const uint8_t unspecified[16];
	const uint8_t *src = ip + 8, *dst = ip + 24;

	if (src[0] == 0xff)
		return false;
	if (__builtin_expect(src[0] != 0 && dst[0] != 0, 1))
		return true;
	return !is_loopback_or_mapped(src) && !is_loopback_or_mapped(dst) &&
	       memcmp(dst, unspecified, 16) != 0;
}

// Each kind once, destination options twice (RFC 8200 section 4.1): `seen` has a bit for each.
static bool seen_before(uint8_t kind, uint8_t *seen)
{
	uint8_t bit = kind == IPPROTO_HOPOPTS    ? 1
		      : kind == IPPROTO_ROUTING  ? 2
		      : kind == IPPROTO_FRAGMENT ? 4
		      : kind == IPPROTO_AH       ? 8
		      : (*seen & 16) == 0        ? 16
						 : 32;

	if ((*seen & bit) != 0)
		return true;
	*seen |= bit;
	return false;
}

// Walk from *off (within the packet of `total` bytes) until a header that is no extension header.
// *first: false once a fragment header says that this is not the first fragment. A first fragment that
// ends inside the chain (RFC 7112 forbids it) stops the walk there: info->proto is that header.
static enum drop_reason walk_extensions(const uint8_t *ip, uint32_t total, uint32_t *off,
					bool *first, struct parse_info *info)
{
	uint8_t kind = ip[6], seen = 0;
	uint32_t n = 0;

	for (; parse_is_extension(kind) && *first; n++) {
		const uint8_t *h = ip + *off;
		bool fragment = (info->flags & PARSE_FRAGMENT) != 0;
		uint32_t hlen;

		if (seen_before(kind, &seen))
			return DROP_IP_EXTENSION_TWICE;
		if (n == IPV6_HEADERS)
			return DROP_IP_EXTENSION;
		if (kind == IPPROTO_HOPOPTS && n != 0) // section 4.1: only right after the header
			return DROP_IP_EXTENSION;
		if (total - *off < 8) {
			if (fragment)
				break;
			return DROP_IP_EXTENSION;
		}
		if (kind == IPPROTO_ROUTING && h[IPV6_ROUTE_TYPE] == 0) // RFC 5095
			return DROP_IP_ROUTING_HEADER;
		hlen = parse_extension_len(kind, h);
		if (hlen > total - *off) {
			if (fragment)
				break;
			return DROP_IP_EXTENSION;
		}
		if (kind == IPPROTO_FRAGMENT && (parse_u16(h + 2) & IPV6_FRAG_MASK) != 0) {
			info->flags |= PARSE_FRAGMENT;
			*first = (parse_u16(h + 2) & IPV6_FRAG_OFF) == 0;
		}
		kind = h[0];
		*off += hlen;
		info->flags |= PARSE_OPTIONS;
	}
	info->proto = kind;
	return DROP_NONE;
}

static enum drop_reason parse_l4(const uint8_t *l4, uint32_t len, struct parse_info *info)
{
	bool whole = (info->flags & PARSE_FRAGMENT) == 0;

	if (info->proto == IPPROTO_TCP && (whole || parse_tcp_whole(l4, len)))
		return parse_tcp(l4, len, info);
	if (info->proto == IPPROTO_UDP && (whole || len >= 8)) {
		// RFC 8200 section 8.1: no UDP without a checksum.
		if (len >= 8 && parse_be16(l4 + 6) == 0)
			return DROP_L4_HEADER;
		return parse_udp(l4, len, whole, info);
	}
	if (info->proto == IPPROTO_ICMPV6 && (whole || len >= 8))
		return parse_icmp(l4, len, info);
	if (whole)
		info->flags |= PARSE_OTHER;
	return DROP_NONE;
}

enum drop_reason parse_ipv6(const uint8_t *ip, uint32_t len, struct parse_info *info)
{
	enum drop_reason reason;
	uint32_t total, off = IPV6_LEN;
	bool first = true;

	info->flags |= PARSE_IPV6;
	if (len < IPV6_LEN)
		return DROP_RUNT;
	if (ip[0] >> 4 != 6)
		return DROP_IP_VERSION;
	total = (uint32_t)parse_u16(ip + 4) + IPV6_LEN;
	if (total > len || total > UINT16_MAX) // the latter also keeps l3_len inside its field
		return DROP_IP_HEADER;
	if (total == IPV6_LEN && ip[6] == IPPROTO_HOPOPTS) // RFC 2675
		return DROP_IP_JUMBOGRAM;
	if (!addresses_right(ip))
		return DROP_IP_ADDRESS;
	info->l3_len = (uint16_t)total;
	info->ttl = ip[7];
	reason = walk_extensions(ip, total, &off, &first, info);
	if (reason != DROP_NONE)
		return reason;
	info->l4_off = (uint16_t)(info->l3_off + off);
	return first ? parse_l4(ip + off, total - off, info) : DROP_NONE;
}
