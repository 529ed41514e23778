// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/core/publish.h"

#include <rte_rcu_qsbr.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static unsigned freed;
static void *last_freed;

static void count_free(void *object)
{
	freed++;
	last_freed = object;
}

static int reset(void **state)
{
	publish_drain();
	freed = 0;
	last_freed = NULL;
	return 0;
}

static void frees_the_old_object_when_there_are_no_readers(void **state)
{
	struct publish p = {.current = NULL};
	int a, b;

	publish_swap(&p, &a, count_free);
	assert_ptr_equal(publish_get(&p), &a);
	assert_int_equal(publish_reclaim(), 0);
	assert_int_equal(freed, 0);
	publish_swap(&p, &b, count_free);
	assert_ptr_equal(publish_get(&p), &b);
	assert_int_equal(freed, 0); // never inside the swap
	assert_int_equal(publish_reclaim(), 0);
	assert_int_equal(freed, 1);
	assert_ptr_equal(last_freed, &a);
	publish_swap(&p, NULL, count_free);
	publish_drain();
	assert_ptr_equal(last_freed, &b);
	assert_null(publish_get(&p));
}

static void does_not_free_what_stays_current(void **state)
{
	struct publish p = {.current = NULL};
	int a;

	publish_swap(&p, &a, count_free);
	publish_swap(&p, &a, count_free);
	publish_drain();
	assert_int_equal(freed, 0);
}

static void waits_for_the_reader_that_was_online(void **state)
{
	struct rte_rcu_qsbr *v = publish_qsbr();
	struct publish p = {.current = NULL};
	int a, b, c;

	rte_rcu_qsbr_thread_register(v, 3);
	rte_rcu_qsbr_thread_online(v, 3);
	publish_swap(&p, &a, count_free);
	publish_swap(&p, &b, count_free);
	assert_int_equal(publish_reclaim(), 1);
	assert_int_equal(freed, 0);
	rte_rcu_qsbr_quiescent(v, 3);
	publish_swap(&p, &c, count_free); // retired after the reader's quiescence
	assert_int_equal(publish_reclaim(), 1);
	assert_ptr_equal(last_freed, &a);
	rte_rcu_qsbr_quiescent(v, 3);
	assert_int_equal(publish_reclaim(), 0);
	assert_ptr_equal(last_freed, &b);
	rte_rcu_qsbr_thread_offline(v, 3);
	rte_rcu_qsbr_thread_unregister(v, 3);
}

static void does_not_wait_for_a_reader_that_sleeps(void **state)
{
	struct rte_rcu_qsbr *v = publish_qsbr();
	int a;

	rte_rcu_qsbr_thread_register(v, 3);
	rte_rcu_qsbr_thread_online(v, 3);
	publish_retire(&a, count_free);
	assert_int_equal(publish_reclaim(), 1);
	rte_rcu_qsbr_thread_offline(v, 3);
	assert_int_equal(publish_reclaim(), 0);
	assert_int_equal(freed, 1);
	rte_rcu_qsbr_thread_unregister(v, 3);
}

static int inner;

static void retire_another(void *object)
{
	freed++;
	publish_retire(&inner, count_free);
}

static void a_destructor_may_retire_more(void **state)
{
	int a;

	publish_retire(&a, retire_another);
	publish_drain();
	assert_int_equal(freed, 2);
	assert_ptr_equal(last_freed, &inner);
}

static void retiring_nothing_does_nothing(void **state)
{
	int a;

	publish_retire(NULL, count_free);
	publish_retire(&a, NULL);
	assert_int_equal(publish_reclaim(), 0);
	assert_int_equal(freed, 0);
}

// Under ASan and TSan this is the proof: readers never touch what was freed.
static struct publish shared;
static _Atomic bool done;
static _Atomic unsigned reading; // readers that have seen an object

static void *reader(void *arg)
{
	struct rte_rcu_qsbr *v = publish_qsbr();
	unsigned id = *(unsigned *)arg;
	unsigned long good = 0;

	rte_rcu_qsbr_thread_register(v, id);
	rte_rcu_qsbr_thread_online(v, id);
	while (!atomic_load(&done)) {
		for (int i = 0; i < 100; i++) {
			unsigned *pair = publish_get(&shared);

			if (pair != NULL && pair[0] + 1 == pair[1])
				reading += good++ == 0;
			else if (pair != NULL)
				abort();
		}
		rte_rcu_qsbr_quiescent(v, id);
	}
	rte_rcu_qsbr_thread_offline(v, id);
	rte_rcu_qsbr_thread_unregister(v, id);
	return (void *)good;
}

static void poison(void *object)
{
	unsigned *pair = object;

	pair[0] = pair[1] = 0xdead;
	free(pair);
}

static void readers_see_whole_objects_only(void **state)
{
	unsigned ids[2] = {0, 1};
	pthread_t t[2];
	void *good;

	atomic_store(&done, false);
	atomic_store(&reading, 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, reader, &ids[i]), 0);
	for (unsigned n = 0; n < 5000 || atomic_load(&reading) < 2; n++) {
		unsigned *pair = malloc(2 * sizeof(*pair));

		pair[0] = n;
		pair[1] = n + 1;
		publish_swap(&shared, pair, poison);
		publish_reclaim();
	}
	atomic_store(&done, true);
	for (int i = 0; i < 2; i++) {
		pthread_join(t[i], &good);
		assert_true((unsigned long)good > 0);
	}
	publish_swap(&shared, NULL, poison);
	publish_drain();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(frees_the_old_object_when_there_are_no_readers, reset),
		cmocka_unit_test_setup(does_not_free_what_stays_current, reset),
		cmocka_unit_test_setup(waits_for_the_reader_that_was_online, reset),
		cmocka_unit_test_setup(does_not_wait_for_a_reader_that_sleeps, reset),
		cmocka_unit_test_setup(a_destructor_may_retire_more, reset),
		cmocka_unit_test_setup(retiring_nothing_does_nothing, reset),
		cmocka_unit_test_setup(readers_see_whole_objects_only, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
