// SPDX-License-Identifier: BSD-3-Clause
//
// snapshot - the last good state of an app on disk: a log of transactions, compacted now and then, so
// that a commit costs what it changes and a start costs one read.
//
// One file, integers in host order (it never leaves the machine):
//
//	0   8  "SLUICE1\n"
//	8   4  format version, 1
//	12  4  CRC32C of bytes 0 .. 11
//	then transactions:
//	0   4  CTL_SNAPSHOT_TXN
//	4   4  flags: 1 = from nothing (what an earlier transaction said is void)
//	8   8  version
//	16 16  datastore id
//	32  8  bytes of records that follow
//	40  4  CRC32C of the records
//	44  4  CRC32C of bytes 0 .. 43
//	48     records: struct ctl_rec first, each padded with zeros to 8 bytes; one of
//	       sizeof(struct ctl_rec) bytes deletes (type, id)
//
// A transaction is on disk whole or not at all: append() answers after fdatasync. At loading a
// transaction that the end of the file cuts short was never acknowledged and is cut off in silence.
// Anything else that does not verify is damage: the file is set aside as <path>.bad; if only the last
// transaction is hit, the state before it is used (the daemon sends what is missing), else nothing.
//
// All calls on the control thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/ctl/msg.h"

#define CTL_SNAPSHOT_TXN UINT32_C(0x4e585453) // "STXN"

struct ctl_snapshot;

struct ctl_snapshot_state { // what loading found
	uint64_t version;   // 0: nothing
	uint8_t datastore[16];
	bool damaged; // set aside, see reason
	char reason[160];
};

// Open or make the log at `path` and read it: emit() is called once for each record in force, in no
// particular order of types.
// Errors: -ENOMEM, -EACCES, -EIO (the file cannot be read or made)
int ctl_snapshot_open(const char *path, void (*emit)(void *ctx, const struct ctl_rec *rec),
		      void *ctx, struct ctl_snapshot_state *state, struct ctl_snapshot **out);
void ctl_snapshot_close(struct ctl_snapshot *s);

struct ctl_snapshot_txn {
	uint64_t version;
	uint8_t datastore[16];
	bool from_nothing;
	const void *records; // padded as in the file
	size_t size;
};

// Append one transaction; on disk when 0 is returned. After an error the log takes no more until
// ctl_snapshot_rewrite succeeds, so that no gap is ever read back.
// Errors: -EIO, -ENOSPC, -ENOMEM
int ctl_snapshot_append(struct ctl_snapshot *s, const struct ctl_snapshot_txn *txn);

// The log is long beside what it says, or broken: rewrite it when convenient.
bool ctl_snapshot_wants_rewrite(const struct ctl_snapshot *s);

// Replace the whole log by one transaction, atomically (new file, fsync, rename, fsync of the folder).
// Errors: -EIO, -ENOSPC, -EACCES, -ENOMEM; the old file is then untouched.
int ctl_snapshot_rewrite(struct ctl_snapshot *s, const struct ctl_snapshot_txn *txn);

// Set the file aside as <path>.bad and start an empty one (the app refused what it said).
int ctl_snapshot_set_aside(struct ctl_snapshot *s);

// A growing buffer of padded records, as append and rewrite take them.
struct ctl_snapshot_buf {
	uint8_t *data;
	size_t size, capacity;
};
// Errors: -ENOMEM, *b unchanged
int ctl_snapshot_buf_add(struct ctl_snapshot_buf *b, const struct ctl_rec *rec);
void ctl_snapshot_buf_fini(struct ctl_snapshot_buf *b);
