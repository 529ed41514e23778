// SPDX-License-Identifier: BSD-3-Clause
//
// lb_build - see lb_build.h. A build first marks what is dirty (the records touched, servers with a new
// verdict, and what hangs on them: pools, local pools, services), then makes new parts for that alone.
// The hashes that find those parts by address are made last, by lb_hash.c.

#include "apps/lb/conf/lb_build.h"

#include "apps/lb/conf/lb_build_priv.h"
#include "apps/lb/conf/lb_listen.h"
#include "apps/lb/conf/lb_timed.h"
#include "apps/lb/health/lb_watch.h"
#include "apps/lb/sched/scheduler.h"
#include "dataplane/core/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct lb_parts {
	struct lb_parts *next;
	uint32_t count;
	struct {
		void *part;
		enum lb_part_kind kind;
	} v[255];
};

static uint64_t last_mark;

// ---- parts ------------------------------------------------------------------------------------

static void part_free(void *part, enum lb_part_kind kind)
{
	if (part == NULL)
		return;
	if (kind == LB_PART_POOL) {
		struct lb_pool *p = part;

		p->scheduler->fini(p);
	} else if (kind == LB_PART_LOCAL) {
		struct lb_local_pool *p = part;

		free(p->addr4);
		free(p->addr6);
	}
	free(part);
}

static void parts_free(struct lb_parts *l, bool contents)
{
	while (l != NULL) {
		struct lb_parts *next = l->next;

		for (uint32_t i = 0; contents && i < l->count; i++)
			part_free(l->v[i].part, l->v[i].kind);
		free(l);
		l = next;
	}
}

static int part_add(struct lb_parts **list, void *part, enum lb_part_kind kind)
{
	struct lb_parts *l = *list;

	if (part == NULL)
		return 0;
	if (l == NULL || l->count == sizeof(l->v) / sizeof(l->v[0])) {
		l = malloc(sizeof(*l));
		if (l == NULL)
			return -ENOMEM;
		l->count = 0;
		l->next = *list;
		*list = l;
	}
	l->v[l->count].part = part;
	l->v[l->count].kind = kind;
	l->count++;
	return 0;
}

int lb_build_part_swap(struct lb_builder *b, void *part, void *old, enum lb_part_kind kind)
{
	int rc = part_add(&b->s->fresh, part, kind);

	if (rc != 0) {
		part_free(part, kind);
		return rc;
	}
	return part_add(&b->s->replaced, old, kind);
}

// ---- flags ------------------------------------------------------------------------------------

struct lb_server_flags lb_server_flags(const struct ctl_server *s, const struct ctl_pool *p,
				       const struct lb_verdict *v)
{
	bool down =
		s->admin == CTL_ADMIN_DISABLED || lb_watch_health(v, &p->check) == CTL_HEALTH_DOWN;
	uint16_t weight = lb_watch_weight(v, &p->check, s->weight);

	return (struct lb_server_flags){
		.takes_new = !down && s->admin == CTL_ADMIN_ENABLED && weight > 0 &&
			     !lb_watch_drains(v, &p->check),
		.alive = !down || p->on_down == CTL_ON_DOWN_KEEP,
		.weight = weight,
	};
}

// ---- what is dirty ----------------------------------------------------------------------------

static void mark(struct lb_builder *b, struct lb_entry *e)
{
	if (e == NULL || e->mark == b->mark)
		return;
	e->mark = b->mark;
	e->mark_next = b->marked[e->type];
	b->marked[e->type] = e;
}

static bool marked(const struct lb_builder *b, const struct lb_entry *e)
{
	return e->mark == b->mark;
}

// Mark what the record before and the record after refer to.
static void mark_both(struct lb_builder *b, uint16_t type, const struct lb_entry *e,
		      uint64_t (*ref)(const struct ctl_rec *))
{
	if (e->rec != NULL)
		mark(b, lb_store_find(b->in->store, type, ref(e->rec)));
	if (b->in->next && e->touched && e->next != NULL)
		mark(b, lb_store_find(b->in->store, type, ref(e->next)));
}

