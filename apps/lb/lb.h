// SPDX-License-Identifier: BSD-3-Clause
//
// lb - what the worker (lb_svc.c) and the control thread (lb_conf.c, lb_state.c) of sluice-lb share.
//
// struct lb_snapshot is immutable once published (dataplane/core/publish.h). Slots and generations:
// every server and service has a slot (24 bits) for its life and a generation (8 bits) that grows when
// the slot is given to another; flows hold both, so a flow of a deleted server is seen as stale.
// The slot map is kept beside the snapshot on disk, so that flows survive a restart.
#pragma once

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_byteorder.h>

#include "dataplane/ctl/msg.h"
#include "dataplane/flow/flow.h"

#define LB_SLOT_BITS 24
#define LB_SLOT_MASK ((UINT32_C(1) << LB_SLOT_BITS) - 1)
#define LB_CHUNK     256 // servers and services lie in chunks that snapshots share
#define LB_NONE      UINT32_MAX

struct lb_server {
	alignas(64) uint32_t ref; // slot | generation << 24; 0 generation never used: ref 0 = empty
	uint8_t family;           // 4 or 6
	uint8_t takes_new;        // enabled, weight > 0, not down
	uint8_t alive; // its flows go on (drain: yes; down with on-server-down reset: no)
	uint8_t zero;
	uint8_t addr[16];
	rte_be16_t port; // 0: the port that the client asked for
	uint16_t weight;
	uint16_t effective; // weight * LB_WEIGHT_UNIT, less of it during slow start; 1 or more
	uint32_t pool;      // index in lb_snapshot.pool
	uint64_t id;
};

struct lb_local_address {
	uint8_t family;
	uint8_t addr[16];
};

// An address of ours: services (echo is answered) and FULLNAT local addresses
// (packets without a flow are never given to the kernel).
enum lb_own_kind { LB_OWN_SERVICE = 1 << 0, LB_OWN_LOCAL = 1 << 1 };

struct lb_own_address {
	uint8_t family;
	uint8_t kind; // enum lb_own_kind, both where an address is both
	uint8_t len;  // bits of addr that count: less than 32 or 128 for the prefix of a service
	uint16_t
		context; // LB_OWN_SERVICE: of the service; LB_OWN_LOCAL: ignored, holds in every context
	uint8_t addr[16]; // IPv4 in the first four, the rest zero
};

struct lb_local_pool {
	uint16_t port_min, port_max; // host order
	uint32_t count4, count6;
	struct lb_local_address *addr4, *addr6;
};

// Which server gets a new flow (scheduler.h). Schedulers go by lb_server.effective: weight times
// LB_WEIGHT_UNIT, less of it during slow start.
#define LB_WEIGHT_UNIT 20

struct lb_pool;
struct lb_loads;
struct lb_persist;

struct lb_pick {                      // what a pick may look at
	const struct lb_loads *loads; // flows of each server, all workers
	uint32_t *cursor;             // of this worker and pool, starts at 0
	uint64_t hash;                // of what the pool's hash-key says, the same on every node
	uint32_t seed;                // differs from worker to worker
};

struct lb_sched_in {                           // what a pool's schedule is built from
	const struct lb_server *const *member; // all servers, in the order of the pool
	const struct lb_server *const *server; // those that take new flows
	uint32_t members, count;
	const struct lb_pool *before; // the pool as it was, NULL: nothing to share
	const struct lb_loads *loads;
};

struct lb_scheduler {
	const char *name;
	bool hashes; // looks at lb_pick.hash
	// Returns a server slot ref, or LB_NONE. Thread: any worker
	uint32_t (*pick)(const struct lb_pool *pool, const struct lb_pick *in);
	// The flows of a server changed (after lb_load_add, lb_load_sub); NULL: no matter. Thread: any worker
	void (*moved)(const struct lb_pool *pool, const struct lb_loads *loads, uint32_t ref);
	// Build pool->data. 0 or -ENOMEM. Thread: control
	int (*build)(struct lb_pool *pool, const struct lb_sched_in *in);
	void (*fini)(struct lb_pool *pool);
};

