// SPDX-License-Identifier: BSD-3-Clause
//
// One epoll set. An entry that is deleted while its event may still lie in the batch being handled is
// marked dead and freed after the batch. Timers are a short list: an app has a dozen of them.

#include "dataplane/core/loop.h"

#include "dataplane/core/clock.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define LOOP_BATCH 32

struct loop_entry {
	struct loop_entry *next;
	loop_fd_fn fn;
	void *arg;
	int fd;
	bool dead;
};

struct loop_timer {
	struct loop_timer *next;
	loop_timer_fn fn;
	void *arg;
	uint64_t due_ns;
	uint64_t every_ns;
	int id;
	bool dead;
};

struct loop {
	struct loop_entry *entries;
	struct loop_timer *timers;
	int epoll_fd, wake_fd, signal_fd;
	int last_timer;
	_Atomic bool stop;
};

static void on_wake(struct loop *l, int fd, uint32_t epoll_events, void *arg)
{
	uint64_t n;

	// Only there to end epoll_wait; loop_stop has set the flag.
	if (read(fd, &n, sizeof(n)) < 0)
		return;
}

static void on_signal(struct loop *l, int fd, uint32_t epoll_events, void *arg)
{
	struct signalfd_siginfo si;

	while (read(fd, &si, sizeof(si)) == sizeof(si))
		atomic_store(&l->stop, true);
}

int loop_create(struct loop **out)
{
	struct loop *l = calloc(1, sizeof(*l));
	sigset_t set;
	int rc;

	if (l == NULL)
		return -ENOMEM;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);

	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	rc = -errno;
	if (l->epoll_fd < 0 || l->wake_fd < 0 || l->signal_fd < 0)
		goto err_destroy;
	rc = loop_add_fd(l, l->wake_fd, EPOLLIN, on_wake, NULL);
	if (rc == 0)
		rc = loop_add_fd(l, l->signal_fd, EPOLLIN, on_signal, NULL);
	if (rc != 0)
		goto err_destroy;
	*out = l;
	return 0;

err_destroy:
	loop_destroy(l);
	return rc;
}

void loop_destroy(struct loop *l)
{
	struct loop_entry *e;
	struct loop_timer *t;

	if (l == NULL)
		return;
	while ((e = l->entries) != NULL) {
		l->entries = e->next;
		free(e);
	}
	while ((t = l->timers) != NULL) {
		l->timers = t->next;
		free(t);
	}
	if (l->epoll_fd >= 0)
		close(l->epoll_fd);
	if (l->wake_fd >= 0)
		close(l->wake_fd);
	if (l->signal_fd >= 0)
		close(l->signal_fd);
	free(l);
}

static struct loop_entry *entry_find(struct loop *l, int fd)
{
	struct loop_entry *e = l->entries;

	while (e != NULL && (e->fd != fd || e->dead))
		e = e->next;
	return e;
}

int loop_add_fd(struct loop *l, int fd, uint32_t epoll_events, loop_fd_fn fn, void *arg)
{
	struct loop_entry *e = entry_find(l, fd);
	struct epoll_event ev = {.events = epoll_events};
	bool fresh = e == NULL;

	if (fd < 0)
		return -EBADF;
	if (fresh) {
		e = calloc(1, sizeof(*e));
		if (e == NULL)
			return -ENOMEM;
		e->fd = fd;
	}
	ev.data.ptr = e;
	// ENOENT: the fd was closed behind our back and its number is in use again.
	if ((fresh || epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, fd, &ev) != 0) &&
	    epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0) {
		int rc = -errno;

		if (fresh)
			free(e);
		return rc;
	}
	e->fn = fn;
	e->arg = arg;
	if (fresh) {
		e->next = l->entries;
		l->entries = e;
	}
	return 0;
}

void loop_del_fd(struct loop *l, int fd)
{
	struct loop_entry *e = entry_find(l, fd);

	if (e == NULL)
		return;
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, fd, NULL); // may be closed already
	e->dead = true;
}

int loop_add_timer(struct loop *l, uint64_t after_ms, uint64_t every_ms, loop_timer_fn fn,
		   void *arg)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	l->last_timer = l->last_timer == INT_MAX ? 1 : l->last_timer + 1;
	t->id = l->last_timer;
	t->fn = fn;
	t->arg = arg;
	t->every_ns = every_ms * 1000000;
	t->due_ns = clock_monotonic_ns() + after_ms * 1000000;
	t->next = l->timers;
	l->timers = t;
	return t->id;
}

void loop_del_timer(struct loop *l, int id)
{
	for (struct loop_timer *t = l->timers; t != NULL; t = t->next)
		if (t->id == id)
			t->dead = true;
}

// Free what was marked dead. Never called while a callback runs.
static void sweep(struct loop *l)
{
	for (struct loop_entry **p = &l->entries; *p != NULL;) {
		struct loop_entry *e = *p;

		if (e->dead) {
			*p = e->next;
			free(e);
		} else {
			p = &e->next;
		}
	}
	for (struct loop_timer **p = &l->timers; *p != NULL;) {
		struct loop_timer *t = *p;

		if (t->dead) {
			*p = t->next;
			free(t);
		} else {
			p = &t->next;
		}
	}
}

// Milliseconds to the next timer, rounded up so that it is due when epoll_wait returns; -1: none.
static int wait_ms(const struct loop *l)
{
	uint64_t now = clock_monotonic_ns(), due = UINT64_MAX, ms;

	for (const struct loop_timer *t = l->timers; t != NULL; t = t->next)
		if (!t->dead && t->due_ns < due)
			due = t->due_ns;
	if (due == UINT64_MAX)
		return -1;
	if (due <= now)
		return 0;
	ms = (due - now + 999999) / 1000000;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

static void run_timers(struct loop *l)
{
	uint64_t now = clock_monotonic_ns();
	struct loop_timer *t = l->timers; // timers added by callbacks stand before it: next round

	for (; t != NULL; t = t->next) {
		if (t->dead || t->due_ns > now)
			continue;
		// One call for any number of missed periods.
		if (t->every_ns == 0)
			t->dead = true;
		else
			t->due_ns = now + t->every_ns;
		t->fn(l, t->arg);
	}
}

int loop_run(struct loop *l)
{
	struct epoll_event ev[LOOP_BATCH];

	while (!atomic_load(&l->stop)) {
		int n = epoll_wait(l->epoll_fd, ev, LOOP_BATCH, wait_ms(l));

		for (int i = 0; i < n; i++) {
			struct loop_entry *e = ev[i].data.ptr;

			if (!e->dead)
				e->fn(l, e->fd, ev[i].events, e->arg);
		}
		run_timers(l);
		sweep(l);
	}
	atomic_store(&l->stop, false);
	return 0;
}

void loop_stop(struct loop *l)
{
	uint64_t one = 1;

	atomic_store(&l->stop, true);
	if (write(l->wake_fd, &one, sizeof(one)) < 0)
		return; // EAGAIN: a wake-up is pending already
}
