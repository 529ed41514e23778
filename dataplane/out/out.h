// SPDX-License-Identifier: BSD-3-Clause
//
// out - where packets leave: next hops and routes mirrored from the kernel, hold queues for unresolved
// neighbours, per-port TX buffers, answers, punts and the freeing of drops.
//
// route.c and neigh.c are filled by mirror.c (netlink, control thread) and published whole as one
// struct out_view (view.h); tx.c is the worker's side.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "dataplane/core/drop.h"
#include "dataplane/core/worker.h"
#include "dataplane/out/tx.h"
#include "dataplane/out/view.h"
#include "dataplane/parse/parse.h"
#include "dataplane/port/port.h"

struct loop;

// Start the mirror on the loop: dump, then follow links, addresses, routes and neighbours of the
// namespace. Point-to-point ports add their prefixes by out_prefix_set().
// Call after worker_init(). Errors: -ENOMEM, -EPERM, -EIO. Thread: init
int out_init(struct loop *l);
void out_fini(void);
int out_prefix_set(const struct ctl_prefix *prefixes, unsigned count); // Thread: control
void out_ports_changed(void); // ports were opened or closed. Thread: control

// ---- the worker's side: each packet goes to exactly one of these and is counted there ----------

// out_forward(w, m, pi, nexthop): tx.h, inline. nexthop 0 is dropped as NO_ROUTE.
//
// A packet larger than the next hop's MTU: IPv4 that may be fragmented is (split.c; the first piece counts
// as the packet, the others as made). About any other the app answers its sender: it takes the packet,
// which is as it gave it to out_forward(). NULL: dropped as MTU. Set before workers start.
extern void (*out_too_big)(struct worker *w, struct rte_mbuf *m, const struct parse_info *pi,
			   uint16_t mtu);

// Identifications of this worker for datagrams that leave in fragments. Thread: owner worker
struct frag_ids;
struct frag_ids *out_ids(struct worker *w);

// Send back on the port it came from, addresses already turned round by answer.c. A tag that the NIC
// took off is put back.
void out_answer(struct worker *w, struct rte_mbuf *m);

// A packet we made ourselves (reset of a dead server's flow): an IPv4 or IPv6 packet with 14 bytes of
// Ethernet header before it, ether type set; sent like out_forward. Counted `made` once sent, `made_lost`
// otherwise: it stands outside the sum.
void out_made(struct worker *w, struct rte_mbuf *m, uint16_t nexthop);

// Give to the kernel through the shadow TAP of its port (policed: ARP/ND first); dropped if the port
// has no kernel view.
void out_punt(struct worker *w, struct rte_mbuf *m, const struct parse_info *pi);

void out_drop(struct worker *w, struct rte_mbuf *m, enum drop_reason reason);

// Packet that came from the kernel's TAP: tag and send on the parent port. Counted `forwarded` (so the
// caller has counted it as received).
void out_from_kernel(struct worker *w, struct rte_mbuf *m, const struct port *tap);

// Send all buffers. Once per turn. Thread: owner worker
void out_flush(struct worker *w);

// Source for worker_set_sources, one a worker, fd OUT_POLL_FD: hold queues' deadline and wake-up; arg
// is not used. Thread: owner worker
#define OUT_POLL_FD WORKER_FD_WAKES
unsigned out_poll(struct worker *w, void *arg);

// ---- answer.c: turn a request into its answer in place; false: not possible, the caller drops (the
// packet may be changed then). A tag stays; bytes after what is answered are cut off. Thread: owner worker

// ICMP/ICMPv6 echo request -> reply (RFC 792, 4443 section 4.2), checksum by delta. Of a request in
// fragments this is for the first, answer_echo_later() for the others.
bool answer_echo(struct rte_mbuf *m, const struct parse_info *pi);
bool answer_echo_later(struct rte_mbuf *m, const struct parse_info *pi);
// TCP segment -> reset (RFC 9293 section 3.10.7.1). Data is cut off.
bool answer_reset(struct rte_mbuf *m, const struct parse_info *pi);
// UDP -> port unreachable (RFC 1812 section 4.3.2.7, 4443 section 3.1 code 4) from the address it was
// sent to, quoting as much as the first segment holds; rate-limited by the caller (answer_allowed).
bool answer_unreachable(struct rte_mbuf *m, const struct parse_info *pi);
// Larger than the next hop can carry -> fragmentation needed, or packet too big, with that MTU (RFC 1191
// section 4, RFC 4443 section 3.2); hop limit reached -> time exceeded (RFC 1812 section 5.3.1, RFC 4443
// section 3.3; the latter also about an echo request). Otherwise as answer_unreachable. A first fragment is answered too.
bool answer_too_big(struct rte_mbuf *m, const struct parse_info *pi, uint16_t mtu);
bool answer_time_exceeded(struct rte_mbuf *m, const struct parse_info *pi);
// Whom an ARP request or neighbour solicitation asks for; false if it is none, or a wrong one. addr: 16
// bytes, IPv4 in the first four. The caller decides whether that is one of ours.
bool answer_neighbour_target(const struct rte_mbuf *m, const struct parse_info *pi, uint8_t *family,
			     uint8_t addr[16]);
// Answer it with the port's MAC (RFC 826, RFC 4861 section 7.2.4): on ports without kernel view.
bool answer_neighbour(struct rte_mbuf *m, const struct parse_info *pi, const struct port *p);
// Token bucket per worker for resets and ICMP errors.
bool answer_allowed(struct worker *w);
