// SPDX-License-Identifier: BSD-3-Clause
//
// TCP as seen from the middle of random connections: with losses against two endpoints that know the truth, and
// whole histories of one tuple, its ports used again at any time.

#include "tests/unit/dataplane/flow/state_steps.h"

#include <stdlib.h>

// ---- random connections ------------------------------------------------------------------------

static uint64_t seed;

static uint32_t dice(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)((seed >> 33) % n);
}

// One endpoint: it sends data in pieces, everything not acknowledged again when it likes, then a FIN.
struct end {
	uint32_t first;       // sequence number of the first byte
	uint32_t total;       // bytes it will send
	uint32_t sent, acked; // of those and the FIN (total + 1)
	uint32_t got;         // of the other's, in order
	bool fin_sent;
};

struct model {
	struct end e[2];  // by the direction they send in
	uint32_t high[2]; // highest end that has passed us, which the flow must know
	unsigned fins;    // bit per direction: a FIN has passed us
	uint32_t again[2];
};

// One segment of side `dir`; lost before us, behind us, or not.
static void random_segment(struct flow *f, struct model *m, enum flow_dir dir)
{
	struct end *e = &m->e[dir], *peer = &m->e[!dir];
	uint32_t from = dice(3) == 0 ? e->acked : e->sent, room, data;
	struct flow_tcp_segment s = {.flags = TCP_ACK};
	unsigned event;
	uint32_t end;

	if (from > e->total) // its FIN was sent
		from = dice(2) ? e->total : e->total + 1;
	room = e->total - (from > e->total ? e->total : from);
	data = room == 0 ? 0 : dice(room < 1400 ? room + 1 : 1400);
	s.seq = e->first + from;
	s.ack = peer->first + e->got;
	s.data = data;
	end = from + data;
	if (end == e->total && from <= e->total && dice(2) == 0) {
		s.flags |= TCP_FIN;
		end++;
	}
	if (end > e->sent)
		e->sent = end;
	if (dice(8) == 0)
		return; // lost before us
	event = (dice(2) && (s.flags & TCP_FIN) == 0 && f->state == FLOW_TCP_ESTABLISHED &&
		 flow_tcp_data(f, dir, s.seq, s.data))
			? 0
			: flow_tcp_step(f, &cold, dir, &s);
	m->again[dir] += (event & FLOW_TCP_AGAIN) != 0;
	if (end > from && end <= m->high[dir] && m->fins != 3 && f->state == FLOW_TCP_ESTABLISHED)
		assert_int_equal(event & FLOW_TCP_AGAIN, FLOW_TCP_AGAIN);
	if (from == m->high[dir] && end > from)
		assert_int_equal(event & FLOW_TCP_AGAIN, 0);
	if (end > m->high[dir])
		m->high[dir] = end;
	if ((s.flags & TCP_FIN) != 0)
		m->fins |= 1u << dir;
	if (dice(8) == 0)
		return; // lost behind us
	if (from <= peer->got && end > peer->got)
		peer->got = end;
	if (e->got > peer->acked)
		peer->acked = e->got;
}

static void one_connection(uint32_t client_first, uint32_t server_first)
{
	struct flow f = {.state = FLOW_TCP_SYN};
	struct model m = {.e = {{.first = client_first + 1, .total = dice(20000)},
				{.first = server_first + 1, .total = dice(20000)}}};

	flow_tcp_start(&f, &cold, SEG(.seq = client_first, .flags = TCP_SYN), 0);
	assert_int_equal(server(&f, server_first, client_first + 1, 0, TCP_SYN | TCP_ACK),
			 FLOW_TCP_ANSWERED);
	client(&f, client_first + 1, server_first + 1, 0, TCP_ACK);
	for (unsigned i = 0; i < 20000; i++) {
		random_segment(&f, &m, dice(2));
		if (m.fins == 3) {
			assert_int_equal(f.state, FLOW_TCP_CLOSING);
			break;
		}
		assert_int_equal(f.state, FLOW_TCP_ESTABLISHED);
		for (int d = 0; d < 2; d++)
			assert_int_equal(f.end[d], m.e[d].first + m.high[d]);
		assert_int_equal((f.flags & FLOW_F_FIN_CLIENT) != 0, m.fins & 1);
		assert_int_equal((f.flags & FLOW_F_FIN_SERVER) != 0, m.fins >> 1);
		// A stranger who knows addresses and ports, in either name.
		for (int d = 0; d < 2; d++) {
			struct flow before = f;
			uint32_t away = 1 + dice(UINT32_MAX - 1);
			unsigned flags = TCP_ACK | (dice(2) ? TCP_RST : TCP_FIN);

			flow_tcp_step(&f, &cold, d,
				      SEG(.seq = f.end[d] + away,
					  .ack = f.end[!d] + (1u << 20) + dice(1u << 30),
					  .flags = (uint8_t)flags, .data = dice(1000)));
			assert_memory_equal(&f, &before, sizeof(f));
		}
	}
	assert_int_equal(m.fins, 3); // it came to its end
}

