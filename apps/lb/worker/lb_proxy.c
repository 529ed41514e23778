// SPDX-License-Identifier: BSD-3-Clause
//
// lb_proxy - see lb_proxy.h. Everything here is off the path of packets whose header is acknowledged.

#include "apps/lb/worker/lb_proxy.h"

#include <string.h>

#include <rte_ip.h>

#include "dataplane/out/rewrite.h"
#include "dataplane/parse/tcp_options.h"

#define TCP_PSH 0x08
#define TCP_URG 0x20

#define FAST_OPEN_MAGIC 0xf989 // of TCP_OPTION_EXPERIMENT (RFC 7413 section 4.1.1)

#define LARGE4    576  // every host takes more (RFC 1122 section 3.3.3) ...
#define LARGE6    1280 // ... every link carries it (RFC 8200 section 5)
#define MSS_LEAST 256  // what is offered to the client is not made smaller than this

struct segment {
	uint8_t *ip, *l4;
	uint32_t head; // bytes of the TCP header
	uint32_t data; // behind it
	bool ipv4;
};

static uint32_t get32(const uint8_t *p)
{
	rte_be32_t v;

	memcpy(&v, p, 4);
	return rte_be_to_cpu_32(v);
}

static void put32(uint8_t *p, uint32_t v)
{
	v = rte_cpu_to_be_32(v);
	memcpy(p, &v, 4);
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

uint32_t lb_proxy_write(const struct flow *f, const struct flow_key6 *key6, uint8_t *to)
{
	static const uint8_t signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
					      0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
	const uint8_t version_proxy = 0x21, inet_stream = 0x11, inet6_stream = 0x21;
	uint32_t len = key6 == NULL ? LB_PROXY_LEN4 : LB_PROXY_LEN6;

	memcpy(to, signature, sizeof(signature));
	to[12] = version_proxy;
	to[13] = key6 == NULL ? inet_stream : inet6_stream;
	put16(to + 14, (uint16_t)(len - 16));
	if (key6 == NULL) {
		memcpy(to + 16, &f->client, 4);
		memcpy(to + 20, &f->service_addr, 4);
	} else {
		memcpy(to + 16, key6->client, 16);
		memcpy(to + 32, key6->service_addr, 16);
	}
	memcpy(to + len - 4, &f->client_port, 2);
	memcpy(to + len - 2, &f->service_port, 2);
	return len;
}

static struct segment segment_of(struct rte_mbuf *m, const struct parse_info *pi)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	struct segment s = {.ip = frame + pi->l3_off,
			    .l4 = frame + pi->l4_off,
			    .ipv4 = (pi->flags & PARSE_IPV4) != 0};

	s.head = (uint32_t)(s.l4[12] >> 4) * 4;
	s.data = pi->l3_len - (uint32_t)(pi->l4_off - pi->l3_off) - s.head;
	return s;
}

// The packet's length changes: in its IP header, in the pseudo header's share of the checksum, in *pi.
static void set_length(struct segment *s, struct parse_info *pi, uint16_t l3_len)
{
	uint16_t before = rte_cpu_to_be_16(pi->l3_len), after = rte_cpu_to_be_16(l3_len);
	uint16_t delta = rewrite_difference(after, before);

	if (s->ipv4) {
		rewrite_patch(s->ip + 10, delta);
		put16(s->ip + 2, l3_len);
	} else {
		put16(s->ip + 4, l3_len - 40);
	}
	rewrite_patch(s->l4 + 16, delta);
	pi->l3_len = l3_len;
}

// Bytes behind the IP packet (padding) go too.
static void cut_data(struct segment *s, struct rte_mbuf *m, struct parse_info *pi)
{
	uint16_t l3_len = (uint16_t)(pi->l3_len - s->data);

	if (s->data != 0) {
		rewrite_patch(s->l4 + 16, (uint16_t)~rte_raw_cksum(s->l4 + s->head, s->data));
		s->data = 0;
		set_length(s, pi, l3_len);
	}
	m->data_len = (uint16_t)(pi->l3_off + l3_len);
	m->pkt_len = m->data_len;
}

