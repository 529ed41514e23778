// SPDX-License-Identifier: BSD-3-Clause
//
// Each rule of a record is broken alone, on a record that is otherwise good.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>

#include "control/check/record.h"

static char why[CHECK_WHY];

static struct ctl_target good_target(void)
{
	struct ctl_target t = {
		.rec = {.type = CTL_REC_SERVER, .size = sizeof(t), .id = 7},
		.pool = "web",
		.name = "s1",
		.addr = {.family = 4, .len = 32, .bytes = {192, 0, 2, 1}},
		.port = htons(80),
		.check = {.kind = CTL_CHECK_HTTP,
			  .interval_ms = 2000,
			  .timeout_ms = 1000,
			  .rise = 2,
			  .fall = 3,
			  .status_min = 200,
			  .status_max = 399,
			  .path = "/",
			  .host = "www.example.org",
			  .body = "ok"},
	};

	return t;
}

static int check(const struct ctl_target *t)
{
	struct ctl_target out, agent;

	memset(&out, 0xa5, sizeof(out));
	agent = out;
	why[0] = '\0';
	int rc = check_target_check(t, sizeof(*t), &out, &agent, why);

	if (rc == 0) {
		assert_int_equal(out.rec.id, t->rec.id);
	} else {
		assert_int_equal(rc, -EPROTO);
		assert_true(why[0] != '\0');
		for (size_t i = 0; i < sizeof(out); i++)
			assert_int_equal(((uint8_t *)&out)[i], 0xa5);
	}
	return rc;
}

#define REFUSED(change)                                                                            \
	do {                                                                                       \
		struct ctl_target t = good_target();                                               \
		change;                                                                            \
		assert_int_equal(check(&t), -EPROTO);                                              \
	} while (0)
#define TAKEN(change)                                                                              \
	do {                                                                                       \
		struct ctl_target t = good_target();                                               \
		change;                                                                            \
		assert_int_equal(check(&t), 0);                                                    \
	} while (0)

static void takes_a_good_target(void **state)
{
	(void)state;
	TAKEN((void)t);
	TAKEN(t.check.kind = CTL_CHECK_TCP);
	TAKEN((t.addr.family = 6, t.addr.len = 128, t.addr.bytes[15] = 1));
	TAKEN(t.check.interval_ms = 100; t.check.timeout_ms = 10);
	TAKEN(t.check.interval_ms = 3600000; t.check.timeout_ms = 3600000);
	TAKEN(t.check.rise = 100; t.check.fall = 100);
	TAKEN(t.check.status_min = 100; t.check.status_max = 599);
	TAKEN(memset(t.check.host, 0, sizeof(t.check.host)));
	TAKEN(memset(t.check.body, 'x', sizeof(t.check.body) - 1));
	TAKEN(t.check.port = 8080);
}

static void refuses_sizes_that_do_not_fit(void **state)
{
	struct ctl_target good = good_target(), out, agent;

	(void)state;
	for (size_t size = 0; size < sizeof(good); size++)
		assert_int_equal(check_target_check(&good, size, &out, &agent, why), -EPROTO);
	REFUSED(t.rec.size = sizeof(t) - 8);
	REFUSED(t.rec.size = 0);
}

static void refuses_a_head_that_is_wrong(void **state)
{
	(void)state;
	REFUSED(t.rec.type = CTL_REC_POOL);
	REFUSED(t.rec.zero = 1);
	REFUSED(t.rec.id = 0);
}

static void refuses_names_that_are_none(void **state)
{
	(void)state;
	REFUSED(t.pool[0] = '\0'; t.pool[1] = '\0'; t.pool[2] = '\0');
	REFUSED(t.name[0] = '-');
	REFUSED(t.name[0] = '.');
	REFUSED(t.name[1] = ' ');
	REFUSED(t.name[1] = '/');
	REFUSED(t.name[1] = '\n');
	REFUSED(memset(t.name, 'a', sizeof(t.name)));
	REFUSED(t.name[10] = 'x'); // behind the end
	TAKEN(memset(t.name, 'a', sizeof(t.name) - 1));
	TAKEN(memcpy(t.name, "A.b_c-9", 8));
}

static void refuses_addresses_that_are_none(void **state)
{
	(void)state;
	REFUSED(t.addr.family = 5);
	REFUSED(t.addr.len = 24);
	REFUSED(t.addr.family = 6); // len is 32
	REFUSED(t.addr.zero[5] = 1);
	REFUSED(t.addr.bytes[4] = 1);
	REFUSED(memset(t.addr.bytes, 0, 16));
	REFUSED(t.addr.bytes[0] = 224);
	REFUSED(t.addr.bytes[0] = 255);
	REFUSED((t.addr.family = 6, t.addr.len = 128, t.addr.bytes[0] = 0xff));
	REFUSED(t.port = 0);
	REFUSED(t.zero = 1);
	REFUSED(t.zero2 = 1);
}

