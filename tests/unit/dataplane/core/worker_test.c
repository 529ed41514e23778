// SPDX-License-Identifier: BSD-3-Clause
//
// Two workers on real lcores: sources, sleeping and waking, calls, counters, hand-over.

#include "dataplane/core/clock.h"
#include "dataplane/core/handover.h"
#include "dataplane/core/publish.h"
#include "dataplane/core/worker.h"
#include "dataplane/out/telemetry.h"
#include "tests/unit/dataplane/core/eal.h"

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define WAKES   50
#define MEDIANS 5
#define WAKE_NS 100000 // the aim, of the median

static struct rte_mempool *pool;

static void set_sources(unsigned index, unsigned count, ...)
{
	struct worker_sources *s = calloc(1, sizeof(*s));
	va_list args;

	va_start(args, count);
	for (unsigned i = 0; i < count; i++)
		s->source[s->count++] = va_arg(args, struct worker_source);
	va_end(args);
	assert_int_equal(worker_set_sources(index, s), 0);
	free(s);
}

static int start(void **state)
{
	return worker_start();
}

static int stop(void **state)
{
	set_sources(0, 0);
	set_sources(1, 0);
	worker_stop();
	publish_drain();
	return 0;
}

static bool await(_Atomic uint64_t *value, uint64_t wanted)
{
	for (int i = 0; i < 5000; i++) {
		if (atomic_load(value) >= wanted)
			return true;
		usleep(1000);
	}
	return false;
}

// ---- limits --------------------------------------------------------------------------------------

static void refuses_counts_it_cannot_make(void **state)
{
	struct worker_sources *s = calloc(1, sizeof(*s));

	assert_int_equal(worker_start(), -EINVAL);
	assert_int_equal(worker_init(0), -EINVAL);
	assert_int_equal(worker_init(3), -EINVAL); // two worker lcores
	assert_int_equal(worker_init(WORKER_MAX + 1), -EINVAL);
	assert_int_equal(worker_init(2), 0);
	assert_int_equal(worker_init(1), -EALREADY);
	assert_int_equal(worker_count(), 2);
	assert_null(worker_get(2));
	assert_int_equal(worker_get(1)->index, 1);
	assert_int_equal(worker_set_sources(2, s), -EINVAL);
	s->count = WORKER_SOURCE_MAX + 1;
	assert_int_equal(worker_set_sources(0, s), -EINVAL);
	assert_int_equal(worker_call(2, NULL, NULL), -EINVAL);
	free(s);
}

static void starts_and_stops_again_and_again(void **state)
{
	for (int i = 0; i < 5; i++) {
		assert_int_equal(worker_start(), 0);
		assert_int_equal(worker_start(), -EBUSY);
		worker_stop();
		worker_stop();
	}
}

// ---- sources -------------------------------------------------------------------------------------

static unsigned count_turns(struct worker *w, void *arg)
{
	atomic_fetch_add((_Atomic uint64_t *)arg, 1);
	return 0;
}

static void polls_every_source_and_only_those_in_force(void **state)
{
	static _Atomic uint64_t a, b; // the worker counts on until the sources are taken away
	uint64_t stopped;

	set_sources(0, 2, (struct worker_source){count_turns, &a, WORKER_FD_NONE},
		    (struct worker_source){count_turns, &b, WORKER_FD_NONE});
	assert_true(await(&a, 10) && await(&b, 10));
	set_sources(0, 1, (struct worker_source){count_turns, &b, WORKER_FD_NONE});
	publish_drain(); // from here on nobody calls the first
	stopped = atomic_load(&a);
	b = 0;
	assert_true(await(&b, 10));
	assert_int_equal(atomic_load(&a), stopped);
}

struct busy {
	_Atomic uint64_t turns;
	_Atomic bool work;
};

static unsigned sometimes_busy(struct worker *w, void *arg)
{
	struct busy *b = arg;

	atomic_fetch_add(&b->turns, 1);
	return atomic_load(&b->work);
}

