// SPDX-License-Identifier: BSD-3-Clause
//
// The loop, and how it sleeps without losing a wake-up:
//
//	worker                                  whoever has work for it
//	sleeping = 1; full fence                put the work where a source finds it; full fence
//	one more turn over all sources          if sleeping: write its eventfd
//	ppoll(fds, eventfd)
//
// Either the last turn sees the work or the other side sees `sleeping`. Sources with an fd need no such
// care: poll() is level-triggered. While asleep the worker is offline for RCU and therefore holds no
// pointer: the fds are copied before, and a change of sources wakes it.

#include "dataplane/core/worker.h"

#include "dataplane/core/clock.h"
#include "dataplane/core/publish.h"

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_rcu_qsbr.h>

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define CALL_TIMEOUT_NS UINT64_C(5000000000)
// Wake-ups in a row by a readable fd whose source found nothing, after which fds are not trusted for
// one step: a device that went away may leave its fd readable for ever.
#define FUTILE_MAX 8

struct call {
	int (*fn)(struct worker *w, void *arg);
	void *arg;
	int result;
	_Atomic bool done;
};

struct slot {
	struct worker w;
	alignas(RTE_CACHE_LINE_SIZE) _Atomic uint32_t sleeping; // owner: rw, any: ro
	_Atomic(struct call *) call;                            // control puts, owner takes
	struct publish sources;                                 // struct worker_sources
	int wake_fd;
	// owner only
	alignas(RTE_CACHE_LINE_SIZE) struct pollfd fds[WORKER_SOURCE_MAX + 1];
	unsigned idle_turns;
	unsigned futile;
	uint32_t step_us;
	uint64_t ticks_tsc; // when now_ticks was read
};

static struct slot *slots[WORKER_MAX];
static unsigned slot_count;
static _Atomic bool running;
static _Atomic bool stopping;

unsigned worker_count(void)
{
	return slot_count;
}

struct worker *worker_get(unsigned index)
{
	return index < slot_count ? &slots[index]->w : NULL;
}

static void slot_destroy(struct slot *s)
{
	if (s == NULL)
		return;
	if (s->wake_fd >= 0)
		close(s->wake_fd);
	free(publish_get(&s->sources));
	free(s);
}

static int slot_create(unsigned index, unsigned lcore, struct slot **out)
{
	struct slot *s = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*s));
	int rc;

	if (s == NULL)
		return -ENOMEM;
	memset(s, 0, sizeof(*s));
	s->w.index = index;
	s->w.lcore = lcore;
	s->w.now_tsc = rte_rdtsc();
	s->w.now_ticks = clock_ticks();
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->wake_fd < 0) {
		rc = -errno;
		slot_destroy(s);
		return rc;
	}
	*out = s;
	return 0;
}

int worker_init(unsigned count)
{
	unsigned lcore = rte_get_next_lcore(-1, 1, 0);
	int rc;

	if (slot_count != 0)
		return -EALREADY;
	if (count == 0 || count > WORKER_MAX || count > rte_lcore_count() - 1)
		return -EINVAL;
	for (unsigned i = 0; i < count; i++) {
		rc = slot_create(i, lcore, &slots[i]);
		if (rc != 0) {
			while (i-- > 0)
				slot_destroy(slots[i]);
			return rc;
		}
		lcore = rte_get_next_lcore(lcore, 1, 0);
	}
	slot_count = count;
	return 0;
}

int worker_set_sources(unsigned index, const struct worker_sources *sources)
{
	struct worker_sources *copy;

	if (index >= slot_count || sources->count > WORKER_SOURCE_MAX)
		return -EINVAL;
	copy = malloc(sizeof(*copy));
	if (copy == NULL)
		return -ENOMEM;
	copy->count = sources->count;
	memcpy(copy->source, sources->source, sources->count * sizeof(copy->source[0]));
	publish_swap(&slots[index]->sources, copy, free);
	worker_wake(index); // it may sleep on an fd that is no longer there
	return 0;
}

