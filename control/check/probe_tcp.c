// SPDX-License-Identifier: BSD-3-Clause
//
// A TCP check is good when the handshake completes. The connection is ended by a reset: no state
// stays behind on either side, whatever the rate of checks.

#include "control/check/probe_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

struct check_tcp {
	struct check_prober *prober;
	struct check_target *target;
	int fd;
	struct event *ev;
};

static void tcp_free(struct check_tcp *c)
{
	static const struct linger reset = {.l_onoff = 1, .l_linger = 0};

	event_free(c->ev);
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(c->fd);
	c->target->probe = NULL;
	free(c);
}

// Two ends that call each other at the same port meet in one socket (RFC 9293, simultaneous open): on
// the loopback a port without a server can so seem to have one.
static bool is_self(int fd, const struct check_target *t)
{
	struct sockaddr_storage own, peer;
	socklen_t own_len = sizeof(own), len = check_sockaddr(t, &peer);

	memset(&own, 0, sizeof(own));
	return getsockname(fd, (struct sockaddr *)&own, &own_len) == 0 && own_len == len &&
	       memcmp(&own, &peer, len) == 0;
}

static void judge(struct check_target *t, int fd, int err, struct check_result *r)
{
	if (err == 0 && is_self(fd, t))
		err = ECONNREFUSED;
	r->latency_us = check_since_us(t);
	r->ok = err == 0;
	r->local = err != 0 && check_errno_local(err);
	if (err != 0)
		check_errno_reason(r, "connect", err);
}

static void tcp_event(evutil_socket_t fd, short what, void *arg)
{
	struct check_tcp *c = arg;
	struct check_prober *p = c->prober;
	struct check_target *t = c->target;
	struct check_result r = {0};
	socklen_t len = sizeof(int);
	int err = 0;

	(void)what;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
		err = errno;
	judge(t, fd, err, &r);
	tcp_free(c);
	check_probe_done(p, t, &r);
}

bool check_tcp_start(struct check_prober *p, struct check_target *t, struct check_result *r)
{
	struct sockaddr_storage sa;
	socklen_t len = check_sockaddr(t, &sa);
	struct check_tcp *c;
	int fd, err;

	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		judge(t, -1, errno, r);
		return true;
	}
	err = connect(fd, (struct sockaddr *)&sa, len) == 0 ? 0 : errno;
	if (err != EINPROGRESS) {
		judge(t, fd, err, r);
		close(fd);
		return true;
	}
	c = malloc(sizeof(*c));
	if (c == NULL)
		goto err_close;
	*c = (struct check_tcp){.prober = p, .target = t, .fd = fd};
	c->ev = event_new(p->conf.base, fd, EV_WRITE, tcp_event, c);
	if (c->ev == NULL || event_add(c->ev, NULL) != 0)
		goto err_free;
	t->probe = c;
	return false;

err_free:
	if (c->ev != NULL)
		event_free(c->ev);
	free(c);
err_close:
	close(fd);
	judge(t, -1, ENOMEM, r);
	return true;
}

void check_tcp_cancel(struct check_prober *p, struct check_target *t)
{
	(void)p;
	tcp_free(t->probe);
}
