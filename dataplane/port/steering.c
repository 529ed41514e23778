// SPDX-License-Identifier: BSD-3-Clause
//
// What is steered to us: the set that the app gives, kept sorted, and from it the content of each port's
// steering maps (kmod/include/steer.h), the guard, and the addresses on the kernel's views.
//
// Ports of a service with one address and one port stand in a map of their own. All other ranges become
// port sets, numbered by a hash of their content: equal ones are one, and one that did not change keeps
// its number from set to set. Of prefixes that lie in each other the longer one's set holds the shorter
// one's too, since the longest match is all that the program looks at.

#include "dataplane/port/port_priv.h"

#include "kmod/load/steer_load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

// What is steered now; control only.
static struct port_steer *set_now;
static unsigned count_now;
static bool known; // port_steer_set was called
static struct addr_node *nodes;
static unsigned node_count;

int port_steer_compare(const void *a, const void *b)
{
	const struct port_steer *x = a, *y = b;
	int c;

	if (x->context != y->context)
		return x->context - y->context;
	if (x->kind != y->kind)
		return x->kind - y->kind;
	if (x->addr.family != y->addr.family)
		return x->addr.family - y->addr.family;
	c = memcmp(x->addr.bytes, y->addr.bytes, sizeof(x->addr.bytes));
	if (c != 0)
		return c;
	if (x->addr.len != y->addr.len)
		return x->addr.len - y->addr.len;
	if (x->proto != y->proto)
		return x->proto - y->proto;
	if (x->port_min != y->port_min)
		return x->port_min - y->port_min;
	return x->port_max - y->port_max;
}

static bool same_address(const struct port_steer *x, const struct port_steer *y)
{
	return x->kind == y->kind && x->context == y->context &&
	       memcmp(&x->addr, &y->addr, sizeof(x->addr)) == 0;
}

static bool is_host(const struct ctl_addr *a)
{
	return a->len == (a->family == 4 ? 32 : 128);
}

// ---- port sets -----------------------------------------------------------------------------------

struct range {
	uint16_t proto, min, max;
};

struct range_list {
	struct range *r;
	unsigned n, room;
};

struct port_set {
	uint32_t id; // 0: slot of the table is empty
	unsigned n;
	struct range *r;
};

struct prefix { // on the way down through prefixes that lie in each other
	const struct port_steer *e;
	struct range_list ranges;
};

#define NEST_MAX 130

struct content {
	struct steer_content c;
	struct steer_service_key *service;
	struct steer_addr_entry {
		struct steer_addr_key key;
		struct steer_addr value;
	} * addr;
	struct steer_addr_key *addr_key; // *addr taken apart, in the end
	struct steer_addr *addr_value;
	struct steer_net_key *net;
	uint32_t *net_set;
	struct steer_addr_key *from;
	uint32_t *from_set;
	struct steer_port_key *port;
	uint32_t *port_value;
	size_t port_room;
	struct port_set *table; // by id, open addressing
	uint32_t table_mask;
	struct range_list ranges; // of the address at hand
	struct prefix nest[NEST_MAX];
	unsigned depth;
	int rc;
};

static bool is_wild(const struct range *r)
{
	return r->min == 0 && r->max == UINT16_MAX;
}

static void put_range(struct content *c, struct range_list *l, uint16_t proto, uint16_t min,
		      uint16_t max)
{
	struct range *more;

	if (l->n == l->room) {
		more = realloc(l->r, (l->room * 2 + 8) * sizeof(*more));
		if (more == NULL) {
			c->rc = -ENOMEM;
			return;
		}
		l->r = more;
		l->room = l->room * 2 + 8;
	}
	l->r[l->n++] = (struct range){proto, min, max};
}

static int compare_range(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->proto != y->proto)
		return x->proto - y->proto;
	if (is_wild(x) != is_wild(y))
		return is_wild(x) ? -1 : 1;
	return x->min != y->min ? x->min - y->min : x->max - y->max;
}

// In order, without overlaps; wildcards beside them.
static void settle(struct range_list *l)
{
	unsigned out = 0;

	qsort(l->r, l->n, sizeof(*l->r), compare_range);
	for (unsigned i = 0; i < l->n; i++) {
		struct range *r = &l->r[i], *last = out > 0 ? &l->r[out - 1] : NULL;

		if (last != NULL && last->proto == r->proto && is_wild(last) == is_wild(r) &&
		    (is_wild(r) || r->min <= last->max + 1)) {
			if (r->max > last->max)
				last->max = r->max;
			continue;
		}
		l->r[out++] = *r;
	}
	l->n = out;
}

