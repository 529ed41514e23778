// SPDX-License-Identifier: BSD-3-Clause
//
// probe - one check of one server: a TCP connection (probe_tcp.c) or an HTTP request (probe_http.c).
// Time limits are the engine's (target.h): it cancels what takes too long.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "control/check/target.h"

#define CHECK_HEADER_MAX (64 * 1024) // bytes of an answer's header; more is refused
#define CHECK_BODY_MAX   (64 * 1024) // bytes of a body that are read; the rest is not waited for

struct event_base;
struct check_prober;

struct check_prober_conf {
	struct event_base *base;
	// A check has ended by itself.
	void (*done)(void *arg, struct check_target *t, const struct check_result *r);
	void *arg;
	size_t max; // checks at once; one more ends at once as `local`
};

// Errors: -ENOMEM, -EIO libcurl did not start. Thread: init
int check_prober_create(const struct check_prober_conf *conf, struct check_prober **out);
// No check may run.
void check_prober_destroy(struct check_prober *p);

// As check_ops of target.h. Thread: control
bool check_probe_start(struct check_prober *p, struct check_target *t, struct check_result *r);
void check_probe_cancel(struct check_prober *p, struct check_target *t);

// Microseconds of the monotonic clock.
uint64_t check_now_us(void);
