// SPDX-License-Identifier: BSD-3-Clause
//
// mapfile - see mapfile.h.

#include "dataplane/flow/mapfile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define HEAD_MAX 64

uint64_t mapfile_memory_available(void)
{
	unsigned long long kib = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "re");

	if (f == NULL)
		return UINT64_MAX;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			break;
	fclose(f);
	return kib == 0 ? UINT64_MAX : (uint64_t)kib * 1024;
}

static bool is_hugetlbfs(int fd)
{
	struct statfs s;

	return fstatfs(fd, &s) == 0 && s.f_type == HUGETLBFS_MAGIC;
}

// Give the file its size with every page behind it. `have`: bytes it holds already.
static int allocate_file(int fd, uint64_t bytes, uint64_t have)
{
	int rc;

	// tmpfs may be as large as all memory: allocating past what is free would end in the OOM killer.
	if (!is_hugetlbfs(fd) && bytes > have &&
	    mapfile_memory_available() < bytes - have + MAPFILE_MARGIN)
		return -ENOMEM;
	do
		rc = posix_fallocate(fd, 0, (off_t)bytes);
	while (rc == EINTR);
	if (rc == ENOSPC || rc == ENOMEM || rc == EDQUOT)
		return -ENOMEM;
	return rc == 0 ? 0 : -EIO;
}

int mapfile_lock(int fd)
{
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return errno == EWOULDBLOCK ? -EBUSY : -EIO;
}

static bool begins_with(int fd, const void *head, size_t head_bytes)
{
	uint8_t there[HEAD_MAX];

	return head_bytes <= sizeof(there) &&
	       pread(fd, there, head_bytes, 0) == (ssize_t)head_bytes &&
	       memcmp(there, head, head_bytes) == 0;
}

int mapfile_open(const char *path, uint64_t bytes, const void *head, size_t head_bytes, int *out,
		 bool *fresh)
{
	struct stat st;
	int fd, rc;

	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return errno == ELOOP || errno == EISDIR ? -EINVAL : -EIO;
	rc = -EINVAL;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		goto err_close;
	rc = mapfile_lock(fd);
	if (rc != 0)
		goto err_close;
	*fresh = (uint64_t)st.st_size != bytes || !begins_with(fd, head, head_bytes);
	rc = -EIO;
	if (*fresh && ftruncate(fd, 0) != 0)
		goto err_close;
	rc = allocate_file(fd, bytes, *fresh ? 0 : (uint64_t)st.st_blocks * 512);
	if (rc != 0) {
		if (*fresh)
			unlink(path);
		goto err_close;
	}
	*out = fd;
	return 0;

err_close:
	close(fd);
	return rc;
}
