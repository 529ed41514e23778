// SPDX-License-Identifier: BSD-3-Clause
//
// A value that is hexadecimal digits from end to end, as tools and some applications send bytes. Hashes,
// identifiers and numbers look the same, so all that comes out must be text that somebody wrote.

#include "dataplane/inspect/decode/decode.h"

static bool is_written(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((p[i] < ' ' || p[i] > 0x7e) && p[i] != '\t' && p[i] != '\n' && p[i] != '\r')
			return false;
	return true;
}

static void run(struct inspect *in, const struct inspect_node *n)
{
	bool prefix = n->p[0] == '0' && (n->p[1] | 0x20) == 'x';
	size_t from = prefix ? 2 : 0, len = 0;
	uint8_t *room;

	if (((n->len - from) & 1) != 0)
		return;
	room = inspect_node_room(in, n->len / 2);
	if (room == NULL)
		return;
	for (size_t i = from; i < n->len; i += 2) {
		int high = decode_digit[n->p[i]], low = decode_digit[n->p[i + 1]];

		if (high < 0 || low < 0)
			return;
		room[len++] = (uint8_t)(high << 4 | low);
		// random digits go no further than this
		if (len == 4 && !is_written(room, 4) && !decode_is_known(room, 4))
			return;
	}
	if (is_written(room, len) || decode_is_known(room, len))
		inspect_node_add(in, n, DECODE_HEX, n->place, room, len);
}

const struct decoder decode_hex_ops = {
	.name = "hex", .any = BYTES(DIGIT), .only = BYTES_WORD, .least = 8, .run = run};
