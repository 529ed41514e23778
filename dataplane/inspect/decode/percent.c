// SPDX-License-Identifier: BSD-3-Clause
//
// Percent-encoding: RFC 3986, section 2.1; %uXXXX as IIS and JavaScript's unescape() have it.

#include "dataplane/inspect/decode/decode.h"

static int hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t decode_percent(const uint8_t *p, size_t len, bool form, uint8_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (p[i] == '%' && i + 2 < len && hex(p[i + 1]) >= 0 && hex(p[i + 2]) >= 0) {
			out[n++] = (uint8_t)(hex(p[i + 1]) << 4 | hex(p[i + 2]));
			i += 2;
		} else {
			out[n++] = form && p[i] == '+' ? ' ' : p[i];
		}
	}
	return n;
}

static void run(struct inspect *in, const struct inspect_node *n)
{
	uint8_t *room = inspect_node_room(in, n->len);
	size_t len;

	if (room == NULL)
		return;
	len = decode_percent(n->p, n->len, false, room);
	if (len != n->len)
		inspect_node_add(in, n, DECODE_PERCENT, n->place, room, len);
}

const struct decoder decode_percent_ops = {
	.name = "percent", .all = BYTES(PERCENT), .least = 3, .run = run};
