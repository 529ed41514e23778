// SPDX-License-Identifier: BSD-3-Clause
//
// journal - the append-only file of all changes; a change is committed when its record is on disk.
//
// All numbers little-endian. The file is allocated ahead with zeros.
//
//	file head, 64 bytes
//	 0  8  magic "\xffSLJRNL1"
//	 8  16 datastore id
//	24  8  time of birth, seconds since 1970
//	32  28 zero
//	60  4  CRC-32C of bytes 0..59
//
//	record, padded with zeros to a multiple of 8
//	 0  4  magic "\xffSLR"
//	 4  4  size of the payload, 1..JOURNAL_PAYLOAD_MAX
//	 8  8  version: that of the record before + 1, first 1
//	16  4  size of the first part of the payload (a JSON object: who, when, why); the rest is the diff
//	20  4  CRC-32C of bytes 0..19 of this head and of the payload
//	24  32 chain: SHA-256 of (the chain before, bytes 0..19, payload); first: SHA-256 of the file head
//	56  4  zero
//	60  4  CRC-32C of bytes 0..59
//	64  n  payload
//	..  4  "END!"
//
// 0xff is in no UTF-8 text, so a record head is never met inside a payload.
//
// Opening reads and checks every record. A record that a crash cut short at the end is dropped with a
// notice: it was never acknowledged. Any other damage refuses the file, by name and offset.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define JOURNAL_PAYLOAD_MAX (1u << 30)
#define JOURNAL_HASH_SIZE   32
#define JOURNAL_HEAD_SIZE   64

struct journal;

struct journal_error {
	int64_t offset;    // of the record at fault, -1: none
	char message[512]; // names the file
};

// Called for each record at open, oldest first. meta and diff are good for the call. Returning
// non-zero ends the opening with that value.
typedef int (*journal_fn)(void *arg, uint64_t version, const char *meta, size_t meta_size,
			  const char *diff, size_t diff_size, const uint8_t *hash);

// Open the journal at path, making it where it is missing.
//
// keep_good: where a record inside is damaged, keep what is good before it; the damaged file is
// renamed to <path>.damaged.<seconds> and a new one written.
//
// Returns: 0, *out is to be closed; notice says what was dropped at the end, "" if nothing
// Errors:  -EBADMSG damaged; err says where
//          -errno   of the system; err says what
// Thread:  init
int journal_open(const char *path, bool keep_good, journal_fn fn, void *arg, struct journal **out,
		 struct journal_error *err, char *notice, size_t notice_size);
void journal_close(struct journal *j);

// Append one record and wait until it is on disk: the commit point.
//
// Returns: 0, or
// Errors:  -E2BIG, -ENOSPC, -EIO ...: the record is not in the file. -EIO after a failed fdatasync
//          closes the journal for further appends (-EROFS): what the disk holds is not known.
int journal_append(struct journal *j, const char *meta, size_t meta_size, const char *diff,
		   size_t diff_size);

uint64_t journal_version(const struct journal *j);  // of the last record, 0: none
const uint8_t *journal_id(const struct journal *j); // 16 bytes
const uint8_t *journal_hash(const struct journal *j,
			    uint64_t version); // chain there, NULL: no such

// Read one record back; *payload is to be freed, meta is its first *meta_size bytes.
int journal_read(struct journal *j, uint64_t version, char **payload, size_t *meta_size,
		 size_t *size);

// The first part alone, as a string to be freed; the sum over the whole record is not checked again.
int journal_read_meta(struct journal *j, uint64_t version, char **meta);
