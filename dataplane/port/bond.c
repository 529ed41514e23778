// SPDX-License-Identifier: BSD-3-Clause
//
// A bond: kernel interfaces by AF_XDP, or PCI devices, as one wire under DPDK's bonding driver. A kernel
// interface is taken whole: our program sends all that arrives to the socket (steer_open_whole), IPv6 is
// off so that the kernel says nothing on it by itself, and it has the bond's MAC address.
//
// The AF_XDP driver never says that a link is down, and cannot set a MAC address. So the kernel's word
// (watch.c) is passed on: a member without carrier is stopped as a DPDK device, which is what the bonding
// driver, looking every 10 ms, takes for a link that is down. Workers keep off the bond meanwhile. The
// MAC addresses are set here, and multicast let in, and the driver is told that all is well (two calls
// below stand over DPDK's as xsk_socket__create in af_xdp.c is over libxdp's).
//
// A member that comes back while another carries waits UP_DELAY_NS, for the port of the switch at its
// other end forwards nothing at first (Linux calls it updelay). LACP has a protocol for that.
//
// active-backup: only the socket of the member in use is in its program's map, so that a backup's
// packets are dropped and no old ones wait in its ring for the day it takes over.

#include "dataplane/port/port_priv.h"

#include "dataplane/core/clock.h"
#include "dataplane/core/publish.h"
#include "dataplane/core/worker.h"
#include "kmod/load/steer_load.h"

#include <rte_dev.h>
#include <rte_eth_bond.h>
#include <rte_ethdev.h>
#include <rte_mempool.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS  10 // of the bonding driver
#define WAIT_MAX 20 // times POLL_MS / 2

#define UP_DELAY_NS UINT64_C(2000000000)

struct member {
	const char *name;
	bool pci;
	int lock_fd;
	bool quiet; // IPv6 is off and the MAC address is the bond's
	struct rte_ether_addr own_mac;
	uint64_t since_ns; // its link came; 0: it was there from the first
	// Of this life:
	bool there;
	bool carrier;
	bool in;      // it may carry; kept until its link is lost
	bool started; // as the bonding driver sees it
	int ifindex;
	uint16_t rte_id;
	char vdev[32];
	struct steer *steer;
};

struct bond {
	unsigned count;
	struct member m[CTL_BOND_MEMBERS];
	int epoll_fd;   // readable when a socket is; -1: a member has none to sleep on
	bool carries;   // some member has a link
	int primary;    // active-backup: DPDK's id of the member in use
	unsigned ticks; // since it took over
};

// What the driver cannot do to an AF_XDP device was done to its kernel interface.
static int unless_af_xdp(uint16_t port_id, int rc)
{
	struct rte_eth_dev_info info;

	return rc == -ENOTSUP && rte_eth_dev_info_get(port_id, &info) == 0 &&
			       strcmp(info.driver_name, "net_af_xdp") == 0
		       ? 0
		       : rc;
}

int rte_eth_dev_default_mac_addr_set(uint16_t port_id, struct rte_ether_addr *mac)
{
	__typeof__(rte_eth_dev_default_mac_addr_set) *set;

	set = (__typeof__(set))dlsym(RTLD_NEXT, "rte_eth_dev_default_mac_addr_set");
	return set == NULL ? -ENOSYS : unless_af_xdp(port_id, set(port_id, mac));
}

// Without it an LACP bond drops broadcasts too.
int rte_eth_allmulticast_enable(uint16_t port_id)
{
	__typeof__(rte_eth_allmulticast_enable) *enable;

	enable = (__typeof__(enable))dlsym(RTLD_NEXT, "rte_eth_allmulticast_enable");
	return enable == NULL ? -ENOSYS : unless_af_xdp(port_id, enable(port_id));
}

// ---- what the configuration may say --------------------------------------------------------------

