// SPDX-License-Identifier: BSD-3-Clause
//
// lb_persist - the workers' side, see lb_persist.h.

#include "apps/lb/worker/lb_persist.h"

#include <string.h>

#include <rte_pause.h>

#include "dataplane/flow/table.h"

#define TRIES 64 // of a claimed set

static struct lb_persist_set *set_of(struct lb_persist *p, uint64_t key)
{
	return &p->set[((key >> 32) * p->sets) >> 32];
}

static uint64_t make(uint32_t server, uint32_t expires)
{
	return (uint64_t)server << 32 | expires;
}

static bool expired(uint64_t value, uint32_t now)
{
	return (int32_t)(now - (uint32_t)value) >= 0;
}

uint64_t lb_persist_key(const struct lb_persist *p, uint64_t scope, uint64_t pool,
			const uint8_t addr[16], unsigned len)
{
	uint8_t masked[16] = {0};
	uint64_t w[2], key;

	memcpy(masked, addr, len / 8);
	if (len % 8 != 0)
		masked[len / 8] = (uint8_t)(addr[len / 8] & (0xff00 >> len % 8));
	memcpy(w, masked, 16);
	key = flow_mum(w[0] ^ p->secret[0], w[1] ^ p->secret[1]);
	key = flow_mum(key ^ scope, pool ^ p->secret[1]);
	key = flow_mum(key ^ p->secret[0], UINT64_C(0x9e3779b97f4a7c15));
	return key == 0 ? 1 : key;
}

// A way that holds the key; LB_PERSIST_WAYS: none.
static unsigned way_of(const struct lb_persist_set *s, uint64_t key)
{
	unsigned i = 0;

	while (i < LB_PERSIST_WAYS &&
	       atomic_load_explicit(&s->way[i].key, memory_order_relaxed) != key)
		i++;
	return i;
}

// Put the end off, or nearer after a commit. Not for every flow: a line that all read is better left alone. A lost
// race with a writer or another reader is no matter.
static void touch(struct lb_persist_entry *e, uint64_t value, uint32_t now, uint32_t ticks)
{
	int32_t more = (int32_t)(now + ticks - (uint32_t)value);

	if (ticks != 0 && (more < 0 || more > (int32_t)(ticks / 16)))
		atomic_compare_exchange_strong_explicit(&e->value, &value,
							make((uint32_t)(value >> 32), now + ticks),
							memory_order_relaxed, memory_order_relaxed);
}

uint32_t lb_persist_find(struct lb_persist *p, uint64_t key, uint32_t now, uint32_t ticks)
{
	struct lb_persist_set *s = set_of(p, key);

	for (unsigned i = 0; i < TRIES; i++) {
		uint32_t version = atomic_load_explicit(&s->version, memory_order_acquire);
		uint64_t value = 0;
		unsigned way;

		if ((version & 1) != 0) {
			rte_pause();
			continue;
		}
		way = way_of(s, key);
		if (way < LB_PERSIST_WAYS)
			value = atomic_load_explicit(&s->way[way].value, memory_order_relaxed);
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&s->version, memory_order_relaxed) != version)
			continue;
		if (way == LB_PERSIST_WAYS || expired(value, now))
			return 0;
		touch(&s->way[way], value, now, ticks);
		return (uint32_t)(value >> 32);
	}
	return 0;
}

static bool claim(struct lb_persist_set *s)
{
	for (unsigned i = 0; i < TRIES; i++) {
		uint32_t version = atomic_load_explicit(&s->version, memory_order_relaxed);

		if ((version & 1) == 0 && atomic_compare_exchange_strong_explicit(
						  &s->version, &version, version + 1,
						  memory_order_acquire, memory_order_relaxed)) {
			// What is written now is not seen before the version that says so.
			atomic_thread_fence(memory_order_release);
			return true;
		}
		rte_pause();
	}
	return false;
}

static void release(struct lb_persist_set *s)
{
	atomic_fetch_add_explicit(&s->version, 1, memory_order_release);
}

// An empty way, else the one that expires first.
static unsigned room(const struct lb_persist_set *s, uint32_t now)
{
	int32_t least = INT32_MAX;
	unsigned at = 0;

	for (unsigned i = 0; i < LB_PERSIST_WAYS; i++) {
		uint64_t value = atomic_load_explicit(&s->way[i].value, memory_order_relaxed);
		int32_t left = (int32_t)((uint32_t)value - now);

		if (atomic_load_explicit(&s->way[i].key, memory_order_relaxed) == 0)
			return i;
		if (left < least) {
			least = left;
			at = i;
		}
	}
	return at;
}

uint32_t lb_persist_put(struct lb_persist *p, uint64_t key, uint32_t old, uint32_t server,
			uint32_t now, uint32_t ticks, struct lb_persist_counters *count)
{
	struct lb_persist_set *s = set_of(p, key);
	struct lb_persist_entry *e;
	uint64_t value;
	unsigned way;

	if (!claim(s)) {
		count->busy++;
		return server;
	}
	way = way_of(s, key);
	if (way < LB_PERSIST_WAYS) {
		e = &s->way[way];
		value = atomic_load_explicit(&e->value, memory_order_relaxed);
		if (!expired(value, now) && value >> 32 != old)
			server = (uint32_t)(value >> 32); // another worker was first
		atomic_store_explicit(&e->value, make(server, now + ticks), memory_order_relaxed);
		release(s);
		return server;
	}
	e = &s->way[room(s, now)];
	if (atomic_load_explicit(&e->key, memory_order_relaxed) == 0)
		count->added++;
	else if (!expired(atomic_load_explicit(&e->value, memory_order_relaxed), now))
		count->forgotten++;
	atomic_store_explicit(&e->key, 0, memory_order_relaxed);
	atomic_store_explicit(&e->value, make(server, now + ticks), memory_order_release);
	atomic_store_explicit(&e->key, key, memory_order_release);
	release(s);
	return server;
}
