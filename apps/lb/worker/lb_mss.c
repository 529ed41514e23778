// SPDX-License-Identifier: BSD-3-Clause
//
// lb_mss - limit the segment size that the two ends of a connection agree on, where a path is known to carry
// less than its ends think and ICMP does not come through.
//
// A SYN without the option means 536 or 1,220 bytes (RFC 9293 section 3.7.1), which is left alone.

#include "apps/lb/worker/lb_priv.h"

#include "dataplane/out/rewrite.h"
#include "dataplane/parse/tcp_options.h"

// The 16-bit value at byte `at` of the header becomes `value`; at may be odd.
static void set16(uint8_t *l4, uint32_t at, uint16_t value)
{
	uint16_t before, after = rte_cpu_to_be_16(value), delta;

	memcpy(&before, l4 + at, 2);
	memcpy(l4 + at, &after, 2);
	delta = rewrite_difference(after, before);
	if (at % 2 !=
	    0) // its bytes stand in two words, each in the other half (RFC 1071 section 2 B)
		delta = (uint16_t)(delta << 8 | delta >> 8);
	rewrite_patch(l4 + 16, delta);
}

bool lb_mss_clamp(uint8_t *l4, const struct parse_info *pi, uint16_t max)
{
	uint32_t head = (uint32_t)(l4[12] >> 4) * 4, at = TCP_OPTIONS_AT, option, len;
	uint8_t kind;

	if (pi->l4_off + head > (uint32_t)pi->l3_off + pi->l3_len)
		return false;
	while ((kind = tcp_option_next(l4, head, &at, &option, &len)) != TCP_OPTION_END) {
		if (kind != TCP_OPTION_MSS || len != 4)
			continue;
		if ((l4[option + 2] << 8 | l4[option + 3]) <= max)
			return false;
		set16(l4, option + 2, max);
		return true;
	}
	return false;
}
