// SPDX-License-Identifier: BSD-3-Clause
//
// Statements and declarations of PHP, and files: code between tags, with text around it.

#include "dataplane/inspect/php/parse.h"

#include "dataplane/inspect/bytes.h"

#include <string.h>
#include <strings.h>

void php_begin(struct php *p, uint8_t *room, size_t room_len, size_t most)
{
	memset(&p->lex, 0, sizeof(p->lex));
	memset(&p->tok, 0, sizeof(p->tok));
	p->most = most;
	p->room = room;
	p->room_len = room_len;
	p->room_used = 0;
	p->depth = p->code_depth = 0;
	p->bad = p->member = p->all_user = false;
	p->last = 0;
	p->ops = p->ops_done = 0;
	p->statements = 0;
	p->at = p->at_done = 0;
	p->vars = p->owns = 0;
	p->in_own = -1;
	p->scope = p->scopes = 0;
}

static void block(struct php *p)
{
	while (!p->bad && !php_is(p, '}') && p->tok.kind != PHP_T_END)
		php_statement(p);
	php_take(p, '}');
}

// ; or the end of the code or of the text.
static void end_of_statement(struct php *p)
{
	if (php_is(p, ';')) {
		php_note(p, PHP_OP_SEMI, p->tok.from);
		php_next(p);
	} else if (p->tok.kind != PHP_T_END && p->tok.kind != PHP_T_CLOSE && !php_is(p, '}')) {
		p->bad = true;
	}
}

// ---- functions and classes -----------------------------------------------------------------------

static void type(struct php *p)
{
	php_take(p, '?');
	while (p->tok.kind == PHP_T_NAME || php_is(p, '|')) // int|string, public readonly
		php_next(p);
}

static void skip_attribute(struct php *p)
{
	unsigned depth = 0;

	php_next(p); // #
	do {
		if (php_is(p, '['))
			depth++;
		else if (php_is(p, ']'))
			depth--;
		php_next(p);
	} while (depth > 0 && !p->bad && p->tok.kind != PHP_T_END);
}

static void parameters(struct php *p)
{
	while (!p->bad && !php_is(p, ')') && p->tok.kind != PHP_T_END) {
		if (php_is(p, '#'))
			skip_attribute(p);
		type(p);
		php_take(p, '&');
		if (php_is_op(p, "...", 3))
			php_next(p);
		if (p->tok.kind != PHP_T_VAR) {
			p->bad = true;
			return;
		}
		php_set(p, p->tok.p, p->tok.len, false,
			(struct php_value){.kind = PHP_V_VAR, .taint = PHP_TAINT_PARAM});
		php_next(p);
		if (php_take(p, '='))
			php_expr(p);
		if (!php_take(p, ',') && !php_is(p, ')'))
			p->bad = true;
	}
	php_take(p, ')');
}

// function (..) use ($x, &$y): they are copied from the scope around.
static void uses(struct php *p, uint16_t outer)
{
	uint16_t inner = p->scope;

	if (!php_take(p, '('))
		return;
	while (!p->bad && !php_is(p, ')') && p->tok.kind != PHP_T_END) {
		php_take(p, '&');
		if (p->tok.kind == PHP_T_VAR) {
			struct php_value v;

			p->scope = outer;
			v = php_get(p, p->tok.p, p->tok.len, false);
			p->scope = inner;
			php_set(p, p->tok.p, p->tok.len, false, v);
		}
		php_next(p);
		php_take(p, ',');
	}
	php_take(p, ')');
}

void php_function_rest(struct php *p, const uint8_t *name, size_t len, bool arrow)
{
	uint16_t outer = p->scope;
	int own = p->in_own;

	if (!php_enter(p) || !php_take(p, '(')) {
		p->bad = true;
		php_leave(p);
		return;
	}
	if (!arrow)
		p->scope = ++p->scopes;
	if (name != NULL) {
		struct php_own *o = php_own_find(p, name, len);

		if (o == NULL && p->owns < PHP_FUNCTIONS) {
			o = &p->own[p->owns++];
			*o = (struct php_own){.name = name, .len = len};
		}
		p->in_own = o != NULL ? (int)(o - p->own) : -1;
	}
	parameters(p);
	if (php_is_word(p, "use")) {
		php_next(p);
		uses(p, outer);
	}
	if (php_take(p, ':'))
		type(p);
	if (arrow) {
		if (php_is_op(p, "=>", 2))
			php_next(p);
		php_expr(p);
	} else if (php_take(p, '{')) {
		block(p);
	} else if (!php_take(p, ';')) {
		p->bad = true;
	}
	p->scope = outer;
	p->in_own = own;
	php_leave(p);
}

