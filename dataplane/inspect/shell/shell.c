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
		if (name.p[0] == (uint8_t)names[i][0] && name.len == strlen(names[i]) &&
		    memcmp(name.p, names[i], name.len) == 0)
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
	if (takes_values(v->n->place) && v->n->name.len > 0 && names_command(v->n->name))
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

// ---- quick answers -------------------------------------------------------------------------------

static const struct bytes_class name_bytes =
	BYTES_CLASS(BYTES_WORD | BYTES(UNDERSCORE) | BYTES(DOT) | BYTES(MINUS));
static const struct bytes_class end_bytes =
	BYTES_CLASS(BYTES_BLANK | BYTES(NUL) | BYTES(CONTROL) | BYTES(SEMICOLON) | BYTES(BAR) |
		    BYTES(AMP) | BYTES(RPAREN) | BYTES(LT) | BYTES(GT) | BYTES(BACKTICK));
// What dresses a name up: quotes, escapes, expansions, globs.
static const struct bytes_class dress_bytes = BYTES_CLASS(
	BYTES(QUOTE) | BYTES(DQUOTE) | BYTES(BACKSLASH) | BYTES(DOLLAR) | BYTES(CARET) |
	BYTES(STAR) | BYTES(QUESTION) | BYTES(LBRACKET) | BYTES(LBRACE) | BYTES(BACKTICK));

static bool is_of(uint8_t c, const struct bytes_class *k)
{
	return c < 0x80 && (k->low[c & 15] >> (c >> 4) & 1) != 0;
}

// {a,b} without blanks, colons and quotes.
static bool is_brace(const uint8_t *p, const uint8_t *end)
{
	if (end - p > 128)
		end = p + 128;
	for (p++; p < end && *p != '}' && *p != ' ' && *p != ':'; p++)
		if (*p == ',')
			return true;
	return false;
}

struct span {
	const uint8_t *p, *end;
};

static bool begins(struct span s, const char *text)
{
	size_t n = strlen(text);

	return (size_t)(s.end - s.p) >= n && memcmp(s.p, text, n) == 0;
}

static bool begins_letters(struct span s, size_t skip)
{
	return (size_t)(s.end - s.p) > skip + 1 && is_letter(s.p[skip]) &&
	       program_begins(s.p[skip], s.p[skip + 1]);
}

static bool has_dress(struct span s)
{
	const uint8_t *end = s.end - s.p > 16 ? s.p + 16 : s.end;

	return bytes_find(s.p, end, &dress_bytes) < end;
}

// A word that begins with a sign.
static bool may_begin_sign(struct span s)
{
	uint8_t next = s.end - s.p > 1 ? s.p[1] : 0;

	switch (*s.p) {
	case '/':
		return begins(s, "/bin/") || begins(s, "/usr/") || begins(s, "/sbin/") ||
		       has_dress(s);
	case '.':
		return next == '/';
	case '~':
		return next == '/';
	case '"':
	case '\'':
		return begins_letters(s, 1) || next == '"' || next == '\'' || next == '/';
	case '\\':
	case '^':
		return begins_letters(s, 1) || has_dress((struct span){s.p + 1, s.end});
	case '{':
		return next != '"' && next > ' ' && is_brace(s.p, s.end);
	case '%':
		return is_letter(next);
	case '<':
		return next == ' ' || begins(s, "</etc");
	case '[':
		return s.end - s.p > 3 && s.p[2] == ']';
	case '7':
		return next == 'z';
	case '$':
		return true;
	default:
		return false;
	}
}

static bool may_begin_word(const struct value *v, struct span s)
{
	const uint8_t *limit = s.end - s.p > 32 ? s.p + 32 : s.end;
	const uint8_t *q = bytes_skip(s.p, limit, &name_bytes);
	size_t len = (size_t)(q - s.p);
	struct span rest = {q, s.end - q > 64 ? q + 64 : s.end};
	uint8_t c = q < s.end ? *q : 0;

	if (c == '=')
		return memchr(q, '$', (size_t)(rest.end - q)) != NULL || v->plus ||
		       memchr(q, ' ', (size_t)(rest.end - q)) != NULL;
	if (c == '/')
		return begins(s, "bin/") || begins(s, "usr/");
	if (!program_begins(s.p[0], len > 1 ? s.p[1] : 0))
		return len == 1 && is_of(c, &dress_bytes); // c'a't
	if (is_of(c, &dress_bytes) || (c == '%' && q + 1 < s.end && is_letter(q[1])))
		return true;
	return (is_of(c, &end_bytes) || (c == '+' && v->plus)) &&
	       (program_find((const char *)s.p, len) != NULL ||
		sh_is_keyword((const char *)s.p, len));
}

