// SPDX-License-Identifier: BSD-3-Clause
//
// One list of fields a thing (worker, port, sum), written out as JSON or as rte_telemetry data. The
// telemetry library calls us on a thread of its own, and ports and routes belong to the control
// thread: so a command is handed over to it and waited for.

#include "dataplane/out/telemetry.h"

#include "dataplane/core/clock.h"
#include "dataplane/core/handover.h"
#include "dataplane/core/loop.h"
#include "dataplane/out/mirror.h"
#include "dataplane/out/out.h"
#include "dataplane/out/out_priv.h"
#include "dataplane/trace/trace.h"

#include <rte_cycles.h>
#include <rte_telemetry.h>

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define FIELDS       64
#define ANSWER_MS    2000
#define LIST_MAX     500 // the library takes 512
#define SAMPLE_MS    1000
#define KIND_COUNT   7
#define NO_PARAMETER UINT_MAX

struct field {
	const char *name;
	uint64_t value;
};

static struct {
	struct loop *loop;
	int fd; // telemetry thread -> control
	int timer;
	uint64_t sampled_tsc;
	uint64_t busy_tsc[WORKER_MAX];
	unsigned busy_permille[WORKER_MAX]; // of the last second
} t = {.fd = -1};

// ---- fields ---------------------------------------------------------------------------------------

static uint64_t dropped(const struct worker_counters *c)
{
	uint64_t sum = 0;

	for (unsigned i = 1; i < DROP_COUNT; i++)
		sum += c->dropped[i];
	return sum;
}

// What this worker handed to each other one, and what their rings had no room for.
static unsigned pair_fields(unsigned from, struct field *f)
{
	static char names[WORKER_MAX][2][24]; // the same text each time
	unsigned n = 0;

	for (unsigned to = 0; to < worker_count(); to++) {
		struct handover_count c = handover_count(from, to);

		if (to == from)
			continue;
		snprintf(names[to][0], sizeof(names[to][0]), "handed-to-%u", to);
		snprintf(names[to][1], sizeof(names[to][1]), "ring-full-to-%u", to);
		f[n++] = (struct field){names[to][0], c.sent};
		f[n++] = (struct field){names[to][1], c.full};
	}
	return n;
}

static unsigned worker_fields(const struct worker *w, struct field *f)
{
	const struct worker_counters *c = &w->count;
	const struct out_worker *ow = out_workers[w->index];
	unsigned n = 0;

	f[n++] = (struct field){"index", w->index};
	f[n++] = (struct field){"lcore", w->lcore};
	f[n++] = (struct field){"received", c->received};
	f[n++] = (struct field){"received-bytes", c->received_bytes};
	f[n++] = (struct field){"forwarded", c->forwarded};
	f[n++] = (struct field){"answered", c->answered};
	f[n++] = (struct field){"to-kernel", c->to_kernel};
	f[n++] = (struct field){"held", c->held};
	f[n++] = (struct field){"handed-over", c->handed_over};
	f[n++] = (struct field){"handover-waiting", handover_waiting(w->index)};
	f[n++] = (struct field){"dropped", dropped(c)};
	f[n++] = (struct field){"made", c->made};
	f[n++] = (struct field){"made-lost", c->made_lost};
	f[n++] = (struct field){"turns", w->turns};
	f[n++] = (struct field){"sleeps", w->sleeps};
	f[n++] = (struct field){"longest-turn-us",
				clock_tsc_to_ns(worker_longest_turn_take(w->index)) / 1000};
	if (ow != NULL)
		f[n++] = (struct field){"neighbour-requests-lost", ow->rare->hold.lost};
	n += pair_fields(w->index, &f[n]);
	return n;
}

static unsigned port_fields(const struct port *p, struct field *f)
{
	struct port_counters c;
	unsigned n = 0;

	port_counters(p, &c);
	f[n++] = (struct field){"index", p->index};
	f[n++] = (struct field){"queues", p->queues};
	f[n++] = (struct field){"context", p->context};
	f[n++] = (struct field){"mtu", p->mtu};
	if (p->view == PORT_VIEW_XDP) {
		f[n++] = (struct field){"xdp-seen", c.xdp_seen};
		f[n++] = (struct field){"xdp-passed", c.xdp_passed};
		f[n++] = (struct field){"xdp-redirected", c.xdp_redirected};
		f[n++] = (struct field){"xdp-dropped", c.xdp_dropped};
	}
	f[n++] = (struct field){"rx-packets", c.rx_packets};
	f[n++] = (struct field){"rx-bytes", c.rx_bytes};
	f[n++] = (struct field){"rx-missed", c.rx_missed};
	f[n++] = (struct field){"rx-errors", c.rx_errors};
	f[n++] = (struct field){"rx-depth", c.rx_depth};
	f[n++] = (struct field){"tx-packets", c.tx_packets};
	f[n++] = (struct field){"tx-bytes", c.tx_bytes};
	f[n++] = (struct field){"tx-errors", c.tx_errors};
	return n;
}

