// SPDX-License-Identifier: BSD-3-Clause
//
// A TCP check is good when the handshake completes; the connection is then reset.

#include "control/check/probe_priv.h"

#include <errno.h>
#include <stdlib.h>

#include <event2/event.h>

struct check_tcp {
	struct check_prober *prober;
	struct check_target *target;
	int fd;
	struct event *ev;
};

static void tcp_free(struct check_tcp *c)
{
	if (c->ev != NULL)
		event_free(c->ev);
	check_close_reset(c->fd);
	c->target->probe = NULL;
	free(c);
}

static void judge(struct check_target *t, int err, struct check_result *r)
{
	r->latency_us = check_since_us(t);
	r->ok = err == 0;
	if (err != 0)
		check_errno_reason(r, "connect", err);
}

static void tcp_event(evutil_socket_t fd, short what, void *arg)
{
	struct check_tcp *c = arg;
	struct check_prober *p = c->prober;
	struct check_target *t = c->target;
	struct check_result r = {0};

	(void)what;
	judge(t, check_connected(fd, t), &r);
	tcp_free(c);
	check_probe_done(p, t, &r);
}

static bool tcp_start(struct check_prober *p, struct check_target *t, struct check_result *r)
{
	struct check_tcp *c = malloc(sizeof(*c));
	int fd = c == NULL ? -ENOMEM : check_connect(t);

	if (fd < 0) {
		judge(t, -fd, r);
		free(c);
		return true;
	}
	*c = (struct check_tcp){.prober = p, .target = t, .fd = fd};
	c->ev = event_new(p->conf.base, fd, EV_WRITE, tcp_event, c);
	if (c->ev == NULL || event_add(c->ev, NULL) != 0) {
		tcp_free(c);
		judge(t, ENOMEM, r);
		return true;
	}
	t->probe = c;
	return false;
}

static void tcp_cancel(struct check_prober *p, struct check_target *t)
{
	(void)p;
	tcp_free(t->probe);
}

const struct check_kind check_kind_tcp = {.start = tcp_start, .cancel = tcp_cancel};
