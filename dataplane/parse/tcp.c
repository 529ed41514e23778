// SPDX-License-Identifier: BSD-3-Clause
//
// tcp - RFC 9293 section 3.1 header: data offset, ports, flags.

#include "dataplane/parse/parse_priv.h"

#define TCP_MIN 20
#define FIN     0x01
#define SYN     0x02
#define RST     0x04
#define ACK     0x10

// No TCP sends these: no flag at all, SYN with FIN or RST, FIN or PSH or URG without ACK.
static bool flags_right(uint8_t f)
{
	if ((f & SYN) != 0)
		return (f & (FIN | RST)) == 0;
	return (f & (ACK | RST)) != 0;
}

enum drop_reason parse_tcp(const uint8_t *l4, uint32_t len, struct parse_info *info)
{
	uint32_t hlen;

	if (len < TCP_MIN)
		return DROP_L4_HEADER;
	hlen = (uint32_t)(l4[12] >> 4) * 4;
	if (hlen < TCP_MIN || hlen > len)
		return DROP_L4_HEADER;
	if (!flags_right(l4[13]))
		return DROP_TCP_FLAGS;
	info->tcp_flags = l4[13];
	info->sport = parse_be16(l4);
	info->dport = parse_be16(l4 + 2);
	info->flags |= PARSE_L4;
	return DROP_NONE;
}
