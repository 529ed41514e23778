// SPDX-License-Identifier: BSD-3-Clause
//
// index - checks across entries. They run on the store with the change put in, and look only at what
// the change touches and at what refers to that.
//
// What is checked:
//	two entries of one type with the same record id
//	a service on the context, protocol, address and port of another, on any instance
//	a service whose pool or local address pool is not there; also when the pool is deleted
//	a pool whose backup is not there, or whose backups lead back to it
//	a service whose pool, or a backup of it, has servers of the other family, or whose local pool has no address of its own
//	a server without a port of its own in a pool whose checks do not say one
//	a service with a range of ports that crosses another one's on the same prefix
//	a local address given twice on this node, one that is a service's or a server's address, or lies within a
//	service's prefix
//	a kernel device, memif socket or written capture file claimed twice
//	a port owned by an instance that has no load-balancer entry; also when that entry is deleted

#include "control/net/net_priv.h"
#include "control/net/overlap.h"

#include <libyang/libyang.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct check {
	struct net_delta *d;
	const struct lyd_node *after; // for values that no record holds
	struct txn_result *r;
};

__attribute__((format(printf, 6, 7))) static void refuse(struct check *c, const struct net_entry *e,
							 const char *field, const char *tag,
							 const char *app_tag, const char *format,
							 ...)
{
	char path[512], text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	// The delta is in the store now, so paths are found there.
	net_entry_path(NULL, e, field, path, sizeof(path));
	txn_refuse(c->r, -EINVAL, tag, app_tag, path, "%s", text);
}

// Another entry that has this key too.
static struct net_entry *other(const struct net_key *key, const struct net_entry *e)
{
	struct net_entry *o;
	void *pos = NULL;

	while ((o = net_key_next(key, &pos)) != NULL) {
		if (o != e)
			return o;
	}
	return NULL;
}

// "service 'web' of lb": how an entry is called in a sentence.
static const char *called(const struct net_entry *e, char buf[160])
{
	char addr[64];

	switch (e->rec->type) {
	case CTL_REC_SERVICE:
		snprintf(buf, 160, "service '%s' of %s", net_entry_name(e), e->inst->name);
		break;
	case CTL_REC_LOCAL_ADDRESS:
		net_addr_text(&((const struct ctl_local_address *)e->rec)->addr, addr, sizeof(addr),
			      false);
		snprintf(buf, 160, "local address %s of %s", addr, e->inst->name);
		break;
	case CTL_REC_VLAN:
		snprintf(buf, 160, "VLAN %u of %s", ((const struct ctl_vlan *)e->rec)->vid,
			 e->inst->name);
		break;
	case CTL_REC_PORT:
		snprintf(buf, 160, "port '%s' of %s", net_entry_name(e), e->inst->name);
		break;
	default:
		snprintf(buf, 160, "'%s' of %s", net_entry_name(e), e->inst->name);
		break;
	}
	return buf;
}

static void check_id(struct check *c, const struct net_entry *e)
{
	char mine[512], its[512];
	struct net_entry *o;

	// The store finds the newest of those with one id first; any other one is a collision.
	for (o = net_store_find(e->inst, e->rec->type, e->rec->id); o; o = o->chain) {
		if (o == e || o->inst != e->inst || o->rec->type != e->rec->type ||
		    o->rec->id != e->rec->id)
			continue;
		net_entry_path(NULL, e, NULL, mine, sizeof(mine));
		net_entry_path(NULL, o, NULL, its, sizeof(its));
		if (strcmp(mine, its) == 0)
			txn_refuse(c->r, -EINVAL, "operation-failed", "data-not-unique", mine,
				   "this entry is there twice");
		else
			txn_refuse(
				c->r, -EINVAL, "operation-failed", NULL, mine,
				"by chance the short id of this entry is that of %.256s: give one of "
				"them another name",
				its);
		return;
	}
}

static const char *const family_name[] = {"IPv4", "IPv6"};

