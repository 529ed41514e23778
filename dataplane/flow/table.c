// SPDX-License-Identifier: BSD-3-Clause
//
// table - buckets, stash and entries: insert and delete. Look-up is in table.h.
//
// Home first, then the second bucket, then one tuple of either bucket is moved to its other place, then
// the stash. Moving keeps the stash empty at any load that flow_table_bytes() allows (0.85).
//
// Nothing here has to be atomic towards a take-over: buckets, stash, free lists and wheel are rebuilt
// from the entries alone, and an entry counts only while FLOW_F_VALID is set. So the order that matters
// is: fields, then FLOW_F_VALID (flow_link); FLOW_F_VALID cleared, then reuse (flow_delete). A killed
// process leaves memory as of one instruction, so a compiler barrier is enough.

#include "dataplane/flow/flow_priv.h"

#include <errno.h>
#include <stdatomic.h>

uint64_t flow_hash_of(const struct flow_table *t, uint32_t index, uint32_t dir_bit)
{
	const struct flow *f = &t->flow[index];
	bool ipv6 = (f->flags & FLOW_F_IPV6) != 0;
	uint32_t meta = flow_meta(f->context, f->proto, ipv6);
	const struct flow_key6 *l;

	if (!ipv6)
		return flow_hash4(t, flow_addr4(f, dir_bit), flow_ports(f, dir_bit), meta);
	l = &t->key6[index];
	if (dir_bit)
		return flow_hash6(t, l->server_addr, l->local, flow_ports(f, dir_bit), meta);
	return flow_hash6(t, l->client, l->service_addr, flow_ports(f, dir_bit), meta);
}

static uint32_t find_in(const struct flow_table *t, const struct flow_bucket *b, uint32_t mask,
			const struct flow_key *k)
{
	for (; mask != 0; mask &= mask - 1) {
		uint32_t ref = b->ref[__builtin_ctz(mask)];

		if (flow_same(t, ref, k))
			return ref;
	}
	return FLOW_NONE;
}

uint32_t flow_find_rest(const struct flow_table *t, const struct flow_key *k)
{
	const struct flow_bucket *home = &t->bucket[flow_home(t, k->hash)];
	uint16_t tag = flow_tag(k->hash);
	const struct flow_bucket *second;
	uint32_t ref;

	// The home bucket again: it may have changed since flow_probe().
	ref = find_in(t, home, flow_bucket_match(home, tag), k);
	if (ref != FLOW_NONE || home->away == 0)
		return ref;
	second = &t->bucket[flow_second(t, k->hash)];
	ref = find_in(t, second, flow_bucket_match(second, tag), k);
	if (ref != FLOW_NONE || home->stashed == 0)
		return ref;
	for (uint32_t i = 0; i < t->stash_count; i++)
		if (t->stash[i].hash == k->hash && flow_same(t, t->stash[i].ref, k))
			return t->stash[i].ref;
	return FLOW_NONE;
}

static bool put_in(struct flow_bucket *b, uint16_t tag, uint32_t ref)
{
	uint32_t free_ways = flow_bucket_match(b, 0);
	uint32_t way;

	if (free_ways == 0)
		return false;
	way = (uint32_t)__builtin_ctz(free_ways);
	b->tag[way] = tag;
	b->ref[way] = ref;
	return true;
}

// Make room in bucket `at` by moving one of its tuples to its other bucket.
static bool make_room(struct flow_table *t, uint32_t at)
{
	struct flow_bucket *b = &t->bucket[at];

	for (uint32_t way = 0; way < FLOW_BUCKET_WAYS; way++) {
		uint32_t ref = b->ref[way];
		uint64_t hash = flow_hash_of(t, ref & ~FLOW_DIR_BIT, ref & FLOW_DIR_BIT);
		uint32_t home = flow_home(t, hash), second = flow_second(t, hash);
		uint32_t other = home == at ? second : home;

		if (other == at || !put_in(&t->bucket[other], b->tag[way], ref))
			continue;
		if (home == at)
			b->away++;
		else
			t->bucket[home].away--;
		b->tag[way] = 0;
		return true;
	}
	return false;
}

bool flow_bucket_put(struct flow_table *t, uint64_t hash, uint32_t ref)
{
	uint32_t home = flow_home(t, hash), second = flow_second(t, hash);
	uint16_t tag = flow_tag(hash);

	if (put_in(&t->bucket[home], tag, ref))
		return true;
	if (put_in(&t->bucket[second], tag, ref)) {
		t->bucket[home].away++;
		return true;
	}
	if (make_room(t, home))
		return put_in(&t->bucket[home], tag, ref);
	if (second != home && make_room(t, second)) {
		t->bucket[home].away++;
		return put_in(&t->bucket[second], tag, ref);
	}
	if (t->stash_count == FLOW_STASH)
		return false;
	t->stash[t->stash_count++] = (struct flow_stash){.hash = hash, .ref = ref};
	t->bucket[home].away++;
	t->bucket[home].stashed++;
	return true;
}

