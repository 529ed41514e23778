// SPDX-License-Identifier: BSD-3-Clause
//
// Names of files: which ending counts on which server.

#include "dataplane/inspect/upload/upload_priv.h"

#include <string.h>
#include <strings.h>

// Endings that servers run: PHP, ASP and ASP.NET, JSP, ColdFusion.
static const char *const runs[] = {
	"php",  "php2",  "php3",  "php4", "php5", "php6",   "php7",   "php8",  "pht",
	"phtm", "phtml", "phar",  "phps", "asp",  "asa",    "asax",   "ascx",  "ashx",
	"asmx", "aspx",  "axd",   "cdx",  "cer",  "cshtml", "vbhtml", "svc",   "soap",
	"rem",  "jsp",   "jspx",  "jspf", "jspa", "jsw",    "jsv",    "jhtml", "cfm",
	"cfml", "cfc",   "shtml", "stm",  "shtm", "war",
};

// Those of which an ending within a name is enough for a server set up so.
static const char *const runs_within[] = {"php",   "php3", "php4", "php5", "php7",
					  "phtml", "pht",  "phar", "asp",  "asa",
					  "cer",   "aspx", "ashx", "jsp",  "jspx"};

static const char *const configs[] = {".htaccess", ".htpasswd", ".user.ini", "web.config",
				      "php.ini"};

static bool is(const uint8_t *p, size_t len, const char *word)
{
	return len == strlen(word) && strncasecmp((const char *)p, word, len) == 0;
}

static bool is_one(const uint8_t *p, size_t len, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is(p, len, list[i]))
			return true;
	return false;
}

bool upload_ends(const struct upload_name *n, const char *ending)
{
	return is(n->ending, n->ending_len, ending);
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// Behind the last separator of folders.
static size_t base(const uint8_t *p, size_t len)
{
	size_t at = 0;

	for (size_t i = 0; i < len; i++)
		if (p[i] == '/' || p[i] == '\\')
			at = i + 1;
	return at;
}

// Where the part of a name that begins at i ends: at a dot, or at what a server ends a name at. hard: there
static size_t part_end(const uint8_t *p, size_t len, size_t i, bool *hard)
{
	*hard = false;
	for (; i < len && p[i] != '.'; i++) {
		*hard = p[i] == '\0' || p[i] == ';' || p[i] == ':' || p[i] == '\n' ||
			(p[i] == '%' && i + 2 < len && p[i + 1] == '0' &&
			 (p[i + 2] == '0' || (p[i + 2] | 0x20) == 'a'));
		if (*hard)
			return i;
	}
	return i;
}

static bool is_session(const uint8_t *p, size_t len)
{
	if (len < 5 + 8 || memcmp(p, "sess_", 5) != 0)
		return false;
	for (size_t i = 5; i < len; i++)
		if (!((p[i] >= '0' && p[i] <= '9') ||
		      ((p[i] | 0x20) >= 'a' && (p[i] | 0x20) <= 'z') || p[i] == ',' || p[i] == '-'))
			return false;
	return true;
}

// Small and capital letters in turn.
static bool is_odd_case(const uint8_t *p, size_t len)
{
	bool upper_after = false, small = false;

	for (size_t i = 0; i < len; i++) {
		small |= p[i] >= 'a' && p[i] <= 'z';
		upper_after |= small && p[i] >= 'A' && p[i] <= 'Z';
	}
	return upper_after;
}

void upload_name(const uint8_t *p, size_t len, struct upload_name *out)
{
	size_t from = base(p, len), i, end, to, whole;
	bool hard = false, blank;

	*out = (struct upload_name){.is = from > 0 ? NAME_PATH : 0};
	p += from;
	len -= from;
	whole = len;
	while (len > 0 && (p[len - 1] == '.' || is_blank(p[len - 1])))
		len--;
	for (i = 0; i < sizeof(configs) / sizeof(configs[0]); i++)
		if (len >= strlen(configs[i]) &&
		    strncasecmp((const char *)p, configs[i], strlen(configs[i])) == 0 &&
		    (len == strlen(configs[i]) || memchr(" .:;", p[strlen(configs[i])], 5) != NULL))
			out->is |= NAME_CONFIG;
	if (is_session(p, len))
		out->is |= NAME_SESSION;
	for (i = part_end(p, len, 0, &hard); i < len && !hard && p[i] == '.'; i = end) {
		bool run;

		i++;
		end = part_end(p, len, i, &hard);
		blank = false;
		while (i < end && is_blank(p[i])) {
			i++;
			blank = true;
		}
		for (to = end; to > i && is_blank(p[to - 1]); to--)
			;
		if (to == i) // two dots
			continue;
		run = is_one(p + i, to - i, runs, sizeof(runs) / sizeof(runs[0]));
		if ((out->is & NAME_RUN) != 0 && !run) {
			out->is &= ~(uint32_t)NAME_RUN;
			if (is_one(out->ending, out->ending_len, runs_within,
				   sizeof(runs_within) / sizeof(runs_within[0])))
				out->is |= NAME_INNER;
		}
		out->ending = p + i;
		out->ending_len = to - i;
		if (!run)
			continue;
		out->is |= NAME_RUN;
		if (blank || to < end || hard)
			out->is |= NAME_HIDDEN;
		if (is_odd_case(p + i, to - i))
			out->is |= NAME_CASE;
	}
	// dots and blanks at the end are dropped by Windows
	if (whole > len && (out->is & NAME_RUN) != 0)
		out->is |= NAME_HIDDEN;
}