static uint64_t server_pool(const struct ctl_rec *r)
{
	return ((const struct ctl_server *)r)->pool;
}

static uint64_t address_pool(const struct ctl_rec *r)
{
	return ((const struct ctl_local_address *)r)->local_pool;
}

static void mark_touched(struct lb_builder *b, struct lb_entry *e)
{
	mark(b, e);
	switch (e->type) {
	case CTL_REC_SERVER:
		mark_both(b, CTL_REC_POOL, e, server_pool);
		b->sources_dirty = true;
		break;
	case CTL_REC_POOL:
		b->sources_dirty = true;
		break;
	case CTL_REC_LOCAL_ADDRESS:
		mark_both(b, CTL_REC_LOCAL_POOL, e, address_pool);
		b->own_dirty = true;
		break;
	case CTL_REC_LOCAL_POOL:
		b->own_dirty = true;
		break;
	case CTL_REC_SERVICE:
		b->services_dirty = b->own_dirty = b->sources_dirty = true;
		break;
	default:
		break;
	}
}

// A pool's own change (on-server-down, check on or off) changes the flags of its servers.
static void mark_members(struct lb_builder *b, const struct lb_entry *pool)
{
	for (uint32_t i = 0; i < pool->members; i++)
		mark(b, pool->member[i]);
}

static void mark_services(struct lb_builder *b)
{
	const struct lb_store *st = b->in->store;
	struct lb_entry *e;

	LB_STORE_FOREACH(e, st, CTL_REC_SERVICE)
	{
		const struct ctl_service *r = (const void *)lb_entry_rec(e, b->in->next);
		const struct lb_entry *pool, *local;

		if (r == NULL || marked(b, e))
			continue;
		pool = lb_store_find(st, CTL_REC_POOL, r->pool);
		local = lb_store_find(st, CTL_REC_LOCAL_POOL, r->local_pool);
		if (marked(b, pool) || (local != NULL && marked(b, local))) {
			mark(b, e);
			b->services_dirty = true;
		}
	}
}

static void mark_all(struct lb_builder *b)
{
	const struct lb_store *st = b->in->store;
	struct lb_entry *e;

	b->mark = ++last_mark;
	if (b->in->next)
		LB_STORE_TOUCHED(e, st)
		{
			mark_touched(b, e);
			if (e->type == CTL_REC_POOL && e->rec != NULL && e->next != NULL)
				mark_members(b, e);
		}
	for (uint32_t i = 0; i < b->in->health_count; i++) {
		mark(b, b->in->health[i]);
		mark_both(b, CTL_REC_POOL, b->in->health[i], server_pool);
	}
	mark_services(b);
}

// ---- the parts --------------------------------------------------------------------------------

static int copy_array(void *out, const void *old, uint32_t count, uint32_t size)
{
	void **v = calloc((size_t)size + 1, sizeof(*v));

	if (v == NULL)
		return -ENOMEM;
	if (count > 0)
		memcpy(v, old, count * sizeof(*v));
	memcpy(out, &v, sizeof(v));
	return 0;
}

static uint32_t max32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static int new_server_chunk(struct lb_builder *b, uint32_t c)
{
	const size_t size = LB_CHUNK * sizeof(struct lb_server);
	const struct lb_server *old = b->s->pub.server[c];
	struct lb_server *n = aligned_alloc(64, size);
	int rc;

	if (n == NULL)
		return -ENOMEM;
	if (old != NULL)
		memcpy(n, old, size);
	else
		memset(n, 0, size);
	rc = lb_build_part_swap(b, n, lb_unconst(old), LB_PART_PLAIN);
	if (rc != 0)
		return rc;
	b->s->pub.server[c] = n;
	b->server_fresh[c] = true;
	return 0;
}

