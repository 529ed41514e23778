// SPDX-License-Identifier: BSD-3-Clause
//
// parse_fuzz - any bytes as a frame. The first two are the VLAN that the NIC stripped. What parse_frame
// says must lie inside the frame, whatever was in it; parse_fast says the same or nothing;
// parse_plain too, but for addresses.

#include "dataplane/parse/fast.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int right)
{
	if (!right)
		abort();
}

static void check_good(const struct parse_info *p, uint32_t len)
{
	uint8_t kind = p->flags & (PARSE_IPV4 | PARSE_IPV6 | PARSE_ARP);

	check(p->l3_off == 14 || p->l3_off == 18);
	check(kind == PARSE_IPV4 || kind == PARSE_IPV6 || kind == PARSE_ARP ||
	      p->flags & PARSE_OTHER);
	if ((kind & (PARSE_IPV4 | PARSE_IPV6)) == 0)
		return;
	check(p->l3_len >= (kind == PARSE_IPV4 ? 20 : 40));
	check((uint32_t)p->l3_off + p->l3_len <= len);
	check(p->l4_off <= p->l3_off + p->l3_len);
	if ((p->flags & PARSE_L4) == 0) {
		check(p->sport == 0 && p->dport == 0);
		return;
	}
	check(p->l4_off + (p->proto == IPPROTO_TCP ? 20 : 8) <= p->l3_off + p->l3_len);
	check(p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP ||
	      p->proto == (kind == PARSE_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6));
}

static void check_fragment(const uint8_t *frame, const struct parse_info *info)
{
	struct parse_fragment f;
	enum drop_reason reason = parse_fragment(frame, info, &f);

	if (reason != DROP_NONE) {
		check(reason == DROP_FRAGMENT_LENGTH || reason == DROP_FRAGMENT_BEYOND);
		return;
	}
	check(f.len >= 1 && f.offset % 8 == 0 && (!f.more || f.len % 8 == 0));
	check(f.offset != 0 || f.more); // or it would be a whole packet
	check(f.head >= info->l3_off &&
	      f.head + (info->flags & PARSE_IPV4 ? 20 : 8) + f.len <= info->l3_off + info->l3_len);
}

static void check_quote(const uint8_t *ip, uint32_t len)
{
	struct parse_quote q;

	for (uint8_t family = 4; family <= 6; family += 2) {
		enum drop_reason reason = parse_quoted(ip, len, family, &q);

		if (reason != DROP_NONE) {
			check(reason == DROP_ICMP_INNER || reason == DROP_ICMP_FRAGMENT);
			continue;
		}
		check(q.l4_off >= (family == 4 ? 20 : 40) && q.l4_len >= 8);
		check((uint32_t)q.l4_off + q.l4_len <= len && q.l4_off + q.l4_len <= q.l3_len);
	}
}

static void check_plain(uint32_t plain, const struct parse_info *p, enum drop_reason reason,
			const uint8_t *frame)
{
	if (plain == 0 || reason == DROP_IP_ADDRESS)
		return;
	check(reason == DROP_NONE);
	check(p->flags == (PARSE_IPV4 | PARSE_L4) && p->l3_off == 14 && p->l4_off == 34);
	check((plain & 0xffff) == p->l3_len && p->ttl > 1);
	if (p->proto == IPPROTO_TCP)
		check((p->tcp_flags & 0x17) == 0x10 &&
		      plain >> 16 == p->l3_len - 20u - (frame[34 + 12] >> 4) * 4u);
	else
		check(p->proto == IPPROTO_UDP && plain >> 16 == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct parse_info info, fast;
	enum drop_reason reason;
	uint16_t vlan;

	if (size < 2 || size > 65536)
		return 0;
	memcpy(&vlan, data, 2);
	vlan &= 0xfff;
	reason = parse_frame(data + 2, (uint32_t)size - 2, vlan, &info);
	check((unsigned)reason < DROP_COUNT);
	if (vlan == 0 && parse_fast(data + 2, (uint32_t)size - 2, &fast))
		check(reason == DROP_NONE && memcmp(&info, &fast, sizeof(info)) == 0);
	if (vlan == 0)
		check_plain(parse_plain(data + 2, (uint32_t)size - 2), &info, reason, data + 2);
	if (reason == DROP_NONE)
		check_good(&info, (uint32_t)size - 2);
	if (reason == DROP_NONE && (info.flags & PARSE_FRAGMENT) != 0)
		check_fragment(data + 2, &info);
	check_quote(data + 2, (uint32_t)size - 2);
	return 0;
}
