// SPDX-License-Identifier: BSD-3-Clause
//
// A request becomes its answer in its own buffer. The peer wrote every byte of it: whatever is read was
// measured against rte_pktmbuf_data_len() first, and what parse said is not believed beyond that.
// Nothing is answered that came to a group address of the link (RFC 1122 section 3.2.2).

#include "dataplane/out/out.h"

#include <rte_ip.h>
#include <rte_tcp.h>

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "dataplane/out/rewrite.h"

#define TTL             64
#define ICMP_ERROR_MAX4 576  // whole IP packet, RFC 1812 section 4.3.2.3
#define ICMP_ERROR_MAX6 1280 // RFC 4443 section 2.4 (c)

struct icmp_head {
	uint8_t type, code;
	rte_be16_t checksum;
	rte_be32_t rest;
};

static uint8_t *at(struct rte_mbuf *m, unsigned offset)
{
	return rte_pktmbuf_mtod_offset(m, uint8_t *, offset);
}

static bool holds(const struct rte_mbuf *m, unsigned bytes)
{
	return rte_pktmbuf_data_len(m) >= bytes;
}

// Ethernet addresses turned round; false if the frame was to or from a group.
static bool turn_l2(struct rte_mbuf *m)
{
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	struct rte_ether_addr from = eth->src_addr;

	if (rte_is_multicast_ether_addr(&eth->dst_addr) || rte_is_multicast_ether_addr(&from))
		return false;
	eth->src_addr = eth->dst_addr;
	eth->dst_addr = from;
	return true;
}

// Cut the chain to its first `len` bytes, which lie in the first segment.
static void cut(struct rte_mbuf *m, unsigned len)
{
	if (m->next != NULL) {
		rte_pktmbuf_free(m->next);
		m->next = NULL;
	}
	m->nb_segs = 1;
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
}

// A checksum after a 16-bit word under it changed (host order).
static rte_be16_t sum_change(rte_be16_t sum, uint16_t before, uint16_t after)
{
	return rewrite_sum(sum,
			   rewrite_difference(rte_cpu_to_be_16(after), rte_cpu_to_be_16(before)));
}

// first: also where it is the first fragment of a packet.
static bool answerable(const struct rte_mbuf *m, const struct parse_info *pi, bool first)
{
	unsigned head = pi->flags & PARSE_IPV6 ? 40 : 20;

	return (pi->flags & (PARSE_IPV4 | PARSE_IPV6)) && (pi->flags & PARSE_L4) &&
	       (first || !(pi->flags & PARSE_FRAGMENT)) && pi->l3_off >= RTE_ETHER_HDR_LEN &&
	       pi->l4_off >= pi->l3_off + head && holds(m, pi->l4_off + 8u);
}

static void swap(uint8_t *a, uint8_t *b, unsigned n)
{
	uint8_t t[16];

	memcpy(t, a, n);
	memcpy(a, b, n);
	memcpy(b, t, n);
}

// Addresses turned round and a hop limit of our own; the header checksum by the difference.
static void turn4(uint8_t *l3)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;

	swap(l3 + 12, l3 + 16, 4);
	ip->hdr_checksum = sum_change(ip->hdr_checksum, (uint16_t)(ip->time_to_live << 8 | l3[9]),
				      (uint16_t)(TTL << 8 | l3[9]));
	ip->time_to_live = TTL;
}

bool answer_echo(struct rte_mbuf *m, const struct parse_info *pi)
{
	bool v6 = pi->flags & PARSE_IPV6;
	struct icmp_head icmp;
	uint8_t *l3, *l4;

	if (!answerable(m, pi, true) || pi->proto != (v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return false;
	l3 = at(m, pi->l3_off);
	l4 = at(m, pi->l4_off);
	memcpy(&icmp, l4, sizeof(icmp));
	if (icmp.type != (v6 ? 128 : 8) || icmp.code != 0 || !turn_l2(m))
		return false;
	if (v6) {
		swap(l3 + 8, l3 + 24, 16);
		l3[7] = TTL;
		icmp.checksum = sum_change(icmp.checksum, 128 << 8, 129 << 8);
		icmp.type = 129;
	} else {
		turn4(l3);
		icmp.checksum = sum_change(icmp.checksum, 8 << 8, 0);
		icmp.type = 0;
	}
	memcpy(l4, &icmp, sizeof(icmp));
	return true;
}

// A plain IP header with the addresses of l3 turned round, no options, length of the layer-4 part.
static void head4(uint8_t *l3, uint8_t proto, uint16_t payload)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;

	swap(l3 + 12, l3 + 16, 4);
	ip->version_ihl = 0x45;
	ip->type_of_service = 0;
	ip->total_length = rte_cpu_to_be_16(payload + 20);
	ip->packet_id = 0;
	ip->fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
	ip->time_to_live = TTL;
	ip->next_proto_id = proto;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

static void head6(uint8_t *l3, uint8_t proto, uint16_t payload)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)l3;

	swap(l3 + 8, l3 + 24, 16);
	ip->vtc_flow = RTE_BE32(UINT32_C(6) << 28);
	ip->payload_len = rte_cpu_to_be_16(payload);
	ip->proto = proto;
	ip->hop_limits = TTL;
}