static void refuses_checks_that_are_none(void **state)
{
	(void)state;
	REFUSED(t.check.kind = CTL_CHECK_NONE);
	REFUSED(t.check.kind = CTL_CHECK_ICMP + 1);
	REFUSED(t.check.kind = CHECK_KIND_AGENT);
	REFUSED(t.check.zero = 1);
	REFUSED(t.check.interval_ms = 99; t.check.timeout_ms = 50);
	REFUSED(t.check.interval_ms = 3600001);
	REFUSED(t.check.timeout_ms = 9);
	REFUSED(t.check.timeout_ms = 2001);
	REFUSED(t.check.rise = 0);
	REFUSED(t.check.rise = 101);
	REFUSED(t.check.fall = 0);
	REFUSED(t.check.fall = 101);
	REFUSED(t.check.status_min = 99);
	REFUSED(t.check.status_max = 600);
	REFUSED(t.check.status_min = 400);
}

// What lands in a request must not be able to begin a line of its own.
static void refuses_text_that_would_break_a_request(void **state)
{
	(void)state;
	REFUSED(t.check.path[0] = 'x');
	REFUSED(t.check.path[0] = '\0');
	REFUSED(memcpy(t.check.path, "/a b", 5));
	REFUSED(memcpy(t.check.path, "/\r\nX:y", 7));
	REFUSED(memcpy(t.check.path, "/\x80", 3));
	REFUSED(memset(t.check.path, '/', sizeof(t.check.path)));
	REFUSED(memcpy(t.check.host, "a\r\nX: y", 8));
	REFUSED(memset(t.check.host, 'a', sizeof(t.check.host)));
	REFUSED(memset(t.check.body, 'a', sizeof(t.check.body)));
	REFUSED(t.check.body[100] = 'x');
}

static void refuses_names_and_files_of_tls_that_are_none(void **state)
{
	(void)state;
	TAKEN(t.check.kind = CTL_CHECK_HTTPS);
	TAKEN(t.check.kind = CTL_CHECK_TLS; memset(t.check.path, 0, sizeof(t.check.path)));
	TAKEN(t.check.kind = CTL_CHECK_TLS; t.check.flags = CTL_CHECK_F_VERIFY);
	TAKEN(t.check.kind = CTL_CHECK_TLS; memcpy(t.check.server_name, "a-b.example", 12));
	TAKEN(t.check.kind = CTL_CHECK_TLS; memcpy(t.check.ca_file, "/etc/a b.pem", 13));
	REFUSED(t.check.kind = CTL_CHECK_HTTPS; t.check.path[0] = 'x');
	REFUSED(t.check.kind = CTL_CHECK_HTTPS; t.check.flags = 2);
	REFUSED(t.check.kind = CTL_CHECK_TLS; memcpy(t.check.server_name, "a/b", 4));
	REFUSED(t.check.kind = CTL_CHECK_TLS; memcpy(t.check.server_name, "a:1", 4));
	REFUSED(t.check.kind = CTL_CHECK_TLS; memcpy(t.check.server_name, "-a", 3));
	REFUSED(t.check.kind = CTL_CHECK_TLS; memcpy(t.check.server_name, "a@b", 4));
	REFUSED(t.check.kind = CTL_CHECK_TLS; memset(t.check.server_name, 'a', 256));
	REFUSED(t.check.kind = CTL_CHECK_TLS; memcpy(t.check.ca_file, "ca.pem", 7));
	REFUSED(t.check.kind = CTL_CHECK_TLS; memcpy(t.check.ca_file, "/a\nb", 5));
	REFUSED(t.check.kind = CTL_CHECK_TLS; memset(t.check.ca_file, '/', 256));
}

static void refuses_datagrams_that_do_not_fit(void **state)
{
	(void)state;
	TAKEN(t.check.kind = CTL_CHECK_UDP);
	TAKEN(t.check.kind = CTL_CHECK_UDP; t.check.send_size = 512; t.check.send[511] = 1);
	TAKEN(t.check.kind = CTL_CHECK_UDP; t.check.expect_size = 128; t.check.expect[127] = 1);
	REFUSED(t.check.kind = CTL_CHECK_UDP; t.check.send_size = 513);
	REFUSED(t.check.kind = CTL_CHECK_UDP; t.check.expect_size = 129);
	REFUSED(t.check.kind = CTL_CHECK_UDP; t.check.send_size = 4; t.check.send[4] = 1);
	REFUSED(t.check.kind = CTL_CHECK_UDP; t.check.expect_size = 4; t.check.expect[4] = 1);
}

