// SPDX-License-Identifier: BSD-3-Clause
//
// monitor - the state that sluice-netconfd itself knows: netconf-state (RFC 6022) and yang-library
// (RFC 8525).
#pragma once

#include <jansson.h>
#include <libyang/libyang.h>

#include "control/netconf/session.h"

// Names of the modules whose data is made here, NULL-terminated.
extern const char *const ncd_monitor_modules[];

// Make the data. locks is the "locks" member of sluiced's `state` (borrowed, may be NULL).
// Returns: the first top-level node, to be freed with lyd_free_all; NULL when memory ran out
struct lyd_node *ncd_monitor_data(const struct ncd_session *s, const json_t *locks);
