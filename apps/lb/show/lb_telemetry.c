// SPDX-License-Identifier: BSD-3-Clause
//
// lb_telemetry - rte_telemetry commands: /sluice/lb/services, servers, rates, flows, others.
//
// DPDK calls them on threads of its own, while the records belong to the control thread. So a command is
// handed over: its thread writes to an eventfd of the loop and waits; the control thread fills the
// answer. One at a time; a command that the control thread does not reach in WAIT_MS answers nothing.

#include "apps/lb/conf/lb_conf.h"
#include "apps/lb/worker/lb_persist.h"
#include "apps/lb/show/lb_fields.h"
#include "apps/lb/show/lb_rates.h"
#include "apps/lb/health/lb_watch.h"
#include "dataplane/core/loop.h"

#include <rte_log.h>
#include <rte_telemetry.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS     2000
#define ENTRIES_MAX 250 // of a telemetry dictionary

typedef int (*fill_fn)(struct lb_conf *c, const char *params, struct rte_tel_data *d);

static struct {
	pthread_mutex_t turn; // one command at a time
	pthread_mutex_t lock; // the fields below
	pthread_cond_t done;
	fill_fn fn; // NULL: nothing asked
	const char *params;
	struct rte_tel_data *data;
	int result;
	int fd;
	struct lb_conf *conf;
} hand = {.turn = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

static void on_asked(struct loop *l, int fd, uint32_t events, void *arg)
{
	uint64_t n;

	(void)l;
	(void)events;
	(void)arg;
	if (read(fd, &n, sizeof(n)) < 0)
		return;
	pthread_mutex_lock(&hand.lock);
	if (hand.fn != NULL) {
		hand.result = hand.fn(hand.conf, hand.params, hand.data);
		hand.fn = NULL;
		pthread_cond_signal(&hand.done);
	}
	pthread_mutex_unlock(&hand.lock);
}

static int ask(fill_fn fn, const char *params, struct rte_tel_data *d)
{
	struct timespec until;
	uint64_t one = 1;
	int result = -1, rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += WAIT_MS / 1000;
	pthread_mutex_lock(&hand.turn);
	pthread_mutex_lock(&hand.lock);
	hand.fn = fn;
	hand.params = params;
	hand.data = d;
	if (write(hand.fd, &one, sizeof(one)) == sizeof(one)) {
		while (hand.fn != NULL && rc == 0)
			rc = pthread_cond_timedwait(&hand.done, &hand.lock, &until);
		if (hand.fn == NULL)
			result = hand.result;
	}
	hand.fn = NULL; // given up: the control thread must not touch d any more
	pthread_mutex_unlock(&hand.lock);
	pthread_mutex_unlock(&hand.turn);
	return result;
}

// ---- what is filled in, on the control thread -------------------------------------------------

// Fields by their names with '_' for '-', and what stands behind each.
static void add_fields(struct rte_tel_data *e, const struct lb_field *f, unsigned count,
		       const char *behind)
{
	char key[64];

	for (unsigned i = 0; i < count; i++) {
		snprintf(key, sizeof(key), "%s%s", f[i].name, behind);
		for (char *p = key; *p != '\0'; p++)
			if (*p == '-')
				*p = '_';
		rte_tel_data_add_dict_u64(e, key, f[i].value);
	}
}

static void add_rates(struct rte_tel_data *e, const struct lb_rates *r)
{
	struct lb_field f[LB_RATE_FIELDS];

	lb_fields_of_rates(r, f);
	add_fields(e, f, LB_RATE_FIELDS, "_per_second");
}

static void add_tcp(struct rte_tel_data *e, const struct lb_tcp_stats *s)
{
	struct lb_field f[LB_TCP_FIELDS];

	rte_tel_data_add_dict_u64(e, "syn_time_us", s->syn_us);
	rte_tel_data_add_dict_u64(e, "syn_time_p95_us", s->syn_us_high);
	rte_tel_data_add_dict_u64(e, "retransmissions_per_second", s->again);
	lb_fields_of_tcp(&s->sum, f);
	add_fields(e, f, LB_TCP_FIELDS, "");
}

// What stands beside a server's check, and what comes of all that.
static void add_watch(const struct lb_conf *c, struct rte_tel_data *e, const struct lb_entry *s,
		      const struct ctl_pool *p)
{
	const struct ctl_server *r = (const void *)s->rec;
	struct lb_server_flags f = lb_server_flags(r, p, &s->verdict);
	char text[256];

	rte_tel_data_add_dict_string(e, "health",
				     lb_watch_health_name(lb_watch_health(&s->verdict, &p->check)));
	rte_tel_data_add_dict_u64(e, "available", f.takes_new);
	rte_tel_data_add_dict_u64(e, "effective_weight_hundredths",
				  lb_effective_weight(c, s, f.takes_new));
	if (lb_watch_agent(&s->verdict, &p->check, text, sizeof(text))[0] != '\0')
		rte_tel_data_add_dict_string(e, "agent", text);
	rte_tel_data_add_dict_u64(e, "passive_down", lb_watch_is_passive(&s->verdict, &p->check));
	rte_tel_data_add_dict_u64(e, "damped", lb_watch_is_damped(&s->verdict, &p->check));
}

// A service, or a server and its pool.
static int add_entry(const struct lb_conf *c, struct rte_tel_data *d, const char *name,
		     const struct lb_entry *about, const struct ctl_pool *pool)
{
	struct rte_tel_data *e = rte_tel_data_alloc();
	struct lb_counters n = lb_entry_counters(c, about);
	struct lb_rates rates = lb_rates_of(c, about);
	struct lb_tcp_stats tcp = lb_rates_tcp(c, about);
	struct lb_field f[LB_COUNTER_FIELDS];

	if (e == NULL)
		return -ENOMEM;
	rte_tel_data_start_dict(e);
	if (pool != NULL)
		add_watch(c, e, about, pool);
	lb_fields_of_counters(&n, f);
	add_fields(e, f, LB_COUNTER_FIELDS, "");
	add_rates(e, &rates);
	add_tcp(e, &tcp);
	if (rte_tel_data_add_dict_container(d, name, e, 0) == 0)
		return 0;
	rte_tel_data_free(e); // a name it does not take, or no room
	return -ENOSPC;
}

// Dictionary keys may not hold every character of our names.
static void key_of(char *out, size_t size, const char *a, const char *b)
{
	snprintf(out, size, "%.30s%s%.30s", a, b == NULL ? "" : "/", b == NULL ? "" : b);
	for (char *p = out; *p != '\0'; p++)
		if (*p == '.' || *p == '-')
			*p = '_';
}

static bool wanted(const char *params, const char *name)
{
	return params == NULL || params[0] == '\0' || strcmp(params, name) == 0;
}

static int fill_services(struct lb_conf *c, const char *params, struct rte_tel_data *d)
{
	struct lb_entry *e;
	unsigned n = 0;

	rte_tel_data_start_dict(d);
	LB_STORE_FOREACH(e, &c->store, CTL_REC_SERVICE)
	{
		const struct ctl_service *r = (const void *)e->rec;
		char key[64];

		if (r == NULL || !wanted(params, r->name))
			continue;
		if (n++ == ENTRIES_MAX)
			break;
		key_of(key, sizeof(key), r->name, NULL);
		add_entry(c, d, key, e, NULL);
	}
	return 0;
}

static int fill_servers(struct lb_conf *c, const char *params, struct rte_tel_data *d)
{
	struct lb_entry *e;
	unsigned n = 0;

	rte_tel_data_start_dict(d);
	LB_STORE_FOREACH(e, &c->store, CTL_REC_SERVER)
	{
		const struct ctl_server *r = (const void *)e->rec;
		const struct lb_entry *pool;
		const struct ctl_pool *p;
		char key[64];

		if (r == NULL)
			continue;
		pool = lb_store_find(&c->store, CTL_REC_POOL, r->pool);
		p = (const void *)pool->rec;
		if (!wanted(params, p->name))
			continue;
		if (n++ == ENTRIES_MAX)
			break;
		key_of(key, sizeof(key), p->name, r->name);
		add_entry(c, d, key, e, p);
	}
	return 0;
}

static int fill_rates(struct lb_conf *c, const char *params, struct rte_tel_data *d)
{
	(void)params;
	rte_tel_data_start_dict(d);
	for (unsigned w = 0; w < worker_count(); w++) {
		struct lb_worker_rates r = lb_rates_of_worker(c, w);
		struct rte_tel_data *e = rte_tel_data_alloc();
		char key[24];

		if (e == NULL)
			return -ENOMEM;
		snprintf(key, sizeof(key), "worker_%u", w);
		rte_tel_data_start_dict(e);
		rte_tel_data_add_dict_u64(e, "busy_permille", r.busy_permille);
		rte_tel_data_add_dict_u64(e, "received_per_second", r.received);
		rte_tel_data_add_dict_u64(e, "forwarded_per_second", r.forwarded);
		rte_tel_data_add_dict_u64(e, "dropped_per_second", r.dropped);
		rte_tel_data_add_dict_container(d, key, e, 0);
	}
	for (unsigned i = 0; i < PORT_MAX; i++) {
		const struct port *p = port_get((uint16_t)i);
		struct rte_tel_data *e;
		struct lb_port_rates r;
		char key[64];

		if (p == NULL)
			continue;
		e = rte_tel_data_alloc();
		if (e == NULL)
			return -ENOMEM;
		r = lb_rates_of_port(c, p);
		key_of(key, sizeof(key), "port", p->name);
		rte_tel_data_start_dict(e);
		rte_tel_data_add_dict_u64(e, "in_packets_per_second", r.rx_packets);
		rte_tel_data_add_dict_u64(e, "in_octets_per_second", r.rx_bytes);
		rte_tel_data_add_dict_u64(e, "out_packets_per_second", r.tx_packets);
		rte_tel_data_add_dict_u64(e, "out_octets_per_second", r.tx_bytes);
		rte_tel_data_add_dict_u64(e, "missed_per_second", r.rx_missed);
		if (rte_tel_data_add_dict_container(d, key, e, 0) != 0)
			rte_tel_data_free(e);
	}
	return 0;
}

static int fill_flows(struct lb_conf *c, const char *params, struct rte_tel_data *d)
{
	char key[24];

	(void)params;
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_u64(d, "size", c->flow_size.all);
	rte_tel_data_add_dict_u64(d, "taken_over", c->flows_taken);
	for (unsigned w = 0; w < c->workers; w++) {
		snprintf(key, sizeof(key), "worker_%u", w);
		rte_tel_data_add_dict_u64(
			d, key, c->worker[w] == NULL ? 0 : lb_worker_flow_count(c->worker[w]));
	}
	return 0;
}

static int fill_others(struct lb_conf *c, const char *params, struct rte_tel_data *d)
{
	struct lb_field f[LB_OTHER_FIELDS];
	struct lb_persist_counters n;

	(void)params;
	rte_tel_data_start_dict(d);
	lb_fields_of_others(c, f);
	add_fields(d, f, LB_OTHER_FIELDS, "");
	lb_persist_sum(c, &n);
	rte_tel_data_add_dict_u64(d, "persistence_entries", n.added);
	rte_tel_data_add_dict_u64(d, "persistence_hits", n.found);
	rte_tel_data_add_dict_u64(d, "persistence_evictions", n.forgotten);
	return 0;
}

// ---- commands, on DPDK's threads --------------------------------------------------------------

static const struct command {
	const char *name;
	fill_fn fill;
	const char *help;
} commands[] = {
	{"/sluice/lb/services", fill_services,
	 "Counters of services. Parameter: a service name (all)"},
	{"/sluice/lb/servers", fill_servers,
	 "Health and counters of servers. Parameter: a pool name (all)"},
	{"/sluice/lb/rates", fill_rates, "Rates of workers and ports. No parameter"},
	{"/sluice/lb/flows", fill_flows, "Flow tables. No parameter"},
	{"/sluice/lb/others", fill_others,
	 "ICMP errors, path MTU, fragments, PROXY headers, persistence. No parameter"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int on_command(const char *cmd, const char *params, struct rte_tel_data *d)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(cmd, commands[i].name) == 0)
			return ask(commands[i].fill, params, d);
	return -1;
}

void lb_telemetry_init(struct lb_conf *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&hand.done, &attr);
	pthread_condattr_destroy(&attr);
	hand.conf = c;
	hand.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (hand.fd < 0 || loop_add_fd(c->loop, hand.fd, EPOLLIN, on_asked, NULL) != 0)
		return;
	for (size_t i = 0; i < COMMANDS; i++)
		rte_telemetry_register_cmd(commands[i].name, on_command, commands[i].help);
}
