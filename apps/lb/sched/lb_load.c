// SPDX-License-Identifier: BSD-3-Clause
//
// lb_load - see lb_load.h.

#include "apps/lb/sched/lb_load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int lb_loads_init(struct lb_loads *l, unsigned workers)
{
	l->chunk = calloc(LB_LOAD_CHUNKS, sizeof(*l->chunk)); // zero pages until entered
	l->alone = workers <= 1;
	return l->chunk == NULL ? -ENOMEM : 0;
}

void lb_loads_fini(struct lb_loads *l)
{
	for (uint32_t i = 0; l->chunk != NULL && i < LB_LOAD_CHUNKS; i++)
		free(l->chunk[i]);
	free(l->chunk);
	l->chunk = NULL;
}

int lb_loads_reserve(struct lb_loads *l, uint32_t slots)
{
	for (uint32_t i = 0; i < LB_LOAD_CHUNKS && i * LB_LOAD_CHUNK < slots; i++) {
		struct lb_load *c;

		if (l->chunk[i] != NULL)
			continue;
		c = aligned_alloc(64, LB_LOAD_CHUNK * sizeof(*c));
		if (c == NULL)
			return -ENOMEM;
		memset(c, 0, LB_LOAD_CHUNK * sizeof(*c));
		atomic_store_explicit(&l->chunk[i], c, memory_order_release);
	}
	return 0;
}

void lb_load_own(const struct lb_loads *l, uint32_t ref)
{
	struct lb_load *e = lb_load_of(l, ref);

	if (e == NULL || atomic_load(&e->flows) >> 32 == ref >> 24)
		return;
	atomic_store(&e->flows, (uint64_t)(ref >> 24) << 32);
	atomic_store(&e->pass, 0);
}
