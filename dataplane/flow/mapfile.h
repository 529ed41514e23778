// SPDX-License-Identifier: BSD-3-Clause
//
// mapfile - a file of fixed size behind shared memory that outlives the process (tmpfs or hugetlbfs): the flow
// table (shm.c) and what else lies beside it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAPFILE_MARGIN (UINT64_C(64) << 20) // memory to leave to others

// Open and lock the file, or make it, and allocate every page: a sparse file would kill us by SIGBUS when memory is
// short later. One that does not begin with the bytes of `head`, or is of another size, is emptied: *fresh.
// The lock is held as long as the file is open. Writing `head` is the caller's last act of making it.
// Returns: 0 and *out.
// Errors: -ENOMEM  not enough memory behind path (nothing is left of a new file)
//         -EINVAL  path is no regular file
//         -EBUSY   locked by another process
//         -EIO     anything else
// Thread: init | control
int mapfile_open(const char *path, uint64_t bytes, const void *head, size_t head_bytes, int *out,
		 bool *fresh);

// Lock an open file. Errors: -EBUSY, -EIO
int mapfile_lock(int fd);

// Memory that the kernel can give without swapping; UINT64_MAX: it does not say.
uint64_t mapfile_memory_available(void);
