// SPDX-License-Identifier: BSD-3-Clause
//
// state - see state.h. Only what is not the common segment comes here.

#include "dataplane/flow/state.h"

#include "dataplane/parse/tcp_options.h"

#define GAP                                                                                        \
	(UINT32_C(1)                                                                               \
	 << 20) // how far ahead of the end a segment may begin that acknowledges about right
#define GAP_EXACT (UINT32_C(1) << 30) // and one that acknowledges exactly
#define NEAR      (UINT32_C(1) << 16) // "about right": so much of the other side's may be under way
#define NEAR_SYN  (UINT32_C(1) << 14) // the same of a SYN's data, or of a PROXY header before it

#define FIN_BOTH (FLOW_F_FIN_CLIENT | FLOW_F_FIN_SERVER)
#define RST_ANY  (FLOW_F_RST_CLIENT | FLOW_F_RST_SERVER)

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
	uint32_t at = TCP_OPTIONS_AT, option, len, head;
	uint8_t kind;

	if (s->head == NULL)
		return false;
	head = (uint32_t)(s->head[12] >> 4) * 4;
	while ((kind = tcp_option_next(s->head, head, &at, &option, &len)) != TCP_OPTION_END) {
		if (kind != TCP_OPTION_TIMESTAMP || len != 10)
			continue;
		__builtin_memcpy(value, s->head + option + 2, 4);
		*value = rte_be_to_cpu_32(*value);
		return true;
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

void flow_tcp_start(struct flow *f, struct flow_cold *c, const struct flow_tcp_segment *syn,
		    uint32_t now)
{
	c->start = syn->seq + 1;
	f->end[FLOW_TO_SERVER] = syn->seq + length(syn);
	f->end[FLOW_TO_CLIENT] = now;
}

bool flow_tcp_reopens(const struct flow *f, const struct flow_tcp_segment *syn)
{
	uint32_t value;

	if (!flow_tcp_over(f))
		return false;
	// A connection that never was, or was reset, leaves nothing behind that a new one could be taken for.
	if ((f->flags & FIN_BOTH) != FIN_BOTH || (f->flags & RST_ANY) != 0)
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

static void clear(struct flow *f, unsigned flags)
{
	f->flags &= (uint16_t)~flags;
}

static unsigned reset(struct flow *f, enum flow_dir dir, unsigned event)
{
	if (f->state == FLOW_TCP_ESTABLISHED) {
		f->flags |= dir == FLOW_TO_SERVER ? FLOW_F_RST_CLIENT : FLOW_F_RST_SERVER;
		event |= FLOW_TCP_RESET;
	} else {
		clear(f, FIN_BOTH | FLOW_F_SYN_AGAIN);
	}
	clear(f, FLOW_F_SPOKE_ON);
	f->state = FLOW_TCP_CLOSING;
	return event | FLOW_TCP_REFILE;
}

// Does the server's segment answer the SYN that came after the flow's own? With its data or without.
static bool answers_later_syn(const struct flow *f, const struct flow_cold *c,
			      const struct flow_tcp_segment *s)
{
	return (f->flags & FLOW_F_SYN_AGAIN) != 0 && (s->flags & TCP_ACK) != 0 &&
	       s->ack - c->start <= NEAR_SYN &&
	       ((s->flags & TCP_RST) == 0 || s->seq == 0); // RFC 9293 section 3.10.7.1
}

// The server's SYN-ACK to that.
static unsigned restart(struct flow *f, const struct flow_tcp_segment *s)
{
	clear(f, FIN_BOTH | RST_ANY | FLOW_F_STAMPED | FLOW_F_SPOKE_ON | FLOW_F_SYN_AGAIN |
			 FLOW_F_SILENT);
	f->flags |= FLOW_F_SERVER_SPOKE | (s->data != 0 ? FLOW_F_SPOKE_ON : 0);
	f->end[FLOW_TO_SERVER] = s->ack;
	f->end[FLOW_TO_CLIENT] = s->seq + length(s);
	f->state = FLOW_TCP_SYN;
	return FLOW_TCP_ANEW;
}

// Closing by FIN of both.
static unsigned step_ended(struct flow *f, enum flow_dir dir, const struct flow_tcp_segment *s)
{
	bool again = s->seq + length(s) == f->end[dir] && (s->flags & TCP_FIN) != 0 &&
		     (dir == FLOW_TO_SERVER || (f->flags & FLOW_F_STAMPED) == 0);

	keep_timestamp(f, dir, s);
	return again ? FLOW_TCP_AGAIN : 0;
}

// Closing by the RST of one: `own` if it is this segment's sender.
static unsigned step_reset(struct flow *f, enum flow_dir dir, const struct flow_tcp_segment *s)
{
	bool own =
		(f->flags & (dir == FLOW_TO_SERVER ? FLOW_F_RST_CLIENT : FLOW_F_RST_SERVER)) != 0;
	bool again = false;

	if ((s->flags & TCP_RST) != 0) {
		if (s->seq == f->end[dir])
			clear(f, FLOW_F_SPOKE_ON); // the answer to what was under way
		return 0;
	}
	if ((s->flags & (TCP_SYN | TCP_ACK)) != TCP_ACK)
		return 0;
	if (!own)
		f->flags |= FLOW_F_SPOKE_ON;
	if (!advance(f, dir, s, &again))
		return again ? FLOW_TCP_AGAIN : 0;
	if ((s->flags & TCP_FIN) != 0)
		f->flags |= dir == FLOW_TO_SERVER ? FLOW_F_FIN_CLIENT : FLOW_F_FIN_SERVER;
	if (own) {
		clear(f, RST_ANY | FLOW_F_SPOKE_ON | FLOW_F_SYN_AGAIN);
		if ((f->flags & FIN_BOTH) != FIN_BOTH)
			f->state = FLOW_TCP_ESTABLISHED;
	}
	return again ? FLOW_TCP_AGAIN : 0;
}

static unsigned step_closing(struct flow *f, struct flow_cold *c, enum flow_dir dir,
			     const struct flow_tcp_segment *s)
{
	if (dir == FLOW_TO_SERVER && flow_tcp_is_syn(s->flags)) {
		bool again = (f->flags & FLOW_F_SYN_AGAIN) != 0 && c->start == s->seq + 1;

		f->flags |= FLOW_F_SYN_AGAIN;
		c->start = s->seq + 1;
		return again ? FLOW_TCP_AGAIN : 0;
	}
	if (dir == FLOW_TO_CLIENT && answers_later_syn(f, c, s)) {
		if ((s->flags & TCP_RST) != 0) { // it has nothing left of the old connection either
			clear(f, FIN_BOTH | RST_ANY | FLOW_F_STAMPED | FLOW_F_SPOKE_ON |
					 FLOW_F_SYN_AGAIN);
			return FLOW_TCP_REFUSED;
		}
		if ((s->flags & TCP_SYN) != 0)
			return restart(f, s);
	}
	return (f->flags & RST_ANY) != 0 ? step_reset(f, dir, s) : step_ended(f, dir, s);
}

// FIN of a segment that is in its place; the end of both closes.
static unsigned finish(struct flow *f, enum flow_dir dir, const struct flow_tcp_segment *s)
{
	if ((s->flags & TCP_FIN) == 0)
		return 0;
	f->flags |= dir == FLOW_TO_SERVER ? FLOW_F_FIN_CLIENT : FLOW_F_FIN_SERVER;
	if ((f->flags & FIN_BOTH) != FIN_BOTH)
		return 0;
	f->state = FLOW_TCP_CLOSING;
	keep_timestamp(f, dir, s);
	return FLOW_TCP_REFILE;
}

// Does the server's segment answer the SYN that we forwarded? Its data may be left out.
static bool answers_syn(const struct flow *f, const struct flow_cold *c,
			const struct flow_tcp_segment *s)
{
	const uint32_t end = f->end[FLOW_TO_SERVER];
	const uint32_t size = (f->flags & FLOW_F_SYN_AGAIN) == 0 ? end - c->start : NEAR_SYN;

	return (s->flags & TCP_ACK) != 0 && end - s->ack <= size;
}

static unsigned step_syn_server(struct flow *f, const struct flow_cold *c,
				const struct flow_tcp_segment *s)
{
	bool spoke = (f->flags & FLOW_F_SERVER_SPOKE) != 0, again = false, placed;

	if ((s->flags & TCP_RST) != 0) {
		if (answers_later_syn(f, c, s))
			return reset(f, FLOW_TO_CLIENT, FLOW_TCP_REFUSED);
		if (answers_syn(f, c, s) || (spoke && s->seq == f->end[FLOW_TO_CLIENT]))
			return reset(f, FLOW_TO_CLIENT, spoke ? 0 : FLOW_TCP_REFUSED);
		return 0;
	}
	if ((s->flags & TCP_SYN) !=
	    0) { // a server with SYN cookies may choose another number each time
		if (answers_later_syn(f, c, s))
			return restart(f, s);
		if (!answers_syn(f, c, s))
			return 0;
		f->end[FLOW_TO_CLIENT] = s->seq + length(s);
		clear(f, FLOW_F_SPOKE_ON);
		f->flags |= FLOW_F_SERVER_SPOKE | (s->data != 0 ? FLOW_F_SPOKE_ON : 0);
		return spoke ? FLOW_TCP_AGAIN : FLOW_TCP_ANSWERED;
	}
	if (!spoke)
		return 0;
	placed = advance(f, FLOW_TO_CLIENT, s, &again);
	if (placed && length(s) != 0)
		f->flags |= FLOW_F_SPOKE_ON;
	return (again ? FLOW_TCP_AGAIN : 0) | (placed ? finish(f, FLOW_TO_CLIENT, s) : 0);
}

// The client's SYN once more, or another: before the server's answer the last one is what that has to
// fit, later it counts only once the server has answered it.
static unsigned step_syn_again(struct flow *f, struct flow_cold *c,
			       const struct flow_tcp_segment *s)
{
	uint32_t end = s->seq + length(s);
	bool again = s->seq + 1 == c->start; // perhaps without the data it had

	if ((f->flags & FLOW_F_SERVER_SPOKE) == 0) {
		if (!again || after(end, f->end[FLOW_TO_SERVER]))
			f->end[FLOW_TO_SERVER] = end;
	} else if (!again && end == f->end[FLOW_TO_SERVER]) {
		clear(f, FLOW_F_SYN_AGAIN); // the first one after all
		again = true;
	} else if (!again) {
		f->flags |= FLOW_F_SYN_AGAIN;
	}
	c->start = s->seq + 1;
	return again ? FLOW_TCP_AGAIN : 0;
}

// May this segment end the handshake?
static bool ends_handshake(const struct flow *f, const struct flow_cold *c,
			   const struct flow_tcp_segment *s)
{
	const uint16_t flags = f->flags;
	uint32_t end = f->end[FLOW_TO_SERVER];
	uint32_t back = (flags & FLOW_F_SYN_AGAIN) == 0 ? end - c->start : NEAR_SYN;

	return (flags & FLOW_F_SERVER_SPOKE) != 0 && (s->flags & TCP_ACK) != 0 &&
	       f->end[FLOW_TO_CLIENT] - s->ack <= ((flags & FLOW_F_SPOKE_ON) != 0 ? NEAR : 0) &&
	       s->seq - (end - back - 1) <= back + 1 + NEAR; // from a keep-alive probe on
}

static unsigned step_syn_client(struct flow *f, struct flow_cold *c,
				const struct flow_tcp_segment *s)
{
	bool again = false, placed;

	if ((s->flags & TCP_RST) != 0)
		return s->seq == f->end[FLOW_TO_SERVER] ? reset(f, FLOW_TO_SERVER, 0) : 0;
	if ((s->flags & TCP_SYN) != 0)
		return step_syn_again(f, c, s);
	if (!ends_handshake(f, c, s))
		return 0;
	placed = advance(f, FLOW_TO_SERVER, s, &again);
	clear(f, FLOW_F_SPOKE_ON | FLOW_F_SYN_AGAIN);
	f->state = FLOW_TCP_ESTABLISHED;
	return (again ? FLOW_TCP_AGAIN : 0) | (placed ? finish(f, FLOW_TO_SERVER, s) : 0);
}

unsigned flow_tcp_step(struct flow *f, struct flow_cold *c, enum flow_dir dir,
		       const struct flow_tcp_segment *s)
{
	bool again = false, placed;

	if (f->state == FLOW_TCP_CLOSING)
		return step_closing(f, c, dir, s);
	if (f->state == FLOW_TCP_SYN)
		return dir == FLOW_TO_SERVER ? step_syn_client(f, c, s) : step_syn_server(f, c, s);
	if ((s->flags & TCP_RST) != 0)
		return s->seq == f->end[dir] ? reset(f, dir, 0) : 0;
	if ((s->flags & TCP_SYN) != 0) { // the endpoint answers (RFC 5961 section 4)
		// Its RST may be under way, so that it takes this SYN.
		if (dir == FLOW_TO_SERVER && flow_tcp_is_syn(s->flags) &&
		    (f->flags & FLOW_F_PROXY) == 0) {
			f->flags |= FLOW_F_SYN_AGAIN;
			c->start = s->seq + 1;
		}
		// Or a SYN-ACK that got lost.
		return (s->flags & TCP_ACK) != 0 && !after(s->seq + 1, f->end[dir]) ? FLOW_TCP_AGAIN
										    : 0;
	}
	placed = advance(f, dir, s, &again);
	return (again ? FLOW_TCP_AGAIN : 0) | (placed ? finish(f, dir, s) : 0);
}
