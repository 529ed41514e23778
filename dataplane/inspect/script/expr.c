// SPDX-License-Identifier: BSD-3-Clause
//
// The descent. A value is a constant text, a path of names (java.lang.Runtime) or anything else; what is
// done to it is noted. Nothing is required of types: whether a name may be called is for the engine to say.

#include "dataplane/inspect/script/expr.h"

#include "dataplane/inspect/script/lex.h"

#include <string.h>

#define DEPTH_MAX 28
#define PATH_MAX_ 80
#define ARGS_MAX  64

enum kind {
	V_OTHER,
	V_NUMBER,
	V_STRING, // constant, the text is known
	V_PATH,   // names with dots
	V_LIST,   // of constants
	V_CALLED, // what a call gave
};

struct value {
	uint8_t kind;
	uint8_t len; // of text
	bool sigil;
	char text[PATH_MAX_];
};

struct expr {
	struct expr_lexer l;
	struct expr_verdict *out;
	uint8_t goal;
	uint8_t depth;
	bool ternary; // a : belongs to a condition
};

static struct value expression(struct expr *x);
static struct value assignment(struct expr *x);
static void statements(struct expr *x, uint8_t close);

// ---- notes ---------------------------------------------------------------------------------------

static void note(struct expr *x, uint32_t ops)
{
	if ((ops & EXPR_GRAVE) != 0 && (x->out->ops & EXPR_GRAVE) == 0)
		x->out->at = (uint32_t)(x->l.from - x->l.p);
	x->out->ops |= ops;
}

static void note_name(struct expr *x, const char *p, size_t len, unsigned role)
{
	const struct expr_name *n = expr_name_find(p, len);

	if (n != NULL && (n->roles & role) != 0)
		note(x, n->ops);
	else if (n == NULL && role != NAME_TEXT && x->out->names < UINT16_MAX)
		x->out->names++;
}

// A constant text is handed on: it may name a class or a member.
static void note_text(struct expr *x, const struct value *v)
{
	if (v->kind != V_STRING || v->len == 0)
		return;
	note_name(x, v->text, v->len, NAME_TEXT);
	if (memchr(v->text, '.', v->len) != NULL)
		note(x, expr_class_ops(v->text, v->len));
}

static void fail(struct expr *x)
{
	if (!x->out->failed) {
		x->out->failed = true;
		x->out->used = (uint32_t)(x->l.from - x->l.p);
	}
	x->l.at = x->l.end;
	x->l.from = x->l.end;
	x->l.kind = EXPR_T_END;
}

static bool at(const struct expr *x, uint8_t sign)
{
	return x->l.kind == EXPR_T_SIGN && x->l.sign == sign && x->l.second == 0;
}

static bool at2(const struct expr *x, uint8_t a, uint8_t b)
{
	return x->l.kind == EXPR_T_SIGN && x->l.sign == a && x->l.second == b;
}

static bool at_name(const struct expr *x, const char *name)
{
	return x->l.kind == EXPR_T_NAME && x->l.sigil == 0 && x->l.text_len == strlen(name) &&
	       memcmp(x->l.text, name, x->l.text_len) == 0;
}

static bool take(struct expr *x, uint8_t sign)
{
	if (!at(x, sign))
		return false;
	expr_lex_next(&x->l);
	return true;
}

static void expect(struct expr *x, uint8_t sign)
{
	if (!take(x, sign))
		fail(x);
}

static bool enter(struct expr *x)
{
	if (x->depth == DEPTH_MAX) {
		x->out->deep = true;
		fail(x);
		return false;
	}
	x->depth++;
	return true;
}

static bool is_one_of(const struct expr *x, const char *const *words)
{
	for (; *words != NULL; words++)
		if (at_name(x, *words))
			return true;
	return false;
}

// ---- operands ------------------------------------------------------------------------------------

static void append(struct value *v, const char *p, size_t len)
{
	size_t n = len < sizeof(v->text) - v->len ? len : sizeof(v->text) - v->len;

	memcpy(v->text + v->len, p, n);
	v->len = (uint8_t)(v->len + n);
}

