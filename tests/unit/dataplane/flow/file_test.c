// SPDX-License-Identifier: BSD-3-Clause
//
// Flow files read for moving: whole ones give all their flows, damaged ones are refused or give what is right in
// them, which a table of another size then takes without harm.

#include "tests/unit/dataplane/flow/table_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX    1000
#define MAX6   300
#define HEADER 40 // struct shm_header
#define SIZES  24 // max and max6 in it
#define FLOWS  400
#define TIMEOUTS                                                                                   \
	{                                                                                          \
		1, 100, 5000, 20, 200                                                              \
	}
#define MAX_OTHER 700 // of the table that takes them

static char dir[] = "/dev/shm/sluice-unit-XXXXXX";
static char path[64], other[64];

static struct flow_table *table(const char *file, uint32_t max, uint32_t max6)
{
	struct flow_conf conf = {.path = file, .max = max, .max6 = max6, .timeout = TIMEOUTS};
	struct flow_table *t = NULL;
	uint32_t taken;

	assert_int_equal(flow_table_open(&conf, 1000, &t, &taken), 0);
	return t;
}

// A file with FLOWS flows, every fourth of IPv6.
static void make(void)
{
	struct flow_table *t;

	unlink(path);
	t = table(path, MAX, MAX6);
	for (uint32_t n = 0; n < FLOWS; n++)
		assert_int_not_equal(check_insert(t, n, n % 4 == 1, 1000), FLOW_NONE);
	flow_table_close(t);
}

struct reader {
	struct flow_table *into; // NULL: only counted
	uint32_t seen, ipv6, taken;
};

static void each(void *ctx, const struct flow *f, const struct flow_cold *c,
		 const struct flow_key6 *k)
{
	struct reader *r = ctx;
	uint32_t index;

	assert_int_equal(k != NULL, (f->flags & FLOW_F_IPV6) != 0);
	assert_int_not_equal(f->service_port, 0);
	assert_int_not_equal(f->local_port, 0);
	assert_int_not_equal(f->server_port, 0);
	r->seen++;
	r->ipv6 += k != NULL;
	r->taken += r->into != NULL && flow_adopt(r->into, f, c, k, 1000, &index) == 0;
}

static int read_file(struct reader *r)
{
	return flow_file_read(path, each, r);
}

static void refused(int err)
{
	struct reader r = {0};

	assert_int_equal(read_file(&r), err);
	assert_int_equal(r.seen, 0);
	assert_false(flow_file_fits(path, MAX, MAX6));
}

static uint8_t change(off_t at, uint8_t value)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	uint8_t before;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &before, 1, at), 1);
	assert_int_equal(pwrite(fd, &value, 1, at), 1);
	close(fd);
	return before;
}

static void gives_every_flow_of_a_whole_file(void **state)
{
	struct reader r = {0};

	(void)state;
	make();
	assert_true(flow_file_fits(path, MAX, MAX6));
	assert_false(flow_file_fits(path, MAX + 1, MAX6));
	assert_false(flow_file_fits(path, MAX, MAX6 - 1));
	r.into = table(NULL, MAX_OTHER, MAX6);
	assert_int_equal(read_file(&r), 0);
	assert_int_equal(r.seen, FLOWS);
	assert_int_equal(r.ipv6, FLOWS / 4);
	assert_int_equal(r.taken, FLOWS);
	check_whole(r.into);
	for (uint32_t n = 0; n < FLOWS; n++)
		assert_int_not_equal(check_lookup(r.into, n, n % 4 == 1, 0), FLOW_NONE);
	flow_table_close(r.into);
	r = (struct reader){0};
	assert_int_equal(read_file(&r), 0); // reading changes nothing
	assert_int_equal(r.seen, FLOWS);
}

// A table of another number of entries may take as much room, rounded up: its entries lie elsewhere then. All that is
// read is inside, and what is taken for a flow does no harm.
static void harmless(void)
{
	struct reader r = {.into = table(NULL, MAX_OTHER, MAX6)};

	assert_int_equal(read_file(&r), 0);
	check_whole(r.into);
	flow_table_close(r.into);
}

static void refuses_every_wrong_bit_of_the_header(void **state)
{
	(void)state;
	make();
	for (off_t at = 0; at < HEADER; at++)
		for (unsigned bit = 0; bit < 8; bit++) {
			uint8_t before = change(at, 0);
			uint32_t n[2] = {MAX, MAX6};

			change(at, before ^ (uint8_t)(1u << bit));
			if (at >= SIZES && at < SIZES + 8)
				n[(at - SIZES) / 4] ^= UINT32_C(1) << ((at - SIZES) % 4 * 8 + bit);
			if ((n[0] != MAX || n[1] != MAX6) && n[0] <= FLOW_MAX && n[1] <= n[0] &&
			    flow_table_bytes(n[0], n[1]) == flow_table_bytes(MAX, MAX6))
				harmless();
			else
				refused(-EINVAL);
			change(at, before);
		}
	assert_true(flow_file_fits(path, MAX, MAX6));
}

