// SPDX-License-Identifier: BSD-3-Clause
//
// lb_state - the state nodes of sluice-lb.yang, sluice-port.yang and ietf-interfaces as RFC 7951 JSON, and
// the counters of the process. Only what is known here: names and keys, never configuration.

#include "apps/lb/conf/lb_conf.h"
#include "apps/lb/worker/lb_persist.h"
#include "apps/lb/show/lb_fields.h"
#include "apps/lb/show/lb_rates.h"
#include "apps/lb/show/lb_text.h"
#include "dataplane/core/handover.h"
#include "apps/lb/health/lb_watch.h"
#include "dataplane/core/clock.h"
#include "dataplane/out/telemetry.h"
#include "dataplane/port/port.h"

#include <rte_cycles.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void counters_add(struct lb_counters *sum, const struct lb_counters *c)
{
	if (c == NULL)
		return;
	sum->new_flows += c->new_flows;
	sum->ended_flows += c->ended_flows;
	sum->refused += c->refused;
	sum->taken += c->taken;
	for (unsigned d = 0; d < 2; d++) {
		sum->packets[d] += c->packets[d];
		sum->bytes[d] += c->bytes[d];
	}
}

static struct lb_counters slot_counters(const struct lb_conf *c, const struct lb_entry *e)
{
	uint32_t slot = e->ref & LB_SLOT_MASK;
	struct lb_counters sum = {0};

	for (unsigned w = 0; w < c->workers; w++) {
		const struct lb_worker *lw = c->worker[w];

		if (lw != NULL)
			counters_add(&sum, e->type == CTL_REC_SERVER
						   ? lb_worker_server_counters(lw, slot)
						   : lb_worker_service_counters(lw, slot));
	}
	return sum;
}

struct lb_counters lb_entry_counters(const struct lb_conf *c, const struct lb_entry *e)
{
	struct lb_counters n = slot_counters(c, e);
	const struct lb_counters *b = e->base;

	if (b == NULL)
		return n;
	n.new_flows -= b->new_flows;
	n.ended_flows -= b->ended_flows;
	n.refused -= b->refused;
	n.taken -= b->taken;
	for (unsigned d = 0; d < 2; d++) {
		n.packets[d] -= b->packets[d];
		n.bytes[d] -= b->bytes[d];
	}
	return n;
}

void lb_entry_counters_start(const struct lb_conf *c, struct lb_entry *e)
{
	free(e->base);
	e->base = NULL;
	if (e->ref >> LB_SLOT_BITS == 1)
		return;                                // the first one there
	e->base = aligned_alloc(64, sizeof(*e->base)); // without memory: counts of others show
	if (e->base != NULL)
		*e->base = slot_counters(c, e);
}

static void put_rate(struct lb_text *t, const char *key, uint64_t n)
{
	if (n != 0)
		lb_text_counter(t, key, n);
}

static void put_tcp(struct lb_text *t, const struct lb_tcp_stats *s)
{
	struct lb_field f[LB_TCP_FIELDS];

	lb_text_open(t, "tcp", '{');
	if (s->syn_us != 0)
		lb_text_number(t, "syn-time", s->syn_us);
	if (s->syn_us_high != 0)
		lb_text_number(t, "syn-time-p95", s->syn_us_high);
	lb_fields_of_tcp(&s->sum, f);
	for (unsigned i = 0; i < LB_TCP_FIELDS; i++)
		put_rate(t, f[i].name, f[i].value);
	lb_text_close(t, '}');
}

static void put_flow_rates(struct lb_text *t, const struct lb_rates *r,
			   const struct lb_tcp_stats *s)
{
	struct lb_field f[LB_RATE_FIELDS];

	put_tcp(t, s);
	lb_text_open(t, "rates", '{');
	lb_fields_of_rates(r, f);
	for (unsigned i = 0; i < LB_RATE_FIELDS; i++)
		put_rate(t, f[i].name, f[i].value);
	put_rate(t, "retransmissions", s->again);
	lb_text_close(t, '}');
}

static void put_flow_statistics(struct lb_text *t, const struct lb_counters *n,
				const struct lb_rates *r, const struct lb_tcp_stats *s)
{
	struct lb_field f[LB_COUNTER_FIELDS];

	lb_fields_of_counters(n, f);
	for (unsigned i = 0; i < LB_COUNTER_FIELDS; i++)
		lb_text_counter(t, f[i].name, f[i].value);
	put_flow_rates(t, r, s);
}

