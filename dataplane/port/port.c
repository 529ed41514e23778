// SPDX-License-Identifier: BSD-3-Clause
//
// The registry of ports and their life cycle: open, close, what is steered to them, counters. A port
// keeps its index and its struct from open to close; the devices below it may die and come back
// meanwhile (watch.c), each time as a new life with devices and buffers of their own.

#include "dataplane/port/port_priv.h"

#include "dataplane/core/publish.h"
#include "dataplane/core/worker.h"
#include "kmod/load/steer_load.h"

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_mempool.h>

#include <linux/if_xdp.h>

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

RTE_LOG_REGISTER(port_log_type, sluice.port, NOTICE)

char port_instance[CTL_NAME];

// control: rw, any: ro
static _Atomic(struct port_slot *) ports[PORT_MAX];
static unsigned next_index;

int port_fail(struct port_error *err, int rc, uint16_t tag, const char *field, const char *format,
	      ...)
{
	va_list args;

	err->tag = tag;
	snprintf(err->field, sizeof(err->field), "%s", field);
	va_start(args, format);
	vsnprintf(err->message, sizeof(err->message), format, args);
	va_end(args);
	return rc;
}

static bool plain_name(const char *name, size_t size, size_t max)
{
	size_t n = strnlen(name, size);

	if (n == 0 || n > max || !isalnum((unsigned char)name[0]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) && strchr("._-", name[i]) == NULL)
			return false;
	return true;
}

int port_init(const char *instance)
{
	if (!plain_name(instance, sizeof(port_instance), sizeof(port_instance) - 1))
		return -EINVAL;
	snprintf(port_instance, sizeof(port_instance), "%s", instance);
	return 0;
}

struct port *port_get(uint16_t index)
{
	struct port_slot *s;

	if (index >= PORT_MAX)
		return NULL;
	s = atomic_load_explicit(&ports[index], memory_order_acquire);
	return s != NULL ? &s->p : NULL;
}

struct port *port_by_ifindex(int ifindex)
{
	for (uint16_t i = 0; i < PORT_MAX; i++) {
		struct port *p = port_get(i);

		if (p != NULL && ifindex > 0 && p->ifindex == ifindex)
			return p;
	}
	return NULL;
}

int port_queue_fd(const struct port *p, uint16_t queue)
{
	return queue < p->queues ? p->queue[queue].fd : -1;
}

// ---- one life of the devices ---------------------------------------------------------------------

// The kernel lets go of a dead process's sockets some milliseconds after its end.
#define BUSY_TRIES 30
static const struct timespec busy_pause = {.tv_nsec = 10000000};

static void devices_remove(struct port_slot *s)
{
	if (s->bond != NULL)
		bond_devices_remove(s);
	for (unsigned q = 0; q < PORT_QUEUE_MAX; q++) {
		// The memif driver does not let go of one that runs.
		if ((s->p.kind == CTL_PORT_MEMIF || s->p.kind == CTL_PORT_PCI) &&
		    s->p.queue[q].rte_id < RTE_MAX_ETHPORTS)
			rte_eth_dev_stop(s->p.queue[q].rte_id);
		if (s->vdev[q][0] != '\0')
			rte_eal_hotplug_remove(s->p.kind == CTL_PORT_PCI ? "pci" : "vdev",
					       s->vdev[q]);
		s->vdev[q][0] = '\0';
		// The driver never lets go of its umem: without this the queue stays bound.
		if (s->xsk_fd[q] >= 0)
			close(s->xsk_fd[q]);
		s->xsk_fd[q] = -1;
		s->p.queue[q] = (struct port_queue){.rte_id = RTE_MAX_ETHPORTS, .fd = -1};
	}
}

static int bring_up(struct port_slot *s, struct port_error *err)
{
	switch (s->p.kind) {
	case CTL_PORT_AF_XDP:
		return af_xdp_bring_up(s, err);
	case CTL_PORT_PCI:
		return pci_bring_up(s, err);
	case CTL_PORT_BOND:
		return bond_bring_up(s, err);
	default:
		return vdev_bring_up(s, err);
	}
}

