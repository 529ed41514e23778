// SPDX-License-Identifier: BSD-3-Clause
//
// flow - the flow record and the table of one worker. table.h: look-up (inline, bursts); table.c: insert
// and delete; age.c: the wheel; shm.c: the mapping and its take-over; state.h: TCP's states.
//
// The table is a versioned mapping of a file (hugetlbfs or tmpfs) that outlives the process: no
// pointers inside, an entry is marked valid last, buckets and wheel are rebuilt or checked on take-over.
//
//	header | buckets (two-choice, 64 bytes: 10 x 16-bit tag, 10 x 32-bit index, 4 bytes) | stash
//	       | hot entries (64 bytes) | cold entries (32 bytes) | IPv6 key lines (64 bytes)
//
// A flow stands in the buckets twice: once under its client-side tuple (client -> service), once under
// its server-side tuple (server -> local address). One owner worker reads and writes; the control
// thread may read entries (show flows) and must accept that one changes under its eyes (check seq).
#pragma once

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_byteorder.h>

#include "dataplane/parse/parse.h"

enum flow_state {
	FLOW_FREE = 0,
	FLOW_TCP_SYN = 1,         // SYN seen
	FLOW_TCP_ESTABLISHED = 2, // both sides have spoken
	FLOW_TCP_CLOSING = 3,     // FIN of both sides, or RST
	FLOW_UDP = 4,
	FLOW_STATE_COUNT,
};

enum flow_dir { FLOW_TO_SERVER = 0, FLOW_TO_CLIENT = 1 };

enum flow_flag {
	FLOW_F_IPV6 = 1 << 0,
	FLOW_F_FIN_CLIENT = 1 << 1,
	FLOW_F_FIN_SERVER = 1 << 2,
	FLOW_F_VALID = 1 << 3,         // set last
	FLOW_F_SERVER_SPOKE = 1 << 4,  // the server has answered the SYN
	FLOW_F_RST_CLIENT = 1 << 5,    // an established one was reset in the name of the client
	FLOW_F_RST_SERVER = 1 << 6,    // likewise of the server
	FLOW_F_PROXY = 1 << 7,         // a PROXY header stands before the client's bytes
	FLOW_F_PROXY_PENDING = 1 << 8, // which the server has not acknowledged yet
	FLOW_F_CLEARED = 1 << 9,  // an operator ended it: who speaks is reset, nothing is forwarded
	FLOW_F_STAMPED = 1 << 10, // closing: end[FLOW_TO_CLIENT] is the client's last timestamp
	FLOW_F_SILENT = 1 << 11,  // its SYN was sent again before the server said anything
	FLOW_F_PROXY_LARGE =
		1 << 12, // the header went in a segment that may be too large on its way
	FLOW_F_PROXY_SENT = 1 << 13, // the header went out once
	// SYN: the server has sent more than its SYN-ACK. Closing by RST: the other side has spoken since
	FLOW_F_SPOKE_ON = 1 << 14,
	FLOW_F_SYN_AGAIN =
		1 << 15, // flow_cold.start is of a SYN that only the server's answer makes count
	FLOW_F_ALL = (1 << 16) - 1,
};

struct flow {
	// key: IPv4 addresses; IPv6: client = index of the key line, the others 0. Of each side as its packets carry
	// them, source first: a look-up compares one word each of addresses and ports.
	alignas(64) rte_be32_t client;
	rte_be32_t service_addr;
	rte_be32_t server_addr;
	rte_be32_t local;
	rte_be16_t client_port;
	rte_be16_t service_port;
	rte_be16_t server_port;
	rte_be16_t local_port;
	uint16_t context;
	uint8_t proto;
	uint8_t state;  // enum flow_state
	uint16_t flags; // enum flow_flag; read with the three before it
	uint16_t
		l4_delta; // ones'-complement difference client side -> server side; the other way: its complement
	uint32_t server;    // slot in the low 24 bits, generation above
	uint32_t service;   // likewise
	uint32_t last_seen; // clock ticks
	uint16_t
		view_generation; // the app's epoch in which nexthop, server and service were verified; 0: none
	uint16_t nexthop[2]; // by enum flow_dir
	uint8_t packets[2];  // likewise; carried into the cold part
	uint16_t bytes[2];
	uint32_t end[2]; // TCP: one past the highest sequence number a side has sent; see state.h
};
static_assert(sizeof(struct flow) == 64, "one line");
static_assert(offsetof(struct flow, client) == 0 && offsetof(struct flow, server_addr) == 8 &&
		      offsetof(struct flow, server_port) == offsetof(struct flow, client_port) + 4,
	      "the sides' tuples stand behind one another");
static_assert(offsetof(struct flow, context) == 24 && offsetof(struct flow, flags) == 28,
	      "context, protocol, state and flags are compared as one word");

struct flow_cold {
	uint32_t next, prev; // wheel
	uint32_t created;    // clock ticks
	uint32_t
		start; // TCP: of the client's first byte; kept up to date after the handshake for FLOW_F_PROXY only
	uint32_t packets_hi[2]; // units of 256
	uint32_t bytes_hi[2];   // units of 64 KiB
};
static_assert(sizeof(struct flow_cold) == 32, "half a line");

struct flow_key6 {
	alignas(64) uint8_t client[16];
	uint8_t service_addr[16];
	uint8_t local[16];
	uint8_t server_addr[16];
};

struct flow_table; // see table.h

