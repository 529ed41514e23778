// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/js/names.h"

#include <string.h>

static const struct {
	const char *text;
	uint8_t len, name;
} names[] = {
#define JS_NAME(sym, text) {text, sizeof(text) - 1, JS_N_##sym},
#define JS_MEANING         JS_NAME
#include "dataplane/inspect/js/names.def"
#undef JS_NAME
#undef JS_MEANING
};

enum js_name js_name_find(const uint8_t *p, size_t len)
{
	size_t low = 0, high = sizeof(names) / sizeof(names[0]);

	if (len < 2 || len > 24)
		return JS_N_OTHER;
	while (low < high) {
		size_t mid = (low + high) / 2;
		size_t n = names[mid].len < len ? names[mid].len : len;
		int c = memcmp(p, names[mid].text, n);

		if (c == 0 && names[mid].len == len)
			return names[mid].name;
		if (c > 0 || (c == 0 && len > names[mid].len))
			low = mid + 1;
		else
			high = mid;
	}
	return JS_N_OTHER;
}
