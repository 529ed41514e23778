// SPDX-License-Identifier: BSD-3-Clause
//
// server - roles, transactions, queries, health and events on the control link, and the order of the
// things that a commit does: snapshot on disk first, then the app.
//
// State of the one transaction:
//
//	IDLE --BEGIN--> OPEN --PREPARE ok--> PREPARED --COMMIT--> IDLE
//	                 |        '-refused-> IDLE        '-ABORT, link lost, deadline-> IDLE
//	                 '-ABORT, link lost, deadline -> IDLE
//
// An error in a record (or a base that is not in force) is remembered and answered at PREPARE, so that
// a sender need not wait between messages.

#include "dataplane/ctl/server.h"

#include "dataplane/core/clock.h"
#include "dataplane/core/loop.h"
#include "dataplane/ctl/conn.h"
#include "dataplane/ctl/snapshot.h"

#include <rte_log.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PEERS_MAX          24
#define HELLO_MS           5000
#define TXN_STALL_MS       30000  // no record of an open transaction
#define TXN_PREPARED_MS    120000 // prepared, and nobody says commit or abort
#define TXN_BYTES_MAX      (UINT64_C(1) << 30)
#define EVENT_WAITING_MAX  (1024 * 1024)
#define TARGET_WAITING_MAX (64 * 1024 * 1024)
#define TICK_MS            1000

RTE_LOG_REGISTER(ctl_log, sluice.ctl, NOTICE)
#define LOG(level, ...) rte_log(RTE_LOG_##level, ctl_log, "ctl: " __VA_ARGS__)

enum txn_state { TXN_IDLE, TXN_OPEN, TXN_PREPARED };

struct peer {
	struct ctl_link *link;
	struct ctl_conn *conn; // NULL: free
	uint16_t role;         // enum ctl_role, 0 before HELLO
	uint64_t since;        // ms
};

struct txn {
	enum txn_state state;
	struct peer *owner;
	uint64_t base, target;
	uint8_t datastore[16];
	bool begun;             // the app knows of it
	struct ctl_ack refusal; // result != 0: the first thing that was wrong
	struct ctl_snapshot_buf records;
	uint64_t touched; // ms, last message
};

struct ctl_link {
	struct loop *loop;
	const struct ctl_app *app;
	char *instance;
	uint32_t control_uid;
	int lock_fd, listen_fd;
	int tick;
	uint64_t rewrite_at; // ms, not before
	struct peer peer[PEERS_MAX];
	struct peer *control;
	struct txn txn;
	uint64_t applied;
	uint8_t datastore[16];
	struct ctl_snapshot *snapshot;
	uint64_t unknown_verdicts;
	int emit_error; // of the walk that is running
};

static uint64_t now_ms(void)
{
	return clock_monotonic_ns() / 1000000;
}

// ---- answers ----------------------------------------------------------------------------------

static void ack_set(struct ctl_ack *a, int result, uint16_t tag, const char *message)
{
	a->result = result;
	a->tag = tag;
	snprintf(a->message, sizeof(a->message), "%s", message);
}

static int send_ack(struct peer *p, uint32_t seq, struct ctl_ack *a)
{
	a->applied = p->link->applied;
	return ctl_conn_send(p->conn, CTL_ACK, 0, seq, a, sizeof(*a), NULL, 0);
}

static int ack_ok(struct peer *p, uint32_t seq)
{
	struct ctl_ack a = {0};

	return send_ack(p, seq, &a);
}

// Answer -EPROTO and end the connection (the caller returns what this returns).
static int refuse(struct peer *p, uint32_t seq, const char *why)
{
	struct ctl_ack a = {0};

	LOG(WARNING, "peer broke the protocol: %s\n", why);
	ack_set(&a, -EPROTO, CTL_TAG_OPERATION_FAILED, why);
	send_ack(p, seq, &a);
	return -EPROTO;
}

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

static void rewrite_now(struct ctl_link *s)
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
	s->rewrite_at = now_ms() + 10000;
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