static void put_port(struct content *c, uint32_t set, unsigned len, uint16_t proto, uint16_t port,
		     uint32_t value)
{
	size_t n = c->c.ports;

	if (n == c->port_room) {
		size_t room = n * 2 + 64;
		void *k = realloc(c->port, room * sizeof(*c->port)), *v = NULL;

		if (k != NULL) {
			c->port = k;
			v = realloc(c->port_value, room * sizeof(*c->port_value));
		}
		if (v == NULL) {
			c->rc = -ENOMEM;
			return;
		}
		c->port_value = v;
		c->port_room = room;
	}
	c->port[n] = (struct steer_port_key){
		.prefixlen = len, .set = set, .proto = proto, .port = htons(port)};
	c->port_value[n] = value;
	c->c.ports++;
}

// A range as prefixes of the port number: the largest aligned block that fits, again and again.
static void put_blocks(struct content *c, uint32_t set, const struct range *r)
{
	uint32_t at = r->min, end = r->max + 1u;

	if (is_wild(r)) {
		put_port(c, set, 48, r->proto, 0, STEER_PORT_WILD);
		return;
	}
	while (at < end) {
		unsigned bits = 0;

		while (bits < 16 && (at & ((2u << bits) - 1)) == 0 && at + (2u << bits) <= end)
			bits++;
		put_port(c, set, 64 - bits, r->proto, (uint16_t)at, STEER_PORT_TAKE);
		at += 1u << bits;
	}
}

// Number of the set of these ranges, made if it is new. 0: no ranges, or out of memory.
static uint32_t set_of(struct content *c, struct range_list *l)
{
	uint32_t id = 2166136261u, i; // FNV-1a
	struct port_set *s;

	if (l->n == 0)
		return 0;
	settle(l);
	for (size_t b = 0; b < l->n * sizeof(*l->r); b++)
		id = (id ^ ((const uint8_t *)l->r)[b]) * 16777619u;
	for (;; id++) {
		id += id == 0;
		for (i = id & c->table_mask; c->table[i].id != 0 && c->table[i].id != id;)
			i = (i + 1) & c->table_mask;
		s = &c->table[i];
		if (s->id == 0)
			break;
		if (s->n == l->n && memcmp(s->r, l->r, l->n * sizeof(*l->r)) == 0)
			return id;
		// Another set of the same hash: the next number.
	}
	s->r = malloc(l->n * sizeof(*l->r));
	if (s->r == NULL) {
		c->rc = -ENOMEM;
		return 0;
	}
	memcpy(s->r, l->r, l->n * sizeof(*l->r));
	s->n = l->n;
	s->id = id;
	for (i = 0; i < l->n; i++)
		put_blocks(c, id, &l->r[i]);
	return id;
}

// ---- content of the maps -------------------------------------------------------------------------

static struct steer_addr_key addr_key(const struct ctl_addr *a)
{
	struct steer_addr_key k = {.family = a->family};

	memcpy(k.addr, a->bytes, sizeof(k.addr));
	return k;
}

static void put_addr(struct content *c, const struct ctl_addr *a, struct steer_addr value)
{
	c->addr[c->c.addrs].key = addr_key(a);
	c->addr[c->c.addrs++].value = value;
}

// Is b within the prefix a?
static bool holds(const struct ctl_addr *a, const struct ctl_addr *b)
{
	unsigned bytes = a->len / 8, bits = a->len % 8;

	if (a->family != b->family || b->len < a->len || memcmp(a->bytes, b->bytes, bytes) != 0)
		return false;
	return bits == 0 || ((a->bytes[bytes] ^ b->bytes[bytes]) >> (8 - bits)) == 0;
}

// Entries first .. last - 1 are of one service address.
static void put_host(struct content *c, const struct port_steer *first,
		     const struct port_steer *last)
{
	c->ranges.n = 0;
	for (const struct port_steer *e = first; e < last; e++) {
		struct steer_service_key *k = &c->service[c->c.services];

		if (e->port_min != e->port_max) {
			put_range(c, &c->ranges, e->proto, e->port_min, e->port_max);
			continue;
		}
		*k = (struct steer_service_key){
			.port = htons(e->port_min), .proto = e->proto, .family = e->addr.family};
		memcpy(k->addr, e->addr.bytes, sizeof(k->addr));
		c->c.services++;
	}
	put_addr(c, &first->addr,
		 (struct steer_addr){.flags = STEER_ADDR_SERVICE, .set = set_of(c, &c->ranges)});
}