// What ports and their XDP programs saw, beside the workers.
struct node_sum {
	struct port_arrivals in;
	struct worker_counters c;
};

static void node_sum(struct node_sum *s)
{
	*s = (struct node_sum){0};
	worker_counters_sum(&s->c);
	port_arrivals(&s->in);
}

// Of all workers and ports. What XDP passed went to the kernel; what it or a full receive ring dropped
// is dropped; what it redirected is received by a worker. A packet handed over from one worker to
// another arrived once.
static unsigned sum_fields(const struct node_sum *s, struct field *f)
{
	uint64_t gone = dropped(&s->c) + s->in.cut + s->in.missed;
	uint64_t kernel = s->c.to_kernel + s->in.passed;
	unsigned n = 0;

	f[n++] = (struct field){"received", s->in.arrived};
	f[n++] = (struct field){"forwarded", s->c.forwarded};
	f[n++] = (struct field){"answered", s->c.answered};
	f[n++] = (struct field){"to-kernel", kernel};
	f[n++] = (struct field){"held", s->c.held};
	f[n++] = (struct field){"dropped", gone};
	f[n++] = (struct field){"difference", s->in.arrived - (s->c.forwarded + s->c.answered +
							       kernel + s->c.held + gone)};
	return n;
}

static unsigned detail_fields(const struct node_sum *s, struct field *f)
{
	unsigned n = 0;

	f[n++] = (struct field){"xdp-passed", s->in.passed};
	f[n++] = (struct field){"xdp-dropped", s->in.cut};
	f[n++] = (struct field){"rx-missed", s->in.missed};
	f[n++] = (struct field){"worker-received", s->c.received};
	f[n++] = (struct field){"handed-over", s->c.handed_over};
	f[n++] = (struct field){"made", s->c.made};
	f[n++] = (struct field){"made-lost", s->c.made_lost};
	f[n++] = (struct field){"trace-lost", trace_lost()};
	return n;
}

static const char *kind_name(uint8_t kind)
{
	static const char *const name[KIND_COUNT] = {
		[CTL_PORT_AF_XDP] = "af-xdp", [CTL_PORT_TAP] = "tap",   [CTL_PORT_MEMIF] = "memif",
		[CTL_PORT_NULL] = "null",     [CTL_PORT_RING] = "ring", [CTL_PORT_PCAP] = "pcap",
	};

	return kind < KIND_COUNT && name[kind] != NULL ? name[kind] : "unknown";
}

static void sample(struct loop *l, void *arg)
{
	uint64_t now = rte_rdtsc(), span = now - t.sampled_tsc;

	for (unsigned i = 0; i < worker_count(); i++) {
		uint64_t busy = worker_get(i)->busy_tsc, part = busy - t.busy_tsc[i];

		t.busy_tsc[i] = busy;
		t.busy_permille[i] = span == 0 ? 0 : (unsigned)(part * 1000 / span);
		if (t.busy_permille[i] > 1000)
			t.busy_permille[i] = 1000;
	}
	t.sampled_tsc = now;
}

// ---- JSON -----------------------------------------------------------------------------------------

// Names of ports were checked by the daemon; whatever else they hold is left out here.
static void put_text(FILE *f, const char *key, const char *text)
{
	fprintf(f, "\"%s\":\"", key);
	for (; *text != '\0'; text++)
		if ((unsigned char)*text >= ' ' && *text != '"' && *text != '\\')
			fputc(*text, f);
	fputc('"', f);
}

static void put_fields(FILE *f, const struct field *field, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		fprintf(f, ",\"%s\":%" PRId64, field[i].name, (int64_t)field[i].value);
}

static void put_workers(FILE *f)
{
	struct field field[FIELDS];

	fputs("{\"worker\":[", f);
	for (unsigned i = 0; i < worker_count(); i++) {
		fprintf(f, "%s{\"busy\":%u.%u", i == 0 ? "" : ",", t.busy_permille[i] / 10,
			t.busy_permille[i] % 10);
		put_fields(f, field, worker_fields(worker_get(i), field));
		fputc('}', f);
	}
}