// A header that is right in itself, of a table that takes more or less than there is.
static void refuses_a_header_of_another_size(void **state)
{
	static const uint32_t sizes[][2] = {
		{MAX * 40, MAX6}, {MAX * 40, MAX * 40}, {16, 0}, {16, 16}};
	uint8_t head[HEADER];

	(void)state;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int fd;

		make();
		flow_table_close(table(other, sizes[i][0], sizes[i][1]));
		fd = open(other, O_RDONLY | O_CLOEXEC);
		assert_int_equal(pread(fd, head, sizeof(head), 0), sizeof(head));
		close(fd);
		unlink(other);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		assert_int_equal(pwrite(fd, head, sizeof(head), 0), sizeof(head));
		close(fd);
		if (flow_table_bytes(sizes[i][0], sizes[i][1]) == flow_table_bytes(MAX, MAX6))
			harmless();
		else
			refused(-EINVAL);
	}
}

static void refuses_a_file_cut_short_or_longer(void **state)
{
	const off_t whole = (off_t)flow_table_bytes(MAX, MAX6);
	const off_t sizes[] = {0,    1,         HEADER - 1, HEADER,    4095,     4096,
			       4097, whole / 2, whole - 1,  whole + 1, 2 * whole};

	(void)state;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		make();
		assert_int_equal(truncate(path, sizes[i]), 0);
		refused(-EINVAL);
	}
}

// Cut to nothing and grown again: the size is right, all behind the header is a hole.
static void finds_no_flow_in_a_hole(void **state)
{
	const off_t whole = (off_t)flow_table_bytes(MAX, MAX6);
	struct reader r = {0};

	(void)state;
	make();
	assert_int_equal(truncate(path, 4096), 0);
	assert_int_equal(truncate(path, whole), 0);
	assert_int_equal(read_file(&r), 0);
	assert_int_equal(r.seen, 0);
}

static void takes_flipped_bytes_for_what_they_may_be(void **state)
{
	const uint64_t whole = flow_table_bytes(MAX, MAX6);
	uint64_t seed = 7, seen = 0;

	(void)state;
	for (unsigned round = 0; round < 100; round++) {
		struct reader r = {0};
		struct flow_table *t;

		make();
		t = table(path, MAX, MAX6);
		for (unsigned i = 0; i < 400; i++) {
			seed = seed * UINT64_C(6364136223846793005) + 1;
			((uint8_t *)t->map)[4096 + (seed >> 20) % (whole - 4096)] =
				(uint8_t)(seed >> 12);
			seed = seed * UINT64_C(6364136223846793005) + 1;
			((uint8_t *)&t->flow[(seed >> 33) % MAX])[(seed >> 20) % 64] =
				(uint8_t)(seed >> 12);
		}
		flow_table_close(t);
		r.into = table(NULL, MAX_OTHER, MAX6 / 4); // fuller than it is made for
		assert_int_equal(read_file(&r), 0);
		assert_true(r.seen <= MAX && r.taken <= r.seen);
		assert_int_equal(flow_count(r.into), r.taken);
		check_whole(r.into);
		flow_table_close(r.into);
		seen += r.seen;
	}
	assert_true(seen > 100 * FLOWS / 2); // most are as they were
}

static void refuses_what_is_no_file_of_ours(void **state)
{
	(void)state;
	unlink(path);
	refused(-EINVAL);
	assert_int_equal(symlink("/dev/zero", path), 0);
	refused(-EINVAL);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	refused(-EINVAL); // and does not wait for a writer
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	refused(-EINVAL);
	rmdir(path);
}

static void leaves_a_table_in_use_alone(void **state)
{
	struct reader r = {0};
	struct flow_table *t;

	(void)state;
	make();
	t = table(path, MAX, MAX6);
	assert_int_equal(read_file(&r), -EBUSY);
	assert_int_equal(r.seen, 0);
	flow_table_close(t);
	assert_int_equal(read_file(&r), 0);
	assert_int_equal(r.seen, FLOWS);
}

static int make_dir(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/t.flows", dir);
	snprintf(other, sizeof(other), "%s/other.flows", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(path);
	unlink(other);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_every_flow_of_a_whole_file),
		cmocka_unit_test(refuses_every_wrong_bit_of_the_header),
		cmocka_unit_test(refuses_a_header_of_another_size),
		cmocka_unit_test(refuses_a_file_cut_short_or_longer),
		cmocka_unit_test(finds_no_flow_in_a_hole),
		cmocka_unit_test(takes_flipped_bytes_for_what_they_may_be),
		cmocka_unit_test(refuses_what_is_no_file_of_ours),
		cmocka_unit_test(leaves_a_table_in_use_alone),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
