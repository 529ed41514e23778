// SPDX-License-Identifier: BSD-3-Clause
//
// lb_hash - the last step of a build: from address to service, and the addresses that are ours. The
// parts they point to were made by lb_build.c, which calls this only if one of them changed; a
// tuple or a local address that stands twice is found and refused here. Looked up by lb.h's readers.

#include "apps/lb/conf/lb_build_priv.h"
#include "apps/lb/conf/lb_spans.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t hash_size(uint32_t entries)
{
	uint32_t size = 16;

	while (size < entries * 2)
		size *= 2;
	return size;
}

static int same_tuple(struct lb_builder *b, const struct lb_entry *e,
		      const struct lb_service *other)
{
	const struct ctl_service *r = (const void *)lb_entry_rec(e, b->in->next);
	const struct lb_entry *o = lb_store_find(b->in->store, CTL_REC_SERVICE, other->id);
	const struct ctl_service *ro = (const void *)lb_entry_rec(o, b->in->next);

	b->ack->tag = CTL_TAG_INVALID_VALUE;
	b->ack->rec_type = CTL_REC_SERVICE;
	b->ack->rec_id = e->id;
	snprintf(b->ack->field, sizeof(b->ack->field), "address");
	snprintf(b->ack->message, sizeof(b->ack->message),
		 "service '%s' has the address, port, protocol and context of service '%s'",
		 r->name, ro->name);
	return -EEXIST;
}

// Two services of a span on the same or on crossing ports.
static int clash(struct lb_builder *b, const struct lb_spans_clash *c)
{
	const struct lb_entry *ea = lb_store_find(b->in->store, CTL_REC_SERVICE, c->a->id);
	const struct lb_entry *eb = lb_store_find(b->in->store, CTL_REC_SERVICE, c->b->id);
	const struct ctl_service *ra, *rb;

	if (!eb->touched) { // the one that the change brought is at fault
		const struct lb_entry *e = ea;

		ea = eb;
		eb = e;
	}
	if (!c->partly)
		return same_tuple(b, eb, eb->id == c->b->id ? c->a : c->b);
	ra = (const void *)lb_entry_rec(ea, b->in->next);
	rb = (const void *)lb_entry_rec(eb, b->in->next);
	b->ack->tag = CTL_TAG_INVALID_VALUE;
	b->ack->rec_type = CTL_REC_SERVICE;
	b->ack->rec_id = eb->id;
	snprintf(b->ack->field, sizeof(b->ack->field), "port-max");
	snprintf(b->ack->message, sizeof(b->ack->message),
		 "ports %u to %u of service '%s' overlap in part with ports %u to %u of service "
		 "'%s': one range has to lie within the other",
		 ntohs(rb->port), ntohs(rb->port_max), rb->name, ntohs(ra->port),
		 ntohs(ra->port_max), ra->name);
	return -EEXIST;
}

static const struct lb_service *service_of(const struct lb_builder *b, const struct lb_entry *e)
{
	uint32_t slot = lb_entry_ref(e, b->in->next) & LB_SLOT_MASK;

	if (lb_entry_rec(e, b->in->next) == NULL)
		return NULL;
	return b->s->pub.service[slot / LB_CHUNK][slot % LB_CHUNK];
}

// Services that the hash of exact ones cannot hold. count: of them.
static int build_spans(struct lb_builder *b, uint32_t count)
{
	const struct lb_store *st = b->in->store;
	struct lb_snapshot *p = &b->s->pub;
	const struct lb_service **list;
	struct lb_spans *spans = NULL;
	struct lb_spans_clash c = {0};
	struct lb_entry *e;
	int rc;

	if (count > 0) {
		list = malloc(count * sizeof(struct lb_service *));
		if (list == NULL)
			return -ENOMEM;
		count = 0;
		LB_STORE_FOREACH(e, st, CTL_REC_SERVICE)
		{
			const struct lb_service *v = service_of(b, e);

			if (v != NULL && !lb_service_exact(v))
				list[count++] = v;
		}
		rc = lb_spans_create(list, count, &spans, &c);
		free(list);
		if (rc != 0)
			return rc == -EEXIST ? clash(b, &c) : rc;
	}
	rc = lb_build_part_swap(b, spans, lb_unconst(p->spans), LB_PART_PLAIN);
	if (rc == 0)
		p->spans = spans;
	return rc;
}