struct lb_pool {
	const struct lb_scheduler *scheduler;
	void *data;             // the scheduler's
	uint32_t available;     // servers that take new flows
	uint32_t cursor;        // index of this pool's cursor in each worker's cursor array
	uint8_t on_down;        // enum ctl_on_down
	uint8_t hash_key;       // enum ctl_hash_key
	uint32_t min_available; // with fewer, the backup pool serves
	uint32_t backup;        // index of the backup pool, LB_NONE: none
	uint64_t id;
};

struct lb_service {
	uint32_t ref; // slot | generation << 24
	uint8_t family;
	uint8_t proto;
	uint8_t enabled;
	uint8_t forwarding; // enum ctl_forwarding
	uint16_t context;
	rte_be16_t port;     // 0: any
	rte_be16_t port_max; // of a range; the port itself where it is one alone
	uint8_t prefix_len;  // of addr
	uint8_t proxy;       // enum ctl_proxy
	uint8_t addr[16];
	const struct lb_pool *pool;
	const struct lb_local_pool *local; // NULL: none (NAT)
	uint16_t mss_max;                  // host order; 0: not clamped
	uint8_t persist_len;               // bits of the client's address that count
	uint8_t zero;
	uint32_t persist_ticks; // 0: no persistence
	uint64_t persist_group; // 0: the service alone
	uint64_t id;
};

// Prefix lengths that occur, longest first: [0] IPv4, [1] IPv6.
struct lb_lengths {
	uint8_t count[2];
	uint8_t len[2][129];
};

// Services of one context, protocol and prefix, those of one port on one address apart: ports 0 .. 65535
// cut into ranges, each with the service that has the narrowest one there.
struct lb_span {
	uint8_t family, proto;
	uint16_t context;
	uint8_t len;
	uint8_t addr[16];
	uint32_t count;                          // 1 or more
	const uint16_t *first;                   // host order, ascending from 0
	const struct lb_service *const *service; // by range; NULL: none
};

// All of them, by lb_span_hash(): open addressing as service_hash. Made by lb_spans.c in one allocation.
struct lb_spans {
	struct lb_lengths lengths;
	uint32_t mask;
	const struct lb_span **hash;
};

// What sockets of the node's kernel wait for, as far as it matters to services of any port. Made by lb_listen.c.
struct lb_listener {
	uint8_t family, proto;
	rte_be16_t port;
	uint8_t addr[16];
};

// Where servers of NAT services answer from by TCP, those of one port. Made by lb_sources.c in one allocation.
struct lb_source {
	uint8_t family; // 0: an empty place
	uint8_t zero;
	uint16_t context;
	rte_be16_t port;
	uint8_t addr[16];
};

// Open addressing by lb_service_hash() as TCP.
struct lb_sources {
	uint32_t mask;
	uint32_t count;
	struct lb_source at[];
};

#define LB_PORT_WORDS (65536 / 64)
struct lb_listeners {
	uint64_t any[2][2][LB_PORT_WORDS];  // [UDP][IPv6], a bit for each port: on all addresses
	uint64_t some[2][2][LB_PORT_WORDS]; // on single addresses, which are in `single`
	uint32_t count;
	uint32_t zero;
	struct lb_listener single[]; // sorted by memcmp
};

