// SPDX-License-Identifier: BSD-3-Clause
//
// The two calls of a worker. `live` is read once per burst: while a device is being recovered both do
// nothing, and the control thread waits for the workers' quiescence before it touches the device.

#include "dataplane/port/port_priv.h"

#include <rte_ethdev.h>

// Sends what the protocol has to say, keeps what the partner says of it.
static __rte_noinline uint16_t lacp_rx(const struct port *p, uint16_t queue, struct rte_mbuf **pkts,
				       uint16_t n)
{
	const struct port_queue *q = &p->queue[queue];
	uint16_t got;

	port_tx(p, queue, NULL, 0);
	got = rte_eth_rx_burst(q->rte_id, q->rte_queue, pkts, n);
	for (uint16_t i = 0; i < got; i++)
		pkts[i]->port = p->index;
	atomic_fetch_add_explicit(&port_slot(p)->given, got, memory_order_relaxed);
	return got;
}

uint16_t port_rx(const struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	const struct port_queue *q = &p->queue[queue];
	uint16_t got;

	if (unlikely(!atomic_load_explicit(&p->live, memory_order_acquire)))
		return 0;
	if (unlikely(p->lacp))
		return lacp_rx(p, queue, pkts, n);
	got = rte_eth_rx_burst(q->rte_id, q->rte_queue, pkts, n);
	for (uint16_t i = 0; i < got; i++)
		pkts[i]->port = p->index;
	return got;
}

uint16_t port_tx(const struct port *p, unsigned worker, struct rte_mbuf **pkts, uint16_t n)
{
	unsigned queue = worker < p->queues ? worker : worker % p->queues;
	const struct port_queue *q = &p->queue[queue];
	uint16_t sent;

	if (unlikely(!atomic_load_explicit(&p->live, memory_order_acquire)))
		return 0;
	if (likely(!p->tx_shared))
		return rte_eth_tx_burst(q->rte_id, q->rte_queue, pkts, n);
	rte_spinlock_lock(&port_slot(p)->tx_lock[queue]);
	sent = rte_eth_tx_burst(q->rte_id, q->rte_queue, pkts, n);
	rte_spinlock_unlock(&port_slot(p)->tx_lock[queue]);
	return sent;
}
