// SPDX-License-Identifier: BSD-3-Clause
//
// lb_bench - the whole worker of sluice-lb (ports, worker loop, parser, flow table, rewrite, out) over
// net_pcap, with configuration given by the same calls as the control link makes. perf/bench.py
// drives it; one invocation is one step, and the flow table in --dir outlives each, as in a restart:
//
//	lb_bench open   SYNs of N clients, from a file; then writes, for the local ports really chosen,
//	                shake.pcap (SYN-ACK and ACK of all) and traffic.pcap (N packets of N flows, half of
//	                them replies, shuffled)
//	lb_bench shake  completes the handshakes
//	lb_bench check  one pass of traffic.pcap; each packet that leaves is compared with one rewritten here
//	                and summed anew
//	lb_bench run    traffic.pcap over and over; prints packets and CPU time of the worker
//	lb_bench table  times to make a table, to fill it, and to take it over; the memory it takes
//
// Further steps stand in lb_loop.c, lb_show.c and lb_wire.c.
//
// The last line printed is a JSON object.

#include "perf/load/lb_bench.h"

#include "dataplane/core/clock.h"
#include "dataplane/flow/table.h"
#include "dataplane/port/port.h"
#include "perf/load/lb_packets.h"

#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// One pass over a file of n packets, none of which may be lost.
static void pass(const char *rx, const char *tx, uint32_t n)
{
	struct sample s = {0};

	bench_start();
	bench_configure(&(struct bench_conf){.rx = rx, .tx = tx});
	need(worker_start(), "workers");
	for (unsigned i = 0; i < 6000 && s.count.received < n; i++) {
		usleep(10000);
		s = bench_sample();
	}
	worker_stop();
	s = bench_sample();
	if (s.count.received != n || s.count.forwarded != n) {
		fprintf(stderr, "lb_bench: %s: %llu of %u packets came, %llu left\n", rx,
			(unsigned long long)s.count.received, n,
			(unsigned long long)s.count.forwarded);
		bench_dropped(&s);
		exit(1);
	}
}

static bool collect(void *ctx, const struct lb_flow_info *f)
{
	struct packets *p = ctx;

	return packets_add(p, f->client, f->client_port, f->service, arg.nat ? f->client : f->local,
			   arg.nat ? f->client_port : f->local_port, f->server) == 0;
}

