// SPDX-License-Identifier: BSD-3-Clause
//
// fake_loop - see fake_loop.h.

#include "tests/unit/dataplane/ctl/fake_loop.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define FDS    64
#define TIMERS 32

struct loop {
	struct {
		int fd; // -1: free
		uint32_t events;
		loop_fd_fn fn;
		void *arg;
	} fd[FDS];
	struct {
		int id; // 0: free
		uint64_t due, every;
		loop_timer_fn fn;
		void *arg;
	} timer[TIMERS];
	int last_id;
};

static uint64_t now_ns = UINT64_C(1000000000000);

uint64_t __wrap_clock_monotonic_ns(void);
uint64_t __wrap_clock_monotonic_ns(void)
{
	return now_ns;
}

int loop_create(struct loop **out)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < FDS; i++)
		l->fd[i].fd = -1;
	*out = l;
	return 0;
}

void loop_destroy(struct loop *l)
{
	free(l);
}

int loop_add_fd(struct loop *l, int fd, uint32_t epoll_events, loop_fd_fn fn, void *arg)
{
	unsigned at = FDS;

	for (unsigned i = 0; i < FDS; i++) {
		if (l->fd[i].fd == fd) {
			at = i;
			break;
		}
		if (l->fd[i].fd == -1 && at == FDS)
			at = i;
	}
	if (at == FDS)
		return -ENOMEM;
	l->fd[at].fd = fd;
	l->fd[at].events = epoll_events;
	l->fd[at].fn = fn;
	l->fd[at].arg = arg;
	return 0;
}

void loop_del_fd(struct loop *l, int fd)
{
	for (unsigned i = 0; i < FDS; i++)
		if (l->fd[i].fd == fd)
			l->fd[i].fd = -1;
}

int loop_add_timer(struct loop *l, uint64_t after_ms, uint64_t every_ms, loop_timer_fn fn,
		   void *arg)
{
	for (unsigned i = 0; i < TIMERS; i++) {
		if (l->timer[i].id != 0)
			continue;
		l->timer[i].id = ++l->last_id;
		l->timer[i].due = now_ns / 1000000 + after_ms;
		l->timer[i].every = every_ms;
		l->timer[i].fn = fn;
		l->timer[i].arg = arg;
		return l->timer[i].id;
	}
	return -ENOMEM;
}

void loop_del_timer(struct loop *l, int id)
{
	for (unsigned i = 0; i < TIMERS; i++)
		if (l->timer[i].id == id)
			l->timer[i].id = 0;
}

int loop_run(struct loop *l)
{
	return 0;
}

void loop_stop(struct loop *l)
{
}

static unsigned turn(struct loop *l)
{
	unsigned handled = 0;

	for (unsigned i = 0; i < FDS; i++) {
		struct pollfd p = {.fd = l->fd[i].fd};

		if (p.fd < 0)
			continue;
		p.events = (short)(((l->fd[i].events & EPOLLIN) ? POLLIN : 0) |
				   ((l->fd[i].events & EPOLLOUT) ? POLLOUT : 0));
		if (poll(&p, 1, 0) != 1)
			continue;
		handled++;
		l->fd[i].fn(l, p.fd,
			    ((p.revents & POLLIN) ? EPOLLIN : 0u) |
				    ((p.revents & POLLOUT) ? EPOLLOUT : 0u) |
				    ((p.revents & POLLHUP) ? EPOLLHUP : 0u) |
				    ((p.revents & POLLERR) ? EPOLLERR : 0u),
			    l->fd[i].arg);
	}
	return handled;
}

unsigned fake_loop_settle(struct loop *l)
{
	unsigned all = 0, n;

	for (unsigned i = 0; i < 10000 && (n = turn(l)) > 0; i++)
		all += n;
	return all;
}

void fake_loop_advance(struct loop *l, uint64_t ms)
{
	uint64_t end = now_ns / 1000000 + ms;

	while (now_ns / 1000000 < end) {
		now_ns += 1000000;
		for (unsigned i = 0; i < TIMERS; i++) {
			if (l->timer[i].id == 0 || l->timer[i].due > now_ns / 1000000)
				continue;
			if (l->timer[i].every != 0)
				l->timer[i].due += l->timer[i].every;
			else
				l->timer[i].id = 0;
			l->timer[i].fn(l, l->timer[i].arg);
		}
	}
}

unsigned fake_loop_fds(const struct loop *l)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FDS; i++)
		n += l->fd[i].fd != -1;
	return n;
}
