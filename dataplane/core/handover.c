// SPDX-License-Identifier: BSD-3-Clause
//
// Rings stand in a square [to][from]; the diagonal is empty. Each receiver starts its look at the ring
// after the one it ended with, so that a busy neighbour does not starve the others.

#include "dataplane/core/handover.h"

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct rte_ring *rings[WORKER_MAX][WORKER_MAX];
static unsigned workers;

// owner worker: rw
static struct next_from {
	alignas(RTE_CACHE_LINE_SIZE) unsigned from;
} next_from[WORKER_MAX];

// A line per sender, so that no two workers write to one. owner worker of `from`: rw, others: ro
static struct {
	alignas(RTE_CACHE_LINE_SIZE) struct handover_count to[WORKER_MAX];
} counts[WORKER_MAX];

int handover_init(void)
{
	char name[40];

	if (workers != 0)
		return -EALREADY;
	workers = worker_count();
	for (unsigned to = 0; to < workers; to++) {
		int socket = (int)rte_lcore_to_socket_id(worker_get(to)->lcore);

		for (unsigned from = 0; from < workers; from++) {
			if (from == to)
				continue;
			snprintf(name, sizeof(name), "handover_%u_%u", from, to);
			rings[to][from] = rte_ring_create(name, HANDOVER_RING, socket,
							  RING_F_SP_ENQ | RING_F_SC_DEQ);
			if (rings[to][from] == NULL) {
				handover_fini();
				return -ENOMEM;
			}
		}
	}
	return 0;
}

void handover_fini(void)
{
	struct rte_mbuf *m;

	for (unsigned to = 0; to < workers; to++) {
		for (unsigned from = 0; from < workers; from++) {
			struct rte_ring *r = rings[to][from];

			rings[to][from] = NULL;
			while (r != NULL && rte_ring_sc_dequeue(r, (void **)&m) == 0)
				rte_pktmbuf_free(m);
			rte_ring_free(r);
		}
	}
	workers = 0;
	memset(counts, 0, sizeof(counts));
}

unsigned handover_send(struct worker *from, unsigned to, struct rte_mbuf **pkts, unsigned n)
{
	struct rte_ring *r = to < workers ? rings[to][from->index] : NULL;
	unsigned taken;

	if (r == NULL)
		return 0;
	taken = rte_ring_sp_enqueue_burst(r, (void *const *)pkts, n, NULL);
	counts[from->index].to[to].sent += taken;
	counts[from->index].to[to].full += n - taken;
	if (taken != 0) {
		from->count.handed_over += taken;
		worker_wake(to);
	}
	return taken;
}

unsigned handover_take(struct worker *w, struct rte_mbuf **pkts, unsigned n)
{
	unsigned from = next_from[w->index].from, got = 0;
	uint64_t bytes = 0;

	for (unsigned i = 0; i < workers && got < n; i++) {
		struct rte_ring *r;

		from = from + 1 < workers ? from + 1 : 0;
		r = rings[w->index][from];
		if (r != NULL)
			got += rte_ring_sc_dequeue_burst(r, (void **)&pkts[got], n - got, NULL);
	}
	next_from[w->index].from = from;
	for (unsigned i = 0; i < got; i++)
		bytes += rte_pktmbuf_pkt_len(pkts[i]);
	w->count.received += got;
	w->count.received_bytes += bytes;
	return got;
}

struct handover_count handover_count(unsigned from, unsigned to)
{
	return from < workers && to < workers ? counts[from].to[to] : (struct handover_count){0};
}

unsigned handover_waiting(unsigned index)
{
	unsigned n = 0;

	for (unsigned from = 0; index < workers && from < workers; from++)
		if (rings[index][from] != NULL)
			n += rte_ring_count(rings[index][from]);
	return n;
}
