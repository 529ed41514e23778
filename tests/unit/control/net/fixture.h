// SPDX-License-Identifier: BSD-3-Clause
//
// fixture - models and trees for the tests of control/net and control/link.
#pragma once

#include "control/txn/txn.h"

#include <libyang/libyang.h>

// The context with all models the module reads; made once.
struct ly_ctx *fixture_ctx(void);
// A tree from JSON with single quotes for double ones; NULL for "{}". Fails the test if it does not parse.
struct lyd_node *fixture_tree(const char *json);

// A change from one tree to another, with its diff. Owns the diff only.
struct fixture_change {
	struct txn_change c;
	struct lyd_node *diff;
};
void fixture_change(struct fixture_change *f, const struct lyd_node *before,
		    const struct lyd_node *after);
void fixture_change_fini(struct fixture_change *f);

extern const uint8_t fixture_datastore[16];

// A small whole configuration of one instance "lb": port eth0, pools, service web.
extern const char fixture_base[];
