// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "control/netconf/framing.h"

// Feed all of text, cut into pieces of `step` bytes; messages are joined with '|'.
static enum ncd_frame_verdict feed(struct ncd_framing *f, const char *text, size_t step, char *got,
				   size_t size)
{
	size_t len = strlen(text), at = 0, used;
	enum ncd_frame_verdict v = NCD_FRAME_MORE;

	got[0] = '\0';
	while (at < len) {
		size_t n = len - at < step ? len - at : step;

		v = ncd_framing_feed(f, text + at, n, &used);
		assert_true(used <= n);
		at += used;
		if (v == NCD_FRAME_BAD || v == NCD_FRAME_TOO_BIG)
			return v;
		if (v == NCD_FRAME_MESSAGE) {
			assert_int_equal(strlen(f->msg.data), f->msg.len);
			assert_true(strlen(got) + f->msg.len + 2 < size);
			snprintf(got + strlen(got), size - strlen(got), "%s|", f->msg.data);
		}
	}
	return v;
}

static void expect_eom(const char *text, const char *want, enum ncd_frame_verdict last)
{
	for (size_t step = 1; step <= strlen(text); step++) {
		struct ncd_framing f;
		char got[256];

		ncd_framing_init(&f, 64);
		assert_int_equal(feed(&f, text, step, got, sizeof(got)), last);
		assert_string_equal(got, want);
		ncd_framing_fini(&f);
	}
}

static void expect_chunks(const char *text, const char *want, enum ncd_frame_verdict last)
{
	for (size_t step = 1; step <= strlen(text); step++) {
		struct ncd_framing f;
		char got[256];

		ncd_framing_init(&f, 64);
		ncd_framing_set_chunked(&f);
		assert_int_equal(feed(&f, text, step, got, sizeof(got)), last);
		assert_string_equal(got, want);
		ncd_framing_fini(&f);
	}
}

static void finds_the_end_mark_however_it_is_cut(void **state)
{
	expect_eom("<a/>]]>]]>", "<a/>|", NCD_FRAME_MESSAGE);
	expect_eom("<a/>]]>]]><b/>]]>]]>", "<a/>|<b/>|", NCD_FRAME_MESSAGE);
	expect_eom("]]>]]>]]>", "|", NCD_FRAME_MORE);
	expect_eom("x]]>]>]]>]]>y", "x]]>]>|", NCD_FRAME_MORE);
}

static void joins_chunks(void **state)
{
	expect_chunks("\n#4\n<rpc\n#2\n/>\n##\n", "<rpc/>|", NCD_FRAME_MESSAGE);
	expect_chunks("\n#3\nabc\n##\n\n#1\nd\n##\n", "abc|d|", NCD_FRAME_MESSAGE);
	// A line feed, '#' and the end mark are data inside a chunk.
	expect_chunks("\n#5\n\n##\n#\n##\n", "\n##\n#|", NCD_FRAME_MESSAGE);
	expect_chunks("\n#3\nab", "", NCD_FRAME_MORE);
}

static void refuses_what_is_no_chunk_header(void **state)
{
	static const char *const bad[] = {
		"<rpc/>]]>]]>",    // framing of 1.0
		"\n##\n",          // no chunk at all
		"\n#0\n",          // a chunk has one byte at least
		"\n#01\na\n##\n",  // leading zero
		"\n#-1\n",         //
		"\n# 1\n",         //
		"\n#1 \n",         //
		"\n#1\r\n",        //
		"\n#a\n",          //
		"\n#4294967296\n", // above 32 bits (RFC 6242 section 4.2)
		"\n#99999999999999999999999999\n",
		"\n#1\nab\n##\n", // longer than said
		"\n#1\na\n##x",   //
		"\n\n#1\n",       //
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (size_t step = 1; step <= strlen(bad[i]); step++) {
			struct ncd_framing f;
			char got[64];
			enum ncd_frame_verdict v;

			ncd_framing_init(&f, 64);
			ncd_framing_set_chunked(&f);
			v = feed(&f, bad[i], step, got, sizeof(got));
			assert_int_equal(v, NCD_FRAME_BAD);
			assert_string_equal(got, "");
			ncd_framing_fini(&f);
		}
	}
}

static void refuses_a_size_before_the_bytes_come(void **state)
{
	expect_chunks("\n#65\n", "", NCD_FRAME_TOO_BIG);
	expect_chunks("\n#4294967295\n", "", NCD_FRAME_TOO_BIG);
	expect_chunks("\n#64\n", "", NCD_FRAME_MORE);
}

static void refuses_the_sum_of_many_chunks(void **state)
{
	struct ncd_framing f;
	char got[64];

	ncd_framing_init(&f, 4);
	ncd_framing_set_chunked(&f);
	assert_int_equal(feed(&f, "\n#2\nab\n#2\ncd\n#1\ne", 1, got, sizeof(got)),
			 NCD_FRAME_TOO_BIG);
	ncd_framing_fini(&f);
}

static void takes_the_longest_message_and_no_longer_one(void **state)
{
	struct ncd_framing f;
	char got[64];

	for (size_t step = 1; step < 12; step++) {
		ncd_framing_init(&f, 4);
		assert_int_equal(feed(&f, "abcd]]>]]>", step, got, sizeof(got)), NCD_FRAME_MESSAGE);
		assert_string_equal(got, "abcd|");
		ncd_framing_fini(&f);
		ncd_framing_init(&f, 4);
		assert_int_equal(feed(&f, "abcdefghijk", step, got, sizeof(got)),
				 NCD_FRAME_TOO_BIG);
		ncd_framing_fini(&f);
	}
}

static void switches_after_hello(void **state)
{
	struct ncd_framing f;
	size_t used;
	const char *in = "<hello/>]]>]]>\n#1\na\n##\n";

	ncd_framing_init(&f, 64);
	assert_int_equal(ncd_framing_feed(&f, in, strlen(in), &used), NCD_FRAME_MESSAGE);
	assert_string_equal(f.msg.data, "<hello/>");
	in += used;
	ncd_framing_set_chunked(&f);
	assert_int_equal(ncd_framing_feed(&f, in, strlen(in), &used), NCD_FRAME_MESSAGE);
	assert_string_equal(f.msg.data, "a");
	ncd_framing_fini(&f);
}

static void reads_what_it_wrote(void **state)
{
	static char big[3 << 20];
	struct ncd_buf out = {0};
	struct ncd_framing f;
	size_t used;

	memset(big, 'x', sizeof(big));
	ncd_framing_wrap(true, big, sizeof(big), &out);
	ncd_framing_init(&f, sizeof(big));
	ncd_framing_set_chunked(&f);
	assert_int_equal(ncd_framing_feed(&f, out.data, out.len, &used), NCD_FRAME_MESSAGE);
	assert_int_equal(used, out.len);
	assert_int_equal(f.msg.len, sizeof(big));
	assert_memory_equal(f.msg.data, big, sizeof(big));
	ncd_framing_fini(&f);
	ncd_buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_end_mark_however_it_is_cut),
		cmocka_unit_test(joins_chunks),
		cmocka_unit_test(refuses_what_is_no_chunk_header),
		cmocka_unit_test(refuses_a_size_before_the_bytes_come),
		cmocka_unit_test(refuses_the_sum_of_many_chunks),
		cmocka_unit_test(takes_the_longest_message_and_no_longer_one),
		cmocka_unit_test(switches_after_hello),
		cmocka_unit_test(reads_what_it_wrote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
