// SPDX-License-Identifier: BSD-3-Clause

#include "control/daemon/paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int paths_join(char *out, size_t size, const char *dir, const char *name)
{
	int n = snprintf(out, size, "%s/%s", dir, name);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int paths_init(struct paths *p, const char *base)
{
	if (base == NULL)
		base = getenv("SLUICE_BASE");
	if (base == NULL || base[0] == '\0') {
		snprintf(p->etc, sizeof(p->etc), "/etc/sluice");
		snprintf(p->lib, sizeof(p->lib), "/var/lib/sluice");
		snprintf(p->run, sizeof(p->run), "/run/sluice");
		return 0;
	}
	if (paths_join(p->etc, sizeof(p->etc), base, "etc") != 0 ||
	    paths_join(p->lib, sizeof(p->lib), base, "lib") != 0 ||
	    paths_join(p->run, sizeof(p->run), base, "run") != 0)
		return -ENAMETOOLONG;
	return 0;
}

static int make(const char *path)
{
	char copy[4096], *at;

	snprintf(copy, sizeof(copy), "%s", path);
	for (at = copy + 1; *at != '\0'; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		if (mkdir(copy, 0755) != 0 && errno != EEXIST)
			return -errno;
		*at = '/';
	}
	return mkdir(copy, 0755) != 0 && errno != EEXIST ? -errno : 0;
}

int paths_make(const struct paths *p, uid_t uid, gid_t gid, char *err, size_t err_size)
{
	const char *const dirs[] = {p->etc, p->lib, p->run};

	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		int rc = make(dirs[i]);

		if (rc == 0 && i > 0 && geteuid() == 0 && chown(dirs[i], uid, gid) != 0)
			rc = -errno;
		if (rc != 0) {
			snprintf(err, err_size, "%s: %s", dirs[i], strerror(-rc));
			return rc;
		}
	}
	return 0;
}
