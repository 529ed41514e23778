// SPDX-License-Identifier: BSD-3-Clause
//
// steer - what the steering program (kmod/xdp/steer.bpf.c) and its loader share: map names, keys and
// values. Fixed-width types only; the bpf side has no libc, so this file includes nothing but
// linux/types.h. A change of any struct or map size is a new STEER_VERSION: maps of another version are
// not taken over from a program that a killed process left attached.
//
// Maps of one interface:
//
//	xsks_map     XSKMAP        rx queue -> AF_XDP socket (named so for libxdp)
//	sluice_svc   HASH          steer_service_key -> u32 (unused, 1): services with one address and port
//	sluice_addr  HASH          steer_addr_key -> steer_addr
//	sluice_net   LPM_TRIE      steer_net_key -> u32 port set: prefixes of services
//	sluice_from  HASH          steer_addr_key -> u32 port set: servers of NAT services
//	sluice_port  LPM_TRIE      steer_port_key -> u32 enum steer_port: the port sets
//	sluice_frag  LRU_HASH      steer_frag_key -> u32 (unused, 1): datagrams in fragments that are the kernel's
//	sluice_vlan  HASH          u32 VLAN id -> u32 (unused, 1)
//	sluice_stat  PERCPU_ARRAY  0 -> steer_stat
//	sluice_conf  ARRAY         0 -> steer_conf: says that the program is ours, and whose
//
// A port set is a set of ranges of TCP and UDP ports, each cut into prefixes of the port number. Sets are
// shared: 100,000 NAT servers that all speak from port 80 need one entry in sluice_port.
#pragma once

#include <linux/types.h>

#define STEER_MAGIC   0x52545331 // "1STR"
#define STEER_VERSION 3

#define STEER_PROG     "xsk_def_prog" // the name by which libxdp takes a program over
#define STEER_WHOLE    "sluice_whole" // the program that takes all that arrives: member of a bond
#define STEER_MAP_XSKS "xsks_map"
#define STEER_MAP_SVC  "sluice_svc"
#define STEER_MAP_ADDR "sluice_addr"
#define STEER_MAP_NET  "sluice_net"
#define STEER_MAP_FROM "sluice_from"
#define STEER_MAP_PORT "sluice_port"
#define STEER_MAP_FRAG "sluice_frag"
#define STEER_MAP_VLAN "sluice_vlan"
#define STEER_MAP_STAT "sluice_stat"
#define STEER_MAP_CONF "sluice_conf"

#define STEER_QUEUE_MAX   64
#define STEER_SERVICE_MAX 65536
#define STEER_ADDR_MAX    65536
#define STEER_NET_MAX     65536
#define STEER_FROM_MAX    262144
#define STEER_PORT_MAX    262144
#define STEER_FRAG_MAX    4096
#define STEER_VLAN_MAX    4096

// IPv4 addresses stand in the first four bytes, the rest zero.
struct steer_service_key {
	__u8 addr[16];
	__be16 port;
	__u8 proto;  // IPPROTO_TCP or IPPROTO_UDP
	__u8 family; // 4 or 6
};

struct steer_addr_key {
	__u8 addr[16];
	__u32 family; // 4 or 6
};

enum steer_addr_flag {
	STEER_ADDR_SERVICE = 1, // echo requests and fragments are taken
	STEER_ADDR_LOCAL = 2,   // TCP and UDP to port_min .. port_max and fragments are taken
	STEER_ADDR_NODE =
		4, // the node's own: never taken by a prefix, nor as of a NAT server's client
};

struct steer_addr {
	__u32 flags;
	__u32 set;      // ports of services besides those in sluice_svc; 0 = none
	__u16 port_min; // host order, inclusive
	__u16 port_max;
};

struct steer_net_key {
	__u32 prefixlen; // bits of what follows
	__u8 family;     // 4 or 6: two tries in one
	__u8 addr[16];
	__u8 zero[3];
};

struct steer_port_key {
	__u32 prefixlen; // bits of what follows: 48 for all ports, 64 for one
	__u32 set;       // any order, all of it always counts
	__u16 proto;
	__be16 port;
};

enum steer_port {
	STEER_PORT_TAKE = 1,
	STEER_PORT_WILD = 2, // of a wildcard: taken unless a socket of the kernel is there
};

struct steer_frag_key {
	__u8 src[16];
	__u8 dst[16];
	__u32 id;    // as in the packet
	__u32 proto; // IPv6: 0, since it is the first fragment's alone
};

// Per CPU. seen = passed + redirected + dropped.
struct steer_stat {
	__u64 seen;
	__u64 passed;     // to the kernel
	__u64 redirected; // to a socket of ours
	__u64 dropped;    // ours, but no socket there: the app is gone
};

struct steer_conf {
	__u32 magic;
	__u32 version;
	char instance[64]; // of the app that attached it last
};
