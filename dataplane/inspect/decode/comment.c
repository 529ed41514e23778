// SPDX-License-Identifier: BSD-3-Clause
//
// Comments of C, JavaScript, Java, PHP and SQL, taken out: a blank is what most lexers have for one. Of
// MySQL's /*!50000 x */ the x is left, for that server runs it.

#include "dataplane/inspect/decode/decode.h"

#include <string.h>
#include <strings.h>

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

// "*/*, image/*": media ranges of RFC 9110, section 12.5.1, in most requests.
static bool is_accept(const struct inspect_node *n)
{
	return n->place == PLACE_HEADER && n->name.len == 6 &&
	       strncasecmp((const char *)n->name.p, "accept", 6) == 0;
}

static void run(struct inspect *in, const struct inspect_node *n)
{
	const uint8_t *p = is_accept(n) ? NULL : bytes_find2(n->p, n->len, '/', '*'),
		      *end = n->p + n->len, *close;
	uint8_t *room = p != NULL ? inspect_node_room(in, n->len) : NULL;
	size_t len;

	if (room == NULL)
		return;
	len = (size_t)(p - n->p);
	memcpy(room, n->p, len);
	while (p < end) {
		if (p + 1 == end || p[0] != '/' || p[1] != '*') {
			room[len++] = *p++;
			continue;
		}
		close = bytes_find2(p + 2, (size_t)(end - p - 2), '*', '/');
		if (close == NULL) // the rest of the statement
			break;
		room[len++] = ' ';
		if (p + 2 < close && p[2] == '!') {
			for (p += 3; p < close && is_digit(*p); p++)
				;
			memcpy(room + len, p, (size_t)(close - p));
			len += (size_t)(close - p);
			room[len++] = ' ';
		}
		p = close + 2;
	}
	inspect_node_add(in, n, DECODE_COMMENT, n->place, room, len);
}

const struct decoder decode_comment_ops = {
	.name = "comment", .all = BYTES(SLASH) | BYTES(STAR), .least = 4, .run = run};
