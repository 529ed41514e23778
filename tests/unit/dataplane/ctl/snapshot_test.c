// SPDX-License-Identifier: BSD-3-Clause
//
// The log on disk: what was acknowledged comes back, a torn end is cut off, damage is set aside.

#include "dataplane/ctl/snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64], path[96], bad[104];

// The disk as a power loss would leave it: what was synced last, and what a rename put in place.
static struct {
	struct stat file;    // as of the last sync of a regular file
	struct stat renamed; // as of the last rename, before it
	unsigned syncs, fail;
} disk;

int __real_fdatasync(int fd);
int __real_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);
int __wrap_rename(const char *from, const char *to);

static bool sync_fails(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	if (!S_ISREG(st.st_mode))
		return false;
	disk.file = st;
	disk.syncs++;
	if (disk.fail == 0)
		return false;
	disk.fail--;
	errno = EIO;
	return true;
}

int __wrap_fdatasync(int fd)
{
	return sync_fails(fd) ? -1 : __real_fdatasync(fd);
}

int __wrap_fsync(int fd)
{
	return sync_fails(fd) ? -1 : __real_fsync(fd);
}

int __wrap_rename(const char *from, const char *to)
{
	assert_int_equal(stat(from, &disk.renamed), 0);
	return __real_rename(from, to);
}

// A record of 24 bytes: the id and one number.
struct small {
	struct ctl_rec rec;
	uint64_t value;
};

struct seen {
	uint64_t value[16]; // by id; 0: not there
	unsigned count;
};

static void on_record(void *ctx, const struct ctl_rec *rec)
{
	struct seen *s = ctx;

	assert_true(rec->id < 16);
	assert_int_equal(rec->size, sizeof(struct small));
	s->value[rec->id] = ((const struct small *)(const void *)rec)->value;
	s->count++;
}

static void add(struct ctl_snapshot_buf *b, uint64_t id, uint64_t value)
{
	struct small s = {.rec = {.type = 3, .size = sizeof(s), .id = id}, .value = value};

	if (value == 0)
		s.rec.size = sizeof(s.rec); // delete
	assert_int_equal(ctl_snapshot_buf_add(b, &s.rec), 0);
}

static struct ctl_snapshot *open_log(struct seen *seen, struct ctl_snapshot_state *st)
{
	struct ctl_snapshot *s;

	memset(seen, 0, sizeof(*seen));
	assert_int_equal(ctl_snapshot_open(path, on_record, seen, st, &s), 0);
	return s;
}

static struct ctl_snapshot_txn txn_of(const struct ctl_snapshot_buf *b, uint64_t version,
				      bool nothing)
{
	return (struct ctl_snapshot_txn){.version = version,
					 .datastore = "0123456789abcde",
					 .from_nothing = nothing,
					 .records = b->data,
					 .size = b->size};
}

static void append(struct ctl_snapshot *s, uint64_t version, bool nothing, uint64_t id,
		   uint64_t value)
{
	struct ctl_snapshot_buf b = {0};
	struct ctl_snapshot_txn t;

	add(&b, id, value);
	t = txn_of(&b, version, nothing);
	assert_int_equal(ctl_snapshot_append(s, &t), 0);
	ctl_snapshot_buf_fini(&b);
}

// Versions 1 (from nothing: 1 = 10), 2 (2 = 20), 3 (1 deleted, 3 = 30). Returns its size.
static off_t write_three(off_t *two)
{
	struct ctl_snapshot_state st;
	struct ctl_snapshot_buf b = {0};
	struct ctl_snapshot_txn t;
	struct ctl_snapshot *s;
	struct seen seen;
	struct stat f;

	unlink(path);
	unlink(bad);
	s = open_log(&seen, &st);
	assert_int_equal(st.version, 0);
	append(s, 1, true, 1, 10);
	append(s, 2, false, 2, 20);
	assert_int_equal(stat(path, &f), 0);
	*two = f.st_size;
	add(&b, 1, 0);
	add(&b, 3, 30);
	t = txn_of(&b, 3, false);
	assert_int_equal(ctl_snapshot_append(s, &t), 0);
	ctl_snapshot_buf_fini(&b);
	ctl_snapshot_close(s);
	assert_int_equal(stat(path, &f), 0);
	return f.st_size;
}

