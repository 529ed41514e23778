// SPDX-License-Identifier: BSD-3-Clause
//
// store - the records of the intended configuration, by (instance, type, id), and the indices that make
// checks across entries cost what the change costs. One entry is one record of msg.h.
//
// Indices are multimaps: two entries may have the same key while a change is being checked; that is how
// index.c finds what collides.

#include "control/net/net_priv.h"

#include <stdlib.h>
#include <string.h>

#define TABLE_MIN 1024

struct key_node {
	struct key_node *chain;
	struct net_entry *entry;
	uint64_t hash;
	uint8_t size;
	uint8_t bytes[];
};

struct count_node {
	struct count_node *chain;
	const struct net_inst *inst;
	uint64_t id;
	uint16_t type;
	struct net_count count;
};

static struct {
	struct net_inst_list insts;
	struct net_entry **entry;
	struct key_node **key;
	struct count_node **count;
	size_t entry_room, key_room, count_room; // powers of two
	size_t entries, keys, counts;
} store = {.insts = TAILQ_HEAD_INITIALIZER(store.insts)};

static uint64_t mix(uint64_t h)
{
	h ^= h >> 33;
	h *= UINT64_C(0xff51afd7ed558ccd);
	h ^= h >> 33;
	return h;
}

static uint64_t hash_id(const struct net_inst *inst, uint16_t type, uint64_t id)
{
	return mix(id ^ (uint64_t)type << 56 ^ (uintptr_t)inst);
}

static uint64_t hash_bytes(const uint8_t *p, size_t size)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < size; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return mix(h);
}

// A daemon that cannot get a few bytes has lost its machine: apps and journal are whole without it,
// and a half-changed store is worse than a restart.
static void *must(void *p)
{
	if (!p) {
		net_log("out of memory");
		abort();
	}
	return p;
}

// ---- instances -------------------------------------------------------------------------------

struct net_inst_list *net_store_insts(void)
{
	return &store.insts;
}

struct net_inst *net_store_inst(const char *name)
{
	struct net_inst *i;

	TAILQ_FOREACH(i, &store.insts, next)
	{
		if (strcmp(i->name, name) == 0)
			return i;
	}
	return NULL;
}

struct net_inst *net_store_inst_get(const char *name)
{
	struct net_inst *i = net_store_inst(name), *at;

	if (i)
		return i;
	i = must(calloc(1, sizeof(*i)));
	strncpy(i->name, name, sizeof(i->name) - 1);
	TAILQ_INIT(&i->entries);
	TAILQ_FOREACH(at, &store.insts, next)
	{
		if (strcmp(at->name, name) > 0)
			break;
	}
	if (at)
		TAILQ_INSERT_BEFORE(at, i, next);
	else
		TAILQ_INSERT_TAIL(&store.insts, i, next);
	return i;
}

void net_store_inst_tidy(void)
{
	struct net_inst *i = TAILQ_FIRST(&store.insts), *next;

	for (; i; i = next) {
		next = TAILQ_NEXT(i, next);
		if (i->entry_count || i->app)
			continue;
		TAILQ_REMOVE(&store.insts, i, next);
		free(i);
	}
}

// ---- entries ---------------------------------------------------------------------------------

static void grow_entries(void)
{
	size_t room = store.entry_room ? store.entry_room * 2 : TABLE_MIN;
	struct net_entry **table = must(calloc(room, sizeof(*table)));

	for (size_t b = 0; b < store.entry_room; b++) {
		struct net_entry *e = store.entry[b], *next;

		for (; e; e = next) {
			size_t at = hash_id(e->inst, e->rec->type, e->rec->id) & (room - 1);

			next = e->chain;
			e->chain = table[at];
			table[at] = e;
		}
	}
	free(store.entry);
	store.entry = table;
	store.entry_room = room;
}

struct net_entry *net_store_find(const struct net_inst *inst, uint16_t type, uint64_t id)
{
	struct net_entry *e;

	if (!store.entry_room)
		return NULL;
	for (e = store.entry[hash_id(inst, type, id) & (store.entry_room - 1)]; e; e = e->chain) {
		if (e->inst == inst && e->rec->type == type && e->rec->id == id)
			return e;
	}
	return NULL;
}