// Pools that may serve in place of a service's own are of its family, too.
static void check_backup_families(struct check *c, const struct net_entry *e,
				  const struct net_entry *pool, unsigned family)
{
	for (unsigned steps = 0; pool && steps < NET_BACKUP_MAX; steps++) {
		uint64_t next = ((const struct ctl_pool *)pool->rec)->backup_pool;
		const struct net_count *servers;

		pool = next ? net_store_find(e->inst, CTL_REC_POOL, next) : NULL;
		servers = pool ? net_store_count(e->inst, CTL_REC_POOL, next) : NULL;
		if (!servers || servers->n[!family] == 0)
			continue;
		refuse(c, e, "pool", "invalid-value", NULL,
		       "service '%s' is %s, but backup pool '%s' has %s servers", net_entry_name(e),
		       family_name[family], net_entry_name(pool), family_name[!family]);
		return;
	}
}

// FULLNAT changes addresses, not the family: clients, local addresses and servers are of one.
static void check_families(struct check *c, const struct net_entry *e)
{
	const char *const *name = family_name;
	const struct ctl_service *s = (const struct ctl_service *)e->rec;
	const struct net_count *servers = net_store_count(e->inst, CTL_REC_POOL, s->pool);
	const struct net_count *local = net_store_count(e->inst, CTL_REC_LOCAL_POOL, s->local_pool);
	const struct net_entry *pool = net_store_find(e->inst, CTL_REC_POOL, s->pool);
	const struct net_entry *lpool = net_store_find(e->inst, CTL_REC_LOCAL_POOL, s->local_pool);
	unsigned f = net_family(&s->addr);

	if (!pool || (s->local_pool != 0 && !lpool))
		return; // said by check_references
	if (servers && servers->n[!f] > 0)
		refuse(c, e, "pool", "invalid-value", NULL,
		       "service '%s' is %s, but pool '%s' has %s servers: use one pool for each family",
		       s->name, name[f], net_entry_name(pool), name[!f]);
	check_backup_families(c, e, pool, f);
	if (lpool && (!local || local->n[f] == 0))
		refuse(c, e, "local-address-pool", "invalid-value", NULL,
		       "service '%s' is %s, but local address pool '%s' has no %s address", s->name,
		       name[f], net_entry_name(lpool), name[f]);
}

// A reference is an id in the record; the name it was made from stands in the tree.
static void refuse_reference(struct check *c, const struct net_entry *e, const char *leaf,
			     const char *kind)
{
	struct lyd_node *n = NULL;
	char path[512];

	net_entry_path(NULL, e, leaf, path, sizeof(path));
	if (!c->after || lyd_find_path(c->after, path, 0, &n) != LY_SUCCESS)
		n = NULL;
	refuse(c, e, leaf, "data-missing", "instance-required",
	       "%s '%s' refers to %s '%s', which does not exist",
	       e->rec->type == CTL_REC_POOL ? "pool" : "service", net_entry_name(e), kind,
	       n ? lyd_get_value(n) : "?");
}

static void check_references(struct check *c, const struct net_entry *e)
{
	const struct ctl_service *s = (const struct ctl_service *)e->rec;

	if (!net_store_find(e->inst, CTL_REC_POOL, s->pool))
		refuse_reference(c, e, "pool", "pool");
	if (s->local_pool != 0 && !net_store_find(e->inst, CTL_REC_LOCAL_POOL, s->local_pool))
		refuse_reference(c, e, "local-address-pool", "local address pool");
}

// Backups of backups end somewhere.
static void check_backup(struct check *c, const struct net_entry *e)
{
	const struct ctl_pool *p = (const struct ctl_pool *)e->rec;
	const struct net_entry *at = e;

	if (p->backup_pool == 0)
		return;
	if (!net_store_find(e->inst, CTL_REC_POOL, p->backup_pool)) {
		refuse_reference(c, e, "backup-pool", "pool");
		return;
	}
	for (unsigned steps = 0; at; steps++) {
		uint64_t next = ((const struct ctl_pool *)at->rec)->backup_pool;

		if (next == e->rec->id || steps == NET_BACKUP_MAX) {
			refuse(c, e, "backup-pool", "invalid-value", NULL,
			       next == e->rec->id
				       ? "the backups of pool '%s' lead back to it"
				       : "more than 8 backups follow one another from pool '%s'",
			       p->name);
			return;
		}
		at = next ? net_store_find(e->inst, CTL_REC_POOL, next) : NULL;
	}
}

static bool is_prefix(const struct ctl_addr *a)
{
	return a->len < (a->family == 4 ? 32 : 128);
}

