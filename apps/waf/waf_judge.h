// SPDX-License-Identifier: BSD-3-Clause
//
// waf/judge - one raw request, from its bytes to a verdict: the HTTP/1 parser and the engine in a row, as
// the firewall has them, but without a network. A request that cannot be read is judged too.
#pragma once

#include "dataplane/http/http1.h"
#include "dataplane/inspect/inspect.h"

#define WAF_HEAD_MAX (UINT32_C(256) << 10) // longer ones are unreadable, as for any server

struct waf_judge {
	const struct inspect_policy *policy;
	struct inspect *in;
	struct http1 http;
	uint8_t *buf;   // WAF_HEAD_MAX
	bool begun;     // the engine has the head
	bool over;      // the message has ended, what comes is more
	bool enough;    // the engine refuses it: no more is read
	uint64_t ns;    // time spent on it
	uint64_t bytes; // of it that were given
};

struct waf_judgement {
	struct inspect_verdict verdict;
	uint64_t odd; // bits of enum http_odd
	uint64_t ns;
	uint64_t bytes;
};

// policy: borrowed until waf_judge_fini(). Errors: -ENOMEM
int waf_judge_init(struct waf_judge *j, const struct inspect_policy *policy);
void waf_judge_fini(struct waf_judge *j);

// A request in pieces. Bytes after the end of its body are inspected as more of it: another server may
// take them for that, or for a request of their own.
void waf_judge_begin(struct waf_judge *j);
void waf_judge_feed(struct waf_judge *j, const uint8_t *p, size_t len);
void waf_judge_end(struct waf_judge *j, struct waf_judgement *out);
