// SPDX-License-Identifier: BSD-3-Clause
//
// app - the link to one app instance: greets as CHECKER, takes targets, gives verdicts.
//
// The link outlives its connection. When the app goes away its targets are checked on, so that after
// a restart it has every verdict as soon as it has named its servers; only when it stays away for
// CHECK_GRACE_S are they forgotten. What the app does not read is not queued: a server has at most
// one verdict waiting, the newest.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHECK_GRACE_S    60
#define CHECK_RETRY_FAST 100 // ms between attempts in the first seconds after the app went away
#define CHECK_RETRY_SLOW 1000
#define CHECK_FRESH_S                                                                              \
	10 // a verdict without news is repeated this often, for its latency and reason

struct event_base;
struct check_app;
struct check_engine;
struct check_sub;

struct check_app_conf {
	struct event_base *base;
	struct check_engine *engine;
	const char *run_dir;
	const char *instance;
	bool wanted; // named by the operator: kept without a socket file
};

// Start to connect. Errors: -ENOMEM, -ENAMETOOLONG. Thread: control
int check_app_create(const struct check_app_conf *conf, struct check_app **out);
void check_app_destroy(struct check_app *a);

const char *check_app_instance(const struct check_app *a);
// The socket's file has just appeared: try now.
void check_app_poke(struct check_app *a);
// Gone for so long that nobody waits for it: the owner destroys it.
bool check_app_forgotten(const struct check_app *a);
size_t check_app_targets(const struct check_app *a);
bool check_app_connected(const struct check_app *a);

// The engine's `tell`: sub is one of an app's.
void check_app_tell(struct check_sub *sub, bool news);