static void brings_back_what_was_appended(void **state)
{
	struct ctl_snapshot_state st;
	struct seen seen;
	off_t two;

	(void)state;
	write_three(&two);
	ctl_snapshot_close(open_log(&seen, &st));
	assert_int_equal(st.version, 3);
	assert_false(st.damaged);
	assert_memory_equal(st.datastore, "0123456789abcde", 16);
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.value[1], 0);
	assert_int_equal(seen.value[2], 20);
	assert_int_equal(seen.value[3], 30);
}

static void from_nothing_voids_what_was_before(void **state)
{
	struct ctl_snapshot_state st;
	struct ctl_snapshot *s;
	struct seen seen;
	off_t two;

	(void)state;
	write_three(&two);
	s = open_log(&seen, &st);
	append(s, 4, true, 5, 50);
	ctl_snapshot_close(s);
	ctl_snapshot_close(open_log(&seen, &st));
	assert_int_equal(st.version, 4);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.value[5], 50);
}

static void torn_at_every_byte_gives_the_state_before(void **state)
{
	struct ctl_snapshot_state st;
	struct ctl_snapshot *s;
	struct seen seen;
	off_t two, size;

	(void)state;
	size = write_three(&two);
	for (off_t cut = two; cut < size; cut++) {
		assert_int_equal(write_three(&two), size);
		assert_int_equal(truncate(path, cut), 0);
		s = open_log(&seen, &st);
		assert_int_equal(st.version, 2);
		assert_false(st.damaged);
		assert_int_equal(seen.count, 2);
		assert_int_equal(seen.value[1], 10);
		append(s, 9, false, 9, 90); // the log goes on from there
		ctl_snapshot_close(s);
		ctl_snapshot_close(open_log(&seen, &st));
		assert_int_equal(st.version, 9);
		assert_int_equal(seen.count, 3);
		assert_int_equal(access(bad, F_OK), -1);
	}
}

// A file made longer whose data never came (some file systems, after a power loss).
static void zeros_at_the_end_are_a_torn_end(void **state)
{
	struct ctl_snapshot_state st;
	struct seen seen;
	off_t two;

	(void)state;
	write_three(&two);
	assert_int_equal(truncate(path, two), 0);
	assert_int_equal(truncate(path, two + 500), 0);
	ctl_snapshot_close(open_log(&seen, &st));
	assert_int_equal(st.version, 2);
	assert_false(st.damaged);
}

static void flip(off_t at)
{
	int fd = open(path, O_RDWR);
	uint8_t b;

	assert_int_equal(pread(fd, &b, 1, at), 1);
	b ^= 0x10;
	assert_int_equal(pwrite(fd, &b, 1, at), 1);
	close(fd);
}

static void a_flipped_byte_anywhere_is_never_believed(void **state)
{
	struct ctl_snapshot_state st;
	struct ctl_snapshot *s;
	struct seen seen;
	off_t two, size;

	(void)state;
	size = write_three(&two);
	for (off_t at = 0; at < size; at++) {
		write_three(&two);
		flip(at);
		s = open_log(&seen, &st);
		assert_true(st.damaged);
		assert_true(st.reason[0] != '\0');
		assert_int_equal(access(bad, F_OK), 0);
		// Records of the last transaction hit: the state before it. Anything else: nothing.
		assert_int_equal(st.version, at >= two + 48 ? 2 : 0);
		assert_int_equal(seen.count, at >= two + 48 ? 2 : 0);
		if (st.version != 0)
			assert_true(ctl_snapshot_wants_rewrite(s));
		ctl_snapshot_close(s);
	}
}

