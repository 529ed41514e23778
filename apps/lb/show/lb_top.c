// SPDX-License-Identifier: BSD-3-Clause
//
// lb_top - query "top": the services and servers with most of something per second, and all workers,
// ports and drops.

#include "apps/lb/conf/lb_build.h"
#include "apps/lb/show/lb_query.h"
#include "apps/lb/show/lb_fields.h"
#include "apps/lb/show/lb_rates.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 1000

enum top_key { TOP_PACKETS, TOP_OCTETS, TOP_NEW, TOP_ACTIVE, TOP_REFUSED, TOP_KEYS };
static const char *const key_name[TOP_KEYS] = {"packets", "octets", "new-flows", "active-flows",
					       "refused-flows"};

struct top_row {
	uint64_t key;
	const struct lb_entry *entry;
};

struct top_list {
	struct top_row *row; // greatest first
	unsigned count, max;
	struct lb_rates all; // sums
	uint64_t active, entries;
};

static uint64_t active_of(const struct lb_conf *c, const struct lb_entry *e)
{
	struct lb_counters n = lb_entry_counters(c, e);
	return lb_active_flows(&n);
}

static void offer(const struct lb_conf *c, struct top_list *l, enum top_key key,
		  const struct lb_entry *e)
{
	struct lb_rates r = lb_rates_of(c, e);
	uint64_t active = active_of(c, e), k = 0;
	unsigned at;

	l->entries++;
	l->active += active;
	l->all.new_flows += r.new_flows;
	l->all.refused += r.refused;
	for (unsigned d = 0; d < 2; d++) {
		l->all.packets[d] += r.packets[d];
		l->all.bytes[d] += r.bytes[d];
	}
	k = key == TOP_PACKETS  ? r.packets[0] + r.packets[1]
	    : key == TOP_OCTETS ? r.bytes[0] + r.bytes[1]
	    : key == TOP_NEW    ? r.new_flows
	    : key == TOP_ACTIVE ? active
				: r.refused;
	if (l->count == l->max && (l->max == 0 || k <= l->row[l->max - 1].key))
		return;
	at = l->count < l->max ? l->count++ : l->max - 1;
	for (; at > 0 && l->row[at - 1].key < k; at--)
		l->row[at] = l->row[at - 1];
	l->row[at] = (struct top_row){k, e};
}

static void put_rates(struct lb_text *t, const struct lb_rates *r)
{
	struct lb_field f[LB_RATE_FIELDS];

	lb_fields_of_rates(r, f);
	for (unsigned i = 0; i < LB_RATE_FIELDS; i++)
		lb_text_number(t, f[i].name, f[i].value);
}

static void put_list(const struct lb_conf *c, struct lb_text *t, const char *key,
		     const struct top_list *l)
{
	lb_text_open(t, key, '[');
	for (unsigned i = 0; i < l->count; i++) {
		const struct lb_entry *e = l->row[i].entry;
		struct lb_rates r = lb_rates_of(c, e);

		lb_text_open(t, NULL, '{');
		if (e->type == CTL_REC_SERVER) {
			const struct ctl_server *s = (const void *)e->rec;
			const struct lb_entry *p = lb_store_find(&c->store, CTL_REC_POOL, s->pool);

			lb_text_string(
				t, "pool",
				p == NULL || p->rec == NULL
					? ""
					: ((const struct ctl_pool *)(const void *)p->rec)->name);
			lb_text_string(t, "name", s->name);
		} else {
			lb_text_string(t, "name",
				       ((const struct ctl_service *)(const void *)e->rec)->name);
		}
		lb_text_number(t, "active-flows", active_of(c, e));
		put_rates(t, &r);
		lb_text_close(t, '}');
	}
	lb_text_close(t, ']');
}

static void put_workers(const struct lb_conf *c, struct lb_text *t)
{
	lb_text_open(t, "workers", '[');
	for (unsigned w = 0; w < worker_count(); w++) {
		struct lb_worker_rates r = lb_rates_of_worker(c, w);

		lb_text_open(t, NULL, '{');
		lb_text_number(t, "index", w);
		lb_text_number(t, "busy-permille", r.busy_permille);
		lb_text_number(t, "received", r.received);
		lb_text_number(t, "forwarded", r.forwarded);
		lb_text_number(t, "dropped", r.dropped);
		lb_text_number(t, "active-flows",
			       w < c->workers && c->worker[w] != NULL
				       ? lb_worker_flow_count(c->worker[w])
				       : 0);
		lb_text_close(t, '}');
	}
	lb_text_close(t, ']');
}

