// SPDX-License-Identifier: BSD-3-Clause
//
// The connection's number stands in the sequence number of its SYN (ISN = index in the table), which the
// balancer leaves alone, and in the six bytes of data of its data packets.

#include "perf/load/lb_gen.h"

#include "perf/load/lb_packets.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SYN 0x02
#define FIN 0x01
#define PSH 0x08
#define ACK 0x10

#define PAGE      (UINT64_C(1) << 21)
#define DATA      6 // bytes that fit behind the headers of a frame of 60
#define ISN_REPLY UINT32_C(0x80000000)

enum of { CLIENT, SERVER };

struct step {
	uint8_t of, flags, data;
};

static const struct step whole[GEN_PACKETS] = {
	{CLIENT, SYN, 0},       {SERVER, SYN | ACK, 0}, {CLIENT, ACK, 0}, {CLIENT, ACK | PSH, 1},
	{SERVER, ACK, 0},       {SERVER, ACK | PSH, 1}, {CLIENT, ACK, 0}, {CLIENT, ACK | FIN, 0},
	{SERVER, ACK | FIN, 0}, {CLIENT, ACK, 0},
};

struct conn {
	alignas(64) rte_be32_t client;
	rte_be32_t service, local, server;
	rte_be16_t client_port, local_port;
	uint32_t next[2]; // sequence number by enum of
	bool placed;      // local and server are known
};
static_assert(sizeof(struct conn) == 64, "one line");

struct gen {
	struct gen_conf conf;
	struct gen_count count;
	uint32_t client; // number of the next
	// GEN_WHOLE: the connection begun last, and which of those before it is next
	uint64_t turn;
	unsigned step;
	// GEN_FLOWS
	unsigned phase; // 0 .. 2: steps of the handshake; 3: data
	uint32_t at;    // in the phase
	uint32_t round;
	struct conn conn[];
};

int gen_create(const struct gen_conf *conf, struct gen **out)
{
	size_t size = sizeof(struct gen) + conf->connections * sizeof(struct conn);
	struct gen *g;

	if (conf->connections == 0 || (conf->connections & (conf->connections - 1)) != 0 ||
	    conf->connections >= ISN_REPLY ||
	    (conf->mode == GEN_WHOLE &&
	     (conf->apart == 0 || conf->connections / GEN_PACKETS < conf->apart)))
		return -EINVAL;
	size = (size + PAGE - 1) & ~(PAGE - 1);
	g = aligned_alloc(PAGE, size);
	if (g == NULL)
		return -ENOMEM;
	madvise(g, size, MADV_HUGEPAGE); // else its own look-ups would be half of what is measured
	memset(g, 0, size);
	g->conf = *conf;
	*out = g;
	return 0;
}

void gen_destroy(struct gen *g)
{
	free(g);
}

const struct gen_count *gen_count(const struct gen *g)
{
	return &g->count;
}

// ---- packets -----------------------------------------------------------------------------------

static uint16_t fold(uint64_t s)
{
	s = (s & 0xffffffff) + (s >> 32);
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

static uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static void store32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, 4);
}

static void store16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, 2);
}

// Words are summed as they lie: the sum of the Internet does not mind (RFC 1071 section 2).
static void write_packet(uint8_t *f, const struct conn *c, uint32_t index, const struct step *s)
{
	static const uint8_t head[24] = {2, 0, 0,    0, 0, 1,  2, 0, 0,    0, 0,  2,
					 8, 0, 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, IPPROTO_TCP};
	bool client = s->of == CLIENT;
	uint32_t from = client ? c->client : c->server, to = client ? c->service : c->local;
	uint16_t from_port = client ? c->client_port : PACKETS_SERVER_PORT;
	uint16_t to_port = client ? PACKETS_SERVICE_PORT : c->local_port;
	uint32_t ports = (uint32_t)from_port | (uint32_t)to_port << 16;
	uint32_t seq = rte_cpu_to_be_32(c->next[s->of]);
	uint32_t ack = (s->flags & ACK) != 0 ? rte_cpu_to_be_32(c->next[!s->of]) : 0;
	uint32_t offset = RTE_BE32(UINT32_C(0x50000000) | 0xffff) |
			  rte_cpu_to_be_32((uint32_t)s->flags << 16);
	uint32_t data = s->data ? rte_cpu_to_be_32(index) : 0;
	uint8_t *ip = f + 14, *tcp = ip + 20;
	uint64_t addresses = (uint64_t)from + to;
	uint16_t len = s->data ? RTE_BE16(40 + DATA) : RTE_BE16(40);
	uint16_t l4 = s->data ? RTE_BE16(20 + DATA) : RTE_BE16(20);

	memcpy(f, head, sizeof(head));
	store16(ip + 2, len);
	store16(ip + 10, fold(addresses + RTE_BE16(0x4500) + len + RTE_BE16(0x4000) +
			      RTE_BE16(64 << 8 | IPPROTO_TCP)));
	store32(ip + 12, from);
	store32(ip + 16, to);
	store32(tcp, ports);
	store32(tcp + 4, seq);
	store32(tcp + 8, ack);
	store32(tcp + 12, offset);
	store16(tcp + 16,
		fold(addresses + RTE_BE16(IPPROTO_TCP) + l4 + ports + seq + ack + offset + data));
	store16(tcp + 18, 0);
	store32(tcp + 20, data);
	store16(tcp + 24, 0);
}