static void txn_reset(struct ctl_link *s)
{
	ctl_snapshot_buf_fini(&s->txn.records);
	memset(&s->txn, 0, sizeof(s->txn));
}

static void txn_abort(struct ctl_link *s, const char *why)
{
	if (s->txn.state == TXN_IDLE)
		return;
	LOG(NOTICE, "transaction to version %llu dropped: %s\n", (unsigned long long)s->txn.target,
	    why);
	if (s->txn.begun)
		s->app->abort(s->app->arg);
	txn_reset(s);
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

	ack_set(&a, result, tag, message);
	txn_spoil(s, &a);
}

static int on_begin(struct peer *p, const struct ctl_hdr *h, const struct ctl_begin *b)
{
	struct ctl_link *s = p->link;
	int rc;

	if (s->txn.state != TXN_IDLE)
		return refuse(p, h->seq, "BEGIN inside a transaction");
	if (b->target == 0)
		return refuse(p, h->seq, "BEGIN with target version 0");
	s->txn.state = TXN_OPEN;
	s->txn.owner = p;
	s->txn.base = b->base;
	s->txn.target = b->target;
	s->txn.touched = now_ms();
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
		return refuse(p, seq, "record outside a transaction");
	s->txn.touched = now_ms();
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

static int on_upsert(struct peer *p, const struct ctl_hdr *h, const void *payload)
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
		send_ack(p, h->seq, &a);
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

static int on_delete(struct peer *p, const struct ctl_hdr *h, const void *payload)
{
	struct ctl_link *s = p->link;
	const struct ctl_rec *rec = payload;
	struct ctl_ack a = {0};
	int rc = txn_open(p, h->seq);

	if (rc != 0)
		return rc;
	if (h->size != sizeof(*rec) || rec->size != sizeof(*rec) || rec->zero != 0 ||
	    rec->id == 0 || ctl_record_size(rec->type) == 0)
		return refuse(p, h->seq, "malformed DELETE");
	if (s->txn.refusal.result != 0)
		return 0;
	rc = s->app->del(s->app->arg, rec->type, rec->id, &a);
	if (rc != 0)
		txn_app_error(s, rc, &a, rec);
	txn_keep(s, rec);
	return 0;
}

static int on_prepare(struct peer *p, const struct ctl_hdr *h, const struct ctl_version *v)
{
	struct ctl_link *s = p->link;
	struct ctl_ack a = {0};
	int rc = txn_open(p, h->seq);

	if (rc != 0)
		return rc;
	if (v->version != s->txn.target)
		return refuse(p, h->seq, "PREPARE of a version that was not begun");
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
		txn_reset(s);
		return send_ack(p, h->seq, &a);
	}
	s->txn.state = TXN_PREPARED;
	return ack_ok(p, h->seq);
}

static int on_commit(struct peer *p, const struct ctl_hdr *h, const struct ctl_version *v)
{
	struct ctl_link *s = p->link;

	if (s->txn.state != TXN_PREPARED || s->txn.owner != p || v->version != s->txn.target)
		return refuse(p, h->seq, "COMMIT of a version that is not prepared");
	persist(s);
	s->app->commit(s->app->arg, v->version);
	s->applied = v->version;
	memcpy(s->datastore, s->txn.datastore, sizeof(s->datastore));
	LOG(NOTICE, "version %llu in force\n", (unsigned long long)v->version);
	txn_reset(s);
	return ack_ok(p, h->seq);
}

static int on_abort(struct peer *p, const struct ctl_hdr *h, const struct ctl_version *v)
{
	struct ctl_link *s = p->link;

	// After a refusal there is nothing left to abort; saying so again is no error.
	if (s->txn.state != TXN_IDLE && s->txn.owner == p) {
		if (v->version != s->txn.target)
			return refuse(p, h->seq, "ABORT of a version that was not begun");
		txn_abort(s, "by the daemon");
	}
	return ack_ok(p, h->seq);
}