static void counts_busy_time_for_turns_that_found_work(void **state)
{
	static struct busy b; // polled until stop()
	struct worker *w = worker_get(0);
	uint64_t busy, start;

	set_sources(0, 1, (struct worker_source){sometimes_busy, &b, WORKER_FD_NONE});
	assert_true(await(&b.turns, 100));
	busy = __atomic_load_n(&w->busy_tsc, __ATOMIC_RELAXED);
	usleep(5000);
	assert_int_equal(__atomic_load_n(&w->busy_tsc, __ATOMIC_RELAXED), busy);
	worker_longest_turn_take(0);
	atomic_store(&b.work, true);
	start = atomic_load(&b.turns);
	assert_true(await(&b.turns, start + 1000));
	assert_true(__atomic_load_n(&w->busy_tsc, __ATOMIC_RELAXED) > busy);
	assert_true(worker_longest_turn_take(0) > 0);
	assert_true(w->now_ticks - clock_ticks() + 10 < 20);
}

// ---- sleeping ------------------------------------------------------------------------------------

static uint64_t thread_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int read_cpu(struct worker *w, void *arg)
{
	*(uint64_t *)arg = thread_cpu_ns();
	return 0;
}

static double idle_percent(unsigned ms)
{
	uint64_t before, after, start = clock_monotonic_ns();

	worker_call(0, read_cpu, &before);
	usleep(ms * 1000);
	worker_call(0, read_cpu, &after);
	return 100.0 * (double)(after - before) / (double)(clock_monotonic_ns() - start);
}

static unsigned nothing(struct worker *w, void *arg)
{
	return 0;
}

static void an_idle_worker_costs_under_five_percent_of_a_core(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	double with_fd, without;

	set_sources(0, 2, (struct worker_source){nothing, NULL, fd},
		    (struct worker_source){nothing, NULL, WORKER_FD_TIMER});
	with_fd = idle_percent(1000);
	set_sources(0, 1, (struct worker_source){nothing, NULL, WORKER_FD_NONE});
	without = idle_percent(1000);
	print_message("idle: %.2f %% of a core with fds, %.2f %% with a source that has none\n",
		      with_fd, without);
	assert_true(with_fd < 5.0);
	assert_true(without < 5.0);
	set_sources(0, 0);
	publish_drain();
	close(fd);
}

struct wake {
	int fd;
	_Atomic uint64_t sent_ns;
	_Atomic uint64_t got;
	uint64_t late_ns[WAKES];
};

static unsigned take_wake(struct worker *w, void *arg)
{
	struct wake *k = arg;
	uint64_t sent = atomic_load(&k->sent_ns), n;

	if (sent == 0)
		return 0;
	n = atomic_load(&k->got);
	k->late_ns[n] = clock_monotonic_ns() - sent;
	if (k->fd >= 0 && read(k->fd, &n, sizeof(n)) < 0)
		abort();
	atomic_store(&k->sent_ns, 0);
	atomic_fetch_add(&k->got, 1);
	return 1;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

// Wait until worker `index` has just gone to sleep once more.
static void await_sleep(unsigned index)
{
	uint64_t sleeps = __atomic_load_n(&worker_get(index)->sleeps, __ATOMIC_RELAXED);

	for (int n = 0; n < 10000; n++) {
		if (__atomic_load_n(&worker_get(index)->sleeps, __ATOMIC_RELAXED) != sleeps)
			return;
		usleep(100);
	}
	fail_msg("worker %u does not sleep", index);
}

// Let it fall asleep, give it work, see how late it takes it. Returns the median.
static uint64_t wake_often(struct wake *k, const char *how)
{
	uint64_t one = 1;

	atomic_store(&k->got, 0);
	for (unsigned i = 0; i < WAKES; i++) {
		await_sleep(0);
		usleep(100 + i * 7 % 300);
		atomic_store(&k->sent_ns, clock_monotonic_ns());
		if (k->fd >= 0)
			assert_int_equal(write(k->fd, &one, sizeof(one)), sizeof(one));
		else
			worker_wake(0);
		assert_true(await(&k->got, i + 1));
	}
	qsort(k->late_ns, WAKES, sizeof(k->late_ns[0]), compare);
	print_message("woken by %s: p50 %.1f us, p90 %.1f us, worst %.1f us\n", how,
		      (double)k->late_ns[WAKES / 2] / 1e3, (double)k->late_ns[WAKES * 9 / 10] / 1e3,
		      (double)k->late_ns[WAKES - 1] / 1e3);
	return k->late_ns[WAKES / 2];
}

// Other jobs share the CPUs of a test machine and can only add to it: the best of a few medians is what
// a wake-up costs.
static void measure_wake(struct wake *k, const char *how)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < MEDIANS && best >= WAKE_NS; i++) {
		uint64_t median = wake_often(k, how);

		best = median < best ? median : best;
	}
	assert_true(best < WAKE_NS);
}

