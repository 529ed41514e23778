// SPDX-License-Identifier: BSD-3-Clause
//
// answer_fuzz - any bytes as a request. First byte: bits 0-1 which answer, bit 6 room behind the
// frame, bit 7 a struct parse_info follows that may lie; else parse_frame says what the frame is.
// The buffer is as long as the frame, so that a sanitizer sees a byte too many; what comes out must
// have right lengths and a right IPv4 header checksum.

#include "dataplane/out/out.h"

#include <rte_ip.h>

#include <stdlib.h>
#include <string.h>

#define HEADROOM 128

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int right)
{
	if (!right)
		abort();
}

static bool answer(unsigned which, struct rte_mbuf *m, const struct parse_info *pi)
{
	static const struct port wire = {.mac = {{2, 0, 0, 0, 0, 9}}};
	uint8_t family, addr[16];

	switch (which) {
	case 0:
		return answer_echo(m, pi);
	case 1:
		return answer_reset(m, pi);
	case 2:
		return answer_unreachable(m, pi);
	}
	if (!answer_neighbour_target(m, pi, &family, addr))
		return false;
	check(family == 4 || family == 6);
	return answer_neighbour(m, pi, &wire);
}

static void check_answer(const struct rte_mbuf *m, const struct parse_info *pi, bool honest)
{
	const uint8_t *l3 = rte_pktmbuf_mtod_offset(m, const uint8_t *, pi->l3_off);

	check(m->nb_segs == 1 && m->next == NULL && m->pkt_len == m->data_len);
	check(m->data_off + m->data_len <= m->buf_len);
	check(m->data_len > pi->l3_off);
	if (!honest || !(pi->flags & PARSE_IPV4))
		return;
	check((l3[0] & 15) * 4u + pi->l3_off <= m->data_len);
	check((l3[2] << 8 | l3[3]) + pi->l3_off <= m->data_len);
	check(rte_raw_cksum(l3, (l3[0] & 15) * 4u) == 0xffff);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct parse_info pi = {0};
	struct rte_mbuf m = {.nb_segs = 1, .data_off = HEADROOM};
	bool honest = true;
	unsigned room, which;
	uint8_t *buffer;

	if (size < 1 || size > 4096)
		return 0;
	which = data[0] & 3;
	room = data[0] & 0x40 ? 16 : 0;
	honest = !(data[0] & 0x80);
	data++;
	size--;
	if (!honest) {
		if (size < sizeof(pi))
			return 0;
		memcpy(&pi, data, sizeof(pi));
		data += sizeof(pi);
		size -= sizeof(pi);
	} else if (parse_frame(data, (uint32_t)size, 0, &pi) != DROP_NONE) {
		return 0;
	}
	buffer = malloc(HEADROOM + size + room);
	memcpy(buffer + HEADROOM, data, size);
	m.buf_addr = buffer;
	m.buf_len = (uint16_t)(HEADROOM + size + room);
	m.data_len = (uint16_t)size;
	m.pkt_len = (uint32_t)size;
	if (answer(which, &m, &pi))
		check_answer(&m, &pi, honest);
	free(buffer);
	return 0;
}
