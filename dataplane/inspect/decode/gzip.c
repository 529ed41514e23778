// SPDX-License-Identifier: BSD-3-Clause
//
// gzip (RFC 1952) and zlib (RFC 1950), as far as the value's bounds allow: of a bomb the beginning is
// read, and no more.

#include "dataplane/inspect/decode/decode.h"
#include "dataplane/inspect/inspect_priv.h"

#include <isa-l/igzip_lib.h>

#include <string.h>

static bool is_gzip(const uint8_t *p)
{
	return p[0] == 0x1f && p[1] == 0x8b && p[2] == 8;
}

static bool is_zlib(const uint8_t *p)
{
	return p[0] == 0x78 && (p[0] << 8 | p[1]) % 31 == 0 && (p[1] & 0x20) == 0;
}

// Bytes at odds with the format end it; those before them count, for servers differ in when they notice.
// Of zlib, whose head is short, they must be whole.
static bool is_sound(int rc, bool gzip)
{
	return gzip || rc >= 0 || rc == ISAL_INCORRECT_CHECKSUM;
}

static void run(struct inspect *in, const struct inspect_node *n)
{
	uint32_t mark = inspect_scratch_mark(in);
	bool gzip = is_gzip(n->p);
	struct inflate_state *z;
	size_t left, len = 0;
	const uint8_t *out;
	uint8_t *room;
	int rc;

	if (!gzip && !is_zlib(n->p))
		return;
	z = inspect_scratch(in, sizeof(*z));
	if (z == NULL)
		return;
	left = inspect_node_left(in);
	out = inspect_node_room(in, left);
	if (out != NULL) {
		// libisal reads entries of its tables that a broken stream has not filled
		memset(z, 0, sizeof(*z));
		isal_inflate_init(z);
		z->crc_flag = gzip ? ISAL_GZIP : ISAL_ZLIB;
		z->next_in = (uint8_t *)(uintptr_t)n->p; // it only reads
		z->avail_in = n->len;
		z->next_out = (uint8_t *)(uintptr_t)out;
		z->avail_out = (uint32_t)left;
		rc = isal_inflate(z);
		len = is_sound(rc, gzip) ? z->total_out : 0;
		in->bounded |= z->avail_out == 0;
	}
	if (len > 0)
		memmove(z, out, len); // where the room will be
	inspect_scratch_free(in, mark);
	room = inspect_node_room(in, len);
	if (room == NULL)
		return;
	inspect_node_add(in, n, gzip ? DECODE_GZIP : DECODE_DEFLATE, n->place, room, len);
}

const struct decoder decode_gzip_ops = {
	.name = "gzip", .any = BYTES(HIGH) | BYTES(CONTROL), .least = 12, .run = run};
