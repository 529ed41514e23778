// SPDX-License-Identifier: BSD-3-Clause
//
// Documents that act: scripts in SVG, actions in PDF (ISO 32000-1, section 12.6).

#include "dataplane/inspect/upload/upload_priv.h"

#include <string.h>
#include <strings.h>

static bool is_name(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' ||
	       c == '_' || c == ':';
}

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == '/';
}

static bool is(const uint8_t *p, size_t len, const char *word)
{
	return len == strlen(word) && strncasecmp((const char *)p, word, len) == 0;
}

static bool is_script_url(const uint8_t *p, const uint8_t *end)
{
	static const char word[] = "javascript:";
	size_t i = 0;

	for (; p < end && i < sizeof(word) - 1; p++) {
		if (*p <= ' ')
			continue;
		if ((*p >= 'A' && *p <= 'Z' ? *p | 0x20 : *p) != (uint8_t)word[i])
			return false;
		i++;
	}
	return i == sizeof(word) - 1;
}

// Attributes of a tag, up to its >. Returns where it ends.
static const uint8_t *attributes(const uint8_t *p, const uint8_t *end, bool *runs)
{
	while (p < end && *p != '>') {
		const uint8_t *name = p, *value;
		size_t n;
		uint8_t quote;

		while (p < end && is_name(*p))
			p++;
		n = (size_t)(p - name);
		if (n == 0) {
			p++;
			continue;
		}
		while (p < end && is_space(*p))
			p++;
		if (p == end || *p != '=')
			continue;
		for (p++; p < end && is_space(*p);)
			p++;
		quote = p < end && (*p == '"' || *p == '\'') ? *p++ : 0;
		value = p;
		while (p < end && (quote != 0 ? *p != quote : !is_space(*p) && *p != '>'))
			p++;
		if (n > 4 && (name[0] | 0x20) == 'o' && (name[1] | 0x20) == 'n' && p > value)
			*runs = true;
		if ((is(name, n, "href") || is(name, n, "xlink:href") || is(name, n, "from") ||
		     is(name, n, "to") || is(name, n, "values")) &&
		    is_script_url(value, p))
			*runs = true;
		if (quote != 0 && p < end)
			p++;
	}
	return p;
}

bool upload_svg_runs(const uint8_t *p, size_t len, size_t *at)
{
	const uint8_t *end = p + len, *from = p, *lt;
	bool runs = false;

	while (!runs && (lt = memchr(p, '<', (size_t)(end - p))) != NULL) {
		const uint8_t *name = lt + 1;

		*at = (size_t)(lt - from);
		for (p = name; p < end && is_name(*p);)
			p++;
		if (p == name)
			continue;
		if (p - name >= 6 && (is(name, 6, "script") || is(p - 7, 7, ":script")))
			return true;
		if (is(name, (size_t)(p - name), "iframe") ||
		    is(name, (size_t)(p - name), "embed") || is(name, (size_t)(p - name), "object"))
			return true;
		p = attributes(p, end, &runs);
	}
	return runs;
}

// ---- PDF -----------------------------------------------------------------------------------------

static int hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// A name behind its slash, #xx undone (section 7.3.5). Returns its length in text.
static size_t pdf_name(const uint8_t **at, const uint8_t *end, char text[16])
{
	const uint8_t *p = *at;
	size_t n = 0;

	while (p < end && (is_name(*p) || *p == '#')) {
		uint8_t c = *p++;

		if (c == '#' && end - p >= 2 && hex(p[0]) >= 0 && hex(p[1]) >= 0) {
			c = (uint8_t)(hex(p[0]) * 16 + hex(p[1]));
			p += 2;
		}
		if (n < 15)
			text[n] = (char)c;
		n++;
	}
	*at = p;
	text[n < 15 ? n : 15] = '\0';
	return n;
}

void upload_pdf(const uint8_t *p, size_t len, struct upload_pdf *out)
{
	const uint8_t *end = p + len, *from = p;
	char name[16];

	*out = (struct upload_pdf){.at = 0};
	while ((p = memchr(p, '/', (size_t)(end - p))) != NULL) {
		const uint8_t *slash = p++;

		pdf_name(&p, end, name);
		if (strcmp(name, "JavaScript") == 0 || strcmp(name, "JS") == 0) {
			out->script = true;
			out->at = (size_t)(slash - from);
		} else if (strcmp(name, "OpenAction") == 0 || strcmp(name, "AA") == 0) {
			out->open = true;
		} else if (strcmp(name, "Launch") == 0) {
			// an action's type: /S /Launch
			const uint8_t *q = slash;

			while (q > from && is_space(q[-1]) && q[-1] != '/')
				q--;
			if (q > from + 1 && q[-1] == 'S' && q[-2] == '/')
				out->launch = true;
		}
	}
}
