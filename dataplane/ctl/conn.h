// SPDX-License-Identifier: BSD-3-Clause
//
// conn - one connection of the control link: framing of msg.h over a non-blocking stream socket, with
// bounded buffers. server.c says what a message means.
//
// A peer that sends slowly, reads slowly or not at all costs this connection and nothing else: input
// beyond one message is not read while answers wait to be fetched, and a peer that makes no progress
// for CTL_CONN_STALL_MS is dropped.
//
// All calls on the control thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/ctl/msg.h"

#define CTL_CONN_OUT_PAUSE (4 * 1024 * 1024) // bytes waiting: stop reading the peer
#define CTL_CONN_STALL_MS  30000
#define CTL_CONN_LINGER_MS 2000 // for the last ACK to leave before a refused peer is closed

struct loop;
struct ctl_conn;

struct ctl_conn_calls {
	// A whole message, well framed; payload (hdr->size bytes, 8-aligned) is borrowed for the call.
	// Returns 0 or a negative errno, which ends the connection.
	int (*message)(struct ctl_conn *c, const struct ctl_hdr *hdr, const void *payload);
	// A malformed frame: the last chance to answer. The connection ends after it.
	void (*malformed)(struct ctl_conn *c, uint32_t seq, const char *why);
	// The connection is gone; c is freed after this call.
	void (*closed)(struct ctl_conn *c);
};

// Owner: fd is closed with the connection, also on error. Errors: -ENOMEM, -EBADF
int ctl_conn_create(struct loop *l, int fd, const struct ctl_conn_calls *calls, void *arg,
		    struct ctl_conn **out);

// Close at once. Not from inside calls->message (return an error there).
void ctl_conn_destroy(struct ctl_conn *c);

// No more input; close once what waits has been sent, or after CTL_CONN_LINGER_MS.
void ctl_conn_finish(struct ctl_conn *c);

// Queue a message (payload = the parts one after the other; part may be NULL when its size is 0).
// Errors: -ENOMEM, -EPIPE the connection is ending
int ctl_conn_send(struct ctl_conn *c, uint16_t type, uint16_t flags, uint32_t seq,
		  const void *part1, size_t size1, const void *part2, size_t size2);

size_t ctl_conn_waiting(const struct ctl_conn *c); // bytes not yet taken by the peer
bool ctl_conn_ending(const struct ctl_conn *c);

// Drop the peer if it stalled. Returns true if c was freed. now: clock_monotonic_ns() / 1000000
bool ctl_conn_check(struct ctl_conn *c, uint64_t now_ms);

void *ctl_conn_arg(const struct ctl_conn *c);
