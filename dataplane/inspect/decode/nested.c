// SPDX-License-Identifier: BSD-3-Clause
//
// A value that is a text of another format: a URL, a form, JSON, XML, what PHP's serialize() wrote. Each
// value in it is a reading, named as it is named there. The parsers are those of the message (message/).

#include "dataplane/inspect/decode/decode.h"

#include "dataplane/inspect/inspect_priv.h"
#include "dataplane/inspect/message/split.h"

#include <string.h>
#include <strings.h>

struct nested {
	struct split split;
	enum inspect_decoder how;
};

#define NUMBER (BYTES(DIGIT) | BYTES(DOT) | BYTES(MINUS) | BYTES(SPACE))
#define NAME   (BYTES_WORD | BYTES(DOT) | BYTES(MINUS) | BYTES(UNDERSCORE))
#define KEY    ((NAME & ~BYTES(DOT)) | BYTES(LBRACKET) | BYTES(RBRACKET) | BYTES(COLON))

// Numbers, short words and ordinary names do no harm anywhere, and a value has room for so many readings.
static bool is_dull(enum inspect_place place, const uint8_t *p, size_t len)
{
	uint64_t set;

	if (len > 64)
		return false;
	set = bytes_set(p, len);
	// A name with dots may be a path to a class, one with __ to a prototype.
	if (place == PLACE_JSON_KEY || place == PLACE_QUERY_NAME)
		return (set & ~KEY) == 0 &&
		       ((set & BYTES(UNDERSCORE)) == 0 || bytes_find2(p, len, '_', '_') == NULL);
	return (set & ~NUMBER) == 0 || (len < 8 && (set & ~NAME) == 0);
}

// A name is the parser's until it returns; a reading has it for as long as the tree stands.
static struct http_bytes keep(struct split *s, struct http_bytes name)
{
	const struct inspect_node *n = s->node;
	uint8_t *room;

	if (name.len == 0)
		return n->name;
	if (name.p >= n->p && name.p < n->p + n->len)
		return name;
	room = inspect_scratch(s->in, name.len);
	if (room == NULL)
		return n->name;
	memcpy(room, name.p, name.len);
	return (struct http_bytes){room, name.len};
}

static void take(struct split *s, enum inspect_place place, struct http_bytes name,
		 const uint8_t *p, size_t len, enum inspect_decoder how)
{
	struct nested *x = (struct nested *)s;

	(void)how;
	if (!is_dull(place, p, len))
		inspect_node_add_named(s->in, s->node, x->how, place, keep(s, name), p, len);
}

