// SPDX-License-Identifier: BSD-3-Clause
//
// lb_bench - the whole worker of sluice-lb (ports, worker loop, parser, flow table, rewrite, out) over
// net_pcap, with configuration given by the same calls as the control link makes. perf/bench.py
// drives it; one invocation is one step, and the flow table in --dir outlives each, as in a restart:
//
//	lb_bench open  --flows N   SYNs of N clients, from a file; then writes, for the local ports really
//	                           chosen, shake.pcap (SYN-ACK and ACK of all) and traffic.pcap (N packets of
//	                           N flows, half of them replies, shuffled)
//	lb_bench shake --flows N   completes the handshakes
//	lb_bench check --flows N   one pass of traffic.pcap; each packet that leaves is compared with one
//	                           rewritten here and summed anew
//	lb_bench run   --flows N   traffic.pcap over and over; prints packets and CPU time of the worker
//	lb_bench new   --flows N   SYNs, each of another client (the generator sits in port_rx), with a timeout
//	                           of 1 s; prints new flows and CPU time in steady state
//	lb_bench bytes --flows N   what a table of N flows takes
//	lb_bench table --flows N   times to make a table, to fill it, and to take it over
//
// The last line printed is a JSON object.

#include "apps/lb/lb_conf.h"
#include "dataplane/core/clock.h"
#include "dataplane/core/handover.h"
#include "dataplane/core/loop.h"
#include "dataplane/flow/table.h"
#include "dataplane/out/out.h"
#include "dataplane/port/port.h"
#include "perf/load/lb_packets.h"

#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define INSTANCE "bench"

static struct {
	const char *dir, *step, *cpus;
	uint32_t flows;
	unsigned seconds, memory_mb;
	bool no_huge;
} arg = {.flows = 1024, .seconds = 3};

static struct lb_conf conf;

static void die(const char *what, int rc)
{
	fprintf(stderr, "lb_bench: %s: %s\n", what, strerror(rc < 0 ? -rc : rc));
	exit(1);
}

static void need(int rc, const char *what)
{
	if (rc != 0)
		die(what, rc);
}

static const char *path_of(const char *name)
{
	static char text[4][256];
	static unsigned next;
	char *p = text[next++ % 4];

	snprintf(p, sizeof(text[0]), "%s/%s", arg.dir, name);
	return p;
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
					.local_pool = 10,
					.addr = address(packets_service(i), 32),
					.port = PACKETS_SERVICE_PORT,
					.port_max = PACKETS_SERVICE_PORT,
					.forwarding = CTL_FORWARD_FULLNAT,
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
	return arg.flows < 1024 ? 1024 : arg.flows;
}

static void configure(const char *rx, const char *tx, bool infinite, uint32_t syn_ms)
{
	struct ctl_settings settings = {.flow_max = table_size(), // IPv4 alone
					.tcp_syn_ms = syn_ms,
					.tcp_established_ms = 86400000,
					.tcp_closing_ms = 10000,
					.udp_ms = 60000,
					.persistence_max = 65536};
	struct ctl_ack ack = {0};
	int rc;

	need(lb_conf_calls.begin(&conf, 0, 1), "begin");
	upsert(&settings, CTL_REC_SETTINGS, sizeof(settings), 1);
	configure_port(rx, tx, infinite);
	configure_services();
	rc = lb_conf_calls.prepare(&conf, 1, &ack);
	if (rc != 0) {
		fprintf(stderr, "lb_bench: prepare: %s %s\n", ack.field, ack.message);
		exit(1);
	}
	lb_conf_calls.commit(&conf, 1);
}

static void start(void)
{
	struct port_eal_conf eal = {.instance = INSTANCE,
				    .run_dir = arg.dir,
				    .workers = 1,
				    .cpus = arg.cpus,
				    .memory_mb = arg.memory_mb,
				    .no_huge = arg.no_huge};
	struct lb_conf_args args = {
		.instance = INSTANCE, .run_dir = arg.dir, .flow_dir = arg.dir, .workers = 1};
	struct port_error err = {0};
	struct loop *loop;

	need(loop_create(&loop), "loop");
	if (port_eal_init(&eal, &err) != 0) {
		fprintf(stderr, "lb_bench: %s\n", err.message);
		exit(1);
	}
	need(worker_init(1), "workers");
	need(handover_init(), "hand-over rings");
	need(port_init(INSTANCE), "ports");
	need(out_init(loop), "mirror");
	args.loop = loop;
	need(lb_conf_init(&conf, &args), "configuration");
}

// ---- measuring ---------------------------------------------------------------------------------

struct sample {
	uint64_t cpu_ns;
	struct worker_counters count;
	uint64_t turns;
	uint32_t flows;
	struct lb_counters service; // of all together
};

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

static struct sample sample(void)
{
	struct sample s;

	need(worker_call(0, take_sample, &s), "sample");
	return s;
}

static uint64_t dropped(const struct sample *s)
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