static int new_service_chunk(struct lb_builder *b, uint32_t c)
{
	const struct lb_service *const *old = b->s->pub.service[c];
	const struct lb_service **n = calloc(LB_CHUNK, sizeof(struct lb_service *));
	int rc;

	if (n == NULL)
		return -ENOMEM;
	if (old != NULL)
		memcpy(n, old, LB_CHUNK * sizeof(struct lb_service *));
	rc = lb_build_part_swap(b, n, lb_unconst(old), LB_PART_PLAIN);
	if (rc != 0)
		return rc;
	b->s->pub.service[c] = n;
	b->service_fresh[c] = true;
	return 0;
}

// Arrays of the base, grown; all chunks exist.
static int take_base(struct lb_builder *b)
{
	const struct lb_build_in *in = b->in;
	static const struct lb_snap nothing;
	const struct lb_snap *base = in->base != NULL ? in->base : &nothing;
	struct lb_snap *s = b->s;
	struct lb_snapshot *p = &s->pub;
	int rc;

	s->server_slots = max32(base->server_slots, in->server_slots);
	s->service_slots = max32(base->service_slots, in->service_slots);
	s->pools = max32(base->pools, in->pools);
	s->locals = max32(base->locals, in->locals);
	p->server_chunks = (s->server_slots + LB_CHUNK - 1) / LB_CHUNK;
	p->service_chunks = (s->service_slots + LB_CHUNK - 1) / LB_CHUNK;
	p->service_mask = base->pub.service_mask;
	p->service_hash = base->pub.service_hash;
	p->own_mask = base->pub.own_mask;
	p->own_hash = base->pub.own_hash;
	p->spans = base->pub.spans;
	p->own_prefixes = base->pub.own_prefixes;
	p->listeners = base->pub.listeners;
	p->sources = base->pub.sources;
	p->nat = base->pub.nat;
	memcpy(p->timeout, base->pub.timeout, sizeof(p->timeout));
	if ((rc = copy_array(&p->server, base->pub.server, base->pub.server_chunks,
			     p->server_chunks)) != 0 ||
	    (rc = copy_array(&p->service, base->pub.service, base->pub.service_chunks,
			     p->service_chunks)) != 0 ||
	    (rc = copy_array(&s->pool, base->pool, base->pools, s->pools)) != 0 ||
	    (rc = copy_array(&s->local, base->local, base->locals, s->locals)) != 0)
		return rc;
	b->server_fresh = calloc((size_t)p->server_chunks + 1, sizeof(bool));
	b->service_fresh = calloc((size_t)p->service_chunks + 1, sizeof(bool));
	if (b->server_fresh == NULL || b->service_fresh == NULL)
		return -ENOMEM;
	for (uint32_t c = base->pub.server_chunks; c < p->server_chunks; c++)
		if ((rc = new_server_chunk(b, c)) != 0)
			return rc;
	for (uint32_t c = base->pub.service_chunks; c < p->service_chunks; c++)
		if ((rc = new_service_chunk(b, c)) != 0)
			return rc;
	return 0;
}

// The server of a slot, in a chunk that is ours to write. NULL: no memory.
static struct lb_server *server_edit(struct lb_builder *b, uint32_t slot)
{
	uint32_t c = slot / LB_CHUNK;

	if (!b->server_fresh[c] && new_server_chunk(b, c) != 0)
		return NULL;
	return (struct lb_server *)lb_unconst(&b->s->pub.server[c][slot % LB_CHUNK]);
}

void lb_build_fill_addr(uint8_t out[16], const struct ctl_addr *a)
{
	memset(out, 0, 16);
	memcpy(out, a->bytes, a->family == 4 ? 4 : 16);
}

// Does a slow start begin: takes the server new flows now, not in the state before (`old`, its slot), and others of
// its pool do already?
static bool comes_up(const struct lb_builder *b, const struct lb_entry *e, const struct ctl_pool *p,
		     uint32_t pool, const struct lb_server *old, const struct lb_server_flags *f)
{
	const struct lb_pool *before = b->s->pool[pool]; // pools are built after servers

	return p->slow_start_ms != 0 && f->takes_new && b->in->timed != NULL &&
	       !(old->ref == lb_entry_ref(e, b->in->next) && old->takes_new) && before != NULL &&
	       before->available > 0;
}

