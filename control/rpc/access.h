// SPDX-License-Identifier: BSD-3-Clause
//
// access - who may do what (RFC 8341), from the ietf-netconf-acm part of running.
//
// Deviation: external groups (enable-external-groups) are those of the local user database only.
#pragma once

#include "control/datastore/edit.h"

#include <stdbool.h>
#include <stddef.h>

struct access;
struct lyd_node;

#define ACCESS_CREATE 0x01u
#define ACCESS_READ   0x02u
#define ACCESS_UPDATE 0x04u
#define ACCESS_DELETE 0x08u
#define ACCESS_EXEC   0x10u
#define ACCESS_ALL    0x1fu

// One user under the rules. All-zero with bypass set: the recovery session.
struct access_user {
	const struct access *access;
	const void **rule; // rules that apply to the user, in order
	size_t rule_count;
	bool bypass;
};

// Compile the rules of a running tree (top-level siblings, may be NULL).
// Returns: 0, *out the caller's; or -ENOMEM
int access_create(const struct lyd_node *running, struct access **out);
void access_destroy(struct access *a);

// Which rules apply to a user; groups (may be NULL) are those the transport reports.
// Returns: 0 or -ENOMEM. *u is good as long as a.
int access_user_init(struct access_user *u, const struct access *a, const char *user,
		     const char *const *groups, size_t group_count);
void access_user_fini(struct access_user *u);

// May the user call an operation of a module? deny_default: it is marked default-deny-all.
bool access_exec(const struct access_user *u, const char *module, const char *rpc,
		 bool deny_default);
// May the user do this to the node? The node hangs in a tree with its ancestors and their keys.
bool access_node(const struct access_user *u, const struct lyd_node *node, unsigned op);
// Take out of a tree (a copy) what the user may not read.
void access_prune(const struct access_user *u, struct lyd_node **tree);
