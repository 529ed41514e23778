// SPDX-License-Identifier: BSD-3-Clause
//
// The promise of the journal: after a crash at any byte of a write the old records or the new one are there,
// whole; damage to what was acknowledged never passes.

#include "control/datastore/crc32c.h"
#include "control/datastore/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], path[96];
static unsigned syncs, syncs_to_fail;

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

int __wrap_fdatasync(int fd)
{
	syncs++;
	if (syncs_to_fail == 0)
		return __real_fdatasync(fd);
	syncs_to_fail--;
	errno = EIO;
	return -1;
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/journal-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/journal", dir);
	return 0;
}

static int teardown(void **state)
{
	char pattern[128];
	glob_t g;

	(void)state;
	snprintf(pattern, sizeof(pattern), "%s/*", dir);
	if (glob(pattern, 0, NULL, &g) == 0) {
		for (size_t i = 0; i < g.gl_pathc; i++)
			unlink(g.gl_pathv[i]);
		globfree(&g);
	}
	return rmdir(dir);
}

struct seen {
	unsigned count;
	char last_diff[4096];
};

static int see(void *arg, uint64_t version, const char *meta, size_t meta_size, const char *diff,
	       size_t diff_size, const uint8_t *hash)
{
	struct seen *s = arg;

	(void)meta;
	(void)meta_size;
	(void)hash;
	s->count++;
	assert_int_equal(version, s->count);
	assert_true(diff_size < sizeof(s->last_diff));
	memcpy(s->last_diff, diff, diff_size);
	s->last_diff[diff_size] = '\0';
	return 0;
}

static int open_at(bool keep_good, struct seen *seen, struct journal **j, struct journal_error *err,
		   char *notice)
{
	*seen = (struct seen){0};
	return journal_open(path, keep_good, see, seen, j, err, notice, 512);
}

static void append(struct journal *j, const char *diff)
{
	assert_int_equal(journal_append(j, "{\"user\":\"u\"}", 12, diff, strlen(diff)), 0);
}

static uint8_t *slurp(size_t *size)
{
	struct stat st;
	uint8_t *data;
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	data = malloc((size_t)st.st_size);
	assert_non_null(data);
	assert_int_equal(read(fd, data, (size_t)st.st_size), st.st_size);
	close(fd);
	*size = (size_t)st.st_size;
	return data;
}

static void spill(const uint8_t *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), (ssize_t)size);
	close(fd);
}

// End of what is not zero, up to a multiple of 8.
static size_t used(const uint8_t *data, size_t size)
{
	while (size > 0 && data[size - 1] == 0)
		size--;
	return (size + 7) & ~(size_t)7;
}

// A journal of n records in memory; *last is where the last one begins.
static uint8_t *make(unsigned n, size_t *size, size_t *last, size_t *end)
{
	struct journal_error err;
	struct journal *j;
	struct seen seen;
	uint8_t *data;
	char notice[512], diff[1500];

	unlink(path);
	assert_int_equal(open_at(false, &seen, &j, &err, notice), 0);
	for (unsigned i = 1; i <= n; i++) {
		if (i == n) {
			data = slurp(size);
			*last = used(data, *size);
			if (n == 1)
				*last = 64;
			free(data);
		}
		snprintf(diff, sizeof(diff), "{\"diff\":%u,\"%0*d\":1}", i, i == n ? 900 : 20, 1);
		append(j, diff);
	}
	journal_close(j);
	data = slurp(size);
	*end = used(data, *size);
	return data;
}

static void crc_is_castagnoli(void **state)
{
	uint8_t zeros[32] = {0};

	(void)state;
	assert_int_equal(crc32c(0, "123456789", 9),
			 0xe3069283); // RFC 3720 appendix B.4 and the usual check
	assert_int_equal(crc32c(0, zeros, sizeof(zeros)), 0x8a9136aa);
}

