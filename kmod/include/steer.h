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
//	sluice_svc   HASH          steer_service_key -> u32 (unused, 1)
//	sluice_addr  HASH          steer_addr_key -> steer_addr
//	sluice_vlan  HASH          u32 VLAN id -> u32 (unused, 1)
//	sluice_stat  PERCPU_ARRAY  0 -> steer_stat
//	sluice_conf  ARRAY         0 -> steer_conf: says that the program is ours, and whose
#pragma once

#include <linux/types.h>

#define STEER_MAGIC   0x52545331 // "1STR"
#define STEER_VERSION 1

#define STEER_PROG     "xsk_def_prog" // the name by which libxdp takes a program over
#define STEER_MAP_XSKS "xsks_map"
#define STEER_MAP_SVC  "sluice_svc"
#define STEER_MAP_ADDR "sluice_addr"
#define STEER_MAP_VLAN "sluice_vlan"
#define STEER_MAP_STAT "sluice_stat"
#define STEER_MAP_CONF "sluice_conf"

#define STEER_QUEUE_MAX   64
#define STEER_SERVICE_MAX 65536
#define STEER_ADDR_MAX    65536
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
};

struct steer_addr {
	__u32 flags;
	__u16 port_min; // host order, inclusive
	__u16 port_max;
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