static int check_addresses(const struct member *m, int ifindex, struct port_error *err)
{
	struct addr_node *node = NULL;
	unsigned n = 0;
	bool any = false;
	int rc = addr_nodes(&node, &n);

	for (unsigned i = 0; rc == 0 && i < n; i++) {
		const struct ctl_addr *a = &node[i].addr;

		any |= node[i].ifindex == ifindex &&
		       (a->family == 4 || a->bytes[0] != 0xfe || (a->bytes[1] & 0xc0) != 0x80);
	}
	free(node);
	return !any ? 0
		    : port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "bond/member",
				"interface '%s' has addresses; as a member of a bond it is a wire "
				"only: they belong on the bond's TAP",
				m->name);
}

// again: the bond is made anew
static int check_interface(struct port_slot *s, struct member *m, bool again,
			   struct port_error *err)
{
	unsigned mtu = s->conf.mtu;
	struct port_link link;
	int rc = port_link_get(m->name, &link);

	m->there = rc == 0;
	if (rc == -ENODEV)
		return port_fail(err, rc, CTL_TAG_INVALID_VALUE, "bond/member",
				 "no interface '%s' here", m->name);
	if (rc != 0)
		return port_fail(err, -EIO, CTL_TAG_OPERATION_FAILED, "bond/member",
				 "interface '%s': %s", m->name, strerror(-rc));
	if ((link.flags & IFF_LOOPBACK) != 0)
		return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "bond/member",
				 "a loopback interface has no wire");
	if (link.rx_queues != 1)
		return port_fail(
			err, -EINVAL, CTL_TAG_INVALID_VALUE, "bond/member",
			"interface '%s' has %u receive queues, a member of a bond has one: "
			"'ethtool -L %s combined 1'",
			m->name, link.rx_queues, m->name);
	if (mtu == 0)
		mtu = link.mtu;
	if (mtu > PORT_AF_XDP_MTU_MAX)
		return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "mtu",
				 "%u is over %u, the largest that AF_XDP carries", mtu,
				 PORT_AF_XDP_MTU_MAX);
	if (s->p.mtu == 0 || mtu < s->p.mtu)
		s->p.mtu = (uint16_t)mtu;
	m->ifindex = link.ifindex;
	if ((link.flags & IFF_RUNNING) != 0 && again && !m->carrier)
		m->since_ns = clock_monotonic_ns();
	m->carrier = (link.flags & IFF_RUNNING) != 0;
	if (!m->quiet)
		m->own_mac = link.mac;
	if (rte_is_zero_ether_addr(&s->p.mac))
		s->p.mac = m->own_mac;
	return check_addresses(m, link.ifindex, err);
}

static int take_member(struct bond *b, struct member *m, struct port_error *err)
{
	char owner[64] = "";

	for (struct member *o = b->m; o < m; o++)
		if (strcmp(o->name, m->name) == 0)
			return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "bond/member",
					 "'%s' is a member twice", m->name);
	if (m->lock_fd >= 0)
		return 0;
	m->lock_fd = port_lock(m->name, owner, sizeof(owner));
	if (m->lock_fd == -EBUSY)
		return port_fail(err, -EBUSY, CTL_TAG_IN_USE, "bond/member", "'%s' is owned by %s",
				 m->name, owner);
	return m->lock_fd >= 0 ? 0
			       : port_fail(err, -EIO, CTL_TAG_OPERATION_FAILED, "bond/member",
					   "lock of '%s': %s", m->name, strerror(-m->lock_fd));
}

static int make(struct port_slot *s, struct port_error *err)
{
	struct bond *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return port_fail(err, -ENOMEM, CTL_TAG_RESOURCE_DENIED, "bond", "out of memory");
	b->epoll_fd = -1;
	while (b->count < CTL_BOND_MEMBERS && s->conf.member[b->count][0] != '\0') {
		struct member *m = &b->m[b->count];

		m->name = s->conf.member[b->count++];
		m->lock_fd = -1;
		m->pci = strchr(m->name, ':') != NULL;
	}
	s->bond = b;
	return 0;
}

