// SPDX-License-Identifier: BSD-3-Clause
//
// Start of DPDK's environment for an app. The machine's own NICs are left alone (-a), nothing is
// written to hugetlbfs (--in-memory), so many apps run on one machine; memory is addressed by virtual
// addresses, which needs no root. Without hugepages: --no-huge, which excludes --in-memory.

#include "dataplane/port/port_priv.h"

#include <rte_eal.h>
#include <rte_errno.h>

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define ARGS_MAX    24
#define CPUS_MAX    256
#define HUGE_MIN_MB 64u
#define NO_HUGE_MB  1024u

static unsigned free_huge_mb(void)
{
	static const struct {
		const char *path;
		unsigned mb;
	} sizes[] = {
		{"/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", 2},
		{"/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", 1024},
	};
	unsigned total = 0, pages;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		FILE *f = fopen(sizes[i].path, "re");

		if (f == NULL)
			continue;
		if (fscanf(f, "%u", &pages) == 1)
			total += pages * sizes[i].mb;
		fclose(f);
	}
	return total;
}

// "1,4-6" to {1,4,5,6}. Returns how many, 0 if the text is no list.
static unsigned parse_cpus(const char *text, unsigned *cpus)
{
	unsigned n = 0;
	char *end;

	for (;;) {
		unsigned long from = strtoul(text, &end, 10), to = from;

		if (end == text)
			return 0;
		if (*end == '-') {
			text = end + 1;
			to = strtoul(text, &end, 10);
			if (end == text)
				return 0;
		}
		if (to < from || to >= CPU_SETSIZE || to - from >= CPUS_MAX - n)
			return 0;
		for (; from <= to; from++)
			cpus[n++] = (unsigned)from;
		if (*end == '\0')
			return n;
		if (*end != ',')
			return 0;
		text = end + 1;
	}
}

static unsigned own_cpus(unsigned *cpus)
{
	unsigned n = 0;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 0;
	for (unsigned c = 0; c < CPU_SETSIZE && n < CPUS_MAX; c++)
		if (CPU_ISSET(c, &set))
			cpus[n++] = c;
	return n;
}

// lcore 0 (control) and, without a list of CPUs, all others float over all CPUs; with a list each worker
// is bound to one of it in turn.
static int make_lcores(const struct port_eal_conf *conf, char *out, size_t size,
		       struct port_error *err)
{
	unsigned cpus[CPUS_MAX], n;
	char all[1400] = "";
	size_t at = 0;

	n = conf->cpus != NULL ? parse_cpus(conf->cpus, cpus) : own_cpus(cpus);
	if (n == 0)
		return port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "cpus",
				 "'%s' is no list of CPUs", conf->cpus != NULL ? conf->cpus : "");
	for (unsigned i = 0; i < n; i++)
		at += (size_t)snprintf(all + at, sizeof(all) - at, "%s%u", i > 0 ? "," : "",
				       cpus[i]);
	at = (size_t)snprintf(out, size, "0@(%s)", all);
	for (unsigned w = 0; w < conf->workers && at < size; w++) {
		if (conf->cpus != NULL)
			at += (size_t)snprintf(out + at, size - at, ",%u@%u", w + 1, cpus[w % n]);
		else
			at += (size_t)snprintf(out + at, size - at, ",%u@(%s)", w + 1, all);
	}
	return at < size ? 0
			 : port_fail(err, -EINVAL, CTL_TAG_INVALID_VALUE, "cpus", "too many CPUs");
}

int port_eal_init(const struct port_eal_conf *conf, struct port_error *err)
{
	static char lcores[8192], prefix[CTL_NAME + 16], memory[16]; // the EAL keeps pointers
	char *argv[ARGS_MAX];
	unsigned mb = conf->memory_mb;
	bool no_huge = conf->no_huge;
	int argc = 0, rc;

	rc = make_lcores(conf, lcores, sizeof(lcores), err);
	if (rc != 0)
		return rc;
	if (!no_huge && free_huge_mb() < (mb > HUGE_MIN_MB ? mb : HUGE_MIN_MB)) {
		fprintf(stderr, "port: fewer than %u MB of free hugepages, running without them\n",
			mb > HUGE_MIN_MB ? mb : HUGE_MIN_MB);
		no_huge = true;
	}
	if (no_huge && mb == 0)
		mb = NO_HUGE_MB;
	snprintf(prefix, sizeof(prefix), "--file-prefix=%s", conf->instance);
	snprintf(memory, sizeof(memory), "%u", mb);

	argv[argc++] = strdup("sluice");
	// An address that no machine has: of PCI devices those alone are touched that are asked for later.
	// With --no-pci they could not be.
	argv[argc++] = strdup("-a");
	argv[argc++] = strdup("ffff:ff:1f.7");
	argv[argc++] = strdup("--iova-mode=va");
	argv[argc++] = strdup("--lcores");
	argv[argc++] = lcores;
	argv[argc++] = prefix;
	argv[argc++] = strdup("--log-level=lib.*:warning");
	argv[argc++] = strdup("--log-level=pmd.*:warning");
	argv[argc++] = strdup("--log-level=bus.*:warning");
	// Else a line each time that an end without its other one looks for it.
	argv[argc++] = strdup("--log-level=pmd.net.memif:critical");
	if (no_huge) {
		argv[argc++] = strdup("--no-huge");
		argv[argc++] = strdup("--no-shconf");
	} else {
		argv[argc++] = strdup("--in-memory");
		// Else a file per hugepage: past 2 GB their numbers pass 1024, and a select() of a
		// library that was given a later fd kills the process.
		argv[argc++] = strdup("--single-file-segments");
	}
	if (mb != 0) {
		argv[argc++] = strdup("-m");
		argv[argc++] = memory;
	}
	argv[argc] = NULL;
	// Where the EAL puts its telemetry socket: as root it would ignore anything but this.
	if (conf->run_dir != NULL)
		setenv("RUNTIME_DIRECTORY", conf->run_dir, 1);
	if (rte_eal_init(argc, argv) >= 0)
		return 0;
	rc = rte_errno != 0 ? -rte_errno : -EIO;
	return port_fail(err, rc, CTL_TAG_OPERATION_FAILED, "",
			 "DPDK does not start: %s (%u MB %s)", rte_strerror(rte_errno), mb,
			 no_huge ? "without hugepages" : "of hugepages; 0: on demand");
}
