// SPDX-License-Identifier: BSD-3-Clause
//
// Steps of lb_bench with the generator in the worker's loop: it writes each packet over one that net_pcap
// received, and sees each that is sent; so its time is the worker's time, and is counted.
//
//	lb_bench new          SYNs, each of another client, with a timeout of 1 s; new flows per second of
//	                      the worker's CPU time, in steady state
//	lb_bench connections  whole connections of ten packets, closed ones kept for 1 s; likewise
//	lb_bench scatter      one packet of each of N flows over and over, as `run`, for more flows than
//	                      packet buffers can hold
//	lb_bench commit       packets of N flows at a steady rate, residence time of each by TSC; commits come
//	                      over the control link; commands on stdin: go,
//	                      opened, report, quit; own-time, tsc: begin anew, packets arrive and stay by that clock
//
// --floor: the same generator, ports and loop, with addresses and ports swapped instead of balanced.

#include "perf/load/lb_bench.h"

#include "dataplane/core/clock.h"
#include "dataplane/core/loop.h"
#include "dataplane/port/port.h"
#include "perf/load/lb_gen.h"
#include "perf/load/lb_packets.h"

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define APART     1024                // connections begun between two packets of one
#define TEMPLATES 1024                // frames in the file that are written over
#define CHECKED   (UINT64_C(1) << 20) // packets looked at before anything is timed
#define RING      4096                // packets that wait at most, as in a NIC's ring

static struct {
	struct gen *gen;
	bool renew;    // SYNs of the file, each made another client's
	uint64_t left; // packets to be received
	// commit
	_Atomic bool go;
	bool paced;
	bool own_time; // packets arrive and stay by the worker's CPU time instead of the TSC
	int stamp;     // offset of the arrival's TSC in an mbuf
	uint64_t begun_tsc, arrived;
} in = {.left = UINT64_MAX};

void bench_hold_at(uint64_t packets)
{
	in.left = packets;
}

// ---- where the wire would be -------------------------------------------------------------------

uint16_t __real_port_rx(const struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);
uint16_t __wrap_port_rx(const struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);
uint16_t __real_port_tx(const struct port *p, unsigned worker, struct rte_mbuf **pkts, uint16_t n);
uint16_t __wrap_port_tx(const struct port *p, unsigned worker, struct rte_mbuf **pkts, uint16_t n);

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

// In TSC ticks, either way.
static uint64_t now_ticks(void)
{
	if (!in.own_time)
		return rte_rdtsc();
	return (uint64_t)((__uint128_t)cpu_ns() * rte_get_tsc_hz() / 1000000000);
}

static uint64_t *stamp_of(struct rte_mbuf *m)
{
	return RTE_MBUF_DYNFIELD(m, in.stamp, uint64_t *);
}

// ---- residence time ----------------------------------------------------------------------------

#define OCTAVE_BITS 6 // buckets of 1/64 of an octave: 1.6 %

static struct {
	uint64_t bucket[64 << OCTAVE_BITS];
	uint64_t packets, missed, longest_tsc;
	uint64_t turn_cpu_ns, turn_tsc; // longest turn
	uint64_t last_cpu_ns, last_tsc;
} residence;

static unsigned bucket_of(uint64_t v)
{
	unsigned top = v < (1u << OCTAVE_BITS) ? OCTAVE_BITS : 63 - (unsigned)__builtin_clzll(v);

	return ((top - OCTAVE_BITS) << OCTAVE_BITS) + (unsigned)(v >> (top - OCTAVE_BITS));
}

static uint64_t bucket_end(unsigned b)
{
	unsigned octave = b >> OCTAVE_BITS;

	if (octave == 0)
		return b;
	return (uint64_t)((b & ((1u << OCTAVE_BITS) - 1)) + (1u << OCTAVE_BITS) + 1)
	       << (octave - 1);
}

static double percentile_us(double p)
{
	uint64_t rank = (uint64_t)((double)residence.packets * p), seen = 0;

	for (unsigned b = 0; b < sizeof(residence.bucket) / sizeof(residence.bucket[0]); b++) {
		seen += residence.bucket[b];
		if (seen > rank)
			return (double)bucket_end(b) * 1e6 / (double)rte_get_tsc_hz();
	}
	return 0;
}