static void member(struct php *p)
{
	if (php_is(p, '#'))
		skip_attribute(p);
	while (p->tok.kind == PHP_T_NAME && !php_is_word(p, "function") &&
	       !php_is_word(p, "const") && !php_is_word(p, "use") && !php_is_word(p, "case"))
		php_next(p);
	if (php_is_word(p, "function")) {
		const uint8_t *name;
		size_t len;

		php_next(p);
		php_take(p, '&');
		name = p->tok.p;
		len = p->tok.len;
		if (p->tok.kind != PHP_T_NAME) {
			p->bad = true;
			return;
		}
		php_next(p);
		php_function_rest(p, name, len, false);
		return;
	}
	if (p->tok.kind == PHP_T_VAR) {
		const uint8_t *name = p->tok.p;
		size_t len = p->tok.len;

		php_next(p);
		if (php_take(p, '='))
			php_set(p, name, len, true, php_expr(p));
		while (php_take(p, ',')) {
			php_next(p);
			if (php_take(p, '='))
				php_expr(p);
		}
		end_of_statement(p);
		return;
	}
	php_take(p, '?');
	while (!p->bad && !php_is(p, ';') && !php_is(p, '}') && p->tok.kind != PHP_T_END) {
		if (php_is(p, '{')) { // use A { .. }
			php_next(p);
			while (!p->bad && !php_is(p, '}') && p->tok.kind != PHP_T_END)
				php_next(p);
			php_take(p, '}');
			return;
		}
		if (p->tok.kind == PHP_T_VAR)
			return;
		php_next(p);
	}
	php_take(p, ';');
}

void php_class_body(struct php *p)
{
	if (!php_enter(p) || !php_take(p, '{')) {
		p->bad |= p->tok.kind != PHP_T_END;
		php_leave(p);
		return;
	}
	while (!p->bad && !php_is(p, '}') && p->tok.kind != PHP_T_END) {
		size_t at = p->tok.from;

		member(p);
		if (p->tok.from == at)
			p->bad = true;
	}
	php_take(p, '}');
	php_leave(p);
}

static void class_(struct php *p)
{
	while (!p->bad && (p->tok.kind == PHP_T_NAME || php_is(p, ',') || php_is(p, ':')))
		php_next(p);
	php_class_body(p);
	php_note(p, PHP_OP_CODE, p->tok.from);
}

// ---- statements ----------------------------------------------------------------------------------

// (..), then a statement or, with a colon, what goes on up to endif and its like.
static void parens(struct php *p)
{
	if (!php_take(p, '(')) {
		p->bad = true;
		return;
	}
	while (!p->bad && !php_is(p, ')') && p->tok.kind != PHP_T_END) {
		php_expr(p);
		while (php_take(p, ';') || php_take(p, ','))
			;
	}
	php_take(p, ')');
}

static void body(struct php *p)
{
	php_note(p, PHP_OP_CODE, p->tok.from);
	if (php_take(p, ':') || p->tok.kind == PHP_T_END)
		return; // the statements up to endif follow, which is one of its own
	php_statement(p);
}

static void assign_each(struct php *p, struct php_value v)
{
	v.kind = PHP_V_VAR;
	v.s = NULL;
	php_take(p, '&');
	if (p->tok.kind == PHP_T_VAR)
		php_set(p, p->tok.p, p->tok.len, false, v);
	php_expr(p);
}

static void foreach_(struct php *p)
{
	struct php_value v;

	if (!php_take(p, '(')) {
		p->bad = true;
		return;
	}
	v = php_expr(p);
	if (!php_is_word(p, "as")) {
		p->bad = true;
		return;
	}
	php_next(p);
	assign_each(p, v);
	if (php_is_op(p, "=>", 2)) {
		php_next(p);
		assign_each(p, v);
	}
	if (!php_take(p, ')'))
		p->bad |= p->tok.kind != PHP_T_END;
	body(p);
}

