// SPDX-License-Identifier: BSD-3-Clause
//
// Statements (ECMA-262, section 14) and the entry. For JS_REST, brackets that the page opened may close,
// and what follows a closed block may go on with else, catch or while.

#include "dataplane/inspect/js/parse.h"

#include <string.h>

static void statement(struct js *j);

// ---- errors, depth -------------------------------------------------------------------------------

void js_fail(struct js *j, enum js_end why)
{
	if (!j->failed) {
		j->failed = true;
		j->out->end =
			(uint8_t)(why == JS_END_ERROR && j->l.kind == JS_T_END ? JS_END_MISSING
									       : why);
		j->out->used = (uint32_t)(j->l.from - j->l.p);
	}
	j->l.kind = JS_T_END;
	j->l.at = j->l.from = j->l.end;
	j->l.open = false;
}

void js_expect(struct js *j, uint32_t punct)
{
	// A string that the page goes on with: it has the bracket as well.
	if (j->l.kind == JS_T_END && j->l.open)
		return;
	if (!js_take(j, punct))
		js_fail(j, JS_END_ERROR);
}

bool js_enter(struct js *j)
{
	if (j->depth >= JS_DEPTH_MAX) {
		js_fail(j, JS_END_DEEP);
		return false;
	}
	j->depth++;
	return true;
}

void js_leave(struct js *j)
{
	j->depth--;
}

// ---- functions and classes -----------------------------------------------------------------------

void js_block(struct js *j)
{
	while (!js_at(j, '}') && j->l.kind != JS_T_END)
		statement(j);
	js_expect(j, '}');
}

void js_function(struct js *j, bool arrow)
{
	js_note(j, JS_OP_FUNCTION);
	if (!arrow) {
		js_expect(j, '(');
		while (!js_at(j, ')') && j->l.kind != JS_T_END) {
			js_take(j, JS_P3('.', '.', '.'));
			js_assignment(j);
			if (!js_at(j, ')'))
				js_expect(j, ',');
		}
		js_expect(j, ')');
	}
	if (js_take(j, '{'))
		js_block(j);
	else if (arrow)
		js_assignment(j);
	else
		js_fail(j, JS_END_ERROR);
}

void js_class(struct js *j)
{
	js_note(j, JS_OP_FUNCTION);
	js_lex_next(&j->l);
	if (j->l.kind == JS_T_NAME && j->l.name != JS_N_EXTENDS)
		js_lex_next(&j->l);
	if (js_at_name(j, JS_N_EXTENDS)) {
		js_lex_next(&j->l);
		js_operand(j);
	}
	js_expect(j, '{');
	while (!js_at(j, '}') && j->l.kind != JS_T_END) {
		if (js_take(j, ';'))
			continue;
		if (js_at(j, '(')) {
			js_function(j, false);
		} else if (js_take(j, '=')) {
			js_assignment(j);
		} else if (js_take(j, '{')) {
			js_block(j); // static {}
		} else if (js_take(j, '[')) {
			js_expression(j);
			js_expect(j, ']');
		} else if (js_take(j, '*') || js_take(j, '#') || j->l.kind == JS_T_NAME ||
			   j->l.kind == JS_T_STRING || j->l.kind == JS_T_NUMBER) {
			if (j->l.kind != JS_T_PUNCT)
				js_lex_next(&j->l);
		} else {
			js_fail(j, JS_END_ERROR);
		}
	}
	js_expect(j, '}');
}

// ---- statements ----------------------------------------------------------------------------------

// A semicolon, or where one is put in (section 12.10).
static void semicolon(struct js *j)
{
	if (js_take(j, ';') || js_at(j, '}') || j->l.kind == JS_T_END || j->l.newline)
		return;
	if (j->goal == JS_REST && (js_at(j, ')') || js_at(j, ']')))
		return;
	// alert(1)' : the page's own quote
	if (j->goal == JS_REST && j->l.kind == JS_T_STRING && j->l.open && js_page_closes(j)) {
		j->l.kind = JS_T_END;
		return;
	}
	js_fail(j, JS_END_ERROR);
}

static void condition(struct js *j)
{
	js_expect(j, '(');
	js_expression(j);
	js_expect(j, ')');
}

