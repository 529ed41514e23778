// SPDX-License-Identifier: BSD-3-Clause
//
// fake_app - the other end of the control link, in this process: listens on a real socket, writes down
// what it is told, and misbehaves on request.
#pragma once

#include "dataplane/ctl/msg.h"

#include <event2/event.h>

#include <stdbool.h>
#include <stddef.h>

struct bufferevent;
struct evconnlistener;

struct fake_app {
	struct event_base *base;
	struct evconnlistener *listener;
	struct bufferevent *conn;
	char path[108];
	char instance[CTL_NAME];
	uint64_t applied;
	uint8_t datastore[16];
	// what it does
	bool mute;        // accepts and says nothing
	bool hang;        // does not answer PREPARE
	bool hang_commit; // nor COMMIT
	bool hang_query;
	bool die_prepared;     // closes right after the ACK of PREPARE
	bool wrong_commit;     // confirms another version
	bool stale;            // answers the next delta with -ESTALE
	bool record_error;     // the next UPSERT is refused at once
	struct ctl_ack refuse; // result != 0: answer of PREPARE
	const char *answer;    // of a query; NULL: -ENOENT
	size_t part;           // bytes of one ANSWER; 0: all in one
	// what it saw
	char log[8192];
	unsigned upserts, deletes, connects;
	uint64_t begin_base, begin_target;
	uint16_t last_query;
	uint32_t last_seq;
};

void fake_app_start(struct fake_app *f, struct event_base *base, const char *dir,
		    const char *instance);
void fake_app_stop(struct fake_app *f); // as if it were killed
void fake_app_drop(struct fake_app *f); // close the connection, go on listening
void fake_app_send(struct fake_app *f, uint16_t type, uint16_t flags, uint32_t seq, const void *p,
		   size_t size);
void fake_app_send_raw(struct fake_app *f, const void *p, size_t size);
void fake_app_forget(struct fake_app *f); // empty the log

// Run the loop until *cond is not 0; fails the test after 5 s.
void fake_wait(struct event_base *base, bool (*cond)(void *arg), void *arg);
void fake_run(struct event_base *base, unsigned ms);