// Names with dots: a class, or a member of what is in scope.
static void note_path(struct expr *x, const struct value *v)
{
	const struct expr_name *n;

	if (v->kind != V_PATH || v->sigil)
		return;
	note(x, expr_class_ops(v->text, v->len));
	n = expr_name_find(v->text, v->len);
	if (n != NULL && (n->roles & NAME_PATH) != 0)
		note(x, n->ops);
}

static const char *last_of(const struct value *v, size_t *len)
{
	const char *dot = memrchr(v->text, '.', v->len);
	const char *last = dot != NULL ? dot + 1 : v->text;

	*len = v->len - (size_t)(last - v->text);
	return last;
}

static struct value operand_name(struct expr *x)
{
	struct value v = {.kind = V_PATH, .sigil = x->l.sigil != 0};

	append(&v, x->l.text, x->l.text_len);
	note(x, EXPR_NAME);
	if (x->l.sigil == '#')
		note_name(x, v.text, v.len, NAME_VAR);
	else
		note_name(x, v.text, v.len, NAME_ROOT);
	note_path(x, &v);
	expr_lex_next(&x->l);
	return v;
}

static struct value operand_string(struct expr *x)
{
	struct value v = {.kind = V_STRING};

	if (x->l.quote == '`')
		note(x, EXPR_RUBY);
	append(&v, x->l.text, x->l.text_len);
	note(x, EXPR_STRING);
	if (x->l.substituted)
		v.kind = V_OTHER;
	if (x->l.open)
		x->out->open = true;
	expr_lex_next(&x->l);
	while (x->l.kind == EXPR_T_STRING && x->l.quote != '`') { // "a" "b"
		append(&v, x->l.text, x->l.text_len);
		expr_lex_next(&x->l);
	}
	return v;
}

// @a.b.C@member, @bean
static struct value operand_static(struct expr *x)
{
	struct value v = {.kind = V_PATH};

	expr_lex_next(&x->l);
	if (x->l.kind != EXPR_T_NAME) {
		fail(x);
		return v;
	}
	for (;;) {
		append(&v, x->l.text, x->l.text_len);
		expr_lex_next(&x->l);
		if (!at(x, '.'))
			break;
		expr_lex_next(&x->l);
		if (x->l.kind != EXPR_T_NAME)
			break;
		append(&v, ".", 1);
	}
	if (!at(x, '@')) {
		note_path(x, &v);
		return v;
	}
	if (memchr(v.text, '.', v.len) != NULL)
		note(x, EXPR_STATIC);
	note_path(x, &v);
	expr_lex_next(&x->l);
	if (x->l.kind != EXPR_T_NAME) {
		fail(x);
		return v;
	}
	note_name(x, x->l.text, x->l.text_len, NAME_MEMBER);
	append(&v, ".", 1);
	append(&v, x->l.text, x->l.text_len);
	expr_lex_next(&x->l);
	return v;
}

// Up to the closing sign; keys of maps, keyword arguments and spreads come along.
static struct value list(struct expr *x, uint8_t close)
{
	struct value first = {.kind = V_OTHER}, v;
	unsigned n = 0;

	while (x->l.kind != EXPR_T_END && !at(x, close)) {
		if (at(x, ':') && close == ')' && x->l.at < x->l.end && *x->l.at >= '0' &&
		    *x->l.at <= '9') {
			fail(x); // Name.java:12 of a stack trace
			break;
		}
		if (at(x, ',') || at(x, ';') || at(x, ':') || at2(x, '=', '>')) {
			expr_lex_next(&x->l);
			continue;
		}
		v = assignment(x);
		if (n++ == 0)
			first = v;
		if (x->l.kind == EXPR_T_END || at(x, close))
			break;
		if (!at(x, ',') && !at(x, ';') && !at(x, ':') && !at2(x, '=', '>')) {
			static const char *const words[] = {"for", "if", "in", "as", "do", NULL};

			if (is_one_of(x, words)) { // [x for x in y]
				expr_lex_next(&x->l);
				continue;
			}
			if (x->l.blank && (x->l.kind == EXPR_T_NAME || x->l.kind == EXPR_T_STRING ||
					   x->l.kind == EXPR_T_NUMBER || at(x, '('))) {
				x->out->loose = true; // (lookup a "b") of Handlebars
				continue;
			}
			fail(x);
		}
	}
	expect(x, close);
	return first;
}