// for (;;), for (x of y), for await (..)
static void for_head(struct js *j)
{
	js_note(j, JS_OP_LOOP);
	if (js_at_name(j, JS_N_AWAIT))
		js_lex_next(&j->l);
	js_expect(j, '(');
	while (!js_at(j, ')') && j->l.kind != JS_T_END) {
		if (js_take(j, ';'))
			continue;
		if (js_at_name(j, JS_N_VAR) || js_at_name(j, JS_N_LET) || js_at_name(j, JS_N_CONST))
			js_lex_next(&j->l);
		if (js_at(j, ';'))
			continue;
		js_expression(j);
		if (js_at_name(j, JS_N_OF)) {
			js_lex_next(&j->l);
			js_expression(j);
		}
		if (!js_at(j, ')') && !js_at(j, ';'))
			js_fail(j, JS_END_ERROR);
	}
	js_expect(j, ')');
}

static void switch_body(struct js *j)
{
	js_expect(j, '{');
	while (!js_at(j, '}') && j->l.kind != JS_T_END) {
		if (js_at_name(j, JS_N_CASE)) {
			js_lex_next(&j->l);
			js_expression(j);
			js_expect(j, ':');
		} else if (js_at_name(j, JS_N_DEFAULT)) {
			js_lex_next(&j->l);
			js_expect(j, ':');
		} else {
			statement(j);
		}
	}
	js_expect(j, '}');
}

static void braces(struct js *j)
{
	js_expect(j, '{');
	js_block(j);
}

// What may follow a block that closed: catch (e) {}, finally {}, else
static bool go_on(struct js *j)
{
	if (js_at_name(j, JS_N_CATCH)) {
		js_lex_next(&j->l);
		if (js_at(j, '('))
			condition(j);
		braces(j);
	} else if (js_at_name(j, JS_N_FINALLY)) {
		js_lex_next(&j->l);
		braces(j);
	} else if (js_at_name(j, JS_N_ELSE)) {
		js_lex_next(&j->l);
		statement(j);
	} else {
		return false;
	}
	return true;
}

// let x, var {a} = b: not where the word is a name, as in let(x)
static bool is_declaration(struct js *j)
{
	bool let = js_at_name(j, JS_N_LET);

	if (!let && !js_at_name(j, JS_N_VAR) && !js_at_name(j, JS_N_CONST))
		return false;
	js_lex_next(&j->l);
	return true;
}

// Returns: false no statement that begins with a keyword
static bool keyword(struct js *j)
{
	enum js_name name = j->l.name;

	switch (name) {
	case JS_N_IF:
		js_lex_next(&j->l);
		condition(j);
		statement(j);
		go_on(j);
		return true;
	case JS_N_FOR:
		js_lex_next(&j->l);
		for_head(j);
		statement(j);
		return true;
	case JS_N_WHILE:
	case JS_N_WITH:
		js_note(j, name == JS_N_WHILE ? JS_OP_LOOP : 0);
		js_lex_next(&j->l);
		condition(j);
		if (name == JS_N_WHILE && js_take(j, ';'))
			return true;
		statement(j);
		return true;
	case JS_N_DO:
		js_note(j, JS_OP_LOOP);
		js_lex_next(&j->l);
		statement(j);
		if (!js_at_name(j, JS_N_WHILE))
			js_fail(j, JS_END_ERROR);
		js_lex_next(&j->l);
		condition(j);
		js_take(j, ';');
		return true;
	case JS_N_SWITCH:
		js_lex_next(&j->l);
		condition(j);
		switch_body(j);
		return true;
	case JS_N_TRY:
		js_lex_next(&j->l);
		braces(j);
		while (go_on(j))
			;
		return true;
	case JS_N_THROW:
	case JS_N_RETURN:
		js_note(j, name == JS_N_THROW ? JS_OP_THROW : 0);
		js_lex_next(&j->l);
		if (!js_at(j, ';') && !js_at(j, '}') && j->l.kind != JS_T_END)
			js_expression(j);
		semicolon(j);
		return true;
	case JS_N_BREAK:
		js_lex_next(&j->l);
		if (j->l.kind == JS_T_NAME && !j->l.newline)
			js_lex_next(&j->l);
		semicolon(j);
		return true;
	case JS_N_CLASS:
		js_class(j);
		return true;
	case JS_N_EXPORT:
		js_lex_next(&j->l);
		if (js_at_name(j, JS_N_DEFAULT))
			js_lex_next(&j->l);
		return true;
	case JS_N_FUNCTION:
		js_lex_next(&j->l);
		js_take(j, '*');
		if (j->l.kind == JS_T_NAME)
			js_lex_next(&j->l);
		js_function(j, false);
		if (j->goal == JS_REST || js_at(j, '('))
			js_operators(j, (struct js_value){0});
		return true;
	default:
		break;
	}
	if (!is_declaration(j))
		return false;
	js_binding(j);
	semicolon(j);
	return true;
}

