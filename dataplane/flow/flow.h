// SPDX-License-Identifier: BSD-3-Clause
//
// flow - the flow record and the table of one worker. See table.c for buckets, age.c for the wheel.
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

#include <stdalign.h>
#include <assert.h>
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
	FLOW_F_VALID = 1 << 3, // set last
};

struct flow {
	// key: IPv4 addresses; IPv6: client = index of the key line, the others 0
	alignas(64) rte_be32_t client;
	rte_be32_t service_addr;
	rte_be32_t local;
	rte_be32_t server_addr;
	rte_be16_t client_port;
	rte_be16_t service_port;
	rte_be16_t local_port;
	rte_be16_t server_port;
	uint16_t context;
	uint8_t proto;
	uint8_t state; // enum flow_state
	uint32_t server;  // slot in the low 24 bits, generation above
	uint32_t service; // likewise
	uint32_t last_seen; // clock ticks
	uint16_t l3_delta; // ones'-complement difference client side -> server side; the other way: its complement
	uint16_t l4_delta;
	uint16_t nexthop[2]; // by enum flow_dir
	uint16_t view_generation; // of the routes when nexthop was looked up
	uint16_t flags; // enum flow_flag
	uint16_t packets[2]; // by enum flow_dir; carried into the cold part
	uint32_t bytes[2];
};
static_assert(sizeof(struct flow) == 64, "one line");

struct flow_cold {
	uint32_t next, prev; // wheel
	uint32_t created;    // clock ticks
	uint32_t packets_hi; // 16 bits each direction
	uint64_t bytes_hi[2];
};
static_assert(sizeof(struct flow_cold) == 32, "half a line");

struct flow_key6 {
	alignas(64) uint8_t client[16];
	uint8_t service_addr[16];
	uint8_t local[16];
	uint8_t server_addr[16];
};

struct flow_table;

struct flow_conf {
	const char *path; // of the file; NULL: anonymous memory (tests)
	uint32_t max;     // entries
	uint32_t max6;    // of which IPv6 at most
	uint32_t timeout[FLOW_STATE_COUNT]; // clock ticks; may be changed at any time by flow_set_timeouts
};

// Bytes a table of this size takes (to be checked against memory before flow_table_open).
uint64_t flow_table_bytes(uint32_t max, uint32_t max6);

// Open or make the table. A file of the same version and size is taken over: *taken counts the flows
// kept; anything inconsistent in it is dropped entry by entry, never believed.
// Errors: -ENOMEM (not enough memory behind path), -EINVAL, -EIO, -EBUSY locked by another process
// Thread: init | control while no worker uses it
int flow_table_open(const struct flow_conf *conf, uint32_t now, struct flow_table **out, uint32_t *taken);
void flow_table_close(struct flow_table *t); // the file stays

