// SPDX-License-Identifier: BSD-3-Clause
//
// paths - where a daemon finds its files: /etc/sluice, /var/lib/sluice, /run/sluice, or DIR/etc, DIR/lib,
// DIR/run under --base DIR (environment SLUICE_BASE).
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct paths {
	char etc[4096], lib[4096], run[4096];
};

// Returns: 0, or -ENAMETOOLONG. base NULL: SLUICE_BASE, else the system's folders
int paths_init(struct paths *p, const char *base);

// Make the folders that are missing, and lib and run the user's. err says what failed.
// Returns: 0 or negative errno
int paths_make(const struct paths *p, uid_t uid, gid_t gid, char *err, size_t err_size);

// Put dir/name together. Returns: 0 or -ENAMETOOLONG
int paths_join(char *out, size_t size, const char *dir, const char *name);