bool answer_reset(struct rte_mbuf *m, const struct parse_info *pi)
{
	bool v6 = pi->flags & PARSE_IPV6;
	unsigned head = v6 ? 40 : 20, tcp_len, data;
	struct rte_tcp_hdr in, out = {0};
	uint8_t *l3;

	if (!answerable(m, pi, false) || pi->proto != IPPROTO_TCP || !holds(m, pi->l4_off + 20u))
		return false;
	memcpy(&in, at(m, pi->l4_off), sizeof(in));
	tcp_len = (in.data_off >> 4) * 4u;
	if ((in.tcp_flags & RTE_TCP_RST_FLAG) || tcp_len < 20 ||
	    pi->l3_len < (unsigned)(pi->l4_off - pi->l3_off) + tcp_len || !turn_l2(m))
		return false;
	data = pi->l3_len - (pi->l4_off - pi->l3_off) - tcp_len;

	out.src_port = in.dst_port;
	out.dst_port = in.src_port;
	out.data_off = 5 << 4;
	if (in.tcp_flags & RTE_TCP_ACK_FLAG) {
		out.sent_seq = in.recv_ack;
		out.tcp_flags = RTE_TCP_RST_FLAG;
	} else {
		data += (in.tcp_flags & RTE_TCP_SYN_FLAG) != 0;
		data += (in.tcp_flags & RTE_TCP_FIN_FLAG) != 0;
		out.recv_ack = rte_cpu_to_be_32(rte_be_to_cpu_32(in.sent_seq) + data);
		out.tcp_flags = RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG;
	}
	cut(m, pi->l3_off + head + sizeof(out));
	l3 = at(m, pi->l3_off);
	memcpy(l3 + head, &out, sizeof(out));
	if (v6) {
		head6(l3, IPPROTO_TCP, sizeof(out));
		out.cksum = rte_ipv6_udptcp_cksum((struct rte_ipv6_hdr *)l3, l3 + head);
	} else {
		head4(l3, IPPROTO_TCP, sizeof(out));
		out.cksum = rte_ipv4_udptcp_cksum((struct rte_ipv4_hdr *)l3, l3 + head);
	}
	memcpy(l3 + head + offsetof(struct rte_tcp_hdr, cksum), &out.cksum, 2);
	return true;
}

// Can an error be about this packet (RFC 1122 section 3.2.2, RFC 4443 section 2.4 (e))? Of a datagram in pieces
// only about the first, which the sender can recognize. echo: about an echo request too.
static bool blamable(const struct rte_mbuf *m, const struct parse_info *pi, bool echo)
{
	static const uint8_t none[16];
	const uint8_t *l3;
	bool v6 = pi->flags & PARSE_IPV6;

	if (!(pi->flags & (PARSE_IPV4 | PARSE_IPV6)) || !(pi->flags & PARSE_L4) ||
	    pi->l3_off < RTE_ETHER_HDR_LEN || !holds(m, pi->l3_off + (v6 ? 40u : 20u)))
		return false;
	// Never about an ICMP packet: it may be an error itself.
	if ((pi->proto == IPPROTO_ICMP || pi->proto == IPPROTO_ICMPV6) &&
	    !(echo && pi->icmp_type == (v6 ? 128 : 8)))
		return false;
	l3 = rte_pktmbuf_mtod_offset(m, const uint8_t *, pi->l3_off);
	return v6 ? memcmp(l3 + 8, none, 16) != 0 : l3[12] != 0;
}

