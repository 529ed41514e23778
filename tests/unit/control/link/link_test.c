// SPDX-License-Identifier: BSD-3-Clause
//
// The daemon's end of the link against an app that behaves, and one that does not.

#include "control/link/link.h"
#include "control/link/link_check.h"
#include "tests/unit/control/link/fake_app.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
	struct event_base *base;
	char dir[64];
	struct fake_app app;
	struct link *link;
	// seen
	unsigned ups, downs, events;
	uint64_t applied;
	char why[200];
	bool was_up;
	struct ctl_event event;
	int rc;
	unsigned acks;
	struct ctl_ack ack;
	bool has_ack;
	int query_rc;
	unsigned answers;
	char *json;
	size_t size;
} t;

static void on_up(void *arg, uint64_t applied, const uint8_t datastore[16])
{
	t.ups++;
	t.applied = applied;
}

static void on_down(void *arg, bool was_up, const char *why)
{
	t.downs++;
	t.was_up = was_up;
	snprintf(t.why, sizeof(t.why), "%s", why);
}

static void on_event(void *arg, const struct ctl_event *e)
{
	t.events++;
	t.event = *e;
}

static void on_ack(void *arg, int rc, const struct ctl_ack *ack)
{
	t.acks++;
	t.rc = rc;
	t.has_ack = ack;
	if (ack)
		t.ack = *ack;
}

static void on_answer(void *arg, int rc, const char *json, size_t size)
{
	t.answers++;
	t.query_rc = rc;
	free(t.json);
	t.json = json ? strdup(json) : NULL;
	t.size = size;
}

static bool is_up(void *arg)
{
	return t.ups > 0;
}

static bool is_down(void *arg)
{
	return t.downs > 0;
}

static bool is_acked(void *arg)
{
	return t.acks > 0;
}

static bool is_answered(void *arg)
{
	return t.answers > 0;
}

static bool is_event(void *arg)
{
	return t.events > 0;
}

static void open_link(void)
{
	static const struct link_ops ops = {on_up, on_down, on_event};
	struct link_conf conf = {.base = t.base,
				 .run_dir = t.dir,
				 .instance = "lb",
				 .datastore = "0123456789abcde",
				 .retry_min_ms = 5,
				 .retry_max_ms = 20,
				 .hello_ms = 50};

	assert_int_equal(link_create(&conf, &ops, NULL, &t.link), 0);
}

static void connect_app(void)
{
	fake_app_start(&t.app, t.base, t.dir, "lb");
	open_link();
	fake_wait(t.base, is_up, NULL);
}

static int setup(void **state)
{
	memset(&t, 0, sizeof(t));
	t.base = event_base_new();
	snprintf(t.dir, sizeof(t.dir), "/dev/shm/sluice-link-test-XXXXXX");
	assert_non_null(mkdtemp(t.dir));
	return 0;
}

static int teardown(void **state)
{
	link_destroy(t.link);
	fake_app_stop(&t.app);
	event_base_free(t.base);
	rmdir(t.dir);
	free(t.json);
	return 0;
}

static void send_delta(unsigned timeout_ms)
{
	struct ctl_server s = {.rec = {.type = CTL_REC_SERVER, .size = sizeof(s), .id = 7}};

	assert_int_equal(link_begin(t.link, 4, 5), 0);
	link_upsert(t.link, &s.rec);
	link_delete(t.link, CTL_REC_POOL, 9);
	assert_int_equal(link_prepare(t.link, 5, timeout_ms, on_ack, NULL), 0);
}

// ---- connecting ------------------------------------------------------------------------------

static void learns_what_the_app_has_in_force(void **state)
{
	t.app.applied = 41;
	connect_app();
	assert_int_equal(t.applied, 41);
	assert_true(link_is_up(t.link));
}

static void tries_again_until_the_app_is_there(void **state)
{
	open_link();
	fake_wait(t.base, is_down, NULL);
	assert_string_equal(t.why, "it is not running");
	assert_false(t.was_up);
	fake_app_start(&t.app, t.base, t.dir, "lb");
	fake_wait(t.base, is_up, NULL);
}

