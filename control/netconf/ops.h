// SPDX-License-Identifier: BSD-3-Clause
//
// ops - the operations of NETCONF, each one call (or two) of sluiced.
#pragma once

#include <jansson.h>
#include <libxml/tree.h>

#include "control/netconf/buf.h"
#include "control/netconf/session.h"

// Run the operation that is the child of <rpc>.
//
// Returns: 0; body holds what goes inside <rpc-reply>, empty for <ok/>
// Errors:  -EPIPE  the client is gone, there is nobody to answer
//          any other: errs says what to answer; s->end is set when the session cannot go on
int ncd_op_run(struct ncd_session *s, xmlNodePtr op, struct ncd_buf *body, json_t *errs);