// The port of an agent makes a target of its own, whose check is nobody else's.
static void an_agent_is_a_target_of_its_own(void **state)
{
	struct ctl_target with = good_target(), out, agent;

	(void)state;
	assert_int_equal(check_target_check(&with, sizeof(with), &out, &agent, why), 0);
	assert_int_equal(agent.check.kind, CTL_CHECK_NONE);
	with.check.agent_port = 8888;
	with.check.agent_interval_ms = 100;
	assert_int_equal(check_target_check(&with, sizeof(with), &out, &agent, why), 0);
	assert_int_equal(agent.check.kind, CHECK_KIND_AGENT);
	assert_int_equal(agent.port, htons(8888));
	assert_int_equal(agent.check.interval_ms, 100);
	assert_int_equal(agent.check.timeout_ms, 100);
	assert_memory_equal(&agent.addr, &with.addr, sizeof(with.addr));
	assert_int_equal(out.check.agent_port, 0);
	with.check.agent_interval_ms = 3600000;
	assert_int_equal(check_target_check(&with, sizeof(with), &out, &agent, why), 0);
	assert_int_equal(agent.check.timeout_ms, CHECK_AGENT_MS);
	with.check.kind = CTL_CHECK_NONE; // nothing but the agent
	assert_int_equal(check_target_check(&with, sizeof(with), &out, &agent, why), 0);
	assert_int_equal(out.check.kind, CTL_CHECK_NONE);
	REFUSED(t.check.agent_port = 1; t.check.agent_interval_ms = 99);
	REFUSED(t.check.agent_port = 1; t.check.agent_interval_ms = 3600001);
}

static void an_echo_needs_no_port(void **state)
{
	(void)state;
	TAKEN(t.check.kind = CTL_CHECK_ICMP; t.port = 0);
	REFUSED(t.check.kind = CTL_CHECK_UDP; t.port = 0);
	REFUSED(t.check.kind = CTL_CHECK_TLS; t.port = 0);
}

// Two TCP targets that differ only in what TCP does not use must be the same.
static void takes_out_what_a_tcp_check_does_not_use(void **state)
{
	struct ctl_target a = good_target(), b = good_target(), x, y, agent;

	(void)state;
	a.check.kind = b.check.kind = CTL_CHECK_TCP;
	b.check.path[1] = 'z';
	b.check.status_min = 300;
	b.check.port = 99;
	b.check.send_size = 3;
	b.check.flags = CTL_CHECK_F_VERIFY;
	b.check.passive_failures = 3;
	b.check.damping_changes = 3;
	b.check.agent_port = 3;
	b.check.agent_interval_ms = 1000;
	memcpy(b.check.server_name, "x", 2);
	memcpy(b.check.ca_file, "/x", 3);
	memset(b.check.host, 0, sizeof(b.check.host));
	assert_int_equal(check_target_check(&a, sizeof(a), &x, &agent, why), 0);
	assert_int_equal(check_target_check(&b, sizeof(b), &y, &agent, why), 0);
	assert_memory_equal(&x, &y, sizeof(x));
}

static struct ctl_hdr hdr(uint32_t len, uint32_t size)
{
	return (struct ctl_hdr){.len = len, .type = CTL_TARGET, .size = size};
}

static int peek(struct ctl_hdr h, size_t have)
{
	uint8_t buf[64] = {0};
	struct ctl_hdr out;

	memcpy(buf, &h, sizeof(h));
	return check_msg_peek(buf, have, &out, why);
}

static void waits_for_a_whole_message(void **state)
{
	(void)state;
	for (size_t have = 0; have < 24; have++)
		assert_int_equal(peek(hdr(24, 5), have), 0);
	assert_int_equal(peek(hdr(24, 5), 24), 24);
	assert_int_equal(peek(hdr(24, 5), 64), 24);
	assert_int_equal(peek(hdr(16, 0), 16), 16);
	assert_int_equal(peek(hdr(CTL_MSG_MAX, CTL_MSG_MAX - 16), 64), 0);
}

