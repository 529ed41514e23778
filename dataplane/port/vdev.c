// SPDX-License-Identifier: BSD-3-Clause
//
// TAP, memif, null, ring and pcap devices, and the steps that all DPDK devices share: hot-plug, configure,
// queues, start. Texts from the configuration become part of device arguments, whose grammar has no
// quoting, so paths and names are checked letter by letter before.

#include "dataplane/port/port_priv.h"

#include "dataplane/core/worker.h"

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_random.h>

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>

int port_pool_make(struct port_slot *s, unsigned mbufs, struct port_error *err)
{
	unsigned room = s->p.mtu + RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN + RTE_PKTMBUF_HEADROOM;
	char name[RTE_MEMPOOL_NAMESIZE];

	if (room < RTE_MBUF_DEFAULT_BUF_SIZE)
		room = RTE_MBUF_DEFAULT_BUF_SIZE;
	snprintf(name, sizeof(name), "port%u.%u", s->p.index, s->life);
	s->pool = rte_pktmbuf_pool_create(name, mbufs, 256, 0, (uint16_t)RTE_ALIGN_CEIL(room, 64),
					  SOCKET_ID_ANY);
	if (s->pool == NULL)
		return port_fail(err, -ENOMEM, CTL_TAG_RESOURCE_DENIED, "name",
				 "no memory for %u packet buffers (%s)", mbufs,
				 rte_strerror(rte_errno));
	return 0;
}

// Rings as long as AF_XDP's, or as the device can have them.
static int fit_rings(uint16_t id, unsigned *rx_desc, unsigned *tx_desc)
{
	uint16_t rx = 2048, tx = 2048;
	int rc = rte_eth_dev_adjust_nb_rx_tx_desc(id, &rx, &tx);

	*rx_desc = rx;
	*tx_desc = tx;
	return rc;
}

static int start_queues(struct port_slot *s, const struct port_device *d, uint16_t id)
{
	unsigned rx_desc = PORT_RING_SIZE, tx_desc = PORT_RING_SIZE;
	int rc = 0;

	if (s->p.kind == CTL_PORT_AF_XDP)
		rx_desc = tx_desc = 2048;
	else if (s->p.kind == CTL_PORT_TAP)
		rx_desc = tx_desc = 512; // each takes a buffer from the start
	else if (s->p.kind == CTL_PORT_PCI || s->p.kind == CTL_PORT_BOND)
		rc = fit_rings(id, &rx_desc, &tx_desc);
	for (uint16_t q = 0; q < d->queues && rc == 0; q++) {
		rc = rte_eth_rx_queue_setup(id, q, (uint16_t)rx_desc, SOCKET_ID_ANY, NULL, s->pool);
		if (rc == 0)
			rc = rte_eth_tx_queue_setup(id, q, (uint16_t)tx_desc, SOCKET_ID_ANY, NULL);
	}
	return rc;
}

int vdev_start(struct port_slot *s, const struct port_device *d, struct port_error *err)
{
	struct rte_eth_conf conf = {.intr_conf.rxq = d->rx_interrupt};
	const char *step = "adding the device";
	bool added = false;
	uint16_t id;
	int rc = 0;

	if (s->p.kind == CTL_PORT_PCI || s->p.kind == CTL_PORT_BOND)
		conf.rxmode.mtu = s->p.mtu;
	if (d->bus == NULL) // else it was added before, to be asked what it is
		rc = rte_eal_hotplug_add("vdev", d->name, d->args);
	if (rc == 0)
		rc = rte_eth_dev_get_port_by_name(d->name, &id);
	if (rc != 0)
		goto err;
	for (unsigned q = 0; q < d->queues; q++) {
		s->p.queue[d->first + q] =
			(struct port_queue){.rte_id = id, .rte_queue = (uint16_t)q, .fd = -1};
	}
	added = true;
	step = "configuring it";
	rss_ask(id, d->queues, &conf);
	rc = rte_eth_dev_configure(id, (uint16_t)d->queues, (uint16_t)d->queues, &conf);
	if (rc != 0)
		goto err;
	step = "making its queues";
	rc = start_queues(s, d, id);
	if (rc != 0)
		goto err;
	step = "setting its MTU";
	if (d->bus != NULL)
		rc = rte_eth_dev_set_mtu(id, s->p.mtu);
	if (rc != 0 && rc != -ENOTSUP)
		goto err;
	step = "starting it";
	rc = rte_eth_dev_start(id);
	if (rc != 0)
		goto err;
	rss_settle(s, id, d->queues);
	for (unsigned q = 0; q < d->queues && d->rx_interrupt; q++)
		s->p.queue[d->first + q].fd = rte_eth_dev_rx_intr_ctl_q_get_fd(id, (uint16_t)q);
	return 0;

err:
	if (s->p.kind == CTL_PORT_MEMIF && rc == -EPERM)
		rc = -ENOTCONN; // the other end went just now
	if (s->p.kind == CTL_PORT_AF_XDP && rc == -EINVAL)
		rc = -EAGAIN; // all that the driver says of a queue that is bound
	// The bonding driver says -1 of all that its members may have; most often a queue in use.
	if (s->p.kind == CTL_PORT_BOND && rc == -1 && added)
		rc = -EAGAIN;
	return port_fail(err, rc == -ENOMEM || rc == -EAGAIN || rc == -ENOTCONN ? rc : -EIO,
			 CTL_TAG_OPERATION_FAILED, "device", "%s: %s failed: %s", d->name, step,
			 rc == -EAGAIN && s->p.kind == CTL_PORT_BOND
				 ? "a member does not do what the bonding driver asks"
			 : rc == -EAGAIN ? "the queue is in use"
					 : strerror(rc < 0 ? -rc : rc));
}

