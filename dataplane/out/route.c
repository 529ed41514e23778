// SPDX-License-Identifier: BSD-3-Clause
//
// Prefixes either nest or are apart, so one walk in (address, length) order with a stack of the open
// ones gives every point where the answer changes. The code is the same for both families but for the
// width; the macro-free price is two short copies of the walk.

#include "dataplane/out/route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_BITS_MAX 16

struct ranges4 {
	uint32_t count;  // 1 or more; start[0] is 0
	uint32_t *start; // first address of the range
	uint16_t *leaf;
	uint32_t *index; // leading `bits` of an address -> range that holds their first address
	uint8_t bits;
};

struct ranges6 {
	uint32_t count;
	route_addr6 *start;
	uint16_t *leaf;
	uint32_t *index;
	uint8_t bits;
};

struct route_table {
	struct ranges4 v4;
	struct ranges6 v6;
};

static uint32_t last4(uint32_t addr, uint8_t len)
{
	return len == 0 ? UINT32_MAX : addr | (uint32_t)((UINT64_C(1) << (32 - len)) - 1);
}

static route_addr6 last6(route_addr6 addr, uint8_t len)
{
	return len == 0 ? ~(route_addr6)0 : addr | (((route_addr6)1 << (128 - len)) - 1);
}

static uint8_t index_bits(uint32_t count)
{
	uint8_t bits = 0;

	while (bits < INDEX_BITS_MAX && (UINT32_C(1) << bits) < count)
		bits++;
	return bits;
}

// The answer from `start` on is `leaf`: replaces a range of the same start, joins an equal one.
static void emit4(struct ranges4 *r, uint32_t start, uint16_t leaf)
{
	if (r->count != 0 && r->start[r->count - 1] == start)
		r->count--;
	if (r->count != 0 && r->leaf[r->count - 1] == leaf)
		return;
	r->start[r->count] = start;
	r->leaf[r->count++] = leaf;
}

static void emit6(struct ranges6 *r, route_addr6 start, uint16_t leaf)
{
	if (r->count != 0 && r->start[r->count - 1] == start)
		r->count--;
	if (r->count != 0 && r->leaf[r->count - 1] == leaf)
		return;
	r->start[r->count] = start;
	r->leaf[r->count++] = leaf;
}

static int build4(struct ranges4 *r, const struct route_prefix4 *p, uint32_t n)
{
	struct {
		uint32_t last;
		uint16_t leaf;
	} open[34];
	unsigned depth = 0;

	r->start = calloc(2 * (size_t)n + 1, sizeof(*r->start));
	r->leaf = calloc(2 * (size_t)n + 1, sizeof(*r->leaf));
	if (r->start == NULL || r->leaf == NULL)
		return -ENOMEM;
	open[0].last = UINT32_MAX;
	open[0].leaf = 0;
	emit4(r, 0, 0);
	for (uint32_t i = 0; i < n; i++) {
		if (p[i].len > 32 ||
		    last4(p[i].addr, p[i].len) - p[i].addr != last4(0, p[i].len)) // bits after len
			return -EINVAL;
		if (i != 0 && (p[i].addr < p[i - 1].addr ||
			       (p[i].addr == p[i - 1].addr && p[i].len <= p[i - 1].len)))
			return -EINVAL;
		while (depth != 0 && open[depth].last < p[i].addr) {
			depth--;
			emit4(r, open[depth + 1].last + 1, open[depth].leaf);
		}
		depth++;
		open[depth].last = last4(p[i].addr, p[i].len);
		open[depth].leaf = p[i].leaf;
		emit4(r, p[i].addr, p[i].leaf);
	}
	for (; depth != 0 && open[depth].last != UINT32_MAX; depth--)
		emit4(r, open[depth].last + 1, open[depth - 1].leaf);
	return 0;
}

static int build6(struct ranges6 *r, const struct route_prefix6 *p, uint32_t n)
{
	struct {
		route_addr6 last;
		uint16_t leaf;
	} open[130];
	unsigned depth = 0;

	r->start = calloc(2 * (size_t)n + 1, sizeof(*r->start));
	r->leaf = calloc(2 * (size_t)n + 1, sizeof(*r->leaf));
	if (r->start == NULL || r->leaf == NULL)
		return -ENOMEM;
	open[0].last = ~(route_addr6)0;
	open[0].leaf = 0;
	emit6(r, 0, 0);
	for (uint32_t i = 0; i < n; i++) {
		if (p[i].len > 128 || last6(p[i].addr, p[i].len) - p[i].addr != last6(0, p[i].len))
			return -EINVAL;
		if (i != 0 && (p[i].addr < p[i - 1].addr ||
			       (p[i].addr == p[i - 1].addr && p[i].len <= p[i - 1].len)))
			return -EINVAL;
		while (depth != 0 && open[depth].last < p[i].addr) {
			depth--;
			emit6(r, open[depth + 1].last + 1, open[depth].leaf);
		}
		depth++;
		open[depth].last = last6(p[i].addr, p[i].len);
		open[depth].leaf = p[i].leaf;
		emit6(r, p[i].addr, p[i].leaf);
	}
	for (; depth != 0 && open[depth].last != ~(route_addr6)0; depth--)
		emit6(r, open[depth].last + 1, open[depth - 1].leaf);
	return 0;
}

