// SPDX-License-Identifier: BSD-3-Clause
//
// The values of a request's head: target, header fields, cookies, the Referer as the URL that it is.

#include "dataplane/inspect/message/split.h"

#include "dataplane/inspect/inspect_priv.h"

#include <string.h>

static const struct http_bytes none;

static void target(struct inspect *in, struct http_bytes t)
{
	struct split s = {.value = split_root, .in = in};
	const uint8_t *end = t.p + t.len, *hash = memchr(t.p, '#', t.len), *ask;

	if (hash == NULL)
		hash = end;
	ask = memchr(t.p, '?', (size_t)(hash - t.p));
	if (ask == NULL)
		ask = hash;
	inspect_value(in, PLACE_PATH, none, t.p, (size_t)(ask - t.p));
	if (ask + 1 < hash) {
		if (memchr(ask, '=', (size_t)(hash - ask)) == NULL)
			inspect_value(in, PLACE_QUERY_RAW, none, ask + 1, (size_t)(hash - ask - 1));
		else
			split_form(&s, ask + 1, (size_t)(hash - ask - 1), PLACE_QUERY,
				   PLACE_QUERY_NAME);
	}
	if (hash + 1 < end)
		inspect_value(in, PLACE_FRAGMENT, none, hash + 1, (size_t)(end - hash - 1));
}

static void field(struct inspect *in, const struct http_field *f)
{
	static const struct {
		const char *name;
		enum inspect_place place;
	} known[] = {
		{"host", PLACE_HOST},
		{"user-agent", PLACE_USER_AGENT},
		{"authorization", PLACE_AUTHORIZATION},
		{"content-type", PLACE_CONTENT_TYPE},
	};
	struct split s = {.value = split_root, .in = in};
	enum inspect_place place = PLACE_HEADER;

	inspect_value(in, PLACE_HEADER_NAME, none, f->name.p, f->name.len);
	if (http_bytes_are(f->name, "cookie")) {
		split_cookie(&s, f->value.p, f->value.len);
		return;
	}
	if (http_bytes_are(f->name, "referer")) {
		split_url(&s, f->value.p, f->value.len, PLACE_REFERER_QUERY, PLACE_REFERER);
		return;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (http_bytes_are(f->name, known[i].name))
			place = known[i].place;
	inspect_value(in, place, f->name, f->value.p, f->value.len);
}

void message_head(struct inspect *in)
{
	const struct http_head *h = in->head;

	inspect_value(in, PLACE_METHOD, none, h->method.p, h->method.len);
	target(in, h->target);
	for (uint32_t i = 0; i < h->fields; i++)
		field(in, &h->field[i]);
}

// ---- what is odd about the message ---------------------------------------------------------------

void message_oddities(struct inspect *in)
{
	static const struct {
		enum http_odd odd;
		enum inspect_rule rule;
	} map[] = {
		{HTTP_ODD_CL_AND_TE, RULE_SMUGGLE_CL_TE},
		{HTTP_ODD_CL_DIFFER, RULE_SMUGGLE_CL_CL},
		{HTTP_ODD_TE_UNKNOWN, RULE_SMUGGLE_TE},
		{HTTP_ODD_TE_NOT_LAST, RULE_SMUGGLE_TE},
		{HTTP_ODD_CHUNK_SIZE, RULE_SMUGGLE_CHUNK},
		{HTTP_ODD_CHUNK_END, RULE_SMUGGLE_CHUNK},
		{HTTP_ODD_NUL, RULE_HEAD_NUL},
		{HTTP_ODD_UNREADABLE, RULE_UNREADABLE},
	};
	const struct http_head *h = in->head;

	if (h->odd == 0 || in->enough)
		return;
	inspect_root(in, DECODE_NONE, PLACE_TARGET, none, h->target.p, h->target.len);
	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		if (http_is_odd(h, map[i].odd))
			inspect_evidence(in, &in->node[0], map[i].rule, 0, h->target.len);
	score_value(in);
}
