// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/flow/rss.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Share of bit `bit` of the input: the 32 bits of the key that begin there.
static uint32_t window(const uint8_t *key, unsigned bit)
{
	unsigned byte = bit / 8, shift = bit % 8;
	uint64_t v = 0;

	for (unsigned i = 0; i < 5; i++)
		v = v << 8 | (byte + i < FLOW_RSS_KEY ? key[byte + i] : 0);
	return (uint32_t)(v >> (8 - shift));
}

static void tabulate(struct flow_rss *r, const uint8_t *key)
{
	for (unsigned at = 0; at < FLOW_RSS_KEY - 4; at++)
		for (unsigned value = 1; value < 256; value++)
			for (unsigned bit = 0; bit < 8; bit++)
				if ((value & (0x80u >> bit)) != 0)
					r->share[at][value] ^= window(key, at * 8 + bit);
}

// Sort by counting: stable, so ports stay in order within a bucket.
static void sort_ports(const struct flow_rss *r, unsigned at, struct flow_rss_ports *p)
{
	uint32_t next[FLOW_RSS_SLOTS];

	for (uint32_t port = 0; port < 65536; port++)
		p->start[(flow_rss_be16(r, at, rte_cpu_to_be_16((uint16_t)port)) & r->mask) + 1]++;
	for (uint32_t b = 0; b <= r->mask; b++)
		p->start[b + 1] += p->start[b];
	memcpy(next, p->start, sizeof(next));
	for (uint32_t port = 0; port < 65536; port++) {
		uint32_t b = flow_rss_be16(r, at, rte_cpu_to_be_16((uint16_t)port)) & r->mask;

		p->port[next[b]++] = (uint16_t)port;
	}
}

int flow_rss_create(const uint8_t key[FLOW_RSS_KEY], const uint8_t *worker, unsigned slots,
		    uint16_t workers, struct flow_rss **out)
{
	struct flow_rss *r;

	if (slots == 0 || slots > FLOW_RSS_SLOTS || (slots & (slots - 1)) != 0 || workers == 0 ||
	    workers > 256)
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	r->mask = slots - 1;
	r->workers = workers;
	for (unsigned i = 0; i < slots; i++) {
		unsigned w = worker[i];

		if (w >= workers)
			goto err_free;
		r->worker[i] = (uint8_t)w;
		r->own[w][r->own_count[w]++] = (uint16_t)i;
	}
	for (unsigned w = 0; w < workers; w++)
		if (r->own_count[w] == 0)
			goto err_free;
	tabulate(r, key);
	sort_ports(r, 10, &r->ports4);
	sort_ports(r, 34, &r->ports6);
	*out = r;
	return 0;

err_free:
	free(r);
	return -EINVAL;
}

void flow_rss_destroy(struct flow_rss *r)
{
	free(r);
}

// Index of the first port of at least `limit` within [lo, hi).
static uint32_t first_from(const struct flow_rss_ports *p, uint32_t lo, uint32_t hi, uint32_t limit)
{
	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (p->port[mid] < limit)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

// Ports of a bucket within min .. max.
static uint32_t in_bucket(const struct flow_rss_ports *p, uint32_t bucket, uint16_t min,
			  uint16_t max, uint32_t *from)
{
	uint32_t lo = p->start[bucket], hi = p->start[bucket + 1];

	if (min != 0)
		lo = first_from(p, lo, hi, min);
	if (max != UINT16_MAX)
		hi = first_from(p, lo, hi, max + 1u);
	*from = lo;
	return hi - lo;
}

uint16_t flow_rss_port(const struct flow_rss *r, uint8_t family, uint32_t rest, unsigned worker,
		       uint16_t min, uint16_t max, uint32_t turn)
{
	const struct flow_rss_ports *p = family == 4 ? &r->ports4 : &r->ports6;
	uint32_t slots = r->own_count[worker], from, n;

	// Slots in turn, and at each full round the next port of each.
	for (uint32_t i = 0; i < slots; i++) {
		uint32_t slot = r->own[worker][(turn + i) % slots];

		n = in_bucket(p, (slot ^ rest) & r->mask, min, max, &from);
		if (n != 0)
			return p->port[from + turn / slots % n];
	}
	return 0;
}

// Which workers do the buckets (a flag each) reach behind this rest of the hash?
static bool reaches_all(const struct flow_rss *r, const bool *bucket, uint32_t rest)
{
	bool seen[256] = {false};
	unsigned count = 0;

	for (uint32_t b = 0; b <= r->mask; b++) {
		unsigned w = r->worker[(b ^ rest) & r->mask];

		if (bucket[b] && !seen[w]) {
			seen[w] = true;
			count++;
		}
	}
	return count == r->workers;
}

bool flow_rss_serves(const struct flow_rss *r, uint8_t family, uint16_t min, uint16_t max)
{
	const struct flow_rss_ports *p = family == 4 ? &r->ports4 : &r->ports6;
	bool bucket[FLOW_RSS_SLOTS];
	uint32_t from;

	for (uint32_t b = 0; b <= r->mask; b++)
		bucket[b] = in_bucket(p, b, min, max, &from) != 0;
	for (uint32_t rest = 0; rest <= r->mask; rest++)
		if (!reaches_all(r, bucket, rest))
			return false;
	return true;
}