int port_bring_up(struct port_slot *s, struct port_error *err)
{
	bool up;
	int rc;

	s->life++;
	s->connected = false;
	for (unsigned tries = 0;; tries++) {
		rc = bring_up(s, err);
		if (rc == 0)
			break;
		devices_remove(s);
		rte_mempool_free(s->pool); // no packet has left it
		s->pool = NULL;
		if (rc != -EAGAIN || tries == BUSY_TRIES) {
			port_take_down(s);
			return rc == -EAGAIN ? -EIO : rc;
		}
		nanosleep(&busy_pause, NULL);
		s->life++;
	}
	port_views_sync(s);
	up = s->bond == NULL || bond_carries(s);
	atomic_store_explicit(&s->p.up, up, memory_order_relaxed);
	atomic_store_explicit(&s->p.live, up, memory_order_release);
	return 0;
}

static void count_device(const struct port_queue *q, struct port_counters *out)
{
	struct rte_eth_stats st;
	int depth;

	if (q->rte_id >= RTE_MAX_ETHPORTS)
		return;
	depth = rte_eth_rx_queue_count(q->rte_id, q->rte_queue);
	if (depth > 0)
		out->rx_depth += (uint32_t)depth;
	if (q->rte_queue != 0 || rte_eth_stats_get(q->rte_id, &st) != 0)
		return; // the device was counted with its first queue
	out->rx_packets += st.ipackets;
	out->rx_bytes += st.ibytes;
	out->rx_missed += st.imissed;
	out->rx_errors += st.ierrors + st.rx_nombuf;
	out->tx_packets += st.opackets;
	out->tx_bytes += st.obytes;
	out->tx_errors += st.oerrors;
}

// Packets that a socket could not take: the driver counts those without a buffer, not those that found
// the ring full.
static uint64_t ring_full(const struct port_slot *s)
{
	uint64_t n = 0;

	for (unsigned q = 0; q < PORT_QUEUE_MAX; q++) { // a bond: one per member
		struct xdp_statistics st = {0};
		socklen_t len = sizeof(st);

		if (s->xsk_fd[q] >= 0 &&
		    getsockopt(s->xsk_fd[q], SOL_XDP, XDP_STATISTICS, &st, &len) == 0)
			n += st.rx_ring_full;
	}
	return n;
}

static void count_life(const struct port_slot *s, struct port_counters *out)
{
	struct port_counters life = {0};
	struct steer_stat st = {0};
	uint64_t given;

	if (s->steer != NULL)
		steer_stats(s->steer, &st); // zero on error
	for (unsigned q = 0; q < s->p.queues; q++)
		count_device(&s->p.queue[q], &life);
	if (s->p.lacp)
		life.rx_packets = atomic_load_explicit(&s->given, memory_order_relaxed);
	life.rx_missed += ring_full(s);
	if (s->steer != NULL) {
		// What the program gave to the sockets and neither arrived nor was lost is on its way.
		given = st.redirected - s->redirected_base;
		if (given > life.rx_packets + life.rx_missed)
			life.rx_depth = (uint32_t)(given - life.rx_packets - life.rx_missed);
	}
	out->xdp_seen += st.seen;
	out->xdp_passed += st.passed;
	out->xdp_redirected += st.redirected;
	out->xdp_dropped += st.dropped;
	out->rx_packets += life.rx_packets;
	out->rx_bytes += life.rx_bytes;
	out->rx_missed += life.rx_missed;
	out->rx_errors += life.rx_errors;
	out->tx_packets += life.tx_packets;
	out->tx_bytes += life.tx_bytes;
	out->tx_errors += life.tx_errors;
	out->rx_depth = life.rx_depth;
}

void port_counters(const struct port *p, struct port_counters *out)
{
	*out = port_slot(p)->base;
	count_life(port_slot(p), out);
}

unsigned port_members(const struct port *p, struct port_member out[CTL_BOND_MEMBERS])
{
	return p->kind != CTL_PORT_BOND ? 0 : bond_members(port_slot(p), out);
}

static struct port_arrivals closed; // of ports that are closed

static void add_arrivals(const struct port *p, const struct port_counters *c,
			 struct port_arrivals *out)
{
	out->arrived += p->view == PORT_VIEW_XDP ? c->xdp_seen : c->rx_packets + c->rx_missed;
	out->passed += c->xdp_passed;
	out->cut += c->xdp_dropped;
	out->missed += c->rx_missed;
}

