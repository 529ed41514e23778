// SPDX-License-Identifier: BSD-3-Clause
//
// lb_slots - which slot (24 bits) and generation (8 bits) an entry has. A flow holds both, for as long as
// it lives and across restarts of the process; so the map is kept on disk beside the snapshot.
//
// A slot that is given up is taken again last (first in, first out) and with the next generation: a
// flow of the old holder is seen as stale. Generation 0 is never used, so a reference is never 0.
//
// A transaction takes slots and gives up others: commit() or abort() ends it. What it gives up is not
// taken again before the commit.
//
// At start: restore() for each record on disk, claim() by the entries of the snapshot, settle().
//
// All calls on the control thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/ctl/msg.h"

struct lb_slot {
	uint64_t owner;     // id, 0: free
	uint32_t free_next; // next in the list of free ones
	uint8_t generation; // of the owner, or of the last one; 0: never used
	bool claimed;       // by an entry of the snapshot
};

struct lb_slot_list {
	uint32_t *slot, count, capacity;
};

struct lb_slots {
	struct lb_slot *slot;
	uint32_t size, capacity, limit; // size: slots ever used
	uint32_t free_first, free_last;
	struct lb_slot_list taken, dropped; // by the transaction under way
	uint32_t *by_owner;                 // sorted, between restore and settle
	uint32_t owners;
};

// Private record on disk (dataplane/ctl/server.h); its type names the map, its id is slot + 1.
struct lb_slot_record {
	struct ctl_rec rec;
	uint64_t owner; // 0: free
	uint32_t generation;
	uint32_t zero;
};

void lb_slots_init(struct lb_slots *s, uint32_t limit);
void lb_slots_fini(struct lb_slots *s);

// Errors: -EINVAL not usable, -ENOMEM
int lb_slots_restore(struct lb_slots *s, const struct lb_slot_record *r);
// The reference disk gave to this owner, 0: none.
uint32_t lb_slots_claim(struct lb_slots *s, uint64_t owner);
void lb_slots_unclaim(struct lb_slots *s);
// Free what nobody claimed.
void lb_slots_settle(struct lb_slots *s);

// Errors: -ENOSPC all slots are taken, -ENOMEM
int lb_slots_take(struct lb_slots *s, uint64_t owner, uint32_t *ref);
// Errors: -ENOMEM
int lb_slots_drop(struct lb_slots *s, uint32_t ref);
void lb_slots_commit(struct lb_slots *s);
void lb_slots_abort(struct lb_slots *s);

// Fill *r for the n-th change of the transaction, as it is to be after it; false: no more.
bool lb_slots_change(const struct lb_slots *s, uint16_t type, uint32_t n, struct lb_slot_record *r);
// Fill *r for the n-th slot; false: no more.
bool lb_slots_record(const struct lb_slots *s, uint16_t type, uint32_t n, struct lb_slot_record *r);
