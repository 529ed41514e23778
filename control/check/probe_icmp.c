// SPDX-License-Identifier: BSD-3-Clause
//
// An ICMP check is an echo request (RFC 792, RFC 4443 section 4.1) and is good when its reply comes from
// the address asked, with our id, its number and its payload. One socket a family serves all targets.
//
//	0  8  type 8 or 128, code, checksum, id, number
//	8  8  "sluiceck"
//	16 16 random bytes of this very check: nobody off the path can forge the reply, and a late reply to
//	      an older check is none to this
//
// The number finds the check that runs: a table of all of them. Sockets are either "ping sockets", to
// which the kernel gives an id and only their own replies, or raw ones that see all echo replies of the
// node; what is not ours is passed over.

#include "control/check/probe_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#define NUMBERS     65536
#define REPLIES_MAX 256 // read in one turn of the loop
#define RCVBUF      (4 * 1024 * 1024)

struct echo {
	uint8_t type, code;
	uint16_t sum, id, number; // network order
	char magic[8];
	uint8_t nonce[16];
};
static_assert(sizeof(struct echo) == 32, "wire");

struct check_icmp {
	struct check_prober *prober;
	struct check_target *target;
	unsigned family; // 0: IPv4, 1: IPv6
	uint16_t number;
	uint8_t nonce[16];
};

struct icmp_family {
	struct check_icmp_pool *pool;
	int fd;
	bool raw;
	uint16_t id; // raw: ours, network order
	uint16_t next;
	struct event *ev;
	struct check_icmp **running; // by number
};

struct check_icmp_pool {
	struct check_prober *prober;
	struct icmp_family family[2];
};

// ---- sockets ----------------------------------------------------------------------------------

static int open_one(unsigned family, bool raw)
{
	int type = raw ? SOCK_RAW : SOCK_DGRAM, size = RCVBUF;
	int fd = socket(family == 0 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC,
			family == 0 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	uint32_t filter4 = ~(UINT32_C(1) << ICMP_ECHOREPLY);
	struct icmp6_filter filter6;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	ICMP6_FILTER_SETBLOCKALL(&filter6);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter6);
	// 1 is ICMP_FILTER of linux/icmp.h, which netinet/ip_icmp.h lacks and does not go with.
	if (raw && (family == 0 ? setsockopt(fd, SOL_RAW, 1, &filter4, sizeof(filter4))
				: setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter6,
					     sizeof(filter6))) != 0) {
		int err = errno;

		close(fd);
		return -err;
	}
	return fd;
}

void check_icmp_open(struct check_icmp_fds *s, int err[2])
{
	for (unsigned i = 0; i < 2; i++) {
		int fd = open_one(i, false);

		s->raw[i] = fd < 0;
		if (fd < 0)
			fd = open_one(i, true);
		s->fd[i] = fd < 0 ? -1 : fd;
		err[i] = fd < 0 ? -fd : 0;
	}
}

// ---- checks -----------------------------------------------------------------------------------

static void icmp_free(struct check_icmp *c)
{
	c->prober->icmp->family[c->family].running[c->number] = NULL;
	c->target->probe = NULL;
	free(c);
}

static uint16_t checksum(const void *bytes, size_t size)
{
	const uint8_t *b = bytes;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)b[i] << 8 | b[i + 1];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

// Send the request. Returns: 0 or an errno.
static int send_echo(const struct icmp_family *f, const struct check_icmp *c)
{
	struct echo e = {
		.type = c->family == 0 ? ICMP_ECHO : ICMP6_ECHO_REQUEST,
		.id = f->id,
		.number = htons(c->number),
		.magic = "sluiceck",
	};
	struct sockaddr_storage sa;
	socklen_t len = check_sockaddr(c->target, &sa);

	// A raw IPv6 socket wants no port here.
	if (c->family == 0)
		((struct sockaddr_in *)&sa)->sin_port = 0;
	else
		((struct sockaddr_in6 *)&sa)->sin6_port = 0;
	memcpy(e.nonce, c->nonce, sizeof(e.nonce));
	if (c->family == 0) // of IPv6 the kernel makes it
		e.sum = checksum(&e, sizeof(e));
	return sendto(f->fd, &e, sizeof(e), 0, (struct sockaddr *)&sa, len) < 0 ? errno : 0;
}

static bool icmp_start(struct check_prober *p, struct check_target *t, struct check_result *r)
{
	unsigned family = t->addr.family == 4 ? 0 : 1, tries = 0;
	struct icmp_family *f = &p->icmp->family[family];
	struct check_icmp *c;
	int err;

	r->local = true;
	if (f->ev == NULL) {
		snprintf(r->reason, sizeof(r->reason), "no right to send echo requests");
		return true;
	}
	while (f->running[f->next] != NULL && ++tries < NUMBERS)
		f->next++;
	c = tries == NUMBERS ? NULL : calloc(1, sizeof(*c));
	if (c == NULL)
		return true;
	*c = (struct check_icmp){.prober = p, .target = t, .family = family, .number = f->next++};
	arc4random_buf(c->nonce, sizeof(c->nonce));
	f->running[c->number] = c;
	t->probe = c;
	r->local = false;
	err = send_echo(f, c);
	if (err == 0)
		return false;
	check_errno_reason(r, "send", err);
	icmp_free(c);
	return true;
}

