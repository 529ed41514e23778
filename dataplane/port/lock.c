// SPDX-License-Identifier: BSD-3-Clause
//
// One device, one process: a listening socket with an abstract name. Abstract names belong to a network
// namespace, as interfaces do, and vanish with the process, however it ends. The kernel tells a second
// claimant who listens there.

#include "dataplane/port/port_priv.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static socklen_t lock_name(struct sockaddr_un *sun, const char *device)
{
	int n;

	*sun = (struct sockaddr_un){.sun_family = AF_UNIX};
	n = snprintf(sun->sun_path + 1, sizeof(sun->sun_path) - 1, "sluice/port/%s", device);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

static void say_owner(const struct sockaddr_un *sun, socklen_t len, char *owner, size_t size)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	char path[40], comm[32] = "?";
	struct ucred cred;
	socklen_t cred_len = sizeof(cred);
	FILE *f;

	snprintf(owner, size, "another process");
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)sun, len) == 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &cred_len) == 0) {
		snprintf(path, sizeof(path), "/proc/%d/comm", (int)cred.pid);
		f = fopen(path, "re");
		if (f != NULL) {
			if (fgets(comm, sizeof(comm), f) != NULL)
				comm[strcspn(comm, "\n")] = '\0';
			fclose(f);
		}
		snprintf(owner, size, "process %d (%s)", (int)cred.pid, comm);
	}
	close(fd);
}

int port_lock(const char *device, char *owner, size_t owner_size)
{
	struct sockaddr_un sun;
	socklen_t len = lock_name(&sun, device);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc;

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&sun, len) == 0 && listen(fd, 8) == 0)
		return fd;
	rc = errno == EADDRINUSE ? -EBUSY : -errno;
	if (rc == -EBUSY)
		say_owner(&sun, len, owner, owner_size);
	close(fd);
	return rc;
}
