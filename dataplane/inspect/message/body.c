// SPDX-License-Identifier: BSD-3-Clause
//
// The body: gathered in a window, split by its kind, whole where it fits and window by window where it does
// not, so that nothing passes unread because it is long.

#include "dataplane/inspect/message/body.h"

#include "dataplane/inspect/inspect_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// What unfolds to more than BOMB bytes, BOMB_RATIO times its own length, is a bomb: no text does.
#define BOMB       (UINT64_C(1) << 20)
#define BOMB_RATIO 250

#define SNIFF 3 // bytes that tell how it is coded

struct body {
	uint32_t size, used;
	bool decided, coded, cut;
	bool ended; // the coded text is over
	bool bomb;
	uint8_t coding; // enum body_coding
	uint8_t sniff[SNIFF];
	uint8_t sniffed;
	uint64_t in, out; // bytes of coded text, and of what it unfolded to
	struct body_form form;
	struct split_state state;
	struct inflate_state inflate;
	uint8_t piece[4096]; // of coded text that is not unfolded yet
	uint32_t pieces;     // bytes of it
	uint8_t *copy;       // of coded text, as much as a window: should it turn out to be none
	uint8_t window[];
};

static const struct http_bytes none;

int message_create(const struct inspect_limits *limits, struct body **out)
{
	struct body *b = malloc(sizeof(*b) + 2 * (size_t)limits->window);

	if (b == NULL)
		return -ENOMEM;
	b->size = limits->window;
	b->copy = b->window + b->size;
	b->used = 0;
	*out = b;
	return 0;
}

void message_destroy(struct body *b)
{
	free(b);
}

void message_begin(struct inspect *in)
{
	struct body *b = in->body;

	b->used = 0;
	b->decided = b->coded = b->cut = b->bomb = b->ended = false;
	b->coding = CODING_NONE;
	b->sniffed = 0;
	b->pieces = 0;
	b->in = b->out = 0;
}

// ---- windows -------------------------------------------------------------------------------------

static size_t split(struct inspect *in, struct split *s, enum split_end end)
{
	struct body *b = in->body;
	struct http_bytes boundary = {b->form.boundary, b->form.boundary_len};

	switch (b->form.kind) {
	case BODY_FORM:
		return split_form_part(s, &b->state, b->window, b->used, end);
	case BODY_JSON:
		return split_json(s, &b->state, b->window, b->used, end);
	case BODY_XML:
		return split_xml(s, &b->state, b->window, b->used, end);
	case BODY_MULTIPART:
		return split_multipart(s, &b->state, boundary, b->window, b->used, end);
	case BODY_GRAPHQL:
		return split_graphql(s, &b->state, b->window, b->used, end);
	default:
		return end == SPLIT_PART ? 0 : b->used - split_overlap(b->used);
	}
}

// The window as it stands, for readings that its parser does not know of.
static void raw(struct inspect *in, enum split_end end)
{
	struct body *b = in->body;
	struct split s = {.value = split_root, .in = in, .cut = b->cut || end != SPLIT_WHOLE};

	split_root(&s, PLACE_BODY, none, b->window, b->used, DECODE_NONE);
}

// Reads the window. Returns: bytes of it that are done with.
static size_t look(struct inspect *in, enum split_end end)
{
	struct body *b = in->body;
	struct split s = {.value = message_value, .in = in};
	size_t done;

	if (!b->decided) {
		body_kind(in->head, b->window, b->used, &b->form);
		split_start(&b->state);
		b->decided = true;
	}
	done = split(in, &s, end);
	if ((b->form.raw || b->state.odd) && (done > 0 || end != SPLIT_PART))
		raw(in, end);
	b->cut = true;
	return done;
}

// The window is full: what is done with makes room.
static void slide(struct inspect *in)
{
	struct body *b = in->body;
	size_t done = look(in, SPLIT_PART);

	if (done == 0)
		done = look(in, SPLIT_FULL);
	if (done == 0)
		done = b->used;
	b->used -= (uint32_t)done;
	memmove(b->window, b->window + done, b->used);
}

static void plain(struct inspect *in, const uint8_t *p, size_t len)
{
	struct body *b = in->body;

	while (len > 0 && !in->enough) {
		size_t n = b->size - b->used;

		if (n > len)
			n = len;
		memcpy(b->window + b->used, p, n);
		b->used += (uint32_t)n;
		p += n;
		len -= n;
		if (len > 0)
			slide(in);
	}
}

// ---- content coding ------------------------------------------------------------------------------

static void inflate_start(struct body *b)
{
	uint8_t cmf = b->sniff[0], flg = b->sniff[1];

	isal_inflate_init(&b->inflate);
	if (b->coding == CODING_GZIP)
		b->inflate.crc_flag = ISAL_GZIP;
	// RFC 1950, section 2.2; what has no such header is RFC 1951.
	else if ((cmf & 15) == 8 && (cmf << 8 | flg) % 31 == 0)
		b->inflate.crc_flag = ISAL_ZLIB;
	else
		b->inflate.crc_flag = ISAL_DEFLATE;
}

