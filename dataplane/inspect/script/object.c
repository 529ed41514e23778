// SPDX-License-Identifier: BSD-3-Clause
//
// Data that becomes code: what Python's pickle, Ruby's Marshal, YAML with tags of these languages and
// node-serialize make of it, and names that reach into JavaScript's prototypes.

#include "dataplane/inspect/script/code.h"
#include "dataplane/inspect/script/pickle.h"

#include <string.h>

static bool is_letter(uint8_t c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_word(uint8_t c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '$';
}

static bool is_text(const uint8_t *p, size_t len, const char *text)
{
	return len == strlen(text) && memcmp(p, text, len) == 0;
}

// ---- prototypes ----------------------------------------------------------------------------------

// Parts between dots, brackets and slashes, as libraries that set values by path take them. Returns where
// the part at or behind i ends; *from: where it begins
static size_t part(const uint8_t *p, size_t len, size_t i, size_t *from)
{
	while (i < len && memchr(".[]/'\"", p[i], 6) != NULL)
		i++;
	*from = i;
	while (i < len && is_word(p[i]))
		i++;
	return i;
}

static bool reaches_prototype(const uint8_t *p, size_t len)
{
	bool constructor = false;
	size_t i = 0, from;

	if (bytes_find2(p, len, '_', '_') == NULL && bytes_find2(p, len, 'y', 'p') == NULL)
		return false;

	while (i < len) {
		size_t to = part(p, len, i, &from);

		if (to == from)
			return false;
		if (is_text(p + from, to - from, "__proto__"))
			return true;
		if (constructor && is_text(p + from, to - from, "prototype"))
			return true;
		constructor = is_text(p + from, to - from, "constructor");
		i = to;
	}
	return false;
}

static bool is_name(uint8_t place)
{
	return place == PLACE_QUERY_NAME || place == PLACE_FORM_NAME || place == PLACE_JSON_KEY ||
	       place == PLACE_COOKIE_NAME;
}

static void judge_names(struct inspect *in, const struct inspect_node *n)
{
	if (n->len >= 9 && reaches_prototype(n->p, n->len))
		inspect_evidence(in, n, RULE_NODE_PROTO, 0, n->len);
}

// A value below such a key.
static void judge_path(struct inspect *in, const struct inspect_node *n)
{
	if (n->name.len > 9 && reaches_prototype(n->name.p, n->name.len))
		inspect_evidence(in, n, RULE_NODE_PROTO, 0, n->len);
}

// ---- React's wire format -------------------------------------------------------------------------

// "$1:constructor:constructor": a part of what line 1 gave
static void judge_flight(struct inspect *in, const struct inspect_node *n)
{
	const uint8_t *p = n->p + 1, *end = n->p + n->len, *from;
	bool grave = false;

	if (n->len < 8 || n->len > 128 || n->p[0] != '$')
		return;
	while (p < end && ((*p >= '0' && *p <= '9') || is_letter(*p) || *p == '@'))
		p++;
	if (p == n->p + 1 || p - n->p > 6)
		return;
	while (p < end && *p == ':') {
		for (from = ++p; p < end && is_word(*p); p++)
			;
		grave |= is_text(from, (size_t)(p - from), "__proto__") ||
			 is_text(from, (size_t)(p - from), "constructor") ||
			 is_text(from, (size_t)(p - from), "prototype");
	}
	if (grave && p == end)
		inspect_evidence(in, n, RULE_NODE_FLIGHT, 0, n->len);
}

// ---- functions in data ---------------------------------------------------------------------------

static void judge_serial(struct inspect *in, const struct inspect_node *n)
{
	static const char node_serialize[] = "_$$ND_FUNC$$_", funcster[] = "__js_function";
	const uint8_t *p = memmem(n->p, n->len, node_serialize, sizeof(node_serialize) - 1);

	if (p != NULL)
		inspect_evidence(in, n, RULE_NODE_SERIAL, (size_t)(p - n->p), n->len);
	else if (is_text(n->p, n->len, funcster))
		inspect_evidence(in, n, RULE_NODE_SERIAL, 0, n->len);
}

// ---- YAML ----------------------------------------------------------------------------------------

static bool starts(const uint8_t *p, const uint8_t *end, const char *with)
{
	return (size_t)(end - p) > strlen(with) && memcmp(p, with, strlen(with)) == 0;
}

// A tag stands where a value does: at the front, behind a blank or a sign that begins one.
static void judge_yaml(struct inspect *in, const struct inspect_node *n)
{
	const uint8_t *end = n->p + n->len;

	for (const uint8_t *p = memchr(n->p, '!', n->len); p != NULL;
	     p = memchr(p, '!', (size_t)(end - p))) {
		if (p > n->p && p[-1] != '!' && memchr(" \n\t-[{,:", p[-1], 8) == NULL) {
			p++;
			continue;
		}
		p++;
		if (starts(p, end, "python/object") || starts(p, end, "python/name:") ||
		    starts(p, end, "python/module:"))
			inspect_evidence(in, n, RULE_PYTHON_YAML, (size_t)(p - n->p), 32);
		else if (starts(p, end, "ruby/object:") || starts(p, end, "ruby/hash:") ||
			 starts(p, end, "ruby/class") || starts(p, end, "ruby/struct:"))
			inspect_evidence(in, n, RULE_RUBY_YAML, (size_t)(p - n->p), 32);
		else if (starts(p, end, "js/function"))
			inspect_evidence(in, n, RULE_NODE_SERIAL, (size_t)(p - n->p), 32);
	}
}

// ---- Marshal -------------------------------------------------------------------------------------

// 04 08, and somewhere in it o : length Name - an object of a class; a stream of plain data has none.
static void judge_marshal(struct inspect *in, const struct inspect_node *n)
{
	if (n->p[0] != 4 || n->p[1] != 8)
		return;
	for (size_t i = 2; i + 4 < n->len; i++) {
		size_t len;

		if (memchr("oUuC", n->p[i], 4) == NULL || n->p[i + 1] != ':' || n->p[i + 2] < 6)
			continue;
		len = (size_t)n->p[i + 2] - 5;
		if (len <= n->len - i - 3 && n->p[i + 3] >= 'A' && n->p[i + 3] <= 'Z') {
			inspect_evidence(in, n, RULE_RUBY_MARSHAL, i, len);
			return;
		}
	}
}

static void run(struct inspect *in, const struct inspect_node *n)
{
	if (is_name(n->place))
		judge_names(in, n);
	if ((n->set & BYTES(DOLLAR)) != 0) {
		judge_flight(in, n);
		judge_serial(in, n);
	} else if (n->len == 13 && n->p[0] == '_') {
		judge_serial(in, n);
	}
	if ((n->set & BYTES(BANG)) != 0)
		judge_yaml(in, n);
	if ((n->set & (BYTES(CONTROL) | BYTES(LF) | BYTES(HIGH))) != 0 && n->len >= 6) {
		if ((n->set & BYTES(CONTROL)) != 0)
			judge_marshal(in, n);
		pickle_judge(in, n);
	}
}

const struct inspect_analyser inspect_script_object = {
	.name = "script-object",
	.any = BYTES(UNDERSCORE) | BYTES(DOT) | BYTES(LBRACKET) | BYTES(DOLLAR) | BYTES(BANG) |
	       BYTES(CONTROL) | BYTES(LF) | BYTES(HIGH),
	.least = 4,
	.run = run,
};

const struct inspect_analyser inspect_json_path = {
	.name = "json-path",
	.places = UINT64_C(1) << PLACE_JSON,
	.run = judge_path,
};