static void put_ports(FILE *f)
{
	struct field field[FIELDS];
	bool first = true;

	fputs("],\"port\":[", f);
	for (uint16_t i = 0; i < PORT_MAX; i++) {
		const struct port *p = port_get(i);

		if (p == NULL)
			continue;
		fputs(first ? "{" : ",{", f);
		first = false;
		put_text(f, "name", p->name);
		fputc(',', f);
		put_text(f, "device", p->device);
		fprintf(f, ",\"kind\":\"%s\",\"up\":%s", kind_name(p->kind),
			atomic_load_explicit(&p->up, memory_order_relaxed) ? "true" : "false");
		put_fields(f, field, port_fields(p, field));
		fputc('}', f);
	}
}

static void put_drops(FILE *f, const struct node_sum *s)
{
	fputs("],\"drop\":{", f);
	for (unsigned i = 1; i < DROP_COUNT; i++)
		fprintf(f, "\"%s\":%" PRIu64 ",", drop_name((enum drop_reason)i), s->c.dropped[i]);
	fprintf(f, "\"xdp-dropped\":%" PRIu64 ",\"rx-missed\":%" PRIu64 "},\"drop-text\":{",
		s->in.cut, s->in.missed);
	for (unsigned i = 1; i < DROP_COUNT; i++) {
		put_text(f, drop_name((enum drop_reason)i), drop_text((enum drop_reason)i));
		fputc(',', f);
	}
	put_text(f, "xdp-dropped", "for us, but the application was not there to take it");
	fputc(',', f);
	put_text(f, "rx-missed", "receive ring was full");
}

