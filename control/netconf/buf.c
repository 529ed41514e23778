// SPDX-License-Identifier: BSD-3-Clause
//
// buf - growth is by doubling; the NUL at the end is never counted.

#include "control/netconf/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool grow(struct ncd_buf *b, size_t more)
{
	size_t cap = b->cap == 0 ? 256 : b->cap;
	char *p;

	if (b->failed)
		return false;
	if (more < b->cap - b->len)
		return true;
	while (cap - b->len <= more) {
		if (cap > (size_t)1 << 40) {
			b->failed = true;
			return false;
		}
		cap *= 2;
	}
	p = realloc(b->data, cap);
	if (p == NULL) {
		b->failed = true;
		return false;
	}
	b->data = p;
	b->cap = cap;
	return true;
}

void ncd_buf_add(struct ncd_buf *b, const char *data, size_t len)
{
	if (!grow(b, len))
		return;
	if (len > 0)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void ncd_buf_str(struct ncd_buf *b, const char *s)
{
	ncd_buf_add(b, s, strlen(s));
}

void ncd_buf_fmt(struct ncd_buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0) {
		b->failed = true;
	} else if (grow(b, (size_t)n)) {
		vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

void ncd_buf_xml(struct ncd_buf *b, const char *text)
{
	const char *from = text;

	for (const char *p = text;; p++) {
		const char *as = NULL;
		unsigned char c = (unsigned char)*p;

		if (c == '&')
			as = "&amp;";
		else if (c == '<')
			as = "&lt;";
		else if (c == '>')
			as = "&gt;";
		else if (c == '"')
			as = "&quot;";
		else if (c == '\r')
			as = "&#13;"; // a bare one would be read back as a line feed
		else if (c != '\0' && c < 0x20 && c != '\t' && c != '\n')
			as = "\xEF\xBF\xBD";
		if (as == NULL && c != '\0')
			continue;
		ncd_buf_add(b, from, (size_t)(p - from));
		if (c == '\0')
			return;
		ncd_buf_str(b, as);
		from = p + 1;
	}
}

void ncd_buf_reset(struct ncd_buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data != NULL)
		b->data[0] = '\0';
}

void ncd_buf_fini(struct ncd_buf *b)
{
	free(b->data);
	*b = (struct ncd_buf){0};
}
