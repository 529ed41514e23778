// SPDX-License-Identifier: BSD-3-Clause
//
// msg.h - the wire contract of the control link between sluiced (or sluice-checkd) and an app.
//
// Transport: AF_UNIX SOCK_STREAM. The app listens on <run>/<instance>.ctl; sluiced connects with
// role CTL_ROLE_CONTROL (one at a time, a newer one displaces the older), sluice-checkd with
// CTL_ROLE_CHECKER. A message is a struct ctl_hdr followed by len - sizeof(hdr) bytes of payload,
// padded to 8 bytes. Integers are in host order (both ends are on one machine); addresses and
// layer-4 ports are in network order. Strings are NUL-terminated inside their array, the rest of
// the array is zero. Reserved fields and padding are zero and are checked.
//
// The receiver trusts nothing: every length, enum, string end, reference and reserved field is
// checked, and a message that breaks a rule ends the connection after an ACK with -EPROTO.
//
// A transaction, sent by the CONTROL side:
//
//	HELLO ->            <- HELLO (applied version, datastore id of the app's last good state)
//	BEGIN(base, target) -> records: UPSERT* DELETE* (in any order) -> PREPARE(target)
//	                    <- ACK(seq of PREPARE): 0, or an error that names record and field
//	COMMIT(target)      <- ACK      (cannot fail)     or     ABORT(target) <- ACK
//
// base 0 means "from nothing": what is not upserted is gone afterwards (full resync, same code).
// A base that is not the applied version is answered by -ESTALE; the sender then resyncs from 0.
// Whatever was prepared is dropped when the connection is lost.
//
// A record is keyed by (type, id). id is the sender's stable 64-bit name of the entry (the same
// entry has the same id for ever, across restarts of either side); 0 is never an id.
#pragma once

#include <assert.h>
#include <stdint.h>

#define CTL_MAGIC   UINT32_C(0x4c435331) // "1SCL"
#define CTL_VERSION 2
#define CTL_MSG_MAX (256 * 1024) // bytes, header included
#define CTL_NAME    64           // a YANG name of ours is at most 63 bytes

enum ctl_type {
	CTL_HELLO = 1,   // both ways, first message; struct ctl_hello
	CTL_BEGIN = 2,   // control -> app; struct ctl_begin
	CTL_UPSERT = 3,  // control -> app; one record, struct ctl_rec first
	CTL_DELETE = 4,  // control -> app; struct ctl_rec alone (size = sizeof(struct ctl_rec))
	CTL_PREPARE = 5, // control -> app; struct ctl_version
	CTL_COMMIT = 6,  // control -> app; struct ctl_version
	CTL_ABORT = 7,   // control -> app; struct ctl_version
	CTL_ACK = 8,     // app -> peer; struct ctl_ack; seq = seq of the message answered
	CTL_QUERY = 9,   // peer -> app; struct ctl_query, then args (JSON text, not terminated)
	CTL_ANSWER = 10, // app -> peer; JSON text; CTL_F_MORE: another ANSWER of this seq follows
	CTL_TARGET = 11, // app -> checker; struct ctl_target
	CTL_TARGET_DEL = 12, // app -> checker; struct ctl_rec of the server
	CTL_TARGET_END = 13, // app -> checker; the list so far is whole (forget what was not in it)
	CTL_VERDICT = 14,    // checker -> app; struct ctl_verdict
	CTL_EVENT = 15,      // app -> control; struct ctl_event
};

enum ctl_flag { CTL_F_MORE = 1 };

struct ctl_hdr {
	uint32_t len;   // whole message, header and padding included; multiple of 8
	uint16_t type;  // enum ctl_type
	uint16_t flags; // enum ctl_flag
	uint32_t seq;   // chosen by the asking side, echoed in the answer
	uint32_t size;  // payload bytes before padding; 0 <= len - sizeof(hdr) - size < 8
};
static_assert(sizeof(struct ctl_hdr) == 16, "wire");

enum ctl_role { CTL_ROLE_APP = 1, CTL_ROLE_CONTROL = 2, CTL_ROLE_CHECKER = 3 };

struct ctl_hello {
	uint32_t magic;
	uint16_t version;
	uint16_t role;
	char instance[CTL_NAME]; // the app's instance name; what the peer asks for
	uint8_t datastore[16];   // id of the datastore that made the applied state; zero: none
	uint64_t applied;        // app: version now in force, 0 = none; peer: 0
};
static_assert(sizeof(struct ctl_hello) == 96, "wire");

struct ctl_begin {
	uint64_t base;   // 0: from nothing
	uint64_t target; // > 0
	uint8_t datastore[16];
};

struct ctl_version {
	uint64_t version;
};

