// SPDX-License-Identifier: BSD-3-Clause
//
// datastore - running and candidate (RFC 6241 section 8.3), the journal behind them, and the one
// transaction that leads from one to the other.
//
//	edit -> candidate, checked where touched
//	commit: difference -> prepare in all modules -> journal on disk = the commit point
//	        -> commit in all modules -> running
//
// While a transaction is under way (ds_busy) running and candidate must not be written: the caller
// (control/rpc) queues. Reading goes on.
//
// Thread: control, all of it.
#pragma once

#include "control/datastore/edit.h"
#include "control/datastore/tree.h"
#include "control/txn/txn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ds;
struct event_base;
struct ly_ctx;

// The transaction of control/txn, or a test's own.
struct ds_txn {
	int (*check)(const struct txn_change *c, struct txn_result *r);
	void (*prepare)(struct event_base *base, const struct txn_change *c, txn_done_fn done,
			void *arg);
	void (*commit)(const struct txn_change *c, txn_done_fn done, void *arg);
	void (*abort)(const struct txn_change *c, txn_done_fn done, void *arg);
};

struct ds_conf {
	struct event_base *base; // NULL: checkpoints are written in place (tests)
	const struct ly_ctx *ctx;
	const char *dir;           // exists
	const char *factory;       // JSON file that a new datastore starts with, NULL: empty
	bool keep_good;            // a damaged journal: keep what is good before the damage
	const struct ds_txn *txn;  // NULL: no modules
	unsigned checkpoint_every; // changes, 0: 1000
	void (*notice)(const char *text);
};

// Who makes a change; strings are borrowed for the call.
struct ds_who {
	const char *user, *transport, *comment;
	uint32_t session;
	bool require_all;
};

enum ds_test { DS_TEST_THEN_SET, DS_SET, DS_TEST_ONLY };

// Called once, from the event loop or before the call returns. r is borrowed.
typedef void (*ds_done_fn)(void *arg, int rc, const struct txn_result *r);

// Returns: 0; or negative errno and err says why in a sentence that names the file
int ds_open(const struct ds_conf *conf, struct ds **out, char *err, size_t err_size);
void ds_close(struct ds *ds); // writes a checkpoint if changes are newer than the last

const struct tree *ds_running(const struct ds *ds);
const struct tree *ds_candidate(const struct ds *ds);
uint64_t ds_version(const struct ds *ds);
const uint8_t *ds_id(const struct ds *ds); // 16 bytes
bool ds_candidate_changed(const struct ds *ds);
bool ds_busy(const struct ds *ds);

// Edit the candidate: done whole or not at all.
int ds_edit(struct ds *ds, const struct lyd_node *edit, enum edit_op dflt, enum ds_test test,
	    const struct edit_guard *guard, struct txn_result *r);
// Make the candidate hold config (NULL: nothing).
int ds_load(struct ds *ds, const struct lyd_node *config, const struct edit_guard *guard,
	    struct txn_result *r);
// Make the candidate hold running.
int ds_discard(struct ds *ds, struct txn_result *r);
// Make the candidate hold an older version. Errors: -ENOENT no such version
int ds_rollback(struct ds *ds, uint64_t version, const struct edit_guard *guard,
		struct txn_result *r);
// Give the node at `path` (an instance path with all keys, lists and leaf-lists one entry) and all below it
// the state of an older version, in the candidate; the rest stays. What was not there then is removed.
// Errors: -ENOENT no such version, or the node is in neither; -EINVAL no such path in the models
int ds_rollback_path(struct ds *ds, uint64_t version, const char *path,
		     const struct edit_guard *guard, struct txn_result *r);

// Check candidate, running, or a configuration of the caller's, with the modules' checks.
int ds_validate_candidate(struct ds *ds, struct txn_result *r);
int ds_validate_running(struct ds *ds, struct txn_result *r);
int ds_validate_config(struct ds *ds, const struct lyd_node *config, struct txn_result *r);

// Commit the candidate. guard (may be NULL) is asked about each difference (RFC 8341 section 3.2.9).
// A failure leaves candidate and running as they were.
void ds_commit(struct ds *ds, const struct ds_who *who, const struct edit_guard *guard,
	       ds_done_fn done, void *arg);
// Edit running in one transaction. dflt EDIT_REPLACE and test DS_TEST_THEN_SET: copy-config.
void ds_edit_running(struct ds *ds, const struct ds_who *who, const struct lyd_node *edit,
		     enum edit_op dflt, enum ds_test test, const struct edit_guard *guard,
		     ds_done_fn done, void *arg);

// What a version changed: *meta is the JSON object of the journal, *diff the diff, both to be freed.
int ds_change_read(struct ds *ds, uint64_t version, char **meta, char **diff);
// The first alone, without reading the diff and without checking sums again.
int ds_change_meta(struct ds *ds, uint64_t version, char **meta);
const uint8_t *ds_hash(const struct ds *ds, uint64_t version); // 32 bytes, NULL: no such version
// The configuration of a version; the caller frees the tree. Errors: -ENOENT
int ds_tree_at(struct ds *ds, uint64_t version, struct tree *out);
// The difference as a diff tree (diff.h), the caller's.
int ds_difference(const struct tree *from, const struct tree *to, struct lyd_node **out);
// The same between running and candidate, at what was touched.
int ds_pending(struct ds *ds, struct lyd_node **out);
