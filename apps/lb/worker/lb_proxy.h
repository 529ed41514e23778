// SPDX-License-Identifier: BSD-3-Clause
//
// lb_proxy - the PROXY protocol header, version 2, that tells a server who its client is, put before the
// first byte of a TCP connection that is not ended here.
//
// The header takes H bytes (28 for IPv4, 52 for IPv6) of the sequence space between the balancer and the
// server. They are made by moving the connection's start, not what follows it: the client's SYN with
// sequence number C leaves as C - H, so that the header is C - H + 1 .. C and the client's first byte is
// C + 1 on both sides. Behind the handshake nothing is translated: no sequence number, no acknowledgement,
// no SACK block, and a known packet of such a flow costs one test of its flags.
//
//	client                         balancer                        server
//	SYN seq=C (data, TFO off)   -> SYN seq=C-H
//	SYN-ACK ack=C+1, MSS-H      <- SYN-ACK ack=C-H+1
//	ACK seq=C+1                 -> seq=C-H+1, header as data
//	seq=C+1, data               -> seq=C-H+1, header and data      (until the server has acknowledged C)
//	ack=C+1 (never below)       <- ack=C-H+1 .. C
//
// Every segment of the client that starts at C + 1 carries the header until it is acknowledged, so a lost
// one is sent again when the client sends again: its data, its FIN, or the answer to the server's SYN-ACK,
// which a server repeats that has not seen the handshake's end. State is two flags and C + 1 in the flow:
// it outlives the process with the table.
//
// Sources: the PROXY protocol, versions 1 & 2, section 2.2; RFC 9293 sections 3.4 and 3.10.7; RFC 7413.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "dataplane/core/drop.h"
#include "dataplane/flow/flow.h"
#include "dataplane/flow/state.h"
#include "dataplane/parse/parse.h"

#define LB_PROXY_LEN4 28
#define LB_PROXY_LEN6 52

static inline uint32_t lb_proxy_len(const struct flow *f)
{
	return f->flags & FLOW_F_IPV6 ? LB_PROXY_LEN6 : LB_PROXY_LEN4;
}

// Of a flow with FLOW_F_PROXY: has this segment to go through lb_proxy_pass()?
static inline bool lb_proxy_wants(const struct flow *f, uint8_t tcp_flags)
{
	return (f->flags & FLOW_F_PROXY_PENDING) != 0 || (tcp_flags & TCP_SYN) != 0;
}

// The acknowledgement of a server's segment as the client is to see it. Of a flow with FLOW_F_PROXY_PENDING.
static inline uint32_t lb_proxy_ack(const struct flow *f, const struct flow_cold *c, uint32_t ack)
{
	int32_t at = (int32_t)(ack - c->start);

	return at < 0 && at >= -(int32_t)lb_proxy_len(f) ? c->start : ack;
}

// Write the header of a flow. key6: its key line, or NULL for IPv4. to: LB_PROXY_LEN6 bytes.
// Returns: its length. Thread: any
uint32_t lb_proxy_write(const struct flow *f, const struct flow_key6 *key6, uint8_t *to);

// What an ICMP error quotes of the flow's packet to the server is to be known by the client again: its number,
// and the checksum if it is there. l4: the quoted header, l4_len 8 or more.
void lb_proxy_quoted(const struct flow *f, const struct flow_cold *c, uint8_t *l4, uint32_t l4_len);

// Make one segment what the other side is to see of it, and follow what that means for the flow. The
// segment is in one piece and was parsed as *pi; addresses and ports are rewritten already or not, its
// checksum is changed by the difference alone. mtu: largest IP packet towards the server.
//
// A client's data that does not fit behind the header is cut off: the client sends it again. So is data of
// each second segment that is larger than every link carries, for one on the way may be narrower than
// the client knows: the header alone gets through.
// Returns: DROP_NONE, *pi and the mbuf changed, *headed: it carries the header now; or why it cannot be sent.
// A new start of the connection clears FLOW_F_PROXY_SENT; the caller sets it with the first header.
// Thread: owner worker
enum drop_reason lb_proxy_pass(struct flow *f, struct flow_cold *c, const struct flow_key6 *key6,
			       enum flow_dir dir, uint16_t mtu, struct rte_mbuf *m,
			       struct parse_info *pi, bool *headed);
