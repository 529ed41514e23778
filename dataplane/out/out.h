// SPDX-License-Identifier: BSD-3-Clause
//
// out - where packets leave: next hops and routes mirrored from the kernel, hold queues for unresolved
// neighbours, per-port TX buffers, answers, punts and the freeing of drops.
//
// route.c and neigh.c are filled by mirror.c (netlink, control thread) and published whole as one
// struct out_view; tx.c is the worker's side.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "dataplane/core/drop.h"
#include "dataplane/core/worker.h"
#include "dataplane/parse/parse.h"
#include "dataplane/port/port.h"

enum nexthop_state { NEXTHOP_NONE = 0, NEXTHOP_RESOLVED = 1, NEXTHOP_PENDING = 2, NEXTHOP_FAILED = 3 };

// Index 0 is never a next hop. Indices are stable while the (port, vlan, gateway) is in use.
struct nexthop {
	struct rte_ether_addr dmac;
	struct rte_ether_addr smac;
	uint16_t port; // index
	uint16_t vlan; // 0: untagged
	uint16_t mtu;
	uint8_t state; // enum nexthop_state
	uint8_t family;
	uint8_t addr[16];
};
_Static_assert(sizeof(struct nexthop) <= 64, "one line");

struct out_view; // routes + next hops, immutable
struct loop;

// Start the mirror on the loop: dump, then follow links, addresses, routes and neighbours of the
// namespace. Point-to-point ports add their prefixes by out_prefix_set().
// Errors: -EPERM, -EIO. Thread: init
int out_init(struct loop *l);
void out_fini(void);
int out_prefix_set(const struct ctl_prefix *prefixes, unsigned count); // Thread: control
void out_ports_changed(void); // ports were opened or closed. Thread: control

// The view in force; good until the worker's next quiescent state. Never NULL after out_init.
const struct out_view *out_view_get(void); // Thread: any worker

// Counts up whenever any route or next hop changed: cached indices are then looked up again.
uint16_t out_view_generation(const struct out_view *v);

// Longest match. addr: network order, 4 or 16 bytes. Returns the next hop's index, 0: no route.
// Thread: any worker
uint16_t out_route(const struct out_view *v, uint16_t context, uint8_t family, const void *addr);
const struct nexthop *out_nexthop(const struct out_view *v, uint16_t index); // NULL if gone

// True if addr is one of the kernel's own addresses (not ours). Thread: any worker
bool out_kernel_address(const struct out_view *v, uint8_t family, const void *addr);

// ---- the worker's side: each packet goes to exactly one of these and is counted there ----------

// Send to a next hop: writes the Ethernet header (and tag) before l3_off, adds to the port's TX buffer.
// Pending next hop: held (bounded per next hop and in all) until it resolves or 1 s has passed.
void out_forward(struct worker *w, struct rte_mbuf *m, const struct parse_info *pi, uint16_t nexthop);

// Send back on the port it came from, addresses already turned round by answer.c.
void out_answer(struct worker *w, struct rte_mbuf *m);

// A packet we made ourselves (reset of a dead server's flow): routed like out_forward, counted `made`.
void out_made(struct worker *w, struct rte_mbuf *m, uint16_t nexthop);

// Give to the kernel through the shadow TAP of its port (policed: ARP/ND first); dropped if the port
// has no kernel view.
void out_punt(struct worker *w, struct rte_mbuf *m, const struct parse_info *pi);

void out_drop(struct worker *w, struct rte_mbuf *m, enum drop_reason reason);

// Packet that came from the kernel's TAP: tag and send on the parent port.
void out_from_kernel(struct worker *w, struct rte_mbuf *m, const struct port *tap);

// Send all buffers. Once per turn. Thread: owner worker
void out_flush(struct worker *w);

// Source for worker_set_sources: hold queues' deadline and wake-up. Thread: owner worker
unsigned out_poll(struct worker *w, void *arg);

// ---- answer.c: turn a request into its answer in place; false: not possible (caller drops) ------

// ICMP/ICMPv6 echo request -> reply (RFC 792, 4443 section 4.2), checksum by delta.
bool answer_echo(struct rte_mbuf *m, const struct parse_info *pi);
// TCP segment -> reset (RFC 9293 section 3.10.7.1). Data is cut off.
bool answer_reset(struct rte_mbuf *m, const struct parse_info *pi);
// UDP -> port unreachable (RFC 1812 section 4.3.2.7, 4443 section 3.1 code 4), `saddr` as source;
// rate-limited by the caller (answer_allowed).
bool answer_unreachable(struct rte_mbuf *m, const struct parse_info *pi);
// ARP request or neighbour solicitation for an address of ours on a port without kernel view.
bool answer_neighbour(struct rte_mbuf *m, const struct parse_info *pi, const struct port *p);
// Token bucket per worker for resets and ICMP errors.
bool answer_allowed(struct worker *w);
