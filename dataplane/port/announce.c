// SPDX-License-Identifier: BSD-3-Clause
//
// What a bond says of itself when another member takes over, as Linux's bonding driver does: RARP, for
// switches to learn where its MAC address is now, and of each address of its kernel views an ARP
// announcement (RFC 5227, section 2.3) or an unsolicited neighbour advertisement (RFC 4861, section
// 7.2.6), for neighbours that learned another MAC address while an interface was no member yet.
//
// Frames are sent beside the workers: a bond's transmit queue has a lock. Many addresses are said in
// portions, so that the ring of a member holds them and the control thread goes on in between.

#include "dataplane/port/port_priv.h"

#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include <stdlib.h>
#include <string.h>

#define PORTION      512 // addresses of a view at a time
#define NETWORKS_MAX 64

static void put16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

// Send an Ethernet frame, in VLAN vid unless 0. to: 6 bytes
static void send_frame(struct port_slot *s, uint16_t vid, const uint8_t *to, unsigned type,
		       const uint8_t *payload, unsigned len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(s->pool);
	unsigned head = vid != 0 ? 18 : 14, size = head + len < 60 ? 60 : head + len;
	uint16_t sent;
	uint8_t *f;

	if (m == NULL)
		return;
	f = rte_pktmbuf_mtod(m, uint8_t *);
	m->data_len = (uint16_t)size; // fits: a buffer holds a frame
	m->pkt_len = size;
	memset(f, 0, size);
	memcpy(f, to, 6);
	memcpy(f + 6, &s->p.mac, 6);
	if (vid != 0) {
		put16(f + 12, RTE_ETHER_TYPE_VLAN);
		put16(f + 14, vid);
	}
	put16(f + head - 2, type);
	memcpy(f + head, payload, len);
	rte_spinlock_lock(&s->tx_lock[0]);
	sent = rte_eth_tx_burst(s->p.queue[0].rte_id, 0, &m, 1);
	rte_spinlock_unlock(&s->tx_lock[0]);
	if (sent != 1)
		rte_pktmbuf_free(m);
}

static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void say_where(struct port_slot *s, uint16_t vid)
{
	uint8_t rarp[28] = {0, 1, 8, 0, 6, 4, 0, 3};

	memcpy(rarp + 8, &s->p.mac, 6); // sender and target: itself
	memcpy(rarp + 18, &s->p.mac, 6);
	send_frame(s, vid, everybody, RTE_ETHER_TYPE_RARP, rarp, sizeof(rarp));
}

static void say_ipv4(struct port_slot *s, uint16_t vid, const uint8_t *addr)
{
	uint8_t arp[28] = {0, 1, 8, 0, 6, 4, 0, 1};

	memcpy(arp + 8, &s->p.mac, 6);
	memcpy(arp + 14, addr, 4);
	memcpy(arp + 24, addr, 4);
	send_frame(s, vid, everybody, RTE_ETHER_TYPE_ARP, arp, sizeof(arp));
}

static void say_ipv6(struct port_slot *s, uint16_t vid, const uint8_t *addr)
{
	static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1}, to[6] = {0x33, 0x33, 0, 0, 0, 1};
	struct {
		struct rte_ipv6_hdr ip;
		uint8_t na[32];
	} __attribute__((packed)) p = {
		.ip = {.vtc_flow = RTE_BE32(0x60000000),
		       .payload_len = RTE_BE16(32),
		       .proto = IPPROTO_ICMPV6,
		       .hop_limits = 255},
		.na = {136, 0, 0, 0, 0xa0}, // of a router; overrides what was known
	};
	uint16_t sum;

	memcpy(p.ip.src_addr, addr, 16);
	memcpy(p.ip.dst_addr, all_nodes, 16);
	memcpy(p.na + 8, addr, 16);
	p.na[24] = 2; // target link-layer address
	p.na[25] = 1;
	memcpy(p.na + 26, &s->p.mac, 6);
	sum = rte_ipv6_udptcp_cksum(&p.ip, p.na);
	memcpy(p.na + 2, &sum, 2);
	send_frame(s, vid, to, RTE_ETHER_TYPE_IPV6, (const uint8_t *)&p, sizeof(p));
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	return memcmp(a, b, whole) == 0 &&
	       (rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0);
}

// Addresses of one kernel view. Service addresses stand on every view as host routes: one that is in none
// of its networks must not be said to be here.
struct view {
	const struct addr_node *network[NETWORKS_MAX]; // addresses with a network around them
	unsigned networks;
	int ifindex;
};

static void find_networks(struct view *v, const struct addr_node *node, unsigned count)
{
	for (unsigned i = 0; i < count && v->networks < NETWORKS_MAX; i++)
		if (node[i].ifindex == v->ifindex &&
		    node[i].prefix < (node[i].addr.family == 4 ? 32 : 128))
			v->network[v->networks++] = &node[i];
}

static bool is_local(const struct view *v, const struct addr_node *a)
{
	for (unsigned i = 0; i < v->networks; i++)
		if (v->network[i]->addr.family == a->addr.family &&
		    same_bits(v->network[i]->addr.bytes, a->addr.bytes, v->network[i]->prefix))
			return true;
	return false;
}

// Those of number from and following, PORTION of them.
static void say_addresses(struct port_slot *s, uint16_t vid, uint16_t index,
			  const struct addr_node *node, unsigned count, unsigned from)
{
	const struct port *tap = index != PORT_NONE ? port_get(index) : NULL;
	struct view v = {.ifindex = tap != NULL ? tap->ifindex : 0};
	unsigned nth = 0;

	if (tap == NULL)
		return;
	find_networks(&v, node, count);
	for (unsigned i = 0; i < count && nth < from + PORTION; i++) {
		if (node[i].ifindex != v.ifindex || !is_local(&v, &node[i]) || nth++ < from)
			continue;
		if (node[i].addr.family == 4)
			say_ipv4(s, vid, node[i].addr.bytes);
		else
			say_ipv6(s, vid, node[i].addr.bytes);
	}
}

void announce_mac(struct port_slot *s)
{
	say_where(s, 0);
	for (unsigned i = 0; i < s->p.vlan_count; i++)
		say_where(s, s->p.vlan[i].vid);
}

void announce_addresses(struct port_slot *s, unsigned nth)
{
	struct addr_node *node = NULL;
	unsigned count = 0;

	if (addr_all(&node, &count) == 0) {
		say_addresses(s, 0, s->p.shadow, node, count, nth * PORTION);
		for (unsigned i = 0; i < s->p.vlan_count; i++)
			say_addresses(s, s->p.vlan[i].vid, s->p.vlan[i].shadow, node, count,
				      nth * PORTION);
	}
	free(node);
}
