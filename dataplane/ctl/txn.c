// SPDX-License-Identifier: BSD-3-Clause
//
// txn - the one transaction of the control link and the order of the things that a commit does:
// snapshot on disk first (snapshot.c), then the app; and at start the last good state from that
// disk. Messages come from server.c, which owns the peers.
//
// State of the one transaction:
//
//	IDLE --BEGIN--> OPEN --PREPARE ok--> PREPARED --COMMIT--> IDLE
//	                 |        '-refused-> IDLE        '-ABORT, link lost, deadline-> IDLE
//	                 '-ABORT, link lost, deadline -> IDLE
//
// An error in a record (or a base that is not in force) is remembered and answered at PREPARE, so that
// a sender need not wait between messages.

#include "dataplane/ctl/conn.h"
#include "dataplane/ctl/server_priv.h"
#include "dataplane/ctl/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TXN_BYTES_MAX (UINT64_C(1) << 30)

// ---- snapshot on disk -------------------------------------------------------------------------

struct collecting {
	struct ctl_link *s;
	struct ctl_snapshot_buf *buf;
};

static void emit_record(void *ctx, const struct ctl_rec *rec)
{
	struct collecting *e = ctx;

	if (e->s->emit_error == 0)
		e->s->emit_error = ctl_snapshot_buf_add(e->buf, rec);
}

// Collect what a walk of the app emits. Returns 0 or -ENOMEM.
static int collect(struct ctl_link *s,
		   void (*walk)(void *, void (*)(void *, const struct ctl_rec *), void *),
		   struct ctl_snapshot_buf *buf)
{
	struct collecting e = {s, buf};

	s->emit_error = 0;
	if (walk != NULL)
		walk(s->app->arg, emit_record, &e);
	return s->emit_error;
}

static void event_text(struct ctl_link *s, uint32_t severity, const char *text)
{
	struct ctl_event e = {.kind = CTL_EVENT_STATE, .severity = severity};

	snprintf(e.message, sizeof(e.message), "%s", text);
	ctl_link_event(s, &e);
}

void ctl_txn_rewrite(struct ctl_link *s)
{
	struct ctl_snapshot_buf buf = {0};
	struct ctl_snapshot_txn t = {.version = s->applied, .from_nothing = true};
	int rc;

	memcpy(t.datastore, s->datastore, sizeof(t.datastore));
	rc = collect(s, s->app->records, &buf);
	if (rc == 0) {
		t.records = buf.data;
		t.size = buf.size;
		rc = ctl_snapshot_rewrite(s->snapshot, &t);
	}
	ctl_snapshot_buf_fini(&buf);
	if (rc == 0) {
		LOG(INFO, "snapshot rewritten at version %llu\n", (unsigned long long)s->applied);
		return;
	}
	LOG(ERR, "last good snapshot cannot be rewritten: %s; trying again in 10 s\n",
	    strerror(-rc));
	s->rewrite_at = ctl_now_ms() + 10000;
}

// The commit point of this process: on disk, then visible. A disk that fails does not stop a commit
// (it cannot fail); the state lives on in memory and the log is rewritten as soon as it can be.
static void persist(struct ctl_link *s)
{
	struct ctl_snapshot_txn t = {
		.version = s->txn.target,
		.from_nothing = s->txn.base == 0,
		.records = s->txn.records.data,
		.size = s->txn.records.size,
	};
	int rc;

	memcpy(t.datastore, s->txn.datastore, sizeof(t.datastore));
	rc = ctl_snapshot_append(s->snapshot, &t);
	if (rc == 0)
		return;
	LOG(ERR, "last good snapshot is behind: version %llu could not be appended: %s\n",
	    (unsigned long long)s->txn.target, strerror(-rc));
	event_text(s, 3,
		   "the snapshot on disk could not be written; a restart now would bring back "
		   "an older configuration");
}

// ---- transaction ------------------------------------------------------------------------------