struct lb_snapshot {
	uint64_t version;
	// Grows with every snapshot published, those for a verdict included; never 0. The same where nothing but
	// listeners differs: flows need not be looked at again then.
	uint64_t serial;
	uint32_t timeout[FLOW_STATE_COUNT]; // clock ticks
	uint32_t quiet_until; // clock ticks: stray packets are dropped silently till then
	// Services of one port on one address by lb_service_hash(): open addressing with linear probing, power
	// of two, at most half full, NULL = empty. Services that are not enabled are in it too: they are
	// refused by name. All others (ranges, any port, prefixes) are in spans.
	uint32_t service_mask;
	const struct lb_service **service_hash;
	uint32_t service_chunks, server_chunks;
	const struct lb_service *const **service; // [chunk][slot % LB_CHUNK], NULL = empty
	const struct lb_server **server;          // [chunk] -> LB_CHUNK servers, ref 0 = empty
	uint32_t pools;
	struct lb_persist *persist; // NULL: no service wants it
	bool nat;     // a service is NAT, or was: pieces to others may be of its flows
	bool watched; // a scheduler wants to know of each flow that comes and goes
	struct lb_pool *const *pool; // by lb_server.pool and lb_pool.backup; NULL = none
	uint32_t
		own_mask; // addresses of ours by lb_own_hash(), same kind of hash, one entry an address
	const struct lb_own_address **own_hash;
	const struct lb_spans *spans;          // NULL: none
	const struct lb_lengths *own_prefixes; // of services in own_hash; NULL: none
	const struct lb_sources *sources;      // NULL: no service is NAT
	const struct lb_listeners *listeners;  // NULL: no service of any port, or nothing waits
};

// Hashes of the two tables above; mask by service_mask or own_mask. addr: 16 bytes, IPv4 in the first
// four and the rest zero. The context is no part of lb_own_hash: entries of several contexts follow
// one another by probing.
static inline uint32_t lb_hash_mix(uint64_t v)
{
	v ^= v >> 32;
	v *= UINT64_C(0x9e3779b97f4a7c15);
	v ^= v >> 29;
	return (uint32_t)(v ^ (v >> 32));
}

static inline uint32_t lb_own_hash(const uint8_t addr[16])
{
	uint64_t w[2];

	__builtin_memcpy(w, addr, 16);
	return lb_hash_mix(w[0] * UINT64_C(0xff51afd7ed558ccd) + w[1]);
}

static inline uint32_t lb_service_hash(uint16_t context, uint8_t proto, const uint8_t addr[16],
				       rte_be16_t port)
{
	return lb_hash_mix(((uint64_t)lb_own_hash(addr) << 32) ^ ((uint64_t)context << 24) ^
			   ((uint64_t)proto << 16) ^ port);
}

static inline uint32_t lb_span_hash(uint16_t context, uint8_t proto, const uint8_t addr[16],
				    uint8_t len)
{
	return lb_service_hash(context, proto, addr, len);
}

// The first `len` bits of addr, 16 bytes; the rest zero.
static inline void lb_mask_address(uint8_t out[16], const uint8_t addr[16], uint8_t len)
{
	__builtin_memset(out, 0, 16);
	__builtin_memcpy(out, addr, len / 8);
	if (len % 8 != 0)
		out[len / 8] = addr[len / 8] & (uint8_t)(0xff00 >> len % 8);
}

// Is it in service_hash?
static inline bool lb_service_exact(const struct lb_service *v)
{
	return v->port != 0 && v->port == v->port_max &&
	       v->prefix_len == (v->family == 4 ? 32 : 128);
}

// Does it take any port of one address? The kernel keeps what its sockets wait for then.
static inline bool lb_service_any_port(const struct lb_service *v)
{
	return v->port == 0 && v->prefix_len == (v->family == 4 ? 32 : 128);
}

// What lb_conf.c makes sure of when it builds: a pool's servers that take new flows are of the family of every
// service that uses it, or the other family's pick is refused (no-server); local pools of a service have
// an address of its family; server[chunk] and service[chunk] are never NULL.

struct lb_counters { // per worker, per service and per server, by slot
	alignas(64) uint64_t new_flows;
	uint64_t ended_flows;
	uint64_t refused;
	uint64_t packets[2]; // by enum flow_dir
	uint64_t bytes[2];
	uint64_t taken;
};

// Flows that live now: begun here or by the process before us, less those that ended. A copy may have caught an
// end whose beginning it missed.
static inline uint64_t lb_active_flows(const struct lb_counters *n)
{
	uint64_t begun = n->new_flows + n->taken;

	return begun > n->ended_flows ? begun - n->ended_flows : 0;
}

