// SPDX-License-Identifier: BSD-3-Clause
//
// table_check - is a flow table whole? Used by all tests of this folder after whatever they did.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/flow/flow_priv.h"

#define CHECK_PROTO_TCP 6
#define CHECK_PROTO_UDP 17

// Flow number n, unlike every other number's: both tuples follow from it.
static inline void check_fill(struct flow_table *t, uint32_t index, uint32_t n, bool ipv6,
			      uint32_t now)
{
	struct flow *f = &t->flow[index];
	struct flow_key6 *k = &t->key6[index];
	uint32_t words[4][4] = {{0x20010db8, 1, 2, n},
				{0x20010db8, 7, 0, 1},
				{0x20010db8, 9, 0, n},
				{0x20010db8, 8, 3, 4}};

	memset(f, 0, sizeof(*f));
	f->client_port = (rte_be16_t)(n * 7);
	f->service_port = 80;
	f->local_port = (rte_be16_t)((n & 0xff) + 1);
	f->server_port = 8080;
	f->context = (uint16_t)(n % 3);
	f->proto = n % 5 == 0 ? CHECK_PROTO_UDP : CHECK_PROTO_TCP;
	f->state = n % 5 == 0 ? FLOW_UDP : FLOW_TCP_SYN;
	f->last_seen = now;
	f->server = n;
	t->cold[index].created = n;
	if (ipv6) {
		f->flags = FLOW_F_IPV6;
		f->client = index;
		memcpy(k->client, words[0], 16);
		memcpy(k->service_addr, words[1], 16);
		memcpy(k->local, words[2], 16);
		memcpy(k->server_addr, words[3], 16);
		return;
	}
	f->client = n;
	f->service_addr = 0x01020304;
	f->local = n ^ 0x55aa0000;
	f->server_addr = 0x0a0b0c0d;
}

static inline uint32_t check_insert(struct flow_table *t, uint32_t n, bool ipv6, uint32_t now)
{
	uint32_t index = flow_alloc(t, ipv6);

	if (index == FLOW_NONE)
		return FLOW_NONE;
	check_fill(t, index, n, ipv6, now);
	if (flow_link(t, index, flow_hash_of(t, index, 0), flow_hash_of(t, index, FLOW_DIR_BIT),
		      now) != 0) {
		flow_unalloc(t, index);
		return FLOW_NONE;
	}
	return index;
}

// Look flow n up as a packet of one side would. Returns the reference.
static inline uint32_t check_lookup(const struct flow_table *t, uint32_t n, bool ipv6,
				    uint32_t dir_bit)
{
	// A table of one entry to fill the key from: the packet as it would be.
	struct flow f;
	struct flow_key6 l[1];
	struct flow_cold c[1];
	struct flow_table shadow = {.flow = &f, .key6 = l, .cold = c};
	struct flow_key k;
	uint8_t addrs[32];

	check_fill(&shadow, 0, n, ipv6, 0);
	if (ipv6) {
		memcpy(addrs, dir_bit ? l->server_addr : l->client, 16);
		memcpy(addrs + 16, dir_bit ? l->local : l->service_addr, 16);
		flow_key6(t, &k, addrs, flow_ports(&f, dir_bit), f.context, f.proto);
	} else {
		uint32_t pair[2] = {dir_bit ? f.server_addr : f.client,
				    dir_bit ? f.local : f.service_addr};

		flow_key4(t, &k, flow_load64(pair), flow_ports(&f, dir_bit), f.context, f.proto);
	}
	flow_probe(t, &k);
	if (n % 2 == 0) // optional, and changes nothing
		flow_probe_second(t, &k);
	return flow_find(t, &k);
}

static inline uint32_t check_list(const struct flow_table *t, uint32_t head, uint8_t *seen)
{
	uint32_t n = 0;

	for (; head != FLOW_NONE; head = t->cold[head].next) {
		assert_true(head < t->max);
		assert_int_equal(seen[head], 0); // in one list only, and no circle
		seen[head] = 1;
		assert_int_equal(t->flow[head].flags & FLOW_F_VALID, 0);
		n++;
	}
	return n;
}

// Every entry is in a free list or in the wheel; every live one is twice in the buckets, is found under
// both its tuples; every bucket's counts are right.
static inline void check_whole(const struct flow_table *t)
{
	uint8_t *seen = calloc(t->max, 1), *refs = calloc(t->max, 2);
	uint16_t *away = calloc(t->buckets, sizeof(*away));
	uint16_t *stashed = calloc(t->buckets, sizeof(*stashed));
	uint32_t free_count, live = 0, filed = 0;

	assert_true(seen != NULL && refs != NULL && away != NULL && stashed != NULL);
	free_count = check_list(t, t->free4, seen) + check_list(t, t->free6, seen);
	for (uint32_t slot = 0; slot < FLOW_WHEEL_SLOTS; slot++) {
		uint32_t before = FLOW_WHEEL_HEAD | slot;

		for (uint32_t i = t->wheel[slot]; i != FLOW_NONE; i = t->cold[i].next) {
			assert_true(i < t->max);
			assert_int_equal(t->cold[i].prev, before);
			assert_int_equal(seen[i], 0);
			seen[i] = 2;
			before = i;
			filed++;
		}
	}
	for (uint32_t b = 0; b < t->buckets; b++) {
		for (uint32_t way = 0; way < FLOW_BUCKET_WAYS; way++) {
			uint32_t ref = t->bucket[b].ref[way], index = ref & ~FLOW_DIR_BIT;
			uint64_t hash;

			if (t->bucket[b].tag[way] == 0)
				continue;
			assert_true(index < t->max);
			hash = flow_hash_of(t, index, ref & FLOW_DIR_BIT);
			assert_int_equal(t->bucket[b].tag[way], flow_tag(hash));
			if (flow_home(t, hash) != b) {
				assert_int_equal(flow_second(t, hash), b);
				away[flow_home(t, hash)]++;
			}
			refs[2 * index + (ref != index)]++;
		}
	}
	for (uint32_t i = 0; i < t->stash_count; i++) {
		uint32_t ref = t->stash[i].ref;

		away[flow_home(t, t->stash[i].hash)]++;
		stashed[flow_home(t, t->stash[i].hash)]++;
		refs[2 * (ref & ~FLOW_DIR_BIT) + (ref >> 31)]++;
	}
	for (uint32_t b = 0; b < t->buckets; b++) {
		assert_int_equal(t->bucket[b].away, away[b]);
		assert_int_equal(t->bucket[b].stashed, stashed[b]);
	}
	for (uint32_t i = 0; i < t->max; i++) {
		bool valid = (t->flow[i].flags & FLOW_F_VALID) != 0;

		live += valid;
		assert_int_equal(seen[i], valid ? 2 : 1);
		assert_int_equal(refs[2 * i], valid);
		assert_int_equal(refs[2 * i + 1], valid);
	}
	assert_int_equal(live, t->count);
	assert_int_equal(filed, t->count);
	assert_int_equal(free_count, t->max - t->count);
	free(seen);
	free(refs);
	free(away);
	free(stashed);
}
