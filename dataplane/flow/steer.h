// SPDX-License-Identifier: BSD-3-Clause
//
// steer - which worker owns a packet. The one place that decides it, the same in every stage.
//
//	client side    hash of client address and port; a reply to the client is never steered
//	server side    the local port: modulo FLOW_STEER_SLOTS it names a slot, a slot names a worker. A
//	               worker chooses only local ports that name it (flow_steer_port_mine)
//
// Whatever queue a packet came on, it goes to its owner, if need be by a hand-over ring (handover.h).
// Fragments and ICMP errors are of no flow here: whoever receives them deals with them.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_byteorder.h>

#define FLOW_STEER_SLOTS 256 // power of two

struct flow_steer {
	uint16_t workers;               // 1 or more
	uint8_t slot[FLOW_STEER_SLOTS]; // worker of a local port modulo FLOW_STEER_SLOTS
};

// Slots in turn. workers: 1 .. 256. Thread: control, before workers read it
static inline void flow_steer_init(struct flow_steer *s, uint16_t workers)
{
	s->workers = workers;
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

// Owner of a local port (host order). Thread: any
static inline unsigned flow_steer_port_owner(const struct flow_steer *s, uint16_t port)
{
	return s->slot[port & (FLOW_STEER_SLOTS - 1)];
}

static inline bool flow_steer_port_mine(const struct flow_steer *s, uint16_t port, unsigned worker)
{
	return flow_steer_port_owner(s, port) == worker;
}

// What of a packet decides: filled in by the stage that holds it.
enum flow_steer_side {
	FLOW_STEER_CLIENT, // to a service: addr, port = the client's
	FLOW_STEER_SERVER, // to a local address: port = the local port; addr unused
};

struct flow_steer_packet {
	enum flow_steer_side side;
	uint64_t addr; // IPv4: the address; IPv6: both halves folded by flow_steer_fold6()
	rte_be16_t port;
};

static inline uint64_t flow_steer_fold6(const uint8_t addr[16])
{
	uint64_t w[2];

	__builtin_memcpy(w, addr, 16);
	return w[0] * UINT64_C(0x9e3779b97f4a7c15) + w[1];
}

// Returns: index of the worker, less than s->workers. Pure. Thread: any
static inline unsigned flow_steer_owner(const struct flow_steer *s,
					const struct flow_steer_packet *p)
{
	if (s->workers == 1)
		return 0;
	if (p->side == FLOW_STEER_SERVER)
		return flow_steer_port_owner(s, rte_be_to_cpu_16(p->port));
	return (unsigned)(((uint64_t)flow_steer_mix(p->addr ^ ((uint64_t)p->port << 48)) *
			   s->workers) >>
			  32);
}