static struct value operand_new(struct expr *x)
{
	struct value v = {.kind = V_PATH};

	note(x, EXPR_NEW);
	while (x->l.kind == EXPR_T_NAME) {
		append(&v, x->l.text, x->l.text_len);
		expr_lex_next(&x->l);
		if (!at(x, '.'))
			break;
		append(&v, ".", 1);
		expr_lex_next(&x->l);
	}
	note_path(x, &v);
	while (at(x, '[')) {
		expr_lex_next(&x->l);
		list(x, ']');
	}
	if (at(x, '{')) {
		expr_lex_next(&x->l);
		list(x, '}');
	}
	return v;
}

// function name(a, b) { .. }
static struct value operand_function(struct expr *x)
{
	expr_lex_next(&x->l);
	if (x->l.kind == EXPR_T_NAME)
		expr_lex_next(&x->l);
	expect(x, '(');
	list(x, ')');
	expect(x, '{');
	statements(x, '}');
	expect(x, '}');
	return (struct value){.kind = V_OTHER};
}

static struct value operand(struct expr *x)
{
	struct value v = {.kind = V_OTHER};

	switch (x->l.kind) {
	case EXPR_T_NUMBER:
		v.kind = V_NUMBER;
		expr_lex_next(&x->l);
		return v;
	case EXPR_T_STRING:
		return operand_string(x);
	case EXPR_T_NAME:
		if (at_name(x, "new")) {
			expr_lex_next(&x->l);
			if (x->l.kind == EXPR_T_NAME)
				return operand_new(x);
			return v;
		}
		if (at_name(x, "function"))
			return operand_function(x);
		return operand_name(x);
	default:
		break;
	}
	if (take(x, '(')) {
		struct value first = list(x, ')');

		return first.kind != V_CALLED && first.kind != V_LIST ? first : v;
	}
	if (take(x, '[')) {
		v = list(x, ']');
		note_text(x, &v);
		v.kind = v.kind == V_STRING || v.kind == V_NUMBER ? V_LIST : V_OTHER;
		return v;
	}
	if (at(x, '{') || (at(x, '#') && x->l.at < x->l.end && *x->l.at == '{')) {
		if (at(x, '#'))
			expr_lex_next(&x->l);
		expr_lex_next(&x->l);
		statements(x, '}');
		expect(x, '}');
		return v;
	}
	if (at(x, '@'))
		return operand_static(x);
	if (at(x, '%') && x->l.end - x->l.at > 2 && *x->l.at == 'x' &&
	    memchr("({[|!/<", x->l.at[1], 7) != NULL) { // %x(id)
		note(x, EXPR_RUBY | EXPR_RUN | EXPR_CALL | EXPR_STRING);
		expr_lex_next(&x->l);
		expr_lex_next(&x->l);
		v.kind = V_PATH;
		return v;
	}
	if (at(x, ':') || at2(x, ':', ':')) { // :symbol, ::Const
		expr_lex_next(&x->l);
		if (x->l.kind == EXPR_T_NAME) {
			v.kind = V_STRING;
			append(&v, x->l.text, x->l.text_len);
			expr_lex_next(&x->l);
			return v;
		}
	}
	if (at(x, '.') || at(x, '*')) { // .data of FreeMarker and Go; f(*args)
		expr_lex_next(&x->l);
		if (x->l.kind == EXPR_T_NAME)
			return operand_name(x);
		return v;
	}
	fail(x);
	return v;
}

