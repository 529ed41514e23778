// SPDX-License-Identifier: BSD-3-Clause
//
// net_priv - what the files of this folder share.
//
//	walk.c     the touched entries of a diff -> one struct net_delta: old and new record of each
//	records.c  one entry of YANG -> its records: interfaces; helpers for leaves and addresses
//	lb.c       the same for the entries of a load balancer
//	link.c     a link between two apps as a port of each
//	store.c    all records of the configuration as intended, and the indices over them
//	overlap.c  which of two services gets a packet that both could have
//	index.c    checks across entries, on the store with the delta put in
//	contexts.c services in a context that no port carries
//	path.c     a record -> the instance path of its entry or leaf
//	refusal.c  what an app says of a record -> path, tag, sentence
//	apps.c     what is sent to which app, and when: transaction, resync
//	strays.c   apps that left the configuration while they and the daemon were away
//	state.c    what apps say of themselves -> the data tree
//	alarm.c    what operators should know
//	net.c      the five calls
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "control/net/net.h"
#include "control/txn/txn.h"
#include "dataplane/ctl/msg.h"

struct link;
struct lyd_value;
struct lysc_node;
struct net_delta;
struct net_entry;

// ---- schema (records.c) ----------------------------------------------------------------------

// Every list and leaf that is read, found once. S(symbol, path)
#define NET_SCHEMA_INTERFACES "/ietf-interfaces:interfaces/interface"
#define NET_SCHEMA_PORT       NET_SCHEMA_INTERFACES "/sluice-port:port"
#define NET_SCHEMA_LB         "/sluice-lb:load-balancers/load-balancer"
#define NET_SCHEMA_LPOOL      NET_SCHEMA_LB "/local-address-pools/local-address-pool"
#define NET_SCHEMA_POOL       NET_SCHEMA_LB "/pools/pool"
#define NET_SCHEMA_SERVER     NET_SCHEMA_POOL "/servers/server"
#define NET_SCHEMA_SERVICE    NET_SCHEMA_LB "/services/service"
#define NET_SCHEMA_LINK       "/sluice-port:links/link"
#define NET_SCHEMA_LIST(S)                                                                         \
	S(INTERFACE, NET_SCHEMA_INTERFACES)                                                        \
	S(IF_NAME, NET_SCHEMA_INTERFACES "/name")                                                  \
	S(IF_TYPE, NET_SCHEMA_INTERFACES "/type")                                                  \
	S(IF_ENABLED, NET_SCHEMA_INTERFACES "/enabled")                                            \
	S(PORT, NET_SCHEMA_PORT)                                                                   \
	S(PORT_OWNER, NET_SCHEMA_PORT "/owner")                                                    \
	S(PORT_DEVICE, NET_SCHEMA_PORT "/device")                                                  \
	S(PORT_CONTEXT, NET_SCHEMA_PORT "/context")                                                \
	S(PORT_QUEUES, NET_SCHEMA_PORT "/queues")                                                  \
	S(PORT_MTU, NET_SCHEMA_PORT "/mtu")                                                        \
	S(PORT_MAC, NET_SCHEMA_PORT "/mac")                                                        \
	S(PORT_PEER_MAC, NET_SCHEMA_PORT "/peer-mac")                                              \
	S(PORT_PREFIX, NET_SCHEMA_PORT "/prefix")                                                  \
	S(PORT_PCI, NET_SCHEMA_PORT "/pci-address")                                                \
	S(PORT_TAP, NET_SCHEMA_PORT "/tap")                                                        \
	S(BOND_MODE, NET_SCHEMA_PORT "/bond/mode")                                                 \
	S(BOND_MEMBER, NET_SCHEMA_PORT "/bond/member")                                             \
	S(PORT_VLAN, NET_SCHEMA_PORT "/vlan")                                                      \
	S(VLAN_VID, NET_SCHEMA_PORT "/vlan/vid")                                                   \
	S(VLAN_TAP, NET_SCHEMA_PORT "/vlan/tap")                                                   \
	S(MEMIF_ROLE, NET_SCHEMA_PORT "/memif/role")                                               \
	S(MEMIF_ID, NET_SCHEMA_PORT "/memif/id")                                                   \
	S(MEMIF_SOCKET, NET_SCHEMA_PORT "/memif/socket")                                           \
	S(PCAP_RX, NET_SCHEMA_PORT "/pcap/rx-file")                                                \
	S(PCAP_TX, NET_SCHEMA_PORT "/pcap/tx-file")                                                \
	S(PCAP_INFINITE, NET_SCHEMA_PORT "/pcap/infinite")                                         \
	S(LB, NET_SCHEMA_LB)                                                                       \
	S(LB_NAME, NET_SCHEMA_LB "/name")                                                          \
	S(FLOW_SIZE, NET_SCHEMA_LB "/flow-table/size")                                             \
	S(FLOW_SIZE6, NET_SCHEMA_LB "/flow-table/ipv6-size")                                       \
	S(PERSIST_SIZE, NET_SCHEMA_LB "/persistence-table/size")                                   \
	S(T_SYN, NET_SCHEMA_LB "/timeouts/tcp-syn")                                                \
	S(T_ESTABLISHED, NET_SCHEMA_LB "/timeouts/tcp-established")                                \
	S(T_CLOSING, NET_SCHEMA_LB "/timeouts/tcp-closing")                                        \
	S(T_UDP, NET_SCHEMA_LB "/timeouts/udp")                                                    \
	S(T_QUIET, NET_SCHEMA_LB "/timeouts/restart-quiet")                                        \
	S(LPOOL, NET_SCHEMA_LPOOL)                                                                 \
	S(LPOOL_NAME, NET_SCHEMA_LPOOL "/name")                                                    \
	S(LPOOL_ADDRESS, NET_SCHEMA_LPOOL "/address")                                              \
	S(LPOOL_MIN, NET_SCHEMA_LPOOL "/port-min")                                                 \
	S(LPOOL_MAX, NET_SCHEMA_LPOOL "/port-max")                                                 \
	S(POOL, NET_SCHEMA_POOL)                                                                   \
	S(POOL_NAME, NET_SCHEMA_POOL "/name")                                                      \
	S(POOL_SCHEDULER, NET_SCHEMA_POOL "/scheduler")                                            \
	S(POOL_HASH_KEY, NET_SCHEMA_POOL "/hash-key")                                              \
	S(POOL_SLOW_START, NET_SCHEMA_POOL "/slow-start")                                          \
	S(POOL_DRAIN, NET_SCHEMA_POOL "/drain-timeout")                                            \
	S(POOL_BACKUP, NET_SCHEMA_POOL "/backup-pool")                                             \
	S(POOL_MIN_AVAILABLE, NET_SCHEMA_POOL "/min-available")                                    \
	S(POOL_ON_DOWN, NET_SCHEMA_POOL "/on-server-down")                                         \
	S(CHECK_TYPE, NET_SCHEMA_POOL "/health-check/type")                                        \
	S(CHECK_PORT, NET_SCHEMA_POOL "/health-check/port")                                        \
	S(CHECK_INTERVAL, NET_SCHEMA_POOL "/health-check/interval")                                \
	S(CHECK_TIMEOUT, NET_SCHEMA_POOL "/health-check/timeout")                                  \
	S(CHECK_RISE, NET_SCHEMA_POOL "/health-check/rise")                                        \
	S(CHECK_FALL, NET_SCHEMA_POOL "/health-check/fall")                                        \
	S(HTTP_PATH, NET_SCHEMA_POOL "/health-check/http/path")                                    \
	S(HTTP_HOST, NET_SCHEMA_POOL "/health-check/http/host")                                    \
	S(HTTP_MIN, NET_SCHEMA_POOL "/health-check/http/status-min")                               \
	S(HTTP_MAX, NET_SCHEMA_POOL "/health-check/http/status-max")                               \
	S(HTTP_BODY, NET_SCHEMA_POOL "/health-check/http/body-match")                              \
	S(TLS_NAME, NET_SCHEMA_POOL "/health-check/tls/server-name")                               \
	S(TLS_VERIFY, NET_SCHEMA_POOL "/health-check/tls/verify")                                  \
	S(TLS_CA, NET_SCHEMA_POOL "/health-check/tls/ca-file")                                     \
	S(UDP_SEND, NET_SCHEMA_POOL "/health-check/udp/send")                                      \
	S(UDP_EXPECT, NET_SCHEMA_POOL "/health-check/udp/expect")                                  \
	S(AGENT, NET_SCHEMA_POOL "/health-check/agent")                                            \
	S(AGENT_PORT, NET_SCHEMA_POOL "/health-check/agent/port")                                  \
	S(AGENT_INTERVAL, NET_SCHEMA_POOL "/health-check/agent/interval")                          \
	S(PASSIVE, NET_SCHEMA_POOL "/health-check/passive")                                        \
	S(PASSIVE_FAILURES, NET_SCHEMA_POOL "/health-check/passive/failures")                      \
	S(PASSIVE_HOLD, NET_SCHEMA_POOL "/health-check/passive/hold")                              \
	S(DAMPING, NET_SCHEMA_POOL "/health-check/damping")                                        \
	S(DAMPING_CHANGES, NET_SCHEMA_POOL "/health-check/damping/changes")                        \
	S(DAMPING_WINDOW, NET_SCHEMA_POOL "/health-check/damping/window")                          \
	S(DAMPING_HOLD, NET_SCHEMA_POOL "/health-check/damping/hold")                              \
	S(SERVERS, NET_SCHEMA_POOL "/servers")                                                     \
	S(SERVER, NET_SCHEMA_SERVER)                                                               \
	S(SERVER_NAME, NET_SCHEMA_SERVER "/name")                                                  \
	S(SERVER_ADDRESS, NET_SCHEMA_SERVER "/address")                                            \
	S(SERVER_PORT, NET_SCHEMA_SERVER "/port")                                                  \
	S(SERVER_WEIGHT, NET_SCHEMA_SERVER "/weight")                                              \
	S(SERVER_ADMIN, NET_SCHEMA_SERVER "/admin-state")                                          \
	S(SERVICE, NET_SCHEMA_SERVICE)                                                             \
	S(SERVICE_NAME, NET_SCHEMA_SERVICE "/name")                                                \
	S(SERVICE_ADDRESS, NET_SCHEMA_SERVICE "/address")                                          \
	S(SERVICE_PORT, NET_SCHEMA_SERVICE "/port")                                                \
	S(SERVICE_PREFIX_LEN, NET_SCHEMA_SERVICE "/prefix-length")                                 \
	S(SERVICE_PORT_MAX, NET_SCHEMA_SERVICE "/port-max")                                        \
	S(SERVICE_PROTOCOL, NET_SCHEMA_SERVICE "/protocol")                                        \
	S(SERVICE_CONTEXT, NET_SCHEMA_SERVICE "/context")                                          \
	S(SERVICE_ENABLED, NET_SCHEMA_SERVICE "/enabled")                                          \
	S(SERVICE_POOL, NET_SCHEMA_SERVICE "/pool")                                                \
	S(SERVICE_LPOOL, NET_SCHEMA_SERVICE "/local-address-pool")                                 \
	S(SERVICE_FORWARDING, NET_SCHEMA_SERVICE "/forwarding")                                    \
	S(SERVICE_PROXY, NET_SCHEMA_SERVICE "/proxy-protocol")                                     \
	S(SERVICE_MSS, NET_SCHEMA_SERVICE "/mss-clamp")                                            \
	S(PERSIST, NET_SCHEMA_SERVICE "/persistence")                                              \
	S(PERSIST_TIMEOUT, NET_SCHEMA_SERVICE "/persistence/timeout")                              \
	S(PERSIST_LEN4, NET_SCHEMA_SERVICE "/persistence/ipv4-prefix-length")                      \
	S(PERSIST_LEN6, NET_SCHEMA_SERVICE "/persistence/ipv6-prefix-length")                      \
	S(PERSIST_GROUP, NET_SCHEMA_SERVICE "/persistence/group")                                  \
	S(LINK, NET_SCHEMA_LINK)                                                                   \
	S(LINK_NAME, NET_SCHEMA_LINK "/name")                                                      \
	S(LINK_MTU, NET_SCHEMA_LINK "/mtu")                                                        \
	S(LINK_A, NET_SCHEMA_LINK "/a")                                                            \
	S(LINK_A_OWNER, NET_SCHEMA_LINK "/a/owner")                                                \
	S(LINK_A_CONTEXT, NET_SCHEMA_LINK "/a/context")                                            \
	S(LINK_A_ADDRESS4, NET_SCHEMA_LINK "/a/ipv4-address")                                      \
	S(LINK_A_ADDRESS6, NET_SCHEMA_LINK "/a/ipv6-address")                                      \
	S(LINK_A_PREFIX, NET_SCHEMA_LINK "/a/prefix")                                              \
	S(LINK_B, NET_SCHEMA_LINK "/b")                                                            \
	S(LINK_B_OWNER, NET_SCHEMA_LINK "/b/owner")                                                \
	S(LINK_B_CONTEXT, NET_SCHEMA_LINK "/b/context")                                            \
	S(LINK_B_ADDRESS4, NET_SCHEMA_LINK "/b/ipv4-address")                                      \
	S(LINK_B_ADDRESS6, NET_SCHEMA_LINK "/b/ipv6-address")                                      \
	S(LINK_B_PREFIX, NET_SCHEMA_LINK "/b/prefix")

