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
#include <unistd.h>

#include "control/check/record.h"
#include "control/check/trust.h"

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
	r->local = check_errno_local(err);
}

// ---- connections ------------------------------------------------------------------------------

int check_connect(const struct check_target *t)
{
	struct sockaddr_storage sa;
	socklen_t len = check_sockaddr(t, &sa);
	int fd, err;

	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sa, len) == 0 || errno == EINPROGRESS)
		return fd;
	err = errno;
	close(fd);
	return -err;
}

static bool is_self(int fd, const struct check_target *t)
{
	struct sockaddr_storage own, peer;
	socklen_t own_len = sizeof(own), len = check_sockaddr(t, &peer);

	memset(&own, 0, sizeof(own));
	return getsockname(fd, (struct sockaddr *)&own, &own_len) == 0 && own_len == len &&
	       memcmp(&own, &peer, len) == 0;
}

int check_connected(int fd, const struct check_target *t)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
		err = errno;
	return err == 0 && is_self(fd, t) ? ECONNREFUSED : err;
}

void check_close_reset(int fd)
{
	static const struct linger reset = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
}

// ---- kinds ------------------------------------------------------------------------------------

static const struct check_kind *kind_of(const struct check_target *t)
{
	switch (t->check.kind) {
	case CTL_CHECK_HTTP:
	case CTL_CHECK_HTTPS:
	case CTL_CHECK_TLS:
		return &check_kind_stream;
	case CTL_CHECK_UDP:
		return &check_kind_udp;
	case CTL_CHECK_ICMP:
		return &check_kind_icmp;
	case CHECK_KIND_AGENT:
		return &check_kind_agent;
	default:
		return &check_kind_tcp;
	}
}

void check_probe_done(struct check_prober *p, struct check_target *t, struct check_result *r)
{
	p->running--;
	p->conf.done(p->conf.arg, t, r);
}

bool check_probe_start(struct check_prober *p, struct check_target *t, struct check_result *r)
{
	memset(r, 0, sizeof(*r));
	if (p->running >= p->conf.max) {
		r->local = true;
		return true;
	}
	if (kind_of(t)->start(p, t, r))
		return true;
	p->running++;
	return false;
}

void check_probe_cancel(struct check_prober *p, struct check_target *t)
{
	p->running--;
	kind_of(t)->cancel(p, t);
}

void check_probe_expire(struct check_prober *p, struct check_target *t, struct check_result *r)
{
	if (kind_of(t)->expire != NULL)
		kind_of(t)->expire(t, r);
	check_probe_cancel(p, t);
}

int check_prober_create(const struct check_prober_conf *conf, struct check_prober **out)
{
	struct check_prober *p = calloc(1, sizeof(*p));
	int rc;

	if (p == NULL)
		return -ENOMEM;
	p->conf = *conf;
	if ((rc = check_trust_create(&p->trust)) != 0 ||
	    (rc = check_icmp_pool_create(p, &p->icmp)) != 0) {
		check_prober_destroy(p);
		return rc;
	}
	*out = p;
	return 0;
}

void check_prober_destroy(struct check_prober *p)
{
	if (p == NULL)
		return;
	check_icmp_pool_destroy(p->icmp);
	check_trust_destroy(p->trust);
	free(p);
}
