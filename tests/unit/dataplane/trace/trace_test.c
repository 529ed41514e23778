// SPDX-License-Identifier: BSD-3-Clause
//
// Captures read back block by block, and the rules for their names. The worker is this thread.

#include "dataplane/trace/trace.h"

#include "dataplane/core/publish.h"
#include "dataplane/trace/record.h"
#include "tests/unit/dataplane/out/eal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], path[128], err[256];
static struct worker w;

// UDP 10.0.0.2:1000 > 10.0.0.100:port, 300 bytes of payload.
static struct rte_mbuf *udp(uint16_t port)
{
	uint8_t b[342] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0};

	b[16] = (342 - 14) >> 8;
	b[17] = (342 - 14) & 255;
	b[22] = 64;
	b[23] = 17;
	memcpy(b + 26, "\x0a\0\0\2\x0a\0\0\x64\x03\xe8", 10);
	b[36] = (uint8_t)(port >> 8);
	b[37] = (uint8_t)port;
	b[38] = (342 - 34) >> 8;
	b[39] = (342 - 34) & 255;
	return eal_packet(b, sizeof(b), 5);
}

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/sluice-trace-test-%d", (int)getpid());
	trace_directory(dir);
	return 0;
}

static int teardown(void **state)
{
	char command[160];

	trace_fini();
	publish_drain();
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void follow(struct rte_mbuf *m, enum drop_reason reason)
{
	trace_note(&w, m, TRACE_RX, 0);
	trace_note(&w, m, TRACE_FLOW_NEW, 0);
	trace_note(&w, m, TRACE_SERVICE, 3);
	if (reason != DROP_NONE) {
		trace_end(&w, m, TRACE_DROP, reason);
		return;
	}
	rte_pktmbuf_mtod(m, uint8_t *)[0] = 0xee; // it leaves with another header
	trace_out(&w, m, 6);
	trace_end(&w, m, TRACE_FORWARD, 0);
}

struct block {
	uint32_t type, length;
	uint8_t body[2048];
};

static bool next(FILE *f, struct block *b)
{
	uint32_t again;

	if (fread(b, 8, 1, f) != 1)
		return false;
	assert_true(b->length % 4 == 0 && b->length >= 12 && b->length < sizeof(b->body));
	assert_int_equal(fread(b->body, b->length - 12, 1, f), 1);
	assert_int_equal(fread(&again, 4, 1, f), 1);
	assert_int_equal(again, b->length);
	return true;
}

static uint32_t u32(const uint8_t *b)
{
	uint32_t v;

	memcpy(&v, b, 4);
	return v;
}

// The value of an option, or NULL.
static const uint8_t *option(const struct block *b, unsigned at, uint16_t code, unsigned *n)
{
	while (at + 4 <= b->length - 12) {
		uint16_t c, len;

		memcpy(&c, b->body + at, 2);
		memcpy(&len, b->body + at + 2, 2);
		if (c == code) {
			*n = len;
			return b->body + at + 4;
		}
		if (c == 0)
			return NULL;
		at += 4u + ((len + 3u) & ~3u);
	}
	return NULL;
}

static void a_capture_tells_what_became_of_each_frame(void **state)
{
	struct rte_mbuf *m[3] = {udp(53), udp(80), udp(53)};
	const uint8_t *text;
	struct block b;
	unsigned n;
	FILE *f;

	assert_int_equal(trace_capture_start("a.pcapng", "udp dst port 53", 0, err, sizeof(err)),
			 0);
	assert_true(trace_enabled());
	follow(m[0], DROP_NONE);
	follow(m[1], DROP_NONE); // the filter does not want it
	follow(m[2], DROP_NO_ROUTE);
	assert_int_equal(trace_capture_stop(), 2);
	assert_false(trace_enabled());
	for (unsigned i = 0; i < 3; i++)
		rte_pktmbuf_free(m[i]);

	snprintf(path, sizeof(path), "%s/a.pcapng", dir);
	f = fopen(path, "rb");
	assert_non_null(f);
	assert_true(next(f, &b));
	assert_int_equal(b.type, 0x0a0d0d0a);
	assert_int_equal(u32(b.body), 0x1a2b3c4d);
	assert_true(next(f, &b));
	assert_int_equal(b.type, 1);
	assert_int_equal(u32(b.body), 1); // Ethernet
	text = option(&b, 8, 2, &n);
	assert_memory_equal(text, "port5", 5);
	assert_int_equal(*option(&b, 8, 9, &n), 9);
	assert_true(next(f, &b)); // as it came
	assert_int_equal(b.type, 6);
	assert_int_equal(u32(b.body), 0);
	assert_int_equal(u32(b.body + 12), TRACE_SNAP);
	assert_int_equal(u32(b.body + 16), 342);
	assert_int_equal(b.body[20], 2);
	assert_int_equal(u32(option(&b, 20 + TRACE_SNAP, 2, &n)), 1);
	text = option(&b, 20 + TRACE_SNAP, 1, &n);
	assert_int_equal(n, strlen("rx, flow-new, service 3, forward"));
	assert_memory_equal(text, "rx, flow-new, service 3, forward", n);
	assert_true(next(f, &b)); // and as it left
	assert_int_equal(b.type, 1);
	assert_true(next(f, &b));
	assert_int_equal(b.type, 6);
	assert_int_equal(u32(b.body), 1);
	assert_int_equal(b.body[20], 0xee);
	assert_int_equal(u32(option(&b, 20 + TRACE_SNAP, 2, &n)), 2);
	assert_true(next(f, &b)); // the one that was dropped
	text = option(&b, 20 + TRACE_SNAP, 1, &n);
	assert_memory_equal(text, "rx, flow-new, service 3, drop no-route: ", 40);
	assert_false(next(f, &b));
	fclose(f);
}

static void names_stay_in_the_directory_and_nothing_is_overwritten(void **state)
{
	static const char *const bad[] = {"",    "..",      "../x",     "/etc/passwd",
					  "a/b", ".hidden", "a b",      "x;y",
					  "/",   "a\nb",    "\xc3\xa4", "a/../../b"};
	struct stat st;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(trace_capture_start(bad[i], "", 0, err, sizeof(err)), -EINVAL);
	snprintf(path, sizeof(path), "%s/b.pcapng", dir);
	assert_int_equal(trace_capture_start(path, NULL, 0, err, sizeof(err)), 0);
	assert_int_equal(trace_capture_start("c.pcapng", "", 0, err, sizeof(err)), -EBUSY);
	trace_capture_stop();
	assert_int_equal(trace_capture_start("b.pcapng", "", 0, err, sizeof(err)), -EEXIST);
	snprintf(path, sizeof(path), "%s/link", dir);
	assert_int_equal(symlink("/tmp/sluice-must-not-appear", path), 0);
	assert_int_equal(trace_capture_start("link", "", 0, err, sizeof(err)), -EEXIST);
	assert_int_equal(stat("/tmp/sluice-must-not-appear", &st), -1);
	snprintf(path, sizeof(path), "%s-other/x",
		 dir); // the name of the directory is a prefix only
	assert_int_equal(trace_capture_start(path, "", 0, err, sizeof(err)), -EINVAL);
}

static void a_bad_filter_is_refused_in_words_and_leaves_no_file(void **state)
{
	struct stat st;

	assert_int_equal(trace_capture_start("f.pcapng", "tcp and and", 0, err, sizeof(err)),
			 -EINVAL);
	assert_non_null(strstr(err, "filter: "));
	snprintf(path, sizeof(path), "%s/f.pcapng", dir);
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(trace_packets_start("host", 5, err, sizeof(err)), -EINVAL);
	assert_int_equal(trace_packets_start("", 0, err, sizeof(err)), -EINVAL);
	assert_int_equal(trace_packets_start("", TRACE_PACKETS_MAX + 1, err, sizeof(err)), -EINVAL);
	assert_false(trace_enabled());
}

static void a_capture_ends_at_its_limit(void **state)
{
	struct rte_mbuf *m = udp(53);

	assert_int_equal(trace_capture_start("l.pcapng", "", 3, err, sizeof(err)), 0);
	for (unsigned i = 0; i < 10; i++)
		follow(m, DROP_NO_ROUTE);
	assert_int_equal(trace_capture_stop(), 3);
	rte_pktmbuf_free(m);
}

static void a_full_ring_is_counted_and_never_waited_for(void **state)
{
	struct rte_mbuf *m = udp(53);

	assert_int_equal(trace_capture_start("r.pcapng", "", 0, err, sizeof(err)), 0);
	for (unsigned i = 0; i < 1500; i++)
		follow(m, DROP_NO_ROUTE);
	assert_int_equal(trace_capture_stop(), 1024);
	assert_int_equal(trace_lost(), 1500 - 1024);
	rte_pktmbuf_free(m);
}

static void a_trace_is_json_and_is_given_out_once(void **state)
{
	struct rte_mbuf *m = udp(53);
	char *text;

	assert_int_equal(trace_packets_start("udp", 2, err, sizeof(err)), 0);
	follow(m, DROP_MTU);
	text = trace_packets_take();
	assert_non_null(strstr(text, "\"packet\":\"10.0.0.2.1000 > 10.0.0.100.53 udp\""));
	assert_non_null(strstr(text, "\"reason\":\"mtu\""));
	assert_non_null(strstr(text, "\"verdict\":\"drop\""));
	assert_true(text[0] == '[' && text[strlen(text) - 1] == ']');
	free(text);
	text = trace_packets_take();
	assert_string_equal(text, "[]");
	free(text);
	assert_true(trace_packets_runs());
	for (unsigned i = 0; i < 5; i++)
		follow(m, DROP_NONE);
	text = trace_packets_take();
	assert_non_null(strstr(text, "\"out-port\":\"port6\""));
	assert_null(strstr(strstr(text, "time-ns") + 1, "time-ns")); // the second, and no third
	free(text);
	assert_false(trace_packets_runs());
	assert_false(trace_enabled());
	rte_pktmbuf_free(m);
}

static void a_summary_of_any_bytes_is_safe(void **state)
{
	char text[160];

	srand(1);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned n = (unsigned)rand() % 64;
		uint8_t *exact = malloc(n + 1); // so that a sanitizer sees a byte too many

		for (unsigned k = 0; k < n; k++)
			exact[k] = (uint8_t)rand();
		if (n > 14 && i % 2)
			memcpy(exact + 12, i % 4 == 1 ? "\x08\0" : "\x86\xdd", 2);
		exact = realloc(exact, n != 0 ? n : 1);
		record_summary(exact, n, text, sizeof(text));
		assert_true(strnlen(text, sizeof(text)) < sizeof(text));
		free(exact);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_capture_tells_what_became_of_each_frame),
		TEST(names_stay_in_the_directory_and_nothing_is_overwritten),
		TEST(a_bad_filter_is_refused_in_words_and_leaves_no_file),
		TEST(a_capture_ends_at_its_limit),
		TEST(a_full_ring_is_counted_and_never_waited_for),
		TEST(a_trace_is_json_and_is_given_out_once),
		TEST(a_summary_of_any_bytes_is_safe),
	};

	return cmocka_run_group_tests(tests, eal_setup, eal_teardown);
}