static int build_server(struct lb_builder *b, struct lb_entry *e)
{
	bool next = b->in->next;
	const struct ctl_server *r = (const void *)lb_entry_rec(e, next);
	uint32_t ref = lb_entry_ref(e, next);
	struct lb_server_flags f;
	const struct lb_entry *pool;
	const struct ctl_pool *p;
	struct lb_server *v;

	if (e->ref != 0 && e->ref != ref) {
		v = server_edit(b, e->ref & LB_SLOT_MASK);
		if (v == NULL)
			return -ENOMEM;
		memset(v, 0, sizeof(*v));
	}
	if (r == NULL)
		return 0;
	v = server_edit(b, ref & LB_SLOT_MASK);
	if (v == NULL)
		return -ENOMEM;
	pool = lb_store_find(b->in->store, CTL_REC_POOL, r->pool);
	p = (const void *)lb_entry_rec(pool, next);
	f = lb_server_flags(r, p, &e->verdict);
	if (comes_up(b, e, p, pool->index, v, &f) && lb_timed_ramp(b->in->timed, e) != 0)
		return -ENOMEM;
	*v = (struct lb_server){
		.ref = ref,
		.family = r->addr.family,
		.takes_new = f.takes_new,
		.alive = f.alive,
		.port = r->port,
		.weight = f.weight,
		.effective = lb_timed_weight(e, f.weight, p),
		.pool = pool->index,
		.id = e->id,
	};
	lb_build_fill_addr(v->addr, &r->addr);
	return 0;
}

static int scratch_room(struct lb_builder *b, uint32_t size)
{
	const struct lb_server **v;

	if (size <= b->scratch_size)
		return 0;
	v = realloc(b->scratch, size * sizeof(struct lb_server *));
	if (v == NULL)
		return -ENOMEM;
	b->scratch = v;
	b->scratch_size = size;
	return 0;
}

// Set array[index] of the snapshot to a new part, or to NULL.
static int set_pool(struct lb_builder *b, uint32_t index, struct lb_pool *p)
{
	int rc = lb_build_part_swap(b, p, b->s->pool[index], LB_PART_POOL);

	if (rc == 0)
		b->s->pool[index] = p;
	return rc;
}

static int build_pool(struct lb_builder *b, struct lb_entry *e)
{
	bool next = b->in->next;
	const struct ctl_pool *r = (const void *)lb_entry_rec(e, next);
	struct lb_entry *const *member = next && e->has_next_members ? e->next_member : e->member;
	uint32_t members = next && e->has_next_members ? e->next_members : e->members;
	const struct lb_entry *backup;
	struct lb_sched_in in = {.loads = b->in->loads};
	const struct lb_server **up;
	struct lb_pool *p;
	int rc;

	if (r == NULL)
		return e->index == LB_NONE ? 0 : set_pool(b, e->index, NULL);
	rc = scratch_room(b, 2 * members);
	if (rc != 0)
		return rc;
	up = b->scratch + members;
	for (uint32_t i = 0; i < members; i++) {
		uint32_t ref = lb_entry_ref(member[i], next);
		uint32_t slot = ref & LB_SLOT_MASK;
		const struct lb_server *v = &b->s->pub.server[slot / LB_CHUNK][slot % LB_CHUNK];

		b->scratch[i] = v;
		if (v->takes_new)
			up[in.count++] = v;
	}
	in.member = b->scratch;
	in.members = members;
	in.server = up;
	in.before = b->s->pool[e->index];
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	p->scheduler = sched_get(r->scheduler);
	p->cursor = e->index;
	p->on_down = r->on_down;
	p->hash_key = r->scheduler == CTL_SCHED_MAGLEV ? r->hash_key : CTL_HASH_SOURCE;
	backup = r->backup_pool == 0 ? NULL
				     : lb_store_find(b->in->store, CTL_REC_POOL, r->backup_pool);
	p->backup = backup == NULL ? LB_NONE : backup->index;
	p->min_available = backup == NULL ? 1 : r->min_available;
	p->id = e->id;
	rc = p->scheduler->build(p, &in);
	if (rc != 0) {
		free(p);
		return rc;
	}
	p->available = in.count;
	return set_pool(b, e->index, p);
}