// ---- what the configuration may say --------------------------------------------------------------

static bool plain_path(const char *path, size_t size)
{
	size_t n = strnlen(path, size);

	if (n == 0 || n == size || path[0] != '/')
		return false;
	for (size_t i = 0; i < n; i++)
		if (path[i] <= ' ' || path[i] == 127 || strchr(",=[]()\"'\\", path[i]) != NULL)
			return false;
	return true;
}

// Locally administered, from the port's name: the same after every restart.
static void derive_mac(const char *name, uint8_t salt, struct rte_ether_addr *mac)
{
	uint32_t h = 2166136261u ^ salt; // FNV-1a

	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	*mac = (struct rte_ether_addr){{0x02, salt, (uint8_t)(h >> 24), (uint8_t)(h >> 16),
					(uint8_t)(h >> 8), (uint8_t)h}};
}

static int check_paths(const struct ctl_port *c, struct port_error *err)
{
	const char *field = c->kind == CTL_PORT_MEMIF ? "memif/socket" : "pcap/rx-file";

	if (c->kind == CTL_PORT_PCAP && c->path[0] == '\0' && c->path2[0] == '\0')
		return port_fail(err, -EINVAL, CTL_TAG_DATA_MISSING, field,
				 "a file to read or to write");
	if (c->kind == CTL_PORT_MEMIF && c->path[0] == '\0')
		return port_fail(err, -EINVAL, CTL_TAG_DATA_MISSING, field,
				 "the path of the socket");
	if (c->path[0] != '\0' && !plain_path(c->path, sizeof(c->path)))
		return port_fail(
			err, -EINVAL, CTL_TAG_INVALID_VALUE, field,
			"an absolute path without spaces, quotes, brackets, commas and '='");
	if (c->kind == CTL_PORT_PCAP && c->path2[0] != '\0' &&
	    !plain_path(c->path2, sizeof(c->path2)))
		return port_fail(
			err, -EINVAL, CTL_TAG_INVALID_VALUE, "pcap/tx-file",
			"an absolute path without spaces, quotes, brackets, commas and '='");
	return 0;
}

int vdev_check(struct port_slot *s, struct port_error *err)
{
	const struct ctl_port *c = &s->conf;
	struct port *p = &s->p;
	int rc = 0;

	if (c->kind == CTL_PORT_MEMIF || c->kind == CTL_PORT_PCAP)
		rc = check_paths(c, err);
	if (rc != 0)
		return rc;
	if (c->kind != CTL_PORT_TAP && c->queues > 1)
		return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "queues",
				 "a port of this kind has one queue");
	if (c->queues > PORT_QUEUE_MAX)
		return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "queues", "%u are the most",
				 PORT_QUEUE_MAX);
	if (c->kind == CTL_PORT_MEMIF &&
	    rte_is_zero_ether_addr((const struct rte_ether_addr *)c->peer_mac))
		return port_fail(err, -EINVAL, CTL_TAG_DATA_MISSING, "peer-mac",
				 "a memif link needs the MAC address of its other end");
	if (c->mtu > 9600)
		return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "mtu", "9600 is the most");
	p->queues = 1;
	if (c->kind == CTL_PORT_TAP && p->parent == PORT_NONE && c->queues > 1)
		p->queues = c->queues;
	p->mtu = c->mtu != 0 ? c->mtu : 1500;
	p->view = PORT_VIEW_NONE;
	p->point_to_point = p->parent == PORT_NONE;
	memcpy(&p->mac, c->mac, sizeof(p->mac));
	memcpy(&p->peer_mac, c->peer_mac, sizeof(p->peer_mac));
	if (rte_is_zero_ether_addr(&p->mac))
		derive_mac(p->name, 1, &p->mac);
	if (rte_is_multicast_ether_addr(&p->mac) || rte_is_multicast_ether_addr(&p->peer_mac))
		return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "mac", "a group address");
	if (rte_is_zero_ether_addr(&p->peer_mac) && p->point_to_point)
		derive_mac(p->name, 2, &p->peer_mac);
	return 0;
}