enum net_schema {
#define NET_SCHEMA_ENUM(sym, path) NS_##sym,
	NET_SCHEMA_LIST(NET_SCHEMA_ENUM)
#undef NET_SCHEMA_ENUM
		NS_COUNT
};

// Find all of them in ctx. Returns 0 or -ENOENT (said in the log: a model is not loaded).
int net_schema_init(const struct ly_ctx *ctx);
const struct lysc_node *net_schema(enum net_schema s);

// The node of schema s below entry (any depth without lists between), NULL if it is not there.
const struct lyd_node *net_node(const struct lyd_node *entry, enum net_schema s);
// Its canonical value, or that of the schema's default, or NULL. Good as long as node and context.
// entry NULL: the default.
const char *net_text(const struct lyd_node *entry, enum net_schema s);
// The same as a number; dflt where there is neither value nor default.
uint64_t net_number(const struct lyd_node *entry, enum net_schema s, uint64_t dflt);
bool net_true(const struct lyd_node *entry, enum net_schema s);

// An address or a prefix (host bits cleared). False: not one.
bool net_addr_parse(const char *text, struct ctl_addr *out);
bool net_addr_text(const struct ctl_addr *a, char *buf, size_t size, bool with_len);
static inline unsigned net_family(const struct ctl_addr *a)
{
	return a->family == 6;
}