int lb_build_service_hash(struct lb_builder *b)
{
	const struct lb_store *st = b->in->store;
	struct lb_snapshot *p = &b->s->pub;
	uint32_t mask = hash_size(st->entries[CTL_REC_SERVICE]) - 1, others = 0;
	const struct lb_service **hash = calloc((size_t)mask + 1, sizeof(struct lb_service *));
	struct lb_entry *e;
	int rc;

	if (hash == NULL)
		return -ENOMEM;
	rc = lb_build_part_swap(b, hash, p->service_hash, LB_PART_PLAIN);
	if (rc != 0)
		return rc;
	p->service_hash = hash;
	p->service_mask = mask;
	LB_STORE_FOREACH(e, st, CTL_REC_SERVICE)
	{
		const struct lb_service *v = service_of(b, e);
		uint32_t i;

		if (v == NULL)
			continue;
		if (!lb_service_exact(v)) {
			others++;
			continue;
		}
		i = lb_service_hash(v->context, v->proto, v->addr, v->port) & mask;
		for (; hash[i] != NULL; i = (i + 1) & mask)
			if (hash[i]->context == v->context && hash[i]->proto == v->proto &&
			    hash[i]->port == v->port && hash[i]->family == v->family &&
			    memcmp(hash[i]->addr, v->addr, 16) == 0)
				return same_tuple(b, e, hash[i]);
		hash[i] = v;
	}
	return build_spans(b, others);
}

struct own_table { // one allocation: the hash, then its entries
	const struct lb_own_address **hash;
	struct lb_own_address *entry;
	uint32_t mask, count;
	bool prefix[2][129]; // lengths of services that are no single address
};

static uint8_t full_len(uint8_t family)
{
	return family == 4 ? 32 : 128;
}

// context: -1 for local addresses, which hold in every context.
static struct lb_own_address *own_add(struct own_table *t, const struct ctl_addr *a, int context,
				      uint8_t kind)
{
	struct lb_own_address *v = &t->entry[t->count];
	uint32_t i;

	*v = (struct lb_own_address){.family = a->family,
				     .kind = kind,
				     .len = a->len,
				     .context = context < 0 ? 0 : (uint16_t)context};
	lb_build_fill_addr(v->addr, a);
	i = lb_own_hash(v->addr) & t->mask;
	for (; t->hash[i] != NULL; i = (i + 1) & t->mask) {
		struct lb_own_address *o = lb_unconst(t->hash[i]);

		if (o->family != v->family || o->len != v->len || memcmp(o->addr, v->addr, 16) != 0)
			continue;
		if (kind == LB_OWN_LOCAL || o->context == v->context) {
			bool twice = (o->kind & kind) != 0;

			o->kind |= kind;
			return twice ? o : NULL;
		}
		v->kind |= o->kind & LB_OWN_LOCAL; // a local address is one in every context
	}
	t->hash[i] = v;
	t->count++;
	return NULL;
}

static int own_twice(struct lb_builder *b, const struct lb_entry *e)
{
	b->ack->tag = CTL_TAG_INVALID_VALUE;
	b->ack->rec_type = CTL_REC_LOCAL_ADDRESS;
	b->ack->rec_id = e->id;
	snprintf(b->ack->field, sizeof(b->ack->field), "address");
	snprintf(
		b->ack->message, sizeof(b->ack->message),
		"local address stands twice: a local address belongs to one local-address-pool only");
	return -EEXIST;
}

static int own_within(struct lb_builder *b, const struct lb_entry *e)
{
	b->ack->tag = CTL_TAG_IN_USE;
	b->ack->rec_type = CTL_REC_LOCAL_ADDRESS;
	b->ack->rec_id = e->id;
	snprintf(b->ack->field, sizeof(b->ack->field), "address");
	snprintf(
		b->ack->message, sizeof(b->ack->message),
		"local address lies within the prefix of a service: local addresses are exclusive");
	return -EEXIST;
}