// Neither is data taken with a SYN, nor the wish to be told how: the header has to come first.
static void no_fast_open(struct segment *s)
{
	uint32_t at = TCP_OPTIONS_AT, option, len;
	uint8_t kind;

	while ((kind = tcp_option_next(s->l4, s->head, &at, &option, &len)) != TCP_OPTION_END)
		if (kind == TCP_OPTION_FAST_OPEN || (kind == TCP_OPTION_EXPERIMENT && len >= 4 &&
						     get16(s->l4 + option + 2) == FAST_OPEN_MAGIC))
			memset(s->l4 + option, TCP_OPTION_NOP, len);
}

static void lower_mss(struct segment *s, uint32_t by)
{
	uint32_t at = TCP_OPTIONS_AT, option, len;
	uint8_t kind;

	while ((kind = tcp_option_next(s->l4, s->head, &at, &option, &len)) != TCP_OPTION_END) {
		uint8_t *mss = s->l4 + option + 2;

		if (kind == TCP_OPTION_MSS && len == 4 && get16(mss) >= MSS_LEAST + by)
			put16(mss, (uint16_t)(get16(mss) - by));
	}
}

// ---- client to server -------------------------------------------------------------------------

static void client_syn(struct flow *f, struct flow_cold *c, struct segment *s, struct rte_mbuf *m,
		       struct parse_info *pi)
{
	uint32_t seq = get32(s->l4 + 4);

	// One on a live connection is answered by the server, and may be a stranger's: believed once the
	// server's SYN-ACK comes.
	if (f->state != FLOW_TCP_ESTABLISHED) {
		c->start = seq + 1;
		f->flags |= FLOW_F_PROXY_PENDING;
		f->flags &= (uint16_t)~FLOW_F_PROXY_SENT;
	}
	cut_data(s, m, pi);
	no_fast_open(s);
	put32(s->l4 + 4, seq - lb_proxy_len(f));
}

// Room for `len` bytes before the data; headers move to the front, or data to the back.
static bool make_room(struct segment *s, struct rte_mbuf *m, const struct parse_info *pi,
		      uint32_t len)
{
	uint32_t heads = (uint32_t)pi->l4_off + s->head;
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);

	m->data_len = (uint16_t)(heads + s->data);
	m->pkt_len = m->data_len;
	if (rte_pktmbuf_headroom(m) >= len) {
		memmove(frame - len, frame, heads);
		m->data_off -= (uint16_t)len;
		s->ip -= len;
		s->l4 -= len;
	} else if (rte_pktmbuf_tailroom(m) >= len) {
		memmove(frame + heads + len, frame + heads, s->data);
	} else {
		return false;
	}
	m->data_len += (uint16_t)len;
	m->pkt_len = m->data_len;
	return true;
}

// The segment starts with the client's first byte, or stands before it with nothing worth keeping.
static enum drop_reason add_header(struct flow *f, const struct flow_cold *c,
				   const struct flow_key6 *key6, uint16_t mtu, struct segment *s,
				   struct rte_mbuf *m, struct parse_info *pi, bool keep,
				   bool *headed)
{
	uint32_t len = lb_proxy_len(f);
	uint16_t urgent;

	if (keep && s->data != 0 && pi->l3_len + len > (s->ipv4 ? LARGE4 : LARGE6)) {
		keep = (f->flags & FLOW_F_PROXY_LARGE) == 0;
		f->flags ^= FLOW_F_PROXY_LARGE;
	}
	if (!keep || pi->l3_len + len > mtu) {
		cut_data(s, m, pi);
		s->l4[13] &= (uint8_t) ~(TCP_FIN | TCP_URG);
	}
	if (pi->l3_len + len > mtu)
		return DROP_MTU;
	if (!make_room(s, m, pi, len))
		return DROP_NO_MBUF;
	lb_proxy_write(f, key6, s->l4 + s->head);
	rewrite_patch(s->l4 + 16, rte_raw_cksum(s->l4 + s->head, len));
	set_length(s, pi, (uint16_t)(pi->l3_len + len));
	put32(s->l4 + 4, c->start - len);
	s->l4[13] |= TCP_PSH;
	urgent = get16(s->l4 + 18);
	if ((s->l4[13] & TCP_URG) != 0)
		put16(s->l4 + 18,
		      urgent > UINT16_MAX - len ? UINT16_MAX : (uint16_t)(urgent + len));
	*headed = true;
	return DROP_NONE;
}

static enum drop_reason from_client(struct flow *f, struct flow_cold *c,
				    const struct flow_key6 *key6, uint16_t mtu, struct segment *s,
				    struct rte_mbuf *m, struct parse_info *pi, bool *headed)
{
	int32_t at = (int32_t)(get32(s->l4 + 4) - c->start);
	int32_t len = (int32_t)lb_proxy_len(f);