void worker_wake(unsigned index)
{
	struct slot *s = slots[index];
	uint64_t one = 1;

	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&s->sleeping, memory_order_relaxed) == 0)
		return;
	// The first waker takes the flag down, so that a burst of hand-overs costs one write.
	if (atomic_exchange_explicit(&s->sleeping, 0, memory_order_relaxed) == 0)
		return;
	if (write(s->wake_fd, &one, sizeof(one)) < 0)
		return; // EAGAIN: it is readable anyway
}

static void take_call(struct slot *s)
{
	struct call *c = atomic_exchange_explicit(&s->call, NULL, memory_order_acq_rel);

	if (c == NULL)
		return;
	c->result = c->fn(&s->w, c->arg);
	atomic_store_explicit(&c->done, true, memory_order_release);
}

// One turn over all sources. Returns what they handled.
static unsigned turn(struct slot *s)
{
	const struct worker_sources *set = publish_get(&s->sources);
	struct worker *w = &s->w;
	uint64_t start = rte_rdtsc(), spent;
	unsigned work = 0;

	w->now_tsc = start;
	if (start - s->ticks_tsc > rte_get_tsc_hz() / 1024) { // a tick is 16.8 ms
		s->ticks_tsc = start;
		w->now_ticks = clock_ticks();
	}
	if (set != NULL)
		for (unsigned i = 0; i < set->count; i++)
			work += set->source[i].poll(w, set->source[i].arg);
	if (atomic_load_explicit(&s->call, memory_order_relaxed) != NULL)
		take_call(s);

	spent = rte_rdtsc() - start;
	w->turns++;
	if (work != 0) {
		w->busy_tsc += spent;
		if (spent > __atomic_load_n(&w->longest_turn_tsc, __ATOMIC_RELAXED))
			__atomic_store_n(&w->longest_turn_tsc, spent, __ATOMIC_RELAXED);
	}
	return work;
}

// Fill the poll set from the sources in force. Returns the longest sleep they allow.
static uint32_t collect_fds(struct slot *s, nfds_t *count)
{
	const struct worker_sources *set = publish_get(&s->sources);
	uint32_t limit_us = WORKER_SLEEP_MAX_US;
	nfds_t n = 0;

	s->fds[n++] = (struct pollfd){.fd = s->wake_fd, .events = POLLIN};
	for (unsigned i = 0; set != NULL && i < set->count; i++) {
		int fd = set->source[i].fd;

		if (fd >= 0 && s->futile < FUTILE_MAX)
			s->fds[n++] = (struct pollfd){.fd = fd, .events = POLLIN};
		else if (fd >= 0 || fd == WORKER_FD_NONE)
			limit_us = WORKER_SLEEP_NO_FD_US;
	}
	*count = n;
	return limit_us;
}

static void sleep_on(struct slot *s, nfds_t count, uint32_t us)
{
	struct timespec ts = {.tv_sec = us / 1000000, .tv_nsec = (us % 1000000) * 1000};
	struct rte_rcu_qsbr *v = publish_qsbr();
	uint64_t n;
	int ready;

	s->w.sleeps++;
	rte_rcu_qsbr_thread_offline(v, s->w.index);
	ready = ppoll(s->fds, count, &ts, NULL);
	atomic_store_explicit(&s->sleeping, 0, memory_order_relaxed);
	rte_rcu_qsbr_thread_online(v, s->w.index);

	if (ready > 0 && s->fds[0].revents != 0) {
		if (read(s->wake_fd, &n, sizeof(n)) == sizeof(n))
			ready--;
	}
	if (ready > 0) {
		s->futile++; // taken back when a turn finds work
		s->idle_turns = 0;
	} else {
		// Time is up, or somebody woke us: one turn, then sleep on if it finds nothing.
		s->idle_turns = WORKER_SPIN_POLLS;
		if (s->futile >= FUTILE_MAX)
			s->futile = FUTILE_MAX - 1; // trust the fds once more
	}
}

