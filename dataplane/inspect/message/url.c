// SPDX-License-Identifier: BSD-3-Clause
//
// A URL as a value: RFC 3986, section 3, and what browsers and servers take for one beside it.

#include "dataplane/inspect/message/split.h"

#include <string.h>

static const uint8_t *find(const uint8_t *p, const uint8_t *end, char c)
{
	const uint8_t *at = memchr(p, c, (size_t)(end - p));

	return at != NULL ? at : end;
}

// Past scheme://authority, where there is one.
static const uint8_t *path_of(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *colon = find(p, end, ':');

	if (colon + 2 < end && colon[1] == '/' && colon[2] == '/')
		return find(colon + 3, end, '/');
	return p;
}

void split_url(struct split *s, const uint8_t *p, size_t len, enum inspect_place query,
	       enum inspect_place rest)
{
	static const struct http_bytes none;
	const uint8_t *end = p + len, *hash = find(p, end, '#'), *ask = find(p, hash, '?');
	const uint8_t *path = path_of(p, ask);

	if (path < ask)
		s->value(s, rest, none, path, (size_t)(ask - path), DECODE_NONE);
	if (ask + 1 < hash) {
		if (memchr(ask + 1, '=', (size_t)(hash - ask - 1)) == NULL)
			s->value(s, rest, none, ask + 1, (size_t)(hash - ask - 1), DECODE_NONE);
		else
			split_form(s, ask + 1, (size_t)(hash - ask - 1), query, query);
	}
	if (hash + 1 < end)
		s->value(s, rest, none, hash + 1, (size_t)(end - hash - 1), DECODE_NONE);
}