	if ((pi->tcp_flags & TCP_SYN) != 0) {
		client_syn(f, c, s, m, pi);
		return DROP_NONE;
	}
	if ((pi->tcp_flags & TCP_RST) != 0) {
		// Before the handshake's end the server waits for the header's first byte; later it has most
		// likely got it, and says what it waits for if not.
		if (at == 0 && f->state == FLOW_TCP_CLOSING && (f->flags & FLOW_F_RST_CLIENT) == 0)
			put32(s->l4 + 4, c->start - (uint32_t)len);
		return DROP_NONE;
	}
	if ((pi->tcp_flags & TCP_ACK) == 0 || at > 0 || at < -len)
		return DROP_NONE;
	return add_header(f, c, key6, mtu, s, m, pi, at == 0, headed);
}

// ---- server to client -------------------------------------------------------------------------

static void server_syn(struct flow *f, struct flow_cold *c, struct segment *s)
{
	uint32_t ack = get32(s->l4 + 8) + lb_proxy_len(f);
	uint32_t len = lb_proxy_len(f);
	uint16_t window = get16(s->l4 + 14);

	if (f->state != FLOW_TCP_SYN || (f->flags & FLOW_F_PROXY_PENDING) == 0) {
		// The same one again: the server lacks the handshake's end, and the header with it.
		if (c->start != ack)
			f->flags &= (uint16_t)~FLOW_F_PROXY_SENT;
		c->start = ack;
		f->flags |= FLOW_F_PROXY_PENDING;
	}
	put32(s->l4 + 8, ack);
	lower_mss(s, len);
	if (window >=
	    2 * len) // the header takes its share (no scale in a SYN: RFC 7323 section 2.2)
		put16(s->l4 + 14, (uint16_t)(window - len));
}

static void from_server(struct flow *f, struct flow_cold *c, struct segment *s, uint8_t tcp_flags)
{
	int32_t ack = (int32_t)(get32(s->l4 + 8) - c->start);

	if ((tcp_flags & TCP_ACK) == 0)
		return;
	if ((tcp_flags & TCP_SYN) != 0) {
		server_syn(f, c, s);
		return;
	}
	if (ack >= 0)
		f->flags &= (uint16_t)~FLOW_F_PROXY_PENDING;
	else if (ack >= -(int32_t)lb_proxy_len(f) && (f->flags & FLOW_F_RST_CLIENT) == 0)
		put32(s->l4 + 8, c->start);
	// A client that has reset sees what the server waits for, so that its next reset hits it.
}

void lb_proxy_quoted(const struct flow *f, const struct flow_cold *c, uint8_t *l4, uint32_t l4_len)
{
	uint32_t len = lb_proxy_len(f), seq = get32(l4 + 4);
	int32_t at = (int32_t)(seq - c->start);
	uint16_t before = rte_raw_cksum(l4 + 4, 4);

	if (at >= 0 || at < -(int32_t)len - 1) // neither the header nor the SYN
		return;
	put32(l4 + 4, seq + len);
	if (l4_len >= 18)
		rewrite_patch(l4 + 16, rewrite_difference(rte_raw_cksum(l4 + 4, 4), before));
}

enum drop_reason lb_proxy_pass(struct flow *f, struct flow_cold *c, const struct flow_key6 *key6,
			       enum flow_dir dir, uint16_t mtu, struct rte_mbuf *m,
			       struct parse_info *pi, bool *headed)
{
	struct segment s = segment_of(m, pi);
	uint16_t before = rte_raw_cksum(s.l4, s.head), sum_before, sum_after;
	enum drop_reason reason = DROP_NONE;

	*headed = false;
	memcpy(&sum_before, s.l4 + 16, 2);
	if (dir == FLOW_TO_SERVER)
		reason = from_client(f, c, key6, mtu, &s, m, pi, headed);
	else
		from_server(f, c, &s, pi->tcp_flags);
	// What changed in the TCP header itself; the checksum's own change so far is none of it.
	memcpy(&sum_after, s.l4 + 16, 2);
	rewrite_patch(
		s.l4 + 16,
		rewrite_difference(rte_raw_cksum(s.l4, s.head),
				   rewrite_add(before, rewrite_difference(sum_after, sum_before))));
	return reason;
}
