// SPDX-License-Identifier: BSD-3-Clause
//
// The steering program of one interface: takes what is configured, passes the rest to the kernel.
//
// Taken are: TCP and UDP to a service (one address and port, or a prefix and ranges of ports) or to a
// local address (FULLNAT) within its port range; TCP and UDP from a server of a NAT service, unless to
// the node itself; ICMP and ICMPv6 errors about packets of these; echo requests to a service; fragments
// to a service or local address and from a NAT server; whole VLANs by id. ARP, neighbour discovery and
// everything unknown or malformed go to the kernel, which knows how to refuse them.
//
// Where a service takes all ports of an address, a socket of the kernel on it (one that listens, or a
// connection of the node's own) keeps its packets: it is asked for each. Of a datagram in fragments the first
// one tells, and those that come after it follow.
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

#define IP_OFFSET         0x1fff
#define IP_OFFSET_OR_MORE 0x3fff // fragment offset and "more fragments"
#define IP6_OFFSET        0xfff8
#define EXTENSIONS_MAX    6
#define ICMP_HEAD         8 // bytes before the inner packet of an error

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
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__type(key, struct steer_net_key);
	__type(value, __u32);
	__uint(max_entries, STEER_NET_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} sluice_net SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct steer_addr_key);
	__type(value, __u32);
	__uint(max_entries, STEER_FROM_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} sluice_from SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__type(key, struct steer_port_key);
	__type(value, __u32);
	__uint(max_entries, STEER_PORT_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} sluice_port SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct steer_frag_key);
	__type(value, __u32);
	__uint(max_entries, STEER_FRAG_MAX);
} sluice_frag SEC(".maps");

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

// What decides about a packet. Of an ICMP error: its inner packet turned round.
struct packet {
	struct steer_addr_key src, dst;
	__be16 sport, dport;
	__u32 proto; // IPPROTO_FRAGMENT: ports unknown
};

// Is the port in the set? Returns: 0 or enum steer_port
static __noinline __u32 port_in(__u32 set, __u32 proto, __u32 port)
{
	struct steer_port_key key = {
		.prefixlen = 64, .set = set, .proto = (__u16)proto, .port = (__be16)port};
	__u32 *v;

	if (set == 0)
		return 0;
	v = bpf_map_lookup_elem(&sluice_port, &key);
	return v ? *v : 0;
}