static void wakes_at_once_by_an_fd_or_by_a_call(void **state)
{
	struct wake *k = calloc(1, sizeof(*k));

	k->fd = eventfd(0, EFD_NONBLOCK);
	set_sources(0, 1, (struct worker_source){take_wake, k, k->fd});
	measure_wake(k, "fd");
	close(k->fd);
	memset(k, 0, sizeof(*k));
	k->fd = -1;
	set_sources(0, 1, (struct worker_source){take_wake, k, WORKER_FD_WAKES});
	measure_wake(k, "worker_wake");
	set_sources(0, 0);
	publish_drain();
	free(k);
}

static void an_fd_that_stays_readable_for_nothing_does_not_spin(void **state)
{
	int fd = eventfd(1, EFD_NONBLOCK); // nobody will ever read it
	double percent;

	set_sources(0, 1, (struct worker_source){nothing, NULL, fd});
	usleep(10000);
	percent = idle_percent(500);
	print_message("fd readable for nothing: %.2f %%\n", percent);
	assert_true(percent < 20.0);
	close(fd); // and then it is no fd at all
	percent = idle_percent(500);
	print_message("fd closed under it: %.2f %%\n", percent);
	assert_true(percent < 20.0);
}

static void retired_sources_are_freed_while_the_worker_sleeps(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	set_sources(0, 1, (struct worker_source){nothing, NULL, fd});
	set_sources(1, 1, (struct worker_source){nothing, NULL, fd});
	usleep(5000);
	for (int i = 0; i < 100; i++)
		set_sources(0, 1, (struct worker_source){nothing, NULL, fd});
	for (int i = 0; i < 100 && publish_reclaim() != 0; i++)
		usleep(1000);
	assert_int_equal(publish_reclaim(), 0);
	close(fd);
}

// ---- calls ---------------------------------------------------------------------------------------

static pthread_t called_on;

static int say_index(struct worker *w, void *arg)
{
	called_on = pthread_self();
	return (int)w->index + *(int *)arg;
}

static void a_call_runs_on_the_worker_and_returns_its_value(void **state)
{
	int ten = 10;

	for (int i = 0; i < 100; i++) {
		assert_int_equal(worker_call(0, say_index, &ten), 10);
		assert_int_equal(worker_call(1, say_index, &ten), 11);
	}
	assert_false(pthread_equal(called_on, pthread_self()));
}

static void a_call_runs_here_while_the_loops_are_stopped(void **state)
{
	int ten = 10;

	assert_int_equal(worker_call(1, say_index, &ten), 11);
	assert_true(pthread_equal(called_on, pthread_self()));
}

static unsigned stuck(struct worker *w, void *arg)
{
	while (!atomic_load((_Atomic bool *)arg))
		usleep(1000);
	return 0;
}

static int set_flag(struct worker *w, void *arg)
{
	atomic_store((_Atomic bool *)arg, true);
	return 0;
}

static void a_call_to_a_stuck_worker_times_out_and_never_runs(void **state)
{
	_Atomic bool go_on = false, ran = false;

	set_sources(0, 1, (struct worker_source){stuck, &go_on, WORKER_FD_NONE});
	usleep(50000);
	assert_int_equal(worker_call(0, set_flag, &ran), -ETIMEDOUT);
	atomic_store(&go_on, true);
	usleep(20000);
	assert_false(atomic_load(&ran));
	assert_int_equal(worker_call(0, set_flag, &ran), 0);
	assert_true(atomic_load(&ran));
}

// ---- counters and hand-over ----------------------------------------------------------------------

