// SPDX-License-Identifier: BSD-3-Clause
//
// record - judge what an app sends before anything is done with it. The app is another process with
// other rights; a wrong byte ends the connection, never this daemon. Wire format: dataplane/ctl/msg.h.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "control/check/agent.h"
#include "dataplane/ctl/msg.h"

#define CHECK_WHY 160 // bytes for a sentence that says what is wrong

#define CHECK_AGENT_MS 2000 // most that an agent may take

// Is there one whole message at the start of the size bytes at buf?
//
// Returns: its length (hdr.len) with *hdr copied out; 0 when more bytes are needed.
// Errors:  -EPROTO  no message begins like this; why (CHECK_WHY bytes) says what is wrong
// Thread:  any
int check_msg_peek(const void *buf, size_t size, struct ctl_hdr *hdr, char *why);

// Does the padding behind the payload of a whole message hold zeroes only?
// Errors: -EPROTO. Thread: any
int check_msg_padding(const void *msg, const struct ctl_hdr *hdr, char *why);

// The app's greeting. instance is the name we connected to.
// Errors: -EPROTO. Thread: any
int check_hello_check(const void *payload, size_t size, const char *instance, char *why);

// A target. On success *out is a copy of which nothing is left but what its kind of check uses, and
// check.port is 0 (target.port is what counts); kind CTL_CHECK_NONE: nothing but an agent is asked.
// *agent is the target of the agent, kind CHECK_KIND_AGENT; of kind 0 if there is none.
// Errors: -EPROTO, *out and *agent untouched. Thread: any
int check_target_check(const void *payload, size_t size, struct ctl_target *out,
		       struct ctl_target *agent, char *why);

// A target that goes; *id is its server.
// Errors: -EPROTO. Thread: any
int check_target_del_check(const void *payload, size_t size, uint64_t *id, char *why);

// An acknowledgement, which an app sends only to say what it refused.
// Errors: -EPROTO. Thread: any
int check_ack_check(const void *payload, size_t size, struct ctl_ack *out, char *why);
