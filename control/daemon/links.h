// SPDX-License-Identifier: BSD-3-Clause
//
// links - module of the transaction: brings kernel interfaces up and down as ietf-interfaces `enabled`
// says, by the privileged helper. Interfaces that are not there are named in a warning, no more: the
// configuration may be ahead of the hardware (feature pre-provisioning).
#pragma once

struct helper;
struct lyd_node;
struct txn_module;

const struct txn_module *links_module(struct helper *h);

// Bring all of running into force, at start.
void links_start(const struct lyd_node *running);