// Can what stands at i be a command? It says no where the first word is plain and no program's name.
static bool may_begin(const struct value *v, size_t i)
{
	struct span s = {v->n->p + i, v->n->p + v->n->len};

	while (s.p < s.end && (is_blank(*s.p) || *s.p == '\n' || *s.p == '(' || *s.p == '@' ||
			       *s.p == '!' || (*s.p == '+' && v->plus)))
		s.p++;
	if (s.p == s.end)
		return false;
	return is_letter(*s.p) ? may_begin_word(v, s) : may_begin_sign(s);
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

// a=nc; $a -l: a variable as a command, and what was assigned to it in front. i: of the $
static void judge_variable(struct value *v, size_t i)
{
	const uint8_t *p = v->n->p, *end = p + v->n->len, *name = p + i + 1, *q, *to;
	const uint8_t *from = i > LOOK_BACK ? p + i - LOOK_BACK : p;
	size_t len;

	for (q = name; q < end && q - name < 16 && (is_letter(*q) || (*q >= '0' && *q <= '9')); q++)
		;
	len = (size_t)(q - name);
	if (len == 0)
		return;
	for (q = from; (q = memmem(q, (size_t)(p + i - q), name, len)) != NULL; q++) {
		bool first = q == p || !is_letter(q[-1]);

		if (!first || q + len >= p + i || q[len] != '=')
			continue;
		q += len + 1;
		to = bytes_skip(q, p + i, &name_bytes);
		if (program_find((const char *)q, (size_t)(to - q)) == NULL)
			continue;
		inspect_evidence(v->in, v->n, RULE_SHELL_VARIABLE, i, len + 1);
		return;
	}
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
	shell_judge_alias(v->in, n, i + 1);
	if (n->p[i + 1] == '$')
		judge_variable(v, i + 1);
	if (!may_begin(v, i + 1))
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
	static const struct bytes_class separators =
		BYTES_CLASS(BYTES(SEMICOLON) | BYTES(BAR) | BYTES(AMP) | BYTES(LF));
	const uint8_t *p = v->n->p, *end = p + v->n->len, *q;

	for (q = bytes_find(p, end, &separators); q < end && v->work < v->most;)
		q = bytes_find(p + after_separator(v, (size_t)(q - p)), end, &separators);
}

// ---- substitutions -------------------------------------------------------------------------------

static void judge_substitution(struct value *v, size_t at, size_t from, size_t end)
{
	struct sh s = shell_at(v, from, end);
	struct sh_command c;
	bool alone = end + 1 >= v->n->len;

	if (may_begin(v, from) && sh_command(&s, &c) && tell_command(v, &c) != SHELL_NONE) {
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
	static const struct bytes_class openings = BYTES_CLASS(BYTES(BACKTICK) | BYTES(LPAREN));
	const uint8_t *p = v->n->p, *end = p + v->n->len, *q, *close;

	for (q = bytes_find(p, end, &openings); q + 1 < end && v->work < v->most;
	     q = bytes_find(q + 1, end, &openings)) {
		size_t at = (size_t)(q - p), left = (size_t)(end - q - 1);

		if (*q == '`') {
			close = memchr(q + 1, '`', left < SUBST_MAX ? left : SUBST_MAX);
			if (close != NULL)
				judge_substitution(v, at, at + 1, (size_t)(close - p));
		} else if (at > 0 && (q[-1] == '$' || q[-1] == '<' || q[-1] == '>')) {
			judge_substitution(v, at - 1, at + 1, closing(v->n, at + 1));
		}
	}
}

// ---- the whole value -----------------------------------------------------------------------------

static void judge_whole(struct value *v)
{
	struct sh s = shell_at(v, 0, v->n->len);
	struct sh_command c;

	if (!may_begin(v, 0))
		return;
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

#define PLACE(p) (UINT64_C(1) << PLACE_##p)
#define NOWHERE                                                                                    \
	(PLACE(METHOD) | PLACE(HEADER_NAME) | PLACE(HOST) | PLACE(CONTENT_TYPE) | PLACE(FILE))
// Without one of these a value is one word.
#define SIGNS                                                                                      \
	(BYTES_BLANK | BYTES(SEMICOLON) | BYTES(BAR) | BYTES(AMP) | BYTES(BACKTICK) |              \
	 BYTES(DOLLAR) | BYTES(LPAREN) | BYTES(LT) | BYTES(GT) | BYTES(QUOTE) | BYTES(DQUOTE) |    \
	 BYTES(BACKSLASH) | BYTES(SLASH) | BYTES(PLUS) | BYTES(LBRACE) | BYTES(CARET) |            \
	 BYTES(STAR) | BYTES(QUESTION) | BYTES(PERCENT) | BYTES(LBRACKET))

static bool concerns(const struct inspect_node *n)
{
	if ((NOWHERE >> n->place & 1) != 0 || n->len < 2)
		return false;
	return (n->set & (BYTES(CONTROL) | BYTES(NUL))) == 0 || decode_is_text(n->p, n->len);
}

static void run(struct inspect *in, const struct inspect_node *n)
{
	struct value v = {.in = in, .n = n, .most = (size_t)n->len * 16 + 1024};

	if ((n->set & SIGNS) == 0 || !concerns(n))
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
	.any = SIGNS,
	.least = 2,
	.places = ~NOWHERE,
	.run = run,
};

static bool is_asked(const struct inspect_node *n)
{
	return n->place == PLACE_USER_AGENT || (n->name.len > 0 && names_command(n->name));
}

// One word is a command line only where the parameter's name says that it is to be run.
static void run_word(struct inspect *in, const struct inspect_node *n)
{
	struct value v = {.in = in, .n = n, .most = 1024};

	if ((inspect_shell_word.places >> n->place & 1) != 0 &&
	    (n->set & (BYTES(LOWER) | BYTES(UPPER))) != 0 && (n->set & SIGNS) == 0 &&
	    n->len <= 32 && is_asked(n) && concerns(n))
		judge_whole(&v);
}

const struct inspect_analyser inspect_shell_word = {
	.name = "shell-word",
	.any = BYTES(LOWER) | BYTES(UPPER),
	.least = 2,
	.places = PLACE(QUERY) | PLACE(FORM) | PLACE(JSON) | PLACE(COOKIE) | PLACE(REFERER_QUERY) |
		  PLACE(XML_TEXT) | PLACE(HEADER) | PLACE(USER_AGENT),
	.run = run_word,
};
