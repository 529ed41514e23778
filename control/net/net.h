// SPDX-License-Identifier: BSD-3-Clause
//
// net - the module of network services: turns a change of ietf-interfaces, sluice-port and sluice-lb
// into records of dataplane/ctl/msg.h for each app instance, and sends them over control/link.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct lyd_node;
struct ly_ctx;
struct txn_module;

struct net_conf {
	struct event_base *base;
	const struct ly_ctx *ctx;
	const char *run_dir;
	uint8_t datastore[16];
	unsigned deadline_ms; // of apps in a transaction; 0: TXN_DEADLINE_S
	unsigned stray_ms;    // pause between looks for apps that are not configured; 0: 10 s
};

// Start with the running tree as loaded (borrowed until the next change is committed); links to the
// apps it names are opened and resynchronised. Returns 0 or negative errno.
int net_init(const struct net_conf *conf, const struct lyd_node *running, uint64_t version);
void net_fini(void);

const struct txn_module *net_module(void);

// For the RPC methods `state` and `app-query`.
struct net_app_state {
	char instance[64];
	bool connected;
	uint64_t applied, intended;
	char error_path[512]; // "" if none
	char error_message[512];
};
size_t net_apps(struct net_app_state *out, size_t max);

// Ask an app; done(arg, rc, json): rc 0 and its answer, or a negative errno (-ENOTCONN, -ETIMEDOUT,
// -ENOENT, -EINVAL), json then being the sentence of the app's refusal or NULL. json is borrowed for the call.
void net_query(const char *instance, const char *name, const char *args,
	       void (*done)(void *arg, int rc, const char *json, size_t size), void *arg);

// What an operator should know: an app that is away or refuses its configuration, and what apps report
// themselves (a port down, a server down). Cleared when it is over.
struct net_alarm {
	char instance[64];
	char kind[16];     // away, refused, port, health, state
	unsigned severity; // RFC 5424: 3 error, 4 warning
	char path[512];
	char message[512];
	int64_t time; // since the epoch, seconds
};
// Copies up to max alarms, newest first. Returns how many.
size_t net_alarms(struct net_alarm *out, size_t max);

// What a change would do to the traffic of now.
enum net_asks { // whose flows an effect is about
	NET_ASKS_NOTHING,
	NET_ASKS_SERVICE,
	NET_ASKS_SERVER,
	NET_ASKS_POOL,  // those of its servers that are down
	NET_ASKS_LOCAL, // those that use the local address `name`
};

struct net_effect {
	char instance[64];
	char kind
		[24]; // flows-end, flows-reset, flows-break, no-new-flows, range, forwarding, match,
		      // port-closed, port-opened, port-changed,
		      // no-port
	char path[512];     // of the entry
	char pool[64];      // of a server, else ""
	char name[64];      // of the entry
	char text[256];     // a sentence
	enum net_asks asks; // it is about flows ...
	bool counted;       // ... and the application says how many
	uint64_t flows;     // that live now
};

// more: effects beyond those told.
typedef void (*net_preview_fn)(void *arg, const struct net_effect *effect, size_t count,
			       size_t more);

// before, after: top-level siblings; diff: between them. The change is sound (checked before). done is
// called once, perhaps before the call returns; an application that is away leaves its flows uncounted.
// Returns: 0, or a negative errno and done is not called
int net_preview(const struct lyd_node *before, const struct lyd_node *after,
		const struct lyd_node *diff, net_preview_fn done, void *arg);