// error_tag of an ACK: RFC 6241 appendix A
enum ctl_error_tag {
	CTL_TAG_NONE = 0,
	CTL_TAG_OPERATION_FAILED = 1,
	CTL_TAG_INVALID_VALUE = 2,
	CTL_TAG_RESOURCE_DENIED = 3,
	CTL_TAG_IN_USE = 4,
	CTL_TAG_DATA_MISSING = 5,
};

struct ctl_ack {
	int32_t result;    // 0 or a negative errno
	uint16_t tag;      // enum ctl_error_tag
	uint16_t rec_type; // record at fault, 0 = none
	uint64_t rec_id;
	char field[40];    // YANG leaf at fault below the record's entry, or ""
	char message[256]; // a sentence the operator can act on
	uint64_t applied;  // version in force after this message
};
static_assert(sizeof(struct ctl_ack) == 320, "wire");

// ---- records -------------------------------------------------------------------------------

enum ctl_rec_type {
	CTL_REC_SETTINGS = 1, // exactly one, id 1
	CTL_REC_PORT = 2,
	CTL_REC_VLAN = 3,
	CTL_REC_PREFIX = 4, // what is reached over a point-to-point port
	CTL_REC_LOCAL_POOL = 5,
	CTL_REC_LOCAL_ADDRESS = 6,
	CTL_REC_POOL = 7,
	CTL_REC_SERVER = 8,
	CTL_REC_SERVICE = 9,
};

struct ctl_rec {
	uint16_t type; // enum ctl_rec_type
	uint16_t size; // of the whole record, this header included
	uint32_t zero;
	uint64_t id;
};
static_assert(sizeof(struct ctl_rec) == 16, "wire");

struct ctl_addr {
	uint8_t family; // 4 or 6
	uint8_t len;    // prefix length; 32 or 128 for an address
	uint8_t zero[6];
	uint8_t bytes[16]; // network order; IPv4 in the first four, the rest zero
};
static_assert(sizeof(struct ctl_addr) == 24, "wire");

struct ctl_settings {
	struct ctl_rec rec;
	uint64_t flow_max;   // entries of all workers together, 1024 .. 2^28
	uint32_t tcp_syn_ms; // ageing per state, milliseconds
	uint32_t tcp_established_ms;
	uint32_t tcp_closing_ms;
	uint32_t udp_ms;
	uint32_t restart_quiet_ms; // after a start, stray non-SYN packets are dropped silently
	uint32_t flow_max6;        // of flow_max, IPv6 at most; 0 .. flow_max
	uint32_t persistence_max;  // clients remembered, 1024 .. 2^24
	uint32_t zero;
};

enum ctl_port_kind {
	CTL_PORT_AF_XDP = 1, // device = kernel interface
	CTL_PORT_TAP = 2,    // device = name of the TAP to make
	CTL_PORT_MEMIF = 3,  // path = socket
	CTL_PORT_NULL = 4,
	CTL_PORT_RING = 5,
	CTL_PORT_PCAP = 6, // path = file read, path2 = file written
	CTL_PORT_PCI = 7,  // member[0] = PCI address, device = TAP that is the kernel's view
	CTL_PORT_BOND = 8, // member = kernel interfaces or PCI addresses, device = TAP likewise
};

enum ctl_port_flag {
	CTL_PORT_F_MEMIF_SERVER = 1, // else client
	CTL_PORT_F_PCAP_INFINITE = 2,
	CTL_PORT_F_LINK = 4, // memif: one end of /links/link; the server is end a
};

enum ctl_bond_mode { CTL_BOND_ACTIVE_BACKUP = 1, CTL_BOND_BALANCE_XOR = 2, CTL_BOND_LACP = 3 };

#define CTL_BOND_MEMBERS 8

struct ctl_port {
	struct ctl_rec rec;
	char name[CTL_NAME];
	char device[32];
	uint8_t kind;      // enum ctl_port_kind
	uint8_t bond_mode; // enum ctl_bond_mode; 0: no bond
	uint16_t flags;    // enum ctl_port_flag
	uint16_t context;
	uint16_t queues;     // 0: as many as the device has
	uint16_t mtu;        // 0: the device's
	uint8_t mac[6];      // of our end where the kind lets us choose; zero: the device's
	uint8_t peer_mac[6]; // point-to-point kinds: where everything is sent; zero elsewhere
	uint16_t memif_id;
	char path[112];
	char path2[112];
	char member[CTL_BOND_MEMBERS][16]; // the first empty one ends the list
	// Own addresses of a point-to-point port: echo is answered, ICMP errors come from them. Family 0: none.
	struct ctl_addr own4, own6;
};

struct ctl_vlan {
	struct ctl_rec rec;
	uint64_t port;
	uint16_t vid; // 1 .. 4094
	uint16_t zero;
	uint32_t zero2;
	char tap[16]; // kernel's view: a TAP of this name, untagged
};

