// SPDX-License-Identifier: BSD-3-Clause
//
// Opening, history and the read side. The candidate's operations are in candidate.c, the transaction is
// in running.c.

#include "control/datastore/datastore_priv.h"

#include "control/datastore/check.h"
#include "control/datastore/errors.h"

#include <event2/event.h>
#include <jansson.h>
#include <libyang/libyang.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#define CHECKPOINT_EVERY 1000

void ds_notice(const struct ds *ds, const char *text)
{
	if (ds->conf.notice != NULL && text[0] != '\0')
		ds->conf.notice(text);
}

int ds_parse_diff(const struct ly_ctx *ctx, const char *text, size_t size, struct lyd_node **out)
{
	struct lyd_node *diff = NULL;
	char *copy = strndup(text, size);
	LY_ERR rc;

	if (copy == NULL)
		return -ENOMEM;
	rc = lyd_parse_data_mem(ctx, copy, LYD_JSON,
				LYD_PARSE_ONLY | LYD_PARSE_STRICT | LYD_PARSE_NO_STATE, 0, &diff);
	free(copy);
	if (rc != LY_SUCCESS) {
		lyd_free_all(diff);
		return -EINVAL;
	}
	*out = diff;
	return 0;
}

static int apply_text(const struct ly_ctx *ctx, struct tree *t, const char *text, size_t size,
		      bool reverse, struct tree_log *log, struct txn_result *r)
{
	struct lyd_node *diff = NULL;
	int rc = ds_parse_diff(ctx, text, size, &diff);

	if (rc != 0)
		return rc;
	rc = tree_apply(t, diff, reverse, log, r);
	lyd_free_all(diff);
	return rc;
}

// ---- opening

struct replay {
	struct ds *ds;
	struct checkpoint ckpt; // version 0: none
	struct txn_result r;
};

static int replay_one(void *arg, uint64_t version, const char *meta, size_t meta_size,
		      const char *diff, size_t diff_size, const uint8_t *hash)
{
	struct replay *p = arg;
	struct tree_log log = {0};
	int rc;

	(void)meta;
	(void)meta_size;
	if (version < p->ckpt.version)
		return 0;
	if (version == p->ckpt.version)
		return memcmp(hash, p->ckpt.hash, sizeof(p->ckpt.hash)) == 0 ? 0 : -ESTALE;
	rc = apply_text(p->ds->conf.ctx, &p->ds->running, diff, diff_size, false, &log, &p->r);
	tree_log_fini(&log);
	return rc;
}

// Open the journal on top of the newest checkpoint below `below`.
static int open_from(struct ds *ds, uint64_t *below, struct journal_error *err, char *notice,
		     size_t size)
{
	struct replay p = {.ds = ds};
	char text[1024], path[4200];
	int rc;

	p.r.result = 0;
	rc = checkpoint_load(ds->dir, ds->conf.ctx, *below, &p.ckpt, text, sizeof(text));
	ds_notice(ds, text);
	if (rc != 0)
		p.ckpt = (struct checkpoint){0};
	ds->running.root = p.ckpt.tree;
	*below = rc == 0 ? p.ckpt.version : 0;
	ds->checkpoint_version = *below;
	snprintf(path, sizeof(path), "%s/journal", ds->dir);
	rc = journal_open(path, ds->conf.keep_good, replay_one, &p, &ds->journal, err, notice,
			  size);
	if (rc == 0 && *below > 0 &&
	    (journal_version(ds->journal) < *below ||
	     memcmp(journal_id(ds->journal), p.ckpt.id, sizeof(p.ckpt.id)) != 0))
		rc = -ESTALE; // of another journal, or of a part that is gone
	if (rc != 0) {
		if (p.r.error_count > 0)
			snprintf(err->message, sizeof(err->message), "%.100s: %.200s %.200s", path,
				 p.r.error[0].path, p.r.error[0].message);
		journal_close(ds->journal);
		ds->journal = NULL;
		lyd_free_all(ds->running.root);
		ds->running.root = NULL;
	}
	return rc;
}

