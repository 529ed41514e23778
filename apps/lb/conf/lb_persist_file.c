// SPDX-License-Identifier: BSD-3-Clause
//
// lb_persist_file - making the persistence table and taking it over, see lb_persist.h.

#include "apps/lb/worker/lb_persist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "dataplane/core/clock.h"
#include "dataplane/flow/mapfile.h"

#define MAGIC    UINT64_C(0x7473697372657073) // "spersist"
#define VERSION  1
#define PAGE     4096
#define FURTHEST 86400000 // of sluice-lb.yang, ms

static uint32_t sets_for(uint32_t clients)
{
	return (clients + LB_PERSIST_WAYS - 1) / LB_PERSIST_WAYS;
}

uint64_t lb_persist_bytes(uint32_t clients)
{
	return PAGE + (uint64_t)sets_for(clients) * sizeof(struct lb_persist_set);
}

// Sets as workers may find them: none claimed, nothing that expires later than can be said.
static uint32_t take_over(struct lb_persist *p, uint32_t now)
{
	uint32_t furthest = clock_ms_to_ticks(FURTHEST), taken = 0;

	for (uint32_t i = 0; i < p->sets; i++) {
		struct lb_persist_set *s = &p->set[i];

		atomic_store_explicit(&s->version, 0, memory_order_relaxed);
		for (unsigned w = 0; w < LB_PERSIST_WAYS; w++) {
			int32_t left = (int32_t)((uint32_t)s->way[w].value - now);

			if (s->way[w].key == 0)
				continue;
			if (left <= 0 || (uint32_t)left > furthest) // or of before a reboot
				s->way[w].key = 0;
			else
				taken++;
		}
	}
	return taken;
}

int lb_persist_open(const char *path, uint32_t clients, uint32_t now, struct lb_persist **out)
{
	struct lb_persist *p = calloc(1, sizeof(*p));
	struct lb_persist_header want, *h;
	bool fresh = true;
	int rc = -ENOMEM;

	if (p == NULL)
		return -ENOMEM;
	p->fd = -1;
	p->sets = sets_for(clients);
	want = (struct lb_persist_header){.magic = MAGIC, .version = VERSION, .sets = p->sets};
	p->bytes = lb_persist_bytes(clients);
	if (path != NULL) {
		rc = mapfile_open(path, p->bytes, &want, offsetof(struct lb_persist_header, secret),
				  &p->fd, &fresh);
		if (rc != 0)
			goto err_free;
	}
	p->map = mmap(NULL, p->bytes, PROT_READ | PROT_WRITE,
		      path == NULL ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, p->fd, 0);
	rc = -ENOMEM;
	if (p->map == MAP_FAILED)
		goto err_close;
	h = p->map;
	p->set = (void *)((uint8_t *)p->map + PAGE);
	if (fresh) {
		rc = -EIO;
		if (getrandom(h->secret, sizeof(h->secret), 0) != (ssize_t)sizeof(h->secret))
			goto err_unmap;
		h->version = want.version;
		h->sets = want.sets;
		atomic_thread_fence(memory_order_release);
		h->magic = want.magic; // last: a half-made file is made anew
	}
	memcpy(p->secret, h->secret, sizeof(p->secret));
	p->taken = fresh ? 0 : take_over(p, now);
	*out = p;
	return 0;

err_unmap:
	munmap(p->map, p->bytes);
err_close:
	if (p->fd >= 0)
		close(p->fd);
err_free:
	free(p);
	return rc;
}

void lb_persist_close(struct lb_persist *p)
{
	if (p == NULL)
		return;
	munmap(p->map, p->bytes);
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}