static void comes_back_after_the_connection_was_lost(void **state)
{
	connect_app();
	fake_app_drop(&t.app); // as when a newer daemon displaces us
	fake_wait(t.base, is_down, NULL);
	assert_true(t.was_up);
	t.ups = 0;
	fake_wait(t.base, is_up, NULL);
	assert_int_equal(t.app.connects, 2);
}

static void gives_up_an_app_that_says_no_hello(void **state)
{
	t.app.mute = true;
	fake_app_start(&t.app, t.base, t.dir, "lb");
	open_link();
	fake_wait(t.base, is_down, NULL);
	assert_string_equal(t.why, "the app did not introduce itself in time");
	t.app.mute = false;
	fake_wait(t.base, is_up, NULL);
}

static void refuses_a_path_that_does_not_fit(void **state)
{
	static const struct link_ops ops = {on_up, on_down, on_event};
	char dir[200];
	struct link_conf conf = {.base = t.base, .run_dir = dir, .instance = "lb"};

	memset(dir, 'a', sizeof(dir));
	dir[sizeof(dir) - 1] = '\0';
	assert_int_equal(link_create(&conf, &ops, NULL, &t.link), -ENAMETOOLONG);
}

static void hello(struct ctl_hello *h)
{
	*h = (struct ctl_hello){.magic = CTL_MAGIC, .version = CTL_VERSION, .role = CTL_ROLE_APP};
	snprintf(h->instance, sizeof(h->instance), "lb");
}

static void send_hello_and_expect(const struct ctl_hello *h, const char *why)
{
	t.app.mute = true;
	fake_app_start(&t.app, t.base, t.dir, "lb");
	open_link();
	while (!t.app.last_seq)
		fake_run(t.base, 1);
	fake_app_send(&t.app, CTL_HELLO, 0, 1, h, sizeof(*h));
	fake_wait(t.base, is_down, NULL);
	if (!strstr(t.why, why))
		fail_msg("'%s' does not say '%s'", t.why, why);
	assert_int_equal(t.ups, 0);
}

static void refuses_a_hello_of_another_instance(void **state)
{
	struct ctl_hello h;

	hello(&h);
	snprintf(h.instance, sizeof(h.instance), "lb2");
	send_hello_and_expect(&h, "another instance");
}

static void refuses_another_version_of_the_link(void **state)
{
	struct ctl_hello h;

	hello(&h);
	h.version++;
	send_hello_and_expect(&h, "another version");
}

static void refuses_a_peer_that_is_no_app(void **state)
{
	struct ctl_hello h;

	hello(&h);
	h.role = CTL_ROLE_CHECKER;
	send_hello_and_expect(&h, "no app");
}

static void says_why_an_app_refuses_the_connection(void **state)
{
	struct ctl_ack a = {.result = -EPROTO, .message = "HELLO of another\x1b release"};

	t.app.mute = true;
	fake_app_start(&t.app, t.base, t.dir, "lb");
	open_link();
	while (!t.app.last_seq)
		fake_run(t.base, 1);
	fake_app_send(&t.app, CTL_ACK, 0, 1, &a, sizeof(a));
	fake_wait(t.base, is_down, NULL);
	assert_string_equal(t.why, "the app refuses the connection: HELLO of another? release");
}

// ---- transactions ----------------------------------------------------------------------------

static void carries_a_transaction_to_its_commit(void **state)
{
	connect_app();
	send_delta(1000);
	fake_wait(t.base, is_acked, NULL);
	assert_int_equal(t.rc, 0);
	t.acks = 0;
	assert_int_equal(link_commit(t.link, 5, 1000, on_ack, NULL), 0);
	fake_wait(t.base, is_acked, NULL);
	assert_int_equal(t.rc, 0);
	assert_int_equal(t.ack.applied, 5);
	assert_string_equal(t.app.log, "BEGIN(4,5) U8 D7 PREPARE(5) COMMIT(5) ");
	assert_memory_equal(t.app.datastore, "0123456789abcde", 16);
}