// ---- record ids (id.c) -----------------------------------------------------------------------

extern uint64_t net_id_mask; // all ones; tests narrow it to meet collisions

// Stable for ever: never change what goes in. Up to three names; NULL ends.
uint64_t net_id(uint16_t type, const char *a, const char *b, const char *c);

// ---- store (store.c) -------------------------------------------------------------------------

// An app, by its instance name. Exists while records, a link or an open change name it.
struct net_inst {
	TAILQ_ENTRY(net_inst) next; // in order of names
	char name[CTL_NAME];
	TAILQ_HEAD(, net_entry) entries;
	size_t entry_count;
	bool configured;     // there is a load-balancer entry
	struct net_app *app; // apps.c; NULL without a link
};
TAILQ_HEAD(net_inst_list, net_inst);

// One record of the intended configuration.
struct net_entry {
	struct net_entry *chain;     // hash by (inst, type, id)
	TAILQ_ENTRY(net_entry) next; // of the instance
	struct net_inst *inst;
	uint32_t mark; // the delta that touches it ...
	uint32_t item; // ... and where there
	bool sent;     // false: holds its claims, but the app is not told (interface not enabled)
	struct ctl_rec rec[];
};

struct net_inst_list *net_store_insts(void);
struct net_inst *net_store_inst(const char *name);     // NULL if none
struct net_inst *net_store_inst_get(const char *name); // made if none; NULL: out of memory
void net_store_inst_tidy(void);                        // free those that nothing names
void net_store_clear(void);

