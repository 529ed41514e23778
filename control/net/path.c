// SPDX-License-Identifier: BSD-3-Clause
//
// path - from a record back to the instance path of its entry, for refusals.
//
// Records hold the names of their entries, so nothing more is kept. The leaf that an app names is
// looked for below the entry's schema: an unknown one yields the entry's own path.

#include "control/net/net_priv.h"

#include <libyang/libyang.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct text {
	char *buf;
	size_t size, len;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(t->buf + t->len, t->size - t->len, format, ap);
	va_end(ap);
	t->len += (size_t)n < t->size - t->len ? (size_t)n : t->size - t->len - 1;
}

// [key='value']; the other quote where the value has one.
static void put_key(struct text *t, const char *key, const char *value)
{
	char quote = strchr(value, '\'') ? '"' : '\'';

	put(t, "[%s=%c%s%c]", key, quote, value, quote);
}

static const struct net_entry *find(const struct net_delta *d, const struct net_inst *inst,
				    uint16_t type, uint64_t id)
{
	const struct net_entry *e;

	for (size_t i = 0; d && i < d->count; i++) {
		e = d->item[i].new ? d->item[i].new : d->item[i].old;
		if (e && e->inst == inst && e->rec->type == type && e->rec->id == id)
			return e;
	}
	return net_store_find(inst, type, id);
}

static const char *name_of(const struct net_delta *d, const struct net_inst *inst, uint16_t type,
			   uint64_t id)
{
	const struct net_entry *e = find(d, inst, type, id);

	return e ? net_entry_name(e) : "?";
}

// ---- a leaf below an entry -------------------------------------------------------------------

static size_t last_part(const char *field)
{
	const char *slash = strrchr(field, '/');

	return slash ? (size_t)(slash + 1 - field) : 0;
}

// Does the name of s, and of its ancestors as far as `field` names them, fit?
static bool fits(const struct lysc_node *s, const struct lysc_node *top, const char *field)
{
	size_t at = last_part(field), len = strlen(field);
	char part[64];

	for (; s && s != top; s = s->parent) {
		const char *colon;

		if (len - at >= sizeof(part))
			return false;
		memcpy(part, field + at, len - at);
		part[len - at] = '\0';
		colon = strchr(part, ':');
		if (strcmp(colon ? colon + 1 : part, s->name) != 0)
			return false;
		if (at == 0)
			return true;
		len = at - 1;
		for (at = len; at > 0 && field[at - 1] != '/'; at--)
			;
	}
	return false;
}

static const struct lysc_node *leaf_below(const struct lysc_node *top, const struct lysc_node *in,
					  const char *field)
{
	const struct lysc_node *s, *found;

	for (s = lysc_node_child(in); s; s = s->next) {
		if (s->nodetype & LYD_NODE_TERM) {
			if (fits(s, top, field))
				return s;
		} else if (s->nodetype == LYS_CONTAINER) {
			found = leaf_below(top, s, field);
			if (found)
				return found;
		}
	}
	return NULL;
}

static void put_leaf(struct text *t, const struct lysc_node *entry, const char *field)
{
	const struct lysc_node *chain[8], *s;
	unsigned depth = 0;

	if (!field || !field[0])
		return;
	s = leaf_below(entry, entry, field);
	for (; s && s != entry && depth < 8; s = s->parent)
		chain[depth++] = s;
	while (depth-- > 0) {
		s = chain[depth];
		if (s->module != s->parent->module)
			put(t, "/%s:%s", s->module->name, s->name);
		else
			put(t, "/%s", s->name);
	}
}

// ---- entries ---------------------------------------------------------------------------------

static void put_lb(struct text *t, const struct net_inst *inst)
{
	put(t, NET_SCHEMA_LB);
	put_key(t, "name", inst->name);
}

static void put_interface(struct text *t, const char *name)
{
	put(t, NET_SCHEMA_INTERFACES);
	put_key(t, "name", name);
}

static void put_address(struct text *t, const struct ctl_addr *a, bool with_len)
{
	char addr[64] = "";

	net_addr_text(a, addr, sizeof(addr), with_len);
	put_key(t, ".", addr);
}

