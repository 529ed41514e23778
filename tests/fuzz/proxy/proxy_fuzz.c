// SPDX-License-Identifier: BSD-3-Clause
//
// proxy_fuzz - any TCP segment through the PROXY header's writer. Four bytes first:
//
//	0  bit 0 from the server, bit 1 header pending, bit 2 client has reset, bit 3 room before the
//	   frame, bit 4 room behind it, bits 5-7 state of the flow
//	1  where the segment's number stands to the connection's start, signed; 127: nowhere near
//	2  largest packet, in units of 8 bytes
//	3  not used
//
// then a frame, which parse_frame() must take. The buffer is as long as said, so that a sanitizer sees a
// byte too many. What comes out must parse again, with right lengths and sums where they were right before.

#include "apps/lb/worker/lb_proxy.h"

#include <netinet/in.h>
#include <rte_ip.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int right)
{
	if (!right)
		abort();
}

static bool sum_right(const uint8_t *frame, const struct parse_info *pi)
{
	uint32_t len = pi->l3_len - (uint32_t)(pi->l4_off - pi->l3_off), sum, words = 0;
	const uint8_t *l3 = frame + pi->l3_off, *l4 = frame + pi->l4_off;
	uint32_t addrs = pi->flags & PARSE_IPV4 ? 8 : 32, from = pi->flags & PARSE_IPV4 ? 12 : 8;

	for (uint32_t i = 0; i < addrs; i += 2)
		words += (uint32_t)(l3[from + i] << 8 | l3[from + i + 1]);
	for (uint32_t i = 0; i < len; i++)
		words += i % 2 == 0 ? (uint32_t)l4[i] << 8 : l4[i];
	sum = words + len + IPPROTO_TCP;
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void pass(const uint8_t *in, struct rte_mbuf *m, struct parse_info *pi)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	enum flow_dir dir = in[0] & 1 ? FLOW_TO_CLIENT : FLOW_TO_SERVER;
	bool ipv6 = (pi->flags & PARSE_IPV6) != 0, right = sum_right(frame, pi);
	uint32_t number = get32(frame + pi->l4_off + (dir == FLOW_TO_SERVER ? 4 : 8));
	struct flow f = {.proto = IPPROTO_TCP,
			 .state = (uint8_t)((in[0] >> 5) % FLOW_STATE_COUNT),
			 .flags = FLOW_F_VALID | FLOW_F_PROXY};
	struct flow_cold c = {.start = number - (uint32_t)(int8_t)in[1]};
	uint16_t mtu = (uint16_t)(in[2] * 8u);
	struct flow_key6 key6 = {0};
	struct parse_info again;
	uint32_t before = pi->l3_len;
	bool headed;

	if (in[1] == 127)
		c.start = number ^ 0x55555555;
	f.flags |= (uint16_t)((in[0] & 2 ? FLOW_F_PROXY_PENDING : 0) |
			      (in[0] & 4 ? FLOW_F_RST_CLIENT : 0) | (ipv6 ? FLOW_F_IPV6 : 0));
	if (lb_proxy_pass(&f, &c, ipv6 ? &key6 : NULL, dir, mtu, m, pi, &headed) != DROP_NONE)
		return;
	frame = rte_pktmbuf_mtod(m, uint8_t *);
	check(m->data_off + m->data_len <= m->buf_len && m->data_len == m->pkt_len);
	check(m->data_len >= pi->l3_off + pi->l3_len);
	check(parse_frame(frame, m->data_len, 0, &again) == DROP_NONE);
	check(again.l3_len == pi->l3_len && again.l4_off == pi->l4_off);
	check(pi->l3_len <= before || (dir == FLOW_TO_SERVER && pi->l3_len <= mtu));
	check(sum_right(frame, pi) || !right);
	check(!headed || dir == FLOW_TO_SERVER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rte_mbuf m = {.nb_segs = 1};
	struct parse_info pi = {0};
	unsigned before, behind;
	uint8_t *buffer;

	if (size < 4 || size > 4096 ||
	    parse_frame(data + 4, (uint32_t)size - 4, 0, &pi) != DROP_NONE ||
	    (pi.flags & (PARSE_L4 | PARSE_FRAGMENT)) != PARSE_L4 || pi.proto != IPPROTO_TCP)
		return 0;
	before = data[0] & 8 ? LB_PROXY_LEN6 : 0;
	behind = data[0] & 16 ? LB_PROXY_LEN6 : 0;
	buffer = malloc(before + size - 4 + behind);
	memcpy(buffer + before, data + 4, size - 4);
	m.buf_addr = buffer;
	m.data_off = (uint16_t)before;
	m.buf_len = (uint16_t)(before + size - 4 + behind);
	m.data_len = (uint16_t)(size - 4);
	m.pkt_len = m.data_len;
	pass(data, &m, &pi);
	free(buffer);
	return 0;
}