struct net_entry *net_store_find(const struct net_inst *inst, uint16_t type, uint64_t id);
void net_store_add(struct net_entry *e);
void net_store_remove(struct net_entry *e);

struct net_entry *net_entry_new(struct net_inst *inst, bool sent, const struct ctl_rec *rec);
const char *net_entry_name(const struct net_entry *e); // the name inside its record, or ""

// Keys under which entries are found; any number of entries may have the same one.
#define NET_KEY_MAX 160
enum net_key_kind {
	NET_KEY_SERVICE = 1,  // context, protocol, address, port
	NET_KEY_SERVICE_ADDR, // address
	NET_KEY_LOCAL,        // address
	NET_KEY_SERVER_ADDR,  // address
	NET_KEY_DEVICE,       // name of a kernel device: AF_XDP interface, TAP, VLAN's TAP
	NET_KEY_MEMIF,        // socket, id, role
	NET_KEY_FILE,         // file written by pcap
	NET_KEY_OF_POOL,      // services that name this pool
	NET_KEY_OF_LPOOL,     // services that name this local pool
	NET_KEY_BACKUP_OF,    // pools that name this pool as their backup
};
struct net_key {
	uint8_t size;
	uint8_t bytes[NET_KEY_MAX];
};
// The keys of an entry. Returns how many.
#define NET_KEYS       (1 + CTL_BOND_MEMBERS)
#define NET_BACKUP_MAX 8 // backups that follow one another
unsigned net_keys(const struct net_entry *e, struct net_key keys[NET_KEYS]);
void net_key_of_pool(struct net_key *k, const struct net_inst *inst, enum net_key_kind kind,
		     uint64_t id);