struct ctl_prefix {
	struct ctl_rec rec;
	uint64_t port;
	struct ctl_addr prefix;
};

struct ctl_local_pool {
	struct ctl_rec rec;
	char name[CTL_NAME];
	uint16_t port_min; // host order, inclusive
	uint16_t port_max;
	uint32_t zero;
};

struct ctl_local_address {
	struct ctl_rec rec;
	uint64_t local_pool;
	struct ctl_addr addr;
};

enum ctl_scheduler {
	CTL_SCHED_WRR = 1,
	CTL_SCHED_RR = 2,
	CTL_SCHED_LC = 3,
	CTL_SCHED_WLC = 4,
	CTL_SCHED_P2C = 5,
	CTL_SCHED_SOURCE_HASH = 6,
	CTL_SCHED_MAGLEV = 7,
};
enum ctl_hash_key { CTL_HASH_SOURCE = 1, CTL_HASH_SOURCE_PORT = 2 };
enum ctl_on_down { CTL_ON_DOWN_RESET = 1, CTL_ON_DOWN_KEEP = 2 };
enum ctl_check_kind {
	CTL_CHECK_NONE = 0,
	CTL_CHECK_TCP = 1,
	CTL_CHECK_HTTP = 2,
	CTL_CHECK_HTTPS = 3,
	CTL_CHECK_TLS = 4,
	CTL_CHECK_UDP = 5,
	CTL_CHECK_ICMP = 6,
};

enum ctl_check_flag {
	CTL_CHECK_F_VERIFY = 1, // HTTPS, TLS: the certificate must be valid
};

struct ctl_check {
	uint8_t kind;         // enum ctl_check_kind
	uint8_t flags;        // enum ctl_check_flag
	uint16_t port;        // host order; 0: the server's own
	uint32_t interval_ms; // 100 .. 3,600,000
	uint32_t timeout_ms;  // 10 .. interval
	uint16_t rise;        // 1 .. 100
	uint16_t fall;        // 1 .. 100
	uint16_t status_min;  // HTTP: accepted status, inclusive
	uint16_t status_max;
	uint16_t send_size;   // UDP, 0 .. 512
	uint16_t expect_size; // UDP, 0 .. 128; 0: any answer, or none
	// Beside the check, whatever its kind:
	uint16_t agent_port;        // host order; 0: no agent
	uint16_t passive_failures;  // 0: not watched
	uint32_t agent_interval_ms; // 100 .. 3,600,000
	uint32_t passive_hold_ms;   // 1000 .. 3,600,000
	uint16_t damping_changes;   // 0: off; 2 .. 1000
	uint16_t zero;
	uint32_t damping_window_ms; // 1000 .. 3,600,000
	uint32_t damping_hold_ms;   // likewise
	char path[256];             // HTTP request target, begins with '/'
	char host[256];             // HTTP Host; "": the server's address
	char body[128];             // HTTP: a string the body must contain; "": none
	char server_name
		[256];     // TLS: SNI and name in the certificate; "": the server's address, no SNI
	char ca_file[256]; // TLS: trusted certificates; "": the system's
	uint8_t send[512]; // UDP; bytes beyond send_size are zero
	uint8_t expect[128]; // likewise
};

struct ctl_pool {
	struct ctl_rec rec;
	char name[CTL_NAME];
	uint8_t scheduler; // enum ctl_scheduler
	uint8_t on_down;   // enum ctl_on_down
	uint8_t hash_key;  // enum ctl_hash_key, of Maglev
	uint8_t zero;
	uint32_t min_available;    // 1 .. 1,000,000
	uint64_t backup_pool;      // 0: none
	uint32_t slow_start_ms;    // 0: none; .. 3,600,000
	uint32_t drain_timeout_ms; // 0: none; .. 86,400,000
	struct ctl_check check;
};

enum ctl_admin { CTL_ADMIN_ENABLED = 1, CTL_ADMIN_DRAIN = 2, CTL_ADMIN_DISABLED = 3 };

static_assert(sizeof(struct ctl_pool) == 1944, "no padding");

struct ctl_server {
	struct ctl_rec rec;
	uint64_t pool;
	char name[CTL_NAME];
	struct ctl_addr addr;
	uint16_t port;   // network order; 0: the port that the client asked for
	uint16_t weight; // 0 .. 256; 0: no new flows
	uint8_t admin;   // enum ctl_admin
	uint8_t zero[3];
};

enum ctl_forwarding { CTL_FORWARD_FULLNAT = 1, CTL_FORWARD_NAT = 2 };
enum ctl_proxy { CTL_PROXY_OFF = 0, CTL_PROXY_V2 = 2 };

