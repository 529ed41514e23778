// SPDX-License-Identifier: BSD-3-Clause
//
// Start and configuration of lb_bench, by the calls that the control link makes; and the link itself for steps
// that are driven from outside.

#include "perf/load/lb_bench.h"

#include "dataplane/core/handover.h"
#include "dataplane/core/loop.h"
#include "dataplane/ctl/server.h"
#include "dataplane/out/out.h"
#include "dataplane/port/port.h"
#include "perf/load/lb_packets.h"

#include <errno.h>
#include <netinet/in.h>
#include <rte_mbuf.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define SMALL_BUFFER 256 // bytes, headroom included: enough for frames of 60

struct lb_conf conf;
struct loop *bench_loop;

void die(const char *what, int rc)
{
	fprintf(stderr, "lb_bench: %s: %s\n", what, strerror(rc < 0 ? -rc : rc));
	exit(1);
}

void need(int rc, const char *what)
{
	if (rc != 0)
		die(what, rc);
}

const char *path_of(const char *name)
{
	static char text[4][256];
	static unsigned next;
	char *p = text[next++ % 4];

	snprintf(p, sizeof(text[0]), "%s/%s", arg.dir, name);
	return p;
}

// A file of a million packets is held in a million buffers: with --small-buffers in 450 MB instead of 2.4 GB.
struct rte_mempool *__real_rte_pktmbuf_pool_create(const char *name, unsigned n, unsigned cache,
						   uint16_t priv, uint16_t room, int socket);
struct rte_mempool *__wrap_rte_pktmbuf_pool_create(const char *name, unsigned n, unsigned cache,
						   uint16_t priv, uint16_t room, int socket);

struct rte_mempool *__wrap_rte_pktmbuf_pool_create(const char *name, unsigned n, unsigned cache,
						   uint16_t priv, uint16_t room, int socket)
{
	return __real_rte_pktmbuf_pool_create(name, n, cache, priv,
					      arg.small_buffers ? SMALL_BUFFER : room, socket);
}

// ---- configuration, as sluiced would send it ---------------------------------------------------

static void upsert(void *rec, uint16_t type, size_t size, uint64_t id)
{
	struct ctl_rec *r = rec;
	struct ctl_ack ack = {0};
	int rc;

	*r = (struct ctl_rec){.type = type, .size = (uint16_t)size, .id = id};
	rc = lb_conf_calls.upsert(&conf, r, &ack);
	if (rc != 0) {
		fprintf(stderr, "lb_bench: record type %u: %s\n", type, ack.message);
		exit(1);
	}
}

static struct ctl_addr address(rte_be32_t ip, uint8_t len)
{
	struct ctl_addr a = {.family = 4, .len = len};

	memcpy(a.bytes, &ip, 4);
	return a;
}

static void configure_services(void)
{
	struct ctl_local_pool local = {.name = "local", .port_min = 1024, .port_max = 65535};
	struct ctl_pool pool = {.name = "pool",
				.scheduler = CTL_SCHED_WRR,
				.hash_key = CTL_HASH_SOURCE_PORT,
				.min_available = 1,
				.on_down = CTL_ON_DOWN_RESET};

	upsert(&local, CTL_REC_LOCAL_POOL, sizeof(local), 10);
	for (uint32_t i = 0; i < PACKETS_LOCALS; i++) {
		struct ctl_local_address a = {.local_pool = 10,
					      .addr = address(packets_local(i), 32)};

		upsert(&a, CTL_REC_LOCAL_ADDRESS, sizeof(a), 100 + i);
	}
	upsert(&pool, CTL_REC_POOL, sizeof(pool), 11);
	for (uint32_t i = 0; i < PACKETS_SERVERS; i++) {
		struct ctl_server s = {.pool = 11,
				       .addr = address(packets_server(i), 32),
				       .port = PACKETS_SERVER_PORT,
				       .weight = 1,
				       .admin = CTL_ADMIN_ENABLED};

		snprintf(s.name, sizeof(s.name), "s%u", i);
		upsert(&s, CTL_REC_SERVER, sizeof(s), 1000 + i);
	}
	for (uint32_t i = 0; i < PACKETS_SERVICES; i++) {
		struct ctl_service v = {.pool = 11,
					.local_pool = arg.nat ? 0 : 10,
					.addr = address(packets_service(i), 32),
					.port = PACKETS_SERVICE_PORT,
					.port_max = PACKETS_SERVICE_PORT,
					.forwarding =
						arg.nat ? CTL_FORWARD_NAT : CTL_FORWARD_FULLNAT,
					.proto = IPPROTO_TCP,
					.enabled = 1};

		snprintf(v.name, sizeof(v.name), "v%u", i);
		upsert(&v, CTL_REC_SERVICE, sizeof(v), 500 + i);
	}
}

static void configure_port(const char *rx, const char *tx, bool infinite)
{
	struct ctl_port p = {.name = "wire",
			     .kind = CTL_PORT_PCAP,
			     .flags = infinite ? CTL_PORT_F_PCAP_INFINITE : 0,
			     .mac = {2, 0, 0, 0, 0, 1},
			     .peer_mac = {2, 0, 0, 0, 0, 2}};
	struct ctl_prefix prefix = {.port = 1, .prefix = address(0, 0)};

	snprintf(p.path, sizeof(p.path), "%s", path_of(rx));
	if (tx != NULL)
		snprintf(p.path2, sizeof(p.path2), "%s", path_of(tx));
	upsert(&p, CTL_REC_PORT, sizeof(p), 1);
	upsert(&prefix, CTL_REC_PREFIX, sizeof(prefix), 2);
}