void port_arrivals(struct port_arrivals *out)
{
	*out = closed;
	for (uint16_t i = 0; i < PORT_MAX; i++) {
		const struct port *p = port_get(i);
		struct port_counters c;

		if (p == NULL)
			continue;
		port_counters(p, &c);
		add_arrivals(p, &c, out);
	}
}

void port_take_down(struct port_slot *s)
{
	count_life(s, &s->base);
	if (s->steer != NULL)
		s->base.rx_missed += s->base.rx_depth; // the ring goes with the socket
	s->base.rx_depth = 0;
	atomic_store_explicit(&s->given, 0, memory_order_relaxed);
	devices_remove(s);
	steer_close(s->steer);
	s->steer = NULL;
	port_pool_retire(s->pool);
	s->pool = NULL;
}

// ---- open and close ------------------------------------------------------------------------------

static void slot_free(void *arg)
{
	rte_free(arg);
}

static void slot_forget(struct port_slot *s)
{
	if (s->bond != NULL)
		bond_free(s);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	if (atomic_load(&ports[s->p.index]) == s)
		atomic_store_explicit(&ports[s->p.index], NULL, memory_order_release);
	publish_retire(s, slot_free);
}

static int slot_make(const struct ctl_port *conf, struct port_slot **out, struct port_error *err)
{
	unsigned i;
	struct port_slot *s;

	// In turn, so that an index comes back late: packets of its last owner may still be held.
	for (i = 0; i < PORT_MAX; i++)
		if (port_get((uint16_t)((next_index + i) % PORT_MAX)) == NULL)
			break;
	if (i == PORT_MAX)
		return port_fail(err, -ENOMEM, CTL_TAG_RESOURCE_DENIED, "name",
				 "%d ports are open, VLAN views included: no more", PORT_MAX);
	s = rte_zmalloc("port", sizeof(*s), RTE_CACHE_LINE_SIZE);
	if (s == NULL)
		return port_fail(err, -ENOMEM, CTL_TAG_RESOURCE_DENIED, "name", "out of memory");
	s->p.index = (uint16_t)((next_index + i) % PORT_MAX);
	next_index = s->p.index + 1u;
	s->conf = *conf;
	s->lock_fd = -1;
	s->p.kind = conf->kind;
	s->p.context = conf->context;
	s->p.shadow = PORT_NONE;
	s->p.parent = PORT_NONE;
	s->p.id = conf->rec.id;
	s->p.own4 = conf->own4;
	s->p.own6 = conf->own6;
	// Not yet checked: they may lack their end.
	snprintf(s->p.name, sizeof(s->p.name), "%.*s", (int)sizeof(conf->name), conf->name);
	snprintf(s->p.device, sizeof(s->p.device), "%.*s", (int)sizeof(conf->device), conf->device);
	for (unsigned q = 0; q < PORT_QUEUE_MAX; q++) {
		s->xsk_fd[q] = -1;
		s->p.queue[q] = (struct port_queue){.rte_id = RTE_MAX_ETHPORTS, .fd = -1};
		rte_spinlock_init(&s->tx_lock[q]);
	}
	*out = s;
	return 0;
}

static int slot_lock(struct port_slot *s, struct port_error *err)
{
	char owner[64] = "";
	int fd;

	const char *device = s->p.kind == CTL_PORT_PCI ? s->conf.member[0] : s->p.device;
	const char *field = s->p.kind == CTL_PORT_PCI ? "pci-address" : "device";

	// A bond takes its members, and its TAP, as that of a PCI device, is a port with a lock of its own.
	if (s->p.kind != CTL_PORT_AF_XDP && s->p.kind != CTL_PORT_TAP && s->p.kind != CTL_PORT_PCI)
		return 0;
	fd = port_lock(device, owner, sizeof(owner));
	if (fd == -EBUSY)
		return port_fail(err, fd, CTL_TAG_IN_USE, field, "'%s' is owned by %s", device,
				 owner);
	if (fd < 0)
		return port_fail(err, -EIO, CTL_TAG_OPERATION_FAILED, field, "lock of '%s': %s",
				 device, strerror(-fd));
	s->lock_fd = fd;
	return 0;
}

static bool has_shadow(const struct port_slot *s)
{
	return s->p.kind == CTL_PORT_PCI || s->p.kind == CTL_PORT_BOND;
}

