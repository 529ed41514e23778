// SPDX-License-Identifier: BSD-3-Clause
//
// Order matters: bounding set first (needs CAP_SETPCAP), then groups, then uid with PR_SET_KEEPCAPS,
// then the permitted set is cut down, and last it is proved that root does not come back.

#include "dataplane/core/privs.h"

#include <sys/capability.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static const cap_value_t kept[] = {CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF, CAP_IPC_LOCK};
#define KEPT ((int)(sizeof(kept) / sizeof(kept[0])))

int privs_user(const char *user, uid_t *uid, gid_t *gid)
{
	const struct passwd *pw;
	unsigned long n;
	char *end;

	if (user == NULL || *user == '\0')
		return -EINVAL;
	errno = 0;
	n = strtoul(user, &end, 10);
	if (*end == '\0' && user[0] >= '0' && user[0] <= '9') {
		if (errno != 0 || n >= UINT_MAX)
			return -EINVAL;
		pw = getpwuid((uid_t)n);
		*uid = (uid_t)n;
		*gid = pw != NULL ? pw->pw_gid : (gid_t)n;
		return 0;
	}
	pw = getpwnam(user);
	if (pw == NULL)
		return -ENOENT;
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return 0;
}

int privs_give(const char *path, uid_t uid, gid_t gid)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	int rc;

	if (fd < 0)
		return -errno;
	rc = fchown(fd, uid, gid) == 0 ? 0 : -errno;
	close(fd);
	return rc;
}

static int is_kept(cap_value_t c)
{
	for (int i = 0; i < KEPT; i++)
		if (kept[i] == c)
			return 1;
	return 0;
}

// Effective and permitted = those of `kept` that we have; inheritable and ambient empty.
static int cut_capabilities(void)
{
	cap_t have = cap_get_proc(), want = cap_init();
	cap_flag_value_t on;
	int rc = -ENOMEM;

	if (have == NULL || want == NULL)
		goto out;
	for (int i = 0; i < KEPT; i++) {
		if (cap_get_flag(have, kept[i], CAP_PERMITTED, &on) != 0 || on != CAP_SET)
			continue;
		cap_set_flag(want, CAP_PERMITTED, 1, &kept[i], CAP_SET);
		cap_set_flag(want, CAP_EFFECTIVE, 1, &kept[i], CAP_SET);
	}
	rc = cap_set_proc(want) == 0 ? 0 : -errno;
out:
	cap_free(have);
	cap_free(want);
	return rc;
}

int privs_drop(uid_t uid, gid_t gid)
{
	int rc;

	if (uid == 0 || gid == 0)
		return -EINVAL;
	if (geteuid() == 0) {
		for (cap_value_t c = 0; c <= CAP_LAST_CAP; c++)
			if (!is_kept(c))
				prctl(PR_CAPBSET_DROP, (unsigned long)c, 0UL, 0UL,
				      0UL); // unknown: EINVAL
		if (prctl(PR_SET_KEEPCAPS, 1UL, 0UL, 0UL, 0UL) != 0 || setgroups(0, NULL) != 0 ||
		    setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
			return -errno;
		prctl(PR_SET_KEEPCAPS, 0UL, 0UL, 0UL, 0UL);
	} else if (geteuid() != uid) {
		return -EPERM;
	}
	rc = cut_capabilities();
	if (rc != 0)
		return rc;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) != 0)
		return -errno;
	if (setresuid(0, 0, 0) == 0)
		return -EPERM; // it came back: this kernel is not what we think
	return 0;
}
