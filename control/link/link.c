// SPDX-License-Identifier: BSD-3-Clause
//
// link - connection, pauses, what was asked and not yet answered. Form of messages: check.c.
//
// A struct ask stands for one or more sent messages [first, last] that one answer ends: a transaction
// from BEGIN to PREPARE (an ACK of a record in between is a refusal of the whole), a COMMIT, an ABORT,
// a query. One that nobody waits for any more (timed out, aborted) stays as a dead ask until its answer
// comes, so that a late answer is told from an answer to nothing.

#include "control/link/link.h"

#include "control/link/link_check.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_ONCE (1024 * 1024) // bytes taken before other links get their turn

enum link_state { LINK_DOWN, LINK_HELLO, LINK_UP };
enum ask_kind { ASK_PREPARE, ASK_COMMIT, ASK_ABORT, ASK_QUERY };

struct ask {
	TAILQ_ENTRY(ask) next;
	struct link *link;
	enum ask_kind kind;
	bool dead; // nobody waits; its answer is dropped
	uint32_t first, last;
	struct event *timer;
	link_ack_fn ack;
	link_answer_fn answer;
	void *arg;
	struct evbuffer *text; // of a query: the parts so far
};
TAILQ_HEAD(ask_list, ask);

struct link {
	struct link_conf conf;
	struct link_ops ops;
	void *arg;
	char instance[CTL_NAME];
	struct sockaddr_un addr;
	enum link_state state;
	struct bufferevent *bev;
	struct event *retry; // next attempt
	struct event *hello; // deadline of the app's HELLO
	struct event *doom;  // link_reset from within a callback
	bool doomed;
	char why[160];
	unsigned pause_ms;
	uint32_t seq;
	uint32_t begin; // seq of the open BEGIN
	struct ask_list asks;
	unsigned queries; // asks of kind ASK_QUERY, dead ones too
	uint8_t *msg;     // one received message, aligned
};

static struct timeval ms(unsigned v)
{
	return (struct timeval){.tv_sec = v / 1000, .tv_usec = v % 1000 * 1000};
}

static void ask_free(struct ask *a)
{
	if (a->kind == ASK_QUERY)
		a->link->queries--;
	if (a->timer)
		event_free(a->timer);
	if (a->text)
		evbuffer_free(a->text);
	free(a);
}

static void ask_end(struct ask *a)
{
	TAILQ_REMOVE(&a->link->asks, a, next);
	ask_free(a);
}

static void ask_call(struct ask *a, int rc, const struct ctl_ack *ack)
{
	if (a->dead)
		return;
	a->dead = true;
	if (a->kind == ASK_QUERY)
		a->answer(a->arg, rc, ack ? ack->message : NULL, ack ? strlen(ack->message) : 0);
	else if (a->ack)
		a->ack(a->arg, rc, ack);
}

static void link_wait(struct link *l)
{
	struct timeval tv = ms(l->pause_ms);

	event_add(l->retry, &tv);
	l->pause_ms *= 2;
	if (l->pause_ms > l->conf.retry_max_ms)
		l->pause_ms = l->conf.retry_max_ms;
}

// The connection is over, or never was. Everything that waits is told, then the owner.
static void link_lost(struct link *l, const char *why)
{
	bool was_up = l->state == LINK_UP;
	struct ask_list asks = TAILQ_HEAD_INITIALIZER(asks);
	char text[sizeof(l->why)];
	struct ask *a;

	snprintf(text, sizeof(text), "%s", why);
	l->state = LINK_DOWN;
	l->doomed = false;
	event_del(l->hello);
	event_del(l->doom);
	if (l->bev)
		bufferevent_free(l->bev);
	l->bev = NULL;
	if (was_up)
		l->pause_ms = l->conf.retry_min_ms;
	link_wait(l);
	TAILQ_CONCAT(&asks, &l->asks, next);
	while ((a = TAILQ_FIRST(&asks)) != NULL) {
		TAILQ_REMOVE(&asks, a, next);
		ask_call(a, -ENOTCONN, NULL);
		ask_free(a);
	}
	l->ops.down(l->arg, was_up, text);
}

