// SPDX-License-Identifier: BSD-3-Clause
//
// port - the ports of this app: bring-up, RX queues, kernel view, life cycle. With dataplane/out the
// only place that calls rte_eth_*.
//
// A port has an index of ours (0 .. PORT_MAX - 1), stable for its life, in mbuf->port of every packet
// received (not DPDK's port id). AF_XDP ports carry our steering program (kmod/) and the guard
// (guard.h); VLAN views and TAP shadows are ports of kind TAP that belong to their parent.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>

#include "dataplane/ctl/msg.h"

#define PORT_MAX       64
#define PORT_QUEUE_MAX 16
#define PORT_NONE      UINT16_MAX
#define PORT_BURST     32

struct rte_mbuf;

enum port_view {
	PORT_VIEW_NONE = 0,   // point-to-point: nobody else hears these packets
	PORT_VIEW_XDP = 1,    // the kernel interface itself; our program passes what is not ours
	PORT_VIEW_SHADOW = 2, // TAP `shadow`: punted packets are sent there
};

// One receive and transmit queue. An AF_XDP port is one DPDK device per queue, since not every driver
// (veth) lets one device have several: so the device belongs to the queue.
struct port_queue {
	uint16_t rte_id;
	uint16_t rte_queue;
	int fd; // see port_queue_fd()
};

struct port_vlan {
	uint16_t vid;
	uint16_t shadow; // index of the TAP port
};

// Everything a worker may know of a port; written before the port is published, then constant,
// but for `up`, and for `queue` and `ifindex`, which change while `live` is false.
struct port {
	uint16_t index;
	uint16_t queues;
	uint16_t context;
	uint16_t mtu;
	uint8_t kind;         // enum ctl_port_kind
	uint8_t view;         // enum port_view
	uint16_t shadow;      // PORT_VIEW_SHADOW: index of the TAP; PORT_NONE
	uint16_t parent;      // this port is the TAP of `parent`; PORT_NONE
	uint16_t parent_vlan; // and of this VLAN there, 0 = untagged
	struct rte_ether_addr mac;
	struct rte_ether_addr peer_mac; // point-to-point kinds
	bool point_to_point;            // all packets go to peer_mac: no ARP, no ND
	struct ctl_addr own4,
		own6; // point-to-point: ours; family 0: none. Source of our ICMP errors
	bool tx_ip_cksum, tx_l4_cksum, rx_ip_cksum, rx_l4_cksum, vlan_offload;
	int ifindex; // of the kernel's view (AF_XDP: the interface, TAP: the TAP), 0 = none
	unsigned vlan_count;
	struct port_vlan vlan[16];
	uint64_t id; // record id
	char name[CTL_NAME];
	char device[32];
	_Atomic bool up; // operational state for operators and routes. control: rw
	_Atomic bool
		live; // the device is there: port_rx and port_tx do nothing while it is not. control: rw
	bool tx_shared; // fewer queues than workers, or a bond: port_tx takes a lock
	bool lacp;      // a bond whose protocol runs within port_rx: at least once in 100 ms
	struct port_queue queue[PORT_QUEUE_MAX];
};

// What receive-side scaling does at the ports that have it: the key of the Toeplitz hash, and the queue
// behind each entry of the redirection table.
#define PORT_RSS_KEY   40
#define PORT_RSS_SLOTS 512
struct port_rss {
	uint8_t key[PORT_RSS_KEY];
	unsigned slots; // power of two
	uint8_t queue[PORT_RSS_SLOTS];
};
// As read from the first device with several queues that tells both; later devices are set alike where they
// can. Our own key is asked for. Returns: false if no device has told. Thread: control
bool port_rss_get(struct port_rss *out);
extern const uint8_t port_rss_key[PORT_RSS_KEY];

// Start of the EAL for an app: arguments explained in README.md. Call after loop_create() (signal mask)
// and before worker_init().
struct port_eal_conf {
	const char *
		instance; // prefix of the telemetry socket: <run_dir>/dpdk/<instance>/dpdk_telemetry.v2
	const char *run_dir;
	unsigned workers;   // worker lcores 1 .. workers; lcore 0 is control
	const char *cpus;   // list as in taskset(1); NULL: any CPU, workers spread
	unsigned memory_mb; // 0: on demand from hugepages (1024 without)
	bool no_huge; // also taken by itself, with a note in the log, where no hugepage is free
};
// Returns: 0; -EINVAL, -ENOMEM, -EIO with *err filled. Thread: init
struct port_error;
int port_eal_init(const struct port_eal_conf *conf, struct port_error *err);

// Prepare the module: who we are (guard table, owner's name). After port_eal_init, before port_open.
// Errors: -EINVAL instance name; -EIO. Thread: init
int port_init(const char *instance);

struct port_error {
	uint16_t tag; // enum ctl_error_tag
	char field[40];
	char message[256];
};

// Bring a port up whole (device, queues, steering program, guard table, sockets' fds), with the VLAN
// TAPs given. Nothing is polled yet.
// Returns: 0 and *out. Errors, with *err filled for the operator:
//   -ENODEV  no such device      -EBUSY  owned by another process, or a foreign XDP program is attached
//   -EINVAL  parameters          -ENOMEM buffers              -EIO anything else, said in *err
// Thread: control (prepare)
int port_open(const struct ctl_port *conf, const struct ctl_vlan *vlans, unsigned vlan_count,
	      struct port **out, struct port_error *err);

