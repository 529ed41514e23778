// SPDX-License-Identifier: BSD-3-Clause
//
// id - identifications for the datagrams that leave in fragments (RFC 791 section 3.2, RFC 8200 section 4.5).
//
// Behind one local address clients that know nothing of each other may choose the same identification,
// and the receiver would join their pieces. So every datagram in fragments gets a fresh one: from a counter
// by destination (hashed, as hosts do it), or from one for all where the destination is not known yet; the
// lowest bit keeps the two apart, and each worker counts through a share of its own. Counters start
// anywhere, so that a restart does not repeat what is still under way.
//
// RFC 6864: an IPv4 identification may come again after 65,536 datagrams of one pair; here, with n
// workers, after 32,767 / n.
#pragma once

#include <stdint.h>
#include <string.h>

#define FRAG_IDS 1024 // counters of a worker, power of two

struct frag_ids {
	uint16_t worker;
	uint16_t workers;
	uint32_t any;
	uint32_t next[FRAG_IDS];
};

// seed: any number that differs from run to run. workers: 1 .. 256
static inline void frag_ids_init(struct frag_ids *ids, unsigned worker, unsigned workers,
				 uint64_t seed)
{
	ids->worker = (uint16_t)worker;
	ids->workers = (uint16_t)workers;
	ids->any = (uint32_t)seed;
	for (unsigned i = 0; i < FRAG_IDS; i++) {
		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		ids->next[i] = (uint32_t)(seed >> 32);
	}
}

// The next number towards a destination (16 bytes, IPv4 in the first four and the rest zero), or towards
// any. frag_id4() and frag_id6() make the identification of it. Thread: owner worker
static inline uint32_t frag_next_to(struct frag_ids *ids, const uint8_t addr[16])
{
	uint64_t a, b;

	memcpy(&a, addr, 8);
	memcpy(&b, addr + 8, 8);
	a = (a ^ b * UINT64_C(0xff51afd7ed558ccd)) * UINT64_C(0x9e3779b97f4a7c15);
	return ids->next[(a >> 40) & (FRAG_IDS - 1)]++ << 1;
}

static inline uint32_t frag_next_any(struct frag_ids *ids)
{
	return ids->any++ << 1 | 1;
}

// IPv4: 1 .. 65,535 (0 is left out: some take it for none), of this worker's share.
static inline uint16_t frag_id4(const struct frag_ids *ids, uint32_t next)
{
	uint32_t share = (UINT16_MAX / ids->workers) & ~1U;

	return (uint16_t)(1 + next % share * ids->workers + ids->worker);
}

static inline uint32_t frag_id6(const struct frag_ids *ids, uint32_t next)
{
	uint32_t share = (UINT32_MAX / ids->workers) & ~1U;

	return 1 + next % share * ids->workers + ids->worker;
}
