// SPDX-License-Identifier: BSD-3-Clause
//
// path - does a value, taken for a path, lead out of the place it belongs to, or to a file that nobody has
// a reason to ask for? The value is walked as a whole, then each word of it that has steps out.

#include "dataplane/inspect/path/files.h"
#include "dataplane/inspect/path/path.h"
#include "dataplane/inspect/path/path_priv.h"
#include "dataplane/inspect/path/walk.h"

#include <string.h>

#define PLACE(p)     (UINT64_C(1) << PLACE_##p)
#define PATH_MAX_LEN 4096
#define DEEP         3

static bool is_separator(uint8_t c)
{
	return c == '/' || c == '\\';
}

static bool is_referer(const struct inspect_node *n)
{
	return n->place == PLACE_REFERER || n->place == PLACE_REFERER_QUERY;
}

// ---- evidence ------------------------------------------------------------------------------------

static void judge_steps(struct inspect *in, const struct inspect_node *n, const struct path_walk *w,
			size_t at, size_t len, bool whole)
{
	if (w->out == 0)
		return;
	inspect_evidence(in, n, RULE_PATH_ESCAPE, at, len);
	if (w->out >= DEEP && whole && !is_referer(n))
		inspect_evidence(in, n, RULE_PATH_DEEP, at, len);
	if (n->place == PLACE_FILE_NAME || n->place == PLACE_PATH)
		inspect_evidence(in, n, RULE_PATH_NO_PLACE, at, len);
}

static bool is_disguised(const struct inspect_node *n, const struct path_walk *w)
{
	if (w->ups == 0)
		return false;
	return w->stripped || w->parameter || w->trailing || n->decoder == DECODE_OVERLONG ||
	       n->decoder == DECODE_UTF8_BROKEN;
}

static bool is_rooted(const struct path_walk *w)
{
	return w->absolute || w->drive || w->out > 0;
}

// Directories with a dot in front that the web itself uses: RFC 8615, and some hosts' functions.
static bool is_known_dot(const char *p, size_t len)
{
	static const char *const known[] = {".well-known", ".netlify", ".auth", ".cloud", ".cdn"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (len == strlen(known[i]) && memcmp(p, known[i], len) == 0)
			return true;
	return false;
}

static bool is_config(const char *p, size_t len)
{
	static const char *const ends[] = {
		".toml", ".json", ".yml", ".yaml", ".ini", ".cfg",   ".conf",   ".xml",    ".md",
		".db",   ".log",  ".sql", ".bak",  "rc",   "ignore", "history", "profile", "config",
	};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t n = strlen(ends[i]);

		if (len > n && memcmp(p + len - n, ends[i], n) == 0)
			return true;
	}
	return false;
}

// The path of a request itself.
static void judge_request(struct inspect *in, const struct inspect_node *n,
			  const struct path_walk *w, size_t at, size_t len)
{
	const char *p = w->text, *end = w->text + w->text_len;

	if (path_file_is_hidden(w->text, w->text_len)) {
		inspect_evidence(in, n, RULE_PATH_HIDDEN, at, len);
		return;
	}
	while (p < end) {
		const char *slash = memchr(p, '/', (size_t)(end - p));
		size_t name = (size_t)((slash != NULL ? slash : end) - p);

		if (name > 2 && p[0] == '.' && p[1] >= 'a' && p[1] <= 'z' &&
		    !is_known_dot(p, name)) {
			inspect_evidence(in, n, RULE_PATH_DOT_NAME, at, len);
			if (is_config(w->text, w->text_len))
				inspect_evidence(in, n, RULE_PATH_DOT_CONFIG, at, len);
			return;
		}
		p += name + 1;
	}
}

// whole: it is all of the value.
static void judge(struct inspect *in, const struct inspect_node *n, const uint8_t *p, size_t len,
		  bool whole)
{
	size_t at = (size_t)(p - n->p);
	enum path_file file;
	struct path_walk w;

	path_walk(p, len, &w);
	judge_steps(in, n, &w, at, len, whole);
	if (w.parameter && n->place == PLACE_PATH)
		inspect_evidence(in, n, RULE_PATH_NO_PLACE, at, len);
	if (is_disguised(n, &w))
		inspect_evidence(in, n, RULE_PATH_DISGUISED, at, len);
	if (w.nul && (w.ups > 0 || is_rooted(&w)))
		inspect_evidence(in, n, RULE_PATH_NUL, at, len);
	if (!whole && w.out == 0)
		return;
	file = path_file_of(w.text, w.text_len, is_rooted(&w));
	if (file == PATH_FILE_SYSTEM)
		inspect_evidence(in, n, RULE_PATH_SYSTEM, at, len);
	else if (file == PATH_FILE_APP && w.ups > 0 && whole)
		inspect_evidence(in, n, RULE_PATH_APP, at, len);
	if (w.unc && whole)
		inspect_evidence(in, n, RULE_PATH_UNC, at, len);
	if (n->place == PLACE_PATH)
		judge_request(in, n, &w, at, len);
}

