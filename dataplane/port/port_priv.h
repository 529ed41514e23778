// SPDX-License-Identifier: BSD-3-Clause
//
// port_priv - what the files of this folder share. port.c owns the registry and the life cycle; af_xdp.c,
// vdev.c, pci.c and bond.c bring devices up; announce.c tells a bond's neighbours of it; addr.c and
// guard.c look after the kernel's side; watch.c sees devices go and come; lock.c keeps two processes off
// one device.
#pragma once

#include "dataplane/port/port.h"

#include <rte_log.h>
#include <rte_spinlock.h>

#include <net/if.h>

struct rte_mempool;
struct steer;
struct steer_stat;

extern int port_log_type;
#define PORT_LOG(level, ...) rte_log(RTE_LOG_##level, port_log_type, "port: " __VA_ARGS__)

// Frames that fit a 4 KiB chunk of AF_XDP beside headroom and metadata.
#define PORT_AF_XDP_MTU_MAX 3498
#define PORT_QUEUE_MBUFS    8192
#define PORT_TAP_MBUFS      4096
#define PORT_RING_SIZE      1024

struct port_slot {
	struct port p; // first: struct port * and struct port_slot * are the same address
	struct ctl_port conf;
	int lock_fd;
	struct steer *steer;
	struct bond *bond;        // CTL_PORT_BOND: its members
	struct rte_mempool *pool; // of this life
	unsigned life; // counts bring-ups: names of devices and pools are never used twice
	int xsk_fd[PORT_QUEUE_MAX];
	char vdev[PORT_QUEUE_MAX][32];
	bool lost;                 // device went away, to be recovered
	bool connected;            // memif: the other end was there in this life
	bool removing;             // waits for the workers before the devices are taken down
	struct port_counters base; // counted in earlier lives
	uint64_t redirected_base;  // by the steering program before this life
	_Atomic uint64_t given;    // LACP: packets of this life that the driver did not keep
	rte_spinlock_t tx_lock[PORT_QUEUE_MAX];
};

static inline struct port_slot *port_slot(const struct port *p)
{
	return (struct port_slot *)(uintptr_t)p;
}

// port.c
extern char port_instance[CTL_NAME];
__attribute__((format(printf, 5, 6))) int port_fail(struct port_error *err, int rc, uint16_t tag,
						    const char *field, const char *format, ...);
int port_bring_up(struct port_slot *s, struct port_error *err);
void port_take_down(struct port_slot *s); // devices, sockets and pool of this life

// steering.c
int port_steer_apply(struct port_slot *s, struct port_error *err); // fill its steering maps
void port_views_sync(struct port_slot *s);                         // addresses on its kernel view
void port_steer_nodes_changed(
	void); // an address came or went: what the node's own are is known anew
int port_steer_compare(const void *a,
		       const void *b); // order of the set: kind, address, proto, ports

// af_xdp.c, vdev.c: devices of one life; on error everything is undone by port_take_down
int af_xdp_check(struct port_slot *s, struct port_error *err);
int af_xdp_bring_up(struct port_slot *s, struct port_error *err);
int vdev_check(struct port_slot *s, struct port_error *err);
int vdev_bring_up(struct port_slot *s, struct port_error *err);
int af_xdp_socket_take(
	const char *device); // fd of the socket that the driver made last on it, -1: none
void af_xdp_sockets_forget(void);
// Add, configure and start one DPDK device with rx_queues queues as queue[first] and following.
struct port_device {
	const char *name;
	const char *args;
	unsigned first;
	unsigned queues;
	bool rx_interrupt; // ask for the fd of each queue
	const char *bus;   // NULL: vdev
};
int vdev_start(struct port_slot *s, const struct port_device *d, struct port_error *err);
int port_pool_make(struct port_slot *s, unsigned mbufs, struct port_error *err);

