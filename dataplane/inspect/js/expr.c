// SPDX-License-Identifier: BSD-3-Clause
//
// Expressions (ECMA-262, section 13), by precedence climbing. Patterns and parameters of arrows are read
// by the same grammar as expressions, as the standard's cover grammars do.

#include "dataplane/inspect/js/parse.h"

#include <string.h>

static const struct js_value other;

static void collect(struct js_value *list, struct js_value v)
{
	uint8_t named = v.key > list->key ? v.key : list->key;

	if (v.kind > list->kind)
		*list = v;
	list->plain = list->member = list->list = list->object = false;
	list->key = named;
}

// ---- primary -------------------------------------------------------------------------------------

// [a, , ...b], behind its bracket.
static struct js_value array(struct js *j)
{
	struct js_value list = other;

	while (!js_at(j, ']') && j->l.kind != JS_T_END) {
		if (js_take(j, ','))
			continue;
		js_take(j, JS_P3('.', '.', '.'));
		collect(&list, js_assignment(j));
		if (!js_at(j, ']') && !js_at(j, ','))
			js_fail(j, JS_END_ERROR);
	}
	js_expect(j, ']');
	list.list = true;
	return list;
}

static bool is_key(const struct js *j)
{
	return j->l.kind == JS_T_NAME || j->l.kind == JS_T_STRING || j->l.kind == JS_T_NUMBER;
}

// A key of an object or class: name, string, number, [worked out], #private.
static struct js_value key(struct js *j)
{
	struct js_value v = other;

	js_take(j, '#');
	if (js_take(j, '[')) {
		v = js_expression(j);
		js_expect(j, ']');
		return v;
	}
	if (j->l.kind == JS_T_NAME)
		v = js_value_name(j);
	if (js_at_name(j, JS_N_COOKIE))
		v.kind = JS_V_COOKIE;
	if (!is_key(j))
		js_fail(j, JS_END_ERROR);
	else
		js_lex_next(&j->l);
	return v;
}

static bool key_is(const struct js *j, const char *text)
{
	return (j->l.kind == JS_T_NAME || j->l.kind == JS_T_STRING) &&
	       j->l.text_len == strlen(text) && memcmp(j->l.text, text, j->l.text_len) == 0;
}

static struct js_value property(struct js *j)
{
	struct js_value v;
	uint8_t named;
	bool converts;

	if (js_take(j, JS_P3('.', '.', '.')))
		return js_assignment(j);
	js_take(j, '*');
	converts = key_is(j, "toString") || key_is(j, "valueOf") || js_at(j, '[');
	v = key(j);
	if (js_at(j, '[') || js_at(j, '#') || (is_key(j) && !j->l.newline)) // get x() {}
		v = key(j);
	if (js_at(j, '(')) {
		js_function(j, false);
		return other;
	}
	named = v.kind;
	if (js_take(j, ':') || js_take(j, '='))
		v = js_assignment(j);
	if (converts) // called by the engine: to make a string of it, by [Symbol.hasInstance]
		js_value_pass(j, other, v);
	v.key = named;
	return v;
}

// {a: b, c, [d]: e, f() {}}, behind its brace.
static struct js_value object(struct js *j)
{
	struct js_value list = other;

	while (!js_at(j, '}') && j->l.kind != JS_T_END) {
		collect(&list, property(j));
		if (!js_at(j, '}') && !js_at(j, ','))
			js_fail(j, JS_END_ERROR);
		js_take(j, ',');
	}
	js_expect(j, '}');
	list.list = list.object = true;
	return list;
}

// Behind the backtick. Values that are put in are given to a function that stands before it, as arguments.
static struct js_value template(struct js *j, const struct js_value *tag)
{
	struct js_value v = other;
	unsigned holes = 0;
	uint8_t how;

	js_note(j, JS_OP_STRING);
	while ((how = js_lex_template(&j->l)) == '$') {
		struct js_value in;

		js_lex_next(&j->l);
		in = js_expression(j);
		if (tag != NULL)
			js_value_pass(j, *tag, in);
		holes++;
		if (!js_at(j, '}')) {
			js_fail(j, j->l.kind == JS_T_END ? JS_END_MISSING : JS_END_ERROR);
			return other;
		}
	}
	if (how == 0 && (j->goal != JS_REST || j->quote != '`')) {
		js_fail(j, JS_END_MISSING);
		return other;
	}
	v = js_value_string(j);
	if (holes > 0)
		v.kind = JS_V_TEXT;
	j->l.open = how == 0;
	js_lex_next(&j->l);
	return v;
}