static bool is_bomb(const struct body *b)
{
	return b->out > BOMB && b->out / BOMB_RATIO > b->in;
}

// What cannot be unfolded to its end is read as far as it could, and as it stands: its sender lied, or the
// server takes no coded text.
static void broken(struct inspect *in)
{
	struct body *b = in->body;
	uint64_t kept = b->in < b->size ? b->in : b->size;

	b->coding = CODING_NONE;
	if (b->used > 0 && !in->enough)
		look(in, SPLIT_WHOLE);
	b->used = 0;
	b->decided = b->cut = false;
	plain(in, b->copy, kept);
}

// Returns: how much of it there is room for.
static size_t keep(struct body *b, const uint8_t *p, size_t len)
{
	size_t room = b->in < b->size ? b->size - b->in : 0;

	if (room > len)
		room = len;
	memcpy(b->copy + b->in * (room > 0), p, room);
	b->in += len;
	return room;
}

// Unfolds into the window. Returns: false: the text is over, or is none.
static bool inflate_all(struct inspect *in)
{
	struct body *b = in->body;
	struct inflate_state *z = &b->inflate;
	uint32_t before;
	int rc;

	do {
		if (b->used == b->size)
			slide(in);
		z->next_out = b->window + b->used;
		z->avail_out = before = b->size - b->used;
		rc = isal_inflate(z);
		b->used += before - z->avail_out;
		b->out += before - z->avail_out;
		b->bomb = is_bomb(b);
		b->ended = z->block_state == ISAL_BLOCK_FINISH;
		if (rc < 0)
			return false;
	} while (!b->ended && (z->avail_in > 0 || z->avail_out == 0) && !b->bomb && !in->enough);
	return !b->ended;
}

static void unfold(struct inspect *in, const uint8_t *p, size_t len)
{
	struct body *b = in->body;
	struct inflate_state *z = &b->inflate;
	size_t kept = keep(b, p, len);

	z->next_in = (uint8_t *)(uintptr_t)p;
	z->avail_in = (uint32_t)len;
	if (!b->ended && inflate_all(in))
		return;
	if (b->ended && z->crc_flag != ISAL_DEFLATE) {
		b->coding = CODING_NONE; // what follows its sum is no part of it
		plain(in, z->next_in, z->avail_in);
	} else if (!b->ended || kept < len) {
		broken(in);
		plain(in, p + kept, len - kept);
	} // else it may be no deflate at all, which has neither magic nor sum: message_end() reads it both ways
}

// Coded text is unfolded in pieces of one size, however it comes: what is seen of a broken one must not
// depend on how the network cut it.
static void coded(struct inspect *in, const uint8_t *p, size_t len)
{
	struct body *b = in->body;

	while (len > 0 && !b->bomb && !in->enough) {
		size_t n = sizeof(b->piece) - b->pieces;

		if (b->coding == CODING_NONE) {
			plain(in, p, len);
			return;
		}
		if (n > len)
			n = len;
		memcpy(b->piece + b->pieces, p, n);
		b->pieces += (uint32_t)n;
		p += n;
		len -= n;
		if (b->pieces == sizeof(b->piece)) {
			b->pieces = 0;
			unfold(in, b->piece, sizeof(b->piece));
		}
	}
}

// How it is coded is told by the head and its first bytes.
static void decide_coding(struct inspect *in)
{
	struct body *b = in->body;

	b->coded = true;
	b->coding = (uint8_t)body_coding(in->head, b->sniff, b->sniffed);
	if (b->coding != CODING_NONE)
		inflate_start(b);
	coded(in, b->sniff, b->sniffed);
}

void message_body(struct inspect *in, const uint8_t *p, size_t len)
{
	struct body *b = in->body;

	while (b->sniffed < SNIFF && len > 0) {
		b->sniff[b->sniffed++] = *p++;
		len--;
	}
	if (b->sniffed < SNIFF)
		return;
	if (!b->coded)
		decide_coding(in);
	coded(in, p, len);
}

static void judge_coding(struct inspect *in)
{
	struct body *b = in->body;
	bool unknown = body_coding_unknown(in->head);

	if (!b->bomb && !unknown)
		return;
	inspect_root(in, DECODE_NONE, PLACE_BODY, none, b->window, b->used);
	if (b->bomb)
		inspect_evidence(in, &in->node[0], RULE_DECODE_BOMB, 0, 0);
	if (unknown)
		inspect_evidence(in, &in->node[0], RULE_CODING_UNKNOWN, 0, 0);
	score_value(in);
}

void message_end(struct inspect *in)
{
	struct body *b = in->body;

	if (b->sniffed > 0 && !b->coded)
		decide_coding(in);
	if (b->pieces > 0 && !b->bomb && !in->enough)
		unfold(in, b->piece, b->pieces);
	if (b->coding != CODING_NONE && !b->bomb)
		broken(in);
	if (b->used > 0 && !in->enough)
		look(in, SPLIT_WHOLE);
	message_fields(in);
	if (!in->enough && b->sniffed > 0)
		judge_coding(in);
	message_begin(in);
}