static void put_ports(const struct lb_conf *c, struct lb_text *t)
{
	lb_text_open(t, "ports", '[');
	for (unsigned i = 0; i < PORT_MAX; i++) {
		const struct port *p = port_get((uint16_t)i);
		struct lb_port_rates r;

		if (p == NULL || p->parent != PORT_NONE)
			continue;
		r = lb_rates_of_port(c, p);
		lb_text_open(t, NULL, '{');
		lb_text_string(t, "name", p->name);
		lb_text_bool(t, "up", atomic_load(&p->up));
		lb_text_number(t, "in-packets", r.rx_packets);
		lb_text_number(t, "in-octets", r.rx_bytes);
		lb_text_number(t, "out-packets", r.tx_packets);
		lb_text_number(t, "out-octets", r.tx_bytes);
		lb_text_number(t, "missed", r.rx_missed);
		lb_text_close(t, '}');
	}
	lb_text_close(t, ']');
}

static void put_drops(const struct lb_conf *c, struct lb_text *t)
{
	struct worker_counters sum;

	worker_counters_sum(&sum);
	lb_text_open(t, "drops", '[');
	for (unsigned r = 1; r < DROP_COUNT; r++) {
		if (sum.dropped[r] == 0)
			continue;
		lb_text_open(t, NULL, '{');
		lb_text_string(t, "reason", drop_name(r));
		lb_text_number(t, "packets", lb_rates_of_drop(c, r));
		lb_text_number(t, "total", sum.dropped[r]);
		lb_text_close(t, '}');
	}
	lb_text_close(t, ']');
}

static int answer(const struct lb_conf *c, const struct top_list *services,
		  const struct top_list *servers, char **json)
{
	struct lb_text t = {0};

	lb_text_open(&t, NULL, '{');
	lb_text_open(&t, "all", '{'); // every flow has a service
	lb_text_number(&t, "services", services->entries);
	lb_text_number(&t, "servers", servers->entries);
	lb_text_number(&t, "active-flows", services->active);
	lb_text_number(&t, "flow-table-size", c->flow_size.all);
	put_rates(&t, &services->all);
	lb_text_close(&t, '}');
	put_workers(c, &t);
	put_ports(c, &t);
	put_list(c, &t, "services", services);
	put_list(c, &t, "servers", servers);
	put_drops(c, &t);
	lb_text_close(&t, '}');
	*json = lb_text_take(&t);
	return *json == NULL ? -ENOMEM : 0;
}

int lb_query_top(struct lb_conf *c, json_t *args, char **json)
{
	struct top_list services = {0}, servers = {0};
	const struct lb_entry *e;
	const char *sort = "packets";
	json_int_t limit = 10;
	unsigned key = 0;
	int rc = -ENOMEM;

	if (json_unpack_ex(args, NULL, JSON_STRICT, "{s?I, s?s}", "limit", &limit, "sort", &sort) !=
		    0 ||
	    limit < 0 || limit > ROWS_MAX)
		return lb_query_fail(json, -EINVAL, "limit is within 0..1000, sort is a text");
	while (key < TOP_KEYS && strcmp(sort, key_name[key]) != 0)
		key++;
	if (key == TOP_KEYS)
		return lb_query_fail(
			json, -EINVAL,
			"sort is packets, octets, new-flows, active-flows or refused-flows");
	services.max = servers.max = (unsigned)limit;
	services.row = calloc((size_t)limit + 1, sizeof(struct top_row));
	servers.row = calloc((size_t)limit + 1, sizeof(struct top_row));
	if (services.row != NULL && servers.row != NULL) {
		LB_STORE_FOREACH(e, &c->store, CTL_REC_SERVICE)
		if (e->rec != NULL)
			offer(c, &services, key, e);
		LB_STORE_FOREACH(e, &c->store, CTL_REC_SERVER)
		if (e->rec != NULL)
			offer(c, &servers, key, e);
		rc = answer(c, &services, &servers, json);
	}
	free(services.row);
	free(servers.row);
	return rc;
}