// bond.c: members as one wire. bond_check also takes hold of the members, bond_free lets them go.
int bond_check(struct port_slot *s, struct port_error *err);
int bond_bring_up(struct port_slot *s, struct port_error *err);
bool bond_carries(const struct port_slot *s);  // does any member have a link?
void bond_devices_remove(struct port_slot *s); // those of this life
void bond_detach(struct port_slot *s);         // what arrives goes to the kernel again
void bond_free(struct port_slot *s);
// The kernel tells of a member. Returns: true if it is back and the bond has to be made anew
bool bond_link(struct port_slot *s, int ifindex, const char *name, unsigned flags);
void bond_tick(struct port_slot *s); // each 100 ms while it is there
void bond_link_gone(struct port_slot *s, int ifindex);
void bond_look_again(struct port_slot *s); // at all members
unsigned bond_members(const struct port_slot *s, struct port_member out[CTL_BOND_MEMBERS]);

// announce.c: say where the port's MAC address is now, and the nth portion of its kernel views' addresses
void announce_mac(struct port_slot *s);
void announce_addresses(struct port_slot *s, unsigned nth);

// pci.c: may the device be taken over? `field` is what the error names. Errors: -ENODEV, -EBUSY, -EINVAL
int pci_address_check(const char *address, const char *field, struct port_error *err);
bool pci_is_address(const char *text);
int pci_check(struct port_slot *s, struct port_error *err);
int pci_bring_up(struct port_slot *s, struct port_error *err);

// memif.c: the socket of a memif: `before` its device is made (what a dead process left is removed), and
// after. Errors: -EBUSY a living process listens there; -ENOTCONN the other end does not yet
int memif_before(const struct port_slot *s, struct port_error *err);
void memif_after(const struct port_slot *s);

// rss.c: ask for RSS before the device is configured; set and read key and table once it is started
struct rte_eth_conf;
void rss_ask(uint16_t rte_id, unsigned queues, struct rte_eth_conf *conf);
void rss_settle(const struct port_slot *s, uint16_t rte_id, unsigned queues);

// watch.c: free a pool of buffers once none can be on its way any more
void port_pool_retire(struct rte_mempool *pool);

// lock.c: hold the name of a device in this network namespace until the fd is closed.
// Errors: -EBUSY, owner[] says who; other negative errno
int port_lock(const char *device, char *owner, size_t owner_size);

// link.c: small questions to the kernel about an interface
struct port_link {
	int ifindex;
	unsigned flags; // IFF_*
	unsigned mtu;
	unsigned rx_queues;
	struct rte_ether_addr mac;
};
int port_link_get(const char *device, struct port_link *out);
int port_link_set_mtu(const char *device, unsigned mtu);
int port_link_set_up(const char *device);
int port_link_set_mac(const char *device, const struct rte_ether_addr *mac);
int port_link_set_allmulti(const char *device, bool on);
int port_link_set_ipv6(const char *device, bool on);

// addr.c: make the addresses of ours on an interface exactly these.
// Returns 0, or the first negative errno after having tried all
int addr_sync(int ifindex, const struct ctl_addr *addrs, unsigned count);
int addr_del(int ifindex, uint8_t family, const uint8_t *addr);
// All addresses of this namespace that we did not set ourselves. *out is malloc'ed. Errors: -ENOMEM,
// those of netlink
struct addr_node {
	struct ctl_addr addr; // host prefix
	uint8_t prefix;       // length as it stands on the interface
	int ifindex;
};
int addr_nodes(struct addr_node **out, unsigned *count);
int addr_all(struct addr_node **out, unsigned *count); // ours too

// guard.c: the nft table that outlives us. set: sorted by port_steer_compare(); nodes: the node's own
// addresses. err gets nft's own words.
int guard_set(const char *instance, const struct port_steer *set, unsigned count,
	      const struct addr_node *nodes, unsigned node_count, char *err, size_t err_size);
int guard_remove(const char *instance);