static int check_kind(struct port_slot *s, struct port_error *err)
{
	struct port_link link;

	if (has_shadow(s) && port_link_get(s->p.device, &link) == 0)
		return port_fail(
			err, -EBUSY, CTL_TAG_IN_USE, "tap",
			"there is an interface '%s' already: the kernel's view of the port "
			"is a TAP of that name, made by us",
			s->p.device);
	switch (s->p.kind) {
	case CTL_PORT_AF_XDP:
		return af_xdp_check(s, err);
	case CTL_PORT_PCI:
		return pci_check(s, err);
	case CTL_PORT_BOND:
		return bond_check(s, err);
	default:
		return vdev_check(s, err);
	}
}

static int check(struct port_slot *s, struct port_error *err)
{
	const struct ctl_port *c = &s->conf;
	int rc;

	if (port_instance[0] == '\0')
		return port_fail(err, -EINVAL, CTL_TAG_OPERATION_FAILED, "",
				 "port_init was not called");
	if (!plain_name(c->name, sizeof(c->name), sizeof(c->name) - 1))
		return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "name",
				 "letters, digits, '.', '_' and '-' only");
	if ((c->kind == CTL_PORT_AF_XDP || c->kind == CTL_PORT_TAP || has_shadow(s)) &&
	    !plain_name(c->device, sizeof(c->device), IFNAMSIZ - 1))
		return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE,
				 has_shadow(s) ? "tap" : "device",
				 "a name of 1 to 15 letters, digits, '.', '_' and '-'");
	rc = slot_lock(s, err);
	if (rc == 0)
		rc = check_kind(s, err);
	// The control thread announces a bond's take-over.
	s->p.tx_shared = s->p.queues < worker_count() || s->p.kind == CTL_PORT_BOND;
	return rc;
}

// The kernel's view of a VLAN, or of the port itself (vid 0): a TAP with the parent's MAC and MTU.
static int open_view(struct port_slot *parent, uint64_t id, uint16_t vid, const char *tap,
		     uint16_t *index, struct port_error *err)
{
	struct ctl_port conf = {.rec = {.id = id},
				.kind = CTL_PORT_TAP,
				.context = parent->p.context,
				.mtu = parent->p.mtu};
	struct port_slot *s;
	int rc;

	snprintf(conf.name, sizeof(conf.name), "%s", tap);
	snprintf(conf.device, sizeof(conf.device), "%s", tap);
	memcpy(conf.mac, &parent->p.mac, sizeof(conf.mac));
	rc = slot_make(&conf, &s, err);
	if (rc != 0)
		return rc;
	s->p.parent = parent->p.index;
	s->p.parent_vlan = vid;
	rc = check(s, err);
	if (rc == 0)
		rc = port_bring_up(s, err);
	if (rc != 0) {
		slot_forget(s);
		return rc;
	}
	atomic_store_explicit(&ports[s->p.index], s, memory_order_release);
	*index = s->p.index;
	return 0;
}

static int open_vlan(struct port_slot *parent, const struct ctl_vlan *v, struct port_error *err)
{
	struct port_vlan *view = &parent->p.vlan[parent->p.vlan_count];
	char tap[sizeof(v->tap) + 1];
	int rc;

	snprintf(tap, sizeof(tap), "%.*s", (int)sizeof(v->tap), v->tap);
	rc = open_view(parent, v->rec.id, v->vid, tap, &view->shadow, err);
	view->vid = v->vid;
	parent->p.vlan_count += rc == 0;
	return rc;
}

static int check_vlans(const struct port_slot *s, const struct ctl_vlan *vlans, unsigned count,
		       struct port_error *err)
{
	if (count > RTE_DIM(s->p.vlan))
		return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "vlan",
				 "%zu VLANs are the most", RTE_DIM(s->p.vlan));
	for (unsigned i = 0; i < count; i++) {
		if (vlans[i].vid == 0 || vlans[i].vid > 4094)
			return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "vlan", "VLAN id %u",
					 vlans[i].vid);
		for (unsigned k = 0; k < i; k++)
			if (vlans[k].vid == vlans[i].vid)
				return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "vlan",
						 "VLAN id %u twice", vlans[i].vid);
	}
	return 0;
}

