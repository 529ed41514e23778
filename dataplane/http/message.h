// SPDX-License-Identifier: BSD-3-Clause
//
// http/message - an HTTP message as its parser gives it, whatever version carried it: HTTP/1.1 today,
// HTTP/2 and WebSocket later. Bytes are as they came, never decoded and never zero-terminated.
//
// The parser is strict (RFC 9110, RFC 9112) and looks with a lenient eye as well: what it would refuse
// but some server accepts is read as that server would, and named in `odd`, so that whoever inspects the
// message sees each reading and decides.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct http_bytes {
	const uint8_t *p;
	uint32_t len;
};

struct http_field {
	struct http_bytes name;
	struct http_bytes value; // without white space at its ends; obs-fold is left in it
};

// What is not as RFC 9112 has it, each a bit of http_head.odd.
enum http_odd {
	HTTP_ODD_METHOD,      // no token (section 3.1)
	HTTP_ODD_TARGET,      // bytes that no target may have: controls, blanks, 8-bit (3.2)
	HTTP_ODD_VERSION,     // not HTTP/1.0 or HTTP/1.1, or none at all (2.3)
	HTTP_ODD_SPACE,       // other or more white space than one SP in the request line (3)
	HTTP_ODD_BARE_LF,     // a line ends without CR (2.2)
	HTTP_ODD_BARE_CR,     // a CR within a line (2.2)
	HTTP_ODD_NUL,         // a NUL in the head
	HTTP_ODD_OBS_FOLD,    // a field goes on in the next line (5.2)
	HTTP_ODD_FIELD_NAME,  // no token, or white space before the colon (5.1)
	HTTP_ODD_FIELD_VALUE, // controls in a value (5.5)
	HTTP_ODD_NO_COLON,    // a line of the head that is no field
	HTTP_ODD_LEADING, // white space before the first field (2.2), or empty lines before the request
	HTTP_ODD_NO_HOST,     // HTTP/1.1 without Host, or with two (3.2)
	HTTP_ODD_CL_INVALID,  // Content-Length is no number (6.3)
	HTTP_ODD_CL_REPEATED, // several, with the same value
	HTTP_ODD_CL_DIFFER,   // several, with different values
	HTTP_ODD_CL_AND_TE,   // Content-Length beside Transfer-Encoding (6.1)
	HTTP_ODD_TE_UNKNOWN, // a coding other than chunked, or one spelled as no server should take it
	HTTP_ODD_TE_NOT_LAST, // chunked is not the last coding, is none of them, or stands twice
	HTTP_ODD_TE_HTTP10,   // Transfer-Encoding in HTTP/1.0
	HTTP_ODD_CHUNK_SIZE,  // a chunk's size with signs, blanks, 0x, or too long (7.1)
	HTTP_ODD_CHUNK_EXT,   // a chunk extension (7.1.1): legal, used by nobody but smugglers
	HTTP_ODD_CHUNK_END,   // data of a chunk not followed by CRLF
	HTTP_ODD_TRAILER,     // a trailer field that frames or routes (6.5.1)
	HTTP_ODD_BODY_SHORT,  // the body ended before its length
	HTTP_ODD_BODY_LONG,   // bytes after its end that are no next request of ours
	HTTP_ODD_TOO_MANY, // more fields than HTTP_FIELDS_MAX: the rest is not in the list, no body is read
	HTTP_ODD_TOO_LONG,   // the head is longer than the parser's buffer
	HTTP_ODD_UNREADABLE, // no reading of it makes sense: set by who reads it, at HTTP1_BAD
	HTTP_ODD_COUNT
};

#define HTTP_FIELDS_MAX 128

enum http_framing {
	HTTP_FRAMING_NONE,
	HTTP_FRAMING_LENGTH,
	HTTP_FRAMING_CHUNKED,
};

struct http_head {
	struct http_bytes method, target, version;
	struct http_field field[HTTP_FIELDS_MAX]; // those of a trailer come when it has been read
	uint32_t fields;
	uint8_t framing; // enum http_framing
	uint64_t length; // HTTP_FRAMING_LENGTH: of the body
	uint64_t odd;    // bits of enum http_odd; those of the body are added while it is read
};

static inline void http_set_odd(struct http_head *h, enum http_odd odd)
{
	h->odd |= UINT64_C(1) << odd;
}

static inline bool http_is_odd(const struct http_head *h, enum http_odd odd)
{
	return (h->odd >> odd & 1) != 0;
}

const char *http_odd_name(enum http_odd odd); // "bare-lf"
// The first field of that name (lower case), NULL: none.
const struct http_field *http_field_find(const struct http_head *h, const char *name);
// Case does not matter. In the header: most texts are constants of another length.
static inline bool http_bytes_are(struct http_bytes b, const char *text)
{
	return strlen(text) == b.len && strncasecmp((const char *)b.p, text, b.len) == 0;
}