void link_reset(struct link *l, const char *why)
{
	if (l->state == LINK_DOWN || l->doomed)
		return;
	l->doomed = true;
	snprintf(l->why, sizeof(l->why), "%s", why);
	bufferevent_disable(l->bev, EV_READ | EV_WRITE);
	event_active(l->doom, EV_TIMEOUT, 0);
}

static void on_doom(evutil_socket_t fd, short what, void *arg)
{
	struct link *l = arg;

	(void)fd;
	(void)what;
	if (l->doomed)
		link_lost(l, l->why);
}

// ---- sending ---------------------------------------------------------------------------------

static bool link_usable(const struct link *l)
{
	return l->state == LINK_UP && !l->doomed;
}

// head and tail together are the payload; tail may be NULL. Returns the message's seq.
static uint32_t send_message(struct link *l, uint16_t type, const void *head, size_t head_size,
			     const void *tail, size_t tail_size)
{
	static const uint8_t zero[8];
	struct evbuffer *out = bufferevent_get_output(l->bev);
	size_t size = head_size + tail_size;
	struct ctl_hdr h = {
		.len = (uint32_t)((sizeof(h) + size + 7) & ~(size_t)7),
		.type = type,
		.seq = ++l->seq,
		.size = (uint32_t)size,
	};
	int rc;

	rc = evbuffer_add(out, &h, sizeof(h));
	rc |= evbuffer_add(out, head, head_size);
	if (tail_size)
		rc |= evbuffer_add(out, tail, tail_size);
	if (h.len - sizeof(h) - size)
		rc |= evbuffer_add(out, zero, h.len - sizeof(h) - size);
	if (rc != 0)
		link_reset(l, "out of memory while sending"); // a half message must not be followed
	return h.seq;
}

static void on_ask_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct ask *a = arg;
	struct link *l = a->link;

	(void)fd;
	(void)what;
	if (a->kind != ASK_QUERY)
		link_reset(l, "the app does not answer");
	ask_call(a, -ETIMEDOUT, NULL);
}

static struct ask *ask_new(struct link *l, enum ask_kind kind, unsigned timeout_ms, void *arg)
{
	struct timeval tv = ms(timeout_ms);
	struct ask *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->link = l;
	a->kind = kind;
	a->arg = arg;
	a->timer = event_new(l->conf.base, -1, 0, on_ask_timeout, a);
	if (!a->timer || event_add(a->timer, &tv) != 0) {
		if (a->timer)
			event_free(a->timer);
		free(a);
		return NULL;
	}
	if (kind == ASK_QUERY)
		l->queries++;
	TAILQ_INSERT_TAIL(&l->asks, a, next);
	return a;
}

int link_begin(struct link *l, uint64_t base, uint64_t target)
{
	struct ctl_begin b = {.base = base, .target = target};

	if (!link_usable(l))
		return -ENOTCONN;
	memcpy(b.datastore, l->conf.datastore, sizeof(b.datastore));
	l->begin = send_message(l, CTL_BEGIN, &b, sizeof(b), NULL, 0);
	return 0;
}

void link_upsert(struct link *l, const struct ctl_rec *rec)
{
	if (link_usable(l))
		send_message(l, CTL_UPSERT, rec, rec->size, NULL, 0);
}

void link_delete(struct link *l, uint16_t type, uint64_t id)
{
	struct ctl_rec rec = {.type = type, .size = sizeof(rec), .id = id};

	if (link_usable(l))
		send_message(l, CTL_DELETE, &rec, sizeof(rec), NULL, 0);
}

