// SPDX-License-Identifier: BSD-3-Clause
//
// server - the peers of the control link: who may connect and as what (roles, HELLO), targets and
// verdicts of checkers, queries, events. Size and sender of each message are checked here; those of the
// transaction go on to txn.c. Framing is below, in conn.c.

#include "dataplane/ctl/server.h"

#include "dataplane/core/loop.h"
#include "dataplane/ctl/conn.h"
#include "dataplane/ctl/server_priv.h"
#include "dataplane/ctl/snapshot.h"

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

#define HELLO_MS           5000
#define TXN_STALL_MS       30000  // no record of an open transaction
#define TXN_PREPARED_MS    120000 // prepared, and nobody says commit or abort
#define EVENT_WAITING_MAX  (1024 * 1024)
#define TARGET_WAITING_MAX (64 * 1024 * 1024)
#define AGENT_FLAGS        (CTL_AGENT_KNOWN | CTL_AGENT_DOWN | CTL_AGENT_DRAIN | CTL_AGENT_MAINT)
#define TICK_MS            1000

RTE_LOG_REGISTER(ctl_log, sluice.ctl, NOTICE)

// ---- answers ----------------------------------------------------------------------------------

void ctl_ack_set(struct ctl_ack *a, int result, uint16_t tag, const char *message)
{
	a->result = result;
	a->tag = tag;
	snprintf(a->message, sizeof(a->message), "%s", message);
}

int ctl_ack_send(struct peer *p, uint32_t seq, struct ctl_ack *a)
{
	a->applied = p->link->applied;
	return ctl_conn_send(p->conn, CTL_ACK, 0, seq, a, sizeof(*a), NULL, 0);
}

int ctl_ack_ok(struct peer *p, uint32_t seq)
{
	struct ctl_ack a = {0};

	return ctl_ack_send(p, seq, &a);
}

