// SPDX-License-Identifier: BSD-3-Clause
//
// parse - Ethernet II and one 802.1Q tag; the rest goes to ipv4.c or ipv6.c.

#include "dataplane/parse/parse_priv.h"

#include <rte_ether.h>

#define ETHER_TYPE_QINQ_OLD 0x9100

static bool is_tag(uint16_t type)
{
	return type == RTE_ETHER_TYPE_VLAN || type == RTE_ETHER_TYPE_QINQ ||
	       type == ETHER_TYPE_QINQ_OLD;
}

// One tag (IEEE 802.1Q 9.6). A service tag counts as nested: we are no provider bridge.
static enum drop_reason parse_tag(const uint8_t *frame, uint32_t len, uint16_t *type,
				  struct parse_info *info)
{
	uint16_t vid;

	if (*type != RTE_ETHER_TYPE_VLAN || info->vlan != 0)
		return DROP_VLAN_NESTED;
	if (len < RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN)
		return DROP_RUNT;
	vid = parse_u16(frame + 14) & 0xfff;
	*type = parse_u16(frame + 16);
	if (is_tag(*type))
		return DROP_VLAN_NESTED;
	info->l3_off = RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN;
	if (vid != 0) { // 0 is a priority tag: the frame is untagged
		info->vlan = vid;
		info->flags |= PARSE_VLAN;
	}
	return DROP_NONE;
}

enum drop_reason parse_frame(const uint8_t *frame, uint32_t len, uint16_t vlan,
			     struct parse_info *info)
{
	enum drop_reason reason;
	uint16_t type;

	*info = (struct parse_info){.vlan = vlan, .l3_off = RTE_ETHER_HDR_LEN};
	if (len < RTE_ETHER_HDR_LEN)
		return DROP_RUNT;
	type = parse_u16(frame + 12);
	if (is_tag(type)) {
		reason = parse_tag(frame, len, &type, info);
		if (reason != DROP_NONE)
			return reason;
	}
	if (type == RTE_ETHER_TYPE_IPV4)
		return parse_ipv4(frame + info->l3_off, len - info->l3_off, info);
	if (type == RTE_ETHER_TYPE_IPV6)
		return parse_ipv6(frame + info->l3_off, len - info->l3_off, info);
	info->flags |= type == RTE_ETHER_TYPE_ARP ? PARSE_ARP : PARSE_OTHER;
	return DROP_NONE;
}