// Likewise of one prefix. Shorter ones that hold it were seen before.
static void put_prefix(struct content *c, const struct port_steer *first,
		       const struct port_steer *last)
{
	struct steer_net_key *k = &c->net[c->c.nets];
	struct prefix *p;

	while (c->depth > 0 && !holds(&c->nest[c->depth - 1].e->addr, &first->addr))
		c->depth--;
	if (c->depth == NEST_MAX) // lengths grow: it cannot be
		return;
	p = &c->nest[c->depth++];
	p->e = first;
	p->ranges.n = 0;
	if (p > c->nest)
		for (unsigned i = 0; i < p[-1].ranges.n; i++)
			put_range(c, &p->ranges, p[-1].ranges.r[i].proto, p[-1].ranges.r[i].min,
				  p[-1].ranges.r[i].max);
	for (const struct port_steer *e = first; e < last; e++)
		put_range(c, &p->ranges, e->proto, e->port_min, e->port_max);
	*k = (struct steer_net_key){.prefixlen = 8u + first->addr.len,
				    .family = first->addr.family};
	memcpy(k->addr, first->addr.bytes, sizeof(k->addr));
	c->net_set[c->c.nets++] = set_of(c, &p->ranges);
}

static void put_local(struct content *c, const struct port_steer *first,
		      const struct port_steer *last)
{
	struct steer_addr v = {.flags = STEER_ADDR_LOCAL, .port_min = UINT16_MAX};

	for (const struct port_steer *e = first; e < last; e++) {
		v.port_min = RTE_MIN(v.port_min, e->port_min);
		v.port_max = RTE_MAX(v.port_max, e->port_max);
	}
	put_addr(c, &first->addr, v);
}

static void put_nat(struct content *c, const struct port_steer *first,
		    const struct port_steer *last)
{
	c->ranges.n = 0;
	for (const struct port_steer *e = first; e < last; e++)
		put_range(c, &c->ranges, e->proto, e->port_min, e->port_max);
	c->from[c->c.froms] = addr_key(&first->addr);
	c->from_set[c->c.froms++] = set_of(c, &c->ranges);
}

// The node's own addresses on interfaces that are not another context's.
static void put_nodes(struct content *c, uint16_t context)
{
	for (unsigned i = 0; i < node_count; i++) {
		const struct port *p = port_by_ifindex(nodes[i].ifindex);

		if (p == NULL || p->context == context)
			put_addr(c, &nodes[i].addr, (struct steer_addr){.flags = STEER_ADDR_NODE});
	}
}

static int compare_addr(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct steer_addr_key));
}

// Entries of one address become one: a map has one value for a key.
static void merge_addrs(struct content *c)
{
	size_t out = 0;

	qsort(c->addr, c->c.addrs, sizeof(*c->addr), compare_addr);
	for (size_t i = 0; i < c->c.addrs; i++) {
		struct steer_addr *v = out > 0 ? &c->addr_value[out - 1] : NULL;
		const struct steer_addr *e = &c->addr[i].value;

		if (v == NULL || compare_addr(&c->addr_key[out - 1], &c->addr[i]) != 0) {
			c->addr_key[out] = c->addr[i].key;
			c->addr_value[out++] = *e;
			continue;
		}
		v->flags |= e->flags;
		v->set |= e->set; // one of them at most has one
		if ((e->flags & STEER_ADDR_LOCAL) != 0) {
			v->port_min = e->port_min;
			v->port_max = e->port_max;
		}
	}
	c->c.addrs = out;
}

static void content_free(struct content *c)
{
	for (uint32_t i = 0; c->table != NULL && i <= c->table_mask; i++)
		free(c->table[i].r);
	for (unsigned i = 0; i < NEST_MAX; i++)
		free(c->nest[i].ranges.r);
	free(c->table);
	free(c->ranges.r);
	free(c->service);
	free(c->addr);
	free(c->addr_key);
	free(c->addr_value);
	free(c->net);
	free(c->net_set);
	free(c->from);
	free(c->from_set);
	free(c->port);
	free(c->port_value);
	free(c);
}