// Has the kernel a socket for this packet: a listening one, or a connection?
static __noinline int kernel_has_socket(struct xdp_md *ctx, struct packet *p)
{
	struct bpf_sock_tuple t = {};
	struct bpf_sock *sk;
	__u32 size = sizeof(t.ipv6);

	if (p->dst.family == 4) {
		__builtin_memcpy(&t.ipv4.saddr, p->src.addr, 4);
		__builtin_memcpy(&t.ipv4.daddr, p->dst.addr, 4);
		t.ipv4.sport = p->sport;
		t.ipv4.dport = p->dport;
		if (p->proto == IPPROTO_TCP)
			sk = bpf_sk_lookup_tcp(ctx, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
		else
			sk = bpf_sk_lookup_udp(ctx, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
	} else {
		__builtin_memcpy(t.ipv6.saddr, p->src.addr, 16);
		__builtin_memcpy(t.ipv6.daddr, p->dst.addr, 16);
		t.ipv6.sport = p->sport;
		t.ipv6.dport = p->dport;
		if (p->proto == IPPROTO_TCP)
			sk = bpf_sk_lookup_tcp(ctx, &t, size, BPF_F_CURRENT_NETNS, 0);
		else
			sk = bpf_sk_lookup_udp(ctx, &t, size, BPF_F_CURRENT_NETNS, 0);
	}
	if (!sk)
		return 0;
	bpf_sk_release(sk);
	return 1;
}

// The port set of the longest prefix that holds an address; 0 if none does.
static __noinline __u32 net_of(struct steer_addr_key *a)
{
	struct steer_net_key key = {};
	__u32 *set;

	key.family = (__u8)a->family;
	__builtin_memcpy(key.addr, a->addr, sizeof(key.addr));
	key.prefixlen = a->family == 4 ? 8 + 32 : 8 + 128;
	set = bpf_map_lookup_elem(&sluice_net, &key);
	return set ? *set : 0;
}

// Is anything of ours behind this address, and is it the node's own? Flags of sluice_addr; a prefix
// counts as a service.
static __always_inline __u32 flags_of(struct steer_addr_key *a)
{
	struct steer_addr *v = bpf_map_lookup_elem(&sluice_addr, a);
	__u32 flags = v ? v->flags : 0;

	if (!(flags & STEER_ADDR_NODE) && net_of(a) != 0)
		flags |= STEER_ADDR_SERVICE;
	return flags;
}

// Is there a service of just this address, protocol and port?
static __always_inline int has_service(const struct packet *p)
{
	struct steer_service_key key = {};

	__builtin_memcpy(key.addr, p->dst.addr, sizeof(key.addr));
	key.port = p->dport;
	key.proto = (__u8)p->proto;
	key.family = (__u8)p->dst.family;
	return bpf_map_lookup_elem(&sluice_svc, &key) != 0;
}

// TCP or UDP to a service or local address?
static __noinline int is_to_us(struct xdp_md *ctx, struct packet *p)
{
	__u32 flags = 0, set = 0, hit;
	struct steer_addr *addr;
	__u16 port;

	if (has_service(p))
		return 1;
	addr = bpf_map_lookup_elem(&sluice_addr, &p->dst);
	if (addr) {
		flags = addr->flags;
		set = addr->set;
		port = bpf_ntohs(p->dport);
		if ((flags & STEER_ADDR_LOCAL) && port >= addr->port_min && port <= addr->port_max)
			return 1;
	}
	hit = port_in(set, p->proto, p->dport);
	if (hit == STEER_PORT_WILD && kernel_has_socket(ctx, p))
		return 0; // nor is it a prefix's
	if (hit || (flags & STEER_ADDR_NODE))
		return hit != 0;
	return port_in(net_of(&p->dst), p->proto, p->dport) != 0;
}

// From a server of a NAT service, to anybody but the node?
static __noinline int is_nat_reply(struct packet *p)
{
	struct steer_addr *addr;
	__u32 *set;

	set = bpf_map_lookup_elem(&sluice_from, &p->src);
	if (!set)
		return 0;
	addr = bpf_map_lookup_elem(&sluice_addr, &p->dst);
	if (addr && (addr->flags & STEER_ADDR_NODE))
		return 0;
	return p->proto == IPPROTO_FRAGMENT || port_in(*set, p->proto, p->sport) != 0;
}

static __noinline int is_ours(struct xdp_md *ctx, struct packet *p)
{
	if (p->proto == IPPROTO_FRAGMENT)
		return (flags_of(&p->dst) & (STEER_ADDR_SERVICE | STEER_ADDR_LOCAL)) != 0 ||
		       is_nat_reply(p);
	if (p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP)
		return is_to_us(ctx, p) || is_nat_reply(p);
	return 0;
}

struct fragment_head {
	__u8 next;
	__u8 zero;
	__be16 offset; // upper 13 bits, in units of 8 bytes; "more fragments" is the lowest bit
	__be32 id;
};

// Does a socket of the kernel wait for this datagram where a service takes any port of the address?
static __noinline int is_the_kernels(struct xdp_md *ctx, struct packet *p)
{
	struct steer_addr *addr;

	if (p->proto != IPPROTO_TCP && p->proto != IPPROTO_UDP)
		return 0;
	addr = bpf_map_lookup_elem(&sluice_addr, &p->dst);
	if (!addr || port_in(addr->set, p->proto, p->dport) != STEER_PORT_WILD)
		return 0;
	if (has_service(p))
		return 0;
	return kernel_has_socket(ctx, p);
}

// A fragment: p->proto as its headers say, layer 4 of the first one at `at`. Ours?
static __noinline int fragment_is_ours(struct xdp_md *ctx, struct packet *p, __u32 id, __u32 at,
				       int first)
{
	struct steer_frag_key key = {};
	union l4_start l4 = {};
	__u32 one = 1;

	__builtin_memcpy(key.src, p->src.addr, sizeof(key.src));
	__builtin_memcpy(key.dst, p->dst.addr, sizeof(key.dst));
	key.id = id;
	key.proto = p->src.family == 4 ? p->proto : 0;
	if (first) {
		if (bpf_xdp_load_bytes(ctx, at, &l4, sizeof(l4)) == 0) {
			p->sport = l4.sport;
			p->dport = l4.dport;
			if (is_the_kernels(ctx, p)) {
				bpf_map_update_elem(&sluice_frag, &key, &one, BPF_ANY);
				return 0;
			}
		}
	} else if (bpf_map_lookup_elem(&sluice_frag, &key)) {
		return 0;
	}
	p->proto = IPPROTO_FRAGMENT;
	return is_ours(ctx, p);
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

// Ports of the inner packet, which is turned round. Without them the addresses decide.
static __always_inline void inner_ports(struct xdp_md *ctx, __u32 at, struct packet *p)
{
	union l4_start l4 = {};

	if ((p->proto != IPPROTO_TCP && p->proto != IPPROTO_UDP) ||
	    bpf_xdp_load_bytes(ctx, at, &l4, sizeof(l4)) != 0)
		p->proto = IPPROTO_FRAGMENT;
	p->sport = l4.dport;
	p->dport = l4.sport;
}

// An ICMP error whose inner packet begins at `at`: ours if the answer to that would be.
static __noinline int error4(struct xdp_md *ctx, __u32 at)
{
	struct packet in = {};
	struct iphdr ip;

	if (bpf_xdp_load_bytes(ctx, at, &ip, sizeof(ip)) != 0 || ip.version != 4 || ip.ihl < 5)
		return 0;
	in.src.family = in.dst.family = 4;
	__builtin_memcpy(in.src.addr, &ip.daddr, 4);
	__builtin_memcpy(in.dst.addr, &ip.saddr, 4);
	in.proto = ip.protocol;
	if (in.proto != IPPROTO_TCP && in.proto != IPPROTO_UDP)
		return 0;
	if ((ip.frag_off & bpf_htons(IP_OFFSET)) != 0)
		in.proto = IPPROTO_FRAGMENT;
	inner_ports(ctx, at + ip.ihl * 4, &in);
	return is_ours(ctx, &in);
}

static __noinline int error6(struct xdp_md *ctx, __u32 at)
{
	struct packet in = {};
	struct ipv6hdr ip;
	__u8 next;

	if (bpf_xdp_load_bytes(ctx, at, &ip, sizeof(ip)) != 0 || ip.version != 6)
		return 0;
	in.src.family = in.dst.family = 6;
	__builtin_memcpy(in.src.addr, &ip.daddr, 16);
	__builtin_memcpy(in.dst.addr, &ip.saddr, 16);
	next = ip.nexthdr;
	at += sizeof(ip);
	if (skip_extensions(ctx, &next, &at) != 0)
		next = IPPROTO_FRAGMENT;
	if (next != IPPROTO_TCP && next != IPPROTO_UDP && next != IPPROTO_FRAGMENT)
		return 0;
	in.proto = next;
	inner_ports(ctx, at, &in);
	return is_ours(ctx, &in);
}

static __always_inline int is_echo_to_us(struct packet *p)
{
	return (flags_of(&p->dst) & STEER_ADDR_SERVICE) != 0;
}

static __always_inline int ours4(struct xdp_md *ctx, void *l3, void *end)
{
	union l4_start l4 = {}, *h;
	struct packet p = {};
	struct iphdr *ip = l3;
	__u32 at;

	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5)
		return 0;
	p.src.family = p.dst.family = 4;
	__builtin_memcpy(p.src.addr, &ip->saddr, 4);
	__builtin_memcpy(p.dst.addr, &ip->daddr, 4);
	p.proto = ip->protocol;
	at = ETH_HLEN + ip->ihl * 4;
	if ((ip->frag_off & bpf_htons(IP_OFFSET_OR_MORE)) != 0)
		return fragment_is_ours(ctx, &p, ip->id, at,
					(ip->frag_off & bpf_htons(IP_OFFSET)) == 0);
	if (ip->ihl == 5) {
		h = (void *)(ip + 1);
		if ((void *)(h + 1) > end)
			return 0;
		l4 = *h;
	} else if (bpf_xdp_load_bytes(ctx, at, &l4, sizeof(l4)) != 0) {
		return 0;
	}
	if (p.proto == IPPROTO_ICMP) {
		switch (l4.icmp_type) {
		case 8: // echo request
			return is_echo_to_us(&p);
		case 3:  // destination unreachable, fragmentation needed
		case 4:  // source quench
		case 11: // time exceeded
		case 12: // parameter problem
			return error4(ctx, at + ICMP_HEAD);
		default:
			return 0;
		}
	}
	p.sport = l4.sport;
	p.dport = l4.dport;
	return is_ours(ctx, &p);
}

static __always_inline int ours6(struct xdp_md *ctx, void *l3, void *end)
{
	__u32 at = ETH_HLEN + sizeof(struct ipv6hdr);
	union l4_start l4 = {}, *h;
	struct packet p = {};
	struct ipv6hdr *ip = l3;
	struct fragment_head f;
	__u8 next;

	if ((void *)(ip + 1) > end || ip->version != 6)
		return 0;
	p.src.family = p.dst.family = 6;
	__builtin_memcpy(p.src.addr, &ip->saddr, 16);
	__builtin_memcpy(p.dst.addr, &ip->daddr, 16);
	next = ip->nexthdr;
	if (next == IPPROTO_TCP || next == IPPROTO_UDP || next == IPPROTO_ICMPV6) {
		h = (void *)(ip + 1);
		if ((void *)(h + 1) > end)
			return 0;
		l4 = *h;
	} else {
		if (skip_extensions(ctx, &next, &at) != 0)
			return 0;
		if (next == IPPROTO_FRAGMENT) {
			if (bpf_xdp_load_bytes(ctx, at, &f, sizeof(f)) != 0)
				return 0;
			p.proto = f.next;
			return fragment_is_ours(ctx, &p, f.id, at + sizeof(f),
						(f.offset & bpf_htons(IP6_OFFSET)) == 0);
		}
		if (bpf_xdp_load_bytes(ctx, at, &l4, sizeof(l4)) != 0)
			return 0;
	}
	if (next == IPPROTO_ICMPV6) {
		if (l4.icmp_type == 128) // echo request
			return is_echo_to_us(&p);
		if (l4.icmp_type >= 1 && l4.icmp_type <= 4) // RFC 4443 section 2.1: the errors
			return error6(ctx, at + ICMP_HEAD);
		return 0;
	}
	p.proto = next;
	p.sport = l4.sport;
	p.dport = l4.dport;
	return is_ours(ctx, &p);
}

static __always_inline void count(int verdict)
{
	struct steer_stat *stat;
	__u32 zero = 0;

	stat = bpf_map_lookup_elem(&sluice_stat, &zero);
	if (stat) {
		// No branches: the compiler would choose among pointers, which the verifier allows with
		// CAP_PERFMON only.
		stat->seen++;
		stat->passed += verdict == XDP_PASS;
		stat->redirected += verdict == XDP_REDIRECT;
		stat->dropped += verdict == XDP_DROP;
	}
}

SEC("xdp")
int xsk_def_prog(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct vlan_tag *tag;
	__u32 vid;
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
	count(verdict);
	return verdict;
}

// A member of a bond is a wire: the kernel sees nothing of it. Without a socket (the app is gone, or the
// member is the backup of another) all is dropped.
SEC("xdp")
int sluice_whole(struct xdp_md *ctx)
{
	int verdict = (int)bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_DROP);

	count(verdict);
	return verdict;
}

// Read by libxdp from the BTF: the layout of xsks_map it may expect.
struct {
	__uint(xsk_prog_version, 1);
} xsk_metadata SEC("xdp_metadata");

char steer_license[] SEC("license") = "Dual BSD/GPL";