static void echo(struct php *p, size_t at)
{
	do {
		struct php_value v = php_expr(p);

		if (p->bad)
			return;
		php_note(p, v.kind == PHP_V_CALL ? PHP_OP_PRINT | PHP_OP_NESTED : PHP_OP_ECHO, at);
	} while (php_take(p, ','));
	end_of_statement(p);
}

static void global(struct php *p)
{
	while (!p->bad && p->tok.kind == PHP_T_VAR) {
		uint16_t scope = p->scope;
		struct php_value v;

		p->scope = 0;
		v = php_get(p, p->tok.p, p->tok.len, false);
		p->scope = scope;
		php_set(p, p->tok.p, p->tok.len, false, v);
		php_next(p);
		if (php_take(p, '='))
			php_expr(p);
		php_take(p, ',');
	}
	end_of_statement(p);
}

static void return_(struct php *p)
{
	struct php_value v = {0};

	if (!php_is(p, ';') && p->tok.kind != PHP_T_END && p->tok.kind != PHP_T_CLOSE)
		v = php_expr(p);
	if (p->in_own >= 0)
		p->own[p->in_own].gives |= v.taint;
	end_of_statement(p);
}

static void try_(struct php *p)
{
	if (php_take(p, '{'))
		block(p);
	while (!p->bad && (php_is_word(p, "catch") || php_is_word(p, "finally"))) {
		php_next(p);
		if (php_take(p, '('))
			while (!p->bad && !php_is(p, ')') && p->tok.kind != PHP_T_END)
				php_next(p);
		php_take(p, ')');
		if (php_take(p, '{'))
			block(p);
	}
}

// Words up to the semicolon: use, namespace, goto, break, const.
static void words(struct php *p)
{
	while (!p->bad && !php_is(p, ';') && !php_is(p, '{') && p->tok.kind != PHP_T_END &&
	       p->tok.kind != PHP_T_CLOSE)
		php_next(p);
	if (!php_take(p, '{'))
		end_of_statement(p);
	else
		block(p);
}

enum word {
	W_NONE,
	W_PARENS, // if (..) statement
	W_ELSE,   // else statement
	W_FOREACH,
	W_DO,
	W_ECHO,
	W_RETURN,
	W_GLOBAL,
	W_TRY,
	W_WORDS,
	W_CLASS,
	W_CASE,
	W_END, // endif;
};

static enum word word_of(const struct php_token *t)
{
	static const struct {
		const char *text;
		enum word word;
	} words_of[] = {
		{"if", W_PARENS},      {"elseif", W_PARENS},   {"while", W_PARENS},
		{"for", W_PARENS},     {"switch", W_PARENS},   {"declare", W_PARENS},
		{"else", W_ELSE},      {"foreach", W_FOREACH}, {"do", W_DO},
		{"echo", W_ECHO},      {"return", W_RETURN},   {"global", W_GLOBAL},
		{"try", W_TRY},        {"use", W_WORDS},       {"namespace", W_WORDS},
		{"goto", W_WORDS},     {"break", W_WORDS},     {"continue", W_WORDS},
		{"const", W_WORDS},    {"class", W_CLASS},     {"abstract", W_CLASS},
		{"final", W_CLASS},    {"interface", W_CLASS}, {"trait", W_CLASS},
		{"enum", W_CLASS},     {"case", W_CASE},       {"default", W_CASE},
		{"endif", W_END},      {"endwhile", W_END},    {"endfor", W_END},
		{"endforeach", W_END}, {"endswitch", W_END},   {"readonly", W_CLASS},
	};

	if (t->kind != PHP_T_NAME)
		return W_NONE;
	for (size_t i = 0; i < sizeof(words_of) / sizeof(words_of[0]); i++)
		if (php_text_is(t->p, t->len, words_of[i].text))
			return words_of[i].word;
	return W_NONE;
}

// A word is followed by what makes it no keyword: (, ->, =
static bool is_declaration(struct php *p)
{
	return p->tok.kind == PHP_T_NAME;
}

