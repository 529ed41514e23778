// SPDX-License-Identifier: BSD-3-Clause
//
// lb_hash - the last step of a build: from address to service, and the addresses that are ours. The
// parts they point to were made by lb_build.c, which calls this only if one of them changed; a
// tuple or a local address that stands twice is found and refused here. Looked up by lb.h's readers.

#include "apps/lb/lb_build_priv.h"

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

int lb_build_service_hash(struct lb_builder *b)
{
	const struct lb_store *st = b->in->store;
	struct lb_snapshot *p = &b->s->pub;
	uint32_t mask = hash_size(st->entries[CTL_REC_SERVICE]) - 1;
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
		uint32_t slot = lb_entry_ref(e, b->in->next) & LB_SLOT_MASK;
		const struct lb_service *v;
		uint32_t i;

		if (lb_entry_rec(e, b->in->next) == NULL)
			continue;
		v = p->service[slot / LB_CHUNK][slot % LB_CHUNK];
		i = lb_service_hash(v->context, v->proto, v->addr, v->port) & mask;
		for (; hash[i] != NULL; i = (i + 1) & mask)
			if (hash[i]->context == v->context && hash[i]->proto == v->proto &&
			    hash[i]->port == v->port && hash[i]->family == v->family &&
			    memcmp(hash[i]->addr, v->addr, 16) == 0)
				return same_tuple(b, e, hash[i]);
		hash[i] = v;
	}
	return 0;
}

struct own_table { // one allocation: the hash, then its entries
	const struct lb_own_address **hash;
	struct lb_own_address *entry;
	uint32_t mask, count;
};

// context: -1 for local addresses, which hold in every context.
static struct lb_own_address *own_add(struct own_table *t, const struct ctl_addr *a, int context,
				      uint8_t kind)
{
	struct lb_own_address *v = &t->entry[t->count];
	uint32_t i;

	*v = (struct lb_own_address){
		.family = a->family, .kind = kind, .context = context < 0 ? 0 : (uint16_t)context};
	lb_build_fill_addr(v->addr, a);
	i = lb_own_hash(v->addr) & t->mask;
	for (; t->hash[i] != NULL; i = (i + 1) & t->mask) {
		struct lb_own_address *o = lb_unconst(t->hash[i]);

		if (o->family != v->family || memcmp(o->addr, v->addr, 16) != 0)
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

// Local addresses first: an entry of a service address then knows that it is one of them too.
static int fill_own(struct lb_builder *b, struct own_table *t)
{
	const struct lb_store *st = b->in->store;
	struct lb_entry *e;

	LB_STORE_FOREACH(e, st, CTL_REC_LOCAL_ADDRESS)
	{
		const struct ctl_local_address *r = (const void *)lb_entry_rec(e, b->in->next);

		if (r != NULL && own_add(t, &r->addr, -1, LB_OWN_LOCAL) != NULL)
			return own_twice(b, e);
	}
	LB_STORE_FOREACH(e, st, CTL_REC_SERVICE)
	{
		const struct ctl_service *r = (const void *)lb_entry_rec(e, b->in->next);

		if (r != NULL)
			own_add(t, &r->addr, r->context, LB_OWN_SERVICE);
	}
	return 0;
}

int lb_build_own_hash(struct lb_builder *b)
{
	const struct lb_store *st = b->in->store;
	uint32_t entries = st->entries[CTL_REC_SERVICE] + st->entries[CTL_REC_LOCAL_ADDRESS];
	uint32_t size = hash_size(entries);
	struct own_table t = {.mask = size - 1};
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