static int local_add(struct lb_local_address **list, uint32_t *count, const struct ctl_addr *a)
{
	struct lb_local_address *v;

	if ((*count & (*count + 1)) == 0 || *count == 0) { // room is 2^n - 1
		v = realloc(*list, ((size_t)*count * 2 + 1) * sizeof(*v));
		if (v == NULL)
			return -ENOMEM;
		*list = v;
	}
	v = &(*list)[*count];
	v->family = a->family;
	lb_build_fill_addr(v->addr, a);
	(*count)++;
	return 0;
}

static int build_local(struct lb_builder *b, struct lb_entry *e)
{
	const struct ctl_local_pool *r = (const void *)lb_entry_rec(e, b->in->next);
	struct lb_local_pool *p;
	int rc;

	if (e->index == LB_NONE)
		return 0;
	if (r == NULL) {
		p = NULL;
	} else {
		p = calloc(1, sizeof(*p));
		if (p == NULL)
			return -ENOMEM;
		p->port_min = r->port_min;
		p->port_max = r->port_max;
	}
	rc = lb_build_part_swap(b, p, b->s->local[e->index], LB_PART_LOCAL);
	if (rc == 0)
		b->s->local[e->index] = p;
	return rc;
}

// Addresses into the local pools that build_local made empty.
static int fill_locals(struct lb_builder *b)
{
	const struct lb_store *st = b->in->store;
	struct lb_entry *e;

	if (b->marked[CTL_REC_LOCAL_POOL] == NULL)
		return 0;
	LB_STORE_FOREACH(e, st, CTL_REC_LOCAL_ADDRESS)
	{
		const struct ctl_local_address *r = (const void *)lb_entry_rec(e, b->in->next);
		const struct lb_entry *pool;
		struct lb_local_pool *p;
		int rc;

		if (r == NULL)
			continue;
		pool = lb_store_find(st, CTL_REC_LOCAL_POOL, r->local_pool);
		if (!marked(b, pool))
			continue;
		p = b->s->local[pool->index];
		rc = r->addr.family == 4 ? local_add(&p->addr4, &p->count4, &r->addr)
					 : local_add(&p->addr6, &p->count6, &r->addr);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int set_service(struct lb_builder *b, uint32_t slot, struct lb_service *v)
{
	uint32_t c = slot / LB_CHUNK;
	const struct lb_service **chunk;
	int rc = 0;

	if (!b->service_fresh[c])
		rc = new_service_chunk(b, c);
	if (rc != 0) {
		free(v);
		return rc;
	}
	chunk = lb_unconst(b->s->pub.service[c]);
	rc = lb_build_part_swap(b, v, lb_unconst(chunk[slot % LB_CHUNK]), LB_PART_PLAIN);
	if (rc == 0)
		chunk[slot % LB_CHUNK] = v;
	return rc;
}

static int build_service(struct lb_builder *b, struct lb_entry *e)
{
	bool next = b->in->next;
	const struct ctl_service *r = (const void *)lb_entry_rec(e, next);
	const struct lb_entry *local;
	uint32_t ref = lb_entry_ref(e, next);
	struct lb_service *v;
	int rc;

	if (e->ref != 0 && e->ref != ref) {
		rc = set_service(b, e->ref & LB_SLOT_MASK, NULL);
		if (rc != 0)
			return rc;
	}
	if (r == NULL)
		return 0;
	v = calloc(1, sizeof(*v));
	if (v == NULL)
		return -ENOMEM;
	local = lb_store_find(b->in->store, CTL_REC_LOCAL_POOL, r->local_pool);
	*v = (struct lb_service){
		.ref = ref,
		.family = r->addr.family,
		.proto = r->proto,
		.enabled = r->enabled,
		.forwarding = r->forwarding,
		.proxy = r->proxy,
		.context = r->context,
		.port = r->port,
		.port_max = r->port_max,
		.prefix_len = r->addr.len,
		.persist_len = r->persist_len,
		.mss_max = r->mss_max,
		.persist_ticks = r->persist_ms == 0 ? 0 : clock_ms_to_ticks(r->persist_ms),
		.persist_group = r->persist_group,
		.pool = b->s->pool[lb_store_find(b->in->store, CTL_REC_POOL, r->pool)->index],
		.local = local == NULL ? NULL : b->s->local[local->index],
		.id = e->id,
	};
	lb_build_fill_addr(v->addr, &r->addr);
	b->s->pub.nat |= r->forwarding == CTL_FORWARD_NAT;
	return set_service(b, ref & LB_SLOT_MASK, v);
}

static int build_marked(struct lb_builder *b, uint16_t type,
			int (*build)(struct lb_builder *, struct lb_entry *))
{
	for (struct lb_entry *e = b->marked[type]; e != NULL; e = e->mark_next) {
		int rc = build(b, e);

		if (rc != 0)
			return rc;
	}
	return 0;
}

// ---- the whole --------------------------------------------------------------------------------

static const struct ctl_settings *settings_of(const struct lb_store *s, bool next)
{
	static const struct ctl_settings defaults = {
		// of sluice-lb.yang
		.tcp_syn_ms = 30000, .tcp_established_ms = 900000, .tcp_closing_ms = 10000,
		.udp_ms = 60000,     .restart_quiet_ms = 30000,    .persistence_max = 65536,
	};
	const struct lb_entry *e = lb_store_live(s, CTL_REC_SETTINGS, 1, next);

	return e == NULL ? &defaults : (const void *)lb_entry_rec(e, next);
}

void lb_build_timeouts(const struct lb_store *s, bool next, uint32_t timeout[FLOW_STATE_COUNT])
{
	const struct ctl_settings *r = settings_of(s, next);

	timeout[FLOW_FREE] = 1;
	timeout[FLOW_TCP_SYN] = clock_ms_to_ticks(r->tcp_syn_ms);
	timeout[FLOW_TCP_ESTABLISHED] = clock_ms_to_ticks(r->tcp_established_ms);
	timeout[FLOW_TCP_CLOSING] = clock_ms_to_ticks(r->tcp_closing_ms);
	timeout[FLOW_UDP] = clock_ms_to_ticks(r->udp_ms);
}

static void build_settings(struct lb_builder *b)
{
	const struct ctl_settings *r = settings_of(b->in->store, b->in->next);
	struct lb_snapshot *p = &b->s->pub;

	lb_build_timeouts(b->in->store, b->in->next, p->timeout);
	p->quiet_until = b->in->start_ticks;
	if (r->restart_quiet_ms > 0)
		p->quiet_until += clock_ms_to_ticks(r->restart_quiet_ms);
	p->version = b->in->version;
	p->serial = b->in->serial;
}

static void publish_pools(struct lb_builder *b)
{
	struct lb_snap *s = b->s;

	s->pub.pool = s->pool;
	s->pub.pools = s->pools;
	s->pub.persist = b->in->persist;
	for (uint32_t i = 0; i < s->pools; i++)
		s->pub.watched |= s->pool[i] != NULL && s->pool[i]->scheduler->moved != NULL;
}

static int build_listeners(struct lb_builder *b)
{
	const struct lb_listeners *old = b->s->pub.listeners, *l = b->in->listeners;
	struct lb_listeners *copy = NULL;
	int rc;

	if (lb_listeners_same(old, l))
		return 0;
	if (l != NULL) {
		copy = malloc(lb_listeners_size(l));
		if (copy == NULL)
			return -ENOMEM;
		memcpy(copy, l, lb_listeners_size(l));
	}
	rc = lb_build_part_swap(b, copy, lb_unconst(old), LB_PART_PLAIN);
	if (rc == 0)
		b->s->pub.listeners = copy;
	return rc;
}

static int build_all(struct lb_builder *b)
{
	int rc = take_base(b);

	if (rc != 0)
		return rc;
	mark_all(b);
	if (b->in->base == NULL)
		b->services_dirty = b->own_dirty = b->sources_dirty = true;
	if ((rc = build_marked(b, CTL_REC_LOCAL_POOL, build_local)) != 0 ||
	    (rc = fill_locals(b)) != 0 ||
	    (rc = build_marked(b, CTL_REC_SERVER, build_server)) != 0 ||
	    (rc = build_marked(b, CTL_REC_POOL, build_pool)) != 0 ||
	    (rc = build_marked(b, CTL_REC_SERVICE, build_service)) != 0)
		return rc;
	if (b->services_dirty && (rc = lb_build_service_hash(b)) != 0)
		return rc;
	if (b->own_dirty && (rc = lb_build_own_hash(b)) != 0)
		return rc;
	if (b->sources_dirty && b->s->pub.nat && (rc = lb_build_sources(b)) != 0)
		return rc;
	if ((rc = build_listeners(b)) != 0)
		return rc;
	build_settings(b);
	publish_pools(b);
	return 0;
}

int lb_build(const struct lb_build_in *in, struct lb_snap **out, struct ctl_ack *ack)
{
	struct lb_builder b = {.in = in, .ack = ack};
	int rc;

	b.s = calloc(1, sizeof(*b.s));
	if (b.s == NULL)
		return -ENOMEM;
	rc = build_all(&b);
	free(b.server_fresh);
	free(b.service_fresh);
	free(b.scratch);
	if (rc != 0) {
		lb_build_discard(b.s);
		return rc;
	}
	*out = b.s;
	return 0;
}

static void snap_free_arrays(struct lb_snap *s)
{
	free(s->pub.server);
	free(s->pub.service);
	free(s->pool);
	free(s->local);
	parts_free(s->replaced, false);
	free(s);
}

void lb_build_discard(struct lb_snap *s)
{
	if (s == NULL)
		return;
	parts_free(s->fresh, true);
	snap_free_arrays(s);
}

void lb_build_adopt(struct lb_snap *s, struct lb_snap *base)
{
	parts_free(s->fresh, false);
	s->fresh = NULL;
	if (base != NULL)
		base->garbage = s->replaced;
	else
		parts_free(s->replaced, false);
	s->replaced = NULL;
}

void lb_snap_retire(void *pub)
{
	struct lb_snap *s = pub; // pub is its first member

	parts_free(s->garbage, true);
	snap_free_arrays(s);
}

void lb_snap_destroy(struct lb_snap *s)
{
	if (s == NULL)
		return;
	for (uint32_t c = 0; c < s->pub.service_chunks; c++) {
		for (uint32_t i = 0; i < LB_CHUNK; i++)
			free(lb_unconst(s->pub.service[c][i]));
		free(lb_unconst(s->pub.service[c]));
	}
	for (uint32_t c = 0; c < s->pub.server_chunks; c++)
		free(lb_unconst(s->pub.server[c]));
	for (uint32_t i = 0; i < s->pools; i++)
		part_free(s->pool[i], LB_PART_POOL);
	for (uint32_t i = 0; i < s->locals; i++)
		part_free(s->local[i], LB_PART_LOCAL);
	free(s->pub.service_hash);
	free(s->pub.own_hash);
	free(lb_unconst(s->pub.spans));
	free(lb_unconst(s->pub.own_prefixes));
	free(lb_unconst(s->pub.listeners));
	free(lb_unconst(s->pub.sources));
	snap_free_arrays(s);
}
