// SPDX-License-Identifier: BSD-3-Clause
//
// Retired objects wait in a list, oldest first, each with the QSBR token taken when it was retired.
// Tokens only grow, so the first one that is not quiescent ends a reclaim.

#include "dataplane/core/publish.h"

#include <rte_pause.h>
#include <rte_rcu_qsbr.h>

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct retired {
	struct retired *next;
	void *object;
	void (*destroy)(void *);
	uint64_t token;
};

// Control thread only.
static struct retired *oldest, **tail = &oldest;
static size_t waiting;

static struct rte_rcu_qsbr *qsbr;
static pthread_once_t qsbr_once = PTHREAD_ONCE_INIT;

static void qsbr_make(void)
{
	size_t size =
		RTE_ALIGN_CEIL(rte_rcu_qsbr_get_memsize(PUBLISH_READERS), RTE_CACHE_LINE_SIZE);

	qsbr = aligned_alloc(RTE_CACHE_LINE_SIZE, size);
	if (qsbr == NULL || rte_rcu_qsbr_init(qsbr, PUBLISH_READERS) != 0)
		abort(); // a few hundred bytes at the very start
}

struct rte_rcu_qsbr *publish_qsbr(void)
{
	pthread_once(&qsbr_once, qsbr_make);
	return qsbr;
}

void publish_retire(void *object, void (*destroy)(void *))
{
	struct rte_rcu_qsbr *v = publish_qsbr();
	struct retired *r;

	if (object == NULL || destroy == NULL)
		return;
	r = malloc(sizeof(*r));
	if (r == NULL) {
		// A commit cannot fail: wait here instead, for a turn of the workers at most.
		rte_rcu_qsbr_synchronize(v, RTE_QSBR_THRID_INVALID);
		destroy(object);
		return;
	}
	*r = (struct retired){.object = object, .destroy = destroy, .token = rte_rcu_qsbr_start(v)};
	*tail = r;
	tail = &r->next;
	waiting++;
}

void publish_swap(struct publish *p, void *object, void (*destroy)(void *))
{
	void *old = atomic_exchange_explicit(&p->current, object, memory_order_acq_rel);

	if (old != object)
		publish_retire(old, destroy);
}

// Take the oldest one off the list if it is quiescent (or wait until it is).
static struct retired *take(bool wait)
{
	struct retired *r = oldest;

	if (r == NULL || rte_rcu_qsbr_check(publish_qsbr(), r->token, wait) != 1)
		return NULL;
	oldest = r->next;
	if (oldest == NULL)
		tail = &oldest;
	waiting--;
	return r;
}

size_t publish_reclaim(void)
{
	struct retired *r;

	while ((r = take(false)) != NULL) {
		r->destroy(r->object);
		free(r);
	}
	return waiting;
}

void publish_drain(void)
{
	struct retired *r;

	while ((r = take(true)) != NULL) {
		r->destroy(r->object);
		free(r);
	}
}