// ---- what stands behind an operand ---------------------------------------------------------------

static void member(struct expr *x, struct value *v)
{
	bool path = v->kind == V_PATH;

	if (x->l.kind != EXPR_T_NAME) {
		if (at(x, '*') || at(x, '(') || at(x, '[') || x->l.kind == EXPR_T_NUMBER ||
		    at(x, '{')) {
			if (x->l.kind == EXPR_T_NUMBER || at(x, '*'))
				expr_lex_next(&x->l);
			return;
		}
		fail(x);
		return;
	}
	note(x, EXPR_MEMBER);
	note_name(x, x->l.text, x->l.text_len, NAME_MEMBER);
	if (!path) {
		v->kind = V_OTHER;
		v->len = 0;
	} else {
		append(v, ".", 1);
	}
	append(v, x->l.text, x->l.text_len);
	if (path)
		note_path(x, v);
	if (x->l.text_len == 11 && memcmp(x->l.text, "constructor", 11) == 0)
		note(x, EXPR_CLASS);
	expr_lex_next(&x->l);
}

static bool ends_with(const struct value *v, const char *name)
{
	size_t len;
	const char *last = last_of(v, &len);

	return len == strlen(name) && memcmp(last, name, len) == 0;
}

static void called(struct expr *x, struct value *v, const struct value *arg)
{
	size_t len;
	const char *last = last_of(v, &len);
	bool constant = v->kind == V_STRING || v->kind == V_LIST;

	note(x, EXPR_CALL);
	x->out->calls++;
	if (!constant && len > 0) {
		note_name(x, last, len, NAME_CALLED);
		if (v->kind == V_PATH && len == 1 && *last == 'T' && v->len == 1 &&
		    (arg->kind == V_PATH || arg->kind == V_OTHER))
			note(x, EXPR_STATIC);
		if (ends_with(v, "constructor") && arg->kind == V_STRING)
			note(x, EXPR_FUNCTION);
	}
	note_text(x, arg);
}

// x.y, x?.y, x[y], x(y), x?new, "x".execute()
static struct value postfix(struct expr *x, struct value v)
{
	for (unsigned i = 0;; i++) {
		bool constant = v.kind == V_STRING || v.kind == V_LIST;

		if (at(x, '.') || at2(x, '?', '.') || at2(x, '&', '.') || at2(x, '-', '>') ||
		    at2(x, ':', ':')) {
			expr_lex_next(&x->l);
			member(x, &v);
			// "id".execute() of Groovy
			if (constant && (ends_with(&v, "execute") || ends_with(&v, "execute()")) &&
			    at(x, '('))
				note(x, EXPR_RUN | EXPR_JAVA);
		} else if (at(x, '(') && !(x->l.newline)) {
			struct value arg;

			expr_lex_next(&x->l);
			arg = list(x, ')');
			called(x, &v, &arg);
			// what (..)(..) and f(..) give has no name, but a class's method may go on
			v.kind = V_CALLED;
			v.len = 0;
		} else if (at(x, '[') && !x->l.newline) {
			struct value index;

			expr_lex_next(&x->l);
			index = list(x, ']');
			note_text(x, &index);
			if (index.kind == V_STRING) {
				note_name(x, index.text, index.len, NAME_MEMBER);
				v = index;
				v.kind = V_OTHER;
				if (ends_with(&v, "constructor"))
					note(x, EXPR_CLASS);
			} else {
				if (index.kind == V_PATH)
					note_name(x, index.text, index.len, NAME_MEMBER);
				v.kind = V_OTHER;
				v.len = 0;
			}
		} else if (at(x, '?') && x->l.at < x->l.end &&
			   ((*x->l.at | 0x20) >= 'a' && (*x->l.at | 0x20) <= 'z')) {
			struct expr_lexer save = x->l;
			const struct expr_name *n;

			expr_lex_next(&x->l);
			n = expr_name_find(x->l.text, x->l.text_len);
			if (n == NULL || (n->roles & NAME_BUILTIN) == 0) {
				x->l = save;
				return v;
			}
			note_text(x, &v);
			note(x, n->ops);
			expr_lex_next(&x->l);
			v.kind = V_OTHER;
		} else if (v.kind == V_PATH && x->l.kind == EXPR_T_STRING && x->l.quote != '`') {
			// system "id", println "x", f"x"
			struct value arg = postfix(x, operand_string(x));

			called(x, &v, &arg);
			v.kind = V_OTHER;
			v.len = 0;
		} else {
			return v;
		}
	}
}

