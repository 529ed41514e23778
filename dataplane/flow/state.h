// SPDX-License-Identifier: BSD-3-Clause
//
// state - TCP followed from the middle, as far as ageing and safety need it (RFC 9293 section 3.3.2).
//
//	SYN --server's SYN-ACK, then the client acknowledges it--> ESTABLISHED --FIN of both--> CLOSING
//	any --RST--> CLOSING --(was ESTABLISHED) who sent the RST speaks on--> ESTABLISHED
//	CLOSING, or SYN --another SYN, and a SYN-ACK that answers it--> SYN
//
// Of each side the end of its sequence numbers is kept (flow.end): one past the highest byte, SYN or FIN
// that it has sent and that can be true. What a stranger who sees none of the packets would have to guess
// decides what is believed (RFC 5961, sections 3 to 5, from where both sides are seen):
//
//	RST          exactly at its sender's end. Others are forwarded, the receiver decides
//	FIN          ends exactly at its sender's end
//	new data     begins at the end: 1 guess of 2^32. Ahead of it or across it (something was lost before
//	             us), only if it also acknowledges what the other side has sent
//	first ACK    acknowledges exactly the server's SYN-ACK, and begins at the end or at most 64 KiB
//	             ahead: 65,538 guesses of 2^64 (who forged the SYN knows the half: 1 of 2^32). Only where
//	             the server has sent data before (RFC 7413) it may acknowledge up to 64 KiB less
//	SYN-ACK, RST to a SYN
//	             acknowledges the SYN, with or without its data; one to a later SYN, or after that: up to
//	             16 KiB of it, 1 of 262,144
//
// So a flood of forged SYNs stays in SYN with its short timeout, but for one of 2^32 acknowledgements
// forged behind it, and nobody who only knows addresses and ports ends a connection here. Nobody who resets a connection sends
// another segment of it: one that comes all the same proves the RST forged.
//
// A SYN on a flow that is over starts a new flow, of another server perhaps: after FINs where RFC 9293
// section 3.6.1 and RFC 6191 allow it (beyond the old sequence numbers, or later by its timestamp); after
// a RST that was believed if the other side has been silent since (or was answered by a RST again). Any
// other goes to the same server, which knows best: its SYN-ACK to just that SYN makes the flow a new
// one in SYN. Till then, and if a stranger sent it, it changes nothing.
//
// A SYN on an established flow is the server's to answer, and changes nothing here even if a SYN-ACK
// follows: both can be forged without a guess. A living server challenges it (RFC 5961 section 4), the
// client that means it answers by a RST at the exact number, and its next SYN starts a new flow. Only where the
// server has lost the connection without a word (its RST got lost too), the flow keeps its old numbers:
// it is forwarded on the longer way and ends by its idle timeout.
//
// Window sizes are not followed: they would not make a stranger's guess harder than an exact number does.
#pragma once

#include "dataplane/flow/flow.h"

enum { TCP_FIN = 0x01, TCP_SYN = 0x02, TCP_RST = 0x04, TCP_ACK = 0x10 };

// One segment, as the sender made it.
struct flow_tcp_segment {
	uint32_t seq, ack;
	uint32_t data; // bytes
	uint8_t flags;
	const uint8_t *head; // its TCP header, whole; NULL: no options to be read
};

// What a segment showed: bits that flow_tcp_step() returns.
enum flow_tcp_event {
	FLOW_TCP_REFILE = 1 << 0, // the timeout got shorter: flow_refile()
	FLOW_TCP_AGAIN = 1 << 1,  // data, SYN or FIN sent once more
	FLOW_TCP_ANSWERED =
		1 << 2, // the first SYN-ACK; f->end[FLOW_TO_CLIENT] was the SYN's time till now
	FLOW_TCP_REFUSED = 1 << 3, // the server answered the SYN by RST
	FLOW_TCP_RESET = 1 << 4,   // an established connection was reset
	FLOW_TCP_ANEW =
		1 << 5, // a new connection on the flow of an old one (its SYN's time was not kept)
};

// First packet of a connection?
static inline bool flow_tcp_is_syn(uint8_t tcp_flags)
{
	return (tcp_flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK)) == TCP_SYN;
}

// A connection that both sides have ended or one has reset, or that never came to be.
static inline bool flow_tcp_over(const struct flow *f)
{
	return f->state == FLOW_TCP_CLOSING &&
	       ((f->flags & FLOW_F_SPOKE_ON) == 0 ||
		(f->flags & (FLOW_F_RST_CLIENT | FLOW_F_RST_SERVER)) == 0);
}

// Read a TCP header. l4_len: of header and data, as the IP header says; the header was checked to lie
// within it.
static inline struct flow_tcp_segment flow_tcp_read(const uint8_t *l4, uint32_t l4_len)
{
	struct flow_tcp_segment s = {.flags = l4[13], .head = l4};
	uint32_t word[2];

	__builtin_memcpy(word, l4 + 4, 8);
	s.seq = rte_be_to_cpu_32(word[0]);
	s.ack = rte_be_to_cpu_32(word[1]);
	s.data = l4_len - (uint32_t)(l4[12] >> 4) * 4;
	return s;
}

// Start following with the client's SYN. now: any clock of 32 bits, for FLOW_TCP_ANSWERED.
// Thread: owner worker
void flow_tcp_start(struct flow *f, struct flow_cold *c, const struct flow_tcp_segment *syn,
		    uint32_t now);

// May this SYN of the client start a new connection in place of flow f? Thread: owner worker
bool flow_tcp_reopens(const struct flow *f, const struct flow_tcp_segment *syn);

// Follow one segment of an established flow without SYN, FIN and RST: the common kind. Returns: false if it
// is for flow_tcp_step(). Thread: owner worker
static inline bool flow_tcp_data(struct flow *f, enum flow_dir dir, uint32_t seq, uint32_t data)
{
	if (__builtin_expect(seq != f->end[dir], 0))
		return false;
	f->end[dir] = seq + data;
	return true;
}

// Follow any segment. Returns: enum flow_tcp_event, several ORed. Thread: owner worker
unsigned flow_tcp_step(struct flow *f, struct flow_cold *c, enum flow_dir dir,
		       const struct flow_tcp_segment *s);
