// SPDX-License-Identifier: BSD-3-Clause

#include "dataplane/inspect/path/walk.h"

#include <string.h>

static bool is_separator(uint8_t c)
{
	return c == '/' || c == '\\';
}

static char lower(uint8_t c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

static void leave(struct path_walk *w)
{
	w->ups++;
	if (w->text_len == 0) {
		w->out++;
		return;
	}
	while (w->text_len > 0 && w->text[w->text_len - 1] != '/')
		w->text_len--;
	if (w->text_len > 0)
		w->text_len--;
}

static void enter(struct path_walk *w, const uint8_t *p, size_t len)
{
	w->names++;
	if (len >= PATH_TEXT_MAX)
		len = PATH_TEXT_MAX - 1;
	if (w->text_len + len + 1 > PATH_TEXT_MAX)
		w->text_len = 0; // too deep to matter where it began
	if (w->text_len > 0)
		w->text[w->text_len++] = '/';
	for (size_t i = 0; i < len; i++) {
		w->text[w->text_len++] = lower(p[i]);
		w->blank |= p[i] == ' ';
	}
	w->extension = memchr(p, '.', len) != NULL;
}

static bool is_dots(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != '.')
			return false;
	return len > 0;
}

// What is left of a component when path parameters, streams and trailing blanks are off.
static size_t bare(struct path_walk *w, const uint8_t *p, size_t len)
{
	const uint8_t *semi = memchr(p, ';', len);
	size_t n = len;

	if (semi != NULL && is_dots(p, (size_t)(semi - p)) && semi - p <= 2) {
		w->parameter = true;
		return (size_t)(semi - p);
	}
	if (n > 7 && memcmp(p + n - 7, "::$", 3) == 0) {
		w->trailing = true;
		n -= 7;
	}
	while (n > 1 && p[n - 1] == ' ')
		n--;
	if (n < len && is_dots(p, n))
		w->trailing = true;
	return n;
}

// next: the component behind it, as it stands.
static void component(struct path_walk *w, const uint8_t *p, size_t len, const uint8_t *next,
		      size_t next_len)
{
	len = bare(w, p, len);
	if (len == 0 || (len == 1 && *p == '.'))
		return;
	if (len == 2 && p[0] == '.' && p[1] == '.') {
		leave(w);
		return;
	}
	if (is_dots(p, len) && (len == 3 || len == 4)) {
		// "....//" and ".../." become ".." where a filter takes "../" or "./" out once
		if (next != NULL && (next_len == 0 || (next_len == 1 && *next == '.'))) {
			w->stripped = true;
			leave(w);
		}
		return;
	}
	enter(w, p, len);
}

static size_t head(struct path_walk *w, const uint8_t *p, size_t len)
{
	if (len > 2 && p[0] == '\\' && p[1] == '\\' && !is_separator(p[2]) && p[2] != '.') {
		w->unc = true;
		return 2;
	}
	if (len > 0 && is_separator(p[0])) {
		w->absolute = true;
		return 1;
	}
	if (len > 2 && p[1] == ':' && is_separator(p[2]) && lower(p[0]) >= 'a' &&
	    lower(p[0]) <= 'z') {
		w->drive = true;
		return 3;
	}
	return 0;
}

static size_t component_end(const uint8_t *p, size_t len, size_t at)
{
	while (at < len && !is_separator(p[at]))
		at++;
	return at;
}

void path_walk(const uint8_t *p, size_t len, struct path_walk *w)
{
	const uint8_t *nul = memchr(p, '\0', len);
	size_t at, end;

	memset(w, 0, offsetof(struct path_walk, text));
	if (nul != NULL) {
		w->nul = nul + 1 < p + len;
		len = (size_t)(nul - p);
	}
	w->end = len;
	w->backslash = memchr(p, '\\', len) != NULL;
	at = head(w, p, len);
	for (; at < len; at = end + 1) {
		bool more;
		size_t next_end;

		end = component_end(p, len, at);
		more = end < len;
		next_end = more ? component_end(p, len, end + 1) : end;
		// the component behind is looked at only behind dots, so each byte is read twice at most
		component(w, p + at, end - at, more ? p + end + 1 : NULL,
			  more ? next_end - end - 1 : 0);
	}
}
