// SPDX-License-Identifier: BSD-3-Clause
//
// What the memif driver (22.11) leaves to be done.
//
// The end that makes the socket fails when the file is there, which it is after a kill: one on which nobody
// listens is removed. As root (a start from the last good state) the file would be root's and the other
// end, without root, could not connect: it goes to the owner of its folder.

#include "dataplane/port/port_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

// Returns: 0 somebody listens there, or a negative errno.
static int knock(const char *path)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int rc;

	if (fd < 0)
		return -errno;
	memcpy(un.sun_path, path, strnlen(path, sizeof(un.sun_path) - 1));
	rc = connect(fd, (const struct sockaddr *)&un, sizeof(un)) == 0 ? 0 : -errno;
	close(fd);
	return rc == -EAGAIN ? 0 : rc; // its queue is full
}

int memif_before(const struct port_slot *s, struct port_error *err)
{
	const char *path = s->conf.path;
	struct stat st;
	int rc;

	if ((s->conf.flags & CTL_PORT_F_MEMIF_SERVER) == 0 || lstat(path, &st) != 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return port_fail(err, -EBUSY, CTL_TAG_IN_USE, "memif/socket",
				 "'%s' is there and is no socket", path);
	rc = knock(path);
	if (rc == 0)
		return port_fail(err, -EBUSY, CTL_TAG_IN_USE, "memif/socket",
				 "another process listens on '%s'", path);
	if (rc == -ECONNREFUSED && unlink(path) == 0)
		return 0;
	return port_fail(err, -EBUSY, CTL_TAG_IN_USE, "memif/socket", "'%s' cannot be used: %s",
			 path, strerror(rc == -ECONNREFUSED ? errno : -rc));
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