static struct content *content_make(void)
{
	size_t n = count_now + 1, a = count_now + node_count + 1;
	struct content *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	for (c->table_mask = 15; c->table_mask < 2 * n; c->table_mask = c->table_mask * 2 + 1)
		;
	c->table = calloc(c->table_mask + 1, sizeof(*c->table));
	c->service = calloc(n, sizeof(*c->service));
	c->addr = calloc(a, sizeof(*c->addr));
	c->addr_key = calloc(a, sizeof(*c->addr_key));
	c->addr_value = calloc(a, sizeof(*c->addr_value));
	c->net = calloc(n, sizeof(*c->net));
	c->net_set = calloc(n, sizeof(*c->net_set));
	c->from = calloc(n, sizeof(*c->from));
	c->from_set = calloc(n, sizeof(*c->from_set));
	if (c->table != NULL && c->service != NULL && c->addr != NULL && c->addr_key != NULL &&
	    c->addr_value != NULL && c->net != NULL && c->net_set != NULL && c->from != NULL &&
	    c->from_set != NULL)
		return c;
	content_free(c);
	return NULL;
}

static void content_fill(struct content *c, uint16_t context)
{
	const struct port_steer *end = set_now + count_now, *last;

	for (const struct port_steer *e = set_now; e < end; e = last) {
		for (last = e + 1; last < end && same_address(e, last); last++)
			;
		if (e->context != context)
			continue;
		if (e->kind == PORT_STEER_LOCAL)
			put_local(c, e, last);
		else if (e->kind == PORT_STEER_NAT)
			put_nat(c, e, last);
		else if (is_host(&e->addr))
			put_host(c, e, last);
		else
			put_prefix(c, e, last);
	}
	if (c->c.nets != 0 || c->c.froms != 0)
		put_nodes(c, context);
	merge_addrs(c);
	c->c.service = c->service;
	c->c.addr = c->addr_key;
	c->c.addr_value = c->addr_value;
	c->c.net = c->net;
	c->c.net_set = c->net_set;
	c->c.from = c->from;
	c->c.from_set = c->from_set;
	c->c.port = c->port;
	c->c.port_value = c->port_value;
}

int port_steer_apply(struct port_slot *s, struct port_error *err)
{
	struct content *c;
	int rc;

	if (!known)
		return 0; // what an earlier run took stays taken until we are told
	c = content_make();
	if (c != NULL)
		content_fill(c, s->p.context);
	if (c == NULL || c->rc != 0) {
		if (c != NULL)
			content_free(c);
		return port_fail(err, -ENOMEM, CTL_TAG_RESOURCE_DENIED, "", "out of memory");
	}
	rc = steer_set(s->steer, &c->c);
	if (rc == -ENOSPC)
		port_fail(
			err, rc, CTL_TAG_RESOURCE_DENIED, "",
			"steering maps of '%s' are full: %zu services of %u, %zu addresses of %u, "
			"%zu prefixes of %u, %zu NAT servers of %u, %zu blocks of ports of %u",
			s->p.device, c->c.services, STEER_SERVICE_MAX, c->c.addrs, STEER_ADDR_MAX,
			c->c.nets, STEER_NET_MAX, c->c.froms, STEER_FROM_MAX, c->c.ports,
			STEER_PORT_MAX);
	else if (rc != 0)
		rc = port_fail(err, -EIO, CTL_TAG_OPERATION_FAILED, "", "steering maps of '%s': %s",
			       s->p.device, strerror(-rc));
	content_free(c);
	return rc;
}

// ---- the kernel's views --------------------------------------------------------------------------

static bool has_view(const struct port *p)
{
	return p->ifindex > 0 && (p->view == PORT_VIEW_XDP || p->parent != PORT_NONE);
}

void port_views_sync(struct port_slot *s)
{
	struct ctl_addr *addrs;
	unsigned n = 0;
	int rc;

	if (!has_view(&s->p) || !known)
		return;
	addrs = calloc(count_now + 1, sizeof(*addrs));
	if (addrs == NULL)
		return;
	for (unsigned i = 0; i < count_now; i++) {
		const struct port_steer *e = &set_now[i];

		if (e->context != s->p.context || e->kind == PORT_STEER_NAT || !is_host(&e->addr) ||
		    (n > 0 && memcmp(&addrs[n - 1], &e->addr, sizeof(e->addr)) == 0))
			continue;
		addrs[n++] = e->addr;
	}
	rc = addr_sync(s->p.ifindex, addrs, n);
	if (rc != 0)
		PORT_LOG(WARNING, "%s: addresses on '%s': %s\n", s->p.name, s->p.device,
			 strerror(-rc));
	free(addrs);
}

// ---- the set -------------------------------------------------------------------------------------