// (a, b), (a, b) => c and () => c, behind the bracket.
static struct js_value group(struct js *j)
{
	struct js_value v = other;

	while (!js_at(j, ')') && j->l.kind != JS_T_END) {
		js_take(j, JS_P3('.', '.', '.'));
		v = js_assignment(j);
		if (!js_at(j, ')') && !js_take(j, ','))
			js_fail(j, j->l.kind == JS_T_END ? JS_END_MISSING : JS_END_ERROR);
	}
	js_expect(j, ')');
	return v;
}

static struct js_value string(struct js *j)
{
	struct js_value v = js_value_string(j);

	js_note(j, JS_OP_STRING);
	if (j->l.open && !js_page_closes(j)) {
		js_fail(j, JS_END_MISSING);
		return other;
	}
	js_lex_next(&j->l);
	return v;
}

static struct js_value name(struct js *j)
{
	struct js_value v;

	switch (j->l.name) {
	case JS_N_FUNCTION:
		js_lex_next(&j->l);
		js_take(j, '*');
		if (j->l.kind == JS_T_NAME)
			js_lex_next(&j->l);
		js_function(j, false);
		return other;
	case JS_N_CLASS:
		js_class(j);
		return other;
	case JS_N_ASYNC:
		js_lex_next(&j->l);
		if (j->l.newline || j->l.kind != JS_T_NAME)
			return other;
		return name(j);
	case JS_N_IMPORT:
		js_lex_next(&j->l);
		if (js_at(j, '('))
			return (struct js_value){.kind = JS_V_OPENER};
		return other;
	case JS_N_IF:
	case JS_N_ELSE:
	case JS_N_FOR:
	case JS_N_WHILE:
	case JS_N_DO:
	case JS_N_SWITCH:
	case JS_N_CASE:
	case JS_N_DEFAULT:
	case JS_N_TRY:
	case JS_N_CATCH:
	case JS_N_FINALLY:
	case JS_N_THROW:
	case JS_N_RETURN:
	case JS_N_BREAK:
	case JS_N_WITH:
	case JS_N_VAR:
	case JS_N_CONST:
	case JS_N_IN:
	case JS_N_INSTANCEOF:
	case JS_N_EXPORT:
	case JS_N_EXTENDS:
		js_fail(j, JS_END_ERROR); // reserved, begins no expression
		return other;
	default:
		v = js_value_name(j);
		js_lex_next(&j->l);
		return v;
	}
}

static struct js_value primary(struct js *j)
{
	struct js_value v = other;

	switch (j->l.kind) {
	case JS_T_NAME:
		return name(j);
	case JS_T_NUMBER:
		js_lex_next(&j->l);
		v.kind = JS_V_NUMBER;
		return v;
	case JS_T_STRING:
		return string(j);
	case JS_T_TEMPLATE:
		return template(j, NULL);
	case JS_T_PUNCT:
		break;
	default:
		js_fail(j, j->l.kind == JS_T_END ? JS_END_MISSING : JS_END_ERROR);
		return v;
	}
	if (js_take(j, '('))
		return group(j);
	if (js_take(j, '['))
		return array(j);
	if (js_take(j, '{'))
		return object(j);
	if (js_at(j, '/') || js_at(j, JS_P2('/', '='))) {
		js_lex_regex(&j->l);
		if (j->l.kind == JS_T_REGEX) {
			v = js_value_string(j);
			v.kind = JS_V_REGEX;
			js_lex_next(&j->l);
			return v;
		}
	}
	if (js_take(j, '#')) // #x in y; sharp variables of old engines
		return primary(j);
	js_fail(j, JS_END_ERROR);
	return v;
}

// ---- members and calls ---------------------------------------------------------------------------

static struct js_value arguments(struct js *j, struct js_value f)
{
	struct js_value first = other, v;
	uint32_t coded = j->out->ops & JS_OP_CODE;
	unsigned args = 0;

