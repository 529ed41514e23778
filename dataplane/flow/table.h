// SPDX-License-Identifier: BSD-3-Clause
//
// table - look-up in the flow table, inline and in three steps, so that a burst runs each step over all
// its packets: flow_key*() hashes and prefetches the bucket, flow_probe() matches tags and prefetches
// the entry, flow_find() compares.
//
// A tuple's home is its first bucket; only when that is full does it go to its second (or the stash),
// and the first one's `away` count says so. So a look-up reads one bucket for nearly all flows, and a
// miss in a bucket with away = 0 is final. Memory order of tags and entries needs no care: one thread.
#pragma once

#include <string.h>

#include <emmintrin.h>

#include <rte_prefetch.h>

#include "dataplane/flow/flow.h"

#define FLOW_BUCKET_WAYS 10
#define FLOW_STASH       256
#define FLOW_DIR_BIT     UINT32_C(0x80000000) // in a bucket's index: the server-side tuple

struct flow_bucket {
	alignas(64) uint16_t tag[FLOW_BUCKET_WAYS]; // 0: empty
	uint16_t away;                  // tuples whose home is here but that stand elsewhere
	uint16_t stashed;               // of which in the stash
	uint32_t ref[FLOW_BUCKET_WAYS]; // index | FLOW_DIR_BIT
};
static_assert(sizeof(struct flow_bucket) == 64, "one line");

struct flow_stash {
	uint64_t hash;
	uint32_t ref;
	uint32_t zero;
};

struct flow_table {
	// read by every look-up
	struct flow_bucket *bucket;
	struct flow *flow;
	struct flow_cold *cold;
	struct flow_key6 *key6;
	uint64_t seed[4];
	uint32_t buckets;
	uint32_t max, max6;
	uint32_t stash_count;
	// written by insert, delete, age
	alignas(64) uint32_t free4; // list of free entries max6 .. max - 1
	uint32_t free6;             // and of 0 .. max6 - 1, those with a key line
	uint32_t count;
	uint32_t wheel_at; // slot number, not yet taken modulo, that is being emptied
	uint32_t timeout[FLOW_STATE_COUNT];
	uint32_t *wheel; // heads
	struct flow_stash *stash;
	// rarely
	void *map;
	uint64_t map_bytes;
	int fd;
};

// A packet's tuple, source first, and the state of its look-up.
struct flow_key {
	uint64_t hash;
	union {
		uint64_t addr4;       // source, destination as in the packet
		const uint8_t *addr6; // 32 bytes: likewise, borrowed from the packet
	};
	uint32_t ports; // source, destination as in the packet
	uint32_t meta;  // context | proto << 16 | IPv6 << 24
	uint32_t mask;  // ways with this tag
	uint32_t ref;   // first candidate
};

#define FLOW_META_IPV6 (UINT32_C(1) << 24)

