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
#define SHORT     96 // bytes of a command that are read when much was

// What one command shows.
struct finding {
	enum inspect_rule rule[8];
	unsigned rules, points;
	size_t from, to;
};

struct value {
	struct inspect *in;
	const struct inspect_node *n;
	bool plus;
	size_t work, most; // bytes read, and from which on less is read of each command
	// Commands are judged one by one: a text with a little of each is no attack.
	struct finding now, best;
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

// What is between the words of a sentence, at i.
static bool is_gap(const struct value *v, size_t i)
{
	const uint8_t *p = v->n->p;

	if (is_blank(p[i]) || (v->plus && p[i] == '+') || p[i] == '\'')
		return true;
	return (p[i] == ',' || p[i] == '.' || p[i] == ':') && i + 1 < v->n->len && p[i + 1] <= ' ';
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
		if (!is_gap(v, i - 1))
			words = 0;
		i--;
	}
	return words >= PROSE;
}

// Two words and more go on behind i.
static bool is_before_prose(const struct value *v, size_t i)
{
	size_t end = i + LOOK_BACK < v->n->len ? i + LOOK_BACK : v->n->len, from;
	unsigned words = 0;

	while (i < end && words < 2) {
		for (from = i; i < end && is_gap(v, i);)
			i++;
		if (i == from)
			return false;
		for (from = i; i < end && (is_letter(v->n->p[i]) || v->n->p[i] >= 0x80);)
			i++;
		if (i == from)
			return false;
		words++;
	}
	return words == 2;
}

