// SPDX-License-Identifier: BSD-3-Clause
//
// What probe.c, probe_tcp.c and probe_http.c share.
#pragma once

#include "control/check/probe.h"

struct check_tcp;
struct check_http;
struct check_http_pool;

struct check_prober {
	struct check_prober_conf conf;
	size_t running;
	struct check_http_pool *http;
};

// Report the end of the check of t, which must have freed its probe already.
void check_probe_done(struct check_prober *p, struct check_target *t, const struct check_result *r);

// The server's address as the kernel wants it. Returns: its length.
socklen_t check_sockaddr(const struct check_target *t, struct sockaddr_storage *out);

// Is this errno our own want (descriptors, memory, local ports) rather than the server's fault?
bool check_errno_local(int err);

// r->reason = "<what>: <text of err, first letter small>"
void check_errno_reason(struct check_result *r, const char *what, int err);

uint32_t check_since_us(const struct check_target *t);

bool check_tcp_start(struct check_prober *p, struct check_target *t, struct check_result *r);
void check_tcp_cancel(struct check_prober *p, struct check_target *t);

int check_http_pool_create(struct check_prober *p, struct check_http_pool **out);
void check_http_pool_destroy(struct check_http_pool *h);
bool check_http_start(struct check_prober *p, struct check_target *t, struct check_result *r);
void check_http_cancel(struct check_prober *p, struct check_target *t);
