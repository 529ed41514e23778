// SPDX-License-Identifier: BSD-3-Clause
//
// server_priv - what server.c (peers) and txn.c (the transaction, the state on disk) share.
// Thread: control.
#pragma once

#include "dataplane/core/clock.h"
#include "dataplane/ctl/server.h"
#include "dataplane/ctl/snapshot.h"

#include <rte_log.h>

#define PEERS_MAX 24

extern int ctl_log;
#define LOG(level, ...) rte_log(RTE_LOG_##level, ctl_log, "ctl: " __VA_ARGS__)

enum txn_state { TXN_IDLE, TXN_OPEN, TXN_PREPARED };

struct peer {
	struct ctl_link *link;
	struct ctl_conn *conn; // NULL: free
	uint16_t role;         // enum ctl_role, 0 before HELLO
	uint64_t since;        // ms
	uint64_t serial;       // of the connection: no two have the same
};

struct txn {
	enum txn_state state;
	struct peer *owner;
	uint64_t base, target;
	uint8_t datastore[16];
	bool begun;             // the app knows of it
	struct ctl_ack refusal; // result != 0: the first thing that was wrong
	struct ctl_snapshot_buf records;
	uint64_t touched; // ms, last message
};

struct ctl_link {
	struct loop *loop;
	const struct ctl_app *app;
	char *instance;
	uint32_t control_uid;
	int lock_fd, listen_fd;
	int tick;
	uint64_t rewrite_at; // ms, not before
	struct peer peer[PEERS_MAX];
	struct peer *control;
	struct txn txn;
	uint64_t applied;
	uint8_t datastore[16];
	struct ctl_snapshot *snapshot;
	uint64_t unknown_verdicts;
	uint64_t last_serial;
	const struct ctl_asker *asker; // of the query that the app looks at now
	int emit_error;                // of the walk that is running
};

static inline uint64_t ctl_now_ms(void)
{
	return clock_monotonic_ns() / 1000000;
}

// Answers, of server.c. ctl_refuse answers -EPROTO; the caller returns what it returns, which ends the
// connection.
void ctl_ack_set(struct ctl_ack *a, int result, uint16_t tag, const char *message);
int ctl_ack_send(struct peer *p, uint32_t seq, struct ctl_ack *a);
int ctl_ack_ok(struct peer *p, uint32_t seq);
int ctl_refuse(struct peer *p, uint32_t seq, const char *why);

// Messages of the transaction, of txn.c. Returns: 0, or an error that ends the connection
int ctl_txn_begin(struct peer *p, const struct ctl_hdr *h, const struct ctl_begin *b);
int ctl_txn_upsert(struct peer *p, const struct ctl_hdr *h, const void *payload);
int ctl_txn_delete(struct peer *p, const struct ctl_hdr *h, const void *payload);
int ctl_txn_prepare(struct peer *p, const struct ctl_hdr *h, const struct ctl_version *v);
int ctl_txn_commit(struct peer *p, const struct ctl_hdr *h, const struct ctl_version *v);
int ctl_txn_on_abort(struct peer *p, const struct ctl_hdr *h, const struct ctl_version *v);

// Drop the transaction, if there is one, and tell the app.
void ctl_txn_abort(struct ctl_link *s, const char *why);

// Forget the transaction without a word to the app.
void ctl_txn_reset(struct ctl_link *s);

// Write the log on disk anew from what the app holds; on failure again in 10 s.
void ctl_txn_rewrite(struct ctl_link *s);

// Open the log on disk and put its last good state in force.
// Returns: 0 (also with a state that was refused and set aside) or a negative errno
int ctl_txn_load(struct ctl_link *s, const char *lib_dir);