// import x from 'y', import 'y'
static bool import_declaration(struct js *j)
{
	js_lex_next(&j->l);
	if (js_at(j, '(') || js_at(j, '.')) {
		js_operators(j, (struct js_value){.kind = JS_V_OPENER});
		semicolon(j);
		return true;
	}
	if (j->l.kind == JS_T_STRING) {
		js_value_import(j, js_value_string(j));
		js_lex_next(&j->l);
		semicolon(j);
		return true;
	}
	js_fail(j, JS_END_ERROR); // the other forms have no place in a value
	return true;
}

// AngularJS: expressions with semicolons between them, and filters with arguments: a | b:c:d
static void template_expression(struct js *j)
{
	if (js_take(j, ';'))
		return;
	js_expression(j);
	while (js_take(j, ':'))
		js_value_pass(j, (struct js_value){0}, js_expression(j));
	if ((j->out->ops & JS_OP_CODE) != 0) // orderBy:'x=alert(1)'
		js_note(j, JS_OP_EVAL);
	semicolon(j);
}

static void statement(struct js *j)
{
	if (!js_enter(j))
		return;
	if (j->goal == JS_TEMPLATE) {
		template_expression(j);
	} else if (js_take(j, '{')) {
		js_block(j);
	} else if (js_take(j, ';')) {
		;
	} else if (js_at_name(j, JS_N_IMPORT)) {
		import_declaration(j);
	} else if (j->l.kind != JS_T_NAME || !keyword(j)) {
		bool label = j->l.kind == JS_T_NAME;

		js_expression(j);
		if (!label || !js_take(j, ':')) // javascript: is a label, too
			semicolon(j);
	}
	js_leave(j);
}

// ---- goals ---------------------------------------------------------------------------------------

static void program(struct js *j)
{
	js_lex_next(&j->l);
	while (j->l.kind != JS_T_END)
		statement(j);
}

// Behind an operand: operators, then closing brackets and statements in any order.
static void rest_of_page(struct js *j)
{
	bool operand = true;

	js_lex_next(&j->l);
	while (j->l.kind != JS_T_END) {
		if (js_take(j, ')') || js_take(j, ']')) {
			operand = true;
		} else if (js_take(j, '}')) {
			while (go_on(j))
				;
			operand = js_at(j, ')') || js_at(j, ']') || js_at(j, ',') || js_at(j, '}');
		} else if (js_take(j, ';')) {
			operand = false;
		} else if (operand && (js_take(j, ',') || js_take(j, ':'))) {
			if (!js_at(j, ')') && !js_at(j, ']') && !js_at(j, '}'))
				js_expression(j);
		} else if (operand) {
			const uint8_t *before = j->l.from;

			js_operators(j, (struct js_value){.kind = JS_V_TEXT});
			if (j->l.from == before)
				semicolon(j);
			operand = j->l.from != before;
		} else {
			statement(j);
			operand = js_at(j, ')') || js_at(j, ']') || js_at(j, '}');
		}
	}
}

static void judge(struct js *j, const uint8_t *p, size_t len, struct js_verdict *out)
{
	*out = (struct js_verdict){.end = JS_END_WHOLE};
	j->out = out;
	j->depth = 0;
	j->failed = j->index_of_sign = false;
	j->aliases = 0;
	js_lex_init(&j->l, p, len);
	if (j->goal == JS_REST)
		rest_of_page(j);
	else
		program(j);
	if (!j->failed) {
		out->used = (uint32_t)len;
		if (j->l.open)
			out->end = JS_END_STRING;
		else if (j->l.comment)
			out->end = JS_END_COMMENT;
	}
	out->tokens = j->l.tokens;
	out->names = j->l.names;
	if (j->l.names == 0 && j->index_of_sign && (out->ops & JS_OP_CALL) != 0 && out->tokens > 24)
		js_note(j, JS_OP_SYMBOLS);
}

void js_judge(const uint8_t *p, size_t len, enum js_goal goal, uint8_t quote,
	      struct js_verdict *out)
{
	struct js j;

	j.goal = (uint8_t)goal;
	j.quote = quote;
	j.nested = false;
	judge(&j, p, len, out);
}

void js_judge_string(const uint8_t *p, size_t len, struct js_verdict *out)
{
	struct js j;

	j.goal = JS_PROGRAM;
	j.quote = 0;
	j.nested = true;
	judge(&j, p, len, out);
}
