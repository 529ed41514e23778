// SPDX-License-Identifier: BSD-3-Clause
//
// tcp_options - walk the options of a TCP header (RFC 9293 section 3.1). The one walk there is: whoever looks for
// an option looks here.
#pragma once

#include <stdint.h>

enum {
	TCP_OPTION_END = 0,
	TCP_OPTION_NOP = 1,
	TCP_OPTION_MSS = 2,
	TCP_OPTION_TIMESTAMP = 8,  // RFC 7323
	TCP_OPTION_FAST_OPEN = 34, // RFC 7413
	// The shared experimental one (RFC 6994), with a magic number of its user behind the length.
	TCP_OPTION_EXPERIMENT = 254,
};

#define TCP_OPTIONS_AT 20 // offset of the first one in the header

// The option at *at, padding skipped; *at moves behind it. head: length of the TCP header at l4, all of it there.
// Returns: its kind, with its offset in *option and its whole length (2 or more) in *len; TCP_OPTION_END
// behind the last one, and where the list is malformed. Pure. Thread: any
static inline uint8_t tcp_option_next(const uint8_t *l4, uint32_t head, uint32_t *at,
				      uint32_t *option, uint32_t *len)
{
	while (*at < head && l4[*at] == TCP_OPTION_NOP)
		(*at)++;
	if (*at + 1 >= head || l4[*at] == TCP_OPTION_END)
		return TCP_OPTION_END;
	*option = *at;
	*len = l4[*at + 1];
	if (*len < 2 || *at + *len > head)
		return TCP_OPTION_END;
	*at += *len;
	return l4[*option];
}