// The packet becomes an ICMP error about itself, from the address it was sent to.
static bool answer_error(struct rte_mbuf *m, const struct parse_info *pi, struct icmp_head icmp)
{
	bool v6 = pi->flags & PARSE_IPV6;
	unsigned head = v6 ? 40 : 20, grow = head + sizeof(struct icmp_head);
	unsigned quote = pi->l3_len, most = (v6 ? ICMP_ERROR_MAX6 : ICMP_ERROR_MAX4) - grow;
	uint8_t *frame, *l3;

	if (!blamable(m, pi, icmp.type == (v6 ? 3 : 11)))
		return false;
	if (quote > most)
		quote = most;
	if (quote > rte_pktmbuf_data_len(m) - (unsigned)pi->l3_off)
		quote = rte_pktmbuf_data_len(m) - (unsigned)pi->l3_off;
	if (rte_pktmbuf_headroom(m) < grow || !turn_l2(m))
		return false;
	cut(m, pi->l3_off + quote);
	frame = (uint8_t *)rte_pktmbuf_prepend(m, (uint16_t)grow);
	memmove(frame, frame + grow, pi->l3_off);
	l3 = frame + pi->l3_off;
	memcpy(l3, l3 + grow, head); // for its addresses
	memcpy(l3 + head, &icmp, sizeof(icmp));
	if (v6) {
		head6(l3, IPPROTO_ICMPV6, (uint16_t)(sizeof(icmp) + quote));
		icmp.checksum = rte_ipv6_udptcp_cksum((struct rte_ipv6_hdr *)l3, l3 + head);
	} else {
		head4(l3, IPPROTO_ICMP, (uint16_t)(sizeof(icmp) + quote));
		icmp.checksum = (uint16_t)~rte_raw_cksum(l3 + head, sizeof(icmp) + quote);
	}
	memcpy(l3 + head + offsetof(struct icmp_head, checksum), &icmp.checksum, 2);
	return true;
}

bool answer_unreachable(struct rte_mbuf *m, const struct parse_info *pi)
{
	bool v6 = pi->flags & PARSE_IPV6;

	return answer_error(m, pi, (struct icmp_head){.type = v6 ? 1 : 3, .code = v6 ? 4 : 3});
}

bool answer_too_big(struct rte_mbuf *m, const struct parse_info *pi, uint16_t mtu)
{
	bool v6 = pi->flags & PARSE_IPV6;

	return answer_error(m, pi,
			    (struct icmp_head){.type = v6 ? 2 : 3,
					       .code = v6 ? 0 : 4,
					       .rest = rte_cpu_to_be_32(mtu)});
}

bool answer_time_exceeded(struct rte_mbuf *m, const struct parse_info *pi)
{
	return answer_error(m, pi, (struct icmp_head){.type = pi->flags & PARSE_IPV6 ? 3 : 11});
}

bool answer_echo_later(struct rte_mbuf *m, const struct parse_info *pi)
{
	bool v6 = pi->flags & PARSE_IPV6;
	uint8_t *l3;

	if (pi->l3_off < RTE_ETHER_HDR_LEN || !holds(m, pi->l3_off + (v6 ? 40u : 20u)) ||
	    !turn_l2(m))
		return false;
	l3 = at(m, pi->l3_off);
	if (v6) {
		swap(l3 + 8, l3 + 24, 16);
		l3[7] = TTL;
	} else {
		turn4(l3);
	}
	return true;
}

// ---- ARP and neighbour discovery ------------------------------------------------------------------

struct arp {
	rte_be16_t hardware, protocol;
	uint8_t hlen, plen;
	rte_be16_t op;
	uint8_t sha[6], spa[4], tha[6], tpa[4];
};
_Static_assert(sizeof(struct arp) == 28, "RFC 826");

static bool arp_read(const struct rte_mbuf *m, const struct parse_info *pi, struct arp *a)
{
	if (!(pi->flags & PARSE_ARP) || pi->l3_off < RTE_ETHER_HDR_LEN ||
	    !holds(m, pi->l3_off + (unsigned)sizeof(*a)))
		return false;
	memcpy(a, rte_pktmbuf_mtod_offset(m, const uint8_t *, pi->l3_off), sizeof(*a));
	return a->hardware == RTE_BE16(1) && a->protocol == RTE_BE16(RTE_ETHER_TYPE_IPV4) &&
	       a->hlen == 6 && a->plen == 4 && a->op == RTE_BE16(1) && !(a->sha[0] & 1);
}