static void hands_on_what_the_app_refuses(void **state)
{
	connect_app();
	t.app.refuse = (struct ctl_ack){.result = -ENOMEM,
					.tag = CTL_TAG_RESOURCE_DENIED,
					.rec_type = CTL_REC_SETTINGS,
					.rec_id = 1,
					.field = "flow-table/size",
					.message = "too large"};
	send_delta(1000);
	fake_wait(t.base, is_acked, NULL);
	assert_int_equal(t.rc, -ENOMEM);
	assert_string_equal(t.ack.field, "flow-table/size");
	assert_true(link_is_up(t.link));
}

static void takes_an_early_refusal_of_a_record_once(void **state)
{
	connect_app();
	t.app.record_error = true;
	send_delta(1000);
	fake_wait(t.base, is_acked, NULL);
	fake_run(t.base, 20); // the ACK of PREPARE comes too
	assert_int_equal(t.acks, 1);
	assert_int_equal(t.rc, -EINVAL);
	assert_string_equal(t.ack.message, "early");
	assert_true(link_is_up(t.link));
}

static void gives_up_an_app_that_hangs_in_prepare(void **state)
{
	connect_app();
	t.app.hang = true;
	send_delta(20);
	fake_wait(t.base, is_acked, NULL);
	assert_int_equal(t.rc, -ETIMEDOUT);
	assert_false(t.has_ack);
	fake_wait(t.base, is_down, NULL);
	t.ups = 0;
	fake_wait(t.base, is_up, NULL); // and comes back
	assert_int_equal(t.acks, 1);
}

static void tells_who_waits_that_the_connection_is_lost(void **state)
{
	connect_app();
	t.app.hang = true;
	send_delta(1000);
	link_query(t.link, "state", NULL, 1000, on_answer, NULL);
	fake_run(t.base, 10);
	fake_app_stop(&t.app);
	fake_wait(t.base, is_acked, NULL);
	assert_int_equal(t.rc, -ENOTCONN);
	assert_int_equal(link_begin(t.link, 1, 2), -ENOTCONN);
	assert_int_equal(link_query(t.link, "state", NULL, 1000, on_answer, NULL), -ENOTCONN);
}

static void an_abort_silences_the_prepare(void **state)
{
	connect_app();
	send_delta(1000);
	assert_int_equal(link_abort(t.link, 5, 1000), 0);
	fake_run(t.base, 30);
	assert_int_equal(t.acks, 0);
	assert_string_equal(t.app.log, "BEGIN(4,5) U8 D7 PREPARE(5) ABORT(5) ");
	assert_true(link_is_up(t.link));
}

// ---- queries ---------------------------------------------------------------------------------

static void puts_an_answer_together_from_its_parts(void **state)
{
	connect_app();
	t.app.answer = "{\"a\":[1,2,3,4,5,6,7,8,9]}";
	t.app.part = 5;
	assert_int_equal(link_query(t.link, "counters", "{\"x\":1}", 1000, on_answer, NULL), 0);
	fake_wait(t.base, is_answered, NULL);
	assert_int_equal(t.query_rc, 0);
	assert_string_equal(t.json, t.app.answer);
	assert_int_equal(t.size, strlen(t.app.answer));
	assert_string_equal(t.app.log, "QUERY(counters,{\"x\":1}) ");
}

static void hands_on_that_a_query_is_unknown(void **state)
{
	connect_app();
	link_query(t.link, "what", NULL, 1000, on_answer, NULL);
	fake_wait(t.base, is_answered, NULL);
	assert_int_equal(t.query_rc, -ENOENT);
	assert_true(link_is_up(t.link));
}

static void a_late_answer_is_dropped_and_harmless(void **state)
{
	connect_app();
	t.app.hang_query = true;
	link_query(t.link, "state", NULL, 10, on_answer, NULL);
	fake_wait(t.base, is_answered, NULL);
	assert_int_equal(t.query_rc, -ETIMEDOUT);
	fake_app_send(&t.app, CTL_ANSWER, 0, t.app.last_seq, "{}", 2);
	fake_run(t.base, 20);
	assert_int_equal(t.answers, 1);
	assert_true(link_is_up(t.link));
}