	// Noted before the arguments are read: what breaks off within them shows its intent.
	if (f.kind == JS_V_DIALOG && !f.list)
		js_note(j, JS_OP_DIALOG);
	while (!js_at(j, ')') && j->l.kind != JS_T_END) {
		if (js_take(j, ',')) // an argument that was lost on the way
			continue;
		js_take(j, JS_P3('.', '.', '.'));
		v = js_assignment(j);
		js_value_pass(j, f, v);
		if (args++ == 0)
			first = v;
		if (!js_at(j, ')') && !js_take(j, ','))
			js_fail(j, j->l.kind == JS_T_END ? JS_END_MISSING : JS_END_ERROR);
	}
	coded = coded == 0 && (j->out->ops & JS_OP_CODE) != 0;
	v = js_value_call(j, f, first, args);
	if (coded != 0 && (v.kind == JS_V_OTHER || v.kind == JS_V_TEXT))
		v.kind = JS_V_BUILT; // whatever it is that takes code: called, it runs it
	js_expect(j, ')');
	return v;
}

static struct js_value member(struct js *j, struct js_value v)
{
	js_take(j, '#');
	if (j->l.kind != JS_T_NAME) {
		js_fail(j, j->l.kind == JS_T_END ? JS_END_MISSING : JS_END_ERROR);
		return v;
	}
	v = js_value_member(j, v, j->l.text, j->l.text_len);
	js_lex_next(&j->l);
	return v;
}

static struct js_value index_of(struct js *j, struct js_value v)
{
	uint32_t names = j->l.names;
	struct js_value i = js_expression(j);

	if (j->l.names == names && i.kind != JS_V_NUMBER && i.kind != JS_V_STRING)
		j->index_of_sign = true;
	js_expect(j, ']');
	return js_value_index(j, v, i);
}

static struct js_value suffixes(struct js *j, struct js_value v)
{
	while (j->l.kind == JS_T_PUNCT || j->l.kind == JS_T_TEMPLATE) {
		if (j->l.kind == JS_T_TEMPLATE) {
			struct js_value text;

			if (v.kind == JS_V_DIALOG)
				js_note(j, JS_OP_DIALOG);
			text = template(j, &v);
			v = js_value_call(j, v, text, 1);
		} else if (js_take(j, '.')) {
			v = member(j, v);
		} else if (js_take(j, JS_P2('?', '.'))) {
			if (j->l.kind == JS_T_NAME || js_at(j, '#'))
				v = member(j, v);
		} else if (js_take(j, '[')) {
			v = index_of(j, v);
		} else if (js_take(j, '(')) {
			v = arguments(j, v);
		} else {
			break;
		}
	}
	if ((js_at(j, JS_P2('+', '+')) || js_at(j, JS_P2('-', '-'))) && !j->l.newline) {
		js_lex_next(&j->l);
		v = other;
	}
	return v;
}

// new X, new X(..), new.target
static struct js_value new_object(struct js *j)
{
	struct js_value v;

	js_lex_next(&j->l);
	if (js_at(j, '.'))
		return other;
	if (js_at_name(j, JS_N_NEW)) {
		if (!js_enter(j))
			return other;
		v = new_object(j);
		js_leave(j);
		return v;
	}
	v = primary(j);
	while (js_at(j, '.') || js_at(j, '[')) {
		if (js_take(j, '.'))
			v = member(j, v);
		else if (js_take(j, '['))
			v = index_of(j, v);
	}
	if (js_take(j, '('))
		return arguments(j, v);
	return js_value_call(j, v, other, 0);
}

static struct js_value unary(struct js *j)
{
	struct js_value v;
	bool prefixed = false;

	while ((j->l.kind == JS_T_PUNCT &&
		(js_at(j, '!') || js_at(j, '~') || js_at(j, '+') || js_at(j, '-') ||
		 js_at(j, JS_P2('+', '+')) || js_at(j, JS_P2('-', '-')))) ||
	       (j->l.kind == JS_T_NAME &&
		(j->l.name == JS_N_UNARY || j->l.name == JS_N_VOID || j->l.name == JS_N_AWAIT))) {
		prefixed = true;
		js_lex_next(&j->l);
	}
	if (js_at_name(j, JS_N_NEW))
		v = new_object(j);
	else
		v = primary(j);
	v = suffixes(j, v);
	if (prefixed && v.kind != JS_V_NUMBER)
		v = other;
	return v;
}

