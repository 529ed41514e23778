// SPDX-License-Identifier: BSD-3-Clause
//
// worker_fuzz - any frames through a worker of sluice-lb that has flows of both families: fragments, ICMP errors and
// their translation, extension headers, options. Every packet has to end in one way and the counters
// have to add up (lb_fake.c asserts both); what is forwarded has right checksums where it had them.
//
// Input: frames, each behind two bytes: 12 bits of length (little endian), bit 12: write the IP checksum, bit 13: the
// ICMP checksum, bit 14: time goes on, bit 15: the burst ends here.

#include "tests/unit/apps/lb/worker/lb_fake.h"

#include <rte_ip.h>

#include "dataplane/flow/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fix(uint8_t *frame, unsigned len, unsigned flags)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + 14);
	unsigned hlen, total;
	uint16_t sum;

	if (len < 14 + 40)
		return;
	if (frame[12] == 0x08 && frame[13] == 0 && (flags & 0x1000)) {
		hlen = (ip->version_ihl & 15) * 4u;
		total = rte_be_to_cpu_16(ip->total_length);
		if (hlen < 20 || 14 + hlen + 8 > len || total < hlen + 8 || 14 + total > len)
			return;
		if (ip->next_proto_id == IPPROTO_ICMP && (flags & 0x2000)) {
			memset(frame + 14 + hlen + 2, 0, 2);
			sum = (uint16_t)~rte_raw_cksum(frame + 14 + hlen, total - hlen);
			memcpy(frame + 14 + hlen + 2, &sum, 2);
		}
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	} else if (frame[12] == 0x86 && frame[13] == 0xdd && (flags & 0x2000)) {
		struct rte_ipv6_hdr *ip6 = (struct rte_ipv6_hdr *)(frame + 14);

		total = rte_be_to_cpu_16(ip6->payload_len);
		if (ip6->proto != IPPROTO_ICMPV6 || total < 8 || 54 + total > len)
			return;
		memset(frame + 54 + 2, 0, 2);
		sum = rte_ipv6_udptcp_cksum(ip6, frame + 54);
		memcpy(frame + 54 + 2, &sum, 2);
	}
}

// Two flows, always the same: what a corpus quotes stays true.
static void begin(void)
{
	if (world.lw == NULL) {
		fake_start(64);
		memset(world.lw->table->seed, 1, sizeof(world.lw->table->seed));
	} else {
		fake_again(); // to make a table takes a hundred times as long as an input
	}
	fake_client(FAKE_UDP, 1, 0);
	fake_client(FAKE_TCP6, 1, TCP_SYN);
	fake_burst();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool seen = false;

	begin();
	while (size > 2) {
		unsigned flags = data[0] | (unsigned)data[1] << 8, len = flags & 0xfff;
		struct fake_packet *p;

		data += 2;
		size -= 2;
		if (len > size)
			len = (unsigned)size;
		if (len > 600)
			len = 600;
		p = fake_frame(data, len);
		fix(fake_bytes(p), len, flags);
		data += len;
		size -= len;
		if (flags & 0x4000)
			world.w.now_ticks += 40;
		seen = true;
		if ((flags & 0x8000) || world.in_count == LB_BURST) {
			fake_burst();
			seen = false;
		}
	}
	if (seen)
		fake_burst();
	world.w.now_ticks += 1000;
	lb_age_poll(&world.w, world.lw);
	fake_check_sum();
	if (world.w.count.held != 0)
		abort();
	return 0;
}
