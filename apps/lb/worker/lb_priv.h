// SPDX-License-Identifier: BSD-3-Clause
//
// What the worker's files of sluice-lb share: lb_svc.c (bursts and known flows; lb_steer.c: other
// workers' packets; lb_other.c: packets of no flow) -> lb_new.c (first packets) -> lb_match.c (service),
// lb_pick.c (server), lb_local.c (local address and port); lb_worker.c (state, counters, walks).
#pragma once

#include <stdatomic.h>

#include "apps/lb/lb.h"
#include "apps/lb/sched/lb_load.h"
#include "apps/lb/worker/lb_persist.h"
#include "dataplane/core/clock.h"
#include "dataplane/core/handover.h"
#include "dataplane/core/publish.h"
#include "dataplane/core/worker.h"
#include "dataplane/flow/state.h"
#include "dataplane/flow/steer.h"
#include "dataplane/flow/table.h"
#include "dataplane/frag/frag.h"
#include "dataplane/out/bucket.h"
#include "dataplane/out/out.h"
#include "dataplane/port/port.h"
#include "dataplane/trace/trace.h"

#define LB_BURST                                                                                   \
	64 // two of a driver's: the more packets a step has, the more of its cache misses overlap
#define LB_CHUNKS ((LB_SLOT_MASK + 1) / LB_CHUNK)

// Where the next local address and port towards a server are looked for.
struct lb_local_cursor {
	uint32_t address; // index in the pool
	uint32_t port;    // host order; where RSS is known a count of turns; 0: not started
};

struct lb_server_chunk {
	struct lb_counters count[LB_CHUNK];
	struct lb_tcp_counters tcp[LB_CHUNK];
	struct lb_local_cursor local[LB_CHUNK];
};

struct lb_service_chunk {
	struct lb_counters count[LB_CHUNK];
	struct lb_tcp_counters tcp[LB_CHUNK];
};

// A connection that a server of a NAT service has begun from a port it serves on.
#define LB_NAT_OWN 4096
struct lb_nat_own {
	uint32_t tag;  // of its tuple's hash; 0: free
	uint32_t seen; // clock ticks
};

// A fragment of the burst, dealt with after the packets of flows.
struct lb_late {
	struct rte_mbuf *m;
	struct parse_info pi;
};

struct lb_worker {
	// owner worker: rw
	alignas(64) struct flow_table *table;
	const struct publish *publish;
	const struct lb_snapshot *snap; // of this burst; never NULL, may be gone after it
	const struct out_view *view;    // of this burst
	uint64_t serial;                // snapshot and view to which `epoch` belongs
	uint16_t view_generation;
	uint16_t epoch;       // flow.view_generation of flows verified under both; never 0
	bool trace;           // of this burst
	bool handed;          // this burst's packets stay here: handed over, or there is one worker
	uint32_t quiet_until; // of the last burst's snapshot
	bool quiet_over; // the quiet time after the start has passed: its clock comparison may wrap later
	unsigned index;
	// control: appends chunks, worker: follows them once a snapshot names their slots
	struct lb_server_chunk *_Atomic *server;
	struct lb_service_chunk *_Atomic *service;
	uint32_t *_Atomic *cursor;            // of pools
	uint32_t server_slots, service_slots; // reserved; control
	bool taken_counted;                   // control
	const struct lb_loads *loads;
	struct lb_persist_counters persist; // owner worker: rw
	struct flow_steer steer;
	struct lb_strangers *strangers; // NULL: none; all workers share it
	// packets of no common kind; owner worker
	struct frag_table *frag;
	struct out_bucket icmp;          // errors passed on
	struct lb_nat_own *nat_own;      // LB_NAT_OWN of them
	struct lb_other_counters others; // control: ro
	// scratch of one burst, owner worker
	alignas(64) struct parse_info pi[LB_BURST];
	struct flow_key key[LB_BURST];
	uint8_t miss[LB_BURST];
	uint8_t lates;
	struct lb_late late[LB_BURST];
};

// lb_worker.c
//
// Counters of a slot, or a scrap block for a slot that has none (taken over from a hostile file).
struct lb_counters *lb_server_count(struct lb_worker *lw, uint32_t ref);
struct lb_counters *lb_service_count(struct lb_worker *lw, uint32_t ref);
struct lb_tcp_counters *lb_server_tcp(struct lb_worker *lw, uint32_t ref);
struct lb_tcp_counters *lb_service_tcp(struct lb_worker *lw, uint32_t ref);
// Count that a flow ended, then delete it.
void lb_flow_end(struct lb_worker *lw, uint32_t index);

// lb_svc.c
//
// Move a packet of a verified flow on: count, rewrite, forward. ref: with direction.
void lb_forward(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m,
		const struct parse_info *pi, uint32_t ref);