// Does an address lie within the prefix of a service, whatever its context?
static bool own_in_prefix(const struct lb_builder *b, const struct own_table *t,
			  const struct ctl_addr *a)
{
	const struct lb_lengths *l = b->s->pub.own_prefixes;
	uint8_t full[16], masked[16];

	lb_build_fill_addr(full, a);
	for (unsigned n = 0; l != NULL && n < l->count[a->family == 6]; n++) {
		uint8_t len = l->len[a->family == 6][n];
		uint32_t i;

		lb_mask_address(masked, full, len);
		i = lb_own_hash(masked) & t->mask;
		for (; t->hash[i] != NULL; i = (i + 1) & t->mask)
			if (t->hash[i]->family == a->family && t->hash[i]->len == len &&
			    memcmp(t->hash[i]->addr, masked, 16) == 0)
				return true;
	}
	return false;
}

// The lengths of prefixes that fill_own saw.
static int set_lengths(struct lb_builder *b, struct own_table *t)
{
	struct lb_lengths *l = calloc(1, sizeof(*l));
	struct lb_snapshot *p = &b->s->pub;
	int rc;

	if (l == NULL)
		return -ENOMEM;
	lb_lengths_fill(l, t->prefix);
	if (l->count[0] + l->count[1] == 0) {
		free(l);
		l = NULL;
	}
	rc = lb_build_part_swap(b, l, lb_unconst(p->own_prefixes), LB_PART_PLAIN);
	if (rc == 0)
		p->own_prefixes = l;
	return rc;
}

// Local addresses first: an entry of a service address then knows that it is one of them too.
static int fill_own(struct lb_builder *b, struct own_table *t)
{
	const struct lb_store *st = b->in->store;
	struct lb_entry *e;
	int rc;

	LB_STORE_FOREACH(e, st, CTL_REC_LOCAL_ADDRESS)
	{
		const struct ctl_local_address *r = (const void *)lb_entry_rec(e, b->in->next);

		if (r != NULL && own_add(t, &r->addr, -1, LB_OWN_LOCAL) != NULL)
			return own_twice(b, e);
	}
	LB_STORE_FOREACH(e, st, CTL_REC_SERVICE)
	{
		const struct ctl_service *r = (const void *)lb_entry_rec(e, b->in->next);

		if (r == NULL)
			continue;
		own_add(t, &r->addr, r->context, LB_OWN_SERVICE);
		if (r->addr.len < full_len(r->addr.family))
			t->prefix[r->addr.family == 6][r->addr.len] = true;
	}
	rc = set_lengths(b, t);
	if (rc != 0)
		return rc;
	LB_STORE_FOREACH(e, st, CTL_REC_LOCAL_ADDRESS)
	{
		const struct ctl_local_address *r = (const void *)lb_entry_rec(e, b->in->next);

		if (r != NULL && own_in_prefix(b, t, &r->addr))
			return own_within(b, e);
	}
	return 0;
}

int lb_build_own_hash(struct lb_builder *b)
{
	const struct lb_store *st = b->in->store;
	uint32_t entries = st->entries[CTL_REC_SERVICE] + st->entries[CTL_REC_LOCAL_ADDRESS];
	uint32_t size = hash_size(entries);
	struct own_table t = {.mask = size - 1, .prefix = {{false}}};
	int rc;

	t.hash = calloc(1, size * sizeof(struct lb_own_address *) +
				   ((size_t)entries + 1) * sizeof(struct lb_own_address));
	if (t.hash == NULL)
		return -ENOMEM;
	t.entry = (struct lb_own_address *)(t.hash + size);
	rc = lb_build_part_swap(b, t.hash, b->s->pub.own_hash, LB_PART_PLAIN);
	if (rc != 0)
		return rc;
	b->s->pub.own_hash = t.hash;
	b->s->pub.own_mask = t.mask;
	return fill_own(b, &t);
}