// Once a turn, as there is one port.
static void note_turn(void)
{
	uint64_t cpu = cpu_ns(), tsc = rte_rdtsc();

	if (residence.last_cpu_ns != 0) {
		if (cpu - residence.last_cpu_ns > residence.turn_cpu_ns)
			residence.turn_cpu_ns = cpu - residence.last_cpu_ns;
		if (tsc - residence.last_tsc > residence.turn_tsc)
			residence.turn_tsc = tsc - residence.last_tsc;
	}
	residence.last_cpu_ns = cpu;
	residence.last_tsc = tsc;
}

// Packets arrive at their time whether we are there or not, so that a turn that lasts is suffered by all
// that came meanwhile; more than a ring holds are missed.
static uint16_t receive_paced(const struct port *p, uint16_t queue, struct rte_mbuf **pkts,
			      uint16_t n)
{
	uint64_t now = now_ticks(), hz = rte_get_tsc_hz(), due;
	uint16_t got;

	if (!atomic_load_explicit(&in.go, memory_order_acquire))
		return 0;
	if (in.begun_tsc == 0)
		in.begun_tsc = now;
	note_turn();
	due = (uint64_t)((__uint128_t)(now - in.begun_tsc) * arg.rate / hz) - in.arrived;
	if (due > RING) {
		if (gen_opened(in.gen))
			residence.missed += due - RING;
		in.arrived += due - RING;
		due = RING;
	}
	got = due == 0 ? 0 : __real_port_rx(p, queue, pkts, due < n ? (uint16_t)due : n);
	for (uint16_t i = 0; i < got; i++) {
		gen_next(in.gen, rte_pktmbuf_mtod(pkts[i], uint8_t *));
		*stamp_of(pkts[i]) =
			in.begun_tsc + (uint64_t)((__uint128_t)in.arrived++ * hz / arg.rate);
	}
	return got;
}

static void note_residence(struct rte_mbuf **pkts, uint16_t n)
{
	uint64_t now = now_ticks();

	if (!gen_opened(in.gen))
		return;
	for (uint16_t i = 0; i < n; i++) {
		uint64_t spent = now - *stamp_of(pkts[i]);

		residence.bucket[bucket_of(spent)]++;
		if (spent > residence.longest_tsc)
			residence.longest_tsc = spent;
	}
	residence.packets += n;
}

uint16_t __wrap_port_rx(const struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t got;

	if (in.paced)
		return receive_paced(p, queue, pkts, n);
	if (n > in.left)
		n = (uint16_t)in.left;
	if (n == 0)
		return 0;
	got = __real_port_rx(p, queue, pkts, n);
	in.left -= got;
	if (in.gen != NULL)
		for (uint16_t i = 0; i < got; i++)
			gen_next(in.gen, rte_pktmbuf_mtod(pkts[i], uint8_t *));
	else if (in.renew)
		for (uint16_t i = 0; i < got; i++)
			packets_renew(rte_pktmbuf_mtod(pkts[i], uint8_t *));
	return got;
}

uint16_t __wrap_port_tx(const struct port *p, unsigned worker, struct rte_mbuf **pkts, uint16_t n)
{
	if (in.gen != NULL) {
		bool check = gen_count(in.gen)->checked < CHECKED && !arg.floor;

		for (uint16_t i = 0; i < n; i++)
			gen_seen(in.gen, rte_pktmbuf_mtod(pkts[i], uint8_t *),
				 rte_pktmbuf_data_len(pkts[i]), check);
	}
	if (in.paced)
		note_residence(pkts, n);
	return __real_port_tx(p, worker, pkts, n);
}

// ---- the floor: nothing but the loop -----------------------------------------------------------

static void swap(uint8_t *a, uint8_t *b, size_t n)
{
	uint8_t t[6];

	memcpy(t, a, n);
	memcpy(a, b, n);
	memcpy(b, t, n);
}

