// SPDX-License-Identifier: BSD-3-Clause

#include "control/check/probe_priv.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t check_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint32_t check_since_us(const struct check_target *t)
{
	uint64_t us = check_now_us() - t->started_us;

	return us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

socklen_t check_sockaddr(const struct check_target *t, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (t->addr.family == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)out;

		in->sin_family = AF_INET;
		in->sin_port = t->port;
		memcpy(&in->sin_addr, t->addr.bytes, 4);
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = t->port;
	memcpy(&in6->sin6_addr, t->addr.bytes, 16);
	return sizeof(*in6);
}

bool check_errno_local(int err)
{
	return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM ||
	       err == EADDRNOTAVAIL || err == EAGAIN;
}

void check_errno_reason(struct check_result *r, const char *what, int err)
{
	char text[80];

	snprintf(text, sizeof(text), "%s", strerror(err));
	text[0] = (char)tolower((unsigned char)text[0]);
	snprintf(r->reason, sizeof(r->reason), "%s: %s", what, text);
}

void check_probe_done(struct check_prober *p, struct check_target *t, const struct check_result *r)
{
	p->running--;
	p->conf.done(p->conf.arg, t, r);
}

bool check_probe_start(struct check_prober *p, struct check_target *t, struct check_result *r)
{
	bool ended;

	memset(r, 0, sizeof(*r));
	if (p->running >= p->conf.max) {
		r->local = true;
		return true;
	}
	if (t->check.kind == CTL_CHECK_HTTP)
		ended = check_http_start(p, t, r);
	else
		ended = check_tcp_start(p, t, r);
	if (!ended)
		p->running++;
	return ended;
}

void check_probe_cancel(struct check_prober *p, struct check_target *t)
{
	p->running--;
	if (t->check.kind == CTL_CHECK_HTTP)
		check_http_cancel(p, t);
	else
		check_tcp_cancel(p, t);
}

int check_prober_create(const struct check_prober_conf *conf, struct check_prober **out)
{
	struct check_prober *p = calloc(1, sizeof(*p));
	int rc;

	if (p == NULL)
		return -ENOMEM;
	p->conf = *conf;
	rc = check_http_pool_create(p, &p->http);
	if (rc != 0) {
		free(p);
		return rc;
	}
	*out = p;
	return 0;
}

void check_prober_destroy(struct check_prober *p)
{
	if (p == NULL)
		return;
	check_http_pool_destroy(p->http);
	free(p);
}
