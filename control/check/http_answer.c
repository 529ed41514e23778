// SPDX-License-Identifier: BSD-3-Clause

#include "control/check/http_answer.h"

#include <string.h>
#include <strings.h>

#define UNTIL_END UINT64_MAX

void check_answer_init(struct check_answer *a, const char *needle)
{
	memset(a, 0, sizeof(*a));
	check_match_init(&a->match, needle);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

// "HTTP/1.x NNN", then nothing or a space and a reason
static enum check_answer_is take_status(struct check_answer *a)
{
	const char *l = a->line;

	if (a->line_len < 12 || memcmp(l, "HTTP/1.", 7) != 0 || !is_digit(l[7]) || l[8] != ' ' ||
	    l[9] < '1' || l[9] > '9' || !is_digit(l[10]) || !is_digit(l[11]) ||
	    (a->line_len > 12 && l[12] != ' '))
		return CHECK_ANSWER_BAD;
	a->status = (uint16_t)((l[9] - '0') * 100 + (l[10] - '0') * 10 + (l[11] - '0'));
	a->chunked = a->coded = a->has_length = false;
	a->state = CHECK_AT_FIELDS;
	return CHECK_ANSWER_MORE;
}

// The value of the line's field if it has this name (in small letters), blanks around it left out; or NULL.
static const char *value_of(const struct check_answer *a, const char *name, size_t *len)
{
	size_t n = strlen(name), at = n + 1, end = a->line_len;

	if (a->line_len <= n || a->line_len > CHECK_LINE || a->line[n] != ':' ||
	    strncasecmp(a->line, name, n) != 0)
		return NULL;
	while (at < end && (a->line[at] == ' ' || a->line[at] == '\t'))
		at++;
	while (end > at && (a->line[end - 1] == ' ' || a->line[end - 1] == '\t'))
		end--;
	*len = end - at;
	return a->line + at;
}

static enum check_answer_is take_length(struct check_answer *a, const char *v, size_t len)
{
	uint64_t n = 0;

	if (len == 0 || len > 18)
		return CHECK_ANSWER_BAD;
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(v[i]))
			return CHECK_ANSWER_BAD;
		n = n * 10 + (uint64_t)(v[i] - '0');
	}
	if (a->has_length && n != a->length) // two lengths: one of them lies
		return CHECK_ANSWER_BAD;
	a->has_length = true;
	a->length = n;
	return CHECK_ANSWER_MORE;
}

// A field line, not the last one.
static enum check_answer_is take_field(struct check_answer *a)
{
	size_t shown = a->line_len < CHECK_LINE ? a->line_len : CHECK_LINE, len;
	const char *v;

	if (a->line[0] == ' ' ||
	    a->line[0] == '\t') // folded: of the line before, which mattered or not
		return CHECK_ANSWER_MORE;
	if (a->line[0] == ':' || (memchr(a->line, ':', shown) == NULL && a->line_len <= CHECK_LINE))
		return CHECK_ANSWER_BAD;
	v = value_of(a, "content-length", &len);
	if (v != NULL)
		return take_length(a, v, len);
	v = value_of(a, "transfer-encoding", &len);
	if (v != NULL) {
		a->coded = true;
		a->chunked = len >= 7 && strncasecmp(v + len - 7, "chunked", 7) == 0;
	}
	return CHECK_ANSWER_MORE;
}

static enum check_answer_is end_of_fields(struct check_answer *a)
{
	if (a->status < 200 && a->status != 101) { // an interim answer; the final one follows
		a->status = 0;
		a->state = CHECK_AT_STATUS;
		return CHECK_ANSWER_MORE;
	}
	if (a->status == 101 || a->status == 204 || a->status == 304)
		return CHECK_ANSWER_DONE;
	if (a->chunked) {
		a->state = CHECK_AT_CHUNK;
		return CHECK_ANSWER_MORE;
	}
	a->state = CHECK_AT_BODY;
	a->left = a->has_length && !a->coded ? a->length : UNTIL_END;
	return a->left == 0 ? CHECK_ANSWER_DONE : CHECK_ANSWER_MORE;
}

