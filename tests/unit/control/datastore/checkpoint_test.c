// SPDX-License-Identifier: BSD-3-Clause
//
// A checkpoint is given back whole or passed over by name: also where the damage is good JSON of the models.

#include "tests/unit/control/datastore/models.h"

#include "control/datastore/checkpoint.h"

#include <libyang/libyang.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], path[96];

static int setup(void **state)
{
	struct checkpoint c = {.id = "0123456789abcde", .version = 7, .hash = "a hash"};

	(void)state;
	strcpy(dir, "/tmp/checkpoint-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/checkpoint.7", dir);
	c.tree = parse(in_lb("\"flow-table\":{\"size\":4096}"));
	assert_int_equal(checkpoint_write(dir, &c), 0);
	lyd_free_all(c.tree);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

// Put the text `to` over the first place of the text `from`, of equal length, in the file.
static void damage(const char *from, const char *to)
{
	char data[4096], *at;
	int fd = open(path, O_RDWR);
	ssize_t size;

	assert_true(fd >= 0);
	size = read(fd, data, sizeof(data));
	assert_true(size > 0);
	at = memmem(data, (size_t)size, from, strlen(from));
	assert_non_null(at);
	assert_int_equal(pwrite(fd, to, strlen(to), at - data), (ssize_t)strlen(to));
	close(fd);
}

static void gives_back_what_was_written(void **state)
{
	struct checkpoint c = {0};
	char notice[512], *text;

	(void)state;
	assert_int_equal(checkpoint_load(dir, models(), UINT64_MAX, &c, notice, sizeof(notice)), 0);
	assert_string_equal(notice, "");
	assert_int_equal(c.version, 7);
	assert_memory_equal(c.id, "0123456789abcde", sizeof(c.id));
	text = print(c.tree);
	assert_non_null(strstr(text, "4096"));
	free(text);
	lyd_free_all(c.tree);
}

static void damage_that_is_good_json_is_passed_over(void **state)
{
	struct checkpoint c = {0};
	char notice[512];

	(void)state;
	damage("4096", "4097");
	assert_int_equal(checkpoint_load(dir, models(), UINT64_MAX, &c, notice, sizeof(notice)),
			 -ENOENT);
	assert_non_null(strstr(notice, "checkpoint.7 is passed over: it is damaged"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(gives_back_what_was_written),
		T(damage_that_is_good_json_is_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
