// SPDX-License-Identifier: BSD-3-Clause
//
// multipart/form-data (RFC 7578, RFC 2046 section 5.1), as leniently as servers read it: bare LF, blanks
// after a boundary, no last boundary, parts after the last one, headers in any order and more than once.
// Every name and file name that a part claims is given, since servers differ in which they take.

#include "dataplane/inspect/message/split.h"

#include "dataplane/inspect/decode/decode.h"

#include <string.h>
#include <strings.h>

enum at {
	AT_PREAMBLE,  // outside of any part
	AT_DELIMITER, // at a boundary
	AT_HEADERS,
	AT_CONTENT,
	AT_CONTENT_MORE, // of which earlier windows gave the beginning
};

struct text {
	struct split *s;
	struct split_state *st; // path: the field's name; file: the file's; quote: bits of a part
	struct http_bytes boundary;
	const uint8_t *p;
	size_t len;
	enum split_end end;
	bool over; // the window is used up
};

#define NOT_WHOLE SIZE_MAX

enum part {
	PART_FILE = 1,   // even one without a name
	PART_QUOTED = 2, // its content is quoted-printable
	PART_TYPED = 4,  // it has a Content-Type
};

static const struct http_bytes none;

static void give(struct text *t, enum inspect_place place, struct http_bytes name, const uint8_t *p,
		 size_t len)
{
	if (len > 0)
		t->s->value(t->s, place, name, p, len, DECODE_NONE);
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_empty(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_blank(p[i]))
			return false;
	return true;
}

// ---- boundaries ----------------------------------------------------------------------------------

static bool is_delimiter(const struct text *t, size_t i)
{
	return t->len - i >= 2 + t->boundary.len && t->p[i] == '-' && t->p[i + 1] == '-' &&
	       memcmp(t->p + i + 2, t->boundary.p, t->boundary.len) == 0;
}

// The next delimiter from i on: its first dash. line: i is the beginning of a line, as delimiters are.
static size_t delimiter(const struct text *t, size_t i, bool line)
{
	const uint8_t *lf;

	if (line && is_delimiter(t, i))
		return i;
	while ((lf = memchr(t->p + i, '\n', t->len - i)) != NULL) {
		i = (size_t)(lf - t->p) + 1;
		if (is_delimiter(t, i))
			return i;
	}
	return NOT_WHOLE;
}

// Content ends before the line end that belongs to the delimiter.
static size_t before_line_end(const struct text *t, size_t from, size_t to)
{
	if (to > from && t->p[to - 1] == '\n')
		to--;
	if (to > from && t->p[to - 1] == '\r')
		to--;
	return to;
}

// Where the next window begins: a delimiter that is cut by the end of this one is whole there.
static size_t rest(struct text *t, size_t from)
{
	size_t keep = split_overlap(t->len), next;

	t->over = true;
	if (t->end == SPLIT_WHOLE)
		return t->len;
	if (keep < t->boundary.len + 8)
		keep = t->boundary.len + 8;
	next = keep < t->len / 2 ? t->len - keep : t->len / 2;
	return next < from ? from : next;
}

static size_t preamble(struct text *t, size_t i)
{
	size_t end = delimiter(t, i, !t->st->begun);

	if (end == NOT_WHOLE && t->end == SPLIT_PART)
		return NOT_WHOLE;
	t->st->begun = true;
	t->s->cut = end == NOT_WHOLE && t->end == SPLIT_FULL;
	if (!is_empty(t->p + i, (end != NOT_WHOLE ? end : t->len) - i)) {
		t->st->odd = true;
		give(t, PLACE_BODY, none, t->p + i, (end != NOT_WHOLE ? end : t->len) - i);
	}
	t->s->cut = false;
	if (end == NOT_WHOLE)
		return rest(t, i);
	t->st->at = AT_DELIMITER;
	return end;
}

// --boundary, with -- behind the last one, blanks and the end of the line.
static size_t at_delimiter(struct text *t, size_t i)
{
	size_t after = i + 2 + t->boundary.len;
	const uint8_t *lf = memchr(t->p + after, '\n', t->len - after);

	if (lf == NULL && t->end == SPLIT_PART)
		return NOT_WHOLE;
	if (t->len - after >= 2 && t->p[after] == '-' && t->p[after + 1] == '-') {
		t->st->at = AT_PREAMBLE;
		t->st->depth = 1; // the last boundary has been
		return after + 2;
	}
	t->st->depth = 0;
	t->st->at = AT_HEADERS;
	t->st->path_len = t->st->file_len = 0;
	if (lf == NULL)
		return t->len;
	t->st->odd |= !is_empty(t->p + after, (size_t)(lf - t->p) - after);
	return (size_t)(lf - t->p) + 1;
}

// ---- headers of a part ---------------------------------------------------------------------------