static uint32_t table_size(void)
{
	uint32_t n = arg.table != 0 ? arg.table : arg.flows;

	return n < 1024 ? 1024 : n;
}

void bench_configure(const struct bench_conf *c)
{
	struct ctl_settings settings = {.flow_max = table_size(), // IPv4 alone
					.tcp_syn_ms = c->syn_ms != 0 ? c->syn_ms : 600000,
					.tcp_established_ms = 86400000,
					.tcp_closing_ms =
						c->closing_ms != 0 ? c->closing_ms : 10000,
					.udp_ms = 60000,
					.persistence_max = 65536};
	struct ctl_ack ack = {0};
	int rc;

	need(lb_conf_calls.begin(&conf, 0, 1), "begin");
	upsert(&settings, CTL_REC_SETTINGS, sizeof(settings), 1);
	configure_port(c->rx, c->tx, c->infinite);
	configure_services();
	rc = lb_conf_calls.prepare(&conf, 1, &ack);
	if (rc != 0) {
		fprintf(stderr, "lb_bench: prepare: %s %s\n", ack.field, ack.message);
		exit(1);
	}
	lb_conf_calls.commit(&conf, 1);
}

void bench_start(void)
{
	struct port_eal_conf eal = {.instance = BENCH_INSTANCE,
				    .run_dir = arg.dir,
				    .workers = 1,
				    .cpus = arg.cpus,
				    .memory_mb = arg.memory_mb,
				    .no_huge = arg.no_huge};
	struct lb_conf_args args = {
		.instance = BENCH_INSTANCE, .run_dir = arg.dir, .flow_dir = arg.dir, .workers = 1};
	struct port_error err = {0};

	need(loop_create(&bench_loop), "loop");
	if (port_eal_init(&eal, &err) != 0) {
		fprintf(stderr, "lb_bench: %s\n", err.message);
		exit(1);
	}
	need(worker_init(1), "workers");
	need(handover_init(), "hand-over rings");
	need(port_init(BENCH_INSTANCE), "ports");
	need(out_init(bench_loop), "mirror");
	args.loop = bench_loop;
	need(lb_conf_init(&conf, &args), "configuration");
}

// ---- measuring ---------------------------------------------------------------------------------

// On the worker, between two bursts: its own CPU time and counters belong together.
static int take_sample(struct worker *w, void *p)
{
	struct sample *s = p;
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	s->cpu_ns = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
	s->count = w->count;
	s->turns = w->turns;
	s->flows = lb_worker_flow_count(conf.worker[0]);
	memset(&s->service, 0, sizeof(s->service));
	for (uint32_t slot = 0; slot < PACKETS_SERVICES; slot++) {
		const struct lb_counters *c = lb_worker_service_counters(conf.worker[0], slot);

		s->service.new_flows += c->new_flows;
		s->service.ended_flows += c->ended_flows;
		s->service.refused += c->refused;
	}
	return 0;
}

struct sample bench_sample(void)
{
	struct sample s;

	need(worker_call(0, take_sample, &s), "sample");
	return s;
}

uint64_t bench_dropped(const struct sample *s)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < DROP_COUNT; i++) {
		sum += s->count.dropped[i];
		if (s->count.dropped[i] != 0)
			fprintf(stderr, "lb_bench: dropped as %s: %llu\n", drop_name(i),
				(unsigned long long)s->count.dropped[i]);
	}
	return sum;
}

// ---- driven from outside ------------------------------------------------------------------------

static int pin(struct worker *w, void *p)
{
	(void)w;
	return sched_setaffinity(0, sizeof(cpu_set_t), p) == 0 ? 0 : -errno;
}

// The worker on the first CPU that we may use, this thread on the others. Returns: how many we may use.
static int part_cpus(void)
{
	cpu_set_t all, one;
	int cpu = 0;

	if (sched_getaffinity(0, sizeof(all), &all) != 0)
		return 0;
	if (CPU_COUNT(&all) < 2)
		return CPU_COUNT(&all);
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	need(worker_call(0, pin, &one), "the worker's CPU");
	CPU_CLR(cpu, &all);
	sched_setaffinity(0, sizeof(all), &all);
	return CPU_COUNT(&all) + 1;
}

static void on_stdin(struct loop *l, int fd, uint32_t events, void *p)
{
	void (**obey)(const char *word) = p;
	char text[256], *word, *save = NULL;
	ssize_t n = read(fd, text, sizeof(text) - 1);

	(void)events;
	if (n <= 0) {
		loop_stop(l);
		return;
	}
	text[n] = '\0';
	for (word = strtok_r(text, "\n", &save); word != NULL; word = strtok_r(NULL, "\n", &save))
		(*obey)(word);
	fflush(stdout);
}

void bench_serve(void (*obey)(const char *word))
{
	struct ctl_link_conf link_conf = {.run_dir = arg.dir,
					  .lib_dir = arg.dir,
					  .instance = BENCH_INSTANCE,
					  .control_uid = geteuid()};
	struct ctl_app app = lb_conf_calls;
	struct ctl_link *link;
	int cpus;

	app.arg = &conf;
	need(ctl_link_create(bench_loop, &link_conf, &app, &link), "control link");
	lb_conf_linked(&conf, link);
	need(worker_start(), "workers");
	cpus = part_cpus();
	need(loop_add_fd(bench_loop, STDIN_FILENO, EPOLLIN, on_stdin, &obey), "stdin");
	printf("{\"ready\":true,\"cpus\":%d}\n", cpus);
	fflush(stdout);
	loop_run(bench_loop);
	worker_stop();
}