static const uint8_t *skip_blanks(const uint8_t *p, const uint8_t *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

static uint8_t last_sign(const struct inspect_node *n)
{
	const uint8_t *p = n->p + n->len;

	while (p > n->p + 1 && (p[-1] == ' ' || p[-1] == '\n' || p[-1] == '\r' || p[-1] == '\t'))
		p--;
	return p[-1];
}

static bool is_letter(uint8_t c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

// ---- which format --------------------------------------------------------------------------------

static bool is_json(const struct inspect_node *n, uint8_t first)
{
	uint8_t last = last_sign(n);

	return (first == '{' && (last == '}' || n->cut) && (n->set & BYTES(COLON)) != 0) ||
	       (first == '[' && (last == ']' || n->cut) &&
		(n->set & (BYTES(DQUOTE) | BYTES(LBRACE))) != 0);
}

// An element that a page may have is for the analyser of scripts, which reads the whole of it.
static bool is_html_element(const uint8_t *p, size_t len)
{
	static const char *const names[] = {
		"a",        "abbr",    "article", "audio",  "b",        "blockquote", "body",
		"br",       "button",  "center",  "code",   "details",  "div",        "em",
		"embed",    "figure",  "font",    "form",   "frameset", "h1",         "h2",
		"h3",       "h4",      "h5",      "h6",     "head",     "hr",         "html",
		"i",        "iframe",  "img",     "input",  "isindex",  "label",      "li",
		"link",     "marquee", "math",    "meta",   "object",   "ol",         "p",
		"pre",      "script",  "section", "select", "small",    "span",       "strong",
		"style",    "sub",     "sup",     "svg",    "table",    "tbody",      "td",
		"textarea", "th",      "thead",   "title",  "tr",       "u",          "ul",
		"video",    "x",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len && strncasecmp(names[i], (const char *)p, len) == 0)
			return true;
	return false;
}

static bool is_xml(const struct inspect_node *n, const uint8_t *p)
{
	const uint8_t *end = n->p + n->len, *q;

	if (end - p < 7 || (last_sign(n) != '>' && !n->cut))
		return false;
	if (memcmp(p, "<?xml", 5) == 0)
		return true;
	if (!is_letter(p[1]))
		return false;
	for (q = p + 1; q < end && (is_letter(*q) || (*q >= '0' && *q <= '9')); q++)
		;
	if (q < end && (*q == ':' || *q == '-' || *q == '_' || *q == '.'))
		return true;
	return q < end && !is_html_element(p + 1, (size_t)(q - p - 1)) &&
	       bytes_find2(q, (size_t)(end - q), '<', '/') != NULL;
}

static bool is_name(uint8_t c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' ||
	       c == '[' || c == ']' || c == '%' || c == '$';
}

static bool is_form(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *q = p;

	while (q < end && q - p < 64 && is_name(*q))
		q++;
	return q > p && q + 1 < end && *q == '=' && q[1] != '=';
}

static bool is_url(const struct inspect_node *n, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *q = p;

	if (*p == '/')
		return (n->set & BYTES(QUESTION)) != 0 || (end - p > 2 && p[1] == '/');
	while (q < end && q - p < 16 && (is_letter(*q) || *q == '+'))
		q++;
	return q > p && end - q > 3 && memcmp(q, "://", 3) == 0;
}

// ---- PHP -----------------------------------------------------------------------------------------

// A number and the sign behind it, at p. Returns what follows, NULL: there is none.
static const uint8_t *count(const uint8_t *p, const uint8_t *end, uint8_t sign, size_t *value)
{
	const uint8_t *q = p;

	for (*value = 0; q < end && q - p < 9 && *q >= '0' && *q <= '9'; q++)
		*value = *value * 10 + *q - '0';
	return q > p && q < end && *q == sign ? q + 1 : NULL;
}

static bool is_php(const uint8_t *p, const uint8_t *end)
{
	size_t n;
	const uint8_t *q = end - p > 5 && memchr("aOCs", *p, 4) != NULL && p[1] == ':'
				   ? count(p + 2, end, ':', &n)
				   : NULL;

	return q != NULL && q < end && (*q == '{' || *q == '"');
}

// The strings of it, which are the only part with text of the sender's choice (objects are judged whole).
static void split_php(struct split *s, const uint8_t *p, const uint8_t *end)
{
	static const struct http_bytes none;

	while (p != NULL && p + 1 < end) {
		size_t len;

		if (*p == '}' || *p == '{' || *p == ';' || *p == 'N' || *p == ':') {
			p++;
		} else if ((*p == 's' || *p == 'O' || *p == 'C') && p[1] == ':') {
			bool string = *p == 's';

			p = count(p + 2, end, ':', &len);
			if (p == NULL || p == end || *p != '"' || (size_t)(end - p) < len + 2)
				return;
			if (string && len > 0)
				s->value(s, s->node->place, none, p + 1, len, DECODE_NONE);
			p += len + 2;
		} else { // a:2: i:1 d:0.5 b:1 r:1, and the count of an object's fields
			while (p < end && *p != ';' && *p != '{' && *p != '}')
				p++;
		}
	}
}

// ---- one node ------------------------------------------------------------------------------------

// Percent-decoding of a form was split before it was decoded.
static bool is_again(const struct inspect *in, const struct inspect_node *n)
{
	const struct inspect_node *parent = n->parent != NODE_NONE ? &in->node[n->parent] : NULL;

	return n->decoder == DECODE_PERCENT && parent != NULL &&
	       is_form(parent->p, parent->p + parent->len);
}

bool decode_nested(struct inspect *in, const struct inspect_node *n)
{
	const uint8_t *end = n->p + n->len, *p = skip_blanks(n->p, end);
	struct nested x = {.split = {.value = take, .in = in, .node = n}};
	struct split_state state;

	if (end - p < 3)
		return false;
	split_start(&state);
	if ((*p == '{' || *p == '[') && is_json(n, *p)) {
		x.how = DECODE_JSON;
		split_json(&x.split, &state, p, (size_t)(end - p), SPLIT_WHOLE);
		return !state.odd && !in->bounded && !n->cut;
	}
	if (*p == '<') {
		x.how = DECODE_XML;
		if (is_xml(n, p))
			split_xml(&x.split, &state, p, (size_t)(end - p), SPLIT_WHOLE);
	} else if ((n->set & BYTES(COLON)) != 0 && is_php(p, end)) {
		x.how = DECODE_PHP_SERIAL;
		split_php(&x.split, p, end);
	} else if ((n->set & BYTES(SLASH)) != 0 && is_url(n, p, end)) {
		x.how = DECODE_URL;
		split_url(&x.split, p, (size_t)(end - p), n->place, n->place);
	} else if ((n->set & BYTES(EQ)) != 0 && is_form(p, end) && !is_again(in, n)) {
		x.how = DECODE_FORM;
		split_form(&x.split, p, (size_t)(end - p), n->place, PLACE_QUERY_NAME);
	}
	return false;
}
