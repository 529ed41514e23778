// SPDX-License-Identifier: BSD-3-Clause
//
// The whole engine on a raw request. Its verdict is the same with the router and without, in a context
// that is new and in one that has seen others, and whether the bytes come at once or in pieces; time grows
// with the length and nothing is left allotted.

#include "dataplane/http/http1.h"
#include "dataplane/inspect/inspect_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD_MAX (1 << 16)
#define PIECE    37 // bytes, no divisor of a window

// Under sanitizers and with other work on the machine; a quadratic loop over a long input is well above.
#define NS_PER_REQUEST UINT64_C(50000000)
#define NS_PER_BYTE    UINT64_C(20000)

#define check(right)                                                                               \
	do {                                                                                       \
		if (!(right)) {                                                                    \
			fprintf(stderr, "line %d: %s\n", __LINE__, #right);                        \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void judge(struct inspect *in, const struct inspect_policy *policy, const uint8_t *data,
		  size_t size, size_t piece, struct inspect_verdict *out)
{
	static struct http1 http;
	static uint8_t buf[HEAD_MAX];
	const uint8_t *p = data, *end = data + size;
	struct http_bytes b;
	enum http1_event e;
	bool begun = false;

	http1_init(&http, buf, sizeof(buf));
	do {
		const uint8_t *stop = (size_t)(end - p) > piece ? p + piece : end;

		while ((e = http1_next(&http, &p, stop, &b)) == HTTP1_HEAD || e == HTTP1_BODY) {
			if (!begun)
				inspect_begin(in, policy, &http.head);
			begun = true;
			if (e == HTTP1_BODY)
				inspect_body(in, b.p, b.len);
		}
	} while (e == HTTP1_MORE && p < end);
	if (e == HTTP1_MORE)
		while (http1_close(&http) == HTTP1_HEAD && !begun) {
			inspect_begin(in, policy, &http.head);
			begun = true;
		}
	if (!begun)
		inspect_begin(in, policy, &http.head);
	inspect_end(in, out);
	check(in->used == 0);
}

static void same(const struct inspect_verdict *a, const struct inspect_verdict *b)
{
	check(a->block == b->block && a->class == b->class && a->score == b->score);
	check(strcmp(a->place, b->place) == 0 && a->rules == b->rules &&
	      a->decoders == b->decoders);
	check(memcmp(a->rule, b->rule, a->rules * sizeof(a->rule[0])) == 0);
	check(memcmp(a->decoder, b->decoder, a->decoders) == 0);
}

static struct inspect_policy *policy_of(bool no_router)
{
	struct inspect_conf conf = {.level = INSPECT_STRICT, .no_router = no_router};
	struct inspect_policy *p;

	check(inspect_policy_create(&conf, &p) == 0);
	return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct inspect_policy *routed, *unrouted;
	static struct inspect *used, *other;
	static struct inspect_verdict a, b;
	struct inspect *fresh;
	uint64_t start;

	if (used == NULL) {
		routed = policy_of(false);
		unrouted = policy_of(true);
		check(inspect_create(NULL, &used) == 0 && inspect_create(NULL, &other) == 0);
	}
	start = cpu_ns();
	judge(used, routed, data, size, SIZE_MAX, &a);
	check(cpu_ns() - start < NS_PER_REQUEST + size * NS_PER_BYTE);
	judge(other, unrouted, data, size, SIZE_MAX, &b);
	same(&a, &b);
	check(inspect_create(NULL, &fresh) == 0);
	judge(fresh, routed, data, size, PIECE, &b);
	same(&a, &b);
	inspect_destroy(fresh);
	return 0;
}
