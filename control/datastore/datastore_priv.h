// SPDX-License-Identifier: BSD-3-Clause
//
// What datastore.c, candidate.c and running.c share.
#pragma once

#include "control/datastore/checkpoint.h"
#include "control/datastore/datastore.h"
#include "control/datastore/diff.h"
#include "control/datastore/journal.h"

struct event;

struct ds {
	struct ds_conf conf;
	char dir[4096];
	struct journal *journal;
	struct tree running, candidate;
	struct touched touched; // where candidate may differ from running
	bool unchecked;         // the candidate holds edits that were set without a test

	// the transaction under way
	bool busy;
	bool in_candidate; // of the candidate; else of scratch
	bool undo;         // a refusal empties the candidate again: an edit of running on its way
	struct tree scratch;
	struct touched scratch_touched;
	struct lyd_node *diff;
	struct txn_change change;
	struct txn_result *result;
	struct ds_who who;
	char user[256], transport[64], comment[1024];
	ds_done_fn done;
	void *done_arg;

	uint64_t checkpoint_version, checkpoint_wanted;
	pid_t checkpoint_pid;
	struct event *child_event;
};

void ds_notice(const struct ds *ds, const char *text);
int ds_parse_diff(const struct ly_ctx *ctx, const char *text, size_t size, struct lyd_node **out);
int ds_journal(struct ds *ds, const struct ds_who *who, const struct lyd_node *diff);
int ds_undo_to(struct ds *ds, struct tree *t, uint64_t version, struct tree_log *log,
	       struct txn_result *r);
void ds_checkpoint(struct ds *ds, bool wait);
// Ask the guard (NULL: all is allowed) about each node of a diff.
int ds_ask(const struct edit_guard *guard, const struct lyd_node *diff, struct txn_result *r);
