// SPDX-License-Identifier: BSD-3-Clause
//
// A small EAL for unit tests: no hugepages, no devices of the machine, `workers` worker lcores that may
// share CPUs.
#pragma once

#include <rte_eal.h>

#include <stdio.h>
#include <unistd.h>

static inline int test_eal_init(unsigned workers)
{
	static char lcores[256], prefix[64];
	char arg0[] = "test", a1[] = "--no-huge", a2[] = "--no-shconf", a3[] = "--no-pci",
	     a4[] = "--no-telemetry", a5[] = "-m", a6[] = "128", a7[] = "--lcores",
	     a8[] = "--log-level=lib.*:warning", a9[] = "--iova-mode=va";
	char *argv[] = {arg0, a1, a2, a3, a4, a5, a6, a7, lcores, a8, a9, prefix, NULL};
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int at = snprintf(lcores, sizeof(lcores), "0@(0-%ld)", cpus - 1);

	for (unsigned w = 1; w <= workers; w++)
		at += snprintf(lcores + at, sizeof(lcores) - (size_t)at, ",%u@(0-%ld)", w,
			       cpus - 1);
	snprintf(prefix, sizeof(prefix), "--file-prefix=sluice-test-%d", (int)getpid());
	return rte_eal_init(12, argv) < 0 ? -1 : 0;
}
