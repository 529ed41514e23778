// SPDX-License-Identifier: BSD-3-Clause

#include "apps/waf/waf_judge.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int waf_judge_init(struct waf_judge *j, const struct inspect_policy *policy)
{
	int rc;

	*j = (struct waf_judge){.policy = policy};
	j->buf = malloc(WAF_HEAD_MAX);
	if (j->buf == NULL)
		return -ENOMEM;
	rc = inspect_create(NULL, &j->in);
	if (rc != 0)
		free(j->buf);
	return rc;
}

void waf_judge_fini(struct waf_judge *j)
{
	inspect_destroy(j->in);
	free(j->buf);
}

void waf_judge_begin(struct waf_judge *j)
{
	http1_init(&j->http, j->buf, WAF_HEAD_MAX);
	j->begun = j->over = j->enough = false;
	j->ns = j->bytes = 0;
}

static void begin(struct waf_judge *j)
{
	if (!j->begun)
		j->enough = inspect_begin(j->in, j->policy, &j->http.head);
	j->begun = true;
}

static void body(struct waf_judge *j, const uint8_t *p, size_t len)
{
	begin(j);
	if (!j->enough)
		j->enough = inspect_body(j->in, p, len);
}

// Empty lines after a request are nothing: RFC 9112, section 2.2.
static void more(struct waf_judge *j, const uint8_t *p, const uint8_t *end)
{
	if (!http_is_odd(&j->http.head, HTTP_ODD_BODY_LONG) &&
	    !http_is_odd(&j->http.head, HTTP_ODD_UNREADABLE))
		while (p < end && (*p == '\r' || *p == '\n'))
			p++;
	if (p == end)
		return;
	http_set_odd(&j->http.head, HTTP_ODD_BODY_LONG);
	body(j, p, (size_t)(end - p));
}

static void feed(struct waf_judge *j, const uint8_t *p, const uint8_t *end)
{
	struct http_bytes b;

	while (!j->enough && !j->over)
		switch (http1_next(&j->http, &p, end, &b)) {
		case HTTP1_HEAD:
			begin(j);
			break;
		case HTTP1_BODY:
			body(j, b.p, b.len);
			break;
		case HTTP1_MORE:
			return;
		case HTTP1_BAD:
			http_set_odd(&j->http.head, HTTP_ODD_UNREADABLE);
			j->over = true;
			break;
		case HTTP1_END:
			j->over = true;
			break;
		}
	if (!j->enough)
		more(j, p, end);
}

void waf_judge_feed(struct waf_judge *j, const uint8_t *p, size_t len)
{
	uint64_t start = now_ns();

	feed(j, p, p + len);
	j->ns += now_ns() - start;
	j->bytes += len;
}

void waf_judge_end(struct waf_judge *j, struct waf_judgement *out)
{
	uint64_t start = now_ns();
	enum http1_event e = HTTP1_END;

	if (!j->over && !j->enough)
		while ((e = http1_close(&j->http)) == HTTP1_HEAD)
			begin(j);
	if (e == HTTP1_BAD)
		http_set_odd(&j->http.head, HTTP_ODD_UNREADABLE);
	begin(j);
	inspect_end(j->in, &out->verdict);
	out->ns = j->ns + now_ns() - start;
	out->odd = j->http.head.odd;
	out->bytes = j->bytes;
}
