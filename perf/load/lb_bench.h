// SPDX-License-Identifier: BSD-3-Clause
//
// What the files of lb_bench share: lb_bench.c (main, steps over files and tables), lb_setup.c (start and
// configuration, as the control link would give it), lb_loop.c (steps with the generator in the worker's
// loop), lb_show.c (filled tables), lb_wire.c (generator at the far end of a memif).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "apps/lb/conf/lb_conf.h"
#include "dataplane/core/worker.h"
#include "perf/load/lb_packets.h"

#define BENCH_INSTANCE "bench"

struct bench_arg {
	const char *dir, *step, *cpus, *memif;
	uint32_t flows, table, passes;
	unsigned seconds, memory_mb, limit, rate;
	bool no_huge, small_buffers, nat, floor;
};

extern struct bench_arg arg;
extern struct lb_conf conf;
extern struct loop *bench_loop;

// One line on stderr, and the end.
void die(const char *what, int rc) __attribute__((noreturn));
void need(int rc, const char *what);
// A file in --dir; good for three more calls.
const char *path_of(const char *name);

struct bench_conf {
	const char *rx, *tx; // files in --dir; tx may be NULL
	bool infinite;
	uint32_t syn_ms, closing_ms; // 0: ten minutes, ten seconds
};

// EAL, workers (idle), ports, an empty configuration. Thread: init
void bench_start(void);
// The services of lb_packets.h over one pcap port, prepared and committed. Thread: control
void bench_configure(const struct bench_conf *c);

struct sample {
	uint64_t cpu_ns;
	struct worker_counters count;
	uint64_t turns;
	uint32_t flows;
	struct lb_counters service; // of all together
};

// Taken by the worker between two bursts: its CPU time and counters belong together. Thread: control
struct sample bench_sample(void);
// All drops, each reason said on stderr.
uint64_t bench_dropped(const struct sample *s);

// Start the workers and serve the control link in --dir; the worker gets the first CPU that we may use, this thread
// the others. Then a line {"ready":true,"cpus":N}, and each word of stdin is obeyed; ends with the end of
// stdin or loop_stop(bench_loop). Thread: control
void bench_serve(void (*obey)(const char *word));

// lb_show.c: that many established flows whose tuples are none of lb_packets.h's flows. There is room for
// them. Thread: control while no worker uses the table
struct flow_table;
struct bench_refs {
	uint32_t server[PACKETS_SERVERS], service;
};
void bench_fill(struct flow_table *t, uint32_t flows, const struct bench_refs *refs);

// lb_loop.c: nothing is received after so many packets. Thread: init
void bench_hold_at(uint64_t packets);

// lb_loop.c, lb_show.c, lb_wire.c: each prints its JSON
void step_new(void);
void step_connections(void);
void step_scatter(void);
void step_commit(void);
void step_show(void);
void step_wire(void);