// ---- words ---------------------------------------------------------------------------------------

static bool ends_word(uint8_t c)
{
	return c <= ' ' || memchr("\"'`<>()=&|,;#?*[]{}$", c, 20) != NULL;
}

static void judge_words(struct inspect *in, const struct inspect_node *n)
{
	for (size_t i = 0; i + 2 < n->len; i++) {
		const uint8_t *dots = bytes_find2(n->p + i, n->len - 1 - i, '.', '.');
		size_t from, to;

		if (dots == NULL)
			return;
		from = (size_t)(dots - n->p);
		if (!is_separator(dots[2])) {
			i = from;
			continue;
		}
		to = from;
		while (from > i && !ends_word(n->p[from - 1]))
			from--;
		while (to < n->len && to - from < PATH_MAX_LEN && !ends_word(n->p[to]))
			to++;
		judge(in, n, n->p + from, to - from, false);
		i = to;
	}
}

// The value without blanks and quotes at its ends.
static struct http_bytes trimmed(const struct inspect_node *n)
{
	const uint8_t *p = n->p, *end = n->p + n->len;

	while (p < end && (*p <= ' ' || *p == '"' || *p == '\'') && *p != '\0')
		p++;
	while (end > p && (end[-1] <= ' ' || end[-1] == '"' || end[-1] == '\'') && end[-1] != '\0')
		end--;
	return (struct http_bytes){p, (uint32_t)(end - p)};
}

// Could the value be a path as a whole? That it has steps, or begins at a root.
static bool begins_path(struct http_bytes b)
{
	if (b.len < 2)
		return false;
	if (is_separator(b.p[0]) || b.p[0] == '.')
		return true;
	return b.len > 3 && b.p[1] == ':' && is_separator(b.p[2]);
}

// A path without steps that neither lies where every file tells of the machine nor ends as a known one.
static bool is_plain(struct http_bytes b)
{
	static const char *const secret[] = {"/etc/", "/proc/"};

	for (size_t i = 0; i < 2; i++)
		if (b.len > 6 && memcmp(b.p, secret[i], strlen(secret[i])) == 0)
			return false;
	if (b.p[0] == '\\' || bytes_find2(b.p, b.len, '/', '.') != NULL ||
	    memchr(b.p, ';', b.len) != NULL || memchr(b.p, '\0', b.len) != NULL)
		return false;
	return !path_file_may_end(b.p, b.len);
}

static bool has_line_end(struct http_bytes b)
{
	return memchr(b.p, '\n', b.len) != NULL;
}

// The router may not be there to ask.
static bool concerns(const struct inspect_node *n)
{
	return (inspect_path.places >> n->place & 1) != 0 && (n->set & inspect_path.any) != 0 &&
	       n->len >= inspect_path.least;
}

static void run(struct inspect *in, const struct inspect_node *n)
{
	bool steps = (n->set & BYTES(DOT)) != 0 && bytes_find2(n->p, n->len, '.', '.') != NULL;
	struct http_bytes b = trimmed(n);

	if (!concerns(n) || b.len < 3)
		return;
	if (b.len <= PATH_MAX_LEN && (steps || (begins_path(b) && !is_plain(b))) &&
	    !has_line_end(b))
		judge(in, n, b.p, b.len, true);
	if (steps)
		judge_words(in, n);
	path_judge_wrapper(in, n);
	path_judge_loose(in, n);
}

const struct inspect_analyser inspect_path = {
	.name = "path",
	.any = BYTES(DOT) | BYTES(QUESTION) | BYTES(SLASH) | BYTES(BACKSLASH) | BYTES(COLON) |
	       BYTES(HIGH) | BYTES(PERCENT),
	.least = 4,
	.places = ~(PLACE(METHOD) | PLACE(HEADER_NAME) | PLACE(HOST) | PLACE(FILE)),
	.run = run,
};
