// SPDX-License-Identifier: BSD-3-Clause
//
// Where a command line could begin in a value, and what is told when one does: behind each separator and
// in each substitution, whatever quotes stand before it (the value may have been put into some), and at
// the front, if the value is a command line as a whole.

#include "dataplane/inspect/shell/shell.h"

#include "dataplane/inspect/decode/decode.h"
#include "dataplane/inspect/shell/shell_priv.h"

#include <string.h>

#define SUBST_MAX 512 // bytes of a substitution that are looked at
#define PROSE     3   // words one after the other that make a sentence
#define LOOK_BACK 96

struct value {
	struct inspect *in;
	const struct inspect_node *n;
	bool plus;
	size_t work, most; // bytes read, and that may be
};

static bool is_letter(uint8_t c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

// ---- what stands before --------------------------------------------------------------------------

static bool is_gap(const struct value *v, uint8_t c)
{
	return is_blank(c) || c == ',' || c == '.' || c == ':' || c == '\'' ||
	       (v->plus && c == '+');
}

// A sentence goes before i: PROSE words of letters one after the other.
static bool is_behind_prose(const struct value *v, size_t i)
{
	size_t stop = i > LOOK_BACK ? i - LOOK_BACK : 0;
	unsigned words = 0;

	while (i > stop && words < PROSE) {
		size_t end = i;

		while (i > stop && (is_letter(v->n->p[i - 1]) || v->n->p[i - 1] >= 0x80))
			i--;
		if (end - i >= 2)
			words++;
		else if (end > i)
			words += words > 0; // "a", "I" between words
		if (i == stop)
			break;
		if (!is_gap(v, v->n->p[i - 1]))
			words = 0;
		i--;
	}
	return words >= PROSE;
}

// Nothing before i but one piece without blanks, and that no name of a field: a number, an address, quotes.
static bool is_front(const struct value *v, size_t i)
{
	size_t letters = 0, rest = 0, end = i;

	while (end > 0 && is_blank(v->n->p[end - 1]))
		end--;
	for (size_t k = 0; k < end; k++) {
		if (is_blank(v->n->p[k]) || v->n->p[k] == '\n' || (v->plus && v->n->p[k] == '+'))
			return false;
		if (is_letter(v->n->p[k]))
			letters++;
		else
			rest++;
	}
	return letters < 2 || rest > 0;
}

// ---- evidence ------------------------------------------------------------------------------------

static bool names_command(struct http_bytes name)
{
	static const char *const names[] = {"cmd",     "exec",        "command", "execute", "shell",
					    "run",     "commandline", "ping",    "daemon",  "cli",
					    "cmdline", "rce",         "system",  "code"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (name.len == strlen(names[i]) && memcmp(name.p, names[i], name.len) == 0)
			return true;
	return false;
}

// Not the name itself, of which the name is that too.
static bool takes_values(uint8_t place)
{
	return place != PLACE_QUERY_NAME && place != PLACE_FORM_NAME &&
	       place != PLACE_COOKIE_NAME && place != PLACE_JSON_KEY && place != PLACE_HEADER_NAME;
}

static void tell(struct value *v, const struct sh_command *c, enum inspect_rule rule)
{
	size_t to = c->to < v->n->len ? c->to : v->n->len;

	inspect_evidence(v->in, v->n, rule, c->from, to > c->from ? to - c->from : 0);
}

static bool is_hidden(const struct sh_command *c)
{
	bool word = (c->program->flags & PROGRAM_WORD) != 0;

	if ((c->name_flags & (WORD_PIECES | WORD_ANSI)) != 0)
		return true;
	if ((c->name_flags & WORD_GLOB) != 0)
		return c->path || c->secrets > 0 || (!word && c->paths > 0);
	return (c->flags & (WORD_IFS | WORD_SLICE)) != 0 ||
	       ((c->flags & WORD_GLOB) != 0 && c->secrets > 0) ||
	       ((c->flags & WORD_PIECES) != 0 && c->secrets > 0);
}

// What a command shows beside its breaking out.
static enum shell_strength tell_command(struct value *v, const struct sh_command *c)
{
	struct shell_grade g = shell_judge(c);

	if (g.strength == SHELL_NONE)
		return SHELL_NONE;
	tell(v, c, g.rule);
	if (is_hidden(c))
		tell(v, c, RULE_SHELL_HIDDEN);
	if (c->path)
		tell(v, c, RULE_SHELL_PATH);
	if (takes_values(v->n->place) && names_command(v->n->name))
		tell(v, c, RULE_SHELL_PARAM);
	return g.strength;
}

static struct sh shell_at(const struct value *v, size_t at, size_t end)
{
	return (struct sh){.p = v->n->p, .len = end, .at = at, .plus = v->plus};
}

static void tell_break(struct value *v, const struct sh_command *c, size_t at,
		       enum inspect_rule how)
{
	if (is_behind_prose(v, at)) {
		tell(v, c, RULE_SHELL_PROSE);
		return;
	}
	tell(v, c, how);
	if (is_front(v, at))
		tell(v, c, RULE_SHELL_FRONT);
}

// ---- separators ----------------------------------------------------------------------------------

// A list whose words happen to be names of programs: name|id|date
static bool is_list(const struct value *v, const struct sh_command *c, uint8_t separator)
{
	struct sh_command next;
	struct sh s;

	if (c->args > 0 || c->end != separator || c->to + 1 >= v->n->len)
		return false;
	s = shell_at(v, c->to + 1, v->n->len);
	sh_blanks(&s);
	if (s.at >= s.len || s.p[s.at] == separator || s.p[s.at] == '\n')
		return false;
	return !sh_command(&s, &next);
}

static size_t after_separator(struct value *v, size_t i)
{
	const struct inspect_node *n = v->n;
	struct shell_grade g;
	struct sh_command c;
	size_t from = i;
	struct sh s;

	while (i + 1 < n->len && (n->p[i + 1] == n->p[from] || n->p[i + 1] == ' ' ||
				  n->p[i + 1] == '\n' || n->p[i + 1] == ';' || n->p[i + 1] == '|'))
		i++;
	if (i + 1 >= n->len)
		return i + 1;
	s = shell_at(v, i + 1, n->len);
	if (sh_command(&s, &c)) {
		g = shell_judge(&c);
		// "| sh" behind a command is where the harm is
		if (g.strength == SHELL_WEAK && c.program->kind == PROGRAM_SHELL &&
		    n->p[from] == '|' && c.program->flags == 0)
			tell(v, &c, RULE_SHELL_PIPE);
		if (g.strength > SHELL_WEAK ||
		    (g.strength == SHELL_WEAK && !is_list(v, &c, n->p[from]))) {
			tell_command(v, &c);
			tell_break(v, &c, from, RULE_SHELL_BREAK);
		}
	}
	v->work += s.work;
	return i + 1;
}

static void judge_separators(struct value *v)
{
	const struct inspect_node *n = v->n;

	for (size_t i = 0; i < n->len && v->work < v->most;) {
		uint8_t c = n->p[i];

		if (c == ';' || c == '|' || c == '&' || c == '\n')
			i = after_separator(v, i);
		else
			i++;
	}
}

// ---- substitutions -------------------------------------------------------------------------------

static void judge_substitution(struct value *v, size_t at, size_t from, size_t end)
{
	struct sh s = shell_at(v, from, end);
	struct sh_command c;
	bool alone = end + 1 >= v->n->len;

	if (sh_command(&s, &c) && tell_command(v, &c) != SHELL_NONE) {
		// `name` is a column to MySQL and code to Markdown, $(name) an element to jQuery
		if (is_behind_prose(v, at))
			tell(v, &c, RULE_SHELL_PROSE);
		else
			tell(v, &c, RULE_SHELL_SUBST);
		if (is_front(v, at) && (alone || c.args > 0 || v->n->p[end] == ')'))
			tell(v, &c, RULE_SHELL_FRONT);
	}
	v->work += s.work + 16;
}

// Past the bracket that closes the one before i; 0: none does.
static size_t closing(const struct inspect_node *n, size_t i)
{
	size_t stop = i + SUBST_MAX < n->len ? i + SUBST_MAX : n->len;
	unsigned depth = 1;

	for (; i < stop; i++) {
		if (n->p[i] == '(')
			depth++;
		else if (n->p[i] == ')' && --depth == 0)
			return i;
	}
	return stop;
}

static void judge_substitutions(struct value *v)
{
	const struct inspect_node *n = v->n;

	for (size_t i = 0; i + 1 < n->len && v->work < v->most; i++) {
		if (n->p[i] == '`') {
			size_t left = n->len - i - 1;
			const uint8_t *q =
				memchr(n->p + i + 1, '`', left < SUBST_MAX ? left : SUBST_MAX);

			if (q == NULL)
				continue;
			judge_substitution(v, i, i + 1, (size_t)(q - n->p));
		} else if (n->p[i + 1] == '(' &&
			   (n->p[i] == '$' || n->p[i] == '<' || n->p[i] == '>')) {
			judge_substitution(v, i, i + 2, closing(n, i + 2));
		}
	}
}

// ---- the whole value -----------------------------------------------------------------------------

static void judge_whole(struct value *v)
{
	struct sh s = shell_at(v, 0, v->n->len);
	struct sh_command c;

	if (!sh_command(&s, &c) || shell_judge(&c).strength < SHELL_FAIR)
		return;
	if (c.args == 0 && !takes_values(v->n->place))
		return;
	tell_command(v, &c);
	tell(v, &c, RULE_SHELL_WHOLE);
	if (v->n->place == PLACE_USER_AGENT || v->n->place == PLACE_REFERER)
		tell(v, &c, RULE_SHELL_PLACE);
	v->work += s.work;
}

static void run(struct inspect *in, const struct inspect_node *n)
{
	struct value v = {.in = in, .n = n, .most = (size_t)n->len * 16 + 1024};

	if (n->place == PLACE_FILE || n->len < 2)
		return;
	if ((n->set & (BYTES(CONTROL) | BYTES(HIGH) | BYTES(NUL))) != 0 &&
	    !decode_is_text(n->p, n->len))
		return;
	v.plus = (n->set & BYTES(PLUS)) != 0 && (n->set & BYTES(SPACE)) == 0;
	judge_whole(&v);
	if ((n->set & (BYTES(SEMICOLON) | BYTES(BAR) | BYTES(AMP) | BYTES(LF))) != 0)
		judge_separators(&v);
	if ((n->set & (BYTES(BACKTICK) | BYTES(LPAREN))) != 0)
		judge_substitutions(&v);
	shell_judge_batch(in, n);
	shell_judge_powershell(in, n);
	shell_judge_forms(in, n);
}

const struct inspect_analyser inspect_shell = {
	.name = "shell",
	.any = BYTES_WORD | BYTES(LPAREN),
	.least = 2,
	.run = run,
};
