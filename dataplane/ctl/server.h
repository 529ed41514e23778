// SPDX-License-Identifier: BSD-3-Clause
//
// server - this process's end of the control link: listens on <run>/<instance>.ctl, checks every byte
// of msg.h, drives prepare / commit / abort of the app, keeps the last good snapshot on disk.
//
// The app registers; ctl never names an app. All calls and callbacks on the control thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/ctl/msg.h"

struct loop;
struct ctl_link;

// Record types from here on are the app's own (its slot map, say): kept in the snapshot on disk beside
// the records of msg.h, never accepted from the link.
#define CTL_REC_PRIVATE UINT16_C(0x8000)

struct ctl_app {
	// A transaction starts. base 0: from nothing. Returns 0, or a negative errno: then nothing was
	// begun, and no abort follows. Every transaction begun ends in one commit or one abort.
	int (*begin)(void *arg, uint64_t base, uint64_t target);
	// One record, already checked for form (lengths, string ends, enums, ranges, reserved fields).
	// On error *ack is filled (tag, field, message).
	int (*upsert)(void *arg, const struct ctl_rec *rec, struct ctl_ack *ack);
	int (*del)(void *arg, uint16_t type, uint64_t id, struct ctl_ack *ack);
	// Build everything aside; after 0, commit cannot fail.
	int (*prepare)(void *arg, uint64_t target, struct ctl_ack *ack);
	void (*commit)(void *arg, uint64_t target);
	void (*abort)(void *arg);
	// Answer a query: *json malloc'ed text, freed by the server. -ENOENT unknown, -EINVAL bad args.
	// -EINPROGRESS: not yet; the app has kept ctl_link_asker() and will call ctl_link_answer().
	int (*query)(void *arg, const char *name, const char *args, char **json);
	// A verdict of sluice-checkd. -ENOENT: unknown server (ignored, counted).
	int (*verdict)(void *arg, const struct ctl_verdict *v);
	// Call emit for every server that has a check.
	void (*targets)(void *arg, void (*emit)(void *ctx, const struct ctl_target *t), void *ctx);
	// Walk all records in force, the private ones too, for the snapshot on disk.
	void (*records)(void *arg, void (*emit)(void *ctx, const struct ctl_rec *rec), void *ctx);
	// Private records that the transaction now prepared adds or changes: they are on disk before
	// commit is called. NULL: the app has none.
	void (*privates)(void *arg, void (*emit)(void *ctx, const struct ctl_rec *rec), void *ctx);
	// A private record found on disk at start, before begin. -EINVAL: not usable (ignored, logged).
	int (*restore)(void *arg, const struct ctl_rec *rec);
	// A control side has come, and knows nothing of what was reported before: report again, by
	// ctl_link_event, what is wrong now. May be NULL.
	void (*greeted)(void *arg);
	void *arg;
};

struct ctl_link_conf {
	const char *run_dir;
	const char *lib_dir; // snapshot: <lib_dir>/<instance>.snapshot
	const char *instance;
	uint32_t control_uid; // may connect beside uid 0 and our own uid
};

// Load the last good snapshot (if any) through begin/upsert/prepare/commit, then listen.
// A damaged snapshot is set aside as <name>.bad and said in the log (snapshot.h says what of it is
// still used); an app that refuses its own snapshot starts empty, and the file is set aside too.
// Errors: -EADDRINUSE another process has this instance; -EACCES, -EIO. Thread: init
int ctl_link_create(struct loop *l, const struct ctl_link_conf *conf, const struct ctl_app *app,
		    struct ctl_link **out);
void ctl_link_destroy(struct ctl_link *s);

// Tell the control side something (lost without one). Thread: control
void ctl_link_event(struct ctl_link *s, const struct ctl_event *e);

// Version in force, 0: none. Thread: control
uint64_t ctl_link_applied(const struct ctl_link *s);

// A control connection (sluiced) is there. Thread: control
bool ctl_link_connected(const struct ctl_link *s);

// Who asked: an answer that takes its time finds its way by this. Never kept beyond it.
struct ctl_asker {
	uint64_t serial; // of the connection
	uint32_t seq;
	uint16_t peer;
	uint16_t role; // enum ctl_role
	char name[32]; // of the query
};

// Inside struct ctl_app.query: who asks. False: nobody that could be answered later. Thread: control
bool ctl_link_asker(const struct ctl_link *s, struct ctl_asker *who);

// Does that one still wait? An app may stop its work when not. Thread: control
bool ctl_link_waits(const struct ctl_link *s, const struct ctl_asker *who);

// The answer to a query that returned -EINPROGRESS, once. rc, json: as query() would have given them;
// json stays the caller's. Whoever has gone is not answered. Thread: control, not inside query()
void ctl_link_answer(struct ctl_link *s, const struct ctl_asker *who, int rc, const char *json);

// A checker is there (else there is nobody to tell). Thread: control
bool ctl_link_has_checkers(const struct ctl_link *s);

// Tell checkers that a target is new or changed, or gone (id of the server). Thread: control
void ctl_link_target(struct ctl_link *s, const struct ctl_target *t);
void ctl_link_target_del(struct ctl_link *s, uint64_t id);

// Take a connected stream socket as if it had been accepted from a trusted uid (tests, fuzzing).
// Owner: the server closes fd. Errors: -EMFILE too many connections, -ENOMEM. Thread: control
int ctl_link_adopt(struct ctl_link *s, int fd);

// Check the form of one record of msg.h (also used by the fuzz target).
// Returns: 0
// Errors:  -EPROTO  not a record as msg.h draws it (size, string end, reserved field, unknown type)
//          -EINVAL  a value out of range; *ack names record, YANG leaf and reason either way
// Thread:  any
int ctl_record_check(const void *bytes, size_t size, struct ctl_ack *ack);

// Size of a record of this type, 0: no such type. Thread: any
size_t ctl_record_size(uint16_t type);