struct net_entry *net_entry_new(struct net_inst *inst, bool sent, const struct ctl_rec *rec)
{
	struct net_entry *e = must(calloc(1, sizeof(*e) + rec->size));

	e->inst = inst;
	e->sent = sent;
	memcpy(e->rec, rec, rec->size);
	return e;
}

const char *net_entry_name(const struct net_entry *e)
{
	switch (e->rec->type) {
	case CTL_REC_PORT:
		return ((const struct ctl_port *)e->rec)->name;
	case CTL_REC_LOCAL_POOL:
		return ((const struct ctl_local_pool *)e->rec)->name;
	case CTL_REC_POOL:
		return ((const struct ctl_pool *)e->rec)->name;
	case CTL_REC_SERVER:
		return ((const struct ctl_server *)e->rec)->name;
	case CTL_REC_SERVICE:
		return ((const struct ctl_service *)e->rec)->name;
	default:
		return "";
	}
}

// ---- keys ------------------------------------------------------------------------------------

static void key_start(struct net_key *k, enum net_key_kind kind)
{
	k->size = 1;
	k->bytes[0] = (uint8_t)kind;
}

static void key_put(struct net_key *k, const void *p, size_t size)
{
	if (size > sizeof(k->bytes) - k->size)
		size = sizeof(k->bytes) - k->size; // cannot be: the longest is socket + 3
	memcpy(k->bytes + k->size, p, size);
	k->size += (uint8_t)size;
}

void net_key_of_pool(struct net_key *k, const struct net_inst *inst, enum net_key_kind kind,
		     uint64_t id)
{
	key_start(k, kind);
	key_put(k, &inst, sizeof(inst));
	key_put(k, &id, sizeof(id));
}

void net_key_addr(struct net_key *k, enum net_key_kind kind, const struct ctl_addr *a)
{
	key_start(k, kind);
	key_put(k, &a->family, 1);
	key_put(k, a->bytes, sizeof(a->bytes));
}

static unsigned keys_of_port(const struct ctl_port *p, struct net_key keys[NET_KEYS])
{
	unsigned n = 0;
	uint8_t server;

	switch (p->kind) {
	case CTL_PORT_AF_XDP:
	case CTL_PORT_TAP:
	case CTL_PORT_PCI:
	case CTL_PORT_BOND:
		key_start(&keys[n], NET_KEY_DEVICE);
		key_put(&keys[n++], p->device, strlen(p->device));
		for (unsigned i = 0; i < CTL_BOND_MEMBERS && p->member[i][0]; i++) {
			key_start(&keys[n], NET_KEY_DEVICE);
			key_put(&keys[n++], p->member[i], strlen(p->member[i]));
		}
		break;
	case CTL_PORT_MEMIF:
		key_start(&keys[n], NET_KEY_MEMIF);
		key_put(&keys[n], &p->memif_id, sizeof(p->memif_id));
		server = p->flags & CTL_PORT_F_MEMIF_SERVER;
		key_put(&keys[n], &server, 1);
		key_put(&keys[n++], p->path, strlen(p->path));
		break;
	case CTL_PORT_PCAP:
		if (!p->path2[0])
			break;
		key_start(&keys[n], NET_KEY_FILE);
		key_put(&keys[n++], p->path2, strlen(p->path2));
		break;
	default:
		break;
	}
	return n;
}

static unsigned keys_of_service(const struct net_entry *e, struct net_key keys[NET_KEYS])
{
	const struct ctl_service *s = (const struct ctl_service *)e->rec;

	key_start(&keys[0], NET_KEY_SERVICE);
	key_put(&keys[0], &s->context, sizeof(s->context));
	key_put(&keys[0], &s->proto, 1);
	key_put(&keys[0], &s->port, sizeof(s->port));
	key_put(&keys[0], &s->port_max, sizeof(s->port_max));
	key_put(&keys[0], &s->addr.len, 1);
	key_put(&keys[0], &s->addr.family, 1);
	key_put(&keys[0], s->addr.bytes, sizeof(s->addr.bytes));
	net_key_addr(&keys[1], NET_KEY_SERVICE_ADDR, &s->addr);
	net_key_of_pool(&keys[2], e->inst, NET_KEY_OF_POOL, s->pool);
	if (s->local_pool == 0)
		return 3;
	net_key_of_pool(&keys[3], e->inst, NET_KEY_OF_LPOOL, s->local_pool);
	return 4;
}

