// SPDX-License-Identifier: BSD-3-Clause
//
// lb_explain - query "explain": what becomes of a packet of a tuple, and why. The owner worker tries it
// (lb_trial.c); the names and reasons are put to it here.

#include "apps/lb/show/lb_query.h"
#include "apps/lb/worker/lb_trial.h"
#include "apps/lb/health/lb_watch.h"
#include "dataplane/port/port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CANDIDATES_MAX 64

static const char *const scheduler_name[] = {
	[0] = "?",
	[CTL_SCHED_WRR] = "weighted-round-robin",
	[CTL_SCHED_RR] = "round-robin",
	[CTL_SCHED_LC] = "least-connections",
	[CTL_SCHED_WLC] = "weighted-least-connections",
	[CTL_SCHED_P2C] = "power-of-two-choices",
	[CTL_SCHED_SOURCE_HASH] = "source-hash",
	[CTL_SCHED_MAGLEV] = "maglev",
};

static const char *const scheduler_why[] = {
	[0] = "",
	[CTL_SCHED_WRR] = "it is next in turn on this worker",
	[CTL_SCHED_RR] = "it is next in turn on this worker",
	[CTL_SCHED_LC] = "it has the fewest active flows",
	[CTL_SCHED_WLC] = "it has the fewest active flows for its weight",
	[CTL_SCHED_P2C] = "of two drawn by weight it has fewer active flows for its weight",
	[CTL_SCHED_SOURCE_HASH] = "the client's address hashes to it",
	[CTL_SCHED_MAGLEV] = "the Maglev table has it for this client",
};

static const char *scheduler_text(const char *const *text, uint8_t scheduler)
{
	return text[scheduler <= CTL_SCHED_MAGLEV ? scheduler : 0];
}

static void put_address(struct lb_text *t, const char *key, const struct ctl_addr *a)
{
	char s[INET6_ADDRSTRLEN];

	inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->bytes, s, sizeof(s));
	if (a->len == (a->family == 4 ? 32 : 128))
		lb_text_string(t, key, s);
	else
		lb_text_format(t, key, "%s/%u", s, a->len);
}

// ---- services ---------------------------------------------------------------------------------

// All services that have this destination, not only the one that matches longest.
static void put_services(const struct lb_conf *c, struct lb_text *t, const struct lb_trial *x)
{
	const struct lb_entry *e;

	lb_text_open(t, "services", '[');
	LB_STORE_FOREACH(e, &c->store, CTL_REC_SERVICE)
	{
		const struct ctl_service *r = (const void *)e->rec;
		struct lb_service v;

		if (r == NULL || r->addr.family != x->family || r->proto != x->proto ||
		    r->context != x->context)
			continue;
		v = (struct lb_service){.family = r->addr.family,
					.port = r->port,
					.port_max = r->port_max,
					.prefix_len = r->addr.len};
		memcpy(v.addr, r->addr.bytes, 16);
		if (!lb_service_covers(&v, x->dst, x->dport))
			continue;
		lb_text_open(t, NULL, '{');
		lb_text_string(t, "name", r->name);
		put_address(t, "address", &r->addr);
		if (r->port == 0)
			lb_text_string(t, "port", "any");
		else if (r->port == r->port_max)
			lb_text_format(t, "port", "%u", ntohs(r->port));
		else
			lb_text_format(t, "port", "%u-%u", ntohs(r->port), ntohs(r->port_max));
		lb_text_bool(t, "chosen", e->ref == x->service_ref);
		lb_text_bool(t, "enabled", r->enabled != 0);
		lb_text_close(t, '}');
	}
	lb_text_close(t, ']');
}

// ---- servers ----------------------------------------------------------------------------------