static unsigned floor_poll(struct worker *w, void *port)
{
	struct rte_mbuf *pkts[PORT_BURST];
	uint16_t n = __wrap_port_rx(port, 0, pkts, PORT_BURST), sent;

	for (uint16_t i = 0; i < n; i++) {
		uint8_t *f = rte_pktmbuf_mtod(pkts[i], uint8_t *);

		swap(f, f + 6, 6);
		swap(f + 26, f + 30, 4);
		swap(f + 34, f + 36, 2);
	}
	sent = __wrap_port_tx(port, w->index, pkts, n);
	rte_pktmbuf_free_bulk(pkts + sent, n - sent);
	w->count.received += n;
	w->count.forwarded += sent;
	return n;
}

static void begin(const struct bench_conf *c)
{
	struct packets *p;

	need(packets_create(TEMPLATES, &p), "packets");
	need(packets_write_syns(p, path_of(c->rx)), c->rx);
	bench_start();
	bench_configure(c);
	if (arg.floor) {
		struct worker_sources s = {.count = 1,
					   .source = {{floor_poll, port_get(0), WORKER_FD_NONE}}};

		need(worker_set_sources(0, &s), "floor");
	}
	need(worker_start(), "workers");
}

// ---- steps -------------------------------------------------------------------------------------

static void print_flows(const struct sample *a, const struct sample *b)
{
	printf("\"made\":%llu,\"ended\":%llu,\"refused\":%llu,\"live\":%u,\"cpu_ns\":%llu,"
	       "\"packets\":%llu,\"dropped\":%llu",
	       (unsigned long long)(b->service.new_flows - a->service.new_flows),
	       (unsigned long long)(b->service.ended_flows - a->service.ended_flows),
	       (unsigned long long)(b->service.refused - a->service.refused), b->flows,
	       (unsigned long long)(b->cpu_ns - a->cpu_ns),
	       (unsigned long long)(b->count.received - a->count.received),
	       (unsigned long long)bench_dropped(b));
}

void step_new(void)
{
	struct sample a, b;
	uint64_t made;

	in.renew = true;
	begin(&(struct bench_conf){.rx = "syn.pcap", .infinite = true, .syn_ms = 1000});
	sleep(2); // the first have ended by now
	a = bench_sample();
	sleep(arg.seconds);
	b = bench_sample();
	worker_stop();
	made = arg.floor ? b.count.forwarded - a.count.forwarded
			 : b.service.new_flows - a.service.new_flows;
	printf("{\"per_second\":%.0f,", (double)made * 1e9 / (double)(b.cpu_ns - a.cpu_ns));
	print_flows(&a, &b);
	printf("}\n");
}

static void make_generator(enum gen_mode mode, uint32_t connections)
{
	struct gen_conf c = {.mode = mode, .connections = connections, .apart = APART};

	need(gen_create(&c, &in.gen), "generator (--flows: a power of two)");
}

static void need_right(void)
{
	const struct gen_count *c = gen_count(in.gen);

	if (c->wrong == 0 && (c->checked > 0 || arg.floor))
		return;
	fprintf(stderr, "lb_bench: %llu of %llu packets looked at are wrong\n",
		(unsigned long long)c->wrong, (unsigned long long)c->checked);
	exit(1);
}

void step_connections(void)
{
	struct gen_count ga, gb;
	struct sample a, b;

	make_generator(GEN_WHOLE, 16 * APART);
	begin(&(struct bench_conf){.rx = "syn.pcap", .infinite = true, .closing_ms = 1000});
	sleep(2); // the first have ended by now, and all have been looked at that are to be
	a = bench_sample();
	ga = *gen_count(in.gen);
	sleep(arg.seconds);
	b = bench_sample();
	gb = *gen_count(in.gen);
	worker_stop();
	need_right();
	printf("{\"per_second\":%.0f,\"begun\":%llu,\"whole\":%llu,\"lost\":%llu,\"checked\":%llu,",
	       (double)(gb.ended - ga.ended) * 1e9 / (double)(b.cpu_ns - a.cpu_ns),
	       (unsigned long long)(gb.begun - ga.begun), (unsigned long long)(gb.ended - ga.ended),
	       (unsigned long long)(gb.lost - ga.lost), (unsigned long long)gb.checked);
	print_flows(&a, &b);
	printf("}\n");
}