// ---- checkers ---------------------------------------------------------------------------------

static void send_target(void *ctx, const struct ctl_target *t)
{
	struct peer *p = ctx;

	if (ctl_conn_send(p->conn, CTL_TARGET, 0, 0, t, sizeof(*t), NULL, 0) != 0)
		p->link->emit_error = -ENOMEM;
}

static int send_targets(struct peer *p)
{
	struct ctl_link *s = p->link;

	s->emit_error = 0;
	if (s->app->targets != NULL)
		s->app->targets(s->app->arg, send_target, p);
	if (s->emit_error != 0)
		return s->emit_error; // the checker comes back and gets the list from the start
	return ctl_conn_send(p->conn, CTL_TARGET_END, 0, 0, NULL, 0, NULL, 0);
}

static void to_checkers(struct ctl_link *s, uint16_t type, const void *payload, size_t size)
{
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		struct peer *p = &s->peer[i];

		if (p->conn == NULL || p->role != CTL_ROLE_CHECKER || ctl_conn_ending(p->conn))
			continue;
		// One that lags so far, or that we cannot tell, starts anew with the whole list.
		if (ctl_conn_waiting(p->conn) > TARGET_WAITING_MAX ||
		    ctl_conn_send(p->conn, type, 0, 0, payload, size, NULL, 0) != 0)
			ctl_conn_finish(p->conn);
	}
}

bool ctl_link_has_checkers(const struct ctl_link *s)
{
	for (unsigned i = 0; s != NULL && i < PEERS_MAX; i++)
		if (s->peer[i].conn != NULL && s->peer[i].role == CTL_ROLE_CHECKER)
			return true;
	return false;
}

void ctl_link_target(struct ctl_link *s, const struct ctl_target *t)
{
	if (s != NULL)
		to_checkers(s, CTL_TARGET, t, sizeof(*t));
}

void ctl_link_target_del(struct ctl_link *s, uint64_t id)
{
	struct ctl_rec rec = {.type = CTL_REC_SERVER, .size = sizeof(rec), .id = id};

	if (s != NULL)
		to_checkers(s, CTL_TARGET_DEL, &rec, sizeof(rec));
}

static int on_verdict(struct peer *p, const struct ctl_hdr *h, const struct ctl_verdict *v)
{
	struct ctl_link *s = p->link;
	size_t len = strnlen(v->reason, sizeof(v->reason));

	if (p->role != CTL_ROLE_CHECKER)
		return refuse(p, h->seq, "VERDICT from a peer that is no checker");
	if (v->health > CTL_HEALTH_DOWN || v->zero[0] != 0 || v->zero[1] != 0 || v->zero[2] != 0 ||
	    v->server == 0 || len == sizeof(v->reason))
		return refuse(p, h->seq, "malformed VERDICT");
	for (; len < sizeof(v->reason); len++)
		if (v->reason[len] != '\0')
			return refuse(p, h->seq, "malformed VERDICT");
	if (s->app->verdict != NULL && s->app->verdict(s->app->arg, v) == -ENOENT)
		s->unknown_verdicts++; // it was deleted a moment ago
	return 0;
}

// ---- queries ----------------------------------------------------------------------------------

static int send_answer(struct peer *p, uint32_t seq, const char *json)
{
	const size_t part = 192 * 1024;
	size_t left = strlen(json);
	int rc = 0;

	do {
		size_t n = left > part ? part : left;

		rc = ctl_conn_send(p->conn, CTL_ANSWER, left > n ? CTL_F_MORE : 0, seq, json, n,
				   NULL, 0);
		json += n;
		left -= n;
	} while (rc == 0 && left > 0);
	return rc;
}

