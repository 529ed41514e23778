// SPDX-License-Identifier: BSD-3-Clause
//
// Devices that go away and come back. The drivers notice nothing when their interface is deleted, so
// RTM_DELLINK is what tells us:
//
//	gone    -> live = false, changed(): the app takes the port out of its sources
//	        -> once the workers are quiescent: devices removed, sockets closed (take down)
//	back    -> (RTM_NEWLINK of that name, or the retry timer; a TAP we make again ourselves)
//	        -> bring up with new devices and buffers, live = true, changed()

#include "dataplane/port/port_priv.h"

#include "dataplane/core/clock.h"
#include "dataplane/core/loop.h"
#include "dataplane/core/publish.h"
#include "kmod/load/steer_load.h"

#include <rte_ethdev.h>
#include <rte_mempool.h>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define RETRY_MS 100

static struct {
	struct mnl_socket *nl;
	void (*changed)(struct port *p, void *arg);
	void *arg;
	bool addresses; // some changed
} watch;

// ---- packet buffers of dead devices --------------------------------------------------------------

// Buffers of a dead port may still be held for a neighbour or on their way out on another port.
#define POOL_GRACE_NS UINT64_C(10000000000)

static struct old_pool {
	struct old_pool *next;
	struct rte_mempool *pool;
	uint64_t since_ns;
} * old_pools;

void port_pool_retire(struct rte_mempool *pool)
{
	struct old_pool *o;

	if (pool == NULL)
		return;
	o = malloc(sizeof(*o));
	if (o == NULL)
		return; // leaked rather than freed too early
	*o = (struct old_pool){.next = old_pools, .pool = pool, .since_ns = clock_monotonic_ns()};
	old_pools = o;
}

static void sweep_pools(void)
{
	uint64_t now = clock_monotonic_ns();

	for (struct old_pool **p = &old_pools; *p != NULL;) {
		struct old_pool *o = *p;

		if (now - o->since_ns < POOL_GRACE_NS) {
			p = &o->next;
			continue;
		}
		*p = o->next;
		rte_mempool_free(o->pool);
		free(o);
	}
}

// ---- recovery ------------------------------------------------------------------------------------

static void tell(struct port_slot *s)
{
	if (watch.changed != NULL)
		watch.changed(&s->p, watch.arg);
}

// The workers are quiescent: nobody uses the devices any more.
static void quiescent(void *arg)
{
	struct port_slot *s = arg;

	if (!s->removing)
		return;
	s->removing = false;
	port_take_down(s);
}

static void lost(struct port_slot *s)
{
	if (s->lost)
		return;
	PORT_LOG(WARNING, "%s: '%s' went away\n", s->p.name,
		 s->p.kind == CTL_PORT_MEMIF ? s->conf.path : s->p.device);
	s->lost = true;
	s->removing = true;
	atomic_store_explicit(&s->p.live, false, memory_order_release);
	atomic_store_explicit(&s->p.up, false, memory_order_relaxed);
	tell(s);
	publish_retire(s, quiescent);
}

static void recover(struct port_slot *s)
{
	struct port_error err = {0};
	struct port_link link;
	int rc;

	if (!s->lost || s->removing)
		return;
	if (s->p.kind == CTL_PORT_AF_XDP) {
		if (port_link_get(s->p.device, &link) != 0)
			return; // not back yet
		rc = af_xdp_check(s, &err);
		if (rc != 0) {
			PORT_LOG(DEBUG, "%s: %s\n", s->p.name, err.message);
			return;
		}
	}
	if (s->p.kind == CTL_PORT_BOND && bond_check(s, &err) != 0)
		return;
	rc = port_bring_up(s, &err);
	if (rc == -ENOTCONN)
		return;
	if (rc != 0) {
		PORT_LOG(WARNING, "%s: recovery: %s\n", s->p.name, err.message);
		return; // the timer tries again
	}
	s->lost = false;
	PORT_LOG(NOTICE, "%s: '%s' is back\n", s->p.name,
		 s->p.kind == CTL_PORT_MEMIF ? s->conf.path : s->p.device);
	tell(s);
}

