// SPDX-License-Identifier: BSD-3-Clause
//
// link - the daemon's end of the control link to one app (wire: dataplane/ctl/msg.h).
//
// Connects to <run>/<instance>.ctl and connects again, with growing pauses, whenever the connection
// ends. Carries one transaction at a time and any number of queries. Knows nothing of YANG and nothing
// of what the records mean; that is control/net.
//
// The app is not trusted: what it sends is checked byte by byte (link_check.h), an answer to nothing
// that was asked ends the connection, and so does an app that does not answer a transaction in time.
//
// All calls and callbacks are on the event loop's thread. Nothing blocks. A callback may call any
// function here but link_destroy.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/ctl/msg.h"

#define LINK_QUERY_MAX  64                 // unanswered queries of one link
#define LINK_ANSWER_MAX (64 * 1024 * 1024) // bytes of one answer, all parts

struct event_base;
struct link;

struct link_ops {
	// The app has introduced itself: the version it has in force, and the datastore that made it.
	void (*up)(void *arg, uint64_t applied, const uint8_t datastore[16]);
	// A connection was lost (was_up), or an attempt failed. why is a sentence, borrowed.
	void (*down)(void *arg, bool was_up, const char *why);
	void (*event)(void *arg, const struct ctl_event *e);
};

struct link_conf {
	struct event_base *base;
	const char *run_dir;
	const char *instance;
	uint8_t datastore[16];
	unsigned retry_min_ms; // 0: 50
	unsigned retry_max_ms; // 0: 1000
	unsigned hello_ms;     // 0: 5000
};

// The first attempt is made from the event loop, not before link_create returns.
// Returns: 0 and *out
// Errors:  -ENAMETOOLONG the socket's path does not fit  -ENOMEM
int link_create(const struct link_conf *conf, const struct link_ops *ops, void *arg,
		struct link **out);

// Close. Pending callbacks are not called.
void link_destroy(struct link *l);

bool link_is_up(const struct link *l);

// Try to connect at once (from the event loop) if it is down: down() or up() will follow.
void link_kick(struct link *l);

// Give up this connection; down() is called from the event loop, and it is tried again.
void link_reset(struct link *l, const char *why);

// ---- a transaction ---------------------------------------------------------------------------

// rc: 0, the app's refusal (ack is what it said), -ENOTCONN the connection was lost, -ETIMEDOUT no
// answer (the connection is then given up). ack is NULL for the last two.
typedef void (*link_ack_fn)(void *arg, int rc, const struct ctl_ack *ack);

// begin, any number of records, prepare; then commit or abort. All must be sent without returning to
// the event loop between begin and prepare.
// Errors: -ENOTCONN
int link_begin(struct link *l, uint64_t base, uint64_t target);
void link_upsert(struct link *l, const struct ctl_rec *rec);
void link_delete(struct link *l, uint16_t type, uint64_t id);
int link_prepare(struct link *l, uint64_t target, unsigned timeout_ms, link_ack_fn done, void *arg);
int link_commit(struct link *l, uint64_t target, unsigned timeout_ms, link_ack_fn done, void *arg);

// Drop what was prepared or is being prepared. The done of an unanswered prepare is not called. An app
// that does not confirm in time loses its connection.
int link_abort(struct link *l, uint64_t target, unsigned timeout_ms);

// ---- queries ---------------------------------------------------------------------------------

// rc: 0 and the answer (borrowed, terminated by a NUL that size does not count); -ENOTCONN, -ETIMEDOUT,
// -EMSGSIZE an answer over LINK_ANSWER_MAX, or what the app said (-ENOENT, -EINVAL). json is then the
// sentence the app refused with, or NULL.
typedef void (*link_answer_fn)(void *arg, int rc, const char *json, size_t size);

// args is JSON text, NULL: {}.
// Returns: 0, done will be called once; on error it is not called
// Errors:  -ENOTCONN, -EINVAL name or args too long, -EBUSY too many queries, -ENOMEM
int link_query(struct link *l, const char *name, const char *args, unsigned timeout_ms,
	       link_answer_fn done, void *arg);
