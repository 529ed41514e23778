// SPDX-License-Identifier: BSD-3-Clause
//
// The smallest EAL that gives packet buffers: no hugepages, no devices, nothing left on disk.
#pragma once

#include <rte_eal.h>
#include <rte_mbuf.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rte_mempool *eal_pool;

static inline int eal_setup(void **state)
{
	static char *args[] = {
		(char *)(uintptr_t) "unit",
		(char *)(uintptr_t) "--no-huge",
		(char *)(uintptr_t) "-m",
		(char *)(uintptr_t) "64",
		(char *)(uintptr_t) "--no-shconf",
		(char *)(uintptr_t) "--no-pci",
		(char *)(uintptr_t) "--no-telemetry",
		(char *)(uintptr_t) "--lcores",
		(char *)(uintptr_t) "0@0",
		(char *)(uintptr_t) "--log-level=error",
	};

	if (rte_eal_init((int)(sizeof(args) / sizeof(args[0])), args) < 0)
		return -1;
	eal_pool = rte_pktmbuf_pool_create("unit", 2047, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					   SOCKET_ID_ANY);
	return eal_pool != NULL ? 0 : -1;
}

static inline int eal_teardown(void **state)
{
	unsigned left = rte_mempool_in_use_count(eal_pool);

	rte_mempool_free(eal_pool);
	rte_eal_cleanup();
	if (left != 0)
		fprintf(stderr, "%u packet buffers were not freed\n", left);
	return left == 0 ? 0 : -1;
}

static inline struct rte_mbuf *eal_packet(const void *bytes, unsigned n, uint16_t port)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(eal_pool);

	memcpy(rte_pktmbuf_append(m, (uint16_t)n), bytes, n);
	m->port = port;
	return m;
}
