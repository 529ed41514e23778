// SPDX-License-Identifier: BSD-3-Clause
//
// lb_mss - limit the segment size that the two ends of a connection agree on, where a path is known to carry
// less than its ends think and ICMP does not come through.
//
// A SYN without the option means 536 or 1,220 bytes (RFC 9293 section 3.7.1), which is left alone.

#include "apps/lb/worker/lb_priv.h"

#include "dataplane/out/rewrite.h"

#define TCP_MIN    20
#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_MSS 2

// The 16-bit value at byte `at` of the header becomes `value`; at may be odd.
static void set16(uint8_t *l4, uint32_t at, uint16_t value)
{
	uint16_t before, after = rte_cpu_to_be_16(value), delta, sum;

	memcpy(&before, l4 + at, 2);
	memcpy(l4 + at, &after, 2);
	delta = rewrite_add(after, (uint16_t)~before);
	if (at % 2 !=
	    0) // its bytes stand in two words, each in the other half (RFC 1071 section 2 B)
		delta = (uint16_t)(delta << 8 | delta >> 8);
	memcpy(&sum, l4 + 16, 2);
	sum = rewrite_sum(sum, delta);
	memcpy(l4 + 16, &sum, 2);
}

bool lb_mss_clamp(uint8_t *l4, const struct parse_info *pi, uint16_t max)
{
	uint32_t len = (uint32_t)(l4[12] >> 4) * 4;

	if (pi->l4_off + len > (uint32_t)pi->l3_off + pi->l3_len)
		return false;
	for (uint32_t i = TCP_MIN; i < len && l4[i] != OPTION_END;) {
		if (l4[i] == OPTION_NOP) {
			i++;
			continue;
		}
		if (len - i < 2 || l4[i + 1] < 2 || l4[i + 1] > len - i)
			return false;
		if (l4[i] == OPTION_MSS && l4[i + 1] == 4) {
			if ((l4[i + 2] << 8 | l4[i + 3]) <= max)
				return false;
			set16(l4, i + 2, max);
			return true;
		}
		i += l4[i + 1];
	}
	return false;
}
