// SPDX-License-Identifier: BSD-3-Clause
//
// JSON (RFC 8259), read as a run of tokens: no tree is built and nothing has to match, so any bytes are
// read to their end. What a strict parser would refuse is noted as odd.

#include "dataplane/inspect/message/split.h"

#include "dataplane/inspect/decode/decode.h"

#include <string.h>

enum at {
	AT_VALUE,  // a value or a key may come
	AT_AFTER,  // one has been: a comma or an end is due
	AT_STRING, // within a string that began in an earlier window
};

struct text {
	struct split *s;
	struct split_state *st;
	const uint8_t *p;
	size_t len;
	enum split_end end;
};

#define NOT_WHOLE SIZE_MAX

// ---- strings -------------------------------------------------------------------------------------

// Four digits; -1: they are none.
static int32_t hex4(const uint8_t *p, size_t len)
{
	int32_t n = 0;

	if (len < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		if (decode_digit[p[i]] < 0)
			return -1;
		n = n << 4 | decode_digit[p[i]];
	}
	return n;
}

// \u at p[0], p[1]. Returns: bytes read; 0: it is none.
static size_t unescape_u(const uint8_t *p, size_t len, uint8_t *out, size_t *n)
{
	int32_t c = hex4(p + 2, len - 2), low;

	if (c < 0)
		return 0;
	if (c >= 0xd800 && c < 0xdc00 && len >= 12 && p[6] == '\\' && p[7] == 'u') {
		low = hex4(p + 8, len - 8);
		if (low >= 0xdc00 && low < 0xe000) {
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			*n += decode_utf8((uint32_t)c, out + *n);
			return 12;
		}
	}
	*n += decode_utf8((uint32_t)c, out + *n);
	return 6;
}

// Section 7. An escape that JSON does not know stays.
size_t split_json_unescape(const uint8_t *p, size_t len, uint8_t *out)
{
	static const char from[] = "\"\\/bfnrt'", to[] = "\"\\/\b\f\n\r\t'";
	size_t n = 0, used;
	const char *f;

	for (size_t i = 0; i < len;) {
		if (p[i] != '\\' || i + 1 == len) {
			out[n++] = p[i++];
			continue;
		}
		f = p[i + 1] != 0 ? strchr(from, p[i + 1]) : NULL;
		if (f != NULL) {
			out[n++] = (uint8_t)to[f - from];
			i += 2;
		} else if (p[i + 1] == 'u' && (used = unescape_u(p + i, len - i, out, &n)) > 0) {
			i += used;
		} else {
			out[n++] = p[i++];
			out[n++] = p[i++];
		}
	}
	return n;
}

// Is the byte at `at` behind an odd number of backslashes?
static bool escaped(const uint8_t *p, size_t from, size_t at)
{
	size_t n = 0;

	while (at > from && p[at - 1] == '\\') {
		at--;
		n++;
	}
	return (n & 1) != 0;
}

// The quote that ends the string that begins at `from`.
static size_t string_end(const struct text *t, size_t from, uint8_t quote)
{
	const uint8_t *q;

	for (size_t i = from; i < t->len; i = (size_t)(q - t->p) + 1) {
		q = memchr(t->p + i, quote, t->len - i);
		if (q == NULL)
			break;
		if (!escaped(t->p, from, (size_t)(q - t->p)))
			return (size_t)(q - t->p);
	}
	return NOT_WHOLE;
}

// A string is given, or becomes the name of what follows. room is left to the caller.
static void give(const struct text *t, const uint8_t *p, size_t len, bool key)
{
	struct split *s = t->s;
	uint32_t mark = split_enter(s);
	enum inspect_decoder how = DECODE_NONE;
	uint8_t *room;

	if (memchr(p, '\\', len) != NULL && (room = split_room(s, len)) != NULL) {
		len = split_json_unescape(p, len, room);
		p = room;
		how = DECODE_JSON_ESCAPE;
	}
	if (key)
		split_path_name(t->st, p, len);
	if (len > 0)
		s->value(s, key ? PLACE_JSON_KEY : PLACE_JSON, split_path(t->st), p, len, how);
	split_leave(s, mark);
}

