// SPDX-License-Identifier: BSD-3-Clause
//
// One value: the tree of its decodings, breadth first, then every analyser on every reading.

#include "dataplane/inspect/inspect_priv.h"

#include <assert.h>
#include <string.h>

// Decodings of one request take at most four times the bytes of its values and POOL beside: whoever sends
// more text to decode pays for it, and a value that unfolds without end starves no other.
#define POOL      (64 << 10)
#define PER_BYTE  4
#define ALIGNMENT 16

#define SHORT_NUMBER 8
#define LONG_NAME    32 // may be Base64

// With AddressSanitizer, what was not asked for cannot be touched.
#ifdef __has_feature // clang's way to say it
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
static void guard(const struct inspect *in, size_t size)
{
	ASAN_UNPOISON_MEMORY_REGION(in->arena + in->used, size);
	ASAN_POISON_MEMORY_REGION(in->arena + in->used + size, in->limits.arena - in->used - size);
}
#else
static void guard(const struct inspect *in, size_t size)
{
}
#endif

void value_begin(struct inspect *in)
{
	in->used = 0;
	in->pool = POOL;
	in->cut = false;
}

static uint8_t *allot(struct inspect *in, size_t size)
{
	uint8_t *p = in->arena + in->used;

	if (size > in->limits.arena - in->used) {
		in->bounded = true;
		return NULL;
	}
	size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	if (size > in->limits.arena - in->used)
		size = in->limits.arena - in->used; // the last piece may end anywhere
	guard(in, size);
	in->used += (uint32_t)size;
	return p;
}

void *inspect_scratch(struct inspect *in, size_t size)
{
	return allot(in, size);
}

void inspect_scratch_free(struct inspect *in, uint32_t mark)
{
	assert(mark <= in->used);
	in->used = mark;
}

uint32_t inspect_scratch_mark(const struct inspect *in)
{
	return in->used;
}

size_t inspect_node_left(const struct inspect *in)
{
	size_t left = in->limits.arena - in->used;

	if (in->nodes >= in->limits.nodes || left == 0)
		return 0;
	left--;
	return left < in->budget ? left : in->budget;
}