static struct value unary(struct expr *x)
{
	static const char *const words[] = {"not",    "await", "typeof", "return", "print",
					    "echo",   "do",    "yield",  "throw",  "delete",
					    "lambda", "async", NULL};
	struct value v = {.kind = V_OTHER};
	bool prefix = false;

	if (!enter(x))
		return v;
	while (at(x, '!') || at(x, '-') || at(x, '+') || at(x, '~') || at(x, '&') ||
	       at2(x, '+', '+') || at2(x, '-', '-') || at2(x, '*', '*') || at2(x, '.', '.') ||
	       (is_one_of(x, words) && x->l.at < x->l.end && *x->l.at != '(' && *x->l.at != '.')) {
		prefix = true;
		expr_lex_next(&x->l);
	}
	(void)prefix;
	v = postfix(x, operand(x));
	x->depth--;
	return v;
}

// ---- operators -----------------------------------------------------------------------------------

enum op { OP_NONE, OP_ARITH, OP_JOIN, OP_COMPARE, OP_LOGIC, OP_FILTER, OP_ASSIGN, OP_WORD };

static enum op next_op(const struct expr *x)
{
	static const char *const words[] = {
		"and",      "or",  "in",    "is",     "eq",         "ne",      "lt",    "gt",
		"le",       "ge",  "div",   "mod",    "instanceof", "matches", "if",    "else",
		"contains", "not", "b-and", "starts", "with",       "as",      "isnot", NULL};
	uint8_t a = x->l.sign, b = x->l.second;

	if (x->l.kind == EXPR_T_NAME)
		return is_one_of(x, words) ? OP_WORD : OP_NONE;
	if (x->l.kind != EXPR_T_SIGN)
		return OP_NONE;
	if (a == '%' && x->l.at < x->l.end && (*x->l.at == '>' || *x->l.at == '}'))
		return OP_NONE; // ends the tag
	if (b == 0) {
		if (a == '+' || a == '~')
			return OP_JOIN;
		if (a == '-' || a == '*' || a == '/' || a == '%')
			return OP_ARITH;
		if (a == '<' || a == '>')
			return OP_COMPARE;
		if (a == '|')
			return OP_FILTER;
		if (a == '&' || a == '^')
			return OP_LOGIC;
		return a == '=' ? OP_ASSIGN : OP_NONE;
	}
	if ((a == '*' && b == '*') || (a == '/' && b == '/'))
		return OP_ARITH;
	if (b == '=')
		return a == '=' || a == '!' || a == '<' || a == '>' ? OP_COMPARE : OP_ASSIGN;
	if (a == b && a != ':' && a != '+' && a != '-')
		return OP_LOGIC; // && || ?? << >> ..
	return (a == '?' && b == ':') || (a == '=' && b == '>') || (a == '-' && b == '>') ? OP_LOGIC
											  : OP_NONE;
}

static struct value joined(struct expr *x, struct value a, const struct value *b, enum op op)
{
	bool constants = (a.kind == V_NUMBER || a.kind == V_STRING) &&
			 (b->kind == V_NUMBER || b->kind == V_STRING);