static void refuses_lengths_that_lie(void **state)
{
	(void)state;
	assert_int_equal(peek(hdr(0, 0), 64), -EPROTO);
	assert_int_equal(peek(hdr(8, 0), 64), -EPROTO);
	assert_int_equal(peek(hdr(20, 4), 64), -EPROTO);
	assert_int_equal(peek(hdr(CTL_MSG_MAX + 8, CTL_MSG_MAX - 8), 64), -EPROTO);
	assert_int_equal(peek(hdr(UINT32_MAX - 7, 0), 64), -EPROTO);
	assert_int_equal(peek(hdr(24, 9), 64), -EPROTO);
	assert_int_equal(peek(hdr(24, 0), 64), -EPROTO); // 8 bytes of padding: one message too long
	assert_int_equal(peek(hdr(24, UINT32_MAX), 64), -EPROTO);
	assert_int_equal(peek((struct ctl_hdr){.len = 16, .flags = 1}, 64), -EPROTO);
}

static void refuses_padding_that_is_not_zero(void **state)
{
	uint8_t msg[24] = {0};
	struct ctl_hdr h = hdr(24, 5);

	(void)state;
	memcpy(msg, &h, sizeof(h));
	assert_int_equal(check_msg_padding(msg, &h, why), 0);
	msg[20] = 1; // payload
	assert_int_equal(check_msg_padding(msg, &h, why), 0);
	msg[21] = 1;
	assert_int_equal(check_msg_padding(msg, &h, why), -EPROTO);
}

static void refuses_greetings_of_strangers(void **state)
{
	struct ctl_hello good = {.magic = CTL_MAGIC,
				 .version = CTL_VERSION,
				 .role = CTL_ROLE_APP,
				 .instance = "lb"},
			 h;

	(void)state;
	assert_int_equal(check_hello_check(&good, sizeof(good), "lb", why), 0);
	assert_int_equal(check_hello_check(&good, sizeof(good) - 1, "lb", why), -EPROTO);
	assert_int_equal(check_hello_check(&good, sizeof(good), "lb2", why), -EPROTO);
	h = good, h.magic++;
	assert_int_equal(check_hello_check(&h, sizeof(h), "lb", why), -EPROTO);
	h = good, h.version++;
	assert_int_equal(check_hello_check(&h, sizeof(h), "lb", why), -EPROTO);
	h = good, h.role = CTL_ROLE_CONTROL;
	assert_int_equal(check_hello_check(&h, sizeof(h), "lb", why), -EPROTO);
	h = good;
	memset(h.instance, 'a', sizeof(h.instance));
	assert_int_equal(check_hello_check(&h, sizeof(h), "lb", why), -EPROTO);
}

static void takes_the_id_of_a_deletion(void **state)
{
	struct ctl_rec r = {.type = CTL_REC_SERVER, .size = sizeof(r), .id = 42};
	uint64_t id = 0;

	(void)state;
	assert_int_equal(check_target_del_check(&r, sizeof(r), &id, why), 0);
	assert_int_equal(id, 42);
	r.type = CTL_REC_SERVICE;
	assert_int_equal(check_target_del_check(&r, sizeof(r), &id, why), -EPROTO);
}

static void refuses_acknowledgements_without_end(void **state)
{
	struct ctl_ack a = {.result = -EPROTO, .message = "no"}, out;

	(void)state;
	assert_int_equal(check_ack_check(&a, sizeof(a), &out, why), 0);
	memset(a.message, 'x', sizeof(a.message));
	assert_int_equal(check_ack_check(&a, sizeof(a), &out, why), -EPROTO);
	a = (struct ctl_ack){.result = 1};
	assert_int_equal(check_ack_check(&a, sizeof(a), &out, why), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_a_good_target),
		cmocka_unit_test(refuses_sizes_that_do_not_fit),
		cmocka_unit_test(refuses_a_head_that_is_wrong),
		cmocka_unit_test(refuses_names_that_are_none),
		cmocka_unit_test(refuses_addresses_that_are_none),
		cmocka_unit_test(refuses_checks_that_are_none),
		cmocka_unit_test(refuses_text_that_would_break_a_request),
		cmocka_unit_test(refuses_names_and_files_of_tls_that_are_none),
		cmocka_unit_test(refuses_datagrams_that_do_not_fit),
		cmocka_unit_test(an_agent_is_a_target_of_its_own),
		cmocka_unit_test(an_echo_needs_no_port),
		cmocka_unit_test(takes_out_what_a_tcp_check_does_not_use),
		cmocka_unit_test(waits_for_a_whole_message),
		cmocka_unit_test(refuses_lengths_that_lie),
		cmocka_unit_test(refuses_padding_that_is_not_zero),
		cmocka_unit_test(refuses_greetings_of_strangers),
		cmocka_unit_test(takes_the_id_of_a_deletion),
		cmocka_unit_test(refuses_acknowledgements_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