// Give a port up for good: program detached with the guard in place, TAPs removed. The caller has
// taken it out of all sources and waited for quiescence. Thread: control
void port_close(struct port *p);

// Planned stop or restart: nothing is closed or detached, packets to our services fall silent until
// the next start. Thread: control, last call before _exit
void port_leave_all(void);

struct port *port_get(uint16_t index);     // NULL if none. Thread: any
struct port *port_by_ifindex(int ifindex); // Thread: control

// fd on which poll() tells that this queue has packets, -1 if the driver gives none. Thread: any
int port_queue_fd(const struct port *p, uint16_t queue);

// Receive a burst; sets mbuf->port to our index. Thread: owner worker of the queue
uint16_t port_rx(const struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);

// Send a burst on the queue of a worker (its index modulo the port's queues).
// Returns: how many, from the front, the device took; the rest still belongs to the caller. 0 while the
//          device is away. Thread: any worker, with its own index
uint16_t port_tx(const struct port *p, unsigned worker, struct rte_mbuf **pkts, uint16_t n);

// What the steering programs take and what the guard keeps from the kernel while we are down.
// The set is replaced whole; unchanged entries are never out of the maps meanwhile.
enum port_steer_kind {
	// TCP or UDP (proto) to addr, an address or a prefix, ports port_min .. port_max. With it come
	// echo requests, fragments and ICMP errors to it. 0 .. 65535 is a wildcard: what a socket of the
	// kernel waits for stays the kernel's. A prefix never takes addresses of the node itself.
	PORT_STEER_SERVICE = 0,
	// A FULLNAT local address: TCP and UDP to port_min .. port_max, fragments, ICMP errors; proto 0.
	PORT_STEER_LOCAL = 1,
	// A server of a NAT service: TCP or UDP (proto) from addr, ports port_min .. port_max (0 .. 65535:
	// any), to anybody but the node itself; with it fragments from addr, and ICMP errors about packets
	// to it.
	PORT_STEER_NAT = 2,
};

struct port_steer {
	struct ctl_addr addr; // len under 32 or 128: services only
	uint8_t kind;         // enum port_steer_kind
	uint8_t proto;
	uint16_t port_min, port_max; // host order, inclusive
	uint16_t context;
};
// Also puts the addresses on the kernel's views with our protocol number (addr.h), so that ARP and ND
// are answered; foreign addresses are never touched. Prefixes have to be routed to the node.
// Errors: -EINVAL an entry; -ENOSPC map full, -EIO. Thread: control
int port_steer_set(const struct port_steer *set, unsigned count, struct port_error *err);

// The addresses that the node itself speaks from: on an interface with its network, neither set by us nor
// host prefixes (as VRRP's are). *out is malloc'ed. Errors: -ENOMEM, those of netlink. Thread: control
int port_node_addresses(struct ctl_addr **out, unsigned *count);
// A port within min .. max (network order, min not 0) at which a socket of the node waits for connections or datagrams
// to this address; 0: none. Of a range of UDP ports those that the kernel gives out do not count: what waits there
// asked a question of its own and is gone soon.
uint16_t port_node_listens(const struct ctl_addr *addr, uint8_t proto, uint16_t min, uint16_t max);

// A port that a socket of the kernel holds. A socket of both families is two of these.
struct port_listener {
	uint8_t family, proto;
	bool any;       // on all addresses of the family; else on addr
	bool connected; // a TCP connection (no TIME-WAIT); else it waits for connections or datagrams
	rte_be16_t port;
	int ifindex;      // that it is bound to, 0: none
	uint8_t addr[16]; // IPv4 in the first four, the rest zero
};
// All of them but connected UDP sockets, in no order. *out is malloc'ed. Errors: -ENOMEM, those of netlink
// (-ENOENT: a kernel without sock_diag). Thread: control
int port_listeners(struct port_listener **out, unsigned *count);

struct port_counters {
	uint64_t xdp_seen, xdp_passed, xdp_redirected, xdp_dropped; // AF_XDP only
	uint64_t rx_packets, rx_bytes, rx_missed, rx_errors;
	uint64_t tx_packets, tx_bytes, tx_errors;
	uint32_t rx_depth;
};
// Thread: control
void port_counters(const struct port *p, struct port_counters *out);

struct port_member {
	const char *name; // borrowed from the port
	bool link;        // it is there and has a carrier
	bool carries;     // packets leave by it
};
// Members of a bond, in the order of its configuration. Returns: how many, 0 where the port is none.
// Thread: control
unsigned port_members(const struct port *p, struct port_member out[CTL_BOND_MEMBERS]);

// What arrived at all ports since the start, those closed meanwhile included: the left side of the sum
// in core/worker.h.
struct port_arrivals {
	uint64_t arrived; // AF_XDP: seen by the steering program; else received or missed
	uint64_t passed;  // left to the kernel by the steering program
	uint64_t cut;     // dropped by it
	uint64_t missed;  // never fetched from a receive ring
};
// Thread: control
void port_arrivals(struct port_arrivals *out);

// Interface went away or came (RTM_DELLINK/NEWLINK): mark down, recover an AF_XDP port when its device
// is back. changed() is called when the source set must be rebuilt. Thread: control
struct loop;
int port_watch(struct loop *l, void (*changed)(struct port *p, void *arg), void *arg);

// One-shot give-up of what earlier runs of this instance left: programs, guard, addresses
// (sluice-lb --detach). Thread: init
int port_detach_left(const char *instance);
