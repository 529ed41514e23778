// SPDX-License-Identifier: BSD-3-Clause
//
// A request fed whole and fed byte by byte must read the same. The first byte says how much room its head
// has, so that heads too long for it are seen as well.

#include "dataplane/http/http1.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct told {
	struct http1 http;
	uint64_t hash; // of all body bytes, in order
	uint64_t bytes;
	unsigned heads;
	enum http1_event last;
};

static void body(struct told *t, struct http_bytes b)
{
	for (uint32_t i = 0; i < b.len; i++)
		t->hash = (t->hash ^ b.p[i]) * 0x100000001b3;
	t->bytes += b.len;
}

// Returns: whether the message goes on. *at: up to where it was used.
static int feed(struct told *t, const uint8_t **at, const uint8_t *end)
{
	struct http_bytes b;

	for (;;) {
		t->last = http1_next(&t->http, at, end, &b);
		switch (t->last) {
		case HTTP1_MORE:
			if (*at != end)
				abort();
			return 1;
		case HTTP1_HEAD:
			t->heads++;
			break;
		case HTTP1_BODY:
			body(t, b);
			break;
		default:
			return 0;
		}
	}
}

static void finish(struct told *t)
{
	while ((t->last = http1_close(&t->http)) == HTTP1_HEAD)
		t->heads++;
}

static void same(struct http_bytes a, struct http_bytes b)
{
	if (a.len != b.len || (a.len > 0 && memcmp(a.p, b.p, a.len) != 0))
		abort();
}

static void compare(const struct told *a, const struct told *b)
{
	const struct http_head *x = &a->http.head, *y = &b->http.head;

	if (a->hash != b->hash || a->bytes != b->bytes || a->heads != b->heads ||
	    a->last != b->last || x->odd != y->odd || x->fields != y->fields ||
	    x->framing != y->framing || x->length != y->length)
		abort();
	same(x->method, y->method);
	same(x->target, y->target);
	same(x->version, y->version);
	for (uint32_t i = 0; i < x->fields; i++) {
		same(x->field[i].name, y->field[i].name);
		same(x->field[i].value, y->field[i].value);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct told whole, bytes;
	uint32_t room;
	uint8_t *one, *two;
	const uint8_t *at, *at_byte, *end = data + size;

	if (size == 0)
		return 0;
	room = data[0] < 0x80 ? 16384 : data[0] & 0x7fU;
	data++;
	one = malloc(room + 1);
	two = malloc(room + 1);
	memset(&whole, 0, sizeof(whole));
	memset(&bytes, 0, sizeof(bytes));
	http1_init(&whole.http, one, room);
	http1_init(&bytes.http, two, room);
	at = data;
	feed(&whole, &at, end);
	for (at_byte = data; at_byte < end;) {
		const uint8_t *next = at_byte;

		if (!feed(&bytes, &next, at_byte + 1)) {
			at_byte = next;
			break;
		}
		at_byte = next;
	}
	if (at != at_byte)
		abort();
	finish(&whole);
	finish(&bytes);
	compare(&whole, &bytes);
	free(one);
	free(two);
	return 0;
}