// Give back what was set aside for the worst case.
static void *fit(void *p, size_t bytes)
{
	void *less = realloc(p, bytes);

	return less != NULL ? less : p;
}

static int index4(struct ranges4 *r)
{
	uint32_t n, at = 0;

	r->start = fit(r->start, r->count * sizeof(*r->start));
	r->leaf = fit(r->leaf, r->count * sizeof(*r->leaf));
	r->bits = index_bits(r->count);
	n = UINT32_C(1) << r->bits;
	r->index = malloc(((size_t)n + 1) * sizeof(*r->index));
	if (r->index == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t first = r->bits == 0 ? 0 : i << (32 - r->bits);

		while (at + 1 < r->count && r->start[at + 1] <= first)
			at++;
		r->index[i] = at;
	}
	r->index[n] = r->count - 1;
	return 0;
}

static int index6(struct ranges6 *r)
{
	uint32_t n, at = 0;

	r->start = fit(r->start, r->count * sizeof(*r->start));
	r->leaf = fit(r->leaf, r->count * sizeof(*r->leaf));
	r->bits = index_bits(r->count);
	n = UINT32_C(1) << r->bits;
	r->index = malloc(((size_t)n + 1) * sizeof(*r->index));
	if (r->index == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		route_addr6 first = r->bits == 0 ? 0 : (route_addr6)i << (128 - r->bits);

		while (at + 1 < r->count && r->start[at + 1] <= first)
			at++;
		r->index[i] = at;
	}
	r->index[n] = r->count - 1;
	return 0;
}

int route_table_create(const struct route_prefix4 *p4, uint32_t n4, const struct route_prefix6 *p6,
		       uint32_t n6, struct route_table **out)
{
	struct route_table *t = calloc(1, sizeof(*t));
	int rc;

	if (t == NULL)
		return -ENOMEM;
	rc = build4(&t->v4, p4, n4);
	if (rc == 0)
		rc = build6(&t->v6, p6, n6);
	if (rc == 0)
		rc = index4(&t->v4);
	if (rc == 0)
		rc = index6(&t->v6);
	if (rc != 0) {
		route_table_destroy(t);
		return rc;
	}
	*out = t;
	return 0;
}

void route_table_destroy(struct route_table *t)
{
	if (t == NULL)
		return;
	free(t->v4.start);
	free(t->v4.leaf);
	free(t->v4.index);
	free(t->v6.start);
	free(t->v6.leaf);
	free(t->v6.index);
	free(t);
}

uint16_t route_table_find4(const struct route_table *t, uint32_t addr)
{
	const struct ranges4 *r = &t->v4;
	uint32_t i = r->bits == 0 ? 0 : addr >> (32 - r->bits);
	uint32_t lo = r->index[i], hi = r->index[i + 1];

	while (lo < hi) { // the last start that is not above addr; at most 32 rounds
		uint32_t mid = lo + (hi - lo + 1) / 2;

		if (r->start[mid] <= addr)
			lo = mid;
		else
			hi = mid - 1;
	}
	return r->leaf[lo];
}

uint16_t route_table_find6(const struct route_table *t, route_addr6 addr)
{
	const struct ranges6 *r = &t->v6;
	uint32_t i = r->bits == 0 ? 0 : (uint32_t)(addr >> (128 - r->bits));
	uint32_t lo = r->index[i], hi = r->index[i + 1];

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo + 1) / 2;

		if (r->start[mid] <= addr)
			lo = mid;
		else
			hi = mid - 1;
	}
	return r->leaf[lo];
}

uint64_t route_table_bytes(const struct route_table *t)
{
	return sizeof(*t) + (uint64_t)t->v4.count * 6 + (uint64_t)t->v6.count * 18 +
	       (sizeof(uint32_t) << t->v4.bits) + (sizeof(uint32_t) << t->v6.bits);
}
