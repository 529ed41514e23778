// SPDX-License-Identifier: BSD-3-Clause
//
// Parsers of inspect/message/ on any text: whole, and through a window as body.c has it. The first byte
// picks the parser, the second the size of the window. Values must lie in memory that may be read, what is
// given is bounded by a multiple of the text, and each full window makes room.

#include "dataplane/inspect/inspect_priv.h"
#include "dataplane/inspect/message/body.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct inspect *in;
static size_t given;
static volatile uint8_t sum;

static void sink(struct split *s, enum inspect_place place, struct http_bytes name,
		 const uint8_t *p, size_t len, enum inspect_decoder how)
{
	uint8_t x = 0;

	if (len == 0 || place >= PLACE_COUNT || how >= DECODE_COUNT || s->in != in)
		abort();
	for (size_t i = 0; i < len; i++)
		x ^= p[i];
	for (uint32_t i = 0; i < name.len; i++)
		x ^= name.p[i];
	sum = x;
	given += len;
}

static size_t multipart(struct split *s, struct split_state *st, const uint8_t *p, size_t len,
			enum split_end end)
{
	return split_multipart(s, st, (struct http_bytes){(const uint8_t *)"b", 1}, p, len, end);
}

typedef size_t parser(struct split *s, struct split_state *st, const uint8_t *p, size_t len,
		      enum split_end end);

static parser *const parsers[] = {split_json, split_xml, split_form_part, split_graphql, multipart};

static void in_windows(parser *parse, const uint8_t *p, size_t len, size_t size)
{
	struct split s = {.value = sink, .in = in};
	struct split_state st;
	uint8_t *window = malloc(size);
	size_t used = 0, done, n;

	memset(&st, 0xa5, sizeof(st));
	split_start(&st);
	for (;;) {
		n = size - used < len ? size - used : len;
		memcpy(window + used, p, n);
		used += n;
		p += n;
		len -= n;
		if (len == 0)
			break;
		done = parse(&s, &st, window, used, SPLIT_PART);
		if (done == 0) {
			done = parse(&s, &st, window, used, SPLIT_FULL);
			if (done < used / 2)
				abort();
		}
		if (done > used || s.cut)
			abort();
		used -= done;
		memmove(window, window + done, used);
	}
	if (parse(&s, &st, window, used, SPLIT_WHOLE) != used)
		abort();
	free(window);
}

static void lists(const uint8_t *p, size_t len)
{
	struct split s = {.value = sink, .in = in};
	struct http_head h = {.fields = 1};
	struct body_form form;

	split_form(&s, p, len, PLACE_QUERY, PLACE_QUERY_NAME);
	split_cookie(&s, p, len);
	split_url(&s, p, len, PLACE_REFERER_QUERY, PLACE_REFERER);
	h.field[0] = (struct http_field){{(const uint8_t *)"content-type", 12},
					 {p, (uint32_t)(len < 80 ? len : 80)}};
	body_kind(&h, p, len, &form);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;
	parser *parse;
	size_t len;

	if (in == NULL && inspect_create(NULL, &in) != 0)
		abort();
	if (size < 2)
		return 0;
	len = size - 2;
	copy = malloc(len + 1);
	memcpy(copy, data + 2, len);
	parse = parsers[data[0] % (sizeof(parsers) / sizeof(parsers[0]))];
	value_begin(in);
	given = 0;
	in_windows(parse, copy, len, len + 1);
	if (given > 4 * len)
		abort();
	in_windows(parse, copy, len, 64 + data[1]);
	lists(copy, len);
	free(copy);
	return 0;
}