int bond_check(struct port_slot *s, struct port_error *err)
{
	bool again = s->bond != NULL; // made anew: what is there has to do
	unsigned there = 0;
	int rc = again ? 0 : make(s, err);

	if (rc != 0)
		return rc;
	if (s->conf.queues > 1)
		return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "queues",
				 "a bond has one queue");
	s->p.queues = 1;
	s->p.view = PORT_VIEW_SHADOW;
	s->p.lacp = s->conf.bond_mode == CTL_BOND_LACP;
	s->p.mtu = 0;
	memcpy(&s->p.mac, again ? (const uint8_t *)&s->p.mac : s->conf.mac, sizeof(s->p.mac));
	for (unsigned i = 0; i < s->bond->count; i++) {
		struct member *m = &s->bond->m[i];

		rc = take_member(s->bond, m, err);
		if (rc == 0 && m->pci)
			rc = pci_address_check(m->name, "bond/member", err);
		else if (rc == 0)
			rc = check_interface(s, m, again, err);
		if (m->pci)
			m->there = rc == 0;
		if (rc != 0 && !(again && rc == -ENODEV))
			return rc;
		there += m->there;
	}
	if (s->p.mtu == 0)
		s->p.mtu = s->conf.mtu != 0 ? s->conf.mtu : RTE_ETHER_MTU;
	return there != 0 ? 0 : rc;
}

// ---- one life of the devices ---------------------------------------------------------------------

static int open_interface(struct port_slot *s, struct member *m, struct port_error *err)
{
	char text[STEER_ERROR_SIZE] = "";
	int rc;

	rc = port_link_set_ipv6(m->name, false);
	if (rc == 0)
		rc = port_link_set_mac(m->name, &s->p.mac);
	m->quiet = true;
	if (rc == 0)
		rc = port_link_set_mtu(m->name, s->p.mtu);
	if (rc == 0)
		rc = port_link_set_allmulti(m->name, true);
	if (rc == 0)
		rc = port_link_set_up(m->name);
	if (rc != 0)
		return port_fail(err, -EIO, CTL_TAG_OPERATION_FAILED, "bond/member",
				 "interface '%s': %s", m->name, strerror(-rc));
	rc = steer_open_whole(port_instance, m->ifindex, &m->steer, text);
	if (rc == 0)
		rc = steer_attach(m->steer, text);
	return rc == 0 ? 0
		       : port_fail(err, rc == -EBUSY || rc == -ENODEV ? rc : -EIO,
				   rc == -EBUSY ? CTL_TAG_IN_USE : CTL_TAG_OPERATION_FAILED,
				   "bond/member", "%s", text);
}

static int open_member(struct port_slot *s, struct member *m, struct port_error *err)
{
	unsigned i = (unsigned)(m - s->bond->m);
	char args[96];
	int rc = m->pci ? 0 : open_interface(s, m, err);

	if (rc != 0)
		return rc;
	if (m->pci) {
		snprintf(m->vdev, sizeof(m->vdev), "%s", m->name);
		rc = rte_eal_hotplug_add("pci", m->name, "");
	} else {
		snprintf(m->vdev, sizeof(m->vdev), "net_af_xdp_%u_%u_%u", s->p.index, i, s->life);
		snprintf(args, sizeof(args), "iface=%s,start_queue=0,queue_count=1,busy_budget=0",
			 m->name);
		rc = rte_eal_hotplug_add("vdev", m->vdev, args);
	}
	if (rc == 0)
		rc = rte_eth_dev_get_port_by_name(m->vdev, &m->rte_id);
	if (rc == 0 && m->pci && rte_is_zero_ether_addr(&s->p.mac))
		rc = rte_eth_macaddr_get(m->rte_id, &s->p.mac);
	m->started = rc == 0;
	m->in = false;
	return rc == 0 ? 0
		       : port_fail(err, -EIO, CTL_TAG_OPERATION_FAILED, "bond/member",
				   "'%s' cannot be taken: %s", m->name, strerror(-rc));
}

