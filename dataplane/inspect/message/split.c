// SPDX-License-Identifier: BSD-3-Clause
//
// What the parsers of this folder share: the sink of the message itself, room, paths.

#include "dataplane/inspect/message/split.h"

#include "dataplane/inspect/inspect_priv.h"

#include <string.h>

#define NAMES                                                                                      \
	(UINT64_C(1) << PLACE_QUERY_NAME | UINT64_C(1) << PLACE_FORM_NAME |                        \
	 UINT64_C(1) << PLACE_JSON_KEY | UINT64_C(1) << PLACE_COOKIE_NAME)

// Where a name is remembered that showed nothing: it shows nothing again. NULL: it is none, or too long.
// It is compared whole, so that nobody can make another one pass for it.
static struct harmless_name *slot_of(struct inspect *in, enum inspect_place place, const uint8_t *p,
				     size_t len)
{
	uint64_t first = 0, last = 0;
	size_t n = len < 8 ? len : 8;

	if ((NAMES >> place & 1) == 0 || len == 0 || len > NAME_BYTES || in->enough)
		return NULL;
	memcpy(&first, p, n);
	memcpy(&last, p + len - n, n);
	first = (first ^ len << 32 ^ place ^ last * UINT64_C(0x9e3779b97f4a7c15)) *
		UINT64_C(0xff51afd7ed558ccd);
	return &in->harmless_name[first >> 48 & (NAME_SLOTS - 1)];
}

void split_root(struct split *s, enum inspect_place place, struct http_bytes name, const uint8_t *p,
		size_t len, enum inspect_decoder how)
{
	struct inspect *in = s->in;
	struct harmless_name *h = s->cut ? NULL : slot_of(in, place, p, len);

	if (h != NULL && h->len == len && h->place == place && h->how == how &&
	    memcmp(h->bytes, p, len) == 0)
		return;
	in->cut = s->cut;
	inspect_value_decoded(in, how, place, name, p, len);
	in->cut = false;
	if (h == NULL || in->evidences > 0 || in->bounded)
		return;
	*h = (struct harmless_name){
		.place = (uint8_t)place, .how = (uint8_t)how, .len = (uint8_t)len};
	memcpy(h->bytes, p, len);
}

// GraphQL over HTTP sends its text as "query", in JSON or in a form.
static bool is_graphql(struct http_bytes name, const uint8_t *p, size_t len)
{
	static const char *const words[] = {"query", "mutation", "subscription", "fragment"};
	size_t i = 0;

	if (name.len < 5 || memcmp(name.p + name.len - 5, "query", 5) != 0 ||
	    memchr(p, '"', len) == NULL)
		return false;
	while (i < len && (p[i] == ' ' || p[i] == '\n' || p[i] == '\r' || p[i] == '\t'))
		i++;
	for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++)
		if (len - i >= strlen(words[w]) && memcmp(p + i, words[w], strlen(words[w])) == 0)
			return true;
	if (i == len || p[i] != '{')
		return false;
	for (i++; i < len && (p[i] == ' ' || p[i] == '\n' || p[i] == '\r' || p[i] == '\t');)
		i++;
	return i < len && p[i] != '"' && p[i] != '}'; // else it is JSON
}

void message_value(struct split *s, enum inspect_place place, struct http_bytes name,
		   const uint8_t *p, size_t len, enum inspect_decoder how)
{
	struct split inner = {.value = split_root, .in = s->in, .cut = s->cut};
	struct split_state state;

	split_root(s, place, name, p, len, how);
	if (!is_graphql(name, p, len))
		return;
	split_start(&state);
	split_graphql(&inner, &state, p, len, SPLIT_WHOLE);
}

uint32_t split_enter(struct split *s)
{
	return inspect_scratch_mark(s->in);
}

uint8_t *split_room(struct split *s, size_t size)
{
	return inspect_scratch(s->in, size);
}

// Decodings of a node stay as long as its tree does.
void split_leave(struct split *s, uint32_t mark)
{
	if (s->node == NULL)
		inspect_scratch_free(s->in, mark);
}

// ---- paths ---------------------------------------------------------------------------------------

void split_path_push(struct split_state *st, bool object)
{
	uint32_t d = ++st->depth;

	if (d < 64)
		st->objects = (st->objects & ~(UINT64_C(1) << d)) | (uint64_t)object << d;
	if (d >= SPLIT_LEVELS)
		return;
	if (st->path_len > SPLIT_PATH - SPLIT_LEAF)
		st->path_len = SPLIT_PATH - SPLIT_LEAF;
	st->level[d] = st->path_len;
	st->index[d] = 0;
}

void split_path_pop(struct split_state *st)
{
	if (st->depth < SPLIT_LEVELS)
		st->path_len = st->level[st->depth];
	if (st->depth > 0)
		st->depth--;
}

void split_path_name(struct split_state *st, const uint8_t *p, size_t len)
{
	uint32_t d = st->depth < SPLIT_LEVELS ? st->depth : SPLIT_LEVELS - 1;
	uint32_t at = st->level[d], room = SPLIT_PATH - at - 1;

	if (len > room)
		len = room;
	st->path[at] = '/';
	if (len > 0)
		memcpy(st->path + at + 1, p, len);
	st->path_len = (uint16_t)(at + 1 + len);
}

void split_path_index(struct split_state *st)
{
	uint32_t n = st->depth < SPLIT_LEVELS ? st->index[st->depth] : 0;
	uint8_t text[10], *p = text + sizeof(text);

	do
		*--p = (uint8_t)('0' + n % 10);
	while ((n /= 10) > 0);
	split_path_name(st, p, (size_t)(text + sizeof(text) - p));
}
