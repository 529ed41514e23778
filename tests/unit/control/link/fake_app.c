// SPDX-License-Identifier: BSD-3-Clause

#include "tests/unit/control/link/fake_app.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

__attribute__((format(printf, 2, 3))) static void note(struct fake_app *f, const char *format, ...)
{
	size_t len = strlen(f->log);
	va_list ap;

	va_start(ap, format);
	vsnprintf(f->log + len, sizeof(f->log) - len, format, ap);
	va_end(ap);
}

void fake_app_send(struct fake_app *f, uint16_t type, uint16_t flags, uint32_t seq, const void *p,
		   size_t size)
{
	struct ctl_hdr h = {.len = (uint32_t)((sizeof(h) + size + 7) & ~(size_t)7),
			    .type = type,
			    .flags = flags,
			    .seq = seq,
			    .size = (uint32_t)size};

	bufferevent_write(f->conn, &h, sizeof(h));
	bufferevent_write(f->conn, p, size);
	bufferevent_write(f->conn, "\0\0\0\0\0\0\0", h.len - sizeof(h) - size);
}

void fake_app_send_raw(struct fake_app *f, const void *p, size_t size)
{
	bufferevent_write(f->conn, p, size);
}

static void ack(struct fake_app *f, uint32_t seq, struct ctl_ack a)
{
	a.applied = f->applied;
	fake_app_send(f, CTL_ACK, 0, seq, &a, sizeof(a));
}

static void on_query(struct fake_app *f, const struct ctl_hdr *h, const struct ctl_query *q)
{
	size_t size = f->answer ? strlen(f->answer) : 0, at = 0, n;

	note(f, "QUERY(%s,%.*s) ", q->name, (int)(h->size - sizeof(*q)), (const char *)(q + 1));
	if (f->hang_query)
		return;
	if (!f->answer) {
		ack(f, h->seq, (struct ctl_ack){.result = -ENOENT});
		return;
	}
	do {
		n = f->part && size - at > f->part ? f->part : size - at;
		fake_app_send(f, CTL_ANSWER, at + n < size ? CTL_F_MORE : 0, h->seq, f->answer + at,
			      n);
		at += n;
	} while (at < size);
}

static void on_prepare(struct fake_app *f, const struct ctl_hdr *h, uint64_t version)
{
	note(f, "PREPARE(%llu) ", (unsigned long long)version);
	if (f->hang)
		return;
	if (f->stale && f->begin_base) {
		f->stale = false;
		ack(f, h->seq, (struct ctl_ack){.result = -ESTALE});
		return;
	}
	ack(f, h->seq, f->refuse);
	if (f->die_prepared) {
		bufferevent_flush(f->conn, EV_WRITE, BEV_FLUSH);
		f->die_prepared = false;
		f->hang_commit = true;
	}
}

static void on_message(struct fake_app *f, const struct ctl_hdr *h, const void *p)
{
	struct ctl_hello hello = {.magic = CTL_MAGIC, .version = CTL_VERSION, .role = CTL_ROLE_APP};
	const struct ctl_begin *b = p;
	const struct ctl_rec *rec = p;
	const struct ctl_version *v = p;

	f->last_seq = h->seq;
	switch (h->type) {
	case CTL_HELLO:
		assert_int_equal(h->size, sizeof(struct ctl_hello));
		assert_int_equal(((const struct ctl_hello *)p)->role, CTL_ROLE_CONTROL);
		if (f->mute)
			return;
		memcpy(hello.instance, f->instance, sizeof(hello.instance));
		memcpy(hello.datastore, f->datastore, 16);
		hello.applied = f->applied;
		fake_app_send(f, CTL_HELLO, 0, h->seq, &hello, sizeof(hello));
		return;
	case CTL_BEGIN:
		f->begin_base = b->base;
		f->begin_target = b->target;
		memcpy(f->datastore, b->datastore, 16);
		note(f, "BEGIN(%llu,%llu) ", (unsigned long long)b->base,
		     (unsigned long long)b->target);
		return;
	case CTL_UPSERT:
		f->upserts++;
		note(f, "U%u ", rec->type);
		if (f->record_error) {
			f->record_error = false;
			ack(f, h->seq, (struct ctl_ack){.result = -EINVAL, .message = "early"});
		}
		return;
	case CTL_DELETE:
		f->deletes++;
		note(f, "D%u ", rec->type);
		return;
	case CTL_PREPARE:
		on_prepare(f, h, v->version);
		return;
	case CTL_COMMIT:
		note(f, "COMMIT(%llu) ", (unsigned long long)v->version);
		if (f->hang_commit)
			return;
		if (!f->wrong_commit)
			f->applied = v->version;
		ack(f, h->seq, (struct ctl_ack){0});
		return;
	case CTL_ABORT:
		note(f, "ABORT(%llu) ", (unsigned long long)v->version);
		ack(f, h->seq, (struct ctl_ack){0});
		return;
	case CTL_QUERY:
		on_query(f, h, p);
		return;
	default:
		fail_msg("message of type %u", h->type);
	}
}

