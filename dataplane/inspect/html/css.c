// SPDX-License-Identifier: BSD-3-Clause
//
// One pass: identifiers are gathered in lower case with escapes undone; what follows one decides.

#include "dataplane/inspect/html/css.h"

#include "dataplane/inspect/html/url.h"

#include <string.h>

#define NAME_MAX 24

struct css {
	const uint8_t *at, *end;
	char name[NAME_MAX];
	size_t len;
};

static int hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void skip_comments(struct css *s)
{
	while (s->end - s->at >= 2 && s->at[0] == '/' && s->at[1] == '*') {
		for (s->at += 2; s->at < s->end; s->at++)
			if (s->at[0] == '*' && s->at + 1 < s->end && s->at[1] == '/')
				break;
		s->at = s->end - s->at >= 2 ? s->at + 2 : s->end;
	}
}

static void skip_blanks(struct css *s)
{
	while (s->at < s->end && *s->at <= ' ')
		s->at++;
	skip_comments(s);
}

// \65 and \e, a blank behind the digits belongs to it (section 4.3.7).
static uint8_t escape(struct css *s)
{
	unsigned n = 0;
	uint32_t v = 0;

	for (; n < 6 && s->at < s->end && hex(*s->at) >= 0; n++)
		v = v << 4 | (uint32_t)hex(*s->at++);
	if (n == 0)
		return s->at < s->end ? *s->at++ : '\\';
	if (s->at < s->end && *s->at <= ' ')
		s->at++;
	return v < 0x80 ? (uint8_t)v : 0x80;
}

static bool is_name(uint8_t c)
{
	return c == '-' || c == '_' || (c >= '0' && c <= '9') ||
	       ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

// Old browsers took comments within a name for nothing.
static bool name(struct css *s)
{
	s->len = 0;
	while (skip_comments(s), s->at < s->end) {
		uint8_t c = *s->at;

		if (c == '\\') {
			s->at++;
			c = escape(s);
		} else if (is_name(c)) {
			s->at++;
		} else {
			break;
		}
		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		if (s->len < NAME_MAX - 1)
			s->name[s->len++] = (char)c;
	}
	s->name[s->len] = '\0';
	return s->len > 0;
}

// A URL behind url( or @import, quoted or not. Escapes are left in it but for the scheme's sake.
static enum html_scheme url(struct css *s)
{
	struct html_text t, rest;

	skip_blanks(s);
	while (s->at < s->end && (*s->at == '"' || *s->at == '\'' || *s->at <= ' '))
		s->at++;
	t = (struct html_text){s->at, (size_t)(s->end - s->at)};
	if (t.len > 64)
		t.len = 64;
	return html_url_scheme(t, &rest);
}

static bool runs(enum html_scheme scheme)
{
	return scheme == HTML_URL_SCRIPT || scheme == HTML_URL_VBSCRIPT ||
	       scheme == HTML_URL_DATA_PAGE;
}

static bool at_scheme(struct css *s)
{
	struct css ahead = *s;

	// j\avascript: with CSS escapes
	while (ahead.at < ahead.end && (*ahead.at == '"' || *ahead.at == '\'' || *ahead.at <= ' '))
		ahead.at++;
	return name(&ahead) && ahead.at < ahead.end && *ahead.at == ':' &&
	       (strcmp(ahead.name, "javascript") == 0 || strcmp(ahead.name, "vbscript") == 0);
}

unsigned css_judge(struct html_text css)
{
	struct css s = {.at = css.p, .end = css.p + css.len};
	bool import = false, binding = false;
	unsigned bits = 0;

	while (s.at < s.end) {
		if (*s.at == '@' || *s.at == ';' || *s.at == '{') {
			import = binding = false;
			import = *s.at++ == '@' && name(&s) && strcmp(s.name, "import") == 0;
			if (import && (at_scheme(&s) || runs(url(&s))))
				bits |= CSS_RUNS;
			else if (import)
				bits |= CSS_LOADS;
			continue;
		}
		if (!name(&s)) {
			if (s.at < s.end)
				s.at++;
			continue;
		}
		skip_blanks(&s);
		if (s.at == s.end)
			break;
		if (*s.at == ':')
			binding = strcmp(s.name, "behavior") == 0 ||
				  strcmp(s.name, "-moz-binding") == 0;
		if (*s.at != '(')
			continue;
		s.at++;
		if (strcmp(s.name, "expression") == 0)
			bits |= CSS_RUNS;
		if (strcmp(s.name, "url") == 0 && (binding || at_scheme(&s) || runs(url(&s))))
			bits |= CSS_RUNS;
	}
	return bits;
}
