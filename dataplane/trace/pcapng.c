// SPDX-License-Identifier: BSD-3-Clause
//
// A block on disk, everything in host order (the section header says which) and padded to 4 bytes:
//
//	type 4 | total length 4 | body | options: (code 2, length 2, value, padding)*, 0 0 | total length 4
//
// Section header: magic, version 1.0, length unknown. Interface: link type Ethernet, snap length, name
// and nanosecond resolution. Enhanced packet: interface, time (high, low), captured and original
// length, the frame, then flags (direction) and the comment.

#include "dataplane/trace/pcapng.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_SECTION   UINT32_C(0x0a0d0d0a)
#define BLOCK_INTERFACE UINT32_C(1)
#define BLOCK_PACKET    UINT32_C(6)
#define ORDER_MAGIC     UINT32_C(0x1a2b3c4d)
#define LINK_ETHERNET   1
#define OPT_COMMENT     1
#define OPT_USERAPPL    4
#define OPT_IF_NAME     2
#define OPT_IF_TSRESOL  9
#define OPT_EPB_FLAGS   2
#define COMMENT_MAX     1024
#define NO_INTERFACE    (-1)

struct pcapng {
	FILE *file;
	uint64_t bytes;
	int interfaces;
	int16_t number[256];
};

static uint32_t padded(uint32_t n)
{
	return (n + 3) & ~UINT32_C(3);
}

static bool put(struct pcapng *p, const void *bytes, size_t n)
{
	p->bytes += n;
	return n == 0 || fwrite(bytes, 1, n, p->file) == n;
}

static bool put_padded(struct pcapng *p, const void *bytes, uint32_t n)
{
	static const uint8_t zero[4];

	return put(p, bytes, n) && put(p, zero, padded(n) - n);
}

static uint32_t option_size(uint32_t n)
{
	return 4 + padded(n);
}

static bool put_option(struct pcapng *p, uint16_t code, const void *value, uint32_t n)
{
	uint16_t head[2] = {code, (uint16_t)n};

	return put(p, head, sizeof(head)) && put_padded(p, value, n);
}

static bool put_end(struct pcapng *p, uint32_t total)
{
	uint32_t end = 0; // opt_endofopt

	return put(p, &end, 4) && put(p, &total, 4);
}

static bool put_section(struct pcapng *p)
{
	static const char app[] = "sluice";
	uint32_t total = 28 + option_size(sizeof(app) - 1) + 4;
	uint32_t head[3] = {BLOCK_SECTION, total, ORDER_MAGIC};
	uint16_t version[2] = {1, 0};
	int64_t length = -1;

	return put(p, head, sizeof(head)) && put(p, version, sizeof(version)) &&
	       put(p, &length, sizeof(length)) &&
	       put_option(p, OPT_USERAPPL, app, sizeof(app) - 1) && put_end(p, total);
}

int pcapng_create(int fd, struct pcapng **out)
{
	struct pcapng *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		close(fd);
		return -ENOMEM;
	}
	p->file = fdopen(fd, "wb");
	if (p->file == NULL) {
		close(fd);
		free(p);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < 256; i++)
		p->number[i] = NO_INTERFACE;
	if (!put_section(p)) {
		pcapng_close(p);
		return -EIO;
	}
	*out = p;
	return 0;
}

int pcapng_interface(struct pcapng *p, uint8_t key, const char *name, uint32_t snap)
{
	uint32_t length = (uint32_t)strnlen(name, 255);
	uint32_t total = 20 + option_size(length) + option_size(1) + 4;
	uint32_t head[2] = {BLOCK_INTERFACE, total};
	uint16_t link[2] = {LINK_ETHERNET, 0};
	uint8_t resolution = 9; // 10^-9

	if (p->number[key] != NO_INTERFACE)
		return p->number[key];
	if (!put(p, head, sizeof(head)) || !put(p, link, sizeof(link)) || !put(p, &snap, 4) ||
	    !put_option(p, OPT_IF_NAME, name, length) ||
	    !put_option(p, OPT_IF_TSRESOL, &resolution, 1) || !put_end(p, total))
		return -EIO;
	p->number[key] = (int16_t)p->interfaces++;
	return p->number[key];
}

int pcapng_packet(struct pcapng *p, int interface, uint64_t time_ns, const uint8_t *frame,
		  uint32_t captured, uint32_t length, bool outbound, const char *comment)
{
	uint32_t text = comment != NULL ? (uint32_t)strnlen(comment, COMMENT_MAX) : 0;
	uint32_t total =
		32 + padded(captured) + option_size(4) + (text != 0 ? option_size(text) : 0) + 4;
	uint32_t head[7] = {
		BLOCK_PACKET,
		total,
		(uint32_t)interface,
		(uint32_t)(time_ns >> 32),
		(uint32_t)(time_ns),
		captured,
		length,
	};
	uint32_t flags = outbound ? 2 : 1;

	if (!put(p, head, sizeof(head)) || !put_padded(p, frame, captured) ||
	    !put_option(p, OPT_EPB_FLAGS, &flags, 4) ||
	    (text != 0 && !put_option(p, OPT_COMMENT, comment, text)) || !put_end(p, total))
		return -EIO;
	return 0;
}

uint64_t pcapng_bytes(const struct pcapng *p)
{
	return p->bytes;
}

int pcapng_flush(struct pcapng *p)
{
	return fflush(p->file) == 0 ? 0 : -EIO;
}

int pcapng_close(struct pcapng *p)
{
	int rc;

	if (p == NULL)
		return 0;
	rc = fclose(p->file) == 0 ? 0 : -EIO;
	free(p);
	return rc;
}