static void emit(struct gen *g, uint32_t index, const struct step *s, uint8_t *frame)
{
	struct conn *c = &g->conn[index];

	write_packet(frame, c, index, s);
	c->next[s->of] += s->data ? DATA : (s->flags & (SYN | FIN)) != 0;
	g->count.made++;
}

static void begin(struct gen *g, uint32_t index)
{
	struct conn *c = &g->conn[index];

	packets_client(g->client++, &c->client, &c->client_port);
	c->service = packets_service(index % PACKETS_SERVICES);
	c->next[CLIENT] = index;
	c->next[SERVER] = ISN_REPLY | index;
	c->placed = false;
	g->count.begun++;
}

// ---- whole connections -------------------------------------------------------------------------

static void next_whole(struct gen *g, uint8_t *frame)
{
	uint32_t mask = g->conf.connections - 1;

	for (;;) {
		uint64_t turn = g->turn, back = (uint64_t)g->step * g->conf.apart;
		uint32_t index = (uint32_t)(turn - back) & mask;
		struct conn *c = &g->conn[index];
		unsigned step = g->step;

		__builtin_prefetch(&g->conn[(index + 2) & mask], 1); // in two turns
		if (++g->step == GEN_PACKETS) {
			g->step = 0;
			g->turn++;
		}
		if (turn < back)
			continue; // not so many have begun yet
		if (step == 0)
			begin(g, index);
		else if (!c->placed) {
			g->count.lost += step == 1;
			continue;
		}
		emit(g, index, &whole[step], frame);
		g->count.ended += step == GEN_PACKETS - 1;
		return;
	}
}

// ---- open flows --------------------------------------------------------------------------------

// Packet `at` of a round: an odd multiplier permutes the numbers below a power of two.
static uint32_t scattered(const struct gen *g, uint32_t at)
{
	return (at * UINT32_C(2654435761) + g->round) & (g->conf.connections - 1);
}

static void next_flow(struct gen *g, uint8_t *frame)
{
	static const struct step data[2] = {{CLIENT, ACK | PSH, 1}, {SERVER, ACK | PSH, 1}};
	uint32_t index = g->phase < 3 ? g->at : scattered(g, g->at);
	struct conn *c = &g->conn[index];

	if (g->phase == 0)
		begin(g, index);
	if (g->phase == 3) {
		// The same bytes again and again, so that both sequence numbers stay where they are.
		uint32_t next[2] = {c->next[CLIENT], c->next[SERVER]};

		__builtin_prefetch(&g->conn[scattered(g, g->at + 32)], 1);
		emit(g, index, &data[((index * UINT32_C(0x9e3779b1)) >> 31 ^ g->round) & 1], frame);
		memcpy(c->next, next, sizeof(next));
	} else if (g->phase == 0 || c->placed) {
		emit(g, index, &whole[g->phase], frame);
	} else {
		// Its SYN is lost: another one, which does no harm to the flow.
		g->count.lost++;
		c->next[CLIENT] = index;
		emit(g, index, &whole[0], frame);
	}
	if (++g->at < g->conf.connections)
		return;
	g->at = 0;
	if (g->phase < 3)
		g->phase++;
	else
		g->round++;
}

bool gen_opened(const struct gen *g)
{
	return g->phase == 3 && g->round > 0;
}

void gen_next(struct gen *g, uint8_t *frame)
{
	if (g->conf.mode == GEN_WHOLE)
		next_whole(g, frame);
	else
		next_flow(g, frame);
}

// ---- what leaves -------------------------------------------------------------------------------

static uint64_t sum_words(const uint8_t *p, unsigned bytes)
{
	uint64_t s = 0;
	uint16_t w;

	for (unsigned i = 0; i < bytes; i += 2) {
		memcpy(&w, p + i, 2);
		s += w;
	}
	return s;
}

static bool is_right(const uint8_t *ip, const uint8_t *tcp)
{
	unsigned len = ((unsigned)ip[2] << 8 | ip[3]) - 20;
	rte_be32_t service = packets_service(0);
	bool from_service = memcmp(ip + 12, &service, 3) == 0;

	if (len != 20 && len != 20 + DATA)
		return false;
	if (fold(sum_words(ip, 20)) != 0 ||
	    fold(sum_words(ip + 12, 8) + RTE_BE16(IPPROTO_TCP) + rte_cpu_to_be_16((uint16_t)len) +
		 sum_words(tcp, len)) != 0)
		return false;
	if (ip[8] != 63)
		return false;
	// Towards clients it comes from the service; towards servers it goes to their port.
	return from_service ? memcmp(tcp, &(rte_be16_t){PACKETS_SERVICE_PORT}, 2) == 0
			    : memcmp(tcp + 2, &(rte_be16_t){PACKETS_SERVER_PORT}, 2) == 0;
}

bool gen_seen(struct gen *g, const uint8_t *frame, size_t len, bool check)
{
	const uint8_t *ip = frame + 14, *tcp = ip + 20;

	if (len < 54 || ip[0] != 0x45 || ip[9] != IPPROTO_TCP)
		return false;
	if ((tcp[13] & (SYN | ACK)) == SYN) {
		uint32_t index = rte_be_to_cpu_32(load32(tcp + 4));
		struct conn *c;

		if (index >= g->conf.connections)
			return false;
		c = &g->conn[index];
		c->local = load32(ip + 12);
		c->server = load32(ip + 16);
		memcpy(&c->local_port, tcp, 2);
		c->placed = true;
	}
	g->count.seen++;
	if (check) {
		g->count.checked++;
		g->count.wrong += !is_right(ip, tcp);
	}
	return true;
}
