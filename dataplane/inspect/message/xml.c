// SPDX-License-Identifier: BSD-3-Clause
//
// XML 1.0, read as a run of tags and text: no tree is built, tags need not match. Text runs from tag to
// tag: CDATA in it is text, comments and processing instructions in it are nothing, as for whoever asks an
// element for its content. HTML that is sent as XML is read too; what is not well-formed is noted as odd.

#include "dataplane/inspect/message/split.h"

#include "dataplane/inspect/decode/decode.h"

#include <string.h>

enum at {
	AT_PROLOG, // before the first element
	AT_TEXT,
	AT_CDATA,     // within CDATA that began in an earlier window
	AT_TAG,       // within a start tag, before an attribute
	AT_ATTRIBUTE, // within a value that began in an earlier window
};

struct text {
	struct split *s;
	struct split_state *st;
	const uint8_t *p;
	size_t len;
	enum split_end end;
	bool over; // the window is used up, whatever follows
};

#define NOT_WHOLE SIZE_MAX

static const struct http_bytes none;

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool begins_name(uint8_t c)
{
	return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' || c == ':' || c >= 0x80;
}

static bool starts(struct text *t, size_t i, const char *with)
{
	size_t n = strlen(with);

	return t->len - i >= n && memcmp(t->p + i, with, n) == 0;
}

// After the first `what` from i on; NOT_WHOLE: there is none.
static size_t after(struct text *t, size_t i, const char *what)
{
	size_t n = strlen(what);
	const uint8_t *at = i < t->len ? memmem(t->p + i, t->len - i, what, n) : NULL;

	return at != NULL ? (size_t)(at - t->p) + n : NOT_WHOLE;
}

// ---- values --------------------------------------------------------------------------------------

static void give(struct text *t, enum inspect_place place, const uint8_t *p, size_t len)
{
	struct split *s = t->s;
	uint32_t mark = split_enter(s);
	enum inspect_decoder how = DECODE_NONE;
	uint8_t *room;

	if (place != PLACE_XML_MARKUP && memchr(p, '&', len) != NULL &&
	    (room = split_room(s, len)) != NULL) {
		size_t n = decode_html(p, len, room);

		how = n < len ? DECODE_HTML : DECODE_NONE;
		p = room;
		len = n;
	}
	if (len > 0)
		s->value(s, place, place == PLACE_XML_MARKUP ? none : split_path(t->st), p, len,
			 how);
	split_leave(s, mark);
}

static bool is_empty(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_blank(p[i]))
			return false;
	return true;
}

// ---- markup that is no element -------------------------------------------------------------------

// <!DOCTYPE .. [ .. ]>: its quotes, comments and inner declarations. Returns what is after it.
static size_t declaration_end(struct text *t, size_t i)
{
	unsigned depth = 0;
	uint8_t c;

	while (i < t->len) {
		c = t->p[i];
		if (c == '"' || c == '\'') {
			const uint8_t *q = memchr(t->p + i + 1, c, t->len - i - 1);

			if (q == NULL)
				return NOT_WHOLE;
			i = (size_t)(q - t->p);
		} else if (starts(t, i, "<!--")) {
			i = after(t, i + 4, "-->");
			if (i == NOT_WHOLE)
				return NOT_WHOLE;
			continue;
		} else if (c == '<' || c == '[') {
			depth++;
		} else if (c == '>' || c == ']') {
			if (depth > 0)
				depth--;
			if (c == '>' && depth == 0)
				return i + 1;
		}
		i++;
	}
	return NOT_WHOLE;
}

// After a comment, processing instruction or declaration that begins at i.
static size_t markup_end(struct text *t, size_t i)
{
	if (starts(t, i, "<!--"))
		return after(t, i + 4, "-->");
	if (starts(t, i, "<?"))
		return after(t, i + 2, "?>");
	return declaration_end(t, i);
}

// Does markup begin at i that is no element and no CDATA?
static bool is_markup(struct text *t, size_t i)
{
	return i + 1 < t->len && t->p[i] == '<' && (t->p[i + 1] == '?' || t->p[i + 1] == '!') &&
	       !starts(t, i, "<![CDATA[");
}

