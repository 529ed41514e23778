// SPDX-License-Identifier: BSD-3-Clause
//
// frag - virtual reassembly: fragments are kept together, not joined. The fragments of a datagram wait here
// for its first one, which alone has ports; once the caller has settled where the datagram goes, each
// fragment goes there as it is.
//
//	GATHER --first fragment--> (caller decides) --frag_settle()--> SETTLED --all there--> gone
//	   \____________________ overlap, tiny, too many _______________/ \--> BAD --timeout--> gone
//
// The pieces seen are kept as ranges: a fragment that overlaps another ends the whole datagram (RFC 5722);
// one that was there already in the same bounds is dropped alone (RFC 8200 section 4.5 allows that). So no two
// receivers can read one datagram differently (RFC 1858, 3128).
//
// Bounded in every way: FRAG_DATAGRAMS datagrams, FRAG_PIECES fragments in one, FRAG_HELD and
// FRAG_HELD_BYTES waiting, each for FRAG_TIMEOUT_MS since the datagram's first to come. When full the oldest datagram makes room: a
// flood has to bring a whole table within the time that a real datagram takes to arrive.
//
// One owner worker; the table knows nothing of flows, ports or output. What it gives up goes to the
// caller's drop(), so that every packet is counted.
// Sources: RFC 791 section 3.2, 815, 1858, 3128, 5722, 6946 (atomic ones never come here), 8200 section 4.5.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_byteorder.h>

#include "dataplane/core/drop.h"
#include "dataplane/parse/parse.h"

#define FRAG_DATAGRAMS  1024
#define FRAG_PIECES     128 // 65,535 bytes over a link of 576 need 119
#define FRAG_HELD       1024
#define FRAG_HELD_BYTES (4U << 20)
#define FRAG_TIMEOUT_MS 2000

struct rte_mbuf;
struct frag_table;

struct frag_key {
	uint8_t addr[32]; // source, destination; IPv4 in the first four of each half
	uint32_t id;
	uint16_t context;
	uint8_t proto; // IPv4 only, else 0 (RFC 8200: source, destination and identification)
	uint8_t family;
};

enum frag_state {
	FRAG_FREE = 0,
	FRAG_GATHER = 1,  // no first fragment yet
	FRAG_DECIDE = 2,  // it has come: the caller decides
	FRAG_SETTLED = 3, // by the caller: `fate` and what it kept beside it
	FRAG_BAD = 4,     // whatever comes is dropped under `why`
};

struct frag_piece {
	uint16_t from, to; // 8-byte units, the end excluded
};

struct frag_datagram {
	struct frag_key key;
	uint8_t state; // enum frag_state
	uint8_t pieces;
	uint16_t why;      // enum drop_reason, FRAG_BAD
	uint32_t deadline; // clock ticks
	uint32_t got;      // bytes
	uint32_t end;      // of the last fragment, 0: not seen yet
	uint16_t held;     // first of those that wait, in order of arrival; 0: none
	uint16_t held_last;
	uint16_t chain;        // next of the same hash
	uint16_t older, newer; // by age
	uint16_t bucket;
	// the caller's, from frag_settle() on
	uint8_t fate;
	uint8_t proto;
	uint16_t to;
	rte_be16_t ports[2]; // of the first fragment
	uint32_t id;         // identification that its fragments leave with
	struct frag_piece piece[FRAG_PIECES];
};

// What is held, for operators. Owner worker: rw, control: ro (may be a burst old)
struct frag_counters {
	uint64_t datagrams; // ever begun
	uint64_t completed; // every fragment passed through
	uint32_t open;      // now
	uint32_t held;      // packets now
	uint32_t held_bytes;
};

// drop(): takes packet m over and counts it under the reason; must not call the table.
// Returns: 0 and *out. Errors: -ENOMEM. Thread: control
int frag_create(void (*drop)(void *ctx, struct rte_mbuf *m, enum drop_reason reason),
		struct frag_table **out);
// Packets that wait are freed uncounted. Thread: control while no worker uses it
void frag_destroy(struct frag_table *t);

enum frag_verdict {
	FRAG_DROPPED, // *why says under what; m is still the caller's
	FRAG_KEPT,    // m is the table's
	FRAG_DECIDES, // m is the first fragment and the caller's: settle, then frag_take() those that wait
	FRAG_PASSES, // m is the caller's, its datagram is settled
};

// One fragment. seed: for the hash, secret. has_ports: a first fragment that holds its whole layer-4 header.
// ctx: given to drop(). *d is borrowed until the next call.
// After FRAG_DECIDES and FRAG_PASSES call frag_passed() once the packet has been dealt with.
// Thread: owner worker
enum frag_verdict frag_add(struct frag_table *t, const struct frag_key *key,
			   const struct parse_fragment *f, struct rte_mbuf *m,
			   const struct parse_info *info, uint32_t now, void *ctx,
			   struct frag_datagram **d, enum drop_reason *why);

// The caller has decided about a datagram in FRAG_DECIDE.
void frag_settle(struct frag_datagram *d, uint8_t fate);

// Take the next packet that waits for a settled datagram. NULL: none is left. *info: as given with it.
struct rte_mbuf *frag_take(struct frag_table *t, struct frag_datagram *d, struct parse_info *info);

// Forget the datagram if all of it has passed.
void frag_passed(struct frag_table *t, struct frag_datagram *d);

// Give up what has waited too long. Thread: owner worker
void frag_expire(struct frag_table *t, uint32_t now, void *ctx);

const struct frag_counters *frag_count(const struct frag_table *t);