// One port and any port cross nothing.
static void check_crossing(struct check *c, const struct net_entry *e)
{
	const struct ctl_service *s = (const struct ctl_service *)e->rec, *t;
	const struct net_entry *o;
	char name[160];
	struct net_key key;
	void *pos = NULL;

	if (s->port == 0 || s->port == s->port_max)
		return;
	net_key_addr(&key, NET_KEY_SERVICE_ADDR, &s->addr);
	while ((o = net_key_next(&key, &pos)) != NULL) {
		t = (const struct ctl_service *)o->rec;
		if (o == e || net_overlap(s, t) != NET_OVERLAP_CROSSES)
			continue;
		refuse(c, e, "port-max", "invalid-value", NULL,
		       "ports %u to %u of service '%s' overlap in part with ports %u to %u of %s: one range "
		       "has to lie within the other",
		       ntohs(s->port), ntohs(s->port_max), s->name, ntohs(t->port),
		       ntohs(t->port_max), called(o, name));
		return;
	}
}

// A prefix came: does it hold a local address of anybody?
static void check_locals_within(struct check *c, const struct net_entry *e)
{
	const struct ctl_service *s = (const struct ctl_service *)e->rec;
	const struct net_inst *inst;
	const struct net_entry *o;
	char name[160];

	if (!is_prefix(&s->addr))
		return;
	TAILQ_FOREACH(inst, net_store_insts(), next)
	TAILQ_FOREACH(o, &inst->entries, next)
	{
		const struct ctl_local_address *a = (const struct ctl_local_address *)o->rec;

		if (o->rec->type != CTL_REC_LOCAL_ADDRESS || !net_prefix_holds(&s->addr, &a->addr))
			continue;
		refuse(c, e, "address", "in-use", NULL,
		       "the prefix of service '%s' holds %s; local addresses are exclusive",
		       s->name, called(o, name));
		return;
	}
}

// A local address came: is there a service with a prefix that holds it? Each shorter prefix of it is
// looked up.
static void check_within(struct check *c, const struct net_entry *e)
{
	const struct ctl_local_address *a = (const struct ctl_local_address *)e->rec;
	struct ctl_addr at = a->addr;
	const struct net_entry *o;
	char addr[64], name[160];

	net_addr_text(&a->addr, addr, sizeof(addr), false);
	while (at.len-- > 1) {
		struct net_key key;
		void *pos = NULL;

		at.bytes[at.len / 8] &= (uint8_t)(0xff00 >> at.len % 8);
		net_key_addr(&key, NET_KEY_SERVICE_ADDR, &at);
		while ((o = net_key_next(&key, &pos)) != NULL) {
			if (((const struct ctl_service *)o->rec)->addr.len != at.len)
				continue;
			refuse(c, e, NULL, "in-use", NULL,
			       "%s lies within the prefix of %s; local addresses are exclusive",
			       addr, called(o, name));
			return;
		}
	}
}

static void check_service(struct check *c, const struct net_entry *e)
{
	const struct ctl_service *s = (const struct ctl_service *)e->rec;
	struct net_key keys[NET_KEYS], key;
	const struct net_entry *o;
	char addr[64], name[160];
	void *pos = NULL;

	net_addr_text(&s->addr, addr, sizeof(addr), false);
	net_keys(e, keys);
	o = other(&keys[0], e);
	if (o)
		refuse(c, e, "address", "operation-failed", "data-not-unique",
		       "service '%s' has the context, protocol, address and port of %s", s->name,
		       called(o, name));
	net_key_addr(&key, NET_KEY_LOCAL, &s->addr);
	o = net_key_next(&key, &pos);
	if (o)
		refuse(c, e, "address", "in-use", NULL,
		       "%s is a local address of %s; local addresses are exclusive", addr,
		       o->inst->name);
	check_crossing(c, e);
	check_locals_within(c, e);
	check_references(c, e);
	check_families(c, e);
}