static int send_version(struct link *l, uint16_t type, enum ask_kind kind, uint64_t target,
			unsigned timeout_ms, link_ack_fn done, void *arg, struct ask **out)
{
	struct ctl_version v = {.version = target};
	struct ask *a;

	if (!link_usable(l))
		return -ENOTCONN;
	a = ask_new(l, kind, timeout_ms, arg);
	if (!a) {
		link_reset(l, "out of memory");
		return -ENOTCONN;
	}
	a->ack = done;
	a->first = a->last = send_message(l, type, &v, sizeof(v), NULL, 0);
	*out = a;
	return 0;
}

int link_prepare(struct link *l, uint64_t target, unsigned timeout_ms, link_ack_fn done, void *arg)
{
	struct ask *a;
	int rc = send_version(l, CTL_PREPARE, ASK_PREPARE, target, timeout_ms, done, arg, &a);

	if (rc == 0)
		a->first = l->begin;
	return rc;
}

int link_commit(struct link *l, uint64_t target, unsigned timeout_ms, link_ack_fn done, void *arg)
{
	struct ask *a;

	return send_version(l, CTL_COMMIT, ASK_COMMIT, target, timeout_ms, done, arg, &a);
}

int link_abort(struct link *l, uint64_t target, unsigned timeout_ms)
{
	struct ask *a;

	TAILQ_FOREACH(a, &l->asks, next)
	{
		if (a->kind != ASK_PREPARE)
			continue;
		a->dead = true;
		if (a->timer)
			event_del(a->timer);
	}
	return send_version(l, CTL_ABORT, ASK_ABORT, target, timeout_ms, NULL, NULL, &a);
}

int link_query(struct link *l, const char *name, const char *args, unsigned timeout_ms,
	       link_answer_fn done, void *arg)
{
	struct ctl_query q = {0};
	struct ask *a;

	if (!args)
		args = "{}";
	if (strlen(name) >= sizeof(q.name) ||
	    strlen(args) > CTL_MSG_MAX - sizeof(struct ctl_hdr) - sizeof(q))
		return -EINVAL;
	if (!link_usable(l))
		return -ENOTCONN;
	if (l->queries >= LINK_QUERY_MAX)
		return -EBUSY;
	memcpy(q.name, name, strlen(name));
	a = ask_new(l, ASK_QUERY, timeout_ms, arg);
	if (!a)
		return -ENOMEM;
	a->answer = done;
	a->first = a->last = send_message(l, CTL_QUERY, &q, sizeof(q), args, strlen(args));
	return 0;
}

// ---- receiving -------------------------------------------------------------------------------

static struct ask *ask_find(struct link *l, uint32_t seq)
{
	struct ask *a;

	TAILQ_FOREACH(a, &l->asks, next)
	{
		// seq wraps: compare by distance
		if (seq - a->first <= a->last - a->first)
			return a;
	}
	return NULL;
}

static void handle_ack(struct link *l, uint32_t seq, const struct ctl_ack *ack)
{
	struct ask *a = ask_find(l, seq);

	if (!a) {
		// What the app says of a message that breaks a rule may name any message of ours.
		link_reset(l, ack->result == -EPROTO ? "the app found a message of ours malformed"
						     : "an ACK of something never asked");
		return;
	}
	if (a->kind == ASK_QUERY && ack->result == 0) {
		link_reset(l, "an ACK without error to a query");
		return;
	}
	if (seq != a->last) {
		// Of BEGIN or a record: good news is no news, bad news ends the transaction. The ask stays
		// for the ACK of PREPARE.
		if (ack->result != 0) {
			if (a->timer)
				event_del(a->timer);
			ask_call(a, ack->result, ack);
		}
		return;
	}
	TAILQ_REMOVE(&l->asks, a, next);
	ask_call(a, ack->result, ack);
	ask_free(a);
}