static int on_query(struct peer *p, const struct ctl_hdr *h, const void *payload)
{
	struct ctl_link *s = p->link;
	const struct ctl_query *q = payload;
	struct ctl_ack a = {0};
	char *json = NULL;
	char *args;
	int rc;

	if (h->size < sizeof(*q) || strnlen(q->name, sizeof(q->name)) == sizeof(q->name))
		return refuse(p, h->seq, "malformed QUERY");
	if (memchr((const char *)payload + sizeof(*q), '\0', h->size - sizeof(*q)) != NULL)
		return refuse(p, h->seq, "QUERY arguments with a zero byte");
	args = strndup((const char *)payload + sizeof(*q), h->size - sizeof(*q));
	if (args == NULL)
		return -ENOMEM;
	rc = s->app->query == NULL ? -ENOENT : s->app->query(s->app->arg, q->name, args, &json);
	free(args);
	if (rc == 0)
		rc = send_answer(p, h->seq, json);
	else {
		char text[128];

		snprintf(text, sizeof(text), "query '%.31s': %s", q->name,
			 json != NULL ? json : strerror(-rc));
		ack_set(&a, rc, CTL_TAG_INVALID_VALUE, text);
		rc = send_ack(p, h->seq, &a);
	}
	free(json);
	return rc;
}

// ---- dispatch ---------------------------------------------------------------------------------

static int on_hello(struct peer *p, const struct ctl_hdr *h, const struct ctl_hello *peer)
{
	struct ctl_link *s = p->link;
	struct ctl_hello me = {.magic = CTL_MAGIC,
			       .version = CTL_VERSION,
			       .role = CTL_ROLE_APP,
			       .applied = s->applied};
	int rc;

	if (peer->magic != CTL_MAGIC)
		return refuse(p, h->seq, "HELLO without our magic number");
	if (peer->version != CTL_VERSION)
		return refuse(p, h->seq, "HELLO of another protocol version: update both ends");
	if (peer->role != CTL_ROLE_CONTROL && peer->role != CTL_ROLE_CHECKER)
		return refuse(p, h->seq, "HELLO with a role that is neither control nor checker");
	if (strnlen(peer->instance, sizeof(peer->instance)) == sizeof(peer->instance) ||
	    strcmp(peer->instance, s->instance) != 0)
		return refuse(p, h->seq, "HELLO for another instance");
	memcpy(me.datastore, s->datastore, sizeof(me.datastore));
	snprintf(me.instance, sizeof(me.instance), "%s", s->instance);
	rc = ctl_conn_send(p->conn, CTL_HELLO, 0, h->seq, &me, sizeof(me), NULL, 0);
	if (rc != 0)
		return rc;
	p->role = peer->role;
	if (p->role == CTL_ROLE_CHECKER)
		return send_targets(p);
	if (s->control != NULL) {
		LOG(NOTICE, "a newer control connection displaces the older\n");
		if (s->txn.owner == s->control)
			txn_abort(s, "its connection was displaced");
		s->control->role = 0;
		ctl_conn_finish(s->control->conn);
	}
	s->control = p;
	if (s->app->greeted != NULL)
		s->app->greeted(s->app->arg);
	return 0;
}

// Payload size each message must have; SIZE_MAX: the handler looks itself; 0 with .ok false: not ours.
static const struct {
	size_t size;
	bool control; // only from the control side
	bool ok;
} message_rule[] = {
	[CTL_HELLO] = {sizeof(struct ctl_hello), false, true},
	[CTL_BEGIN] = {sizeof(struct ctl_begin), true, true},
	[CTL_UPSERT] = {SIZE_MAX, true, true},
	[CTL_DELETE] = {SIZE_MAX, true, true},
	[CTL_PREPARE] = {sizeof(struct ctl_version), true, true},
	[CTL_COMMIT] = {sizeof(struct ctl_version), true, true},
	[CTL_ABORT] = {sizeof(struct ctl_version), true, true},
	[CTL_QUERY] = {SIZE_MAX, false, true},
	[CTL_VERDICT] = {sizeof(struct ctl_verdict), false, true},
	[CTL_EVENT] = {0, false, false},
};

