// SPDX-License-Identifier: BSD-3-Clause
//
// Netlink to tables (mirror_message.c) to views. Two sockets: events of the kernel on one, dumps and requests on the
// other. Whatever the kernel does not announce (routes it drops in silence when a link goes down, an
// event buffer that ran over) is answered by dumping again and sweeping what was not named.
//
// What happened is published at most PUBLISH_MS later; a neighbour that has just resolved, at once.
// With a very large table the delay grows with the cost of a rebuild, so that this thread stays free.

#include "dataplane/out/mirror_priv.h"

#include "dataplane/core/clock.h"
#include "dataplane/core/loop.h"
#include "dataplane/port/port.h"

#include <libmnl/libmnl.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PUBLISH_MS    10
#define URGENT_GAP_NS 1000000ull // between two immediate publications
#define RESYNC_MS     50         // gather what belongs together before asking again
#define ASK_GAP_NS    UINT64_C(900000000)
#define EVENT_BUFFER  (4 << 20)

RTE_LOG_REGISTER_DEFAULT(mirror_logtype, NOTICE);

void (*mirror_published)(void);

struct mirror mirror;

static void schedule(void);

// ---- views ---------------------------------------------------------------------------------------

void mirror_say_full(void)
{
	LOG(ERR, "no room for another next hop, %u are in use\n", neigh_count(mirror.neigh) - 1);
}

void mirror_publish(void)
{
	uint64_t start = clock_monotonic_ns();
	struct out_routes *routes = mirror.routes;
	struct build_note note = {0};
	struct out_view *v;

	if (!mirror.dirty && !mirror.routes_dirty)
		return;
	if (mirror.routes_dirty) {
		routes = build_routes(mirror.neigh, mirror.fib, mirror.address, mirror.addresses,
				      &note);
		if (note.refused != 0 && mirror.stats.refused == 0)
			mirror_say_full();
		mirror.stats.refused += note.refused;
		mirror.stats.table_bytes = note.table_bytes;
		if (routes == NULL) {
			LOG(ERR, "out of memory for %u routes: the old ones stay\n",
			    fib_count(mirror.fib));
			schedule();
			return;
		}
	}
	if (neigh_sweep(mirror.neigh, start > MIRROR_USED_NS ? start - MIRROR_USED_NS : 0) != 0)
		mirror.moved = true;
	v = build_view(mirror.neigh, mirror.address, mirror.addresses, routes);
	if (v == NULL) {
		if (routes != mirror.routes)
			build_routes_put(routes);
		LOG(ERR, "out of memory for a view: the old one stays\n");
		schedule();
		return;
	}
	if (mirror.moved || mirror.routes_dirty)
		mirror.generation = mirror.generation == UINT16_MAX ? 1 : mirror.generation + 1;
	v->generation = mirror.generation;
	v->serial = ++mirror.serial;
	if (routes != mirror.routes) {
		build_routes_put(mirror.routes); // ours; views hold their own
		mirror.routes = routes;
	}
	mirror.dirty = mirror.routes_dirty = mirror.moved = mirror.urgent = false;
	mirror.published_ns = clock_monotonic_ns();
	mirror.build_ns = mirror.published_ns - start;
	mirror.stats.views++;
	publish_swap(&out_view_published, v, build_view_destroy);
	if (mirror_published != NULL)
		mirror_published();
}

static void publish_timer(struct loop *l, void *arg)
{
	mirror.timer = false;
	mirror_publish();
	publish_reclaim();
}

// Publish soon; at once if a packet waits and the last time is not too near.
static void schedule(void)
{
	uint64_t after = PUBLISH_MS;

	if (mirror.loop == NULL || (!mirror.dirty && !mirror.routes_dirty))
		return;
	if (mirror.urgent && clock_monotonic_ns() - mirror.published_ns > URGENT_GAP_NS) {
		mirror_publish();
		return;
	}
	if (mirror.timer)
		return;
	if (mirror.routes_dirty && mirror.build_ns / 1000000 * 4 > after)
		after = mirror.build_ns / 1000000 * 4;
	mirror.timer =
		loop_add_timer(mirror.loop, mirror.urgent ? 1 : after, 0, publish_timer, NULL) > 0;
	if (!mirror.timer)
		mirror_publish();
}

