// SPDX-License-Identifier: BSD-3-Clause
//
// Where PHP could begin in a value, and what is told when it does: behind a tag; at the front, where the value
// is put into eval(); behind quotes and brackets that it ends; within ${ }, where it is put into a text.

#include "dataplane/inspect/php/php.h"

#include "dataplane/inspect/php/parse.h"

#include <string.h>
#include <strings.h>

#define STARTS    12 // places where code may begin that are tried, of each kind
#define PROSE     3  // words one after the other that make a sentence
#define LOOK_BACK 96
#define WORK(len) ((len)*4 + 256) // tokens read of a value, over all tries
#define ROOM_MOST (256u << 10)

struct look {
	struct inspect *in;
	const struct inspect_node *n;
	struct php *p;
	uint8_t *room;
	size_t room_len, work;
};

// ---- evidence ------------------------------------------------------------------------------------

static const struct {
	uint32_t op;
	enum inspect_rule rule;
} acts[] = {
	{PHP_OP_RUN, RULE_PHP_RUN},
	{PHP_OP_EVAL, RULE_PHP_EVAL},
	{PHP_OP_NAME_CALL, RULE_PHP_NAME_CALL},
	{PHP_OP_WRITE, RULE_PHP_WRITE},
	{PHP_OP_READ, RULE_PHP_READ},
	{PHP_OP_INFO, RULE_PHP_INFO},
	{PHP_OP_PRINT, RULE_PHP_SHOW},
	{PHP_OP_FUNCTION, RULE_PHP_FUNCTION},
	{PHP_OP_SHARED, RULE_PHP_SHARED},
	{PHP_OP_NESTED, RULE_PHP_NESTED},
	{PHP_OP_SUPER, RULE_PHP_SUPER},
	{PHP_OP_HIDDEN, RULE_PHP_HIDDEN},
	{PHP_OP_INCLUDE, RULE_PHP_INCLUDE},
	{PHP_OP_DROP, RULE_PHP_DROP},
	{PHP_OP_DECODED, RULE_PHP_DECODED},
	{PHP_OPS_FLOW & ~PHP_OP_FLOW_ARG, RULE_PHP_FLOW},
	{PHP_OP_RUN_BARE, RULE_PHP_RUN_BARE},
	{PHP_OP_EVAL_BARE, RULE_PHP_EVAL_BARE},
	{PHP_OP_SHARED_BARE, RULE_PHP_SHARED_BARE},
};

// Of the value alone, where it is code from its first byte.
static const struct {
	uint32_t op;
	enum inspect_rule rule;
} whole_acts[] = {
	{PHP_OP_VAR_CALL, RULE_PHP_VAR_CALL},
	{PHP_OP_VARVAR, RULE_PHP_VARVAR},
	{PHP_OP_ECHO, RULE_PHP_ECHO},
	{PHP_OP_SEMI, RULE_PHP_SEMICOLON},
};

#define OPS_ACT                                                                                    \
	(PHP_OP_RUN | PHP_OP_EVAL | PHP_OP_NAME_CALL | PHP_OP_WRITE | PHP_OP_READ | PHP_OP_INFO |  \
	 PHP_OP_PRINT | PHP_OP_FUNCTION | PHP_OP_SHARED | PHP_OP_SUPER | PHP_OP_DROP |             \
	 PHP_OP_INCLUDE | PHP_OP_RUN_BARE | PHP_OP_EVAL_BARE | PHP_OP_HIDDEN | PHP_OPS_FLOW)

static void say(struct look *l, enum inspect_rule rule, size_t at)
{
	if (at > l->n->len)
		at = l->n->len;
	inspect_evidence(l->in, l->n, rule, at, l->n->len - at);
}