static void icmp_cancel(struct check_prober *p, struct check_target *t)
{
	(void)p;
	icmp_free(t->probe);
}

static void icmp_expire(const struct check_target *t, struct check_result *r)
{
	snprintf(r->reason, sizeof(r->reason), "no echo reply within %u ms", t->check.timeout_ms);
}

const struct check_kind check_kind_icmp = {
	.start = icmp_start,
	.cancel = icmp_cancel,
	.expire = icmp_expire,
};

// ---- replies ----------------------------------------------------------------------------------

static bool is_from(const struct check_target *t, const struct sockaddr_storage *from)
{
	if (t->addr.family == 4)
		return from->ss_family == AF_INET &&
		       memcmp(&((const struct sockaddr_in *)from)->sin_addr, t->addr.bytes, 4) == 0;
	return from->ss_family == AF_INET6 &&
	       memcmp(&((const struct sockaddr_in6 *)from)->sin6_addr, t->addr.bytes, 16) == 0;
}

// The reply in the size bytes of a datagram, behind its IPv4 header where that is there.
static bool find_echo(const struct icmp_family *f, unsigned family, const uint8_t *bytes,
		      size_t size, struct echo *e)
{
	size_t skip = f->raw && family == 0 && size > 0 ? (bytes[0] & 15u) * 4 : 0;

	if (f->raw && family == 0 && skip < sizeof(struct ip))
		return false;
	if (size != skip + sizeof(*e)) // ours are all of one size
		return false;
	memcpy(e, bytes + skip, sizeof(*e));
	return e->type == (family == 0 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY) && e->code == 0 &&
	       (!f->raw || e->id == f->id);
}

static void take_reply(struct icmp_family *f, unsigned family, const uint8_t *bytes, size_t size,
		       const struct sockaddr_storage *from)
{
	struct check_prober *p = f->pool->prober;
	struct check_result r = {.ok = true};
	struct check_target *t;
	struct check_icmp *c;
	struct echo e;

	if (!find_echo(f, family, bytes, size, &e))
		return;
	c = f->running[ntohs(e.number)];
	if (c == NULL || !is_from(c->target, from) || memcmp(e.magic, "sluiceck", 8) != 0 ||
	    memcmp(e.nonce, c->nonce, sizeof(e.nonce)) != 0)
		return;
	t = c->target;
	r.latency_us = check_since_us(t);
	icmp_free(c);
	check_probe_done(p, t, &r);
}

static void icmp_event(evutil_socket_t fd, short what, void *arg)
{
	uint8_t bytes[60 + sizeof(struct echo) +
		      1]; // a header with all options; longer is not ours
	struct icmp_family *f = arg;
	unsigned family = f == &f->pool->family[0] ? 0 : 1;

	(void)what;
	for (unsigned i = 0; i < REPLIES_MAX; i++) {
		struct sockaddr_storage from = {0};
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &len);

		if (n < 0)
			return;
		take_reply(f, family, bytes, (size_t)n, &from);
	}
}

// ---- life -------------------------------------------------------------------------------------

static int family_init(struct check_icmp_pool *h, unsigned i, const struct check_icmp_fds *s)
{
	struct icmp_family *f = &h->family[i];

	*f = (struct icmp_family){.pool = h, .fd = s->fd[i], .raw = s->raw[i]};
	if (f->fd < 0)
		return 0;
	arc4random_buf(&f->id, sizeof(f->id));
	arc4random_buf(&f->next, sizeof(f->next));
	f->running = calloc(NUMBERS, sizeof(struct check_icmp *));
	f->ev = event_new(h->prober->conf.base, f->fd, EV_READ | EV_PERSIST, icmp_event, f);
	if (f->running == NULL || f->ev == NULL || event_add(f->ev, NULL) != 0)
		return -ENOMEM;
	return 0;
}

int check_icmp_pool_create(struct check_prober *p, struct check_icmp_pool **out)
{
	struct check_icmp_pool *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return -ENOMEM;
	h->prober = p;
	h->family[1].fd = -1;
	if (family_init(h, 0, &p->conf.icmp) != 0 || family_init(h, 1, &p->conf.icmp) != 0) {
		check_icmp_pool_destroy(h);
		return -ENOMEM;
	}
	*out = h;
	return 0;
}

void check_icmp_pool_destroy(struct check_icmp_pool *h)
{
	if (h == NULL)
		return;
	for (unsigned i = 0; i < 2; i++) {
		struct icmp_family *f = &h->family[i];

		if (f->ev != NULL)
			event_free(f->ev);
		free(f->running);
		if (f->fd >= 0)
			close(f->fd);
	}
	free(h);
}