char *out_counters_json(const char *extra)
{
	struct field field[FIELDS];
	struct node_sum s;
	char *text = NULL;
	size_t size = 0;
	unsigned n;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		return NULL;
	put_workers(f);
	put_ports(f);
	node_sum(&s);
	put_drops(f, &s);
	n = sum_fields(&s, field);
	fprintf(f, "},\"sum\":{\"%s\":%" PRId64, field[0].name, (int64_t)field[0].value);
	put_fields(f, field + 1, n - 1);
	n = detail_fields(&s, field);
	fprintf(f, "},\"detail\":{\"%s\":%" PRId64, field[0].name, (int64_t)field[0].value);
	put_fields(f, field + 1, n - 1);
	if (extra != NULL && extra[0] != '\0')
		fprintf(f, ",%s", extra);
	fputs("}}", f);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

// ---- rte_telemetry --------------------------------------------------------------------------------

// The library allows letters, digits and '_' in names.
static void tel_name(const char *name, char *to, size_t size)
{
	snprintf(to, size, "%s", name);
	for (; *to != '\0'; to++)
		if (*to == '-')
			*to = '_';
}

static void tel_fields(struct rte_tel_data *d, const struct field *field, unsigned n)
{
	char name[64];

	for (unsigned i = 0; i < n; i++) {
		tel_name(field[i].name, name, sizeof(name));
		rte_tel_data_add_dict_u64(d, name, field[i].value);
	}
}

static int tel_counters(unsigned from, struct rte_tel_data *d)
{
	struct field field[FIELDS];
	struct mirror_stats ms;
	struct node_sum s;

	node_sum(&s);
	rte_tel_data_start_dict(d);
	tel_fields(d, field, sum_fields(&s, field));
	tel_fields(d, field, detail_fields(&s, field));
	mirror_stats(&ms);
	rte_tel_data_add_dict_u64(d, "mirror_events", ms.events);
	rte_tel_data_add_dict_u64(d, "mirror_resyncs", ms.resyncs);
	rte_tel_data_add_dict_u64(d, "mirror_overruns", ms.overruns);
	rte_tel_data_add_dict_u64(d, "mirror_views", ms.views);
	rte_tel_data_add_dict_u64(d, "mirror_asked", ms.asked);
	rte_tel_data_add_dict_u64(d, "mirror_routes", ms.routes);
	rte_tel_data_add_dict_u64(d, "mirror_nexthops", ms.nexthops);
	rte_tel_data_add_dict_u64(d, "mirror_table_bytes", ms.table_bytes);
	return 0;
}

static int tel_drops(unsigned from, struct rte_tel_data *d)
{
	struct worker_counters c;
	char name[64];

	worker_counters_sum(&c);
	rte_tel_data_start_dict(d);
	for (unsigned i = 1; i < DROP_COUNT; i++) {
		tel_name(drop_name((enum drop_reason)i), name, sizeof(name));
		rte_tel_data_add_dict_u64(d, name, c.dropped[i]);
	}
	return 0;
}

// The library of 22.11 nests no dictionaries: without a parameter the list, with one that worker.
static int tel_workers(unsigned from, struct rte_tel_data *d)
{
	struct field field[FIELDS];

	if (from == NO_PARAMETER) {
		rte_tel_data_start_array(d, RTE_TEL_INT_VAL);
		for (unsigned i = 0; i < worker_count(); i++)
			rte_tel_data_add_array_int(d, (int)i);
		return 0;
	}
	if (from >= worker_count())
		return -EINVAL;
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_u64(d, "busy_permille", t.busy_permille[from]);
	tel_fields(d, field, worker_fields(worker_get(from), field));
	return 0;
}

static int tel_ports(unsigned from, struct rte_tel_data *d)
{
	char text[RTE_TEL_MAX_STRING_LEN];
	struct field field[FIELDS];
	const struct port *p;

	if (from == NO_PARAMETER) {
		rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
		for (uint16_t i = 0; i < PORT_MAX; i++) {
			p = port_get(i);
			if (p == NULL)
				continue;
			snprintf(text, sizeof(text), "%u %s", i, p->name);
			rte_tel_data_add_array_string(d, text);
		}
		return 0;
	}
	p = from < PORT_MAX ? port_get((uint16_t)from) : NULL;
	if (p == NULL)
		return -EINVAL;
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_string(d, "name", p->name);
	rte_tel_data_add_dict_string(d, "device", p->device);
	rte_tel_data_add_dict_string(d, "kind", kind_name(p->kind));
	rte_tel_data_add_dict_int(d, "up",
				  atomic_load_explicit(&p->up, memory_order_relaxed) ? 1 : 0);
	tel_fields(d, field, port_fields(p, field));
	return 0;
}

static const char *address_text(uint8_t family, const uint8_t *addr, char *text)
{
	text[0] = '\0';
	if (family == 4 || family == 6)
		inet_ntop(family == 4 ? AF_INET : AF_INET6, addr, text, INET6_ADDRSTRLEN);
	return text;
}

static int tel_nexthops(unsigned from, struct rte_tel_data *d)
{
	static const char *const state[] = {"none", "resolved", "pending", "failed"};
	static const char *const kind[] = {"none", "host", "glean", "peer", "group"};
	const struct out_view *v = out_view_get();
	char text[RTE_TEL_MAX_STRING_LEN], addr[INET6_ADDRSTRLEN], mac[RTE_ETHER_ADDR_FMT_SIZE];
	unsigned shown = 0;

	rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
	for (uint32_t i = from == NO_PARAMETER || from == 0 ? 1 : from;
	     i < v->count && shown < LIST_MAX; i++) {
		const struct nexthop *nh = &v->nexthop[i];

		if (nh->state == NEXTHOP_NONE)
			continue;
		rte_ether_format_addr(mac, sizeof(mac), &nh->dmac);
		if (nh->kind == NEXTHOP_GROUP)
			snprintf(text, sizeof(text), "%u group of %u, first %u", i, nh->members,
				 nh->member[0]);
		else
			snprintf(text, sizeof(text), "%u %s %s port %u vlan %u mtu %u %s %s", i,
				 kind[nh->kind], address_text(nh->family, nh->addr, addr), nh->port,
				 nh->vlan, nh->mtu, mac, state[nh->state]);
		rte_tel_data_add_array_string(d, text);
		shown++;
	}
	return 0;
}

struct routes_walk {
	struct rte_tel_data *d;
	unsigned skip, shown;
};

static bool tel_route(void *arg, const struct fib_route *r)
{
	static const char *const rank[] = {"prefix", "local", "main", "default"};
	char text[RTE_TEL_MAX_STRING_LEN], addr[INET6_ADDRSTRLEN], gw[INET6_ADDRSTRLEN];
	struct routes_walk *w = arg;
	uint32_t metric;
	int n;

	if (w->skip != 0) {
		w->skip--;
		return true;
	}
	memcpy(&metric, r->key.metric, 4);
	n = snprintf(text, sizeof(text), "%s/%u %s metric %u",
		     address_text(r->key.family, r->key.addr, addr), r->key.len, rank[r->key.rank],
		     ntohl(metric));
	if (r->paths == 0)
		snprintf(text + n, sizeof(text) - (size_t)n, " nowhere");
	else if (r->paths == 1)
		snprintf(text + n, sizeof(text) - (size_t)n, " via %s if %d",
			 address_text(r->path[0].family, r->path[0].gateway, gw),
			 r->path[0].ifindex);
	else
		snprintf(text + n, sizeof(text) - (size_t)n, " %u paths", r->paths);
	rte_tel_data_add_array_string(w->d, text);
	return ++w->shown < LIST_MAX;
}

static int tel_routes(unsigned from, struct rte_tel_data *d)
{
	struct routes_walk w = {.d = d, .skip = from == NO_PARAMETER ? 0 : from};

	rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
	mirror_walk(tel_route, &w);
	return 0;
}

static const struct command {
	const char *name;
	int (*fn)(unsigned from, struct rte_tel_data *d);
	const char *help;
} commands[] = {
	{"/sluice/counters", tel_counters, "Sum of all packets, XDP included. No parameters"},
	{"/sluice/drops", tel_drops, "Packets dropped, by reason. No parameters"},
	{"/sluice/nexthops", tel_nexthops, "Next hops. Parameter: first index"},
	{"/sluice/ports", tel_ports, "Ports. Parameter: index of one"},
	{"/sluice/routes", tel_routes, "Routes mirrored. Parameter: how many to skip"},
	{"/sluice/workers", tel_workers, "Workers. Parameter: index of one"},
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t done = PTHREAD_COND_INITIALIZER;

// What the telemetry thread waits for; under `lock`. One at a time: the library has a thread for each
// client, so `busy` queues them.
static struct {
	bool busy, wanted;
	const struct command *command;
	unsigned from;
	struct rte_tel_data *data;
	int rc;
} ask;

static void on_ask(struct loop *l, int fd, uint32_t epoll_events, void *arg)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) < 0)
		return;
	pthread_mutex_lock(&lock);
	if (ask.wanted) {
		ask.rc = ask.command->fn(ask.from, ask.data);
		ask.wanted = false;
		pthread_cond_broadcast(&done);
	}
	pthread_mutex_unlock(&lock);
}