// What stands beside the check.
static void put_watch(const struct lb_conf *c, struct lb_text *t, const struct lb_entry *e,
		      const struct ctl_pool *p)
{
	const struct lb_verdict *v = &e->verdict;
	char text[256];

	if (lb_watch_any(&p->check) && v->since != 0)
		lb_text_time(t, "last-change", v->since);
	if (lb_watch_reason(v, &p->check, text, sizeof(text))[0] != '\0')
		lb_text_string(t, "reason", text);
	if (lb_watch_agent(v, &p->check, text, sizeof(text))[0] != '\0')
		lb_text_string(t, "agent", text);
	if (p->check.passive_failures != 0)
		lb_text_bool(t, "passive-down", lb_watch_is_passive(v, &p->check));
	if (p->check.damping_changes != 0)
		lb_text_bool(t, "damped", lb_watch_is_damped(v, &p->check));
	if (lb_health_held_until(c, e) != 0)
		lb_text_time(t, "held-until", lb_health_held_until(c, e));
}

unsigned lb_effective_weight(const struct lb_conf *c, const struct lb_entry *server, bool takes_new)
{
	const struct lb_server *v = lb_server_get(&c->snap->pub, server->ref);

	return v == NULL || !takes_new ? 0 : v->effective * 100u / LB_WEIGHT_UNIT;
}

static void put_weight(const struct lb_conf *c, struct lb_text *t, const struct lb_entry *e,
		       bool takes_new)
{
	unsigned n = lb_effective_weight(c, e, takes_new);

	lb_text_format(t, "effective-weight", "%u.%02u", n / 100, n % 100);
}

static void put_pool_state(const struct lb_conf *c, struct lb_text *t, const struct lb_entry *e)
{
	const struct lb_pool *p = lb_pool_at(&c->snap->pub, e->index);

	if (p == NULL)
		return;
	lb_text_open(t, "state", '{');
	lb_text_number(t, "available-servers", p->available);
	lb_text_bool(t, "backup-in-use", lb_pool_serving(&c->snap->pub, p) != p);
	lb_text_close(t, '}');
}

static void put_server(struct lb_conf *c, struct lb_text *t, const struct lb_entry *e,
		       const struct ctl_pool *p)
{
	const struct ctl_server *r = (const void *)e->rec;
	struct lb_server_flags f = lb_server_flags(r, p, &e->verdict);
	struct lb_counters n = lb_entry_counters(c, e);
	struct lb_rates rates = lb_rates_of(c, e);
	struct lb_tcp_stats tcp = lb_rates_tcp(c, e);

	lb_text_open(t, NULL, '{');
	lb_text_string(t, "name", r->name);
	lb_text_open(t, "state", '{');
	lb_text_string(t, "health", lb_watch_health_name(lb_watch_health(&e->verdict, &p->check)));
	lb_text_bool(t, "available", f.takes_new);
	put_weight(c, t, e, f.takes_new);
	put_watch(c, t, e, p);
	if (p->check.kind != CTL_CHECK_NONE && e->verdict.health != CTL_HEALTH_UNKNOWN)
		lb_text_number(t, "check-latency", e->verdict.latency_us);
	put_flow_statistics(t, &n, &rates, &tcp);
	lb_text_close(t, '}');
	lb_text_close(t, '}');
}

static void put_pools(struct lb_conf *c, struct lb_text *t)
{
	struct lb_entry *e;

	lb_text_open(t, "pools", '{');
	lb_text_open(t, "pool", '[');
	LB_STORE_FOREACH(e, &c->store, CTL_REC_POOL)
	{
		const struct ctl_pool *p = (const void *)e->rec;

		if (p == NULL)
			continue;
		lb_text_open(t, NULL, '{');
		lb_text_string(t, "name", p->name);
		put_pool_state(c, t, e);
		lb_text_open(t, "servers", '{');
		lb_text_open(t, "server", '[');
		for (uint32_t i = 0; i < e->members; i++)
			put_server(c, t, e->member[i], p);
		lb_text_close(t, ']');
		lb_text_close(t, '}');
		lb_text_close(t, '}');
	}
	lb_text_close(t, ']');
	lb_text_close(t, '}');
}