// A parameter of Content-Disposition from *at on, of a header that ends at end.
static bool parameter(const uint8_t **at, const uint8_t *end, struct http_bytes *key,
		      struct http_bytes *value)
{
	const uint8_t *p = memchr(*at, ';', (size_t)(end - *at)), *from;
	uint8_t quote;

	if (p == NULL)
		return false;
	for (p++; p < end && is_blank(*p);)
		p++;
	for (from = p; p < end && *p != '=' && *p != ';';)
		p++;
	*key = (struct http_bytes){from, (uint32_t)(p - from)};
	while (key->len > 0 && is_blank(key->p[key->len - 1]))
		key->len--;
	*value = (struct http_bytes){p, 0};
	*at = p;
	if (p == end || *p == ';')
		return true;
	for (p++; p < end && is_blank(*p);)
		p++;
	quote = p < end && (*p == '"' || *p == '\'') ? *p++ : 0;
	from = p;
	if (quote != 0) {
		while (p < end && *p != quote)
			p += *p == '\\' && p + 1 < end && (p[1] == quote || p[1] == '\\') ? 2 : 1;
		if (p > end)
			p = end;
	} else {
		while (p < end && *p != ';')
			p++;
	}
	*value = (struct http_bytes){from, (uint32_t)(p - from)};
	while (quote == 0 && value->len > 0 && is_blank(value->p[value->len - 1]))
		value->len--;
	*at = p;
	return true;
}

static uint16_t keep(uint8_t *to, struct http_bytes b)
{
	uint32_t n = b.len < SPLIT_PATH ? b.len : SPLIT_PATH;

	memcpy(to, b.p, n);
	return (uint16_t)n;
}

// RFC 5987: charset'language'text.
static struct http_bytes ext_value(struct http_bytes b)
{
	const uint8_t *q = memchr(b.p, '\'', b.len), *r;

	if (q == NULL)
		return b;
	r = memchr(q + 1, '\'', (size_t)(b.p + b.len - q - 1));
	if (r == NULL)
		return b;
	return (struct http_bytes){r + 1, (uint32_t)(b.p + b.len - r - 1)};
}

static void disposition(struct text *t, const uint8_t *p, const uint8_t *end)
{
	struct http_bytes key, value;
	struct split_state *st = t->st;

	while (parameter(&p, end, &key, &value)) {
		if (http_bytes_are(key, "name") || http_bytes_are(key, "name*")) {
			give(t, PLACE_FORM_NAME, value, value.p, value.len);
			st->path_len = keep(st->path, value);
		} else if (http_bytes_are(key, "filename") || http_bytes_are(key, "filename*")) {
			if (key.len > 8)
				value = ext_value(value);
			give(t, PLACE_FILE_NAME, split_path(st), value.p, value.len);
			st->file_len = keep(st->file, value);
			st->quote |= PART_FILE;
		}
	}
}

static void header(struct text *t, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *colon = memchr(p, ':', (size_t)(end - p));
	struct http_bytes name;

	if (colon == NULL) {
		t->st->odd = true;
		give(t, PLACE_HEADER, none, p, (size_t)(end - p));
		return;
	}
	name = (struct http_bytes){p, (uint32_t)(colon - p)};
	while (name.len > 0 && is_blank(name.p[name.len - 1]))
		name.len--;
	for (p = colon + 1; p < end && is_blank(*p);)
		p++;
	while (end > p && is_blank(end[-1]))
		end--;
	if (http_bytes_are(name, "content-disposition")) {
		t->st->odd |= t->st->path_len > 0; // the second
		disposition(t, p, end);
	} else if (http_bytes_are(name, "content-type")) {
		t->st->quote |= PART_TYPED;
		give(t, PLACE_CONTENT_TYPE, name, p, (size_t)(end - p));
	} else {
		if (http_bytes_are(name, "content-transfer-encoding") &&
		    http_bytes_are((struct http_bytes){p, (uint32_t)(end - p)}, "quoted-printable"))
			t->st->quote |= PART_QUOTED;
		give(t, PLACE_HEADER, name, p, (size_t)(end - p));
	}
}

// A header with the lines that begin with a blank. Returns what is after it.
static size_t header_end(const struct text *t, size_t i, size_t end)
{
	const uint8_t *lf;

	do {
		lf = memchr(t->p + i, '\n', end - i);
		i = lf != NULL ? (size_t)(lf - t->p) + 1 : end;
	} while (i < end && (t->p[i] == ' ' || t->p[i] == '\t'));
	return i;
}