static void handle_answer(struct link *l, const struct ctl_hdr *h, const uint8_t *payload)
{
	struct ask *a = ask_find(l, h->seq);
	size_t size;

	if (!a || a->kind != ASK_QUERY) {
		link_reset(l, "an ANSWER to something never asked");
		return;
	}
	if (!a->dead) {
		if (!a->text)
			a->text = evbuffer_new();
		if (!a->text || evbuffer_add(a->text, payload, h->size) != 0) {
			ask_call(a, -ENOMEM, NULL);
		} else if (evbuffer_get_length(a->text) > LINK_ANSWER_MAX) {
			evbuffer_drain(a->text, SIZE_MAX);
			ask_call(a, -EMSGSIZE, NULL);
		}
	}
	if (h->flags & CTL_F_MORE)
		return;
	TAILQ_REMOVE(&l->asks, a, next);
	if (!a->dead) {
		size = evbuffer_get_length(a->text);
		a->dead = true;
		if (evbuffer_add(a->text, "", 1) == 0)
			a->answer(a->arg, 0, (const char *)evbuffer_pullup(a->text, -1), size);
		else
			a->answer(a->arg, -ENOMEM, NULL, 0);
	}
	ask_free(a);
}

static void handle_message(struct link *l)
{
	const struct ctl_hdr *h = (const struct ctl_hdr *)l->msg;
	const uint8_t *payload = l->msg + sizeof(*h);
	const struct ctl_hello *hello = (const struct ctl_hello *)payload;

	switch (h->type) {
	case CTL_HELLO:
		l->state = LINK_UP;
		l->pause_ms = l->conf.retry_min_ms;
		event_del(l->hello);
		l->ops.up(l->arg, hello->applied, hello->datastore);
		return;
	case CTL_ACK:
		handle_ack(l, h->seq, (const struct ctl_ack *)payload);
		return;
	case CTL_ANSWER:
		handle_answer(l, h, payload);
		return;
	default:
		l->ops.event(l->arg, (const struct ctl_event *)payload);
		return;
	}
}

static void refuse_message(struct link *l, const char *wrong)
{
	char text[sizeof(l->why)];

	snprintf(text, sizeof(text), "the app sent %s", wrong);
	link_reset(l, text);
}

// The app does not want to speak with us: another release, or another instance.
static void refused_hello(struct link *l, const struct ctl_ack *ack)
{
	char text[sizeof(l->why)];

	snprintf(text, sizeof(text), "the app refuses the connection: %.100s", ack->message);
	for (char *p = text; *p; p++) {
		if (*p < 0x20 || *p > 0x7e)
			*p = '?';
	}
	link_reset(l, text);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	struct link *l = arg;
	const char *wrong;
	struct ctl_hdr h;

	// A callback may reset the link, which disables it until on_doom; the buffer stays ours till then.
	while (!l->doomed && evbuffer_get_length(in) >= sizeof(h)) {
		evbuffer_copyout(in, &h, sizeof(h));
		wrong = link_check_header(&h);
		if (wrong) {
			refuse_message(l, wrong);
			return;
		}
		if (evbuffer_get_length(in) < h.len)
			return;
		evbuffer_remove(in, l->msg, h.len);
		if (l->state == LINK_HELLO && h.type == CTL_ACK &&
		    !link_check_message(l->msg, false, l->instance)) {
			refused_hello(l, (const struct ctl_ack *)(l->msg + sizeof(h)));
			return;
		}
		wrong = link_check_message(l->msg, l->state == LINK_HELLO, l->instance);
		if (wrong) {
			refuse_message(l, wrong);
			return;
		}
		handle_message(l);
	}
}