	if (op == OP_COMPARE && constants)
		note(x, EXPR_CONSTANT);
	if (op == OP_JOIN && a.kind == V_STRING && b->kind == V_STRING) {
		append(&a, b->text, b->len);
		return a;
	}
	if ((op == OP_ARITH || op == OP_JOIN) && constants) {
		note(x, EXPR_ARITH);
		if (a.kind == V_STRING || b->kind == V_STRING)
			return (struct value){.kind = V_OTHER};
		return (struct value){.kind = V_NUMBER};
	}
	if ((op == OP_ARITH || op == OP_JOIN) && a.kind == V_STRING && b->kind == V_OTHER)
		return (struct value){.kind = V_OTHER};
	return (struct value){.kind = V_OTHER};
}

static void filter(struct expr *x, const struct value *v, struct value *to)
{
	(void)v;
	if (to->kind == V_PATH)
		note_name(x, to->text, to->len, NAME_CALLED);
}

static struct value assignment(struct expr *x)
{
	struct value a = {.kind = V_OTHER}, b;
	enum op op;

	if (!enter(x))
		return a;
	a = unary(x);
	while ((op = next_op(x)) != OP_NONE) {
		if (op == OP_WORD && x->l.newline)
			break;
		expr_lex_next(&x->l);
		if (op == OP_ASSIGN)
			note(x, EXPR_ASSIGN);
		if (op == OP_WORD && (at_name(x, "not") || at_name(x, "with") || at_name(x, "in")))
			expr_lex_next(&x->l);
		if (x->l.kind == EXPR_T_END) {
			fail(x);
			break;
		}
		b = unary(x);
		if (op == OP_FILTER)
			filter(x, &a, &b);
		if (op == OP_ASSIGN || op == OP_FILTER)
			note_text(x, &b);
		a = joined(x, a, &b, op);
	}
	while (at2(x, '+', '+') || at2(x, '-', '-'))
		expr_lex_next(&x->l);
	if (at(x, '?')) {
		if (a.kind == V_NUMBER || a.kind == V_STRING)
			note(x, EXPR_CONSTANT);
		expr_lex_next(&x->l);
		b = assignment(x);
		if (take(x, ':'))
			b = assignment(x);
		a.kind = V_OTHER;
	}
	note_text(x, &a);
	x->depth--;
	return a;
}

static struct value expression(struct expr *x)
{
	struct value v = assignment(x);

	while (at(x, ',')) {
		expr_lex_next(&x->l);
		if (x->l.kind == EXPR_T_END)
			break;
		v = assignment(x);
	}
	return v;
}

// ---- statements ----------------------------------------------------------------------------------

// Words a statement begins with, in any of the languages.
static bool statement_word(const struct expr *x)
{
	static const char *const words[] = {
		"if",    "elif",    "elseif", "else",      "for",     "while",    "foreach",
		"set",   "import",  "from",   "include",   "extends", "with",     "def",
		"class", "return",  "try",    "except",    "catch",   "finally",  "raise",
		"var",   "let",     "const",  "public",    "static",  "final",    "print",
		"puts",  "require", "unless", "do",        "end",     "void",     "private",
		"macro", "block",   "call",   "filter",    "assign",  "function", "autoescape",
		"raw",   "pass",    "global", "protected", "load",    "throw",    "eval",
		"fetch", "endif",   "endfor", "debug",     "module",  NULL};

	return is_one_of(x, words);
}

static void import(struct expr *x)
{
	struct value v = {.kind = V_PATH};

	while (x->l.kind == EXPR_T_NAME || at(x, '.') || at(x, '*') || at(x, ',')) {
		if (x->l.newline)
			break;
		if (x->l.kind == EXPR_T_NAME)
			append(&v, x->l.text, x->l.text_len);
		else if (at(x, '.'))
			append(&v, ".", 1);
		else
			v.len = 0;
		note(x, EXPR_IMPORT);
		if (x->l.kind == EXPR_T_NAME)
			note_name(x, x->l.text, x->l.text_len, NAME_ROOT);
		note_path(x, &v);
		expr_lex_next(&x->l);
	}
}