static void on_read(struct bufferevent *bev, void *arg)
{
	static _Alignas(8) uint8_t msg[CTL_MSG_MAX];
	struct evbuffer *in = bufferevent_get_input(bev);
	struct fake_app *f = arg;
	struct ctl_hdr h;

	while (f->conn == bev && evbuffer_get_length(in) >= sizeof(h)) {
		evbuffer_copyout(in, &h, sizeof(h));
		assert_true(h.len <= CTL_MSG_MAX && h.len >= sizeof(h) && h.len % 8 == 0);
		assert_true(h.len - sizeof(h) - h.size < 8);
		if (evbuffer_get_length(in) < h.len)
			return;
		evbuffer_remove(in, msg, h.len);
		on_message(f, &h, msg + sizeof(h));
	}
}

static void on_gone(struct bufferevent *bev, short what, void *arg)
{
	struct fake_app *f = arg;

	bufferevent_free(bev);
	if (f->conn == bev)
		f->conn = NULL;
	note(f, "CLOSED ");
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *a, int len,
		      void *arg)
{
	struct fake_app *f = arg;

	if (f->conn)
		bufferevent_free(f->conn); // a newer one displaces the older
	f->connects++;
	f->conn = bufferevent_socket_new(f->base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(f->conn, on_read, NULL, on_gone, f);
	bufferevent_enable(f->conn, EV_READ | EV_WRITE);
}

void fake_app_start(struct fake_app *f, struct event_base *base, const char *dir,
		    const char *instance)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	f->base = base;
	snprintf(f->instance, sizeof(f->instance), "%s", instance);
	snprintf(f->path, sizeof(f->path), "%s/%s.ctl", dir, instance);
	snprintf(a.sun_path, sizeof(a.sun_path), "%.100s", f->path);
	unlink(f->path);
	f->listener = evconnlistener_new_bind(base, on_accept, f,
					      LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 16,
					      (struct sockaddr *)&a, sizeof(a));
	assert_non_null(f->listener);
}

void fake_app_drop(struct fake_app *f)
{
	if (f->conn)
		bufferevent_free(f->conn);
	f->conn = NULL;
}

void fake_app_stop(struct fake_app *f)
{
	fake_app_drop(f);
	if (f->listener)
		evconnlistener_free(f->listener);
	f->listener = NULL;
	unlink(f->path);
}

void fake_app_forget(struct fake_app *f)
{
	f->log[0] = '\0';
	f->upserts = f->deletes = 0;
}

void fake_run(struct event_base *base, unsigned ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_base_loopexit(base, &tv);
	event_base_loop(base, 0);
}

void fake_wait(struct event_base *base, bool (*cond)(void *arg), void *arg)
{
	for (int i = 0; i < 5000 && !cond(arg); i++)
		fake_run(base, 1);
	assert_true(cond(arg));
}
