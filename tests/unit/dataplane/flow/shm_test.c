// SPDX-License-Identifier: BSD-3-Clause
//
// Taking a table over: after a clean end, after SIGKILL at any instant, and from files that are not
// what they seem.

#include "tests/unit/dataplane/flow/table_check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX  1000
#define MAX6 300

static char dir[] = "/dev/shm/sluice-unit-XXXXXX";
static char path[64];
static unsigned allocations;

int __real_posix_fallocate64(int fd, off_t offset, off_t len);
int __wrap_posix_fallocate64(int fd, off_t offset, off_t len);

// A table that should have been refused must not take the memory of the whole machine.
int __wrap_posix_fallocate64(int fd, off_t offset, off_t len)
{
	allocations++;
	return len > (off_t)1 << 32 ? ENOSPC : __real_posix_fallocate64(fd, offset, len);
}

static int open_path(uint32_t max, uint32_t max6, uint32_t now, struct flow_table **t,
		     uint32_t *taken)
{
	struct flow_conf conf = {
		.path = path, .max = max, .max6 = max6, .timeout = {1, 100, 5000, 20, 200}};

	return flow_table_open(&conf, now, t, taken);
}

static struct flow_table *open_table(uint32_t now, uint32_t *taken)
{
	struct flow_table *t = NULL;

	assert_int_equal(open_path(MAX, MAX6, now, &t, taken), 0);
	return t;
}

static void keeps_every_flow_and_its_counts(void **state)
{
	struct flow_table *t;
	uint32_t taken, index;

	(void)state;
	t = open_table(1000, &taken);
	assert_int_equal(taken, 0);
	for (uint32_t n = 0; n < 500; n++)
		assert_int_not_equal(check_insert(t, n, n % 4 == 1, 1000), FLOW_NONE);
	for (uint32_t n = 0; n < 500; n += 10)
		flow_delete(t, check_lookup(t, n, n % 4 == 1, 0));
	index = check_lookup(t, 3, false, 0);
	flow_at(t, index)->view_generation = 9;
	flow_at(t, index)->state = FLOW_TCP_ESTABLISHED;
	for (unsigned i = 0; i < 70000; i++)
		flow_count_packet(t, index, flow_at(t, index), FLOW_TO_SERVER, 65535);
	flow_table_close(t);

	t = open_table(1050, &taken);
	assert_int_equal(taken, 450);
	assert_int_equal(flow_count(t), 450);
	check_whole(t);
	for (uint32_t n = 0; n < 500; n++) {
		index = check_lookup(t, n, n % 4 == 1, 0);
		assert_int_equal(index == FLOW_NONE, n % 10 == 0);
		assert_int_equal(check_lookup(t, n, n % 4 == 1, FLOW_DIR_BIT),
				 index == FLOW_NONE ? FLOW_NONE : index | FLOW_DIR_BIT);
	}
	index = check_lookup(t, 3, false, 0);
	assert_int_equal(flow_at(t, index)->view_generation, 0); // to be verified again
	assert_int_equal(flow_packets(flow_at(t, index), &t->cold[index], FLOW_TO_SERVER), 70000);
	assert_int_equal(flow_bytes(flow_at(t, index), &t->cold[index], FLOW_TO_SERVER),
			 UINT64_C(70000) * 65535);
	flow_table_close(t);
	unlink(path);
}

static void count_end(void *ctx, uint32_t index)
{
	(void)index;
	++*(uint32_t *)ctx;
}

static void goes_on_ageing_after_the_take_over(void **state)
{
	struct flow_table *t;
	uint32_t taken, ended = 0;

	(void)state;
	t = open_table(1000, &taken);
	for (uint32_t n = 0; n < 100; n++)
		check_insert(t, n, false, 1000);
	flow_table_close(t);
	t = open_table(1090, &taken); // 90 of the 100 ticks of a SYN have passed
	assert_int_equal(taken, 100);
	while (flow_age(t, 1099, 100, count_end, &ended) != 0)
		;
	assert_int_equal(ended, 0);
	while (flow_age(t, 1104, 100, count_end, &ended) != 0)
		;
	assert_int_equal(ended, 80); // the UDP ones have 200
	flow_table_close(t);
	unlink(path);
}