static void idle(struct slot *s)
{
	uint32_t limit_us, us;
	nfds_t count;

	limit_us = collect_fds(s, &count);
	if (limit_us == WORKER_SLEEP_MAX_US)
		us = limit_us;
	else
		us = s->step_us < limit_us ? s->step_us : limit_us;
	if (s->step_us < WORKER_SLEEP_NO_FD_US)
		s->step_us *= 2;

	atomic_store_explicit(&s->sleeping, 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	if (turn(s) != 0) {
		atomic_store_explicit(&s->sleeping, 0, memory_order_relaxed);
		s->idle_turns = 0;
		s->futile = 0;
		s->step_us = WORKER_SLEEP_MIN_US;
		return;
	}
	if (atomic_load(&stopping))
		return;
	sleep_on(s, count, us);
}

static int loop_main(void *arg)
{
	struct rte_rcu_qsbr *v = publish_qsbr();
	struct slot *s = arg;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	// The default slack of 50 us would be added to every timed sleep.
	prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);

	s->idle_turns = 0;
	s->futile = 0;
	s->step_us = WORKER_SLEEP_MIN_US;
	rte_rcu_qsbr_thread_register(v, s->w.index);
	rte_rcu_qsbr_thread_online(v, s->w.index);
	while (!atomic_load_explicit(&stopping, memory_order_relaxed)) {
		if (turn(s) != 0) {
			s->idle_turns = 0;
			s->futile = 0;
			s->step_us = WORKER_SLEEP_MIN_US;
		} else if (++s->idle_turns > WORKER_SPIN_POLLS) {
			idle(s);
		}
		rte_rcu_qsbr_quiescent(v, s->w.index);
	}
	atomic_store(&s->sleeping, 0);
	rte_rcu_qsbr_thread_offline(v, s->w.index);
	rte_rcu_qsbr_thread_unregister(v, s->w.index);
	return 0;
}

int worker_start(void)
{
	int rc;

	if (slot_count == 0)
		return -EINVAL;
	if (atomic_load(&running))
		return -EBUSY;
	atomic_store(&stopping, false);
	for (unsigned i = 0; i < slot_count; i++) {
		rc = rte_eal_remote_launch(loop_main, slots[i], slots[i]->w.lcore);
		if (rc != 0) {
			atomic_store(&running, i > 0);
			worker_stop();
			return rc < 0 ? rc : -EBUSY;
		}
	}
	atomic_store(&running, true);
	return 0;
}

void worker_stop(void)
{
	if (!atomic_load(&running))
		return;
	atomic_store(&stopping, true);
	for (unsigned i = 0; i < slot_count; i++)
		worker_wake(i);
	for (unsigned i = 0; i < slot_count; i++)
		rte_eal_wait_lcore(slots[i]->w.lcore);
	atomic_store(&running, false);
}

int worker_call(unsigned index, int (*fn)(struct worker *w, void *arg), void *arg)
{
	struct timespec pause = {.tv_nsec = 20000};
	struct call c = {.fn = fn, .arg = arg};
	struct call *expected = &c;
	uint64_t deadline;

	if (index >= slot_count)
		return -EINVAL;
	if (!atomic_load(&running))
		return fn(&slots[index]->w, arg);

	atomic_store_explicit(&slots[index]->call, &c, memory_order_release);
	worker_wake(index);
	deadline = clock_monotonic_ns() + CALL_TIMEOUT_NS;
	while (!atomic_load_explicit(&c.done, memory_order_acquire)) {
		nanosleep(&pause, NULL);
		if (clock_monotonic_ns() < deadline)
			continue;
		if (atomic_compare_exchange_strong(&slots[index]->call, &expected, NULL))
			return -ETIMEDOUT;
		// Taken: it is running now and uses our stack, so it has to end first.
		deadline = UINT64_MAX;
	}
	return c.result;
}

void worker_counters_sum(struct worker_counters *out)
{
	// The block is nothing but uint64_t, so it can be summed as an array.
	static_assert(sizeof(*out) % sizeof(uint64_t) == 0, "counters only");
	uint64_t *sum = (uint64_t *)out;

	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < slot_count; i++) {
		const uint64_t *c = (const uint64_t *)&slots[i]->w.count;

		for (size_t k = 0; k < sizeof(*out) / sizeof(uint64_t); k++)
			sum[k] += __atomic_load_n(&c[k], __ATOMIC_RELAXED);
	}
}

uint64_t worker_longest_turn_take(unsigned index)
{
	if (index >= slot_count)
		return 0;
	return __atomic_exchange_n(&slots[index]->w.longest_turn_tsc, 0, __ATOMIC_RELAXED);
}
