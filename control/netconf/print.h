// SPDX-License-Identifier: BSD-3-Clause
//
// print - a data tree as the XML of a reply.
//
// libyang's own printer is not used: it writes all of a tree, and puts the mark of a default value
// into another namespace than RFC 6243 section 6 does.
#pragma once

#include <libyang/libyang.h>

#include "control/netconf/buf.h"

// Append the tree (first top-level node; NULL writes nothing).
//
// marked_only: only what ncd_filter_apply marked, with ancestors and keys.
// tagged: nodes that carry LYD_DEFAULT get wd:default="true".
void ncd_print(const struct lyd_node *tree, bool marked_only, bool tagged, struct ncd_buf *out);