void ctl_txn_reset(struct ctl_link *s)
{
	ctl_snapshot_buf_fini(&s->txn.records);
	memset(&s->txn, 0, sizeof(s->txn));
}

void ctl_txn_abort(struct ctl_link *s, const char *why)
{
	if (s->txn.state == TXN_IDLE)
		return;
	LOG(NOTICE, "transaction to version %llu dropped: %s\n", (unsigned long long)s->txn.target,
	    why);
	if (s->txn.begun)
		s->app->abort(s->app->arg);
	ctl_txn_reset(s);
}

// The transaction cannot be prepared any more; the app forgets it now, the sender hears at PREPARE.
static void txn_spoil(struct ctl_link *s, const struct ctl_ack *a)
{
	if (s->txn.refusal.result != 0)
		return;
	s->txn.refusal = *a;
	if (s->txn.begun)
		s->app->abort(s->app->arg);
	s->txn.begun = false;
	ctl_snapshot_buf_fini(&s->txn.records);
}

static void txn_spoil_text(struct ctl_link *s, int result, uint16_t tag, const char *message)
{
	struct ctl_ack a = {0};

	ctl_ack_set(&a, result, tag, message);
	txn_spoil(s, &a);
}

int ctl_txn_begin(struct peer *p, const struct ctl_hdr *h, const struct ctl_begin *b)
{
	struct ctl_link *s = p->link;
	int rc;

	if (s->txn.state != TXN_IDLE)
		return ctl_refuse(p, h->seq, "BEGIN inside a transaction");
	if (b->target == 0)
		return ctl_refuse(p, h->seq, "BEGIN with target version 0");
	s->txn.state = TXN_OPEN;
	s->txn.owner = p;
	s->txn.base = b->base;
	s->txn.target = b->target;
	s->txn.touched = ctl_now_ms();
	memcpy(s->txn.datastore, b->datastore, sizeof(b->datastore));
	if (b->base != 0 && (b->base != s->applied ||
			     memcmp(b->datastore, s->datastore, sizeof(b->datastore)) != 0)) {
		txn_spoil_text(s, -ESTALE, CTL_TAG_OPERATION_FAILED,
			       "base is not the version in force: send all from version 0");
		return 0;
	}
	rc = s->app->begin(s->app->arg, b->base, b->target);
	if (rc != 0)
		txn_spoil_text(s, rc, CTL_TAG_RESOURCE_DENIED, strerror(-rc));
	else
		s->txn.begun = true;
	return 0;
}

static int txn_open(struct peer *p, uint32_t seq)
{
	struct ctl_link *s = p->link;

	if (s->txn.state != TXN_OPEN || s->txn.owner != p)
		return ctl_refuse(p, seq, "record outside a transaction");
	s->txn.touched = ctl_now_ms();
	return 0;
}

static void txn_keep(struct ctl_link *s, const struct ctl_rec *rec)
{
	if (s->txn.refusal.result != 0)
		return;
	if (s->txn.records.size + rec->size > TXN_BYTES_MAX ||
	    ctl_snapshot_buf_add(&s->txn.records, rec) != 0)
		txn_spoil_text(s, -ENOMEM, CTL_TAG_RESOURCE_DENIED,
			       "transaction is larger than this process can hold");
}

// The app's refusal, completed with what it left out.
static void txn_app_error(struct ctl_link *s, int rc, struct ctl_ack *a, const struct ctl_rec *rec)
{
	a->result = rc;
	if (a->tag == CTL_TAG_NONE)
		a->tag = rc == -ENOMEM ? CTL_TAG_RESOURCE_DENIED : CTL_TAG_OPERATION_FAILED;
	if (a->rec_type == 0 && rec != NULL) {
		a->rec_type = rec->type;
		a->rec_id = rec->id;
	}
	if (a->message[0] == '\0')
		snprintf(a->message, sizeof(a->message), "%s", strerror(-rc));
	txn_spoil(s, a);
}