static void bounds_the_unanswered_queries(void **state)
{
	connect_app();
	t.app.hang_query = true;
	for (int i = 0; i < LINK_QUERY_MAX; i++)
		assert_int_equal(link_query(t.link, "state", NULL, 5000, on_answer, NULL), 0);
	assert_int_equal(link_query(t.link, "state", NULL, 5000, on_answer, NULL), -EBUSY);
}

static void bounds_the_size_of_an_answer(void **state)
{
	static char part[200 * 1024];

	memset(part, ' ', sizeof(part));
	connect_app();
	t.app.hang_query = true;
	link_query(t.link, "state", NULL, 60000, on_answer, NULL);
	fake_run(t.base, 10);
	for (size_t sent = 0; sent <= LINK_ANSWER_MAX; sent += sizeof(part)) {
		fake_app_send(&t.app, CTL_ANSWER, CTL_F_MORE, t.app.last_seq, part, sizeof(part));
		fake_run(t.base, 1);
	}
	fake_wait(t.base, is_answered, NULL);
	assert_int_equal(t.query_rc, -EMSGSIZE);
}

static void refuses_a_query_that_does_not_fit(void **state)
{
	connect_app();
	assert_int_equal(link_query(t.link, "a name of more than thirty-one characters", NULL, 1,
				    on_answer, NULL),
			 -EINVAL);
}

static void hands_on_events(void **state)
{
	struct ctl_event e = {.kind = CTL_EVENT_HEALTH, .severity = 4, .message = "down"};

	connect_app();
	fake_app_send(&t.app, CTL_EVENT, 0, 0, &e, sizeof(e));
	fake_wait(t.base, is_event, NULL);
	assert_string_equal(t.event.message, "down");
}

// ---- an app that is broken or hostile --------------------------------------------------------

static void expect_broken(const char *why)
{
	fake_wait(t.base, is_down, NULL);
	if (!strstr(t.why, why))
		fail_msg("'%s' does not say '%s'", t.why, why);
	assert_int_equal(t.acks, 0);
	t.ups = 0;
	fake_wait(t.base, is_up, NULL);
}

