// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/shell/programs.h"

#include "dataplane/inspect/path/files.h"

#include <stdbool.h>
#include <string.h>

#define NAME_MAX_LEN 24

#define WORD PROGRAM_WORD
#define WIN  PROGRAM_WIN
static const struct program programs[] = {
#define PROGRAM(name, kind, flags) {name, PROGRAM_##kind, flags},
#include "dataplane/inspect/shell/programs.def"
#undef PROGRAM
};
#undef WORD
#undef WIN

#define COUNT (sizeof(programs) / sizeof(programs[0]))

static const struct program *look_up(const char *name, size_t len)
{
	size_t low = 0, high = COUNT;

	while (low < high) {
		size_t mid = (low + high) / 2, n = strlen(programs[mid].name);
		int c = memcmp(name, programs[mid].name, len < n ? len : n);

		if (c == 0 && len == n)
			return &programs[mid];
		if (c < 0 || (c == 0 && len < n))
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

// "python3.9" -> "python"
static size_t without_version(const char *name, size_t len)
{
	size_t n = len;

	while (n > 1 && ((name[n - 1] >= '0' && name[n - 1] <= '9') || name[n - 1] == '.'))
		n--;
	return n >= 2 ? n : len;
}

const struct program *program_find(const char *name, size_t len)
{
	char small[NAME_MAX_LEN];
	const struct program *p;
	bool upper = false;

	if (len == 0 || len > NAME_MAX_LEN)
		return NULL;
	p = look_up(name, len);
	if (p != NULL)
		return p;
	for (size_t i = 0; i < len; i++) {
		upper |= is_upper(name[i]);
		small[i] = (char)(is_upper(name[i]) ? name[i] | 0x20 : name[i]);
	}
	if (len > 4 && memcmp(small + len - 4, ".exe", 4) == 0)
		len -= 4;
	p = look_up(small, len);
	if (p == NULL && without_version(small, len) < len) {
		p = look_up(small, without_version(small, len));
		if (p != NULL && p->kind != PROGRAM_SHELL)
			return NULL;
	}
	return p != NULL && (!upper || (p->flags & PROGRAM_WIN) != 0) ? p : NULL;
}

const struct program *program_glob(const char *pattern, size_t len)
{
	size_t letters = 0;

	if (len > NAME_MAX_LEN)
		return NULL;
	for (size_t i = 0; i < len; i++)
		letters += pattern[i] != '?' && pattern[i] != '*';
	if (letters == 0)
		return NULL;
	for (size_t i = 0; i < COUNT; i++)
		if (path_glob(pattern, len, programs[i].name))
			return &programs[i];
	return NULL;
}
