// SPDX-License-Identifier: BSD-3-Clause
//
// loop - the app's one control thread: an epoll loop with fds and timers. Control link, telemetry,
// netlink and RCU reclaim run here; workers never do.
#pragma once

#include <stdint.h>

struct loop;

typedef void (*loop_fd_fn)(struct loop *l, int fd, uint32_t epoll_events, void *arg);
typedef void (*loop_timer_fn)(struct loop *l, void *arg);

// Blocks SIGTERM and SIGINT: call it before rte_eal_init and before any thread is made, so that every
// thread inherits the mask and only the loop sees them.
// Errors: -ENOMEM, -EMFILE. Thread: init
int loop_create(struct loop **out);
void loop_destroy(struct loop *l);

// Watch fd for EPOLLIN/EPOLLOUT events; a second add of the same fd changes events, fn and arg.
// Both are safe from inside callbacks. loop_del_fd before close(fd). Errors: -EBADF, -ENOMEM. Thread: control
int loop_add_fd(struct loop *l, int fd, uint32_t epoll_events, loop_fd_fn fn, void *arg);
void loop_del_fd(struct loop *l, int fd);

// Call fn in `after_ms`, then every `every_ms` (0: once; one call for any number of periods missed).
// Returns an id > 0, or -ENOMEM.
int loop_add_timer(struct loop *l, uint64_t after_ms, uint64_t every_ms, loop_timer_fn fn,
		   void *arg);
void loop_del_timer(struct loop *l, int id);

// Until loop_stop(). SIGTERM and SIGINT (signalfd, blocked in all threads) stop it. Returns 0.
int loop_run(struct loop *l);
void loop_stop(struct loop *l); // Thread: any
