// SPDX-License-Identifier: BSD-3-Clause
//
// lb_text - JSON text that grows. An error (no memory) sticks; take() tells. A comma is put by itself
// between members and elements.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lb_text {
	char *data;
	size_t size, capacity;
	bool failed, comma;
};

// key NULL: an element of an array. Thread: any, one at a time
void lb_text_open(struct lb_text *t, const char *key, char bracket); // '{' or '['
void lb_text_close(struct lb_text *t, char bracket);                 // '}' or ']'
void lb_text_string(struct lb_text *t, const char *key, const char *value);
void lb_text_bool(struct lb_text *t, const char *key, bool value);
void lb_text_number(struct lb_text *t, const char *key, uint64_t value);
void lb_text_counter(struct lb_text *t, const char *key,
		     uint64_t value); // 64 bits as a string: RFC 7951
void lb_text_raw(struct lb_text *t, const char *key, const char *json);
// A formatted string value, escaped.
void lb_text_format(struct lb_text *t, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
// RFC 3339, of seconds since the epoch.
void lb_text_time(struct lb_text *t, const char *key, uint64_t seconds);
// The text, malloc'ed, or NULL when memory ran out; *t is empty after it.
char *lb_text_take(struct lb_text *t);
