// SPDX-License-Identifier: BSD-3-Clause
//
// http_answer - an HTTP/1 answer as it comes in, piece by piece: its status, and a string looked for in its
// body. Nothing is kept but the beginning of one header line, whatever the server sends.
//
//	STATUS --> FIELDS --+--> BODY by Content-Length, by chunks, or until the connection ends --> DONE
//	  ^         | 1xx   +--> DONE (204, 304: no body)
//	  +---------+
//
// Source: RFC 9112 sections 4 (status line), 5 (fields), 6 (length of the body), 7.1 (chunks)
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/check/match.h"

#define CHECK_HEADER_MAX                                                                           \
	(64 * 1024) // bytes before the body, interim answers included; more is refused
#define CHECK_BODY_MAX (64 * 1024) // bytes of a body that are read; the rest is not waited for
#define CHECK_LINE     64 // bytes of a line that are looked at: fields that matter are shorter

enum check_answer_is {
	CHECK_ANSWER_MORE, // not whole yet
	CHECK_ANSWER_DONE, // whole, or as much of it as is looked at
	CHECK_ANSWER_BAD,  // not HTTP
	CHECK_ANSWER_LONG, // its header is too long
	CHECK_ANSWER_NONE, // ended before its first byte
	CHECK_ANSWER_PART, // ended before it was whole
};

enum check_answer_state {
	CHECK_AT_STATUS,
	CHECK_AT_FIELDS,
	CHECK_AT_BODY,     // `left` bytes, or until the end
	CHECK_AT_CHUNK,    // line with the size of the next one
	CHECK_AT_DATA,     // `left` bytes of it
	CHECK_AT_DATA_END, // the line end behind it
	CHECK_AT_TRAILER,
};

struct check_answer {
	uint8_t state;   // enum check_answer_state
	bool chunked;    // Transfer-Encoding has been seen, its last coding is chunked
	bool coded;      // Transfer-Encoding has been seen
	bool has_length; // Content-Length has been seen
	bool cut;        // the body was longer than is read
	uint16_t status; // of the final answer, 0: not known yet
	uint64_t length; // Content-Length
	uint64_t left;
	size_t header, body; // bytes seen
	size_t line_len;     // of the present line, which may be longer than `line`
	char line[CHECK_LINE];
	struct check_match match; // found: at once if nothing is looked for
};

// Begin; needle: what the body must contain, "": nothing.
void check_answer_init(struct check_answer *a, const char *needle);
// The next piece. Returns: CHECK_ANSWER_MORE, DONE, BAD or LONG; after another one than MORE nothing may
// be fed. Thread: any
enum check_answer_is check_answer_feed(struct check_answer *a, const char *data, size_t size);
// The connection has ended. Returns: DONE, NONE or PART.
enum check_answer_is check_answer_end(const struct check_answer *a);