static void on_end(struct bufferevent *bev, short what, void *arg)
{
	struct link *l = arg;

	(void)bev;
	if (l->doomed)
		return; // on_doom has the reason
	link_lost(l, what & BEV_EVENT_EOF ? "the app closed the connection"
					  : evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
}

// ---- connecting ------------------------------------------------------------------------------

static void on_hello_timeout(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	link_reset(arg, "the app did not introduce itself in time");
}

static int connect_unix(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) != 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

static void on_retry(evutil_socket_t sig, short what, void *arg)
{
	struct link *l = arg;
	struct timeval tv = ms(l->conf.hello_ms);
	struct ctl_hello hello = {
		.magic = CTL_MAGIC, .version = CTL_VERSION, .role = CTL_ROLE_CONTROL};
	char why[sizeof(l->why)];
	int fd;

	(void)sig;
	(void)what;
	if (l->state != LINK_DOWN)
		return;
	fd = connect_unix(&l->addr);
	if (fd < 0) {
		snprintf(why, sizeof(why), "%s",
			 fd == -ENOENT || fd == -ECONNREFUSED ? "it is not running"
							      : strerror(-fd));
		link_lost(l, why);
		return;
	}
	l->bev = bufferevent_socket_new(l->conf.base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!l->bev) {
		close(fd);
		link_lost(l, "out of memory");
		return;
	}
	bufferevent_setcb(l->bev, on_read, NULL, on_end, l);
	bufferevent_set_max_single_read(l->bev, READ_ONCE);
	bufferevent_set_max_single_write(l->bev, READ_ONCE);
	bufferevent_enable(l->bev, EV_READ | EV_WRITE);
	l->state = LINK_HELLO;
	event_add(l->hello, &tv);
	memcpy(hello.instance, l->instance, sizeof(hello.instance));
	memcpy(hello.datastore, l->conf.datastore, sizeof(hello.datastore));
	send_message(l, CTL_HELLO, &hello, sizeof(hello), NULL, 0);
}

bool link_is_up(const struct link *l)
{
	return link_usable(l);
}

void link_kick(struct link *l)
{
	if (l->state == LINK_DOWN)
		event_active(l->retry, EV_TIMEOUT, 0);
}

int link_create(const struct link_conf *conf, const struct link_ops *ops, void *arg,
		struct link **out)
{
	struct link *l = calloc(1, sizeof(*l));
	int len;

	if (!l)
		return -ENOMEM;
	l->conf = *conf;
	l->ops = *ops;
	l->arg = arg;
	TAILQ_INIT(&l->asks);
	if (!l->conf.retry_min_ms)
		l->conf.retry_min_ms = 50;
	if (!l->conf.retry_max_ms)
		l->conf.retry_max_ms = 1000;
	if (!l->conf.hello_ms)
		l->conf.hello_ms = 5000;
	l->pause_ms = l->conf.retry_min_ms;
	l->addr.sun_family = AF_UNIX;
	len = snprintf(l->addr.sun_path, sizeof(l->addr.sun_path), "%s/%s.ctl", conf->run_dir,
		       conf->instance);
	if (len >= (int)sizeof(l->addr.sun_path) ||
	    snprintf(l->instance, sizeof(l->instance), "%s", conf->instance) >=
		    (int)sizeof(l->instance)) {
		free(l);
		return -ENAMETOOLONG;
	}
	l->conf.run_dir = NULL; // borrowed for the call only
	l->conf.instance = NULL;
	l->msg = malloc(CTL_MSG_MAX);
	l->retry = event_new(conf->base, -1, 0, on_retry, l);
	l->hello = event_new(conf->base, -1, 0, on_hello_timeout, l);
	l->doom = event_new(conf->base, -1, 0, on_doom, l);
	if (!l->msg || !l->retry || !l->hello || !l->doom) {
		link_destroy(l);
		return -ENOMEM;
	}
	event_active(l->retry, EV_TIMEOUT, 0);
	*out = l;
	return 0;
}

void link_destroy(struct link *l)
{
	struct ask *a;

	if (!l)
		return;
	while ((a = TAILQ_FIRST(&l->asks)) != NULL)
		ask_end(a);
	if (l->bev)
		bufferevent_free(l->bev);
	if (l->retry)
		event_free(l->retry);
	if (l->hello)
		event_free(l->hello);
	if (l->doom)
		event_free(l->doom);
	free(l->msg);
	free(l);
}