static void refuses_lengths_that_cannot_be(void **state)
{
	static const struct ctl_hdr bad[] = {
		{.len = 0, .type = CTL_EVENT},
		{.len = 8, .type = CTL_EVENT},
		{.len = 20, .type = CTL_EVENT, .size = 4},
		{.len = CTL_MSG_MAX + 8, .type = CTL_ANSWER, .size = CTL_MSG_MAX - 8},
		{.len = UINT32_MAX - 7, .type = CTL_ANSWER, .size = UINT32_MAX - 23},
		{.len = 16, .type = CTL_ANSWER, .size = 1},
		{.len = 32, .type = CTL_ANSWER, .size = 8},
		{.len = 16, .type = CTL_ANSWER, .size = UINT32_MAX},
		{.len = 16, .type = 0},
		{.len = 16, .type = CTL_BEGIN},
		{.len = 16, .type = 999},
		{.len = 24, .type = CTL_ACK, .size = 8},
		{.len = 16, .type = CTL_ANSWER, .flags = 2},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(link_check_header(&bad[i]));
	connect_app();
	fake_app_send_raw(&t.app, &bad[3], sizeof(bad[3]));
	expect_broken("impossible length");
}

static void refuses_padding_that_is_not_zero(void **state)
{
	struct {
		struct ctl_hdr h;
		char text[8];
	} m = {{.len = 24, .type = CTL_ANSWER, .seq = 1, .size = 2}, "{}\0\0\0\0\0"};

	m.text[7] = 'x';
	connect_app();
	fake_app_send_raw(&t.app, &m, sizeof(m));
	expect_broken("padding");
}

static void refuses_answers_to_nothing(void **state)
{
	struct ctl_ack a = {0};

	connect_app();
	fake_app_send(&t.app, CTL_ACK, 0, 1234, &a, sizeof(a));
	expect_broken("never asked");
	t.downs = 0;
	fake_app_send(&t.app, CTL_ANSWER, 0, 1234, "{}", 2);
	expect_broken("never asked");
}

static void refuses_a_second_hello(void **state)
{
	struct ctl_hello h;

	connect_app();
	hello(&h);
	fake_app_send(&t.app, CTL_HELLO, 0, 1, &h, sizeof(h));
	expect_broken("second HELLO");
}

static void refuses_acks_out_of_range(void **state)
{
	struct ctl_ack a = {.result = 5};
	struct {
		struct ctl_hdr h;
		struct ctl_ack a;
	} m = {{.len = sizeof(m), .type = CTL_ACK, .size = sizeof(a)}, a};

	assert_non_null(link_check_message(&m, false, "lb"));
	m.a.result = INT32_MIN;
	assert_non_null(link_check_message(&m, false, "lb"));
	m.a = (struct ctl_ack){.tag = 6};
	assert_non_null(link_check_message(&m, false, "lb"));
	m.a = (struct ctl_ack){.rec_type = 10};
	assert_non_null(link_check_message(&m, false, "lb"));
	m.a = (struct ctl_ack){0};
	memset(m.a.message, 'x', sizeof(m.a.message));
	assert_non_null(link_check_message(&m, false, "lb"));
	m.a = (struct ctl_ack){.field = "a\0b"};
	assert_non_null(link_check_message(&m, false, "lb"));
	m.a = (struct ctl_ack){.field = "a"};
	assert_null(link_check_message(&m, false, "lb"));
}

static void refuses_events_out_of_range(void **state)
{
	struct {
		struct ctl_hdr h;
		struct ctl_event e;
	} m = {{.len = sizeof(m), .type = CTL_EVENT, .size = sizeof(m.e)}, {.kind = 1}};

	assert_null(link_check_message(&m, false, "lb"));
	m.e.kind = 0;
	assert_non_null(link_check_message(&m, false, "lb"));
	m.e.kind = 4;
	assert_non_null(link_check_message(&m, false, "lb"));
	m.e = (struct ctl_event){.kind = 1, .severity = 8};
	assert_non_null(link_check_message(&m, false, "lb"));
	m.e = (struct ctl_event){.kind = 1, .zero = {0, 0, 1}};
	assert_non_null(link_check_message(&m, false, "lb"));
}

static void a_message_cut_off_is_only_a_lost_connection(void **state)
{
	struct ctl_hdr h = {.len = 1024, .type = CTL_ANSWER, .size = 1004};

	connect_app();
	fake_app_send_raw(&t.app, &h, sizeof(h));
	fake_run(t.base, 5);
	assert_true(link_is_up(t.link));
	fake_app_drop(&t.app);
	expect_broken("closed the connection");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(learns_what_the_app_has_in_force),
		T(tries_again_until_the_app_is_there),
		T(comes_back_after_the_connection_was_lost),
		T(gives_up_an_app_that_says_no_hello),
		T(refuses_a_path_that_does_not_fit),
		T(refuses_a_hello_of_another_instance),
		T(refuses_another_version_of_the_link),
		T(refuses_a_peer_that_is_no_app),
		T(says_why_an_app_refuses_the_connection),
		T(carries_a_transaction_to_its_commit),
		T(hands_on_what_the_app_refuses),
		T(takes_an_early_refusal_of_a_record_once),
		T(gives_up_an_app_that_hangs_in_prepare),
		T(tells_who_waits_that_the_connection_is_lost),
		T(an_abort_silences_the_prepare),
		T(puts_an_answer_together_from_its_parts),
		T(hands_on_that_a_query_is_unknown),
		T(a_late_answer_is_dropped_and_harmless),
		T(bounds_the_unanswered_queries),
		T(bounds_the_size_of_an_answer),
		T(refuses_a_query_that_does_not_fit),
		T(hands_on_events),
		T(refuses_lengths_that_cannot_be),
		T(refuses_padding_that_is_not_zero),
		T(refuses_answers_to_nothing),
		T(refuses_a_second_hello),
		T(refuses_acks_out_of_range),
		T(refuses_events_out_of_range),
		T(a_message_cut_off_is_only_a_lost_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