#define FLOW_NONE UINT32_MAX
#define FLOW_MAX  (UINT32_C(1) << 28)

struct flow_conf {
	const char *path; // of the file; NULL: anonymous memory (tests)
	uint32_t max;     // entries, 16 .. FLOW_MAX
	uint32_t max6;    // of which IPv6 at most
	uint32_t timeout
		[FLOW_STATE_COUNT]; // clock ticks, 1 or more; may be changed by flow_set_timeouts
};

// Bytes a table of this size takes (to be checked against memory before flow_table_open): 111 per
// entry and 64 more per IPv6 entry, rounded up to 2 MiB.
uint64_t flow_table_bytes(uint32_t max, uint32_t max6);

// Open or make the table. A file of the same version and size is taken over: *taken counts the flows
// kept; anything inconsistent in it is dropped entry by entry, never believed. A file of another
// version or size is made anew, its flows are lost.
// All pages are allocated here (a sparse file would kill us by SIGBUS when memory is short later).
// Returns: 0 and *out.
// Errors: -ENOMEM  not enough memory behind path (nothing is left of a new file)
//         -EINVAL  limits, or path is no regular file
//         -EBUSY   locked by another process
//         -EIO     anything else about the file
// Thread: init | control while no worker uses it
int flow_table_open(const struct flow_conf *conf, uint32_t now, struct flow_table **out,
		    uint32_t *taken);

// How packets are spread over workers, as the app numbers it, when the flows of the table were last put where
// they belong; it outlives the process. 0 in a new table: not known. Thread: control
uint64_t flow_table_spread(const struct flow_table *t);
void flow_table_set_spread(struct flow_table *t, uint64_t spread);

// ---- moving flows between tables, and out of files of another size. Thread: control while no worker uses them

// Is the file one of this version and size, which flow_table_open would take over? False too if it is none.
bool flow_file_fits(const char *path, uint32_t max, uint32_t max6);

// Call each() for every flow of a file of this version, of whatever size; what is inconsistent in it is left
// out. k: for IPv6, else NULL.
// Returns: 0. Errors: -EINVAL no such file, -EBUSY locked by another process, -ENOMEM, -EIO
int flow_file_read(const char *path,
		   void (*each)(void *ctx, const struct flow *f, const struct flow_cold *c,
				const struct flow_key6 *k),
		   void *ctx);

// Put a copy of a flow of another table into this one. k: its key line; IPv4: NULL.
// Returns: 0 and *index. Errors: -EEXIST one of its tuples is there; -ENOSPC full
int flow_adopt(struct flow_table *t, const struct flow *f, const struct flow_cold *c,
	       const struct flow_key6 *k, uint32_t now, uint32_t *index);

// The file stays. Thread: control while no worker uses it
void flow_table_close(struct flow_table *t);

// Entries of the free list and the buckets are claimed and given back by these.
//
// Take a free entry for a flow of this family. It is not in the buckets yet; fill it in, then
// flow_link() or flow_unalloc(). Returns: index, or FLOW_NONE when full. Thread: owner worker
uint32_t flow_alloc(struct flow_table *t, bool ipv6);
void flow_unalloc(struct flow_table *t, uint32_t index);

// Put a filled entry under both its tuples and into the wheel, mark it valid last. Both hashes are those
// of struct flow_key. The caller has looked both tuples up: neither is in the table.
// Returns: 0, or -ENOSPC with nothing changed (buckets and stash full; hardly ever before the entries
// are used up). Thread: owner worker
int flow_link(struct flow_table *t, uint32_t index, uint64_t hash_client, uint64_t hash_server,
	      uint32_t now);

// Take a valid flow out and free its entry. Thread: owner worker
void flow_delete(struct flow_table *t, uint32_t index);

// File the flow anew in the wheel by its state: needed only when the state's timeout got shorter.
// Thread: owner worker
void flow_refile(struct flow_table *t, uint32_t index, uint32_t now);

// Let the wheel catch up with `now`, at most `budget` flows in this call. expire(ctx, index) is called for
// each flow that has been idle for its state's timeout, just before it is deleted; it must not change
// the table. Returns: how many flows were looked at. Thread: owner worker
unsigned flow_age(struct flow_table *t, uint32_t now, unsigned budget,
		  void (*expire)(void *ctx, uint32_t index), void *ctx);

// Take effect from each flow's next visit by the wheel. Thread: owner worker
void flow_set_timeouts(struct flow_table *t, const uint32_t timeout[FLOW_STATE_COUNT]);

// Live flows, and the size. Thread: any (count may be a burst old)
uint32_t flow_count(const struct flow_table *t);
uint32_t flow_capacity(const struct flow_table *t);

// A copy of entry `index` for operators. Returns false if it holds no flow, or one that came or went
// meanwhile. Counters of the copy are whole (hot and cold part added by flow_packets/flow_bytes).
// Thread: any
bool flow_copy(const struct flow_table *t, uint32_t index, struct flow *f, struct flow_cold *c,
	       struct flow_key6 *k);

static inline uint64_t flow_packets(const struct flow *f, const struct flow_cold *c,
				    enum flow_dir dir)
{
	return ((uint64_t)c->packets_hi[dir] << 8) + f->packets[dir];
}

static inline uint64_t flow_bytes(const struct flow *f, const struct flow_cold *c,
				  enum flow_dir dir)
{
	return ((uint64_t)c->bytes_hi[dir] << 16) + f->bytes[dir];
}