static int on_command(const char *cmd, const char *params, struct rte_tel_data *d)
{
	const struct command *c = NULL;
	struct timespec until;
	uint64_t one = 1;
	int rc = 0;

	for (unsigned i = 0; i < RTE_DIM(commands); i++)
		if (strcmp(commands[i].name, cmd) == 0)
			c = &commands[i];
	if (c == NULL)
		return -EINVAL;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ANSWER_MS / 1000;
	pthread_mutex_lock(&lock);
	while (ask.busy && rc == 0)
		rc = pthread_cond_timedwait(&done, &lock, &until);
	if (ask.busy || t.fd < 0) {
		pthread_mutex_unlock(&lock);
		return -EBUSY;
	}
	ask.busy = ask.wanted = true;
	ask.command = c;
	ask.from = params != NULL && params[0] != '\0' ? (unsigned)strtoul(params, NULL, 10)
						       : NO_PARAMETER;
	ask.data = d;
	rc = write(t.fd, &one, sizeof(one)) == sizeof(one) ? 0 : EIO;
	while (ask.wanted && rc == 0)
		rc = pthread_cond_timedwait(&done, &lock, &until);
	rc = ask.wanted ? -ETIMEDOUT : ask.rc; // not answered: the data is ours again
	ask.busy = ask.wanted = false;
	pthread_cond_broadcast(&done);
	pthread_mutex_unlock(&lock);
	return rc;
}

int out_telemetry_init(struct loop *l)
{
	int rc;

	t.loop = l;
	t.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (t.fd < 0)
		return -errno;
	rc = loop_add_fd(l, t.fd, EPOLLIN, on_ask, NULL);
	if (rc != 0)
		return rc;
	t.sampled_tsc = rte_rdtsc();
	t.timer = loop_add_timer(l, SAMPLE_MS, SAMPLE_MS, sample, NULL);
	for (unsigned i = 0; i < RTE_DIM(commands); i++) // -EEXIST: a second init in one process
		rte_telemetry_register_cmd(commands[i].name, on_command, commands[i].help);
	return t.timer > 0 ? 0 : t.timer;
}
