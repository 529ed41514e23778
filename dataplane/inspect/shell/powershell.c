// SPDX-License-Identifier: BSD-3-Clause
//
// PowerShell: commands are named Verb-Noun (about_Command_Syntax), which have short names of their own,
// .NET is called by [Type]::Member, and a text in parentheses behind & or . is the name of what to call.
// A backtick before a letter is nothing, so names are read without.

#include "dataplane/inspect/shell/shell_priv.h"

#include <string.h>

#define NAME_MAX_LEN 24

static bool is_letter(uint8_t c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

struct name {
	char text[NAME_MAX_LEN + 1]; // lower case
	size_t len;
	bool broken; // by backticks
};

static void add(struct name *w, uint8_t c)
{
	if (w->len < NAME_MAX_LEN)
		w->text[w->len++] = (char)(c | 0x20);
	else
		w->len = NAME_MAX_LEN;
	w->text[w->len] = '\0';
}

// Letters from i on.
static size_t read_name(const struct inspect_node *n, size_t i, struct name *w)
{
	memset(w, 0, sizeof(*w));
	for (; i < n->len && w->len < NAME_MAX_LEN; i++) {
		if (n->p[i] == '`' && w->len > 0 && i + 1 < n->len && is_letter(n->p[i + 1]))
			w->broken = true;
		else if (is_letter(n->p[i]))
			add(w, n->p[i]);
		else
			break;
	}
	return i;
}

// Where the word of letters that ends before i begins.
static size_t word_start(const struct inspect_node *n, size_t i)
{
	size_t from = i;

	while (from > 0 && i - from < NAME_MAX_LEN &&
	       (is_letter(n->p[from - 1]) || n->p[from - 1] == '`'))
		from--;
	return from;
}

static bool is_one(const char *text, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(text, list[i]) == 0)
			return true;
	return false;
}

#define IS_ONE(text, list) is_one(text, list, sizeof(list) / sizeof((list)[0]))

// ---- Verb-Noun -----------------------------------------------------------------------------------

static bool is_verb(const char *text)
{
	static const char *const verbs[] = {
		"add",    "clear",   "convert",  "convertfrom", "convertto", "copy",    "disable",
		"enable", "enter",   "export",   "find",        "foreach",   "format",  "get",
		"import", "install", "invoke",   "join",        "measure",   "move",    "new",
		"out",    "read",    "register", "remove",      "rename",    "resolve", "restart",
		"select", "send",    "set",      "sort",        "split",     "start",   "stop",
		"test",   "wait",    "where",    "write",
	};

	return IS_ONE(text, verbs);
}

// Those that run, fetch, change; and those that tell.
static bool is_dangerous(const char *verb, const char *noun)
{
	static const char *const nouns[] = {
		"expression", "webrequest",   "restmethod",      "wmimethod",     "cimmethod",
		"command",    "mppreference", "executionpolicy", "scheduledtask", "bitstransfer",
		"pssession",  "mimikatz",     "shellcode",
	};

	return IS_ONE(noun, nouns) ||
	       (strcmp(verb, "start") == 0 && strcmp(noun, "process") == 0) ||
	       (strcmp(verb, "add") == 0 && strcmp(noun, "type") == 0);
}

static bool is_noun(const char *text)
{
	static const char *const nouns[] = {
		"object",       "item",         "content",
		"childitem",    "process",      "wmiobject",
		"ciminstance",  "service",      "location",
		"host",         "string",       "null",
		"eventlog",     "itemproperty", "acl",
		"variable",     "alias",        "netipconfiguration",
		"netipaddress", "localuser",    "localgroup",
		"aduser",       "adcomputer",   "hotfix",
		"module",       "csv",          "json",
		"clixml",       "securestring", "connection",
		"path",
	};

	return IS_ONE(text, nouns);
}

// Behind a cmdlet: -Parameter, $variable, (expression), a URL, a pipe.
static bool is_called(const struct inspect_node *n, size_t i)
{
	while (i < n->len && (n->p[i] == ' ' || n->p[i] == '+' || n->p[i] == '\t'))
		i++;
	if (i >= n->len)
		return false;
	if (n->p[i] == '-')
		return i + 1 < n->len && is_letter(n->p[i + 1]);
	return memchr("$(\"'{|[", n->p[i], 7) != NULL ||
	       (i + 7 < n->len &&
		memmem(n->p + i, n->len - i < 10 ? n->len - i : 10, "://", 3) != NULL) ||
	       (i + 1 < n->len && n->p[i + 1] == ':');
}

static void judge_cmdlet(struct inspect *in, const struct inspect_node *n, size_t hyphen)
{
	struct name verb, noun;
	size_t from = word_start(n, hyphen), to;

	read_name(n, from, &verb);
	if (!is_verb(verb.text))
		return;
	to = read_name(n, hyphen + 1, &noun);
	if (is_dangerous(verb.text, noun.text)) {
		inspect_evidence(in, n, RULE_POWERSHELL_CALL, from, to - from);
		if (is_called(n, to))
			inspect_evidence(in, n, RULE_POWERSHELL_ARGUMENT, from, to - from);
	} else if (is_noun(noun.text) && (is_called(n, to) || strcmp(noun.text, "object") == 0)) {
		if (is_called(n, to))
			inspect_evidence(in, n, RULE_POWERSHELL_CMDLET, from, to - from);
		if (strcmp(noun.text, "object") == 0 &&
		    memmem(n->p + to, n->len - to < 64 ? n->len - to : 64, "Net.", 4) != NULL)
			inspect_evidence(in, n, RULE_POWERSHELL_NET, from, to - from);
	} else {
		return;
	}
	if (verb.broken || noun.broken)
		inspect_evidence(in, n, RULE_SHELL_HIDDEN, from, to - from);
}

