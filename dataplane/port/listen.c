// SPDX-License-Identifier: BSD-3-Clause
//
// Which ports sockets of the node's kernel hold, by sock_diag (NETLINK_SOCK_DIAG): those that wait for connections
// or datagrams, and TCP connections. Needs no rights. Of this process's network namespace.

#include "dataplane/port/port.h"

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// States of struct inet_diag_msg; UDP knows two of them.
enum { ESTABLISHED = 1, TIME_WAIT = 6, CLOSE = 7, LISTEN = 10, STATE_END = 13 };

#define BIT(state) (1U << (state))

struct list {
	struct port_listener *v;
	unsigned count, room;
	uint8_t proto;
	int rc;
};

static void put(struct list *l, const struct port_listener *one)
{
	struct port_listener *more;

	if (l->count == l->room) {
		more = realloc(l->v, (l->room * 2 + 64) * sizeof(*more));
		if (more == NULL) {
			l->rc = -ENOMEM;
			return;
		}
		l->v = more;
		l->room = l->room * 2 + 64;
	}
	l->v[l->count++] = *one;
}

static int on_v6only(const struct nlattr *a, void *arg)
{
	bool *only = arg;

	if (mnl_attr_get_type(a) == INET_DIAG_SKV6ONLY && mnl_attr_validate(a, MNL_TYPE_U8) >= 0)
		*only = mnl_attr_get_u8(a) != 0;
	return MNL_CB_OK;
}

// An IPv6 socket: of IPv4 too where it is on all addresses and not told otherwise, or on a mapped one.
static void put6(struct list *l, const struct nlmsghdr *h, const struct inet_diag_msg *d,
		 struct port_listener *one)
{
	static const uint8_t mapped[12] = {[10] = 0xff, 0xff};
	bool v6only = false;

	memcpy(one->addr, d->id.idiag_src, 16);
	if (memcmp(one->addr, mapped, 12) == 0) {
		memmove(one->addr, one->addr + 12, 4);
		memset(one->addr + 4, 0, 12);
		one->family = 4;
	}
	one->any = memcmp(one->addr, &in6addr_any, 16) == 0;
	put(l, one);
	mnl_attr_parse(h, sizeof(*d), on_v6only, &v6only);
	if (one->family == 6 && one->any && !v6only) {
		one->family = 4;
		put(l, one);
	}
}

static int on_socket(const struct nlmsghdr *h, void *arg)
{
	const struct inet_diag_msg *d = mnl_nlmsg_get_payload(h);
	struct list *l = arg;
	struct port_listener one = {.proto = l->proto};

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*d))
		return MNL_CB_OK;
	one.port = d->id.idiag_sport;
	one.ifindex = (int)d->id.idiag_if;
	one.connected = d->idiag_state != LISTEN && d->idiag_state != CLOSE;
	one.family = d->idiag_family == AF_INET6 ? 6 : 4;
	if (one.port == 0)
		return MNL_CB_OK;
	if (one.family == 6) {
		put6(l, h, d, &one);
	} else {
		memcpy(one.addr, d->id.idiag_src, 4);
		one.any = d->id.idiag_src[0] == 0;
		put(l, &one);
	}
	return l->rc == 0 ? MNL_CB_OK : MNL_CB_STOP;
}

static int dump(struct mnl_socket *nl, uint8_t family, uint8_t proto, uint32_t states,
		struct list *l)
{
	char buf[32768];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *r;
	unsigned seq = (unsigned)time(NULL);
	ssize_t n;
	int rc = MNL_CB_OK;

	h->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	h->nlmsg_seq = seq;
	r = mnl_nlmsg_put_extra_header(h, sizeof(*r));
	r->sdiag_family = family;
	r->sdiag_protocol = proto;
	r->idiag_states = states;
	l->proto = proto;
	if (mnl_socket_sendto(nl, h, h->nlmsg_len) < 0)
		return -errno;
	while (rc > MNL_CB_STOP) {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		rc = mnl_cb_run(buf, (size_t)n, seq, mnl_socket_get_portid(nl), on_socket, l);
	}
	if (l->rc != 0)
		return l->rc;
	return rc < 0 ? -errno : 0;
}

int port_listeners(struct port_listener **out, unsigned *count)
{
	static const uint8_t families[2] = {AF_INET, AF_INET6};
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	struct list l = {0};
	int rc = 0;

	if (nl == NULL)
		return -errno;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		rc = -errno;
	for (unsigned i = 0; i < 2 && rc == 0; i++) {
		rc = dump(nl, families[i], IPPROTO_TCP,
			  (BIT(STATE_END) - 2) & ~(BIT(TIME_WAIT) | BIT(CLOSE)), &l);
		if (rc == 0)
			rc = dump(nl, families[i], IPPROTO_UDP, BIT(CLOSE), &l);
		if (rc == -ENOENT && families[i] == AF_INET6)
			rc = 0; // a kernel without IPv6
	}
	mnl_socket_close(nl);
	if (rc != 0) {
		free(l.v);
		return rc;
	}
	*out = l.v;
	*count = l.count;
	return 0;
}