// One pass over a file of n packets, none of which may be lost.
static void pass(const char *rx, const char *tx, uint32_t n)
{
	struct sample s = {0};

	start();
	configure(rx, tx, false, 600000);
	need(worker_start(), "workers");
	for (unsigned i = 0; i < 6000 && s.count.received < n; i++) {
		usleep(10000);
		s = sample();
	}
	worker_stop();
	need(worker_call(0, take_sample, &s), "sample");
	if (s.count.received != n || s.count.forwarded != n) {
		fprintf(stderr, "lb_bench: %s: %llu of %u packets came, %llu left\n", rx,
			(unsigned long long)s.count.received, n,
			(unsigned long long)s.count.forwarded);
		dropped(&s);
		exit(1);
	}
}

static bool collect(void *ctx, const struct lb_flow_info *f)
{
	struct packets *p = ctx;

	return packets_add(p, f->client, f->client_port, f->service, f->local, f->local_port,
			   f->server) == 0;
}

static void step_open(void)
{
	struct packets *p;

	need(packets_create(arg.flows, &p), "packets");
	need(packets_write_syns(p, path_of("syn.pcap")), "syn.pcap");
	pass("syn.pcap", NULL, arg.flows);
	lb_worker_flows(conf.worker[0], collect, p);
	need(packets_write_shake(p, path_of("shake.pcap")), "shake.pcap");
	need(packets_write_traffic(p, path_of("traffic.pcap"), path_of("expected.pcap")),
	     "traffic.pcap");
	printf("{\"flows\":%u}\n", lb_worker_flow_count(conf.worker[0]));
}

static void step_check(void)
{
	uint64_t compared = 0;
	int rc;

	pass("traffic.pcap", "out.pcap", arg.flows);
	port_close(port_get(0));
	rc = packets_compare(path_of("out.pcap"), path_of("expected.pcap"), &compared);
	if (rc != 0) {
		fprintf(stderr, "lb_bench: packet %llu is not as expected\n",
			(unsigned long long)compared);
		exit(1);
	}
	printf("{\"compared\":%llu}\n", (unsigned long long)compared);
}

static void step_run(void)
{
	struct timespec before, after;
	struct sample a, b;
	uint64_t packets;

	start();
	clock_gettime(CLOCK_MONOTONIC, &before);
	configure("traffic.pcap", NULL, true, 600000);
	clock_gettime(CLOCK_MONOTONIC, &after);
	need(worker_start(), "workers");
	do { // two passes to warm up
		usleep(20000);
		a = sample();
	} while (a.count.received < 2 * (uint64_t)arg.flows);
	sleep(arg.seconds);
	b = sample();
	worker_stop();
	packets = b.count.forwarded - a.count.forwarded;
	if (dropped(&b) != 0 || b.count.received - a.count.received != packets)
		die("packets were not forwarded", EIO);
	printf("{\"packets\":%llu,\"cpu_ns\":%llu,\"ns_per_packet\":%.2f,\"per_turn\":%.1f,"
	       "\"configure_ms\":%.1f,\"taken\":%u}\n",
	       (unsigned long long)packets, (unsigned long long)(b.cpu_ns - a.cpu_ns),
	       (double)(b.cpu_ns - a.cpu_ns) / (double)packets,
	       (double)packets / (double)(b.turns - a.turns),
	       (double)(after.tv_sec - before.tv_sec) * 1e3 +
		       (double)(after.tv_nsec - before.tv_nsec) / 1e6,
	       conf.flows_taken);
}

// ---- a generator in the loop -------------------------------------------------------------------

static bool generate;

uint16_t __real_port_rx(const struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);
uint16_t __wrap_port_rx(const struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);

uint16_t __wrap_port_rx(const struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t got = __real_port_rx(p, queue, pkts, n);

	if (generate)
		for (uint16_t i = 0; i < got; i++)
			packets_renew(rte_pktmbuf_mtod(pkts[i], uint8_t *));
	return got;
}

static void step_new(void)
{
	struct packets *p;
	struct sample a, b;
	uint64_t made;

	need(packets_create(1024, &p), "packets");
	need(packets_write_syns(p, path_of("syn.pcap")), "syn.pcap");
	generate = true;
	start();
	configure("syn.pcap", NULL, true, 1000);
	need(worker_start(), "workers");
	sleep(3); // the first have ended by now
	a = sample();
	sleep(arg.seconds);
	b = sample();
	worker_stop();
	dropped(&b);
	made = b.service.new_flows - a.service.new_flows;
	printf("{\"made\":%llu,\"ended\":%llu,\"refused\":%llu,\"live\":%u,\"cpu_ns\":%llu,"
	       "\"packets\":%llu,\"per_second\":%.0f}\n",
	       (unsigned long long)made,
	       (unsigned long long)(b.service.ended_flows - a.service.ended_flows),
	       (unsigned long long)(b.service.refused - a.service.refused), b.flows,
	       (unsigned long long)(b.cpu_ns - a.cpu_ns),
	       (unsigned long long)(b.count.received - a.count.received),
	       (double)made * 1e9 / (double)(b.cpu_ns - a.cpu_ns));
}

