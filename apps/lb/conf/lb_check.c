// SPDX-License-Identifier: BSD-3-Clause
//
// lb_check - what no record says alone: references, members of pools, families, memory. Each refusal names
// the record, the YANG leaf and what to do.

#include "apps/lb/conf/lb_conf.h"
#include "dataplane/flow/steer.h"
#include "dataplane/port/port.h"

#include <rte_log.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>

RTE_LOG_REGISTER(lb_check_log, sluice.check, NOTICE)
#define LOG(level, ...) rte_log(RTE_LOG_##level, lb_check_log, "check: " __VA_ARGS__)

int lb_refuse(struct ctl_ack *ack, int err, uint16_t tag, const struct lb_entry *e,
	      const char *field, const char *fmt, ...)
{
	va_list ap;

	ack->result = err;
	ack->tag = tag;
	ack->rec_type = e == NULL ? 0 : e->type;
	ack->rec_id = e == NULL ? 0 : e->id;
	snprintf(ack->field, sizeof(ack->field), "%s", field);
	va_start(ap, fmt);
	vsnprintf(ack->message, sizeof(ack->message), fmt, ap);
	va_end(ap);
	return err;
}

// ---- references -------------------------------------------------------------------------------

struct reference {
	uint16_t from, to;
	size_t offset; // of the id in the record
	const char *field, *what;
	bool optional; // id 0: none
};

static const struct reference references[] = {
	{CTL_REC_VLAN, CTL_REC_PORT, offsetof(struct ctl_vlan, port), "vid", "port", false},
	{CTL_REC_PREFIX, CTL_REC_PORT, offsetof(struct ctl_prefix, port), "port/prefix", "port",
	 false},
	{CTL_REC_LOCAL_ADDRESS, CTL_REC_LOCAL_POOL, offsetof(struct ctl_local_address, local_pool),
	 "address", "local address pool", false},
	{CTL_REC_SERVER, CTL_REC_POOL, offsetof(struct ctl_server, pool), "name", "pool", false},
	{CTL_REC_SERVICE, CTL_REC_POOL, offsetof(struct ctl_service, pool), "pool", "pool", false},
	{CTL_REC_SERVICE, CTL_REC_LOCAL_POOL, offsetof(struct ctl_service, local_pool),
	 "local-address-pool", "local address pool", true},
	{CTL_REC_POOL, CTL_REC_POOL, offsetof(struct ctl_pool, backup_pool), "backup-pool", "pool",
	 true},
};

static int check_reference(const struct lb_store *s, const struct reference *r,
			   const struct lb_entry *e, struct ctl_ack *ack)
{
	const struct ctl_rec *rec = lb_entry_rec(e, true);
	uint64_t id;

	if (rec == NULL)
		return 0;
	memcpy(&id, (const uint8_t *)rec + r->offset, sizeof(id));
	if (id == 0 && r->optional)
		return 0;
	if (lb_store_live(s, r->to, id, true) != NULL)
		return 0;
	return lb_refuse(ack, -ENOENT, CTL_TAG_DATA_MISSING, e, r->field,
			 "refers to a %s that does not exist", r->what);
}

int lb_check_references(const struct lb_store *s, struct ctl_ack *ack)
{
	bool deleted[LB_TYPE_MAX] = {false};
	struct lb_entry *e;

	LB_STORE_TOUCHED(e, s)
	deleted[e->type] |= e->next == NULL && e->rec != NULL;
	for (size_t i = 0; i < sizeof(references) / sizeof(references[0]); i++) {
		const struct reference *r = &references[i];
		int rc = 0;

		// Old records can only lose what they refer to when something of that type goes.
		if (deleted[r->to])
			LB_STORE_FOREACH(e, s, r->from)
		rc = rc != 0 ? rc : check_reference(s, r, e, ack);
		else LB_STORE_TOUCHED(e, s) if (e->type == r->from) rc =
			rc != 0 ? rc : check_reference(s, r, e, ack);
		if (rc != 0)
			return rc;
	}
	return 0;
}