static void follows_random_connections(void **state)
{
	(void)state;
	for (seed = 1; seed < 3000; seed += 2) {
		uint64_t s = seed;

		one_connection(dice(4) ? dice(UINT32_MAX) : UINT32_MAX - dice(9000),
			       dice(4) ? dice(UINT32_MAX) : UINT32_MAX - dice(9000));
		seed = s;
	}
}

// ---- random histories of one tuple ---------------------------------------------------------------

// RFC 9293 as far as it decides what state both ends are in. Port reuse at any time, with any number.
struct peer {
	enum { GONE, SYN_SENT, SYN_RCVD, OPEN, TIME_WAIT } state;
	uint32_t iss, irs;        // of this connection
	uint32_t una, next, got;  // sent and not acknowledged from .. to; received up to
	bool fin, fin_got, first; // sent, received, closed first
	bool aborted;             // without a word of the other: its RST may be lost
};

struct history {
	struct peer p[2]; // by the direction they send in
	struct flow f;
	bool have, blind; // blind: the end was one that the follower cannot have believed (state.h)
	unsigned
		behind; // the client's segments seen since both are open, the follower not established
	unsigned opened, reopened;
	struct {
		struct flow_tcp_segment s;
		enum flow_dir dir;
	} queue[64];
	unsigned head, tail;
	unsigned loss; // one of so many
};

static void send_segment(struct history *h, enum flow_dir dir, uint32_t seq, uint32_t ack,
			 uint32_t data, unsigned flags)
{
	if (h->tail - h->head == 64)
		return;
	h->queue[h->tail % 64].dir = dir;
	h->queue[h->tail++ % 64].s =
		*SEG(.seq = seq, .ack = ack, .data = data, .flags = (uint8_t)flags);
}

static void send_ack(struct history *h, enum flow_dir dir)
{
	send_segment(h, dir, h->p[dir].next, h->p[dir].got, 0, TCP_ACK);
}

static uint32_t size(const struct flow_tcp_segment *s)
{
	return s->data + ((s->flags & TCP_SYN) != 0) + ((s->flags & TCP_FIN) != 0);
}

static void listen_to(struct history *h, struct peer *p, const struct flow_tcp_segment *s)
{
	uint32_t iss = dice(UINT32_MAX);

	*p = (struct peer){.state = SYN_RCVD,
			   .iss = iss,
			   .irs = s->seq,
			   .una = iss,
			   .next = iss + 1,
			   .got = s->seq + 1};
	send_segment(h, FLOW_TO_CLIENT, iss, p->got, 0, TCP_SYN | TCP_ACK);
}

// Nothing of the connection is there.
static void answer_stray(struct history *h, enum flow_dir to, const struct flow_tcp_segment *s)
{
	if ((s->flags & TCP_RST) != 0)
		return;
	if ((s->flags & TCP_ACK) != 0)
		send_segment(h, !to, s->ack, 0, 0, TCP_RST);
	else
		send_segment(h, !to, 0, s->seq + size(s), 0, TCP_RST | TCP_ACK);
}

static void take_reset(struct history *h, enum flow_dir from, struct peer *p,
		       const struct flow_tcp_segment *s)
{
	if (p->state == TIME_WAIT)
		return;
	if (s->seq == p->got) {
		h->blind |= h->have && s->seq != h->f.end[from];
		p->state = GONE;
	} else if (s->seq - p->got < 65536) {
		send_ack(h, !from);
	}
}