static void put_services(struct lb_conf *c, struct lb_text *t)
{
	struct lb_entry *e;

	lb_text_open(t, "services", '{');
	lb_text_open(t, "service", '[');
	LB_STORE_FOREACH(e, &c->store, CTL_REC_SERVICE)
	{
		const struct ctl_service *r = (const void *)e->rec;
		struct lb_counters n;
		struct lb_rates rates;
		struct lb_tcp_stats tcp;

		if (r == NULL)
			continue;
		n = lb_entry_counters(c, e);
		rates = lb_rates_of(c, e);
		tcp = lb_rates_tcp(c, e);
		lb_text_open(t, NULL, '{');
		lb_text_string(t, "name", r->name);
		lb_text_open(t, "state", '{');
		put_flow_statistics(t, &n, &rates, &tcp);
		lb_text_close(t, '}');
		lb_text_close(t, '}');
	}
	lb_text_close(t, ']');
	lb_text_close(t, '}');
}

// ---- the process ------------------------------------------------------------------------------

static uint64_t dropped_of(const struct worker_counters *n)
{
	uint64_t sum = 0;

	for (unsigned r = 1; r < DROP_COUNT; r++)
		sum += n->dropped[r];
	return sum;
}

// Share of the time since the last call, in tenths of a percent; the first call: since the start.
static unsigned busy_permille(unsigned w)
{
	static struct {
		uint64_t busy, at;
		unsigned last;
	} seen[WORKER_MAX];
	uint64_t now = rte_rdtsc(), busy = worker_get(w)->busy_tsc;
	uint64_t span = now - seen[w].at;

	if (seen[w].at != 0 && span < rte_get_tsc_hz() / 10)
		return seen[w].last; // two askers one after the other
	if (seen[w].at != 0 && span > 0)
		seen[w].last = (unsigned)((busy - seen[w].busy) * 1000 / span);
	if (seen[w].last > 1000)
		seen[w].last = 1000;
	seen[w].busy = busy;
	seen[w].at = now;
	return seen[w].last;
}

static void put_worker_state(struct lb_text *t, unsigned w)
{
	const struct worker_counters *n = &worker_get(w)->count;
	unsigned busy = busy_permille(w);

	lb_text_open(t, NULL, '{');
	lb_text_number(t, "index", w);
	lb_text_format(t, "busy", "%u.%u", busy / 10, busy % 10);
	lb_text_counter(t, "received", n->received);
	lb_text_counter(t, "forwarded", n->forwarded);
	lb_text_counter(t, "answered", n->answered);
	lb_text_counter(t, "to-kernel", n->to_kernel);
	lb_text_counter(t, "held", n->held);
	lb_text_counter(t, "dropped", dropped_of(n));
	lb_text_counter(t, "handed-over", n->handed_over);
	lb_text_open(t, "hand-over", '[');
	for (unsigned to = 0; to < worker_count(); to++) {
		struct handover_count c = handover_count(w, to);

		if (to == w)
			continue;
		lb_text_open(t, NULL, '{');
		lb_text_number(t, "to", to);
		lb_text_counter(t, "packets", c.sent);
		lb_text_counter(t, "ring-full", c.full);
		lb_text_close(t, '}');
	}
	lb_text_close(t, ']');
	lb_text_close(t, '}');
}

static uint64_t active_flows(const struct lb_conf *c)
{
	uint64_t n = 0;

	for (unsigned w = 0; w < c->workers; w++)
		n += c->worker[w] == NULL ? 0 : lb_worker_flow_count(c->worker[w]);
	return n;
}

void lb_persist_sum(const struct lb_conf *c, struct lb_persist_counters *sum)
{
	*sum = (struct lb_persist_counters){.added = c->persist == NULL ? 0 : c->persist->taken};
	for (unsigned w = 0; w < c->workers; w++) {
		const struct lb_persist_counters *n =
			c->worker[w] == NULL ? NULL : lb_worker_persist_counters(c->worker[w]);

		if (n == NULL)
			continue;
		sum->found += n->found;
		sum->added += n->added;
		sum->forgotten += n->forgotten;
		sum->busy += n->busy;
	}
}

static void put_persistence(const struct lb_conf *c, struct lb_text *t)
{
	struct lb_persist_counters n;

	lb_persist_sum(c, &n);
	lb_text_counter(t, "persistence-entries", n.added);
	lb_text_counter(t, "persistence-hits", n.found);
	lb_text_counter(t, "persistence-evictions", n.forgotten);
}

