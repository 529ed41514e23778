// SPDX-License-Identifier: BSD-3-Clause
//
// check - is the tree still valid (RFC 7950 section 8.3.3)? Looks only where an edit may have broken it:
// the nodes it touched, the conditions that read them, and the leafrefs to what it took away.
//
// Conditions that read leaves with defaults run on a copy of the small subtree they read, with the
// default nodes put in: live trees hold none.
#pragma once

struct tree;
struct tree_log;
struct txn_result;

// Check after an edit; log is what the edit did. A node that was there before and whose when
// condition the edit made false is deleted (RFC 7950 section 8.2.1), which the log records too.
//
// Returns: 0, or -EINVAL with r filled; the caller undoes the log
int check_edit(struct tree *t, struct tree_log *log, struct txn_result *r);

// Check a whole tree. Changes nothing.
int check_all(struct tree *t, struct txn_result *r);
