// SPDX-License-Identifier: BSD-3-Clause
//
// doctor_machine - memory, limits, kernel, clock, forwarding, disk.

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "control/cli/doctor.h"
#include "control/cli/table.h"

#define HUGE "/sys/kernel/mm/hugepages/hugepages-"
#ifndef AF_XDP
#define AF_XDP 44
#endif

static void hugepages(struct doctor *d)
{
	long long two = doctor_read_number(HUGE "2048kB/nr_hugepages", -1);
	long long two_free = doctor_read_number(HUGE "2048kB/free_hugepages", 0);
	long long one = doctor_read_number(HUGE "1048576kB/nr_hugepages", 0);

	if (two < 0 && one == 0)
		doctor_say(d, DOCTOR_WARN, "hugepages", "start sluice-lb with --no-huge",
			   "the kernel has none");
	else if (two + one == 0)
		doctor_say(
			d, DOCTOR_WARN, "hugepages",
			"sysctl -w vm.nr_hugepages=1024, and in /etc/sysctl.d to keep it; or start "
			"sluice-lb with --no-huge, which costs speed",
			"none are reserved");
	else if (two > 0 && two_free < 32 && one == 0)
		doctor_say(d, DOCTOR_NOTE, "hugepages",
			   "before another app is started: sysctl -w vm.nr_hugepages=N",
			   "%lld of 2 MiB reserved, %lld free", two, two_free);
	else
		doctor_say(d, DOCTOR_OK, "hugepages", "",
			   "%lld of 2 MiB (%lld free), %lld of 1 GiB", two, two_free, one);
}

static void limits(struct doctor *d)
{
	struct rlimit lim;
	char n[TABLE_TEXT];

	if (getrlimit(RLIMIT_MEMLOCK, &lim) == 0) {
		if (lim.rlim_max == RLIM_INFINITY)
			doctor_say(d, DOCTOR_OK, "locked memory", "", "no limit here");
		else if (lim.rlim_max < 64 * 1024 * 1024)
			doctor_say(
				d, DOCTOR_NOTE, "locked memory",
				"LimitMEMLOCK=infinity in the unit of sluice-lb",
				"at most %s here; sluice-lb keeps CAP_IPC_LOCK and so needs no more",
				table_bytes(lim.rlim_max, n));
		else
			doctor_say(d, DOCTOR_OK, "locked memory", "", "at most %s here",
				   table_bytes(lim.rlim_max, n));
	}
	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		bool few = lim.rlim_max != RLIM_INFINITY && lim.rlim_max < 4096;

		doctor_say(
			d, few ? DOCTOR_WARN : DOCTOR_OK, "open files",
			few ? "LimitNOFILE=65536 in the unit of sluice-checkd, which needs one for "
			      "each check at work"
			    : "",
			"at most %llu here", (unsigned long long)lim.rlim_max);
	}
}

static void kernel(struct doctor *d)
{
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 && errno == EAFNOSUPPORT)
		doctor_say(d, DOCTOR_BAD, "XDP",
			   "use a kernel with CONFIG_XDP_SOCKETS, or ports of "
			   "other kinds (tap, memif)",
			   "the kernel has no AF_XDP sockets");
	else if (access("/sys/kernel/btf/vmlinux", R_OK) != 0)
		doctor_say(d, DOCTOR_WARN, "XDP", "use a kernel with CONFIG_DEBUG_INFO_BTF",
			   "AF_XDP works, but the kernel has no type information (BTF)");
	else
		doctor_say(d, DOCTOR_OK, "XDP", "", "the kernel has AF_XDP sockets and BTF");
	if (fd >= 0)
		close(fd);
	if (doctor_read_number("/proc/sys/net/core/bpf_jit_enable", 1) == 0)
		doctor_say(d, DOCTOR_WARN, "BPF", "sysctl -w net.core.bpf_jit_enable=1",
			   "programs are interpreted: steering is slow");
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 12); // NETLINK_NETFILTER
	if (fd < 0)
		doctor_say(d, DOCTOR_WARN, "nftables", "use a kernel with CONFIG_NF_TABLES",
			   "the kernel has none: while an app is down, it may answer for a service "
			   "with resets");
	else
		close(fd);
}

static void clock_(struct doctor *d)
{
	struct timex tx = {0};
	time_t now = time(NULL);
	int state = adjtimex(&tx);

	if (now < 1704067200) // 2024: this program is younger
		doctor_say(d, DOCTOR_BAD, "clock",
			   "set it, and let chrony or systemd-timesyncd keep it",
			   "it stands in the past (%lld s)", (long long)now);
	else if (state == TIME_ERROR)
		doctor_say(d, DOCTOR_NOTE, "clock", "let chrony or systemd-timesyncd keep it",
			   "the kernel does not know it to be synchronised");
	else
		doctor_say(d, DOCTOR_OK, "clock", "", "synchronised");
}

static void forwarding(struct doctor *d)
{
	long long v4 = doctor_read_number("/proc/sys/net/ipv4/ip_forward", -1);
	long long v6 = doctor_read_number("/proc/sys/net/ipv6/conf/all/forwarding", -1);

	if (v6 < 0)
		doctor_say(d, DOCTOR_WARN, "IPv6", "boot without ipv6.disable=1",
			   "the kernel has IPv6 switched off");
	else if (v6 == 0)
		doctor_say(d, DOCTOR_WARN, "IPv6 forwarding",
			   "sysctl -w net.ipv6.conf.all.forwarding=1, if this node is a router",
			   "off: IPv6 packets that are for no service end here");
	else
		doctor_say(d, DOCTOR_OK, "IPv6 forwarding", "", "on");
	if (v4 == 0)
		doctor_say(d, DOCTOR_NOTE, "IPv4 forwarding",
			   "sysctl -w net.ipv4.ip_forward=1, if this node is a router",
			   "off: IPv4 packets that are for no service end here");
}

static void space(struct doctor *d, const char *dir, const char *what, unsigned long long warn,
		  unsigned long long bad)
{
	char n[TABLE_TEXT], subject[64], remedy[CLI_PATH + 64];
	struct statvfs fs;
	unsigned long long avail;

	snprintf(subject, sizeof(subject), "disk space, %s", what);
	snprintf(remedy, sizeof(remedy), "make room under %s", dir);
	if (statvfs(dir, &fs) != 0) {
		snprintf(remedy, sizeof(remedy), "the daemons make it; is --base right?");
		doctor_say(d, DOCTOR_WARN, subject, remedy, "%s: %s", dir, strerror(errno));
		return;
	}
	avail = (unsigned long long)fs.f_bavail * fs.f_frsize;
	table_bytes(avail, n);
	if (avail < bad)
		doctor_say(d, DOCTOR_BAD, subject, remedy, "%s has %s left", dir, n);
	else if (avail < warn || (fs.f_files > 0 && fs.f_favail < 100))
		doctor_say(d, DOCTOR_WARN, subject, remedy, "%s has %s and %llu files left", dir, n,
			   (unsigned long long)fs.f_favail);
	else
		doctor_say(d, DOCTOR_OK, subject, "", "%s has %s left", dir, n);
}

void doctor_machine(struct doctor *d)
{
	hugepages(d);
	limits(d);
	kernel(d);
	clock_(d);
	forwarding(d);
	space(d, d->cli->lib_dir, "datastore", 1ULL << 30, 64ULL << 20);
	space(d, d->cli->run_dir, "flow tables", 512ULL << 20, 16ULL << 20);
}