static int on_message(struct ctl_conn *c, const struct ctl_hdr *h, const void *payload)
{
	struct peer *p = ctl_conn_arg(c);

	if (!message_rule[h->type].ok)
		return refuse(p, h->seq, "message type that only an app sends");
	if (message_rule[h->type].size != SIZE_MAX && message_rule[h->type].size != h->size)
		return refuse(p, h->seq, "payload of the wrong size");
	if ((p->role == 0) != (h->type == CTL_HELLO))
		return refuse(p, h->seq, p->role == 0 ? "HELLO comes first" : "a second HELLO");
	if (message_rule[h->type].control && p->role != CTL_ROLE_CONTROL)
		return refuse(p, h->seq, "only the control side may send this");
	switch ((enum ctl_type)h->type) {
	case CTL_HELLO:
		return on_hello(p, h, payload);
	case CTL_BEGIN:
		return on_begin(p, h, payload);
	case CTL_UPSERT:
		return on_upsert(p, h, payload);
	case CTL_DELETE:
		return on_delete(p, h, payload);
	case CTL_PREPARE:
		return on_prepare(p, h, payload);
	case CTL_COMMIT:
		return on_commit(p, h, payload);
	case CTL_ABORT:
		return on_abort(p, h, payload);
	case CTL_QUERY:
		return on_query(p, h, payload);
	case CTL_VERDICT:
		return on_verdict(p, h, payload);
	default:
		return -EPROTO; // kept out by message_rule
	}
}

static void on_malformed(struct ctl_conn *c, uint32_t seq, const char *why)
{
	refuse(ctl_conn_arg(c), seq, why);
}

static void on_closed(struct ctl_conn *c)
{
	struct peer *p = ctl_conn_arg(c);
	struct ctl_link *s = p->link;

	if (s->txn.owner == p)
		txn_abort(s, "its connection was lost");
	if (s->control == p)
		s->control = NULL;
	p->conn = NULL;
	p->role = 0;
}

static const struct ctl_conn_calls conn_calls = {
	.message = on_message,
	.malformed = on_malformed,
	.closed = on_closed,
};

// ---- listening --------------------------------------------------------------------------------

int ctl_link_adopt(struct ctl_link *s, int fd)
{
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		struct peer *p = &s->peer[i];

		if (p->conn != NULL)
			continue;
		p->link = s;
		p->role = 0;
		p->since = now_ms();
		return ctl_conn_create(s->loop, fd, &conn_calls, p, &p->conn);
	}
	close(fd);
	return -EMFILE;
}

static bool may_connect(const struct ctl_link *s, int fd)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) != 0)
		return false;
	if (cred.uid == 0 || cred.uid == geteuid() || cred.uid == s->control_uid)
		return true;
	LOG(WARNING, "connection of uid %u (pid %d) refused\n", cred.uid, cred.pid);
	return false;
}

static void on_accept(struct loop *l, int fd, uint32_t events, void *arg)
{
	struct ctl_link *s = arg;

	(void)l;
	(void)events;
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (peer < 0)
			return;
		if (!may_connect(s, peer))
			close(peer);
		else if (ctl_link_adopt(s, peer) == -EMFILE)
			LOG(WARNING, "too many connections, one refused\n");
	}
}

// Deadlines of connections and of the transaction, and the rewrite of the snapshot when it is due.
static void on_tick(struct loop *l, void *arg)
{
	struct ctl_link *s = arg;
	uint64_t now = now_ms();

	(void)l;
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		struct peer *p = &s->peer[i];

		if (p->conn == NULL || ctl_conn_check(p->conn, now))
			continue;
		if (p->role == 0 && now - p->since >= HELLO_MS)
			ctl_conn_finish(p->conn);
	}
	if (s->txn.state != TXN_IDLE &&
	    now - s->txn.touched >= (s->txn.state == TXN_OPEN ? TXN_STALL_MS : TXN_PREPARED_MS)) {
		struct ctl_conn *c = s->txn.owner->conn;

		txn_abort(s, "nothing came for too long");
		ctl_conn_finish(c);
	}
	if (s->txn.state == TXN_IDLE && s->applied != 0 && now >= s->rewrite_at &&
	    ctl_snapshot_wants_rewrite(s->snapshot))
		rewrite_now(s);
}

