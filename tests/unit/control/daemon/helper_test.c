// SPDX-License-Identifier: BSD-3-Clause
//
// The helper refuses what is not exactly one of its verbs.

#include "control/daemon/helper.h"
#include "control/daemon/paths.h"

#include <crypt.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int request(char verb, const char *a, const char *b)
{
	char buf[4096] = {1, 0, 0, 0, verb};
	size_t la = strlen(a) + 1, lb = strlen(b) + 1;

	memcpy(buf + 5, a, la);
	memcpy(buf + 5 + la, b, lb);
	return helper_do(buf, 5 + la + lb);
}

static void passwords_are_told_apart(void **state)
{
	static struct crypt_data data;
	const char *hash = crypt_rn("secret", "$6$saltsalt$", &data, sizeof(data));
	char copy[256];

	(void)state;
	assert_non_null(hash);
	snprintf(copy, sizeof(copy), "%s", hash);
	assert_int_equal(request(2, "secret", copy), 0);
	assert_int_equal(request(2, "Secret", copy), -EACCES);
	assert_int_equal(request(2, "", copy), -EACCES);
	copy[strlen(copy) - 1] ^= 1;
	assert_int_equal(request(2, "secret", copy), -EACCES);
	assert_int_equal(request(2, "secret", ""), -EACCES);
	assert_int_equal(request(2, "*0", "*0"), -EACCES);
	assert_int_equal(request(2, "secret", "secret"), -EACCES);
	// a hash that would keep the helper busy for minutes
	assert_int_equal(request(2, "secret", "$6$rounds=999999999$saltsalt$x"), -EACCES);
}

static void malformed_requests_are_refused(void **state)
{
	static const char no_end[] = {1, 0, 0, 0, 1, 'l', 'o', 0, 'u', 'p'};
	static const char one[] = {1, 0, 0, 0, 1, 'l', 'o', 0};
	static const char three[] = {1, 0, 0, 0, 1, 'l', 0, 'u', 0, 'x', 0};
	static const char short_one[] = {1, 0, 0, 0};

	(void)state;
	assert_int_equal(helper_do(no_end, sizeof(no_end)), -EINVAL);
	assert_int_equal(helper_do(one, sizeof(one)), -EINVAL);
	assert_int_equal(helper_do(three, sizeof(three)), -EINVAL);
	assert_int_equal(helper_do(short_one, sizeof(short_one)), -EINVAL);
	assert_int_equal(helper_do("", 0), -EINVAL);
	assert_int_equal(request(3, "a", "b"), -EINVAL);
	assert_int_equal(request(1, "lo", "sideways"), -EINVAL);
	assert_int_equal(request(1, "", "up"), -EINVAL);
	assert_int_equal(request(1, "../../x", "up"), -EINVAL);
	assert_int_equal(request(1, "a-name-that-is-longer-than-it-may-be", "up"), -EINVAL);
	assert_int_equal(request(1, "no-such-if", "up"), -ENODEV);
}

static void paths_follow_the_base(void **state)
{
	struct paths p;
	char *huge = malloc(5000);

	(void)state;
	unsetenv("SLUICE_BASE");
	assert_int_equal(paths_init(&p, NULL), 0);
	assert_string_equal(p.lib, "/var/lib/sluice");
	assert_int_equal(paths_init(&p, "/x"), 0);
	assert_string_equal(p.run, "/x/run");
	setenv("SLUICE_BASE", "/y", 1);
	assert_int_equal(paths_init(&p, NULL), 0);
	assert_string_equal(p.etc, "/y/etc");
	assert_int_equal(paths_init(&p, "/x"), 0);
	assert_string_equal(p.etc, "/x/etc");
	memset(huge, 'a', 4999);
	huge[4999] = '\0';
	assert_int_equal(paths_init(&p, huge), -ENAMETOOLONG);
	free(huge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passwords_are_told_apart),
		cmocka_unit_test(malformed_requests_are_refused),
		cmocka_unit_test(paths_follow_the_base),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
