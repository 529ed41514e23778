// SPDX-License-Identifier: BSD-3-Clause
//
// lb_persist - which server a client had last: persistence by source, for all workers and over restarts.
//
// One table for the process in a file beside the flow tables. A client (its masked address, the service or
// group, the pool) is a key of 64 bits under a secret of the file; a set of 15 entries is chosen by it. Readers
// take no lock: they look again when the set's version changed under them. Who writes claims the set for the
// length of one entry by making the version odd; who finds it claimed tries a few times and then does
// without, so nobody ever waits for a thread that sleeps. A set that is full forgets what would expire next.
//
//	0      struct lb_persist_header, one page
//	4096   struct lb_persist_set [sets]
//
// An entry's key is written last, so a kill leaves no half entry; a set left claimed is released at open. An
// entry names a server by slot and generation: whoever uses it makes sure that it is there, takes new flows and
// is of the pool, so nothing in the file has to be believed.
#pragma once

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LB_PERSIST_WAYS 15

struct lb_persist_entry {
	_Atomic uint64_t key;   // 0: empty
	_Atomic uint64_t value; // server << 32 | clock ticks at which it expires
};

struct lb_persist_set {
	alignas(256) _Atomic uint32_t version; // odd: being written
	uint32_t zero[3];
	struct lb_persist_entry way[LB_PERSIST_WAYS];
};
static_assert(sizeof(struct lb_persist_set) == 256, "four lines");

struct lb_persist_header {
	uint64_t magic;
	uint32_t version, sets;
	uint64_t secret[2];
};

struct lb_persist {
	struct lb_persist_set *set;
	uint32_t sets;
	uint64_t secret[2];
	uint32_t taken; // entries found at open
	void *map;
	size_t bytes;
	int fd;
};

struct lb_persist_counters { // of one worker
	uint64_t found;
	uint64_t added;     // to an empty entry: with `taken`, what the table holds
	uint64_t forgotten; // clients that had not expired, for want of room
	uint64_t busy;      // not remembered: the set was claimed too long
};

// ---- lb_persist.c: workers -------------------------------------------------------------------

// scope: of the service or group; len: bits of the address (16 bytes, IPv4 first) that count.
uint64_t lb_persist_key(const struct lb_persist *p, uint64_t scope, uint64_t pool,
			const uint8_t addr[16], unsigned len);

// The server remembered, 0: none, or expired. The entry is good for `ticks` more from now
// on; 0: it stays as it is. Thread: any worker
uint32_t lb_persist_find(struct lb_persist *p, uint64_t key, uint32_t now, uint32_t ticks);

// Remember `server` in place of `old` (what lb_persist_find gave, of no use any more; 0: nothing).
// Returns: what is remembered now: `server`, or what another worker has remembered meanwhile.
// Thread: any worker
uint32_t lb_persist_put(struct lb_persist *p, uint64_t key, uint32_t old, uint32_t server,
			uint32_t now, uint32_t ticks, struct lb_persist_counters *count);

// ---- lb_persist_file.c: control --------------------------------------------------------------

// Bytes of a table for so many clients.
uint64_t lb_persist_bytes(uint32_t clients);

// Open or make the file; path NULL: anonymous memory. One of another size or version is made anew.
// Returns: 0 and *out. Errors: -ENOMEM; -EBUSY locked by another process; -EINVAL no regular file; -EIO
int lb_persist_open(const char *path, uint32_t clients, uint32_t now, struct lb_persist **out);
void lb_persist_close(struct lb_persist *p);
