// SPDX-License-Identifier: BSD-3-Clause
//
// record - what is kept of one packet that is followed, and the texts made of it. Inside of trace/.
#pragma once

#include <stdint.h>

#include "dataplane/trace/trace.h"

#define RECORD_STAGES 16

struct trace_record {
	const void *mbuf;              // identity while it is open
	uint64_t time_ns, out_time_ns; // CLOCK_REALTIME
	uint32_t length, out_length;
	uint16_t captured, out_captured; // 0: did not leave
	uint16_t port, out_port;
	uint8_t worker;
	uint8_t stages;
	uint8_t stage[RECORD_STAGES]; // enum trace_stage
	uint32_t detail[RECORD_STAGES];
	uint8_t frame[TRACE_SNAP];
	uint8_t out_frame[TRACE_SNAP];
};

// "rx, parse, flow-new, service 3, forward" or "..., drop no-route: no route to the destination".
void record_comment(const struct trace_record *r, char *text, unsigned size);

// "10.0.0.1:1234 > 10.0.0.2:80 tcp" as far as the bytes tell.
void record_summary(const uint8_t *frame, unsigned captured, char *text, unsigned size);

// One JSON object, malloc'ed.
char *record_json(const struct trace_record *r, const char *port, const char *out_port);
