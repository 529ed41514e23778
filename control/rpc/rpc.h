// SPDX-License-Identifier: BSD-3-Clause
//
// rpc - the one way in: JSON-RPC 2.0 on a unix socket (README.md is the contract).
//
// One call of a connection at a time, answers in order. Calls that write the datastore wait in one
// queue while a transaction is under way; all others are answered meanwhile.
//
// Thread: control, all of it.
#pragma once

#include "control/txn/txn.h"

#include <stddef.h>
#include <sys/types.h>

struct ds;
struct event_base;
struct lyd_node;
struct net_alarm;
struct net_app_state;
struct net_effect;
struct rpc_server;

typedef void (*rpc_verdict_fn)(void *arg,
			       int rc); // 0: right, -EACCES: wrong, other: could not tell

struct rpc_conf {
	struct event_base *base;
	struct ds *ds;
	const struct ly_ctx *ctx;
	const char *socket_path;
	uid_t netconfd_uid; // may speak for named users; (uid_t)-1: nobody
	gid_t socket_gid;   // group of the socket; (gid_t)-1: as it comes

	// What other parts bring; each may be NULL.
	void (*state)(struct lyd_node **tree, txn_done_fn done, void *arg);
	size_t (*apps)(struct net_app_state *out, size_t max);
	size_t (*alarms)(struct net_alarm *out, size_t max);
	int (*preview)(const struct lyd_node *before, const struct lyd_node *after,
		       const struct lyd_node *diff,
		       void (*done)(void *arg, const struct net_effect *effect, size_t count,
				    size_t more),
		       void *arg);
	void (*query)(const char *instance, const char *name, const char *args,
		      void (*done)(void *arg, int rc, const char *json, size_t size), void *arg);
	// Is this the password for the hash (crypt(3))? Must not block.
	void (*verify)(const char *password, const char *hash, rpc_verdict_fn done, void *arg);
};

// Listen. A socket that a dead daemon left is replaced.
// Returns: 0, or negative errno (-EADDRINUSE: somebody answers there)
int rpc_create(const struct rpc_conf *conf, struct rpc_server **out);
void rpc_destroy(struct rpc_server *s);

// Take the line of a peer with this uid as if it had come over a socket, and give the answers (NULL
// where there is none yet); for the fuzz target and unit tests. The caller frees it.
char *rpc_feed(struct rpc_server *s, uid_t uid, const char *data, size_t size);