static void keyword(struct php *p, enum word w, size_t at)
{
	switch (w) {
	case W_PARENS:
		parens(p);
		body(p);
		break;
	case W_ELSE:
		if (php_is_word(p, "if"))
			php_statement(p);
		else
			body(p);
		break;
	case W_FOREACH:
		foreach_(p);
		break;
	case W_DO:
		php_statement(p);
		if (php_is_word(p, "while")) {
			php_next(p);
			parens(p);
		}
		end_of_statement(p);
		break;
	case W_ECHO:
		echo(p, at);
		break;
	case W_RETURN:
		return_(p);
		break;
	case W_GLOBAL:
		global(p);
		break;
	case W_TRY:
		try_(p);
		break;
	case W_WORDS:
		words(p);
		break;
	case W_CLASS:
		if (is_declaration(p))
			class_(p);
		else
			p->bad = true;
		break;
	case W_CASE:
		if (!php_is(p, ':') && !php_is(p, ';'))
			php_expr(p);
		if (!php_take(p, ':') && !php_take(p, ';'))
			p->bad |= p->tok.kind != PHP_T_END;
		break;
	default:
		end_of_statement(p);
	}
}

// name: of goto
static bool is_label(const struct php *p)
{
	size_t i = p->tok.to;

	if (p->tok.kind != PHP_T_NAME)
		return false;
	while (i < p->lex.len && php_is_blank(p->lex.p[i]))
		i++;
	return i < p->lex.len && p->lex.p[i] == ':' &&
	       !(i + 1 < p->lex.len && p->lex.p[i + 1] == ':') && word_of(&p->tok) != W_CASE &&
	       word_of(&p->tok) != W_ELSE;
}

static bool named_function(struct php *p)
{
	struct php_lex lex = p->lex;
	struct php_token tok = p->tok;
	const uint8_t *name;
	size_t len;

	if (!php_is_word(p, "function"))
		return false;
	php_next(p);
	php_take(p, '&');
	if (p->tok.kind != PHP_T_NAME) { // a closure, which is an expression
		p->lex = lex;
		p->tok = tok;
		return false;
	}
	name = p->tok.p;
	len = p->tok.len;
	php_next(p);
	php_function_rest(p, name, len, false);
	php_note(p, PHP_OP_CODE, tok.from);
	return true;
}

static void one_statement(struct php *p)
{
	struct php_token t = p->tok;
	enum word w;

	if (php_take(p, ';')) {
		return;
	} else if (php_take(p, '{')) {
		block(p);
	} else if (p->tok.kind == PHP_T_CLOSE) {
		return;
	} else if (php_is(p, '#')) {
		skip_attribute(p);
	} else if (is_label(p)) {
		php_next(p);
		php_next(p);
	} else if (named_function(p)) {
		;
	} else if (php_is_word(p, "static") && p->lex.at < p->lex.len &&
		   p->lex.p[p->lex.at] == ' ' && p->lex.at + 1 < p->lex.len &&
		   p->lex.p[p->lex.at + 1] == '$') {
		php_next(p);
		global(p);
	} else if ((w = word_of(&t)) != W_NONE) {
		php_next(p);
		keyword(p, w, t.from);
	} else {
		php_expr(p);
		if (!p->bad)
			end_of_statement(p);
	}
}

void php_statement(struct php *p)
{
	if (php_enter(p)) {
		// the text between ?> and <?php within a block
		if (p->tok.kind == PHP_T_CLOSE) {
			const uint8_t *open =
				bytes_find2(p->lex.p + p->lex.at, p->lex.len - p->lex.at, '<', '?');

			if (open == NULL) {
				p->lex.at = p->lex.len;
			} else {
				p->lex.at = (size_t)(open - p->lex.p) + 2;
				if (p->lex.len - p->lex.at >= 3 &&
				    strncasecmp((const char *)p->lex.p + p->lex.at, "php", 3) == 0)
					p->lex.at += 3;
				else if (p->lex.at < p->lex.len && p->lex.p[p->lex.at] == '=')
					p->lex.at += 1;
			}
			php_next(p);
		} else {
			one_statement(p);
		}
	}
	php_leave(p);
}