// ---- SIGKILL ---------------------------------------------------------------------------------

enum { NUMBERS = 1200 };
enum mark { MARK_GONE = 0, MARK_CHANGING = 1, MARK_THERE = 2 };

struct shared { // what the killed child has told
	_Atomic uint8_t mark[NUMBERS];
	_Atomic uint32_t now;
	_Atomic uint32_t steps;
};

static struct shared *told;

static void tell_end(void *ctx, uint32_t index)
{
	struct flow_table *t = ctx;

	told->mark[t->flow[index].server] = MARK_CHANGING;
}

// Insert, delete, use and age without end, telling each step before and after.
static void run_child(uint64_t seed)
{
	struct flow_table *t;
	uint32_t taken;

	if (open_path(MAX, MAX6, told->now, &t, &taken) != 0)
		_exit(1);
	// What the last child left half done is decided by now.
	for (uint32_t n = 0; n < NUMBERS; n++)
		told->mark[n] =
			check_lookup(t, n, n % 4 == 1, 0) == FLOW_NONE ? MARK_GONE : MARK_THERE;
	for (;;) {
		uint32_t n, index;

		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		n = (uint32_t)(seed >> 33) % NUMBERS;
		index = check_lookup(t, n, n % 4 == 1, 0);
		if (index == FLOW_NONE) {
			told->mark[n] = MARK_CHANGING;
			index = check_insert(t, n, n % 4 == 1, told->now);
			told->mark[n] = index == FLOW_NONE ? MARK_GONE : MARK_THERE;
		} else if ((seed >> 20) % 3 == 0) {
			told->mark[n] = MARK_CHANGING;
			flow_delete(t, index);
			told->mark[n] = MARK_GONE;
		} else {
			flow_at(t, index)->last_seen = told->now;
			flow_count_packet(t, index, flow_at(t, index), FLOW_TO_CLIENT, 60000);
		}
		if (++told->steps % 64 == 0) {
			told->now++;
			flow_age(t, told->now, 50, tell_end, t);
			for (uint32_t i = 0; i < NUMBERS; i++)
				if (told->mark[i] == MARK_CHANGING)
					told->mark[i] = MARK_GONE;
		}
	}
}

static void wait_steps(uint32_t more)
{
	uint32_t before = told->steps;

	for (unsigned i = 0; i < 100000 && told->steps - before < more; i++)
		usleep(50);
}

static void finds_every_acknowledged_flow_after_a_kill(void **state)
{
	enum { ROUNDS = 200 };
	uint64_t seed = (uint64_t)time(NULL);
	uint32_t seen = 0;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)seed);
	told->now = 1000;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct flow_table *t;
		uint32_t taken, there = 0, unsure = 0;
		int status;
		pid_t pid = fork();

		if (pid == 0)
			run_child(seed + round);
		assert_true(pid > 0);
		wait_steps(200 + (uint32_t)((seed * (round + 1)) % 997));
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status)); // it has not ended by itself

		t = open_table(told->now, &taken);
		check_whole(t);
		for (uint32_t n = 0; n < NUMBERS; n++) {
			uint32_t client = check_lookup(t, n, n % 4 == 1, 0);
			uint32_t server = check_lookup(t, n, n % 4 == 1, FLOW_DIR_BIT);
			uint8_t mark = told->mark[n];

			if (client != FLOW_NONE) {
				assert_int_equal(server, client | FLOW_DIR_BIT);
				assert_int_equal(flow_at(t, client)->server, n);
				assert_int_equal(t->cold[client].created, n);
			} else {
				assert_int_equal(server, FLOW_NONE);
			}
			if (mark == MARK_THERE)
				assert_int_not_equal(client, FLOW_NONE);
			else if (mark == MARK_GONE)
				assert_int_equal(client, FLOW_NONE);
			there += client != FLOW_NONE;
			unsure += mark == MARK_CHANGING;
		}
		assert_int_equal(taken, there); // none that nobody made
		seen += there;
		(void)unsure;
		flow_table_close(t);
	}
	assert_true(seen > ROUNDS * 100);
	unlink(path);
}

