// SPDX-License-Identifier: BSD-3-Clause
//
// The tree of one value: the first byte is its place, the rest the value. Each decoder that others use by
// name writes no more than it says, also in place; the tree keeps its bounds on nodes, depth and bytes,
// all its texts lie where they should, and it is the same again in a context that was used before.

#include "dataplane/inspect/decode/decode.h"
#include "dataplane/inspect/inspect_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define check(right)                                                                               \
	do {                                                                                       \
		if (!(right)) {                                                                    \
			fprintf(stderr, "line %d: %s\n", __LINE__, #right);                        \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

typedef size_t (*decode_fn)(const uint8_t *p, size_t len, uint8_t *out);

static size_t percent(const uint8_t *p, size_t len, uint8_t *out)
{
	return decode_percent(p, len, false, out);
}

static size_t form(const uint8_t *p, size_t len, uint8_t *out)
{
	return decode_percent(p, len, true, out);
}

static void beside_and_in_place(decode_fn fn, const uint8_t *p, size_t len)
{
	uint8_t *beside = malloc(len > 0 ? len : 1), *within = malloc(len > 0 ? len : 1);
	size_t n = fn(p, len, beside);

	check(n <= len);
	memcpy(within, p, len);
	check(fn(within, len, within) == n && memcmp(beside, within, n) == 0);
	free(beside);
	free(within);
}

static void utf16(const uint8_t *p, size_t len, bool big_endian)
{
	uint8_t *out = malloc(len / 2 * 3 + 1);

	check(decode_utf16(p, len, big_endian, out) <= len / 2 * 3);
	free(out);
}

static bool within(const uint8_t *p, size_t len, const uint8_t *in, size_t in_len)
{
	return p >= in && p <= in + in_len && len <= (size_t)(in + in_len - p);
}

static uint64_t tree(struct inspect *in, enum inspect_place place, const uint8_t *p, size_t len)
{
	uint64_t bytes = 0, sum = 0;

	value_begin(in);
	inspect_root(in, DECODE_NONE, place, (struct http_bytes){NULL, 0}, p, len);
	for (uint16_t i = 0; i < in->nodes; i++)
		decode_node(in, &in->node[i]);
	check(in->nodes <= in->limits.nodes && in->used <= in->limits.arena);
	for (uint16_t i = 1; i < in->nodes; i++) {
		const struct inspect_node *n = &in->node[i];

		check(n->parent < i && n->depth == in->node[n->parent].depth + 1);
		check(n->depth <= in->limits.depth && n->decoder > DECODE_NONE &&
		      n->decoder < DECODE_COUNT);
		check(n->len > 0 && n->set == bytes_set(n->p, n->len));
		check(within(n->p, n->len, p, len) || within(n->p, n->len, in->arena, in->used));
		check(n->name.len == 0 || within(n->name.p, n->name.len, p, len) ||
		      within(n->name.p, n->name.len, in->arena, in->used));
		bytes += n->len;
		sum = sum * 31 + n->hash + n->decoder;
	}
	check(bytes <= 4 * len + (64 << 10));
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const decode_fn fns[] = {percent,   form,        decode_html,
					decode_js, decode_json, decode_base64};
	static struct inspect_policy *policy;
	static struct inspect *in;
	struct inspect_limits limits = {.arena = 1 << 18};
	struct inspect_conf conf = {.level = INSPECT_BALANCED};
	enum inspect_place place;
	uint64_t sum;

	if (in == NULL) {
		check(inspect_policy_create(&conf, &policy) == 0 &&
		      inspect_create(&limits, &in) == 0);
		in->policy = policy;
	}
	if (size < 2)
		return 0;
	place = data[0] % PLACE_COUNT;
	for (size_t i = 0; i < sizeof(fns) / sizeof(fns[0]); i++)
		beside_and_in_place(fns[i], data + 1, size - 1);
	utf16(data + 1, size - 1, false);
	utf16(data + 1, size - 1, true);
	sum = tree(in, place, data + 1, size - 1);
	check(tree(in, place, data + 1, size - 1) == sum);
	return 0;
}