// ---- texts ---------------------------------------------------------------------------------------

static void statements(struct php *p)
{
	while (!p->bad && p->tok.kind != PHP_T_END && p->tok.kind != PHP_T_CLOSE) {
		size_t at = p->tok.from;

		php_statement(p);
		if (p->bad)
			return;
		if (p->tok.from == at && p->tok.kind != PHP_T_END && p->tok.kind != PHP_T_CLOSE) {
			p->bad = true; // a brace that closes nothing
			return;
		}
		p->statements++;
		p->ops_done = p->ops;
		p->at_done = p->at;
	}
}

void php_code(struct php *p, const uint8_t *text, size_t len)
{
	p->lex = (struct php_lex){.p = text, .len = len, .tokens = p->lex.tokens};
	p->tok = (struct php_token){0};
	php_next(p);
	statements(p);
}

void php_code_rest(struct php *p, const uint8_t *text, size_t len)
{
	p->lex = (struct php_lex){.p = text, .len = len, .tokens = p->lex.tokens};
	p->tok = (struct php_token){0};
	php_next(p);
	php_rest(p, (struct php_value){.kind = PHP_V_TEXT, .s = text, .n = 0});
	if (p->bad)
		return;
	while (php_take(p, ')') || php_take(p, ']') || php_take(p, ','))
		;
	if (!php_is(p, ';') && !php_is(p, '}'))
		return;
	while (php_take(p, ';') || php_take(p, '}'))
		;
	p->statements++;
	p->ops_done = p->ops;
	statements(p);
}

// Where code begins at a <?: behind <?php, <?= or <? and a blank. 0: here it does not. <?xml : is a label of
// goto, <?xml and anything else is no code.
static size_t behind_tag(const uint8_t *p, size_t left)
{
	size_t i = 5;

	if (left >= 5 && strncasecmp((const char *)p, "<?php", 5) == 0)
		return 5;
	if (left >= 3 && p[2] == '=')
		return 3;
	if (left < 5 || strncasecmp((const char *)p, "<?xml", 5) != 0)
		return left > 2 && (php_is_blank(p[2]) || php_is_name_start(p[2])) ? 2 : 0;
	while (i < left && php_is_blank(p[i]))
		i++;
	return i < left && p[i] == ':' ? 2 : 0;
}

// Code from a tag on. What cannot be read is left behind, up to the next end of a statement; but where not
// even the first one can be, the short tag was none.
static void code_of_tag(struct php *p, const uint8_t *text, size_t len, size_t skip)
{
	unsigned before = p->statements, errors = 0;
	bool sure = skip == 5;

	if (skip == 3) // <?= is echo
		php_note(p, PHP_OP_ECHO, 0);
	p->bad = false;
	php_code(p, text, len);
	while (p->bad && (sure || p->statements > before) && errors < 256 &&
	       p->lex.tokens <= p->most) {
		errors++;
		p->bad = false;
		p->in_own = -1;
		while (p->tok.kind != PHP_T_END && p->tok.kind != PHP_T_CLOSE && !php_is(p, ';') &&
		       !php_is(p, '{') && !php_is(p, '}') && p->lex.tokens <= p->most)
			php_lex_next(&p->lex, &p->tok);
		if (p->tok.kind == PHP_T_END || p->tok.kind == PHP_T_CLOSE)
			return;
		php_next(p);
		statements(p);
	}
}

unsigned php_file(struct php *p, const uint8_t *text, size_t len)
{
	const uint8_t *end = text + len, *q = text;
	unsigned tags = 0;

	while ((q = bytes_find2(q, (size_t)(end - q), '<', '?')) != NULL &&
	       p->lex.tokens <= p->most) {
		size_t skip = behind_tag(q, (size_t)(end - q)), before = p->statements;
		uint32_t ops = p->ops;

		if (skip == 0) {
			q += 2;
			continue;
		}
		q += skip;
		code_of_tag(p, q, (size_t)(end - q), skip);
		if (skip != 5 && p->bad && p->statements == before) {
			p->ops = ops; // no code
			continue;
		}
		tags++;
		q = p->lex.p + p->lex.at;
	}
	return tags;
}