// Answer -EPROTO and end the connection (the caller returns what this returns).
int ctl_refuse(struct peer *p, uint32_t seq, const char *why)
{
	struct ctl_ack a = {0};

	LOG(WARNING, "peer broke the protocol: %s\n", why);
	ctl_ack_set(&a, -EPROTO, CTL_TAG_OPERATION_FAILED, why);
	ctl_ack_send(p, seq, &a);
	return -EPROTO;
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
		return ctl_refuse(p, h->seq, "VERDICT from a peer that is no checker");
	if (v->health > CTL_HEALTH_DOWN || v->good > 1 || v->zero != 0 || v->zero2[0] != 0 ||
	    v->zero2[1] != 0 || v->zero2[2] != 0 || v->server == 0 || len == sizeof(v->reason) ||
	    (v->agent & ~AGENT_FLAGS) != 0 || v->agent_percent > CTL_AGENT_PERCENT_MAX ||
	    ((v->agent & CTL_AGENT_KNOWN) == 0 && v->agent != 0))
		return ctl_refuse(p, h->seq, "malformed VERDICT");
	for (; len < sizeof(v->reason); len++)
		if (v->reason[len] != '\0')
			return ctl_refuse(p, h->seq, "malformed VERDICT");
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

static int answer(struct peer *p, uint32_t seq, const char *name, int rc, const char *json)
{
	struct ctl_ack a = {0};
	char text[128];

	if (rc == 0)
		return send_answer(p, seq, json);
	snprintf(text, sizeof(text), "query '%.31s': %s", name,
		 json != NULL ? json : strerror(-rc));
	ctl_ack_set(&a, rc, CTL_TAG_INVALID_VALUE, text);
	return ctl_ack_send(p, seq, &a);
}

static int on_query(struct peer *p, const struct ctl_hdr *h, const void *payload)
{
	struct ctl_link *s = p->link;
	const struct ctl_query *q = payload;
	struct ctl_asker who = {.serial = p->serial,
				.seq = h->seq,
				.peer = (uint16_t)(p - s->peer),
				.role = p->role};
	char *json = NULL;
	char *args;
	int rc;

	static_assert(sizeof(who.name) == sizeof(q->name), "copied whole");
	if (h->size < sizeof(*q) || strnlen(q->name, sizeof(q->name)) == sizeof(q->name))
		return ctl_refuse(p, h->seq, "malformed QUERY");
	if (memchr((const char *)payload + sizeof(*q), '\0', h->size - sizeof(*q)) != NULL)
		return ctl_refuse(p, h->seq, "QUERY arguments with a zero byte");
	args = strndup((const char *)payload + sizeof(*q), h->size - sizeof(*q));
	if (args == NULL)
		return -ENOMEM;
	memcpy(who.name, q->name, sizeof(who.name));
	s->asker = &who;
	rc = s->app->query == NULL ? -ENOENT : s->app->query(s->app->arg, q->name, args, &json);
	s->asker = NULL;
	free(args);
	if (rc != -EINPROGRESS)
		rc = answer(p, h->seq, q->name, rc, json);
	else
		rc = 0;
	free(json);
	return rc;
}

bool ctl_link_asker(const struct ctl_link *s, struct ctl_asker *who)
{
	if (s == NULL || s->asker == NULL)
		return false;
	*who = *s->asker;
	return true;
}

bool ctl_link_waits(const struct ctl_link *s, const struct ctl_asker *who)
{
	const struct peer *p = &s->peer[who->peer];

	return p->conn != NULL && p->serial == who->serial && !ctl_conn_ending(p->conn);
}

void ctl_link_answer(struct ctl_link *s, const struct ctl_asker *who, int rc, const char *json)
{
	struct peer *p = &s->peer[who->peer];

	if (ctl_link_waits(s, who) && answer(p, who->seq, who->name, rc, json) != 0)
		ctl_conn_finish(p->conn);
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
		return ctl_refuse(p, h->seq, "HELLO without our magic number");
	if (peer->version != CTL_VERSION)
		return ctl_refuse(p, h->seq, "HELLO of another protocol version: update both ends");
	if (peer->role != CTL_ROLE_CONTROL && peer->role != CTL_ROLE_CHECKER)
		return ctl_refuse(p, h->seq,
				  "HELLO with a role that is neither control nor checker");
	if (strnlen(peer->instance, sizeof(peer->instance)) == sizeof(peer->instance) ||
	    strcmp(peer->instance, s->instance) != 0)
		return ctl_refuse(p, h->seq, "HELLO for another instance");
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
			ctl_txn_abort(s, "its connection was displaced");
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
		return ctl_refuse(p, h->seq, "message type that only an app sends");
	if (message_rule[h->type].size != SIZE_MAX && message_rule[h->type].size != h->size)
		return ctl_refuse(p, h->seq, "payload of the wrong size");
	if ((p->role == 0) != (h->type == CTL_HELLO))
		return ctl_refuse(p, h->seq, p->role == 0 ? "HELLO comes first" : "a second HELLO");
	if (message_rule[h->type].control && p->role != CTL_ROLE_CONTROL)
		return ctl_refuse(p, h->seq, "only the control side may send this");
	switch ((enum ctl_type)h->type) {
	case CTL_HELLO:
		return on_hello(p, h, payload);
	case CTL_BEGIN:
		return ctl_txn_begin(p, h, payload);
	case CTL_UPSERT:
		return ctl_txn_upsert(p, h, payload);
	case CTL_DELETE:
		return ctl_txn_delete(p, h, payload);
	case CTL_PREPARE:
		return ctl_txn_prepare(p, h, payload);
	case CTL_COMMIT:
		return ctl_txn_commit(p, h, payload);
	case CTL_ABORT:
		return ctl_txn_on_abort(p, h, payload);
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
	ctl_refuse(ctl_conn_arg(c), seq, why);
}

static void on_closed(struct ctl_conn *c)
{
	struct peer *p = ctl_conn_arg(c);
	struct ctl_link *s = p->link;

	if (s->txn.owner == p)
		ctl_txn_abort(s, "its connection was lost");
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
		p->since = ctl_now_ms();
		p->serial = ++s->last_serial;
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
	uint64_t now = ctl_now_ms();

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

		ctl_txn_abort(s, "nothing came for too long");
		ctl_conn_finish(c);
	}
	if (s->txn.state == TXN_IDLE && s->applied != 0 && now >= s->rewrite_at &&
	    ctl_snapshot_wants_rewrite(s->snapshot))
		ctl_txn_rewrite(s);
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
	if ((rc = lock_instance(s, conf->run_dir)) != 0 ||
	    (rc = ctl_txn_load(s, conf->lib_dir)) != 0 || (rc = listen_on(s, conf->run_dir)) != 0)
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
	ctl_txn_reset(s);
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