// ---- members ----------------------------------------------------------------------------------

static uint64_t pool_of(const struct ctl_rec *r)
{
	return ((const struct ctl_server *)r)->pool;
}

// Start the new list of a pool: the members that the transaction does not touch.
static int members_open(struct lb_entry *pool)
{
	if (pool == NULL || pool->has_next_members)
		return 0;
	pool->next_members = 0;
	pool->next_capacity = pool->members;
	pool->next_member = malloc(((size_t)pool->members + 1) * sizeof(struct lb_entry *));
	if (pool->next_member == NULL)
		return -ENOMEM;
	pool->has_next_members = true;
	for (uint32_t i = 0; i < pool->members; i++)
		if (!pool->member[i]->touched)
			pool->next_member[pool->next_members++] = pool->member[i];
	return 0;
}

static int members_add(struct lb_entry *pool, struct lb_entry *server)
{
	if (pool->next_members >= pool->next_capacity) {
		uint32_t capacity = pool->next_capacity * 2 + 8;
		struct lb_entry **v =
			realloc(pool->next_member, capacity * sizeof(struct lb_entry *));

		if (v == NULL)
			return -ENOMEM;
		pool->next_member = v;
		pool->next_capacity = capacity;
	}
	pool->next_member[pool->next_members++] = server;
	return 0;
}

// The same servers take turns in the same order, whatever the order their records came in.
static int by_id(const void *a, const void *b)
{
	const struct lb_entry *x = *(struct lb_entry *const *)a, *y = *(struct lb_entry *const *)b;

	return (x->id > y->id) - (x->id < y->id);
}

int lb_check_members(struct lb_store *s)
{
	struct lb_entry *e;
	int rc = 0;

	LB_STORE_TOUCHED(e, s)
	{
		if (e->type != CTL_REC_SERVER)
			continue;
		if (e->rec != NULL)
			rc = members_open(lb_store_find(s, CTL_REC_POOL, pool_of(e->rec)));
		if (rc == 0 && e->next != NULL) {
			struct lb_entry *pool = lb_store_find(s, CTL_REC_POOL, pool_of(e->next));

			rc = members_open(pool);
			if (rc == 0)
				rc = members_add(pool, e);
		}
		if (rc != 0)
			return rc;
	}
	LB_STORE_FOREACH(e, s, CTL_REC_POOL)
	if (e->has_next_members)
		qsort(e->next_member, e->next_members, sizeof(struct lb_entry *), by_id);
	return 0;
}

void lb_check_members_drop(struct lb_store *s, bool take)
{
	struct lb_entry *e;

	LB_STORE_FOREACH(e, s, CTL_REC_POOL)
	{
		if (!e->has_next_members)
			continue;
		if (take) {
			free(e->member);
			e->member = e->next_member;
			e->members = e->next_members;
		} else {
			free(e->next_member);
		}
		e->next_member = NULL;
		e->next_members = e->next_capacity = 0;
		e->has_next_members = false;
	}
}

// ---- families ---------------------------------------------------------------------------------

static const struct ctl_server *wrong_family(const struct lb_entry *pool, uint8_t family)
{
	struct lb_entry *const *m = pool->has_next_members ? pool->next_member : pool->member;
	uint32_t n = pool->has_next_members ? pool->next_members : pool->members;

	for (uint32_t i = 0; i < n; i++) {
		const struct ctl_server *r = (const void *)lb_entry_rec(m[i], true);

		if (r->addr.family != family)
			return r;
	}
	return NULL;
}

// Bit 0: IPv4, bit 1: IPv6 addresses there. A pass over all: only where local pools or services change.
static uint8_t local_families(const struct lb_store *s, uint64_t local_pool)
{
	uint8_t have = 0;
	struct lb_entry *e;

	LB_STORE_FOREACH(e, s, CTL_REC_LOCAL_ADDRESS)
	{
		const struct ctl_local_address *r = (const void *)lb_entry_rec(e, true);

		if (r != NULL && r->local_pool == local_pool)
			have |= r->addr.family == 4 ? 1 : 2;
		if (have == 3)
			break;
	}
	return have;
}

