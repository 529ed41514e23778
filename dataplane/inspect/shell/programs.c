// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/shell/programs.h"

#include "dataplane/inspect/path/files.h"

#include <stdbool.h>
#include <string.h>

#define NAME_MAX_LEN 24

#define WORD PROGRAM_WORD
#define WIN  PROGRAM_WIN
static const struct program programs[] = {
#define PROGRAM(name, kind, flags) {name, sizeof(name) - 1, PROGRAM_##kind, flags},
#include "dataplane/inspect/shell/programs.def"
#undef PROGRAM
};
#undef WORD
#undef WIN

#define COUNT (sizeof(programs) / sizeof(programs[0]))

// Where names of each first letter begin.
static const uint16_t firsts[27] = {
	// clang-format off
	4, 35, 54, 107, 131, 148, 169, 191, 205, 225, 236, 242, 280, 312,
	334, 341, 386, 388, 430, 484, 525, 549, 563, 584, 595, 598, 609,
	// clang-format on
};

static const struct program *look_up(const char *name, size_t len)
{
	bool letter = *name >= 'a' && *name <= 'z';
	size_t low = letter ? firsts[*name - 'a'] : 0,
	       high = letter ? firsts[*name - 'a' + 1] : firsts[0];

	while (low < high) {
		size_t mid = (low + high) / 2, n = programs[mid].len;
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

// By first letter, the letters that may follow: bit 0 is a. Bit 30: a digit or a sign, bit 31: the end.
static const uint32_t seconds[26] = {
	// clang-format off
	0x00cea80f, 0x03128905, 0x401edc9d, 0x0032f13b, 0x00a6384c, 0x000ed95d,
	0x4212c19d, 0x0008c1d9, 0x0006e03c, 0x00174211, 0x00142900, 0x035c6919,
	0x013c4419, 0x0024d937, 0x0004800e, 0x015645dd, 0x00500000, 0x0034d89e,
	0x013df8b5, 0x010e5135, 0x0014b820, 0x00045119, 0xc01611d7, 0x02c09015,
	0x00100011, 0x01041944,
	// clang-format on
};

bool program_begins(uint8_t first, uint8_t second)
{
	uint8_t a = (uint8_t)((first | 0x20) - 'a'), b = (uint8_t)((second | 0x20) - 'a');

	if (a >= 26)
		return (first >= '0' && first <= '9');
	return (seconds[a] & (b < 26 ? UINT32_C(1) << b : UINT32_C(3) << 30)) != 0;
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