static void bond_args(const struct port_slot *s, char *args, size_t size)
{
	static const char *const mode[] = {[CTL_BOND_ACTIVE_BACKUP] = "mode=1",
					   [CTL_BOND_BALANCE_XOR] = "mode=2,xmit_policy=l34",
					   [CTL_BOND_LACP] = "mode=4,xmit_policy=l34"};
	char mac[RTE_ETHER_ADDR_FMT_SIZE];
	const char *first = NULL;
	size_t at;

	rte_ether_format_addr(mac, sizeof(mac), &s->p.mac);
	at = (size_t)snprintf(args, size, "%s,mac=%s", mode[s->conf.bond_mode], mac);
	for (unsigned i = 0; i < s->bond->count && at < size; i++) {
		const struct member *m = &s->bond->m[i];

		if (!m->there)
			continue;
		at += (size_t)snprintf(args + at, size - at, ",slave=%s", m->vdev);
		if (first == NULL)
			first = m->vdev;
	}
	if (s->conf.bond_mode == CTL_BOND_ACTIVE_BACKUP && first != NULL && at < size)
		snprintf(args + at, size - at, ",primary=%s", first);
}

static const struct timespec pause_half = {.tv_nsec = POLL_MS * 500000};

// Is the driver's idea of the members the kernel's?
static bool is_settled(const struct port_slot *s, uint16_t *active, int *count)
{
	*count = rte_eth_bond_active_slaves_get(s->p.queue[0].rte_id, active, RTE_MAX_ETHPORTS);
	for (unsigned i = 0; i < s->bond->count; i++) {
		const struct member *m = &s->bond->m[i];
		bool is = false;

		for (int k = 0; k < *count; k++)
			is |= active[k] == m->rte_id;
		if (!m->pci && m->vdev[0] != '\0' && is != m->started)
			return false;
	}
	return true;
}

// Sockets of the members that carry go into their programs' maps, those of the others out.
static void serve(struct port_slot *s, const uint16_t *active, int count)
{
	int primary = rte_eth_bond_primary_get(s->p.queue[0].rte_id);

	for (unsigned i = 0; i < s->bond->count; i++) {
		struct member *m = &s->bond->m[i];
		bool carries = false;
		int rc;

		if (m->steer == NULL || s->xsk_fd[i] < 0)
			continue;
		for (int k = 0; k < count; k++)
			carries |= active[k] == m->rte_id;
		if (s->conf.bond_mode == CTL_BOND_ACTIVE_BACKUP)
			carries &= primary == m->rte_id;
		rc = carries ? steer_set_socket(m->steer, 0, s->xsk_fd[i])
			     : steer_clear_socket(m->steer, 0);
		if (rc != 0 && carries)
			PORT_LOG(ERR, "%s: xsks_map of '%s': %s\n", s->p.name, m->name,
				 strerror(-rc));
	}
}

static void say_carrier(struct port_slot *s, struct member *m, unsigned flags)
{
	bool carrier = (flags & IFF_UP) != 0 && (flags & IFF_RUNNING) != 0;

	if (carrier == m->carrier)
		return;
	PORT_LOG(NOTICE, "%s: member '%s' %s\n", s->p.name, m->name,
		 carrier ? "has a link" : "lost its link");
	m->carrier = carrier;
	if (carrier)
		m->since_ns = clock_monotonic_ns();
}

static bool has_waited(const struct port_slot *s, const struct member *m)
{
	return m->there && m->carrier &&
	       (m->since_ns == 0 || s->conf.bond_mode == CTL_BOND_LACP ||
		clock_monotonic_ns() - m->since_ns >= UP_DELAY_NS);
}

