// SPDX-License-Identifier: BSD-3-Clause
//
// rpc - a connection to sluiced (control/rpc/README.md): JSON-RPC 2.0, one text per line.
//
// One NETCONF session has one connection, so that its locks fall with it. Calls are synchronous: the
// session's process has nothing else to do meanwhile but to notice that its client has left.
#pragma once

#include <jansson.h>

#define NCD_RPC_LINE_MAX ((size_t)64 << 20)

struct ncd_rpc;

// Connect to the socket at path.
// Returns: 0; *out to be closed with ncd_rpc_close
// Errors:  negative errno of socket or connect: -ENOENT and -ECONNREFUSED when sluiced is away
int ncd_rpc_connect(const char *path, struct ncd_rpc **out);
void ncd_rpc_close(struct ncd_rpc *r);

// The socket, to be watched between calls: readable then means that sluiced closed it.
int ncd_rpc_fd(const struct ncd_rpc *r);

// Call a method.
//
// params is taken over (NULL: none). watch_fd, when not -1, is the client's socket: if it hangs up
// the wait ends.
//
// Returns: 0, *result is a new reference (to json_decref), of any JSON type
// Errors:  -EREMOTEIO   sluiced refused; its errors were appended to errs
//          -EPIPE       the client on watch_fd is gone
//          -ECONNRESET  sluiced closed the connection, or does not speak JSON-RPC
//          -ETIMEDOUT   no answer within timeout_ms
//          -EMSGSIZE    the request is longer than a line may be
//          -ENOMEM
//          After any error but -EREMOTEIO and -EMSGSIZE the connection is of no further use.
int ncd_rpc_call(struct ncd_rpc *r, const char *method, json_t *params, int timeout_ms,
		 int watch_fd, json_t **result, json_t *errs);
