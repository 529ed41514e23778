// SPDX-License-Identifier: BSD-3-Clause
//
// framing - two readers behind one call: a search for ]]>]]> and a state machine for chunks.

#include "control/netconf/framing.h"

#include <string.h>

#define EOM         "]]>]]>"
#define EOM_LEN     6
#define CHUNK_MAX   UINT64_C(4294967295) // RFC 6242 section 4.2
#define WRITE_CHUNK ((size_t)1 << 20)
#define KEEP_BYTES  ((size_t)1 << 20) // a buffer larger than this is not kept for the next message

void ncd_framing_init(struct ncd_framing *f, size_t max)
{
	*f = (struct ncd_framing){.state = NCD_FRAME_EOM, .max = max};
}

void ncd_framing_fini(struct ncd_framing *f)
{
	ncd_buf_fini(&f->msg);
}

void ncd_framing_set_chunked(struct ncd_framing *f)
{
	f->chunked = true;
	f->state = NCD_FRAME_LF;
	f->done = true;
}

// The mark may be cut anywhere between two reads, so it is looked for in the message itself, from
// where a cut one could have begun.
static enum ncd_frame_verdict feed_eom(struct ncd_framing *f, const char *data, size_t len,
				       size_t *used)
{
	size_t before = f->msg.len;
	size_t from = before > EOM_LEN - 1 ? before - (EOM_LEN - 1) : 0;
	size_t room = f->max + EOM_LEN - before; // never negative: checked below on every way out
	size_t take = len < room ? len : room;
	char *end;

	ncd_buf_add(&f->msg, data, take);
	if (f->msg.failed)
		return NCD_FRAME_TOO_BIG;
	end = f->msg.len == 0 ? NULL : memmem(f->msg.data + from, f->msg.len - from, EOM, EOM_LEN);
	if (end == NULL) {
		*used = take;
		return f->msg.len >= f->max + EOM_LEN ? NCD_FRAME_TOO_BIG : NCD_FRAME_MORE;
	}
	*used = (size_t)(end - f->msg.data) + EOM_LEN - before;
	f->msg.len = (size_t)(end - f->msg.data);
	f->msg.data[f->msg.len] = '\0';
	f->done = true;
	return NCD_FRAME_MESSAGE;
}

// One byte of a chunk header. Returns: false when it cannot stand there
static bool header_byte(struct ncd_framing *f, char c)
{
	switch (f->state) {
	case NCD_FRAME_LF:
		f->state = NCD_FRAME_HASH;
		return c == '\n';
	case NCD_FRAME_HASH:
		f->state = NCD_FRAME_SIZE_FIRST;
		return c == '#';
	case NCD_FRAME_SIZE_FIRST:
		if (c == '#') {
			f->state = NCD_FRAME_END;
			return f->msg.len > 0; // a message has one chunk at least
		}
		f->state = NCD_FRAME_SIZE;
		f->left = (uint64_t)(c - '0');
		return c >= '1' && c <= '9';
	case NCD_FRAME_SIZE:
		if (c == '\n') {
			f->state = NCD_FRAME_DATA;
			return true;
		}
		if (c < '0' || c > '9')
			return false;
		f->left = f->left * 10 + (uint64_t)(c - '0');
		return f->left <= CHUNK_MAX;
	default:
		return false;
	}
}

enum ncd_frame_verdict ncd_framing_feed(struct ncd_framing *f, const char *data, size_t len,
					size_t *used)
{
	size_t i = 0;

	*used = 0;
	if (f->done) {
		if (f->msg.cap > KEEP_BYTES)
			ncd_buf_fini(&f->msg);
		ncd_buf_reset(&f->msg);
		f->done = false;
	}
	if (!f->chunked)
		return feed_eom(f, data, len, used);
	while (i < len) {
		if (f->state == NCD_FRAME_DATA) {
			size_t n = len - i < f->left ? len - i : (size_t)f->left;

			if (n > f->max - f->msg.len)
				return NCD_FRAME_TOO_BIG;
			ncd_buf_add(&f->msg, data + i, n);
			if (f->msg.failed)
				return NCD_FRAME_TOO_BIG;
			i += n;
			f->left -= n;
			if (f->left == 0)
				f->state = NCD_FRAME_LF;
		} else if (f->state == NCD_FRAME_END) {
			if (data[i++] != '\n')
				return NCD_FRAME_BAD;
			f->state = NCD_FRAME_LF;
			f->done = true;
			*used = i;
			return NCD_FRAME_MESSAGE;
		} else {
			if (!header_byte(f, data[i++]))
				return NCD_FRAME_BAD;
			// Say so before the bytes come: they would only be thrown away.
			if (f->state == NCD_FRAME_DATA && f->left > f->max - f->msg.len)
				return NCD_FRAME_TOO_BIG;
		}
	}
	*used = i;
	return NCD_FRAME_MORE;
}

void ncd_framing_wrap(bool chunked, const char *msg, size_t len, struct ncd_buf *out)
{
	if (!chunked) {
		ncd_buf_add(out, msg, len);
		ncd_buf_str(out, EOM);
		return;
	}
	for (size_t off = 0; off < len; off += WRITE_CHUNK) {
		size_t n = len - off < WRITE_CHUNK ? len - off : WRITE_CHUNK;

		ncd_buf_fmt(out, "\n#%zu\n", n);
		ncd_buf_add(out, msg + off, n);
	}
	ncd_buf_str(out, "\n##\n");
}
