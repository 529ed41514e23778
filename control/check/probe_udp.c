// SPDX-License-Identifier: BSD-3-Clause
//
// A UDP check sends one datagram from a port of its own and is good when an answer from the server's
// address and port contains the bytes expected. The kernel hands over ICMP's "port unreachable" as an
// error of the socket: that fails at once.
//
// Nothing expected: any answer is good, and so is silence until the timeout, since many services answer
// nothing but their own protocol. Such a check finds a closed port, not a dead machine.
//
// An answer without the bytes is no verdict yet: it may be late, or a stranger's guess. The right one may
// still come, until ANSWERS_MAX wrong ones did.

#include "control/check/probe_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#define ANSWER_BYTES 4096 // of an answer that are looked at
#define ANSWERS_MAX  16

struct check_udp {
	struct check_prober *prober;
	struct check_target *target;
	int fd;
	struct event *ev;
	unsigned wrong; // answers
};

static void udp_free(struct check_udp *c)
{
	if (c->ev != NULL)
		event_free(c->ev);
	close(c->fd);
	c->target->probe = NULL;
	free(c);
}

static void finish(struct check_udp *c, struct check_result *r)
{
	struct check_prober *p = c->prober;
	struct check_target *t = c->target;

	r->latency_us = check_since_us(t);
	udp_free(c);
	check_probe_done(p, t, r);
}

static bool is_expected(const struct check_target *t, const char *answer, size_t size)
{
	return t->check.expect_size == 0 ||
	       memmem(answer, size, t->check.expect, t->check.expect_size) != NULL;
}

static void udp_event(evutil_socket_t fd, short what, void *arg)
{
	struct check_result r = {0};
	struct check_udp *c = arg;
	char answer[ANSWER_BYTES];
	ssize_t n;

	(void)what;
	while ((n = recv(fd, answer, sizeof(answer), 0)) >= 0) {
		r.ok = is_expected(c->target, answer, (size_t)n);
		if (!r.ok && ++c->wrong < ANSWERS_MAX)
			continue;
		if (!r.ok)
			snprintf(r.reason, sizeof(r.reason),
				 "%u answers without the expected bytes", c->wrong);
		finish(c, &r);
		return;
	}
	if (errno == EAGAIN || errno == EINTR)
		return;
	if (errno == ECONNREFUSED)
		snprintf(r.reason, sizeof(r.reason), "port unreachable");
	else
		check_errno_reason(&r, "receive", errno);
	finish(c, &r);
}

static bool udp_start(struct check_prober *p, struct check_target *t, struct check_result *r)
{
	struct check_udp *c = calloc(1, sizeof(*c));
	struct sockaddr_storage sa;
	socklen_t len = check_sockaddr(t, &sa);

	if (c == NULL) {
		r->local = true;
		return true;
	}
	*c = (struct check_udp){.prober = p, .target = t};
	c->fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0) {
		check_errno_reason(r, "socket", errno);
		free(c);
		return true;
	}
	if (connect(c->fd, (struct sockaddr *)&sa, len) != 0 ||
	    send(c->fd, t->check.send, t->check.send_size, 0) < 0) {
		check_errno_reason(r, "send", errno);
		goto err_free;
	}
	c->ev = event_new(p->conf.base, c->fd, EV_READ | EV_PERSIST, udp_event, c);
	if (c->ev == NULL || event_add(c->ev, NULL) != 0) {
		r->local = true;
		goto err_free;
	}
	t->probe = c;
	return false;

err_free:
	udp_free(c);
	return true;
}

static void udp_cancel(struct check_prober *p, struct check_target *t)
{
	(void)p;
	udp_free(t->probe);
}

static void udp_expire(const struct check_target *t, struct check_result *r)
{
	const struct check_udp *c = t->probe;

	if (t->check.expect_size == 0)
		r->ok = true;
	else if (c->wrong > 0)
		snprintf(r->reason, sizeof(r->reason),
			 "answer without the expected bytes, none with them within %u ms",
			 t->check.timeout_ms);
	else
		snprintf(r->reason, sizeof(r->reason), "no answer within %u ms",
			 t->check.timeout_ms);
}

const struct check_kind check_kind_udp = {
	.start = udp_start,
	.cancel = udp_cancel,
	.expire = udp_expire,
};
