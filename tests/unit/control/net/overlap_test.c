// SPDX-License-Identifier: BSD-3-Clause
//
// Which of two services gets what both could have, against a look at every address and port.

#include "control/net/overlap.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct ctl_service service(uint32_t addr, uint8_t len, uint16_t min, uint16_t max)
{
	struct ctl_service s = {.addr = {.family = 4, .len = len},
				.proto = IPPROTO_TCP,
				.port = htons(min),
				.port_max = htons(max)};

	addr = htonl(len == 0 ? 0 : addr & (UINT32_MAX << (32 - len)));
	memcpy(s.addr.bytes, &addr, 4);
	return s;
}

static bool has(const struct ctl_service *s, uint32_t addr, uint16_t port)
{
	uint32_t own;

	memcpy(&own, s->addr.bytes, 4);
	return (ntohl(own) ^ addr) >> (32 - s->addr.len) == 0 &&
	       (s->port == 0 || (port >= ntohs(s->port) && port <= ntohs(s->port_max)));
}

static uint32_t width(const struct ctl_service *s)
{
	return s->port == 0 ? 65536 : ntohs(s->port_max) - ntohs(s->port) + 1u;
}

static void is_what_a_look_at_everything_says(void **state)
{
	unsigned seen[5] = {0}, seed = 1;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		struct ctl_service s[2];
		bool both = false, only[2] = {false, false};
		enum net_overlap got;

		for (unsigned i = 0; i < 2; i++) {
			uint16_t min = (uint16_t)(rand_r(&seed) % 7);
			uint16_t max = min == 0 ? 0 : (uint16_t)(min + rand_r(&seed) % 4);

			s[i] = service(0x0a000000u + (unsigned)rand_r(&seed) % 8,
				       (uint8_t)(29 + rand_r(&seed) % 4), min, max);
		}
		for (uint32_t a = 0x0a000000; a < 0x0a000008; a++)
			for (uint16_t p = 0; p < 12; p++) {
				both |= has(&s[0], a, p) && has(&s[1], a, p);
				only[0] |= has(&s[0], a, p) && !has(&s[1], a, p);
				only[1] |= has(&s[1], a, p) && !has(&s[0], a, p);
			}
		got = net_overlap(&s[0], &s[1]);
		seen[got]++;
		if (!both)
			assert_int_equal(got, NET_OVERLAP_NONE);
		else if (s[0].addr.len != s[1].addr.len)
			assert_int_equal(got, s[0].addr.len > s[1].addr.len ? NET_OVERLAP_TAKES
									    : NET_OVERLAP_GIVES);
		else if (!only[0] && !only[1])
			assert_int_equal(got, NET_OVERLAP_SAME);
		else if (only[0] && only[1])
			assert_int_equal(got, NET_OVERLAP_CROSSES);
		else
			assert_int_equal(got, width(&s[0]) < width(&s[1]) ? NET_OVERLAP_TAKES
									  : NET_OVERLAP_GIVES);
	}
	for (unsigned i = 0; i < 5; i++)
		assert_true(seen[i] > 100);
}

static void other_contexts_protocols_and_families_do_not_meet(void **state)
{
	struct ctl_service a = service(0x0a000001, 32, 80, 80), b = a;

	(void)state;
	assert_int_equal(net_overlap(&a, &b), NET_OVERLAP_SAME);
	b.context = 1;
	assert_int_equal(net_overlap(&a, &b), NET_OVERLAP_NONE);
	b = a;
	b.proto = IPPROTO_UDP;
	assert_int_equal(net_overlap(&a, &b), NET_OVERLAP_NONE);
	b = a;
	b.addr.family = 6;
	assert_int_equal(net_overlap(&a, &b), NET_OVERLAP_NONE);
}

static void long_prefixes_are_compared_to_the_last_bit(void **state)
{
	struct ctl_addr p = {.family = 6, .len = 127, .bytes = {0xfd, [15] = 0x10}};
	struct ctl_addr a = {.family = 6, .len = 128, .bytes = {0xfd, [15] = 0x11}};

	(void)state;
	assert_true(net_prefix_holds(&p, &a));
	assert_false(net_prefix_holds(&a, &p));
	a.bytes[15] = 0x12;
	assert_false(net_prefix_holds(&p, &a));
	p.len = 126;
	assert_true(net_prefix_holds(&p, &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_what_a_look_at_everything_says),
		cmocka_unit_test(other_contexts_protocols_and_families_do_not_meet),
		cmocka_unit_test(long_prefixes_are_compared_to_the_last_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