// Walks no further than lb_check_backups() lets chains be: it comes before.
static const struct lb_entry *backup_of(const struct lb_store *s, const struct lb_entry *pool)
{
	const struct ctl_pool *r = (const void *)lb_entry_rec(pool, true);

	return r == NULL || r->backup_pool == 0 ? NULL
						: lb_store_find(s, CTL_REC_POOL, r->backup_pool);
}

int lb_check_backups(const struct lb_store *s, struct ctl_ack *ack)
{
	struct lb_entry *e;
	bool any = false;

	LB_STORE_TOUCHED(e, s)
	any |= e->type == CTL_REC_POOL && e->next != NULL &&
	       ((const struct ctl_pool *)e->next)->backup_pool != 0;
	if (!any)
		return 0;
	// A change anywhere may close a loop or lengthen a chain that begins elsewhere.
	LB_STORE_FOREACH(e, s, CTL_REC_POOL)
	{
		const struct lb_entry *p = e;
		unsigned pools = 1;

		while ((p = backup_of(s, p)) != NULL && p != e && ++pools <= LB_BACKUP_CHAIN)
			;
		if (p == NULL)
			continue;
		return lb_refuse(ack, -ELOOP, CTL_TAG_INVALID_VALUE, e, "backup-pool",
				 p == e ? "the pool would back itself up in a circle: %u pools "
					  "lead back to it"
					: "more than %u backup pools one behind the other",
				 p == e ? pools : LB_BACKUP_CHAIN - 1);
	}
	return 0;
}

static int check_service(const struct lb_store *s, const struct lb_entry *e, bool locals,
			 struct ctl_ack *ack)
{
	const struct ctl_service *r = (const void *)lb_entry_rec(e, true);
	const struct lb_entry *pool;
	const struct ctl_server *odd;
	unsigned version = r == NULL ? 0 : r->addr.family;
	bool changed;

	if (r == NULL)
		return 0;
	pool = lb_store_find(s, CTL_REC_POOL, r->pool);
	changed = e->touched;
	for (bool own = true; pool != NULL; own = false, pool = backup_of(s, pool)) {
		changed |= pool->touched; // then it may have another backup
		if (!changed && !pool->has_next_members)
			continue;
		odd = wrong_family(pool, r->addr.family);
		if (odd != NULL)
			return lb_refuse(ack, -EINVAL, CTL_TAG_INVALID_VALUE, e, "pool",
					 "service '%s' is IPv%u but server '%s' of its %spool is "
					 "IPv%u: use one pool for each family",
					 r->name, version, odd->name, own ? "" : "backup ",
					 odd->addr.family);
	}
	if (r->local_pool != 0 && (e->touched || locals) &&
	    !(local_families(s, r->local_pool) & (r->addr.family == 4 ? 1 : 2)))
		return lb_refuse(ack, -EINVAL, CTL_TAG_INVALID_VALUE, e, "local-address-pool",
				 "service '%s' is IPv%u but its local-address-pool has no IPv%u "
				 "address",
				 r->name, version, version);
	return 0;
}

int lb_check_families(const struct lb_store *s, struct ctl_ack *ack)
{
	bool locals = false;
	struct lb_entry *e;

	LB_STORE_TOUCHED(e, s)
	locals |= e->type == CTL_REC_LOCAL_ADDRESS || e->type == CTL_REC_LOCAL_POOL;
	LB_STORE_FOREACH(e, s, CTL_REC_SERVICE)
	{
		int rc = check_service(s, e, locals, ack);

		if (rc != 0)
			return rc;
	}
	return 0;
}

// ---- local ports --------------------------------------------------------------------------------

// A worker uses local ports alone whose replies come to it: has each one there?
static bool serves_all(const struct lb_conf *c, const struct ctl_local_pool *r)
{
	struct flow_steer s;

	if (c->workers == 1)
		return true;
	if (c->rss != NULL)
		return flow_rss_serves(c->rss, 4, r->port_min, r->port_max) &&
		       flow_rss_serves(c->rss, 6, r->port_min, r->port_max);
	flow_steer_init(&s, (uint16_t)c->workers);
	return flow_steer_serves(&s, r->port_min, r->port_max);
}