static bool good_entry(const struct port_steer *p)
{
	struct ctl_addr zero = p->addr;
	unsigned most = p->addr.family == 4 ? 32 : 128;

	if ((p->addr.family != 4 && p->addr.family != 6) || p->addr.len == 0 ||
	    p->addr.len > most || p->port_min > p->port_max)
		return false;
	zero.len = p->addr.len;
	for (unsigned bit = p->addr.len; bit < 128; bit++)
		if ((zero.bytes[bit / 8] & (0x80u >> bit % 8)) != 0)
			return false;
	if (p->kind == PORT_STEER_LOCAL)
		return p->addr.len == most && p->proto == 0;
	if (p->proto != IPPROTO_TCP && p->proto != IPPROTO_UDP)
		return false;
	if (p->port_min == 0 && p->port_max != UINT16_MAX)
		return false;
	return p->kind == PORT_STEER_SERVICE || (p->kind == PORT_STEER_NAT && p->addr.len == most);
}

static int check_steer(const struct port_steer *set, unsigned count, struct port_error *err)
{
	for (unsigned i = 0; i < count; i++)
		if (!good_entry(&set[i]))
			return port_fail(
				err, -EINVAL, CTL_TAG_INVALID_VALUE, "address",
				"entry %u is neither a service, a local address nor a server", i);
	return 0;
}

// Fill all steering maps, and the views if `views`. Returns the first error.
static int apply_all(bool views, struct port_error *err)
{
	int rc, first = 0;

	for (uint16_t i = 0; i < PORT_MAX; i++) {
		struct port *p = port_get(i);

		if (p == NULL || !atomic_load(&p->live))
			continue;
		if (port_slot(p)->steer != NULL) {
			rc = port_steer_apply(port_slot(p), err);
			if (rc != 0 && first == 0)
				first = rc;
		}
		if (views)
			port_views_sync(port_slot(p));
	}
	return first;
}

static bool read_nodes(void)
{
	struct addr_node *now = NULL;
	unsigned n = 0;
	int rc = addr_nodes(&now, &n);

	if (rc != 0) {
		PORT_LOG(WARNING, "addresses of the node: %s\n", strerror(-rc));
		return false;
	}
	if (n == node_count && (n == 0 || memcmp(now, nodes, n * sizeof(*now)) == 0)) {
		free(now);
		return false;
	}
	free(nodes);
	nodes = now;
	node_count = n;
	return true;
}

static bool nodes_matter(void)
{
	for (unsigned i = 0; i < count_now; i++)
		if (set_now[i].kind == PORT_STEER_NAT || !is_host(&set_now[i].addr))
			return true;
	return false;
}

void port_steer_nodes_changed(void)
{
	struct port_error err = {0};
	char text[200] = "";

	if (!known || !read_nodes() || !nodes_matter())
		return;
	if (guard_set(port_instance, set_now, count_now, nodes, node_count, text, sizeof(text)) !=
	    0)
		PORT_LOG(ERR, "guard (nft) after a change of addresses: %s\n", text);
	if (apply_all(false, &err) != 0)
		PORT_LOG(ERR, "steering after a change of addresses: %s\n", err.message);
}

int port_steer_set(const struct port_steer *set, unsigned count, struct port_error *err)
{
	struct port_steer *copy;
	char text[200] = "";
	int rc;

	memset(err, 0, sizeof(*err));
	rc = check_steer(set, count, err);
	if (rc != 0)
		return rc;
	copy = calloc(count + 1, sizeof(*copy));
	if (copy == NULL)
		return port_fail(err, -ENOMEM, CTL_TAG_RESOURCE_DENIED, "", "out of memory");
	if (count != 0)
		memcpy(copy, set, count * sizeof(*set));
	qsort(copy, count, sizeof(*copy), port_steer_compare);
	if (known && count == count_now &&
	    (count == 0 || memcmp(copy, set_now, count * sizeof(*copy)) == 0)) {
		free(copy);
		return 0;
	}
	read_nodes();
	// The guard before the addresses and the maps: at no moment does the kernel own an address whose
	// packets it would answer. What the guard no longer covers the maps still take until below.
	rc = guard_set(port_instance, copy, count, nodes, node_count, text, sizeof(text));
	if (rc != 0) {
		free(copy);
		return port_fail(err, -EIO, CTL_TAG_OPERATION_FAILED, "", "guard (nft): %s", text);
	}
	free(set_now);
	set_now = copy;
	count_now = count;
	known = true;
	return apply_all(true, err);
}
