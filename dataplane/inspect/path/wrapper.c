// SPDX-License-Identifier: BSD-3-Clause
//
// A value that is a stream: scheme, colon, and what the scheme makes of the rest. PHP opens its wrappers
// wherever a file name may stand; file:, jar: and netdoc: are Java's. What is at the other end of http: is
// another host's, and harmless unless it is to be included.

#include "dataplane/inspect/path/files.h"
#include "dataplane/inspect/path/path_priv.h"
#include "dataplane/inspect/path/walk.h"

#include <string.h>

enum kind {
	PHP,    // streams that only PHP knows: nothing else has a use for such a value
	LOCAL,  // a file of the server
	REMOTE, // a file of another
	DATA,   // the content itself
};

static const struct {
	const char *scheme;
	enum kind kind;
} schemes[] = {
	{"php://", PHP},
	{"expect://", PHP},
	{"phar://", PHP},
	{"zip://", PHP},
	{"glob://", PHP},
	{"ogg://", PHP},
	{"rar://", PHP},
	{"ssh2.exec://", PHP},
	{"compress.zlib://", PHP},
	{"compress.bzip2://", PHP},
	{"zlib:", PHP},
	{"file://", LOCAL},
	{"file:/", LOCAL},
	{"netdoc:/", LOCAL},
	{"jar:file:", PHP},
	{"url:file:", LOCAL},
	{"local_file://", LOCAL},
	{"jar:http", PHP},
	{"http://", REMOTE},
	{"https://", REMOTE},
	{"ftp://", REMOTE},
	{"ftps://", REMOTE},
	{"data:", DATA},
};

static bool starts(const uint8_t *p, size_t len, const char *head)
{
	size_t n = strlen(head);

	if (len < n)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((p[i] >= 'A' && p[i] <= 'Z' ? p[i] | 0x20 : p[i]) != head[i])
			return false;
	return true;
}

// ---- file: ---------------------------------------------------------------------------------------

static void judge_local(struct inspect *in, const struct inspect_node *n, const uint8_t *p,
			size_t len)
{
	enum path_file file;
	struct path_walk w;

	inspect_evidence(in, n, RULE_PATH_LOCAL, (size_t)(p - n->p), len);
	while (len > 1 && p[0] == '/' && p[1] == '/') {
		p++;
		len--;
	}
	for (size_t i = 0; i < len; i++)
		if (p[i] == '?' || p[i] == '#')
			len = i;
	path_walk(p, len, &w);
	file = path_file_of(w.text, w.text_len, true);
	if (file != PATH_FILE_NONE)
		inspect_evidence(in, n, RULE_PATH_LOCAL_FILE, (size_t)(p - n->p), len);
}

// ---- data: ---------------------------------------------------------------------------------------

// PHP takes "data://" and "data:" for the same; browsers and documents write "data:image/png;base64,".
static void judge_data(struct inspect *in, const struct inspect_node *n, const uint8_t *p,
		       size_t len)
{
	static const char *const code[] = {"<?php", "<?=", "PD9waH", "PD89", "%3c%3f", "%3C%3F"};
	bool slashes = len > 2 && p[0] == '/' && p[1] == '/';
	const uint8_t *comma = memchr(p, ',', len < 128 ? len : 128);

	if (slashes)
		inspect_evidence(in, n, RULE_PATH_DATA, 0, n->len);
	if (comma == NULL)
		return;
	for (size_t i = 0; i < sizeof(code) / sizeof(code[0]); i++) {
		size_t left = (size_t)(p + len - comma - 1), c = strlen(code[i]);

		if (left >= c && memcmp(comma + 1, code[i], c) == 0)
			inspect_evidence(in, n, RULE_PATH_DATA_CODE, 0, n->len);
	}
}

// ---- http: ---------------------------------------------------------------------------------------