struct lb_other_counters {       // per worker: what happened beside the flows
	uint64_t icmp_passed;    // errors translated and forwarded
	uint64_t too_big;        // packets answered: larger than the next hop's MTU
	uint64_t expired;        // packets answered: hop limit reached
	uint64_t mss_clamped;    // SYNs whose MSS was lowered
	uint64_t fragments;      // later ones, forwarded as parts of a datagram
	uint64_t proxy_written;  // PROXY headers, the first of each connection
	uint64_t proxy_repeated; // and those sent again, until the server acknowledged them
	uint64_t routed;         // of no flow, sent on as a router does (lb_route.c)
	uint64_t nat_lost; // from a NAT service's server, of no flow: never sent on (lb_nat.c)
};

// What TCP shows of a server or service; by worker and slot. Only segments that change a flow's state or are
// sent again are counted here: no cost for others.
#define LB_SYN_TIMES 32 // every power of two: a lost SYN alone takes a second
struct lb_tcp_counters {
	alignas(64) uint64_t
		again[2];  // segments with data, SYN or FIN sent once more, by enum flow_dir
	uint64_t answered; // SYNs that the server answered by SYN-ACK
	uint64_t refused;  // and by RST
	uint64_t silent;   // flows whose SYN was sent again, or that ended, before any answer to it
	uint64_t resets[2];               // established connections reset, by who did
	uint64_t syn_us;                  // sum of the times from first SYN to SYN-ACK
	uint32_t syn_times[LB_SYN_TIMES]; // by lb_syn_time()
};

// Which of syn_times a time belongs to: i holds 1 << i .. (2 << i) - 1 us, the first 0 too.
static inline unsigned lb_syn_time(uint32_t us)
{
	return us < 2 ? 0 : 31 - (unsigned)__builtin_clz(us);
}

static inline const struct lb_server *lb_server_get(const struct lb_snapshot *s, uint32_t ref)
{
	uint32_t slot = ref & LB_SLOT_MASK;
	const struct lb_server *v;

	if (slot / LB_CHUNK >= s->server_chunks)
		return NULL;
	v = &s->server[slot / LB_CHUNK][slot % LB_CHUNK];
	return v->ref == ref ? v : NULL;
}

static inline const struct lb_service *lb_service_get(const struct lb_snapshot *s, uint32_t ref)
{
	uint32_t slot = ref & LB_SLOT_MASK;
	const struct lb_service *v;

	if (slot / LB_CHUNK >= s->service_chunks)
		return NULL;
	v = s->service[slot / LB_CHUNK][slot % LB_CHUNK];
	return v != NULL && v->ref == ref ? v : NULL;
}

// Is a destination within the service? It may still be another one's that matches longer. addr: as in a
// packet, of the service's family.
static inline bool lb_service_covers(const struct lb_service *v, const uint8_t *addr,
				     rte_be16_t port)
{
	uint16_t p = rte_be_to_cpu_16(port);
	unsigned bytes = v->prefix_len / 8, bits = v->prefix_len % 8;

	if (p < rte_be_to_cpu_16(v->port) || (v->port != 0 && p > rte_be_to_cpu_16(v->port_max)))
		return false;
	return __builtin_memcmp(addr, v->addr, bytes) == 0 &&
	       (bits == 0 || ((addr[bytes] ^ v->addr[bytes]) >> (8 - bits)) == 0);
}

// The port of a server for a client that asked for port `asked`.
static inline rte_be16_t lb_server_port(const struct lb_server *s, rte_be16_t asked)
{
	return s->port != 0 ? s->port : asked;
}

static inline const struct lb_pool *lb_pool_at(const struct lb_snapshot *s, uint32_t index)
{
	return index < s->pools ? s->pool[index] : NULL;
}

#define LB_BACKUP_CHAIN 8 // pools one behind the other at most, the first included (lb_check.c)