static void put_others(const struct lb_conf *c, struct lb_text *t)
{
	struct lb_field field[LB_OTHER_FIELDS];

	lb_fields_of_others(c, field);
	for (unsigned i = 0; i < LB_OTHER_FIELDS; i++) {
		if (field[i].gauge)
			lb_text_number(t, field[i].name, field[i].value);
		else
			lb_text_counter(t, field[i].name, field[i].value);
	}
}

static void put_process(struct lb_conf *c, struct lb_text *t)
{
	struct worker_counters sum;

	worker_counters_sum(&sum);
	lb_text_open(t, "state", '{');
	lb_text_bool(t, "connected", ctl_link_connected(c->link));
	lb_text_counter(t, "applied-version", c->version);
	lb_text_counter(t, "flow-table-size", c->flow_size.all);
	lb_text_string(t, "receive-side-scaling", c->rss != NULL ? "known" : "unknown");
	lb_text_counter(t, "active-flows", active_flows(c));
	put_persistence(c, t);
	put_others(c, t);
	lb_text_open(t, "worker", '[');
	for (unsigned w = 0; w < worker_count(); w++)
		put_worker_state(t, w);
	lb_text_close(t, ']');
	lb_text_open(t, "drop", '[');
	for (unsigned r = 1; r < DROP_COUNT; r++) {
		if (sum.dropped[r] == 0)
			continue;
		lb_text_open(t, NULL, '{');
		lb_text_string(t, "reason", drop_name(r));
		lb_text_counter(t, "packets", sum.dropped[r]);
		lb_text_close(t, '}');
	}
	lb_text_close(t, ']');
	lb_text_close(t, '}');
}

// ---- ports ------------------------------------------------------------------------------------

static const struct {
	const char *identity;
} port_kind[] = {
	[CTL_PORT_AF_XDP] = {"sluice-port:af-xdp"}, [CTL_PORT_TAP] = {"sluice-port:tap"},
	[CTL_PORT_MEMIF] = {"sluice-port:memif"},   [CTL_PORT_NULL] = {"sluice-port:null"},
	[CTL_PORT_RING] = {"sluice-port:ring"},     [CTL_PORT_PCAP] = {"sluice-port:pcap"},
	[CTL_PORT_PCI] = {"sluice-port:pci"},       [CTL_PORT_BOND] = {"sluice-port:bond"},
};

static bool all_wake(const struct port *p)
{
	for (uint16_t q = 0; q < p->queues; q++)
		if (port_queue_fd(p, q) < 0)
			return false;
	return p->queues > 0;
}

static void put_offloads(struct lb_text *t, const struct port *p)
{
	char text[128];

	snprintf(text, sizeof(text), "%s%s%s%s%s", p->rx_ip_cksum ? "rx-ip-checksum " : "",
		 p->rx_l4_cksum ? "rx-l4-checksum " : "", p->tx_ip_cksum ? "tx-ip-checksum " : "",
		 p->tx_l4_cksum ? "tx-l4-checksum " : "", p->vlan_offload ? "vlan " : "");
	if (text[0] != '\0')
		text[strlen(text) - 1] = '\0';
	lb_text_string(t, "offloads", text[0] == '\0' ? "none" : text);
}

static void put_port_counters(struct lb_conf *c, struct lb_text *t, const struct port_counters *n)
{
	lb_text_open(t, "statistics", '{');
	lb_text_time(t, "discontinuity-time", c->start_time);
	lb_text_counter(t, "in-octets", n->rx_bytes);
	lb_text_counter(t, "in-unicast-pkts", n->rx_packets);
	lb_text_number(t, "in-discards", n->rx_missed & UINT32_MAX);
	lb_text_number(t, "in-errors", n->rx_errors & UINT32_MAX);
	lb_text_counter(t, "out-octets", n->tx_bytes);
	lb_text_counter(t, "out-unicast-pkts", n->tx_packets);
	lb_text_number(t, "out-errors", n->tx_errors & UINT32_MAX);
	lb_text_close(t, '}');
}

