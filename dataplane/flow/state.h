// SPDX-License-Identifier: BSD-3-Clause
//
// state - TCP as far as ageing needs it (RFC 9293 section 3.3.2, seen from the middle).
//
//	SYN --server answers, then the client acknowledges--> ESTABLISHED --FIN of both--> CLOSING
//	any --RST--> CLOSING --(was ESTABLISHED) who sent the RST speaks on--> ESTABLISHED
//
// Nothing here knows sequence numbers, so a RST may be a stranger's guess (RFC 5961 section 3), which the
// peer ignores. Nobody who resets a connection sends another segment of it: one that comes proves
// the RST forged. Until then a SYN goes to the same server, which knows best (RFC 5961 section 4).
//
// A flood of forged SYNs stays in SYN with its short timeout even where the server answers: only an
// acknowledgement of the client establishes.
#pragma once

#include "dataplane/flow/flow.h"

enum { TCP_FIN = 0x01, TCP_SYN = 0x02, TCP_RST = 0x04, TCP_ACK = 0x10 };

// First packet of a connection?
static inline bool flow_tcp_is_syn(uint8_t tcp_flags)
{
	return (tcp_flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK)) == TCP_SYN;
}

// A connection whose tuple the client may use again with a SYN (RFC 9293 section 3.6.1, RFC 6191). On a
// live one the SYN goes to the server, which answers as RFC 5961 section 4 says.
static inline bool flow_tcp_over(const struct flow *f)
{
	return f->state == FLOW_TCP_CLOSING &&
	       (f->flags & (FLOW_F_RST_CLIENT | FLOW_F_RST_SERVER)) == 0;
}

// The slow part of flow_tcp_step. Returns: true if the timeout got shorter (flow_refile).
static inline bool flow_tcp_change(struct flow *f, enum flow_dir dir, uint8_t tcp_flags)
{
	const uint16_t fins = FLOW_F_FIN_CLIENT | FLOW_F_FIN_SERVER;
	const uint16_t rst = dir == FLOW_TO_SERVER ? FLOW_F_RST_CLIENT : FLOW_F_RST_SERVER;

	if (f->state == FLOW_TCP_CLOSING) {
		if ((f->flags & rst) != 0 && (tcp_flags & (TCP_RST | TCP_ACK)) == TCP_ACK) {
			f->flags &= (uint16_t) ~(FLOW_F_RST_CLIENT | FLOW_F_RST_SERVER);
			f->state = FLOW_TCP_ESTABLISHED;
		}
		return false;
	}
	if ((tcp_flags & TCP_RST) != 0) {
		if (f->state == FLOW_TCP_ESTABLISHED)
			f->flags |= rst;
		f->state = FLOW_TCP_CLOSING;
		return true;
	}
	if ((tcp_flags & TCP_FIN) != 0)
		f->flags |= dir == FLOW_TO_SERVER ? FLOW_F_FIN_CLIENT : FLOW_F_FIN_SERVER;
	if (f->state == FLOW_TCP_SYN) {
		if (dir == FLOW_TO_CLIENT)
			f->flags |= FLOW_F_SERVER_SPOKE;
		else if ((f->flags & FLOW_F_SERVER_SPOKE) != 0 &&
			 (tcp_flags & (TCP_ACK | TCP_SYN)) == TCP_ACK)
			f->state = FLOW_TCP_ESTABLISHED;
	}
	if ((f->flags & fins) == fins) {
		f->state = FLOW_TCP_CLOSING;
		return true;
	}
	return false;
}

// Follow one segment. Returns: true if the timeout got shorter: the caller files the flow anew.
// Thread: owner worker
static inline bool flow_tcp_step(struct flow *f, enum flow_dir dir, uint8_t tcp_flags)
{
	if (__builtin_expect(
		    f->state == FLOW_TCP_ESTABLISHED && (tcp_flags & (TCP_FIN | TCP_RST)) == 0, 1))
		return false;
	return flow_tcp_change(f, dir, tcp_flags);
}