// ---- files that are not what they seem -------------------------------------------------------

static void believes_no_entry(void **state)
{
	uint64_t seed = 99;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct flow_table *t;
		uint32_t taken;

		t = open_table(1000, &taken);
		check_whole(t);
		for (uint32_t n = 0; n < 300; n++)
			check_insert(t, n, n % 4 == 1, 1000);
		// Entries, key lines, cold parts, buckets, lists: anything after the header.
		for (unsigned i = 0; i < 300; i++) {
			uint64_t at;

			seed = seed * UINT64_C(6364136223846793005) + 1;
			at = 4096 + (seed >> 20) % (flow_table_bytes(MAX, MAX6) - 4096);
			((uint8_t *)t->map)[at] = (uint8_t)(seed >> 12);
			seed = seed * UINT64_C(6364136223846793005) + 1;
			((uint8_t *)&t->flow[(seed >> 33) % MAX])[(seed >> 20) % 64] =
				(uint8_t)(seed >> 12);
		}
		flow_table_close(t);
	}
	unlink(path);
}

static void drops_what_is_inconsistent_and_doubled(void **state)
{
	struct flow_table *t;
	uint32_t taken, i;

	(void)state;
	t = open_table(1000, &taken);
	for (i = 0; i < 12; i++)
		assert_int_not_equal(check_insert(t, 100 + 4 * i + (i % 2), i % 2, 1000),
				     FLOW_NONE);
	t->flow[check_lookup(t, 100, false, 0)].state = 9;
	t->flow[check_lookup(t, 108, false, 0)].proto = 1;
	i = check_lookup(t, 116, false, 0); // a flag of the handshake behind it
	t->flow[i].state = FLOW_TCP_ESTABLISHED;
	t->flow[i].flags |= FLOW_F_SPOKE_ON;
	t->flow[check_lookup(t, 105, true, 0)].client++; // another's key line
	// The same client tuple twice, and the same server tuple twice.
	i = check_lookup(t, 124, false, 0);
	t->flow[i + 500] = t->flow[i];
	t->flow[i + 500].local = 77;
	i = check_lookup(t, 132, false, 0);
	t->flow[i + 501] = t->flow[i];
	t->flow[i + 501].client = 77;
	// An IPv6 flow where there is no key line.
	t->flow[MAX - 1] = t->flow[check_lookup(t, 113, true, 0)];
	t->flow[MAX - 1].client = MAX - 1;
	flow_table_close(t);

	t = open_table(1000, &taken);
	assert_int_equal(taken, 12 - 4);
	check_whole(t);
	flow_table_close(t);
	unlink(path);
}

static void drops_flows_with_a_port_of_zero(void **state)
{
	struct flow_table *t;
	uint32_t taken;

	(void)state;
	t = open_table(1000, &taken);
	for (uint32_t n = 1; n <= 4; n++)
		assert_int_not_equal(check_insert(t, n, false, 1000), FLOW_NONE);
	t->flow[check_lookup(t, 1, false, 0)].service_port = 0;
	t->flow[check_lookup(t, 2, false, 0)].local_port = 0;
	t->flow[check_lookup(t, 3, false, 0)].server_port = 0;
	flow_table_close(t);

	t = open_table(1000, &taken);
	assert_int_equal(taken, 1);
	assert_int_not_equal(check_lookup(t, 4, false, 0), FLOW_NONE);
	check_whole(t);
	flow_table_close(t);
	unlink(path);
}