// Which members may carry: those that did and that have waited, or all with a link where there is none.
static void let_in(struct port_slot *s)
{
	struct bond *b = s->bond;
	bool any = false;

	for (unsigned i = 0; i < b->count; i++) {
		struct member *m = &b->m[i];

		m->in = m->there && m->carrier && (m->in || has_waited(s, m));
		any |= m->in;
	}
	for (unsigned i = 0; i < b->count && !any; i++)
		b->m[i].in = b->m[i].there && b->m[i].carrier;
}

// Tell the driver what the kernel says of the members' links. No worker is in the bond.
// Returns: does any member carry?
static bool pass_on(struct port_slot *s)
{
	uint16_t active[RTE_MAX_ETHPORTS];
	struct port_link link;
	int count = 0, primary;

	for (unsigned i = 0; i < s->bond->count; i++) {
		struct member *m = &s->bond->m[i];

		if (m->there && !m->pci && port_link_get(m->name, &link) == 0)
			say_carrier(s, m, link.flags);
	}
	let_in(s);
	for (unsigned i = 0; i < s->bond->count; i++) {
		struct member *m = &s->bond->m[i];
		bool start = m->in;

		if (m->pci || m->vdev[0] == '\0' || m->started == start)
			continue;
		if ((start ? rte_eth_dev_start(m->rte_id) : rte_eth_dev_stop(m->rte_id)) != 0)
			PORT_LOG(ERR, "%s: '%s' does not %s\n", s->p.name, m->name,
				 start ? "start" : "stop");
		m->started = start;
	}
	for (unsigned i = 0; i < WAIT_MAX && !is_settled(s, active, &count); i++)
		nanosleep(&pause_half, NULL);
	serve(s, active, count);
	primary = rte_eth_bond_primary_get(s->p.queue[0].rte_id);
	if (count > 0 && s->conf.bond_mode == CTL_BOND_ACTIVE_BACKUP &&
	    primary != s->bond->primary) {
		s->bond->primary = primary;
		s->bond->ticks = 0;
		announce_mac(s);
	}
	return count > 0;
}

// A worker with several sockets sleeps on one fd.
static int make_epoll(struct port_slot *s, struct port_error *err)
{
	struct bond *b = s->bond;

	for (unsigned i = 0; i < b->count; i++)
		if (b->m[i].pci)
			return 0;
	if (s->conf.bond_mode == CTL_BOND_LACP)
		return 0; // the driver wants its bursts every 100 ms
	b->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; b->epoll_fd >= 0 && i < b->count; i++) {
		struct epoll_event e = {.events = EPOLLIN};

		if (s->xsk_fd[i] >= 0 &&
		    epoll_ctl(b->epoll_fd, EPOLL_CTL_ADD, s->xsk_fd[i], &e) != 0)
			return port_fail(err, -EIO, CTL_TAG_OPERATION_FAILED, "bond", "epoll: %s",
					 strerror(errno));
	}
	s->p.queue[0].fd = b->epoll_fd;
	return 0;
}

