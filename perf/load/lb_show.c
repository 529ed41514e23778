// SPDX-License-Identifier: BSD-3-Clause
//
// Flow tables that are filled without traffic, and the step that looks through one while packets flow:
//
//	lb_bench show   traffic.pcap over and over (as `run`, after `open` and `shake` with the same --table),
//	                in a table filled up to --table with established flows that have no packets. Queries come
//	                over the control link, as the daemon sends them for `sluicectl show flows`; commands on
//	                stdin: sample, quit

#include "perf/load/lb_bench.h"

#include "apps/lb/worker/lb_priv.h"
#include "dataplane/core/clock.h"
#include "dataplane/core/loop.h"
#include "dataplane/flow/table.h"
#include "perf/load/lb_packets.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define PORTS 60000 // of a local address

void bench_fill(struct flow_table *t, uint32_t flows, const struct bench_refs *refs)
{
	uint32_t now = clock_ticks();

	for (uint32_t i = 0; i < flows; i++) {
		uint32_t index = flow_alloc(t, false);

		if (index == FLOW_NONE)
			die("a place for a flow", ENOSPC);
		*flow_at(t, index) = (struct flow){
			.client = i,
			.service_addr = packets_service(0),
			.local = packets_local(PACKETS_LOCALS + i / PORTS), // none of traffic's
			.server_addr = packets_server(i % PACKETS_SERVERS),
			.client_port = 1,
			.service_port = PACKETS_SERVICE_PORT,
			.local_port = (rte_be16_t)(1 + i % PORTS),
			.server_port = PACKETS_SERVER_PORT,
			.proto = IPPROTO_TCP,
			.state = FLOW_TCP_ESTABLISHED,
			.server = refs->server[i % PACKETS_SERVERS],
			.service = refs->service,
			.last_seen = now};
		t->cold[index].created = now;
		need(flow_link(t, index, flow_hash_of(t, index, 0),
			       flow_hash_of(t, index, FLOW_DIR_BIT), now),
		     "flow");
	}
}

// What the flows of `open` refer to.
static void find_refs(struct bench_refs *refs)
{
	const struct lb_entry *e;
	unsigned servers = 0;

	LB_STORE_FOREACH(e, &conf.store, CTL_REC_SERVER)
	if (servers < PACKETS_SERVERS)
		refs->server[servers++] = e->ref;
	LB_STORE_FOREACH(e, &conf.store, CTL_REC_SERVICE)
	refs->service = e->ref;
	if (servers != PACKETS_SERVERS || refs->service == 0)
		die("servers and services", ENOENT);
}

static void obey(const char *word)
{
	struct sample s;

	if (strcmp(word, "sample") != 0) {
		loop_stop(bench_loop);
		return;
	}
	s = bench_sample();
	printf("{\"cpu_ns\":%llu,\"received\":%llu,\"forwarded\":%llu,\"dropped\":%llu,\"flows\":%u}\n",
	       (unsigned long long)s.cpu_ns, (unsigned long long)s.count.received,
	       (unsigned long long)s.count.forwarded, (unsigned long long)bench_dropped(&s),
	       s.flows);
}

void step_show(void)
{
	struct bench_refs refs = {0};
	struct lb_worker *lw;

	if (arg.table <= arg.flows)
		die("--table has to be more than --flows", EINVAL);
	bench_start();
	bench_configure(&(struct bench_conf){.rx = "traffic.pcap", .infinite = true});
	lw = conf.worker[0];
	if (lb_worker_flow_count(lw) != arg.flows)
		die("the flows of `open` were not taken over", EIO);
	find_refs(&refs);
	bench_fill(lw->table, arg.table - arg.flows, &refs);
	bench_serve(obey);
}
