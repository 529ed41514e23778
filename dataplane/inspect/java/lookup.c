// SPDX-License-Identifier: BSD-3-Clause
//
// Log4j resolves look-ups from within, whatever they stand in: ${${lower:J}ndi:..} and ${${::-j}ndi:..} are
// ${jndi:..}. So does this: a text is copied, and each look-up that closes is replaced by what it gives.
// One pass, one buffer, a stack of where look-ups began.
//
//	${prefix:name:-default}    lower: upper: date: base64: give text, others what stands behind :-

#include "dataplane/inspect/java/lookup.h"

#include "dataplane/inspect/decode/decode.h"

#include <string.h>
#include <strings.h>

#define DEPTH_MAX 32
#define OUT_MAX   1024 // bytes of a look-up and what it gives

struct lookup {
	struct inspect *in;
	const struct inspect_node *n;
	uint8_t *out;
	size_t len;
	unsigned depth;
	struct {
		size_t out;  // where its text begins
		size_t from; // where it stands
	} open[DEPTH_MAX];
	bool nested; // one gave text to another
};

static bool has_prefix(const uint8_t *p, size_t len, const char *with)
{
	size_t n = strlen(with);

	return len >= n && strncasecmp((const char *)p, with, n) == 0;
}

static const uint8_t *find2(const uint8_t *p, size_t len, const char *what)
{
	return memmem(p, len, what, 2);
}

// ---- what a look-up gives ------------------------------------------------------------------------

// Letters outside of ASCII whose other case is within it: dotless i, dotted I, long s, Kelvin.
static size_t change_case(const uint8_t *p, size_t len, bool upper, uint8_t *out)
{
	static const struct {
		uint8_t from[4];
		uint8_t to;
	} odd[] = {{"\xc4\xb1", 'I'}, {"\xc5\xbf", 'S'}, {"\xc4\xb0", 'i'}, {"\xe2\x84\xaa", 'k'}};
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t c = p[i];

		for (size_t k = 0; k < sizeof(odd) / sizeof(odd[0]); k++) {
			size_t size = strlen((const char *)odd[k].from);

			if (c == odd[k].from[0] && len - i >= size &&
			    memcmp(p + i, odd[k].from, size) == 0) {
				c = odd[k].to;
				i += size - 1;
				break;
			}
		}
		if (upper && c >= 'a' && c <= 'z')
			c ^= 0x20;
		if (!upper && c >= 'A' && c <= 'Z')
			c ^= 0x20;
		out[n++] = c;
	}
	return n;
}

// A date's pattern: what stands in quotes is given as it is.
static size_t date(const uint8_t *p, size_t len, uint8_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		if (p[i] != '\'')
			out[n++] = p[i];
	return n;
}

// The text at p is that of a look-up. out may be p. Returns the length of what it gives, at most len.
static size_t resolve(const uint8_t *p, size_t len, uint8_t *out)
{
	const uint8_t *rest;
	size_t n;

	if (has_prefix(p, len, "lower:") || has_prefix(p, len, "upper:"))
		return change_case(p + 6, len - 6, (p[0] | 0x20) == 'u', out);
	if (has_prefix(p, len, "date:"))
		return date(p + 5, len - 5, out);
	if (has_prefix(p, len, "base64:") || has_prefix(p, len, "base64Decoder:")) {
		size_t skip = has_prefix(p, len, "base64:") ? 7 : 14;

		n = decode_base64(p + skip, len - skip, out);
		return n < len ? n : 0;
	}
	if (has_prefix(p, len, "const:") || has_prefix(p, len, "urlDecoder:"))
		return 0;
	rest = find2(p, len, ":-");
	if (rest == NULL)
		return 0;
	n = len - (size_t)(rest + 2 - p);
	memmove(out, rest + 2, n);
	return n;
}

// ---- what it does --------------------------------------------------------------------------------

static void say(struct lookup *l, enum inspect_rule rule, size_t from)
{
	inspect_evidence(l->in, l->n, rule, from, l->n->len - from);
}

