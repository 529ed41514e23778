// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/php/functions.h"

#include <string.h>

enum { ONLY = 1, SHARED = 0 };

static const struct php_function functions[] = {
#define PHP_FUNCTION(kind, whose, name) {name, sizeof(name) - 1, PHP_##kind, whose},
#include "dataplane/inspect/php/functions.def"
#undef PHP_FUNCTION
};

const struct php_function *php_function_find(const uint8_t *p, size_t len)
{
	size_t low = 0, high = sizeof(functions) / sizeof(functions[0]);
	char name[PHP_FUNCTION_MAX];

	if (len < 2 || len > sizeof(name))
		return NULL;
	for (size_t i = 0; i < len; i++)
		name[i] = (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] | 0x20 : p[i]);
	while (low < high) {
		size_t mid = (low + high) / 2;
		size_t n = functions[mid].len < len ? functions[mid].len : len;
		int c = memcmp(name, functions[mid].name, n);

		if (c == 0 && functions[mid].len == len)
			return &functions[mid];
		if (c > 0 || (c == 0 && len > functions[mid].len))
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}
