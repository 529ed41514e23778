// SPDX-License-Identifier: BSD-3-Clause
//
// state_steps - one flow as flow/state.h sees it, taken step by step to where a test begins.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/flow/state.h"

#define C 1000u // the client's SYN
#define S 7000u // the server's

static struct flow_cold cold; // of the one flow there is

#define SEG(...) (&(struct flow_tcp_segment){__VA_ARGS__})

static inline unsigned client(struct flow *f, uint32_t seq, uint32_t ack, uint32_t data,
			      unsigned flags)
{
	return flow_tcp_step(f, &cold, FLOW_TO_SERVER,
			     SEG(.seq = seq, .ack = ack, .data = data, .flags = (uint8_t)flags));
}

static inline unsigned server(struct flow *f, uint32_t seq, uint32_t ack, uint32_t data,
			      unsigned flags)
{
	return flow_tcp_step(f, &cold, FLOW_TO_CLIENT,
			     SEG(.seq = seq, .ack = ack, .data = data, .flags = (uint8_t)flags));
}

static inline struct flow fresh(void)
{
	struct flow f = {.state = FLOW_TCP_SYN};

	flow_tcp_start(&f, &cold, SEG(.seq = C, .flags = TCP_SYN), 77);
	assert_int_equal(f.end[FLOW_TO_CLIENT], 77);
	return f;
}

static inline struct flow established(void)
{
	struct flow f = fresh();

	assert_int_equal(server(&f, S, C + 1, 0, TCP_SYN | TCP_ACK), FLOW_TCP_ANSWERED);
	assert_int_equal(f.state, FLOW_TCP_SYN); // a flood of SYNs gets this far
	assert_int_equal(client(&f, C + 1, S + 1, 0, TCP_ACK), 0);
	assert_int_equal(f.state, FLOW_TCP_ESTABLISHED);
	return f;
}

// A connection that both have closed, the client's last segment with timestamp `stamp` if that is not 0.
static inline struct flow closed(uint32_t stamp)
{
	struct flow f = established();
	uint8_t head[32] = {[12] = 0x80, [20] = 1, 1, 8, 10};
	rte_be32_t value = rte_cpu_to_be_32(stamp);

	memcpy(head + 24, &value, 4);
	assert_int_equal(server(&f, S + 1, C + 1, 0, TCP_FIN | TCP_ACK), 0);
	assert_int_equal(f.state, FLOW_TCP_ESTABLISHED); // half closed: may live for long
	assert_false(flow_tcp_over(&f));
	assert_int_equal(flow_tcp_step(&f, &cold, FLOW_TO_SERVER,
				       SEG(.seq = C + 1, .ack = S + 2, .flags = TCP_FIN | TCP_ACK,
					   .head = stamp != 0 ? head : NULL)),
			 FLOW_TCP_REFILE);
	assert_int_equal(f.state, FLOW_TCP_CLOSING);
	assert_true(flow_tcp_over(&f));
	return f;
}