// ---- active -----------------------------------------------------------------------------------

static const struct lb_entry *find_service(const struct lb_conf *c, const char *name)
{
	const struct lb_entry *e;

	LB_STORE_FOREACH(e, &c->store, CTL_REC_SERVICE)
	if (e->rec != NULL &&
	    strcmp(((const struct ctl_service *)(const void *)e->rec)->name, name) == 0)
		return e;
	return NULL;
}

static const struct lb_entry *find_pool(const struct lb_conf *c, const char *name)
{
	const struct lb_entry *p;

	LB_STORE_FOREACH(p, &c->store, CTL_REC_POOL)
	if (p->rec != NULL &&
	    strcmp(((const struct ctl_pool *)(const void *)p->rec)->name, name) == 0)
		return p;
	return NULL;
}

static const struct lb_entry *find_server(const struct lb_conf *c, const char *pool,
					  const char *name)
{
	const struct lb_entry *p = find_pool(c, pool);

	for (uint32_t i = 0; p != NULL && i < p->members; i++)
		if (strcmp(((const struct ctl_server *)(const void *)p->member[i]->rec)->name,
			   name) == 0)
			return p->member[i];
	return NULL;
}

// Flows of the pool's servers that are down now: what a pool that resets those would reset.
static uint64_t active_down(const struct lb_conf *c, const struct lb_entry *p)
{
	struct ctl_pool as = *(const struct ctl_pool *)(const void *)p->rec;
	uint64_t n = 0;

	as.on_down = CTL_ON_DOWN_RESET;
	for (uint32_t i = 0; i < p->members; i++) {
		const struct lb_entry *e = p->member[i];

		if (!lb_server_flags((const void *)e->rec, &as, &e->verdict).alive)
			n += active_of(c, e);
	}
	return n;
}

int lb_query_active(struct lb_conf *c, json_t *args, char **json)
{
	json_t *services = NULL, *servers = NULL, *pools = NULL, *v;
	struct lb_text t = {0};
	size_t i;

	if (json_unpack_ex(args, NULL, JSON_STRICT, "{s:o, s:o, s?o}", "services", &services,
			   "servers", &servers, "pools", &pools) != 0 ||
	    !json_is_array(services) || !json_is_array(servers) ||
	    (pools != NULL && !json_is_array(pools)) ||
	    json_array_size(services) + json_array_size(servers) + json_array_size(pools) >
		    ROWS_MAX)
		return lb_query_fail(
			json, -EINVAL,
			"give services, a list of names, servers, a list of pool and name, and "
			"pools, a list of names; 1000 at most");
	lb_text_open(&t, NULL, '{');
	lb_text_open(&t, "services", '[');
	json_array_foreach(services, i, v)
	{
		const char *name = json_string_value(v);
		const struct lb_entry *e = name == NULL ? NULL : find_service(c, name);

		lb_text_number(&t, NULL, e == NULL ? 0 : active_of(c, e));
	}
	lb_text_close(&t, ']');
	lb_text_open(&t, "servers", '[');
	json_array_foreach(servers, i, v)
	{
		const char *pool = json_string_value(json_array_get(v, 0));
		const char *name = json_string_value(json_array_get(v, 1));
		const struct lb_entry *e =
			pool == NULL || name == NULL ? NULL : find_server(c, pool, name);

		lb_text_number(&t, NULL, e == NULL ? 0 : active_of(c, e));
	}
	lb_text_close(&t, ']');
	lb_text_open(&t, "pools", '[');
	json_array_foreach(pools, i, v)
	{
		const char *name = json_string_value(v);
		const struct lb_entry *e = name == NULL ? NULL : find_pool(c, name);

		lb_text_number(&t, NULL, e == NULL ? 0 : active_down(c, e));
	}
	lb_text_close(&t, ']');
	lb_text_close(&t, '}');
	*json = lb_text_take(&t);
	return *json == NULL ? -ENOMEM : 0;
}
