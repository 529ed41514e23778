// SPDX-License-Identifier: BSD-3-Clause
//
// Joins the two halves: the mirror on the control thread and the workers' state. What goes between
// them: views by RCU, a mark for each next hop a worker has used, requests for neighbours packets
// wait for (a ring and one eventfd), and worker_wake() when one has resolved.

#include "dataplane/out/out.h"

#include "dataplane/core/loop.h"
#include "dataplane/out/mirror.h"
#include "dataplane/out/out_priv.h"

#include <rte_cycles.h>
#include <rte_random.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CONFIRM_MS 1000

// Packets a second for the kernel, of one worker; bursts are a tenth of it.
static const uint32_t punt_rate[PUNT_COUNT] = {
	[PUNT_NEIGHBOUR] = 5000,
	[PUNT_ROUTING] = 20000,
	[PUNT_ICMP] = 2000,
	[PUNT_REST] = 50000,
};
#define ANSWER_RATE  10000
#define ANSWER_BURST 2000

static struct loop *loop;
static int request_fd = -1;
static _Atomic bool told; // a worker has written request_fd
static int confirm_timer;

void out_tell_control(void)
{
	uint64_t one = 1;

	// One write for all requests until the control thread has woken up: neighbours are rare.
	if (!atomic_exchange_explicit(&told, true, memory_order_acq_rel) &&
	    write(request_fd, &one, sizeof(one)) < 0)
		atomic_store_explicit(&told, false, memory_order_relaxed);
}

static void on_requests(struct loop *l, int fd, uint32_t epoll_events, void *arg)
{
	struct hold_request r;
	uint64_t n;

	if (read(fd, &n, sizeof(n)) < 0)
		return;
	atomic_store_explicit(&told, false, memory_order_release);
	for (unsigned i = 0; i < worker_count(); i++)
		while (hold_take_request(&out_workers[i]->rare->hold, &r))
			mirror_want(r.nexthop, r.family, r.addr);
}

static void wake_holders(void)
{
	for (unsigned i = 0; i < worker_count(); i++)
		if (out_workers[i] != NULL &&
		    atomic_load_explicit(&out_workers[i]->rare->hold.count, memory_order_relaxed) !=
			    0)
			worker_wake(i);
}

static void on_confirm(struct loop *l, void *arg)
{
	static uint8_t used[UINT16_MAX + 1];
	uint32_t count = out_view_get()->count;

	memset(used, 0, count);
	for (unsigned i = 0; i < worker_count(); i++) {
		for (uint32_t k = 1; k < count; k++) {
			if (!__atomic_load_n(&out_workers[i]->used[k], __ATOMIC_RELAXED))
				continue;
			__atomic_store_n(&out_workers[i]->used[k], 0, __ATOMIC_RELAXED);
			used[k] = 1;
		}
	}
	mirror_confirm(used, count);
}

static void worker_free(unsigned index)
{
	struct out_worker *ow = out_workers[index];
	struct out_rare *r;

	if (ow == NULL)
		return;
	r = ow->rare;
	out_workers[index] = NULL;
	if (r != NULL) {
		for (uint16_t i = r->hold.oldest; i != 0; i = r->hold.entry[i].newer)
			rte_pktmbuf_free(r->hold.entry[i].m);
		free(r);
	}
	free(ow);
}

static int worker_make(unsigned index)
{
	struct out_worker *ow = aligned_alloc(64, (sizeof(*ow) + 63) & ~(size_t)63);
	uint64_t hz = rte_get_tsc_hz(), now = rte_rdtsc();
	struct out_rare *r;

	if (ow == NULL)
		return -ENOMEM;
	memset(ow, 0, sizeof(*ow));
	out_workers[index] = ow;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	ow->rare = r;
	r->hz = hz;
	r->hold_ticks = hz / 1000 * HOLD_MS;
	hold_init(&r->hold);
	for (unsigned i = 0; i < PUNT_COUNT; i++)
		out_bucket_init(&r->punt[i], punt_rate[i], punt_rate[i] / 10, hz, now);
	out_bucket_init(&r->answer, ANSWER_RATE, ANSWER_BURST, hz, now);
	frag_ids_init(&r->ids, index, worker_count(), rte_rand());
	return 0;
}

int out_init(struct loop *l)
{
	int rc = -ENOMEM;

	loop = l;
	mirror_published = wake_holders;
	request_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (request_fd < 0) {
		rc = -errno;
		goto err;
	}
	for (unsigned i = 0; i < worker_count(); i++) {
		rc = worker_make(i);
		if (rc != 0)
			goto err;
	}
	rc = mirror_create();
	if (rc != 0)
		goto err;
	rc = mirror_start(l);
	if (rc != 0)
		goto err;
	rc = loop_add_fd(l, request_fd, EPOLLIN, on_requests, NULL);
	if (rc != 0)
		goto err;
	confirm_timer = loop_add_timer(l, CONFIRM_MS, CONFIRM_MS, on_confirm, NULL);
	if (confirm_timer > 0)
		return 0;
	rc = confirm_timer;
err:
	out_fini();
	return rc;
}

void out_fini(void)
{
	if (loop != NULL && confirm_timer > 0)
		loop_del_timer(loop, confirm_timer);
	confirm_timer = 0;
	if (request_fd >= 0) {
		if (loop != NULL)
			loop_del_fd(loop, request_fd);
		close(request_fd);
		request_fd = -1;
	}
	mirror_published = NULL;
	mirror_destroy();
	for (unsigned i = 0; i < WORKER_MAX; i++)
		worker_free(i);
	loop = NULL;
}

int out_prefix_set(const struct ctl_prefix *prefixes, unsigned count)
{
	return mirror_prefix_set(prefixes, count);
}

void out_ports_changed(void)
{
	mirror_ports_changed();
}