static void say_acts(struct look *l, uint32_t ops, size_t at, bool whole)
{
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		if ((ops & acts[i].op) != 0)
			say(l, acts[i].rule, at);
	for (size_t i = 0; whole && i < sizeof(whole_acts) / sizeof(whole_acts[0]); i++)
		if ((ops & whole_acts[i].op) != 0)
			say(l, whole_acts[i].rule, at);
}

// ---- what stands before --------------------------------------------------------------------------

static bool is_letter(uint8_t c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

// A sentence goes before i: PROSE words of letters one after the other.
static bool is_behind_prose(const struct look *l, size_t i)
{
	const uint8_t *s = l->n->p;
	size_t stop = i > LOOK_BACK ? i - LOOK_BACK : 0;
	unsigned words = 0;

	while (i > stop && words < PROSE) {
		size_t end = i;

		while (i > stop && (is_letter(s[i - 1]) || s[i - 1] >= 0x80))
			i--;
		if (end - i >= 2 || (end > i && words > 0))
			words++;
		if (i == stop)
			break;
		if (memchr(" ,.:;'\n\r\t?!", s[i - 1], 11) == NULL)
			words = 0;
		i--;
	}
	return words >= PROSE;
}

// Places where no one writes to others.
static bool takes_prose(uint8_t place)
{
	return place == PLACE_FORM || place == PLACE_JSON || place == PLACE_XML_TEXT ||
	       place == PLACE_GRAPHQL || place == PLACE_BODY || place == PLACE_QUERY ||
	       place == PLACE_COOKIE || place == PLACE_REFERER_QUERY;
}

// ---- contexts ------------------------------------------------------------------------------------

static bool begin(struct look *l)
{
	if (l->work >= WORK(l->n->len))
		return false;
	php_begin(l->p, l->room, l->room_len, WORK(l->n->len) - l->work);
	return true;
}

static void done(struct look *l)
{
	l->work += l->p->lex.tokens + 4;
}

static void say_shell(struct look *l, const struct php *p)
{
	static const struct {
		uint32_t op;
		enum inspect_rule rule;
	} shells[] = {
		{PHP_OP_FLOW_RUN, RULE_PHP_SHELL_RUN},
		{PHP_OP_FLOW_EVAL, RULE_PHP_SHELL_EVAL},
		{PHP_OP_FLOW_CALL, RULE_PHP_SHELL_CALL},
		{PHP_OP_FLOW_INCLUDE, RULE_PHP_SHELL_INCLUDE},
		{PHP_OP_FLOW_WRITE, RULE_PHP_SHELL_WRITE},
		{PHP_OP_FLOW_ARG, RULE_PHP_SHELL_ARGUMENT},
		{PHP_OP_DECODED, RULE_PHP_SHELL_DECODED},
		{PHP_OP_NAME_CALL, RULE_PHP_SHELL_NAME},
		{PHP_OP_HIDDEN, RULE_PHP_SHELL_HIDDEN},
		{PHP_OP_DROP, RULE_PHP_SHELL_DROP},
		{PHP_OP_RUN, RULE_PHP_SHELL_COMMAND},
	};
	uint32_t quiet = PHP_OP_INFO | PHP_OP_ECHO | PHP_OP_SEMI | PHP_OP_FUNCTION | PHP_OP_PRINT |
			 PHP_OP_NESTED | PHP_OP_SHARED | PHP_OP_SHARED_BARE;

	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++)
		if ((p->ops & shells[i].op) != 0)
			say(l, shells[i].rule, p->at);
	if ((p->ops & PHP_OP_INFO) != 0 && (p->ops & ~quiet) == 0 && l->n->len < 512 && !l->n->cut)
		say(l, RULE_PHP_SHELL_PROBE, p->at);
}