static void take_data(struct history *h, enum flow_dir from, struct peer *p,
		      const struct flow_tcp_segment *s)
{
	uint32_t end = s->seq + size(s);

	if (p->state == SYN_RCVD) {
		if (s->ack != p->next) {
			send_segment(h, !from, s->ack, 0, 0, TCP_RST);
			return;
		}
		p->state = OPEN;
	}
	if (s->ack - p->una <= p->next - p->una)
		p->una = s->ack;
	if (p->got - s->seq < 1u << 30 && (int32_t)(end - p->got) > 0) {
		p->got = end;
		p->fin_got |= (s->flags & TCP_FIN) != 0;
		if ((s->flags & TCP_FIN) != 0)
			p->first = p->fin;
	}
	if (size(s) != 0)
		send_ack(h, !from);
	if (p->fin && p->fin_got && p->una == p->next)
		p->state = p->first ? TIME_WAIT : GONE;
}

static void receive(struct history *h, enum flow_dir from, const struct flow_tcp_segment *s)
{
	struct peer *p = &h->p[!from];

	if (p->state == SYN_SENT) {
		if ((s->flags & TCP_ACK) != 0 && s->ack != p->next) {
			if ((s->flags & TCP_RST) == 0)
				send_segment(h, !from, s->ack, 0, 0, TCP_RST);
		} else if ((s->flags & TCP_RST) != 0) {
			if ((s->flags & TCP_ACK) != 0)
				p->state = GONE;
		} else if ((s->flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK)) {
			p->state = OPEN;
			p->irs = s->seq;
			p->got = s->seq + 1;
			p->una = s->ack;
			send_ack(h, !from);
		}
	} else if (p->state == GONE) {
		if (from == FLOW_TO_SERVER && flow_tcp_is_syn(s->flags))
			listen_to(h, p, s);
		else
			answer_stray(h, from, s);
	} else if ((s->flags & TCP_RST) != 0) {
		take_reset(h, from, p, s);
	} else if ((s->flags & TCP_SYN) != 0) {
		if (p->state == TIME_WAIT && flow_tcp_is_syn(s->flags) &&
		    (int32_t)(s->seq - p->got) > 0)
			listen_to(h, p, s);
		else if (p->state == SYN_RCVD && s->seq == p->irs)
			send_segment(h, !from, p->iss, p->got, 0, TCP_SYN | TCP_ACK);
		else
			send_ack(h, !from);
	} else if (p->state != TIME_WAIT) {
		take_data(h, from, p, s);
	} else if (size(s) != 0) {
		send_ack(h, !from);
	}
}

static void pass(struct history *h, enum flow_dir dir, const struct flow_tcp_segment *s)
{
	if (dir == FLOW_TO_SERVER && flow_tcp_is_syn(s->flags) &&
	    (!h->have || flow_tcp_reopens(&h->f, s))) {
		h->have = true;
		h->f = (struct flow){.state = FLOW_TCP_SYN};
		flow_tcp_start(&h->f, &cold, s, 0);
		h->opened++;
		return;
	}
	// The server has lost the old connection without a word: the limit that state.h names.
	h->blind |= h->have && h->f.state == FLOW_TCP_ESTABLISHED && dir == FLOW_TO_CLIENT &&
		    (s->flags & TCP_SYN) != 0 && s->seq + 1 != h->f.end[dir];
	if (h->have)
		h->reopened += (flow_tcp_step(&h->f, &cold, dir, s) & FLOW_TCP_ANEW) != 0;
}

static void check_history(struct history *h, enum flow_dir dir)
{
	const struct peer *c = &h->p[FLOW_TO_SERVER], *s = &h->p[FLOW_TO_CLIENT];

	if (!h->have || h->blind)
		return;
	if (c->state == OPEN && s->state == OPEN && c->irs == s->iss && s->irs == c->iss &&
	    !(c->fin && s->fin)) {
		h->behind = h->f.state == FLOW_TCP_ESTABLISHED
				    ? 0
				    : h->behind + (dir == FLOW_TO_SERVER);
		assert_true(h->behind <= 3);
	} else {
		h->behind = 0;
	}
	if ((c->state == GONE || c->state == TIME_WAIT) &&
	    (s->state == GONE || s->state == TIME_WAIT) && h->head == h->tail &&
	    !(c->aborted && s->aborted))
		assert_int_not_equal(h->f.state, FLOW_TCP_ESTABLISHED);
}