static void rewrite_replaces_the_log_whole(void **state)
{
	struct ctl_snapshot_buf b = {0};
	struct ctl_snapshot_state st;
	struct ctl_snapshot_txn t;
	struct ctl_snapshot *s;
	struct seen seen;
	off_t two;

	(void)state;
	write_three(&two);
	s = open_log(&seen, &st);
	add(&b, 7, 70);
	t = txn_of(&b, 8, true);
	assert_int_equal(ctl_snapshot_rewrite(s, &t), 0);
	append(s, 9, false, 8, 80);
	ctl_snapshot_close(s);
	ctl_snapshot_buf_fini(&b);
	ctl_snapshot_close(open_log(&seen, &st));
	assert_int_equal(st.version, 9);
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.value[7], 70);
}

static void an_append_is_on_disk_when_it_returns(void **state)
{
	struct ctl_snapshot_buf b = {0};
	struct ctl_snapshot_state st;
	struct ctl_snapshot_txn t;
	struct ctl_snapshot *s;
	struct seen seen;
	struct stat f;
	off_t two;

	(void)state;
	write_three(&two);
	s = open_log(&seen, &st);
	for (uint64_t v = 4; v < 8; v++) {
		unsigned before = disk.syncs;

		append(s, v, false, v, v * 10);
		assert_int_equal(disk.syncs, before + 1);
		assert_int_equal(stat(path, &f), 0);
		assert_int_equal(disk.file.st_ino, f.st_ino);
		assert_int_equal(disk.file.st_size, f.st_size); // all of it
	}
	add(&b, 9, 90);
	t = txn_of(&b, 8, false);
	disk.fail = 1;
	assert_int_equal(ctl_snapshot_append(s, &t), -EIO);
	assert_int_equal(disk.fail, 0);
	assert_true(ctl_snapshot_wants_rewrite(s));
	ctl_snapshot_buf_fini(&b);
	ctl_snapshot_close(s);
}

static void a_rewrite_is_on_disk_before_it_takes_the_name(void **state)
{
	struct ctl_snapshot_buf b = {0};
	struct ctl_snapshot_state st;
	struct ctl_snapshot_txn t;
	struct ctl_snapshot *s;
	struct seen seen;
	off_t two;

	(void)state;
	write_three(&two);
	s = open_log(&seen, &st);
	add(&b, 7, 70);
	t = txn_of(&b, 8, true);
	assert_int_equal(ctl_snapshot_rewrite(s, &t), 0);
	assert_int_equal(disk.file.st_ino, disk.renamed.st_ino);
	assert_int_equal(disk.file.st_size, disk.renamed.st_size);
	t.version = 9;
	disk.fail = 1;
	assert_int_equal(ctl_snapshot_rewrite(s, &t), -EIO);
	assert_int_equal(disk.fail, 0);
	ctl_snapshot_buf_fini(&b);
	ctl_snapshot_close(s);
	ctl_snapshot_close(open_log(&seen, &st));
	assert_int_equal(st.version, 8); // the old one stands
}

static void wants_a_rewrite_when_the_log_outgrows_its_state(void **state)
{
	struct ctl_snapshot_state st;
	struct ctl_snapshot *s;
	struct seen seen;
	unsigned n = 0;
	off_t two;

	(void)state;
	write_three(&two);
	s = open_log(&seen, &st);
	assert_false(ctl_snapshot_wants_rewrite(s));
	while (!ctl_snapshot_wants_rewrite(s) && n < 100000)
		append(s, 10 + n++, false, 2, 21);
	assert_in_range(n, 1000, 10000); // neither each time nor never
	ctl_snapshot_close(s);
}

static int fd_of_log(void)
{
	struct stat log, f;

	assert_int_equal(stat(path, &log), 0);
	for (int fd = 3; fd < 64; fd++)
		if (fstat(fd, &f) == 0 && f.st_ino == log.st_ino && f.st_dev == log.st_dev)
			return fd;
	fail();
	return -1;
}

