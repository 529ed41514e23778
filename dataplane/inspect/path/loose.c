// SPDX-License-Identifier: BSD-3-Clause
//
// Traversals that are spelled for one decoder's fault: "..%c0%9vetc%c0%9vpasswd", "0x2e0x2e0x5cboot.ini",
// "??%u2216??%u2216etc%u2216passwd". Which bytes that server takes for a dot or a slash need not be known:
// the shape tells. A known file at the end, its parts held apart by one separator S, and before it the
// same step n times, each ending in S. A step is no word: words in front are somebody's own folder.

#include "dataplane/inspect/path/path_priv.h"

#include <string.h>

#define STEP_MAX 32

struct tail {
	const char *name;
	const char *parent; // what must stand before it, S in between; NULL: the name is enough
};

static const struct tail tails[] = {
	{"passwd", "etc"}, {"shadow", "etc"},    {"issue", "etc"},
	{"group", "etc"},  {"hosts", "etc"},     {"boot.ini", NULL},
	{"win.ini", NULL}, {"web.config", NULL}, {"web.xml", "web-inf"},
};

static char lower(uint8_t c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

static bool ends(const uint8_t *p, size_t len, const char *text)
{
	size_t n = strlen(text);

	if (len < n || lower(p[len - 1]) != text[n - 1])
		return false;
	for (size_t i = 0; i < n; i++)
		if (lower(p[len - n + i]) != text[i])
			return false;
	return true;
}

static bool is_letter(uint8_t c)
{
	return (lower(c) >= 'a' && lower(c) <= 'z');
}

// Bytes that stand for a dot or a slash somewhere: no letters but those of an escape.
static bool is_step_bytes(const uint8_t *p, size_t len)
{
	bool strange = false;

	for (size_t i = 0; i < len; i++) {
		uint8_t c = p[i];

		if (c == '%' || (c == '0' && i + 1 < len && lower(p[i + 1]) == 'x')) {
			size_t skip = c == '0' || (i + 1 < len && lower(p[i + 1]) == 'u') ? 1 : 0;
			size_t most = i + skip + (skip == 1 && c == '%' ? 4 : 2);

			// an escape, of hexadecimal digits or of what a careless decoder takes for them
			while (i < most && i + 1 < len && p[i + 1] != '%' &&
			       (is_letter(p[i + 1]) || (p[i + 1] >= '0' && p[i + 1] <= '9')))
				i++;
			strange = true;
			continue;
		}
		if (is_letter(c) || (c >= '0' && c <= '9') || c == ' ' || c == '_')
			return false;
		strange |= c >= 0x80 || c < ' ' || c == '\\' || c == '?' || c == '.' || c == '/';
	}
	return strange;
}

// p is one step again and again, twice at least.
static bool repeats(const uint8_t *p, size_t len)
{
	for (size_t step = 2; step <= STEP_MAX && step * 2 <= len; step++)
		if (len % step == 0 && memcmp(p, p + step, len - step) == 0)
			return true;
	return false;
}

static bool is_steps(const uint8_t *p, size_t len)
{
	if (len < 2)
		return false;
	if (len <= STEP_MAX * 2 && is_step_bytes(p, len))
		return true;
	// "/..%bg%qf..%bg%qf": a separator may stand in front
	return repeats(p, len) || repeats(p + 1, len - 1);
}

static bool leads_to(const uint8_t *p, size_t len, const struct tail *t)
{
	size_t n = strlen(t->name), gap;

	len -= n;
	if (t->parent == NULL)
		return is_steps(p, len);
	for (gap = 1; gap <= 16 && gap < len; gap++)
		if (ends(p, len - gap, t->parent))
			break;
	if (gap > 16 || gap >= len || !is_step_bytes(p + len - gap, gap))
		return false;
	n = strlen(t->parent);
	if (len < gap + n + gap || memcmp(p + len - gap, p + len - gap - n - gap, gap) != 0)
		return false;
	len -= gap + n;
	// hosts of Windows lies deeper, all of it held apart by S
	if (strcmp(t->name, "hosts") == 0 && ends(p, len - gap, "drivers"))
		return len > 9 + gap && ends(p, len - gap - 7 - gap, "system32");
	return is_steps(p, len);
}

void path_judge_loose(struct inspect *in, const struct inspect_node *n)
{
	const uint64_t spelled = BYTES(HIGH) | BYTES(CONTROL) | BYTES(PERCENT) | BYTES(DIGIT) |
				 BYTES(QUESTION) | BYTES(BACKSLASH) | BYTES(SLASH) | BYTES(CARET) |
				 BYTES(DOT);
	size_t len = n->len;

	// the usual spelling is path.c's
	while (len > 0 && (n->p[len - 1] <= ' ' || n->p[len - 1] == '"'))
		len--;
	if (len < 9 || len > 1024)
		return;
	if ((n->set & spelled) == 0 || memchr("dweipsgl", lower(n->p[len - 1]), 8) == NULL)
		return;
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++)
		if (ends(n->p, len, tails[i].name) && leads_to(n->p, len, &tails[i]))
			inspect_evidence(in, n, RULE_PATH_LOOSE, 0, n->len);
}
