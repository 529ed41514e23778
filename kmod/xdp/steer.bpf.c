// SPDX-License-Identifier: BSD-3-Clause
//
// The steering program of one interface: takes what is configured, passes the rest to the kernel.
//
// Taken are: packets to a configured (address, port, protocol); TCP and UDP to a local address (FULLNAT)
// within its port range; ICMP and ICMPv6 echo requests to a service address; fragments to either kind of
// address; whole VLANs by id. ARP, neighbour discovery, ICMP errors and everything unknown or malformed
// go to the kernel, which knows how to refuse them.
//
// Taken packets go to the socket of the queue they arrived on. With no socket there (the app is gone) the
// redirect yields XDP_DROP: the addresses fall silent, no reset leaves.
//
// Linux 5.18 or later (bpf_xdp_load_bytes). It has to load with CAP_BPF and CAP_NET_ADMIN alone: without
// CAP_PERFMON the verifier refuses packet pointers at variable offsets and choices among pointers, so
// headers behind IPv4 options and IPv6 extensions are copied.

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "kmod/include/steer.h"

#define IP_OFFSET_OR_MORE  0x3fff // fragment offset and "more fragments"
#define ICMP_ECHO_REQUEST  8
#define ICMP6_ECHO_REQUEST 128
#define EXTENSIONS_MAX     6

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, STEER_QUEUE_MAX);
} xsks_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct steer_service_key);
	__type(value, __u32);
	__uint(max_entries, STEER_SERVICE_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} sluice_svc SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct steer_addr_key);
	__type(value, struct steer_addr);
	__uint(max_entries, STEER_ADDR_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} sluice_addr SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, STEER_VLAN_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} sluice_vlan SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct steer_stat);
	__uint(max_entries, 1);
} sluice_stat SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct steer_conf);
	__uint(max_entries, 1);
} sluice_conf SEC(".maps");

struct vlan_tag {
	__be16 tci;
	__be16 type;
};

// First bytes of TCP, UDP and ICMP headers.
union l4_start {
	struct {
		__be16 sport;
		__be16 dport;
	};
	__u8 icmp_type;
};

struct extension {
	__u8 next;
	__u8 len; // in units of 8 bytes, the first not counted
};

// Is a packet for (key.addr, l4) ours? key has address and family; port and proto are filled here.
static __always_inline int is_ours(struct steer_service_key *key, __u8 proto,
				   const union l4_start *l4)
{
	struct steer_addr_key akey = {.family = key->family};
	struct steer_addr *addr;
	__u16 port;

	__builtin_memcpy(akey.addr, key->addr, sizeof(akey.addr));
	if (proto == IPPROTO_FRAGMENT)
		return bpf_map_lookup_elem(&sluice_addr, &akey) != 0;
	if (proto == IPPROTO_TCP || proto == IPPROTO_UDP) {
		key->port = l4->dport;
		key->proto = proto;
		if (bpf_map_lookup_elem(&sluice_svc, key))
			return 1;
		addr = bpf_map_lookup_elem(&sluice_addr, &akey);
		if (!addr || !(addr->flags & STEER_ADDR_LOCAL))
			return 0;
		port = bpf_ntohs(l4->dport);
		return port >= addr->port_min && port <= addr->port_max;
	}
	if ((key->family == 4 && proto == IPPROTO_ICMP && l4->icmp_type == ICMP_ECHO_REQUEST) ||
	    (key->family == 6 && proto == IPPROTO_ICMPV6 && l4->icmp_type == ICMP6_ECHO_REQUEST)) {
		addr = bpf_map_lookup_elem(&sluice_addr, &akey);
		return addr && (addr->flags & STEER_ADDR_SERVICE);
	}
	return 0;
}

