// SPDX-License-Identifier: BSD-3-Clause
//
// The values of a request's head: target, header fields, cookies, the Referer as the URL that it is.

#include "dataplane/inspect/message/split.h"

#include "dataplane/inspect/decode/decode.h"
#include "dataplane/inspect/inspect_priv.h"

#include <string.h>
#include <strings.h>

static const struct http_bytes none;

// ---- target --------------------------------------------------------------------------------------

static const uint8_t *find(const uint8_t *p, const uint8_t *end, char c)
{
	const uint8_t *at = memchr(p, c, (size_t)(end - p));

	return at != NULL ? at : end;
}

static bool is_scheme(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '+' ||
	       c == '-' || c == '.';
}

// A path with quotes or tags, plain or escaped, is a text that goes on behind its question mark.
static bool is_text(const uint8_t *p, const uint8_t *end)
{
	for (; p < end; p++) {
		uint8_t c = *p;

		if (c == '%' && end - p > 2)
			c = (uint8_t)((unsigned)decode_digit[p[1]] << 4 |
				      (unsigned)decode_digit[p[2]]);
		if (c == '<' || c == '"' || c == '\'' || c == '`')
			return true;
	}
	return false;
}

// Past scheme://authority of the absolute form (RFC 9112, section 3.2.2).
static const uint8_t *path_of(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *colon = find(p, end, ':');

	for (const uint8_t *c = p; c < colon; c++)
		if (!is_scheme(*c))
			return p;
	if (p < end && *p != '/' && end - colon > 2 && colon[1] == '/' && colon[2] == '/')
		return find(colon + 3, end, '/');
	return p;
}

static void query(struct inspect *in, const uint8_t *p, const uint8_t *end)
{
	struct split s = {.value = message_value, .in = in};

	if (p >= end)
		return;
	if (memchr(p, '=', (size_t)(end - p)) == NULL ||
	    split_form(&s, p, (size_t)(end - p), PLACE_QUERY, PLACE_QUERY_NAME))
		inspect_value(in, PLACE_QUERY_RAW, none, p, (size_t)(end - p));
}

static void target(struct inspect *in, struct http_bytes t)
{
	const uint8_t *end = t.p + t.len, *hash = find(t.p, end, '#'), *ask = find(t.p, hash, '?');
	const uint8_t *path = path_of(t.p, ask);

	if (path > t.p)
		inspect_value(in, PLACE_TARGET, none, t.p, (size_t)(path - t.p));
	inspect_value(in, PLACE_PATH, none, path, (size_t)(ask - path));
	if (ask < end && is_text(path, ask))
		inspect_value(in, PLACE_TARGET, none, path, (size_t)(end - path));
	query(in, ask + 1, hash);
	if (hash + 1 < end)
		inspect_value(in, PLACE_FRAGMENT, none, hash + 1, (size_t)(end - hash - 1));
}

// ---- fields --------------------------------------------------------------------------------------

static void cookie(struct inspect *in, const struct http_field *f)
{
	struct split s = {.value = split_root, .in = in};

	if (split_cookie(&s, f->value.p, f->value.len))
		inspect_value(in, PLACE_COOKIE, none, f->value.p, f->value.len);
}

// What is no URL is read as a whole too: a ? or # does not divide it.
static void referer(struct inspect *in, const struct http_field *f)
{
	struct split s = {.value = split_root, .in = in};
	const uint8_t *p = f->value.p, *end = p + f->value.len, *path = path_of(p, end);

	split_url(&s, p, f->value.len, PLACE_REFERER_QUERY, PLACE_REFERER);
	if (path == p && (find(p, end, '?') != end || find(p, end, '#') != end))
		inspect_value(in, PLACE_REFERER, none, p, f->value.len);
}

// Basic: user:password in Base64 (RFC 7617).
static void authorization(struct inspect *in, const struct http_field *f)
{
	struct split s = {.value = split_root, .in = in};
	const uint8_t *p = f->value.p, *end = p + f->value.len;
	uint32_t mark = split_enter(&s);
	size_t len = f->value.len;
	uint8_t *room;

	inspect_value(in, PLACE_AUTHORIZATION, f->name, p, len);
	if (len < 6 || strncasecmp((const char *)p, "basic ", 6) != 0)
		return;
	for (p += 6; p < end && *p == ' ';)
		p++;
	room = split_room(&s, (size_t)(end - p));
	len = room != NULL ? decode_base64(p, (size_t)(end - p), room) : 0;
	if (len > 0)
		inspect_value_decoded(in, DECODE_BASE64, PLACE_AUTHORIZATION, f->name, room, len);
	split_leave(&s, mark);
}

// Those of ordinary letters are seen as the name of their value.
#define NAME (BYTES_WORD | BYTES(MINUS) | BYTES(UNDERSCORE))

static void field(struct inspect *in, const struct http_field *f)
{
	static const struct {
		const char *name;
		enum inspect_place place;
	} known[] = {
		{"host", PLACE_HOST},
		{"user-agent", PLACE_USER_AGENT},
		{"content-type", PLACE_CONTENT_TYPE},
	};
	enum inspect_place place = PLACE_HEADER;

	if ((bytes_set(f->name.p, f->name.len) & ~NAME) != 0)
		inspect_value(in, PLACE_HEADER_NAME, none, f->name.p, f->name.len);
	if (http_bytes_are(f->name, "cookie")) {
		cookie(in, f);
		return;
	}
	if (http_bytes_are(f->name, "referer")) {
		referer(in, f);
		return;
	}
	if (http_bytes_are(f->name, "authorization") ||
	    http_bytes_are(f->name, "proxy-authorization")) {
		authorization(in, f);
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
	in->fields = 0;
	message_fields(in);
}

void message_fields(struct inspect *in)
{
	while (in->fields < in->head->fields)
		field(in, &in->head->field[in->fields++]);
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
		{HTTP_ODD_BARE_CR, RULE_SMUGGLE_CR},
		{HTTP_ODD_CL_INVALID, RULE_SMUGGLE_CL},
		{HTTP_ODD_TE_HTTP10, RULE_SMUGGLE_TE_OLD},
		{HTTP_ODD_TRAILER, RULE_SMUGGLE_TRAILER},
		{HTTP_ODD_FIELD_NAME, RULE_SMUGGLE_NAME},
		{HTTP_ODD_CHUNK_EXT, RULE_CHUNK_EXTENSION},
		{HTTP_ODD_CL_REPEATED, RULE_LENGTH_REPEATED},
		{HTTP_ODD_OBS_FOLD, RULE_FIELD_FOLDED},
		{HTTP_ODD_NO_COLON, RULE_FIELD_NONE},
		{HTTP_ODD_NO_HOST, RULE_HOST_UNCLEAR},
		{HTTP_ODD_METHOD, RULE_REQUEST_LINE},
		{HTTP_ODD_VERSION, RULE_REQUEST_LINE},
		{HTTP_ODD_BARE_LF, RULE_LINE_ENDS},
		{HTTP_ODD_SPACE, RULE_LINE_ENDS},
		{HTTP_ODD_LEADING, RULE_LINE_ENDS},
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