// Size in hexadecimal, then nothing, blanks or an extension
static enum check_answer_is take_chunk(struct check_answer *a)
{
	size_t shown = a->line_len < CHECK_LINE ? a->line_len : CHECK_LINE, i = 0;
	uint64_t n = 0;

	for (; i < shown; i++) {
		char c = a->line[i];
		unsigned digit = is_digit(c)            ? (unsigned)(c - '0')
				 : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
				 : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
							: 16;

		if (digit == 16)
			break;
		if (i == 15)
			return CHECK_ANSWER_BAD;
		n = n * 16 + digit;
	}
	if (i == 0 || (i < shown && a->line[i] != ';' && a->line[i] != ' ' && a->line[i] != '\t'))
		return CHECK_ANSWER_BAD;
	a->left = n;
	a->state = n == 0 ? CHECK_AT_TRAILER : CHECK_AT_DATA;
	return CHECK_ANSWER_MORE;
}

static enum check_answer_is take_line(struct check_answer *a)
{
	bool empty = a->line_len == 0;

	switch (a->state) {
	case CHECK_AT_STATUS:
		return take_status(a);
	case CHECK_AT_FIELDS:
		return empty ? end_of_fields(a) : take_field(a);
	case CHECK_AT_CHUNK:
		return take_chunk(a);
	case CHECK_AT_DATA_END:
		a->state = CHECK_AT_CHUNK;
		return empty ? CHECK_ANSWER_MORE : CHECK_ANSWER_BAD;
	default:
		return empty ? CHECK_ANSWER_DONE : CHECK_ANSWER_MORE; // trailer
	}
}

// One byte of a line, its end included.
static enum check_answer_is feed_line(struct check_answer *a, char c)
{
	enum check_answer_is is;

	if (++a->header > CHECK_HEADER_MAX)
		return CHECK_ANSWER_LONG;
	if (c == '\0') // nowhere in HTTP
		return CHECK_ANSWER_BAD;
	if (c != '\n') {
		if (a->line_len < CHECK_LINE)
			a->line[a->line_len] = c;
		a->line_len++;
		// What cannot become a status line is not waited for.
		if (a->state == CHECK_AT_STATUS && a->line_len <= 7 &&
		    c != "HTTP/1."[a->line_len - 1])
			return CHECK_ANSWER_BAD;
		return CHECK_ANSWER_MORE;
	}
	if (a->line_len > 0 && a->line_len <= CHECK_LINE && a->line[a->line_len - 1] == '\r')
		a->line_len--;
	is = take_line(a);
	a->line_len = 0;
	return is;
}

// Bytes of the body, at most `left` of them. Returns: how many were taken.
static size_t feed_body(struct check_answer *a, const char *data, size_t size,
			enum check_answer_is *is)
{
	size_t room = CHECK_BODY_MAX - a->body;
	size_t take = size < a->left ? size : (size_t)a->left;

	if (take > room)
		take = room;
	check_match_feed(&a->match, data, take);
	a->body += take;
	if (a->left != UNTIL_END)
		a->left -= take;
	if (a->left == 0 && a->state == CHECK_AT_DATA)
		a->state = CHECK_AT_DATA_END;
	else if (a->left == 0)
		*is = CHECK_ANSWER_DONE;
	if (a->match.len > 0 && a->match.found)
		*is = CHECK_ANSWER_DONE;
	if (a->body == CHECK_BODY_MAX && *is != CHECK_ANSWER_DONE) {
		a->cut = true;
		*is = CHECK_ANSWER_DONE;
	}
	return take;
}

enum check_answer_is check_answer_feed(struct check_answer *a, const char *data, size_t size)
{
	enum check_answer_is is = CHECK_ANSWER_MORE;

	for (size_t at = 0; at < size && is == CHECK_ANSWER_MORE;) {
		if (a->state == CHECK_AT_BODY || a->state == CHECK_AT_DATA)
			at += feed_body(a, data + at, size - at, &is);
		else
			is = feed_line(a, data[at++]);
	}
	return is;
}

enum check_answer_is check_answer_end(const struct check_answer *a)
{
	if (a->header == 0)
		return CHECK_ANSWER_NONE;
	return a->state == CHECK_AT_BODY && a->left == UNTIL_END ? CHECK_ANSWER_DONE
								 : CHECK_ANSWER_PART;
}