// Nothing before i but one piece without blanks, and that no names of fields: a number, an address, quotes.
static bool is_front(const struct value *v, size_t i)
{
	size_t letters = 0, rest = 0, end = i;

	if (i > LOOK_BACK)
		return false;
	while (end > 0 && is_blank(v->n->p[end - 1]))
		end--;
	for (size_t k = 0; k < end; k++) {
		uint8_t c = v->n->p[k];

		if (is_blank(c) || c == '\n' || (v->plus && c == '+'))
			return false;
		if (is_letter(c) || c >= 0x80)
			letters++;
		else if (memchr(";|&=_-,<>`:[]\"'", c, 15) == NULL)
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

static void begin(struct value *v)
{
	v->now = (struct finding){0};
}

static void add(struct value *v, enum inspect_rule rule)
{
	if (v->now.rules == sizeof(v->now.rule) / sizeof(v->now.rule[0]))
		return;
	v->now.rule[v->now.rules++] = rule;
	v->now.points += inspect_rule_points(rule);
}

static void end(struct value *v, const struct sh_command *c)
{
	if (v->now.points <= v->best.points)
		return;
	v->best = v->now;
	v->best.from = c->from;
	v->best.to = c->to < v->n->len ? c->to : v->n->len;
}

static void tell(struct value *v)
{
	const struct finding *f = &v->best;

	for (unsigned i = 0; i < f->rules; i++)
		inspect_evidence(v->in, v->n, f->rule[i], f->from,
				 f->to > f->from ? f->to - f->from : 0);
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
static void add_command(struct value *v, const struct sh_command *c, struct shell_grade g)
{
	add(v, g.rule);
	if (is_hidden(c))
		add(v, RULE_SHELL_HIDDEN);
	if (c->path)
		add(v, RULE_SHELL_PATH);
	if (takes_values(v->n->place) && v->n->name.len > 0 && names_command(v->n->name))
		add(v, RULE_SHELL_PARAM);
}

static struct sh shell_at(const struct value *v, size_t at, size_t end)
{
	size_t most = v->work < v->most ? SH_COMMAND_MAX : SHORT;

	return (struct sh){.p = v->n->p, .len = end, .at = at, .plus = v->plus, .most = most};
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
		return begins_letters(s, 1) || next == '"' || next == '\'' || next == '/' ||
		       (s.end - s.p > 3 && s.p[2] == *s.p);
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
	if (c == ':')
		return len == 1 && q + 1 < s.end && (q[1] == '\\' || q[1] == '/');
	if (sh_is_keyword((const char *)s.p, len))
		return true;
	if (!program_begins(s.p[0], len > 1 ? s.p[1] : 0))
		return len == 1 && is_of(c, &dress_bytes); // c'a't
	if ((c == '<' || c == '>') && q + 2 < s.end && q[1] == '(' && q[2] == ')')
		return true; // pi<()ng
	if (is_of(c, &dress_bytes) || (c == '%' && q + 1 < s.end && is_letter(q[1])))
		return true;
	return (is_of(c, &end_bytes) || (c == '+' && v->plus)) &&
	       program_find((const char *)s.p, len) != NULL;
}

// Can what stands at i be a command? It says no where the first word is plain and no program's name.
static bool may_begin(const struct value *v, size_t i)
{
	struct span s = {v->n->p + i, v->n->p + v->n->len};

	while (s.p < s.end &&
	       (is_blank(*s.p) || *s.p == '\n' || *s.p == '(' || *s.p == '@' || *s.p == '!' ||
		(*s.p == '+' && v->plus) || (*s.p == '{' && s.p + 1 < s.end && s.p[1] == ' ')))
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
	if (s.at >= s.len || s.p[s.at] == separator || memchr("\n'\"#", s.p[s.at], 4) != NULL)
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

// Another line ended not far before i.
static bool is_behind_lines(const struct value *v, size_t i)
{
	size_t back = i > LOOK_BACK ? LOOK_BACK : i;

	return memchr(v->n->p + i - back, '\n', back) != NULL;
}

// A command behind the separator at i. How-tos have lines with commands between others, so there a line's
// end tells nothing; and one word only does where it is in front.
static void judge_break(struct value *v, const struct sh_command *c, size_t i)
{
	struct shell_grade g = shell_judge(c);
	uint8_t separator = v->n->p[i];
	bool front = is_front(v, i), prose = !front && is_behind_prose(v, i);
	bool pipe = separator == '|' && g.strength == SHELL_WEAK &&
		    c->program->kind == PROGRAM_SHELL && (c->program->flags & PROGRAM_WORD) == 0;

	if (g.strength == SHELL_NONE || (prose && c->plain > 0) ||
	    (g.strength == SHELL_WEAK && !pipe && (!front || is_list(v, c, separator))))
		return;
	begin(v);
	add_command(v, c, g);
	if (pipe) // "| sh": what came before is where the harm is
		add(v, RULE_SHELL_PIPE);
	if (!prose && (separator != '\n' || front || c->keyword))
		add(v, RULE_SHELL_BREAK);
	else if (separator != '\n' || (!prose && !is_behind_lines(v, i)))
		add(v, RULE_SHELL_PROSE);
	if (front)
		add(v, RULE_SHELL_FRONT);
	end(v, c);
}

static size_t after_separator(struct value *v, size_t i)
{
	const struct inspect_node *n = v->n;
	struct sh_command c;
	size_t from = i;
	struct sh s;

	while (i + 1 < n->len && (n->p[i + 1] == n->p[from] || n->p[i + 1] == ' ' ||
				  n->p[i + 1] == '\n' || n->p[i + 1] == ';' || n->p[i + 1] == '|'))
		i++;
	if (i + 1 >= n->len)
		return i + 1;
	shell_judge_alias(v->in, n, i + 1);
	if ((n->p[i + 1] | 0x20) == 'f' || (n->p[i + 1] | 0x20) == 'i')
		shell_judge_batch(v->in, n, i + 1);
	if (n->p[i + 1] == '$')
		judge_variable(v, i + 1);
	if (!may_begin(v, i + 1))
		return i + 1;
	s = shell_at(v, i + 1, n->len);
	if (sh_command(&s, &c))
		judge_break(v, &c, from);
	v->work += s.work;
	return i + 1;
}

static void judge_separators(struct value *v)
{
	static const struct bytes_class separators =
		BYTES_CLASS(BYTES(SEMICOLON) | BYTES(BAR) | BYTES(AMP) | BYTES(LF));
	const uint8_t *p = v->n->p, *end = p + v->n->len, *q;

	for (q = bytes_find(p, end, &separators); q < end;)
		q = bytes_find(p + after_separator(v, (size_t)(q - p)), end, &separators);
}

// ---- substitutions -------------------------------------------------------------------------------

// Nothing behind i but a quote that is not the value's own.
static bool is_end(const struct value *v, size_t i)
{
	while (i < v->n->len && (v->n->p[i] == '}' || is_blank(v->n->p[i]) || v->n->p[i] == '"' ||
				 v->n->p[i] == '\'' || v->n->p[i] == '\n'))
		i++;
	return i >= v->n->len;
}

// `name` is a column to MySQL and code to Markdown, $(name) an element to jQuery: one word alone counts only
// where nothing else stands.
static void judge_substitution(struct value *v, size_t at, size_t from, size_t to)
{
	struct sh s = shell_at(v, from, to);
	struct shell_grade g;
	struct sh_command c;
	bool front;

	v->work += 16;
	if (!sh_command(&s, &c))
		return;
	v->work += s.work;
	g = shell_judge(&c);
	front = is_front(v, at) && (is_end(v, to + 1) || c.args > 0);
	if (g.strength == SHELL_NONE || (g.strength == SHELL_WEAK && !front))
		return;
	begin(v);
	add_command(v, &c, g);
	add(v, is_behind_prose(v, at) || is_before_prose(v, to + 1) ? RULE_SHELL_PROSE
								    : RULE_SHELL_SUBST);
	if (front)
		add(v, RULE_SHELL_FRONT);
	end(v, &c);
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

	for (q = bytes_find(p, end, &openings); q + 1 < end;
	     q = bytes_find(q + 1, end, &openings)) {
		size_t at = (size_t)(q - p), left = (size_t)(end - q - 1);

		if (*q == '`' && may_begin(v, at + 1)) {
			close = memchr(q + 1, '`', left < SUBST_MAX ? left : SUBST_MAX);
			if (close != NULL)
				judge_substitution(v, at, at + 1, (size_t)(close - p));
		} else if (at > 0 && (q[-1] == '$' || q[-1] == '<' || q[-1] == '>') &&
			   may_begin(v, at + 1)) {
			judge_substitution(v, at - 1, at + 1, closing(v->n, at + 1));
		}
	}
}

// ---- the whole value -----------------------------------------------------------------------------

// Where no prose is expected: a command is asked for, or a client names itself.
static bool is_asked(const struct inspect_node *n)
{
	return n->place == PLACE_USER_AGENT || (n->name.len > 0 && names_command(n->name));
}

// Another command behind this one.
static bool is_followed(const struct value *v, const struct sh_command *c)
{
	struct sh_command next;
	size_t i = c->to;
	struct sh s;

	while (i < v->n->len && (v->n->p[i] == ';' || v->n->p[i] == '|' || v->n->p[i] == '&'))
		i++;
	if (i == c->to || !may_begin(v, i))
		return false;
	s = shell_at(v, i, v->n->len);
	return sh_command(&s, &next) && shell_judge(&next).strength != SHELL_NONE;
}

static void judge_whole(struct value *v)
{
	struct sh s = shell_at(v, 0, v->n->len);
	struct shell_grade g;
	struct sh_command c;

	if (!may_begin(v, 0) || !sh_command(&s, &c))
		return;
	v->work += s.work;
	g = shell_judge(&c);
	if (g.strength < SHELL_FAIR || (c.args == 0 && !takes_values(v->n->place)))
		return;
	if (!c.code && c.plain > 0 && !is_asked(v->n) &&
	    c.plain >= c.options + c.secrets + (c.hosts > c.paths ? c.hosts : c.paths))
		return; // "ping 10.0.0.1 works"
	begin(v);
	add_command(v, &c, g);
	add(v, RULE_SHELL_WHOLE);
	if (is_followed(v, &c))
		add(v, RULE_SHELL_CHAIN);
	if (v->n->place == PLACE_USER_AGENT || v->n->place == PLACE_REFERER)
		add(v, RULE_SHELL_PLACE);
	end(v, &c);
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
	tell(&v);
	shell_judge_batch(in, n, 0);
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

// One word is a command line only where the parameter's name says that it is to be run.
static void run_word(struct inspect *in, const struct inspect_node *n)
{
	struct value v = {.in = in, .n = n, .most = 1024};

	if ((inspect_shell_word.places >> n->place & 1) != 0 &&
	    (n->set & (BYTES(LOWER) | BYTES(UPPER))) != 0 && (n->set & SIGNS) == 0 &&
	    n->len <= 32 && is_asked(n) && concerns(n))
		judge_whole(&v);
	tell(&v);
}

const struct inspect_analyser inspect_shell_word = {
	.name = "shell-word",
	.any = BYTES(LOWER) | BYTES(UPPER),
	.least = 2,
	.places = PLACE(QUERY) | PLACE(FORM) | PLACE(JSON) | PLACE(COOKIE) | PLACE(REFERER_QUERY) |
		  PLACE(XML_TEXT) | PLACE(HEADER) | PLACE(USER_AGENT),
	.run = run_word,
};
