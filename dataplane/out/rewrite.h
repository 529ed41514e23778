// SPDX-License-Identifier: BSD-3-Clause
//
// rewrite - the headers of a balanced packet (FULLNAT): addresses, ports, hop limit and checksums.
//
// Checksums are changed by the difference kept in the flow (RFC 1624 equation 3), never computed anew:
// a packet that was damaged before us stays detectably damaged.
//
//	l4_delta  sum of the server side's addresses and ports minus that of the client side's (TCP, UDP: the
//	          pseudo header holds the addresses)
//
// in ones' complement, as the bytes lie in memory (RFC 1071: the sum does not care about byte order).
// Towards the client the complement is used. The IPv4 header's difference is that without the ports.
#pragma once

#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/flow/table.h"
#include "dataplane/parse/parse.h"

// Ones'-complement sum of the four words of `sum`: 0 only for 0. A number added to itself turned by half its bits
// has in the upper half both halves and their carry.
static inline uint16_t rewrite_fold(uint64_t sum)
{
	uint32_t half;

	sum += sum << 32 | sum >> 32;
	half = (uint32_t)(sum >> 32);
	half += half << 16 | half >> 16;
	return (uint16_t)(half >> 16);
}

// Ones'-complement sum of two words.
static inline uint16_t rewrite_add(uint16_t a, uint16_t b)
{
	uint32_t s = (uint32_t)a + b;

	return (uint16_t)(s + (s >> 16));
}

// A checksum after the words under it changed by delta. Returns 0xffff for a sum of zero only if it was
// 0xffff before (RFC 1624 section 4).
static inline uint16_t rewrite_sum(uint16_t sum, uint16_t delta)
{
	// ~(~sum + delta): a subtraction with the borrow taken round.
	return (uint16_t)(sum - delta - (sum < delta));
}

// after - before in ones' complement: what rewrite_sum() adds when words with one sum take the place of others.
static inline uint16_t rewrite_difference(uint16_t after, uint16_t before)
{
	return rewrite_add(after, (uint16_t)~before);
}

// Likewise for a checksum in a packet. For sums over bytes: rte_raw_cksum().
static inline void rewrite_patch(uint8_t *at, uint16_t delta)
{
	uint16_t sum;

	memcpy(&sum, at, 2);
	sum = rewrite_sum(sum, delta);
	memcpy(at, &sum, 2);
}

static inline uint16_t rewrite_delta(uint16_t delta, enum flow_dir dir)
{
	return dir == FLOW_TO_SERVER ? delta : (uint16_t)~delta;
}

// Work out l4_delta of a filled flow; `key6` is its key line, or NULL for IPv4.
// Thread: owner worker, once per flow
void rewrite_prepare(struct flow *f, const struct flow_key6 *key6);

// TCP: checksum at 16; UDP: at 6, where 0 means none over IPv4 (RFC 768) and a result of 0 is sent as
// 0xffff.
static inline void rewrite_l4_sum(uint8_t *l4, uint8_t proto, uint16_t delta)
{
	uint8_t *at = l4 + (proto == IPPROTO_TCP ? 16 : 6);
	uint16_t sum;

	memcpy(&sum, at, 2);
	if (proto == IPPROTO_UDP) {
		if (sum == 0)
			return;
		sum = rewrite_sum(sum, delta);
		sum = sum == 0 ? 0xffff : sum;
	} else {
		sum = rewrite_sum(sum, delta);
	}
	memcpy(at, &sum, 2);
}

// IPv4. ip: its header, l4: its TCP or UDP header; proto: that of the flow; the hop limit is above 1 (the caller has checked).
// Without a branch on the direction, which no predictor knows. Thread: owner worker
static inline void rewrite_ipv4(uint8_t *ip, uint8_t *l4, const struct flow *f, enum flow_dir dir,
				uint8_t proto)
{
	// As a packet of the other side carries them, its ends exchanged.
	uint32_t before = flow_load32(l4), back = (uint32_t)!dir << 31, ports = flow_ports(f, back);
	uint64_t addrs = flow_turn64(flow_addr4(f, back)), sum3;
	uint16_t delta = f->l4_delta ^ (uint16_t)-dir, sum;

	ports = flow_turn32(ports);
	memcpy(&sum, ip + 10, 2);
	// The hop limit is the first byte of its word, which goes down by 0x0100 on the wire: adding
	// the complement of that.
	sum3 = (uint64_t)delta + before + (uint32_t)~ports + (uint16_t)~sum +
	       (uint16_t)~RTE_BE16(0x0100);
	sum = (uint16_t)~rewrite_fold(sum3);
	rewrite_l4_sum(l4, proto, delta);
	ip[8]--;
	memcpy(ip + 10, &sum, 2);
	memcpy(ip + 12, &addrs, 8);
	memcpy(l4, &ports, 4);
}

// IPv6: no header checksum.
static inline void rewrite_ipv6(uint8_t *ip, uint8_t *l4, const struct flow *f,
				const struct flow_key6 *k, enum flow_dir dir)
{
	uint32_t ports;

	if (dir == FLOW_TO_SERVER) {
		ports = flow_turn32(flow_load32(&f->server_port));
		memcpy(ip + 8, k->local, 16);
		memcpy(ip + 24, k->server_addr, 16);
	} else {
		ports = flow_turn32(flow_load32(&f->client_port));
		memcpy(ip + 8, k->service_addr, 16);
		memcpy(ip + 24, k->client, 16);
	}
	rewrite_l4_sum(l4, f->proto, rewrite_delta(f->l4_delta, dir));
	ip[7]--;
	memcpy(l4, &ports, 4);
}