static void judge_cmdlets(struct inspect *in, const struct inspect_node *n)
{
	size_t i = 0;

	while (i + 4 < n->len) {
		const uint8_t *q = memchr(n->p + i, '-', n->len - i);

		if (q == NULL)
			return;
		i = (size_t)(q - n->p) + 1;
		if (i > 3 && i + 2 < n->len && is_letter(n->p[i - 2]) && is_letter(n->p[i]))
			judge_cmdlet(in, n, i - 1);
	}
}

// ---- short names ---------------------------------------------------------------------------------

void shell_judge_alias(struct inspect *in, const struct inspect_node *n, size_t i)
{
	static const char *const aliases[] = {"iex",  "iwr",  "irm",  "icm",
					      "iwmi", "gwmi", "saps", "sajb"};
	struct name w;
	size_t to;

	while (i < n->len && (n->p[i] == ' ' || n->p[i] == '+' || n->p[i] == '(' || n->p[i] == '&'))
		i++;
	if (i >= n->len ||
	    ((n->p[i] | 0x20) != 'i' && (n->p[i] | 0x20) != 'g' && (n->p[i] | 0x20) != 's'))
		return;
	to = read_name(n, i, &w);
	if (!IS_ONE(w.text, aliases))
		return;
	if (is_called(n, to) || (i > 0 && n->p[i - 1] != ' ' && to == n->len)) {
		inspect_evidence(in, n, RULE_POWERSHELL_CALL, i, to - i);
		inspect_evidence(in, n, RULE_POWERSHELL_ARGUMENT, i, to - i);
	}
}

// ---- [Type]::Member, & ('i'+'ex') ----------------------------------------------------------------

static bool is_type(const struct inspect_node *n, size_t from, size_t to)
{
	static const char *const types[] = {"convert",     "char",       "array", "byte",  "io",
					    "scriptblock", "ref",        "text",  "regex", "string",
					    "diagnostics", "reflection", "net"};
	struct name w;
	size_t i = read_name(n, from, &w);

	if (strcmp(w.text, "system") == 0 && i < to && n->p[i] == '.')
		return true;
	return IS_ONE(w.text, types);
}

// [char]105, [Convert]::FromBase64String(..)
static void judge_types(struct inspect *in, const struct inspect_node *n)
{
	size_t i = 0;

	while (i + 6 < n->len) {
		const uint8_t *q = memchr(n->p + i, '[', n->len - i), *end;

		if (q == NULL)
			return;
		i = (size_t)(q - n->p) + 1;
		end = memchr(n->p + i, ']', n->len - i < 64 ? n->len - i : 64);
		if (end == NULL || end + 3 >= n->p + n->len || !is_type(n, i, (size_t)(end - n->p)))
			continue;
		if (end[1] == ':' && end[2] == ':' && is_letter(end[3]))
			inspect_evidence(in, n, RULE_POWERSHELL_TYPE, i - 1,
					 (size_t)(end - n->p) + 3 - i);
		else if (http_bytes_are((struct http_bytes){q, 6}, "[char]") && end[1] >= '0' &&
			 end[1] <= '9')
			inspect_evidence(in, n, RULE_POWERSHELL_CHARS, i - 1, 6);
	}
}

// Text in quotes at i. Returns what is behind it; 0: there is none
static size_t text_end(const struct inspect_node *n, size_t i)
{
	const uint8_t *q;

	while (i < n->len && n->p[i] == ' ')
		i++;
	if (i >= n->len || (n->p[i] != '\'' && n->p[i] != '"'))
		return 0;
	q = memchr(n->p + i + 1, n->p[i], n->len - i - 1 < 64 ? n->len - i - 1 : 64);
	if (q == NULL)
		return 0;
	i = (size_t)(q - n->p) + 1;
	while (i < n->len && n->p[i] == ' ')
		i++;
	return i;
}

static void judge_computed_names(struct inspect *in, const struct inspect_node *n)
{
	size_t i = 0;

	while (i + 6 < n->len) {
		const uint8_t *q = memchr(n->p + i, '(', n->len - i);
		size_t from, end;

		if (q == NULL)
			return;
		i = (size_t)(q - n->p) + 1;
		from = i - 1;
		while (from > 0 && n->p[from - 1] == ' ')
			from--;
		if (from == 0 || (n->p[from - 1] != '&' && n->p[from - 1] != '.'))
			continue;
		end = text_end(n, i);
		if (end == 0 || end >= n->len)
			continue;
		if ((n->p[end] == '+' && text_end(n, end + 1) > 0 && n->p[from - 1] == '&') ||
		    (n->p[end] == '-' && end + 1 < n->len && (n->p[end + 1] | 0x20) == 'f'))
			inspect_evidence(in, n, RULE_POWERSHELL_NAME, from, end - from);
	}
}

void shell_judge_powershell(struct inspect *in, const struct inspect_node *n)
{
	const uint64_t called = BYTES(SPACE) | BYTES(PLUS) | BYTES(LPAREN) | BYTES(TAB);

	if (n->len < 5)
		return;
	if ((n->set & BYTES(MINUS)) != 0 && (n->set & called) != 0)
		judge_cmdlets(in, n);
	shell_judge_alias(in, n, 0);
	if ((n->set & BYTES(LBRACKET)) != 0 && (n->set & BYTES(RBRACKET)) != 0)
		judge_types(in, n);
	if ((n->set & BYTES(LPAREN)) != 0 && (n->set & (BYTES(AMP) | BYTES(DOT))) != 0)
		judge_computed_names(in, n);
}
