// SPDX-License-Identifier: BSD-3-Clause
//
// doctor - findings about this machine, each with a remedy in words.
#pragma once

#include "control/cli/cli.h"

enum doctor_severity { DOCTOR_OK, DOCTOR_NOTE, DOCTOR_WARN, DOCTOR_BAD };

struct doctor {
	struct cli *cli;
	json_t *findings; // array of {severity, subject, text, remedy}
	enum doctor_severity worst;
};

// Add one finding; remedy "" where there is nothing to do.
void doctor_say(struct doctor *d, enum doctor_severity s, const char *subject, const char *remedy,
		const char *fmt, ...) __attribute__((format(printf, 5, 6)));

void doctor_machine(struct doctor *d); // doctor_machine.c: memory, limits, kernel, clock, disk
void doctor_daemons(struct doctor *d); // doctor_daemons.c: processes, sockets, snapshots
// doctor_device.c: a kernel interface; named by the operator or by a port of the configuration
void doctor_device(struct doctor *d, const char *device, const char *why);
// Every interface that has an XDP program; those in seen (count names) are left out.
void doctor_xdp_devices(struct doctor *d, const char *const *seen, size_t count);

// First line of a file of /proc or /sys, without its end. Returns: 0 or -errno
int doctor_read(const char *path, char *out, size_t size);
long long doctor_read_number(const char *path, long long fallback);