static void wait_opened(void)
{
	while (!gen_opened(in.gen))
		usleep(10000);
	if (gen_count(in.gen)->lost != 0)
		die("not every SYN made a flow", EIO);
}

void step_scatter(void)
{
	uint64_t packets, checked;
	struct sample a, b;

	make_generator(GEN_FLOWS, arg.flows);
	begin(&(struct bench_conf){.rx = "syn.pcap", .infinite = true});
	wait_opened();
	do {
		usleep(10000);
		checked = gen_count(in.gen)->checked;
	} while (checked < CHECKED && !arg.floor);
	a = bench_sample();
	sleep(arg.seconds);
	b = bench_sample();
	worker_stop();
	need_right();
	packets = b.count.forwarded - a.count.forwarded;
	if (bench_dropped(&b) != 0 || b.count.received - a.count.received != packets)
		die("packets were not forwarded", EIO);
	printf("{\"packets\":%llu,\"cpu_ns\":%llu,\"ns_per_packet\":%.2f,\"checked\":%llu,\"flows\":%u}\n",
	       (unsigned long long)packets, (unsigned long long)(b.cpu_ns - a.cpu_ns),
	       (double)(b.cpu_ns - a.cpu_ns) / (double)packets, (unsigned long long)checked,
	       b.flows);
}

// ---- commits while packets flow ----------------------------------------------------------------

static int reset_residence(struct worker *w, void *p)
{
	(void)w;
	(void)p;
	memset(&residence, 0, sizeof(residence));
	return 0;
}

static int set_clock(struct worker *w, void *own)
{
	in.own_time = own != NULL;
	in.begun_tsc = 0;
	in.arrived = 0;
	return reset_residence(w, NULL);
}

// On the worker, so that it stands still meanwhile.
static int report(struct worker *w, void *p)
{
	double us = 1e6 / (double)rte_get_tsc_hz();

	(void)p;
	printf("{\"packets\":%llu,\"missed\":%llu,\"p50_us\":%.2f,\"p99_us\":%.2f,\"p999_us\":%.2f,"
	       "\"max_us\":%.1f,\"turn_cpu_us\":%.1f,\"turn_us\":%.1f,\"wrong\":%llu,\"lost\":%llu,"
	       "\"dropped\":%llu,\"version\":%llu}\n",
	       (unsigned long long)residence.packets, (unsigned long long)residence.missed,
	       percentile_us(0.5), percentile_us(0.99), percentile_us(0.999),
	       (double)residence.longest_tsc * us, (double)residence.turn_cpu_ns / 1e3,
	       (double)residence.turn_tsc * us, (unsigned long long)gen_count(in.gen)->wrong,
	       (unsigned long long)gen_count(in.gen)->lost,
	       (unsigned long long)(w->count.received - w->count.forwarded),
	       (unsigned long long)conf.version);
	fflush(stdout);
	return 0;
}

static void obey(const char *word)
{
	if (strcmp(word, "go") == 0)
		atomic_store(&in.go, true);
	else if (strcmp(word, "opened") == 0)
		printf("{\"opened\":%s}\n", gen_opened(in.gen) ? "true" : "false");
	else if (strcmp(word, "own-time") == 0)
		need(worker_call(0, set_clock, &in), word);
	else if (strcmp(word, "tsc") == 0)
		need(worker_call(0, set_clock, NULL), word);
	else if (strcmp(word, "report") == 0)
		need(worker_call(0, report, NULL), "report");
	else
		loop_stop(bench_loop);
}

void step_commit(void)
{
	static const struct rte_mbuf_dynfield field = {
		.name = "lb_bench_arrival", .size = sizeof(uint64_t), .align = 8};
	struct packets *p;

	need(packets_create(TEMPLATES, &p), "packets");
	need(packets_write_syns(p, path_of("syn.pcap")), "syn.pcap");
	make_generator(GEN_FLOWS, arg.flows);
	in.paced = true;
	bench_start();
	in.stamp = rte_mbuf_dynfield_register(&field);
	if (in.stamp < 0)
		die("a field for the time of arrival", ENOMEM);
	bench_serve(obey);
}