static int load_factory(struct ds *ds, char *err, size_t err_size)
{
	struct ds_who who = {
		.user = "factory", .transport = "file", .comment = "factory configuration"};
	struct txn_result *r = calloc(1, sizeof(*r));
	struct lyd_node *config = NULL, *diff = NULL;
	struct tree t = {0};
	int rc;

	if (r == NULL)
		return -ENOMEM;
	if (lyd_parse_data_path(ds->conf.ctx, ds->conf.factory, LYD_JSON,
				LYD_PARSE_ONLY | LYD_PARSE_STRICT | LYD_PARSE_NO_STATE, 0,
				&config) != LY_SUCCESS) {
		errors_add_libyang(r, ds->conf.ctx, "cannot be parsed");
		rc = -EINVAL;
	} else {
		struct tree_log log = {0};

		rc = edit_apply(&t, config, EDIT_MERGE, NULL, &log, r);
		if (rc == 0)
			rc = check_edit(&t, &log, r);
		tree_log_fini(&log);
	}
	if (rc == 0)
		rc = diff_make(&ds->running, &t, NULL, &diff);
	if (rc == 0 && diff != NULL)
		rc = ds_journal(ds, &who, diff);
	if (rc == 0) {
		ds->running = t;
		t.root = NULL;
	} else {
		snprintf(err, err_size, "%s: %.200s %.200s", ds->conf.factory, r->error[0].path,
			 r->error_count > 0 ? r->error[0].message : strerror(-rc));
	}
	lyd_free_all(t.root);
	lyd_free_all(config);
	lyd_free_all(diff);
	free(r);
	return rc;
}

static void reap(evutil_socket_t sig, short what, void *arg)
{
	struct ds *ds = arg;
	int status;

	(void)sig;
	(void)what;
	if (ds->checkpoint_pid <= 0 ||
	    waitpid(ds->checkpoint_pid, &status, WNOHANG) != ds->checkpoint_pid)
		return;
	ds->checkpoint_pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		ds->checkpoint_version = ds->checkpoint_wanted;
	else
		ds_notice(ds,
			  "a checkpoint could not be written; the journal alone holds what is new");
}

int ds_open(const struct ds_conf *conf, struct ds **out, char *err, size_t err_size)
{
	struct ds *ds = calloc(1, sizeof(*ds));
	struct journal_error jerr = {.offset = -1};
	uint64_t below = UINT64_MAX;
	char notice[1024] = "";
	int rc;

	if (ds == NULL)
		return -ENOMEM;
	ds->conf = *conf;
	if (ds->conf.checkpoint_every == 0)
		ds->conf.checkpoint_every = CHECKPOINT_EVERY;
	snprintf(ds->dir, sizeof(ds->dir), "%s", conf->dir);
	do
		rc = open_from(ds, &below, &jerr, notice, sizeof(notice));
	while (rc == -ESTALE && below > 0);
	if (rc != 0) {
		snprintf(err, err_size, "%s", jerr.message);
		goto err;
	}
	ds_notice(ds, notice);
	if (journal_version(ds->journal) == 0 && conf->factory != NULL) {
		rc = load_factory(ds, err, err_size);
		if (rc != 0)
			goto err;
	}
	if (ds->running.root != NULL && lyd_dup_siblings(ds->running.root, NULL, LYD_DUP_RECURSIVE,
							 &ds->candidate.root) != LY_SUCCESS) {
		snprintf(err, err_size, "out of memory");
		rc = -ENOMEM;
		goto err;
	}
	if (conf->base != NULL) {
		ds->child_event = evsignal_new(conf->base, SIGCHLD, reap, ds);
		if (ds->child_event == NULL || event_add(ds->child_event, NULL) != 0) {
			snprintf(err, err_size, "no event for SIGCHLD");
			rc = -ENOMEM;
			goto err;
		}
	}
	*out = ds;
	return 0;

err:
	if (ds->journal != NULL)
		ds->checkpoint_version = journal_version(ds->journal); // write none
	ds_close(ds);
	return rc;
}

void ds_checkpoint(struct ds *ds, bool wait)
{
	struct checkpoint c = {.version = ds_version(ds), .tree = ds->running.root};
	pid_t pid;
	int status;

	if (ds->checkpoint_pid > 0) {
		if (!wait || waitpid(ds->checkpoint_pid, &status, 0) < 0)
			return;
		ds->checkpoint_pid = 0;
	}
	memcpy(c.id, journal_id(ds->journal), sizeof(c.id));
	memcpy(c.hash, journal_hash(ds->journal, c.version), sizeof(c.hash));
	if (wait || ds->conf.base == NULL) {
		if (checkpoint_write(ds->dir, &c) == 0)
			ds->checkpoint_version = c.version;
		return;
	}
	pid = checkpoint_fork(ds->dir, &c);
	if (pid > 0) {
		ds->checkpoint_pid = pid;
		ds->checkpoint_wanted = c.version;
	}
}

void ds_close(struct ds *ds)
{
	if (ds == NULL)
		return;
	// in the middle of a transaction the journal may be ahead of running: no checkpoint of that
	if (ds->journal != NULL && !ds->busy && ds_version(ds) != ds->checkpoint_version)
		ds_checkpoint(ds, true);
	if (ds->child_event != NULL)
		event_free(ds->child_event);
	journal_close(ds->journal);
	touched_clear(&ds->touched);
	lyd_free_all(ds->running.root);
	lyd_free_all(ds->candidate.root);
	touched_clear(&ds->scratch_touched);
	lyd_free_all(ds->scratch.root);
	lyd_free_all(ds->diff);
	free(ds->result);
	free(ds);
}

