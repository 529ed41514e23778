// SPDX-License-Identifier: BSD-3-Clause
//
// AF_XDP: our steering program on a kernel interface, one DPDK device and one socket per rx queue.
//
// The program is attached first, by us, and every socket is put into its xsks_map by us. libxdp, which
// the driver uses, must keep its hands off: it would look for the attached program by its id, which
// takes CAP_SYS_ADMIN, and that is gone once the app runs. The driver has no argument for it, so
// xsk_socket__create() is defined here, over libxdp's: the dynamic linker resolves the driver's call to
// the executable first (dataplane/meson.build exports the symbol). It adds the one flag that says "load
// no program", calls the real one and notes the socket's fd.

#include "dataplane/port/port_priv.h"

#include "kmod/load/steer_load.h"

#include <rte_bus_vdev.h>
#include <rte_ethdev.h>
#include <rte_mempool.h>
#include <xdp/xsk.h>

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// Sockets made and not yet asked for; control thread only, as all set-up is.
static struct {
	char device[IFNAMSIZ];
	int fd;
} made[PORT_QUEUE_MAX];
static unsigned made_count;

void af_xdp_sockets_forget(void)
{
	made_count = 0;
}

int af_xdp_socket_take(const char *device)
{
	for (unsigned i = made_count; i-- > 0;)
		if (made[i].fd >= 0 && strcmp(made[i].device, device) == 0) {
			int fd = made[i].fd;

			made[i].fd = -1;
			return fd;
		}
	return -1;
}

// Bytes of packet memory from the page in which it begins; control thread only.
static uint64_t umem_size;

// The driver multiplies buffers by their size, but no buffer crosses a huge page: a few at the end lie beyond
// that. The kernel would throw away what is sent from those, without a word.
int xsk_umem__create(struct xsk_umem **umem, void *area, __u64 size, struct xsk_ring_prod *fill,
		     struct xsk_ring_cons *comp, const struct xsk_umem_config *config)
{
	__typeof__(xsk_umem__create) *create;
	void *libxdp = dlopen("libxdp.so.1", RTLD_NOW | RTLD_NOLOAD);

	if (libxdp == NULL)
		return -ENOSYS;
	create = (__typeof__(create))dlsym(libxdp, "xsk_umem__create");
	dlclose(libxdp); // the driver keeps it
	if (create == NULL)
		return -ENOSYS;
	return create(umem, area, size < umem_size ? umem_size : size, fill, comp, config);
}

int xsk_socket__create(struct xsk_socket **xsk, const char *device, __u32 queue_id,
		       struct xsk_umem *umem, struct xsk_ring_cons *rx, struct xsk_ring_prod *tx,
		       const struct xsk_socket_config *config)
{
	__typeof__(xsk_socket__create) *create;
	__typeof__(xsk_socket__fd) *get_fd;
	struct xsk_socket_config c = *config;
	void *libxdp = dlopen("libxdp.so.1", RTLD_NOW | RTLD_NOLOAD);
	int rc;

	if (libxdp == NULL)
		return -ENOSYS;
	create = (__typeof__(create))dlsym(libxdp, "xsk_socket__create");
	get_fd = (__typeof__(get_fd))dlsym(libxdp, "xsk_socket__fd");
	dlclose(libxdp); // the driver keeps it
	if (create == NULL || get_fd == NULL)
		return -ENOSYS;
	c.libxdp_flags |= XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD;
	rc = create(xsk, device, queue_id, umem, rx, tx, &c);
	if (rc == 0 && made_count < PORT_QUEUE_MAX) {
		snprintf(made[made_count].device, IFNAMSIZ, "%s", device);
		made[made_count++].fd = get_fd(*xsk);
	}
	return rc;
}

int af_xdp_check(struct port_slot *s, struct port_error *err)
{
	const struct ctl_port *c = &s->conf;
	struct port_link link;
	int rc;

	rc = port_link_get(c->device, &link);
	if (rc == -ENODEV)
		return port_fail(err, rc, CTL_TAG_INVALID_VALUE, "device", "no interface '%s' here",
				 c->device);
	if (rc != 0)
		return port_fail(err, -EIO, CTL_TAG_OPERATION_FAILED, "device",
				 "interface '%s': %s", c->device, strerror(-rc));
	if ((link.flags & IFF_LOOPBACK) != 0)
		return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "device",
				 "a loopback interface has no wire");
	if (!rte_is_zero_ether_addr((const struct rte_ether_addr *)c->mac) &&
	    memcmp(c->mac, &link.mac, sizeof(link.mac)) != 0)
		return port_fail(
			err, -EINVAL, CTL_TAG_INVALID_VALUE, "mac",
			"the interface's own address is used; change it with 'ip link set dev %s "
			"address'",
			c->device);
	if ((c->mtu != 0 ? c->mtu : link.mtu) > PORT_AF_XDP_MTU_MAX)
		return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "mtu",
				 "%u is over %u, the largest that AF_XDP carries",
				 c->mtu != 0 ? c->mtu : link.mtu, PORT_AF_XDP_MTU_MAX);
	// A queue without a socket would swallow its flows.
	if (c->queues != 0 && c->queues != link.rx_queues)
		return port_fail(
			err, -EINVAL, CTL_TAG_INVALID_VALUE, "queues",
			"interface '%s' has %u receive queues and each needs a socket; say 0 or "
			"%u, or change it with ethtool -L",
			c->device, link.rx_queues, link.rx_queues);
	if (link.rx_queues > PORT_QUEUE_MAX)
		return port_fail(
			err, -EINVAL, CTL_TAG_INVALID_VALUE, "queues",
			"interface '%s' has %u receive queues, %u are the most; change it with "
			"ethtool -L",
			c->device, link.rx_queues, PORT_QUEUE_MAX);
	s->p.ifindex = link.ifindex;
	s->p.queues = (uint16_t)link.rx_queues;
	s->p.mtu = c->mtu != 0 ? c->mtu : (uint16_t)link.mtu;
	s->p.mac = link.mac;
	s->p.view = PORT_VIEW_XDP;
	return 0;
}