// Take the snapshot and view in force, as each burst does: for work between bursts (worker_call).
void lb_look(struct lb_worker *lw);
// A packet of a flow that lb_find found, all checks included. Returns: false if the flow is gone and the
// packet is to be treated as missed.
bool lb_known(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m,
	      const struct parse_info *pi, uint32_t ref);

// A later fragment (no ports) of a datagram of flow ref. As lb_known.
bool lb_known_later(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m,
		    const struct parse_info *pi, uint32_t ref);

// lb_other.c
//
bool lb_is_echo(const struct parse_info *pi); // an echo request, or the first fragment of one
// Deal with a packet that cannot be of a flow: ARP, ICMP, fragments, other protocols.
void lb_other(struct lb_worker *lw, struct worker *w, const struct port *port, struct rte_mbuf *m,
	      const struct parse_info *pi);

// lb_route.c
//
// A packet that is of no flow and starts none: to the kernel, or, where that cannot have it, on its way.
void lb_not_ours(struct lb_worker *lw, struct worker *w, const struct port *port,
		 struct rte_mbuf *m, const struct parse_info *pi);

// lb_nat.c
//
// Is this the address and port of a server of a NAT service? addr: in the packet.
bool lb_nat_serves(const struct lb_snapshot *s, uint16_t context, uint8_t family, uint8_t proto,
		   const uint8_t *addr, rte_be16_t port);
// A TCP or UDP packet to no service, of no flow (hash: of its tuple): is it the rest of a NAT flow that is lost, and
// must not leave with its server's address? Remembers connections that servers begin.
bool lb_nat_lost(struct lb_worker *lw, const struct worker *w, const struct port *port,
		 const uint8_t *ip, const struct parse_info *pi, uint64_t hash);
// Drop or answer such a packet.
void lb_nat_refuse(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m,
		   const struct parse_info *pi);

// lb_frag.c
//
// The burst's fragments that are for addresses of ours.
void lb_fragments(struct lb_worker *lw, struct worker *w, const struct port *port);
// Called by the table for a fragment that has waited; ctx: the worker.
void lb_fragment_dropped(void *ctx, struct rte_mbuf *m, enum drop_reason reason);

// lb_icmp.c
//
// An ICMP error to an address of ours: pass it to the other side of the flow that it is about.
void lb_icmp_error(struct lb_worker *lw, struct worker *w, const struct port *port,
		   struct rte_mbuf *m, const struct parse_info *pi,
		   const struct lb_own_address *own);
bool lb_is_icmp_error(const struct parse_info *pi);
// The hop limit of a packet of a service is reached: say so to its sender.
void lb_expired(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m,
		const struct parse_info *pi);
// out_too_big (dataplane/out/out.h) of this application.
void lb_too_big(struct worker *w, struct rte_mbuf *m, const struct parse_info *pi, uint16_t mtu);
// lb_too_big finds a worker's state by its index, from when on until when. Thread: control
void lb_icmp_begin(struct lb_worker *lw);
void lb_icmp_end(const struct lb_worker *lw);

// lb_mss.c
//
// Lower the MSS option of a SYN (RFC 9293 section 3.7.1) to at most `max`, checksum included. l4: its header.
// Returns: true if it was larger.
bool lb_mss_clamp(uint8_t *l4, const struct parse_info *pi, uint16_t max);

// lb_steer.c
//
// Addresses and ports of a TCP or UDP packet; or, of an ICMP error, of the answer to its inner packet (the
// inner tuple turned round).
struct lb_tuple {
	uint16_t context;
	uint8_t family, proto;
	rte_be16_t sport, dport;
	const uint8_t *src, *dst;
};
// The worker that owns packets of this tuple: its index, which may be this one's. Pure but for the
// snapshot of this burst.
unsigned lb_owner(const struct lb_worker *lw, const struct lb_tuple *t);
// Give m to worker `to`, another one, counted; drop it (handover-full) when that one's ring is full.
// There it comes in a burst with lw->handed.
void lb_give(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m, unsigned to);
// Hand packet m (TCP or UDP) to the worker that owns it. Returns: false if that is this one.
bool lb_hand_over(struct lb_worker *lw, struct worker *w, const struct port *port,
		  struct rte_mbuf *m, const struct parse_info *pi);

// lb_move.c
//
// Owner of a reply whose local port names another worker; -1: none such is known.
int lb_stranger_owner(const struct lb_strangers *s, const struct lb_tuple *t);

// lb_clear.c
//
// A packet of a flow that an operator has ended: its sender is reset. Returns: false if the packet starts
// another connection: the flow is gone then, and it is to be treated as missed.
bool lb_cleared(struct lb_worker *lw, struct worker *w, struct rte_mbuf *m,
		const struct parse_info *pi, uint32_t ref);

// lb_new.c
//
// Packets `miss[0 .. n - 1]` of the burst (indices of pkts, lw->pi, lw->key): TCP or UDP without a flow.
void lb_new_burst(struct lb_worker *lw, struct worker *w, const struct port *port,
		  struct rte_mbuf **pkts, unsigned n);