struct ctl_service {
	struct ctl_rec rec;
	uint64_t pool;
	uint64_t local_pool; // 0: none (CTL_FORWARD_NAT)
	char name[CTL_NAME];
	struct ctl_addr addr; // may be a prefix; bits beyond it are zero
	uint16_t port;        // network order; 0: any port
	uint16_t port_max; // network order, last of a range; the port itself where it is one alone
	uint8_t proto;     // IPPROTO_TCP or IPPROTO_UDP
	uint8_t enabled;   // 0: packets are refused as if no server were there
	uint16_t context;
	uint8_t forwarding;  // enum ctl_forwarding
	uint8_t proxy;       // enum ctl_proxy
	uint16_t mss_max;    // host order; 0: not clamped, else 88 .. 9560
	uint32_t persist_ms; // 0: no persistence; 1000 .. 86,400,000
	uint8_t persist_len; // bits of the client's address that count, of the service's family
	uint8_t zero[7];
	uint64_t persist_group; // sender's id of the group's name; 0: the service alone
};
static_assert(sizeof(struct ctl_service) == 152, "no padding");

// ---- queries, health, events ---------------------------------------------------------------

// Queries an app answers (args and answer are JSON text):
//   "state"    {}                     -> RFC 7951 instance data of the app's state nodes
//   "counters" {}                     -> {"worker":[...],"port":[...],"drop":{reason:n},
//                                         "drop-text":{reason:s},"sum":{..},"detail":{..}}
//   "flows"    {"limit":n,"filter":s,"sort":s,"next":s,"count":b}
//                                     -> {"total":n,"flows":[{...}],"complete":b,"next":s}
//              not complete: it took too long, go on from next; next alone: there are more rows
//   "clear"    {"filter":s,"next":s} | {"all":true} -> {"ended":n,"complete":b,"next":s}; control alone
//   "explain"  {"protocol":s,"client":s,"service":s,"context":n | "port":s} -> what becomes of it, and why
//   "top"      {"limit":n,"sort":s} -> rates per second: {"all":{..},"workers":[..],"ports":[..],
//              "services":[..],"servers":[..],"drops":[..]}, of services and servers the greatest
//   "active"   {"services":[s,..],"servers":[[pool,s],..],"pools":[s,..]} -> flows of each, of pools those of
//              their servers that are down: {"services":[n,..],"servers":[n,..],"pools":[n,..]}
//   "capture"  {"file":f,"filter":s,"limit":n} | {"stop":true} -> {"captured":n}
//   "trace"    {"filter":s,"limit":n} -> {"packets":[...]}
//   "doctor"   {}                     -> {"ports":[{"name":..,"offload":{..},"fd":bool,...}]}
// An unknown name or bad args: ACK with -ENOENT or -EINVAL instead of ANSWER.
struct ctl_query {
	char name[32];
};

struct ctl_target {
	struct ctl_rec rec; // type CTL_REC_SERVER, id of the server
	char pool[CTL_NAME];
	char name[CTL_NAME];
	struct ctl_addr addr;
	uint16_t port; // network order, the check's own already put in
	uint16_t zero;
	uint32_t zero2;
	struct ctl_check check;
};

enum ctl_health { CTL_HEALTH_UNKNOWN = 0, CTL_HEALTH_UP = 1, CTL_HEALTH_DOWN = 2 };

// What the agent of a server said last; all of it stays in force until it says otherwise.
enum ctl_agent_flag {
	CTL_AGENT_KNOWN = 1, // it has spoken; without it the others are zero
	CTL_AGENT_DOWN = 2,
	CTL_AGENT_DRAIN = 4,
	CTL_AGENT_MAINT = 8,
};
#define CTL_AGENT_PERCENT_MAX 1000

struct ctl_verdict {
	uint64_t server; // id
	uint8_t health;  // enum ctl_health
	uint8_t good;    // the last check was: 1, 0
	uint8_t agent;   // enum ctl_agent_flag
	uint8_t zero;
	uint32_t latency_us;    // of the last check
	uint16_t agent_percent; // of the configured weight; 0 .. 1000, 100 where it has not said
	uint16_t zero2[3];
	char reason[112]; // last failure in words, or the agent's where it says down; "" when up
};
static_assert(sizeof(struct ctl_verdict) == 136, "wire");

enum ctl_event_kind { CTL_EVENT_PORT = 1, CTL_EVENT_HEALTH = 2, CTL_EVENT_STATE = 3 };

struct ctl_event {
	uint32_t kind;     // enum ctl_event_kind
	uint32_t severity; // RFC 5424: 3 error, 4 warning, 5 notice
	uint16_t rec_type; // record it is about, 0 = none
	uint16_t zero[3];
	uint64_t rec_id;
	char message[256];
};