// What is seen of something without an end was given, from `from` on: the next window goes on where this
// says.
static size_t rest(struct text *t, size_t from)
{
	size_t next = t->len - split_overlap(t->len);

	t->over = true;
	if (t->end == SPLIT_WHOLE)
		return t->len;
	return next < from ? from : next;
}

// All before the first element, as one value.
static size_t prolog(struct text *t)
{
	size_t i = 0, end;

	while (i < t->len) {
		if (is_markup(t, i)) {
			end = markup_end(t, i);
			if (end == NOT_WHOLE)
				break;
			i = end;
		} else if (t->p[i] == '<' && i + 1 < t->len) {
			if (i > 0 && !is_empty(t->p, i))
				give(t, PLACE_XML_MARKUP, t->p, i);
			t->st->at = AT_TEXT;
			return i;
		} else {
			t->st->odd |= t->p[i] != '<' && t->p[i] < 0x80 && !is_blank(t->p[i]);
			i++;
		}
	}
	if (t->end == SPLIT_PART)
		return NOT_WHOLE;
	t->st->odd = true;
	t->s->cut = t->end == SPLIT_FULL;
	give(t, PLACE_XML_MARKUP, t->p, t->len);
	t->s->cut = false;
	return rest(t, 0);
}

// ---- text ----------------------------------------------------------------------------------------

// Where the text that begins at i ends: at a tag. *plain: nothing is to be left out of it. *cdata: how it
// stands at its end, where that is not seen.
static size_t text_end(struct text *t, size_t i, bool *plain, bool *cdata)
{
	const uint8_t *lt;
	size_t end;

	*plain = !*cdata;
	while (i < t->len) {
		if (*cdata) {
			end = after(t, i, "]]>");
			if (end == NOT_WHOLE)
				return NOT_WHOLE;
			*cdata = false;
			i = end;
			continue;
		}
		lt = memchr(t->p + i, '<', t->len - i);
		if (lt == NULL || lt + 1 == t->p + t->len)
			return NOT_WHOLE;
		i = (size_t)(lt - t->p);
		if (starts(t, i, "<![CDATA[")) {
			*plain = false;
			*cdata = true;
			i += 9;
		} else if (is_markup(t, i)) {
			*plain = false;
			end = markup_end(t, i);
			if (end == NOT_WHOLE)
				return NOT_WHOLE;
			i = end;
		} else if (t->p[i + 1] == '/' || begins_name(t->p[i + 1])) {
			return i;
		} else {
			t->st->odd = true;
			i++;
		}
	}
	return NOT_WHOLE;
}

// Text of [i, end) into out: entities undone, CDATA as it is, other markup given by itself and left out.
static size_t gather(struct text *t, size_t i, size_t end, bool cdata, uint8_t *out)
{
	size_t n = 0, to;

	while (i < end) {
		if (cdata) {
			to = after(t, i, "]]>");
			if (to == NOT_WHOLE || to > end)
				to = end + 3;
			memcpy(out + n, t->p + i, to - 3 - i);
			n += to - 3 - i;
			cdata = false;
		} else if (starts(t, i, "<![CDATA[")) {
			cdata = true;
			to = i + 9;
		} else if (is_markup(t, i)) {
			to = markup_end(t, i);
			if (to == NOT_WHOLE || to > end)
				to = end;
		} else {
			const uint8_t *lt = memchr(t->p + i + 1, '<', end - i - 1);

			to = lt != NULL ? (size_t)(lt - t->p) : end;
			n += decode_html(t->p + i, to - i, out + n);
		}
		i = to;
	}
	return n;
}

// Markup within text, each by itself.
static void give_markup(struct text *t, size_t i, size_t end)
{
	while (i < end) {
		const uint8_t *lt = memchr(t->p + i, '<', end - i);
		size_t to;

		if (lt == NULL)
			return;
		i = (size_t)(lt - t->p);
		to = i + 1;
		if (starts(t, i, "<![CDATA[")) {
			to = after(t, i, "]]>");
		} else if (is_markup(t, i)) {
			to = markup_end(t, i);
			give(t, PLACE_XML_MARKUP, t->p + i, (to < end ? to : end) - i);
		}
		if (to >= end)
			return;
		i = to;
	}
}

