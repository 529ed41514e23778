// SPDX-License-Identifier: BSD-3-Clause
//
// state - see state.h. Only what is not the common segment comes here.

#include "dataplane/flow/state.h"

#define GAP                                                                                        \
	(UINT32_C(1)                                                                               \
	 << 20) // how far ahead of the end a segment may begin that acknowledges about right
#define GAP_EXACT (UINT32_C(1) << 30) // and one that acknowledges exactly
#define NEAR      (UINT32_C(1) << 16) // "about right": so much of the other side's may be under way
#define NEAR_SYN  (UINT32_C(1) << 14) // the same of a SYN's data, or of a PROXY header before it

#define OPT_END       0
#define OPT_NOP       1
#define OPT_TIMESTAMP 8

// a after b on the circle of sequence numbers?
static bool after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static uint32_t length(const struct flow_tcp_segment *s)
{
	return s->data + ((s->flags & TCP_SYN) != 0) + ((s->flags & TCP_FIN) != 0);
}

// TSval of RFC 7323. Returns: false if there is none.
static bool timestamp(const struct flow_tcp_segment *s, uint32_t *value)
{
	const uint8_t *p = s->head + 20, *end;

	if (s->head == NULL)
		return false;
	end = s->head + (uint32_t)(s->head[12] >> 4) * 4;
	while (p < end && *p != OPT_END) {
		if (*p == OPT_NOP) {
			p++;
			continue;
		}
		if (end - p < 2 || p[1] < 2 || p[1] > end - p)
			return false;
		if (*p == OPT_TIMESTAMP && p[1] == 10) {
			__builtin_memcpy(value, p + 2, 4);
			*value = rte_be_to_cpu_32(*value);
			return true;
		}
		p += p[1];
	}
	return false;
}

// The last timestamp of the client stands where the server's end did, which nobody needs any more.
static void keep_timestamp(struct flow *f, enum flow_dir dir, const struct flow_tcp_segment *s)
{
	uint32_t value;

	if (dir != FLOW_TO_SERVER || (s->flags & TCP_SYN) != 0 ||
	    s->seq + length(s) != f->end[dir] || !timestamp(s, &value))
		return;
	f->end[FLOW_TO_CLIENT] = value;
	f->flags |= FLOW_F_STAMPED;
}

void flow_tcp_start(struct flow *f, const struct flow_tcp_segment *syn, uint32_t now)
{
	f->end[FLOW_TO_SERVER] = syn->seq + length(syn);
	f->end[FLOW_TO_CLIENT] = now;
}

bool flow_tcp_reopens(const struct flow *f, const struct flow_tcp_segment *syn)
{
	uint32_t value;

	if (!flow_tcp_over(f))
		return false;
	// A connection that never was leaves nothing behind that a new one could be taken for.
	if ((f->flags & (FLOW_F_FIN_CLIENT | FLOW_F_FIN_SERVER)) == 0)
		return true;
	if ((f->flags & FLOW_F_STAMPED) != 0 && timestamp(syn, &value) &&
	    value != f->end[FLOW_TO_CLIENT])
		return after(value, f->end[FLOW_TO_CLIENT]);
	return after(syn->seq, f->end[FLOW_TO_SERVER]);
}

// Take a segment into account. *again: (part of) it had been sent before. Returns: whether it is in its
// place: what it ends with is its sender's end now.
static bool advance(struct flow *f, enum flow_dir dir, const struct flow_tcp_segment *s,
		    bool *again)
{
	uint32_t end = s->seq + length(s), unacked = f->end[!dir] - s->ack;

	if (s->seq == f->end[dir]) {
		f->end[dir] = end;
		return true;
	}
	if (!after(end, f->end[dir])) {
		*again = length(s) != 0;
		return end == f->end[dir];
	}
	if ((s->flags & TCP_ACK) == 0 || (f->flags & FLOW_F_STAMPED) != 0)
		return false;
	if (after(s->seq, f->end[dir])) { // something was lost before us
		if (s->seq - f->end[dir] > (unacked == 0 ? GAP_EXACT : GAP) || unacked > NEAR)
			return false;
	} else { // what was lost, and more behind it
		if (f->end[dir] - s->seq > NEAR || unacked > NEAR)
			return false;
		*again = true;
	}
	f->end[dir] = end;
	return true;
}

static unsigned reset(struct flow *f, enum flow_dir dir, unsigned event)
{
	if (f->state == FLOW_TCP_ESTABLISHED) {
		f->flags |= dir == FLOW_TO_SERVER ? FLOW_F_RST_CLIENT : FLOW_F_RST_SERVER;
		event |= FLOW_TCP_RESET;
	}
	f->state = FLOW_TCP_CLOSING;
	return event | FLOW_TCP_REFILE;
}

