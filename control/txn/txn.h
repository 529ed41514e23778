// SPDX-License-Identifier: BSD-3-Clause
//
// txn - one configuration change across all modules: check, prepare all, (journal by the caller),
// commit or abort. One transaction at a time; the caller (control/datastore, control/rpc) queues.
//
//	txn_prepare() -> done(result) -> caller appends to the journal, fsync = commit point
//	              -> txn_commit() -> done(result)            or             txn_abort() -> done
//
// Everything runs on the daemon's one event loop (libevent); nothing here blocks. Deadline of
// prepare and commit: TXN_DEADLINE_S per module.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define TXN_DEADLINE_S  10
#define TXN_MODULE_MAX  16
#define TXN_ERROR_MAX   8
#define TXN_WARNING_MAX 16

struct lyd_node;
struct event_base;

// An rpc-error of RFC 6241 section 4.3 in the making.
struct txn_error {
	const char *tag;     // error-tag, static string
	const char *app_tag; // static string or NULL
	char path[512];      // instance path of the node at fault, "" if none
	char message[512];
};

struct txn_change {
	const struct lyd_node *before; // running tree before the change (top-level siblings)
	const struct lyd_node *after;  // the tree that will be running
	const struct lyd_node *diff;   // lyd_diff shape: yang:operation on touched nodes
	uint64_t base, target;         // versions
	uint8_t datastore[16];
	bool require_all; // an app that is away fails the transaction
};

struct txn_result {
	int result; // 0 or negative errno
	unsigned error_count;
	struct txn_error error[TXN_ERROR_MAX];
	unsigned warning_count;
	char warning[TXN_WARNING_MAX][256];
};

typedef void (*txn_done_fn)(void *arg, const struct txn_result *r);

// The five calls of a module (net; later compute, storage, dr). Asynchronous ones call done exactly
// once, from the event loop or before returning.
struct txn_module {
	const char *name;
	// Checks that need only the trees: indices, references, overlaps. Synchronous.
	// Fills r->error. Returns 0 or negative errno.
	//
	// A module whose prepare ends in an error has undone its own part: its abort is not called. One
	// that does not answer in time is aborted like those that are prepared.
	// The result given to done is read before done returns.
	int (*check)(const struct txn_change *c, struct txn_result *r);
	void (*prepare)(const struct txn_change *c, txn_done_fn done, void *arg);
	void (*commit)(const struct txn_change *c, txn_done_fn done,
		       void *arg); // cannot fail: warnings only
	void (*abort)(const struct txn_change *c, txn_done_fn done, void *arg);
	// Add operational state below the running tree given (a copy the caller owns). done when complete;
	// a module that is slow (1 s) is left out.
	void (*state)(struct lyd_node **tree, txn_done_fn done, void *arg);
};

// Register the modules in plan order, at start. Returns 0, -ENOSPC, -EINVAL (a call is missing) or
// -EEXIST (the name is taken).
int txn_register(const struct txn_module *m);

// Forget all modules (at exit).
void txn_unregister_all(void);

// Deadline of one call of one module, in milliseconds; 0: the default, TXN_DEADLINE_S and two seconds,
// so that a module that keeps the deadline towards its own peers is never late itself.
void txn_set_deadline(unsigned ms);

// Add an error; those over TXN_ERROR_MAX are dropped, the first result code stays. Returns -EINVAL, or
// the code that stands.
__attribute__((format(printf, 6, 7))) int txn_refuse(struct txn_result *r, int rc, const char *tag,
						     const char *app_tag, const char *path,
						     const char *format, ...);
// Add a warning; those over TXN_WARNING_MAX are dropped.
__attribute__((format(printf, 2, 3))) void txn_warn(struct txn_result *r, const char *format, ...);

// Only the checks; for validate. Returns 0 or negative errno with r filled.
int txn_check(const struct txn_change *c, struct txn_result *r);

// Checks all, then prepares the modules one after another. After a failure those that are prepared are
// aborted, last first, and done has the errors; nothing is left to abort. After success the caller owes
// a commit or an abort. The change must stay valid until that one's done. Errors go to done: -EBUSY
// while another transaction runs, -ETIMEDOUT a module kept silent.
void txn_prepare(struct event_base *base, const struct txn_change *c, txn_done_fn done, void *arg);
void txn_commit(const struct txn_change *c, txn_done_fn done, void *arg);
void txn_abort(const struct txn_change *c, txn_done_fn done, void *arg);

// Collect state from all modules; done when each has answered.
void txn_state(struct lyd_node **tree, txn_done_fn done, void *arg);
