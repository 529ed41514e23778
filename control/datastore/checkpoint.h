// SPDX-License-Identifier: BSD-3-Clause
//
// checkpoint - the whole configuration of one version in a file, so that a start need not replay the
// journal from its first record. Never trusted blindly: a checkpoint that is damaged, or is not of this
// journal, is passed over with a notice, since the journal alone says everything.
//
// All numbers little-endian.
//	 0  8  magic "\xffSLCKPT1"
//	 8  16 datastore id
//	24  8  version
//	32  8  size of the JSON
//	40  32 the journal's chain hash at that version
//	72  4  CRC-32C of the JSON
//	76  4  CRC-32C of bytes 0..75
//	80  n  RFC 7951 JSON
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ly_ctx;
struct lyd_node;

struct checkpoint {
	uint8_t id[16];
	uint64_t version;
	uint8_t hash[32];
	struct lyd_node *tree; // the caller's
};

// Write <dir>/checkpoint.<version> and drop all but the newest two. Whole or not at all.
// Returns: 0 or negative errno
int checkpoint_write(const char *dir, const struct checkpoint *c);

// The same in a forked child: a copy of the tree as it is now, while the daemon goes on.
// Returns: its pid, to be waited for (exit status 0: written), or negative errno
pid_t checkpoint_fork(const char *dir, const struct checkpoint *c);

// Load the newest checkpoint below version `below` that is whole.
//
// notice says which were passed over. Returns: 0, or -ENOENT: there is none
int checkpoint_load(const char *dir, const struct ly_ctx *ctx, uint64_t below,
		    struct checkpoint *out, char *notice, size_t notice_size);