static void step_bytes(void)
{
	uint64_t bytes = flow_table_bytes(arg.flows, 0);
	uint64_t bytes6 = flow_table_bytes(arg.flows, arg.flows);

	printf("{\"bytes\":%llu,\"bytes_per_flow\":%.1f,\"bytes_per_flow6\":%.1f}\n",
	       (unsigned long long)bytes, (double)bytes / arg.flows, (double)bytes6 / arg.flows);
}

static double ms_since(uint64_t ns)
{
	return (double)(clock_monotonic_ns() - ns) / 1e6;
}

static void step_table(void)
{
	struct flow_conf flow_conf = {.path = path_of("table.flows"),
				      .max = arg.flows,
				      .timeout = {1, 1000, 1000, 1000, 1000}};
	uint32_t taken, now = clock_ticks();
	double made, filled, took;
	struct flow_table *t;
	uint64_t start_ns = clock_monotonic_ns();

	need(flow_table_open(&flow_conf, now, &t, &taken), "table");
	made = ms_since(start_ns);
	start_ns = clock_monotonic_ns();
	for (uint32_t i = 0; i < arg.flows; i++) {
		uint32_t index = flow_alloc(t, false);
		struct flow *f = flow_at(t, index);

		*f = (struct flow){.client = i,
				   .service_addr = packets_service(0),
				   .local = packets_local(i / 60000),
				   .server_addr = packets_server(i % PACKETS_SERVERS),
				   .client_port = 1,
				   .service_port = PACKETS_SERVICE_PORT,
				   .local_port = (rte_be16_t)(1 + i % 60000),
				   .server_port = PACKETS_SERVER_PORT,
				   .proto = IPPROTO_TCP,
				   .state = FLOW_TCP_ESTABLISHED,
				   .last_seen = now};
		need(flow_link(t, index, flow_hash_of(t, index, 0),
			       flow_hash_of(t, index, FLOW_DIR_BIT), now),
		     "flow");
	}
	filled = ms_since(start_ns);
	flow_table_close(t);
	start_ns = clock_monotonic_ns();
	need(flow_table_open(&flow_conf, now, &t, &taken), "table");
	took = ms_since(start_ns);
	flow_table_close(t);
	unlink(flow_conf.path);
	printf("{\"taken\":%u,\"make_ms\":%.1f,\"fill_ms\":%.1f,\"take_over_ms\":%.1f}\n", taken,
	       made, filled, took);
}

// ---- main --------------------------------------------------------------------------------------

static void usage(void)
{
	fputs("usage: lb_bench open|shake|check|run|new|bytes|table --dir DIR --flows N [--seconds S]\n"
	      "                [--cpus LIST] [--memory MB] [--no-huge]\n",
	      stderr);
	exit(2);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{"dir", required_argument, NULL, 'd'},
		{"flows", required_argument, NULL, 'f'},
		{"seconds", required_argument, NULL, 's'},
		{"cpus", required_argument, NULL, 'c'},
		{"memory", required_argument, NULL, 'm'},
		{"no-huge", no_argument, NULL, 'n'},
		{NULL, 0, NULL, 0},
	};
	int o;

	if (argc < 2)
		usage();
	arg.step = argv[1];
	optind = 2;
	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'd')
			arg.dir = optarg;
		else if (o == 'f')
			arg.flows = (uint32_t)strtoul(optarg, NULL, 10);
		else if (o == 's')
			arg.seconds = (unsigned)strtoul(optarg, NULL, 10);
		else if (o == 'c')
			arg.cpus = optarg;
		else if (o == 'm')
			arg.memory_mb = (unsigned)strtoul(optarg, NULL, 10);
		else if (o == 'n')
			arg.no_huge = true;
		else
			usage();
	}
	if (arg.dir == NULL || arg.flows == 0 || arg.seconds == 0 || optind != argc)
		usage();
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	if (strcmp(arg.step, "open") == 0) {
		step_open();
	} else if (strcmp(arg.step, "shake") == 0) {
		pass("shake.pcap", NULL, 2 * arg.flows);
		printf("{\"flows\":%u}\n", lb_worker_flow_count(conf.worker[0]));
	} else if (strcmp(arg.step, "check") == 0) {
		step_check();
	} else if (strcmp(arg.step, "run") == 0) {
		step_run();
	} else if (strcmp(arg.step, "new") == 0) {
		step_new();
	} else if (strcmp(arg.step, "bytes") == 0) {
		step_bytes();
	} else if (strcmp(arg.step, "table") == 0) {
		step_table();
	} else {
		usage();
	}
	fflush(NULL);
	_exit(0); // like sluice-lb: nothing is torn down
}