uint8_t *inspect_node_room(struct inspect *in, size_t size)
{
	if (size == 0)
		return NULL;
	if (size > inspect_node_left(in)) {
		in->bounded = true;
		return NULL;
	}
	guard(in, size);
	return in->arena + in->used;
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

static bool known(struct inspect *in, const struct inspect_node *n)
{
	if (in->nodes == 1) // most values have no decoding, and need no hash
		in->node[0].hash = hash_of(in->node[0].p, in->node[0].len);
	for (uint16_t i = 0; i < in->nodes; i++) {
		const struct inspect_node *o = &in->node[i];

		if (o->hash == n->hash && o->len == n->len && o->place == n->place &&
		    memcmp(o->p, n->p, n->len) == 0)
			return true;
	}
	return false;
}

void inspect_node_add_named(struct inspect *in, const struct inspect_node *n,
			    enum inspect_decoder how, enum inspect_place place,
			    struct http_bytes name, const uint8_t *p, size_t len)
{
	struct inspect_node *c = &in->node[in->nodes];

	if (len == 0)
		return;
	if (in->nodes >= in->limits.nodes || n->depth >= in->limits.depth || len > in->budget) {
		in->bounded = true;
		return;
	}
	*c = (struct inspect_node){
		.p = p,
		.len = (uint32_t)len,
		.parent = (uint16_t)(n - in->node),
		.decoder = (uint8_t)how,
		.depth = (uint8_t)(n->depth + 1),
		.place = (uint8_t)place,
		.cut = n->cut,
		.name = name,
		.set = bytes_set(p, len),
		.hash = hash_of(p, len),
	};
	in->budget -= (uint32_t)len; // it has been read, so it counts even if it is known
	if (known(in, c))
		return;
	if (p == in->arena + in->used)
		allot(in, len);
	in->nodes++;
}

void inspect_node_add(struct inspect *in, const struct inspect_node *n, enum inspect_decoder how,
		      enum inspect_place place, const uint8_t *p, size_t len)
{
	inspect_node_add_named(in, n, how, place, n->name, p, len);
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
	uint64_t wanted = in->policy->no_router ? router_all(n) : router_select(in, n);
	uint32_t mark = in->used;

	for (; wanted != 0; wanted &= wanted - 1) {
		inspect_analysers[__builtin_ctzll(wanted)]->run(in, n);
		in->used = mark;
	}
}

// What a value may unfold to. What it takes beyond PER_BYTE comes out of the request's pool.
static uint32_t budget_of(const struct inspect *in, size_t len)
{
	uint64_t budget = (uint64_t)len * PER_BYTE + in->pool;

	return budget < UINT32_MAX ? (uint32_t)budget : UINT32_MAX;
}

static void settle(struct inspect *in, size_t len)
{
	uint32_t own = budget_of(in, len) - in->pool, taken = budget_of(in, len) - in->budget;

	if (taken > own)
		in->pool -= taken - own;
}

void inspect_root(struct inspect *in, enum inspect_decoder how, enum inspect_place place,
		  struct http_bytes name, const uint8_t *p, size_t len)
{
	if (in->evidences > 0) { // else nothing is marked
		memset(in->seen, 0, sizeof(in->seen));
		in->evidences = 0;
	}
	in->bounded = false;
	in->budget = budget_of(in, len);
	in->off = in->policy->off | policy_off(in, name);
	in->node[0] = (struct inspect_node){.p = p,
					    .len = (uint32_t)len,
					    .parent = NODE_NONE,
					    .decoder = (uint8_t)how,
					    .place = (uint8_t)place,
					    .cut = in->cut,
					    .name = name,
					    .set = bytes_set(p, len)};
	in->nodes = 1;
}

// ---- values that were seen before ----------------------------------------------------------------

// What a value of these places shows depends on nothing but its bytes, its name and the place, so one that
// showed nothing shows nothing again. It is compared whole: nobody can make another one pass for it.
#define REPEATED                                                                                   \
	(UINT64_C(1) << PLACE_HOST | UINT64_C(1) << PLACE_USER_AGENT |                             \
	 UINT64_C(1) << PLACE_REFERER | UINT64_C(1) << PLACE_REFERER_QUERY |                       \
	 UINT64_C(1) << PLACE_COOKIE | UINT64_C(1) << PLACE_AUTHORIZATION |                        \
	 UINT64_C(1) << PLACE_CONTENT_TYPE | UINT64_C(1) << PLACE_HEADER)

static struct harmless *slot_of(struct inspect *in, enum inspect_place place,
				struct http_bytes name, const uint8_t *p, size_t len)
{
	uint64_t first = 0, last = 0;
	size_t n = len < 8 ? len : 8;

	if ((REPEATED >> place & 1) == 0 || in->cut || name.len + len > HARMLESS_BYTES)
		return NULL;
	memcpy(&first, p, n);
	memcpy(&last, p + len - n, n);
	first = (first ^ len << 32 ^ place ^ last * UINT64_C(0x9e3779b97f4a7c15)) *
		UINT64_C(0xff51afd7ed558ccd);
	return &in->harmless[first >> 56 & (HARMLESS_SLOTS - 1)];
}

static bool is_harmless(const struct harmless *h, enum inspect_decoder how,
			enum inspect_place place, struct http_bytes name, const uint8_t *p,
			size_t len)
{
	return h->len == len && h->place == place && h->how == how && h->name_len == name.len &&
	       (name.len == 0 || memcmp(h->bytes, name.p, name.len) == 0) &&
	       memcmp(h->bytes + name.len, p, len) == 0;
}

static void is_now_harmless(struct harmless *h, const struct inspect_node *n)
{
	h->len = (uint16_t)n->len;
	h->place = n->place;
	h->how = n->decoder;
	h->name_len = (uint8_t)n->name.len;
	if (n->name.len > 0)
		memcpy(h->bytes, n->name.p, n->name.len);
	memcpy(h->bytes + n->name.len, n->p, n->len);
}

// ---- values that are nothing to any language -----------------------------------------------------

#define NAMES                                                                                      \
	(UINT64_C(1) << PLACE_QUERY_NAME | UINT64_C(1) << PLACE_FORM_NAME |                        \
	 UINT64_C(1) << PLACE_COOKIE_NAME | UINT64_C(1) << PLACE_JSON_KEY)

// Of the signs of a name, Base64 has capitals for two in five and digits anywhere; a name of several words has
// a capital for each.
static bool may_be_base64(const struct inspect_node *n)
{
	uint32_t capitals = 0;

	if (n->len < 6 || (n->set & BYTES(UPPER)) == 0)
		return false;
	for (uint32_t i = 0; i < n->len; i++) {
		capitals += bytes_group[n->p[i]] == BYTE_UPPER;
		if (i + 1 < n->len && bytes_group[n->p[i]] == BYTE_DIGIT &&
		    bytes_group[n->p[i + 1]] == BYTE_LOWER)
			return true;
	}
	return capitals * 5 > n->len;
}

// A short number, and a name of letters, digits and dashes that is not __proto__: what it may mean it means
// for its value, which knows it.
static bool is_nothing(const struct inspect_node *n)
{
	if (n->len < SHORT_NUMBER && n->set == BYTES(DIGIT))
		return true;
	return (NAMES >> n->place & 1) != 0 && n->len < LONG_NAME && *n->p != '_' &&
	       (n->set & ~(BYTES_WORD | BYTES(MINUS) | BYTES(UNDERSCORE))) == 0 &&
	       !may_be_base64(n);
}

// ---- one value -----------------------------------------------------------------------------------

void inspect_value_decoded(struct inspect *in, enum inspect_decoder how, enum inspect_place place,
			   struct http_bytes name, const uint8_t *p, size_t len)
{
	uint32_t mark = in->used; // the value itself may lie below it
	struct harmless *h;

	if (len == 0 || in->enough)
		return;
	h = slot_of(in, place, name, p, len);
	if (h != NULL && is_harmless(h, how, place, name, p, len))
		return;
	inspect_root(in, how, place, name, p, len);
	if (is_nothing(&in->node[0]))
		return;
	for (uint16_t i = 0; i < in->nodes; i++)
		decode_node(in, &in->node[i]);
	for (uint16_t i = 0; i < in->nodes; i++)
		if (!in->node[i].split)
			analyse(in, &in->node[i]);
	if (h != NULL && in->evidences == 0 && !in->bounded)
		is_now_harmless(h, &in->node[0]);
	settle(in, len);
	score_value(in);
	in->used = mark;
}

void inspect_value(struct inspect *in, enum inspect_place place, struct http_bytes name,
		   const uint8_t *p, size_t len)
{
	inspect_value_decoded(in, DECODE_NONE, place, name, p, len);
}
