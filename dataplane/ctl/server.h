// SPDX-License-Identifier: BSD-3-Clause
//
// server - this process's end of the control link: listens on <run>/<instance>.ctl, checks every byte
// of msg.h, drives prepare / commit / abort of the app, keeps the last good snapshot on disk.
//
// The app registers; ctl never names an app. All calls and callbacks on the control thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "dataplane/ctl/msg.h"

struct loop;
struct ctl_server;
struct ctl_query_reply;

struct ctl_app {
	// A transaction starts. base 0: from nothing. Returns 0 or negative errno.
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
	int (*query)(void *arg, const char *name, const char *args, char **json);
	// A verdict of sluice-checkd. -ENOENT: unknown server (ignored, counted).
	int (*verdict)(void *arg, const struct ctl_verdict *v);
	// Call emit for every server that has a check.
	void (*targets)(void *arg, void (*emit)(void *ctx, const struct ctl_target *t), void *ctx);
	// Walk all records in force, for the snapshot on disk.
	void (*records)(void *arg, void (*emit)(void *ctx, const struct ctl_rec *rec), void *ctx);
	// The slot map and other private state to keep beside the records; may be NULL.
	void *arg;
};

struct ctl_server_conf {
	const char *run_dir;
	const char *lib_dir; // snapshot: <lib_dir>/<instance>.snapshot
	const char *instance;
};

// Load the last good snapshot (if any) through begin/upsert/prepare/commit, then listen.
// A damaged snapshot is set aside as <name>.bad and said in the log; the app starts empty.
// Errors: -EADDRINUSE another process has this instance; -EIO. Thread: init
int ctl_server_create(struct loop *l, const struct ctl_server_conf *conf, const struct ctl_app *app,
		      struct ctl_server **out);
void ctl_server_destroy(struct ctl_server *s);

// Tell the control side something (lost without one). Thread: control
void ctl_server_event(struct ctl_server *s, const struct ctl_event *e);

// Version in force and its datastore. Thread: control
uint64_t ctl_server_applied(const struct ctl_server *s);

// Check the form of one record (also used by the fuzz target). Returns 0, or -EPROTO/-EINVAL with *ack.
// Thread: any
int ctl_record_check(const void *bytes, size_t size, struct ctl_ack *ack);
