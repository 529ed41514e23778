// SPDX-License-Identifier: BSD-3-Clause
//
// session - one NETCONF session: hello, then a reply for each message (RFC 6241 sections 3, 4, 8.1).
//
// Messages come in whole and replies go out whole; framing and SSH are ssh.c's.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/netconf/buf.h"
#include "control/netconf/schema.h"
#include "control/netconf/shared.h"

struct ncd_rpc;

struct ncd_session {
	const struct ncd_schema *schema;
	struct ncd_rpc *rpc;       // to sluiced, already acting for the user
	struct ncd_shared *shared; // NULL in unit tests
	struct ncd_slot *slot;     // ours in shared, or NULL
	int client_fd;             // the client's socket, watched while sluiced works; or -1
	uint32_t id;
	bool base11; // agreed in hello
	bool end;    // close after the reply, if there is one, has been sent
};

// Our hello.
void ncd_session_hello(const struct ncd_session *s, struct ncd_buf *out);

// Read the client's hello.
// Returns: 0, and s->base11 is set
// Errors:  -EBADMSG  no hello of a NETCONF we speak; why (plain text) says what is wrong with it. The
//                    session ends without an answer (RFC 6241 section 8.1).
int ncd_session_take_hello(struct ncd_session *s, const char *msg, size_t len, char *why,
			   size_t why_size);

// Do what a message asks for.
//
// An empty reply means that none may be sent. s->end tells that the session is over after it.
void ncd_session_message(struct ncd_session *s, const char *msg, size_t len, struct ncd_buf *reply);

// The reply to a message that was too long to be taken; the session ends after it.
void ncd_session_too_big(struct ncd_session *s, struct ncd_buf *reply);