void net_key_addr(struct net_key *k, enum net_key_kind kind, const struct ctl_addr *a);
// Walk the entries that have this key: *pos starts as NULL.
struct net_entry *net_key_next(const struct net_key *k, void **pos);

// Servers of a pool, addresses of a local pool, by family; kept by add and remove.
struct net_count {
	uint32_t n[2];    // 0: IPv4, 1: IPv6
	uint32_t mark[2]; // index.c: checked for this delta
};
struct net_count *net_store_count(const struct net_inst *inst, uint16_t type, uint64_t id);

size_t net_store_size(void);

// ---- delta (walk.c) --------------------------------------------------------------------------

struct net_item {
	struct net_entry *old; // in the store, or NULL
	struct net_entry *new; // not yet in the store, or NULL
};
struct net_delta {
	uint32_t mark;
	size_t count, room;
	struct net_item *item;
	int error; // -ENOMEM
};

// Where the mapping of one entry puts its records.
struct net_out {
	struct net_delta *delta;
	bool before;          // old side: what the store has is marked as going
	struct txn_result *r; // refusals of the new side
};
void net_out_put(struct net_out *o, const char *inst, bool sent, const struct ctl_rec *rec);

// Build the delta of a change; before NULL: everything in diff is new (start). Mapping errors go to r.
// Returns 0 or negative errno (r->result).
int net_delta_build(struct net_delta *d, const struct lyd_node *before,
		    const struct lyd_node *after, const struct lyd_node *diff,
		    struct txn_result *r);
// Put into the store, take out again. apply may be followed by undo or by keep.
void net_delta_apply(struct net_delta *d);
void net_delta_undo(struct net_delta *d);
void net_delta_keep(struct net_delta *d); // frees the old entries; d is empty then
void net_delta_free(struct net_delta *d); // of a delta that is not applied

// ---- mapping (records.c, lb.c) ---------------------------------------------------------------

void net_map_interface(struct net_out *o, const struct lyd_node *interface);
// link.c: a port for each owner. init: where sockets lie; errors -ENAMETOOLONG
int net_link_init(const char *run_dir);
void net_map_link(struct net_out *o, const struct lyd_node *link);
void net_map_settings(struct net_out *o, const char *inst, const struct lyd_node *lb);
void net_map_local_pool(struct net_out *o, const char *inst, const struct lyd_node *lpool);
void net_map_pool(struct net_out *o, const char *inst, const struct lyd_node *pool);
void net_map_server(struct net_out *o, const char *inst, const char *pool,
		    const struct lyd_node *server);
void net_map_service(struct net_out *o, const char *inst, const struct lyd_node *service);

// text -> an address that packets can be sent from and to (RFC 1122 section 3.2.1.3, RFC 4291 section 2.4);
// else node s of entry is refused. Returns: false if *out is none
bool net_put_address(struct net_out *o, const struct lyd_node *entry, enum net_schema s,
		     const char *text, struct ctl_addr *out);