static void drain(struct history *h)
{
	for (unsigned n = 0; h->head != h->tail && n < 500; n++) {
		enum flow_dir dir = h->queue[h->head % 64].dir;
		struct flow_tcp_segment s = h->queue[h->head++ % 64].s;

		if (dice(h->loss) == 0)
			continue; // before us
		pass(h, dir, &s);
		if (dice(h->loss) != 0)
			receive(h, dir, &s);
		check_history(h, dir);
	}
}

static void act_open(struct history *h, enum flow_dir d)
{
	struct peer *p = &h->p[d];
	uint32_t data;

	switch (dice(16)) {
	case 0: // abort
		send_segment(h, d, p->next, p->got, 0, TCP_RST | TCP_ACK);
		p->state = GONE;
		p->aborted = true;
		return;
	case 1:
	case 2:
		if (!p->fin)
			send_segment(h, d, p->next++, p->got, 0, TCP_FIN | TCP_ACK);
		p->fin = true;
		return;
	case 3:
	case 4:
	case 5:
	case 6: // all that is not acknowledged, again
		data = p->next - p->una - p->fin;
		if (p->next == p->una)
			send_segment(h, d, p->next - 1, p->got, 0, TCP_ACK); // alive?
		else
			send_segment(h, d, p->una, p->got, data, TCP_ACK | (p->fin ? TCP_FIN : 0));
		return;
	default:
		if (p->fin || p->next - p->una > 20000)
			return;
		data = 1 + dice(1400);
		send_segment(h, d, p->next, p->got, data, TCP_ACK);
		p->next += data;
	}
}

// Both gave up and no RST came by: nobody can know (state.h).
static bool unseen(const struct history *h)
{
	return h->p[0].aborted && h->p[1].aborted && h->f.state == FLOW_TCP_ESTABLISHED;
}

static void act(struct history *h)
{
	enum flow_dir d = dice(2);
	struct peer *p = &h->p[d];

	if (p->state == OPEN) {
		act_open(h, d);
	} else if (p->state == SYN_RCVD) {
		send_segment(h, d, p->iss, p->got, 0, TCP_SYN | TCP_ACK);
	} else if (p->state == SYN_SENT) {
		send_segment(h, d, p->iss, 0, 0, TCP_SYN);
	} else if (d == FLOW_TO_SERVER && dice(3) == 0) {
		uint32_t iss = dice(2) ? p->next + dice(100000) - 50000 : dice(UINT32_MAX);

		h->blind |= unseen(h);
		*p = (struct peer){.state = SYN_SENT, .iss = iss, .una = iss, .next = iss + 1};
		send_segment(h, d, iss, 0, 0, TCP_SYN);
	} else if (d == FLOW_TO_CLIENT && p->state == TIME_WAIT && dice(8) == 0) {
		p->state = GONE;
	}
}

static void keeps_up_with_random_histories(void **state)
{
	unsigned opened = 0, reopened = 0, blind = 0;

	(void)state;
	for (unsigned i = 1; i < 20000; i++) {
		struct history h = {.loss = i % 3 == 0 ? 6 : i % 3 == 1 ? 30 : 100000};

		seed = i * 2 + 1;
		for (unsigned n = 0; n < 300 && !h.blind; n++) {
			for (unsigned k = dice(3) + 1; k > 0; k--)
				act(&h);
			drain(&h);
			h.blind |= unseen(&h);
		}
		opened += h.opened;
		reopened += h.reopened;
		blind += h.blind;
	}
	print_message("%u new flows, %u anew, %u histories given up at a limit of state.h\n",
		      opened, reopened, blind);
	assert_true(opened > 100000 && reopened > 10000 && blind < opened / 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_random_connections),
		cmocka_unit_test(keeps_up_with_random_histories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
