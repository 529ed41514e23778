// SPDX-License-Identifier: BSD-3-Clause
//
// icmp - RFC 792 and RFC 4443 header: the type, and the identifier of an echo.

#include "dataplane/parse/parse_priv.h"

#include <netinet/in.h>

#define ICMP_LEN          8
#define ICMP_ECHO_REPLY   0
#define ICMP_ECHO_REQUEST 8
#define ICMP6_ECHO_FIRST  128
#define ICMP6_ECHO_LAST   129

enum drop_reason parse_icmp(const uint8_t *l4, uint32_t len, struct parse_info *info)
{
	bool echo;

	if (len < ICMP_LEN)
		return DROP_L4_HEADER;
	info->icmp_type = l4[0];
	info->flags |= PARSE_L4;
	if (info->proto == IPPROTO_ICMP)
		echo = l4[0] == ICMP_ECHO_REPLY || l4[0] == ICMP_ECHO_REQUEST;
	else
		echo = l4[0] >= ICMP6_ECHO_FIRST && l4[0] <= ICMP6_ECHO_LAST;
	if (echo)
		info->sport = parse_be16(l4 + 4);
	return DROP_NONE;
}