int ctl_txn_upsert(struct peer *p, const struct ctl_hdr *h, const void *payload)
{
	struct ctl_link *s = p->link;
	const struct ctl_rec *rec = payload;
	struct ctl_ack a;
	int rc = txn_open(p, h->seq);

	if (rc != 0)
		return rc;
	rc = ctl_record_check(payload, h->size, &a);
	if (rc == -EPROTO) {
		LOG(WARNING, "record %u/%llu refused: %s %s\n", a.rec_type,
		    (unsigned long long)a.rec_id, a.field, a.message);
		ctl_ack_send(p, h->seq, &a);
		return rc;
	}
	if (rc != 0) {
		txn_spoil(s, &a);
		return 0;
	}
	if (s->txn.refusal.result != 0)
		return 0;
	memset(&a, 0, sizeof(a));
	rc = s->app->upsert(s->app->arg, rec, &a);
	if (rc != 0)
		txn_app_error(s, rc, &a, rec);
	txn_keep(s, rec);
	return 0;
}

int ctl_txn_delete(struct peer *p, const struct ctl_hdr *h, const void *payload)
{
	struct ctl_link *s = p->link;
	const struct ctl_rec *rec = payload;
	struct ctl_ack a = {0};
	int rc = txn_open(p, h->seq);

	if (rc != 0)
		return rc;
	if (h->size != sizeof(*rec) || rec->size != sizeof(*rec) || rec->zero != 0 ||
	    rec->id == 0 || ctl_record_size(rec->type) == 0)
		return ctl_refuse(p, h->seq, "malformed DELETE");
	if (s->txn.refusal.result != 0)
		return 0;
	rc = s->app->del(s->app->arg, rec->type, rec->id, &a);
	if (rc != 0)
		txn_app_error(s, rc, &a, rec);
	txn_keep(s, rec);
	return 0;
}

int ctl_txn_prepare(struct peer *p, const struct ctl_hdr *h, const struct ctl_version *v)
{
	struct ctl_link *s = p->link;
	struct ctl_ack a = {0};
	int rc = txn_open(p, h->seq);

	if (rc != 0)
		return rc;
	if (v->version != s->txn.target)
		return ctl_refuse(p, h->seq, "PREPARE of a version that was not begun");
	if (s->txn.refusal.result == 0) {
		rc = s->app->prepare(s->app->arg, v->version, &a);
		if (rc != 0)
			txn_app_error(s, rc, &a, NULL);
		else if (collect(s, s->app->privates, &s->txn.records) != 0)
			txn_spoil_text(s, -ENOMEM, CTL_TAG_RESOURCE_DENIED, "out of memory");
	}
	if (s->txn.refusal.result != 0) {
		a = s->txn.refusal;
		LOG(WARNING, "version %llu refused: record %u/%llu %s: %s\n",
		    (unsigned long long)v->version, a.rec_type, (unsigned long long)a.rec_id,
		    a.field, a.message);
		ctl_txn_reset(s);
		return ctl_ack_send(p, h->seq, &a);
	}
	s->txn.state = TXN_PREPARED;
	return ctl_ack_ok(p, h->seq);
}

int ctl_txn_commit(struct peer *p, const struct ctl_hdr *h, const struct ctl_version *v)
{
	struct ctl_link *s = p->link;

	if (s->txn.state != TXN_PREPARED || s->txn.owner != p || v->version != s->txn.target)
		return ctl_refuse(p, h->seq, "COMMIT of a version that is not prepared");
	persist(s);
	s->app->commit(s->app->arg, v->version);
	s->applied = v->version;
	memcpy(s->datastore, s->txn.datastore, sizeof(s->datastore));
	LOG(NOTICE, "version %llu in force\n", (unsigned long long)v->version);
	ctl_txn_reset(s);
	return ctl_ack_ok(p, h->seq);
}

int ctl_txn_on_abort(struct peer *p, const struct ctl_hdr *h, const struct ctl_version *v)
{
	struct ctl_link *s = p->link;

	// After a refusal there is nothing left to abort; saying so again is no error.
	if (s->txn.state != TXN_IDLE && s->txn.owner == p) {
		if (v->version != s->txn.target)
			return ctl_refuse(p, h->seq, "ABORT of a version that was not begun");
		ctl_txn_abort(s, "by the daemon");
	}
	return ctl_ack_ok(p, h->seq);
}

