// SPDX-License-Identifier: BSD-3-Clause
//
// lb_spans - see lb_spans.h. Services of one context, protocol and prefix stand side by side once sorted, by
// first port and wider ranges before those they hold. One pass with a stack of the open ranges then
// cuts the ports into pieces: where a range begins its service takes over, where it ends the one below.

#include "apps/lb/conf/lb_spans.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct cut {
	const struct lb_service **open; // stack
	uint32_t depth;
	uint16_t *first; // pieces of this span
	const struct lb_service **service;
	uint32_t count;
};

static int compare_place(const struct lb_service *a, const struct lb_service *b)
{
	if (a->family != b->family)
		return a->family - b->family;
	if (a->context != b->context)
		return a->context - b->context;
	if (a->proto != b->proto)
		return a->proto - b->proto;
	if (a->prefix_len != b->prefix_len)
		return a->prefix_len - b->prefix_len;
	return memcmp(a->addr, b->addr, sizeof(a->addr));
}

static int compare(const void *x, const void *y)
{
	const struct lb_service *const *p = x, *const *q = y, *a = *p, *b = *q;
	uint16_t a_min, a_max, b_min, b_max;
	int c = compare_place(a, b);

	if (c != 0)
		return c;
	lb_service_ports(a, &a_min, &a_max);
	lb_service_ports(b, &b_min, &b_max);
	return a_min != b_min ? a_min - b_min : b_max - a_max;
}

static void piece(struct cut *c, uint32_t first, const struct lb_service *v)
{
	if (first > UINT16_MAX)
		return;
	if (c->count > 0 && c->first[c->count - 1] == first) {
		c->service[c->count - 1] = v;
		return;
	}
	c->first[c->count] = (uint16_t)first;
	c->service[c->count++] = v;
}

// Close what ends before port `before`.
static void close_ranges(struct cut *c, uint32_t before)
{
	while (c->depth > 0) {
		uint16_t min, max;

		lb_service_ports(c->open[c->depth - 1], &min, &max);
		if (max >= before)
			return;
		c->depth--;
		piece(c, max + 1u, c->depth > 0 ? c->open[c->depth - 1] : NULL);
	}
}

static int cut_ports(struct cut *c, const struct lb_service *const *service, uint32_t count,
		     struct lb_spans_clash *clash)
{
	c->depth = c->count = 0;
	piece(c, 0, NULL);
	for (uint32_t i = 0; i < count; i++) {
		uint16_t min, max, top_min, top_max;

		lb_service_ports(service[i], &min, &max);
		close_ranges(c, min);
		if (c->depth > 0) {
			lb_service_ports(c->open[c->depth - 1], &top_min, &top_max);
			if (max > top_max || (max == top_max && min == top_min)) {
				*clash = (struct lb_spans_clash){.a = c->open[c->depth - 1],
								 .b = service[i],
								 .partly = max > top_max};
				return -EEXIST;
			}
		}
		piece(c, min, service[i]);
		c->open[c->depth++] = service[i];
	}
	close_ranges(c, UINT16_MAX + 1u);
	return 0;
}

void lb_lengths_fill(struct lb_lengths *l, bool set[2][129])
{
	memset(l, 0, sizeof(*l));
	for (unsigned f = 0; f < 2; f++)
		for (int len = 128; len >= 0; len--)
			if (set[f][len])
				l->len[f][l->count[f]++] = (uint8_t)len;
}

static uint32_t hash_size(uint32_t entries)
{
	uint32_t size = 4;

	while (size < entries * 2)
		size *= 2;
	return size;
}

static void hash_add(struct lb_spans *t, const struct lb_span *p)
{
	uint32_t i = lb_span_hash(p->context, p->proto, p->addr, p->len) & t->mask;

	while (t->hash[i] != NULL)
		i = (i + 1) & t->mask;
	t->hash[i] = p;
}

// Layout: head, hash, spans, services of the pieces, their first ports.
int lb_spans_create(const struct lb_service **service, uint32_t count, struct lb_spans **out,
		    struct lb_spans_clash *clash)
{
	uint32_t size = hash_size(count), pieces = 3 * count, end;
	struct cut c = {.open = malloc(count * sizeof(*c.open))};
	bool set[2][129] = {{false}};
	struct lb_span *span;
	struct lb_spans *t;
	int rc = 0;

	t = calloc(1, sizeof(*t) + size * sizeof(*t->hash) + count * sizeof(*span) +
			      pieces * (sizeof(*c.service) + sizeof(*c.first)));
	if (t == NULL || c.open == NULL) {
		rc = -ENOMEM;
		goto err_free;
	}
	t->mask = size - 1;
	t->hash = (const struct lb_span **)(t + 1);
	span = (struct lb_span *)(t->hash + size);
	c.service = (const struct lb_service **)(span + count);
	c.first = (uint16_t *)(c.service + pieces);
	qsort(service, count, sizeof(*service), compare);
	for (uint32_t i = 0; i < count; i = end, span++) {
		const struct lb_service *v = service[i];

		for (end = i + 1; end < count && compare_place(v, service[end]) == 0; end++)
			;
		rc = cut_ports(&c, service + i, end - i, clash);
		if (rc != 0)
			goto err_free;
		*span = (struct lb_span){.family = v->family,
					 .proto = v->proto,
					 .context = v->context,
					 .len = v->prefix_len,
					 .count = c.count,
					 .first = c.first,
					 .service = c.service};
		memcpy(span->addr, v->addr, sizeof(span->addr));
		c.first += c.count;
		c.service += c.count;
		set[v->family == 6][v->prefix_len] = true;
		hash_add(t, span);
	}
	lb_lengths_fill(&t->lengths, set);
	free(c.open);
	*out = t;
	return 0;

err_free:
	free(c.open);
	free(t);
	return rc;
}
