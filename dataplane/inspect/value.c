// SPDX-License-Identifier: BSD-3-Clause
//
// One value: the tree of its decodings, breadth first, then every analyser on every reading.

#include "dataplane/inspect/inspect_priv.h"

#include <string.h>

void inspect_arena_reset(struct inspect *in)
{
	in->used = 0;
	in->nodes = 0;
	in->evidences = 0;
	memset(in->seen, 0, sizeof(in->seen));
}

static uint8_t *allot(struct inspect *in, size_t size)
{
	uint8_t *p = in->arena + in->used;

	size = (size + 15) & ~(size_t)15;
	if (size > in->limits.arena - in->used)
		return NULL;
	in->used += (uint32_t)size;
	return p;
}

void *inspect_scratch(struct inspect *in, size_t size)
{
	return allot(in, size);
}

uint8_t *inspect_node_room(struct inspect *in, size_t size)
{
	uint32_t before = in->used;
	uint8_t *p;

	if (in->nodes >= in->limits.nodes)
		return NULL;
	p = allot(in, size + 1);
	in->used = before; // taken for good by inspect_node_add()
	return p;
}

static uint32_t hash_of(const uint8_t *p, size_t len)
{
	uint64_t h = len * UINT64_C(0x9e3779b97f4a7c15);
	uint64_t w;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&w, p, 8);
		h = (h ^ w) * UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 32;
	}
	w = 0;
	memcpy(&w, p, len);
	h = (h ^ w) * UINT64_C(0xff51afd7ed558ccd);
	return (uint32_t)(h ^ h >> 32);
}

static bool known(const struct inspect *in, const struct inspect_node *n)
{
	for (uint16_t i = 0; i < in->nodes; i++) {
		const struct inspect_node *o = &in->node[i];

		if (o->hash == n->hash && o->len == n->len && o->place == n->place &&
		    memcmp(o->p, n->p, n->len) == 0)
			return true;
	}
	return false;
}

void inspect_node_add(struct inspect *in, const struct inspect_node *n, enum inspect_decoder how,
		      enum inspect_place place, const uint8_t *p, size_t len)
{
	struct inspect_node *c = &in->node[in->nodes];

	if (len == 0 || in->nodes >= in->limits.nodes || n->depth >= in->limits.depth)
		return;
	*c = (struct inspect_node){
		.p = p,
		.len = (uint32_t)len,
		.parent = (uint16_t)(n - in->node),
		.decoder = (uint8_t)how,
		.depth = (uint8_t)(n->depth + 1),
		.place = (uint8_t)place,
		.cut = n->cut,
		.name = n->name,
		.set = bytes_set(p, len),
		.hash = hash_of(p, len),
	};
	if (known(in, c))
		return;
	if (p == in->arena + in->used)
		allot(in, len + 1);
	in->nodes++;
}

void inspect_evidence(struct inspect *in, const struct inspect_node *n, enum inspect_rule rule,
		      size_t at, size_t len)
{
	uint64_t bit = UINT64_C(1) << (rule & 63);

	if ((in->seen[rule >> 6] & bit) != 0 || in->evidences == EVIDENCE_MAX)
		return;
	in->seen[rule >> 6] |= bit;
	in->evidence[in->evidences++] = (struct evidence){.rule = (uint16_t)rule,
							  .node = (uint16_t)(n - in->node),
							  .at = (uint32_t)at,
							  .len = (uint32_t)len};
}

static void analyse(struct inspect *in, const struct inspect_node *n)
{
	uint64_t wanted = in->policy->no_router ? UINT64_MAX : router_select(in, n);
	uint32_t mark = in->used;

	for (unsigned i = 0; inspect_analysers[i] != NULL; i++) {
		if ((wanted >> i & 1) == 0)
			continue;
		inspect_analysers[i]->run(in, n);
		in->used = mark;
	}
}

void inspect_root(struct inspect *in, enum inspect_place place, struct http_bytes name,
		  const uint8_t *p, size_t len)
{
	inspect_arena_reset(in);
	in->off = in->policy->off | policy_off(in, name);
	in->node[0] = (struct inspect_node){.p = p,
					    .len = (uint32_t)len,
					    .parent = NODE_NONE,
					    .place = (uint8_t)place,
					    .name = name,
					    .set = bytes_set(p, len),
					    .hash = hash_of(p, len)};
	in->nodes = 1;
}

void inspect_value(struct inspect *in, enum inspect_place place, struct http_bytes name,
		   const uint8_t *p, size_t len)
{
	if (len == 0 || in->enough)
		return;
	inspect_root(in, place, name, p, len);
	for (uint16_t i = 0; i < in->nodes; i++)
		decode_node(in, &in->node[i]);
	for (uint16_t i = 0; i < in->nodes; i++)
		analyse(in, &in->node[i]);
	score_value(in);
}
