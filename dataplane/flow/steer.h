// SPDX-License-Identifier: BSD-3-Clause
//
// steer - which worker owns a packet. The one place that decides it, the same in every stage.
//
//	client     hash of client address and port. A packet to a service is the client's by its source, a
//	           reply of a NAT server by its destination: both directions come out alike. Where RSS is
//	           known and the service is FULLNAT: the worker on whose queue the packet lands anyway
//	local      reply to a FULLNAT local address. RSS known: the worker on whose queue it lands (rss.h),
//	           for the local port was chosen so. Unknown: the local port modulo FLOW_STEER_SLOTS names
//	           a slot, a slot names a worker. A worker chooses only ports that name it
//	ICMP error owner of the inner packet turned round, as if the answer to it had come
//	fragments  hash of source, destination and id collects the pieces at one worker; put together, the
//	           packet goes to the owner of its tuple
//
// Whatever queue a packet came on, it goes to its owner, if need be by a hand-over ring (handover.h). The
// app knows which case a packet is (apps/lb/worker/lb_steer.c).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_byteorder.h>

#include "dataplane/flow/rss.h"

#define FLOW_STEER_SLOTS 256 // power of two

struct flow_steer {
	uint16_t workers;               // 1 or more
	uint8_t slot[FLOW_STEER_SLOTS]; // worker of a local port modulo FLOW_STEER_SLOTS
	const struct flow_rss *rss;     // NULL: not known
};

// Slots in turn; RSS unknown. workers: 1 .. 256. Thread: control, before workers read it
static inline void flow_steer_init(struct flow_steer *s, uint16_t workers)
{
	s->workers = workers;
	s->rss = NULL;
	for (unsigned i = 0; i < FLOW_STEER_SLOTS; i++)
		s->slot[i] = (uint8_t)(i % workers);
}

static inline uint32_t flow_steer_mix(uint64_t v)
{
	v *= UINT64_C(0xff51afd7ed558ccd);
	v ^= v >> 33;
	v *= UINT64_C(0xc4ceb9fe1a85ec53);
	return (uint32_t)(v >> 32);
}

static inline unsigned flow_steer_spread(const struct flow_steer *s, uint32_t hash)
{
	return (unsigned)(((uint64_t)hash * s->workers) >> 32);
}

// Owner of a local port (host order) where RSS is not known. Thread: any
static inline unsigned flow_steer_port_owner(const struct flow_steer *s, uint16_t port)
{
	return s->slot[port & (FLOW_STEER_SLOTS - 1)];
}

static inline bool flow_steer_port_mine(const struct flow_steer *s, uint16_t port, unsigned worker)
{
	return flow_steer_port_owner(s, port) == worker;
}

// Has every worker a local port within min .. max (host order), RSS not known? Thread: control
static inline bool flow_steer_serves(const struct flow_steer *s, uint16_t min, uint16_t max)
{
	bool seen[FLOW_STEER_SLOTS] = {false};
	unsigned count = 0;

	for (uint32_t port = min; port <= max && count < s->workers; port++) {
		unsigned w = flow_steer_port_owner(s, (uint16_t)port);

		count += !seen[w];
		seen[w] = true;
	}
	return count == s->workers;
}

static inline uint64_t flow_steer_fold6(const uint8_t addr[16])
{
	uint64_t w[2];

	__builtin_memcpy(w, addr, 16);
	return w[0] * UINT64_C(0x9e3779b97f4a7c15) + w[1];
}

static inline uint64_t flow_steer_fold(uint8_t family, const uint8_t *addr)
{
	uint32_t v4;

	if (family == 6)
		return flow_steer_fold6(addr);
	__builtin_memcpy(&v4, addr, 4);
	return v4;
}

// What of a packet decides: filled in by the stage that holds it.
enum flow_steer_side {
	FLOW_STEER_CLIENT, // by the client: addr, port = the client's
	FLOW_STEER_SERVER, // to a local address: port = the local port, the rest where RSS is known
	FLOW_STEER_TUPLE,  // to a FULLNAT service: as RSS has it where known, else by the client
};

struct flow_steer_packet {
	enum flow_steer_side side;
	uint8_t family;
	rte_be16_t port; // CLIENT, TUPLE: the client's; SERVER: the local port
	rte_be16_t peer_port;
	uint64_t addr;            // CLIENT, TUPLE: the client's, folded by flow_steer_fold()
	const uint8_t *src, *dst; // SERVER, TUPLE where RSS is known: of the packet
};

static inline unsigned flow_steer_client(const struct flow_steer *s, uint64_t addr, rte_be16_t port)
{
	return flow_steer_spread(s, flow_steer_mix(addr ^ ((uint64_t)port << 48)));
}

// Returns: index of the worker, less than s->workers. Pure. Thread: any
static inline unsigned flow_steer_owner(const struct flow_steer *s,
					const struct flow_steer_packet *p)
{
	if (s->workers == 1)
		return 0;
	if (p->side == FLOW_STEER_CLIENT || (p->side == FLOW_STEER_TUPLE && s->rss == NULL))
		return flow_steer_client(s, p->addr, p->port);
	if (s->rss == NULL)
		return flow_steer_port_owner(s, rte_be_to_cpu_16(p->port));
	if (p->side == FLOW_STEER_SERVER)
		return flow_rss_worker(s->rss, flow_rss_hash(s->rss, p->family, p->src, p->dst,
							     p->peer_port, p->port));
	return flow_rss_worker(
		s->rss, flow_rss_hash(s->rss, p->family, p->src, p->dst, p->port, p->peer_port));
}

// Who collects the fragments of a datagram. id: IPv4 identification or that of the fragment header, as in
// the packet. Thread: any
static inline unsigned flow_steer_fragment(const struct flow_steer *s, uint8_t family,
					   const uint8_t *src, const uint8_t *dst, uint32_t id)
{
	uint64_t v = flow_steer_fold(family, src) * UINT64_C(0x9e3779b97f4a7c15) +
		     flow_steer_fold(family, dst);

	return s->workers == 1 ? 0 : flow_steer_spread(s, flow_steer_mix(v ^ (uint64_t)id << 32));
}