static const char *why_not(const struct ctl_server *s, const struct ctl_pool *p,
			   const struct lb_verdict *v, char *out, size_t size)
{
	if (s->admin == CTL_ADMIN_DISABLED)
		return "disabled by the operator";
	if (s->admin == CTL_ADMIN_DRAIN)
		return "drained by the operator";
	if (s->weight == 0)
		return "its weight is 0";
	if (lb_watch_health(v, &p->check) == CTL_HEALTH_DOWN) {
		lb_watch_reason(v, &p->check, out, size);
		return out[0] != '\0' ? out : "its check has failed";
	}
	if (lb_watch_drains(v, &p->check))
		return "drained by its agent";
	if (lb_watch_weight(v, &p->check, s->weight) == 0)
		return "its agent says weight 0";
	return "";
}

static void put_candidate(const struct lb_conf *c, struct lb_text *t, const struct lb_entry *e,
			  const struct ctl_pool *p, uint32_t picked)
{
	const struct ctl_server *s = (const void *)e->rec;
	const struct lb_server *now = lb_server_get(&c->snap->pub, e->ref);
	struct lb_counters n = lb_entry_counters(c, e);
	bool takes = now != NULL && now->takes_new;

	lb_text_open(t, NULL, '{');
	lb_text_string(t, "name", s->name);
	lb_put_endpoint(t, "address", s->addr.family, s->addr.bytes, s->port);
	lb_text_number(t, "weight", now == NULL ? 0 : now->weight);
	lb_text_string(t, "health", lb_watch_health_name(lb_watch_health(&e->verdict, &p->check)));
	lb_text_number(t, "active-flows", lb_active_flows(&n));
	lb_text_bool(t, "takes-new-flows", takes);
	if (!takes) {
		char text[256];
		const char *why = why_not(s, p, &e->verdict, text, sizeof(text));

		lb_text_string(t, "reason", why[0] != '\0' ? why : "it is held down");
	}
	lb_text_bool(t, "chosen", e->ref == picked && picked != 0);
	lb_text_close(t, '}');
}

static void put_pool(const struct lb_conf *c, struct lb_text *t, const char *key,
		     const struct lb_entry *se, const struct lb_entry *pe, const struct lb_trial *x)
{
	const struct ctl_pool *p = (const void *)pe->rec;
	unsigned takes = 0;

	for (uint32_t i = 0; i < pe->members; i++) {
		const struct lb_server *s = lb_server_get(&c->snap->pub, pe->member[i]->ref);

		takes += s != NULL && s->takes_new;
	}
	lb_text_open(t, key, '{');
	lb_text_string(t, "name", p->name);
	lb_text_bool(t, "backup",
		     pe->id != ((const struct ctl_service *)(const void *)se->rec)->pool);
	lb_text_string(t, "scheduler", scheduler_text(scheduler_name, p->scheduler));
	lb_text_number(t, "servers", pe->members);
	lb_text_number(t, "take-new-flows", takes);
	lb_text_number(t, "min-available", p->min_available);
	lb_text_open(t, "candidates", '[');
	// the chosen one is always among those shown
	for (uint32_t i = 0; i < pe->members; i++)
		if (i < CANDIDATES_MAX || pe->member[i]->ref == x->server_ref)
			put_candidate(c, t, pe->member[i], p, x->server_ref);
	lb_text_close(t, ']');
	lb_text_close(t, '}');
}

// ---- next hops --------------------------------------------------------------------------------

static void put_hop(struct lb_text *t, const char *key, const struct lb_trial *x, enum flow_dir dir)
{
	static const char *const state[] = {"none", "resolved", "pending", "failed"};
	const struct nexthop *nh = &x->hop[dir];
	const struct port *p = x->hop_found[dir] ? port_get(nh->port) : NULL;
	char s[INET6_ADDRSTRLEN];

	lb_text_open(t, key, '{');
	lb_text_bool(t, "route", x->hop_found[dir]);
	if (x->hop_found[dir]) {
		lb_text_string(t, "port", p == NULL ? "?" : p->name);
		if (nh->vlan != 0)
			lb_text_number(t, "vlan", nh->vlan);
		if (nh->kind == NEXTHOP_HOST) {
			inet_ntop(nh->family == 4 ? AF_INET : AF_INET6, nh->addr, s, sizeof(s));
			lb_text_string(t, "via", s);
		} else {
			lb_text_string(t, "via",
				       nh->kind == NEXTHOP_PEER ? "the other end of the port"
								: "a neighbour to be asked for");
		}
		lb_text_format(t, "mac", "%02x:%02x:%02x:%02x:%02x:%02x", nh->dmac.addr_bytes[0],
			       nh->dmac.addr_bytes[1], nh->dmac.addr_bytes[2],
			       nh->dmac.addr_bytes[3], nh->dmac.addr_bytes[4],
			       nh->dmac.addr_bytes[5]);
		lb_text_string(t, "state", nh->state <= NEXTHOP_FAILED ? state[nh->state] : "?");
		lb_text_number(t, "mtu", nh->mtu);
	}
	lb_text_close(t, '}');
}

