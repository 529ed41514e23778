// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/core/clock.h"
#include "dataplane/core/loop.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

static int setup(void **state)
{
	return loop_create((struct loop **)state);
}

static int teardown(void **state)
{
	loop_destroy(*state);
	return 0;
}

static void guard_timeout(struct loop *l, void *arg)
{
	*(int *)arg = -1;
	loop_stop(l);
}

// Run until a callback stops it; fails instead of hanging.
static void run(struct loop *l)
{
	int late = 0, id = loop_add_timer(l, 5000, 0, guard_timeout, &late);

	assert_true(id > 0);
	assert_int_equal(loop_run(l), 0);
	assert_int_equal(late, 0);
	loop_del_timer(l, id);
}

static void on_fd(struct loop *l, int fd, uint32_t events, void *arg)
{
	uint64_t n;

	assert_true((events & EPOLLIN) != 0);
	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	*(uint64_t *)arg += n;
	loop_stop(l);
}

static void calls_for_a_readable_fd(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	uint64_t seen = 0, five = 5;

	assert_int_equal(loop_add_fd(*state, fd, EPOLLIN, on_fd, &seen), 0);
	assert_int_equal(write(fd, &five, 8), 8);
	run(*state);
	assert_int_equal(seen, 5);
	loop_del_fd(*state, fd);
	close(fd);
}

static void a_second_add_changes_the_callback(void **state)
{
	int fd = eventfd(1, EFD_NONBLOCK);
	uint64_t first = 0, second = 0;

	assert_int_equal(loop_add_fd(*state, fd, EPOLLIN, on_fd, &first), 0);
	assert_int_equal(loop_add_fd(*state, fd, EPOLLIN, on_fd, &second), 0);
	run(*state);
	assert_int_equal(first, 0);
	assert_int_equal(second, 1);
	loop_del_fd(*state, fd);
	close(fd);
}

static void refuses_what_is_no_fd(void **state)
{
	int fd = eventfd(0, 0);

	close(fd);
	assert_int_equal(loop_add_fd(*state, -1, EPOLLIN, on_fd, NULL), -EBADF);
	assert_int_equal(loop_add_fd(*state, fd, EPOLLIN, on_fd, NULL), -EBADF);
	loop_del_fd(*state, fd); // never added: nothing
}

static void an_fd_number_that_is_used_again_can_be_added(void **state)
{
	uint64_t seen = 0;
	int fd = eventfd(0, EFD_NONBLOCK);

	assert_int_equal(loop_add_fd(*state, fd, EPOLLIN, on_fd, NULL), 0);
	close(fd); // without loop_del_fd
	assert_int_equal(eventfd(7, EFD_NONBLOCK), fd);
	assert_int_equal(loop_add_fd(*state, fd, EPOLLIN, on_fd, &seen), 0);
	run(*state);
	assert_int_equal(seen, 7);
	loop_del_fd(*state, fd);
	close(fd);
}

// Both are readable in one batch; the first to be called deletes the other.
static int pair[2], calls;

static void delete_the_other(struct loop *l, int fd, uint32_t events, void *arg)
{
	int other = fd == pair[0] ? pair[1] : pair[0];

	calls++;
	loop_del_fd(l, other);
	close(other);
	loop_stop(l);
}

static void an_fd_deleted_by_a_callback_is_not_called(void **state)
{
	calls = 0;
	for (int i = 0; i < 2; i++) {
		pair[i] = eventfd(1, EFD_NONBLOCK);
		assert_int_equal(loop_add_fd(*state, pair[i], EPOLLIN, delete_the_other, NULL), 0);
	}
	run(*state);
	assert_int_equal(calls, 1);
}

static void count_and_stop(struct loop *l, void *arg)
{
	if (++*(int *)arg == 3)
		loop_stop(l);
}

static void timers_fire_once_or_again_and_again(void **state)
{
	int once = 0, many = 0, deleted = 0, id;
	uint64_t start = clock_monotonic_ns();

	assert_true(loop_add_timer(*state, 1, 0, count_and_stop, &once) > 0);
	assert_true(loop_add_timer(*state, 10, 10, count_and_stop, &many) > 0);
	id = loop_add_timer(*state, 5, 1, count_and_stop, &deleted);
	loop_del_timer(*state, id);
	run(*state);
	assert_int_equal(once, 1);
	assert_int_equal(many, 3);
	assert_int_equal(deleted, 0);
	assert_true(clock_monotonic_ns() - start >= 30000000);
}

static int self_id;

static void delete_self(struct loop *l, void *arg)
{
	++*(int *)arg;
	loop_del_timer(l, self_id);
	loop_add_timer(l, 20, 0, count_and_stop, arg);
}

static void a_timer_may_delete_itself_and_add_another(void **state)
{
	int n = 1;

	self_id = loop_add_timer(*state, 1, 1, delete_self, &n);
	run(*state);
	assert_int_equal(n, 3);
}

static void *stop_from_outside(void *arg)
{
	usleep(20000);
	loop_stop(arg);
	return NULL;
}

static void another_thread_stops_it(void **state)
{
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, stop_from_outside, *state), 0);
	run(*state);
	pthread_join(t, NULL);
}

static void sigterm_and_sigint_stop_it(void **state)
{
	kill(getpid(), SIGTERM);
	run(*state);
	kill(getpid(), SIGINT);
	run(*state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(calls_for_a_readable_fd, setup, teardown),
		cmocka_unit_test_setup_teardown(a_second_add_changes_the_callback, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_what_is_no_fd, setup, teardown),
		cmocka_unit_test_setup_teardown(an_fd_number_that_is_used_again_can_be_added, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_fd_deleted_by_a_callback_is_not_called, setup,
						teardown),
		cmocka_unit_test_setup_teardown(timers_fire_once_or_again_and_again, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_timer_may_delete_itself_and_add_another, setup,
						teardown),
		cmocka_unit_test_setup_teardown(another_thread_stops_it, setup, teardown),
		cmocka_unit_test_setup_teardown(sigterm_and_sigint_stop_it, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
