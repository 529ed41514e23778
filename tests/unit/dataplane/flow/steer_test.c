// SPDX-License-Identifier: BSD-3-Clause
//
// The owner of a packet.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/flow/steer.h"

static void gives_everything_to_one_worker(void **state)
{
	struct flow_steer s;

	(void)state;
	flow_steer_init(&s, 1);
	for (unsigned i = 0; i < 70000; i += 7) {
		struct flow_steer_packet p = {.side = i % 3, .addr = i * 977, .port = (uint16_t)i};

		assert_int_equal(flow_steer_owner(&s, &p), 0);
		assert_true(flow_steer_port_mine(&s, (uint16_t)i, 0));
	}
}

static void spreads_clients_evenly(void **state)
{
	(void)state;
	for (uint16_t workers = 2; workers <= 16; workers++) {
		unsigned count[16] = {0}, n = 64000;
		struct flow_steer s;

		flow_steer_init(&s, workers);
		for (unsigned i = 0; i < n; i++) {
			struct flow_steer_packet p = {.side = FLOW_STEER_CLIENT,
						      .addr = 0x0a000000 + i / 64,
						      .port = (uint16_t)(i % 64)};
			unsigned owner = flow_steer_owner(&s, &p);

			assert_true(owner < workers);
			count[owner]++;
		}
		for (uint16_t w = 0; w < workers; w++)
			assert_in_range(count[w], n / workers * 9 / 10, n / workers * 11 / 10);
	}
}

// What makes FULLNAT work without any knowledge of RSS: a worker's own ports name it.
static void finds_the_worker_of_a_local_port(void **state)
{
	(void)state;
	for (uint16_t workers = 1; workers <= 16; workers++) {
		struct flow_steer s;

		flow_steer_init(&s, workers);
		for (uint32_t port = 0; port < 65536; port++) {
			struct flow_steer_packet p = {.side = FLOW_STEER_SERVER,
						      .port = rte_cpu_to_be_16((uint16_t)port)};
			unsigned owner = flow_steer_owner(&s, &p);

			assert_true(owner < workers);
			for (uint16_t w = 0; w < workers; w++)
				assert_int_equal(flow_steer_port_mine(&s, (uint16_t)port, w),
						 w == owner);
			p.addr = port; // the address decides nothing
			assert_int_equal(flow_steer_owner(&s, &p), owner);
		}
	}
}

static void folds_all_of_an_ipv6_address(void **state)
{
	uint8_t addr[16] = {0x20, 1};
	uint64_t first = flow_steer_fold6(addr);

	(void)state;
	for (unsigned i = 0; i < 16; i++) {
		addr[i] ^= 0x40;
		assert_true(flow_steer_fold6(addr) != first);
		addr[i] ^= 0x40;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_everything_to_one_worker),
		cmocka_unit_test(spreads_clients_evenly),
		cmocka_unit_test(finds_the_worker_of_a_local_port),
		cmocka_unit_test(folds_all_of_an_ipv6_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