static void counters_are_summed_over_workers(void **state)
{
	struct worker_counters sum;

	for (unsigned i = 0; i < 2; i++) {
		struct worker_counters *c = &worker_get(i)->count;

		memset(c, 0, sizeof(*c));
		c->received = 10 + i;
		c->dropped[DROP_RUNT] = 3;
		c->dropped[DROP_COUNT - 1] = i;
	}
	worker_counters_sum(&sum);
	assert_int_equal(sum.received, 21);
	assert_int_equal(sum.dropped[DROP_RUNT], 6);
	assert_int_equal(sum.dropped[DROP_COUNT - 1], 1);
	assert_int_equal(sum.forwarded, 0);
	for (unsigned i = 0; i < 2; i++)
		memset(&worker_get(i)->count, 0, sizeof(struct worker_counters));
}

static void counters_of_two_workers_share_no_line(void **state)
{
	uintptr_t a = (uintptr_t)&worker_get(0)->count, b = (uintptr_t)&worker_get(1)->count;
	uintptr_t distance = a > b ? a - b : b - a;

	assert_int_equal(a % 64, 0);
	assert_true(distance >= sizeof(struct worker_counters) + 64);
}

static struct {
	_Atomic uint64_t got;
	_Atomic uint64_t wrong_order;
	_Atomic uint64_t at_ns; // when the last came
	uint32_t next;
} taken;

static unsigned take_packets(struct worker *w, void *arg)
{
	struct rte_mbuf *m[16];
	unsigned n = handover_take(w, m, 16);

	for (unsigned i = 0; i < n; i++) {
		if (m[i]->hash.usr != taken.next++)
			atomic_fetch_add(&taken.wrong_order, 1);
		rte_pktmbuf_free(m[i]);
	}
	if (n != 0)
		atomic_store(&taken.at_ns, clock_monotonic_ns());
	atomic_fetch_add(&taken.got, n);
	return n;
}

static struct rte_mbuf *make_packet(uint32_t tag)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	assert_non_null(m);
	m->hash.usr = tag;
	m->pkt_len = m->data_len = 60;
	return m;
}

static int give(struct worker *w, void *arg)
{
	uint32_t *tag = arg;
	struct rte_mbuf *m = make_packet(*tag);

	if (handover_send(w, 1, &m, 1) == 1) {
		++*tag;
		return 0;
	}
	rte_pktmbuf_free(m);
	return -ENOSPC;
}

static void handed_over_packets_wake_their_owner_and_keep_their_order(void **state)
{
	uint32_t tag = 0;

	memset(&taken, 0, sizeof(taken));
	memset(&worker_get(0)->count, 0, sizeof(struct worker_counters));
	memset(&worker_get(1)->count, 0, sizeof(struct worker_counters));
	set_sources(1, 1, (struct worker_source){take_packets, NULL, WORKER_FD_WAKES});
	for (int i = 0; i < 500; i++)
		assert_int_equal(worker_call(0, give, &tag), 0);
	assert_true(await(&taken.got, 500));
	assert_int_equal(atomic_load(&taken.wrong_order), 0);
	assert_int_equal(worker_get(0)->count.handed_over, 500);
	assert_int_equal(worker_get(1)->count.received, 500);
	assert_int_equal(worker_get(1)->count.received_bytes, 500 * 60);
	assert_int_equal(handover_waiting(1), 0);
}

static uint64_t given_ns; // worker 0 writes it within worker_call

static int give_and_note(struct worker *w, void *arg)
{
	given_ns = clock_monotonic_ns();
	return give(w, arg);
}

// Without a wake-up the owner would look when its sleep ends: half of WORKER_SLEEP_MAX_US on average.
static void the_first_packet_handed_to_a_sleeper_does_not_wait(void **state)
{
	static uint64_t late[WAKES];
	uint32_t tag = 0;

	memset(&taken, 0, sizeof(taken));
	set_sources(1, 1, (struct worker_source){take_packets, NULL, WORKER_FD_WAKES});
	for (unsigned i = 0; i < WAKES; i++) {
		await_sleep(1);
		usleep(200);
		assert_int_equal(worker_call(0, give_and_note, &tag), 0);
		assert_true(await(&taken.got, i + 1));
		late[i] = atomic_load(&taken.at_ns) - given_ns;
	}
	qsort(late, WAKES, sizeof(late[0]), compare);
	print_message("handed over to a sleeper: p50 %.1f us, worst %.1f us\n",
		      (double)late[WAKES / 2] / 1e3, (double)late[WAKES - 1] / 1e3);
	assert_true(late[WAKES / 2] < WORKER_SLEEP_MAX_US * UINT64_C(1000) / 10);
}

