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

// "text" with escapes, or """text""". Returns what is after it; *from, *to: the text.
static size_t string(const uint8_t *p, size_t len, size_t i, size_t *from, size_t *to)
{
	const uint8_t *q;

	if (len - i >= 3 && memcmp(p + i, "\"\"\"", 3) == 0) {
		*from = i + 3;
		q = *from < len ? memmem(p + *from, len - *from, "\"\"\"", 3) : NULL;
		*to = q != NULL ? (size_t)(q - p) : len;
		return q != NULL ? *to + 3 : NOT_WHOLE;
	}
	*from = i + 1;
	for (i++; i < len; i++) {
		if (p[i] == '\\')
			i++;
		else if (p[i] == '"')
			break;
	}
	*to = i < len ? i : len;
	return i < len ? i + 1 : NOT_WHOLE;
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

size_t split_graphql(struct split *s, struct split_state *state, const uint8_t *p, size_t len,
		     enum split_end end)
{
	size_t i = 0, from, to, next;
	const uint8_t *lf;

	while (i < len) {
		if (p[i] == '"') {
			next = string(p, len, i, &from, &to);
			if (next == NOT_WHOLE && end == SPLIT_PART)
				return i;
			state->odd |= next == NOT_WHOLE;
			s->cut = next == NOT_WHOLE && end == SPLIT_FULL;
			give(s, state, p + from, to - from);
			s->cut = false;
			if (next == NOT_WHOLE)
				return len; // the rest of it is read as what it may be: nothing is lost
			i = next;
		} else if (p[i] == '#') {
			lf = memchr(p + i, '\n', len - i);
			i = lf != NULL ? (size_t)(lf - p) + 1 : len;
		} else if (is_name(p[i])) {
			i = name(state, p, len, i);
		} else {
			state->odd |=
				p[i] >= 0x7f || strchr("!$&()...:=@[]{|}, \t\r\n-", p[i]) == NULL;
			i++;
		}
	}
	return len;
}
