// SPDX-License-Identifier: BSD-3-Clause
//
// munmap(), over libc's, for the sake of the memif driver (22.11). When the process at the other end dies,
// the driver's interrupt thread unmaps the shared memory, first having cleared the flag that a burst looks
// at as it begins. A worker in the middle of a burst would be killed by SIGSEGV. So that thread waits
// here until every worker has passed a quiescent state: then none is in a burst begun before the flag
// fell. In a file of its own: every program that unmaps memory is linked with it.

#include "dataplane/core/publish.h"

#include <rte_interrupts.h>
#include <rte_rcu_qsbr.h>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int munmap(void *addr, size_t len)
{
	if (rte_thread_is_intr())
		rte_rcu_qsbr_synchronize(publish_qsbr(), RTE_QSBR_THRID_INVALID);
	return (int)syscall(SYS_munmap, addr, len);
}