static void each_port(void (*fn)(struct port_slot *s))
{
	for (uint16_t i = 0; i < PORT_MAX; i++) {
		struct port *p = port_get(i);

		if (p != NULL)
			fn(port_slot(p));
	}
}

// ---- what the kernel says ------------------------------------------------------------------------

static void link_state(struct port_slot *s, unsigned flags)
{
	bool up = (flags & IFF_UP) != 0 && (flags & IFF_RUNNING) != 0;
	char text[STEER_ERROR_SIZE] = "";

	if (s->lost)
		return;
	if (s->steer != NULL && !steer_is_attached(s->steer)) {
		if (steer_attach(s->steer, text) == 0)
			PORT_LOG(WARNING,
				 "%s: the steering program was taken off '%s', attached again\n",
				 s->p.name, s->p.device);
		else
			PORT_LOG(ERR, "%s: the steering program was taken off '%s': %s\n",
				 s->p.name, s->p.device, text);
	}
	if (atomic_exchange(&s->p.up, up) == up)
		return;
	PORT_LOG(NOTICE, "%s is %s\n", s->p.name, up ? "up" : "down");
	if (up)
		port_views_sync(s); // the kernel forgets IPv6 addresses when an interface goes down
	tell(s);
}

static int on_name(const struct nlattr *a, void *arg)
{
	if (mnl_attr_get_type(a) == IFLA_IFNAME)
		*(const char **)arg = mnl_attr_get_str(a);
	return MNL_CB_OK;
}

// An interface may be a member of a bond. `gone`: RTM_DELLINK
static void tell_bonds(int ifindex, const char *name, unsigned flags, bool gone)
{
	for (uint16_t i = 0; i < PORT_MAX; i++) {
		struct port *p = port_get(i);
		bool up;

		if (p == NULL || p->kind != CTL_PORT_BOND || port_slot(p)->lost)
			continue;
		up = atomic_load(&p->up);
		if (gone)
			bond_link_gone(port_slot(p), ifindex);
		else if (bond_link(port_slot(p), ifindex, name, flags))
			lost(port_slot(p)); // it is back: made anew by recover()
		else if (atomic_load(&p->up) != up)
			tell(port_slot(p));
	}
}

static struct port_slot *find_lost(const char *device)
{
	for (uint16_t i = 0; i < PORT_MAX; i++) {
		struct port *p = port_get(i);

		if (p != NULL && port_slot(p)->lost && strcmp(p->device, device) == 0)
			return port_slot(p);
	}
	return NULL;
}

static int on_link(const struct nlmsghdr *h, void *arg)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(h);
	struct port *p = port_by_ifindex(ifi->ifi_index);
	struct port_slot *s;
	const char *name = "";

	if (h->nlmsg_type == RTM_NEWADDR || h->nlmsg_type == RTM_DELADDR) {
		watch.addresses = true;
		return MNL_CB_OK;
	}
	if (h->nlmsg_type == RTM_DELLINK) {
		// A bridge port that leaves its bridge sends one too, of family AF_BRIDGE.
		if (ifi->ifi_family == AF_UNSPEC)
			tell_bonds(ifi->ifi_index, "", 0, true);
		if (p != NULL && ifi->ifi_family == AF_UNSPEC)
			lost(port_slot(p));
		return MNL_CB_OK;
	}
	if (h->nlmsg_type != RTM_NEWLINK || ifi->ifi_family != AF_UNSPEC)
		return MNL_CB_OK;
	mnl_attr_parse(h, sizeof(*ifi), on_name, (void *)&name);
	tell_bonds(ifi->ifi_index, name, ifi->ifi_flags, false);
	s = find_lost(name);
	if (s != NULL)
		recover(s);
	else if (p != NULL)
		link_state(port_slot(p), ifi->ifi_flags);
	return MNL_CB_OK;
}

