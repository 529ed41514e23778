// SPDX-License-Identifier: BSD-3-Clause
//
// What the memif driver (22.11) leaves to be done.
//
// The end that makes the socket fails when the file is there, which it is after a kill: one on which nobody
// listens is removed. As root (a start from the last good state) the file would be root's and the other
// end, without root, could not connect: it goes to the owner of its folder. The other end's device does not
// start while nobody listens: such a port is open, but has yet to come (watch.c).

#include "dataplane/port/port_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOCKET_LISTENS 0x10000 // __SO_ACCEPTCON in /proc/net/unix

// Does a process of this namespace listen there? Asked of the kernel: a connection that only looks and goes
// makes the driver of the other end panic.
static bool is_listening(const char *path)
{
	FILE *f = fopen("/proc/net/unix", "re");
	char line[256], *at;
	unsigned flags;
	bool yes = false;

	while (f != NULL && !yes && fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		at = strchr(line, '/');
		yes = at != NULL && strcmp(at, path) == 0 &&
		      sscanf(line, "%*s %*s %*s %x", &flags) == 1 && (flags & SOCKET_LISTENS) != 0;
	}
	if (f != NULL)
		fclose(f);
	return yes;
}

int memif_before(const struct port_slot *s, struct port_error *err)
{
	const char *path = s->conf.path;
	struct stat st;

	if ((s->conf.flags & CTL_PORT_F_MEMIF_SERVER) == 0) {
		if (is_listening(path))
			return 0;
		return port_fail(err, -ENOTCONN, CTL_TAG_OPERATION_FAILED, "memif/socket",
				 "nobody listens on '%s' yet", path);
	}
	if (lstat(path, &st) != 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return port_fail(err, -EBUSY, CTL_TAG_IN_USE, "memif/socket",
				 "'%s' is there and is no socket", path);
	if (is_listening(path))
		return port_fail(err, -EBUSY, CTL_TAG_IN_USE, "memif/socket",
				 "another process listens on '%s'", path);
	if (unlink(path) != 0)
		return port_fail(err, -EBUSY, CTL_TAG_IN_USE, "memif/socket",
				 "'%s' cannot be removed: %s", path, strerror(errno));
	return 0;
}

void memif_after(const struct port_slot *s)
{
	char folder[sizeof(s->conf.path)];
	struct stat st;
	char *slash;

	if ((s->conf.flags & CTL_PORT_F_MEMIF_SERVER) == 0 || geteuid() != 0)
		return;
	snprintf(folder, sizeof(folder), "%s", s->conf.path);
	slash = strrchr(folder, '/');
	if (slash == NULL)
		return;
	*slash = '\0';
	if (stat(folder[0] == '\0' ? "/" : folder, &st) != 0 ||
	    lchown(s->conf.path, st.st_uid, st.st_gid) != 0)
		PORT_LOG(WARNING, "%s: '%s' stays root's: %s\n", s->p.name, s->conf.path,
			 strerror(errno));
}