static void check_local_address(struct check *c, const struct net_entry *e)
{
	const struct ctl_local_address *a = (const struct ctl_local_address *)e->rec;
	struct net_key keys[NET_KEYS], key;
	const struct net_entry *o;
	char addr[64], name[160];
	void *pos = NULL;

	net_addr_text(&a->addr, addr, sizeof(addr), false);
	net_keys(e, keys);
	o = other(&keys[0], e);
	if (o)
		refuse(c, e, NULL, "in-use", "data-not-unique",
		       "%s is already in another local address pool of %s", addr, o->inst->name);
	net_key_addr(&key, NET_KEY_SERVER_ADDR, &a->addr);
	o = net_key_next(&key, &pos);
	if (o)
		refuse(c, e, NULL, "in-use", NULL,
		       "%s is the address of server '%s' of %s; local addresses are exclusive",
		       addr, net_entry_name(o), o->inst->name);
	pos = NULL;
	net_key_addr(&key, NET_KEY_SERVICE_ADDR, &a->addr);
	o = net_key_next(&key, &pos);
	if (o)
		refuse(c, e, NULL, "in-use", NULL,
		       "%s is the address of %s; local addresses are exclusive", addr,
		       called(o, name));
	else
		check_within(c, e);
}

static void check_claims(struct check *c, const struct net_entry *e)
{
	const struct ctl_port *p = (const struct ctl_port *)e->rec;
	const struct ctl_vlan *v = (const struct ctl_vlan *)e->rec;
	struct net_key keys[NET_KEYS];
	const struct net_entry *o = NULL;
	unsigned n = net_keys(e, keys);
	char name[160];

	for (unsigned i = 0; !o && i < n; i++)
		o = other(&keys[i], e);
	if (!o)
		return;
	if (e->rec->type == CTL_REC_VLAN)
		refuse(c, e, "tap", "in-use", "data-not-unique", "device %s is already that of %s",
		       v->tap, called(o, name));
	else if (p->kind == CTL_PORT_MEMIF)
		refuse(c, e, "socket", "in-use", "data-not-unique",
		       "%s already has this end of socket and id", called(o, name));
	else if (p->kind == CTL_PORT_PCAP)
		refuse(c, e, "tx-file", "in-use", "data-not-unique", "%s already writes this file",
		       called(o, name));
	else
		refuse(c, e, "device", "in-use", "data-not-unique",
		       "device %s is already that of %s", p->device, called(o, name));
}

static void check_owner(struct check *c, const struct net_entry *e)
{
	if (!e->inst->configured)
		refuse(c, e, "owner", "data-missing", "instance-required",
		       "the owner '%s' has no load-balancer entry", e->inst->name);
}

// The services (or pools) that name this pool, but for those the change holds itself.
static void services_of(struct check *c, const struct net_inst *inst, enum net_key_kind kind,
			uint64_t id, void (*check)(struct check *c, const struct net_entry *e))
{
	struct net_entry *o;
	struct net_key key;
	void *pos = NULL;

	net_key_of_pool(&key, inst, kind, id);
	while ((o = net_key_next(&key, &pos)) != NULL) {
		if (o->mark != c->d->mark)
			check(c, o);
	}
}

// Services that this pool serves: by their own word, or as the backup of a backup.
static void check_served(struct check *c, const struct net_inst *inst, uint64_t pool,
			 unsigned depth)
{
	struct net_entry *o;
	struct net_key key;
	void *pos = NULL;

	services_of(c, inst, NET_KEY_OF_POOL, pool, check_families);
	if (depth == NET_BACKUP_MAX)
		return;
	net_key_of_pool(&key, inst, NET_KEY_BACKUP_OF, pool);
	while ((o = net_key_next(&key, &pos)) != NULL)
		check_served(c, inst, o->rec->id, depth + 1);
}

// Servers of port 0 get the port that clients ask for: a check has to be told one.
static bool check_lacks_port(const struct ctl_pool *p)
{
	return p->check.port == 0 && p->check.kind != CTL_CHECK_NONE &&
	       p->check.kind != CTL_CHECK_ICMP;
}

static void check_server_port(struct check *c, const struct net_entry *e)
{
	const struct ctl_server *s = (const struct ctl_server *)e->rec;
	const struct net_entry *pool = net_store_find(e->inst, CTL_REC_POOL, s->pool);

	if (s->port == 0 && pool && check_lacks_port((const struct ctl_pool *)pool->rec))
		refuse(c, e, "port", "invalid-value", NULL,
		       "server '%s' has no port of its own: health-check/port of pool '%s' has to say which "
		       "one is checked",
		       s->name, net_entry_name(pool));
}