static void put_members(struct lb_text *t, const struct port *p)
{
	struct port_member m[CTL_BOND_MEMBERS];
	unsigned n = port_members(p, m);

	if (n == 0)
		return;
	lb_text_open(t, "member", '[');
	for (unsigned i = 0; i < n; i++) {
		lb_text_open(t, NULL, '{');
		lb_text_string(t, "name", m[i].name);
		lb_text_bool(t, "link", m[i].link);
		lb_text_bool(t, "carries", m[i].carries);
		lb_text_close(t, '}');
	}
	lb_text_close(t, ']');
}

static void put_open_port(struct lb_conf *c, struct lb_text *t, const struct port *p)
{
	struct lb_port_rates rates = lb_rates_of_port(c, p);
	struct port_counters n = {0};

	port_counters(p, &n);
	lb_text_string(t, "oper-status", atomic_load(&p->up) ? "up" : "down");
	lb_text_format(t, "phys-address", "%02x:%02x:%02x:%02x:%02x:%02x", p->mac.addr_bytes[0],
		       p->mac.addr_bytes[1], p->mac.addr_bytes[2], p->mac.addr_bytes[3],
		       p->mac.addr_bytes[4], p->mac.addr_bytes[5]);
	put_port_counters(c, t, &n);
	lb_text_open(t, "sluice-port:port-state", '{');
	put_offloads(t, p);
	lb_text_bool(t, "wakeup", all_wake(p));
	lb_text_counter(t, "rx-missed", n.rx_missed);
	if (p->kind == CTL_PORT_AF_XDP) {
		lb_text_counter(t, "xdp-passed", n.xdp_passed);
		lb_text_counter(t, "xdp-redirected", n.xdp_redirected);
	}
	lb_text_number(t, "queue-depth", n.rx_depth);
	put_members(t, p);
	lb_text_open(t, "rates", '{');
	put_rate(t, "in-packets", rates.rx_packets);
	put_rate(t, "in-octets", rates.rx_bytes);
	put_rate(t, "out-packets", rates.tx_packets);
	put_rate(t, "out-octets", rates.tx_bytes);
	put_rate(t, "missed", rates.rx_missed);
	lb_text_close(t, '}');
	lb_text_close(t, '}');
}

static void put_interfaces(struct lb_conf *c, struct lb_text *t)
{
	struct lb_entry *e;

	lb_text_open(t, "ietf-interfaces:interfaces", '{');
	lb_text_open(t, "interface", '[');
	LB_STORE_FOREACH(e, &c->store, CTL_REC_PORT)
	{
		const struct ctl_port *r = (const void *)e->rec;

		if (r == NULL)
			continue;
		lb_text_open(t, NULL, '{');
		lb_text_string(t, "name", r->name);
		lb_text_string(t, "type", port_kind[r->kind].identity);
		if (e->port != NULL)
			put_open_port(c, t, e->port);
		else
			lb_text_string(t, "oper-status", "not-present");
		lb_text_close(t, '}');
	}
	lb_text_close(t, ']');
	lb_text_close(t, '}');
}

int lb_state_json(struct lb_conf *c, char **json)
{
	struct lb_text t = {0};

	lb_text_open(&t, NULL, '{');
	put_interfaces(c, &t);
	lb_text_open(&t, "sluice-lb:load-balancers", '{');
	lb_text_open(&t, "load-balancer", '[');
	lb_text_open(&t, NULL, '{');
	lb_text_string(&t, "name", c->instance);
	put_pools(c, &t);
	put_services(c, &t);
	put_process(c, &t);
	lb_text_close(&t, '}');
	lb_text_close(&t, ']');
	lb_text_close(&t, '}');
	lb_text_close(&t, '}');
	*json = lb_text_take(&t);
	return *json == NULL ? -ENOMEM : 0;
}

// ---- counters ---------------------------------------------------------------------------------

int lb_counters_json(struct lb_conf *c, char **json)
{
	struct lb_field field[LB_OTHER_FIELDS];
	char *extra = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&extra, &size);

	if (f == NULL)
		return -ENOMEM;
	lb_fields_of_others(c, field);
	fprintf(f, "\"active-flows\":%llu,\"flows-taken-over\":%u",
		(unsigned long long)active_flows(c), c->flows_taken);
	for (unsigned i = 0; i < LB_OTHER_FIELDS; i++)
		fprintf(f, ",\"%s\":%llu", field[i].name, (unsigned long long)field[i].value);
	if (fclose(f) == 0)
		*json = out_counters_json(extra);
	free(extra);
	return *json == NULL ? -ENOMEM : 0;
}
