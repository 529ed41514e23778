// SPDX-License-Identifier: BSD-3-Clause
//
// trace - capture to pcapng and per-packet trace, written by this process itself.
//
// Off by default: one relaxed load and a not-taken branch per burst. When on, the worker copies the
// packets that match the filter (cut to TRACE_SNAP bytes), and later the verdict they got, into records
// on a single-producer ring; the control thread writes the file. A full ring is counted, never waited for.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/core/drop.h"
#include "dataplane/core/worker.h"

#define TRACE_SNAP 256

struct loop;
struct rte_mbuf;

extern _Atomic uint32_t trace_on; // bit 0: capture, bit 1: trace

static inline bool trace_enabled(void)
{
	return __builtin_expect(atomic_load_explicit(&trace_on, memory_order_relaxed) != 0, 0);
}

// Stages a packet passed, recorded in order.
enum trace_stage {
	TRACE_RX = 1,
	TRACE_PARSE = 2,
	TRACE_FLOW_HIT = 3,
	TRACE_FLOW_NEW = 4,
	TRACE_SERVICE = 5,
	TRACE_FORWARD = 6,
	TRACE_ANSWER = 7,
	TRACE_PUNT = 8,
	TRACE_HOLD = 9,
	TRACE_DROP = 10,      // detail = enum drop_reason
	TRACE_HAND_OVER = 11, // detail = worker; followed anew there
};

// Note that the packet passed a stage. Call only if trace_enabled(). TRACE_RX looks at the frame and
// decides whether the packet is followed; the other stages know it by its address alone.
// Thread: owner worker
void trace_note(struct worker *w, const struct rte_mbuf *m, enum trace_stage stage,
		uint32_t detail);

// dataplane/out alone calls these two: the frame as it is about to leave on `port`; and the verdict,
// which ends the record (the driver may already own the packet: it is not looked into).
void trace_out(struct worker *w, const struct rte_mbuf *m, uint16_t port);
void trace_end(struct worker *w, const struct rte_mbuf *m, enum trace_stage stage, uint32_t detail);

int trace_init(struct loop *l); // Thread: init
void trace_fini(void);

// Where captures are written; made at the first capture if absent (its parent is there). Without it
// every capture is refused. Thread: init
void trace_directory(const char *dir);
// Names ports in captures and traces; the text is copied at once. Thread: init
void trace_port_names(const char *(*name)(uint16_t port));

// Capture to a file. `file` is a plain name (letters, digits, '.', '_', '-'; no leading '.'), or the
// absolute path of one in the capture directory; it must not exist. filter: pcap-filter(7) text,
// compiled by libpcap for Ethernet and run on workers as BPF; "" or NULL: all. limit: packets, 0 or
// more than TRACE_CAPTURE_MAX: TRACE_CAPTURE_MAX. It ends by itself at the limit, or after
// TRACE_CAPTURE_BYTES. What matches as it comes in is written as it came and as it left, with a comment
// that says the verdict.
// Errors: -EINVAL bad filter or file name, -EEXIST, -EBUSY one runs already, -ENOMEM, -EIO; *err says
//         it in words
// Thread: control
#define TRACE_CAPTURE_MAX   10000000
#define TRACE_CAPTURE_BYTES (UINT64_C(1) << 30)
int trace_capture_start(const char *file, const char *filter, uint64_t limit, char *err,
			unsigned err_size);
uint64_t trace_capture_stop(void); // end it; packets captured by it (or by the last one)
bool trace_capture_runs(void);
uint64_t trace_lost(void); // records that found a ring full, since the start

// Trace: follow up to `limit` packets (1 .. TRACE_PACKETS_MAX) that match; a trace that runs is
// replaced. Errors as above. Thread: control
#define TRACE_PACKETS_MAX 1000
int trace_packets_start(const char *filter, unsigned limit, char *err, unsigned err_size);
// The packets traced since the last call: a JSON array, malloc'ed; NULL: out of memory. The trace ends
// at its limit, or when nobody has asked for a minute. Thread: control
char *trace_packets_take(void);
bool trace_packets_runs(void);