// From a tag on; the file is read twice, so that what is said at its end is known at its beginning.
static void judge_tags(struct look *l, size_t at)
{
	const struct inspect_node *n = l->n;
	struct php *p = l->p;
	bool file = n->place == PLACE_FILE || n->place == PLACE_BODY;

	if (!begin(l))
		return;
	php_file(p, n->p, n->len);
	if ((p->ops & PHP_OPS_FLOW) == 0 && (p->vars > 0 || p->owns > 0)) {
		p->lex.tokens = 0;
		p->scope = p->scopes = 0;
		php_file(p, n->p, n->len);
	}
	done(l);
	if ((p->ops & ~(PHP_OP_CODE | PHP_OP_SEMI)) == 0)
		return;
	if (!takes_prose(n->place) || file || !is_behind_prose(l, at))
		say_shell(l, p);
	if (file)
		return;
	say(l, RULE_PHP_TAG, at);
	if (!takes_prose(n->place) || !is_behind_prose(l, at)) {
		say(l, RULE_PHP_TAG_FRONT, at);
		say_acts(l, p->ops, p->at, true);
	}
}

// Words with which a value that is code may begin.
static bool may_begin(const uint8_t *s, size_t len)
{
	static const char *const words[] = {
		"echo", "print",  "include", "require",      "if",           "return", "eval",
		"die",  "exit",   "foreach", "include_once", "require_once", "define", "while",
		"for",  "new",    "global",  "function",     "class",        "use",    "namespace",
		"try",  "switch", "unset",   "goto",         "do",           "static"};
	size_t n = 0;

	while (n < len && php_is_name(s[n]))
		n++;
	if (n == 0)
		return len > 0 && memchr("$@(\"'[`!\\#/{", s[0], 12) != NULL;
	if (php_function_find(s, n) != NULL)
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (php_text_is(s, n, words[i]))
			return true;
	return false;
}

static bool ended(const struct php *p)
{
	return !p->bad && (p->tok.kind == PHP_T_END || p->tok.kind == PHP_T_CLOSE);
}

static void judge_whole(struct look *l)
{
	const struct inspect_node *n = l->n;
	size_t from = 0;
	uint32_t ops;

	while (from < n->len && php_is_blank(n->p[from]))
		from++;
	if (!may_begin(n->p + from, n->len - from) || !begin(l))
		return;
	php_code(l->p, n->p + from, n->len - from);
	done(l);
	ops = ended(l->p) ? l->p->ops : (l->p->ops_done & PHP_OP_SEMI) != 0 ? l->p->ops_done : 0;
	if ((ops & (OPS_ACT | PHP_OP_VAR_CALL | PHP_OP_VARVAR)) == 0)
		return;
	say(l, RULE_PHP_WHOLE, from);
	say_acts(l, ops, from + l->p->at, true);
}

// Behind what ends a text or bracket of the application, at i: the rest of an expression, or a statement.
static void judge_rest(struct look *l, size_t i)
{
	const struct inspect_node *n = l->n;
	uint32_t ops;

	if (!begin(l))
		return;
	if (n->p[i] == '.' || n->p[i] == '^')
		php_code_rest(l->p, n->p + i, n->len - i);
	else
		php_code(l->p, n->p + i, n->len - i);
	done(l);
	ops = l->p->ops;
	if ((ops & OPS_ACT) == 0 || is_behind_prose(l, i))
		return;
	say(l, RULE_PHP_BREAK, i);
	say_acts(l, ops, i + l->p->at, false);
}

static bool is_closer(uint8_t c)
{
	return c == ')' || c == ']' || c == '}' || c == ';' || c == ',';
}

