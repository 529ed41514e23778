// SPDX-License-Identifier: BSD-3-Clause
//
// split - fragmentation of IPv4 packets that may be fragmented (RFC 791 section 3.2), for a next hop whose
// MTU is smaller. The pieces keep what the packet's own place in a datagram was, so one that was a
// fragment already can be cut again. Options without the copied bit become no-operations in all
// pieces but the first.

#include "dataplane/out/out.h"
#include "dataplane/out/out_priv.h"

#include <rte_ip.h>

#include <string.h>

#define OFFSET_MASK 0x1fff

static uint16_t field_of(const struct rte_ipv4_hdr *ip)
{
	return rte_be_to_cpu_16(ip->fragment_offset);
}

static void finish(struct rte_ipv4_hdr *ip, uint16_t field, unsigned len)
{
	ip->fragment_offset = rte_cpu_to_be_16(field);
	ip->total_length = rte_cpu_to_be_16((uint16_t)len);
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

static void leave_out_options(uint8_t *opt, unsigned len)
{
	for (unsigned i = 0; i < len && opt[i] != 0;) {
		unsigned n = opt[i] == 1 ? 1 : i + 1 < len ? opt[i + 1] : 0;

		if (n == 0 || n > len - i)
			return; // the parser has refused such
		if ((opt[i] & 0x80) == 0)
			memset(opt + i, 1, n);
		i += n;
	}
}

enum drop_reason split_packet(struct rte_mbuf *m, const struct parse_info *pi, uint16_t mtu,
			      uint16_t id, struct rte_mbuf *later[SPLIT_MAX], unsigned *n)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, pi->l3_off);
	unsigned hlen, step, data, done, made = 0;
	const uint8_t *payload;
	rte_be16_t given;
	uint16_t field;

	if (m->nb_segs != 1 || m->pool == NULL ||
	    rte_pktmbuf_data_len(m) < (unsigned)pi->l3_off + pi->l3_len || pi->l3_len < 20)
		return DROP_MTU;
	hlen = (ip->version_ihl & 0xfu) * 4;
	field = field_of(ip);
	if ((field & RTE_IPV4_HDR_DF_FLAG) != 0 || hlen < 20 || mtu < hlen + 8 || pi->l3_len < hlen)
		return DROP_MTU;
	step = (mtu - hlen) & ~7u;
	data = pi->l3_len - hlen;
	if (data <= step || (data + step - 1) / step - 1 > SPLIT_MAX)
		return DROP_MTU;
	payload = (const uint8_t *)ip + hlen;
	given = ip->packet_id;
	if ((field & (RTE_IPV4_HDR_MF_FLAG | OFFSET_MASK)) == 0)
		ip->packet_id = rte_cpu_to_be_16(id);
	for (done = step; done < data; done += step) {
		unsigned len = data - done < step ? data - done : step;
		bool last = done + len == data;
		struct rte_mbuf *p = rte_pktmbuf_alloc(m->pool);
		struct rte_ipv4_hdr *head;
		uint8_t *bytes;

		bytes = p == NULL ? NULL
				  : (uint8_t *)rte_pktmbuf_append(
					    p, (uint16_t)(pi->l3_off + hlen + len));
		if (bytes == NULL) {
			rte_pktmbuf_free(p);
			rte_pktmbuf_free_bulk(later, made);
			ip->packet_id = given;
			return DROP_NO_MBUF;
		}
		later[made++] = p;
		p->port = m->port;
		p->vlan_tci = m->vlan_tci;
		memcpy(bytes, rte_pktmbuf_mtod(m, uint8_t *), pi->l3_off + hlen);
		memcpy(bytes + pi->l3_off + hlen, payload + done, len);
		head = (struct rte_ipv4_hdr *)(bytes + pi->l3_off);
		leave_out_options(bytes + pi->l3_off + 20, hlen - 20);
		finish(head,
		       (uint16_t)((field + done / 8) |
				  (last ? field & RTE_IPV4_HDR_MF_FLAG : RTE_IPV4_HDR_MF_FLAG)),
		       hlen + len);
	}
	finish(ip, field | RTE_IPV4_HDR_MF_FLAG, hlen + step);
	m->data_len = (uint16_t)(pi->l3_off + hlen + step);
	m->pkt_len = m->data_len;
	*n = made;
	return DROP_NONE;
}