static bool names_scheme(const uint8_t *p, size_t len)
{
	static const char *const schemes[] = {
		"ldap:", "ldaps:", "rmi:",   "dns:",  "iiop:", "nis:", "nds:",
		"corba", "http:",  "https:", "java:", "ldap/", "//",   NULL};

	for (unsigned i = 0; schemes[i] != NULL; i++)
		if (has_prefix(p, len, schemes[i]))
			return true;
	return false;
}

static void judge(struct lookup *l, const uint8_t *p, size_t len, size_t from, bool whole)
{
	while (len > 0 && *p == ' ') {
		p++;
		len--;
	}
	if (has_prefix(p, len, "jndi:")) {
		say(l, names_scheme(p + 5, len - 5) ? RULE_JNDI : RULE_JNDI_BARE, from);
	} else if (!whole) {
		return;
	} else if (has_prefix(p, len, "script:") && memchr(p + 7, ':', len - 7) != NULL) {
		say(l, RULE_LOOKUP_SCRIPT, from);
	} else if ((has_prefix(p, len, "url:") && find2(p, len, "//") != NULL) ||
		   (has_prefix(p, len, "dns:") && memchr(p, '|', len) != NULL) ||
		   has_prefix(p, len, "file:utf")) {
		say(l, RULE_LOOKUP_FETCH, from);
	} else if (has_prefix(p, len, "env:") || has_prefix(p, len, "sys:") ||
		   has_prefix(p, len, "java:") || has_prefix(p, len, "ctx:") ||
		   has_prefix(p, len, "main:") || has_prefix(p, len, "bundle:") ||
		   has_prefix(p, len, "lower:") || has_prefix(p, len, "upper:") ||
		   has_prefix(p, len, "::-")) {
		say(l, l->depth > 0 ? RULE_LOOKUP_NESTED : RULE_LOOKUP_FACT, from);
	}
}

static void close_one(struct lookup *l)
{
	size_t start;

	l->depth--;
	start = l->open[l->depth].out;
	judge(l, l->out + start, l->len - start, l->open[l->depth].from, true);
	l->len = start + resolve(l->out + start, l->len - start, l->out + start);
}

static void run(struct inspect *in, const struct inspect_node *n)
{
	struct lookup l = {.in = in, .n = n};
	const uint8_t *p = bytes_find2(n->p, n->len, '$', '{'), *end = n->p + n->len;

	if (p == NULL || (l.out = inspect_scratch(in, OUT_MAX)) == NULL)
		return;
	while (p < end) {
		if (*p == '$' && end - p > 2 && p[1] == '$' && p[2] == '{') {
			p++; // $${ is ${ to who reads it twice
		} else if (*p == '$' && end - p > 1 && p[1] == '{') {
			if (l.depth == DEPTH_MAX) { // the outermost ones are given up
				memmove(l.open, l.open + 1, sizeof(l.open) - sizeof(l.open[0]));
				l.depth--;
			}
			l.open[l.depth].out = l.len;
			l.open[l.depth++].from = (size_t)(p - n->p);
			p += 2;
		} else if (l.depth == 0) {
			p = bytes_find2(p, (size_t)(end - p), '$', '{');
			if (p == NULL)
				break;
			l.len = 0;
		} else {
			if (*p == '}')
				close_one(&l);
			else if (l.len < OUT_MAX)
				l.out[l.len++] = *p;
			p++;
			if (l.depth == 0)
				l.len = 0;
		}
	}
	while (l.depth > 0) {
		l.depth--;
		judge(&l, l.out + l.open[l.depth].out, l.len - l.open[l.depth].out,
		      l.open[l.depth].from, false);
	}
}

const struct inspect_analyser inspect_lookup = {
	.name = "lookup",
	.all = BYTES(DOLLAR) | BYTES(LBRACE) | BYTES(COLON),
	.least = 6,
	.run = run,
};
