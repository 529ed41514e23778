// SPDX-License-Identifier: BSD-3-Clause
//
// replay_main - run every file of a corpus folder through a fuzz target, as an ordinary test.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *buf;
	long size;
	int ok = 0;

	if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0) {
		perror(path);
		if (f != NULL)
			fclose(f);
		return -1;
	}
	rewind(f);
	buf = malloc(size == 0 ? 1 : (size_t)size); // exact size: ASan sees a read past the end
	if (buf != NULL && fread(buf, 1, (size_t)size, f) == (size_t)size) {
		LLVMFuzzerTestOneInput(buf, (size_t)size);
		ok = 1;
	}
	free(buf);
	fclose(f);
	return ok ? 0 : -1;
}

int main(int argc, char **argv)
{
	unsigned count = 0;
	struct dirent *e;
	char path[4096];
	DIR *d;

	if (argc != 2 || (d = opendir(argv[1])) == NULL) {
		fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
		return 2;
	}
	if (LLVMFuzzerInitialize != NULL)
		LLVMFuzzerInitialize(&argc, &argv);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", argv[1], e->d_name);
		if (replay_file(path) != 0)
			return 1;
		count++;
	}
	closedir(d);
	printf("%u inputs replayed\n", count);
	return count > 0 ? 0 : 1; // an empty corpus is a broken test
}