// The name of a parameter that holds what a program includes.
static bool names_file(struct http_bytes name)
{
	static const char *const names[] = {
		"file",     "page",     "include",  "inc",           "path",      "template",
		"tpl",      "filename", "dir",      "document",      "root",      "layout",
		"module",   "mod",      "pg",       "lang",          "skin",      "theme",
		"src_file", "config",   "basepath", "absolute_path", "root_path", "include_path",
		"libpath",  "script",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (name.len == strlen(names[i]) && starts(name.p, name.len, names[i]))
			return true;
	return false;
}

// _CONF[path], GLOBALS[x], mosConfig_absolute_path: a variable of a PHP program, set from outside.
static bool is_variable(struct http_bytes name)
{
	bool array = name.len > 4 && name.p[name.len - 1] == ']';

	return (array && (name.p[0] == '_' || starts(name.p, name.len, "globals["))) ||
	       starts(name.p, name.len, "mosconfig_");
}

static bool is_script(const uint8_t *p, size_t len)
{
	static const char *const endings[] = {".php", ".php5", ".phtml", ".php3",
					      ".jsp", ".asp",  ".aspx",  ".sh"};

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		size_t n = strlen(endings[i]);

		if (len > n && starts(p + len - n, n, endings[i]))
			return true;
	}
	return false;
}

// What scripts of that use are called, whatever their ending.
static bool is_shell(const uint8_t *p, size_t len)
{
	static const char *const names[] = {"c99",      "r57",   "shell", "cmd",
					    "webshell", "b374k", "wso",   "backdoor"};
	const uint8_t *slash = memrchr(p, '/', len), *dot;

	if (slash == NULL)
		return false;
	dot = memchr(slash, '.', (size_t)(p + len - slash));
	if (dot == NULL)
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == (size_t)(dot - slash - 1) &&
		    starts(slash + 1, (size_t)(dot - slash - 1), names[i]))
			return true;
	return false;
}

static bool is_ip(const uint8_t *p, size_t len)
{
	size_t dots = 0, i;

	for (i = 0; i < len && p[i] != '/' && p[i] != ':'; i++) {
		if (p[i] == '.')
			dots++;
		else if (p[i] < '0' || p[i] > '9')
			return false;
	}
	return dots == 3 && i < 16;
}

// p: past the scheme.
static void judge_remote(struct inspect *in, const struct inspect_node *n, const uint8_t *p,
			 size_t len)
{
	const uint8_t *slash = memchr(p, '/', len), *ask = memchr(p, '?', len);
	size_t path = ask != NULL ? (size_t)(ask - p) : len;
	bool cut =
		ask != NULL && ask + 1 == p + len; // "?" at the end makes what is appended a query

	if (slash == NULL || slash > p + path)
		slash = p + path;
	if (is_script(slash, (size_t)(p + path - slash))) {
		inspect_evidence(in, n, RULE_PATH_REMOTE_SCRIPT, 0, n->len);
		if (is_ip(p, len))
			inspect_evidence(in, n, RULE_PATH_REMOTE_IP, 0, n->len);
	}
	if (is_shell(slash, (size_t)(p + path - slash)))
		inspect_evidence(in, n, RULE_PATH_REMOTE_SHELL, 0, n->len);
	if (cut)
		inspect_evidence(in, n, RULE_PATH_REMOTE_CUT, 0, n->len);
	if (is_variable(n->name))
		inspect_evidence(in, n, RULE_PATH_REMOTE_VARIABLE, 0, n->len);
	if (names_file(n->name))
		inspect_evidence(in, n, RULE_PATH_REMOTE_NAME, 0, n->len);
}

static bool has_scheme(const struct inspect_node *n)
{
	const uint8_t *colon = memchr(n->p, ':', n->len < 24 ? n->len : 24);

	return colon != NULL && colon > n->p + 2;
}

void path_judge_wrapper(struct inspect *in, const struct inspect_node *n)
{
	const uint8_t *p = n->p;
	size_t len = n->len;

	if ((n->set & BYTES(COLON)) == 0 || !has_scheme(n))
		return;
	while (len > 0 && (*p <= ' ' || *p == '"' || *p == '\'')) {
		p++;
		len--;
	}
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t s;

		if (len == 0 || (*p | 0x20) != schemes[i].scheme[0])
			continue;
		s = strlen(schemes[i].scheme);
		if (len == s || !starts(p, len, schemes[i].scheme))
			continue;
		if (schemes[i].kind == PHP)
			inspect_evidence(in, n, RULE_PATH_WRAPPER, (size_t)(p - n->p), len);
		else if (schemes[i].kind == LOCAL)
			judge_local(in, n, p + s, len - s);
		else if (schemes[i].kind == DATA)
			judge_data(in, n, p + s, len - s);
		else if (n->place != PLACE_REFERER && n->place != PLACE_HEADER)
			judge_remote(in, n, p + s, len - s);
		return;
	}
}