// ---- sockets --------------------------------------------------------------------------------------

static int dump_message(const struct nlmsghdr *nlh, void *arg)
{
	mirror_message(nlh, true);
	return MNL_CB_OK;
}

// Ask for all objects of a kind and take them in. Errors: -EIO, -EAGAIN changed under our eyes
static int dump(uint16_t type, unsigned char family, size_t head)
{
	uint8_t request[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(request);
	uint8_t *body;
	int rc;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = ++mirror.seq;
	body = mnl_nlmsg_put_extra_header(nlh, head);
	body[0] = family; // the first byte of ifinfomsg, ifaddrmsg, rtmsg and ndmsg
	if (mnl_socket_sendto(mirror.asks, nlh, nlh->nlmsg_len) < 0)
		return -EIO;
	do {
		ssize_t n = mnl_socket_recvfrom(mirror.asks, mirror.buffer, sizeof(mirror.buffer));

		if (n < 0)
			return errno == EINTR ? -EAGAIN : -EIO;
		rc = mnl_cb_run(mirror.buffer, (size_t)n, mirror.seq,
				mnl_socket_get_portid(mirror.asks), dump_message, NULL);
		if (rc < 0 && errno == ESRCH)
			rc = MNL_CB_OK; // an answer to an earlier request
	} while (rc > MNL_CB_STOP);
	return rc == MNL_CB_STOP ? 0 : errno == EINTR ? -EAGAIN : -EIO;
}

static void drain(void)
{
	uint8_t scrap[4096];

	while (recv(mnl_socket_get_fd(mirror.asks), scrap, sizeof(scrap),
		    MSG_DONTWAIT | MSG_TRUNC) > 0)
		;
}

int mirror_resync(void)
{
	static const struct {
		uint16_t type;
		unsigned char family;
		size_t head;
	} kinds[] = {
		{RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg)},
		{RTM_GETADDR, AF_UNSPEC, sizeof(struct ifaddrmsg)},
		{RTM_GETROUTE, AF_INET, sizeof(struct rtmsg)},
		{RTM_GETROUTE, AF_INET6, sizeof(struct rtmsg)},
		{RTM_GETNEIGH, AF_UNSPEC, sizeof(struct ndmsg)},
	};

	drain();
	mirror.epoch++;
	mirror.stats.resyncs++;
	for (unsigned i = 0; i < RTE_DIM(kinds); i++) {
		int rc = -EAGAIN;

		for (int tries = 0; rc == -EAGAIN && tries < 5; tries++)
			rc = dump(kinds[i].type, kinds[i].family, kinds[i].head);
		if (rc != 0) {
			LOG(ERR, "dump %u of the kernel's state: %s\n", kinds[i].type,
			    strerror(-rc));
			drain();
			return -EIO;
		}
	}
	if (out_link_sweep(mirror.epoch))
		mirror.routes_dirty = true;
	for (unsigned i = 0; i < mirror.addresses;) {
		if (mirror.address[i].epoch == mirror.epoch)
			i++;
		else
			mirror.address[i] = mirror.address[--mirror.addresses];
	}
	fib_sweep(mirror.fib, mirror.epoch, false);
	for (uint32_t i = 1; i < neigh_count(mirror.neigh); i++) {
		struct neigh_entry *e = neigh_get(mirror.neigh, (uint16_t)i);

		if (e->kernel && e->epoch != mirror.epoch)
			neigh_kernel_forgot(e);
	}
	mirror.dirty = mirror.routes_dirty = true;
	return 0;
}

static void resync_timer(struct loop *l, void *arg)
{
	mirror.resync_timer = false;
	if (mirror_resync() != 0)
		mirror_resync_soon();
	schedule();
}

