// SPDX-License-Identifier: BSD-3-Clause
//
// TCP as ageing sees it: what establishes a connection and what does not.

#include "dataplane/flow/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct flow fresh(void)
{
	struct flow f = {.state = FLOW_TCP_SYN};

	assert_false(flow_tcp_step(&f, FLOW_TO_SERVER, TCP_SYN));
	assert_int_equal(f.state, FLOW_TCP_SYN);
	return f;
}

// Who forges a SYN can forge the ACK after it; only the server's answer shows that somebody is there.
static void an_acknowledgement_of_nothing_establishes_nothing(void **state)
{
	struct flow f = fresh();

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_false(flow_tcp_step(&f, FLOW_TO_SERVER, TCP_ACK));
		assert_int_equal(f.state, FLOW_TCP_SYN);
	}
}

static void the_server_alone_establishes_nothing(void **state)
{
	struct flow f = fresh();

	(void)state;
	assert_false(flow_tcp_step(&f, FLOW_TO_CLIENT, TCP_SYN | TCP_ACK));
	assert_false(flow_tcp_step(&f, FLOW_TO_CLIENT, TCP_ACK));
	assert_int_equal(f.state, FLOW_TCP_SYN);
	assert_false(flow_tcp_step(&f, FLOW_TO_SERVER, TCP_SYN)); // sent once more
	assert_int_equal(f.state, FLOW_TCP_SYN);
}

static void an_acknowledgement_after_the_answer_establishes(void **state)
{
	struct flow f = fresh();

	(void)state;
	assert_false(flow_tcp_step(&f, FLOW_TO_CLIENT, TCP_SYN | TCP_ACK));
	assert_false(flow_tcp_step(&f, FLOW_TO_SERVER, TCP_ACK));
	assert_int_equal(f.state, FLOW_TCP_ESTABLISHED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_acknowledgement_of_nothing_establishes_nothing),
		cmocka_unit_test(the_server_alone_establishes_nothing),
		cmocka_unit_test(an_acknowledgement_after_the_answer_establishes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