// ---- tokens --------------------------------------------------------------------------------------

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool in_object(const struct split_state *st)
{
	return st->depth > 0 && st->depth < 64 && (st->objects >> st->depth & 1) != 0;
}

// A value begins: its name, where it has no key. Returns false where one was not due.
static void value_begins(struct split_state *st)
{
	// Several texts in a row are what application/x-ndjson is.
	st->odd |= st->at == AT_AFTER && st->depth > 0;
	if (!in_object(st) && st->depth > 0)
		split_path_index(st);
	st->at = AT_AFTER;
}

// Is what ends at i a key? *next is after its colon.
static bool is_key(const struct text *t, size_t i, size_t *next)
{
	while (i < t->len && is_blank(t->p[i]))
		i++;
	*next = i + 1;
	return i < t->len && t->p[i] == ':';
}

// Nothing but blanks follow, so that it cannot be told yet whether it is a key.
static bool undecided(const struct text *t, size_t i)
{
	while (i < t->len && is_blank(t->p[i]))
		i++;
	return i == t->len && t->end == SPLIT_PART;
}

static void give_key(const struct text *t, const uint8_t *p, size_t len)
{
	t->st->odd |= !in_object(t->st) || t->st->at != AT_VALUE;
	give(t, p, len, true);
	t->st->at = AT_VALUE;
}

// The part that is seen of a string without an end. Returns where the next window goes on.
static size_t string_part(const struct text *t, size_t from, uint8_t quote)
{
	size_t next = t->len - split_overlap(t->len);

	t->s->cut = t->end != SPLIT_WHOLE;
	t->st->odd |= t->end == SPLIT_WHOLE;
	give(t, t->p + from, t->len - from, false);
	t->s->cut = false;
	if (t->end == SPLIT_WHOLE)
		return t->len;
	if (next < from)
		next = from;
	else if (escaped(t->p, from, next))
		next--;
	t->st->at = AT_STRING;
	t->st->quote = quote;
	return next;
}

static size_t string(const struct text *t, size_t i)
{
	uint8_t quote = t->p[i];
	size_t from = i + 1, to = string_end(t, from, quote), next;

	if (to == NOT_WHOLE && t->end == SPLIT_PART)
		return NOT_WHOLE;
	t->st->odd |= quote != '"';
	if (to == NOT_WHOLE) {
		value_begins(t->st);
		return string_part(t, from, quote);
	}
	if (undecided(t, to + 1))
		return NOT_WHOLE;
	if (is_key(t, to + 1, &next)) {
		give_key(t, t->p + from, to - from);
		return next;
	}
	value_begins(t->st);
	give(t, t->p + from, to - from, false);
	return to + 1;
}

// The rest of a string of which earlier windows gave the beginning.
static size_t string_goes_on(const struct text *t)
{
	size_t to = string_end(t, 0, t->st->quote);

	if (to == NOT_WHOLE)
		return t->end == SPLIT_PART ? NOT_WHOLE : string_part(t, 0, t->st->quote);
	t->s->cut = true;
	give(t, t->p, to, false);
	t->s->cut = false;
	t->st->at = AT_AFTER;
	return to + 1;
}

static bool is_number(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((p[i] < '0' || p[i] > '9') && p[i] != '.' && p[i] != '-' && p[i] != '+' &&
		    p[i] != 'e' && p[i] != 'E')
			return false;
	return len <= 64;
}

static bool is_literal(const uint8_t *p, size_t len)
{
	return (len == 4 && (memcmp(p, "true", 4) == 0 || memcmp(p, "null", 4) == 0)) ||
	       (len == 5 && memcmp(p, "false", 5) == 0);
}

static bool ends_word(uint8_t c)
{
	return c == ',' || c == ']' || c == '}' || c == ':' || c == '{' || c == '[' || c == '"' ||
	       c == '\n';
}

