// SPDX-License-Identifier: BSD-3-Clause
//
// Asking an agent: connect, read one line (agent.h), reset. Nothing is sent. The line is taken whole: a
// number cut in two by the network is no other number.

#include "control/check/probe_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

struct check_agent_probe {
	struct check_prober *prober;
	struct check_target *target;
	int fd;
	struct event *ev;
	bool connected;
	size_t size;
	char line[CHECK_AGENT_LINE];
};

static void agent_free(struct check_agent_probe *c)
{
	if (c->ev != NULL)
		event_free(c->ev);
	check_close_reset(c->fd);
	c->target->probe = NULL;
	free(c);
}

static void finish(struct check_agent_probe *c, struct check_result *r)
{
	struct check_prober *p = c->prober;
	struct check_target *t = c->target;

	r->latency_us = check_since_us(t);
	agent_free(c);
	check_probe_done(p, t, r);
}

// The line is whole, without its end.
static void take(struct check_agent_probe *c, struct check_result *r)
{
	if (c->size == 0 || memchr(c->line, '\0', c->size) != NULL) {
		snprintf(r->reason, sizeof(r->reason),
			 c->size == 0 ? "agent: connection closed without a line"
				      : "agent: a line that is no text");
	} else {
		r->ok = r->spoke = true;
		memcpy(r->agent_line, c->line, c->size);
	}
	finish(c, r);
}

static void read_line(struct check_agent_probe *c)
{
	struct check_result r = {0};
	char *end;
	ssize_t n;

	for (;;) {
		n = recv(c->fd, c->line + c->size, sizeof(c->line) - 1 - c->size, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			check_errno_reason(&r, "agent: receive", errno);
			finish(c, &r);
			return;
		}
		end = memchr(c->line + c->size, '\n', (size_t)n);
		c->size += (size_t)n;
		if (end != NULL)
			c->size = (size_t)(end - c->line);
		if (end != NULL || n == 0) {
			take(c, &r);
			return;
		}
		if (c->size < sizeof(c->line) - 1)
			continue;
		snprintf(r.reason, sizeof(r.reason), "agent: a line of more than %u bytes",
			 CHECK_AGENT_LINE - 1);
		finish(c, &r);
		return;
	}
}

static void agent_event(evutil_socket_t fd, short what, void *arg)
{
	struct check_agent_probe *c = arg;
	struct check_result r = {0};
	int err;

	(void)what;
	if (c->connected) {
		read_line(c);
		return;
	}
	err = check_connected(fd, c->target);
	if (err == 0) {
		c->connected = true;
		event_del(c->ev);
		if (event_assign(c->ev, c->prober->conf.base, fd, EV_READ | EV_PERSIST, agent_event,
				 c) != 0 ||
		    event_add(c->ev, NULL) != 0)
			err = ENOMEM;
	}
	if (err != 0) {
		check_errno_reason(&r, "agent: connect", err);
		finish(c, &r);
	}
}

static bool agent_start(struct check_prober *p, struct check_target *t, struct check_result *r)
{
	struct check_agent_probe *c = malloc(sizeof(*c));
	int fd = c == NULL ? -ENOMEM : check_connect(t);

	if (fd < 0) {
		check_errno_reason(r, "agent: connect", -fd);
		free(c);
		return true;
	}
	*c = (struct check_agent_probe){.prober = p, .target = t, .fd = fd};
	c->ev = event_new(p->conf.base, fd, EV_WRITE, agent_event, c);
	if (c->ev == NULL || event_add(c->ev, NULL) != 0) {
		agent_free(c);
		r->local = true;
		return true;
	}
	t->probe = c;
	return false;
}

static void agent_cancel(struct check_prober *p, struct check_target *t)
{
	(void)p;
	agent_free(t->probe);
}

static void agent_expire(const struct check_target *t, struct check_result *r)
{
	snprintf(r->reason, sizeof(r->reason), "agent: no line within %u ms", t->check.timeout_ms);
}

const struct check_kind check_kind_agent = {
	.start = agent_start,
	.cancel = agent_cancel,
	.expire = agent_expire,
};