unsigned net_keys(const struct net_entry *e, struct net_key keys[NET_KEYS])
{
	const struct ctl_vlan *v = (const struct ctl_vlan *)e->rec;

	switch (e->rec->type) {
	case CTL_REC_PORT:
		return keys_of_port((const struct ctl_port *)e->rec, keys);
	case CTL_REC_VLAN:
		key_start(&keys[0], NET_KEY_DEVICE);
		key_put(&keys[0], v->tap, strlen(v->tap));
		return 1;
	case CTL_REC_LOCAL_ADDRESS:
		net_key_addr(&keys[0], NET_KEY_LOCAL,
			     &((const struct ctl_local_address *)e->rec)->addr);
		return 1;
	case CTL_REC_SERVER:
		net_key_addr(&keys[0], NET_KEY_SERVER_ADDR,
			     &((const struct ctl_server *)e->rec)->addr);
		return 1;
	case CTL_REC_SERVICE:
		return keys_of_service(e, keys);
	case CTL_REC_POOL:
		if (((const struct ctl_pool *)e->rec)->backup_pool == 0)
			return 0;
		net_key_of_pool(&keys[0], e->inst, NET_KEY_BACKUP_OF,
				((const struct ctl_pool *)e->rec)->backup_pool);
		return 1;
	default:
		return 0;
	}
}

static void grow_keys(void)
{
	size_t room = store.key_room ? store.key_room * 2 : TABLE_MIN;
	struct key_node **table = must(calloc(room, sizeof(struct key_node *)));

	for (size_t b = 0; b < store.key_room; b++) {
		struct key_node *k = store.key[b], *next;

		for (; k; k = next) {
			next = k->chain;
			k->chain = table[k->hash & (room - 1)];
			table[k->hash & (room - 1)] = k;
		}
	}
	free(store.key);
	store.key = table;
	store.key_room = room;
}

static void key_add(const struct net_key *key, struct net_entry *e)
{
	struct key_node *k = must(malloc(sizeof(*k) + key->size));

	if (store.keys >= store.key_room)
		grow_keys();
	k->entry = e;
	k->hash = hash_bytes(key->bytes, key->size);
	k->size = key->size;
	memcpy(k->bytes, key->bytes, key->size);
	k->chain = store.key[k->hash & (store.key_room - 1)];
	store.key[k->hash & (store.key_room - 1)] = k;
	store.keys++;
}

static void key_remove(const struct net_key *key, const struct net_entry *e)
{
	uint64_t hash = hash_bytes(key->bytes, key->size);
	struct key_node **at, *k;

	for (at = &store.key[hash & (store.key_room - 1)]; (k = *at) != NULL; at = &k->chain) {
		if (k->entry != e || k->size != key->size ||
		    memcmp(k->bytes, key->bytes, key->size) != 0)
			continue;
		*at = k->chain;
		free(k);
		store.keys--;
		return;
	}
}

struct net_entry *net_key_next(const struct net_key *key, void **pos)
{
	uint64_t hash = hash_bytes(key->bytes, key->size);
	struct key_node *k = *pos;

	if (!store.key_room)
		return NULL;
	for (k = k ? k->chain : store.key[hash & (store.key_room - 1)]; k; k = k->chain) {
		if (k->hash != hash || k->size != key->size ||
		    memcmp(k->bytes, key->bytes, key->size) != 0)
			continue;
		*pos = k;
		return k->entry;
	}
	return NULL;
}

// ---- counts ----------------------------------------------------------------------------------

static struct count_node **count_at(const struct net_inst *inst, uint16_t type, uint64_t id)
{
	struct count_node **at = &store.count[hash_id(inst, type, id) & (store.count_room - 1)];

	while (*at && ((*at)->inst != inst || (*at)->type != type || (*at)->id != id))
		at = &(*at)->chain;
	return at;
}

