// SPDX-License-Identifier: BSD-3-Clause
//
// lb_bench wire - the generator at the far end of a memif, for a whole sluice-lb in a process of its own: opens
// N flows, then keeps WINDOW packets on their way. Prints a line when measuring begins and one when it ends,
// so that whoever reads them can take the balancer's CPU time between.

#include "perf/load/lb_bench.h"

#include "dataplane/core/clock.h"
#include "dataplane/core/loop.h"
#include "dataplane/port/port.h"
#include "perf/load/lb_gen.h"
#include "perf/load/lb_packets.h"

#include <rte_lcore.h>
#include <rte_mbuf.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WINDOW  512 // packets on their way: less than the rings of a memif hold
#define MBUFS   8191
#define LOST_NS UINT64_C(200000000) // nothing came for so long: what was on its way is lost

struct wire {
	struct port *port;
	struct rte_mempool *pool;
	struct gen *gen;
	uint64_t lost, progress_ns;
};

static struct port *open_memif(void)
{
	struct ctl_port c = {.name = "wire",
			     .kind = CTL_PORT_MEMIF,
			     .mac = {2, 0, 0, 0, 0, 2},
			     .peer_mac = {2, 0, 0, 0, 0, 1}};
	struct port_error err = {0};
	struct port *p;

	c.rec = (struct ctl_rec){.type = CTL_REC_PORT, .size = sizeof(c), .id = 1};
	snprintf(c.path, sizeof(c.path), "%s", arg.memif);
	if (port_open(&c, NULL, 0, &p, &err) != 0) {
		fprintf(stderr, "lb_bench: memif: %s\n", err.message);
		exit(1);
	}
	return p;
}

static void receive(struct wire *w)
{
	struct rte_mbuf *pkts[PORT_BURST];
	uint16_t n = port_rx(w->port, 0, pkts, PORT_BURST);
	bool check = gen_count(w->gen)->checked < (1 << 20);

	if (n == 0)
		return;
	for (uint16_t i = 0; i < n; i++)
		gen_seen(w->gen, rte_pktmbuf_mtod(pkts[i], uint8_t *),
			 rte_pktmbuf_data_len(pkts[i]), check);
	rte_pktmbuf_free_bulk(pkts, n);
	w->progress_ns = clock_monotonic_ns();
}

static void send_burst(struct wire *w)
{
	struct rte_mbuf *pkts[PORT_BURST];
	uint16_t sent = 0;

	if (rte_pktmbuf_alloc_bulk(w->pool, pkts, PORT_BURST) != 0)
		return;
	for (uint16_t i = 0; i < PORT_BURST; i++) {
		uint8_t *f = (uint8_t *)rte_pktmbuf_append(pkts[i], GEN_FRAME);

		gen_next(w->gen, f);
	}
	while (sent < PORT_BURST) {
		sent += port_tx(w->port, 0, pkts + sent, PORT_BURST - sent);
		receive(w); // else both rings could be full
	}
}

static void turn(struct wire *w)
{
	const struct gen_count *c = gen_count(w->gen);
	uint64_t away = c->made - c->seen - w->lost;

	receive(w);
	if (away + PORT_BURST <= WINDOW) {
		send_burst(w);
	} else if (clock_monotonic_ns() - w->progress_ns > LOST_NS) {
		w->lost += c->made - c->seen - w->lost;
		w->progress_ns = clock_monotonic_ns();
	}
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void open_flows(struct wire *w)
{
	w->progress_ns = clock_monotonic_ns();
	while (!gen_opened(w->gen))
		turn(w);
	if (w->lost == 0 && gen_count(w->gen)->lost == 0)
		return;
	fprintf(stderr, "lb_bench: %llu packets lost while flows were opened\n",
		(unsigned long long)w->lost);
	exit(1);
}

static void measure(struct wire *w)
{
	uint64_t begin = clock_monotonic_ns(), cpu = cpu_ns(), end = begin;
	struct gen_count a = *gen_count(w->gen), b;

	printf("{\"begin\":true}\n");
	fflush(stdout);
	while (end - begin < arg.seconds * UINT64_C(1000000000)) {
		for (unsigned i = 0; i < 1024; i++)
			turn(w);
		end = clock_monotonic_ns();
	}
	b = *gen_count(w->gen);
	printf("{\"seen\":%llu,\"lost\":%llu,\"wrong\":%llu,\"checked\":%llu,\"per_second\":%.0f,"
	       "\"generator_cpu_ns\":%.1f}\n",
	       (unsigned long long)(b.seen - a.seen), (unsigned long long)w->lost,
	       (unsigned long long)b.wrong, (unsigned long long)b.checked,
	       (double)(b.seen - a.seen) * 1e9 / (double)(end - begin),
	       (double)(cpu_ns() - cpu) / (double)(b.seen - a.seen));
	fflush(stdout);
}

void step_wire(void)
{
	struct port_eal_conf eal = {.instance = "wire",
				    .run_dir = arg.dir,
				    .workers = 1,
				    .cpus = arg.cpus,
				    .memory_mb = arg.memory_mb,
				    .no_huge = arg.no_huge};
	struct gen_conf gen_conf = {.mode = GEN_FLOWS, .connections = arg.flows};
	struct port_error err = {0};
	struct wire w = {0};

	if (arg.memif == NULL)
		die("--memif is missing", EINVAL);
	need(loop_create(&bench_loop), "loop");
	if (port_eal_init(&eal, &err) != 0) {
		fprintf(stderr, "lb_bench: %s\n", err.message);
		exit(1);
	}
	need(worker_init(1), "workers");
	need(port_init("wire"), "ports");
	need(gen_create(&gen_conf, &w.gen), "generator (--flows: a power of two)");
	w.port = open_memif();
	w.pool = rte_pktmbuf_pool_create("wire", MBUFS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					 SOCKET_ID_ANY);
	if (w.pool == NULL)
		die("packet buffers", ENOMEM);
	open_flows(&w);
	measure(&w);
	if (gen_count(w.gen)->wrong != 0)
		die("packets came back wrong", EBADMSG);
}
