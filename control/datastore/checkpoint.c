// SPDX-License-Identifier: BSD-3-Clause

#include "control/datastore/checkpoint.h"

#include "control/datastore/crc32c.h"

#include <libyang/libyang.h>

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_SIZE 80
#define KEEP      2

static const char magic[8] = {'\xff', 'S', 'L', 'C', 'K', 'P', 'T', '1'};

static void put_head(uint8_t *h, const struct checkpoint *c, uint64_t size, uint32_t crc)
{
	uint64_t v64;
	uint32_t v32;

	memset(h, 0, HEAD_SIZE);
	memcpy(h, magic, sizeof(magic));
	memcpy(h + 8, c->id, sizeof(c->id));
	v64 = htole64(c->version);
	memcpy(h + 24, &v64, 8);
	v64 = htole64(size);
	memcpy(h + 32, &v64, 8);
	memcpy(h + 40, c->hash, sizeof(c->hash));
	v32 = htole32(crc);
	memcpy(h + 72, &v32, 4);
	v32 = htole32(crc32c(0, h, 76));
	memcpy(h + 76, &v32, 4);
}

static int parse_name(const char *name, uint64_t *version)
{
	char *end;

	if (strncmp(name, "checkpoint.", 11) != 0 || name[11] < '0' || name[11] > '9')
		return -EINVAL;
	*version = strtoull(name + 11, &end, 10);
	return *end == '\0' ? 0 : -EINVAL;
}

// The newest version below `below` that a file name gives.
static int newest(const char *dir, uint64_t below, uint64_t *out)
{
	struct dirent *e;
	uint64_t v;
	int rc = -ENOENT;
	DIR *d = opendir(dir);

	if (d == NULL)
		return -errno;
	while ((e = readdir(d)) != NULL)
		if (parse_name(e->d_name, &v) == 0 && v < below && (rc != 0 || v > *out)) {
			*out = v;
			rc = 0;
		}
	closedir(d);
	return rc;
}

static void drop_old(const char *dir)
{
	uint64_t v = UINT64_MAX;
	char path[4200];

	for (unsigned i = 0; newest(dir, v, &v) == 0; i++) {
		if (i < KEEP)
			continue;
		snprintf(path, sizeof(path), "%s/checkpoint.%" PRIu64, dir, v);
		if (unlink(path) != 0)
			return;
	}
}

int checkpoint_write(const char *dir, const struct checkpoint *c)
{
	char path[4200], fresh[4200];
	uint8_t head[HEAD_SIZE];
	char *text = NULL;
	FILE *f = NULL;
	size_t size;
	int rc = 0, fd;

	if (lyd_print_mem(&text, c->tree, LYD_JSON, LYD_PRINT_WITHSIBLINGS | LYD_PRINT_SHRINK) !=
	    LY_SUCCESS)
		return -ENOMEM;
	if (text == NULL && (text = strdup("{}")) == NULL)
		return -ENOMEM;
	size = strlen(text);
	put_head(head, c, size, crc32c(0, text, size));
	snprintf(path, sizeof(path), "%s/checkpoint.%" PRIu64, dir, c->version);
	snprintf(fresh, sizeof(fresh), "%s/new-checkpoint", dir);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		  0600); // it holds password hashes
	f = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (f == NULL) {
		rc = -errno;
		if (fd >= 0)
			close(fd);
		goto out;
	}
	if (fwrite(head, 1, sizeof(head), f) != sizeof(head) || fwrite(text, 1, size, f) != size ||
	    fflush(f) != 0 || fsync(fileno(f)) != 0)
		rc = -errno;
	if (fclose(f) != 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && rename(fresh, path) != 0)
		rc = -errno;
	if (rc == 0) {
		fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 || fsync(fd) != 0)
			rc = -errno;
		if (fd >= 0)
			close(fd);
	}
	if (rc == 0)
		drop_old(dir);
out:
	free(text);
	return rc;
}

pid_t checkpoint_fork(const char *dir, const struct checkpoint *c)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return -errno;
	if (pid > 0)
		return pid;
	// It must hold none of the daemon's sockets, and not outlive it.
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	(void)close_range(3, ~0u, 0);
	_exit(checkpoint_write(dir, c) == 0 ? 0 : 1);
}

static int load_one(const char *dir, const struct ly_ctx *ctx, uint64_t version,
		    struct checkpoint *out, const char **why)
{
	char path[4200], *text = NULL;
	uint8_t head[HEAD_SIZE], want[HEAD_SIZE];
	struct lyd_node *tree = NULL;
	uint64_t size;
	uint32_t crc;
	struct stat st;
	FILE *f;
	int rc = -EBADMSG;

	snprintf(path, sizeof(path), "%s/checkpoint.%" PRIu64, dir, version);
	f = fopen(path, "re");
	if (f == NULL) {
		*why = strerror(errno);
		return -errno;
	}
	*why = "it is damaged";
	if (fread(head, 1, sizeof(head), f) != sizeof(head) || fstat(fileno(f), &st) != 0)
		goto out;
	memcpy(out->id, head + 8, sizeof(out->id));
	memcpy(&size, head + 32, sizeof(size));
	memcpy(out->hash, head + 40, sizeof(out->hash));
	memcpy(&crc, head + 72, sizeof(crc));
	size = le64toh(size);
	out->version = version;
	put_head(want, out, size, le32toh(crc));
	if (memcmp(head, want, sizeof(head)) != 0 || size + HEAD_SIZE != (uint64_t)st.st_size)
		goto out;
	text = malloc(size + 1);
	if (text == NULL || fread(text, 1, size, f) != size)
		goto out;
	text[size] = '\0';
	if (crc32c(0, text, size) != le32toh(crc))
		goto out;
	if (lyd_parse_data_mem(ctx, text, LYD_JSON,
			       LYD_PARSE_ONLY | LYD_PARSE_STRICT | LYD_PARSE_NO_STATE, 0,
			       &tree) != LY_SUCCESS) {
		lyd_free_all(tree);
		*why = "it does not fit the models";
		goto out;
	}
	out->tree = tree;
	rc = 0;
out:
	free(text);
	fclose(f);
	return rc;
}

int checkpoint_load(const char *dir, const struct ly_ctx *ctx, uint64_t below,
		    struct checkpoint *out, char *notice, size_t notice_size)
{
	const char *why = "";
	size_t used = 0;

	notice[0] = '\0';
	while (newest(dir, below, &below) == 0) {
		if (load_one(dir, ctx, below, out, &why) == 0)
			return 0;
		if (used < notice_size)
			used += (size_t)snprintf(notice + used, notice_size - used,
						 "%s/checkpoint.%" PRIu64 " is passed over: %s. ",
						 dir, below, why);
	}
	return -ENOENT;
}