#define TOO_FEW                                                                                    \
	"ports %u to %u are too few for %u workers: not every worker has one of them, and those "  \
	"without refuse their share of the clients; widen the range"

int lb_check_locals(const struct lb_conf *c, struct ctl_ack *ack)
{
	struct lb_entry *e;

	LB_STORE_TOUCHED(e, &c->store)
	{
		const struct ctl_local_pool *r = (const void *)e->next;

		if (e->type != CTL_REC_LOCAL_POOL || r == NULL || serves_all(c, r))
			continue;
		return lb_refuse(ack, -ERANGE, CTL_TAG_INVALID_VALUE, e, "port-max", TOO_FEW,
				 r->port_min, r->port_max, c->workers);
	}
	return 0;
}

void lb_check_locals_report(struct lb_conf *c)
{
	struct lb_entry *e;

	LB_STORE_FOREACH(e, &c->store, CTL_REC_LOCAL_POOL)
	{
		const struct ctl_local_pool *r = (const void *)e->rec;

		if (r == NULL || serves_all(c, r))
			continue;
		LOG(WARNING, "local-address-pool '%s': " TOO_FEW "\n", r->name, r->port_min,
		    r->port_max, c->workers);
		lb_conf_event(c, CTL_EVENT_STATE, 3, e, "local-address-pool '%s': " TOO_FEW,
			      r->name, r->port_min, r->port_max, c->workers);
	}
}

// ---- health checks -----------------------------------------------------------------------------

static int check_target_port(const struct lb_entry *e, const struct lb_entry *pool,
			     struct ctl_ack *ack)
{
	const struct ctl_server *r = (const void *)lb_entry_rec(e, true);

	if (r == NULL || r->pool != pool->id || r->port != 0)
		return 0;
	return lb_refuse(
		ack, -EINVAL, CTL_TAG_INVALID_VALUE, e, "port",
		"server '%s' has no port of its own (0): its pool's health-check needs a port "
		"to check, or type icmp or none",
		r->name);
}

int lb_check_targets(const struct lb_store *s, struct ctl_ack *ack)
{
	struct lb_entry *e;
	int rc = 0;

	LB_STORE_TOUCHED(e, s)
	{
		const struct lb_entry *pool = e;
		const struct ctl_pool *p;

		if (e->type == CTL_REC_SERVER && e->next != NULL)
			pool = lb_store_live(
				s, CTL_REC_POOL,
				((const struct ctl_server *)(const void *)e->next)->pool, true);
		else if (e->type != CTL_REC_POOL)
			continue;
		p = (const void *)lb_entry_rec(pool, true);
		if (p == NULL || p->check.port != 0 || p->check.kind == CTL_CHECK_NONE ||
		    p->check.kind == CTL_CHECK_ICMP)
			continue;
		if (e->type == CTL_REC_SERVER)
			rc = check_target_port(e, pool, ack);
		for (uint32_t i = 0; e->type == CTL_REC_POOL && rc == 0 && i < e->members; i++)
			rc = check_target_port(e->member[i], pool, ack);
		if (rc != 0)
			return rc;
	}
	return 0;
}

// ---- the node's own addresses -----------------------------------------------------------------

struct node {
	struct ctl_addr *addr;
	unsigned count;
};

static bool is_node(const struct node *n, const struct ctl_addr *a)
{
	for (unsigned i = 0; i < n->count; i++)
		if (n->addr[i].family == a->family &&
		    memcmp(n->addr[i].bytes, a->bytes, sizeof(a->bytes)) == 0)
			return true;
	return false;
}

