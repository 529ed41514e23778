// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/html/url.h"

#include <string.h>

#define SCHEME_MAX 24

// The scheme in lower case, blanks taken out, into out. Returns: its length, 0: no scheme; *p: behind it
static size_t scheme(const uint8_t **p, const uint8_t *end, char *out)
{
	const uint8_t *at = *p;
	size_t len = 0;

	for (; at < end; at++) {
		uint8_t c = *at;

		if (c <= ' ' || c == 0x7f || c >= 0x80)
			continue; // old browsers passed over more than the standard's tabs and line ends
		if (c == ':' && len > 0) {
			*p = at + 1;
			out[len] = '\0';
			return len;
		}
		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		if (!((c >= 'a' && c <= 'z') || (len > 0 && (c == '-' || c == '+'))) ||
		    len == SCHEME_MAX - 1)
			return 0;
		out[len++] = (char)c;
	}
	return 0;
}

static bool begins(struct html_text t, const char *lower)
{
	size_t len = strlen(lower);

	while (t.len > 0 && *t.p <= ' ') {
		t.p++;
		t.len--;
	}
	if (t.len < len)
		return false;
	t.len = len;
	return html_text_is(t, lower);
}

static enum html_scheme data(struct html_text rest)
{
	// No type at all is text, but a script element takes any.
	static const char *const pages[] = {"text/html",
					    "application/xhtml",
					    "image/svg",
					    "text/xml",
					    "application/xml",
					    "text/javascript",
					    "application/javascript",
					    "application/x-javascript",
					    "text/vbscript",
					    "text/x-scriptlet"};

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (begins(rest, pages[i]))
			return HTML_URL_DATA_PAGE;
	return HTML_URL_DATA;
}

enum html_scheme html_url_scheme(struct html_text url, struct html_text *rest)
{
	const uint8_t *p = url.p, *end = url.p + url.len;
	char name[SCHEME_MAX];

	if (url.len > 0 && *p == '`') // quoted as old browsers let it
		p++;
	for (unsigned i = 0; i < 3; i++) {
		*rest = (struct html_text){p, (size_t)(end - p)};
		if (begins(*rest, "//") || begins(*rest, "\\\\") || begins(*rest, "/\\"))
			return HTML_URL_ELSEWHERE;
		if (scheme(&p, end, name) == 0)
			return HTML_URL_OTHER;
		*rest = (struct html_text){p, (size_t)(end - p)};
		if (strcmp(name, "javascript") == 0 || strcmp(name, "livescript") == 0 ||
		    strcmp(name, "mocha") == 0 || strcmp(name, "jscript") == 0)
			return HTML_URL_SCRIPT;
		if (strcmp(name, "vbscript") == 0 || strcmp(name, "vbs") == 0)
			return HTML_URL_VBSCRIPT;
		if (strcmp(name, "data") == 0)
			return data(*rest);
		if (strcmp(name, "feed") != 0 && strcmp(name, "view-source") != 0 &&
		    strcmp(name, "jar") != 0 && strcmp(name, "url") != 0)
			return begins(*rest, "//") ? HTML_URL_ELSEWHERE : HTML_URL_OTHER;
	}
	return HTML_URL_OTHER;
}