// Quotes and closers, wherever they stand.
static void judge_breaks(struct look *l)
{
	const struct inspect_node *n = l->n;
	unsigned tries = 0;

	for (size_t i = 0; i < n->len && tries < STARTS; i++) {
		size_t k = i;
		bool closed = false;

		if (n->p[i] != '\'' && n->p[i] != '"' && !is_closer(n->p[i]))
			continue;
		while (k < n->len && (is_closer(n->p[k]) || php_is_blank(n->p[k]) ||
				      n->p[k] == '"' || n->p[k] == '\'')) {
			closed |= is_closer(n->p[k]);
			k++;
		}
		if (k < n->len && n->p[k] == '.') {
			tries++;
			judge_rest(l, k);
		} else if (k + 1 < n->len && k > i && n->p[k - 1] == ']' && n->p[k] == '=' &&
			   n->p[k + 1] != '=') { // ['x']=system('id');
			tries++;
			judge_rest(l, k + 1);
		} else if (k < n->len && closed && may_begin(n->p + k, n->len - k)) {
			tries++;
			judge_rest(l, k);
		}
		i = k > i ? k - 1 : i;
	}
}

// ${..} and {$..}
static void judge_within(struct look *l)
{
	const struct inspect_node *n = l->n;
	unsigned tries = 0;

	for (size_t i = 0; i + 2 < n->len && tries < STARTS; i++) {
		bool curly = n->p[i] == '{' && n->p[i + 1] == '$';

		if (!curly && !(n->p[i] == '$' && n->p[i + 1] == '{'))
			continue;
		tries++;
		if (!begin(l))
			return;
		i += curly;
		php_code(l->p, n->p + i, n->len - i);
		done(l);
		if ((l->p->ops & OPS_ACT) == 0 || is_behind_prose(l, i))
			continue;
		say(l, RULE_PHP_WITHIN, i);
		say_acts(l, l->p->ops, i + l->p->at, false);
	}
}

// ---- one node ------------------------------------------------------------------------------------

static bool prepare(struct look *l)
{
	l->p = inspect_scratch(l->in, sizeof(*l->p));
	if (l->p == NULL)
		return false;
	l->room_len = (size_t)l->n->len * 2 + 256;
	if (l->room_len > ROOM_MOST)
		l->room_len = ROOM_MOST;
	l->room = inspect_scratch(l->in, l->room_len);
	return true;
}

bool php_is_file(struct inspect *in, const struct inspect_node *n, size_t *at)
{
	struct look l = {.in = in, .n = n};
	const uint8_t *tag = bytes_find2(n->p, n->len, '<', '?');

	if (tag == NULL || !prepare(&l) || !begin(&l))
		return false;
	*at = (size_t)(tag - n->p);
	php_file(l.p, n->p, n->len);
	return (l.p->ops & ~PHP_OP_SEMI) != 0;
}

static void run(struct inspect *in, const struct inspect_node *n)
{
	struct look l = {.in = in, .n = n};
	const uint8_t *tag = NULL;
	bool call = (n->set & (BYTES(LPAREN) | BYTES(BACKTICK) | BYTES(DOLLAR))) != 0 ||
		    (n->p[0] | 0x20) == 'i' || (n->p[0] | 0x20) == 'r'; // include "x"

	if ((n->set & (BYTES(LT) | BYTES(QUESTION))) == (BYTES(LT) | BYTES(QUESTION)))
		tag = bytes_find2(n->p, n->len, '<', '?');
	if (tag == NULL && (!call || n->place == PLACE_FILE))
		return;
	if (!prepare(&l))
		return;
	if (tag != NULL)
		judge_tags(&l, (size_t)(tag - n->p));
	if (!call || n->place == PLACE_FILE || n->len > 16384)
		return;
	judge_whole(&l);
	if ((n->set & (BYTES(QUOTE) | BYTES(DQUOTE) | BYTES(RPAREN) | BYTES(SEMICOLON))) != 0)
		judge_breaks(&l);
	if ((n->set & BYTES(DOLLAR)) != 0 && (n->set & BYTES(LBRACE)) != 0)
		judge_within(&l);
}

const struct inspect_analyser inspect_php = {
	.name = "php",
	.any = BYTES(LPAREN) | BYTES(QUESTION) | BYTES(BACKTICK) | BYTES(DOLLAR) | BYTES(QUOTE) |
	       BYTES(DQUOTE),
	.least = 4,
	.run = run,
};
