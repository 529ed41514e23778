// SPDX-License-Identifier: BSD-3-Clause
//
// All packets wait equally long, so the order of arrival is the order of the deadlines; a second
// chain by neighbour counts how many wait for one.

#include "dataplane/out/hold.h"

#include <string.h>

void hold_init(struct out_hold *h)
{
	memset(h, 0, sizeof(*h));
	for (uint16_t i = 1; i <= HOLD_MAX; i++)
		h->entry[i].chain = i == HOLD_MAX ? 0 : i + 1;
	h->free = 1;
}

static uint16_t *chain_of(struct out_hold *h, uint16_t nexthop, const uint8_t addr[16])
{
	uint64_t a, b;

	memcpy(&a, addr, 8);
	memcpy(&b, addr + 8, 8);
	a = (a ^ nexthop ^ b * UINT64_C(0xff51afd7ed558ccd)) * UINT64_C(0x9e3779b97f4a7c15);
	return &h->head[(a >> 40) % HOLD_CHAINS];
}

enum drop_reason hold_add(struct out_hold *h, struct rte_mbuf *m, const struct parse_info *pi,
			  uint16_t nexthop, uint8_t class, uint8_t family, const uint8_t addr[16],
			  uint64_t deadline, bool *ask)
{
	uint16_t *head = chain_of(h, nexthop, addr), i;
	unsigned same = 0, length = 0;
	struct hold_entry *e;

	for (i = *head; i != 0; i = h->entry[i].chain) {
		if (++length == HOLD_CHAIN_MAX)
			return DROP_HOLD_FULL;
		same += h->entry[i].nexthop == nexthop && memcmp(h->entry[i].addr, addr, 16) == 0;
	}
	if (same >= HOLD_PER_NEXTHOP || h->free == 0)
		return DROP_HOLD_FULL;
	i = h->free;
	e = &h->entry[i];
	h->free = e->chain;
	e->m = m;
	e->pi = *pi;
	e->deadline = deadline;
	e->nexthop = nexthop;
	e->family = family;
	e->class = class;
	memcpy(e->addr, addr, 16);
	e->chain = *head;
	*head = i;
	e->newer = 0;
	e->older = h->newest;
	if (h->newest != 0)
		h->entry[h->newest].newer = i;
	else
		h->oldest = i;
	h->newest = i;
	atomic_store_explicit(&h->count, atomic_load_explicit(&h->count, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	*ask = same == 0;
	return DROP_NONE;
}

void hold_remove(struct out_hold *h, uint16_t entry)
{
	struct hold_entry *e = &h->entry[entry];
	uint16_t *at = chain_of(h, e->nexthop, e->addr);

	while (*at != entry)
		at = &h->entry[*at].chain;
	*at = e->chain;
	if (e->older != 0)
		h->entry[e->older].newer = e->newer;
	else
		h->oldest = e->newer;
	if (e->newer != 0)
		h->entry[e->newer].older = e->older;
	else
		h->newest = e->older;
	e->chain = h->free;
	h->free = entry;
	atomic_store_explicit(&h->count, atomic_load_explicit(&h->count, memory_order_relaxed) - 1,
			      memory_order_relaxed);
}

bool hold_ask(struct out_hold *h, const struct hold_request *r)
{
	uint32_t put = atomic_load_explicit(&h->put, memory_order_relaxed);

	if (put - atomic_load_explicit(&h->taken, memory_order_acquire) == HOLD_REQUESTS) {
		h->lost++;
		return false;
	}
	h->request[put % HOLD_REQUESTS] = *r;
	atomic_store_explicit(&h->put, put + 1, memory_order_release);
	return true;
}

bool hold_take_request(struct out_hold *h, struct hold_request *out)
{
	uint32_t taken = atomic_load_explicit(&h->taken, memory_order_relaxed);

	if (taken == atomic_load_explicit(&h->put, memory_order_acquire))
		return false;
	*out = h->request[taken % HOLD_REQUESTS];
	atomic_store_explicit(&h->taken, taken + 1, memory_order_release);
	return true;
}
