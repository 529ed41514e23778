// SPDX-License-Identifier: BSD-3-Clause
//
// A sink that writes down what a parser of message/ gives it: "place:name=value" a line, a ~ before what is
// cut. Texts are given whole, or through a window as message/body.c does.
#pragma once

#include "dataplane/inspect/inspect_priv.h"
#include "dataplane/inspect/message/split.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define WINDOW_MAX 65536

static struct inspect *in;
static char record[1 << 20];
static size_t record_len, values, value_bytes;
static uint8_t window[WINDOW_MAX];
static struct split_state state_of; // after the text

static int record_create(void **state)
{
	(void)state;
	assert_int_equal(inspect_create(NULL, &in), 0);
	return 0;
}

static int record_destroy(void **state)
{
	(void)state;
	inspect_destroy(in);
	return 0;
}

static void record_put(const void *p, size_t len)
{
	if (len >= sizeof(record) - record_len)
		len = sizeof(record) - record_len - 1;
	if (len > 0)
		memcpy(record + record_len, p, len);
	record_len += len;
	record[record_len] = '\0';
}

static const char *record_place(enum inspect_place place)
{
	static const char *const names[] = {
#define INSPECT_PLACE(sym, name) name,
#include "dataplane/inspect/places.def"
#undef INSPECT_PLACE
	};

	return names[place];
}

static void record_value(struct split *s, enum inspect_place place, struct http_bytes name,
			 const uint8_t *p, size_t len, enum inspect_decoder how)
{
	(void)how;
	assert_true(len > 0);
	values++;
	value_bytes += len;
	if (s->cut)
		record_put("~", 1);
	record_put(record_place(place), strlen(record_place(place)));
	record_put(":", 1);
	record_put(name.p, name.len);
	record_put("=", 1);
	record_put(p, len);
	record_put("\n", 1);
}

typedef size_t parser(struct split *s, struct split_state *state, const uint8_t *p, size_t len,
		      enum split_end end);

static void record_begin(void)
{
	value_begin(in);
	record_len = values = value_bytes = 0;
	record[0] = '\0';
	memset(&state_of, 0xa5, sizeof(state_of));
	split_start(&state_of);
}

// Through a window of size bytes, as message/body.c.
static void record_windows(parser *parse, const char *text, size_t len, size_t size)
{
	struct split s = {.value = record_value, .in = in};
	size_t used = 0, done, n;

	record_begin();
	while (len > 0) {
		n = size - used < len ? size - used : len;
		memcpy(window + used, text, n);
		used += n;
		text += n;
		len -= n;
		if (len == 0)
			break;
		done = parse(&s, &state_of, window, used, SPLIT_PART);
		assert_true(done <= used);
		if (done == 0) {
			done = parse(&s, &state_of, window, used, SPLIT_FULL);
			assert_true(done <= used);
			assert_true(done >= used / 2);
		}
		used -= done;
		memmove(window, window + done, used);
	}
	assert_int_equal(parse(&s, &state_of, window, used, SPLIT_WHOLE), used);
	assert_false(s.cut);
}

// Given whole, in memory of its own: a sanitizer sees a read past its end.
static inline const char *record_whole(parser *parse, const char *text, size_t len)
{
	struct split s = {.value = record_value, .in = in};
	uint8_t *copy = malloc(len + 1);

	memcpy(copy, text, len);
	record_begin();
	assert_int_equal(parse(&s, &state_of, copy, len, SPLIT_WHOLE), len);
	free(copy);
	return record;
}

// Read the same through any window that holds its longest value.
static inline const char *record_same(parser *parse, const char *text, size_t least)
{
	size_t len = strlen(text);
	char *whole = strdup(record_whole(parse, text, len));
	bool odd = state_of.odd;

	for (size_t size = least; size <= len + 1; size++) {
		record_windows(parse, text, len, size);
		if (strcmp(record, whole) != 0)
			print_error("window of %zu: %s\nand not: %s\n", size, record, whole);
		assert_string_equal(record, whole);
		if (state_of.odd != odd)
			print_error("window of %zu\n", size);
		assert_int_equal(state_of.odd, odd);
	}
	free(whole);
	return record_whole(parse, text, len);
}

static inline double record_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// A mebibyte of one byte, or of a few in turn, behind a beginning: what is given is no more than a few times
// as long, and all of it comes in time.
static inline void record_run(parser *parse, const char *begin, const char *turn)
{
	size_t len = 1 << 20, n = strlen(begin), m = strlen(turn);
	char *text = malloc(len);
	double start;

	memcpy(text, begin, n);
	for (size_t i = n; i < len; i++)
		text[i] = turn[(i - n) % m];
	start = record_seconds();
	record_windows(parse, text, len, WINDOW_MAX);
	start = record_seconds() - start;
	if (start > 1.0 || value_bytes > 4 * len)
		print_error("%s%s..: %.3f s, %zu bytes given\n", begin, turn, start, value_bytes);
	assert_true(start < 1.0);
	assert_true(value_bytes <= 4 * len);
	free(text);
}

// A value longer than any window: every stretch of 64 bytes of it is whole in one of the pieces.
static inline void record_long(parser *parse, const char *begin, const char *end)
{
	size_t len = 300000, n = strlen(begin), m = strlen(end);
	char *text = malloc(n + len + m + 1), part[65];

	memcpy(text, begin, n);
	for (size_t i = 0; i < len; i++)
		text[n + i] = "abcdefghijklmnopqrstuvwxyz"[(i * 7 + i / 26 + i / 676) % 26];
	memcpy(text + n + len, end, m + 1);
	record_windows(parse, text, n + len + m, WINDOW_MAX);
	assert_true(values > 4);
	for (size_t i = 0; i + 64 <= len; i += 509) {
		memcpy(part, text + n + i, 64);
		part[64] = '\0';
		assert_non_null(strstr(record, part));
	}
	free(text);
}