int bond_bring_up(struct port_slot *s, struct port_error *err)
{
	char args[CTL_BOND_MEMBERS * 48 + 120];
	struct bond *b = s->bond;
	bool xdp = false;
	unsigned n = 0;
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < b->count; i++) {
		n += b->m[i].there;
		xdp |= !b->m[i].pci;
		if (b->m[i].there)
			rc = open_member(s, &b->m[i], err);
	}
	if (rc == 0)
		rc = port_pool_make(s, n * PORT_QUEUE_MBUFS - 1u, err);
	if (rc != 0)
		return rc;
	if (xdp && s->pool->nb_mem_chunks != 1)
		return port_fail(err, -ENOMEM, CTL_TAG_RESOURCE_DENIED, "bond/member",
				 "packet memory is in %u pieces, AF_XDP needs one",
				 s->pool->nb_mem_chunks);
	bond_args(s, args, sizeof(args));
	snprintf(s->vdev[0], sizeof(s->vdev[0]), "net_bonding_%u_%u", s->p.index, s->life);
	struct port_device d = {.name = s->vdev[0], .args = args, .queues = 1};
	af_xdp_sockets_forget();
	rc = vdev_start(s, &d, err);
	for (unsigned i = 0; i < b->count; i++)
		if (b->m[i].there && !b->m[i].pci)
			s->xsk_fd[i] = af_xdp_socket_take(b->m[i].name);
	if (rc != 0)
		return rc;
	if (rte_eth_allmulticast_enable(s->p.queue[0].rte_id) != 0)
		PORT_LOG(WARNING, "%s: members take no multicast\n", s->p.name);
	rc = make_epoll(s, err);
	if (rc != 0)
		return rc;
	b->primary = -1;
	b->carries = pass_on(s);
	if (!b->carries)
		PORT_LOG(WARNING, "%s: no member has a link\n", s->p.name);
	return 0;
}

void bond_devices_remove(struct port_slot *s)
{
	uint16_t id = s->p.queue[0].rte_id;
	struct bond *b = s->bond;

	if (id < RTE_MAX_ETHPORTS) {
		rte_eth_dev_stop(id);
		// One that failed to start may have left an alarm, which finds it stopped.
		nanosleep(&pause_half, NULL);
		nanosleep(&pause_half, NULL);
		nanosleep(&pause_half, NULL);
		rte_eth_dev_close(id);
	}
	if (s->vdev[0][0] != '\0')
		rte_eal_hotplug_remove("vdev", s->vdev[0]);
	s->vdev[0][0] = '\0';
	for (unsigned i = 0; i < b->count; i++) {
		struct member *m = &b->m[i];

		if (m->vdev[0] != '\0')
			rte_eal_hotplug_remove(m->pci ? "pci" : "vdev", m->vdev);
		m->vdev[0] = '\0';
		m->started = false;
		steer_close(m->steer);
		m->steer = NULL;
	}
	if (b->epoll_fd >= 0)
		close(b->epoll_fd);
	b->epoll_fd = -1;
}

void bond_detach(struct port_slot *s)
{
	for (unsigned i = 0; i < s->bond->count; i++)
		if (s->bond->m[i].steer != NULL)
			steer_detach(s->bond->m[i].steer);
}

void bond_free(struct port_slot *s)
{
	struct bond *b = s->bond;

	for (unsigned i = 0; i < b->count; i++) {
		struct member *m = &b->m[i];

		if (m->quiet && m->there) {
			port_link_set_mac(m->name, &m->own_mac);
			port_link_set_allmulti(m->name, false);
			port_link_set_ipv6(m->name, true);
		}
		if (m->lock_fd >= 0)
			close(m->lock_fd);
	}
	free(b);
	s->bond = NULL;
}

// ---- what the kernel says of members -------------------------------------------------------------

bool bond_carries(const struct port_slot *s)
{
	return s->bond->carries;
}

static void nothing(void *arg)
{
}

static void keep_off(struct port_slot *s)
{
	atomic_store_explicit(&s->p.live, false, memory_order_release);
	publish_retire(s, nothing);
	publish_drain();
}

// The links of members changed: workers keep off for the 10 to 20 ms that the driver takes to see it.
static void change(struct port_slot *s)
{
	bool up;

	keep_off(s);
	up = pass_on(s);
	s->bond->carries = up;
	// With no member left the driver would poll a stopped one.
	atomic_store_explicit(&s->p.live, up, memory_order_release);
	if (atomic_exchange(&s->p.up, up) != up)
		PORT_LOG(NOTICE, "%s is %s\n", s->p.name, up ? "up" : "down");
}