// ---- kinds ---------------------------------------------------------------------------------------

// A file that is received over and over is held in buffers, all of it.
static int pcap_packets(const char *path, unsigned *count, struct port_error *err)
{
	char text[PCAP_ERRBUF_SIZE] = "";
	struct pcap_pkthdr *h;
	const uint8_t *bytes;
	pcap_t *f = pcap_open_offline(path, text);

	*count = 0;
	if (f == NULL)
		return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "pcap/rx-file", "%s", text);
	while (pcap_next_ex(f, &h, &bytes) == 1)
		++*count;
	pcap_close(f);
	return 0;
}

static int pcap_args(struct port_slot *s, char *args, size_t size, unsigned *mbufs,
		     struct port_error *err)
{
	const struct ctl_port *c = &s->conf;
	bool infinite = c->path[0] != '\0' && (c->flags & CTL_PORT_F_PCAP_INFINITE) != 0;
	unsigned count = 0;
	int rc;

	if (c->path[0] != '\0') {
		rc = pcap_packets(c->path, &count, err);
		if (rc != 0)
			return rc;
		if (infinite && count == 0)
			return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "pcap/rx-file",
					 "no packet in the file");
	}
	if (infinite)
		*mbufs += count;
	snprintf(args, size, "%s%s%s%s%s%s", c->path[0] != '\0' ? "rx_pcap=" : "", c->path,
		 c->path[0] != '\0' && c->path2[0] != '\0' ? "," : "",
		 c->path2[0] != '\0' ? "tx_pcap=" : "", c->path2, infinite ? ",infinite_rx=1" : "");
	return 0;
}

static int tap_after(struct port_slot *s, struct port_error *err)
{
	struct port *p = &s->p;
	struct port_link link;
	int rc;

	rc = port_link_set_mtu(p->device, p->mtu);
	if (rc == 0)
		rc = port_link_set_up(p->device);
	if (rc == 0)
		rc = port_link_get(p->device, &link);
	if (rc != 0)
		return port_fail(err, -EIO, CTL_TAG_OPERATION_FAILED, "device", "TAP '%s': %s",
				 p->device, strerror(-rc));
	p->ifindex = link.ifindex;
	return 0;
}

int vdev_bring_up(struct port_slot *s, struct port_error *err)
{
	const struct ctl_port *c = &s->conf;
	unsigned mbufs = s->p.queues * PORT_QUEUE_MBUFS - 1u;
	struct rte_ether_addr mac = s->p.mac;
	char args[320] = "", text[RTE_ETHER_ADDR_FMT_SIZE];
	const char *driver;
	int rc = 0;

	switch (c->kind) {
	case CTL_PORT_TAP:
		driver = "net_tap";
		mbufs = s->p.queues * PORT_TAP_MBUFS - 1u; // a port may have many
		// The view of a VLAN has the MAC of its wire. A TAP by itself is a link to the kernel: the
		// kernel's end gets the peer's MAC.
		if (s->p.parent == PORT_NONE)
			mac = s->p.peer_mac;
		rte_ether_format_addr(text, sizeof(text), &mac);
		snprintf(args, sizeof(args), "iface=%s,mac=%s", s->p.device, text);
		break;
	case CTL_PORT_MEMIF:
		rc = memif_before(s, err);
		driver = "net_memif";
		rte_ether_format_addr(text, sizeof(text), &mac);
		snprintf(args, sizeof(args), "role=%s,id=%u,socket=%s,socket-abstract=no,mac=%s",
			 (c->flags & CTL_PORT_F_MEMIF_SERVER) != 0 ? "server" : "client",
			 c->memif_id, c->path, text);
		break;
	case CTL_PORT_NULL:
		driver = "net_null";
		mbufs = PORT_TAP_MBUFS - 1u;
		snprintf(args, sizeof(args), "no-rx=1");
		break;
	case CTL_PORT_RING:
		driver = "net_ring";
		break;
	case CTL_PORT_PCAP:
		driver = "net_pcap";
		rc = pcap_args(s, args, sizeof(args), &mbufs, err);
		break;
	default:
		return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "type",
				 "unknown kind of port");
	}
	if (rc == 0)
		rc = port_pool_make(s, mbufs, err);
	if (rc != 0)
		return rc;

	snprintf(s->vdev[0], sizeof(s->vdev[0]), "%s_%u_%u", driver, s->p.index, s->life);
	struct port_device d = {.name = s->vdev[0],
				.args = args,
				.queues = s->p.queues,
				.rx_interrupt = c->kind == CTL_PORT_TAP};
	rc = vdev_start(s, &d, err);
	if (rc == 0 && c->kind == CTL_PORT_TAP)
		rc = tap_after(s, err);
	if (rc == 0 && c->kind == CTL_PORT_MEMIF)
		memif_after(s);
	return rc;
}