// The pool was there and changed: servers that the change does not hold were checked under the old one.
static void check_server_ports(struct check *c, const struct net_entry *pool)
{
	const struct net_entry *e;

	if (!check_lacks_port((const struct ctl_pool *)pool->rec))
		return;
	TAILQ_FOREACH(e, &pool->inst->entries, next)
	{
		if (e->rec->type == CTL_REC_SERVER && e->mark != c->d->mark &&
		    ((const struct ctl_server *)e->rec)->pool == pool->rec->id)
			check_server_port(c, e);
	}
}

// A server came, or changed family: does it fit the services of its pool? Once per pool and family.
static void check_server(struct check *c, const struct net_entry *e)
{
	const struct ctl_server *s = (const struct ctl_server *)e->rec;
	struct net_count *count = net_store_count(e->inst, CTL_REC_POOL, s->pool);
	unsigned f = net_family(&s->addr);
	const struct net_entry *local;
	struct net_key key;
	void *pos = NULL;

	net_key_addr(&key, NET_KEY_LOCAL, &s->addr);
	local = net_key_next(&key, &pos);
	if (local)
		refuse(c, e, "address", "in-use", NULL,
		       "a server cannot have a local address of %s; local addresses are exclusive",
		       local->inst->name);
	if (!count || count->mark[f] == c->d->mark)
		return;
	count->mark[f] = c->d->mark;
	check_served(c, e->inst, s->pool, 0);
}

static void check_new(struct check *c, const struct net_entry *e)
{
	check_id(c, e);
	switch (e->rec->type) {
	case CTL_REC_PORT:
		check_owner(c, e);
		check_claims(c, e);
		break;
	case CTL_REC_VLAN:
		check_claims(c, e);
		break;
	case CTL_REC_LOCAL_ADDRESS:
		check_local_address(c, e);
		break;
	case CTL_REC_SERVER:
		check_server_port(c, e);
		check_server(c, e);
		break;
	case CTL_REC_POOL:
		check_backup(c, e);
		if (((const struct ctl_pool *)e->rec)->backup_pool != 0)
			check_served(c, e->inst, e->rec->id, 0);
		break;
	case CTL_REC_SERVICE:
		check_service(c, e);
		break;
	default:
		break;
	}
}

static void check_ports_of(struct check *c, const struct net_inst *inst)
{
	const struct net_entry *e;

	TAILQ_FOREACH(e, &inst->entries, next)
	{
		if (e->rec->type == CTL_REC_PORT && e->mark != c->d->mark)
			check_owner(c, e);
	}
}

static void check_gone(struct check *c, const struct net_entry *e)
{
	const struct ctl_local_address *a = (const struct ctl_local_address *)e->rec;
	const struct net_count *count;
	unsigned f;

	switch (e->rec->type) {
	case CTL_REC_SETTINGS:
		check_ports_of(c, e->inst);
		break;
	case CTL_REC_POOL:
		services_of(c, e->inst, NET_KEY_OF_POOL, e->rec->id, check_references);
		services_of(c, e->inst, NET_KEY_BACKUP_OF, e->rec->id, check_backup);
		break;
	case CTL_REC_LOCAL_POOL:
		services_of(c, e->inst, NET_KEY_OF_LPOOL, e->rec->id, check_references);
		break;
	case CTL_REC_LOCAL_ADDRESS:
		f = net_family(&a->addr);
		count = net_store_count(e->inst, CTL_REC_LOCAL_POOL, a->local_pool);
		if (!count || count->n[f] == 0)
			services_of(c, e->inst, NET_KEY_OF_LPOOL, a->local_pool, check_families);
		break;
	default:
		break;
	}
}

int net_index_check(struct net_delta *d, const struct lyd_node *after, struct txn_result *r)
{
	struct check c = {.d = d, .after = after, .r = r};

	for (size_t i = 0; i < d->count; i++) {
		if (d->item[i].new)
			d->item[i].new->mark = d->mark;
	}
	for (size_t i = 0; i < d->count && r->error_count < TXN_ERROR_MAX; i++) {
		if (d->item[i].new) {
			check_new(&c, d->item[i].new);
			if (d->item[i].old && d->item[i].new->rec->type == CTL_REC_POOL)
				check_server_ports(&c, d->item[i].new);
		} else if (d->item[i].old) {
			check_gone(&c, d->item[i].old);
		}
	}
	return r->result;
}