static void gives_back_what_was_appended(void **state)
{
	struct journal_error err;
	struct journal *j;
	struct seen seen;
	char notice[512], *payload;
	uint8_t hash[32], id[16];
	size_t meta, size;

	(void)state;
	assert_int_equal(open_at(false, &seen, &j, &err, notice), 0);
	assert_int_equal(journal_version(j), 0);
	for (int i = 1; i <= 100; i++) {
		char diff[64];

		snprintf(diff, sizeof(diff), "{\"n\":%d}", i);
		append(j, diff);
		assert_int_equal(journal_version(j), i);
	}
	assert_int_equal(journal_read(j, 7, &payload, &meta, &size), 0);
	assert_int_equal(meta, 12);
	assert_string_equal(payload, "{\"user\":\"u\"}{\"n\":7}");
	free(payload);
	assert_int_equal(journal_read(j, 101, &payload, &meta, &size), -ENOENT);
	assert_int_equal(journal_read(j, 0, &payload, &meta, &size), -ENOENT);
	memcpy(hash, journal_hash(j, 100), sizeof(hash));
	memcpy(id, journal_id(j), sizeof(id));
	journal_close(j);

	assert_int_equal(open_at(false, &seen, &j, &err, notice), 0);
	assert_string_equal(notice, "");
	assert_int_equal(seen.count, 100);
	assert_string_equal(seen.last_diff, "{\"n\":100}");
	assert_memory_equal(journal_hash(j, 100), hash, sizeof(hash));
	assert_memory_equal(journal_id(j), id, sizeof(id));
	assert_null(journal_hash(j, 101));
	journal_close(j);
}

static void refuses_what_cannot_be_a_record(void **state)
{
	struct journal_error err;
	struct journal *j;
	struct seen seen;
	char notice[512];

	(void)state;
	assert_int_equal(open_at(false, &seen, &j, &err, notice), 0);
	assert_int_equal(journal_append(j, "", 0, "", 0), -E2BIG);
	assert_int_equal(journal_version(j), 0);
	journal_close(j);
}

// Power fails after any number of bytes of the last record: the records before are there, the last is
// there only if it is whole, and the journal takes new ones.
static void every_prefix_of_a_write_is_the_old_or_the_new(void **state)
{
	size_t size, last, end;
	uint8_t *data = make(4, &size, &last, &end), *cut = malloc(size);

	(void)state;
	assert_non_null(cut);
	for (size_t at = last; at <= end; at++) {
		struct journal_error err;
		struct journal *j;
		struct seen seen;
		char notice[512];
		bool whole;

		memcpy(cut, data, size);
		memset(cut + at, 0, size - at);
		whole = memcmp(cut, data, size) == 0; // the padding is zero anyway
		spill(cut, size);
		assert_int_equal(open_at(false, &seen, &j, &err, notice), 0);
		assert_int_equal(seen.count, whole ? 4 : 3);
		if (whole || at == last)
			assert_string_equal(notice, "");
		else
			assert_non_null(strstr(notice, path));
		append(j, "{\"after\":1}");
		journal_close(j);
		assert_int_equal(open_at(false, &seen, &j, &err, notice), 0);
		assert_int_equal(seen.count, whole ? 5 : 4);
		assert_string_equal(seen.last_diff, "{\"after\":1}");
		assert_string_equal(notice, "");
		journal_close(j);
	}
	free(cut);
	free(data);
}

// The file itself may be shorter than the allocation.
static void every_truncation_is_the_old_or_the_new(void **state)
{
	size_t size, last, end;
	uint8_t *data = make(3, &size, &last, &end);
	size_t whole = end; // without the padding

	(void)state;
	while (data[whole - 1] == 0)
		whole--;
	for (size_t at = last; at <= end; at++) {
		struct journal_error err;
		struct journal *j;
		struct seen seen;
		char notice[512];

		spill(data, at);
		assert_int_equal(open_at(false, &seen, &j, &err, notice), 0);
		assert_int_equal(seen.count, at >= whole ? 3 : 2);
		append(j, "{}");
		journal_close(j);
		assert_int_equal(open_at(false, &seen, &j, &err, notice), 0);
		assert_int_equal(seen.count, at >= whole ? 4 : 3);
		journal_close(j);
	}
	free(data);
}