static bool take_from(struct flow_bucket *b, uint16_t tag, uint32_t ref)
{
	for (uint32_t m = flow_bucket_match(b, tag); m != 0; m &= m - 1) {
		uint32_t way = (uint32_t)__builtin_ctz(m);

		if (b->ref[way] == ref) {
			b->tag[way] = 0;
			return true;
		}
	}
	return false;
}

static void take_from_stash(struct flow_table *t, struct flow_bucket *home, uint32_t ref)
{
	for (uint32_t i = 0; i < t->stash_count; i++) {
		if (t->stash[i].ref == ref) {
			t->stash[i] = t->stash[--t->stash_count];
			home->away--;
			home->stashed--;
			return;
		}
	}
	assert(!"a flow was in no bucket");
}

void flow_bucket_take(struct flow_table *t, uint64_t hash, uint32_t ref)
{
	struct flow_bucket *home = &t->bucket[flow_home(t, hash)];
	uint16_t tag = flow_tag(hash);

	if (take_from(home, tag, ref))
		return;
	if (take_from(&t->bucket[flow_second(t, hash)], tag, ref))
		home->away--;
	else
		take_from_stash(t, home, ref);
}

uint32_t flow_alloc(struct flow_table *t, bool ipv6)
{
	uint32_t *list = !ipv6 && t->free4 != FLOW_NONE ? &t->free4 : &t->free6;
	uint32_t index = *list;

	if (index != FLOW_NONE)
		*list = t->cold[index].next;
	return index;
}

void flow_unalloc(struct flow_table *t, uint32_t index)
{
	uint32_t *list = index < t->max6 ? &t->free6 : &t->free4;

	t->flow[index].flags = 0;
	t->flow[index].state = FLOW_FREE;
	t->cold[index].next = *list;
	*list = index;
}

int flow_link(struct flow_table *t, uint32_t index, uint64_t hash_client, uint64_t hash_server,
	      uint32_t now)
{
	struct flow *f = &t->flow[index];

	if (!flow_bucket_put(t, hash_client, index))
		return -ENOSPC;
	if (!flow_bucket_put(t, hash_server, index | FLOW_DIR_BIT)) {
		flow_bucket_take(t, hash_client, index);
		return -ENOSPC;
	}
	flow_wheel_add(t, index, now);
	t->count++;
	atomic_signal_fence(memory_order_seq_cst); // a take-over must not see VALID before the rest
	*(volatile uint16_t *)&f->flags = f->flags | FLOW_F_VALID;
	return 0;
}

void flow_delete_hashed(struct flow_table *t, uint32_t index, uint64_t hash_client,
			uint64_t hash_server)
{
	*(volatile uint16_t *)&t->flow[index].flags = 0;
	atomic_signal_fence(memory_order_seq_cst);
	flow_bucket_take(t, hash_client, index);
	flow_bucket_take(t, hash_server, index | FLOW_DIR_BIT);
	t->count--;
	flow_unalloc(t, index);
}

void flow_delete(struct flow_table *t, uint32_t index)
{
	uint64_t hash_client = flow_hash_of(t, index, 0);
	uint64_t hash_server = flow_hash_of(t, index, FLOW_DIR_BIT);

	flow_wheel_del(t, index);
	flow_delete_hashed(t, index, hash_client, hash_server);
}

void flow_carry_packets(const struct flow_table *t, uint32_t index, enum flow_dir dir)
{
	t->cold[index & ~FLOW_DIR_BIT].packets_hi[dir]++;
}

void flow_carry_bytes(const struct flow_table *t, uint32_t index, enum flow_dir dir)
{
	t->cold[index & ~FLOW_DIR_BIT].bytes_hi[dir]++;
}

uint32_t flow_count(const struct flow_table *t)
{
	return *(const volatile uint32_t *)&t->count;
}

uint32_t flow_capacity(const struct flow_table *t)
{
	return t->max;
}

bool flow_copy(const struct flow_table *t, uint32_t index, struct flow *f, struct flow_cold *c,
	       struct flow_key6 *k)
{
	const struct flow *live = &t->flow[index];
	struct flow after;

	memcpy(f, live, sizeof(*f));
	if ((f->flags & FLOW_F_VALID) == 0)
		return false;
	atomic_thread_fence(memory_order_acquire);
	*c = t->cold[index];
	if ((f->flags & FLOW_F_IPV6) != 0) {
		if (index >= t->max6)
			return false;
		*k = t->key6[index];
	}
	atomic_thread_fence(memory_order_acquire);
	memcpy(&after, live, sizeof(after));
	// Still the same flow? Its key, from client to proto, is 27 bytes.
	return (after.flags & FLOW_F_VALID) != 0 &&
	       memcmp(f, &after, offsetof(struct flow, state)) == 0;
}