// Packets to a local address never reach the kernel: health checks, NETCONF and all else that the node
// does from that address would end.
static int check_local(const struct node *n, const struct lb_entry *e, struct ctl_ack *ack)
{
	const struct ctl_local_address *r = (const void *)e->next;

	if (!is_node(n, &r->addr))
		return 0;
	return lb_refuse(ack, -EADDRINUSE, CTL_TAG_IN_USE, e, "address",
			 "the node itself has this address on an interface, and health checks and "
			 "management speak from it: local addresses are exclusive, take another");
}

static int check_listener(const struct node *n, const struct lb_entry *e, struct ctl_ack *ack)
{
	const struct ctl_service *r = (const void *)e->next;
	uint16_t port;

	if (r->port == 0 || !is_node(n, &r->addr)) // any port: but those that the node listens on
		return 0;
	port = port_node_listens(&r->addr, r->proto, r->port, r->port_max);
	if (port == 0)
		return 0;
	return lb_refuse(ack, -EADDRINUSE, CTL_TAG_IN_USE, e, "port",
			 "the node itself has this address and listens on port %u: the service "
			 "would cut that off",
			 ntohs(port));
}

int lb_check_node(const struct lb_store *s, struct ctl_ack *ack)
{
	struct node n = {0};
	struct lb_entry *e;
	bool any = false;
	int rc = 0;

	LB_STORE_TOUCHED(e, s)
	any |= e->next != NULL && (e->type == CTL_REC_LOCAL_ADDRESS || e->type == CTL_REC_SERVICE);
	// Without an answer of the kernel nothing is refused.
	if (!any || port_node_addresses(&n.addr, &n.count) != 0)
		return 0;
	LB_STORE_TOUCHED(e, s)
	{
		if (e->next == NULL || rc != 0)
			continue;
		if (e->type == CTL_REC_LOCAL_ADDRESS)
			rc = check_local(&n, e, ack);
		else if (e->type == CTL_REC_SERVICE)
			rc = check_listener(&n, e, ack);
	}
	free(n.addr);
	return rc;
}

// ---- memory -----------------------------------------------------------------------------------

static uint64_t read_number(const char *path, const char *key)
{
	unsigned long long n = UINT64_MAX;
	char line[256];
	FILE *f = fopen(path, "re");

	if (f == NULL)
		return UINT64_MAX;
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, key, strlen(key)) == 0 &&
		    sscanf(line + strlen(key), "%llu", &n) == 1)
			break;
	fclose(f);
	return n;
}

// What the memory cgroup of this process still allows, v1 or v2; UINT64_MAX: no limit found.
static uint64_t cgroup_left(void)
{
	char line[512], path[768];
	uint64_t left = UINT64_MAX;
	FILE *f = fopen("/proc/self/cgroup", "re");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		char *v1 = strstr(line, ":memory:"),
		     *v2 = strncmp(line, "0::", 3) == 0 ? line : NULL;
		uint64_t limit, used;

		line[strcspn(line, "\n")] = '\0';
		if (v1 != NULL) {
			snprintf(path, sizeof(path),
				 "/sys/fs/cgroup/memory%s/memory.limit_in_bytes", v1 + 8);
			limit = read_number(path, "");
			snprintf(path, sizeof(path),
				 "/sys/fs/cgroup/memory%s/memory.usage_in_bytes", v1 + 8);
		} else if (v2 != NULL) {
			snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max", v2 + 3);
			limit = read_number(path, "");
			snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.current", v2 + 3);
		} else {
			continue;
		}
		used = read_number(path, "");
		if (limit != UINT64_MAX && used != UINT64_MAX && limit < (UINT64_C(1) << 60))
			left = limit > used ? limit - used : 0;
	}
	if (f != NULL)
		fclose(f);
	return left;
}

uint64_t lb_check_memory(const char *dir)
{
	uint64_t left = cgroup_left(), kib = read_number("/proc/meminfo", "MemAvailable:");
	struct statfs fs;

	if (statfs(dir, &fs) == 0 && (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize < left)
		left = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
	// Pages of a hugetlbfs are set aside already and are no part of MemAvailable.
	if (kib != UINT64_MAX && fs.f_type != 0x958458f6 && kib * 1024 < left)
		left = kib * 1024;
	return left;
}