// A disk writes sectors in any order: each set of missing sectors of the last record is a cut.
static void missing_sectors_of_the_last_write_are_a_cut(void **state)
{
	size_t size, last, end, first_sector, sectors;
	uint8_t *data = make(2, &size, &last, &end), *cut = malloc(size);

	(void)state;
	assert_non_null(cut);
	first_sector = last / 512;
	sectors = (end + 511) / 512 - first_sector;
	assert_in_range(sectors, 2, 8);
	for (unsigned set = 1; set < 1u << sectors; set++) {
		struct journal_error err;
		struct journal *j;
		struct seen seen;
		char notice[512];

		memcpy(cut, data, size);
		for (size_t i = 0; i < sectors; i++) {
			size_t from = (first_sector + i) * 512, to = from + 512;

			if (!(set & (1u << i)))
				continue;
			from = from < last ? last : from;
			memset(cut + from, 0, to - from);
		}
		spill(cut, size);
		assert_int_equal(open_at(false, &seen, &j, &err, notice), 0);
		assert_int_equal(seen.count, 1);
		journal_close(j);
	}
	free(cut);
	free(data);
}

// A flipped bit anywhere in an acknowledged record is found: it never passes, and names file and offset.
static void every_flip_is_refused_by_name_and_offset(void **state)
{
	size_t size, last, end;
	uint8_t *data = make(3, &size, &last, &end);

	(void)state;
	for (size_t at = 0; at < end; at++) {
		struct journal_error err = {.offset = -2};
		struct journal *j = NULL;
		struct seen seen;
		char notice[512];

		data[at] ^= (uint8_t)(1u << (at % 8));
		spill(data, end + 4096);
		assert_int_equal(open_at(false, &seen, &j, &err, notice), -EBADMSG);
		assert_null(j);
		assert_true(err.offset >= 0 && (size_t)err.offset <= at);
		assert_non_null(strstr(err.message, path));
		assert_non_null(strstr(err.message, "offset"));
		data[at] ^= (uint8_t)(1u << (at % 8));
	}
	free(data);
}

// With the option, what is good before the damage is kept, the damaged file as well.
static void keeps_the_good_prefix_only_when_told(void **state)
{
	struct journal_error err;
	size_t size, last, end;
	struct journal *j;
	struct seen seen;
	char notice[512], pattern[128];
	uint8_t *data = make(4, &size, &last, &end);
	glob_t g;

	(void)state;
	data[last - 20] ^= 0x10; // in the third of four
	spill(data, size);
	assert_int_equal(open_at(false, &seen, &j, &err, notice), -EBADMSG);
	assert_int_equal(open_at(true, &seen, &j, &err, notice), 0);
	assert_int_equal(seen.count, 2);
	assert_non_null(strstr(notice, path));
	append(j, "{\"new\":3}");
	journal_close(j);
	assert_int_equal(open_at(false, &seen, &j, &err, notice), 0);
	assert_int_equal(seen.count, 3);
	assert_string_equal(seen.last_diff, "{\"new\":3}");
	journal_close(j);
	snprintf(pattern, sizeof(pattern), "%s.damaged.*", path);
	assert_int_equal(glob(pattern, 0, NULL, &g), 0);
	assert_int_equal(g.gl_pathc, 1);
	globfree(&g);
	free(data);
}

// A record taken out from between.
static void a_missing_record_is_found(void **state)
{
	struct journal_error err;
	size_t size, last, end;
	struct journal *j;
	struct seen seen;
	char notice[512];
	uint8_t *data = make(3, &size, &last, &end), *out = calloc(1, size);
	size_t first = 64, second;

	(void)state;
	assert_non_null(out);
	for (second = first + 8; memcmp(data + second, "\xffSLR", 4) != 0; second += 8)
		;
	memcpy(out, data, first);
	memcpy(out + first, data + second, end - second);
	spill(out, size);
	assert_int_equal(open_at(false, &seen, &j, &err, notice), -EBADMSG);
	assert_int_equal(err.offset, 64);
	free(out);
	free(data);
}

// A record put in from another journal, whole and of the right version, breaks the chain.
static void a_record_of_another_journal_is_found(void **state)
{
	struct journal_error err;
	size_t size, last, end, other_size, other_last, other_end;
	struct journal *j = NULL;
	struct seen seen;
	char notice[512];
	uint8_t *data = make(3, &size, &last, &end);
	uint8_t *other = make(3, &other_size, &other_last, &other_end);

	(void)state;
	assert_int_equal(last, other_last);
	assert_int_equal(end, other_end);
	memcpy(data + last, other + last, end - last);
	spill(data, size);
	assert_int_equal(open_at(false, &seen, &j, &err, notice), -EBADMSG);
	assert_null(j);
	assert_int_equal(err.offset, last);
	assert_non_null(strstr(err.message, "chain"));
	free(other);
	free(data);
}

