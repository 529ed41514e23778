// SPDX-License-Identifier: BSD-3-Clause
//
// waf_bench - what the firewall's engine costs, and a rule-based peer on the same requests.
#pragma once

#include "dataplane/http/http1.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request {
	char *name;
	uint8_t *p;
	uint32_t len;
	bool attack;
	bool refused; // in the last round
	uint64_t *ns; // one a round
};

struct requests {
	struct request *v;
	size_t n;
};

// One who judges a request. judge: returns whether it is refused.
struct judge {
	const char *name;
	int (*create)(const char *rules);
	bool (*judge)(const struct request *r);
	void (*destroy)(void);
};
extern const struct judge judge_engine, judge_parser, judge_peer;

uint64_t bench_now_ns(void);    // of the wall
uint64_t bench_thread_ns(void); // CPU time of this thread

// *.black and *.white under a folder. Returns how many; exits on errors.
size_t requests_load(struct requests *r, const char *folder);

// Values of our own: the tree of decodings by kind of value; hostile texts of growing length.
int bench_values(void);
int bench_lengths(void);