static void takes_nothing_after_a_failed_append(void **state)
{
	struct ctl_snapshot_buf b = {0};
	struct ctl_snapshot_state st;
	struct ctl_snapshot_txn t;
	struct ctl_snapshot *s;
	struct seen seen;
	int full;

	(void)state;
	unlink(path);
	s = open_log(&seen, &st);
	append(s, 1, true, 1, 10);
	full = open("/dev/full", O_RDWR);
	assert_true(full >= 0);
	assert_true(dup2(full, fd_of_log()) >= 0); // a full device in its place
	add(&b, 2, 20);
	t = txn_of(&b, 2, false);
	assert_int_equal(ctl_snapshot_append(s, &t), -ENOSPC);
	assert_int_equal(ctl_snapshot_append(s, &t), -EIO);
	assert_true(ctl_snapshot_wants_rewrite(s));
	t.from_nothing = true;
	assert_int_equal(ctl_snapshot_rewrite(s, &t), 0);
	append(s, 3, false, 3, 30);
	ctl_snapshot_close(s);
	close(full);
	ctl_snapshot_buf_fini(&b);
	ctl_snapshot_close(open_log(&seen, &st));
	assert_int_equal(st.version, 3);
	assert_int_equal(seen.count, 2);
}

static void set_aside_starts_empty(void **state)
{
	struct ctl_snapshot_state st;
	struct ctl_snapshot *s;
	struct seen seen;
	off_t two;

	(void)state;
	write_three(&two);
	s = open_log(&seen, &st);
	assert_int_equal(ctl_snapshot_set_aside(s), 0);
	ctl_snapshot_close(s);
	assert_int_equal(access(bad, F_OK), 0);
	ctl_snapshot_close(open_log(&seen, &st));
	assert_int_equal(st.version, 0);
	assert_int_equal(seen.count, 0);
}

static void a_file_larger_than_any_snapshot_is_not_even_read(void **state)
{
	struct ctl_snapshot_state st;
	struct ctl_snapshot *s;
	struct seen seen;

	(void)state;
	unlink(path);
	unlink(bad);
	s = open_log(&seen, &st);
	append(s, 1, true, 1, 10);
	ctl_snapshot_close(s);
	assert_int_equal(truncate(path, (off_t)1 << 40), 0);
	s = open_log(&seen, &st);
	assert_true(st.damaged);
	assert_int_equal(seen.count, 0);
	assert_int_equal(access(bad, F_OK), 0);
	ctl_snapshot_close(s);
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
	struct ctl_snapshot_state st;
	struct ctl_snapshot *s = NULL;
	struct seen seen;

	(void)state;
	assert_int_equal(ctl_snapshot_open("/nonexistent/x.snapshot", on_record, &seen, &st, &s),
			 -EIO);
	assert_null(s);
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/dev/shm/sluice-unit-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/lb.snapshot", dir);
	snprintf(bad, sizeof(bad), "%s.bad", path);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	unlink(bad);
	return rmdir(dir); // nothing else was left
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(brings_back_what_was_appended),
		cmocka_unit_test(from_nothing_voids_what_was_before),
		cmocka_unit_test(torn_at_every_byte_gives_the_state_before),
		cmocka_unit_test(zeros_at_the_end_are_a_torn_end),
		cmocka_unit_test(a_flipped_byte_anywhere_is_never_believed),
		cmocka_unit_test(rewrite_replaces_the_log_whole),
		cmocka_unit_test(an_append_is_on_disk_when_it_returns),
		cmocka_unit_test(a_rewrite_is_on_disk_before_it_takes_the_name),
		cmocka_unit_test(wants_a_rewrite_when_the_log_outgrows_its_state),
		cmocka_unit_test(takes_nothing_after_a_failed_append),
		cmocka_unit_test(set_aside_starts_empty),
		cmocka_unit_test(a_file_larger_than_any_snapshot_is_not_even_read),
		cmocka_unit_test(a_folder_that_is_not_there_is_an_error),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
