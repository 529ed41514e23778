// SPDX-License-Identifier: BSD-3-Clause
//
// frag_fuzz - any history of fragments for the table: six bytes each. No packet may be lost or come twice,
// and of one datagram no byte may pass twice.
//
//	0  bits 0-2 datagram, 3 more, 4 layer-4 header there, 5 TCP, 6 time goes on
//	1  ticks, if time goes on
//	2  offset in units of 8 (little endian), low 13 bits
//	4  length - 1 (little endian), low 13 bits

#include "dataplane/frag/frag.h"

#include <rte_mbuf.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum where { CALLER, TABLE, DROPPED };

static struct rte_mbuf packet[STEPS];
static uint8_t where[STEPS];
static unsigned inside;

static void check(int right)
{
	if (!right)
		abort();
}

static void drop(void *ctx, struct rte_mbuf *m, enum drop_reason reason)
{
	size_t i = (size_t)(m - packet);

	(void)ctx;
	check(i < STEPS && where[i] == TABLE && reason != DROP_NONE && reason < DROP_COUNT);
	where[i] = DROPPED;
	inside--;
}

static void take_all(struct frag_table *t, struct frag_datagram *d)
{
	struct parse_info info;
	struct rte_mbuf *m;

	while ((m = frag_take(t, d, &info)) != NULL) {
		check(where[m - packet] == TABLE);
		where[m - packet] = CALLER;
		inside--;
	}
}

static void step(struct frag_table *t, const uint8_t *in, unsigned i, uint32_t *now)
{
	struct frag_key key = {.id = in[0] & 7, .family = 4};
	struct parse_fragment f = {.id = key.id,
				   .offset = (uint16_t)((in[2] | (in[3] & 0x1f) << 8) * 8),
				   .more = (in[0] & 8) != 0};
	struct parse_info info = {.flags = PARSE_IPV4 | PARSE_FRAGMENT,
				  .proto = in[0] & 32 ? IPPROTO_TCP : IPPROTO_UDP};
	uint32_t len = (in[4] | (uint32_t)(in[5] & 0x1f) << 8) + 1;
	enum drop_reason why = DROP_NONE;
	struct frag_datagram *d;

	if (in[0] & 64)
		*now += in[1];
	if (f.more)
		len = (len + 7) & ~7U;
	if (f.offset + len > 65515)
		return;
	f.len = (uint16_t)len;
	if (f.offset == 0 && (in[0] & 16))
		info.flags |= PARSE_L4;
	packet[i].pkt_len = len;
	where[i] = CALLER;
	switch (frag_add(t, &key, &f, &packet[i], &info, *now, NULL, &d, &why)) {
	case FRAG_DROPPED:
		check(why != DROP_NONE);
		return;
	case FRAG_KEPT:
		where[i] = TABLE;
		inside++;
		return;
	case FRAG_DECIDES:
		check(f.offset == 0);
		frag_settle(d, in[1]);
		take_all(t, d);
		break;
	case FRAG_PASSES:
		check(d->held == 0);
		break;
	}
	for (unsigned k = 1; k < d->pieces; k++)
		check(d->piece[k - 1].to <= d->piece[k].from);
	frag_passed(t, d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frag_table *t;
	uint32_t now = UINT32_MAX - 50; // the clock wraps on the way
	unsigned i;

	if (frag_create(drop, &t) != 0)
		return 0;
	inside = 0;
	for (i = 0; i < STEPS && size >= 6; i++, data += 6, size -= 6) {
		step(t, data, i, &now);
		if (data[1] == 0)
			frag_expire(t, now, NULL);
		check(frag_count(t)->held == inside);
	}
	frag_expire(t, now + (1U << 30), NULL);
	check(inside == 0 && frag_count(t)->open == 0 && frag_count(t)->held_bytes == 0);
	frag_destroy(t);
	return 0;
}
