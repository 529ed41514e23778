// SPDX-License-Identifier: BSD-3-Clause
//
// A raw request through parser and engine, as sluice-waf-check has it: whole and in pieces the verdict is
// the same, with the router and without it as well.

#include "apps/waf/waf_judge.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct waf_judge with, without;

static void create(struct waf_judge *j, bool no_router)
{
	struct inspect_conf conf = {.level = INSPECT_BALANCED, .no_router = no_router};
	struct inspect_policy *policy;

	if (inspect_policy_create(&conf, &policy) != 0 || waf_judge_init(j, policy) != 0)
		abort();
}

static struct waf_judgement judge(struct waf_judge *j, const uint8_t *p, size_t len, size_t piece)
{
	struct waf_judgement got;

	memset(&got, 0, sizeof(got));
	waf_judge_begin(j);
	for (size_t i = 0; i < len; i += piece)
		waf_judge_feed(j, p + i, piece < len - i ? piece : len - i);
	waf_judge_end(j, &got);
	return got;
}

static void same(const struct waf_judgement *a, const struct waf_judgement *b)
{
	const struct inspect_verdict *x = &a->verdict, *y = &b->verdict;

	if (x->block != y->block || x->class != y->class || x->score != y->score ||
	    strcmp(x->place, y->place) != 0 || x->rules != y->rules)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct waf_judgement whole, other;
	uint8_t *copy;

	if (with.buf == NULL) {
		create(&with, false);
		create(&without, true);
	}
	if (size < 1)
		return 0;
	copy = malloc(size);
	memcpy(copy, data + 1, size - 1);
	whole = judge(&with, copy, size - 1, size);
	other = judge(&with, copy, size - 1, 1 + data[0] % 64);
	same(&whole, &other);
	other = judge(&without, copy, size - 1, size);
	same(&whole, &other);
	free(copy);
	return 0;
}