// The service that a TCP or UDP packet without a flow is for, addresses of the node itself left out of prefixes;
// NULL: none, it is the kernel's unless it is to a local address.
const struct lb_service *lb_service_of(const struct lb_worker *lw, const struct port *port,
				       const uint8_t *ip, const struct parse_info *pi);

// lb_match.c
//
// The service that a TCP or UDP packet (ip: its header) is for, or NULL.
const struct lb_service *lb_match(const struct lb_snapshot *s, const struct port *port,
				  const uint8_t *ip, const struct parse_info *pi);

// The service of a destination. addr: in the packet.
const struct lb_service *lb_match_address(const struct lb_snapshot *s, uint16_t context,
					  uint8_t family, uint8_t proto, const uint8_t *addr,
					  rte_be16_t port);

// Address of ours, or NULL; a single one goes before a prefix. addr: in the packet.
const struct lb_own_address *lb_own_find(const struct lb_snapshot *s, uint16_t context,
					 uint8_t family, const uint8_t *addr);

// lb_pick.c
//
// The server that a new flow of this service gets at clock tick `now`, or NULL. The flow counts for it from now on: if it does
// not come about, lb_pick_undo() takes it back.
const struct lb_server *lb_pick(struct lb_worker *lw, const struct lb_service *service,
				const uint8_t *ip, const struct parse_info *pi, uint32_t now);
void lb_pick_undo(struct lb_worker *lw, uint32_t server);
// Which one lb_pick() would give, and why; nothing moves, nothing is counted or remembered.
struct lb_pick_look {
	const struct lb_pool *pool; // that serves
	bool persistent;            // the service remembers servers of clients ...
	bool remembered;            // ... and had one for this client
};
const struct lb_server *lb_pick_look(struct lb_worker *lw, const struct lb_service *service,
				     const uint8_t *ip, const struct parse_info *pi, uint32_t now,
				     struct lb_pick_look *look);
// A flow of the server began or ended.
void lb_pick_moved(struct lb_worker *lw, uint32_t server, bool began);

// lb_local.c
//
// Next candidate towards a server; moves the cursor. Returns: its address, NULL if the pool has none of
// the family or no port of this worker. *port is in host order.
const struct lb_local_address *lb_local_next(const struct lb_worker *lw,
					     const struct lb_local_pool *pool,
					     const struct lb_server *server, rte_be16_t server_port,
					     struct lb_local_cursor *cursor, uint16_t *port);

static inline struct lb_server_chunk *lb_server_chunk(const struct lb_worker *lw, uint32_t ref)
{
	return atomic_load_explicit(&lw->server[(ref & LB_SLOT_MASK) / LB_CHUNK],
				    memory_order_relaxed);
}

static inline struct lb_service_chunk *lb_service_chunk(const struct lb_worker *lw, uint32_t ref)
{
	return atomic_load_explicit(&lw->service[(ref & LB_SLOT_MASK) / LB_CHUNK],
				    memory_order_relaxed);
}

// Addresses in an IP header.
static inline const uint8_t *lb_source(const uint8_t *ip, const struct parse_info *pi)
{
	return ip + (pi->flags & PARSE_IPV4 ? 12 : 8);
}

static inline const uint8_t *lb_destination(const uint8_t *ip, const struct parse_info *pi)
{
	return ip + (pi->flags & PARSE_IPV4 ? 16 : 24);
}

// The sender claims to be the address it sends to.
static inline bool lb_is_land(const uint8_t *ip, const struct parse_info *pi)
{
	return memcmp(lb_source(ip, pi), lb_destination(ip, pi), pi->flags & PARSE_IPV4 ? 4 : 16) ==
	       0;
}

// Numbers of a TCP segment. ip: its header.
static inline struct flow_tcp_segment lb_segment(const uint8_t *ip, const struct parse_info *pi)
{
	uint32_t skip = (uint32_t)pi->l4_off - pi->l3_off;

	return flow_tcp_read(ip + skip, pi->l3_len - skip);
}

// Clock of the time from SYN to SYN-ACK: as fine as a turn of the worker, 32 bits for minutes.
#define LB_SYN_CLOCK_SHIFT 8
static inline uint32_t lb_syn_clock(const struct worker *w)
{
	return (uint32_t)(w->now_tsc >> LB_SYN_CLOCK_SHIFT);
}

// Shortly after a start flows may be lost for a moment only, or live on another node.
static inline bool lb_is_quiet(const struct lb_worker *lw, const struct worker *w)
{
	return !lw->quiet_over && (int32_t)(lw->snap->quiet_until - w->now_ticks) > 0;
}

static inline void lb_note(struct lb_worker *lw, struct worker *w, const struct rte_mbuf *m,
			   enum trace_stage stage, uint32_t detail)
{
	if (unlikely(lw->trace))
		trace_note(w, m, stage, detail);
}