// The pool that serves in place of `pool`: itself, or, while it has too few servers that take new flows, the
// first behind it that has enough; if none has, the first that has any.
static inline const struct lb_pool *lb_pool_serving(const struct lb_snapshot *s,
						    const struct lb_pool *pool)
{
	const struct lb_pool *any = pool;

	for (unsigned i = 0; i < LB_BACKUP_CHAIN && pool != NULL; i++) {
		if (pool->available >= pool->min_available)
			return pool;
		if (any->available == 0)
			any = pool;
		pool = lb_pool_at(s, pool->backup);
	}
	return any;
}

// ---- lb_svc.c: the worker's side -------------------------------------------------------------

struct lb_worker; // per-worker state: flow table, cursors, counters, burst scratch

struct lb_worker_conf {
	struct flow_conf flow;
	const struct lb_loads *loads; // counts of all workers; NULL: nobody counts
	unsigned index;
};

// Make worker state and open its flow table. Errors: those of flow_table_open. Thread: init|control
struct publish;
int lb_worker_create(const struct lb_worker_conf *conf, const struct publish *snapshot,
		     struct lb_worker **out, uint32_t *taken);
void lb_worker_destroy(struct lb_worker *lw);
// How devices spread packets; borrowed. Before the worker has its first source. Thread: control
struct flow_rss;
void lb_worker_set_rss(struct lb_worker *lw, const struct flow_rss *rss);

// Put the flows of the process before us where they belong now: those of the workers' tables, and of `old`, files
// of other tables. spread: a number for how packets are spread; tables that were settled under the same one are
// left as they are. After the first snapshot, before the first source. Thread: control
struct lb_moved {
	uint32_t moved, lost, strangers, unreadable;
};
void lb_worker_settle(struct lb_worker *const *lw, unsigned workers, uint64_t spread,
		      char *const *old, unsigned olds, struct lb_moved *result);

// Make room for counters and cursors of slots and pools up to these (control, before a snapshot with
// them is published; old arrays are retired by RCU). 0 or -ENOMEM.
int lb_worker_reserve(struct lb_worker *lw, uint32_t servers, uint32_t services, uint32_t cursors);

// Source for worker_set_sources: one RX queue (arg = struct lb_rx *).
struct lb_rx {
	struct lb_worker *lw;
	const struct port *port;
	uint16_t queue;
};
struct worker;
unsigned lb_rx_poll(struct worker *w, void *arg);
// Source: packets that other workers handed over (arg = struct lb_worker *; fd = WORKER_FD_WAKES). Needed
// with more than one worker.
unsigned lb_handover_poll(struct worker *w, void *arg);
// Source: ageing (arg = struct lb_worker *; fd = WORKER_FD_TIMER).
unsigned lb_age_poll(struct worker *w, void *arg);

// Counters by slot; NULL when the slot has none. Thread: control (values may be a burst old)
const struct lb_counters *lb_worker_server_counters(const struct lb_worker *lw, uint32_t slot);
const struct lb_counters *lb_worker_service_counters(const struct lb_worker *lw, uint32_t slot);
const struct lb_tcp_counters *lb_worker_server_tcp(const struct lb_worker *lw, uint32_t slot);
const struct lb_tcp_counters *lb_worker_service_tcp(const struct lb_worker *lw, uint32_t slot);

struct lb_persist_counters;
const struct lb_persist_counters *lb_worker_persist_counters(const struct lb_worker *lw);
const struct lb_other_counters *lb_worker_others(const struct lb_worker *lw);
struct frag_counters;
const struct frag_counters *lb_worker_fragments(const struct lb_worker *lw);

struct lb_flow_info { // a copy for operators
	uint8_t family, proto, state;
	uint8_t client[16], service[16], local[16], server[16];
	rte_be16_t client_port, service_port, local_port, server_port;
	uint16_t context;
	uint32_t server_ref, service_ref;
	uint32_t idle_ticks, age_ticks;
	uint64_t packets[2], bytes[2];
	uint16_t nexthop[2];
};
// Walk the live flows; emit returns false to stop. Thread: control
void lb_worker_flows(const struct lb_worker *lw,
		     bool (*emit)(void *ctx, const struct lb_flow_info *f), void *ctx);
uint32_t lb_worker_flow_count(const struct lb_worker *lw);
