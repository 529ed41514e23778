// SPDX-License-Identifier: BSD-3-Clause
//
// lb_store - the records in force, by (type, id), and beside each the record that the transaction under
// way puts in its place. Nothing is copied for a transaction: it costs what it touches, a full resync
// of the same configuration touches nothing.
//
// All calls on the control thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/ctl/msg.h"

#define LB_TYPE_MAX 10 // enum ctl_rec_type lies below

struct port;
struct lb_counters;
struct lb_watch;

// What is known of a server's health. What it comes to is said by lb_watch.h alone.
struct lb_verdict {
	uint8_t health;         // enum ctl_health, of its check
	uint8_t agent;          // enum ctl_agent_flag
	uint16_t agent_percent; // with CTL_AGENT_KNOWN
	uint32_t latency_us;    // of the last check
	uint64_t since; // seconds since the epoch, of the last change of the whole; 0: never
	char *reason;   // of the check or the agent; malloc'ed, NULL = none
	struct lb_watch *watch; // malloc'ed, NULL = nothing seen
};

// One record's entry. rec: the record in force (NULL: none), next: valid if `touched` (NULL: deleted).
struct lb_entry {
	struct lb_entry *hash_next;
	struct lb_entry *prev, *following; // of the same type, in the order they came
	struct lb_entry *touched_next;
	uint16_t type;
	bool touched;
	bool kept; // full resync: sent again
	uint64_t id;
	struct ctl_rec *rec, *next;
	uint64_t mark; // number of the build in which it is dirty (lb_build.c)
	struct lb_entry *mark_next;
	union {
		struct {                        // CTL_REC_SERVER, CTL_REC_SERVICE
			uint32_t ref, next_ref; // slot and generation, 0: none
			// What the slot's counters said when it was given to this entry, NULL: nothing.
			struct lb_counters *base;
			struct lb_verdict verdict; // CTL_REC_SERVER
			// lb_timed.c
			uint64_t ramp_ns;  // in slow start since, CLOCK_MONOTONIC; 0: not
			uint64_t drain_ns; // in drain since; 0: not
			uint8_t ramp_step; // of LB_WEIGHT_UNIT, as built last
			bool drained;      // its flows were ended
			bool timed;        // in the list
		};
		struct {                // CTL_REC_POOL, CTL_REC_LOCAL_POOL
			uint32_t index; // in struct lb_snap, LB_NONE: none yet
			struct lb_entry **member, **next_member; // CTL_REC_POOL: its servers
			uint32_t members, next_members, next_capacity;
			bool has_next_members;
		};
		struct {                   // CTL_REC_PORT
			struct port *port; // open, NULL: not (yet)
			bool opened_now;   // by the transaction under way
		};
	};
};

struct lb_store {
	struct lb_entry **bucket;
	size_t mask, count;
	struct lb_entry *first[LB_TYPE_MAX], *last[LB_TYPE_MAX];
	uint32_t entries[LB_TYPE_MAX];
	struct lb_entry *touched;
	bool open;         // a transaction is under way
	bool from_nothing; // what is not sent again is deleted (lb_store_seal)
};

// Errors: -ENOMEM
int lb_store_init(struct lb_store *s);
void lb_store_fini(struct lb_store *s);

struct lb_entry *lb_store_find(const struct lb_store *s, uint16_t type, uint64_t id);

// The record of an entry in the state after (next) or before the transaction; NULL: not there.
static inline const struct ctl_rec *lb_entry_rec(const struct lb_entry *e, bool next)
{
	return next && e->touched ? e->next : e->rec;
}

// Likewise the slot and generation of a server or service, 0: none.
static inline uint32_t lb_entry_ref(const struct lb_entry *e, bool next)
{
	return next && e->touched ? e->next_ref : e->ref;
}

// Find one that is there in that state; NULL if none.
struct lb_entry *lb_store_live(const struct lb_store *s, uint16_t type, uint64_t id, bool next);

void lb_store_begin(struct lb_store *s, bool from_nothing);
// Errors: -ENOMEM; the transaction is then to be aborted
int lb_store_upsert(struct lb_store *s, const struct ctl_rec *rec);
// Errors: -ENOENT no such record, -ENOMEM
int lb_store_delete(struct lb_store *s, uint16_t type, uint64_t id);
// All records are there: a full resync deletes what it did not send.
void lb_store_seal(struct lb_store *s);

// Make the touched records those in force, or forget them. gone(e) is called for an entry that is about
// to be freed (deleted by a commit, or new and aborted).
void lb_store_commit(struct lb_store *s, void (*gone)(void *arg, struct lb_entry *e), void *arg);
void lb_store_abort(struct lb_store *s, void (*gone)(void *arg, struct lb_entry *e), void *arg);

#define LB_STORE_FOREACH(e, s, t) for (e = (s)->first[t]; e != NULL; e = e->following)
#define LB_STORE_TOUCHED(e, s)    for (e = (s)->touched; e != NULL; e = e->touched_next)