static void give_text(struct text *t, size_t i, size_t end, bool plain, bool cdata)
{
	struct split *s = t->s;
	uint32_t mark;
	uint8_t *room;
	size_t n;

	if (end == i || (plain && is_empty(t->p + i, end - i)))
		return;
	if (plain) {
		give(t, PLACE_XML_TEXT, t->p + i, end - i);
		return;
	}
	mark = split_enter(s);
	room = split_room(s, end - i);
	if (room == NULL) {
		s->value(s, PLACE_XML_TEXT, split_path(t->st), t->p + i, end - i, DECODE_NONE);
	} else {
		n = gather(t, i, end, cdata, room);
		if (!is_empty(room, n))
			s->value(s, PLACE_XML_TEXT, split_path(t->st), room, n, DECODE_XML);
	}
	split_leave(s, mark);
	if (!cdata)
		give_markup(t, i, end);
}

static size_t text(struct text *t, size_t i)
{
	bool cdata = t->st->at == AT_CDATA, began = cdata, plain;
	size_t end = text_end(t, i, &plain, &cdata);

	if (end == NOT_WHOLE && t->end == SPLIT_PART)
		return NOT_WHOLE;
	if (end == NOT_WHOLE) {
		t->st->odd |= t->end == SPLIT_WHOLE &&
			      (t->st->depth > 0 || !is_empty(t->p + i, t->len - i));
		t->s->cut = t->end == SPLIT_FULL;
		give_text(t, i, t->len, plain, began);
		t->s->cut = false;
		t->st->at = cdata ? AT_CDATA : AT_TEXT;
		return rest(t, i);
	}
	t->s->cut = began;
	give_text(t, i, end, plain, began);
	t->s->cut = false;
	t->st->at = AT_TEXT;
	return end;
}

// ---- tags ----------------------------------------------------------------------------------------

static bool ends_name(uint8_t c)
{
	return is_blank(c) || c == '>' || c == '/' || c == '=' || c == '<';
}

static size_t name_end(struct text *t, size_t i)
{
	while (i < t->len && !ends_name(t->p[i]))
		i++;
	return i;
}

static void leave_element(struct split_state *st)
{
	st->odd |= st->depth == 0;
	if (st->depth > 0)
		split_path_pop(st);
	if (st->depth < SPLIT_LEVELS)
		st->path_len = st->level[st->depth];
}

static size_t end_tag(struct text *t, size_t i)
{
	const uint8_t *gt = memchr(t->p + i, '>', t->len - i);

	if (gt == NULL)
		return t->end == SPLIT_PART ? NOT_WHOLE : t->len;
	leave_element(t->st);
	return (size_t)(gt - t->p) + 1;
}

static size_t start_tag(struct text *t, size_t i)
{
	size_t end = name_end(t, i + 1);

	if (end == t->len && t->end == SPLIT_PART)
		return NOT_WHOLE;
	split_path_name(t->st, t->p + i + 1, end - i - 1);
	split_path_push(t->st, true);
	t->st->at = AT_TAG;
	return end;
}

// The value of an attribute, from i on, that `quote` ends (0: a blank or the tag's end does).
static size_t value_end(struct text *t, size_t i, uint8_t quote)
{
	const uint8_t *q;

	if (quote != 0) {
		q = i < t->len ? memchr(t->p + i, quote, t->len - i) : NULL;
		return q != NULL ? (size_t)(q - t->p) : NOT_WHOLE;
	}
	while (i < t->len && !is_blank(t->p[i]) && t->p[i] != '>')
		i++;
	return i < t->len ? i : NOT_WHOLE;
}

static size_t value_part(struct text *t, size_t i, uint8_t quote)
{
	t->st->odd |= t->end == SPLIT_WHOLE;
	t->s->cut = t->end == SPLIT_FULL;
	give(t, PLACE_XML_ATTRIBUTE, t->p + i, t->len - i);
	t->s->cut = false;
	t->st->at = AT_ATTRIBUTE;
	t->st->quote = quote;
	return rest(t, i);
}