static void an_append_is_on_disk_when_it_returns(void **state)
{
	struct journal_error err;
	struct journal *j;
	struct seen seen;
	char notice[512];

	(void)state;
	assert_int_equal(open_at(false, &seen, &j, &err, notice), 0);
	for (unsigned i = 1; i <= 3; i++) {
		syncs = 0;
		append(j, "{\"a\":1}");
		assert_int_equal(syncs, 1);
	}
	journal_close(j);
}

// What could not be made durable is taken back; where that fails too, nothing is written any more.
static void a_disk_that_fails_refuses_the_change(void **state)
{
	struct journal_error err;
	struct journal *j;
	struct seen seen;
	char notice[512];

	(void)state;
	assert_int_equal(open_at(false, &seen, &j, &err, notice), 0);
	append(j, "{\"a\":1}");
	syncs_to_fail = 1;
	assert_int_equal(journal_append(j, "{}", 2, "{\"b\":2}", 7), -EIO);
	assert_int_equal(journal_version(j), 1);
	append(j, "{\"c\":3}");
	syncs_to_fail = 2;
	assert_int_equal(journal_append(j, "{}", 2, "{\"d\":4}", 7), -EIO);
	assert_int_equal(journal_append(j, "{}", 2, "{\"e\":5}", 7), -EROFS);
	assert_int_equal(journal_version(j), 2);
	journal_close(j);
	assert_int_equal(open_at(false, &seen, &j, &err, notice), 0);
	assert_int_equal(seen.count, 2);
	assert_string_equal(seen.last_diff, "{\"c\":3}");
	journal_close(j);
}

static void grows_past_its_allocation(void **state)
{
	struct journal_error err;
	struct journal *j;
	struct seen seen;
	char notice[512], *big = malloc(700000);

	(void)state;
	assert_non_null(big);
	memset(big, 'x', 700000);
	assert_int_equal(open_at(false, &seen, &j, &err, notice), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(journal_append(j, "{}", 2, big, 700000), 0);
	journal_close(j);
	free(big);
	assert_int_equal(journal_open(path, false, NULL, NULL, &j, &err, notice, sizeof(notice)),
			 0);
	assert_int_equal(journal_version(j), 5);
	assert_string_equal(notice, "");
	journal_close(j);
}

// The disk may go bad long after the start has looked at every record: history must not show what was
// never said. The flipped byte leaves the record good JSON.
static void a_record_that_goes_bad_while_open_is_not_given_back(void **state)
{
	struct journal_error err;
	size_t size, meta_size;
	struct journal *j;
	struct seen seen;
	uint8_t *data, *at;
	char notice[512], *payload;

	(void)state;
	assert_int_equal(open_at(false, &seen, &j, &err, notice), 0);
	append(j, "{\"a\":1}");
	append(j, "{\"a\":2}");
	data = slurp(&size);
	at = memmem(data, size, "{\"a\":1}", 7);
	assert_non_null(at);
	at[5] = '7';
	spill(data, size);
	assert_int_equal(journal_read(j, 1, &payload, &meta_size, &size), -EBADMSG);
	assert_int_equal(journal_read(j, 2, &payload, &meta_size, &size), 0);
	assert_string_equal(payload + meta_size, "{\"a\":2}");
	free(payload);
	free(data);
	journal_close(j);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc_is_castagnoli),
		T(gives_back_what_was_appended),
		T(refuses_what_cannot_be_a_record),
		T(every_prefix_of_a_write_is_the_old_or_the_new),
		T(every_truncation_is_the_old_or_the_new),
		T(missing_sectors_of_the_last_write_are_a_cut),
		T(every_flip_is_refused_by_name_and_offset),
		T(keeps_the_good_prefix_only_when_told),
		T(a_missing_record_is_found),
		T(a_record_of_another_journal_is_found),
		T(an_append_is_on_disk_when_it_returns),
		T(a_disk_that_fails_refuses_the_change),
		T(grows_past_its_allocation),
		T(a_record_that_goes_bad_while_open_is_not_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
