// SPDX-License-Identifier: BSD-3-Clause
//
// inspect_js_fuzz - any bytes as JavaScript. The first says where they land: a program, a handler, or behind
// one of the quotes or none. What is said must lie inside the text, and be the same each time.

#include "dataplane/inspect/js/js.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int right)
{
	if (!right)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t quotes[] = {0, '\'', '"', '`'};
	struct js_verdict a, b;
	enum js_goal goal;
	uint8_t quote;

	if (size == 0)
		return 0;
	goal = data[0] % 3;
	quote = goal == JS_REST ? quotes[data[0] / 3 % 4] : 0;
	js_judge(data + 1, size - 1, goal, quote, &a);
	check(a.used < size && a.at < size);
	check(a.end <= JS_END_DEEP);
	check(a.names <= a.tokens);
	// A token is a byte at least; the end of a text that breaks off is none.
	check(a.tokens <= size);
	js_judge(data + 1, size - 1, goal, quote, &b);
	check(memcmp(&a, &b, sizeof(a)) == 0);
	return 0;
}