static __always_inline int ours4(struct xdp_md *ctx, void *l3, void *end)
{
	struct steer_service_key key = {.family = 4};
	union l4_start l4 = {}, *h;
	struct iphdr *ip = l3;
	__u8 proto;

	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5)
		return 0;
	__builtin_memcpy(key.addr, &ip->daddr, sizeof(ip->daddr));
	proto = ip->protocol;
	if ((ip->frag_off & bpf_htons(IP_OFFSET_OR_MORE)) != 0) {
		proto = IPPROTO_FRAGMENT;
	} else if (ip->ihl == 5) {
		h = (void *)(ip + 1);
		if ((void *)(h + 1) > end)
			return 0;
		l4 = *h;
	} else if (bpf_xdp_load_bytes(ctx, ETH_HLEN + ip->ihl * 4, &l4, sizeof(l4)) != 0) {
		return 0;
	}
	return is_ours(&key, proto, &l4);
}

// Walk the extension headers at offset `at` (from the start of the frame).
static __always_inline int skip_extensions(struct xdp_md *ctx, __u8 *next, __u32 *at)
{
	struct extension x;

#pragma unroll
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		if (*next != IPPROTO_HOPOPTS && *next != IPPROTO_ROUTING &&
		    *next != IPPROTO_DSTOPTS)
			return 0;
		if (bpf_xdp_load_bytes(ctx, *at, &x, sizeof(x)) != 0)
			return -1;
		*next = x.next;
		*at += ((__u32)x.len + 1) * 8;
	}
	return -1;
}

static __always_inline int ours6(struct xdp_md *ctx, void *l3, void *end)
{
	struct steer_service_key key = {.family = 6};
	__u32 at = ETH_HLEN + sizeof(struct ipv6hdr);
	union l4_start l4 = {}, *h;
	struct ipv6hdr *ip = l3;
	__u8 next;

	if ((void *)(ip + 1) > end || ip->version != 6)
		return 0;
	__builtin_memcpy(key.addr, &ip->daddr, sizeof(key.addr));
	next = ip->nexthdr;
	if (next == IPPROTO_TCP || next == IPPROTO_UDP || next == IPPROTO_ICMPV6) {
		h = (void *)(ip + 1);
		if ((void *)(h + 1) > end)
			return 0;
		l4 = *h;
	} else {
		if (skip_extensions(ctx, &next, &at) != 0)
			return 0;
		if (next != IPPROTO_FRAGMENT && bpf_xdp_load_bytes(ctx, at, &l4, sizeof(l4)) != 0)
			return 0;
	}
	return is_ours(&key, next, &l4);
}

SEC("xdp")
int xsk_def_prog(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct steer_stat *stat;
	struct vlan_tag *tag;
	__u32 zero = 0, vid;
	int ours = 0, verdict;

	if ((void *)(eth + 1) <= end) {
		if (eth->h_proto == bpf_htons(ETH_P_IP)) {
			ours = ours4(ctx, eth + 1, end);
		} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
			ours = ours6(ctx, eth + 1, end);
		} else if (eth->h_proto == bpf_htons(ETH_P_8021Q)) {
			tag = (void *)(eth + 1);
			if ((void *)(tag + 1) <= end) {
				vid = bpf_ntohs(tag->tci) & 0xfff;
				ours = bpf_map_lookup_elem(&sluice_vlan, &vid) != 0;
			}
		}
	}
	verdict = ours ? (int)bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_DROP) : XDP_PASS;

	stat = bpf_map_lookup_elem(&sluice_stat, &zero);
	if (stat) {
		// No branches: the compiler would choose among pointers, which the verifier allows with
		// CAP_PERFMON only.
		stat->seen++;
		stat->passed += verdict == XDP_PASS;
		stat->redirected += verdict == XDP_REDIRECT;
		stat->dropped += verdict == XDP_DROP;
	}
	return verdict;
}

// Read by libxdp from the BTF: the layout of xsks_map it may expect.
struct {
	__uint(xsk_prog_version, 1);
} xsk_metadata SEC("xdp_metadata");

char steer_license[] SEC("license") = "Dual BSD/GPL";
