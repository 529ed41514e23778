// SPDX-License-Identifier: BSD-3-Clause
//
// rss - what a NIC's receive-side scaling does, in software: the Toeplitz hash of a packet's addresses and
// ports, and the worker behind each entry of the redirection table. Used where the devices' key and table
// are known (port_rss_known()), so that a flow's packets arrive where they belong.
//
// The hash is linear: the hash of a tuple is the XOR of the shares of its bytes. So the share of every
// byte value in every place is tabulated (no shifting of keys per packet), and the local ports are sorted
// once by the low bits of their share: for a server, a local address and a wanted entry of the table, one
// XOR names the bucket whose ports all land there (flow_rss_port()).
//
// Sources: Toeplitz hash as in Microsoft's "RSS hashing types" and DPDK's rte_thash; input in network
// order: source address, destination address, source port, destination port.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_byteorder.h>

#define FLOW_RSS_KEY   40  // bytes: enough for two IPv6 addresses and two ports
#define FLOW_RSS_SLOTS 512 // entries of the redirection table at most

struct flow_rss_ports {       // local ports by the low bits of their share
	uint16_t port[65536]; // host order, ascending within a bucket
	uint32_t start[FLOW_RSS_SLOTS + 1];
};

struct flow_rss {         // immutable
	uint32_t mask;    // slots - 1
	uint16_t workers; // of which every one has a slot
	uint8_t worker[FLOW_RSS_SLOTS];
	uint16_t own_count[256];               // slots of each worker
	uint16_t own[256][FLOW_RSS_SLOTS];     // which they are
	uint32_t share[FLOW_RSS_KEY - 4][256]; // of a byte in a place; IPv4 tuples use the first 12
	struct flow_rss_ports ports4, ports6;
};

// Tabulate. worker[slots]: behind each entry of the redirection table; slots: a power of two.
// Returns: 0 and *out. Errors: -EINVAL slots, or a worker without a slot; -ENOMEM. Thread: control
int flow_rss_create(const uint8_t key[FLOW_RSS_KEY], const uint8_t *worker, unsigned slots,
		    uint16_t workers, struct flow_rss **out);
void flow_rss_destroy(struct flow_rss *r);

// Hash of `n` bytes that stand at place `at` of the input.
static inline uint32_t flow_rss_bytes(const struct flow_rss *r, unsigned at, const uint8_t *bytes,
				      unsigned n)
{
	uint32_t hash = 0;

	for (unsigned i = 0; i < n; i++)
		hash ^= r->share[at + i][bytes[i]];
	return hash;
}

static inline uint32_t flow_rss_be16(const struct flow_rss *r, unsigned at, rte_be16_t v)
{
	uint8_t b[2];

	__builtin_memcpy(b, &v, 2);
	return r->share[at][b[0]] ^ r->share[at + 1][b[1]];
}

// Of a whole tuple, as a NIC would. family: 4 or 6. Thread: any
static inline uint32_t flow_rss_hash(const struct flow_rss *r, uint8_t family, const uint8_t *src,
				     const uint8_t *dst, rte_be16_t sport, rte_be16_t dport)
{
	unsigned n = family == 4 ? 4 : 16;

	return flow_rss_bytes(r, 0, src, n) ^ flow_rss_bytes(r, n, dst, n) ^
	       flow_rss_be16(r, 2 * n, sport) ^ flow_rss_be16(r, 2 * n + 2, dport);
}

static inline unsigned flow_rss_worker(const struct flow_rss *r, uint32_t hash)
{
	return r->worker[hash & r->mask];
}

// The turn-th local port within min .. max (host order, min 1 or more) whose replies land on `worker`.
// rest: hash of the reply's other parts (flow_rss_hash with destination port 0 is it: a zero has no
// share). As turn grows all such ports come up before one comes again, but for the last round of buckets
// that hold one port fewer than others.
// Returns: the port; 0 if there is none. Thread: any
uint16_t flow_rss_port(const struct flow_rss *r, uint8_t family, uint32_t rest, unsigned worker,
		       uint16_t min, uint16_t max, uint32_t turn);

// Has every worker a local port within min .. max, whatever the rest of the tuple is? Thread: control
bool flow_rss_serves(const struct flow_rss *r, uint8_t family, uint16_t min, uint16_t max);
