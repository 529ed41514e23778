// SPDX-License-Identifier: BSD-3-Clause
//
// http/http1 - requests of HTTP/1.0 and HTTP/1.1 (RFC 9112), bytes in as they arrive, a message out. No
// allocation and no I/O: the head is gathered in the caller's buffer, body bytes are borrowed from the
// input.
//
//	http1_init(&h, buf, sizeof(buf));
//	while ((e = http1_next(&h, &at, end, &body)) != HTTP1_MORE)
//		switch (e) { HTTP1_HEAD: h.head is whole  HTTP1_BODY: body  HTTP1_END: the message is over }
//	at the end of the connection: http1_close(&h)
//
// Thread: any, one at a time for one struct http1
#pragma once

#include "dataplane/http/message.h"

enum http1_event {
	HTTP1_MORE, // all input is used up
	HTTP1_HEAD, // http1.head is filled; its bytes stay until the next http1_init()
	HTTP1_BODY, // a piece of the body, decoded from chunks: good until the input is
	HTTP1_END,  // the message is over; *at is after it
	HTTP1_BAD, // no reading of it makes sense: http1.head.odd says why. Further calls say so again
};

struct http1 {
	struct http_head head;
	// The parser's own:
	uint8_t *buf;
	uint32_t size, used;
	uint8_t state;
	uint64_t left; // of the body or the chunk
	uint32_t line; // bytes of the line that is read now
	uint32_t from; // where the trailer begins in buf
};

// buf holds the head, 16 KiB or more is usual. Owner: the caller, until it is done with the head.
void http1_init(struct http1 *h, uint8_t *buf, uint32_t size);
// Go on from *at; at most to end. *at is moved past what was used.
enum http1_event http1_next(struct http1 *h, const uint8_t **at, const uint8_t *end,
			    struct http_bytes *body);
// No more bytes will come. Returns HTTP1_END where the message was whole or its body ends so (it is
// marked odd), else HTTP1_BAD; HTTP1_HEAD first if the head had not been given yet and can be.
enum http1_event http1_close(struct http1 *h);