// A number, a literal, or what no JSON has: up to what would end it.
static size_t word(const struct text *t, size_t i)
{
	size_t to = i + 1, last, next;

	while (to < t->len && !ends_word(t->p[to]))
		to++;
	if (to == t->len && t->end == SPLIT_PART)
		return NOT_WHOLE;
	for (last = to; last > i + 1 && is_blank(t->p[last - 1]);)
		last--;
	if (is_key(t, to, &next)) {
		t->st->odd = true;
		give_key(t, t->p + i, last - i);
		return next;
	}
	value_begins(t->st);
	if (is_number(t->p + i, last - i) || is_literal(t->p + i, last - i))
		return to;
	t->st->odd = true;
	t->s->cut = to == t->len && t->end == SPLIT_FULL;
	give(t, t->p + i, last - i, false);
	if (t->s->cut && to - i > split_overlap(t->len))
		to -= split_overlap(t->len);
	t->s->cut = false;
	return to;
}

// As JavaScript has them. Some parsers drop them, so they are no values.
static size_t comment(const struct text *t, size_t i)
{
	const uint8_t *e;

	t->st->odd = true;
	if (i + 1 == t->len)
		return t->end == SPLIT_PART ? NOT_WHOLE : t->len;
	if (t->p[i + 1] == '/')
		e = memchr(t->p + i, '\n', t->len - i);
	else
		e = t->len - i > 2 ? memmem(t->p + i + 2, t->len - i - 2, "*/", 2) : NULL;
	if (e == NULL)
		return t->end == SPLIT_PART ? NOT_WHOLE : t->len;
	return (size_t)(e - t->p) + (t->p[i + 1] == '/' ? 1 : 2);
}

static void closes(struct split_state *st, uint8_t c)
{
	st->odd |= st->depth == 0 || (st->depth < 64 && in_object(st) != (c == '}'));
	// A comma before it.
	st->odd |= st->at == AT_VALUE && st->depth < SPLIT_LEVELS && st->index[st->depth] > 0;
	if (st->depth > 0)
		split_path_pop(st);
	st->at = AT_AFTER;
}

static void comma(struct split_state *st)
{
	st->odd |= st->at != AT_AFTER || st->depth == 0;
	if (st->depth < SPLIT_LEVELS)
		st->index[st->depth]++;
	st->at = AT_VALUE;
}

static size_t token(const struct text *t, size_t i)
{
	uint8_t c = t->p[i];

	switch (c) {
	case ' ':
	case '\t':
	case '\n':
	case '\r':
	case 0x1e: // RFC 7464
		return i + 1;
	case '{':
	case '[':
		value_begins(t->st);
		split_path_push(t->st, c == '{');
		t->st->at = AT_VALUE;
		return i + 1;
	case '}':
	case ']':
		closes(t->st, c);
		return i + 1;
	case ',':
		comma(t->st);
		return i + 1;
	case ':':
		t->st->odd = true;
		return i + 1;
	case '"':
	case '\'':
		return string(t, i);
	case '/':
		if (i + 1 == t->len || t->p[i + 1] == '/' || t->p[i + 1] == '*')
			return comment(t, i);
		return word(t, i);
	default:
		return word(t, i);
	}
}

size_t split_json(struct split *s, struct split_state *state, const uint8_t *p, size_t len,
		  enum split_end end)
{
	struct text t = {.s = s, .st = state, .p = p, .len = len, .end = end};
	size_t i = 0, next;

	if (!state->begun && len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		i = 3; // a byte order mark
	state->begun = true;
	if (state->at == AT_STRING && len > 0) {
		i = string_goes_on(&t);
		if (i == NOT_WHOLE)
			return 0;
	}
	while (i < len && state->at != AT_STRING) {
		next = token(&t, i);
		if (next == NOT_WHOLE)
			return i;
		i = next;
	}
	state->odd |= end == SPLIT_WHOLE && state->depth > 0;
	return i;
}