void bond_tick(struct port_slot *s)
{
	unsigned now = ++s->bond->ticks;

	for (unsigned i = 0; i < s->bond->count; i++) {
		struct member *m = &s->bond->m[i];

		if (!m->pci && !m->in && has_waited(s, m)) {
			PORT_LOG(NOTICE, "%s: member '%s' is used again\n", s->p.name, m->name);
			change(s);
			break;
		}
	}
	if (!s->bond->carries || s->conf.bond_mode != CTL_BOND_ACTIVE_BACKUP)
		return;
	// A port of a switch may learn nothing yet when its link comes up: again and again.
	if (now <= 30 || now == 50 || now == 100 || now == 200 || now == 400)
		announce_mac(s);
	if (now <= 30)
		announce_addresses(s, (now - 1) % 10);
}

static void set_carrier(struct port_slot *s, struct member *m, bool carrier)
{
	char text[STEER_ERROR_SIZE] = "";

	if (m->steer != NULL && carrier && !steer_is_attached(m->steer)) {
		int rc = steer_attach(m->steer, text);

		PORT_LOG(WARNING, "%s: the program was taken off '%s'%s%s\n", s->p.name, m->name,
			 rc == 0 ? ", attached again" : ": ", text);
	}
	if (m->carrier != carrier)
		change(s);
}

bool bond_link(struct port_slot *s, int ifindex, const char *name, unsigned flags)
{
	for (unsigned i = 0; i < s->bond->count; i++) {
		struct member *m = &s->bond->m[i];

		if (m->pci)
			continue;
		if (!m->there && strcmp(name, m->name) == 0)
			return true;
		if (m->there && m->ifindex == ifindex)
			set_carrier(s, m, (flags & IFF_UP) != 0 && (flags & IFF_RUNNING) != 0);
	}
	return false;
}

void bond_link_gone(struct port_slot *s, int ifindex)
{
	for (unsigned i = 0; i < s->bond->count; i++) {
		struct member *m = &s->bond->m[i];

		if (m->pci || !m->there || m->ifindex != ifindex)
			continue;
		PORT_LOG(WARNING, "%s: member '%s' went away\n", s->p.name, m->name);
		m->there = m->carrier = m->quiet = false;
		change(s);
	}
}

void bond_look_again(struct port_slot *s)
{
	for (unsigned i = 0; i < s->bond->count; i++) {
		struct member *m = &s->bond->m[i];
		struct port_link link;

		if (m->pci || !m->there)
			continue;
		if (port_link_get(m->name, &link) != 0 || link.ifindex != m->ifindex)
			bond_link_gone(s, m->ifindex);
		else
			bond_link(s, link.ifindex, m->name, link.flags);
	}
}

// A device taken from the kernel says so itself.
static bool has_link(const struct member *m)
{
	struct rte_eth_link link;

	if (!m->pci)
		return m->carrier;
	return rte_eth_link_get_nowait(m->rte_id, &link) == 0 &&
	       link.link_status == RTE_ETH_LINK_UP;
}

unsigned bond_members(const struct port_slot *s, struct port_member out[CTL_BOND_MEMBERS])
{
	uint16_t active[RTE_MAX_ETHPORTS];
	const struct bond *b = s->bond;
	int count = 0, primary = -1;

	if (b->carries) { // else it may have no device
		count = rte_eth_bond_active_slaves_get(s->p.queue[0].rte_id, active,
						       RTE_MAX_ETHPORTS);
		primary = rte_eth_bond_primary_get(s->p.queue[0].rte_id);
	}
	for (unsigned i = 0; i < b->count; i++) {
		const struct member *m = &b->m[i];

		out[i] = (struct port_member){.name = m->name, .link = m->there && has_link(m)};
		for (int k = 0; (m->in || m->pci) && k < count; k++)
			out[i].carries |= active[k] == m->rte_id;
		if (s->conf.bond_mode == CTL_BOND_ACTIVE_BACKUP && primary != m->rte_id)
			out[i].carries = false;
	}
	return b->count;
}
