// SPDX-License-Identifier: BSD-3-Clause
//
// fragment - where a fragment stands in its datagram. parse_frame() has measured the headers: the walk here
// reads nothing that it has not.

#include "dataplane/parse/parse_priv.h"

#include <netinet/in.h>

#define IPV6_LEN    40
#define PACKET_MAX  65535
#define MORE4       0x2000
#define OFFSET4     0x1fff
#define FRAGMENT6   8 // length of the header
#define OFFSET6     0xfff8
#define MORE6       1
#define EXTENSIONS6 8

static enum drop_reason check(struct parse_fragment *f, uint32_t len, uint32_t before)
{
	if (len == 0 || (f->more && len % 8 != 0))
		return DROP_FRAGMENT_LENGTH;
	if (before + f->offset + len > PACKET_MAX)
		return DROP_FRAGMENT_BEYOND;
	f->len = (uint16_t)len;
	return DROP_NONE;
}

enum drop_reason parse_fragment(const uint8_t *frame, const struct parse_info *info,
				struct parse_fragment *f)
{
	const uint8_t *ip = frame + info->l3_off;
	uint32_t off = IPV6_LEN;
	uint8_t kind;

	if ((info->flags & PARSE_IPV4) != 0) {
		uint32_t hlen = (uint32_t)(ip[0] & 0xf) * 4;
		uint16_t field = parse_u16(ip + 6);

		*f = (struct parse_fragment){.id = parse_u16(ip + 4),
					     .offset = (uint16_t)((field & OFFSET4) * 8),
					     .head = info->l3_off,
					     .more = (field & MORE4) != 0};
		return check(f, info->l3_len - hlen, hlen);
	}
	kind = ip[6];
	for (unsigned n = 0; kind != IPPROTO_FRAGMENT; n++) {
		const uint8_t *h = ip + off;

		assert(n < EXTENSIONS6 && parse_is_extension(kind));
		off += parse_extension_len(kind, h);
		kind = h[0];
	}
	*f = (struct parse_fragment){.id = rte_be_to_cpu_32(parse_be32(ip + off + 4)),
				     .offset = parse_u16(ip + off + 2) & OFFSET6,
				     .head = (uint16_t)(info->l3_off + off),
				     .more = (ip[off + 3] & MORE6) != 0};
	return check(f, info->l3_len - off - FRAGMENT6, off - IPV6_LEN);
}
