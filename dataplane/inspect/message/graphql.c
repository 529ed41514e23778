// SPDX-License-Identifier: BSD-3-Clause
//
// GraphQL (October 2021): the strings of a query are what reaches the resolvers, and with them their
// databases. The rest is names and punctuation.

#include "dataplane/inspect/message/split.h"

#include <string.h>

#define NOT_WHOLE SIZE_MAX

static bool is_name(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

enum at {
	AT_TOKEN,
	AT_STRING, // within one that began in an earlier window
	AT_BLOCK,  // likewise, of three quotes
};

// The quotes that end a string which goes on at i.
static size_t string_end(const uint8_t *p, size_t len, size_t i, enum at at)
{
	const uint8_t *q;

	if (at == AT_BLOCK) {
		q = i < len ? memmem(p + i, len - i, "\"\"\"", 3) : NULL;
		return q != NULL ? (size_t)(q - p) : NOT_WHOLE;
	}
	for (; i < len; i++) {
		if (p[i] == '\\')
			i++;
		else if (p[i] == '"')
			return i;
	}
	return NOT_WHOLE;
}

static void give(struct split *s, struct split_state *st, const uint8_t *p, size_t len)
{
	uint32_t mark = split_enter(s);
	enum inspect_decoder how = DECODE_NONE;
	uint8_t *room;

	if (memchr(p, '\\', len) != NULL && (room = split_room(s, len)) != NULL) {
		len = split_json_unescape(p, len, room);
		p = room;
		how = DECODE_JSON_ESCAPE;
	}
	if (len > 0)
		s->value(s, PLACE_GRAPHQL, split_path(st), p, len, how);
	split_leave(s, mark);
}

// A name that a colon follows is that of an argument.
static size_t name(struct split_state *st, const uint8_t *p, size_t len, size_t i)
{
	size_t end = i, n;

	while (end < len && is_name(p[end]))
		end++;
	n = end - i < SPLIT_PATH ? end - i : SPLIT_PATH;
	memcpy(st->path, p + i, n);
	st->path_len = (uint16_t)n;
	return end;
}

// What is seen of a string without an end. Returns where the next window goes on.
static size_t string_part(struct split *s, struct split_state *st, const uint8_t *p, size_t len,
			  size_t from, enum split_end end)
{
	size_t next = len - split_overlap(len), slashes = 0;

	s->cut = end == SPLIT_FULL;
	st->odd |= end == SPLIT_WHOLE;
	give(s, st, p + from, len - from);
	s->cut = false;
	if (end == SPLIT_WHOLE)
		return len;
	if (next < from)
		return from;
	while (next - slashes > from && p[next - slashes - 1] == '\\')
		slashes++;
	return next - (slashes & 1);
}

// Text of a string from i on. Returns what is after it.
static size_t string(struct split *s, struct split_state *st, const uint8_t *p, size_t len,
		     size_t i, enum split_end end)
{
	size_t to = string_end(p, len, i, st->at), after = st->at == AT_BLOCK ? 3 : 1;

	if (to == NOT_WHOLE)
		return string_part(s, st, p, len, i, end);
	give(s, st, p + i, to - i);
	s->cut = false;
	st->at = AT_TOKEN;
	return to + after;
}

static size_t token(struct split_state *st, const uint8_t *p, size_t len, size_t i)
{
	const uint8_t *lf;

	if (p[i] == '#') {
		lf = memchr(p + i, '\n', len - i);
		return lf != NULL ? (size_t)(lf - p) + 1 : len;
	}
	if (is_name(p[i]))
		return name(st, p, len, i);
	if (p[i] == '"') {
		st->at = len - i >= 3 && p[i + 1] == '"' && p[i + 2] == '"' ? AT_BLOCK : AT_STRING;
		return i + (st->at == AT_BLOCK ? 3 : 1);
	}
	st->odd |= p[i] >= 0x7f || strchr("!$&().:=@[]{|}, \t\r\n-", p[i]) == NULL;
	return i + 1;
}

size_t split_graphql(struct split *s, struct split_state *state, const uint8_t *p, size_t len,
		     enum split_end end)
{
	size_t i = 0, next;

	while (i < len) {
		if (state->at == AT_TOKEN) {
			next = token(state, p, len, i);
			// A comment or name may go on, quotes may become three.
			if (end == SPLIT_PART && i > 0 &&
			    (next == len || (p[i] == '"' && len - i < 3))) {
				state->at = AT_TOKEN;
				return i;
			}
			i = next;
			continue;
		}
		if (end == SPLIT_PART && string_end(p, len, i, state->at) == NOT_WHOLE)
			return i;
		s->cut = state->begun;
		i = string(s, state, p, len, i, end);
		s->cut = false;
		state->begun = state->at != AT_TOKEN;
		if (state->begun)
			return i;
	}
	return i;
}