// ---- reading

const struct tree *ds_running(const struct ds *ds)
{
	return &ds->running;
}

const struct tree *ds_candidate(const struct ds *ds)
{
	return &ds->candidate;
}

uint64_t ds_version(const struct ds *ds)
{
	return journal_version(ds->journal);
}

const uint8_t *ds_id(const struct ds *ds)
{
	return journal_id(ds->journal);
}

const uint8_t *ds_hash(const struct ds *ds, uint64_t version)
{
	return journal_hash(ds->journal, version);
}

bool ds_candidate_changed(const struct ds *ds)
{
	return ds->touched.root != NULL;
}

bool ds_busy(const struct ds *ds)
{
	return ds->busy;
}

int ds_change_read(struct ds *ds, uint64_t version, char **meta, char **diff)
{
	size_t meta_size, size;
	char *payload;
	int rc = journal_read(ds->journal, version, &payload, &meta_size, &size);

	if (rc != 0)
		return rc;
	*meta = strndup(payload, meta_size);
	*diff = strndup(payload + meta_size, size - meta_size);
	free(payload);
	if (*meta == NULL || *diff == NULL) {
		free(*meta);
		free(*diff);
		return -ENOMEM;
	}
	return 0;
}

int ds_change_meta(struct ds *ds, uint64_t version, char **meta)
{
	return journal_read_meta(ds->journal, version, meta);
}

int ds_undo_to(struct ds *ds, struct tree *t, uint64_t version, struct tree_log *log,
	       struct txn_result *r)
{
	char *meta, *diff;
	int rc = 0;

	if (version > ds_version(ds))
		return -ENOENT;
	for (uint64_t v = ds_version(ds); v > version && rc == 0; v--) {
		rc = ds_change_read(ds, v, &meta, &diff);
		if (rc != 0)
			return rc;
		rc = apply_text(ds->conf.ctx, t, diff, strlen(diff), true, log, r);
		free(meta);
		free(diff);
	}
	return rc;
}

int ds_tree_at(struct ds *ds, uint64_t version, struct tree *out)
{
	struct txn_result *r = calloc(1, sizeof(*r));
	struct tree_log log = {0};
	struct tree t = {0};
	int rc;

	if (r == NULL)
		return -ENOMEM;
	if (version > ds_version(ds)) {
		rc = -ENOENT;
		goto out;
	}
	if (ds->running.root != NULL &&
	    lyd_dup_siblings(ds->running.root, NULL, LYD_DUP_RECURSIVE, &t.root) != LY_SUCCESS) {
		rc = -ENOMEM;
		goto out;
	}
	rc = ds_undo_to(ds, &t, version, &log, r);
	tree_log_fini(&log);
	if (rc == 0)
		*out = t;
	else
		lyd_free_all(t.root);
out:
	free(r);
	return rc;
}

int ds_difference(const struct tree *from, const struct tree *to, struct lyd_node **out)
{
	*out = NULL;
	return diff_make(from, to, NULL, out);
}

int ds_pending(struct ds *ds, struct lyd_node **out)
{
	*out = NULL;
	return diff_make(&ds->running, &ds->candidate, &ds->touched, out);
}

// ---- writing to the journal

int ds_journal(struct ds *ds, const struct ds_who *who, const struct lyd_node *diff)
{
	char time_text[40], *meta = NULL, *text = NULL;
	struct timespec now;
	struct tm tm;
	json_t *m;
	int rc = -ENOMEM;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(time_text, sizeof(time_text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(time_text + strlen(time_text), sizeof(time_text) - strlen(time_text), ".%03ldZ",
		 now.tv_nsec / 1000000);
	m = json_pack("{s:s, s:s, s:I, s:s, s:s, s:I}", "time", time_text, "user", who->user,
		      "session-id", (json_int_t)who->session, "transport", who->transport,
		      "comment", who->comment != NULL ? who->comment : "", "edits",
		      (json_int_t)diff_count(diff));
	if (m != NULL)
		meta = json_dumps(m, JSON_COMPACT);
	json_decref(m);
	if (meta != NULL && lyd_print_mem(&text, diff, LYD_JSON,
					  LYD_PRINT_WITHSIBLINGS | LYD_PRINT_SHRINK |
						  LYD_PRINT_KEEPEMPTYCONT) == LY_SUCCESS)
		rc = journal_append(ds->journal, meta, strlen(meta), text, strlen(text));
	free(meta);
	free(text);
	return rc;
}