static bool is_constant(const struct value *v)
{
	static const char *const names[] = {"true",   "false",  "Infinity",
					    "String", "Number", "Object"};

	if (v->kind == V_NUMBER || v->kind == V_STRING || v->kind == V_LIST)
		return true;
	for (size_t i = 0; v->kind == V_PATH && i < sizeof(names) / sizeof(names[0]); i++)
		if (v->len == strlen(names[i]) && memcmp(v->text, names[i], v->len) == 0)
			return true;
	return false;
}

static void statement(struct expr *x)
{
	bool condition = false, loop = false;
	unsigned words = 0;

	while (statement_word(x) && words++ < 4) {
		condition = at_name(x, "if") || at_name(x, "while") || at_name(x, "elif") ||
			    at_name(x, "unless");
		loop = at_name(x, "while");
		if (at_name(x, "import") || at_name(x, "from")) {
			expr_lex_next(&x->l);
			import(x);
			return;
		}
		if ((at_name(x, "print") || at_name(x, "eval") || at_name(x, "require") ||
		     at_name(x, "include") || at_name(x, "puts") || at_name(x, "fetch") ||
		     at_name(x, "filter") || at_name(x, "module") || at_name(x, "call") ||
		     at_name(x, "set") || at_name(x, "load") || at_name(x, "global") ||
		     at_name(x, "block") || at_name(x, "debug")) &&
		    x->l.at < x->l.end && (*x->l.at == '(' || *x->l.at == '.' || *x->l.at == '['))
			break;
		expr_lex_next(&x->l);
	}
	if (x->l.kind == EXPR_T_END || at(x, ';') || at(x, ':') || at(x, '{') || at(x, '}') ||
	    at(x, '%'))
		return;
	for (unsigned i = 0; i < 3; i++) { // Type name = ..
		const struct expr_lexer before = x->l;
		struct value v = expression(x);

		if (loop && is_constant(&v))
			note(x, EXPR_LOOP);
		if (condition &&
		    (v.kind == V_NUMBER || v.kind == V_STRING ||
		     (v.kind == V_PATH && ((v.len == 4 && (memcmp(v.text, "True", 4) == 0 ||
							   memcmp(v.text, "true", 4) == 0))))))
			note(x, EXPR_CONSTANT);
		if (x->l.kind != EXPR_T_NAME || before.kind != EXPR_T_NAME || x->l.newline)
			break;
		if (x->out->failed)
			break;
	}
}

static void statements(struct expr *x, uint8_t close)
{
	if (!enter(x))
		return;
	while (x->l.kind != EXPR_T_END && !(close != 0 && at(x, close))) {
		const uint8_t *from = x->l.from;

		if (take(x, ';') || take(x, ':'))
			continue;
		if (take(x, '{')) {
			statements(x, '}');
			expect(x, '}');
			continue;
		}
		statement(x);
		if (x->l.from == from) {
			fail(x);
			break;
		}
		if (x->l.kind != EXPR_T_END && !at(x, ';') && !at(x, '{') && !at(x, ':') &&
		    !(close != 0 && at(x, close)) && !x->l.newline) {
			// if (..) x
			if (x->l.from > x->l.p && x->l.from[-1] == ')')
				continue;
			if (!statement_word(x)) {
				fail(x);
				break;
			}
		}
	}
	x->depth--;
}

void expr_judge(const uint8_t *p, size_t len, enum expr_goal goal, struct expr_verdict *out)
{
	struct expr x = {.out = out, .goal = (uint8_t)goal};

	memset(out, 0, sizeof(*out));
	if (len > EXPR_BYTES_MAX)
		len = EXPR_BYTES_MAX;
	expr_lex_init(&x.l, p, len);
	if (goal == EXPR_PROGRAM)
		statements(&x, 0);
	else if (goal == EXPR_STATEMENT)
		statement(&x);
	else
		expression(&x);
	if (!out->failed)
		out->used = (uint32_t)(x.l.from - p);
	out->tokens = (uint16_t)(x.l.tokens < UINT16_MAX ? x.l.tokens : UINT16_MAX);
}