// The maps may be those of an earlier process, and have counted on while nobody served: what they show
// now is no part of what this process has to account for.
static void discount(struct port_slot *s)
{
	struct steer_stat st;

	if (steer_stats(s->steer, &st) != 0)
		return;
	s->base.xdp_seen -= st.seen;
	s->base.xdp_passed -= st.passed;
	s->base.xdp_redirected -= st.redirected;
	s->base.xdp_dropped -= st.dropped;
	if (st.seen != 0)
		PORT_LOG(NOTICE,
			 "%s: took over a steering program; since it was attached %" PRIu64
			 " packets were dropped for want of a process\n",
			 s->p.device, (uint64_t)st.dropped);
}

static int attach(struct port_slot *s, struct port_error *err)
{
	uint16_t vids[16];
	char text[STEER_ERROR_SIZE] = "";
	int rc = 0;

	if (s->steer == NULL) { // else kept from the last try, with the maps of an earlier run
		rc = steer_open(port_instance, s->p.ifindex, &s->steer, text);
		if (rc == 0)
			discount(s);
	}
	if (rc != 0)
		return port_fail(err, rc == -EBUSY || rc == -ENODEV ? rc : -EIO,
				 rc == -EBUSY ? CTL_TAG_IN_USE : CTL_TAG_OPERATION_FAILED, "device",
				 "%s", text);
	for (unsigned i = 0; i < s->p.vlan_count; i++)
		vids[i] = s->p.vlan[i].vid;
	rc = steer_set_vlans(s->steer, vids, s->p.vlan_count);
	if (rc != 0)
		return port_fail(err, -EIO, CTL_TAG_OPERATION_FAILED, "vlan", "steering map: %s",
				 strerror(-rc));
	rc = port_steer_apply(s, err);
	if (rc != 0)
		return rc;
	rc = steer_attach(s->steer, text);
	if (rc != 0)
		return port_fail(err, rc == -EBUSY || rc == -ENODEV ? rc : -EIO,
				 rc == -EBUSY ? CTL_TAG_IN_USE : CTL_TAG_OPERATION_FAILED, "device",
				 "%s", text);
	if (steer_is_generic(s->steer))
		PORT_LOG(WARNING, "%s: the driver has no XDP, the slow generic mode is used\n",
			 s->p.device);
	return 0;
}

static int add_queue(struct port_slot *s, unsigned queue, struct port_error *err)
{
	char args[96];
	struct port_device d = {.name = s->vdev[queue], .args = args, .first = queue, .queues = 1};
	int rc;

	snprintf(s->vdev[queue], sizeof(s->vdev[queue]), "net_af_xdp_%u_%u_%u", s->p.index, queue,
		 s->life);
	// busy_budget=0: by default each empty burst would be a system call.
	snprintf(args, sizeof(args), "iface=%s,start_queue=%u,queue_count=1,busy_budget=0",
		 s->p.device, queue);
	af_xdp_sockets_forget();
	rc = vdev_start(s, &d, err);
	s->xsk_fd[queue] =
		af_xdp_socket_take(s->p.device); // also after an error: somebody has to close it
	if (rc != 0)
		return rc;
	if (s->xsk_fd[queue] < 0)
		return port_fail(
			err, -EIO, CTL_TAG_OPERATION_FAILED, "device",
			"the AF_XDP driver does not call our xsk_socket__create; was the program "
			"linked without --export-dynamic-symbol?");
	s->p.queue[queue].fd = s->xsk_fd[queue];
	rc = steer_set_socket(s->steer, queue, s->xsk_fd[queue]);
	if (rc != 0)
		return port_fail(err, -EIO, CTL_TAG_OPERATION_FAILED, "device", "xsks_map: %s",
				 strerror(-rc));
	return 0;
}

int af_xdp_bring_up(struct port_slot *s, struct port_error *err)
{
	const struct rte_mempool_memhdr *chunk;
	struct steer_stat st;
	int rc;

	if (s->conf.mtu != 0) {
		rc = port_link_set_mtu(s->p.device, s->conf.mtu);
		if (rc != 0)
			return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "mtu",
					 "interface '%s': %s", s->p.device, strerror(-rc));
	}
	rc = port_link_set_up(s->p.device);
	if (rc != 0)
		return port_fail(err, -EIO, CTL_TAG_OPERATION_FAILED, "device",
				 "interface '%s': %s", s->p.device, strerror(-rc));
	rc = attach(s, err);
	if (rc != 0)
		return rc;
	steer_stats(s->steer, &st);         // zero on error
	s->redirected_base = st.redirected; // no socket yet: nothing is redirected
	rc = port_pool_make(s, s->p.queues * PORT_QUEUE_MBUFS - 1u, err);
	if (rc != 0)
		return rc;
	// The driver gives the pool to the kernel as one piece of memory.
	if (s->pool->nb_mem_chunks != 1)
		return port_fail(err, -ENOMEM, CTL_TAG_RESOURCE_DENIED, "device",
				 "packet memory is in %u pieces, AF_XDP needs one",
				 s->pool->nb_mem_chunks);
	chunk = STAILQ_FIRST(&s->pool->mem_list);
	umem_size = chunk->len + ((uintptr_t)chunk->addr & ((uintptr_t)getpagesize() - 1));
	for (unsigned q = 0; q < s->p.queues; q++) {
		rc = add_queue(s, q, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}