// The settings of an app that has no configuration (any more).
void net_default_settings(struct ctl_settings *out);

// Refuse the node of schema s below entry (the entry itself where it is not there).
__attribute__((format(printf, 6, 7))) void net_refuse(struct net_out *o,
						      const struct lyd_node *entry,
						      enum net_schema s, const char *tag,
						      const char *app_tag, const char *format, ...);

// ---- checks (index.c) ------------------------------------------------------------------------

// On the store with d applied; after: the tree it comes from. Refusals go to r. Returns r->result.
int net_index_check(struct net_delta *d, const struct lyd_node *after, struct txn_result *r);

// ---- contexts (contexts.c) -------------------------------------------------------------------

// On the store with d applied: services that d brings, changes or takes the last port of their context from, and
// whose context no port of their application carries now. tell is called for each.
// Returns: 0 or -ENOMEM
int net_contexts_unserved(const struct net_delta *d,
			  void (*tell)(void *arg, const struct net_entry *service,
				       uint16_t context),
			  void *arg);

// ---- paths (path.c) --------------------------------------------------------------------------

// The instance path of a record's entry, or of the leaf `field` (untrusted, as an app names it) below
// it. d: a change that is not in the store, or NULL. Returns false and "" if there is no such record.
bool net_path(const struct net_delta *d, const struct net_inst *inst, uint16_t type, uint64_t id,
	      const char *field, char *buf, size_t size);
bool net_entry_path(const struct net_delta *d, const struct net_entry *e, const char *field,
		    char *buf, size_t size);

// ---- refusals of apps (refusal.c) ------------------------------------------------------------

const char *net_ack_tag(const struct ctl_ack *ack); // RFC 6241 appendix A
// Text of an app, made fit for a log, a terminal and XML: printable ASCII.
void net_clean_text(const char *from, char *to, size_t size);
// d: the change that is refused, or NULL. Without a record that we know: the instance's own path.
void net_ack_text(const struct net_inst *inst, const struct net_delta *d, const struct ctl_ack *ack,
		  char path[512], char text[512]);

// ---- apps (apps.c) ---------------------------------------------------------------------------

struct net_app;
int net_apps_init(const struct net_conf *conf, uint64_t version);
void net_apps_fini(void);
void net_apps_follow(void); // links for all instances of the store
// An app that runs though the configuration does not name it: if it has a configuration of this datastore
// in force, it left the configuration while it was away, and is emptied now.
void net_apps_stray(const char *name);
void net_apps_prepare(const struct txn_change *c, struct net_delta *d, txn_done_fn done, void *arg);
void net_apps_commit(const struct txn_change *c, struct net_delta *d, txn_done_fn done, void *arg);
void net_apps_abort(void);
uint64_t net_apps_version(void);
struct link *net_app_link(const struct net_inst *inst); // NULL if not connected
uint64_t net_app_applied(const struct net_inst *inst);

// ---- strays (strays.c) -----------------------------------------------------------------------

// Look for sockets of apps that the configuration does not name, now and then (every period_ms).
int net_strays_init(struct event_base *base, const char *run_dir, unsigned period_ms);
void net_strays_fini(void);

// ---- state (state.c) -------------------------------------------------------------------------

void net_state_collect(const struct ly_ctx *ctx, struct lyd_node **tree, txn_done_fn done,
		       void *arg);
// Take what an app says of itself into the tree; all of it is checked. Returns 0 or -EPROTO with why.
int net_state_merge(const struct ly_ctx *ctx, struct lyd_node *tree, const char *inst,
		    const char *json, size_t size, char *why, size_t why_size);

// ---- alarms (alarm.c) ------------------------------------------------------------------------

// An alarm of the same instance, kind and path is replaced.
void net_alarm_raise(const char *inst, const char *kind, unsigned severity, const char *path,
		     const char *message);
// What an app reports of a record; goes with the record.
void net_alarm_of_record(const struct net_inst *inst, const char *kind, const struct ctl_event *e,
			 const char *path, const char *message);
void net_alarm_prune(void); // drop those whose record has left the store
void net_alarm_clear(const char *inst, const char *kind, const char *path); // NULL: any
void net_alarm_fini(void);

__attribute__((format(printf, 1, 2))) void net_log(const char *format, ...);
