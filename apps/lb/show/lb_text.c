// SPDX-License-Identifier: BSD-3-Clause
//
// lb_text - see lb_text.h. A state of 100,000 servers is tens of megabytes of text: built in one buffer,
// never as a tree.

#include "apps/lb/show/lb_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void put(struct lb_text *t, const char *s, size_t n)
{
	if (t->failed)
		return;
	if (t->capacity - t->size <= n) {
		size_t capacity = t->capacity == 0 ? 4096 : t->capacity;
		char *data;

		while (capacity - t->size <= n)
			capacity *= 2;
		data = realloc(t->data, capacity);
		if (data == NULL) {
			t->failed = true;
			return;
		}
		t->data = data;
		t->capacity = capacity;
	}
	memcpy(t->data + t->size, s, n);
	t->size += n;
	t->data[t->size] = '\0';
}

static void put_escaped(struct lb_text *t, const char *s)
{
	put(t, "\"", 1);
	while (*s != '\0') {
		size_t n = 0;

		while ((unsigned char)s[n] >= 0x20 && s[n] != '"' && s[n] != '\\')
			n++;
		put(t, s, n);
		s += n;
		if (*s == '"' || *s == '\\') {
			char e[2] = {'\\', *s++};

			put(t, e, 2);
		} else if (*s != '\0') {
			char e[8];

			put(t, e, (size_t)snprintf(e, sizeof(e), "\\u%04x", (unsigned char)*s++));
		}
	}
	put(t, "\"", 1);
}

static void start(struct lb_text *t, const char *key)
{
	if (t->comma)
		put(t, ",", 1);
	t->comma = true;
	if (key != NULL) {
		put_escaped(t, key);
		put(t, ":", 1);
	}
}

void lb_text_open(struct lb_text *t, const char *key, char bracket)
{
	start(t, key);
	put(t, &bracket, 1);
	t->comma = false;
}

void lb_text_close(struct lb_text *t, char bracket)
{
	put(t, &bracket, 1);
	t->comma = true;
}

void lb_text_string(struct lb_text *t, const char *key, const char *value)
{
	start(t, key);
	put_escaped(t, value);
}

void lb_text_raw(struct lb_text *t, const char *key, const char *json)
{
	start(t, key);
	put(t, json, strlen(json));
}

void lb_text_bool(struct lb_text *t, const char *key, bool value)
{
	lb_text_raw(t, key, value ? "true" : "false");
}

void lb_text_number(struct lb_text *t, const char *key, uint64_t value)
{
	char s[24];

	snprintf(s, sizeof(s), "%llu", (unsigned long long)value);
	lb_text_raw(t, key, s);
}

void lb_text_counter(struct lb_text *t, const char *key, uint64_t value)
{
	char s[24];

	snprintf(s, sizeof(s), "\"%llu\"", (unsigned long long)value);
	lb_text_raw(t, key, s);
}

void lb_text_format(struct lb_text *t, const char *key, const char *fmt, ...)
{
	char s[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s, sizeof(s), fmt, ap);
	va_end(ap);
	lb_text_string(t, key, s);
}

void lb_text_time(struct lb_text *t, const char *key, uint64_t seconds)
{
	time_t s = (time_t)seconds;
	char text[32];
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	lb_text_string(t, key, text);
}

char *lb_text_take(struct lb_text *t)
{
	char *data = t->data;

	if (t->failed || data == NULL) {
		free(data);
		data = NULL;
	}
	*t = (struct lb_text){0};
	return data;
}
