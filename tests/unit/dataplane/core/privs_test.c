// SPDX-License-Identifier: BSD-3-Clause
//
// Each drop happens in a child: there is no way back.

#include "dataplane/core/privs.h"

#include <sys/capability.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SOME_UID 64501

static int in_child(int (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void finds_users_by_name_and_number(void **state)
{
	uid_t uid = 1;
	gid_t gid = 1;

	assert_int_equal(privs_user("root", &uid, &gid), 0);
	assert_int_equal(uid, 0);
	assert_int_equal(privs_user("64501", &uid, &gid), 0);
	assert_int_equal(uid, 64501);
	assert_int_equal(gid, 64501);
	assert_int_equal(privs_user("", &uid, &gid), -EINVAL);
	assert_int_equal(privs_user("4294967295", &uid, &gid), -EINVAL); // -1 means "do not change"
	assert_int_equal(privs_user("99999999999999999999", &uid, &gid), -EINVAL);
	assert_int_equal(privs_user("no-such-user", &uid, &gid), -ENOENT);
	assert_int_equal(privs_user("-5", &uid, &gid), -ENOENT);
}

static int drop_to_root(void)
{
	return privs_drop(0, SOME_UID) == -EINVAL && privs_drop(SOME_UID, 0) == -EINVAL ? 0 : 1;
}

static void refuses_to_drop_to_root(void **state)
{
	assert_int_equal(in_child(drop_to_root), 0);
}

static int check_dropped(void)
{
	static const cap_value_t kept[] = {CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF, CAP_IPC_LOCK};
	cap_flag_value_t on;
	cap_t caps = cap_get_proc();

	if (getuid() != SOME_UID || geteuid() != SOME_UID || getgid() != SOME_UID ||
	    getgroups(0, NULL) != 0)
		return 2;
	for (cap_value_t c = 0; c <= CAP_LAST_CAP; c++) {
		int want = 0, bound = prctl(PR_CAPBSET_READ, (unsigned long)c, 0, 0, 0);

		for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
			want |= kept[i] == c;
		if (bound == 1 && !want)
			return 8;
		for (int set = CAP_EFFECTIVE; set <= CAP_INHERITABLE; set++) {
			if (cap_get_flag(caps, c, (cap_flag_t)set, &on) != 0)
				continue; // unknown to this kernel
			if (on != (want && set != CAP_INHERITABLE ? CAP_SET : CAP_CLEAR))
				return 3;
		}
	}
	cap_free(caps);
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 4;
	if (setuid(0) == 0 || open("/etc/shadow", O_RDONLY) >= 0)
		return 5;
	return 0;
}

static int drop(void)
{
	static const gid_t others[] = {SOME_UID + 7, SOME_UID + 8};

	if (setgroups(2, others) != 0)
		return 7;
	return privs_drop(SOME_UID, SOME_UID) != 0 ? 1 : check_dropped();
}

static int drop_twice(void)
{
	if (privs_drop(SOME_UID, SOME_UID) != 0 || privs_drop(SOME_UID, SOME_UID) != 0)
		return 1;
	return privs_drop(SOME_UID + 1, SOME_UID) == -EPERM ? check_dropped() : 6;
}

static void keeps_the_four_capabilities_and_nothing_else(void **state)
{
	if (geteuid() != 0)
		skip();
	assert_int_equal(in_child(drop), 0);
	assert_int_equal(in_child(drop_twice), 0);
}

static pthread_barrier_t dropped;
static int thread_result;

static void *other_thread(void *arg)
{
	cap_t caps, none = cap_init();

	pthread_barrier_wait(&dropped); // it runs
	pthread_barrier_wait(&dropped); // root is gone
	caps = cap_get_proc();
	thread_result = getuid() != SOME_UID || cap_compare(caps, none) != 0;
	cap_free(caps);
	cap_free(none);
	return NULL;
}

static int drop_with_thread(void)
{
	pthread_t t;

	pthread_barrier_init(&dropped, NULL, 2);
	pthread_create(&t, NULL, other_thread, NULL);
	pthread_barrier_wait(&dropped);
	if (privs_drop(SOME_UID, SOME_UID) != 0)
		return 1;
	pthread_barrier_wait(&dropped);
	pthread_join(t, NULL);
	return thread_result;
}

static void other_threads_keep_nothing(void **state)
{
	if (geteuid() != 0)
		skip();
	assert_int_equal(in_child(drop_with_thread), 0);
}

static void gives_files_but_follows_no_links(void **state)
{
	char dir[] = "/tmp/sluice-privs-XXXXXX", link[64], file[64];
	struct stat st;

	if (geteuid() != 0)
		skip();
	assert_non_null(mkdtemp(dir));
	snprintf(link, sizeof(link), "%s/link", dir);
	snprintf(file, sizeof(file), "%s/file", dir);
	close(open(file, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(symlink("file", link), 0);
	assert_int_equal(privs_give(dir, SOME_UID, SOME_UID), 0);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_uid, SOME_UID);
	assert_int_equal(privs_give(link, SOME_UID, SOME_UID), -ELOOP);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(privs_give("/nonexistent", 1, 1), -ENOENT);
	unlink(link);
	unlink(file);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_users_by_name_and_number),
		cmocka_unit_test(refuses_to_drop_to_root),
		cmocka_unit_test(keeps_the_four_capabilities_and_nothing_else),
		cmocka_unit_test(other_threads_keep_nothing),
		cmocka_unit_test(gives_files_but_follows_no_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