// ---- the whole --------------------------------------------------------------------------------

static void put_verdict(const struct lb_conf *c, struct lb_text *t, const struct lb_trial *x,
			const struct ctl_service *r, const struct ctl_pool *p)
{
	if (x->known)
		lb_text_format(t, "verdict", "a flow to server '%s' exists and goes on",
			       lb_server_name(c, x->flow.server_ref));
	else if (r == NULL && x->own && (x->own_kind & LB_OWN_LOCAL) != 0)
		lb_text_string(
			t, "verdict",
			"dropped: the destination is a local address and no flow waits there");
	else if (r == NULL)
		lb_text_string(t, "verdict",
			       "no service has this destination: the packet is the kernel's");
	else if (!r->enabled)
		lb_text_format(t, "verdict", "refused: service '%s' is disabled", r->name);
	else if (x->server_ref == 0)
		lb_text_format(t, "verdict", "refused: no server of pool '%s' takes new flows",
			       p == NULL ? "?" : p->name);
	else if (!x->local_found)
		lb_text_string(
			t, "verdict",
			r->forwarding == CTL_FORWARD_NAT
				? "refused: another flow of this client's port leads to the server"
				: "refused: no local address and port is free towards the server");
	else if (!x->hop_found[FLOW_TO_SERVER])
		lb_text_string(t, "verdict", "refused: there is no route to the server");
	else
		lb_text_format(t, "verdict", "a new flow to server '%s'",
			       lb_server_name(c, x->server_ref));
}

static void put_new_flow(const struct lb_conf *c, struct lb_text *t, const struct lb_trial *x,
			 const struct ctl_service *r, const struct ctl_pool *p)
{
	const struct lb_server *s = lb_server_get(&c->snap->pub, x->server_ref);

	if (s == NULL)
		return;
	lb_text_open(t, "new-flow", '{');
	lb_text_string(t, "server", lb_server_name(c, x->server_ref));
	lb_put_endpoint(t, "address", s->family, s->addr, x->server_port);
	lb_text_string(t, "why",
		       x->remembered ? "the client had it before"
				     : scheduler_text(scheduler_why, p->scheduler));
	lb_text_string(t, "forwarding", r->forwarding == CTL_FORWARD_NAT ? "nat" : "fullnat");
	if (x->local_found)
		lb_put_endpoint(t, "local", s->family, x->local, htons(x->local_port));
	lb_text_close(t, '}');
}

static int answer(const struct lb_conf *c, const struct lb_trial *x, char **json)
{
	const struct lb_entry *se = NULL, *pe = NULL, *e;
	const struct ctl_service *r = NULL;
	struct lb_text t = {0};

	LB_STORE_FOREACH(e, &c->store, CTL_REC_SERVICE)
	if (e->rec != NULL && e->ref == x->service_ref && x->service_ref != 0)
		se = e;
	if (se != NULL) {
		r = (const void *)se->rec;
		pe = lb_store_find(&c->store, CTL_REC_POOL, x->pool_id != 0 ? x->pool_id : r->pool);
	}
	lb_text_open(&t, NULL, '{');
	put_verdict(c, &t, x, r, pe == NULL ? NULL : (const void *)pe->rec);
	lb_text_number(&t, "context", x->context);
	lb_text_number(&t, "worker", x->owner);
	lb_text_number(&t, "workers", c->workers);
	lb_text_string(&t, "service", r == NULL ? "" : r->name);
	put_services(c, &t, x);
	if (pe != NULL && pe->rec != NULL) {
		put_pool(c, &t, "pool", se, pe, x);
		put_new_flow(c, &t, x, r, (const void *)pe->rec);
	}
	if (x->persistent) {
		lb_text_open(&t, "persistence", '{');
		lb_text_bool(&t, "remembered", x->remembered);
		lb_text_string(
			&t, "text",
			x->remembered
				? "this client is remembered"
				: "this client is not remembered, or its server cannot take it");
		lb_text_close(&t, '}');
	}
	if (x->server_ref != 0)
		put_hop(&t, "to-server", x, FLOW_TO_SERVER);
	put_hop(&t, "to-client", x, FLOW_TO_CLIENT);
	if (x->known) {
		lb_text_open(&t, "flow", '[');
		lb_put_flow(c, &t, x->owner, &x->flow);
		lb_text_close(&t, ']');
	}
	lb_text_close(&t, '}');
	*json = lb_text_take(&t);
	return *json == NULL ? -ENOMEM : 0;
}