// After the empty line, from i on; *to: the headers. NOT_WHOLE: there is none before the next delimiter.
static size_t empty_line(const struct text *t, size_t i, size_t *to)
{
	const uint8_t *lf;

	while (i < t->len) {
		*to = i;
		if (t->p[i] == '\n')
			return i + 1;
		if (t->p[i] == '\r' && i + 1 < t->len && t->p[i + 1] == '\n')
			return i + 2;
		if (is_delimiter(t, i))
			return i;
		lf = memchr(t->p + i, '\n', t->len - i);
		if (lf == NULL)
			break;
		i = (size_t)(lf - t->p) + 1;
	}
	*to = t->len;
	return NOT_WHOLE;
}

static size_t headers(struct text *t, size_t i)
{
	size_t to, next = empty_line(t, i, &to), end;
	bool empty;

	if (next == NOT_WHOLE && t->end == SPLIT_PART)
		return NOT_WHOLE;
	t->st->odd |= next == NOT_WHOLE || next == to;
	t->st->quote = 0;
	for (; i < to; i = end) {
		end = header_end(t, i, to);
		header(t, t->p + i, t->p + end);
	}
	empty = next == to; // the next delimiter follows at once
	// Without a name but with a type it is a part of multipart/related or mixed: a document.
	if (t->st->path_len == 0 && (t->st->quote & PART_TYPED) != 0)
		t->st->quote |= PART_FILE;
	t->st->odd |= t->st->path_len == 0 && (t->st->quote & PART_FILE) == 0;
	t->st->at = empty ? AT_DELIMITER : AT_CONTENT;
	if (next != NOT_WHOLE)
		return next;
	t->over = true;
	return t->len;
}

// ---- content -------------------------------------------------------------------------------------

// RFC 2045, section 6.7. out: len bytes
static size_t unquote(const uint8_t *p, size_t len, uint8_t *out)
{
	size_t n = 0, i = 0;

	while (i < len) {
		if (p[i] == '=' && i + 2 < len && decode_digit[p[i + 1]] >= 0 &&
		    decode_digit[p[i + 2]] >= 0) {
			out[n++] = (uint8_t)(decode_digit[p[i + 1]] << 4 | decode_digit[p[i + 2]]);
			i += 3;
		} else if (p[i] == '=' && i + 1 < len && p[i + 1] == '\n') {
			i += 2;
		} else if (p[i] == '=' && i + 2 < len && p[i + 1] == '\r' && p[i + 2] == '\n') {
			i += 3;
		} else {
			out[n++] = p[i++];
		}
	}
	return n;
}

static void give_content(struct text *t, size_t from, size_t to)
{
	struct split_state *st = t->st;
	bool file = (st->quote & PART_FILE) != 0;
	enum inspect_place place = file ? PLACE_FILE : PLACE_FORM;
	struct http_bytes name =
		file ? (struct http_bytes){st->file, st->file_len} : split_path(st);
	uint32_t mark;
	uint8_t *room;
	size_t len;

	give(t, place, name, t->p + from, to - from);
	if ((st->quote & PART_QUOTED) == 0)
		return;
	// Go's library undoes it, PHP's does not.
	mark = split_enter(t->s);
	room = split_room(t->s, to - from);
	len = room != NULL ? unquote(t->p + from, to - from, room) : 0;
	if (len > 0 && len < to - from)
		t->s->value(t->s, place, name, room, len, DECODE_MULTIPART);
	split_leave(t->s, mark);
}

static size_t content(struct text *t, size_t i)
{
	bool more = t->st->at == AT_CONTENT_MORE;
	size_t end = delimiter(t, i, !more);

	if (end == NOT_WHOLE && t->end == SPLIT_PART)
		return NOT_WHOLE;
	t->s->cut = more || (end == NOT_WHOLE && t->end == SPLIT_FULL);
	give_content(t, i, end != NOT_WHOLE ? before_line_end(t, i, end) : t->len);
	t->s->cut = false;
	if (end != NOT_WHOLE) {
		t->st->at = AT_DELIMITER;
		return end;
	}
	t->st->odd |= t->end == SPLIT_WHOLE; // no last boundary
	t->st->at = AT_CONTENT_MORE;
	return rest(t, i);
}

static size_t step(struct text *t, size_t i)
{
	switch (t->st->at) {
	case AT_PREAMBLE:
		return preamble(t, i);
	case AT_DELIMITER:
		return at_delimiter(t, i);
	case AT_HEADERS:
		return headers(t, i);
	default:
		return content(t, i);
	}
}

size_t split_multipart(struct split *s, struct split_state *state, struct http_bytes boundary,
		       const uint8_t *p, size_t len, enum split_end end)
{
	struct text t = {.s = s, .st = state, .boundary = boundary, .p = p, .len = len, .end = end};
	size_t i = 0, next;

	while (i < len && !t.over) {
		next = step(&t, i);
		if (next == NOT_WHOLE)
			return i;
		i = next;
	}
	state->odd |= end == SPLIT_WHOLE && (state->at != AT_PREAMBLE || state->depth == 0);
	return i;
}