// A port that is one end of a link, and the link's own place.
static void put_link(struct text *t, const struct ctl_port *p)
{
	put(t, NET_SCHEMA_LINK);
	put_key(t, "name", p->name);
	put(t, p->flags & CTL_PORT_F_MEMIF_SERVER ? "/a" : "/b");
}

static bool is_link(const struct net_entry *e)
{
	return e && (((const struct ctl_port *)e->rec)->flags & CTL_PORT_F_LINK) != 0;
}

static enum net_schema put_prefix(struct text *t, const struct net_delta *d,
				  const struct net_entry *e)
{
	const struct ctl_prefix *p = (const struct ctl_prefix *)e->rec;
	const struct net_entry *port = find(d, e->inst, CTL_REC_PORT, p->port);

	if (is_link(port)) {
		put_link(t, (const struct ctl_port *)port->rec);
		put(t, "/prefix");
	} else {
		put_interface(t, port ? net_entry_name(port) : "?");
		put(t, "/sluice-port:port/prefix");
	}
	put_address(t, &p->prefix, true);
	return is_link(port) ? NS_LINK_A_PREFIX : NS_PORT_PREFIX;
}

static void put_vlan(struct text *t, const struct net_delta *d, const struct net_entry *e)
{
	const struct ctl_vlan *v = (const struct ctl_vlan *)e->rec;
	char vid[8];

	put_interface(t, name_of(d, e->inst, CTL_REC_PORT, v->port));
	snprintf(vid, sizeof(vid), "%u", v->vid);
	put(t, "/sluice-port:port/vlan");
	put_key(t, "vid", vid);
}

static enum net_schema put_entry(struct text *t, const struct net_delta *d,
				 const struct net_entry *e)
{
	const struct ctl_local_address *a = (const struct ctl_local_address *)e->rec;
	const struct ctl_server *s = (const struct ctl_server *)e->rec;

	switch (e->rec->type) {
	case CTL_REC_PORT:
		if (is_link(e)) {
			put_link(t, (const struct ctl_port *)e->rec);
			return ((const struct ctl_port *)e->rec)->flags & CTL_PORT_F_MEMIF_SERVER
				       ? NS_LINK_A
				       : NS_LINK_B;
		}
		put_interface(t, net_entry_name(e));
		return NS_INTERFACE;
	case CTL_REC_VLAN:
		put_vlan(t, d, e);
		return NS_PORT_VLAN;
	case CTL_REC_PREFIX:
		return put_prefix(t, d, e);
	default:
		break;
	}
	put_lb(t, e->inst);
	switch (e->rec->type) {
	case CTL_REC_LOCAL_POOL:
		put(t, "/local-address-pools/local-address-pool");
		put_key(t, "name", net_entry_name(e));
		return NS_LPOOL;
	case CTL_REC_LOCAL_ADDRESS:
		put(t, "/local-address-pools/local-address-pool");
		put_key(t, "name", name_of(d, e->inst, CTL_REC_LOCAL_POOL, a->local_pool));
		put(t, "/address");
		put_address(t, &a->addr, false);
		return NS_LPOOL_ADDRESS;
	case CTL_REC_POOL:
		put(t, "/pools/pool");
		put_key(t, "name", net_entry_name(e));
		return NS_POOL;
	case CTL_REC_SERVER:
		put(t, "/pools/pool");
		put_key(t, "name", name_of(d, e->inst, CTL_REC_POOL, s->pool));
		put(t, "/servers/server");
		put_key(t, "name", net_entry_name(e));
		return NS_SERVER;
	case CTL_REC_SERVICE:
		put(t, "/services/service");
		put_key(t, "name", net_entry_name(e));
		return NS_SERVICE;
	default:
		return NS_LB;
	}
}

bool net_entry_path(const struct net_delta *d, const struct net_entry *e, const char *field,
		    char *buf, size_t size)
{
	struct text t = {.buf = buf, .size = size};
	enum net_schema s;

	buf[0] = '\0';
	s = put_entry(&t, d, e);
	put_leaf(&t, net_schema(s), field);
	return true;
}

bool net_path(const struct net_delta *d, const struct net_inst *inst, uint16_t type, uint64_t id,
	      const char *field, char *buf, size_t size)
{
	const struct net_entry *e = find(d, inst, type, id);

	buf[0] = '\0';
	return e && net_entry_path(d, e, field, buf, size);
}
