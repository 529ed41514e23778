// SPDX-License-Identifier: BSD-3-Clause
//
// framing - bytes of an SSH channel to NETCONF messages and back (RFC 6242 section 4).
//
// Hello messages, and all messages of base 1.0, end with the octets ]]>]]>. Messages of base 1.1 are
// chunked:
//
//	chunked-message = 1*( LF "#" 1*DIGIT(1..4294967295, no leading zero) LF octets ) LF "##" LF
//
// The reader is fed as bytes come and never trusts a length: memory grows with bytes received, not
// with sizes announced.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/netconf/buf.h"

enum ncd_frame_state {
	NCD_FRAME_LF,         // chunked: LF that opens a chunk header
	NCD_FRAME_HASH,       // '#' after it
	NCD_FRAME_SIZE_FIRST, // first digit, or the second '#'
	NCD_FRAME_SIZE,       // further digits, or LF
	NCD_FRAME_DATA,       // inside a chunk
	NCD_FRAME_END,        // LF after ##
	NCD_FRAME_EOM,        // looking for ]]>]]>
};

struct ncd_framing {
	enum ncd_frame_state state;
	bool chunked;
	bool done;          // msg was handed out: the next call starts a new one
	uint64_t left;      // bytes of this chunk still to come
	size_t max;         // longest message, in bytes
	struct ncd_buf msg; // the message so far
};

enum ncd_frame_verdict {
	NCD_FRAME_MORE,    // all input taken, no whole message yet
	NCD_FRAME_MESSAGE, // f->msg is a whole message; call again with the rest of the input
	NCD_FRAME_BAD,     // not framing at all: the session must end (RFC 6242 section 4.2)
	NCD_FRAME_TOO_BIG, // longer than max, or no memory: answer too-big and end the session
};

// Start reading end-of-message framing, as hello needs it.
void ncd_framing_init(struct ncd_framing *f, size_t max);
void ncd_framing_fini(struct ncd_framing *f);

// Switch to chunked framing, after a hello of base 1.1. Only between messages.
void ncd_framing_set_chunked(struct ncd_framing *f);

// Take input.
//
// Returns: the verdict; *used tells how many bytes were taken. After NCD_FRAME_MESSAGE f->msg is good
//          until the next call, which starts a new message.
// Thread:  the session's one thread
enum ncd_frame_verdict ncd_framing_feed(struct ncd_framing *f, const char *data, size_t len,
					size_t *used);

// Wrap a message for sending.
void ncd_framing_wrap(bool chunked, const char *msg, size_t len, struct ncd_buf *out);