void mirror_resync_soon(void)
{
	if (mirror.loop != NULL && !mirror.resync_timer)
		mirror.resync_timer =
			loop_add_timer(mirror.loop, RESYNC_MS, 0, resync_timer, NULL) > 0;
}

static int event_message(const struct nlmsghdr *nlh, void *arg)
{
	mirror_message(nlh, false);
	return MNL_CB_OK;
}

static void on_events(struct loop *l, int fd, uint32_t epoll_events, void *arg)
{
	for (int rounds = 0; rounds < 64; rounds++) {
		ssize_t n = recv(fd, mirror.buffer, sizeof(mirror.buffer), MSG_DONTWAIT);

		if (n > 0) {
			mnl_cb_run(mirror.buffer, (size_t)n, 0, 0, event_message, NULL);
			continue;
		}
		if (n < 0 && errno == ENOBUFS) {
			mirror.stats.overruns++;
			LOG(WARNING, "the kernel had more events than the socket holds: asking for "
				     "everything again\n");
			mirror_resync_soon();
			continue;
		}
		break;
	}
	schedule();
}

int mirror_ask(int ifindex, uint8_t family, const uint8_t addr[16])
{
	uint8_t request[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(request);
	struct ndmsg *ndm;

	if (mirror.asks == NULL || ifindex <= 0)
		return -ENODEV;
	nlh->nlmsg_type = RTM_NEWNEIGH;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE;
	nlh->nlmsg_seq = ++mirror.seq;
	ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	ndm->ndm_family = family == 4 ? AF_INET : AF_INET6;
	ndm->ndm_ifindex = ifindex;
	ndm->ndm_state = NUD_NONE;
	ndm->ndm_flags = NTF_USE;
	mnl_attr_put(nlh, NDA_DST, family == 4 ? 4 : 16, addr);
	drain();
	mirror.stats.asked++;
	return mnl_socket_sendto(mirror.asks, nlh, nlh->nlmsg_len) < 0 ? -errno : 0;
}

void mirror_want(uint16_t nexthop, uint8_t family, const uint8_t addr[16])
{
	uint64_t now = clock_monotonic_ns();
	struct neigh_entry *e;

	if (nexthop == 0 || nexthop >= neigh_count(mirror.neigh))
		return;
	e = neigh_base(mirror.neigh, nexthop);
	if (e->nh.kind == NEXTHOP_GLEAN) {
		uint16_t i = neigh_find(mirror.neigh, NEXTHOP_HOST, e->nh.port, e->nh.vlan, family,
					addr);

		if (i == 0) { // the entry comes with the kernel's answer
			mirror_ask(e->ifindex, family, addr);
			return;
		}
		e = neigh_get(mirror.neigh, i);
	}
	if (e->nh.kind != NEXTHOP_HOST)
		return;
	e->used_ns = now;
	if (now - e->asked_ns < ASK_GAP_NS / 9)
		return;
	e->asked_ns = now;
	mirror_ask(e->ifindex, e->nh.family, e->nh.addr);
}

void mirror_confirm(const uint8_t *used, uint32_t count)
{
	uint64_t now = clock_monotonic_ns();

	for (uint32_t i = 1; i < count && i < neigh_count(mirror.neigh); i++) {
		struct neigh_entry *e = neigh_base(mirror.neigh, (uint16_t)i);

		if (!used[i] || e->nh.kind != NEXTHOP_HOST)
			continue;
		e->used_ns = now;
		if (e->kernel && (e->nud & (NUD_STALE | NUD_FAILED)) == 0)
			continue;
		if (now - e->asked_ns < ASK_GAP_NS)
			continue;
		e->asked_ns = now;
		mirror_ask(e->ifindex, e->nh.family, e->nh.addr);
	}
	publish_reclaim();
}

// ---- start and stop -------------------------------------------------------------------------------

int mirror_create(void)
{
	int rc = neigh_create(&mirror.neigh);

	if (rc == 0)
		rc = fib_create(&mirror.fib);
	if (rc != 0) {
		mirror_destroy();
		return rc;
	}
	mirror.generation = 0;
	mirror.dirty = mirror.routes_dirty = true;
	mirror_publish();
	if (publish_get(&out_view_published) == NULL) {
		mirror_destroy();
		return -ENOMEM;
	}
	return 0;
}

static struct mnl_socket *socket_open(unsigned groups)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int size = EVENT_BUFFER, fd, on = 1;

	if (s == NULL)
		return NULL;
	fd = mnl_socket_get_fd(s);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	if (mnl_socket_bind(s, groups, MNL_SOCKET_AUTOPID) != 0) {
		mnl_socket_close(s);
		return NULL;
	}
	return s;
}