// A neighbour solicitation that RFC 4861 section 7.1.1 lets through.
static const uint8_t *solicitation(const struct rte_mbuf *m, const struct parse_info *pi)
{
	const uint8_t *l3, *l4;
	unsigned len;

	if (!(pi->flags & PARSE_IPV6) || !(pi->flags & PARSE_L4) || (pi->flags & PARSE_FRAGMENT) ||
	    pi->proto != IPPROTO_ICMPV6 || pi->l3_off < RTE_ETHER_HDR_LEN ||
	    pi->l4_off != pi->l3_off + 40 || pi->l3_len < 40 + 24 ||
	    !holds(m, (unsigned)pi->l3_off + pi->l3_len))
		return NULL;
	l3 = rte_pktmbuf_mtod_offset(m, const uint8_t *, pi->l3_off);
	l4 = l3 + 40;
	len = pi->l3_len - 40u;
	if (l4[0] != 135 || l4[1] != 0 || l3[7] != 255 || l4[8] == 0xff)
		return NULL;
	for (unsigned o = 24; o < len;) { // options: no length of 0
		if (o + 2 > len || l4[o + 1] == 0)
			return NULL;
		o += l4[o + 1] * 8u;
	}
	return rte_ipv6_udptcp_cksum_verify((const struct rte_ipv6_hdr *)l3, l4) == 0 ? l4 : NULL;
}

bool answer_neighbour_target(const struct rte_mbuf *m, const struct parse_info *pi, uint8_t *family,
			     uint8_t addr[16])
{
	const uint8_t *ns;
	struct arp a;

	memset(addr, 0, 16);
	if (arp_read(m, pi, &a)) {
		*family = 4;
		memcpy(addr, a.tpa, 4);
		return true;
	}
	ns = solicitation(m, pi);
	if (ns == NULL)
		return false;
	*family = 6;
	memcpy(addr, ns + 8, 16);
	return true;
}

static void reply_l2(struct rte_mbuf *m, const uint8_t *to, const struct port *p)
{
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);

	memcpy(eth->dst_addr.addr_bytes, to, 6);
	eth->src_addr = p->mac;
}

static bool reply_arp(struct rte_mbuf *m, const struct parse_info *pi, struct arp *a,
		      const struct port *p)
{
	a->op = RTE_BE16(2);
	memcpy(a->tha, a->sha, 6);
	swap(a->spa, a->tpa, 4);
	memcpy(a->sha, p->mac.addr_bytes, 6);
	memcpy(at(m, pi->l3_off), a, sizeof(*a));
	cut(m, pi->l3_off + (unsigned)sizeof(*a));
	reply_l2(m, a->tha, p);
	return true;
}

// RFC 4861 section 7.2.4; who asks from no address (duplicate detection) is answered to all nodes.
static bool reply_nd(struct rte_mbuf *m, const struct parse_info *pi, const struct port *p)
{
	static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1}, none[16];
	static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	uint8_t *l3 = at(m, pi->l3_off), *l4 = l3 + 40, target[16];
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)l3;
	bool dad = memcmp(l3 + 8, none, 16) == 0;
	rte_be16_t sum;

	if (!dad && (l3[8] == 0xff || rte_is_multicast_ether_addr(&eth->src_addr)))
		return false;
	cut(m, pi->l3_off + 40u + 24u);
	if (rte_pktmbuf_tailroom(m) < 8)
		return false;
	rte_pktmbuf_append(m, 8);
	memcpy(target, l4 + 8, 16);
	memcpy(l3 + 24, dad ? all_nodes : l3 + 8, 16);
	memcpy(l3 + 8, target, 16);
	ip->vtc_flow = RTE_BE32(UINT32_C(6) << 28);
	ip->payload_len = RTE_BE16(32);
	ip->proto = IPPROTO_ICMPV6;
	ip->hop_limits = 255;
	l4[0] = 136;
	l4[1] = 0;
	memset(l4 + 2, 0, 6);
	l4[4] = dad ? 0x20 : 0x60; // override, solicited
	l4[24] = 2;                // target link-layer address
	l4[25] = 1;
	memcpy(l4 + 26, p->mac.addr_bytes, 6);
	sum = rte_ipv6_udptcp_cksum(ip, l4);
	memcpy(l4 + 2, &sum, 2);
	reply_l2(m, dad ? all_nodes_mac : eth->src_addr.addr_bytes, p);
	return true;
}

bool answer_neighbour(struct rte_mbuf *m, const struct parse_info *pi, const struct port *p)
{
	struct arp a;

	if (arp_read(m, pi, &a))
		return reply_arp(m, pi, &a, p);
	return solicitation(m, pi) != NULL && reply_nd(m, pi, p);
}
