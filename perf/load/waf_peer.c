// SPDX-License-Identifier: BSD-3-Clause
//
// The peer: libmodsecurity with the rules that a file names. It has no HTTP parser of its own, so it is
// given what ours reads, as a server gives it what that server reads. WAF_PEER is 0 where the build has no
// libmodsecurity.

#include "perf/load/waf_bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if WAF_PEER
#include <modsecurity/modsecurity.h>
#include <modsecurity/rules_set.h>
#include <modsecurity/transaction.h>

#define HEAD_MAX (256 << 10)

static ModSecurity *engine;
static RulesSet *set;
static uint8_t *head;
static struct http1 http;

static void ignore(void *ctx, const void *text)
{
	(void)ctx;
	(void)text;
}

static int create(const char *rules)
{
	const char *error = NULL;

	engine = msc_init();
	set = msc_create_rules_set();
	head = malloc(HEAD_MAX);
	if (engine == NULL || set == NULL || head == NULL || rules == NULL)
		return -ENOMEM;
	msc_set_log_cb(engine, ignore);
	if (msc_rules_add_file(set, rules, &error) < 0) {
		fprintf(stderr, "waf_bench: %s: %s\n", rules, error != NULL ? error : "?");
		return -EINVAL;
	}
	return 0;
}

static void destroy(void)
{
	msc_rules_cleanup(set);
	msc_cleanup(engine);
	free(head);
}

static bool is_refused(Transaction *t)
{
	ModSecurityIntervention i = {.status = 200};
	bool refused;

	msc_intervention(t, &i);
	refused = i.disruptive != 0;
	free(i.log);
	free(i.url);
	return refused;
}

static const char *text(char *room, size_t size, struct http_bytes b)
{
	size_t len = b.len < size - 1 ? b.len : size - 1;

	memcpy(room, b.p, len);
	room[len] = '\0';
	return room;
}

static bool take_head(Transaction *t, const struct http_head *h)
{
	static char uri[HEAD_MAX];
	char method[64], version[16];

	text(version, sizeof(version), h->version);
	msc_process_uri(t, text(uri, sizeof(uri), h->target),
			text(method, sizeof(method), h->method),
			strncmp(version, "HTTP/", 5) == 0 ? version + 5 : version);
	for (uint32_t i = 0; i < h->fields; i++)
		msc_add_n_request_header(t, h->field[i].name.p, h->field[i].name.len,
					 h->field[i].value.p, h->field[i].value.len);
	msc_process_request_headers(t);
	return is_refused(t);
}

static bool judge(const struct request *r)
{
	const uint8_t *p = r->p, *end = p + r->len;
	Transaction *t = msc_new_transaction(engine, set, NULL);
	bool begun = false, refused = false;
	struct http_bytes b;
	enum http1_event e;

	http1_init(&http, head, HEAD_MAX);
	msc_process_connection(t, "192.0.2.1", 40000, "192.0.2.2", 80);
	while (!refused &&
	       ((e = http1_next(&http, &p, end, &b)) == HTTP1_HEAD || e == HTTP1_BODY)) {
		if (e == HTTP1_HEAD)
			refused = take_head(t, &http.head);
		else
			msc_append_request_body(t, b.p, b.len);
		begun = true;
	}
	if (!begun)
		refused = take_head(t, &http.head);
	if (!refused) {
		msc_process_request_body(t);
		refused = is_refused(t);
	}
	msc_transaction_cleanup(t);
	return refused;
}
#else
static int create(const char *rules)
{
	(void)rules;
	return -ENOSYS;
}

static bool judge(const struct request *r)
{
	(void)r;
	return false;
}

static void destroy(void)
{
}
#endif

const struct judge judge_peer = {"peer", create, judge, destroy};