static void grow_counts(void)
{
	size_t room = store.count_room ? store.count_room * 2 : TABLE_MIN;
	struct count_node **table = must(calloc(room, sizeof(struct count_node *)));

	for (size_t b = 0; b < store.count_room; b++) {
		struct count_node *c = store.count[b], *next;

		for (; c; c = next) {
			size_t at = hash_id(c->inst, c->type, c->id) & (room - 1);

			next = c->chain;
			c->chain = table[at];
			table[at] = c;
		}
	}
	free(store.count);
	store.count = table;
	store.count_room = room;
}

struct net_count *net_store_count(const struct net_inst *inst, uint16_t type, uint64_t id)
{
	struct count_node *c = store.count_room ? *count_at(inst, type, id) : NULL;

	return c ? &c->count : NULL;
}

static void count_change(const struct net_entry *e, int by)
{
	const struct ctl_local_address *a = (const struct ctl_local_address *)e->rec;
	const struct ctl_server *s = (const struct ctl_server *)e->rec;
	struct count_node **at, *c;
	uint16_t type;
	uint64_t id;
	unsigned family;

	if (e->rec->type == CTL_REC_SERVER) {
		type = CTL_REC_POOL;
		id = s->pool;
		family = net_family(&s->addr);
	} else if (e->rec->type == CTL_REC_LOCAL_ADDRESS) {
		type = CTL_REC_LOCAL_POOL;
		id = a->local_pool;
		family = net_family(&a->addr);
	} else {
		return;
	}
	if (store.counts >= store.count_room)
		grow_counts();
	at = count_at(e->inst, type, id);
	c = *at;
	if (!c) {
		c = must(calloc(1, sizeof(*c)));
		c->inst = e->inst;
		c->type = type;
		c->id = id;
		*at = c;
		store.counts++;
	}
	c->count.n[family] += (uint32_t)by;
	if (c->count.n[0] || c->count.n[1])
		return;
	*at = c->chain;
	free(c);
	store.counts--;
}

// ---- the store as a whole --------------------------------------------------------------------

void net_store_add(struct net_entry *e)
{
	struct net_key keys[NET_KEYS];
	unsigned n = net_keys(e, keys);
	struct net_entry **at;

	if (store.entries >= store.entry_room)
		grow_entries();
	at = &store.entry[hash_id(e->inst, e->rec->type, e->rec->id) & (store.entry_room - 1)];
	e->chain = *at;
	*at = e;
	store.entries++;
	TAILQ_INSERT_TAIL(&e->inst->entries, e, next);
	e->inst->entry_count++;
	if (e->rec->type == CTL_REC_SETTINGS)
		e->inst->configured = true;
	for (unsigned i = 0; i < n; i++)
		key_add(&keys[i], e);
	count_change(e, 1);
}

void net_store_remove(struct net_entry *e)
{
	struct net_key keys[NET_KEYS];
	unsigned n = net_keys(e, keys);
	struct net_entry **at;

	at = &store.entry[hash_id(e->inst, e->rec->type, e->rec->id) & (store.entry_room - 1)];
	while (*at != e)
		at = &(*at)->chain;
	*at = e->chain;
	store.entries--;
	TAILQ_REMOVE(&e->inst->entries, e, next);
	e->inst->entry_count--;
	if (e->rec->type == CTL_REC_SETTINGS)
		e->inst->configured = false;
	for (unsigned i = 0; i < n; i++)
		key_remove(&keys[i], e);
	count_change(e, -1);
}

size_t net_store_size(void)
{
	return store.entries;
}

void net_store_clear(void)
{
	struct net_inst *i, *next;
	struct net_entry *e;

	for (i = TAILQ_FIRST(&store.insts); i; i = next) {
		next = TAILQ_NEXT(i, next);
		while ((e = TAILQ_FIRST(&i->entries)) != NULL) {
			net_store_remove(e);
			free(e);
		}
	}
	net_store_inst_tidy();
	free(store.entry);
	free(store.key);
	free(store.count);
	store.entry = NULL;
	store.key = NULL;
	store.count = NULL;
	store.entry_room = store.key_room = store.count_room = 0;
}