// ---- last good state at start -----------------------------------------------------------------

// Walk padded records; fn returns 0 to go on.
static int each_record(const struct ctl_snapshot_buf *b,
		       int (*fn)(struct ctl_link *, const struct ctl_rec *), struct ctl_link *s)
{
	int rc = 0;

	for (size_t at = 0; rc == 0 && at < b->size;) {
		const struct ctl_rec *rec = (const struct ctl_rec *)(b->data + at);

		rc = fn(s, rec);
		at += (rec->size + 7u) & ~7u;
	}
	return rc;
}

static int load_private(struct ctl_link *s, const struct ctl_rec *rec)
{
	if (rec->type >= CTL_REC_PRIVATE &&
	    (s->app->restore == NULL || s->app->restore(s->app->arg, rec) != 0))
		LOG(WARNING, "private record %u/%llu of the snapshot ignored\n", rec->type,
		    (unsigned long long)rec->id);
	return 0;
}

static int load_record(struct ctl_link *s, const struct ctl_rec *rec)
{
	struct ctl_ack a;
	int rc;

	if (rec->type >= CTL_REC_PRIVATE)
		return 0;
	rc = ctl_record_check(rec, rec->size, &a);
	if (rc == 0)
		rc = s->app->upsert(s->app->arg, rec, &a);
	if (rc != 0)
		LOG(ERR, "snapshot: record %u/%llu %s: %s\n", rec->type,
		    (unsigned long long)rec->id, a.field, a.message);
	return rc;
}

static int load_apply(struct ctl_link *s, const struct ctl_snapshot_state *st,
		      const struct ctl_snapshot_buf *records)
{
	struct ctl_ack a = {0};
	int rc;

	each_record(records, load_private, s);
	rc = s->app->begin(s->app->arg, 0, st->version);
	if (rc != 0)
		return rc;
	rc = each_record(records, load_record, s);
	if (rc == 0) {
		rc = s->app->prepare(s->app->arg, st->version, &a);
		if (rc != 0)
			LOG(ERR, "snapshot: record %u/%llu %s: %s\n", a.rec_type,
			    (unsigned long long)a.rec_id, a.field, a.message);
	}
	if (rc != 0) {
		s->app->abort(s->app->arg);
		return rc;
	}
	s->app->commit(s->app->arg, st->version);
	s->applied = st->version;
	memcpy(s->datastore, st->datastore, sizeof(s->datastore));
	return 0;
}

int ctl_txn_load(struct ctl_link *s, const char *lib_dir)
{
	struct ctl_snapshot_buf records = {0};
	struct collecting e = {s, &records};
	struct ctl_snapshot_state st;
	char *path;
	int rc;

	if (asprintf(&path, "%s/%s.snapshot", lib_dir, s->instance) < 0)
		return -ENOMEM;
	s->emit_error = 0;
	rc = ctl_snapshot_open(path, emit_record, &e, &st, &s->snapshot);
	if (rc == 0)
		rc = s->emit_error;
	if (rc != 0) {
		LOG(ERR, "%s: %s\n", path, strerror(-rc));
		goto out;
	}
	if (st.damaged)
		LOG(ERR, "%s: %s; set aside as %s.bad, starting %s\n", path, st.reason, path,
		    st.version != 0 ? "from the state before it" : "empty");
	if (st.version == 0)
		goto out;
	if (load_apply(s, &st, &records) == 0) {
		LOG(NOTICE, "version %llu from %s in force\n", (unsigned long long)st.version,
		    path);
		goto out;
	}
	LOG(ERR, "%s: refused; set aside as %s.bad, starting empty\n", path, path);
	rc = ctl_snapshot_set_aside(s->snapshot);
out:
	free(path);
	ctl_snapshot_buf_fini(&records);
	return rc;
}
