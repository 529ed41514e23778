// SPDX-License-Identifier: BSD-3-Clause
//
// udp - RFC 768 header: length and ports.

#include "dataplane/parse/parse_priv.h"

#define UDP_LEN 8

enum drop_reason parse_udp(const uint8_t *l4, uint32_t len, bool whole, struct parse_info *info)
{
	uint32_t said;

	if (len < UDP_LEN)
		return DROP_L4_HEADER;
	said = parse_u16(l4 + 4);
	if (said < UDP_LEN || (whole && said > len))
		return DROP_L4_HEADER;
	info->sport = parse_be16(l4);
	info->dport = parse_be16(l4 + 2);
	info->flags |= PARSE_L4;
	return DROP_NONE;
}