static void makes_a_table_of_another_size_or_version_anew(void **state)
{
	struct flow_table *t;
	uint32_t taken;

	(void)state;
	t = open_table(1000, &taken);
	check_insert(t, 1, false, 1000);
	flow_table_close(t);
	assert_int_equal(open_path(MAX + 1, MAX6, 1000, &t, &taken), 0);
	assert_int_equal(taken, 0);
	check_insert(t, 2, false, 1000);
	((uint8_t *)t->map)[8] ^= 1; // version
	flow_table_close(t);
	assert_int_equal(open_path(MAX + 1, MAX6, 1000, &t, &taken), 0);
	assert_int_equal(taken, 0);
	check_whole(t);
	flow_table_close(t);
	assert_int_equal(truncate(path, 5), 0);
	assert_int_equal(open_path(MAX, MAX6, 1000, &t, &taken), 0);
	assert_int_equal(taken, 0);
	flow_table_close(t);
	unlink(path);
}

// Holes would be a SIGBUS one day; they are filled at open.
static void fills_holes(void **state)
{
	struct flow_table *t;
	struct stat st;
	uint32_t taken;
	int fd;

	(void)state;
	t = open_table(1000, &taken);
	check_insert(t, 1, false, 1000);
	flow_table_close(t);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096,
				   (off_t)flow_table_bytes(MAX, MAX6) - 4096),
			 0);
	t = open_table(1000, &taken);
	assert_int_equal(taken, 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true((uint64_t)st.st_blocks * 512 >= flow_table_bytes(MAX, MAX6));
	close(fd);
	flow_table_close(t);
	unlink(path);
}

static void lets_no_second_process_in(void **state)
{
	struct flow_table *t, *second = NULL;
	uint32_t taken;

	(void)state;
	t = open_table(1000, &taken);
	check_insert(t, 1, false, 1000);
	assert_int_equal(open_path(MAX, MAX6, 1000, &second, &taken), -EBUSY);
	assert_int_equal(open_path(2 * MAX, MAX6, 1000, &second, &taken), -EBUSY);
	assert_null(second);
	assert_int_not_equal(check_lookup(t, 1, false, 0), FLOW_NONE);
	flow_table_close(t);
	assert_int_equal(open_path(MAX, MAX6, 1000, &second, &taken), 0);
	assert_int_equal(taken, 1);
	flow_table_close(second);
	unlink(path);
}

static void refuses_what_is_no_regular_file(void **state)
{
	struct flow_table *t = NULL;
	uint32_t taken;

	(void)state;
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(open_path(MAX, MAX6, 1000, &t, &taken), -EINVAL);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(open_path(MAX, MAX6, 1000, &t, &taken), -EINVAL);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(open_path(MAX, MAX6, 1000, &t, &taken), -EINVAL);
	rmdir(path);
	assert_null(t);
}

static void refuses_a_table_larger_than_memory(void **state)
{
	struct flow_table *t = NULL;
	uint32_t taken;
	uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

	(void)state;
	if (memory > flow_table_bytes(FLOW_MAX, FLOW_MAX))
		skip();
	allocations = 0;
	assert_int_equal(open_path(FLOW_MAX, FLOW_MAX, 1000, &t, &taken), -ENOMEM);
	assert_null(t);
	assert_int_equal(allocations, 0);         // asked before: tmpfs promises more than there is
	assert_int_equal(access(path, F_OK), -1); // nothing is left
	flow_table_close(open_table(1000, &taken));
	assert_int_equal(allocations, 1); // the one that fits
	unlink(path);
}

static int make_dir(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/t.flows", dir);
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return told == MAP_FAILED ? -1 : 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_every_flow_and_its_counts),
		cmocka_unit_test(goes_on_ageing_after_the_take_over),
		cmocka_unit_test(finds_every_acknowledged_flow_after_a_kill),
		cmocka_unit_test(believes_no_entry),
		cmocka_unit_test(drops_what_is_inconsistent_and_doubled),
		cmocka_unit_test(drops_flows_with_a_port_of_zero),
		cmocka_unit_test(makes_a_table_of_another_size_or_version_anew),
		cmocka_unit_test(fills_holes),
		cmocka_unit_test(lets_no_second_process_in),
		cmocka_unit_test(refuses_what_is_no_regular_file),
		cmocka_unit_test(refuses_a_table_larger_than_memory),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
