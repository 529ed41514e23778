// SPDX-License-Identifier: BSD-3-Clause
//
// pcapng - writes a capture file: one section, an interface block for each port that shows up, an
// enhanced packet block for each frame with its direction and a comment.
// Source: draft-ietf-opsawg-pcapng.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pcapng;

// Take over fd (closed by pcapng_close, also when this fails) and write the section header.
// Errors: -ENOMEM, -EIO. Thread: control
int pcapng_create(int fd, struct pcapng **out);

// Number of the interface `key` (0 .. 255) in this file; its block is written at the first call.
// snap: bytes of a frame that are kept. Returns the number, or -EIO.
int pcapng_interface(struct pcapng *p, uint8_t key, const char *name, uint32_t snap);

// One frame. time_ns since 1970; captured <= length; comment UTF-8 or NULL. Errors: -EIO
int pcapng_packet(struct pcapng *p, int interface, uint64_t time_ns, const uint8_t *frame,
		  uint32_t captured, uint32_t length, bool outbound, const char *comment);

// Bytes written so far.
uint64_t pcapng_bytes(const struct pcapng *p);

// Write what is buffered. Errors: -EIO
int pcapng_flush(struct pcapng *p);
int pcapng_close(struct pcapng *p); // Errors: -EIO
