// SPDX-License-Identifier: BSD-3-Clause
//
// lb_fake - a world for the worker of sluice-lb: one port, packets in, verdicts out, a small snapshot. Time,
// routes, scheduler and everything that sends are fakes; parser, flow table, rewrite and answers are real.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "apps/lb/worker/lb_priv.h"

enum fake_fate { FATE_NONE, FATE_FORWARD, FATE_ANSWER, FATE_PUNT, FATE_DROP, FATE_HANDED };

struct fake_packet {
	alignas(64) struct rte_mbuf m;
	uint8_t buf[128 + 600];
	enum fake_fate fate;
	enum drop_reason reason;
	uint16_t nexthop;
};

enum {                    // slots
	FAKE_SERVERS = 3, // IPv4 10.1.0.1 .. 3 port 8080, slots 0 .. 2
	FAKE_SERVER6 = 3, // IPv6 2001:db8:1::4 port 8080, slot 3
	FAKE_TCP = 0,     // 192.0.2.1:80
	FAKE_UDP = 1,     // 192.0.2.1:53
	FAKE_TCP6 = 2,    // 2001:db8::1 port 80
	FAKE_TWIN = 3,    // 192.0.2.1:80 in another context, in the same chain as FAKE_TCP
	FAKE_NAT = 4,     // 192.0.2.1:81, NAT, without a local pool as the following
	FAKE_NAT_B = 5,   // 192.0.2.1:82
	FAKE_NAT_UDP = 6, // 192.0.2.1:81
	FAKE_NAT6 = 7,    // 2001:db8::1 port 81
};
enum { FAKE_HOP_SERVER = 1, FAKE_HOP_CLIENT = 2, FAKE_HOP_OTHER = 3 };

extern struct fake_world {
	struct worker w;
	struct lb_worker *lw;
	struct port port;
	struct lb_rx rx;
	struct publish publish;
	struct lb_snapshot snap;
	struct lb_pool pool, pool6;
	struct lb_local_pool local;
	struct lb_local_address local4[2], local6[1];
	struct lb_server server[LB_CHUNK];
	struct lb_service service[8];
	uint32_t picks;
	bool answers_allowed;
	bool node_has_it;      // every address is one of the kernel's own
	uint16_t route_server; // next hop given for servers
	struct fake_packet *in[LB_BURST];
	unsigned in_count;
	struct fake_packet *handed[LB_BURST]; // to another worker, in their order
	unsigned handed_count;
} world;

// A fresh world with a table of max flows. 192.0.2.1 and 2001:db8::1 are service addresses, 198.51.100.1
// and .2 and 2001:db8:2::1 local ones, ports 1000 .. 1999.
void fake_start(uint32_t max);
// As fake_stop() and fake_start() together, with the same table, empty, and later on the clock.
void fake_again(void);
void fake_stop(void);
void fake_forget_packets(void); // for tests of many: all so far are freed
void fake_changed(void);        // the snapshot was edited: give it a new serial

// One client packet: client number c (address and port), to a service slot; TCP flags ignored for UDP.
struct fake_packet *fake_client(unsigned service, unsigned c, uint8_t tcp_flags);
// The server's reply to a forwarded packet.
struct fake_packet *fake_reply(const struct fake_packet *forwarded, uint8_t tcp_flags);
// Give a TCP packet (not yet run) other numbers than those behind SYNs of number 0. Returns p.
struct fake_packet *fake_numbers(struct fake_packet *p, uint32_t seq, uint32_t ack);
// Any bytes.
struct fake_packet *fake_frame(const void *bytes, unsigned len);
// Run all queued packets as one burst. Packets stay readable until fake_stop().
void fake_burst(void);
// Send what waits in the fake ports' buffers; fake_burst() does.
void fake_flush(void);
// Fix checksums of a frame that was edited.
void fake_checksums(struct fake_packet *p);
// Are addresses, ports and all checksums of a forwarded packet as they must be?
void fake_check_checksums(const struct fake_packet *p);

static inline uint8_t *fake_bytes(const struct fake_packet *p)
{
	return rte_pktmbuf_mtod(&p->m, uint8_t *);
}

// Sum of all classes of the worker's counters.
void fake_check_sum(void);

#define ASSERT_DROPPED(p, why)                                                                     \
	do {                                                                                       \
		assert_int_equal((p)->fate, FATE_DROP);                                            \
		assert_int_equal((p)->reason, DROP_##why);                                         \
	} while (0)

// For cmocka: fake_start(1024) and fake_stop().
int fake_setup(void **state);
int fake_teardown(void **state);
// A SYN of client c; the packet that went to the server.
struct fake_packet *fake_open(unsigned service, unsigned c);
// A whole handshake of FAKE_TCP. Returns its SYN
struct fake_packet *fake_establish(unsigned c);

// Two bytes in wire order.
static inline unsigned fake_port_at(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static inline const struct lb_counters *fake_server_count(unsigned slot)
{
	return lb_worker_server_counters(world.lw, slot);
}

static inline const struct lb_counters *fake_service_count(unsigned slot)
{
	return lb_worker_service_counters(world.lw, slot);
}