int mirror_start(struct loop *l)
{
	struct timeval limit = {.tv_sec = 5};
	int rc;

	mirror.events = socket_open(RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR |
				    RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE);
	if (mirror.events != NULL)
		mirror.asks = socket_open(0);
	if (mirror.asks == NULL) {
		rc = errno == EPERM ? -EPERM : -EIO;
		LOG(ERR, "netlink socket: %s\n", strerror(errno));
		return rc;
	}
	setsockopt(mnl_socket_get_fd(mirror.asks), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	rc = mirror_resync();
	if (rc != 0)
		return rc;
	mirror_publish();
	mirror.loop = l;
	return loop_add_fd(l, mnl_socket_get_fd(mirror.events), EPOLLIN, on_events, NULL);
}

void mirror_destroy(void)
{
	if (mirror.events != NULL) {
		if (mirror.loop != NULL)
			loop_del_fd(mirror.loop, mnl_socket_get_fd(mirror.events));
		mnl_socket_close(mirror.events);
	}
	if (mirror.asks != NULL)
		mnl_socket_close(mirror.asks);
	publish_swap(&out_view_published, NULL, build_view_destroy);
	publish_drain();
	build_routes_put(mirror.routes);
	neigh_destroy(mirror.neigh);
	fib_destroy(mirror.fib);
	free(mirror.address);
	out_link_reset();
	memset(&mirror, 0, sizeof(mirror));
}

int mirror_prefix_set(const struct ctl_prefix *prefixes, unsigned count)
{
	mirror.prefix_epoch++;
	for (unsigned i = 0; i < count; i++) {
		const struct ctl_prefix *c = &prefixes[i];
		struct fib_key key = {
			.family = c->prefix.family, .len = c->prefix.len, .rank = FIB_RANK_PREFIX};
		struct fib_path path = {.weight = 1};
		int rc;

		for (uint16_t k = 0; k < PORT_MAX && path.ifindex == 0; k++) {
			const struct port *p = port_get(k);

			if (p != NULL && p->id == c->port && p->parent == PORT_NONE)
				path.ifindex = -1 - (int)k;
		}
		if (path.ifindex == 0)
			return -ENODEV;
		memcpy(key.addr, c->prefix.bytes, sizeof(key.addr));
		rc = fib_add(mirror.fib, &key, &path, 1, FIB_REPLACE, mirror.prefix_epoch);
		if (rc != 0)
			return rc;
	}
	fib_sweep(mirror.fib, mirror.prefix_epoch, true);
	mirror.routes_dirty = true;
	mirror_publish();
	return 0;
}

void mirror_ports_changed(void)
{
	out_link_ports_changed();
	if (mirror.asks != NULL && mirror_resync() != 0)
		mirror_resync_soon();
	mirror.dirty = mirror.routes_dirty = true;
	mirror_publish();
}

void mirror_stats(struct mirror_stats *out)
{
	*out = mirror.stats;
	out->routes = mirror.fib != NULL ? fib_count(mirror.fib) : 0;
	out->addresses = mirror.addresses;
	out->nexthops = 0;
	for (uint32_t i = 1; mirror.neigh != NULL && i < neigh_count(mirror.neigh); i++)
		out->nexthops += neigh_get(mirror.neigh, (uint16_t)i)->nh.state != NEXTHOP_NONE;
}

void mirror_walk(bool (*fn)(void *arg, const struct fib_route *r), void *arg)
{
	fib_walk(mirror.fib, fn, arg);
}