// ---- operators -----------------------------------------------------------------------------------

// Precedence of a binary operator, 0: none. Assignments and ?: have their own rules.
static unsigned precedence(const struct js *j)
{
	if (j->l.kind == JS_T_NAME)
		return j->l.name == JS_N_IN || j->l.name == JS_N_INSTANCEOF ? 8 : 0;
	if (j->l.kind != JS_T_PUNCT)
		return 0;
	switch (j->l.punct) {
	case JS_P2('?', '?'):
		return 1;
	case JS_P2('|', '|'):
		return 2;
	case JS_P2('&', '&'):
		return 3;
	case JS_P1('|'):
		return 4;
	case JS_P1('^'):
		return 5;
	case JS_P1('&'):
		return 6;
	case JS_P2('=', '='):
	case JS_P2('!', '='):
	case JS_P3('=', '=', '='):
	case JS_P3('!', '=', '='):
		return 7;
	case JS_P1('<'):
	case JS_P1('>'):
	case JS_P2('<', '='):
	case JS_P2('>', '='):
		return 8;
	case JS_P2('<', '<'):
	case JS_P2('>', '>'):
	case JS_P3('>', '>', '>'):
		return 9;
	case JS_P1('+'):
	case JS_P1('-'):
		return 10;
	case JS_P1('*'):
	case JS_P1('/'):
	case JS_P1('%'):
		return 11;
	case JS_P2('*', '*'):
		return 12;
	default:
		return 0;
	}
}

static struct js_value binary(struct js *j, struct js_value left, unsigned least)
{
	unsigned p;

	while ((p = precedence(j)) >= least && p > 0) {
		uint32_t op = j->l.kind == JS_T_PUNCT ? j->l.punct : 0;
		struct js_value right;

		js_lex_next(&j->l);
		right = unary(j);
		if (precedence(j) > p)
			right = binary(j, right, p + 1);
		if (op == '+')
			left = js_value_add(left, right);
		else if (p > 3) // || && ?? give one of their sides
			left = other;
		else
			left = right;
	}
	return left;
}

static bool is_assignment(const struct js *j)
{
	uint32_t c = j->l.punct;

	if (j->l.kind != JS_T_PUNCT)
		return false;
	switch (c) {
	case JS_P1('='):
	case JS_P2('+', '='):
	case JS_P2('-', '='):
	case JS_P2('*', '='):
	case JS_P2('/', '='):
	case JS_P2('%', '='):
	case JS_P2('&', '='):
	case JS_P2('|', '='):
	case JS_P2('^', '='):
	case JS_P3('*', '*', '='):
	case JS_P3('<', '<', '='):
	case JS_P3('>', '>', '='):
	case JS_P3('&', '&', '='):
	case JS_P3('|', '|', '='):
	case JS_P3('?', '?', '='):
	case JS_P4('>', '>', '>', '='):
		return true;
	default:
		return false;
	}
}

static struct js_value rest(struct js *j, struct js_value left, struct js_value v)
{
	v = binary(j, v, 1);
	if (js_take(j, '?')) {
		js_assignment(j);
		js_expect(j, ':');
		v = js_assignment(j);
		return v;
	}
	if (is_assignment(j)) {
		js_lex_next(&j->l);
		v = js_assignment(j);
		js_value_assign(j, left, v);
		return v;
	}
	if (js_take(j, JS_P2('=', '>'))) {
		js_function(j, true);
		return other;
	}
	return v;
}

struct js_value js_assignment(struct js *j)
{
	struct js_value v;

	if (!js_enter(j))
		return other;
	v = unary(j);
	v = rest(j, v, v);
	js_leave(j);
	return v;
}

struct js_value js_operand(struct js *j)
{
	struct js_value v;

	if (!js_enter(j))
		return other;
	v = suffixes(j, primary(j));
	js_leave(j);
	return v;
}

void js_operators(struct js *j, struct js_value left)
{
	left = suffixes(j, left);
	rest(j, left, left);
}

struct js_value js_expression(struct js *j)
{
	struct js_value v = js_assignment(j);

	while (js_take(j, ','))
		v = js_assignment(j);
	return v;
}

void js_binding(struct js *j)
{
	do
		js_assignment(j);
	while (js_take(j, ','));
}