static void close_views(struct port_slot *s)
{
	struct port *shadow = s->p.shadow != PORT_NONE ? port_get(s->p.shadow) : NULL;

	if (shadow != NULL)
		port_close(shadow);
	s->p.shadow = PORT_NONE;
	for (unsigned i = 0; i < s->p.vlan_count; i++) {
		struct port *tap = port_get(s->p.vlan[i].shadow);

		if (tap != NULL)
			port_close(tap);
	}
	s->p.vlan_count = 0;
}

// A wire that was brought up before its views could not be made.
static void give_up(struct port_slot *s)
{
	if (!has_shadow(s) || s->p.queue[0].rte_id >= RTE_MAX_ETHPORTS)
		return;
	atomic_store_explicit(&s->p.live, false, memory_order_release);
	if (s->bond != NULL)
		bond_detach(s);
	port_take_down(s);
}

int port_open(const struct ctl_port *conf, const struct ctl_vlan *vlans, unsigned vlan_count,
	      struct port **out, struct port_error *err)
{
	struct port_slot *s;
	int rc;

	memset(err, 0, sizeof(*err));
	rc = slot_make(conf, &s, err);
	if (rc != 0)
		return rc;
	rc = check(s, err);
	if (rc == 0)
		rc = check_vlans(s, vlans, vlan_count, err);
	// A wire of its own tells its MAC and MTU, which its views have. It is not polled yet.
	if (rc == 0 && has_shadow(s))
		rc = port_bring_up(s, err);
	if (rc == 0 && has_shadow(s))
		rc = open_view(s, s->p.id, 0, s->p.device, &s->p.shadow, err);
	// The TAPs first: once the steering program takes a VLAN, its view has to be there.
	for (unsigned i = 0; rc == 0 && i < vlan_count; i++)
		rc = open_vlan(s, &vlans[i], err);
	if (rc == 0 && !has_shadow(s))
		rc = port_bring_up(s, err);
	if (rc == -ENOTCONN) { // a link whose other end is yet to be made
		s->lost = true;
		rc = 0;
	}
	if (rc != 0) {
		close_views(s);
		give_up(s);
		slot_forget(s);
		return rc;
	}
	atomic_store_explicit(&ports[s->p.index], s, memory_order_release);
	PORT_LOG(NOTICE, "%s %s: %s, %u queue(s), mtu %u%s\n", s->p.name,
		 s->lost ? "waits for its other end" : "is up",
		 s->p.device[0] != '\0'        ? s->p.device
		 : s->p.kind == CTL_PORT_MEMIF ? s->conf.path
					       : s->vdev[0],
		 s->p.queues, s->p.mtu,
		 s->steer != NULL && steer_is_taken_over(s->steer)
			 ? ", steering program of an earlier run replaced"
			 : "");
	*out = &s->p;
	return 0;
}

void port_close(struct port *p)
{
	struct port_slot *s = port_slot(p);

	s->removing = false; // it is done here
	atomic_store_explicit(&p->live, false, memory_order_release);
	atomic_store_explicit(&p->up, false, memory_order_relaxed);
	if (s->steer != NULL)
		steer_detach(s->steer); // the guard is in place, and stays
	if (s->bond != NULL)
		bond_detach(s);
	if (p->kind == CTL_PORT_AF_XDP && p->ifindex > 0)
		addr_sync(p->ifindex, NULL, 0);
	port_take_down(s);
	add_arrivals(p, &s->base, &closed);
	close_views(s);
	slot_forget(s);
}

void port_leave_all(void)
{
	// On purpose nothing: the caller ends with _exit. The steering programs stay attached and drop what
	// they took, the kernel closes sockets, TAPs and locks.
}

// ---- leaving nothing behind ----------------------------------------------------------------------

static void drop_addr(int ifindex, const struct steer_addr_key *addr, void *arg)
{
	addr_del(ifindex, (uint8_t)addr->family, addr->addr);
}

int port_detach_left(const char *instance)
{
	int rc, guard;

	if (!plain_name(instance, CTL_NAME, CTL_NAME - 1))
		return -EINVAL;
	rc = steer_detach_left(instance, drop_addr, NULL);
	guard = guard_remove(instance);
	return rc < 0 ? rc : guard;
}
