// SPDX-License-Identifier: BSD-3-Clause
//
// ssh - one client's connection, from key exchange to close, in a process of its own.
//
// The process is forked for the connection and holds nothing but it: whatever a stranger's bytes do
// to libssh, libxml2 or us ends with this process, and a client that is slow is slow for itself.
#pragma once

#include <stddef.h>

#include <libssh/libssh.h>

#include "control/netconf/schema.h"
#include "control/netconf/shared.h"

#define NCD_AUTH_ATTEMPTS 6
#define NCD_WRITE_SECONDS 60                // a client that takes nothing for so long is given up
#define NCD_BACKLOG_MAX   ((size_t)4 << 20) // bytes a client may send ahead of its replies

struct ncd_ssh_conf {
	const ssh_key *hostkeys;
	unsigned hostkey_count;
	const char *rpc_path; // socket of sluiced
	const struct ncd_schema *schema;
	struct ncd_shared *shared;
	struct ncd_slot *slot; // of this connection
	unsigned grace_s;      // from connect to hello
	size_t message_max;    // bytes
	int fd;                // the connected socket; taken over
	char source[64];       // peer address, as text
};

// Serve the connection to its end.
// Returns: exit status for the process: 0 when the session was closed in an orderly way
int ncd_ssh_serve(const struct ncd_ssh_conf *conf);