// Messages were lost (ENOBUFS): look at every interface once.
static void look_again(struct port_slot *s)
{
	struct port_link link;

	if (s->bond != NULL && !s->lost)
		bond_look_again(s);
	if (s->p.ifindex == 0 || s->lost)
		return;
	if (port_link_get(s->p.device, &link) != 0 || link.ifindex != s->p.ifindex)
		lost(s);
	else
		link_state(s, link.flags);
}

static void on_netlink(struct loop *l, int fd, uint32_t epoll_events, void *arg)
{
	char buf[32768];
	ssize_t n;

	for (;;) {
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0 && errno == ENOBUFS) {
			each_port(look_again);
			watch.addresses = true;
		}
		if (n <= 0)
			break;
		mnl_cb_run(buf, (size_t)n, 0, 0, on_link, NULL);
	}
	// Once for all that came, our own changes of addresses included.
	if (watch.addresses)
		port_steer_nodes_changed();
	watch.addresses = false;
}

// A memif link says nothing of its peer by netlink: ask.
static void poll_memif(struct port_slot *s)
{
	struct rte_eth_link link;
	bool up;

	if (s->p.kind != CTL_PORT_MEMIF || s->lost ||
	    rte_eth_link_get_nowait(s->p.queue[0].rte_id, &link) != 0)
		return;
	up = link.link_status == RTE_ETH_LINK_UP;
	s->connected |= up;
	if (atomic_exchange(&s->p.up, up) == up)
		return;
	PORT_LOG(NOTICE, "%s: the other end %s\n", s->p.name, up ? "is there" : "is away");
	// The driver connects once, as the device starts: the end that connects is made anew.
	if (!up && (s->conf.flags & CTL_PORT_F_MEMIF_SERVER) == 0 && s->connected)
		lost(s);
	else
		tell(s);
}

// Nor does a device taken from the kernel.
static void poll_pci(struct port_slot *s)
{
	struct rte_eth_link link;
	bool up;

	if (s->p.kind != CTL_PORT_PCI || s->lost ||
	    rte_eth_link_get_nowait(s->p.queue[0].rte_id, &link) != 0)
		return;
	up = link.link_status == RTE_ETH_LINK_UP;
	if (atomic_exchange(&s->p.up, up) == up)
		return;
	PORT_LOG(NOTICE, "%s is %s\n", s->p.name, up ? "up" : "down");
	tell(s);
}

static void tick_bond(struct port_slot *s)
{
	if (s->bond != NULL && !s->lost)
		bond_tick(s);
}

static void on_timer(struct loop *l, void *arg)
{
	publish_reclaim();
	each_port(recover);
	each_port(poll_memif);
	each_port(poll_pci);
	each_port(tick_bond);
	sweep_pools();
}

int port_watch(struct loop *l, void (*changed)(struct port *p, void *arg), void *arg)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int rc;

	if (nl == NULL)
		return -errno;
	if (mnl_socket_bind(nl, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
			    MNL_SOCKET_AUTOPID) < 0) {
		rc = -errno;
		goto err_close;
	}
	watch.nl = nl;
	watch.changed = changed;
	watch.arg = arg;
	rc = loop_add_fd(l, mnl_socket_get_fd(nl), EPOLLIN, on_netlink, NULL);
	if (rc != 0)
		goto err_close;
	rc = loop_add_timer(l, RETRY_MS, RETRY_MS, on_timer, NULL);
	if (rc < 0) {
		loop_del_fd(l, mnl_socket_get_fd(nl));
		goto err_close;
	}
	// What happened between port_open and now.
	each_port(look_again);
	return 0;

err_close:
	mnl_socket_close(nl);
	watch.nl = NULL;
	return rc;
}