static inline uint64_t flow_mum(uint64_t a, uint64_t b)
{
	unsigned __int128 p = (unsigned __int128)a * b;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static inline uint64_t flow_hash4(const struct flow_table *t, uint64_t addrs, uint32_t ports,
				  uint32_t meta)
{
	uint64_t h = flow_mum(addrs ^ t->seed[0], (ports | (uint64_t)meta << 32) ^ t->seed[1]);

	return flow_mum(h ^ t->seed[2], t->seed[3]);
}

static inline uint64_t flow_hash6(const struct flow_table *t, const uint8_t *src,
				  const uint8_t *dst, uint32_t ports, uint32_t meta)
{
	uint64_t s[2], d[2], h;

	memcpy(s, src, 16);
	memcpy(d, dst, 16);
	h = flow_mum(s[0] ^ t->seed[0], s[1] ^ t->seed[1]);
	h = flow_mum(d[0] ^ h, d[1] ^ t->seed[2]);
	return flow_mum(h ^ (ports | (uint64_t)meta << 32), t->seed[3] ^ h);
}

static inline uint32_t flow_home(const struct flow_table *t, uint64_t hash)
{
	return (uint32_t)(((hash & UINT32_MAX) * t->buckets) >> 32);
}

static inline uint32_t flow_second(const struct flow_table *t, uint64_t hash)
{
	return (uint32_t)(((hash >> 32) * t->buckets) >> 32);
}

// Low bits of both halves: the buckets are chosen by their high bits.
static inline uint16_t flow_tag(uint64_t hash)
{
	uint16_t tag = (uint16_t)(hash ^ (hash >> 32));

	return tag != 0 ? tag : 1;
}

static inline uint32_t flow_meta(uint16_t context, uint8_t proto, bool ipv6)
{
	return context | (uint32_t)proto << 16 | (ipv6 ? FLOW_META_IPV6 : 0);
}

// Step 1. addrs: the 8 bytes of both addresses; ports: the 4 bytes of both ports, as in the packet.
static inline void flow_key4(const struct flow_table *t, struct flow_key *k, uint64_t addrs,
			     uint32_t ports, uint16_t context, uint8_t proto)
{
	k->addr4 = addrs;
	k->ports = ports;
	k->meta = flow_meta(context, proto, false);
	k->hash = flow_hash4(t, addrs, ports, k->meta);
	rte_prefetch0(&t->bucket[flow_home(t, k->hash)]);
}

// addrs: 32 bytes, source and destination, that outlive the look-up.
static inline void flow_key6(const struct flow_table *t, struct flow_key *k, const uint8_t *addrs,
			     uint32_t ports, uint16_t context, uint8_t proto)
{
	k->addr6 = addrs;
	k->ports = ports;
	k->meta = flow_meta(context, proto, true);
	k->hash = flow_hash6(t, addrs, addrs + 16, ports, k->meta);
	rte_prefetch0(&t->bucket[flow_home(t, k->hash)]);
}

// Ways of a bucket that hold this tag, as bits.
static inline uint32_t flow_bucket_match(const struct flow_bucket *b, uint16_t tag)
{
	const __m128i want = _mm_set1_epi16((short)tag);
	__m128i lo = _mm_load_si128((const __m128i *)(const void *)b);
	__m128i hi =
		_mm_load_si128((const __m128i *)(const void *)b + 1); // two tags and what follows

	lo = _mm_packs_epi16(_mm_cmpeq_epi16(lo, want), _mm_cmpeq_epi16(hi, want));
	return (uint32_t)_mm_movemask_epi8(lo) & ((1U << FLOW_BUCKET_WAYS) - 1);
}

// Step 2.
static inline void flow_probe(const struct flow_table *t, struct flow_key *k)
{
	const struct flow_bucket *b = &t->bucket[flow_home(t, k->hash)];

	k->mask = flow_bucket_match(b, flow_tag(k->hash));
	if (__builtin_expect(k->mask != 0, 1)) {
		k->ref = b->ref[__builtin_ctz(k->mask)];
		rte_prefetch0(&t->flow[k->ref & ~FLOW_DIR_BIT]);
		if (k->meta & FLOW_META_IPV6)
			rte_prefetch0(&t->key6[k->ref & ~FLOW_DIR_BIT]);
	} else if (b->away != 0) {
		k->ref = 0; // flow_probe_second() has something to do
		rte_prefetch0(&t->bucket[flow_second(t, k->hash)]);
	} else {
		k->ref = FLOW_NONE;
	}
}

// Step 2 for a tuple away from home: match tags of the second bucket and prefetch that entry. Optional: it
// saves flow_find() from waiting twice.
static inline void flow_probe_second(const struct flow_table *t, struct flow_key *k)
{
	const struct flow_bucket *b;

	if (k->mask != 0 || k->ref == FLOW_NONE)
		return;
	b = &t->bucket[flow_second(t, k->hash)];
	k->mask = flow_bucket_match(b, flow_tag(k->hash));
	if (k->mask != 0) {
		k->ref = b->ref[__builtin_ctz(k->mask)];
		rte_prefetch0(&t->flow[k->ref & ~FLOW_DIR_BIT]);
	}
}

static inline uint64_t flow_load64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

static inline uint32_t flow_load32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static inline uint64_t flow_turn64(uint64_t v)
{
	return v << 32 | v >> 32;
}

static inline uint32_t flow_turn32(uint32_t v)
{
	return v << 16 | v >> 16;
}

// Hide from the compiler what values x may have: it would make a branch of an arithmetic selection, which no
// predictor gets right where x is the direction of packets.
#define FLOW_OPAQUE(x) __asm__("" : "+r"(x))

// Both addresses and both ports of one side, as a packet of that side carries them.
static inline uint64_t flow_addr4(const struct flow *f, uint32_t ref)
{
	size_t dir = ref >> 31;

	FLOW_OPAQUE(dir);
	return flow_load64((const uint8_t *)f + 8 * dir); // client, or server
}

static inline uint32_t flow_ports(const struct flow *f, uint32_t ref)
{
	size_t dir = ref >> 31;

	FLOW_OPAQUE(dir);
	return flow_load32((const uint8_t *)&f->client_port + 4 * dir);
}

static inline bool flow_same6(const struct flow_key6 *l, uint32_t dir_bit, const uint8_t *addrs)
{
	if (dir_bit)
		return memcmp(l->server_addr, addrs, 16) == 0 &&
		       memcmp(l->local, addrs + 16, 16) == 0;
	return memcmp(l->client, addrs, 32) == 0;
}

// Is entry `ref` the flow of this packet, in the direction that ref says?
static inline bool flow_same(const struct flow_table *t, uint32_t ref, const struct flow_key *k)
{
	const struct flow *f = &t->flow[ref & ~FLOW_DIR_BIT];
	uint32_t dir_bit = ref & FLOW_DIR_BIT;
	uint32_t meta = flow_load32(&f->context) & 0xffffff;

	if (meta != (k->meta & 0xffffff) || flow_ports(f, dir_bit) != k->ports ||
	    (f->flags & (FLOW_F_VALID | FLOW_F_IPV6)) !=
		    (FLOW_F_VALID | (k->meta & FLOW_META_IPV6 ? FLOW_F_IPV6 : 0)))
		return false;
	if (k->meta & FLOW_META_IPV6)
		return flow_same6(&t->key6[ref & ~FLOW_DIR_BIT], dir_bit, k->addr6);
	return flow_addr4(f, dir_bit) == k->addr4;
}

// The rest of a look-up whose first candidate was not it. Thread: owner worker
uint32_t flow_find_rest(const struct flow_table *t, const struct flow_key *k);

// Step 3. Returns: index | FLOW_DIR_BIT if it is the server-side tuple; FLOW_NONE.
// Also right when flows came or went after flow_probe().
static inline uint32_t flow_find(const struct flow_table *t, const struct flow_key *k)
{
	if (__builtin_expect(k->mask != 0 && flow_same(t, k->ref, k), 1))
		return k->ref;
	return flow_find_rest(t, k);
}

// All steps at once.
static inline uint32_t flow_lookup(const struct flow_table *t, struct flow_key *k)
{
	flow_probe(t, k);
	return flow_find(t, k);
}

static inline struct flow *flow_at(const struct flow_table *t, uint32_t index)
{
	return &t->flow[index & ~FLOW_DIR_BIT];
}

// A small count has run over: carry it into the cold part. Thread: owner worker
void flow_carry_packets(const struct flow_table *t, uint32_t index, enum flow_dir dir);
void flow_carry_bytes(const struct flow_table *t, uint32_t index, enum flow_dir dir);

// Count a packet of at most 65,535 bytes. The small counts carry into the cold part now and then.
static inline void flow_count_packet(const struct flow_table *t, uint32_t index, struct flow *f,
				     enum flow_dir dir, uint16_t bytes)
{
	if (__builtin_expect(++f->packets[dir] == 0, 0))
		flow_carry_packets(t, index, dir);
	if (__builtin_expect(__builtin_add_overflow(f->bytes[dir], bytes, &f->bytes[dir]), 0))
		flow_carry_bytes(t, index, dir);
}

// Hashes of the two tuples of a filled entry.
uint64_t flow_hash_of(const struct flow_table *t, uint32_t index, uint32_t dir_bit);