static unsigned step_closing(struct flow *f, enum flow_dir dir, const struct flow_tcp_segment *s)
{
	const uint16_t rst = dir == FLOW_TO_SERVER ? FLOW_F_RST_CLIENT : FLOW_F_RST_SERVER;
	bool again = false;

	if ((f->flags & (FLOW_F_RST_CLIENT | FLOW_F_RST_SERVER)) == 0) {
		if (s->seq + length(s) == f->end[dir] && (s->flags & TCP_FIN) != 0 &&
		    (dir == FLOW_TO_SERVER || (f->flags & FLOW_F_STAMPED) == 0))
			again = true;
		keep_timestamp(f, dir, s);
		return again ? FLOW_TCP_AGAIN : 0;
	}
	if ((f->flags & rst) != 0 && (s->flags & (TCP_RST | TCP_SYN | TCP_ACK)) == TCP_ACK &&
	    advance(f, dir, s, &again)) {
		f->flags &= (uint16_t) ~(FLOW_F_RST_CLIENT | FLOW_F_RST_SERVER);
		f->state = FLOW_TCP_ESTABLISHED;
	}
	return again ? FLOW_TCP_AGAIN : 0;
}

// FIN of a segment that is in its place; the end of both closes.
static unsigned finish(struct flow *f, enum flow_dir dir, const struct flow_tcp_segment *s)
{
	const uint16_t both = FLOW_F_FIN_CLIENT | FLOW_F_FIN_SERVER;

	if ((s->flags & TCP_FIN) == 0)
		return 0;
	f->flags |= dir == FLOW_TO_SERVER ? FLOW_F_FIN_CLIENT : FLOW_F_FIN_SERVER;
	if ((f->flags & both) != both)
		return 0;
	f->state = FLOW_TCP_CLOSING;
	keep_timestamp(f, dir, s);
	return FLOW_TCP_REFILE;
}

// Does the server's segment answer the SYN that we forwarded? A part of it may be left out: data, and what
// stands before the client's bytes.
static bool answers_syn(const struct flow *f, const struct flow_tcp_segment *s)
{
	return (s->flags & TCP_ACK) != 0 && f->end[FLOW_TO_SERVER] - s->ack <= NEAR_SYN;
}

static unsigned step_syn_server(struct flow *f, const struct flow_tcp_segment *s)
{
	bool spoke = (f->flags & FLOW_F_SERVER_SPOKE) != 0, again = false, placed;

	if ((s->flags & TCP_RST) != 0) {
		if (spoke ? s->seq == f->end[FLOW_TO_CLIENT] || answers_syn(f, s)
			  : answers_syn(f, s))
			return reset(f, FLOW_TO_CLIENT, spoke ? 0 : FLOW_TCP_REFUSED);
		return 0;
	}
	if ((s->flags & TCP_SYN) !=
	    0) { // a server with SYN cookies may choose another number each time
		if (!answers_syn(f, s))
			return 0;
		f->end[FLOW_TO_CLIENT] = s->seq + length(s);
		f->flags |= FLOW_F_SERVER_SPOKE;
		return spoke ? FLOW_TCP_AGAIN : FLOW_TCP_ANSWERED;
	}
	if (!spoke)
		return 0;
	placed = advance(f, FLOW_TO_CLIENT, s, &again);
	return (again ? FLOW_TCP_AGAIN : 0) | (placed ? finish(f, FLOW_TO_CLIENT, s) : 0);
}

static unsigned step_syn_client(struct flow *f, const struct flow_tcp_segment *s)
{
	bool spoke = (f->flags & FLOW_F_SERVER_SPOKE) != 0, again = false, placed;

	if ((s->flags & TCP_RST) != 0)
		return s->seq == f->end[FLOW_TO_SERVER] ? reset(f, FLOW_TO_SERVER, 0) : 0;
	if ((s->flags & TCP_SYN) != 0) {
		uint32_t end = s->seq + length(s);

		again = end == f->end[FLOW_TO_SERVER];
		if (!spoke) // the last one is what the server's answer has to fit
			f->end[FLOW_TO_SERVER] = end;
		return again ? FLOW_TCP_AGAIN : 0;
	}
	// The server may have sent data already (RFC 7413).
	if (!spoke || (s->flags & TCP_ACK) == 0 || f->end[FLOW_TO_CLIENT] - s->ack > 2 * NEAR)
		return 0;
	placed = advance(f, FLOW_TO_SERVER, s, &again);
	f->state = FLOW_TCP_ESTABLISHED;
	return (again ? FLOW_TCP_AGAIN : 0) | (placed ? finish(f, FLOW_TO_SERVER, s) : 0);
}

unsigned flow_tcp_step(struct flow *f, enum flow_dir dir, const struct flow_tcp_segment *s)
{
	bool again = false, placed;

	if (f->state == FLOW_TCP_CLOSING)
		return step_closing(f, dir, s);
	if (f->state == FLOW_TCP_SYN)
		return dir == FLOW_TO_SERVER ? step_syn_client(f, s) : step_syn_server(f, s);
	if ((s->flags & TCP_RST) != 0)
		return s->seq == f->end[dir] ? reset(f, dir, 0) : 0;
	if ((s->flags & TCP_SYN) !=
	    0) // the endpoint answers (RFC 5961 section 4); or a SYN-ACK that got lost
		return (s->flags & TCP_ACK) != 0 && !after(s->seq + 1, f->end[dir]) ? FLOW_TCP_AGAIN
										    : 0;
	placed = advance(f, dir, s, &again);
	return (again ? FLOW_TCP_AGAIN : 0) | (placed ? finish(f, dir, s) : 0);
}