static void step_open(void)
{
	struct packets *p;

	need(packets_create(arg.flows, &p), "packets");
	need(packets_write_syns(p, path_of("syn.pcap")), "syn.pcap");
	pass("syn.pcap", NULL, arg.flows);
	if (lb_worker_flow_count(conf.worker[0]) != arg.flows)
		die("not every SYN made a flow", EIO);
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

// So many packets and no more, for a comparison of two runs (perf/stages.py).
static void run_passes(void)
{
	uint64_t packets = (uint64_t)arg.passes * arg.flows;
	struct sample s;

	bench_hold_at(packets);
	bench_start();
	bench_configure(&(struct bench_conf){.rx = "traffic.pcap", .infinite = true});
	need(worker_start(), "workers");
	do {
		usleep(20000);
		s = bench_sample();
	} while (s.count.received < packets);
	worker_stop();
	if (bench_dropped(&s) != 0 || s.count.forwarded != packets)
		die("packets were not forwarded", EIO);
	printf("{\"packets\":%llu}\n", (unsigned long long)packets);
}

static void step_run(void)
{
	struct timespec before, after;
	struct sample a, b;
	uint64_t packets;

	if (arg.passes != 0) {
		run_passes();
		return;
	}
	bench_start();
	clock_gettime(CLOCK_MONOTONIC, &before);
	bench_configure(&(struct bench_conf){.rx = "traffic.pcap", .infinite = true});
	clock_gettime(CLOCK_MONOTONIC, &after);
	need(worker_start(), "workers");
	do { // two passes to warm up
		usleep(20000);
		a = bench_sample();
	} while (a.count.received < 2 * (uint64_t)arg.flows);
	sleep(arg.seconds);
	b = bench_sample();
	worker_stop();
	packets = b.count.forwarded - a.count.forwarded;
	if (bench_dropped(&b) != 0 || b.count.received - a.count.received != packets)
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

// ---- the table alone ---------------------------------------------------------------------------

static double ms_since(uint64_t ns)
{
	return (double)(clock_monotonic_ns() - ns) / 1e6;
}

static void step_table(void)
{
	struct flow_conf flow_conf = {.path = path_of("table.flows"),
				      .max = arg.flows,
				      .timeout = {1, 1000, 1000, 1000, 1000}};
	uint64_t bytes6 = flow_table_bytes(arg.flows, arg.flows);
	uint32_t taken, live, now = clock_ticks();
	double made, filled, took;
	static const struct bench_refs none;
	struct flow_table *t;
	uint64_t start_ns = clock_monotonic_ns(), bytes;
	struct stat st;

	need(flow_table_open(&flow_conf, now, &t, &taken), "table");
	made = ms_since(start_ns);
	start_ns = clock_monotonic_ns();
	bench_fill(t, arg.flows, &none);
	filled = ms_since(start_ns);
	live = flow_count(t);
	flow_table_close(t);
	if (live != arg.flows || stat(flow_conf.path, &st) != 0)
		die("the table did not take all flows", EIO);
	bytes = (uint64_t)st.st_blocks * 512; // what the file takes of memory, not what it says
	start_ns = clock_monotonic_ns();
	need(flow_table_open(&flow_conf, now, &t, &taken), "table");
	took = ms_since(start_ns);
	flow_table_close(t);
	unlink(flow_conf.path);
	printf("{\"flows\":%u,\"taken\":%u,\"bytes\":%llu,\"bytes_per_flow\":%.1f,\"bytes_per_flow6\":%.1f,"
	       "\"make_ms\":%.1f,\"fill_ms\":%.1f,\"take_over_ms\":%.1f}\n",
	       live, taken, (unsigned long long)bytes, (double)bytes / live,
	       (double)bytes6 / arg.flows, made, filled, took);
}

// ---- main --------------------------------------------------------------------------------------

struct bench_arg arg = {.flows = 1024, .seconds = 3, .limit = 300, .rate = 1000000};

static void usage(FILE *f)
{
	fputs("usage: lb_bench STEP --dir DIR [--flows N] [--seconds S] [--mode fullnat|nat] [--cpus LIST]\n"
	      "                [--limit S] [--memory MB] [--no-huge] [--small-buffers]\n"
	      "       open shake check run   the figures per packet, one after the other, over files in DIR\n"
	      "       new connections scatter   with the generator in the loop; [--table N] flow table\n"
	      "                              [--floor]: addresses swapped instead of balanced\n"
	      "       commit [--rate PACKETS/S]   residence time, commits come over the control link in DIR\n"
	      "       wire --memif SOCKET    generator at the far end of a memif\n"
	      "       table                  the flow table alone\n"
	      "       show --table N         packets of the flows of `open` in a table of N flows, while queries\n"
	      "                              come over the control link in DIR\n"
	      "Ends by itself after --limit seconds (300).\n",
	      f);
}

static void refuse(void)
{
	usage(stderr);
	exit(2);
}

static unsigned number(const char *option, const char *text, unsigned long max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno != 0 || *text < '0' || *text > '9' || *end != '\0' || n == 0 || n > max) {
		fprintf(stderr, "lb_bench: --%s '%s': a number within 1..%lu is needed\n", option,
			text, max);
		exit(2);
	}
	return (unsigned)n;
}

static const char *directory(const char *text)
{
	struct stat st;
	char *whole = realpath(text, NULL); // a port takes absolute paths alone

	if (whole == NULL || stat(whole, &st) != 0 || !S_ISDIR(st.st_mode)) {
		fprintf(stderr, "lb_bench: --dir '%s': no such directory\n", text);
		exit(2);
	}
	return whole;
}

static void set(int o, const char *text)
{
	switch (o) {
	case 'd':
		arg.dir = directory(text);
		break;
	case 'f':
		arg.flows = number("flows", text, 1u << 28);
		break;
	case 't':
		arg.table = number("table", text, 1u << 28);
		break;
	case 's':
		arg.seconds = number("seconds", text, 3600);
		break;
	case 'l':
		arg.limit = number("limit", text, 86400);
		break;
	case 'p':
		arg.passes = number("passes", text, 1000000);
		break;
	case 'r':
		arg.rate = number("rate", text, 20000000);
		break;
	case 'm':
		arg.memory_mb = number("memory", text, 1u << 20);
		break;
	case 'c':
		arg.cpus = text;
		break;
	case 'M':
		arg.memif = text;
		break;
	case 'n':
		arg.no_huge = true;
		break;
	case 'b':
		arg.small_buffers = true;
		break;
	case 'F':
		arg.floor = true;
		break;
	case 'o':
		arg.nat = strcmp(text, "nat") == 0;
		if (arg.nat || strcmp(text, "fullnat") == 0)
			break;
		fprintf(stderr, "lb_bench: --mode '%s': fullnat or nat\n", text);
		exit(2);
	default:
		refuse();
	}
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{"dir", required_argument, NULL, 'd'},
		{"flows", required_argument, NULL, 'f'},
		{"table", required_argument, NULL, 't'},
		{"seconds", required_argument, NULL, 's'},
		{"limit", required_argument, NULL, 'l'},
		{"rate", required_argument, NULL, 'r'},
		{"passes", required_argument, NULL, 'p'},
		{"mode", required_argument, NULL, 'o'},
		{"cpus", required_argument, NULL, 'c'},
		{"memif", required_argument, NULL, 'M'},
		{"memory", required_argument, NULL, 'm'},
		{"no-huge", no_argument, NULL, 'n'},
		{"small-buffers", no_argument, NULL, 'b'},
		{"floor", no_argument, NULL, 'F'},
		{NULL, 0, NULL, 0},
	};
	int o;

	if (argc >= 2 && strcmp(argv[1], "--help") == 0) {
		usage(stdout);
		exit(0);
	}
	if (argc < 2 || argv[1][0] == '-')
		refuse();
	arg.step = argv[1];
	optind = 2;
	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1)
		set(o, optarg);
	if (arg.dir == NULL || optind != argc)
		refuse();
}

static void on_limit(int sig)
{
	static const char text[] = "lb_bench: not done within --limit seconds\n";
	ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)sig;
	(void)ignored;
	_exit(1);
}

static void step_shake(void)
{
	pass("shake.pcap", NULL, 2 * arg.flows);
	printf("{\"flows\":%u}\n", lb_worker_flow_count(conf.worker[0]));
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} steps[] = {
		{"open", step_open},       {"shake", step_shake},
		{"check", step_check},     {"run", step_run},
		{"new", step_new},         {"connections", step_connections},
		{"scatter", step_scatter}, {"commit", step_commit},
		{"wire", step_wire},       {"table", step_table},
		{"show", step_show},
	};

	parse(argc, argv);
	signal(SIGALRM, on_limit);
	alarm(arg.limit);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (strcmp(arg.step, steps[i].name) != 0)
			continue;
		steps[i].run();
		fflush(NULL);
		_exit(0); // like sluice-lb: nothing is torn down
	}
	refuse();
}
