// SPDX-License-Identifier: BSD-3-Clause
//
// quote - the packet inside an ICMP error (RFC 792, RFC 4443 section 3): a header that some router once
// forwarded and then cut. Its lengths speak of the whole packet, so only what is read has to be there;
// its checksums are not verified: routers quote what they had already changed.

#include "dataplane/parse/parse_priv.h"

#define IPV4_MIN    20
#define IPV6_LEN    40
#define OFFSET4     0x1fff
#define MORE4       0x2000
#define OFFSET6     0xfff8
#define MORE6       1
#define EXTENSIONS6 8
#define L4_QUOTED   8 // bytes of layer 4 that every quote has

static enum drop_reason quoted4(const uint8_t *ip, uint32_t len, struct parse_quote *q)
{
	uint32_t hlen;
	uint16_t frag;

	if (len < IPV4_MIN || ip[0] >> 4 != 4)
		return DROP_ICMP_INNER;
	hlen = (uint32_t)(ip[0] & 0xf) * 4;
	q->l3_len = parse_u16(ip + 2);
	if (hlen < IPV4_MIN || len < hlen || q->l3_len < hlen)
		return DROP_ICMP_INNER;
	frag = parse_u16(ip + 6);
	if ((frag & OFFSET4) != 0)
		return DROP_ICMP_FRAGMENT;
	q->fragment = (frag & MORE4) != 0;
	q->proto = ip[9];
	q->l4_off = (uint16_t)hlen;
	return DROP_NONE;
}

static enum drop_reason quoted6(const uint8_t *ip, uint32_t len, struct parse_quote *q)
{
	uint32_t off = IPV6_LEN, total;
	uint8_t kind;

	if (len < IPV6_LEN || ip[0] >> 4 != 6)
		return DROP_ICMP_INNER;
	total = (uint32_t)parse_u16(ip + 4) + IPV6_LEN;
	if (total > UINT16_MAX)
		return DROP_ICMP_INNER;
	q->l3_len = (uint16_t)total;
	kind = ip[6];
	for (unsigned n = 0; parse_is_extension(kind); n++) {
		const uint8_t *h = ip + off;

		if (n == EXTENSIONS6 || len - off < 8)
			return DROP_ICMP_INNER;
		if (kind == IPPROTO_FRAGMENT) {
			if ((parse_u16(h + 2) & OFFSET6) != 0)
				return DROP_ICMP_FRAGMENT;
			q->fragment |= (h[3] & MORE6) != 0;
		}
		if (parse_extension_len(kind, h) > len - off)
			return DROP_ICMP_INNER;
		off += parse_extension_len(kind, h);
		kind = h[0];
	}
	q->proto = kind;
	q->l4_off = (uint16_t)off;
	return DROP_NONE;
}

enum drop_reason parse_quoted(const uint8_t *ip, uint32_t len, uint8_t family,
			      struct parse_quote *q)
{
	enum drop_reason reason;

	*q = (struct parse_quote){.family = family};
	if (len > UINT16_MAX)
		len = UINT16_MAX;
	reason = family == 4 ? quoted4(ip, len, q) : quoted6(ip, len, q);
	if (reason != DROP_NONE)
		return reason;
	// Ethernet padding is no part of the quote.
	if (len > q->l3_len)
		len = q->l3_len;
	if (len < (uint32_t)q->l4_off + L4_QUOTED)
		return DROP_ICMP_INNER;
	q->l4_len = (uint16_t)(len - q->l4_off);
	if (q->proto == IPPROTO_TCP || q->proto == IPPROTO_UDP) {
		q->sport = parse_be16(ip + q->l4_off);
		q->dport = parse_be16(ip + q->l4_off + 2);
	}
	return DROP_NONE;
}