// What an operator sees of it: in the lab the rings are empty whenever somebody looks.
static void assert_shows_waiting(unsigned index, uint64_t want)
{
	char *text = out_counters_json(NULL), head[32], field[64];
	char *worker, *end;

	assert_non_null(text);
	snprintf(head, sizeof(head), "\"index\":%u,", index);
	snprintf(field, sizeof(field), "\"handover-waiting\":%llu,", (unsigned long long)want);
	worker = strstr(text, head);
	assert_non_null(worker);
	end = strchr(worker, '}');
	assert_non_null(end);
	*end = '\0';
	assert_non_null(strstr(worker, field));
	free(text);
}

static void a_full_ring_leaves_the_rest_with_the_sender(void **state)
{
	struct worker *w = worker_get(0);
	struct rte_mbuf *m[64];
	uint64_t sent = 0;
	unsigned n;

	memset(&w->count, 0, sizeof(w->count));
	for (;;) {
		for (int i = 0; i < 64; i++)
			m[i] = make_packet(0);
		n = handover_send(w, 1, m, 64);
		sent += n;
		for (unsigned i = n; i < 64; i++)
			rte_pktmbuf_free(m[i]);
		if (n < 64)
			break;
	}
	assert_int_equal(sent, HANDOVER_RING - 1);
	assert_int_equal(w->count.handed_over, sent);
	assert_int_equal(handover_waiting(1), sent);
	assert_shows_waiting(0, 0);
	assert_shows_waiting(1, sent);
	m[0] = make_packet(0);
	assert_int_equal(handover_send(w, 0, m, 1), 0); // to itself
	assert_int_equal(handover_send(w, 2, m, 1), 0); // to nobody
	rte_pktmbuf_free(m[0]);
	assert_int_equal(handover_init(), -EALREADY);
	handover_fini(); // frees them
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	assert_int_equal(handover_init(), 0);
}

static int group_setup(void **state)
{
	if (test_eal_init(2) != 0)
		return -1;
	pool = rte_pktmbuf_pool_create("packets", 4095, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	return pool == NULL ? -1 : 0;
}

static void handover_needs_workers_made(void **state)
{
	assert_int_equal(handover_init(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_counts_it_cannot_make),
		cmocka_unit_test(handover_needs_workers_made),
		cmocka_unit_test(starts_and_stops_again_and_again),
		cmocka_unit_test_setup_teardown(polls_every_source_and_only_those_in_force, start,
						stop),
		cmocka_unit_test_setup_teardown(counts_busy_time_for_turns_that_found_work, start,
						stop),
		cmocka_unit_test_setup_teardown(an_idle_worker_costs_under_five_percent_of_a_core,
						start, stop),
		cmocka_unit_test_setup_teardown(wakes_at_once_by_an_fd_or_by_a_call, start, stop),
		cmocka_unit_test_setup_teardown(an_fd_that_stays_readable_for_nothing_does_not_spin,
						start, stop),
		cmocka_unit_test_setup_teardown(retired_sources_are_freed_while_the_worker_sleeps,
						start, stop),
		cmocka_unit_test_setup_teardown(a_call_runs_on_the_worker_and_returns_its_value,
						start, stop),
		cmocka_unit_test(a_call_runs_here_while_the_loops_are_stopped),
		cmocka_unit_test_setup_teardown(a_call_to_a_stuck_worker_times_out_and_never_runs,
						start, stop),
		cmocka_unit_test(counters_are_summed_over_workers),
		cmocka_unit_test(counters_of_two_workers_share_no_line),
		cmocka_unit_test_setup_teardown(
			handed_over_packets_wake_their_owner_and_keep_their_order, start, stop),
		cmocka_unit_test_setup_teardown(the_first_packet_handed_to_a_sleeper_does_not_wait,
						start, stop),
		cmocka_unit_test(a_full_ring_leaves_the_rest_with_the_sender),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