static int lock_instance(struct ctl_link *s, const char *run_dir)
{
	char *path;

	if (asprintf(&path, "%s/%s.lock", run_dir, s->instance) < 0)
		return -ENOMEM;
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->lock_fd < 0) {
		int rc = errno == EACCES ? -EACCES : -EIO;

		LOG(ERR, "%s: %s\n", path, strerror(errno));
		free(path);
		return rc;
	}
	free(path);
	return flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0 ? 0 : -EADDRINUSE;
}

static int listen_on(struct ctl_link *s, const char *run_dir)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int n = snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s.ctl", run_dir, s->instance);

	if (n < 0 || (size_t)n >= sizeof(a.sun_path)) {
		LOG(ERR, "path of the control socket is too long: %s/%s.ctl\n", run_dir,
		    s->instance);
		return -EIO;
	}
	s->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->listen_fd < 0)
		return -EIO;
	unlink(a.sun_path); // left by an earlier run: the lock says that none is alive
	// Anyone may knock; SO_PEERCRED decides who is let in.
	if (bind(s->listen_fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    chmod(a.sun_path, 0666) != 0 || listen(s->listen_fd, 128) != 0) {
		LOG(ERR, "%s: %s\n", a.sun_path, strerror(errno));
		return errno == EACCES ? -EACCES : -EIO;
	}
	return loop_add_fd(s->loop, s->listen_fd, EPOLLIN, on_accept, s);
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

static int load(struct ctl_link *s, const char *lib_dir)
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

int ctl_link_create(struct loop *l, const struct ctl_link_conf *conf, const struct ctl_app *app,
		    struct ctl_link **out)
{
	struct ctl_link *s = calloc(1, sizeof(*s));
	int rc = -ENOMEM;

	if (s == NULL)
		return -ENOMEM;
	s->loop = l;
	s->app = app;
	s->control_uid = conf->control_uid;
	s->lock_fd = s->listen_fd = -1;
	s->instance = strdup(conf->instance);
	if (s->instance == NULL)
		goto err;
	if ((rc = lock_instance(s, conf->run_dir)) != 0 || (rc = load(s, conf->lib_dir)) != 0 ||
	    (rc = listen_on(s, conf->run_dir)) != 0)
		goto err;
	s->tick = loop_add_timer(l, TICK_MS, TICK_MS, on_tick, s);
	if (s->tick < 0) {
		rc = s->tick;
		goto err;
	}
	*out = s;
	return 0;
err:
	ctl_link_destroy(s);
	return rc;
}

void ctl_link_destroy(struct ctl_link *s)
{
	if (s == NULL)
		return;
	for (unsigned i = 0; i < PEERS_MAX; i++)
		ctl_conn_destroy(s->peer[i].conn);
	txn_reset(s);
	if (s->tick > 0)
		loop_del_timer(s->loop, s->tick);
	if (s->listen_fd >= 0) {
		loop_del_fd(s->loop, s->listen_fd);
		close(s->listen_fd);
	}
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	ctl_snapshot_close(s->snapshot);
	free(s->instance);
	free(s);
}

void ctl_link_event(struct ctl_link *s, const struct ctl_event *e)
{
	if (s == NULL || s->control == NULL ||
	    ctl_conn_waiting(s->control->conn) > EVENT_WAITING_MAX)
		return;
	ctl_conn_send(s->control->conn, CTL_EVENT, 0, 0, e, sizeof(*e), NULL, 0);
}

uint64_t ctl_link_applied(const struct ctl_link *s)
{
	return s == NULL ? 0 : s->applied;
}

bool ctl_link_connected(const struct ctl_link *s)
{
	return s != NULL && s->control != NULL;
}
