// SPDX-License-Identifier: BSD-3-Clause
//
// hostkey - runs as root, before the first client.

#include "control/netconf/hostkey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_all(int fd, const char *text)
{
	size_t len = strlen(text);

	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return fsync(fd) != 0 ? -errno : 0;
}

// libssh exports to a file by name only, with a mode of its own: it gets a file that we made.
static int write_key(ssh_key key, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600), rc;

	if (fd < 0)
		return -errno;
	rc = write_all(fd, "");
	close(fd);
	if (rc == 0 && ssh_pki_export_privkey_file(key, NULL, NULL, NULL, path) != SSH_OK)
		rc = -EIO;
	if (rc == 0 && chmod(path, 0600) != 0)
		rc = -errno;
	return rc;
}

static int create_key(const char *path, char *why, size_t why_size)
{
	char aside[4096];
	mode_t mask;
	ssh_key key = NULL;
	int rc;

	if ((size_t)snprintf(aside, sizeof(aside), "%s.new", path) >= sizeof(aside))
		return -ENAMETOOLONG;
	if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK) {
		snprintf(why, why_size, "cannot make an Ed25519 key");
		return -EIO;
	}
	mask = umask(0077);
	unlink(aside); // of a start that was killed
	rc = write_key(key, aside);
	if (rc == 0 && rename(aside, path) != 0)
		rc = -errno;
	umask(mask);
	ssh_key_free(key);
	if (rc < 0) {
		unlink(aside);
		snprintf(why, why_size, "%s: cannot be made: %s", path, strerror(-rc));
	}
	return rc;
}

int ncd_hostkey_load(const char *path, int create, ssh_key *out, char *why, size_t why_size)
{
	struct stat st;
	int rc;

	if (stat(path, &st) != 0) {
		if (errno != ENOENT || !create) {
			rc = -errno;
			snprintf(why, why_size, "%s: %s", path, strerror(errno));
			return rc;
		}
		rc = create_key(path, why, why_size);
		if (rc < 0)
			return rc;
		if (stat(path, &st) != 0)
			return -errno;
	}
	if ((st.st_mode & 077) != 0) {
		snprintf(why, why_size, "%s: mode %03o: only its owner may read a private key",
			 path, (unsigned)(st.st_mode & 0777));
		return -EPERM;
	}
	if (ssh_pki_import_privkey_file(path, NULL, NULL, NULL, out) != SSH_OK) {
		snprintf(why, why_size, "%s: no private key that can be read", path);
		return -EINVAL;
	}
	return 0;
}