static int find_context(const struct lb_conf *c, const char *port, json_int_t context,
			uint16_t *out, char **json)
{
	const struct lb_entry *e;

	if (context > 65535 || (port != NULL && context >= 0))
		return lb_query_fail(json, -EINVAL,
				     "a context is 0..65535, or that of a port: give one of both");
	*out = context < 0 ? 0 : (uint16_t)context;
	if (port == NULL)
		return 0;
	LB_STORE_FOREACH(e, &c->store, CTL_REC_PORT)
	{
		const struct ctl_port *r = (const void *)e->rec;

		if (r != NULL && strcmp(r->name, port) == 0) {
			*out = r->context;
			return 0;
		}
	}
	return lb_query_fail(json, -EINVAL, "there is no such port");
}

static bool endpoint(const char *text, uint8_t addr[16], rte_be16_t *port, uint8_t *family)
{
	struct lb_flow_word w = {0};

	if (text == NULL || !lb_filter_endpoint(text, &w) || w.port_min == 0 ||
	    w.port_min != w.port_max || w.len != (w.family == 4 ? 32 : 128))
		return false;
	memcpy(addr, w.addr, 16);
	*port = htons(w.port_min);
	*family = w.family;
	return true;
}

int lb_query_explain(struct lb_conf *c, json_t *args, char **json)
{
	const char *proto = NULL, *client = NULL, *service = NULL, *port = NULL;
	json_int_t context = -1;
	struct lb_trial x = {0};
	uint8_t family;
	int rc;

	if (json_unpack_ex(args, NULL, JSON_STRICT, "{s:s, s:s, s:s, s?I, s?s}", "protocol", &proto,
			   "client", &client, "service", &service, "context", &context, "port",
			   &port) != 0)
		return lb_query_fail(json, -EINVAL,
				     "give protocol, client and service, and context or port");
	x.proto = strcmp(proto, "tcp") == 0   ? IPPROTO_TCP
		  : strcmp(proto, "udp") == 0 ? IPPROTO_UDP
					      : 0;
	if (x.proto == 0)
		return lb_query_fail(json, -EINVAL, "protocol is tcp or udp");
	if (!endpoint(client, x.src, &x.sport, &x.family) ||
	    !endpoint(service, x.dst, &x.dport, &family) || family != x.family)
		return lb_query_fail(
			json, -EINVAL,
			"client and service are address:port or [address]:port, of one "
			"family");
	rc = find_context(c, port, context, &x.context, json);
	if (rc != 0)
		return rc;
	if (c->workers == 0 || c->worker[0] == NULL)
		return lb_query_fail(json, -EINVAL, "nothing is configured yet");
	x.lw = c->worker[0];
	rc = worker_call(0, lb_trial_run, &x);
	if (rc == 0 && x.owner != 0 && x.owner < c->workers) {
		x.lw = c->worker[x.owner];
		rc = worker_call(x.owner, lb_trial_run, &x);
	}
	if (rc != 0)
		return lb_query_fail(json, rc, "a worker does not come round");
	return answer(c, &x, json);
}
