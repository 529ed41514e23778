// SPDX-License-Identifier: BSD-3-Clause
//
// journal_fuzz - a journal file of any bytes: opening it never crashes, and what it takes it takes again.

#include "control/datastore/journal.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[64];

static void expect(bool yes) // not assert: release builds leave that out
{
	if (!yes)
		abort();
}

static void clean(void)
{
	char other[128];

	unlink(path);
	snprintf(other, sizeof(other), "%s.new", path);
	unlink(other);
	strcpy(other, path);
	*strrchr(other, '/') = '\0';
	rmdir(other);
}

static int count(void *arg, uint64_t version, const char *meta, size_t meta_size, const char *diff,
		 size_t diff_size, const uint8_t *hash)
{
	unsigned *n = arg;
	unsigned sum = hash[31];

	(void)version;
	for (size_t i = 0; i < meta_size; i++)
		sum += (unsigned char)meta[i];
	for (size_t i = 0; i < diff_size; i++)
		sum += (unsigned char)diff[i];
	*n += 1 + (sum & 0);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct journal_error err;
	struct journal *j = NULL;
	char notice[512];
	unsigned n = 0, again = 0;
	int fd;

	if (path[0] == '\0') {
		char dir[] = "/tmp/journal-fuzz-XXXXXX";

		if (mkdtemp(dir) == NULL)
			return 0;
		snprintf(path, sizeof(path), "%s/journal", dir);
		atexit(clean);
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	close(fd);
	if (journal_open(path, false, count, &n, &j, &err, notice, sizeof(notice)) != 0) {
		expect(j == NULL && err.message[0] != '\0');
		return 0;
	}
	expect(n == journal_version(j));
	expect(journal_append(j, "{}", 2, "{}", 2) == 0);
	journal_close(j);
	j = NULL;
	expect(journal_open(path, false, count, &again, &j, &err, notice, sizeof(notice)) == 0);
	expect(again == n + 1);
	journal_close(j);
	return 0;
}