static size_t value_goes_on(struct text *t)
{
	uint8_t quote = t->st->quote;
	size_t end = value_end(t, 0, quote);

	if (end == NOT_WHOLE)
		return t->end == SPLIT_PART ? NOT_WHOLE : value_part(t, 0, quote);
	t->s->cut = true;
	give(t, PLACE_XML_ATTRIBUTE, t->p, end);
	t->s->cut = false;
	t->st->at = AT_TAG;
	return end + (quote != 0);
}

static void attribute_name(struct split_state *st, const uint8_t *p, size_t len)
{
	uint32_t at;

	split_path_name(st, p, len);
	// "/a/b/@href", as XPath has it.
	at = st->depth < SPLIT_LEVELS ? st->level[st->depth] : st->level[SPLIT_LEVELS - 1];
	if (st->path_len + 1U > SPLIT_PATH)
		st->path_len--;
	memmove(st->path + at + 2, st->path + at + 1, st->path_len - at - 1U);
	st->path[at + 1] = '@';
	st->path_len++;
}

static size_t attribute(struct text *t, size_t i)
{
	size_t end = name_end(t, i), v = end, to;
	uint8_t quote = 0;

	while (v < t->len && is_blank(t->p[v]))
		v++;
	if (v == t->len && t->end == SPLIT_PART)
		return NOT_WHOLE;
	attribute_name(t->st, t->p + i, end - i);
	if (v == t->len || t->p[v] != '=') {
		t->st->odd = true; // no value
		return end > i ? end : i + 1;
	}
	for (v++; v < t->len && is_blank(t->p[v]);)
		v++;
	if (v < t->len && (t->p[v] == '"' || t->p[v] == '\''))
		quote = t->p[v++];
	to = value_end(t, v, quote);
	if (to == NOT_WHOLE && t->end == SPLIT_PART)
		return NOT_WHOLE;
	t->st->odd |= quote == 0;
	if (to == NOT_WHOLE)
		return value_part(t, v, quote);
	give(t, PLACE_XML_ATTRIBUTE, t->p + v, to - v);
	return to + (quote != 0);
}

// What comes next within a start tag.
static size_t in_tag(struct text *t, size_t i)
{
	struct split_state *st = t->st;

	if (is_blank(t->p[i]))
		return i + 1;
	if (t->p[i] == '/') {
		if (i + 1 == t->len && t->end == SPLIT_PART)
			return NOT_WHOLE;
		if (i + 1 < t->len && t->p[i + 1] == '>') {
			leave_element(st);
			st->at = AT_TEXT;
			return i + 2;
		}
		return i + 1;
	}
	if (t->p[i] == '>' || t->p[i] == '<') {
		st->odd |= t->p[i] == '<';
		st->path_len = st->depth < SPLIT_LEVELS ? st->level[st->depth] : st->path_len;
		st->at = AT_TEXT;
		return i + (t->p[i] == '>');
	}
	return attribute(t, i);
}

static size_t step(struct text *t, size_t i)
{
	switch (t->st->at) {
	case AT_TAG:
		return in_tag(t, i);
	case AT_ATTRIBUTE:
		return value_goes_on(t);
	default:
		break;
	}
	if (t->st->at == AT_TEXT && t->p[i] == '<' && i + 1 < t->len) {
		if (t->p[i + 1] == '/')
			return end_tag(t, i);
		if (begins_name(t->p[i + 1]))
			return start_tag(t, i);
	}
	return text(t, i);
}

size_t split_xml(struct split *s, struct split_state *state, const uint8_t *p, size_t len,
		 enum split_end end)
{
	struct text t = {.s = s, .st = state, .p = p, .len = len, .end = end};
	size_t i = 0, next;

	if (state->at == AT_PROLOG && len > 0) {
		i = prolog(&t);
		if (i == NOT_WHOLE)
			return 0;
		if (t.over)
			return i;
	}
	while (i < len && !t.over) {
		next = step(&t, i);
		if (next == NOT_WHOLE)
			return i;
		i = next;
	}
	state->odd |= end == SPLIT_WHOLE && state->depth > 0;
	return i;
}
