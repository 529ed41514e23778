// SPDX-License-Identifier: BSD-3-Clause
//
// ipv4 - RFC 791 header: lengths, checksum, addresses, options, fragments.

#include "dataplane/parse/parse_priv.h"

#include <netinet/in.h>

#define IPV4_MIN     20
#define IPV4_MF_OFF  0x3fff // more fragments, and the offset
#define IPV4_OFFSET  0x1fff
#define IPV4_OPT_EOL 0
#define IPV4_OPT_NOP 1
#define IPV4_OPT_LSR 131
#define IPV4_OPT_SSR 137

// True if the ones'-complement sum over the header is 0xffff (RFC 1071). words: 32-bit words, 5..15.
static bool checksum_right(const uint8_t *ip, uint32_t words)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < words; i++)
		sum += parse_be32(ip + 4 * i);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ((sum & 0xffff) + (sum >> 16)) == 0xffff;
}

// RFC 1122 section 3.2.1.3: what may not be on the wire. A source of 0.0.0.0 may (DHCP).
static bool addresses_right(const uint8_t *ip)
{
	uint8_t src = ip[12], dst = ip[16];

	if (src >= 224 || src == 127 || dst == 127)
		return false;
	if (dst == 0 || dst >= 240) // limited broadcast alone of these
		return parse_be32(ip + 16) == UINT32_MAX;
	return true;
}

// RFC 791 section 3.1, options. Source routing is refused as RFC 7126 section 4 has it.
static enum drop_reason walk_options(const uint8_t *opt, uint32_t len)
{
	uint32_t i = 0;

	while (i < len && opt[i] != IPV4_OPT_EOL) {
		if (opt[i] == IPV4_OPT_NOP) {
			i++;
			continue;
		}
		if (len - i < 2 || opt[i + 1] < 2 || opt[i + 1] > len - i)
			return DROP_IP_HEADER;
		if (opt[i] == IPV4_OPT_LSR || opt[i] == IPV4_OPT_SSR)
			return DROP_IP_OPTIONS;
		i += opt[i + 1];
	}
	return DROP_NONE;
}

static enum drop_reason parse_first_fragment(const uint8_t *l4, uint32_t len,
					     struct parse_info *info)
{
	// Too short for its header (RFC 1858 section 3): a fragment without ports, no error.
	if (info->proto == IPPROTO_TCP && parse_tcp_whole(l4, len))
		return parse_tcp(l4, len, info);
	if (info->proto == IPPROTO_UDP && len >= 8)
		return parse_udp(l4, len, false, info);
	if (info->proto == IPPROTO_ICMP && len >= 8)
		return parse_icmp(l4, len, info);
	return DROP_NONE;
}

enum drop_reason parse_ipv4(const uint8_t *ip, uint32_t len, struct parse_info *info)
{
	enum drop_reason reason;
	uint32_t hlen, total;
	uint16_t frag;

	info->flags |= PARSE_IPV4;
	if (len < IPV4_MIN)
		return DROP_RUNT;
	if (ip[0] >> 4 != 4)
		return DROP_IP_VERSION;
	hlen = (uint32_t)(ip[0] & 0xf) * 4;
	total = parse_u16(ip + 2);
	if (hlen < IPV4_MIN || total < hlen || total > len)
		return DROP_IP_HEADER;
	if (!checksum_right(ip, hlen / 4))
		return DROP_IP_CHECKSUM;
	if (!addresses_right(ip))
		return DROP_IP_ADDRESS;
	info->l3_len = (uint16_t)total;
	info->ttl = ip[8];
	info->proto = ip[9];
	info->l4_off = (uint16_t)(info->l3_off + hlen);
	if (hlen > IPV4_MIN) {
		info->flags |= PARSE_OPTIONS;
		reason = walk_options(ip + IPV4_MIN, hlen - IPV4_MIN);
		if (reason != DROP_NONE)
			return reason;
	}
	frag = parse_u16(ip + 6);
	if ((frag & IPV4_MF_OFF) != 0) {
		info->flags |= PARSE_FRAGMENT;
		if ((frag & IPV4_OFFSET) != 0)
			return DROP_NONE;
		return parse_first_fragment(ip + hlen, total - hlen, info);
	}
	if (info->proto == IPPROTO_TCP)
		return parse_tcp(ip + hlen, total - hlen, info);
	if (info->proto == IPPROTO_UDP)
		return parse_udp(ip + hlen, total - hlen, true, info);
	if (info->proto == IPPROTO_ICMP)
		return parse_icmp(ip + hlen, total - hlen, info);
	info->flags |= PARSE_OTHER;
	return DROP_NONE;
}
